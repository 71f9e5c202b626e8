"""What an ONNX graph's inputs say: whether they take a table, a text or a picture, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import ModelError, SettingsError
from lime_cli.models import ModelFile, ModelInput
from lime_cli.models.feeds import DTYPES
from lime_cli.models.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = ((3,), (1,), (4,))
"""Sizes of an axis that may be a picture's channels, the likeliest first."""
TOKENS = "input_ids"
"""What the input of token ids is called."""
WHOLE = ("tensor(uint8)", "tensor(int8)", "tensor(int32)", "tensor(int64)")
PICTURE_SIDE = 32
"""In pixels, of a trial picture where the graph leaves the size open."""


def read_input(name: str, inputs: list[Any], graph: Graph, file: ModelFile) -> ModelInput:
    """Read columns, or size, channels and layout; raise ModelError for what cannot be fed."""
    for one in inputs:
        if one.type not in DTYPES:
            raise ModelError(f"{name}: limex cannot feed input {one.name!r} of type {one.type}")
    if file.tokenizer is not None or any(one.name == TOKENS for one in inputs):
        if file.tokenizer is None:
            raise SettingsError(f"{name}: takes token ids", "name its tokenizer with --tokenizer")
        return ModelInput(name, "text")
    if len(inputs) > 1:
        return _of_columns(name, inputs)
    shape, kind = inputs[0].shape, inputs[0].type
    if len(shape) == 4:
        return _of_pictures(name, inputs[0], graph, file)
    columns = _listed(graph.metadata.get("limex.features"))
    n_columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
    words = kind == "tensor(string)" and (n_columns is None or n_columns == 1)
    texts = range(n_columns or 0) if kind == "tensor(string)" else ()
    return ModelInput(name, None if words else "table", columns, n_columns, tuple(texts))


def zeros(inputs: list[Any], given: ModelInput) -> dict[str, NDArray[Any]]:
    """Return an input of nothing but zeros, or empty texts, for a trial."""
    feeds = {}
    height, width = given.size or (PICTURE_SIDE, PICTURE_SIDE)
    channels = given.channels or 3
    for one in inputs:
        free = [1] * len(one.shape)
        if len(free) == 4:
            nchw = given.layout == "NCHW"
            free = [1, channels, height, width] if nchw else [1, height, width, channels]
        shape = [n if isinstance(n, int) else free[i] for i, n in enumerate(one.shape)]
        empty: Any = "" if one.type == "tensor(string)" else 0
        feeds[one.name] = np.full(shape, empty, DTYPES[one.type])
    return feeds


def _of_columns(name: str, inputs: list[Any]) -> ModelInput:
    for one in inputs:
        last = one.shape[-1] if len(one.shape) == 2 else 1
        if len(one.shape) > 2 or (isinstance(last, int) and last != 1):
            listed = ", ".join(f"{each.name} {_shape(each)}" for each in inputs[:8])
            raise ModelError(
                f"{name}: limex cannot feed its inputs together: {listed}",
                "export it with one input, or with one input for every column",
            )
    texts = tuple(i for i, one in enumerate(inputs) if one.type == "tensor(string)")
    return ModelInput(name, "table", tuple(str(one.name) for one in inputs), words=texts)


def _of_pictures(name: str, one: Any, graph: Graph, file: ModelFile) -> ModelInput:
    shape = one.shape
    layout = file.layout or _layout(name, shape)
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    channels = shape[1] if layout == "NCHW" else shape[3]
    known = isinstance(height, int) and isinstance(width, int)
    raw = "raw" if one.type in WHOLE else None
    return ModelInput(
        name,
        "picture",
        size=(height, width) if known else None,
        channels=channels if isinstance(channels, int) else None,
        layout=layout,
        precision="float16" if one.type == "tensor(float16)" else None,
        preprocess=graph.metadata.get("limex.preprocess", raw),
    )


def _layout(name: str, shape: list[Any]) -> str:
    for sizes in CHANNELS:
        first, last = shape[1] in sizes, shape[3] in sizes
        if first != last:
            return "NCHW" if first else "NHWC"
    if shape[1] != shape[3] and shape[2] in (shape[1], shape[3]):
        return "NCHW" if shape[2] == shape[3] else "NHWC"
    sides = [n for n in shape[1:] if isinstance(n, int)]
    if len(sides) == 3 and 2 * min(sides) <= sorted(sides)[1] and sides[1] > min(sides):
        return "NCHW" if sides[0] == min(sides) else "NHWC"  # far fewer than rows and columns
    raise SettingsError(
        f"{name}: its input {shape} does not tell where the channels are",
        "say --layout NCHW or --layout NHWC",
    )


def _shape(one: Any) -> str:
    return "[" + ", ".join(str(n) if isinstance(n, int) else "n" for n in one.shape) + "]"


def _listed(text: str | None) -> tuple[str, ...] | None:
    if not text:
        return None
    import json

    return tuple(map(str, json.loads(text)))
