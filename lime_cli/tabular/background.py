"""The background of a table: what every column was seen to hold, its bins, its groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from lime_cli.engine.instance import Skipped
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, different
from lime_cli.errors import InputError, SettingsError
from lime_cli.tables.cells import DAY, Cells, are_dates, days_of, number, shortened
from lime_cli.tables.dialect import MISSING, TRUE_FALSE
from lime_cli.tables.rows import check_names
from lime_cli.tabular.groups import (
    Dummies,
    Feature,
    Group,
    Part,
    Single,
    digest_of_features,
    exclusive_blocks,
    frequencies_of,
    is_missing,
)
from lime_cli.tabular.schema import NAMED_BINS, UNCUT, Schema

DEPENDENCE_ROWS = 500
"""Rows that are looked at, at most, evenly spaced."""
MOST_COLUMNS = 1_000
"""Columns, at most, that are looked at."""
FEWEST_ROWS = 30
"""Rows, at least, that say anything."""
CORRELATED = 0.95
"""Absolute rank correlation (Spearman) of numbers."""
DETERMINED = 0.95
"""Share of the errors of guessing the commonest bin that knowing a category avoids (Goodman and
Kruskal's lambda)."""
ROWS_A_CATEGORY = 5
"""Rows, at least, for each category of the column that determines: fewer make identifiers."""


def dependent_sets(features: Sequence[Feature], rows: IntArray) -> tuple[tuple[int, ...], ...]:
    """Return sets of columns that determine each other, by their places, the first column first.

    Replaced one by one they make rows that cannot exist. Columns of numbers belong together where
    their ranks correlate almost perfectly; a column and one of categories, where knowing the
    category leaves hardly a doubt about the bin of the other.

    ``rows`` are the category numbers (n, columns) of rows of the background.
    """
    n, p = rows.shape
    if n < FEWEST_ROWS or not 2 <= p <= MOST_COLUMNS:
        return ()
    joined = np.eye(p, dtype=bool)
    varies = [j for j in range(p) if len(different(rows[:, j])) > 1]
    numbers = [j for j in varies if features[j].numeric]
    if len(numbers) > 1:
        ranks = np.stack([_ranks(rows[:, j]) for j in numbers], axis=1)
        alike = np.abs(np.corrcoef(ranks, rowvar=False)) >= CORRELATED
        joined[np.ix_(numbers, numbers)] |= alike
    for j in varies:
        categories, code = np.unique(rows[:, j], return_inverse=True)
        if features[j].numeric or len(categories) > n / ROWS_A_CATEGORY:
            continue
        for i in varies:
            if i != j and _determined(code, features[i].bins[rows[:, i]]):
                joined[i, j] = joined[j, i] = True
    return _components(joined)


def _ranks(categories: IntArray) -> FloatArray:
    """Return ranks, equal ones shared; values ascend with their category number."""
    values, place, counts = np.unique(categories, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[place], np.float64) if len(values) else np.zeros(0)


def _determined(code: IntArray, bins: IntArray) -> bool:
    """Tell whether the category of one column all but says the bin of another."""
    _, other = np.unique(bins, return_inverse=True)
    if other.max() == 0:
        return False
    table = np.zeros((int(code.max()) + 1, int(other.max()) + 1), np.int64)
    np.add.at(table, (code, other), 1)
    errors = len(code) - int(table.sum(axis=0).max())
    left = len(code) - int(table.max(axis=1).sum())
    return errors >= ROWS_A_CATEGORY and 1.0 - left / errors >= DETERMINED


def _components(joined: BoolArray) -> tuple[tuple[int, ...], ...]:
    """Return the connected sets of two and more."""
    left, found = set(np.flatnonzero(joined.sum(axis=1) > 1).tolist()), []
    while left:
        first = min(left)
        reached, waiting = {first}, [first]
        while waiting:
            near = set(np.flatnonzero(joined[waiting.pop()]).tolist()) - reached
            reached |= near
            waiting.extend(near)
        left -= reached
        found.append(tuple(sorted(reached)))
    return tuple(one for one in found if len(one) > 1)


FEW_VALUES = 10
"""Whole numbers with at most this many different values are categories, not quantities."""


@dataclass(frozen=True, eq=False)
class Background:
    """All columns that the model is given, in its order."""

    source: str
    """Name of the file it was made of, without its folder."""
    n_rows: int
    features: tuple[Feature, ...]
    digest: str
    """SHA-256 of features and groups: equal backgrounds draw equal samples."""
    bins: str = "quartile"
    """How numbers were cut, as ``Schema.bins``."""
    groups: tuple[Group, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Columns and groups that are not drawn, and why; of a column of texts, nothing."""
    dependent: tuple[tuple[str, ...], ...] = ()
    """Sets of columns that determine each other and are not in a group."""
    rows: IntArray | None = None
    """(n, columns): the category numbers of rows, where columns are to be replaced together."""
    dummies: Dummies | None = None
    """What the model is given in the place of some columns."""

    @cached_property
    def drawn(self) -> tuple[Part, ...]:
        """What is drawn for a sample, in the order of the first columns."""
        return tuple(one for one in self._parts if one.name not in self.fixed)

    @cached_property
    def varying(self) -> tuple[int, ...]:
        """Which of ``drawn`` have more than one value."""
        return tuple(i for i, one in enumerate(self.drawn) if not self._constant(one))

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Places of the columns that keep the row's own values."""
        return tuple(place for one in self._parts if one.name in self.fixed for place in one.places)

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Columns and groups that are no components."""
        reasons = ((one, self.fixed.get(one.name)) for one in self._parts)
        return tuple(
            Skipped(one.name, reason or "constant in the background")
            for one, reason in reasons
            if reason or (reason is None and self._constant(one))
        )

    def _constant(self, part: Part) -> bool:
        """Tell whether nothing of a part could replace a value of it: all is in one bin."""
        return part.constant or (self.bins != UNCUT and bool((part.bins == part.bins[0]).all()))

    @cached_property
    def place_of(self) -> dict[str, int]:
        return {one.name: place for place, one in enumerate(self.features)}

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the background."""
        found: dict[str, Any] = {
            "source": self.source,
            "digest": self.digest,
            "rows": self.n_rows,
            "bins": self.bins,
        }
        if self.groups:
            found["groups"] = {g.name: [one.name for one in g.features] for g in self.groups}
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """What is drawn by itself: columns that are in no group, and groups."""
        return tuple(one.name for one in self._parts)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        grouped = {place for one in self.groups for place in one.places}
        singles: list[Part] = [
            Single(one, (place,)) for place, one in enumerate(self.features) if place not in grouped
        ]
        return tuple(sorted([*singles, *self.groups], key=lambda one: min(one.places)))


def build_background(cells: Cells, columns: Sequence[str], schema: Schema) -> Background:
    """Learn the columns, in the given order; raise InputError for one that holds nothing.

    Raises SettingsError for a choice that does not fit what they hold.
    """
    if not cells.varied and not schema.lone:
        raise InputError(
            f"{cells.name}: has one row only", "a background needs at least 2 different rows"
        )
    features = tuple(_feature(cells, name, schema) for name in columns)
    return arranged(features, cells, schema)


def parse_cell(feature: Feature, cells: Cells, row: int) -> Any:
    """Return one cell of a row as the feature's kind of value; missing is NaN or None.

    Raises InputError naming line and column for a cell of another kind.
    """
    cell = cells.cell(row, cells.places[feature.name])
    kind = feature.values.dtype.kind
    if feature.date and feature.numeric:
        return _date(cell, feature, cells, row)
    if kind in "Ob":
        return _word(cell, kind == "b" or feature.holds_truth)
    value = number(cells, feature.name, row, cell, feature.middle)
    return int(value) if kind == "i" and value.is_integer() else value


def _feature(cells: Cells, name: str, schema: Schema) -> Feature:
    kind = cells.kind(name)
    if kind == "empty":
        nothing = np.full(1, np.nan)
        return Feature(name, False, nothing, np.ones(1), np.zeros(1, np.int64), np.empty(0))
    date = kind == "text" and name not in schema.categorical and are_dates(cells.column(name))
    if date and name in schema.numeric:
        return _of_dates(cells, name, schema)
    if name in schema.numeric or kind == "number":
        values = cells.numbers(name)
        return _of_numbers(cells, name, values, schema)
    found = _of_categories(name, [_word(cell, kind == "bool") for cell in cells.column(name)])
    return replace(found, date=date)


def _of_numbers(cells: Cells, name: str, column: FloatArray, schema: Schema) -> Feature:
    present = column[~np.isnan(column)]
    values, counts = np.unique(present, return_counts=True)
    whole = bool((values == np.floor(values)).all() and np.abs(values).max() < 2**53)
    few = whole and len(values) <= FEW_VALUES and name not in schema.numeric
    n_missing, capped = len(column) - len(present), False
    if few or name in schema.categorical:
        cuts, bins = np.empty(0), np.arange(len(values))
    else:
        cuts = _cuts(cells, column, np.repeat(values, counts), schema)
        capped, cuts = bool(len(cuts) and cuts[-1] >= values[-1]), cuts[cuts < values[-1]]
        bins = np.searchsorted(cuts, values, side="left")
    if whole and not n_missing:
        values = values.astype(np.int64)
    if n_missing:
        values, counts = np.append(values, np.nan), np.append(counts, n_missing)
        bins = np.append(bins, bins.max() + 1)
    if bins.max() < 2**15:
        bins = bins.astype(np.int16)  # a quarter of the memory where all numbers are different
    numeric = not (few or name in schema.categorical)
    return Feature(name, numeric, values, frequencies_of(counts), bins, cuts, capped)


def _of_dates(cells: Cells, name: str, schema: Schema) -> Feature:
    """Compare dates by the day, as they are spelled; each cut is the end of a day."""
    words = [None if cell.strip() in MISSING else cell for cell in cells.column(name)]
    days = np.array([np.nan if word is None else days_of(word) for word in words], float)
    found = _of_categories(name, words)
    present = [one for one in found.category_of if one is not None]
    dated = sorted((float(days_of(one) or 0.0), one) for one in present)
    order = np.array([found.category_of[one] for _, one in dated])
    sizes = np.array([size for size, _ in dated])
    cuts = different(
        np.floor(_cuts(cells, days, np.sort(days[~np.isnan(days)]), schema)) + 1 - 1 / DAY
    )
    capped, cuts = bool(len(cuts) and cuts[-1] >= sizes[-1]), cuts[cuts < sizes[-1]]
    bins = np.searchsorted(cuts, sizes, side="left")
    if found.gaps:
        order, bins = np.append(order, len(order)), np.append(bins, bins.max() + 1)
    values, frequencies = found.values[order], found.frequencies[order]
    return Feature(name, True, values, frequencies, bins, cuts, capped, date=True)


def _of_categories(name: str, words: list[Any]) -> Feature:
    categories = sorted({word for word in words if word is not None}, key=str)
    place = {category: i for i, category in enumerate(categories)}
    if None in words:
        place[None] = len(categories)
        categories.append(None)
    counts = np.bincount([place[word] for word in words], minlength=len(categories))
    plain_bool = all(isinstance(category, bool) for category in categories)
    values = np.array(categories, dtype=bool if plain_bool else object)
    return Feature(
        name, False, values, counts / counts.sum(), np.arange(len(categories)), np.empty(0)
    )


def _cuts(cells: Cells, column: FloatArray, present: FloatArray, schema: Schema) -> FloatArray:
    """Return cut points, ascending, between the smallest and the largest value or on them.

    ``present`` are the numbers of the column, ascending.
    """
    if schema.bins == UNCUT:
        return np.empty(0)
    if schema.bins == "entropy":
        cuts = _entropy_cuts(column, cells.column(str(schema.label)))
    else:
        n_bins = NAMED_BINS.get(schema.bins) or int(schema.bins)
        cuts = quantiles(present, np.arange(1, n_bins) / n_bins)
    cuts = different(cuts)
    return np.asarray(cuts[(cuts >= present[0]) & (cuts <= present[-1])])


def quantiles(present: FloatArray, shares: FloatArray) -> FloatArray:
    """Return what ``numpy.quantile`` does, of numbers that ascend; see ``different``."""
    places = (len(present) - 1) * shares
    lower = np.floor(places).astype(np.intp)
    low, high = present[lower], present[np.minimum(lower + 1, len(present) - 1)]
    t, apart = places - lower, high - low
    return np.where(t < 0.5, low + apart * t, high - apart * (1 - t))


def _entropy_cuts(column: FloatArray, labels: list[str]) -> FloatArray:
    """Cut where an entropy tree of depth 3 on this column splits, else at the median."""
    from sklearn.tree import DecisionTreeClassifier

    known = ~np.isnan(column)
    tree = DecisionTreeClassifier(criterion="entropy", max_depth=3, random_state=0)
    tree.fit(column[known, None], np.array(labels)[known])
    inner = tree.tree_.children_left >= 0
    found: FloatArray = np.asarray(tree.tree_.threshold[inner], float)
    return found if len(found) else np.array([np.median(column[known])])


def _date(cell: str, feature: Feature, cells: Cells, row: int) -> str | None:
    """Return a date as it is spelled; raise InputError for another cell."""
    if cell.strip() in MISSING:
        return None
    if days_of(cell) is None:
        where = f"{cells.name}: {cells.unit} {cells.lines[row]}, {feature.name!r}"
        raise InputError(f"{where}: {shortened(cell)} is not a date", "write it as 2024-05-31")
    return cell


def _word(cell: str, truth: bool) -> Any:
    """Read a cell of a column of words; in a column of truth values, as one where it is one."""
    if truth:
        word = cell.strip()
        return None if word in MISSING else TRUE_FALSE.get(word, word)
    return cell or None


def arranged(features: Sequence[Feature], cells: Cells, schema: Schema) -> Background:
    """Make a background of columns and of the rows that groups of them are seen in.

    Raises SettingsError for choices that contradict each other or leave nothing to vary.
    """
    groups = [_group(name, columns, features, cells) for name, columns in schema.groups]
    if schema.onehot:
        grouped = {name for _, columns in schema.groups for name in columns}
        groups += _blocks([one for one in features if one.name not in grouped], features, cells)
    dependent = _dependent(features, groups, cells)
    if schema.auto_groups:
        groups += [_group(_together(one), one, features, cells) for one in dependent]
        dependent = ()
    digest = digest_of_features(features, groups)
    n_rows, bins = len(cells.rows), schema.bins
    plain = Background(cells.name, n_rows, tuple(features), digest, bins, tuple(groups))
    plain = replace(plain, dependent=dependent)
    if schema.joint:
        plain = replace(plain, rows=_joint(features, cells))
    return fixed_by(plain, schema)


def fixed_by(plain: Background, schema: Schema) -> Background:
    """Decide which columns are held; raise SettingsError where nothing is left to vary."""
    _check(plain, schema)
    found = replace(plain, fixed=_fixed(plain, schema))
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
            raise SettingsError(f"--text-column {name}: contains no texts", "leave it out")
    check_names(schema.of_parts(), background.names, "the model is not given a column")


def _check_bins(background: Background) -> None:
    """Raise SettingsError for groups of numbers that have no bins to stay in."""
    for group in background.groups:
        if background.bins == UNCUT and any(one.numeric for one in group.features):
            said = f"--bins none: the numbers of group {group.name!r} have no bins to stay in"
            raise SettingsError(said, "leave one out")


def _fixed(background: Background, schema: Schema) -> dict[str, str]:
    """Tell for columns and groups that are not drawn why; for one whose words vary, nothing."""
    dates = {one.name for one in background.features if one.date and not one.numeric}
    fixed = {}
    for name in background.names:
        reason = schema.reason(name, name in dates)
        if reason or name in schema.texts:
            fixed[name] = reason
    return fixed


def _dependent(
    features: Sequence[Feature], groups: Sequence[Group], cells: Cells
) -> tuple[tuple[str, ...], ...]:
    """Find columns that determine each other among those in no group."""
    grouped = {one.name for group in groups for one in group.features}
    free = [one for one in features if one.name not in grouped and not one.constant]
    if not 2 <= len(free) <= MOST_COLUMNS:
        return ()
    sets = dependent_sets(free, categories_of(free, _some(cells, DEPENDENCE_ROWS)))
    return tuple(tuple(free[j].name for j in one) for one in sets)


def _together(columns: Sequence[str]) -> str:
    """Name a group by its first columns."""
    more = f" and {len(columns) - 2} more" if len(columns) > 2 else ""
    return " + ".join(columns[:2]) + more


def _some(cells: Cells, most: int) -> Cells:
    """Return some of the rows, evenly spaced."""
    n = len(cells.rows)
    if n <= most:
        return cells
    places = different(np.linspace(0, n - 1, most).round().astype(np.int64)).tolist()
    return cells.chosen(places)


MOST_JOINT = 1_000
"""Rows of a background that columns are replaced from together, at most, evenly spaced."""


def _joint(features: Sequence[Feature], cells: Cells) -> IntArray:
    return categories_of(features, _some(cells, MOST_JOINT))


def _group(name: str, columns: Sequence[str], features: Sequence[Feature], cells: Cells) -> Group:
    found = {one.name: (place, one) for place, one in enumerate(features)}
    places, members = zip(*(found[column] for column in columns), strict=True)
    return group_of(name, members, places, categories_of(members, cells))


def group_of(name: str, members: Sequence[Feature], places: Sequence[int], rows: IntArray) -> Group:
    """Make a group of columns from the category numbers that rows have in them, (rows, columns)."""
    categories, counts = np.unique(rows, axis=0, return_counts=True)
    return Group(name, tuple(members), tuple(places), categories, counts / counts.sum())


def categories_of(features: Sequence[Feature], cells: Cells) -> IntArray:
    """Return the category number that each row has in each column, (rows, columns)."""
    found = np.empty((len(cells.rows), len(features)), np.int64)
    for j, feature in enumerate(features):
        if feature.values.dtype.kind in "if":
            found[:, j] = feature.categories(cells.numbers(feature.name))
            continue
        values = (parse_cell(feature, cells, row) for row in range(len(cells.rows)))
        category = feature.category_of
        found[:, j] = [category[None if is_missing(value) else value] for value in values]
    return found


def _blocks(free: list[Feature], features: Sequence[Feature], cells: Cells) -> list[Group]:
    """Find exclusive 0/1 columns among those in no group."""
    places = {one.name: place for place, one in enumerate(features)}
    binary = [one for one in free if not one.date and set(one.values.tolist()) <= {0, 1}]
    runs = exclusive_blocks(
        {one.name: one.values.astype(np.uint8)[categories_of([one], cells)[:, 0]] for one in binary}
    )
    found = []
    for prefix, columns in runs.items():
        name = f"{columns[0]}..{columns[-1]}" if prefix in places else prefix
        members = [features[places[column]] for column in columns]
        rows = categories_of(members, cells)
        group = group_of(name, members, [places[column] for column in columns], rows)
        found.append(replace(group, onehot=True))
    return found
