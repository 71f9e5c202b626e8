"""Models of LightGBM, inside of pickles and in their own files: what its library believes.

What they read wrongly they may also answer wrongly, without a word.
"""

from __future__ import annotations

import re
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CLASSES = 100_000

MOST_COLUMNS = 10_000_000

MOST_TREES = 10_000_000

_TREE = re.compile(r"^Tree=", re.MULTILINE)

_GAP = re.compile(r"\n\s*\n")

_NAME = re.compile(r"\w+")

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
    last = _count(said, "max_feature_idx", MOST_COLUMNS)
    classes = _count(said, "num_class", MOST_CLASSES)
    per_round = _count(said, "num_tree_per_iteration", MOST_CLASSES)
    if per_round not in (1, classes) or (per_round > 1 and len(trees) % per_round):
        raise Unfit("boosted trees in rounds of another size")
    objective = said.get("objective", "none").split()
    told = [word.partition(":")[2] for word in objective if word.startswith("num_class:")]
    several = bool(objective) and objective[0].startswith("multiclass")
    if not objective or any(one != str(per_round) for one in told) or (several and not told):
        raise Unfit("boosted trees of no known objective")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of numpy, for what is no number
        if "tree_sizes" in said:
            _check_places(said, trees)
        lines = [tree.partition("end of trees")[0].rstrip() for tree in trees]
        if any(_GAP.search(one) for one in lines):  # where LightGBM stops reading
            raise Unfit("boosted trees with damaged lines")
        _check_trees([_said(one) for one in lines], last)


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
        raise Unfit("boosted trees in other places than they say")


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
        raise Unfit("boosted trees that ask for a column beyond the last")
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
            raise Unfit("boosted trees whose branches meet")
        if np.any(below >= own) or np.any(-1 - below > own):
            raise Unfit("boosted trees whose branches lead outside of them")
    # nodes and leaves of a tree of n nodes have 2n + 1 places, of which the root is nobody's child
    both = [np.where(one < 0, own - 1 - one, one) + 2 * base for one in (left, right)]
    shifts = np.repeat(np.arange(len(n)), n)
    met = np.zeros(int(2 * n.sum() + len(n)), bool)
    for places in both:
        met[places + shifts] = True
    if np.count_nonzero(met) != 2 * len(left):
        raise Unfit("boosted trees whose branches meet")


def _check_lines(said: dict[str, str], n_leaves: int, last_column: int) -> None:
    """Check the linear models in leaves: their columns, and a weight for each."""
    widths, columns = _whole(said, "num_features"), _whole(said, "leaf_features")
    fits = len(widths) == len(_numbers(said, "leaf_const")) == n_leaves and np.all(widths >= 0)
    if not fits or not widths.sum() == len(columns) == len(_numbers(said, "leaf_coeff")):
        raise Unfit("boosted trees with missing leaves")
    if np.any(columns < 0) or np.any(columns > last_column):
        raise Unfit("boosted trees that ask for a column beyond the last")


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
