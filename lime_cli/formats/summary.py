"""The summary of many explanations as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lime_cli.formats.sheets import Column, Grid, Sheet
from lime_cli.results.picking import Pick
from lime_cli.results.summary import Aspect, Summary, record_of

SHOWN = 30
"""Features of a target that a page for people shows."""


def sheet_of(summary: Summary, picks: Sequence[Pick]) -> Sheet:
    """Return title, sentences and tables: one a target, and one of the instances picked."""
    grids = [_features(one, summary.top) for one in summary.aspects.values()]
    if picks:
        grids.append(_picks(picks))
    title = f"{summary.explained:,} explanations"
    return Sheet(title, tuple(_lines(summary)), tuple(grids), record_of(summary, list(picks)))


def _lines(summary: Summary) -> Iterator[str]:
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
        Column("feature"),
        Column("mean |weight|", ".4f"),
        Column("mean weight", "+.4f"),
        Column(f"in top {top}", ".0%"),
        Column("same sign", ".0%"),
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
    columns = (Column("instance"), Column("source"), Column("covers", ".0%"))
    return Grid(
        "pick",
        "Instances that stand for all",
        columns,
        tuple((one.id, one.source, one.covered) for one in picks),
    )
