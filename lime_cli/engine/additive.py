"""A cheap model of a table's answers: a logistic curve of a sum of functions of single columns.

The curve is a sum of sines, and the exponential of a sum over columns is a product over columns,
so that means of the model under any law with independent columns are products of small means.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.evidence import scales_of
from lime_cli.engine.features import Features, Odds
from lime_cli.engine.instance import FloatArray, IntArray

EDGE = 0.02
"""Shares are kept this far from 0 and 1 before the logit."""
STEPS = 2
"""Of Gauss and Newton, from the logit scale's fit to that of the answers."""
REACH = 8.0
"""Where the curve bends back; no nearer to an index that occurs."""
FREQUENCIES = np.arange(1, 18, 2) * np.pi / 2 / REACH


def _amplitudes() -> FloatArray:
    """Return the sine series of the logistic curve less one half, mirrored at ``REACH``."""
    grid = (np.arange(2000) + 0.5) / 2000 * REACH
    curve = 1.0 / (1.0 + np.exp(-grid)) - 0.5
    return np.asarray(np.sin(FREQUENCIES[:, None] * grid) @ curve * 2.0 / 2000)


AMPLITUDES = _amplitudes()


@dataclass(frozen=True, eq=False)
class Additive:
    """One model per fold, fitted without it; answers are ``low`` + ``span`` times the curve."""

    features: Features
    slopes: FloatArray
    """(folds, 1 + features): of the index."""
    low: float
    span: float

    def of(self, codes: IntArray, fold: int) -> FloatArray:
        """Return the values (n,) of the fold's model."""
        slopes = self.slopes[fold]
        index = slopes[0] + self.features.of(codes) @ slopes[1:]
        curve = 0.5 + np.sin(index[:, None] * FREQUENCIES) @ AMPLITUDES
        return np.asarray(self.low + self.span * curve)

    def project(self, bins: IntArray, odds: Odds) -> FloatArray:
        """Return each fold's best linear model by row, (rows, folds, 1 + d), exactly."""
        one, other = np.stack(
            [table[:, bins[:, j]] for j, table in enumerate(self._tables)], axis=2
        )
        keep = odds[:, :, None, None]
        mean = keep * one + (1.0 - keep) * other
        constant = np.exp(1j * self.slopes[:, :1] * FREQUENCIES)
        product = mean.prod(axis=1) * constant
        apart = (_others(mean) * constant * (one - other)).imag @ AMPLITUDES
        level = 0.5 + product.imag @ AMPLITUDES - (odds[:, :, None] * apart).sum(axis=1)
        linear = self.span * np.concatenate([level[:, None], apart], axis=1)
        linear[:, 0] += self.low
        return np.asarray(linear.transpose(0, 2, 1))

    @cached_property
    def _tables(self) -> list[NDArray[np.complex128]]:
        """Means of exp(i w a) for each column: (2, bins + 1, folds, frequencies).

        Inside and outside of bins; a is the column's part of the index.
        """
        found = []
        for j, cells in enumerate(self.features.cells):
            own = self.slopes[:, 1:][:, self.features.column == j]
            turned = np.exp(1j * (own @ cells.features.T)[:, :, None] * FREQUENCIES)
            laws = np.stack([cells.inside, cells.outside])
            found.append(np.einsum("sbc,fcw->sbfw", laws, turned, optimize=True))
        return found


def _others(mean: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the products over all columns (axis 1) but one, for each."""
    ahead, behind = np.ones_like(mean), np.ones_like(mean)
    np.cumprod(mean[:, :-1], axis=1, out=ahead[:, 1:])
    behind[:, :-1] = np.cumprod(mean[:, :0:-1], axis=1)[:, ::-1]
    return np.asarray(ahead * behind)


def additive(features: Features, codes: IntArray, answers: FloatArray, n_blocks: int) -> Additive:
    """Fit the index on the logit scale, then to the answers; sample i is in block i mod n_blocks.

    The columns' scales are those of highest evidence on the logit scale.
    """
    low, span = answers.min(), max(float(np.ptp(answers)), 1e-300)
    share = (answers - low) / span
    inner = np.clip(share, EDGE, 1.0 - EDGE)
    logit = np.log(inner / (1.0 - inner))
    middle, spread = logit.mean(), max(float(logit.std()), 1e-300)
    F = features.of(codes)[:, features.coarse]
    scales = scales_of(F, (logit - middle) / spread, features.group[features.coarse], True)
    X = np.hstack([np.ones((len(F), 1)), F * scales.linear * spread])
    slopes = np.zeros((n_blocks, 1 + len(features.column)))
    coarse = 1 + np.flatnonzero(features.coarse)
    for fold in range(n_blocks):
        own = np.arange(len(X)) % n_blocks != fold
        theta = _fitted(X[own], logit[own], share[own], scales.noise * spread**2)
        slopes[fold, 0] = theta[0]
        slopes[fold, coarse] = theta[1:] * scales.linear * spread
    return Additive(features, slopes, float(low), span)


def _fitted(X: FloatArray, logit: FloatArray, share: FloatArray, noise: float) -> FloatArray:
    theta = _ridge(X, logit, noise)
    for _ in range(STEPS):
        index = X @ theta
        curve = 1.0 / (1.0 + np.exp(-np.clip(index, -30.0, 30.0)))
        rise = curve * (1.0 - curve)
        left = share - curve
        theta = _ridge(
            X * rise[:, None], left + rise * index, max(float(left @ left) / len(X), 1e-9)
        )
    return theta


def _ridge(X: FloatArray, values: FloatArray, noise: float) -> FloatArray:
    ridge = np.full(X.shape[1], noise)
    ridge[0] *= 0.1
    return np.asarray(np.linalg.solve(X.T @ X + np.diag(ridge), X.T @ values))
