"""The modalities seam: how files become instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lime_cli.registry import Registry

if TYPE_CHECKING:
    from lime_cli.engine.instance import Instance
    from lime_cli.models import ModelInput

MODALITIES = Registry(
    "modality",
    {
        "tabular": "lime_cli.modalities.tabular:TabularModality",
        "text": "lime_cli.modalities.text:TextModality",
        "image": "lime_cli.modalities.image:ImageModality",
    },
)


class Record(NamedTuple):
    """A row of a table as its file spells it, taken along so that a worker opens no file."""

    header: tuple[str, ...]
    """Names of the columns; the rows of a table share it."""
    cells: tuple[str, ...]
    line: int
    """Of the file, on which the row ends, counted from 1; the row's number where unit is row."""
    unit: str = "line"
    fault: str = ""
    """Why the row cannot be used; empty where it can."""
    repeated: str | None = None
    """The column of ids, where the row's id was seen before."""


class Source(NamedTuple):
    """An input found but not yet read: cheap to list and to send to a worker."""

    id: str
    """What a person calls it: a row's number or id, a file's name."""
    path: str
    """The file it is in; ``-`` for standard input."""
    row: int | None = None
    """Of a table, counted from 0, the header not counted."""
    record: Record | None = None
    """Of a table, the row itself."""

    @property
    def place(self) -> str:
        """Say where a row stands in its file: ``line 3``."""
        if self.record is None:
            return f"row {self.row}"
        return f"{self.record.unit} {self.record.line}"


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

    def fitted(self, model_input: ModelInput) -> Modality:
        """Return a copy that knows what the model wants; raise ModelError when they do not fit."""
        ...

    def read(self, source: Source) -> Instance:
        """Read one input; raise InputError when it cannot be used."""
        ...
