"""Cells that are dates: ISO 8601, read as days so that they can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime

from lime_cli.modalities.dialect import MISSING

DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
DAY = 86_400
"""Seconds."""


def days_of(cell: str) -> float | None:
    """Return the days from the year 1 to a date, hours as a fraction; None for no date.

    Fractions of a second and time zones are passed over.
    """
    found = DATE.fullmatch(cell.strip())
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00'}{found[3] or ':00'}")
    except ValueError:
        return None
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return moment.toordinal() + seconds / DAY


def date_of(days: float) -> str:
    """Write the day that a number of days ends in."""
    return date.fromordinal(int(days)).isoformat()


def are_dates(cells: Iterable[str]) -> bool:
    """Tell whether a column holds dates and nothing else, missing cells aside."""
    present = {cell for cell in cells if cell.strip() not in MISSING}
    return bool(present) and all(days_of(cell) is not None for cell in present)
