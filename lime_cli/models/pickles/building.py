"""Building the objects of a pickle, every rule and every state checked on the way."""

from __future__ import annotations

import codecs
import importlib
import math
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import numpy as np

from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.constructors import call, check_keys, check_names, check_plain
from lime_cli.models.pickles.policy import INERT_MODULES, AllowList, Global, Refused
from lime_cli.models.pickles.unpickler import (
    ARRAY_WRAPPER,
    Arguments,
    ArrayWrapper,
    InlineArray,
    Machine,
    Named,
)

_TREE = ("sklearn.tree._tree", "Tree")

_SPATIAL = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")

_FORESTS = ("sklearn.ensemble._forest", "sklearn.ensemble._gb", "imblearn.ensemble._forest")

_LEAF = -1

_LINKS = {"left_child", "right_child", "feature"}

_GROUP = 1 << 14  # nodes checked at once: enough for many small trees, little beside one large


class Damaged(Exception):
    """The file holds a model that native code must not be given; the text says what is broken."""


def check_state(instance: object, state: object) -> None:
    """Check the state of what is written in C before it takes it. Raises Damaged."""
    if _is_tree(instance):
        _check_nodes(state)
    elif type(instance).__module__ in _SPATIAL and type(state) is tuple:
        _check_spatial(*state[:7])


def _check_spatial(
    data: Any, rows: Any, nodes: Any, bounds: Any, _leaf_size: int, _n_levels: int, n_nodes: int
) -> None:
    """Check a KD tree or ball tree: its rows, the rows of its nodes, and where branches end."""
    n = len(data)
    inside = len(rows) == n and np.all(rows >= 0) and np.all(rows < n)
    for end in (nodes["idx_start"], nodes["idx_end"]):
        inside = inside and np.all(end >= 0) and np.all(end <= n)
    below = 2 * np.flatnonzero(nodes["is_leaf"] == 0) + 2
    inside = inside and len(nodes) == n_nodes and np.all(below < n_nodes)
    if not inside or bounds.shape[1:] != (n_nodes, data.shape[1]):
        raise Damaged("a search tree whose branches lead outside of it")


def _check_nodes(state: object) -> None:
    """Check that a decision tree holds the nodes it says it does."""
    nodes = state.get("nodes") if type(state) is dict else None
    if not isinstance(nodes, np.ndarray) or nodes.ndim != 1 or nodes.dtype.names is None:
        raise Damaged("a decision tree without nodes")
    count = cast("dict[str, object]", state).get("node_count")
    if count != len(nodes) or not set(nodes.dtype.names) >= _LINKS:
        raise Damaged("a decision tree with missing nodes")


def _is_tree(thing: object) -> bool:
    return (type(thing).__module__, type(thing).__name__) == _TREE


def check_made(made: Iterable[object]) -> None:
    """Check finished objects, which rely on each other. Raises Damaged, Refused."""
    made = tuple(made)
    for group in _groups([thing for thing in made if _is_tree(thing)]):
        _check_trees(group)
    for thing in made:
        if isinstance(thing, np.ndarray):
            check_words(thing)
        _check_reader(thing)
        _check_classes(thing)
        for n_features, tree in _trees(thing):
            if tree.n_features > n_features:
                raise Damaged(f"a decision tree of {tree.n_features} columns for {n_features}")
        _check_histogram_trees(thing)
        if type(thing).__module__.startswith("scipy.sparse."):
            cast(Any, type(thing)).check_format(thing, True)


def check_words(array: np.ndarray) -> None:
    """Check an array of words: numpy makes broken text of numbers beyond the last character."""
    for name in array.dtype.names or ():
        check_words(array[name])
    if array.dtype.kind == "U" and array.dtype.itemsize and array.size:
        codes = np.dtype("u4").newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).reshape(-1).view(codes).max() > sys.maxunicode:
            raise Damaged("words of no known characters")


def _check_reader(thing: object) -> None:
    """Refuse vectorisers that take each text for the name of a file to read."""
    if hasattr(type(thing), "build_analyzer") or hasattr(type(thing), "build_tokenizer"):
        source = getattr(thing, "input", "content")
        if type(source) is not str or source != "content":
            raise Refused(f"reads the files that its input names ({type(thing).__name__})")


def _check_classes(thing: object) -> None:
    """Refuse classes in place of functions: their constructors take more than arrays."""
    for name, value in getattr(thing, "__dict__", {}).items():
        if not isinstance(value, type):
            continue
        is_function = type(thing).__name__ == "FunctionTransformer" and name.endswith("func")
        if is_function or value.__module__.partition(".")[0] in ("xgboost", "lightgbm"):
            raise Refused(f"calls a class, {value.__name__}, as a function")


def _trees(thing: object) -> Iterator[tuple[int, Any]]:
    """Pair every tree that an estimator hands its rows to with the width of those rows."""
    attributes = getattr(thing, "__dict__", {})
    width = attributes.get("n_features_in_", attributes.get("n_features_", 0))
    if _is_tree(attributes.get("tree_")):
        yield width, attributes["tree_"]
    module = type(thing).__module__
    if module in _FORESTS:
        members = attributes.get("estimators_", ())
        for member in members.ravel() if isinstance(members, np.ndarray) else members:
            yield width, member.tree_
    if module == "sklearn.ensemble._iforest":
        columns = attributes.get("_estimators_features", attributes.get("estimators_features_", ()))
        for member, used in zip(attributes.get("estimators_", ()), columns, strict=True):
            yield min(width, len(used)), member.tree_


def _check_histogram_trees(thing: object) -> None:
    attributes = getattr(thing, "__dict__", {})
    if not type(thing).__module__.startswith("sklearn.ensemble._hist_gradient_boosting"):
        return
    width = attributes.get("n_features_in_", 0)
    for round_ in attributes.get("_predictors", ()):
        for predictor in round_:
            _check_histogram_tree(predictor, width)


def _check_histogram_tree(predictor: Any, n_features: int) -> None:
    nodes = predictor.nodes
    inner = nodes["is_leaf"] == 0
    n_nodes = len(nodes)
    for child in ("left", "right"):
        below = nodes[child][inner].astype(np.int64)
        if np.any(below >= n_nodes) or np.any(below <= np.flatnonzero(inner)):
            raise Damaged("a decision tree whose branches lead outside of it")
    _check_range(nodes["feature_idx"][inner], n_features)
    categorical = inner & (nodes["is_categorical"] != 0)
    _check_range(nodes["bitset_idx"][categorical], len(predictor.raw_left_cat_bitsets))


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


def _check_trees(trees: list[Any]) -> None:
    """Check trees laid end to end: links go down inside one tree, columns exist, depths hold."""
    counts = np.array([tree.node_count for tree in trees])
    left = np.concatenate([tree.children_left for tree in trees])
    inner = np.flatnonzero(left != _LEAF)
    owner = np.repeat(np.arange(len(trees)), counts).take(inner)
    start = (np.cumsum(counts) - counts).take(owner)
    right = np.concatenate([tree.children_right for tree in trees])
    end = start + counts.take(owner)
    below = left.take(inner) + start, right.take(inner) + start
    for child in below:
        if np.any(child <= inner) or np.any(child >= end):
            raise Damaged("a decision tree whose branches lead outside of it")
    feature = np.concatenate([tree.feature for tree in trees])
    _check_range(feature.take(inner), np.array([tree.n_features for tree in trees]).take(owner))
    is_met = np.zeros(len(left), bool)
    for child in below:
        is_met[child] = True
    if np.count_nonzero(is_met) != 2 * len(inner):
        raise Damaged("a decision tree whose branches meet")
    rank = np.full(len(left), _LEAF)
    rank[inner] = np.arange(len(inner))
    limits = np.array([tree.max_depth for tree in trees]).take(owner)
    _check_depths(rank.take(below[0]), rank.take(below[1]), limits, inner == start)


def _check_depths(left: Any, right: Any, limits: Any, is_root: Any) -> None:
    """Walk down all trees at once; the arrays tell of inner nodes, -1 standing for a leaf."""
    level, depth = np.flatnonzero(is_root), 0
    lowest = limits.min(initial=np.iinfo(limits.dtype).max)
    while len(level):
        depth += 1
        if depth > lowest and np.any(limits[level] < depth):
            raise Damaged("a decision tree deeper than it says")
        level = np.concatenate([left.take(level), right.take(level)])
        level = level.compress(level >= 0)


def _check_range(indices: np.ndarray, end: int | np.ndarray) -> None:
    values = indices.astype(np.int64)
    if np.any(values < 0) or np.any(values >= end):
        raise Damaged("a decision tree that asks for a column beyond the last")


_EMPTY_ARRAYS = ("_reconstruct", "_mareconstruct")

_NATIVE = ("xgboost.core", "lightgbm.basic")

_STATES = (dict, tuple, list, str, bytes, bytearray, int, float, bool, type(None))

_BASES: Mapping[str, type] = {
    base.__name__: base for base in (dict, list, set, frozenset, tuple, str, bytes, int, float)
}


class Missing(Exception):
    """A name on the list is not in the packages installed here; `key` is that name."""

    def __init__(self, key: Global, reason: str) -> None:
        super().__init__(key, reason)
        self.key = key
        self.reason = reason


class Inert:
    """Stands for what is not needed to predict: the search space of a randomised search."""


class Builder(Machine):
    """Run a pickle and build what it holds.

    `made` lists every object that a call or a class gave, so that nothing hides from later checks.
    """

    def __init__(
        self, stream: BinaryIO, end: int | None, known: Mapping[Global, Named], policy: AllowList
    ) -> None:
        super().__init__(stream, end)
        self.made: list[object] = []
        self._known = known
        self._roles = {key: policy.roles(*key) for key in known}
        self._unfilled: dict[int, object] = {}

    def find(self, module: str, name: str) -> Named:
        named = self._known.get((module, name))
        if named is None or not self._roles[module, name]:
            raise Refused(f"uses {module}.{name}")
        return named

    def use(self, named: Named, role: str) -> None:
        if role not in self._roles[named.key]:
            raise Refused(f"uses {named}")

    def make(self, named: Named, args: Arguments) -> object:
        if isinstance(named.thing, Inert):
            return Inert()
        made = call(named.key, cast(Any, named.thing), args)
        if isinstance(made, np.ndarray):
            if named.key[1] not in _EMPTY_ARRAYS:
                return made  # finished: giving it another state would pull its memory from users
            self.open[id(made)] = made
        return self._note(made)

    def create(self, named: Named, args: Arguments, kwargs: dict[str, object]) -> object:
        cls = named.thing
        if isinstance(cls, Inert):
            return Inert()
        if not isinstance(cls, type):
            raise Refused(f"makes an object of {named}, which is no class")
        check_plain(args)
        check_plain(kwargs.values())
        return self._note(cast(Any, cls).__new__(cls, *args, **kwargs))

    def rebuild(self, named: Named, base: str, state: object) -> object:
        cls, plain = named.thing, _BASES.get(base)
        if not isinstance(cls, type) or plain is None or type(state) is not plain:
            raise Refused(f"rebuilds {named} from something else than its base")
        if plain in (set, frozenset):
            check_keys(cast("Iterable[object]", state))
        if plain is dict:
            check_names(cast("Iterable[object]", state))
        made = cast(Any, plain).__new__(cls, state)
        if plain in (dict, list, set):
            cast(Any, plain).__init__(made, state)
        return self._note(made)

    def _note(self, made: object) -> object:
        self.made.append(made)
        self._unfilled[id(made)] = made
        return made

    def fill(self, instance: object, state: object) -> None:
        if isinstance(instance, Inert):
            return
        kind = type(instance)
        if self._unfilled.pop(id(instance), self) is not instance:
            raise Refused(f"changes a {kind.__name__} that is in use")
        if type(state) not in _STATES:
            raise Refused(f"gives a {kind.__name__} the state of another object")
        self.check_finished(_values(state))
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                check_names(part)
        check_state(instance, state)
        setstate = getattr(kind, "__setstate__", None)
        if setstate is not None and kind.__module__ in _NATIVE:
            with tripwire.in_library():
                setstate(instance, state)
        elif setstate is not None:
            setstate(instance, state)
        else:
            _fill_attributes(instance, state)
        self.open.pop(id(instance), None)

    def put(self, target: object) -> None:
        raise Refused(f"puts items into a {type(target).__name__}")

    def fault(self, sentence: str) -> object:
        raise Refused(sentence)

    def value_bytes(self, n_bytes: int) -> bytes:
        return self.take(n_bytes)

    def read_array(self, array: InlineArray) -> object:
        dtype, shape = array.dtype, array.shape
        if dtype.subdtype is not None or not dtype.itemsize:
            raise Refused("holds an array of an odd type")
        n_bytes = math.prod(shape) * dtype.itemsize
        self.check_left(n_bytes)
        raw = np.empty(n_bytes, np.uint8)
        self._read_into(raw.data)
        items = raw.view(dtype)
        if not dtype.isnative:
            items = items.byteswap().view(dtype.newbyteorder("="))
        check_words(items)
        return items.reshape(shape[::-1]).transpose() if array.is_fortran else items.reshape(shape)

    def _read_into(self, buffer: memoryview) -> None:
        filled = 0
        while filled < len(buffer):
            n_bytes = cast(Any, self.stream).readinto(buffer[filled:])
            if not n_bytes:
                raise EOFError
            filled += n_bytes


def resolve(keys: Iterable[Global], policy: AllowList) -> dict[Global, Named]:
    """Import what the names mean; raises Missing, and whatever a trusted module raises."""
    codecs.lookup("latin1")  # which Python would import only when a file first needs it
    return {key: Named(key, _thing(key, policy)) for key in keys}


def _thing(key: Global, policy: AllowList) -> object:
    module, name = key
    if key == ARRAY_WRAPPER:
        return ArrayWrapper
    if INERT_MODULES.match(module):
        return Inert()
    if module.startswith("numpy._core") and np.__version__.startswith("1."):
        module = module.replace("numpy._core", "numpy.core", 1)
    try:
        thing = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Missing(key, str(error)) from error
    if module in policy.modules and getattr(thing, "__module__", module) != module:
        raise Refused(f"takes {name} from {module}, which only imported it")
    return thing


def _values(state: object) -> Iterable[object]:
    if isinstance(state, dict):
        return state.values()
    return state if isinstance(state, tuple | list) else ()


def _fill_attributes(instance: object, state: object) -> None:
    """Do as `pickle` does where a class has no say: set the attributes, then the slots."""
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    for name, value in _attributes(state):
        instance.__dict__[name] = value
    for name, value in _attributes(slots):
        if not isinstance(getattr(type(instance), name, None), types.MemberDescriptorType):
            raise Refused(f"sets {name} of a {type(instance).__name__}, which is no slot")
        object.__setattr__(instance, name, value)


def _attributes(state: object) -> Iterable[tuple[str, object]]:
    if not state:
        return ()
    if type(state) is not dict or any(type(name) is not str for name in state):
        raise Refused("holds damaged attributes")
    return state.items()
