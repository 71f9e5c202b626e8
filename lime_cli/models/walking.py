"""Walking over every object of a model, however it is held."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache, partial
from typing import Any, cast

import numpy as np

PLAIN = frozenset(
    {
        str,
        bytes,
        bytearray,
        int,
        float,
        bool,
        complex,
        type(None),
        range,
        slice,
        type,
        types.ModuleType,
    }
    | {one for one in np.sctypeDict.values() if issubclass(one, np.generic)} - {np.object_, np.void}
)
"""What holds nothing else, or, as modules that a formula keeps, nothing that is the model's."""

identity: Callable[[object], int] = object.__hash__
"""Number a living object, as ``id`` does, of which Python would tell the tripwire every time."""

CONTAINERS = frozenset({dict, list, tuple, set, frozenset})

FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,  # of words: no other can be in a pickle
    np.ufunc,
    type(np.mean),  # numpy's functions are of a type of their own
)


@dataclass(frozen=True, eq=False)
class Shape:
    """A class, the names of what an object of it holds, and the kinds of that.

    A container has no names, and of its items (of a dictionary its values) the kinds alone.
    """

    kind: type
    names: tuple[Any, ...]
    kinds: tuple[type, ...]
    below: tuple[Any, ...]
    """Names of what is no plain value."""


def objects(*roots: object) -> Iterator[Any]:
    """Yield everything below the roots but plain values, each once, the roots first.

    There is no bound: of a long list only the kinds of its items are looked at, as long as all
    are plain.
    """
    return (one for one, _ in walk(*roots))


def walk(*roots: object) -> Iterator[tuple[Any, Shape | None]]:
    """Yield objects as ``objects`` does, with the shapes of those that hold others plainly."""
    seen: dict[int, Any] = {}  # which keeps them alive, so that an id stays one object's
    latest: dict[type, Shape] = {}
    todo: list[Any] = [root for root in roots if type(root) not in PLAIN]
    while todo:
        one = todo.pop()
        number = identity(one)
        if number in seen:
            continue
        seen[number] = one
        kind = type(one)
        way = holding(kind)
        if way is Holding.NOTHING or (kind is np.ndarray and not one.dtype.hasobject):
            yield one, None
        elif way is Holding.ATTRIBUTES:
            held = one.__dict__
            names, kinds = tuple(held), tuple(map(type, held.values()))
            shape = latest.get(kind)  # to look a shape up by what it is takes longer
            if shape is None or shape.names != names or shape.kinds != kinds:
                shape = latest[kind] = _shape(kind, names, kinds)
            todo.extend([held[name] for name in shape.below])
            yield one, shape
        elif kind in CONTAINERS:
            inside = _meet(one.values() if kind is dict else one, todo)
            if kind is dict:
                _meet(one, todo)
            yield one, _shape(kind, (), tuple(inside))
        else:
            for part in _held(one):
                _meet(part, todo)
            yield one, None


def _meet(inside: Collection[Any], todo: list[Any]) -> set[type]:
    """Note once each what is in a container and not plain; return the kinds of all."""
    kinds = set(map(type, inside))
    if not kinds <= PLAIN:
        once = dict(zip(map(identity, inside), inside, strict=True)).values()
        todo.extend([one for one in once if type(one) not in PLAIN])
    return kinds


@lru_cache(maxsize=4096)
def _shape_of(kind: Any, names: tuple[Any, ...], kinds: tuple[type, ...]) -> Shape:
    below = [name for name, one in zip(names, kinds, strict=False) if one not in PLAIN]
    return Shape(kind, names, kinds, tuple(below))


_shape: Callable[[type, tuple[Any, ...], tuple[type, ...]], Shape] = cast("Any", _shape_of)


class Holding(Enum):
    """How things of a class hold others."""

    NOTHING = 1
    """As what is written in C, functions and classes do: what they have nobody can look at."""
    ATTRIBUTES = 2
    """In their dictionary alone."""
    OTHERWISE = 3


@cache
def _holding(kind: Any) -> Holding:
    if issubclass(kind, (dict, list, tuple, set, frozenset, np.ndarray, partial)):
        return Holding.OTHERWISE
    if issubclass(kind, FUNCTIONS) or (_is_of_pandas(kind) and kind.__name__ == "NAType"):
        return Holding.NOTHING
    descriptors = [vars(base)["__dict__"] for base in kind.__mro__ if "__dict__" in vars(base)]
    if issubclass(kind, type) or _is_of_pandas(kind) or _slots(kind):
        return Holding.OTHERWISE
    if not descriptors:
        return Holding.NOTHING
    plain = all(isinstance(one, types.GetSetDescriptorType) for one in descriptors)
    return Holding.ATTRIBUTES if plain else Holding.OTHERWISE


holding: Callable[[type], Holding] = cast("Any", _holding)
"""Tell how things of a class hold others."""


def _held(one: Any) -> Iterator[Collection[Any]]:
    """Yield the containers that are in an object, or that it is."""
    if isinstance(one, dict):
        yield one.keys()
        yield one.values()
    elif isinstance(one, (list, tuple, set, frozenset)):
        yield one
    elif isinstance(one, np.ndarray):
        if one.dtype.hasobject:
            yield one.ravel().tolist()
        if type(one) is np.ma.MaskedArray:
            yield (one.data,)
    elif isinstance(one, partial):
        yield (one.func, *one.args)
        yield one.keywords.values()
    if not isinstance(one, FUNCTIONS) and not _is_of_pandas(type(one)):
        yield attributes(one).values()


def _is_of_pandas(kind: type) -> bool:
    """Tell a part of a table: what is in one are arrays, whose makers know of them."""
    return str(kind.__module__).partition(".")[0] == "pandas"  # some classes compute it


def attributes(one: Any) -> dict[str, Any]:
    """Return what an object keeps under names, in its dictionary and in its slots: to look at."""
    found = getattr(one, "__dict__", None)
    named = found if isinstance(found, dict) else {}
    slots = _slots(cast("Hashable", type(one)))
    if not slots:
        return named
    return {**named, **{name: getattr(one, name, None) for name in slots}}


@cache
def _slots(cls: Hashable) -> tuple[str, ...]:
    return tuple(
        name
        for base in cast("type", cls).__mro__
        if "__slots__" in vars(base)
        for name, value in vars(base).items()
        if isinstance(value, types.MemberDescriptorType)
    )
