"""Excel: weights in long form, or the tables of a sheet, each on a worksheet of its own."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from io import BytesIO
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lime_cli.errors import MissingDependency, OutputError
from lime_cli.formats.csv import HEADER, rows_of

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.formats import Look


ROWS, CHARACTERS, NAME = 1_048_576, 32_767, 31
"""What a worksheet holds, and a cell, and the name of a worksheet, at most."""

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that the file cannot hold."""

LONG_AGO = datetime(1980, 1, 1)
"""When all files of an archive were written: equal results give equal bytes."""


MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*<")


class Worksheet(NamedTuple):
    """A table and its name."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a row for each instance, target and component; names are texts, never formulas.

    Raises MissingDependency, and OutputError for more rows than a worksheet holds.
    """
    rows = chain.from_iterable(map(rows_of, explanations))
    write_book([Worksheet("weights", HEADER, rows)], out)


def write_book(sheets: Iterable[Worksheet], out: IO[bytes]) -> None:
    """Write worksheets, their rows as they come; raise MissingDependency and OutputError."""
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        raise MissingDependency(
            "writing Excel files needs openpyxl", "pip install 'limex[excel]'"
        ) from None
    book = Workbook(write_only=True)
    book.properties.created = LONG_AGO
    names: set[str] = set()
    for sheet in sheets:
        worksheet = book.create_sheet(_name(sheet.name, names))
        worksheet.freeze_panes = "A2"
        try:
            for number, row in enumerate(chain([sheet.header], sheet.rows), 1):
                if number > ROWS:
                    said = f"an Excel sheet holds {ROWS:,} rows"
                    raise OutputError(said, "use -f parquet or csv")
                worksheet.append([_cell(WriteOnlyCell(worksheet), value) for value in row])
        finally:
            worksheet.close()
    packed = BytesIO()
    book.save(packed)
    _without_times(packed, out)


def _cell(cell: Any, value: Any) -> Any:
    if isinstance(value, str):
        plain = FORBIDDEN.sub(lambda found: repr(found[0])[1:-1], value)
        plain = plain if len(plain) <= CHARACTERS else plain[: CHARACTERS - 4] + " ..."
        cell.value, cell.data_type = plain, "s"  # a text that begins with = is no formula
        return cell
    if isinstance(value, float):
        cell.value, cell.data_type = repr(value), "n"  # openpyxl keeps 16 digits, two too few
        return cell
    return value


def _name(name: str, taken: set[str]) -> str:
    """Return the name of a worksheet as Excel takes it, and none twice."""
    plain = re.sub(r"[\[\]:*?/\\]", " ", name).strip("' ")[:NAME] or "table"
    number = 1
    while plain.casefold() in taken:
        number += 1
        plain = f"{plain[: NAME - 4].rstrip()} {number}"
    taken.add(plain.casefold())
    return plain


def _without_times(packed: IO[bytes], out: IO[bytes]) -> None:
    """Copy an archive, the times of its files all alike."""
    with zipfile.ZipFile(packed) as made, zipfile.ZipFile(out, "w") as archive:
        for one in made.infolist():
            member = zipfile.ZipInfo(one.filename, LONG_AGO.timetuple()[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            data = made.read(one)
            if one.filename == "docProps/core.xml":
                data = MODIFIED.sub(rb"\g<1>1980-01-01T00:00:00Z<", data)
            archive.writestr(member, data)
