"""What the engine knows of a model: which one it is, how it predicts, what a reader must know.

Model files import nothing else of the engine, so that a model answers before the rest is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from lime_cli.engine.arrays import FloatArray


class CodedWarning(NamedTuple):
    """A code and a sentence that the reader of an explanation must know."""

    code: str
    message: str


class Identity(NamedTuple):
    """Which model predicts, as records name it."""

    format: str
    digest: str
    """SHA-256 of the file."""
    task: str
    targets: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    """How it is called, as far as somebody chose that: names and values."""


class Model(Protocol):
    """Something that predicts."""

    @property
    def identity(self) -> Identity:
        """Which model it is."""
        ...

    @property
    def warnings(self) -> tuple[CodedWarning, ...]:
        """What loading it brought up."""
        ...

    @property
    def probabilities(self) -> bool:
        """Whether the outputs are probabilities that sum to one."""
        ...

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k) finite outputs; raise PredictionError otherwise."""
        ...
