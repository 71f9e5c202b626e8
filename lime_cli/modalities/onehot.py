"""Exclusive 0/1 columns, of which every row has exactly one: how they are found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MARKS = ("_", "=", ".", "-", " ")
"""What stands between the name of a one-hot block and a level of it."""


def exclusive_blocks(ones: dict[str, NDArray[np.uint8]]) -> dict[str, tuple[str, ...]]:
    """Find 0/1 columns (rows,) of which every row has exactly one: their names, by the block's.

    Columns that are called alike up to a mark are tried first, wherever they stand; then those
    that stand beside each other, the first such run from the left.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = list(ones)
    for prefix, names in _called_alike(left).items():
        if prefix not in ones and _exclusive([ones[name] for name in names]):
            found[prefix] = tuple(names)
            left = [name for name in left if name not in set(names)]
    while left:
        run = _run([ones[name] for name in left])
        if run:
            found[f"{left[0]}..{left[run - 1]}"] = tuple(left[:run])
        left = left[max(1, run) :]
    return found


def _called_alike(names: Sequence[str]) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for name in names:
        end = max(name.rfind(mark) for mark in MARKS)
        if end > 0:
            alike.setdefault(name[:end], []).append(name)
    return alike


def _exclusive(columns: Sequence[NDArray[np.uint8]]) -> bool:
    varying = sum(bool((one != one[0]).any()) for one in columns)
    return varying >= 2 and bool((np.sum(columns, axis=0, dtype=np.int64) == 1).all())


def _run(columns: Sequence[NDArray[np.uint8]]) -> int:
    """Return how many columns from the first on make the shortest exclusive run; 0 for none."""
    total = np.zeros(len(columns[0]), np.int64)
    for i, column in enumerate(columns):
        total += column
        if total.max() > 1:
            return 0
        if total.min() == 1:
            return i + 1 if _exclusive(columns[: i + 1]) else 0
    return 0
