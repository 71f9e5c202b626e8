"""Boosters' own files, read without their libraries: columns, objective, classes; and whether the
sizes and links fit that the libraries believe: what they read wrongly they may also answer wrongly,
without a word.
"""

from __future__ import annotations

import json
import re
import struct
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.models.fitted import UNNAMED

MOST_BYTES = 1 << 30
"""Of a file that is read whole."""


class NativeOutline(NamedTuple):
    """What a file says; None where it does not."""

    columns: tuple[str, ...] | None = None
    n_columns: int | None = None
    objective: str | None = None
    classes: tuple[str, ...] | None = None


MOST_CLASSES = 100_000


def native_outline(path: Path, form: str) -> NativeOutline | None:
    """Outline a file of XGBoost, LightGBM or CatBoost; None for others and for damaged ones."""
    read = READERS.get(form)
    if read is None or path.stat().st_size > MOST_BYTES:
        return None
    try:
        return read(path.read_bytes())
    except (ValueError, LookupError, TypeError, struct.error, RecursionError):
        return None


def _lightgbm(content: bytes) -> NativeOutline:
    head = content.partition(b"\nTree=")[0].decode("utf-8", "replace")
    said = dict(line.partition("=")[::2] for line in head.splitlines())
    objective = said.get("objective", "")
    names = said["feature_names"].split(" ")
    n_classes = int(said.get("num_class", 1))
    classified = objective.startswith(("binary", "multiclass"))
    return _outline(names, len(names), objective or None, max(2, n_classes) if classified else 0)


def _xgboost(content: bytes) -> NativeOutline:
    plain = content.lstrip()[:2] in (b'{"', b"{\n") and content.lstrip()[1:2] != b"L"
    learner = (json.loads(content) if plain else read_ubjson(content))["learner"]
    said = learner["learner_model_param"]
    objective = str(learner["objective"]["name"])
    several, n_classes = int(said.get("num_target", 1)) > 1, int(said.get("num_class", 0))
    classified = objective.startswith(("binary:", "multi:")) and not several
    names, n_columns = learner.get("feature_names") or [], int(said["num_feature"])
    return _outline(names, n_columns, objective, max(2, n_classes) if classified else 0)


def _catboost(content: bytes) -> NativeOutline:
    core = _Buffer(content[8:]).root()
    trees, held = core.table(1), {one.text(0): one.text(1) for one in core.tables(2)}
    parts = [*trees.tables(4), *trees.tables(5), *trees.tables(12)]
    placed = sorted((part.number(*place), part.text(name)) for part, place, name in _placed(trees))
    names = [name or str(i) for i, (_, name) in enumerate(placed)] if parts else []
    said = json.loads(held.get("params", "{}"))
    objective = said.get("loss_function", {}).get("type")
    listed = json.loads(held.get("class_params", "{}")).get("class_names") or []
    classes = tuple(map(str, listed)) or None
    return _outline(names, len(names), objective, 0)._replace(classes=classes)


READERS: Mapping[str, Callable[[bytes], NativeOutline]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}


def _outline(
    names: list[str], n_columns: int, objective: str | None, n_classes: int
) -> NativeOutline:
    if n_classes > MOST_CLASSES:
        raise ValueError("more classes than there are")
    named = bool(names) and not all(UNNAMED.fullmatch(one) for one in names)
    classes = tuple(map(str, range(n_classes))) or None
    return NativeOutline(tuple(names) if named else None, n_columns or None, objective, classes)


def _placed(trees: _Table) -> list[tuple[_Table, tuple[int, int], int]]:
    """List categories, numbers and texts with where they say their place and their name."""
    words = [(one, (1, -1), 2) for one in (*trees.tables(4), *trees.tables(12))]
    return [*words, *((one, (2, -1), 4) for one in trees.tables(5))]


class _Buffer:
    """A flatbuffer, as far as tables, numbers and texts go."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(f"<{kind}", self.content, at)[0])

    def root(self) -> _Table:
        return _Table(self, self.read("I", 0))


class _Table(NamedTuple):
    buffer: _Buffer
    at: int

    def _field(self, place: int) -> int:
        """Return where a field stands; 0 for one that is left out."""
        kinds = self.at - self.buffer.read("i", self.at)
        entry = 4 + 2 * place
        if entry >= self.buffer.read("H", kinds):
            return 0
        offset = self.buffer.read("H", kinds + entry)
        return self.at + offset if offset else 0

    def _target(self, place: int) -> int:
        at = self._field(place)
        return at + self.buffer.read("I", at) if at else 0

    def number(self, place: int, default: int) -> int:
        at = self._field(place)
        return self.buffer.read("i", at) if at else default

    def text(self, place: int) -> str:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        return self.buffer.content[at + 4 : at + 4 + n].decode("utf-8", "replace") if at else ""

    def table(self, place: int) -> _Table:
        return _Table(self.buffer, self._target(place))

    def tables(self, place: int) -> list[_Table]:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        places = (at + 4 + 4 * i for i in range(n))
        return [_Table(self.buffer, one + self.buffer.read("I", one)) for one in places]


NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
"""Types of UBJSON and of ``struct``."""

PLAIN = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(content: bytes) -> Any:
    """Read what XGBoost writes in UBJSON; arrays of numbers are passed over and come as None."""
    return _Ubjson(content).value()


class _Ubjson:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def value(self, kind: bytes | None = None) -> Any:
        kind = self._take(1) if kind is None else kind
        if kind in PLAIN:
            return PLAIN[kind]
        if kind in NUMBERS:
            return self._number(kind)
        if kind == b"C":
            return self._take(1).decode("latin-1")
        if kind == b"S":
            return self._text()
        if kind == b"[":
            return self._array()
        if kind == b"{":
            return self._object()
        raise ValueError(f"no type of UBJSON: {kind!r}")

    def _take(self, n: int) -> bytes:
        found = self.content[self.at : self.at + n]
        if n < 0 or len(found) != n:
            raise ValueError("cut short")
        self.at += n
        return found

    def _number(self, kind: bytes) -> Any:
        form = f">{NUMBERS[kind]}"
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _text(self) -> str:
        return self._take(int(self.value())).decode("utf-8", "replace")

    def _counted(self) -> tuple[bytes | None, int | None]:
        """Read the type and the number of items that an array or an object says before them."""
        kind = None
        if self.content[self.at : self.at + 1] == b"$":
            kind = self._take(2)[1:]
        if self.content[self.at : self.at + 1] != b"#":
            return kind, None
        self.at += 1
        return kind, int(self.value())

    def _array(self) -> Any:
        kind, n = self._counted()
        if kind in NUMBERS and n is not None:
            self._take(n * struct.calcsize(f">{NUMBERS[kind]}"))
            return None
        found: list[Any] = []
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"]":
            found.append(self.value(kind))
        self.at += n is None
        return found

    def _object(self) -> dict[str, Any]:
        kind, n = self._counted()
        found: dict[str, Any] = {}
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"}":
            name = self._text()
            found[name] = self.value(kind)
        self.at += n is None
        return found


MOST_COLUMNS = 10_000_000

MOST_TREES = 10_000_000

_TREE = re.compile(r"^Tree=\d+\r?$", re.MULTILINE)

_FIELD = re.compile(r"^(\w+)=(.*?)\r?$", re.MULTILINE)

_COUNTS = {
    b"num_class": MOST_CLASSES,
    b"num_target": MOST_CLASSES,
    b"num_feature": MOST_COLUMNS,
    b"num_trees": MOST_TREES,
    b"num_parallel_tree": MOST_TREES,
}
"""What an XGBoost model says of itself as text, in JSON and in UBJSON alike."""

_COUNT = re.compile(
    rb"(%b)(?:\"\s*:\s*\"?|S(?:[iU].|I..|l.{4}|L.{8}))(-?\d+)" % b"|".join(_COUNTS), re.DOTALL
)


class Unfit(Exception):
    """A booster whose parts do not fit; the text says what is broken."""


def check_xgboost(content: bytes | bytearray) -> None:
    """Raise Unfit for a model of more classes, columns or trees than there are."""
    for found in _COUNT.finditer(content):
        if not 0 <= int(found[2][:20]) <= _COUNTS[found[1]]:
            raise Unfit(f"boosted trees that say {found[1].decode()} is {int(found[2][:20]):,}")


def check_lightgbm(text: str) -> None:
    """Raise Unfit for trees whose branches lead outside, or more classes than there are."""
    head, *trees = _TREE.split(text)
    said = dict(_FIELD.findall(head))
    last = _count(said, "max_feature_idx", MOST_COLUMNS)
    classes = _count(said, "num_class", MOST_CLASSES)
    per_round = _count(said, "num_tree_per_iteration", MOST_CLASSES)
    if per_round not in (1, classes) or (per_round > 1 and len(trees) % per_round):
        raise Unfit("boosted trees in rounds of another size")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of numpy, for what is no number
        for tree in trees:
            _check_tree(dict(_FIELD.findall(tree.partition("end of trees")[0])), last)


def _count(said: dict[str, str], name: str, most: int) -> int:
    word = said.get(name, "1").strip()
    if not word.isdecimal() or len(word) > 18 or int(word) > most:
        raise Unfit(f"boosted trees that say {name} is {word[:20]}")
    return int(word)


def _check_tree(said: dict[str, str], last_column: int) -> None:
    """Check that branches go down inside the tree, each to a node or leaf of its own."""
    n_leaves, n_sets = _count(said, "num_leaves", MOST_TREES), _count(said, "num_cat", MOST_TREES)
    if n_leaves == 1:
        return
    left, right = _whole(said, "left_child"), _whole(said, "right_child")
    columns, kinds = _whole(said, "split_feature"), _whole(said, "decision_type")
    n = n_leaves - 1
    if n < 1 or not all(len(one) == n for one in (left, right, columns, kinds)):
        raise Unfit("boosted trees with missing nodes")
    below = np.concatenate([left, right])
    met = np.sort(np.where(below < 0, n - 1 - below, below))
    if not np.array_equal(met, np.arange(1, n + n_leaves)):
        raise Unfit("boosted trees whose branches lead outside of them")
    parents = np.tile(np.arange(n), 2)
    if np.any((below >= 0) & (below <= parents)):
        raise Unfit("boosted trees whose branches meet")
    if np.any(columns < 0) or np.any(columns > last_column):
        raise Unfit("boosted trees that ask for a column beyond the last")
    if len(_numbers(said, "leaf_value")) != n_leaves:
        raise Unfit("boosted trees with missing leaves")
    thresholds = _numbers(said, "threshold")
    if len(thresholds) != n:
        raise Unfit("boosted trees with missing nodes")
    _check_sets(said, n_sets, thresholds[kinds & 1 == 1])


def _check_sets(said: dict[str, str], n: int, used: NDArray[np.float64]) -> None:
    """Check the sets of categories that splits are made by."""
    if not len(used):
        return
    ends = _whole(said, "cat_boundaries")
    fits = len(ends) == n + 1 and ends[0] == 0 and np.all(np.diff(ends) >= 0)
    if not fits or ends[-1] != len(_whole(said, "cat_threshold")):
        raise Unfit("boosted trees with damaged categories")
    if not np.all((used >= 0) & (used < n)):
        raise Unfit("boosted trees with damaged categories")


def _whole(said: dict[str, str], name: str) -> NDArray[np.int64]:
    return _parsed(said, name, np.int64)


def _numbers(said: dict[str, str], name: str) -> NDArray[np.float64]:
    return _parsed(said, name, np.float64)


def _parsed(said: dict[str, str], name: str, kind: type) -> NDArray[Any]:
    try:
        return np.fromstring(said.get(name, ""), kind, sep=" ")
    except (ValueError, DeprecationWarning):  # what stands between is no number
        raise Unfit("boosted trees of values other than numbers") from None
