"""Models of XGBoost: the sizes, links and categories that its library believes."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.models.booster_files import (
    MOST_CLASSES,
    MOST_COLUMNS,
    MOST_TREES,
    Unfit,
    is_json,
    read_ubjson,
)

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

_PER_NODE = (
    "left_children", "right_children", "parents", "split_indices", "split_conditions",
    "default_left",
)  # fmt: skip

_NO_PARENT = (-1, (1 << 31) - 1)

_MOST_CATEGORIES = 1 << 24
"""Beyond which XGBoost, too, knows none."""


_DAMAGE = (ValueError, LookupError, struct.error, TypeError, AttributeError, OverflowError)


def check_xgboost(content: bytes | bytearray) -> None:
    """Raise Unfit for a model whose trees lead outside, or of more of anything than there is.

    The binary format, which XGBoost gave up with release 3.1, is read like the others.
    """
    for found in _COUNT.finditer(content):
        if not 0 <= int(found[2][:20]) <= _COUNTS[found[1]]:
            raise Unfit(f"boosted trees that say {found[1].decode()} is {int(found[2][:20]):,}")
    try:
        held = _read(content) if content[:1] == b"{" else _Binary(content).model()
        _check_learner(held.get("Model", held)["learner"])  # beside its settings in a pickle
    except Unfit:
        raise
    except _DAMAGE as error:
        raise Unfit(f"boosted trees without their parts ({type(error).__name__})") from None
    except RecursionError:
        raise Unfit("boosted trees that are nested too deeply") from None


def _read(content: bytes | bytearray) -> Any:
    if not is_json(content):
        return read_ubjson(content)
    text = bytes(content).rstrip(b"\0").decode("utf-8", "surrogateescape")
    return json.loads(text, object_pairs_hook=_object)


_OF_PICKLES = b"CONFIG-offset:"
"""Stands before what the first releases put into pickles, and where their settings begin."""


class _Binary:
    """Reads the binary format, as far as sizes and links go."""

    _NODE = np.dtype([(name, "<u4") for name in ("parent", "left", "right", "column", "value")])

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self.at = len(_OF_PICKLES) + 8 if content.startswith(_OF_PICKLES) else 0
        self.at += 4 * (content[self.at : self.at + 4] == b"binf")

    def model(self) -> dict[str, Any]:
        """Return what the other formats say; raise ValueError for what is cut short."""
        _, n_columns, n_classes, has_notes, has_metrics, *versions, n_targets, _ = self._head(
            "fIiiiIIIi", 136
        )
        if versions[0] < 2:  # which wrote anything in its place
            n_targets = 1
        n_values = max(n_classes, n_targets)
        if n_columns > MOST_COLUMNS or n_classes < 0 or n_values > MOST_CLASSES:
            _unfit("have more columns or classes than any model has")
        objective, name = self._word(), self._word()
        said = {"num_feature": n_columns, "num_class": n_classes, "num_target": n_targets}
        booster = self._linear(n_columns, n_classes) if name == "gblinear" else self._trees()
        if name == "dart":
            (n,) = self._head("Q", 8)
            booster = {"gbtree": booster, "weight_drop": self._array("<f4", n)}
        for _ in range(self._head("Q", 8)[0] if has_notes else 0):
            self._word(), self._word()
        for _ in range(self._head("Q", 8)[0] if has_metrics else 0):
            self._word()
        learner = {
            "learner_model_param": said,
            "objective": {"name": objective},
            "gradient_booster": {"name": name, **booster},
        }
        return {"learner": learner}

    def _linear(self, n_columns: int, n_classes: int) -> dict[str, Any]:
        columns, groups = self._head("Ii", 136)
        (n,) = self._head("Q", 8)
        if columns not in (0, n_columns) or groups not in (0, max(n_classes, 1)):
            _unfit("have a wrong number of weights")
        return {"model": {"weights": self._array("<f4", n)}}

    def _trees(self) -> dict[str, Any]:
        n_trees, n_parallel = self._head("ii", 160)
        if not 0 <= n_trees <= len(self.content):
            raise ValueError("cut short")
        trees = [self._tree() for _ in range(n_trees)]
        said = {"num_trees": n_trees, "num_parallel_tree": max(n_parallel, 1)}
        return {
            "model": {
                "trees": trees,
                "tree_info": self._array("<i4", n_trees),
                "gbtree_model_param": said,
            }
        }

    def _tree(self) -> dict[str, Any]:
        _, n_nodes, _, _, _, width = self._head("6i", 148)
        nodes = self._array(self._NODE, n_nodes)
        self._array("<f4", 4 * n_nodes)  # what training saw
        low = (1 << 31) - 1
        values = nodes["left"].astype("<i4"), nodes["right"].astype("<i4"), nodes["parent"] & low
        held = (*values, nodes["column"] & low, nodes["value"], nodes["column"] >> 31)
        said = {"num_nodes": n_nodes, "size_leaf_vector": width if width > 1 else 1}
        return {"tree_param": said, **dict(zip(_PER_NODE, held, strict=True))}

    def _head(self, kinds: str, n_bytes: int) -> tuple[Any, ...]:
        return struct.unpack_from(f"<{kinds}", self._take(n_bytes))

    def _word(self) -> str:
        return self._take(self._head("Q", 8)[0]).decode("utf-8", "replace")

    def _array(self, kind: Any, n: int) -> NDArray[Any]:
        dtype = np.dtype(kind)
        return np.frombuffer(self._take(n * dtype.itemsize), dtype)

    def _take(self, n_bytes: int) -> bytes:
        if not 0 <= n_bytes <= len(self.content) - self.at:
            raise ValueError("cut short")
        self.at += n_bytes
        return bytes(self.content[self.at - n_bytes : self.at])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; libraries differ in which of two equal names counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated name")
    return found


def _check_learner(learner: Any) -> None:
    said = learner["learner_model_param"]
    n_columns, n_classes = int(said["num_feature"]), int(said.get("num_class", 0))
    n_values = max(n_classes, int(said.get("num_target", 1)), 1)
    for part in learner["objective"].values():
        if isinstance(part, dict) and int(part.get("num_class", n_classes)) != n_classes:
            _unfit("state two different numbers of classes")
    scores = str(said.get("base_score", "0")).count(",") + 1
    if scores not in (1, n_values):
        _unfit("have a wrong number of initial values")
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        weights = _numbers(booster["model"]["weights"])
        if len(weights) != (n_columns + 1) * n_values:
            _unfit("have a wrong number of weights")
        return
    trees = booster["gbtree"] if booster["name"] == "dart" else booster
    n_trees = _check_model(trees["model"], n_columns, n_values)
    if booster["name"] == "dart" and len(_numbers(booster["weight_drop"])) != n_trees:
        _unfit("have a wrong number of tree weights")


def _check_model(model: Any, n_columns: int, n_values: int) -> int:
    """Check trees, and which value each of them adds to; return how many there are."""
    trees, groups = model["trees"], _whole(model["tree_info"])
    said = model["gbtree_model_param"]
    if (
        not len(trees) == len(groups) == int(said["num_trees"])
        or int(said.get("num_parallel_tree", 1)) < 1  # said since XGBoost 1.6
    ):
        _unfit("differ in number from what the file says")
    if np.any(groups < 0) or np.any(groups >= n_values):
        _unfit("add to outputs that do not exist")
    if "iteration_indptr" in model:
        ends = _whole(model["iteration_indptr"])
        rises = len(ends) and ends[0] == 0 and np.all(np.diff(ends) >= 0)
        if not rises or ends[-1] != len(trees):
            _unfit("belong to rounds that do not exist")
    if trees:
        _check_trees(trees, n_columns, n_values)
    _check_words(model.get("cats") or {}, n_columns)
    return len(trees)


def _check_trees(trees: Sequence[Any], n_columns: int, n_values: int) -> None:
    """Check trees laid end to end: they end, inside of themselves, and their columns exist."""
    said = [tree["tree_param"] for tree in trees]
    counts = np.array([int(one["num_nodes"]) for one in said])
    widths = np.array([int(one.get("size_leaf_vector", 1)) for one in said])
    if np.any(counts < 1) or not np.all(np.isin(widths, (0, 1, n_values))):
        _unfit("have no nodes")
    if sorted(int(tree.get("id", i)) for i, tree in enumerate(trees)) != list(range(len(trees))):
        _unfit("have repeated positions")
    for name in _PER_NODE:
        if any(len(tree[name]) != n for tree, n in zip(trees, counts.tolist(), strict=True)):
            _unfit("lack nodes")
    ends = np.cumsum(counts)
    starts = ends - counts
    owner = np.repeat(np.arange(len(trees)), counts)
    left, right, parents, columns = (_joined(trees, name) for name in _PER_NODE[:4])
    met = _check_links(left, right, parents, owner, starts, counts)
    asked = columns.compress(met & (left >= 0))
    if np.any(asked < 0) or np.any(asked >= n_columns):
        _unfit("use a column that does not exist")
    leaves = np.bincount(owner[left < 0], minlength=len(trees))
    for tree, n, width, n_leaves in zip(trees, counts, widths, leaves, strict=True):
        if width > 1:
            _check_vectors(tree, int(n), int(width), int(n_leaves))
    for tree in trees:
        if len(tree.get("categories_nodes", ())) or np.any(tree.get("split_type", ())):
            _check_categories(tree)


def _check_links(
    left: NDArray[Any],
    right: NDArray[Any],
    parents: NDArray[Any],
    owner: NDArray[Any],
    starts: NDArray[Any],
    counts: NDArray[Any],
) -> NDArray[np.bool_]:
    """Walk down from all roots at once: no node is met twice, so that every walk ends.

    Returns which nodes are met; what was pruned stays behind.
    """
    of_tree = counts.take(owner)
    is_root = np.zeros(len(left), bool)
    is_root[starts] = True
    lost = (parents < 0) | (parents >= of_tree)
    if np.any(lost & ~is_root) or np.any((left < 0) != (left == -1)):
        _unfit("have nodes without a parent")
    if np.any(lost & is_root & ~np.isin(parents, _NO_PARENT)):
        _unfit("have nodes without a parent")
    met = is_root.copy()
    level = starts
    while len(level):
        level = level[left.take(level) >= 0]
        below = np.concatenate([left.take(level), right.take(level)])
        base = np.tile(starts.take(owner.take(level)), 2)
        room = np.tile(of_tree.take(level), 2)
        if np.any(below < 0) or np.any(below >= room):
            _unfit("have branches that lead nowhere")
        level = below + base
        if np.any(met.take(level)) or len(np.unique(level)) != len(level):
            _unfit("have branches that join")
        met[level] = True
    if np.any(left >= of_tree) or np.any(right >= of_tree):
        _unfit("have branches that lead nowhere")
    return met


def _check_vectors(tree: Any, n: int, width: int, n_leaves: int) -> None:
    """Check the values of a tree that answers several at once."""
    inside = len(tree["base_weights"]) == n * width
    held = tree.get("leaf_weights")
    if not inside or (held is not None and len(held) not in (n_leaves * width, n * width)):
        _unfit("lack leaves")
    if held is not None:
        leaf = _whole(tree["left_children"]) < 0
        places = _whole(tree["right_children"])[leaf]
        if np.any(places < 0) or np.any(places >= n_leaves):
            _unfit("lack leaves")


def _check_categories(tree: Any) -> None:
    """Check the categories that go one way, and whose nodes they are."""
    values, nodes = _whole(tree["categories"]), _whole(tree["categories_nodes"])
    begins, sizes = _whole(tree["categories_segments"]), _whole(tree["categories_sizes"])
    fits = len(nodes) == len(begins) == len(sizes) and np.all(begins >= 0) and np.all(sizes >= 0)
    if not fits or np.any(begins + sizes > len(values)):
        _unfit("have damaged categories")
    if np.any(values < 0) or np.any(values >= _MOST_CATEGORIES):
        _unfit("have damaged categories")
    kinds = _whole(tree["split_type"])
    by_category = np.flatnonzero((kinds != 0) & (_whole(tree["left_children"]) >= 0))
    if len(kinds) != len(tree["left_children"]) or not np.array_equal(nodes, by_category):
        _unfit("have damaged categories")


def _check_words(held: Any, n_columns: int) -> None:
    """Check the words of categories that a model keeps, and whose columns they are."""
    total, columns = 0, held.get("enc") or []
    for one in columns:
        values = one["values"]
        if "offsets" in one:
            ends = _whole(one["offsets"])
            rises = not len(ends) or (ends[0] == 0 and np.all(np.diff(ends) >= 0))
            if not rises or (len(ends) and ends[-1] != len(values)):
                _unfit("have damaged categories")
            total += max(len(ends) - 1, 0)
        else:
            total += len(values)
    segments, order = _whole(held.get("feature_segments", ())), _whole(held.get("sorted_idx", ()))
    if len(columns) not in (0, n_columns) or len(order) not in (0, total):
        _unfit("have damaged categories")
    if len(segments):
        rises = segments[0] == 0 and np.all(np.diff(segments) >= 0)
        if not rises or segments[-1] != total or len(segments) != n_columns + 1:
            _unfit("have damaged categories")
    if len(order) and (np.any(order < 0) or np.any(order >= total)):
        _unfit("have damaged categories")


def _joined(trees: Sequence[Any], name: str) -> NDArray[np.int64]:
    return np.concatenate([_whole(tree[name]) for tree in trees])


def _whole(values: Any) -> NDArray[np.int64]:
    found = np.asarray(values) if len(values) else np.empty(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iub":
        raise ValueError("no whole numbers")
    return found.astype(np.int64)


def _numbers(values: Any) -> NDArray[Any]:
    found = np.asarray(values)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "iuf"):
        raise ValueError("no numbers")
    return found


def _unfit(what: str) -> None:
    raise Unfit(f"boosted trees that {what}")
