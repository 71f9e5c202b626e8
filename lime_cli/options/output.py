"""The options that say where results go, and in which format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from lime_cli.console import Console
from lime_cli.formats import FORMATS, SHEETS, SUFFIXES, format_of
from lime_cli.options.types import Command, option_group
from lime_cli.running.output import Output


def _output(
    output: str | None,
    format_name: str | None,
    force: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> Output:
    chosen = format_name or SUFFIXES.get(Path(output).suffix.lower() if output else "", "table")
    drawings = (format_name,) if format_name not in (None, "jsonl") else ()
    console = Console(quiet, verbose)
    return Output(output, chosen, force, console, no_color, drawings, named=format_name is not None)


output_options = option_group(
    "output",
    _output,
    click.option("-o", "--output", metavar="PATH", help="File to write; standard output without."),
    click.option(
        "-f",
        "--format",
        "format_name",
        type=click.Choice(list(FORMATS)),
        help="Default: what the suffix of -o says, else table.",
    ),
    click.option("--force", is_flag=True, help="Replace a file that exists."),
    click.option("-q", "--quiet", is_flag=True, help="Print no warnings."),
    click.option("-v", "--verbose", is_flag=True, help="Say more."),
    click.option("--no-color", is_flag=True, help="Print without colours."),
)


save_samples_option = click.option(
    "--save-samples",
    metavar="FILE",
    help="Write what was asked and answered: masks, predictions and weights, as NPZ.",
)


def _output_in(formats: tuple[str, ...]) -> Callable[..., Output]:
    def build(
        output: str | None, format_name: str | None, force: bool, quiet: bool, no_color: bool
    ) -> Output:
        chosen = format_name or format_of(output, formats)
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
