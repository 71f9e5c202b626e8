"""Explanation: what the engine found out, as plain frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lime_cli.engine.instance import Caveat, Component, Identity, Skipped, Subject
from lime_cli.settings import Settings


class Weight(NamedTuple):
    """What one component adds to the surrogate when it stays; None where not computed."""

    component: int
    """Index into the explanation's components."""
    weight: float
    """In the unit of the target."""
    std_error: float | None = None
    interval: tuple[float, float] | None = None
    """95%."""
    rank_range: tuple[int, int] | None = None
    selected: float | None = None
    """Share of the leave-one-block-out fits that choose this component."""


@dataclass(frozen=True)
class Rule:
    """A leaf of a tree: what it says wherever these components stay or are gone."""

    conditions: tuple[tuple[int, bool], ...]
    """Component and whether it stays, from the root."""
    value: float
    """In the unit of the target."""
    share: float
    """Of the weighted samples, in 0..1."""


@dataclass(frozen=True)
class Surrogate:
    """The simple model of one target near the instance: weights, or the rules of a tree."""

    target: int
    name: str
    model_prediction: float
    intercept: float
    local_prediction: float
    """The surrogate's own value at the instance."""
    fidelity: float | None
    """Weighted R² on samples left out, in [-1, 1]; None for a constant response."""
    fit_r2: float | None
    """Weighted R² on the samples it was fitted to."""
    weights: tuple[Weight, ...]
    """By falling absolute weight."""
    rules: tuple[Rule, ...] = ()
    """Leaves of a tree in its order, the instance's own first; none of a linear surrogate."""

    @property
    def gap(self) -> float:
        """Model's prediction minus the surrogate's."""
        return self.model_prediction - self.local_prediction


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything known about one instance; ``components`` are all those it has."""

    subject: Subject
    model: Identity
    components: Sequence[Component]
    skipped: tuple[Skipped, ...]
    surrogates: tuple[Surrogate, ...]
    caveats: tuple[Caveat, ...]
    samples: int
    """Samples drawn, the instance itself not counted."""
    effective_samples: float
    """(sum of weights)² / sum of squared weights, the instance counted."""
    kernel_width: float
    stop: str
    """Why sampling stopped: ``samples`` (as many as asked for), ``resolved``, ``max_samples``,
    ``time`` or ``exhaustive``."""
    settings: Settings
