"""Tables of Parquet files, read batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from lime_cli.errors import InputError, MissingDependency
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect

BATCH = 1_024
"""Rows taken at a time."""

CELLS = 2**20
"""Cells taken at a time, at most."""


class ParquetRows:
    """The rows of a Parquet file, and which of its columns are neither numbers nor truth values."""

    def __init__(self, name: str, stream: IO[bytes], dialect: Dialect) -> None:
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise MissingDependency(
                f"{name}: reading Parquet needs pyarrow", "pip install 'limex[parquet]'"
            ) from None
        self._name, self._dialect, self._error = name, dialect, (ArrowException, OSError)
        try:
            self._file = ParquetFile(stream)
            schema = self._file.schema_arrow
        except self._error as error:
            raise self._damaged(error) from None
        kept = [one for one in schema if not re.fullmatch(r"__index_level_\d+__", one.name)]
        self.header = checked_header(name, [one.name for one in kept])
        self._columns = [one.name for one in kept]
        self.texts = frozenset(one.name.strip() for one in kept if not _is_number(one.type))
        self.n_rows = int(self._file.metadata.num_rows)
        self.records = self._records()

    def _records(self) -> Iterator[Record]:
        missing = frozenset(self._dialect.na_values)
        number = 0
        size = max(1, min(BATCH, CELLS // len(self.header)))
        try:
            for batch in self._file.iter_batches(size, columns=self._columns):
                columns = [self._spelled(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    if missing:
                        cells = tuple("" if one.strip() in missing else one for one in cells)
                    yield Record(self.header, cells, number, unit="row")
                    number += 1
        except self._error as error:
            raise self._damaged(error) from None

    def _spelled(self, column: Any) -> list[str]:
        spelled = self._dialect.spelled
        return [spelled(value) for value in column.to_pylist()]

    def _damaged(self, error: Exception) -> InputError:
        return InputError(f"{self._name}: is cut short or damaged Parquet", "write it again")


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)
