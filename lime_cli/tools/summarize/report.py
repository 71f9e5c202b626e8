"""The summary of many explanations as a sheet and as a chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import IO

from lime_cli.errors import InputError
from lime_cli.formats.canvas import BODY, LEADING, MARGIN, SMALL, Canvas
from lime_cli.formats.chart import axis
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.formats.story import MINUS
from lime_cli.formats.wording import counted, literal, number_format
from lime_cli.tools.summarize.measure import (
    CELLS,
    DOTS,
    Aspect,
    Influence,
    Pick,
    ResultSummary,
    record_of,
)

FEATURES, TARGETS = 12, 8
"""Drawn at most: features of a target, targets."""

WIDTH, ROW, RADIUS, CELL = 8.0, 0.36, 0.034, 0.2
"""Inches: of the image, of a feature's dots, of a dot, of a line of cells."""

LANES = 6
"""Dots that stand on either side of a line, at most; more overlap."""

KEY = {"low value": 0.0, "middle": 0.5, "high value": 1.0, "no number": None}
"""What dots of a colour are."""

SHADES = 8
"""Strengths of a cell."""


def save(summary: ResultSummary, out: IO[bytes], kind: str = "png") -> None:
    """Draw weights by feature, value and instance as ``png`` or ``svg``.

    Raises MissingDependency for ``png`` without matplotlib, InputError where nothing was explained.
    """
    canvas = Canvas(WIDTH, measured=kind == "png")
    draw(summary, canvas)
    canvas.write(out, kind, counted(summary.explained, "explanation"))


def draw(summary: ResultSummary, canvas: Canvas) -> None:
    """Draw for each target a dot for every weight, then a cell for every instance and feature."""
    aspects = summary.by_count()[:TARGETS]
    if not aspects:
        raise InputError("there is no explanation to draw", "every instance failed")
    for number, aspect in enumerate(aspects):
        canvas.top += 0.3 if number else 0.0
        canvas.heading(f"“{literal(aspect.name)}”: {counted(aspect.n, 'instance')}")
        shown = aspect.ranked()[:FEATURES]
        if any(one.dots for one in shown):
            _swarm(aspect, shown, canvas)
            _cells(aspect, shown, canvas)


def _swarm(aspect: Aspect, shown: Sequence[Influence], canvas: Canvas) -> None:
    canvas.top += 0.1
    start, room = _names(shown, canvas)
    ends = [weight for one in shown for weight, _ in one.dots]
    reach = max(map(abs, ends)) or 1.0
    limits = min(0.0, *ends), max(0.0, *ends)
    limits = limits if limits[0] < limits[1] else (-reach, reach)

    def x(weight: float) -> float:
        return start + room * (weight - limits[0]) / (limits[1] - limits[0])

    top, bottom = canvas.top, canvas.top + ROW * len(shown)
    axis(canvas, x, limits, (top, bottom))
    canvas.line((x(0.0), top), (x(0.0), bottom), "faint", 0.9)
    form = number_format(one.absolute / aspect.n for one in shown)
    for number, one in enumerate(shown):
        y = top + ROW * (number + 0.5)
        canvas.text(start - 0.15, y, _cut(one, canvas), BODY, anchor="end")
        mean = f"{one.absolute / aspect.n:{form}}"
        canvas.text(canvas.width - MARGIN, y, mean, BODY, anchor="end")
        strengths = _strengths([value for _, value in one.dots])
        for (weight, _), lane, strength in zip(
            one.dots, _lanes([x(weight) for weight, _ in one.dots]), strengths, strict=True
        ):
            place = y + lane * 0.44 * ROW / LANES
            if strength is None:
                canvas.dot((x(weight), place), RADIUS, "faint", filled=False)
            else:
                canvas.dot((x(weight), place), RADIUS, "low", ("high", strength))
    canvas.top = bottom + 2 * SMALL / 72
    some = f" (of the first {DOTS:,})" if any(one.n > DOTS for one in shown) else ""
    canvas.paragraph(
        f"Each dot is an instance{some}: right of 0 the feature raises the prediction, left of it "
        "it lowers it. On the right the mean |weight|.",
        SMALL,
        "faint",
    )
    canvas.top += LEADING * SMALL / 72
    left = MARGIN
    for said, share in KEY.items():
        spot = (left + RADIUS, canvas.top)
        if share is None:
            canvas.dot(spot, 1.5 * RADIUS, "faint", filled=False)
        else:
            canvas.dot(spot, 1.5 * RADIUS, "low", ("high", share))
        canvas.text(left + 5 * RADIUS, canvas.top, said, SMALL, "faint")
        left += 5 * RADIUS + canvas.measure(f"{said}    ", SMALL)


def _names(shown: Sequence[Influence], canvas: Canvas) -> tuple[float, float]:
    """Return where the drawing starts beside the names, and how wide it is."""
    names = max(canvas.measure(_cut(one, canvas), BODY) for one in shown)
    return MARGIN + names + 0.15, canvas.room - names - 0.15 - 0.75


def _cut(one: Influence, canvas: Canvas) -> str:
    return canvas.cut(literal(one.feature), BODY, 0.36 * canvas.width)


def _lanes(places: Sequence[float]) -> list[int]:
    """Return for each dot on a line how far aside it stands, so that neighbours are seen."""
    taken: Counter[int] = Counter()
    found = []
    for place in places:
        n = taken[round(place / (2 * RADIUS))]
        taken[round(place / (2 * RADIUS))] += 1
        lane = (n + 1) // 2 * (1 if n % 2 else -1)
        found.append(max(-LANES, min(LANES, lane)))
    return found


def _strengths(values: Sequence[float | None]) -> list[float | None]:
    """Return how high each value is among all, by its rank, in 0..1."""
    known = sorted({value for value in values if value is not None})
    ranks = {value: i / max(1, len(known) - 1) for i, value in enumerate(known)}
    return [None if value is None else ranks[value] for value in values]


def _cells(aspect: Aspect, shown: Sequence[Influence], canvas: Canvas) -> None:
    """Draw a line of cells for each feature, instances by their prediction."""
    rows = sorted(aspect.rows, key=lambda row: row[0])
    if len(rows) < 2:
        return
    canvas.top += 0.2
    start, room = _names(shown, canvas)
    largest = max(abs(row[1].get(one.feature, 0.0)) for row in rows for one in shown) or 1.0
    width = room / len(rows)
    for one in shown:
        y = canvas.top + CELL / 2
        canvas.text(start - 0.15, y, _cut(one, canvas), BODY, anchor="end")
        levels = [round(SHADES * row[1].get(one.feature, 0.0) / largest) for row in rows]
        for level, run in groupby(enumerate(levels), lambda pair: pair[1]):
            first, *rest = [i for i, _ in run]
            if level:
                size = (width * (1 + len(rest)), CELL - 0.02)
                colour = "for" if level > 0 else "against"
                canvas.box((start + width * first, y), size, colour, abs(level) / SHADES)
        canvas.top += CELL
    low, high = rows[0][0], rows[-1][0]
    canvas.line((start, canvas.top), (start + room, canvas.top), "line", 0.6)
    below = canvas.top + 0.8 * SMALL / 72
    canvas.text(start, below, f"{low:.3g}".replace("-", MINUS), SMALL, "faint")
    end = f"prediction {high:.3g}".replace("-", MINUS)
    canvas.text(start + room, below, end, SMALL, "faint", anchor="end")
    canvas.top += 1.6 * SMALL / 72
    some = f" (the first {CELLS:,})" if aspect.n > CELLS else ""
    canvas.paragraph(
        f"Each column of cells is an instance{some}, from the lowest to the highest prediction; "
        f"the strongest colour is a weight of {largest:.3g}.",
        SMALL,
        "faint",
    )


SHOWN = 30
"""Features of a target that a page for people shows."""


def sheet_of(summary: ResultSummary, picks: Sequence[Pick]) -> Sheet:
    """Return title, sentences and tables: one a target, and one of the instances picked."""
    grids = [_features(one, summary.top) for one in summary.by_count()]
    if picks:
        grids.append(_picks(picks))
    title = counted(summary.explained, "explanation")
    return Sheet(
        title,
        tuple(_lines(summary)),
        tuple(grids),
        record_of(summary, list(picks)),
        _images(summary),
    )


def _images(summary: ResultSummary) -> Iterator[str]:
    """Draw what a page shows above its tables, where there is something to draw."""
    if summary.aspects:
        canvas = Canvas(WIDTH, measured=False)
        draw(summary, canvas)
        yield canvas.svg("weights by feature, value and instance")


def _lines(summary: ResultSummary) -> Iterator[str]:
    if summary.failures:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in sorted(summary.failures.items()))
        yield f"{sum(summary.failures.values()):,} instances failed: {kinds}"
    stops = ", ".join(
        f"{stop.replace('_', ' ')} ({n:,})" for stop, n in sorted(summary.stops.items())
    )
    yield f"why sampling stopped: {stops}"
    if summary.warnings:
        yield "warnings: " + ", ".join(
            f"{one} ({n:,})" for one, n in sorted(summary.warnings.items())
        )


def _features(aspect: Aspect, top: int) -> Grid:
    quantiles = aspect.quantiles()
    middle = quantiles["0.5"]
    fidelity = "" if middle is None else f", median fidelity {middle:.2f}"
    caption = (
        f'"{aspect.name}": {counted(aspect.n, "instance")}, mean prediction '
        f"{aspect.predictions / aspect.n:.3g}{fidelity}"
    )
    columns = (
        SheetColumn("feature"),
        SheetColumn("mean |weight|", ".4f"),
        SheetColumn("mean weight", "+.4f"),
        SheetColumn(f"in top {top}", ".0%"),
        SheetColumn("same sign", ".0%"),
    )
    rows = tuple(
        (
            one.feature,
            one.absolute / aspect.n,
            one.signed / aspect.n,
            one.top / aspect.n,
            one.sign_consistency,
        )
        for one in aspect.ranked()
    )
    return Grid(aspect.name, caption, columns, rows, SHOWN)


def _picks(picks: Sequence[Pick]) -> Grid:
    columns = (SheetColumn("instance"), SheetColumn("source"), SheetColumn("covers", ".0%"))
    return Grid(
        "pick",
        "Instances that stand for all",
        columns,
        tuple((one.id, one.source, one.covered) for one in picks),
    )
