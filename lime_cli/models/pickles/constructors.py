"""Guards before what a pickle may construct: calls with checked arguments, and dtypes."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta, timezone, tzinfo
from functools import partial
from typing import Any, cast

import numpy as np

from lime_cli.models.pickles.policy import GETATTR, PARTIAL, Bomb, Global, Refused
from lime_cli.models.walking import FUNCTIONS

_DTYPE = re.compile(r"[<>=|]?[?bBhHiIlLqQuefdgFDGSUVOMmc]\d{0,9}")

_FLEXIBLE = frozenset("SUV")

_ALIGNED_STRUCT = 0x80

_SAID = 0x7F
"""Flags of a dtype that every numpy writes alike; of the others each knows its own."""

_OF_WORDS = frozenset(
    {"capitalize", "casefold", "lower", "lstrip", "rstrip", "split", "splitlines", "strip"}
    | {"swapcase", "title", "upper"}
)
"""Methods of words that split a text, or write it otherwise."""

_TIME_UNITS = frozenset(b"Y M W D h m s ms us ns ps fs as generic".split())


def make_dtype(args: tuple[object, ...]) -> np.dtype:
    """Make a dtype of its own from a plain code like `f8`; never one that numpy shares."""
    code, *flags = args or (None,)
    if type(code) is not str or not _DTYPE.fullmatch(code):
        raise Refused("makes a numpy dtype from something other than its code")
    if len(flags) > 2 or not all(type(one) in (bool, int) for one in flags):
        raise Refused("makes a numpy dtype in a way that numpy does not know")
    return np.dtype(code, False, True)


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
    if type(flags) is not int:
        raise Refused("holds a numpy dtype with forged flags")
    expected = _expected(dtype, subarray, names, fields, bool(flags & _ALIGNED_STRUCT))
    if (flags ^ expected.flags) & _SAID:
        raise Refused("holds a numpy dtype with forged flags")
    sizes = (expected.itemsize,) if expected.kind in _FLEXIBLE else (-1, expected.itemsize)
    if itemsize not in sizes or expected.itemsize != dtype.itemsize:
        raise Refused("holds a numpy dtype with a forged size")
    if alignment not in (-1, 1, 2, 4, 8, 16, 32):
        raise Refused("holds a numpy dtype with a forged alignment")
    if type(fields) is dict:
        fields = dict(fields)  # numpy keeps it, and the file could still change its own
    parts = (*state[:4], fields, *state[5:7], expected.flags, *state[8:])
    dtype.__setstate__(parts)  # type: ignore[attr-defined]


def _expected(
    dtype: np.dtype, subarray: object, names: object, fields: object, aligned: bool
) -> np.dtype:
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
    try:
        return np.dtype(layout, align=aligned)  # type: ignore[call-overload,no-any-return]
    except ValueError:
        raise Refused("holds a numpy dtype with damaged fields") from None


def _check_unit(dtype: np.dtype, metadata: object) -> None:
    plain = type(metadata) is tuple and len(metadata) == 2 and not metadata[0]
    if not plain or dtype.kind not in "mM":
        raise Refused("holds a numpy dtype with metadata")
    unit = cast("tuple[object, tuple[object, ...]]", metadata)[1]
    name, *counts = unit if type(unit) is tuple else (None,)
    known = name in _TIME_UNITS or (type(name) is str and name.encode() in _TIME_UNITS)
    if not known or not all(type(n) is int and 0 <= n < 1 << 31 for n in counts):
        raise Refused("holds a numpy dtype of an unknown unit of time")


Constructor = Callable[..., object]


MAX_KEY_DEPTH = 20

MAX_KEY_PARTS = 1000

MOST_COLLISIONS = 1000

MOST_PARTS = 5_000_000
"""In all keys that are tuples."""

_SMALL, _AT_ONCE = 5000, 50

_PATIENCE, _SECONDS_EACH = 1.0, 2e-6
"""Of the processor; honest keys take a tenth of that."""

MOST_NUMBERS = 10_000_000
"""In a range, or in an array whose items take no memory."""

_WORDS = frozenset({str, bytes, type(None), bool})

_SIMPLE = frozenset({str, int, float, bool, complex, bytes, type(None)})

_FACTORIES = frozenset({int, float, str, list, dict, set, tuple, bool, OrderedDict})

_BIT_GENERATORS = frozenset({"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"})


_LOSSES = frozenset({"sklearn._loss._loss", "sklearn.linear_model._sgd_fast"})

_NANOSECONDS = 10

_STAMP_UNITS = range(7, _NANOSECONDS + 1)
"""Seconds, milliseconds, microseconds and nanoseconds, as pandas numbers them."""

_DECIMAL = re.compile(r"-?\d{1,99}(\.\d{1,99})?(E[+-]\d{1,3})?|NaN")


class NoMemory:
    """Stands for a memory of joblib's that keeps no files, which nothing asks for an answer."""

    @staticmethod
    def check(state: object) -> None:
        """Raise Refused for the state of a memory that has a place to keep files in."""
        held: dict[object, object] = state if type(state) is dict else {"location": ""}
        if held.get("location") is not None or held.get("store_backend") is not None:
            raise Refused("keeps files, by a Memory of joblib's")


class Collisions:
    """Counts keys that share their hash with another: numbers can be chosen so, words cannot.

    A dictionary of n such keys takes n² steps, which no clock inside of Python could stop.
    """

    def __init__(self) -> None:
        self._first: dict[bytes, object] = {}  # whose own hashes nobody can choose
        self._n = 0
        self._n_parts = 0
        self._n_stored = 0
        self._seconds = 0.0

    def store(self, update: Callable[[Any], object], items: Iterable[object], size: int) -> None:
        """Put items into a container of some size; raise Bomb where others are in their way.

        Numbers of different hashes can be chosen so, too, and no rule tells them from honest ones
        but the time of the processor that they take.
        """
        if size < _SMALL:
            update(items)
            return
        items = list(items)
        for at in range(0, len(items), _AT_ONCE):
            began = time.thread_time()
            update(items[at : at + _AT_ONCE])
            self._seconds += time.thread_time() - began
            self._n_stored += min(_AT_ONCE, len(items) - at)
            if self._seconds > _PATIENCE + _SECONDS_EACH * self._n_stored:
                raise Bomb("contains keys that are made to be slow")

    def add(self, keys: Iterable[object], n_parts: int = 0) -> None:
        """Take note of keys; raise Bomb for more that collide than happen by chance.

        ``n_parts`` are in them: tuples are hashed anew whenever they are looked up.
        """
        self._n_parts += n_parts
        for key in keys:
            if type(key) in (str, bytes) or key == -1:  # whose hash is that of -2
                continue
            first = self._first.setdefault(hash(key).to_bytes(8, "little", signed=True), key)
            self._n += first is not key and first != key
        if self._n > MOST_COLLISIONS or self._n_parts > MOST_PARTS:
            raise Bomb("contains keys that are made to be slow")


def check_keys(keys: Iterable[object], collisions: Collisions | None = None) -> None:
    """Refuse keys whose hashing would run code, exhaust the C stack, or take for ever."""
    keys = keys if isinstance(keys, list) else list(keys)
    kinds = set(map(type, keys))
    if kinds <= _WORDS:
        return
    n_parts = 0
    if not kinds <= _SIMPLE:
        n_parts = sum(_n_parts(key) for key in keys if type(key) not in _SIMPLE)
    (collisions or Collisions()).add(keys, n_parts)


def _n_parts(key: object) -> int:
    """Count what is in a key, as often as it is looked at."""
    layer, n = [key], 0
    for _ in range(MAX_KEY_DEPTH):
        inner: list[object] = []
        for part in layer:
            if type(part) is tuple or type(part) is frozenset:
                inner.extend(cast("tuple[object]", part))
            elif not _hashes_plainly(part):
                raise Refused(f"uses a {type(part).__name__} as a key")
        n, layer = n + len(layer), inner
        if not layer:
            return n
        if len(layer) > MAX_KEY_PARTS:
            break
    raise Bomb("uses deeply nested tuples as a key")


def _hashes_plainly(key: object) -> bool:
    by_identity = type(key).__hash__ is object.__hash__
    return by_identity or type(key) in _SIMPLE or isinstance(key, np.generic)


def check_names(names: Iterable[object]) -> None:
    """Refuse names like `__array_interface__`, by which numpy takes a number for an address."""
    for name in names:
        if isinstance(name, str) and name.startswith("__"):
            raise Refused(f"sets {name}")


def check_plain(args: Iterable[object], depth: int = 0) -> None:
    """Refuse arguments other than numbers, text, arrays and names, alone or in tuples."""
    for arg in args:
        if type(arg) is tuple and depth < 3:
            check_plain(arg, depth + 1)
        elif type(arg) not in _SIMPLE and not isinstance(arg, (np.ndarray, np.generic, type)):
            raise Refused(f"passes a {type(arg).__name__} to a constructor")


def call(key: Global, function: Constructor, args: tuple[object, ...]) -> object:
    """Call an allowed function after checking what it is given."""
    guard = GUARDS.get(key)
    if guard is None:
        check_plain(args)
    elif not guard(*args):
        raise Refused(f"passes an unsafe argument to {'.'.join(key)}")
    made = function(*args)
    if key == _ARROW_ARRAY:  # its offsets may point outside its buffers
        _validate(made)
    return made


def has_no_state(key: Global | None) -> bool:
    """Tell a class that is called with all that its objects are: a loss, written in C."""
    module, name = key or ("", "")
    return module in _LOSSES and not name.startswith("_")


def is_empty_array(cls: object = None, shape: object = None, code: object = None) -> bool:
    """Tell what numpy is given to make an array that is filled later."""
    return cls is np.ndarray and shape == (0,) and code in (b"b", "b")


def _masked(cls: object, base: object, shape: object, code: object) -> bool:
    return cls is np.ma.MaskedArray and base is np.ndarray and shape == (0,) and code in (b"b", "b")


def scalar_of(dtype: object, data: object = None) -> bool:
    """Tell a dtype of plain numbers or words, and as many bytes as it takes."""
    plain = isinstance(dtype, np.dtype) and not dtype.hasobject and not dtype.subdtype
    if type(data) is str:  # Python 2 wrote bytes as text
        data = data.encode("latin-1")
    return plain and type(data) is bytes and len(data) == cast("np.dtype", dtype).itemsize


def _buffer(data: object, dtype: object, shape: object, order: object, *axes: object) -> bool:
    check_plain((shape, order, *axes))
    plain = isinstance(dtype, np.dtype) and not dtype.hasobject
    return plain and type(data) in (bytes, bytearray)


def _encoded(text: object, code: object = None) -> bool:
    return type(text) is str and code in ("latin1", "latin-1")


def _bytes(*args: object) -> bool:
    if len(args) == 2:
        return _encoded(*args)
    return not args or (len(args) == 1 and type(args[0]) in (bytes, bytearray))


def _set(items: object = ()) -> bool:
    if type(items) not in (list, tuple):
        return False
    held = cast("list[object]", items)
    check_keys(held)
    Collisions().store(set[object]().update, held, len(held))
    return True


def _range(*numbers: object) -> bool:
    if not all(type(one) is int and abs(one) < 1 << 62 for one in numbers):
        return False
    if len(range(*cast("tuple[int, ...]", numbers))) > MOST_NUMBERS:
        raise Bomb("contains a range with more numbers than any model needs")
    return True


def _factory(factory: object = None) -> bool:
    return factory is None or (isinstance(factory, type) and factory in _FACTORIES)


def _bit_generator(kind: object = "MT19937") -> bool:
    if isinstance(kind, type):
        return issubclass(kind, np.random.BitGenerator)
    return type(kind) is str and kind in _BIT_GENERATORS


def _generator(source: object = "MT19937", maker: object = None) -> bool:
    known = isinstance(source, np.random.BitGenerator) or _bit_generator(source)
    return known and getattr(maker, "__name__", "__bit_generator_ctor") == "__bit_generator_ctor"


def _tree(n_features: object, n_classes: object, n_outputs: object) -> bool:
    whole = isinstance(n_features, (int, np.integer)) and isinstance(n_outputs, (int, np.integer))
    counts = (
        isinstance(n_classes, np.ndarray) and n_classes.dtype.kind == "i" and n_classes.ndim == 1
    )
    return whole and counts and len(cast("np.ndarray", n_classes)) == n_outputs


def _partial(*args: object) -> bool:
    """Check the function of a partial; its arguments come with its state."""
    return len(args) == 1 and isinstance(args[0], FUNCTIONS)


def check_partial(made: object, state: object) -> None:
    """Refuse a partial of another function than it was made of, or of arguments that may act."""
    if not isinstance(made, partial):
        return
    if type(state) is not tuple or len(state) != 4 or state[0] is not made.func or state[3]:
        raise Refused("holds a damaged partial")
    _, args, named, _ = state
    if type(args) is not tuple or type(named) is not dict:
        raise Refused("holds a damaged partial")
    given = [tuple(one) if type(one) is list else one for one in (*args, *named.values())]
    check_plain(given)
    for one in given:
        if isinstance(one, type) and not is_plain_class(one):
            raise Refused(f"hands a class, {one.__name__}, to a function")
    if "out" in named or not all(type(name) is str for name in named):
        raise Refused("has a partial that changes its own arguments")
    # what comes first is what functions return a view of, and what comes last what they write into
    most = made.func.nin - 1 if isinstance(made.func, np.ufunc) else len(args)
    if len(args) > most or any(isinstance(one, np.ndarray) for one in args):
        raise Refused("has a partial that returns its own arguments")


def is_plain_class(kind: type) -> bool:
    """Tell a class of numbers or words, by which functions are told what to return."""
    return issubclass(kind, np.generic) or kind.__module__ == "builtins"


def is_method_of_words(of_any: bool, held: object, name: object) -> bool:
    """Tell whether a name is that of a method of words, of any or of one that is held."""
    return (of_any and name in _OF_WORDS) or (type(held) is str and name == "join")


def method_of_words(held: object, name: object = None) -> object:
    """Return a method of words, such as `str.lower`, or the joining by one; what getattr becomes.

    Raises Refused for every other attribute.
    """
    if is_method_of_words(held is str, held, name):
        return getattr(held, str(name))
    raise Refused("uses builtins.getattr")


def _moment(*args: object) -> bool:
    return all(type(one) in (bytes, str, int, timedelta, timezone) for one in args)


def _stamp(value: object, _apart: object, zone: object, unit: object = _NANOSECONDS) -> bool:
    known = zone is None or isinstance(zone, tzinfo)
    return type(value) is int and abs(value) < 1 << 63 and known and unit in _STAMP_UNITS


def _decimal(text: object) -> bool:
    return type(text) is str and _DECIMAL.fullmatch(text) is not None


def _text_array(cls: object, checksum: object, state: object) -> bool:
    return _is_pandas(cls, "StringArray") and type(checksum) is int and state is None


def _string_dtype(storage: object = None, missing: object = None) -> bool:
    gap = missing is None or type(missing) is float or _is_pandas(type(missing), "NAType")
    return gap and (storage is None or type(storage) is str)


def _arrow_type(name: object) -> bool:
    return type(name) is str and name in _BUFFERS


def _arrow_timestamp(unit: object, zone: object = None) -> bool:
    return unit in ("s", "ms", "us", "ns") and (zone is None or type(zone) is str)


def _arrow_buffer(data: object) -> bool:
    return type(data) in (bytes, bytearray)


def _arrow_array(parts: object) -> bool:
    """Check an array of numbers or words: its type, three counts, and buffers for gaps and values.

    Words have a third buffer: where they end.
    """
    if type(parts) is not tuple or len(parts) != 7:
        return False
    kind, *counts, buffers, children, dictionary = cast("tuple[object, ...]", parts)
    name = str(kind).partition("[")[0]
    known = _is_of_arrow(kind, "DataType", "TimestampType") and name in _BUFFERS
    whole = all(type(one) is int and -1 <= one < 2**40 for one in counts)
    held = type(buffers) is list and len(cast("list[object]", buffers)) == _BUFFERS.get(name)
    alone = children == [] and type(children) is list and dictionary is None
    return known and held and whole and alone


def _arrow_chunks(chunks: object, kind: object = None) -> bool:
    known = kind is None or _is_of_arrow(kind, "DataType", "TimestampType")
    return (
        known
        and type(chunks) is list
        and all(type(one).__module__ == "pyarrow.lib" for one in cast("list[object]", chunks))
    )


def _is_of_arrow(thing: object, *names: str) -> bool:
    return type(thing).__module__ == "pyarrow.lib" and type(thing).__name__ in names


def _validate(array: object) -> None:
    try:
        array.validate(full=True)  # type: ignore[attr-defined]  # pyarrow has no types
    except ValueError:
        raise Refused("contains damaged words of a table") from None


def _is_pandas(cls: object, *names: str) -> bool:
    known = isinstance(cls, type) and cls.__module__.partition(".")[0] == "pandas"
    return known and cast("type", cls).__name__ in names


def _native(module: str) -> Callable[[object], bool]:
    return lambda cls: isinstance(cls, type) and cls.__module__ == module


_NEW_OBJECTS = {
    (module, "newObj"): _native(module)
    for module in (
        "sklearn.metrics._dist_metrics",
        "sklearn.neighbors._ball_tree",
        "sklearn.neighbors._kd_tree",
    )
}


SCALAR = ("numpy._core.multiarray", "scalar")

BUFFER = ("numpy._core.numeric", "_frombuffer")

_NUMBERS = ("int8", "int16", "int32", "int64", "float", "double", "bool", "date32", "timestamp")

_BUFFERS = {
    **dict.fromkeys((*_NUMBERS, *(f"u{name}" for name in _NUMBERS[:4])), 2),
    **dict.fromkeys(("string", "large_string"), 3),
}
"""How many buffers pyarrow has for a column of a type."""

_ARROW_ARRAY = ("pyarrow.lib", "_restore_array")


GUARDS: Mapping[Global, Callable[..., bool]] = {
    ("_codecs", "encode"): _encoded,
    ("builtins", "bytearray"): _bytes,
    ("builtins", "bytes"): _bytes,
    ("builtins", "frozenset"): _set,
    GETATTR: lambda *_: True,  # method_of_words checks them
    ("builtins", "range"): _range,
    ("builtins", "set"): _set,
    ("collections", "defaultdict"): _factory,
    PARTIAL: _partial,
    ("decimal", "Decimal"): _decimal,
    ("datetime", "datetime"): _moment,
    ("datetime", "time"): _moment,
    ("datetime", "timezone"): _moment,
    ("numpy._core.multiarray", "_reconstruct"): is_empty_array,
    SCALAR: scalar_of,
    BUFFER: _buffer,
    ("numpy.ma.core", "_mareconstruct"): _masked,
    ("numpy.random._pickle", "__bit_generator_ctor"): _bit_generator,
    ("numpy.random._pickle", "__generator_ctor"): _generator,
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): _text_array,
    ("pandas._libs.tslibs.nattype", "_nat_unpickle"): lambda *_: True,  # there is one only
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"): _stamp,
    ("numpy.random._pickle", "__randomstate_ctor"): _generator,
    ("pandas", "StringDtype"): _string_dtype,
    ("pyarrow.lib", "chunked_array"): _arrow_chunks,
    ("pyarrow.lib", "timestamp"): _arrow_timestamp,
    ("pyarrow.lib", "type_for_alias"): _arrow_type,
    ("pyarrow.lib", "py_buffer"): _arrow_buffer,
    _ARROW_ARRAY: _arrow_array,
    ("sklearn.tree._tree", "Tree"): _tree,
    **_NEW_OBJECTS,
}
