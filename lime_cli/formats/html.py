"""HTML: one page that needs nothing but itself, for one explanation or many.

Names, values and words are only ever text: the template escapes everything, and the page's own
policy allows no script but its own and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from itertools import islice
from typing import IO, Any

import numpy as np
from jinja2 import Environment, select_autoescape
from markupsafe import Markup, escape
from PIL import Image

from lime_cli.engine.explanation import Explanation, Surrogate
from lime_cli.engine.instance import Column, Component, Segment, SegmentedImage
from lime_cli.engine.model import BoolArray
from lime_cli.errors import SettingsError
from lime_cli.formats import Look, written
from lime_cli.formats.chart import FAINTEST
from lime_cli.formats.story import (
    LEVELS,
    WaterfallStep,
    bounds,
    caution_said,
    certainty_said,
    changes_said,
    comparison_said,
    legend,
    listed,
    members_of,
    numbers_of,
    outline,
    pair_of,
    prediction_of,
    remedies,
    sentence,
    shades,
    shown_value,
    sum_said,
    unit_of,
    waterfall,
)
from lime_cli.formats.wording import (
    STOPS,
    Numbers,
    choice_said,
    literal,
    numbers_for,
    radius_said,
    source_said,
    target_said,
)
from lime_cli.sources import ROW
from lime_cli.version import __version__

LONGEST = 768
"""Pixels of the longer side of an image on a page."""

TRACED = 384
"""Pixels of the longer side at which outlines are traced."""


def image_uri(image: SegmentedImage) -> str:
    """Return the image as a data URI: PNG where that is small, else JPEG."""
    small = Image.fromarray(image.pixels)
    small.thumbnail((LONGEST, LONGEST))
    png = io.BytesIO()
    small.save(png, "PNG", optimize=True)
    if png.tell() <= 100_000:
        return _uri("png", png)
    jpeg = io.BytesIO()
    small.save(jpeg, "JPEG", quality=85)
    return _uri("jpeg", jpeg)


THUMB = 64
"""Pixels of the longer side of an image in a list."""

SHOWN_IMAGE = re.compile(rb'<img src="data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)"')


def thumb_uri(image: Image.Image) -> str:
    """Return a small JPEG of an image as a data URI."""
    small, stream = image.convert("RGB"), io.BytesIO()
    small.thumbnail((THUMB, THUMB))
    small.save(stream, "JPEG", quality=75)
    return _uri("jpeg", stream)


def thumb_of_page(page: bytes) -> str:
    """Return a small copy of the image that a page of an explanation shows.

    "" for a page without one, or whose image was changed and cannot be read.
    """
    found = SHOWN_IMAGE.search(page)
    if found is None:
        return ""
    try:
        return thumb_uri(Image.open(io.BytesIO(base64.b64decode(found[1]))))
    except (OSError, ValueError):
        return ""


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


def middle(mask: BoolArray) -> tuple[int, int]:
    """Return the x and y in a mask (height, width) that lie farthest from its border.

    Unlike its centroid they lie in it, so that the numbers of a ring and of what it surrounds do
    not cover each other.
    """
    from scipy.ndimage import distance_transform_edt

    step = max(1, -(-max(mask.shape) // TRACED))
    depth = distance_transform_edt(np.pad(mask[::step, ::step], 1))
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return (int(column) - 1) * step, (int(row) - 1) * step


DOTS, FEATURES, TARGETS = 200, 12, 6
"""Drawn at most: instances of a feature, features of a target, targets."""


class Spreads:
    """Weights by target and feature, in memory that does not grow with the instances."""

    def __init__(self) -> None:
        self._weights: dict[str, dict[str, list[float]]] = {}
        self._sums: dict[str, dict[str, float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, explanation: Explanation) -> None:
        """Count an explanation; superpixels are of one image each and are left out."""
        for surrogate in explanation.surrogates:
            self._counts[surrogate.name] = self._counts.get(surrogate.name, 0) + 1
            weights = self._weights.setdefault(surrogate.name, {})
            sums = self._sums.setdefault(surrogate.name, {})
            for weight in surrogate.weights:
                component = explanation.components[weight.component]
                if isinstance(component.where, Segment):
                    continue
                where = component.where
                name = where.column if isinstance(where, Column) else component.name
                sums[name] = sums.get(name, 0.0) + abs(weight.weight)
                kept = weights.setdefault(name, [])
                if len(kept) < DOTS:
                    kept.append(weight.weight)

    def leading(self, most: int) -> list[str]:
        """Return the features of the largest weights over all targets."""
        total: dict[str, float] = {}
        for sums in self._sums.values():
            for name, size in sums.items():
                total[name] = total.get(name, 0.0) + size
        return sorted(total, key=lambda one: (-total[one], one))[:most]

    def drawn(self) -> list[dict[str, Any]]:
        """Return what a page draws: the targets of most instances, their largest features."""
        order = sorted(self._counts, key=lambda name: (-self._counts[name], name))
        return [self._target(name) for name in order[:TARGETS] if self._sums[name]]

    def _target(self, name: str) -> dict[str, Any]:
        sums = self._sums[name]
        features = sorted(sums, key=lambda one: (-sums[one], one))[:FEATURES]
        end = max(abs(w) for one in features for w in self._weights[name][one]) or 1.0
        form = numbers_for([end])
        return {
            "target": literal(name),
            "end": form.plain(end),
            "features": [self._feature(name, one, end) for one in features],
        }

    def _feature(self, target: str, feature: str, end: float) -> dict[str, Any]:
        weights = self._weights[target][feature]
        mean, form = self._sums[target][feature] / self._counts[target], numbers_for([end])
        return {
            "name": literal(feature),
            "dots": [round(100 * weight / end, 1) for weight in weights],
            "mean": form.plain(mean),
            "said": f"from {form.signed(min(weights))} to {form.signed(max(weights))}",
        }


Item = dict[str, Any]

LARGEST = 3
"""Components that a list names."""

CLASSES = 5
"""Classes whose predictions are listed, at most."""

OPEN = 40
"""Values of a row that are shown without a click, at most."""


def item_of(explanation: Explanation, anchor: str) -> Item:
    """Return all that a page shows of an explanation."""
    image = explanation.subject.image
    first = explanation.surrogates[0]
    unit, named = unit_of(explanation, first), target_said(explanation, first)
    item: Item = {
        "anchor": anchor,
        "name": literal(explanation.subject.name),
        "about": _about(explanation),
        "headline": f"{named or 'prediction'} {unit.value(first.model_prediction)}",
        "caution": caution_said(explanation),
        "warnings": [
            {"code": warning.code, "message": literal(warning.message)}
            for warning in explanation.warnings
        ],
        "remedies": list(map(literal, remedies(explanation))),
        "row": list(_values(explanation)),
        "open": OPEN,
        "classes": list(_classes(explanation)),
        "card": list(_card(explanation)),
    }
    if image is not None:
        item["height"], item["width"] = image.labels.shape
        item["image"] = image_uri(image)
    limits = [bounds(waterfall(explanation, surrogate)) for surrogate in explanation.surrogates]
    shared = min(low for low, _ in limits), max(high for _, high in limits)
    own = explanation.model.task != "classification"
    item["targets"] = [
        _target(explanation, surrogate, limits[i] if own else shared)
        for i, surrogate in enumerate(explanation.surrogates)
    ]
    return item


def _about(explanation: Explanation) -> str:
    """Say in a line what is explained."""
    subject, model = explanation.subject, explanation.model
    row = subject.facts.get("row")
    at = source_said(subject.source)
    if isinstance(row, int) and subject.source != ROW:
        at = f"row {row} of {at}"
    named = explanation.made_of or f"the {model.format} model {model.digest[:12]}"
    quoted = (" minus ".join(pair_of(explanation, one)) for one in explanation.surrogates)
    names = list(dict.fromkeys(quoted))
    if len(names) > NAMED:
        names[NAMED:] = [f"{len(names) - NAMED:,} more"]
    kind = ("class", "classes") if model.task == "classification" else ("output", "outputs")
    several = len(model.targets) > 1
    which = f": {kind[len(names) > 1]} {listed(names)}" if several else ""
    return literal(f"Explains what {named} predicts for {at}{which}.")


NAMED = 3
"""Targets that the line below the title names."""


def row_of(explanation: Explanation, link: str, thumb: str = "") -> Iterator[dict[str, Any]]:
    """Yield a line of the list for each target."""
    values, image = explanation.subject.facts.get("values"), explanation.subject.image
    if image is not None and not thumb:
        thumb = thumb_uri(Image.fromarray(image.pixels))
    for surrogate in explanation.surrogates:
        prediction = surrogate.model_prediction
        digits = 3 if explanation.model.task == "classification" else 4
        form = numbers_for((one.weight for one in surrogate.weights), scale=abs(prediction))
        largest = ", ".join(
            f"{_short(explanation.components[weight.component])} "
            f"{'' if weight.certain else '~'}{form.signed(weight.weight)}"
            for weight in surrogate.weights[:LARGEST]
        )
        fidelity = surrogate.fidelity
        yield {
            "name": literal(explanation.subject.name),
            "link": link,
            "thumb": thumb,
            "target": literal(surrogate.name),
            "prediction": numbers_for([prediction], digits).plain(prediction),
            "prediction_value": repr(prediction),
            "fidelity": "" if fidelity is None else f"{fidelity:.2f}",
            "fidelity_value": "" if fidelity is None else repr(fidelity),
            "largest": largest,
            "uncertain": not all(weight.certain for weight in surrogate.weights[:LARGEST]),
            "values": values if isinstance(values, dict) else {},
            "warnings": ", ".join(dict.fromkeys(warning.code for warning in explanation.warnings)),
        }


def _short(component: Component) -> str:
    """Name a component in a list, where a column's value stands in a column of its own."""
    where = component.where
    return literal(where.column if isinstance(where, Column) else component.name)


def _target(explanation: Explanation, surrogate: Surrogate, limits: tuple[float, float]) -> Item:
    scale = abs(surrogate.model_prediction)
    form = numbers_for((weight.weight for weight in surrogate.weights), scale=scale)
    steps = waterfall(explanation, surrogate)
    if explanation.subject.image is not None:  # where it is seen
        steps = tuple(step._replace(beside="") if step.kind == "weight" else step for step in steps)
    return {
        "prediction": prediction_of(explanation, surrogate),
        "lead": sentence(explanation, surrogate),
        "steps": [
            _step(step, number, limits)
            for step, number in zip(steps, numbers_of(steps), strict=True)
        ],
        "zero": _place(0.0, limits) if limits[0] < 0 < limits[1] else None,
        "legend": legend(explanation, surrogate),
        "scale": _scale(explanation, surrogate),
        "rules": list(_rules(explanation, surrogate)),
        "passage": [
            {
                "text": piece.text,
                "sign": "" if not piece.shade else "for" if piece.shade > 0 else "against",
                "strength": f"{abs(piece.shade):.0%}",
                "certain": piece.certain,
                "said": form.signed(piece.weight),
            }
            for piece in shades(explanation, surrogate)
        ],
        "image": list(_segments(explanation, surrogate, form)),
        "asked": ASKED_OF_A_TREE if surrogate.rules else ASKED,
        "compares": comparison_said(explanation, surrogate),
        "sums": sum_said(explanation, surrogate),
        "sure": list(certainty_said(explanation, surrogate)),
        "fit": list(_fit(explanation, surrogate)),
        "changes": list(changes_said(explanation, surrogate)),
    }


ASKED = "What does a weight compare with?", "Do the parts add up?"
ASKED_OF_A_TREE = "What does a line of the tree say?", "Does the tree agree with the model?"


def _scale(explanation: Explanation, surrogate: Surrogate) -> Item:
    """Return the weight of the strongest shade of a text, and which kinds there are."""
    weights = [piece for piece in shades(explanation, surrogate) if piece.shade]
    largest = max((abs(piece.weight) for piece in weights), default=0.0)
    return {
        "end": numbers_for([largest]).plain(largest),
        "for": any(piece.shade > 0 for piece in weights),
        "against": any(piece.shade < 0 for piece in weights),
        "open": next((piece.shade for piece in weights if not piece.certain), 0.0),
    }


def _step(step: WaterfallStep, number: str, limits: tuple[float, float]) -> Item:
    start, end = _place(step.start, limits), _place(step.end, limits)
    low, high = (_place(end_of_interval, limits) for end_of_interval in step.reach)
    return {
        "kind": "level" if step.kind in LEVELS else step.kind,
        "sign": "gap" if step.kind == "gap" else "for" if step.change >= 0 else "against",
        "name": step.name,
        "beside": step.beside,
        "number": number,
        "start": start,
        "end": end,
        "left": min(start, end),
        "width": round(abs(end - start), 2),
        "interval": None if step.interval is None else (low, high),
        "certain": step.certain and step.kind != "gap",
        "component": step.component,
    }


EDGE = 1.0
"""Per cent of a waterfall's width that is left free on either side."""


def _place(value: float, limits: tuple[float, float]) -> float:
    """Return where a value is drawn, in per cent of the width."""
    low, high = limits
    return round(EDGE + (100 - 2 * EDGE) * (value - low) / (high - low), 2)


def _rules(explanation: Explanation, surrogate: Surrogate) -> Iterator[Item]:
    """Yield the lines of a tree."""
    form = numbers_for(rule.value for rule in surrogate.rules)
    for line in outline(surrogate.rules):
        name = "" if line.component is None else explanation.components[line.component].name
        yield {
            "where": f"{'kept' if line.kept else 'masked'}: {literal(name)}" if name else "always",
            "depth": line.depth,
            "value": "" if line.leaf is None else form.plain(line.leaf.value),
            "share": "" if line.leaf is None else f"{line.leaf.share:.0%}",
            "own": line.leaf is surrogate.rules[0],
        }


def _segments(explanation: Explanation, surrogate: Surrogate, form: Numbers) -> Iterator[Item]:
    image = explanation.subject.image
    if image is None:
        return
    largest = max((abs(weight.weight) for weight in surrogate.weights), default=0.0)
    for weight in surrogate.weights:
        component = explanation.components[weight.component]
        if isinstance(component.where, Segment) and abs(weight.weight) >= FAINTEST * largest > 0:
            mask = image.labels == component.where.segment
            x, y = middle(mask)
            yield {
                "strength": round(0.05 + 0.35 * abs(weight.weight) / largest, 2),
                "component": weight.component,
                "sign": "for" if weight.weight > 0 else "against",
                "certain": weight.certain,
                "path": outlines(mask),
                "number": component.where.segment,
                "x": x,
                "y": y,
                "said": f"{literal(component.name)}: {form.signed(weight.weight)}",
            }


def _fit(explanation: Explanation, surrogate: Surrogate) -> Iterator[str]:
    """Say where the surrogate was fitted, what else was tried, and how parts were chosen."""
    if radius := radius_said(surrogate):
        yield f"Radius {radius}."
    form = numbers_for([surrogate.model_prediction])
    tried = [
        f"{at_radius.radius:.3g} ({at_radius.fidelity:.2f}{_gap_said(at_radius.gap, form)})"
        for at_radius in surrogate.by_radius
        if at_radius.fidelity is not None
    ]
    if len(tried) > 1:
        yield f"Radii compared, with fidelity and gap: {', '.join(tried)}."
    if surrogate.pairs_fidelity is not None:
        yield f"With the pairs listed in the record the fidelity is {surrogate.pairs_fidelity:.2f}."
    if choice := choice_said(explanation, surrogate):
        yield f"The components shown are {choice}."


def _gap_said(gap: float | None, form: Numbers) -> str:
    return "" if gap is None else f", {form.signed(gap)}"


def _classes(explanation: Explanation) -> Iterator[Item]:
    """Yield the largest outputs of the model, then those explained that are not among them."""
    outputs, names = explanation.outputs, explanation.model.targets
    if len(outputs) < 2 or len(outputs) != len(names):
        return
    unit = unit_of(explanation, explanation.surrogates[0])
    order = sorted(range(len(outputs)), key=lambda i: -outputs[i])
    own = {surrogate.target for surrogate in explanation.surrogates}
    shown = [i for n, i in enumerate(order) if n < CLASSES or i in own]
    top = max(abs(outputs[i]) for i in shown) or 1.0
    for i in shown:
        yield {
            "name": literal(names[i]),
            "value": unit.cell(outputs[i]),
            "width": round(100 * max(0.0, outputs[i]) / top, 1),
            "own": i in own,
        }
    if len(outputs) > len(shown):
        rest = sum(outputs[i] for i in order if i not in shown)
        together = f", together {unit.cell(rest)}" if unit.percent else ""
        more = f"{len(outputs) - len(shown):,} more{together}"
        yield {"name": more, "value": "", "width": 0, "own": False}


def _values(explanation: Explanation) -> Iterator[Item]:
    """Yield a row's values, each with the sign of its column's weight in the first target."""
    values = explanation.subject.facts.get("values")
    signs = {}
    for weight in explanation.surrogates[0].weights:
        where = explanation.components[weight.component].where
        if isinstance(where, Column):
            certain = weight.certain
            sign = "for" if weight.weight > 0 else "against"
            for column in members_of(explanation, where.column):
                signs[column] = sign if certain else f"{sign} open"
    for key, value in (values if isinstance(values, dict) else {}).items():
        shown = "missing" if value is None else shown_value(value)
        yield {"name": literal(str(key)), "value": literal(shown), "sign": signs.get(str(key), "")}


SPELLED = {None: "none", True: "yes", False: "no"}
"""Values that a card shows as words."""


def _card(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Yield what was explained, of which model, against what, and how it is made again."""
    subject, model = explanation.subject, explanation.model
    named = f"{literal(explanation.made_of)}, " if explanation.made_of else ""
    yield "model", f"{named}{model.format}, {model.task}, SHA-256 {model.digest}"
    facts = dict(subject.facts)
    row, background = facts.pop("row", None), facts.pop("background", None)
    at = f", row {row}" if isinstance(row, int) and subject.source != ROW else ""
    yield "data", f"{literal(subject.source)}{at}, SHA-256 {subject.digest}"
    for key, value in (row if isinstance(row, dict) else {}).items():
        yield literal(str(key)), "missing" if value is None else literal(str(value))
    if isinstance(background, dict) and "source" in background:
        bins = f", numbers in bins: {background['bins']}" if "bins" in background else ""
        rows = f", {background['rows']:,} rows" if isinstance(background.get("rows"), int) else ""
        described = f"{background['source']}{rows}{bins}, SHA-256 {background.get('digest', '')}"
        yield "background", literal(described)
    for key, value in facts.items():
        if key != "text" and not isinstance(value, dict | list):
            said = SPELLED[value] if value is None or isinstance(value, bool) else str(value)
            yield literal(str(key).replace("_", " ")), literal(said)
    yield "samples", f"{explanation.samples:,}: {STOPS.get(explanation.stop, explanation.stop)}"
    numbers = explanation.settings.numbers()
    for key in ("seed", "features", "selection", "surrogate"):
        yield key, str(numbers[key])
    if explanation.settings.like_lime:
        yield "kernel width", f"{explanation.kernel_width:.4g}"
    for skipped in explanation.skipped:
        yield f"skipped {literal(skipped.name)}", literal(skipped.reason)
    yield "limex", __version__
    if explanation.made_by:
        yield "command", literal(explanation.made_by)


DETAILED = 100
"""Explanations of several that a page shows in full: about 1.5 MB."""

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
    thumbs: Mapping[str, str] | None = None,
) -> None:
    """Write the page of a batch.

    ``links`` leads from ids to pages of their own; without them the first explanations are shown
    in full on this one. ``thumbs`` leads from ids to small images, for records that have none.
    ``failures`` have a ``name`` and what was ``said``.
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
        if len(rows) < LISTED:
            thumb = (thumbs or {}).get(explanation.subject.id, "")
            rows += islice(row_of(explanation, link, thumb), LISTED - len(rows))
    data = _data(items, rows, n, failures)
    data["spreads"] = spreads.drawn() if n > 1 else []
    columns = [
        column
        for column in spreads.leading(3 * COLUMNS)
        if any(column in r["values"] for r in rows)
    ]
    for row in rows:
        values = row.pop("values")
        row["cells"] = [_cell(values, column) for column in columns[:COLUMNS]]
    data["warned"] = any(row["warnings"] for row in rows)
    heads = ["instance", "target", "prediction", "fidelity", "largest weights"]
    names = [literal(column) for column in columns[:COLUMNS]]
    data["heads"] = [*heads, *names, *["warnings"] * data["warned"]]
    data["rows_shown"] = bool(links)
    out.write(_render(data).encode("utf-8", "xmlcharrefreplace"))


COLUMNS = 4
"""Columns of the rows whose values a list shows: those of the largest weights."""


def _cell(values: Mapping[str, Any], column: str) -> str:
    value = values.get(column)
    return literal(shown_value(value)) if value is not None else "missing" if values else ""


NAV = '<nav class="pages">'
"""Where a page of its own has room for links to the pages beside it."""


def linked(page: bytes, before: str, after: str, index: str) -> bytes:
    """Put links to the pages before and after, as far as there are, and to the list, on a page."""
    words = (("previous", before), ("all", index), ("next", after))
    links = "".join(
        f'<a href="{escape(name)}">{words_of_link}</a>' for words_of_link, name in words if name
    )
    head, found, tail = page.partition(NAV.encode())
    return head + found + links.encode() + tail[tail.index(b"</nav>") :] if found else page


def _data(
    items: list[Item], rows: list[dict[str, Any]], n: int, failures: list[dict[str, str]]
) -> dict[str, Any]:
    rest = f"The list shows the first {len(rows):,} rows." if len(rows) >= LISTED else ""
    if items and n > len(items):
        rest = (
            f"The first {len(items)} of {n:,} explanations are shown in full; -f html -o FOLDER "
            f"writes a page for each. {rest}"
        )
    subject = items[0]["name"] if n == 1 and items else f"{n:,} explanations"
    failed = f", {len(failures):,} failed" if failures else ""
    return {
        "title": subject,
        "subtitle": f"{n:,} explained{failed}" if failures or n == 1 else "",
        "items": items,
        "rows": rows,
        "failures": failures[:LISTED],
        "rest": rest if n > 1 else "",
    }


BODY = re.compile(r"<body[^>]*>(?P<body>.*)</body>", re.DOTALL)

SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)


def fragment(explanations: Iterable[Explanation], failures: list[dict[str, str]]) -> str:
    """Return what the page shows as a part of another page: without script, its style its own.

    The style sheet is nested in the class of the part, so that nothing around it changes. Where a
    notebook that is not trusted leaves out style sheets and SVG, a picture of the one explanation
    is seen instead.
    """
    each = list(explanations)
    stream = io.BytesIO()
    write_page(each, stream, {}, failures)
    found = BODY.search(stream.getvalue().decode())
    assert found is not None
    body = SCRIPT.sub("", found["body"])
    still = _still(each[0]) if len(each) == 1 and not failures else ""
    return f'<div class="limex"><style>{_scoped(part("page.css"))}</style>{still}{body}</div>'


def _still(explanation: Explanation) -> str:
    """Return the picture of an explanation, which style sheets hide; "" if there is none."""
    try:
        picture = written("svg", [explanation], Look())
    except SettingsError:  # a tree, or more targets than a picture shows
        return ""
    return f'<img class="still" alt="" src="{_uri("svg+xml", io.BytesIO(picture))}">'


PALETTE = re.compile(r":root\{(?P<colours>[^}]*)\}")

THEMES = (
    (0, "light", "[data-jp-theme-light=true],.vscode-light,html[theme=light]"),
    (1, "dark", "[data-jp-theme-light=false],.vscode-dark,html[theme=dark]"),
)
"""Palettes by their place in the style sheet, and how notebooks mark themes of that kind."""


PART = ".limex.limex.limex"

PLAIN = (
    "dt,dd{float:none;width:auto}tr{background:none;text-align:start}"
    "table{margin:0;table-layout:auto;font-size:inherit;color:inherit}"
)
"""What notebooks style and the style sheet does not."""


def _scoped(style: str) -> str:
    """Nest a style sheet in the class of a part; its colours are those of the notebook's theme.

    The class is named three times, to weigh more than the notebook's own rules for outputs.
    """
    palettes = [found["colours"] for found in PALETTE.finditer(style)]
    nested = style.replace(":root", "&").replace("body{", "&{")
    themes = (
        f":is({marks}) {PART}{{{palettes[place]};color-scheme:{scheme}}}"
        for place, scheme, marks in THEMES
    )
    return f"{PART}{{{PLAIN}{nested}.still{{display:none}}}}{''.join(themes)}"


def _render(data: Mapping[str, Any]) -> str:
    if len(data["items"]) == 1 and not (data["failures"] or data["rest"] or data["rows_shown"]):
        return filled("explanations.html", {**data, "script": ""})  # nothing to sort or filter
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
