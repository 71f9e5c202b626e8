"""Sparse least squares from Gram matrices, many problems in step: the LASSO path, the refit on the
components chosen, and the rules that choose them.

Problem p minimises ½ b'Gb - c'b + penalty |b|₁ with a Gram matrix G (d, d) and a correlation
vector c (d,): the weighted LASSO once G = Z'PZ / sum(P) and c = Z'Py / sum(P) of centred data. The
path is that of least angle regression with the LASSO's drops (Efron, Hastie, Johnstone &
Tibshirani 2004, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lime_cli.engine.model import BoolArray, FloatArray, IntArray


class Grams(NamedTuple):
    """Gram matrices of g problems over d components, for a walk over components that are scaled."""

    rows: FloatArray
    """(g, m, d): unscaled."""
    place: IntArray
    """(g, d): which of the m rows is a component's; -1 where there is none."""
    variance: FloatArray
    """(g, d): unscaled."""
    scale: FloatArray
    """(g, d): what each component is divided by."""


def whole(grams: FloatArray, scale: FloatArray) -> Grams:
    """Return all rows of Gram matrices (g, d, d)."""
    place = np.broadcast_to(np.arange(grams.shape[1]), grams.shape[:2])
    return Grams(grams, place, np.einsum("gii->gi", grams), scale)


def deviation_of(variance: FloatArray) -> FloatArray:
    """Return the components' standard deviations (g, d), infinite where there is none."""
    floor = 1e-12 * np.maximum(variance.max(axis=1, keepdims=True, initial=0), 1e-300)
    return np.where(variance > floor, np.sqrt(np.maximum(variance, 0)), np.inf)


COLLINEAR = 1e-9
"""A component this much explained by the active ones, in units of its own variance, never joins."""
NOTHING_LEFT = 1e-10
"""The path ends when the penalty is this small against its start."""
IMPRECISE = 1e-11
"""A direction that misses the unit slope by more than this is refined once."""
FIRST_SLOTS = 16
"""Of active components; twice as many where these are not enough."""
TOGETHER = 2**14
"""Numbers of a component each, in the walks of one lot: a lot that stays in the cache is fast."""
IN_ONE = 2**12
"""Products, at most, that are made and summed by two calls, which then cost more than they do."""


@dataclass(frozen=True, eq=False)
class Path:
    """Where the walk of each of P problems ended."""

    coefficients: FloatArray
    """(P, d)"""
    entry: IntArray
    """(P, d): at which step the component joined; -1 for one that is not active."""
    lost: BoolArray
    """(P,): whether it ended because a component was to join whose row is not there."""


def lasso_path(
    grams: FloatArray | Grams,
    which: IntArray,
    correlations: FloatArray,
    n_active: int,
    penalty: float = 0.0,
) -> Path:
    """Walk every problem's path down to ``penalty``, or to the first knot with ``n_active``
    components.

    ``grams`` is (g, d, d), ``which`` (P,) says which of them problem p uses, ``correlations`` is
    (P, d), of components divided by their scale where there is one. Components without variance,
    or explained by the active ones, never join. No problem's last digits depend on how many others
    there are.
    """
    P, d = correlations.shape
    path = Path(np.zeros((P, d)), np.full((P, d), -1), np.zeros(P, bool))
    given = grams if isinstance(grams, Grams) else whole(grams, np.ones(grams.shape[:2]))
    room = max(1, TOGETHER // (d + 1))
    for start in range(0, P, room):
        some = np.arange(start, min(P, start + room))
        walk = _Walk(given, which[some], correlations[some], min(n_active, d), penalty)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            walk.to_the_end()
        path.coefficients[some], path.entry[some] = walk.found()
        path.lost[some] = walk.lost
    return path


class _Walk:
    """The state of all walks, problems last: arrays are (P,), (d, P), or of m slots.

    A slot holds an active component; empty ones hold zeros everywhere, which add nothing. All
    arithmetic is number by number, so that P does not matter.
    """

    def __init__(
        self,
        given: Grams,
        which: IntArray,
        correlations: FloatArray,
        n_active: int,
        stop: float,
    ) -> None:
        P, d = correlations.shape
        self.given, self.which = given, which
        self.n_active, self.stop, self.all = n_active, stop, np.arange(P)
        self.unit = np.ascontiguousarray((1.0 / given.scale)[which].T)
        self.variance = given.variance[which].T * self.unit**2
        self.residual = np.array(correlations.T, float, order="C")
        self.closed = self.variance <= 1e-12 * self.variance.max(axis=0)
        """(d, P): active, or never to join."""
        self.start = np.abs(np.where(self.closed, 0, self.residual)).max(axis=0)
        self.penalty = self.start.copy()
        self.joining = np.ones(P, bool)
        self.running = (self.start > stop) & (self.start > 1e-300)
        self.lost, self.active = np.zeros(P, bool), np.zeros(P, np.int64)
        self.partial = bool((given.place < 0).any())
        """Whether some rows of the Gram matrices are not there."""
        self.slots = {
            "column": np.full((0, P), -1),
            "entered": np.zeros((0, P), np.int64),
            "sign": np.zeros((0, P)),
            "held": np.zeros((0, P)),
            "rows": np.zeros((0, d, P)),
            "inverse": np.zeros((0, 0, P)),
        }
        self._grow(0)

    def to_the_end(self) -> None:
        """Walk until every problem has ended."""
        for step in range(8 * len(self.residual) + 8):
            if not self.running.any():
                return
            self._grow(min(self.n_active, step + 1))
            self._join(step)
            self._move()

    def found(self) -> tuple[FloatArray, IntArray]:
        """Return the coefficients (P, d), and when each component joined."""
        d, P = self.residual.shape
        coefficients, entry = np.zeros((P, d)), np.full((P, d), -1)
        slot, problem = np.nonzero(self.column >= 0)
        coefficients[problem, self.column[slot, problem]] = self.held[slot, problem]
        entry[problem, self.column[slot, problem]] = self.entered[slot, problem]
        return coefficients, entry

    def _grow(self, wanted: int) -> None:
        """Open so many slots: a matter of the step, not of the problems."""
        open_so_far = len(self.slots["sign"])
        if wanted > open_so_far:
            m = min(self.n_active, max(FIRST_SLOTS, 2 * wanted))
            for name, array in self.slots.items():
                rest = (m, *array.shape[2:]) if name == "inverse" else array.shape[1:]
                grown = np.zeros((m, *rest), array.dtype)
                grown[tuple(map(slice, array.shape))] = array
                self.slots[name] = grown
            self.slots["column"][open_so_far:] = -1
        self.column, self.entered = self.slots["column"][:wanted], self.slots["entered"][:wanted]
        self.sign, self.held = self.slots["sign"][:wanted], self.slots["held"][:wanted]
        self.rows = self.slots["rows"][:wanted]
        """The Gram matrix's rows of the slots, (m, d, P)."""
        self.inverse = self.slots["inverse"][:wanted, :wanted]
        """Of the slots' own Gram matrix, (m, m, P)."""

    def _join(self, step: int) -> None:
        """Let the component of the largest correlation join, where the last event asks for it."""
        some = self.running & self.joining
        while some.any():
            size = np.where(self.closed, -1.0, np.abs(self.residual))
            best = size.argmax(axis=0)
            largest = size[best, self.all]
            joins = largest >= 0
            if not joins.all():
                self.running &= ~(some & ~joins & (self.active == 0))
                some = some & joins
            fresh = self._enter(some, best, step)
            self.closed[best[some], self.all[some]] = True
            some = some & ~fresh
            if some.any():
                some &= largest >= self.penalty * (1 - 1e-9)

    def _enter(self, some: BoolArray, best: IntArray, step: int) -> BoolArray:
        """Give ``best`` a slot, bordering the inverse, where the active ones do not explain it."""
        between = self.rows[:, best, self.all]
        solved, own = dot(self.inverse, between), self.variance[best, self.all]
        left = own - dot(between, solved)
        fresh = some & (left > COLLINEAR * own)
        if self.partial:
            lost = fresh & (self.given.place[self.which, best] < 0)
            self.lost |= lost
            self.running &= ~lost
            fresh &= ~lost
        slot = (self.column < 0).argmax(axis=0)
        solved[slot, self.all] = -1.0
        every = bool(fresh.all())
        shrunk = solved / (left if every else np.where(fresh, left, np.inf))
        if self.inverse.size <= IN_ONE:
            self.inverse += shrunk[:, None] * solved
        else:
            for k in range(len(solved)):
                self.inverse[k] += shrunk[k] * solved
        good, which = self.all, self.which
        if not every:
            good = np.flatnonzero(fresh)
            slot, best, which = slot[good], best[good], which[good]
        self.column[slot, good], self.entered[slot, good] = best, step
        self.sign[slot, good] = np.copysign(1.0, self.residual[best, good])
        self.active[good] += 1
        entered = self.given.rows[which, self.given.place[which, best]].T
        if every and (slot == slot[0]).all():
            row = np.multiply(entered, self.unit, out=self.rows[slot[0]])
            row *= self.unit[best, good]
        else:
            scaled = entered * self.unit[:, good] * self.unit[best, good]
            self.rows[slot, :, good] = scaled.T
        return fresh

    def _move(self) -> None:
        """Move along the equiangular direction to the next event: a join, a drop or the end."""
        steps, fall = self._direction()
        drops = np.where(self.held * steps < 0, -self.held / steps, np.inf)
        drop = drops.min(axis=0)
        size = np.minimum(np.minimum(self._until_join(fall), drop), self.penalty - self.stop)
        size[~self.running] = 0.0
        self.held += size * steps
        self.residual -= size * fall
        self.penalty = self.penalty - size
        gone = self.running & (drop <= size)
        if gone.any():
            self._leave(np.flatnonzero(gone), drops)
        ended = self.penalty <= self.stop + NOTHING_LEFT * self.start
        self.joining = ~gone
        if self.stop == 0:
            ended |= (self.active >= self.n_active) & self.joining
        self.running &= ~ended

    def _direction(self) -> tuple[FloatArray, FloatArray]:
        """Return the slots' directions (m, P) and how fast each correlation falls (d, P)."""
        steps, rows = dot(self.inverse, self.sign), self.rows.transpose(1, 0, 2)
        fall = dot(rows, steps)
        missed = np.where(self.column >= 0, self.sign - fall[self.column, self.all], 0.0)
        coarse = np.abs(missed) > IMPRECISE
        if coarse.any():
            more = np.where(coarse.any(axis=0), dot(self.inverse, missed), 0.0)
            steps += more
            fall += dot(rows, more)
        return steps, fall

    def _until_join(self, fall: FloatArray) -> FloatArray:
        """Return how far until a free component's correlation equals the penalty (P,)."""
        nearest = np.minimum(
            met(self.penalty - self.residual, 1.0 - fall),
            met(self.penalty + self.residual, 1.0 + fall),
        )
        np.putmask(nearest, self.closed, np.inf)
        return np.asarray(nearest.min(axis=0))

    def _leave(self, some: IntArray, drops: FloatArray) -> None:
        """Empty the slot that comes to zero first, and take it out of the inverse."""
        slot = drops[:, some].argmin(axis=0)
        self.closed[self.column[slot, some], some] = False
        self.active[some] -= 1
        own = self.inverse[:, slot, some]
        left: FloatArray = self.inverse[:, :, some] - own[:, None] * (
            own / own[slot, range(len(some))]
        )
        left[slot, :, range(len(some))] = 0.0
        left[:, slot, range(len(some))] = 0.0
        self.inverse[:, :, some] = left
        self.column[slot, some] = -1
        self.sign[slot, some] = self.held[slot, some] = 0.0
        self.rows[slot, :, some] = 0.0


def met(room: FloatArray, speed: FloatArray) -> FloatArray:
    """Return when ``room`` is used up; never where the ``speed`` is none."""
    meets: FloatArray = np.maximum(room, 0.0)
    meets /= speed
    np.putmask(meets, speed <= 1e-12, np.inf)
    return meets


def dot(left: FloatArray, right: FloatArray) -> FloatArray:
    """Multiply (m, P) or (a, m, P) by (m, P) over m, in the order of m whatever P is."""
    terms = left if left.ndim == 2 else left.transpose(1, 0, 2)
    if terms.size <= IN_ONE and terms.shape[-1] > 1:  # one number in a row is summed in pairs
        other = right if left.ndim == 2 else right[:, None]
        return np.asarray(np.add.reduce(terms * other, axis=0, initial=0.0))
    total: FloatArray = np.zeros(terms.shape[1:])
    product = np.empty_like(total)
    for one, other in zip(terms, right, strict=True):
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
    return lasso_path(whole(grams, deviation), which, correlations / deviation[which], n).entry >= 0


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
