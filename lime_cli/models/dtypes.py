"""The dtypes of numpy in a pickle: made and filled only as numpy itself would have written them."""

from __future__ import annotations

import re
from typing import cast

import numpy as np

from lime_cli.models.allowed import Refused

_DTYPE = re.compile(r"[<>=|]?[?bBhHiIlLqQuefdgFDGSUVOMmc]\d{0,9}")
_FLEXIBLE = frozenset("SUV")
_ALIGNED_STRUCT = 0x80
_TIME_UNITS = frozenset(b"Y M W D h m s ms us ns ps fs as generic".split())


def make_dtype(args: tuple[object, ...]) -> np.dtype:
    """Make a dtype of its own from a plain code like `f8`; never one that numpy shares."""
    if not args or type(args[0]) is not str or not _DTYPE.fullmatch(args[0]):
        raise Refused("makes a numpy dtype from something else than its code")
    return np.dtype(args[0], False, True)


def fill_dtype(dtype: np.dtype, state: object) -> None:
    """Give a dtype its state if numpy itself would have written it so.

    numpy believes the state: item sizes, offsets and flags that do not fit let later code read
    and write outside of arrays, or take numbers for pointers to objects.
    """
    if type(state) is not tuple or len(state) not in (8, 9):
        raise Refused("holds a damaged numpy dtype")
    order, subarray, names, fields, itemsize, alignment, flags = state[1:8]
    if order not in ("<", ">", "|", "="):
        raise Refused("holds a numpy dtype of unknown byte order")
    if len(state) == 9:
        _check_unit(dtype, state[8])
    expected = _expected(dtype, subarray, names, fields)
    if type(flags) is not int or flags & ~_ALIGNED_STRUCT != expected.flags & ~_ALIGNED_STRUCT:
        raise Refused("holds a numpy dtype with forged flags")
    sizes = (expected.itemsize,) if expected.kind in _FLEXIBLE else (-1, expected.itemsize)
    if itemsize not in sizes or expected.itemsize != dtype.itemsize:
        raise Refused("holds a numpy dtype with a forged size")
    if alignment not in (-1, 1, 2, 4, 8, 16, 32):
        raise Refused("holds a numpy dtype with a forged alignment")
    dtype.__setstate__(state)  # type: ignore[attr-defined]


def _expected(dtype: np.dtype, subarray: object, names: object, fields: object) -> np.dtype:
    """Build, by numpy's checked way, the dtype that a state describes."""
    if subarray is not None:
        base, shape = cast("tuple[object, object]", subarray)
        if not isinstance(base, np.dtype) or names or fields:
            raise Refused("holds a damaged numpy dtype")
        return np.dtype((base, shape))
    if names is None and fields is None:
        return dtype
    if type(names) is not tuple or type(fields) is not dict or set(names) != set(fields):
        raise Refused("holds a numpy dtype with damaged fields")
    if dtype.kind != "V" or any(len(field) not in (2, 3) for field in fields.values()):
        raise Refused("holds a numpy dtype with damaged fields")
    formats = [fields[name][0] for name in names]
    if not all(isinstance(field, np.dtype) for field in formats):
        raise Refused("holds a numpy dtype with damaged fields")
    offsets = [fields[name][1] for name in names]
    layout = {"names": names, "formats": formats, "offsets": offsets, "itemsize": dtype.itemsize}
    return np.dtype(layout)  # type: ignore[call-overload,no-any-return]


def _check_unit(dtype: np.dtype, metadata: object) -> None:
    plain = type(metadata) is tuple and len(metadata) == 2 and not metadata[0]
    if not plain or dtype.kind not in "mM":
        raise Refused("holds a numpy dtype with metadata")
    unit = cast("tuple[object, tuple[object, ...]]", metadata)[1]
    name, *counts = unit if type(unit) is tuple else (None,)
    known = name in _TIME_UNITS or (type(name) is str and name.encode() in _TIME_UNITS)
    if not known or not all(type(n) is int and 0 <= n < 1 << 31 for n in counts):
        raise Refused("holds a numpy dtype of an unknown unit of time")
