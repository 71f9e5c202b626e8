"""UBJSON, as XGBoost writes it: arrays of numbers are views of the bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_NUMBERS: Mapping[bytes, tuple[struct.Struct, np.dtype]] = {
    mark: (struct.Struct(f">{kind}"), np.dtype(f">{kind}"))
    for mark, kind in zip(
        (b"i", b"U", b"I", b"l", b"L", b"d", b"D"), ("b", "B", "h", "i", "q", "f", "d"), strict=True
    )
}
"""Types of UBJSON and of ``struct``; numpy knows them by the same letters, but for one."""

_PLAIN = {b"Z": None, b"T": True, b"F": False}


def is_json(content: bytes | bytearray | memoryview) -> bool:
    """Tell JSON from UBJSON, both of which begin with a brace."""
    head = bytes(content[:64]).lstrip()
    return head[:1] == b"{" and head[1:].lstrip()[:1] in (b'"', b"}", b"")


def read_ubjson(content: bytes | bytearray) -> Any:
    """Read one value; raise ValueError, or RecursionError, for what is no UBJSON.

    Names that come twice in an object are no UBJSON here: libraries differ in which one counts.
    """
    return _Ubjson(content).value()


class _Ubjson:
    def __init__(self, content: bytes | bytearray) -> None:
        self.content, self.at = bytes(content), 0

    def value(self) -> Any:
        kind = self._take(1)
        if kind in _NUMBERS:
            return self._number(kind)
        if kind == b"S":
            return self._text()
        if kind == b"[":
            return self._array()
        if kind == b"{":
            return self._object()
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == b"C":
            return self._take(1).decode("latin-1")
        raise ValueError(f"no type of UBJSON: {kind!r}")

    def _take(self, n: int) -> bytes:
        found = self.content[self.at : self.at + n]
        if n < 0 or len(found) != n:
            raise ValueError("cut short")
        self.at += n
        return found

    def _number(self, kind: bytes) -> Any:
        if kind not in _NUMBERS:
            raise ValueError("no number where one is due")
        form, at = _NUMBERS[kind][0], self.at
        self.at += form.size
        if self.at > len(self.content):
            raise ValueError("cut short")
        return form.unpack_from(self.content, at)[0]

    def _text(self) -> str:
        return self._take(self._count()).decode("utf-8", "surrogateescape")

    def _count(self) -> int:
        n = self._number(self._take(1))
        if not isinstance(n, int) or not 0 <= n <= len(self.content):
            raise ValueError("cut short")
        return n

    def _head(self) -> tuple[bytes, int | None]:
        """Read the type and the number of items that an array or an object says before them."""
        kind, n = b"", None
        if self.content[self.at : self.at + 1] == b"$":
            kind = self._take(2)[1:]
        if self.content[self.at : self.at + 1] == b"#":
            self.at += 1
            n = self._count()
        if kind and (kind not in _NUMBERS or n is None):
            raise ValueError("items of a type that is not a number")
        return kind, n

    def _array(self) -> Any:
        kind, n = self._head()
        if kind:
            dtype, at = _NUMBERS[kind][1], self.at
            self.at += (n or 0) * dtype.itemsize
            return np.frombuffer(self.content, dtype, n or 0, at) if n else np.empty(0, dtype)
        found: list[Any] = []
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"]":
            found.append(self.value())
        self.at += n is None
        return found

    def _object(self) -> dict[str, Any]:
        kind, n = self._head()
        if kind:
            raise ValueError("an object of numbers")
        found: dict[str, Any] = {}
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"}":
            name = self._text()
            if name in found:
                raise ValueError(f"{name} comes twice")
            found[name] = self.value()
        self.at += n is None
        return found
