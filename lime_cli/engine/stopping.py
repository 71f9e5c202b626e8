"""When the samples are enough: every weight known to the tolerance, and the choice settled."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.surrogate import Fit
from lime_cli.settings import Settings


def settled(fit: Fit, settings: Settings) -> bool:
    """Tell whether every target's weights are known well enough.

    Each half-width must be at most ``tolerance`` times the largest weight; and every fit that
    leaves a block out must choose the same components, but for some at the border: those that it
    lets in or out must be as small as the smallest weight kept, within its error.
    """
    return all(_settled(fit, target, settings.tolerance) for target in range(len(fit.coefficients)))


def _settled(fit: Fit, target: int, tolerance: float) -> bool:
    kept = fit.chosen[target]
    if not kept.any():
        return True
    sizes = np.abs(fit.coefficients[target])
    wide = fit.uncertainty.half_widths[target]
    if (wide[kept] > tolerance * sizes.max()).any():
        return False
    border = sizes[kept].min() + max(wide[kept].max(), 0.0)
    wavering = (fit.uncertainty.selected[target] < 1) & kept
    visitors = (fit.uncertainty.selected[target] > 0) & ~kept
    return bool(
        (sizes[wavering] <= border + wide[wavering]).all()
        and (fit.drifts[:, target][:, visitors] <= 2 * border).all()
    )
