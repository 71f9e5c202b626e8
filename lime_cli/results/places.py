"""Where a component is, as a record says it, and back."""

from __future__ import annotations

from typing import Any

from lime_cli.engine.explanation import Weight
from lime_cli.engine.instance import Column, Component, Segment, Spans


def where_of(place: Column | Spans | Segment) -> dict[str, Any]:
    """Return the place as JSON data."""
    match place:
        case Column(column):
            return {"column": column}
        case Spans(spans, None):
            return {"spans": spans}
        case Spans(spans, column):
            return {"spans": spans, "column": column}
        case Segment(segment, area, box, centroid):
            return {"segment": segment, "area": area, "box": box, "centroid": centroid}


def place_of(where: dict[str, Any]) -> Column | Spans | Segment:
    """Return the place that JSON data names; KeyError for none."""
    if "spans" in where:
        return Spans(tuple((start, end) for start, end in where["spans"]), where.get("column"))
    if "column" in where:
        return Column(where["column"])
    left, top, right, bottom = where["box"]
    x, y = where["centroid"]
    return Segment(where["segment"], where["area"], (left, top, right, bottom), (x, y))


def by_size(component: Component, weight: Weight) -> dict[str, Any]:
    """Return the weight in a number's own unit too, where the component is a number."""
    step = component.step
    return {} if step is None else {"step": step, "weight_per_unit": weight.weight / step}
