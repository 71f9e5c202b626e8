"""Weights as records hold them: what they belong to, and how they compare across instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Seen:
    """One weight of a record."""

    feature: str
    """Column, word or superpixel: the same for every instance that has it."""
    name: str
    """The component's own name: ``age > 40``."""
    place: str
    """Tells components of one instance apart, in every explanation of it."""
    weight: float
    interval: tuple[float, float] | None
    std_error: float | None
    selected: float | None

    @property
    def resolved(self) -> bool:
        """Whether the sign is certain; True where no interval was computed."""
        return self.interval is None or not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class Target:
    """One explained output of a record; ``weights`` by falling size."""

    name: str
    prediction: float
    local_prediction: float
    fidelity: float | None
    weights: tuple[Seen, ...]

    @property
    def gap(self) -> float:
        """Model's prediction minus the surrogate's."""
        return self.prediction - self.local_prediction

    @property
    def total(self) -> float:
        """Sum of absolute weights."""
        return sum(abs(one.weight) for one in self.weights)


def targets_of(record: dict[str, Any]) -> Iterator[Target]:
    """Read the targets of a record; KeyError, TypeError or ValueError for a damaged one."""
    for one in record["targets"]:
        yield Target(
            str(one["name"]),
            float(one["model_prediction"]),
            float(one["local_prediction"]),
            one["fidelity"],
            tuple(map(_seen, one["components"])),
        )


def instance_of(record: dict[str, Any]) -> tuple[str, str]:
    """Return the source and the id of a record's instance."""
    return str(record["instance"]["source"]), str(record["instance"]["id"])


def _seen(one: dict[str, Any]) -> Seen:
    where = one["where"]
    if "column" in where:
        feature = place = str(where["column"])
    elif "segment" in where:
        feature = place = str(one["name"])
    else:
        feature, place = str(one["name"]), f"{one['name']} {where['spans']}"
    interval = one["interval"]
    return Seen(
        feature,
        str(one["name"]),
        place,
        float(one["weight"]),
        None if interval is None else (interval[0], interval[1]),
        one["std_error"],
        one["selected"],
    )
