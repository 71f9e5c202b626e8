"""Options as Python's keywords: the names, types and layers of the command line, without a line.

``kernel_width=0.5`` is ``--kernel-width 0.5``. What a person gives as a list, a number or a
dictionary is put as the command line has it, so that both are checked by the same types.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import click

from lime_cli.errors import LimexError, SettingsError
from lime_cli.options.command_groups import refused
from lime_cli.options.groups import Options, options
from lime_cli.options.layers import LISTENER, Switch, switches

ALIASES = {"rows": "row", "ids": "id", "import_": "import"}
"""What else some options may be called, ``import`` being a word of Python's own."""

RANGES = ("row",)
"""Options whose list is written with commas, and in which a range is one."""

_COMMAND = re.compile(r"\blimex explain (tabular|text|image)\b(?! --help)")
_NUMBER = re.compile(r"[0-9.]+")

_GIVEN = re.compile(
    r"(?<![\w-])--([a-z][a-z0-9-]*) "
    r"([0-9.]*[0-9]|#[0-9a-f]{6}|softmax|sigmoid|classification|regression|tree|none|decile|auto|raw"
    r"|NHWC|NCHW|RGB|L)\b"
)
"""An option with a value that is no word of a sentence."""

_OPTION = re.compile(r"(?<![\w-])--(?!help)([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")


class _Called(click.Command):
    """A command whose parameters are given by name, in the place of words on a line."""

    given: dict[str, Any]

    def make_parser(self, ctx: click.Context) -> Any:
        """Return what stands in for the parser of a line."""
        order = [one for one in self.get_params(ctx) if one.name in self.given]
        return _NoLine(self.given, order)


class _NoLine:
    """Hands over what is given, as click's parser does what it has read."""

    _opt_prefixes: frozenset[str] = frozenset()

    def __init__(self, given: dict[str, Any], order: list[click.Parameter]) -> None:
        self._read: Any = (given, [], order)

    def parse_args(self, args: Any) -> Any:
        return self._read


def read_keywords(
    groups: tuple[type[Options], ...],
    root: click.Context,
    name: str,
    places: Mapping[str, str | tuple[str, ...]],
    keywords: Mapping[str, Any],
    use: Callable[..., Any],
    tell: Callable[[str], None],
) -> Any:
    """Call ``use`` with one object a group, made of keywords, of what stands in places, and of the
    layers below them; return what it returns. ``tell`` is called with what is to be said of those.

    Raises SettingsError for a keyword that is no option, or a value that its type refuses.
    """
    decorated = options(*groups)(use)
    command = _Called(name, callback=decorated, params=_params_of(decorated))
    known = switches(command)
    given: dict[str, Any] = dict(places)
    for word, value in keywords.items():
        switch = _switch(word, known)
        if value is not None and keywords.get(ALIASES.get(word, "")) is not None:
            raise SettingsError(f"{word} and {ALIASES[word]}: mean the same", "give one of them")
        found = None if value is None else _spelled(switch, word, value)
        if found is not None:
            given[switch.name] = found
    command.given = given
    try:
        with command.make_context(name, [], parent=root) as context:
            context.meta[LISTENER] = tell
            return context.invoke(decorated, **context.params)
    except click.ClickException as error:
        raise refused(error, getattr(error, "ctx", None), "") from None


def in_python(error: LimexError) -> LimexError:
    """Return an error that names options as Python's keywords are named."""
    message, hint = map(keyworded, (error.message, error.hint))
    if (message, hint) == error.args[:2]:
        return error
    found = type(error).__new__(type(error))
    found.__dict__.update(error.__dict__)
    found.args = (message, hint)
    return found


def keyworded(words: str) -> str:
    """Return a sentence that names options as Python's keywords are named."""
    words = _GIVEN.sub(_assigned, _COMMAND.sub(r'modality="\1"', words))
    return _OPTION.sub(_keyword, words)


def _assigned(found: re.Match[str]) -> str:
    value = found[2] if _NUMBER.fullmatch(found[2]) else f'"{found[2]}"'
    return f"{found[1].replace('-', '_')}={value}"


def _keyword(found: re.Match[str]) -> str:
    return found[1].replace("-", "_")


def _params_of(command: Any) -> list[click.Parameter]:
    params: list[click.Parameter] = command.__click_params__
    return params


def _switch(word: str, known: Mapping[str, Switch]) -> Switch:
    long = ALIASES.get(word, word).replace("_", "-")
    found = known.get(long)
    if found is not None and not getattr(found.option, "hidden", False):
        return found
    if kinds := only_for(word):
        raise SettingsError(f"{word}: is an option for {kinds} only", "leave it out")
    names = [one.replace("-", "_") for one, switch in known.items() if not switch.option.hidden]
    near = get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "limex explain --help-all lists options"
    raise SettingsError(f"{word}: there is no such option", hint)


def only_for(word: str) -> str:
    """Name the kinds of input that have an option of their own: ``images``, ``tables and texts``,
    or nothing.
    """
    from lime_cli.options.inputs import ImageOptions, TableOptions, TextOptions

    long = ALIASES.get(word, word).replace("_", "-")
    groups = {"tables": TableOptions, "texts": TextOptions, "images": ImageOptions}
    return " and ".join(
        kind
        for kind, group in groups.items()
        if long in switches(_Called(kind, params=_params_of(options(group)(_nothing))))
    )


def _nothing(*_: Any) -> None:
    """Stand in for a command."""


def _spelled(switch: Switch, word: str, value: Any) -> Any:
    """Return a value as the command line would have it; None for a flag that is off."""
    if switch.flag is not None:
        if not isinstance(value, bool):
            raise SettingsError(f"{word}: {value!r} is not valid", "give True or False")
        if isinstance(switch.flag, bool):
            return switch.flag is value
        return switch.flag if value else None
    if isinstance(value, Mapping):
        value = [f"{key}={','.join(_listed(one))}" for key, one in value.items()]
    if word in RANGES or ALIASES.get(word) in RANGES:
        return ",".join(_listed(value))
    if switch.name == "size" and is_list(value):
        return "x".join(_listed(value))
    if switch.many:
        many = not switch.option.multiple
        return _word(value) if many and not is_list(value) else tuple(_listed(value))
    if is_list(value):
        raise SettingsError(f"{word}: is a list", "give one value")
    return _word(value)


def is_list(value: Any) -> bool:
    """Tell several values from one, which may be a word or a path."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike))


def _listed(value: Any) -> list[str]:
    return [_word(one) for one in value] if is_list(value) else [_word(value)]


def _word(value: Any) -> str:
    return str(os.fspath(value)) if isinstance(value, os.PathLike) else str(value)
