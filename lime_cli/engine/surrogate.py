"""Fit linear surrogates at every radius, say how faithful each is, and choose the radius.

A surrogate of one target is f(x) ~ f0 + a + x g, where x marks the components that a sample masks
and f0 is what the model predicts of the instance: the weight of a component is -g, the gap -a.
P problems (an instance and a target each), R radii, F folds, B blocks of L samples, p regressors,
as in gram.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lime_cli.engine.gram import TOGETHER, Ground
from lime_cli.engine.least_squares import by_distribution, correct, fit_few, fitted, solve
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import ROUNDING

CERTAIN = 3.0
"""Standard errors by which the variance that masking decides exceeds zero, for it to be there at
all: by chance at none of the radii."""
SMALL_GAP, NEAR_BEST = 0.05, 0.03
"""Of the range of the predictions; of fidelity: what the choice of the radius calls small."""


@dataclass(frozen=True, eq=False)
class Fits:
    """Surrogates of P problems at R radii."""

    slopes: FloatArray
    """(P, R, F, d): g of every fold."""
    offsets: FloatArray
    """(P, R, F): a of every fold."""
    predicting: FloatArray
    """(P, R, F, p): coefficients of what is regressed, of every fold, that predict other blocks
    best; of few samples a component those of the strongest, which slopes and offsets correct."""
    fidelity: FloatArray
    """(P, R): of the effect of masking, the share that the surrogate explains, or nan."""
    fidelity_error: FloatArray
    """(P, R): its standard error."""
    steering: FloatArray
    """(P, R): the same without what too few samples cost, by which radii are compared."""
    fit_r2: FloatArray
    """(P, R): R² on the samples themselves, whatever was drawn in place of a component."""
    spread: FloatArray
    """(P, R): share of the variance that which replacement was drawn decides."""
    decided: FloatArray
    """(P, R): variance of the predictions that masking decides."""
    deviation: FloatArray
    """(P, R): weighted standard deviation of the predictions, the instance counted."""
    clear: FloatArray
    """(P, R): by how many of its standard errors the variance that masking decides exceeds zero."""
    flat: BoolArray
    """(P, R): whether masking decides nothing that can be told from noise."""
    reach: FloatArray
    """(P,): largest prediction minus smallest, the instance counted."""

    def about(self, plain: Fits) -> Fits:
        """Return these fits, but sizes and shares of the predictions as ``plain`` ones have them.

        These are of predictions that lack control variates.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.clip(1.0 - self.decided / plain.deviation**2, 0.0, 1.0)
        kept = {name: getattr(plain, name) for name in ("fit_r2", "deviation", "reach")}
        return replace(self, spread=np.where(np.isnan(plain.fit_r2), 0.0, spread), **kept)

    def some(self, problems: Sequence[int]) -> Fits:
        """Return the fits of some of the problems."""
        if list(problems) == list(range(len(self.reach))):
            return self
        problems = list(problems)
        return Fits(**{name: getattr(self, name)[problems] for name in self.__dataclass_fields__})

    def but(self, problems: Sequence[int], others: Fits) -> Fits:
        """Return these fits, but ``others`` in the place of some of the problems."""
        merged = {}
        for name in self.__dataclass_fields__:
            merged[name] = getattr(self, name).copy()
            merged[name][problems] = getattr(others, name)
        return Fits(**merged)

    @cached_property
    def gaps(self) -> FloatArray:
        """What the model predicts of the instance minus what the surrogates say, (P, R)."""
        return -self.offsets[:, :, 0]


def fit(
    ground: Ground, predictions: FloatArray, original: FloatArray, in_sample: bool = True
) -> Fits:
    """Fit P problems: ``predictions`` (P, n) to the samples, ``original`` (P,) to the instance.

    R² on the samples themselves is nan unless ``in_sample``.
    """
    P, R = len(predictions), len(ground.w)
    room = max(1, TOGETHER // (ground.B * ground.L * R + R * ground.F * (ground.d + 1)))
    parts = [
        _fit(ground, predictions[i : i + room], original[i : i + room], in_sample)
        for i in range(0, P, room)
    ]
    if len(parts) == 1:
        return parts[0]
    names = Fits.__dataclass_fields__
    return Fits(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _fit(ground: Ground, predictions: FloatArray, original: FloatArray, in_sample: bool) -> Fits:
    moved = predictions - original[:, None]
    y = ground.sorted_predictions(moved)
    blocks = ground.correlations(y)
    everything = blocks.sum(axis=2)
    c = np.concatenate([everything[:, :, None], everything[:, :, None] - blocks], axis=2)
    c = c[:, :, : ground.F]
    radii = slice(len(ground.w))
    coefficients, missed = solve(ground, radii, c, y)
    left_out = coefficients[:, :, 1:] if ground.F > 1 else coefficients
    means = everything[:, :, 0] / ground.mass
    about = y[..., None] - means[:, None, None]
    raw = np.einsum("pblr,rbl->pr", about**2, ground.w) + ground.own * means**2
    corrected = fit_few(ground, radii, (c, y, raw), (coefficients, missed)) | ground.thin
    end = 1 + ground.d
    if ground.controlled:  # what replacements decide, as the other blocks have it
        about = about - fitted(ground.X[..., end:], coefficients[..., end:])
    own, B = ground.own, ground.B
    at_itself = (left_out[..., 0] ** 2).sum(axis=2) / left_out.shape[2]
    lost = _products(ground, missed) + (own * at_itself / B)[..., None]
    total = _products(ground, about) + (own * means**2 / B)[..., None]
    fidelity, error = _ratio(lost, total)
    steering, predicting = fidelity.copy(), coefficients.copy()
    some = np.flatnonzero(corrected.any(axis=1))
    if len(some):
        better = correct(ground, radii, coefficients[some], missed[some])
        coefficients[corrected] = better[corrected[some]]
        with np.errstate(divide="ignore", invalid="ignore"):
            decided = _decided(ground, radii, blocks[some]) / total[some].sum(axis=2)
        steering[corrected] = decided[corrected[some]]
    coefficients = coefficients[..., :end]
    unexplained = _in_sample(ground, y, coefficients[:, :, :1]) if in_sample else np.nan
    largest = np.maximum(np.abs(predictions).max(axis=1), np.abs(original))[:, None]
    nothing = raw <= np.maximum(ROUNDING * largest, 1e-150) ** 2
    everywhere = total.sum(axis=2)
    noise = np.sqrt(B / max(1, B - 1) * ((total - total.mean(2, keepdims=True)) ** 2).sum(axis=2))
    flat = nothing | (everywhere <= CERTAIN * noise) if len(ground.masks.twins) else nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        return Fits(
            slopes=coefficients[..., 1:],
            offsets=coefficients[..., 0],
            predicting=predicting,
            fidelity=np.where(flat, np.nan, fidelity),
            fidelity_error=np.where(flat, np.nan, error),
            steering=np.where(flat, np.nan, steering),
            fit_r2=np.where(nothing, np.nan, 1.0 - unexplained / raw),
            spread=np.where(nothing, 0.0, np.clip(1.0 - everywhere / raw, 0.0, 1.0)),
            decided=everywhere,
            deviation=np.sqrt(raw),
            clear=np.divide(everywhere, noise, out=np.zeros_like(noise), where=noise > 0),
            flat=flat,
            reach=np.maximum(moved.max(axis=1), 0.0) - np.minimum(moved.min(axis=1), 0.0),
        )


def _in_sample(ground: Ground, y: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Return the weighted squares (P, R) of what fits to everything, (P, R, 1, p), miss of y."""
    missed = y[..., None] - fitted(ground.X[..., : coefficients.shape[3]], coefficients)
    squares = np.einsum("pblr,rbl->pr", missed**2, ground.w)
    return np.asarray(squares + ground.own * coefficients[:, :, 0, 0] ** 2)


def halved(ground: Ground, predictions: FloatArray, original: FloatArray) -> Fits:
    """Fit to the first half of the blocks: what half the samples would have said."""
    some = ground.masks.block < ground.masks.n_blocks // 2
    return fit(ground.half, predictions[:, some], original, in_sample=False)


def choose_radius(fits: Fits, blind: BoolArray) -> tuple[IntArray, BoolArray]:
    """Return which radius explains each of P problems, and which would do as well, (P, R).

    Among the radii whose gap is small the most local one whose fidelity is as good as the best
    within its error; where all are flat the widest, index 0. Those that are ``blind`` (R,) are no
    candidates.
    """
    gaps = np.abs(fits.gaps) + jackknife(fits.offsets[:, :, 1:], 2)
    live = ~fits.flat & np.isfinite(fits.steering) & ~blind
    gaps = np.where(live, gaps, np.inf)
    close = gaps <= np.maximum(SMALL_GAP * fits.reach[:, None], gaps.min(axis=1, keepdims=True))
    close &= live
    capped = np.where(close, np.minimum(fits.steering, 1.0), -np.inf)
    best = capped.argmax(axis=1)
    rows = np.arange(len(best))
    slack = np.fmax(fits.fidelity_error[rows, best], NEAR_BEST)
    good = close & (capped >= (capped[rows, best] - slack)[:, None])
    R = good.shape[1]
    some = good.any(axis=1)
    chosen = np.where(some, R - 1 - good[:, ::-1].argmax(axis=1), 0)
    return chosen, good | ~some[:, None]


def where_clearest(fits: Fits, radius: IntArray, blind: BoolArray) -> IntArray:
    """Return the radii chosen (P,), but where all are flat those of which most can be told from
    noise.
    """
    clearest = np.where(blind, -np.inf, fits.clear).argmax(axis=1)
    return np.where(fits.flat.all(axis=1), clearest, radius)


def residuals(
    ground: Ground,
    r: int,
    fits: Fits,
    problem: int,
    data: tuple[FloatArray, float],
    controlled: bool = False,
) -> FloatArray:
    """Return the predictions (n,) of one problem without what the weights say, (B, L); where they
    are ``controlled`` without what the shared control variates say either.

    Each block is judged by the fit without it.
    """
    y = ground.sorted_predictions((data[0] - data[1])[None])[0]
    first, end = 1 if ground.F > 1 else 0, None if controlled else 1 + ground.d
    own = fits.predicting[problem, r, first:, :end]
    missed = y - np.matmul(ground.X[..., :end], own[..., None])[..., 0]
    flat = missed.reshape(-1)
    held = np.zeros(len(flat), bool)
    held[ground.slot] = True
    return np.where(held, flat, 0.0).reshape(missed.shape)


def fidelity_of(
    ground: Ground,
    r: int,
    surrogates: tuple[FloatArray, FloatArray],
    data: tuple[FloatArray, FloatArray],
) -> FloatArray:
    """Return the fidelity (P,) of surrogates at one radius: slopes (P, F, d), offsets (P, F)."""
    slopes, offsets = surrogates
    y = ground.sorted_predictions(data[0] - data[1][:, None])
    first = 1 if ground.F > 1 else 0
    x = ground.X[..., 1 : 1 + ground.d]
    missed = y - fitted(x, slopes[:, None])[..., 0] - offsets[:, first:, None]
    mean = ground.correlations(y)[:, r, :, 0].sum(axis=1) / ground.mass[r]
    own = ground.own[r]
    lost = twin_products(ground, r, missed) + own * (offsets[:, first:] ** 2).mean(axis=1)
    total = twin_products(ground, r, y - mean[:, None, None]) + own * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - lost / total)


def twin_products(ground: Ground, r: int, residual: FloatArray) -> FloatArray:
    """Return the weighted sums of products of twins at one radius (P,), of residuals (P, B, L)."""
    flat = residual.reshape(len(residual), -1)
    product = flat[:, ground.twins[0]] * flat[:, ground.twins[1]]
    return np.asarray(np.einsum("pbt,bt->p", product, ground.pair_weights[r]))


def _products(ground: Ground, residual: FloatArray) -> FloatArray:
    """Return weighted sums of products of twins, (P, R, B), of residuals (P, B, L, R)."""
    flat = residual.reshape(len(residual), -1, residual.shape[-1])
    product = flat[:, ground.twins[0]] * flat[:, ground.twins[1]]  # (P, B, T, R)
    return np.asarray(np.einsum("pbtr,rbt->prb", product, ground.pair_weights))


def jackknife(folds: FloatArray, axis: int) -> FloatArray:
    """Return standard errors from estimates that leave out each of the blocks along ``axis``."""
    B = folds.shape[axis]
    if B < 2:
        return np.zeros(np.delete(folds.shape, axis))
    apart = folds - folds.sum(axis=axis, keepdims=True) / B
    return np.asarray(np.sqrt((B - 1) / B * (apart**2).sum(axis=axis)))


def _ratio(lost: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return 1 - lost / total of all blocks (P, R), and its standard error by the jackknife."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1.0 - lost.sum(axis=2) / total.sum(axis=2)
        without = 1.0 - (lost.sum(2, keepdims=True) - lost) / (total.sum(2, keepdims=True) - total)
        return share, jackknife(without, 2)


def _decided(ground: Ground, radii: slice, blocks: FloatArray) -> FloatArray:
    """Return the variance that the full surrogates explain (P, R), from products of blocks
    (P, R, B, p), which too few samples do not lower.
    """
    B, d = ground.B, ground.d
    mean, variance, covariance = ground.moments[:, radii]
    shares = 1.0 - ground.rest
    centre = blocks.sum(axis=2)[..., :1]  # (P, R, 1)
    apart = blocks[..., : 1 + d] / shares[:, None]
    sums = ground.sums[radii] / shares[:, None]  # (R, B, p)
    middle = apart[..., 1:] - centre[..., None] * sums[..., 1 : 1 + d]
    level = apart[..., 0] - centre * (sums[..., 0] + ground.own[radii][:, None])
    effects = by_distribution(ground, radii, middle - mean[:, None, None] * level[..., None])
    product = (effects.sum(axis=2) ** 2 - (effects**2).sum(axis=2)).sum(axis=-1)
    return np.asarray((variance - covariance) * product / (B * (B - 1)))
