"""Tables read by column: numbers straight into arrays, a block of rows at a time.

A large background so takes a fraction of the time and of the memory that its cells take one by one.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import IO, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lime_cli.tables.dialect import MISSING, NUMBER, PLAIN, SWAPPED, Dialect
from lime_cli.tables.streams import damaged

SLAB = 2_048
"""Rows that are made columns at a time."""

BLOCK = 2**20
"""Bytes of a file that are looked through at a time."""

LONGEST = 2**20
"""Characters of a line that is read this way, at most."""

DIGITS = b"0123456789.-"
"""Characters of which ``float`` takes nothing but plain numbers."""

HAS_DIGIT = re.compile("[0-9]")

Numbers = NDArray[np.float64]
"""A column of numbers, NaN in its gaps."""

Column = Sequence[str] | Numbers
"""Cells as they are spelled, or numbers."""


class Surprise(Exception):
    """A table is not so plain that it can be read in blocks: its rows are to be read one by one."""


class Columnar(Sequence[tuple[str, ...]]):
    """Rows that are kept by column, and put together when they are looked at.

    Of a column of numbers the spelling is not kept: its cells are spelled as Python does.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        gaps: Sequence[frozenset[str]],
        n_rows: int,
        dialect: Dialect = PLAIN,
    ) -> None:
        """Take columns of ``n_rows``, and with which words the gaps of each are spelled."""
        self.columns, self.gaps, self._n_rows = tuple(columns), tuple(gaps), n_rows
        self._dialect = dialect

    def __len__(self) -> int:
        return self._n_rows

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[str, ...], ...]: ...

    def __getitem__(self, place: int | slice) -> tuple[str, ...] | tuple[tuple[str, ...], ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        return tuple(self.cell(place, column) for column in range(len(self.columns)))

    def cell(self, row: int, column: int) -> str:
        """Return one cell, without the others of its row."""
        held = self.columns[column]
        return self._spelled(float(held[row])) if isinstance(held, np.ndarray) else held[row]

    def column(self, place: int) -> list[str]:
        """Return the cells of a column."""
        found = self.columns[place]
        return list(map(self._spelled, found.tolist()) if isinstance(found, np.ndarray) else found)

    def numbers(self, place: int) -> Numbers | None:
        """Return a column of numbers; None for one of cells."""
        found = self.columns[place]
        return found if isinstance(found, np.ndarray) else None

    def chosen(self, rows: Sequence[int]) -> Columnar:
        """Return some of the rows."""
        columns = (
            one[rows] if isinstance(one, np.ndarray) else tuple(one[row] for row in rows)
            for one in self.columns
        )
        return Columnar(tuple(columns), self.gaps, len(rows), self._dialect)

    def changed(self, columns: Mapping[int, Sequence[str]]) -> Columnar:
        """Return the rows with other cells in some columns."""
        kept = [columns.get(place, one) for place, one in enumerate(self.columns)]
        return Columnar(kept, self.gaps, len(self), self._dialect)

    def _spelled(self, number: float) -> str:
        whole = number.is_integer()
        return self._dialect.spelled(int(number) if whole else number)

    @property
    def varied(self) -> bool:
        """Whether two rows differ."""
        return any(
            bool((np.diff(one) != 0).any() and not np.isnan(one).all())
            if isinstance(one, np.ndarray)
            else len(set(one)) > 1
            for one in self.columns
        )


class Sample(NamedTuple):
    """Evenly spaced rows of a table, the first among them."""

    rows: Columnar
    lines: Sequence[int]
    """Where each stands, as in ``Cells.lines``."""
    n_rows: int
    """Of the whole table."""


class Sampler:
    """Takes every row until there are too many, then every second, every fourth and so on.

    So the choice depends on nothing but the number of rows.
    """

    def __init__(self, n_columns: int, most: int, words: Collection[int], dialect: Dialect) -> None:
        """Keep ``most`` rows at most; the columns ``words`` are kept as they are spelled."""
        self._most, self._words, self._dialect = most, words, dialect
        self._missing = frozenset(dialect.na_values)
        self._columns: list[Numbers | list[str] | None] = [None] * n_columns
        self._gaps: list[set[str]] = [set() for _ in range(n_columns)]
        self._lines: list[int] = []
        self._shared: dict[str, str] = {}
        self.step, self.n_rows = 1, 0

    def next_places(self, n: int) -> range:
        """Return which of the next ``n`` rows are kept, and count them all as seen."""
        first = -self.n_rows % self.step
        self.n_rows += n
        return range(first, n, self.step)

    @property
    def is_open(self) -> bool:
        """Whether each column may turn out to hold numbers: none is kept, or to be spelled."""
        return not (self._lines or self._words)

    def numbers(self) -> list[int]:
        """Return which columns hold numbers so far."""
        return [j for j, one in enumerate(self._columns) if isinstance(one, np.ndarray)]

    def add(self, columns: Iterable[Column], lines: Sequence[int]) -> None:
        """Keep rows; raise Surprise for a column that holds numbers here and words there."""
        for j, column in enumerate(columns):
            if isinstance(column, np.ndarray):
                self._gaps[j] |= {""} if np.isnan(column).any() else set()
                self._add_numbers(j, column)
            else:
                self._add_cells(j, column)
        self._lines.extend(lines)
        while len(self._lines) > self._most:
            self._thin()

    def _add_cells(self, j: int, cells: Sequence[str]) -> None:
        held = self._columns[j]
        if self._missing:
            cells = ["" if one.strip() in self._missing else one for one in cells]
        if j not in self._words and not isinstance(held, list):
            found = parsed(cells, self._dialect)
            if found is not None:
                self._gaps[j] |= found[1]
                return self._add_numbers(j, found[0])
        if isinstance(held, np.ndarray):
            raise Surprise
        if held is None:
            held = self._columns[j] = []
        share = self._shared.setdefault
        return held.extend(share(cell, cell) for cell in cells)

    def _add_numbers(self, j: int, numbers: Numbers) -> None:
        held, start = self._columns[j], len(self._lines)
        if isinstance(held, list):
            raise Surprise
        if held is None or len(held) < start + len(numbers):
            grown = np.empty(max(self._most + SLAB, start + len(numbers)))
            if held is not None:
                grown[:start] = held[:start]
            held = self._columns[j] = grown
        held[start : start + len(numbers)] = numbers

    def _thin(self) -> None:
        """Leave out every second row."""
        n = len(self._lines)
        self.step *= 2
        del self._lines[1::2]
        for column in self._columns:
            if isinstance(column, np.ndarray):
                column[: len(self._lines)] = column[:n:2].copy()
            elif column is not None:
                del column[1::2]

    def sample(self) -> Sample:
        """Return what was kept."""
        n = len(self._lines)
        columns = [self._column(j)[:n] for j in range(len(self._columns))]
        gaps = [frozenset(one) for one in self._gaps]
        return Sample(Columnar(columns, gaps, n, self._dialect), self._lines, self.n_rows)

    def _column(self, j: int) -> Column:
        """Return a column; one of nothing but gaps as it is spelled."""
        column, n = self._columns[j], len(self._lines)
        if not isinstance(column, np.ndarray):
            return column or ()
        if not np.isnan(column[:n]).all():
            return column
        if len(self._gaps[j]) > 1:
            raise Surprise
        return tuple(self._gaps[j] or ("",)) * n


def step_for(n_rows: int, most: int) -> int:
    """Return every how many-th row is kept of so many, as a ``Sampler`` ends up with."""
    step = 1
    while -(-n_rows // step) > most:
        step *= 2
    return step


def parsed(cells: Sequence[str], dialect: Dialect = PLAIN) -> tuple[Numbers, set[str]] | None:
    """Return plain numbers, NaN in gaps, and the words that stand in those; None for others."""
    if dialect.thousands is not None:
        whole = "\n".join(cells)
        if whole.count("\n") >= len(cells) > 0:  # in a cell
            return None
        cells = dialect.ungrouped(whole, "\n").split("\n")
    if dialect.decimal == ",":
        cells = [cell.translate(SWAPPED) for cell in cells]
    try:
        if not "".join(cells).encode("utf-8", "replace").translate(None, DIGITS):
            found = np.fromiter(map(float, cells), np.float64, len(cells))
            return (found, set()) if np.isfinite(found).all() else None
    except ValueError:  # an empty cell, or several numbers in one
        pass
    gaps = {cell for cell in set(cells) if cell in MISSING}
    present = [cell not in gaps for cell in cells]
    others = [cell for cell in cells if cell not in gaps]
    if any(NUMBER.fullmatch(cell) is None for cell in others):
        return None
    found = np.full(len(cells), np.nan)
    found[present] = np.fromiter(map(float, others), np.float64, len(others))
    return (found, gaps) if not np.isinf(found).any() else None


class Written(NamedTuple):
    """How a delimited text is written."""

    names: Sequence[str]
    """The cells of its first row."""
    n: int
    """Cells of each other row."""
    separator: str
    dialect: Dialect
    blanks: bool = False
    """Whether any number of blanks and tabs is a separator."""

    def cut(self, line: str) -> list[str]:
        """Cut a line without quotes into cells."""
        return line.split() if self.blanks else line.split(self.separator)

    def are_whole(self, lines: Iterable[str]) -> bool:
        """Tell whether lines without quotes have as many cells as a row, each of them."""
        if self.blanks:
            return all(len(line.split()) == self.n for line in lines)
        return set(map(str.count, lines, repeat(self.separator))) <= {self.n - 1}

    def are_numbers(self, lines: Iterable[str]) -> bool:
        """Tell whether lines hold no characters but those of plain numbers and separators."""
        if self.blanks or self.dialect.decimal != "." or self.dialect.thousands is not None:
            return False
        plain = DIGITS + self.separator.encode()
        return not "".join(lines).encode("utf-8", "replace").translate(None, plain)

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Cut lines into cells."""
        if self.blanks:
            return map(str.split, lines)
        ended, quote = (one + "\n" for one in lines), self.dialect.quote
        return csv.reader(ended, delimiter=self.separator, quotechar=quote, strict=True)


def sampled_lines(
    stream: IO[bytes], written: Written, most: int, words: Collection[int]
) -> Sample | None:
    """Return evenly spaced rows of delimited text of a plain dialect; None where they are not.

    They are plain where the first line holds the names, every row has as many cells, no line is
    empty and no column holds numbers and words. The stream stands where it stood before.
    """
    before, found = stream.tell(), Sampler(written.n, most, words, written.dialect)
    try:
        stream.seek(0)
        return _sampled_lines(stream, written, found)
    except (Surprise, csv.Error, UnicodeDecodeError):
        return None
    except Exception as error:  # which reading by row puts into words
        if not isinstance(error, damaged()):
            raise
        return None
    finally:
        stream.seek(before)


def _sampled_lines(stream: IO[bytes], written: Written, found: Sampler) -> Sample:
    names, n, separator, dialect, blanks = written
    blocks = _blocks(stream, dialect)
    first = next(blocks, [])
    if n < 2 or (blanks and dialect.quote in "".join(first[:1])):
        raise Surprise
    if next(written.reader(first[:1]), None) != list(names):
        raise Surprise
    if dialect.header:
        first = first[1:]
    arrays = dialect.decimal == "." or separator not in ",."
    arrays = arrays and not any(map(HAS_DIGIT.search, dialect.na_values))  # of these, no number
    arrays = arrays and not (dialect.thousands or "").isalnum()
    line = 1 + dialect.header
    for block in chain([first], blocks):
        if any(dialect.quote in one for one in block):
            if blanks:
                raise Surprise
            rest = chain.from_iterable(chain([block], blocks))
            _add_quoted(found, written.reader(rest), n, line)
            break
        if not written.are_whole(block):
            raise Surprise
        for start in range(0, len(block), SLAB):
            slab = block[start : start + SLAB]
            places = found.next_places(len(slab))
            kept = slab[places.start :: places.step] if places else []
            if kept:
                at = line + start
                numbers = found.numbers() if arrays else []
                if arrays and found.is_open and written.are_numbers(kept):
                    numbers = list(range(n))
                found.add(
                    _columns(kept, written, numbers),
                    range(at + places.start, at + places.stop, places.step),
                )
        line += len(block)
    if not found.n_rows:
        raise Surprise
    return found.sample()


def _blocks(stream: IO[bytes], dialect: Dialect) -> Iterator[list[str]]:
    """Yield a file's lines without their ends; raise Surprise for what is odd about them."""
    encoding = dialect.encoding or "utf-8"
    utf_8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    decoder = codecs.getincrementaldecoder("utf-8-sig" if utf_8 else encoding)()
    left = ""
    while block := stream.read(BLOCK):
        text = left + decoder.decode(block)
        end = text.rfind("\n") + 1
        text, left = text[:end], text[end:]
        if len(left) > LONGEST:
            raise Surprise
        if text:
            yield _lines(text, dialect.quote)
    left += decoder.decode(b"", final=True)
    if left:
        yield _lines(left, dialect.quote)


def _lines(block: str, quote: str) -> list[str]:
    lines = block.removesuffix("\n").split("\n")
    if "\r" in block:
        if quote in block and any(one.count(quote) % 2 for one in lines):  # a line end in quotes
            raise Surprise
        lines = [one.removesuffix("\r") for one in lines]
        if any("\r" in one for one in lines):
            raise Surprise
    if "\0" in block:
        raise Surprise
    return lines


def _columns(lines: list[str], written: Written, numbers: list[int]) -> list[Column]:
    """Cut lines without quotes into columns; ``numbers`` are those that held numbers so far."""
    arrays: dict[int, Numbers] = {}
    n, separator, dialect = written.n, written.separator, written.dialect
    if numbers:
        given = lines
        if dialect.thousands is not None and dialect.thousands != separator:
            ends = r"\s" if written.blanks else f"{re.escape(separator)}\n"
            given = dialect.ungrouped("\n".join(lines), ends).split("\n")
        if dialect.decimal == ",":
            given = [one.translate(SWAPPED) for one in given]
        try:
            found = np.loadtxt(
                given,
                np.float64,
                comments=None,
                delimiter=None if written.blanks else separator,
                usecols=numbers,
                ndmin=2,
            )
            if np.isfinite(found).all():
                arrays = dict(zip(numbers, found.T.copy(), strict=True))
        except ValueError:  # gaps, or words
            pass
    if len(arrays) == n:
        return [arrays[j] for j in range(n)]
    cells = zip(*map(written.cut, lines), strict=True)
    return [arrays.get(j, column) for j, column in enumerate(cells)]


def _add_quoted(found: Sampler, reader: Any, n: int, line: int) -> None:
    """Add lines of which some hold quotes; raise Surprise for a row of another length."""
    slab: list[tuple[list[str], int]] = []

    def add() -> None:
        places = found.next_places(len(slab))
        if places:
            rows, at = zip(*(slab[i] for i in places), strict=True)
            found.add(list(zip(*rows, strict=True)), at)
        slab.clear()

    for cells in reader:
        if len(cells) != n:
            raise Surprise
        slab.append((cells, line - 1 + reader.line_num))
        if len(slab) == SLAB:
            add()
    add()
