"""Tables of Parquet, Feather and Arrow files, read batch by batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from lime_cli.errors import InputError, MissingDependency
from lime_cli.sources import Record
from lime_cli.tables.content import TableContent, TableFile
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect

BATCH = 1_024
"""Rows taken at a time."""

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

        n_rows = int(table.metadata.num_rows)
        return ArrowRows(file.name, "Parquet", dialect, table.schema_arrow, batches, n_rows)

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

        return ArrowRows(file.name, "Feather", dialect, table.schema, batches)

    return _content(file, "Feather", opened)


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
    return TableContent(rows.header, rows.records, rows, rows.n_rows)


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
        n_rows: int | None = None,
    ) -> None:
        """Take what yields batches of the columns named; raise InputError for no header."""
        self._name, self._kind, self._dialect, self._batches = name, kind, dialect, batches
        kept = [one for one in schema if not re.fullmatch(r"__index_level_\d+__", one.name)]
        self.header = checked_header(name, [one.name for one in kept])
        self._columns = [one.name for one in kept]
        self.texts = frozenset(one.name.strip() for one in kept if not _is_number(one.type))
        self.n_rows = n_rows
        self.records = self._records()

    def _records(self) -> Iterator[Record]:
        from pyarrow import ArrowException

        missing = frozenset(self._dialect.na_values)
        number = 0
        try:
            for batch in self._batches(self._columns):
                columns = [self._spelled(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    if missing:
                        cells = tuple("" if one.strip() in missing else one for one in cells)
                    yield Record(self.header, cells, number, unit="row")
                    number += 1
        except (ArrowException, OSError):
            raise damaged(self._name, self._kind) from None

    def _spelled(self, column: Any) -> list[str]:
        spelled = self._dialect.spelled
        return [spelled(value) for value in column.to_pylist()]


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)
