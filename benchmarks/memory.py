"""Memory of batches: ``python -m benchmarks.memory [rows] [images] [--rows N] [--images N]``.

A million rows of 30 columns with 4,096 samples: ``rows --columns 30 --samples 4096``.

rows: N generated rows through ``limex explain tabular --all -j 2`` with a logistic regression. The
resident memory of every process is read from /proc as the batch goes on; what counts is how much
the largest reading at the end lies above the largest one around a tenth of the way. The parent is
read until it ends, so that putting the result together counts as well.

images: the largest memory of all processes together for N small images, against that for 50.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression

ROOT = Path(__file__).parents[1]
BACKGROUND = 1_000
MASKS = 16
"""Samples of an image."""
FEW = 50
SIDE = 64
"""Of an image, in pixels."""
GROWTH, SPREAD = 10.0, 100.0
"""What is allowed, in MB."""
MOMENT = 0.1
"""Seconds between two readings."""


@dataclass
class Watched:
    """A batch while it runs: how far it is, and the memory of its processes."""

    process: subprocess.Popen[str]
    total: int
    done: int = 0
    readings: dict[int, list[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By process: the share that was done, and MB."""
    peak: float = 0.0
    """MB of all processes together."""

    def watch(self) -> None:
        """Read until the batch ends; raise CalledProcessError where it fails."""
        reader = threading.Thread(target=self._listen, daemon=True)
        reader.start()
        while self.process.poll() is None:
            found = {pid: resident(pid) for pid in family(self.process.pid)}
            for pid, size in found.items():
                self.readings[pid].append((self.done / self.total, size))
            self.peak = max(self.peak, sum(found.values()))
            time.sleep(MOMENT)
        reader.join()
        if self.process.returncode:
            raise subprocess.CalledProcessError(self.process.returncode, self.process.args)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.done = json.loads(line)["done"]
            elif "warning" not in line:
                print(f"    {line.rstrip()}", flush=True)

    def growth(self, pid: int) -> tuple[float, float]:
        """Return the largest readings of a process, around a tenth of the way and at the end."""
        early = [size for share, size in self.readings[pid] if 0.08 <= share <= 0.12]
        late = [size for share, size in self.readings[pid] if share >= 0.96]
        return max(early, default=float("nan")), max(late, default=float("nan"))

    def by_tenths(self, pid: int) -> list[float]:
        """Return the largest reading of a process in each tenth of the way, and in the end."""
        found: dict[int, float] = {}
        for share, size in self.readings[pid]:
            found[int(10 * share)] = max(size, found.get(int(10 * share), 0.0))
        return [size for _, size in sorted(found.items())]


def family(parent: int) -> list[int]:
    """Return a process and everybody who descends from it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                after = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children[int(after[1])].append(int(entry.name))
    found = [parent]
    for one in found:
        found.extend(children[one])
    return found


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB; 0 for one that is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def batch(total: int, *words: object) -> Watched:
    """Run a batch of so many instances in two processes, and watch it."""
    command = [sys.executable, "-m", "lime_cli", "explain", *map(str, words)]
    process = subprocess.Popen(
        [*command, "-j", "2", "--progress", "json"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    watched = Watched(process, total)
    watched.watch()
    return watched


def write_table(path: Path, n: int, columns: int, seed: int) -> None:
    """Write n rows of numbers, in pieces."""
    rng = np.random.default_rng(seed)
    with path.open("w") as stream:
        stream.write(",".join(f"c{i}" for i in range(columns)) + "\n")
        for start in range(0, n, 10_000):
            rows = rng.normal(size=(min(10_000, n - start), columns))
            np.savetxt(stream, rows, "%.4f", ",")


def rows(folder: Path, n: int, columns: int, samples: int) -> bool:
    """Print how the memory of each process grew over n rows; tell whether that is little."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(BACKGROUND, columns))
    model = LogisticRegression().fit(X, X[:, 0] + X[:, 1] * X[:, 2] > 0)
    joblib.dump(model, folder / "model.pkl")
    write_table(folder / "train.csv", BACKGROUND, columns, 1)
    write_table(folder / "rows.csv", n, columns, 2)
    given = folder / "model.pkl", folder / "rows.csv", "--background", folder / "train.csv"
    began = time.monotonic()
    watched = batch(n, "tabular", *given, "--all", "--samples", samples, "-o", folder / "out")
    seconds, good = time.monotonic() - began, True
    print(f"{n:,} rows in {seconds:.0f} s, {n / seconds:.0f} a second")
    for pid in watched.readings:
        early, late = watched.growth(pid)
        name = "parent" if pid == watched.process.pid else "worker"
        print(f"  {name}: {early:.1f} MB at 10%, {late:.1f} MB at 100%: {late - early:+.1f} MB")
        print(f"    by tenths: {' '.join(f'{one:.1f}' for one in watched.by_tenths(pid))}")
        good = good and late - early < GROWTH
    print(f"  goal: less than {GROWTH:g} MB each: {'reached' if good else 'MISSED'}")
    return good


def images(folder: Path, n: int) -> bool:
    """Print the memory that n images take against a few; tell whether it is about the same."""
    scene = Image.open(ROOT / "sample_data" / "scene.png").convert("RGB")
    rng, peaks = np.random.default_rng(0), {}
    for count in (FEW, n):
        own = folder / f"{count}"
        own.mkdir()
        for i in range(count):
            left, top = (int(rng.integers(0, side - SIDE)) for side in scene.size)
            scene.crop((left, top, left + SIDE, top + SIDE)).save(own / f"{i:05d}.png")
        given = "sample_models/scenes.onnx", own, "--samples", MASKS, "-o", folder / f"out{count}"
        peaks[count] = batch(count, "image", *given).peak
        print(f"{count:,} images: {peaks[count]:.1f} MB in all processes together", flush=True)
    good = peaks[n] - peaks[FEW] < SPREAD
    print(f"  {peaks[n] - peaks[FEW]:+.1f} MB, goal: less than {SPREAD:g} MB:", end=" ")
    print("reached" if good else "MISSED")
    return good


def main() -> None:
    """Measure what was asked for; end with 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["rows", "images"], metavar="rows|images")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--columns", type=int, default=4, metavar="N")
    parser.add_argument("--samples", type=int, default=64, metavar="N")
    parser.add_argument("--images", type=int, default=2_000, metavar="N")
    chosen = parser.parse_args()
    good = True
    for what in chosen.what:
        with tempfile.TemporaryDirectory() as name:
            if what == "rows":
                good = rows(Path(name), chosen.rows, chosen.columns, chosen.samples) and good
            else:
                good = images(Path(name), chosen.images) and good
    sys.exit(not good)


if __name__ == "__main__":
    main()
