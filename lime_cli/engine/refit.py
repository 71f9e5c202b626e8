"""Least squares on chosen components, from Gram matrices, many problems in step."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray

CONDITIONING = 1e-9
"""Ridge of the refit relative to the mean variance of a component: for conditioning only, and
refined away by one more solve wherever the system allows."""


def refit(
    grams: FloatArray,
    which: IntArray,
    correlations: FloatArray,
    chosen: BoolArray,
    ridge: FloatArray,
) -> FloatArray:
    """Solve least squares with an L2 penalty (P,) on the chosen components: (P, d)."""
    count = chosen.sum(axis=1)
    columns = np.argsort(~chosen, axis=1, kind="stable")[:, : max(1, count.max(initial=0))]
    valid = np.arange(columns.shape[1]) < count[:, None]
    block = grams[which[:, None, None], columns[:, :, None], columns[:, None, :]]
    unit = np.eye(columns.shape[1])
    exact = (
        np.where(valid[:, :, None] & valid[:, None, :], block, 0.0) + unit * ridge[:, None, None]
    )
    level = CONDITIONING * np.einsum("gii->g", grams)[which] / grams.shape[1]
    system = exact + unit * np.where(level > 0, level, 1.0)[:, None, None]
    wanted = np.where(valid, np.take_along_axis(correlations, columns, axis=1), 0.0)[:, :, None]
    solved = np.linalg.solve(system, wanted)
    solved = (solved + np.linalg.solve(system, wanted - exact @ solved))[:, :, 0]
    coefficients = np.zeros_like(correlations)
    np.put_along_axis(coefficients, columns, np.where(valid, solved, 0.0), axis=1)
    return coefficients
