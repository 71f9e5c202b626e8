"""How the weights of a feature spread over many instances, as dots on an axis."""

from __future__ import annotations

from typing import Any

from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import Column, Segment
from lime_cli.formats.words import literal, number_format

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
