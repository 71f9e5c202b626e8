"""Building the objects of a pickle, every rule and every state checked on the way."""

from __future__ import annotations

import codecs
import importlib
import math
import types
from collections.abc import Hashable, Iterable, Mapping
from functools import cache, partial
from typing import Any, BinaryIO, cast

import numpy as np

from lime_cli.models.pickles import tripwire
from lime_cli.models.pickles.constructors import (
    BUFFER,
    SCALAR,
    NoMemory,
    call,
    check_keys,
    check_names,
    check_partial,
    check_plain,
    has_no_state,
    method_of_words,
    scalar_of,
)
from lime_cli.models.pickles.frames import (
    STANDING,
    UNPICKLE_BACKED,
    fill_stand_in,
    prepare,
    stand_in,
    stands_in,
)
from lime_cli.models.pickles.older import brought_up, gone
from lime_cli.models.pickles.policy import (
    ARRAY_WRAPPER,
    CALL,
    GETATTR,
    INERT_MODULES,
    MEMORY,
    AllowList,
    Global,
    Refused,
    listed,
)
from lime_cli.models.pickles.repeats import Repeats
from lime_cli.models.pickles.runs import Values
from lime_cli.models.pickles.sizes import check_state, check_words, keeps_names
from lime_cli.models.pickles.unpickler import (
    Arguments,
    ArrayWrapper,
    InlineArray,
    Machine,
    Named,
)
from lime_cli.models.walking import identity

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
        self.sklearn_version = ""  # of the first object, which is never repeated
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
        standing = stands_in(named.key, named.thing, args)
        if standing is not None:
            self.has_frames |= isinstance(standing, STANDING)
            return self._note(standing)
        if named.key == BUFFER and args:
            args = (self._alone(args[0]), *args[1:])
        self.has_frames |= named.key == UNPICKLE_BACKED
        made = call(named.key, cast(Any, named.thing), args)
        if isinstance(made, np.ndarray):
            if named.key[1] not in _EMPTY_ARRAYS:
                return made  # finished: giving it another state would pull its memory from users
            self.open[identity(made)] = made
        elif isinstance(made, np.generic):
            return made  # which has no state to be given
        if has_no_state(named.key):
            self.made.append(made)
            return made
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
        if stand_in(named.key) is not None:
            self.has_frames = True
            return self._note(cast(Any, cls)())
        if not isinstance(cls, type):
            raise Refused(f"makes an object of {named}, which is not a class")
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
        if isinstance(instance, NoMemory):
            instance.check(state)
            return
        if fill_stand_in(instance, state):
            self.open.pop(identity(instance), None)
            return
        if isinstance(instance, np.ndarray) and type(state) is tuple and state:
            state = (*state[:-1], self._alone(state[-1]))
        if not self.sklearn_version and type(state) is dict and "_sklearn_version" in state:
            self.sklearn_version = str(state["_sklearn_version"])
        as_written, state = state, brought_up(instance, state)
        if state is not as_written and self.repeats is not None:
            self.repeats.is_older = True
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
    if key == MEMORY:
        return NoMemory
    if key == GETATTR:
        return method_of_words
    if INERT_MODULES.match(module):
        return Inert()
    standing = stand_in(key)
    if standing is not None:
        prepare(key)
        return standing
    if module.startswith("numpy._core") and np.__version__.startswith("1."):
        module = module.replace("numpy._core", "numpy.core", 1)
    try:
        thing = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        replacement = gone(key)
        if replacement is not None:
            return replacement
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
