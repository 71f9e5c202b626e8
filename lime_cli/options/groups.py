"""Groups of options: frozen objects, one field an option, that a command is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import field, fields
from functools import partial, wraps
from typing import Any, TypeVar

import click

from lime_cli.errors import SettingsError
from lime_cli.options.layers import Option, placed, tell_layers
from lime_cli.options.types import CommaList

Command = Callable[..., Any]

Group = TypeVar("Group")


def option(*words: str, choices: Iterable[str] = (), **attributes: Any) -> Any:
    """Declare a field that an option fills: its names, its help, and what click knows.

    ``common=True`` shows it in the short help, ``typed=True`` keeps it out of the environment.
    """
    if choices:
        attributes["type"] = click.Choice(tuple(choices))
    return field(metadata={"click": (_parameter(*words, **attributes),)})


def flag(*words: str, **attributes: Any) -> Any:
    """Declare a field that is true where the option stands."""
    return option(*words, is_flag=True, **attributes)


def listed(*words: str, **attributes: Any) -> Any:
    """Declare a field that an option fills with names, separated by commas."""
    return option(*words, type=CommaList(), default=(), **attributes)


def one_of_flags(default: str, help_texts: dict[str, str]) -> Any:
    """Declare a field that one of several flags fills with its own name."""
    made = [
        _parameter(
            f"--{name}", text, flag_value=name, **({"default": name} if name == default else {})
        )
        for name, text in help_texts.items()
    ]
    return field(metadata={"click": tuple(made)})


def _parameter(*words: str, **attributes: Any) -> Callable[..., Callable[[Command], Command]]:
    *names, text = words
    return partial(click.option, *names, cls=Option, help=text, **attributes)


def argument(metavar: str | None = None, **attributes: Any) -> Any:
    """Declare a field that is given by its place."""
    return field(metadata={"click": (partial(click.argument, metavar=metavar, **attributes),)})


def group(kind: type[Any]) -> Any:
    """Declare a field that is a group itself."""
    return field(metadata={"group": kind})


def options(*groups: type[Any]) -> Callable[[Command], Command]:
    """Make a decorator that gives a command its options; it is called with one object a group."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(**values: Any) -> Any:
            context = click.get_current_context()
            tell_layers(context)
            try:
                return command(*(_filled(one, values) for one in groups))
            except SettingsError as error:
                raise placed(error, context) from None

        decorated: Command = called
        for parameter in reversed([one for kind in groups for one in _parameters(kind)]):
            decorated = parameter(decorated)
        return decorated

    return decorate


def _filled(kind: type[Group], values: dict[str, Any]) -> Group:
    """Make a group of what click found."""
    found = {
        one.name: _filled(one.metadata["group"], values)
        if "group" in one.metadata
        else values[one.name]
        for one in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**found)


def _parameters(kind: type[Any]) -> Iterator[Callable[[Command], Command]]:
    """Yield a decorator of click's for every option and argument of a group."""
    for one in fields(kind):
        if "group" in one.metadata:
            yield from _parameters(one.metadata["group"])
        for parameter in one.metadata.get("click", ()):
            if parameter.func is click.option:
                yield parameter(one.name, heading=kind.heading)
            else:
                yield parameter(one.name)
