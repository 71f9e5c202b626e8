"""When the samples are enough: every weight known to the tolerance, and the choice settled."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.instance import BoolArray
from lime_cli.engine.surrogate import Fit
from lime_cli.settings import Settings


def settled(fit: Fit, settings: Settings) -> BoolArray:
    """Tell of which of b instances every target's weights are known well enough: (b,).

    Each half-width must be at most ``tolerance`` times the largest weight; and every fit that
    leaves a block out must choose the same components, but for some at the border: those that it
    lets in or out must be as small as the smallest weight kept, within its error.
    """
    kept, sizes = fit.chosen, np.abs(fit.coefficients)
    wide = np.where(kept, fit.uncertainty.half_widths, 0.0)
    known = ~(wide > settings.tolerance * sizes.max(axis=2, keepdims=True)).any(axis=2)
    smallest = np.where(kept, sizes, np.inf).min(axis=2)
    border = (smallest + wide.max(axis=2))[..., None]
    selected = fit.uncertainty.selected
    wavering, visitors = (selected < 1) & kept, (selected > 0) & ~kept
    known &= (~wavering | (sizes <= border + wide)).all(axis=2)
    known &= (~visitors[:, None] | (fit.drifts <= 2 * border[:, None])).all(axis=(1, 3))
    return np.asarray((known | ~kept.any(axis=2)).all(axis=1))
