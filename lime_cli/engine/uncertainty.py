"""How far each weight may be off: standard errors, intervals, ranks, how often it is chosen."""

from __future__ import annotations

from functools import cache

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray

LEVEL = 0.05
"""How often an interval may miss."""


def jackknife(folds: FloatArray, axis: int) -> FloatArray:
    """Return standard errors from estimates that leave out each of the blocks along ``axis``."""
    B = folds.shape[axis]
    if B < 2:
        return np.zeros(np.delete(folds.shape, axis))
    apart = folds - folds.mean(axis=axis, keepdims=True)
    return np.asarray(np.sqrt((B - 1) / B * (apart**2).sum(axis=axis)))


def moves(folds: FloatArray) -> IntArray:
    """Return how estimates (B, d) that leave out a block differ from their mean, (B, d).

    In thousandths of a vector of length 1, so that two of these times both standard errors make
    the covariance of two estimates from the same blocks.
    """
    apart = folds - folds.mean(axis=0)
    length = np.sqrt((apart**2).sum(axis=0))
    return np.asarray(np.rint(1000 * apart / np.where(length > 0, length, 1.0)), np.int64)


@cache
def student(freedom: int, tail: float) -> float:
    """Return the point that Student's t exceeds with probability ``tail``, in (0, 0.5).

    t is the root of ``freedom`` times the tangent of an angle whose density is the cosine's power.
    """
    angles = np.linspace(0.0, np.pi / 2, 200_001)
    density = np.cos(angles) ** (freedom - 1)
    density[0] /= 2
    beyond = np.cumsum(density[::-1])[::-1]
    beyond /= 2 * beyond[0]
    place = int(np.searchsorted(-beyond, -tail))
    low, high = beyond[place], beyond[place - 1]
    angle = angles[place] - (tail - low) / (high - low) * (angles[1] - angles[0])
    return float(np.sqrt(freedom) * np.tan(angle))


def multiplier(n_blocks: int, shown: int, d: int) -> float:
    """Return how many standard errors an interval reaches that ``shown`` of d components share.

    The false coverage rate after a choice stays at the level when each interval has the level
    1 - 0.05 shown / d (Benjamini & Yekutieli 2005).
    """
    if n_blocks < 2:
        return 0.0
    return student(n_blocks - 1, LEVEL / 2 * max(1, min(shown, d)) / d)


def rank_ranges(
    weights: FloatArray, half_widths: FloatArray, shown: BoolArray
) -> tuple[IntArray, IntArray]:
    """Return the best and the worst rank by size, among all d, that intervals leave possible.

    All are (d,); only those of what is ``shown`` are looked at. A weight surely outranks another
    when the interval of its size lies wholly above the other's.
    """
    low, high = np.abs(weights) - half_widths, np.abs(weights) + half_widths
    best, worst = np.ones(len(weights), np.int64), np.full(len(weights), len(weights))
    for j in np.flatnonzero(shown):
        best[j] = 1 + int((low > high[j]).sum())
        worst[j] = len(weights) - int((high < low[j]).sum())
    return best, worst
