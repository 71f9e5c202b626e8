"""When the samples are enough: weights known to the tolerance, the choice settled, or no time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import numpy as np

from lime_cli.engine.instance import BoolArray
from lime_cli.engine.surrogate import Fit
from lime_cli.settings import Settings

WHOLE = 16
"""Samples that make a pair in every block."""


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


def stages(settings: Settings, shared: bool) -> Iterator[int]:
    """Yield the numbers of samples at which to look whether the weights are settled.

    Samples of an instance's own grow by a half and by a third in turn, and end with what
    ``max_samples`` leaves; those that others share double, for their points are best in powers
    of two and their cost is divided.
    """
    first, most = settings.samples, settings.max_samples or settings.samples
    n = first
    for stage in count(1):
        yield n
        n, last = first << stage, n
        if not shared:
            n = (first << stage // 2) * (2 + stage % 2) // 2
        if n > most:
            break
    rest = most // WHOLE * WHOLE
    if not shared and rest > last:
        yield rest


def out_of_time(began: float, growth: float, settings: Settings) -> bool:
    """Tell whether ``growth`` times the samples would end too late, of work that ``began`` then.

    What is done so far (``began`` is monotonic) tells how long as much again would take.
    """
    spent = time.monotonic() - began
    return settings.time_limit is not None and growth * spent > settings.time_limit
