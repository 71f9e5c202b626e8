"""A row of a table as an instance: which columns stay in their bin, what replaces the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from lime_cli.engine.levels import Levels
from lime_cli.modalities import Source
from lime_cli.modalities.background import Background
from lime_cli.modalities.binning import binning_of, bins_of, laws_of, levels_of, varying_of
from lime_cli.modalities.cell_words import COIN, CellWords
from lime_cli.modalities.feature import Feature, is_missing
from lime_cli.modalities.groups import Part
from lime_cli.modalities.named import Named
from lime_cli.modalities.tables import Table
from lime_cli.modalities.unseen import unseen

HEADS_OR_TAILS = Levels(COIN)
MOST_SPREAD = 256
"""Columns that Sobol' points spread over better than independent ones do.

Of 4,096 points in 8 blocks; the first bits of a dimension are one of 256 patterns in each.
"""


@dataclass(frozen=True, eq=False)
class RowInstance:
    """A row; it shares its samples with other rows of the background if all of it is drawn."""

    source: Source
    background: Background
    values: tuple[Any, ...]
    read_caveats: tuple[Caveat, ...]
    texts: tuple[CellWords, ...] = ()
    """Cells whose words are components too, after the columns."""

    distance = "euclidean"

    @property
    def design(self) -> str:
        """Sobol' points, but not of so many dimensions that they fall into line with each other."""
        return "sobol" if len(self.background.drawn) <= MOST_SPREAD else "random"

    @property
    def shared(self) -> bool:
        """Whether samples hold nothing of the row's own."""
        return not self.background.kept

    @property
    def pool(self) -> str:
        """Name the background, and what of the row itself is in every sample."""
        name = f"table:{self.background.digest}"
        own = [repr(self.values[place]) for place in self.background.kept]
        return f"{name}:{digest_of(chr(31).join(own).encode())}" if own else name

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
            "background": self.background.facts,
        }
        words = "\x1f".join(f"{name}\x1e{value!r}" for name, value in values.items())
        name = Path(self.source.path).name
        return Subject(self.source.id, "tabular", name, digest_of(words.encode()), facts)

    @cached_property
    def components(self) -> Sequence[Component]:
        """One for each column or group that varies, then one for each word."""
        words = tuple(component for text in self.texts for component in text.components)
        return Named(self.background, self.values, words)

    @cached_property
    def own_bins(self) -> IntArray:
        """The bin of each component; -1 for one that no sample lies in, 1 for a word."""
        columns, _ = self._lies
        first, groups = varying_of(self.background)
        bins = columns[first]
        for i, group in groups:
            bins[i] = group.bin_of([self.values[place] for place in group.places])
        return np.append(bins, np.ones(self._n_words, np.int64)) if self.texts else bins

    @cached_property
    def _lies(self) -> tuple[IntArray, BoolArray]:
        """The bin of each column, and which values lie outside the background's."""
        return binning_of(self.background).lies(self.values)

    @property
    def laws(self) -> tuple[ColumnLaw, ...]:
        """How what varies is drawn."""
        found = laws_of(self.background)
        words = (ColumnLaw(COIN, np.arange(2), None),) * self._n_words
        return (*found, *words) if words else found

    def drawn(self, codes: IntArray) -> IntArray:
        """Return the level numbers (n, d) of what varies."""
        first = len(self.background.drawn)
        return codes[:, [*self.background.varying, *range(first, first + self._n_words)]]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Columns that are held, those of one value in the whole background, and wordless cells."""
        wordless = (text.column for text in self.texts if not text.components)
        return (*self.background.skipped, *(Skipped(one, "there are no words") for one in wordless))

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """Values that the background has never seen."""
        return (*self.read_caveats, *unseen(self.background, self.values, self._lies))

    def n_exhaustive(self) -> float:
        """Count the combinations of all observed values."""
        return designs.n_levels(self._levels)

    def sample(self, n: int, design: Design | None, rng: np.random.Generator) -> Samples:
        """Draw every column's value from the background, independently; codes are level numbers."""
        return designs.levels(n, self._levels, design, rng)

    def bins(self, codes: IntArray) -> IntArray:
        """Return the bin (n, d) of every value drawn in every column that varies."""
        drawn = self.background.drawn
        words = codes[:, len(drawn) :]
        varying = self.background.varying
        bins = bins_of(self.background)
        small = np.result_type(np.uint8, *bins)
        found = np.empty((len(codes), len(varying) + words.shape[1]), small, order="F")
        for j, (i, own) in enumerate(zip(varying, bins, strict=True)):
            found[:, j] = own[codes[:, i]]
        found[:, len(varying) :] = words
        return found

    @property
    def _levels(self) -> list[Levels]:
        return [*levels_of(self.background), *[HEADS_OR_TAILS] * self._n_words]

    @property
    def _n_words(self) -> int:
        return sum(len(text.components) for text in self.texts)

    def interpretable(self, codes: IntArray) -> BoolArray:
        """Return (n, d): 1 where a value lies in the bin of the row's own, and a word stays."""
        drawn, varying = self.background.drawn, self.background.varying
        words = codes[:, len(drawn) :]
        kept = np.empty((len(codes), len(varying) + words.shape[1]), bool, order="F")
        for j, i in enumerate(varying):
            np.equal(drawn[i].bins[codes[:, i]], self.own_bins[j], out=kept[:, j])
        kept[:, len(varying) :] = words == 1
        return kept

    @property
    def fits_samples(self) -> bool:
        """Whether the row's own values are of the kinds that the background's columns hold."""
        return all(one.column([value]).dtype == one.values.dtype for one, value in self._pairs())

    def model_inputs(self, codes: IntArray, itself: bool = False) -> Table:
        """Return n rows of observed values, the row's own where they are held.

        With ``itself`` the row comes first, as it is, and then the samples.
        """
        features, drawn = self.background.features, self.background.drawn
        columns: dict[int, NDArray[Any]] = {}
        for part, levels in zip(drawn, codes.T[: len(drawn)], strict=True):
            columns.update(zip(part.places, part.drawn(levels), strict=True))
        for place in self.background.kept:
            columns[place] = np.repeat(features[place].column([self.values[place]]), len(codes))
        start = len(drawn)
        for text in self.texts:
            place = self.background.place_of[text.column]
            columns[place] = text.kept(codes[:, start : start + len(text.components)])
            start += len(text.components)
        found = self.table([columns[place] for place in range(len(features))])
        return Table.joined([self.original(), found]) if itself else found

    def table(self, columns: Sequence[NDArray[Any]]) -> Table:
        """Return rows of any values, given as a column for each feature."""
        return Table(tuple(feature.name for feature in self.background.features), tuple(columns))

    def original(self) -> Table:
        """Return the row itself."""
        return self.originals([self])

    def originals(self, instances: Sequence[RowInstance]) -> Table:
        """Return rows of this background as one batch; repeats of the last one cost nothing."""
        n, last = len(instances), instances[-1]
        while n > 1 and instances[n - 2] is last:
            n -= 1
        columns = zip(*(one.values for one in instances[:n]), strict=True)
        features, times = self.background.features, np.ones(n, np.int64)
        times[-1] += len(instances) - n
        pairs = zip(features, columns, strict=True)
        rows = self.table([np.repeat(feature.column(values), times) for feature, values in pairs])
        return replace(rows, places=tuple(one.source.place for one in instances))

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> Table:
        """Return rows that keep these of the row's values, (n, d), others from other bins."""
        n = len(kept)
        columns = [np.repeat(one.column([value]), n) for one, value in self._pairs()]
        first = len(self.background.varying)
        for mask, (part, values) in zip(kept.T[:first], self._varying(), strict=True):
            other = np.flatnonzero(part.bins != part.bin_of(values))
            other = other if len(other) else np.arange(len(part.bins))
            levels = rng.choice(other, n, p=part.shares[other] / part.shares[other].sum())
            for place, drawn in zip(part.places, part.drawn(levels), strict=True):
                columns[place] = np.where(mask, columns[place], drawn)
        for text in self.texts:
            stays = kept[:, first : first + len(text.components)].astype(np.int64)
            columns[self.background.place_of[text.column]] = text.kept(stays)
            first += len(text.components)
        return self.table(columns)

    def _varying(self) -> Iterator[tuple[Part, tuple[Any, ...]]]:
        """Yield what varies with the row's own values of it."""
        for i in self.background.varying:
            part = self.background.drawn[i]
            yield part, tuple(self.values[place] for place in part.places)

    def _pairs(self) -> Iterator[tuple[Feature, Any]]:
        return zip(self.background.features, self.values, strict=True)
