"""The comparison of two results as a sheet and as a chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from lime_cli.errors import InputError
from lime_cli.formats.canvas import BODY, MARGIN, SMALL, Canvas
from lime_cli.formats.chart import axis
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.formats.wording import COUNT, SHARE, Numbers, counted, literal, numbers_for
from lime_cli.tools.compare.measure import Change, Comparison, Difference, record_of

SHOWN = 20
"""Features and findings that a page for people shows."""


def sheet_of(comparison: Comparison) -> Sheet:
    """Return title, sentences and tables: features, the instances changed most, findings."""
    grids = [_features(comparison), _instances(comparison)]
    if comparison.findings:
        rows = tuple((one,) for one in comparison.findings)
        grids.insert(0, Grid("findings", "Findings", (SheetColumn("what"),), rows, SHOWN))
    title = f"{counted(comparison.n, 'explanation')} compared"
    data = record_of(comparison)
    return Sheet(title, tuple(_lines(comparison)), tuple(grids), data, _images(comparison))


DRAWN = 15
"""Changes that are drawn, at most."""

WIDTH, ROW, RADIUS = 8.0, 0.3, 0.05
"""Inches: of the image, of a line, of a dot."""


def save(comparison: Comparison, out: IO[bytes], kind: str) -> None:
    """Draw the largest changes, old and new with their intervals, as ``png`` or ``svg``.

    Raises MissingDependency for ``png`` without matplotlib, InputError without any weight.
    """
    if not comparison.weights:
        raise InputError("no component is in both results", "compare results of the same inputs")
    canvas = Canvas(WIDTH, measured=kind == "png")
    draw(comparison, canvas)
    canvas.write(out, kind, "the largest changes, old and new")


def draw(comparison: Comparison, canvas: Canvas) -> None:
    """Draw a line for each of the largest changes: a ring for the old weight, a dot for the new."""
    changes = [(one, change) for one in comparison.listed() for change in one.changes]
    changes.sort(key=lambda pair: -(pair[1].errors if pair[1].errors is not None else 0.0))
    changes = changes[:DRAWN]
    several = len({one.target for one, _ in changes}) > 1
    names = [_named(one, change, several) for one, change in changes]
    canvas.heading("The weights that changed most")
    canvas.paragraph(verdict(comparison) + ".", BODY)
    canvas.top += 0.15
    names = list(map(literal, names))
    cut = canvas.cut_names(names, BODY, [0.5 * canvas.width] * len(names))
    left = max(canvas.measure(name, BODY) for name in cut) + 0.15
    start, room = MARGIN + left, canvas.room - left - 0.75
    ends = [0.0]
    for _, change in changes:
        for weight, interval in zip((change.old, change.new), change.intervals, strict=True):
            ends += [weight, *(interval or ())]
    limits = (min(ends), max(ends)) if min(ends) < max(ends) else (-1.0, 1.0)

    def x(weight: float) -> float:
        return start + room * (weight - limits[0]) / (limits[1] - limits[0])

    top, bottom = canvas.top, canvas.top + ROW * len(changes)
    axis(canvas, x, limits, (top, bottom))
    canvas.line((x(0.0), top), (x(0.0), bottom), "faint", 0.9)
    for number, (name, short, (_, change)) in enumerate(zip(names, cut, changes, strict=True)):
        y = top + ROW * (number + 0.5)
        canvas.text(start - 0.15, y, short, BODY, anchor="end", whole=name)
        canvas.line((x(change.old), y), (x(change.new), y), "faint", 0.8)
        for side, apart in ((0, -0.05), (1, 0.05)):
            interval = change.intervals[side]
            if interval is not None:
                ends_at = (x(interval[0]), y + apart), (x(interval[1]), y + apart)
                canvas.line(*ends_at, "faint" if side == 0 else "ink", 1.2)
        canvas.dot((x(change.old), y - 0.05), RADIUS, "faint", filled=False)
        canvas.dot((x(change.new), y + 0.05), RADIUS, "for" if change.new >= 0 else "against")
        said = "" if change.errors is None else f"{change.errors:.1f}"
        canvas.text(canvas.width - MARGIN, y, said, BODY, bold=change.beyond, anchor="end")
    canvas.top = bottom + 2 * SMALL / 72
    canvas.paragraph(
        "Rings are the old weights, dots the new ones, lines their 95% intervals. On the right is "
        "the change in joint standard errors, in bold if the intervals do not overlap.",
        SMALL,
        "faint",
    )


def _named(one: Difference, change: Change, several: bool) -> str:
    target = f', "{one.target}"' if several else ""
    return f"{one.id}{target}: {change.name}"


def _images(comparison: Comparison) -> Iterator[str]:
    if comparison.weights:
        canvas = Canvas(WIDTH, measured=False)
        draw(comparison, canvas)
        yield canvas.svg("the largest changes, old and new")


def _lines(comparison: Comparison) -> Iterator[str]:
    n = comparison.n or 1
    moved = numbers_for([comparison.prediction_change], scale=comparison.level)
    yield verdict(comparison)
    correlation = comparison.correlation
    ranks = "" if correlation is None else f"mean rank correlation {correlation:.2f}; "
    yield (
        f"{ranks}{comparison.overlap / n:.0%} of the top {comparison.top} components the same; "
        f"{counted(comparison.flips, 'sign')} changed; "
        f"predictions changed by up to {moved.plain(comparison.prediction_change)}"
    )
    if comparison.other_conditions:
        old, new = comparison.example
        yield (
            f"{comparison.other_conditions:,} of the weights belong to conditions that differ, "
            f"such as {old} and {new}: bins or values changed"
        )
    left = comparison.unmatched
    for count, said in (
        (left.only_old, "instances only in the old result"),
        (left.only_new, "instances only in the new result"),
        (left.failed, "instances failed on one side or both"),
        (left.targets, "targets explained on one side only"),
    ):
        if count:
            yield f"{count:,} {said}"


def verdict(comparison: Comparison) -> str:
    """Say in a sentence how many weights changed beyond both error bars."""
    if not comparison.weights:
        return "no component is in both results"
    changed = f"{comparison.beyond:,} of {comparison.weights:,} weights ({comparison.changed:.0%})"
    if comparison.beyond == 0:
        return f"no change beyond the error bars in {comparison.weights:,} weights"
    return f"{changed} changed beyond both error bars"


def _features(comparison: Comparison) -> Grid:
    drifts = [one.change / one.n for one in comparison.ranked()]
    changes = numbers_for(drifts, scale=comparison.level)
    columns = (
        SheetColumn("feature"),
        SheetColumn("target"),
        SheetColumn("compared", COUNT.plain),
        SheetColumn("changed", SHARE.plain),
        SheetColumn("flips", COUNT.plain),
        SheetColumn("mean change", changes.signed),
    )
    rows = tuple(
        (one.feature, one.target, one.n, one.beyond / one.n, one.flips, one.change / one.n)
        for one in comparison.ranked()
    )
    return Grid("features", "By feature", columns, rows, SHOWN)


def _instances(comparison: Comparison) -> Grid:
    moved = numbers_for(
        (one.prediction_change for one in comparison.listed()), scale=comparison.level
    )
    columns = (
        SheetColumn("instance"),
        SheetColumn("target"),
        SheetColumn("prediction", moved.signed),
        SheetColumn("ranks", Numbers(2).plain),
        SheetColumn("overlap", SHARE.plain),
        SheetColumn("flips", COUNT.plain),
        SheetColumn("largest change"),
    )
    rows = tuple(
        (
            one.id,
            one.target,
            one.prediction_change,
            one.rank_correlation,
            one.overlap,
            one.flips,
            "-" if one.largest is None else f"{one.largest.errors:.1f} SE: {one.largest.feature}",
        )
        for one in comparison.listed()
    )
    return Grid("instances", "Changed most (SE: joint standard errors)", columns, rows, SHOWN)
