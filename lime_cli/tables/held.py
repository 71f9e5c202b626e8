"""Tables that are held in memory, data frames and arrays, as what is read from files.

A held table is typed, as a Parquet file is: a column of words is words, whatever they look like.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import InputError
from lime_cli.sources import ARRAY, FRAME, ROW, TEXTS, Held, Record
from lime_cli.tables.columnar import Column, Sample, Sampler, Surprise, step_for
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 1_024
"""Rows spelled at a time."""

TEXT = "text"
"""Name of the column of a list of texts."""


@dataclass(frozen=True, eq=False)
class HeldTable:
    """Columns of equal length, and how they were typed where they came from."""

    header: tuple[str, ...]
    columns: tuple[Any, ...]
    """Each an array or a list of n values."""
    n_rows: int
    texts: frozenset[str] = frozenset()
    """Columns that hold neither numbers nor truth values."""
    labels: tuple[str, ...] | None = None
    """What the rows are called; None where they are only numbered."""
    form: str = "frame"
    """``frame``, ``array`` or ``sparse``: what the owner of the table has in hand."""
    dtypes: Mapping[str, Any] = field(default_factory=dict)
    """Of a data frame, by column; of an array under the empty name."""
    names: Mapping[str, Any] = field(default_factory=dict)
    """Names of a data frame's columns that are no texts, by what they are spelled as."""

    def opened(self, name: str, dialect: Dialect) -> TableContent:
        """Begin to read the rows; raise InputError for columns without names of their own."""
        header = checked_header(name, list(self.header))
        if len(set(self.header)) < len(self.header):
            twice = next(one for one in self.header if self.header.count(one) > 1)
            raise InputError(f"{name}: column {twice!r} appears twice", "give each its own name")
        sampled = None if dialect.na_values else partial(self._sampled, dialect)
        return TableContent(header, self._records(header, dialect), self, self.n_rows, sampled)

    def _sampled(self, dialect: Dialect, most: int, words: Collection[int]) -> Sample | None:
        """Take evenly spaced rows by column; see ``TableContent``."""
        found = Sampler(len(self.columns), most, words, dialect)
        found.step = step_for(self.n_rows, most)
        places = found.next_places(self.n_rows)
        columns = (
            _taken(one, places, dialect, place in words) for place, one in enumerate(self.columns)
        )
        try:
            found.add(columns, places)
            return found.sample()
        except Surprise:
            return None

    def _records(self, header: tuple[str, ...], dialect: Dialect) -> Iterator[Record]:
        for start in range(0, self.n_rows, CHUNK):
            columns = [_spelled(one[start : start + CHUNK], dialect) for one in self.columns]
            for number, cells in enumerate(zip(*columns, strict=True), start):
                yield Record(header, cells, number, unit="row")


def _taken(column: Any, places: range, dialect: Dialect, words: bool) -> Column:
    """Return some values of a column, as numbers where it holds such; raise Surprise for infinite
    ones.
    """
    some = column[places.start : places.stop : places.step]
    if words or not isinstance(some, np.ndarray) or some.dtype.kind not in "iuf":
        return _spelled(some, dialect)
    short = some.dtype.kind == "f" and some.dtype.itemsize < 8
    found = (some.astype(str) if short else some).astype(np.float64)
    if np.isinf(found).any():
        raise Surprise
    return found


def _spelled(column: Any, dialect: Dialect) -> list[str]:
    """Spell values; numbers of half and single precision as shortly as that precision allows."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        if column.dtype.itemsize < 8:
            return [dialect.spelled(float(str(one))) for one in column]
        return [dialect.spelled(one) for one in column.tolist()]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iub":
        return [dialect.spelled(one) for one in column.tolist()]
    return [dialect.spelled(_plain(one)) for one in column]


def _plain(value: Any) -> Any:
    """Return a value as Python has it; None for what pandas has for a missing one."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def held_table(data: Any, name: str | None = None) -> Held:
    """Hold a data frame, a series, an array, a sparse matrix or a list of rows, in place of a path.

    Raises InputError for anything else.
    """
    if isinstance(data, Held):
        return data
    if hasattr(data, "to_pandas") and not hasattr(data, "iloc"):
        data = data.to_pandas()
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return Held(name or FRAME, _of_frame(data))
    if hasattr(data, "tocsr"):
        table = _of_array(np.asarray(data.toarray()))
        return Held(name or ARRAY, HeldTable(**{**vars(table), "form": "sparse"}))
    if hasattr(data, "iloc") and hasattr(data, "index"):
        return Held(
            name or ROW,
            _of_row(dict(zip(data.index.tolist(), data.tolist(), strict=True)), data.name),
        )
    if isinstance(data, Mapping):
        return Held(name or ROW, _of_row(data, None))
    if isinstance(data, Sequence) and data and all(isinstance(one, Mapping) for one in data):
        from pandas import DataFrame

        return Held(name or FRAME, _of_frame(DataFrame(list(data))))
    return Held(name or ARRAY, _of_array(_as_array(data)))


def held_texts(data: Sequence[str], labels: Sequence[Any] | None = None) -> Held:
    """Hold a list of texts as a table of one column."""
    column = [None if one is None or one != one else str(one) for one in data]
    named = None if labels is None else tuple(map(str, labels))
    return Held(TEXTS, HeldTable((TEXT,), (column,), len(column), frozenset((TEXT,)), named))


def read_npy(file: TableFile, dialect: Dialect) -> TableContent:
    """Read an array of rows and columns as NumPy saves it; raise InputError for another."""
    try:
        data = np.load(file.stream, allow_pickle=False)
        if data.ndim != 2:
            words = f"{file.name}: holds an array of {data.ndim} dimensions, not rows and columns"
            raise InputError(words, "save one of two: numpy.save('table.npy', rows)")
        return _of_array(_as_array(data)).opened(file.name, dialect)
    except (ValueError, OSError, EOFError) as error:
        words = "holds Python objects" if "allow_pickle" in str(error) else "is damaged"
        raise InputError(f"{file.name}: {words}", "save its numbers again, or a CSV file") from None


def _as_array(data: Any) -> NDArray[Any]:
    if hasattr(data, "detach"):  # PyTorch
        data = data.detach().cpu().numpy()
    try:
        found = np.asarray(data)
        if found.dtype.kind in "US":  # of mixed rows, whose numbers must stay what they are
            found = np.array(data, dtype=object)
    except ValueError:  # rows of different lengths
        found = np.empty(0, object)
    if found.ndim == 1 and found.size and found.dtype.kind in "biufOUS":
        found = found[None]
    if found.ndim != 2 or not found.size or found.dtype.kind not in "biufOUS":
        kind = type(data).__name__
        raise InputError(
            f"{kind}: is not a table", "give a data frame, an array of rows and columns, or a path"
        )
    return found


def _of_array(data: NDArray[Any]) -> HeldTable:
    header = tuple(map(str, range(data.shape[1])))
    if data.dtype.kind in "biuf":
        columns = tuple(np.ascontiguousarray(data[:, j]) for j in range(data.shape[1]))
        return HeldTable(header, columns, len(data), form="array", dtypes={"": data.dtype})
    columns = tuple(data[:, j].tolist() for j in range(data.shape[1]))
    texts = (name for name, one in zip(header, columns, strict=True) if _has_words(one))
    return HeldTable(header, columns, len(data), frozenset(texts), form="array")


def _of_row(row: Mapping[Any, Any], label: Any) -> HeldTable:
    """Hold one row, given as its values by column."""
    header = tuple(map(str, row))
    columns = tuple([value] for value in row.values())
    texts = (name for name, one in zip(header, columns, strict=True) if _has_words(one))
    labels = None if label is None else (str(label),)
    return HeldTable(header, columns, 1, frozenset(texts), labels)


def _has_words(column: Iterable[Any]) -> bool:
    return any(isinstance(_plain(one), str) for one in column)


def _of_frame(frame: Any) -> HeldTable:
    import pandas

    names, types = list(frame.columns), list(frame.dtypes)
    header = tuple(map(str, names))
    index = frame.index
    plain = isinstance(index, pandas.RangeIndex) and (index.start, index.step) == (0, 1)
    words = {place for place, one in enumerate(types) if not _is_plain(one)}
    return HeldTable(
        header=header,
        columns=tuple(_columns(frame, types)),
        n_rows=len(frame),
        texts=frozenset(header[place] for place in words if _is_text(frame.iloc[:, place])),
        labels=None if plain else tuple(map(str, index)),
        dtypes=dict(zip(header, types, strict=True)),
        names={
            word: one for word, one in zip(header, names, strict=True) if not isinstance(one, str)
        },
    )


def _columns(frame: Any, types: Sequence[Any]) -> Iterator[Any]:
    """Yield the columns of a frame; of few rows those of one type in one step, which pandas does as
    soon as one of them.
    """
    at_once: dict[Any, Iterator[Any]] = {}
    for place, dtype in enumerate(types):
        if not _is_plain(dtype) or len(frame) > CHUNK:
            yield _column(frame.iloc[:, place])
            continue
        if dtype not in at_once:
            same = [own for own, one in enumerate(types) if one == dtype]
            some = frame if len(same) == len(types) else frame.iloc[:, same]
            at_once[dtype] = iter(some.to_numpy().T)
        yield next(at_once[dtype])


def _column(series: Any) -> Any:
    """Return a column as an array of numbers, or as a list of what it holds; days as their date."""
    if _is_plain(series.dtype):
        return series.to_numpy()
    from pandas.api import types

    if types.is_datetime64_any_dtype(series.dtype):
        whole = (series.dropna() == series.dropna().dt.normalize()).all()
        return [None if one != one else str(one)[: 10 if whole else None] for one in series]
    return list(series.astype(object))


def _is_plain(dtype: Any) -> bool:
    """Tell whether a column holds numbers or truth values as NumPy has them."""
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _is_text(series: Any) -> bool:
    """Tell whether a column holds neither numbers nor truth values."""
    dtype = series.dtype
    if _is_plain(dtype):
        return False
    from pandas import CategoricalDtype
    from pandas.api import types

    if isinstance(dtype, CategoricalDtype):
        return _is_text(dtype.categories)
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        return False
    kind = types.infer_dtype(series, skipna=True)
    return kind not in ("boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty")
