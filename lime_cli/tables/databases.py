"""Tables of SQLite and DuckDB files: one of their tables, or what a query returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote
from weakref import finalize

from lime_cli.errors import InputError, MissingDependency, SettingsError, and_so_on, in_words
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import STDIN

BATCH = 1_024
"""Rows taken at a time."""


def read(file: TableFile, dialect: Dialect) -> TableContent:
    """Read what ``--sql`` asks for, the table that ``--sheet`` names, or the only one there is.

    Raises MissingDependency, InputError, and SettingsError for a table that is not there.
    """
    if file.path == STDIN:
        raise InputError("a database cannot be read from standard input", "name its file")
    head = file.stream.read(16)
    if head.startswith(b"SQLite format 3"):
        database: _Sqlite | _Duckdb = _Sqlite(file)
    elif head[8:12] == b"DUCK":
        database = _Duckdb(file)
    else:
        said = "is empty" if not head else "is neither an SQLite nor a DuckDB database"
        raise InputError(f"{file.name}: {said}", "if it is CSV, let its name end with .csv")
    query = dialect.sql or f"SELECT * FROM {_quoted(_table(file.name, database, dialect))}"
    try:
        names, rows = database.answered(query)
    except database.error as error:
        if dialect.sql is None:
            raise _unreadable(file.name, error) from None
        words = f"--sql: {file.name}: {in_words(error)}"
        raise SettingsError(words, "write a SELECT") from None
    header = checked_header(file.name, names)
    found = _Rows(file.name, header, rows, dialect, database.error)
    return TableContent(header, found.records, found)


def _table(name: str, database: _Sqlite | _Duckdb, dialect: Dialect) -> str:
    try:
        names = [str(row[0]) for row in database.answered(database.listing)[1]]
    except database.error as error:
        raise _unreadable(name, error) from None
    listed = and_so_on(list(map(repr, names)), 12)
    if dialect.sheet is not None:
        if dialect.sheet in names:
            return dialect.sheet
        near = get_close_matches(dialect.sheet, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {listed or 'none'}"
        raise SettingsError(f"--sheet {dialect.sheet}: {name} has no such table", hint)
    if not names:
        raise InputError(f"{name}: has no table", "check the file")
    if len(names) > 1:
        raise InputError(
            f"{name}: has tables {listed}",
            f"name one with --sheet {names[0]}, or select rows with --sql 'SELECT ...'; "
            f"'{name}#{names[0]}' names it for --background",
        )
    return names[0]


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


class _Rows:
    """The rows of an answer, and which of its columns held nothing but texts."""

    def __init__(
        self,
        name: str,
        header: tuple[str, ...],
        rows: Iterator[Sequence[Any]],
        dialect: Dialect,
        error: type[Exception],
    ) -> None:
        self._name, self._header, self._dialect, self._error = name, header, dialect, error
        self._texts: set[int] = set()
        self._numbers: set[int] = set()
        self.records = self._records(rows)

    @property
    def texts(self) -> frozenset[str]:
        """Columns whose values, as far as they were read, were all texts or dates."""
        return frozenset(self._header[place] for place in self._texts - self._numbers)

    def _records(self, rows: Iterator[Sequence[Any]]) -> Iterator[Record]:
        spelled = self._dialect.spelled
        try:
            for number, row in enumerate(rows):
                for place, value in enumerate(row):
                    if value is not None:
                        of_number = isinstance(value, (int, float, Decimal))
                        (self._numbers if of_number else self._texts).add(place)
                yield Record(self._header, tuple(map(spelled, row)), number, unit="row")
        except self._error as error:
            raise _unreadable(self._name, error) from None


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(f"{name}: cannot be read ({in_words(error)})", "check the file")


class _Sqlite:
    """An SQLite file, which nothing that is asked can change."""

    listing = (  # names of tables and views, in order
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
        "AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    )

    def __init__(self, file: TableFile) -> None:
        import sqlite3

        self.error = sqlite3.Error
        uri = f"file:{quote(file.path)}?mode=ro"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
            finalize(self, self._connection.close)
            self._connection.execute("PRAGMA query_only = 1")
            self._connection.set_authorizer(_only_reads)
        except sqlite3.Error as error:
            raise _unreadable(file.name, error) from None

    def answered(self, query: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
        """Return the names of columns, and the rows as they are taken."""
        cursor = self._connection.execute(query)
        names = [str(one[0]) for one in cursor.description or ()]
        if not names:
            raise self.error("it returns no rows")
        return names, _batches(cursor, self)


def _only_reads(action: int, *_: object) -> int:
    """Let a query select from its own file, and nothing else."""
    import sqlite3

    allowed = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        getattr(sqlite3, "SQLITE_RECURSIVE", 33),
    )
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


class _Duckdb:
    """A DuckDB file; one thread, so that rows come in the same order each time."""

    listing = (
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'main' ORDER BY table_name"
    )

    def __init__(self, file: TableFile) -> None:
        try:
            import duckdb
        except ImportError:
            raise MissingDependency(
                f"{file.name}: reading DuckDB needs duckdb", "pip install 'limex[duckdb]'"
            ) from None
        self.error = duckdb.Error
        limits: Any = {"threads": "1"}
        limits |= {"enable_external_access": "false", "lock_configuration": "true"}
        try:
            self._connection = duckdb.connect(file.path, read_only=True, config=limits)
            finalize(self, self._connection.close)
        except duckdb.Error as error:
            raise _unreadable(file.name, error) from None

    def answered(self, query: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
        cursor = self._connection.cursor().execute(query)
        names = [str(one[0]) for one in cursor.description or ()]
        return names, _batches(cursor, self)


def _batches(cursor: Any, _database: _Sqlite | _Duckdb) -> Iterator[Sequence[Any]]:
    """Take the rows; the database stays open as long as somebody may."""
    try:
        while rows := cursor.fetchmany(BATCH):
            yield from rows
    finally:
        with suppress(Exception):  # the connection may be closed before
            cursor.close()
