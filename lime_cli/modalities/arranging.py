"""Columns put in order: which move together, which are held, which have words that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lime_cli.engine.instance import IntArray
from lime_cli.errors import SettingsError
from lime_cli.modalities.background import Background, parse_cell
from lime_cli.modalities.cells import Cells
from lime_cli.modalities.feature import Feature, is_missing
from lime_cli.modalities.groups import Group, digest_of_features
from lime_cli.modalities.onehot import exclusive_blocks
from lime_cli.modalities.schema import UNCUT, Schema, check_names


def arranged(features: Sequence[Feature], cells: Cells, schema: Schema) -> Background:
    """Make a background of columns and of the rows that groups of them are seen in.

    Raises SettingsError for choices that contradict each other or leave nothing to vary.
    """
    groups = [_group(name, columns, features, cells) for name, columns in schema.groups]
    if schema.onehot:
        grouped = {name for _, columns in schema.groups for name in columns}
        groups += _blocks([one for one in features if one.name not in grouped], features, cells)
    digest = digest_of_features(features, groups)
    n_rows, bins = len(cells.rows), schema.bins
    plain = Background(cells.name, n_rows, tuple(features), digest, bins, tuple(groups))
    return held_by(plain, schema)


def held_by(plain: Background, schema: Schema) -> Background:
    """Decide which columns are held; raise SettingsError where nothing is left to vary."""
    _check(plain, schema)
    found = replace(plain, held=_held(plain, schema))
    chosen = schema.fixed or schema.only
    if chosen and not found.varying and not schema.texts:
        option = "--fixed" if schema.fixed else "--features-only"
        raise SettingsError(f"{option}: leaves nothing to vary", "name other columns")
    return found


def _check(background: Background, schema: Schema) -> None:
    """Raise SettingsError for names that are taken, unknown, or of the wrong kind."""
    features = {one.name: one for one in background.features}
    for group in background.groups:
        for option, name in schema.of_parts():
            if name in (one.name for one in group.features):
                hint = f"name the group, {group.name!r}"
                raise SettingsError(f"{option}: {name!r} moves with others", hint)
        others = {*features} - {one.name for one in group.features}
        if group.name in others:
            said = f"--group {group.name}: is the name of another column"
            raise SettingsError(said, "call it something else")
    _check_bins(background)
    for name in schema.texts:
        if features[name].values.dtype != object or features[name].date:
            raise SettingsError(f"--text-column {name}: holds no texts", "leave it out")
    check_names(schema.of_parts(), background.names, "the model is not given a column")


def _check_bins(background: Background) -> None:
    """Raise SettingsError for groups of numbers that have no bins to stay in."""
    for group in background.groups:
        if background.bins == UNCUT and any(one.numeric for one in group.features):
            said = f"--bins none: the numbers of group {group.name!r} have no bins to stay in"
            raise SettingsError(said, "leave one out")


def _held(background: Background, schema: Schema) -> dict[str, str]:
    """Tell for columns and groups that are not drawn why; for one whose words vary, nothing."""
    dates = {one.name for one in background.features if one.date and not one.numeric}
    held = {}
    for name in background.names:
        reason = schema.reason(name, name in dates)
        if reason or name in schema.texts:
            held[name] = reason
    return held


def _group(name: str, columns: Sequence[str], features: Sequence[Feature], cells: Cells) -> Group:
    found = {one.name: (place, one) for place, one in enumerate(features)}
    places, members = zip(*(found[column] for column in columns), strict=True)
    return group_of(name, members, places, levels_of(members, cells))


def group_of(name: str, members: Sequence[Feature], places: Sequence[int], rows: IntArray) -> Group:
    """Make a group of columns from the level numbers that rows have in them, (rows, columns)."""
    levels, counts = np.unique(rows, axis=0, return_counts=True)
    return Group(name, tuple(members), tuple(places), levels, counts / counts.sum())


def levels_of(features: Sequence[Feature], cells: Cells) -> IntArray:
    """Return the level number that each row has in each column, (rows, columns)."""
    found = np.empty((len(cells.rows), len(features)), np.int64)
    for j, feature in enumerate(features):
        values = (parse_cell(feature, cells, row) for row in range(len(cells.rows)))
        level = feature.level_of
        found[:, j] = [level[None if is_missing(value) else value] for value in values]
    return found


def _blocks(free: list[Feature], features: Sequence[Feature], cells: Cells) -> list[Group]:
    """Find exclusive 0/1 columns among those in no group."""
    places = {one.name: place for place, one in enumerate(features)}
    binary = [one for one in free if not one.date and set(one.values.tolist()) <= {0, 1}]
    runs = exclusive_blocks(
        {one.name: one.values.astype(np.uint8)[levels_of([one], cells)[:, 0]] for one in binary}
    )
    found = []
    for prefix, columns in runs.items():
        name = f"{columns[0]}..{columns[-1]}" if prefix in places else prefix
        members = [features[places[column]] for column in columns]
        rows = levels_of(members, cells)
        group = group_of(name, members, [places[column] for column in columns], rows)
        found.append(replace(group, onehot=True))
    return found
