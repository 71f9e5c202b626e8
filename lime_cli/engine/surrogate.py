"""Fit sparse linear surrogates: selection, refit, fidelity; every instance, target, fold in step.

No result depends on which other instances are fitted along with it: arithmetic is number by
number, or matrix by matrix of sizes that the settings alone decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.lasso import lasso_path
from lime_cli.engine.lending import by_law, lent
from lime_cli.engine.moments import Moments, Problem, added, moments_of, problem_of
from lime_cli.engine.neighbourhood import Law, Neighbourhood
from lime_cli.engine.refit import refit
from lime_cli.engine.selection import SELECT
from lime_cli.engine.shortlist import choose, of_shortlist, spread, widely
from lime_cli.engine.uncertainty import (
    Sandwich,
    Uncertainty,
    jackknifed,
    known,
    sandwiched,
    widened,
)
from lime_cli.settings import Settings

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
    lost: BoolArray
    """(b,): which have to be fitted again, with all moments."""


def fit(neighbourhood: Neighbourhood, targets: IntArray, settings: Settings) -> Fit:
    """Fit a surrogate to each of the given columns of the predictions; b = 1."""

    def sandwich(i: int, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        return sandwiched(neighbourhood, targets, coefficients)

    moments = moments_of(neighbourhood, targets)
    if neighbourhood.independent:
        return fit_all(moments, settings, sandwich)
    return fit_all(moments, settings, law=lent(neighbourhood, settings))


def fit_all(
    moments: Moments,
    settings: Settings,
    sandwich: Sandwich | None = None,
    law: Law | None = None,
) -> Fit:
    """Fit b instances; ``sandwich`` returns the errors of one that was drawn independently.

    Where the ``law`` of the samples of all of them is given, the fit on all components is lent.
    """
    problem, near, d = problem_of(moments), moments.near, moments.d
    if near is None:
        problem = by_law(problem, law, moments.shift) if law else problem
        coefficients, chosen = _solve(problem, settings)
        found = _judged((moments, problem), coefficients, chosen, settings, sandwich)
    else:
        joined, lost = choose(problem, near, settings.features)
        moments, problem = of_shortlist(moments, problem)
        coefficients, chosen = _refit_chosen(problem, joined, settings)
        found = _judged(
            (moments, problem), coefficients, chosen, settings, widely(sandwich, near, d)
        )
        found = _spread_out(found, near, d, lost)
    chance = (found.fidelity <= 0) & (settings.selection != "none") & (moments.n_drawn > 0)
    freedom = MANY if sandwich else max(1, moments.n_drawn - 1)
    return replace(found, uncertainty=widened(found.uncertainty, chance, freedom))


def _judged(
    posed: tuple[Moments, Problem],
    coefficients: FloatArray,
    chosen: BoolArray,
    settings: Settings,
    sandwich: Sandwich | None,
) -> Fit:
    """Say how good the fits of all folds are: intercepts, fidelity and errors of the first."""
    moments, problem = posed
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
    return Fit(
        coefficients=np.where(kept, coefficients[:, 0], 0.0),
        chosen=kept,
        intercepts=np.where(flat, shift + level, shift + intercepts[:, 0] - at_means),
        fidelity=np.where(flat, np.nan, np.clip(out, -1.0, 1.0)),
        fit_r2=np.where(flat, np.nan, in_sample),
        uncertainty=known(errors, _through_all_points(moments, chosen, sandwich is not None)),
        drifts=np.abs(coefficients[:, 1:]),
        lost=np.zeros(len(kept), bool),
    )


def _spread_out(fits: Fit, near: IntArray, d: int, lost: BoolArray) -> Fit:
    """Return fits on shortlists as fits on all d components."""
    errors = fits.uncertainty
    return replace(
        fits,
        coefficients=spread(fits.coefficients, near, d, 0.0),
        chosen=spread(fits.chosen, near, d, False).astype(bool),
        uncertainty=Uncertainty(
            spread(errors.std_errors, near, d, np.nan),
            spread(errors.half_widths, near, d, np.nan),
            spread(errors.selected, near, d, 0.0),
        ),
        drifts=spread(fits.drifts, near, d, 0.0),
        lost=lost,
    )


def _flat(moments: Moments) -> BoolArray:
    """Tell which targets (b, k) do not vary beyond rounding."""
    size = np.maximum((moments.shift[:, -moments.k :] + moments.level) ** 2, 1e-30)
    return np.asarray(moments.variance <= 1e-24 * size)


def _through_all_points(moments: Moments, chosen: BoolArray, independent: bool) -> BoolArray:
    """Tell of which targets (b, k) a fit leaves no sample over to err by."""
    if not moments.n_drawn:
        return np.zeros((len(chosen), moments.k), bool)
    n_chosen = chosen.sum(axis=3)
    if independent:
        return np.asarray(n_chosen[:, 0] >= moments.n)
    return np.asarray((n_chosen >= moments.fewest - 1).any(axis=1))


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
        coefficients = path.coefficients.reshape(b, folds, k, d)
        return coefficients, coefficients != 0
    chosen = SELECT[settings.selection](grams, which, correlations, settings.features)
    return _refit_chosen(problem, chosen.reshape(b, folds, k, d), settings)


def _refit_chosen(
    problem: Problem, chosen: BoolArray, settings: Settings
) -> tuple[FloatArray, BoolArray]:
    """Fit the components chosen (b, folds, k, d)."""
    b, folds, k, d = chosen.shape
    which = np.repeat(np.arange(b * folds), k)
    coefficients = refit(
        problem.grams.reshape(-1, d, d),
        which,
        problem.correlations.reshape(-1, d),
        chosen.reshape(-1, d),
        settings.penalty / problem.mass.reshape(-1)[which],
        _most(settings),
    )
    return coefficients.reshape(chosen.shape), chosen


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
