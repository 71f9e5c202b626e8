"""What is learned of how a pickle makes an object: which of its instructions may be otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from lime_cli.models.pickles.constructors import BUFFER, SCALAR, has_no_state
from lime_cli.models.pickles.policy import ARRAY_WRAPPER, RECONSTRUCTOR, Global
from lime_cli.models.pickles.runs import Memo
from lime_cli.models.pickles.sizes import TREE, is_filled_unseen

EMPTY_ARRAY = ("numpy._core.multiarray", "_reconstruct")

_NATIVE = ("pandas", "xgboost", "lightgbm", "catboost", "lime_cli")
"""Packages whose objects are filled in ways of their own, as is what stands in for a class."""

FIXED, NUMBER, DATA, TEXT, WORD, COUNT, PUT, OWN, RULES, RULED = range(10)
"""What of an instruction may be otherwise.

Nothing; which number it pushes; the bytes of an array or a scalar, or the text that these are
encoded from; which word it asks for; the count of a tree's nodes; which number it gives out, or
asks for where that is one of the object's own.

C never runs what is ``RULED``: it hands both that it is about to the machine, under whose rules it
is run as any other. ``RULES`` is no instruction, but where C is given those that it hands them to.
"""

_ENCODE, _BYTES, _SLICE = ("_codecs", "encode"), ("builtins", "bytes"), ("builtins", "slice")

_CALLED = frozenset({_ENCODE, _BYTES, _SLICE, BUFFER, EMPTY_ARRAY, SCALAR, TREE})
"""Functions that C calls, with what the machine has seen them called with."""

FRAME, FRAME_BYTES = 0x95, 9

_FRAME = bytes([FRAME])

NUMBERS = {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9, 0x4E: 1, 0x88: 1, 0x89: 1, 0x8A: 0}
"""Instructions that push a number, a truth value or nothing, and how many bytes they take.

LONG1 says itself how many more than two.
"""

PUTS = {0x71: 2, 0x72: 5}
"""Instructions that give out a number that they say, and how many bytes they take."""

GETS = {0x68: 2, 0x6A: 5}
"""Instructions that ask for what has a number, and how many bytes they take."""

_GIVES = frozenset({0x94, *PUTS})

_N_BYTES_OF_LENGTH = {0x43: 1, 0x8A: 1, 0x8C: 1, 0x42: 4, 0x58: 4, 0x96: 8}
"""Of instructions that say how long they are."""

_N_BYTES = {**NUMBERS, **PUTS, **GETS}

TEXT_AS = ("utf-8", "surrogatepass")
"""How pickle writes texts."""

ANY = -1


class Odd(Exception):
    """An object is made in a way that is not learned."""


_Token = tuple[bytes, int, int, bool]
"""An instruction, what of it may be otherwise when it repeats, a number, and whether it varies.

The number is, of ``PUT`` and ``OWN``, how many numbers the object gives out before the one that is
meant; of ``DATA`` and ``TEXT``, how many bytes or letters there must be, or ``ANY``; of ``RULED``,
the instruction, and of ``RULES``, those that they are for, the last in the lowest byte.
"""


Piece = tuple[bytes, int, int, int, tuple[int, ...], int, int]
"""What is the same in all, how long it is, where its instructions begin, and what follows: what of
that varies, and its ``n``.

Of an object's own numbers only how far they are from the first that it gives out is the same. So
before the length there are two more: those bytes as one large number, and what to add to that for
each that the first number is more than 0, which puts them all in at once.
"""

LEAST_NUMBER = 256
"""Said in four bytes."""


class Template(NamedTuple):
    """The instructions that make an object, from its class to its state."""

    tokens: tuple[_Token, ...]
    got: tuple[tuple[bytes, object], ...]
    """How others are asked for that were made before, and what they are."""
    n_numbers: int
    n_begun: int
    """Of these, how many are given out before the object is there."""
    inside: tuple[int, ...] = ()
    """How many are given out before each object that is a part of it, which has the next."""

    def pieces(self, first: int = LEAST_NUMBER) -> list[Piece]:
        """Return what all have alike, each with what follows that each has otherwise.

        Own numbers are said in four bytes there, but for objects that give out smaller ones: such
        pieces are of one object only, which gives out numbers from the first on.
        """
        found: list[Piece] = []
        same, adds, starts = b"", 0, list[int]()
        for code, may_vary, n, varies in (*self.tokens, _END):
            if may_vary in (PUT, OWN):
                starts.append(len(same))
                if first < LEAST_NUMBER and first + n < LEAST_NUMBER:
                    same += (b"q%c" if may_vary == PUT else b"h%c") % (first + n)
                    continue
                same += b"r" if may_vary == PUT else b"j"
                adds += 1 << 8 * len(same)
                same += (n if first == LEAST_NUMBER else first + n).to_bytes(4, "little")
            elif varies:
                adds = adds if first == LEAST_NUMBER else 0
                alike = same, int.from_bytes(same, "little"), adds, len(same), tuple(starts)
                found.append((*alike, may_vary, n))
                same, adds, starts = b"", 0, []
            else:
                starts.append(len(same))
                same += code
        return found

    def loosened(self, data: bytes, at: int) -> Template | None:
        """Let vary what does in an object at a place; None where more does than may, or nothing.

        What varies is looked at where objects are found to repeat, as ever.
        """
        found: list[int] = []
        for place, (code, may_vary, _, varies) in enumerate(self.tokens):
            if data[at : at + 1] == _FRAME:
                at += FRAME_BYTES
            if data.startswith(code, at):
                at += len(code)
            elif may_vary in (FIXED, RULED) or at >= len(data):
                return None
            else:
                at += n_bytes_of(data, at)
                if not varies:
                    found.append(place)
        if not found:
            return None
        tokens = [*self.tokens]
        for place in found:
            tokens[place] = (*tokens[place][:3], True)
        return self._replace(tokens=tuple(tokens))


_END: _Token = b"", FIXED, ANY, True


def n_bytes_of(data: bytes, at: int) -> int:
    """Return how many bytes an instruction takes, of those that an object is made by."""
    code = data[at]
    n = _N_BYTES_OF_LENGTH.get(code)
    if n is None:
        return _N_BYTES.get(code, 1)
    return 1 + n + int.from_bytes(data[at + 1 : at + 1 + n], "little")


KeyOf = Callable[[object], "Global | None"]
"""Gives the name by which a file used a thing; None for what has none."""


class _Part:
    """What stands on the stack: its kind, the first instruction of it, and what is in it."""

    __slots__ = ("first", "held", "kind")

    def __init__(self, kind: str, first: int, held: Any = None) -> None:
        self.kind, self.first, self.held = kind, first, held


class Learner:
    """Goes through the instructions that made an object, to tell what each of them is for."""

    def __init__(self, data: bytes, memo: Memo, first: int, key_of: KeyOf) -> None:
        self._data, self._memo, self._first, self._key_of = data, memo, first, key_of
        self._codes: list[bytes] = []
        self._may_vary: list[int] = []
        self._n: list[int] = []
        self._rules: dict[int, bytes] = {}
        self._often: set[int] = set()
        self._got: dict[bytes, object] = {}
        self._stack: list[_Part] = []
        self._marks: list[int] = []
        self._own: list[_Part] = []
        self._n_begun: int | None = None
        self._created: dict[int, int] = {}
        self._n_open = 0

    @property
    def n_steps(self) -> int:
        """Count the instructions that were looked at."""
        return len(self._codes)

    def template(self) -> Template:
        """Return the template; raise Odd, IndexError or KeyError for what is not learned."""
        at = 0
        while at < len(self._data):
            code = self._data[at]
            if code == FRAME:
                at += FRAME_BYTES
                continue
            n_bytes = n_bytes_of(self._data, at)
            instruction = self._data[at : at + n_bytes]
            self._codes.append(instruction)
            self._may_vary.append(FIXED)
            self._n.append(ANY)
            self._step(code, instruction)
            at += n_bytes
        if [part.kind for part in self._stack] != ["made"] or self._marks or self._n_open:
            raise Odd
        if 0 in self._rules:
            raise Odd  # which the machine has begun
        varies = [one != FIXED and self._varies(place) for place, one in enumerate(self._may_vary)]
        tokens = [*zip(self._codes, self._may_vary, self._n, varies, strict=True)]
        for place, rules in sorted(self._rules.items(), reverse=True):
            tokens.insert(place, (b"", RULES, int.from_bytes(rules, "little"), True))
        fixed = {code for code, may_vary, *_ in tokens if may_vary == FIXED}
        got = tuple(one for one in self._got.items() if one[0] in fixed)
        n_begun = self._n_begun or 0
        if any(self._codes[place + 1][0] not in _GIVES for place in self._created):
            raise Odd  # by which the object is found
        inside = tuple(n for n in self._created.values() if n != n_begun)
        return Template(tuple(tokens), got, len(self._own), n_begun, inside)

    def _varies(self, place: int) -> bool:
        """Tell what varies in most models, which need not be learned from one more object."""
        often = place in self._often or self._codes[place][:1] == b"J"  # as seeds are
        may_vary = self._may_vary[place]
        return may_vary not in (FIXED, NUMBER, WORD) or (may_vary == NUMBER and often)

    def _step(self, code: int, instruction: bytes) -> None:
        stack, last = self._stack, len(self._codes) - 1
        if code in NUMBERS:
            stack.append(_Part("number", last))
        elif code in GETS:
            number = int.from_bytes(instruction[1:], "little")
            if number < self._first:
                self._got[instruction] = self._memo[number]
                stack.append(_Part("got", last, self._got[instruction]))
            else:  # of which a call, a key or an array must not be made: it may hold what varies
                self._may_vary[last], self._n[last] = OWN, number - self._first
                stack.append(_Part("own", last, self._n[last]))
        elif code == 0x94:  # MEMOIZE
            self._own.append(stack[-1])
        elif code in PUTS:
            self._may_vary[last], self._n[last] = PUT, len(self._own)
            self._own.append(stack[-1])
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
            parts = self._taken(len(stack) - 1 if code == 0x61 else self._marks.pop())
            self._last("list")
            self._loosen_words(parts)
        elif code in (0x73, 0x75):  # SETITEM, SETITEMS
            self._set(self._taken(len(stack) - 2 if code == 0x73 else self._marks.pop()))
        elif code in (0x81, 0x52):  # NEWOBJ, REDUCE
            if self._n_begun is None:
                self._n_begun = len(self._own)
            self._create() if code == 0x81 else self._call()
        elif code == 0x62:  # BUILD
            self._fill()
        else:
            raise Odd

    def _first_since_mark(self, last: int) -> int:
        inside = self._stack[self._marks[-1] :]
        return inside[0].first if inside else last

    def _taken(self, height: int) -> list[_Part]:
        if height < (self._marks[-1] if self._marks else 0):
            raise Odd
        taken = self._stack[height:]
        del self._stack[height:]
        return taken

    def _last(self, *kinds: str) -> _Part:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise Odd
        part = self._stack[-1]
        if part.kind not in kinds:
            raise Odd
        return part

    def _set(self, items: list[_Part]) -> None:
        into = self._last("dict")
        keys, values = items[::2], items[1::2]
        if len(keys) != len(values) or not all(type(key.held) is str for key in keys):
            raise Odd
        into.held.update(zip((key.held for key in keys), values, strict=True))

    def _create(self) -> None:
        cls, args = self._taken(len(self._stack) - 2)
        if cls.kind != "got" or args.kind != "tuple":
            raise Odd
        if args.held or not _is_plain(cls.held):
            self._rule(cls, args)
            return
        self._created[len(self._codes) - 1] = len(self._own)
        self._stack.append(_Part("object", cls.first))

    def _call(self) -> None:
        callee, args = self._taken(len(self._stack) - 2)
        if callee.kind != "got" or args.kind != "tuple":
            raise Odd
        key = self._key_of(callee.held)
        if key not in _CALLED and not has_no_state(key):
            self._rule(callee, args)
            return
        given = range(args.first, len(self._codes))
        if any(self._may_vary[place] in (OWN, RULED) for place in given):
            raise Odd
        for place in given:
            if self._may_vary[place] != PUT:
                self._may_vary[place] = FIXED
        if key == _ENCODE:
            self._stack.append(self._encoded(args.held))
            return
        if key == _BYTES:
            if args.held:
                raise Odd
            self._stack.append(_Part("made", callee.first, b""))
            return
        if key == BUFFER:
            self._loosen_array(args.held[0], args.held[2])
            callee.held = args.held[2]
        elif key == EMPTY_ARRAY:
            if not self._is_empty(args.held):
                raise Odd
            self._n_open += 1
        elif key == SCALAR:
            self._loosen_scalar(*args.held)
        kind = {EMPTY_ARRAY: "array", TREE: "object"}.get(cast("Any", key), "made")
        held = callee.held if key == BUFFER else key
        self._stack.append(_Part(kind, callee.first, held))

    def _encoded(self, args: Sequence[_Part]) -> _Part:
        """Return the bytes that a text is encoded to, as protocol 2 writes them."""
        text, encoding = args
        if self._codes[text.first][:1] != b"X" or encoding.held not in ("latin1", "latin-1"):
            raise Odd
        return _Part("bytes", text.first)

    def _loosen_scalar(self, _dtype: _Part, data: _Part) -> None:
        """Let the bytes of a scalar be others, of which there are as many."""
        if data.kind == "bytes":
            self._loosen_bytes(data.first)
            code = self._codes[data.first]
            held = code[{0x43: 2, 0x96: 9}.get(code[0], 5) :]
            self._n[data.first] = len(held if code[0] != 0x58 else str(held, *TEXT_AS))

    def _loosen_bytes(self, place: int) -> None:
        self._may_vary[place] = TEXT if self._codes[place][:1] == b"X" else DATA

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
        instance = self._last("object", "array", "ruled")
        if instance.kind == "ruled":
            self._stack.pop()
            self._rule(instance, state)
        elif instance.kind == "array":
            if state.kind != "tuple" or len(state.held) != 5:
                raise Odd
            self._loosen_array(state.held[4], state.held[1])
            instance.held = state.held[1] if state.held[4].kind != "list" else None
            self._n_open -= 1
        elif state.kind != "dict":
            raise Odd
        else:
            self._loosen(state.held.values(), often=instance.held == TREE)
            if instance.held == TREE:
                self._pair(state.held["node_count"], state.held["nodes"])
        instance.kind = "made"

    def _loosen_array(self, data: _Part, shape: _Part) -> None:
        if shape.kind != "tuple":
            raise Odd
        if data.kind == "bytes":
            self._loosen_bytes(data.first)
        elif data.kind == "list":  # of objects: numpy does not count them, so that none may vary
            return
        elif data.held != b"":  # others would be shared with an array that has them
            raise Odd
        self._loosen(shape.held, often=True)

    def _pair(self, count: _Part, nodes: _Part) -> None:
        """Have a tree's count of nodes vary with the number of its nodes."""
        rows = nodes.held.held[0] if isinstance(nodes.held, _Part) else None
        if rows is None or rows.kind != "number" or count.kind != "number":
            raise Odd
        self._may_vary[count.first] = self._may_vary[rows.first] = COUNT

    def _loosen(self, parts: Iterable[_Part], *, often: bool) -> None:
        for part in parts:
            if part.kind == "number":
                self._may_vary[part.first] = NUMBER
                if often:
                    self._often.add(part.first)

    def _rule(self, maker: _Part, given: _Part) -> None:
        """Have the machine run the last instruction, which is given numbers that may be others."""
        place, code = len(self._codes) - 1, self._codes[-1]
        if self._key_of(maker.held) in (ARRAY_WRAPPER, RECONSTRUCTOR):
            raise Odd  # the first reads on in the file, and the second may make it
        self._may_vary[place], self._n[place] = RULED, code[0]
        self._rules[maker.first] = code + self._rules.get(maker.first, b"")
        self._loosen_deep(given)
        self._stack.append(_Part("made" if code == b"b" else "ruled", maker.first, maker.held))

    def _loosen_deep(self, given: _Part) -> None:
        is_own = given.kind == "own"
        if (self._own[given.held] if is_own else given).kind == "array":
            raise Odd  # the machine does not know that C has begun it
        if given.kind == "bytes":
            self._loosen_bytes(given.first)
        elif given.kind in ("dict", "tuple"):
            parts = given.held.values() if given.kind == "dict" else given.held
            self._loosen(parts, often=False)
            for part in parts:
                self._loosen_deep(part)

    def _loosen_words(self, parts: Iterable[_Part]) -> None:
        """Let words be others where these go into lists, alone or in tuples, as names do."""
        for part in parts:
            if part.kind == "tuple":
                self._loosen_words(part.held)
            elif type(part.held) is str and self._codes[part.first] in self._got:
                self._may_vary[part.first] = WORD


def _is_plain(cls: object) -> bool:
    """Tell a class that Python makes and fills as the machine does."""
    if not isinstance(cls, type) or not is_filled_unseen(cls):
        return False
    own = {"__getattribute__": object.__getattribute__, "__new__": object.__new__}
    plain = all(getattr(cls, name) is value for name, value in own.items())
    native = cls.__module__.partition(".")[0] in _NATIVE
    return plain and not hasattr(cls, "__getattr__") and not native
