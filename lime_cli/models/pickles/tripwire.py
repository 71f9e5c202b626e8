"""The tripwire: while armed, nothing may write, start programs, connect or bring in new code.

It is armed while a model is built and, less tightly, while it is asked: libraries import parts of
themselves only when those are first needed.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

# Everything else that Python announces is an alarm. These announce that attributes of functions
# or frames are looked at; building a model does that.
_HARMLESS = frozenset(
    {
        "builtins.id",
        "object.__getattr__",
        "sys._getframe",
        "sys._getframemodulename",
        "sys.unraisablehook",
    }
)

_HARMLESS_WHEN_ASKED = frozenset(
    {
        "_thread.start_joinable_thread",
        "_thread.start_new_thread",
        "array.__new__",
        "gc.collect",
        "import",
        "object.__delattr__",
        "object.__setattr__",
        "time.sleep",
    }
)

_OF_IMPORTS = frozenset(
    {
        "code.__new__",
        "compile",
        "exec",
        "function.__new__",
        "marshal.loads",
        "marshal.load",
        "os.listdir",
        "os.scandir",
        "os.putenv",
    }
)
"""What Python and libraries do while a module is imported."""

_LISTS = frozenset({"os.listdir", "os.scandir"})

_TALKERS = ("xgboost", "lightgbm", "catboost", "threadpoolctl", "onnxruntime", "pyarrow")
"""Packages that call their native library by ctypes."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_BUILDING, _PREDICTING = "building", "asking"


class Alarm(Exception):
    """Something was done that no model ever needs; the text is Python's name for it."""


class _Wire(threading.local):
    """Whether this thread is being watched, and what it did."""

    mode = ""
    in_library = False
    event = ""
    trusted: tuple[str, ...] = ()


class _Threads:
    """Threads that a model started, which are watched like the one that asks it."""

    watched = False
    """Whether to look at them: in a process that does nothing else than ask a model."""
    known: frozenset[object] = frozenset()
    """Threads that there were when a model was last asked."""
    strays: frozenset[object] = frozenset()
    """Threads that began while a model was asked."""
    trusted: tuple[str, ...] = ()
    predicting = False

    def begin(self, trusted: tuple[str, ...]) -> None:
        self.known = frozenset(_running().values()) - self.strays
        self.trusted, self.predicting = trusted, True

    def end(self) -> None:
        self.strays = frozenset(_running().values()) - self.known
        self.predicting = False

    def is_stray(self) -> bool:
        """Tell whether a model began the thread that runs this."""
        here = _running().get(threading.get_ident())
        return here in self.strays or (self.predicting and here not in self.known)


def _running() -> dict[int, threading.Thread]:
    """Return threads by their numbers, which the system gives again to others."""
    running: dict[int, threading.Thread] = threading._active  # type: ignore[attr-defined]
    return running


_THREADS = _Threads()


def watch_threads() -> None:
    """Watch the threads that models start, too: nobody else starts any in this process."""
    _THREADS.watched = True


@contextmanager
def armed() -> Iterator[None]:
    """Raise `Alarm` on what building a model never does, and again at the end if it was swallowed.

    Collecting garbage waits meanwhile: finalisers of unrelated objects may well close files.
    """
    with uncollected(), _watched(_BUILDING):
        yield


@contextmanager
def uncollected() -> Iterator[None]:
    """Have no garbage collected meanwhile; a model's many new objects are none.

    They count as old afterwards, as if they had been looked at, unless somebody keeps others from
    being collected: to let those go again is not for us.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@contextmanager
def predicting(trusted: tuple[str, ...] = ()) -> Iterator[None]:
    """Raise `Alarm` on what no model does that is asked, and again at the end if swallowed.

    Installed modules may be imported, and their files read; what is compiled meanwhile is not
    kept. Code of ``trusted`` modules may do what it likes.
    """
    if _THREADS.watched:
        _THREADS.begin(trusted)
    keeps_none, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with _watched(_PREDICTING, trusted):
            yield
    finally:
        sys.dont_write_bytecode = keeps_none
        if _THREADS.watched:
            _THREADS.end()


@contextmanager
def _watched(mode: str, trusted: tuple[str, ...] = ()) -> Iterator[None]:
    wire = _wire()
    before = wire.mode, wire.trusted
    wire.event = "" if not wire.mode else wire.event
    wire.mode, wire.trusted = mode, trusted
    try:
        yield
    finally:
        wire.mode, wire.trusted = before
        if wire.event:
            raise Alarm(wire.event)


def alarm_if_watched(event: str) -> None:
    """Raise `Alarm` for what Python itself does not announce, where this thread is watched."""
    wire = _wire()
    if wire.mode:
        wire.event = wire.event or event
        raise Alarm(event)


@contextmanager
def lifted() -> Iterator[None]:
    """Watch nothing meanwhile: an allowed module is imported."""
    wire = _wire()
    before, wire.mode = wire.mode, ""
    try:
        yield
    finally:
        wire.mode = before


@contextmanager
def in_library() -> Iterator[None]:
    """Let an allowed class talk to its native library meanwhile, as boosters do to be filled."""
    wire = _wire()
    wire.in_library = True
    try:
        yield
    finally:
        wire.in_library = False


@cache
def _wire() -> _Wire:
    """Install the hook once per process: Python never lets go of one."""
    wire = _Wire()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in _HARMLESS:
            return
        mode, trusted = wire.mode, wire.trusted
        if not mode:
            if not _THREADS.watched or not _THREADS.is_stray():
                return
            mode, trusted = _PREDICTING, _THREADS.trusted
        if wire.in_library and event.startswith("ctypes."):
            return
        if mode == _PREDICTING and _may(event, args, trusted):
            return
        wire.event = wire.event or event
        raise Alarm(event)

    _readable()
    sys.addaudithook(hook)
    return wire


def _may(event: str, args: tuple[Any, ...], trusted: tuple[str, ...]) -> bool:
    """Tell whether a model that is asked may do this, for itself or for what it imports."""
    if event in _HARMLESS_WHEN_ASKED:
        return event != "import" or _is_readable(args[1])
    if event == "open":
        if _reads(args[1], args[2]) and _is_readable(args[0]):
            return True
    elif event in _LISTS and _is_readable(args[0]):
        return True
    elif event in _OF_IMPORTS:
        if _importing() or (event == "compile" and _parsing()):
            return True
    elif event.startswith("ctypes.") and (_talking() or _importing()):
        return True
    return bool(trusted) and any(frame.f_globals.get("__name__") in trusted for frame in _frames())


def _reads(mode: object, flags: object) -> bool:
    """Tell whether a file is opened for reading alone."""
    writes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
    return not writes and not (isinstance(flags, int) and flags & _WRITING)


@cache
def _readable() -> tuple[str, ...]:
    """List the folders of what is installed, and of what the system says of itself."""
    places = [sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(os.__file__).parent)]
    places += filter(None, (sys.pycache_prefix, *sys.path))
    whole = {_absolute(place) + os.sep for place in places}
    whole -= {os.sep * 2}
    return (*whole, "/proc/", "/sys/", "/usr/share/zoneinfo/")


def _is_readable(path: object) -> bool:
    """Tell whether a file belongs to what is installed; a module that has no file does."""
    if path is None or path in ("/dev/null", "/dev/urandom"):
        return True
    if path in ("", ".") and "" in sys.path:
        return True  # as a search for packages lists this folder where Python is asked by hand
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    return (_absolute(os.fsdecode(path)) + os.sep).startswith(_readable())


def _absolute(path: str) -> str:
    """Take dots out of a path and follow no link: packages may well be links to a store."""
    return os.path.abspath(path)  # noqa: PTH100 - what pathlib has instead follows links


def _frames() -> Iterator[types.FrameType]:
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _importing() -> bool:
    """Tell whether an import is going on further out."""
    return any(frame.f_code.co_filename == "<frozen importlib._bootstrap>" for frame in _frames())


def _parsing() -> bool:
    """Tell whether the compiler only reads a literal, as numpy does with the heads of arrays."""
    names = (str(frame.f_globals.get("__name__", "")) for frame in _frames())
    return next((name for name in names if name != __name__), "") == "ast"


def _talking() -> bool:
    """Tell whether a package that calls its native library is at it, the tripwire aside."""
    for frame in _frames():
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and not name.startswith(("ctypes", "_ctypes")):
            return name.split(".")[0] in _TALKERS
    return False
