"""The comparison of two results as a sheet."""

from __future__ import annotations

from collections.abc import Iterator

from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.tools.compare.measure import Comparison, record_of

SHOWN = 20
"""Features and findings that a page for people shows."""


def sheet_of(comparison: Comparison) -> Sheet:
    """Return title, sentences and tables: features, the instances changed most, findings."""
    grids = [_features(comparison), _instances(comparison)]
    if comparison.findings:
        rows = tuple((one,) for one in comparison.findings)
        grids.insert(0, Grid("findings", "Findings", (SheetColumn("what"),), rows, SHOWN))
    title = f"{comparison.n:,} explanations compared"
    return Sheet(title, tuple(_lines(comparison)), tuple(grids), record_of(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    n = comparison.n or 1
    yield verdict(comparison)
    correlation = comparison.correlation
    ranks = "" if correlation is None else f"mean rank correlation {correlation:.2f}; "
    yield (
        f"{ranks}{comparison.overlap / n:.0%} of the top {comparison.top} components the same; "
        f"{comparison.flips:,} signs changed; "
        f"predictions changed by up to {comparison.prediction_change:.3g}"
    )
    if comparison.other_conditions:
        old, new = comparison.example
        yield (
            f"{comparison.other_conditions:,} of the weights are of conditions that differ, "
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
    columns = (
        SheetColumn("feature"),
        SheetColumn("target"),
        SheetColumn("compared", ",d"),
        SheetColumn("changed", ".0%"),
        SheetColumn("flips", ",d"),
        SheetColumn("mean change", "+.4f"),
    )
    rows = tuple(
        (one.feature, one.target, one.n, one.beyond / one.n, one.flips, one.change / one.n)
        for one in comparison.ranked()
    )
    return Grid("features", "By feature", columns, rows, SHOWN)


def _instances(comparison: Comparison) -> Grid:
    columns = (
        SheetColumn("instance"),
        SheetColumn("target"),
        SheetColumn("prediction", "+.3f"),
        SheetColumn("ranks", ".2f"),
        SheetColumn("overlap", ".0%"),
        SheetColumn("flips", ",d"),
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
            "-" if one.largest is None else f"{one.largest.errors:.1f} errors: {one.largest.name}",
        )
        for one in comparison.listed()
    )
    return Grid("instances", "Changed most", columns, rows, SHOWN)
