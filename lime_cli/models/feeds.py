"""What an ONNX graph's inputs are fed: a modality's batch in the graph's types and layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import InputError, PredictionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}

DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}")
"""How a cell begins that is a date."""


def feed(inputs: Any, wanted: Sequence[Any], layout: str | None) -> dict[str, NDArray[Any]]:
    """Turn a table, a list of texts or (n, height, width, channels) into what each input wants.

    ``wanted`` are the session's inputs; several take one column of a table each, by name. Raises
    PredictionError naming the column for a value that the graph's type cannot hold.
    """
    first = wanted[0]
    if isinstance(inputs, list):
        texts = np.array(inputs, dtype=object)
        return {first.name: texts if len(first.shape) == 1 else texts[:, None]}
    if isinstance(inputs, np.ndarray):
        pictures = inputs.transpose(0, 3, 1, 2) if layout == "NCHW" else inputs
        return {first.name: np.ascontiguousarray(_pixels(pictures, first.type))}
    if len(wanted) > 1:
        columns = dict(zip(inputs.names, inputs.columns, strict=True))
        return {
            one.name: _shaped(cast(columns[one.name], one.type, one.name, inputs.places), one)
            for one in wanted
        }
    return {first.name: _stacked(inputs, first)}


def _stacked(inputs: Any, wanted: Any) -> NDArray[Any]:
    """Return a table in one array: at once where its columns are alike and nothing gets lost."""
    kinds = {column.dtype for column in inputs.columns}
    numbers = wanted.type != "tensor(string)" and np.dtype(object) not in kinds
    if numbers and len(kinds) == 1 and len(wanted.shape) > 1:
        rows = np.concatenate(inputs.columns).reshape(len(inputs.columns), -1).T
        found, lost = _narrowed(rows, wanted.type)
        if not lost.any():
            return found
    pairs = zip(inputs.names, inputs.columns, strict=True)
    cells = [cast(column, wanted.type, name, inputs.places) for name, column in pairs]
    return cells[0] if len(wanted.shape) == 1 else np.stack(cells, axis=1)


def cast(column: NDArray[Any], kind: str, name: str, places: Sequence[str] = ()) -> NDArray[Any]:
    """Return a column in the graph's type; raise PredictionError where that loses something.

    ``places`` say where the rows stand in their file, if they do.
    """
    if kind == "tensor(string)":
        return np.array([_word(cell) for cell in column.tolist()], dtype=object)
    numbers = _numbers(column, kind, name)
    found, lost = _narrowed(numbers, kind)
    if lost.any():
        row = int(np.flatnonzero(lost)[0])
        raise _misfit(name, kind, numbers[row], *places[row : row + 1])
    return found


def _narrowed(numbers: NDArray[Any], kind: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return numbers in the graph's type, and where that is not what they were."""
    dtype = np.dtype(DTYPES[kind])
    with np.errstate(invalid="ignore", over="ignore"):
        found = numbers.astype(dtype, order="C")
    if dtype.kind == "f":
        return found, np.isfinite(numbers) & ~np.isfinite(found)
    return found, found.astype(numbers.dtype) != numbers


def filled(values: NDArray[Any], n: int) -> NDArray[Any]:
    """Repeat the last input until there are n."""
    missing = n - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values


def _shaped(column: NDArray[Any], wanted: Any) -> NDArray[Any]:
    return column if len(wanted.shape) == 1 else column[:, None]


def _word(cell: Any) -> str:
    """Write a cell as the file did: nothing for a missing one, no point for a whole number."""
    if cell is None or cell != cell:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _numbers(column: NDArray[Any], kind: str, name: str) -> NDArray[Any]:
    if column.dtype != object:
        return column
    found = []
    for cell in column.tolist():
        try:
            found.append(np.nan if cell is None else float(cell))
        except ValueError:
            raise _misfit(name, kind, cell) from None
    return np.array(found)


def date_in_numbers(column: str, cell: str) -> InputError | None:
    """Word that a column of dates was given to a model that wants numbers; None for no date."""
    if DATE.match(cell) is None:
        return None
    return InputError(
        f"column {column!r} holds dates such as {cell[:30]!r}; the model wants numbers",
        "turn it into a number, or leave it out with --drop",
    )


def _misfit(name: str, kind: str, cell: Any, place: str = "") -> PredictionError | InputError:
    dtype = np.dtype(DTYPES[kind])
    wants = {"f": "numbers", "b": "0 or 1"}.get(dtype.kind, "whole numbers")
    holds = repr(cell) if isinstance(cell, str) else f"{cell:g}"
    missing = not isinstance(cell, str) and np.isnan(cell)
    dated = date_in_numbers(name, cell) if isinstance(cell, str) else None
    if dated is not None:
        return dated
    return PredictionError(
        f"column {name!r}{place and ', ' + place}: the model's input takes {wants} ({dtype.name}), "
        f"not {'a missing value' if missing else holds}",
        "give the table that the model was made for",
    )


def _pixels(pictures: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return pictures in the graph's type; raise PredictionError where whole numbers lose them."""
    dtype = np.dtype(DTYPES[kind])
    if dtype.kind not in "iu":
        return pictures.astype(dtype, copy=False)
    whole = np.rint(pictures)
    bounds = np.iinfo(dtype)
    fractions = pictures.max() <= 1 and bool((whole != pictures).any())
    if fractions or whole.min() < bounds.min or whole.max() > bounds.max:
        raise PredictionError(
            f"the model takes pixels as whole numbers ({dtype.name}), not "
            f"{pictures.min():.3g} to {pictures.max():.3g}",
            "say --preprocess raw",
        )
    return np.asarray(whole.astype(dtype))
