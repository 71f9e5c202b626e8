"""Tables and models that benchmarks/locality.py explains, and what is true of them.

A table is held as numbers; a category is the index of its word. What an explanation near a row
should say is computed here a second time, independently of the engine: a kept column has the row's
own value, a masked one a background value from another bin, each masked with the same probability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

ROOT = Path(__file__).parents[1]
WORDS = ("red", "green", "blue", "white", "black", "brown", "grey", "pink")
FEW_VALUES = 10
"""Whole numbers with at most this many values are categories, as for limex."""

Predict = Callable[[np.ndarray], np.ndarray]
"""From numbers (n, d) to one answer each (n,)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A model and the rows to explain; ``words`` of a column say that it holds categories."""

    name: str
    predict: Predict
    background: np.ndarray
    """(rows, d)"""
    rows: np.ndarray
    """(rows, d)"""
    used: tuple[tuple[int, ...], ...] = ()
    """For each row the columns that its answer hangs on; empty where nobody knows."""
    family: tuple[int, ...] = ()
    """Columns that stand in for each other: for some rows these count, for others those."""
    credited: tuple[tuple[int, ...], ...] = ()
    """For each row those of the family that count; none of it: the row is not judged by that."""
    reads: tuple[int, ...] = ()
    """Columns that the model reads at all; empty where nobody knows."""
    words: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def d(self) -> int:
        """Count the columns."""
        return self.background.shape[1]

    @cached_property
    def range(self) -> float:
        """Between the smallest and the largest answer to the background and the rows."""
        return float(np.ptp(self.predict(np.vstack([self.background, self.rows]))))

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Columns whose every value is a bin of its own."""
        return tuple(j for j in range(self.d) if j in self.words or _few(self.background[:, j]))

    @cached_property
    def cuts(self) -> list[np.ndarray]:
        """Where the bins of every column end; its values, where each is a bin."""
        return [
            np.unique(column) if j in self.levels else _quartiles(column)
            for j, column in enumerate(self.background.T)
        ]

    def bins(self, X: np.ndarray) -> np.ndarray:
        """Return the bins (n, d) that values lie in."""
        pairs = zip(self.cuts, X.T, strict=True)
        return np.stack([np.searchsorted(cuts, column) for cuts, column in pairs], axis=1)

    def split(self, x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the background's values in the row's own bin, and in others, by column."""
        same = self.bins(self.background) == self.bins(x[None])
        pairs = list(zip(self.background.T, same.T, strict=True))
        return [np.sort(v[own]) for v, own in pairs], [np.sort(v[~own]) for v, own in pairs]

    def frame(self, X: np.ndarray) -> pd.DataFrame:
        """Return numbers as a table with names and words."""
        table = pd.DataFrame(X, columns=[f"c{j}" for j in range(self.d)])
        for j in range(self.d):
            values = table[f"c{j}"]
            if j in self.words:
                table[f"c{j}"] = np.array(self.words[j], object)[values.astype(int)]
            elif j in self.levels:
                table[f"c{j}"] = values.astype(int)
        return table

    def numbers(self, table: Any) -> np.ndarray:
        """Return the numbers behind a table with names and words, or an array."""
        if isinstance(table, np.ndarray):
            return np.asarray(table, float)
        columns = [
            table[f"c{j}"].map({word: i for i, word in enumerate(self.words[j])}).to_numpy(float)
            if j in self.words
            else table[f"c{j}"].to_numpy(float)
            for j in range(self.d)
        ]
        return np.stack(columns, axis=1)


class Effects:
    """What keeping a column adds near a row, exactly or from very many samples."""

    def __init__(self, problem: Problem, x: np.ndarray, seed: int = 0) -> None:
        self.problem, self.x, self.rng = problem, x, np.random.default_rng(seed)
        self.same, self.others = problem.split(x)

    def masked(self, kept: np.ndarray) -> np.ndarray:
        """Return inputs (n, d): the row's own values where kept, others from other bins."""
        found = np.repeat(self.x[None], len(kept), axis=0)
        for j, values in enumerate(self.others):
            if len(values):
                gone = np.flatnonzero(~kept[:, j])
                found[gone, j] = values[self.rng.integers(len(values), size=len(gone))]
        return found

    def redrawn(self, kept: np.ndarray) -> np.ndarray:
        """Return inputs (n, d) as lime draws them: kept columns get another value of their bin."""
        found = self.masked(kept)
        for j, values in enumerate(self.same):
            if len(values):
                stays = np.flatnonzero(kept[:, j])
                found[stays, j] = values[self.rng.integers(len(values), size=len(stays))]
        return found

    def weights(self, rho: float, draws: int = 256, samples: int = 2**17) -> np.ndarray:
        """Return the weights (d,) where every column is masked with probability ``rho``.

        By every mask of the columns that the model reads, with replacements spread evenly, where
        these are few; otherwise by least squares over random masks.
        """
        problem = self.problem
        reads = [j for j in problem.reads if len(self.others[j])]
        if not problem.reads or len(reads) > 8:
            return self._sampled(rho, samples)
        u = len(reads)
        kept = (np.arange(2**u)[:, None] >> np.arange(u) & 1).astype(bool)
        inputs = np.tile(self.x, (2**u, draws, 1))
        for place, j in enumerate(reads):
            spread = (self.rng.permutation(draws) + self.rng.random()) / draws
            values = self.others[j][(spread * len(self.others[j])).astype(int)]
            inputs[~kept[:, place], :, j] = values
        predictions = (
            problem.predict(inputs.reshape(-1, problem.d)).reshape(2**u, draws).mean(axis=1)
        )
        share = np.where(kept, 1 - rho, rho).prod(axis=1)
        found = np.zeros(problem.d)
        found[reads] = (share * predictions) @ np.where(kept, 1 / (1 - rho), -1 / rho)
        return found

    def _sampled(self, rho: float, samples: int) -> np.ndarray:
        d, part = self.problem.d, 2**14
        gram, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
        base = self.problem.predict(self.x[None])[0]
        for _ in range(max(1, samples // part)):
            kept = self.rng.random((part, d)) >= rho
            predictions = self.problem.predict(self.masked(kept)) - base
            table = np.c_[np.ones(part), kept]
            gram += table.T @ table
            right += table.T @ predictions
        return np.linalg.lstsq(gram, right, rcond=1e-12)[0][1:]

    def fidelity(
        self, intercept: float, weights: np.ndarray, rho: float, width: float, n: int = 512
    ) -> float:
        """Return how much of what masks decide an explanation says, by pairs of replacements.

        In the neighbourhood of radius ``rho``; where that is NaN in lime's: all columns drawn from
        the background, weighed by exp(-m / (2 width²)) for m columns out of their bins.
        """
        d = self.problem.d
        if np.isnan(rho):
            shares = [
                len(a) / (len(a) + len(b)) for a, b in zip(self.same, self.others, strict=True)
            ]
            kept, draw = self.rng.random((n, d)) < shares, self.redrawn
            mass = np.exp(-(~kept).sum(axis=1) / (2 * width**2))
        else:
            kept, draw, mass = self.rng.random((n, d)) >= rho, self.masked, np.ones(n)
        pair = self.problem.predict(np.vstack([draw(kept), draw(kept)])).reshape(2, n)
        mean = (mass * pair).sum() / (2 * mass.sum())
        line = intercept + kept @ weights
        total = (mass * (pair[0] - mean) * (pair[1] - mean)).sum()
        return float(1 - (mass * (pair[0] - line) * (pair[1] - line)).sum() / max(total, 1e-12))


def _few(column: np.ndarray) -> bool:
    return bool((column == np.floor(column)).all()) and len(np.unique(column)) <= FEW_VALUES


def _quartiles(column: np.ndarray) -> np.ndarray:
    cuts = np.unique(np.quantile(column, [0.25, 0.5, 0.75]))
    return cuts[cuts < column.max()]


def planted(n_rows: int, seed: int = 0) -> Iterator[Problem]:
    """Yield functions of which it is known what every row uses."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1000, 12))
    row = rng.normal(size=(n_rows, 12))
    yield _switch("single switch", X, row)
    yield _switch("switch, row at the edge", X, np.sign(row) * rng.uniform(2, 3.2, row.shape))
    yield _nested(X, row)
    yield _problem(
        "xor", lambda V: np.sign(V[:, 0]) * np.sign(V[:, 1]) + V[:, 2], X, row, (0, 1, 2)
    )
    yield _conjunction("conjunction", X, row, 2)
    yield _conjunction("conjunction of 3", X, row, 3)
    yield _maximum(X, row)
    yield from _redundant(X, row, rng)
    tails = rng.standard_t(1.5, size=(1000 + n_rows, 15))
    slopes = np.r_[2.0, 1.5, -1.5, 1.0, np.zeros(11)]
    heavy = tails[:1000], tails[1000:]
    yield _problem("heavy tails", lambda V: V @ slopes, *heavy, (0, 1, 2, 3))
    yield from _categories(X, row, rng)


def _problem(
    name: str, predict: Predict, X: np.ndarray, row: np.ndarray, reads: tuple[int, ...]
) -> Problem:
    return Problem(name, predict, X, row, used=(reads,) * len(row), reads=reads)


def _switch(name: str, X: np.ndarray, row: np.ndarray) -> Problem:
    def predict(V: np.ndarray) -> np.ndarray:
        return np.where(V[:, 0] > 0, 2 * V[:, 1] + V[:, 2], 2 * V[:, 3] + V[:, 4])

    branch = tuple((1, 2) if a > 0 else (3, 4) for a in row[:, 0])
    found = _problem(name, predict, X, row, (0, 1, 2, 3, 4))
    used = tuple((0, *one) for one in branch)
    return replace(found, used=used, family=(1, 2, 3, 4), credited=branch)


def _nested(X: np.ndarray, row: np.ndarray) -> Problem:
    def predict(V: np.ndarray) -> np.ndarray:
        inner = np.where(V[:, 1] > 0, 3 * V[:, 2], 3 * V[:, 3])
        return np.where(V[:, 0] > 0, inner, 3 * V[:, 4])

    leaf = tuple((2 if b > 0 else 3) if a > 0 else 4 for a, b in row[:, :2])
    found = _problem("nested switch", predict, X, row, (0, 1, 2, 3, 4))
    used = tuple((0, 4) if one == 4 else (0, 1, one) for one in leaf)
    return replace(found, used=used, family=(2, 3, 4), credited=tuple((one,) for one in leaf))


def _conjunction(name: str, X: np.ndarray, row: np.ndarray, n: int) -> Problem:
    """Rows that fail one condition alone are judged by that one among the conditions."""

    def predict(V: np.ndarray) -> np.ndarray:
        return 2.0 * (V[:, :n] > 0).all(axis=1) + 0.5 * V[:, n]

    failed = [tuple(np.flatnonzero(x[:n] <= 0).tolist()) for x in row]
    found = _problem(name, predict, X, row, tuple(range(n + 1)))
    credited = tuple(one if len(one) == 1 else () for one in failed)
    return replace(found, family=tuple(range(n)), credited=credited)


def _maximum(X: np.ndarray, row: np.ndarray) -> Problem:
    found = _problem("maximum", lambda V: V[:, :3].max(axis=1), X, row, (0, 1, 2))
    largest = tuple((int(x[:3].argmax()),) for x in row)
    return replace(found, used=largest, family=(0, 1, 2), credited=largest)


def _redundant(X: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> Iterator[Problem]:
    """Copies of a column: the model reads one of two, or the middle of three."""
    copies = []
    for table in (X, row):
        copied = table.copy()
        copied[:, 1:3] = table[:, :1] + 0.05 * rng.normal(size=(len(table), 2))
        copies.append(copied)
    found = _problem("redundant pair", lambda V: 2 * V[:, 0] + V[:, 3], *copies, (0, 3))
    yield replace(found, family=(0, 1), credited=((0,),) * len(row))
    yield _problem(
        "redundant columns",
        lambda V: np.median(V[:, :3], axis=1) + V[:, 3] * (V[:, 4] > 0),
        *copies,
        (0, 1, 2, 3, 4),
    )


def _categories(X: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> Iterator[Problem]:
    tables = []
    for table in (X, row):
        drawn = table.copy()
        drawn[:, 0], drawn[:, 1] = (
            rng.integers(4, size=len(table)),
            rng.integers(3, size=len(table)),
        )
        tables.append(drawn)
    words = {0: WORDS[:4], 1: WORDS[:3]}

    def switch(V: np.ndarray) -> np.ndarray:
        return 2 * V[np.arange(len(V)), 2 + V[:, 0].astype(int)]

    branch = tuple(2 + int(x[0]) for x in tables[1])
    yield replace(
        _problem("switch on a category", switch, *tables, (0, 2, 3, 4, 5)),
        used=tuple((0, one) for one in branch),
        family=(2, 3, 4, 5),
        credited=tuple((one,) for one in branch),
        words=words,
    )
    yield replace(
        _problem(
            "categories interact",
            lambda V: 2.0 * (V[:, 0] == V[:, 1]) + V[:, 2],
            *tables,
            (0, 1, 2),
        ),
        words=words,
    )


def unread(d: int, n_rows: int) -> Problem:
    """Return a function that reads 5 of d columns, none of them in a straight line."""
    rng = np.random.default_rng(d)

    def predict(V: np.ndarray) -> np.ndarray:
        return np.where(V[:, 0] > 0, 2 * V[:, 1], V[:, 2]) + np.sin(2 * V[:, 3]) * V[:, 4]

    X, row = rng.normal(size=(600, d)), rng.normal(size=(n_rows, d))
    return _problem(f"{d} columns", predict, X, row, (0, 1, 2, 3, 4))


def friedman(n_rows: int) -> Problem:
    """Return Friedman's first function, with 7 columns more than it reads."""
    rng = np.random.default_rng(1)

    def predict(V: np.ndarray) -> np.ndarray:
        curved = 10 * np.sin(np.pi * V[:, 0] * V[:, 1]) + 20 * (V[:, 2] - 0.5) ** 2
        return curved + 10 * V[:, 3] + 5 * V[:, 4]

    X, row = rng.random((1000, 12)), rng.random((n_rows, 12))
    return _problem("Friedman", predict, X, row, (0, 1, 2, 3, 4))


def steep(d: int, n_rows: int) -> Iterator[Problem]:
    """Yield models that are certain of nearly every row: a steep logistic curve and a network."""
    rng = np.random.default_rng(d)
    X, row = rng.normal(size=(600, d)), rng.normal(size=(n_rows, d))
    slopes = rng.normal(size=d) * 12 / np.sqrt(d)
    y = X @ slopes > 0
    network = MLPClassifier((32,), alpha=0.0, max_iter=400, random_state=0).fit(3 * X, y)
    yield Problem("logistic", lambda V: 1 / (1 + np.exp(-V @ slopes)), X, row)
    yield Problem("MLP", lambda V: network.predict_proba(3 * V)[:, 1], X, row)


def same_bins(d: int) -> Problem:
    """Return a steep curve and two rows of the same bins that it answers 0.12 and 0.99."""
    rng = np.random.default_rng(2)

    def predict(V: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(40 * (V[:, 0] - 0.87) + 2 * (V[:, 1] - 0.5))))

    row = np.full((2, d), 0.6)
    row[:, 0] = (0.82, 0.97)
    return _problem(f"{d} columns", predict, rng.random((1000, d)), row, (0, 1))


MODELS = ("forest", "boosting", "MLP", "SVM", "kNN")
TABLES = ("cancer", "wine", "diabetes", "adult-like", "zoo")


def real(
    n_rows: int, tables: tuple[str, ...] = TABLES, models: tuple[str, ...] = MODELS
) -> Iterator[Problem]:
    """Yield pairs of real data and fitted models, one problem for each class that is predicted."""
    for name in tables:
        X, y, words = {
            "cancer": _cancer,
            "wine": _wine,
            "diabetes": _diabetes,
            "adult-like": _adult,
            "zoo": _zoo,
        }[name]()
        order = np.random.default_rng(3).permutation(len(X))
        rows = X[order[: min(n_rows, len(X) // 3)]]
        rest = order[len(rows) :] if len(X) > 150 else order
        for kind in models:
            fitted = _fitted(kind, X[rest], y[rest], words)
            found = Problem(f"{name} {kind}", fitted.predict, X[rest], rows, words=words)
            if name == "diabetes":
                yield found
                continue
            classes = fitted.predict_proba(rows).argmax(axis=1)
            for k in np.unique(classes):
                ask = lambda V, fitted=fitted, k=k: fitted.predict_proba(V)[:, k]  # noqa: E731
                yield replace(found, predict=ask, rows=rows[classes == k])


def _fitted(kind: str, X: np.ndarray, y: np.ndarray, words: dict[int, tuple[str, ...]]) -> Any:
    regression = y.dtype.kind == "f" and len(np.unique(y)) > 20
    scaled = StandardScaler()
    if words:
        numbers = [j for j in range(X.shape[1]) if j not in words]
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        scaled = make_column_transformer((one_hot, list(words)), (StandardScaler(), numbers))
    few = min(5, int(np.unique(y, return_counts=True)[1].min())) if not regression else 5
    calibrated = CalibratedClassifierCV(SVC(), ensemble=False, cv=max(2, min(few, 3)))
    model = {
        "forest": (RandomForestClassifier(60, random_state=0), RandomForestRegressor(60)),
        "boosting": (GradientBoostingClassifier(n_estimators=40), GradientBoostingRegressor()),
        "MLP": (
            MLPClassifier((32,), max_iter=400),
            MLPRegressor(hidden_layer_sizes=(32,), max_iter=600),
        ),
        "SVM": (calibrated, SVR(C=100.0)),
        "kNN": (KNeighborsClassifier(9), KNeighborsRegressor(9)),
    }[kind][int(regression)]
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    if kind == "MLP" and regression:
        model.set_params(learning_rate_init=0.02)
    return make_pipeline(scaled, model).fit(X, y)


Data = tuple[np.ndarray, np.ndarray, dict[int, tuple[str, ...]]]


def _cancer() -> Data:
    data = load_breast_cancer()
    return data.data, data.target, {}


def _wine() -> Data:
    data = load_wine()
    return data.data, data.target, {}


def _diabetes() -> Data:
    data = load_diabetes(scaled=False)
    return data.data, data.target.astype(float), {}


def _zoo() -> Data:
    table = pd.read_csv(ROOT / "sample_data" / "zoo.csv")
    y = pd.factorize(table.iloc[:, -1])[0]
    return table.iloc[:, 1:-1].to_numpy(float), y, {}


def _adult() -> Data:
    """Draw people of whom age, education, hours and marriage decide the income, with categories."""
    rng = np.random.default_rng(4)
    n = 1500
    age, hours = rng.gamma(9, 4.4, n).round(), rng.normal(40, 11, n).clip(5, 90).round()
    education = rng.integers(1, 17, n).astype(float)
    gain = np.where(rng.random(n) < 0.1, rng.lognormal(8, 1, n).round(), 0.0)
    work, married = rng.choice(5, n, p=[0.6, 0.15, 0.1, 0.1, 0.05]), rng.integers(4, size=n)
    job, sex, region = (rng.integers(k, size=n) for k in (8, 2, 6))
    score = 0.35 * (education - 9) + 0.03 * (hours - 40) + 1.5 * (married == 1) - 1.0
    score += 0.05 * np.minimum(age - 38, 15) + (gain > 4000) * 2.5
    score += np.where(job < 3, 0.8, -0.4) * (education > 9) + 0.3 * (work == 2)
    y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int)
    X = np.stack([age, hours, education, gain, work, married, job, sex, region], axis=1)
    words = {4: WORDS[:5], 5: WORDS[:4], 6: WORDS[:8], 7: WORDS[:2], 8: WORDS[:6]}
    return X, y, words


def trees(n_rows: int) -> Problem:
    """Return a tree on breast cancer, of which a row uses the columns on its path."""
    from sklearn.tree import DecisionTreeRegressor

    X, y, _ = _cancer()
    fitted = DecisionTreeRegressor(max_depth=5, min_samples_leaf=5, random_state=0).fit(X, y)
    rows = X[np.random.default_rng(5).permutation(len(X))[:n_rows]]
    columns = fitted.tree_.feature
    paths = [columns[fitted.decision_path(x[None]).indices] for x in rows]
    used = tuple(tuple(sorted(set(path[path >= 0].tolist()))) for path in paths)
    reads = tuple(sorted(set(columns[columns >= 0].tolist())))
    return Problem("tree paths", fitted.predict, X, rows, used=used, reads=reads)
