"""A row of a table as an instance: its components, and what replaces a column that is gone.

A model of any format is given these, so nothing of what reads files comes along.

Samples are drawn as for bins: every column a value that the background holds, so that all rows
share them and what the model says to them. A number's component is 1 + (x - own) / s, with s the
background's standard deviation: 1 at the row, one more for every s above it. So the weight is
what the surrogate adds per s, and the weights and the intercept still add up to the row's local
prediction. The distance is Euclidean in these units, a level that goes counts as 1 away; the
kernel width is 0.75 sqrt(d), as for bins. A value that is missing in a sample counts as the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import compress
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine import designs
from lime_cli.engine.encoding import ColumnLaw
from lime_cli.engine.instance import (
    BoolArray,
    Caveat,
    Component,
    Design,
    FloatArray,
    IntArray,
    Samples,
    Skipped,
    Spans,
    Subject,
)
from lime_cli.engine.levels import Levels
from lime_cli.engine.texts import pieces_of
from lime_cli.files import digest_of
from lime_cli.sources import Source
from lime_cli.tabular.background import Background
from lime_cli.tabular.groups import Feature, Part, Single, is_missing, spelled


@dataclass(frozen=True, eq=False)
class Table:
    """Columns ready for a model: a modality's natural batch of n rows."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]
    """Each (n,): float64 with NaN, int64, bool, or object: str, bool and None."""
    places: tuple[str, ...] = ()
    """Of rows as a file has them: ``line 3``, for each; nothing where samples are among them."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def chosen(self, rows: Sequence[int]) -> Table:
        places = tuple(self.places[row] for row in rows if self.places)
        return Table(self.names, tuple(column[rows] for column in self.columns), places)

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        stacked = (
            np.concatenate(parts) for parts in zip(*(t.columns for t in tables), strict=True)
        )
        return Table(tables[0].names, tuple(stacked))


def unseen(
    background: Background, values: Sequence[Any], lies: tuple[IntArray, BoolArray]
) -> Iterator[Caveat]:
    """Yield a warning for each level, number and combination of a group that is new.

    ``lies`` says in which bin each value lies, and which lie outside. Columns that are held are
    passed over: every sample has the row's own values there.
    """
    bins, outside = lies
    for place in np.flatnonzero((bins < 0) | outside).tolist():
        feature, value, new = background.features[place], values[place], bins[place] < 0
        if place in background.kept:
            continue
        said = f"{feature.name} = {spelled(value)}"
        if new:
            yield Caveat("unseen_category", f"{said} does not occur in the background")
        else:
            words = f"{said} lies outside the background's values"
            yield Caveat("outside_background", words)
    for group in background.groups:
        own = [values[place] for place in group.places]
        known = bool((bins[list(group.places)] >= 0).all())
        if known and group.bin_of(own) < 0 and group.name not in background.held:
            words = f"{group.name}: no row of the background holds such values together"
            yield Caveat("unseen_combination", words)


@dataclass(frozen=True, eq=False)
class NamedComponents(Sequence[Component]):
    """What varies of the columns, then the words of cells; goes to other processes as a tuple."""

    background: Background
    values: tuple[Any, ...]
    words: tuple[Component, ...]

    def __len__(self) -> int:
        return len(self.background.varying) + len(self.words)

    @overload
    def __getitem__(self, place: int) -> Component: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Component, ...]: ...

    def __getitem__(self, place: int | slice) -> Component | tuple[Component, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        place = range(len(self))[place]
        varying = self.background.varying
        if place >= len(varying):
            return self.words[place - len(varying)]
        part = self.background.drawn[varying[place]]
        own = [self.values[i] for i in part.places]
        return Component(part.condition(own), part.value(own), part.place)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[list[Component]]]:
        return tuple, (list(self),)


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


COIN: FloatArray = np.array([0.5, 0.5])
"""A word goes or stays by a fair coin.

Each by itself, as columns are drawn: a sample's weight is then a product over all components, so
that no word is weighed by how many others went. The size of a text has no part in it.
"""


@dataclass(frozen=True, eq=False)
class CellWords:
    """A cell of words; all copies of a word are one component."""

    column: str
    text: str

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """One for each different word, in the order of the text."""
        from lime_cli.texts.units import cut  # brings regex

        places: dict[str, list[tuple[int, int]]] = {}
        for start, end in cut(self.text, "word"):
            places.setdefault(self.text[start:end], []).append((start, end))
        return tuple(
            Component(word, None, Spans(tuple(spans), self.column))
            for word, spans in places.items()
        )

    def kept(self, masks: IntArray) -> NDArray[Any]:
        """Return n cells in which only the kept words stand, (n,); ``masks`` are (n, words)."""
        pieces, owners = self._pieces
        stays = np.ones((len(masks), len(pieces)), bool)
        stays[:, owners >= 0] = masks[:, owners[owners >= 0]].astype(bool)
        cells = np.empty(len(masks), object)
        cells[:] = ["".join(compress(pieces, row)) for row in stays.tolist()]
        return cells

    @cached_property
    def _pieces(self) -> tuple[tuple[str, ...], IntArray]:
        return pieces_of(self.text, self.components)


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
        return NamedComponents(self.background, self.values, words)

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
