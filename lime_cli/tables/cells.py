"""Cells of a table as their file spells them: numbers, dates, and what a column holds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from lime_cli.errors import InputError
from lime_cli.tables.columnar import Columnar
from lime_cli.tables.dialect import MISSING, NUMBER, PLAIN, SWAPPED, TRUE_FALSE, Dialect

if TYPE_CHECKING:
    from numpy.typing import NDArray


DATE = r"(?a)(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?"

DAY = 86_400
"""Seconds."""


def moment_of(cell: str) -> datetime | None:
    """Return a date that is written as ISO has it; None for no date.

    Fractions of a second and time zones are passed over.
    """
    found = re.fullmatch(DATE, cell.strip())
    if found is None:
        return None
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}{found[3] or ':00'}")
    except ValueError:
        return None


def days_of(cell: str) -> float | None:
    """Return the days from the year 1 to a date, hours as a fraction; None for no date."""
    moment = moment_of(cell)
    if moment is None:
        return None
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return moment.toordinal() + seconds / DAY


def date_of(days: float) -> str:
    """Write the day that a number of days ends in."""
    return date.fromordinal(int(days)).isoformat()


def are_dates(cells: Iterable[str]) -> bool:
    """Tell whether a column holds dates and nothing else, missing cells aside."""
    present = {cell for cell in cells if cell.strip() not in MISSING}
    return bool(present) and all(days_of(cell) is not None for cell in present)


GROUPED = r"(?a)[+-]?\d{1,3}([,.' \u00a0\u202f])\d{3}(\1\d{3})*([.,]\d+)?"
"""A number with a mark between its thousands."""

COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+", re.ASCII)

SIMPLE = re.compile(r"-?\d{1,15}(\.\d{1,25})?", re.ASCII)
"""A number that needs no further look, once its decimal mark is a full stop."""

OF_NUMBERS = dict.fromkeys(map(ord, "0123456789.-"))
"""Characters of which float() takes nothing but such numbers."""


@dataclass(frozen=True, eq=False)
class Cells:
    """A table as its file spells it: header and rows of text, nothing guessed yet."""

    name: str
    """File name, for messages."""
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    """Kept by column where there are many, see ``columnar``."""
    lines: Sequence[int]
    """Line of the file on which each row ends, counted from 1; or its number where unit is row."""
    unit: str = "line"
    texts: frozenset[str] = field(default=frozenset())
    """Columns that the file or the model says are text, though they may look like numbers."""
    dialect: Dialect = PLAIN

    @cached_property
    def places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.header)}

    def column(self, name: str) -> list[str]:
        if isinstance(self.rows, Columnar):
            return self.rows.column(self.places[name])
        return list(self._columns[self.places[name]]) if self.rows else []

    def cell(self, row: int, place: int) -> str:
        """Return one cell."""
        rows = self.rows
        return rows.cell(row, place) if isinstance(rows, Columnar) else rows[row][place]

    def is_array(self, name: str) -> bool:
        """Tell whether a column is kept as numbers, without its spelling."""
        rows = self.rows
        return isinstance(rows, Columnar) and rows.numbers(self.places[name]) is not None

    def words(self, name: str) -> list[str]:
        """Return the cells of a column, or of one of numbers only what stands in its gaps."""
        if isinstance(self.rows, Columnar) and self.is_array(name):
            return list(self.rows.gaps[self.places[name]])
        return self.column(name)

    def changed(self, columns: Mapping[str, Sequence[str]]) -> Cells:
        """Return a table with other cells in some columns."""
        if not columns:
            return self
        found = {self.places[name]: cells for name, cells in columns.items()}
        if isinstance(self.rows, Columnar):
            return replace(self, rows=self.rows.changed(found))
        rows = [list(row) for row in self.rows]
        for place, cells in found.items():
            for row, cell in zip(rows, cells, strict=True):
                row[place] = cell
        return replace(self, rows=tuple(map(tuple, rows)))

    @property
    def varied(self) -> bool:
        """Whether two rows differ."""
        return self.rows.varied if isinstance(self.rows, Columnar) else len(set(self.rows)) > 1

    def chosen(self, rows: Sequence[int]) -> Cells:
        """Return some of the rows."""
        if isinstance(self.rows, Columnar):
            kept: Sequence[tuple[str, ...]] = self.rows.chosen(rows)
        else:
            kept = tuple(self.rows[i] for i in rows)
        return replace(self, rows=kept, lines=tuple(self.lines[i] for i in rows))

    def simple(self, name: str) -> bool:
        """Tell whether a column holds numbers that need no further look, and gaps at most."""
        return self._parsed(name) is not None

    def kind(self, name: str) -> str:
        """Tell what a column holds, as ``kind_of``."""
        if name not in self.texts and self.simple(name):
            return "number"
        cells = self.column(name)
        if name in self.texts:
            return "text" if any(cells) else "empty"
        return kind_of(cells, self.dialect)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Parse a column as float64; raise InputError naming line and column."""
        parsed = self._parsed(name)
        return numbers(self, name, range(len(self.rows))) if parsed is None else parsed.copy()

    @cached_property
    def _columns(self) -> tuple[tuple[str, ...], ...]:
        return tuple(zip(*self.rows, strict=True))

    @cached_property
    def _known(self) -> dict[str, NDArray[np.float64] | None]:
        return {}

    def _parsed(self, name: str) -> NDArray[np.float64] | None:
        """Return the numbers of a column of simple ones, NaN in its gaps; None for another."""
        if name not in self._known:
            held = self.rows.numbers(self.places[name]) if isinstance(self.rows, Columnar) else None
            if held is None:
                held = _all_numbers(self.column(name), self.dialect)
            self._known[name] = held
        return self._known[name]


def _all_numbers(cells: list[str], dialect: Dialect) -> NDArray[np.float64] | None:
    there = [cell not in MISSING for cell in cells]
    present = list(compress(cells, there))
    if dialect.decimal == ",":
        present = [cell.translate(SWAPPED) for cell in present]
    if not present or _holds_others(present[:1]) or _holds_others(present):  # one often tells
        return None
    found = np.full(len(cells), np.nan)
    try:
        found[there] = np.fromiter(map(float, present), np.float64, len(present))
    except ValueError:
        return None
    return None if np.isinf(found).any() else found


def _holds_others(cells: list[str]) -> bool:
    return bool("".join(cells).translate(OF_NUMBERS))


def kind_of(cells: Sequence[str], dialect: Dialect = PLAIN) -> str:
    """Tell what a column holds: ``number``, ``bool``, ``text``, or ``empty``."""
    present = {cell.strip() for cell in set(cells)} - MISSING
    if not present:
        return "empty"
    if all(cell in TRUE_FALSE for cell in present):
        return "bool"
    plain = [dialect.plain(cell) for cell in present]
    return "number" if all(NUMBER.fullmatch(cell) for cell in plain) else "text"


def is_number(cell: str, dialect: Dialect) -> bool:
    """Tell whether a cell is missing or spells a number."""
    return cell.strip() in MISSING or NUMBER.fullmatch(dialect.plain(cell)) is not None


def numbers(
    cells: Cells, column: str, rows: Sequence[int], usual: float | None = None
) -> NDArray[np.float64]:
    """Parse some cells of a column as float64, missing ones as NaN.

    Raises InputError naming line and column of a cell that is no number, or an infinite one.
    ``usual`` is the number that may stand for such a cell.
    """
    values, place = np.empty(len(rows)), cells.places[column]
    for i, row in enumerate(rows):
        cell = cells.cell(row, place).strip()
        plain = cells.dialect.plain(cell)
        where = f"{cells.name}: {cells.unit} {cells.lines[row]}, {column!r}"
        if cell in MISSING:
            values[i] = np.nan
        elif NUMBER.fullmatch(plain) is None:
            its = "its number" if usual is None else "a number for it, as here the median"
            words, given = f"{column}={cell}:", "N" if usual is None else f"{usual:.15g}"
            raise InputError(
                f"{where}: {shortened(cell)} is not a number",
                _advice(cell)
                or "correct it, name the word for missing values with --na-values, or give "
                f"{its}: --map {shlex.quote(words + given)}",
            )
        else:
            values[i] = float(plain)
            if np.isinf(values[i]):
                raise InputError(f"{where}: {shortened(cell)} is infinite", "limex needs a number")
    return values


def number(cells: Cells, column: str, row: int, cell: str, usual: float | None = None) -> float:
    """Parse one cell as ``numbers`` does."""
    plain = cell if cells.dialect.decimal == "." else cell.translate(SWAPPED)
    if SIMPLE.fullmatch(plain) is not None:
        return float(plain)
    return float(numbers(cells, column, [row], usual)[0])


def shortened(cell: str) -> str:
    """Quote a cell for a message, a long one by its beginning."""
    return repr(cell) if len(cell) <= 60 else repr(cell[:60]) + "..."


def misspelled(cell: str, dialect: Dialect) -> bool:
    """Tell whether a cell is a number in the spelling of another dialect."""
    return not is_number(cell, dialect) and bool(_advice(cell.strip()))


def _advice(cell: str) -> str:
    grouped = re.fullmatch(GROUPED, cell)
    if grouped and (grouped[2] or grouped[3] or grouped[1] == ","):
        comma = "--decimal , " if grouped[1] != "," and "," in cell else ""
        mark = "' '" if grouped[1].isspace() else repr(grouped[1])
        return f"try {comma}--thousands {mark}, or --strings to keep text"
    return "try --decimal ," if COMMA_DECIMAL.fullmatch(cell) else ""
