"""Walking over every object of a model, however it is held."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Hashable, Iterator
from enum import Enum
from functools import cache, partial
from typing import Any, cast

import numpy as np

PLAIN = frozenset(
    {str, bytes, bytearray, int, float, bool, complex, type(None), range, slice, type}
    | {one for one in np.sctypeDict.values() if issubclass(one, np.generic)} - {np.object_, np.void}
)
"""What holds nothing else."""

FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,  # of words: no other can be in a pickle
    np.ufunc,
    type(np.mean),  # numpy's functions are of a type of their own
)


def objects(*roots: object) -> Iterator[Any]:
    """Yield everything below the roots but plain values, each once, the roots first.

    There is no bound: of a long list only the kinds of its items are looked at, as long as all
    are plain.
    """
    seen: dict[int, object] = {}  # which keeps them alive, so that an id stays one object's
    todo = list(roots)
    while todo:
        one = todo.pop()
        if type(one) in PLAIN or id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        way = holding(type(one))
        if way is Holding.NOTHING:
            continue
        if way is Holding.ATTRIBUTES:
            todo.extend([part for part in one.__dict__.values() if type(part) not in PLAIN])
            continue
        for inside in _held(one):
            if not set(map(type, inside)) <= PLAIN:
                todo.extend(dict(zip(map(id, inside), inside, strict=True)).values())


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
    if issubclass(kind, FUNCTIONS):
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
    if type(one) is np.ndarray and not one.dtype.hasobject:
        return
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
