"""A child process for work that may crash, and the words and exit code its death becomes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from lime_cli.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator


TEMPORARY = ".limex-{pid}-"
"""How the names of unfinished files begin, so that those of a dead process can be told."""


_PASSED_ON = ("SIGINT", "SIGTERM", "SIGHUP")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_PATIENCE = 1.5  # seconds from a signal to the end, at most

_MOMENT = 0.25  # seconds between two looks at the clock

_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program


class Containment:
    """The one child of this process that runs what a stranger's model may crash.

    Where the system cannot fork, the work runs in this process.
    """

    def __init__(self) -> None:
        self._report_to: int | None = None

    def enter(self, model: str, folder: str | None) -> int | None:
        """Fork: None in the child, which does the work; its exit code in the parent.

        Call it before anything starts a thread. Raises ModelError in the parent when the child
        ended without a report; its unfinished files in ``folder`` are removed first.
        """
        if not hasattr(os, "fork"):
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        report, self._report_to = os.pipe()
        with _held_back() as passed_on:
            parent = os.getpid()
            child = os.fork()
            if child == 0:
                os.close(report)
                die_with(parent)
                return None
            os.close(self._report_to)
            self._report_to = None
            received, status = _wait(child, passed_on)
        with os.fdopen(report, "rb") as stream:
            reported = stream.read(1)
        if reported:
            return reported[0]
        _remove_unfinished(child, folder)
        code = os.waitstatus_to_exitcode(status)
        if received and code in (-received[0], -signal.SIGKILL):
            return _SIGNALLED + received[0]
        raise death(model, code)

    def report(self, code: int) -> None:
        """End the child, telling the parent that the work came to its end; else do nothing.

        It ends at once: taking the libraries of a model down again takes longer than some models.
        """
        if self._report_to is None:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.write(self._report_to, bytes([code]))
        os._exit(code)


@contextlib.contextmanager
def _held_back() -> Iterator[set[signal.Signals]]:
    """Hold back, in the parent alone, the signals that are for the child.

    Those that whoever started it has ignored, as nohup does, stay ignored.
    """
    known = {getattr(signal, name) for name in _PASSED_ON}
    passed_on = {one for one in known if signal.getsignal(one) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
    try:
        yield passed_on
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(child: int, passed_on: set[signal.Signals]) -> tuple[list[int], int]:
    """Wait for the end of the child, passing signals on; return those received, and its status.

    A signal may be lost on the child, in the midst of an import, say: it is killed a little later.
    """
    received: list[int] = []
    deadline = float("inf")
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return received, status
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        number, from_terminal = _next_signal({*passed_on, signal.SIGCHLD})
        if number in (None, signal.SIGCHLD):
            continue
        received.append(int(number))
        deadline = min(deadline, time.monotonic() + _PATIENCE)
        if not from_terminal:
            os.kill(child, number)


def _next_signal(awaited: set[signal.Signals]) -> tuple[int | None, bool]:
    """Return the next signal, None after a while, and whether a terminal sent it.

    What a terminal sends, it sends to the child too.
    """
    if sys.platform == "darwin":  # has no sigtimedwait, so who sent the signal is a guess
        time.sleep(_MOMENT / 10)
        if not signal.sigpending() & awaited:
            return None, False
        number = signal.sigwait(awaited)
        return number, number == signal.SIGINT and os.isatty(sys.stderr.fileno())
    caught = signal.sigtimedwait(awaited, _MOMENT)
    return (None, False) if caught is None else (caught.si_signo, caught.si_pid == 0)


def die_with(parent: int) -> None:
    """Have the system end this process with its parent, so that a kill leaves nothing behind."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        import threading

        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(_SIGNALLED + signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _remove_unfinished(child: int, folder: str | None) -> None:
    from pathlib import Path

    if folder is not None:
        for path in Path(folder).glob(TEMPORARY.format(pid=child) + "*"):
            with contextlib.suppress(OSError):
                path.unlink()


def death(model: str, code: int, where: str = "") -> ModelError:
    """Word how the child ended: by a signal, code < 0, or by itself in the midst of its work."""
    from pathlib import Path

    name = Path(model).name
    if -code == signal.SIGKILL:
        return ModelError(
            f"{name}: the model process was killed (out of memory?){where}",
            "free memory, or ask for less at a time: --max-memory, --batch-size",
        )
    if code < 0:
        words = (signal.strsignal(-code) or "unknown").lower()
        return ModelError(
            f"{name}: the model process died (signal {-code}, {words}){where}",
            "save the model again with the libraries installed here, or export it to ONNX",
        )
    return ModelError(
        f"{name}: the model process ended itself (exit code {code}){where}",
        "a model must answer, not call exit",
    )
