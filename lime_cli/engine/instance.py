"""What the engine knows of an instance: its protocol, its components, its samples.

Shapes: n samples, d components, k targets, m codes per sample. The instance itself is never among
the samples; the engine adds it as row 0 with every component kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import Caveat as Caveat
from lime_cli.engine.model import Identity as Identity
from lime_cli.engine.model import Model as Model

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """A component that is one column of a table."""

    column: str


@dataclass(frozen=True)
class Spans:
    """A component that is a piece of text: where it stands, once or several times."""

    spans: tuple[tuple[int, int], ...]
    """Half-open ranges of characters (code points), ascending."""
    column: str | None = None
    """Of a table, where the text is one of its cells."""


@dataclass(frozen=True)
class Segment:
    """A component that is a superpixel; places are in pixels of the picture as drawn."""

    segment: int
    area: int
    box: tuple[int, int, int, int]
    """Left, top, right, bottom; right and bottom are outside."""
    centroid: tuple[float, float]
    """x, y."""


@dataclass(frozen=True)
class Component:
    """One interpretable part of an instance, that stays or goes."""

    name: str
    value: str | float | int | bool | None
    where: Column | Spans | Segment
    step: float | None = None
    """Of a number that counts by size: what its weight is per, in the number's own unit."""


@dataclass(frozen=True)
class Skipped:
    """A part of the instance that is no component, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Picture:
    """What an overlay is drawn on."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), RGB."""
    labels: IntArray
    """(height, width): which component a pixel belongs to; -1 where the model does not look."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The instance as records and drawings need it; never used to compute."""

    id: str
    modality: str
    source: str
    """Name of the file it was found in, without its folder."""
    digest: str
    """SHA-256 of what was read."""
    facts: dict[str, Any]
    """What the record says of it: a row's values, a text, the size of a picture."""
    picture: Picture | None = None


@dataclass(frozen=True, eq=False)
class Samples:
    """Perturbed inputs in their shortest form."""

    codes: IntArray
    """(n, m): whatever determines a model input: masks, or the drawn value of each column."""
    mass: FloatArray
    """(n,): how often each sample stands for itself; ones for independent draws."""
    n_blocks: int
    """Sample i belongs to block i modulo ``n_blocks``; 1 where nothing was drawn at random."""


class Points(Protocol):
    """Where n points lie in the unit cube of m dimensions."""

    def __call__(self, n: int, m: int, rng: np.random.Generator) -> FloatArray:
        """Return (n, m) points in [0, 1); the first ones are the same whatever n."""
        ...


@dataclass(frozen=True, eq=False)
class Design:
    """How samples are drawn."""

    points: Points
    tilt: FloatArray | None = None
    """(d + 1,): the kernel by the number of components gone, for laws that draw by weight."""


class Instance(Protocol):
    """One input being explained, and how to sample around it. Pure, but for ``rng``."""

    @property
    def subject(self) -> Subject:
        """The instance as records and drawings need it."""
        ...

    @property
    def components(self) -> Sequence[Component]:
        """The d interpretable parts, in a fixed order."""
        ...

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Parts that are no components."""
        ...

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """What reading the instance brought up."""
        ...

    @property
    def pool(self) -> str:
        """Name of the sample set, from its content: one pool, one draw, one answer."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other instances may be of the same pool."""
        ...

    @property
    def distance(self) -> str:
        """How far a sample is, by name: see ``engine.proximity.DISTANCES``."""
        ...

    @property
    def design(self) -> str:
        """The design of the smallest error per model call, as benchmarks/designs.py measures it."""
        ...

    @property
    def input_bytes(self) -> int:
        """About how much memory one model input takes."""
        ...

    def sample(self, n: int, design: Design | None, rng: np.random.Generator) -> Samples:
        """Draw n samples around the instance, the first ones the same whatever n.

        The design None enumerates every sample there is.
        """
        ...

    def n_exhaustive(self) -> float:
        """Count the samples that enumerating would take."""
        ...

    def interpretable(self, codes: IntArray) -> BoolArray | FloatArray:
        """Return (n, d): which components a sample keeps; floats, 1 at the instance, by size."""
        ...

    def model_inputs(self, codes: IntArray) -> Any:
        """Build the model's inputs, n of them, as the modality's natural batch."""
        ...

    def original(self) -> Any:
        """Return the instance itself as a batch of one."""
        ...

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> Any:
        """Build the model's inputs that keep exactly these components, (n, d)."""
        ...


def join(batches: Sequence[Any]) -> Any:
    """Put batches of one modality together: lists, arrays, or anything with ``joined``."""
    first = batches[0]
    if isinstance(first, list):
        return [item for batch in batches for item in batch]
    if isinstance(first, np.ndarray):
        return np.concatenate(list(batches))
    return type(first).joined(batches)
