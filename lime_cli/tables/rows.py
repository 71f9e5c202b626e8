"""The rows of a table that a person asked for: by number, by id, by a condition, or all.

A condition, such as ``age > 60 and city in ('Oslo', 'Bergen')``, compares columns with numbers,
texts, booleans, None (missing) and each other, and joins comparisons by ``and``, ``or``, ``not``
and parentheses. A name that is no identifier stands in backticks. Nothing is evaluated but these
comparisons: there are no calls, no attributes. A comparison with a missing cell is false;
``is None`` finds it.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice, pairwise
from typing import Any

from lime_cli.errors import InputError, SettingsError, and_so_on
from lime_cli.sources import Record, Source
from lime_cli.tables.cells import Cells
from lime_cli.tables.dialect import MISSING, NUMBER, PLAIN, TRUE_FALSE, Dialect
from lime_cli.tables.heading import LOOKED_AT
from lime_cli.tables.readers import Stream, open_table
from lime_cli.tables.streams import name_of

Condition = Callable[[Sequence[str]], bool]

Operand = Callable[[Sequence[str]], Any]


ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

LONGEST = 10_000
"""Characters of a condition."""

WHOLE = re.compile(r"[+-]?\d{1,4000}", re.ASCII)

QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`([^`]*)`")


def parse_condition(words: str, name: str, header: Sequence[str], dialect: Dialect) -> Condition:
    """Return a function of a row's cells; raise SettingsError for what is not a condition."""
    return _Parser(words, name, header, dialect).parsed()


class _Parser:
    """One condition on its way from words to a function."""

    def __init__(self, words: str, name: str, header: Sequence[str], dialect: Dialect) -> None:
        self._words, self._name, self._dialect = words, name, dialect
        self._places = {column: place for place, column in enumerate(header)}
        self._quoted: dict[str, str] = {}

    def parsed(self) -> Condition:
        if len(self._words) > LONGEST:
            raise SettingsError("--where: is too long", f"{LONGEST:,} characters at most")
        plain = QUOTED.sub(self._set_aside, self._words).strip()
        try:
            return self._condition(ast.parse(plain, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._refused("is not a condition") from None

    def _set_aside(self, match: re.Match[str]) -> str:
        """Put an identifier in the place of a name in backticks."""
        if match[1] is None:
            return match[0]
        stand_in = f"_column_{len(self._quoted)}_"
        self._quoted[stand_in] = match[1]
        return stand_in

    def _condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op, values):
                parts = [self._condition(value) for value in values]
                if isinstance(op, ast.And):
                    return lambda cells: all(part(cells) for part in parts)
                return lambda cells: any(part(cells) for part in parts)
            case ast.UnaryOp(ast.Not(), operand):
                inner = self._condition(operand)
                return lambda cells: not inner(cells)
            case ast.Compare(left, ops, comparators):
                sides = [left, *comparators]
                pairs = [self._comparison(op, sides[i], sides[i + 1]) for i, op in enumerate(ops)]
                return lambda cells: all(pair(cells) for pair in pairs)
            case ast.Name():
                truth = self._operand(node, True)
                return lambda cells: truth(cells) is True
        raise self._refused("holds something other than comparisons")

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._membership(left, right, isinstance(op, ast.In))
        one, two = self._operands(left, right)
        if _is_none(left) or _is_none(right):
            if not isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
                raise self._refused("compares the size of None")
            same = isinstance(op, (ast.Is, ast.Eq))
            return lambda cells: (one(cells) is two(cells)) is same
        if type(op) not in ORDERS:
            raise self._refused("holds a comparison that limex does not know")
        compare = ORDERS[type(op)]

        def compared(cells: Sequence[str]) -> bool:
            first, second = one(cells), two(cells)
            if first is None or second is None:
                return False
            if isinstance(first, str) != isinstance(second, str):
                return compare is operator.ne
            return compare(first, second)

        return compared

    def _membership(self, left: ast.expr, right: ast.expr, inside: bool) -> Condition:
        if not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            raise self._refused("lacks the list after in, such as ('a', 'b')")
        each = [self._comparison(ast.Eq(), left, value) for value in right.elts]
        present = self._comparison(ast.NotEq(), left, ast.Constant(None))

        def fits(cells: Sequence[str]) -> bool:
            found = any(one(cells) for one in each)
            return found if inside else not found and present(cells)

        return fits

    def _operands(self, left: ast.expr, right: ast.expr) -> tuple[Operand, Operand]:
        return self._operand(left, _value(right)), self._operand(right, _value(left))

    def _operand(self, node: ast.expr, other: Any) -> Operand:
        """Return what a side is worth in a row; a cell is read as the kind of the other side."""
        if isinstance(node, ast.Name):
            return self._cell(self._quoted.get(node.id, node.id), other)
        value = _value(node)
        if value is _UNKNOWN:
            raise self._refused("holds something other than columns, numbers, texts and None")
        return lambda cells: value

    def _cell(self, column: str, other: Any) -> Operand:
        check_names([("--where", column)], [*self._places], f"{self._name} has no column")
        place, dialect = self._places[column], self._dialect
        if isinstance(other, str):
            return lambda cells: cells[place].strip() or None
        return lambda cells: _read(cells[place].strip(), other, dialect)

    def _refused(self, what: str) -> SettingsError:
        return SettingsError(
            f"--where {self._words!r}: {what}", "write 'age > 60 and city == \"Oslo\"'"
        )


_UNKNOWN = object()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _value(node: ast.expr) -> Any:
    """Return a constant, or a mark for what is none."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _value(node.operand)
        if isinstance(inner, (int, float)) and not isinstance(inner, bool):
            return -inner if isinstance(node.op, ast.USub) else inner
        return _UNKNOWN
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str)):
        return node.value
    return None if _is_none(node) else _UNKNOWN


def _read(cell: str, other: Any, dialect: Dialect) -> Any:
    """Read a cell beside a number, a truth value, None or another column."""
    if cell in MISSING:
        return None
    if isinstance(other, bool):
        return TRUE_FALSE.get(cell, cell)
    plain = dialect.plain(cell)
    if WHOLE.fullmatch(plain):
        return int(plain)  # exact, where a float is not beyond 2**53
    return float(plain) if NUMBER.fullmatch(plain) else cell


REMEMBERED = 100_000
"""Ids that are compared with those of later rows."""


@dataclass(frozen=True)
class Rows:
    """A table and which of its rows are meant; all of them where nothing is said."""

    path: str
    dialect: Dialect = PLAIN
    numbers: str | None = None
    """Counted from 0: ``3``, ``3,10-20``."""
    ids: tuple[str, ...] = ()
    id_column: str | None = None
    where: str | None = None
    """A condition, as ``modalities.where`` has them."""

    def sources(self) -> Iterator[Source]:
        """Yield the rows in the order asked for, each with its cells, while the file is read.

        Raises SettingsError for a row out of range, InputError for an unknown id or column.
        """
        if self.numbers is not None:
            yield from self._by_number(parse_ranges(self.numbers))
        elif self.ids:
            yield from self._by_id()
        elif self.where is not None:
            yield from self._by_condition(self.where)
        else:
            yield from self._numbered()

    def record(self, row: int) -> Record:
        """Read one row; raise InputError where the table has fewer."""
        with open_table(self.path, self.dialect) as stream:
            found = next(islice(stream.records, row, None), None)
        if found is None:
            raise InputError(
                f"{name_of(self.path)}: has no row {row}", "the table has become shorter"
            )
        return found

    def _numbered(self) -> Iterator[Source]:
        with open_table(self.path, self.dialect) as stream:
            yield from self._named(stream)

    def _named(self, stream: Stream) -> Iterator[Source]:
        place = None
        if self.id_column is not None:
            whose = f"{stream.name} has no column"
            check_names([("--id-column", self.id_column)], stream.header, whose)
            place = stream.header.index(self.id_column)
        seen: set[str] = set()
        for number, record in enumerate(stream.records):
            name = str(number)
            if place is not None and record.cells:
                name = record.cells[place].strip() or name
                record = record._replace(repeated=self.id_column) if name in seen else record
                if len(seen) < REMEMBERED:
                    seen.add(name)
            yield Source(name, str(self.path), number, record)

    def _by_number(self, ranges: list[range]) -> Iterator[Source]:
        self._check_reach(ranges)
        ascending = all(one.stop <= two.start for one, two in pairwise(ranges))
        last = max(one.stop for one in ranges)
        if ascending:
            left = iter(ranges)
            current = next(left)
            for source in islice(self._numbered(), last):
                if source.row == current.stop:
                    current = next(left)
                if source.row in current:
                    yield source
            return
        order = dict.fromkeys(row for one in ranges for row in one)
        found = {one.row: one for one in islice(self._numbered(), last) if one.row in order}
        for row in order:
            yield found[row]

    def _check_reach(self, ranges: list[range]) -> None:
        """Raise SettingsError, before anything is explained, for a row that is not there."""
        reach = max(one.stop for one in ranges)
        with open_table(self.path, self.dialect) as stream:
            n = stream.n_rows
            if n is None:
                n = sum(1 for _ in islice(stream.records, reach))
        for one in ranges:
            if one.stop > n:
                said = f"{one.start}-{one.stop - 1}" if len(one) > 1 else one.start
                raise SettingsError(
                    f"--row {said}: {stream.name} has rows 0-{n - 1}", "count them from 0"
                )

    def _by_id(self) -> Iterator[Source]:
        if self.id_column is None:
            raise SettingsError("--id requires --id-column", "name the column that holds the ids")
        found: dict[str, list[Source]] = {name: [] for name in self.ids}
        for source in self._numbered():
            if source.id in found:
                found[source.id].append(source)
        for name, sources in found.items():
            if not sources:
                said = f"{name_of(self.path)}: no row with {self.id_column} {name!r}"
                raise InputError(said, "check --id and --id-column")
            for source in sources:
                yield _told_apart(source, self.id_column, len(sources))

    def _by_condition(self, where: str) -> Iterator[Source]:
        n = 0
        with open_table(self.path, self.dialect) as stream:
            condition = parse_condition(where, stream.name, stream.header, self.dialect)
            for source in self._named(stream):
                if _fits(source, condition):
                    n += 1
                    yield source
        if not n:
            raise InputError(f"{stream.name}: no row is {where!r}", "check --where")


def parse_ranges(words: str) -> list[range]:
    """Parse ``3,10-20``; raise SettingsError for something else."""
    found = []
    for part in words.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        digits = first + last
        if not digits.isascii() or not first.isdigit() or (dash and not last.isdigit()):
            raise SettingsError(
                f"--row {words[:80]}: is not a list of rows", "write 3 or 3,10-20, counted from 0"
            )
        if len(digits) > 30:
            raise SettingsError(f"--row {words[:20]}...: is too large", "count from 0")
        start, stop = int(first), int(last if dash else first) + 1
        if start >= stop:
            raise SettingsError(f"--row {part.strip()}: runs backwards", "write 10-20")
        found.append(range(start, stop))
    return found


def check_names(pairs: Iterable[tuple[str, str]], known: Sequence[str], whose: str) -> None:
    """Raise SettingsError for an option that names what is not among ``known``, with the nearest.

    ``whose`` says whose names these are: ``rows.csv: has no column``.
    """
    has = set(known)
    for option, name in pairs:
        if name not in has:
            near = next((one for one in known if one.casefold() == name.casefold()), None) or next(
                iter(get_close_matches(name, known, n=1)), None
            )
            hint = f"did you mean {near!r}?" if near else f"it has {and_so_on(known, 12)}"
            raise SettingsError(f"{option}: {whose} {name!r}", hint)


def require(
    name: str,
    header: Sequence[str],
    columns: Sequence[str],
    records: Iterator[Record] | None = None,
    renames: bool = True,
) -> None:
    """Raise InputError where a table lacks columns, with the one that was likely meant.

    ``records`` are its rows, among the first of which may be the names; ``renames`` says
    whether columns can be renamed.
    """
    has = set(header)
    missing = [column for column in columns if column not in has]
    if not missing:
        return
    plain = {one.casefold().strip(): one for one in header}
    near = [plain.get(missing[0].casefold()), *get_close_matches(missing[0], header, n=1)]
    guess = next((one for one in near if one and one not in columns), None)
    shown = and_so_on(header, 12)
    hint = f"it has {shown}"
    if is_numbered(header):
        spare = ",".join(header[len(columns) :])
        hint = (
            f"it has {len(header)} columns, the model {len(columns)}, which are taken in its order"
            + (f"; leave others out by number: --drop {spare} those at the end" if spare else "")
        )
    names = next((one for one in islice(records or (), LOOKED_AT) if _holds(one, missing)), None)
    if names is not None:
        n = names.line
        above = n - 1 if names.unit == "line" else n + 1
        hint = f"they stand on {names.unit} {n}: --skip {above} leaves out what is above"
    elif not has & set(columns) and is_data(header):
        hint = f"its first line is {shown}; if that is a row, use --no-header"
    elif len(missing) > 1 and (base := _base_of(missing, header)) is not None:
        hint = f"they are dummies of {base!r}, with values that the table does not have"
    elif guess and not _is_made_of(missing[0], guess):
        hint = f"did you mean {guess!r}?"
        if renames:
            hint += f" use --rename '{guess}={missing[0]}'"
            hint += ", and one more for each other name" * (len(missing) > 1)
    elif has & set(columns) and renames:
        longer = [one for one in header if missing[0].casefold() in one.casefold().split()]
        if len(longer) == 1 and longer[0] not in columns:  # with a unit, say
            hint += f"; if it is {longer[0]!r}: --rename '{longer[0]}={missing[0]}'"
        hint += (
            "; if they are computed from its columns, add them as the model's owner did, or "
            "explain a function that computes them and calls the model: py:module:function"
        )
    lost = and_so_on(list(map(repr, missing)), 5)
    raise InputError(f"{name}: lacks column{'s' * (len(missing) > 1)} {lost}", hint)


def _holds(record: Record, names: Sequence[str]) -> bool:
    return {*names} <= {cell.strip() for cell in record.cells}


def _is_made_of(name: str, other: str) -> bool:
    """Tell a name that holds another and more than a mark, as ``normAmount`` does ``Amount``."""
    long, short = sorted((name.casefold(), other.casefold()), key=len, reverse=True)
    return short in long and len(re.sub(r"[\W_]", "", long.replace(short, "", 1))) > 1


def _base_of(missing: Sequence[str], header: Sequence[str]) -> str | None:
    """Return the column of a table after which all missing ones are named."""
    return next((one for one in header if all(m.startswith(f"{one}_") for m in missing)), None)


def is_data(header: Sequence[str]) -> bool:
    """Tell whether what should name columns holds numbers, and so is likely a row."""
    return not is_numbered(header) and any(NUMBER.fullmatch(cell) for cell in header)


def is_numbered(header: Sequence[str]) -> bool:
    """Tell whether a table has no names: its columns are numbered from 0."""
    return tuple(header) == tuple(map(str, range(len(header))))


def cells_of(source: Source, record: Record, dialect: Dialect) -> Cells:
    """Return a row as a table of one; raise InputError for a broken one."""
    if record.fault:
        whole = ", or choose a --sep that no cell holds" * (len(record.header) == 1)
        raise InputError(record.fault, "correct the row, or remove it" + whole)
    name = name_of(source.path)
    return Cells(name, record.header, (record.cells,), (record.line,), record.unit, dialect=dialect)


def _told_apart(source: Source, column: str, n: int) -> Source:
    if n == 1 or source.record is None:
        return source
    return source._replace(record=source.record._replace(repeated=column))


def _fits(source: Source, condition: Condition) -> bool:
    """Tell whether a row is asked for; a broken one is, so that it is not passed over silently."""
    record = source.record
    return record is not None and (bool(record.fault) or condition(record.cells))
