"""Markdown: a section and a table for each explanation, as a pull request shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from lime_cli.formats.story import nearest_said, sentence
from lime_cli.formats.wording import (
    STOPS,
    literal,
    numbers_for,
    other_outputs,
    radius_said,
    value_beside,
    verdict_said,
)

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate
    from lime_cli.formats import Look


ACTING = re.compile(r"([\\`*_{}\[\]#|<>~&@])")
"""Characters that Markdown, or HTML inside it, may act on."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write each explanation as soon as it is there; names and values are shown literally."""
    for number, explanation in enumerate(explanations):
        lines = [""] * (number > 0) + list(_lines(explanation))
        out.write("".join(line + "\n" for line in lines).encode("utf-8", "backslashreplace"))


def _lines(explanation: Explanation) -> Iterator[str]:
    subject = explanation.subject
    yield f"### {escaped(subject.name)}"
    for surrogate in explanation.surrogates:
        yield ""
        yield from _target(explanation, surrogate)
    yield ""
    if change := nearest_said(explanation):
        yield f"{escaped(change)}"
        yield ""
    yield f"{explanation.samples:,} samples: {STOPS.get(explanation.stop, explanation.stop)}."
    for warning in explanation.warnings:
        yield ""
        yield f"> **{escaped(warning.code)}**: {escaped(warning.message)}"


def _target(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    form = numbers_for((surrogate.model_prediction, surrogate.local_prediction))
    fidelity = verdict_said(explanation, surrogate)
    if surrogate.fidelity is not None:
        fidelity = f"{surrogate.fidelity:.2f} ({fidelity})"
    intercept = "" if surrogate.rules else f" (intercept {form.plain(surrogate.intercept)})"
    yield escaped(sentence(explanation, surrogate))
    yield ""
    yield (
        f"**{escaped(surrogate.name)}**: the model predicts "
        f"{form.plain(surrogate.model_prediction)}, the surrogate "
        f"{form.plain(surrogate.local_prediction)}{intercept}; fidelity {fidelity}."
    )
    if others := other_outputs(explanation, surrogate):
        yield f"Other classes: {escaped(others)}."
    if radius := radius_said(surrogate):
        yield f"Radius {radius}."
    yield ""
    if surrogate.rules:
        yield from _rules(explanation, surrogate)
    elif surrogate.weights:
        yield from _weights(explanation, surrogate)
    else:
        yield "No component has a weight."


def _weights(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    form = numbers_for(
        (one.weight for one in surrogate.weights),
        errors=[one.half_width for one in surrogate.weights],
        scale=abs(surrogate.model_prediction),
    )
    rows = [("component", "value", "weight", "± 95%", ""), ("---", "---", "--:", "--:", "---")]
    for one in surrogate.weights:
        component = explanation.components[one.component]
        beside = escaped(value_beside(component))
        width = form.least(one.half_width) if one.half_width else ""
        remark = "sign not certain" if not one.certain else ""
        rows.append((escaped(component.name), beside, form.signed(one.weight), width, remark))
    filled = [any(column[2:]) for column in zip(*rows, strict=True)]
    for row in rows:
        yield f"| {' | '.join(cell for cell, full in zip(row, filled, strict=True) if full)} |"


def _rules(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    yield "| where | value | share of the samples |"
    yield "|---|--:|--:|"
    form = numbers_for(rule.value for rule in surrogate.rules)
    for rule in surrogate.rules:
        said = " and ".join(
            escaped(explanation.components[j].name) + (" kept" if kept else " masked")
            for j, kept in rule.conditions
        )
        yield f"| {said or 'always'} | {form.plain(rule.value)} | {rule.share:.0%} |"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return ACTING.sub(r"\\\1", literal(" ".join(text.split())))
