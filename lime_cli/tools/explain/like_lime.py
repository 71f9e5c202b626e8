"""``--like-lime``: marcotcr/lime's defaults wherever the user did not say otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from lime_cli.errors import SettingsError
from lime_cli.modality import Modality
from lime_cli.options.engine import EngineOptions

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
    raise SettingsError("--like-lime: marcotcr/lime has no such inputs", "leave it out")


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
    for option, said in unknown.items():
        if said:
            raise SettingsError(f"--like-lime: marcotcr/lime has no {option}", "leave one out")


def _engine(
    engine: EngineOptions, samples: int, features: int, target: str | None
) -> EngineOptions:
    from lime_cli.engine.like_lime import LABEL_1

    features = engine.features if _said("features") else features
    few = features <= FEW_FEATURES
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
        raise SettingsError("--unit auto: lime has no such way", "name a --unit, or leave it out")
    if modality.unit not in UNITS:
        return {"like_lime": True}
    unit, mask = UNITS[modality.unit]
    keeps_mask = _said("mask") or modality.merge_repeats
    return {"like_lime": True, "unit": unit, "mask": modality.mask if keeps_mask else mask}


def _image() -> dict[str, Any]:
    """Cut by lime's quickshift on the model's grid; fill with means in whole numbers."""
    if _said("segments") and not _said("segmenter"):
        raise SettingsError(
            "--segments: lime's quickshift finds its own number",
            "name a --segmenter, or leave it out",
        )
    options = [option for option in ("segmenter", "fill") if not _said(option)]
    return dict.fromkeys(options, "lime")


def _said(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT
