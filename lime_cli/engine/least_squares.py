"""Weighted least squares of every fold at some radii: of all regressors, of the few strongest where
samples are too few for all, and corrected by what the fits miss.

P problems, R radii (of those of the ground the ``radii``), F folds, p regressors, B blocks of L
samples, as in gram.py. Products c (P, R, F, p) are the weighted sums of what is regressed times the
predictions less the instance's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lime_cli.engine.gram import CONDITIONING, SCREENED, TOGETHER, Ground
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import MOST

STEPS, CLOSE = 100, 1e-7
"""Steps, at most, by which more than MOST components are fitted; what is left of the products."""
UNSETTLED, CROWDED = 0.2, 2.5
"""Share of the variance that a fit to all leaves in other blocks, from which few regressors are
tried; and effective samples a regressor below which they always are."""


def solve(
    ground: Ground, radii: slice, c: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients (P, R, F, p) of least squares, by products (P, R, F, p) with the
    predictions (P, B, L), and what they miss of these, (P, B, L, R): of each block the fit without
    it.
    """
    if ground.d > MOST:
        each = [_iterated(ground, r, c[:, i]) for i, r in enumerate(range(len(ground.w))[radii])]
        coefficients = np.stack(each, axis=1)
    elif ground.updated:
        return _by_everything(ground, radii, c[:, :, :1], y)
    else:
        coefficients = np.matmul(ground.inverses[radii], c[..., None])[..., 0]
    return coefficients, y[..., None] - fitted(ground.X, coefficients)


def fitted(x: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Return what coefficients (P, R, F, p) say of x (B, L, p), (P, B, L, R): of each block those
    without it.
    """
    left_out = coefficients[:, :, 1:] if coefficients.shape[2] > 1 else coefficients
    return np.asarray(np.matmul(x, left_out.transpose(0, 2, 3, 1)))


def _by_everything(
    ground: Ground, radii: slice, c: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit everything by products (P, R, 1, p), and all but a block by what that misses of it."""
    rows, weights, turned = ground.updates
    inverses = ground.inverses[radii, 0]  # which are symmetric
    whole = np.matmul(c, inverses)
    missed = -np.matmul(rows, whole.transpose(0, 2, 3, 1))  # (P, B, L + 1, R)
    missed[:, :, :-1] += y[..., None]  # which is 0 for the instance itself
    own = np.matmul(turned[:, radii], missed.swapaxes(2, 3)[..., None])[..., 0]  # (P, B, R, L + 1)
    back = np.matmul(own * weights[:, radii], rows)  # (P, B, R, p)
    left_out = whole - np.matmul(back.swapaxes(1, 2), inverses)
    return np.concatenate([whole, left_out], axis=2), own[..., :-1].swapaxes(2, 3).copy()


def _iterated(ground: Ground, r: int, c: FloatArray) -> FloatArray:
    """Fit all components at one radius, (P, F, p), by products with these, (P, F, p), without a
    Gram matrix.

    The normal equations, from which the intercept is eliminated, are solved by conjugate gradients
    (Hestenes & Stiefel 1952): components are masked nearly independently, so few steps do.
    """
    folds, d = np.arange(c.shape[1]), ground.d
    x = ground.X.reshape(-1, 1 + d)[:, 1:]
    weights = np.repeat(ground.w[r][..., None], len(folds), axis=-1)  # (B, L, F)
    weights[folds[1:] - 1, :, folds[1:]] = 0.0
    weights = weights.reshape(len(x), -1)
    mass = weights.sum(axis=0) + ground.own[r] * np.append(1.0, ground.rest)
    sums = x.T @ weights
    _, variance, _ = ground.moments[:, r]
    thin = variance * d if ground.thin[r] else 0.0
    ridge = (thin + ground.penalty) / ground.effective[r] + CONDITIONING

    def spread(slopes: FloatArray) -> FloatArray:
        """Multiply what ``x`` varies by with slopes, both (d, F)."""
        found = x.T @ (weights * (x @ slopes))
        return np.asarray(found - sums * ((sums * slopes).sum(axis=0) / mass) + ridge * slopes)

    found = np.empty_like(c)
    for problem, products in enumerate(c):
        level, wanted = products[:, 0], products[:, 1:].T
        slopes = _conjugate(spread, wanted - sums * (level / mass))
        found[problem, :, 0] = (level - (sums * slopes).sum(axis=0)) / mass
        found[problem, :, 1:] = slopes.T
    return found


def _conjugate(product: Callable[[FloatArray], FloatArray], wanted: FloatArray) -> FloatArray:
    """Solve positive definite systems by conjugate gradients, one a column of ``wanted`` (d, F)."""
    found, left, direction = np.zeros_like(wanted), wanted.copy(), wanted.copy()
    squares = (left**2).sum(axis=0)
    least = CLOSE**2 * squares
    for _ in range(STEPS):
        if (squares <= least).all():
            break
        turned = product(direction)
        along = (direction * turned).sum(axis=0)
        step = np.divide(squares, along, out=np.zeros_like(along), where=squares > least)
        found += step * direction
        left -= step * turned
        before, squares = squares, (left**2).sum(axis=0)
        share = np.divide(squares, before, out=np.zeros_like(before), where=before > least)
        direction = left + share * direction
    return found


def fit_few(
    ground: Ground,
    radii: slice,
    data: tuple[FloatArray, FloatArray, FloatArray],
    whole: tuple[FloatArray, FloatArray],
) -> BoolArray:
    """Tell for which of P problems few regressors predict better than all, (P, R); put these
    coefficients (P, R, F, p) in the place of the ``whole`` ones, and what they miss, (P, B, L, R).

    ``data`` are the products with all regressors (P, R, F, p), the predictions (P, B, L) and their
    variance (P, R).
    """
    c, y, raw = data
    if not ground.few[radii].any():
        return np.zeros(raw.shape, bool)
    losses = _losses(ground, radii, whole[1])
    least = UNSETTLED * (ground.effective[radii] >= CROWDED * ground.X.shape[2])
    better: BoolArray = ground.few[radii] & (losses > least * raw)
    some = np.flatnonzero(better.any(axis=1))
    if not len(some):
        return better
    few = np.zeros((len(some), *c.shape[1:]))
    for i, r in enumerate(range(len(ground.w))[radii]):
        tried = better[some, i]
        if tried.any():
            few[tried, i] = _strongest(ground, r, c[some[tried], i])
    missed = y[some, ..., None] - fitted(ground.X, few)
    better[some] &= _losses(ground, radii, missed) < losses[some]
    fewer = better[some]
    whole[0][better] = few[fewer]
    whole[1].transpose(0, 3, 1, 2)[better] = missed.transpose(0, 3, 1, 2)[fewer]
    return better


def _losses(ground: Ground, radii: slice, missed: FloatArray) -> FloatArray:
    """Return the weighted squares of what fits miss, (P, R), of (P, B, L, R)."""
    return np.asarray(np.einsum("pblr,pblr,rbl->pr", missed, missed, ground.w[radii]))


def _strongest(ground: Ground, r: int, c: FloatArray) -> FloatArray:
    """Fit what goes along most with the predictions, (P, F, p), by products with these, (P, F, p);
    the others get nothing.
    """
    P, F, _ = c.shape
    n = int(min(SCREENED, max(1, ground.effective[r] / 8)))
    along = np.abs(c[..., 1:] - ground.means(r) * c[..., :1])
    columns = np.zeros((P, F, 1 + n), np.int64)
    columns[..., 1:] = 1 + _largest(along, n)
    coefficients, ones, folds = np.zeros_like(c), np.arange(1 + n), np.arange(F)[:, None]
    room = max(1, TOGETHER // (F * (1 + n) ** 2))
    for start in range(0, P, room):
        lot = slice(start, start + room)
        some = ground.part(r, columns[lot])
        some[..., ones, ones] += CONDITIONING * np.einsum("pfii->pf", some)[..., None]
        places = np.arange(start, min(P, start + room))[:, None, None], folds, columns[lot]
        coefficients[places] = np.linalg.solve(some, c[places][..., None])[..., 0]
    return coefficients


def _largest(sizes: FloatArray, n: int) -> IntArray:
    """Return the places of the n largest along the last axis, ascending, (..., n); of equal ones
    the first.
    """
    if not sizes.size:
        return np.zeros((*sizes.shape[:-1], n), np.int64)
    some = sizes >= np.partition(sizes, -n, axis=-1)[..., [-n]]
    if np.count_nonzero(some) != n * (sizes.size // sizes.shape[-1]):
        order = np.argsort(-sizes, axis=-1, kind="stable")[..., :n]
        return np.sort(order, axis=-1)
    return np.nonzero(some)[-1].reshape(*sizes.shape[:-1], n)


def correct(
    ground: Ground, radii: slice, coefficients: FloatArray, missed: FloatArray
) -> FloatArray:
    """Correct fits (P, R, F, p) of too few samples by what they miss (P, B, L, R), with the
    expected Gram matrices.

    Every block corrects the fit of the others: each weight is then estimated without bias whatever
    the number of samples (a control variate that is fitted across blocks).
    """
    B, d = ground.B, ground.d
    mean = ground.moments[0, radii][:, None, None]
    weighted = missed * (ground.w[radii].transpose(1, 2, 0) / (1.0 - ground.rest)[:, None, None])
    left_out = coefficients[:, :, 1:]
    a = left_out[..., 0]  # (P, R, B)
    level = weighted.sum(axis=2).swapaxes(1, 2) - ground.own[radii][:, None] * a
    along = np.matmul(ground.XT[:, 1 : 1 + d], weighted).transpose(0, 3, 1, 2)
    more = by_distribution(ground, radii, along - mean * level[..., None])
    own = np.concatenate(
        [(a + level - mean[..., 0] * more.sum(-1))[..., None], left_out[..., 1 : 1 + d] + more],
        axis=-1,
    )  # (P, R, B, p), one estimate a block
    whole = own.mean(axis=2, keepdims=True)
    corrected = coefficients.copy()
    corrected[..., : 1 + d] = np.concatenate([whole, (B * whole - own) / (B - 1)], axis=2)
    return corrected


def by_distribution(ground: Ground, radii: slice, products: FloatArray) -> FloatArray:
    """Turn covariances with the masks (P, R, B, d) into slopes, by the expected Gram matrices."""
    _, variance, covariance = ground.moments[:, radii][..., None, None]
    inside = variance - covariance
    shared = products.sum(axis=-1, keepdims=True) / (inside + ground.d * covariance)
    return np.asarray((products - covariance * shared) / inside)


def refitted(ground: Ground, r: int, y: FloatArray) -> FloatArray:
    """Fit one problem at one radius, (F, 1 + d): ``y`` (B, L) are predictions less the
    instance's.
    """
    radii = slice(r, r + 1)
    blocks = np.matmul(ground.XT, (y * ground.w[r])[..., None])[..., 0]
    everything = blocks.sum(axis=0)
    c = np.concatenate([everything[None], everything - blocks])[None, None, : ground.F]
    coefficients, missed = solve(ground, radii, c, y[None])
    mean, own = everything[0] / ground.mass[r], ground.own[r]
    raw = np.einsum("bl,bl->", (y - mean) ** 2, ground.w[r]) + own * mean**2
    few = fit_few(ground, radii, (c, y[None], np.array([[raw]])), (coefficients, missed))
    if ground.thin[r] or few[0, 0]:
        coefficients = correct(ground, radii, coefficients, missed)
    return np.asarray(coefficients[0, 0, :, : 1 + ground.d])
