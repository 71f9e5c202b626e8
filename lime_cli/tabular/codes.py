"""Words of a table that a model takes as numbers: which number stands for which word.

Whoever made such a model replaced the words by hand: yes by 1, ``small, medium, large`` by 0 to 2.
Nothing in the model says how. Where the table also holds what the model ought to answer, ways of
numbering that do not fit the answers are ruled out; where one is left, it is taken, and said.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations, permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import CodedWarning, FloatArray
from lime_cli.errors import InputError, LimexError
from lime_cli.models.model_file import ENCODES, ModelInput, Reach
from lime_cli.tables.cells import Cells
from lime_cli.tables.dialect import MISSING, NUMBER
from lime_cli.tabular.background import Background, parse_cell
from lime_cli.tabular.groups import Codes, Dummies, Feature, is_missing, word_of
from lime_cli.tabular.names import typed
from lime_cli.tabular.reading import UNIT, columns_said, plainly
from lime_cli.tabular.row import row_of, table_of
from lime_cli.tabular.schema import OPEN, Maps, map_option

ORDERS = (
    "never rarely sometimes often usually always",
    "no non-travel travel_rarely travel_frequently",
    "none po fa ta gd ex",
    "bad poor fair average good very good excellent",
    "very low low medium high very high",
    "small medium large",
    "small med big",
    "cold mild warm hot",
    "down flat up",
    "primary secondary tertiary",
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "monday tuesday wednesday thursday friday saturday sunday",
    "mon tue wed thu fri sat sun",
)
"""Words that are numbered in this order, whatever the alphabet says."""

TWO_WORDS = {"very good": "very_good", "very low": "very_low", "very high": "very_high"}

MOST_WORDS = 24
"""Different words of a column that may be numbers, at most."""

FEW_WORDS = 4
"""Words of which all orders are tried."""

ROWS = 600
"""Rows that are compared with answers, at most."""

FEWEST_ROWS = 40
"""Rows, at least, that say anything."""

ASKED = 60_000
"""Rows that the model is asked about in one go, at most."""

ROUNDS = 4
"""How often each column is looked at again, at most."""

SKILL = 0.1
"""Share of the spread of the answers that predictions must explain, at least."""

CLEAR = 3.0
"""Standard errors by which one way of numbering must be better than each other."""

EXACT = 1e-9
"""Of the spread of the answers: predictions that are no farther off are the answers."""

Numbering = tuple[float, ...]
"""Of a column: the number for each of its words, NaN for none."""


class Worded(NamedTuple):
    """A column of words that are numbers to the model."""

    place: int
    name: str
    words: tuple[str, ...]
    """In the order of the alphabet, as ``word_of`` spells them; missing values last."""
    seen: tuple[str, ...]
    """In the order in which the table has them."""
    reach: Reach | None = None
    """What the model compares the numbers with, where that is known."""
    shares: tuple[float, ...] = ()
    """Of the rows, of each word."""

    @property
    def ways(self) -> list[Numbering]:
        """How people number these words: by alphabet, by sense, in the order of the table."""
        present = [one for one in self.words if one != word_of(None)]
        n = len(present)
        orders = [[present.index(one) for one in present]]
        orders += [[self.seen.index(one) for one in present]]
        orders += [[n - 1 - i for i in orders[0]]] if n == 2 else []
        for line in ORDERS:
            known = _scale(line)
            if all(one.casefold() in known for one in present):
                ranks = [known.index(one.casefold()) for one in present]
                orders += [[sorted(ranks).index(one) for one in ranks], ranks]
        found = [tuple(map(float, one)) for one in orders]
        found += [self.by_digits[:n]] if self.by_digits is not None else []
        found += [tuple(number + 1 for number in one) for one in found]
        if n == len(self.words):
            return list(dict.fromkeys(found))
        # a missing value stays one, or is the word 'nan', or gets a number of its own
        with_gap = [(*one, gap) for one in found for gap in (np.nan, 0.0, -1.0, float(n))]
        return [one for one in dict.fromkeys(with_gap) if one[-1] not in one[:-1]]

    def moved(self, way: Numbering) -> Iterator[Numbering]:
        """Yield ways with the number of a word one higher or lower."""
        for i, word in enumerate(self.words):
            if word != word_of(None):
                yield from ((*way[:i], way[i] + step, *way[i + 1 :]) for step in (-1.0, 1.0))

    def is_within(self, way: Numbering) -> bool:
        """Tell whether the model can have learnt from these numbers what it compares them with."""
        there = [number for number in way if number == number]
        if self.reach is None or not self.reach.exact:
            return True
        ends = (self.reach.low, self.reach.high)
        if all(map(float.is_integer, there)) and not all(map(_is_half, ends)):
            return False  # splits lie halfway between numbers, or on them
        low, high = min(there) - self.reach.low, self.reach.high - max(there)
        return low <= 0 and high <= 0 and (self.reach.rows or low < 0 or high < 0)

    def by_scale(self, scales: Iterable[tuple[str, ...]]) -> Numbering | None:
        """The numbering of the only encoder beside the model that knows all of these words."""
        fitting = {one for one in scales if {*self.words} <= {*one}}
        if len(fitting) != 1:
            return None
        (scale,) = fitting
        way = tuple(float(scale.index(word)) for word in self.words)
        return way if self.is_within(way) else None

    @property
    def by_reach(self) -> Numbering | None:
        """The only way of which the model can have learnt what it compares the numbers with."""
        if self.reach is None or not self.reach.exact or word_of(None) in self.words:
            return None
        within = [way for way in (*self.ways, self.shares) if way and self.is_within(way)]
        return within[0] if len(within) == 1 else None

    def is_shifted(self, way: Numbering) -> bool:
        """Tell numbers that hardly anybody gives: two that are not 0 and 1, or below 0."""
        there = {n for n, word in zip(way, self.words, strict=True) if word != word_of(None)}
        return min(there) < 0 or (len(there) == 2 and there != {0.0, 1.0})

    @property
    def by_digits(self) -> Numbering | None:
        """The number in each word, 0 for one without; None where that tells them not apart."""
        present = [one for one in self.words if one != word_of(None)]
        digits = [_number_in(one) for one in present]
        lacking = sum(one is None for one in digits)
        if len(present) < 2 or lacking > min(1, len(present) - 2) or len({*digits}) < len(present):
            return None
        found = (0.0 if one is None else one for one in digits)
        return (*found, *[np.nan] * (len(self.words) - len(present)))

    @property
    def by_sense(self) -> Numbering | None:
        """How these words are numbered by their sense; None where they have no order."""
        present = [one.casefold() for one in self.words if one != word_of(None)]
        for scale in map(_scale, ORDERS):
            if {*present} <= {*scale}:
                ranks = sorted(map(scale.index, present))
                found = (float(ranks.index(scale.index(one))) for one in present)
                return (*found, *[np.nan] * (len(self.words) - len(present)))
        return None

    def others(self, one: Numbering) -> Iterator[Numbering]:
        """Yield other ways: all orders of few words, of many those with two words exchanged."""
        n = sum(word != word_of(None) for word in self.words)
        gap = one[n:]
        if n <= FEW_WORDS:
            low = min(one[:n])
            yield from ((*(low + i for i in order), *gap) for order in permutations(range(n)))
            yield from ((*(number - 1 for number in one[:n]), *gap),)
            return
        for i, j in combinations(range(n), 2):
            numbering = list(one)
            numbering[i], numbering[j] = one[j], one[i]
            yield tuple(numbering)


def _is_half(number: float) -> bool:
    return abs(2 * number - round(2 * number)) < ROUGHLY


ROUGHLY = 1e-3
"""By how much a split may lie beside the half of a whole number."""


def _scale(line: str) -> list[str]:
    for words, joined in TWO_WORDS.items():
        line = line.replace(words, joined)
    return [one.replace("_", " ") if one in TWO_WORDS.values() else one for one in line.split()]


def _number_in(word: str) -> float | None:
    found = re.findall(r"\d+", word)
    return float(found[0]) if len(found) == 1 else None


def worded(features: Sequence[Feature], some: Cells, given: ModelInput) -> list[Worded]:
    """Return the columns of words that no encoder of a model knows, as far as they are few."""
    found = []
    for place, one in enumerate(features):
        known = given.known.get(place)
        knows = known is not None and any(isinstance(value, str) for value in known.values)
        if one.values.dtype != object or one.date or knows:
            continue
        words = tuple(map(word_of, one.values.tolist()))
        seen = map(word_of, (cell.strip() or None for cell in some.column(one.name)))
        order = dict.fromkeys(cell for cell in seen if cell in words)
        order |= dict.fromkeys(words)
        shares = tuple(one.frequencies.tolist())
        reach = given.ranges.get(place)
        found.append(Worded(place, one.name, words, tuple(order), reach, shares))
    return found


def numbered(columns: Sequence[Worded], numberings: Sequence[Numbering]) -> Codes:
    """Return the number for each word of some columns."""
    return {
        one.name: dict(zip(one.words, numbering, strict=True))
        for one, numbering in zip(columns, numberings, strict=True)
    }


def _pairs(words: Iterable[str], numbering: Iterable[float]) -> str:
    pairs = sorted(zip(words, numbering, strict=True), key=lambda pair: pair[1])
    return ",".join(f"{word}:{number:g}" for word, number in pairs if number == number)


FIT, BESIDE = "what the model compares them with", "an encoder beside the model"
"""What numbers for words may be found by."""


def said(codes: Codes, fit: str) -> tuple[CodedWarning, ...]:
    """Say which numbers stand for words, and what they were found by."""
    listed = "; ".join(f"{name} {_pairs(held, held.values())}" for name, held in codes.items())
    words = f"words are given to the model as the numbers that fit {fit}: {listed}"
    return (CodedWarning("words_numbered", f"{words}; --map sets other numbers"),)


class Answers(NamedTuple):
    """What a column of the table says that the model ought to answer."""

    label: str
    rows: NDArray[np.int64]
    """Those of the rows compared that have an answer."""
    losses: Callable[[FloatArray], FloatArray]
    """From predictions (n, k) to how far each is off, as a share of the spread: 1 for the mean."""


def answers_of(cells: Cells, spare: Sequence[str], n_outputs: int) -> Iterator[Answers]:
    """Yield what columns that the model is not given may say of its answers."""
    for name in spare:
        held = [cell.strip() for cell in cells.column(name)]
        present = np.array([i for i, cell in enumerate(held) if cell not in MISSING], np.int64)
        there = plainly([held[i] for i in present], cells.dialect)
        values = sorted({*there})
        if len(present) < FEWEST_ROWS or len(values) < 2:
            continue
        are_numbers = all(NUMBER.fullmatch(cell) for cell in values)
        found = np.array([*map(float, there)]) if are_numbers else np.empty(0)
        if not np.isfinite(found).all():
            continue
        if n_outputs == 1 and are_numbers:
            yield Answers(name, present, _squares(found))
            if found.min() > 0:
                yield Answers(name, present, _squares(np.log(found)))
            if found.min() >= 0:
                yield Answers(name, present, _squares(np.log1p(found)))
        elif n_outputs > 1 and len(values) == n_outputs:
            order = sorted(values, key=float) if are_numbers else values
            place = {value: i for i, value in enumerate(order)}
            true = np.array([place[cell] for cell in there])
            yield Answers(name, present, _misses(true, n_outputs))
            if n_outputs == 2 and not are_numbers:
                yield Answers(name, present, _misses(1 - true, n_outputs))
        elif n_outputs == 2 and are_numbers and all(0 <= float(cell) <= 1 for cell in values):
            yield Answers(name, present, _squares(found, 1))
            yield Answers(name, present, _squares(found, 0))


def fit_of(label: str, cells: Cells, predictions: FloatArray) -> float:
    """Return the share of the spread of a column that predictions (n, k) of its rows explain."""
    fits = (
        1 - float(one.losses(predictions[one.rows]).mean())
        for one in answers_of(cells, [label], predictions.shape[1])
    )
    return max(fits, default=0.0)


def _squares(true: FloatArray, output: int = 0) -> Callable[[FloatArray], FloatArray]:
    spread = max(float(true.var()), 1e-300)
    return lambda predictions: (predictions[:, output] - true) ** 2 / spread


def _misses(true: NDArray[np.int64], n: int) -> Callable[[FloatArray], FloatArray]:
    wanted = np.eye(n)[true]
    spread = float((wanted - wanted.mean(axis=0)).var(axis=0).sum())
    wrong = 1 - np.bincount(true).max() / len(true)

    def losses(predictions: FloatArray) -> FloatArray:
        if predictions.min() >= 0 and predictions.max() <= 1:
            squares: FloatArray = ((predictions - wanted) ** 2).sum(axis=1)
            return squares / max(spread, 1e-300)
        missed: FloatArray = (predictions.argmax(axis=1) != true) / max(wrong, 1e-300)
        return missed

    return losses


class Search:
    """Looks for the one way to number the words of columns that fits answers."""

    def __init__(
        self, columns: Sequence[Worded], spelled: Sequence[Sequence[str]], ask: Ask
    ) -> None:
        """``spelled`` are the words of each column, row by row; ``ask`` asks the model.

        It takes the numbers of each column, (candidates, rows), and returns (candidates, rows, k).
        """
        self._columns, self._ask = columns, ask
        at = [{word: i for i, word in enumerate(one.words)} for one in columns]
        self._code = [
            np.array([places[word] for word in words])
            for places, words in zip(at, spelled, strict=True)
        ]

    def predictions(self, candidates: Sequence[Sequence[Numbering]]) -> FloatArray:
        """Return (candidates, rows, k) answers to the table numbered in several ways."""
        found, n = [], max(1, ASKED // len(self._code[0]))
        for start in range(0, len(candidates), n):
            part = candidates[start : start + n]
            filled = [
                np.array([np.array(one[j])[code] for one in part])
                for j, code in enumerate(self._code)
            ]
            found.append(self._ask(filled))
        return np.concatenate(found)

    def best(self, answers: Answers) -> tuple[list[Numbering | None], float] | None:
        """Return the numbering that answers leave, None for a column with several; and how it fits.

        None where answers say nothing of the model.

        Columns are decided one after the other, from several beginnings, as long as one changes.
        """
        found: tuple[list[Numbering], float] | None = None
        for begin in self._beginnings():
            current = list(begin)
            for _ in range(ROUNDS):
                before = list(current)
                for j, one in enumerate(self._columns):
                    ways = [*one.ways, *one.others(current[j])]
                    losses = self._losses(current, j, ways, answers)
                    current[j] = ways[int(losses.mean(axis=1).argmin())]
                if current == before:
                    break
            loss = float(self._losses(current, 0, [current[0]], answers).mean())
            if found is None or loss < found[1]:
                found = current, loss
        if found is None or 1 - found[1] < SKILL:
            return None
        chosen = [self._decided(found[0], j, answers) for j in range(len(self._columns))]
        if _by_alphabet(self._columns, chosen):
            chosen = [one.ways[0] for one in self._columns]
        return chosen, 1 - found[1]

    def _beginnings(self) -> Iterator[list[Numbering]]:
        ways = [one.ways for one in self._columns]
        most = max(map(len, ways))
        yield from ([one[min(i, len(one) - 1)] for one in ways] for i in range(min(most, 3)))

    def _losses(
        self, current: Sequence[Numbering], j: int, ways: Sequence[Numbering], answers: Answers
    ) -> FloatArray:
        """Return (ways, rows) how far answers are off with a column numbered in several ways."""
        candidates = [[*current[:j], one, *current[j + 1 :]] for one in ways]
        predicted = self.predictions(candidates)
        return np.stack([answers.losses(one[answers.rows]) for one in predicted])

    def _decided(self, found: Sequence[Numbering], j: int, answers: Answers) -> Numbering | None:
        """Return how a column is numbered where that is certain.

        The usual ways come first: each must be clearly worse than the one that is taken. An
        unusual way must be clearly better than all others, the usual ones included.
        """
        column = self._columns[j]
        usual = column.ways
        ways = list(dict.fromkeys([*usual, *column.others(found[j]), found[j]]))
        losses = self._losses(found, j, ways, answers)
        means = losses.mean(axis=1)
        best, first = int(means.argmin()), int(means[: len(usual)].argmin())
        chosen = first if not _clearly(losses[first], losses[best]) else best
        exact = losses[chosen].max() <= EXACT
        if not column.is_within(ways[chosen]) or (column.is_shifted(ways[chosen]) and not exact):
            return None  # so would be a model that is off by as much everywhere
        near = self._losses(found, j, list(column.moved(ways[chosen])), answers)
        if any(_clearly(losses[chosen], one) and (one != losses[chosen]).any() for one in near):
            return None  # these may be no numbers in a row
        rivals = range(len(usual) if chosen == first else len(ways))
        for i in rivals:
            if i != chosen and not _clearly(losses[i], losses[chosen]):
                return None
        return ways[chosen]


def _by_alphabet(columns: Sequence[Worded], chosen: Sequence[Numbering | None]) -> bool:
    """Tell whether the columns that are certain show an encoder that went through all of them.

    It numbers by alphabet, which for one of them at least is what no person would think of.
    """
    decided = [(one, way) for one, way in zip(columns, chosen, strict=True) if way is not None]
    alike = all(way == one.ways[0] for one, way in decided)
    return alike and any(len(one.words) > 2 and one.by_sense != way for one, way in decided)


Ask = Callable[[Sequence[FloatArray]], FloatArray]


def _clearly(worse: FloatArray, better: FloatArray) -> bool:
    """Tell whether losses are certainly larger than others of the same rows, or the very same."""
    apart = worse - better
    if not apart.any():
        return True
    if better.max() <= EXACT:
        return bool(worse.max() > EXACT)
    error = float(apart.std()) / len(apart) ** 0.5
    return bool(apart.mean() > CLEAR * error)


def by_answers(
    columns: Sequence[Worded],
    cells: Cells,
    spelled: Sequence[Sequence[str]],
    spare: Sequence[str],
    ask: Ask,
) -> tuple[Codes, str] | None:
    """Return the one numbering that fits a column of answers, of columns where it is clear.

    And that column; None where there is none.
    """
    if any(len(one.words) > MOST_WORDS for one in columns):
        return None
    search = Search(columns, spelled, ask)
    try:
        n_outputs = search.predictions([[one.ways[0] for one in columns]]).shape[2]
        found = [
            (numbering, fit, one.label)
            for one in answers_of(cells, spare, n_outputs)
            if (best := search.best(one)) is not None
            for numbering, fit in [best]
        ]
    except LimexError:
        return None
    if not found:
        return None
    numbering, fit, label = max(found, key=lambda one: one[1])
    near = EXACT if fit > 1 - EXACT else SKILL
    rivals = [one for one in found if one[0] != numbering and one[1] > fit - near]
    clear = {} if rivals else dict(zip(columns, numbering, strict=True))
    sure = [(one, way) for one, way in clear.items() if way is not None]
    return numbered([one for one, _ in sure], [way for _, way in sure]), label


def with_codes(background: Background, codes: Codes) -> Background:
    """Give the model numbers in the place of the words of some columns."""
    names = tuple(one.name for one in background.features)
    made = background.dummies or Dummies(names, {})
    return replace(background, dummies=made._replace(codes=codes))


def without_words(
    background: Background, some: Cells | None, given: ModelInput, maps: Maps
) -> tuple[Background, tuple[CodedWarning, ...]]:
    """Put numbers in the place of words that a model takes none of: those said, else those found.

    Raises InputError where words stand for numbers that nobody knows.
    """
    told: Codes = {name: dict(pairs) for name, pairs in maps}
    background = with_codes(background, told) if told else background
    if some is None or given.takes is None or given.form == "sparse":  # which hold no words
        return background, ()
    columns = [one for one in worded(background.features, some, given) if one.name not in told]
    takes = given.takes
    if not columns or takes(_worded_row(background)):
        return background, ()

    def taken(of: Sequence[Worded]) -> bool:
        codes = {**told, **numbered(of, [one.ways[0] for one in of])}
        return takes(_worded_row(with_codes(background, codes)))

    if not taken(columns):
        return background, ()
    needed = [one for one in columns if not taken([other for other in columns if other != one])]
    united = [one.name for one in needed if _has_units(one)]
    needed = [one for one in needed if one.name not in united]
    if not needed and united:
        raise WordsForNumbers(
            f"{some.name}: the model takes numbers in {columns_said(united)}, "
            "whose cells have units",
            f"--numeric {typed(united)} gives it the numbers alone",
        )
    if not needed or any(map(_is_odd, needed)):  # told by what asks the model about each row
        return background, ()
    by_scale = {one: way for one in needed if (way := one.by_scale(given.scales)) is not None}
    by_reach = {one: way for one in needed if (way := one.by_reach) is not None}
    if certain := by_scale or by_reach:
        codes = numbered([*certain], [*certain.values()])
        pairs = ((name, tuple(held.items())) for name, held in codes.items())
        numbers, more = without_words(background, some, given, (*maps, *pairs))
        return numbers, (*said(codes, BESIDE if by_scale else FIT), *more)
    if united:
        raise _asked_for(some.name, needed, given.beside, f" --numeric {typed(united)}")
    found = _by_rows(background, some, given, needed, told)
    if found is not None and len(found[0]) == len(needed):
        return with_codes(background, {**told, **found[0]}), said(found[0], f"column {found[1]!r}")
    known = {} if found is None else found[0]
    needed = [one for one in needed if one.name not in known]
    raise _asked_for(some.name, needed, given.beside)


class WordsForNumbers(InputError):
    """Words stand for numbers that nobody knows; but for those, the model takes the table."""


def _asked_for(name: str, needed: Sequence[Worded], beside: str, more: str = "") -> WordsForNumbers:
    """Word which columns of words need numbers; ``more`` are options for others.

    ``beside`` says what lies beside the model, which may be what numbered them.
    """
    strays = {one.name: found for one in needed if (found := _strays(one))}
    if strays:
        words = list(dict.fromkeys(chain.from_iterable(strays.values())))
        columns = f"column{'s' * (len(strays) > 1)} {', '.join(map(repr, strays))}"
        return WordsForNumbers(
            f"{name}: the model takes numbers in {columns}, and among them stands "
            f"{' and '.join(map(repr, words))}",
            f"if that is a missing value, --na-values {shlex.quote(','.join(words))}; else give "
            f"its number, --map {shlex.quote(f'{next(iter(strays))}={words[0]}:N')}, or correct "
            "the cells",
        )
    listed = ", ".join(repr(one.name) for one in needed)
    options = " ".join(
        map_option(one.name, [word for word in one.words if word != word_of(None)])
        for one in needed
    )
    return WordsForNumbers(
        f"{name}: the model takes numbers in column{'s' * (len(needed) > 1)} {listed}, which "
        f"hold{'s' * (len(needed) == 1)} words",
        f"{beside}; or "
        * bool(re.search(ENCODES, beside))
        + f"replace each {OPEN} by the number that stands for the word: "
        f"{options}{more}; or give the table that it was made for",
    )


def _strays(one: Worded) -> list[str]:
    """Return the words of a column of numbers that hold no figure, one or two of them."""
    present = [word for word in one.words if word != word_of(None)]
    words = [word for word in present if NUMBER.fullmatch(word.strip()) is None]
    figures = any(map(str.isdigit, "".join(words)))
    return words if 0 < len(words) <= 2 <= len(present) - len(words) and not figures else []


def _has_units(one: Worded) -> bool:
    """Tell a column of numbers with a unit."""
    present = [word for word in one.words if word != word_of(None)]
    return len(present) > MOST_WORDS and all(map(UNIT.fullmatch, present))


def _worded_row(background: Background) -> Any:
    """Return a row of the commonest values, of columns of words the commonest that is no number."""
    columns = []
    for one in background.features:
        values = one.values.tolist()
        words = [isinstance(v, str) and NUMBER.fullmatch(v.strip()) is None for v in values]
        present = words if any(words) else [not is_missing(v) for v in values]
        place = int(np.argmax(np.where(present, one.frequencies, -1.0)))
        columns.append(one.values[place : place + 1])
    return table_of(background, columns)


def _is_odd(one: Worded) -> bool:
    """Tell columns of free text, and of numbers with marks or units among them, from words."""
    present = [word for word in one.words if word != word_of(None)]
    plain = [NUMBER.fullmatch(word) is not None for word in present]
    marks = [not any(map(str.isalnum, word)) for word in present]
    return len(present) > MOST_WORDS or (sum(plain) + sum(marks) == len(present) and any(marks))


def _by_rows(
    background: Background,
    some: Cells,
    given: ModelInput,
    needed: Sequence[Worded],
    told: Codes,
) -> tuple[Codes, str] | None:
    """Ask the model about rows, numbered in several ways, and compare with what it may answer."""
    features, takes, predictions = background.features, given.takes, given.predictions
    if takes is None or predictions is None:
        return None
    gaps = [i for i, one in enumerate(features) if one.gaps and not one.constant]
    gaps = [i for i in gaps if features[i].name not in {one.name for one in needed}]
    codes = numbered(needed, [one.ways[0] for one in needed])
    first = with_codes(background, {**told, **codes})
    whole = gaps and not takes(row_of(first, gaps))
    values = []
    for row in range(len(some.rows)):
        try:
            cells = [parse_cell(one, some, row) for one in features]
        except LimexError:
            cells = []
        missing = whole and any(map(is_missing, cells))
        values.append([] if missing else cells)
    rows = [row for row, cells in enumerate(values) if cells][:ROWS]
    if len(rows) < FEWEST_ROWS:
        return None
    held = [
        np.array([values[row][i] for row in rows], one.values.dtype)
        for i, one in enumerate(features)
    ]
    places = {one.place: j for j, one in enumerate(needed)}

    def ask(filled: Sequence[FloatArray]) -> FloatArray:
        n = len(filled[0])
        columns = [
            filled[places[i]].ravel() if i in places else np.tile(one, n)
            for i, one in enumerate(held)
        ]
        answered = predictions(table_of(background, columns))
        return np.asarray(answered, float).reshape(n, len(rows), -1)

    spelled = [list(map(word_of, held[one.place].tolist())) for one in needed]
    spare = [name for name in some.header if name not in {one.name for one in features}]
    return by_answers(needed, some.chosen(rows), spelled, spare, ask)
