"""Columns that determine each other: replaced one by one they make rows that cannot exist.

Two columns of numbers belong together where their ranks correlate almost perfectly; a column and
one of categories, where knowing the category leaves hardly a doubt about the bin of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.tabular.groups import Feature

ROWS = 500
"""Rows that are looked at, at most, evenly spaced."""
MOST = 1_000
"""Columns, at most, that are looked at."""
FEWEST = 30
"""Rows, at least, that say anything."""
CORRELATED = 0.95
"""Absolute rank correlation (Spearman) of numbers."""
DETERMINED = 0.95
"""Share of the errors of guessing the commonest bin that knowing a category avoids (Goodman and
Kruskal's lambda)."""
ROWS_A_CATEGORY = 5
"""Rows, at least, for each category of the column that determines: fewer make identifiers."""


def dependent_sets(features: Sequence[Feature], rows: IntArray) -> tuple[tuple[int, ...], ...]:
    """Return sets of columns that determine each other, by their places, the first column first.

    ``rows`` are the category numbers (n, columns) of rows of the background.
    """
    n, p = rows.shape
    if n < FEWEST or not 2 <= p <= MOST:
        return ()
    joined = np.eye(p, dtype=bool)
    varies = [j for j in range(p) if len(np.unique(rows[:, j])) > 1]
    numbers = [j for j in varies if features[j].numeric]
    if len(numbers) > 1:
        ranks = np.stack([_ranks(rows[:, j]) for j in numbers], axis=1)
        alike = np.abs(np.corrcoef(ranks, rowvar=False)) >= CORRELATED
        joined[np.ix_(numbers, numbers)] |= alike
    for j in varies:
        categories, code = np.unique(rows[:, j], return_inverse=True)
        if features[j].numeric or len(categories) > n / ROWS_A_CATEGORY:
            continue
        for i in varies:
            if i != j and _determined(code, features[i].bins[rows[:, i]]):
                joined[i, j] = joined[j, i] = True
    return _components(joined)


def _ranks(categories: IntArray) -> FloatArray:
    """Return ranks, equal ones shared; values ascend with their category number."""
    values, place, counts = np.unique(categories, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[place], np.float64) if len(values) else np.zeros(0)


def _determined(code: IntArray, bins: IntArray) -> bool:
    """Tell whether the category of one column all but says the bin of another."""
    _, other = np.unique(bins, return_inverse=True)
    if other.max() == 0:
        return False
    table = np.zeros((int(code.max()) + 1, int(other.max()) + 1), np.int64)
    np.add.at(table, (code, other), 1)
    errors = len(code) - int(table.sum(axis=0).max())
    left = len(code) - int(table.max(axis=1).sum())
    return errors >= ROWS_A_CATEGORY and 1.0 - left / errors >= DETERMINED


def _components(joined: BoolArray) -> tuple[tuple[int, ...], ...]:
    """Return the connected sets of two and more."""
    left, found = set(np.flatnonzero(joined.sum(axis=1) > 1).tolist()), []
    while left:
        first = min(left)
        reached, waiting = {first}, [first]
        while waiting:
            near = set(np.flatnonzero(joined[waiting.pop()]).tolist()) - reached
            reached |= near
            waiting.extend(near)
        left -= reached
        found.append(tuple(sorted(reached)))
    return tuple(one for one in found if len(one) > 1)
