"""Cells of a table as their file spells them, and what a column of them holds."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import InputError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A"))
"""Cells that stand for a missing value; in columns of text only the empty cell does."""
TRUE_FALSE = dict.fromkeys(("True", "true", "TRUE"), True)
TRUE_FALSE |= dict.fromkeys(("False", "false", "FALSE"), False)
NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII
)
GROUPED = re.compile(r"[+-]?\d{1,3}([,.' \u00a0\u202f])\d{3}(\1\d{3})*([.,]\d+)?", re.ASCII)
"""A number with a mark between its thousands."""
COMMA_DECIMAL = re.compile(r"[+-]?\d+,\d+", re.ASCII)
SWAPPED = str.maketrans(",.", ".,")


@dataclass(frozen=True)
class Dialect:
    """How a file spells its cells, as far as a person said."""

    separator: str | None = None
    """None for the comma, or the tab in a .tsv file."""
    encoding: str | None = None
    """None for UTF-8."""
    decimal: str = "."
    thousands: str | None = None
    """The mark between the thousands of a number; None for none."""
    na_values: tuple[str, ...] = ()
    """Cells that stand for a missing value in every column."""
    header: bool = True
    """Whether the first row names the columns; they are numbered from 0 otherwise."""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise SettingsError(f"--decimal: {self.decimal!r} is not possible", "give . or ,")
        if self.thousands is not None and (
            len(self.thousands) != 1 or self.thousands in (*"0123456789+-", self.decimal)
        ):
            raise SettingsError(
                f"--thousands: {self.thousands!r} is not possible", "give a mark such as , or '"
            )
        if self.encoding is not None and not _is_text_encoding(self.encoding):
            raise SettingsError(
                f"--encoding: {self.encoding!r} is not known", "give utf-8, latin-1, utf-16, cp1252"
            )

    def plain(self, cell: str) -> str:
        """Return the cell of a number as Python spells it; another cell as something that is none.

        With a decimal comma, a full stop that does not mark thousands makes it none.
        """
        cell = cell.strip()
        if self.thousands and _grouped(self.thousands, self.decimal).fullmatch(cell):
            cell = re.sub(_mark(self.thousands), "", cell)
        return cell.translate(SWAPPED) if self.decimal == "," else cell

    def spelled(self, value: Any) -> str:
        """Spell a value of a typed file; none is the empty cell, a list its JSON."""
        if value is None or value != value:
            return ""
        if isinstance(value, (list, dict)):
            import json

            return json.dumps(value, default=str, ensure_ascii=False)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        words = str(value)
        number = not isinstance(value, (str, bool)) and NUMBER.fullmatch(words) is not None
        return words.translate(SWAPPED) if self.decimal == "," and number else words


PLAIN = Dialect()
SIMPLE = re.compile(r"-?\d{1,15}(\.\d{1,25})?", re.ASCII)
SIMPLES = re.compile(r"(?:-?\d{1,15}(?:\.\d{1,25})?\n)+", re.ASCII)
"""Numbers that need no further look, where the decimal mark is a full stop; lines of them."""


@dataclass(frozen=True, eq=False)
class Cells:
    """A table as its file spells it: header and rows of text, nothing guessed yet."""

    name: str
    """File name, for messages."""
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    """Line of the file on which each row ends, counted from 1; or its number where unit is row."""
    unit: str = "line"
    texts: frozenset[str] = field(default=frozenset())
    """Columns that the file or the model says are text, though they may look like numbers."""
    dialect: Dialect = PLAIN

    @cached_property
    def places(self) -> dict[str, int]:
        """Position of each column in a row."""
        return {name: place for place, name in enumerate(self.header)}

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        place = self.places[name]
        return [row[place] for row in self.rows]

    def simple(self, name: str) -> bool:
        """Tell whether a column holds numbers that need no further look, and nothing else."""
        if self.dialect.decimal != ".":
            return False
        return SIMPLES.fullmatch("\n".join([*self.column(name), ""])) is not None

    def kind(self, name: str) -> str:
        """Tell what a column holds, as ``kind_of``."""
        cells = self.column(name)
        if name in self.texts:
            return "text" if any(cells) else "empty"
        if self.simple(name):
            return "number" if "." in "".join(cells) else "integer"
        return kind_of(cells, self.dialect)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Parse a column as float64; raise InputError naming line and column."""
        if self.simple(name):
            return np.array([float(cell) for cell in self.column(name)])
        return numbers(self, name, range(len(self.rows)))


def kind_of(cells: Sequence[str], dialect: Dialect = PLAIN) -> str:
    """Tell what a column holds: ``integer``, ``number``, ``bool``, ``text``, or ``empty``."""
    present = {cell.strip() for cell in set(cells)} - MISSING
    if not present:
        return "empty"
    if all(cell in TRUE_FALSE for cell in present):
        return "bool"
    plain = [dialect.plain(cell) for cell in present]
    if not all(NUMBER.fullmatch(cell) for cell in plain):
        return "text"
    whole = all(cell.lstrip("+-").isdecimal() for cell in plain)
    return "integer" if whole else "number"


def is_number(cell: str, dialect: Dialect) -> bool:
    """Tell whether a cell is missing or spells a number."""
    return cell.strip() in MISSING or NUMBER.fullmatch(dialect.plain(cell)) is not None


def numbers(cells: Cells, column: str, rows: Sequence[int]) -> NDArray[np.float64]:
    """Parse some cells of a column as float64, missing ones as NaN.

    Raises InputError naming line and column of a cell that is no number, or an infinite one.
    """
    values, place = np.empty(len(rows)), cells.places[column]
    for i, row in enumerate(rows):
        cell = cells.rows[row][place].strip()
        plain = cells.dialect.plain(cell)
        where = f"{cells.name}: {cells.unit} {cells.lines[row]}, {column!r}"
        if cell in MISSING:
            values[i] = np.nan
        elif NUMBER.fullmatch(plain) is None:
            raise InputError(
                f"{where}: {shortened(cell)} is not a number",
                _advice(cell) or "mend it, or name what stands for missing with --na-values",
            )
        else:
            values[i] = float(plain)
            if np.isinf(values[i]):
                raise InputError(f"{where}: {shortened(cell)} is infinite", "limex needs a number")
    return values


def number(cells: Cells, column: str, row: int, cell: str) -> float:
    """Parse one cell as ``numbers`` does."""
    if cells.dialect.decimal == "." and SIMPLE.fullmatch(cell) is not None:
        return float(cell)
    return float(numbers(cells, column, [row])[0])


def shortened(cell: str) -> str:
    """Quote a cell for a message, a long one by its beginning."""
    return repr(cell) if len(cell) <= 60 else repr(cell[:60]) + "..."


def misspelled(cell: str, dialect: Dialect) -> bool:
    """Tell whether a cell is a number in the spelling of another dialect."""
    return not is_number(cell, dialect) and bool(_advice(cell.strip()))


def _advice(cell: str) -> str:
    grouped = GROUPED.fullmatch(cell)
    if grouped and (grouped[2] or grouped[3] or grouped[1] == ","):
        return f"try --thousands {grouped[1]!r}"
    return "try --decimal ," if COMMA_DECIMAL.fullmatch(cell) else ""


def _is_text_encoding(name: str) -> bool:
    try:
        return bool(getattr(codecs.lookup(name), "_is_text_encoding", True))
    except (LookupError, ValueError):
        return False


def _mark(thousands: str) -> str:
    return "[ \u00a0\u202f]" if thousands == " " else re.escape(thousands)


@lru_cache(maxsize=8)
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    mark, point = _mark(thousands), re.escape(decimal)
    return re.compile(rf"[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{point}\d*)?", re.ASCII)
