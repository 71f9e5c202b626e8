"""Tables of JSON lines: an object a row, its keys the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO, Any

from lime_cli.errors import InputError
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.streams import SURROGATE, text_lines

FIRST = 1_000
"""Rows whose keys name the columns; a key that comes later is no column."""


class JsonRows:
    """The rows of a stream of JSON lines, and which of its columns held nothing but texts."""

    def __init__(self, name: str, stream: IO[bytes], dialect: Dialect) -> None:
        self._name, self._dialect = name, dialect
        self._missing = frozenset(dialect.na_values)
        self._strings: set[str] = set()
        self._others: set[str] = set()
        parsed = _parsed(name, text_lines(name, stream, dialect))
        first = list(islice(parsed, FIRST))
        if not first:
            raise InputError(f"{name}: is empty", "give a JSON object on each line")
        objects = [found for _, found in first if isinstance(found, dict)]
        if not objects:
            raise InputError(str(first[0][1]), "give a JSON object on each line")
        self.header = checked_header(
            name, list(dict.fromkeys(key for one in objects for key in one))
        )
        self.records = self._records(chain(first, parsed))

    @property
    def texts(self) -> frozenset[str]:
        """Columns whose values, as far as they were read, were all texts."""
        return frozenset(self._strings - self._others)

    def _records(self, rows: Iterator[tuple[int, Any]]) -> Iterator[Record]:
        for line, found in rows:
            if isinstance(found, str):
                yield Record(self.header, (), line, fault=found)
                continue
            plain = {key.strip(): value for key, value in found.items()}
            for key, value in plain.items():
                if value is not None:
                    (self._strings if isinstance(value, str) else self._others).add(key)
            cells = tuple(self._cell(plain.get(key)) for key in self.header)
            broken = next(
                (
                    key
                    for key, cell in zip(self.header, cells, strict=True)
                    if not cell.isascii() and SURROGATE.search(cell)
                ),
                None,
            )
            said = f"{self._name}: line {line}, {broken!r}: holds half a character"
            yield Record(self.header, cells, line, fault="" if broken is None else said)

    def _cell(self, value: Any) -> str:
        cell = self._dialect.spelled(value)
        return "" if cell.strip() in self._missing else cell


def _parsed(name: str, lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
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
