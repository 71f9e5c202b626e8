"""Building the objects of a pickle, every rule and every state checked on the way.

pandas writes its frames as blocks of columns that it believes without a look. What stands for a
block here is only ever read: the frame is made of its columns, as a person would make it, by
pandas' own constructors.
"""

from __future__ import annotations

import codecs
import importlib
import math
import types
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.constructors import (
    BUFFER,
    SCALAR,
    call,
    check_keys,
    check_names,
    check_partial,
    check_plain,
    method_of_words,
    scalar_of,
)
from lime_cli.models.pickles.policy import (
    CALL,
    GETATTR,
    INERT_MODULES,
    AllowList,
    Global,
    Refused,
    listed,
)
from lime_cli.models.pickles.repeats import Repeats
from lime_cli.models.pickles.runs import Values
from lime_cli.models.pickles.sizes import check_state, check_words, keeps_names
from lime_cli.models.pickles.unpickler import (
    ARRAY_WRAPPER,
    Arguments,
    ArrayWrapper,
    InlineArray,
    Machine,
    Named,
)
from lime_cli.models.walking import identity, objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANAGERS = "pandas.core.internals.managers"

MOST_COLUMNS = 100_000


@dataclass(eq=False)
class Block:
    """Columns of one kind: their values, and where they stand."""

    values: object
    places: object
    _ndim: object = 2


@dataclass(eq=False)
class Manager:
    """The blocks of a frame, or the one of a series, and its axes."""

    blocks: list[Block] = field(default_factory=list)
    axes: list[object] = field(default_factory=list)

    @staticmethod
    def of(blocks: object, axes: object) -> Manager:
        """Take what a frame's manager is called with; raise Refused for anything else."""
        if not isinstance(blocks, (tuple, list)) or not isinstance(axes, list):
            raise Refused("holds a damaged data frame")
        return Manager([_block(one) for one in blocks], axes)

    def fill(self, state: object) -> None:
        """Take the state of a series' manager; raise Refused for anything else."""
        versions = state[-1] if type(state) is tuple and state else None
        held = versions.get("0.14.1") if isinstance(versions, dict) else None
        if not isinstance(held, dict) or not isinstance(held.get("blocks"), list):
            raise Refused("holds a damaged series")
        self.axes = list(cast("list[object]", held.get("axes")))
        for one in held["blocks"]:
            if not isinstance(one, dict):
                raise Refused("holds a damaged series")
            self.blocks.append(Block(one.get("values"), one.get("mgr_locs")))


@dataclass(eq=False)
class Backed:
    """An array of categories or of moments: its numbers, and what they mean."""

    kind: str
    numbers: object = None
    dtype: object = None

    def fill(self, state: object) -> None:
        """Take numbers and type in either order; raise Refused for anything else."""
        if type(state) is not tuple or len(state) < 2:
            raise Refused("holds a damaged column of a data frame")
        first, second = state[:2]
        swapped = isinstance(second, np.ndarray) and not isinstance(first, np.ndarray)
        self.numbers, self.dtype = (second, first) if swapped else (first, second)

    def array(self) -> Any:
        """Make the array; raise Refused where its parts do not fit."""
        import pandas

        numbers = _plain(self.numbers)
        if self.kind != "Categorical":
            if numbers.dtype.kind not in "mM":
                raise Refused("holds a column of moments without any")
            return numbers.ravel()
        if not isinstance(self.dtype, pandas.CategoricalDtype) or numbers.dtype.kind != "i":
            raise Refused("holds a column of categories without any")
        return pandas.Categorical.from_codes(numbers.ravel(), dtype=self.dtype)


@dataclass(eq=False)
class Masked:
    """An array of numbers or truth values beside a mask of its gaps."""

    held: Mapping[object, object] = field(default_factory=dict)

    def fill(self, state: object) -> None:
        """Take numbers and mask; raise Refused for anything else."""
        if not isinstance(state, dict):
            raise Refused("holds a damaged column of a data frame")
        self.held = state

    def array(self) -> Any:
        """Make the array; pandas checks that the parts fit."""
        import pandas

        numbers, gaps = _plain(self.held.get("_data")), _plain(self.held.get("_mask"))
        kind = {"f": "FloatingArray", "b": "BooleanArray"}.get(numbers.dtype.kind, "IntegerArray")
        return getattr(pandas.arrays, kind)(numbers, gaps)


_UNPICKLE_BACKED = ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked")

_MASKED = (
    *(("pandas.arrays", name) for name in ("IntegerArray", "FloatingArray", "BooleanArray")),
    ("pandas.core.arrays.integer", "IntegerArray"),
    ("pandas.core.arrays.floating", "FloatingArray"),
    ("pandas.core.arrays.boolean", "BooleanArray"),
)

_BACKED = ("Categorical", "DatetimeArray", "TimedeltaArray")

STAND_INS: Mapping[Global, Any] = {
    ("pandas._libs.internals", "_unpickle_block"): Block,
    (MANAGERS, "BlockManager"): Manager.of,
    (MANAGERS, "SingleBlockManager"): Manager,
    **dict.fromkeys(_MASKED, Masked),
}
"""What stands for a name of pandas' inside: it is called, or made, in that one's place."""

_STANDING = (Block, Manager, Backed, Masked)


def stands_in(key: Global, thing: object, args: tuple[object, ...]) -> object:
    """Make the stand-in that a call of pandas' inside gives; None for any other call."""
    if key in STAND_INS:
        return cast("Any", thing)(*args)
    if key == _UNPICKLE_BACKED and args and isinstance(args[0], type):
        name = args[0].__name__
        return Backed(name) if _is_of_pandas(args[0]) and name in _BACKED else None
    return None


def fill_stand_in(instance: object, state: object) -> bool:
    """Give a frame, or a stand-in for a part of one, its state; False for anything else.

    Raises Refused for a state that pandas did not write.
    """
    kind = type(instance)
    if isinstance(instance, (Manager, Backed, Masked)):
        instance.fill(state)
    elif not _is_of_pandas(kind):
        return False
    elif kind.__name__ in ("DataFrame", "Series"):
        _fill_frame(instance, state)
    elif kind.__name__ == "CategoricalDtype":
        _check_categories(state)
        return False
    else:
        return False
    return True


def check_gone(loaded: object) -> None:
    """Refuse a file that uses a part of a frame for something else."""
    for one in objects(loaded):
        if isinstance(one, _STANDING):
            raise Refused("holds a part of a data frame outside of one")


def _is_of_pandas(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] == "pandas"


def _check_categories(state: object) -> None:
    held: dict[str, object] = state if type(state) is dict else {}
    categories = held.get("categories")
    index = categories is None or _is_of_pandas(type(categories))
    if not index or held.keys() - {"categories", "ordered"}:
        raise Refused("holds damaged categories")
    if not isinstance(held.get("ordered"), (bool, type(None))):
        raise Refused("holds damaged categories")


def _fill_frame(frame: Any, state: object) -> None:
    manager = state.get("_mgr", state.get("_data")) if isinstance(state, dict) else None
    if type(manager) is not Manager:
        raise Refused("holds a damaged data frame")
    try:
        if type(frame).__name__ == "Series":
            _fill_series(frame, manager, cast("dict[str, object]", state))
        else:
            _fill_columns(frame, manager)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise Refused("holds a damaged data frame") from error


def _fill_columns(frame: Any, manager: Manager) -> None:
    import pandas

    names, rows = cast("list[Any]", manager.axes)
    if len(names) > MOST_COLUMNS:
        raise Refused(f"holds a data frame of more than {MOST_COLUMNS:,} columns")
    found = dict(_columns(manager, len(names)))
    columns = {place: found[place] for place in range(len(names))}
    pandas.DataFrame.__init__(frame, columns, index=None if columns else rows)
    frame.columns = names
    frame.index = rows  # afterwards: pandas would look up columns by it


def _fill_series(series: Any, manager: Manager, state: Mapping[str, object]) -> None:
    import pandas

    name = state.get("name", state.get("_name"))
    if not isinstance(name, (str, int, float, tuple, type(None), np.generic)):
        raise Refused(f"names a series by a {type(name).__name__}")
    (block,), (rows,) = manager.blocks, manager.axes
    values = _cells_of(block.values)
    index = cast("Any", rows)
    pandas.Series.__init__(series, values, index=index, dtype=values.dtype, name=name)


def _columns(manager: Manager, n: int) -> Iterator[tuple[int, Any]]:
    import pandas

    for block in manager.blocks:
        values = _cells_of(block.values)
        places = range(n)[block.places] if isinstance(block.places, slice) else block.places
        rows = values if values.ndim == 2 else [values]
        for place, row in zip(cast("Any", places), rows, strict=True):
            yield int(place), pandas.Series(row, dtype=values.dtype)


def _cells_of(held: object) -> Any:
    """Return the values of a block as an array of numpy's or of pandas' own making."""
    if isinstance(held, (Backed, Masked)):
        return held.array()
    if type(held).__module__.startswith("pandas.") and type(held).__name__.endswith("StringArray"):
        return held
    return _plain(held)


def _plain(held: object) -> NDArray[Any]:
    if type(held) is not np.ndarray:
        raise Refused(f"holds a {type(held).__name__} as a column of a data frame")
    return held


def _block(one: object) -> Block:
    if type(one) is not Block:
        raise Refused("holds a damaged data frame")
    return one


_EMPTY_ARRAYS = ("_reconstruct", "_mareconstruct")

_NATIVE = ("xgboost.core", "lightgbm.basic", "catboost.core")

_OWN_NAMES = {"catboost.core": {"__model"}}
"""What a library calls parts of a state, which never become attributes."""

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

    def __init__(self, stream: BinaryIO, end: int | None, policy: AllowList) -> None:
        super().__init__(stream, end)
        for code in ("ascii", "latin1", "utf-8", "raw-unicode-escape"):
            codecs.lookup(code)  # which Python would import only when a file first needs it
        listed()  # is read from a file the first time
        self.made: list[object] = []
        self.has_frames = False
        self._policy = policy
        self._known: dict[Global, Named] = {}
        self._roles: dict[Global, frozenset[str]] = {}
        self._unfilled: dict[int, object] = {}
        self._given: dict[int, object] = {}
        self.repeats = Repeats(partial(_key_of, self.names))

    def find(self, module: str, name: str) -> Named:
        key = module, name
        if key not in self._known:
            self._roles[key] = self._policy.roles(*key)
            if not self._roles[key]:
                raise Refused(f"uses {module}.{name}")
            with tripwire.lifted():  # to import what is on the list, or trusted
                self._known[key] = Named(key, _thing(key, self._policy))
        return self._known[key]

    def use(self, named: Named, role: str) -> None:
        if role not in self._roles[named.key]:
            raise Refused(f"uses {named}")

    def make(self, named: Named, args: Arguments) -> object:
        if isinstance(named.thing, Inert):
            return Inert()
        stand_in = stands_in(named.key, named.thing, args)
        if stand_in is not None:
            self.has_frames = True
            return self._note(stand_in)
        if named.key == BUFFER and args:
            args = (self._alone(args[0]), *args[1:])
        made = call(named.key, cast(Any, named.thing), args)
        if isinstance(made, np.ndarray):
            if named.key[1] not in _EMPTY_ARRAYS:
                return made  # finished: giving it another state would pull its memory from users
            self.open[identity(made)] = made
        elif isinstance(made, np.generic):
            return made  # which has no state to be given
        return self._note(made)

    def may_make(self, function: object, dtype: object, n_bytes: int) -> bool:
        named = self.names.get(identity(function))
        if named is None or named.thing is not function or named.key != SCALAR:
            return False
        self.use(named, CALL)
        self.check_finished([dtype])
        return scalar_of(dtype, bytes(n_bytes))

    def create(self, named: Named, args: Arguments, kwargs: dict[str, object]) -> object:
        cls = named.thing
        if isinstance(cls, Inert):
            return Inert()
        if not isinstance(cls, type):
            raise Refused(f"makes an object of {named}, which is not a class")
        if named.key in STAND_INS:
            self.has_frames = True
            return self._note(cls())
        if issubclass(cls, tuple):  # with names, which hold anything and do nothing
            if kwargs or len(args) != len(getattr(cls, "_fields", ())):
                raise Refused(f"makes a {cls.__name__} of other parts than it has")
            return self._note(tuple.__new__(cls, args))
        check_plain(args)
        check_plain(kwargs.values())
        return self._note(cast(Any, cls).__new__(cls, *args, **kwargs))

    def rebuild(self, named: Named, base: str, state: object) -> object:
        cls, plain = named.thing, _BASES.get(base)
        if not isinstance(cls, type) or plain is None or type(state) is not plain:
            raise Refused(f"rebuilds {named} from something other than its base")
        if plain in (set, frozenset):
            check_keys(cast("Iterable[object]", state))
        if plain is dict:
            check_names(cast("Iterable[object]", state))
        made = cast(Any, plain).__new__(cls, state)
        if plain in (dict, list, set):
            cast(Any, plain).__init__(made, state)
        return self._note(made)

    def note(self, made: Values) -> None:
        self.made.extend(made)

    def _note(self, made: object) -> object:
        self.made.append(made)
        self._unfilled[identity(made)] = made
        return made

    def fill(self, instance: object, state: object) -> None:
        if isinstance(instance, Inert):
            return
        kind = type(instance)
        if self._unfilled.pop(identity(instance), self) is not instance:
            raise Refused(f"changes a {kind.__name__} that is in use")
        if type(state) not in _STATES:
            raise Refused(f"gives a {kind.__name__} the state of another object")
        if self.open:
            self.check_finished(_values(state))
        if fill_stand_in(instance, state):
            self.open.pop(identity(instance), None)
            return
        if isinstance(instance, np.ndarray) and type(state) is tuple and state:
            state = (*state[:-1], self._alone(state[-1]))
        check_partial(instance, state)
        _check_form(instance, state)
        check_state(instance, state)
        setstate = getattr(kind, "__setstate__", None)
        if setstate is not None and kind.__module__ in _NATIVE:
            with tripwire.in_library():
                setstate(instance, state)
        elif setstate is not None:
            setstate(instance, state)
        else:
            _fill_attributes(instance, state)
        self.open.pop(identity(instance), None)

    def _alone(self, data: object) -> object:
        """Return bytes that no other array has: numpy lets arrays share what it is given."""
        if not isinstance(data, (bytes, bytearray)):
            return data
        if identity(data) in self._given:
            return type(data)(memoryview(data))
        self._given[identity(data)] = data
        return data

    def put(self, target: object) -> None:
        raise Refused(f"puts items into a {type(target).__name__}")

    def fault(self, sentence: str) -> object:
        raise Refused(sentence)

    def value_bytes(self, n_bytes: int) -> bytes:
        return self.take(n_bytes)

    def read_array(self, array: InlineArray) -> object:
        dtype, shape = array.dtype, array.shape
        if dtype.subdtype is not None or not dtype.itemsize:
            raise Refused("contains an array of an invalid type")
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


def _key_of(names: Mapping[int, Named], thing: object) -> Global | None:
    named = names.get(identity(thing))
    return named.key if named is not None and named.thing is thing else None


def _thing(key: Global, policy: AllowList) -> object:
    module, name = key
    if key == ARRAY_WRAPPER:
        return ArrayWrapper
    if key == GETATTR:
        return method_of_words
    if INERT_MODULES.match(module):
        return Inert()
    if key in STAND_INS:
        return STAND_INS[key]
    if module.startswith("numpy._core") and np.__version__.startswith("1."):
        module = module.replace("numpy._core", "numpy.core", 1)
    try:
        thing = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Missing(key, str(error)) from error
    if module in policy.modules and getattr(thing, "__module__", module) != module:
        raise Refused(f"takes {name} from {module}, which only imported it")
    return thing


def _check_form(instance: object, state: object) -> None:
    """Refuse what becomes attributes and is no dictionary: pairs would pass by unseen."""
    own = _OWN_NAMES.get(type(instance).__module__, set())
    if type(state) is dict:
        check_names(state.keys() - own if own else state)
        return
    parts = state if isinstance(state, tuple) else (state,)
    for part in parts:
        if isinstance(part, dict):
            check_names(part.keys() - own)
    if state is None or _is_native(cast("Hashable", type(instance))):
        return
    slotted = isinstance(state, tuple) and len(state) == 2
    if not slotted or not all(type(part) is dict or part is None for part in parts):
        raise Refused(f"gives a {type(instance).__name__} attributes in no dictionary")


@cache
def _is_native(kind: Any) -> bool:
    """Tell whether a class takes its state in C, or keeps no attributes."""
    setstate = getattr(kind, "__setstate__", None)
    if setstate is not None and not isinstance(setstate, types.FunctionType):
        return True
    return issubclass(kind, np.ndarray) or not keeps_names(cast("Hashable", kind))


def _values(state: object) -> Iterable[object]:
    if isinstance(state, dict):
        return state.values()
    return state if isinstance(state, (tuple, list)) else ()


def _fill_attributes(instance: object, state: object) -> None:
    """Do as `pickle` does where a class has no say: set the attributes, then the slots."""
    slots = None
    if type(state) is tuple and len(state) == 2:
        state, slots = state
    for name, value in _attributes(state):
        instance.__dict__[name] = value
    for name, value in _attributes(slots):
        if not isinstance(getattr(type(instance), name, None), types.MemberDescriptorType):
            raise Refused(f"sets {name} of a {type(instance).__name__}, which is not a slot")
        object.__setattr__(instance, name, value)


def _attributes(state: object) -> Iterable[tuple[str, object]]:
    if not state:
        return ()
    if type(state) is not dict or any(type(name) is not str for name in state):
        raise Refused("holds damaged attributes")
    return state.items()
