"""How a batch leaves when it is told to: soon after the first signal, at once after a second."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program

_ONE_TOUCH = 0.3  # seconds in which a signal that comes twice, to process and group, is one

_GRACE = 1.2  # seconds in which the work at hand may end by itself


class Interruption:
    """What the signals of a process say; a thread watches, for a model may keep the main one.

    Leaving at any time is safe: whatever a batch has finished is on the disk already.
    """

    def __init__(self, leave: Callable[[int], None]) -> None:
        self.number: int | None = None
        """The signal that came; None before."""
        self.farewell: Callable[[], None] = lambda: None
        """What is said on the way out."""
        self._leave = leave
        self._said = threading.Lock()

    @property
    def code(self) -> int:
        return _SIGNALLED + (self.number or 0)

    def say_farewell(self) -> None:
        if self._said.acquire(blocking=False):
            self.farewell()

    def watch(self, pipe: int) -> None:
        """Wait for signals; leave when the work at hand takes too long, or at the second."""
        first = _next(pipe, None)
        if not first:
            return
        self.number, came = first, time.monotonic()
        while (left := came + _GRACE - time.monotonic()) > 0:
            again = _next(pipe, left)
            if again == 0:
                return
            if again is not None and time.monotonic() > came + _ONE_TOUCH:
                break
        self.say_farewell()
        self._leave(self.code)
        os._exit(self.code)


def leave_at_signals() -> dict[signal.Signals, object]:
    """Let a signal end this process at once, with its code; return what was done before."""
    return {
        number: signal.signal(number, lambda received, _: os._exit(_SIGNALLED + received))
        for number in _heeded()
    }


def die_of_interrupts() -> None:
    """Let Ctrl-C end this process as other signals do, even where an import would swallow it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def leaving_at_signals() -> Iterator[None]:
    """Let signals end this process at once in the meantime, as when there is nothing to keep."""
    before = leave_at_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)  # type: ignore[arg-type]


@contextlib.contextmanager
def interruptible(leave: Callable[[int], None]) -> Iterator[Interruption]:
    """Turn signals into an ``Interruption``; ``leave`` ends the process, told the exit code.

    A signal that is ignored, as Ctrl-C is in the background of a script, stays ignored.
    """
    interruption = Interruption(leave)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    former = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in _heeded()}
    watcher = threading.Thread(target=interruption.watch, args=(heard,), daemon=True)
    watcher.start()
    try:
        yield interruption
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(told)
        watcher.join(0.1)


def _heeded() -> list[signal.Signals]:
    known = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


def _next(pipe: int, patience: float | None) -> int | None:
    """Return the number of the next signal; 0 at the end of the batch, None after a while."""
    if patience is not None and not select.select([pipe], [], [], patience)[0]:
        return None
    return next(iter(os.read(pipe, 1)), 0)
