"""Two passes for an instance of too many components: where it matters, then what matters there."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from lime_cli.engine.arrays import FloatArray
from lime_cli.engine.explaining import explain_all
from lime_cli.engine.instance import Instance, Model
from lime_cli.settings import Settings

MAX_SAMPLES = 512
"""Of the first pass, where sampling goes on until weights are converged: it only has to rank."""


@runtime_checkable
class Coarse(Protocol):
    """An instance whose components are to be taken apart where they weigh most."""

    def finer(self, strengths: FloatArray) -> Instance:
        """Return the same instance with finer components in the strongest of the d coarse ones.

        ``strengths`` (d,) are sizes of weights, the largest among the targets.
        """
        ...


def focused(instance: Instance, model: Model, settings: Settings) -> Instance:
    """Return the instance to explain: itself, or a finer one by what a first pass finds.

    Raises PredictionError when the model fails and SettingsError for a target it does not have.
    """
    if instance.shared or not isinstance(instance, Coarse):
        return instance
    most = settings.max_samples
    first = replace(
        settings,
        samples=settings.samples if most is None else min(settings.samples, MAX_SAMPLES),
        max_samples=None if most is None else min(most, MAX_SAMPLES),
        surrogate="linear",
        selection="lasso",
        penalty=0.0,
        penalty_kind="ridge",
        refit=False,
    )
    explanation = next(explain_all([instance], model, first))
    strengths = np.zeros(len(instance.components))
    for surrogate in explanation.surrogates:
        strengths = np.maximum(strengths, np.abs(surrogate.every_weight))
    return instance.finer(strengths)
