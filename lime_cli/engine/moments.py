"""Weighted second moments of samples: all that a linear surrogate needs, for many instances.

Everything after the moments works on (d, d) matrices: the samples are passed over once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray
from lime_cli.engine.neighbourhood import Neighbourhood


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted second moments of (1, Z, F, Y) of b instances, all but the one shifted.

    Z are the components, F what is fitted, Y the answers; where nothing assists, F is Y and stands
    there once. The instance itself is the last block, so that no fold leaves it out.
    """

    blocks: FloatArray
    """(b, blocks, p, p)"""
    shift: FloatArray
    """(b, p - 1): what was taken off Z, F and Y; for these, about their weighted means."""
    d: int
    k: int

    @property
    def n_drawn(self) -> int:
        """Count the blocks that can be left out: none where nothing was drawn at random."""
        n = self.blocks.shape[1] - 1
        return n if n > 1 else 0

    @cached_property
    def total(self) -> FloatArray:
        """Moments of all blocks, (b, p, p)."""
        return np.asarray(added(self.blocks))

    @cached_property
    def level(self) -> FloatArray:
        """Weighted means of Y, (b, k), in the units of the shifted data."""
        return np.asarray(self.total[:, 0, -self.k :] / self.total[:, 0, :1])

    @cached_property
    def variance(self) -> FloatArray:
        """Weighted variances of Y, (b, k)."""
        square = np.einsum("bii->bi", self.total)[:, -self.k :] / self.total[:, 0, :1]
        return np.asarray(np.maximum(square - self.level**2, 0.0))

    @property
    def left_out(self) -> FloatArray:
        """Moments of all blocks, then of all but each of the R, (b, 1 + R, p, p)."""
        b, _, p, _ = self.blocks.shape
        found = np.empty((b, 1 + self.n_drawn, p, p))
        found[:, 0] = self.total
        np.subtract(self.total[:, None], self.blocks[:, : self.n_drawn], out=found[:, 1:])
        return found


@dataclass(frozen=True, eq=False)
class Problem:
    """Centred, normalised Gram matrices of several fits; folds are everything, then R without."""

    grams: FloatArray
    """(b, folds, d, d)"""
    correlations: FloatArray
    """(b, folds, k, d)"""
    means: FloatArray
    """(b, folds, d + k), of Z and F, in the units of the shifted data."""
    mass: FloatArray
    """(b, folds): sum of weights."""


def problem_of(moments: Moments) -> Problem:
    """Centre the moments of all folds."""
    sums = moments.left_out
    d, mass, end = moments.d, sums[..., 0, 0], 1 + moments.d + moments.k
    means = sums[..., 0, 1:end] / mass[..., None]
    own, fitted = means[..., :d], means[..., d:]
    grams = sums[..., 1 : 1 + d, 1 : 1 + d] / mass[..., None, None]
    grams -= own[..., :, None] * own[..., None, :]
    correlations = sums[..., 1 + d : end, 1 : 1 + d] / mass[..., None, None]
    correlations -= fitted[..., :, None] * own[..., None, :]
    return Problem(grams, correlations, means, mass)


def moments_of(neighbourhood: Neighbourhood, targets: IntArray) -> Moments:
    """Take the moments of one instance's samples, b = 1."""
    weights, n_blocks = neighbourhood.weights, neighbourhood.n_blocks
    answers = neighbourhood.predictions[:, targets]
    fitted = () if neighbourhood.assisted is None else (neighbourhood.assisted,)
    table: FloatArray = np.hstack(
        [np.ones((len(answers), 1)), neighbourhood.interpretable, *fitted, answers]
    )
    shift = weights @ table[:, 1:] / weights.sum()
    table[:, 1:] -= shift
    table *= np.sqrt(weights)[:, None]
    blocks = [table[1 + b :: n_blocks] for b in range(n_blocks)] + [table[:1]]
    moments = np.stack([rows.T @ rows for rows in blocks])
    return Moments(moments[None], shift[None], neighbourhood.interpretable.shape[1], len(targets))


def added(blocks: FloatArray) -> FloatArray:
    """Add (b, blocks, ...) up over the blocks, in their order whatever b is."""
    total = blocks[:, 0].copy()
    for i in range(1, blocks.shape[1]):
        total += blocks[:, i]
    return total
