"""Sizes and indices in a model that native code believes: they must fit each other.

scikit-learn's compiled parts read and write where a model's numbers say, without looking. Python
and numpy look for themselves, so that only what compiled code is given is checked here.
"""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from operator import attrgetter
from typing import Any, cast

import numpy as np

from lime_cli.models.booster_files import Unfit, check_catboost, check_lightgbm
from lime_cli.models.pickles.policy import Refused
from lime_cli.models.walking import identity
from lime_cli.models.xgboost_trees import check_xgboost

TREE = ("sklearn.tree._tree", "Tree")

_SPATIAL = {"sklearn.neighbors._kd_tree": 2, "sklearn.neighbors._ball_tree": 1}
"""Modules of search trees, and how many points bound each of their nodes."""

_DISTANCES = "sklearn.metrics._dist_metrics"

_FORESTS = ("sklearn.ensemble._forest", "sklearn.ensemble._gb", "imblearn.ensemble._forest")

_HISTOGRAMS = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"

_LEAF = -1

_LINKS = {"left_child", "right_child", "feature"}

_GROUP = 1 << 15  # nodes checked at once: enough for many small trees, little beside one large

_HIGHEST_DEGREE = 100

_WORDS_OF_SET = 8  # of 32 bits, for 256 categories

_BY_ROWS = {"csr_matrix", "csr_array"}

_BY_PAIRS = re.compile(r"(?!paired_)\w+_(kernels?|distances|similarity)")

_DRAWN_BY_TWISTER = 624


class Damaged(Exception):
    """The file holds a model that native code must not be given; the text says what is broken."""


def check_state(instance: object, state: object) -> None:
    """Check the state of what is written in C before it takes it. Raises Damaged."""
    kind = type(instance)
    if not keeps_names(cast("Hashable", kind)):
        parts = state.values() if isinstance(state, dict) else state
        for part in parts if isinstance(parts, (tuple, list, dict)) else ():
            if isinstance(part, np.ndarray) and type(part) is not np.ndarray:
                raise Damaged(f"a {type(part).__name__} in place of plain numbers")
    check = _state_check(cast("Hashable", kind))
    if check is not None:
        check(state)


@cache
def keeps_names(kind: Any) -> bool:
    """Tell whether things of a kind keep attributes in a dictionary."""
    return any("__dict__" in vars(base) for base in kind.__mro__)


def is_filled_unseen(kind: Any) -> bool:
    """Tell a class whose states are not looked at before Python fills objects with them."""
    return keeps_names(kind) and _state_check(kind) is None


@cache
def _state_check(kind: Any) -> Callable[[object], None] | None:
    if issubclass(kind, np.ndarray):
        return _check_objects
    if (kind.__module__, kind.__name__) == TREE:
        return _check_nodes
    if kind.__module__ in _SPATIAL:
        return partial(_check_search_tree, _SPATIAL[kind.__module__])
    if kind.__module__ == _DISTANCES:
        return _check_distance
    if kind.__module__ in _BOOSTERS:
        return partial(_check_booster, kind.__module__)
    return _check_spline if kind.__name__ == "BSpline" else None


_BOOSTERS: Mapping[str, tuple[tuple[str, ...], tuple[type, ...], Callable[[Any], None]]] = {
    "catboost.core": (("__model",), (bytes, bytearray), lambda held: check_catboost(bytes(held))),
    "lightgbm.basic": (("_handle", "handle"), (str,), check_lightgbm),
    "xgboost.core": (("handle",), (bytes, bytearray), check_xgboost),
}
"""Under which names a library keeps what it wrote of a model, as what, and how that is checked."""


def _check_booster(module: str, state: object) -> None:
    """Check what a booster wrote of itself: its library reads that, and nothing less plain."""
    held: dict[str, object] = state if type(state) is dict else {}
    names, kinds, check = _BOOSTERS[module]
    for name in held.keys() & names:
        _fits(type(held[name]) in kinds, "a booster without its trees")
        try:
            check(held[name])
        except Unfit as error:
            raise Damaged(str(error)) from None


def _check_objects(state: object) -> None:
    """Check that an array is given as many objects as it says: numpy does not count them."""
    parts: tuple[Any, ...] = state if type(state) is tuple else ()
    _fits(len(parts) in (4, 5, 7), "an array with missing parts")
    shape, dtype, _, held = parts if len(parts) == 4 else parts[1:5]  # the last two hide some
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        plain = type(held) is list and type(shape) is tuple and all(type(n) is int for n in shape)
        _fits(plain and len(held) == math.prod(shape), "an array with missing objects")


def _check_search_tree(n_bounds: int, state: object) -> None:
    if type(state) is not tuple or len(state) < 12:
        raise Damaged("a search tree with missing parts")
    _fits(np.shape(state[3])[:1] == (n_bounds,), "a search tree with missing bounds")
    _check_spatial(state[11], *state[:7])
    weights = state[12] if len(state) > 12 else None
    _fits(weights is None or np.shape(weights) == (len(state[0]),), "a search tree without weights")


def _check_spatial(
    distance: Any,
    data: Any,
    rows: Any,
    nodes: Any,
    bounds: Any,
    _leaf_size: int,
    _n_levels: int,
    n_nodes: int,
) -> None:
    """Check a KD tree or ball tree: its rows, the rows of its nodes, and where branches end."""
    if not all(isinstance(one, np.ndarray) for one in (data, rows, nodes, bounds)):
        raise Damaged("a search tree with missing parts")
    n = len(data)
    inside = len(rows) == n and _within(rows, n)
    inside = inside and _within(nodes["idx_start"], n + 1) and _within(nodes["idx_end"], n + 1)
    (inner,) = (nodes["is_leaf"] == 0).nonzero()
    inside = inside and len(nodes) == n_nodes
    inside = inside and (not len(inner) or 2 * int(inner[-1]) + 2 < n_nodes)
    if not inside or bounds.shape[1:] != (n_nodes, data.shape[1]):
        raise Damaged("a search tree with branches that lead nowhere")
    if type(distance).__module__ != _DISTANCES:
        raise Damaged("a search tree without a distance")
    _fits(distance._validate_data(data) is None, "a search tree with a different number of columns")


def _all(truths: np.ndarray) -> bool:
    """Tell as ``np.all`` does, of small arrays in a third of the time."""
    return bool(np.count_nonzero(truths) == truths.size)


def _within(places: np.ndarray, end: int) -> bool:
    """Tell that there is nothing in an array below 0, or at or beyond an end."""
    return _all(places >= 0) and _all(places < end)


def _check_distance(state: object) -> None:
    """Check the weights and the matrix of a distance; a tree checks that they fit its rows."""
    _fits(type(state) is tuple and len(state) in (3, 5), "a distance with missing parts")
    power, weights, matrix, *function = cast("tuple[Any, ...]", state)
    _fits(isinstance(power, float), "a distance without its power")
    _fits(_numbers(weights, 1) and _numbers(matrix, 2), "a distance with damaged weights")
    _fits(matrix.shape[0] == matrix.shape[1], "a distance with damaged weights")
    if function and (isinstance(function[0], type) or not callable(function[0])):
        raise Refused("calls something other than a function as a distance")


def _check_spline(state: object) -> None:
    """Check the knots of a spline, its coefficients and its degree."""
    held: dict[str, Any] = state if type(state) is dict else {}
    knots: Any = held.get("t", held.get("_t"))
    weights, degree = held.get("c", held.get("_c")), held.get("k")
    _fits(_numbers(knots, 1) and _numbers(weights, None), "a spline without numbers")
    if not isinstance(degree, (int, np.integer)) or not 0 <= degree <= _HIGHEST_DEGREE:
        raise Damaged("a spline with an unknown degree")
    n = len(knots) - int(degree) - 1
    enough = n > degree and weights is not None and weights.shape[:1] >= (n,)
    _fits(enough and np.all(np.diff(knots) >= 0), "a spline with missing knots")


def _check_nodes(state: object) -> None:
    """Check that a decision tree holds the nodes it says it does."""
    nodes = state.get("nodes") if type(state) is dict else None
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or nodes.dtype.names is None:
        raise Damaged("a decision tree without nodes")
    count = cast("dict[str, object]", state).get("node_count")
    if not count or count != len(nodes) or not set(nodes.dtype.names) >= _LINKS:
        raise Damaged("a decision tree with missing nodes")


def _is_tree(thing: object) -> bool:
    return _is_kind_of_tree(type(thing))


@cache
def _is_kind(kind: Any) -> Any:
    return kind.__name__ == TREE[1] and kind.__module__ == TREE[0]


_is_kind_of_tree: Callable[[type], bool] = cast("Any", _is_kind)


def check_sizes(kinds: Mapping[type, Sequence[Any]]) -> None:
    """Check finished objects by their kinds; they rely on each other. Raises Damaged, Refused."""
    for kind, things in kinds.items():
        if _is_kind_of_tree(kind):
            for group in _groups(things):
                check_trees(group)
    for kind, things in kinds.items():
        if issubclass(kind, np.ndarray) and any(map(_holds_words, types_of(things))):
            for array in things:
                if _holds_words(array.dtype):
                    check_words(array)
        if keeps_names(cast("Hashable", kind)):
            _check_widths(things)
        for check in _checks_of(kind):
            for thing in things:
                check(thing)
        if kind.__module__ == _HISTOGRAMS:
            _checked(partial(_check_histogram_trees, things), things[0])
    _check_random(one for kind in kinds if issubclass(kind, _RANDOM) for one in kinds[kind])


@cache
def _checks(kind: Any) -> tuple[Callable[[Any], None], ...]:
    """Return what checks things of a kind."""
    checks: list[Callable[[Any], None]] = []
    if kind.__module__.startswith("scipy.sparse."):
        checks.append(_check_format)
    if keeps_names(cast("Hashable", kind)):
        for place, check in _CHECKS.items():
            if kind.__module__.startswith(place):
                checks.append(partial(_checked, check))
    return tuple(checks)


_checks_of: Callable[[type], tuple[Callable[[Any], None], ...]] = cast("Any", _checks)


def _check_format(matrix: Any) -> None:
    type(matrix).check_format(matrix, True)


_RANDOM = np.random.RandomState, np.random.Generator, np.random.BitGenerator


def _check_random(sources: Iterable[Any]) -> None:
    """Check where sources of random numbers stand in those that they have drawn in advance."""
    makers = [getattr(one, "_bit_generator", one) for one in sources]
    for maker in dict(zip(map(identity, makers), makers, strict=True)).values():
        state = maker.state  # which numpy takes long to write: once for all that draw from one
        inner = state["state"]
        drawn = inner.get("pos", 0) if isinstance(inner, dict) else 0
        at_most = (0 <= drawn <= _DRAWN_BY_TWISTER, 0 <= state.get("buffer_pos", 0) <= 4)
        _fits(all(at_most), "a random number generator with an invalid position")


def types_of(arrays: Iterable[np.ndarray]) -> Collection[Any]:
    """Return the types of what is in some arrays, each once."""
    return set(map(attrgetter("dtype"), arrays))


def _check_widths(things: Iterable[Any]) -> None:
    for thing in things:
        held = thing.__dict__
        if "tree_" in held and _is_tree(held["tree_"]):
            _check_width(held["tree_"], _width(held))
        if "estimators_" in held:
            for tree, n_features in _members(thing, held):
                _check_width(tree, n_features)


def _check_width(tree: Any, n_features: int) -> None:
    if tree.n_features > n_features:
        raise Damaged(f"a decision tree of {tree.n_features} columns for {n_features}")


def _checked(check: Callable[[Any, dict[str, Any]], None], thing: Any) -> None:
    """Run a check; what it stumbles over fits no better than what it finds."""
    try:
        check(thing, vars(thing))
    except (Damaged, Refused):
        raise
    except Exception as error:
        what = f"a {type(thing).__name__} whose parts do not fit"
        raise Damaged(f"{what} ({type(error).__name__})") from None


def check_words(array: np.ndarray) -> None:
    """Check an array of words: numpy makes broken text of numbers beyond the last character."""
    for name in array.dtype.names or ():
        check_words(array[name])
    if array.dtype.kind == "U" and array.dtype.itemsize and array.size:
        codes = np.dtype("u4").newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).reshape(-1).view(codes).max() > sys.maxunicode:
            raise Damaged("words with unknown characters")


@lru_cache(maxsize=256)
def _holds_words(dtype: Any) -> bool:
    """Tell a type of words, or one of fields that has words in any."""
    if dtype.base.names:
        return any(_holds_words(dtype.base[name]) for name in dtype.base.names)
    return bool(dtype.base.kind == "U")


def _fits(good: object, otherwise: str) -> None:
    if not good:
        raise Damaged(otherwise)


def _numbers(array: object, n_axes: int | None) -> bool:
    """Tell a plain array of numbers with so many axes."""
    plain = type(array) is np.ndarray and array.dtype.kind in "biuf"
    return plain and (n_axes is None or cast("np.ndarray", array).ndim == n_axes)


def _width(held: Mapping[str, Any]) -> int:
    """Return for how many columns an estimator checks its rows: it must say."""
    width = held.get("n_features_in_")
    if not isinstance(width, (int, np.integer)) or width < 1:
        raise Damaged("a model that does not say how many columns it takes")
    return int(width)


def _members(thing: object, held: Mapping[str, Any]) -> Iterator[tuple[Any, int]]:
    """Yield every tree that an ensemble hands its rows to, and the width of those rows."""
    members, module = held["estimators_"], type(thing).__module__
    if members is not None and module in _FORESTS:
        width = _width(held)
        for member in members.ravel() if isinstance(members, np.ndarray) else members:
            yield _tree_in(member), width
    if module == "sklearn.ensemble._iforest":
        columns = held.get("_estimators_features", held.get("estimators_features_", ()))
        for member, used in zip(members, columns, strict=True):
            yield _tree_in(member), min(_width(held), len(used))


def _tree_in(member: Any) -> Any:
    tree = getattr(member, "__dict__", {}).get("tree_")
    if not _is_tree(tree):
        raise Damaged("a forest that contains something other than trees")
    return tree


def _check_boosted(thing: Any, held: dict[str, Any]) -> None:
    """Check that stages of trees answer as many values as there is room for."""
    if "estimators_" not in held:
        return
    stages = held["estimators_"]
    _fits(
        type(stages) is np.ndarray and stages.ndim == 2 and stages.size, "boosting without stages"
    )
    per_stage = held.get("n_trees_per_iteration_", held.get("_K", held.get("K", stages.shape[1])))
    _fits(per_stage == stages.shape[1], "boosting with stages of different sizes")
    for member in stages.ravel():
        tree = _tree_in(member)
        _fits(tree.n_outputs == 1 and tree.max_n_classes == 1, "boosting with different trees")
    begins, loss = held["init_"], held.get("_loss", held.get("loss_"))
    several = getattr(loss, "is_multiclass", getattr(loss, "is_multi_class", per_stage > 1))
    _fits(bool(several) == (per_stage > 1), "boosting with stages of different sizes")
    if not isinstance(begins, (str, _LookedAt)):
        thing.init_ = _LookedAt(begins, int(per_stage))


class _LookedAt:
    """Asks a model that boosting relies on, and looks at its answers: compiled code takes from
    elsewhere how many values there are in a row of them.
    """

    def __init__(self, estimator: Any, n_values: int) -> None:
        self.estimator = estimator
        self._n_values = n_values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "estimator" not in vars(self):
            raise AttributeError(name)
        found = getattr(self.estimator, name)
        if name not in ("predict", "predict_proba", "transform"):
            return found

        def asked(rows: Any) -> Any:
            answers = np.asarray(found(rows))
            n = 1 if answers.ndim == 1 else answers.shape[1]
            n -= name == "predict_proba" and self._n_values == 1  # of which the second is taken
            if answers.ndim > 2 or len(answers) != rows.shape[0] or n != self._n_values:
                raise ValueError("a model that the boosting relies on has different outputs")
            return answers

        return asked


def _check_histogram_boosting(thing: Any, held: dict[str, Any]) -> None:
    if "_predictors" not in held:
        return
    width = _width(held)
    before = held.get("_preprocessor")
    if before is not None and not isinstance(before, _LookedAt):
        thing._preprocessor = _LookedAt(before, width)
    mapper = vars(held["_bin_mapper"])
    known, edges = mapper["is_categorical_"], mapper["bin_thresholds_"]
    _fits(_numbers(known, 1) and len(known) == width, "boosting with a different number of columns")
    _fits(
        isinstance(edges, list) and len(edges) == width,
        "boosting with a different number of columns",
    )
    for column, is_category in zip(edges, known, strict=True):
        _fits(_numbers(column, 1), "boosting with damaged bins")
        small = not is_category or (np.all(column >= 0) and np.all(column < 256))
        _fits(small, "boosting with damaged bins")
    n_values = held.get("n_trees_per_iteration_")
    rounds = held["_predictors"]
    _fits(all(len(one) == n_values for one in rounds), "boosting with stages of different sizes")


def _check_machine(thing: Any, held: dict[str, Any]) -> None:
    """Check a support vector machine: libsvm is told sizes, and finds out nothing itself."""
    if "_dual_coef_" not in held:
        return
    is_sparse = held["_sparse"]
    support, vectors, counts = held["support_"], held["support_vectors_"], held["_n_support"]
    weights, offsets = held["_dual_coef_"], held["_intercept_"]
    words = "a support vector machine whose parts do not fit"
    _fits(_numbers(support, 1) and _numbers(counts, 1) and _numbers(offsets, 1), words)
    n, classifies = len(support), "classes_" in held and hasattr(type(thing), "predict_proba")
    n_classes = len(held["classes_"]) if classifies else 2
    pairs = n_classes * (n_classes - 1) // 2
    _fits(n_classes >= 2 and len(counts) == n_classes, words)
    _fits(_all(counts >= 0) and (not classifies or counts.sum() == n), words)
    _fits(weights.shape == (n_classes - 1, n) and len(offsets) == pairs, words)
    for name in ("_probA", "_probB"):
        _fits(_numbers(held[name], 1) and len(held[name]) in (0, pairs), words)
    _fits(len(held["_probA"]) == len(held["_probB"]), words)
    rows, columns = held["shape_fit_"]
    _fits(_within(support, rows), words)
    kernel = held.get("kernel")
    by_matrix = kernel == "precomputed" or callable(kernel)
    if callable(kernel):
        known = getattr(kernel, "__module__", "") == "sklearn.metrics.pairwise"
        by_pairs = _BY_PAIRS.fullmatch(getattr(kernel, "__name__", ""))  # a value for each pair
        _fits(known and by_pairs, "a support vector machine with an unknown kernel")
        _fits(len(held["_BaseLibSVM__Xfit"]) == rows, words)
    if kernel == "precomputed":
        _fits(rows == columns == _width(held), words)
    if not by_matrix:
        _fits(vectors.shape == (n, columns) and columns == _width(held), words)
    if is_sparse:
        _fits(type(weights).__name__ in _BY_ROWS and type(vectors).__name__ in _BY_ROWS, words)
        _fits(weights.data.shape == ((n_classes - 1) * n,), words)
    else:
        _fits(_numbers(weights, 2) and (by_matrix or _numbers(vectors, 2)), words)


def _check_neighbours(thing: Any, held: dict[str, Any]) -> None:
    """Check rows that are kept for comparison, and the classes that they are of."""
    rows, words = held.get("_fit_X"), "nearest neighbours with a different number of columns"
    if rows is None:
        return
    _fits(held.get("n_samples_fit_", rows.shape[0]) == rows.shape[0], words)
    by_matrix = held.get("effective_metric_") == "precomputed"
    _fits(by_matrix or rows.shape[1] == _width(held), words)
    tree = held.get("_tree")
    if tree is not None:
        _fits(type(tree).__module__ in _SPATIAL, "neighbours without a search tree")
        _fits(tuple(tree.data.shape) == rows.shape, words)
    known = {"p", "w", "V", "VI", "missing_values"}
    for name in ("effective_metric_params_", "metric_params"):
        given = held.get(name) or {}
        _fits(
            set(given) <= known or callable(held.get("metric")), "a distance with invalid arguments"
        )
    classes, answers = held.get("classes_"), held.get("_y")
    if classes is None or answers is None or not hasattr(type(thing), "predict_proba"):
        return
    several = held.get("outputs_2d_")
    _fits(len(answers) == rows.shape[0], "neighbours without their classes")
    groups = classes if several else [classes]
    _fits(np.ndim(answers) == (2 if several else 1), "neighbours without their classes")
    of_group = np.reshape(answers, (len(answers), -1)).T
    _fits(len(groups) == len(of_group), "neighbours without their classes")
    for names, places in zip(groups, of_group, strict=True):
        _fits(places.dtype.kind in "iu", "neighbours without their classes")
        _fits(_within(places, len(names)), "neighbours of unknown classes")


def _check_centres(_thing: Any, held: dict[str, Any]) -> None:
    """Check the centres of clusters, and what is kept beside them."""
    for name in ("cluster_centers_", "subcluster_centers_"):
        centres = held.get(name)
        if centres is not None:
            fits = _numbers(centres, 2) and centres.shape[1] == _width(held)
            _fits(fits, "clusters with a different number of columns")
            norms = held.get("_subcluster_norms")
            _fits(norms is None or np.shape(norms) == (len(centres),), "clusters without norms")
    threads = held.get("_n_threads", 1)
    _fits(isinstance(threads, (int, np.integer)) and 0 < threads <= 4096, "an odd _n_threads")
    root = held.get("_bisecting_tree")
    if root is not None:
        _check_bisections(root, _width(held))


def _check_bisections(root: Any, width: int) -> None:
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        _fits(id(node) not in seen, "clusters with branches that join")
        seen.add(id(node))
        _fits(np.shape(node.center) == (width,), "clusters with a different number of columns")
        todo.extend(one for one in (node.left, node.right) if one is not None)


def _check_vocabulary(_thing: Any, held: dict[str, Any]) -> None:
    """Check that every word has a column, of which there are as many as words."""
    words = held.get("vocabulary_")
    if words is None:
        return
    _fits(isinstance(words, dict), "a damaged vocabulary")
    places = np.frombuffer(array("q", list(words.values())), np.int64)  # TypeError if no number
    inside = not words or (places.min() >= 0 and places.max() < len(words))
    _fits(inside, "a vocabulary with words beyond its last column")


def _check_hasher(_thing: Any, held: dict[str, Any]) -> None:
    """Check the number of columns that words are spread over, which is divided by."""
    n = held.get("n_features")
    whole = isinstance(n, (int, np.integer)) and 1 <= n < 1 << 31
    _fits("n_features" not in held or whole, "a hasher without columns")


def _check_encoder(thing: Any, held: dict[str, Any]) -> None:
    """Check that every category has a column."""
    if type(thing).__name__ != "OneHotEncoder" or "_n_features_outs" not in held:
        return
    words = "an encoder with categories beyond its last column"
    categories, said = held["categories_"], held["_n_features_outs"]
    _fits(list(said) == list(thing._compute_n_features_outs()), words)
    _fits(len(said) == len(categories), "an encoder with a different number of columns")
    dropped = held["_drop_idx_after_grouping"]
    none = [None] * len(said)
    groups = held.get("_infrequent_enabled")
    rarest = held["_infrequent_indices"] if groups else none
    grouped = held["_default_to_infrequent_mappings"] if groups else none
    parts = (categories, rarest, grouped, none if dropped is None else dropped)
    for one, rare, places, left_out in zip(*parts, strict=True):
        _fits(type(one) is np.ndarray and one.ndim == 1 and len(one), words)
        if one.dtype.kind in "biuf" and not _all(one[1:] > one[:-1]):  # looked for by halves
            known = one[one == one]  # but a missing value, which is the last
            _fits(len(known) >= len(one) - 1 and _all(known[1:] > known[:-1]), words)
            _fits(_all(one[: len(known)] == known), words)
        n = len(one)
        if rare is not None or places is not None:
            n -= len(rare) - 1
            _fits(_inside(rare, len(one)) and _inside(places, n) and len(places) == len(one), words)
        _fits(left_out is None or _inside(np.array([left_out]), n), words)


def _inside(places: object, end: int) -> bool:
    """Tell whole numbers of which there is one, and that are from 0 to below an end."""
    whole = type(places) is np.ndarray and places.dtype.kind in "iu" and places.ndim == 1
    held = cast("np.ndarray", places)
    return whole and len(held) > 0 and _within(held, end)


def _check_levels(thing: Any, held: dict[str, Any]) -> None:
    """Check that there is what is predicted where all columns are zero: without, nothing is."""
    for name in ("intercept_", "constant_"):
        level = held.get(name)
        if isinstance(level, np.ndarray):
            n = held["n_outputs_"] if name == "constant_" else level.size
            _fits(level.size == n > 0, f"a {type(thing).__name__} whose {name} is not its outputs'")


def _check_labels(_thing: Any, held: dict[str, Any]) -> None:
    """Check that every label has a column."""
    places = held.get("_cached_dict")
    if places is not None:
        fits = isinstance(places, dict) and sorted(places.values()) == list(range(len(places)))
        _fits(fits, "labels beyond the last column")


def _check_polynomials(thing: Any, held: dict[str, Any]) -> None:
    """Check splines, and that every column of products is filled: others are whatever was there."""
    lowest: Any = held.get("_min_degree")
    highest: Any = held.get("_max_degree")
    if lowest is not None or highest is not None:
        given = {name: held[name] for name in ("interaction_only", "include_bias")}
        plain = all(isinstance(one, (bool, np.bool_)) for one in given.values())
        _fits(
            plain and 0 <= lowest <= highest <= _HIGHEST_DEGREE,
            "polynomial features with invalid degrees",
        )
        counts = [
            thing._num_combinations(
                n_features=_width(held), min_degree=degree, max_degree=highest, **given
            )
            for degree in (lowest, 0)
        ]
        said = [held.get("n_output_features_"), held.get("_n_out_full", counts[1])]
        _fits(said == counts, "polynomial features with a different number of columns")
    for spline in held.get("bsplines_", ()):
        _fits(type(spline).__name__ == "BSpline", "damaged splines")
        _check_spline({"t": spline.t, "c": spline.c, "k": spline.k})


_CHECKS: Mapping[str, Callable[[Any, dict[str, Any]], None]] = {
    "sklearn.ensemble._gb": _check_boosted,
    _HISTOGRAMS: _check_histogram_boosting,
    "sklearn.svm._classes": _check_machine,
    "sklearn.neighbors.": _check_neighbours,
    "sklearn.cluster.": _check_centres,
    "sklearn.dummy": _check_levels,
    "sklearn.linear_model.": _check_levels,
    "sklearn.feature_extraction.": _check_vocabulary,
    "sklearn.feature_extraction._hash": _check_hasher,
    "sklearn.feature_extraction.text": _check_hasher,
    "sklearn.preprocessing._encoders": _check_encoder,
    "sklearn.preprocessing._label": _check_labels,
    "sklearn.preprocessing._polynomial": _check_polynomials,
}
"""By the beginning of a class's module: what its compiled code believes."""


def _check_histogram_trees(models: Sequence[Any], *_first: object) -> None:
    """Check the trees of finished models, laid end to end.

    Links go down inside of one, columns and categories exist.
    """
    helds = [vars(one) for one in models if "_predictors" in vars(one)]
    trees_of = [[tree for stage in held["_predictors"] for tree in stage] for held in helds]
    trees = [tree for some in trees_of for tree in some]
    if not trees:
        return
    is_category = [vars(held["_bin_mapper"])["is_categorical_"] for held in helds]
    n_columns = np.array(list(map(len, is_category)))
    model = np.repeat(np.arange(len(helds)), list(map(len, trees_of)))
    for sets in (
        [tree.raw_left_cat_bitsets for tree in trees],
        [tree.binned_left_cat_bitsets for tree in trees],
    ):
        _fits(set(map(type, sets)) == {np.ndarray}, "damaged categories")
        plain = {one.kind for one in types_of(sets)} <= set("biuf")
        shapes = {one.shape for one in sets}
        fits = plain and all(len(one) == 2 and one[1] == _WORDS_OF_SET for one in shapes)
        _fits(fits, "damaged categories")
    nodes_of = [tree.nodes for tree in trees]
    plain = set(map(type, nodes_of)) == {np.ndarray} and {one.ndim for one in nodes_of} == {1}
    _fits(plain and all(map(len, nodes_of)), "a decision tree without nodes")
    counts = np.array(list(map(len, nodes_of)))
    n_sets = np.array([len(tree.raw_left_cat_bitsets) for tree in trees])
    nodes = _joined(nodes_of)
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    owner = np.repeat(np.arange(len(trees)), counts).take(inner)
    place = inner - (np.cumsum(counts) - counts).take(owner)
    for child in ("left", "right"):
        below = nodes[child].take(inner).astype(np.int64)
        if np.any(below >= counts.take(owner)) or np.any(below <= place):
            raise Damaged("a decision tree with branches that lead nowhere")
    column, model = nodes["feature_idx"].take(inner).astype(np.int64), model.take(owner)
    _check_range(column, n_columns.take(model))
    by_set = np.flatnonzero(nodes["is_categorical"].take(inner) != 0)
    column += (np.cumsum(n_columns) - n_columns).take(model)
    known = np.all(np.concatenate(is_category).take(column.take(by_set)))
    _fits(known, "a decision tree that splits numbers by categories")
    _check_range(nodes["bitset_idx"].take(inner).take(by_set), n_sets.take(owner.take(by_set)))


def _joined(nodes: list[np.ndarray]) -> np.ndarray:
    """Lay arrays of nodes end to end; numpy would compare the fields of all of them in Python."""
    kind = nodes[0].dtype
    if kind.hasobject or any(one != kind for one in types_of(nodes)):
        raise Damaged("decision trees of several kinds")
    return np.frombuffer(b"".join(map(np.ndarray.tobytes, nodes)), kind)


def _groups(trees: Iterable[Any]) -> Iterator[list[Any]]:
    """Put trees together by some number of nodes; a tree with more stands alone."""
    group: list[Any] = []
    n_nodes = 0
    for tree in trees:
        n_nodes += tree.node_count
        if group and n_nodes > _GROUP:
            yield group
            group, n_nodes = [], tree.node_count
        group.append(tree)
    if group:
        yield group


def check_trees(trees: list[Any]) -> None:
    """Check trees laid end to end: links go down inside one tree, columns exist, depths hold."""
    counts = np.array([tree.node_count for tree in trees])
    if any(tree.node_count != tree.capacity or not tree.node_count for tree in trees):
        raise Damaged("a decision tree with missing nodes")
    left = np.concatenate([tree.children_left for tree in trees])
    right = np.concatenate([tree.children_right for tree in trees])
    feature = np.concatenate([tree.feature for tree in trees])
    inner = np.flatnonzero(left != _LEAF)
    ends = np.cumsum(counts)
    starts = ends - counts
    n_inner = np.diff(np.searchsorted(inner, ends), prepend=0)
    start = np.repeat(starts, n_inner)
    below = np.stack([left.take(inner), right.take(inner)]) + start
    if np.any(below <= inner) or np.any(below >= np.repeat(ends, n_inner)):
        raise Damaged("a decision tree with branches that lead nowhere")
    widths = np.array([tree.n_features for tree in trees])
    same = np.all(widths == widths[0])
    _check_range(feature.take(inner), widths[0] if same else np.repeat(widths, n_inner))
    is_met = np.zeros(len(left), bool)
    is_met[below] = True
    if np.count_nonzero(is_met) != below.size:
        raise Damaged("a decision tree with branches that join")
    rank = np.full(len(left), _LEAF)
    rank[inner] = np.arange(len(inner))
    limits = np.repeat([tree.max_depth for tree in trees], n_inner)
    _check_depths(rank.take(below), limits, inner == start)


def _check_depths(below: Any, limits: Any, is_root: Any) -> None:
    """Walk down all trees at once; the arrays tell of inner nodes, -1 standing for a leaf."""
    level, depth = np.flatnonzero(is_root), 0
    lowest = limits.min(initial=np.iinfo(limits.dtype).max)
    while len(level):
        depth += 1
        if depth > lowest and np.any(limits.take(level) < depth):
            raise Damaged("a decision tree deeper than it says")
        level = below.take(level, 1).ravel()
        level = level.compress(level >= 0)


def _check_range(indices: np.ndarray, end: int | np.ndarray) -> None:
    values = indices.astype(np.int64, copy=False)
    if np.any(values < 0) or np.any(values >= end):
        raise Damaged("a decision tree that uses a column that does not exist")
