"""How a file spells its cells: numbers, truth values, and what stands for none."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lime_cli.errors import SettingsError

MISSING = frozenset(("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A"))
"""Cells that stand for a missing value; in columns of text only the empty cell does."""

TRUE_FALSE = dict.fromkeys(("True", "true", "TRUE"), True)

TRUE_FALSE |= dict.fromkeys(("False", "false", "FALSE"), False)

NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII
)

SWAPPED = str.maketrans(",.", ".,")


MAX_INPUT = 1 << 30
"""Bytes that are read of a pipe, unless a person allows more."""


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
    reading: str = "auto"
    """``pandas`` where words such as NA are missing values in every column, ``plain`` where only
    the empty cell is; ``auto`` is as the model was most likely fitted."""
    quote: str = '"'
    """What stands around cells that hold separators."""
    strip: bool = False
    """Whether blanks around cells of words are left out."""
    sheet: str | None = None
    """Of a file with several sheets or tables, the one that is read."""
    sql: str | None = None
    """What a database is asked."""
    skip: int | None = None
    """Lines, or rows of a sheet, above the names of columns; None to look for a title."""
    max_input: int = MAX_INPUT
    """Bytes that are read of what is no plain file: a pipe, a device."""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise SettingsError(f"--decimal: {self.decimal!r} is not valid", "give . or ,")
        if self.thousands == self.decimal:
            other = "," if self.decimal == "." else "."
            raise SettingsError(
                f"--thousands and --decimal are both {self.decimal!r}", f"add --decimal {other}"
            )
        if self.thousands is not None and (
            len(self.thousands) != 1 or self.thousands in "0123456789+-"
        ):
            raise SettingsError(
                f"--thousands: {self.thousands!r} is not valid", "give a mark such as , or '"
            )
        if self.sheet is not None and self.sql is not None:
            raise SettingsError("--sheet and --sql name two tables", "leave one of them out")
        if self.encoding is not None and not _is_text_encoding(self.encoding):
            raise SettingsError(
                f"--encoding: {self.encoding!r} is not known", "give utf-8, latin-1, utf-16, cp1252"
            )

    def of_another(self) -> Dialect:
        """Return how another file is spelled: alike, but its sheet and its title are its own."""
        return replace(self, sheet=None, sql=None, skip=None)

    def plain(self, cell: str) -> str:
        """Return the cell of a number as Python spells it; another cell as something that is none.

        With a decimal comma, a full stop that does not mark thousands makes it none.
        """
        cell = cell.strip()
        if self.thousands and _grouped(self.thousands, self.decimal).fullmatch(cell):
            cell = re.sub(_mark(self.thousands), "", cell)
        return cell.translate(SWAPPED) if self.decimal == "," else cell

    def ungrouped(self, text: str, ends: str) -> str:
        """Take the marks of thousands out of the numbers of a text, whose cells stand between
        ``ends``: characters as in the brackets of a regular expression.
        """
        mark = self.thousands
        if mark is None or re.search(_mark(mark), text) is None:
            return text
        cell = rf"(?<![^{ends}]){_grouped(mark, self.decimal).pattern}(?![^{ends}])"
        marks = re.compile(_mark(mark))
        return re.sub(cell, lambda found: marks.sub("", found[0]), text, flags=re.ASCII)

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
        if self.decimal == "." or isinstance(value, (str, bool)):
            return words
        return words.translate(SWAPPED) if NUMBER.fullmatch(words) else words


PLAIN = Dialect()


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
