"""The kernel-width table: the same answers, weighed nearer and wider, fitted again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lime_cli.engine.answers import Answers
from lime_cli.engine.instance import FloatArray, Instance
from lime_cli.engine.neighbourhood import weigh
from lime_cli.engine.surrogate import fit
from lime_cli.settings import Settings

LADDER = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Times the width that was used."""


@dataclass(frozen=True)
class Width:
    """What one kernel width gives."""

    width: float
    fidelity: float | None
    effective_samples: float
    overlap: float
    """Share of the components chosen that the width used chooses too."""
    weights: tuple[tuple[int, float], ...]
    """Component and weight, by falling size."""


def widths(
    instance: Instance, answers: Answers, asked: tuple[FloatArray, int], settings: Settings
) -> tuple[Width, ...]:
    """Fit again with each width of the ladder; ``asked`` are the instance's outputs and a target.

    No width asks the model anything; errors are those of the plain fit, without assistance.
    """
    original, target = asked
    used = weigh(instance, answers, original, settings).kernel_width
    found = [
        _fitted(instance, answers, (original, target), replace(settings, kernel_width=used * one))
        for one in LADDER
    ]
    reference = {component for component, _ in found[LADDER.index(1.0)].weights}
    return tuple(replace(one, overlap=_share(one, reference)) for one in found)


def _fitted(
    instance: Instance, answers: Answers, asked: tuple[FloatArray, int], settings: Settings
) -> Width:
    original, target = asked
    neighbourhood = weigh(instance, answers, original, settings)
    if not neighbourhood.weights[1:].any():  # no sample is near enough to count
        return Width(neighbourhood.kernel_width, None, 1.0, 0.0, ())
    fitted = fit(neighbourhood, np.array([target]), settings)
    chosen = np.flatnonzero(fitted.chosen[0, 0])
    order = chosen[np.argsort(-np.abs(fitted.coefficients[0, 0, chosen]), kind="stable")]
    fidelity = float(fitted.fidelity[0, 0])
    return Width(
        neighbourhood.kernel_width,
        None if np.isnan(fidelity) else fidelity,
        neighbourhood.effective_samples,
        0.0,
        tuple((int(j), float(fitted.coefficients[0, 0, j])) for j in order),
    )


def _share(one: Width, reference: set[int]) -> float:
    chosen = {component for component, _ in one.weights}
    most = max(len(chosen), len(reference))
    return len(chosen & reference) / most if most else 1.0
