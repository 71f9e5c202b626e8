"""A hand: one worker process, as its parent sees it."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from lime_cli.executors.task import Task
from lime_cli.executors.wire import ROOM, receive, send
from lime_cli.executors.worker import PARENTS_BUSINESS

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What libraries read, when they are loaded, for how many threads they may start."""

MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**26),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
"""What glibc reads when a process starts: memory that is freed is kept for the next row's arrays,
which would otherwise be handed back and zeroed again hundreds of times a second."""

NAME = "limex-worker"
"""How a list of processes tells them."""

_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; "
    "from lime_cli.executors.worker import main; main({parent!r}, {idle!r})"
)


class Said(NamedTuple):
    """What a hand said, and when: the last word of each is ``death``, with its exit code."""

    hand: Hand
    words: tuple[Any, ...]
    at: float
    """In seconds of ``time.monotonic``."""


class Hand:
    """A worker process and what it is busy with.

    Its outcomes are read by a thread, so that it never waits for a parent that is busy.
    """

    def __init__(
        self,
        threads: int,
        said: SimpleQueue[Said],
        folder: str | None = None,
        idle: float | None = None,
    ) -> None:
        """Start it in ``folder``, to end after ``idle`` seconds; raise OSError if that fails."""
        self.task: Task | None = None
        self.ready = False
        """Whether it has ever loaded the model."""
        self.late = False
        self._awake = False
        self._since: float | None = None
        self._allowance = 0.0
        with _signals_held():
            self._process = subprocess.Popen(
                [sys.executable, "-c", _program(idle), NAME],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=ROOM,
                env={**MEMORY, **os.environ, **dict.fromkeys(THREADS, str(threads))},
                cwd=folder if folder and Path(folder).is_dir() else None,
            )
        threading.Thread(target=self._read, args=(said,), daemon=True).start()

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def take(self, task: Task) -> None:
        """Begin with a task, as soon as the process is awake."""
        self.task = task
        if self._awake:
            with contextlib.suppress(OSError):  # it died: its last word is on its way
                assert self._process.stdin is not None
                send(self._process.stdin, task.asked())

    def heard(self, said: Said) -> None:
        """Take note of what it said: whether it is awake, and since when it works on an item."""
        match said.words:
            case ("hello",):
                self._awake = True
                if self.task is not None:
                    self.take(self.task)
            case ("ready", seconds):
                self.ready, self._since = True, said.at
                self._allowance = max(self._allowance, seconds)
            case ("outcome", _):
                self._since = said.at
            case _:
                self._since = None

    def is_late(self, seconds: float | None) -> bool:
        """Tell whether an item takes longer than ``seconds`` and its table's shared samples."""
        if seconds is None or self._since is None:
            return False
        return time.monotonic() - self._since > seconds + self._allowance

    def kill(self) -> None:
        """End the process now; its death is told like any other."""
        self._since = None
        self._process.kill()

    def close(self) -> None:
        """End the process and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _read(self, said: SimpleQueue[Said]) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while (content := receive(stream)) is not None:
                said.put(Said(self, pickle.loads(content), time.monotonic()))
        said.put(Said(self, ("death", self._process.wait()), time.monotonic()))


def _program(idle: float | None) -> str:
    """Write the program: modules are found where this process finds them, nowhere else.

    Linux ends a process with the thread that started it, so only the main thread asks for that.
    """
    mortal = threading.current_thread() is threading.main_thread()
    parent = os.getpid() if mortal else None
    return _PROGRAM.format(path=sys.path, parent=parent, idle=idle)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let a child begin with signals held back: it would die of a Ctrl-C while Python starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    numbers = {getattr(signal, name) for name in PARENTS_BUSINESS}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
