"""Charts: the way from the intercept to the prediction, and a text with its words shaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import IO, NamedTuple

import numpy as np

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.errors import SettingsError
from lime_cli.formats.canvas import BODY, LEADING, MARGIN, SMALL, Canvas
from lime_cli.formats.story import (
    LEVELS,
    WaterfallStep,
    bounds,
    caution_said,
    legend,
    numbers_of,
    sentence,
    shades,
    waterfall,
)
from lime_cli.formats.wording import LARGEST, is_leftwards, literal, numbers_for

MOST = 8
"""Targets of one chart."""

WIDTH, ROW, BAR = 8.0, 0.29, 0.19
"""Inches: of a chart, of a line of a waterfall, of its bar."""

TICKS, LONG_TICKS, LONG = 5, 3, 1e7
"""Numbers below an axis, about: of usual ones, and of long ones, which begin where the last is."""

LONGEST_NAME = 0.48
"""Of a chart's width, for the names, at most."""

FAINTEST = 0.02
"""Share of the largest weight below which a superpixel is not outlined: a line would say more."""

PASSAGE = 24
"""Lines of a text that are drawn; of a longer one those around its marked words."""


def save(explanation: Explanation, out: IO[bytes], kind: str, width: float = WIDTH) -> None:
    """Write the chart of an explanation as ``png`` or ``svg``, the same bytes every time.

    Raises MissingDependency for ``png`` without matplotlib, SettingsError for what is no chart.
    """
    if any(one.rules for one in explanation.surrogates):
        raise SettingsError(
            f"{kind} shows weights, but a tree has rules", "use -f table or -f json"
        )
    if len(explanation.surrogates) > MOST:
        said = f"a chart shows up to {MOST} targets, not {len(explanation.surrogates)}"
        raise SettingsError(said, "choose with --target top:4, or use -f html")
    canvas = Canvas(width, measured=kind == "png")
    _fill(canvas, explanation)
    canvas.write(out, kind, literal(explanation.subject.name))


def _fill(canvas: Canvas, explanation: Explanation) -> None:
    canvas.heading(literal(explanation.subject.name))
    caution = caution_said(explanation)
    limits = [bounds(waterfall(explanation, one)) for one in explanation.surrogates]
    shared = min(low for low, _ in limits), max(high for _, high in limits)
    for number, surrogate in enumerate(explanation.surrogates):
        canvas.top += 0.25 if number else 0.0
        canvas.paragraph(sentence(explanation, surrogate), BODY)
        if caution and not number:
            canvas.top += 1.4 * LEADING * SMALL / 72
            said = canvas.cut(caution, SMALL, canvas.room, bold=True)
            canvas.text(MARGIN, canvas.top, said, SMALL, "against", bold=True, whole=caution)
        canvas.top += 0.2
        _passage(explanation, surrogate, canvas)
        own = explanation.model.task != "classification"
        steps = waterfall(explanation, surrogate)
        draw_waterfall(steps, canvas, limits[number] if own else shared)
        canvas.paragraph(legend(explanation, surrogate), SMALL, "faint")


# -- the waterfall --------------------------------------------------------------------------------


def draw_waterfall(
    steps: Sequence[WaterfallStep], canvas: Canvas, limits: tuple[float, float]
) -> None:
    """Draw a line for each step; ``limits`` are the values at the ends of the bars' room."""
    numbers = numbers_of(steps)
    right = max(canvas.measure(one, BODY, bold=True) for one in numbers)
    names = _fitted(steps, canvas)
    left = max(
        canvas.measure(name, BODY, one.kind in LEVELS) + canvas.measure(f"  {beside}", SMALL)
        for one, (name, beside) in zip(steps, names, strict=True)
    )
    start, room = MARGIN + left + 0.1, canvas.room - left - right - 0.25
    low, high = limits

    def x(value: float) -> float:
        return start + room * (value - low) / (high - low)

    top = canvas.top
    bottom = top + ROW * len(steps)
    axis(canvas, x, limits, (top, bottom))
    for number, (step, said, (name, beside)) in enumerate(zip(steps, numbers, names, strict=True)):
        y = top + ROW * (number + 0.5)
        strong = step.kind in LEVELS
        end = MARGIN + left
        if beside:
            canvas.text(end, y, beside, SMALL, "faint", anchor="end", whole=step.beside)
            end -= canvas.measure(f"{beside}  ", SMALL)
        canvas.text(end, y, name, BODY, bold=strong, anchor="end", whole=step.name)
        canvas.text(canvas.width - MARGIN, y, said, BODY, bold=strong, anchor="end")
        if number + 1 < len(steps):
            canvas.line((x(step.end), y), (x(step.end), y + ROW), "faint", 0.8)
        _bar(step, canvas, (x(step.start), x(step.end)), y)
        if step.interval is not None:
            first, last = (min(max(x(one), start), start + room) for one in step.reach)
            canvas.line((first, y), (last, y), "ink", 1.2)
    canvas.top = bottom + 2 * SMALL / 72


def axis(
    canvas: Canvas,
    x: Callable[[float], float],
    limits: tuple[float, float],
    sides: tuple[float, float],
) -> None:
    """Draw faint lines for round numbers from the top to the bottom, and the numbers below."""
    for tick, said in ticks(limits):
        canvas.line((x(tick), sides[0]), (x(tick), sides[1]), "line", 0.6)
        canvas.text(x(tick), sides[1] + 0.8 * SMALL / 72, said, SMALL, "faint", anchor="middle")


def ticks(limits: tuple[float, float]) -> Iterator[tuple[float, str]]:
    """Yield round numbers between two limits, and how they are spelled."""
    low, high = limits
    ends = (abs(low), abs(high))
    rough = (high - low) / (TICKS if max(ends) < LONG else LONG_TICKS)
    size = 10.0 ** np.floor(np.log10(rough))
    step = float(min((one * size for one in (1, 2, 5, 10) if one * size >= rough), default=size))
    form = numbers_for([step], 1) if max(ends) < LARGEST else numbers_for(ends)
    for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        yield i * step, form.plain(i * step)


def _fitted(steps: Sequence[WaterfallStep], canvas: Canvas) -> list[tuple[str, str]]:
    """Shorten names and what stands beside them to the room there is; values stay whole."""
    room = LONGEST_NAME * canvas.width - MARGIN
    heads, tails, besides, rooms = [], [], [], []
    for step in steps:
        beside = canvas.cut(step.beside, SMALL, room / 2) if step.beside else ""
        left = room - (canvas.measure(f"{beside}  ", SMALL) if beside else 0.0)
        head, mark, value = step.name.rpartition(" = ")
        tail = canvas.measure(mark + value, BODY)
        whole = not mark or tail >= left / 2
        heads.append(step.name if whole else head)
        tails.append("" if whole else mark + value)
        besides.append(beside)
        rooms.append(left if whole else left - tail)
    cut = canvas.cut_names(heads, BODY, rooms)
    return [(name + tail, beside) for name, tail, beside in zip(cut, tails, besides, strict=True)]


def _bar(step: WaterfallStep, canvas: Canvas, ends: tuple[float, float], y: float) -> None:
    left, right = min(ends), max(ends)
    if step.kind in LEVELS:
        canvas.line((right, y - 0.6 * BAR), (right, y + 0.6 * BAR), "ink", 2.6)
        return
    colour = "faint" if step.kind == "gap" else "for" if step.change >= 0 else "against"
    hatched = step.kind == "gap" or not step.certain
    canvas.box((left, y), (right - left, BAR), colour, hatched=hatched)


# -- a text ---------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """A piece of a line of text."""

    text: str
    left: float
    """Inches from the start of the line."""
    width: float
    shade: float
    """In [-1, 1]; 0 for plain text."""
    certain: bool


def _passage(explanation: Explanation, surrogate: Surrogate, canvas: Canvas) -> None:
    """Draw a text with the words that have a weight shaded in place."""
    pieces = [(one.text, one.shade, one.certain) for one in shades(explanation, surrogate)]
    if not pieces:
        return
    lines = list(_lines(pieces, canvas, canvas.width - 2 * MARGIN - 0.2))
    leftwards = is_leftwards("".join(text for text, _, _ in pieces))
    for marked, run in groupby(lines, lambda line: any(one.shade for one in line)):
        some = list(run)
        if not marked and len(lines) > PASSAGE and len(some) > 1:
            said = f"… {len(some)} lines"
            some = [[_Piece(said, 0.0, canvas.measure(said, BODY), 0.0, True)]]
        for line in some:
            canvas.top += 1.1 * LEADING * BODY / 72
            _draw_line(_mirrored(line, canvas) if leftwards else line, canvas)
    canvas.top += 0.22


def _mirrored(line: Sequence[_Piece], canvas: Canvas) -> list[_Piece]:
    """Begin a line at the right end, as readers of right-to-left scripts do."""
    right, mirrored = canvas.room - 0.2, []
    for one in line:
        text = one.text.strip()
        width = canvas.measure(text, BODY)
        before = one.width - canvas.measure(one.text.lstrip(), BODY)
        left = right - one.left - before - width
        mirrored.append(one._replace(text=text, left=left, width=width))
    return mirrored


def _draw_line(line: Sequence[_Piece], canvas: Canvas) -> None:
    for one in line:
        left, y = MARGIN + 0.1 + one.left, canvas.top
        if one.shade:
            colour, height = "for" if one.shade > 0 else "against", 1.25 * BODY / 72
            canvas.box((left, y), (one.width, height), colour, abs(one.shade))
            if not one.certain:
                below = y + height / 2
                canvas.line((left, below), (left + one.width, below), "ink", 0.9, dotted=True)
        canvas.text(left, y, one.text, BODY, width=one.width)


def _lines(
    pieces: Sequence[tuple[str, float, bool]], canvas: Canvas, room: float
) -> Iterator[list[_Piece]]:
    """Set pieces of a text in lines that fit, broken at blanks and at the text's own breaks."""
    line: list[_Piece] = []
    left = 0.0
    for text, shade, certain in pieces:
        for number, part in enumerate(text.split("\n")):
            if number:
                yield line
                line, left = [], 0.0
            for word in _words(part, shade):
                width = canvas.measure(word, BODY)
                if line and left + canvas.measure(word.rstrip(), BODY) > room:
                    yield line
                    line, left = [], 0.0
                    word = word.lstrip()
                    width = canvas.measure(word, BODY)
                line.append(_Piece(word, left, width, shade, certain))
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
