"""How often the 95% intervals hold the truth, per modality, for the default design.

    python benchmarks/coverage.py [tables texts pictures] [--samples 256,1024,4096] [--seeds 20]

The truth is the answer from --truth samples; ``auto`` among the samples is the adaptive stop.
Counted over all components (selection none) of all problems and seeds.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from designs import weights
from problems import MODALITIES, Problem, problems

from lime_cli.engine import explain
from lime_cli.settings import Settings

AUTO = {"tables": (4096, 65536), "texts": (256, 8192), "pictures": (256, 2048)}


def main() -> None:
    """Print the coverage, and the mean half-width by the largest weight, per number of samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modalities", nargs="*", default=MODALITIES)
    parser.add_argument("--samples", default="256,512,1024,2048,4096,auto")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--truth", type=int, default=100_000)
    parser.add_argument("--design", default="auto")
    options = parser.parse_args()
    for modality in options.modalities:
        found = list(problems(modality))
        truths = [weights(problem, samples=options.truth, seed=999) for problem in found]
        print(f"\n{modality:<12}{'coverage':>10}{'lowest':>10}{'width':>10}")
        for n in options.samples.split(","):
            rows = [
                covered(problem, truth, choices(n, modality, options.design), options.seeds)
                for problem, truth in zip(found, truths, strict=True)
            ]
            hits, widths = np.array(rows).T
            print(
                f"{n:<12}{hits.mean():>10.3f}{hits.min():>10.3f}{widths.mean():>10.3f}", flush=True
            )


def choices(n: str, modality: str, design: str) -> dict[str, Any]:
    """Return the settings for a number of samples, or for ``auto``."""
    if n != "auto":
        return {"samples": int(n), "design": design}
    first, most = AUTO[modality]
    return {"samples": first, "max_samples": most, "design": design}


def covered(
    problem: Problem, truth: np.ndarray, settings: dict[str, Any], seeds: int
) -> tuple[float, float]:
    """Return the share of intervals that hold the truth, and their mean half-width."""
    hits, widths = [], []
    for seed in range(seeds):
        asked = Settings(**{"selection": "none", "seed": seed, **settings})
        found = next(explain([problem.instance], problem.model, asked)).surrogates[0]
        largest = max(abs(weight.weight) for weight in found.weights)
        for weight in found.weights:
            assert weight.interval is not None
            low, high = weight.interval
            hits.append(low <= truth[weight.component] <= high)
            widths.append((high - low) / 2 / largest if largest else 0.0)
    return float(np.mean(hits)), float(np.mean(widths))


if __name__ == "__main__":
    main()
