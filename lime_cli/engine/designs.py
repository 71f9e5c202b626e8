"""Designs place points in the unit cube; laws turn points into samples.

The laws are those of LIME: every component stays or goes by a fair coin (pictures), the number
gone is uniform and the subset random (texts), or every column takes a value observed in the
background (tables). Each law can also be enumerated, with every outcome's probability as its mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import comb, prod

import numpy as np

from lime_cli.engine.balanced import halves, quarters
from lime_cli.engine.instance import Design, FloatArray, IntArray, Points, Samples
from lime_cli.engine.levels import Levels
from lime_cli.engine.sobol import interleaved, sobol

N_BLOCKS = 8
AT_ONCE = 512
"""Samples that are sorted in one go, so that they stay in the cache."""


def random(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return n independent uniform points in [0, 1)^m."""
    return rng.random((n, m))


def in_blocks(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return Sobol' points in blocks scrambled independently, point i in block i modulo 8.

    Independent blocks are what error bars are computed from; within a block points spread evenly.
    """
    return interleaved(n, m, rng.spawn(N_BLOCKS))


def paired(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return uniform points, each followed by its mirror image through the centre.

    A pair falls into one block: rows i and i + 8 of every 16 mirror each other. The first
    coordinate of each block spreads evenly; laws give it what matters most.
    """
    points = np.empty((-(-n // (2 * N_BLOCKS)), 2, N_BLOCKS, m))
    for block, child in enumerate(rng.spawn(N_BLOCKS)):
        points[:, 0, block, :1] = sobol(len(points), 1, child)
        points[:, 0, block, 1:] = child.random((len(points), m - 1))
    np.subtract(np.nextafter(1.0, 0.0), points[:, 0], out=points[:, 1])
    return points.reshape(-1, m)[:n]


def balanced(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return points of two-level orthogonal arrays in blocks randomised independently.

    Each coordinate is as often below one half as above when n is a multiple of 16; any three see
    all their combinations equally often once a block has twice as many points as coordinates.
    """
    return _blocks_of(halves, n, m, rng)


def balanced_quarters(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return points of four-level orthogonal arrays in blocks randomised independently."""
    return _blocks_of(quarters, n, m, rng)


DESIGNS: dict[str, Points] = {
    "random": random,
    "paired": paired,
    "sobol": in_blocks,
    "balanced": balanced,
    "tilted": random,
}
FOR_LEVELS: dict[Points, Points] = {balanced: balanced_quarters}
"""What takes the place of a design where columns have more than two levels: bins are quartiles."""


def coins(n: int, d: int, design: Design | None, rng: np.random.Generator) -> Samples:
    """Keep each of d components with probability one half; codes are masks (n, d)."""
    if design is None:
        masks = _all_masks(d)[:-1]
        return Samples(masks, np.ones(len(masks)), n_blocks=1)
    return _drawn((design.points(n, d, rng) >= 0.5).astype(np.int64))


def subsets(n: int, d: int, design: Design | None, rng: np.random.Generator) -> Samples:
    """Let a uniform number of 1..d components go, a random subset; codes are masks (n, d).

    A tilted design draws numbers that the kernel gives little weight as rarely as that, each draw
    standing for more in return (the weighted law: Tan, Tian & Li 2023, "GLIME", section 4).
    """
    if design is None:
        masks = _all_masks(d)[:-1]
        gone = d - masks.sum(axis=1)
        chance = np.array([0.0] + [1 / (d * comb(d, g)) for g in range(1, d + 1)])
        return Samples(masks, chance[gone] * len(masks), n_blocks=1)
    points = design.points(n, d + 1, rng)
    weight = np.ones(d) if design.tilt is None else np.maximum(design.tilt[1:], 1e-12)
    reach = np.cumsum(weight) / weight.sum()
    n_gone = np.searchsorted(reach[:-1], points[:, :1], side="right") + 1
    codes = np.empty((n, d), np.int8)
    for start in range(0, n, AT_ONCE):
        own = slice(start, start + AT_ONCE)
        border = np.take_along_axis(np.sort(points[own, 1:], axis=1), n_gone[own] - 1, axis=1)
        np.greater(points[own, 1:], border, out=codes[own].view(np.bool_))
    return replace(_drawn(codes), mass=(weight.mean() / weight)[n_gone[:, 0] - 1])


def levels(
    n: int, columns: Sequence[Levels], design: Design | None, rng: np.random.Generator
) -> Samples:
    """Draw a level of every column, independently, by its share.

    Codes are level numbers (n, columns). Points that spread well spread the levels well, for
    neighbouring levels get neighbouring stretches of [0, 1).
    """
    if design is None:
        sizes = [len(column.shares) for column in columns]
        codes = np.indices(sizes).reshape(len(sizes), -1).T
        chance = np.prod([one.shares[codes[:, j]] for j, one in enumerate(columns)], axis=0)
        return Samples(codes, chance * len(codes), n_blocks=1)
    points = FOR_LEVELS.get(design.points, design.points)(n, len(columns), rng)
    codes = np.empty(points.shape, np.int64, order="F")
    for j, column in enumerate(columns):
        codes[:, j] = column.at(np.ascontiguousarray(points[:, j]))
    return _drawn(codes)


def n_masks(d: int) -> float:
    """Count the masks of d components, the full one left out."""
    return 2.0**d - 1 if d < 1000 else float("inf")


def n_levels(columns: Sequence[Levels]) -> float:
    """Count the combinations of the columns' levels."""
    return float(prod(float(len(one.shares)) for one in columns))


def _blocks_of(points: Points, n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Deal out n points to blocks that draw their own, point i to block i modulo 8."""
    dealt = np.empty((n, m))
    for block, child in enumerate(rng.spawn(N_BLOCKS)):
        dealt[block::N_BLOCKS] = points(len(range(block, n, N_BLOCKS)), m, child)
    return dealt


def _all_masks(d: int) -> IntArray:
    """Return every mask of d components (2^d, d), the full one last."""
    return (np.arange(2**d)[:, None] >> np.arange(d)) & 1


def _drawn(codes: IntArray) -> Samples:
    n = len(codes)
    return Samples(codes, np.ones(n), n_blocks=max(2, min(N_BLOCKS, n // 2)))
