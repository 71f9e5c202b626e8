"""From fits at every radius to what is shown: the components chosen, their weights and errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.engine.explanation import AtRadius, Others, Surrogate, Weight
from lime_cli.engine.grams import deviation_of
from lime_cli.engine.lasso import NOTHING_LEFT, lasso_path
from lime_cli.engine.refit import refit
from lime_cli.engine.selection import SELECT
from lime_cli.engine.surrogate import Fits, Ground, fidelity_of
from lime_cli.engine.uncertainty import jackknife, moves, multiplier, rank_ranges
from lime_cli.settings import Settings

SURE = 10.0 * NOTHING_LEFT
"""Penalty, as a share of its start, at which a path surely has every component it ever will."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Weights of P problems at the radius chosen for each, and which of them are shown."""

    radius: IntArray
    """(P,): its place among those compared."""
    weights: FloatArray
    """(P, d): of all components."""
    std_errors: FloatArray
    """(P, d)"""
    half_widths: FloatArray
    """(P, d): of 95% intervals, adjusted for the choice."""
    chosen: BoolArray
    """(P, d)"""
    selected: FloatArray
    """(P, d): share of the fits without a block that choose the component."""
    offsets: FloatArray
    """(P,)"""
    others_errors: FloatArray
    """(P,): standard error of the sum of the weights that are not shown."""
    others_half_widths: FloatArray
    """(P,)"""
    fidelity: FloatArray
    """(P,)"""
    folds: FloatArray
    """(P, B, d): weights without each of the blocks; no block where nothing was drawn."""


def show(
    ground: Ground,
    fits: Fits,
    radius: IntArray,
    settings: Settings,
    data: tuple[FloatArray, FloatArray],
) -> Shown:
    """Choose what is shown of P fits at the radius of each.

    ``data`` are the predictions (P, n) and that for the instance (P,), for weights that are not
    those of the full surrogate.
    """
    P, F, d = len(radius), ground.F, ground.d
    rows = np.arange(P)
    slopes, offsets = fits.slopes[rows, radius], fits.offsets[rows, radius]
    fidelity = fits.fidelity[rows, radius]
    chosen = np.zeros((P, F, d), bool)
    for r in sorted(set(radius.tolist())):
        some = np.flatnonzero(radius == r)
        found = _chosen(ground, r, slopes[some], settings)
        chosen[some] = found[1]
        if found[0] is None:
            continue
        new, means = found[0], found[2]
        offsets[some] += ((slopes[some] - new) * means).sum(axis=2)
        slopes[some] = new
        fidelity[some] = fidelity_of(
            ground, r, (slopes[some], offsets[some]), (data[0][some], data[1][some])
        )
    flat = fits.flat[rows, radius]
    chosen &= ~np.isnan(fits.fit_r2[rows, radius])[:, None, None]  # of a constant response nothing
    shown = chosen[:, 0]
    errors = jackknife(slopes[:, 1:], 1) if F > 1 else np.zeros((P, d))
    factors = np.array([multiplier(ground.B, int(n), d) for n in shown.sum(axis=1)])
    hidden = np.where(shown[:, None], 0.0, slopes).sum(axis=2)
    other_errors = jackknife(hidden[:, 1:], 1) if F > 1 else np.zeros(P)
    factor_of_one = multiplier(ground.B, 1, 1)
    return Shown(
        radius=radius,
        weights=-slopes[:, 0],
        std_errors=errors,
        half_widths=errors * factors[:, None],
        chosen=shown,
        selected=chosen[:, 1:].mean(axis=1) if F > 1 else shown.astype(float),
        offsets=offsets[:, 0],
        others_errors=other_errors,
        others_half_widths=other_errors * factor_of_one,
        fidelity=np.where(flat, np.nan, np.clip(fidelity, -1.0, 1.0)),
        folds=-slopes[:, 1:],
    )


def _chosen(
    ground: Ground, r: int, slopes: FloatArray, settings: Settings
) -> tuple[FloatArray | None, BoolArray, FloatArray]:
    """Return weights (P, F, d) where they are not those given, the choice, and means (F, d).

    Of too few samples the expected Gram matrix stands in for theirs: the path then takes
    components by the size of their weights.
    """
    P, F, d = slopes.shape
    n = d if settings.selection == "none" else min(settings.features, d)
    plain = settings.penalty_kind != "lasso" and not settings.refit
    everything = np.ones((P, F, d), bool)
    if plain and settings.selection == "none":
        return None, everything, np.zeros((F, d))
    if plain and (ground.thin[r] or settings.selection == "highest"):
        return None, _largest(slopes, n), np.zeros((F, d))
    grams, means, mass = ground.centred(r)
    which = np.tile(np.arange(F), P)
    wanted = np.matmul(grams, slopes[..., None])[..., 0].reshape(-1, d)
    if settings.penalty_kind == "lasso":
        path = lasso_path(grams, which, wanted, d, settings.penalty)
        found = path.coefficients.reshape(P, F, d)
        return found, found != 0, means
    if n == d and settings.selection == "lasso" and _all_join(ground, r, slopes, wanted):
        chosen = np.ones(wanted.shape, bool)
    else:
        chosen = SELECT[settings.selection](grams, which, wanted, n)
    if not settings.refit:
        return None, chosen.reshape(P, F, d), means
    ridge = settings.penalty / (ground.effective[r] * mass[which])
    found = refit(grams, which, wanted, chosen, ridge, n).reshape(P, F, d)
    return found, chosen.reshape(P, F, d), means


def _all_join(ground: Ground, r: int, slopes: FloatArray, wanted: FloatArray) -> bool:
    """Tell whether every path ends with all components, as no weight (P, F, d) is near to zero.

    Where the penalty is a billionth of its start, weights of standardised components are those of
    least squares but for the inverse of the correlations times that.
    """
    deviation = deviation_of(np.einsum("fii->fi", ground.centred(r)[0]))
    start = np.abs(wanted.reshape(slopes.shape) / deviation).max(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = SURE * start * np.sqrt(ground.d) / ground.least[r]
    return bool((np.abs(slopes) * deviation > moved[..., None]).all())


def _largest(slopes: FloatArray, n: int) -> BoolArray:
    order = np.argsort(-np.abs(slopes), axis=-1, kind="stable")[..., :n]
    chosen = np.zeros(slopes.shape, bool)
    np.put_along_axis(chosen, order, True, axis=-1)
    return np.asarray(chosen & (slopes != 0))


def by_size(
    weights: FloatArray,
    errors: tuple[FloatArray, FloatArray],
    there: BoolArray,
    selected: FloatArray,
    folds: FloatArray | None = None,
) -> tuple[Weight, ...]:
    """List the weights that are ``there`` as plain data, the largest first.

    ``errors`` are standard errors (d,) and half widths of intervals (d,); ``folds`` (B, d) weights
    without each of the blocks that other instances share.
    """
    std_errors, wide = errors
    blocks = None if folds is None or not len(folds) else moves(folds)
    best, worst = rank_ranges(weights, wide, there)
    return tuple(
        Weight(
            component=int(j),
            weight=float(weights[j]),
            std_error=float(std_errors[j]),
            interval=(float(weights[j] - wide[j]), float(weights[j] + wide[j])),
            rank_range=(int(best[j]), int(worst[j])),
            selected=float(selected[j]),
            blocks=None if blocks is None else tuple(blocks[:, j].tolist()),
        )
        for j in np.argsort(-np.abs(weights), kind="stable")
        if there[j]
    )


def others_of(weight: float, n: int, error: float, half_width: float) -> Others | None:
    """Return the sum of the n weights that are not shown as plain data; None for none."""
    interval = (weight - half_width, weight + half_width)
    return Others(n, weight, error, interval) if n else None


def surrogate_of(
    ground: Ground,
    fits: Fits,
    shown: Shown,
    problem: int,
    target: tuple[int, str],
    original: float,
) -> Surrogate:
    """Return one problem's surrogate as plain data, weights by falling size."""
    weights = shown.weights[problem]
    local = original + float(shown.offsets[problem])
    r = int(shown.radius[problem])
    return Surrogate(
        target=target[0],
        name=target[1],
        model_prediction=original,
        intercept=local - float(weights.sum()),
        local_prediction=local,
        fidelity=_number(shown.fidelity[problem]),
        fit_r2=_number(fits.fit_r2[problem, r]),
        weights=by_size(
            weights,
            (shown.std_errors[problem], shown.half_widths[problem]),
            shown.chosen[problem],
            shown.selected[problem],
            shown.folds[problem],
        ),
        radius=ground.kernels[r].radius,
        fidelity_error=_number(fits.fidelity_error[problem, r]),
        spread=float(fits.spread[problem, r]),
        others=_others(shown, problem),
        every_weight=tuple(weights.tolist()),
        by_radius=tuple(_at(ground, fits, problem, i) for i in range(len(ground.kernels))),
    )


def _others(shown: Shown, problem: int) -> Others | None:
    hidden = ~shown.chosen[problem]
    return others_of(
        float(shown.weights[problem][hidden].sum()),
        int(hidden.sum()),
        float(shown.others_errors[problem]),
        float(shown.others_half_widths[problem]),
    )


def _at(ground: Ground, fits: Fits, problem: int, i: int) -> AtRadius:
    fidelity = fits.fidelity[problem, i]
    return AtRadius(
        ground.kernels[i].radius,
        _number(np.clip(fidelity, -1.0, 1.0)),
        _number(fits.fidelity_error[problem, i]),
        _number(fits.gaps[problem, i]),
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
