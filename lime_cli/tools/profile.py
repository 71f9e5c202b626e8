"""``limex profile``: a table of training data as a background without its rows."""

from __future__ import annotations

import json

import click

from lime_cli.console import Console
from lime_cli.errors import SettingsError
from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, flag, option, options
from lime_cli.options.inputs import DialectOptions, SchemaOptions
from lime_cli.running.output import Output, path_of
from lime_cli.sources import fetched

LEAST = 5
"""Rows that share what a private profile keeps, unless said otherwise."""


class ProfileOptions(Options, heading="Profile"):
    """What is kept of which table, and where it goes, as typed."""

    train: str = argument()
    private: bool = flag(
        "--private", "Keep bins and counts only, no value of a single row.", common=True
    )
    least: int | None = option(
        "--min-count",
        f"With --private: number of rows that must share a value; by default {LEAST}.",
        type=click.IntRange(1),
        metavar="K",
    )
    output: str = option(
        "-o", "--output", "File to write.", metavar="FILE", required=True, common=True
    )
    force: bool = flag("--force", "Replace a file that exists.", common=True)
    quiet: bool = flag("-q", "--quiet", "Print no warnings.", common=True)


@click.command(cls=Command)
@options(ProfileOptions, SchemaOptions, DialectOptions)
def profile(options: ProfileOptions, columns: SchemaOptions, file: DialectOptions) -> None:
    """Turn training data into a background file without its rows, for --background.

    \b
    Examples:
      limex profile train.csv -o people.profile.json
      limex profile train.csv --private --min-count 20 -o people.profile.json
      limex explain tabular model.pkl new.csv --row 0 --background people.profile.json
    """
    from lime_cli.tabular.profile import profiled

    if options.least is not None and not options.private:
        raise SettingsError("--min-count requires --private", "add it")
    output = Output(
        path_of(options.output), "json", options.force, Console(options.quiet), no_color=True
    )
    output.check(1)
    least = (options.least or LEAST) if options.private else None
    data = profiled(fetched(options.train), file.dialect(), columns.schema(), columns.drop, least)
    with output.opened() as stream:
        stream.write(json.dumps(data).encode() + b"\n")
    output.console.warn(((one["code"], one["message"]) for one in data["warnings"]), alone=True)
