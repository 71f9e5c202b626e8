"""What a dask worker does: it has a process of its own do each work, as on one machine.

So a model that crashes never takes the dask worker down, two works never meet in one process
however many threads the worker has, and an instance that hangs is ended.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lime_cli.digests import digest_of_file
from lime_cli.errors import ModelError
from lime_cli.executors import Workers
from lime_cli.executors.local import Local
from lime_cli.outcomes import Outcome, Work

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
        found = _digest(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ModelError(
            f"{path.name}: cannot be read on {socket.gethostname()} ({error.strerror})",
            "workers need the same paths: a folder that all machines share",
        ) from None
    if found != digest:
        raise ModelError(
            f"{path.name}: another file stands under this path on {socket.gethostname()}",
            "copy it there again, or share one folder",
        )


@lru_cache(maxsize=4)
def _digest(path: Path, _written: int) -> str:
    return digest_of_file(path)
