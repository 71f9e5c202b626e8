"""What a reader of a kind of table is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import IO, Any, NamedTuple

from lime_cli.sources import Record
from lime_cli.tables.columnar import Sample


class TableFile(NamedTuple):
    """A table's file, opened."""

    name: str
    """Of the file, for messages."""
    path: str
    """Of the file on this machine; ``-`` for standard input."""
    stream: IO[bytes]
    """Its bytes, unpacked, from their beginning; can be sought in."""


class TableContent(NamedTuple):
    """The columns of a table at once, its rows as they are taken."""

    header: tuple[str, ...]
    """Stripped, without a repetition; see ``delimited.checked_header``."""
    records: Iterator[Record]
    """Each row in the file's order, broken ones with their fault."""
    typed: Any = None
    """Has ``texts``: which columns, as far as they were read, are text whatever they look like;
    None where cells are spelled as in CSV."""
    n_rows: int | None = None
    """Where the file says so."""
    sampled: Callable[[int, Collection[int]], Sample | None] | None = None
    """Takes evenly spaced rows by column, whatever was read of the rows so far: how many at most,
    and the places of columns that are kept as they are spelled; returns None where rows have to be
    read one by one."""
    separator: str = ""
    """What was found to separate cells where nobody said; nothing where it is the usual mark."""
