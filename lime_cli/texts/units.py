"""Cut a text into units: words, sentences and the like, and where each of them stands.

Boundaries are those of Unicode (UAX 29), by the ``regex`` module: it carries the properties of
every character, installs everywhere as a wheel, and needs no data beside it. What UAX 29 leaves to
a dictionary is cut by what is written: Han ideographs one by one, hiragana by its runs, Thai, Lao,
Khmer and Burmese by clusters (a consonant with its vowels and signs). The unit ``icu`` asks ICU's
dictionaries instead, where ``icu4py`` is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import regex

from lime_cli.errors import MissingDependency, SettingsError, in_words

Span = tuple[int, int]


SAYS_SOMETHING = regex.compile(r"[\p{L}\p{M}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]")
"""A unit without any of these is punctuation or blank."""


_X = r"[\p{SB=Extend}\p{SB=Format}]*+"

_BREAKS = r"\p{SB=Sep}\p{SB=CR}\p{SB=LF}"

_TAIL = rf"(?:\p{{SB=Close}}{_X})*+(?:\p{{SB=Sp}}{_X})*+"

_QUIET = rf"[^\p{{SB=OLetter}}\p{{SB=Upper}}\p{{SB=Lower}}{_BREAKS}\p{{SB=STerm}}\p{{SB=ATerm}}]*"

END = regex.compile(
    rf"\r\n|[{_BREAKS}]"
    rf"|(?:\p{{SB=STerm}}{_X}(?!{_TAIL}[\p{{SB=SContinue}}\p{{SB=STerm}}\p{{SB=ATerm}}])"
    rf"|(?:(?<=[\p{{SB=Upper}}\p{{SB=Lower}}]{_X})\p{{SB=ATerm}}{_X}(?!\p{{SB=Upper}})"
    rf"|(?<![\p{{SB=Upper}}\p{{SB=Lower}}]{_X})\p{{SB=ATerm}}{_X})"
    rf"(?!\p{{SB=Numeric}}|{_TAIL}(?:{_QUIET}\p{{SB=Lower}}"
    rf"|[\p{{SB=SContinue}}\p{{SB=STerm}}\p{{SB=ATerm}}])))"
    rf"{_TAIL}(?:\r\n|[{_BREAKS}])?+",
    regex.VERSION1,
)
"""Where a sentence ends: rules SB3 to SB11, rule by rule in this order."""

LONGEST, MOST = 50, 200
"""Units in a stretch, stretches in a text, at most; the second wins."""


def sentences(text: str) -> Iterator[Span]:
    """Yield the sentences that say something, blanks around them left out."""
    place = 0
    for end in [*(match.end() for match in END.finditer(text)), len(text)]:
        if SAYS_SOMETHING.search(text, place, end):
            piece = text[place:end]
            yield place + len(piece) - len(piece.lstrip()), place + len(piece.rstrip())
        place = end


def stretches(text: str, units: Sequence[Span]) -> list[list[Span]]:
    """Return the units of a text in stretches to look at as one: sentences where there are any.

    A long sentence is cut, and of many sentences neighbours go together.
    """
    ends = [end for _, end in sentences(text)]
    found: list[list[Span]] = []
    sentence, last = 0, -1
    for unit in units:
        while sentence < len(ends) and unit[0] >= ends[sentence]:
            sentence += 1
        if sentence != last or len(found[-1]) == LONGEST:
            found.append([])
        found[-1].append(unit)
        last = sentence
    together = max(1, -(-len(found) // MOST))
    return [
        [unit for one in found[start : start + together] for unit in one]
        for start in range(0, len(found), together)
    ]


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
        raise SettingsError(f"--unit: {unit!r} is not valid", f"give {known}, auto or regex:EXPR")
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
            "write an expression with fewer alternatives",
        ) from None
    return [(start, end) for start, end in found if end > start]


def _compiled(unit: str) -> regex.Pattern[str]:
    try:
        return regex.compile(unit.removeprefix(PREFIX))
    except (regex.error, RecursionError, OverflowError) as error:
        words = in_words(error)
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
