"""Conditions on the rows of a table: ``age > 60 and city in ('Oslo', 'Bergen')``.

A condition compares columns with numbers, texts, truth values, None (missing) and each other, and
joins comparisons by ``and``, ``or``, ``not`` and parentheses. A name that is no identifier stands
in backticks. Nothing is evaluated but these comparisons: there are no calls, no attributes. A
comparison with a missing cell is false; ``is None`` finds it.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from lime_cli.errors import SettingsError
from lime_cli.tables.dialect import MISSING, NUMBER, TRUE_FALSE, Dialect

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
        if column not in self._places:
            near = get_close_matches(column, list(self._places), n=1)
            listed = ", ".join(list(self._places)[:12])
            hint = f"did you mean {near[0]!r}?" if near else f"it has {listed}"
            raise SettingsError(f"--where: {self._name} has no column {column!r}", hint)
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
