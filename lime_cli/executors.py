"""Executors: where the works of a batch are done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lime_cli.errors import SettingsError
from lime_cli.outcomes import Outcome, Work, complete


@dataclass(frozen=True)
class Workers:
    """Who does the works."""

    executor: str = "here"
    """``here``, this process; ``local``, processes of this machine; ``dask``, a cluster."""
    n: int = 1
    scheduler: str | None = None
    threads: int | None = None
    item_timeout: float | None = None
    """In seconds."""


class Executor(Protocol):
    """Do works, a bounded number of them at a time."""

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        """Yield works with their outcomes as they finish; hand out none once ``stop()``."""
        ...


class Here:
    """Do works in this process, one after the other."""

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        """Yield works with their outcomes, in order; begin none once ``stop()``."""
        while not stop():
            work = next(works, None)
            if work is None:
                return
            yield work, tuple(complete(work))


@contextlib.contextmanager
def opened(workers: Workers, model: str) -> Iterator[Executor]:
    """Make an executor for a model's path; end its workers afterwards."""
    if workers.executor != "here":
        raise SettingsError(f"--executor {workers.executor}: is not there yet", "leave it out")
    yield Here()
