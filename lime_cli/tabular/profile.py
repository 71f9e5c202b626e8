"""Profiles: a background without its rows, written once, read in place of the table.

It holds what samples are drawn from, to the last digit: every column's different values with how
often each occurs, where numbers are cut, and for groups the combinations that were seen together.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import CodedWarning, FloatArray, IntArray
from lime_cli.errors import InputError, SettingsError, in_words
from lime_cli.files import digest_of, read_small
from lime_cli.tables.cells import date_of
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import Stream
from lime_cli.tables.rows import require
from lime_cli.tabular.background import Background, fixed_by
from lime_cli.tabular.columns import learn
from lime_cli.tabular.groups import (
    Feature,
    Group,
    digest_of_features,
    frequencies_of,
    is_missing,
)
from lime_cli.tabular.schema import Schema
from lime_cli.version import __version__

NAME, NUMBER = "limex/profile", 2

KINDS = {"i": "integer", "f": "number", "b": "bool", "O": "text"}
"""What a column holds, by numpy's kind."""

TYPES: dict[str, Any] = {"integer": np.int64, "number": np.float64, "bool": bool, "text": object}

PACKED = ("<f8", "<i8", "<u8", "<u4", "<u2", "|u1")
"""How numbers may be written as bytes, in numpy's words."""

AGAIN = "make it again with limex profile"


def is_profile(path: str | None) -> bool:
    """Tell by its name whether a background is a profile."""
    return path is not None and PurePath(path).suffix.lower() == ".json"


@dataclass(frozen=True, eq=False)
class Profile:
    """A background of more columns than a model may want, and what is known of its making."""

    name: str
    """Of its file, for messages."""
    whole: Background
    warnings: tuple[CodedWarning, ...]
    onehot: bool

    def stream(self) -> Stream:
        """Return its columns as a table without rows."""
        return Stream(tuple(one.name for one in self.whole.features), iter(()), name=self.name)

    def background(
        self, columns: Sequence[str], schema: Schema
    ) -> tuple[Background, tuple[CodedWarning, ...]]:
        """Return the background of a model's columns.

        Raises InputError for columns that it lacks, SettingsError for choices that it was not made
        by.
        """
        whole = self.whole
        require(self.name, list(whole.place_of), columns)
        self._check(schema)
        features = tuple(whole.features[whole.place_of[name]] for name in columns)
        place = {name: i for i, name in enumerate(columns)}
        groups = [
            replace(one, places=tuple(place[feature.name] for feature in one.features))
            for one in whole.groups
            if all(feature.name in place for feature in one.features)
        ]
        digest = digest_of_features(features, groups)
        found = replace(whole, features=features, groups=tuple(groups), digest=digest)
        return fixed_by(found, schema), self.warnings

    def _check(self, schema: Schema) -> None:
        """Raise SettingsError for a choice about the columns that was made otherwise."""
        made = self.whole
        if schema.bins not in ("quartile", made.bins):
            raise self._otherwise(f"--bins {schema.bins}: ", f"was cut by {made.bins}")
        for names, numeric in ((schema.numeric, True), (schema.categorical, False)):
            for name in names:
                option = f"--{'numeric' if numeric else 'categorical'} {name}: "
                if made.features[made.place_of[name]].numeric != numeric:
                    raise self._otherwise(option, "treats it differently")
        known = {(g.name, tuple(one.name for one in g.features)) for g in made.groups}
        for name, columns in schema.groups:
            if (name, columns) not in known:
                raise self._otherwise(
                    f"--group {name}: ", "does not record which values occurred together"
                )
        if schema.auto_groups and made.dependent:
            raise self._otherwise(
                "--group auto: ", "does not record which values occurred together"
            )
        if schema.onehot and not self.onehot:
            raise self._otherwise("--onehot: ", "was made without")

    def _otherwise(self, option: str, words: str) -> SettingsError:
        return SettingsError(f"{option}{self.name} {words}", "give it to limex profile")


def profile_data(
    background: Background, warnings: Sequence[CodedWarning], private: bool, onehot: bool
) -> dict[str, Any]:
    """Return a background as JSON data, with a digest of everything else."""
    data = {
        "schema": {"name": NAME, "number": NUMBER},
        "limex": __version__,
        "source": background.source,
        "rows": background.n_rows,
        "private": private,
        "bins": background.bins,
        "onehot": onehot,
        "warnings": [{"code": one.code, "message": one.message} for one in warnings],
        "columns": [_column(one, background.n_rows) for one in background.features],
        "dependent": [list(names) for names in background.dependent],
        "groups": [_group(one, background.n_rows) for one in background.groups],
    }
    return {**data, "digest": _digest(data)}


def _column(feature: Feature, n_rows: int) -> dict[str, Any]:
    return {
        "name": feature.name,
        "kind": KINDS[feature.values.dtype.kind],
        "numeric": feature.numeric,
        "date": feature.date,
        "values": _listed(feature.values),
        "counts": _listed(_counts(feature.frequencies, n_rows)),
        "bins": _listed(feature.bins),
        "cuts": feature.cuts.tolist(),
        "capped": feature.capped,
    }


def _group(group: Group, n_rows: int) -> dict[str, Any]:
    return {
        "name": group.name,
        "columns": [one.name for one in group.features],
        "onehot": group.onehot,
        "categories": group.categories.tolist(),
        "counts": _listed(_counts(group.frequencies, n_rows)),
    }


def _counts(frequencies: FloatArray, n_rows: int) -> IntArray:
    return np.rint(frequencies * n_rows).astype(np.int64)


LONG = 1_000
"""Numbers in a row from which they are written as bytes: a tenth of the time to read them again."""


def _listed(values: NDArray[Any]) -> Any:
    """Return values as JSON has them; many numbers as their bytes, little-endian, in base64."""
    if len(values) < LONG or values.dtype.kind not in "if":
        return [None if is_missing(one) else one for one in values.tolist()]
    kind = np.dtype(np.float64) if values.dtype.kind == "f" else np.min_scalar_type(values.max())
    if values.dtype.kind == "i" and values.min() < 0:
        kind = np.dtype(np.int64)
    packed = values.astype(kind.newbyteorder("<"))
    return {"dtype": packed.dtype.str, "base64": b64encode(packed.tobytes()).decode()}


def _unlisted(listed: Any, dtype: Any) -> NDArray[Any]:
    """Return what ``_listed`` wrote; raise ValueError for something else."""
    if not isinstance(listed, dict):
        kind = np.dtype(dtype).kind
        values: NDArray[Any] = np.empty(len(listed), dtype)
        values[:] = [np.nan if kind == "f" and one is None else one for one in listed]
        return values
    if listed["dtype"] not in PACKED:
        raise ValueError(f"numbers of type {str(listed['dtype'])[:20]!r}")
    packed = np.frombuffer(b64decode(listed["base64"], validate=True), listed["dtype"])
    if np.dtype(dtype).kind not in "if" or not np.can_cast(packed.dtype, dtype, "same_kind"):
        raise ValueError("numbers in a column of others")
    return packed.astype(dtype, copy=packed.dtype != dtype)


def _digest(data: dict[str, Any]) -> str:
    """Return the SHA-256 of a profile as JSON, in which bytes stand by their own."""
    listed = {name: list(map(_in_short, data.get(name, ()))) for name in ("columns", "groups")}
    return digest_of(json.dumps({**data, **listed}, sort_keys=True, allow_nan=False).encode())


def _in_short(part: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**held, "base64": digest_of(held["base64"].encode())}
        if isinstance(held, dict)
        else held
        for name, held in part.items()
    }


MAX_BYTES = 1 << 30
"""Of a profile's file."""


def read_profile(path: str | None) -> Profile:
    """Read a profile; raise InputError for a file that is none, damaged, or of another version."""
    name = PurePath(path or "").name
    try:
        data = json.loads(read_small(Path(path or ""), MAX_BYTES).decode("utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror})", "check --background"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{name}: is not a profile: it is not JSON", AGAIN) from None
    _check_schema(name, data)
    digest = data.pop("digest", None)
    try:
        if digest != _digest(data):
            raise ValueError("its content was changed")
        return _profile(name, data)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        words = in_words(error)
        raise InputError(f"{name}: the profile is damaged ({words})", AGAIN) from None


def _check_schema(name: str, data: Any) -> None:
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, dict) or schema.get("name") != NAME:
        raise InputError(
            f"{name}: is not a profile",
            "give what limex profile wrote, or a table (.csv, .parquet, .jsonl)",
        )
    if schema.get("number") != NUMBER:
        has = f"the profile has schema {schema.get('number')}"
        said = f"{name}: {has}, but this version of limex reads schema {NUMBER}"
        raise InputError(said, AGAIN)


def _profile(name: str, data: dict[str, Any]) -> Profile:
    features = tuple(_feature_of(one) for one in data["columns"])
    place = {one.name: i for i, one in enumerate(features)}
    if len(place) < len(features) or not features:
        raise ValueError("its columns are not told apart")
    groups = []
    for one in data["groups"]:
        members = tuple(features[place[column]] for column in one["columns"])
        categories = np.array(one["categories"], np.int64)
        frequencies = _frequencies(one["counts"], one["name"])
        _check(categories.shape == (len(frequencies), len(members)), one["name"])
        sizes = np.array([len(member.values) for member in members])
        _check(bool((categories >= 0).all() and (categories < sizes).all()), one["name"])
        places = tuple(place[column] for column in one["columns"])
        groups.append(
            Group(one["name"], members, places, categories, frequencies, one["onehot"] is True)
        )
    bins = Schema(bins=data["bins"], label="").bins
    whole = Background(str(data["source"]), int(data["rows"]), features, "", bins, tuple(groups))
    sets = tuple(tuple(str(name) for name in names) for names in data["dependent"])
    _check(all(name in place for names in sets for name in names), "dependent")
    whole = replace(whole, dependent=sets)
    warnings = tuple(
        CodedWarning(str(one["code"]), str(one["message"])) for one in data["warnings"]
    )
    return Profile(name, whole, warnings, data["onehot"] is True)


def _feature_of(one: dict[str, Any]) -> Feature:
    name, dtype = str(one["name"]), np.dtype(TYPES[one["kind"]])
    values = _unlisted(one["values"], dtype)
    if dtype.kind == "O":
        _check(all(v is None or isinstance(v, (str, bool)) for v in one["values"]), name)
    frequencies, bins = _frequencies(one["counts"], name), _unlisted(one["bins"], np.int64)
    cuts = np.array(one["cuts"], np.float64)
    _check(len(values) == len(frequencies) == len(bins) and cuts.ndim == 1, name)
    _check(bool((bins >= 0).all() and (np.diff(cuts) > 0).all()), name)
    flags = one["numeric"] is True, one["capped"] is True, one["date"] is True
    return Feature(name, flags[0], values, frequencies, bins, cuts, flags[1], flags[2])


def _frequencies(counts: Any, name: str) -> Any:
    found: IntArray = _unlisted(counts, np.int64)
    _check(found.ndim == 1 and len(found) > 0 and bool((found > 0).all()), name)
    return frequencies_of(found)


def _check(good: bool, name: str) -> None:
    if not good:
        raise ValueError(f"column or group {name!r}")


def made_private(background: Background, least: int) -> tuple[Background, CodedWarning]:
    """Keep of numbers the middle of each bin, and of all columns what ``least`` rows share.

    The outermost bins end at the ``least``-th value from either end. Raises SettingsError for
    groups, whose combinations are rows, and InputError for a column of which nothing is left.
    """
    grouped = [one.name for one in background.groups if not one.onehot]
    if grouped:
        said = f"--private: the combinations of group {grouped[0]!r} would reveal rows"
        raise SettingsError(said, "leave out --group or --private")
    n_rows = background.n_rows
    features = tuple(
        _private_feature(one, n_rows, least, background.source) for one in background.features
    )
    groups = tuple(_block(one, features, n_rows, least) for one in background.groups)
    words = f"replacement values are middles of bins, and categories that {least} rows share"
    digest = digest_of_features(features, groups)
    found = replace(background, features=features, groups=groups, digest=digest)
    return found, CodedWarning("background_private", words)


def _private_feature(feature: Feature, n_rows: int, least: int, source: str) -> Feature:
    counts: IntArray = np.rint(feature.frequencies * n_rows).astype(np.int64)
    if feature.date and not feature.numeric:
        return _one_date(feature, counts, least)
    found, counts = (
        _middles(feature, counts, least)
        if feature.numeric
        else _common_categories(feature, counts, least)
    )
    if not len(counts):
        raise InputError(
            f"{source}: column {feature.name!r} holds nothing that {least} rows share",
            "leave it out with --drop, or lower --min-count",
        )
    return replace(found, frequencies=counts / counts.sum())


def _common_categories(feature: Feature, counts: IntArray, least: int) -> tuple[Feature, IntArray]:
    """Leave out what fewer than ``least`` rows hold."""
    kept = counts >= least
    bins = np.arange(int(kept.sum()))
    return replace(feature, values=feature.values[kept], bins=bins), counts[kept]


def _one_date(feature: Feature, counts: IntArray, least: int) -> Feature:
    """Keep nothing of dates that are held anyway but that they are dates."""
    values = np.array([date_of(_ends(feature, counts, least).mean())], object)
    return replace(feature, values=values, frequencies=np.ones(1), bins=np.zeros(1, np.int64))


def _middles(feature: Feature, counts: IntArray, least: int) -> tuple[Feature, IntArray]:
    """Put the middle of each bin in the place of its values, after joining bins that are small."""
    known = len(feature.values) - feature.gaps
    n_missing = int(counts[known:].sum())
    sums = np.bincount(feature.bins[:known], counts[:known], len(feature.cuts) + 1).astype(np.int64)
    ends = _joined(sums, least)
    joined = np.add.reduceat(sums, [0, *ends[:-1]])
    if joined[0] < least:
        return replace(feature, values=feature.values[:0]), joined[:0]
    cuts = feature.cuts[np.array(ends[:-1], np.int64) - 1]
    low, high = _ends(feature, counts, least)
    edges = np.array([low, *cuts, max(high, cuts[-1] if len(cuts) else high)])
    middles = (edges[:-1] + edges[1:]) / 2
    values, bins = _as_stored(feature, middles, edges), np.arange(len(middles))
    if n_missing >= least:
        missing = np.array([None if values.dtype == object else np.nan], values.dtype)
        values, bins = np.append(values, missing), np.append(bins, len(bins))
        joined = np.append(joined, n_missing)
    return replace(feature, values=values, bins=bins, cuts=cuts, capped=False), joined


def _joined(sums: IntArray, least: int) -> list[int]:
    """Return where bins end, so that each holds ``least`` values: the last takes what is left."""
    ends, fixed = [], 0
    for place, n in enumerate(sums.tolist(), 1):
        fixed += n
        if fixed >= least:
            ends.append(place)
            fixed = 0
    return [*ends[:-1], len(sums)]


def _as_stored(feature: Feature, middles: FloatArray, edges: FloatArray) -> NDArray[Any]:
    """Return middles as the column spells values: dates as such, whole numbers whole."""
    if feature.date:
        return np.array([date_of(one) for one in middles.tolist()], object)
    present = feature.sizes[~np.isnan(feature.sizes)]
    if not (present == np.floor(present)).all():
        return middles
    whole = np.floor(middles)
    whole = np.where(whole <= edges[:-1], np.floor(edges[1:]), whole)
    return whole.astype(feature.values.dtype if feature.values.dtype.kind == "i" else np.float64)


def _ends(feature: Feature, counts: IntArray, least: int) -> FloatArray:
    """Return the ``least``-th smallest and the ``least``-th largest value, (2,)."""
    known = ~np.isnan(feature.sizes)
    sizes = np.repeat(feature.sizes[known], counts[known])
    place = min(least, len(sizes)) - 1
    return np.array([sizes[place], sizes[len(sizes) - 1 - place]])


def _block(group: Group, features: tuple[Feature, ...], n_rows: int, least: int) -> Group:
    """Leave out the categories of a one-hot block that fewer than ``least`` rows hold."""
    counts = np.rint(group.frequencies * n_rows).astype(np.int64)
    members = tuple(features[place] for place in group.places)
    rows = [
        [one.values[category] for one, category in zip(group.features, row, strict=True)]
        for row in group.categories[counts >= least]
    ]
    known = [
        [one.category_of[value] for one, value in zip(members, row, strict=True)] for row in rows
    ]
    left = counts[counts >= least]
    return replace(
        group, features=members, categories=np.array(known, np.int64), frequencies=left / left.sum()
    )


def profiled(
    path: str, dialect: Dialect, schema: Schema, drop: Sequence[str], least: int | None
) -> dict[str, Any]:
    """Return the profile of a table as JSON data, private where ``least`` says how many rows.

    Raises InputError for a table that cannot be read, SettingsError for choices that do not fit.
    """

    def columns_of(stream: Stream) -> tuple[Stream, tuple[str, ...]]:
        require(stream.name, stream.header, drop)
        stream = replace(stream, words=frozenset(schema.strings))
        return stream, tuple(name for name in stream.header if name not in drop)

    background, warnings, *_ = learn(path, dialect, schema, columns_of)
    if least is not None:
        background, said = made_private(background, least)
        warnings = (*warnings, said)
    return profile_data(background, warnings, least is not None, schema.onehot)
