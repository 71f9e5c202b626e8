"""What solving costs: selection, refit, errors and leave-one-outs, once the samples are answered.

    python benchmarks/solving.py [--runs 15]

Medians in milliseconds of one target with K = 10, eight blocks, by the number of components; beside
them the one pass over the samples that sums the moments, which solving stands on.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from lime_cli.engine.moments import moments_of

from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.engine.surrogate import fit_all
from lime_cli.settings import Settings

BOUNDS = {50: 5.0, 500: 100.0}
"""Milliseconds, by the number of components."""
SAMPLES = 4096


def main() -> None:
    """Print a line for each number of components."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(f"{'components':<12}{'moments ms':>12}{'solving ms':>12}{'cpu ms':>9}{'bound':>8}")
    for d, bound in BOUNDS.items():
        neighbourhood, targets = problem(d), np.array([0])
        moments = moments_of(neighbourhood, targets)

        def summing(one: Neighbourhood = neighbourhood, which: Any = targets) -> None:
            moments_of(one, which)

        def solving(sums: Any = moments) -> None:
            fit_all(replace(sums), Settings())

        sums, _ = median(summing, runs)
        wall, busy = median(solving, runs)
        print(f"{d:<12}{sums:>12.2f}{wall:>12.2f}{busy:>9.2f}{bound:>8}", flush=True)


def problem(d: int) -> Neighbourhood:
    """Draw masks and an answer that bends, with a dozen components that matter."""
    rng = np.random.default_rng(d)
    masks = np.vstack([np.ones((1, d), bool), rng.random((SAMPLES, d)) < 0.5])
    matters = np.zeros(d)
    matters[:12] = rng.normal(size=12)
    answers = np.tanh(masks @ matters) + 0.2 * masks[:, 0] * masks[:, 1]
    return Neighbourhood(masks, answers[:, None], np.ones(len(masks)), 8, False, 0.25)


def median(work: Callable[[], None], runs: int) -> tuple[float, float]:
    """Return milliseconds on the clock and of the processor, after two runs to warm up."""
    rows = []
    for _ in range(runs + 2):
        began, busy = time.perf_counter(), time.process_time()
        work()
        rows.append((time.perf_counter() - began, time.process_time() - busy))
    wall, cpu = (statistics.median(column) for column in zip(*rows[2:], strict=True))
    return 1e3 * wall, 1e3 * cpu


if __name__ == "__main__":
    main()
