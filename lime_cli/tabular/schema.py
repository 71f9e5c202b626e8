"""What a person says about the columns of a table; everything else is inferred."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from lime_cli.errors import SettingsError
from lime_cli.tables.dialect import NUMBER

NAMED_BINS = {"quartile": 4, "decile": 10}

UNCUT = "none"
"""Of bins: numbers are not cut, their weights are unbinned."""


BY_USER, NOT_AMONG, A_DATE = "fixed by the user", "not among --features-only", "a date"
"""Why a column is not varied."""


Maps = tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
"""Columns of words, each with the number that stands for each word."""


@dataclass(frozen=True)
class Schema:
    """What a person said about the columns."""

    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    bins: str = "quartile"
    """``quartile``, ``decile``, ``entropy``, a number of bins, or ``none``."""
    label: str | None = None
    """The column of true classes that entropy bins are cut by."""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Columns that move together, by the name of the group."""
    auto_groups: bool = False
    """Whether columns that determine each other are such groups."""
    onehot: bool = False
    """Whether exclusive 0/1 columns are looked for, to be such groups."""
    fixed: tuple[str, ...] = ()
    """Columns and groups that keep the row's own values."""
    only: tuple[str, ...] = ()
    """Columns and groups that vary; empty for all."""
    texts: tuple[str, ...] = ()
    """Columns whose words are masked one by one."""
    strings: tuple[str, ...] = ()
    """Columns whose cells stay text, whatever they look like."""
    dates: tuple[tuple[str, str], ...] = ()
    """Columns of dates that the model is given as such, with how they are written, or nothing."""
    maps: Maps = ()
    """Columns whose words reach the model as numbers, and which."""
    order: tuple[str, ...] = ()
    """Columns that the model is given, in its order, where it does not name them."""
    lone: bool = False
    """Whether one row will do, as nothing is replaced."""
    joint: bool = False
    """Whether rows of the background are kept, to replace columns together."""

    def __post_init__(self) -> None:
        known = self.bins in (*NAMED_BINS, "entropy", UNCUT) or (
            self.bins.isdecimal() and int(self.bins) > 1
        )
        if not known:
            raise SettingsError(
                f"--bins: {self.bins!r} is not valid",
                "give quartile, decile, entropy, none or a number above 1",
            )
        if self.bins == "entropy" and self.label is None:
            raise SettingsError(
                "--bins entropy needs the true classes", "name their column with --label"
            )
        self._check_groups()

    def _check_groups(self) -> None:
        members = [column for _, columns in self.groups for column in columns]
        for name, columns in self.groups:
            if len(columns) < 2:
                raise SettingsError(f"--group {name}: has one column", "name two at least")
        for one in (*members, *(name for name, _ in self.groups)):
            if (members if one in members else [n for n, _ in self.groups]).count(one) > 1:
                raise SettingsError(f"--group: {one!r} is named twice", "name it once")
        for one in self.texts:
            if one in (*members, *self.fixed):
                raise SettingsError(f"--text-column {one}: is also grouped or fixed", "choose one")

    def called(self, names: Mapping[str, str]) -> Schema:
        """Return the same of columns by other names."""

        def all_of(columns: Sequence[str]) -> tuple[str, ...]:
            return tuple(names.get(one, one) for one in columns)

        if not names:
            return self
        return replace(
            self,
            categorical=all_of(self.categorical),
            numeric=all_of(self.numeric),
            label=None if self.label is None else names.get(self.label, self.label),
            groups=tuple((name, all_of(columns)) for name, columns in self.groups),
            fixed=all_of(self.fixed),
            only=all_of(self.only),
            texts=all_of(self.texts),
            strings=all_of(self.strings),
            dates=tuple((names.get(name, name), form) for name, form in self.dates),
            maps=tuple((names.get(name, name), pairs) for name, pairs in self.maps),
            order=all_of(self.order),
        )

    def of_file(self) -> Iterator[tuple[str, str]]:
        """Yield options and the columns that they say a file has."""
        yield from (("--categorical", name) for name in self.categorical)
        yield from (("--numeric", name) for name in self.numeric)
        yield from (("--strings", name) for name in self.strings)
        yield from (("--columns", name) for name in self.order)
        yield from (("--dates", name) for name, _ in self.dates)
        if self.label is not None:
            yield "--label", self.label

    def of_model(self) -> Iterator[tuple[str, str]]:
        """Yield options and the columns that they say the model is given."""
        yield from (("--group", name) for _, columns in self.groups for name in columns)
        yield from (("--text-column", name) for name in self.texts)
        yield from (("--map", name) for name, _ in self.maps)

    def of_parts(self) -> Iterator[tuple[str, str]]:
        """Yield options and the columns or groups that they say there are."""
        yield from (("--fixed", name) for name in self.fixed)
        yield from (("--features-only", name) for name in self.only)

    def reason(self, name: str, date: bool) -> str:
        """Say why a column or group is not varied; nothing for one that is."""
        if name in self.fixed:
            return BY_USER
        if self.only:
            return "" if name in self.only else NOT_AMONG
        return A_DATE if date else ""


def parse_dates(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Parse ``since,until=%b %d, %Y``; a format that was cut at its commas is put together again.

    Raises SettingsError for words without a name.
    """
    found: list[tuple[str, str]] = []
    for word in words:
        name, mark, form = word.partition("=")
        if found and found[-1][1] and not mark and word.lstrip().startswith("%"):
            found[-1] = (found[-1][0], f"{found[-1][1]}, {word}")
        elif not name.strip():
            raise SettingsError(f"--dates {word}: names no column", "write --dates since=%d.%m.%Y")
        else:
            found.append((name.strip(), form))
    return tuple(found)


OPEN = "?"
"""Stands in advice where a person is to write a number; ``N`` does, too."""

NONE: Mapping[str, float] = MappingProxyType({})

GIVEN = rf"(?i)(?P<word>.*?):\s*(?P<number>{NUMBER.pattern}|{re.escape(OPEN)}|N)\s*(?:,|$)"
"""A word and its number, as typed."""


def parse_maps(words: Sequence[str]) -> Maps:
    """Parse ``sex=female:0,male:1``; raise SettingsError for what gives no number to a word."""
    found = []
    for word in words:
        name, _, rest = word.partition("=")
        pairs = list(re.finditer(GIVEN, rest))
        if not name or not rest or "".join(one[0] for one in pairs) != rest:
            raise SettingsError(
                f"--map {word}: does not give a number to each word",
                "write --map 'sex=female:0,male:1'",
            )
        left = next((one["number"] for one in pairs if one["number"] in (OPEN, "N", "n")), None)
        if left is not None:
            raise SettingsError(
                f"--map {word}: has {left} instead of a number",
                "give the number that stands for the word, or for a missing value, in the model",
            )
        found.append(
            (name.strip(), tuple((one["word"].strip(), float(one["number"])) for one in pairs))
        )
    return tuple(found)


def map_option(name: str, words: Sequence[str], known: Mapping[str, float] = NONE) -> str:
    """Write a ``--map`` for words, with ``OPEN`` where a person is to write the number."""
    numbers = ((one, f"{known[one]:.15g}" if one in known else OPEN) for one in words)
    return f"--map {shlex.quote(f'{name}=' + ','.join(map(':'.join, numbers)))}"


def parse_groups(words: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Parse ``address=street,city``; a list that was cut at its commas is put together again.

    Raises SettingsError for words without a name.
    """
    found: list[tuple[str, list[str]]] = []
    for word in words:
        name, mark, rest = word.partition("=")
        if not mark and not found:
            raise SettingsError(f"--group {word}: has no name", "write --group address=street,city")
        if mark:
            found.append((name.strip(), []))
        columns = (rest if mark else word).split(",")
        found[-1][1].extend(one.strip() for one in columns if one.strip())
    return tuple((name, tuple(columns)) for name, columns in found)
