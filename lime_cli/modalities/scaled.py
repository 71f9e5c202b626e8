"""A row whose numbers are not cut into bins: weights are slopes, by standard deviations.

Samples are drawn as for bins: every column a value that the background holds, so that all rows
share them and what the model says to them. A number's component is 1 + (x - own) / s, with s the
background's standard deviation: 1 at the row, one more for every s above it. So the weight is
what the surrogate adds per s, and the weights and the intercept still add up to the row's local
prediction. The distance is Euclidean in these units, a level that goes counts as 1 away; the
kernel width is 0.75 sqrt(d), as for bins. A value that is missing in a sample counts as the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from lime_cli.engine.instance import Component, FloatArray, IntArray
from lime_cli.modalities.feature import Feature, is_missing
from lime_cli.modalities.groups import Single
from lime_cli.modalities.row import RowInstance


class ScaledRow(RowInstance):
    """A row whose numbers count by size."""

    distance = "standardised"

    @property
    def pool(self) -> str:
        """Name the background, cut by nothing, and what of the row itself is in every sample."""
        return f"{super().pool}:uncut"

    @cached_property
    def components(self) -> Sequence[Component]:
        """As with bins, but a number's is a step of a standard deviation."""
        found = list(super().components)
        for i, feature, _ in self._numbers():
            step = moments_of(feature)[1]
            name = f"{feature.name} + {step:.4g}{' days' if feature.date else ''}"
            found[i] = replace(found[i], name=name, step=step)
        return tuple(found)

    def interpretable(self, codes: IntArray) -> FloatArray:  # type: ignore[override]
        """Return (n, d): 1 where a level stays, else 0; of numbers, steps from the row's own."""
        found = super().interpretable(codes).astype(np.float64)
        for i, feature, own in self._numbers():
            mean, step = moments_of(feature)
            sizes = np.where(np.isnan(feature.sizes), mean, feature.sizes)
            column = self.background.varying[i]
            found[:, i] = 1.0 + (sizes[codes[:, column]] - own) / step
        return found

    def _numbers(self) -> Iterator[tuple[int, Feature, float]]:
        """Yield which component is a number that the row has, with its column and its size."""
        for i, drawn in enumerate(self.background.varying):
            part = self.background.drawn[drawn]
            if not isinstance(part, Single) or not part.feature.numeric:
                continue
            value = self.values[part.places[0]]
            if not is_missing(value) and moments_of(part.feature)[1] > 0:
                yield i, part.feature, part.feature.size(value)


def moments_of(feature: Feature) -> tuple[float, float]:
    """Return mean and standard deviation of the background's values, missing ones aside."""
    known = ~np.isnan(feature.sizes)
    sizes, shares = feature.sizes[known], feature.shares[known] / feature.shares[known].sum()
    mean = float(shares @ sizes)
    return mean, float(np.sqrt(shares @ (sizes - mean) ** 2))
