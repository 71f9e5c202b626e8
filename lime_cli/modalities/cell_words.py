"""The words of a cell as components beside the other columns of its row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Component, FloatArray, IntArray, Spans
from lime_cli.engine.texts import pieces_of

COIN: FloatArray = np.array([0.5, 0.5])
"""A word goes or stays by a fair coin.

Each by itself, as columns are drawn: a sample's weight is then a product over all components, so
that no word is weighed by how many others went. The size of a text has no part in it.
"""


@dataclass(frozen=True, eq=False)
class CellWords:
    """A cell of words; all copies of a word are one component."""

    column: str
    text: str

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """One for each different word, in the order of the text."""
        from lime_cli.modalities.words import cut  # brings regex

        places: dict[str, list[tuple[int, int]]] = {}
        for start, end in cut(self.text, "word"):
            places.setdefault(self.text[start:end], []).append((start, end))
        return tuple(
            Component(word, None, Spans(tuple(spans), self.column))
            for word, spans in places.items()
        )

    def kept(self, masks: IntArray) -> NDArray[Any]:
        """Return n cells in which only the kept words stand, (n,); ``masks`` are (n, words)."""
        pieces, owners = self._pieces
        stays = np.ones((len(masks), len(pieces)), bool)
        stays[:, owners >= 0] = masks[:, owners[owners >= 0]].astype(bool)
        cells = np.empty(len(masks), object)
        cells[:] = ["".join(compress(pieces, row)) for row in stays.tolist()]
        return cells

    @cached_property
    def _pieces(self) -> tuple[tuple[str, ...], IntArray]:
        return pieces_of(self.text, self.components)
