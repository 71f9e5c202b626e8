"""A row of a table as an instance: its components, and what replaces a column that is masked.

A model of any format is given these, so nothing of what reads files comes along.

A masked column takes a value of the background that lies in another bin than the row's own, by
frequency: another category, another part of the range; of uncut numbers any other value. A kept one
is exactly the row's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import compress
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Column, Component, Skipped, Spans, Subject
from lime_cli.engine.masks import Everything, Masks
from lime_cli.engine.model import BoolArray, CodedWarning, FloatArray, IntArray
from lime_cli.errors import SettingsError
from lime_cli.files import digest_of
from lime_cli.sources import Source
from lime_cli.tabular.background import Background
from lime_cli.tabular.groups import Feature, Group, Part, Single, is_missing, spelled
from lime_cli.tabular.schema import UNCUT


@dataclass(frozen=True, eq=False)
class Table:
    """Columns ready for a model: a modality's natural batch of n rows."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...] | NDArray[Any]
    """Each (n,): float64 with NaN, int64, bool, or object: str, bool and None; those of one type
    perhaps in one array."""
    places: tuple[str, ...] = ()
    """Of rows as a file has them: ``line 3``, for each; nothing where samples are among them."""
    dates: tuple[str, ...] = ()
    """Columns that the model is given as moments."""

    def __len__(self) -> int:
        return len(self.columns[0]) if len(self.columns) else 0

    def chosen(self, rows: Sequence[int]) -> Table:
        places = tuple(self.places[row] for row in rows if self.places)
        columns = tuple(column[rows] for column in self.columns)
        return replace(self, columns=columns, places=places)

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        stacked = (
            np.concatenate(parts) for parts in zip(*(t.columns for t in tables), strict=True)
        )
        return replace(tables[0], columns=tuple(stacked), places=())


def table_of(background: Background, columns: Sequence[NDArray[Any]] | NDArray[Any]) -> Table:
    """Return rows of any values, given as a column for each feature of a background."""
    names = tuple(one.name for one in background.features)
    dates = tuple(one.name for one in background.features if one.moment)
    if background.dummies is not None:
        made = background.dummies.filled(names, list(columns))
        return Table(background.dummies.names, tuple(made), dates=dates)
    if not isinstance(columns, np.ndarray):
        columns = tuple(columns)
    return Table(names, columns, dates=dates)


def row_of(background: Background, missing: Sequence[int]) -> Table:
    """Return a row of the commonest values, some of them missing."""
    columns = tuple(
        _commonest(feature, place in set(missing))
        for place, feature in enumerate(background.features)
    )
    return table_of(background, columns)


def _commonest(feature: Feature, missing: bool) -> NDArray[Any]:
    if missing:
        return feature.values[-1:]
    frequencies = feature.frequencies.copy()
    if feature.gaps and not feature.constant:
        frequencies[-1] = -1.0
    place = int(np.argmax(frequencies))
    return feature.values[place : place + 1]


def unseen(
    background: Background, values: Sequence[Any], lies: tuple[IntArray, BoolArray]
) -> Iterator[CodedWarning]:
    """Yield a warning for each category, number and combination of a group that is new.

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
            yield CodedWarning("unseen_category", f"{said} does not occur in the background")
        else:
            words = f"{said} lies outside the background's values"
            yield CodedWarning("outside_background", words)
    for group in background.groups:
        own = [values[place] for place in group.places]
        known = bool((bins[list(group.places)] >= 0).all())
        if known and group.bin_of(own) < 0 and group.name not in background.fixed:
            words = f"{group.name}: no row of the background has this combination of values"
            yield CodedWarning("unseen_combination", words)


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
        if self.background.rows is not None:  # what replaces it may lie in the same bin
            part = part.uncut
        own = [self.values[i] for i in part.places]
        step = reach_of(part, own) if self.background.bins == UNCUT else None
        where = Column(part.name, part.condition(own))
        return Component(part.label(own), part.value(own), where, step)

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
def varying_of(background: Background) -> tuple[IntArray, tuple[tuple[int, Part], ...]]:
    """Return the first column of whatever varies, and which of that are groups of columns."""
    parts = [background.drawn[i] for i in background.varying]
    groups = ((i, part) for i, part in enumerate(parts) if not isinstance(part, Single))
    return np.array([part.places[0] for part in parts], np.int64), tuple(groups)


class Drawn(NamedTuple):
    """What replaces a column in samples, whatever row is explained that lies in the same bin."""

    codes: IntArray
    """(n,): 0 where the row's own is kept."""
    values: NDArray[Any] | None
    """(n,), anything where it is kept; None where not all columns are numbers of one type."""


@dataclass(frozen=True, eq=False)
class Lump:
    """Columns of numbers of one type, q of them, whose samples are made together."""

    varying: IntArray
    """(q,): their places among what varies, and """
    places: list[int]
    """among all columns."""
    values: NDArray[Any]
    """What occurs in the background, of one column after the other."""
    before: IntArray
    """(q, 1): the place before each column's first value, as codes begin at 1."""
    types: frozenset[type]
    """Of a row's own values, where they take nothing else than this type of array."""

    def drawn(self, codes: IntArray, own: Sequence[Any]) -> NDArray[Any]:
        """Return values (q, n) for codes (n, varying): a row's ``own`` (q,) where they are 0."""
        n, found = len(codes), np.empty((len(own), len(codes)), self.values.dtype)
        kept = np.array(own, self.values.dtype)[:, None]
        step = max(1, IN_CACHE // max(1, n))
        for start in range(0, len(own), step):
            some = slice(start, start + step)
            which = codes.T[self.varying[some]]
            self.values.take(which + self.before[some], mode="clip", out=found[some])
            np.copyto(found[some], kept[some], where=which == 0)
        return found


NUMBERS: dict[Any, frozenset[type]] = {
    np.dtype(np.float64): frozenset((bool, int, float)),
    np.dtype(np.int64): frozenset((bool, int)),
}
"""Types of columns that make lumps, and of values that they hold as they are."""
IN_CACHE = 2**16
"""Values that are made in one go."""


@lru_cache(maxsize=8)
def lumps_of(background: Background) -> tuple[Lump, ...]:
    """Lay together the columns of each type of numbers that vary by themselves."""
    parts = [(j, background.drawn[i]) for j, i in enumerate(background.varying)]
    lumps = []
    for dtype, types in NUMBERS.items():
        some = [
            (j, one)
            for j, one in parts
            if isinstance(one, Single) and one.feature.values.dtype == dtype
        ]
        if some:
            sizes = [len(one.feature.values) for _, one in some]
            lump = Lump(
                varying=np.array([j for j, _ in some]),
                places=[one.places[0] for _, one in some],
                values=np.concatenate([one.feature.values for _, one in some]),
                before=np.cumsum([0, *sizes[:-1]])[:, None] - 1,
                types=types,
            )
            lumps.append(lump)
    return tuple(lumps)


def whole_of(background: Background) -> Lump | None:
    """Return the lump of all columns, where there is one."""
    lumps = lumps_of(background)
    whole = len(lumps) == 1 and lumps[0].places == list(range(len(background.features)))
    return lumps[0] if whole else None


LEAST_REACH = 0.25
"""Standard deviations of the background between a number and the mean of what replaces it, at
least, for a weight per unit to say anything."""


def reach_of(part: Part, own: Sequence[Any]) -> float | None:
    """Return how far a number lies above the mean of what replaces it; None for no number.

    A weight divided by it is the slope of a model that is linear in the column.
    """
    if part.sizes is None or is_missing(own[0]):
        return None
    known = ~np.isnan(part.sizes)
    sizes, frequencies = part.sizes[known], part.frequencies[known]
    size = float(sizes[0]) if len(sizes) == 1 else _size(part, own[0])
    other = sizes != size
    if not other.any():
        return None
    mean = float(frequencies[other] @ sizes[other] / frequencies[other].sum())
    middle = float(frequencies @ sizes / frequencies.sum())
    deviation = float(np.sqrt(frequencies @ (sizes - middle) ** 2 / frequencies.sum()))
    return size - mean if abs(size - mean) >= LEAST_REACH * deviation else None


def _size(part: Part, value: Any) -> float:
    return part.feature.size(value) if isinstance(part, Single) else float(value)


STRAIGHT, TAIL_VALUES = 0.8, 4
"""Share of a column's variance that polynomials of ranks explain, and values that may replace one,
from which nothing is said of its tails."""
SEEN, BACKGROUNDS = 2**22, 4
"""Values drawn with one set of masks that are remembered, at most, and backgrounds."""
KEPT = "kept"
"""Under what masks remember which columns each sample keeps, (d, n)."""


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
        kept_here = np.ones((len(masks), len(pieces)), bool)
        kept_here[:, owners >= 0] = masks[:, owners[owners >= 0]].astype(bool)
        cells = np.empty(len(masks), object)
        cells[:] = ["".join(compress(pieces, row)) for row in kept_here.tolist()]
        return cells

    @cached_property
    def _pieces(self) -> tuple[tuple[str, ...], IntArray]:
        from lime_cli.engine.texts import pieces_of

        return pieces_of(self.text, self.components)


@dataclass(frozen=True, eq=False)
class RowInstance:
    """A row; other rows of the background have the same components if there are no words."""

    source: Source
    background: Background
    values: tuple[Any, ...]
    read_warnings: tuple[CodedWarning, ...]
    texts: tuple[CellWords, ...] = ()
    """Cells whose words are components too, after the columns."""

    @property
    def shared(self) -> bool:
        """Whether other rows have the same components."""
        return not self.texts

    @property
    def pool(self) -> str:
        """Name the background, what of it is held, and whether replacements are drawn."""
        fixed = chr(31).join(self.background.fixed)
        own = digest_of(chr(31).join(map(repr, self.values)).encode()) if self.texts else ""
        return f"table:{self.background.digest}:{self.background.bins}:{fixed}:{self.random}:{own}"

    @cached_property
    def random(self) -> bool:
        """Whether some column has several values to choose a replacement from."""
        return any(len(categories) > 1 for categories, _ in self._alternatives)

    @cached_property
    def input_bytes(self) -> int:
        """Count 8 bytes for a number, 64 for a word."""
        kinds = [feature.values.dtype.kind for feature in self.background.features]
        return sum(64 if kind == "O" else 8 for kind in kinds)

    @cached_property
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
        """The bin of whatever varies, or the category where columns are uncut; -1 for a new one."""
        if self.background.bins == UNCUT:
            return np.array([_category_of(part, own) for part, own in self._varying()], np.int64)
        columns, _ = self._lies
        first, groups = varying_of(self.background)
        bins = columns[first]
        for i, group in groups:
            bins[i] = group.bin_of([self.values[place] for place in group.places])
        return bins

    @cached_property
    def _alternatives(self) -> tuple[tuple[IntArray, FloatArray], ...]:
        """The categories (others,) that may replace each varying column, with their frequencies."""
        pairs = zip(self.background.varying, self.own_bins.tolist(), strict=True)
        return tuple(alternatives_of(self.background, i, own) for i, own in pairs)

    @cached_property
    def _lies(self) -> tuple[IntArray, BoolArray]:
        """The bin of each column, and which values lie outside the background's."""
        return binning_of(self.background).lies(self.values)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Columns that are held, those of one value in the whole background, and wordless cells."""
        wordless = (text.column for text in self.texts if not text.components)
        return (*self.background.skipped, *(Skipped(one, "there are no words") for one in wordless))

    @property
    def warnings(self) -> tuple[CodedWarning, ...]:
        """Values that the background has never seen."""
        return (*self.read_warnings, *unseen(self.background, self.values, self._lies))

    def n_inputs(self) -> float:
        """Count the combinations of the row's own values and all that may replace them."""
        ways = prod(1.0 + len(categories) for categories, _ in self._alternatives)
        return ways * 2.0 ** min(self._n_words, 1000)

    def codes(self, masks: Masks) -> IntArray:
        """Return (n, d): 0 where the row's own is kept, else 1 + category; of words 1 if masked."""
        if masks.parts:
            return np.concatenate([self.codes(part) for part in masks.parts])
        drawn = [one.codes for one in self._drawn(masks)]
        drawn += list(masks.masked[:, len(drawn) :].T)
        return np.array(drawn, np.int32).T

    def inputs(self, masks: Masks) -> Table | None:
        """Return the row itself, then the samples of its codes, at once; None for what is not made
        of numbers of one type alone, and of several stages.
        """
        lump = whole_of(self.background)
        if lump is None or masks.parts or not lump.types.issuperset(map(type, self.values)):
            return None
        if KEPT not in masks.memo:
            masks.memo[KEPT] = np.ascontiguousarray(~masks.masked.T)
        found = np.empty((len(self.values), 1 + masks.n), lump.values.dtype)
        found[:, 0] = self.values
        for column, one in zip(found, self._drawn(masks), strict=True):
            column[1:] = one.values
        np.copyto(found[:, 1:], found[:, :1], where=masks.memo[KEPT])
        return self.table(found)

    def _drawn(self, masks: Masks) -> list[Drawn]:
        """Return what is drawn for each column that varies, also with these masks for other
        rows.
        """
        found, memo = [], self._memo(masks)
        for own in enumerate(self.own_bins.tolist()):
            drawn = memo.get(own)
            if drawn is None:
                if len(memo) >= SEEN // masks.n:
                    memo.clear()
                codes, values = _drawn(*self._alternatives[own[0]], masks, own[0]), None
                if whole_of(self.background) is not None:
                    values = self.background.features[own[0]].values.take(codes - 1)
                drawn = memo[own] = Drawn(codes, values)
            found.append(drawn)
        return found

    @property
    def itself(self) -> IntArray:
        """The codes of the row itself, (1, d)."""
        return np.zeros((1, len(self.components)), np.int32)

    def _memo(self, masks: Masks) -> dict[Any, Drawn]:
        """Return what was drawn with these masks for other rows, by column and bin."""
        key = self.background.digest, self.background.bins, self.background.varying
        if key not in masks.memo:
            if len(masks.memo) >= BACKGROUNDS:
                masks.memo.clear()
            masks.memo[key] = {}
        found: dict[Any, Drawn] = masks.memo[key]
        return found

    def tails(self, masks: Masks) -> FloatArray | None:
        """Return what was drawn in columns of heavy tails, beyond polynomials of its rank."""
        found = []
        codes = None
        pairs = zip(self.background.varying, self.own_bins.tolist(), strict=True)
        for j, (i, own) in enumerate(pairs):
            tail = tail_of(self.background, i, own)
            if tail is None or masks.uniforms is None:
                continue
            codes = self.codes(masks) if codes is None else codes
            t = 2.0 * masks.uniforms[:, j].astype(np.float64) - 1.0
            drawn = tail.sizes[codes[:, j] - 1] - tail.line * t - tail.curve * (3.0 * t**2 - 1.0)
            found.append(np.where(masks.masked[:, j], drawn, 0.0))
        return np.stack(found, axis=1) if found else None

    @property
    def n_rows(self) -> int:
        """Count the rows of the background that columns can be replaced from together."""
        return len(joint_of(self.background)) if self.background.varying else 1

    def joint(self, masked: BoolArray, row: FloatArray) -> IntArray:
        """Return codes (n, d) of samples whose masked columns come from one row each."""
        columns = len(self.background.varying)
        categories = joint_of(self.background)
        place = np.minimum((row * len(categories)).astype(np.int64), len(categories) - 1)
        codes = masked.astype(np.int32)
        codes[:, :columns] *= 1 + categories[place]
        return codes

    def everything(self) -> Everything:
        """List every combination of the row's own values and what may replace them."""
        choices = [1 + np.r_[-1, categories] for categories, _ in self._alternatives]
        frequencies = [np.r_[1.0, own / own.sum()] for _, own in self._alternatives]
        choices += [np.arange(2)] * self._n_words
        frequencies += [np.ones(2)] * self._n_words
        grid = np.indices([len(one) for one in choices]).reshape(len(choices), -1).T[1:]
        codes = np.stack([one[grid[:, j]] for j, one in enumerate(choices)], axis=1)
        parts = np.stack([one[grid[:, j]] for j, one in enumerate(frequencies)], axis=1)
        return Everything(codes.astype(np.int32), grid > 0, parts.prod(axis=1))

    @property
    def _n_words(self) -> int:
        return sum(len(text.components) for text in self.texts)

    def model_inputs(self, codes: IntArray) -> Table:
        """Return n rows: the row's own values, but for what is masked."""
        n, background = len(codes), self.background
        columns: dict[int, NDArray[Any]] = {}
        for lump in lumps_of(background):
            own = [self.values[place] for place in lump.places]
            if lump.types.issuperset(map(type, own)):
                drawn = lump.drawn(codes, own)
                if lump is whole_of(background):
                    return self.table(drawn)
                columns.update(zip(lump.places, drawn, strict=True))
        for j, i in enumerate(background.varying):
            part = background.drawn[i]
            if part.places[0] in columns:
                continue
            kept = codes[:, j] == 0  # where the last category is drawn, for nothing
            for place, drawn in zip(part.places, part.drawn(codes[:, j] - 1), strict=True):
                own_value = self._own(place)
                if own_value.dtype == drawn.dtype:
                    np.copyto(drawn, own_value, where=kept)
                    columns[place] = drawn
                else:
                    columns[place] = np.where(kept, own_value, drawn)
        for place in range(len(background.features)):
            if place not in columns:
                columns[place] = np.repeat(self._own(place), n)
        start = len(background.varying)
        for text in self.texts:
            end = start + len(text.components)
            columns[background.place_of[text.column]] = text.kept(1 - codes[:, start:end])
            start = end
        return self.table([columns[place] for place in range(len(background.features))])

    def _own(self, place: int) -> NDArray[Any]:
        """Return the row's value of a column, (1,)."""
        return self.background.features[place].column([self.values[place]])

    def replacements(self, code: IntArray) -> dict[int, Any]:
        """Return what stands for each column that a sample of this code (d,) masks."""
        found, background = {}, self.background
        for j in np.flatnonzero(code[: len(background.varying)]).tolist():
            part = background.drawn[background.varying[j]]
            drawn = [one.tolist()[0] for one in part.drawn(code[j : j + 1] - 1)]
            found[j] = part.value(drawn)
        return found

    def table(self, columns: Sequence[NDArray[Any]] | NDArray[Any]) -> Table:
        """Return rows of any values, given as a column for each feature."""
        return table_of(self.background, columns)

    def original(self) -> Table:
        """Return the row itself."""
        row = self.table([self._own(place) for place in range(len(self.values))])
        return replace(row, places=(self.source.place,))

    def _varying(self) -> Iterator[tuple[Part, tuple[Any, ...]]]:
        """Yield what varies with the row's own values of it."""
        for i in self.background.varying:
            part = self.background.drawn[i]
            yield part, tuple(self.values[place] for place in part.places)


@lru_cache(maxsize=4096)
def alternatives_of(background: Background, drawn: int, own: int) -> tuple[IntArray, FloatArray]:
    """Return the categories outside a bin (of uncut columns: the others), and how frequent."""
    part = background.drawn[drawn]
    bins = np.arange(len(part.frequencies)) if background.bins == UNCUT else part.bins
    others = np.flatnonzero(bins != own)
    return others, part.frequencies[others]


class Tail(NamedTuple):
    """How far values lie from their mean among those that may replace a column."""

    sizes: FloatArray
    """(categories,)"""
    line: float
    """Of 2 u - 1, where a uniform number u chooses the replacement, and """
    curve: float
    """of 3 (2 u - 1)² - 1: the least squares polynomial of ``sizes``."""


@lru_cache(maxsize=4096)
def tail_of(background: Background, drawn: int, own: int) -> Tail | None:
    """Return what few extreme values make of a column; None where polynomials of ranks say it."""
    part = background.drawn[drawn]
    others, frequencies = alternatives_of(background, drawn, own)
    if not isinstance(part, Single) or part.sizes is None or len(others) < TAIL_VALUES:
        return None
    mass = frequencies / frequencies.sum()
    known = part.sizes[others]
    missing = np.isnan(known)
    rest = np.where(missing, 0.0, mass)
    middle = float(rest @ np.where(missing, 0.0, known) / max(rest.sum(), 1e-300))
    values = np.where(missing, 0.0, known - middle)
    end = np.cumsum(mass)
    with np.errstate(over="ignore"):
        variance = float(mass @ values**2)
    if not np.isfinite(variance) or _is_straight(values, end, variance):
        return None
    ends = np.stack([end - mass, end])
    t = 2.0 * ends - 1.0
    line = float(1.5 * values @ np.diff(t**2, axis=0)[0] / 2.0)
    curve = float(1.25 * values @ np.diff(t**3 - t, axis=0)[0] / 2.0)
    explained = line**2 / 3.0 + curve**2 * 4.0 / 5.0
    if explained >= STRAIGHT * variance:
        return None
    sizes = np.zeros(len(part.frequencies))
    sizes[others] = values
    return Tail(sizes, line, curve)


def _is_straight(values: FloatArray, end: FloatArray, variance: float) -> bool:
    """Tell for certain that polynomials of ranks explain a column, without powers: these are slow.

    ``end`` are the cumulative frequencies.
    """
    t = np.concatenate([[-1.0], 2.0 * end - 1.0])
    square = t * t
    line = 0.75 * float(values @ np.diff(square))
    curve = 0.625 * float(values @ np.diff(square * t - t))
    return line**2 / 3.0 + curve**2 * 0.8 >= (STRAIGHT + 1e-3) * variance


@lru_cache(maxsize=8)
def joint_of(background: Background) -> IntArray:
    """Return the categories (rows, varying) of a background's rows; rows that lack a value aside.

    Raises SettingsError for a background that has no rows.
    """
    if background.rows is None:
        raise SettingsError(
            f"--kernel shapley: {background.source} is a profile, and holds no rows",
            "name the table itself with --background",
        )
    sizes = np.array([len(one.values) for one in background.features])
    rows = background.rows[(background.rows < sizes).all(axis=1)]
    found = np.empty((len(rows), len(background.varying)), np.int64)
    for j, i in enumerate(background.varying):
        part = background.drawn[i]
        if isinstance(part, Single):
            found[:, j] = rows[:, part.places[0]]
            continue
        assert isinstance(part, Group)
        place = {tuple(one): category for category, one in enumerate(part.categories.tolist())}
        found[:, j] = [place[tuple(one)] for one in rows[:, list(part.places)].tolist()]
    return found


def _category_of(part: Part, own: Sequence[Any]) -> int:
    """Return the place of a row's values among the categories of uncut columns; -1 for none."""
    if isinstance(part, Single):
        value = None if is_missing(own[0]) else own[0]
        return part.feature.category_of.get(value, -1)
    return part.bin_of(own)


def _drawn(categories: IntArray, frequencies: FloatArray, masks: Masks, j: int) -> IntArray:
    """Return codes (n,) of a column of which these categories are drawn where it is masked."""
    masked = masks.masked[:, j]
    if masks.uniforms is None:
        return np.where(masked, 1 + categories[0], 0).astype(np.int32)
    cumulative = np.cumsum(frequencies)
    uniforms = masks.uniforms[masked, j]
    place = np.searchsorted(cumulative[:-1] / cumulative[-1], uniforms, side="right")
    codes = np.zeros(masks.n, np.int32)
    codes[masked] = 1 + categories[place]
    return codes
