"""The table: an explanation drawn for a terminal, in colour, plain Unicode or pure ASCII."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from math import isnan, nan
from typing import IO, TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from lime_cli.engine.explanation import Explanation, Rule, Surrogate
from lime_cli.engine.instance import Component, Segment, Spans
from lime_cli.formats.story import meaning_said, nearest_said, outline, samples_said
from lime_cli.formats.terminal import GAP, MARGIN, Page, page_of
from lime_cli.formats.wording import (
    Numbers,
    bars_of,
    choice_said,
    fidelity_said,
    in_order,
    marked,
    numbers_for,
    other_outputs,
    radius_said,
    target_said,
    value_beside,
)

if TYPE_CHECKING:
    from lime_cli.formats import Look


STEP = "  "

WORDS = {True: "kept", False: "masked"}


def tree_lines(rules: tuple[Rule, ...], names: Mapping[int, str], page: Page) -> Iterator[Text]:
    """Draw leaves in order: value, share of the weighted samples, the way there.

    ``names`` are safe to print; the first leaf is the instance's own.
    """
    form = numbers_for([rule.value for rule in rules])
    width = max(cell_len(page.literal(form.plain(rule.value))) for rule in rules)
    width = max(width, len("value"))
    head = f"{MARGIN}{'value':>{width}}{GAP}share{GAP}rule"
    yield page.cut(Text(head, style="dim"), page.look.width)
    for line in outline(rules):
        said = "always"
        if line.component is not None:
            said = f"{STEP * line.depth}{WORDS[line.kept]} {names[line.component]}"
        left = " " * (len(head) - len("rule"))
        if line.leaf is not None:
            value = page.literal(form.plain(line.leaf.value))
            left = f"{MARGIN}{value:>{width}}{GAP}{line.leaf.share:>5.1%}{GAP}"
        style = "bold" if line.leaf is rules[0] else ""
        yield page.cut(Text.assemble(left, said, style=style), page.look.width)


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
    largest = max((abs(one) for one in weights.values() if not isnan(one)), default=1.0)
    passage = Text()
    for piece, weight in marked(text.rstrip(), weights):
        passage.append_text(_piece(piece, weight, largest, page))
    yield from _excerpt(page.wrapped(passage), page)
    yield Text()
    name = page.literal(target_said(explanation, surrogate) or "the prediction")
    quantity = explanation.model.task == "regression"
    marks = [
        _piece("raises" if quantity else "for", 1, 1, page),
        _piece("lowers" if quantity else "against", -1, 1, page),
    ]
    legend = Text.assemble(MARGIN, marks[0], f" {name}, ", marks[1], " it")
    if any(map(isnan, weights.values())):
        legend.append(", ").append_text(_piece("not certain", nan, 1, page))
    yield legend
    yield Text()


def _weights_in_text(
    explanation: Explanation, surrogate: Surrogate
) -> dict[tuple[int, int], float]:
    """Return the weight of each word's characters; NaN where its sign is not certain."""
    return {
        span: nan if not one.certain else one.weight
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
    if isnan(weight):
        return Text(shown, style="underline") if page.look.colour else Text(f"[~{shown}~]")
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


FOR, AGAINST = "color(33)", "color(208)"
"""Blue and orange: told apart by every kind of colour vision, on dark and on light."""

NAMES = 34
"""Columns that names and values get, where they need them, before the bars do."""

NAMED = 6
"""Skipped components named for a reason, at most."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a block for each explanation as soon as it is there, an empty line between two."""
    page = page_of(look)
    for number, explanation in enumerate(explanations):
        out.write(page.printed([Text()] * (number > 0) + list(_lines(explanation, page))))


def _lines(explanation: Explanation, page: Page) -> Iterator[Text]:
    yield _title(explanation, page)
    for number, surrogate in enumerate(explanation.surrogates):
        if number > 0:
            yield Text()
        form = _prediction_format(surrogate)
        said = (page.literal(form.plain(surrogate.model_prediction)), "bold")
        name = page.literal(target_said(explanation, surrogate))
        yield Text.assemble(f"{name}: " if name else "", "the model predicts ", said)
        if others := other_outputs(explanation, surrogate):
            wide = max(1, page.prose)
            said_too = Text(page.literal(f"other classes: {others}"), style="dim")
            yield from said_too.wrap(page.console, wide)
        yield Text()
        yield from passage(explanation, surrogate, page)
        yield from _thumbnail(explanation, surrogate, page)
        if surrogate.rules:
            labels = {
                j: _label(explanation.components[j], page)[0]
                for rule in surrogate.rules
                for j, _ in rule.conditions
            }
            yield from tree_lines(surrogate.rules, labels, page)
        else:
            yield from _bars(explanation, surrogate, page)
        yield Text()
        yield from _sums(explanation, surrogate, page)
    if len(explanation.surrogates) > 1:
        yield Text()
    yield from _footer(explanation, page)


def _thumbnail(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    image = explanation.subject.image
    if image is None or surrogate.rules or not (page.look.colour and page.look.unicode):
        return
    from lime_cli.formats.drawing import thumbnail

    yield from thumbnail(explanation, surrogate, image, page)


def _title(explanation: Explanation, page: Page) -> Text:
    subject, model = explanation.subject, explanation.model
    left = Text(page.literal(subject.name), style="bold")
    right = Text(page.literal(f"{model.format} {model.digest[:8]}"), style="dim")
    room = page.prose - right.cell_len - left.cell_len
    return Text.assemble(left, " " * room, right) if room >= len(GAP) else left


def _bars(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Draw a line for each component: bar, weight, name, and what stands beside the name."""
    weights = surrogate.weights
    if not weights:
        yield Text(MARGIN + "no component has a weight", style="dim")
        return
    width = page.look.width - len(MARGIN) - len(GAP)
    labels = [_label(explanation.components[one.component], page) for one in weights]
    wanted = _widest(label.name for label in labels)
    reserved = min(_widest(GAP + label.beside for label in labels if label.beside), 2 * width // 5)
    room = (width, min(wanted + reserved, max(width // 2, NAMES)))
    level = abs(surrogate.model_prediction)
    bars = bars_of(weights, _scale(explanation, surrogate), room, page.glyphs, level)
    longest = _widest(label.name for label in labels if label.beside)
    names = max(min(longest, width - bars.width - reserved), 1)
    yield Text(f"{MARGIN}{bars.header()}{GAP}component", style="dim")
    for one, label in zip(weights, labels, strict=True):
        left, axis, right = bars.bar(one).partition(page.glyphs.axis)
        drawn = Text.assemble((left, AGAINST), (axis, "dim"), (right, FOR))
        name, *more = page.folded(label.name, names if label.beside else width - bars.width)
        name.pad_right(names - name.cell_len)
        beside = (GAP + label.beside, "dim")
        line = Text.assemble(MARGIN, drawn, GAP, bars.numbers(one), GAP, name, beside)
        blank = " " * (len(MARGIN) + bars.width + len(GAP))
        for drawn_line in (line, *(Text.assemble(blank, rest) for rest in more)):
            drawn_line.stylize("dim" if not one.certain else "")
            yield drawn_line


def _scale(explanation: Explanation, surrogate: Surrogate) -> float:
    """Return the farthest end of any interval: classes share it, quantities have their own."""
    shared = explanation.model.task == "classification"
    drawn = explanation.surrogates if shared else (surrogate,)
    weights = [one for surrogate in drawn for one in surrogate.weights]
    ends = [abs(end) for one in weights for end in (one.weight, *(one.interval or ()))]
    return max(ends, default=0.0)


class Label(NamedTuple):
    """What a component is called, safe to print, and its value or place."""

    name: str
    beside: str


def _label(component: Component, page: Page) -> Label:
    return Label(in_order(page.literal(component.name)), page.literal(_beside(component, page)))


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _beside(component: Component, page: Page) -> str:
    match component.where:
        case Segment(box=(left, top, right, bottom)):
            return f"x {left}-{right}, y {top}-{bottom}"
        case Spans(spans) if len(spans) > 1:
            return f"{page.glyphs.times}{len(spans)}"
        case _:
            return value_beside(component)


def _sums(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Say what the weights add up to, and how far to trust them."""
    form = _prediction_format(surrogate)
    if any(not one.certain for one in surrogate.weights):
        yield from page.row("~", "the interval contains 0: the sign is not certain")
    yield from page.row(
        "surrogate",
        f"{form.plain(surrogate.local_prediction)} against the model's "
        f"{form.plain(surrogate.model_prediction)}, gap {form.signed(surrogate.gap)}; "
        f"intercept {form.plain(surrogate.intercept)}",
    )
    for pair in surrogate.pairs:
        half = pair.interval.half_width
        names = " with ".join(explanation.components[j].name for j in pair.components)
        error = f" {page.glyphs.plus_minus}{form.least(half)}" if half else ""
        said = f"{form.signed(pair.weight)}{error}, {names}, both kept"
        yield from page.row("together", said)
    if others := _others(surrogate, page):
        yield from page.row("others", others)
    yield from page.row("fidelity", fidelity_said(explanation, surrogate))
    if radius := radius_said(surrogate):
        yield from page.row("radius", radius)
    if choice := choice_said(explanation, surrogate):
        yield from page.row("components", choice)


def _others(surrogate: Surrogate, page: Page) -> str:
    """Say what the components that are not shown add together."""
    others = surrogate.others
    if others is None or not others.weight:
        return ""
    half = others.interval.half_width if others.interval is not None else 0.0
    form = numbers_for((others.weight, half), scale=abs(surrogate.model_prediction))
    error = f" {page.glyphs.plus_minus}{form.least(half)}" if half else ""
    n = others.components
    counted = f"{n:,} components together" if n > 1 else "1 component"
    return f"{form.signed(others.weight)}{error}, {counted}"


def _footer(explanation: Explanation, page: Page) -> Iterator[Text]:
    if any(one.weights for one in explanation.surrogates):
        yield from page.row("weights", meaning_said(explanation))
    yield from page.row("samples", samples_said(explanation))
    if change := nearest_said(explanation):
        yield from page.row("change", change.removesuffix("."))
    segments = any(isinstance(one.where, Segment) for one in explanation.components)
    if segments and not any(one.rules for one in explanation.surrogates):
        yield from page.row("image", "-o overlay.png draws the superpixels on it")
    reasons: dict[str, list[str]] = {}
    for skipped in explanation.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.name)
    for reason, names in reasons.items():
        listed = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        yield from page.row("skipped", f"{len(names)} {reason}: {listed}")
    for warning in explanation.warnings:
        yield from page.row("warning", f"{warning.code}: {warning.message}")


def _prediction_format(surrogate: Surrogate) -> Numbers:
    """Choose one way to write the sums of a surrogate: three digits, four from 1 upwards."""
    numbers = (
        surrogate.model_prediction,
        surrogate.local_prediction,
        surrogate.intercept,
        surrogate.gap,
    )
    return numbers_for(numbers, 3 if max(map(abs, numbers)) < 1 else 4)
