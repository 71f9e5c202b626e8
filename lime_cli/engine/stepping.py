"""Arithmetic of many walks in step: number by number, so that none feels how many there are."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.arrays import FloatArray


def met(room: FloatArray, speed: FloatArray) -> FloatArray:
    """Return when ``room`` is used up; never where the ``speed`` is none."""
    meets: FloatArray = np.maximum(room, 0.0)
    meets /= speed
    late = speed <= 1e-12
    if late.any():
        meets[late] = np.inf
    return meets


def dot(left: FloatArray, right: FloatArray) -> FloatArray:
    """Multiply (m, P) or (a, m, P) by (m, P) over m, in the order of m whatever P is."""
    terms = left if left.ndim == 2 else left.transpose(1, 0, 2)
    total: FloatArray = np.zeros(terms.shape[1:])
    product = np.empty_like(total)
    for one, other in zip(terms, right, strict=True):
        total += np.multiply(one, other, out=product)
    return total
