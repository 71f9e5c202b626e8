"""Fit sparse linear surrogates: selection, refit, fidelity; every instance, target, fold in step.

No result depends on which other instances are fitted along with it: arithmetic is number by
number, or matrix by matrix of sizes that the settings alone decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.lasso import lasso_path
from lime_cli.engine.moments import Moments, Problem, added, moments_of, problem_of
from lime_cli.engine.neighbourhood import Law, Neighbourhood
from lime_cli.engine.refit import refit
from lime_cli.engine.selection import SELECT
from lime_cli.engine.uncertainty import Uncertainty, jackknifed, sandwiched, widened
from lime_cli.settings import Settings

FULL_FIT = 4
"""Effective samples per component from which all components may be fitted together."""
MANY = 10**6
"""Degrees of freedom of errors that are as good as known."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients of k targets of b instances."""

    coefficients: FloatArray
    """(b, k, d); zero where not chosen."""
    chosen: BoolArray
    """(b, k, d)"""
    intercepts: FloatArray
    """(b, k)"""
    fidelity: FloatArray
    """(b, k): weighted R² on left-out blocks, in [-1, 1]; nan for a constant response."""
    fit_r2: FloatArray
    """(b, k)"""
    uncertainty: Uncertainty
    drifts: FloatArray
    """(b, R, k, d): sizes of the weights when selection and fit leave a block out."""


def fit(neighbourhood: Neighbourhood, targets: IntArray, settings: Settings) -> Fit:
    """Fit a surrogate to each of the given columns of the predictions; b = 1."""

    def sandwich(i: int, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        return sandwiched(neighbourhood, targets, coefficients)

    moments = moments_of(neighbourhood, targets)
    if neighbourhood.independent:
        return fit_all(moments, settings, sandwich)
    return fit_all(moments, settings, law=_lent(neighbourhood, settings))


def fit_all(
    moments: Moments,
    settings: Settings,
    sandwich: Callable[[int, FloatArray], tuple[FloatArray, FloatArray]] | None = None,
    law: Law | None = None,
) -> Fit:
    """Fit b instances; ``sandwich`` returns the errors of one that was drawn independently.

    Where the ``law`` of the samples of all of them is given, the fit on all components is lent.
    """
    problem = problem_of(moments)
    problem = _by_law(problem, law, moments.shift) if law else problem
    coefficients, chosen = _solve(problem, settings)
    intercepts = _intercepts(problem, coefficients)
    everything, level = moments.total[:, None], moments.level
    flat = _flat(moments)
    in_sample = _r_squared(moments, everything, coefficients[:, :1], intercepts[:, :1])
    folds, out = moments.blocks[:, : moments.n_drawn], in_sample
    if moments.n_drawn:
        out = _r_squared(moments, folds, coefficients[:, 1:], intercepts[:, 1:])
    d, k = moments.d, moments.k
    means, shift = moments.shift[:, :d], moments.shift[:, d : d + k]
    kept = chosen[:, 0] & ~flat[..., None]
    marked = np.where(kept, coefficients[:, 0], np.nan)
    at_means = (coefficients[:, 0] @ means[:, :, None])[..., 0]
    refits = _refits(problem, coefficients, chosen, settings)
    errors = jackknifed(marked, refits, chosen[:, 1:], sandwich)
    chance = (out <= 0) & (settings.selection != "none") & (moments.n_drawn > 0)
    return Fit(
        coefficients=np.where(kept, coefficients[:, 0], 0.0),
        chosen=kept,
        intercepts=np.where(flat, shift + level, shift + intercepts[:, 0] - at_means),
        fidelity=np.where(flat, np.nan, np.clip(out, -1.0, 1.0)),
        fit_r2=np.where(flat, np.nan, in_sample),
        uncertainty=widened(errors, chance, MANY if sandwich else max(1, moments.n_drawn - 1)),
        drifts=np.abs(coefficients[:, 1:]),
    )


def _lent(neighbourhood: Neighbourhood, settings: Settings) -> Law | None:
    """Return the law where samples are enough to fit all components together, and few are kept."""
    wanted = FULL_FIT * (1 + neighbourhood.interpretable.shape[1])
    chooses = settings.selection != "none" and settings.penalty == 0
    return neighbourhood.law if chooses and neighbourhood.effective_samples >= wanted else None


def _by_law(problem: Problem, law: Law, shift: FloatArray) -> Problem:
    """Return the problem that endless samples would pose if the fit on all components were true.

    A choice has the same weights there in expectation: the residual of the full fit is orthogonal
    to every component. What the others do, which is noise to a fit on a few, is then no noise.
    """
    b, folds, k, d = problem.correlations.shape
    which, everything = np.repeat(np.arange(b * folds), k), np.ones((b * folds * k, d), bool)
    grams, wanted = problem.grams.reshape(-1, d, d), problem.correlations.reshape(-1, d)
    full = refit(grams, which, wanted, everything, np.zeros(len(which)))
    full = full.reshape(b, folds, k, d)
    means = np.broadcast_to((law.means - shift[:, :d])[:, None], (b, folds, d))
    level = problem.means[..., d:] + (full @ (means - problem.means[..., :d])[..., None])[..., 0]
    return Problem(
        grams=np.broadcast_to(law.covariance, (b, folds, d, d)),
        correlations=full @ law.covariance,
        means=np.concatenate([means, level], axis=-1),
        mass=problem.mass,
    )


def _flat(moments: Moments) -> BoolArray:
    """Tell which targets (b, k) do not vary beyond rounding."""
    size = np.maximum((moments.shift[:, -moments.k :] + moments.level) ** 2, 1e-30)
    return np.asarray(moments.variance <= 1e-24 * size)


def _refits(
    problem: Problem, coefficients: FloatArray, chosen: BoolArray, settings: Settings
) -> FloatArray:
    """Fit what all data choose again without each block, where that chooses else: (b, R, k, d)."""
    again = coefficients[:, 1:].copy()
    if settings.penalty_kind == "lasso":
        return again
    other = (chosen[:, 1:] != chosen[:, :1]).any(axis=3)
    b, fold, k = np.nonzero(other)
    if not len(b):
        return again
    which = b * problem.grams.shape[1] + fold + 1
    again[b, fold, k] = refit(
        problem.grams.reshape(-1, *problem.grams.shape[2:]),
        which,
        problem.correlations[b, fold + 1, k],
        chosen[b, 0, k],
        settings.penalty / problem.mass[b, fold + 1],
        _most(settings),
    )
    return again


def _most(settings: Settings) -> int | None:
    """Return how many components are chosen, at most; None for all."""
    return None if settings.selection == "none" else settings.features


def _solve(problem: Problem, settings: Settings) -> tuple[FloatArray, BoolArray]:
    """Choose components and refit on them: coefficients and choice, (b, folds, k, d) each."""
    b, folds, k, d = problem.correlations.shape
    which = np.repeat(np.arange(b * folds), k)
    grams, correlations = problem.grams.reshape(-1, d, d), problem.correlations.reshape(-1, d)
    if settings.penalty_kind == "lasso":
        path = lasso_path(grams, which, correlations, d, settings.penalty)
        coefficients, chosen = path.coefficients, path.coefficients != 0
    else:
        chosen = SELECT[settings.selection](grams, which, correlations, settings.features)
        ridge = settings.penalty / problem.mass.reshape(-1)[which]
        coefficients = refit(grams, which, correlations, chosen, ridge, _most(settings))
    return coefficients.reshape(b, folds, k, d), chosen.reshape(b, folds, k, d)


def _intercepts(problem: Problem, coefficients: FloatArray) -> FloatArray:
    """Return the intercepts (b, folds, k) of the shifted data."""
    d = coefficients.shape[-1]
    at_means = (coefficients @ problem.means[..., :d, None])[..., 0]
    return np.asarray(problem.means[..., d:] - at_means)


def _r_squared(
    moments: Moments, judged: FloatArray, coefficients: FloatArray, intercepts: FloatArray
) -> FloatArray:
    """Return each target's weighted R² (b, k) on the moments ``judged`` (b, folds, p, p), summed.

    It is always judged by the answers themselves, and compares with the mean of all samples.
    """
    d, k = moments.d, moments.k
    away = moments.shift[:, -k:] - moments.shift[:, d : d + k]
    residual = np.zeros((*coefficients.shape[:3], judged.shape[-1]))
    residual[..., 0] = away[:, None] - intercepts
    residual[..., 1 : 1 + d] = -coefficients
    residual[..., -k:] += np.eye(k)
    lost = added(((residual @ judged) * residual).sum(axis=-1))
    centre = moments.level[:, None]
    about = np.einsum("bfii->bfi", judged)[..., -k:] - 2 * centre * judged[..., 0, -k:]
    total = added(about + centre**2 * judged[..., :1, 0])
    return np.asarray(
        1.0 - np.divide(lost, total, out=np.full(lost.shape, np.nan), where=total > 0)
    )
