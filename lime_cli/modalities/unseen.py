"""What of a row its background has never seen: kept as it is, and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lime_cli.engine.instance import BoolArray, Caveat, IntArray
from lime_cli.modalities.background import Background
from lime_cli.modalities.feature import spelled


def unseen(
    background: Background, values: Sequence[Any], lies: tuple[IntArray, BoolArray]
) -> Iterator[Caveat]:
    """Yield a warning for each level, number and combination of a group that is new.

    ``lies`` says in which bin each value lies, and which lie outside. Columns that are held are
    passed over: every sample has the row's own values there.
    """
    bins, outside = lies
    for place in np.flatnonzero((bins < 0) | outside).tolist():
        feature, value, new = background.features[place], values[place], bins[place] < 0
        if place in background.kept:
            continue
        said = f"{feature.name} = {spelled(value)}"
        if new:
            yield Caveat("unseen_category", f"{said} does not occur in the background")
        else:
            words = f"{said} lies outside the background's values"
            yield Caveat("outside_background", words)
    for group in background.groups:
        own = [values[place] for place in group.places]
        known = bool((bins[list(group.places)] >= 0).all())
        if known and group.bin_of(own) < 0 and group.name not in background.held:
            words = f"{group.name}: no row of the background holds such values together"
            yield Caveat("unseen_combination", words)
