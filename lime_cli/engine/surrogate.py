"""Fit linear surrogates at every radius, say how faithful each is, and choose the radius.

A surrogate of one target is f(x) ~ f0 + a + x g, where x marks the components that a sample masks
and f0 is what the model predicts of the instance: the weight of a component is -g, the gap -a.

Many problems (an instance and a target each) share one set of masks, and with it the Gram
matrices. Every product over samples has a shape that the masks alone decide, so that no result
depends on how many problems are solved together. P problems, R radii, B blocks, L samples a block,
p = d + 1 unknowns; folds are everything, then everything but each block (F = 1 + B; F = 1 where
nothing was drawn).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lime_cli.engine.masks import Masks
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import ENOUGH, MOST, ROUNDING, Product, moments
from lime_cli.engine.regression import deviation_of

CONDITIONING = 1e-12
"""Ridge of every fit, relative to the mean diagonal of its Gram matrix."""
SEEN = 32.0
"""Effective samples that mask a component, at least, of a radius that is chosen for more than MOST;
for fewer components one a block."""
STEPS, CLOSE = 100, 1e-7
"""Steps, at most, by which more than MOST components are fitted; what is left of the products."""
SCREENED, SPARE = 64, 4.0
"""Regressors, at most, that are fitted where few of them may predict better than all; effective
samples a regressor from which that is not tried."""
UNSETTLED, CROWDED = 0.2, 2.5
"""Share of the variance that a fit to all leaves in other blocks, from which that is tried; and
effective samples a regressor below which it always is."""
DEGREES, ROOM = 2, 4
"""Of the polynomials of what was drawn, at most; samples a regressor, at least."""
SHRINK = 0.5
"""Their ridge, in regressors an effective sample."""
CERTAIN = 3.0
"""Standard errors by which the variance that masking decides exceeds zero, for it to be there at
all: by chance at none of the radii."""
SMALL_GAP, NEAR_BEST = 0.05, 0.03
"""Of the range of the predictions; of fidelity: what the choice of the radius calls small."""
KEPT_WHOLE = 256
"""Regressors, at most, of which the Gram matrices at every radius are kept."""
OF_A_SIZE = 4
"""Samples for each block and unknown, from which those that weigh the same are taken together."""
TOGETHER = 2**18
"""Numbers that are worked on in one go, few enough for a cache of the processor."""


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


class Ground:
    """What all problems over one set of masks share: weights and factorised Gram matrices."""

    def __init__(self, masks: Masks, kernels: tuple[Product, ...], penalty: float = 0.0) -> None:
        self.masks, self.kernels, self.penalty = masks, kernels, penalty
        self.B, self.d = masks.n_blocks, masks.d
        self.F = 1 + self.B if self.B > 1 else 1
        order = np.argsort(masks.block, kind="stable")
        counts = np.bincount(masks.block, minlength=self.B)
        L = int(counts.max())
        place = np.arange(masks.n) - np.repeat(np.cumsum(counts) - counts, counts)
        self.slot = masks.block[order] * L + place
        """(n,): where the samples, block by block, lie among B * L slots."""
        self.order, self.counts, self.L = order, counts, L
        controls = _controls(masks)
        x = np.zeros((self.B * L, 1 + self.d + controls.shape[1]))
        x[self.slot, 0], x[self.slot, 1 : 1 + self.d] = 1.0, masks.masked[order]
        x[self.slot, 1 + self.d :] = controls[order]
        self.X = x.reshape(self.B, L, -1)
        self.XT = self.X.transpose(0, 2, 1)
        weights = [masks.weights(kernel) for kernel in kernels]
        w = np.zeros((len(kernels), self.B * L))
        w[:, self.slot] = np.stack([one[order] for one, _ in weights])
        self.w = w.reshape(-1, self.B, L)
        self.own = np.array([mass for _, mass in weights])
        self.rest = 1.0 - counts / masks.n if self.B > 1 else np.zeros(0)
        """(B,): share of the samples that are in the other blocks."""
        self.effective = w.sum(axis=1) ** 2 / (w**2).sum(axis=1)
        """(R,): samples of equal weight that would tell as much (Kish)."""
        many = self.d > MOST and masks.uniforms is not None
        self.thin = ((self.effective < ENOUGH * self.d) | many) & (self.B > 1)
        """(R,): where plain least squares has too few samples."""
        masked = self.effective * [kernel.radius for kernel in kernels]
        least = SEEN if many else float(self.B)
        random = masks.uniforms is not None
        self.blind = (masked < least) & (masked.max() >= least) & random
        """(R,): where samples mask each component too seldom, for random replacements."""
        p = self.X.shape[2]
        spare = (self.effective < SPARE * p) & (np.minimum(SCREENED, self.effective / 8) < p - 1)
        self.few = spare & ~self.blind & (self.B > 1)
        """(R,): where few regressors may predict better than all."""
        self._grams: dict[int, FloatArray] = {}
        self._whole: dict[int, FloatArray] = {}
        self._least: dict[int, FloatArray] = {}
        self._cells: dict[int, tuple[IntArray, IntArray]] = {}
        self._place_twins(order)

    def _place_twins(self, order: IntArray) -> None:
        """Lay pairs of samples out by block, (B, T); each sample with itself where none is."""
        masks = self.masks
        slot_of = np.empty(masks.n, np.int64)
        slot_of[order] = self.slot
        self.slot_of = slot_of
        """(n,): the slot of each sample."""
        pairs = masks.twins if len(masks.twins) else np.repeat(np.arange(masks.n)[:, None], 2, 1)
        block = masks.block[pairs[:, 0]]
        by_block = np.argsort(block, kind="stable")
        counts = np.bincount(block, minlength=self.B)
        place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (self.B, int(counts.max()))
        self.twins, there = np.zeros((2, *shape), np.int64), np.zeros(shape)
        self.twins[:, block[by_block], place] = slot_of[pairs[by_block]].T
        there[block[by_block], place] = masks.n / len(pairs)
        flat = self.w.reshape(len(self.w), -1)
        self.pair_weights = flat[:, self.twins[0]] * there  # (R, B, T)

    @property
    def bytes(self) -> int:
        """How much memory it comes to take, about."""
        p = self.X.shape[2]
        kept = p * p * (1 + (p <= KEPT_WHOLE)) + (1 + self.d) ** 2
        return 8 * (self.X.size + len(self.w) * self.F * kept)

    def cells(self, n: int) -> tuple[IntArray, IntArray]:
        """Return where samples mask components, by component: their slots (m,), and by which of n
        equal parts of what may replace it, as j * n + part, (m,).
        """
        if n not in self._cells:
            uniforms = self.masks.uniforms
            assert uniforms is not None
            columns, samples = np.nonzero(self.masks.masked[self.order].T)
            parts = (uniforms[self.order[samples], columns] * np.float64(n)).astype(np.int64)
            self._cells[n] = self.slot[samples], columns * n + parts
        return self._cells[n]

    @property
    def controlled(self) -> bool:
        """Whether polynomials of what was drawn are regressed beside the masks."""
        return self.X.shape[2] > 1 + self.d

    @cached_property
    def half(self) -> Ground:
        """The same of the first half of the blocks."""
        B = self.B // 2
        first = self.masks.chosen(self.masks.block < B, B)
        return Ground(first, self.kernels, self.penalty)

    @cached_property
    def sums(self) -> FloatArray:
        """Weighted sums of (1, x) by block, (R, B, p)."""
        sums = np.matmul(self.XT, self.w.transpose(1, 2, 0))
        return np.ascontiguousarray(sums.transpose(2, 0, 1))

    def gram(self, r: int) -> FloatArray:
        """Return the Gram matrices of (1, the masks) of one radius, (F, d + 1, d + 1)."""
        if r not in self._grams:
            self._grams[r] = self._systems([r], slice(1 + self.d))[0]
        return self._grams[r]

    def part(self, r: int, columns: IntArray, folds: IntArray) -> FloatArray:
        """Return the Gram matrices of some of (1, x) at one radius, (P, f, m, m): of each of some
        ``folds`` (f,) those of its own ``columns`` (P, f, m).
        """
        p = self.X.shape[2]
        if p > KEPT_WHOLE:
            return np.stack([self._part_of_many(r, some, folds) for some in columns])
        if r not in self._whole:
            self._whole[r] = self._systems([r], slice(p))[0]
        rows = p * (columns + p * folds[:, None])
        return self._whole[r].take(rows[..., None] + columns[:, :, None])

    def _part_of_many(self, r: int, columns: IntArray, folds: IntArray) -> FloatArray:
        every, places = np.unique(columns, return_inverse=True)
        places = places.reshape(columns.shape)
        grams = self._systems([r], every)[0]
        return np.asarray(grams[folds[:, None, None], places[:, :, None], places[:, None]])

    def _systems(self, radii: Sequence[int], columns: slice | IntArray) -> FloatArray:
        """Return the Gram matrices of some of (1, x), of which 1 is the first, at some radii,
        (radii, F, m, m), the instance counted.
        """
        x = self.X[..., columns]
        if self.masks.n >= OF_A_SIZE * self.B * x.shape[2]:
            blocks = self._by_size(radii, x)
        else:
            halves = (x * np.sqrt(self.w[r])[:, :, None] for r in radii)
            blocks = np.stack([half.transpose(0, 2, 1) @ half for half in halves])
        folds = blocks.sum(axis=1, keepdims=True)
        if self.F > 1:
            folds = np.concatenate([folds, folds - blocks], axis=1)
        folds[:, :, 0, 0] += self.own[radii][:, None] * np.r_[1.0, self.rest]
        return np.asarray(folds)

    def _by_size(self, radii: Sequence[int], x: FloatArray) -> FloatArray:
        """Return the Gram matrices of x (B, L, p) of every block at some radii, (radii, B, p, p).

        All samples that mask as many components weigh the same: of many, each is multiplied once,
        however many radii there are.
        """
        p = x.shape[2]
        blocks = np.zeros((len(radii), self.B, p * p))
        for b, slots in enumerate(np.split(np.arange(self.masks.n), np.cumsum(self.counts)[:-1])):
            sizes = self.masks.sizes[self.order[slots]]
            order = np.argsort(sizes, kind="stable")
            first = np.flatnonzero(np.diff(sizes[order], prepend=-1))
            parts = np.split(x[b, order], first[1:])
            some = max(1, TOGETHER // p**2)
            weights = self.w[radii, b][:, order[first]]
            for k in range(0, len(parts), some):
                grams = np.stack([part.T @ part for part in parts[k : k + some]])
                blocks[:, b] += weights[:, k : k + some] @ grams.reshape(len(grams), -1)
        return blocks.reshape(len(radii), self.B, p, p)

    @cached_property
    def inverses(self) -> FloatArray:
        """What turns correlations into coefficients, (R, F, p, p)."""
        p, d = self.X.shape[2], self.d
        inverses = np.empty((len(self.w), self.F, p, p))
        systems = self._systems(range(len(self.w)), slice(p))
        self._grams.update(enumerate(systems[:, :, : 1 + d, : 1 + d].copy()))
        if self.few.any() and p <= KEPT_WHOLE:
            self._whole.update(enumerate(systems.copy()))
        for r, (kernel, system) in enumerate(zip(self.kernels, systems, strict=True)):
            scale = np.einsum("fii->f", system) / p
            ridge = np.repeat(CONDITIONING * scale[:, None], p, axis=1)
            mean, variance, _ = moments(kernel.sizes(d))
            if self.thin[r]:
                ridge[:, 1 : 1 + d] += variance * d / self.effective[r]
            ridge[:, 1 : 1 + d] += self.penalty / self.effective[r]
            ridge[:, 1 + d :] += SHRINK * mean * p / self.effective[r]
            system[:, np.arange(p), np.arange(p)] += ridge
            inverses[r] = np.linalg.inv(system)
        return inverses

    def centred(self, r: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return covariances (F, d, d) of x, its means (F, d) and the sums of weights (F,)."""
        gram = self.gram(r)
        mass = gram[:, 0, 0]
        means = gram[:, 0, 1:] / mass[:, None]
        own = gram[:, 1:, 1:] / mass[:, None, None] - means[:, :, None] * means[:, None, :]
        return own, means, mass

    def least(self, r: int) -> FloatArray:
        """Return the smallest eigenvalues of the correlations of x, (F,); 0 of constant x."""
        if r not in self._least:
            own = self.centred(r)[0]
            deviation = deviation_of(np.einsum("fii->fi", own))
            scaled = own / deviation[:, :, None] / deviation[:, None, :]
            self._least[r] = np.maximum(np.linalg.eigvalsh(scaled)[:, 0], 0.0)
        return self._least[r]

    def sorted_predictions(self, predictions: FloatArray) -> FloatArray:
        """Lay predictions (P, n) out by block, (P, B, L)."""
        by_block = np.zeros((len(predictions), self.B * self.L))
        by_block[:, self.slot] = predictions[:, self.order]
        return by_block.reshape(-1, self.B, self.L)

    def correlations(self, y: FloatArray) -> FloatArray:
        """Return the weighted products of (1, x) with y (P, B, L) by block, (P, R, B, p)."""
        wy = y[:, :, :, None] * self.w.transpose(1, 2, 0)
        return np.asarray(np.matmul(self.XT, wy).transpose(0, 3, 1, 2))


def fit(ground: Ground, predictions: FloatArray, original: FloatArray) -> Fits:
    """Fit P problems: ``predictions`` (P, n) to the samples, ``original`` (P,) to the instance."""
    P, R = len(predictions), len(ground.w)
    room = max(1, TOGETHER // (ground.B * ground.L * R + R * ground.F * (ground.d + 1)))
    parts = [
        _fit(ground, predictions[i : i + room], original[i : i + room]) for i in range(0, P, room)
    ]
    if len(parts) == 1:
        return parts[0]
    names = Fits.__dataclass_fields__
    return Fits(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _fit(ground: Ground, predictions: FloatArray, original: FloatArray) -> Fits:
    moved = predictions - original[:, None]
    y = ground.sorted_predictions(moved)
    blocks = ground.correlations(y)
    everything = blocks.sum(axis=2)
    c = np.concatenate([everything[:, :, None], everything[:, :, None] - blocks], axis=2)
    c = c[:, :, : ground.F]
    coefficients = np.stack([_solved(ground, r, c[:, r]) for r in range(c.shape[1])], axis=1)
    left_out = coefficients[:, :, 1:] if ground.F > 1 else coefficients
    fitted = np.matmul(ground.X, left_out.transpose(0, 2, 3, 1))  # (P, B, L, R)
    missed = y[..., None] - fitted
    means = everything[:, :, 0] / (ground.w.sum(axis=(1, 2)) + ground.own)
    about = y[..., None] - means[:, None, None, :]
    raw = np.einsum("pblr,rbl->pr", about**2, ground.w) + ground.own * means**2
    corrected = np.repeat(ground.thin[None], len(y), axis=0)
    for r in np.flatnonzero(ground.few).tolist():
        whole = coefficients[:, r], missed[..., r]
        corrected[:, r] |= _few(ground, r, (c[:, r], y, raw[:, r]), whole)
    if ground.controlled:  # what replacements decide, as the other blocks have it
        drawn = left_out[..., 1 + ground.d :].transpose(0, 2, 3, 1)
        about = about - np.matmul(ground.X[..., 1 + ground.d :], drawn)
    own = ground.own
    lost, total = _products(ground, missed), _products(ground, about)
    at_itself = (left_out[..., 0] ** 2).mean(axis=2)
    B = ground.B
    lost += (own * at_itself / B)[..., None]
    total += (own * means**2 / B)[..., None]
    fidelity, error = _ratio(lost, total)
    steering, predicting = fidelity.copy(), coefficients.copy()
    for r in np.flatnonzero(corrected.any(axis=0)).tolist():
        some = corrected[:, r]
        coefficients[some, r] = _corrected(ground, r, coefficients[some, r], missed[some, ..., r])
        with np.errstate(divide="ignore", invalid="ignore"):
            steering[some, r] = _decided(ground, r, blocks[some, r]) / total[some, r].sum(axis=1)
    end = 1 + ground.d
    coefficients = coefficients[..., :end]
    in_sample = y[..., None] - np.matmul(
        ground.X[..., :end], coefficients[:, :, :1].transpose(0, 2, 3, 1)
    )
    residual = (
        np.einsum("pblr,rbl->pr", in_sample**2, ground.w) + own * coefficients[:, :, 0, 0] ** 2
    )
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
            fit_r2=np.where(nothing, np.nan, 1.0 - residual / raw),
            spread=np.where(nothing, 0.0, np.clip(1.0 - everywhere / raw, 0.0, 1.0)),
            decided=everywhere,
            deviation=np.sqrt(raw),
            clear=np.divide(everywhere, noise, out=np.zeros_like(noise), where=noise > 0),
            flat=flat,
            reach=np.maximum(moved.max(axis=1), 0.0) - np.minimum(moved.min(axis=1), 0.0),
        )


def _solved(ground: Ground, r: int, c: FloatArray) -> FloatArray:
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


def _few(
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
    folds = np.arange(1, ground.F)
    few = _strongest(ground, r, c[some, 1:], folds)
    missed = y[some] - np.matmul(ground.X, few[..., None])[..., 0]
    fewer = np.einsum("pbl,pbl,bl->p", missed, missed, ground.w[r]) < losses[some]
    better[some] = fewer
    whole[0][better, 1:], whole[1][better] = few[fewer], missed[fewer]
    whole[0][better, :1] = _strongest(ground, r, c[better, :1], np.arange(1))
    return better


def _strongest(ground: Ground, r: int, c: FloatArray, folds: IntArray) -> FloatArray:
    """Fit what goes along most with the predictions, (P, f, p), by products with these in some
    ``folds`` (f,), (P, f, p); the others get nothing.
    """
    n = int(min(SCREENED, max(1, ground.effective[r] / 8)))
    own = ground.own[r] * np.concatenate([[1.0], ground.rest])
    sums = ground.sums[r].sum(axis=0) - np.concatenate([0 * ground.sums[r, :1], ground.sums[r]])
    sums, own = sums[folds], own[folds]
    along = np.abs(c - sums / (sums[:, :1] + own[:, None]) * c[..., :1])[..., 1:]
    columns = np.zeros((*c.shape[:2], 1 + n), np.int64)
    columns[..., 1:] = 1 + _largest(along, n)
    coefficients, ones = np.zeros_like(c), np.arange(1 + n)
    room = max(1, TOGETHER // (len(folds) * (1 + n) ** 2))
    for start in range(0, len(c), room):
        lot = slice(start, start + room)
        some = ground.part(r, columns[lot], folds)
        some[..., ones, ones] += CONDITIONING * np.einsum("pfii->pf", some)[..., None]
        wanted = np.take_along_axis(c[lot], columns[lot], -1)
        solved = np.linalg.solve(some, wanted[..., None])[..., 0]
        np.put_along_axis(coefficients[lot], columns[lot], solved, axis=-1)
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


def _controls(masks: Masks) -> FloatArray:
    """Return what is regressed beside the masks, (n, c): polynomials of what was drawn.

    Given the mask they are zero on average (Legendre polynomials of uniform numbers), so that the
    weights stay what they are; but they take along what the predictions owe to the value that was
    drawn, in so far as that goes up or down, or up and down, with it.
    """
    n, d = masks.masked.shape
    degrees = min(DEGREES, min(n // ROOM - 1, MOST) // d - 1)
    if degrees < 1 or masks.uniforms is None:
        return np.zeros((n, 0))
    t = 2.0 * np.asarray(masks.uniforms, np.float64) - 1.0
    return np.hstack([masks.masked * legendre(t, 1 + i) for i in range(degrees)])


def legendre(t: FloatArray, degree: int) -> FloatArray:
    """Return a polynomial of numbers in [-1, 1) of variance 1 if they are spread evenly; degrees
    1 to 4 are uncorrelated then.
    """
    if degree == 1:
        return np.asarray(np.sqrt(3.0) * t)
    if degree == 2:
        return np.asarray(np.sqrt(5.0) / 2 * (3 * t**2 - 1))
    if degree == 3:
        return np.asarray(np.sqrt(7.0) / 2 * (5 * t**2 - 3) * t)
    return np.asarray(3.0 / 8 * ((35 * t**2 - 30) * t**2 + 3))


def _products(ground: Ground, residual: FloatArray) -> FloatArray:
    """Return weighted sums of products of twins, (P, R, B), of residuals (P, B, L, R)."""
    flat = residual.reshape(len(residual), -1, residual.shape[-1])
    product = flat[:, ground.twins[0]] * flat[:, ground.twins[1]]  # (P, B, T, R)
    return np.asarray(np.einsum("pbtr,rbt->prb", product, ground.pair_weights))


def twin_products(ground: Ground, r: int, residual: FloatArray) -> FloatArray:
    """Return the weighted sums of products of twins at one radius (P,), of residuals (P, B, L)."""
    flat = residual.reshape(len(residual), -1)
    product = flat[:, ground.twins[0]] * flat[:, ground.twins[1]]
    return np.asarray(np.einsum("pbt,bt->p", product, ground.pair_weights[r]))


def _ratio(lost: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return 1 - lost / total of all blocks (P, R), and its standard error by the jackknife."""
    B = lost.shape[2]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1.0 - lost.sum(axis=2) / total.sum(axis=2)
        if B == 1:
            return share, np.zeros_like(share)
        without = 1.0 - (lost.sum(2, keepdims=True) - lost) / (total.sum(2, keepdims=True) - total)
        spread = ((without - without.mean(2, keepdims=True)) ** 2).sum(axis=2)
    return share, np.sqrt((B - 1) / B * spread)


def _corrected(ground: Ground, r: int, coefficients: FloatArray, missed: FloatArray) -> FloatArray:
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
    more = _by_distribution(ground, r, along - mean * level[..., None])
    own = np.concatenate(
        [(a + level - mean * more.sum(axis=-1))[..., None], left_out[..., 1 : 1 + d] + more],
        axis=-1,
    )  # (P, B, p), one estimate a block
    whole = own.mean(axis=1, keepdims=True)
    corrected = coefficients.copy()
    corrected[..., : 1 + d] = np.concatenate([whole, (B * whole - own) / (B - 1)], axis=1)
    return corrected


def _by_distribution(ground: Ground, r: int, products: FloatArray) -> FloatArray:
    """Turn covariances with the masks (..., d) into slopes, by the expected Gram matrix."""
    d = ground.d
    _, variance, covariance = moments(ground.kernels[r].sizes(d))
    inside = variance - covariance
    shared = products.sum(axis=-1, keepdims=True) / (inside + d * covariance)
    return np.asarray((products - covariance * shared) / inside)


def _decided(ground: Ground, r: int, blocks: FloatArray) -> FloatArray:
    """Return the variance that the full surrogates explain (P,), from products of blocks (P, B, p),
    which too few samples do not lower.
    """
    B, d = ground.B, ground.d
    mean, variance, covariance = moments(ground.kernels[r].sizes(d))
    shares = 1.0 - ground.rest
    w = ground.w[r] / shares[:, None]
    centre = blocks.sum(axis=1)[:, :1]
    apart = blocks[..., : 1 + d] / shares[None, :, None]
    sums = ground.XT[:, 1 : 1 + d] @ w[:, :, None]
    middle = apart[..., 1:] - centre[..., None] * sums[None, :, :, 0]
    mass = w.sum(axis=1)[:, None] + ground.own[r]
    level = apart[..., :1] - centre[..., None] * mass
    effects = _by_distribution(ground, r, middle - mean * level)
    product = (effects.sum(axis=1) ** 2 - (effects**2).sum(axis=1)).sum(axis=-1)
    return np.asarray((variance - covariance) * product / (B * (B - 1)))


def refitted(ground: Ground, r: int, y: FloatArray) -> FloatArray:
    """Fit one problem at one radius, (F, 1 + d): ``y`` (B, L) are predictions less the
    instance's.
    """
    blocks = np.matmul(ground.XT, (y * ground.w[r])[..., None])[..., 0]
    everything = blocks.sum(axis=0)
    c = np.concatenate([everything[None], everything - blocks])[: ground.F]
    few = ground.thin[r]
    coefficients = _solved(ground, r, c[None])
    missed = y - np.matmul(ground.X, coefficients[:, 1:, :, None])[..., 0]
    if ground.few[r]:
        mean, own = everything[0] / (ground.w[r].sum() + ground.own[r]), ground.own[r]
        raw = np.einsum("bl,bl->", (y - mean) ** 2, ground.w[r]) + own * mean**2
        few |= _few(ground, r, (c[None], y[None], raw[None]), (coefficients, missed))[0]
    if few:
        coefficients = _corrected(ground, r, coefficients, missed)
    return np.asarray(coefficients[0, :, : 1 + ground.d])


def halved(ground: Ground, predictions: FloatArray, original: FloatArray) -> Fits:
    """Fit to the first half of the blocks: what half the samples would have said."""
    some = ground.masks.block < ground.masks.n_blocks // 2
    return fit(ground.half, predictions[:, some], original)


def choose_radius(fits: Fits, blind: BoolArray) -> tuple[IntArray, BoolArray]:
    """Return which radius explains each of P problems, and which would do as well, (P, R).

    Among the radii whose gap is small the most local one whose fidelity is as good as the best
    within its error; where all are flat the widest, index 0. Those that are ``blind`` (R,) are no
    candidates.
    """
    gaps = np.abs(fits.gaps)
    B = fits.offsets.shape[2] - 1
    if B > 0:
        folds = fits.offsets[:, :, 1:]
        spread = ((folds - folds.mean(2, keepdims=True)) ** 2).sum(axis=2)
        gaps = gaps + np.sqrt((B - 1) / B * spread)
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
    fitted = np.matmul(x, slopes[:, first:, :, None])[..., 0] + offsets[:, first:, None]
    mean = ground.correlations(y)[:, r, :, 0].sum(axis=1) / (ground.w[r].sum() + ground.own[r])
    own = ground.own[r]
    lost = twin_products(ground, r, y - fitted) + own * (offsets[:, first:] ** 2).mean(axis=1)
    total = twin_products(ground, r, y - mean[:, None, None]) + own * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - lost / total)
