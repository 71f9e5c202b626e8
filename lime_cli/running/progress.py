"""How far a batch is: a bar for a person at a terminal, a line of JSON a second for a program."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lime_cli.clock import everywhere
from lime_cli.console import begin_lines_with, print_line

_TICK = 1.0  # seconds between two lines

_FRAME = 0.1  # seconds between two looks of a bar


@dataclass
class Progress:
    """What is done of so many instances, those at hand by their samples."""

    total: int | None
    """None where nobody has counted them."""
    done: int = 0
    """Those explained and those failed, of earlier runs too."""
    failed: int = 0
    kept: int = 0
    """Those done when this run began: they say nothing of its speed."""
    began: float = 0.0
    """On the monotonic clock, in seconds."""
    before: int = 0
    """Samples that had been asked about by then."""

    def advance(self, done: int, failed: int) -> None:
        self.done, self.failed = done, failed

    def begin(self) -> None:
        self.began, self.before = time.monotonic(), everywhere().samples

    def now(self) -> Moment:
        """Look at what is done now."""
        samples, share, most = everywhere()
        whole = self.done + share
        if self.total is not None:
            whole = min(whole, float(self.total))
        seconds = max(time.monotonic() - self.began, 1e-9)
        speed = (whole - self.kept) / seconds
        left = None
        if self.total is not None and speed > 0:
            left = (self.total - whole) / speed
        elif self.total == self.done:
            left = 0.0
        return Moment(whole, samples - self.before, most, speed, left)


class Moment(NamedTuple):
    """How far it is at one time."""

    done: float
    """Instances, those at hand by the share of their samples."""
    samples: int
    """Asked about in this run."""
    most: int
    """Samples, at most, of one instance."""
    per_second: float
    seconds_left: float | None
    """Until the end at this speed, or sooner; None before there is one."""


def release_terminal() -> None:
    """Take the bar away and show the cursor, where the process ends before the bar does."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K\x1b[?25h")


@contextlib.contextmanager
def shown(progress: Progress, way: str, quiet: bool, late: float = 0.0) -> Iterator[Progress]:
    """Show progress on standard error while something is at work: ``auto``, ``json`` or ``off``.

    A bar appears after ``late`` seconds, so that what is over soon needs none.
    """
    progress.begin()
    if way == "json":
        with _every(_TICK, lambda: _tell(progress)):
            yield progress
        _tell(progress)
    elif way == "auto" and not quiet and _is_for_a_person():
        bar = _Bar(progress)
        try:
            with _every(_FRAME, bar.show, late):
                yield progress
        finally:
            bar.close()
    else:
        yield progress


@contextlib.contextmanager
def _every(seconds: float, act: Callable[[], None], late: float = 0.0) -> Iterator[None]:
    """Do something again and again in the meantime, for the first time after a while."""
    ended = threading.Event()

    def go_on() -> None:
        if ended.wait(max(late, seconds)):
            return
        act()
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _is_for_a_person() -> bool:
    dumb = os.environ.get("TERM") == "dumb" or os.environ.get("CI")
    return sys.stderr.isatty() and not dumb


class _Bar:
    """A bar that appears when it is shown for the first time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: Any = None

    def show(self) -> None:
        if self._bar is None:
            self._begin()
        now, total = self._progress.now(), self._progress.total
        failed = f"{self._progress.failed:,} failed" if self._progress.failed else ""
        count = f"{self._progress.done:,}/{'?' if total is None else f'{total:,}'}"
        samples = f"{now.samples:,} samples"
        if total == 1:
            count, samples = "", f"{min(now.samples, now.most):,} of at most {now.most:,} samples"
        self._bar.update(
            self._task, completed=now.done, count=count, failed=failed, samples=samples
        )

    def close(self) -> None:
        if self._bar is not None:
            begin_lines_with("")
            self._bar.stop()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        names = ("{task.fields[count]}", "[red]{task.fields[failed]}", "{task.fields[samples]}")
        words = map(TextColumn, names)
        console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")) or None)
        columns = (BarColumn(), *words, TimeRemainingColumn())
        self._bar = Bar(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,  # a thread must not exchange what the model's output goes to
            redirect_stderr=False,
        )
        total = self._progress.total
        self._task = self._bar.add_task("", total=total, count="", failed="", samples="")
        self._bar.start()
        begin_lines_with("\r\x1b[K")


def _tell(progress: Progress) -> None:
    now = progress.now()
    left = now.seconds_left
    said = {
        "done": progress.done,
        "failed": progress.failed,
        "total": progress.total,
        "samples": now.samples,
        "share": round(now.done / progress.total, 4) if progress.total else None,
        "per_second": round(now.per_second, 3),
        "seconds_left": None if left is None else round(left, 1),
    }
    print_line(json.dumps(said))
