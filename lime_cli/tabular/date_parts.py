"""Columns that a model has and a table has not: parts of its dates, such as the hour or the month.

Whoever made such a model took them from a column of dates before, most likely as pandas does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import and_so_on
from lime_cli.models.model_file import ModelInput, Reach
from lime_cli.sources import Record
from lime_cli.tables.cells import moment_of
from lime_cli.tables.dialect import MISSING, NUMBER
from lime_cli.tabular.names import bare
from lime_cli.tabular.reading import forms_of


class DatePart(NamedTuple):
    """What may be taken from a date."""

    of: Callable[[datetime], int]
    low: int
    high: int


PARTS: Mapping[str, DatePart] = {
    "year": DatePart(lambda one: one.year, 1, 9999),
    "month": DatePart(lambda one: one.month, 1, 12),
    "day": DatePart(lambda one: one.day, 1, 31),
    "hour": DatePart(lambda one: one.hour, 0, 23),
    "minute": DatePart(lambda one: one.minute, 0, 59),
    "second": DatePart(lambda one: one.second, 0, 59),
    "quarter": DatePart(lambda one: (one.month + 2) // 3, 1, 4),
    "dayofweek": DatePart(datetime.weekday, 0, 6),
    "dayofyear": DatePart(lambda one: one.timetuple().tm_yday, 1, 366),
    "week": DatePart(lambda one: one.isocalendar()[1], 1, 53),
    "isweekend": DatePart(lambda one: int(one.weekday() >= 5), 0, 1),
}
"""Parts by name, as pandas counts them: Monday is 0."""


def _micros(one: datetime) -> int:
    return round((one - datetime(1970, 1, 1)).total_seconds() * 1e6)


NUMBERS: Mapping[str, Callable[[datetime], int]] = {
    "the days since the year 1": datetime.toordinal,
    "the days since 1970": lambda one: one.toordinal() - date(1970, 1, 1).toordinal(),
    "a number as 20240131": lambda one: int(one.strftime("%Y%m%d")),
    "the seconds since 1970": lambda one: _micros(one) // 10**6,
    "the milliseconds since 1970": lambda one: _micros(one) // 10**3,
    "the microseconds since 1970": _micros,
    "the nanoseconds since 1970": lambda one: _micros(one) * 1000,
}
"""Numbers that stand for a whole date, of which no two are of one size."""

ALSO = {"weekday": "dayofweek", "dayofmonth": "day", "weekofyear": "week", "weekend": "isweekend"}
"""Other names of parts."""

VAGUE = frozenset(("year", "day", "week", "second", "minute"))
"""Parts whose names say too little where a model lacks no other one."""

NAMED = 6
"""Columns that a warning names, at most."""


class DateParts(NamedTuple):
    """Which columns of a model are made of a table's column of dates."""

    column: str
    form: str
    """How its dates are written; nothing where ISO has them so."""
    made: tuple[tuple[str, str], ...]
    """Names of the model's columns, and which part of the date each is."""
    number: str = ""
    """What the date itself is to the model, where it is a number."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.made)

    def of(self, cell: str) -> tuple[str, ...]:
        """Return the cells of the columns that are made, of that of a date; empty for none."""
        moment = _moment(cell, self.form)
        if moment is None:
            return ("",) * len(self.made)
        return tuple(str(PARTS[part].of(moment)) for _, part in self.made)

    def row(self, cells: Sequence[str], place: int) -> tuple[str, ...]:
        """Return a row with the columns that are made; ``place`` is that of the dates."""
        made, moment = self.of(cells[place]), _moment(cells[place], self.form)
        if self.number and moment is not None:
            cells = (*cells[:place], str(NUMBERS[self.number](moment)), *cells[place + 1 :])
        return (*cells, *made)

    def added(self, records: Iterator[Record], place: int) -> Iterator[Record]:
        """Yield rows with the columns that are made; ``place`` is that of the dates."""
        for one in records:
            yield one if one.fault else one._replace(cells=self.row(one.cells, place))

    def said(self) -> CodedWarning:
        """Say which columns are made of which."""
        if self.number:
            words = f"dates of {self.column!r} are given to the model as {self.number}"
            return CodedWarning("date_parts", f"{words}, as numbers of that size suit it alone")
        shown = [name if name == part else f"{name} ({part})" for name, part in self.made]
        words = f"columns {and_so_on(shown, NAMED)} are taken from the dates of {self.column!r}"
        return CodedWarning(
            "date_parts", f"{words}, as pandas counts them (Monday is 0); if not, add them yourself"
        )


def parts_of(
    cells: Mapping[str, Sequence[str]], given: ModelInput, forms: Mapping[str, str]
) -> DateParts | None:
    """Find what a model has of dates that a table only has whole; None for nothing, or doubt.

    ``cells`` are those of the table's first rows, by column, ``forms`` how a person said that its
    dates are written. A model that compares a column with what no such part has rules it out.
    """
    columns = given.columns or ()
    for name in [name for name in columns if name in cells]:
        reach = given.ranges.get(columns.index(name))
        form = _form(cells[name], forms.get(name)) if reach is not None and reach.exact else None
        if reach is not None and form is not None:
            number = _number_of(reach, cells[name], form)
            return DateParts(name, form, (), number) if number else None
    missing = [name for name in columns if name not in cells]
    likely = [name for name in missing if _part(name, "") or any(_part(name, c) for c in cells)]
    if not likely:
        return None
    dates = {}
    for name, held in cells.items():
        form = None if name in columns else _form(held, forms.get(name))
        if form is not None:
            dates[name] = form
    found = []
    for column, form in dates.items():
        pairs = [(name, _part(name, column) or _part(name, "")) for name in likely]
        made = tuple((name, part) for name, part in pairs if part)
        parts = DateParts(column, form, made)
        if made and not ({part for _, part in made} <= VAGUE and len(made) == 1):
            places = [columns.index(name) for name in parts.names]
            reaches = zip(map(given.ranges.get, places), made, strict=True)
            within = all(_is_within(reach, PARTS[part]) for reach, (_, part) in reaches)
            found += [parts] if within and not {*places} & {*given.words} else []
    return found[0] if len(found) == 1 else None


def _part(name: str, column: str) -> str:
    """Return which part of a column's date a name tells; nothing for none."""
    plain = bare(name)
    starts = {bare(column), bare(DATED.sub("", column))} - {""} if column else {""}
    ends = (plain[len(one) :] for one in starts if plain.startswith(one))
    return next((part for part in (ALSO.get(one, one) for one in ends) if part in PARTS), "")


DATED = re.compile(
    r"(?i)(?<![a-z])(date|time|datetime|timestamp|dt|ts|at|of|on)(?![a-z])|(date|time|stamp)+$"
)
"""Words in the name of a column of dates that say no more than that."""


def _form(cells: Sequence[str], said: str | None) -> str | None:
    """Return how a column's dates are written; None for no dates, and where that is open."""
    present = [cell.strip() for cell in cells if cell.strip() not in MISSING]
    if not present or NUMBER.fullmatch(present[0]):
        return None
    if said:
        return said
    if all(moment_of(cell) is not None for cell in present):
        return ""
    forms = forms_of(present)
    return forms[0] if len(forms) == 1 else None


def _moment(cell: str, form: str) -> datetime | None:
    if cell.strip() in MISSING:
        return None
    try:
        return datetime.strptime(cell.strip(), form) if form else moment_of(cell)
    except ValueError:
        return None


def _number_of(reach: Reach, cells: Sequence[str], form: str) -> str:
    """Return what numbers dates are of which a model compares others as large; "" for doubt."""
    moments = [one for one in (_moment(cell, form) for cell in cells) if one is not None]
    middle = sorted(moments)[len(moments) // 2]
    sizes = {name: float(number(middle)) for name, number in NUMBERS.items()}
    found = [name for name, size in sizes.items() if size / 2 < reach.low <= reach.high < 2 * size]
    return found[0] if len(found) == 1 else ""


def _is_within(reach: Reach | None, part: DatePart) -> bool:
    """Tell whether a part has all numbers that a model compares a column with."""
    return reach is None or not reach.exact or part.low <= reach.low <= reach.high <= part.high
