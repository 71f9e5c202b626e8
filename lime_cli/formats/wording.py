"""Numbers, foreign words, marked texts and bars as a reader of plain text meets them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lime_cli.engine.explanation import POOR, Explanation, Surrogate, Weight, called
from lime_cli.engine.instance import Column, Component
from lime_cli.sources import ARRAY, FRAME, ROW

SMALLEST, LARGEST = 1e-4, 1e15
"""Outside, numbers are written with an exponent."""

NOISE = 1e-12
"""Share of the largest number below which another one is what rounding has left of 0."""

MINUS = "−"

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that steer a terminal or cannot be seen."""

RIGHT_TO_LEFT = ("R", "AL")
"""Bidirectional classes of Unicode (UAX 9)."""

LEFT_TO_RIGHT = "\u200e"
"""A mark that takes no room."""

PLAIN_MARKS = str.maketrans({"“": '"', "”": '"', MINUS: "-", "–": "-"})
"""What a page without Unicode writes for the marks of sentences."""

JOINERS = "\u200c\u200d" + LEFT_TO_RIGHT
"""Part of how words and emoji are spelled, and what keeps words of two directions in order."""


def fidelity_in_words(fidelity: float | None) -> str:
    """Say how far a surrogate may be trusted; None is the fidelity to a constant response."""
    if fidelity is None:
        return "undefined: how much masking decides cannot be told from chance"
    return called(fidelity)


STOPS = {
    "resolved": "the weights converged",
    "exhaustive": "all there are",
    "samples": "the requested number was reached",
    "max_samples": "the limit was reached",
    "time": "the time limit was reached",
    "flat": "how much masking decides cannot be told from chance",
    "no_linear_fit": "no linear model fits",
}
"""Why sampling stopped, as pages say it."""


def counted(n: int, thing: str) -> str:
    """Count things: ``1 row``, ``1,000 rows``."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def target_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Name a target so that ``no``, ``0`` or ``True`` is read as a name; nothing for a sole one."""
    if explanation.model.task == "classification":
        return f'class "{literal(surrogate.name)}"'
    several = len(explanation.model.targets) > 1
    return f'output "{literal(surrogate.name)}"' if several else ""


SMALL_SPREAD = 0.05
"""Share of the variation that is not worth a word."""


def verdict_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say how far a surrogate may be trusted, where there are samples enough to tell."""
    low = surrogate.fidelity is not None and surrogate.fidelity < POOR
    if low and of_a_fit(explanation):
        return "too few samples to tell"
    return fidelity_in_words(surrogate.fidelity)


def of_a_fit(explanation: Explanation) -> bool:
    """Tell whether fidelity is not that of the weights shown.

    Weights of too few samples are not what predicts best: they are corrected without bias, and
    noisy.
    """
    few = any(one.code == "few_effective_samples" for one in explanation.warnings)
    return few and explanation.settings.full_surrogate


def explaining_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say what explains the share that the fidelity is."""
    if surrogate.rules:
        return "tree explains"
    if of_a_fit(explanation):
        return "best linear fit to so few samples explains"
    return "weights explain"


def fidelity_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say how much a surrogate explains, of what, and what to call that."""
    words = verdict_said(explanation, surrogate)
    if surrogate.fidelity is None:
        return words
    said = f"{surrogate.fidelity:.2f}, {words}"
    if surrogate.pairs_fidelity is not None:
        said += f", {surrogate.pairs_fidelity:.2f} with the pairs"
    if surrogate.spread is None or surrogate.spread < SMALL_SPREAD or surrogate.fidelity <= 0:
        return said
    what = explaining_said(explanation, surrogate)
    return (
        f"{said}: the {what} {surrogate.fidelity:.0%} of what masking does; "
        f"{surrogate.spread:.0%} of the variation comes from the values drawn as replacements"
    )


def radius_said(surrogate: Surrogate) -> str:
    """Say how far the samples lie from the instance; nothing where no radius is known."""
    d = surrogate.n_components
    if surrogate.radius is None or d < 2:
        return ""
    changed = surrogate.radius * d
    number = max(1, round(changed))
    whole = f"about {number:,} of {d:,} components {'changes' if number == 1 else 'change'}"
    where = "local" if surrogate.radius < WIDE and changed < d / 4 else "wide"
    return f"{surrogate.radius:.3g}, {where}: {whole} at a time"


LISTED = 4
"""Outputs that are told of beside the one explained, at most."""


def other_outputs(explanation: Explanation, surrogate: Surrogate) -> str:
    """Name the other outputs with their predictions, the largest first; empty for one output."""
    outputs, names = explanation.outputs, explanation.model.targets
    if explanation.model.task != "classification" or not 2 < len(outputs) == len(names):
        return ""
    order = sorted(range(len(outputs)), key=lambda i: -outputs[i])
    shown = [i for i in order if i != surrogate.target][:LISTED]
    form = numbers_for(map(abs, outputs))
    said = ", ".join(f"{literal(names[i])} {form.least(outputs[i])}" for i in shown)
    more = len(outputs) - 1 - len(shown)
    return f"{said} and {more:,} more" if more else said


WIDE = 0.3
"""Radius from which an explanation is of much more than the instance's surroundings."""


def choice_said(explanation: Explanation, surrogate: Surrogate) -> str:
    """Say how the components shown were chosen, and by what the weights are."""
    settings = explanation.settings
    if settings.like_lime or surrogate.rules or not surrogate.weights or not surrogate.others:
        return ""
    if settings.kernel == "shapley":
        return f"the largest Shapley values of {surrogate.n_components:,}"
    if settings.penalty_kind == "lasso":
        return "chosen and weighed by the weighted LASSO"
    chosen = {"lasso": "the weighted LASSO", "forward": "forward selection", "highest": "size"}
    fitted = "of those alone" if settings.refit else f"of all {surrogate.n_components:,}"
    return f"chosen by {chosen[settings.selection]}, weights by weighted least squares {fitted}"


class Numbers(NamedTuple):
    """How numbers that are read together are written: alike, so that their points line up.

    The minus is U+2212; `Glyphs.minus` is what a terminal has for it. No zero has a sign.
    """

    decimals: int
    kind: str = "f"
    """As in formats of Python: ``f``, with commas between thousands, ``e`` or ``%``."""

    def plain(self, number: float) -> str:
        """Write a number: ``0.214``, ``−0.023``, ``0.000``."""
        return self._written(self._in_full(number))

    def signed(self, number: float) -> str:
        """Write a change: ``+0.214``, ``−0.023``, ``0.000``."""
        return self._written(self._in_full(number, "+"))

    def read(self, number: float) -> float:
        """Return a number as a reader of what is written takes it."""
        return float(self._in_full(number).replace(",", ""))

    def least(self, number: float) -> str:
        """Write an amount; one that is more than 0 is not written as 0: ``<0.001``."""
        said = self.plain(number)
        if number <= 0 or _counts(said):
            return said
        return f"<{said[:-1]}1"

    def term(self, number: float) -> str:
        """Write a number as a term of a sum: ``+ 0.214``, ``− 0.023``."""
        size = self._in_full(abs(number))
        return f"{MINUS if number < 0 and _counts(size) else '+'} {size}"

    def _in_full(self, number: float, sign: str = "") -> str:
        return f"{number:{sign}{',' * (self.kind == 'f')}.{self.decimals}{self.kind}}"

    def _written(self, said: str) -> str:
        return said.replace("-", MINUS) if _counts(said) else said.lstrip("+-")


def _counts(said: str) -> bool:
    """Tell whether a number is other than 0 as it is written."""
    return any(digit in said.partition("e")[0] for digit in "123456789")


SHARE, COUNT = Numbers(0, "%"), Numbers(0)


def numbers_for(
    numbers: Iterable[float], digits: int = 3, *, errors: Iterable[float] = (), scale: float = 0.0
) -> Numbers:
    """Choose how to write numbers: the largest one with so many digits.

    Or with up to two more, where the largest of their ``errors`` would be written as 0. Numbers
    that are next to nothing beside ``scale``, in the same unit, are rounding noise and count as 0.
    """
    largest = max((abs(number) for number in numbers), default=0.0)
    if largest <= NOISE * scale:
        return Numbers(digits - 1)
    if not SMALLEST <= largest < LARGEST:
        return Numbers(digits - 1, "e")
    decimals = _decimals(largest, digits)
    error = max(errors, default=0.0)
    if error > NOISE * largest:
        decimals = max(decimals, min(_decimals(error, 1), decimals + 2))
    return Numbers(max(0, decimals))


def finer(one: Numbers, other: Numbers) -> Numbers:
    """Return the way that writes more decimals; ``one`` where an exponent is written."""
    return other if one.kind == other.kind == "f" and other.decimals > one.decimals else one


MORE_DECIMALS = 2
"""Decimals added at most so that sums add up as they are written."""


def closing(form: Numbers, sums: Sequence[tuple[Sequence[float], float]]) -> tuple[Numbers, bool]:
    """Choose decimals with which sums add up as they are written, and tell whether none do.

    Each sum is its terms and their total.
    """
    for more in range(MORE_DECIMALS + 1 if form.kind == "f" else 1):
        way = form._replace(decimals=form.decimals + more)
        if all(way.read(sum(map(way.read, terms)) - way.read(total)) == 0 for terms, total in sums):
            return way, False
    return form, True


def _decimals(number: float, digits: int) -> int:
    return digits - 1 - math.floor(math.log10(number))


def literal(text: str, unicode: bool = True) -> str:
    """Spell out every character that a terminal would obey instead of show: ``\\x1b``.

    Without ``unicode``, everything beyond ASCII too.
    """
    shown = text
    if not text.isprintable():
        shown = "".join(_escaped(one) if _is_hidden(one) else one for one in text)
    return shown if unicode else shown.encode("ascii", "backslashreplace").decode()


def source_said(source: str) -> str:
    """Name a file, or a table that has none, inside a sentence."""
    return f"the {source}" if source in (FRAME, ARRAY, ROW) else literal(source)


def in_order(text: str) -> str:
    """Keep what stands before and behind a word of a right-to-left script where it stands.

    A terminal that knows such scripts would turn the whole line around it.
    """
    turned = any(unicodedata.bidirectional(one) in RIGHT_TO_LEFT for one in text)
    return f"{LEFT_TO_RIGHT}{text}{LEFT_TO_RIGHT}" if turned else text


def is_leftwards(text: str) -> bool:
    """Tell whether a text runs from right to left: whether its first letter does (UAX 9)."""
    strong = (unicodedata.bidirectional(one) for one in text)
    return next((one for one in strong if one in ("L", *RIGHT_TO_LEFT)), "L") != "L"


def value_beside(component: Component) -> str:
    """Return a component's value as text; empty where the name already says it."""
    name, value, where = component.name, component.value, component.where
    if isinstance(where, Column) and name.startswith(f"{where.column}: "):
        return ""  # a group of columns, which names their values
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return "" if value in name else value
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    spellings = (f" = {text}", f" = {value}", f" = {float(value):g}")
    return "" if any(f"{one} (" in f"{name} (" for one in spellings) else text


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


LONGEST, SHORTEST = 24, 8
"""Cells of half a bar on a page that is wide enough."""


@dataclass(frozen=True)
class Glyphs:
    """The characters that bars and numbers are made of."""

    positive: str
    negative: str
    positive_tip: str
    """Half a cell; empty where there is none."""
    negative_tip: str
    whisker: str
    """From the end of a bar to the end of its interval."""
    axis: str
    plus_minus: str
    times: str
    ellipsis: str
    minus: str


UNICODE = Glyphs("━", "━", "╸", "╺", "─", "│", "±", "×", "…", MINUS)

ASCII = Glyphs("#", "=", "", "", "-", "|", "+-", "x", "...", "-")


@dataclass(frozen=True)
class Bars:
    """The bars of one target: their scale, and the widths of their columns in cells."""

    glyphs: Glyphs
    half: int
    """Of a bar at full scale, on either side of the axis."""
    scale: float
    """The end of an interval, or the weight, at full scale; 0 where all weights are."""
    form: Numbers
    """Of weights and of half widths."""
    weight: int
    interval: int
    """0 where no weight has an error."""

    @property
    def width(self) -> int:
        """Cells of bar, axis and numbers, with the gaps between."""
        return 2 * self.half + 1 + 2 + self.weight + self.interval

    def header(self) -> str:
        """Name the columns: the ends of the scale, its zero and what the numbers are."""
        end = self.form.plain(self.scale)
        if len(end) + 1 >= self.half:  # with its sign, and a blank before the zero
            end = f"{self.scale:.2g}"
        if len(end) + 1 >= self.half:
            end = f"{self.scale:.0e}"
        fits = len(end) + 1 < self.half
        left, right = (f"{sign}{end}" * fits for sign in (self.glyphs.minus, "+"))
        numbers = "weight".rjust(self.weight)
        if self.interval:
            numbers += f" {self.glyphs.plus_minus} 95%".ljust(self.interval)
        said = f"{left.ljust(self.half)}0{right.rjust(self.half)}  {numbers}"
        return said.replace(MINUS, self.glyphs.minus)

    def bar(self, one: Weight) -> str:
        """Draw a weight from the axis to its side, then a whisker to the end of its interval."""
        low, high = one.interval or (one.weight, one.weight)
        glyphs = self.glyphs
        left = self._side(-one.weight, -low, (glyphs.negative, glyphs.negative_tip))
        right = self._side(one.weight, high, (glyphs.positive, glyphs.positive_tip))
        return left[::-1] + glyphs.axis + right

    def _side(self, length: float, reach: float, glyphs: tuple[str, str]) -> str:
        """Draw outwards from the axis, to half a cell where there is a glyph for it."""
        body, tip = glyphs
        full, rest = divmod(round(2 * self._cells(length)), 2)
        if not tip:
            full, rest = round(self._cells(length)), 0
        drawn = body * full + tip * rest
        return drawn.ljust(round(self._cells(reach)), self.glyphs.whisker).ljust(self.half)

    def _cells(self, value: float) -> float:
        return self.half * min(1.0, max(0.0, value / self.scale)) if self.scale else 0.0

    def numbers(self, one: Weight) -> str:
        """Write a weight and its half width, marked ``~`` where the interval holds 0."""
        mark = "~" if not one.certain else ""
        text = (mark + self.form.signed(one.weight)).rjust(self.weight)
        beside = ""
        if self.interval:
            beside = f" {self.glyphs.plus_minus}{self.form.least(one.half_width)}"
        return text.replace(MINUS, self.glyphs.minus) + beside.ljust(self.interval)


def bars_of(
    weights: Sequence[Weight],
    scale: float,
    room: tuple[int, int],
    glyphs: Glyphs,
    level: float = 0.0,
) -> Bars:
    """Lay out bars and numbers.

    ``room`` counts cells: the width of the page and what of it is wanted for the names. Long names
    shorten the bars, but not to nothing. ``level`` is the largest prediction that the weights are
    parts of.
    """
    width, names = room
    halves = [one.half_width for one in weights if one.half_width]
    form = numbers_for((one.weight for one in weights), errors=halves, scale=level)
    signed = [len(form.signed(one.weight)) + (not one.certain) for one in weights]
    heading = f" {glyphs.plus_minus} 95%"
    widest = max((len(form.least(one)) for one in halves), default=0)
    interval = max(widest + 1 + len(glyphs.plus_minus), len(heading)) if halves else 0
    weight = max(*signed, len("weight"))
    half = min((width - names - 3 - weight - interval) // 2, LONGEST, width // 5)
    return Bars(glyphs, max(half, min(SHORTEST, width // 8)), scale, form, weight, interval)
