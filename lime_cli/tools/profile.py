"""``limex profile``: a table of training data as a background without its rows."""

from __future__ import annotations

import json
from typing import Any

import click

from lime_cli.console import Console
from lime_cli.errors import SettingsError
from lime_cli.options.inputs import dialect_options, drop_option, schema_options
from lime_cli.options.types import option_group
from lime_cli.running.output import Output

LEAST = 5
"""Rows that share what a private profile keeps, unless said otherwise."""


def _output(output: str, force: bool, quiet: bool) -> Output:
    return Output(output, "json", force, Console(quiet), no_color=True)


@click.command()
@click.argument("train")
@schema_options
@drop_option
@click.option("--private", is_flag=True, help="Keep no single row's value: bins and counts only.")
@click.option(
    "--min-count",
    "least",
    type=click.IntRange(1),
    metavar="K",
    help=f"With --private: rows that must share what is kept; {LEAST} without.",
)
@dialect_options
@option_group(
    "output",
    _output,
    click.option("-o", "--output", required=True, metavar="P.json", help="File to write."),
    click.option("--force", is_flag=True, help="Replace a file that exists."),
    click.option("-q", "--quiet", is_flag=True, help="Print no warnings."),
)
def profile(
    train: str,
    schema: Any,
    drop: tuple[str, ...],
    private: bool,
    least: int | None,
    dialect: Any,
    output: Output,
) -> None:
    """Turn training data into a background file without its rows, for --background.

    \b
    Examples:
      limex profile train.csv -o people.profile.json
      limex profile train.csv --private --min-count 20 -o people.profile.json
      limex explain tabular model.pkl new.csv --row 0 --background people.profile.json
    """
    from lime_cli.tabular.profile import profiled

    if least is not None and not private:
        raise SettingsError("--min-count is for --private", "give both")
    output.check(1)
    data = profiled(train, dialect, schema, drop, (least or LEAST) if private else None)
    with output.opened() as stream:
        stream.write(json.dumps(data).encode() + b"\n")
    output.console.warn((one["code"], one["message"]) for one in data["warnings"])
