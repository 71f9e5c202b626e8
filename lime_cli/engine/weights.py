"""From fitted coefficients to surrogates as plain data: weights in order, errors, ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lime_cli.engine.explanation import Surrogate, Weight
from lime_cli.engine.instance import FloatArray
from lime_cli.engine.surrogate import Fit
from lime_cli.engine.uncertainty import rank_ranges


def surrogates_of(
    fits: Fit, originals: FloatArray, targets: Sequence[Sequence[int]], names: tuple[str, ...]
) -> list[tuple[Surrogate, ...]]:
    """Return the surrogates of b instances from their fits, each of the same number of targets.

    ``originals`` (b, outputs) is what the model says to the instances themselves.
    """
    weights = _weights(fits)
    intercepts = fits.intercepts.tolist()
    sums = fits.coefficients.copy().sum(axis=2)
    local, fidelity, fit_r2 = (
        array.tolist() for array in (fits.intercepts + sums, fits.fidelity, fits.fit_r2)
    )
    return [
        tuple(
            Surrogate(
                target=target,
                name=names[target],
                model_prediction=float(originals[i, target]),
                intercept=intercepts[i][t],
                local_prediction=local[i][t],
                fidelity=_number(fidelity[i][t]),
                fit_r2=_number(fit_r2[i][t]),
                weights=weights[i][t],
            )
            for t, target in enumerate(wanted)
        )
        for i, wanted in enumerate(targets)
    ]


def _weights(fits: Fit) -> list[list[tuple[Weight, ...]]]:
    """List the chosen weights by falling size, the earlier component first among equals."""
    size = np.where(fits.chosen, -np.abs(fits.coefficients), np.inf)
    order = np.argsort(size, axis=2, kind="stable")
    count = fits.chosen.sum(axis=2)
    order = order[..., : max(1, int(count.max(initial=0)))]
    there = np.arange(order.shape[2]) < count[..., None]
    values = np.where(there, np.take_along_axis(fits.coefficients, order, axis=2), np.nan)
    errors = fits.uncertainty
    found = [values]
    for array in (errors.std_errors, errors.half_widths, errors.selected):
        found.append(np.take_along_axis(array, order, axis=2))
    wide = found[2]
    best, worst = rank_ranges(values, wide)
    columns = (order, *found[:2], values - wide, values + wide, best, worst, found[3])
    return [
        [
            tuple(_weight(*row) for row in zip(*(one[:n] for one in target), strict=True))
            for n, *target in zip(counts, *instance, strict=True)
        ]
        for counts, *instance in zip(
            count.tolist(), *(column.tolist() for column in columns), strict=True
        )
    ]


def _weight(
    component: int,
    weight: float,
    error: float,
    low: float,
    high: float,
    best: int,
    worst: int,
    selected: float,
) -> Weight:
    if error != error:  # not known
        return Weight(component, weight, None, None, (best, worst), selected)
    return Weight(component, weight, error, (low, high), (best, worst), selected)


def _number(value: float) -> float | None:
    return None if value != value else value
