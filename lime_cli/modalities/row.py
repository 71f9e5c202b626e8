"""A row of a table as an instance: which columns stay in their bin, what replaces the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.digests import digest_of
from lime_cli.engine import designs
from lime_cli.engine.encoding import ColumnLaw
from lime_cli.engine.instance import (
    BoolArray,
    Caveat,
    Component,
    Design,
    IntArray,
    Samples,
    Skipped,
    Subject,
)
from lime_cli.modalities import Source
from lime_cli.modalities.background import Background
from lime_cli.modalities.feature import Feature, is_missing, spelled
from lime_cli.modalities.tables import Table


@dataclass(frozen=True, eq=False)
class RowInstance:
    """A row; it shares its samples with every other row of the same background."""

    source: Source
    background: Background
    values: tuple[Any, ...]
    read_caveats: tuple[Caveat, ...]

    shared = True
    distance = "euclidean"
    design = "sobol"

    @property
    def pool(self) -> str:
        """Name the background: samples depend on nothing else."""
        return f"table:{self.background.digest}"

    @property
    def input_bytes(self) -> int:
        """Count 8 bytes for a number, 64 for a word."""
        kinds = [feature.values.dtype.kind for feature in self.background.features]
        return sum(64 if kind == "O" else 8 for kind in kinds)

    @property
    def subject(self) -> Subject:
        """The row with its values and where its replacements come from."""
        values = {
            feature.name: None if is_missing(value) else value
            for feature, value in zip(self.background.features, self.values, strict=True)
        }
        facts = {
            "row": self.source.row,
            "values": values,
            "background": {
                "source": self.background.source,
                "digest": self.background.digest,
                "rows": self.background.n_rows,
                "bins": self.background.bins,
            },
        }
        words = "\x1f".join(f"{name}\x1e{value!r}" for name, value in values.items())
        name = Path(self.source.path).name
        return Subject(self.source.id, "tabular", name, digest_of(words.encode()), facts)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """One for each column that varies."""
        return tuple(
            Component(feature.condition(value), None if is_missing(value) else value, feature.place)
            for feature, value in self._pairs()
            if not feature.constant
        )

    @cached_property
    def own_bins(self) -> IntArray:
        """The bin of each column that varies; -1 for one that no sample lies in."""
        return np.array(
            [one.bin_of(value) for one, value in self._pairs() if not one.constant], np.int64
        )

    @property
    def laws(self) -> tuple[ColumnLaw, ...]:
        """How the columns that vary are drawn."""
        return _laws(self.background)

    def drawn(self, codes: IntArray) -> IntArray:
        """Return the level numbers (n, d) of the columns that vary."""
        return codes[:, [not one.constant for one in self.background.features]]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Columns that hold one value in the whole background."""
        return tuple(
            Skipped(one.name, "constant in the background")
            for one in self.background.features
            if one.constant
        )

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """Values that the background has never seen."""
        found = list(self.read_caveats)
        for feature, value in self._pairs():
            if feature.bin_of(value) < 0:
                found.append(
                    Caveat(
                        "unseen_category",
                        f"{feature.name} = {spelled(value)} does not occur in the background",
                    )
                )
            elif feature.outside(value):
                found.append(
                    Caveat(
                        "outside_background",
                        f"{feature.name} = {spelled(value)} lies outside the background's values",
                    )
                )
        return tuple(found)

    def n_exhaustive(self) -> float:
        """Count the combinations of all observed values."""
        return designs.n_levels([feature.shares for feature in self.background.features])

    def sample(self, n: int, design: Design | None, rng: np.random.Generator) -> Samples:
        """Draw every column's value from the background, independently; codes are level numbers."""
        return designs.levels(n, [one.shares for one in self.background.features], design, rng)

    def bins(self, codes: IntArray) -> IntArray:
        """Return the bin (n, d) of every value drawn in every column that varies."""
        features = enumerate(self.background.features)
        return np.stack([one.bins[codes[:, j]] for j, one in features if not one.constant], axis=1)

    def interpretable(self, codes: IntArray) -> BoolArray:
        """Return (n, d): 1 where a value lies in the bin of the row's own."""
        return np.asarray(self.bins(codes) == self.own_bins)

    def model_inputs(self, codes: IntArray) -> Table:
        """Return n rows of observed values."""
        features = self.background.features
        return self.table([feature.values[codes[:, j]] for j, feature in enumerate(features)])

    def table(self, columns: Sequence[NDArray[Any]]) -> Table:
        """Return rows of any values, given as a column for each feature."""
        return Table(tuple(feature.name for feature in self.background.features), tuple(columns))

    def original(self) -> Table:
        """Return the row itself."""
        return self.originals([self])

    def originals(self, instances: Sequence[RowInstance]) -> Table:
        """Return rows of this background as one batch."""
        columns = zip(*(one.values for one in instances), strict=True)
        features = self.background.features
        return self.table(
            [_column(feature, values) for feature, values in zip(features, columns, strict=True)]
        )

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> Table:
        """Return rows that keep these of the row's values, (n, d), others from other bins."""
        stays = iter(kept.T)
        columns = []
        for feature, value in self._pairs():
            own = np.repeat(_column(feature, [value]), len(kept))
            if not feature.constant:
                mask = next(stays)
                other = np.flatnonzero(feature.bins != feature.bin_of(value))
                chance = feature.shares[other] / feature.shares[other].sum()
                drawn = feature.values[rng.choice(other, len(kept), p=chance)]
                own = np.where(mask, own, drawn)
            columns.append(own)
        return self.table(columns)

    def _pairs(self) -> Iterator[tuple[Feature, Any]]:
        return zip(self.background.features, self.values, strict=True)


@lru_cache(maxsize=8)
def _laws(background: Background) -> tuple[ColumnLaw, ...]:
    """Return how the columns that vary are drawn."""
    return tuple(
        ColumnLaw(
            one.shares,
            one.bins,
            None if one.values.dtype == object else one.values.astype(float),
        )
        for one in background.features
        if not one.constant
    )


def _column(feature: Feature, values: Sequence[Any]) -> NDArray[Any]:
    """Return values in the column's own type, or one that holds what the background never saw."""
    types = {type(value) for value in values}
    own = feature.values.dtype
    if own.kind not in "Of" and not types <= {bool, int}:
        own = np.dtype(np.float64 if types <= {bool, int, float} else object)
    return np.array(values, dtype=own)
