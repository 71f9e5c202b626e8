"""Which columns a model is given, and the background that is learned from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from math import isinf
from pathlib import Path
from typing import NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, SettingsError
from lime_cli.models.model_file import ModelInput
from lime_cli.tables.cells import Cells, are_dates, is_number, kind_of, misspelled, numbers
from lime_cli.tables.dialect import MISSING, Dialect
from lime_cli.tables.readers import Stream, open_table, read_evenly
from lime_cli.tables.rows import check_names, is_data, is_numbered, require
from lime_cli.tabular.background import Background, build_background
from lime_cli.tabular.doubts import numbers_for_gaps
from lime_cli.tabular.names import ID, INDEX, bare, is_label, numbers_only, typed
from lime_cli.tabular.reading import Reading, among_numbers, chooser_of, dates_of
from lime_cli.tabular.schema import Schema

NEARLY_ALL = 0.9
"""Share of a column's different cells that are numbers, from which the others are mistakes."""

MANY = 10
"""Different numbers that a column must hold for that."""


def columns_for(
    stream: Stream, model_input: ModelInput, drop: Sequence[str], order: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the columns that the model is given, in its order; raise when it has none for it.

    ``order`` is what a person says of a model that does not name its columns. One that says how
    many it takes is not given an index, nor the true answers, where the number fits without them.
    """
    wanted = model_input.n_columns
    if order:
        return _said(stream, model_input, order)
    if model_input.columns is not None:
        needed = [name for name in drop if name in model_input.columns]
        if needed:
            said = f"--drop {needed[0]}: the model needs it"
            raise SettingsError(said, f"--fixed {needed[0]} keeps its value")
        if numbers_only(model_input.columns) and not {*stream.header} & {*model_input.columns}:
            left = [name for name in stream.header if name not in drop]
            own = "; or give the numbers of the model's own with --columns"
            other = own if is_numbered(stream.header) else ""
            raise _of_other_width(stream, left, len(model_input.columns), [], other)
        require(stream.name, stream.header, model_input.columns, stream.records)
        _check_dropped(stream, drop)
        return model_input.columns
    _check_dropped(stream, drop)
    columns = tuple(name for name in stream.header if name not in drop)
    if wanted is None or wanted == len(columns):
        return _placed(stream, columns, model_input)
    spare = [name for name in columns if is_label(name)]
    index = [name for name in columns if INDEX.fullmatch(name)]
    ids = [name for name in columns if ID.fullmatch(name)]
    alone = () if ids and spare else (ids, spare)  # of both, nobody knows which one it is
    with_index = ([*index, *spare], [*index, *ids, *spare]) if index else ()
    for left_out in (index, *alone, *with_index, [*ids, *spare]):
        if len(left_out) == len(columns) - wanted:
            kept = tuple(name for name in columns if name not in left_out)
            return _placed(stream, kept, model_input)
    raise _of_other_width(
        stream, columns, wanted, [*index, *ids, *spare], beside=model_input.beside
    )


LOOKED_AT = 1_000
"""Rows that tell which columns of a table are words."""


def _placed(stream: Stream, columns: tuple[str, ...], model_input: ModelInput) -> tuple[str, ...]:
    """Put columns where a model of some text takes words, which only some of its columns are.

    Columns that it names come first. The others keep their order where that fits, and where it
    does not, words among themselves and numbers among themselves.
    """
    texts, named = {*model_input.words}, dict(model_input.named)
    if not texts or len(texts) == len(columns) or not {*named.values()} <= {*columns}:
        return columns
    free = [place for place in range(len(columns)) if place not in named]
    left = [name for name in columns if name not in named.values()]
    rows = [one.cells for one in islice(stream.records, LOOKED_AT) if one.cells]
    held = zip(*rows, strict=False)
    kinds = dict(zip(stream.header, (kind_of(cells) for cells in held), strict=False))
    worded = [name for name in left if kinds.get(name) == "text"]
    if len(worded) == len(texts - {*named}):
        order = iter(worded), iter([name for name in left if name not in worded])
        placed = {place: next(order[place not in texts]) for place in free}
    else:
        placed = dict(zip(free, left, strict=True))
    placed |= named
    return tuple(placed[place] for place in range(len(columns)))


def _check_dropped(stream: Stream, drop: Sequence[str]) -> None:
    """Raise SettingsError for a column to leave out that there is none of, under either name."""
    known = dict.fromkeys((*stream.header, *(old for old, _ in stream.renamed)))
    check_names((("--drop", name) for name in drop), [*known], f"{stream.name} has no column")


def _of_other_width(
    stream: Stream,
    columns: Sequence[str],
    wanted: int,
    likely: Sequence[str],
    other: str = "; or name the model's own with --columns",
    beside: str = "",
) -> ModelError:
    """Word that a model of ``wanted`` columns is given a table of others.

    ``other`` is another way than to leave columns out, ``beside`` says what lies beside the model.
    """
    said = f"{stream.name}: the model expects {wanted} columns, the file has {len(columns)}"
    if len(columns) < wanted:
        return ModelError(said, f"give the table it was fitted on{f'; {beside}' * bool(beside)}")
    n, listed, guess = len(columns) - wanted, ", ".join(columns[:SHOWN]), ""
    if n == len(likely) + 1 and columns[-1] not in likely and not any(map(is_label, likely)):
        titled = (one for one in columns if bare(one) == bare(Path(stream.name).stem))
        guess = next(titled, columns[-1])  # true answers mostly stand last
        likely = [*likely, guess]
    more = " ..." if len(columns) > SHOWN else ""
    if is_data(stream.header):
        return ModelError(
            said, f"its first line is {listed}{more}; if that is a row, use --no-header"
        )
    if n == len(likely):
        hint = (
            f"--drop {typed(likely)} leaves out what the model most likely does not take"
            f"{f', if {guess!r} is what it predicts' * bool(guess)}; it has {listed}{more}"
        )
        likely = ()
    elif n == 1:
        hint = f"--drop one of {listed}{more}"
    elif other and (numeric := _of_numbers(stream, columns, wanted)):
        hint = f"if it takes all of numbers, --columns {typed(numeric)}; it has {listed}{more}"
    else:
        hint = f"leave {n} of {listed}{more} out with --drop"
    hint += f", {' and '.join(map(repr, likely))} most likely" if likely else ""
    return ModelError(said, f"{f'{beside}; or ' * bool(beside)}{hint}{other}")


def _of_numbers(stream: Stream, columns: Sequence[str], wanted: int) -> list[str]:
    """Return the columns of numbers, if there are as many as wanted and no true answers; else
    nothing.
    """
    held = zip(*(one.cells for one in islice(stream.records, LOOKED_AT) if one.cells), strict=False)
    kinds = dict(zip(stream.header, map(kind_of, held), strict=False))
    found = [name for name in columns if kinds.get(name) in ("number", "bool")]
    return found if len(found) == wanted and not any(map(is_label, found)) else []


SHOWN = 12
"""Columns that a sentence names, at most."""


def _said(stream: Stream, model_input: ModelInput, order: Sequence[str]) -> tuple[str, ...]:
    """Check the columns that a person names; raise SettingsError where the model has its own."""
    own, wanted = model_input.columns, model_input.n_columns
    require(stream.name, stream.header, order)
    if own is not None and tuple(order) != own:
        raise SettingsError("--columns: the model names its columns itself", "leave it out")
    if wanted is not None and wanted != len(order):
        raise SettingsError(
            f"--columns: names {len(order)} columns, the model takes {wanted}", "name them all"
        )
    return tuple(order)


def sifted(cells: Cells, columns: Sequence[str], schema: Schema, strict: bool) -> Cells:
    """Look for cells that are no numbers in columns of numbers.

    A row with one raises InputError where ``strict``, else it is left out: it will fail by itself
    when it is explained. Numbers in another spelling raise InputError: all of the column is so.
    """
    bad: set[int] = set()
    for name in columns:
        if name in cells.texts or name in schema.categorical or name in schema.texts:
            continue
        if cells.simple(name):
            continue
        if name in schema.numeric and are_dates(cells.column(name)):
            continue
        wrong = _wrong_cells(cells, name, name in schema.numeric)
        if not wrong:
            continue
        rows = [i for i, cell in enumerate(cells.column(name)) if cell in wrong]
        spelled = [i for i in rows if misspelled(cells.cell(i, cells.places[name]), cells.dialect)]
        if strict or spelled:
            numbers(cells, name, spelled[:1] or rows[:1])
        bad.update(rows)
    if not bad:
        return cells
    return cells.chosen([i for i in range(len(cells.rows)) if i not in bad])


def _wrong_cells(cells: Cells, name: str, numeric: bool) -> frozenset[str]:
    """Return the cells of a column of numbers that are none; of another column, nothing."""
    present = {cell for cell in set(cells.column(name)) if cell.strip() not in MISSING}
    good = {cell for cell in present if is_number(cell, cells.dialect)}
    endless = {cell for cell in good if isinf(float(cells.dialect.plain(cell)))}
    wrong = present - good
    like = sum(misspelled(cell, cells.dialect) for cell in wrong) + len(good)
    nearly = len(present) >= 2 and like >= NEARLY_ALL * len(present)
    spelled_otherwise = nearly and like > len(good)
    if numeric or not wrong or (nearly and len(good) >= MANY) or spelled_otherwise:
        return frozenset(wrong | endless)
    return frozenset()


ENOUGH_ROWS = 50
"""An input with at least this many rows may serve as its own background."""

ITSELF = CodedWarning(
    "background_is_input",
    "replacement values come from the input itself; give training data with --background",
)


UNKNOWN = ModelInput()


ASKED = 1_000
"""Rows whose predictions are compared with their columns, at most."""


class Learned(NamedTuple):
    """A background, how its table was read, and what a reader must know of that."""

    background: Background
    warnings: tuple[CodedWarning, ...]
    reading: Reading
    some: Cells
    """Rows of the table, to ask the model about."""


def learn(
    path: str,
    dialect: Dialect,
    schema: Schema,
    columns_of: Callable[[Stream], tuple[Stream, Sequence[str]]],
    own: bool = False,
    model_input: ModelInput = UNKNOWN,
) -> Learned:
    """Return what the columns of a table hold, and what a reader must know of that.

    ``columns_of`` names a table's columns and chooses among them. Where the table is explained by
    its ``own`` rows, too few of them raise SettingsError, and broken ones are left out. What
    ``model_input`` knows of the columns decides how their cells are read.
    """
    with open_table(path, dialect) as stream:
        seen, columns = columns_of(stream)
        require(seen.name, seen.header, columns)
        check_names(schema.of_file(), seen.header, f"{seen.name} has no column")
        check_names(schema.of_model(), columns, "the model is not given a column")
        spelled = [columns[place] for place in model_input.spelled if place < len(columns)]
        spelled += [name for name, _ in schema.dates]
        if schema.label is not None:
            spelled.append(schema.label)
        cells, n_rows = read_evenly(seen, dialect, not own, spelled)
    if own and n_rows < ENOUGH_ROWS:
        raise SettingsError(
            f"{cells.name}: has too few rows to draw replacements from ({n_rows})",
            "name training data with --background",
        )
    warnings = (*(CodedWarning(*one) for one in seen.assumed), *[ITSELF][: int(own)])
    if len(cells.rows) < n_rows:
        words = f"replacement values come from {len(cells.rows):,} of {n_rows:,} rows"
        warnings += (CodedWarning("background_sampled", f"{words}, evenly spaced"),)
    dates, written = dates_of(schema, cells)
    typed = seen.typed is not None
    told = Reading(told=among_numbers(schema.maps, cells))
    cells = told.applied(cells)
    chooser = chooser_of(columns, dialect, model_input, typed, schema.numeric, schema.strings)
    reading, said = chooser.chosen(cells)
    reading = replace(reading, dates=dates, told=told.told)
    cells = sifted(reading.applied(cells), columns, schema, strict=not own)
    warnings = (*warnings, *written, *said)
    background = build_background(cells, columns, schema)
    found = numbers_for_gaps(background, model_input) if dialect.reading == "auto" else {}
    if found:
        gaps = Reading(gaps=tuple(found.items()))
        reading, cells = replace(reading, gaps=gaps.gaps), gaps.applied(cells)
        background, warnings = build_background(cells, columns, schema), (*warnings, *gaps.said())
    some = cells.chosen(range(min(ASKED, len(cells.rows))))
    return Learned(background, warnings, reading, some)
