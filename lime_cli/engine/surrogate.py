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
from lime_cli.settings import Settings

CONDITIONING = 1e-9
"""Ridge of the refit relative to the mean variance of a component: for conditioning only, and
refined away by one more solve wherever the system allows."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted second moments of (1, Z, Y), Z and Y shifted by their weighted means, for each
    block.

    The instance itself is the last block, so that no fold leaves it out.
    """

    blocks: FloatArray
    """(blocks, 1 + d + k, 1 + d + k)"""
    shift: FloatArray
    """(d + k,)"""
    d: int

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
    """(folds, d + k), in the units of the shifted data."""
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
    """(k,): weighted R² on left-out blocks; nan for a constant response."""
    fit_r2: FloatArray
    """(k,)"""


def fit(neighbourhood: Neighbourhood, targets: IntArray, settings: Settings) -> Fit:
    """Fit a surrogate to each of the given columns of the predictions."""
    moments = _moments(neighbourhood, targets)
    folds = range(neighbourhood.n_blocks) if neighbourhood.n_blocks > 1 else range(0)
    problem = _problem(moments, [None, *folds])
    coefficients, chosen = _solve(problem, settings)
    intercepts = _intercepts(problem, coefficients)
    k, d = len(targets), moments.d
    varied = moments.fold(None)[range(1 + d, 1 + d + k), range(1 + d, 1 + d + k)]
    flat = varied <= 1e-24 * np.maximum(moments.shift[d:] ** 2, 1e-30) * problem.mass[0]
    fit_r2 = _r_squared(moments, [None], coefficients[:1], intercepts[:1], flat)
    out = _r_squared(moments, list(folds), coefficients[1:], intercepts[1:], flat)
    shifted = moments.shift[d:] + intercepts[0] - coefficients[0] @ moments.shift[:d]
    return Fit(
        coefficients=np.where(flat[:, None], 0.0, coefficients[0]),
        chosen=chosen[0] & ~flat[:, None],
        intercepts=np.where(flat, moments.shift[d:], shifted),
        fidelity=np.clip(out, -1.0, 1.0) if folds else fit_r2,
        fit_r2=fit_r2,
    )


def _moments(neighbourhood: Neighbourhood, targets: IntArray) -> Moments:
    weights, n_blocks = neighbourhood.weights, neighbourhood.n_blocks
    answers = neighbourhood.predictions[:, targets]
    data: FloatArray = np.hstack([neighbourhood.interpretable, answers])
    shift = weights @ data / weights.sum()
    table = np.hstack([np.ones((len(data), 1)), data - shift])
    blocks = [slice(1 + b, None, n_blocks) for b in range(n_blocks)] + [slice(0, 1)]
    moments = np.stack([(table[rows] * weights[rows, None]).T @ table[rows] for rows in blocks])
    return Moments(moments, shift, neighbourhood.interpretable.shape[1])


def _problem(moments: Moments, folds: list[int | None]) -> Problem:
    sums = np.stack([moments.fold(fold) for fold in folds])
    d, mass = moments.d, sums[:, 0, 0]
    means = sums[:, 0, 1:] / mass[:, None]
    centred = sums[:, 1:, 1:] / mass[:, None, None] - means[:, :, None] * means[:, None, :]
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
        coefficients = _refit(problem.grams, which, correlations, chosen, ridge)
    return coefficients.reshape(folds, k, d), chosen.reshape(folds, k, d)


def _refit(
    grams: FloatArray,
    which: IntArray,
    correlations: FloatArray,
    chosen: BoolArray,
    ridge: FloatArray,
) -> FloatArray:
    """Solve least squares with an L2 penalty (P,) on the chosen components: (P, d)."""
    count = chosen.sum(axis=1)
    columns = np.argsort(~chosen, axis=1, kind="stable")[:, : max(1, count.max(initial=0))]
    valid = np.arange(columns.shape[1]) < count[:, None]
    block = grams[which[:, None, None], columns[:, :, None], columns[:, None, :]]
    unit = np.eye(columns.shape[1])
    exact = (
        np.where(valid[:, :, None] & valid[:, None, :], block, 0.0) + unit * ridge[:, None, None]
    )
    level = CONDITIONING * np.einsum("gii->g", grams)[which] / grams.shape[1]
    system = exact + unit * np.where(level > 0, level, 1.0)[:, None, None]
    wanted = np.where(valid, np.take_along_axis(correlations, columns, axis=1), 0.0)[:, :, None]
    solved = np.linalg.solve(system, wanted)
    solved = (solved + np.linalg.solve(system, wanted - exact @ solved))[:, :, 0]
    coefficients = np.zeros_like(correlations)
    np.put_along_axis(coefficients, columns, np.where(valid, solved, 0.0), axis=1)
    return coefficients


def _intercepts(problem: Problem, coefficients: FloatArray) -> FloatArray:
    """Return the intercepts (folds, k) of the shifted data."""
    d = coefficients.shape[2]
    at_means = np.einsum("fkd,fd->fk", coefficients, problem.means[:, :d])
    return np.asarray(problem.means[:, d:] - at_means)


def _r_squared(
    moments: Moments,
    folds: Sequence[int | None],
    coefficients: FloatArray,
    intercepts: FloatArray,
    flat: BoolArray,
) -> FloatArray:
    """Return each target's weighted R² (k,) of the fits on the blocks they left out, summed.

    The fold None is judged on everything. The mean that R² compares with is that of all samples.
    """
    k, d = len(flat), moments.d
    lost, total = np.zeros(k), np.zeros(k)
    for fold, betas, constants in zip(folds, coefficients, intercepts, strict=True):
        judged = moments.fold(None) if fold is None else moments.blocks[fold]
        residual = np.hstack([-constants[:, None], -betas, np.eye(k)])
        lost += np.einsum("ki,ij,kj->k", residual, judged, residual)
        total += judged[range(1 + d, 1 + d + k), range(1 + d, 1 + d + k)]
    usable = ~flat & (total > 0)
    ratio = np.divide(lost, total, out=np.full(k, np.nan), where=usable)
    return np.asarray(1.0 - ratio)


def _by_lasso(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Walk the path over standardised components to the first knot with n (K-LASSO)."""
    deviation = _deviation(grams)
    scaled = grams / (deviation[:, :, None] * deviation[:, None, :])
    return lasso_path(scaled, which, correlations / deviation[which], n).entry >= 0


def _by_forward(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Add the component that raises R² most, n times, by rank-one updates of the Gram matrices."""
    left, wanted = grams[which].copy(), np.array(correlations, float)
    own = np.einsum("pii->pi", left).copy()
    problems, chosen = np.arange(len(which)), np.zeros(correlations.shape, bool)
    for _ in range(min(n, correlations.shape[1])):
        variance = np.einsum("pii->pi", left)
        usable = ~chosen & (variance > 1e-9 * own) & (own > 0)
        gain = np.divide(wanted**2, variance, out=np.full(own.shape, -1.0), where=usable)
        best = gain.argmax(axis=1)
        good = gain[problems, best] > 0
        chosen[problems[good], best[good]] = True
        scale = np.where(good, variance[problems, best], np.inf)
        row = left[problems, best]
        wanted = wanted - row * (wanted[problems, best] / scale)[:, None]
        left = left - row[:, :, None] * row[:, None, :] / scale[:, None, None]
    return chosen


def _by_weight(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take the n largest standardised weights of the fit on all components."""
    everything = np.ones(correlations.shape, bool)
    weights = _refit(grams, which, correlations, everything, np.zeros(len(which)))
    size = np.abs(weights) * np.where(_deviation(grams) < np.inf, _deviation(grams), 0.0)[which]
    order = np.argsort(-size, axis=1, kind="stable")[:, :n]
    chosen = np.zeros(correlations.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen & (size > 0)


def _all(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take every component, however many."""
    return np.ones(correlations.shape, bool)


def _deviation(grams: FloatArray) -> FloatArray:
    """Return the components' standard deviations (g, d), infinite where there is none."""
    variance = np.einsum("gii->gi", grams)
    floor = 1e-12 * np.maximum(variance.max(axis=1, keepdims=True, initial=0), 1e-300)
    return np.where(variance > floor, np.sqrt(np.maximum(variance, 0)), np.inf)


SELECT = {"lasso": _by_lasso, "forward": _by_forward, "highest": _by_weight, "none": _all}
