"""Where the names of a table's columns stand: below titles and comments, above a row of units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from lime_cli.errors import and_so_on
from lime_cli.tables.dialect import MISSING, NUMBER

LOOKED_AT = 20
"""Rows below the first one that are looked at."""

FEWEST_ROWS = 3
"""Rows of a table, at least, that show what its columns hold."""


NUMBERED = re.compile(r"[A-Za-z]{0,4}\d+|")
"""A name that says so little, such as ``X1``, that the row below it may hold the true ones."""


class Heading(NamedTuple):
    """What stands around the names of columns."""

    above: int = 0
    """Rows above them, blank ones among them."""
    units: bool = False
    """Whether the row below them tells units."""


def heading_of(rows: Sequence[Sequence[str]]) -> Heading:
    """Look at the first rows of a table, blank ones empty, of which the last may be cut short."""
    above = _above(rows)
    below = [row for row in rows[above:] if row]
    if len(below) < FEWEST_ROWS + 2:
        return Heading(above)
    numbered = sum(NUMBERED.fullmatch(name.strip()) is not None for name in below[0])
    if numbered > len(below[0]) / 2 or len({*below[0]}) < len(below[0]):
        return Heading(above)  # there may be several rows of names
    return Heading(above, _are_units(below[1], below[2:]))


def _above(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows of a title stand above the names; 0 where that is not certain.

    A title fills the first cells of a row, half of them at most; names fill each cell, and stand
    above numbers.
    """
    place = 0
    while place < len(rows) and (not any(map(_filled, rows[place])) or len(rows[place]) == 1):
        place += 1
    for start in range(place, len(rows)):
        n = len(rows[start])
        below = [row for row in rows[start + 1 :] if row]
        if n < 2 or len(below) < FEWEST_ROWS or any(len(row) != n for row in below):
            continue
        named = all(map(_filled, rows[start])) and not any(map(_is_number, rows[start]))
        if named and any(map(_are_numbers, zip(*below[1:], strict=True))):
            return start if all(_is_title(row, n) for row in rows[:start]) else 0
    return 0


def _is_title(row: Sequence[str], n: int) -> bool:
    filled = sum(map(_filled, row))
    return filled <= max(1, n // 2) and all(map(_filled, row[:filled]))


def _are_units(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Tell a row that has words above all numbers, and nothing above words that comes again."""
    if any(len(row) != len(first) for row in others[:-1]):
        return False
    columns = list(zip(*others[: max(1, len(others) - 1)], strict=True))
    pairs = list(zip(first, columns, strict=True))
    numbers = [cell for cell, column in pairs if _are_numbers(column)]
    words = [(cell, column) for cell, column in pairs if not _are_numbers(column)]
    units = [cell for cell in numbers if _is_unit(cell)]
    if not units or any(_filled(cell) and not _is_unit(cell) for cell in numbers):
        return False
    if len(units) == 1 and any(_filled(cell) for cell in first if cell is not units[0]):
        return False
    return not any(_filled(cell) and _is_word_of(cell, column) for cell, column in words)


def _is_word_of(cell: str, column: Sequence[str]) -> bool:
    """Tell a word that may be one of a column's own: of words without digits, any word may be."""
    if cell in column:
        return True
    others = not any(map(str.isdigit, "".join(column)))
    return others and any(map(str.isalpha, cell)) and cell.strip().casefold() not in KINDS


def _is_unit(cell: str) -> bool:
    cell = cell.strip()
    marked = any(one.isalpha() or one in "%\u2030\u00b0" for one in cell)
    value = VALUE.match(cell) is not None or cell in MISSING or cell.casefold() in UNKNOWN
    return marked and not value


VALUE = re.compile(r"(?!1/|10\^)[^\w]{0,3}\d")
"""How a number begins that has its unit beside it; ``1/s`` and ``10^6 m`` are units alone."""

UNKNOWN = ("unknown", "missing", "none", "empty", "not available", "not known")
"""Words for a missing value that are no units."""

KINDS = ("text", "string", "str", "name", "category", "factor", "code")
"""What a row of units says of a column of words."""


def _are_numbers(column: Sequence[str]) -> bool:
    present = [cell for cell in column if cell.strip() not in MISSING]
    return len(present) >= FEWEST_ROWS - 1 and all(map(_is_number, present))


def is_row(rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row of a table is data: the table does not name its columns.

    It has numbers above nothing but numbers, and what names do not have: words that come again
    below, the same number twice, a fraction, or whole numbers in no order. Names that are numbers,
    such as years, quantiles and wavelengths, are in order, or count from 0.
    """
    first, below = rows[0] if rows else [], [row for row in rows[1:] if row]
    if len(first) < 2 or len(below) < FEWEST_ROWS or any(len(row) != len(first) for row in below):
        return False
    columns = list(zip(*below, strict=True))
    pairs = [(cell.strip(), column) for cell, column in zip(first, columns, strict=True)]
    numbers = [float(cell) for cell, _ in pairs if NUMBER.fullmatch(cell)]
    words = [(cell, column) for cell, column in pairs if cell and not NUMBER.fullmatch(cell)]
    above = all(_are_numbers(column) for cell, column in pairs if NUMBER.fullmatch(cell))
    if not numbers or not above or len(numbers) + len(words) < len(first):
        return False
    if words:
        return any(cell in map(str.strip, column) for cell, column in words)
    steps = [after - before for before, after in pairwise(numbers)]
    if all(step == 1 or after == 0 for step, after in zip(steps, numbers[1:], strict=True)):
        return False  # counted, perhaps more than once
    even = max(steps) - min(steps) < EVEN * max(map(abs, steps))
    if even or (len(numbers) > FEW and (min(steps) > 0 or max(steps) < 0)):
        return False
    whole, in_order = all(map(float.is_integer, numbers)), min(steps) > 0 or max(steps) < 0
    return not (whole and in_order)


FEW = 6
"""Numbers of a row that may be in order by chance."""

EVEN = 1e-3
"""Of the largest: by how much steps from number to number may differ that are as long."""


def row_said(name: str, cells: Sequence[str]) -> tuple[str, str]:
    """Say that the first line of a table is taken to be a row."""
    listed = and_so_on([cell.strip() for cell in cells], 4)
    words = f"the first line of {name} ({listed}) is taken to be a row, its columns to be numbered"
    return ("header_missing", f"{words} from 0; --skip 0 makes names of it")


def _filled(cell: str) -> bool:
    return bool(cell.strip())


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell.strip().replace(",", ".", 1)) is not None


def units_said(name: str, unit: str, number: int, row: Sequence[str]) -> tuple[str, str]:
    """Say that a row is taken to tell units."""
    listed = and_so_on([cell.strip() for cell in row if _filled(cell)], 4)
    words = f"{unit} {number} of {name} is taken to tell units ({listed}), not a row"
    return ("units_skipped", f"{words}; --skip 0 makes it one")
