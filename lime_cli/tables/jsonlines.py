"""Tables of JSON: an object a row, in lines or in one list, and what data frames write."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, Any

from lime_cli.errors import InputError
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import LINE_CHARACTERS, PIECE, SURROGATE, damaged, text_lines

FIRST = 1_000
"""Rows whose keys name the columns; a key that comes later is no column."""

WHOLE = 2**28
"""Characters of a JSON object that holds a table by its columns, at most."""

BLANKS = " \t\r\n"


def read(file: TableFile, dialect: Dialect) -> TableContent:
    """Read JSON lines: an object on each line, its keys the columns."""
    rows = _of_lines(file.name, text_lines(file.name, file.stream, dialect))
    return _content(file, dialect, rows, "line", "give a JSON object on each line")


def read_json(file: TableFile, dialect: Dialect) -> TableContent:
    """Read a JSON list of objects as a stream; JSON lines; or an object that holds a table.

    Such an object is what ``DataFrame.to_json`` writes, by columns, ``split`` or ``table``, or
    holds one list of objects beside other values.
    """
    text = _Text(file.name, file.stream, dialect)
    hint = "give a list of objects: [{...}, {...}]"
    if text.peek() == "[":
        return _content(file, dialect, _of_list(text), "row", hint)
    if text.peek() != "{":
        raise InputError(f"{file.name}: is {'not JSON' if text.peek() else 'empty'}", hint)
    first = text.value(WHOLE)
    if text.peek():
        file.stream.seek(0)
        return read(file, dialect)
    return _content(file, dialect, enumerate(_rows_of(first)), "row", hint)


def _content(
    file: TableFile, dialect: Dialect, rows: Iterator[tuple[int, Any]], unit: str, hint: str
) -> TableContent:
    found = JsonRows(file.name, dialect, rows, unit, hint)
    return TableContent(found.header, found.records, found)


class JsonRows:
    """The rows of JSON objects, and which of its columns held nothing but texts."""

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        rows: Iterator[tuple[int, Any]],
        unit: str,
        hint: str,
    ) -> None:
        """Take each row's number and its object, or what is wrong with it."""
        self._name, self._dialect, self._unit = name, dialect, unit
        self._strings: set[str] = set()
        self._others: set[str] = set()
        first = list(islice(rows, FIRST))
        if not first:
            raise InputError(f"{name}: is empty", hint)
        objects = [found for _, found in first if isinstance(found, dict)]
        if not objects:
            raise InputError(str(first[0][1]), hint)
        keys = list(dict.fromkeys(key for one in objects for key in one))
        self._keys = tuple(key.strip() for key in keys)
        if len(set(self._keys)) < len(keys):
            raise InputError(
                f"{name}: has keys that differ only in surrounding blanks", "give each its own name"
            )
        self.header = checked_header(name, keys)
        self.records = self._records(chain(first, rows))

    @property
    def texts(self) -> frozenset[str]:
        """Columns whose values, as far as they were read, were all texts."""
        return frozenset(self._strings - self._others)

    def _records(self, rows: Iterator[tuple[int, Any]]) -> Iterator[Record]:
        for line, found in rows:
            if isinstance(found, str):
                yield Record(self.header, (), line, self._unit, fault=found)
                continue
            plain = {key.strip(): value for key, value in found.items()}
            for key, value in plain.items():
                if value is not None:
                    (self._strings if isinstance(value, str) else self._others).add(key)
            cells = tuple(self._dialect.spelled(plain.get(key)) for key in self._keys)
            fault = ""
            for key, cell in zip(self.header, cells, strict=True):
                if not fault and not cell.isascii() and SURROGATE.search(cell):
                    where = f"{self._name}: {self._unit} {line}, {key!r}"
                    fault = f"{where}: holds an incomplete character"
            yield Record(self.header, cells, line, self._unit, fault=fault)


def _of_lines(name: str, lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
    """Yield the number of each line that is not blank, and its object or what is wrong with it."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, f"{name}: line {number}: is not JSON ({error.msg})"
        except (ValueError, RecursionError):
            yield number, f"{name}: line {number}: holds a number too long or lists too deep"
        else:
            wrong = f"{name}: line {number}: is not a JSON object"
            yield number, found if isinstance(found, dict) else wrong


def _of_list(text: _Text) -> Iterator[tuple[int, Any]]:
    """Yield the number of each value of a list, and its object or what is wrong with it."""
    text.take("[")
    number = 0
    while (mark := text.peek()) != "]":
        if number:
            text.take(",")
            mark = text.peek()
        if not mark:
            raise text.broken("ends in the middle of the list")
        found = text.value(LINE_CHARACTERS)
        if isinstance(found, list):
            found = {str(place): value for place, value in enumerate(found)}
        wrong = f"{text.name}: row {number}: is not a JSON object"
        yield number, found if isinstance(found, dict) else wrong
        number += 1
    text.take("]")
    if text.peek():
        raise text.broken("continues after the list")


def _rows_of(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an object that holds a table, or is itself the only row."""
    if isinstance(table.get("columns"), list) and isinstance(table.get("data"), list):
        names = list(map(str, table["columns"]))
        yield from (dict(zip(names, row, strict=False)) for row in table["data"])
        return
    listed = [value for value in table.values() if _is_list_of(value, dict)]
    if "schema" in table and _is_list_of(table.get("data"), dict):
        schema = table["schema"]
        keys = schema.get("primaryKey", ()) if isinstance(schema, dict) else ()
        for row in table["data"]:
            yield {name: value for name, value in row.items() if name not in keys}
        return
    if len(listed) == 1:
        yield from listed[0]
        return
    values = list(table.values())
    if values and all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for column in values for key in column)
        yield from ({name: table[name].get(key) for name in table} for key in keys)
        return
    if values and all(isinstance(one, list) and len(one) == len(values[0]) for one in values):
        yield from (dict(zip(table, row, strict=True)) for row in zip(*values, strict=True))
        return
    yield table


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)


class _Text:
    """A JSON text of which one value at a time is in memory."""

    def __init__(self, name: str, stream: IO[bytes], dialect: Dialect) -> None:
        self.name = name
        encoding = (dialect.encoding or "utf-8-sig").lower()
        encoding = "utf-8-sig" if encoding.replace("_", "-") in ("utf-8", "utf8") else encoding
        self._encoding = encoding
        self._stream, self._decoded = stream, codecs.getincrementaldecoder(encoding)().decode
        self._held, self._at, self._ended = "", 0, False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is no blank; empty at the end."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in BLANKS:
                self._at += 1
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more(PIECE):
                return ""

    def take(self, mark: str) -> None:
        """Go past a mark; raise InputError for another."""
        if self.peek() != mark:
            raise self.broken(f"lacks a {mark}")
        self._at += 1

    def value(self, most: int) -> Any:
        """Return the next value; raise InputError for none, or one of more characters."""
        self.peek()
        size = PIECE
        while True:
            try:
                found, end = self._decoder.raw_decode(self._held, self._at)
            except json.JSONDecodeError as error:
                if self._ended:
                    raise self.broken(f"is not JSON: {error.msg.lower()}") from None
            except (ValueError, RecursionError):
                raise self.broken("holds a number too long or lists too deep") from None
            else:
                if end < len(self._held) or self._ended:  # a number may go on
                    self._at = end
                    return found
            if len(self._held) - self._at > most:
                raise self.broken(f"holds a value of more than {most:,} characters, or is not JSON")
            self._more(size)
            size *= 2

    def broken(self, what: str) -> InputError:
        """Word that a text is no JSON, or goes wrong, near where it was read to."""
        beginning = self._held[self._at : self._at + 20].strip()
        near = f" near {beginning!r}" if beginning else ""
        return InputError(f"{self.name}: {what}{near}", "give a list of objects: [{...}, {...}]")

    def _more(self, size: int) -> bool:
        try:
            data = self._stream.read(size)
            piece = self._decoded(data, not data)
        except damaged():
            raise InputError(f"{self.name}: is cut short or damaged", "compress it again") from None
        except UnicodeError as error:
            byte = getattr(error, "object", b"?")[getattr(error, "start", 0)]
            raise InputError(
                f"{self.name}: byte 0x{byte:02X} is not {self._encoding.removesuffix('-sig')}",
                "try --encoding latin-1",
            ) from None
        self._ended = not data
        self._held, self._at = self._held[self._at :] + piece, 0
        return bool(data)
