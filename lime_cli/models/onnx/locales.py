"""Graphs that lower-case texts by a locale that the system lacks: another one is set, in memory."""

from __future__ import annotations

from collections.abc import Callable

from lime_cli.models.onnx.graph import (
    ATTRIBUTE_NAME,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_OPERATOR,
    fields,
    nested,
)

EVERYWHERE = "C.UTF-8"
"""A locale that is there without being installed, and knows the letters of every script."""

OPERATOR, LOCALE = b"StringNormalizer", b"locale"

ATTRIBUTE_STRING, ATTRIBUTE_TYPE, STRING = 4, 20, 3


def with_locale(data: memoryview, name: str = EVERYWHERE) -> bytes:
    """Return an ONNX file in which every operator that normalises strings does so by ``name``."""
    return _changed(data, MODEL_GRAPH, lambda graph: _changed(graph, GRAPH_NODE, _Node(name)))


class _Node:
    """Sets the locale of a node that has one."""

    def __init__(self, name: str) -> None:
        text = _field(ATTRIBUTE_NAME, LOCALE) + _field(ATTRIBUTE_STRING, name.encode())
        kind = _varint(ATTRIBUTE_TYPE << 3) + _varint(STRING)
        self._attribute = _field(NODE_ATTRIBUTE, text + kind)

    def __call__(self, node: memoryview) -> bytes:
        parts = list(fields(node))
        operators = (bytes(nested(value)) for number, value in parts if number == NODE_OPERATOR)
        if next(operators, b"") != OPERATOR:
            return bytes(node)
        return b"".join(_written(*one) for one in parts if not _is_locale(*one)) + self._attribute


def _is_locale(number: int, value: memoryview | int) -> bool:
    if number != NODE_ATTRIBUTE:
        return False
    name = next((one for key, one in fields(nested(value)) if key == ATTRIBUTE_NAME), b"")
    return name == LOCALE


def _changed(data: memoryview, number: int, change: Callable[[memoryview], bytes]) -> bytes:
    """Return a message with ``change`` done to every field of a number."""
    return b"".join(
        _field(number, change(nested(value))) if found == number else _written(found, value)
        for found, value in fields(data)
    )


def _written(number: int, value: memoryview | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _field(number, bytes(value))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
