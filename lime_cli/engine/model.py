"""What the engine knows of a model: which one it is, how it predicts, what a reader must know; and
the kinds of arrays that travel.

Model files import nothing else of the engine, so that a model answers before the rest is loaded.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]


def different(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values of an array, ascending; without a second output to ask for,
    ``numpy.unique`` imports masked arrays, which takes as long as a thousand samples."""
    return np.unique(values, return_index=True)[0]


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
