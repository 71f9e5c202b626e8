"""CSV, Excel and Parquet in long form: a row for each instance, target and component."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BytesIO
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lime_cli.engine.instance import Column, Component, Segment, Spans
from lime_cli.errors import MissingDependency, OutputError

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate, Weight
    from lime_cli.formats import Look

HEADER = (
    "instance",
    "source",
    "target",
    "model_prediction",
    "local_prediction",
    "intercept",
    "fidelity",
    "rank",
    "component",
    "value",
    "where",
    "weight",
    "std_error",
    "low",
    "high",
    "rank_low",
    "rank_high",
    "selected",
    "samples",
    "stop",
    "warnings",
)


def write_csv(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a header and the lines of each explanation as soon as it is there.

    Numbers are written in full and names as they are, so that programs can join on them.
    Instances without any weight have one line without a component.
    """
    out.write(_csv_lines([HEADER]))
    for explanation in explanations:
        out.write(_csv_lines(rows_of(explanation)))


def _csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [safe_cell(cell) for cell in row] for row in rows
    )
    return text.getvalue().encode("utf-8", "backslashreplace")


def safe_cell(cell: Any) -> Any:
    """Return what to write for a cell: nothing that csv leaves bare, "" for None."""
    if isinstance(cell, str):
        return cell.replace("\0", "\\0").replace("\r", "\\r")
    return "" if cell is None else cell


def rows_of(explanation: Explanation) -> Iterator[tuple[Any, ...]]:
    """Yield the values of ``HEADER`` for each target and component."""
    codes = " ".join(dict.fromkeys(one.code for one in explanation.warnings))
    tail = (explanation.samples, explanation.stop, codes)
    for surrogate in explanation.surrogates:
        head = (explanation.subject.id, explanation.subject.source, *_sums(surrogate))
        if not surrogate.weights:
            yield (*head, *[None] * 11, *tail)
        for rank, one in enumerate(surrogate.weights, 1):
            component = explanation.components[one.component]
            yield (*head, rank, *_what(component), *_numbers(one), *tail)


def _sums(surrogate: Surrogate) -> tuple[Any, ...]:
    return (
        surrogate.name,
        surrogate.model_prediction,
        surrogate.local_prediction,
        surrogate.intercept,
        surrogate.fidelity,
    )


def _what(component: Component) -> tuple[Any, ...]:
    return component.name, component.value, _place(component)


def _place(component: Component) -> str:
    """Spell where a component is: a column, ranges of characters, a box in pixels."""
    match component.where:
        case Column(column, _):
            return column
        case Spans(spans, column):
            ranges = " ".join(f"{start}:{end}" for start, end in spans)
            return ranges if column is None else f"{column} {ranges}"
        case Segment(segment, box=box):
            return f"segment {segment} at " + ",".join(map(str, box))


def _numbers(one: Weight) -> tuple[Any, ...]:
    low, high = one.interval or (None, None)
    first, last = one.rank_range or (None, None)
    return one.weight, one.std_error, low, high, first, last, one.selected


EXCEL_ROWS, CHARACTERS, NAME = 1_048_576, 32_767, 31
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


def write_excel(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
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
                if number > EXCEL_ROWS:
                    said = f"an Excel sheet holds {EXCEL_ROWS:,} rows"
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


WORDS = ("instance", "source", "target", "component", "value", "where", "stop", "warnings")

WHOLE = ("rank", "rank_low", "rank_high", "samples")

GROUP_ROWS = 8_192
"""Of a row group."""


def write_parquet(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a row for each instance, target and component, in groups as they come.

    Values are spelled as words, for a column of Parquet is of one type. Raises MissingDependency.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise MissingDependency(
            "writing Parquet needs pyarrow", "pip install 'limex[parquet]'"
        ) from None
    kinds = {name: pyarrow.float64() for name in HEADER}
    kinds |= dict.fromkeys(WORDS, pyarrow.string()) | dict.fromkeys(WHOLE, pyarrow.int64())
    schema = pyarrow.schema(list(kinds.items()))
    rows = chain.from_iterable(map(rows_of, explanations))
    with ParquetWriter(_Open(out), schema) as writer:
        while some := list(islice(rows, GROUP_ROWS)):
            columns = [
                pyarrow.array([_typed(cell, name) for cell in cells], kinds[name])
                for name, cells in zip(HEADER, zip(*some, strict=True), strict=True)
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))


class _Open:
    """A stream that pyarrow does not close: standard output, say."""

    closed = False

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self._written = out, 0

    def write(self, data: bytes) -> int:
        self._written += len(data)
        return self._out.write(data)

    def flush(self) -> None:
        self._out.flush()

    def tell(self) -> int:
        return self._written

    def close(self) -> None:
        self.flush()


def _typed(cell: Any, name: str) -> Any:
    """Return a cell as its column's type takes it; letters that are halves of one spelled out."""
    if cell is None or name not in WORDS:
        return cell
    return str(cell).encode("utf-8", "backslashreplace").decode()
