"""What the engine knows of an instance: its protocol and its components.

Shapes: n samples, d components, k outputs, m codes per sample. The instance itself is never among
the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import BoolArray, CodedWarning, FloatArray, IntArray

if TYPE_CHECKING:
    from lime_cli.engine.masks import Everything, Masks


@dataclass(frozen=True)
class Column:
    """A component that is one column of a table."""

    column: str
    condition: str = ""
    """What the column meets while it is kept: ``31025 < income <= 43800``, ``hair = 1``."""


@dataclass(frozen=True)
class Spans:
    """A component that is a piece of text: where it stands, once or several times."""

    spans: tuple[tuple[int, int], ...]
    """Half-open ranges of characters (code points), ascending."""
    column: str | None = None
    """Of a table, where the text is one of its cells."""


@dataclass(frozen=True)
class Segment:
    """A component that is a superpixel; places are in pixels of the image as drawn."""

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
    """Of an unbinned number: what its weight is per, in the number's own unit."""


@dataclass(frozen=True)
class Skipped:
    """A part of the instance that is no component, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class SegmentedImage:
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
    """What the record says of it: a row's values, a text, the size of an image."""
    image: SegmentedImage | None = None

    @property
    def name(self) -> str:
        """Its id, after the file it is in where that does not say it."""
        return self.id if self.source in self.id else f"{self.source} {self.id}"


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
    def warnings(self) -> tuple[CodedWarning, ...]:
        """What reading the instance brought up."""
        ...

    @property
    def pool(self) -> str:
        """Name of what instances must have in common to be explained together, from content."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other instances may be of the same pool."""
        ...

    @property
    def random(self) -> bool:
        """Whether what replaces a masked component is drawn; the same in the whole pool."""
        ...

    @property
    def input_bytes(self) -> int:
        """About how much memory one model input takes."""
        ...

    def codes(self, masks: Masks) -> IntArray:
        """Return (n, m): whatever determines the input of each sample."""
        ...

    @property
    def itself(self) -> IntArray:
        """The codes of the instance itself, (1, m)."""
        ...

    def inputs(self, masks: Masks) -> Any:
        """Return the instance itself and its samples as a batch, 1 + n; None where that is not
        faster than by their codes.
        """
        ...

    def tails(self, masks: Masks) -> FloatArray | None:
        """Return control variates (n, q): what was drawn in columns of few extreme values.

        Zero on average given the mask, and beside polynomials of what chose the replacement. None
        where no column needs one.
        """
        ...

    @property
    def n_rows(self) -> int:
        """Count the rows that components can be replaced from together; 1 where nothing differs."""
        ...

    def joint(self, masked: BoolArray, row: FloatArray) -> IntArray:
        """Return codes (n, m) of what is masked (n, d) replaced from row ``row`` in [0, 1), (n,).

        Raises SettingsError where no rows are known.
        """
        ...

    def n_inputs(self) -> float:
        """Count the different inputs that masking and replacing can make, the instance included."""
        ...

    def everything(self) -> Everything:
        """List those inputs but the instance itself."""
        ...

    def model_inputs(self, codes: IntArray) -> Any:
        """Build the model's inputs, n of them, as the modality's natural batch."""
        ...

    def original(self) -> Any:
        """Return the instance itself as a batch of one."""
        ...


def join(batches: Sequence[Any]) -> Any:
    """Put batches of one modality together: lists, arrays, or anything with ``joined``."""
    first = batches[0]
    if isinstance(first, list):
        return [item for batch in batches for item in batch]
    if isinstance(first, np.ndarray):
        return np.concatenate(list(batches))
    return type(first).joined(batches)
