"""The sample set that all rows of a table share, laid out for taking one row's moments fast.

A row differs from another only by which bin of each column it lies in: its components are rows of
one indicator matrix, its weights follow from how many of its bins each sample misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.answers import Answers
from lime_cli.engine.instance import FloatArray, IntArray
from lime_cli.engine.moments import square
from lime_cli.engine.shared import SharedInstance

NUMBERS = 3 * 2**16
"""Of as many blocks as are multiplied in one go, at most, so that they stay in the cache."""


@dataclass(frozen=True, eq=False)
class Pool(Answers):
    """Samples and answers, the samples of a block side by side, blocks filled up to a width."""

    bins: IntArray
    """(d, R * width): in which bin of each column every sample lies; where filled up, in none."""
    spread_mass: FloatArray
    """(R * width,): of the samples, 0 where filled up."""
    order: IntArray
    """(n,): where each sample stands."""

    @property
    def d(self) -> int:
        """Count the components."""
        return len(self.bins)

    @property
    def counts(self) -> type[np.unsignedinteger[Any]]:
        """The smallest type that counts components."""
        return np.uint8 if self.d < 256 else np.uint16

    @cached_property
    def answers(self) -> FloatArray:
        """What the model said, (k, R * width)."""
        return self.spread_out(self.finite)

    @property
    def n(self) -> int:
        """Count the samples."""
        return len(self.predictions)

    def known(self, own: IntArray) -> IntArray:
        """Return bins that rows lie in as samples' bins are numbered.

        -1, and whatever no sample can lie in, become the last number but one.
        """
        none = np.iinfo(self.bins.dtype).max - 1
        return np.where((own >= 0) & (own < none), own, none).astype(self.bins.dtype)

    def kept(self, known: IntArray) -> NDArray[np.uint8]:
        """Return which samples lie in a row's ``known`` bins (d,), as 0 and 1, (d, R * width)."""
        return np.equal(self.bins, known[:, None]).view(np.uint8)

    def weights(self, kept: NDArray[np.uint8], proximity: FloatArray) -> FloatArray:
        """Return the samples' weights for a row, (R * width,).

        ``proximity`` (d + 1,) is the kernel by the number of components gone.
        """
        count = kept.sum(axis=0, dtype=self.counts)
        return np.asarray(proximity[::-1].take(count) * self.spread_mass)

    def spread_out(self, columns: FloatArray) -> FloatArray:
        """Return columns (n, c) of the samples as rows (c, R * width), 0 where filled up."""
        rows = np.zeros((columns.shape[1], len(self.spread_mass)))
        rows[:, self.order] = columns.T
        return rows

    def moments(
        self,
        kept: NDArray[np.uint8],
        weights: FloatArray,
        columns: FloatArray,
        near: IntArray | None = None,
    ) -> FloatArray:
        """Return the moments (R, p, p) of (1, Z, ``columns``), p = 1 + d + c.

        ``columns`` (c, R * width) are whatever else is regressed: answers less their mean, and
        what stands in for them or beside them. Of the components ``near`` (m,) only, beside all
        others, it is (R, 1 + m + c, p).
        """
        d, R = len(kept), self.samples.n_blocks
        p, width = 1 + d + len(columns), len(weights) // R
        rows = None if near is None else [0, *(1 + near).tolist(), *range(1 + d, p)]
        found = np.empty((R, p if rows is None else len(rows), p))
        roots, together = np.sqrt(weights), max(1, min(R, NUMBERS // (p * width)))
        room = np.empty((p, together * width))
        for start in range(0, R, together):
            own = slice(start * width, (start + together) * width)
            table = room[:, : len(weights[own])]
            table[0] = 1.0
            table[1 : 1 + d] = kept[:, own]
            table[1 + d :] = columns[:, own]
            places = found[start : start + together]
            if rows is None:
                table *= roots[own]
                square(_by_block(table, width), places)
            else:
                left, right = (_by_block(one, width) for one in (table[rows] * weights[own], table))
                np.matmul(left, right.transpose(0, 2, 1), out=places)
        return found

    def foremost(
        self, kept: NDArray[np.uint8], weights: FloatArray, columns: FloatArray, m: int
    ) -> IntArray:
        """Return the m components that correlate most with any of ``columns`` (c, R * width).

        Be it over all samples or without a block of them. Ascending; columns are of mean zero.
        Single precision is enough to choose by.
        """
        R = self.samples.n_blocks
        scaled = np.vstack([weights[None], columns * weights]).astype(np.float32)
        sums = np.empty((R, len(scaled), len(kept)), np.float32)
        components = np.empty((len(kept), len(weights) // R), np.float32)
        blocks = (np.split(array, R, axis=1) for array in (scaled, kept))
        for found, left, right in zip(sums, *blocks, strict=True):
            components[:] = right
            np.matmul(left, components.T, out=found)
        total, mass = sums.sum(axis=0), weights.reshape(R, -1).sum(axis=1)
        folds = np.concatenate([total[None], total - sums]) if R > 1 else total[None]
        masses = np.append(0.0, mass if R > 1 else [])
        share = folds[:, 0] / (mass.sum() - masses)[:, None]
        spread = np.maximum(share * (1 - share), 1e-12)
        score = (np.abs(folds[:, 1:]) / np.sqrt(spread)[:, None]).max(axis=(0, 1))
        return np.sort(np.argsort(-score, kind="stable")[:m])


def _by_block(table: FloatArray, width: int) -> FloatArray:
    """View rows (p, R * width) as blocks (R, p, width)."""
    return table.reshape(len(table), -1, width).transpose(1, 0, 2)


def pool_of(instance: SharedInstance, answers: Answers) -> Pool:
    """Lay out the answers of an instance's pool."""
    samples = answers.samples
    found = instance.bins(samples.codes)
    n, R = len(found), samples.n_blocks
    width = -(-n // R)
    small = np.min_scalar_type(2 + int(found.max(initial=0)))  # two numbers stand for no bin
    bins = np.full((found.shape[1], R, width), np.iinfo(small).max, small)
    for block in range(R):
        own = found[block::R]
        bins[:, block, : len(own)] = own.T
    order = np.arange(n) % R * width + np.arange(n) // R
    spread = np.zeros(R * width)
    spread[order] = answers.mass
    return Pool(samples, answers.predictions, bins.reshape(-1, R * width), spread, order)


def alike(keys: Sequence[tuple[object, ...]]) -> Iterator[tuple[int, list[int]]]:
    """Yield the first place of every key and all places that have it."""
    places: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    yield from ((found[0], found) for found in places.values())
