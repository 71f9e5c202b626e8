"""The tripwire: while armed, nothing may import, compile, open files, start programs or connect."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

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


class Alarm(Exception):
    """Something was done that building a model never needs; the text is Python's name for it."""


class _Wire(threading.local):
    """Whether this thread is being watched, and what it did."""

    armed = False
    in_library = False
    event = ""


@contextmanager
def armed() -> Iterator[None]:
    """Raise `Alarm` on what building a model never does, and again at the end if it was swallowed.

    Collecting garbage waits meanwhile: finalisers of unrelated objects may well close files.
    """
    wire = _wire()
    was_collecting = gc.isenabled()
    gc.disable()
    wire.event = ""
    wire.armed = True
    try:
        yield
    finally:
        wire.armed = False
        if was_collecting:
            gc.enable()
        if wire.event:
            raise Alarm(wire.event)


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

    def hook(event: str, _args: tuple[object, ...]) -> None:
        if not wire.armed or event in _HARMLESS:
            return
        if wire.in_library and event.startswith("ctypes."):
            return
        wire.event = wire.event or event
        raise Alarm(event)

    sys.addaudithook(hook)
    return wire
