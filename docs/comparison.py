"""Measure what lime, shap and limex say of the same rows: ``python docs/comparison.py``.

Each explains ten rows of the breast cancer data, for the same forest, with five seeds and its
default settings. What is measured does not depend on the machine, but for the seconds: how many
inputs the model predicts for a row, how far the weights move from seed to seed, as a share of the
largest weight, and how many of the five largest weights are the same for two seeds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

SEEDS, ROWS, TOP = range(5), 10, 5


class Counted:
    """A model's probabilities, and how many inputs it predicted."""

    def __init__(self, model: Any) -> None:
        self.model, self.inputs = model, 0

    def __call__(self, batch: Any) -> Any:
        self.inputs += len(batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.model.predict_proba(np.asarray(batch))


def measured(weights: Callable[[int], np.ndarray], model: Counted) -> str:
    """Return a row of the table; ``weights(seed)`` is (rows, columns)."""
    model.inputs, began = 0, time.perf_counter()
    found = np.stack([weights(seed) for seed in SEEDS])
    seconds = time.perf_counter() - began
    n = len(SEEDS) * ROWS
    spread = found.std(axis=0, ddof=1).max(axis=1) / np.abs(found).max(axis=(0, 2))
    tops = np.argsort(-np.abs(found), axis=2)[:, :, :TOP]
    same = [
        len({*a} & {*b}) / TOP
        for row in range(ROWS)
        for a, b in combinations(tops[:, row].tolist(), 2)
    ]
    return (
        f"{model.inputs / n:,.0f} | {spread.mean():.1%} | {np.mean(same):.0%} | {seconds / n:.2f}"
    )


def main() -> None:
    """Measure each tool that is installed, and print the table."""
    data = load_breast_cancer(as_frame=True)
    train, test, y, _ = train_test_split(data.data, data.target, random_state=0)
    forest = RandomForestClassifier(100, random_state=0).fit(train.to_numpy(), y)
    model, rows, names = Counted(forest), test[:ROWS], list(train.columns)

    def limex(seed: int) -> np.ndarray:
        import lime_cli

        explainer = lime_cli.Explainer(model, background=train, seed=seed, features=30, target="1")
        return np.array([ordered(explainer.explain(row), names) for _, row in rows.iterrows()])

    def lime(seed: int) -> np.ndarray:
        from lime.lime_tabular import LimeTabularExplainer

        explainer = LimeTabularExplainer(train.to_numpy(), random_state=seed)
        found = []
        for row in rows.to_numpy():
            one = explainer.explain_instance(row, model, num_features=30)
            found.append([dict(one.as_map()[1]).get(j, 0.0) for j in range(30)])
        return np.array(found)

    def shap(seed: int) -> np.ndarray:
        from shap import KernelExplainer, sample

        np.random.seed(seed)  # what shap draws from
        explainer = KernelExplainer(lambda x: model(x)[:, 1], sample(train.to_numpy(), 100))
        return np.asarray(explainer.shap_values(rows.to_numpy(), silent=True))

    print(
        "| tool | inputs predicted per row | spread over seeds | top 5 the same | seconds per row |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, weights in {"limex": limex, "lime": lime, "shap (kernel)": shap}.items():
        try:
            print(f"| {name} | {measured(weights, model)} |", flush=True)
        except ImportError as missing:
            print(f"| {name} | {missing} | | | |")


def ordered(explanation: Any, names: Sequence[str]) -> list[float]:
    """Return the weights of an explanation by column."""
    shown = explanation.record["targets"][0]["components"]
    weights = {one["where"]["column"]: one["weight"] for one in shown}
    return [weights.get(name, 0.0) for name in names]


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
