"""Walking over every object of a model, however it is held."""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache, partial
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, cast

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

    Containers have no names, and of the items of all (of dictionaries, the values) the kinds alone.
    """

    kind: type
    names: tuple[Any, ...]
    kinds: tuple[type, ...]
    below: tuple[tuple[Any, type], ...]
    """Names of what is no plain value, and its kinds."""


class Kin(NamedTuple):
    """Objects of one class, each once, and their shape, if they hold others plainly."""

    kind: type
    things: list[Any]
    shape: Shape | None = None


def objects(*roots: object) -> Iterator[Any]:
    """Yield everything below the roots but plain values, each once, a single root first.

    There is no bound: of a long list only the kinds of its items are looked at, as long as all
    are plain.
    """
    return (one for kin in walk(*roots) for one in kin.things)


def walk(*roots: object) -> Iterator[Kin]:
    """Yield objects as ``objects`` does, many that are alike at a time."""
    seen: dict[int, Any] = {}  # which keeps them alive, so that an id stays one object's
    todo: _ToDo = {}
    _meet((roots,), todo)
    while todo:
        kind, met = todo.popitem()
        new = dict(zip(map(identity, met), met, strict=True))
        if not new.keys().isdisjoint(seen.keys()):  # of a dictionary it would look at all
            new = {number: one for number, one in new.items() if number not in seen}
        seen.update(new)
        things = list(new.values())
        if not things:
            continue
        way = holding(kind)
        if way is Holding.ATTRIBUTES:
            yield from _groups(kind, things, todo)
        elif kind in CONTAINERS:
            inside = things
            if kind is dict:
                _meet(things, todo)
                inside = [one.values() for one in things]
            yield Kin(kind, things, _shape(kind, (), tuple(_meet(inside, todo))))
        else:
            if way is Holding.OTHERWISE:
                holders = things
                if kind is np.ndarray:
                    dtypes = map(attrgetter("dtype"), things)
                    holders = [
                        one for one, dtype in zip(things, dtypes, strict=True) if dtype.hasobject
                    ]
                _meet([part for one in holders for part in _held(one)], todo)
            yield Kin(kind, things)


_ToDo = dict[type, list[Any]]
"""What has been met and is to be looked at, by kinds."""


def _groups(kind: type, things: list[Any], todo: _ToDo) -> Iterator[Kin]:
    """Yield objects by their shapes, and note what they hold."""
    shape: Shape | None = None
    alike: dict[Shape, list[Any]] = {}
    for one in things:
        held = one.__dict__
        names, kinds = tuple(held), tuple(map(type, held.values()))
        if shape is None or shape.names != names or shape.kinds != kinds:
            shape = _shape(kind, names, kinds)  # to look a shape up takes longer
            group = alike.setdefault(shape, [])
        group.append(one)
    for shape, group in alike.items():
        for name, kind_of_it in shape.below:
            todo.setdefault(kind_of_it, []).extend([one.__dict__[name] for one in group])
        yield Kin(kind, group, shape)


def _meet(parts: Sequence[Collection[Any]], todo: _ToDo) -> set[type]:
    """Note what is in some containers and not plain; return the kinds of all."""
    kinds = set(map(type, chain.from_iterable(parts)))
    below = kinds - PLAIN
    for kind in below:
        todo.setdefault(kind, [])
    if below and len(kinds) == 1:
        todo[below.pop()].extend(chain.from_iterable(parts))
    elif below:
        for one in chain.from_iterable(parts):
            if type(one) in below:
                todo[type(one)].append(one)
    return kinds


@lru_cache(maxsize=4096)
def _shape_of(kind: Any, names: tuple[Any, ...], kinds: tuple[type, ...]) -> Shape:
    of_names = zip(names, kinds, strict=False)
    return Shape(kind, names, kinds, tuple(pair for pair in of_names if pair[1] not in PLAIN))


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
            yield (np.ndarray.view(one, np.ndarray),)  # `data` is what the array says, maybe itself
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
