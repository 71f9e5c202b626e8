"""Tables: columns by name, read from CSV or TSV with every fault named by line and column."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from lime_cli.errors import InputError

MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A"))
"""Cells that stand for a missing value; in columns of text only the empty cell does."""
TRUE_FALSE = {
    "True": True,
    "true": True,
    "TRUE": True,
    "False": False,
    "false": False,
    "FALSE": False,
}
FIELD_CHARACTERS = 2**20
MANY_COLUMNS = 20_000
NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII
)

PLAIN = re.compile(r"-?\d{1,15}(\.\d{1,25})?", re.ASCII)
"""Numbers that need no further look."""


@dataclass(frozen=True, eq=False)
class Cells:
    """A table as its file spells it: header and rows of text, nothing guessed yet."""

    name: str
    """File name, for messages."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    """Line of the file on which each row ends, counted from 1."""

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each column stands."""
        return {name: place for place, name in enumerate(self.header)}

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        place = self.places[name]
        return [row[place] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns ready for a model: a modality's natural batch of n rows."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any], ...]
    """Each (n,): float64 with NaN, int64, bool, or object: str, bool and None."""

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @staticmethod
    def joined(tables: Sequence[Table]) -> Table:
        """Put tables of the same columns under each other."""
        stacked = (
            np.concatenate(parts) for parts in zip(*(t.columns for t in tables), strict=True)
        )
        return Table(tables[0].names, tuple(stacked))


def read_cells(path: Path, separator: str | None = None) -> Cells:
    """Read a CSV or TSV file; raise InputError naming file, line and column.

    The separator is the comma, or the tab where the file's suffix says .tsv.
    """
    separator = separator or ("\t" if path.suffix.lower() in (".tsv", ".tab") else ",")
    csv.field_size_limit(FIELD_CHARACTERS)
    with _opened(path) as stream:
        try:
            return _parse(path.name, stream, separator)
        except UnicodeDecodeError:
            raise _not_utf8(path) from None
        except csv.Error as error:
            raise InputError(f"{path.name}: {_in_words(error)}") from None


def _opened(path: Path) -> TextIO:
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path of the table") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder", "a table is one file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    for magic, kind in (
        (b"\x89PNG", "PNG"),
        (b"\x1f\x8b", "gzip"),
        (b"PK", "zip"),
        (b"PAR1", "Parquet"),
    ):
        if head.startswith(magic):
            raise InputError(f"{path.name}: is not a CSV file ({kind})", "give a CSV or TSV file")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path.name}: looks like UTF-16", "save it as UTF-8")
    return path.open(encoding="utf-8-sig", newline="")


def _parse(name: str, stream: TextIO, separator: str) -> Cells:
    reader = csv.reader(_no_nul(name, stream), delimiter=separator, strict=True)
    records = (record for record in reader if record)
    first = next(records, None)
    if first is None:
        raise InputError(f"{name}: is empty", "give a table with a header line")
    header = _header(name, first, separator)
    rows, lines = [], []
    start = reader.line_num + 1
    try:
        for record in records:
            if len(record) != len(header):
                raise InputError(
                    f"{name}: line {reader.line_num}: {len(record)} fields, expected {len(header)}"
                )
            rows.append(tuple(record))
            lines.append(reader.line_num)
            start = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise InputError(f"{name}: a quote opened on line {start} is never closed") from None
        raise InputError(f"{name}: line {reader.line_num}: {_in_words(error)}") from None
    if not rows:
        raise InputError(f"{name}: has a header but no data rows")
    return Cells(name, header, tuple(rows), tuple(lines))


def _header(name: str, first: list[str], separator: str) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in first)
    if not any(header):
        raise InputError(f"{name}: has no header", "the first line must name the columns")
    if len(header) > MANY_COLUMNS:
        raise InputError(f"{name}: has {len(header):,} columns, the limit is {MANY_COLUMNS:,}")
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise InputError(
                f"{name}: column {column!r} appears twice", "give every column its own name"
            )
        seen.add(column)
    if len(header) == 1 and any(mark in header[0] for mark in ";|\t" if mark != separator):
        mark = next(mark for mark in ";|\t" if mark in header[0])
        raise InputError(f"{name}: one column named {header[0][:40]!r}", f"try --sep {mark!r}")
    return header


def _no_nul(name: str, stream: TextIO) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        if "\0" in line:
            raise InputError(f"{name}: NUL character on line {number}", "give a text file")
        yield line


def _not_utf8(path: Path) -> InputError:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            return InputError(
                f"{path.name}: byte 0x{byte:02X} on line {number} is not UTF-8", "save it as UTF-8"
            )
    return InputError(f"{path.name}: is not UTF-8", "save it as UTF-8")


def _in_words(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a field is longer than {FIELD_CHARACTERS:,} characters"
    return str(error)


def kind_of(cells: Sequence[str]) -> str:
    """Tell what a column holds: ``integer``, ``number``, ``bool``, ``text``, or ``empty``."""
    present = {cell.strip() for cell in cells} - MISSING
    if not present:
        return "empty"
    if all(cell in TRUE_FALSE for cell in present):
        return "bool"
    if not all(NUMBER.fullmatch(cell) for cell in present):
        return "text"
    whole = all(cell.lstrip("+-").isdecimal() for cell in present)
    return "integer" if whole else "number"


def numbers(
    name: str, column: str, cells: Sequence[str], lines: Sequence[int]
) -> NDArray[np.float64]:
    """Parse cells as float64, missing ones as NaN; raise InputError naming line and column."""
    values = np.empty(len(cells))
    for i, cell in enumerate(map(str.strip, cells)):
        if cell in MISSING:
            values[i] = np.nan
        elif NUMBER.fullmatch(cell) is None:
            hint = "leave out the thousands separator" if re.fullmatch(r"[\d,.' ]+", cell) else ""
            raise InputError(f"{name}: line {lines[i]}, {column!r}: {cell!r} is not a number", hint)
        else:
            values[i] = float(cell)
            if np.isinf(values[i]):
                raise InputError(f"{name}: line {lines[i]}, {column!r}: {cell!r} is infinite")
    return values


def number(cells: Cells, column: str, row: int, cell: str) -> float:
    """Parse one cell as ``numbers`` does."""
    if PLAIN.fullmatch(cell) is not None:
        return float(cell)
    return float(numbers(cells.name, column, [cell], [cells.lines[row]])[0])
