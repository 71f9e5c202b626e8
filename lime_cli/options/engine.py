"""The options of the engine: what is explained, from how many samples, by which surrogate;
and with ``--like-lime``, marcotcr/lime's defaults wherever the user did not say otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from lime_cli.console import print_line
from lime_cli.errors import SettingsError
from lime_cli.modality import Modality
from lime_cli.options.completion import targets
from lime_cli.options.groups import Bytes, NumberOrAuto, Options, Percent, flag, option
from lime_cli.settings import KERNELS, SELECTIONS, SURROGATES, Settings, not_limes


class EngineOptions(Options, heading="Explanation"):
    """The engine's options as typed; the number of samples may still depend on the modality."""

    target: tuple[str, ...] = option(
        "--target",
        "What to explain: predicted (default), all, top:K, a class or its index; repeatable.",
        metavar="NAME",
        multiple=True,
        shell_complete=targets,
        common=True,
    )
    against: str | None = option(
        "--against",
        "Explain why the target and not this class: the difference of their predictions.",
        metavar="NAME",
        shell_complete=targets,
    )
    samples: int | None = option(
        "--samples",
        "Number of samples; auto: as many as the weights need to converge.",
        type=NumberOrAuto(int),
        default="auto",
        common=True,
    )
    max_samples: int | None = option(
        "--max-samples",
        "Largest number of samples with auto; the default depends on the input.",
        type=int,
        metavar="N",
    )
    tolerance: float = option(
        "--tolerance",
        "Error at which a weight has converged, as a share of the largest weight.",
        default=0.1,
        metavar="X",
    )
    seed: int = option("--seed", "Seed of the random numbers.", default=0, metavar="N")
    kernel: str = option(
        "--kernel",
        "Weighting of samples: product, the exponential kernel, or shapley, for Shapley values.",
        choices=KERNELS,
        default="product",
    )
    radius: float | None = option(
        "--radius",
        "Share of the components masked on average, up to 0.5; auto: the smallest at which the "
        "weights describe the model well.",
        type=NumberOrAuto(float),
        default="auto",
        common=True,
    )
    kernel_width: float | None = option(
        "--kernel-width",
        "Radius in another unit: the width w of the kernel exp(-m / (2 w^2)), m components masked.",
        type=NumberOrAuto(float),
        default="auto",
    )
    refit: bool = flag(
        "--refit",
        "Fit the components shown again, without the others (K-LASSO).",
    )
    features: int = option(
        "--features", "Largest number of components to show.", default=10, metavar="K", common=True
    )
    selection: str = option(
        "--selection", "How the components are selected.", choices=SELECTIONS, default="lasso"
    )
    penalty: str = option(
        "--penalty",
        "L2 penalty of the fit; with --selection none, lasso:X for an L1 penalty.",
        default="0",
        metavar="X|lasso:X",
    )
    surrogate: str = option(
        "--surrogate",
        "Weights, or the rules of a tree of at most --features leaves.",
        choices=SURROGATES,
        default="linear",
    )
    assist: str | None = option("--assist", "Without effect.", hidden=True)
    like_lime: bool = flag(
        "--like-lime",
        "Reproduce the samples, defaults and weights of marcotcr/lime.",
    )
    drop_failed: float = option(
        "--drop-failed",
        "Leave out samples for which the model predicts NaN or infinity, up to this share.",
        type=Percent(),
        default="0%",
        metavar="N%",
    )
    batch_size: int | None = option(
        "--batch-size",
        "Number of model inputs in one call; auto: as many as fit into memory.",
        type=NumberOrAuto(int),
        default="auto",
    )
    max_memory: int | None = option(
        "--max-memory",
        "Largest size of the model's inputs in one call, such as 512MB or 2GiB; limex and the "
        "model's own computations need more.",
        type=Bytes(),
        metavar="SIZE",
    )

    def settings(self, modality: Modality) -> Settings:
        """Return checked settings; raise SettingsError for an impossible value.

        ``--samples N`` is N; auto begins with the modality's number and ends at ``--max-samples``.
        """
        if self.assist is not None:
            print_line("limex: warning: --assist no longer has any effect; leave it out")
        kind, _, amount = self.penalty.rpartition(":")
        try:
            penalty = float(amount)
        except ValueError:
            raise SettingsError(
                f"--penalty: {self.penalty!r} is not valid", "give X or lasso:X"
            ) from None
        samples, most = self.samples, None
        if samples is None:
            most = modality.max_samples if self.max_samples is None else self.max_samples
            samples = min(modality.default_samples, most)
        elif self.max_samples is not None and samples > self.max_samples:
            raise SettingsError(
                f"--max-samples {self.max_samples} is less than --samples {samples}",
                "raise it, or leave one out",
            )
        return self.made(
            Settings,
            samples=samples,
            max_samples=most,
            targets=self.target or ("predicted",),
            penalty=penalty,
            penalty_kind=kind or "ridge",
        )


FEW_FEATURES = 6
"""Up to so many are chosen one by one, more by the size of their weights."""

UNITS = {"word": ("lime-word", "UNKWORDZ"), "char": ("lime-char", "\0")}
"""What stands for the unit of a text, and what masks it where positions count."""


def likened(engine: EngineOptions, modality: Modality) -> tuple[EngineOptions, Modality]:
    """Return both with lime's defaults; raise SettingsError for what lime cannot do."""
    own: Any = modality
    match click.get_current_context().info_name:
        case "text":
            return _engine(engine, 5000, 10, None), replace(own, **_text(own))
        case "image":
            features, target = 100_000, "top:5"
            return _engine(engine, 1000, features, target), replace(own, **_image())
        case "tabular":
            _check_table(own)
            return _engine(engine, 5000, 10, None), modality
    raise SettingsError(
        "--like-lime: marcotcr/lime does not support this kind of input", "leave it out"
    )


def _check_table(modality: Any) -> None:
    """Raise SettingsError for choices about columns that lime knows nothing of."""
    schema = modality.schema
    unknown = {
        "--group": schema.groups,
        "--onehot": schema.onehot,
        "--fixed": schema.fixed,
        "--features-only": schema.only,
        "--text-column": schema.texts,
        "--bins none": schema.bins == "none",
    }
    for name, said in unknown.items():
        if said:
            raise SettingsError(f"--like-lime: marcotcr/lime has no {name}", "leave one out")


def _engine(
    engine: EngineOptions, samples: int, features: int, target: str | None
) -> EngineOptions:
    from lime_cli.engine.like_lime import LABEL_1

    features = engine.features if _said("features") else features
    few = features <= FEW_FEATURES
    if engine.max_samples is not None:
        raise not_limes("--max-samples")
    return engine.changed(
        samples=engine.samples if engine.samples is not None else samples,
        features=features,
        target=engine.target if _said("target") else (target or LABEL_1,),
        selection=engine.selection if _said("selection") else ("forward" if few else "highest"),
        penalty=engine.penalty if _said("penalty") else "1",
    )


def _text(modality: Any) -> dict[str, Any]:
    """Cut at what is no word character; mask by position, remove every copy of a word."""
    if modality.unit == "auto":
        raise SettingsError("--unit auto: marcotcr/lime has no such unit", "name another --unit")
    if modality.unit not in UNITS:
        return {"like_lime": True}
    unit, mask = UNITS[modality.unit]
    keeps_mask = _said("mask") or modality.merge_repeats
    return {"like_lime": True, "unit": unit, "mask": modality.mask if keeps_mask else mask}


def _image() -> dict[str, Any]:
    """Cut by lime's quickshift on the model's grid; fill with means in whole numbers."""
    if _said("segments") and not _said("segmenter"):
        raise SettingsError(
            "--segments: lime's quickshift chooses the number itself",
            "name a --segmenter, or leave it out",
        )
    options = [option for option in ("segmenter", "fill") if not _said(option)]
    return dict.fromkeys(options, "lime")


def _said(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT
