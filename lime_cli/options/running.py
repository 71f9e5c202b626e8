"""The options of a batch: who works, how it begins in its folder, when it stops."""

from __future__ import annotations

import click

from lime_cli.errors import SettingsError
from lime_cli.options.types import option_group
from lime_cli.running.batch import Running


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
