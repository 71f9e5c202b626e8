"""The comparison of two explanations of the same instances: what changed beyond the error bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from math import hypot, inf
from typing import Any, NamedTuple

import numpy as np

from lime_cli.errors import InputError
from lime_cli.results.damage import damage_named
from lime_cli.results.reading import FAILURE, Entry
from lime_cli.results.weights import Seen, Target, instance_of, targets_of

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


@dataclass(frozen=True)
class Difference:
    """One target of one instance, old against new."""

    source: str
    id: str
    target: str
    prediction_change: float
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
        before, after = _targets(first), _targets(second)
        unmatched.targets += len(before.keys() ^ after.keys())
        source, own = instance_of(first.record)
        for name in before:
            if name in after:
                yield _difference((source, own, name), before[name], after[name], top)


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
    return Difference(
        *names,
        prediction_change=new.prediction - old.prediction,
        rank_correlation=spearman(*weights),
        overlap=len(first & second) / most if most else 1.0,
        changes=tuple(_change(before[one], after[one]) for one in before if one in after),
    )


def _change(old: Seen, new: Seen) -> Change:
    errors = None
    if old.std_error is not None and new.std_error is not None:
        joint = hypot(old.std_error, new.std_error)
        change = abs(new.weight - old.weight)
        errors = change / joint if joint > 0 else (0.0 if change == 0 else inf)
    flipped = old.resolved and new.resolved and old.weight * new.weight < 0
    return Change(old.name, old.feature, old.weight, new.weight, errors, _apart(old, new), flipped)


def _apart(old: Seen, new: Seen) -> bool:
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
