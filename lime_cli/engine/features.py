"""Samples of a table as rows of features, each feature of one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lime_cli.engine.encoding import Cells, ColumnLaw, encode
from lime_cli.engine.instance import BoolArray, FloatArray, IntArray

Odds = FloatArray
"""(rows, d): how probable each column stays in the row's bin under the weighted law."""


@dataclass(frozen=True, eq=False)
class Features:
    """How level numbers of the d columns that vary become features."""

    cells: tuple[Cells, ...]
    column: IntArray
    """(features,): which column each belongs to."""
    group: IntArray
    """(features,): which scale it shares, from 0."""
    coarse: BoolArray
    """(features,): whether a model of half as many features has it."""

    def of(self, codes: IntArray) -> FloatArray:
        """Return (n, features) for level numbers (n, d)."""
        found = [cells.features[self.cell(codes, j)] for j, cells in enumerate(self.cells)]
        return np.hstack(found)

    def cell(self, codes: IntArray, column: int) -> IntArray:
        """Return the cells (n,) of one column's level numbers."""
        return self.cells[column].of_level[codes[:, column]]

    def odds(self, bins: IntArray, fade: float) -> Odds:
        """Return the odds of rows in ``bins`` (rows, d), where a column gone weighs ``fade``."""
        p = np.stack([cells.within[bins[:, j]] for j, cells in enumerate(self.cells)], axis=1)
        return np.asarray(p / (p + fade * (1.0 - p)))


def features_of(laws: Sequence[ColumnLaw]) -> Features:
    """Return the features of columns that all vary."""
    cells = encode(laws)
    column = np.repeat(np.arange(len(cells)), [len(one.groups) for one in cells])
    groups = np.concatenate([2 * j + one.groups for j, one in enumerate(cells)])
    _, group = np.unique(groups, return_inverse=True)
    coarse = [
        (np.arange(len(one.groups)) % 2 == 0) | (law.sizes is None)
        for one, law in zip(cells, laws, strict=True)
    ]
    return Features(tuple(cells), column, group, np.concatenate(coarse))
