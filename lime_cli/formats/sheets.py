"""Sheets: what a command found out, as a page for a terminal, JSON, CSV, Markdown or HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from lime_cli.files import json_page
from lime_cli.formats.long_form import safe_cell
from lime_cli.formats.markdown import escaped
from lime_cli.formats.terminal import GAP, MARGIN, Page, page_of

if TYPE_CHECKING:
    from lime_cli.formats import Look


Cell = str | float | int | None


@dataclass(frozen=True)
class SheetColumn:
    """A column of a grid."""

    name: str
    write: Callable[[float], str] = str
    """How numbers are shown to people, such as ``SHARE.plain``; CSV has them in full."""


@dataclass(frozen=True)
class Grid:
    """A table with a caption."""

    name: str
    """What CSV calls it."""
    caption: str
    columns: tuple[SheetColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shown: int | None = None
    """Rows that a page for people shows, at most."""


@dataclass(frozen=True)
class Sheet:
    """A title, sentences, tables, and the same as data."""

    title: str
    lines: tuple[str, ...]
    grids: tuple[Grid, ...]
    data: dict[str, Any] = field(compare=False)
    images: Iterable[str] = field(default=(), compare=False)
    """SVG that a page of HTML shows above the tables, drawn when they are wanted."""


def write_page(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write a page for people."""
    page = page_of(look)
    out.write(page.printed(_page_lines(sheet, page)))


def write_json(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write the data, pure ASCII, the keys in their order."""
    out.write(json_page(sheet.data))


def write_csv(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write the tables under each other, their name first in each line, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header: tuple[str, ...] = ()
    for grid in sheet.grids:
        names = ("table", *(column.name for column in grid.columns))
        if names != header:
            writer.writerow(names)
            header = names
        writer.writerows(
            [safe_cell(grid.name), *(safe_cell(cell) for cell in row)] for row in grid.rows
        )
    out.write(text.getvalue().encode("utf-8", "backslashreplace"))


def write_markdown(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write headings, sentences and tables as a pull request shows them."""
    lines = [f"### {escaped(sheet.title)}", ""]
    lines += [line for said in sheet.lines for line in (escaped(said), "")]
    for grid in sheet.grids:
        lines += [f"**{escaped(grid.caption)}**", ""] if grid.caption else []
        lines += [*_markdown_rows(grid), ""]
    out.write("\n".join(lines).encode("utf-8", "backslashreplace"))


def write_html(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write one page that needs nothing but itself, without a script."""
    from markupsafe import Markup

    from lime_cli.formats.html import filled

    grids = [
        {
            "caption": grid.caption,
            "columns": list(zip([one.name for one in grid.columns], _numeric(grid), strict=False)),
            "rows": [
                [shown(cell, one) for cell, one in zip(row, grid.columns, strict=True)]
                for row in grid.rows[: grid.shown]
            ],
            "more": max(0, len(grid.rows) - (grid.shown or len(grid.rows))),
        }
        for grid in sheet.grids
    ]
    images = [Markup(one) for one in sheet.images]
    data = {"title": sheet.title, "lines": sheet.lines, "grids": grids, "images": images}
    out.write(filled("sheet.html", data).encode("utf-8", "xmlcharrefreplace"))


def write_excel(sheet: Sheet, out: IO[bytes], look: Look) -> None:
    """Write the sentences, then a worksheet for each table; raise MissingDependency."""
    from lime_cli.formats.long_form import Worksheet, write_book

    said = Worksheet(sheet.title, ("",), [(line,) for line in sheet.lines])
    tables = [
        Worksheet(grid.name, [column.name for column in grid.columns], grid.rows)
        for grid in sheet.grids
    ]
    write_book([said, *tables], out)


WRITERS = {
    "table": write_page,
    "json": write_json,
    "csv": write_csv,
    "xlsx": write_excel,
    "md": write_markdown,
    "html": write_html,
}


def shown(cell: Cell, column: SheetColumn) -> str:
    """Return a cell as people read it."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    return column.write(cell)


def _page_lines(sheet: Sheet, page: Page) -> Iterator[Text]:
    yield Text(page.literal(sheet.title), style="bold")
    for said in sheet.lines:
        yield from page.wrapped(Text(page.literal(said)))
    for grid in sheet.grids:
        yield Text()
        if grid.caption:
            yield Text(page.literal(grid.caption), style="bold")
        yield from _grid_lines(grid, page)


def _grid_lines(grid: Grid, page: Page) -> Iterator[Text]:
    if not grid.rows:
        yield Text(MARGIN + "none", style="dim")
        return
    rows = [_literal_row(row, grid, page) for row in grid.rows[: grid.shown]]
    header = [column.name for column in grid.columns]
    widths = [max(map(cell_len, cells)) for cells in zip(header, *rows, strict=True)]
    numeric = _numeric(grid)
    room = page.look.width - len(MARGIN) - len(GAP) * (len(widths) - 1)
    _narrow(widths, [i for i, right in enumerate(numeric) if not right], room)
    for top in _row_lines(header, widths, numeric, page):
        top.stylize("dim")
        yield top
    for row in rows:
        yield from _row_lines(row, widths, numeric, page)
    if len(grid.rows) > len(rows):
        yield Text(f"{MARGIN}and {len(grid.rows) - len(rows):,} more", style="dim")


def _numeric(grid: Grid) -> list[bool]:
    return [
        all(not isinstance(cell, str) for cell in cells) for cells in zip(*grid.rows, strict=True)
    ]


def _literal_row(row: Sequence[Cell], grid: Grid, page: Page) -> list[str]:
    return [
        page.literal(shown(cell, column)) for cell, column in zip(row, grid.columns, strict=True)
    ]


NARROWEST = 12
"""Cells that a column of words keeps."""


def _narrow(widths: list[int], columns: Sequence[int], room: int) -> None:
    """Narrow columns, the widest first, until all of them fit or none can give way."""
    while sum(widths) > room:
        widest = max(columns, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def _row_lines(
    cells: Sequence[str], widths: list[int], numeric: list[bool], page: Page
) -> Iterator[Text]:
    """Set cells in columns: numbers to the right, words to the left, in lines where they need."""
    folded = [page.folded(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for pieces in zip_longest(*folded, fillvalue=Text()):
        line = Text(MARGIN)
        for i, (piece, width, right) in enumerate(zip(pieces, widths, numeric, strict=True)):
            blanks = " " * (width - piece.cell_len)
            line.append(GAP if i else "")
            line.append_text(Text(blanks).append_text(piece) if right else piece + Text(blanks))
        yield line


def _markdown_rows(grid: Grid) -> Iterator[str]:
    if not grid.rows:
        yield "none"
        return
    yield f"| {' | '.join(escaped(column.name) for column in grid.columns)} |"
    numeric = _numeric(grid)
    yield "|" + "|".join("--:" if right else "---" for right in numeric) + "|"
    for row in grid.rows[: grid.shown]:
        cells = [escaped(shown(cell, one)) for cell, one in zip(row, grid.columns, strict=True)]
        yield f"| {' | '.join(cells)} |"
    if grid.shown is not None and len(grid.rows) > grid.shown:
        yield ""
        yield f"and {len(grid.rows) - grid.shown:,} more"
