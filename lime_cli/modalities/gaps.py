"""Missing values: given to a model at the background's rate, but only to one that takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Caveat
from lime_cli.modalities.background import Background
from lime_cli.modalities.feature import Feature
from lime_cli.modalities.groups import Group, digest_of_features
from lime_cli.modalities.tables import Table

NAMED = 5
"""Columns that a warning names, at most."""

Takes = Callable[[Any], bool]
"""Tells whether a model answers to a batch."""


def without_refused_gaps(
    background: Background, takes: Takes | None
) -> tuple[Background, tuple[Caveat, ...]]:
    """Leave missing values out of the columns where the model answers to none.

    It is asked about a row of the commonest values: as it is, with all gaps there are, and if it
    refuses that, with each. A model that refuses the row itself decides nothing.
    """
    held = {background.features[place].name for place in background.kept}
    gaps = [
        place
        for place, one in enumerate(background.features)
        if one.gaps and not one.constant and one.name not in held
    ]
    if not gaps or takes is None or not takes(_row(background, ())):
        return background, ()
    if takes(_row(background, gaps)):
        return background, ()
    refused = [place for place in gaps if not takes(_row(background, (place,)))] or gaps
    names = [background.features[place].name for place in refused]
    listed = ", ".join(map(repr, names[:NAMED])) + (" ..." if len(names) > NAMED else "")
    words = f"the model takes no missing values: those of {listed} are drawn from observed ones"
    return _filled(background, set(refused)), (Caveat("missing_not_drawn", words),)


def _row(background: Background, missing: Sequence[int]) -> Table:
    """Return a row of the commonest values, some of them missing."""
    columns = tuple(
        _cell(feature, place in set(missing)) for place, feature in enumerate(background.features)
    )
    return Table(tuple(one.name for one in background.features), columns)


def _cell(feature: Feature, missing: bool) -> NDArray[Any]:
    if missing:
        return feature.values[-1:]
    shares = feature.shares.copy()
    if feature.gaps and not feature.constant:
        shares[-1] = -1.0
    place = int(np.argmax(shares))
    return feature.values[place : place + 1]


def _filled(background: Background, refused: set[int]) -> Background:
    features = tuple(
        one.without_gaps() if place in refused else one
        for place, one in enumerate(background.features)
    )
    groups = tuple(_group(one, features, refused) for one in background.groups)
    digest = digest_of_features(features, groups)
    return replace(background, features=features, groups=groups, digest=digest)


def _group(group: Group, features: Sequence[Feature], refused: set[int]) -> Group:
    """Leave out the combinations that hold a missing value of a refused column."""
    whole = np.ones(len(group.levels), bool)
    for j, place in enumerate(group.places):
        if place in refused:
            whole &= group.levels[:, j] < len(features[place].values)
    shares = group.shares[whole] / group.shares[whole].sum()
    members = tuple(features[place] for place in group.places)
    return replace(group, features=members, levels=group.levels[whole], shares=shares)
