"""A text with its weighted words marked in place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.engine.instance import Spans
from lime_cli.formats.page import MARGIN, Page
from lime_cli.formats.words import marked

LONG = 30
"""Lines; a longer text is shown only where words are marked."""
TINTS_FOR = ("color(16) on color(153)", "color(16) on color(117)", "color(16) on color(75)")
TINTS_AGAINST = ("color(16) on color(223)", "color(16) on color(216)", "color(16) on color(208)")
"""Black on ever stronger blue and orange, for thirds of the largest weight.

Every kind of colour vision tells them apart, and the ground of the terminal does not matter.
"""


def passage(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Show a text with its weighted words marked in place."""
    text = explanation.subject.facts.get("text")
    weights = _weights_in_text(explanation, surrogate)
    if not isinstance(text, str) or not weights:
        return
    largest = max(abs(one) for one in weights.values())
    passage = Text()
    for piece, weight in marked(text.rstrip(), weights):
        passage.append_text(_piece(piece, weight, largest, page))
    yield from _excerpt(page.wrapped(passage), page)
    yield Text()
    name = page.literal(surrogate.name)
    quantity = explanation.model.task == "regression"
    marks = [
        _piece("raises" if quantity else "for", 1, 1, page),
        _piece("lowers" if quantity else "against", -1, 1, page),
    ]
    yield Text.assemble(MARGIN, marks[0], f" {name}, ", marks[1], " it")
    yield Text()


def _weights_in_text(
    explanation: Explanation, surrogate: Surrogate
) -> dict[tuple[int, int], float]:
    return {
        span: one.weight
        for one in surrogate.weights
        if one.weight != 0
        for where in [explanation.components[one.component].where]
        if isinstance(where, Spans)
        for span in where.spans
    }


def _piece(text: str, weight: float, largest: float, page: Page) -> Text:
    """Tint a piece of text by its weight, or put it in brackets with its sign."""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    shown = "\n".join(page.literal(line) for line in lines)
    if weight == 0:
        return Text(shown)
    strength = min(2, int(3 * abs(weight) / largest))
    if page.look.colour:
        return Text(shown, style=(TINTS_FOR if weight > 0 else TINTS_AGAINST)[strength])
    sign = "+" if weight > 0 else "-"
    return Text(f"[{sign}{shown}{sign}]", style="bold")


def _excerpt(lines: list[Text], page: Page) -> Iterator[Text]:
    """Leave the lines without marks out of a long text."""
    for has_marks, some in groupby(lines, lambda line: bool(line.spans)):
        run = list(some)
        if has_marks or len(lines) <= LONG or len(run) == 1:
            yield from run
        else:
            yield Text(f"{MARGIN}{page.glyphs.ellipsis} {len(run)} lines", style="dim")
