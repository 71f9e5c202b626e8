"""What the objects of a model may hold: a class that is safe to load acts by its attributes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np

from lime_cli.models.pickles.constructors import (
    MOST_NUMBERS,
    NoMemory,
    check_names,
    check_partial,
    is_plain_class,
)
from lime_cli.models.pickles.policy import Bomb, Refused
from lime_cli.models.pickles.sizes import Damaged, check_sizes, types_of
from lime_cli.models.walking import (
    CONTAINERS,
    FUNCTIONS,
    PLAIN,
    Holding,
    Shape,
    attributes,
    holding,
    identity,
    objects,
    walk,
)

METHODS = re.compile(r"predict(_\w+)?|decision_function|transform|score_samples|auto|drop")
"""What a model may ask of the models inside it."""

_NAMES_OF_METHODS = re.compile(r"stack_methods?_?|chain_method_?|_?response_method_?")

_GETTERS = re.compile(r"(auto|[a-zA-Z]\w*(\.[a-zA-Z]\w*)*)")

_MEMBERS = frozenset(
    """
    base_estimator base_estimator_ best_estimator_ binner_dict_ calibrated_classifiers_
    calibrators classifiers_ estimator estimator_ estimators estimators_ final_estimator
    final_estimator_ init_ initial_imputer_ named_estimators_ named_transformers_ nbrs_ nn_fit
    one_hot_encoder_ one_hot_encoder regressor regressor_ steps transformer transformer_
    transformer_list transformers transformers_ _encoder _label_encoder _label_binarizer _le
    _bin_mapper _preprocessor
    """.split()  # noqa: SIM905 - a page of quotes would hide the words
)
"""Attributes whose values are asked as models are."""

_ASKED = _MEMBERS | {"imputation_sequence_", "kernel", "kernel_", "kernels", "k1", "k2"}
"""Attributes whose values are asked for each answer: models, and kernels of kernels."""

_OF_COLUMNS = frozenset({"transformers", "transformers_"})

_CALLED = re.compile(
    r"(inverse_)?func|analyzer|preprocessor|tokenizer|score_func|weights|affinity|metric|kernel"
    r"|verbose_feature_names_out|feature_names_out|inv_func|fun"
)
"""Attributes whose values are called with what the model is asked about."""

_ARGUMENTS = re.compile(r"(inv_)?kw_args|(effective_)?metric_params_?|metric_kwds|kernel_params")
"""Attributes that a function is given beside that."""

_CALLABLE = (
    "sklearn.gaussian_process.kernels",
    "sklearn._loss.",
    "sklearn.compose._column_transformer",
    "sklearn.metrics._scorer",
    "sklearn.ensemble._gb_losses",
    "scipy.interpolate.",
)
"""Modules whose objects are called like functions, with arrays."""

_MOST_MEMBERS = 100_000

_MOST_CALLS = 5_000_000
"""Of members of a model, of members of those, ... for one prediction."""

_FEW_CALLS = 100_000
"""So many can be gone through one by one."""

_LEVELS = 8
"""Of lists in lists, more than an ensemble has of pairs of a name and a model."""

_NAMES = frozenset({str, bool, type(None)})
"""Kinds of what stands for no model, or for one that the class itself knows."""


def check_model(*roots: object, trusted: tuple[str, ...] = ()) -> None:
    """Check every object that a file holds, and what they rely on in each other.

    Objects of ``trusted`` modules may hold what they like; what they hold is checked all the same.
    Raises Refused for what would act, Damaged for what native code must not be given.
    """
    kinds: defaultdict[type, list[Any]] = defaultdict(list)
    reports: set[int] = set()
    for kind, things, shape in walk(*roots):
        kinds[kind].extend(things)
        if shape is None or (trusted and kind.__module__ in trusted):
            continue
        plan = _plan_of(shape)
        if plan.is_report:
            reports.update(identity(one) for thing in things for one in thing.cv_results_.values())
        for name, check in plan.checks:
            if check is not _check_members or not _are_models(name, things):
                for thing in things:
                    check(thing, name, thing.__dict__[name])
        if plan.may_act:
            for thing in things:
                _check_values(*_held(thing, shape), trusted)
    for kind, things in kinds.items():
        if issubclass(kind, np.ndarray):
            _check_arrays(kind, things, reports)
        elif holding(kind) is Holding.OTHERWISE and kind not in CONTAINERS:
            for thing in things:
                _check_object(thing, trusted)
    _check_calls([*roots[:1]])
    check_sizes(kinds)


class _Plan(NamedTuple):
    """How objects of a shape are checked."""

    checks: tuple[tuple[str, _Check], ...]
    may_act: bool
    """Whether any of what they hold can be called."""
    is_report: bool
    """Whether they are searches, which hold a report that no prediction looks at."""


@lru_cache(maxsize=4096)
def _plan(shape: Shape) -> _Plan:
    """Raise Refused where a name replaces a method."""
    kind_of = dict(zip(shape.names, shape.kinds, strict=False))
    checks = [(name, _check_of(name)) for name in _checked_names(shape.kind, shape.names)]
    needed = [
        (name, check)
        for name, check in checks
        if check is not None and (kind_of[name] is not type(None) or check is _refuse_name)
    ]
    may_act = any(map(_acts, set(shape.kinds)))
    return _Plan(tuple(needed), may_act, kind_of.get("cv_results_") is dict)


_plan_of: Callable[[Shape], _Plan] = cast("Any", _plan)


def _held(thing: Any, shape: Shape) -> tuple[str, Collection[Any]]:
    """Return what a thing holds, and what a refusal calls that."""
    if shape.kind is dict:
        return "a value", thing.values()
    if shape.kind in CONTAINERS:
        return "an item", thing
    return f"an attribute of {shape.kind.__name__}", thing.__dict__.values()


def _check_arrays(kind: type, arrays: list[Any], reports: set[int]) -> None:
    if not all(one.itemsize for one in types_of(arrays)):
        for array in arrays:
            if not array.itemsize and array.size > MOST_NUMBERS:
                raise Bomb("holds an array of None that is larger than memory")
    for array in arrays if kind is not np.ndarray else ():
        if kind is not np.ma.MaskedArray or identity(array) not in reports:
            raise Refused(f"holds a {kind.__name__}, which hides what is in it")


def _check_object(thing: Any, trusted: tuple[str, ...]) -> None:
    """Check what holds others in ways of its own, such as containers of a subclass."""
    kind = type(thing)
    if issubclass(kind, type) or kind.__module__ in trusted:
        return
    if isinstance(thing, partial):  # whose arguments a file may change after it is filled
        check_partial(thing, (thing.func, thing.args, thing.keywords, None))
    if isinstance(thing, dict):  # items of some are attributes
        _check_values("a value", thing.values(), trusted)
        check_names(thing)
    held = attributes(thing)
    for name in _checked_names(cast("Hashable", kind), tuple(held)):
        check = _check_of(name)
        if check is not None and (held[name] is not None or check is _refuse_name):
            check(thing, name, held[name])
    _check_values(f"an attribute of {kind.__name__}", held.values(), trusted)


@lru_cache(maxsize=4096)
def _checked_names(kind: Hashable, names: tuple[Any, ...]) -> tuple[str, ...]:
    """Return which attributes are checked by their names, of things of a kind that have these.

    Raises Refused where one replaces a method.
    """
    replaced = next((name for name in names if name in _methods(kind)), None)
    if replaced is not None:
        raise Refused(f"replaces the method {replaced} of a {cast('type', kind).__name__}")
    return tuple(name for name in names if isinstance(name, str) and _check_of(name) is not None)


_Check = Callable[[Any, str, Any], None]


@lru_cache(maxsize=4096)
def _check_of(name: str) -> _Check | None:
    """Return what checks an attribute by what scikit-learn and its kin do with one of that name."""
    if name.startswith("__"):
        return _refuse_name
    if name in _CHECKS:
        return _CHECKS[name]
    if name in _MEMBERS:
        return _check_members
    return next((check for names, check in _CHECKS_OF_MANY if names.fullmatch(name)), None)


def _refuse_name(_thing: Any, name: str, _value: Any) -> None:
    raise Refused(f"sets {name}")


def _refuse_memory(thing: Any, _name: str, value: Any) -> None:
    if type(value) is NoMemory:
        return
    raise Refused(f"keeps files, by the attribute memory of a {type(thing).__name__}")


def _check_imputations(thing: Any, name: str, value: Any) -> None:
    """Check rounds of an imputer: a column, those it is told from, and the model that tells it."""
    rounds = value if isinstance(value, list) else [value]
    if not all(isinstance(one, tuple) and len(one) == 3 for one in rounds):
        raise Refused(f"has rounds that are not (column, columns, model), in {name}")
    _check_members(thing, name, [one[2] for one in rounds])


def _check_input(thing: Any, _name: str, value: Any) -> None:
    reads = hasattr(type(thing), "build_analyzer") or hasattr(type(thing), "build_tokenizer")
    if reads and not isinstance(value, dict) and value != "content":
        raise Refused(f"reads the files that its input names ({type(thing).__name__})")


def _check_asked(thing: Any, _name: str, value: Any) -> None:
    for one in _leaves(value):
        if one is not None and not (isinstance(one, str) and METHODS.fullmatch(one)):
            what = one if isinstance(one, str) and one else "act"
            raise Refused(f"asks the models in a {type(thing).__name__} to {what}")


def _check_width(thing: Any, _name: str, value: Any) -> None:
    if isinstance(value, (int, float, np.integer, np.floating)) and not value <= MOST_NUMBERS:
        raise Damaged(f"a {type(thing).__name__} with more columns than any table has")


def _check_getter(thing: Any, _name: str, value: Any) -> None:
    if not (isinstance(value, str) and _GETTERS.fullmatch(value)):
        raise Refused(
            f"takes an unchecked function for the importances of a {type(thing).__name__}"
        )


def _check_members(thing: Any, name: str, value: Any) -> None:
    """Refuse members of an ensemble or a pipeline that are no models."""
    kind = type(thing).__name__
    if isinstance(value, (list, tuple, dict, np.ndarray)) and len(value) > _MOST_MEMBERS:
        raise Damaged(f"a {kind} with more members than any has")
    members = _parts(value) if name in _OF_COLUMNS else _leaves(value)
    for n, one in enumerate(members):
        if n == _MOST_MEMBERS:
            raise Damaged(f"a {kind} with more members than any has")
        if one is None or isinstance(one, (str, bool)) or _is_model(cast("Hashable", type(one))):
            continue
        if name == "binner_dict_" and isinstance(one, (int, float)):
            continue  # bounds of bins, where no tree makes these
        raise Refused(f"takes a {type(one).__name__} for a model, in {name} of a {kind}")


def _are_models(name: str, things: list[Any]) -> bool:
    """Tell that nothing but models is in an attribute of many things, and few, all at a time."""
    n, values = 0, [one.__dict__[name] for one in things]
    if name in _OF_COLUMNS:
        if set(map(type, values)) != {list} or sum(map(len, values)) > _MOST_MEMBERS:
            return False
        rows = [*chain.from_iterable(values)]
        if not set(map(type, rows)) <= {tuple} or not set(map(len, rows)) <= {2, 3}:
            return False
        values = [row[:2] for row in rows]
    for _ in range(_LEVELS):
        deeper: list[Any] = []
        for kind, things in _by_kind(values).items():
            if issubclass(kind, (dict, list, tuple, set, frozenset)):
                parts: Iterable[Any] = things
                if issubclass(kind, dict):
                    parts = [one.values() for one in things]
                n += sum(map(len, parts))
            elif kind is np.ndarray and all(one.dtype == object for one in things):
                parts = (one.ravel().tolist() for one in things)
                n += sum(one.size for one in things)
            elif kind in _NAMES or _is_model(cast("Hashable", kind)):
                continue
            else:
                return False
            if n > _MOST_MEMBERS:
                return False
            deeper.extend(chain.from_iterable(parts))
        if not deeper:
            return True
        values = deeper
    return False


def _by_kind(things: list[Any]) -> dict[type, list[Any]]:
    kinds = set(map(type, things))
    if len(kinds) == 1:
        return {kinds.pop(): things}
    found: dict[type, list[Any]] = {kind: [] for kind in kinds}
    for one in things:
        found[type(one)].append(one)
    return found


def _check_calls(roots: list[Any]) -> None:
    """Refuse models that would ask their members, and those theirs, more often than ever ends."""
    if _ask_few(roots):
        return
    weights: dict[int, int] = {}
    begun: dict[int, tuple[int, dict[int, tuple[int, Any]]]] = {}
    todo = list(roots)
    while todo:
        one = todo[-1]
        if identity(one) in weights:
            todo.pop()
            continue
        if identity(one) not in begun:
            begun[identity(one)] = n_leaves, inside = _asked(one)
            open_ones = [part for n, part in inside.values() if identity(part) not in weights]
            if any(identity(part) in begun for part in open_ones):
                raise Bomb("holds a model that is a part of itself")
            todo.extend(open_ones)
            continue
        n_leaves, inside = begun[identity(one)]
        n_inside = sum(n * weights[identity(part)] for n, part in inside.values())
        weights[identity(one)] = n_calls = 1 + n_leaves + n_inside
        if n_calls > _MOST_CALLS:
            raise Bomb("calls its members in an endless number of combinations")
        todo.pop()


def _ask_few(asked: list[Any]) -> bool:
    """Tell that all members are few, and those of these, each counted as often as it is asked."""
    n = len(asked)
    while asked:
        deeper: list[Any] = []
        for kind, things in _by_kind(asked).items():
            way = holding(kind)
            if kind in PLAIN or way is Holding.NOTHING:
                continue
            if kind is list or kind is tuple:
                parts: Iterable[Collection[Any]] = things
            elif way is Holding.ATTRIBUTES:
                parts = _held_alike([one.__dict__ for one in things])
            else:
                parts = map(_parts_asked, things)
            for some in parts:
                n += len(some)
                if n > _FEW_CALLS:
                    return False
                deeper.extend(some)
        asked = deeper
    return True


def _held_alike(helds: list[dict[Any, Any]]) -> Iterator[list[Any]]:
    """Yield what models ask that have attributes, most of them the same."""
    last: tuple[Any, ...] | None = None
    members: tuple[Any, ...] = ()
    for held in helds:
        names = tuple(held)
        if names != last:
            last, members = names, _members(names)
        if members:
            yield [held[name] for name in members]


def _asked(one: Any) -> tuple[int, dict[int, tuple[int, Any]]]:
    """Return what a container or a model asks that asks others, and how often each.

    Before that, how often it asks what asks nothing else.
    """
    parts = [part for part in _parts_asked(one) if type(part) not in PLAIN]
    if len(parts) > _MOST_CALLS:
        raise Bomb("holds more members than any model has")
    n_leaves = 0
    asking: dict[int, tuple[int, Any]] = {}
    for part in parts:
        if _asks(part):
            number = identity(part)
            asking[number] = (asking[number][0] + 1 if number in asking else 1, part)
        else:
            n_leaves += 1
    return n_leaves, asking


def _asks(part: Any) -> bool:
    """Tell whether a part may ask others."""
    way = holding(type(part))
    if way is Holding.ATTRIBUTES:
        return bool(_members(tuple(part.__dict__)))
    return way is not Holding.NOTHING and (type(part) is not np.ndarray or part.dtype == object)


def _parts_asked(one: Any) -> Sequence[Any]:
    """Return the containers and models that a container or a model asks."""
    if isinstance(one, dict):
        return list(one.values())
    if isinstance(one, (list, tuple)):
        return one
    if isinstance(one, np.ndarray):
        return one.ravel().tolist() if one.dtype == object else ()
    if isinstance(one, (type, *FUNCTIONS)):
        return ()
    held = attributes(one)
    return [held[name] for name in _members(tuple(held))]


@lru_cache(maxsize=4096)
def _members(names: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(name for name in names if name in _ASKED)


@cache
def _is_model(kind: Any) -> bool:
    if issubclass(kind, (type, np.ndarray, *FUNCTIONS)):
        return False
    methods = ("fit", "predict", "predict_proba", "transform")
    return any(callable(getattr(kind, method, None)) for method in methods)


def _parts(value: Any) -> Iterator[Any]:
    """Yield the names and models of a column transformer: its columns are no models."""
    for row in value if isinstance(value, list) else [value]:
        if not isinstance(row, tuple) or len(row) not in (2, 3):
            raise Refused("has parts that are not (name, model, columns)")
        yield from _leaves(row[:2])


def _leaves(value: Any) -> Iterator[Any]:
    """Yield what is in lists in lists, each thing once."""
    seen: dict[int, Any] = {}
    todo = [value]
    while todo:
        one = todo.pop()
        number = identity(one)
        if number in seen:
            continue
        seen[number] = one
        if isinstance(one, dict):
            todo.extend(_each(one.values()))
        elif isinstance(one, (list, tuple, set, frozenset)):
            todo.extend(_each(one))
        elif type(one) is np.ndarray and one.dtype == object:
            todo.extend(_each(one.ravel().tolist()))
        else:
            yield one


def _each(values: Collection[Any]) -> Collection[Any]:
    """Return every thing once."""
    return dict(zip(map(identity, values), values, strict=True)).values()


def _check_called(thing: Any, name: str, value: Any) -> None:
    kind = type(thing).__name__
    if isinstance(value, type):
        raise Refused(f"calls a class, {value.__name__}, as a function")
    is_kernel = name == "kernel" and type(value).__module__ == _CALLABLE[0]
    if callable(value) and not isinstance(value, (partial, *FUNCTIONS)) and not is_kernel:
        raise Refused(f"calls a {type(value).__name__}, by {name} of a {kind}")


def _check_arguments(thing: Any, _name: str, arguments: Any) -> None:
    kind = type(thing).__name__
    for name, value in arguments.items() if isinstance(arguments, dict) else ():
        if name == "out" or not isinstance(name, str):
            raise Refused(f"has a function of a {kind} write into what it holds")
        for one in objects(value):
            if callable(one):
                raise Refused(f"hands a function to a function of a {kind}")
        if isinstance(value, type) and not is_plain_class(value):
            raise Refused(f"hands a class, {value.__name__}, to a function of a {kind}")


def _check_values(where: str, values: Collection[Any], trusted: tuple[str, ...]) -> None:
    """Refuse what can be called and is neither a listed function nor of a listed kind."""
    for kind in filter(_acts, dict.fromkeys(map(type, values))):
        if issubclass(kind, type):
            for value in _each(values):
                plain = type(value) is not kind or is_plain_class(value)
                if not plain and value.__module__ not in trusted:
                    raise Refused(f"holds a class, {value.__name__}, as {where}")
        elif not issubclass(kind, (partial, *FUNCTIONS)):
            module = kind.__module__
            if not module.startswith(_CALLABLE) and module not in trusted:
                raise Refused(f"holds a {kind.__name__}, which can be called, as {where}")


@cache
def _acts(kind: type) -> bool:
    """Tell whether things of a kind can be called."""
    return issubclass(kind, type) or any("__call__" in vars(base) for base in kind.__mro__)


_CHECKS: Mapping[str, _Check] = {
    "memory": _refuse_memory,
    "imputation_sequence_": _check_imputations,
    "input": _check_input,
    "importance_getter": _check_getter,
    "n_features_in_": _check_width,
}

_CHECKS_OF_MANY: tuple[tuple[re.Pattern[str], _Check], ...] = (
    (_NAMES_OF_METHODS, _check_asked),
    (_CALLED, _check_called),
    (_ARGUMENTS, _check_arguments),
)


@cache
def _methods(cls: Hashable) -> frozenset[str]:
    """Name what instances of a class do, which none of their attributes may replace."""
    found: set[str] = set()
    for base in cast("type", cls).__mro__:
        for name, value in vars(base).items():
            acts = callable(value) or isinstance(value, (classmethod, staticmethod))
            conditional = hasattr(type(value), "__get__") and not hasattr(type(value), "__set__")
            if not isinstance(value, (type, cached_property)) and (acts or conditional):
                found.add(name)
    return frozenset(found)
