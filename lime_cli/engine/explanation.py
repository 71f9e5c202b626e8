"""Explanation: what the engine found out, as plain frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lime_cli.engine.instance import Component, Skipped, Subject
from lime_cli.engine.model import CodedWarning, Identity
from lime_cli.settings import Settings

POOR = 0.3
"""Fidelity below which weights do not describe the model."""
WORDS = ((0.9, "very good"), (0.7, "good"), (0.5, "fair"), (POOR, "poor"))
"""What fidelities from some number on are called."""


def called(fidelity: float) -> str:
    """Say in words how good a fidelity is."""
    described = "very poor: the surrogate does not describe the model here"
    return next((word for least, word in WORDS if fidelity >= least), described)


class Interval(NamedTuple):
    """Where a number lies, with a confidence of 95%."""

    low: float
    high: float

    @staticmethod
    def around(middle: float, half_width: float) -> Interval:
        """Return the interval of an estimate."""
        return Interval(float(middle - half_width), float(middle + half_width))

    @property
    def half_width(self) -> float:
        """What stands behind a ±."""
        return (self.high - self.low) / 2

    @property
    def holds_zero(self) -> bool:
        """Whether the sign is not certain."""
        return self.low <= 0 <= self.high


class Weight(NamedTuple):
    """What one component adds to the surrogate when it stays; None where not computed."""

    component: int
    """Index into the explanation's components."""
    weight: float
    """In the unit of the target."""
    std_error: float | None = None
    interval: Interval | None = None
    """Of the components shown together: adjusted for their choice among all."""
    rank_range: tuple[int, int] | None = None
    selected: float | None = None
    """Share of the leave-one-block-out fits that choose this component."""
    blocks: tuple[int, ...] | None = None
    """How leaving out each block of samples moves the weight, in thousandths of a vector of
    length 1: what its error has in common with that of another instance's weight."""

    @property
    def certain(self) -> bool:
        """Whether its sign is; of a weight without an interval, too."""
        return self.interval is None or not self.interval.holds_zero

    @property
    def half_width(self) -> float:
        """Of its interval; 0 without one."""
        return 0.0 if self.interval is None else self.interval.half_width


class Others(NamedTuple):
    """What all components that are not shown add together."""

    components: int
    """How many they are."""
    weight: float
    """Sum of their weights, in the unit of the target."""
    std_error: float | None
    interval: Interval | None


class Pair(NamedTuple):
    """What keeping two components is worth beyond keeping each of them."""

    components: tuple[int, int]
    """Indices into the explanation's components."""
    weight: float
    """In the unit of the target."""
    std_error: float
    interval: Interval


class Replaced(NamedTuple):
    """A component that a sample masks, and what stands there instead."""

    component: int
    """Index into the explanation's components."""
    value: str | float | int | bool | None
    """As a record says it; None where nothing does, or a missing value."""


class Counterfactual(NamedTuple):
    """The nearest sample that the model takes for another class."""

    target: int
    name: str
    """The class that the sample is predicted as."""
    prediction: float
    """For that class, of the sample."""
    original: float
    """For that class, of the instance."""
    replaced: tuple[Replaced, ...]
    """All that the sample changes."""


class AtRadius(NamedTuple):
    """What the surrogate at one radius is worth."""

    radius: float
    """Share of the components that are masked on average, in (0, 0.5]."""
    fidelity: float | None
    """None where masking decides nothing that can be told from noise."""
    std_error: float | None
    gap: float | None
    """Model's prediction minus the surrogate's, in the unit of the target."""


@dataclass(frozen=True)
class Rule:
    """A leaf of a tree: what it says wherever these components stay or are masked."""

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
    """Of what masking components decides, the share that the surrogate explains on samples left
    out, in [-1, 1]; None where masking decides nothing."""
    fit_r2: float | None
    """Weighted R² on the samples it was fitted to, whatever replaced what was masked."""
    weights: tuple[Weight, ...]
    """By falling absolute weight."""
    rules: tuple[Rule, ...] = ()
    """Leaves of a tree in its order, the instance's own first; none of a linear surrogate."""
    radius: float | None = None
    """Share of the components that are masked on average, in (0, 0.5]; None without a choice."""
    fidelity_error: float | None = None
    """Standard error of the fidelity."""
    spread: float | None = None
    """Share of the variance that is due to which replacement was drawn, in [0, 1]."""
    others: Others | None = None
    """None where every component is shown."""
    pairs: tuple[Pair, ...] = ()
    """Of the strongest components, where the weights alone explain too little; by falling size."""
    pairs_fidelity: float | None = None
    """Fidelity of the weights and the pairs together."""
    against: int | None = None
    """The output whose prediction is subtracted, in every number of this surrogate."""
    by_radius: tuple[AtRadius, ...] = ()
    """Every radius that was compared, the widest first."""
    every_weight: tuple[float, ...] = field(default=(), repr=False, compare=False)
    """Those of all components, shown or not; in no record."""

    @property
    def n_components(self) -> int:
        """Count the components, shown or not; 0 where that is not known."""
        return len(self.weights) + self.others.components if self.others else len(self.weights)

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
    warnings: tuple[CodedWarning, ...]
    samples: int
    """Samples drawn, the instance itself not counted."""
    effective_samples: float
    """(sum of weights)² / sum of squared weights, at the radius of the first target."""
    kernel_width: float
    """Width w of the kernel exp(-m / (2 w²)) on m masked components, of the first target; infinite
    at radius 0.5."""
    stop: str
    """Why sampling stopped: ``samples`` (as many as asked for), ``resolved``, ``max_samples``,
    ``time``, ``exhaustive``, ``flat`` (masking decides nothing) or ``no_linear_fit`` (weights
    explain nothing at any radius)."""
    settings: Settings
    outputs: tuple[float, ...] = ()
    """What the model predicts of the instance, all outputs in its order."""
    counterfactuals: tuple[Counterfactual, ...] | None = None
    """By rising number of components that are masked; None where they were not looked for."""
    made_of: str = ""
    """Name of the model's file, and """
    made_by: str = ""
    """the command line, as far as it changes a number; empty where there was none."""
