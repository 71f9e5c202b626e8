"""Executors: who does the jobs of a batch, and the one that does them in this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from lime_cli.clock import ITEM_TIMEOUT, LOAD_TIMEOUT, TimeLimits
from lime_cli.errors import LimexError, SettingsError
from lime_cli.registry import EXECUTORS
from lime_cli.running.containment import STRIKES
from lime_cli.running.job import Outcome, Work, complete, failed, load
from lime_cli.sources import Source


@dataclass(frozen=True)
class Workers:
    """Who works; raise SettingsError for what does not go together."""

    executor: str = "here"
    """``here``, ``local`` or ``dask``."""
    n: int = 1
    """Processes on this machine; a cluster has as many as it has."""
    scheduler: str | None = None
    """Address of a dask scheduler, or the path of the file that it wrote."""
    threads: int | None = None
    """Of each worker; None: one, so that no sum depends on them."""
    item_timeout: float | None = None
    """Seconds that one instance may take; None: an hour."""
    load_timeout: float | None = None
    """Seconds that loading the model may take, and each of its first answers; None: a minute."""

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise SettingsError(f"--executor: {self.executor!r} is unknown", "give local or dask")
        if self.n < 1:
            raise SettingsError(f"--jobs: {self.n} is not valid", "give 1 or more")
        if self.executor == "dask" and not self.scheduler:
            raise SettingsError(
                "--executor dask requires --scheduler",
                "give its address: --scheduler tcp://HOST:8786",
            )
        if self.executor != "dask" and self.scheduler:
            raise SettingsError("--scheduler requires --executor dask", "add it")
        for option, given in (
            ("--item-timeout", self.item_timeout),
            ("--load-timeout", self.load_timeout),
        ):
            if self.executor == "here" and given is not None:
                raise SettingsError(
                    f"{option}: a model in this process cannot be stopped", "add --jobs 1"
                )

    @property
    def limits(self) -> TimeLimits:
        """How long things may take in a process that was started for them."""
        load, item = self.load_timeout, self.item_timeout
        return TimeLimits(
            LOAD_TIMEOUT if load is None else load, ITEM_TIMEOUT if item is None else item
        )


class Executor(Protocol):
    """Does works, whatever becomes of the processes that do them."""

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        """Yield works with their outcomes, in order of completion, never one in part.

        Works are taken as they are needed. Once ``stop`` says so nothing more is begun, and what
        is not done a second later is given up. Raises what concerns every source: ModelError and
        SettingsError.
        """
        ...


def opened(workers: Workers, model: str) -> AbstractContextManager[Executor]:
    """Open an executor, to be used in a ``with``; ``model`` is the model's path, for messages."""
    executor: AbstractContextManager[Executor] = EXECUTORS[workers.executor](workers, model)
    return executor


GRACE = 1.0
"""Seconds from the wish to stop until what is not done is given up."""


def sized(work: Work, threads: int | None) -> Work:
    """Return the work with a number of threads for its model: one, unless asked otherwise."""
    model = work.job.model
    model = model._replace(threads=threads or model.threads or 1)
    return replace(work, job=replace(work.job, model=model))


class Task:
    """A work, and what became of its sources so far.

    A process tells which source it is at, so that its death is charged to that one. The rest of
    the work is done again as it was, for the death may have come from outside and the bytes of the
    others should not change. Where it told nothing, sources are asked one by one in the end.
    """

    def __init__(self, work: Work, threads: int | None) -> None:
        self.work = work
        self._sized = sized(work, threads)
        self._left = dict(enumerate(work.job.sources))
        self._outcomes: dict[int, Outcome] = {}
        self._strikes: Counter[int] = Counter()
        self._singly = False

    @property
    def done(self) -> bool:
        return not self._left

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the outcomes so far, in the order of the sources."""
        return tuple(self._outcomes[place] for place in sorted(self._outcomes))

    def work_left(self) -> Work:
        """Return what a process is to do next of it."""
        sources = tuple(self._left.values())
        sources = sources[:1] if self._singly else sources
        return replace(self._sized, job=replace(self._sized.job, sources=sources))

    def heard(self, outcome: Outcome) -> None:
        place = next(iter(self._left))
        self._outcomes[place] = outcome._replace(source=self._left.pop(place))
        self._strikes.pop(0, None)

    def struck(self, why: Callable[[Source], LimexError], late: bool, key: int = 0) -> bool:
        """Take note that the process died, or was ``late``; tell whether that charged a source.

        ``key`` is that of the source it was at, 0 where it did not tell. Lateness is charged at
        once: waiting is dear.
        """
        places = list(self._left)
        alone = self._singly or len(places) == 1
        named = [one for one in places if key and self._left[one].key == key]
        place = next(iter(named), places[0] if alone else None)
        struck = 0 if place is None else self._left[place].key
        self._strikes[struck] += 1
        if place is None:
            self._singly = self._singly or late or self._strikes[0] >= STRIKES
            return False
        if not late and self._strikes[struck] < STRIKES:
            return False
        source = self._left.pop(place)
        self._outcomes[place] = failed(source, why(source))
        return True


class Here(AbstractContextManager["Here"]):
    """Works in this process: nothing is started, and a crash of the model is a crash of limex."""

    def __init__(self, workers: Workers, _model: str = "") -> None:
        self._threads = workers.threads

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
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
        from threadpoolctl import threadpool_limits

        with threadpool_limits(own.job.model.threads):  # of libraries that the model brought, too
            for outcome in complete(own):
                found.append(outcome)
                late = min(late, time.monotonic() + GRACE) if stop() else late
                if time.monotonic() > late:
                    break
        return tuple(found)

    def __exit__(self, *_: object) -> None:
        """Nothing was started."""
