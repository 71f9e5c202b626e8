"""Tables of Parquet, Feather and Arrow files, read batch by batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import numpy as np

from lime_cli.errors import InputError, MissingDependency
from lime_cli.sources import Record
from lime_cli.tables.columnar import Column, Numbers, Sample, Sampler, Surprise, step_for
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile

Group = tuple[int, Callable[[str], Any]]
"""Rows that are stored together: how many, and what reads a column of them."""

BATCH = 1_024
"""Rows taken at a time."""

WIDTHS = {"halffloat": "float16", "float": "float32", "double": "float64"}
"""What numpy calls Arrow's types of numbers, where it has other names for them."""

CELLS = 2**20
"""Cells taken at a time, at most."""


def read_parquet(file: TableFile, dialect: Dialect) -> TableContent:
    """Read a Parquet file by its row groups."""

    def opened() -> ArrowRows:
        from pyarrow.parquet import ParquetFile

        table = ParquetFile(file.stream)

        def batches(columns: list[str]) -> Iterator[Any]:
            size = max(1, min(BATCH, CELLS // max(1, len(columns))))
            yield from table.iter_batches(size, columns=columns)

        def groups() -> Iterator[Group]:
            for i in range(table.num_row_groups):
                read = partial(_read_column, table, i)
                yield int(table.metadata.row_group(i).num_rows), read

        n_rows = int(table.metadata.num_rows)
        return ArrowRows(file.name, "Parquet", dialect, table.schema_arrow, batches, groups, n_rows)

    return _content(file, "Parquet", opened)


def read_feather(file: TableFile, dialect: Dialect) -> TableContent:
    """Read a Feather or Arrow file by its record batches."""

    def opened() -> ArrowRows:
        from pyarrow.ipc import open_file

        table = open_file(file.stream)

        def batches(columns: list[str]) -> Iterator[Any]:
            for i in range(table.num_record_batches):
                batch = table.get_batch(i).select(columns)
                for start in range(0, batch.num_rows, BATCH):
                    yield batch.slice(start, BATCH)

        def groups() -> Iterator[Group]:
            for i in range(table.num_record_batches):
                batch = table.get_batch(i)
                yield batch.num_rows, batch.column

        return ArrowRows(file.name, "Feather", dialect, table.schema, batches, groups)

    return _content(file, "Feather", opened)


def _read_column(table: Any, group: int, name: str) -> Any:
    """Read a column of a row group alone, so that no more than one is in memory."""
    return table.read_row_group(group, columns=[name], use_threads=False).column(0)


def _content(file: TableFile, kind: str, opened: Callable[[], ArrowRows]) -> TableContent:
    try:
        import pyarrow
    except ImportError:
        raise MissingDependency(
            f"{file.name}: reading {kind} needs pyarrow", "pip install 'limex[parquet]'"
        ) from None
    try:
        rows = opened()
    except (pyarrow.ArrowException, OSError):
        raise damaged(file.name, kind) from None
    return TableContent(rows.header, rows.records, rows, rows.n_rows, rows.sampled)


def damaged(name: str, kind: str) -> InputError:
    """Word that a file breaks off, or was changed."""
    return InputError(f"{name}: is cut short or damaged {kind}", "write it again")


class ArrowRows:
    """The rows of record batches, and which columns are neither numbers nor truth values."""

    def __init__(
        self,
        name: str,
        kind: str,
        dialect: Dialect,
        schema: Any,
        batches: Callable[[list[str]], Iterator[Any]],
        groups: Callable[[], Iterator[Group]],
        n_rows: int | None = None,
    ) -> None:
        """Take what yields batches of the columns named; raise InputError for no header."""
        self._name, self._kind, self._dialect = name, kind, dialect
        self._batches, self._groups = batches, groups
        kept = [one for one in schema if not re.fullmatch(r"__index_level_\d+__", one.name)]
        self.header = checked_header(name, [one.name for one in kept])
        self._columns = [one.name for one in kept]
        self.texts = frozenset(one.name.strip() for one in kept if not _is_number(one.type))
        self.n_rows = n_rows
        self.records = self._records()

    def sampled(self, most: int, words: Collection[int]) -> Sample | None:
        """Take evenly spaced rows by column; see ``TableContent``."""
        from pyarrow import ArrowException

        if self._dialect.na_values:
            return None
        found = Sampler(len(self.header), most, words, self._dialect)
        if self.n_rows is not None:
            found.step = step_for(self.n_rows, most)
        try:
            for n, column in self._groups():
                first, places = found.n_rows, found.next_places(n)
                if places:
                    columns = (
                        self._column(column(name), places, j in words)
                        for j, name in enumerate(self._columns)
                    )
                    found.add(columns, [first + place for place in places])
            return found.sample()
        except Surprise:
            return None
        except (ArrowException, OSError):
            raise damaged(self._name, self._kind) from None

    def _column(self, column: Any, places: range, words: bool) -> Column:
        """Return some cells of a column, as numbers where it holds such."""
        from pyarrow import types

        if not words and (types.is_integer(column.type) or types.is_floating(column.type)):
            found = _doubles(column)[places.start :: places.step].copy()
            if np.isinf(found).any():
                raise Surprise
            return found
        kept = column.take(list(places)) if places.step > 1 else column
        return self._spelled(kept)

    def _records(self) -> Iterator[Record]:
        from pyarrow import ArrowException

        number = 0
        try:
            for batch in self._batches(self._columns):
                columns = map(self._spelled, batch.columns)
                for cells in zip(*columns, strict=True):
                    yield Record(self.header, cells, number, unit="row")
                    number += 1
        except (ArrowException, OSError):
            raise damaged(self._name, self._kind) from None

    def _spelled(self, column: Any) -> list[str]:
        spelled = self._dialect.spelled
        return [spelled(value) for value in column.to_pylist()]


def _doubles(column: Any) -> Numbers:
    """Return numbers as float64, NaN for none, from Arrow's own buffers.

    Its ways to convert them import pandas, or make a function of each of 300 kernels first.
    """
    pieces = []
    dtype = np.dtype(WIDTHS.get(str(column.type), str(column.type)))
    for part in getattr(column, "chunks", [column]):
        known, held = part.buffers()
        own = slice(part.offset, part.offset + len(part))
        found = np.frombuffer(held, dtype)[own] if len(part) else np.empty(0)
        found = found.astype(np.float64, copy=False)
        if part.null_count:
            bits = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")[own]
            found = np.where(bits == 1, found, np.nan)
        pieces.append(found)
    return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)
