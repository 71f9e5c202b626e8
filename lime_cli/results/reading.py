"""Saved explanations, read one by one: a record, lines of them, or the folder of a batch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lime_cli.errors import InputError
from lime_cli.results.rebuilding import explanation_of
from lime_cli.results.record import NAME

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation

LEDGER = "explanations.jsonl"
"""The file of a batch's folder that holds its records."""
FAILURE, RUN = "limex/failure", "limex/run"
"""Schemas of the other lines of a ledger: an instance that failed, and the header."""


@dataclass(frozen=True)
class Entry:
    """One saved record and where it was found."""

    place: str
    """File and line, for messages."""
    record: dict[str, Any]

    @property
    def schema(self) -> str:
        """Name of what the record holds: an explanation, a failure, a run."""
        schema = self.record.get("schema")
        return str(schema.get("name")) if isinstance(schema, dict) else ""

    def explanation(self) -> Explanation:
        """Rebuild the explanation; raise InputError, naming the place, for a damaged one."""
        try:
            return explanation_of(self.record)
        except InputError as error:
            raise InputError(f"{self.place}: {error.message}", error.hint) from None


def read_entries(path: str) -> Iterator[Entry]:
    """Read records in their order, one at a time, ``-`` from standard input.

    Headers of ledgers are passed over; failures are not. Raises InputError for what is no record,
    and for a file without any.
    """
    name, found = path, False
    with _opened(path) as stream:
        for line, record in _parsed(stream, name):
            entry = Entry(f"{name}:{line}", record)
            if entry.schema == RUN:
                continue
            if entry.schema not in (NAME, FAILURE):
                raise InputError(
                    f"{entry.place}: this is not an explanation",
                    "give what limex explain wrote: JSON, JSON lines or a batch's folder",
                )
            found = True
            yield entry
    if not found:
        raise InputError(f"{name}: holds no explanation", "give what limex explain wrote")


def read_explanations(path: str) -> Iterator[Explanation]:
    """Read the explanations alone, failures passed over; raise InputError where there is none."""
    found = False
    for entry in read_entries(path):
        if entry.schema == NAME:
            found = True
            yield entry.explanation()
    if not found:
        raise InputError(f"{path}: every instance failed", "nothing can be shown")


def _opened(path: str) -> IO[bytes]:
    if path == "-":
        return sys.stdin.buffer
    file = Path(path)
    try:
        if file.is_dir():
            file = file / LEDGER
            if not file.exists():
                raise InputError(
                    f"{path}: holds no {LEDGER}", "finish the batch: run its command again"
                )
        return file.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "give what limex explain wrote") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _parsed(stream: IO[bytes], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers, counted from 1, and objects; a file may also be one object over lines."""
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield number, _object(line)
        except ValueError as error:
            if number > 1:
                raise _damaged(f"{name}:{number}", error) from None
            try:
                yield number, _object(line + stream.read())
            except ValueError as whole:
                raise _damaged(name, whole) from None


def _object(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"it is a JSON {type(value).__name__}, not an object")
    return value


def _damaged(place: str, error: ValueError) -> InputError:
    reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    return InputError(f"{place}: is no JSON record ({reason})", "give what limex explain wrote")
