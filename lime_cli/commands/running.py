"""The options of a batch: who works, how it begins in its folder, when it stops."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lime_cli.commands.options import option_group
from lime_cli.errors import SettingsError

if TYPE_CHECKING:
    from lime_cli.executors import Workers
    from lime_cli.modalities import Source
    from lime_cli.results.beginning import Beginning


@dataclass(frozen=True)
class Running:
    """How many instances are gone through."""

    jobs: int | None = None
    executor: str | None = None
    scheduler: str | None = None
    item_timeout: float | None = None
    """In seconds."""
    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    time_limit: float | None = None
    """In seconds."""
    shard: tuple[int, int] = (1, 1)
    """Which of how many, counted from 1."""
    progress: str = "auto"

    @property
    def here(self) -> bool:
        """Whether this process does the work."""
        return executor_of(self.jobs, self.executor, self.scheduler) == "here"

    def check(self, into_folder: bool, found: tuple[Source, ...]) -> None:
        """Refuse options that mean nothing here; ``found`` are the first sources."""
        if not into_folder:
            for option, given in (
                ("--restart", self.restart),
                ("--retry-failed", self.retry_failed),
                ("--shard", self.shard != (1, 1)),
            ):
                if given:
                    raise SettingsError(f"{option} is for a batch in a folder", "name it: -o DIR")
        once = any(one.row is not None and not Path(one.path).is_file() for one in found)
        if into_folder and once:
            raise SettingsError(
                f"{found[0].path}: a batch in a folder reads its table again to go on",
                "save it to a file first",
            )
        if not self.here and any(one.path == "-" and one.row is None for one in found):
            raise SettingsError("-j: workers cannot read standard input", "name files, or no -j")

    def workers(self, threads: int | None) -> Workers:
        """Say who works, each with so many threads."""
        from lime_cli.executors import Workers

        executor = executor_of(self.jobs, self.executor, self.scheduler)
        n = self.jobs or (_cores() if executor == "local" else 1)
        return Workers(executor, n, self.scheduler, threads, self.item_timeout)

    def beginning(self, force: bool) -> Beginning:
        """Say what becomes of what the folder holds."""
        from lime_cli.results.beginning import Beginning

        return Beginning(self.restart, self.retry_failed, force)

    def owns(self, number: int) -> bool:
        """Tell whether a part of the batch belongs to this shard."""
        which, n = self.shard
        return number % n == which - 1

    def numbers(self, n: int) -> range:
        """Return the numbers of the n parts that belong to this shard."""
        which, n_shards = self.shard
        return range(which - 1, which - 1 + n * n_shards, n_shards)


def executor_of(jobs: int | None, executor: str | None, scheduler: str | None) -> str:
    """Name the executor that the options mean: without any, this process."""
    if executor == "dask" or (scheduler is not None and executor is None):
        return "dask"
    return "here" if jobs is None and executor is None else "local"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _running(
    jobs: int | None,
    executor: str | None,
    scheduler: str | None,
    item_timeout: float | None,
    restart: bool,
    retry_failed: bool,
    max_failures: int | None,
    time_limit: float | None,
    shard: str | None,
    progress: str,
) -> Running:
    if scheduler is not None and executor == "local":
        raise SettingsError("--scheduler: local workers have none", "leave one out")
    if restart and retry_failed:
        raise SettingsError("--restart does the failed ones again anyway", "leave one out")
    return Running(
        jobs=jobs,
        executor=executor,
        scheduler=scheduler,
        item_timeout=item_timeout,
        restart=restart,
        retry_failed=retry_failed,
        max_failures=max_failures,
        time_limit=time_limit,
        shard=_shard(shard),
        progress=progress,
    )


def _shard(words: str | None) -> tuple[int, int]:
    if words is None:
        return 1, 1
    which, _, n = words.partition("/")
    if not (which.isdecimal() and n.isdecimal() and 1 <= int(which) <= int(n)):
        raise SettingsError(f"--shard: {words!r} is not possible", "give 1/4, 2/4, 3/4 or 4/4, say")
    return int(which), int(n)


_SECONDS = click.FloatRange(0, min_open=True)

running_options = option_group(
    "running",
    _running,
    click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N", help="Processes that work at a time."
    ),
    click.option(
        "--executor",
        type=click.Choice(["local", "dask"]),
        help="Processes of this machine, or a cluster of dask workers.",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Of the dask cluster, or its file."),
    click.option(
        "--item-timeout", type=_SECONDS, metavar="S", help="Give an instance up after so long."
    ),
    click.option("--restart", is_flag=True, help="Begin a batch anew, whatever its folder holds."),
    click.option("--retry-failed", is_flag=True, help="Do the failed ones of a batch again."),
    click.option(
        "--max-failures",
        type=click.IntRange(0),
        metavar="N",
        help="Stop a batch when more than so many failed.",
    ),
    click.option(
        "--time-limit",
        type=_SECONDS,
        metavar="S",
        help="Stop a batch after so long; ask no more samples of a single instance than are done "
        "by then, the one way in which a result depends on the clock.",
    ),
    click.option(
        "--shard", metavar="I/N", help="Do one of N shares of a batch, in a folder of its own."
    ),
    click.option(
        "--progress",
        type=click.Choice(["auto", "json", "off"]),
        default="auto",
        show_default=True,
        help="A bar on a terminal, or a line of JSON a second.",
    ),
)
