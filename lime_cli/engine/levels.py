"""How often each level of a column occurs, and which one a point between 0 and 1 stands for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray

MOST_ROWS = 2**20
"""Of a background, that are laid out for looking levels up."""
MANY = 16
"""Levels from which looking up is faster than a binary search."""


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of a column: each has a stretch of [0, 1) as wide as its share."""

    shares: FloatArray
    """(levels,); sums to one."""

    def at(self, points: FloatArray) -> IntArray:
        """Return the level of each point in [0, 1)."""
        rows = self._rows
        if rows is not None:
            return rows[(points * len(rows)).astype(np.int64)]
        if len(self.shares) <= MANY:
            return np.searchsorted(self._ends, points, side="right")
        return self._searched(points)

    @cached_property
    def _rows(self) -> IntArray | None:
        """The level of every row of a background in order, where shares count rows; None elsewhere.

        So they are of nearly every column of measurements: the smallest is one row of n, and the
        level of a point is that of row n times the point. Five times as fast as a search.
        """
        smallest = float(self.shares.min())
        if len(self.shares) < MANY or smallest * MOST_ROWS < 1.0:
            return None
        n = round(1.0 / smallest)
        counts = np.rint(self.shares * n)
        if np.abs(self.shares * n - counts).max() > 1e-6 or counts.sum() != n:
            return None
        return np.repeat(np.arange(len(self.shares)), counts.astype(np.int64))

    @cached_property
    def _ends(self) -> FloatArray:
        """Where the stretches end, but for the last."""
        return np.asarray(np.cumsum(self.shares)[:-1])

    @cached_property
    def _grid(self) -> IntArray:
        """How many stretches end at or below each cell of a fine even grid."""
        cells = 1 << len(self._ends).bit_length()
        inside = np.ceil(np.minimum(self._ends, 1.0) * cells).astype(np.int64)
        return np.cumsum(np.bincount(inside, minlength=cells + 1))

    def _searched(self, points: FloatArray) -> IntArray:
        """Search on from the grid's cell of each point: ten times as fast as from the middle."""
        places = self._grid[(points * (len(self._grid) - 1)).astype(np.int64)]
        ending = np.append(self._ends, np.inf)
        late = np.flatnonzero(ending[places] <= points)
        while len(late):
            places[late] += 1
            late = late[ending[places[late]] <= points[late]]
        return places
