"""Tables of delimited text: CSV, TSV and what else separates cells by a mark."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice, takewhile
from typing import IO, Any

from lime_cli.errors import InputError
from lime_cli.sources import Record
from lime_cli.tables.columnar import Sample, Written, sampled_lines
from lime_cli.tables.dialect import NUMBER, PLAIN, Dialect
from lime_cli.tables.heading import LOOKED_AT, Heading, heading_of, is_row, row_said, units_said
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import FIELD_CHARACTERS, text_lines

MANY_COLUMNS = 20_000

MOST_COMMENTS = 1_000
"""Lines of comments above a table, at most."""

BLANKS = " "
"""The separator of cells between which any number of blanks and tabs stands."""

LIKELY = (";", "\t", "|", BLANKS)
"""Separators that are looked for where a header has no other, in this order."""

CALLED = {"\t": "tabs", BLANKS: "blanks"}
"""Words for separators that cannot be seen."""

SAYS_SEPARATOR = re.compile(r"\s*\"?sep=(.)\"?\r?\n", re.IGNORECASE)
"""A first line by which programs tell Excel what stands between cells."""


def read_commas(file: TableFile, dialect: Dialect) -> TableContent:
    """Read cells between commas, where a person did not say otherwise."""
    return read_delimited(file.name, file.stream, dialect, dialect.separator or ",")


def read_tabs(file: TableFile, dialect: Dialect) -> TableContent:
    """Read cells between tabs, where a person did not say otherwise."""
    return read_delimited(file.name, file.stream, dialect, dialect.separator or "\t")


def read_delimited(name: str, stream: IO[bytes], dialect: Dialect, separator: str) -> TableContent:
    """Return the header and the rows; raise InputError naming file and line.

    A row of the wrong length, or with a stray quote, becomes a record that says so.
    """
    csv.field_size_limit(FIELD_CHARACTERS)
    lines = text_lines(name, stream, dialect)
    skipped = sum(1 for _ in islice(lines, dialect.skip or 0))
    first, lines = _first_line(name, lines, skipped)
    said = SAYS_SEPARATOR.fullmatch(first)
    if said is not None:
        separator = dialect.separator or said[1]
        first, lines = _first_line(name, lines, first.count("\n"))
    known, begin = dialect.separator is not None or said is not None, first.count("\n")
    if dialect.skip is None:
        marks = [separator] if known else [separator, *LIKELY]
        first, lines = _without_title(name, first, lines, marks, dialect)
    assumed = []
    if (n := first.count("\n")) > begin:
        words = f"the table in {name} is taken to begin on line {n}, below a title or comments"
        assumed.append(("lines_skipped", f"{words}; --skip 0 begins with the first line"))
    ahead = list(islice(lines, LOOKED_AT))
    lines = chain(ahead, lines)
    if not known:
        guessed = _guessed(first, ahead, separator, dialect)
        if guessed:
            separator, mark = guessed, CALLED.get(guessed, repr(guessed))
            words = f"the cells of {name} are taken to be separated by {mark}; --sep changes this"
            assumed.append(("separator_found", words))
    if separator == BLANKS:
        above = first[: len(first) - len(first.lstrip("\r\n"))]
        first, lines = above + _single_blanks(first), map(_single_blanks, lines)
    if first.count(separator) >= MANY_COLUMNS and '"' not in first:
        raise too_many(name, first.count(separator) + 1)
    _check_quotes(name, ahead, separator, dialect)
    reader = csv.reader(
        chain(io.StringIO(first, newline=""), lines),
        delimiter=separator,
        quotechar=dialect.quote,
        strict=True,
    )
    rows = _rows(name, reader)
    _, names = next(rows, (0, "has no header"))
    if isinstance(names, str) or (len(names) == 1 and not first.strip().startswith('"')):
        _check_separator(name, first, separator, ahead)
    if isinstance(names, str):
        raise InputError(f"{name}: {names}", "the first line must name the columns")
    beginning = _rows_of([first.lstrip("\r\n"), *ahead], separator, dialect)
    if dialect.header and dialect.skip is None and is_row(beginning):
        assumed.append(row_said(name, names))
        dialect = replace(dialect, header=False)
    written = Written(names, len(names), separator, dialect, separator == BLANKS)
    sampled: Callable[[int, Collection[int]], Sample | None] | None
    if not dialect.header:
        header = tuple(map(str, range(len(names))))
        again: list[Any] = [(1, names)]
        records = _records(name, header, chain(again, rows))
        sampled = partial(sampled_lines, stream, written)
        return TableContent(header, records, sampled=sampled, assumed=tuple(assumed))
    longer = _lengthened(names, ahead, separator, dialect)
    if longer[: len(names)] != names:
        words = f"the first cells of the rows of {name} are taken as row names, as R writes them"
        assumed.append(("row_names", words))
    written, names = written._replace(n=len(longer)), longer
    header = checked_header(name, names)
    sampled = partial(sampled_lines, stream, written)
    if dialect.skip is None and heading_of(beginning).units:
        line, units = next(rows)
        assumed.append(units_said(name, "line", line, units))
        sampled = None
    spare = len(list(takewhile(lambda cell: not cell.strip(), reversed(names))))
    records = _records(name, header, rows, spare)
    return TableContent(header, records, sampled=sampled, assumed=tuple(assumed))


def _guessed(first: str, ahead: list[str], separator: str, dialect: Dialect) -> str:
    """Return what separates cells where that is not a ``separator``; nothing if unclear.

    It is clear where the header and all rows looked at have the same number of cells, two or more,
    and more than the header has otherwise: a name may hold the usual mark.
    """
    usual = len(_cut(first.lstrip("\r\n"), separator, dialect))
    found: dict[str, int] = {}
    for mark in LIKELY if usual < 2 else LIKELY[:-1]:
        rows = _rows_of([first.lstrip("\r\n"), *ahead], mark, dialect)
        n = len(rows[0]) if rows else 0
        even = n > usual and {len(row) for row in rows} <= {n, 0}
        if even and (mark != BLANKS or _numbered(rows[1:])):
            found[mark] = n
    lines = [line for line in ahead if line.strip()]
    padded = all("  " in line for line in (first, *lines))
    if padded and found.get(BLANKS, 0) > found.get("\t", 0) and len(found) <= 2:
        return BLANKS
    return next(iter(found), "")


def _rows_of(lines: list[str], separator: str, dialect: Dialect) -> list[list[str]]:
    """Cut the first lines of a table into rows, empty where they are blank.

    The last one is left out where it may be cut short.
    """
    if separator == BLANKS:
        return [_cut(line, separator, dialect) if line.strip() else [] for line in lines]
    try:
        rows = list(csv.reader(lines, delimiter=separator, quotechar=dialect.quote))
    except csv.Error:
        return []
    return rows[:-1] if len(lines) > LOOKED_AT and len(rows[-1]) != len(rows[0]) else rows


def _heading(first: str, ahead: list[str], separator: str, dialect: Dialect) -> Heading:
    return heading_of(_rows_of([first.lstrip("\r\n"), *ahead], separator, dialect))


def _without_title(
    name: str, first: str, lines: Iterator[str], separators: list[str], dialect: Dialect
) -> tuple[str, Iterator[str]]:
    """Find the line with which a table begins, below comments or a title, and those after it.

    Lines before it are counted, as blank ones are. A line that begins as a comment is the header
    where it is the only one and has as many cells as what follows; of several, the last one is.
    """
    marked: list[str] = []
    second = next(lines, "")
    lines = chain([second] * bool(second), lines)
    for mark in separators:
        names = _cut(first.lstrip("\r\n"), mark, dialect)
        alike = len(names) == len(_cut(second, mark, dialect)) > 1
        if mark != BLANKS and alike and names[0].strip() == "#":  # the name of a column
            return first, lines
    while first.lstrip().startswith("#") and len(marked) < MOST_COMMENTS:
        marked.append(first)
        above = first.count("\n")
        first, lines = _first_line(name, lines, above)
    ahead = list(islice(lines, LOOKED_AT))
    below = [first.lstrip("\r\n"), *ahead]
    for mark in separators if marked and dialect.header else ():
        last, rows = (
            _cut(marked[-1].lstrip("# \r\n"), mark, dialect),
            _rows_of(below, mark, dialect),
        )
        if rows and len(last) == len(rows[0]) > 1 and any(map(NUMBER.fullmatch, rows[0])):
            header = marked[-1] if len(marked) == 1 else _uncommented(marked[-1])
            return header, chain([first[above:]], ahead, lines)
    if dialect.header:
        above = max(
            _heading(first, ahead, mark, dialect).above
            for mark in separators
            if mark != BLANKS or len(separators) == 1  # which titles have as well
        )
        if above:
            first = "\n" * (first.count("\n") + above - 1) + ahead[above - 1]
            ahead = ahead[above:]
    return first, chain(ahead, lines)


def _uncommented(line: str) -> str:
    start = len(line) - len(line.lstrip())
    return line[:start] + line[start:].lstrip("# ")


def _numbered(rows: list[list[str]]) -> bool:
    """Tell rows with a number in each, three cells or more, from lines of prose."""
    return all(len(row) > 2 and any(map(NUMBER.fullmatch, row)) for row in rows if row)


def _cut(line: str, separator: str, dialect: Dialect) -> list[str]:
    """Return the cells of a line that may be the beginning of a row only."""
    if separator == BLANKS:
        line = _single_blanks(line)
    try:
        return next(csv.reader([line], delimiter=separator, quotechar=dialect.quote), [])
    except csv.Error:
        return []


def _single_blanks(line: str) -> str:
    """Put one blank where several blanks and tabs stand; what is quoted keeps them."""
    parts = re.split(r'("[^"]*")', line.strip())
    return "".join(one if i % 2 else re.sub(r"\s+", " ", one) for i, one in enumerate(parts)) + "\n"


def _lengthened(names: list[str], ahead: list[str], separator: str, dialect: Dialect) -> list[str]:
    """Add a nameless column where all rows have one more than the header.

    It is the last one where each row ends in a separator, and the first one where its cells are all
    different: R writes the names of rows so, and pandas reads them.
    """
    rows = [_cut(line, separator, dialect) for line in ahead if line.strip()]
    if not rows or any(len(row) != len(names) + 1 for row in rows):
        return names
    if not any(row[-1].strip() for row in rows):
        return [*names, ""]
    return ["", *names] if len({row[0] for row in rows}) == len(rows) > 1 else names


def _check_quotes(name: str, ahead: list[str], separator: str, dialect: Dialect) -> None:
    """Raise InputError where most cells of the first rows are in other quotes."""
    cells = [cell.strip() for line in ahead for cell in line.split(separator)]
    quoted = sum(len(cell) > 2 and cell[0] == cell[-1] == "'" for cell in cells)
    if dialect.quote == '"' and quoted > len(cells) / 2:
        raise InputError(f"{name}: most cells are in single quotes", 'use --quote "\'"')


def checked_header(name: str, names: list[str]) -> tuple[str, ...]:
    """Strip the names of columns, and name them as pandas does: ``Unnamed: 0`` a nameless one, by
    its place, and ``a.1`` a second ``a``.

    Raises InputError for none or too many.
    """
    stripped = _without_blanks(names)
    if not any(stripped):
        raise InputError(f"{name}: has no header", "the first line must name the columns")
    header = tuple(cell or f"Unnamed: {place}" for place, cell in enumerate(stripped))
    if len(header) > MANY_COLUMNS:
        raise too_many(name, len(header))
    return header if len(set(header)) == len(header) else _told_apart(header, stripped)


def _without_blanks(names: list[str]) -> list[str]:
    """Strip names, but for those that differ from another in blanks alone, as ``a`` and ``a ``."""
    spellings = Counter(map(str.strip, {*names}))
    return [
        cell if spellings[cell.strip()] > 1 and cell.strip() else cell.strip() for cell in names
    ]


def _told_apart(header: tuple[str, ...], named: list[str]) -> tuple[str, ...]:
    """Number the names that come again, nameless columns last, as pandas does."""
    found, seen = list(header), Counter[str]()
    for place in sorted(range(len(header)), key=lambda place: not named[place]):
        name, n = header[place], seen[header[place]]
        while n:
            seen[header[place]] = n + 1
            name = f"{header[place]}.{n}"
            n = n + 1 if name in found else seen[name]
        found[place] = name
        seen[name] = n + 1
    return tuple(found)


def too_many(name: str, n: int) -> InputError:
    """Word that a table is too wide."""
    return InputError(
        f"{name}: has {n:,} columns, the limit is {MANY_COLUMNS:,}",
        "give only those that the model takes",
    )


def _first_line(name: str, lines: Iterator[str], above: int = 0) -> tuple[str, Iterator[str]]:
    """Find the line with the header, counting the blank ones before it as lines of the file.

    So are the ``above`` that were left out before.
    """
    blank = ["\n"] * above
    for line in lines:
        if line.strip():
            return "".join(blank) + line, lines
        blank.append("\n")
    if blank:
        raise InputError(f"{name}: has no header", "the first line must name the columns")
    raise InputError(f"{name}: is empty", "give a table with a header line")


def _check_separator(name: str, first: str, separator: str, ahead: list[str]) -> None:
    """Raise InputError where the first line was likely cut at the wrong mark, or is a title."""
    marks = [mark for mark in ";|\t," if mark != separator and mark in first]
    if not marks:
        _check_title(name, first, separator, ahead)
        return
    comma = marks[0] == ";" and re.search(r"\d,\d", next(iter(ahead), ""))
    raise InputError(
        f"{name}: has one column, named {first.strip()[:40]!r}",
        f"try --sep {marks[0]!r}" + (" --decimal ','" if comma else ""),
    )


def _check_title(name: str, first: str, separator: str, ahead: list[str]) -> None:
    """Raise InputError where a table begins below the first line, which is one cell."""
    for place, line in enumerate(ahead):
        if not line.strip():
            continue
        rest = [len(_cut(one, separator, PLAIN)) for one in ahead[place:] if one.strip()]
        if len(rest) > 1 and rest[0] > 1 and len({*rest}) == 1:
            n = first.count("\n") + place + 1
            raise InputError(
                f"{name}: has {rest[0]} columns from line {n} on, one above it",
                f"--skip {n - 1} leaves out the lines above the header"
                + _whole_cells(separator, [first, *ahead]),
            )


def _whole_cells(separator: str, lines: list[str]) -> str:
    """Tell how cells that hold the separator are read as they are, by a mark that none holds."""
    free = next((mark for mark in "\t;|" if not any(mark in line for line in lines)), None)
    if free is None:
        return ""
    return f"; if cells of its only column hold {separator!r}, --sep {free!r} keeps them whole"


def _rows(name: str, reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line on which each row ends, and its cells or what is wrong with it."""
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, _in_words(name, error, start, reader.line_num)
            continue
        if cells:
            yield reader.line_num, cells


def _records(
    name: str,
    header: tuple[str, ...],
    rows: Iterator[tuple[int, list[str] | str]],
    spare: int = 0,
) -> Iterator[Record]:
    """Yield the rows; ``spare`` nameless columns at the end may be left out of all of them."""
    n = len(header)
    for line, found in rows:
        if spare and isinstance(found, list) and len(found) == n - spare:
            found += [""] * spare
        if isinstance(found, str):
            yield Record(header, (), line, fault=f"{name}: {found}")
        elif len(found) != n:
            said = f"{len(found)} field{'s' * (len(found) != 1)}, expected {n}"
            yield Record(header, (), line, fault=f"{name}: line {line}: {said}")
        else:
            yield Record(header, tuple(found), line)


def _in_words(name: str, error: csv.Error, start: int, line: int) -> str:
    """Word a fault of one row; raise InputError for one after which no row can be told."""
    words = str(error)
    if "unexpected end of data" in words:
        raise InputError(
            f"{name}: a quote opened on line {start} is never closed", "close or remove it"
        )
    if "field larger" in words:
        or_quote = f", or a quote opened on line {start} is never closed" if line > start else ""
        raise InputError(
            f"{name}: line {line}: a field is longer than {FIELD_CHARACTERS:,} characters"
            + or_quote,
            "check the separator and the quotes",
        )
    if "expected after" in words:
        return f"line {line}: text after a closing quote"
    return f"line {line}: {words}"
