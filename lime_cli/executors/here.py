"""This process does the works, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from threadpoolctl import threadpool_limits

from lime_cli.executors import Workers
from lime_cli.executors.task import GRACE, sized
from lime_cli.jobs import ask_ahead, load
from lime_cli.outcomes import Outcome, Work, complete


class Here(AbstractContextManager["Here"]):
    """Works in this process: nothing is started, and a crash of the model is a crash of limex."""

    def __init__(self, workers: Workers) -> None:
        self._threads = workers.threads

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        """Yield works with their outcomes, in order; see ``Executor``."""
        while not stop():
            work = next(works, None)
            if work is None:
                return
            outcomes = self._complete(work, stop)
            if len(outcomes) < len(work.job.sources):
                return
            yield work, outcomes

    def _complete(self, work: Work, stop: Callable[[], bool]) -> tuple[Outcome, ...]:
        """Do a work, or a part of it when told to stop."""
        own = sized(work, self._threads)
        load(own.job)
        found = []
        late = float("inf")
        with threadpool_limits(own.job.model.threads):  # of libraries that the model brought, too
            ask_ahead(own.job)
            for outcome in complete(own):
                found.append(outcome)
                late = min(late, time.monotonic() + GRACE) if stop() else late
                if time.monotonic() > late:
                    break
        return tuple(found)

    def __exit__(self, *_: object) -> None:
        """Nothing was started."""
