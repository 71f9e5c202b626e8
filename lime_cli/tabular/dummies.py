"""Dummies: columns of 0 and 1 that a model was fitted on, made of the columns that a table has.

``pandas.get_dummies`` and encoders name them ``Sex_male``, after a column and one of its values.
Where a table has the columns themselves, the model is given dummies of them, as its owner does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import CodedWarning
from lime_cli.models.model_file import ModelInput, Reach
from lime_cli.tables.dialect import NUMBER, TRUE_FALSE
from lime_cli.tabular.groups import Feature, is_missing

MARKS = ("_", "=")
"""What stands between the name of a column and a value, as pandas and DictVectorizer write it."""

MISSING = "nan"
"""How the dummy of missing values is called."""

NAMED = 3
"""Columns that a sentence names, at most."""


class Dummies(NamedTuple):
    """The columns that a model is given, and which of them are dummies."""

    names: tuple[str, ...]
    """All columns of the model, in its order."""
    made: Mapping[str, tuple[str, str]]
    """Of the dummies, by name: the column, and the value for which they are 1."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have, in the model's order."""
        own = (self.made[one][0] if one in self.made else one for one in self.names)
        return tuple(dict.fromkeys(own))

    def told(self, given: ModelInput) -> ModelInput:
        """Return what a model says of its input as what it says of a table without dummies."""
        place = {name: i for i, name in enumerate(self.columns)}
        moved = {i: place[one] for i, one in enumerate(self.names) if one in place}
        return given._replace(
            columns=self.columns,
            n_columns=len(self.columns),
            words=tuple(moved[i] for i in given.words if i in moved),
            known={moved[i]: one for i, one in given.known.items() if i in moved},
            ranges={moved[i]: one for i, one in given.ranges.items() if i in moved},
        )

    def resolved(self, features: Iterable[Feature]) -> Dummies:
        """Return itself with the values as a background spells them, where marks were replaced."""
        own = {one.name: _spelled(one.values).tolist() for one in features}
        made = {}
        for name, (column, value) in self.made.items():
            alike = [one for one in own[column] if _plain(one) == _plain(value)]
            exact = value in own[column] or len(alike) != 1
            made[name] = (column, value if exact else alike[0])
        return self._replace(made=made)

    def filled(self, names: Sequence[str], columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return a column for each of ``self.names``; ``columns`` are those of ``names``."""
        held = dict(zip(names, columns, strict=True))
        spelled = {column: _spelled(held[column]) for column, _ in {*self.made.values()}}
        found = []
        for name in self.names:
            if name not in self.made:
                found.append(held[name])
                continue
            column, value = self.made[name]
            found.append((spelled[column] == value).astype(np.int64))
        return found

    def said(self, features: Iterable[Feature]) -> tuple[CodedWarning, ...]:
        """Say what is made of which columns, and which of their values have no dummy."""
        of: dict[str, list[str]] = {}
        for column, value in self.made.values():
            of.setdefault(column, []).append(value)
        without = []
        for one in features:
            if one.name in of:
                spelled = _spelled(one.values).tolist()
                without += [f"{one.name} {v!r}" for v in spelled if v not in of[one.name]]
        words = (
            f"the model was fitted on dummies of {_listed([*map(repr, of)])}, which are made here"
        )
        if without:
            words += f"; {_listed(without)} ha{'s' if len(without) == 1 else 've'} none"
        return (CodedWarning("dummies_made", words),)


NO_CELLS: Counter[str] = Counter()


def dummies_of(
    header: Sequence[str], rows: Iterable[Sequence[str]], given: ModelInput
) -> Dummies | None:
    """Find what all columns that a table lacks are dummies of; None where some are not.

    ``rows`` are its first ones. A column has dummies where a value of these rows is among them.
    """
    wanted = given.columns or ()
    missing = [name for name in wanted if name not in header]
    spare = sorted((one for one in header if one not in wanted), key=len, reverse=True)
    if not missing or not spare:
        return None
    if any(not _is_binary(given.ranges.get(i)) for i, one in enumerate(wanted) if one in missing):
        return None
    cells = dict(zip(header, map(Counter, zip(*rows, strict=False)), strict=False))
    made: dict[str, tuple[str, str]] = {}
    for column in spare:
        begins = tuple(column + mark for mark in MARKS)
        own = {
            name: _as_read(name[len(column) + 1 :])
            for name in missing
            if name not in made and name.startswith(begins)
        }
        if {*map(_plain, own.values())} & {*map(_plain, cells.get(column, ()))}:
            made |= {name: (column, value) for name, value in own.items()}
    for name in missing:
        if name not in made:  # as of one column alone, which pandas names after its values
            holding = [one for one in spare if cells.get(one, NO_CELLS)[name] > 1]
            if len(holding) != 1 or NUMBER.fullmatch(name):
                return None
            made[name] = (holding[0], name)
    return Dummies(tuple(wanted), made)


def _is_binary(reach: Reach | None) -> bool:
    """Tell whether what a model compares a column with may be 0 and 1."""
    return reach is None or (reach.low >= 0 and reach.high <= 1)


def _as_read(cell: str) -> str:
    """Spell a cell as the value of a table that was read."""
    word = cell.strip()
    if word in TRUE_FALSE:
        return str(TRUE_FALSE[word])
    if NUMBER.fullmatch(word) and float(word).is_integer() and "e" not in word.lower():
        return str(int(float(word)))
    return word


def _plain(value: str) -> str:
    """Write a value as names have it: 3.0 as 3, and marks as LightGBM writes them."""
    return re.sub(r"\W", "_", _as_read(value))


def _spelled(column: NDArray[Any]) -> NDArray[Any]:
    """Spell the values of a column as dummies are called after them."""
    return np.array([_word(one) for one in column.tolist()], object)


def _word(value: Any) -> str:
    if is_missing(value):
        return MISSING
    return (
        str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    )


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
