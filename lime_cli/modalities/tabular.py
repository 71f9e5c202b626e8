"""Tables: a row's columns are its components, the background's observed values replace them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from lime_cli.engine.instance import Caveat
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.modalities import Source
from lime_cli.modalities.background import Background, Schema, build_background, parse_cell
from lime_cli.modalities.row import RowInstance
from lime_cli.modalities.tables import Cells, read_cells
from lime_cli.models import ModelInput

ENOUGH_ROWS = 50
"""An input with at least this many rows may serve as its own background."""

read_once = lru_cache(maxsize=4)(read_cells)


@dataclass(frozen=True)
class TabularModality:
    """Explain rows of a table."""

    path: str
    rows: str | None = None
    """By number, counted from 0: ``3``, ``3,10-20``; None for those named by ``ids``, or all."""
    ids: tuple[str, ...] = ()
    id_column: str | None = None
    background: str | None = None
    schema: Schema = field(default_factory=Schema)
    drop: tuple[str, ...] = ()
    separator: str | None = None
    fitted_background: Background | None = None

    default_samples = 4_096
    max_samples = 65_536
    slice_size = 256

    def sources(self) -> Iterator[Source]:
        """List the rows in the order asked for; raise SettingsError for one out of range."""
        cells = self._cells()
        names = self._ids(cells)
        for row in self._wanted(cells, names):
            yield Source(names[row] if names else str(row), self.path, row)

    def strays(self) -> int:
        """Return 0: a table has rows and nothing else."""
        return 0

    def fitted(self, model_input: ModelInput) -> TabularModality:
        """Learn the background in the model's columns; raise when model and tables do not fit."""
        model_input.require("table")
        cells = self._cells()
        columns = _columns(cells, model_input, self.drop)
        if self.background is None and len(cells.rows) < ENOUGH_ROWS:
            raise SettingsError(
                f"{cells.name}: has {len(cells.rows)} rows, too few to draw replacements from",
                "name training data with --background",
            )
        seen = read_once(Path(self.background), self.separator) if self.background else cells
        _require(seen, columns)
        return replace(self, fitted_background=build_background(seen, columns, self.schema))

    def read(self, source: Source) -> RowInstance:
        """Read one row; raise InputError naming line and column for a cell of the wrong kind."""
        assert self.fitted_background is not None
        assert source.row is not None
        cells, features = self._cells(), self.fitted_background.features
        values = tuple(parse_cell(feature, cells, source.row) for feature in features)
        caveats = (
            ()
            if self.background
            else (
                Caveat(
                    "background_is_input",
                    "replacement values come from the input itself; "
                    "name training data with --background",
                ),
            )
        )
        return RowInstance(source, self.fitted_background, values, caveats)

    def _cells(self) -> Cells:
        return read_once(Path(self.path), self.separator)

    def _ids(self, cells: Cells) -> list[str]:
        if self.id_column is None:
            return []
        _require(cells, (self.id_column,))
        return cells.column(self.id_column)

    def _wanted(self, cells: Cells, names: list[str]) -> list[int]:
        if self.ids:
            if not names:
                raise SettingsError(
                    "--id needs the column that ids stand in", "name it with --id-column"
                )
            missing = [one for one in self.ids if one not in names]
            if missing:
                raise InputError(f"{cells.name}: no row with {self.id_column} {missing[0]!r}")
            return [names.index(one) for one in self.ids]
        if self.rows is None:
            return list(range(len(cells.rows)))
        return _parse_rows(self.rows, cells)


def _columns(cells: Cells, model_input: ModelInput, drop: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that the model is given, in its order."""
    if model_input.columns is not None:
        _require(cells, model_input.columns)
        return model_input.columns
    _require(cells, drop)
    columns = tuple(name for name in cells.header if name not in drop)
    wanted = model_input.n_columns
    if wanted is not None and wanted != len(columns):
        hint = (
            "leave columns out with --drop"
            if len(columns) > wanted
            else "give the table it was fitted on"
        )
        raise ModelError(
            f"{cells.name}: the model expects {wanted} columns, the file has {len(columns)}", hint
        )
    return columns


def _require(cells: Cells, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in cells.header]
    if not missing:
        return
    plain = {name.casefold().strip(): name for name in cells.header}
    near = [plain.get(missing[0].casefold()), *get_close_matches(missing[0], cells.header, n=1)]
    guess = next((name for name in near if name), None)
    listed = ", ".join(repr(name) for name in missing[:5]) + (" ..." if len(missing) > 5 else "")
    has = ", ".join(cells.header[:12]) + (" ..." if len(cells.header) > 12 else "")
    raise InputError(
        f"{cells.name}: lacks column{'s' * (len(missing) > 1)} {listed}",
        f"did you mean {guess!r}?" if guess else f"it has {has}",
    )


def _parse_rows(rows: str, cells: Cells) -> list[int]:
    n = len(cells.rows)
    found: list[int] = []
    for part in rows.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SettingsError(
                f"--row {rows}: is not a list of rows", "write 3 or 3,10-20, counted from 0"
            )
        start, stop = int(first), int(last if dash else first)
        if stop >= n or start > stop:
            raise SettingsError(f"--row {part.strip()}: {cells.name} has rows 0-{n - 1}")
        found.extend(row for row in range(start, stop + 1) if row not in found)
    return found
