"""A batch of texts that are one text with pieces left out; strings where someone reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Component, Spans
from lime_cli.engine.model import BoolArray, IntArray

RUN, MANY, LONG = 6, 10_000, 2**19
"""Pieces to a run; of more pieces or characters in all, each stands alone: ways take memory."""
NUMBERS = 2**17
"""Runs of several texts that are looked up at once, at most."""


@dataclass(frozen=True, eq=False)
class Runs:
    """A text cut into runs of as many pieces each."""

    ways: NDArray[np.object_]
    """(runs * 2 ** pieces,): each way that a run may stand; those of the first run come first."""
    owners: IntArray
    """(runs, pieces): of each piece, the first of which counts most in the number of a way."""

    def written(self, masks: BoolArray) -> list[list[str]]:
        """Return the runs of texts that keep components (n, d)."""
        stands = np.ascontiguousarray(masks.T).view(np.uint8)
        number = np.zeros((len(self.owners), len(masks)), np.uint8)
        for owner in self.owners.T:
            number <<= 1
            number |= stands.take(owner, axis=0)
        first = np.arange(len(self.owners)) * 2 ** self.owners.shape[1]
        found: list[list[str]] = self.ways[np.ascontiguousarray(number.T) + first].tolist()
        return found


@dataclass(frozen=True, eq=False)
class Pieces:
    """A text in pieces, each of one component or of none."""

    texts: tuple[str, ...]
    owners: IntArray
    """(pieces,): the component that a piece stays or goes with; -1 for one that always stays."""
    masked: str = ""
    """What stands where a piece is masked."""
    blank: str = ""
    """What is asked where nothing but blanks is left; empty leaves them."""

    @cached_property
    def runs(self) -> Runs:
        """Return the text in runs of a few pieces, each written in all ways that it may stand."""
        ways, owners = _ways(self)
        short = len(ways) <= MANY and sum(map(len, self.texts)) <= LONG
        size = RUN if short else 1
        spare = -len(ways) % size
        ways, owners = ways + [("", "")] * spare, owners + [0] * spare
        runs = []
        for start in range(0, len(ways), size):
            variants = [""]
            for both in ways[start : start + size]:
                variants = [begun + one for begun in variants for one in both]
            runs.append(variants)
        return Runs(np.array(runs, dtype=object).ravel(), np.array(owners).reshape(-1, size))


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """Texts, each keeping some components of one text."""

    pieces: Pieces
    masks: BoolArray
    """(n, d)"""

    def __len__(self) -> int:
        return len(self.masks)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self.strings[index]

    def chosen(self, rows: Sequence[int]) -> Texts:
        """Return some of the texts."""
        return Texts(self.pieces, self.masks[list(rows)])

    @cached_property
    def strings(self) -> list[str]:
        """Write every text out."""
        runs = self.pieces.runs
        at_once = max(1, NUMBERS // len(runs.owners))
        found = [
            "".join(row)
            for start in range(0, len(self.masks), at_once)
            for row in runs.written(self.masks[start : start + at_once])
        ]
        if not self.pieces.blank:
            return found
        return [text if text and not text.isspace() else self.pieces.blank for text in found]


def _ways(pieces: Pieces) -> tuple[list[tuple[str, str]], list[int]]:
    """Return how pieces of components stand, masked and kept, and whose they are.

    What always stays goes with the piece before it, or with the first.
    """
    ways, owners, always = [], [], ""
    for text, owner in zip(reversed(pieces.texts), reversed(pieces.owners.tolist()), strict=True):
        if owner < 0:
            always = text + always
        else:
            ways.append((pieces.masked + always, text + always))
            owners.append(owner)
            always = ""
    ways = ways[::-1] or [("", "")]
    ways[0] = (always + ways[0][0], always + ways[0][1])
    return ways, owners[::-1] or [0]


def pieces_of(text: str, components: Sequence[Component]) -> tuple[tuple[str, ...], IntArray]:
    """Return the pieces of a text and whose component each is, -1 for those between."""
    spans = sorted(
        (start, end, j)
        for j, component in enumerate(components)
        if isinstance(component.where, Spans)
        for start, end in component.where.spans
    )
    pieces, owners, place = [], [], 0
    for start, end, j in spans:
        pieces += [text[place:start], text[start:end]]
        owners += [-1, j]
        place = end
    return (*pieces, text[place:]), np.array([*owners, -1])
