"""Gram matrices as a path reads them: row by row, some of which may not be there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lime_cli.engine.arrays import FloatArray, IntArray


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
