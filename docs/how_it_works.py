"""Draw the images of docs/how-it-works.md from limex and marcotcr/lime themselves.

python docs/how_it_works.py    (needs limex[charts] and lime)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import lime.lime_tabular
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lime_cli

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#2166ac", "#c55a11", "#8a8a8a"
NAMES = list("abcdefghijkl")
SAMPLES, LADDER = 1024, (0.1, 0.15, 0.25, 0.35, 0.5)


def switched(values: np.ndarray) -> np.ndarray:
    """Answer 2b + c where a > 0, and 2d + e elsewhere."""
    a, b, c, d, e = values.T[:5]
    return np.where(a > 0, 2 * b + c, 2 * d + e)


def saturated(values: np.ndarray) -> np.ndarray:
    """Answer with a probability that is near one in a wide neighbourhood of the row."""
    return 1 / (1 + np.exp(-3 * (values[:, :6] @ np.array([1.5, 1.2, 1.0, 0.8, 0.6, 0.4]))))


def main() -> None:
    """Explain a row of each model; draw where samples lie, fidelity by radius, and the sum."""
    rows = np.random.default_rng(0).normal(size=(1000, 12)).round(4)
    rows[0, :5] = [0.8, 1.5, 1.2, -1.4, -1.3]
    rows[1, :6] = [1.3, 1.1, 1.2, 0.9, 1.0, 0.8]
    table = pd.DataFrame(rows, columns=NAMES)
    switch, asked = explained(switched, table, 0)
    certain, _ = explained(saturated, table, 1)
    draw_samples(rows, asked, by_lime(rows))
    draw_radii(switch.record["targets"][0], certain.record["targets"][0])
    switch.save(HERE / "switch.png")


def explained(
    model: Callable[[np.ndarray], np.ndarray], table: pd.DataFrame, row: int
) -> tuple[Any, np.ndarray]:
    """Return the explanation of a row, and the inputs that the model was given for it."""
    asked: list[np.ndarray] = []

    def kept(values: pd.DataFrame) -> np.ndarray:
        asked.append(np.asarray(values, float))
        return model(asked[-1])

    found = lime_cli.explain(
        kept,
        table.iloc[row],
        background=table,
        samples=SAMPLES,
        features=6,
        task="regression",
    )
    return found, np.vstack(asked)


def by_lime(rows: np.ndarray) -> np.ndarray:
    """Return the inputs that marcotcr/lime gives the model for row 0."""
    asked: list[np.ndarray] = []

    def kept(values: np.ndarray) -> np.ndarray:
        asked.append(values)
        return switched(values)

    explainer = lime.lime_tabular.LimeTabularExplainer(
        rows, feature_names=NAMES, mode="regression", random_state=0
    )
    explainer.explain_instance(rows[0], kept, num_samples=SAMPLES, num_features=6)
    return max(asked, key=len)


def draw_samples(rows: np.ndarray, limex: np.ndarray, lime_: np.ndarray) -> None:
    """Draw columns a and b of all samples, and how many of their columns left the row's bins."""
    cuts = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
    own = (rows[:1, :, None] > cuts.T).sum(axis=2)
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 5.2), dpi=110, height_ratios=[3, 2])
    for column, (name, values, colour) in enumerate(
        (("marcotcr/lime", lime_, ORANGE), ("limex", limex, BLUE))
    ):
        above, below = axes[:, column]
        away = ((values[:, :, None] > cuts.T).sum(axis=2) != own).sum(axis=1)
        above.scatter(values[:, 0], values[:, 1], s=6, alpha=0.35, color=colour, lw=0)
        above.plot(*rows[0, :2], "x", color="black", ms=9, mew=2)
        above.axvline(0, color=GREY, lw=1, ls="--")
        same = np.mean(away <= 3)
        above.set_title(f"{name}: {same:.0%} of samples within 3 columns", fontsize=10)
        above.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xlabel="a", ylabel="b")
        below.bar(*np.unique(away, return_counts=True), color=colour)
        below.set(xlim=(-0.6, 12.6), xlabel="columns outside the row's bins", ylabel="samples")
        for axis in (above, below):
            axis.spines[["top", "right"]].set_visible(False)
    save(figure, "samples.png")


def draw_radii(switch: Any, certain: Any) -> None:
    """Draw fidelity and gap by radius of both models, the radius chosen marked."""
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 3.8), dpi=110, sharey="row")
    for column, (title, target) in enumerate((("a switch", switch), ("saturated", certain))):
        known = [one for one in target["kernel"]["compared"] if one["fidelity"] is not None]
        radii = [one["radius"] for one in known]
        above, below = axes[:, column]
        fidelity = [one["fidelity"] for one in known]
        above.errorbar(
            radii, fidelity, [one["std_error"] for one in known], fmt="o-", color=BLUE, ms=4
        )
        reach = abs(target["model_prediction"]) or 1.0
        below.plot(radii, [abs(one["gap"]) / reach for one in known], "o-", color=ORANGE, ms=4)
        below.set_xlabel("radius")
        for axis in (above, below):
            axis.set(xscale="log", xlim=(0.085, 0.55))
            axis.set_xticks(LADDER, [f"{one:g}" for one in LADDER], fontsize=8)
            axis.minorticks_off()
            axis.axvline(target["kernel"]["radius"], color=GREY, lw=1, ls="--")
            axis.spines[["top", "right"]].set_visible(False)
        above.set_title(f"{title}: radius {target['kernel']['radius']:g}", fontsize=10)
    axes[0, 0].set_ylabel("fidelity")
    axes[1, 0].set_ylabel("gap / prediction")
    save(figure, "radii.png")


def save(figure: Any, name: str) -> None:
    """Write an image without anything that changes from run to run."""
    figure.tight_layout()
    figure.savefig(HERE / name, metadata={"Software": ""})


if __name__ == "__main__":
    main()
