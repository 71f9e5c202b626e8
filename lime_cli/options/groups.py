"""Groups of options: frozen objects, one field an option, that a command is called with;
and how people spell what click does not know: lists, numbers or auto, shares, sizes, names.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from typing import Any, NamedTuple, NoReturn, TypeVar

import click

from lime_cli.errors import SettingsError
from lime_cli.options.layers import Option, placed, tell_layers
from lime_cli.registry import LIME_SEGMENTER, SEGMENTERS, Registry


class CommaList(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Values separated by commas, as a tuple; one with a comma stands in double quotes."""

    name = "a,b,..."
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, tuple):
            return value
        parts = (
            next(csv.reader([value], skipinitialspace=True)) if '"' in value else value.split(",")
        )
        return tuple(part.strip() for part in parts if part.strip())


class OneName(click.Choice):  # type: ignore[type-arg]  # not generic before click 8.2
    """One of some names; another one is refused with the name that was likely meant."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and value not in self.choices:
            self.fail(f"{value!r} is not one of {among(value, map(str, self.choices))}", param, ctx)
        return super().convert(value, param, ctx)


def among(typed: str, known: Iterable[str], other: str = "") -> str:
    """List names, and ask for the one that is spelled nearly as what was typed."""
    from difflib import get_close_matches

    names = tuple(known)
    near = get_close_matches(typed.lower(), names, n=1, cutoff=0.6)
    return ", ".join(names) + other + (f"; did you mean {near[0]}?" if near else "")


class OneOf(OneName):
    """A name of a registry; the help lists those of limex itself."""

    def __init__(self, registry: Registry, *others: str) -> None:
        super().__init__([*others, *registry.own])
        self._registry = registry

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        known = value not in self.choices and value in self._registry
        return value if known else super().convert(value, param, ctx)


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A number, or ``auto`` as None."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = "auto|N" if kind is int else "auto|X"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "auto" or not isinstance(value, str):
            return None if value == "auto" else value
        try:
            return self.kind(value)
        except ValueError:
            return self.fail(f"{value!r} is neither auto nor a number", param, ctx)


class Seconds(click.FloatRange):
    """A time that is not over before it began; ``inf`` never is."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        return number if number == number else self.fail("nan is not a time", param, ctx)


class Percent(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A share as people write it, ``5%``, in [0, 1]."""

    name = "N%"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        number = value.strip().removesuffix("%")
        try:
            return float(number) / 100
        except ValueError:
            return self.fail(f"{value!r} is not a percentage; give one such as 5%", param, ctx)


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
            return self.fail(f"{value!r} is not a size; give one such as 512MB or 2GiB", param, ctx)
        unit = 1024 if parts[3] else 1000
        return int(float(parts[1]) * unit ** self._UNITS.index(parts[2].lower()))


class PathName(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """The name of a file or folder. An empty one, as of an unset variable, is not this folder."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return value if value != "" else self.fail("the path is empty", param, ctx)


PATHS = ("FILE", "FOLDER", "MODEL.onnx", "OLD", "OTHER", "PATH")
"""What the help calls the value of an option that names a file or folder."""


class Names(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """Words that may be names or a file of them, or a list of names from a sidecar."""

    name = "names"
    takes_many = True

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Leave both as they are: only the words need reading, and that may fail."""
        return value


class Segmenter(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """The name of a segmenter, or a label map's path."""

    name = "|".join((*SEGMENTERS, LIME_SEGMENTER, "FILE"))

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        named = value == LIME_SEGMENTER or value in SEGMENTERS
        if named or value.lower().endswith((".png", ".npy")):
            return value
        known = among(value, (*SEGMENTERS, LIME_SEGMENTER), ", or a PNG or NPY file")
        return self.fail(f"{value!r} is not one of {known}", param, ctx)


Command = Callable[..., Any]

Group = TypeVar("Group", bound="Options")

Made = TypeVar("Made")

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

    def made(self, kind: type[Made], **others: Any) -> Made:
        """Make an object: its fields are the options of the same names, and the ``others``."""
        own = {name: vars(self)[name] for name in kind.__annotations__ if name in vars(self)}
        return kind(**{**own, **others})

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
    if attributes.get("metavar") in PATHS:
        attributes.setdefault("type", PathName())
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
    """Declare a field that is given by its place: the name of a file or folder."""
    return Field((partial(click.argument, metavar=metavar, type=PathName(), **attributes),))


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
