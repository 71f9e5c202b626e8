"""What matters over many explanations, and the few instances that stand for them (SP-LIME).

Ribeiro, Singh and Guestrin 2016, section 4, with marcotcr/lime's rule for equal gains: the later
instance wins. Which components an instance has is kept in a file, so that memory stays flat.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.errors import InputError
from lime_cli.formats.canvas import BODY, LEADING, MARGIN, SMALL, Canvas
from lime_cli.formats.chart import axis
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn
from lime_cli.formats.wording import SHARE, STOPS, counted, literal, numbers_for
from lime_cli.records.reading import FAILURE, Entry, Target, instance_of, targets_of
from lime_cli.records.record import damage_named

_CHUNK = 1 << 13


class Pick(NamedTuple):
    """One representative instance."""

    number: int
    """Among the explained, from 0."""
    source: str
    id: str
    covered: float
    """Share of all importance that this pick and those before it cover."""


class PickTable:
    """The explained instances as the pick needs them, in temporary files."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._sums = array("d")
        self._ends, self._named = array("q"), array("q")
        """Where the components of each instance end, and where its name does."""
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this
        self._names: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> PickTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()
        self._names.close()

    def add(self, record: dict[str, Any]) -> None:
        """Keep the components that have a weight; those of all targets are summed."""
        weights: dict[int, float] = {}
        name = instance_of(record)
        own = "\0".join(name) + "\0" if record["instance"]["modality"] == "image" else ""
        for target in targets_of(record):
            for one in target.weights:
                column = self._columns.setdefault(own + one.condition, len(self._columns))
                weights[column] = weights.get(column, 0.0) + one.weight
        self._sums.extend([0.0] * (len(self._columns) - len(self._sums)))
        present = [column for column, weight in weights.items() if weight != 0]
        for column in present:
            self._sums[column] += abs(weights[column])
        self._spool.write(np.array(present, np.int32).tobytes())
        self._ends.append((self._ends[-1] if self._ends else 0) + len(present))
        self._names.write(json.dumps(name).encode())
        self._named.append(self._names.tell())

    def name(self, number: int) -> tuple[str, str]:
        self._names.seek(self._named[number - 1] if number else 0)
        source, own = json.loads(self._names.read(self._named[number] - self._names.tell()))
        return source, own

    def __len__(self) -> int:
        return len(self._ends)

    def pick(self, n: int) -> Iterator[tuple[int, float]]:
        """Yield number and covered share of up to ``n`` instances, the best first."""
        importance = np.sqrt(np.array(self._sums))
        left, total = importance.copy(), importance.sum()
        taken = np.zeros(len(self), bool)
        for _ in range(min(n, len(self))):
            gains = self._gains(left)
            gains[taken] = -1.0
            best = len(gains) - 1 - int(np.argmax(gains[::-1]))
            taken[best] = True
            left[self._columns_of(best)] = 0.0
            yield best, float(1 - left.sum() / total) if total else 1.0

    def _gains(self, left: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each instance would add; read in chunks."""
        ends = np.array(self._ends)
        gains = np.zeros(len(ends))
        for first in range(0, len(ends), _CHUNK):
            last = min(first + _CHUNK, len(ends))
            start = ends[first - 1] if first else 0
            values = left[self._read(int(start), int(ends[last - 1]))]
            begins = np.concatenate([[start], ends[first : last - 1]]) - start
            sums = np.concatenate([[0.0], np.cumsum(values)])
            gains[first:last] = sums[ends[first:last] - start] - sums[begins]
        return np.round(gains, 12)

    def _columns_of(self, number: int) -> NDArray[np.int32]:
        return self._read(self._ends[number - 1] if number else 0, self._ends[number])

    def _read(self, start: int, end: int) -> NDArray[np.int32]:
        self._spool.seek(4 * start)
        return np.frombuffer(self._spool.read(4 * (end - start)), np.int32)


def pick(explained: PickTable, n: int) -> list[Pick]:
    """Choose up to ``n`` instances."""
    return [Pick(number, *explained.name(number), covered) for number, covered in explained.pick(n)]


NAME, NUMBER = "limex/summary", 1

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_STEPS = 1000

TWO_CLASSES = 1e-4
"""How far the sum of two probabilities may be from one."""

DOTS, CELLS, WIDEST = 300, 500, 30
"""Kept to be drawn, at most: instances of a feature, instances of a target, weights of one."""


@dataclass
class Influence:
    """What one feature adds to one target over all instances."""

    feature: str
    n: int = 0
    """Instances that give it a weight."""
    absolute: float = 0.0
    signed: float = 0.0
    top: int = 0
    """Instances that have it among their largest weights."""
    positive: int = 0
    negative: int = 0
    """Instances where its sign is certain."""
    dots: list[tuple[float, float | None]] = field(default_factory=list)
    """Weight and value of the first instances; no value where the feature has no number."""

    def add(self, weights: list[tuple[float, bool]], top: bool, value: float | None) -> None:
        """Count an instance; ``weights`` are the (weight, resolved) of the feature's components."""
        total = sum(weight for weight, _ in weights)
        self.n += 1
        if len(self.dots) < DOTS:
            self.dots.append((total, value))
        self.absolute += abs(total)
        self.signed += total
        self.top += top
        if any(resolved for _, resolved in weights):
            self.positive += total > 0
            self.negative += total < 0

    @property
    def sign_consistency(self) -> float | None:
        """Share of the certain signs that agree with the more frequent one; None without any."""
        certain = self.positive + self.negative
        return max(self.positive, self.negative) / certain if certain else None


@dataclass
class Aspect:
    """One target over all instances that explain it."""

    name: str
    n: int = 0
    predictions: float = 0.0
    fidelities: Counter[int] = field(default_factory=Counter)
    """Instances by fidelity, in thousandths."""
    features: dict[str, Influence] = field(default_factory=dict)
    rows: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """Prediction and weights by feature of the first instances."""
    turned: tuple[str, int] | None = None
    """The other of two classes, and how many of the instances explain that one."""

    def add(self, target: Target, top: int) -> None:
        self.n += 1
        self.predictions += target.prediction
        if target.fidelity is not None:
            self.fidelities[round(target.fidelity * _STEPS)] += 1
        found: dict[str, list[tuple[float, bool]]] = {}
        for one in target.weights:
            found.setdefault(one.feature, []).append((one.weight, one.certain))
        largest = {one.feature for one in target.weights[:top]}
        values = {one.feature: one.value for one in target.weights}
        for feature, weights in found.items():
            influence = self.features.setdefault(feature, Influence(feature))
            influence.add(weights, feature in largest, values.get(feature))
        if len(self.rows) < CELLS:
            sums = {one: sum(weight for weight, _ in found[one]) for one in list(found)[:WIDEST]}
            self.rows.append((target.prediction, sums))

    def joined(self, other: Aspect) -> Aspect:
        """Add what explains the other of two classes, whose weights are these with the other sign:
        the probabilities of both are one.
        """
        found = Aspect(self.name, self.n + other.n, turned=(other.name, other.n))
        for name in dict.fromkeys((*self.features, *other.features)):
            mine = self.features.get(name, Influence(name))
            theirs = other.features.get(name, Influence(name))
            dots = [*mine.dots, *((-weight, value) for weight, value in theirs.dots)]
            found.features[name] = Influence(
                name, mine.n + theirs.n, mine.absolute + theirs.absolute, dots=dots
            )
        turned = (
            (1 - prediction, {name: -weight for name, weight in weights.items()})
            for prediction, weights in other.rows
        )
        found.rows = [*self.rows, *turned]
        return found

    def ranked(self) -> list[Influence]:
        """List the features by falling mean absolute weight, equal ones by name."""
        return sorted(self.features.values(), key=lambda one: (-one.absolute, one.feature))

    def quantiles(self) -> dict[str, float | None]:
        """Return quantiles of the fidelity, to a thousandth; None without any."""
        total, passed, found = sum(self.fidelities.values()), 0, {}
        wanted = list(QUANTILES)
        for step in sorted(self.fidelities):
            passed += self.fidelities[step]
            while wanted and passed >= wanted[0] * total:
                found[f"{wanted.pop(0):g}"] = step / _STEPS
        return {f"{one:g}": found.get(f"{one:g}") for one in QUANTILES}


@dataclass
class ResultSummary:
    """Everything counted; ``top`` is how many of the largest weights count as such."""

    top: int
    explained: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    aspects: dict[str, Aspect] = field(default_factory=dict)
    two_classes: bool = True
    """Whether each instance has one of two classes explained, whose probabilities sum to one."""

    def drawn(self) -> list[Aspect]:
        """Return the targets that a drawing shows: one of two classes stands for both."""
        found = self.by_count()
        if self.two_classes and len(found) == 2:
            return [found[0].joined(found[1])]
        return found[:TARGETS]

    def by_count(self) -> list[Aspect]:
        """Return the targets, those that explain most instances first."""
        return sorted(self.aspects.values(), key=lambda one: (-one.n, one.name))

    def add(self, entry: Entry) -> None:
        """Count one entry; raise InputError, naming its place, for a damaged one."""
        with damage_named(entry.place):
            self._count(entry.schema, entry.record)

    def _count(self, schema: str, record: dict[str, Any]) -> None:
        if schema == FAILURE:
            self.failures[str(record["error"]["kind"])] += 1
            return
        self.explained += 1
        self.stops[str(record["stop"])] += 1
        self.warnings.update({str(one["code"]) for one in record["warnings"]})
        targets = list(targets_of(record))
        self.two_classes &= len(targets) == 1 and _are_two_classes(record)
        for target in targets:
            aspect = self.aspects.setdefault(target.name, Aspect(target.name))
            aspect.add(target, self.top)


def _are_two_classes(record: dict[str, Any]) -> bool:
    outputs = record.get("outputs") or ()
    task = (record.get("model") or {}).get("task")
    of_classes = task == "classification" and len(outputs) == 2
    return of_classes and min(outputs) >= 0 and abs(sum(outputs) - 1) < TWO_CLASSES


def summarize(
    entries: Iterable[Entry], top: int, picks: int = 0
) -> tuple[ResultSummary, list[Pick]]:
    """Count all entries, one at a time, and choose ``picks`` representative instances."""
    summary = ResultSummary(top)
    with PickTable() as explained:
        for entry in entries:
            summary.add(entry)
            if picks and entry.schema != FAILURE:
                with damage_named(entry.place):
                    explained.add(entry.record)
        return summary, pick(explained, picks)


def record_of(summary: ResultSummary, picks: list[Pick]) -> dict[str, Any]:
    """Turn a summary into JSON data, keys in a fixed order."""
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "explained": summary.explained,
        "failed": sum(summary.failures.values()),
        "failures": _counts(summary.failures),
        "warnings": _counts(summary.warnings),
        "stops": _counts(summary.stops),
        "top": summary.top,
        "targets": [_aspect(one) for one in summary.by_count()],
        "pick": [one._asdict() for one in picks],
    }


def _counts(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _aspect(aspect: Aspect) -> dict[str, Any]:
    return {
        "name": aspect.name,
        "instances": aspect.n,
        "mean_prediction": aspect.predictions / aspect.n,
        "fidelity": aspect.quantiles(),
        "features": [_influence(one, aspect.n) for one in aspect.ranked()],
    }


def _influence(one: Influence, n: int) -> dict[str, Any]:
    return {
        "feature": one.feature,
        "mean_absolute_weight": one.absolute / n,
        "mean_weight": one.signed / n,
        "share_in_top": one.top / n,
        "share_with_weight": one.n / n,
        "sign_consistency": one.sign_consistency,
    }


FEATURES, TARGETS = 12, 8
"""Drawn at most: features of a target, targets."""

WIDTH, ROW, RADIUS, CELL = 8.0, 0.36, 0.034, 0.2
"""Inches: of the image, of a feature's dots, of a dot, of a line of cells."""

LANES, SPREAD = 6, 0.38
"""Dots that stand on either side of a line without one over the other, and how far out they stand,
in lines: more are closer together."""

KEY_DOTS = 16
"""In the key, from the colour of low values to that of high ones."""

SHADES = 8
"""Strengths of a cell."""


def save(summary: ResultSummary, out: IO[bytes], kind: str = "png") -> None:
    """Draw weights by feature, value and instance as ``png`` or ``svg``.

    Raises MissingDependency for ``png`` without matplotlib, InputError where nothing was explained.
    """
    canvas = Canvas(WIDTH, measured=kind == "png")
    draw(summary, canvas)
    canvas.write(out, kind, counted(summary.explained, "explanation"))


def draw(summary: ResultSummary, canvas: Canvas) -> None:
    """Draw for each target a dot for every weight, then a cell for every instance and feature."""
    aspects = summary.drawn()
    if not aspects:
        raise InputError("there is no explanation to draw", "every instance failed")
    known: dict[str, set[float]] = {}
    """Values by feature, of all targets: what one class has in common may be the highest of all."""
    for aspect in summary.aspects.values():
        for feature, one in aspect.features.items():
            known.setdefault(feature, set()).update(v for _, v in one.dots if v is not None)
    for number, aspect in enumerate(aspects):
        canvas.top += 0.3 if number else 0.0
        canvas.heading(f"“{literal(aspect.name)}”: {counted(aspect.n, 'instance')}")
        if aspect.turned is not None:
            name, n = aspect.turned
            canvas.paragraph(
                f"For {n:,} of them, the only other class “{literal(name)}” was explained; their "
                "weights are shown with the opposite sign.",
                SMALL,
                "faint",
            )
            canvas.top += 0.1
        shown = aspect.ranked()[:FEATURES]
        if any(one.dots for one in shown):
            _swarm(aspect, shown, known, canvas)
            _cells(aspect, shown, canvas)


def _swarm(
    aspect: Aspect, shown: Sequence[Influence], known: dict[str, set[float]], canvas: Canvas
) -> None:
    canvas.top += 0.1
    names = _names(shown, canvas)
    start, room = _room(names, canvas)
    ends = [weight for one in shown for weight, _ in one.dots]
    reach = max(map(abs, ends)) or 1.0
    limits = min(0.0, *ends), max(0.0, *ends)
    limits = limits if limits[0] < limits[1] else (-reach, reach)

    def x(weight: float) -> float:
        return start + room * (weight - limits[0]) / (limits[1] - limits[0])

    top, bottom = canvas.top, canvas.top + ROW * len(shown)
    axis(canvas, x, limits, (top, bottom))
    canvas.line((x(0.0), top), (x(0.0), bottom), "faint", 0.9)
    form = numbers_for(one.absolute / aspect.n for one in shown)
    for number, one in enumerate(shown):
        y = top + ROW * (number + 0.5)
        canvas.text(start - 0.15, y, names[number], BODY, anchor="end", whole=literal(one.feature))
        mean = form.plain(one.absolute / aspect.n)
        canvas.text(canvas.width - MARGIN, y, mean, BODY, anchor="end")
        strengths = _strengths(one, known.get(one.feature, set()))
        lanes = _lanes([x(weight) for weight, _ in one.dots])
        spread = SPREAD * ROW / max(LANES, *map(abs, lanes), 1)
        for (weight, _), lane, strength in zip(one.dots, lanes, strengths, strict=True):
            place = y + lane * spread
            _value_dot(canvas, (x(weight), place), RADIUS, strength)
    canvas.top = bottom + 2 * SMALL / 72
    most = max(shown, key=lambda one: one.n)
    some = f"; {len(most.dots):,} of {most.n:,} are drawn" if most.n > len(most.dots) else ""
    left_out = [one.absolute / aspect.n for one in aspect.ranked()[len(shown) :]]
    others = ""
    if left_out:
        more = counted(len(left_out), "more feature")
        others = f" {more} not shown: {form.plain(max(left_out))} at most."
    canvas.paragraph(
        f"Each dot is an instance{some}. Right of 0 the feature raises the prediction, left of 0 "
        f"it lowers it. On the right: the mean |weight|.{others}",
        SMALL,
        "faint",
    )
    canvas.top += LEADING * SMALL / 72
    _key(canvas, [value for one in shown for _, value in one.dots])


def _value_dot(
    canvas: Canvas, place: tuple[float, float], radius: float, strength: float | None
) -> None:
    """Draw a dot in the colour of a value, a ring where there is no number."""
    if strength is None:
        canvas.dot(place, radius, "faint", filled=False)
    elif strength < 0.5:
        canvas.dot(place, radius, "low", ("middle", 2 * strength))
    else:
        canvas.dot(place, radius, "middle", ("high", 2 * strength - 1))


def _key(canvas: Canvas, values: Sequence[float | None]) -> None:
    """Say what the colours that are there mean."""
    left = MARGIN
    if any(value is not None for value in values):
        canvas.text(left, canvas.top, "low value", SMALL, "faint")
        left += canvas.measure("low value   ", SMALL) + 2 * RADIUS
        for number in range(KEY_DOTS):
            spot = (left + 2 * RADIUS * number, canvas.top)
            _value_dot(canvas, spot, 1.5 * RADIUS, number / (KEY_DOTS - 1))
        left += 2 * RADIUS * KEY_DOTS + canvas.measure(" ", SMALL)
        canvas.text(left, canvas.top, "high value", SMALL, "faint")
        left += canvas.measure("high value      ", SMALL)
    if any(value is None for value in values):
        _value_dot(canvas, (left + RADIUS, canvas.top), 1.5 * RADIUS, None)
        canvas.text(left + 5 * RADIUS, canvas.top, "category or missing", SMALL, "faint")


def _names(shown: Sequence[Influence], canvas: Canvas) -> list[str]:
    names = [literal(one.feature) for one in shown]
    return canvas.cut_names(names, BODY, [0.36 * canvas.width] * len(names))


def _room(names: Sequence[str], canvas: Canvas) -> tuple[float, float]:
    """Return where the drawing starts beside the names, and how wide it is."""
    widest = max(canvas.measure(name, BODY) for name in names)
    return MARGIN + widest + 0.15, canvas.room - widest - 0.15 - 0.75


def _lanes(places: Sequence[float]) -> list[int]:
    """Return for each dot on a line how far aside it stands, so that neighbours are seen."""
    taken: Counter[int] = Counter()
    found = []
    for place in places:
        n = taken[round(place / (2 * RADIUS))]
        taken[round(place / (2 * RADIUS))] += 1
        found.append((n + 1) // 2 * (1 if n % 2 else -1))
    return found


def _strengths(one: Influence, known: set[float]) -> list[float | None]:
    """Return how high the value of each dot is among all that are known, by its rank, in 0..1."""
    last = len(known) - 1
    ranks = {value: rank / last if last else 0.5 for rank, value in enumerate(sorted(known))}
    return [None if value is None else ranks[value] for _, value in one.dots]


def _cells(aspect: Aspect, shown: Sequence[Influence], canvas: Canvas) -> None:
    """Draw a line of cells for each feature, instances by their prediction."""
    rows = sorted(aspect.rows, key=lambda row: row[0])
    if len(rows) < 2:
        return
    canvas.top += 0.2
    names = _names(shown, canvas)
    start, room = _room(names, canvas)
    largest = max(abs(row[1].get(one.feature, 0.0)) for row in rows for one in shown) or 1.0
    width = room / len(rows)
    for one, name in zip(shown, names, strict=True):
        y = canvas.top + CELL / 2
        canvas.text(start - 0.15, y, name, BODY, anchor="end", whole=literal(one.feature))
        levels = [round(SHADES * row[1].get(one.feature, 0.0) / largest) for row in rows]
        for level, run in groupby(enumerate(levels), lambda pair: pair[1]):
            first, *rest = [i for i, _ in run]
            if level:
                size = (width * (1 + len(rest)), CELL - 0.02)
                colour = "for" if level > 0 else "against"
                canvas.box((start + width * first, y), size, colour, abs(level) / SHADES)
        canvas.top += CELL
    low, high = rows[0][0], rows[-1][0]
    canvas.line((start, canvas.top), (start + room, canvas.top), "line", 0.6)
    below = canvas.top + 0.8 * SMALL / 72
    form = numbers_for((low, high))
    canvas.text(start, below, form.plain(low), SMALL, "faint")
    end = f"prediction {form.plain(high)}"
    canvas.text(start + room, below, end, SMALL, "faint", anchor="end")
    canvas.top += 1.6 * SMALL / 72
    some = f" ({len(rows):,} of {aspect.n:,} are drawn)" if aspect.n > len(rows) else ""
    canvas.paragraph(
        f"Each column of cells is an instance{some}, from the lowest to the highest prediction; "
        f"the strongest colour is a weight of "
        f"{numbers_for([largest]).plain(largest)}.",
        SMALL,
        "faint",
    )


SHOWN = 30
"""Features of a target that a page for people shows."""


def sheet_of(summary: ResultSummary, picks: Sequence[Pick]) -> Sheet:
    """Return title, sentences and tables: one a target, and one of the instances picked."""
    grids = [_features(one, summary.top) for one in summary.by_count()]
    if picks:
        grids.append(_picks(picks))
    title = counted(summary.explained, "explanation")
    return Sheet(
        title,
        tuple(_lines(summary)),
        tuple(grids),
        record_of(summary, list(picks)),
        _images(summary),
    )


def _images(summary: ResultSummary) -> Iterator[str]:
    """Draw what a page shows above its tables, where there is something to draw."""
    if summary.aspects:
        canvas = Canvas(WIDTH, measured=False)
        draw(summary, canvas)
        yield canvas.svg("weights by feature, value and instance")


def _lines(summary: ResultSummary) -> Iterator[str]:
    if summary.failures:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in sorted(summary.failures.items()))
        yield f"{sum(summary.failures.values()):,} instances failed: {kinds}"
    stops = ", ".join(
        f"{STOPS.get(stop, stop)} ({n:,})" for stop, n in sorted(summary.stops.items())
    )
    yield f"why sampling stopped: {stops}"
    if summary.warnings:
        yield "warnings: " + ", ".join(
            f"{one} ({n:,})" for one, n in sorted(summary.warnings.items())
        )


def _features(aspect: Aspect, top: int) -> Grid:
    quantiles, mean = aspect.quantiles(), aspect.predictions / aspect.n
    middle = quantiles["0.5"]
    fidelity = "" if middle is None else f", median fidelity {middle:.2f}"
    caption = (
        f'"{aspect.name}": {counted(aspect.n, "instance")}, mean prediction '
        f"{numbers_for([mean]).plain(mean)}{fidelity}"
    )
    form = numbers_for((one.absolute / aspect.n for one in aspect.ranked()), scale=abs(mean))
    columns = (
        SheetColumn("feature"),
        SheetColumn("mean |weight|", form.plain),
        SheetColumn("mean weight", form.signed),
        SheetColumn(f"in top {top}", SHARE.plain),
        SheetColumn("same sign", SHARE.plain),
    )
    rows = tuple(
        (
            one.feature,
            one.absolute / aspect.n,
            one.signed / aspect.n,
            one.top / aspect.n,
            one.sign_consistency,
        )
        for one in aspect.ranked()
    )
    return Grid(aspect.name, caption, columns, rows, SHOWN)


def _picks(picks: Sequence[Pick]) -> Grid:
    columns = (SheetColumn("instance"), SheetColumn("source"), SheetColumn("covers", SHARE.plain))
    return Grid(
        "pick",
        "Representative instances",
        columns,
        tuple((one.id, one.source, one.covered) for one in picks),
    )
