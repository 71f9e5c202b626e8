"""HTML: one page that needs nothing but itself, for one explanation or many.

Names, values and words are only ever text: the template escapes everything, and the page's own
policy allows no script but its own and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, select_autoescape
from markupsafe import Markup
from PIL import Image

from lime_cli.engine.arrays import BoolArray
from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Column, Component, Picture, Segment, Spans
from lime_cli.formats.wording import (
    choice_said,
    fidelity_said,
    half_width,
    literal,
    marked,
    number_format,
    other_outputs,
    radius_said,
    unresolved,
    value_beside,
)
from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.formats import Look


LONGEST = 768
"""Pixels of the longer side of a picture on a page."""

TRACED = 384
"""Pixels of the longer side at which outlines are traced."""


def picture_uri(picture: Picture) -> str:
    """Return the picture as a data URI: PNG where that is small, else JPEG."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((LONGEST, LONGEST))
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    if png.tell() <= 100_000:
        return _uri("png", png)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    return _uri("jpeg", jpeg)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def outlines(mask: BoolArray) -> str:
    """Return the borders of a mask (height, width) as an SVG path in its pixels."""
    from skimage.measure import approximate_polygon, find_contours

    step = max(1, -(-max(mask.shape) // TRACED))
    padded = np.pad(mask[::step, ::step].astype(float), 1)
    parts = []
    for line in find_contours(padded, 0.5):  # type: ignore[no-untyped-call]
        corners = approximate_polygon(line, 0.6)  # type: ignore[no-untyped-call]
        points = (corners[:, ::-1] - 0.5) * step
        parts.append("M" + " ".join(f"{x:.0f},{y:.0f}" for x, y in points[:-1]) + "Z")
    return "".join(parts)


DOTS, FEATURES, TARGETS = 200, 12, 6
"""Drawn at most: instances of a feature, features of a target, targets."""


class Spreads:
    """Weights by target and feature, in memory that does not grow with the instances."""

    def __init__(self) -> None:
        self._weights: dict[str, dict[str, list[float]]] = {}
        self._sums: dict[str, dict[str, float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, explanation: Explanation) -> None:
        """Count an explanation; superpixels are of one picture each and are left out."""
        for surrogate in explanation.surrogates:
            self._counts[surrogate.name] = self._counts.get(surrogate.name, 0) + 1
            weights = self._weights.setdefault(surrogate.name, {})
            sums = self._sums.setdefault(surrogate.name, {})
            for one in surrogate.weights:
                component = explanation.components[one.component]
                if isinstance(component.where, Segment):
                    continue
                where = component.where
                name = where.column if isinstance(where, Column) else component.name
                sums[name] = sums.get(name, 0.0) + abs(one.weight)
                kept = weights.setdefault(name, [])
                if len(kept) < DOTS:
                    kept.append(one.weight)

    def drawn(self) -> list[dict[str, Any]]:
        """Return what a page draws: the targets of most instances, their largest features."""
        order = sorted(self._counts, key=lambda name: (-self._counts[name], name))
        return [self._target(name) for name in order[:TARGETS] if self._sums[name]]

    def _target(self, name: str) -> dict[str, Any]:
        sums = self._sums[name]
        features = sorted(sums, key=lambda one: (-sums[one], one))[:FEATURES]
        end = max(abs(w) for one in features for w in self._weights[name][one]) or 1.0
        form = number_format([end])
        return {
            "target": literal(name),
            "end": f"{end:{form}}",
            "features": [self._feature(name, one, end) for one in features],
        }

    def _feature(self, target: str, feature: str, end: float) -> dict[str, Any]:
        weights = self._weights[target][feature]
        mean = self._sums[target][feature] / self._counts[target]
        return {
            "name": literal(feature),
            "dots": [round(100 * one / end, 1) for one in weights],
            "mean": f"{mean:.4f}",
            "said": f"from {min(weights):+.3g} to {max(weights):+.3g}",
        }


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
    numbers = (surrogate.model_prediction, surrogate.local_prediction, surrogate.intercept)
    sums = number_format(numbers, 4)
    return {
        "name": literal(surrogate.name),
        "prediction": f"{surrogate.model_prediction:{sums}}",
        "local": f"{surrogate.local_prediction:{sums}}",
        "gap": f"{surrogate.gap:+{sums}}",
        "intercept": f"{surrogate.intercept:{sums}}",
        "outputs": other_outputs(explanation, surrogate),
        "fidelity": fidelity_said(surrogate),
        "radius": radius_said(surrogate),
        "others": _others(surrogate, sums),
        "choice": choice_said(explanation, surrogate),
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


def _others(surrogate: Surrogate, form: str) -> str:
    """Say what the components that are not shown add together."""
    others = surrogate.others
    if others is None or not others.weight:
        return ""
    return f"{others.weight:+{form}}, {others.components:,} components together"


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
    for key in ("seed", "features", "selection", "surrogate"):
        yield key, str(numbers[key])
    if explanation.settings.like_lime:
        yield "kernel width", f"{explanation.kernel_width:.4g}"
    for one in explanation.skipped:
        yield f"skipped {literal(one.name)}", one.reason


def _shown(number: float) -> str:
    return f"{number:.4g}"


DETAILED = 25
"""Explanations of several that a page shows in full."""

LISTED = 1_000
"""Rows of a page's list; so many take about 250 KB."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write one page: an explanation, or a list of them with the first ones in full."""
    write_page(explanations, out, {}, [])


def write_page(
    explanations: Iterable[Explanation],
    out: IO[bytes],
    links: Mapping[str, str],
    failures: list[dict[str, str]],
) -> None:
    """Write the page of a batch.

    ``links`` leads from ids to pages of their own; without them the first explanations are shown
    in full on this one. ``failures`` have a ``name`` and what was ``said``.
    """
    items: list[Item] = []
    rows: list[dict[str, Any]] = []
    spreads, n = Spreads(), 0
    for explanation in explanations:
        n += 1
        spreads.add(explanation)
        link = links.get(explanation.subject.id, "")
        if not links and len(items) < DETAILED:
            items.append(item_of(explanation, f"i{n}"))
            link = f"#i{n}"
        rows += islice(row_of(explanation, link), max(0, LISTED - len(rows)))
    data = _data(items, rows, n, failures)
    data["spreads"] = spreads.drawn() if n > 1 else []
    out.write(_render(data).encode("utf-8", "xmlcharrefreplace"))


def _data(
    items: list[Item], rows: list[dict[str, Any]], n: int, failures: list[dict[str, str]]
) -> dict[str, Any]:
    rest = f"The list shows the first {len(rows):,} rows." if len(rows) >= LISTED else ""
    if items and n > len(items):
        rest = f"The first {len(items)} of {n:,} explanations are shown in full. {rest}"
    one = items[0]["name"] if n == 1 and items else f"{n:,} explanations"
    failed = f", {len(failures):,} failed" if failures else ""
    return {
        "title": one,
        "subtitle": f"{n:,} explained{failed}",
        "items": items,
        "rows": rows,
        "failures": failures[:LISTED],
        "rest": rest if n > 1 else "",
    }


BODY = re.compile(r"<body[^>]*>(?P<body>.*)</body>", re.DOTALL)

SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)


def fragment(explanations: Iterable[Explanation], failures: list[dict[str, str]]) -> str:
    """Return what the page shows as a part of another page: without script, its style its own.

    The style sheet is nested in the class of the part, so that nothing around it changes.
    """
    stream = io.BytesIO()
    write_page(explanations, stream, {}, failures)
    found = BODY.search(stream.getvalue().decode())
    assert found is not None
    body = SCRIPT.sub("", found["body"])
    style = part("page.css").replace(":root", "&").replace("body{", "&{")
    return f'<div class="limex"><style>.limex{{{style}}}</style>{body}</div>'


def _render(data: Mapping[str, Any]) -> str:
    script = part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return filled("explanations.html", {**data, "script": Markup(script), "script_hash": digest})


def filled(template: str, data: Mapping[str, Any]) -> str:
    """Fill a template of this package; everything in ``data`` is escaped unless it is Markup."""
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True))
    style = Markup(part("page.css"))
    return environment.from_string(part(template)).render(**data, version=__version__, style=style)


def part(name: str) -> str:
    """Read a file of the templates."""
    return (files("lime_cli.formats") / "templates" / name).read_text("utf-8")
