"""The options of table files: how their cells are spelled, and which rows are meant."""

from __future__ import annotations

from typing import Any

import click

from lime_cli.commands.options import CommaList, option_group
from lime_cli.errors import SettingsError


def _dialect(
    sep: str | None,
    encoding: str | None,
    decimal: str,
    thousands: str | None,
    na_values: tuple[str, ...],
    no_header: bool,
) -> Any:
    from lime_cli.modalities.dialect import Dialect

    return Dialect(_separator(sep), encoding, decimal, thousands, tuple(na_values), not no_header)


def _separator(sep: str | None) -> str | None:
    if sep is None:
        return None
    sep = {"\\t": "\t", "tab": "\t"}.get(sep, sep)
    if len(sep) != 1 or sep in '"\r\n\0 ':
        raise SettingsError(f"--sep: {sep!r} is not possible", "give a comma, ';', '|' or tab")
    return sep


dialect_options = option_group(
    "dialect",
    _dialect,
    click.option(
        "--sep", metavar="CHAR", help="What separates cells; a comma without (.tsv: a tab)."
    ),
    click.option("--encoding", metavar="NAME", help="Of text files; UTF-8 without."),
    click.option(
        "--decimal", default=".", show_default=True, metavar=".|,", help="The decimal mark."
    ),
    click.option("--thousands", metavar="CHAR", help="The mark between thousands; none without."),
    click.option(
        "--na-values", type=CommaList(), default=(), help="Cells that stand for a missing value."
    ),
    click.option(
        "--no-header",
        is_flag=True,
        help="The first row is data: columns are the model's, or numbered from 0.",
    ),
)


def _row_choice(
    rows: str | None,
    ids: tuple[str, ...],
    id_column: str | None,
    where: str | None,
    every: bool,
) -> dict[str, Any]:
    """Return the choice as fields of ``modalities.rows.Rows``; at most one kind may be given."""
    if (rows is not None) + bool(ids) + (where is not None) + every > 1:
        raise SettingsError(
            "which rows to explain is said twice", "give one of --row, --id, --where and --all"
        )
    if ids and id_column is None:
        raise SettingsError("--id needs the column that ids stand in", "name it with --id-column")
    chosen = {"numbers": rows, "ids": ids, "id_column": id_column, "where": where}
    return {"every": every, **chosen}


row_options = option_group(
    "choice",
    _row_choice,
    click.option("--row", "rows", metavar="N|N-M,...", help="Rows by number, counted from 0."),
    click.option("--id", "ids", multiple=True, metavar="ID", help="A row by its id; repeatable."),
    click.option("--id-column", metavar="NAME", help="The column that ids stand in."),
    click.option(
        "--where",
        metavar="CONDITION",
        help="Rows by what they hold: 'age > 60 and city != \"Oslo\"'.",
    ),
    click.option("--all", "every", is_flag=True, help="Every row."),
)


def is_said(choice: dict[str, Any]) -> bool:
    """Tell whether a person chose rows at all."""
    return bool(choice["every"] or choice["ids"]) or any(
        choice[key] is not None for key in ("numbers", "where")
    )
