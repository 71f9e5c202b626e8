"""Sentences by the rules of Unicode (UAX 29, section 5), and stretches of text to look at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

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
