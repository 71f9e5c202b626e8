"""Gram matrices and weights: the ground that all fits to one set of masks share.

Many problems (an instance and a target each) share one set of masks, and with it the Gram
matrices. Every product over samples has a shape that the masks alone decide, so that no result
depends on how many problems are solved together. P problems, R radii, B blocks, L samples a block,
p unknowns: the intercept, d masks and what is regressed beside them; folds are everything, then
everything but each block (F = 1 + B; F = 1 where nothing was drawn).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from lime_cli.engine.masks import Masks
from lime_cli.engine.model import FloatArray, IntArray
from lime_cli.engine.neighbourhood import ENOUGH, MOST, Product, moments
from lime_cli.engine.selection import deviation_of

CONDITIONING = 1e-12
"""Ridge of every fit, relative to the mean diagonal of its Gram matrix."""
SEEN = 32.0
"""Effective samples that mask a component, at least, of a radius that is chosen for more than MOST;
for fewer components one a block."""
SCREENED, SPARE = 64, 4.0
"""Regressors, at most, that are fitted where few of them may predict better than all; effective
samples a regressor from which that is not tried."""
DEGREES, ROOM = 2, 4
"""Of the polynomials of what was drawn, at most; samples a regressor, at least."""
CLOSER, FEW = 2, 512
"""Samples a regressor that do for polynomials of the first degree alone, of fewer regressors."""
SHRINK = 0.5
"""Their ridge, in regressors an effective sample."""
KEPT_WHOLE = 256
"""Regressors, at most, of which the Gram matrices at every radius are kept."""
OF_A_SIZE = 4
"""Samples for each block and unknown, from which those that weigh the same are taken together."""
TOGETHER = 2**18
"""Numbers that are worked on in one go, few enough for a cache of the processor."""


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
        self.moments = np.array([moments(kernel.sizes(self.d)) for kernel in kernels]).T
        """(3, R): mean, variance and covariance of what is masked."""
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
        self.updated = self.F > 1 and p > 2 * L
        """Whether folds are fitted from the fit to everything, as regressors are more than two
        for each sample of a block."""
        self.kept = p <= KEPT_WHOLE or self.updated
        """Whether the Gram matrices of all regressors are kept."""
        self._grams: dict[int, FloatArray] = {}
        self._whole: dict[int, FloatArray] = {}
        self._means: dict[int, FloatArray] = {}
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
        folds = self.B * (1 + self.L) ** 2 if self.updated else (self.F - 1) * p**2
        kept = p**2 + folds + self.F * (self.kept * p**2 + (1 + self.d) ** 2)
        return 8 * (self.X.size * (1 + self.updated) + len(self.w) * kept)

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
    def mass(self) -> FloatArray:
        """Sums of all weights, (R,), the instance's own among them."""
        return np.asarray(self.w.sum(axis=(1, 2)) + self.own)

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

    def means(self, r: int) -> FloatArray:
        """Return the means of all but the intercept that is regressed, at one radius, (F, p - 1),
        the instance counted.
        """
        if r not in self._means:
            sums = self.sums[r]
            folds = sums.sum(axis=0) - np.concatenate([0 * sums[:1], sums])
            mass = folds[:, :1] + self.own[r] * np.concatenate([[1.0], self.rest])[:, None]
            self._means[r] = (folds / mass)[:, 1:]
        return self._means[r]

    def part(self, r: int, columns: IntArray) -> FloatArray:
        """Return the Gram matrices of some of (1, x) at one radius, (P, F, m, m): of each fold
        those of its own ``columns`` (P, F, m).
        """
        p = self.X.shape[2]
        if not self.kept:
            return np.stack([self._part_of_many(r, some) for some in columns])
        if r not in self._whole:
            self._whole[r] = self._systems([r], slice(p))[0]
        rows = p * (columns + p * np.arange(self.F)[:, None])
        return self._whole[r].take(rows[..., None] + columns[:, :, None])

    def _part_of_many(self, r: int, columns: IntArray) -> FloatArray:
        every, places = np.unique(columns, return_inverse=True)
        places = places.reshape(columns.shape)
        grams, folds = self._systems([r], every)[0], np.arange(self.F)[:, None, None]
        return np.asarray(grams[folds, places[:, :, None], places[:, None]])

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
        """What turns correlations into coefficients, (R, F, p, p); (R, 1, p, p) where folds are
        ``updated``.
        """
        p, d = self.X.shape[2], self.d
        folds = 1 if self.updated else self.F
        inverses = np.empty((len(self.w), folds, p, p))
        systems = self._systems(range(len(self.w)), slice(p))
        self._grams.update(enumerate(systems[:, :, : 1 + d, : 1 + d].copy()))
        if self.few.any() and self.kept:
            self._whole.update(enumerate(systems))
        for r, whole in enumerate(systems[:, :folds]):
            system = whole.copy()
            scale = np.einsum("fii->f", system) / p
            ridge = np.repeat(CONDITIONING * scale[:, None], p, axis=1)
            mean, variance, _ = self.moments[:, r]
            if self.thin[r]:
                ridge[:, 1 : 1 + d] += variance * d / self.effective[r]
            ridge[:, 1 : 1 + d] += self.penalty / self.effective[r]
            ridge[:, 1 + d :] += SHRINK * mean * p / self.effective[r]
            system[:, np.arange(p), np.arange(p)] += ridge
            inverses[r] = np.linalg.inv(system)
        return inverses

    @cached_property
    def updates(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What turns fits to everything into those to all but a block, where these are
        ``updated``: rows (B, L + 1, p), the samples of each block and its share of the instance;
        their weights (B, R, L + 1); and what turns what the fit to everything misses of these rows
        into what the fold's own misses, (B, R, L + 1, L + 1).

        By the Woodbury identity, as in PRESS (Allen 1974) with a block in a sample's place.
        """
        instance = np.zeros((self.B, 1, self.X.shape[2]))
        instance[:, 0, 0] = 1.0
        rows = np.concatenate([self.X, instance], axis=1)
        own = (1.0 - self.rest)[:, None, None] * self.own[:, None]
        weights = np.concatenate([self.w.swapaxes(0, 1), own], axis=2)
        turned = np.empty((self.B, len(self.w), 1 + self.L, 1 + self.L))
        for r, (inverse,) in enumerate(self.inverses):
            leverages = rows @ inverse @ rows.transpose(0, 2, 1) * weights[:, r, None]
            turned[:, r] = np.linalg.inv(np.eye(1 + self.L) - leverages)
        return rows, weights, turned

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


def _controls(masks: Masks) -> FloatArray:
    """Return what is regressed beside the masks, (n, c): polynomials of what was drawn.

    Given the mask they are zero on average (Legendre polynomials of uniform numbers), so that the
    weights stay what they are; but they take along what the predictions owe to the value that was
    drawn, in so far as that goes up or down, or up and down, with it.
    """
    n, d = masks.masked.shape
    room = min(n // ROOM - 1, MOST)
    degrees = min(DEGREES, room // d - 1)
    if degrees < 1:
        degrees = int(2 * d <= min(n // CLOSER, FEW) - 1)
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
