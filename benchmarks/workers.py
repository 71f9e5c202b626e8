"""Two workers against one, where the model is the cost.

    python benchmarks/workers.py [--runs 5] [--texts 24]

The model is a function that burns 2 ms of a core for every text it is asked about. Runs with one
and with two processes alternate; all have loaded the model before the clock starts. Run it on an
idle machine with two cores or more.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lime_cli.modality import Modality  # noqa: E402
from lime_cli.models.model_file import ModelFile  # noqa: E402
from lime_cli.registry import MODALITIES  # noqa: E402
from lime_cli.running.executor import Workers, opened  # noqa: E402
from lime_cli.running.job import (  # noqa: E402
    Job,
    Work,
)
from lime_cli.settings import Settings  # noqa: E402

MODULE = """
import time
import numpy as np

def model(texts):
    until = time.process_time() + 0.002 * len(texts)
    while time.process_time() < until:
        np.ones(1_000).sum()
    return np.array([text.count("a") + 0.1 * len(text) for text in texts], float)
"""


def works(modality: Modality) -> Iterator[Work]:
    sources = modality.sources()
    file, settings = ModelFile("py:limex_burning:model"), Settings(samples=256)
    for number in count():
        if not (block := tuple(islice(sources, 1))):
            return
        yield Work(number, Job(file, modality, settings, block))


def seconds(n: int, modality: Modality) -> float:
    """Return how long a batch takes with n processes that are warm."""
    with opened(Workers("local", n), "model") as executor:
        list(executor.run_all(islice(works(modality), n), lambda: False))
        began = time.perf_counter()
        list(executor.run_all(works(modality), lambda: False))
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--texts", type=int, default=24)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "limex_burning.py").write_text(MODULE)
        sys.path.append(name)
        (folder / "texts").mkdir()
        words = "a batch of many texts costs what its model costs and hardly more than that"
        for i in range(chosen.texts):
            (folder / "texts" / f"{i:03}.txt").write_text(f"{words} {i}")
        modality = MODALITIES["text"](inputs=(str(folder / "texts"),))
        pairs = [(seconds(1, modality), seconds(2, modality)) for _ in range(chosen.runs)]
    one, two = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(first / second for first, second in pairs)
    print(f"{chosen.texts} texts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"one worker {one:.2f} s, two {two:.2f} s: {ratio:.2f} times (medians of {chosen.runs})")


if __name__ == "__main__":
    main()
