"""Commands under one name. ``limex --help`` needs no more than this, and is there at once."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from lime_cli.errors import SettingsError


class CommandGroup(click.Group):
    """Commands under one name: alone it prints its help, a mistyped one gets a suggestion."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help, whole as it is, where nothing or ``--help-all`` is typed; exit with 0."""
        if args in ([], ["--help-all"]) and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Write the help as wide as click does, which imports three compressors to find out."""
        if ctx.terminal_width is None:
            ctx.terminal_width = max(min(_columns(), ctx.max_content_width or 80) - 2, 50)
        return super().get_help(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raise SettingsError with the one that was likely meant."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise unknown("command", args[0], self.list_commands(ctx), ctx.command_path)
        return super().resolve_command(ctx, args)


def _columns() -> int:
    """Return how wide the terminal is."""
    try:
        return int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size().columns or 80
    except (OSError, ValueError):  # no terminal
        return 80


def unknown(kind: str, typed: str, known: Iterable[str], path: str) -> SettingsError:
    """Return the refusal of a mistyped command or option, with what was likely meant."""
    from difflib import get_close_matches

    near = get_close_matches(typed, tuple(known), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"see {path} --help"
    return SettingsError(f"{path} has no {kind} {typed!r}", hint)


def kinds_with(option: str, ctx: click.Context) -> list[str]:
    """List the commands beside the one of ``ctx`` that have an option which it lacks."""
    group = ctx.parent.command if ctx.parent is not None else None
    if ctx.parent is None or not isinstance(group, click.Group):
        return []
    path = ctx.parent.command_path
    return [
        f"{path} {name}"
        for name, command in group.commands.items()
        if any(option in one.opts for one in command.params)
    ]


def refused(error: click.ClickException, ctx: click.Context | None, hint: str) -> SettingsError:
    """Say in a line of ours what click does not take: which option, what of it, what to type."""
    from lime_cli.options.layers import origin_of

    param: click.Parameter | None = getattr(error, "param", None)
    named = ""
    if isinstance(param, click.Option):
        named = max((*param.opts, *param.secondary_opts), key=len)
    elif param is not None:
        named = (param.metavar or str(param.name).upper()).strip("[].")
    origin = origin_of(ctx, None if param is None else param.name)
    if origin is not None:
        words = origin.say(error.message)
    elif isinstance(error, click.BadOptionUsage) and "requires" in error.message:
        words = f"{error.option_name} requires a value"
    elif not named:
        words = error.format_message()
    elif isinstance(error, click.MissingParameter):
        words = f"{ctx.command_path if ctx else 'limex'} requires {named}"
    else:
        words = f"{named}: {error.message}"
    words = " ".join(words.split()).rstrip(".")
    return SettingsError(words, "" if words.endswith("?") else hint)
