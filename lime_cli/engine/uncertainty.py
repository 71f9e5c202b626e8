"""How far each weight may be off: standard errors, intervals, ranks, how often it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.moments import added
from lime_cli.engine.neighbourhood import Neighbourhood

T_975 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""97.5% points of Student's t for 1 to 10 degrees of freedom."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Of k targets of b instances; zero error where nothing was drawn at random."""

    std_errors: FloatArray
    """(b, k, d); nan where not chosen, or not known."""
    half_widths: FloatArray
    """(b, k, d): of 95% intervals; infinite where not known."""
    selected: FloatArray
    """(b, k, d): share of the leave-one-block-out fits that choose the component."""


Sandwich = Callable[[int, FloatArray], tuple[FloatArray, FloatArray]]
"""From an instance's place among b and its coefficients (k, d) to what ``sandwiched`` returns."""


def jackknifed(
    coefficients: FloatArray, refits: FloatArray, choices: BoolArray, sandwich: Sandwich | None
) -> Uncertainty:
    """Compute the errors of fitted ``coefficients`` (b, k, d), nan where not chosen.

    ``refits`` (b, R, k, d) are the same components fitted without each of the R blocks, ``choices``
    (b, R, k, d) the components that selection takes then. Designs of independent blocks get the
    delete-one-block jackknife, independent draws what ``sandwich`` says.
    """
    R = refits.shape[1]
    if R == 0:
        zero = np.where(np.isnan(coefficients), np.nan, 0.0)
        return Uncertainty(zero, zero, np.where(np.isnan(coefficients), 0.0, 1.0))
    selected = added(choices.astype(float)) / R
    if sandwich is None:
        errors = np.sqrt((R - 1) / R * added((refits - coefficients[:, None]) ** 2))
        return Uncertainty(errors, errors * student(R - 1), selected)
    found = [sandwich(i, one) for i, one in enumerate(coefficients)]
    errors, half_widths = (np.stack(part) for part in zip(*found, strict=True))
    return Uncertainty(errors, half_widths, selected)


def sandwiched(
    neighbourhood: Neighbourhood, targets: IntArray, coefficients: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return standard errors and half-widths (k, d) by HC3 (MacKinnon & White 1985)."""
    assisted = neighbourhood.assisted
    errors = np.stack(
        [
            _hc3(neighbourhood, int(t), row, None if assisted is None else assisted[:, i])
            for i, (t, row) in enumerate(zip(targets, coefficients, strict=True))
        ]
    )
    spare = len(neighbourhood.weights) - 1 - (~np.isnan(coefficients)).sum(axis=1)
    scale = np.array([student(max(1, int(one))) for one in spare])[:, None]
    return errors, errors * scale


def among(freedom: int, d: int) -> float:
    """Return the point of Student's t that d numbers of mean zero all stay within 95 times of 100.

    Bonferroni's bound; t is the root of ``freedom`` times the tangent of an angle whose density is
    the cosine's power.
    """
    angles = np.linspace(0, np.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    beyond = np.cumsum(density[::-1])[::-1] / density.sum() / 2
    return float(np.sqrt(freedom) * np.tan(angles[beyond >= 0.025 / d][-1]))


def student(freedom: int) -> float:
    """Return the 97.5% point of Student's t; above 10 degrees by Cornish & Fisher, to 1e-5."""
    if freedom <= len(T_975):
        return T_975[freedom - 1]
    z = 1.959963985
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _hc3(
    neighbourhood: Neighbourhood,
    target: int,
    coefficients: FloatArray,
    fitted: FloatArray | None,
) -> FloatArray:
    """Return standard errors (d,) by HC3: (X'WX)⁻¹ X'W diag(e / (1 - h))² W X (X'WX)⁻¹."""
    chosen = np.flatnonzero(~np.isnan(coefficients))
    errors = np.full(len(coefficients), np.nan)
    weights = neighbourhood.weights / neighbourhood.weights.mean()
    design = neighbourhood.interpretable[:, chosen].astype(np.float64)
    X = np.hstack([np.ones((len(design), 1)), design])
    answers = neighbourhood.predictions[:, target] if fitted is None else fitted
    inverse = np.linalg.pinv((X * weights[:, None]).T @ X, hermitian=True)
    spread = X @ inverse
    leverage = np.minimum((spread * X).sum(axis=1) * weights, 1 - 1e-9)
    residual = answers - design @ coefficients[chosen]
    residual = residual - np.average(residual, weights=weights)
    influence = spread * (weights * residual / (1 - leverage))[:, None]
    errors[chosen] = np.sqrt((influence[:, 1:] ** 2).sum(axis=0))
    return errors


def widened(errors: Uncertainty, chance: BoolArray, freedom: int) -> Uncertainty:
    """Widen the intervals of the targets (b, k) whose components are chosen by chance.

    Where a surrogate explains nothing of samples left out, the largest weights are the largest
    errors of all d; an interval then holds for all components at once.
    """
    if not chance.any():
        return errors
    scale = max(1.0, among(freedom, errors.std_errors.shape[-1]) / student(freedom))
    wide = np.where(chance[..., None], errors.half_widths * scale, errors.half_widths)
    return Uncertainty(errors.std_errors, wide, errors.selected)


def known(errors: Uncertainty, unknown: BoolArray) -> Uncertainty:
    """Return errors without those of targets (b, k) of which they are ``unknown``."""
    if not unknown.any():
        return errors
    std_errors = np.where(unknown[..., None], np.nan, errors.std_errors)
    half_widths = np.where(unknown[..., None], np.inf, errors.half_widths)
    return Uncertainty(std_errors, half_widths, errors.selected)


def rank_ranges(weights: FloatArray, half_widths: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the best and the worst rank by size that each weight's interval leaves possible.

    Both are (..., m), of m weights; nan pads where there are fewer. A weight surely outranks
    another when the interval of its size lies wholly above the other's.
    """
    low, high = np.abs(weights) - half_widths, np.abs(weights) + half_widths
    above = (low[..., :, None] > high[..., None, :]).sum(axis=-2)
    below = (high[..., :, None] < low[..., None, :]).sum(axis=-2)
    present = (~np.isnan(weights)).sum(axis=-1, keepdims=True)
    return 1 + above, present - below
