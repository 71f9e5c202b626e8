"""The sample set that all rows of a table share, laid out for taking one row's moments fast.

A row differs from another only by which bin of each column it lies in: its components are rows of
one indicator matrix, its weights follow from how many of its bins each sample misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import FloatArray, IntArray, SharedInstance
from lime_cli.engine.neighbourhood import Answers

MOST_NUMBERS = 2**22
"""Of the indicator matrix kept as floats; a larger one is converted row by row."""
PIECE = 2**18
"""Numbers multiplied at a time: what stays in the cache."""


@dataclass(frozen=True, eq=False)
class Pool(Answers):
    """Samples and answers, the samples of a block standing together, blocks filled up to a width.

    ``indicator`` and ``seen`` are (bins of all columns + 1, R * width): which samples lie in a bin,
    the last row for bins that no sample lies in.
    """

    first_bin: IntArray
    """(d,): which row of the indicator is each column's bin 0."""
    n_bins: IntArray
    """(d,)"""
    seen: NDArray[np.uint8]
    indicator: NDArray[np.float64] | NDArray[np.uint8]
    root_mass: FloatArray
    """(R * width,): square roots of the samples' mass, 0 where filled up."""
    order: IntArray
    """(n,): where each sample stands."""

    @cached_property
    def answers(self) -> FloatArray:
        """What the model said, (k, R * width)."""
        return self.spread_out(self.predictions)

    @property
    def n(self) -> int:
        """Count the samples."""
        return len(self.predictions)

    def places(self, own: IntArray) -> IntArray:
        """Return the indicator's rows (d,) of the bins that an instance lies in."""
        known = (own >= 0) & (own < self.n_bins)
        return np.where(known, self.first_bin + own, len(self.seen) - 1)

    def roots(self, places: IntArray, proximity: FloatArray) -> FloatArray:
        """Return the square roots of the samples' weights for a row, (R * width,).

        ``proximity`` (d + 1,) is the kernel by the number of components gone.
        """
        kept = self.seen[places].sum(axis=0, dtype=np.uint16)
        return np.asarray(np.sqrt(proximity[::-1])[kept] * self.root_mass)

    def spread_out(self, columns: FloatArray) -> FloatArray:
        """Return columns (n, c) of the samples as rows (c, R * width), 0 where filled up."""
        rows = np.zeros((columns.shape[1], len(self.root_mass)))
        rows[:, self.order] = columns.T
        return rows

    def moments(self, places: IntArray, roots: FloatArray, columns: FloatArray) -> FloatArray:
        """Return the moments (R, p, p) of (1, Z, ``columns``), p = 1 + d + c.

        ``columns`` (c, R * width) are whatever else is regressed: answers less their mean, and
        what stands in for them or beside them.
        """
        d, c, R = len(places), len(columns), self.samples.n_blocks
        width = len(roots) // R
        found = np.empty((R, 1 + d + c, 1 + d + c))
        step = max(1, PIECE // ((1 + d + c) * width))
        table = np.empty((1 + d + c, step * width))
        for first in range(0, R, step):
            some = slice(first * width, min(R, first + step) * width)
            piece = table[:, : some.stop - some.start]
            piece[0] = roots[some]
            np.multiply(self.indicator[places, some], roots[some], out=piece[1 : 1 + d])
            np.multiply(columns[:, some], roots[some], out=piece[1 + d :])
            for block in range(piece.shape[1] // width):
                own = piece[:, block * width : (block + 1) * width]
                found[first + block] = own @ own.T
        return found


def pool_of(instance: SharedInstance, answers: Answers) -> Pool:
    """Lay out the answers of an instance's pool."""
    samples = answers.samples
    bins = instance.bins(samples.codes)
    n_bins = bins.max(axis=0) + 1
    first_bin = np.concatenate([[0], np.cumsum(n_bins)[:-1]])
    n, R = len(bins), samples.n_blocks
    width = -(-n // R)
    order = np.arange(n) % R * width + np.arange(n) // R
    seen = np.zeros((int(n_bins.sum()) + 1, R * width), np.uint8)
    for j, start in enumerate(first_bin):
        seen[start + bins[:, j], order] = 1
    root_mass = np.zeros(R * width)
    root_mass[order] = np.sqrt(samples.mass)
    return Pool(
        samples,
        answers.predictions,
        first_bin,
        n_bins,
        seen,
        seen.astype(np.float64) if seen.size <= MOST_NUMBERS else seen,
        root_mass,
        order,
    )


def alike(keys: Sequence[tuple[object, ...]]) -> Iterator[tuple[int, list[int]]]:
    """Yield the first place of every key and all places that have it."""
    places: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    yield from ((found[0], found) for found in places.values())
