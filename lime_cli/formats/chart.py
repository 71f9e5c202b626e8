"""Charts: the way from the intercept to the prediction, and a text with its words shaded.

Drawn by matplotlib at places that are measured here, so that no two pieces of text meet.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.errors import MissingDependency, SettingsError
from lime_cli.formats.story import (
    LEVELS,
    MINUS,
    WaterfallStep,
    bounds,
    legend,
    numbers_of,
    sentence,
    shades,
    waterfall,
)
from lime_cli.formats.wording import literal, number_format

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FOR, AGAINST, INK, FAINT, LINE = "#0a5fd7", "#e66e00", "#14141c", "#5a5f68", "#c9ced6"

MOST = 8
"""Targets of one chart."""

WIDTH, MARGIN, ROW, BAR = 8.0, 0.25, 0.29, 0.19
"""Inches: of a chart, around it, of a line of a waterfall, of its bar."""

TITLE, BODY, SMALL = 11.0, 10.0, 8.5
"""Points."""

DPI = 150
"""Pixels to an inch of a PNG file."""

TICKS = 5
"""Numbers below an axis, about."""

LEADING = 1.45
"""Distance of lines of text, in their size."""

LONGEST_NAME = 0.48
"""Of a chart's width, for the names, at most."""

PASSAGE = 24
"""Lines of a text that are drawn; of a longer one those around its marked words."""

FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Arial Unicode MS",
)
"""Asked in this order for a letter, as far as they are installed."""


def save(explanation: Explanation, out: IO[bytes], kind: str, width: float = WIDTH) -> None:
    """Write the chart of an explanation as ``png`` or ``svg``, the same bytes every time.

    Raises MissingDependency without matplotlib, SettingsError for what is no chart.
    """
    if any(one.rules for one in explanation.surrogates):
        raise SettingsError(
            f"{kind} draws weights, and a tree has rules", "use -f table or -f json"
        )
    if len(explanation.surrogates) > MOST:
        said = f"a chart draws up to {MOST} targets, not {len(explanation.surrogates)}"
        raise SettingsError(said, "choose with --target top:4, or use -f html")
    try:
        import matplotlib as mpl
    except ImportError:
        raise MissingDependency("charts need matplotlib", "pip install 'limex[charts]'") from None
    with mpl.rc_context(
        {"svg.hashsalt": "limex", "font.family": installed_fonts(), "hatch.linewidth": 0.9}
    ):
        stream = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            # older releases also name scripts that they cannot shape
            warnings.filterwarnings("ignore", "Matplotlib currently does not support")
            figure = _figure(explanation, width)
            figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
    out.write(stream.getvalue())


def installed_fonts() -> list[str]:
    """List the fonts of `FONTS` that are here."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return [one for one in FONTS if one in known]


class _Piece(NamedTuple):
    """A piece of a line of text."""

    text: str
    left: float
    """Inches from the start of the line."""
    width: float
    shade: float
    """In [-1, 1]; 0 for plain text."""
    resolved: bool


class _Sheet:
    """A figure that is filled from the top; lengths are inches, sizes of letters points."""

    def __init__(self, width: float) -> None:
        from matplotlib.backends.backend_agg import RendererAgg

        self.width, self.top = width, MARGIN
        self._drawn: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        renderer: Any = RendererAgg
        self._renderer = renderer(1, 1, DPI)

    def measure(self, text: str, size: float, bold: bool = False) -> float:
        """Return the width of a text."""
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=size, weight="bold" if bold else "normal")
        width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width) / DPI

    def cut(self, text: str, size: float, room: float, bold: bool = False) -> str:
        """Shorten a text until it fits."""
        if self.measure(text, size, bold) <= room:
            return text
        low, high = 0, len(text)
        while low < high:  # the longest start that fits with an ellipsis
            middle = (low + high + 1) // 2
            if self.measure(text[:middle].rstrip() + "…", size, bold) <= room:
                low = middle
            else:
                high = middle - 1
        return text[:low].rstrip() + "…"

    def wrapped(self, text: str, size: float, room: float) -> Iterator[str]:
        """Cut a text into lines that fit, between words where possible."""
        line = ""
        for word in text.split(" "):
            longer = f"{line} {word}".strip()
            if line and self.measure(longer, size) > room:
                yield line
                line = word
            else:
                line = longer
        yield self.cut(line, size, room)

    def text(self, x: float, y: float, text: str, size: float, **look: Any) -> None:
        """Put a text at (x, y) from the upper left corner, y at its middle."""
        self._drawn.append(("text", (x, y), {"s": text, "size": size, **look}))

    def box(self, x: float, y: float, width: float, height: float, **look: Any) -> None:
        """Draw a rectangle, its middle at height ``y``."""
        self._drawn.append(("box", ((x, y - height / 2), width, height), look))

    def line(self, x: Sequence[float], y: Sequence[float], **look: Any) -> None:
        """Draw a line."""
        self._drawn.append(("line", (*x, *y), look))

    def figure(self) -> Figure:
        """Draw everything on a figure that is as high as it must be."""
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        height = self.top + MARGIN
        figure = Figure(figsize=(self.width, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(height, 0)
        for kind, place, look in self._drawn:
            if kind == "text":
                axes.text(*place, **{"va": "center", "color": INK, "parse_math": False, **look})
            elif kind == "box":
                axes.add_patch(Rectangle(*place, **look))
            else:
                axes.add_line(Line2D(place[:2], place[2:], **look))
        return figure


def _figure(explanation: Explanation, width: float) -> Figure:
    sheet = _Sheet(width)
    room = width - 2 * MARGIN
    title = sheet.cut(_title(explanation), TITLE, room, bold=True)
    sheet.top += 0.5 * TITLE / 72
    sheet.text(MARGIN, sheet.top, title, TITLE, weight="bold")
    sheet.top += 0.5 * TITLE / 72
    limits = [bounds(waterfall(explanation, one)) for one in explanation.surrogates]
    shared = min(low for low, _ in limits), max(high for _, high in limits)
    for number, surrogate in enumerate(explanation.surrogates):
        sheet.top += 0.25 if number else 0.0
        for line in sheet.wrapped(sentence(explanation, surrogate), BODY, room):
            sheet.top += LEADING * BODY / 72
            sheet.text(MARGIN, sheet.top, line, BODY)
        sheet.top += 0.2
        _passage(explanation, surrogate, sheet)
        own = explanation.model.task != "classification"
        _waterfall(explanation, surrogate, sheet, limits[number] if own else shared)
    return sheet.figure()


def _title(explanation: Explanation) -> str:
    subject = explanation.subject
    name = subject.id if subject.source in subject.id else f"{subject.source} {subject.id}"
    return literal(name)


# -- the waterfall --------------------------------------------------------------------------------


def _waterfall(
    explanation: Explanation, surrogate: Surrogate, sheet: _Sheet, limits: tuple[float, float]
) -> None:
    steps = waterfall(explanation, surrogate)
    numbers = numbers_of(steps)
    right = max(sheet.measure(one, BODY, bold=True) for one in numbers)
    names = [_fitted(one, sheet) for one in steps]
    left = max(
        sheet.measure(name, BODY, one.kind in LEVELS) + sheet.measure(f"  {beside}", SMALL)
        for one, (name, beside) in zip(steps, names, strict=True)
    )
    start, room = MARGIN + left + 0.1, sheet.width - 2 * MARGIN - left - right - 0.25
    low, high = limits

    def x(value: float) -> float:
        return start + room * (value - low) / (high - low)

    top = sheet.top
    bottom = top + ROW * len(steps)
    for tick, said in _ticks(limits):
        sheet.line((x(tick), x(tick)), (top, bottom), color=LINE, linewidth=0.6, zorder=0)
        sheet.text(x(tick), bottom + 0.8 * SMALL / 72, said, SMALL, ha="center", color=FAINT)
    for number, (step, said, (name, beside)) in enumerate(zip(steps, numbers, names, strict=True)):
        y = top + ROW * (number + 0.5)
        strong = step.kind in LEVELS
        weight = "bold" if strong else "normal"
        end = MARGIN + left
        if beside:
            sheet.text(end, y, beside, SMALL, ha="right", color=FAINT)
            end -= sheet.measure(f"{beside}  ", SMALL)
        sheet.text(end, y, name, BODY, ha="right", weight=weight)
        sheet.text(sheet.width - MARGIN, y, said, BODY, ha="right", weight=weight)
        if number + 1 < len(steps):
            sheet.line((x(step.end), x(step.end)), (y, y + ROW), color=FAINT, linewidth=0.8)
        _bar(step, sheet, (x(step.start), x(step.end)), y)
        if step.interval is not None:
            reach = tuple(min(max(x(one), start), start + room) for one in step.reach)
            sheet.line(reach, (y, y), color=INK, linewidth=1.2)
    sheet.top = bottom + 2 * SMALL / 72
    for line in sheet.wrapped(legend(explanation), SMALL, sheet.width - 2 * MARGIN):
        sheet.top += LEADING * SMALL / 72
        sheet.text(MARGIN, sheet.top, line, SMALL, color=FAINT)


def _ticks(limits: tuple[float, float]) -> Iterator[tuple[float, str]]:
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    locator = MaxNLocator(TICKS, steps=[1, 2, 5, 10])
    places = [float(one) for one in locator.tick_values(low, high) if low <= one <= high]
    step = min((b - a for a, b in pairwise(places)), default=1.0)
    form = number_format([step], 1)
    for one in places:
        place = 0.0 if abs(one) < step / 1000 else one
        yield place, f"{place:{form}}".replace("-", MINUS)


def _fitted(step: WaterfallStep, sheet: _Sheet) -> tuple[str, str]:
    """Shorten name and what stands beside it to the room there is."""
    room = LONGEST_NAME * sheet.width - MARGIN
    beside = sheet.cut(step.beside, SMALL, room / 2) if step.beside else ""
    left = room - (sheet.measure(f"{beside}  ", SMALL) if beside else 0.0)
    return sheet.cut(step.name, BODY, left, step.kind in LEVELS), beside


def _bar(step: WaterfallStep, sheet: _Sheet, ends: tuple[float, float], y: float) -> None:
    left, right = min(ends), max(ends)
    if step.kind in LEVELS:
        sheet.line((right, right), (y - 0.6 * BAR, y + 0.6 * BAR), color=INK, linewidth=2.6)
        return
    colour = FAINT if step.kind == "gap" else FOR if step.change >= 0 else AGAINST
    look: dict[str, Any] = {"facecolor": colour, "edgecolor": colour, "linewidth": 0.8}
    if step.kind == "gap" or not step.resolved:
        look |= {"facecolor": "white", "hatch": "/////"}
    sheet.box(left, y, right - left, BAR, **look)


# -- a text ---------------------------------------------------------------------------------------


def _passage(explanation: Explanation, surrogate: Surrogate, sheet: _Sheet) -> None:
    """Draw a text with the words that have a weight shaded in place."""
    pieces = [(one.text, one.shade, one.resolved) for one in shades(explanation, surrogate)]
    if not pieces:
        return
    lines = list(_lines(pieces, sheet, sheet.width - 2 * MARGIN - 0.2))
    for marked, run in groupby(lines, lambda line: any(one.shade for one in line)):
        some = list(run)
        if not marked and len(lines) > PASSAGE and len(some) > 1:
            said = f"… {len(some)} lines"
            some = [[_Piece(said, 0.0, sheet.measure(said, BODY), 0.0, True)]]
        for line in some:
            sheet.top += 1.1 * LEADING * BODY / 72
            _draw_line(line, sheet)
    sheet.top += 0.22


def _draw_line(line: Sequence[_Piece], sheet: _Sheet) -> None:
    for one in line:
        left, y = MARGIN + 0.1 + one.left, sheet.top
        if one.shade:
            colour = FOR if one.shade > 0 else AGAINST
            height = 1.25 * BODY / 72
            sheet.box(
                left, y, one.width, height, facecolor=colour, alpha=abs(one.shade), linewidth=0
            )
            if not one.resolved:
                under = (y + height / 2, y + height / 2)
                ends = (left, left + one.width)
                sheet.line(ends, under, color=INK, linewidth=0.9, linestyle=":")
        sheet.text(left, y, one.text, BODY)


def _lines(
    pieces: Sequence[tuple[str, float, bool]], sheet: _Sheet, room: float
) -> Iterator[list[_Piece]]:
    """Set pieces of a text in lines that fit, broken at blanks and at the text's own breaks."""
    line: list[_Piece] = []
    left = 0.0
    for text, shade, resolved in pieces:
        for number, part in enumerate(text.split("\n")):
            if number:
                yield line
                line, left = [], 0.0
            for word in _words(part, shade):
                width = sheet.measure(word, BODY)
                if line and left + sheet.measure(word.rstrip(), BODY) > room:
                    yield line
                    line, left = [], 0.0
                    word = word.lstrip()
                    width = sheet.measure(word, BODY)
                line.append(_Piece(word, left, width, shade, resolved))
                left += width
    if line:
        yield line


def _words(text: str, shade: float) -> Iterator[str]:
    """Cut plain text behind each blank; what is shaded stays whole."""
    if shade:
        yield text
        return
    start = 0
    for i, letter in enumerate(text):
        if letter == " ":
            yield text[start : i + 1]
            start = i + 1
    if text[start:]:
        yield text[start:]
