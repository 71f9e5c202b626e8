"""Reading a pickle's instructions: Python's own unpickler, less what no model needs.

Lengths and keys are checked here; what names, calls and states may do, in `machine.py`.
"""

# The methods are described where they are declared, in `pickle` and in `machine.py`.
# ruff: noqa: D102

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from struct import unpack
from typing import BinaryIO, ClassVar, cast

from lime_cli.models.allowed import Refused
from lime_cli.models.constructors import check_keys, check_names

MAX_LONG_BYTES = 8192
_BIG_BYTES = 1 << 16

# None of these is written by pickle or joblib for a model of today.
_REFUSED = {
    "load_persid": "asks for objects that are not in the file",
    "load_binpersid": "asks for objects that are not in the file",
    "load_ext1": "uses names through the extension registry",
    "load_ext2": "uses names through the extension registry",
    "load_ext4": "uses names through the extension registry",
    "load_next_buffer": "asks for data that is not in the file",
    "load_readonly_buffer": "asks for data that is not in the file",
    "load_dup": "doubles what is on the stack, which pickle never does",
}


class _Done(Exception):
    pass


class Reader(pickle._Unpickler):
    """Run the instructions of a pickle that make plain values: numbers, text, containers."""

    stack: list[object]
    metastack: list[list[object]]
    memo: dict[int, object]
    proto: int
    append: Callable[[object], None]
    pop_mark: Callable[[], list[object]]
    _decode_string: Callable[[bytes], str]
    instructions: ClassVar[dict[bytes, Callable[..., None]]]

    def __init_subclass__(cls) -> None:
        # `pickle` looks functions up in a table, past the methods of a subclass.
        cls.instructions = {
            bytes([code]): _refuser(_REFUSED[function.__name__])
            if function.__name__ in _REFUSED
            else getattr(cls, function.__name__)
            for code, function in pickle._Unpickler.dispatch.items()
        }
        cls.instructions[b""] = cls.load_nothing

    def __init__(self, stream: BinaryIO, end: int | None) -> None:
        # Python 2 wrote the bytes of arrays as text; latin-1 gives them back one to one.
        super().__init__(stream, encoding="latin1")
        self.stream = stream
        self.end = end
        self.read = stream.read
        self.readline = stream.readline

    def load(self) -> object:
        """Run the instructions up to STOP and give what is on top of the stack."""
        self.metastack = []
        self.stack = []
        self.append = self.stack.append
        self.proto = 0
        read, instructions = self.read, self.instructions
        try:
            while True:
                instructions[read(1)](self)
        except _Done:
            if not self.stack:
                raise Refused("holds nothing at all") from None
            return self.stack[-1]

    @abstractmethod
    def put(self, target: object) -> None:
        """Refuse that something other than a real container gets items, or pass over it."""

    @abstractmethod
    def value_bytes(self, n_bytes: int) -> bytes:
        """Read a long run of bytes that becomes a value."""

    def take(self, n_bytes: int) -> bytes:
        """Read exactly so many bytes; raise EOFError before asking for memory to hold them."""
        self.check_left(n_bytes)
        data = self.read(n_bytes)
        if len(data) != n_bytes:
            raise EOFError
        return data

    def check_left(self, n_bytes: int) -> None:
        """Raise EOFError if the file is known to hold fewer bytes than announced."""
        if self.end is not None and n_bytes > self.end - self.stream.tell():
            raise EOFError

    def load_nothing(self) -> None:
        """Raise EOFError: the stream ended before its last instruction."""
        raise EOFError

    def load_stop(self) -> None:
        raise _Done

    def load_frame(self) -> None:
        # Frames only tell how far to read ahead; arrays of joblib lie between them.
        self.take(8)

    def load_binbytes(self) -> None:
        self.append(self._bytes(unpack("<I", self.take(4))[0]))

    def load_binbytes8(self) -> None:
        self.append(self._bytes(unpack("<Q", self.take(8))[0]))

    def load_bytearray8(self) -> None:
        self.append(bytearray(self._bytes(unpack("<Q", self.take(8))[0])))

    def load_binstring(self) -> None:
        self.append(self._bytes(unpack("<I", self.take(4))[0]).decode("latin-1"))

    def load_binunicode(self) -> None:
        data = self.take(unpack("<I", self.take(4))[0])
        self.append(str(data, "utf-8", "surrogatepass"))

    def load_binunicode8(self) -> None:
        data = self.take(unpack("<Q", self.take(8))[0])
        self.append(str(data, "utf-8", "surrogatepass"))

    def load_long4(self) -> None:
        n_bytes = unpack("<I", self.take(4))[0]
        if n_bytes > MAX_LONG_BYTES:
            raise Refused("holds a whole number of thousands of digits")
        self.append(int.from_bytes(self.take(n_bytes), "little", signed=True))

    def _bytes(self, n_bytes: int) -> bytes:
        return self.take(n_bytes) if n_bytes < _BIG_BYTES else self.value_bytes(n_bytes)

    def load_append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def load_appends(self) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list[object]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        else:
            self.put(target)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def load_setitems(self) -> None:
        self._set(self.pop_mark())

    def _set(self, items: list[object]) -> None:
        target = self.stack[-1]
        keys = items[::2]
        check_keys(keys)
        if _is_dict(target):
            if type(target) is not dict:
                check_names(keys)
            cast("dict[object, object]", target).update(zip(keys, items[1::2], strict=True))
        else:
            self.put(target)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        target = self.stack[-1]
        if type(target) is set:
            target.update(items)
        else:
            self.put(target)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        check_keys(items)
        self.append(frozenset(items))


def _is_dict(target: object) -> bool:
    """Tell a dict that stores items as dict does, so that storing runs no code of a class."""
    cls = type(target)
    if cls is dict or cls is OrderedDict:
        return True
    plain = all(getattr(cls, name, None) is vars(dict)[name] for name in ("__setitem__", "update"))
    return isinstance(target, dict) and plain


def _refuser(sentence: str) -> Callable[[Reader], None]:
    def refuse(_reader: Reader) -> None:
        raise Refused(sentence)

    return refuse
