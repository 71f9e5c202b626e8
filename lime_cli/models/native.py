"""What boosters' own files say of themselves, read without their libraries: columns, objective,
classes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from lime_cli.models.fitted import UNNAMED
from lime_cli.models.ubjson import is_json, read_ubjson

MOST_BYTES = 1 << 30
"""Of a file that is read whole."""


class NativeOutline(NamedTuple):
    """What a file says; None where it does not."""

    columns: tuple[str, ...] | None = None
    n_columns: int | None = None
    objective: str | None = None
    classes: tuple[str, ...] | None = None


MOST_CLASSES = 100_000


def native_outline(path: Path, form: str) -> NativeOutline | None:
    """Outline a file of XGBoost, LightGBM or CatBoost; None for others and for damaged ones."""
    read = READERS.get(form)
    if read is None or not path.is_file():
        return None
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return None
    try:
        return read(content)
    except (ValueError, LookupError, TypeError, struct.error, RecursionError):
        return None


def _lightgbm(content: bytes) -> NativeOutline:
    head = content.partition(b"\nTree=")[0].decode("utf-8", "replace")
    said = dict(line.partition("=")[::2] for line in head.splitlines())
    objective = said.get("objective", "")
    names = said["feature_names"].split(" ")
    n_classes = int(said.get("num_class", 1))
    classified = objective.startswith(("binary", "multiclass"))
    return _outline(names, len(names), objective or None, max(2, n_classes) if classified else 0)


def _xgboost(content: bytes) -> NativeOutline:
    learner = (json.loads(content) if is_json(content) else read_ubjson(content))["learner"]
    said = learner["learner_model_param"]
    objective = str(learner["objective"]["name"])
    several, n_classes = int(said.get("num_target", 1)) > 1, int(said.get("num_class", 0))
    classified = objective.startswith(("binary:", "multi:")) and not several
    names, n_columns = learner.get("feature_names") or [], int(said["num_feature"])
    return _outline(names, n_columns, objective, max(2, n_classes) if classified else 0)


def _catboost(content: bytes) -> NativeOutline:
    core = _Buffer(content[8:]).root()
    trees, held = core.table(1), {one.text(0): one.text(1) for one in core.tables(2)}
    parts = [*trees.tables(4), *trees.tables(5), *trees.tables(12)]
    placed = sorted((part.number(*place), part.text(name)) for part, place, name in _placed(trees))
    names = [name or str(i) for i, (_, name) in enumerate(placed)] if parts else []
    said = json.loads(held.get("params", "{}"))
    objective = said.get("loss_function", {}).get("type")
    listed = json.loads(held.get("class_params", "{}")).get("class_names") or []
    classes = tuple(map(str, listed)) or None
    return _outline(names, len(names), objective, 0)._replace(classes=classes)


READERS: Mapping[str, Callable[[bytes], NativeOutline]] = {
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "catboost": _catboost,
}


def _outline(
    names: list[str], n_columns: int, objective: str | None, n_classes: int
) -> NativeOutline:
    if n_classes > MOST_CLASSES:
        raise ValueError("more classes than there are")
    named = bool(names) and not all(UNNAMED.fullmatch(one) for one in names)
    classes = tuple(map(str, range(n_classes))) or None
    return NativeOutline(tuple(names) if named else None, n_columns or None, objective, classes)


def _placed(trees: _Table) -> list[tuple[_Table, tuple[int, int], int]]:
    """List categories, numbers and texts with where they say their place and their name."""
    words = [(one, (1, -1), 2) for one in (*trees.tables(4), *trees.tables(12))]
    return [*words, *((one, (2, -1), 4) for one in trees.tables(5))]


class _Buffer:
    """A flatbuffer, as far as tables, numbers and texts go."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(f"<{kind}", self.content, at)[0])

    def root(self) -> _Table:
        return _Table(self, self.read("I", 0))


class _Table(NamedTuple):
    buffer: _Buffer
    at: int

    def _field(self, place: int) -> int:
        """Return where a field stands; 0 for one that is left out."""
        kinds = self.at - self.buffer.read("i", self.at)
        entry = 4 + 2 * place
        if entry >= self.buffer.read("H", kinds):
            return 0
        offset = self.buffer.read("H", kinds + entry)
        return self.at + offset if offset else 0

    def _target(self, place: int) -> int:
        at = self._field(place)
        return at + self.buffer.read("I", at) if at else 0

    def number(self, place: int, default: int) -> int:
        at = self._field(place)
        return self.buffer.read("i", at) if at else default

    def text(self, place: int) -> str:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        return self.buffer.content[at + 4 : at + 4 + n].decode("utf-8", "replace") if at else ""

    def table(self, place: int) -> _Table:
        return _Table(self.buffer, self._target(place))

    def tables(self, place: int) -> list[_Table]:
        at = self._target(place)
        n = self.buffer.read("I", at) if at else 0
        places = (at + 4 + 4 * i for i in range(n))
        return [_Table(self.buffer, one + self.buffer.read("I", one)) for one in places]
