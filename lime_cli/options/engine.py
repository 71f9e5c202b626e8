"""The options of the engine: what is explained, from how many samples, by which surrogate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from lime_cli.errors import SettingsError
from lime_cli.options.types import Bytes, NumberOrAuto, Percent, option_group
from lime_cli.settings import KERNELS, SELECTIONS, SURROGATES, Settings


@dataclass(frozen=True)
class EngineOptions:
    """The engine's options as typed; the number of samples may still depend on the modality."""

    settings: dict[str, Any]
    samples: int | None
    max_samples: int | None

    def resolved(self, default_samples: int, max_samples: int) -> Settings:
        """Return checked settings; raise SettingsError for an impossible value.

        ``--samples N`` is N; auto begins with the modality's number and ends at ``--max-samples``.
        """
        if self.samples is not None:
            return Settings(samples=self.samples, **self.settings)
        most = max_samples if self.max_samples is None else self.max_samples
        first = min(default_samples, most)
        return Settings(samples=first, max_samples=most, **self.settings)


def _neighbourhood(
    target: tuple[str, ...],
    samples: int | None,
    max_samples: int | None,
    tolerance: float,
    seed: int,
    kernel: str,
    radius: float | None,
    kernel_width: float | None,
    refit: bool,
    features: int,
    selection: str,
    penalty: str,
    surrogate: str,
    like_lime: bool,
    drop_failed: float,
    batch_size: int | None,
    max_memory: int | None,
) -> EngineOptions:
    kind, _, amount = penalty.rpartition(":")
    try:
        penalty_value = float(amount)
    except ValueError:
        raise SettingsError(
            f"--penalty: {penalty!r} is not possible", "give X or lasso:X"
        ) from None
    settings = {
        "targets": tuple(target) or ("predicted",),
        "tolerance": tolerance,
        "seed": seed,
        "kernel": kernel,
        "radius": radius,
        "kernel_width": kernel_width,
        "refit": refit,
        "features": features,
        "selection": selection,
        "penalty": penalty_value,
        "penalty_kind": kind or "ridge",
        "surrogate": surrogate,
        "like_lime": like_lime,
        "drop_failed": drop_failed,
        "batch_size": batch_size,
        "max_memory": max_memory,
    }
    return EngineOptions(settings, samples, max_samples)


engine_options = option_group(
    "neighbourhood",
    _neighbourhood,
    click.option(
        "--target",
        multiple=True,
        metavar="NAME",
        help="What to explain: predicted (default), all, top:K, a class or its index; repeatable.",
    ),
    click.option(
        "--samples",
        type=NumberOrAuto(int),
        default="auto",
        show_default=True,
        help="Perturbed inputs to ask the model about; auto goes on until the weights are settled.",
    ),
    click.option(
        "--max-samples", type=int, metavar="N", help="Where auto ends; the modality's own without."
    ),
    click.option(
        "--tolerance",
        type=float,
        default=0.1,
        show_default=True,
        help="Error that settles a weight, as a share of the largest weight.",
    ),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option(
        "--kernel",
        type=click.Choice(KERNELS),
        default="product",
        show_default=True,
        help="How masks count: the squared exponential kernel, or shapley for Shapley values.",
    ),
    click.option(
        "--radius",
        type=NumberOrAuto(float),
        default="auto",
        show_default=True,
        help="Share of the components masked on average, up to 0.5; auto: the most local one at "
        "which the weights describe the model.",
    ),
    click.option(
        "--kernel-width",
        type=NumberOrAuto(float),
        default="auto",
        show_default=True,
        help="The radius as a width w of the kernel exp(-m / (2 w^2)) on m masked components.",
    ),
    click.option(
        "--refit",
        is_flag=True,
        help="Fit the components shown again without the others (K-LASSO); the weights of the fit "
        "on all components without.",
    ),
    click.option(
        "--features", type=int, default=10, show_default=True, help="Components to show, at most."
    ),
    click.option(
        "--selection",
        type=click.Choice(SELECTIONS),
        default="lasso",
        show_default=True,
        help="How they are chosen.",
    ),
    click.option(
        "--penalty",
        default="0",
        show_default=True,
        metavar="X|lasso:X",
        help="L2 penalty of the fit; with --selection none, lasso:X for an L1 penalty.",
    ),
    click.option(
        "--surrogate",
        type=click.Choice(SURROGATES),
        default="linear",
        show_default=True,
        help="Weights, or the rules of a tree of at most --features leaves.",
    ),
    click.option(
        "--like-lime",
        is_flag=True,
        help="Samples, defaults and sums of marcotcr/lime, to compare with its numbers.",
    ),
    click.option(
        "--drop-failed",
        type=Percent(),
        default="0%",
        show_default=True,
        metavar="N%",
        help="Leave out samples that the model answers with NaN or infinity, up to this share.",
    ),
    click.option(
        "--batch-size",
        type=NumberOrAuto(int),
        default="auto",
        show_default=True,
        help="Model inputs in one call; auto: as many as fit, halved when the model runs out of "
        "memory.",
    ),
    click.option(
        "--max-memory",
        type=Bytes(),
        metavar="SIZE",
        help="Memory for the inputs of one call, at most: 512MB, 2GiB.",
    ),
)
