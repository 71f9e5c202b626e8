"""Submodular pick: few instances whose explanations cover what matters (SP-LIME).

Ribeiro, Singh and Guestrin 2016, section 4, with marcotcr/lime's rule for equal gains: the later
instance wins. Which components an instance has is kept in a file, so that memory stays flat.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.results.weights import instance_of, targets_of

_CHUNK = 1 << 13


class Pick(NamedTuple):
    """One representative instance."""

    number: int
    """Among the explained, from 0."""
    source: str
    id: str
    covered: float
    """Share of all importance that this pick and those before it cover."""


class Explained:
    """The explained instances as the pick needs them, in temporary files."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._sums = array("d")
        self._ends, self._named = array("q"), array("q")
        """Where the components of each instance end, and where its name does."""
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this
        self._names: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Explained:
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
                column = self._columns.setdefault(own + one.name, len(self._columns))
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
        """Return source and id of an instance."""
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


def pick(explained: Explained, n: int) -> list[Pick]:
    """Choose up to ``n`` instances."""
    return [Pick(number, *explained.name(number), covered) for number, covered in explained.pick(n)]
