"""Read a table of any format row by row: its header at once, its rows as a stream."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import PurePath
from typing import IO, Any

from lime_cli.errors import InputError
from lime_cli.sources import STDIN, Record
from lime_cli.tables.cells import Cells
from lime_cli.tables.delimited import read_delimited
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tables.streams import Watch, name_of, open_bytes, unreadable, unzipped

PARQUET, GZIP = b"PAR1", b"\x1f\x8b"

MAGIC = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "zip, as .xlsx and .npz are"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"SQLite format 3", "an SQLite database"),
)
"""First bytes of files that are mistaken for tables."""

JSON_SUFFIXES, PARQUET_SUFFIXES = (".jsonl", ".ndjson"), (".parquet", ".pq")

SUFFIXES = (".csv", ".tsv", ".tab", *JSON_SUFFIXES, *PARQUET_SUFFIXES)
"""What the names of tables end with, before a .gz."""

TRIED = 100
"""If all of the first so many rows are broken, the table is, or is read in the wrong way."""

CHECKED = 4_096
"""Rows between two looks at whether the file was changed."""

OWN_ROWS, OWN_CELLS = 100_000, 4_000_000
"""What is kept of a table, at most, to draw replacements from."""


@dataclass(frozen=True, eq=False)
class Stream:
    """A table that is being read: its rows can be taken once."""

    name: str
    """File name, for messages."""
    header: tuple[str, ...]
    records: Iterator[Record]
    """Each row in the file's order, broken ones with their fault."""
    typed: Any = None
    """What knows, once the rows are read, which columns are text whatever they look like."""
    n_rows: int | None = None
    """Where the file says so."""
    file: IO[bytes] | None = None
    """What is closed when the reading ends."""
    words: frozenset[str] = frozenset()
    """Columns that are text because the model takes them so."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Columns of the file, with the names that the model has for them."""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    @property
    def texts(self) -> frozenset[str]:
        """Columns that are text, whatever they look like."""
        said: frozenset[str] = self.typed.texts if self.typed is not None else frozenset()
        called = dict(self.renamed)
        return frozenset(called.get(name, name) for name in said) | self.words

    def cells(self, records: Sequence[Record], dialect: Dialect) -> Cells:
        return Cells(
            self.name,
            self.header,
            tuple(one.cells for one in records),
            tuple(one.line for one in records),
            records[0].unit if records else "line",
            self.texts,
            dialect,
        )


def open_table(path: str, dialect: Dialect = PLAIN) -> Stream:
    """Open a table by its first bytes and its suffix, for a ``with``; raise InputError for none.

    While its rows are taken, InputError is raised for what breaks all that follows: a quote that is
    never closed, say, or a file that somebody changes.
    """
    watch, name = Watch(path), name_of(path)
    file = open_bytes(path)
    try:
        found = _by_format(path, file, dialect)
        first = list(islice(found.records, TRIED))
        if not first:
            raise InputError(f"{name}: has a header but no data rows", "give at least one row")
        if all(one.fault for one in first):
            raise InputError(first[0].fault, "check the separator, and that the file is whole")
    except OSError as error:
        file.close()
        raise unreadable(path, error) from None
    except BaseException:
        file.close()
        raise
    return replace(found, records=_watched(path, watch, chain(first, found.records)), file=file)


def read_cells(path: str, dialect: Dialect = PLAIN, most: int | None = None) -> Cells:
    """Read the rows of a table, or the first few; raise InputError for the first broken one."""
    with open_table(path, dialect) as stream:
        found = list(islice(stream.records, most))
    for record in found:
        if record.fault:
            raise InputError(record.fault)
    return stream.cells(found, dialect)


def read_evenly(stream: Stream, dialect: Dialect, strict: bool) -> tuple[Cells, int]:
    """Return evenly spaced rows, all of a table that is not huge, and how many good ones it has.

    Every row is kept until there are too many, then every second, every fourth and so on, counted
    from the first: the choice depends on nothing but the table. Broken rows raise InputError where
    ``strict``, else they are left out.
    """
    most = max(2, min(OWN_ROWS, OWN_CELLS // len(stream.header)))
    kept: list[tuple[int, Record]] = []
    step, n_good = 1, 0
    for number, record in enumerate(stream.records):
        if record.fault and strict:
            raise InputError(record.fault)
        if not record.fault:
            n_good += 1
            if number % step == 0:
                kept.append((number, record))
        if len(kept) > most:
            step *= 2
            kept = [one for one in kept if one[0] % step == 0]
    return stream.cells([record for _, record in kept], dialect), n_good


def suffix_of(path: str) -> str:
    """Return what the name of a file ends with, a .gz aside."""
    plain = PurePath(path)
    return PurePath(plain.stem).suffix.lower() if _zipped(path) else plain.suffix.lower()


def _zipped(path: str) -> bool:
    return PurePath(path).suffix.lower() == ".gz"


def _by_format(path: str, stream: IO[bytes], dialect: Dialect) -> Stream:
    name, suffix = name_of(path), suffix_of(path)
    head = stream.read(16)
    stream.seek(0)
    if head.startswith(GZIP) and (_zipped(path) or path == STDIN):
        stream = unzipped(stream)
        head = _first_bytes(name, stream)
    if path == STDIN and head.startswith(PARQUET):
        suffix = ".parquet"
    elif path == STDIN and head.lstrip().startswith(b"{"):
        suffix = ".jsonl"
    _check_format(name, suffix, head, dialect)
    if suffix in PARQUET_SUFFIXES:
        from lime_cli.tables.parquet import ParquetRows

        rows = ParquetRows(name, stream, dialect)
        return Stream(name, rows.header, rows.records, rows, rows.n_rows)
    if suffix in JSON_SUFFIXES:
        from lime_cli.tables.jsonlines import JsonRows

        lines = JsonRows(name, stream, dialect)
        return Stream(name, lines.header, lines.records, lines)
    separator = dialect.separator or ("\t" if suffix in (".tsv", ".tab") else ",")
    return Stream(name, *read_delimited(name, stream, dialect, separator))


def _first_bytes(name: str, stream: IO[bytes]) -> bytes:
    try:
        head = stream.read(16)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{name}: is cut short or damaged", "compress it again") from None
    stream.seek(0)
    return head


def _check_format(name: str, suffix: str, head: bytes, dialect: Dialect) -> None:
    """Raise InputError where a file is not what its name says."""
    if suffix in PARQUET_SUFFIXES:
        if not head.startswith(PARQUET):
            what = "is empty" if not head else "is not a Parquet file"
            raise InputError(f"{name}: {what}", "name a CSV file .csv")
        return
    if head.startswith(PARQUET):
        raise InputError(f"{name}: is not a CSV file (Parquet)", "name it .parquet")
    if head.startswith(GZIP):
        raise InputError(f"{name}: is not a CSV file (gzip)", "let its name end with .gz")
    for magic, kind in MAGIC:
        if head.startswith(magic):
            raise InputError(f"{name}: is not a CSV file ({kind})", "save the table as CSV")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and dialect.encoding is None:
        raise InputError(f"{name}: looks like UTF-16", "try --encoding utf-16")


def _watched(path: str, watch: Watch, records: Iterator[Record]) -> Iterator[Record]:
    try:
        for number, record in enumerate(records, 1):
            if number % CHECKED == 0:
                watch.check()
            yield record
        watch.check()
    except OSError as error:
        raise unreadable(path, error) from None
