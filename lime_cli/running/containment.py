"""How a process ends: by a crash, in a child whose death is put in words and a code; by signals,
soon after the first and at once after a second.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from lime_cli.errors import LimexError, ModelError, PredictionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lime_cli import clock

TEMPORARY = ".limex-{pid}-"
"""How the names of unfinished files begin, so that those of a dead process can be told."""


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_MOST_BYTES = 48 << 10  # of paths at a time, which a pipe takes without a reader

_PATIENCE = 1.5  # seconds from a signal to the end, at most

STRIKES = 2
"""Deaths that an instance is charged with: the second is after a retry in a fresh process."""

BAD_ITEMS = 5
"""Instances that may take their process with them before any was explained."""

_SIGNALLED = 128  # what a shell adds to the number of the signal that ended a program


def _keep_output() -> None:
    """Keep descriptor 1 for whoever writes to it behind Python's back: to standard error."""
    with contextlib.suppress(OSError, ValueError):  # where one of them is closed
        kept = os.dup(1)
        os.dup2(2, 1)
        stream = sys.stdout
        sys.stdout = os.fdopen(
            kept, "w", encoding=stream.encoding, errors=stream.errors, newline="\n"
        )


class Leftover:
    """What children left that came to no end, for the one that does their work again."""

    def __init__(self) -> None:
        self.children = 0
        self.lost: dict[int, LimexError] = {}
        """By key of an instance, what it did to the child that tried it."""
        self.written = 0
        """Bytes on standard output."""
        self.told = 0
        """Failures told in words."""


class Containment:
    """The one child of this process that runs what a stranger's model may crash.

    Where the system cannot fork, the work runs in this process.
    """

    def __init__(self) -> None:
        self._report_to: int | None = None
        self.began = time.monotonic()
        """When the first child began."""
        self.left = Leftover()
        self.hurries = False
        """Whether this process has nothing left to do: a child did the work to its end."""

    def enter(self, model: str, folder: str | None, limits: clock.TimeLimits) -> int | None:
        """Fork: None in the child, which does the work; its exit code in the parent.

        Call it before anything starts a thread. A child that dies of one of many instances, or
        does not come to an end with it, is followed by another that leaves that one out. Raises
        ModelError in the parent when the last one ended without a report; its unfinished files in
        ``folder`` are removed first.
        """
        if not hasattr(os, "fork"):
            return None
        from lime_cli import clock

        sys.stdout.flush()
        sys.stderr.flush()
        strikes: dict[int, int] = {}
        while True:
            report, self._report_to = os.pipe()
            board = clock.Board()
            with _held_back() as passed_on:
                parent = os.getpid()
                child = os.fork()
                if child == 0:
                    os.close(report)
                    die_with(parent)
                    clock.tell(board)
                    _keep_output()
                    return None
                os.close(self._report_to)
                self._report_to = None
                watcher = clock.Watcher(board, limits)
                received, status, late = _wait(child, passed_on, watcher)
            with os.fdopen(report, "rb", buffering=0) as stream:
                reported = stream.read(1 + _MOST_BYTES)
            if reported:
                keep(reported[1:])
                self.hurries = True
                return reported[0]
            _remove_unfinished(child, folder)
            code, at = os.waitstatus_to_exitcode(status), watcher.at()
            if received and code in (-received[0], -signal.SIGKILL):
                return _SIGNALLED + received[0]
            strikes[at.key] = strikes.get(at.key, 0) + 1
            self._charge(model, at, limits if late else None, code, strikes[at.key])
            left = self.left
            left.children += 1
            left.written, left.told = max(left.written, at.written), max(left.told, at.told)

    def _charge(
        self, model: str, at: clock.At, exceeded: clock.TimeLimits | None, code: int, strikes: int
    ) -> None:
        """Take note of what a child died of, so that another goes on; raise it where none can."""
        error = death(model, code) if exceeded is None else lateness(model, at, exceeded)
        if not (at.key and at.restartable):
            raise error
        if exceeded is None and strikes < STRIKES:
            return
        if exceeded is None:
            error = death(model, code, f" at {at.label}")
            error = PredictionError(error.message, error.hint)
        self.left.lost[at.key] = error
        if len(self.left.lost) >= BAD_ITEMS and not at.explained:
            raise too_many(model, at, exceeded, code)

    def report(self, code: int) -> None:
        """End the child, telling the parent that the work came to its end; then end the parent.

        Both end at once: taking the libraries of a model down again takes longer than some models.
        A process without a child, or with anything left to do, goes on.
        """
        if self._report_to is None and not self.hurries:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        if self._report_to is not None:
            os.set_blocking(self._report_to, False)  # nobody reads yet: a narrow pipe takes a part
            os.write(self._report_to, bytes([code]) + uncompiled())
        os._exit(code)


@contextlib.contextmanager
def _held_back() -> Iterator[set[signal.Signals]]:
    """Hold back, in the parent alone, the signals that are for the child.

    Those that whoever started it has ignored, as nohup does, stay ignored.
    """
    passed_on = _heeded()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed_on, signal.SIGCHLD})
    try:
        yield passed_on
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(
    child: int, passed_on: set[signal.Signals], watcher: clock.Watcher
) -> tuple[list[int], int, bool]:
    """Wait for the end of the child, passing signals on; return those received, and its status.

    A signal may be lost on the child, in the midst of an import, say: it is killed a little later.
    So is a child that is late, which is told, too.
    """
    from lime_cli.clock import MOMENT

    received: list[int] = []
    deadline, late = float("inf"), False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return received, status, late
        late = late or watcher.is_late()
        if late or time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        number, from_terminal = _next_signal({*passed_on, signal.SIGCHLD}, MOMENT)
        if number in (None, signal.SIGCHLD):
            continue
        received.append(int(number))
        deadline = min(deadline, time.monotonic() + _PATIENCE)
        if not from_terminal:
            os.kill(child, number)


def _next_signal(awaited: set[signal.Signals], patience: float) -> tuple[int | None, bool]:
    """Return the next signal, None after a while, and whether a terminal sent it.

    What a terminal sends, it sends to the child too.
    """
    if sys.platform == "darwin":  # has no sigtimedwait, so who sent the signal is a guess
        time.sleep(patience / 10)
        if not signal.sigpending() & awaited:
            return None, False
        number = signal.sigwait(awaited)
        return number, number == signal.SIGINT and os.isatty(sys.stderr.fileno())
    caught = signal.sigtimedwait(awaited, patience)
    if caught is None or caught.si_signo not in awaited:  # Python returns rubbish after a Ctrl-Z
        return None, False
    return caught.si_signo, caught.si_pid == 0


def die_with(parent: int) -> None:
    """Have the system end this process with its parent, so that a kill leaves nothing behind."""
    if sys.platform == "linux":
        import ctypes

        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Copies that a model makes of this process are to end with it, too.
        os.register_at_fork(after_in_child=lambda: system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
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


def lateness(model: str, at: clock.At, limits: clock.TimeLimits) -> ModelError:
    """Word what took a process too long, and the option that gives it longer."""
    from pathlib import Path

    from lime_cli import clock

    name, option = Path(model).name, limits.of(at)[0]
    given = limits.load if option == "--load-timeout" else limits.item
    longer = f"if it needs more time: {option} {_longer(given)}"
    where = f" at {at.label}" if at.label else ""
    if at.stage == clock.LOADING:
        return ModelError(f"{name}: was not loaded within {given:g} s", longer)
    if option == "--load-timeout":
        return PredictionError(
            f"{name}: returned no first prediction in {given:g} s{where}", longer
        )
    if at.n > 1:
        where = f" at {at.n:,} rows that are explained together"
    return PredictionError(f"{name}: no prediction in {given * at.n:g} s{where}", longer)


def too_many(model: str, at: clock.At, exceeded: clock.TimeLimits | None, code: int) -> ModelError:
    """Word that no instance was explained before so many had ended their process."""
    where = f"each of the first {BAD_ITEMS}"
    if exceeded is None:
        return death(model, code, f" at {where}")
    return lateness(model, at._replace(label=where), exceeded)


def _longer(seconds: float) -> str:
    """Return a number of seconds that is rounder, and several times as long."""
    steps = (60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
    return str(next((one for one in steps if one >= 3 * seconds), "inf"))


def death(model: str, code: int, where: str = "") -> ModelError:
    """Word how the child ended: by a signal, code < 0, or by itself in the midst of its work."""
    from pathlib import Path

    name = Path(model).name
    if -code == signal.SIGKILL:
        return ModelError(
            f"{name}: the model process was killed (out of memory?){where}",
            "free memory, or use a smaller --max-memory or --batch-size",
        )
    if code < 0:
        words = (signal.strsignal(-code) or "unknown").lower()
        return ModelError(
            f"{name}: the model process died (signal {-code}, {words}){where}",
            "save the model again with the libraries installed here, or export it to ONNX",
        )
    return ModelError(
        f"{name}: the model process ended (exit code {code}){where}",
        "a model must return instead of calling exit",
    )


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


def stop_signals() -> set[signal.Signals]:
    """Return the signals by which people and systems stop programs, as far as there are any."""
    return {getattr(signal, name) for name in SIGNALS if hasattr(signal, name)}


def _heeded() -> set[signal.Signals]:
    """Return those that whoever started this process has not ignored, as nohup does."""
    return {one for one in stop_signals() if signal.getsignal(one) is not signal.SIG_IGN}


def _next(pipe: int, patience: float | None) -> int | None:
    """Return the number of the next signal; 0 at the end of the batch, None after a while."""
    if patience is not None and not select.select([pipe], [], [], patience)[0]:
        return None
    return next(iter(os.read(pipe, 1)), 0)


def uncompiled() -> bytes:
    """List the files whose modules this process imported and compiled, as lines.

    It writes no files, since a stranger's model is asked in it: the parent does, by ``keep``.
    Installers such as uv leave packages uncompiled, and so does a fresh clone: every start would
    compile a thousand modules again. Where the list is too long, the next run names the others.
    """
    if sys.flags.dont_write_bytecode:
        return b""
    found = b""
    for module in list(sys.modules.values()):
        with contextlib.suppress(Exception):  # what a model puts there may be anything
            spec = module.__spec__
            if spec is None or not (spec.cached and str(spec.origin).endswith(".py")):
                continue
            if _is_compiled(str(spec.origin), str(spec.cached)):
                continue
            line = os.fsencode(str(spec.origin)) + b"\n"
            if len(found) + len(line) > _MOST_BYTES:
                break
            found += line
    return found


def _is_compiled(source: str, cached: str) -> bool:
    stat = os.stat  # of a thousand modules: to make path objects takes longer than to ask
    try:
        return stat(cached).st_mtime >= stat(source).st_mtime
    except OSError:
        return False


def keep(listed: bytes) -> None:
    """Write what was compiled, of installed packages alone: the list comes from where a stranger's
    model was.

    Packages that cannot be written stay as they are.
    """
    if not listed:
        return
    import py_compile
    from pathlib import Path

    roots = list(_roots())
    with contextlib.suppress(OSError, ValueError, KeyboardInterrupt):
        for line in listed.split(b"\n"):
            path = Path(os.fsdecode(line))
            if path.suffix == ".py" and any(path.resolve().is_relative_to(one) for one in roots):
                py_compile.compile(str(path), quiet=2)


def _roots() -> Iterator[Path]:
    """Yield the folders of installed packages, and limex's own."""
    import site
    import sysconfig
    from pathlib import Path

    yield Path(__file__).resolve().parents[1]
    for name in ("stdlib", "purelib", "platlib"):
        yield Path(sysconfig.get_path(name)).resolve()
    if site.ENABLE_USER_SITE:
        yield Path(site.getusersitepackages()).resolve()
