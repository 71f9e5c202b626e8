"""What of a row its background has never seen: kept as it is, and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lime_cli.engine.instance import Caveat
from lime_cli.modalities.background import Background
from lime_cli.modalities.feature import spelled


def unseen(background: Background, values: Sequence[Any]) -> Iterator[Caveat]:
    """Yield a warning for each level, number and combination of a group that is new.

    Columns that are held are passed over: every sample has the row's own values there.
    """
    kept = set(background.kept)
    for place, (feature, value) in enumerate(zip(background.features, values, strict=True)):
        new = feature.bin_of(value) < 0
        if place in kept or not (new or feature.outside(value)):
            continue
        said = f"{feature.name} = {spelled(value)}"
        if new:
            yield Caveat("unseen_category", f"{said} does not occur in the background")
        else:
            words = f"{said} lies outside the background's values"
            yield Caveat("outside_background", words)
    for group in background.groups:
        own = [values[place] for place in group.places]
        known = all(one.bin_of(v) >= 0 for one, v in zip(group.features, own, strict=True))
        if known and group.bin_of(own) < 0 and group.name not in background.held:
            words = f"{group.name}: no row of the background holds such values together"
            yield Caveat("unseen_combination", words)
