"""In which bins the values of a row lie, all columns of a background at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lime_cli.engine.encoding import ColumnLaw
from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.levels import Levels
from lime_cli.modalities.background import Background
from lime_cli.modalities.feature import Feature
from lime_cli.modalities.groups import Part, Single


@dataclass(frozen=True, eq=False)
class Binning:
    """Number columns side by side, m of them, and the others, which are looked up one by one."""

    places: list[int]
    """Of the numbers among all columns."""
    cuts: FloatArray
    """(m, most cuts): ascending, filled up with infinity."""
    gaps: IntArray
    """(m,): the bin of a missing number."""
    ranges: FloatArray
    """(2, m): the smallest and the largest number of the background."""
    others: tuple[tuple[int, Feature], ...]

    def lies(self, values: Sequence[Any]) -> tuple[IntArray, BoolArray]:
        """Return each value's bin (columns,), -1 for an unknown one, and which lie outside."""
        n = len(self.places) + len(self.others)
        bins, outside = np.empty(n, np.int64), np.zeros(n, bool)
        places = self.places
        sizes = np.array([values[place] for place in places], np.float64)
        inside = (self.cuts < sizes[:, None]).sum(axis=1)
        bins[places] = np.where(np.isnan(sizes), self.gaps, inside)
        outside[places] = (sizes < self.ranges[0]) | (sizes > self.ranges[1])
        for place, feature in self.others:
            bins[place], outside[place] = (
                feature.bin_of(values[place]),
                feature.outside(values[place]),
            )
        return bins, outside


@lru_cache(maxsize=8)
def binning_of(background: Background) -> Binning:
    """Lay the columns of a background side by side."""
    features = list(enumerate(background.features))
    numbers = [(place, one) for place, one in features if one.numeric and not one.date]
    width = max((len(one.cuts) for _, one in numbers), default=0)
    cuts = np.full((len(numbers), width), np.inf)
    for own, (_, one) in zip(cuts, numbers, strict=True):
        own[: len(one.cuts)] = one.cuts
    return Binning(
        places=[place for place, _ in numbers],
        cuts=cuts,
        gaps=np.array([one.bin_of(None) for _, one in numbers], np.int64),
        ranges=np.array([one.range for _, one in numbers]).reshape(-1, 2).T,
        others=tuple((place, one) for place, one in features if not one.numeric or one.date),
    )


@lru_cache(maxsize=8)
def laws_of(background: Background) -> tuple[ColumnLaw, ...]:
    """Return how what varies of the columns is drawn."""
    parts = (background.drawn[i] for i in background.varying)
    return tuple(ColumnLaw(one.shares, one.bins, one.sizes) for one in parts)


@lru_cache(maxsize=8)
def varying_of(background: Background) -> tuple[IntArray, tuple[tuple[int, Part], ...]]:
    """Return the first column of whatever varies, and which of that are groups of columns."""
    parts = [background.drawn[i] for i in background.varying]
    groups = ((i, part) for i, part in enumerate(parts) if not isinstance(part, Single))
    return np.array([part.places[0] for part in parts], np.int64), tuple(groups)


@lru_cache(maxsize=8)
def levels_of(background: Background) -> tuple[Levels, ...]:
    """Return the levels of all columns drawn."""
    return tuple(Levels(one.shares) for one in background.drawn)


@lru_cache(maxsize=8)
def bins_of(background: Background) -> tuple[IntArray, ...]:
    """Return in which bin each level of what varies lies, in the smallest type that holds it."""
    bins = [background.drawn[i].bins for i in background.varying]
    return tuple(one.astype(np.min_scalar_type(int(one.max(initial=0)))) for one in bins)
