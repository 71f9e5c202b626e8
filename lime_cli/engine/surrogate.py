"""Fit sparse linear surrogates: moments, selection, refit, fidelity; every target and fold in step.

Everything after the moments works on (d, d) matrices: the samples are passed over once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.lasso import lasso_path
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.engine.refit import refit
from lime_cli.engine.selection import SELECT
from lime_cli.engine.uncertainty import Uncertainty, uncertainty_of
from lime_cli.settings import Settings


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted second moments of (1, Z, F, Y), all but the one shifted by their weighted means.

    Z are the components, F what is fitted, Y the answers; F is Y where nothing assists. The
    instance itself is the last block, so that no fold leaves it out.
    """

    blocks: FloatArray
    """(blocks, 1 + d + 2 k, 1 + d + 2 k)"""
    shift: FloatArray
    """(d + 2 k,)"""
    d: int
    k: int

    def fold(self, left_out: int | None) -> FloatArray:
        """Return the moments of all blocks, or of all but one."""
        total = self.blocks.sum(axis=0)
        return total if left_out is None else np.asarray(total - self.blocks[left_out])


@dataclass(frozen=True, eq=False)
class Problem:
    """Centred, normalised Gram matrices of several fits; problem p is a target in a fold."""

    grams: FloatArray
    """(folds, d, d)"""
    correlations: FloatArray
    """(folds, k, d)"""
    means: FloatArray
    """(folds, d + k), of Z and F, in the units of the shifted data."""
    mass: FloatArray
    """(folds,): sum of weights."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients of k targets."""

    coefficients: FloatArray
    """(k, d); zero where not chosen."""
    chosen: BoolArray
    """(k, d)"""
    intercepts: FloatArray
    """(k,)"""
    fidelity: FloatArray
    """(k,): weighted R² on left-out blocks, in [-1, 1]; nan for a constant response."""
    fit_r2: FloatArray
    """(k,)"""
    uncertainty: Uncertainty
    drifts: FloatArray
    """(R, k, d): sizes of the weights when selection and fit leave a block out."""


def fit(neighbourhood: Neighbourhood, targets: IntArray, settings: Settings) -> Fit:
    """Fit a surrogate to each of the given columns of the predictions."""
    moments = _moments(neighbourhood, targets)
    folds = list(range(neighbourhood.n_blocks)) if neighbourhood.n_blocks > 1 else []
    problem = _problem(moments, [None, *folds])
    coefficients, chosen = _solve(problem, settings)
    intercepts = _intercepts(problem, coefficients)
    flat = _flat(moments, problem.mass[0])
    in_sample = _r_squared(moments, [None], coefficients[:1], intercepts[:1])
    out = _r_squared(moments, folds, coefficients[1:], intercepts[1:]) if folds else in_sample
    means, level = moments.shift[: moments.d], moments.shift[moments.d : moments.d + moments.k]
    kept = chosen[0] & ~flat[:, None]
    marked = np.where(kept, coefficients[0], np.nan)
    refits = _refits(problem, coefficients, chosen[0], settings)
    return Fit(
        coefficients=np.where(kept, coefficients[0], 0.0),
        chosen=kept,
        intercepts=np.where(flat, level, level + intercepts[0] - coefficients[0] @ means),
        fidelity=np.where(flat, np.nan, np.clip(out, -1.0, 1.0)),
        fit_r2=np.where(flat, np.nan, in_sample),
        uncertainty=uncertainty_of(neighbourhood, targets, marked, refits, chosen[1:]),
        drifts=np.abs(coefficients[1:]),
    )


def _flat(moments: Moments, mass: float) -> BoolArray:
    """Tell which targets (k,) do not vary beyond rounding."""
    varied = np.diagonal(moments.fold(None))[-moments.k :]
    return np.asarray(varied <= 1e-24 * np.maximum(moments.shift[-moments.k :] ** 2, 1e-30) * mass)


def _refits(
    problem: Problem, coefficients: FloatArray, chosen: BoolArray, settings: Settings
) -> FloatArray:
    """Fit the components ``chosen`` (k, d) from all data again without each block: (R, k, d)."""
    folds, k, d = coefficients.shape
    if settings.penalty_kind == "lasso" or folds == 1:
        return coefficients[1:]
    which = np.repeat(np.arange(1, folds), k)
    again = refit(
        problem.grams,
        which,
        problem.correlations[1:].reshape(-1, d),
        np.tile(chosen, (folds - 1, 1)),
        settings.penalty / problem.mass[which],
    )
    return again.reshape(folds - 1, k, d)


def _moments(neighbourhood: Neighbourhood, targets: IntArray) -> Moments:
    weights, n_blocks = neighbourhood.weights, neighbourhood.n_blocks
    answers = neighbourhood.predictions[:, targets]
    fitted = answers if neighbourhood.assisted is None else neighbourhood.assisted
    data: FloatArray = np.hstack([neighbourhood.interpretable, fitted, answers])
    shift = weights @ data / weights.sum()
    table = np.hstack([np.ones((len(data), 1)), data - shift])
    blocks = [slice(1 + b, None, n_blocks) for b in range(n_blocks)] + [slice(0, 1)]
    moments = np.stack([(table[rows] * weights[rows, None]).T @ table[rows] for rows in blocks])
    return Moments(moments, shift, neighbourhood.interpretable.shape[1], len(targets))


def _problem(moments: Moments, folds: list[int | None]) -> Problem:
    sums = np.stack([moments.fold(fold) for fold in folds])
    d, mass, end = moments.d, sums[:, 0, 0], 1 + moments.d + moments.k
    means = sums[:, 0, 1:end] / mass[:, None]
    second = sums[:, 1:end, 1:end] / mass[:, None, None]
    centred = second - means[:, :, None] * means[:, None, :]
    return Problem(
        grams=centred[:, :d, :d],
        correlations=centred[:, d:, :d],
        means=means,
        mass=mass,
    )


def _solve(problem: Problem, settings: Settings) -> tuple[FloatArray, BoolArray]:
    """Choose components and refit on them: coefficients and choice, (folds, k, d) each."""
    folds, k, d = problem.correlations.shape
    which = np.repeat(np.arange(folds), k)
    correlations = problem.correlations.reshape(folds * k, d)
    if settings.penalty_kind == "lasso":
        path = lasso_path(problem.grams, which, correlations, d, settings.penalty)
        coefficients, chosen = path.coefficients, path.coefficients != 0
    else:
        chosen = SELECT[settings.selection](problem.grams, which, correlations, settings.features)
        ridge = settings.penalty / problem.mass[which]
        coefficients = refit(problem.grams, which, correlations, chosen, ridge)
    return coefficients.reshape(folds, k, d), chosen.reshape(folds, k, d)


def _intercepts(problem: Problem, coefficients: FloatArray) -> FloatArray:
    """Return the intercepts (folds, k) of the shifted data."""
    d = coefficients.shape[2]
    at_means = np.einsum("fkd,fd->fk", coefficients, problem.means[:, :d])
    return np.asarray(problem.means[:, d:] - at_means)


def _r_squared(
    moments: Moments, folds: Sequence[int | None], coefficients: FloatArray, intercepts: FloatArray
) -> FloatArray:
    """Return each target's weighted R² (k,) of the fits on the blocks they left out, summed.

    The fold None is judged on everything, always by the answers themselves. The mean that R²
    compares with is that of all samples.
    """
    k = moments.k
    away = moments.shift[-k:] - moments.shift[moments.d : moments.d + k]
    lost, total = np.zeros(k), np.zeros(k)
    for fold, betas, constants in zip(folds, coefficients, intercepts, strict=True):
        judged = moments.fold(None) if fold is None else moments.blocks[fold]
        constants = constants - away
        residual = np.hstack([-constants[:, None], -betas, np.zeros((k, k)), np.eye(k)])
        lost += np.einsum("ki,ij,kj->k", residual, judged, residual)
        total += np.diagonal(judged)[-k:]
    return np.asarray(1.0 - np.divide(lost, total, out=np.full(k, np.nan), where=total > 0))
