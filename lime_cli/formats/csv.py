"""CSV in long form: a line for each instance, target and component."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from lime_cli.engine.instance import Column, Component, Segment, Spans

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate, Weight
    from lime_cli.formats import Look


HEADER = (
    "instance",
    "source",
    "target",
    "model_prediction",
    "local_prediction",
    "intercept",
    "fidelity",
    "rank",
    "component",
    "value",
    "where",
    "weight",
    "std_error",
    "low",
    "high",
    "rank_low",
    "rank_high",
    "selected",
    "samples",
    "stop",
    "warnings",
)


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write a header and the lines of each explanation as soon as it is there.

    Numbers are written in full and names as they are, so that programs can join on them.
    Instances without any weight have one line without a component.
    """
    out.write(_lines([HEADER]))
    for explanation in explanations:
        out.write(_lines(rows_of(explanation)))


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [safe_cell(cell) for cell in row] for row in rows
    )
    return text.getvalue().encode("utf-8", "backslashreplace")


def safe_cell(cell: Any) -> Any:
    """Return what to write for a cell: nothing that csv leaves bare, "" for None."""
    if isinstance(cell, str):
        return cell.replace("\0", "\\0").replace("\r", "\\r")
    return "" if cell is None else cell


def rows_of(explanation: Explanation) -> Iterator[tuple[Any, ...]]:
    """Yield the values of ``HEADER`` for each target and component."""
    codes = " ".join(dict.fromkeys(one.code for one in explanation.warnings))
    tail = (explanation.samples, explanation.stop, codes)
    for surrogate in explanation.surrogates:
        head = (explanation.subject.id, explanation.subject.source, *_sums(surrogate))
        if not surrogate.weights:
            yield (*head, *[None] * 11, *tail)
        for rank, one in enumerate(surrogate.weights, 1):
            component = explanation.components[one.component]
            yield (*head, rank, *_what(component), *_numbers(one), *tail)


def _sums(surrogate: Surrogate) -> tuple[Any, ...]:
    return (
        surrogate.name,
        surrogate.model_prediction,
        surrogate.local_prediction,
        surrogate.intercept,
        surrogate.fidelity,
    )


def _what(component: Component) -> tuple[Any, ...]:
    return component.name, component.value, _place(component)


def _place(component: Component) -> str:
    """Spell where a component is: a column, ranges of characters, a box in pixels."""
    match component.where:
        case Column(column, _):
            return column
        case Spans(spans, column):
            ranges = " ".join(f"{start}:{end}" for start, end in spans)
            return ranges if column is None else f"{column} {ranges}"
        case Segment(segment, box=box):
            return f"segment {segment} at " + ",".join(map(str, box))


def _numbers(one: Weight) -> tuple[Any, ...]:
    low, high = one.interval or (None, None)
    first, last = one.rank_range or (None, None)
    return one.weight, one.std_error, low, high, first, last, one.selected
