"""A batch of texts that are one text with pieces left out; strings where someone reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import BoolArray, Component, IntArray, Spans


@dataclass(frozen=True, eq=False)
class Pieces:
    """A text in pieces, each of one component or of none."""

    texts: tuple[str, ...]
    owners: IntArray
    """(pieces,): the component that a piece stays or goes with; -1 for one that always stays."""
    gone: str = ""
    """What stands where a piece is gone."""
    blank: str = ""
    """What is asked where nothing but blanks is left; empty leaves them."""

    @cached_property
    def letters(self) -> tuple[NDArray[np.generic], IntArray, str]:
        """Return all characters that may stand, in order, what each depends on, and their codec.

        A character stands where component j stays (j), where it goes (d + j), or always (2 d).
        """
        d = int(self.owners.max(initial=-1)) + 1
        written, places = [], []
        for text, owner in zip(self.texts, self.owners.tolist(), strict=True):
            if owner >= 0 and self.gone:
                written.append(self.gone)
                places.append(d + owner)
            written.append(text)
            places.append(owner if owner >= 0 else 2 * d)
        lengths = [len(one) for one in written]
        whole = "".join(written)
        narrow = max(whole, default="") < "\u0100"
        codec, dtype = ("latin-1", "u1") if narrow else ("utf-32-le", "<u4")
        letters = np.frombuffer(whole.encode(codec, "surrogatepass"), dtype)
        return letters, np.repeat(np.array(places, np.int64), lengths), codec


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
        letters, places, codec = self.pieces.letters
        always = np.ones((len(self.masks), 1), bool)
        found = [
            letters[stands[places]].tobytes().decode(codec, "surrogatepass")
            for stands in np.hstack([self.masks, ~self.masks, always])
        ]
        if not self.pieces.blank:
            return found
        return [text if text and not text.isspace() else self.pieces.blank for text in found]


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
