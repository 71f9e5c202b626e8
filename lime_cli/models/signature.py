"""What an ONNX file says of itself: inputs, outputs, operator sets; read without the runtime.

Field numbers are those of onnx.proto3 (ModelProto, GraphProto, ValueInfoProto, TypeProto).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lime_cli.errors import ModelError
from lime_cli.models.graph import MODEL_GRAPH, MODEL_OPSET, Graph, fields, nested, read_graph

MODEL_IR, MODEL_PRODUCER, MODEL_PRODUCER_VERSION = 1, 2, 3
OPSET_DOMAIN, OPSET_VERSION = 1, 2
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT = 1, 5, 11, 12
NODE_OPERATOR, TENSOR_NAME = 4, 8
VALUE_NAME, VALUE_TYPE = 1, 2
TYPE_TENSOR, TYPE_SEQUENCE, TYPE_MAP, TYPE_OPTIONAL = 1, 4, 5, 9
TENSOR_ELEMENT, TENSOR_SHAPE, SHAPE_SIZE = 1, 2, 1
SIZE_NUMBER, SIZE_NAME = 1, 2
MAP_KEY, MAP_VALUE, INNER_TYPE = 1, 2, 1

ELEMENTS = {
    1: "float",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
"""Of TensorProto.DataType."""

EMPTY = memoryview(b"")

Size = int | str | None


@dataclass(frozen=True)
class Port:
    """An input or an output of a graph."""

    name: str
    kind: str
    """``float``, ``string``, ``sequence of map of int64 to float``, ..."""
    shape: tuple[Size, ...] | None
    """A number, the name of a free size, or None for an unnamed one; None without a shape."""


@dataclass(frozen=True)
class Signature:
    """The outside of an ONNX model."""

    ir_version: int
    producer: str
    opsets: tuple[tuple[str, int], ...]
    """(domain, version), the standard domain as ``ai.onnx``."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: tuple[str, ...]
    """The different operators of the main graph, in alphabetical order."""
    domains: tuple[str, ...]
    classes: tuple[str, ...] | None
    metadata: tuple[tuple[str, str], ...]


def read_signature(path: Path) -> Signature:
    """Read a file; raise ModelError for one that is cut short or damaged."""
    graph = read_graph(path)
    try:
        return _read(memoryview(path.read_bytes()), graph)
    except (IndexError, ValueError, RecursionError):
        raise ModelError(f"{path.name}: is a damaged ONNX model", "export it again") from None


def _read(data: memoryview, graph: Graph) -> Signature:
    plain: dict[int, int] = {}
    words: dict[int, str] = {}
    opsets: list[tuple[str, int]] = []
    parts: list[tuple[int, memoryview | int]] = []
    for number, value in fields(data):
        if number == MODEL_OPSET:
            opsets.append(_opset(nested(value)))
        elif number == MODEL_GRAPH:
            parts = list(fields(nested(value)))
        elif isinstance(value, int):
            plain[number] = value
        elif number in (MODEL_PRODUCER, MODEL_PRODUCER_VERSION):
            words[number] = str(value, "utf-8", "replace")
    names = [words.get(one, "") for one in (MODEL_PRODUCER, MODEL_PRODUCER_VERSION)]
    return _signature(graph, plain.get(MODEL_IR, 0), " ".join(filter(None, names)), opsets, parts)


def _signature(
    graph: Graph,
    ir_version: int,
    producer: str,
    opsets: list[tuple[str, int]],
    parts: list[tuple[int, memoryview | int]],
) -> Signature:
    weights = {_named(nested(v), TENSOR_NAME) for n, v in parts if n == GRAPH_INITIALIZER}
    inputs = (_port(nested(value)) for number, value in parts if number == GRAPH_INPUT)
    return Signature(
        ir_version=ir_version,
        producer=producer,
        opsets=tuple(sorted(opsets)),
        inputs=tuple(one for one in inputs if one.name not in weights),
        outputs=tuple(_port(nested(value)) for number, value in parts if number == GRAPH_OUTPUT),
        operators=tuple(
            sorted({_named(nested(v), NODE_OPERATOR) for n, v in parts if n == GRAPH_NODE})
        ),
        domains=tuple(sorted({one or "ai.onnx" for one in graph.domains or {""}})),
        classes=graph.classes,
        metadata=tuple(sorted(graph.metadata.items())),
    )


def _opset(data: memoryview) -> tuple[str, int]:
    found = dict(fields(data))
    domain, version = found.get(OPSET_DOMAIN, EMPTY), found.get(OPSET_VERSION, 0)
    name = str(nested(domain), "utf-8", "replace")
    return name or "ai.onnx", version if isinstance(version, int) else 0


def _named(data: memoryview, number: int) -> str:
    return str(nested(dict(fields(data)).get(number, EMPTY)), "utf-8", "replace")


def _port(data: memoryview) -> Port:
    kind, shape = _type(nested(dict(fields(data)).get(VALUE_TYPE, EMPTY)))
    return Port(_named(data, VALUE_NAME), kind, shape)


def _type(data: memoryview) -> tuple[str, tuple[Size, ...] | None]:
    for number, value in fields(data):
        inner = dict(fields(nested(value))) if not isinstance(value, int) else {}
        if number == TYPE_TENSOR:
            shape = inner.get(TENSOR_SHAPE)
            sizes = None if shape is None else tuple(_sizes(nested(shape)))
            return _element(inner.get(TENSOR_ELEMENT, 0)), sizes
        if number in (TYPE_SEQUENCE, TYPE_OPTIONAL):
            word = "sequence" if number == TYPE_SEQUENCE else "optional"
            return f"{word} of {_type(nested(inner.get(INNER_TYPE, EMPTY)))[0]}", None
        if number == TYPE_MAP:
            to = _type(nested(inner.get(MAP_VALUE, EMPTY)))[0]
            return f"map of {_element(inner.get(MAP_KEY, 0))} to {to}", None
    return "undefined", None


def _element(number: memoryview | int) -> str:
    return ELEMENTS.get(number, f"type {number}") if isinstance(number, int) else "undefined"


def _sizes(data: memoryview) -> list[Size]:
    found: list[Size] = []
    for number, value in fields(data):
        if number == SHAPE_SIZE:
            size = dict(fields(nested(value)))
            name = size.get(SIZE_NAME)
            fixed = size.get(SIZE_NUMBER)
            free = str(name, "utf-8", "replace") if isinstance(name, memoryview) else None
            found.append(fixed if isinstance(fixed, int) else free)
    return found
