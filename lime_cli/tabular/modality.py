"""Tables: a row's columns are its components, the background's observed values replace them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError, LimexError, ModelError, SettingsError, and_more, and_so_on
from lime_cli.models.model_file import ModelInput
from lime_cli.sources import Record, Source
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tables.readers import Stream, open_table
from lime_cli.tables.rows import Rows, cells_of, check_names, is_data, is_numbered, require
from lime_cli.tables.streams import Watch, is_once
from lime_cli.tabular.answering import answered_words
from lime_cli.tabular.background import Background, parse_cell
from lime_cli.tabular.codes import WordsForNumbers, fit_of, without_words
from lime_cli.tabular.columns import Learned, columns_for, learn
from lime_cli.tabular.date_parts import DateParts, parts_of
from lime_cli.tabular.doubts import (
    far_numbers,
    filled_with,
    gaps_unseen,
    missed_answers,
    other_scale,
    predicted_like,
    unknown_categories,
)
from lime_cli.tabular.groups import (
    Dummies,
    Feature,
    Group,
    digest_of_features,
    dummies_of,
    is_missing,
)
from lime_cli.tabular.names import ID, INDEX, called, is_label, numbers_only
from lime_cli.tabular.profile import Profile, is_profile, read_profile
from lime_cli.tabular.reading import AS_SPELLED, Reading, are_words, spelling_of
from lime_cli.tabular.row import CellWords, RowInstance, row_of, table_of
from lime_cli.tabular.schema import Schema


def warnings_of(record: Record) -> tuple[CodedWarning, ...]:
    """Return what is odd about a row though it can be read."""
    if not record.repeated:
        return ()
    words = (
        f"an id occurs more than once in column {record.repeated!r}; identify rows by their number"
    )
    return (CodedWarning("duplicate_id", words),)


NAMED = 4
"""Columns that a warning names, at most."""


def by_position(columns: Sequence[str], model_input: ModelInput) -> tuple[CodedWarning, ...]:
    """Say in what order columns go to a model that does not name them."""
    unnamed = model_input.columns is None and len(columns) > 1
    if not unnamed or not (model_input.pandas or model_input.kind == "table"):
        return ()
    words = (
        f"the model does not name its columns; it gets, in this order: {and_so_on(columns, NAMED)}"
    )
    return (CodedWarning("by_position", f"{words}; --columns sets another order"),)


NAMELESS = CodedWarning(
    "by_position",
    "the table names no columns; they are taken to be the model's, in the model's order",
)


def label_like(columns: Sequence[str], model_input: ModelInput) -> tuple[CodedWarning, ...]:
    """Warn of columns that are called as true answers or indices are, and go to a model by their
    place.
    """
    if model_input.columns is not None:
        return ()
    labels = [name for name in columns if is_label(name)]
    rows = [name for name in columns if INDEX.fullmatch(name)]
    return tuple(
        CodedWarning(
            "label_like",
            f"{', '.join(map(repr, found))} {may}, but the model gets it; "
            f"--drop {shlex.quote(','.join(found))} leaves it out",
        )
        for found, may in (
            (labels, "may contain the true classes"),
            (rows, "has no name and may number the rows"),
        )
        if found
    )


TOLD = frozenset(("other_scale", "far_numbers", "unknown_category", "gaps_unseen"))
"""Warnings that say why a model predicts worse than it did."""

LOOKED_AT = 1_000
"""Rows that tell whether a model's columns are dummies of those of a table."""

FITS = 0.3
"""Share of the spread of a column that predictions explain, at least, where it is what the model
predicts; and by how much more than that of another."""

LARGE = 10_000
"""What numbers that stand for dates are beyond."""

Takes = Callable[[Any], bool]
"""Tells whether a model answers to a batch."""


def without_refused_gaps(
    background: Background, takes: Takes | None
) -> tuple[Background, tuple[CodedWarning, ...], tuple[tuple[str, float], ...]]:
    """Leave missing values out of the columns where the model answers to none.

    It is asked about a row of the commonest values: as it is, with all gaps there are, and if it
    refuses that, with each. A model that refuses the row itself decides nothing. Columns of
    numbers that it refuses with a gap are returned with their median.
    """
    fixed = {background.features[place].name for place in background.kept}
    gaps = [
        place
        for place, one in enumerate(background.features)
        if one.gaps and not one.constant and one.name not in fixed
    ]
    if not gaps or takes is None or not takes(row_of(background, ())):
        return background, (), ()
    if takes(row_of(background, gaps)):
        return background, (), ()
    alone = [place for place in gaps if not takes(row_of(background, (place,)))]
    features, refused = background.features, alone or gaps
    numbers = [features[place] for place in alone if features[place].values.dtype.kind in "if"]
    names = and_so_on([repr(background.features[place].name) for place in refused], NAMED)
    words = (
        f"the model does not accept missing values: those of {names} are drawn from observed ones"
    )
    medians = tuple((one.name, one.middle) for one in numbers)
    said = (CodedWarning("missing_not_drawn", words),)
    return _filled(background, set(refused)), said, medians


def _first_cells(seen: Stream) -> dict[str, tuple[str, ...]]:
    """Return the cells of the first rows by column."""
    rows = [one.cells for one in islice(seen.records, LOOKED_AT) if one.cells]
    return dict(zip(seen.header, zip(*rows, strict=False), strict=False))


def _filled(background: Background, refused: set[int]) -> Background:
    features = tuple(
        one.without_gaps() if place in refused else one
        for place, one in enumerate(background.features)
    )
    groups = tuple(_group(one, features, refused) for one in background.groups)
    digest = digest_of_features(features, groups)
    return replace(background, features=features, groups=groups, digest=digest)


def _group(group: Group, features: Sequence[Feature], refused: set[int]) -> Group:
    """Leave out the combinations that hold a missing value of a refused column."""
    whole = np.ones(len(group.categories), bool)
    for j, place in enumerate(group.places):
        if place in refused:
            whole &= group.categories[:, j] < len(features[place].values)
    frequencies = group.frequencies[whole] / group.frequencies[whole].sum()
    members = tuple(features[place] for place in group.places)
    return replace(
        group, features=members, categories=group.categories[whole], frequencies=frequencies
    )


@dataclass(frozen=True)
class TabularModality:
    """Explain rows of a table."""

    path: str
    rows: str | None = None
    """By number, counted from 0: ``3``, ``3,10-20``; None for those named otherwise, or all."""
    ids: tuple[str, ...] = ()
    id_column: str | None = None
    background: str | None = None
    schema: Schema = field(default_factory=Schema)
    drop: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """Columns of the files, with the names that the model has for them."""
    where: str | None = None
    """Which rows, as a condition."""
    dialect: Dialect = PLAIN
    """How the cells of all files are spelled."""
    parts: DateParts | None = None
    """Which columns of the model are parts of a date of the table."""
    fitted_background: Background | None = None
    fitted_names: tuple[str, ...] | None = None
    """What the model calls its columns."""
    fitted_warnings: tuple[CodedWarning, ...] = ()
    fitted_ignored: tuple[str, ...] = ()
    fitted_medians: tuple[tuple[str, float], ...] = ()
    """Columns of numbers in which the model accepts no missing value, with the median."""
    fitted_reading: Reading = AS_SPELLED
    """What is done to the cells of columns before they are read."""

    default_samples = 1_024
    max_samples = 16_384
    slice_size = 256

    def sources(self) -> Iterator[Source]:
        """List the rows in the order asked for, reading as they are taken.

        Raises SettingsError for a row out of range.
        """
        return self._rows().sources()

    def stamp(self) -> tuple[int, ...]:
        """Tell which state of the background's file is the one to learn from."""
        return Watch(self.background or self.path).state

    def strays(self) -> int:
        return 0

    def ignored(self) -> tuple[str, ...]:
        """Name the columns that the model is not given and that nothing else asks for."""
        return self.fitted_ignored

    def without_inputs(self) -> TabularModality:
        """Return a copy that asks for no row."""
        return replace(self, rows=None, ids=(), where=None)

    def jointly(self) -> TabularModality:
        """Return a copy that keeps rows of the background, to replace columns together."""
        return replace(self, schema=replace(self.schema, joint=True))

    def fitted(self, model_input: ModelInput) -> TabularModality:
        """Learn the background in the model's columns; raise when model and tables do not fit.

        A table that can be read only once is left to the process that lists its rows, if there is
        a background beside it.
        """
        model_input.require("table")
        profile = read_profile(self.background) if is_profile(self.background) else None
        placed = self._placed(model_input, profile)
        if placed is not None:
            return placed.fitted(model_input)
        parts = self._parts(model_input) if profile is None and self.parts is None else None
        if parts is not None:
            fitted = replace(self, parts=parts).fitted(model_input)
            return replace(fitted, fitted_warnings=(parts.said(), *fitted.fitted_warnings))
        schema = self._schema(model_input, profile)
        if schema != self.schema:
            return replace(self, schema=schema).fitted(model_input)
        given, dummies = model_input, self._dummies(model_input, profile)
        model_input = dummies.told(model_input) if dummies else model_input
        try:
            header, columns, numbered = self._columns(model_input, profile)
        except (ModelError, InputError):
            other = self._without_answers(model_input) if profile is None else None
            if other is None:
                raise
            return other
        if profile is None and (model_input.columns is None or numbers_only(model_input.columns)):
            left_out = [name for name in header if name not in {*columns, *self.drop}]
            other = self._without_answers(model_input, left_out)
            if other is not None:
                return other
        reading, some = AS_SPELLED, None
        if profile is not None:
            background, warnings = profile.background(columns, self.schema)
            _check_words(profile.name, background, model_input)
        else:
            model_input = self._listed(model_input, columns) if dummies is None else model_input
            other = self._respelled(model_input, given, columns)
            if other is not None:
                return other
            background, warnings, reading, some = self._learned(model_input, columns)
        warnings = (
            *warnings,
            *unknown_categories(background, model_input.known),
            *gaps_unseen(background, model_input.gapless),
            *other_scale(background, model_input.ranges),
            *far_numbers(background, model_input),
        )
        nameless = not self.dialect.header or numbered
        if nameless and model_input.columns is not None:
            warnings += (NAMELESS,)
        elif not self.renamed and numbers_only(columns):
            warnings += self._by_number(model_input, profile, columns)
        if not self.schema.order:
            warnings += by_position(columns, model_input) + label_like(columns, model_input)
        background = _with_moments(background, self.schema)
        if dummies is not None:
            dummies = dummies.resolved(background.features)
            background = replace(background, dummies=dummies)
            warnings += dummies.said(background.features)
        if profile is not None:
            plain = {one.name for one in background.features if one.values.dtype != object}
            told = (one for one in self.schema.maps if one[0] in plain and are_words(one[1]))
            said = tuple(one for one in self.schema.dates if one[1])
            reading = Reading(dates=said, told=tuple(told))
        maps = tuple(one for one in self.schema.maps if one not in reading.told)
        try:
            background, coded = without_words(background, some, model_input, maps)
        except WordsForNumbers as error:
            if not nameless or model_input.columns is None:
                raise
            words = f"{error.message}, if the table's columns are the model's, in its order"
            hint = f"if not, name them: --columns A,B,... with {len(header)} names"
            raise InputError(words, hint) from None
        warnings += coded
        warnings += predicted_like(background, some, model_input)
        if not {one.code for one in warnings} & TOLD:
            warnings += missed_answers(background, some, model_input)
        background, refused, medians = without_refused_gaps(background, model_input.takes)
        return replace(
            self,
            fitted_background=background,
            fitted_names=model_input.columns,
            fitted_warnings=(*warnings, *refused, *together(background)),
            fitted_medians=medians,
            fitted_reading=reading,
            fitted_ignored=tuple(
                one for one in header if one not in {*columns, *self._options_given}
            ),
        )

    def _schema(self, model_input: ModelInput, profile: Profile | None) -> Schema:
        """Return what a person said of columns, by the names that the model has for them.

        Raises SettingsError for a column that there is none of.
        """
        schema = self.schema
        said, parts = [*schema.of_file(), *schema.of_model()], [*schema.of_parts()]
        if not said and not parts:
            return schema
        found = schema.auto_groups or schema.onehot  # what these find may be named too
        with self._background(profile) as stream:
            seen = self._named(stream, model_input)
            names = {old: new for old, new in seen.renamed if old not in seen.header}
            known, whose = [*seen.header, *names], f"{seen.name} has no column"
            check_names(said, known, whose)
            check_names([] if found else parts, [*known, *dict(schema.groups)], whose)
        return schema.called(names)

    def _parts(self, given: ModelInput) -> DateParts | None:
        """Find columns of the model that are parts of the table's dates."""
        if given.columns is None:
            return None
        large = any(one.exact and one.low > LARGE for one in given.ranges.values())
        with self._opened(given, None) as seen:
            if not large and {*given.columns} <= {*seen.header}:
                return None
            cells = _first_cells(seen)
        return parts_of(cells, given, dict(self.schema.dates))

    def _placed(self, given: ModelInput, profile: Profile | None) -> TabularModality | None:
        """Take --columns as the names of a table that has none, as far as it gives them.

        They are a name for each of its columns, or the numbers of those that a model which names
        its own is given, in its order. None where it says something else.
        """
        order, names = self.schema.order, given.columns
        if not order:
            return None
        with self._background(profile) as stream:
            header = stream.header
        if not is_numbered(header):
            return None
        if len(order) == len(header) and not {*order} & {*header}:
            renamed = tuple(zip(header, order, strict=True))
        elif names is not None and len(order) == len(names) and {*order} <= {*header}:
            renamed = tuple(zip(order, names, strict=True))
        else:
            return None
        schema = replace(self.schema, order=())
        return replace(self, schema=schema, renamed=(*self.renamed, *renamed))

    def _background(self, profile: Profile | None) -> Stream:
        """Open what replacement values are learned from."""
        if profile is not None:
            return profile.stream()
        if self.background is None:
            return open_table(self.path, self.dialect)
        return open_table(self.background, self.dialect.of_another())

    def _learned(self, model_input: ModelInput, columns: tuple[str, ...]) -> Learned:
        """Learn the background of the columns that the model is given."""
        return learn(
            self.background or self.path,
            self.dialect if self.background is None else self.dialect.of_another(),
            self.schema,
            lambda stream: (self._seen(stream, model_input, columns), columns),
            own=self.background is None,
            model_input=model_input,
        )

    def _without_answers(
        self, given: ModelInput, left_out: Sequence[str] = ()
    ) -> TabularModality | None:
        """Learn the background without the column that holds what the model predicts.

        It stands first or last among one more than the model takes, an index and ids aside, and
        the model must fit it, asked about the others. None where no column is that, and where
        those ``left_out`` by what they are called are left out rightly.
        """
        if given.predictions is None or self.schema.order:
            return None
        by_name = [name for name in left_out if not INDEX.fullmatch(name)]
        if left_out and not by_name:  # an index: what follows may look like answers to it
            return None
        with self._opened(given, None) as seen:
            left = [name for name, _ in seen.renamed if name not in self.drop]
            numbered = is_numbered(seen.header)
        if is_data(left) and not numbered:  # a first line that may be a row is asked about
            return None
        if given.columns is not None:
            placed = numbered or (numbers_only(given.columns) and not self.renamed)
            if not placed or {*left} & {*given.columns}:
                return None
        wanted = given.n_columns if given.columns is None else len(given.columns)
        nameless = [name for name in left if INDEX.fullmatch(name)]
        ids = [name for name in left if ID.fullmatch(name)]
        tried = []
        for spare in ([], nameless, [*nameless, *ids]):
            rest = [name for name in left if name not in spare]
            if len(rest) - 1 == wanted and len(rest) > 1:
                tried = [(rest[-1], spare), (rest[0], spare)]
                break
        first, last = left[:1], left[-1:]
        if numbered and not tried and len(left) - 2 == wanted and wanted > 1:  # an id, say
            tried = [(left[1], first), (left[-1], first), (left[-2], last)]
        held = {name for name, _ in tried}
        tried += [
            (name, [one for one in left_out if one != name]) for name in by_name if name not in held
        ]
        fits, others = {}, {}
        for name, spare in tried:
            others[name] = spare
            kept = given.columns or tuple(one for one in left if one not in (*spare, name))
            with suppress(LimexError):
                other = replace(self, drop=(*self.drop, *spare, name))
                learned = other._learned(given, kept)
                cells = learned.some.chosen(range(min(len(learned.some.rows), LOOKED_AT)))
                features = learned.background.features
                rows = [[parse_cell(f, cells, i) for f in features] for i in range(len(cells.rows))]
                columns = [
                    f.column(held)
                    for f, held in zip(features, zip(*rows, strict=True), strict=True)
                ]
                answers = given.predictions(table_of(learned.background, columns))
                fits[name] = fit_of(name, cells, answers)
        best = max(fits, key=lambda name: fits[name], default=None)
        if best is None or any(fits[best] < one + FITS for k, one in fits.items() if k != best):
            return None
        if fits[best] < FITS or best in left_out:
            return None
        chosen = replace(self, drop=(*self.drop, *others[best], best)).fitted(given)
        words = f"{best!r} is most likely the model's target, and is left out"
        words += f", as {others[best][0]!r} is" if numbered and others[best] else ""
        said = CodedWarning("answers_left_out", f"{words}; --columns changes this")
        return replace(chosen, fitted_warnings=(said, *chosen.fitted_warnings))

    def _respelled(
        self, model_input: ModelInput, given: ModelInput, columns: tuple[str, ...]
    ) -> TabularModality | None:
        """Learn the background with numbers as the table spells them, where the model takes those.

        ``given`` is what the model says, ``model_input`` of columns as the table has them. Nothing
        is done about what a person said, nor where the model takes the very words.
        """
        plain = self.dialect.decimal == "." and self.dialect.thousands is None
        if not plain or given.takes is None:
            return None
        schema = self.schema
        told = {*schema.numeric, *schema.strings, *schema.categorical, *schema.texts}
        told |= {name for name, _ in (*schema.maps, *schema.dates)}
        told |= {columns[place] for place in model_input.spelled if place < len(columns)}
        with self._opened(model_input, None) as seen:
            cells = _first_cells(seen)
        found = spelling_of(
            {one: cells[one] for one in columns if one in cells and one not in told}
        )
        if found is None:
            return None
        numeric, strings = (*schema.numeric, *found.united), (*schema.strings, *found.columns)
        dialect = replace(self.dialect, decimal=found.decimal, thousands=found.thousands)
        numbers = replace(self, dialect=dialect, schema=replace(schema, numeric=numeric))
        words = replace(self, schema=replace(schema, strings=strings))
        if not numbers._answered(model_input, given, columns):
            return None
        if words._answered(model_input, given, columns, numbered=False):
            return None
        fitted = numbers.fitted(given)
        return replace(fitted, fitted_warnings=(*found.said(), *fitted.fitted_warnings))

    def _listed(self, model_input: ModelInput, columns: tuple[str, ...]) -> ModelInput:
        """Find out from its answers which words of its columns the model knows, if it lists none.

        Nothing is asked about columns whose type a person or the file says.
        """
        schema = self.schema
        told = {*schema.numeric, *schema.strings, *schema.texts, *(name for name, _ in schema.maps)}
        asked = tuple(one for one in model_input.unlisted if columns[one] not in told)
        if not asked:
            return model_input
        with self._opened(model_input, None) as seen:
            if seen.typed is not None:
                return model_input
            cells = _first_cells(seen)
        found = answered_words(model_input._replace(unlisted=asked), columns, cells)
        words = (place for place, one in found.items() if one.values)
        return model_input._replace(
            known={**model_input.known, **found}, words=(*model_input.words, *words)
        )

    def _answered(
        self,
        model_input: ModelInput,
        given: ModelInput,
        columns: tuple[str, ...],
        numbered: bool = True,
    ) -> bool:
        """Tell whether the model answers to a row of the table, read in this way.

        Words may be ``numbered`` for that.
        """
        try:
            background, _, reading, some = self._learned(model_input, columns)
            dummies = self._dummies(given, None)
            if dummies is not None:
                dummies = dummies.resolved(background.features)
                background = replace(background, dummies=dummies)
            maps = tuple(one for one in self.schema.maps if one not in reading.told)
            if numbered or maps:
                background, _ = without_words(background, some, model_input, maps)
        except WordsForNumbers:
            return True
        except LimexError:
            return False
        return model_input.takes is not None and model_input.takes(row_of(background, ()))

    def _seen(self, stream: Stream, model_input: ModelInput, columns: tuple[str, ...]) -> Stream:
        """Return a table whose columns are called, and are text, as the model has them."""
        words = frozenset(columns[place] for place in model_input.words if place < len(columns))
        seen = self._named(stream, model_input)
        return replace(seen, words=(words - {*self.schema.numeric}) | {*self.schema.strings})

    def _named(self, stream: Stream, model_input: ModelInput) -> Stream:
        """Give the columns of a table the names that the model has for them."""
        header = self._called(stream.header, model_input.columns)
        renamed = tuple(zip(stream.header, header, strict=True))
        found = replace(stream, header=header, renamed=renamed)
        if self.parts is None or self.parts.column not in header:
            return found
        records = self.parts.added(found.records, header.index(self.parts.column))
        return replace(
            found, header=(*header, *self.parts.names), records=records, n_rows=None, sampled=None
        )

    def _called(self, header: tuple[str, ...], names: tuple[str, ...] | None) -> tuple[str, ...]:
        numbered = is_numbered(header) and not {*header} & {*dict(self.renamed)}
        return called(header, names, self.drop, numbered, self.renamed)

    @property
    def _options_given(self) -> tuple[str | None, ...]:
        """Columns that a person names for something else than the model."""
        dates = self.parts.column if self.parts is not None else None
        return (*self.drop, self.id_column, self.schema.label, dates)

    @contextmanager
    def _opened(self, model_input: ModelInput, profile: Profile | None) -> Iterator[Stream]:
        """Open the table that says what columns there are, called as the model calls them.

        It is the background where the table itself can be read only once.
        """
        spared = self.background is not None and is_once(self.path)
        if spared and profile is not None:
            yield self._named(profile.stream(), model_input)
            return
        first = str(self.background) if spared else self.path
        with open_table(first, self.dialect.of_another() if spared else self.dialect) as stream:
            yield self._named(stream, model_input)

    def _columns(
        self, model_input: ModelInput, profile: Profile | None
    ) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """Return the names of the table's columns, those that the model is given, and whether the
        table numbers its columns, which the model does not."""
        with self._opened(model_input, profile) as seen:
            numbered = any(old != new and old.isdecimal() for old, new in seen.renamed)
            columns = columns_for(seen, model_input, self.drop, self.schema.order)
            return seen.header, columns, numbered and not self.renamed

    def _by_number(
        self, model_input: ModelInput, profile: Profile | None, columns: Sequence[str]
    ) -> tuple[CodedWarning, ...]:
        """Say which columns were given to a model that only numbers its own."""
        with self._opened(model_input, profile) as seen:
            own = {new: old for old, new in seen.renamed if old != new}
        if not {*columns} <= {*own}:
            return ()
        listed = and_so_on([own[name] for name in columns], NAMED)
        words = (
            f"the model only numbers its columns; it gets, in this order: {listed}; "
            f"--rename 'NAME={columns[0]}', and so on, sets another order"
        )
        return (CodedWarning("by_position", words),)

    def _dummies(self, model_input: ModelInput, profile: Profile | None) -> Dummies | None:
        """Find out whether the model was fitted on dummies of columns that the table has."""
        if model_input.columns is None or self.schema.order:
            return None
        with self._opened(model_input, profile) as seen:
            rows = (one.cells for one in islice(seen.records, LOOKED_AT) if one.cells)
            return dummies_of(seen.header, rows, model_input)

    def read(self, source: Source) -> RowInstance:
        """Read one row; raise InputError naming line and column for a cell of the wrong kind."""
        assert self.fitted_background is not None
        assert source.row is not None
        record = source.record or self._rows().record(source.row)
        cells = cells_of(source, record, self.dialect)
        features = self.fitted_background.features
        cells = replace(cells, header=self._called(cells.header, self.fitted_names))
        if self.parts is not None and self.parts.column in cells.places:
            row = self.parts.row(cells.rows[0], cells.header.index(self.parts.column))
            cells = replace(cells, header=(*cells.header, *self.parts.names), rows=(row,))
        if not all(one.name in cells.places for one in features):
            require(cells.name, cells.header, [one.name for one in features])
        cells = self.fitted_reading.applied(cells)
        values = tuple(parse_cell(feature, cells, 0) for feature in features)
        empty = {one.name for one, value in zip(features, values, strict=True) if is_missing(value)}
        refused = [repr(name) for name, _ in self.fitted_medians if name in empty]
        if refused:
            where = f"{', '.join(refused[:NAMED])}, {cells.unit} {cells.lines[0]}"
            raise ModelError(
                f"{cells.name}: the model does not accept missing values "
                f"(column{'s' * (len(refused) > 1)} {where})",
                f"fill them in, as with the median: {filled_with(dict(self.fitted_medians))}, or "
                "put an imputer into the pipeline",
            )
        warnings = (*self.fitted_warnings, *warnings_of(record))
        words = tuple(
            CellWords(one.name, "" if value is None else str(value))
            for one, value in zip(features, values, strict=True)
            if self.fitted_background.fixed.get(one.name) == ""
        )
        held = not self.fitted_background.varying and not any(one.components for one in words)
        if held and not self.schema.lone:
            where = f"{cells.name}: {cells.unit} {cells.lines[0]}"
            raise InputError(f"{where}: no column of it can vary", "vary other columns")
        return RowInstance(source, self.fitted_background, values, warnings, words)

    def _rows(self) -> Rows:
        return Rows(self.path, self.dialect, self.rows, self.ids, self.id_column, self.where)


def together(background: Background) -> tuple[CodedWarning, ...]:
    """Warn of columns that determine each other and are yet replaced one by one."""
    varying = {background.drawn[i].name for i in background.varying}
    sets = [[one for one in names if one in varying] for names in background.dependent]
    sets = [names for names in sets if len(names) > 1]
    if not sets:
        return ()
    said = "; ".join(and_more(names, NAMED) for names in sets)
    words = (
        f"columns determine each other ({said}); replacing them one by one makes rows that cannot "
        "exist; --group auto keeps them together"
    )
    return (CodedWarning("dependent_columns", words),)


def _with_moments(background: Background, schema: Schema) -> Background:
    """Mark the columns that the model is given as dates."""
    names = {name for name, _ in schema.dates}
    if not names:
        return background
    for one in background.features:
        if one.name in names and not one.date:
            words = f"--dates {one.name}: holds no dates, or --categorical makes words of them"
            raise SettingsError(words, "leave it out")
    return replace(
        background,
        features=tuple(replace(one, moment=one.name in names) for one in background.features),
    )


def _check_words(name: str, background: Background, model_input: ModelInput) -> None:
    """Raise InputError where a profile made numbers of what the model takes as text."""
    for feature in (background.features[place] for place in model_input.words):
        if feature.values.dtype != object:
            raise InputError(
                f"{name}: holds numbers in column {feature.name!r}, which the model takes as text",
                "make it from JSON lines or Parquet, or name the table with --background",
            )
