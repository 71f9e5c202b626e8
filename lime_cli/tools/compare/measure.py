"""What changed between two results of the same instances, each and all together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from math import hypot, inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from lime_cli.console import print_line
from lime_cli.engine.explanation import Interval
from lime_cli.errors import InputError
from lime_cli.formats.wording import NOISE
from lime_cli.records.reading import FAILURE, Entry, SavedWeight, Target, instance_of, targets_of
from lime_cli.records.record import damage_named

Key = tuple[str, str]


class Change(NamedTuple):
    """One component in both explanations."""

    name: str
    feature: str
    old: float
    new: float
    errors: float | None
    """Change in units of the joint standard error; infinite where that is 0, None where an error
    was not computed."""
    beyond: bool
    """Whether the two intervals have no value in common."""
    flipped: bool
    """Whether the sign is certain on both sides, and another."""
    conditions: tuple[str, str]
    """What the component meets while it is kept, old and new: bins and values may differ."""
    intervals: tuple[Interval | None, Interval | None] = (None, None)
    """Old and new."""


@dataclass(frozen=True)
class Difference:
    """One target of one instance, old against new."""

    source: str
    id: str
    target: str
    prediction_change: float
    level: float
    """The larger of both predictions, without its sign."""
    rank_correlation: float | None
    """Spearman's, of the weights of all components of either, 0 where one has none; None where
    either side is constant."""
    overlap: float
    """Share of the top components that both have."""
    changes: tuple[Change, ...]
    """Components in both, in the old order."""

    @property
    def flips(self) -> int:
        """How many signs changed for certain."""
        return sum(one.flipped for one in self.changes)

    @property
    def beyond(self) -> int:
        """How many weights changed beyond both error bars."""
        return sum(one.beyond for one in self.changes)

    @property
    def largest(self) -> Change | None:
        """The change of the most standard errors; None where no error was computed."""
        known = [one for one in self.changes if one.errors is not None]
        return max(known, key=lambda one: one.errors or 0.0, default=None)


@dataclass
class Unmatched:
    """What only one side has, or what failed on either."""

    only_old: int = 0
    only_new: int = 0
    failed: int = 0
    targets: int = 0
    """Targets that one side explains and the other does not."""
    unlike: str = ""
    """Why differences may come from how the sides were explained, in words; empty for no reason."""

    def warn(self) -> None:
        """Print why differences may come from how the sides were explained."""
        if self.unlike:
            print_line(f"limex: warning: {self.unlike}")


def compare(
    old: Iterable[Entry], new: Iterable[Entry], top: int, unmatched: Unmatched
) -> Iterator[Difference]:
    """Compare instances with the same source and id; count the others in ``unmatched``.

    Both sides are read in step, so that two results in the same order take no memory. Raises
    InputError for damaged records.
    """
    for first, second in _pairs(old, new, unmatched):
        if FAILURE in (first.schema, second.schema):
            unmatched.failed += 1
            continue
        unmatched.unlike = unmatched.unlike or _unlike(first, second)
        before, after = _targets(first), _targets(second)
        unmatched.targets += len(before.keys() ^ after.keys())
        source, own = instance_of(first.record)
        for name in before:
            if name in after:
                yield _difference((source, own, name), before[name], after[name], top)


CLASSES = 3
"""Names that are listed where two sides have different ones."""


def _unlike(old: Entry, new: Entry) -> str:
    """Say what of the engine differs between two records of an instance."""
    with damage_named(new.place):
        engines = [one.record["schema"]["number"] for one in (old, new)]
        names = [one.record["model"]["targets"] for one in (old, new)]
        kernels = [_kernel(one.record["settings"]) for one in (old, new)]
    if engines[0] != engines[1]:
        return (
            "the two results were explained by different engines (versions "
            f"{old.record['limex']} and {new.record['limex']}); explain the old one again"
        )
    if names[0] != names[1]:
        first, second = (", ".join(map(repr, one[:CLASSES])) for one in names)
        return (
            f"the two results have different classes ({first}; {second}); explain both with the "
            "same --classes"
        )
    if kernels[0] != kernels[1]:
        said = " and ".join(kernels)
        return (
            f"the two results have different kernels ({said}); explain both with the same --kernel "
            "and --radius"
        )
    return ""


def _kernel(settings: dict[str, Any]) -> str:
    """Name the kernel of a record's settings."""
    if settings.get("like_lime"):
        return "--like-lime"
    radius, width = settings.get("radius"), settings.get("kernel_width")
    fixed = f", radius {radius:g}" if radius else f", width {width:g}" if width else ""
    return f"{settings.get('kernel', 'product')}{fixed}"


def _pairs(
    old: Iterable[Entry], new: Iterable[Entry], unmatched: Unmatched
) -> Iterator[tuple[Entry, Entry]]:
    waiting: tuple[dict[Key, Entry], dict[Key, Entry]] = ({}, {})
    for pair in zip_longest(old, new):
        for side, entry in enumerate(pair):
            if entry is None:
                continue
            key = _key(entry)
            other = waiting[1 - side].pop(key, None)
            if other is not None:
                yield (entry, other) if side == 0 else (other, entry)
            elif key in waiting[side]:
                raise InputError(f"{entry.place}: the instance {key[1]!r} is there twice")
            else:
                waiting[side][key] = entry
    unmatched.only_old, unmatched.only_new = map(len, waiting)


def _key(entry: Entry) -> Key:
    with damage_named(entry.place):
        source, own = instance_of(entry.record)
    return source.rpartition("/")[2], own


def _targets(entry: Entry) -> dict[str, Target]:
    with damage_named(entry.place):
        found = {one.name: one for one in targets_of(entry.record)}
    return found  # noqa: RET504  # a context may swallow, for all mypy knows


def _difference(names: tuple[str, str, str], old: Target, new: Target, top: int) -> Difference:
    before = {one.place: one for one in old.weights}
    after = {one.place: one for one in new.weights}
    both = list(dict.fromkeys([*before, *after]))
    weights = [
        [side[place].weight if place in side else 0.0 for place in both] for side in (before, after)
    ]
    first, second = ({one.place for one in side.weights[:top]} for side in (old, new))
    most = max(len(first), len(second))
    level = max(abs(old.prediction), abs(new.prediction))
    largest = max(map(abs, weights[0] + weights[1]), default=0.0)
    rounding = max(ROUNDING * largest, NOISE * level)
    return Difference(
        *names,
        prediction_change=new.prediction - old.prediction,
        level=level,
        rank_correlation=spearman(*weights),
        overlap=len(first & second) / most if most else 1.0,
        changes=tuple(_change(before[one], after[one], rounding) for one in before if one in after),
    )


ROUNDING = 1e-6
"""Share of the largest weight that a single-precision model may round away."""


def _change(old: SavedWeight, new: SavedWeight, rounding: float) -> Change:
    """Compare two weights; a change of at most ``rounding`` is none."""
    errors, rounded = None, abs(new.weight - old.weight) <= rounding
    if old.std_error is not None and new.std_error is not None:
        joint = hypot(old.std_error, new.std_error)
        change = 0.0 if rounded else abs(new.weight - old.weight)
        errors = change / joint if joint > 0 else (0.0 if change == 0 else inf)
    flipped = old.certain and new.certain and old.weight * new.weight < 0
    return Change(
        name=new.name,
        feature=old.feature,
        old=old.weight,
        new=new.weight,
        errors=errors,
        beyond=not rounded and _apart(old, new),
        flipped=flipped,
        conditions=(old.condition, new.condition),
        intervals=(old.interval, new.interval),
    )


def _apart(old: SavedWeight, new: SavedWeight) -> bool:
    """Tell whether two intervals share no value; weights without them differ when unequal."""
    low, high = old.interval or (old.weight, old.weight)
    other_low, other_high = new.interval or (new.weight, new.weight)
    return high < other_low or other_high < low


def spearman(first: list[float], second: list[float]) -> float | None:
    """Return the rank correlation, equal values sharing their mean rank; None for a constant."""
    a, b = (_ranks(np.array(one)) for one in (first, second))
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Any) -> Any:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


NAME, NUMBER = "limex/comparison", 1

DRAWN = 20
"""Instances listed, those that changed most."""


@dataclass
class Drift:
    """How one feature's weights of one target changed over all instances."""

    target: str
    feature: str
    n: int = 0
    beyond: int = 0
    flips: int = 0
    change: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What is too much; None for no limit."""

    min_correlation: float | None = None
    min_overlap: float | None = None
    max_flips: int | None = None
    max_change: float | None = None
    """In units of the joint standard error."""
    max_changed: float | None = None
    """Share of weights, over all instances, that change beyond both error bars."""
    max_prediction_change: float | None = None


@dataclass
class Comparison:
    """Everything counted, in memory that does not grow with the instances."""

    limits: Limits
    top: int
    unmatched: Unmatched = field(default_factory=Unmatched)
    n: int = 0
    """Targets of instances compared."""
    weights: int = 0
    beyond: int = 0
    flips: int = 0
    other_conditions: int = 0
    """Weights of a column that meets another condition in the new result."""
    example: tuple[str, str] = ("", "")
    """The first two such conditions, old and new."""
    correlations: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Sum and count."""
    overlap: float = 0.0
    prediction_change: float = 0.0
    """The largest, absolute."""
    level: float = 0.0
    """The largest prediction, absolute."""
    drifts: dict[tuple[str, str], Drift] = field(default_factory=dict)
    worst: list[tuple[float, int, Difference]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def add(self, one: Difference) -> None:
        self.n += 1
        self.weights += len(one.changes)
        self.beyond += one.beyond
        self.flips += one.flips
        self.overlap += one.overlap
        if one.rank_correlation is not None:
            self.correlations[0] += one.rank_correlation
            self.correlations[1] += 1
        self.prediction_change = max(self.prediction_change, abs(one.prediction_change))
        self.level = max(self.level, one.level)
        for change in one.changes:
            if change.conditions[0] != change.conditions[1]:
                self.other_conditions += 1
                self.example = self.example if self.example[0] else change.conditions
            drift = self.drifts.setdefault(
                (one.target, change.feature), Drift(one.target, change.feature)
            )
            drift.n += 1
            drift.beyond += change.beyond
            drift.flips += change.flipped
            drift.change += change.new - change.old
            drift.absolute += abs(change.new - change.old)
        largest = one.largest
        size = (largest.errors or 0.0) if largest else 0.0
        heapq.heappush(self.worst, (size, -self.n, one))
        if len(self.worst) > DRAWN:
            heapq.heappop(self.worst)
        self.findings.extend(_findings(one, self.limits))

    @property
    def changed(self) -> float:
        """Share of the weights that changed beyond both error bars."""
        return self.beyond / self.weights if self.weights else 0.0

    @property
    def correlation(self) -> float | None:
        """Mean rank correlation; None where there is none."""
        total, n = self.correlations
        return total / n if n else None

    def listed(self) -> list[Difference]:
        """List the instances that changed most, the most first."""
        return [one for _, _, one in sorted(self.worst, key=lambda found: (-found[0], -found[1]))]

    def ranked(self) -> list[Drift]:
        """List features by falling share of changed weights, then by mean absolute change."""
        return sorted(
            self.drifts.values(),
            key=lambda one: (-one.beyond / one.n, -one.absolute / one.n, one.target, one.feature),
        )


def collect(found: Iterable[Difference], comparison: Comparison) -> Comparison:
    """Count all differences and check what holds for all of them together."""
    for one in found:
        comparison.add(one)
    limit = comparison.limits.max_changed
    if limit is not None and comparison.changed > limit:
        comparison.findings.append(
            f"{comparison.changed:.1%} of the weights changed beyond both error bars, "
            f"at most {limit:.1%} may"
        )
    return comparison


def _findings(one: Difference, limits: Limits) -> Iterable[str]:
    where = f'{one.source} {one.id}, "{one.target}"'
    ranks, largest, moved = one.rank_correlation, one.largest, one.prediction_change
    if ranks is not None and _below(ranks, limits.min_correlation):
        yield f"{where}: rank correlation {ranks:.2f}"
    if _below(one.overlap, limits.min_overlap):
        yield f"{where}: {one.overlap:.0%} of the top components are the same"
    if _above(one.flips, limits.max_flips):
        names = ", ".join(change.name for change in one.changes if change.flipped)
        yield f"{where}: the sign changed of {names}"
    if largest is not None and _above(largest.errors or 0.0, limits.max_change):
        yield (
            f"{where}: {largest.name} changed from {largest.old:+.3g} to {largest.new:+.3g}, "
            f"{largest.errors:.1f} standard errors"
        )
    if _above(abs(moved), limits.max_prediction_change):
        yield f"{where}: the prediction changed by {moved:+.3g}"


def _below(value: float, limit: float | None) -> bool:
    return limit is not None and value < limit


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def record_of(comparison: Comparison) -> dict[str, Any]:
    """Turn a comparison into JSON data, keys in a fixed order."""
    n = comparison.n or 1
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "compared": comparison.n,
        "unmatched": asdict(comparison.unmatched),
        "top": comparison.top,
        "weights": comparison.weights,
        "changed_beyond_errors": comparison.changed,
        "sign_flips": comparison.flips,
        "other_conditions": comparison.other_conditions,
        "mean_rank_correlation": comparison.correlation,
        "mean_overlap": comparison.overlap / n,
        "largest_prediction_change": comparison.prediction_change,
        "limits": asdict(comparison.limits),
        "findings": comparison.findings,
        "features": [_drift(one) for one in comparison.ranked()],
        "most_changed": [_difference_data(one) for one in comparison.listed()],
    }


def _drift(one: Drift) -> dict[str, Any]:
    return {
        "target": one.target,
        "feature": one.feature,
        "compared": one.n,
        "changed_beyond_errors": one.beyond / one.n,
        "sign_flips": one.flips,
        "mean_change": one.change / one.n,
        "mean_absolute_change": one.absolute / one.n,
    }


def _difference_data(one: Difference) -> dict[str, Any]:
    return {
        "source": one.source,
        "id": one.id,
        "target": one.target,
        "prediction_change": one.prediction_change,
        "rank_correlation": one.rank_correlation,
        "overlap": one.overlap,
        "sign_flips": one.flips,
        "changed_beyond_errors": one.beyond,
        "components": [_change_data(change) for change in one.changes],
    }


def _change_data(one: Change) -> dict[str, Any]:
    errors = one.errors if one.errors is not None and isfinite(one.errors) else None
    data = {**one._asdict(), "errors": errors}
    del data["intervals"]  # those of the results compared
    return data
