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

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, NamedTuple, cast

import numpy as np

from lime_cli.models.pickles.constructors import BUFFER, SCALAR, is_empty_array
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

_NEXT_LISTS = b"e]\x94("
"""What stands between lists of several: APPENDS, EMPTY_LIST, MEMOIZE, MARK."""

_EMPTY_ARRAY = ("numpy._core.multiarray", "_reconstruct")

_NATIVE = ("pandas", "xgboost", "lightgbm", "catboost", "lime_cli")
"""Packages whose objects are filled in ways of their own, as is what stands in for a class."""

_FIXED, _NUMBER, _DATA, _COUNT, _PUT = range(5)

_FRAME, _FRAME_BYTES = 0x95, 9

_NUMBERS = {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9, 0x4E: 1, 0x88: 1, 0x89: 1}
"""Instructions that push a number, a truth value or nothing, and how many bytes they take."""


_PUTS = {0x71: 2, 0x72: 5}
"""Instructions that give out a number that they say, and how many bytes they take."""


class _Odd(Exception):
    """An object is made in a way that is not learned."""


class _Token(NamedTuple):
    """An instruction, and what of it may be otherwise when it repeats."""

    code: bytes
    may_vary: int
    varies: bool = False


_Piece = tuple[bytes, int, tuple[int, ...], int]
"""What is the same in all, how long it is, where its instructions begin, and what follows."""


class Template(NamedTuple):
    """The instructions that make an object, from its class to its state."""

    tokens: tuple[_Token, ...]
    got: tuple[tuple[bytes, object], ...]
    """How others are asked for that were made before, and what they are."""
    n_numbers: int
    n_begun: int
    """Of these, how many are given out before the object is there."""

    def pieces(self) -> list[_Piece]:
        """Return what all have alike, each with what follows that each has otherwise."""
        found: list[_Piece] = []
        same, starts = b"", list[int]()
        for token in self.tokens:
            if token.varies:
                found.append((same, len(same), tuple(starts), token.may_vary))
                same, starts = b"", []
            else:
                starts.append(len(same))
                same += token.code
        return [*found, (same, len(same), tuple(starts), _FIXED)]

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
        return newer._replace(tokens=tuple(tokens))


@dataclass
class _Class:
    """What is known of a class whose objects are met."""

    n_seen: int = 0
    tries: int = _TRIES
    template: Template | None = None
    pieces: list[_Piece] = field(default_factory=list)
    asked: Memo | None = None
    """Where C has the same under the numbers that it asks for, as it always will: a file that gives
    numbers in order gives none twice.
    """


class Watched(NamedTuple):
    """An object that is being made: to be learned once it is filled."""

    start: int
    begin: bytes
    """The instructions up to that which makes it."""
    maker: object
    n_marks: int
    height: int


class Made(NamedTuple):
    """Objects that C made."""

    objects: Values
    end: int
    is_in_lists: bool = False
    """Whether they are in lists already, before the last mark, which is done with."""


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
        self, data: bytes, at: int, memo: Memo, stack: list[object], metastack: list[list[object]]
    ) -> Made | None:
        """Make the objects that begin before an instruction, and repeat what was learned.

        It is NEWOBJ, or a REDUCE that makes an empty array. The objects, or the lists that they are
        in, are on the stack then. Returns None for others, which are watched if they may repeat.
        """
        maker, args = stack[-2:]
        is_array = data[at] == 0x52
        if is_array and self._key_of(maker) != _EMPTY_ARRAY:
            return None
        known = self._classes.setdefault(identity(maker), _Class())
        known.n_seen += 1
        begin = _begin_of_array(data, at) if is_array else _begin_of_object(data, at)
        if known.n_seen < 2 or not known.tries or begin is None:
            return None
        start = at + 1 - len(begin)
        if known.n_seen == 2 and not is_array and not _repeats(data, begin, start):
            known.tries = 0
            return None
        if type(args) is not tuple or not (is_empty_array(*args) if is_array else not args):
            return None
        if known.template is not None:
            first = len(memo) + memo.n_in_runs - known.template.n_begun
            counted = first, known.template.n_numbers
            found = _matched(known.pieces, data, start, counted, _gaps(stack, metastack))
            made = _made(known, found, len(begin) - 1, memo, stack, metastack)
            if made is not None:
                known.tries = _TRIES
                return made
        self.watched.append(Watched(start, begin, maker, len(metastack), len(stack) - 1))
        return None

    def learn(self, data: bytes, end: int, memo: Memo, place: tuple[int, int]) -> None:
        """Learn the object that was last watched, if it is that in a place that is now filled."""
        while self.watched and self.watched[-1][3:] > place:
            self.watched.pop()  # it was never filled
        if not self.watched or self.watched[-1][3:] != place:
            return
        start, begin, maker, *_ = self.watched.pop()
        if begin[-1] == 0x52 and not data.startswith(begin, end):
            return  # arrays are learned where another comes next
        known = self._classes[identity(maker)]
        known.tries -= 1
        if self.is_older or end - start > _MOST_BYTES or self.n_steps > _MOST_STEPS:
            return
        learner = _Learner(data[start:end], memo, self._key_of)
        try:
            found = learner.template()
        except (_Odd, IndexError, KeyError, ValueError):
            return
        finally:
            self.n_steps += learner.n_steps
        if found.got[0][1] is not maker:
            return  # what seemed to ask for it is the end of another instruction
        known.template = known.template.merged(found) if known.template else found
        known.pieces, known.asked = known.template.pieces(), None

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


def _begin_of_object(data: bytes, at: int) -> bytes | None:
    """Return what asks for a class of which NEWOBJ makes an object with no arguments."""
    if at < 6 or data[at - 1 : at] != b")":
        return None
    if data[at - 3 : at - 2] == b"h":
        return data[at - 3 : at + 1]
    return data[at - 6 : at + 1] if data[at - 6 : at - 5] == b"j" else None


_BEGIN_OF_ARRAY = re.compile(
    rb"(?:h.|j.{4}){2}K\0\x85\x94(?:h.|j.{4}|C\x01b\x94)\x87\x94R\Z", re.DOTALL
)


def _begin_of_array(data: bytes, at: int) -> bytes | None:
    """Return what asks for an empty array that REDUCE makes."""
    found = _BEGIN_OF_ARRAY.search(data, max(at - 24, 0), at + 1)
    return found and found[0]


class _Match(NamedTuple):
    """Objects that repeat."""

    n: int
    gap: bytes
    """What is between them, or between lists of them."""
    n_gaps: int
    program: list[memoryview]
    """What makes them all, without the marks of frames."""
    end: int


def _made(
    known: _Class,
    found: _Match,
    n_begun: int,
    memo: Memo,
    stack: list[object],
    metastack: list[list[object]],
) -> Made | None:
    """Make what was found, of which so many bytes have been run already."""
    program, template = found.program, known.template
    if template is None or not found.n or len(program[0]) <= n_begun:
        return None
    if known.asked is not memo and memo.is_in_order and memo.has(template.got):
        known.asked = memo
    if not memo.is_in_order or known.asked is not memo:
        return None
    program[0] = program[0][n_begun:]
    n_numbers = found.n * template.n_numbers - template.n_begun + found.n_gaps
    if found.gap == _NEXT_LISTS:
        into = cast("list[object]", metastack[-1][-1])
        n_before = len(into) + len(stack) - 2
        start = b"(NQ(" + b"NQ" * len(stack)
        lists = memo.repeated((start, *program, b"t"), (into, *stack), n_numbers)
        metastack[-1][-1:] = lists
        more = chain.from_iterable(cast("Iterable[list[object]]", lists[1:]))
        return Made((*into[n_before:], *more), found.end, is_in_lists=True)
    given = stack[-3 if found.gap else -2 :]
    start = b"(" + b"NQ" * len(given)
    made = memo.repeated((start, *program, b"t"), tuple(given), n_numbers)
    stack[-len(given) :] = made
    if found.gap:  # the last list is empty yet
        lists = made[:-2]
        made = (*(cast("list[object]", one)[-1] for one in lists), made[-1])
    return Made(made, found.end)


def _gaps(stack: list[object], metastack: list[list[object]]) -> frozenset[bytes]:
    """Return what may be between objects, by whether the first goes into a list."""
    alone = len(stack) > 2 and type(stack[-3]) is list
    several = bool(metastack and metastack[-1]) and type(metastack[-1][-1]) is list
    return frozenset([_NEXT_LIST] * alone + [_NEXT_LISTS] * several)


def _matched(
    pieces: list[_Piece], data: bytes, start: int, counted: tuple[int, int], gaps: frozenset[bytes]
) -> _Match:
    """Return the objects that begin at a place, with one of the gaps or none between them.

    ``counted`` is the first number that is given out, and how many each object gives out.
    """
    n, gap, n_gaps, end, frames = 0, b"", 0, start, list[int]()
    whole = n, n_gaps, end  # lists that are complete
    may_be_several = _NEXT_LISTS in gaps
    at, begins = start, data.startswith
    while at - start <= _AT_ONCE:
        after = _end(pieces, data, at, counted[0] + n * counted[1] + n_gaps, frames)
        if after is None:
            break
        n, at, end = n + 1, after, after
        if n == 1 and _NEXT_LIST in gaps and begins(_NEXT_LIST, end):
            gap = _NEXT_LIST
        if gap == _NEXT_LIST:
            if not begins(gap, end):
                break
            at, n_gaps = end + len(gap), n_gaps + 1
        elif may_be_several and data[end] == 0x65:  # APPENDS
            whole = n, n_gaps, end + 1
            if not begins(_NEXT_LISTS, end):
                break
            gap, at, n_gaps = _NEXT_LISTS, end + len(_NEXT_LISTS), n_gaps + 1
    if gap == _NEXT_LISTS:
        n, n_gaps, end = whole
    elif gap:
        n_gaps = n - 1
        gap = gap if n_gaps else b""
    frames = [one for one in frames if one < end]
    view, ends = memoryview(data), [*frames, end]
    starts = [start, *(one + _FRAME_BYTES for one in frames)]
    program = [view[one:other] for one, other in zip(starts, ends, strict=True)]
    return _Match(n, gap, n_gaps, program, end)


def _end(pieces: list[_Piece], data: bytes, at: int, number: int, frames: list[int]) -> int | None:
    """Return where an object ends that begins at a place; None for one that is made otherwise.

    It gives out numbers from some number on. Where frames begin in it is noted.
    """
    begins = data.startswith
    count = b""  # of the nodes of a tree: what it says is how many there are
    try:
        for same, n_same, starts, varies in pieces:
            if not begins(same, at):
                frame = _frame(same, starts, data, at)
                if frame is None:
                    return None
                frames.append(frame)
                at += _FRAME_BYTES
            at += n_same
            if varies == _FIXED:
                return at
            if data[at] == _FRAME:
                frames.append(at)
                at += _FRAME_BYTES
            if varies == _NUMBER:
                at += _NUMBERS[data[at]]
            elif varies == _PUT:
                length = _PUTS[data[at]]
                if int.from_bytes(data[at + 1 : at + length], "little") != number:
                    return None
                number, at = number + 1, at + length
            elif varies == _COUNT:
                said = data[at : at + _NUMBERS[data[at]]]
                at += len(said)
                if count and said != count:
                    return None
                count = b"" if count else said
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


def _frame(same: bytes, starts: Iterable[int], data: bytes, at: int) -> int | None:
    """Return where a frame begins between instructions that are otherwise the same."""
    for start in starts:
        if data[at + start] == _FRAME:
            rest = at + start + _FRAME_BYTES
            if data.startswith(same[:start], at) and data.startswith(same[start:], rest):
                return at + start
    return None


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
        self._n_begun: int | None = None
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
            if code == _FRAME:
                at += _FRAME_BYTES
                continue
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
        got, begun = tuple(self._got.items()), self._n_begun
        return Template(tokens, got, self._n_numbers, begun or 0)

    def _varies(self, place: int) -> bool:
        """Tell what varies in most models, which need not be learned from one more object."""
        often = place in self._often or self._codes[place][:1] == b"J"  # as seeds are
        may_vary = self._may_vary[place]
        return may_vary in (_DATA, _COUNT, _PUT) or (may_vary == _NUMBER and often)

    def _n_bytes(self, code: int, at: int) -> int:
        if code in _NUMBERS:
            return _NUMBERS[code]
        if code in (0x8C, 0x43):  # SHORT_BINUNICODE, SHORT_BINBYTES
            return 2 + self._data[at + 1]
        if code in (0x42, 0x58):  # BINBYTES, BINUNICODE
            return 5 + int.from_bytes(self._data[at + 1 : at + 5], "little")
        if code == 0x96:  # BYTEARRAY8
            return 9 + int.from_bytes(self._data[at + 1 : at + 9], "little")
        return {0x68: 2, 0x71: 2, 0x6A: 5, 0x72: 5}.get(code, 1)

    def _step(self, code: int, instruction: bytes) -> None:
        stack, last = self._stack, len(self._codes) - 1
        if code in _NUMBERS:
            stack.append(_Part("number", last))
        elif code in (0x68, 0x6A):  # BINGET, LONG_BINGET
            self._got[instruction] = self._memo[int.from_bytes(instruction[1:], "little")]
            stack.append(_Part("got", last, self._got[instruction]))
        elif code == 0x94:  # MEMOIZE
            self._n_numbers += 1
        elif code in (0x71, 0x72):  # BINPUT, LONG_BINPUT
            self._n_numbers += 1
            self._may_vary[last] = _PUT
        elif code in (0x42, 0x43, 0x96):
            stack.append(_Part("bytes", last))
        elif code in (0x8C, 0x58):
            words = instruction[2 if code == 0x8C else 5 :]
            stack.append(_Part("got", last, str(words, "utf-8", "replace")))
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
        elif code in (0x81, 0x52):  # NEWOBJ, REDUCE
            if self._n_begun is None:
                self._n_begun = self._n_numbers
            self._create() if code == 0x81 else self._call()
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
            if self._may_vary[place] != _PUT:
                self._may_vary[place] = _FIXED
        key = self._key_of(callee.held)
        if key == BUFFER:
            self._loosen_array(args.held[0], args.held[2])
            callee.held = args.held[2]
        elif key == _EMPTY_ARRAY and self._is_empty(args.held):
            self._n_open += 1
        elif key not in (SCALAR, TREE):
            raise _Odd
        kind = {_EMPTY_ARRAY: "array", TREE: "object"}.get(key, "made")
        held = callee.held if key == BUFFER else key
        self._stack.append(_Part(kind, callee.first, held))

    def _is_empty(self, args: Sequence[_Part]) -> bool:
        """Tell what an empty array is asked for with: its class, its shape, a type's letter."""
        cls, shape, letter = args
        n_zeros = [self._codes[one.first] for one in shape.held] if shape.kind == "tuple" else []
        is_b = self._codes[letter.first] == b"C\1b" or (
            type(letter.held) is bytes and letter.held == b"b"
        )
        return cls.held is np.ndarray and n_zeros == [b"K\0"] and is_b

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
