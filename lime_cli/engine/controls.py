"""Control variates of one instance: what goes along with the predictions beside the masks, and has
nothing to do with any weight, taken out of the predictions to leave less noise.

The polynomials of what was drawn that all instances share are regressed beside the masks
(gram.py). Here are those that only some instances need, and of those only the columns that
matter. Two kinds: what is zero on average given the mask, which may be taken out of the predictions
whatever is made of them; and products of two masks or three, each without its mean, which say how
components act together and are uncorrelated with every mask under the kernel of one radius alone.

The former are learned: what each value that replaces a component does, whatever the shape (steps,
categories, bends), and how that changes with what else is masked or drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, permutations

import numpy as np

from lime_cli.engine.gram import DEGREES, SHRINK, Ground, legendre
from lime_cli.engine.least_squares import refitted
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.surrogate import Fits, residuals

UNEXPLAINED = 0.1
"""Share of the variance that weights and shared polynomials leave, from which more is tried."""
STRONGEST, VALUED = 12, 5
"""Components, at most, of which it is asked how two act together, and how three, or the values that
replace two, do."""
CELLS = 64
"""Equal parts of the values that may replace a component, a power of two, of each of which it is
learned what it does."""
LIGHTEST = 1e-6
"""Share of the weight in a part of the values that says anything of it."""
BEYOND = 3.0
"""Standard deviations of its noise by which something of one fineness exceeds it, for a component
to have any effect of its values."""
CLEAR = 6.0
"""Squared standard errors by which a control goes along with the residuals, for its component to
count by it."""
CHOSEN, EACH = 256, 8
"""Controls that are fitted together, at most; effective samples for each, at least."""
FALSE = 0.5
"""What share of the controls chosen may be there by chance, about."""
SEEN = 4.0
"""Effective samples that tell anything of a control, at least."""
AT_ONCE = 64
"""Controls that are made together to be looked at."""

Columns = tuple[IntArray, IntArray]
"""Controls as products of two factors: the rows of each."""


def without_tails(
    ground: Ground,
    fits: Fits,
    radius: IntArray,
    data: tuple[FloatArray, FloatArray],
    tails: Sequence[FloatArray | None],
) -> FloatArray:
    """Return predictions (P, n) without what goes along with control variates (n, q) of each.

    Their coefficients come from the residuals at ``radius`` (P,), each alone, shrunk by its noise.
    Zero on average given the mask, they leave every weight what it is, but for its error.
    """
    predictions = data[0].copy()
    for p, tail in enumerate(tails):
        if tail is None:
            continue
        r = int(radius[p])
        weights = ground.w[r].reshape(-1)[ground.slot_of]
        own = data[0][p], float(data[1][p])
        left = residuals(ground, r, fits, p, own, controlled=True).reshape(-1)[ground.slot_of]
        pull, squares = weights * left, tail**2
        along = pull @ tail
        share = along**2 / np.maximum(along**2 + pull**2 @ squares, 1e-300)
        predictions[p] -= tail @ (share * along / np.maximum(weights @ squares, 1e-300))
    return predictions


def needy(
    ground: Ground, fits: Fits, radius: IntArray, data: tuple[FloatArray, FloatArray]
) -> list[int]:
    """Return which of P problems have much that their fits at ``radius`` (P,) do not explain."""
    if ground.B < 2:
        return []
    left = np.empty(len(radius))
    for r in sorted(set(radius.tolist())):
        some = np.flatnonzero(radius == r)
        y = ground.sorted_predictions(data[0][some] - data[1][some, None])
        fitted = np.matmul(ground.X, fits.predicting[some, r, :1, :, None])[..., 0]
        left[some] = np.einsum("pbl,bl->p", (y - fitted) ** 2, ground.w[r])
    n = ground.effective[radius]
    freedom = np.maximum(n - ground.X.shape[2], n / 4)
    total = fits.deviation[np.arange(len(radius)), radius] ** 2
    return np.flatnonzero(left * n / freedom > UNEXPLAINED * total).tolist()


def without_noise(
    ground: Ground,
    fits: Fits,
    radius: IntArray,
    data: tuple[FloatArray, FloatArray],
    some: list[int],
) -> FloatArray:
    """Return predictions (P, n), those of ``some`` problems without what was drawn in them.

    What components do together is fitted beside it, but left in.
    """
    predictions = data[0].copy()
    for p in some:
        controls = _Controls(ground, int(radius[p]), fits, p, (data[0][p], float(data[1][p])))
        left, right = controls.drawn()
        beside = controls.together()
        both = np.concatenate([left, beside[0]]), np.concatenate([right, beside[1]])
        taken = controls.learned + controls.taken(both, len(left))[0]
        predictions[p] -= taken.reshape(-1)[ground.slot_of]
    return predictions


def sharpened(
    ground: Ground,
    fits: Fits,
    radius: IntArray,
    data: tuple[FloatArray, FloatArray],
    some: list[int],
) -> Fits:
    """Return the fits, those of ``some`` problems at ``radius`` (P,) with less noise.

    What components do together is taken out of the predictions before the weights are fitted.
    """
    if not some:
        return fits
    slopes, offsets = fits.slopes.copy(), fits.offsets.copy()
    for p in some:
        r, own = int(radius[p]), (data[0][p], float(data[1][p]))
        controls = _Controls(ground, r, fits, p, own, random=False)
        columns = controls.together()
        taken, at_itself = controls.taken(columns, len(columns[0]))
        y = ground.sorted_predictions((own[0] - own[1])[None])[0]
        coefficients = refitted(ground, r, y - taken + at_itself)
        slopes[p, r], offsets[p, r] = coefficients[:, 1:], coefficients[:, 0] - at_itself
    return replace(fits, slopes=slopes, offsets=offsets)


class _Controls:
    """Control variates of one problem at one radius: products of two factors each."""

    def __init__(
        self,
        ground: Ground,
        r: int,
        fits: Fits,
        p: int,
        data: tuple[FloatArray, float],
        random: bool = True,
    ) -> None:
        """``random`` where controls of what is drawn are wanted, not of masks alone."""
        d = ground.d
        self.ground, self.r = ground, r
        self.mean, variance, _ = ground.moments[:, r]
        left = residuals(ground, r, fits, p, data, controlled=True)
        self.pull = ground.w[r] * left
        """Weighted residuals, (B, L)."""
        self.random = random and ground.masks.uniforms is not None
        own = fits.predicting[p, r, :, 1:].reshape(ground.F, -1, d)
        size = variance * own[0, 0] ** 2 + self.mean * (own[0, 1:] ** 2).sum(axis=0)
        self.learned = np.zeros_like(self.pull)
        """What the values that replace one component each say of the samples, (B, L)."""
        learns, alone = self.random and own.shape[1] == 1 + DEGREES, []
        if learns:
            effects, self.learned = self._learned(fits.predicting[p, r, 1:], data)
            self.pull -= ground.w[r] * self.learned
            size += self.mean * (effects**2).mean(axis=(0, 2))
        for degree in range(own.shape[1], 1 + DEGREES * self.random):
            slopes, scores = self._alone(degree)
            clear = scores > CLEAR
            size += np.where(clear, self.mean * slopes**2, 0.0)
            alone += [(-scores[j], degree, j) for j in np.flatnonzero(clear).tolist()]
        alone = sorted(alone)[: 2 * CHOSEN]
        self.s = min(STRONGEST, d)
        some = np.argsort(-size, kind="stable")[: self.s]
        masked = self._masked(some)
        without = masked - self.mean
        first, second = _pairs(min(self.s, VALUED))
        rows = [np.ones_like(without[:, :1]), without, without[:, first] * without[:, second]]
        self.starts = np.cumsum([one.shape[1] for one in rows])
        """Where masks, products of two and values drawn begin among the factors."""
        if self.random:
            t = self._uniform(some)
            lines = [masked * legendre(t, 1 + i) for i in range(DEGREES)]
            if learns:  # all that is known of a value in the place of the last
                cells = np.minimum((CELLS / 2 * (t + 1.0)).astype(np.int64), CELLS - 1)
                curve = masked * np.take_along_axis(effects[:, some], cells, axis=2)
                curve += sum(own[1:, 1 + i, some, None] * line for i, line in enumerate(lines))
                scale = np.sqrt((curve**2).mean(axis=(0, 2), keepdims=True))
                lines[-1] = np.divide(curve, scale, out=np.zeros_like(curve), where=scale > 0)
            rows += lines
        for degree in sorted({degree for _, degree, _ in alone}):
            columns = np.array([j for _, own, j in alone if own == degree])
            rows.append(self._masked(columns) * legendre(self._uniform(columns), degree))
        self.factors = np.concatenate(rows, axis=1)
        """(B, factors, L)"""

    def _masked(self, columns: IntArray) -> FloatArray:
        """Return which samples mask some components, (B, columns, L)."""
        return self._regressors(1 + columns)

    def _regressors(self, columns: IntArray) -> FloatArray:
        """Return some of what is regressed, (B, columns, L)."""
        return np.ascontiguousarray(self.ground.XT[:, columns])

    def _uniform(self, columns: IntArray) -> FloatArray:
        """Return what chose the replacements of some components, in [-1, 1), as ``_masked``;
        anything where they are kept.
        """
        uniforms = self.ground.masks.uniforms
        assert uniforms is not None
        if self.ground.controlled:  # the first polynomial is at hand
            return np.asarray(self._regressors(1 + self.ground.d + columns) / np.sqrt(3.0))
        B, L = self.pull.shape
        laid = np.zeros((B * L, len(columns)))
        laid[self.ground.slot] = 2.0 * uniforms[self.ground.order[:, None], columns] - 1.0
        return np.ascontiguousarray(laid.reshape(B, L, -1).transpose(0, 2, 1))

    def _learned(
        self, others: FloatArray, data: tuple[FloatArray, float]
    ) -> tuple[FloatArray, FloatArray]:
        """Learn what each part of the values that replace a component does to the predictions,
        (B, d, CELLS), each block from the others; return with it what that says of the samples
        (B, L).

        ``others`` (B, p) are the fits of all blocks but each, ``data`` the predictions.
        """
        ground, (B, L) = self.ground, self.pull.shape
        y = ground.sorted_predictions((data[0] - data[1])[None])[0]
        left = (y[..., None] - ground.X @ others.T) * ground.w[self.r][..., None]
        left[np.arange(B), :, np.arange(B)] = 0.0  # (B, L, B): no block learns from itself
        slots, places = ground.cells(CELLS)
        shape, size = (B, ground.d, CELLS), ground.d * CELLS
        folds = np.arange(B) * size + places[:, None]
        every = slots // L * size + places
        along = np.bincount(folds.reshape(-1), left.reshape(-1, B)[slots].reshape(-1), B * size)
        squares, mass = (
            np.bincount(every, one.reshape(-1)[slots], B * size).reshape(B, size)
            for one in (self.pull**2, ground.w[self.r])
        )
        squares, mass = (one.sum(axis=0) - one for one in (squares, mass))
        sums = np.stack([along, squares.reshape(-1), mass.reshape(-1)])
        effects = _smooth(*sums.reshape(3, -1, CELLS))
        said = np.bincount(slots, effects.reshape(-1)[every], B * L)
        return effects.reshape(shape), np.asarray(said, np.float64).reshape(B, L)

    def _alone(self, degree: int) -> tuple[FloatArray, FloatArray]:
        """Return the slopes on one polynomial of every component, each alone, and how clear each is
        to most of the blocks.
        """
        slopes, scores = np.zeros((2, self.ground.d))
        w = self.ground.w[self.r]
        for start in range(0, self.ground.d, AT_ONCE):
            some = np.arange(start, min(start + AT_ONCE, self.ground.d))
            drawn = self._masked(some) * legendre(self._uniform(some), degree)
            product = drawn * self.pull[:, None]
            along = product.sum(axis=2).T
            squares = np.einsum("bql,bql,bl->q", drawn, drawn, w)
            slopes[some] = along.sum(axis=1) / np.maximum(squares, 1e-300)
            scores[some] = _scores(along, np.einsum("bql,bql->qb", product, product)).max(axis=1)
        return slopes, scores

    def drawn(self) -> Columns:
        """List what is zero on average given the mask: the value drawn in one component by what
        one or two others mask, the values drawn in two, and polynomials of one.
        """
        if not self.random:
            return NONE, NONE
        left, right = _drawn(self.s)
        alone = np.arange(self.starts[2] + DEGREES * self.s, self.factors.shape[1])
        return np.concatenate([left, np.zeros_like(alone)]), np.concatenate([right, alone])

    def together(self) -> Columns:
        """List the products of two masks, and of three, each without its mean."""
        return _together(self.s)

    def taken(self, columns: Columns, n_own: int) -> tuple[FloatArray, float]:
        """Fit the controls that go along clearly with the residuals; return what the first
        ``n_own`` of them say of the samples (B, L), each block by the other blocks, and of the
        instance.
        """
        B, effective = self.ground.B, float(self.ground.effective[self.r])
        along, squares = self._along(columns)
        chosen = _clearest(_scores(along, squares), min(CHOSEN, int(effective / EACH)))
        best = np.flatnonzero(chosen.any(axis=1))
        made = self.factors[:, columns[0][best]]
        made *= self.factors[:, columns[1][best]]
        half = made * np.sqrt(self.ground.w[self.r])[:, None]
        grams = half @ half.transpose(0, 2, 1)  # of one array: half of it is computed
        mass = np.einsum("bqq->q", grams)
        half *= half
        seen = mass**2 > SEEN * np.einsum("bql,bql->q", half, half)
        if not seen.all():
            best, made, grams = best[seen], made[:, seen], grams[:, seen][:, :, seen]
        if not len(best):
            return np.zeros((B, self.ground.L)), 0.0
        there = chosen[best].T
        systems = (grams.sum(axis=0) - grams) * there[:, :, None] * there[:, None, :]
        ridge = SHRINK / effective * np.einsum("bii->b", systems)[:, None]
        places = np.arange(len(best))
        systems[:, places, places] += np.where(there, ridge, 1.0)
        wanted = np.where(there, along[best].sum(axis=1) - along[best].T, 0.0)
        coefficients = np.linalg.solve(systems, wanted[..., None])[..., 0]
        own = best < n_own
        taken = (np.where(own, coefficients, 0.0)[:, None] @ made)[:, 0]
        return taken, float(coefficients[:, own].mean(axis=0) @ self._at_itself(columns, best[own]))

    def _along(self, columns: Columns) -> tuple[FloatArray, FloatArray]:
        """Return how controls go along with the residuals by block, and its variance, (q, B)."""
        B = self.ground.B
        factors, pull = self.factors, self.pull[:, None]
        along, squares = np.empty((2, len(columns[0]), B))
        kinds = np.searchsorted(self.starts, columns[0], side="right")
        for kind in range(1 + len(self.starts)):
            some = np.flatnonzero(kinds == kind)
            rows, i = _distinct(columns[0][some])
            others, j = _distinct(columns[1][some])
            left = factors[:, rows] * pull
            right = factors[:, others].transpose(0, 2, 1)
            along[some] = (left @ right)[:, i, j].T
            squares[some] = (left**2 @ right**2)[:, i, j].T
        return along, squares

    def _at_itself(self, columns: Columns, some: IntArray) -> FloatArray:
        """Return what controls are of the instance, which masks nothing."""
        own = np.zeros(self.factors.shape[1])
        for n, start in enumerate(self.starts[::-1]):
            own[:start] = (-self.mean) ** (2 - n)
        return own[columns[0][some]] * own[columns[1][some]]


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return each row once, in order, and where each of ``rows`` is among them."""
    there = np.bincount(rows) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[rows]


NONE = np.zeros(0, np.int64)


def _columns(pairs: Iterable[tuple[int, int]]) -> Columns:
    left, right = np.array(list(pairs), np.int64).reshape(-1, 2).T
    return left, right


def _smooth(along: FloatArray, squares: FloatArray, mass: FloatArray) -> FloatArray:
    """Return functions of cells, zero on average, all (q, cells), by sums of weighted residuals,
    of their squares, and of weights.

    What sets neighbouring parts apart, two halves first and then finer ones (Haar 1910), counts by
    how much that of a fineness exceeds its noise, all together.
    """
    waves, starts = _waves(along.shape[1])
    later, earlier = np.maximum(waves, 0.0).T, np.maximum(-waves, 0.0).T
    after, before = mass @ later, mass @ earlier
    least = LIGHTEST * mass.sum(axis=1, keepdims=True)
    there = (after > least) & (before > least)
    after, before = np.where(there, after, 1.0), np.where(there, before, 1.0)
    apart = np.where(there, along @ later / after - along @ earlier / before, 0.0) / 2
    noise = np.where(there, squares @ later / after**2 + squares @ earlier / before**2, 0.0) / 4
    energy, chance = (np.add.reduceat(one, starts, axis=1) for one in (apart**2, noise))
    numbers = np.diff(starts, append=len(waves))
    beyond = energy - chance
    clear = (beyond > BEYOND * np.sqrt(2.0 / numbers) * chance).any(axis=1, keepdims=True)
    share = np.maximum(beyond, 0.0) / np.maximum(energy, 1e-300) * clear
    return np.asarray((apart * np.repeat(share, numbers, axis=1)) @ waves)


@lru_cache(maxsize=1)
def _waves(n: int) -> tuple[FloatArray, IntArray]:
    """Return the differences of neighbouring parts of n cells, (n - 1, n), 1 in the later and -1 in
    the earlier part, by the number of parts; and where those of each number begin.
    """
    numbers = [2**k for k in range(n.bit_length() - 1)]
    signs = [np.repeat(np.kron(np.eye(k), [[-1.0, 1.0]]), n // (2 * k), axis=1) for k in numbers]
    return np.concatenate(signs), np.array(numbers) - 1


@lru_cache(maxsize=64)
def _pairs(v: int) -> Columns:
    return _columns(combinations(range(v), 2))


@lru_cache(maxsize=64)
def _together(s: int) -> Columns:
    """List products of masks of s components, of which the strongest come first."""
    strongest = range(min(s, VALUED))
    pairs = enumerate(combinations(strongest, 2))
    three = [(1 + s + q, 1 + k) for q, (_, j) in pairs for k in strongest if k > j]
    return _columns([*combinations(range(1, 1 + s), 2), *three])


@lru_cache(maxsize=64)
def _drawn(s: int) -> Columns:
    """List controls of what is drawn in s components, of which the strongest come first."""
    strongest = range(min(s, VALUED))
    pairs = list(combinations(strongest, 2))
    values = [1 + s + len(pairs) + degree * s for degree in range(DEGREES)]
    beside = [(1 + i, own + j) for own in values for i, j in permutations(range(s), 2)]
    beside += [
        (1 + s + q, own + j)
        for own in values
        for q, pair in enumerate(pairs)
        for j in strongest
        if j not in pair
    ]
    both = [(own + i, other + j) for i, j in pairs for own in values for other in values]
    return _columns([*beside, *both])


def _scores(along: FloatArray, squares: FloatArray) -> FloatArray:
    """Return how clearly controls go along with the residuals of all blocks but each, (q, B): in
    squared standard errors.
    """
    rest = along.sum(axis=1, keepdims=True) - along
    variance = squares.sum(axis=1, keepdims=True) - squares
    return np.asarray(rest**2 / np.maximum(variance, 1e-300))


def _clearest(scores: FloatArray, n: int) -> BoolArray:
    """Choose n controls at most for every block, by the others alone: (q, B).

    Of many that say nothing the clearest of k are as clear as the bound for k asks (as for false
    discovery rates, Benjamini & Hochberg 1995), so that there are hardly any where nothing is to
    be found, and most of those that help where much is.
    """
    q, B = scores.shape
    order = np.argsort(-scores, axis=0, kind="stable")
    k = np.arange(1, 1 + q)[:, None]
    clear = np.take_along_axis(scores, order, axis=0) > 2.0 * np.log(q / (FALSE * k))
    last = np.where(clear, k, 0).max(axis=0, initial=0)
    chosen = np.zeros((q, B), bool)
    np.put_along_axis(chosen, order, k <= np.minimum(last, n), axis=0)
    return chosen
