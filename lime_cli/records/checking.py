"""Whether what a file said fits the types of what was made of it: the types are what is checked."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_types(made: Any) -> None:
    """Raise TypeError, naming the attribute, unless a dataclass or NamedTuple holds what it says.

    Whole numbers are floats too, and truth values are no numbers.
    """
    for name, value, hint in _attributes(made):
        if not _fits(value, hint):
            raise TypeError(f"{name} cannot be {_short(value)}")


def _short(value: Any) -> str:
    said = ascii(value)
    return said if len(said) <= 40 else f"{said[:40]}..."


def _attributes(made: Any) -> Iterator[tuple[str, Any, Any]]:
    kind: Any = type(made)
    for name, hint in _hints(kind).items():
        yield name, getattr(made, name), hint


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of attributes; none where a module that they name is not there."""
    try:
        return get_type_hints(kind) if is_dataclass(kind) or hasattr(kind, "_fields") else {}
    except NameError:
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is tuple:
        return _fits_tuple(value, inside)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(_fits(one, inside[0]) for one in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, inside[0]) and _fits(one, inside[1]) for key, one in value.items()
        )
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return type(value) in (int, float)
    if hint in (int, bool, str):
        return type(value) is hint
    if isinstance(hint, type) and _hints(hint):
        if not isinstance(value, hint):
            return False
        check_types(value)
    return True


def _fits_tuple(value: Any, inside: tuple[Any, ...]) -> bool:
    if not isinstance(value, tuple):
        return False
    if len(inside) == 2 and inside[1] is Ellipsis:
        return all(_fits(one, inside[0]) for one in value)
    return len(value) == len(inside) and all(map(_fits, value, inside))
