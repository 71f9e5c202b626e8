"""Backgrounds that no single row can be read from: middles of bins, and levels that many share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import Caveat, FloatArray, IntArray
from lime_cli.errors import InputError, SettingsError
from lime_cli.modalities.background import Background
from lime_cli.modalities.dates import date_of
from lime_cli.modalities.feature import Feature
from lime_cli.modalities.groups import Group, digest_of_features


def made_private(background: Background, least: int) -> tuple[Background, Caveat]:
    """Keep of numbers the middle of each bin, and of all columns what ``least`` rows share.

    The outermost bins end at the ``least``-th value from either end. Raises SettingsError for
    groups, whose combinations are rows, and InputError for a column of which nothing is left.
    """
    grouped = [one.name for one in background.groups if not one.onehot]
    if grouped:
        said = f"--private: the combinations of group {grouped[0]!r} would tell of rows"
        raise SettingsError(said, "leave out --group or --private")
    n_rows = background.n_rows
    features = tuple(_feature(one, n_rows, least, background.source) for one in background.features)
    groups = tuple(_block(one, features, n_rows, least) for one in background.groups)
    words = f"replacement values are middles of bins, and levels that {least} rows share"
    digest = digest_of_features(features, groups)
    found = replace(background, features=features, groups=groups, digest=digest)
    return found, Caveat("background_private", words)


def _feature(feature: Feature, n_rows: int, least: int, source: str) -> Feature:
    counts: IntArray = np.rint(feature.shares * n_rows).astype(np.int64)
    if feature.date and not feature.numeric:
        return _one_date(feature, counts, least)
    found, counts = (
        _middles(feature, counts, least) if feature.numeric else _levels(feature, counts, least)
    )
    if not len(counts):
        raise InputError(
            f"{source}: column {feature.name!r} holds nothing that {least} rows share",
            "leave it out with --drop, or lower --min-count",
        )
    return replace(found, shares=counts / counts.sum())


def _levels(feature: Feature, counts: IntArray, least: int) -> tuple[Feature, IntArray]:
    """Leave out what fewer than ``least`` rows hold."""
    kept = counts >= least
    bins = np.arange(int(kept.sum()))
    return replace(feature, values=feature.values[kept], bins=bins), counts[kept]


def _one_date(feature: Feature, counts: IntArray, least: int) -> Feature:
    """Keep nothing of dates that are held anyway but that they are dates."""
    values = np.array([date_of(_ends(feature, counts, least).mean())], object)
    return replace(feature, values=values, shares=np.ones(1), bins=np.zeros(1, np.int64))


def _middles(feature: Feature, counts: IntArray, least: int) -> tuple[Feature, IntArray]:
    """Put the middle of each bin in the place of its values, after joining bins that are small."""
    known = len(feature.values) - feature.gaps
    n_missing = int(counts[known:].sum())
    sums = np.bincount(feature.bins[:known], counts[:known], len(feature.cuts) + 1).astype(np.int64)
    ends = _joined(sums, least)
    joined = np.add.reduceat(sums, [0, *ends[:-1]])
    if joined[0] < least:
        return replace(feature, values=feature.values[:0]), joined[:0]
    cuts = feature.cuts[np.array(ends[:-1], np.int64) - 1]
    low, high = _ends(feature, counts, least)
    edges = np.array([low, *cuts, max(high, cuts[-1] if len(cuts) else high)])
    middles = (edges[:-1] + edges[1:]) / 2
    values, bins = _as_held(feature, middles, edges), np.arange(len(middles))
    if n_missing >= least:
        missing = np.array([None if values.dtype == object else np.nan], values.dtype)
        values, bins = np.append(values, missing), np.append(bins, len(bins))
        joined = np.append(joined, n_missing)
    return replace(feature, values=values, bins=bins, cuts=cuts, capped=False), joined


def _joined(sums: IntArray, least: int) -> list[int]:
    """Return where bins end, so that each holds ``least`` values: the last takes what is left."""
    ends, held = [], 0
    for place, n in enumerate(sums.tolist(), 1):
        held += n
        if held >= least:
            ends.append(place)
            held = 0
    return [*ends[:-1], len(sums)]


def _as_held(feature: Feature, middles: FloatArray, edges: FloatArray) -> NDArray[Any]:
    """Return middles as the column spells values: dates as such, whole numbers whole."""
    if feature.date:
        return np.array([date_of(one) for one in middles.tolist()], object)
    present = feature.sizes[~np.isnan(feature.sizes)]
    if not (present == np.floor(present)).all():
        return middles
    whole = np.floor(middles)
    whole = np.where(whole <= edges[:-1], np.floor(edges[1:]), whole)
    return whole.astype(feature.values.dtype if feature.values.dtype.kind == "i" else np.float64)


def _ends(feature: Feature, counts: IntArray, least: int) -> FloatArray:
    """Return the ``least``-th smallest and the ``least``-th largest value, (2,)."""
    known = ~np.isnan(feature.sizes)
    sizes = np.repeat(feature.sizes[known], counts[known])
    place = min(least, len(sizes)) - 1
    return np.array([sizes[place], sizes[len(sizes) - 1 - place]])


def _block(group: Group, features: tuple[Feature, ...], n_rows: int, least: int) -> Group:
    """Leave out the levels of a one-hot block that fewer than ``least`` rows hold."""
    counts = np.rint(group.shares * n_rows).astype(np.int64)
    members = tuple(features[place] for place in group.places)
    rows = [
        [one.values[level] for one, level in zip(group.features, row, strict=True)]
        for row in group.levels[counts >= least]
    ]
    known = [[one.level_of[value] for one, value in zip(members, row, strict=True)] for row in rows]
    left = counts[counts >= least]
    return replace(
        group, features=members, levels=np.array(known, np.int64), shares=left / left.sum()
    )
