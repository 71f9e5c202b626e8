"""The kinds of arrays that the engine works on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]


def different(values: NDArray[Any]) -> NDArray[Any]:
    """Return the different values of an array, ascending; without a second output to ask for,
    ``numpy.unique`` imports masked arrays, which takes as long as a thousand samples."""
    return np.unique(values, return_index=True)[0]
