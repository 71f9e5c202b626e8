"""Data frames of a pickle, made of their columns by pandas' own constructors.

pandas writes its frames as blocks of columns, and its rows and columns as indexes, that it believes
without a look. What stands for a part here is only ever read: frames and indexes are made as a
person would make them. How far apart moments are said to lie is left out, which no answer needs.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.constructors import check_plain
from lime_cli.models.pickles.policy import OFFSETS, ZONE_OF, Global, Refused
from lime_cli.models.walking import objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANAGERS = "pandas.core.internals.managers"

MOST_COLUMNS = 100_000

_DAMAGED_COLUMN = "holds a damaged column of a data frame"

_DAMAGED_INDEX = "holds a damaged index of a data frame"


@dataclass(eq=False)
class Block:
    """Columns of one kind: their values, and where they stand."""

    values: object
    places: object
    _ndim: object = 2


@dataclass(eq=False)
class Manager:
    """The blocks of a frame, or the one of a series, and its axes."""

    blocks: list[Block] = field(default_factory=list)
    axes: list[object] = field(default_factory=list)

    @staticmethod
    def of(blocks: object, axes: object) -> Manager:
        """Take what a frame's manager is called with; raise Refused for anything else."""
        if not isinstance(blocks, (tuple, list)) or not isinstance(axes, list):
            raise Refused("holds a damaged data frame")
        return Manager([_block(one) for one in blocks], axes)

    def fill(self, state: object) -> None:
        """Take the state of a series' manager; raise Refused for anything else."""
        versions = state[-1] if type(state) is tuple and state else None
        held = versions.get("0.14.1") if isinstance(versions, dict) else None
        if not isinstance(held, dict) or not isinstance(held.get("blocks"), list):
            raise Refused("holds a damaged series")
        self.axes = list(cast("list[object]", held.get("axes")))
        for one in held["blocks"]:
            if not isinstance(one, dict):
                raise Refused("holds a damaged series")
            self.blocks.append(Block(one.get("values"), one.get("mgr_locs")))


@dataclass(eq=False)
class Backed:
    """An array of categories, moments or periods: its numbers, and what they mean."""

    kind: str
    numbers: object = None
    dtype: object = None

    def fill(self, state: object) -> None:
        """Take numbers and type in either order; raise Refused for anything else."""
        if type(state) is not tuple or len(state) < 2:
            raise Refused(_DAMAGED_COLUMN)
        first, second = state[:2]
        swapped = isinstance(second, np.ndarray) and not isinstance(first, np.ndarray)
        self.numbers, self.dtype = (second, first) if swapped else (first, second)

    def array(self) -> Any:
        """Make the array; raise Refused where its parts do not fit."""
        import pandas

        numbers, dtype = _plain(self.numbers).ravel(), self.dtype
        if self.kind == "Categorical":
            if not isinstance(dtype, pandas.CategoricalDtype) or numbers.dtype.kind != "i":
                raise Refused("holds a column of categories without any")
            return pandas.Categorical.from_codes(numbers, dtype=dtype)
        if self.kind == "StringArray":
            return pandas.arrays.StringArray(numbers)  # which looks at every word
        if self.kind == "PeriodArray":
            if not isinstance(dtype, pandas.PeriodDtype) or numbers.dtype != np.int64:
                raise Refused("holds a column of periods without any")
            _check_periods(numbers, dtype)
            return pandas.arrays.PeriodArray(numbers, dtype=dtype)
        if numbers.dtype.kind not in "mM":
            raise Refused("holds a column of moments without any")
        if not isinstance(dtype, Parts):
            return numbers
        zone = dtype.held.get("tz")
        if not isinstance(zone, datetime.tzinfo) or numbers.dtype.kind != "M":
            raise Refused("holds moments of a damaged time zone")
        with tripwire.lifted():  # to read the zone UTC, when pandas first compares another with it
            _ = pandas.DatetimeTZDtype("ns", zone) == pandas.DatetimeTZDtype("ns", "UTC")
        return pandas.DatetimeIndex(numbers).tz_localize("UTC").tz_convert(zone).array


@dataclass(eq=False)
class _Held:
    """What is made of a dictionary of parts, which it holds until then."""

    held: Mapping[object, object] = field(default_factory=dict)

    def fill(self, state: object) -> None:
        """Take the parts; raise Refused for anything else."""
        self.held = _dictionary(state)


class Masked(_Held):
    """An array of numbers or truth values beside a mask of its gaps."""

    def array(self) -> Any:
        """Make the array; pandas checks that the parts fit."""
        import pandas

        numbers, gaps = _plain(self.held.get("_data")), _plain(self.held.get("_mask"))
        kind = {"f": "FloatingArray", "b": "BooleanArray"}.get(numbers.dtype.kind, "IntegerArray")
        return getattr(pandas.arrays, kind)(numbers, gaps)


class Parts(_Held):
    """The type of a column: moments of a time zone, or intervals."""


class Intervals(_Held):
    """An array of intervals: where they begin, where they end, and which ends they include."""

    def fill(self, state: object) -> None:
        """Take the parts; raise Refused for anything else."""
        super().fill(state[0] if type(state) is tuple and state else state)

    def array(self) -> Any:
        """Make the array; pandas checks that the ends fit."""
        dtype = self.held.get("_dtype")
        closed = dtype.held.get("closed") if isinstance(dtype, Parts) else self.held.get("_closed")
        return _intervals(self.held.get("_left"), self.held.get("_right"), closed).array


class Arrow(_Held):
    """A column that pyarrow holds: its chunks, which are checked when they are made."""

    def array(self) -> Any:
        """Make the array."""
        import pandas

        held: Any = self.held.get("_pa_array", self.held.get("_data"))
        if type(held).__module__ != "pyarrow.lib" or not hasattr(held, "to_pylist"):
            raise Refused(_DAMAGED_COLUMN)
        dtype = self.held.get("_dtype")
        words = isinstance(dtype, Parts) and "pyarrow_dtype" not in dtype.held
        kind: Any = "string[pyarrow]" if words else pandas.ArrowDtype(held.type)
        return pandas.array(held.to_pylist(), dtype=kind)


@dataclass(eq=False)
class Offset:
    """How far apart moments lie: a day, the end of a month."""

    name: str
    args: tuple[object, ...] | None = None

    def fill(self, _state: object) -> None:
        """Take a state, which nothing reads."""
        self.args = None

    def made(self) -> Any:
        """Make the offset, of which there are periods; raise Refused for others."""
        from pandas.tseries import offsets

        plain = self.args is not None and all(
            type(one) in (int, bool) and abs(cast("int", one)) < 10_000 for one in self.args
        )
        if self.name not in _OF_PERIODS or not plain:
            raise Refused(f"holds periods of {self.name}")
        return getattr(offsets, self.name)(*cast("Any", self.args))


class OldIndex:
    """Stands for what pandas 1 called its indexes of numbers."""


class OldWords:
    """Stands for the class of words in the place that it had before pandas 3."""


_OF_PERIODS = frozenset({"Day", "Hour", "Minute", "MonthEnd", "QuarterEnd", "Second", "YearEnd"})

_FREQUENCY = re.compile(r"period\[\d{0,4}[A-Za-z]{1,5}(-[A-Z]{3})?\]")

_FINEST = re.compile(r"period\[\d*(ns|N)\]")
"""Periods of which every number is one: others may lie in years that nothing can write."""

_ZONE = re.compile(r"[A-Za-z][\w+-]*(/[A-Za-z0-9_+-]+){0,2}")


def _period_dtype(frequency: object) -> Any:
    import pandas

    if isinstance(frequency, Offset):
        return pandas.PeriodDtype(frequency.made())
    if type(frequency) is not str or not _FREQUENCY.fullmatch(frequency):
        raise Refused("holds periods of unknown length")
    return pandas.PeriodDtype(frequency)


def _check_periods(numbers: NDArray[Any], dtype: Any) -> None:
    import pandas

    held = numbers[numbers != np.iinfo(np.int64).min]
    if not held.size or _FINEST.fullmatch(dtype.name):
        return
    low, high = (pandas.Period(day, freq=dtype.freq).ordinal for day in ("0001-01-01", "9999-12-1"))
    if held.min() < low or held.max() > high:
        raise Refused("holds periods of years that do not exist")


def zone_of(name: object, *_said: object) -> datetime.tzinfo:
    """Find a time zone by its name; raise Refused for none."""
    import zoneinfo

    if type(name) is not str or not _ZONE.fullmatch(name):
        raise Refused("names an unknown time zone")
    try:
        with tripwire.lifted():  # to read the zone, of this computer or of the package tzdata
            return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise Refused(f"names an unknown time zone ({name[:40]})") from None


def _utc() -> datetime.tzinfo:
    return datetime.timezone.utc


def _fixed(minutes: object, *_said: object) -> datetime.tzinfo:
    if type(minutes) is not int or abs(minutes) >= 24 * 60:
        raise Refused("names an unknown time zone")
    return datetime.timezone(datetime.timedelta(minutes=minutes))


def index_of(cls: object, parts: object) -> Any:
    """Make an index as pandas' constructors do; raise Refused for what those do not take."""
    import pandas

    if type(parts) is not dict or not isinstance(cls, type):
        raise Refused(_DAMAGED_INDEX)
    held: dict[object, Any] = parts
    name, kind = held.get("name"), "Index" if cls is OldIndex else cls.__name__
    check_plain([name])
    if kind == "RangeIndex":
        numbers = [held.get("start", 0), held.get("stop"), held.get("step", 1)]
        if not all(type(one) is int and abs(one) < 1 << 62 for one in numbers):
            raise Refused(_DAMAGED_INDEX)
        return pandas.RangeIndex(*numbers, name=name)
    if kind == "MultiIndex":
        return _levels(held)
    if kind == "IntervalIndex":
        index = _intervals(held.get("left"), held.get("right"), held.get("closed"))
        return index.rename(name)
    if kind not in _INDEXES:
        raise Refused(_DAMAGED_INDEX)
    data = _cells_of(held.get("data"))
    if kind == "Index":
        return pandas.Index(data, dtype=data.dtype, name=name)
    return getattr(pandas, kind)(data, name=name)


_INDEXES = ("Index", "CategoricalIndex", "DatetimeIndex", "PeriodIndex", "TimedeltaIndex")


def _intervals(left: object, right: object, closed: object) -> Any:
    import pandas

    ends = [one if isinstance(one, pandas.Index) else _cells_of(one) for one in (left, right)]
    if any(one.dtype == object for one in ends) or type(closed) is not str:
        raise Refused(_DAMAGED_INDEX)
    return pandas.IntervalIndex.from_arrays(*ends, closed=cast("Any", closed))


def _levels(held: Mapping[object, Any]) -> Any:
    """Make an index of several levels; codes that point outside of these are refused."""
    import pandas

    levels, codes, names = (cast("Any", held.get(one)) for one in ("levels", "codes", "names"))
    for part in (levels, codes, names):
        if not isinstance(part, (list, tuple)) or not 0 < len(part) == len(levels) < MOST_COLUMNS:
            raise Refused(_DAMAGED_INDEX)
    check_plain(names)
    for level, numbers in zip(levels, map(_plain, codes), strict=True):
        whole = isinstance(level, pandas.Index) and numbers.dtype.kind == "i" and numbers.ndim == 1
        fit = whole and len(numbers) == len(codes[0])
        if not fit or (numbers.size and not -1 <= numbers.min() <= numbers.max() < len(level)):
            raise Refused(_DAMAGED_INDEX)
    # unverified: pandas would look at what is in the levels by its hash
    return pandas.MultiIndex(levels, codes, names=names, verify_integrity=False)


_DTYPES = ("pandas", "pandas.core.dtypes.dtypes")
"""Where types of columns are: since pandas 3, and before."""

UNPICKLE_BACKED = ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")

_UNPICKLE_INTERVALS = ("pandas._libs.interval", "__pyx_unpickle_IntervalMixin")

_MASKED = (
    *(("pandas.arrays", name) for name in ("IntegerArray", "FloatingArray", "BooleanArray")),
    ("pandas.core.arrays.integer", "IntegerArray"),
    ("pandas.core.arrays.floating", "FloatingArray"),
    ("pandas.core.arrays.boolean", "BooleanArray"),
)

_ARROW = (
    ("pandas.arrays", "ArrowExtensionArray"),
    ("pandas.core.arrays.arrow.array", "ArrowExtensionArray"),
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"),
)

_ARROW_TYPES = (
    *((module, "ArrowDtype") for module in _DTYPES),
    ("pandas.core.arrays.arrow.dtype", "ArrowDtype"),
)

_BACKED = ("Categorical", "DatetimeArray", "PeriodArray", "TimedeltaArray")

_PARTED = ("DatetimeTZ", "Interval")

_OLD = ("Int64", "UInt64", "Float64")

_STAND_INS: Mapping[Global, Any] = {
    ("pandas._libs.internals", "_unpickle_block"): Block,
    (MANAGERS, "BlockManager"): Manager.of,
    (MANAGERS, "SingleBlockManager"): Manager,
    ("pandas.core.indexes.base", "_new_Index"): index_of,
    ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"): index_of,
    ("pandas.core.indexes.interval", "_new_IntervalIndex"): index_of,
    ("pandas.core.indexes.period", "_new_PeriodIndex"): index_of,
    ("pandas.core.indexes.timedeltas", "_new_TimedeltaIndex"): index_of,
    ("pandas.core.arrays.string_", "StringArray"): OldWords,
    ("pandas.core.arrays.string_", "StringDtype"): Parts,
    **dict.fromkeys(_ARROW, Arrow),
    **dict.fromkeys(_ARROW_TYPES, Parts),
    ("pytz", "FixedOffset"): _fixed,
    ("pytz", "_FixedOffset"): _fixed,
    ("pytz", "_UTC"): _utc,
    ("pytz", "_p"): zone_of,
    ZONE_OF: zone_of,
    **{("pandas.core.indexes.numeric", f"{kind}Index"): OldIndex for kind in _OLD},
    **{(module, "PeriodDtype"): _period_dtype for module in _DTYPES},
    **{(module, f"{kind}Dtype"): Parts for module in _DTYPES for kind in _PARTED},
    **dict.fromkeys(_MASKED, Masked),
}

STANDING = (Block, Manager, Backed, Masked, Parts, Intervals, Arrow, Offset)
"""What is a part of a frame, and no value."""


def prepare(key: Global) -> None:
    """Have pandas import what it otherwise imports when it first makes such a column."""
    if key in _ARROW:
        import pandas

        pandas.array([True], dtype="bool[pyarrow]")


def stand_in(key: Global) -> Callable[..., Any] | None:
    """Return what stands for a name of pandas' inside, and is called in its place; None for others.

    What stands for a class makes an empty one where it is called with nothing.
    """
    return partial(Offset, key[1]) if key[0] == OFFSETS else _STAND_INS.get(key)


def stands_in(key: Global, thing: Any, args: tuple[object, ...]) -> object:
    """Make the stand-in that a call of pandas' inside gives; None for any other call."""
    if key[0] == OFFSETS:
        return thing(args)
    if key in _STAND_INS:
        return cast("object", thing(*args))
    if key == UNPICKLE_BACKED and args and args[0] is OldWords:
        return Backed("StringArray")
    if key == UNPICKLE_BACKED and args and isinstance(args[0], type):
        name = args[0].__name__
        return Backed(name) if _is_of_pandas(args[0]) and name in _BACKED else None
    return Intervals() if key == _UNPICKLE_INTERVALS else None


def fill_stand_in(instance: object, state: object) -> bool:
    """Give a frame, or a stand-in for a part of one, its state; False for anything else.

    Raises Refused for a state that pandas did not write.
    """
    kind = type(instance)
    if isinstance(instance, (Manager, Backed, Masked, Parts, Intervals, Arrow, Offset)):
        instance.fill(state)
    elif not _is_of_pandas(kind):
        return False
    elif kind.__name__ in ("DataFrame", "Series"):
        _fill_frame(instance, state)
    elif kind.__name__ == "CategoricalDtype":
        _check_categories(state)
        return False
    elif kind.__name__ == "StringArray":
        _check_words(state)
        return False
    else:
        return False
    return True


def check_gone(loaded: object, made: Iterable[object]) -> None:
    """Refuse a file that uses a part of a frame for something else, or words without any."""
    for one in made:
        if _has_no_words(one):
            raise Refused(_DAMAGED_COLUMN)
    for one in objects(loaded):
        if isinstance(one, STANDING):
            raise Refused("holds a part of a data frame outside of one")


def _is_of_pandas(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] == "pandas"


def _dictionary(state: object) -> Mapping[object, object]:
    if not isinstance(state, dict):
        raise Refused(_DAMAGED_COLUMN)
    return state


def _check_categories(state: object) -> None:
    import pandas

    held: dict[str, object] = state if type(state) is dict else {}
    categories = held.get("categories")
    index = categories is None or isinstance(categories, pandas.Index)
    if not index or held.keys() - {"categories", "ordered"}:
        raise Refused("holds damaged categories")
    if not isinstance(held.get("ordered"), (bool, type(None))):
        raise Refused("holds damaged categories")


def _check_words(state: object) -> None:
    """Refuse what pandas takes unseen for an array of words."""
    import pandas

    parts: tuple[object, ...] = state if type(state) is tuple else ()
    if len(parts) == 3 and parts[2] == {}:
        parts = parts[:2]
    if len(parts) != 2 or not isinstance(parts[0], pandas.StringDtype):
        raise Refused(_DAMAGED_COLUMN)
    if _plain(parts[1]).dtype != object or cast("NDArray[Any]", parts[1]).ndim not in (1, 2):
        raise Refused(_DAMAGED_COLUMN)


def _has_no_words(held: Any) -> bool:
    """Tell an array of words that was made and never filled, which no compiled code can bear."""
    named = type(held).__name__ == "StringArray" and _is_of_pandas(type(held))
    return named and held._ndarray is None


def _fill_frame(frame: Any, state: object) -> None:
    manager = state.get("_mgr", state.get("_data")) if isinstance(state, dict) else None
    if type(manager) is not Manager:
        raise Refused("holds a damaged data frame")
    try:
        if type(frame).__name__ == "Series":
            _fill_series(frame, manager, cast("dict[str, object]", state))
        else:
            _fill_columns(frame, manager)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise Refused("holds a damaged data frame") from error


def _fill_columns(frame: Any, manager: Manager) -> None:
    import pandas

    names, rows = cast("list[Any]", manager.axes)
    if len(names) > MOST_COLUMNS:
        raise Refused(f"holds a data frame of more than {MOST_COLUMNS:,} columns")
    found = dict(_columns(manager, len(names)))
    columns = {place: found[place] for place in range(len(names))}
    pandas.DataFrame.__init__(frame, columns, index=None if columns else rows)
    frame.columns = names
    frame.index = rows  # afterwards: pandas would look up columns by it


def _fill_series(series: Any, manager: Manager, state: Mapping[str, object]) -> None:
    import pandas

    name = state.get("name", state.get("_name"))
    if not isinstance(name, (str, int, float, tuple, type(None), np.generic)):
        raise Refused(f"names a series by a {type(name).__name__}")
    (block,), (rows,) = manager.blocks, manager.axes
    values = _cells_of(block.values)
    index = cast("Any", rows)
    pandas.Series.__init__(series, values, index=index, dtype=values.dtype, name=name)


def _columns(manager: Manager, n: int) -> Iterator[tuple[int, Any]]:
    import pandas

    for block in manager.blocks:
        values = _cells_of(block.values)
        places = range(n)[block.places] if isinstance(block.places, slice) else block.places
        rows = values if values.ndim == 2 else [values]
        for place, row in zip(cast("Any", places), rows, strict=True):
            yield int(place), pandas.Series(row, dtype=values.dtype)


def _cells_of(held: object) -> Any:
    """Return the values of a block as an array of numpy's or of pandas' own making."""
    if isinstance(held, (Backed, Masked, Intervals, Arrow)):
        return held.array()
    if type(held).__module__.startswith("pandas.") and type(held).__name__.endswith("StringArray"):
        if _has_no_words(held):
            raise Refused(_DAMAGED_COLUMN)
        return held
    return _plain(held)


def _plain(held: object) -> NDArray[Any]:
    if type(held) is not np.ndarray:
        raise Refused(f"holds a {type(held).__name__} as a column of a data frame")
    return held


def _block(one: object) -> Block:
    if type(one) is not Block:
        raise Refused("holds a damaged data frame")
    return one
