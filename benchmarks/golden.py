"""Data sets whose models are known to use few features: texts as bags of words, and tables."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks.problems import ROOT, OneColumn, background_of
from lime_cli.engine import explain
from lime_cli.models.model_file import ModelInput
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tabular.background import Background
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import RowInstance
from lime_cli.texts.modality import TextModality

Ask = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class TextSet:
    """Texts, and which words each holds: (n, words) 0/1."""

    name: str
    texts: list[str]
    vectorizer: CountVectorizer
    train: np.ndarray
    train_y: np.ndarray
    test: np.ndarray
    test_y: np.ndarray

    @classmethod
    def of(cls, name: str, texts: list[list[str]], labels: list[list[int]]) -> TextSet:
        """Count the words of training and test texts."""
        vectorizer = CountVectorizer(lowercase=False, binary=True).fit(texts[0])
        train, test = (vectorizer.transform(part).toarray() for part in texts)
        return cls(
            name, texts[1], vectorizer, train, np.array(labels[0]), test, np.array(labels[1])
        )

    @property
    def absent(self) -> np.ndarray:
        """What stands for a feature that is gone, (words,)."""
        return np.zeros(self.test.shape[1], self.test.dtype)

    @property
    def mean_size(self) -> float:
        """Words per test text, each counted once."""
        return float(self.test.sum(axis=1).mean())

    def vectors(self, texts: list[str]) -> np.ndarray:
        """Return (n, words)."""
        return self.vectorizer.transform(texts)

    def features_of(self, piece: str) -> set[int]:
        """Return the words a component holds."""
        return set(self.vectorizer.transform([piece]).indices.tolist())

    def present(self, i: int) -> set[int]:
        """Return the words of a test text."""
        return set(np.flatnonzero(self.test[i]).tolist())

    def without(self, i: int, j: int) -> np.ndarray:
        """Return the text without one word, (1, words)."""
        row = self.test[i : i + 1].copy()
        row[:, j] = 0
        return row

    def most_used(self, used: set[int]) -> int:
        """Return how many of the used words any text holds, at most."""
        columns = sorted(used)
        return int(max(part[:, columns].sum(axis=1).max() for part in (self.train, self.test)))

    def limex(self, model: Ask, rows: list[int], choices: dict[str, Any]) -> list[set[int]]:
        """Explain texts as ``limex explain text`` does."""
        asked = OneColumn(lambda texts: model(self.vectors(texts)), 1)
        found = []
        for i in rows:
            modality = TextModality(text=self.texts[i]).fitted(ModelInput())
            settings = Settings(
                samples=modality.default_samples,
                max_samples=modality.max_samples,
                **choices,
            )
            instance = modality.read(next(modality.sources()))
            explanation = next(explain([instance], asked, settings))
            names = [
                instance.components[one.component].name for one in explanation.surrogates[0].weights
            ]
            found.append(set().union(*map(self.features_of, names)))
        return found


@dataclass(frozen=True, eq=False)
class TableSet:
    """A table, its columns standardised."""

    name: str
    train: np.ndarray
    train_y: np.ndarray
    test: np.ndarray
    test_y: np.ndarray
    background: Background

    @classmethod
    def split(cls, name: str, X: np.ndarray, y: np.ndarray, rng: Any) -> TableSet:
        """Keep a third of the rows for the test."""
        order = rng.permutation(len(X))
        cut = 2 * len(X) // 3
        X = ((X - X[order[:cut]].mean(axis=0)) / X[order[:cut]].std(axis=0))[order]
        return cls(name, X[:cut], y[order[:cut]], X[cut:], y[order[cut:]], background_of(X[:cut]))

    @property
    def absent(self) -> np.ndarray:
        """What stands for a feature that is gone, (columns,)."""
        return np.median(self.train, axis=0)

    @property
    def mean_size(self) -> float:
        """Columns."""
        return float(self.test.shape[1])

    def present(self, i: int) -> set[int]:
        """Return all columns."""
        return set(range(self.test.shape[1]))

    def without(self, i: int, j: int) -> np.ndarray:
        """Return the row with every value of another bin in one column, (values, columns)."""
        feature = self.background.features[j]
        others = feature.values[feature.bins != feature.bin_of(self.test[i, j])]
        rows = np.repeat(self.test[i : i + 1], len(others), axis=0)
        rows[:, j] = others
        return rows

    def most_used(self, used: set[int]) -> int:
        """Count the used columns."""
        return len(used)

    def limex(self, model: Ask, rows: list[int], choices: dict[str, Any]) -> list[set[int]]:
        """Explain rows as ``limex explain tabular`` does."""
        asked = OneColumn(lambda table: model(np.stack(table.columns, axis=1)), 1)
        settings = Settings(
            samples=TabularModality.default_samples,
            max_samples=TabularModality.max_samples,
            **choices,
        )
        instances = [
            RowInstance(
                Source(str(i), "t.csv", i), self.background, tuple(self.test[i].tolist()), ()
            )
            for i in rows
        ]
        return [
            {int(one.components[w.component].where.column[1:]) for w in one.surrogates[0].weights}
            for one in explain(instances, asked, settings)
        ]


def data_sets(join: int, seed: int) -> Iterator[TextSet | TableSet]:
    """Yield two sets of texts and two tables; texts of reviews are ``join`` of them together."""
    rng = np.random.default_rng([seed, 5])
    yield _reviews(join, rng)
    yield _planted_texts(rng)
    cancer = load_breast_cancer()
    yield TableSet.split("cancer", cancer.data, cancer.target, rng)
    X = rng.normal(size=(1000, 40)) @ (np.eye(40) + 0.15 * rng.normal(size=(40, 40)))
    strength = np.where(np.arange(40) < 10, rng.uniform(0.5, 2, 40) * rng.choice([-1, 1], 40), 0)
    y = (X @ strength + rng.logistic(size=1000) > 0).astype(int)
    yield TableSet.split("planted 40", X, y, rng)


def _reviews(join: int, rng: np.random.Generator) -> TextSet:
    """Put reviews of one class together; reviews of the test texts are in no training text."""
    with (ROOT / "sample_data" / "reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rng.shuffle(rows)  # type: ignore[arg-type]
    halves = [rows[: 2 * len(rows) // 3], rows[2 * len(rows) // 3 :]]
    texts: list[list[str]] = [[], []]
    labels: list[list[int]] = [[], []]
    for half, (part, n) in enumerate(zip(halves, (400, 120), strict=True)):
        for number in range(n):
            label = ("negative", "positive")[number % 2]
            pool = [row["text"] for row in part if row["label"] == label]
            texts[half].append(" ".join(rng.choice(pool, join, replace=False)))
            labels[half].append(number % 2)
    return TextSet.of("reviews", texts, labels)


def _planted_texts(rng: np.random.Generator) -> TextSet:
    """Draw texts of 60 to 120 words from 400, of which 40 speak for or against."""
    words = np.array([f"w{j:03d}" for j in range(400)])
    shares = 1 / (np.arange(400) + 10)
    shares /= shares.sum()
    weights = np.zeros(400)
    weights[rng.choice(400, 40, replace=False)] = rng.normal(0, 2, 40)
    usual = weights @ (1 - (1 - shares) ** 90)
    texts: list[list[str]] = [[], []]
    labels: list[list[int]] = [[], []]
    for half, n in enumerate((800, 120)):
        for _ in range(n):
            drawn = rng.choice(400, rng.integers(60, 121), p=shares)
            texts[half].append(" ".join(words[drawn]))
            score = weights[np.unique(drawn)].sum() - usual
            labels[half].append(int(score + rng.logistic() > 0))
    return TextSet.of("planted 400", texts, labels)
