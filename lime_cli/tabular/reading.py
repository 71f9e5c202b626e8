"""How the cells of a table are read for a model: as pandas reads them, or as the model knows them.

Most Python models were fitted on what ``pandas.read_csv`` made of a file. What their encoders know
of a column decides over that: a word that is one of their categories is never a missing value.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import chain, count, product
from typing import NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, and_more
from lime_cli.models.model_file import Known, ModelInput
from lime_cli.tables.cells import Cells, days_of, is_number, shortened
from lime_cli.tables.dialect import MISSING, NUMBER, TRUE_FALSE, Dialect
from lime_cli.tables.rows import check_names
from lime_cli.tabular.schema import Maps, Schema

PANDAS_MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Words that pandas reads as a missing value in every column."""

FILLED = (
    *("nan", "NaN", "<NA>", "NA", "N/A", "None", "none", "NULL", "null", "missing", "Missing"),
    *("MISSING", "unknown", "Unknown", "UNKNOWN", "empty", "-999"),
)
"""Words that people put in the place of missing values."""

GAPS = frozenset(one for one in FILLED if one.isalpha())
"""Those among them that are words."""

ENOUGH = 0.01
"""Share of the rows from which what a model does not know counts."""

NAMED = 3
"""Columns or categories that a sentence names, at most."""


def _missing(cell: str) -> str:
    return "" if cell in PANDAS_MISSING else cell


def _stripped(cell: str) -> str:
    return cell.strip()


@lru_cache(maxsize=4096)
def _whole(cell: str) -> str:
    """Write a number without a point and zeros around it: 3 for 3.0 and 03."""
    if NUMBER.fullmatch(cell) is None or not float(cell).is_integer():
        return cell
    return str(int(float(cell))) if "." in cell or "e" in cell.lower() else str(int(cell))


@lru_cache(maxsize=4096)
def _pointed(cell: str) -> str:
    """Write a number as Python writes a float: 3.0 for 3."""
    return repr(float(cell)) if NUMBER.fullmatch(cell) else cell


UNIT = re.compile(
    r"(?P<before>[^\d\s.,+-]{0,4})\s*(?P<number>[+-]?(?:\d[\d.,' \u00a0\u202f]*\d|\d))\s*"
    r"(?P<after>[^\d\s.,][^\d]*)?"
)
"""A number with what it counts, as in ``25.0 kmpl``, ``$1,200`` and ``12 %``."""


@lru_cache(maxsize=4096)
def _unitless(cell: str) -> str:
    """Return a number without what it counts; in parentheses, as accountants write it, negative."""
    found = UNIT.fullmatch(cell.strip())
    if found is None:
        return cell
    negative = "(" in (found["before"] or "") and (found["after"] or "").strip() == ")"
    return "-" * negative + found["number"]


MULTIPLE = re.compile(r"(?P<number>\d+(\.\d+)?)\s?(?P<mark>[kKMB])", re.ASCII)
"""A number of thousands, millions or billions."""

KELVIN = re.compile(r"[\d.,]+\s+K", re.ASCII)
"""A temperature: a unit stands apart from its number, a K of thousands does not."""

TIMES = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}


@lru_cache(maxsize=4096)
def _multiplied(cell: str) -> str:
    found = MULTIPLE.fullmatch(cell.strip().strip("$\u20ac\u00a3"))
    return cell if found is None else str(Decimal(found["number"]) * TIMES[found["mark"]])


MULTIPLES = frozenset(
    ("k", "m", "b", "bn", "mn", "mio", "mrd", "t", "%", "\u2030", "lakh", "crore")
)
"""What stands behind a number that is then a multiple of it, or a part."""

SPELLED = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*")
"""A number in whatever spelling."""


class Spelling(NamedTuple):
    """How a table most likely spells its numbers, where no person said."""

    decimal: str
    thousands: str | None
    columns: tuple[str, ...]
    """Columns of numbers that cannot be read otherwise."""
    united: tuple[str, ...]
    """Those with a unit, the same in all cells."""

    def said(self) -> tuple[CodedWarning, ...]:
        """Say how numbers are read."""
        if not {*self.columns} - {*self.united} and self.decimal == "." and not self.thousands:
            return ()  # units are told by what cuts them off
        marks = [f"{self.decimal!r} before decimals"] if self.decimal == "," else []
        marks += [f"{self.thousands!r} between thousands"] if self.thousands else []
        words = f"numbers in {columns_said(self.columns)} are read with {' and '.join(marks)}"
        return (CodedWarning("numbers_read", f"{words}; --decimal and --thousands change this"),)


def spelling_of(columns: Mapping[str, Iterable[str]]) -> Spelling | None:
    """Return how columns of cells spell numbers that Python cannot read; None if that is unclear.

    A mark before three figures may stand for decimals or thousands: other numbers of the table
    must tell.
    """
    decimals: set[str] = set()
    thousands: set[str] = set()
    found: dict[str, bool] = {}
    for name, held in columns.items():
        cells = [cell.strip() for cell in {*held} if cell.strip() not in MISSING]
        if not cells or all(map(NUMBER.fullmatch, cells)):
            continue
        units = {_unit(cell) for cell in cells}
        units = units - {("(", ")")} or units  # which say that a number is negative
        united = any(map(_is_negative, cells)) or (len(units) == 1 and units != {("", "")})
        if None in units or len(units) > 1 or any({*one} & MULTIPLES for one in units if one):
            continue
        bare = [_unitless(cell) for cell in cells] if united else cells
        if not all(map(SPELLED.fullmatch, bare)):
            continue
        found[name] = united
        groups = [marks for marks in map(_marks, bare) if marks is not None]
        decimals |= {one for one, _ in groups if one}
        thousands |= {one for _, one in groups if one}
        open_ones = {mark for cell in bare for mark in ",." if _is_open(cell, mark)}
        small = all(_is_open(one, ",") or (one.isdigit() and len(one) < 4) for one in bare)
        if open_ones == {","} and small and any(map(str.isdigit, bare)):
            thousands.add(",")  # from a thousand on, all have it
    if not found or len(decimals) > 1 or len(thousands) > 1 or decimals & thousands:
        return None
    decimal, mark = next(iter(decimals), "."), next(iter(thousands), None)
    mark = None if mark == decimal else mark
    dialect = Dialect(decimal=decimal, thousands=mark)
    for name, united in found.items():
        cells = [one.strip() for one in {*columns[name]} if one.strip() not in MISSING]
        bare = [_unitless(cell) for cell in cells] if united else cells
        if not all(NUMBER.fullmatch(dialect.plain(cell)) for cell in bare):
            return None
    return Spelling(decimal, mark, tuple(found), tuple(one for one, own in found.items() if own))


def plainly(cells: Sequence[str], dialect: Dialect) -> list[str]:
    """Spell the numbers of a column as Python does, without what they count; words stay words."""
    found = [dialect.plain(cell) for cell in cells]
    if all(map(NUMBER.fullmatch, found)):
        return found
    spelling = spelling_of({"": cells})
    if spelling is None:
        return [*cells]
    dialect = Dialect(decimal=spelling.decimal, thousands=spelling.thousands)
    return [dialect.plain(_unitless(one) if spelling.united else one) for one in cells]


def _unit(cell: str) -> tuple[str, str] | None:
    """Return what stands before and after a number, in small letters; None for no number."""
    found = UNIT.fullmatch(cell)
    if found is None:
        return None
    return (found["before"] or "").strip().casefold(), (found["after"] or "").strip().casefold()


def _is_negative(cell: str) -> bool:
    """Tell a number that stands in parentheses."""
    return _unit(cell) == ("(", ")")


def _marks(cell: str) -> tuple[str, str] | None:
    """Return the decimal mark and that of thousands, as far as a number alone tells them."""
    blanks = "\u00a0\u202f"
    marks = [" " if one in blanks else one for one in cell if not one.isdigit() and one not in "+-"]
    if not marks or _is_open(cell, marks[-1]):
        return None
    kinds = list(dict.fromkeys(marks))
    if len(kinds) == 2 and marks.count(kinds[1]) == 1:
        return kinds[1], kinds[0]
    if len(kinds) > 1:
        return None
    return ("", kinds[0]) if len(marks) > 1 or kinds[0] not in ".," else (kinds[0], "")


def _is_open(cell: str, mark: str) -> bool:
    """Tell whether the only mark of a number may stand before decimals, or between thousands."""
    return (
        bool(re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}{re.escape(mark)}\d{{3}}", cell)) and mark in ",."
    )


RULES: dict[str, Callable[[str], str]] = {
    "stripped": _stripped,
    "missing": _missing,
    "lowered": str.lower,
    "raised": str.upper,
    "whole": _whole,
    "pointed": _pointed,
    "multiplied": _multiplied,
    "unitless": _unitless,
}
"""What is done to a cell, in this order."""

SAID = {
    "stripped": "blanks around the words of {} are removed, as the model knows the words",
    "lowered": "words of {} are read in lower case, as the model knows them",
    "raised": "words of {} are read in upper case, as the model knows them",
    "whole": "numbers in {} are words without a point, such as '3', as the model knows them",
    "pointed": "numbers in {} are words with a point, such as '3.0', as the model knows them",
    "multiplied": "k, M and B in {} are read as thousands, millions and billions",
    "unitless": "only the numbers in {} are read, without their units",
}


class Rules(NamedTuple):
    """What is done to the cells of a column."""

    names: tuple[str, ...] = ()
    """Of ``RULES``, in their order."""
    words: frozenset[str] = frozenset()
    """Those that the model knows though pandas reads them as missing: they stay."""
    marks: frozenset[str] = frozenset()
    """Cells that stand for a missing value, such as ``?``."""
    fill: str = ""
    """What the model has in the place of a missing value."""

    def __call__(self, cell: str) -> str:
        if self.marks and cell.strip() in self.marks:
            return self.fill
        for name in self.names:
            if name != "missing" or cell not in self.words:
                cell = RULES[name](cell)
        missing = cell.strip() in MISSING and cell not in self.words
        return self.fill if self.fill and missing else cell


@dataclass(frozen=True)
class Reading:
    """What is done to the cells of columns before they are read."""

    rules: tuple[tuple[str, Rules], ...] = ()
    """Columns, each with what is done to its cells."""
    numbers: tuple[str, ...] = ()
    """Columns that the file has as text and the model as numbers."""
    dates: tuple[tuple[str, str], ...] = ()
    """Columns of dates that are not written as ISO has them, with their format."""
    gaps: tuple[tuple[str, float], ...] = ()
    """Columns of numbers, with the one that stands for a missing value."""
    told: Maps = ()
    """Columns of numbers, with those that a person gave for what stands among them."""

    def applied(self, cells: Cells) -> Cells:
        """Return a table with its cells respelled; raise InputError for what is no date."""
        cells = _dated(cells, self.dates) if self.dates else cells
        cells = self._numbered(cells)
        found = {
            name: tuple(rules(cell) for cell in cells.column(name))
            for name, rules in self.rules
            if name in cells.places and not cells.is_array(name)
        }
        cells = replace(cells.changed(found), texts=cells.texts - {*self.numbers})
        cells = self._numbered(cells)  # what was just read as missing
        emptied = {
            name: [
                "" if _is_number(cell, gap, cells.dialect) else cell for cell in cells.column(name)
            ]
            for name, gap in self.gaps
            if name in cells.places
        }
        return cells.changed(emptied)

    def _numbered(self, cells: Cells) -> Cells:
        """Write the numbers that a person gave."""
        found = {}
        for name, pairs in self.told:
            if name in cells.places:
                known = {word: cells.dialect.spelled(number) for word, number in pairs}
                gap = next((known[word] for word in known if word in MISSING), None)
                known = {**(dict.fromkeys(MISSING, gap) if gap is not None else {}), **known}
                found[name] = [known.get(cell.strip(), cell) for cell in cells.column(name)]
        texts = cells.texts - {name for name, _ in self.told}
        return replace(cells.changed(found), texts=texts)

    def said(self) -> tuple[CodedWarning, ...]:
        """Say which numbers stand for missing values."""
        if not self.gaps:
            return ()
        numbers = " and ".join(f"{one:g}" for one in dict.fromkeys(one for _, one in self.gaps))
        columns = columns_said([name for name, _ in self.gaps])
        words = f"limex reads {numbers} in {columns} as missing"
        hint = "as the model was most likely fitted; --read-as plain keeps the number"
        return (CodedWarning("read_as_missing", f"{words}, {hint}"),)


def _is_number(cell: str, number: float, dialect: Dialect) -> bool:
    plain = dialect.plain(cell)
    return NUMBER.fullmatch(plain) is not None and float(plain) == number


AS_SPELLED = Reading()


def among_numbers(maps: Maps, cells: Cells) -> Maps:
    """Return which words and gaps, given numbers by a person, stand in columns of other numbers."""
    found = []
    for name, pairs in maps:
        words = {word for word, _ in pairs}
        if name in cells.places and are_words(pairs):
            others = {cell.strip() for cell in cells.column(name)} - words - PANDAS_MISSING
            if others - MISSING and all(is_number(one, cells.dialect) for one in others):
                found.append((name, pairs))
    return tuple(found)


def are_words(pairs: Iterable[tuple[str, float]]) -> bool:
    """Tell whether no number is given for another number."""
    return not any(NUMBER.fullmatch(word) for word, _ in pairs)


Dates = tuple[tuple[tuple[str, str], ...], tuple[CodedWarning, ...]]
"""Columns of dates with their format, and what a reader must know of that."""


def dates_of(schema: Schema, cells: Cells) -> Dates:
    """Return how the columns of dates are written that are not written as ISO has them.

    As pandas does, it goes by the first cell, the month first where that is open; where other
    cells contradict that, the day. Raises InputError for what pandas does not know as a date.
    """
    whose = f"{cells.name} has no column"
    check_names((("--dates", name) for name, _ in schema.dates), cells.header, whose)
    found, said = [], []
    for name, form in schema.dates:
        present = {one.strip(): None for one in cells.column(name) if one.strip() not in MISSING}
        if form or all(days_of(one) is not None for one in present):
            found.append((name, form))
            continue
        first = next(iter(present))
        forms = _likely_forms(first)
        if not forms:
            raise InputError(
                f"{cells.name}: {name!r}: {shortened(first)} is not a date", _as_in(name)
            )
        fitting = forms_of(present)
        found.append((name, (fitting or forms)[0]))
        if len(fitting) > 1:
            words = f"dates of {name!r} are read as {fitting[0]}; --dates '{name}={fitting[1]}'"
            said.append(CodedWarning("dates_read", f"{words} reads them in the other order"))
    return tuple((name, form) for name, form in found if form), tuple(said)


def forms_of(cells: Iterable[str]) -> list[str]:
    """Return how dates may be written: both ways where day and month are open."""
    present = dict.fromkeys(cells)
    return [
        one
        for one in _likely_forms(next(iter(present), ""))
        if all(_iso(cell, one) for cell in present)
    ]


def _likely_forms(cell: str) -> list[str]:
    try:
        from pandas.tseries.api import guess_datetime_format
    except ImportError:  # pandas before 2.2
        from pandas._libs.tslibs.parsing import guess_datetime_format

    with warnings.catch_warnings():  # where the day stands first, which is looked for
        warnings.simplefilter("ignore")
        tried = [guess_datetime_format(cell, dayfirst=day) for day in (False, True)]
    return list(dict.fromkeys(one for one in tried if one is not None))


def _as_in(name: str) -> str:
    return f"say how it is written, as in --dates '{name}=%d.%m.%Y'"


def _dated(cells: Cells, dates: Sequence[tuple[str, str]]) -> Cells:
    """Write dates of any format as ISO has them."""
    found = {}
    for name, form in dates:
        written = cells.column(name)
        for row, cell in enumerate(map(str.strip, written)):
            written[row] = "" if cell in MISSING else _iso(cell, form)
            if cell not in MISSING and not written[row]:
                where = f"{cells.name}: {cells.unit} {cells.lines[row]}, {name!r}"
                raise InputError(
                    f"{where}: {shortened(cell)} is not a date written as {form}", _as_in(name)
                )
        found[name] = written
    return cells.changed(found)


@lru_cache(maxsize=65_536)
def _iso(cell: str, form: str) -> str:
    """Return a date as ISO has it; nothing where it is not of a format."""
    try:
        found = datetime.strptime(cell, form)
    except ValueError:
        return cell if days_of(cell) is not None else ""
    return found.isoformat(" ") if found.time() != time() or found.tzinfo else str(found.date())


@dataclass(frozen=True)
class Chooser:
    """Chooses how a table is read, by what a model knows of its columns."""

    columns: tuple[str, ...]
    """The model's, in its order."""
    known: Mapping[int, Known]
    like_pandas: bool = False
    """Whether words such as NA are missing values."""
    strip: bool = False
    """Whether blanks around cells are left out everywhere."""
    told: bool = False
    """Whether a person said how words for missing values are read."""
    numeric: tuple[str, ...] = ()
    """Columns that a person said are numbers."""
    strings: tuple[str, ...] = ()
    """Columns that a person said are text."""
    na_values: tuple[str, ...] = ()
    """Words that a person said stand for missing values."""
    hashed: frozenset[int] = frozenset()
    """Places of columns of which the model hashes each value as it is spelled."""

    def chosen(self, cells: Cells) -> tuple[Reading, tuple[CodedWarning, ...]]:
        """Return how to read a table, and sentences about what was not said by a person."""
        rules: dict[str, Rules] = {}
        numbers = []
        counted = [Counter(cells.words(name)) for name in self.columns]
        marks = frozenset(chain.from_iterable(map(self._marks, count(), counted)))
        for place, (name, counts) in enumerate(zip(self.columns, counted, strict=True)):
            known = self._values(place)
            if known and name in cells.texts and _are_numbers(known, counts):
                numbers.append(name)
            own = (marks - known) & {cell.strip() for cell in counts} if marks else marks
            fill = self._fill(place, counts)
            rules[name] = self._rules(counts, known)._replace(marks=own, fill=fill)
            if name in self.numeric and _have_units(counts):
                marked = [one for one in counts if _multiplied(one) != one]
                times = not all(KELVIN.fullmatch(one.strip()) for one in marked)
                rule = "multiplied" if times else "unitless"
                rules[name] = rules[name]._replace(names=(*rules[name].names, rule))
        found = {name: one for name, one in rules.items() if one.names or one.marks or one.fill}
        said = (*self._said(cells, found), *self._hashed(cells))
        return Reading(tuple(found.items()), tuple(numbers)), said

    def _hashed(self, cells: Cells) -> Iterator[CodedWarning]:
        """Say which values are hashed as pandas reads them and not as the file has them."""
        odd: dict[str, str] = {}
        for name in (self.columns[place] for place in sorted(self.hashed)):
            if name in (*self.numeric, *self.strings) or cells.kind(name) not in ("number", "bool"):
                continue
            present = [cell for cell in cells.column(name) if cell.strip() not in MISSING]
            whole = len(present) == len(cells.rows) and all(map(WHOLE.fullmatch, present))
            pairs = ((cell, _as_python(cell, cells.dialect, whole)) for cell in present)
            found = next((f"{read!r} for {cell!r}" for cell, read in pairs if read != cell), None)
            if found is not None:
                odd[name] = f"{found} in column {name!r}"
        if odd:
            yield CodedWarning(
                "hashed_as_read",
                f"the model hashes values as they are spelled and gets them as pandas reads them: "
                f"{and_more(list(odd.values()), NAMED)}; --strings '{','.join(odd)}' keeps what "
                "the file has",
            )

    def _values(self, place: int) -> frozenset[object]:
        one = self.known.get(place)
        return frozenset(one.values) if one is not None and not one.filling else frozenset()

    def _fill(self, place: int, counts: Counter[str]) -> str:
        """Return the one word that the model has for a missing value, where cells are missing."""
        one = self.known.get(place)
        if self.columns[place] in self.strings:
            return ""
        if one is None or one.filling or one.fill or not (one.category or not one.gaps):
            return one.fill if one is not None else ""
        if not any(cell.strip() in MISSING and cell not in one.values for cell in counts):
            return ""
        taken = {*counts, *self.na_values}
        likely = [word for word in FILLED if word in one.values and word not in taken]
        return likely[0] if len(likely) == 1 else ""

    def _marks(self, place: int, counts: Counter[str]) -> Iterator[str]:
        """Yield cells of marks, or words for none, where the model knows others and fills gaps."""
        one = self.known.get(place)
        if not self.like_pandas or one is None:
            return
        if not (_fills_numbers(one, counts) if one.filling else one.gaps):
            return
        for cell in counts:
            mark = cell.strip()
            odd = not any(map(str.isalnum, mark)) or mark in GAPS
            if mark and odd and not {cell, mark} & {*one.values}:
                yield mark

    def _rules(self, counts: Counter[str], known: frozenset[object]) -> Rules:
        words = frozenset(one for one in known if isinstance(one, str) and one in PANDAS_MISSING)
        always = {*["stripped"][: self.strip], *["missing"][: self.like_pandas]}
        plain = _rules_of(always, words)
        if not any(isinstance(one, str) for one in known):
            return plain if any(plain(cell) != cell for cell in counts) else Rules()
        least, best = _share_known(counts, known, plain) + ENOUGH, plain
        others: tuple[tuple[str, ...], ...] = (
            (),
            ("whole",),
            ("pointed",),
            ("lowered",),
            ("raised",),
        )
        for blanks, other in product(((), ("stripped",)), others):
            tried = _rules_of({*blanks, *other, *always}, words)
            share = _share_known(counts, known, tried)
            if share >= least:
                least, best = share + ENOUGH, tried
        return best

    def _said(self, cells: Cells, rules: Mapping[str, Rules]) -> Iterator[CodedWarning]:
        for rule, sentence in SAID.items():
            names = [name for name, one in rules.items() if rule in one.names]
            if names and not (rule == "stripped" and self.strip):
                yield CodedWarning(f"read_{rule}", sentence.format(columns_said(names)))
        fills = {name: one.fill for name, one in rules.items() if one.fill}
        if fills:
            listed = ", ".join(f"{word!r} in {name!r}" for name, word in fills.items())
            words_ = f"a missing value is {listed}, as the model knows no other such word"
            yield CodedWarning("gaps_filled", f"{words_}; --strings NAME keeps it missing")
        if self.told:
            return
        words: Counter[str] = Counter()
        names = []
        for name, one in rules.items():
            if cells.kind(name) == "text":
                likely = PANDAS_MISSING - one.words if "missing" in one.names else frozenset()
                read = likely | one.marks
                found = Counter(cell for cell in cells.column(name) if cell.strip() in read)
                words += found
                names += [name] if found else []
        if words:
            yield CodedWarning(
                "read_as_missing",
                f"{' and '.join(repr(one) for one, _ in words.most_common(2))} in "
                f"{columns_said(names)} is read as a missing value, as the model was most likely "
                "fitted; --read-as plain keeps the word",
            )


def chooser_of(
    columns: Sequence[str],
    dialect: Dialect,
    model_input: ModelInput,
    typed: bool,
    numeric: tuple[str, ...] = (),
    strings: tuple[str, ...] = (),
) -> Chooser:
    """Make what reads the columns of a model; in a ``typed`` file a word is a word."""
    likely = model_input.pandas and not typed and dialect.reading == "auto"
    return Chooser(
        tuple(columns),
        model_input.known,
        likely or dialect.reading == "pandas",
        dialect.strip,
        dialect.reading != "auto",
        numeric,
        strings,
        dialect.na_values,
        frozenset() if typed else model_input.hashed,
    )


def _rules_of(wanted: set[str], words: frozenset[str]) -> Rules:
    return Rules(tuple(name for name in RULES if name in wanted), words)


WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)


def _as_python(cell: str, dialect: Dialect, whole: bool) -> str:
    """Spell a number or a truth value as Python does; ``whole`` are the numbers of its column."""
    if cell.strip() in TRUE_FALSE:
        return str(TRUE_FALSE[cell.strip()])
    return str(int(cell)) if whole else repr(float(dialect.plain(cell)))


def _share_known(counts: Counter[str], known: frozenset[object], rules: Rules) -> float:
    good = sum(n for cell, n in counts.items() if (one := rules(cell)) in known or not one)
    return good / max(1, sum(counts.values()))


def _are_numbers(known: frozenset[object], counts: Counter[str]) -> bool:
    """Tell whether a model knows numbers where a file has words that spell numbers."""
    present = [one for one in known if one is not None and one == one]
    if not present or not all(isinstance(one, (int, float)) for one in present):
        return False
    return all(NUMBER.fullmatch(cell.strip()) for cell in counts if cell.strip() not in MISSING)


def _have_units(counts: Counter[str]) -> bool:
    """Tell whether most cells are numbers with a unit."""
    words = [cell.strip() for cell in counts if cell.strip() not in MISSING]
    united = sum(NUMBER.fullmatch(one) is None and _unitless(one) != one for one in words)
    return united > len(words) / 2 or any(map(_is_negative, words))


def _fills_numbers(known: Known, counts: Counter[str]) -> bool:
    """Tell whether gaps are filled with a number among cells that are numbers, but for marks."""
    others = [cell for cell in counts if any(map(str.isalnum, cell)) and cell not in MISSING]
    numbers = bool(others) and all(NUMBER.fullmatch(cell.strip()) for cell in others)
    return numbers and all(isinstance(one, (int, float)) for one in known.values)


def columns_said(names: Sequence[str]) -> str:
    """Name columns for a sentence."""
    return f"column{'s' * (len(names) > 1)} {and_more(list(map(repr, names)), NAMED)}"
