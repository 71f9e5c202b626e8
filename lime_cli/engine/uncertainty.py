"""How far each weight may be off: standard errors, intervals, ranks, how often it is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import Neighbourhood

T_975 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""97.5% points of Student's t for 1 to 10 degrees of freedom."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Of k targets and d components; zero error where nothing was drawn at random."""

    std_errors: FloatArray
    """(k, d); nan where not chosen."""
    half_widths: FloatArray
    """(k, d): of 95% intervals."""
    selected: FloatArray
    """(k, d): share of the leave-one-block-out fits that choose the component."""


def uncertainty_of(
    neighbourhood: Neighbourhood,
    targets: IntArray,
    coefficients: FloatArray,
    refits: FloatArray,
    choices: BoolArray,
) -> Uncertainty:
    """Compute the errors of fitted ``coefficients`` (k, d), nan where not chosen.

    ``refits`` (R, k, d) are the same components fitted without each of the R blocks, ``choices``
    (R, k, d) the components that selection takes then. Independent draws get the sandwich HC3
    (MacKinnon & White 1985), designs of independent blocks the delete-one-block jackknife.
    """
    R = len(refits)
    if R == 0:
        zero = np.where(np.isnan(coefficients), np.nan, 0.0)
        return Uncertainty(zero, zero, np.where(np.isnan(coefficients), 0.0, 1.0))
    selected = choices.mean(axis=0)
    if neighbourhood.independent:
        assisted = neighbourhood.assisted
        errors = np.stack(
            [
                _hc3(neighbourhood, int(t), row, None if assisted is None else assisted[:, i])
                for i, (t, row) in enumerate(zip(targets, coefficients, strict=True))
            ]
        )
        spare = len(neighbourhood.weights) - 1 - (~np.isnan(coefficients)).sum(axis=1)
        scale = np.array([student(max(1, int(one))) for one in spare])[:, None]
    else:
        errors = np.sqrt((R - 1) / R * ((refits - coefficients) ** 2).sum(axis=0))
        scale = np.array([[student(R - 1)]])
    return Uncertainty(errors, errors * scale, selected)


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


def rank_ranges(weights: FloatArray, half_widths: FloatArray) -> list[tuple[int, int]]:
    """Return the best and the worst rank by size that each weight's interval leaves possible.

    A weight surely outranks another when the interval of its size lies wholly above the other's.
    """
    low, high = np.abs(weights) - half_widths, np.abs(weights) + half_widths
    above = (low[:, None] > high[None, :]).sum(axis=0)
    below = (high[:, None] < low[None, :]).sum(axis=0)
    return [(1 + int(a), len(weights) - int(b)) for a, b in zip(above, below, strict=True)]
