"""One column of a background: its values, how often each occurs, which bin each lies in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Column, FloatArray, IntArray
from lime_cli.modalities.dates import date_of, days_of


@dataclass(frozen=True, eq=False)
class Feature:
    """One column: its different values, how often each occurs, and which bin each lies in."""

    name: str
    numeric: bool
    """Whether values are compared by size (bins) or by identity (levels)."""
    values: NDArray[Any]
    """(levels,) ascending, a missing value last: int64, float64, bool, or object: str, None."""
    shares: FloatArray
    """(levels,) of the background's rows; sums to one."""
    bins: IntArray
    """(levels,)"""
    cuts: FloatArray
    """(bins - 1,) ascending, missing values aside; a value equal to a cut lies below it."""
    capped: bool = False
    """Whether the largest value is a cut point too, with nothing observed above it."""
    date: bool = False
    """Whether values are dates as the file spells them; where numeric, compared as days."""

    @cached_property
    def constant(self) -> bool:
        """Whether the background holds a single value."""
        return len(self.values) == 1

    @cached_property
    def place(self) -> Column:
        """Where a component of this column is."""
        return Column(self.name)

    @cached_property
    def holds_truth(self) -> bool:
        """Whether words among the values are read as truth values where they are such."""
        return any(isinstance(level, bool) for level in self.values.tolist())

    @cached_property
    def gaps(self) -> bool:
        """Whether the background lacks a value somewhere."""
        return is_missing(self.values[-1])

    @cached_property
    def sizes(self) -> FloatArray:
        """The values as they are compared, (levels,), a missing one as NaN; of numbers and days."""
        if self.values.dtype.kind in "ifb":
            return self.values.astype(np.float64)
        found: FloatArray = np.array(
            [np.nan if is_missing(one) else self.size(one) for one in self.values.tolist()]
        )
        return found

    @property
    def spelled(self) -> list[str]:
        """The values in words that tell them apart."""
        values = self.values.tolist()
        return list(map(told_apart if self.values.dtype.kind == "f" else str, values))

    @cached_property
    def level_of(self) -> dict[Any, int]:
        """Place of each value among the values; a missing one is None."""
        return {
            None if is_missing(value) else value: i for i, value in enumerate(self.values.tolist())
        }

    def size(self, value: Any) -> float:
        """Return what a value is compared by: a number itself, the days of a date."""
        return float(days_of(value) or 0.0) if self.date else float(value)

    def bin_of(self, value: Any) -> int:
        """Return the bin of a value; -1 for a level the background does not know."""
        if is_missing(value):
            return self._missing_bin
        if self.numeric:
            return bisect_left(self._cuts, self.size(value))
        return self._bin_of_level.get(value, -1)

    def condition(self, value: Any) -> str:
        """Say what a value's bin means: ``3.2 < petal length <= 4.5``, ``hair = 1``."""
        if is_missing(value):
            return f"{self.name} is missing"
        if not self.numeric or not self._cuts:
            return f"{self.name} = {spelled(value)}"
        return self._conditions[bisect_left(self._cuts, self.size(value))]

    def outside(self, value: Any) -> bool:
        """Tell whether a number lies beyond everything the background holds."""
        if not self.numeric or is_missing(value):
            return False
        low, high = self.range
        return bool(self.size(value) < low or self.size(value) > high)

    def column(self, values: Sequence[Any]) -> NDArray[Any]:
        """Return values in the column's own type, or one that holds what was never seen."""
        types = {type(value) for value in values}
        own = self.values.dtype
        if own.kind not in "Of" and not types <= {bool, int}:
            own = np.dtype(np.float64 if types <= {bool, int, float} else object)
        return np.array(values, dtype=own)

    def without_gaps(self) -> Feature:
        """Return the column as if it had no missing values; one that has nothing else as it is."""
        if not self.gaps or self.constant:
            return self
        values = self.values[:-1]
        if values.dtype.kind == "f" and bool((values == np.floor(values)).all()):
            values = values.astype(np.int64)
        shares = self.shares[:-1] / self.shares[:-1].sum()
        return replace(self, values=values, shares=shares, bins=self.bins[:-1])

    @cached_property
    def _missing_bin(self) -> int:
        return int(self.bins[-1]) if self.gaps else -1

    @cached_property
    def _cuts(self) -> list[float]:
        found: list[float] = self.cuts.tolist()
        return found

    @cached_property
    def _bin_of_level(self) -> dict[Any, int]:
        pairs = zip(self.values.tolist(), self.bins.tolist(), strict=True)
        return dict(reversed(list(pairs)))

    @cached_property
    def _conditions(self) -> list[str]:
        """Say what each bin means."""
        edges = [date_of(cut) if self.date else _edge(cut) for cut in self._cuts]
        between = [f"{low} < {self.name} <= {high}" for low, high in pairwise(edges)]
        return [f"{self.name} <= {edges[0]}", *between, f"{self.name} > {edges[-1]}"]

    @cached_property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest number or day."""
        sizes = self.sizes
        return float(np.nanmin(sizes)), float(np.nanmax(sizes))


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for none: None or NaN."""
    return value is None or value != value


def spelled(value: Any) -> str:
    """Write a value as a person would: ``1``, ``0.25``, ``True``, ``salaried``."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def told_apart(value: float) -> str:
    """Write a number as ``spelled`` does, in full where six digits are not all it has."""
    if 1e-4 <= abs(value) < 1e6 and not value.is_integer():
        return repr(value)  # what six digits would be too, if they are all
    said = spelled(value)
    return said if value != value or float(said) == value else repr(value)


def _edge(cut: float) -> str:
    """Write a cut point to four digits, large ones in full."""
    return f"{cut:.0f}" if 1e4 <= abs(cut) < 1e15 else f"{cut:.4g}"
