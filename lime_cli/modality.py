"""How files become instances: what every modality does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from lime_cli.sources import Listing, Source

if TYPE_CHECKING:
    from lime_cli.engine.instance import Instance
    from lime_cli.models.model_file import ModelInput


class Modality(Protocol):
    """Find inputs and read them; the fields are the modality's options, frozen."""

    default_samples: int
    """Samples to begin with when ``--samples`` is auto."""
    max_samples: int
    """Samples to stop at when ``--samples`` is auto."""
    slice_size: int
    """Sources of a batch that go to a worker, and into the ledger, together."""

    def __hash__(self) -> int:
        """Hash the options: workers keep what they prepared for a modality."""
        ...

    def sources(self) -> Iterator[Source]:
        """List the inputs asked for, in a stable order; raise InputError when there are none."""
        ...

    def stamp(self) -> tuple[int, ...]:
        """Tell when the files were written that all inputs share: prepared work is kept as long."""
        ...

    def strays(self) -> int:
        """Count the files beside the inputs that are none."""
        ...

    def ignored(self) -> tuple[str, ...]:
        """Name what the inputs hold and the model is not given; known once it is fitted."""
        ...

    def without_inputs(self) -> Modality:
        """Return a copy that does not say which inputs are asked for, as workers get it.

        What they prepare for it does not depend on that.
        """
        ...

    def fitted(self, model_input: ModelInput) -> Modality:
        """Return a copy that knows what the model wants; raise ModelError when they do not fit."""
        ...

    def jointly(self) -> Modality:
        """Return a copy whose components can be replaced together, from one row of a background."""
        ...

    def read(self, source: Source) -> Instance:
        """Read one input; raise InputError when it cannot be used."""
        ...


Self = TypeVar("Self", bound="OfFiles")


class OfFiles:
    """What modalities have in common whose inputs are files, an instance each."""

    inputs: tuple[str, ...]
    recursive: bool
    glob: str | None
    suffixes: ClassVar[tuple[str, ...]]
    """What files in a folder are told by."""
    called: ClassVar[str]
    """What they are, for messages."""

    @property
    def listing(self) -> Listing:
        """Which files of a folder are taken."""
        return Listing(self.recursive, self.glob, self.suffixes, self.called)

    def strays(self) -> int:
        return self.listing.n_strays(self.inputs)

    def ignored(self) -> tuple[str, ...]:
        return ()

    def stamp(self) -> tuple[int, ...]:
        return ()

    def without_inputs(self: Self) -> Self:
        """Return a copy that names no file."""
        return cast("Self", replace(cast("Any", self), inputs=()))

    def jointly(self: Self) -> Self:
        """Return itself: what replaces a component is one thing."""
        return self
