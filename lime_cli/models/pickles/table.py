"""Tables that pandas or numpy pickled: loaded by the list, as models are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lime_cli.errors import InputError, ModelError
from lime_cli.models.content import Content
from lime_cli.models.parts import can_predict
from lime_cli.models.pickles.loading import unpickle_any
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import STDIN

_MOST_PARTS, _MOST_IN_ALL = 1_000_000, 100_000_000
"""Of a cell, and of a column."""

_VALUES = (
    *(str, bytes, bool, int, float, complex, type(None), np.generic),
    *(date, time, timedelta),  # of which pandas' own are kinds
    Decimal,
)
"""Kinds of cells that are written in words."""


class Typed(NamedTuple):
    """Which columns are text whatever they look like."""

    texts: frozenset[str]


def read(file: TableFile, dialect: Dialect) -> TableContent:
    """Read a data frame, or an array of rows; raise InputError for anything else."""
    import pandas

    if file.path == STDIN:
        raise InputError(f"{file.name}: a pickle is read from a file only", "name the file")
    try:
        held: Any = unpickle_any(Content(Path(file.path)))
    except ModelError as error:
        hint = "write the table as Parquet or CSV"
        raise InputError(error.message.replace("not a model file", "not a table"), hint) from None
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror})") from None
    if type(held) is np.ndarray and held.ndim == 2:
        held = pandas.DataFrame(held)
    if not isinstance(held, pandas.DataFrame):
        said = f"{file.name}: holds a {type(held).__name__}, not a table"
        hint = "name a model before its table" if can_predict(held) else "pickle a data frame"
        raise InputError(said, hint)
    _check_cells(file.name, "the name of a column", held.columns.tolist())
    header = checked_header(file.name, [str(name) for name in held.columns])
    columns = [held.iloc[:, place] for place in range(held.shape[1])]
    for name, one in zip(header, columns, strict=True):
        if one.dtype == object:
            _check_cells(file.name, f"column {name!r}", one.tolist())
    words = {name for name, one in zip(header, columns, strict=True) if not _is_number(one)}
    return TableContent(header, _records(header, columns, dialect), Typed(frozenset(words)))


def _check_cells(file: str, where: str, cells: list[Any]) -> None:
    """Refuse cells that are no values, and those whose lists repeat so often that no text ends."""
    import pandas

    plain = (*_VALUES, type(pandas.NA))
    if set(map(type, cells)) <= set(plain):
        return
    known: dict[int, int] = {}
    """By identity, how many parts a container has in all: a file may name it again and again."""
    total = 0
    for cell in cells:
        todo: list[tuple[Any, list[Any] | None]] = [(cell, None)]
        while todo:
            one, parts = todo.pop()
            if parts is not None:  # of which all are counted by now
                n = 1 + sum(known.get(id(part), 1) for part in parts)
                known[id(one)] = min(n, _MOST_PARTS + 1)
            elif id(one) not in known and not isinstance(one, plain):
                inside = _parts_of(one)
                if inside is None:
                    raise InputError(f"{file}: {where} has a {type(one).__name__} for a cell")
                known[id(one)] = _MOST_PARTS  # for its own parts: those that hold it have no end
                todo += [(one, inside), *((part, None) for part in inside)]
        n_parts = known.get(id(cell), 1)
        total += n_parts
        if n_parts > _MOST_PARTS:
            raise InputError(f"{file}: {where} has a cell of more than {_MOST_PARTS:,} parts")
        if total > _MOST_IN_ALL:
            raise InputError(f"{file}: {where} has more than {_MOST_IN_ALL:,} parts in its cells")


def _parts_of(one: Any) -> list[Any] | None:
    """Return what a container holds; None for another thing."""
    if isinstance(one, dict):
        return [*one.keys(), *one.values()]
    if isinstance(one, (list, tuple, set, frozenset)):
        return list(one)
    if isinstance(one, np.ndarray):
        return one.ravel().tolist() if one.dtype.hasobject else []
    return None


def _is_number(column: Any) -> bool:
    from pandas.api import types

    dtype = getattr(column.dtype, "categories", column).dtype
    amounts = dtype.kind == "O" and types.infer_dtype(column) == "decimal"
    return bool(types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype) or amounts)


def _records(header: tuple[str, ...], columns: list[Any], dialect: Dialect) -> Iterator[Record]:
    spelled = [_spelled(column, dialect) for column in columns]
    for number, cells in enumerate(zip(*spelled, strict=True)):
        yield Record(header, cells, number, unit="row")


def _spelled(column: Any, dialect: Dialect) -> list[str]:
    pairs = zip(column.tolist(), column.isna().tolist(), strict=True)
    return ["" if gap else dialect.spelled(value) for value, gap in pairs]
