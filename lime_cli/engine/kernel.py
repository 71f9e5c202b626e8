"""A cheap model of a table's answers: Gaussian process regression with a product over columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lime_cli.engine.evidence import CONSTANT, Scales, closeness, scales_of
from lime_cli.engine.features import Features, Odds
from lime_cli.engine.instance import FloatArray, IntArray

CENTRES = 640
"""Samples that kernels are put on, at most."""
ROWS = 64
"""Rows projected in one go."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """One model per fold, fitted without it: a sum of kernels around ``centres``."""

    features: Features
    scales: Scales
    centres: IntArray
    """(m, d): level numbers."""
    weights: FloatArray
    """(folds, m)"""
    level: float

    def of(self, codes: IntArray, fold: int) -> FloatArray:
        """Return the values (n,) of the fold's model."""
        at, around = self.features.of(codes), self.features.of(self.centres)
        return np.asarray(self.level + self.scales(at, around) @ self.weights[fold])

    def project(self, bins: IntArray, odds: Odds) -> FloatArray:
        """Return each fold's best linear model by row, (rows, folds, 1 + d), exactly."""
        parts = [slice(start, start + ROWS) for start in range(0, len(bins), ROWS)]
        return np.concatenate([self._project(bins[part], odds[part]) for part in parts])

    def _project(self, bins: IntArray, odds: Odds) -> FloatArray:
        d = len(self.features.cells)
        apart, mean = np.empty((2, len(bins), d, len(self.centres)))
        straight = np.empty((2, len(bins), d, len(self.weights)))
        for j, (near, linear, centres) in enumerate(self._tables):
            one, other = near[:, bins[:, j]][:, :, centres]
            apart[:, j] = one - other
            mean[:, j] = other + odds[:, j : j + 1] * apart[:, j]
            straight[:, :, j] = linear[:, bins[:, j]]
        product = self.scales.height * mean.prod(axis=1)
        within, beyond = straight
        slopes = (product[:, None] / mean * apart) @ self.weights.T + within - beyond
        level = product @ self.weights.T + self.level + CONSTANT * self.weights.sum(axis=1)
        level += beyond.sum(axis=1) + (odds[:, :, None] * (within - beyond - slopes)).sum(axis=1)
        return np.concatenate([level[:, None], slopes], axis=1).transpose(0, 2, 1)

    @cached_property
    def _tables(self) -> list[tuple[FloatArray, FloatArray, IntArray]]:
        """For each column: means inside and outside of bins, (2, bins + 1, ...), and its centres.

        Of the closeness to every cell, and of the linear part of every fold.
        """
        straight = (self.weights @ self.features.of(self.centres)) * self.scales.linear**2
        found = []
        for j, cells in enumerate(self.features.cells):
            own, laws = self.features.column == j, np.stack([cells.inside, cells.outside])
            placed = cells.features * self.scales.distance[own]
            linear = laws @ (cells.features @ straight[:, own].T)
            centres = self.features.cell(self.centres, j)
            found.append((laws @ closeness(placed, placed), linear, centres))
        return found


def kernel(features: Features, codes: IntArray, answers: FloatArray, n_blocks: int) -> Kernel:
    """Fit the weights; sample i is in block i modulo ``n_blocks``.

    Scales and noise are those of highest evidence.
    """
    level, spread = answers.mean(), max(float(answers.std()), 1e-300)
    F, centres = features.of(codes), codes[:CENTRES]
    scales = scales_of(F, (answers - level) / spread, features.group, additive=False)
    near = scales(F, F[:CENTRES])
    blocks = [near[block::n_blocks] for block in range(n_blocks)]
    grams = np.stack([one.T @ one for one in blocks])
    sums = np.stack([one.T @ (answers - level)[b::n_blocks] for b, one in enumerate(blocks)])
    smooth = scales.noise * near[: len(centres)]
    smooth += np.eye(len(centres)) * 1e-10 * np.trace(grams.sum(axis=0)) / len(centres)
    weights = [
        np.linalg.solve(grams.sum(axis=0) - gram + smooth, sums.sum(axis=0) - own)
        for gram, own in zip(grams, sums, strict=True)
    ]
    return Kernel(features, scales, centres, np.stack(weights), float(level))
