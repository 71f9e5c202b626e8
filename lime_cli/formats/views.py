"""What a page shows of an explanation, as plain values for its template."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Component, Segment, Spans
from lime_cli.formats.bars import half_width, unresolved
from lime_cli.formats.outlines import outlines, picture_uri
from lime_cli.formats.words import fidelity_in_words, literal, marked, number_format, value_beside

Item = dict[str, Any]
LARGEST = 3
"""Components that a list names."""
TINTS = 3
"""Strengths of a mark."""


def item_of(explanation: Explanation, anchor: str) -> Item:
    """Return all that a page shows of an explanation."""
    subject, model = explanation.subject, explanation.model
    picture = subject.picture
    first = explanation.surrogates[0]
    item: Item = {
        "anchor": anchor,
        "name": name_of(explanation),
        "headline": f"{literal(first.name)} {_shown(first.model_prediction)}",
        "model": f"{model.format} model {model.digest[:12]}, {model.task}",
        "warnings": [
            {"code": one.code, "message": literal(one.message)} for one in explanation.caveats
        ],
        "facts": list(_facts(explanation)),
    }
    if picture is not None:
        item["height"], item["width"] = picture.labels.shape
        item["picture"] = picture_uri(picture)
    scale = _scale(explanation)
    item["targets"] = [_target(explanation, one, scale) for one in explanation.surrogates]
    return item


def row_of(explanation: Explanation, link: str) -> Iterator[dict[str, Any]]:
    """Yield a line of the list for each target."""
    for surrogate in explanation.surrogates:
        largest = ", ".join(
            f"{literal(explanation.components[one.component].name)} {one.weight:+.3g}"
            for one in surrogate.weights[:LARGEST]
        )
        fidelity = surrogate.fidelity
        yield {
            "name": name_of(explanation),
            "link": link,
            "target": literal(surrogate.name),
            "prediction": _shown(surrogate.model_prediction),
            "prediction_value": repr(surrogate.model_prediction),
            "fidelity": "" if fidelity is None else f"{fidelity:.2f}",
            "fidelity_value": "" if fidelity is None else repr(fidelity),
            "largest": largest,
            "warnings": ", ".join(dict.fromkeys(one.code for one in explanation.caveats)),
        }


def name_of(explanation: Explanation) -> str:
    """Return what an instance is called: source and id, once where they are the same."""
    subject = explanation.subject
    name = subject.id if subject.source in subject.id else f"{subject.source} {subject.id}"
    return literal(name)


def _target(explanation: Explanation, surrogate: Surrogate, scale: float) -> Item:
    form = number_format(one.weight for one in surrogate.weights)
    fidelity = fidelity_in_words(surrogate.fidelity)
    if surrogate.fidelity is not None:
        fidelity = f"{surrogate.fidelity:.2f}, {fidelity}"
    numbers = (surrogate.model_prediction, surrogate.local_prediction, surrogate.intercept)
    sums = number_format(numbers, 4)
    return {
        "name": literal(surrogate.name),
        "prediction": f"{surrogate.model_prediction:{sums}}",
        "local": f"{surrogate.local_prediction:{sums}}",
        "gap": f"{surrogate.gap:+{sums}}",
        "intercept": f"{surrogate.intercept:{sums}}",
        "fidelity": fidelity,
        "end": f"{scale:{form}}",
        "bars": [
            _bar(explanation.components[one.component], one, scale, form)
            for one in surrogate.weights
        ],
        "rules": [_rule(explanation, surrogate, i) for i in range(len(surrogate.rules))],
        "passage": list(_passage(explanation, surrogate)),
        "picture": list(_segments(explanation, surrogate, form)),
    }


def _scale(explanation: Explanation) -> float:
    """Return the largest end of any interval, so that the bars of all targets compare."""
    ends = [
        abs(end)
        for surrogate in explanation.surrogates
        for one in surrogate.weights
        for end in (one.weight, *(one.interval or ()))
    ]
    return max(ends, default=0.0) or 1.0


def _bar(component: Component, one: Weight, scale: float, form: str) -> Item:
    low, high = one.interval or (None, None)
    return {
        "component": one.component,
        "name": literal(component.name),
        "beside": literal(_beside(component)),
        "x": _place(one.weight, scale),
        "low": None if low is None else _place(low, scale),
        "high": None if high is None else _place(high, scale),
        "weight": f"{one.weight:+{form}}",
        "half": "" if one.interval is None else f"{half_width(one):{form}}",
        "unresolved": unresolved(one),
    }


def _place(weight: float, scale: float) -> float:
    return round(100 * weight / scale, 2)


def _beside(component: Component) -> str:
    match component.where:
        case Segment(box=(left, top, right, bottom)):
            return f"x {left}–{right}, y {top}–{bottom}"
        case Spans(spans) if len(spans) > 1:
            return f"×{len(spans)}"
    return value_beside(component.name, component.value)


def _rule(explanation: Explanation, surrogate: Surrogate, i: int) -> Item:
    rule = surrogate.rules[i]
    form = number_format(one.value for one in surrogate.rules)
    said = " and ".join(
        ("" if kept else "not ") + literal(explanation.components[j].name)
        for j, kept in rule.conditions
    )
    return {
        "where": said or "everywhere",
        "value": f"{rule.value:{form}}",
        "share": f"{rule.share:.0%}",
    }


def _passage(explanation: Explanation, surrogate: Surrogate) -> Iterator[tuple[str, str, str]]:
    """Yield pieces of a text: what is written, its tint, and its weight in words."""
    text = explanation.subject.facts.get("text")
    spans = {
        span: one.weight
        for one in surrogate.weights
        for where in [explanation.components[one.component].where]
        if isinstance(where, Spans)
        for span in where.spans
    }
    if not isinstance(text, str) or not spans:
        return
    largest = max(map(abs, spans.values())) or 1.0
    for piece, weight in marked(text, spans):
        strength = min(TINTS, math.ceil(TINTS * abs(weight) / largest))
        tint = f"{'p' if weight > 0 else 'n'}{strength}" if weight else ""
        shown = "\n".join(map(literal, piece.split("\n")))
        yield shown, tint, f"{weight:+.3g}"


def _segments(explanation: Explanation, surrogate: Surrogate, form: str) -> Iterator[Item]:
    picture = explanation.subject.picture
    if picture is None:
        return
    largest = max((abs(one.weight) for one in surrogate.weights), default=0.0)
    for one in surrogate.weights:
        component = explanation.components[one.component]
        if isinstance(component.where, Segment) and one.weight != 0:
            yield {
                "strength": round(0.05 + 0.35 * abs(one.weight) / largest, 2),
                "component": one.component,
                "sign": "for" if one.weight > 0 else "against",
                "path": outlines(picture.labels == component.where.segment),
                "said": f"{literal(component.name)}: {one.weight:+{form}}",
            }


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Yield what is known of instance and sampling, long texts left out."""
    facts = dict(explanation.subject.facts)
    row = facts.pop("row", None)
    for key, value in (row if isinstance(row, dict) else {}).items():
        yield literal(str(key)), "missing" if value is None else literal(str(value))
    for key, value in facts.items():
        if key not in ("text", "background") and not isinstance(value, dict | list):
            yield literal(str(key)), literal(str(value))
    yield "samples", f"{explanation.samples:,}, worth {explanation.effective_samples:,.0f}"
    yield "stopped", explanation.stop.replace("_", " ")
    numbers = explanation.settings.numbers()
    for key in ("seed", "features", "selection", "design", "surrogate"):
        yield key, str(numbers[key])
    yield "kernel width", f"{explanation.kernel_width:.4g}"
    for one in explanation.skipped:
        yield f"skipped {literal(one.name)}", one.reason


def _shown(number: float) -> str:
    return f"{number:.4g}"
