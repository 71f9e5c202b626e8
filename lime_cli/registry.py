"""Closed tables of names whose code is imported only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from lime_cli.errors import SettingsError


class Registry(Mapping[str, Any]):
    """Map names to objects given as ``"module:attribute"``, importing each on first use.

    Iterates in the order of the table, so that it can serve as the choices of an option.
    """

    def __init__(self, kind: str, table: dict[str, str]) -> None:
        self.kind = kind
        self._table = table

    def __getitem__(self, name: str) -> Any:
        """Import and return what ``name`` stands for; SettingsError for an unknown name."""
        if name not in self._table:
            raise SettingsError(f"unknown {self.kind} {name!r}", f"one of: {', '.join(self)}")
        module, _, attribute = self._table[name].partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
