"""Draw docs/error_bars.png: ten seeds of one explanation, and the interval that each one gives.

python docs/error_bars.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[1]
CASE = "explain text sample_models/reviews.onnx sample_data/review.txt --radius 0.1 -f json -q"
SEEDS = range(10)
BLUE, ORANGE, GREY = "#2166ac", "#c55a11", "#8a8a8a"


def main() -> None:
    """Explain the sample review with ten seeds and with very many samples; draw both."""
    exact = weights("--samples", "60000", "--features", "40")
    runs = [weights("--samples", "128", "--features", "40", "--seed", str(seed)) for seed in SEEDS]
    ranked = sorted(exact, key=lambda name: -abs(exact[name]["weight"]))
    names = [*ranked[:3], *ranked[4:12:3], *ranked[-2:]]
    figure, axes = plt.subplots(figsize=(7.6, 4.6), dpi=110)
    for row, name in enumerate(reversed(names)):
        truth = exact[name]["weight"]
        axes.plot([truth, truth], [row - 0.42, row + 0.42], color="black", lw=1.6, zorder=3)
        for seed, run in enumerate(runs):
            if name in run:
                bar(axes, row + 0.36 - 0.08 * seed, run[name])
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set_yticks(range(len(names)), reversed(names))
    axes.set_xlabel("weight for “positive”")
    axes.set_title(TITLE, fontsize=10, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#e6e6e6", lw=0.6)
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "error_bars.png", metadata={"Software": ""})


TITLE = (
    "Ten seeds of 128 samples at radius 0.1: each gives a weight (dot) and its 95% interval.\n"
    "Black: the weight from 60,000 samples. Grey: the interval holds 0, the sign is open."
)


def bar(axes: Any, height: float, one: dict[str, Any]) -> None:
    """Draw a weight with its interval, grey where its sign is open."""
    low, high = one["interval"]
    colour = GREY if low <= 0 <= high else BLUE if one["weight"] > 0 else ORANGE
    axes.plot([low, high], [height, height], color=colour, lw=1.1, solid_capstyle="butt")
    axes.plot(one["weight"], height, "o", color=colour, ms=2.6)


def weights(*options: str) -> dict[str, dict[str, Any]]:
    """Return the components of an explanation by their names."""
    words = [sys.executable, "-m", "lime_cli", *CASE.split(), *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    components = json.loads(done.stdout)["targets"][0]["components"]
    return {one["name"]: one for one in components}


if __name__ == "__main__":
    main()
