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
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.models.fitted import UNNAMED

_NUMBERS: Mapping[bytes, tuple[struct.Struct, np.dtype]] = {
    mark: (struct.Struct(f">{kind}"), np.dtype(f">{kind}"))
    for mark, kind in zip(
        (b"i", b"U", b"I", b"l", b"L", b"d", b"D"), ("b", "B", "h", "i", "q", "f", "d"), strict=True
    )
}
"""Types of UBJSON and of ``struct``; numpy knows them by the same letters, but for one."""

_PLAIN = {b"Z": None, b"T": True, b"F": False}


def is_json(content: bytes | bytearray | memoryview) -> bool:
    """Tell JSON from UBJSON, both of which begin with a brace."""
    head = bytes(content[:64]).lstrip()
    return head[:1] == b"{" and head[1:].lstrip()[:1] in (b'"', b"}", b"")


def read_ubjson(content: bytes | bytearray) -> Any:
    """Read one value; raise ValueError, or RecursionError, for what is no UBJSON.

    Names that come twice in an object are no UBJSON here: libraries differ in which one counts.
    """
    return _Ubjson(content).value()


class _Ubjson:
    def __init__(self, content: bytes | bytearray) -> None:
        self.content, self.at = bytes(content), 0

    def value(self) -> Any:
        kind = self._take(1)
        if kind in _NUMBERS:
            return self._number(kind)
        if kind == b"S":
            return self._text()
        if kind == b"[":
            return self._array()
        if kind == b"{":
            return self._object()
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == b"C":
            return self._take(1).decode("latin-1")
        raise ValueError(f"no type of UBJSON: {kind!r}")

    def _take(self, n: int) -> bytes:
        found = self.content[self.at : self.at + n]
        if n < 0 or len(found) != n:
            raise ValueError("cut short")
        self.at += n
        return found

    def _number(self, kind: bytes) -> Any:
        if kind not in _NUMBERS:
            raise ValueError("a missing number")
        form, at = _NUMBERS[kind][0], self.at
        self.at += form.size
        if self.at > len(self.content):
            raise ValueError("cut short")
        return form.unpack_from(self.content, at)[0]

    def _text(self) -> str:
        return self._take(self._count()).decode("utf-8", "surrogateescape")

    def _count(self) -> int:
        n = self._number(self._take(1))
        if not isinstance(n, int) or not 0 <= n <= len(self.content):
            raise ValueError("cut short")
        return n

    def _head(self) -> tuple[bytes, int | None]:
        """Read the type and the number of items that an array or an object says before them."""
        kind, n = b"", None
        if self.content[self.at : self.at + 1] == b"$":
            kind = self._take(2)[1:]
        if self.content[self.at : self.at + 1] == b"#":
            self.at += 1
            n = self._count()
        if kind and (kind not in _NUMBERS or n is None):
            raise ValueError("items of a type that is not a number")
        return kind, n

    def _array(self) -> Any:
        kind, n = self._head()
        if kind:
            dtype, at = _NUMBERS[kind][1], self.at
            self.at += (n or 0) * dtype.itemsize
            return np.frombuffer(self.content, dtype, n or 0, at) if n else np.empty(0, dtype)
        found: list[Any] = []
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"]":
            found.append(self.value())
        self.at += n is None
        return found

    def _object(self) -> dict[str, Any]:
        kind, n = self._head()
        if kind:
            raise ValueError("an object of numbers")
        found: dict[str, Any] = {}
        while len(found) < n if n is not None else self.content[self.at : self.at + 1] != b"}":
            name = self._text()
            if name in found:
                raise ValueError(f"{name} comes twice")
            found[name] = self.value()
        self.at += n is None
        return found


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
    if read is None or not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return None
    try:
        return read(content)
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
    learner = (json.loads(content) if is_json(content) else read_ubjson(content))["learner"]
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

    def numbers(self, place: int, kind: str) -> NDArray[Any]:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        return np.frombuffer(self.buffer.content, kind, n, at + 4) if n else np.empty(0, kind)

    def table(self, place: int) -> _Table:
        return _Table(self.buffer, self._target(place))

    def tables(self, place: int) -> list[_Table]:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        places = (at + 4 + 4 * i for i in range(n))
        return [_Table(self.buffer, one + self.buffer.read("I", one)) for one in places]


MOST_COLUMNS = 10_000_000

MOST_TREES = 10_000_000

_TREE = re.compile(r"^Tree=", re.MULTILINE)

_GAP = re.compile(r"\n\s*\n")

_NAME = re.compile(r"\w+")

_PARAMETER = re.compile(r"\[[^:\]]+: .*\]")

_OF_NODES = (
    "left_child", "right_child", "split_feature", "decision_type", "threshold", "split_gain",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip

_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")

_NEEDED = frozenset({*_OF_NODES[:5], "leaf_value"})

_ALWAYS = frozenset({"num_leaves", "num_cat", "leaf_value"})

_WHOLE = frozenset({*_OF_NODES[:4], "internal_count", "leaf_count"})


class Unfit(Exception):
    """A booster whose parts do not fit; the text says what is broken."""


def check_lightgbm(text: str) -> None:
    """Raise Unfit for trees whose branches lead outside, or more classes than there are."""
    starts = [found.start() for found in _TREE.finditer(text)]
    head, *trees = (text[a:b] for a, b in pairwise([0, *starts, len(text)]))
    said = _said(head.partition("end of trees")[0])
    _check_end(said, text)
    last = _count(said, "max_feature_idx", MOST_COLUMNS)
    classes = _count(said, "num_class", MOST_CLASSES)
    per_round = _count(said, "num_tree_per_iteration", MOST_CLASSES)
    if per_round not in (1, classes) or (per_round > 1 and len(trees) % per_round):
        raise Unfit("boosted trees with rounds of different sizes")
    objective = said.get("objective", "none").split()
    told = [word.partition(":")[2] for word in objective if word.startswith("num_class:")]
    several = bool(objective) and objective[0].startswith("multiclass")
    if not objective or any(one != str(per_round) for one in told) or (several and not told):
        raise Unfit("boosted trees with an unknown objective")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of numpy, for what is no number
        if "tree_sizes" in said:
            _check_places(said, trees)
        lines = [tree.partition("end of trees")[0].rstrip() for tree in trees]
        if any(_GAP.search(one) for one in lines):  # where LightGBM stops reading
            raise Unfit("boosted trees with damaged lines")
        _check_trees([_said(one) for one in lines], last)


def _check_end(said: dict[str, str], text: str) -> None:
    """Raise Unfit for a file that is cut short: LightGBM reads lines of parameters beyond it."""
    _, mark, parameters = text.partition("\nparameters:")
    lines, end, _ = parameters.partition("\nend of parameters")
    ended = "\nend of trees" in text or said.get("version", "v2") == "v2"
    if not ended or (mark and not end):
        raise Unfit("boosted trees that are cut short")
    if not all(_PARAMETER.fullmatch(one.rstrip("\r")) for one in lines.split("\n") if one.strip()):
        raise Unfit("boosted trees with damaged parameters")


def _said(lines: str) -> dict[str, str]:
    """Read lines of names and values, as LightGBM does: names have no spaces, and come once."""
    found: dict[str, str] = {}
    for line in lines.split("\n"):
        name, mark, value = line.rstrip("\r").partition("=")
        if not name.strip():
            continue
        if name in found or not _NAME.fullmatch(name):
            raise Unfit("boosted trees with damaged lines")
        found[name] = value if mark else ""
    return found


def _check_places(said: dict[str, str], trees: list[str]) -> None:
    """Check where trees begin, which LightGBM believes: in bytes after the first one."""
    sizes = _whole(said, "tree_sizes")
    begins = np.cumsum([0, *(len(tree.encode("utf-8", "surrogateescape")) for tree in trees[:-1])])
    if len(sizes) != len(trees) or not np.array_equal(np.cumsum([0, *sizes[:-1]]), begins):
        raise Unfit("boosted trees whose positions do not match")


def _count(said: dict[str, str], name: str, most: int) -> int:
    word = said.get(name, "1").strip()
    if not word.isdecimal() or len(word) > 18 or int(word) > most:
        raise Unfit(f"boosted trees that say {name} is {word[:20]}")
    return int(word)


def _check_trees(trees: list[dict[str, str]], last_column: int) -> None:
    """Check trees laid end to end: branches go down inside, each to a node or leaf of its own."""
    leaves = [_count(tree, "num_leaves", MOST_TREES) for tree in trees]
    for tree, n_leaves in zip(trees, leaves, strict=True):
        if not tree.keys() >= _ALWAYS:
            raise Unfit("boosted trees with missing lines")
        _number(tree, "shrinkage")
        if n_leaves == 1 and len(_numbers(tree, "leaf_value")) != 1:
            raise Unfit("boosted trees with missing leaves")
        if tree.get("is_linear", "0").strip() != "0":
            _check_lines(tree, n_leaves, last_column)
    split = [(tree, n) for tree, n in zip(trees, leaves, strict=True) if n != 1]
    trees, counts = [tree for tree, _ in split], np.array([n for _, n in split], int)
    if not trees:
        return
    n = counts - 1
    if np.any(n < 1):
        raise Unfit("boosted trees with missing nodes")
    held = {name: _laid(trees, name, n) for name in _OF_NODES}
    for name in _OF_LEAVES:
        _laid(trees, name, counts)
    starts = np.cumsum(n) - n
    _check_links(held["left_child"], held["right_child"], n, starts)
    columns = held["split_feature"]
    if np.any(columns < 0) or np.any(columns > last_column):
        raise Unfit("boosted trees that use a column that does not exist")
    kinds, thresholds = held["decision_type"], held["threshold"]
    for i, tree in enumerate(trees):
        mine = slice(starts[i], starts[i] + n[i])
        n_sets = _count(tree, "num_cat", MOST_TREES)
        if n_sets or np.any(kinds[mine] & 1):
            _check_sets(tree, n_sets, thresholds[mine][kinds[mine] & 1 == 1])


def _laid(trees: list[dict[str, str]], name: str, counts: NDArray[np.int64]) -> NDArray[Any]:
    """Lay end to end what trees hold under a name, so many numbers each; some hold nothing."""
    words = [tree.get(name, "").strip() for tree in trees]
    empty = not any(words) and name not in _NEEDED
    if empty:
        return np.empty(0)
    n_words = [len(one.split()) for one in words]
    found = _numbers({name: " ".join(words)}, name, np.int64 if name in _WHOLE else np.float64)
    if n_words != counts.tolist() or len(found) != counts.sum():
        raise Unfit("boosted trees with missing nodes or leaves")
    return found


def _check_links(left: Any, right: Any, n: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
    """Check that children come after their parents, and that each has one."""
    own, base = np.repeat(n, n), np.repeat(starts, n)
    places = np.arange(len(left)) - base
    for below in (left, right):
        if np.any((below >= 0) & (below <= places)):
            raise Unfit("boosted trees with branches that join")
        if np.any(below >= own) or np.any(-1 - below > own):
            raise Unfit("boosted trees with branches that lead nowhere")
    # nodes and leaves of a tree of n nodes have 2n + 1 places, of which the root is nobody's child
    both = [np.where(one < 0, own - 1 - one, one) + 2 * base for one in (left, right)]
    shifts = np.repeat(np.arange(len(n)), n)
    met = np.zeros(int(2 * n.sum() + len(n)), bool)
    for places in both:
        met[places + shifts] = True
    if np.count_nonzero(met) != 2 * len(left):
        raise Unfit("boosted trees with branches that join")


def _check_lines(said: dict[str, str], n_leaves: int, last_column: int) -> None:
    """Check the linear models in leaves: their columns, and a weight for each."""
    widths, columns = _whole(said, "num_features"), _whole(said, "leaf_features")
    fits = len(widths) == len(_numbers(said, "leaf_const")) == n_leaves and np.all(widths >= 0)
    if not fits or not widths.sum() == len(columns) == len(_numbers(said, "leaf_coeff")):
        raise Unfit("boosted trees with missing leaves")
    if np.any(columns < 0) or np.any(columns > last_column):
        raise Unfit("boosted trees that use a column that does not exist")


def _check_sets(said: dict[str, str], n: int, used: NDArray[np.float64]) -> None:
    """Check the sets of categories that splits are made by."""
    ends = _whole(said, "cat_boundaries")
    fits = len(ends) == n + 1 and ends[0] == 0 and np.all(np.diff(ends) >= 0)
    if not fits or ends[-1] != len(_whole(said, "cat_threshold")):
        raise Unfit("boosted trees with damaged categories")
    if not np.all((used >= 0) & (used < n)):
        raise Unfit("boosted trees with damaged categories")


def _number(said: dict[str, str], name: str) -> None:
    try:
        float(said.get(name, "1"))
    except ValueError:
        raise Unfit("boosted trees of values other than numbers") from None


def _whole(said: dict[str, str], name: str) -> NDArray[np.int64]:
    return _numbers(said, name, np.int64)


def _numbers(said: dict[str, str], name: str, kind: type = np.float64) -> NDArray[Any]:
    try:
        return np.fromstring(said.get(name, "").strip(), kind, sep=" ")
    except (ValueError, DeprecationWarning):  # what stands between is no number
        raise Unfit("boosted trees of values other than numbers") from None


_HIGHEST_TREE = 16
"""Of CatBoost, where all nodes of a level ask the same."""

_IN_BUCKET = 254
"""Borders of a column that CatBoost keeps in one byte."""


def check_catboost(content: bytes) -> None:
    """Raise Unfit for a .cbm file whose trees ask for splits or leaves that it does not have."""
    try:
        _check_catboost(_Buffer(content[8:]).root().table(1))
    except (ValueError, LookupError, struct.error) as error:
        raise Unfit("boosted trees with damaged parts") from error


def _check_catboost(trees: _Table) -> None:
    splits, sizes, starts = (trees.numbers(place, "<i4") for place in (1, 2, 3))
    if np.any(sizes < 0) or sizes.sum() != len(splits) or len(starts) not in (0, len(sizes)):
        raise Unfit("boosted trees with missing nodes")
    if len(starts) and not np.array_equal(starts, np.cumsum(sizes) - sizes):
        raise Unfit("boosted trees whose positions do not match")
    _check_columns(trees)
    _check_splits(trees, splits)
    dim, bias = trees.number(0, 0), trees.numbers(16, "<f8")
    if not 1 <= dim <= MOST_CLASSES or len(bias) not in (0, dim):
        raise Unfit("boosted trees with an unknown number of outputs")
    leaves, steps, ids = (
        trees.numbers(place, kind) for place, kind in ((8, "<f8"), (10, "<u2,<u2"), (11, "<u4"))
    )
    if not len(steps):
        high = np.any(sizes > _HIGHEST_TREE)
        if high or np.sum(1 << sizes.astype(np.int64)) * dim != len(leaves):
            raise Unfit("boosted trees with missing leaves")
        return
    if not len(steps) == len(ids) == len(splits):
        raise Unfit("boosted trees with missing nodes")
    ends = np.repeat(np.cumsum(sizes), sizes)
    left, right = (steps[side].astype(np.int64) for side in ("f0", "f1"))
    places = np.arange(len(steps))
    if np.any(places + left >= ends) or np.any(places + right >= ends):
        raise Unfit("boosted trees with branches that lead nowhere")
    ends_here = (left == 0) | (right == 0)
    if np.any(ids[ends_here].astype(np.int64) + dim > len(leaves)):
        raise Unfit("boosted trees with missing leaves")


def _check_columns(trees: _Table) -> None:
    """Check that columns have places of their own, not far beyond their number."""
    placed = [part.number(*place) for part, place, _ in _placed(trees)]
    if len(set(placed)) != len(placed) or not all(0 <= at < MOST_COLUMNS for at in placed):
        raise Unfit("boosted trees with columns in unknown positions")
    for kind, place in ((4, 0), (5, 1), (12, 0)):
        own = [part.number(place, -1) for part in trees.tables(kind)]
        if sorted(own) != list(range(len(own))):
            raise Unfit("boosted trees with columns in unknown positions")


def _check_splits(trees: _Table, splits: NDArray[np.int32]) -> None:
    """Check that every split is one of a column, by its number and where it is kept."""
    n_cats = len(trees.tables(4))
    if any(not 0 <= one.number(0, -1) < n_cats for one in trees.tables(6)):
        raise Unfit("boosted trees that use a column that does not exist")
    borders = [
        len(part.numbers(place, "<i4"))
        for kind, place in ((5, 3), (6, 1), (7, 1))
        for part in trees.tables(kind)
    ]
    bins = trees.numbers(17, "<u4")
    n_splits, n_buckets = sum(borders), sum(-(-n // _IN_BUCKET) for n in borders)
    if len(bins) not in (0, len(splits)) or np.any(splits < 0):
        raise Unfit("boosted trees with missing nodes")
    if trees.tables(13):  # made of texts: whose borders are told in another way
        return
    if np.any(splits >= max(n_splits, 1)) or np.any((bins & 0xFFFF) >= max(n_buckets, 1)):
        raise Unfit("boosted trees that use a column that does not exist")
