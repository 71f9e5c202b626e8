"""Output options of the commands whose result is a sheet of tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from lime_cli.commands.options import Command, option_group
from lime_cli.commands.output import Output
from lime_cli.console import Console
from lime_cli.formats import SHEETS, SUFFIXES


def _output_in(formats: tuple[str, ...]) -> Callable[..., Output]:
    def build(
        output: str | None, format_name: str | None, force: bool, quiet: bool, no_color: bool
    ) -> Output:
        asked = SUFFIXES.get(Path(output).suffix.lower() if output else "", "table")
        chosen = format_name or (asked if asked in formats else "table")
        return Output(output, chosen, force, Console(quiet), no_color)

    return build


def _options(formats: tuple[str, ...]) -> Callable[[Command], Command]:
    return option_group(
        "output",
        _output_in(formats),
        click.option(
            "-o", "--output", metavar="PATH", help="File to write; standard output without."
        ),
        click.option(
            "-f",
            "--format",
            "format_name",
            type=click.Choice(formats),
            help="Default: what the suffix of -o says, else table.",
        ),
        click.option("--force", is_flag=True, help="Replace a file that exists."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing beside the result."),
        click.option("--no-color", is_flag=True, help="Print without colours."),
    )


sheet_options = _options(SHEETS)
summary_options = _options((*SHEETS, "png"))
findings_options = _options(("table", "json"))
top_option = click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    metavar="K",
    help="How many of an instance's largest weights count as its top.",
)
