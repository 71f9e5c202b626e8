"""The background of a table: what every column was seen to hold, and how it falls into bins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lime_cli.digests import digest_of
from lime_cli.engine.instance import FloatArray
from lime_cli.errors import InputError, SettingsError
from lime_cli.modalities.feature import Feature, spelled
from lime_cli.modalities.tables import MISSING, TRUE_FALSE, Cells, number

FEW_VALUES = 10
"""Whole numbers with at most this many different values are levels, not quantities."""

NAMED_BINS = {"quartile": 4, "decile": 10}


@dataclass(frozen=True, eq=False)
class Background:
    """All columns that the model is given, in its order."""

    source: str
    """Name of the file it was made of, without its folder."""
    n_rows: int
    features: tuple[Feature, ...]
    digest: str
    """SHA-256 of the features: equal backgrounds draw equal samples."""
    bins: str = "quartile"
    """How numbers were cut, as ``Schema.bins``."""


@dataclass(frozen=True)
class Schema:
    """What a person said about the columns; everything else is inferred."""

    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    bins: str = "quartile"
    """``quartile``, ``decile``, ``entropy`` or a number of bins."""
    label: str | None = None
    """The column of true classes that entropy bins are cut by."""

    def __post_init__(self) -> None:
        known = self.bins in (*NAMED_BINS, "entropy") or (
            self.bins.isdecimal() and int(self.bins) > 1
        )
        if not known:
            raise SettingsError(
                f"--bins: {self.bins!r} is not possible",
                "give quartile, decile, entropy or a number above 1",
            )
        if self.bins == "entropy" and self.label is None:
            raise SettingsError(
                "--bins entropy needs the true classes", "name their column with --label"
            )


def build_background(cells: Cells, columns: Sequence[str], schema: Schema) -> Background:
    """Learn the columns, in the given order; raise InputError for one that holds nothing."""
    for name in (*schema.categorical, *schema.numeric, *([schema.label] if schema.label else [])):
        if name not in cells.header:
            raise SettingsError(
                f"{cells.name}: has no column {name!r}", f"it has {', '.join(cells.header)}"
            )
    if len(set(cells.rows)) < 2:
        raise InputError(
            f"{cells.name}: has one row only", "a background needs at least 2 different rows"
        )
    features = tuple(_feature(cells, name, schema) for name in columns)
    facts = [
        [f.name, f.numeric, [*map(spelled, f.values.tolist())], f.shares.tolist(), f.bins.tolist()]
        for f in features
    ]
    digest = digest_of(json.dumps(facts).encode())
    return Background(cells.name, len(cells.rows), features, digest, schema.bins)


def parse_cell(feature: Feature, cells: Cells, row: int) -> Any:
    """Return one cell of a row as the feature's kind of value; missing is NaN or None.

    Raises InputError naming line and column for a cell of another kind.
    """
    cell = cells.rows[row][cells.places[feature.name]]
    kind = feature.values.dtype.kind
    if kind in "Ob":
        return _word(cell, kind == "b" or feature.holds_truth)
    value = number(cells, feature.name, row, cell)
    return int(value) if kind == "i" and value.is_integer() else value


def _feature(cells: Cells, name: str, schema: Schema) -> Feature:
    column = cells.column(name)
    kind = cells.kind(name)
    if kind == "empty":
        raise InputError(f"{cells.name}: column {name!r} has no values", "leave it out with --drop")
    if name in schema.numeric or kind in ("integer", "number"):
        values = cells.numbers(name)
        return _of_numbers(cells, name, values, schema)
    return _of_levels(name, [_word(cell, kind == "bool") for cell in column])


def _of_numbers(cells: Cells, name: str, column: FloatArray, schema: Schema) -> Feature:
    present = column[~np.isnan(column)]
    values, counts = np.unique(present, return_counts=True)
    whole = bool((values == np.floor(values)).all() and np.abs(values).max() < 2**53)
    few = whole and len(values) <= FEW_VALUES and name not in schema.numeric
    n_missing, capped = len(column) - len(present), False
    if few or name in schema.categorical:
        cuts, bins = np.empty(0), np.arange(len(values))
    else:
        cuts = _cuts(cells, column, schema)
        capped, cuts = bool(cuts[-1] >= values[-1]), cuts[cuts < values[-1]]
        bins = np.searchsorted(cuts, values, side="left")
    if whole and not n_missing:
        values = values.astype(np.int64)
    if n_missing:
        values, counts = np.append(values, np.nan), np.append(counts, n_missing)
        bins = np.append(bins, bins.max() + 1)
    numeric = not (few or name in schema.categorical)
    return Feature(name, numeric, values, counts / counts.sum(), bins, cuts, capped)


def _of_levels(name: str, words: list[Any]) -> Feature:
    levels = sorted({word for word in words if word is not None}, key=str)
    place = {level: i for i, level in enumerate(levels)}
    if None in words:
        place[None] = len(levels)
        levels.append(None)
    counts = np.bincount([place[word] for word in words], minlength=len(levels))
    plain_bool = all(isinstance(level, bool) for level in levels)
    values = np.array(levels, dtype=bool if plain_bool else object)
    return Feature(name, False, values, counts / counts.sum(), np.arange(len(levels)), np.empty(0))


def _cuts(cells: Cells, column: FloatArray, schema: Schema) -> FloatArray:
    """Return cut points, ascending, between the smallest and the largest value or on them."""
    present = column[~np.isnan(column)]
    if schema.bins == "entropy":
        cuts = _entropy_cuts(column, cells.column(str(schema.label)))
    else:
        n_bins = NAMED_BINS.get(schema.bins) or int(schema.bins)
        cuts = np.quantile(present, np.arange(1, n_bins) / n_bins)
    cuts = np.unique(cuts)
    return np.asarray(cuts[(cuts >= present.min()) & (cuts <= present.max())])


def _entropy_cuts(column: FloatArray, labels: list[str]) -> FloatArray:
    """Cut where an entropy tree of depth 3 on this column splits, else at the median."""
    from sklearn.tree import DecisionTreeClassifier

    known = ~np.isnan(column)
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
    tree.fit(column[known, None], np.array(labels)[known])
    inner = tree.tree_.children_left >= 0
    found: FloatArray = np.asarray(tree.tree_.threshold[inner], float)
    return found if len(found) else np.array([np.median(column[known])])


def _word(cell: str, truth: bool) -> Any:
    """Read a cell of a column of words; in a column of truth values, as one where it is one."""
    if truth:
        word = cell.strip()
        return None if word in MISSING else TRUE_FALSE.get(word, word)
    return cell or None
