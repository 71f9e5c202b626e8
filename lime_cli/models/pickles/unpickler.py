"""The pickle machine: reads instructions, and keeps one set of rules for names, calls and states.

``Reader`` makes plain values and checks lengths and keys; ``Machine`` says what names, calls and
states may do. `dry_run.py` runs it with stand-ins for all objects and imports nothing;
`building.py` builds. What is inspected is therefore what is loaded.
"""

from __future__ import annotations

import pickle
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from struct import unpack
from typing import BinaryIO, ClassVar, cast

import numpy as np

from lime_cli.models.pickles.constructors import (
    Collisions,
    check_keys,
    check_names,
    fill_dtype,
    make_dtype,
)
from lime_cli.models.pickles.older import moved
from lime_cli.models.pickles.policy import (
    ARRAY_WRAPPER,
    CALL,
    GETATTR,
    NEW,
    RECONSTRUCTOR,
    ZONE,
    ZONE_OF,
    Bomb,
    Global,
    Refused,
    canonical,
)
from lime_cli.models.pickles.repeats import Repeats, Rule
from lime_cli.models.pickles.runs import LEAST_ROOM, STARTS, Memo, Values, frame_fits, has_gets
from lime_cli.models.walking import identity

MAX_LONG_BYTES = 8192

_BIG_BYTES = 1 << 16

_READ_NOTHING = frozenset(b")]}0Rat\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x93seu")
"""Instructions that end where they begin, but BUILD, which reads arrays of joblib."""

_TRIES = 8

_MISSES = 32
"""Places without a run in a row, after which only one in so many is looked at.

What asks for many things in a row is always: the machine would ask for each alone.
"""

_MOST_MARKS = 10_000
"""Far beyond what pickle itself can write."""


# None of these is written by pickle or joblib for a model of today.
_REFUSED = {
    "load_persid": "asks for objects that are not in the file",
    "load_binpersid": "asks for objects that are not in the file",
    "load_ext1": "uses names through the extension registry",
    "load_ext2": "uses names through the extension registry",
    "load_ext4": "uses names through the extension registry",
    "load_next_buffer": "asks for data that is not in the file",
    "load_readonly_buffer": "asks for data that is not in the file",
    "load_dup": "duplicates the top of the stack, which pickle never does",
}


class _Done(Exception):
    pass


class Reader(pickle._Unpickler):
    """Run the instructions of a pickle that make plain values: numbers, text, containers."""

    stack: list[object]
    metastack: list[list[object]]
    memo: Memo
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
        self._collisions = Collisions()
        self.read = stream.read
        self.readline = stream.readline
        self.repeats: Repeats | None = None

    def load(self) -> object:
        """Run the instructions up to STOP and give what is on top of the stack."""
        self.metastack = []
        self.stack = []
        self.append = self.stack.append
        self.proto = 0
        self.memo = Memo()
        if self.end is not None:
            self.memo.most_number = max(self.end, LEAST_ROOM)
        read, instructions = self.read, self.instructions
        try:
            if isinstance(self.stream, BytesIO):
                self._run(self.stream)
            while True:
                instructions[read(1)](self)
        except _Done:
            if not self.stack:
                raise Refused("holds nothing at all") from None
            return self.stack[-1]

    def _run(self, stream: BytesIO) -> None:
        """Run instructions that are in memory, the plain ones without a call for each.

        Runs of words and numbers are handed over as a whole. What looks anything up, calls or
        reads on is run as if the file was read piece by piece.
        """
        data = stream.getvalue()
        end = len(data)
        others = {code[0]: run for code, run in self.instructions.items() if code}
        apart = {code: run for code, run in others.items() if code in _READ_NOTHING}
        at = stream.tell()
        tries = 0  # a frame ends in the midst of a run, and sometimes of a step of it
        misses = 0
        repeats, rules = self.repeats, self.rules()
        while True:
            stack, memo = self.stack, self.memo
            push = stack.append
            while at < end:
                code = data[at]
                if tries and code in STARTS:
                    tries -= 1
                    found = memo.run(data, at, self._target, self.may_make)
                    misses += 1
                    if found is not None:
                        pushed, at = found
                        tries, misses = _TRIES, 0
                        if pushed is None:
                            self.pop_mark()
                            stack = self.stack
                            push = stack.append
                        else:
                            stack.extend(pushed)
                        continue
                if code == 0x94:  # MEMOIZE
                    if memo.is_in_order:
                        memo[len(memo) + memo.n_in_runs] = stack[-1]
                    else:
                        memo.memoize(stack[-1])
                    at += 1
                elif code == 0x68:  # BINGET
                    push(memo[data[at + 1]])
                    at += 2
                elif code == 0x8C:  # SHORT_BINUNICODE
                    start, at = at + 2, at + 2 + data[at + 1]
                    push(str(data[start:at], "utf-8", "surrogatepass"))
                elif code == 0x6A:  # LONG_BINGET
                    at += 5
                    push(memo[int.from_bytes(data[at - 4 : at], "little")])
                elif code == 0x4B:  # BININT1
                    push(data[at + 1])
                    at += 2
                elif repeats is not None and (code == 0x81 or code == 0x52):  # NEWOBJ, REDUCE
                    made = repeats.run(data, at, memo, stack, self.metastack, rules)
                    at = at + 1 if made is None else made.end
                    if made is None:
                        apart[code](self)
                        continue
                    self.note(made.objects)
                    if made.is_in_lists:
                        self.pop_mark()
                        stack = self.stack
                        push = stack.append
                elif code in apart:
                    at += 1
                    apart[code](self)
                    stack = self.stack
                    push = stack.append
                elif code == 0x28:  # MARK
                    at += 1
                    self.load_mark()
                    seldom = misses >= _MISSES and at % _MISSES
                    stack, tries = self.stack, not seldom or has_gets(data, at)
                    push = stack.append
                elif code == 0x4A:  # BININT
                    at += 5
                    push(int.from_bytes(data[at - 4 : at], "little", signed=True))
                elif code == 0x4D:  # BININT2
                    push(data[at + 1] | data[at + 2] << 8)
                    at += 3
                elif code == 0x4E:  # NONE
                    push(None)
                    at += 1
                elif code == 0x71:  # BINPUT
                    memo.put(data[at + 1], stack[-1])
                    at += 2
                elif code == 0x72:  # LONG_BINPUT
                    at += 5
                    memo.put(int.from_bytes(data[at - 4 : at], "little"), stack[-1])
                elif code == 0x58:  # BINUNICODE
                    start = at + 5
                    at = start + int.from_bytes(data[at + 1 : start], "little")
                    push(str(data[start:at], "utf-8", "surrogatepass"))
                elif code == 0x43:  # SHORT_BINBYTES
                    start, at = at + 2, at + 2 + data[at + 1]
                    push(data[start:at])
                elif code == 0x95 and frame_fits(data, at):
                    at += 9
                else:
                    break
            if at >= end:
                raise EOFError
            stream.seek(at + 1)
            others[code](self)
            at = stream.tell()
            if code == 0x62 and repeats is not None and repeats.watched:  # BUILD
                repeats.learn(data, at, memo, (len(self.metastack), len(stack)))

    def may_make(self, function: object, dtype: object, n_bytes: int) -> bool:
        """Tell whether a run may call a function for scalars of a dtype."""
        return False

    def rules(self) -> Mapping[int, Rule]:
        """Return how instructions are run under the rules, of which each takes two things."""
        return {}

    def note(self, made: Values) -> None:
        """Take note of objects that C made, as the machine made one before."""

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

    def load_mark(self) -> None:
        if len(self.metastack) > _MOST_MARKS:
            raise Bomb("nests containers too deeply")
        self.metastack.append(self.stack)
        self.stack = []
        self.append = self.stack.append

    def load_memoize(self) -> None:
        self.memo.memoize(self.stack[-1])

    def load_put(self) -> None:
        number = int(self.readline()[:-1])
        if number < 0:
            raise ValueError("negative PUT argument")
        self.memo.is_in_order = False
        self.memo.put(number, self.stack[-1])

    def load_binput(self) -> None:
        self.memo.put(self.take(1)[0], self.stack[-1])

    def load_long_binput(self) -> None:
        self.memo.put(unpack("<I", self.take(4))[0], self.stack[-1])

    def load_stop(self) -> None:
        raise _Done

    def load_frame(self) -> None:
        # Frames only tell how far to read ahead; arrays of joblib lie between them.
        self.check_left(unpack("<Q", self.take(8))[0])

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
            raise Refused("contains an integer with thousands of digits")
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
        check_keys(keys, self._collisions)
        if _is_dict(target):
            if type(target) is not dict:
                check_names(keys)
            held = cast("dict[object, object]", target)
            pairs = zip(keys, items[1::2], strict=True)
            self._collisions.store(held.update, pairs, len(held) + len(keys))
        else:
            self.put(target)

    def _target(self) -> dict[object, object] | None:
        """Put the items since the last mark into the dictionary before it, and return that.

        Returns None where there is none, or half an item.
        """
        below = self.metastack[-1][-1:] if self.metastack else []
        if not below or type(below[0]) is not dict or len(self.stack) % 2:
            return None
        keys = self.stack[::2]
        check_keys(keys, self._collisions)
        pairs = zip(keys, self.stack[1::2], strict=True)
        self._collisions.store(below[0].update, pairs, len(below[0]) + len(keys))
        self.stack.clear()
        return below[0]

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        check_keys(items, self._collisions)
        target = self.stack[-1]
        if type(target) is set:
            self._collisions.store(target.update, items, len(target) + len(items))
        else:
            self.put(target)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        check_keys(items, self._collisions)
        held: set[object] = set()
        self._collisions.store(held.update, items, len(items))
        self.append(frozenset(held))


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


MAX_NESTED_PICKLES = 4

DTYPE = ("numpy", "dtype")


Arguments = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Named:
    """A global of the file: the name it goes by, and the object that stands for it."""

    key: Global
    thing: object

    def __str__(self) -> str:
        return ".".join(self.key)


@dataclass(frozen=True)
class InlineArray:
    """What joblib says about an array whose bytes follow in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool


_WRAPPED = frozenset(
    ("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes")
)
"""What joblib writes down of an array: under another name it would be in a method's place."""


class ArrayWrapper:
    """Stands on the stack until the description of an array is complete."""


class Machine(Reader):
    """Run a pickle under the rules; what is built is up to a subclass."""

    def __init__(self, stream: BinaryIO, end: int | None) -> None:
        super().__init__(stream, end)
        self.names: dict[int, Named] = {}
        self.open: dict[int, object] = {}  # made but not yet filled, so not yet fit for use
        self._n_nested = 0

    @abstractmethod
    def find(self, module: str, name: str) -> Named:
        """Give what stands for a global; `names` holds it from then on."""

    @abstractmethod
    def use(self, named: Named, role: str) -> None:
        """Note, or check, that a global is used in a role."""

    @abstractmethod
    def make(self, named: Named, args: Arguments) -> object:
        """Call a global."""

    @abstractmethod
    def create(self, named: Named, args: Arguments, kwargs: dict[str, object]) -> object:
        """Make an instance of a global without running its constructor."""

    @abstractmethod
    def rebuild(self, named: Named, base: str, state: object) -> object:
        """Make an instance of a global from a value of its builtin base (protocols 0 and 1)."""

    @abstractmethod
    def fill(self, instance: object, state: object) -> None:
        """Give an instance its state."""

    @abstractmethod
    def fault(self, sentence: str) -> object:
        """Refuse what the file asks for, or note it and give a stand-in."""

    @abstractmethod
    def read_array(self, array: InlineArray) -> object:
        """Read the bytes of an array of joblib's."""

    def named(self, thing: object, role: str) -> Named | None:
        """Give the global that an object on the stack is, noting its use; None if it is none.

        Only the very object that a checked name gave counts: never an instance, never a result.
        """
        named = self.names.get(identity(thing))
        if named is None or named.thing is not thing:
            return None
        self.use(named, role)
        return named

    def check_finished(self, parts: Iterable[object]) -> None:
        """Refuse the use of a dtype or array that the file could still change afterwards."""
        # What is open is alive, so that its id is no other object's.
        if self.open and not self.open.keys().isdisjoint(map(identity, parts)):
            raise Refused("uses an array before it is finished")

    def load_global(self) -> None:
        module = self.readline()[:-1].decode("utf-8")
        name = self.readline()[:-1].decode("utf-8")
        self._push(module, name)

    def load_stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is str and type(module) is str:
            self._push(module, name)
        else:
            self.append(self.fault("computes the names that it uses"))

    def _push(self, module: str, name: str) -> None:
        self.append(self._find(*moved(canonical(module, name, self.proto))))

    def _find(self, module: str, name: str) -> object:
        named = self.find(module, name)
        self.names[identity(named.thing)] = named
        return named.thing

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._called(self.stack[-1], args)

    def _called(self, callee: object, args: object) -> object:
        named = self.named(callee, CALL)
        if named is None or type(args) is not tuple:
            return self.fault("calls something unsafe")
        if named.key == RECONSTRUCTOR and len(args) == 3:
            return self._reconstructed(*args)
        self.check_finished(args)
        for arg in args:
            if type(arg) is dict:
                self.check_finished(arg.values())
        if named.key == GETATTR and self._is_zone(args):
            return self._find(*ZONE_OF)
        if named.key != DTYPE:
            return self.make(named, args)
        dtype = make_dtype(args)
        self.open[identity(dtype)] = dtype
        return dtype

    def _is_zone(self, args: Arguments) -> bool:
        """Tell that an attribute is asked for by which time zones are pickled."""
        held = self.names.get(identity(args[0])) if len(args) == 2 else None
        return (
            held is not None and held.thing is args[0] and (held.key, args[1]) == (ZONE, ZONE_OF[1])
        )

    def _reconstructed(self, cls: object, base: object, state: object) -> object:
        """Do for protocols 0 and 1 what NEWOBJ does later: a class, its base, the base's state."""
        plain = self.names.get(identity(base))
        if plain is None or plain.key[0] != "builtins":
            return self.fault("rebuilds an object from an unsafe base")
        if plain.key[1] == "object":
            return self._created(cls, (), {})
        named = self.named(cls, NEW)
        if named is None:
            return self.fault("builds an unsafe object")
        return self.rebuild(named, plain.key[1], state)

    def load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self._created(self.stack[-1], args, {})

    def load_newobj_ex(self) -> None:
        kwargs, args = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self._created(self.stack[-1], args, kwargs)

    def _created(self, cls: object, args: object, kwargs: object) -> object:
        named = self.named(cls, NEW)
        if named is None or type(args) is not tuple or type(kwargs) is not dict:
            return self.fault("builds an unsafe object")
        if named.key == ARRAY_WRAPPER:
            return ArrayWrapper()
        self.check_finished(args)
        return self.create(named, args, kwargs)

    def load_inst(self) -> None:
        self.load_global()
        cls = self.stack.pop()
        self._old_instance(cls, self.pop_mark())

    def load_obj(self) -> None:
        cls, *args = self.pop_mark()
        self._old_instance(cls, args)

    def _old_instance(self, cls: object, _args: list[object]) -> None:
        self.named(cls, CALL)
        self.append(self.fault("makes objects the way Python 2 did"))

    def load_build(self) -> None:
        state = self.stack.pop()
        instance = self.stack[-1]
        if isinstance(instance, ArrayWrapper):
            self.stack[-1] = self._array(state)
        else:
            self._filled(instance, state)

    def _filled(self, instance: object, state: object) -> object:
        if isinstance(instance, np.dtype):
            self._fill_dtype(instance, state)
        elif identity(instance) in self.names and self.names[identity(instance)].thing is instance:
            self.fault(f"changes {self.names[identity(instance)]}")
        else:
            self.fill(instance, state)
        return instance

    def rules(self) -> Mapping[int, Rule]:
        created = partial(self._created, kwargs={})
        return {0x52: self._called, 0x62: self._filled, 0x81: created}

    def _fill_dtype(self, dtype: np.dtype, state: object) -> None:
        if self.open.get(identity(dtype)) is not dtype:
            raise Refused("changes a numpy dtype that is in use")
        self.check_finished(_parts(state))
        fill_dtype(dtype, state)
        del self.open[identity(dtype)]

    def _array(self, state: object) -> object:
        if type(state) is not dict or not isinstance(state.get("dtype"), np.dtype):
            raise Refused("holds an array of unknown type")
        shape, dtype = state.get("shape"), state["dtype"]
        if not _WRAPPED.issuperset(state) or state.get("order") not in ("C", "F"):
            raise Refused("holds an array that is not described as joblib does")
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise Refused("holds an array of unknown shape")
        self.check_finished([dtype])
        if self.repeats is not None:
            self.repeats.forget()
        if dtype.hasobject:
            return self._nested()
        if state.get("numpy_array_alignment_bytes") is not None:
            self.take(self.take(1)[0])
        return self.read_array(InlineArray(shape, dtype, state.get("order") == "F"))

    def _nested(self) -> object:
        """Run the pickle that joblib writes in place of an array of objects."""
        if self._n_nested >= MAX_NESTED_PICKLES:
            raise Refused("nests pickles too deeply")
        outer = self.memo, self.stack, self.metastack, self.append, self.proto
        self._n_nested += 1
        value = self.load()
        self._n_nested -= 1
        self.memo, self.stack, self.metastack, self.append, self.proto = outer
        return value


def _parts(state: object) -> list[object]:
    """List the dtypes inside the state of a dtype: of its subarray and of its fields."""
    parts: list[object] = []
    for item in state if type(state) is tuple else ():
        if type(item) is tuple:
            parts.extend(item)
        elif type(item) is dict:
            parts.extend(part for field in item.values() for part in field)
    return parts
