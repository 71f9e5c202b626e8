"""Which words a model knows that lists none: those that it answers to otherwise than to no word.

CatBoost keeps a hash of each category. What a file spells as 01067 may have reached it as the word
or, read as a number, as 1067: to a word that it does not know it answers as to any other such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import FloatArray
from lime_cli.errors import LimexError
from lime_cli.models.model_file import Known, ModelInput
from lime_cli.tables.cells import kind_of
from lime_cli.tables.dialect import MISSING, TRUE_FALSE
from lime_cli.tabular.reading import FILLED, RULES
from lime_cli.tabular.row import Table

MOST_WORDS = 300
"""Words of a column that a model is asked about, the commonest ones."""

ASKED = 8
"""Rows in which each word is asked about."""

NO_WORD = "\x00no word of any table"


def answered_words(
    given: ModelInput, columns: Sequence[str], cells: Mapping[str, Sequence[str]]
) -> dict[int, Known]:
    """Return the words of columns that a model knows otherwise than they would be handed over.

    ``cells`` are those of some rows as the file spells them.
    """
    if given.predictions is None or not all(name in cells for name in columns):
        return {}
    typed = [_typed(cells[name]) for name in columns]
    rows = np.unique(np.linspace(0, len(typed[0]) - 1, ASKED).astype(int))
    base = [one[rows] for one in typed]
    found = {}
    for place in given.unlisted:
        held = [cell for cell in cells[columns[place]] if cell.strip() not in MISSING]
        gaps = len(held) < len(cells[columns[place]])
        likely = Counter(held).most_common(MOST_WORDS)
        as_typed = dict(zip(held, _words(_typed(held)), strict=True))
        spelled = (word for cell, _ in likely for word in (as_typed[cell], *_spelled(cell)))
        own = dict.fromkeys(spelled)  # in order, as a set of words is another in each process
        tried = [*own, *(word for word in (*FILLED, *MORE) if gaps and word not in own)]
        try:
            answers = _answers(given.predictions, columns, base, place, [NO_WORD, *tried])
        except LimexError:
            continue
        pairs = zip(tried, answers[1:], strict=True)
        heard = {word for word, one in pairs if (one != answers[0]).any()}
        shares = [
            sum(n for cell, n in likely if word_of(cell) in heard)
            for word_of in (as_typed.__getitem__, *_SPELLINGS)
        ]
        there = {*cells[columns[place]]}  # NA may be a word here, and what stands for gaps another
        fills = [word for word in (*FILLED, *MORE) if gaps and word in heard and word not in own]
        fills = [word for word in fills if word not in there] or fills
        fill = fills[0] if len(fills) == 1 and fills != [NAN] else ""
        settled = not gaps or NAN in fills or bool(fill)
        if max(shares) > shares[0] or fill or (not settled and len(heard) > 1):
            words = tuple(sorted(heard - {*fills}))
            found[place] = Known(words, some=True, gaps=settled, fill=fill)
    return found


NAN = "nan"
"""How CatBoost spells a missing value."""

MORE = ("other", "Other", "no", "No", "-1", "0")
"""What else people put in the place of a missing value, but that is mostly something else."""


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    *(RULES[name] for name in ("stripped", "whole", "pointed")),
)


def _spelled(cell: str) -> list[str]:
    return [one(cell) for one in _SPELLINGS]


def _typed(cells: Sequence[str]) -> NDArray[Any]:
    """Return a column as it is handed over where nothing is known of it."""
    kind = kind_of(cells)
    present = [None if cell.strip() in MISSING else cell.strip() for cell in cells]
    if kind == "bool" and None not in present:
        return np.array([TRUE_FALSE[cell] for cell in present if cell])
    if kind in ("number", "empty"):
        return np.array([np.nan if cell is None else float(cell) for cell in present])
    return np.array([None if cell.strip() in MISSING else cell for cell in cells], object)


def _words(column: NDArray[Any]) -> list[str]:
    """Spell values as CatBoost does."""
    whole = column.dtype.kind == "b" or (
        column.dtype.kind == "f" and bool((column == np.rint(column)).all())
    )
    return [str(int(one)) if whole else str(one) for one in column.tolist()]


def _answers(
    ask: Callable[[Any], FloatArray],
    columns: Sequence[str],
    base: Sequence[NDArray[Any]],
    place: int,
    words: Sequence[str],
) -> FloatArray:
    """Return what is answered to a row with each word in a column: (words, rows, k)."""
    n = len(base[0])
    table = [np.tile(one, len(words)) for one in base]
    table[place] = np.repeat(np.array(words, object), n)
    answered = np.asarray(ask(Table(tuple(columns), tuple(table))), float)
    return answered.reshape(len(words), n, -1)
