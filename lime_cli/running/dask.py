"""A dask cluster: its scheduler hands the works out, and again where a worker was lost.

So a model that crashes never takes the dask worker down, two works never meet in one process
however many threads the worker has, and an instance that hangs is ended.
"""

from __future__ import annotations

import gc
import logging
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from lime_cli.errors import (
    MissingDependency,
    ModelError,
    OutputError,
    PredictionError,
    SettingsError,
)
from lime_cli.files import digest_of_file
from lime_cli.models.model_file import PYTHON_PREFIX
from lime_cli.running.executor import GRACE, Task, Workers
from lime_cli.running.job import Outcome, Work
from lime_cli.running.local import MOMENT, Local

IDLE = 60.0
"""Seconds after which a process ends for which nothing came."""


@dataclass(frozen=True)
class Order:
    """What is the same for every work of a run on a cluster."""

    run: str
    """Tells runs apart that share a cluster."""
    folder: str
    """Where limex was called: relative paths begin there, where it is."""
    digest: str | None
    """Of the model's file; None for a function."""
    workers: Workers


def complete_there(work: Work, order: Order) -> tuple[Outcome, ...]:
    """Do a work on a dask worker; raise ModelError for a file that is not the caller's."""
    path = Path(order.folder, work.job.model.path)
    if order.digest is not None:
        _check(path, order.digest)
    with _borrowed(order, work.job.model.path) as local:
        for _, outcomes in local.run_all(iter([work]), lambda: order.run in _left):
            return outcomes
    raise ModelError(f"{path.name}: the run was ended")


def leave(run: str) -> None:
    """End the processes of a run on this dask worker, busy or not."""
    _left.add(run)
    with _lock:
        free = _free.pop(run, [])
    for local in free:
        local.close()


_lock = threading.Lock()

_free: dict[str, list[Local]] = {}

_left: set[str] = set()


@contextmanager
def _borrowed(order: Order, model: str) -> Iterator[Local]:
    """Lend one of the processes of a run that are not busy, or a new one."""
    with _lock:
        mine = _free.setdefault(order.run, [])
        local = mine.pop() if mine else None
    if local is None:
        one = replace(order.workers, executor="local", n=1, scheduler=None)
        local = Local(one, model, order.folder, IDLE)
    try:
        yield local
    except BaseException:
        local.close()
        raise
    with _lock:
        if order.run not in _left:
            _free.setdefault(order.run, []).append(local)
            return
    local.close()


def _check(path: Path, digest: str) -> None:
    try:
        found = _digest_there(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ModelError(
            f"{path.name}: cannot be read on {socket.gethostname()} ({error.strerror})",
            "workers need the same paths: a folder that all machines share",
        ) from None
    if found != digest:
        raise ModelError(
            f"{path.name}: there is a different file under this path on {socket.gethostname()}",
            "copy it there again, or share one folder",
        )


@lru_cache(maxsize=4)
def _digest_there(path: Path, _written: int) -> str:
    return digest_of_file(path)


PATIENCE = 10.0
"""Seconds to wait for an answer of the scheduler, and for it to have a worker."""

AHEAD = 2
"""Works handed out for every thread of the cluster."""


@contextmanager
def cluster(workers: Workers, model: str) -> Iterator[Cluster]:
    """Connect to the scheduler; raise SettingsError when none answers or it has no workers."""
    try:
        import distributed
    except ImportError:
        raise MissingDependency(
            "--executor dask: dask is not installed", "pip install 'limex[dask]'"
        ) from None
    assert workers.scheduler is not None
    before = logging.getLogger("distributed").level
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        with _connected(distributed, workers.scheduler) as client:
            running = Cluster(client, workers, model)
            try:
                yield running
            finally:
                running.close()
    finally:
        logging.getLogger("distributed").setLevel(before)


def _connected(distributed: Any, scheduler: str) -> Any:
    """Return a client of the scheduler at an address, or of the one that wrote a file."""
    where = {"address": scheduler}
    if Path(scheduler).is_file():
        where = {"scheduler_file": scheduler}
    elif ":" not in scheduler:
        raise SettingsError(
            f"--scheduler {scheduler}: no such file", "give tcp://HOST:PORT, or a scheduler file"
        )
    client = _client(distributed, where)
    if client is None:
        gc.collect()  # the half-made client: its end within another's beginning is a deadlock
        raise SettingsError(
            f"--scheduler {scheduler}: no dask scheduler answers there",
            "start one: dask scheduler",
        )
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise SettingsError(
            f"--scheduler {scheduler}: it has no workers", "start some: dask worker ADDRESS"
        ) from None
    return client


def _client(distributed: Any, where: dict[str, str]) -> Any:
    """Return a client, or None where nobody answers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about versions that differ
            return distributed.Client(**where, timeout=PATIENCE - 1, set_as_default=False)
    except Exception:  # dask raises anything, of an address or a file that is none
        return None


class Cluster:
    """Works on whatever workers the scheduler has."""

    def __init__(self, client: Any, workers: Workers, model: str) -> None:
        self._client, self._workers = client, workers
        self._model = Path(model).name
        self._run = uuid.uuid4().hex
        digest = None if model.startswith(PYTHON_PREFIX) else _digest(Path(model))
        self._order = Order(self._run, str(Path.cwd()), digest, workers)
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._out: dict[str, tuple[Any, Task]] = {}
        self._window = self._submitted = 0

    def run_all(
        self, works: Iterator[Work], stop: Callable[[], bool]
    ) -> Iterator[tuple[Work, tuple[Outcome, ...]]]:
        late = float("inf")
        try:
            while time.monotonic() < late:
                if late == float("inf") and stop():
                    late = time.monotonic() + GRACE
                if late == float("inf"):
                    self._hand_out(works)
                if not self._out:
                    return
                with suppress(Empty):
                    task = self._ended(self._done.get(timeout=MOMENT))
                    if task is not None:
                        yield task.work, task.outcomes
        finally:
            self._give_up()

    def close(self) -> None:
        with suppress(Exception):  # they end by themselves when nothing comes
            self._client.run(leave, self._run, on_error="ignore")

    def _hand_out(self, works: Iterator[Work]) -> None:
        if len(self._out) <= self._window // 2:  # workers may have come or gone
            self._window = AHEAD * max(1, sum(self._client.nthreads().values()))
        while len(self._out) < self._window:
            work = next(works, None)
            if work is None:
                return
            self._submit(Task(work, self._workers.threads))

    def _submit(self, task: Task) -> None:
        self._submitted += 1
        key = f"limex-{self._run}-{self._submitted}"
        future = self._client.submit(
            complete_there, task.work_left(), self._order, key=key, pure=False
        )
        self._out[key] = (future, task)
        future.add_done_callback(self._done.put)

    def _ended(self, future: Any) -> Task | None:
        """Return the task that a future was the rest of; None where some of it is still to do.

        Raises an error that concerns every source.
        """
        if future.key not in self._out:
            return None
        if future.status in ("pending", "lost"):  # the worker went before it was asked for it
            future.add_done_callback(self._done.put)
            return None
        task = self._out.pop(future.key)[1]
        if future.status == "finished":
            for outcome in future.result():
                task.heard(outcome)
        else:
            self._strike(task, future.exception() if future.status == "error" else None)
        if task.done:
            return task
        self._submit(task)
        return None

    def _strike(self, task: Task, error: BaseException | None) -> None:
        """Charge a task for the dask workers it took down; raise any other error in our words."""
        if type(error).__name__ == "KilledWorker":
            words = f"{self._model}: every dask worker that tried it died, at "
            task.struck(lambda source: PredictionError(words + source.called), late=True)
        elif isinstance(error, ImportError):
            raise SettingsError(
                f"--executor dask: a worker cannot import limex ({error})",
                "install the same version of it where the workers are",
            )
        elif error is None:
            raise OutputError(
                "--executor dask: the scheduler gave up", "run the same command again"
            )
        else:
            raise error

    def _give_up(self) -> None:
        """Call back what nobody waits for any more."""
        futures = [future for future, _ in self._out.values()]
        self._out.clear()
        if futures:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel(futures, force=True)
            self.close()


def _digest(path: Path) -> str | None:
    """Return the digest of the model's file; None where only workers have it."""
    try:
        return digest_of_file(path) if path.is_file() else None
    except OSError as error:
        raise ModelError(f"{path.name}: cannot be read ({error.strerror})") from None
