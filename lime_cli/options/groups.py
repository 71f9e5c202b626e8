"""Groups of options: frozen objects, one field an option, that a command is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any, NamedTuple, NoReturn, TypeVar

import click

from lime_cli.errors import SettingsError
from lime_cli.options.layers import Option, placed, tell_layers
from lime_cli.options.types import CommaList, OneName

Command = Callable[..., Any]

Group = TypeVar("Group", bound="Options")

Decorator = Callable[..., Callable[[Command], Command]]


class Field(NamedTuple):
    """What fills an attribute of a group: options or an argument, or a group itself."""

    parameters: tuple[Decorator, ...] = ()
    """Decorators of click's that lack the name of the attribute."""
    group: type[Options] | None = None


class Options:
    """A group of options under one heading of the help: frozen, an attribute for each option.

    Attributes are declared by the functions below. A subclass has those of its base too.
    """

    heading = ""

    def __init_subclass__(cls, heading: str = "") -> None:
        """Put the options under a heading, else under that of the base."""
        cls.heading = heading or cls.heading

    def __init__(self, **values: Any) -> None:
        """Take the values; check them, where a subclass does."""
        vars(self).update(values)
        self.check_values()

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def check_values(self) -> None:
        """Raise SettingsError for options that contradict each other."""

    def changed(self: Group, **values: Any) -> Group:
        """Return a copy with other values."""
        return type(self)(**{**vars(self), **values})

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """Return what is declared, by the names of the attributes, in order."""
        found: dict[str, Field] = {}
        for one in reversed(cls.__mro__):
            found |= {name: made for name, made in vars(one).items() if isinstance(made, Field)}
        return found


def option(*words: str, choices: Iterable[str] = (), **attributes: Any) -> Any:
    """Declare a field that an option fills: its names, its help, and what click knows.

    ``common=True`` shows it in the short help, ``typed=True`` keeps it out of the environment.
    """
    if choices:
        attributes["type"] = OneName(tuple(choices))
    return Field((_parameter(*words, **attributes),))


def flag(*words: str, **attributes: Any) -> Any:
    """Declare a field that is true where the option stands."""
    return option(*words, is_flag=True, **attributes)


def listed(*words: str, **attributes: Any) -> Any:
    """Declare a field that an option fills with names, separated by commas."""
    return option(*words, type=CommaList(), default=(), **attributes)


def one_of_flags(default: str, help_texts: dict[str, str]) -> Any:
    """Declare a field that one of several flags fills with its own name."""
    given = {default: {"default": default}}
    return Field(
        tuple(
            _parameter(f"--{name}", text, flag_value=name, **given.get(name, {}))
            for name, text in help_texts.items()
        )
    )


def _parameter(*words: str, **attributes: Any) -> Decorator:
    *names, text = words
    return partial(click.option, *names, cls=Option, help=text, **attributes)


def argument(metavar: str | None = None, **attributes: Any) -> Any:
    """Declare a field that is given by its place."""
    return Field((partial(click.argument, metavar=metavar, **attributes),))


def group(kind: type[Options]) -> Any:
    """Declare a field that is a group itself."""
    return Field(group=kind)


def options(*groups: type[Options]) -> Callable[[Command], Command]:
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


def _filled(kind: type[Options], values: dict[str, Any]) -> Options:
    """Make a group of what click found."""
    found = {
        name: _filled(one.group, values) if one.group else values[name]
        for name, one in kind.fields().items()
    }
    return kind(**found)


def _parameters(kind: type[Options]) -> Iterator[Callable[[Command], Command]]:
    """Yield a decorator of click's for every option and argument of a group."""
    for name, one in kind.fields().items():
        if one.group:
            yield from _parameters(one.group)
        for parameter in one.parameters:
            is_option = parameter.func is click.option  # type: ignore[attr-defined]
            yield parameter(name, **({"heading": kind.heading} if is_option else {}))
