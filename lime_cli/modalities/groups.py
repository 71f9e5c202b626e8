"""What of a row stays or goes together: one column, or a group of columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Column, FloatArray, IntArray
from lime_cli.modalities.feature import Feature, is_missing, spelled
from lime_cli.modalities.onehot import MARKS

SHOWN = 3
"""Columns of a group that its name tells the values of, at most."""


class Part(Protocol):
    """Columns whose values are drawn together; they stay if all lie in the row's own bins."""

    @property
    def name(self) -> str:
        """What a reader calls it."""
        ...

    @property
    def places(self) -> tuple[int, ...]:
        """Which of the background's columns they are."""
        ...

    @property
    def place(self) -> Column:
        """Where a component of it is."""
        ...

    @property
    def shares(self) -> FloatArray:
        """How often each level occurs (levels,); sums to one."""
        ...

    @property
    def bins(self) -> IntArray:
        """In which bin each level lies (levels,)."""
        ...

    @property
    def sizes(self) -> FloatArray | None:
        """The levels as numbers (levels,), nan for a missing one; None where they are none."""
        ...

    @property
    def constant(self) -> bool:
        """Whether there is one level."""
        ...

    def bin_of(self, values: Sequence[Any]) -> int:
        """Return the bin of a row, given its values of these columns; -1 for none."""
        ...

    def condition(self, values: Sequence[Any]) -> str:
        """Say what the bin of a row means."""
        ...

    def value(self, values: Sequence[Any]) -> Any:
        """Return what a record says a row has there; None for nothing."""
        ...

    def drawn(self, levels: IntArray) -> Iterator[NDArray[Any]]:
        """Yield the values (n,) of each column for levels (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Single:
    """A column by itself."""

    feature: Feature
    places: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.feature.name

    @property
    def place(self) -> Column:
        """Where a component of it is."""
        return self.feature.place

    @property
    def shares(self) -> FloatArray:
        """How often each value occurs."""
        return self.feature.shares

    @property
    def bins(self) -> IntArray:
        """In which bin each value lies."""
        return self.feature.bins

    @property
    def sizes(self) -> FloatArray | None:
        """The values as numbers; None for words and dates that are not compared."""
        words = self.feature.values.dtype == object and not self.feature.numeric
        return None if words else self.feature.sizes

    @property
    def constant(self) -> bool:
        """Whether the background holds one value."""
        return self.feature.constant

    def bin_of(self, values: Sequence[Any]) -> int:
        """Return the bin of a value; -1 for none."""
        return self.feature.bin_of(values[0])

    def condition(self, values: Sequence[Any]) -> str:
        """Say what the bin of a value means."""
        return self.feature.condition(values[0])

    def value(self, values: Sequence[Any]) -> Any:
        """Return the value; None for a missing one."""
        return None if is_missing(values[0]) else values[0]

    def drawn(self, levels: IntArray) -> Iterator[NDArray[Any]]:
        """Yield the values (n,) for levels (n,)."""
        yield self.feature.values[levels]


@dataclass(frozen=True, eq=False)
class Group:
    """Columns whose values come together, from one row of the background."""

    name: str
    features: tuple[Feature, ...]
    places: tuple[int, ...]
    levels: IntArray
    """(levels, columns): the values that were seen together, by their number in each column."""
    shares: FloatArray
    onehot: bool = False
    """Whether they are 0/1 columns of which every row of the background has one."""

    @cached_property
    def place(self) -> Column:
        """Where a component of it is."""
        return Column(self.name)

    @property
    def sizes(self) -> None:
        """Return nothing: combinations are no numbers."""

    @property
    def constant(self) -> bool:
        """Whether the background holds one combination of values."""
        return len(self.levels) == 1

    @cached_property
    def bins(self) -> IntArray:
        """In which combination of the columns' bins each combination of values lies."""
        return np.array([self._numbers[bins] for bins in self._bins], np.int64)

    def bin_of(self, values: Sequence[Any]) -> int:
        """Return the number of a row's combination of bins; -1 for one never seen."""
        own = tuple(one.bin_of(value) for one, value in zip(self.features, values, strict=True))
        return self._numbers.get(own, -1)

    def condition(self, values: Sequence[Any]) -> str:
        """Name the level of a one-hot block, else what each column holds."""
        if self.onehot:
            return f"{self.name} = {self.value(values)}"
        pairs = list(zip(self.features, values, strict=True))
        said = ", ".join(one.condition(value) for one, value in pairs[:SHOWN])
        return f"{self.name}: {said}{', ...' if len(pairs) > SHOWN else ''}"

    def value(self, values: Sequence[Any]) -> str:
        """Return the level of a one-hot block, else the values, separated by commas."""
        if self.onehot:
            named = [one.name for one, value in zip(self.features, values, strict=True) if value]
            return " and ".join(one.removeprefix(self._prefix) for one in named) or "none"
        return ", ".join("" if is_missing(one) else spelled(one) for one in values)

    def drawn(self, levels: IntArray) -> Iterator[NDArray[Any]]:
        """Yield the values (n,) of each column for combinations (n,)."""
        for j, feature in enumerate(self.features):
            yield feature.values[self.levels[levels, j]]

    @cached_property
    def _bins(self) -> list[tuple[int, ...]]:
        columns = [one.bins[self.levels[:, j]] for j, one in enumerate(self.features)]
        return [tuple(row) for row in np.stack(columns, axis=1).tolist()]

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        return {bins: i for i, bins in enumerate(dict.fromkeys(self._bins))}

    @cached_property
    def _prefix(self) -> str:
        names = [one.name for one in self.features]
        starts = [f"{self.name}{mark}" for mark in MARKS]
        return next((one for one in starts if all(n.startswith(one) for n in names)), "")


def digest_of_features(features: Sequence[Feature], groups: Sequence[Group]) -> str:
    """Return the SHA-256 of all that samples are drawn from."""
    facts: Iterator[tuple[list[Any], FloatArray, list[Any]]] = chain(
        (([f.name, f.numeric, f.spelled], f.shares, [f.bins.tolist()]) for f in features),
        (([g.name, g.places, g.levels.tolist()], g.shares, []) for g in groups),
    )
    digest = hashlib.sha256(b"[")
    for i, (before, shares, after) in enumerate(facts):
        listed = [*map(json.dumps, before), _listed(shares), *map(json.dumps, after)]
        digest.update(f"{', ' * (i > 0)}[{', '.join(listed)}]".encode())
    digest.update(b"]")
    return digest.hexdigest()


def _listed(shares: FloatArray) -> str:
    """Return shares as a JSON list; most are the same few, and those are written once."""
    different, places = np.unique(shares, return_inverse=True)
    words = list(map(json.dumps, different.tolist()))
    return f"[{', '.join([words[place] for place in places.tolist()])}]"
