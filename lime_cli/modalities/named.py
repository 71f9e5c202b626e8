"""The components of a row, each put into words when it is looked at: few of many columns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

from lime_cli.engine.instance import Component
from lime_cli.modalities.background import Background


@dataclass(frozen=True, eq=False)
class Named(Sequence[Component]):
    """What varies of the columns, then the words of cells; goes to other processes as a tuple."""

    background: Background
    values: tuple[Any, ...]
    words: tuple[Component, ...]

    def __len__(self) -> int:
        return len(self.background.varying) + len(self.words)

    @overload
    def __getitem__(self, place: int) -> Component: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Component, ...]: ...

    def __getitem__(self, place: int | slice) -> Component | tuple[Component, ...]:
        if isinstance(place, slice):
            return tuple(self[i] for i in range(*place.indices(len(self))))
        place = range(len(self))[place]
        varying = self.background.varying
        if place >= len(varying):
            return self.words[place - len(varying)]
        part = self.background.drawn[varying[place]]
        own = [self.values[i] for i in part.places]
        return Component(part.condition(own), part.value(own), part.place)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[list[Component]]]:
        return tuple, (list(self),)
