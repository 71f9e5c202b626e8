"""Deletion and insertion curves, and the table of kernel widths, as people see them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO

from rich.text import Text

from lime_cli.engine.explanation import Explanation
from lime_cli.errors import MissingDependency
from lime_cli.formats.page import GAP, MARGIN, Page
from lime_cli.formats.words import literal
from lime_cli.results.curves import Curves
from lime_cli.results.widths import Width

KEY = 12
"""Columns of the keys."""


def curve_lines(curves: Curves, page: Page) -> Iterator[Text]:
    """Say how much sooner the prediction falls, or comes, than in random order."""
    random = f"{curves.random_area:.3f} {page.glyphs.plus_minus}{curves.random_sd:.3f} at random"
    for key, value, better in (
        ("deletion", curves.deletion_area, curves.deletion_area < curves.random_area),
        ("insertion", curves.insertion_area, curves.insertion_area > curves.random_area),
    ):
        words = "better" if better else "no better"
        said = f"area {value:.3f} against {random}: {words} than chance"
        for number, line in enumerate(_wrapped(said, page)):
            yield Text.assemble(MARGIN, ((key if number == 0 else "").ljust(KEY), "dim"), line)


def _wrapped(said: str, page: Page) -> list[Text]:
    return list(Text(said).wrap(page.console, max(1, page.prose - len(MARGIN) - KEY)))


def width_lines(widths: Sequence[Width], page: Page) -> Iterator[Text]:
    """Set the table of kernel widths, the one used in the middle."""
    yield Text()
    names = ("kernel width", "fidelity", "samples count", "same components")
    yield Text(MARGIN + GAP.join(names), style="dim")
    for one in widths:
        fidelity = "-" if one.fidelity is None else f"{one.fidelity:.3f}"
        cells = (
            f"{one.width:.4g}",
            fidelity,
            f"{one.effective_samples:,.0f}",
            f"{one.overlap:.0%}",
        )
        padded = [cell.rjust(len(name)) for cell, name in zip(cells, names, strict=True)]
        yield Text(MARGIN + GAP.join(padded))


def write_picture(explanation: Explanation, curves: Sequence[Curves], out: IO[bytes]) -> None:
    """Draw the curves of every target as PNG; raise MissingDependency without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependency("charts need matplotlib", "pip install 'limex[charts]'") from None
    figure = Figure(figsize=(7.0, 3.4 * len(curves)), layout="constrained")
    axes = figure.subplots(len(curves), 1, squeeze=False)[:, 0]
    for one, surrogate, axis in zip(curves, explanation.surrogates, axes, strict=True):
        axis.plot(one.removed, one.random, color="#8a8f98", linestyle="--", label="random order")
        axis.plot(one.removed, one.deletion, color="#e66e00", label="largest weight goes first")
        axis.plot(one.removed, one.insertion, color="#0a5fd7", label="largest weight goes last")
        title = f"{literal(explanation.subject.id)}: {literal(surrogate.name)}"
        axis.set_title(title, loc="left", fontsize=10.5, fontweight="bold", parse_math=False)
        axis.set_xlabel("share of the components gone")
        axis.set_ylabel("prediction")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    out.write(stream.getvalue())
