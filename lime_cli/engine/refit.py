"""Least squares on chosen components, from Gram matrices, many problems in step."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.engine.solving import factorised

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
