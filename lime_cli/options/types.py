"""Option groups: each reaches a command as one object."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import click

from lime_cli.errors import SettingsError
from lime_cli.options.layers import placed

Command = Callable[..., Any]


def option_group(
    name: str, build: Callable[..., Any], *parts: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Make a decorator that adds click parameters and hands them to the command as ``name``.

    ``build`` takes the parameters by their names and returns the object.
    """
    keys = tuple(signature(build).parameters)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def wrapped(**values: Any) -> Any:
            own = {key: values.pop(key) for key in keys}
            try:
                return command(**values, **{name: build(**own)})
            except SettingsError as error:
                raise placed(error, click.get_current_context()) from None

        decorated: Command = wrapped
        for part in reversed(parts):
            decorated = part(decorated)
        return decorated

    return decorate


class CommaList(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Values separated by commas, as a tuple."""

    name = "a,b,..."
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Split; an empty part is dropped."""
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A number, or ``auto`` as None."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = "auto|N" if kind is int else "auto|X"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse; fail with the words of the option."""
        if value == "auto" or not isinstance(value, str):
            return None if value == "auto" else value
        try:
            return self.kind(value)
        except ValueError:
            return self.fail(f"{value!r} is neither auto nor a number", param, ctx)


class Percent(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A share as people write it, ``5%``, in [0, 1]."""

    name = "N%"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse; fail with the words of the option."""
        if not isinstance(value, str):
            return value
        number = value.strip().removesuffix("%")
        try:
            return float(number) / 100
        except ValueError:
            return self.fail(f"{value!r} is no share; give one such as 5%", param, ctx)


class Bytes(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """An amount of memory as people write it, ``512MB`` or ``2 GiB``, in bytes."""

    name = "size"
    _SPELLED = re.compile(r"\s*(\d{1,15}(?:\.\d+)?)\s*([kmgt]?)(i?)(b?)\s*", re.IGNORECASE)
    _UNITS = ("", "k", "m", "g", "t")

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Parse; thousands for ``MB``, 1024s for ``MiB``; fail with the words of the option."""
        if not isinstance(value, str):
            return value
        parts = self._SPELLED.fullmatch(value)
        if parts is None or (parts[3] and not parts[2]):
            return self.fail(f"{value!r} is no size; give one such as 512MB or 2GiB", param, ctx)
        unit = 1024 if parts[3] else 1000
        return int(float(parts[1]) * unit ** self._UNITS.index(parts[2].lower()))
