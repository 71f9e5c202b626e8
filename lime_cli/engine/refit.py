"""Least squares on chosen components, from Gram matrices, many problems in step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray

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
