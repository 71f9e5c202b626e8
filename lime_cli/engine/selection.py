"""Sparse least squares from Gram matrices, many problems in step: the LASSO path, the refit on the
components chosen, and the rules that choose them.

Problem p minimises ½ b'Gb - c'b + penalty |b|₁ with a Gram matrix G (d, d) and a correlation
vector c (d,): the weighted LASSO once G = Z'PZ / sum(P) and c = Z'Py / sum(P) of centred data. The
path is that of least angle regression with the LASSO's drops (Efron, Hastie, Johnstone &
Tibshirani 2004, section 3.1), its directions from a factor LDL' of the active components' Gram
matrix that grows by one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy import count_nonzero as count  # of few problems quicker than any() and all()

from lime_cli.engine.model import BoolArray, FloatArray, IntArray


def deviation_of(variance: FloatArray) -> FloatArray:
    """Return the components' standard deviations (g, d), infinite where there is none."""
    floor = 1e-12 * np.maximum(variance.max(axis=1, keepdims=True, initial=0), 1e-300)
    return np.where(variance > floor, np.sqrt(np.maximum(variance, 0)), np.inf)


COLLINEAR = 1e-9
"""A component this much explained by the active ones, in units of its own variance, never joins."""
NOTHING_LEFT = 1e-10
"""The path ends when the penalty is this small against its start."""
FIRST_ROWS = 16
"""Of the factor; twice as many where these are not enough."""
TOGETHER = 2**14
"""Numbers of a component each, in the walks of one lot: a lot that stays in the cache is fast."""
BOTH = np.array([-1.0, 1.0])[:, None, None]
"""The ways in which a correlation equals the penalty."""
LAST = np.iinfo(np.int64).max
"""A step that none is after."""
IN_ONE = 2**12
"""Products, at most, that are made and summed by two calls, which then cost more than they do."""


@dataclass(frozen=True, eq=False)
class Path:
    """Where the walk of each of P problems ended."""

    coefficients: FloatArray
    """(P, d)"""
    entry: IntArray
    """(P, d): at which step the component joined; -1 for one that is not active."""


def lasso_path(
    grams: FloatArray,
    which: IntArray,
    correlations: FloatArray,
    n_active: int,
    penalty: float = 0.0,
    scale: FloatArray | None = None,
) -> Path:
    """Walk every problem's path down to ``penalty``, or to the first knot with ``n_active``
    components.

    ``grams`` is (g, d, d), ``which`` (P,) says which of them problem p uses, ``correlations`` is
    (P, d); ``scale`` (g, d) is what the components of the Gram matrices are divided by, and those
    of the correlations are already. Components without variance, or explained by the active ones,
    never join. No problem's last digits depend on how many others there are.
    """
    P, d = correlations.shape
    path = Path(np.zeros((P, d)), np.full((P, d), -1))
    unit = np.ones(grams.shape[:2]) if scale is None else 1.0 / scale
    room = max(1, TOGETHER // (d + 1))
    for start in range(0, P, room):
        some = slice(start, start + room)
        walk = _Walk((grams, unit), which[some], correlations[some], min(n_active, d), penalty)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            walk.to_the_end()
        path.coefficients[some], path.entry[some] = walk.at[1].T, walk.entry.T
    return path


class _Walk:
    """The state of all walks, problems last: arrays are (P,), (d, P), or (2, d, P) of what concerns
    correlations and coefficients alike.

    All arithmetic is number by number, so that P does not matter.
    """

    def __init__(
        self,
        given: tuple[FloatArray, FloatArray],
        which: IntArray,
        correlations: FloatArray,
        n_active: int,
        stop: float,
    ) -> None:
        P, d = correlations.shape
        self.grams, self.which = given[0], which
        self.n_active, self.stop, self.all = n_active, stop, np.arange(P)
        self.unit = np.ascontiguousarray(given[1][which].T)
        self.variance = np.einsum("gii->gi", self.grams)[which].T * self.unit**2
        self.at = np.zeros((2, d, P))
        """What is left of the correlations, and the coefficients."""
        self.at[0] = correlations.T
        self.fall = np.zeros((2, d, P))
        """How fast both fall as the penalty does, along the equiangular direction."""
        self.closed = self.variance <= 1e-12 * self.variance.max(axis=0)
        """(d, P): active, or never to join."""
        self.entry = np.full((d, P), -1)
        """At which step a component joined; -1 for one that is not active."""
        self.count = np.zeros(P, np.int64)
        """Of active components, each of which has a row of the factor."""
        self.start = np.abs(np.where(self.closed, 0, self.at[0])).max(axis=0)
        self.penalty = self.start.copy()
        self.joining = np.ones(P, bool)
        self.running = (self.start > stop) & (self.start > 1e-300)
        self.factor = np.zeros((0, 2, d, P))
        """(m, 2, d, P): of each active component's row of the Gram matrix what those that joined
        before do not explain, and how it is made of their rows, negative."""
        self.pivot, self.along = np.ones((0, P)), np.zeros((0, P))
        """(m, P): what is left of its variance; how far the direction goes along its row. Ones and
        zeros, as in the factor, where fewer are active."""

    def to_the_end(self) -> None:
        """Walk until every problem has ended."""
        for step in range(8 * len(self.closed) + 8):
            if not count(self.running):
                return
            self._grow(min(self.n_active, step + 1))
            self._join(step)
            self._move()

    def _grow(self, wanted: int) -> None:
        """Make room for so many rows of the factor: a matter of the step, not of the problems."""
        m = len(self.factor)
        if wanted > m:
            more = min(self.n_active, max(FIRST_ROWS, 2 * wanted)) - m
            self.factor = np.concatenate([self.factor, np.zeros((more, *self.at.shape))])
            self.pivot = np.concatenate([self.pivot, np.ones((more, len(self.all)))])
            self.along = np.concatenate([self.along, np.zeros((more, len(self.all)))])

    def _join(self, step: int) -> None:
        """Let the component of the largest correlation join, where the last event asks for it."""
        some = self.running & self.joining
        while count(some):
            size = np.abs(self.at[0])
            np.putmask(size, self.closed, -1.0)
            best = size.argmax(axis=0)
            largest = size[best, self.all]
            joins = largest >= 0
            if count(joins) < len(joins):
                self.running &= ~(some & ~joins & (self.count == 0))
                some &= joins
            who = self.all if count(some) == len(some) else np.flatnonzero(some)
            best = best[who]
            self.closed[best, who] = True
            some[who] = ~self._enter(who, best, step)
            if not count(some):
                return
            some &= largest >= self.penalty * (1 - 1e-9)

    def _enter(self, who: IntArray, best: IntArray, step: int) -> BoolArray:
        """Give a component of each problem ``who`` its row, where the active ones do not explain
        it.
        """
        every, here = len(who) == len(self.all), self.all[: len(who)]
        m = min(step, self.n_active)
        rows = self.factor[:m] if every else self.factor[:m].take(who, axis=-1)
        unit = self.unit if every else self.unit[:, who]
        row = np.zeros((2, *unit.shape))
        np.multiply(self.grams[self.which[who], best].T, unit, out=row[0])
        row[0] *= unit[best, here]
        row[1, best, here] = -1.0
        row -= dot(rows, rows[:, 0, best, here] / self.pivot[:m, who])
        np.putmask(row[0], self.entry[:, who] >= 0, 0.0)
        left = row[0, best, here]
        fresh: BoolArray = left > COLLINEAR * self.variance[best, who]
        if count(fresh) < len(fresh):
            every, who, best, left = False, who[fresh], best[fresh], left[fresh]
            row = row[..., fresh]
        sign = np.copysign(1.0, self.at[0, best, who])
        along, last = (sign - self.fall[0, best, who]) / left, self.count[who]
        if every and count(last != last[0]) == 0:
            self.fall += row * along
            self.factor[last[0]] = row
        else:
            self.fall[..., who] += row * along
            self.factor[last, ..., who] = row.transpose(2, 0, 1)
        self.pivot[last, who], self.along[last, who] = left, along
        self.entry[best, who] = step
        self.count[who] += 1
        return fresh

    def _move(self) -> None:
        """Move along the equiangular direction to the next event: a join, a drop or the end."""
        drops = self.at[1] / self.fall[1]
        np.putmask(drops, ~(drops > 0), np.inf)
        drop = np.minimum.reduce(drops, axis=0)
        size = np.minimum(np.minimum(self._until_join(), drop), self.penalty - self.stop)
        size[~self.running] = 0.0
        self.at -= size * self.fall
        self.penalty -= size
        gone = self.running & (drop <= size)
        if count(gone):
            some = np.flatnonzero(gone)
            self._leave(some, drops[:, some].argmin(axis=0))
        ended = self.penalty <= self.stop + NOTHING_LEFT * self.start
        self.joining = ~gone
        if self.stop == 0:
            ended |= (self.count >= self.n_active) & self.joining
        self.running &= ~ended

    def _until_join(self) -> FloatArray:
        """Return how far until a free component's correlation equals the penalty (P,)."""
        room = np.maximum(self.penalty + BOTH * self.at[0], 0.0)
        speed = 1.0 + BOTH * self.fall[0]
        room /= speed
        np.putmask(room, speed <= 1e-12, np.inf)
        nearest = np.minimum(room[0], room[1])
        np.putmask(nearest, self.closed, np.inf)
        return np.asarray(np.minimum.reduce(nearest, axis=0))

    def _leave(self, some: IntArray, column: IntArray) -> None:
        """Drop a component of some problems; the factor's later rows take over what it explains."""
        here, entry = self.all[: len(some)], self.entry[:, some]
        place = ((entry >= 0) & (entry < entry[column, here])).sum(axis=0)
        entry[column, here] = -1
        self.closed[column, some], self.at[1, column, some] = False, 0.0
        self.entry[:, some] = entry
        self.count[some] -= 1
        last = self.count[some]
        order = np.argsort(np.where(entry >= 0, entry, LAST), axis=0, kind="stable")
        rows, pivot, along = self.factor.take(some, -1), self.pivot[:, some], self.along[:, some]
        along[np.arange(len(along))[:, None] >= place] = 0.0
        fall, own = dot(rows, along), rows.transpose(0, 3, 1, 2)[place, here].transpose(1, 2, 0)
        for m in range(int(place.min()), int(last.max())):
            those = np.flatnonzero((place <= m) & (m < last))
            best, each = order[m, those], here[: len(those)]
            gone, between = own[..., those], own[0, best, those]
            row = rows[m + 1][..., those] + gone * (between / gone[0, column[those], each])
            left, row[1, column[those], each] = row[0, best, each], 0.0
            own[..., those] = gone - row * (between / left)
            sign = np.copysign(1.0, self.at[0, best, some[those]])
            further = (sign - fall[0, best, those]) / left
            fall[..., those] += row * further
            rows[m][..., those], pivot[m, those], along[m, those] = row, left, further
        rows.transpose(0, 3, 1, 2)[last, here], pivot[last, here] = 0.0, 1.0
        self.factor[..., some], self.fall[..., some] = rows, fall
        self.pivot[:, some], self.along[:, some] = pivot, along


def dot(left: FloatArray, right: FloatArray) -> FloatArray:
    """Multiply (m, 2, d, P) by (m, P) over m, in the order of m whatever P is."""
    if left.size <= IN_ONE:
        product = np.multiply(left, right[:, None, None], order="C")  # whose rows are added up
        return np.asarray(np.add.reduce(product, axis=0, initial=0.0))
    total: FloatArray = np.zeros(left.shape[1:])
    product = np.empty_like(total)
    for one, other in zip(left, right, strict=True):
        total += np.multiply(one, other, out=product)
    return total


CONDITIONING = 1e-9
"""Ridge of the refit relative to the mean variance of a component: for conditioning only, and
refined away by one more solve wherever the system allows."""


def refit(
    grams: FloatArray,
    which: IntArray,
    correlations: FloatArray,
    chosen: BoolArray,
    ridge: FloatArray,
    most: int | None = None,
) -> FloatArray:
    """Solve least squares with an L2 penalty (P,) on the chosen components: (P, d).

    ``most`` bounds how many are chosen; systems have its size, so that no problem's last digits
    depend on what is chosen in another.
    """
    d = correlations.shape[1]
    count = chosen.sum(axis=1)
    columns = np.argsort(~chosen, axis=1, kind="stable")[:, : max(1, min(d, most or d))]
    valid = np.arange(columns.shape[1]) < count[:, None]
    block = grams[which[:, None, None], columns[:, :, None], columns[:, None, :]]
    unit = np.eye(columns.shape[1])
    exact = (
        np.where(valid[:, :, None] & valid[:, None, :], block, 0.0) + unit * ridge[:, None, None]
    )
    trace = np.einsum("gii->gi", grams).copy().sum(axis=1)
    level = CONDITIONING * trace[which] / d
    system = exact + unit * np.where(level > 0, level, 1.0)[:, None, None]
    wanted = np.where(valid, np.take_along_axis(correlations, columns, axis=1), 0.0)
    solve = factorised(system)
    solved = solve(wanted)
    solved = solved + solve(wanted - (exact @ solved[:, :, None])[:, :, 0])
    coefficients = np.zeros_like(correlations)
    np.put_along_axis(coefficients, columns, np.where(valid, solved, 0.0), axis=1)
    return coefficients


SMALL = 24
"""Unknowns, at most, that are eliminated here."""


def factorised(systems: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Factorise positive definite systems (P, m, m): what solves them for right sides (P, m)."""
    if systems.shape[1] > SMALL:
        return lambda wanted: np.asarray(
            np.linalg.solve(systems, wanted[:, :, None])[:, :, 0], float
        )
    m = systems.shape[1]
    left = np.ascontiguousarray(systems.transpose(1, 2, 0))
    for j in range(m):
        below = left[j + 1 :, j] / left[j, j]
        left[j + 1 :, j + 1 :] -= below[:, None] * left[j, None, j + 1 :]
        left[j + 1 :, j] = below
    pivots = left[np.arange(m), np.arange(m)]

    def solve(wanted: FloatArray) -> FloatArray:
        values = np.array(wanted.T, order="C")
        for j in range(m - 1):
            values[j + 1 :] -= left[j + 1 :, j] * values[j]
        values /= pivots
        for j in range(m - 1, 0, -1):
            values[:j] -= left[j, :j] * values[j]
        return np.ascontiguousarray(values.T)

    return solve


def _by_lasso(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Walk the path over standardised components to the first knot with n (K-LASSO)."""
    deviation = deviation_of(np.einsum("gii->gi", grams))
    scaled = correlations / deviation[which]
    return lasso_path(grams, which, scaled, n, scale=deviation).entry >= 0


def _by_forward(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Add the component that raises R² most, n times, by rank-one updates of the Gram matrices."""
    left, wanted = grams[which].copy(), np.array(correlations, float)
    own = np.einsum("pii->pi", left).copy()
    problems, chosen = np.arange(len(which)), np.zeros(correlations.shape, bool)
    for _ in range(min(n, correlations.shape[1])):
        variance = np.einsum("pii->pi", left)
        usable = ~chosen & (variance > 1e-9 * own) & (own > 0)
        gain = np.divide(wanted**2, variance, out=np.full(own.shape, -1.0), where=usable)
        best = gain.argmax(axis=1)
        good = gain[problems, best] > 0
        chosen[problems[good], best[good]] = True
        scale = np.where(good, variance[problems, best], np.inf)
        row = left[problems, best]
        wanted = wanted - row * (wanted[problems, best] / scale)[:, None]
        left = left - row[:, :, None] * row[:, None, :] / scale[:, None, None]
    return chosen


def _by_weight(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take the n largest standardised weights of the fit on all components."""
    everything = np.ones(correlations.shape, bool)
    weights = refit(grams, which, correlations, everything, np.zeros(len(which)))
    deviation = deviation_of(np.einsum("gii->gi", grams))
    size = np.abs(weights) * np.where(deviation < np.inf, deviation, 0.0)[which]
    order = np.argsort(-size, axis=1, kind="stable")[:, :n]
    chosen = np.zeros(correlations.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen & (size > 0)


def _all(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take every component, however many."""
    return np.ones(correlations.shape, bool)


# Each takes grams (g, d, d), which of them (P,) a problem uses, correlations (P, d) and a number of
# components; it returns the choice (P, d).
SELECT = {"lasso": _by_lasso, "forward": _by_forward, "highest": _by_weight, "none": _all}
