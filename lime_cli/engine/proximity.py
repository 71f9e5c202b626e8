"""How far a sample is from the instance, and how much it counts for that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, Instance, IntArray
from lime_cli.settings import Settings


class Distance(NamedTuple):
    """A distance from the number of components gone, and the kernel width that goes with it."""

    default_width: float
    per_root_component: bool

    def width(self, d: int) -> float:
        """Return the default kernel width for d components."""
        return self.default_width * (np.sqrt(d) if self.per_root_component else 1.0)

    def of(self, gone: IntArray, d: int) -> FloatArray:
        """Return the distance of samples with ``gone`` of d components gone."""
        if self.per_root_component:
            return np.asarray(np.sqrt(gone), float)
        return np.asarray(1.0 - np.sqrt((d - gone) / d), float)


DISTANCES = {
    "euclidean": Distance(0.75, per_root_component=True),
    "cosine": Distance(0.25, per_root_component=False),
    "standardised": Distance(0.75, per_root_component=True),
}
"""Of a mask to the full mask: square root of the number gone; one minus the cosine. Standardised
is Euclidean too, where components count by size."""

NARROWEST = 1e-100
"""A kernel width whose square is still a number: none of the samples counts as it is."""


def proximity_of(instance: Instance, settings: Settings) -> FloatArray:
    """Return the kernel (d + 1,) by the number of components gone.

    It is exp(-D² / (2 w²)) of the distance in the interpretable space (Ribeiro et al. 2016, section
    3.4, with marcotcr/lime's factor 2).
    """
    d = len(instance.components)
    distance = DISTANCES[instance.distance].of(np.arange(d + 1), d)
    return np.asarray(np.exp(-(distance**2) / (2 * width_of(instance, settings) ** 2)))


def proximity_at(
    instance: Instance, settings: Settings, kept: BoolArray | FloatArray
) -> FloatArray:
    """Return the kernel (n,) of interpretable rows (n, d); of floats, by distance."""
    if kept.dtype == np.bool_:
        gone: IntArray = kept.shape[1] - kept.sum(axis=1)
        return np.asarray(proximity_of(instance, settings)[gone])
    away = ((1.0 - kept) ** 2).sum(axis=1)
    return np.asarray(np.exp(-away / (2 * width_of(instance, settings) ** 2)))


def width_of(instance: Instance, settings: Settings) -> float:
    """Return the kernel width asked for, or the distance's own."""
    d = len(instance.components)
    return max(NARROWEST, float(settings.kernel_width or DISTANCES[instance.distance].width(d)))
