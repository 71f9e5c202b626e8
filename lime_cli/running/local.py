"""This machine's processes: a dead or stuck one costs the instance it was busy with, no more.

A worker says ``hello``; for every work ``ready`` once the model is loaded, an ``outcome`` a source,
then ``done``, or the ``error`` that concerns them all.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any, NamedTuple

from lime_cli import clock
from lime_cli.clock import LOADING, TRYING, Board, TimeLimits, Watcher, unwatch, watch
from lime_cli.cores import LIBRARIES
from lime_cli.errors import LimexError, ModelError, OutputError, PredictionError, SettingsError
from lime_cli.running import fence
from lime_cli.running.containment import (
    BAD_ITEMS,
    death,
    die_with,
    lateness,
    stop_signals,
    too_many,
)
from lime_cli.running.executor import GRACE, Task, Workers
from lime_cli.running.job import Outcome, Work, complete, load
from lime_cli.sources import Source

ROOM = 2**16
"""Bytes of messages that travel together, at most."""

_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: Any, now: bool = True) -> None:
    """Write one message, or leave it to go with the next; OSError when nobody is there to read."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)) + content)
    if now:
        stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message, still pickled; None when no whole one comes any more."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


def main(parent: int | None, idle: float | None, board: int | None) -> None:
    """Run a worker until its input ends, or for ``idle`` seconds none came; never return.

    ``board`` is the descriptor of the file that the parent looks at.
    """
    if board is not None:
        clock.tell(clock.Board(board))
        os.close(board)
    numbers = stop_signals()
    for number in numbers:  # sent to all by a terminal: the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "register_at_fork"):
        _let_copies_end()
    if hasattr(signal, "pthread_sigmask"):  # the parent held them back until now
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    if parent is not None and sys.platform == "linux":
        die_with(parent)
    global _is_worker
    _is_worker = True
    works, outcomes = _own_streams()
    given: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(works, given), daemon=True).start()
    send(outcomes, ("hello",))
    while True:
        try:
            content = given.get(timeout=idle)
        except Empty:
            os._exit(0)
        try:
            _work(pickle.loads(content), outcomes)
        except LimexError as error:
            send(outcomes, ("error", error))
        except Exception:  # a mistake of ours, told where it can be seen
            send(outcomes, ("bug", traceback.format_exc()))


def _let_copies_end() -> None:
    """Have SIGTERM end the copies that a model makes of this process, which ignores it itself.

    It is held back until they do not: a pool with little to do ends its workers while they start.
    """
    held = {signal.SIGTERM}

    def heed() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, held),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, held),
        after_in_child=heed,
    )


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep input and output for messages: what a model prints goes to standard error."""
    works, outcomes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", ROOM)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return works, outcomes


def _listen(works: IO[bytes], given: SimpleQueue[bytes]) -> None:
    """Pass works on; end the process when the input ends, as it does when the parent is gone."""
    while (content := receive(works)) is not None:
        given.put(content)
    os._exit(0)


def _work(work: Work, outcomes: IO[bytes]) -> None:
    model = work.job.model
    trusts = bool(model.trust or model.trust_modules or model.imports)
    if fence.is_due(model.path, model.format, trusts, model.provider):
        fence.enter([], draws=bool(work.drawings))
    load(work.job)
    if not gc.get_freeze_count():  # but once, for what is garbage by then stays for good
        gc.freeze()  # model and libraries are not looked through again and again
    send(outcomes, ("ready",))
    for outcome in complete(work):
        named = outcome.source._replace(record=None)  # the parent has its row already
        one_of_many = outcome.source.row is not None  # which are explained together
        send(outcomes, ("outcome", outcome._replace(source=named)), now=not one_of_many)
    send(outcomes, ("done",))


MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**26),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
"""What glibc reads when a process starts: memory that is freed is kept for the next row's arrays,
which would otherwise be handed back and zeroed again hundreds of times a second."""


_is_worker = False
"""Whether this process is a worker itself."""


NAME = "limex-worker"
"""How a list of processes tells them."""


_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; "
    "from lime_cli.running.local import main; main({parent!r}, {idle!r}, {board!r})"
)


class Message(NamedTuple):
    """What a process said, and when: the last word of each is ``death``, with its exit code."""

    process: WorkerProcess
    words: tuple[Any, ...]
    at: float
    """In seconds of ``time.monotonic``."""


class WorkerProcess:
    """A worker process and what it is busy with.

    Its outcomes are read by a thread, so that it never waits for a parent that is busy.
    """

    def __init__(
        self,
        threads: int,
        limits: TimeLimits,
        said: SimpleQueue[Message],
        folder: str | None = None,
        idle: float | None = None,
    ) -> None:
        """Start it in ``folder``, to end after ``idle`` seconds; raise OSError if that fails.

        A worker that imports a script which explains with workers would start more for ever: it
        gets a SettingsError.
        """
        if _is_worker:
            raise SettingsError(
                "--jobs: a worker imports this file, and would start workers of its own",
                'put the code that runs limex under if __name__ == "__main__":',
            )
        self.task: Task | None = None
        self.ready = False
        """Whether it has ever loaded the model."""
        self.late = False
        self._awake = False
        passed = () if os.name == "nt" else (Board.file(),)  # there nothing else is passed on
        self._board = Board(*passed)
        self.watcher = Watcher(self._board, limits)
        try:
            with _signals_held():
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _program(idle, *passed), NAME],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=ROOM,
                    env={**MEMORY, **os.environ, **dict.fromkeys(LIBRARIES, str(threads))},
                    cwd=folder if folder and Path(folder).is_dir() else None,
                    pass_fds=passed,
                )
        finally:
            for one in passed:
                os.close(one)
        watch(self._board)
        threading.Thread(target=self._read, args=(said,), daemon=True).start()

    def take(self, task: Task) -> None:
        """Begin with a task, as soon as the process is awake."""
        self.task = task
        if self._awake:
            with contextlib.suppress(OSError):  # it died: its last word is on its way
                assert self._process.stdin is not None
                send(self._process.stdin, task.work_left())

    def heard(self, said: Message) -> None:
        """Take note of whether it is awake, and has the model."""
        match said.words:
            case ("hello",):
                self._awake = True
                if self.task is not None:
                    self.take(self.task)
            case ("ready",):
                self.ready = True

    def kill(self) -> None:
        """End the process now; its death is told like any other."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        unwatch(self._board)
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _read(self, said: SimpleQueue[Message]) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            while (content := receive(stream)) is not None:
                said.put(Message(self, pickle.loads(content), time.monotonic()))
        said.put(Message(self, ("death", self._process.wait()), time.monotonic()))


def _program(idle: float | None, board: int | None = None) -> str:
    """Write the program: modules are found where this process finds them, nowhere else.

    Linux ends a process with the thread that started it, so only the main thread asks for that.
    """
    mortal = threading.current_thread() is threading.main_thread()
    parent = os.getpid() if mortal else None
    return _PROGRAM.format(path=sys.path, parent=parent, idle=idle, board=board)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Let a child begin with signals held back: it would die of a Ctrl-C while Python starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


BAD_STARTS = 2
"""Processes in a row that may die before their model is loaded."""

MOMENT = 0.1
"""Seconds between two looks at the clock and at whether to stop."""


class Local(AbstractContextManager["Local"]):
    """Works in ``workers.n`` processes, each with the model loaded once.

    They stay from one ``run_all`` to the next, and end with the ``with``, or with this process.
    """

    def __init__(
        self,
        workers: Workers,
        model: str,
        folder: str | None = None,
        idle: float | None = None,
    ) -> None:
        """Processes start in ``folder`` and end after ``idle`` seconds without work."""
        self._workers, self._model = workers, model
        self._folder, self._idle = folder, idle
        self._said: SimpleQueue[Message] = SimpleQueue()
        self._processes: list[WorkerProcess] = []
        self._n = workers.n
        self._again: deque[Task] = deque()
        self._bad_starts = self._bad_items = 0
        self._explained = False

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        tasks = (Task(work, self._workers.threads) for work in works)
        late = float("inf")
        try:
            while time.monotonic() < late:
                if late == float("inf") and stop():
                    late = time.monotonic() + GRACE
                if late == float("inf"):
                    self._hand_out(tasks)
                if not any(process.task for process in self._processes):
                    return
                for task in self._listen():
                    if late == float("inf") and not stop():
                        self._hand_out(tasks)  # nobody waits until what is done is written down
                    yield task.work, task.outcomes
        finally:
            self._drop()

    def close(self) -> None:
        for process in self._processes:
            process.close()
        self._processes.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self, tasks: Iterator[Task]) -> None:
        """Give every free process a task, and every missing one that there is work for."""
        while True:
            free = next((one for one in self._processes if one.task is None), None)
            if free is None and len(self._processes) >= self._n:
                return
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return
            if len(self._processes) < self._n:
                free = self._started(task) or free
            if free is None:
                return
            free.take(task)

    def _started(self, task: Task) -> WorkerProcess | None:
        """Start one more process; where the system allows no more, do with those there are."""
        threads = task.work_left().job.model.threads or 1
        try:
            process = WorkerProcess(
                threads, self._workers.limits, self._said, self._folder, self._idle
            )
        except OSError as error:
            if not self._processes:
                raise OutputError(
                    f"no process can be started ({error.strerror})",
                    "end other processes, or raise the limits: ulimit -u, ulimit -n",
                ) from None
            self._n = len(self._processes)
            if all(one.task for one in self._processes):
                self._again.appendleft(task)
            return None
        self._processes.append(process)
        return process

    def _listen(self) -> Iterator[Task]:
        """Yield the tasks that came to their end within a moment."""
        try:
            said = self._said.get(timeout=MOMENT)
        except Empty:
            self._end_late_ones()
            return
        with contextlib.suppress(Empty):
            while True:
                said.process.heard(said)
                yield from self._heard(said)
                said = self._said.get_nowait()
        self._end_late_ones()

    def _end_late_ones(self) -> None:
        for process in self._processes:
            if not process.late and process.watcher.is_late():
                process.late = True
                process.kill()

    def _heard(self, said: Message) -> Iterator[Task]:
        process, task = said.process, said.process.task
        match said.words:
            case ("ready",):
                self._bad_starts = 0
            case ("outcome", outcome) if task:
                self._explained = self._explained or outcome.error is None
                task.heard(outcome)
            case ("done",):
                yield from self._released(process)
            case ("error", error):
                raise error
            case ("bug", trace):
                raise RuntimeError(trace)
            case ("death", code) if process in self._processes:
                self._processes.remove(process)
                process.close()
                if task:
                    self._died(process, task, code)
                yield from self._released(process)

    def _released(self, process: WorkerProcess) -> Iterator[Task]:
        """Take the task from a process: it is done, or somebody goes on with it."""
        task, process.task = process.task, None
        if task is None:
            return
        if task.done:
            yield task
        else:
            self._again.appendleft(task)

    def _died(self, process: WorkerProcess, task: Task, code: int) -> None:
        """Charge a death: to the start, or to the source; raise ModelError for one too many."""
        at = process.watcher.at()
        if not process.ready:
            self._bad_starts += 1
            if any(one.ready for one in self._processes):
                self._n = len(self._processes)
            elif process.late:
                raise lateness(self._model, at, self._workers.limits)
            elif self._bad_starts >= BAD_STARTS:
                raise death(self._model, code)
        elif process.late and at.stage in (LOADING, TRYING) and not at.key:
            raise lateness(self._model, at, self._workers.limits)
        elif task.struck(lambda source: self._reason(process, code, source), process.late, at.key):
            self._bad_items += 1
            if self._bad_items >= BAD_ITEMS and not self._explained:
                raise too_many(
                    self._model, at, self._workers.limits if process.late else None, code
                )

    def _reason(self, process: WorkerProcess, code: int, source: Source) -> LimexError:
        if process.late:
            at = process.watcher.at()._replace(label=source.called)
            return lateness(self._model, at, self._workers.limits)
        why: ModelError = death(self._model, code, f" at {source.called}")
        return PredictionError(why.message, why.hint)

    def _drop(self) -> None:
        busy = [process for process in self._processes if process.task]
        for process in busy:
            self._processes.remove(process)
            process.close()
        self._again.clear()
