"""Tables of spreadsheets: a sheet of an Excel or OpenDocument file, read as pandas reads it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from itertools import chain, dropwhile, islice
from typing import IO, Any
from xml.etree import ElementTree

from lime_cli.errors import InputError, MissingDependency, SettingsError
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.heading import LOOKED_AT, Heading, heading_of, units_said
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import damaged

PIECE, LONGEST_END = 2**16, 64

NEVER_COMPUTED = re.compile(rb"</f>\s*(?:<v\s*/>|<v></v>)?\s*</c>")
"""A formula that holds no value, as programs write it that do not compute."""


def read(file: TableFile, dialect: Dialect) -> TableContent:
    """Read the sheet that was named, or the only one that holds anything.

    Cells are spelled as in CSV, for pandas takes words such as NA and texts of digits alike in
    both. Raises MissingDependency, InputError, and SettingsError for a sheet that is not there.
    """
    if dialect.sql is not None:
        raise SettingsError(f"--sql: {file.name} is not a database", "name one of its --sheet")
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingDependency(
            f"{file.name}: reading a spreadsheet needs python-calamine",
            "pip install 'limex[excel]'",
        ) from None
    broken: tuple[type[Exception], ...] = (CalamineError, *damaged())
    try:
        book = CalamineWorkbook.from_filelike(file.stream)
        sheet = _sheet(file.name, book, dialect)
        _check_computed(file, sheet.name)
        rows = _without_margins(sheet.iter_rows())
        ahead = list(islice(rows, dialect.skip or 0, (dialect.skip or 0) + 1 + LOOKED_AT))
    except broken as error:
        if "password" in str(error).lower():
            raise InputError(f"{file.name}: needs a password", "save it without one") from None
        raise InputError(f"{file.name}: is cut short or damaged", "save it again") from None
    if not ahead:
        raise InputError(f"{file.name}: sheet {sheet.name!r} is empty", "name another --sheet")
    found, assumed = Heading(), []
    if dialect.skip is None and dialect.header:
        width = max(len(_cut(row)) for row in ahead)
        found = heading_of([[_spelled(cell, dialect) for cell in row[:width]] for row in ahead])
    if found.above:
        words = f"the table in {file.name} is taken to begin on row {found.above + 1}"
        words += ", below a title; --skip 0 begins with the first row"
        assumed.append(("lines_skipped", words))
    names = [_spelled(cell, dialect) for cell in _cut(ahead[found.above])]
    rows = chain(ahead[found.above + 1 :], rows)
    if not dialect.header:
        header = tuple(map(str, range(len(names))))
        return TableContent(header, _records(header, chain(ahead[:1], rows), dialect))
    header = checked_header(file.name, names)
    if found.units:
        units = [_spelled(cell, dialect) for cell in next(rows)]
        assumed.append(units_said(file.name, "row", found.above + 2, units))
    return TableContent(header, _records(header, rows, dialect), assumed=tuple(assumed))


def _sheet(name: str, book: Any, dialect: Dialect) -> Any:
    names = list(book.sheet_names)
    if dialect.sheet is not None:
        if dialect.sheet not in names:
            listed = ", ".join(map(repr, names))
            raise SettingsError(
                f"--sheet {dialect.sheet}: {name} has no such sheet", f"it has {listed}"
            )
        return book.get_sheet_by_name(dialect.sheet)
    sheets = [one for one in map(book.get_sheet_by_name, names) if one.height]
    if len(sheets) > 1:
        listed = ", ".join(repr(one.name) for one in sheets)
        raise InputError(
            f"{name}: has sheets {listed}",
            f"name one: --sheet '{sheets[0].name}', or '{name}#{sheets[0].name}' for --background",
        )
    return sheets[0] if sheets else book.get_sheet_by_name(names[0])


def _without_margins(rows: Iterator[list[Any]]) -> Iterator[list[Any]]:
    """Leave out the blank rows before and behind all others, and blank columns before them."""
    blank: list[list[Any]] = []
    rows = dropwhile(_is_blank, rows)
    ahead = list(islice(rows, LOOKED_AT))
    margin = min((_filled(row)[0] for row in ahead if not _is_blank(row)), default=0)
    for row in chain(ahead, rows):
        if _is_blank(row):
            blank.append(row[margin:])
            continue
        yield from blank
        blank.clear()
        yield row[margin:]


def _is_blank(row: list[Any]) -> bool:
    return not _filled(row)


def _filled(row: list[Any]) -> list[int]:
    return [place for place, cell in enumerate(row) if cell != ""]


def _cut(row: list[Any]) -> list[Any]:
    """Leave the blank cells at the end of a row out."""
    return row[: max(_filled(row), default=-1) + 1]


def _records(
    header: tuple[str, ...], rows: Iterator[list[Any]], dialect: Dialect
) -> Iterator[Record]:
    n = len(header)
    for number, row in enumerate(rows):
        cut = row[:n] if all(cell == "" for cell in row[n:]) else row
        cells = tuple(_spelled(cell, dialect) for cell in cut)
        if len(cells) > n:
            said = f"row {number}: holds cells beyond the last column that has a name"
            yield Record(header, (), number, unit="row", fault=said)
            continue
        yield Record(header, cells + ("",) * (n - len(cells)), number, unit="row")


def _spelled(cell: Any, dialect: Dialect) -> str:
    """Spell a cell as pandas does in CSV: 3 for 3.0."""
    whole = isinstance(cell, float) and cell.is_integer()
    return dialect.spelled(int(cell) if whole else cell)


def _check_computed(file: TableFile, sheet: str) -> None:
    """Raise InputError where a formula of the sheet holds no value: it would read as missing."""
    path = _path_of(file.stream, sheet)
    if path is None:
        return
    with zipfile.ZipFile(file.stream) as archive, archive.open(path) as stream:
        end = b""
        while piece := stream.read(PIECE):
            if NEVER_COMPUTED.search(end + piece):
                raise InputError(
                    f"{file.name}: sheet {sheet!r} holds formulas that were never computed",
                    "open it in a spreadsheet program and save it",
                )
            end = piece[-LONGEST_END:]


def _path_of(stream: IO[bytes], sheet: str) -> str | None:
    """Return where an .xlsx archive keeps a sheet; None in files of other kinds."""
    stream.seek(0)
    if not zipfile.is_zipfile(stream):
        return None
    with zipfile.ZipFile(stream) as archive:
        try:
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
            links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        except (KeyError, ElementTree.ParseError):
            return None
        targets = {one.get("Id"): str(one.get("Target")) for one in links}
        for one in book.iter():
            if one.tag.endswith("}sheet") and one.get("name") == sheet:
                key = next(
                    (value for name, value in one.attrib.items() if name.endswith("}id")), ""
                )
                path = targets.get(key, "").lstrip("/")
                path = path if path.startswith("xl/") else f"xl/{path}"
                return path if path in archive.namelist() else None
    return None
