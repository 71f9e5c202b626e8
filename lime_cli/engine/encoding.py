"""Columns of a table as numbers for cheap models: cells of levels, features, laws within bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray

CELLS = 64
"""Levels of one column that are told apart, at most; more are joined with their neighbours."""
FEATURES = 600
"""Of all columns together, at most."""
STEPS = 15
"""Of one column, at most."""


@dataclass(frozen=True, eq=False)
class ColumnLaw:
    """How one column is drawn: levels in order, and the bin that each lies in."""

    shares: FloatArray
    """(levels,); sums to one."""
    bins: IntArray
    """(levels,)"""
    sizes: FloatArray | None
    """(levels,): the levels as numbers, nan for a missing value; None where they have none."""


class Cells(NamedTuple):
    """One column in cells: which one each level falls into, its features, its law."""

    of_level: IntArray
    """(levels,)"""
    features: FloatArray
    """(cells, features): the size first, where there is one; then steps, or one per level."""
    groups: IntArray
    """(features,): 0 for the size, 1 for the rest."""
    inside: FloatArray
    """(bins + 1, cells): shares within a bin; the last row is the bin of an unknown level."""
    outside: FloatArray
    """(bins + 1, cells): shares outside a bin; those within where nothing is outside."""
    within: FloatArray
    """(bins + 1,): share of the bin, 0 for that of an unknown level."""


def encode(laws: Sequence[ColumnLaw]) -> list[Cells]:
    """Encode every column; together they have not many more than ``FEATURES`` features."""
    steps = min(STEPS, FEATURES // len(laws) - 1)
    return [_cells(law, max(0, steps)) for law in laws]


def _cells(law: ColumnLaw, steps: int) -> Cells:
    of_level, n_cells = _joined(law)
    weight: FloatArray = np.bincount(of_level, law.shares, n_cells).astype(float)
    if law.sizes is None:
        features = _one_each(weight, max(1, steps))
        groups = np.ones(features.shape[1], np.int64)
    else:
        sizes = np.nan_to_num(law.sizes - np.nanmean(law.sizes))
        size: FloatArray = np.bincount(of_level, law.shares * sizes, n_cells) / weight
        features = np.hstack([_standard(size, weight)[:, None], _steps(weight, steps)])
        groups = (np.arange(features.shape[1]) > 0).astype(np.int64)
    joint = np.zeros((int(law.bins.max()) + 2, n_cells))
    np.add.at(joint, (law.bins, of_level), law.shares)
    within, total = joint.sum(axis=1), joint.sum(axis=0)
    inside, outside = np.tile(total, (len(joint), 1)), np.tile(total, (len(joint), 1))
    np.divide(joint, within[:, None], out=inside, where=within[:, None] > 0)
    rest = 1.0 - within[:, None]
    np.divide(total - joint, rest, out=outside, where=rest > 1e-12)
    return Cells(of_level, features, groups, inside, outside, within)


def _joined(law: ColumnLaw) -> tuple[IntArray, int]:
    """Return the cell of every level and the number of cells."""
    if len(law.shares) <= CELLS:
        return np.arange(len(law.shares)), len(law.shares)
    middle = np.cumsum(law.shares) - law.shares / 2
    _, of_level = np.unique((middle * CELLS).astype(np.int64), return_inverse=True)
    return of_level, int(of_level.max()) + 1


def _standard(size: FloatArray, weight: FloatArray) -> FloatArray:
    centred = size - weight @ size
    return np.asarray(centred / np.sqrt(max(float(weight @ centred**2), 1e-300)))


def _steps(weight: FloatArray, n: int) -> FloatArray:
    """Return (cells, at most n) thermometer codes, so that squared distances grow with ranks."""
    middle = np.cumsum(weight) - weight / 2
    edges = np.arange(1, n + 1) / (n + 1)
    codes = (middle[:, None] > edges).astype(float)
    differ = codes.any(axis=0) & ~codes.all(axis=0)
    _, first = np.unique(codes[:, differ], axis=1, return_index=True)
    return np.asarray(codes[:, differ][:, np.sort(first)] * np.sqrt(6 / (n + 1)))


def _one_each(weight: FloatArray, n: int) -> FloatArray:
    """Return (cells, at most n) indicators of the most frequent levels."""
    chosen = np.argsort(-weight, kind="stable")[:n]
    return np.eye(len(weight))[:, np.sort(chosen)]
