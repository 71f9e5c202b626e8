"""Numbers, foreign words and marked texts as a reader of plain text meets them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator

FIDELITY = ((0.9, "very good"), (0.7, "good"), (0.5, "fair"), (0.3, "weak"))
SMALLEST, LARGEST = 1e-4, 1e6
"""Outside, numbers are written with an exponent."""
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that steer a terminal or cannot be seen."""
RIGHT_TO_LEFT = ("R", "AL")
"""Bidirectional classes of Unicode (UAX 9)."""
LEFT_TO_RIGHT = "\u200e"
"""A mark that takes no room."""
JOINERS = "\u200c\u200d"
"""Part of how words and emoji are spelled."""


def fidelity_in_words(fidelity: float | None) -> str:
    """Say how far a surrogate may be trusted; None is the fidelity to a constant response."""
    if fidelity is None:
        return "undefined: the model answers all samples alike"
    return next((word for least, word in FIDELITY if fidelity >= least), "poor")


def number_format(numbers: Iterable[float], digits: int = 3) -> str:
    """Return the format, such as ``.3f``, that shows the largest number with that many digits.

    Numbers written with one format line up at their decimal points.
    """
    largest = max((abs(number) for number in numbers), default=0.0)
    if largest == 0:
        return f".{digits - 1}f"
    if not SMALLEST <= largest < LARGEST:
        return f".{digits - 1}e"
    return f".{max(0, digits - 1 - math.floor(math.log10(largest)))}f"


def literal(text: str, unicode: bool = True) -> str:
    """Spell out every character that a terminal would obey instead of show: ``\\x1b``.

    Without ``unicode``, everything beyond ASCII too.
    """
    shown = text
    if not text.isprintable():
        shown = "".join(_escaped(one) if _is_hidden(one) else one for one in text)
    return shown if unicode else shown.encode("ascii", "backslashreplace").decode()


def in_order(text: str) -> str:
    """Keep what stands before and behind a word of a right-to-left script where it stands.

    A terminal that knows such scripts would turn the whole line around it.
    """
    turned = any(unicodedata.bidirectional(one) in RIGHT_TO_LEFT for one in text)
    return f"{LEFT_TO_RIGHT}{text}{LEFT_TO_RIGHT}" if turned else text


def value_beside(name: str, value: str | float | int | bool | None) -> str:
    """Return a component's value as text; empty where the name already says it."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return "" if value in name else value
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return "" if name.endswith((f" = {text}", f" = {value}", f" = {float(value):g}")) else text


def marked(text: str, weights: dict[tuple[int, int], float]) -> Iterator[tuple[str, float]]:
    """Cut a text into pieces, each with its weight; 0 for what lies between the weighted spans.

    Spans are half-open ranges of characters; one that starts inside another is passed over.
    """
    place = 0
    for (start, end), weight in sorted(weights.items()):
        if start >= place and text[start:end]:
            if text[place:start]:
                yield text[place:start], 0.0
            yield text[start:end], weight
            place = end
    if text[place:]:
        yield text[place:], 0.0


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN and character not in JOINERS


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
