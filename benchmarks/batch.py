"""How many explanations a second, beside a loop over marcotcr/lime: ``python -m benchmarks.batch``.

Tables: 30 columns, 2,000 rows, 5,000 samples, the default K-LASSO with error bars, records written
as JSON lines. Both sides run alternately in this process and on one thread, so that whatever else
the machine does falls on both; the median of five turns counts.

With ``--jobs 2`` limex is the whole command, ``limex explain tabular ... --all -o DIR -j 2`` over
20,000 rows: start, both workers, their models and the finished file are in its time.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import joblib
import numpy as np
from lime.lime_tabular import LimeTabularExplainer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from lime_cli.formats import Look
from lime_cli.formats.json import write_lines
from lime_cli.models.model_file import ModelFile
from lime_cli.running.job import Explained, Job, run
from lime_cli.settings import Settings
from lime_cli.tabular.modality import TabularModality

N_COLUMNS, N_ROWS, N_SAMPLES, TURNS = 30, 2_000, 5_000, 5
MANY = 20_000
"""Rows of the whole command."""
AT_ONCE = 256
"""Rows in a job, as batches hand them out."""
SLOW = 1e-3
"""Seconds that the slow model takes for a row."""
GOALS = {"forest": 60, "logistic": 60, "slow": 500}


def slow(frame: object) -> np.ndarray:
    """Answer as a model that takes a millisecond for every row."""
    values = np.asarray(frame, float)
    time.sleep(SLOW * len(values))
    chance = 1 / (1 + np.exp(-values[:, 0] - values[:, 1] * values[:, 2]))
    return np.stack([1 - chance, chance], axis=1)


slow.classes = ("no", "yes")  # type: ignore[attr-defined]


def main() -> None:
    """Print rows a second of both and their ratio, by model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(GOALS), metavar="forest|logistic|slow")
    parser.add_argument("--jobs", type=int, default=0, metavar="N")
    warnings.simplefilter("ignore")
    X, y = data()
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        for name in choices.models:
            path, predict = model(name, X, y, Path(folder))
            way = command(choices.jobs) if choices.jobs else in_process
            ours, theirs = measured(name, path, predict, X, (Path(folder), way))
            print(
                f"{name:9} limex {1e3 * ours:8.3f} ms a row ({1 / ours:6.0f} rows/s)   "
                f"lime {1e3 * theirs:8.1f} ms a row   {theirs / ours:5.0f} times, "
                f"goal {GOALS[name]}",
                flush=True,
            )


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return 4,000 rows of 30 related columns, and classes that bend with them."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(N_COLUMNS, N_COLUMNS))
    X = 0.3 * rng.normal(size=(2 * N_ROWS, N_COLUMNS)) @ mixing
    X = np.round(X + rng.normal(size=X.shape), 4)
    bent = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3]) + 0.4 * X[:, 4:10].sum(axis=1)
    return X, (bent + 0.5 * rng.normal(size=len(X)) > 0).astype(int)


def model(
    name: str, X: np.ndarray, y: np.ndarray, folder: Path
) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return where limex finds a model, and the same one as marcotcr/lime asks it."""
    if name == "slow":
        return "py:benchmarks.batch:slow", slow
    fitted = {
        "forest": lambda: RandomForestClassifier(100, random_state=0, n_jobs=1),
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    }[name]().fit(X, y)
    path = folder / f"{name}.pkl"
    joblib.dump(fitted, path)
    return str(path), fitted.predict_proba


def measured(
    name: str,
    path: str,
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    where: tuple[Path, Callable[[str, Path, int], float]],
) -> tuple[float, float]:
    """Return the median seconds a row of limex, all answers of the model counted, and of lime."""
    folder, way = where
    many = np.tile(X[:N_ROWS], (MANY // N_ROWS, 1))
    for file, rows in (("background.csv", X), ("rows.csv", X[:N_ROWS]), ("many.csv", many)):
        with (folder / file).open("w", newline="") as stream:
            header = [f"c{i}" for i in range(N_COLUMNS)]
            csv.writer(stream).writerows([header, *rows.tolist()])
    explainer = LimeTabularExplainer(X, random_state=0)
    per_turn = 1 if name == "slow" else 4
    next(iter(lines(path, folder, 1)))
    ours, theirs = [], []
    for turn in range(TURNS):
        ours.append(way(path, folder, turn + 1))
        began = time.perf_counter()
        for row in X[turn * per_turn : (turn + 1) * per_turn]:
            explainer.explain_instance(row, predict, num_features=10, num_samples=N_SAMPLES)
        theirs.append((time.perf_counter() - began) / per_turn)
    return median(ours), median(theirs)


def in_process(path: str, folder: Path, seed: int) -> float:
    """Return the seconds a row of explaining all in this process."""
    began = time.perf_counter()
    size = sum(lines(path, folder, N_ROWS, seed))
    took = time.perf_counter() - began
    assert size > 1000 * N_ROWS
    return took / N_ROWS


def command(jobs: int) -> Callable[[str, Path, int], float]:
    """Return what tells the seconds a row of the whole command with so many workers."""

    def way(path: str, folder: Path, seed: int) -> float:
        words = f"explain tabular {path} {folder}/many.csv --all -o {folder}/out --restart"
        more = f"--background {folder}/background.csv --samples {N_SAMPLES} --seed {seed} -j {jobs}"
        asked = [sys.executable, "-m", "lime_cli", *words.split(), *more.split(), "-q"]
        began = time.perf_counter()
        subprocess.run(asked, check=True, capture_output=True)
        return (time.perf_counter() - began) / MANY

    return way


def lines(path: str, folder: Path, n: int, seed: int = 0) -> Iterator[int]:
    """Explain rows in jobs, a new seed asking anew; yield the bytes of each job's records."""
    modality = TabularModality(
        str(folder / "rows.csv"), rows=f"0-{n - 1}", background=str(folder / "background.csv")
    )
    sources = tuple(modality.sources())
    for start in range(0, n, AT_ONCE):
        some = sources[start : start + AT_ONCE]
        job = Job(ModelFile(path), modality, Settings(samples=N_SAMPLES, seed=seed), some)
        found = (one.explanation for one in run(job) if isinstance(one, Explained))
        stream = io.BytesIO()
        write_lines(found, stream, Look())
        yield len(stream.getvalue())


if __name__ == "__main__":
    main()
