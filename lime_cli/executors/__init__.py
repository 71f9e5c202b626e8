"""Executors: who does the jobs of a batch - this process, this machine's cores, a dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lime_cli.errors import SettingsError

if TYPE_CHECKING:
    from lime_cli.outcomes import Outcome, Work


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
    """Seconds that one instance may take, beside the samples that the rows of a table share."""

    def __post_init__(self) -> None:
        if self.executor not in ("here", "local", "dask"):
            raise SettingsError(f"--executor {self.executor}: there is none", "local or dask")
        if self.n < 1:
            raise SettingsError(f"--jobs {self.n}: nobody would work", "1 or more")
        if self.executor == "dask" and not self.scheduler:
            raise SettingsError("--executor dask: which cluster?", "--scheduler tcp://HOST:8786")
        if self.executor != "dask" and self.scheduler:
            raise SettingsError("--scheduler: is dask's", "add --executor dask")
        if self.executor == "here" and self.item_timeout is not None:
            raise SettingsError(
                "--item-timeout: a model in this process cannot be stopped", "add --jobs 1"
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
    if workers.executor == "dask":
        from lime_cli.executors.dask import cluster

        return cluster(workers, model)
    if workers.executor == "local":
        from lime_cli.executors.local import Local

        return Local(workers, model)
    from lime_cli.executors.here import Here

    return Here(workers)
