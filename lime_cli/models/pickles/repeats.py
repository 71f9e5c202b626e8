"""Objects that repeat in a pickle, such as the trees of a forest, which are handed to C as a whole.

The instructions that make one tree are those that made the tree before it, but for numbers and for
the bytes of arrays. The machine has run those under every rule. What is the same byte by byte does
the same again, to the same objects: C is asked what it has under the numbers that the file gives.
What may differ is a number that becomes an attribute or the length of an axis, and the bytes of an
array, which numpy counts. Every rule that looks at these looks at the finished model. So Python's
own unpickler may run the next tree.

What differs anywhere else (a class, a key, what a call is given) is no repetition: the machine runs
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple, cast

from lime_cli.models.pickles.constructors import BUFFER, SCALAR
from lime_cli.models.pickles.policy import Global
from lime_cli.models.pickles.runs import Memo, Values
from lime_cli.models.pickles.sizes import TREE, is_filled_unseen
from lime_cli.models.walking import identity

_LEAST_TIMES = 4
"""Fewer objects of a class cost more to learn than to run."""

_MOST_BYTES = 1 << 17
"""Of an object that is learned: in a larger one the instructions are not what takes the time."""

_AT_ONCE = 1 << 17
"""Bytes that are handed over, or little more: memory that is used again is there already."""

_TRIES = 8
"""Objects of a class that were learned in a row, to no use."""

_MOST_STEPS = 200_000
"""Instructions that are looked at to learn: each may be in many objects, one in the other."""

_NEXT_LIST = b"a]\x94"
"""What stands between objects of which each is alone in a list: APPEND, EMPTY_LIST, MEMOIZE."""

_EMPTY_ARRAY = ("numpy._core.multiarray", "_reconstruct")

_NATIVE = ("pandas", "xgboost", "lightgbm", "catboost", "lime_cli")
"""Packages whose objects are filled in ways of their own, as is what stands in for a class."""

_FIXED, _NUMBER, _DATA, _COUNT = range(4)

_NUMBERS = {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9, 0x4E: 1, 0x88: 1, 0x89: 1}
"""Instructions that push a number, a truth value or nothing, and how many bytes they take."""


class _Odd(Exception):
    """An object is made in a way that is not learned."""


class _Token(NamedTuple):
    """An instruction, and what of it may be otherwise when it repeats."""

    code: bytes
    may_vary: int
    varies: bool = False


_Piece = tuple[bytes, int, int]
"""What is the same in all, how long it is, and what follows."""


@dataclass(frozen=True)
class Template:
    """The instructions that make an object, from its class to its state."""

    tokens: tuple[_Token, ...]
    got: tuple[tuple[bytes, object], ...]
    """How others are asked for that were made before, and what they are."""
    n_numbers: int

    def pieces(self) -> list[_Piece]:
        """Return what all have alike, each with what follows that each has otherwise."""
        found, same = [], b""
        for token in self.tokens:
            if token.varies:
                found.append((same, len(same), token.may_vary))
                same = b""
            else:
                same += token.code
        return [*found, (same, len(same), _FIXED)]

    def merged(self, newer: Template) -> Template:
        """Let vary what does between this and another; return the other where more differs."""
        if len(self.tokens) != len(newer.tokens) or self.got != newer.got:
            return newer
        tokens = []
        for one, other in zip(self.tokens, newer.tokens, strict=True):
            if one.may_vary != other.may_vary or (one.code != other.code and not one.may_vary):
                return newer
            varies = one.varies or one.code != other.code
            tokens.append(_Token(other.code, one.may_vary, varies))
        return Template(tuple(tokens), newer.got, newer.n_numbers)


@dataclass
class _Class:
    """What is known of a class whose objects are met."""

    n_seen: int = 0
    tries: int = _TRIES
    template: Template | None = None
    pieces: list[_Piece] = field(default_factory=list)


class Watched(NamedTuple):
    """An object that is being made: to be learned once it is filled."""

    start: int
    cls: object
    n_marks: int
    height: int


KeyOf = Callable[[object], "Global | None"]
"""Gives the name by which a file used a thing; None for what has none."""


class Repeats:
    """Learns how objects are made in a file, and finds more that are made alike."""

    def __init__(self, key_of: KeyOf) -> None:
        self._key_of = key_of
        self._classes: dict[int, _Class] = {}
        self.is_older = False
        """Whether objects are given other states than the file has, which is not repeated."""
        self.n_steps = 0
        """Instructions that were looked at to learn."""
        self.watched: list[Watched] = []

    def run(
        self, data: bytes, at: int, memo: Memo, stack: list[object], n_marks: int
    ) -> tuple[Values, int] | None:
        """Make the objects that begin before a NEWOBJ at a place, and repeat what was learned.

        They are on the stack then; returns them, and where they end. None for others, which are
        watched if they may repeat.
        """
        cls = stack[-2]
        known = self._classes.setdefault(identity(cls), _Class())
        known.n_seen += 1
        start = _start(data, at)
        if known.n_seen < 2 or not known.tries or start is None:
            return None
        if known.n_seen == 2 and not _repeats(data, data[start : at + 1], start):
            known.tries = 0
            return None
        if known.template is not None:
            within = stack[-3] if len(stack) > 2 and type(stack[-3]) is list else None
            n, gap, end = _matched(known.pieces, data, start, in_lists=within is not None)
            if n:
                into = (within,) if gap else ()
                program = memoryview(data)[start:end]
                n_numbers = n * known.template.n_numbers + (n - 1 if gap else 0)
                made = memo.repeated(program, into, known.template.got, n_numbers)
                if made is not None:
                    known.tries = _TRIES
                    stack[-2 - len(into) :] = made
                    if not gap:
                        return made, end
                    lists = cast("tuple[list[object], ...]", made[:-2])  # the last is empty yet
                    return (*(one[-1] for one in lists), made[-1]), end
        self.watched.append(Watched(start, cls, n_marks, len(stack) - 1))
        return None

    def learn(self, data: bytes, end: int, memo: Memo, place: tuple[int, int]) -> None:
        """Learn the object that was last watched, if it is that in a place that is now filled."""
        while self.watched and self.watched[-1][2:] > place:
            self.watched.pop()  # it was never filled
        if not self.watched or self.watched[-1][2:] != place:
            return
        start, cls, *_ = self.watched.pop()
        known = self._classes[identity(cls)]
        known.tries -= 1
        if self.is_older or end - start > _MOST_BYTES or self.n_steps > _MOST_STEPS:
            return
        learner = _Learner(data[start:end], memo, self._key_of)
        try:
            found = learner.template()
        except (_Odd, IndexError, KeyError):
            return
        finally:
            self.n_steps += learner.n_steps
        known.template = known.template.merged(found) if known.template else found
        known.pieces = known.template.pieces()

    def forget(self) -> None:
        """Learn no object that has begun: bytes of an array were read in the midst of it."""
        self.watched.clear()


def _repeats(data: bytes, begin: bytes, at: int) -> bool:
    """Tell whether so many more objects begin like the one in a place, not too far from it."""
    for _ in range(_LEAST_TIMES):
        at = data.find(begin, at, at + _MOST_BYTES) + 1
        if not at:
            return False
    return True


def _start(data: bytes, at: int) -> int | None:
    """Return where a class is asked for of which NEWOBJ makes an object with no arguments."""
    if data[at - 1 : at] != b")":
        return None
    if data[at - 3 : at - 2] == b"h":
        return at - 3
    return at - 6 if data[at - 6 : at - 5] == b"j" else None


def _matched(
    pieces: list[_Piece], data: bytes, start: int, *, in_lists: bool
) -> tuple[int, bytes, int]:
    """Return how many objects begin at a place, what is between them, and where the last ends."""
    n, gap, end = 0, b"", start
    while end - start <= _AT_ONCE:
        after = _end(pieces, data, end + len(gap) if n else end, _NUMBERS)
        if after is None:
            break
        n, end = n + 1, after
        if n == 1 and in_lists and data.startswith(_NEXT_LIST, end):
            gap = _NEXT_LIST
        if gap and not data.startswith(gap, end):
            break
    return n, gap if n > 1 else b"", end


def _end(pieces: list[_Piece], data: bytes, at: int, numbers: Mapping[int, int]) -> int | None:
    """Return where an object ends that begins at a place; None for one that is made otherwise."""
    begins = data.startswith
    count = b""  # of the nodes of a tree: what it says is how many there are
    try:
        for same, n_same, varies in pieces:
            if not begins(same, at):
                return None
            at += n_same
            if varies == _NUMBER:
                at += numbers[data[at]]
            elif varies == _FIXED:
                return at
            elif varies == _COUNT:
                number = data[at : at + numbers[data[at]]]
                at += len(number)
                if count and number != count:
                    return None
                count = b"" if count else number
            elif data[at] == 0x42:  # BINBYTES
                at += 5 + int.from_bytes(data[at + 1 : at + 5], "little")
            elif data[at] == 0x43:  # SHORT_BINBYTES
                at += 2 + data[at + 1]
            elif data[at] == 0x96:  # BYTEARRAY8
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "little")
            else:
                return None
    except (KeyError, IndexError):  # no number, or no more data
        return None
    raise AssertionError("the last piece is one that is fixed")


class _Part:
    """What stands on the stack: its kind, the first instruction of it, and what is in it."""

    def __init__(self, kind: str, first: int, held: Any = None) -> None:
        self.kind, self.first, self.held = kind, first, held


class _Learner:
    """Goes through the instructions that made an object, to tell what each of them is for."""

    def __init__(self, data: bytes, memo: Memo, key_of: KeyOf) -> None:
        self._data, self._memo, self._key_of = data, memo, key_of
        self._codes: list[bytes] = []
        self._may_vary: list[int] = []
        self._often: set[int] = set()
        self._got: dict[bytes, object] = {}
        self._stack: list[_Part] = []
        self._marks: list[int] = []
        self._n_numbers = 0
        self._n_open = 0

    @property
    def n_steps(self) -> int:
        """Count the instructions that were looked at."""
        return len(self._codes)

    def template(self) -> Template:
        """Return the template; raise _Odd, IndexError or KeyError for what is not learned."""
        at = 0
        while at < len(self._data):
            code = self._data[at]
            n_bytes = self._n_bytes(code, at)
            instruction = self._data[at : at + n_bytes]
            self._codes.append(instruction)
            self._may_vary.append(_FIXED)
            self._step(code, instruction)
            at += n_bytes
        numbers = self._got.keys()
        first = len(self._memo) + self._memo.n_in_runs - self._n_numbers
        own = any(int.from_bytes(one[1:], "little") >= first for one in numbers)
        if [part.kind for part in self._stack] != ["made"] or self._marks or self._n_open or own:
            raise _Odd
        tokens = tuple(map(_Token, self._codes, self._may_vary, map(self._varies, count())))
        return Template(tokens, tuple(self._got.items()), self._n_numbers)

    def _varies(self, place: int) -> bool:
        """Tell what varies in most models, which need not be learned from one more object."""
        often = place in self._often or self._codes[place][:1] == b"J"  # as seeds are
        may_vary = self._may_vary[place]
        return may_vary in (_DATA, _COUNT) or (may_vary == _NUMBER and often)

    def _n_bytes(self, code: int, at: int) -> int:
        if code in _NUMBERS:
            return _NUMBERS[code]
        if code in (0x8C, 0x43):  # SHORT_BINUNICODE, SHORT_BINBYTES
            return 2 + self._data[at + 1]
        if code == 0x42:  # BINBYTES
            return 5 + int.from_bytes(self._data[at + 1 : at + 5], "little")
        if code == 0x96:  # BYTEARRAY8
            return 9 + int.from_bytes(self._data[at + 1 : at + 9], "little")
        return {0x68: 2, 0x6A: 5}.get(code, 1)

    def _step(self, code: int, instruction: bytes) -> None:
        stack, last = self._stack, len(self._codes) - 1
        if code in _NUMBERS:
            stack.append(_Part("number", last))
        elif code in (0x68, 0x6A):  # BINGET, LONG_BINGET
            self._got[instruction] = self._memo[int.from_bytes(instruction[1:], "little")]
            stack.append(_Part("got", last, self._got[instruction]))
        elif code == 0x94:  # MEMOIZE
            self._n_numbers += 1
        elif code in (0x42, 0x43, 0x96):
            stack.append(_Part("bytes", last))
        elif code == 0x8C:
            stack.append(_Part("got", last, str(instruction[2:], "utf-8", "replace")))
        elif code == 0x5D:  # EMPTY_LIST
            stack.append(_Part("list", last))
        elif code == 0x7D:  # EMPTY_DICT
            stack.append(_Part("dict", last, {}))
        elif code == 0x28:  # MARK
            self._marks.append(len(stack))
        elif code == 0x29:  # EMPTY_TUPLE
            stack.append(_Part("tuple", last, []))
        elif code in (0x85, 0x86, 0x87):
            parts = self._taken(len(stack) - (code - 0x84))
            stack.append(_Part("tuple", parts[0].first, parts))
        elif code == 0x74:  # TUPLE
            first = self._first_since_mark(last)
            stack.append(_Part("tuple", first, self._taken(self._marks.pop())))
        elif code in (0x61, 0x65):  # APPEND, APPENDS
            self._taken(len(stack) - 1 if code == 0x61 else self._marks.pop())
            self._last("list")
        elif code in (0x73, 0x75):  # SETITEM, SETITEMS
            self._set(self._taken(len(stack) - 2 if code == 0x73 else self._marks.pop()))
        elif code == 0x81:  # NEWOBJ
            self._create()
        elif code == 0x52:  # REDUCE
            self._call()
        elif code == 0x62:  # BUILD
            self._fill()
        else:
            raise _Odd

    def _first_since_mark(self, last: int) -> int:
        inside = self._stack[self._marks[-1] :]
        return inside[0].first if inside else last

    def _taken(self, height: int) -> list[_Part]:
        if height < (self._marks[-1] if self._marks else 0):
            raise _Odd
        taken = self._stack[height:]
        del self._stack[height:]
        return taken

    def _last(self, *kinds: str) -> _Part:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _Odd
        part = self._stack[-1]
        if part.kind not in kinds:
            raise _Odd
        return part

    def _set(self, items: list[_Part]) -> None:
        into = self._last("dict")
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(type(key.held) is str for key in keys):
            raise _Odd
        into.held.update(zip((key.held for key in keys), values, strict=True))

    def _create(self) -> None:
        cls, args = self._taken(len(self._stack) - 2)
        if cls.kind != "got" or args.kind != "tuple" or args.held or not _is_plain(cls.held):
            raise _Odd
        self._stack.append(_Part("object", cls.first))

    def _call(self) -> None:
        callee, args = self._taken(len(self._stack) - 2)
        if callee.kind != "got" or args.kind != "tuple":
            raise _Odd
        for place in range(args.first, len(self._codes)):
            self._may_vary[place] = _FIXED
        key = self._key_of(callee.held)
        if key == BUFFER:
            self._loosen_array(args.held[0], args.held[2])
            callee.held = args.held[2]
        elif key == _EMPTY_ARRAY:
            self._n_open += 1
        elif key not in (SCALAR, TREE):
            raise _Odd
        kind = {_EMPTY_ARRAY: "array", TREE: "object"}.get(key, "made")
        held = callee.held if key == BUFFER else key
        self._stack.append(_Part(kind, callee.first, held))

    def _fill(self) -> None:
        (state,) = self._taken(len(self._stack) - 1)
        instance = self._last("object", "array")
        if instance.kind == "array":
            if state.kind != "tuple" or len(state.held) != 5:
                raise _Odd
            self._loosen_array(state.held[4], state.held[1])
            instance.held = state.held[1]
            self._n_open -= 1
        elif state.kind != "dict":
            raise _Odd
        else:
            self._loosen(state.held.values(), often=instance.held == TREE)
            if instance.held == TREE:
                self._pair(state.held["node_count"], state.held["nodes"])
        instance.kind = "made"

    def _loosen_array(self, data: _Part, shape: _Part) -> None:
        if shape.kind != "tuple":
            raise _Odd
        if data.kind == "bytes":
            self._may_vary[data.first] = _DATA
        elif data.held != b"":  # others would be shared with an array that has them
            raise _Odd
        self._loosen(shape.held, often=True)

    def _pair(self, count: _Part, nodes: _Part) -> None:
        """Have a tree's count of nodes vary with the number of its nodes."""
        rows = nodes.held.held[0] if isinstance(nodes.held, _Part) else None
        if rows is None or rows.kind != "number" or count.kind != "number":
            raise _Odd
        self._may_vary[count.first] = self._may_vary[rows.first] = _COUNT

    def _loosen(self, parts: Iterable[_Part], *, often: bool) -> None:
        for part in parts:
            if part.kind == "number":
                self._may_vary[part.first] = _NUMBER
                if often:
                    self._often.add(part.first)


def _is_plain(cls: object) -> bool:
    """Tell a class that Python makes and fills as the machine does."""
    if not isinstance(cls, type) or not is_filled_unseen(cls):
        return False
    own = {"__getattribute__": object.__getattribute__, "__new__": object.__new__}
    plain = all(getattr(cls, name) is value for name, value in own.items())
    native = cls.__module__.partition(".")[0] in _NATIVE
    return plain and not hasattr(cls, "__getattr__") and not native
