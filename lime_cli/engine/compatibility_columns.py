"""What marcotcr/lime learns from one column of training data, and how it draws from that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import FloatArray, IntArray

TINY_SPREAD = 1e-11
"""Added to the standard deviation of every bin."""


class Feature(Protocol):
    """A column of a background, as ``modalities.background`` has it."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    @property
    def numeric(self) -> bool:
        """Whether its values are cut into bins."""
        ...

    @property
    def values(self) -> NDArray[Any]:
        """(levels,): its different values, ascending."""
        ...

    @property
    def shares(self) -> FloatArray:
        """(levels,): of the background's rows."""
        ...

    @property
    def cuts(self) -> FloatArray:
        """Ascending, below the largest value; a value equal to a cut lies below it."""
        ...

    @property
    def capped(self) -> bool:
        """Whether the largest value is a cut point too."""
        ...

    def bin_of(self, value: Any) -> int:
        """Return the place of a level; -1 for one that the background does not know."""
        ...

    def condition(self, value: Any) -> str:
        """Say what a value's bin means."""
        ...


@dataclass(frozen=True, eq=False)
class Learned:
    """One column: its codes (bins or levels), how often each occurs, and what is in each bin."""

    feature: Feature
    counts: IntArray
    """(levels,): rows of the background with each value."""
    cuts: FloatArray
    codes: IntArray
    """Those that occur, ascending."""
    frequencies: FloatArray

    @classmethod
    def of(cls, feature: Feature, n_rows: int) -> Learned:
        """Learn a column; for numbers, without missing ones."""
        counts = np.rint(feature.shares * n_rows).astype(np.int64)
        if not feature.numeric:
            codes = np.arange(len(counts))
            return cls(feature, counts, np.empty(0), codes, counts / float(counts.sum()))
        cuts = feature.cuts
        if feature.capped:
            cuts = np.append(cuts, float(feature.values[-1]))
        codes, places = np.unique(np.searchsorted(cuts, feature.values), return_inverse=True)
        in_bin = np.bincount(places, counts)
        return cls(feature, counts, cuts, codes, in_bin / float(in_bin.sum()))

    @property
    def numeric(self) -> bool:
        """Whether codes are bins."""
        return self.feature.numeric

    def code_of(self, value: Any) -> int:
        """Return the code of a value; -1 for an unknown level."""
        if self.numeric:
            return int(np.searchsorted(self.cuts, value))
        return self.feature.bin_of(value)

    def draw(self, n: int, rng: np.random.RandomState) -> IntArray:
        """Draw n codes by their frequencies."""
        return rng.choice(self.codes, size=n, replace=True, p=self.frequencies)

    def undiscretized(self, codes: IntArray, rng: np.random.RandomState) -> NDArray[Any]:
        """Return a value for each code: the level, or a number from the bin's truncated normal.

        In a bin whose edges coincide the number is the edge's standard score, about 0, and not
        the edge: a fault of lime that its users' numbers hold.
        """
        if not self.numeric:
            return self.feature.values[codes]
        from scipy.stats import truncnorm

        low, high, mean, spread = (part[codes] for part in self._bins())
        low, high = (low - mean) / spread, (high - mean) / spread
        wide = low != high
        if wide.any():
            low[wide] = truncnorm.rvs(
                low[wide], high[wide], loc=mean[wide], scale=spread[wide], random_state=rng
            )
        return low

    def centre_and_scale(self) -> tuple[float, float]:
        """Return mean and standard deviation, 1 for none; those of a level are 0 and 1."""
        if not self.numeric:
            return 0.0, 1.0
        rows = self._rows()
        mean, variance, tiny = rows.mean(), rows.var(), np.finfo(np.float64).eps
        rounding = len(rows) * tiny * variance + (len(rows) * mean * tiny) ** 2
        return float(mean), 1.0 if variance <= rounding else float(np.sqrt(variance))

    def _rows(self) -> FloatArray:
        return np.repeat(self.feature.values.astype(np.float64), self.counts)

    def _bins(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return edges, mean and spread of every bin, (bins,) each."""
        rows = self._rows()
        place = np.searchsorted(self.cuts, rows)
        inside = [rows[place == code] for code in range(len(self.cuts) + 1)]
        return (
            np.append(rows[0], self.cuts),
            np.append(self.cuts, rows[-1]),
            np.array([one.mean() if len(one) else 0.0 for one in inside]),
            np.array([one.std() if len(one) else 0.0 for one in inside]) + TINY_SPREAD,
        )
