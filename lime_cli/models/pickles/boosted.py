"""Boosters inside of pickles and in their own files: sizes and links that their libraries believe.

What they read wrongly they may also answer wrongly, without a word.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CLASSES = 100_000

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
