"""From fits at every radius to what is shown: the components chosen, their weights, how far each
may be off, and the pairs that act together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, repeat
from math import cos, isfinite, pi, sin, sqrt, tan

import numpy as np
from numpy.typing import ArrayLike

from lime_cli.engine.explanation import AtRadius, Interval, Others, Pair, Surrogate, Weight
from lime_cli.engine.gram import Ground
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import ROUNDING
from lime_cli.engine.selection import NOTHING_LEFT, SELECT, deviation_of, lasso_path, refit
from lime_cli.engine.surrogate import Fits, fidelity_of, jackknife, twin_products
from lime_cli.settings import Settings

LEVEL = 0.05
"""How often an interval may miss."""
SURE = 10.0 * NOTHING_LEFT
"""Penalty, as a share of its start, at which a path surely has every component it ever will."""


def moves(folds: FloatArray) -> IntArray:
    """Return how estimates (B, d) that leave out a block differ from their mean, (B, d).

    In thousandths of a vector of length 1, so that two of these times both standard errors make
    the covariance of two estimates from the same blocks.
    """
    apart = folds - folds.mean(axis=0)
    length = np.sqrt((apart**2).sum(axis=0))
    return np.asarray(np.rint(1000 * apart / np.where(length > 0, length, 1.0)), np.int64)


@cache
def student(freedom: int, tail: float) -> float:
    """Return the point that Student's t exceeds with probability ``tail``, in (0, 0.5).

    It is the root of ``freedom`` times the tangent of an angle, which is found by halves.
    """
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _beyond(freedom, middle) > tail else (low, middle)
    return sqrt(freedom) * tan(low)


def _beyond(freedom: int, angle: float) -> float:
    """Return how likely the angle is exceeded (Abramowitz & Stegun 1964, 26.7.3 and 26.7.4)."""
    odd, total = freedom % 2, 0.0
    term = cos(angle) ** odd
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cos(angle) ** 2 * (power + 1) / (power + 2)
    within = sin(angle) * total
    return (1.0 - (2.0 / pi * (angle + within) if odd else within)) / 2.0


def multiplier(n_blocks: int, shown: int, d: int) -> float:
    """Return how many standard errors an interval reaches that ``shown`` of d components share.

    The false coverage rate after a choice stays at the level when each interval has the level
    1 - 0.05 shown / d (Benjamini & Yekutieli 2005).
    """
    if n_blocks < 2:
        return 0.0
    return student(n_blocks - 1, LEVEL / 2 * max(1, min(shown, d)) / d)


def rank_ranges(
    weights: FloatArray, half_widths: FloatArray, shown: BoolArray
) -> tuple[IntArray, IntArray]:
    """Return the best and the worst rank by size, among all d, that intervals leave possible.

    All are (d,); only those of what is ``shown`` are looked at. A weight surely outranks another
    when the interval of its size lies wholly above the other's.
    """
    low, high = np.abs(weights) - half_widths, np.abs(weights) + half_widths
    best, worst = np.ones(len(weights), np.int64), np.full(len(weights), len(weights))
    best[shown] += (low > high[shown, None]).sum(axis=1)
    worst[shown] -= (high < low[shown, None]).sum(axis=1)
    return best, worst


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
        choice = _chosen(ground, r, slopes[some], settings)
        chosen[some] = choice[1]
        if choice[0] is None:
            continue
        new, means = choice[0], choice[2]
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
    if ground.thin[r]:
        mean, variance, _ = ground.moments[:, r]
        means = np.full((F, d), mean)
        if settings.penalty_kind == "lasso":  # which takes from each alike
            excess = np.abs(slopes) - settings.penalty / variance
            return np.sign(slopes) * np.maximum(excess, 0.0), excess > 0, means
        chosen = _largest(slopes, n)
        return np.where(chosen, slopes, 0.0), chosen, means
    grams, means, mass = ground.centred(r)
    which = np.tile(np.arange(F), P)
    wanted = np.matmul(grams, slopes[..., None])[..., 0].reshape(-1, d)
    if settings.penalty_kind == "lasso":
        path = lasso_path(grams, which, wanted, d, settings.penalty)
        coefficients = path.coefficients.reshape(P, F, d)
        return coefficients, coefficients != 0, means
    if n == d and settings.selection == "lasso" and _all_join(ground, r, slopes, wanted):
        chosen = np.ones(wanted.shape, bool)
    else:
        chosen = SELECT[settings.selection](grams, which, wanted, n)
    if not settings.refit:
        return None, chosen.reshape(P, F, d), means
    ridge = settings.penalty / (ground.effective[r] * mass[which])
    coefficients = refit(grams, which, wanted, chosen, ridge, n).reshape(P, F, d)
    return coefficients, chosen.reshape(P, F, d), means


def _all_join(ground: Ground, r: int, slopes: FloatArray, wanted: FloatArray) -> bool:
    """Tell whether every path ends with all components, as no weight (P, F, d) is near to zero.

    Where the penalty is a billionth of its start, weights of standardised components are those of
    least squares but for the inverse of the correlations times that.
    """
    deviation = deviation_of(np.einsum("fii->fi", ground.centred(r)[0]))
    start = np.abs(wanted.reshape(slopes.shape) / deviation).max(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = SURE * start * np.sqrt(ground.d) / ground.least(r)
    return bool((np.abs(slopes) * deviation > moved[..., None]).all())


def _largest(slopes: FloatArray, n: int) -> BoolArray:
    order = np.argsort(-np.abs(slopes), axis=-1, kind="stable")[..., :n]
    chosen = np.zeros(slopes.shape, bool)
    np.put_along_axis(chosen, order, True, axis=-1)
    return np.asarray(chosen & (slopes != 0))


def without_rounding(values: ArrayLike, scale: float) -> FloatArray:
    """Return values, 0 for those that rounding alone makes of predictions as large as ``scale``."""
    return np.where(np.abs(values) > ROUNDING * scale, values, 0.0)


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
    some = np.argsort(-np.abs(weights), kind="stable")
    some = some[there[some]]
    best, worst = (one[some].tolist() for one in rank_ranges(weights, wide, there))
    blocks: Iterable[tuple[int, ...] | None] = repeat(None, len(some))
    if folds is not None and len(folds):
        blocks = map(tuple, moves(folds[:, some]).T.tolist())
    sizes, widths = weights[some], wide[some]
    columns = (
        some.tolist(),
        sizes.tolist(),
        std_errors[some].tolist(),
        map(Interval, (sizes - widths).tolist(), (sizes + widths).tolist()),
        zip(best, worst, strict=True),
        selected[some].tolist(),
        blocks,
    )
    return tuple(Weight(*one) for one in zip(*columns, strict=True))


def others_of(weight: float, n: int, error: float, half_width: float) -> Others | None:
    """Return the sum of the n weights that are not shown as plain data; None for none."""
    return Others(n, weight, error, Interval.around(weight, half_width)) if n else None


def surrogate_of(
    ground: Ground,
    fits: Fits,
    shown: Shown,
    problem: int,
    target: tuple[int, str],
    original: float,
) -> Surrogate:
    """Return one problem's surrogate as plain data, weights by falling size."""
    r = int(shown.radius[problem])
    scale = abs(original) + float(fits.reach[problem])
    weights, errors, wide, offset = (
        without_rounding(one[problem], scale)
        for one in (shown.weights, shown.std_errors, shown.half_widths, shown.offsets)
    )
    folds = np.where(errors > 0, shown.folds[problem], weights)
    local = original + float(offset)
    return Surrogate(
        target=target[0],
        name=target[1],
        model_prediction=original,
        intercept=float(without_rounding(local - weights.sum(), scale)),
        local_prediction=local,
        fidelity=_number(shown.fidelity[problem]),
        fit_r2=_number(fits.fit_r2[problem, r]),
        weights=by_size(
            weights, (errors, wide), shown.chosen[problem], shown.selected[problem], folds
        ),
        radius=ground.kernels[r].radius,
        fidelity_error=_number(fits.fidelity_error[problem, r]),
        spread=float(without_rounding(fits.spread[problem, r], 1.0)),
        others=_others(shown, problem, scale),
        every_weight=tuple(weights.tolist()),
        by_radius=_compared(ground, fits, problem, scale),
    )


def _others(shown: Shown, problem: int, scale: float) -> Others | None:
    hidden = ~shown.chosen[problem]
    total, error, wide = (
        float(without_rounding(one, scale))
        for one in (
            shown.weights[problem][hidden].sum(),
            shown.others_errors[problem],
            shown.others_half_widths[problem],
        )
    )
    return others_of(total, int(hidden.sum()), error, wide)


def _compared(ground: Ground, fits: Fits, problem: int, scale: float) -> tuple[AtRadius, ...]:
    """Tell what the surrogates of one problem at all radii are worth."""
    columns = (
        np.clip(fits.fidelity[problem], -1.0, 1.0),
        fits.fidelity_error[problem],
        without_rounding(fits.gaps[problem], scale),
    )
    numbers = (map(_number, one.tolist()) for one in columns)
    return tuple(map(AtRadius, (one.radius for one in ground.kernels), *numbers))


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None


PAIRS_BELOW = 0.7
"""Fidelity below which pairs are tried."""
PAIRED = 6
"""Components whose pairs are tried."""
MOST_PAIRS = 3
"""Pairs that are reported, at most."""
PAIRS_ADD, PAIR_ADDS = 0.1, 0.03
"""Fidelity that pairs must add together, and each beside the clearer ones."""


def pairs_of(
    ground: Ground,
    r: int,
    strongest: Sequence[int],
    left: FloatArray,
    total: float,
) -> tuple[tuple[Pair, ...], float]:
    """Return pairs, the strongest first, and the fidelity that they add; none where it is little.

    Under the product kernel the centred product of two masks is uncorrelated with every mask, so
    that a pair leaves the weights what they are: it adds what keeping both is worth beyond keeping
    each.

    ``left`` (B, L) are the predictions without what the weights say, by block, each from the fit
    without its block; ``total`` is the variance that masking decides.
    """
    B = ground.B
    if B < 2 or len(strongest) < 2 or total <= 0:
        return (), 0.0
    mean = ground.moments[0, r]
    x = ground.X[..., 1 : 1 + ground.d]
    names = list(combinations(sorted(strongest), 2))
    products = np.stack([(x[..., i] - mean) * (x[..., j] - mean) for i, j in names], axis=-1)
    w = ground.w[r]
    grams = np.einsum("blp,bl,blq->bpq", products, w, products)
    wanted = np.einsum("blp,bl->bp", products, w * left)
    folds = np.concatenate([[np.zeros(len(names))], wanted])
    folds = wanted.sum(axis=0) - folds
    inverse = grams.sum(axis=0) - np.concatenate([np.zeros((1, *grams.shape[1:])), grams])
    chosen: list[int] = []
    for _ in range(MOST_PAIRS):
        scores = [
            _explained(inverse[0], folds[0], [*chosen, p]) if p not in chosen else -np.inf
            for p in range(len(names))
        ]
        chosen.append(int(np.argmax(scores)))
        if len(chosen) == len(names):
            break
    coefficients, gain = np.zeros((1 + B, 0)), 0.0
    for size in range(1, 1 + len(chosen)):
        both = zip(inverse, folds, strict=True)
        more = np.stack([_solved(gram, one, chosen[:size]) for gram, one in both])  # (1 + B, size)
        fitted = np.einsum("blp,bp->bl", products[..., chosen[:size]], more[1:])
        before, after = twin_products(ground, r, np.stack([left, left - fitted]))
        if float(before - after) / total < gain + PAIR_ADDS:
            break
        coefficients, gain = more, float(before - after) / total
    chosen = chosen[: coefficients.shape[1]]
    if gain < PAIRS_ADD:
        return (), gain
    errors = jackknife(coefficients[1:], 0)
    half = errors * multiplier(B, len(chosen), len(names))
    order = np.argsort(-np.abs(coefficients[0]), kind="stable")
    pairs = tuple(
        Pair(
            names[chosen[p]],
            float(coefficients[0, p]),
            float(errors[p]),
            Interval.around(coefficients[0, p], half[p]),
        )
        for p in order
    )
    return tuple(pair for pair in pairs if not pair.interval.holds_zero), gain


def _solved(gram: FloatArray, wanted: FloatArray, chosen: list[int]) -> FloatArray:
    some = np.ix_(chosen, chosen)
    ridge = 1e-9 * (np.trace(gram) + 1e-300) * np.eye(len(chosen))
    return np.asarray(np.linalg.solve(gram[some] + ridge, wanted[chosen]))


def _explained(gram: FloatArray, wanted: FloatArray, chosen: list[int]) -> float:
    return float(wanted[chosen] @ _solved(gram, wanted, chosen))
