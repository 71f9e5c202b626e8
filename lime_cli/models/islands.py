"""Islands: the stretches of a text between blanks, and the tokens in each of their variants.

Within an island pieces that stay may grow together ("well-known" without "well", a clause of
Chinese); between islands nothing does. An island of one component has two variants, one of several
as many as the samples hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.instance import BoolArray, IntArray
from lime_cli.engine.texts import Pieces, Texts

MANY_VARIANTS = 50_000
"""Of one text; beyond, spelling the samples out is as cheap."""
WIDEST = 62
"""Components of one island whose variants can be told apart by a number."""
WORDS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w\w+\b", r"\b\w+\b", r"\w+")
"""Patterns of tokens that end where a clause does."""
BLANK, CLAUSE = r"\s", r"[\s!?,;()\[\]{}\"。、，！？；（）「」『』《》〈〉【】]"

Segments = tuple[tuple[str, int], ...]
"""Texts and their owners, -1 for what always stays."""


class Found(NamedTuple):
    """Tokens of n texts: of islands of one component by whole columns, of others one by one."""

    stands: BoolArray
    """(n, sources): whether each source stands in a text."""
    sources: IntArray
    """(slots,): what a slot depends on."""
    tokens: IntArray
    """(slots,): its token, by number."""
    places: IntArray
    """(slots,): its island, ascending."""
    more: IntArray
    """(3, m): text, place and token of all others; tokens of one place in their order."""


class Islands:
    """A text in islands; tokens of variants are looked up once."""

    def __init__(self, pieces: Pieces, vectorizer: Any) -> None:
        self._pieces = pieces
        self._prepare, self._cut = vectorizer.build_preprocessor(), vectorizer.build_tokenizer()
        self._stop = frozenset(vectorizer.get_stop_words() or ())
        self._numbers: dict[str, int] = {}
        self._cuts: dict[str, list[int]] = {}
        self._variants: dict[tuple[int, int], list[int]] = {}
        ends = CLAUSE if vectorizer.token_pattern in WORDS else BLANK
        dropping = vectorizer.strip_accents == "ascii"  # whatever is not ASCII, blanks too
        between = re.compile(BLANK if dropping else ends, re.ASCII if dropping else re.UNICODE)
        self._islands = [
            (one, sorted({owner for _, owner in one if owner >= 0}))
            for one in _islands(pieces, between)
        ]
        self._speaking = {
            owner
            for text, owner in zip(pieces.texts, pieces.owners.tolist(), strict=True)
            if text and not text.isspace()
        }
        self._slots = self._of_one_component()

    @property
    def names(self) -> list[str]:
        """The different tokens, by number."""
        return list(self._numbers)

    def read(self, texts: Texts) -> Found | None:
        """Return the tokens of texts; None where there are too many variants."""
        n = len(texts)
        parts = [
            self._more(
                self._blank(texts.masks), len(self._islands), self._tokens(self._pieces.blank)
            )
        ]
        for place, (_, owners) in enumerate(self._islands):
            if len(owners) > WIDEST or len(self._variants) > MANY_VARIANTS:
                return None
            if len(owners) > 1:
                parts += list(self._of_several(texts.masks[:, owners], place))
        stands = np.hstack([texts.masks, ~texts.masks, np.ones((n, 1), bool)])
        return Found(stands, *self._slots, np.concatenate(parts, axis=1))

    def _blank(self, masks: BoolArray) -> IntArray:
        """Return which texts have nothing but blanks left, so that another stands for them."""
        gone = self._pieces.gone
        if not self._pieces.blank or -1 in self._speaking or (gone and not gone.isspace()):
            return np.zeros(0, np.int64)
        return np.flatnonzero(~masks[:, sorted(self._speaking)].any(axis=1))

    def _of_one_component(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return the slots: sources, tokens, places, of islands of at most one component."""
        d = int(self._pieces.owners.max(initial=-1)) + 1
        slots: list[tuple[int, int, int]] = []
        for place, (segments, owners) in enumerate(self._islands):
            if len(owners) > 1:
                continue
            source = owners[0] if owners else 2 * d
            whole = "".join([text for text, _ in segments])
            slots += [(source, token, place) for token in self._tokens(whole)]
            if owners:
                left = "".join([text if j < 0 else self._pieces.gone for text, j in segments])
                slots += [(d + source, token, place) for token in self._tokens(left)]
        sources, tokens, places = np.array(slots, np.int64).reshape(-1, 3).T
        return sources, tokens, places

    def _of_several(self, masks: BoolArray, place: int) -> Iterator[IntArray]:
        """Yield the tokens of an island of several components, variant by variant."""
        kept = masks @ (1 << np.arange(masks.shape[1], dtype=np.int64))
        order = np.argsort(kept, kind="stable")
        different, first = np.unique(kept[order], return_index=True)
        ends = [*first[1:].tolist(), len(order)]
        for one, start, end in zip(different.tolist(), first.tolist(), ends, strict=True):
            tokens = self._variant(place, one)
            if tokens:
                yield self._more(order[start:end], place, tokens)

    def _more(self, rows: IntArray, place: int, tokens: list[int]) -> IntArray:
        found = np.empty((3, len(rows) * len(tokens)), np.int64)
        found[0], found[1] = np.repeat(rows, len(tokens)), place
        found[2] = np.tile(tokens, len(rows))
        return found

    def _variant(self, place: int, kept: int) -> list[int]:
        known = self._variants.get((place, kept))
        if known is None:
            segments, owners = self._islands[place]
            going = {one for i, one in enumerate(owners) if not kept >> i & 1}
            text = "".join([self._pieces.gone if j in going else text for text, j in segments])
            known = self._variants[place, kept] = self._tokens(text)
        return known

    def _tokens(self, text: str) -> list[int]:
        """Cut by the vectorizer's own rules; numbers of the tokens, in order."""
        known = self._cuts.get(text)
        if known is None:
            tokens = [one for one in self._cut(self._prepare(text)) if one not in self._stop]
            numbers = self._numbers
            known = [numbers.setdefault(one, len(numbers)) for one in tokens]
            self._cuts[text] = known
        return known


def _islands(pieces: Pieces, between: re.Pattern[str]) -> Iterator[Segments]:
    """Cut where something always stays that nothing grows across; each side keeps its edge."""
    island: list[tuple[str, int]] = []
    for text, owner in zip(pieces.texts, pieces.owners.tolist(), strict=True):
        cuts = [match.start() for match in between.finditer(text)] if owner < 0 else []
        if not cuts:
            island.append((text, owner))
            continue
        yield (*island, (text[: cuts[0] + 1], -1))
        if len(cuts) > 1:
            yield ((text[cuts[0] : cuts[-1] + 1], -1),)
        island = [(text[cuts[-1] :], -1)]
    yield tuple(island)
