"""The rows of a table that a person asked for: by number, by id, by a condition, or all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice, pairwise

from lime_cli.errors import InputError, SettingsError
from lime_cli.sources import Record, Source
from lime_cli.tables.cells import Cells
from lime_cli.tables.dialect import NUMBER, PLAIN, Dialect
from lime_cli.tables.readers import Stream, open_table
from lime_cli.tables.streams import name_of
from lime_cli.tables.where import Condition, parse_condition

REMEMBERED = 100_000
"""Ids that are compared with those of later rows."""


@dataclass(frozen=True)
class Rows:
    """A table and which of its rows are meant; all of them where nothing is said."""

    path: str
    dialect: Dialect = PLAIN
    numbers: str | None = None
    """Counted from 0: ``3``, ``3,10-20``."""
    ids: tuple[str, ...] = ()
    id_column: str | None = None
    where: str | None = None
    """A condition, as ``modalities.where`` has them."""

    def sources(self) -> Iterator[Source]:
        """Yield the rows in the order asked for, each with its cells, while the file is read.

        Raises SettingsError for a row out of range, InputError for an unknown id or column.
        """
        if self.numbers is not None:
            yield from self._by_number(parse_ranges(self.numbers))
        elif self.ids:
            yield from self._by_id()
        elif self.where is not None:
            yield from self._by_condition(self.where)
        else:
            yield from self._numbered()

    def record(self, row: int) -> Record:
        """Read one row; raise InputError where the table has fewer."""
        with open_table(self.path, self.dialect) as stream:
            found = next(islice(stream.records, row, None), None)
        if found is None:
            raise InputError(
                f"{name_of(self.path)}: has no row {row}", "the table has become shorter"
            )
        return found

    def _numbered(self) -> Iterator[Source]:
        with open_table(self.path, self.dialect) as stream:
            yield from self._named(stream)

    def _named(self, stream: Stream) -> Iterator[Source]:
        place = None
        if self.id_column is not None:
            require(stream.name, stream.header, (self.id_column,))
            place = stream.header.index(self.id_column)
        seen: set[str] = set()
        for number, record in enumerate(stream.records):
            name = str(number)
            if place is not None and record.cells:
                name = record.cells[place].strip() or name
                record = record._replace(repeated=self.id_column) if name in seen else record
                if len(seen) < REMEMBERED:
                    seen.add(name)
            yield Source(name, str(self.path), number, record)

    def _by_number(self, ranges: list[range]) -> Iterator[Source]:
        self._check_reach(ranges)
        ascending = all(one.stop <= two.start for one, two in pairwise(ranges))
        last = max(one.stop for one in ranges)
        if ascending:
            left = iter(ranges)
            current = next(left)
            for source in islice(self._numbered(), last):
                if source.row == current.stop:
                    current = next(left)
                if source.row in current:
                    yield source
            return
        order = dict.fromkeys(row for one in ranges for row in one)
        found = {one.row: one for one in islice(self._numbered(), last) if one.row in order}
        for row in order:
            yield found[row]

    def _check_reach(self, ranges: list[range]) -> None:
        """Raise SettingsError, before anything is explained, for a row that is not there."""
        reach = max(one.stop for one in ranges)
        with open_table(self.path, self.dialect) as stream:
            n = stream.n_rows
            if n is None:
                n = sum(1 for _ in islice(stream.records, reach))
        for one in ranges:
            if one.stop > n:
                said = f"{one.start}-{one.stop - 1}" if len(one) > 1 else one.start
                raise SettingsError(
                    f"--row {said}: {stream.name} has rows 0-{n - 1}", "count them from 0"
                )

    def _by_id(self) -> Iterator[Source]:
        if self.id_column is None:
            raise SettingsError("--id requires --id-column", "name the column that holds the ids")
        found: dict[str, list[Source]] = {name: [] for name in self.ids}
        for source in self._numbered():
            if source.id in found:
                found[source.id].append(source)
        for name, sources in found.items():
            if not sources:
                said = f"{name_of(self.path)}: no row with {self.id_column} {name!r}"
                raise InputError(said, "check --id and --id-column")
            for source in sources:
                yield _told_apart(source, self.id_column, len(sources))

    def _by_condition(self, where: str) -> Iterator[Source]:
        n = 0
        with open_table(self.path, self.dialect) as stream:
            condition = parse_condition(where, stream.name, stream.header, self.dialect)
            for source in self._named(stream):
                if _fits(source, condition):
                    n += 1
                    yield source
        if not n:
            raise InputError(f"{stream.name}: no row is {where!r}", "check --where")


def parse_ranges(words: str) -> list[range]:
    """Parse ``3,10-20``; raise SettingsError for something else."""
    found = []
    for part in words.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        digits = first + last
        if not digits.isascii() or not first.isdigit() or (dash and not last.isdigit()):
            raise SettingsError(
                f"--row {words[:80]}: is not a list of rows", "write 3 or 3,10-20, counted from 0"
            )
        if len(digits) > 30:
            raise SettingsError(f"--row {words[:20]}...: is too large a number", "count from 0")
        start, stop = int(first), int(last if dash else first) + 1
        if start >= stop:
            raise SettingsError(f"--row {part.strip()}: runs backwards", "write 10-20")
        found.append(range(start, stop))
    return found


def require(
    name: str,
    header: Sequence[str],
    columns: Sequence[str],
    records: Iterator[Record] | None = None,
) -> None:
    """Raise InputError where a table lacks columns, with the one that was likely meant.

    ``records`` are its rows, the first of which may be where the names stand.
    """
    has = set(header)
    missing = [column for column in columns if column not in has]
    if not missing:
        return
    plain = {one.casefold().strip(): one for one in header}
    near = [plain.get(missing[0].casefold()), *get_close_matches(missing[0], header, n=1)]
    guess = next((one for one in near if one), None)
    listed = ", ".join(repr(one) for one in missing[:5]) + (" ..." if len(missing) > 5 else "")
    shown = ", ".join(header[:12]) + (" ..." if len(header) > 12 else "")
    hint = f"it has {shown}"
    if tuple(header) == tuple(map(str, range(len(header)))):
        hint = (
            f"it has {len(header)} columns, the model {len(columns)}, which are taken in its "
            "order; leave others out with --drop, by number"
        )
    second = next(records, None) if records is not None else None
    if second is not None and {*missing} <= {cell.strip() for cell in second.cells}:
        n = second.line
        hint = f"they stand on line {n}: tail -n +{n} {name} > table.csv leaves out what is above"
    elif not has & set(columns) and is_data(header):
        hint = f"its first line is {shown}; where that is a row, say --no-header"
    elif dummied := _dummied(header, columns, missing):
        code = f"pandas.get_dummies(pandas.read_csv({name!r}), columns={dummied})"
        made = f"python -c \"import pandas; {code}.to_csv('dummies.csv', index=False)\""
        hint = f"they are dummies, which this makes: {made}; explain dummies.csv with --onehot"
    elif guess:
        hint = f"did you mean {guess!r}? say --rename '{guess}={missing[0]}'"
        hint += ", and one more for each other name" * (len(missing) > 1)
    raise InputError(f"{name}: lacks column{'s' * (len(missing) > 1)} {listed}", hint)


def _dummied(header: Sequence[str], columns: Sequence[str], missing: Sequence[str]) -> list[str]:
    """Name the columns that all missing ones are dummies of, as pandas calls them; else none."""
    spare = sorted((one for one in header if one not in columns), key=len, reverse=True)
    found = [next((one for one in spare if name.startswith(f"{one}_")), "") for name in missing]
    enough = len(missing) > 1 and all(found)
    return [one for one in header if one in found] if enough else []


def is_data(header: Sequence[str]) -> bool:
    """Tell whether what should name columns holds numbers, and so is likely a row."""
    numbered = tuple(map(str, range(len(header))))
    return tuple(header) != numbered and any(NUMBER.fullmatch(cell) for cell in header)


def cells_of(source: Source, record: Record, dialect: Dialect) -> Cells:
    """Return a row as a table of one; raise InputError for a broken one."""
    if record.fault:
        raise InputError(record.fault, "correct the row, or leave it out")
    name = name_of(source.path)
    return Cells(name, record.header, (record.cells,), (record.line,), record.unit, dialect=dialect)


def _told_apart(source: Source, column: str, n: int) -> Source:
    if n == 1 or source.record is None:
        return source
    return source._replace(record=source.record._replace(repeated=column))


def _fits(source: Source, condition: Condition) -> bool:
    """Tell whether a row is asked for; a broken one is, so that it is not passed over silently."""
    record = source.record
    return record is not None and (bool(record.fault) or condition(record.cells))
