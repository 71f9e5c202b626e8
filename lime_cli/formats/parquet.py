"""Parquet in long form: the columns of CSV, with their types."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any

from lime_cli.errors import MissingDependency
from lime_cli.formats.csv import HEADER, rows_of

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.formats import Look


WORDS = ("instance", "source", "target", "component", "value", "where", "stop", "warnings")

WHOLE = ("rank", "rank_low", "rank_high", "samples")

ROWS = 8_192
"""Of a row group."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a row for each instance, target and component, in groups as they come.

    Values are spelled as words, for a column of Parquet is of one type. Raises MissingDependency.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise MissingDependency(
            "writing Parquet needs pyarrow", "pip install 'limex[parquet]'"
        ) from None
    kinds = {name: pyarrow.float64() for name in HEADER}
    kinds |= dict.fromkeys(WORDS, pyarrow.string()) | dict.fromkeys(WHOLE, pyarrow.int64())
    schema = pyarrow.schema(list(kinds.items()))
    rows = chain.from_iterable(map(rows_of, explanations))
    with ParquetWriter(_Open(out), schema) as writer:
        while some := list(islice(rows, ROWS)):
            columns = [
                pyarrow.array([_typed(cell, name) for cell in cells], kinds[name])
                for name, cells in zip(HEADER, zip(*some, strict=True), strict=True)
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))


class _Open:
    """A stream that pyarrow does not close: standard output, say."""

    closed = False

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._written = out, 0

    def write(self, data: bytes) -> int:
        self._written += len(data)
        return self._out.write(data)

    def flush(self) -> None:
        self._out.flush()

    def tell(self) -> int:
        return self._written

    def close(self) -> None:
        self.flush()


def _typed(cell: Any, name: str) -> Any:
    """Return a cell as its column's type takes it; letters that are halves of one spelled out."""
    if cell is None or name not in WORDS:
        return cell
    return str(cell).encode("utf-8", "backslashreplace").decode()
