"""Weighted least squares of every fold at one radius: of all regressors, of the few strongest where
samples are too few for all, and corrected by what the fits miss.

P problems, F folds, p regressors, B blocks of L samples, as in gram.py. Products c (P, F, p) are
the weighted sums of what is regressed times the predictions less the instance's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lime_cli.engine.gram import CONDITIONING, SCREENED, TOGETHER, Ground
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import MOST, moments

STEPS, CLOSE = 100, 1e-7
"""Steps, at most, by which more than MOST components are fitted; what is left of the products."""
UNSETTLED, CROWDED = 0.2, 2.5
"""Share of the variance that a fit to all leaves in other blocks, from which few regressors are
tried; and effective samples a regressor below which they always are."""


def solve(ground: Ground, r: int, c: FloatArray) -> FloatArray:
    """Return the coefficients (P, F, p) of least squares at one radius, by products (P, F, p)."""
    if ground.d > MOST:
        return _iterated(ground, r, c)
    return np.asarray(np.matmul(ground.inverses[r], c[..., None])[..., 0])


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
    _, variance, _ = moments(ground.kernels[r].sizes(d))
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
    r: int,
    data: tuple[FloatArray, FloatArray, FloatArray],
    whole: tuple[FloatArray, FloatArray],
) -> BoolArray:
    """Tell for which of P problems few regressors predict better than all at one radius; put these
    coefficients (P, F, p) in the place of the ``whole`` ones, and what they miss, (P, B, L).

    ``data`` are the products with all regressors (P, F, p), the predictions (P, B, L) and their
    variance (P,).
    """
    c, y, raw = data
    losses = np.einsum("pbl,pbl,bl->p", whole[1], whole[1], ground.w[r])
    least = UNSETTLED * (ground.effective[r] >= CROWDED * ground.X.shape[2])
    better, some = np.zeros(len(y), bool), np.flatnonzero(losses > least * raw)
    if not len(some):
        return better
    few = _strongest(ground, r, c[some])
    missed = y[some] - np.matmul(ground.X, few[:, 1:, :, None])[..., 0]
    fewer = np.einsum("pbl,pbl,bl->p", missed, missed, ground.w[r]) < losses[some]
    better[some] = fewer
    whole[0][better], whole[1][better] = few[fewer], missed[fewer]
    return better


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


def correct(ground: Ground, r: int, coefficients: FloatArray, missed: FloatArray) -> FloatArray:
    """Correct fits (P, F, p) of too few samples by what they miss (P, B, L), with the expected Gram
    matrix.

    Every block corrects the fit of the others: each weight is then estimated without bias whatever
    the number of samples (a control variate that is fitted across blocks).
    """
    B, d = ground.B, ground.d
    mean = moments(ground.kernels[r].sizes(d)).mean
    w = ground.w[r] / (1.0 - ground.rest)[:, None]
    left_out = coefficients[:, 1:]
    a = left_out[..., 0]
    level = (missed * w).sum(axis=2) - ground.own[r] * a
    along = np.matmul(ground.XT[:, 1 : 1 + d], (missed * w)[..., None])[..., 0]
    more = by_distribution(ground, r, along - mean * level[..., None])
    own = np.concatenate(
        [(a + level - mean * more.sum(axis=-1))[..., None], left_out[..., 1 : 1 + d] + more],
        axis=-1,
    )  # (P, B, p), one estimate a block
    whole = own.mean(axis=1, keepdims=True)
    corrected = coefficients.copy()
    corrected[..., : 1 + d] = np.concatenate([whole, (B * whole - own) / (B - 1)], axis=1)
    return corrected


def by_distribution(ground: Ground, r: int, products: FloatArray) -> FloatArray:
    """Turn covariances with the masks (..., d) into slopes, by the expected Gram matrix."""
    d = ground.d
    _, variance, covariance = moments(ground.kernels[r].sizes(d))
    inside = variance - covariance
    shared = products.sum(axis=-1, keepdims=True) / (inside + d * covariance)
    return np.asarray((products - covariance * shared) / inside)


def refitted(ground: Ground, r: int, y: FloatArray) -> FloatArray:
    """Fit one problem at one radius, (F, 1 + d): ``y`` (B, L) are predictions less the
    instance's.
    """
    blocks = np.matmul(ground.XT, (y * ground.w[r])[..., None])[..., 0]
    everything = blocks.sum(axis=0)
    c = np.concatenate([everything[None], everything - blocks])[: ground.F]
    few = ground.thin[r]
    coefficients = solve(ground, r, c[None])
    missed = y - np.matmul(ground.X, coefficients[:, 1:, :, None])[..., 0]
    if ground.few[r]:
        mean, own = everything[0] / (ground.w[r].sum() + ground.own[r]), ground.own[r]
        raw = np.einsum("bl,bl->", (y - mean) ** 2, ground.w[r]) + own * mean**2
        few |= fit_few(ground, r, (c[None], y[None], raw[None]), (coefficients, missed))[0]
    if few:
        coefficients = correct(ground, r, coefficients, missed)
    return np.asarray(coefficients[0, :, : 1 + ground.d])
