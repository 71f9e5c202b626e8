"""Processor cores: how many this process may use, and how libraries are told."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

LIBRARIES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What libraries read, when they are loaded, for how many threads they may start."""

GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Return how many cores this process may keep busy: its affinity and its quota of time."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *(int(one) for one in _quotas(GROUPS, Path("/proc/self/cgroup")))]))


def limit_libraries(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Give libraries that are not loaded yet ``threads``, where a person did not say otherwise.

    What they sum on several cores differs in its last digits, and their threads that wait for work
    keep a core busy: results would depend on the machine, and take longer on one that is shared.
    """
    if not any(name in environment for name in LIBRARIES):
        environment.update(dict.fromkeys(LIBRARIES, str(threads)))


def _quotas(groups: Path, membership: Path) -> Iterator[float]:
    """Yield the cores' worth of time that control groups of this process, and those around them,
    are given.

    A container sees its own group as the root, so that the root's limit counts, too.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = membership.read_text().splitlines()
    for line in lines or ["0::/"]:
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / "cpu" if controllers else groups
        own = root / place.lstrip("/")
        for folder in (one for one in (own, *own.parents) if one.is_relative_to(root)):
            with suppress(OSError, ValueError):
                if controllers:
                    quota = (folder / "cpu.cfs_quota_us").read_text()
                    period = (folder / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (folder / "cpu.max").read_text().split()
                if float(quota) > 0 and float(period) > 0:
                    yield float(quota) / float(period)
