"""The dry run: what a pickle would use, found without importing or building anything it names."""

# The methods are described where they are declared, in `pickle` and in `machine.py`.
# ruff: noqa: D102

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import BinaryIO

from lime_cli.models.allowed import REF, Global
from lime_cli.models.machine import Arguments, InlineArray, Machine, Named

_CHUNK_BYTES = 1 << 22


@dataclass
class Survey:
    """What a dry run has seen so far."""

    roles: dict[Global, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
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
        if not isinstance(target, StandIn) or id(target) in self.names:
            self.fault("puts items into what is no container")

    def fault(self, sentence: str) -> object:
        if sentence not in self.survey.faults:
            self.survey.faults.append(sentence)
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
