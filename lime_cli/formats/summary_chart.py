"""The summary of many explanations as a chart: what matters, and to which side."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from lime_cli.errors import InputError, MissingDependency
from lime_cli.formats.chart import AGAINST, FAINT, FOR, INK, installed_fonts
from lime_cli.formats.words import literal
from lime_cli.results.summary import Aspect, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEATURES, TARGETS = 12, 8
"""Drawn at most: features of a target, targets."""


def save(summary: Summary, out: IO[bytes]) -> None:
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
