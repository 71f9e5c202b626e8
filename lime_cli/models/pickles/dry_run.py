"""The dry run: what a pickle holds and would use, found without building any of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lime_cli.models.content import Content
from lime_cli.models.pickles.archive import archive
from lime_cli.models.pickles.constructors import is_method_of_words
from lime_cli.models.pickles.policy import GETATTR, REF, Global, Refused
from lime_cli.models.pickles.unpickler import Arguments, InlineArray, Machine, Named
from lime_cli.models.walking import identity

_CHUNK_BYTES = 1 << 22


@dataclass
class Survey:
    """What a dry run has seen so far."""

    roles: dict[Global, set[str]] = field(default_factory=dict)
    faults: list[Refused] = field(default_factory=list)
    sklearn_version: str = ""


class StandIn:
    """Stands for a global, or for an object that the file would make."""


class Surveyor(Machine):
    """Run a pickle with stand-ins, noting every name, every role and every broken rule."""

    def __init__(self, stream: BinaryIO, end: int | None, survey: Survey) -> None:
        super().__init__(stream, end)
        self.survey = survey
        self._known: dict[Global, Named] = {}

    def find(self, module: str, name: str) -> Named:
        named = self._known.setdefault((module, name), Named((module, name), StandIn()))
        self.use(named, REF)
        return named

    def use(self, named: Named, role: str) -> None:
        self.survey.roles.setdefault(named.key, set()).add(role)

    def make(self, named: Named, args: Arguments) -> object:
        if named.key == GETATTR:
            words = self._known.get(("builtins", "str"))
            held, name = (*args, None, None)[:2]
            if not is_method_of_words(words is not None and held is words.thing, held, name):
                self.use(named, "attribute")  # which nothing may be
        return StandIn()

    def create(self, named: Named, args: Arguments, kwargs: dict[str, object]) -> object:
        return StandIn()

    def rebuild(self, named: Named, base: str, state: object) -> object:
        return StandIn()

    def fill(self, instance: object, state: object) -> None:
        if not isinstance(instance, StandIn):
            self.fault(f"changes a {type(instance).__name__}")
        elif type(state) is dict and not self.survey.sklearn_version:
            version = state.get("_sklearn_version")
            self.survey.sklearn_version = version if type(version) is str else ""

    def put(self, target: object) -> None:
        if not isinstance(target, StandIn) or identity(target) in self.names:
            self.fault("puts items into something other than a container")

    def fault(self, sentence: str) -> object:
        if sentence not in map(str, self.survey.faults):
            self.survey.faults.append(Refused(sentence))
        return StandIn()

    def read_array(self, array: InlineArray) -> object:
        self._skip(math.prod(array.shape) * array.dtype.itemsize)
        return StandIn()

    def value_bytes(self, n_bytes: int) -> bytes:
        self._skip(n_bytes)
        return b""

    def _skip(self, n_bytes: int) -> None:
        self.check_left(n_bytes)
        if self.end is not None:
            self.stream.seek(n_bytes, 1)
            return
        while n_bytes:
            n_bytes -= len(self.take(min(n_bytes, _CHUNK_BYTES)))


MAX_DEPTH, MAX_STEPS = 8, 500

SMALL_BYTES = 1 << 18
"""Larger arrays are passed over: they are weights, not names."""

TEXTS = "sklearn.feature_extraction.text"

ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
"""Classes that take words."""

INNER = ("best_estimator_", "estimator_", "estimator", "base_estimator", "regressor_", "regressor")

LISTS = ("steps", "transformers_", "transformers", "transformer_list", "estimators")


@dataclass(frozen=True)
class Step:
    """An estimator in a model, or the model itself."""

    depth: int
    """0 for the model, 1 for a step of a pipeline, ..."""
    name: str
    """What the pipeline calls it; empty for the model."""
    kind: str
    """Module and class; ``drop`` or ``passthrough`` for none."""


@dataclass(frozen=True)
class Outline:
    """What the dry run could tell; empty where it could not."""

    kind: str | None = None
    """``text`` or ``table``, where the parts tell."""
    steps: tuple[Step, ...] = ()
    columns: tuple[str, ...] | None = None
    n_columns: int | None = None
    words: tuple[str, ...] = ()
    """Columns that are given to an encoder, so hold words or codes."""
    classes: tuple[str, ...] | None = None
    sklearn_version: str = ""


def outline_of(path: Path) -> Outline:
    """Outline a file; what cannot be read, or is no estimator, leaves it empty."""
    survey = Survey()
    try:
        packed = archive(Content(path))
        with packed.open() as stream:
            root = Outliner(stream, packed.size(), survey).load()
    except Exception:  # reading noise as a pickle can raise anything; the verdicts tell of it
        return Outline(sklearn_version=survey.sklearn_version)
    if not isinstance(root, PickledPart):
        return Outline(sklearn_version=survey.sklearn_version)
    steps = list(islice(_steps(root, "", 0), MAX_STEPS))
    parts = [part for _, part in steps if part is not None]
    n_columns = _first(parts, "n_features_in_")
    texts = any(step.kind.startswith(TEXTS) for step, _ in steps[:2])
    return Outline(
        kind="text" if texts else "table" if n_columns else None,
        steps=tuple(step for step, _ in steps),
        columns=None if texts else _names(_first(parts, "feature_names_in_")),
        n_columns=n_columns if isinstance(n_columns, int) and not texts else None,
        words=tuple(dict.fromkeys(name for part in parts for name in _words(part))),
        classes=_names(_first(parts[:1] + parts[:0:-1], "classes_")),
        sklearn_version=survey.sklearn_version,
    )


class PickledPart(StandIn):
    """Stands for an object that the file would make, with what the file says of it."""

    def __init__(self, key: Global, args: Arguments) -> None:
        self.key, self.args = key, args
        self.state: object = None

    @property
    def kind(self) -> str:
        """Module and class."""
        return ".".join(self.key)

    def get(self, name: str) -> object:
        """Return an attribute that the file gives it; None for none."""
        return self.state.get(name) if isinstance(self.state, dict) else None


class Outliner(Surveyor):
    """A dry run that keeps the state of every stand-in."""

    def make(self, named: Named, args: Arguments) -> object:
        return PickledPart(named.key, args)

    def create(self, named: Named, args: Arguments, kwargs: dict[str, object]) -> object:
        return PickledPart(named.key, args)

    def fill(self, instance: object, state: object) -> None:
        super().fill(instance, state)
        if isinstance(instance, PickledPart):
            instance.state = state

    def read_array(self, array: InlineArray) -> object:
        n_bytes = math.prod(array.shape) * array.dtype.itemsize
        if n_bytes > SMALL_BYTES:
            return super().read_array(array)
        return _decoded(self.take(n_bytes), array.dtype)


def _steps(part: object, name: str, depth: int) -> Iterator[tuple[Step, PickledPart | None]]:
    """Yield a part and all parts in it that have a name or a role, from the outside in."""
    if isinstance(part, str):
        yield Step(depth, name, part), None
    if not isinstance(part, PickledPart) or depth > MAX_DEPTH:
        return
    yield Step(depth, name, part.kind), part
    inside = next((part.get(key) for key in LISTS if _pairs(part.get(key))), None)
    if isinstance(inside, list):
        for one in inside:
            yield from _steps(one[1], str(one[0]), depth + 1)
        return
    for key in INNER:
        if isinstance(part.get(key), PickledPart):
            yield from _steps(part.get(key), key.rstrip("_"), depth + 1)
            return


def _pairs(value: object) -> bool:
    """Tell a list of (name, estimator, ...)."""
    return isinstance(value, list) and all(
        isinstance(one, tuple) and len(one) > 1 and isinstance(one[0], str) for one in value
    )


def _first(parts: list[PickledPart], name: str) -> object:
    return next((part.get(name) for part in parts if part.get(name) is not None), None)


def _words(part: PickledPart) -> Iterator[str]:
    """Yield the columns that a ColumnTransformer gives to an encoder."""
    rows = part.get("transformers_")
    for row in rows if isinstance(rows, list) and _pairs(rows) else ():
        inside = [
            step.kind.rpartition(".")[2] for step, _ in islice(_steps(row[1], "", 0), MAX_STEPS)
        ]
        if len(row) > 2 and any(kind in ENCODERS for kind in inside):
            yield from _names(row[2]) or ()


def _names(value: object) -> tuple[str, ...] | None:
    """Return a list or an array of names or numbers as words; None for anything else."""
    if isinstance(value, PickledPart):
        value = _array(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return None
    plain = all(isinstance(one, (str, int, float, bool)) for one in value)
    return tuple(map(str, value)) if plain else None


def _array(part: PickledPart) -> object:
    """Read a small array out of its state (protocols up to 4) or its arguments (protocol 5)."""
    match part.key[1], part.state, part.args:
        case "_reconstruct", (_, tuple(), np.dtype() as dtype, _, data), _:
            return _decoded(data, dtype)
        case "_frombuffer", _, (data, np.dtype() as dtype, *_):
            return _decoded(data, dtype)
    return None


def _decoded(data: object, dtype: np.dtype) -> object:
    """Return the items of an array; a list stands for objects; None for what is too large."""
    if isinstance(data, list):
        return data
    if not isinstance(data, (bytes, bytearray)) or dtype.hasobject or not dtype.itemsize:
        return None
    raw = bytes(data[: len(data) - len(data) % dtype.itemsize])
    if dtype.kind == "U":
        codes = np.frombuffer(raw, np.dtype("u4").newbyteorder(dtype.byteorder))
        if codes.size and codes.max() > sys.maxunicode:
            return None
    return np.frombuffer(raw, dtype)
