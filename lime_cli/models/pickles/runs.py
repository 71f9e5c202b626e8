"""Runs of words and numbers in a pickle, which are handed to C as a whole.

A vocabulary is some 100,000 instructions that push words and numbers, and nothing else. A regular
expression finds where such a run ends. What it matched is a pickle that cannot name, call or change
anything, so that Python's own unpickler may run it: no byte reaches C that an expression did not
match, instruction by instruction. The one exception, numpy's scalars, is a call that the machine
has checked: the function, the dtype and the number of bytes are the same all along the run.

Batches of pairs that go into one dictionary are handed over together, with the SETITEMS and MARK
between them. Their target is given by the machine, which has seen that it is a plain dictionary;
their keys are words, whose hashes nobody can choose. Marks of frames, which may stand between any
two instructions, are left out: the machine skips them as well.
"""

from __future__ import annotations

import pickle
import re
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import islice
from operator import is_
from typing import Any, NamedTuple, cast

from lime_cli.models.pickles.policy import Bomb

_LEAST_BYTES = 1000
"""Shorter runs cost more to hand over than to run."""

_LEAST_BYTES_GOT = 100
"""Of what only asks for what C has, and may not have given to the machine yet."""

_MOST_STEPS = 4000
"""Matched at once: the expression keeps a place for each."""

_AT_ONCE = 1 << 17
"""Bytes of pairs that are handed over, or little more."""

_WHERE = rb"(?:h.|j.{4})"

_NUMBER = rb"(?:K.|M..|J.{4}|G.{8}|N|\x88|\x89)"

_LONGEST = 64
"""In bytes, of words in runs: each length costs time whenever an expression is compiled."""

_LEAST_FILE = 1 << 14
"""Smaller files have nothing to gain."""

LEAST_ROOM = 1 << 14
"""For numbers of small files."""

_BEYOND = "numbers its objects beyond the size of the file"

_CALLED = ("function", "dtype")

STARTS = frozenset(b"\x8cXKMJGhj")
"""First bytes of runs."""

Values = tuple[object, ...]
Target = Callable[[], "dict[object, object] | None"]
"""Gives the dictionary that items are put into next, when all that came before them are in it."""
MayCall = Callable[[object, object, int], bool]
"""Whether a function may be called for numpy's scalars: the function, the dtype, the bytes."""


def frame_fits(data: bytes, at: int) -> bool:
    """Tell whether the frame that begins at a place ends in the file, as plain unpickling asks."""
    return int.from_bytes(data[at + 1 : at + 9], "little") <= len(data) - at - 9


def has_gets(data: bytes, at: int) -> bool:
    """Tell whether what begins at a place asks for many things in a row."""
    return _MANY_GETS.match(data, at) is not None


class Memo(dict[int, object]):
    """What a pickle has numbered; C keeps what was numbered in runs, until it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.n_in_runs = 0
        self.is_in_order = True
        """Whether every number is one more than the last, so that none stands for two things."""
        self.most_number = sys.maxsize
        """In a file: C makes room for all smaller numbers."""
        self._n_given = 0
        self._engine = _Engine()

    @property
    def n_given(self) -> int:
        """How many numbers were given out, as pickle counts them."""
        return len(self) + self.n_in_runs

    def __missing__(self, number: int) -> object:
        if not self.n_in_runs:
            raise KeyError(number)
        value = self._engine.numbered(number)
        self[number] = value = _alone(value)
        self.n_in_runs -= 1
        return value

    def put(self, number: int, value: object) -> None:
        """Give a value a number that the file chose."""
        self.is_in_order &= number == len(self) + self.n_in_runs
        if not self.is_in_order:
            if number > self.most_number:
                raise Bomb(_BEYOND)
            if number not in self and self._engine.has(number):
                self.n_in_runs -= 1
        self[number] = value

    def memoize(self, value: object) -> None:
        """Give a value the next number: how many there are, as pickle counts them."""
        if self.is_in_order:
            self[len(self) + self.n_in_runs] = value
        else:
            self.put(len(self) + self.n_in_runs, value)

    def run(
        self, data: bytes, at: int, target: Target, may_call: MayCall
    ) -> tuple[Values | None, int] | None:
        """Run what begins at a place; None for what is too short, or does something else.

        Returns what it pushes and where it ends. Pairs that go into a dictionary are put there,
        and there is nothing to push. Where a number may stand for two things, nothing is run: C
        would know the later one, and this memo the earlier.
        """
        if len(data) < _LEAST_FILE or not self.is_in_order:
            return None
        size = _Size(data[:1] == b"\x80" and data[1] >= 4, (len(data) >> 16).bit_length())
        found = _pairs(size).match(data, at)
        if found is not None and found.end() - at >= _LEAST_BYTES:
            return self._paired(found, 1, size, target)
        found = _words(size).match(data, at)
        if found is not None and found.end() - at >= _LEAST_BYTES:
            values = self._values(found[0])
            self._count(len(values), size)
            return values, found.end()
        found = _GETS.match(data, at)
        if found is not None and found.end() - at >= _LEAST_BYTES_GOT:
            return _each_alone(self._values(found[0])), found.end()
        found = _plain(size).match(data, at)
        if found is not None and found.end() - at >= _LEAST_BYTES:
            values = self._values(found[0])
            kinds = list(map(type, values))
            if found["new"] is not None and found["got"] is None:
                self._count(kinds.count(str), size)
            elif found["new"] is not None:
                self._count(sum(map(len, _steps(size).findall(found[0]))), size)
            return _each_alone(values) if found["got"] is not None else values, found.end()
        call = _call(size).match(data, at)
        if call is None:
            return None
        n_bytes, has_words = call["size"][0], call["word"] is not None
        found = _scalars(size, n_bytes, has_words=has_words).match(data, at)
        if found is None or found.end() - at < _LEAST_BYTES:
            return None
        # As C knows them: a file may have given their numbers to something else since.
        function, dtype = cast("Values", self._answered(b"%b%b\x86" % found.group(*_CALLED)))
        if not may_call(function, dtype, n_bytes):
            return None
        if has_words:  # which is numbered, as are the bytes, the arguments and the scalar
            return self._paired(found, 4, size, target)
        values = self._values(found[0])
        self._count(3 * len(values), size)
        return values, found.end()

    def has(self, numbered: Sequence[tuple[bytes, object]]) -> bool:
        """Tell whether C gives these objects where it is asked for them by these instructions."""
        gets = b"".join(code for code, _ in numbered)
        try:
            asked = cast("Values", self._answered(b"(%bt" % gets))
        except pickle.UnpicklingError:  # nothing has one of these numbers yet
            return False
        return all(map(is_, asked, (thing for _, thing in numbered)))

    def are_words(self, numbers: Sequence[int]) -> bool:
        """Tell whether all that has these numbers are words."""
        self._tell()
        found = self._engine.all(numbers)
        return found is not None and set(map(type, found)) <= {str}

    def made(self, numbers: Sequence[int]) -> Values:
        """Return the objects that C made and gave these numbers."""
        return (self._engine.all(numbers) or ()) if numbers else ()

    def repeated(
        self, program: Sequence[bytes | memoryview], given: Values, n_numbers: int
    ) -> Values:
        """Make objects by what makes so many, which gives out so many numbers.

        It may ask for what is given. Returns all that it leaves, in a tuple.
        """
        made = cast("Values", self._answered(*program, given=given))
        self.n_in_runs += n_numbers
        return made

    def _paired(
        self, found: re.Match[bytes], n_numbers: int, size: _Size, target: Target
    ) -> tuple[Values | None, int]:
        """Run pairs of a word and a value, each of which gives out so many numbers."""
        batches, end = _batches(found, size)
        into = target() if batches else None
        if into is None:
            values = self._values(found[0])
            self._count(n_numbers * (len(values) // 2), size)
            return values, found.end()
        first, n_pairs = len(self) + self.n_in_runs, -len(into)
        self._answered(b"NQ(", *batches, given=(into,))
        n_pairs += len(into)
        came_twice = self._engine.has(first + n_numbers * n_pairs)
        if came_twice or not size.is_short:
            pair = _pair(size) if n_numbers == 1 else _call(size)
            n_pairs = len(pair.findall(b"".join(batches)))
        self._count(n_numbers * n_pairs, size)
        return None, end

    def _count(self, n_numbers: int, size: _Size) -> None:
        """Count the numbers that a run gave out; if it chose them, look whether they come next."""
        first = len(self) + self.n_in_runs
        if size.is_short or self._engine.all(range(first, first + n_numbers)) is not None:
            self.n_in_runs += n_numbers
        else:  # C alone knows what each stands for now
            self.is_in_order = False
            self.n_in_runs = self._engine.count()
            self.clear()
            self._n_given = 0

    def _values(self, run: bytes) -> Values:
        return cast("Values", self._answered(b"(%bt" % run))

    def _answered(self, *program: bytes | memoryview, given: Values = ()) -> object:
        """Have C run what an expression matched, with all numbers that were given out."""
        self._tell()
        return self._engine.answer(program, given)

    def _tell(self) -> None:
        """Tell C of the numbers that were given out since."""
        n_new = len(self) - self._n_given
        if n_new:
            self._engine.give(list(islice(reversed(self.items()), n_new)))
            self._n_given = len(self)


def _alone(value: object) -> object:
    """Return bytes that no array has that was made in C: arrays share what they are made of."""
    return type(value)(memoryview(value)) if isinstance(value, (bytes, bytearray)) else value


def _each_alone(values: Values) -> Values:
    if {bytes, bytearray}.isdisjoint(map(type, values)):
        return values
    return tuple(map(_alone, values))


class _Size(NamedTuple):
    """What expressions depend on."""

    is_short: bool
    """Whether words have one byte for their length, and are numbered without a number."""
    n_bits: int
    """Of the file's size in units of 64 kB."""


def _word(size: _Size) -> bytes:
    """Return an expression for a short word and its number."""
    length = rb"\x%02x.{%d}" if size.is_short else rb"\x%02x\0\0\0.{%d}"
    lengths = b"|".join(length % (n, n) for n in range(_LONGEST))
    return rb"%b(?:%b)%b" % (rb"\x8c" if size.is_short else b"X", lengths, _put(size))


def _put(size: _Size) -> bytes:
    """Return an expression for a number that is given out, in step with the size of the file.

    C makes room for all smaller numbers.
    """
    most = min((1 << size.n_bits) - 1, 255)
    return rb"\x94" if size.is_short else rb"(?:q.|r..[\0-\x%02x]\0)" % most


@cache
def _pair(size: _Size) -> re.Pattern[bytes]:
    return re.compile(_word(size) + _NUMBER, re.DOTALL)


@cache
def _pairs(size: _Size) -> re.Pattern[bytes]:
    return re.compile(rb"(?:%b){1,%d}" % (_pair(size).pattern, _MOST_STEPS), re.DOTALL)


@cache
def _parted(size: _Size) -> re.Pattern[bytes]:
    """Return an expression for a pair in the midst of which a frame begins."""
    return re.compile(b"(%b)\x95.{8}(%b)" % (_word(size), _NUMBER), re.DOTALL)


def _batches(found: re.Match[bytes], size: _Size) -> tuple[list[memoryview], int]:
    """Return what puts the pairs of a match, and those after them, into one dictionary.

    Also returns where that ends. It holds the instructions of an expression that matches over and
    over, with the same function and dtype where it has any, and between those SETITEMS and MARK;
    the marks of frames are left out.
    """
    data, view = found.string, memoryview(found.string)
    pieces, at = [view[found.start() : found.end()]], found.end()
    n_whole, whole_until = 0, found.start()
    while whole_until - found.start() < _AT_ONCE:
        code = data[at : at + 1]
        if code == b"u":  # SETITEMS
            pieces.append(view[at : at + 1])
            at += 1
            n_whole, whole_until = len(pieces), at
            if data[at : at + 1] != b"(":
                break
            pieces.append(view[at : at + 1])
            at += 1
        elif code == b"\x95" and frame_fits(data, at):
            at += 9
        else:
            more = found.re.match(data, at)
            parted = _parted(size).match(data, at) if more is None else None
            if more is not None and more.groups() == found.groups():
                pieces.append(view[at : more.end()])
                at = more.end()
            elif parted is not None and frame_fits(data, parted.end(1)) and not found.re.groups:
                pieces += (view[slice(*parted.span(1))], view[slice(*parted.span(2))])
                at = parted.end()
            else:
                break
    return pieces[:n_whole], whole_until


@cache
def _words(size: _Size) -> re.Pattern[bytes]:
    return re.compile(rb"(?:%b){1,%d}" % (_word(size), _MOST_STEPS), re.DOTALL)


_GETS = re.compile(rb"(?:%b){1,%d}" % (_WHERE, _MOST_STEPS), re.DOTALL)

_MANY_GETS = re.compile(rb"%b{%d}" % (_WHERE, _LEAST_BYTES_GOT // 2), re.DOTALL)


@cache
def _plain(size: _Size) -> re.Pattern[bytes]:
    word = rb"(?P<new>(?=[\x8cX]))" + _word(size)
    step = rb"(?:%b|%b|(?P<got>%b))" % (word, _NUMBER, _WHERE)
    return re.compile(rb"%b{1,%d}" % (step, _MOST_STEPS), re.DOTALL)


@cache
def _steps(size: _Size) -> re.Pattern[bytes]:
    """Return an expression for each step of a plain run; its group holds a byte for a word."""
    step = rb"(?:%b|%b|%b)" % (_word(size), _NUMBER, _WHERE)
    return re.compile(rb"(?=([\x8cX]?))" + step, re.DOTALL)


@cache
def _call(size: _Size) -> re.Pattern[bytes]:
    """Return an expression for a call of some function with a dtype and bytes."""
    ends = (b"%b.{%d}" % (re.escape(bytes([n])), n) for n in (1, 2, 4, 8, 16))
    start = rb"(?P<word>%b)?%b%b" % (_word(size), _WHERE, _WHERE)
    end = rb"C(?=(?P<size>.))(?:%b)" % b"|".join(ends)
    return re.compile(start + end + rb"%b\x86%bR%b" % ((_put(size),) * 3), re.DOTALL)


@cache
def _scalars(size: _Size, n_bytes: int, *, has_words: bool) -> re.Pattern[bytes]:
    """Return an expression for calls of one function, with one dtype and so many bytes each."""
    word = _word(size) if has_words else b""
    end = rb"C\x%02x.{%d}%b\x86%bR%b" % (n_bytes, n_bytes, *(_put(size),) * 3)
    first = rb"%b(?P<function>%b)(?P<dtype>%b)%b" % (word, _WHERE, _WHERE, end)
    more = rb"(?:%b(?P=function)(?P=dtype)%b){0,%d}" % (word, end, _MOST_STEPS)
    return re.compile(first + more, re.DOTALL)


class _Feed:
    """A file that holds one piece after the other."""

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []

    def read(self, n_bytes: int) -> Any:
        # C asks for the nothing that is in an empty bytearray where that ends a piece.
        return self.pieces.pop() if n_bytes else b""

    def readline(self) -> bytes:
        raise EOFError


class _Engine(pickle.Unpickler):
    """Python's own unpickler, which keeps its numbers from one run to the next."""

    def __init__(self) -> None:
        self._feed = _Feed()
        super().__init__(self._feed)
        self._given: list[object] = []

    def answer(self, program: Iterable[bytes | memoryview], given: Values = ()) -> object:
        """Run the pieces of a program, which may ask for what is given, the first first.

        Returns what it leaves. Each piece is a frame; the end is outside of all, so that of a
        program that fails there nothing is left.
        """
        self._given = [*reversed(given)]
        pieces: list[bytes | memoryview] = []
        for piece in program:
            pieces += [b"\x95", len(piece).to_bytes(8, "little"), piece]
        self._feed.pieces = [b".", *reversed(pieces)]
        return self.load()

    def give(self, numbered: list[tuple[int, object]]) -> None:
        """Number values as the machine did; the last comes first."""
        first_first = numbered[::-1]
        steps = [b"NQr%b0" % number.to_bytes(4, "little") for number, _ in first_first]
        self.answer([b"".join([*steps, b"N"])], tuple(value for _, value in first_first))

    def numbered(self, number: int) -> object:
        """Return what has a number; raises KeyError."""
        try:
            return self.answer([b"j%b" % number.to_bytes(4, "little")])
        except (pickle.UnpicklingError, OverflowError):
            raise KeyError(number) from None

    def has(self, number: int) -> bool:
        """Tell whether anything has a number."""
        try:
            self.numbered(number)
        except KeyError:
            return False
        return True

    def all(self, numbers: Sequence[int]) -> Values | None:
        """Return what has these numbers; None if one stands for nothing."""
        gets = bytearray(b"j\0\0\0\0" * len(numbers))
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        for i in range(4):
            gets[i + 1 :: 5] = packed[i::4]
        try:
            return cast("Values", self.answer([b"(", bytes(gets), b"t"]))
        except pickle.UnpicklingError:
            return None

    def count(self) -> int:
        """Return how many numbers stand for something."""
        return len(cast("Any", self).memo.copy())

    def persistent_load(self, _pid: object) -> object:
        return self._given.pop()

    def find_class(self, module: str, name: str, /) -> object:
        raise pickle.UnpicklingError("no run names anything")
