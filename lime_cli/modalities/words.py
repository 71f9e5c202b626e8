"""Cut a text into units: where each piece of it stands.

Boundaries are those of Unicode (UAX 29), by the ``regex`` module: it carries the properties of
every character, installs everywhere as a wheel, and needs no data beside it. What UAX 29 leaves to
a dictionary is cut by what is written: Han ideographs one by one, hiragana by its runs, Thai, Lao,
Khmer and Burmese by clusters (a consonant with its vowels and signs). The unit ``icu`` asks ICU's
dictionaries instead, where ``icu4py`` is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import regex

from lime_cli.errors import MissingDependency, SettingsError
from lime_cli.modalities.sentences import SAYS_SOMETHING, sentences

Span = tuple[int, int]

PREFIX = "regex:"
BOUNDARY = regex.compile(r"\b", regex.WORD | regex.VERSION1)
"""The default word boundaries of Unicode (UAX 29, section 4)."""
TOGETHER = regex.compile(
    r"\p{Hiragana}[\p{Hiragana}\p{Mn}ー]*"
    r"|\p{Logical_Order_Exception}?[\p{lb=SA}--\p{M}--\p{Logical_Order_Exception}]"
    r"[\p{M}\u0E30\u0E32\u0E33\u0E45\u0EB0\u0EB2\u0EB3]*",
    regex.VERSION1,
)
"""What UAX 29 would cut letter by letter: runs of hiragana; clusters of scripts without spaces,
the vowels that Thai and Lao write before or after their consonant included."""
GRAPHEME = regex.compile(r"\X")
LINE = regex.compile(r"[^\r\n]*\S[^\r\n]*")
SECONDS = 5.0
"""That an expression may take on one text."""


def check_unit(unit: str) -> None:
    """Raise SettingsError for a unit that there is none of, and for a broken expression."""
    if unit.startswith(PREFIX):
        _compiled(unit)
    elif unit not in UNITS:
        known = ", ".join(one for one in UNITS if not one.startswith("lime-"))
        raise SettingsError(
            f"--unit: {unit!r} is not possible", f"give {known}, auto or regex:EXPR"
        )
    elif unit == "icu":
        _breaker()


def cut(text: str, unit: str) -> list[Span]:
    """Return the units of a text as half-open ranges of characters, in order.

    Words are what lies between word boundaries and holds a letter, a digit or a pictograph;
    characters are grapheme clusters that are not blank; lines and sentences those that are not
    blank, of ``regex:EXPR`` every match is a unit. ``lime-word`` and ``lime-char`` are
    marcotcr/lime's: runs of what Python's ``re`` takes for word characters, and every code point.
    Raises SettingsError for an unknown unit, and for a broken or slow expression.
    """
    check_unit(unit)
    if not unit.startswith(PREFIX):
        return list(UNITS[unit](text))
    try:
        found = [match.span() for match in _compiled(unit).finditer(text, timeout=SECONDS)]
    except TimeoutError:
        raise SettingsError(
            f"--unit {unit}: takes longer than {SECONDS:g} s on one text",
            "write an expression with less to try",
        ) from None
    return [(start, end) for start, end in found if end > start]


def _compiled(unit: str) -> regex.Pattern[str]:
    try:
        return regex.compile(unit.removeprefix(PREFIX))
    except (regex.error, RecursionError, OverflowError) as error:
        words = " ".join(str(error).split())
        raise SettingsError(f"--unit {unit}: is not a regular expression ({words})") from None


def _words(text: str) -> Iterator[Span]:
    marks = {match.start() for match in BOUNDARY.finditer(text)}
    for match in TOGETHER.finditer(text):
        start, end = match.span()
        marks.difference_update(range(start + 1, end))
        marks |= {start, end}
    return _speaking(text, pairwise(sorted(marks)))


def _dictionary_words(text: str) -> Iterator[Span]:
    place_at, unit = {0: 0}, 0
    for place, character in enumerate(text, start=1):
        unit += 2 if character > "\uffff" else 1  # ICU counts in UTF-16
        place_at[unit] = place
    found = _breaker()(text, "root").segments()
    return _speaking(text, ((place_at[start], place_at[end]) for start, end in found))


def _speaking(text: str, spans: Iterator[Span]) -> Iterator[Span]:
    """Leave out blanks and punctuation."""
    return ((start, end) for start, end in spans if SAYS_SOMETHING.search(text, start, end))


def _breaker() -> Any:
    try:
        from icu4py.breakers import WordBreaker
    except ImportError:
        raise MissingDependency(
            "--unit icu: icu4py is not installed", "pip install 'limex[icu]'"
        ) from None
    return WordBreaker


def _graphemes(text: str) -> Iterator[Span]:
    return (one.span() for one in GRAPHEME.finditer(text) if not one.group().isspace())


def _matches(pattern: re.Pattern[str] | regex.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (match.span() for match in pattern.finditer(text))


UNITS: dict[str, Callable[[str], Iterator[Span]]] = {
    "word": _words,
    "char": _graphemes,
    "sentence": sentences,
    "line": _matches(LINE),
    "icu": _dictionary_words,
    "lime-word": _matches(re.compile(r"\w+")),
    "lime-char": lambda text: ((place, place + 1) for place in range(len(text))),
}
"""Besides these: ``regex:EXPR``, and ``auto``, which is a way to go through the words."""
