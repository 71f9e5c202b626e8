"""What of a table speaks against its being such as a model was fitted on.

Nothing is refused for it: a reader is told what it is, and which option may help.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import CodedWarning, FloatArray, different
from lime_cli.errors import LimexError, and_more
from lime_cli.models.model_file import Known, ModelInput, Reach
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import Background, parse_cell
from lime_cli.tabular.codes import answers_of
from lime_cli.tabular.groups import Feature, is_missing
from lime_cli.tabular.names import is_label
from lime_cli.tabular.row import table_of

ENOUGH = 0.01
"""Share of the rows from which what a model does not know counts."""

NAMED = 3
"""Columns or categories that a sentence names, at most."""

BEYOND = 2**53
"""From here on, floating-point numbers are not all whole numbers."""


def unknown_categories(
    background: Background, known: Mapping[int, Known]
) -> tuple[CodedWarning, ...]:
    """Warn of categories of the background that the model does not know."""
    said: list[tuple[float, str]] = []
    for place, one in known.items():
        if one.filling or place >= len(background.features):
            continue
        feature, values = background.features[place], set(one.values)
        values |= {float(value) for value in values if _is_beyond_floats(value)}
        pairs = zip(feature.values.tolist(), feature.frequencies.tolist(), strict=True)
        unknown = [
            (category, share)
            for category, share in pairs
            if (not one.gaps if is_missing(category) else category not in values)
        ]
        new = [pair for pair in unknown if not one.some or is_missing(pair[0])]
        share = sum(one for _, one in new)
        if share >= ENOUGH:
            category, _ = max(new, key=lambda pair: pair[1])
            others = f" and {len(new) - 1} more" if len(new) > 1 else ""
            word = "a missing value" if is_missing(category) else repr(category)
            said.append((share, f"{feature.name} {word}{others} ({share:.0%} of rows)"))
    if not said:
        return ()
    said.sort(key=lambda pair: -pair[0])
    words = and_more([one for _, one in said], NAMED, "; ")
    return (
        CodedWarning(
            "unknown_category",
            f"the model does not know these categories: {words}; see --read-as, --strip, "
            "--strings, --na-values",
        ),
    )


def _is_beyond_floats(value: object) -> bool:
    return isinstance(value, int) and BEYOND <= abs(value) < HUGE


HUGE = 10**300
"""From here on, whole numbers are no floating-point numbers."""


def gaps_unseen(background: Background, gapless: Iterable[int]) -> tuple[CodedWarning, ...]:
    """Warn of missing values in columns in which a model met none: they may have been filled."""
    said, medians = [], {}
    for feature in (background.features[i] for i in gapless if i < len(background.features)):
        pairs = zip(feature.values.tolist(), feature.frequencies.tolist(), strict=True)
        share = sum(one for value, one in pairs if is_missing(value))
        if share > 0 and not feature.constant:
            said.append((share, feature.name))
            if feature.values.dtype != object:
                medians[feature.name] = feature.middle
    if not said:
        return ()
    said.sort(key=lambda pair: (-pair[0], pair[1]))
    listed = ", ".join(f"{name!r} ({share:.0%} of rows)" for share, name in said[:NAMED])
    more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
    words = f"values of {listed}{more} are missing, and the model most likely met none when it was "
    hint = "if its owner fills them in first, do so too"
    first = next((name for _, name in said if name in medians), None)
    if first is not None:
        hint += f", as with the median, {filled_with({first: medians[first]})}"
    return (CodedWarning("gaps_unseen", f"{words}fitted; {hint}"),)


def filled_with(numbers: Mapping[str, float]) -> str:
    """Write the options that put a number into the gaps of each column."""
    pairs = (f"{name}=:{number:.15g}" for name, number in numbers.items())
    return " ".join(f"--map {shlex.quote(one)}" for one in pairs)


def other_scale(background: Background, ranges: Mapping[int, Reach]) -> tuple[CodedWarning, ...]:
    """Warn of columns of numbers that lie far from all that a model compares them with.

    A model that was fitted on scaled columns tells no two rows of such a table apart.
    """
    far = []
    for feature, one in _ranged(background, ranges):
        first, middle, last = _ends(feature)
        above, below = (middle, middle) if one.rows else (first, last)
        apart = above > one.high + _reach(one) or below < one.low - _reach(one)
        if apart or (not one.rows and _is_beside(one, first, middle, last)):
            words = f"{feature.name} {first:.4g} to {last:.4g} for {one.low:.3g} to {one.high:.3g}"
            far.append(words)
    if not far:
        return ()
    words = "columns lie far from everything that the model compares them with: "
    words += and_more(far, NAMED, "; ")
    hint = "was it fitted behind a scaler? name its file with --transformer, or save both as one "
    hint += "pipeline"
    return (CodedWarning("other_scale", f"{words}; {hint}"),)


def _is_beside(one: Reach, first: float, middle: float, last: float) -> bool:
    """Tell splits close together, some outside of a column, and all on one side of its middle.

    A tree splits between the numbers that it was fitted on: those were others.
    """
    close = one.high - one.low < (last - first) / 4
    outside = (one.low < first and middle > one.high) or (one.high > last and middle < one.low)
    return close and outside


def _ends(feature: Feature) -> tuple[float, float, float]:
    """Return the smallest, the middle and the largest number of a column."""
    values = feature.sizes[~np.isnan(feature.sizes)]
    return float(values[0]), feature.middle, float(values[-1])


def _ranged(background: Background, ranges: Mapping[int, Reach]) -> Iterator[tuple[Feature, Reach]]:
    """Yield the columns of numbers of which is known what a model compares them with."""
    for place, one in ranges.items():
        feature = background.features[place] if place < len(background.features) else None
        if feature is not None and not feature.constant and feature.values.dtype.kind in "if":
            yield feature, one


def _reach(one: Reach) -> float:
    """Return how far beyond what a model knows numbers may lie."""
    return max(one.high - one.low, abs(one.low) / 2, abs(one.high) / 2, 1e-300)


NEARLY = 1e-6
"""Of a number: what rounding to single precision changes, at most."""


class Spike(NamedTuple):
    """The smallest or the largest number of a column, where many rows have it."""

    number: float
    share: float
    """Of the rows."""
    values: FloatArray
    """The other numbers, ascending."""
    shares: FloatArray
    """Of the rows, of each of them."""

    def is_beyond(self, one: Reach) -> bool:
        """Tell whether it lies far outside of what a model knows, where all others lie in it.

        A median alone tells whether rows had it: it is nearer to that of the column without it.
        """
        if one.robust:
            values, shares = np.append(self.values, self.number), np.append(self.shares, self.share)
            centre = (one.low + one.high) / 2
            off = abs(centre - _centres(values, shares)[1])
            if off <= abs(centre - _centres(self.values, self.shares)[1]):
                return False
        inside = (self.values >= one.low - _reach(one)) & (self.values <= one.high + _reach(one))
        far = self.number < one.low - _reach(one) or self.number > one.high + _reach(one)
        return bool(far and inside.all())

    @property
    def is_apart(self) -> bool:
        """Whether it lies farther from all others than these lie from each other."""
        near, far = self.values[0], self.values[-1]
        away = max(near - self.number, self.number - far)
        return bool(len(self.values) > 1 and away > max(far - near, abs(near) / 2, abs(far) / 2))


def spikes(feature: Feature) -> Iterator[Spike]:
    """Yield the ends of a column of numbers that may stand for missing values."""
    present = ~np.isnan(feature.values.astype(float))
    values, shares = feature.values[present].astype(float), feature.frequencies[present]
    for place in (0, len(values) - 1):
        if len(values) > 2 and ENOUGH <= shares[place] < 1 - ENOUGH:
            rest = np.arange(len(values)) != place
            yield Spike(float(values[place]), float(shares[place]), values[rest], shares[rest])


class LeftOut(NamedTuple):
    """A number that an imputer may have taken for a missing value."""

    number: float
    certain: bool
    likely: bool
    """Whether it is so if others of the table are."""
    apart: bool
    """Whether it lies far from all others."""
    share: float
    """Of the rows."""


def left_out_of(feature: Feature, known: Known, n_rows: int) -> Iterator[LeftOut]:
    """Yield numbers of a column without which it has the mean, or the median, that is filled in.

    Those are passed over with which it has.
    """
    if known.strategy not in ("mean", "median") or len(known.values) != 1:
        return
    filled, own = float(known.values[0]), ("mean", "median").index(known.strategy)
    for one in spikes(feature):
        values, shares = np.append(one.values, one.number), np.append(one.shares, one.share)
        off = abs(filled - _centres(values, shares)[own])
        near = abs(filled - _centres(one.values, one.shares)[own])
        exact = near <= EXACT * abs(filled)
        noise = _deviation(one.values, one.shares) / n_rows**0.5
        as_whole = _deviation(values, shares) / n_rows**0.5 if known.strategy == "mean" else 0.0
        if off <= max(NEAR * as_whole, NEARLY * abs(filled)) and not exact:
            continue
        if off <= NEARLY * abs(filled):
            continue
        alone = known.strategy == "mean" or off > NEAR * noise or one.is_apart
        sure = (exact and alone) or (near <= NEAR * noise and off > FAR * noise)
        if sure or exact or one.is_apart:
            yield LeftOut(one.number, sure, exact, one.is_apart, one.share)


NEAR, FAR = 3.0, 8.0
"""Standard errors that are no difference, and those that are one."""

EXACT = 1e-9
"""Of a number: what summing in another order changes, at most."""


def _centres(values: FloatArray, shares: FloatArray) -> tuple[float, float]:
    """Return mean and median."""
    order = np.argsort(values)
    reached = np.cumsum(shares[order]) / shares.sum()
    low, high = np.argmax(reached >= 0.5 - EXACT), np.argmax(reached > 0.5 + EXACT)
    middle = (values[order][low] + values[order][high]) / 2
    return float(values @ shares / shares.sum()), float(middle)


def _deviation(values: FloatArray, shares: FloatArray) -> float:
    mean = values @ shares / shares.sum()
    return float(((values - mean) ** 2 @ shares / shares.sum()) ** 0.5)


def numbers_for_gaps(background: Background, given: ModelInput) -> dict[str, float]:
    """Return columns with the number that stands for a missing value, as the model shows.

    An imputer left it out, or it lies far beyond all that trees met that met missing values.
    """
    found: dict[str, float] = {}
    likely: dict[str, float] = {}
    for place, feature in enumerate(background.features):
        if feature.constant or feature.values.dtype.kind not in "if":
            continue
        known, reach = given.known.get(place), given.ranges.get(place)
        left_out = [] if known is None else [*left_out_of(feature, known, background.n_rows)]
        for one in left_out:
            if one.certain or one.likely:
                (found if one.certain else likely)[feature.name] = one.number
        if not left_out and reach is not None and reach.rows and place in given.gapful:
            beyond = [one.number for one in spikes(feature) if one.is_beyond(reach)]
            found |= {feature.name: beyond[0]} if len(beyond) == 1 else {}
    certain = {*found.values()}
    return found | {name: one for name, one in likely.items() if one in certain}


def far_numbers(background: Background, given: ModelInput) -> tuple[CodedWarning, ...]:
    """Warn of numbers such as -999 that many rows have and a model does not tell from others."""
    found: dict[str, tuple[float, float]] = {}
    for feature, one in _ranged(background, given.ranges):
        for spike in spikes(feature):
            above = spike.number > spike.values[-1]
            slack = NEARLY * max(abs(spike.values[0]), abs(spike.values[-1]))
            split = one.high > spike.values[-1] if above else one.low <= spike.values[0] + slack
            if spike.is_apart and (spike.is_beyond(one) if one.rows else not split):
                found[feature.name] = (spike.number, spike.share)
    for place, known in given.known.items():
        column = background.features[place] if place < len(background.features) else None
        if column is not None and column.values.dtype.kind in "if":
            for left_out in left_out_of(column, known, background.n_rows):
                if left_out.apart:
                    found.setdefault(column.name, (left_out.number, left_out.share))
    said = [f"{name} {number:g} ({share:.0%} of rows)" for name, (number, share) in found.items()]
    options = [f"{number:g}" for number, _ in found.values()]
    if not said:
        return ()
    words = f"numbers lie far from all that the model knows: {and_more(said, NAMED, '; ')}"
    hint = f"if they stand for missing values, --na-values {','.join(dict.fromkeys(options))}"
    return (CodedWarning("far_numbers", f"{words}; {hint}"),)


COMPARED = 60
"""Rows, at most, that tell whether a column holds what the model predicts."""


def predicted_like(
    background: Background, some: Cells | None, given: ModelInput
) -> tuple[CodedWarning, ...]:
    """Warn of columns by position that hold the very classes that a model predicts.

    The model is asked about two rows at a time, while there is a column that may be one.
    """
    if some is None or given.columns is not None or given.predictions is None:
        return ()
    rows = different(np.linspace(0, len(some.rows) - 1, COMPARED).astype(int)).tolist()
    features = background.features
    classes: dict[int, dict[str, int]] = {place: {} for place in range(len(features))}
    for start in range(0, len(rows) - 1, 2):
        pair = rows[start : start + 2]
        try:
            cells, answers = _asked(background, some, given.predictions, pair)
        except LimexError:  # told where it matters
            return ()
        if answers.shape[1] < 2:
            return ()
        for place, known in list(classes.items()):
            for value, chosen in zip(map(str, cells[place]), answers.argmax(axis=1), strict=True):
                known.setdefault(value, int(chosen))
                if known[value] != chosen or len(set(known.values())) < len(known):
                    classes.pop(place, None)
        if not classes:
            return ()
    alike = [features[place].name for place, known in classes.items() if len(known) > 1]
    if len(alike) != 1 or is_label(alike[0]):
        return ()
    words = f"{alike[0]!r} agrees with the model in every row compared; if it holds the "
    return (CodedWarning("label_like", f"{words}true classes, --drop {alike[0]!r} leaves it out"),)


def _are_certain(predicted: FloatArray) -> bool:
    """Tell probabilities (n, k) of one class that are all as good as 1."""
    highest = predicted.max(axis=1)
    same = len({*predicted.argmax(axis=1).tolist()}) == 1
    return same and bool((highest > 1 - CERTAIN).all() and (highest <= 1 + CERTAIN).all())


CERTAIN = 1e-6
"""By how much a probability is below 1 that says nothing is in doubt."""

MANY = 20
"""Rows that are not all of one class by chance."""


def _asked(
    background: Background, some: Cells, predictions: Callable[[Any], Any], rows: Sequence[int]
) -> tuple[list[list[Any]], FloatArray]:
    """Return the values of some rows by column, and what the model predicts for them, (rows, k)."""
    cells = [[parse_cell(one, some, row) for row in rows] for one in background.features]
    columns = [one.column(held) for one, held in zip(background.features, cells, strict=True)]
    return cells, np.asarray(predictions(table_of(background, columns)), float)


def _as_often(held: Sequence[str]) -> list[int]:
    """Return rows, some of them repeatedly, in which each value is as often as any other."""
    places: dict[str, list[int]] = {}
    for row, value in enumerate(held):
        places.setdefault(value, []).append(row)
    most = max(map(len, places.values()))
    return [int(row) for one in places.values() for row in np.resize(one, most)]


def _loss(cells: Cells, spare: Sequence[str], predicted: FloatArray, taken: list[int]) -> float:
    """Return how far predictions of some rows are from a column of answers; 1 for a guess."""
    answers = answers_of(cells.chosen(taken), spare, predicted.shape[1])
    return min((float(one.losses(predicted[taken][one.rows]).mean()) for one in answers), default=0)


MISSED = 1.5
"""Squared error of predictions, as a share of the answers' spread, from which they are no use."""


def missed_answers(
    background: Background, some: Cells | None, given: ModelInput
) -> tuple[CodedWarning, ...]:
    """Warn where a model predicts a column of true classes worse than one who guesses.

    It is then most likely fed otherwise than when it was fitted. So is one that is certain of the
    same class for all rows, unless trees are: of rare classes, these may well be. One that expects
    a rare class too often on purpose is of use where all classes are as frequent.
    """
    names = {one.name for one in background.features}
    spare = [one for one in some.header if one not in names and is_label(one)] if some else []
    compared = len(spare) == 1 or not given.ranges
    if some is None or not compared or given.predictions is None:
        return ()
    rows = different(np.linspace(0, len(some.rows) - 1, COMPARED * 2).astype(int)).tolist()
    try:
        _, predicted = _asked(background, some, given.predictions, rows)
        kept, losses = some.chosen(rows), []
        if len(spare) == 1:
            every, evenly = list(range(len(rows))), _as_often(kept.column(spare[0]))
            losses = [_loss(kept, spare, predicted, taken) for taken in (every, evenly)]
    except LimexError:  # told where it matters
        return ()
    if predicted.shape[1] < 2:
        return ()
    if losses and min(losses) >= MISSED:
        words = f"the model predicts column {spare[0]!r} worse than a guess would"
    elif not given.ranges and len(rows) >= MANY and _are_certain(predicted):
        words = "the model is certain of the same class for all rows compared"
    else:
        return ()
    hint = "if it was fitted behind a scaler or a logarithm, save both as one pipeline"
    return (CodedWarning("answers_missed", f"{words}; {hint}"),)
