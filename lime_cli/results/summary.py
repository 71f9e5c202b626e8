"""The summary of many explanations: what matters overall, per target, in memory that stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lime_cli.results.damage import damage_named
from lime_cli.results.picking import Explained, Pick, pick
from lime_cli.results.reading import FAILURE, Entry
from lime_cli.results.weights import Target, targets_of

NAME, NUMBER = "limex/summary", 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_STEPS = 1000


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

    def add(self, weights: list[tuple[float, bool]], top: bool) -> None:
        """Count an instance; ``weights`` are the (weight, resolved) of the feature's components."""
        total = sum(weight for weight, _ in weights)
        self.n += 1
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

    def add(self, target: Target, top: int) -> None:
        """Count one instance."""
        self.n += 1
        self.predictions += target.prediction
        if target.fidelity is not None:
            self.fidelities[round(target.fidelity * _STEPS)] += 1
        found: dict[str, list[tuple[float, bool]]] = {}
        for one in target.weights:
            found.setdefault(one.feature, []).append((one.weight, one.resolved))
        largest = {one.feature for one in target.weights[:top]}
        for feature, weights in found.items():
            influence = self.features.setdefault(feature, Influence(feature))
            influence.add(weights, feature in largest)

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
class Summary:
    """Everything counted; ``top`` is how many of the largest weights count as such."""

    top: int
    explained: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    aspects: dict[str, Aspect] = field(default_factory=dict)

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


def summarize(entries: Iterable[Entry], top: int, picks: int = 0) -> tuple[Summary, list[Pick]]:
    """Count all entries, one at a time, and choose ``picks`` representative instances."""
    summary = Summary(top)
    with Explained() as explained:
        for entry in entries:
            summary.add(entry)
            if picks and entry.schema != FAILURE:
                with damage_named(entry.place):
                    explained.add(entry.record)
        return summary, pick(explained, picks)


def record_of(summary: Summary, picks: list[Pick]) -> dict[str, Any]:
    """Turn a summary into JSON data, keys in a fixed order."""
    return {
        "schema": {"name": NAME, "number": NUMBER},
        "explained": summary.explained,
        "failed": sum(summary.failures.values()),
        "failures": _counts(summary.failures),
        "warnings": _counts(summary.warnings),
        "stops": _counts(summary.stops),
        "top": summary.top,
        "targets": [_aspect(one) for one in summary.aspects.values()],
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
