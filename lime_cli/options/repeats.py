"""Options that are given several times where all their values are meant; click keeps the last.

Of other options the last value counts, as people know it, so that they can overrule an alias.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path

import click

from lime_cli.errors import SettingsError
from lime_cli.options.layers import Option
from lime_cli.registry import SUFFIXES


def refuse_repeats(ctx: click.Context, typed: list[str]) -> None:
    """Raise SettingsError, naming what to type, where a file to write or part of a list is lost."""
    params = [copy(one) for one in ctx.command.params]
    for one in params:
        one.multiple |= _takes_one(one)
    values, _, _ = click.Command(ctx.command.name, params=params).make_parser(ctx).parse_args(typed)
    for option in filter(_takes_one, ctx.command.params):
        given = list(dict.fromkeys(values.get(str(option.name)) or ()))
        if len(given) > 1 and (hint := _instead(ctx, option, given)):
            times = "twice" if len(given) == 2 else f"{len(given)} times"
            said = f"{', '.join(given[:-1])} and {given[-1]}"
            raise SettingsError(f"{option.opts[0]} is given {times}, {said}", hint)


def _takes_one(option: click.Parameter) -> bool:
    return isinstance(option, Option) and not (option.is_flag or option.multiple)


def _instead(ctx: click.Context, option: click.Parameter, given: list[str]) -> str:
    """Say what to type instead; nothing of an option of which the last value counts."""
    import shlex

    if option.name == "output" and ctx.command_path.startswith("limex explain "):
        record = _record(given)
        other = shlex.quote(next(one for one in given if one != record))
        record = shlex.quote(record)
        return f"type -o {record}, and then limex render {record} -o {other}"
    if option.name == "output":
        return "type the command once for each"
    if ",..." in (option.metavar or "") or getattr(option.type, "takes_many", False):
        return f"type {option.opts[0]} {shlex.quote(','.join(given))}"
    return ""


def _record(paths: list[str]) -> str:
    """Return the path that ``limex render`` can read, or one beside the first file."""
    for one in paths:
        if SUFFIXES.get(Path(one).suffix) in ("json", "jsonl") or one.endswith("/"):
            return one
    return str(Path(next(one for one in paths if one != "-")).with_suffix(".jsonl"))
