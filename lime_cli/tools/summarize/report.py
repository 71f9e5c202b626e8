"""The summary of many explanations as a sheet and as a chart."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

from lime_cli.errors import InputError, MissingDependency
from lime_cli.formats.chart import AGAINST, FAINT, FOR, INK, installed_fonts
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.formats.wording import literal
from lime_cli.tools.summarize.measure import Aspect, Pick, ResultSummary, record_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


FEATURES, TARGETS = 12, 8
"""Drawn at most: features of a target, targets."""


def save(summary: ResultSummary, out: IO[bytes]) -> None:
    """Write bars of the mean absolute weight, in them the mean signed weight, as PNG.

    Raises MissingDependency without matplotlib, InputError where nothing was explained.
    """
    aspects = sorted(summary.aspects.values(), key=lambda one: (-one.n, one.name))[:TARGETS]
    if not aspects:
        raise InputError("there is no explanation to draw", "every instance failed")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency("charts need matplotlib", "pip install 'limex[charts]'") from None
    heights = [0.9 + 0.27 * min(FEATURES, max(1, len(one.features))) for one in aspects]
    with mpl.rc_context({"font.family": installed_fonts(), "font.size": 10}):
        figure = Figure(figsize=(7.5, sum(heights)), layout="constrained")
        axes = figure.subplots(len(aspects), 1, squeeze=False, height_ratios=heights)[:, 0]
        for aspect, axis in zip(aspects, axes, strict=True):
            _draw(aspect, axis)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    out.write(stream.getvalue())


def _draw(aspect: Aspect, axis: Axes) -> None:
    shown = aspect.ranked()[:FEATURES]
    places = range(len(shown))
    axis.barh(places, [one.absolute / aspect.n for one in shown], height=0.7, color="#c9ced6")
    signed = [one.signed / aspect.n for one in shown]
    colours = [FOR if one >= 0 else AGAINST for one in signed]
    axis.barh(places, [abs(one) for one in signed], height=0.34, color=colours)
    names = [literal(one.feature)[:44] for one in shown]
    axis.set_yticks(list(places), names, color=INK, parse_math=False)
    axis.set_ylim(max(1, len(shown)) - 0.5, -0.5)
    title = f"{literal(aspect.name)}: {aspect.n:,} instances"
    axis.set_title(title, loc="left", fontsize=10.5, fontweight="bold", parse_math=False)
    axis.set_xlabel("mean |weight|; inside, the mean weight: blue for, orange against")
    axis.xaxis.label.set(color=FAINT, fontsize=8.5)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", colors=FAINT, labelsize=9)
    axis.spines[["top", "right", "left"]].set_visible(False)


SHOWN = 30
"""Features of a target that a page for people shows."""


def sheet_of(summary: ResultSummary, picks: Sequence[Pick]) -> Sheet:
    """Return title, sentences and tables: one a target, and one of the instances picked."""
    grids = [_features(one, summary.top) for one in summary.aspects.values()]
    if picks:
        grids.append(_picks(picks))
    title = f"{summary.explained:,} explanations"
    return Sheet(title, tuple(_lines(summary)), tuple(grids), record_of(summary, list(picks)))


def _lines(summary: ResultSummary) -> Iterator[str]:
    if summary.failures:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in sorted(summary.failures.items()))
        yield f"{sum(summary.failures.values()):,} instances failed: {kinds}"
    stops = ", ".join(
        f"{stop.replace('_', ' ')} {n:,}" for stop, n in sorted(summary.stops.items())
    )
    yield f"sampling stopped: {stops}"
    if summary.warnings:
        yield "warnings: " + ", ".join(
            f"{one} {n:,}" for one, n in sorted(summary.warnings.items())
        )


def _features(aspect: Aspect, top: int) -> Grid:
    quantiles = aspect.quantiles()
    middle = quantiles["0.5"]
    fidelity = "" if middle is None else f", median fidelity {middle:.2f}"
    caption = (
        f"{aspect.name}: {aspect.n:,} instances, mean prediction "
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
