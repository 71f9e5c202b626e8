"""The options of a batch: who works, how it begins in its folder, when it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from lime_cli.clock import ITEM_TIMEOUT, LOAD_TIMEOUT
from lime_cli.console import print_line
from lime_cli.cores import usable_cores
from lime_cli.errors import SettingsError
from lime_cli.options.groups import Options, Seconds, flag, option
from lime_cli.registry import EXECUTORS
from lime_cli.sources import Source, local

if TYPE_CHECKING:
    from lime_cli.formats import Look
    from lime_cli.running.batch import Run
    from lime_cli.running.job import Job


class ClockOptions(Options, heading="Running"):
    """How long a model may take before its process is ended, as typed."""

    load_timeout: float = option(
        "--load-timeout",
        "Give up if the model is not loaded, or has made no first prediction, after S seconds; "
        "inf: never.",
        type=Seconds(),
        default=LOAD_TIMEOUT,
        metavar="S",
    )
    item_timeout: float = option(
        "--item-timeout",
        "Give up on an instance after S seconds; inf: never.",
        type=Seconds(),
        default=ITEM_TIMEOUT,
        metavar="S",
    )


class RunOptions(ClockOptions):
    """How many instances are gone through, as typed."""

    jobs: int | None = option(
        "-j",
        "--jobs",
        "Number of worker processes.",
        type=click.IntRange(1),
        metavar="N",
        common=True,
    )
    cache: str | None = option("--cache", "Without effect.", hidden=True)
    executor: str | None = option(
        "--executor",
        "Processes of this machine, or a cluster of dask workers.",
        choices=[one for one in EXECUTORS if one != "here"],
    )
    scheduler: str | None = option(
        "--scheduler", "Address of the dask scheduler, or its file.", metavar="ADDRESS"
    )
    restart: bool = flag("--restart", "Start a batch over; without this option, it is continued.")
    retry_failed: bool = flag("--retry-failed", "Explain the failed instances of a batch again.")
    max_failures: int | None = option(
        "--max-failures",
        "Stop a batch when more than N instances failed.",
        type=click.IntRange(0),
        metavar="N",
    )
    time_limit: float | None = option(
        "--time-limit",
        "Stop a batch after S seconds. A single instance is explained from the samples drawn so "
        "far; its result then depends on the speed of the machine.",
        type=Seconds(),
        metavar="S",
    )
    shard: str | None = option(
        "--shard", "Explain share I of N of a batch, in a folder of its own.", metavar="I/N"
    )
    progress: str = option(
        "--progress",
        "Progress: a bar on a terminal (auto), a line of JSON each second, or none.",
        choices=["auto", "json", "off"],
        default="auto",
    )

    def check_values(self) -> None:
        if self.cache is not None:
            print_line("limex: warning: --cache no longer has any effect; leave it out")
        if self.restart and self.retry_failed:
            raise SettingsError("--restart already includes failed instances", "leave one out")

    @property
    def who(self) -> str:
        """Name the executor that is meant: without any option, this process."""
        if self.executor == "dask" or (self.scheduler is not None and self.executor is None):
            return "dask"
        return "here" if self.jobs is None and self.executor is None else "local"

    def check(self, into_folder: bool, found: tuple[Source, ...]) -> None:
        """Refuse options that mean nothing here; ``found`` are the first sources."""
        if not into_folder:
            for option_name, given in (
                ("--restart", self.restart),
                ("--retry-failed", self.retry_failed),
                ("--shard", _shard(self.shard) != (1, 1)),
            ):
                if given:
                    raise SettingsError(
                        f"{option_name} requires a folder for the batch", "name it: -o DIR"
                    )
        if into_folder and any(
            one.row is not None and not local(one.path).is_file() for one in found
        ):
            raise SettingsError(
                f"{found[0].path}: a batch in a folder has to read its table again",
                "save it to a file first",
            )
        if self.who != "here" and any(one.path == "-" and one.row is None for one in found):
            raise SettingsError(
                "-j: workers cannot read standard input", "name files, or leave out -j"
            )

    def run(self, job: Job, sources: Callable[[], Iterator[Source]], look: Look) -> Run:
        """Return a run of these instances; raise SettingsError for workers that cannot be."""
        from lime_cli.running.batch import Run
        from lime_cli.running.executor import Workers

        n, here = self.jobs or (usable_cores() if self.who == "local" else 1), self.who == "here"
        limits = () if here else (self.item_timeout, self.load_timeout)
        return Run(
            job=job,
            sources=sources,
            workers=Workers(self.who, n, self.scheduler, job.model.threads, *limits),
            look=look,
            restart=self.restart,
            retry_failed=self.retry_failed,
            max_failures=self.max_failures,
            time_limit=self.time_limit,
            shard=_shard(self.shard),
            progress=self.progress,
        )


def _shard(words: str | None) -> tuple[int, int]:
    if words is None:
        return 1, 1
    which, _, n = words.partition("/")
    if not (which.isdecimal() and n.isdecimal() and 1 <= int(which) <= int(n)):
        raise SettingsError(f"--shard: {words!r} is not valid", "give a share such as 1/4")
    return int(which), int(n)
