"""Read a table of any format row by row: its header at once, its rows as a stream;
and what a reader of a kind of table is given and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import PurePath
from typing import IO, Any, NamedTuple

from lime_cli.errors import InputError, SettingsError
from lime_cli.registry import TABLES
from lime_cli.sources import Held, Record, file_of, local, suffix_of
from lime_cli.tables.cells import Cells
from lime_cli.tables.columnar import Sample
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tables.streams import (
    PACKINGS,
    STDIN,
    Watch,
    damaged,
    member_name,
    name_of,
    open_bytes,
    unreadable,
)


class TableFile(NamedTuple):
    """A table's file, opened."""

    name: str
    """Of the file, for messages."""
    path: str
    """Of the file on this machine; ``-`` for standard input."""
    stream: IO[bytes]
    """Its bytes, unpacked, from their beginning; can be sought in."""


@dataclass(frozen=True, eq=False)
class TableContent:
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
    assumed: tuple[tuple[str, str], ...] = ()
    """What nobody said of how the file is written: a code and a sentence each."""


HEAD = 16
"""Bytes that tell kinds of files apart."""

TEXTS = ("csv", "tsv", "tab", "jsonl", "ndjson", "json")
"""What the names of tables end with that are text files."""

SHEETS = ("xlsx", "xlsm", "xls", "xlsb", "ods")
"""What the names of spreadsheets end with."""

COLUMNAR = ("parquet", "pq", "feather", "arrow")
"""What the names of files of typed columns end with."""

MAGIC = {
    b"PAR1": ("Parquet", "parquet"),
    b"ARROW1": ("Feather", "feather"),
    b"SQLite format 3": ("SQLite", "db"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "xls"),
    b"\x89PNG": ("PNG", ""),
    b"\xff\xd8\xff": ("JPEG", ""),
    b"%PDF": ("PDF", ""),
    b"FEA1": ("Feather, version 1", ""),
    b"\x89HDF": ("HDF5", ""),
    b"\x80\x04\x95": ("a pickle", "pkl"),
    b"\x80\x05\x95": ("a pickle", "pkl"),
    b"\x93NUMPY": ("NPY", ""),
}
"""First bytes of files, what they are, and what their names should end with."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""What UTF-16 begins with, as Excel writes it."""

EXPECTED = {
    "parquet": ("Parquet", (b"PAR1",)),
    "pq": ("Parquet", (b"PAR1",)),
    "feather": ("Feather", (b"ARROW1",)),
    "arrow": ("Arrow", (b"ARROW1",)),
    "xlsx": ("Excel", (b"PK\x03\x04",)),
    "xlsm": ("Excel", (b"PK\x03\x04",)),
    "xlsb": ("Excel", (b"PK\x03\x04",)),
    "ods": ("OpenDocument", (b"PK\x03\x04",)),
}
"""What the names of files end with, and the first bytes they must then have."""

CONVERTED = {
    "dta": ("Stata", "read_stata"),
    "sas7bdat": ("SAS", "read_sas"),
    "xpt": ("SAS", "read_sas"),
    "sav": ("SPSS", "read_spss"),
    "h5": ("HDF5", "read_hdf"),
    "hdf5": ("HDF5", "read_hdf"),
    "orc": ("ORC", "read_orc"),
}
"""Tables that limex does not read, and the function of pandas that does."""

TRIED = 100
"""If all of the first so many rows are broken, the table is, or is read in the wrong way."""

CHECKED = 4_096
"""Rows between two looks at whether the file was changed."""

OWN_ROWS, OWN_CELLS = 100_000, 4_000_000
"""What is kept of a table, at most, to draw replacements from."""


@dataclass(frozen=True, eq=False)
class Stream(TableContent):
    """A table that is being read: its rows can be taken once."""

    name: str = ""
    """File name, for messages."""
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

    def cells_of(self, sample: Sample, dialect: Dialect) -> Cells:
        unit = "line" if self.typed is None else "row"
        rows, lines, _ = sample
        return Cells(self.name, self.header, rows, lines, unit, self.texts, dialect)

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
    if isinstance(path, Held):
        return _stream(str(path), path.content.opened(str(path), dialect), dialect)
    name = name_of(path)
    path, dialect = _parted(path, dialect)
    watch, file = Watch(path), open_bytes(path, dialect.max_input)
    try:
        found = _by_format(path, file, dialect)
        first = [] if found.n_rows else list(islice(found.records, TRIED))
        if not (first or found.n_rows):
            raise InputError(f"{name}: has a header but no data rows", "give at least one row")
        if first and all(one.fault for one in first):
            raise InputError(first[0].fault, "check the separator, and that the file is whole")
    except OSError as error:
        file.close()
        raise unreadable(path, error) from None
    except BaseException:
        file.close()
        raise
    return replace(
        found,
        records=_watched(path, watch, chain(first, found.records)),
        file=file,
        sampled=found.sampled and partial(_watched_sample, path, watch, found.sampled),
    )


def read_cells(path: str, dialect: Dialect = PLAIN, most: int | None = None) -> Cells:
    """Read the rows of a table, or the first few; raise InputError for the first broken one."""
    with open_table(path, dialect) as stream:
        found = list(islice(stream.records, most))
    for record in found:
        if record.fault:
            raise InputError(record.fault)
    return stream.cells(found, dialect)


def read_evenly(
    stream: Stream, dialect: Dialect, strict: bool, spelled: Collection[str] = ()
) -> tuple[Cells, int]:
    """Return evenly spaced rows, all of a table that is not huge, and how many good ones it has.

    Every row is kept until there are too many, then every second, every fourth and so on, counted
    from the first: the choice depends on nothing but the table. Broken rows raise InputError where
    ``strict``, else they are left out. Numbers may lose their spelling but in columns ``spelled``.
    """
    most = max(2, min(OWN_ROWS, OWN_CELLS // len(stream.header)))
    if stream.sampled is not None:
        words = {
            place for place, one in enumerate(stream.header) if one in {*spelled, *stream.texts}
        }
        sample = stream.sampled(most, words)
        if sample is not None:
            return stream.cells_of(sample, dialect), sample.n_rows
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


def is_table(path: str) -> bool:
    """Tell by its name whether a file holds a table, whatever it is packed with."""
    return suffix_of(path)[1:] in TABLES.own


def _parted(path: str, dialect: Dialect) -> tuple[str, Dialect]:
    """Return a file's path, and a dialect with the sheet that stood behind it."""
    whole = file_of(path)
    if whole == path:
        return path, dialect
    return whole, replace(dialect, sheet=path[len(whole) + 1 :], sql=None)


def _by_format(path: str, stream: IO[bytes], dialect: Dialect) -> Stream:
    name, suffix = name_of(path), suffix_of(path)[1:]
    head = _first_bytes(name, stream)
    packing = PACKINGS.get(PurePath(path.partition("?")[0]).suffix.lower())
    if path == STDIN:
        packing = next((one for one in PACKINGS.values() if head.startswith(one.magic)), None)
    if packing is not None and head.startswith(packing.magic):
        if packing.kind == "zip" and not suffix:
            suffix = suffix_of(member_name(stream))[1:]
        try:
            stream = packing.unpacked(name, stream)
        except damaged():
            raise InputError(f"{name}: is cut short or damaged", "compress it again") from None
        head = _first_bytes(name, stream)
    if path == STDIN and suffix not in TABLES.own:
        suffix = _guessed(head)
    kind = suffix if suffix in _kinds(suffix) else "csv"
    found: tuple[tuple[str, str], ...] = ()
    if kind in TEXTS and dialect.encoding is None and head.startswith(UTF_16):
        dialect = replace(dialect, encoding="utf-16")
        found = (("encoding_found", f"{name} is taken to be UTF-16, as its first bytes say"),)
    _check_format(name, kind, suffix, head)
    if (dialect.sheet is not None or dialect.sql is not None) and kind in (*TEXTS, *COLUMNAR):
        option = "--sql" if dialect.sheet is None else "--sheet"
        raise SettingsError(f"{option}: {name} holds one table only", f"leave {option} out")
    if dialect.skip and kind not in (*SHEETS, "csv", "tsv", "tab"):
        raise SettingsError(f"--skip: {name} has no lines above its columns", "leave --skip out")
    content = TABLES[kind](TableFile(name, str(local(path)), stream), dialect)
    return _stream(name, content, dialect, found)


def _stream(
    name: str,
    content: TableContent,
    dialect: Dialect,
    found: tuple[tuple[str, str], ...] = (),
) -> Stream:
    stream = Stream(**vars(content), name=name)
    if dialect.na_values:
        records = _emptied(content.records, frozenset(dialect.na_values))
        stream = replace(stream, records=records)
    return replace(stream, assumed=(*found, *content.assumed))


def _emptied(records: Iterator[Record], missing: frozenset[str]) -> Iterator[Record]:
    """Empty the cells that a person said stand for missing values."""
    for record in records:
        cells = ("" if cell.strip() in missing else cell for cell in record.cells)
        yield record._replace(cells=tuple(cells))


def _kinds(suffix: str) -> Collection[str]:
    """Return the kinds of tables there are; of other packages' where it may be one of theirs."""
    return TABLES.own if suffix in ("", "txt", "data", "dat", *TABLES.own) else TABLES


def _guessed(head: bytes) -> str:
    """Tell what comes through a pipe."""
    for magic, (_, suffix) in MAGIC.items():
        if head.startswith(magic):
            return suffix
    return "json" if head.lstrip()[:1] in (b"{", b"[") else "csv"


def _first_bytes(name: str, stream: IO[bytes]) -> bytes:
    try:
        head = stream.read(HEAD)
    except damaged():
        raise InputError(f"{name}: is cut short or damaged", "compress it again") from None
    stream.seek(0)
    return head


def _check_format(name: str, kind: str, suffix: str, head: bytes) -> None:
    """Raise InputError where a file is not what its name says."""
    if kind in EXPECTED:
        what, beginnings = EXPECTED[kind]
        if not head.startswith(beginnings):
            said = "is empty" if not head else f"is not {_article(what)} {what} file"
            raise InputError(f"{name}: {said}", "if it is CSV, let its name end with .csv")
    if kind not in TEXTS:
        return
    if suffix in CONVERTED:
        what, function = CONVERTED[suffix]
        code = f"pandas.{function}({name!r}).to_parquet('table.parquet')"
        raise InputError(
            f"{name}: is {_article(what)} {what} table", f'python -c "import pandas; {code}"'
        )
    for ending, packing in PACKINGS.items():
        if head.startswith(packing.magic):
            others = " or .xlsx" if ending == ".zip" else ""
            hint = f"let its name end with {ending}{others}"
            raise InputError(f"{name}: is not a CSV file ({packing.kind})", hint)
    for magic, (what, ending) in MAGIC.items():
        if head.startswith(magic):
            hint = f"name it .{ending}" if ending else "save the table as CSV or Parquet"
            raise InputError(f"{name}: is not a CSV file ({what})", hint)
    if head[8:12] == b"DUCK":
        raise InputError(f"{name}: is not a CSV file (DuckDB)", "name it .duckdb")


def _article(word: str) -> str:
    return "an" if word[0] in "AEIO" or word in ("SAS", "SPSS", "HDF5", "ORC") else "a"


def _watched(path: str, watch: Watch, records: Iterator[Record]) -> Iterator[Record]:
    try:
        for number, record in enumerate(records, 1):
            if number % CHECKED == 0:
                watch.check()
            yield record
        watch.check()
    except OSError as error:
        raise unreadable(path, error) from None


def _watched_sample(
    path: str,
    watch: Watch,
    sampled: Callable[[int, Collection[int]], Sample | None],
    most: int,
    words: Collection[int],
) -> Sample | None:
    try:
        found = sampled(most, words)
        watch.check()
    except OSError as error:
        raise unreadable(path, error) from None
    return found
