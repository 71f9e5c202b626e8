"""The weighted LASSO path from Gram matrices, many problems in step.

Problem p minimises ½ b'Gb - c'b + penalty |b|₁ with a Gram matrix G (d, d) and a correlation
vector c (d,): the weighted LASSO once G = Z'PZ / sum(P) and c = Z'Py / sum(P) of centred data. The
path is that of least angle regression with the LASSO's drops (Efron, Hastie, Johnstone &
Tibshirani 2004, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray

COLLINEAR = 1e-9
"""A component this much explained by the active ones, in units of its own variance, never joins."""
NOTHING_LEFT = 1e-10
"""The path ends when the penalty is this small against its start."""


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
) -> Path:
    """Walk every problem's path down to ``penalty``, or to the first knot with ``n_active``
    components.

    ``grams`` is (g, d, d), ``which`` (P,) says which of them problem p uses, ``correlations`` is
    (P, d). Components without variance, or explained by the active ones, never join.
    """
    walk = _Walk(grams, which, correlations, min(n_active, correlations.shape[1]), penalty)
    for step in range(8 * correlations.shape[1] + 8):
        if not walk.running.any():
            break
        walk.join(step)
        walk.move()
    return Path(walk.coefficients, np.where(walk.active, walk.entry, -1))


class _Walk:
    """The state of all walks; arrays are (P,) or (P, d)."""

    def __init__(
        self,
        grams: FloatArray,
        which: IntArray,
        correlations: FloatArray,
        n_active: int,
        stop: float,
    ) -> None:
        self.grams, self.which, self.n_active, self.stop = grams, which, n_active, stop
        self.variance = np.einsum("gii->gi", grams)[which]
        self.residual = np.array(correlations, float)
        self.coefficients = np.zeros_like(self.residual)
        self.active = np.zeros(self.residual.shape, bool)
        self.barred = self.variance <= 1e-12 * self.variance.max(axis=1, keepdims=True)
        self.sign = np.zeros_like(self.residual)
        self.entry = np.full(self.residual.shape, -1)
        self.start = np.abs(np.where(self.barred, 0, self.residual)).max(axis=1)
        self.penalty = self.start.copy()
        self.joining = np.ones(len(which), bool)
        self.running = (self.start > stop) & (self.start > 1e-300)

    def join(self, step: int) -> None:
        """Let the component of the largest correlation join, where the last event asks for it."""
        rows = np.flatnonzero(self.running & self.joining)
        while len(rows):
            free = ~(self.active[rows] | self.barred[rows])
            size = np.where(free, np.abs(self.residual[rows]), -1.0)
            best = size.argmax(axis=1)
            found = size.max(axis=1) >= 0
            self.running[rows[~found & ~self.active[rows].any(axis=1)]] = False
            rows, best = rows[found], best[found]
            fresh = self._left_over(rows, best) > COLLINEAR * self.variance[rows, best]
            self.barred[rows[~fresh], best[~fresh]] = True
            good, chosen = rows[fresh], best[fresh]
            self.active[good, chosen] = True
            self.sign[good, chosen] = np.sign(self.residual[good, chosen])
            self.entry[good, chosen] = step
            tied = np.abs(self.residual[rows, best]) >= self.penalty[rows] * (1 - 1e-9)
            rows = rows[~fresh & tied]

    def move(self) -> None:
        """Move along the equiangular direction to the next event: a join, a drop or the end."""
        rows = np.flatnonzero(self.running)
        direction, fall = self._direction(rows)
        joins = self._until_join(rows, fall)
        drops = self._until_drop(rows, direction)
        ends = self.penalty[rows] - self.stop
        step = np.minimum(np.minimum(joins.min(axis=1), drops.min(axis=1)), ends)
        self.coefficients[rows] += step[:, None] * direction
        self.residual[rows] -= step[:, None] * fall
        self.penalty[rows] -= step
        drop = drops.min(axis=1) <= step
        gone, column = rows[drop], drops[drop].argmin(axis=1)
        self.active[gone, column] = False
        self.coefficients[gone, column] = 0.0
        full = self.active[rows].sum(axis=1) >= self.n_active
        ended = self.penalty[rows] <= self.stop + NOTHING_LEFT * self.start[rows]
        self.joining[rows] = ~drop
        self.running[rows] = ~(ended | (full & ~drop & (self.stop == 0)))

    def _direction(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the direction (rows, d) and how fast each correlation falls along it (rows, d)."""
        columns, valid = self._active_columns(rows)
        system = self._system(rows, columns, valid)
        signs = np.where(valid, np.take_along_axis(self.sign[rows], columns, axis=1), 0.0)
        solved = np.linalg.solve(system, signs[:, :, None])[:, :, 0]
        direction = np.zeros((len(rows), self.residual.shape[1]))
        np.put_along_axis(direction, columns, np.where(valid, solved, 0.0), axis=1)
        between = self.grams[self.which[rows][:, None], columns]
        return direction, np.einsum("pm,pmd->pd", np.where(valid, solved, 0.0), between)

    def _until_join(self, rows: IntArray, fall: FloatArray) -> FloatArray:
        """Return how far until each free component's correlation equals the penalty (rows, d)."""
        free = ~(self.active[rows] | self.barred[rows])
        distance = np.full(fall.shape, np.inf)
        for sign in (1.0, -1.0):
            speed = 1.0 - sign * fall
            room = np.maximum(self.penalty[rows][:, None] - sign * self.residual[rows], 0.0)
            meets = np.divide(room, speed, out=np.full(fall.shape, np.inf), where=speed > 1e-12)
            distance = np.minimum(distance, meets)
        return np.asarray(np.where(free, distance, np.inf))

    def _until_drop(self, rows: IntArray, direction: FloatArray) -> FloatArray:
        """Return how far until each active coefficient is zero (rows, d)."""
        shrinking = self.active[rows] & (self.coefficients[rows] * direction < 0)
        distance = np.full(direction.shape, np.inf)
        np.divide(-self.coefficients[rows], direction, out=distance, where=shrinking)
        return distance

    def _left_over(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """Return the variance of one component per problem that its active ones do not explain."""
        own: FloatArray = self.variance[rows, columns]
        if not len(rows) or not self.active[rows].any():
            return own
        others, valid = self._active_columns(rows)
        grams = self.which[rows]
        cross = np.where(valid, self.grams[grams[:, None], others, columns[:, None]], 0.0)
        solved = np.linalg.solve(self._system(rows, others, valid), cross[:, :, None])[:, :, 0]
        return np.asarray(own - (cross * solved).sum(axis=1))

    def _active_columns(self, rows: IntArray) -> tuple[IntArray, BoolArray]:
        """Return the active columns (rows, m), padded, and which entries are no padding."""
        count = self.active[rows].sum(axis=1)
        columns = np.argsort(~self.active[rows], axis=1, kind="stable")[:, : max(1, count.max())]
        return columns, np.arange(columns.shape[1]) < count[:, None]

    def _system(self, rows: IntArray, columns: IntArray, valid: BoolArray) -> FloatArray:
        """Return the Gram matrices of the given columns (rows, m, m), the identity where padded."""
        grams = self.which[rows][:, None, None]
        block = self.grams[grams, columns[:, :, None], columns[:, None, :]]
        both = valid[:, :, None] & valid[:, None, :]
        return np.where(both, block, np.eye(columns.shape[1]))
