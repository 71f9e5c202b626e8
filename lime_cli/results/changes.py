"""What changed over all instances: counts, features, and the instances that changed most."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from lime_cli.results.comparison import Change, Difference, Unmatched

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
    correlations: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Sum and count."""
    overlap: float = 0.0
    prediction_change: float = 0.0
    """The largest, absolute."""
    drifts: dict[tuple[str, str], Drift] = field(default_factory=dict)
    worst: list[tuple[float, int, Difference]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def add(self, one: Difference) -> None:
        """Count one target of one instance."""
        self.n += 1
        self.weights += len(one.changes)
        self.beyond += one.beyond
        self.flips += one.flips
        self.overlap += one.overlap
        if one.rank_correlation is not None:
            self.correlations[0] += one.rank_correlation
            self.correlations[1] += 1
        self.prediction_change = max(self.prediction_change, abs(one.prediction_change))
        for change in one.changes:
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
    where = f"{one.source} {one.id}, {one.target}"
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
        "mean_rank_correlation": comparison.correlation,
        "mean_overlap": comparison.overlap / n,
        "largest_prediction_change": comparison.prediction_change,
        "limits": asdict(comparison.limits),
        "findings": comparison.findings,
        "features": [_drift(one) for one in comparison.ranked()],
        "most_changed": [_difference(one) for one in comparison.listed()],
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


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "source": one.source,
        "id": one.id,
        "target": one.target,
        "prediction_change": one.prediction_change,
        "rank_correlation": one.rank_correlation,
        "overlap": one.overlap,
        "sign_flips": one.flips,
        "changed_beyond_errors": one.beyond,
        "components": [_change(change) for change in one.changes],
    }


def _change(one: Change) -> dict[str, Any]:
    errors = one.errors if one.errors is not None and isfinite(one.errors) else None
    return {**one._asdict(), "errors": errors}
