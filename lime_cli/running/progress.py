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

from lime_cli.console import print_line

_TICK = 1.0  # seconds between two lines


@dataclass
class Progress:
    """What is done of so many instances; ``show`` is told of every change."""

    total: int
    done: int = 0
    """Those explained and those failed, of earlier runs too."""
    failed: int = 0
    kept: int = 0
    """Those done when this run began: they say nothing of its speed."""
    began: float = 0.0
    """On the monotonic clock, in seconds."""
    show: Callable[[], None] = lambda: None

    def advance(self, done: int, failed: int) -> None:
        self.done, self.failed = done, failed
        self.show()

    @property
    def per_second(self) -> float:
        seconds = time.monotonic() - self.began
        return (self.done - self.kept) / seconds if seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end, at this speed; None before there is one."""
        speed = self.per_second
        return (self.total - self.done) / speed if speed > 0 else None


def release_terminal() -> None:
    """Take the bar away and show the cursor, where the process ends before the bar does."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K\x1b[?25h")


@contextlib.contextmanager
def shown(progress: Progress, way: str, quiet: bool) -> Iterator[Progress]:
    """Show progress on standard error while a batch is at work: ``auto``, ``json`` or ``off``."""
    progress.began = time.monotonic()
    if way == "json":
        with _lines(progress):
            yield progress
    elif way == "auto" and not quiet and _is_for_a_person():
        with _bar(progress):
            yield progress
    else:
        yield progress


def _is_for_a_person() -> bool:
    dumb = os.environ.get("TERM") == "dumb" or os.environ.get("CI")
    return sys.stderr.isatty() and not dumb


@contextlib.contextmanager
def _bar(progress: Progress) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    failed = TextColumn("[red]{task.fields[failed]}")
    speed = TextColumn("{task.fields[speed]}")
    columns = (BarColumn(), MofNCompleteColumn(), failed, speed, TimeRemainingColumn())
    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")) or None)
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=progress.total, failed="", speed="")

        def show() -> None:
            words = f"{progress.failed:,} failed" if progress.failed else ""
            speed = f"{progress.per_second:,.1f}/s"
            bar.update(task, completed=progress.done, failed=words, speed=speed)

        progress.show = show
        show()
        yield


@contextlib.contextmanager
def _lines(progress: Progress) -> Iterator[None]:
    ended = threading.Event()

    def tell() -> None:
        left = progress.seconds_left
        said = {
            "done": progress.done,
            "failed": progress.failed,
            "total": progress.total,
            "per_second": round(progress.per_second, 3),
            "seconds_left": None if left is None else round(left, 1),
        }
        print_line(json.dumps(said))

    def tell_on() -> None:
        while not ended.wait(_TICK):
            tell()

    teller = threading.Thread(target=tell_on, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        tell()
