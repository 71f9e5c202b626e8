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
from lime_cli.models.pickles.loading import unpickle_any
from lime_cli.sources import Record
from lime_cli.tables.delimited import checked_header
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import TableContent, TableFile
from lime_cli.tables.streams import STDIN

_MOST_PARTS = 1_000_000

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
        raise InputError(
            f"{file.name}: holds a {type(held).__name__}, not a table", "pickle a data frame"
        )
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
    for cell in cells:
        todo, n_parts = [cell], 0
        while todo:
            one, n_parts = todo.pop(), n_parts + 1
            if n_parts > _MOST_PARTS:
                raise InputError(f"{file}: {where} has a cell of more than {_MOST_PARTS:,} parts")
            if isinstance(one, dict):
                todo += [*one.keys(), *one.values()]
            elif isinstance(one, (list, tuple, set, frozenset)):
                todo += one
            elif isinstance(one, np.ndarray):
                todo += one.ravel().tolist() if one.dtype.hasobject else ()
            elif not isinstance(one, plain):
                raise InputError(f"{file}: {where} has a {type(one).__name__} for a cell")


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
