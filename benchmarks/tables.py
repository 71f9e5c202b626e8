"""One row of a table of 200 columns beside marcotcr/lime: ``python benchmarks/tables.py``.

Both explain the same rows of the same linear model by 5,000 samples and 10 features, in one
process, in turns. Counted is what a row costs once each has learned the background: for
marcotcr/lime an ``explain_instance``; for limex drawing the samples, asking the model and fitting
(first row), and what every further row of the table costs (further rows), for which the samples
and the answers are there already. Reading files and starting Python are in neither.

``--wide`` explains one row of 5,000 columns by 4,096 samples in a fresh process instead, and tells
how long it takes from the command line on and how much memory it needs at most.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lime_cli.engine import explain  # noqa: E402
from lime_cli.engine.instance import Identity  # noqa: E402
from lime_cli.settings import Settings  # noqa: E402
from lime_cli.sources import Source  # noqa: E402
from lime_cli.tables.cells import Cells  # noqa: E402
from lime_cli.tabular.background import build_background  # noqa: E402
from lime_cli.tabular.row import (  # noqa: E402
    RowInstance,
    Table,
)
from lime_cli.tabular.schema import Schema  # noqa: E402

COLUMNS, ROWS, SAMPLES, FEATURES, TOGETHER = 200, 1_000, 5_000, 10, 64
WIDE_COLUMNS, WIDE_ROWS, WIDE_SAMPLES = 5_000, 800, 4_096


class Linear:
    """A linear model, asked in arrays by lime and in tables by limex."""

    warnings = ()
    probabilities = False
    identity = Identity("benchmark", "", "regression", ("y",))

    def __init__(self, slopes: np.ndarray) -> None:
        self.slopes = slopes

    def ask(self, rows: np.ndarray) -> np.ndarray:
        return rows @ self.slopes

    def predict(self, table: Table) -> np.ndarray:
        return self.ask(np.stack(table.columns, axis=1))[:, None]


def seconds(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(runs: int) -> None:
    from lime.lime_tabular import LimeTabularExplainer

    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(size=(ROWS, COLUMNS)), 4)
    names = tuple(f"x{j}" for j in range(COLUMNS))
    model = Linear(rng.normal(size=COLUMNS) * (np.arange(COLUMNS) < 20))
    theirs = LimeTabularExplainer(rows, mode="regression", feature_names=names, random_state=0)
    spelled = tuple(tuple(map(str, row)) for row in rows.tolist())
    cells = Cells("rows.csv", names, spelled, tuple(range(2, ROWS + 2)))
    background = build_background(cells, names, Schema())
    settings = Settings(samples=SAMPLES, features=FEATURES)
    answered = {}

    def own(chosen, kept: dict) -> None:
        instances = [
            RowInstance(Source(str(i), "rows.csv", i), background, tuple(rows[i].tolist()), ())
            for i in chosen
        ]
        list(explain(instances, model, settings, kept))

    def other(i: int) -> None:
        options = {"num_features": FEATURES, "num_samples": SAMPLES}
        theirs.explain_instance(rows[i], model.ask, **options)

    for call in (lambda: own([0], answered), lambda: other(0)):
        call()
    names_of = ("marcotcr/lime", "first row", "further row", "row of many")
    times: dict[str, list[float]] = {name: [] for name in names_of}
    many = range(100, 100 + TOGETHER)
    for i in range(1, runs + 1):
        times["marcotcr/lime"].append(seconds(lambda i=i: other(i)))
        times["first row"].append(seconds(lambda i=i: own([i], {})))
        times["further row"].append(seconds(lambda i=i: own([i], answered)))
        times["row of many"].append(seconds(lambda: own(many, answered)) / TOGETHER)
    print(f"{COLUMNS} columns, {SAMPLES:,} samples, medians of {runs}, seconds a row")
    reference = statistics.median(times["marcotcr/lime"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(
            f"{name:14} {middle:8.4f}  ({min(found):.4f}-{max(found):.4f})  "
            f"{reference / middle:6.1f} times as fast"
        )


def wide() -> None:
    import joblib
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(size=(WIDE_ROWS, WIDE_COLUMNS)), 3)
    slopes = np.where(np.arange(WIDE_COLUMNS) < 12, 12 - np.arange(WIDE_COLUMNS), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        lines = [",".join(f"x{j}" for j in range(WIDE_COLUMNS))]
        lines += [",".join(map(str, row)) for row in rows.tolist()]
        (path / "wide.csv").write_text("\n".join(lines), "utf-8")
        model = LinearRegression().fit(rows[:2], rows[:2] @ slopes)
        model.coef_, model.intercept_ = slopes, 0.0
        joblib.dump(model, path / "linear.joblib")
        words = f"explain tabular {path}/linear.joblib {path}/wide.csv --row 0"
        command = [sys.executable, "-m", "lime_cli", *words.split()]
        run = lambda: subprocess.run(  # noqa: E731
            [*command, "--samples", str(WIDE_SAMPLES)], cwd=ROOT, check=True, capture_output=True
        )
        took = seconds(run)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"{WIDE_COLUMNS:,} columns, {WIDE_SAMPLES:,} samples: {took:.1f} s, {peak:.2f} GiB at most"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--wide", action="store_true")
    choice = parser.parse_args()
    wide() if choice.wide else compare(choice.runs)
