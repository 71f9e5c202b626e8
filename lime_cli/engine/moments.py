"""Weighted second moments of samples: all that a linear surrogate needs, for many instances.

Everything after the moments works on (d, d) matrices: the samples are passed over once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray
from lime_cli.engine.neighbourhood import Neighbourhood

FEW, STRIP = 40, 8
"""Up to so many rows a product with itself is taken in strips, of so many rows each."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted second moments of (1, Z, F, Y) of b instances, all but the one shifted.

    Z are the components, F what is fitted, Y the answers; where nothing assists, F is Y and stands
    there once. The instance itself is the last block, so that no fold leaves it out.
    """

    blocks: FloatArray
    """(b, blocks, q, p): q = p, or fewer where the components of a shortlist stand for all Z."""
    shift: FloatArray
    """(b, p - 1): what was taken off Z, F and Y; for these, about their weighted means."""
    d: int
    k: int
    n: int
    """Samples, the instance not among them."""
    near: IntArray | None = None
    """(b, m): the shortlist, ascending, where there is one."""

    @property
    def n_drawn(self) -> int:
        """Count the blocks that can be left out: none where nothing was drawn at random."""
        n = self.blocks.shape[1] - 1
        return n if n > 1 else 0

    @property
    def fewest(self) -> int:
        """Count the samples, the instance among them, of the smallest fold."""
        return 1 + self.n - (-(-self.n // self.n_drawn) if self.n_drawn else 0)

    @cached_property
    def total(self) -> FloatArray:
        """Moments of all blocks, (b, q, p)."""
        return np.asarray(added(self.blocks))

    @cached_property
    def level(self) -> FloatArray:
        """Weighted means of Y, (b, k), in the units of the shifted data."""
        return np.asarray(self.total[:, 0, -self.k :] / self.total[:, 0, :1])

    @cached_property
    def variance(self) -> FloatArray:
        """Weighted variances of Y, (b, k)."""
        own = self.total[:, -self.k :, -self.k :]
        square = np.einsum("bii->bi", own) / self.total[:, 0, :1]
        return np.asarray(np.maximum(square - self.level**2, 0.0))


@dataclass(frozen=True, eq=False)
class Problem:
    """Centred, normalised Gram matrices of several fits; folds are everything, then R without."""

    grams: FloatArray
    """(b, folds, d, d); (b, folds, m, d) of a shortlist."""
    correlations: FloatArray
    """(b, folds, k, d)"""
    means: FloatArray
    """(b, folds, d + k), of Z and F, in the units of the shifted data."""
    mass: FloatArray
    """(b, folds): sum of weights."""


def problem_of(moments: Moments) -> Problem:
    """Centre the moments of all folds, instance by instance: what stays in the cache is fast."""
    d, k, folds = moments.d, moments.k, 1 + moments.n_drawn
    b, end = len(moments.blocks), 1 + d + k
    m = d if moments.near is None else moments.near.shape[1]
    grams, correlations = np.empty((b, folds, m, d)), np.empty((b, folds, k, d))
    sums, first = np.empty((folds, 1 + m + k, end)), np.empty((b, folds, end))
    for i, blocks in enumerate(moments.blocks[:, :, : 1 + m + k, :end]):
        sums[0] = moments.total[i, : 1 + m + k, :end]
        np.subtract(sums[0], blocks[: folds - 1], out=sums[1:])
        first[i] = sums[:, 0]
        sums /= first[i, :, :1, None]
        means = sums[:, 0]
        own, fitted = means[:, None, 1 : 1 + d], means[:, 1 + d :, None]
        near = own[:, 0] if moments.near is None else own[:, 0, moments.near[i]]
        np.subtract(sums[:, 1 : 1 + m, 1 : 1 + d], near[..., None] * own, out=grams[i])
        np.subtract(sums[:, 1 + m :, 1 : 1 + d], fitted * own, out=correlations[i])
    return Problem(grams, correlations, first[..., 1:] / first[..., :1], first[..., 0].copy())


def moments_of(neighbourhood: Neighbourhood, targets: IntArray) -> Moments:
    """Take the moments of one instance's samples, b = 1."""
    weights, n_blocks = neighbourhood.weights, neighbourhood.n_blocks
    kept, answers = neighbourhood.interpretable, neighbourhood.predictions[:, targets]
    fitted = () if neighbourhood.assisted is None else (neighbourhood.assisted,)
    regressed, d, mass = np.hstack([*fitted, answers]), kept.shape[1], weights.sum()
    stays = d if kept.dtype == np.bool_ else 0  # 0 and 1 lie close enough to their mean
    shift = np.concatenate([np.zeros(d) if stays else weights @ kept, weights @ regressed]) / mass
    p = 1 + len(shift)
    moments, room = np.empty((1, n_blocks + 1, p, p)), np.empty((1 + len(weights) // n_blocks, p))
    blocks = (*(slice(1 + block, None, n_blocks) for block in range(n_blocks)), slice(0, 1))
    for own, found in zip(blocks, moments[0], strict=True):
        rows = room[: len(weights[own])]
        rows[:, 0] = 1.0
        rows[:, 1 : 1 + d] = kept[own]
        rows[:, 1 + d :] = regressed[own]
        rows[:, 1 + stays :] -= shift[stays:]
        rows *= np.sqrt(weights[own])[:, None]
        np.matmul(rows.T, rows, out=found)
    return Moments(moments, shift[None], d, len(targets), len(weights) - 1)


def added(blocks: FloatArray) -> FloatArray:
    """Add (b, blocks, ...) up over the blocks, in their order whatever b is."""
    total = blocks[:, 0].copy()
    for i in range(1, blocks.shape[1]):
        total += blocks[:, i]
    return total


def square(tables: FloatArray, out: FloatArray) -> None:
    """Write the products of each table (p, n) of ``tables`` with its transpose to ``out``.

    A product is symmetric. For few rows BLAS gains nothing by that, for it lays them out first;
    strips of them take two thirds of the time.
    """
    p = tables.shape[1]
    if p > FEW:
        np.matmul(tables, tables.transpose(0, 2, 1), out=out)
        return
    for start in range(0, p, STRIP):
        own = slice(start, start + STRIP)
        np.matmul(tables[:, own], tables[:, start:].transpose(0, 2, 1), out=out[:, own, start:])
        out[:, own, :start] = out[:, :start, own].transpose(0, 2, 1)
