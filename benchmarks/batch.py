"""What a row costs among many, and one more of an ``Explainer``: ``python -m benchmarks.batch``.

30 columns, in this process, on one thread; milliseconds of the processor a row, the median of some
turns. *bare* is a loop that makes as many inputs with NumPy and asks the model about them; *rows*
are explained as a batch does it, records written as JSON lines; *further* is ``Explainer.explain``
of one row, all learned, and *beyond* what of it is above 1.5 times the calls of the model.
Goals: 3 ms a row, and at most 1.5 times bare, of the pipeline at 1,024 samples; 3 ms beyond.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import lime_cli
from lime_cli.formats import Look
from lime_cli.formats.json import write_lines
from lime_cli.models.model_file import ModelFile
from lime_cli.running.job import Explained, Job, run
from lime_cli.settings import Settings
from lime_cli.tabular.modality import TabularModality

COLUMNS = [f"c{i}" for i in range(30)]
SAMPLES, MOST = 1_024, 16_384
AT_ONCE = 256
"""Rows in a job, as batches hand them out."""

MODELS: dict[str, Callable[[], Any]] = {
    "pipeline": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "steep": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=1e4)),
    "forest": lambda: RandomForestClassifier(100, random_state=0, n_jobs=1),
}


def data() -> tuple[pd.DataFrame, np.ndarray]:
    """Return 4,000 rows of 30 related columns, and classes that bend with them."""
    rng = np.random.default_rng(0)
    X = 0.3 * rng.normal(size=(4_000, 30)) @ rng.normal(size=(30, 30))
    X = np.round(X + rng.normal(size=X.shape), 4)
    bent = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3]) + 0.4 * X[:, 4:10].sum(axis=1)
    classes = bent + 0.5 * rng.normal(size=len(X)) > 0
    return pd.DataFrame(X, columns=COLUMNS), classes.astype(int)


class Counted:
    """A model that knows how long it was asked."""

    def __init__(self, model: Any) -> None:
        self.classes_, self.feature_names_in_ = model.classes_, model.feature_names_in_
        self._model, self.seconds = model, 0.0

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        began = time.process_time()
        answers = self._model.predict_proba(rows)
        self.seconds += time.process_time() - began
        return answers


def bare(model: Any, X: pd.DataFrame, n: int) -> None:
    """Mask components of n rows, draw others in their place, and ask the model."""
    rng, values, columns = np.random.default_rng(0), X.to_numpy(), np.arange(30)
    masked = rng.random((SAMPLES, 30)) < 0.25
    for row in values[:n]:
        drawn = values[rng.integers(0, len(values), masked.shape), columns]
        model.predict_proba(pd.DataFrame(np.where(masked, drawn, row), columns=COLUMNS))


def rows(folder: Path, n: int, settings: Settings) -> None:
    """Explain n rows in jobs, and write their records."""
    modality = TabularModality(
        str(folder / "table.csv"), rows=f"0-{n - 1}", background=str(folder / "table.csv")
    )
    sources = tuple(modality.sources())
    for start in range(0, n, AT_ONCE):
        file = ModelFile(str(folder / "model.pkl"))
        job = Job(file, modality, settings, sources[start : start + AT_ONCE])
        found = [one.explanation for one in run(job) if isinstance(one, Explained)]
        assert len(found) == min(AT_ONCE, n - start)
        write_lines(iter(found), io.BytesIO(), Look())


def took(work: Callable[[], object], n: int) -> float:
    """Return the milliseconds of the processor that each of n rows takes."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began) / n


def main() -> None:
    """Print a line for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", default=list(MODELS), metavar="|".join(MODELS))
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--turns", type=int, default=3)
    chosen = parser.parse_args()
    X, y = data()
    names = ("bare", "rows", "to bare", "auto", "further", "beyond")
    print(f"{'ms a row':<10}" + "".join(f"{name:>9}" for name in names), flush=True)
    for name in chosen.models:
        model = MODELS[name]().fit(X, y)
        with TemporaryDirectory() as place, threadpool_limits(1):
            X.to_csv(Path(place) / "table.csv", index=False)
            joblib.dump(model, Path(place) / "model.pkl")
            rows(Path(place), 8, Settings(samples=SAMPLES))
            found = [turn(model, X, Path(place), chosen.rows) for _ in range(chosen.turns)]
        medians = [median(column) for column in zip(*found, strict=True)]
        print(f"{name:<10}" + "".join(f"{one:>9.2f}" for one in medians), flush=True)


def turn(model: Any, X: pd.DataFrame, folder: Path, n: int) -> tuple[float, ...]:
    """Return the figures of one turn, in the order of the headings."""
    few = max(1, n // 8)
    loop = took(lambda: bare(model, X, few), few)
    many = took(lambda: rows(folder, n, Settings(samples=SAMPLES)), n)
    auto = took(lambda: rows(folder, few, Settings(samples=SAMPLES, max_samples=MOST)), few)
    counted = Counted(model)
    explainer = lime_cli.Explainer(counted, background=X, samples=SAMPLES)
    explainer.explain(X.iloc[[n]])
    counted.seconds = 0.0
    one = took(lambda: [explainer.explain(X.iloc[[i]]) for i in range(few)], few)
    return loop, many, many / loop, auto, one, one - 1.5e3 * counted.seconds / few


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
