"""The table: an explanation drawn for a terminal, in colour, plain Unicode or pure ASCII."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.engine.instance import Component, Segment, Spans
from lime_cli.formats.bars import bars_of, unresolved
from lime_cli.formats.page import GAP, MARGIN, Page, page_of
from lime_cli.formats.passage import passage
from lime_cli.formats.rules import tree_lines
from lime_cli.formats.words import fidelity_in_words, in_order, number_format, value_beside

if TYPE_CHECKING:
    from lime_cli.formats import Look

KEY = 12
"""Columns of the footer's keys."""
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
        with page.console.capture() as captured:
            for line in [Text()] * (number > 0) + list(_lines(explanation, page)):
                line.rstrip()
                page.console.print(page.cut(line, look.width), soft_wrap=True)
        out.write(captured.get().encode("utf-8" if look.unicode else "ascii"))


def _lines(explanation: Explanation, page: Page) -> Iterator[Text]:
    yield _title(explanation, page)
    for number, surrogate in enumerate(explanation.surrogates):
        if number > 0:
            yield Text()
        form = _prediction_format(surrogate)
        said = (f"{surrogate.model_prediction:{form}}", "bold")
        yield Text.assemble(page.literal(surrogate.name), ": the model says ", said)
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
        yield from _sums(surrogate, page)
    if len(explanation.surrogates) > 1:
        yield Text()
    yield from _footer(explanation, page)


def _thumbnail(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    picture = explanation.subject.picture
    if picture is None or surrogate.rules or not (page.look.colour and page.look.unicode):
        return
    from lime_cli.formats.thumbnail import thumbnail

    yield from thumbnail(explanation, surrogate, picture, page)


def _title(explanation: Explanation, page: Page) -> Text:
    subject, model = explanation.subject, explanation.model
    name = subject.id if subject.source in subject.id else f"{subject.source} {subject.id}"
    left = Text(page.literal(name), style="bold")
    right = Text(page.literal(f"{model.format} {model.digest[:8]}"), style="dim")
    room = page.prose - right.cell_len - left.cell_len
    return Text.assemble(left, " " * room, right) if room >= len(GAP) else left


def _bars(explanation: Explanation, surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Draw a line for each component: bar, weight, name, and what stands beside the name."""
    weights = surrogate.weights
    if not weights:
        yield Text(MARGIN + "no component has any weight", style="dim")
        return
    width = page.look.width - len(MARGIN) - len(GAP)
    labels = [_label(explanation.components[one.component], page) for one in weights]
    wanted = _widest(label.name for label in labels)
    reserved = min(_widest(GAP + label.beside for label in labels if label.beside), 2 * width // 5)
    room = (width, min(wanted + reserved, max(width // 2, NAMES)))
    bars = bars_of(weights, _scale(explanation, surrogate), room, page.glyphs)
    longest = _widest(label.name for label in labels if label.beside)
    names = max(min(longest, width - bars.width - reserved), 1)
    yield Text(f"{MARGIN}{bars.header()}{GAP}component", style="dim")
    for one, label in zip(weights, labels, strict=True):
        left, axis, right = bars.bar(one).partition(page.glyphs.axis)
        drawn = Text.assemble((left, AGAINST), (axis, "dim"), (right, FOR))
        name = page.cut(Text(label.name), names if label.beside else width - bars.width)
        name.pad_right(names - name.cell_len)
        beside = (GAP + label.beside, "dim")
        line = Text.assemble(MARGIN, drawn, GAP, bars.numbers(one), GAP, name, beside)
        line.stylize("dim" if unresolved(one) else "")
        yield line


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
            return value_beside(component.name, component.value)


def _sums(surrogate: Surrogate, page: Page) -> Iterator[Text]:
    """Say what the weights add up to, and how far to trust them."""
    form = _prediction_format(surrogate)
    if any(unresolved(one) for one in surrogate.weights):
        yield from _row("~", "the interval holds 0: the sign is not certain", page)
    yield from _row(
        "surrogate",
        f"{surrogate.local_prediction:{form}} against the model's "
        f"{surrogate.model_prediction:{form}}, gap {surrogate.gap:+{form}}; "
        f"intercept {surrogate.intercept:{form}}",
        page,
    )
    fidelity = fidelity_in_words(surrogate.fidelity)
    if surrogate.fidelity is not None:
        fidelity = f"{surrogate.fidelity:.2f}, {fidelity}"
    yield from _row("fidelity", fidelity, page)


def _footer(explanation: Explanation, page: Page) -> Iterator[Text]:
    every = ", all there are" if explanation.stop == "exhaustive" else ""
    worth = f"worth {explanation.effective_samples:.0f} near the instance"
    yield from _row("samples", f"{explanation.samples}{every}, {worth}", page)
    segments = any(isinstance(one.where, Segment) for one in explanation.components)
    if segments and not any(one.rules for one in explanation.surrogates):
        yield from _row("picture", "-o overlay.png draws the superpixels on it", page)
    reasons: dict[str, list[str]] = {}
    for skipped in explanation.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.name)
    for reason, names in reasons.items():
        listed = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        yield from _row("skipped", f"{len(names)} {reason}: {listed}", page)
    for caveat in explanation.caveats:
        yield from _row("warning", f"{caveat.code}: {caveat.message}", page)


def _row(key: str, text: str, page: Page) -> Iterator[Text]:
    """Set a line of the footer: its key, and what it says wrapped beside it."""
    said = Text(page.literal(text))
    lines = said.wrap(page.console, max(1, page.prose - len(MARGIN) - KEY))
    for number, line in enumerate(lines):
        shown = key if number == 0 else ""
        yield Text.assemble(MARGIN, (shown.ljust(KEY), "bold" if key == "warning" else "dim"), line)


def _prediction_format(surrogate: Surrogate) -> str:
    """Return one format for the sums of a surrogate: three digits, four from 1 upwards."""
    numbers = (
        surrogate.model_prediction,
        surrogate.local_prediction,
        surrogate.intercept,
        surrogate.gap,
    )
    return number_format(numbers, 3 if max(map(abs, numbers)) < 1 else 4)
