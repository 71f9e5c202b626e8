"""The features of a background: one column, columns that move together, one-hot blocks; dummies.

Dummies are columns of 0 and 1 that a model was fitted on: ``pandas.get_dummies`` and encoders name
them ``Sex_male``, after a column and one of its values. Where a table has the columns themselves,
the model is given dummies of them, as its owner does.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import CodedWarning, FloatArray, IntArray
from lime_cli.errors import InputError, and_more
from lime_cli.models.model_file import ModelInput, Reach
from lime_cli.tables.cells import date_of, days_of
from lime_cli.tables.dialect import NUMBER, TRUE_FALSE
from lime_cli.tabular.schema import OPEN, map_option

MARKS = ("_", "=", ".", "-", " ")
"""What stands between the name of a one-hot block and a category of it."""


def exclusive_blocks(ones: dict[str, NDArray[np.uint8]]) -> dict[str, tuple[str, ...]]:
    """Find 0/1 columns (rows,) of which every row has exactly one: their names, by the block's.

    Columns that are called alike up to a mark are tried first, wherever they stand; then those
    that stand beside each other, the first such run from the left.
    """
    found: dict[str, tuple[str, ...]] = {}
    left = list(ones)
    for prefix, names in _called_alike(left).items():
        if prefix not in ones and _exclusive([ones[name] for name in names]):
            found[prefix] = tuple(names)
            left = [name for name in left if name not in set(names)]
    while left:
        run = _run([ones[name] for name in left])
        if run:
            found[f"{left[0]}..{left[run - 1]}"] = tuple(left[:run])
        left = left[max(1, run) :]
    return found


def _called_alike(names: Sequence[str]) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for name in names:
        end = max(name.rfind(mark) for mark in MARKS)
        if end > 0:
            alike.setdefault(name[:end], []).append(name)
    return alike


def _exclusive(columns: Sequence[NDArray[np.uint8]]) -> bool:
    varying = sum(bool((one != one[0]).any()) for one in columns)
    return varying >= 2 and bool((np.sum(columns, axis=0, dtype=np.int64) == 1).all())


def _run(columns: Sequence[NDArray[np.uint8]]) -> int:
    """Return how many columns from the first on make the shortest exclusive run; 0 for none."""
    total = np.zeros(len(columns[0]), np.int64)
    for i, column in enumerate(columns):
        total += column
        if total.max() > 1:
            return 0
        if total.min() == 1:
            return i + 1 if _exclusive(columns[: i + 1]) else 0
    return 0


ROUNDING = 1e-9
"""By how much a sum of frequencies may be off."""


@dataclass(frozen=True, eq=False)
class Feature:
    """One column: its different values, how often each occurs, and which bin each lies in."""

    name: str
    numeric: bool
    """Whether values are compared by size (bins) or by identity (categories)."""
    values: NDArray[Any]
    """(categories,) ascending, a missing value last: int64, float64, bool, or object: str, None."""
    frequencies: FloatArray
    """(categories,) of the background's rows; sums to one."""
    bins: IntArray
    """(categories,)"""
    cuts: FloatArray
    """(bins - 1,) ascending, missing values aside; a value equal to a cut lies below it."""
    capped: bool = False
    """Whether the largest value is a cut point too, with nothing observed above it."""
    date: bool = False
    """Whether values are dates as the file spells them; where numeric, compared as days."""
    moment: bool = False
    """Whether the model is given dates as moments, not as words."""

    @property
    def shown(self) -> str:
        """The name inside a sentence, where a number alone would not be taken for one."""
        return f"column {self.name}" if self.name.isdecimal() else self.name

    @cached_property
    def constant(self) -> bool:
        """Whether the background holds a single value."""
        return len(self.values) == 1

    @cached_property
    def holds_truth(self) -> bool:
        """Whether words among the values are read as truth values where they are such."""
        return any(isinstance(category, bool) for category in self.values.tolist())

    @cached_property
    def gaps(self) -> bool:
        """Whether the background lacks a value somewhere."""
        return is_missing(self.values[-1])

    @cached_property
    def middle(self) -> float:
        """The median of a column of numbers, its gaps aside; NaN for none."""
        values = self.sizes[~np.isnan(self.sizes)]
        below = np.cumsum(self.frequencies[: len(values)])
        if not len(values):
            return np.nan
        place = int(np.argmax(below >= (0.5 - ROUNDING) * below[-1]))
        halved = below[place] <= (0.5 + ROUNDING) * below[-1] and place + 1 < len(values)
        return float(values[place : place + 1 + halved].mean())

    @cached_property
    def sizes(self) -> FloatArray:
        """The values as compared, (categories,), a missing one NaN; of numbers and days."""
        if self.values.dtype.kind in "ifb":
            return self.values.astype(np.float64)
        found: FloatArray = np.array(
            [np.nan if is_missing(one) else self.size(one) for one in self.values.tolist()]
        )
        return found

    def categories(self, numbers: FloatArray) -> IntArray:
        """Return the places among the values of numbers that are all there, NaN for a gap."""
        known = self.sizes[:-1] if self.gaps else self.sizes
        return np.searchsorted(known, numbers)

    @cached_property
    def category_of(self) -> dict[Any, int]:
        """Place of each value among the values; a missing one is None."""
        return {
            None if is_missing(value) else value: i for i, value in enumerate(self.values.tolist())
        }

    def size(self, value: Any) -> float:
        """Return what a value is compared by: a number itself, the days of a date."""
        return float(days_of(value) or 0.0) if self.date else float(value)

    def bin_of(self, value: Any) -> int:
        """Return the bin of a value; -1 for a category the background does not know."""
        if is_missing(value):
            return self._missing_bin
        if self.numeric:
            return bisect_left(self._cuts, self.size(value))
        return self._bin_of_category.get(value, -1)

    def condition(self, value: Any) -> str:
        """Say what a value's bin means: ``3.2 < petal length <= 4.5``, ``hair = 1``."""
        if is_missing(value):
            return f"{self.shown} is missing"
        if not self.numeric or not self._cuts:
            return f"{self.shown} = {spelled(value)}"
        return self._conditions[bisect_left(self._cuts, self.size(value))]

    def label(self, value: Any) -> str:
        """Name column, value and bin: ``income = 35800 (31025 to 43800]``, ``hair = 1``."""
        if is_missing(value) or not self.numeric or not self._cuts:
            return self.condition(value)
        said, i = spelled(value), bisect_left(self._cuts, self.size(value))
        low, high = self._edges[i], self._edges[i + 1]
        ends, digits = (-np.inf, *self._cuts, np.inf)[i : i + 2], DIGITS
        while not self.date and not _in_order(low, said, high):  # by its rounding
            said = spelled(float(value), digits)
            low, high = (
                shown and spelled(end, digits) for shown, end in zip((low, high), ends, strict=True)
            )
            digits += 1
        between = f"({low} to {high}]" if low and high else f"(up to {high}]" if high else ""
        return f"{self.shown} = {said} {between or f'(above {low})'}"

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

    @property
    def uncut(self) -> Feature:
        """The same column without cuts."""
        return replace(self, cuts=np.empty(0))

    def without_gaps(self) -> Feature:
        """Return the column as if it had no missing values; one that has nothing else as it is."""
        if not self.gaps or self.constant:
            return self
        values = self.values[:-1]
        if values.dtype.kind == "f" and bool((values == np.floor(values)).all()):
            values = values.astype(np.int64)
        frequencies = self.frequencies[:-1] / self.frequencies[:-1].sum()
        return replace(self, values=values, frequencies=frequencies, bins=self.bins[:-1])

    @cached_property
    def _missing_bin(self) -> int:
        return int(self.bins[-1]) if self.gaps else -1

    @cached_property
    def _cuts(self) -> list[float]:
        found: list[float] = self.cuts.tolist()
        return found

    @cached_property
    def _bin_of_category(self) -> dict[Any, int]:
        pairs = zip(self.values.tolist(), self.bins.tolist(), strict=True)
        return dict(reversed(list(pairs)))

    @cached_property
    def _edges(self) -> list[str]:
        """Spell what bounds the bins; nothing for the two outer ends."""
        edges = [date_of(cut) if self.date else _edge(cut) for cut in self._cuts]
        return ["", *edges, ""]

    @cached_property
    def _conditions(self) -> list[str]:
        """Say what each bin means."""
        edges = self._edges[1:-1]
        between = [f"{low} < {self.shown} <= {high}" for low, high in pairwise(edges)]
        return [f"{self.shown} <= {edges[0]}", *between, f"{self.shown} > {edges[-1]}"]

    @cached_property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest number or day."""
        sizes = self.sizes
        return float(np.nanmin(sizes)), float(np.nanmax(sizes))


def frequencies_of(counts: IntArray) -> FloatArray:
    """Return counts as shares that sum to one; equal ones take the memory of one."""
    total = counts.sum()
    if (counts == counts[0]).all():
        return np.broadcast_to(counts[0] / total, counts.shape)
    return np.asarray(counts / total)


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for none: None or NaN."""
    return value is None or value != value


DIGITS = 6
"""Of a number that is shown, but for whole ones."""


def spelled(value: Any, digits: int = DIGITS) -> str:
    """Write a value as a person would: ``1``, ``0.25``, ``True``, ``salaried``."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{digits}g}"


def _in_order(low: str, said: str, high: str) -> bool:
    """Tell whether a number lies between its bin's ends as they are written; "" for none."""
    number = float(said)
    return not (low and float(low) >= number) and not (high and float(high) < number)


def _edge(cut: float) -> str:
    """Write a cut point to four digits, large ones in full."""
    return f"{cut:.0f}" if 1e4 <= abs(cut) < 1e15 else f"{cut:.4g}"


SHOWN = 3
"""Columns of a group that its name tells the values of, at most."""


@dataclass(frozen=True, eq=False)
class Single:
    """A column by itself."""

    feature: Feature
    places: tuple[int, ...]
    """Which of the background's columns it is."""

    @property
    def name(self) -> str:
        return self.feature.name

    @property
    def frequencies(self) -> FloatArray:
        return self.feature.frequencies

    @property
    def bins(self) -> IntArray:
        """In which bin each value lies."""
        return self.feature.bins

    @property
    def sizes(self) -> FloatArray | None:
        """The values as numbers, nan for a missing one; None where they are none."""
        words = self.feature.values.dtype == object and not self.feature.numeric
        return None if words else self.feature.sizes

    @property
    def constant(self) -> bool:
        return self.feature.constant

    @cached_property
    def uncut(self) -> Single:
        """The same of values that are not cut into bins, as names tell them."""
        return Single(self.feature.uncut, self.places)

    def bin_of(self, values: Sequence[Any]) -> int:
        """Return the bin of a row, given its values of these columns; -1 for none."""
        return self.feature.bin_of(values[0])

    def condition(self, values: Sequence[Any]) -> str:
        """Say what the bin of a value means."""
        return self.feature.condition(values[0])

    def label(self, values: Sequence[Any]) -> str:
        """Name the column, what a row has there, and its bin."""
        return self.feature.label(values[0])

    def value(self, values: Sequence[Any]) -> Any:
        """Return the value; None for a missing one."""
        return None if is_missing(values[0]) else values[0]

    def drawn(self, categories: IntArray) -> Iterator[NDArray[Any]]:
        """Yield the values (n,) of each column for categories (n,)."""
        yield self.feature.values.take(categories)


@dataclass(frozen=True, eq=False)
class Group:
    """Columns whose values come together, from one row of the background."""

    name: str
    features: tuple[Feature, ...]
    places: tuple[int, ...]
    categories: IntArray
    """(categories, columns): the values that were seen together, by their number in each column."""
    frequencies: FloatArray
    onehot: bool = False
    """Whether they are 0/1 columns of which every row of the background has one."""

    @property
    def sizes(self) -> None:
        """Return nothing: combinations are no numbers."""

    @property
    def constant(self) -> bool:
        return len(self.categories) == 1

    @cached_property
    def bins(self) -> IntArray:
        """In which combination of the columns' bins each combination of values lies."""
        return np.array([self._numbers[bins] for bins in self._bins], np.int64)

    @cached_property
    def uncut(self) -> Group:
        return replace(self, features=tuple(one.uncut for one in self.features))

    def bin_of(self, values: Sequence[Any]) -> int:
        own = tuple(one.bin_of(value) for one, value in zip(self.features, values, strict=True))
        return self._numbers.get(own, -1)

    def condition(self, values: Sequence[Any]) -> str:
        """Name the category of a one-hot block, else what each column holds."""
        pairs = zip(self.features, values, strict=True)
        return self._named(values, [one.condition(value) for one, value in pairs])

    def label(self, values: Sequence[Any]) -> str:
        pairs = zip(self.features, values, strict=True)
        return self._named(values, [one.label(value) for one, value in pairs])

    def _named(self, values: Sequence[Any], each: list[str]) -> str:
        if self.onehot:
            return f"{self.name} = {self.value(values)}"
        return f"{self.name}: {', '.join(each[:SHOWN])}{', ...' if len(each) > SHOWN else ''}"

    def value(self, values: Sequence[Any]) -> str:
        """Return the category of a one-hot block, else the values, separated by commas."""
        if self.onehot:
            named = [one.name for one, value in zip(self.features, values, strict=True) if value]
            return " and ".join(one.removeprefix(self._prefix) for one in named) or "none"
        return ", ".join("" if is_missing(one) else spelled(one) for one in values)

    def drawn(self, categories: IntArray) -> Iterator[NDArray[Any]]:
        for j, feature in enumerate(self.features):
            yield feature.values[self.categories[categories, j]]

    @cached_property
    def _bins(self) -> list[tuple[int, ...]]:
        columns = [one.bins[self.categories[:, j]] for j, one in enumerate(self.features)]
        return [tuple(row) for row in np.stack(columns, axis=1).tolist()]

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        return {bins: i for i, bins in enumerate(dict.fromkeys(self._bins))}

    @cached_property
    def _prefix(self) -> str:
        names = [one.name for one in self.features]
        starts = [f"{self.name}{mark}" for mark in MARKS]
        return next((one for one in starts if all(n.startswith(one) for n in names)), "")


Part = Single | Group
"""Columns whose values are drawn together; they stay if all lie in the row's own bins."""


def digest_of_features(features: Sequence[Feature], groups: Sequence[Group]) -> str:
    """Return the SHA-256 of all that samples are drawn from, whatever file it was read from."""
    digest = hashlib.sha256()

    def add(head: Sequence[Any], *arrays: NDArray[Any]) -> None:
        """Add what JSON can hold, then arrays, each with its length."""
        digest.update(json.dumps([*head, *map(len, arrays)]).encode() + b"\n")
        for one in arrays:
            digest.update(np.ascontiguousarray(one).data)

    for f in features:
        listed = f.values.tolist() if f.values.dtype == object else []
        numbers = f.values[:0] if f.values.dtype == object else _in_bytes(f.values)
        add([f.name, f.numeric, listed], numbers, _in_bytes(f.frequencies), f.bins.astype("<i8"))
    for g in groups:
        categories = g.categories.astype("<i8")
        add([g.name, g.places], categories.reshape(-1), _in_bytes(g.frequencies))
    return digest.hexdigest()


def _in_bytes(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as eight bytes each, equal ones as equal bytes: one zero, one NaN."""
    if numbers.dtype.kind != "f":
        return numbers.astype("<i8")
    found = numbers.astype("<f8") + 0.0
    found[np.isnan(found)] = np.nan
    return found


ENCODER_MARKS = ("_", "=")
"""What stands between the name of a column and a value, as pandas and DictVectorizer write it."""

MISSING = "nan"
"""How the dummy of missing values is called."""

NAMED = 3
"""Columns that a sentence names, at most."""


Codes = Mapping[str, Mapping[str, float]]

NO_CODES: Codes = {}


class Dummies(NamedTuple):
    """The columns that a model is given, and which of them a table has in words."""

    names: tuple[str, ...]
    """All columns of the model, in its order."""
    made: Mapping[str, tuple[str, str]]
    """Of the dummies, by name: the column, and the value for which they are 1."""
    codes: Codes = NO_CODES
    """Of columns of words that are numbers to the model, by name: the number for each word."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have, in the model's order."""
        own = (self.made[one][0] if one in self.made else one for one in self.names)
        return tuple(dict.fromkeys(own))

    def told(self, given: ModelInput) -> ModelInput:
        """Return what a model says of its input as what it says of a table without dummies."""
        place = {name: i for i, name in enumerate(self.columns)}
        moved = {i: place[one] for i, one in enumerate(self.names) if one in place}
        return given._replace(
            columns=self.columns,
            n_columns=len(self.columns),
            words=tuple(moved[i] for i in given.words if i in moved),
            known={moved[i]: one for i, one in given.known.items() if i in moved},
            ranges={moved[i]: one for i, one in given.ranges.items() if i in moved},
            gapless=frozenset(moved[i] for i in given.gapless if i in moved),
            gapful=frozenset(moved[i] for i in given.gapful if i in moved),
        )

    def resolved(self, features: Iterable[Feature]) -> Dummies:
        """Return itself with the values as a background spells them, where marks were replaced."""
        own = {one.name: _spelled(one.values).tolist() for one in features}
        made = {
            name: (column, _meant(name, value, column, own[column]))
            for name, (column, value) in self.made.items()
        }
        return self._replace(made=made)

    def filled(self, names: Sequence[str], columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return a column for each of ``self.names``; ``columns`` are those of ``names``."""
        held = dict(zip(names, columns, strict=True))
        spelled = {column: _spelled(held[column]) for column, _ in {*self.made.values()}}
        found = []
        for name in self.names:
            if name in self.codes:
                found.append(_coded(name, held[name], self.codes[name]))
                continue
            if name not in self.made:
                found.append(held[name])
                continue
            column, value = self.made[name]
            found.append((spelled[column] == value).astype(np.int64))
        return found

    def said(self, features: Iterable[Feature]) -> tuple[CodedWarning, ...]:
        """Say what is made of which columns, and which of their values have no dummy."""
        of: dict[str, list[str]] = {}
        for column, value in self.made.values():
            of.setdefault(column, []).append(value)
        without = []
        for one in features:
            if one.name in of:
                spelled = _spelled(one.values).tolist()
                without += [f"{one.name} {v!r}" for v in spelled if v not in of[one.name]]
        names = and_more([*map(repr, of)], NAMED)
        words = f"the model was fitted on dummies of {names}; limex makes them"
        if without:
            words += f"; {and_more(without, NAMED)} ha{'s' if len(without) == 1 else 've'} none"
        return (CodedWarning("dummies_made", words),)


NO_CELLS: Counter[str] = Counter()


def dummies_of(
    header: Sequence[str], rows: Iterable[Sequence[str]], given: ModelInput
) -> Dummies | None:
    """Find what all columns that a table lacks are dummies of; None where some are not.

    ``rows`` are its first ones. A column has dummies where a value of these rows is among them.
    """
    wanted = given.columns or ()
    missing = [name for name in wanted if name not in header]
    spare = sorted((one for one in header if one not in wanted), key=len, reverse=True)
    if not missing or not spare:
        return None
    if any(not _is_binary(given.ranges.get(i)) for i, one in enumerate(wanted) if one in missing):
        return None
    cells = dict(zip(header, map(Counter, zip(*rows, strict=False)), strict=False))
    made: dict[str, tuple[str, str]] = {}
    for column in spare:
        own = {
            name: value
            for name in missing
            if name not in made and (value := _value_in(name, column)) is not None
        }
        there = [*map(_as_read, cells.get(column, ()))]
        if any(_meant(name, value, column, there) in there for name, value in own.items()):
            made |= {name: (column, value) for name, value in own.items()}
    for name in missing:
        if name not in made:  # as of one column alone, which pandas names after its values
            holding = [one for one in spare if cells.get(one, NO_CELLS)[name] > 1]
            if len(holding) != 1 or NUMBER.fullmatch(name):
                return None
            made[name] = (holding[0], name)
    return Dummies(tuple(wanted), made)


def _is_binary(reach: Reach | None) -> bool:
    """Tell whether what a model compares a column with may be 0 and 1."""
    return reach is None or not reach.exact or (reach.low >= 0 and reach.high <= 1)


def _as_read(cell: str) -> str:
    """Spell a cell as the value of a table that was read."""
    word = cell.strip()
    if word in TRUE_FALSE:
        return str(TRUE_FALSE[word])
    if NUMBER.fullmatch(word) and float(word).is_integer() and "e" not in word.lower():
        return str(int(float(word)))
    return word


def _value_in(name: str, column: str) -> str | None:
    """Return the value of a column whose dummy has a name; None where that is of another."""
    for own in _spellings(column):
        for mark in ENCODER_MARKS:
            if name.casefold().startswith((own + mark).casefold()):
                return _as_read(name[len(own) + 1 :])
    return None


def _spellings(column: str) -> tuple[str, ...]:
    """Return the name of a column, also as it is without its marks."""
    return column, re.sub(r"\W", "_", column), re.sub(r"\W", "", column)


def _meant(name: str, value: str, column: str, known: Sequence[str]) -> str:
    """Return the one of a column's values that the name of a dummy means, marks aside.

    Case does not count where that of the column's own name was changed.
    """
    if value in known:
        return value
    kept = name.startswith(_spellings(column))
    for fold in (_plain, _letters, *[_small_letters][kept:]):
        alike = [one for one in known if fold(one) == fold(value)]
        if len(alike) == 1 and fold(value):
            return alike[0]
    return value


def _plain(value: str) -> str:
    """Write a value as names have it: 3.0 as 3, and marks as LightGBM writes them."""
    return re.sub(r"\W", "_", _as_read(value))


def _letters(value: str) -> str:
    """Leave the marks of a word out; of a number they are a part."""
    return "" if NUMBER.fullmatch(value) else re.sub(r"[\W_]", "", value)


def _small_letters(value: str) -> str:
    return _letters(value).casefold()


def _coded(name: str, column: NDArray[Any], codes: Mapping[str, float]) -> NDArray[Any]:
    """Return the numbers that stand for words; raise InputError for a word that has none."""
    known = {MISSING: codes.get("", np.nan), **codes}
    words = list(map(word_of, column.tolist()))
    lacking = sorted({*words} - {*known})
    if lacking:
        numbered = [one for one in codes if codes[one] == codes[one]]
        raise InputError(
            f"column {name!r} holds {lacking[0]!r}, to which --map gives no number",
            f"replace {OPEN} by the number that stands for it: "
            + map_option(name, [*numbered, *lacking], codes),
        )
    found = np.array([known[one] for one in words], float)
    whole = not np.isnan(found).any() and bool((found == np.rint(found)).all())
    return found.astype(np.int64) if whole else found


def _spelled(column: NDArray[Any]) -> NDArray[Any]:
    """Spell the values of a column as dummies are called after them."""
    return np.array([word_of(one) for one in column.tolist()], object)


def word_of(value: Any) -> str:
    """Spell a value of a column, a missing one as pandas does."""
    if is_missing(value):
        return MISSING
    return (
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    )
