"""What a process is at, written where the process that started it can look at any time.

A model may hold up every thread of its process, and a clock among them: so the time is kept by
whoever started the process. Work tells here what it begins; ``Watcher`` looks on from outside.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

LOAD_TIMEOUT, ITEM_TIMEOUT = 60.0, 3600.0
"""In seconds, unless a person says otherwise."""

NOTHING, LOADING, TRYING, EXPLAINING, SHARING = range(5)
"""Stages: reading and writing of limex's own, which no model holds up; loading the model; its first
answers; one instance; what instances that are explained together have in common."""

_SIZE = 1024

_LABEL_BYTES = 400

_TURN = struct.Struct("<Q")

_STATE = struct.Struct("<BxxxIddQQQQQQQQQH")


class At(NamedTuple):
    """What a process is at."""

    stage: int = NOTHING
    n: int = 1
    """Instances that are explained together."""
    began: float = 0.0
    """On the monotonic clock, in seconds."""
    before: float = 0.0
    """Seconds that the same instance took earlier, between others."""
    key: int = 0
    """Tells the instance; 0 for none."""
    predicted: int = 0
    """Samples that the process asked about, all in all."""
    here: int = 0
    """Samples asked about for the instances at hand."""
    most: int = 0
    """Samples, at most, for each of them."""
    together: int = 0
    """How many they are."""
    explained: int = 0
    """Instances that went well."""
    written: int = 0
    """Bytes on standard output."""
    told: int = 0
    """Failures that were told in words."""
    restartable: int = 0
    """Whether another process may do the same again, without the instance that is at fault."""
    label: str = ""
    """The instance in words."""

    @property
    def share(self) -> float:
        """How many of the instances at hand are done, by their samples."""
        return min(self.here / self.most, 1.0) * self.together if self.most else 0.0


class Board:
    """Memory that one process writes and another reads."""

    def __init__(self, descriptor: int = -1) -> None:
        """Use the memory of a file, or memory shared with the processes forked later."""
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._turn = 0

    @staticmethod
    def file() -> int:
        """Return the descriptor of a file without a name, to be passed on to a new process."""
        import tempfile  # brings more than a command that starts nothing needs

        with tempfile.TemporaryFile(prefix=".limex-") as stream:
            stream.truncate(_SIZE)
            return os.dup(stream.fileno())

    def write(self, at: At) -> None:
        """Put down what the process is at; who reads in between reads again."""
        label = at.label.encode("utf-8", "surrogateescape")[:_LABEL_BYTES]
        state = _STATE.pack(*at[:-1], len(label)) + label
        _TURN.pack_into(self._memory, 0, self._turn + 1)
        self._memory[_TURN.size : _TURN.size + len(state)] = state
        self._turn += 2
        _TURN.pack_into(self._memory, 0, self._turn)

    def read(self) -> At:
        """Return what the process is at; it may have died in the midst of telling it."""
        for _ in range(100):
            before = self._memory[: _TURN.size]
            content = self._memory[_TURN.size :]
            if before == self._memory[: _TURN.size] and not before[0] & 1:
                break
        *state, length = _STATE.unpack_from(content)
        label = content[_STATE.size : _STATE.size + length].decode("utf-8", "replace")
        return At._make((*state, label))


_board: Board | None = None

_watched: list[Board] = []
"""Of the processes that this one started."""

_gone = 0
"""Samples that processes asked about which have ended."""

_at = At()

_spent: dict[int, float] = {}
"""By key of an instance, seconds that it took while others were at hand in between."""

_keys: dict[int, tuple[int, str]] = {}
"""By identity of an object that stands for an instance: its key, and what it is called."""


def tell(board: Board) -> None:
    """Write from now on where the process that started this one looks."""
    global _board
    _board = board
    board.write(_at)


def now() -> At:
    """Return what this process is at."""
    return _at


def watch(board: Board) -> None:
    """Count what is done by a process that this one started."""
    _watched.append(board)


def unwatch(board: Board) -> None:
    """Take note that the process has ended."""
    global _gone
    if board in _watched:
        _watched.remove(board)
        _gone += board.read().predicted


class SampleCount(NamedTuple):
    """Samples that this process and those it started asked about."""

    samples: int
    share: float
    """How many of the instances at hand they are worth."""
    most: int
    """That one instance may have."""


def everywhere() -> SampleCount:
    """Count the samples asked about by this process and those it started."""
    ats = [_at, *(board.read() for board in tuple(_watched))]
    samples = _gone + sum(at.predicted for at in ats)
    return SampleCount(samples, sum(at.share for at in ats), max(at.most for at in ats))


def _set(**changed: object) -> None:
    global _at
    _at = _at._replace(**changed)  # type: ignore[arg-type]
    if _board is not None:
        _board.write(_at)


def _turn_to(stage: int, key: int = 0, label: str = "", n: int = 1) -> None:
    moment = time.monotonic()
    if _at.stage in (EXPLAINING, SHARING):
        _spent[_at.key] = _at.before + moment - _at.began
    before = _spent.get(key, 0.0) if stage in (EXPLAINING, SHARING) else 0.0
    _set(stage=stage, key=key, label=label, n=n, began=moment, before=before)


@contextlib.contextmanager
def _meanwhile(stage: int, key: int = 0, label: str = "") -> Iterator[None]:
    """Be at something else, then go on with what was being done."""
    former = _at
    _turn_to(stage, key, label)
    try:
        yield
    finally:
        _turn_to(former.stage, former.key, former.label, former.n)


def loading() -> contextlib.AbstractContextManager[None]:
    """Say that a model is being loaded."""
    return _meanwhile(LOADING)


def trying(first: bool = False) -> contextlib.AbstractContextManager[None]:
    """Say that a model is asked for no instance, or about a ``first`` input, to see it answer."""
    if _at.stage == NOTHING or first:
        return _meanwhile(TRYING, _at.key, _at.label)
    return contextlib.nullcontext()


def is_kept() -> bool:
    """Tell whether somebody keeps the time."""
    return _board is not None


@contextlib.contextmanager
def explaining(some: Mapping[int, tuple[int, str]], most: int) -> Iterator[None]:
    """Say that instances are being explained: by identity of what stands for them, key and name.

    ``most`` are the samples of each.
    """
    _spent.clear()
    _keys.clear()
    _keys.update(some)
    former = _at
    _set(here=0, most=most, together=len(some))
    if len(some) == 1:
        _turn_to(EXPLAINING, *next(iter(some.values())))
    else:
        _turn_to(SHARING, n=max(1, len(some)))
    try:
        yield
    finally:
        _turn_to(former.stage, former.key, former.label, former.n)


def busy_with(one: object) -> contextlib.AbstractContextManager[None]:
    """Say that the model is asked for one of the instances that are explained together."""
    if _at.stage != SHARING or id(one) not in _keys:
        return contextlib.nullcontext()
    return _meanwhile(EXPLAINING, *_keys[id(one)])


def count_predicted(n: int) -> None:
    """Count samples that the model answered to."""
    _set(predicted=_at.predicted + n, here=_at.here + n)


def count_explained() -> None:
    """Count an instance that went well; what it asked is part of it now."""
    _set(explained=_at.explained + 1, here=0)


def count_written(n: int) -> None:
    """Count bytes that are on standard output."""
    _set(written=_at.written + n)


def count_told() -> None:
    """Count a failure that was told in words."""
    _set(told=_at.told + 1)


_restartable = True


def restartable() -> None:
    """Say that another process may do all of it again, without the instance that is at fault."""
    _set(restartable=int(_restartable))


def read_once() -> None:
    """Say that something was read that nobody can read again: standard input, a named pipe."""
    global _restartable
    _restartable = False
    _set(restartable=0)


@dataclass(frozen=True)
class TimeLimits:
    """How long things may take, in seconds; infinity for ever."""

    load: float = LOAD_TIMEOUT
    """To load a model, and each of its first answers."""
    item: float = ITEM_TIMEOUT
    """One instance; instances that are explained together have together as much as alone."""

    def of(self, at: At) -> tuple[str, float]:
        """Return the option that bounds what a process is at, and the bound."""
        waking = self.item + _WAKING
        match at.stage:
            case 1:
                return "--load-timeout", self.load
            case 2:
                return min(("--load-timeout", self.load), ("--item-timeout", waking), key=_seconds)
            case 3 | 4:
                return "--item-timeout", self.item * at.n
            case _:
                return "", float("inf")


_WAKING = 10.0  # seconds that a model may import for, beside what an instance takes


def _seconds(bound: tuple[str, float]) -> float:
    return bound[1]


MOMENT = 0.25
"""Seconds, about, between two looks at the clock."""

_STANDSTILL = 2.0  # seconds between two looks after which whoever looks was itself stopped


class Watcher:
    """Looks at what another process is at, and tells when that takes too long."""

    def __init__(self, board: Board, limits: TimeLimits) -> None:
        self._board, self.limits = board, limits
        self._looked = time.monotonic()
        self._began = self._stood = 0.0

    def at(self) -> At:
        """Return what the process is at."""
        return self._board.read()

    def is_late(self) -> bool:
        """Tell whether it takes too long; time in which all stood still, as by Ctrl-Z, is none."""
        moment, at = time.monotonic(), self._board.read()
        if at.began != self._began:
            self._began, self._stood = at.began, 0.0
        if moment - self._looked > _STANDSTILL:
            self._stood += moment - max(self._looked, at.began)
        self._looked = moment
        return at.before + moment - at.began - self._stood > self.limits.of(at)[1]
