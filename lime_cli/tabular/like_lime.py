"""marcotcr/lime's own samples of a table: bins and frequencies, truncated normals inside bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Column, Component
from lime_cli.engine.like_lime import LimeSamples
from lime_cli.engine.model import FloatArray, IntArray, Model
from lime_cli.engine.predictions import Question, put
from lime_cli.errors import InputError, SettingsError
from lime_cli.settings import Settings
from lime_cli.tabular.groups import Feature
from lime_cli.tabular.row import RowInstance


class BinnedPredictions(NamedTuple):
    """What a model says of the samples of a table."""

    codes: IntArray
    """(n - 1, columns): the bin or level of every value."""
    predictions: FloatArray
    """(n - 1, k)"""


TINY_SPREAD = 1e-11
"""Added to the standard deviation of every bin."""


@dataclass(frozen=True, eq=False)
class LearnedColumn:
    """One column: its codes (bins or levels), how often each occurs, and what is in each bin."""

    feature: Feature
    counts: IntArray
    """(levels,): rows of the background with each value."""
    cuts: FloatArray
    codes: IntArray
    """Those that occur, ascending."""
    frequencies: FloatArray

    @classmethod
    def of(cls, feature: Feature, n_rows: int) -> LearnedColumn:
        """Learn a column; for numbers, without missing ones."""
        counts = np.rint(feature.frequencies * n_rows).astype(np.int64)
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
            np.array([values.mean() if len(values) else 0.0 for values in inside]),
            np.array([values.std() if len(values) else 0.0 for values in inside]) + TINY_SPREAD,
        )


SEEDS = 0x7FFFFFFF
"""Every tree that cuts entropy bins draws a seed below this from the stream of the samples."""
MISSING = "marcotcr/lime does not support missing numbers"


def samples_of_row(
    row: RowInstance, model: Model, settings: Settings, predicted: dict[str, BinnedPredictions]
) -> LimeSamples:
    """Draw around a row; every column is a component, those that never vary too.

    Samples do not depend on the row, so ``predicted`` keeps them for all rows of a background.
    Raises SettingsError for a background, InputError for a row that lacks a number.
    """
    _check_complete(row)
    pairs = list(zip(row.background.features, row.values, strict=True))
    learned = [LearnedColumn.of(feature, row.background.n_rows) for feature, _ in pairs]
    pool = f"like-lime:{row.pool}"
    if pool not in predicted:
        predicted[pool] = _binned_predictions(row, learned, model, settings)
    codes, predictions = predicted[pool]
    own = [column.code_of(value) for column, value in zip(learned, row.values, strict=True)]
    data = np.vstack([np.ones(len(own)), codes == np.array(own)]).astype(np.float64)
    components = tuple(
        Component(feature.label(value), value, Column(feature.name, feature.condition(value)))
        for feature, value in pairs
    )
    return LimeSamples(components, data, predictions)


def _check_complete(row: RowInstance) -> None:
    for feature, value in zip(row.background.features, row.values, strict=True):
        if not feature.numeric:
            continue
        if feature.values[-1] != feature.values[-1]:
            raise SettingsError(
                f"--like-lime: {row.background.source}: column {feature.name!r} has gaps, "
                f"and {MISSING}",
                "fill them, or leave the column out with --drop",
            )
        if value is None or value != value:
            raise InputError(f"{row.subject.source}: {feature.name!r} is empty, and {MISSING}")


def _binned_predictions(
    row: RowInstance, learned: list[LearnedColumn], model: Model, settings: Settings
) -> BinnedPredictions:
    """Draw every column's bin or level, the first draw for the instance; then numbers in bins."""
    rng = np.random.RandomState(settings.seed)
    if row.background.bins == "entropy":
        for _ in (column for column in learned if column.numeric):
            rng.randint(0, SEEDS)
    n = settings.samples
    codes = np.stack([column.draw(n, rng) for column in learned], axis=1)[1:]
    columns = [column.undiscretized(codes[:, j], rng) for j, column in enumerate(learned)]
    return BinnedPredictions(codes, _predicted(row, model, columns, settings))


def _predicted(
    row: RowInstance, model: Model, columns: list[NDArray[Any]], settings: Settings
) -> FloatArray:
    """Return the model's predictions to rows given by their columns, (rows, k)."""
    question = Question(
        row,
        len(columns[0]),
        lambda start, n: row.table([column[start : start + n] for column in columns]),
    )
    return put(question, model, settings)
