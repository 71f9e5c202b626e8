"""Model calls that each design saves against marcotcr/lime's estimator, at the same error.

    python benchmarks/designs.py [tables texts pictures] [--samples 512,1024] [--seeds 12]

The truth is limex's own answer from --truth samples. A design's saving at n is the squared ratio of
the root mean square errors of marcotcr/lime's estimator (independent draws, weighted least squares
with its ridge of 1) and of the design, both at n samples, over all components and seeds; the last
line of a modality is the geometric mean over its problems.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from problems import MODALITIES, Problem, problems

from lime_cli.engine import explain
from lime_cli.settings import Settings

VARIANTS: dict[str, dict[str, Any]] = {
    "lime": {"design": "random", "assist": "off", "penalty": 1.0},
    "random": {"design": "random", "assist": "off"},
    "paired": {"design": "paired", "assist": "off"},
    "sobol": {"design": "sobol", "assist": "off"},
    "balanced": {"design": "balanced", "assist": "off"},
    "tilted": {"design": "tilted", "assist": "off"},
    "paired+": {"design": "paired", "assist": "on"},
    "sobol+": {"design": "sobol", "assist": "on"},
    "balanced+": {"design": "balanced", "assist": "on"},
}
"""``+`` is assisted estimation."""


def main() -> None:
    """Print a table per modality and number of samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modalities", nargs="*", default=MODALITIES)
    parser.add_argument("--samples", default="512,1024")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--truth", type=int, default=200_000)
    parser.add_argument("--only", default=",".join(VARIANTS))
    options = parser.parse_args()
    variants = {name: VARIANTS[name] for name in ["lime", *options.only.split(",")]}
    for modality in options.modalities:
        found = list(problems(modality))
        truths = [
            weights(problem, samples=options.truth, seed=999, design="random") for problem in found
        ]
        for n in map(int, options.samples.split(",")):
            print(f"\n{modality}, n = {n:<16}" + "".join(f"{name:>14}" for name in variants))
            rows = list(savings(found, truths, variants, n, options.seeds))
            means = np.exp(np.mean(np.log(rows), axis=0))
            print(
                f"{'geometric mean':<28}" + "".join(f"{mean:>14.2f}" for mean in means), flush=True
            )


def savings(
    found: list[Problem], truths: list[np.ndarray], variants: dict[str, Any], n: int, seeds: int
) -> Iterator[list[float]]:
    """Yield a problem's savings per variant, and print them."""
    for problem, truth in zip(found, truths, strict=True):
        errors = [
            np.sqrt(
                np.mean(
                    [
                        (weights(problem, samples=n, seed=seed, **choices) - truth) ** 2
                        for seed in range(seeds)
                    ]
                )
            )
            for choices in variants.values()
        ]
        row = [float((errors[0] / error) ** 2) for error in errors]
        print(f"{problem.name:<28}" + "".join(f"{one:>14.2f}" for one in row), flush=True)
        yield row


def weights(problem: Problem, **choices: Any) -> np.ndarray:
    """Return the weight of every component."""
    settings = Settings(**{"selection": "none", **choices})
    explanation = next(explain([problem.instance], problem.model, settings))
    found = np.zeros(len(problem.instance.components))
    for weight in explanation.surrogates[0].weights:
        found[weight.component] = weight.weight
    return found


if __name__ == "__main__":
    main()
