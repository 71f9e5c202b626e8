"""Charts: weights as bars with their intervals, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.engine.instance import Component
from lime_cli.errors import MissingDependency, SettingsError
from lime_cli.formats.wording import fidelity_in_words, literal, unresolved, value_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FOR, AGAINST, INK, FAINT = "#0a5fd7", "#e66e00", "#14141c", "#5a5f68"

MOST = 8
"""Targets of one chart."""

WIDTH, ROW, HEAD = 7.5, 0.32, 1.1
"""Inches: of a chart, of a bar, of what stands over and under the bars of a target."""

NAME = 44
"""Characters of a component's name."""

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
        {"svg.hashsalt": "limex", "font.family": installed_fonts(), "font.size": 10}
    ):
        figure = _figure(explanation, width)
        stream = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            # older releases also name scripts that they cannot shape
            warnings.filterwarnings("ignore", "Matplotlib currently does not support")
            figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    out.write(stream.getvalue())


def installed_fonts() -> list[str]:
    """List the fonts of `FONTS` that are here."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return [one for one in FONTS if one in known]


def _figure(explanation: Explanation, width: float) -> Figure:
    from matplotlib.figure import Figure

    surrogates = explanation.surrogates
    heights = [HEAD + ROW * max(1, len(one.weights)) for one in surrogates]
    figure = Figure(figsize=(width, sum(heights) + 0.45), layout="constrained")
    title = figure.suptitle(_title(explanation), x=0.01, ha="left", color=INK, fontsize=11)
    title.set_parse_math(False)
    axes = figure.subplots(len(surrogates), 1, squeeze=False, height_ratios=heights)[:, 0]
    reach = _reach(surrogates)
    for one, axis in zip(surrogates, axes, strict=True):
        _bars(explanation, one, axis, reach)
    return figure


def _title(explanation: Explanation) -> str:
    subject = explanation.subject
    name = subject.id if subject.source in subject.id else f"{subject.source} {subject.id}"
    return _cut(literal(name), 70)


def _reach(surrogates: Sequence[Surrogate]) -> float:
    """Return the farthest end of any interval: all targets share one scale."""
    ends = [
        abs(end)
        for surrogate in surrogates
        for one in surrogate.weights
        for end in (one.weight, *(one.interval or ()))
    ]
    return max(ends, default=0.0) or 1.0


def _bars(explanation: Explanation, surrogate: Surrogate, axis: Axes, reach: float) -> None:
    weights = surrogate.weights
    places = range(len(weights))
    values = [one.weight for one in weights]
    drawn = axis.barh(
        places, values, height=0.62, color=[FOR if w >= 0 else AGAINST for w in values]
    )
    for one, bar in zip(weights, drawn, strict=True):
        bar.set_alpha(0.4 if unresolved(one) else 1.0)
    whiskers = [(i, one.interval) for i, one in enumerate(weights) if one.interval is not None]
    axis.hlines(
        [i for i, _ in whiskers],
        [interval[0] for _, interval in whiskers],
        [interval[1] for _, interval in whiskers],
        color=INK,
        linewidth=1.2,
    )
    axis.axvline(0, color=FAINT, linewidth=0.8)
    names = [_label(explanation.components[one.component]) for one in weights]
    axis.set_yticks(list(places), names, color=INK, parse_math=False)
    axis.set_xlim(-1.08 * reach, 1.08 * reach)
    axis.set_ylim(max(1, len(weights)) - 0.5, -0.5)
    _dress(surrogate, axis)


TICKS = 7
"""Numbers below an axis, about: more run into each other."""


def _dress(surrogate: Surrogate, axis: Axes) -> None:
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(FAINT)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", colors=FAINT, labelsize=9)
    axis.locator_params(axis="x", nbins=TICKS)
    axis.ticklabel_format(axis="x", style="sci", scilimits=(-3, 5))
    said = f"{_cut(literal(surrogate.name), 40)}: the model says {surrogate.model_prediction:.3g}"
    axis.set_title(said, loc="left", color=INK, fontsize=10.5, fontweight="bold", parse_math=False)
    fidelity = fidelity_in_words(surrogate.fidelity)
    if surrogate.fidelity is not None:
        fidelity = f"fidelity {surrogate.fidelity:.2f}, {fidelity}"
    axis.set_title(fidelity, loc="right", color=FAINT, fontsize=9)
    axis.set_xlabel("weight, with its 95% interval; pale: the sign is not certain", color=FAINT)
    axis.xaxis.label.set_fontsize(8.5)
    if not surrogate.weights:
        axis.text(0, 0, "no component has any weight", ha="center", va="center", color=FAINT)


def _label(component: Component) -> str:
    beside = value_beside(component.name, component.value)
    return _cut(literal(component.name), NAME) + (
        f"  {_cut(literal(beside), 16)}" if beside else ""
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
