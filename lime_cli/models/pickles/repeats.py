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
- Between objects nothing may stand, or the end of one list and the start of the next. Marks of
  frames are left out where an instruction may begin, which is where the machine skips them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, cast

from lime_cli.models.pickles.constructors import is_empty_array
from lime_cli.models.pickles.runs import Memo, Values, frame_fits
from lime_cli.models.pickles.templates import (
    COUNT,
    EMPTY_ARRAY,
    FIXED,
    FRAME,
    FRAME_BYTES,
    NUMBER,
    NUMBERS,
    PUT,
    PUTS,
    KeyOf,
    Learner,
    Odd,
    Piece,
    Template,
)
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


@dataclass
class _Class:
    """What is known of a class whose objects are met."""

    n_seen: int = 0
    tries: int = _TRIES
    template: Template | None = None
    pieces: list[Piece] = field(default_factory=list)
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
        if is_array and self._key_of(maker) != EMPTY_ARRAY:
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
        learner = Learner(data[start:end], memo, self._key_of)
        try:
            found = learner.template()
        except (Odd, IndexError, KeyError, ValueError):
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
    pieces: list[Piece], data: bytes, start: int, counted: tuple[int, int], gaps: frozenset[bytes]
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
    starts = [start, *(one + FRAME_BYTES for one in frames)]
    program = [view[one:other] for one, other in zip(starts, ends, strict=True)]
    return _Match(n, gap, n_gaps, program, end)


def _end(pieces: list[Piece], data: bytes, at: int, number: int, frames: list[int]) -> int | None:
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
                at += FRAME_BYTES
            at += n_same
            if varies == FIXED:
                return at
            if data[at] == FRAME:
                if not frame_fits(data, at):
                    return None
                frames.append(at)
                at += FRAME_BYTES
            if varies == NUMBER:
                at += NUMBERS[data[at]]
            elif varies == PUT:
                length = PUTS[data[at]]
                if int.from_bytes(data[at + 1 : at + length], "little") != number:
                    return None
                number, at = number + 1, at + length
            elif varies == COUNT:
                said = data[at : at + NUMBERS[data[at]]]
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
        if data[at + start] == FRAME and frame_fits(data, at + start):
            rest = at + start + FRAME_BYTES
            if data.startswith(same[:start], at) and data.startswith(same[start:], rest):
                return at + start
    return None
