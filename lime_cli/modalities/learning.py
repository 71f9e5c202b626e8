"""Learn a background from a table: which rows are read, and what must be said of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lime_cli.engine.instance import Caveat
from lime_cli.errors import SettingsError
from lime_cli.modalities.background import Background, build_background
from lime_cli.modalities.columns import sifted
from lime_cli.modalities.dialect import Dialect
from lime_cli.modalities.readers import Stream, open_table, read_evenly
from lime_cli.modalities.rows import require
from lime_cli.modalities.schema import Schema

ENOUGH_ROWS = 50
"""An input with at least this many rows may serve as its own background."""
ITSELF = Caveat(
    "background_is_input",
    "replacement values come from the input itself; name training data with --background",
)

Learned = tuple[Background, tuple[Caveat, ...]]


def learn(
    path: str,
    dialect: Dialect,
    schema: Schema,
    columns_of: Callable[[Stream], tuple[Stream, Sequence[str]]],
    own: bool = False,
) -> Learned:
    """Return what the columns of a table hold, and what a reader must know of that.

    ``columns_of`` names a table's columns and chooses among them. Where the table is explained by
    its ``own`` rows, too few of them raise SettingsError, and broken ones are left out.
    """
    with open_table(path, dialect) as stream:
        seen, columns = columns_of(stream)
        require(seen.name, seen.header, columns)
        cells, n_rows = read_evenly(seen, dialect, strict=not own)
    if own and n_rows < ENOUGH_ROWS:
        raise SettingsError(
            f"{cells.name}: has {n_rows} rows, too few to draw replacements from",
            "name training data with --background",
        )
    caveats: tuple[Caveat, ...] = (ITSELF,) if own else ()
    if len(cells.rows) < n_rows:
        words = f"replacement values come from {len(cells.rows):,} of {n_rows:,} rows"
        caveats += (Caveat("background_sampled", f"{words}, evenly spaced"),)
    cells = sifted(cells, columns, schema, strict=not own)
    return build_background(cells, columns, schema), caveats
