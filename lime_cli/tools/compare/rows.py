"""Two rows of one table: what makes their predictions differ, with paired error bars.

Rows are explained from the same masks, so that much of the error of two weights is the same and
goes out of their difference. Records say how each block of samples moves a weight; from two of
these the covariance follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import IO, Any, NamedTuple

from lime_cli.engine.explanation import Interval
from lime_cli.errors import InputError
from lime_cli.formats.canvas import BODY, SMALL, Canvas
from lime_cli.formats.chart import WIDTH, draw_waterfall
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.formats.story import WaterfallStep, bounds
from lime_cli.formats.wording import literal, numbers_for
from lime_cli.records.reading import (
    FAILURE,
    Entry,
    SavedWeight,
    Target,
    instance_of,
    targets_of,
    unknown_instance,
)
from lime_cli.records.record import damage_named

NAME, NUMBER = "limex/rows", 1


class Term(NamedTuple):
    """One column in both rows."""

    feature: str
    names: tuple[str | None, str | None]
    """What the component is called in either row; None where the row does not show it."""
    weights: tuple[float | None, float | None]
    difference: float
    """First minus second, a weight that is not shown counting as part of the others."""
    interval: Interval | None
    """None where an error is not known."""
    paired: bool
    """Whether the interval allows for what both errors have in common."""

    @property
    def certain(self) -> bool:
        """Whether the sign of the difference is certain."""
        return self.interval is not None and not self.interval.holds_zero


@dataclass(frozen=True)
class TwoRows:
    """Why one row's prediction differs from another's; the parts add up to the difference."""

    source: str
    ids: tuple[str, str]
    target: str
    predictions: tuple[float, float]
    terms: tuple[Term, ...]
    """Columns that both rows show, by falling difference."""
    rest: float
    """What differs in the intercepts and in all that not both rows show."""
    gap: float
    """What differs in the gaps, which no weight explains."""

    @property
    def difference(self) -> float:
        """First prediction minus second."""
        return self.predictions[0] - self.predictions[1]


def two_rows(entries: Iterable[Entry], ids: tuple[str, str], place: str) -> list[TwoRows]:
    """Compare two explained rows in every target that both have.

    Raises InputError for rows that are not there, failed, are of no table, or cannot be compared.
    """
    found: dict[str, Entry] = {}
    known = []
    for entry in entries:
        with damage_named(entry.place):
            own = str(entry.record["instance"]["id"])
        known.append(own)
        if own in ids and own not in found:
            found[own] = entry
    for one in ids:
        if one not in found:
            raise unknown_instance(place, one, known)
        if found[one].schema == FAILURE:
            raise InputError(f"{found[one].place}: instance {one!r} failed", "choose another row")
    first, second = (found[one] for one in ids)
    _check(first, second)
    paired = _alike(first.record, second.record)
    with damage_named(second.place):
        targets = [{one.name: one for one in targets_of(entry.record)} for entry in (first, second)]
    common = [name for name in targets[0] if name in targets[1]]
    if not common:
        names = " and ".join(next(iter(one), "nothing") for one in targets)
        raise InputError(
            f"{place}: the rows explain {names}, no target in common", "explain both with --target"
        )
    source, _ = instance_of(first.record)
    return [_compared(source, ids, targets[0][name], targets[1][name], paired) for name in common]


def _check(first: Entry, second: Entry) -> None:
    with damage_named(second.place):
        for entry in (first, second):
            if entry.record["instance"]["modality"] != "tabular":
                raise InputError(f"{entry.place}: is not a row of a table", "name two rows")
        for key, said in (("model", "models"), ("background", "backgrounds")):
            digests = [(entry.record[key] or {}).get("digest") for entry in (first, second)]
            if digests[0] != digests[1]:
                raise InputError(
                    f"{second.place}: the rows were explained with different {said}",
                    "explain both with one",
                )


def _alike(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Tell whether two rows were explained from the same masks."""
    keys = ("seed", "kernel", "like_lime")
    return all(first["settings"].get(key) == second["settings"].get(key) for key in keys)


def _compared(
    source: str, ids: tuple[str, str], first: Target, second: Target, paired: bool
) -> TwoRows:
    one, other = ({weight.feature: weight for weight in side.weights} for side in (first, second))
    terms = [_term(one[name], other[name], paired) for name in one if name in other]
    terms.sort(key=lambda term: -abs(term.difference))
    shown = sum(term.difference for term in terms)
    return TwoRows(
        source,
        ids,
        first.name,
        (first.prediction, second.prediction),
        tuple(terms),
        rest=first.local_prediction - second.local_prediction - shown,
        gap=first.gap - second.gap,
    )


def _term(one: SavedWeight, other: SavedWeight, paired: bool) -> Term:
    difference = one.weight - other.weight
    interval, common = None, False
    if one.std_error is not None and other.std_error is not None:
        shared = 0.0
        mine, theirs = one.blocks or (), other.blocks or ()
        if paired and mine and len(mine) == len(theirs):
            shared = sum(a * b for a, b in zip(mine, theirs, strict=True)) / 1e6
            common = True
        errors = one.std_error, other.std_error
        error = sqrt(max(0.0, errors[0] ** 2 + errors[1] ** 2 - 2 * shared * errors[0] * errors[1]))
        half = error * max(_factor(one), _factor(other))
        interval = Interval.around(difference, half)
    return Term(
        one.feature,
        (one.name, other.name),
        (one.weight, other.weight),
        difference,
        interval,
        common,
    )


def _factor(one: SavedWeight) -> float:
    """Return how many standard errors the interval of a weight reaches."""
    if one.interval is None or not one.std_error:
        return 0.0
    return one.interval.half_width / one.std_error


# -- what is said ---------------------------------------------------------------------------------


def record_of(found: list[TwoRows]) -> dict[str, Any]:
    """Turn comparisons of two rows into JSON data, keys in a fixed order."""
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "source": found[0].source,
        "ids": list(found[0].ids),
        "targets": [
            {
                "name": one.target,
                "predictions": list(one.predictions),
                "difference": one.difference,
                "terms": [
                    {key: list(v) if isinstance(v, tuple) else v for key, v in t._asdict().items()}
                    for t in one.terms
                ],
                "rest": one.rest,
                "gap": one.gap,
            }
            for one in found
        ],
    }


def sheet_of(found: list[TwoRows]) -> Sheet:
    """Return title, sentences, and a table for each target."""
    source, (first, second) = found[0].source, found[0].ids
    grids = tuple(_grid(one) for one in found)
    title = f"rows {first} and {second} of {source}"
    lines = tuple(said(one) for one in found)
    if any(not term.certain for one in found for term in one.terms):
        lines += ("~ the sign of the difference is not certain",)
    return Sheet(title, lines, grids, record_of(found), _pictures(found))


def said(one: TwoRows) -> str:
    """Say in a sentence how far the predictions are apart, and what accounts for it most."""
    form = numbers_for([*one.predictions, one.difference])
    first, second = map(form.plain, one.predictions)
    text = (
        f'"{one.target}": the model gives row {one.ids[0]} {first} and row {one.ids[1]} {second}, '
        f"a difference of {form.signed(one.difference)}"
    )
    certain = [term for term in one.terms if term.certain][:3]
    parts = ", ".join(f"{term.feature} {form.signed(term.difference)}" for term in certain)
    return (
        f"{text}; largest by column: {parts}"
        if parts
        else f"{text}; no column certainly accounts for it"
    )


REST = "intercepts, others"
"""What the intercepts differ by, and the columns that one row alone shows."""


def _grid(one: TwoRows) -> Grid:
    first, second = (f"row {own}" for own in one.ids)
    form = numbers_for(
        [*one.predictions, *(term.difference for term in one.terms)],
        errors=[term.interval.half_width for term in one.terms if term.interval is not None],
    )
    columns = (
        SheetColumn("column"),
        SheetColumn("difference", form.signed),
        SheetColumn("± 95%", form.plain),
        SheetColumn("~"),
        SheetColumn(first, form.signed),
        SheetColumn(second, form.signed),
        SheetColumn("values"),
    )
    rows: list[tuple[Any, ...]] = [
        (
            term.feature,
            term.difference,
            None if term.interval is None else term.interval.half_width,
            "" if term.certain else "~",
            *term.weights,
            " / ".join(_value(name, term.feature) for name in term.names),
        )
        for term in one.terms
    ]
    rows += [
        (REST, one.rest, None, "", None, None, ""),
        ("gaps", one.gap, None, "", None, None, ""),
        ("predictions", one.difference, None, "", *one.predictions, ""),
    ]
    paired = all(term.paired for term in one.terms)
    how = "paired" if paired else "unpaired: the rows do not share their samples"
    return Grid(one.target, f'"{one.target}", intervals {how}', columns, tuple(rows))


def _value(name: str | None, column: str) -> str:
    """Return what a row has in a column, without its bin."""
    said = (name or "").removeprefix(f"{column} = ")
    return said.rpartition(" (")[0] if " (" in said and said[-1] in ")]" else said


# -- drawn ----------------------------------------------------------------------------------------


def save(found: list[TwoRows], out: IO[bytes], kind: str) -> None:
    """Draw how the differences lead from one prediction to the other, as ``png`` or ``svg``."""
    canvas = Canvas(WIDTH, measured=kind == "png")
    draw(found, canvas)
    canvas.write(out, kind, f"rows {' and '.join(found[0].ids)} of {found[0].source}")


def draw(found: list[TwoRows], canvas: Canvas) -> None:
    """Draw for each target a way from the second row's prediction to the first's."""
    canvas.heading(f"Row {found[0].ids[0]} against row {found[0].ids[1]} of {found[0].source}")
    for one in found:
        canvas.paragraph(f"{said(one)}.", BODY)
        canvas.top += 0.15
        steps = tuple(_steps(one))
        draw_waterfall(steps, canvas, bounds(steps))
        canvas.paragraph(
            "From the second row's prediction to the first's: how much more each column adds in "
            "the first row. Whiskers are 95% intervals of the difference; hatched bars have no "
            "certain sign or are not explained.",
            SMALL,
            "faint",
        )


def _steps(one: TwoRows) -> Iterator[WaterfallStep]:
    """Lead from the second row's prediction over every difference to the first's."""
    first, second = one.predictions
    yield WaterfallStep("model", literal(f"row {one.ids[1]}"), "", second, second)
    level = second
    for term in one.terms:
        values = " against ".join(_value(name, term.feature) for name in term.names)
        kind = "weight" if term.interval is not None else "gap"  # whose error is not known
        name, end = literal(f"{term.feature}: {values}"), level + term.difference
        yield WaterfallStep(kind, name, "", level, end, term.interval)
        level = end
    yield WaterfallStep("others", REST, "", level, level + one.rest)
    yield WaterfallStep("gap", "gaps", "", level + one.rest, first)
    yield WaterfallStep("model", literal(f"row {one.ids[0]}"), "", first, first)


def _pictures(found: list[TwoRows]) -> Iterator[str]:
    canvas = Canvas(WIDTH, measured=False)
    draw(found, canvas)
    yield canvas.svg("how the differences lead from one prediction to the other")
