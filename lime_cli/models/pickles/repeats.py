"""Objects that repeat in a pickle, such as the trees of a forest, which are handed to C as a whole.

The instructions that make one tree are those that made the tree before it, but for numbers and for
the bytes of arrays. The machine has run those under every rule. What is the same byte by byte does
the same again, to the same objects: C is asked what it has under the numbers that the file gives.
What may differ is a number that becomes an attribute or the length of an axis, and the bytes of an
array, which numpy counts. Every rule that looks at these looks at the finished model. So Python's
own unpickler may run the next tree.

What differs anywhere else (a class, a key, what a call is given) is no repetition: the machine runs
it. So no byte reaches C that was not compared, or skipped as the content of an array by a length
that C reads, too:

- What makes the first object (the class or the function, and what it is given) comes from the stack
  of the machine, which has looked at it, and so do the lists that objects go into.
- Numbers of older protocols are compared with those that come next. A file that gives them out of
  order has nothing repeated, because under a number there might be two things.
- What has a number is asked of C once for each template and each pickle; one that lies in another,
  as in joblib's files, has numbers of its own.
- Calls, and what fills objects of classes written in C, have rules that look at what is given. C
  does not run them: it hands them back to the machine, which runs them as any other.
- Between objects, which may be of several classes, nothing may stand, or the end of one list and
  the start of the next, or the end of a pair of a word and an object, and the next word. Marks of
  frames are left out where an instruction may begin, which is where the machine skips them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, cast

from lime_cli.models.pickles.constructors import BUFFER, is_empty_array
from lime_cli.models.pickles.runs import Memo, Values, frame_fits
from lime_cli.models.pickles.templates import (
    ANY,
    COUNT,
    DATA,
    EMPTY_ARRAY,
    FIXED,
    FRAME,
    FRAME_BYTES,
    GETS,
    LEAST_NUMBER,
    NUMBER,
    NUMBERS,
    PUTS,
    RULED,
    RULES,
    TEXT_AS,
    WORD,
    KeyOf,
    Learner,
    Odd,
    Piece,
    Template,
)
from lime_cli.models.walking import identity

_LEAST_TIMES = 4
"""Fewer objects of a class cost more to learn than to run."""

_MOST_BYTES = 1 << 20
"""Of an object that is learned: in a larger one the instructions are not what takes the time."""

_AT_ONCE = 1 << 17
"""Bytes that are handed over, or little more: memory that is used again is there already."""

_FEW_PIECES = 8
"""More take longer to hand over one by one than to join."""

_TRIES = 8
"""Objects of a class that were learned in a row, to no use."""

_TRIES_ALONE, _NEAR = 2, 1 << 15
"""How often an object is tried to be learned first without what is in its first so many bytes."""

_MOST_TOKENS = 5000
"""Instructions of an object that are put together anew for each that gives out small numbers."""

_MOST_STEPS = 200_000
"""Instructions that are looked at to learn: each may be in many objects, one in the other."""

_NEXT_LIST = b"a]"
"""What stands between objects of which each is alone in a list, with a number: APPEND, EMPTY_LIST.
"""

_NEXT_PAIR = b"\x86"
"""What stands between objects that have names, with a number, a word and its number: TUPLE2."""

_NUMBERS_BETWEEN = {_NEXT_LIST: 1, _NEXT_PAIR: 2}

_NEXT_LISTS = b"e]"
"""What stands between lists of several, with a number and MARK: APPENDS, EMPTY_LIST."""


@dataclass
class _Class:
    """What is known of a class whose objects are met."""

    n_seen: int = 0
    tries: int = _TRIES
    template: Template | None = None
    pieces: list[Piece] = field(default_factory=list)
    begin: bytes = b""
    """What asks for the class."""
    end: int = -1
    """Where the last ended, of arrays that are made at once."""
    first: int = 0
    """The number that came next there."""
    asked: Memo | None = None
    """Where C has the same under the numbers that it asks for, as it always will: a file that gives
    numbers in order gives none twice.
    """

    def end_of(
        self, data: bytes, at: int, is_word: IsWord, first: int, cuts: list[Splice]
    ) -> int | None:
        """Return where an object ends that begins at a place, as `_end` does.

        What did not vary so far may from now on.
        """
        n_cuts, template = len(cuts), self.template
        while template is not None:
            pieces = self.pieces
            if first < LEAST_NUMBER and any(piece[2] for piece in pieces):
                if len(template.tokens) > _MOST_TOKENS:
                    return None
                pieces = template.pieces(first)
            after = _end(pieces, data, at, is_word, first, cuts)
            if after is not None:
                return after
            del cuts[n_cuts:]
            template = template.loosened(data, at)
            if template is not None:
                self.template, self.pieces = template, template.pieces()
        return None

    def is_asked(self, memo: Memo) -> bool:
        """Tell whether C has what is asked for under the same numbers."""
        if not memo.is_in_order or self.template is None:
            return False
        if self.asked is not memo and memo.has(self.template.got):
            self.asked = memo
        return self.asked is memo


class Watched(NamedTuple):
    """An object that is being made: to be learned once it is filled."""

    start: int
    begin: bytes
    """The instructions up to that which makes it."""
    first: int
    """The number that came next before those."""
    maker: object
    n_marks: int
    height: int


class Made(NamedTuple):
    """Objects that C made, and those that are parts of them."""

    objects: Values
    end: int
    is_in_lists: bool = False
    """Whether they are in lists already, before the last mark, which is done with."""


class Repeats:
    """Learns how objects are made in a file, and finds more that are made alike."""

    def __init__(self, key_of: KeyOf) -> None:
        self._key_of = key_of
        self._classes: dict[int, _Class] = {}
        self._by_begin: dict[bytes, _Class] = {}
        self.is_older = False
        """Whether objects are given other states than the file has, which is not repeated."""
        self.n_steps = 0
        """Instructions that were looked at to learn."""
        self.watched: list[Watched] = []

    def run(
        self,
        data: bytes,
        at: int,
        memo: Memo,
        stack: list[object],
        metastack: list[list[object]],
        rules: Mapping[int, Rule],
    ) -> Made | None:
        """Make the objects that begin before an instruction, and repeat what was learned.

        It is NEWOBJ, or a REDUCE that makes an array. The objects, or the lists that they are in,
        are on the stack then. Returns None for others, which are watched if they may repeat.
        """
        if len(stack) < 2:
            return None
        maker, args = stack[-2:]
        is_array = data[at] == 0x52
        key = self._key_of(maker) if is_array else None
        if is_array and key != EMPTY_ARRAY and key != BUFFER:
            return None
        known = self._classes.setdefault(identity(maker), _Class())
        known.n_seen += 1
        if key == BUFFER:
            return self._run_buffer(known, data, at, memo, stack, metastack, rules)
        begin, n_begun = _begin_of_array(data, at) if is_array else _begin_of_object(data, at)
        if known.n_seen < 2 or not known.tries or not begin:
            return None
        start = at + 1 - len(begin)
        if known.n_seen == 2 and not is_array and not _repeats(data, begin, start):
            known.tries = 0
            return None
        if type(args) is not tuple or not (is_empty_array(*args) if is_array else not args):
            return None
        made = self._more(known, data, start, at, memo, stack, metastack, rules)
        if made is None:
            first = memo.n_given - n_begun
            place = len(metastack), len(stack) - 1
            self.watched.append(Watched(start, begin, first, maker, *place))
        return made

    def _run_buffer(
        self,
        known: _Class,
        data: bytes,
        at: int,
        memo: Memo,
        stack: list[object],
        metastack: list[list[object]],
        rules: Mapping[int, Rule],
    ) -> Made | None:
        """Make an array as protocol 5 writes it, in one call, where it comes right after another.

        What makes it begins where the one before has ended, and is learned with its last call.
        """
        start, first, end = known.end, known.first, at + 1 + _N_BYTES_OF_PUT.get(data[at + 1], 0)
        made = None
        if start >= 0 and known.tries and _is_buffer(data, start, at):
            made = self._more(known, data, start, at, memo, stack, metastack, rules)
            if made is None:
                self._learn(known, data[start:end], memo, first, stack[-2])
        known.end = end if made is None else made.end
        known.first = memo.n_given + (made is None)
        return made

    def _more(
        self,
        known: _Class,
        data: bytes,
        start: int,
        at: int,
        memo: Memo,
        stack: list[object],
        metastack: list[list[object]],
        rules: Mapping[int, Rule],
    ) -> Made | None:
        """Make the objects that begin in a place, of which one has been run up to another."""
        if not known.is_asked(memo) or known.template is None:
            return None
        first = memo.n_given - known.template.n_begun
        words: list[int] = []
        gaps, others = _gaps(stack, metastack), partial(self._next, memo)
        found = _matched(known, others, data, start, words.append, first, gaps)
        if words and not memo.are_words(words):
            found = _matched(known, others, data, start, partial(_is_word, memo), first, gaps)
        begun = at - start, memo.n_given
        made = _made(rules, found, data, begun, memo, stack, metastack)
        if made is not None:
            known.tries = _TRIES
        return made

    def _next(self, memo: Memo, data: bytes, at: int) -> _Class | None:
        """Return the class of which an object seems to begin at a place, if it is learned."""
        if data[at : at + 1] == bytes([FRAME]):
            at += FRAME_BYTES
        length = GETS.get(data[at], 0) if at < len(data) else 0
        known = self._by_begin.get(data[at : at + length])
        return known if known is not None and known.is_asked(memo) else None

    def learn(self, data: bytes, end: int, memo: Memo, place: tuple[int, int]) -> None:
        """Learn the object that was last watched, if it is that in a place that is now filled."""
        while self.watched and self.watched[-1][4:] > place:
            self.watched.pop()  # it was never filled
        if not self.watched or self.watched[-1][4:] != place:
            return
        start, begin, first, maker, *_ = self.watched.pop()
        if begin[-1] == 0x52 and not _BEGIN_OF_ARRAY.match(data, end):
            return  # arrays are learned where another comes next
        outer = self.watched[-1] if self.watched else None
        if outer is not None and end - outer.start < _NEAR and self._may_learn(outer.maker):
            return
        self._learn(self._classes[identity(maker)], data[start:end], memo, first, maker)

    def _may_learn(self, maker: object) -> bool:
        """Tell whether objects may soon repeat as a whole, with all that they are made of."""
        known = self._classes[identity(maker)]
        return known.template is None and known.tries > _TRIES - _TRIES_ALONE

    def _learn(self, known: _Class, data: bytes, memo: Memo, first: int, maker: object) -> None:
        known.tries -= 1
        if self.is_older or len(data) > _MOST_BYTES or self.n_steps > _MOST_STEPS:
            return
        if not memo.is_in_order:  # where a number that is asked for may be another's
            return
        learner = Learner(data, memo, first, self._key_of)
        try:
            found = learner.template()
        except (Odd, IndexError, KeyError, ValueError):
            return
        finally:
            self.n_steps += learner.n_steps
        if found.got[0][1] is not maker:
            return  # what seemed to ask for it is the end of another instruction
        known.template, known.pieces, known.asked = found, found.pieces(), None
        known.begin = found.got[0][0]
        self._by_begin[known.begin] = known

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


def _begin_of_object(data: bytes, at: int) -> tuple[bytes, int]:
    """Return what asks for a class of which NEWOBJ makes an object with no arguments.

    Also returns how many numbers that gives out, which is none. Returns nothing for others.
    """
    if at >= 6 and data[at - 1 : at] == b")":
        if data[at - 3 : at - 2] == b"h":
            return data[at - 3 : at + 1], 0
        if data[at - 6 : at - 5] == b"j":
            return data[at - 6 : at + 1], 0
    return b"", 0


_PUT = rb"(?:\x94|q.|r.{4})"

_N_BYTES_OF_PUT = {0x94: 1, **PUTS}

_BEGIN_OF_ARRAY = re.compile(
    rb"(?:h.|j.{4}){2}K\0\x85%b(?:h.|j.{4}|C\x01b(?P<letter>%b))\x87%bR" % ((_PUT,) * 3), re.DOTALL
)

_ENDS_SO = re.compile(rb"%b\Z" % _BEGIN_OF_ARRAY.pattern, re.DOTALL)


def _begin_of_array(data: bytes, at: int) -> tuple[bytes, int]:
    """Return what asks for an empty array that REDUCE makes; also, how many numbers that gives."""
    found = _ENDS_SO.search(data, max(at - 36, 0), at + 1)
    return (found[0], 2 + (found["letter"] is not None)) if found else (b"", 0)


_BUFFER_BEGINS = re.compile(rb"(?:h.|j.{4})\(\x96", re.DOTALL)

_MOST_BETWEEN = 64


def _is_buffer(data: bytes, start: int, at: int) -> bool:
    """Tell whether an array of protocol 5 seems to be all that is made up to a REDUCE."""
    found = _BUFFER_BEGINS.match(data, start)
    if found is None:
        return False
    end = found.end() + 8 + int.from_bytes(data[found.end() : found.end() + 8], "little")
    return end < at < end + _MOST_BETWEEN


IsWord = Callable[[int], "bool | None"]
"""Tells whether what has a number is a word; None where that is looked at later."""


Rule = Callable[[Any, Any], object]
"""Runs an instruction that takes two things under the rules of the machine; returns what it leaves.
"""


class Splice(NamedTuple):
    """A place in a file where what C is given is not what is there."""

    at: int
    n_skipped: int
    instead: bytes = b""
    rules: int = 0
    """For which instructions it asks for rules there, the first in the lowest byte."""


class _Match(NamedTuple):
    """Objects that repeat."""

    n: int
    gap: bytes
    """What is between them, or between lists of them."""
    cuts: list[Splice]
    start: int
    end: int
    number: int
    """Which is given out next."""
    inside: list[int]
    """The numbers of the objects that are parts of them."""

    def program(self, data: bytes, n_begun: int) -> list[bytes | memoryview]:
        """Return what makes them all, without its first bytes."""
        view, at = memoryview(data), self.start + n_begun
        pieces: list[bytes | memoryview] = []
        for cut in self.cuts:
            pieces += [view[at : cut.at], cut.instead]
            at = cut.at + cut.n_skipped
        pieces = [one for one in (*pieces, view[at : self.end]) if one]  # C asks for no empty ones
        return [b"".join(pieces)] if len(pieces) > _FEW_PIECES else pieces


def _made(
    rules: Mapping[int, Rule],
    found: _Match,
    data: bytes,
    begun: tuple[int, int],
    memo: Memo,
    stack: list[object],
    metastack: list[list[object]],
) -> Made | None:
    """Make what was found, of which so many bytes have been run, and numbers given out, already."""
    n_begun, first = begun
    if not found.n or (found.cuts and found.cuts[0].at < found.start + n_begun):
        return None
    program, n_numbers = found.program(data, n_begun), found.number - first
    asked = [rules[code] for cut in found.cuts for code in _codes(cut.rules)]
    if found.gap == _NEXT_LISTS:
        into = cast("list[object]", metastack[-1][-1])
        n_before = len(into) + len(stack) - 2
        start = b"(NQ(" + b"NQ" * len(stack)
        given = (into, *stack, *asked)
        lists = memo.repeated((start, *program, b"t"), given, n_numbers)
        metastack[-1][-1:] = lists
        more = chain.from_iterable(cast("Iterable[list[object]]", lists[1:]))
        parts = memo.made(found.inside)
        return Made((*into[n_before:], *more, *parts), found.end, is_in_lists=True)
    begun_with = stack[-3 if found.gap else -2 :]
    start = b"(" + b"NQ" * len(begun_with)
    made = memo.repeated((start, *program, b"t"), (*begun_with, *asked), n_numbers)
    stack[-len(begun_with) :] = made
    if found.gap:  # the last list is empty yet, the last pair a word
        around = cast("Iterable[Sequence[object]]", made[:-2])
        made = (*(one[-1] for one in around), made[-1])
    return Made((*made, *memo.made(found.inside)), found.end)


def _codes(rules: int) -> Iterable[int]:
    while rules:
        yield rules & 0xFF
        rules >>= 8


def _gaps(stack: list[object], metastack: list[list[object]]) -> frozenset[bytes]:
    """Return what may be between objects, by whether the first goes into a list or has a name."""
    before = type(stack[-3]) if len(stack) > 2 else None
    alone = [_NEXT_LIST] * (before is list) + [_NEXT_PAIR] * (before is str)
    several = bool(metastack and metastack[-1]) and type(metastack[-1][-1]) is list
    return frozenset(alone + [_NEXT_LISTS] * several)


def _is_word(memo: Memo, number: int) -> bool:
    return type(memo[number]) is str


def _matched(
    known: _Class,
    others: Callable[[bytes, int], _Class | None],
    data: bytes,
    start: int,
    is_word: IsWord,
    number: int,
    gaps: frozenset[bytes],
) -> _Match:
    """Return the objects that begin at a place, with one of the gaps or none between them.

    The first is of a known class, and gives out numbers from one on.
    """
    n, gap, end, cuts, inside = 0, b"", start, list[Splice](), list[int]()
    whole = 0, start, number, 0  # lists that are complete
    last = n, end, number, 0
    may_be_several = _NEXT_LISTS in gaps
    at, begins = start, data.startswith
    while at - start <= _AT_ONCE:
        if n and not begins(known.begin, at):
            found = others(data, at)
            if found is None:
                break
            known = found
        after = known.end_of(data, at, is_word, number, cuts)
        if after is None or known.template is None:
            break
        inside += [number + one for one in known.template.inside]
        n, at, end, number = n + 1, after, after, number + known.template.n_numbers
        last = n, end, number, len(inside)
        if n == 1:
            gap = next(
                (one for one in (_NEXT_LIST, _NEXT_PAIR) if one in gaps and begins(one, end)), b""
            )
        if gap in (_NEXT_LIST, _NEXT_PAIR):
            after = _after_gap(gap, data, end, number)
            if after is None:
                break
            at, number = after, number + _NUMBERS_BETWEEN[gap]
        elif may_be_several and begins(b"e", end):  # APPENDS
            whole = n, end + 1, number, len(inside)
            after = _after_gap(_NEXT_LISTS, data, end, number)
            if after is None or not begins(b"(", after):
                break
            gap, at, number = _NEXT_LISTS, after + 1, number + 1
    n, end, number, n_inside = whole if gap == _NEXT_LISTS else last
    cuts = [one for one in cuts if one.at < end]
    gap = gap if n > 1 or gap == _NEXT_LISTS else b""
    return _Match(n, gap, cuts, start, end, number, inside[:n_inside])


def _after_gap(gap: bytes, data: bytes, at: int, number: int) -> int | None:
    """Return where a gap ends that gives out numbers, from one on; None for anything else."""
    if not data.startswith(gap, at):
        return None
    after = _after_put(data, at + len(gap), number)
    if gap != _NEXT_PAIR or after is None:
        return after
    n_bytes = _N_BYTES_OF_WORD.get(data[after : after + 1], 0)
    start = after + 1 + n_bytes
    at = start + int.from_bytes(data[after + 1 : start], "little")
    return _after_put(data, at, number + 1) if n_bytes else None


def _after_put(data: bytes, at: int, number: int) -> int | None:
    """Return where an instruction ends that gives out a number; None for anything else."""
    length = _N_BYTES_OF_PUT.get(data[at], 0) if at < len(data) else 0
    said = data[at + 1 : at + length]
    in_order = length == 1 or int.from_bytes(said, "little") == number
    return at + length if length and in_order else None


def _end(
    pieces: list[Piece], data: bytes, at: int, is_word: IsWord, first: int, cuts: list[Splice]
) -> int | None:
    """Return where an object ends that begins at a place; None for one that is made otherwise.

    It gives out numbers from the first on. What C must not be given of it is noted.
    """
    begins = data.startswith
    count = b""  # of the nodes of a tree: what it says is how many there are
    try:
        for same, as_number, adds, n_same, starts, varies, n in pieces:
            if adds:
                same = (as_number + first * adds).to_bytes(n_same, "little")
            if not begins(same, at):
                frame = _frame(same, starts, data, at)
                if frame is None:
                    return None
                cuts.append(Splice(frame, FRAME_BYTES))
                at += FRAME_BYTES
            at += n_same
            if varies == FIXED:
                return at
            if data[at] == FRAME:
                if not frame_fits(data, at):
                    return None
                cuts.append(Splice(at, FRAME_BYTES))
                at += FRAME_BYTES
            if varies == NUMBER:
                at += NUMBERS[data[at]] or 2 + data[at + 1]  # LONG1
            elif varies == DATA:
                code, start = data[at], at + _N_BYTES_OF_DATA[data[at]]
                at = start + int.from_bytes(data[at + 1 : start], "little")
                if n != ANY and (at - start != n or code == 0x96):  # which no scalar is made of
                    return None
            elif varies == WORD:
                length = GETS[data[at]]
                number = int.from_bytes(data[at + 1 : at + length], "little")
                if number >= first or is_word(number) is False:
                    return None
                at += length
            elif varies == COUNT:
                said = data[at : at + NUMBERS[data[at]]]
                at += len(said)
                if not said or (count and said != count):
                    return None
                count = b"" if count else said
            elif varies == RULES:
                cuts.append(Splice(at, 0, b"NQ" * (2 if n > 0xFF else 1), n))
            elif varies == RULED:
                if data[at] != n:
                    return None
                cuts.append(Splice(at, 1, b"\x86R"))
                at += 1
            elif data[at] == 0x58:  # BINUNICODE
                start = at + 5
                at = start + int.from_bytes(data[at + 1 : start], "little")
                if n != ANY and len(str(data[start:at], *TEXT_AS)) != n:
                    return None
            else:
                return None
    except (KeyError, IndexError, UnicodeDecodeError):  # no number, or no more data
        return None
    raise AssertionError("the last piece is one that is fixed")


_N_BYTES_OF_WORD = {b"\x8c": 1, b"X": 4}
"""Instructions that push a word, and how many bytes say how long it is."""

_N_BYTES_OF_DATA = {0x43: 2, 0x42: 5, 0x96: 9}
"""Instructions that push bytes, and how many of them say how many."""


def _frame(same: bytes, starts: Container[int], data: bytes, at: int) -> int | None:
    """Return where a frame begins between instructions that are otherwise the same."""
    found, end = data.find(FRAME, at, at + len(same)), at + len(same)
    while found >= 0:
        start, rest = found - at, found + FRAME_BYTES
        begins = start in starts and frame_fits(data, found)
        if begins and data.startswith(same[:start], at) and data.startswith(same[start:], rest):
            return found
        found = data.find(FRAME, found + 1, end)
    return None
