"""What matters over many explanations, and the few instances that stand for them (SP-LIME).

Ribeiro, Singh and Guestrin 2016, section 4, with marcotcr/lime's rule for equal gains: the later
instance wins. Which components an instance has is kept in a file, so that memory stays flat.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    def add(self, target: Target, top: int) -> None:
        self.n += 1
        self.predictions += target.prediction
        if target.fidelity is not None:
            self.fidelities[round(target.fidelity * _STEPS)] += 1
        found: dict[str, list[tuple[float, bool]]] = {}
        for one in target.weights:
            found.setdefault(one.feature, []).append((one.weight, one.resolved))
        largest = {one.feature for one in target.weights[:top]}
        values = {one.feature: one.value for one in target.weights}
        for feature, weights in found.items():
            influence = self.features.setdefault(feature, Influence(feature))
            influence.add(weights, feature in largest, values.get(feature))
        if len(self.rows) < CELLS:
            sums = {one: sum(weight for weight, _ in found[one]) for one in list(found)[:WIDEST]}
            self.rows.append((target.prediction, sums))

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
        for target in targets_of(record):
            aspect = self.aspects.setdefault(target.name, Aspect(target.name))
            aspect.add(target, self.top)


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
