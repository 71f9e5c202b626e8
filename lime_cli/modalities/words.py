"""Cut a text into units: where each piece of it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import regex

from lime_cli.errors import SettingsError

Span = tuple[int, int]

UNITS = ("word", "char", "line")
"""Besides these: ``regex:EXPR``, every match a unit."""

BOUNDARY = regex.compile(r"\b", regex.WORD | regex.VERSION1)
"""The default word boundaries of Unicode (UAX 29, section 4)."""
SAYS_SOMETHING = regex.compile(r"[\p{L}\p{M}\p{N}\p{Extended_Pictographic}]")
GRAPHEME = regex.compile(r"\X")
LINE = regex.compile(r"[^\r\n]*\S[^\r\n]*")


def cut(text: str, unit: str) -> list[Span]:
    """Return the units of a text as half-open ranges of characters, in order.

    Words are what lies between Unicode word boundaries and holds a letter, a digit or a pictograph;
    characters are grapheme clusters that are not blank; lines are those that are not blank. Raises
    SettingsError for an unknown unit or a broken expression. ``lime-word`` and ``lime-char`` are
    marcotcr/lime's: runs of what Python's ``re`` takes for word characters, and every code point.
    """
    if unit == "word":
        return list(_words(text))
    if unit == "char":
        return [match.span() for match in GRAPHEME.finditer(text) if not match.group().isspace()]
    if unit == "line":
        return [match.span() for match in LINE.finditer(text)]
    if unit == "lime-word":
        return [match.span() for match in re.finditer(r"\w+", text)]
    if unit == "lime-char":
        return [(place, place + 1) for place in range(len(text))]
    if not unit.startswith("regex:"):
        raise SettingsError(
            f"--unit: {unit!r} is not possible", f"give {', '.join(UNITS)} or regex:EXPR"
        )
    try:
        found = [match.span() for match in regex.finditer(unit[len("regex:") :], text)]
    except regex.error as error:
        raise SettingsError(f"--unit {unit}: is not a regular expression ({error})") from None
    return [(start, end) for start, end in found if end > start]


def _words(text: str) -> Iterator[Span]:
    marks = [match.start() for match in BOUNDARY.finditer(text)]
    for start, end in pairwise(marks):
        if SAYS_SOMETHING.search(text, start, end):
            yield start, end
