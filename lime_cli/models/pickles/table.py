"""Tables that pandas or numpy pickled: loaded by the list, as models are."""

from __future__ import annotations

from collections.abc import Iterator
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
    header = checked_header(file.name, [str(name) for name in held.columns])
    columns = [held.iloc[:, place] for place in range(held.shape[1])]
    words = {name for name, one in zip(header, columns, strict=True) if not _is_number(one)}
    return TableContent(header, _records(header, columns, dialect), Typed(frozenset(words)))


def _is_number(column: Any) -> bool:
    from pandas.api import types

    dtype = getattr(column.dtype, "categories", column).dtype
    return bool(types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype))


def _records(header: tuple[str, ...], columns: list[Any], dialect: Dialect) -> Iterator[Record]:
    spelled = [_spelled(column, dialect) for column in columns]
    for number, cells in enumerate(zip(*spelled, strict=True)):
        yield Record(header, cells, number, unit="row")


def _spelled(column: Any, dialect: Dialect) -> list[str]:
    pairs = zip(column.tolist(), column.isna().tolist(), strict=True)
    return ["" if gap else dialect.spelled(value) for value, gap in pairs]
