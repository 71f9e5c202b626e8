"""Solve many small symmetric systems in step, none of which feels how many others there are.

Up to SMALL unknowns, elimination runs over all systems at once, number by number; LAPACK, one
system after the other, is faster above.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lime_cli.engine.arrays import FloatArray

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
