"""How many of the features that a model truly uses an explanation finds (Ribeiro et al. 2016, 5.2).

    python -m benchmarks.gold [--instances 40] [--join 8] [--lime-samples 5000] [--seed 0]
                              [--tolerance 0.1] [--only limex,lime,greedy,random]

Sparse logistic regressions and small trees use at most 10 features of any instance, so the ones
they use are known: the "gold" features. Recall is the share of them among the 10 components an
explainer names, the mean over test instances that have any; ``calls`` are model inputs per
instance. Gold, as in the paper's own code: of a regression the features with a coefficient, of a
tree those on the instance's path; of a text only the words in it. ``moving`` counts only gold
features that change the prediction when they alone go; ``used`` all that the model uses anywhere.
Texts are --join reviews of one class put together: reviews have 11 words, so that any 10 would do.
What limex misses by default has a weight of less than a tenth of the largest, which is as far as it
samples; --tolerance 0.01 goes on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from lime.lime_tabular import LimeTabularExplainer
from lime.lime_text import LimeTextExplainer
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from benchmarks.golden import TableSet, TextSet, data_sets

K = 10
Data = TextSet | TableSet
Explainer = Callable[[Data, "Counting", list[int]], list[set[int]]]


class Counting:
    """A classifier that counts what it is asked."""

    def __init__(self, fitted: Any) -> None:
        self.fitted, self.calls = fitted, 0

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return (n, 2)."""
        self.calls += X.shape[0]
        return np.asarray(self.fitted.predict_proba(X))


@dataclass(frozen=True)
class Gold:
    """What a model truly uses of an instance."""

    features: set[int]
    moving: set[int]
    used: set[int]


def main() -> None:
    """Print a line for each data set, model and explainer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=40)
    parser.add_argument("--join", type=int, default=8)
    parser.add_argument("--lime-samples", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=0.1)
    parser.add_argument("--only", default="limex,lime,greedy,random")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(
        f"{'data':<12}{'model':<10}{'explainer':<10}{'recall':>8}{'moving':>8}{'used':>8}"
        f"{'calls':>8}{'s each':>8}"
    )
    explainers = _explainers(options)
    for data in data_sets(options.join, options.seed):
        for kind, fitted in (("logistic", _logistic(data)), ("tree", _tree(data))):
            golds = [(i, _gold(data, fitted, i)) for i in range(len(data.test))]
            golds = [(i, gold) for i, gold in golds if gold.features][: options.instances]
            sizes = [len(gold.features) for _, gold in golds]
            print(
                f"{data.name:<12}{kind:<10}{len(golds)} instances, {np.mean(sizes):.1f} gold of "
                f"{data.mean_size:.0f}, accuracy {fitted.score(data.test, data.test_y):.2f}"
            )
            for name, explainer in explainers.items():
                _report(f"{data.name:<12}{kind:<10}{name:<10}", data, fitted, golds, explainer)


def _explainers(options: argparse.Namespace) -> dict[str, Explainer]:
    seed = options.seed
    known: dict[str, Explainer] = {
        "limex": partial(_limex, seed=seed, tolerance=options.tolerance),
        "lime": partial(_lime, seed=seed, n=options.lime_samples),
        "greedy": _greedy,
        "random": partial(_random, seed=seed),
    }
    return {name: known[name] for name in options.only.split(",")}


def _report(
    title: str, data: Data, fitted: Any, golds: list[tuple[int, Gold]], explainer: Explainer
) -> None:
    model, began = Counting(fitted), time.perf_counter()
    found = explainer(data, model, [i for i, _ in golds])
    took = (time.perf_counter() - began) / len(golds)
    shares = [
        [len(part & named) / len(part) if part else np.nan for part in parts]
        for (_, gold), named in zip(golds, found, strict=True)
        for parts in [(gold.features, gold.moving, gold.used)]
    ]
    recall, moving, used = np.nanmean(shares, axis=0)
    calls = model.calls / len(golds)
    print(f"{title}{recall:>8.3f}{moving:>8.3f}{used:>8.3f}{calls:>8.0f}{took:>8.3f}", flush=True)


def _gold(data: Data, fitted: Any, i: int) -> Gold:
    row = data.test[i : i + 1]
    if isinstance(fitted, DecisionTreeClassifier):
        nodes = fitted.decision_path(row).indices
        touched = set(fitted.tree_.feature[nodes].tolist()) - {-2}
    else:
        touched = _used(fitted)
    features = touched & data.present(i)
    before = fitted.predict_proba(row)[0, 1]
    moving = {
        j
        for j in features
        if (np.abs(fitted.predict_proba(data.without(i, j))[:, 1] - before) > 1e-12).any()
    }
    return Gold(features, moving, _used(fitted) & data.present(i))


def _used(fitted: Any) -> set[int]:
    if isinstance(fitted, DecisionTreeClassifier):
        return set(fitted.tree_.feature.tolist()) - {-2}
    return set(np.flatnonzero(fitted.coef_[0]).tolist())


def _logistic(data: Data) -> Any:
    """Return the least penalised L1 regression that uses at most 10 features of any instance."""
    strengths = np.geomspace(20, 0.005, 60)
    kinds = (
        LogisticRegression(penalty="l1", C=C, solver="liblinear", random_state=0) for C in strengths
    )
    return _sparse(kinds, data)


def _tree(data: Data) -> Any:
    """Return the deepest tree that uses at most 10 features of any instance."""
    kinds = (
        DecisionTreeClassifier(max_depth=depth, min_samples_leaf=3, random_state=0)
        for depth in range(20, 0, -1)
    )
    return _sparse(kinds, data)


def _sparse(models: Iterator[Any], data: Data) -> Any:
    for model in models:
        model.fit(data.train, data.train_y)
        if data.most_used(_used(model)) <= K:
            return model
    raise AssertionError("no model is sparse enough")


def _limex(
    data: Data, model: Counting, rows: list[int], seed: int, tolerance: float
) -> list[set[int]]:
    return data.limex(model, rows, {"features": K, "seed": seed, "tolerance": tolerance})


def _lime(data: Data, model: Counting, rows: list[int], seed: int, n: int) -> list[set[int]]:
    if isinstance(data, TextSet):
        of_text = LimeTextExplainer(bow=True, random_state=seed)

        def ask(texts: list[str]) -> np.ndarray:
            return model(data.vectors(texts))

        results = [
            of_text.explain_instance(data.texts[i], ask, num_features=K, num_samples=n)
            for i in rows
        ]
        return [
            set().union(*(data.features_of(word) for word, _ in one.as_list())) for one in results
        ]
    of_row = LimeTabularExplainer(data.train, random_state=seed)
    results = [
        of_row.explain_instance(data.test[i], model, num_features=K, num_samples=n) for i in rows
    ]
    return [{column for column, _ in one.as_map()[1]} for one in results]


def _greedy(data: Data, model: Counting, rows: list[int]) -> list[set[int]]:
    """Take away, ten times, what moves the prediction most: a word, or a column to its median."""
    found = []
    for i in rows:
        row, left, named = data.test[i].copy(), sorted(data.present(i)), []
        while left and len(named) < K:
            trials = np.repeat(row[None], len(left) + 1, axis=0)
            trials[np.arange(len(left)), left] = data.absent[left]
            predictions = model(trials)[:, 1]
            best = left.pop(int(np.abs(predictions[:-1] - predictions[-1]).argmax()))
            row[best] = data.absent[best]
            named.append(best)
        found.append(set(named))
    return found


def _random(data: Data, model: Counting, rows: list[int], seed: int) -> list[set[int]]:
    rng = np.random.default_rng(seed)
    present = [sorted(data.present(i)) for i in rows]
    return [set(rng.choice(one, min(K, len(one)), replace=False).tolist()) for one in present]


if __name__ == "__main__":
    main()
