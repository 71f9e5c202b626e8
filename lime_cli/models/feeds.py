"""What an ONNX graph's inputs are fed: a modality's batch in the graph's types and layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def feed(inputs: Any, wanted: Sequence[Any], layout: str | None) -> dict[str, NDArray[Any]]:
    """Turn a table, a list of texts or (n, height, width, channels) into what each input wants.

    ``wanted`` are the session's inputs; several take one column of a table each, by name.
    """
    first = wanted[0]
    if isinstance(inputs, list):
        texts = np.array(inputs, dtype=object)
        return {first.name: texts if len(first.shape) == 1 else texts[:, None]}
    if isinstance(inputs, np.ndarray):
        pictures = inputs.transpose(0, 3, 1, 2) if layout == "NCHW" else inputs
        return {first.name: np.ascontiguousarray(pictures, DTYPES[first.type])}
    if len(wanted) > 1:
        columns = dict(zip(inputs.names, inputs.columns, strict=True))
        return {one.name: _cast(columns[one.name], one.type)[:, None] for one in wanted}
    cast = [_cast(column, first.type) for column in inputs.columns]
    return {first.name: np.stack(cast, axis=1)}


def _cast(column: NDArray[Any], kind: str) -> NDArray[Any]:
    if kind == "tensor(string)":
        return np.array(
            ["" if cell is None else str(cell) for cell in column.tolist()], dtype=object
        )
    if column.dtype == object:
        column = np.array(
            [np.nan if cell is None else cell for cell in column.tolist()], dtype=float
        )
    return column.astype(DTYPES[kind])


def filled(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Repeat the last input until there are n."""
    missing = n - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values
