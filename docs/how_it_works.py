"""Draw the images of docs/how-it-works.md from limex itself.

python docs/how_it_works.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#2166ac", "#c55a11", "#8a8a8a"
MODEL = """
import numpy as np

def switched(table):
    a, b, c, d, e = (table[name].to_numpy(float) for name in "abcde")
    return np.where(a > 0, 2 * b + c, 2 * d + e)
"""


def main() -> None:
    """Explain a row of a model with a switch at several radii; draw what the page tells."""
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        rows = np.random.default_rng(0).normal(size=(1000, 12))
        rows[0, :5] = [0.8, 1.5, 1.2, -1.4, -1.3]
        header = ",".join("abcdefghijkl")
        np.savetxt(folder / "rows.csv", rows, delimiter=",", header=header, comments="", fmt="%.4f")
        (folder / "planted.py").write_text(MODEL)
        local = explained(folder)
        wide = explained(folder, "--radius", "0.5")
    draw_samples()
    draw_weights(local, wide)
    draw_radii(local)


def explained(folder: Path, *options: str) -> Any:
    """Return the target of the record of row 0."""
    words = [sys.executable, "-m", "lime_cli", "explain", "tabular", "py:planted:switched"]
    words += ["rows.csv", "--row", "0", "--features", "12", "-f", "json", "-q", *options]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["targets"][0]


def draw_samples() -> None:
    """Draw masks at two radii."""
    rng = np.random.default_rng(1)
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 2.6), dpi=110)
    for axis, radius in zip(axes, (0.1, 0.5), strict=True):
        masked = rng.random((14, 12)) < radius
        axis.imshow(masked, cmap=mpl.colors.ListedColormap([BLUE, "#f0d9c8"]), aspect="auto")
        axis.set_xticks(range(12), list("abcdefghijkl"))
        axis.set_yticks([])
        axis.set_title(f"radius {radius}: {12 * radius:.0f} of 12 replaced", fontsize=10)
        axis.tick_params(length=0)
    axes[0].set_ylabel("samples")
    save(figure, "masks.png")


def draw_weights(local: Any, wide: Any) -> None:
    """Draw the weights of the radius chosen and of the widest."""
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.2), dpi=110, sharey=True)
    names = list("abcdefghijkl")
    for axis, target in zip(axes, (local, wide), strict=True):
        found = {one["where"]["column"]: one for one in target["components"]}
        for row, name in enumerate(names):
            one = found.get(name, {"weight": 0.0, "interval": [0.0, 0.0]})
            used = name in "abc"
            axis.barh(row, one["weight"], color=BLUE if used else ORANGE, height=0.6)
            axis.plot(one["interval"], [row, row], color="black", lw=1)
        chosen = target["kernel"]["radius"]
        axis.set_title(f"radius {chosen:g}, fidelity {target['fidelity']:.2f}", fontsize=10)
        axis.axvline(0, color=GREY, lw=0.8)
        axis.set_yticks(range(12), names)
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0].invert_yaxis()
    axes[0].set_xlabel("weight; blue: what this row uses")
    save(figure, "locality.png")


def draw_radii(target: Any) -> None:
    """Draw fidelity and gap by radius, the one chosen marked."""
    known = [one for one in target["kernel"]["compared"] if one["fidelity"] is not None]
    radii = [one["radius"] for one in known]
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.6, 3.6), dpi=110, sharex=True)
    above.errorbar(
        radii,
        [one["fidelity"] for one in known],
        yerr=[one["std_error"] for one in known],
        fmt="o-",
        color=BLUE,
    )
    above.set_ylabel("fidelity")
    below.plot(radii, [abs(one["gap"]) for one in known], "o-", color=ORANGE)
    below.set_ylabel("gap")
    below.set_xscale("log")
    below.set_xticks(radii, [f"{one:g}" for one in radii])
    below.minorticks_off()
    below.set_xlabel("radius: share of the components masked on average")
    for axis in (above, below):
        axis.axvline(target["kernel"]["radius"], color=GREY, lw=1, ls="--")
        axis.spines[["top", "right"]].set_visible(False)
    above.set_title("the dashed line is the radius chosen", fontsize=10, loc="left")
    save(figure, "radii.png")


def save(figure: Any, name: str) -> None:
    """Write an image without anything that changes from run to run."""
    figure.tight_layout()
    figure.savefig(HERE / name, metadata={"Software": ""})


if __name__ == "__main__":
    main()
