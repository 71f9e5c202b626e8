"""The options of tables and texts: what is explained, how it is read, and which rows are meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from lime_cli.errors import SettingsError
from lime_cli.modality import MODALITIES, Modality
from lime_cli.options.types import CommaList, option_group


def _dialect(
    sep: str | None,
    encoding: str | None,
    decimal: str,
    thousands: str | None,
    na_values: tuple[str, ...],
    no_header: bool,
) -> Any:
    from lime_cli.tables.dialect import Dialect

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


def _schema(
    categorical: tuple[str, ...],
    numeric: tuple[str, ...],
    bins: str,
    label: str | None,
    group: tuple[str, ...],
    onehot: bool,
) -> Any:
    from lime_cli.tabular.schema import Schema, parse_groups

    return Schema(categorical, numeric, bins, label, parse_groups(group), onehot)


schema_options = option_group(
    "schema",
    _schema,
    click.option(
        "--categorical", type=CommaList(), default=(), help="Columns to compare by identity."
    ),
    click.option(
        "--numeric", type=CommaList(), default=(), help="Columns to compare by size, or by day."
    ),
    click.option(
        "--bins",
        default="quartile",
        show_default=True,
        metavar="quartile|decile|entropy|N|none",
        help="How numeric columns are cut.",
    ),
    click.option("--label", metavar="NAME", help="Column of true classes, for --bins entropy."),
    click.option(
        "--group",
        multiple=True,
        metavar="NAME=A,B",
        help="Columns that stay or go together; repeatable.",
    ),
    click.option("--onehot", is_flag=True, help="Find exclusive 0/1 columns; move them together."),
)


def _table(
    data: str,
    choice: dict[str, Any],
    dialect: Any,
    background: str | None,
    schema: Any,
    drop: tuple[str, ...],
    fixed: tuple[str, ...],
    features_only: tuple[str, ...],
    texts: tuple[str, ...],
) -> Modality:
    if not is_said(choice):
        raise SettingsError(
            "say which rows to explain", "give one of --row 17, --id A17, --where 'age > 60', --all"
        )
    table: Modality = MODALITIES["tabular"](
        path=data,
        rows=choice["numbers"],
        ids=choice["ids"],
        id_column=choice["id_column"],
        where=choice["where"],
        background=background,
        schema=replace(schema, fixed=fixed, only=features_only, texts=texts),
        drop=drop,
        dialect=dialect,
    )
    return table


drop_option = click.option(
    "--drop", type=CommaList(), default=(), help="Columns the model is not given."
)


table_options = option_group(
    "modality",
    _table,
    click.argument("data"),
    row_options,
    click.option(
        "--background",
        metavar="FILE",
        help="Table or profile that replacement values come from; DATA itself without.",
    ),
    schema_options,
    drop_option,
    click.option(
        "--fixed", type=CommaList(), default=(), help="Columns or groups that are never varied."
    ),
    click.option(
        "--features-only",
        type=CommaList(),
        default=(),
        help="Columns or groups that vary; all others are held.",
    ),
    click.option(
        "--text-column",
        "texts",
        type=CommaList(),
        default=(),
        help="Columns whose words vary one by one.",
    ),
    dialect_options,
)


folder_options = (
    click.option("--recursive", is_flag=True, help="Go through the folders in a folder too."),
    click.option("--glob", metavar="PATTERN", help="Files to take from folders, such as '*.txt'."),
)


def _text(
    inputs: tuple[str, ...],
    text: str | None,
    column: str | None,
    choice: dict[str, Any],
    dialect: Any,
    unit: str,
    each_position: bool,
    mask: str,
    recursive: bool,
    glob: str | None,
    max_characters: int,
) -> Modality:
    if not inputs and text is None:
        raise SettingsError(
            "there is no input", "name text files, - for standard input, or give --text"
        )
    if column is None and is_said(choice):
        raise SettingsError("rows are those of a table", "name its column of texts with --column")
    if column is not None and (text is not None or len(inputs) != 1):
        raise SettingsError("--column: is of one table", "name one file")
    table = None if column is None else _rows(inputs[0], dialect, choice)
    texts: Modality = MODALITIES["text"](
        inputs=inputs,
        text=text,
        table=table,
        column=column,
        unit=unit,
        merge_repeats=not each_position,
        mask=None if mask == "remove" else mask,
        recursive=recursive,
        glob=glob,
        files=_files(dialect.encoding or "utf-8", max_characters),
    )
    return texts


def _files(encoding: str, max_characters: int) -> Any:
    from lime_cli.texts.modality import Files

    return Files(encoding, max_characters)


def _rows(path: str, dialect: Any, choice: dict[str, Any]) -> Any:
    from lime_cli.tables.rows import Rows

    return Rows(path, dialect, **{key: choice[key] for key in choice if key != "every"})


text_options = option_group(
    "modality",
    _text,
    click.argument("inputs", nargs=-1, metavar="INPUT..."),
    click.option("--text", metavar="WORDS", help="A text given right here."),
    click.option(
        "--column", metavar="NAME", help="INPUT is a table, and this its column of texts."
    ),
    row_options,
    dialect_options,
    click.option(
        "--unit",
        default="word",
        show_default=True,
        metavar="word|char|sentence|line|icu|auto|regex:EXPR",
        help="What a component is; auto: of more than 200 words, those in the strongest sentences.",
    ),
    click.option(
        "--each-position/--merge-repeats",
        default=False,
        help="Whether each copy of a word counts for itself; merged without.",
    ),
    click.option(
        "--mask",
        default="remove",
        show_default=True,
        metavar="remove|TOKEN",
        help="What becomes of a word that goes.",
    ),
    *folder_options,
    click.option(
        "--max-characters",
        type=int,
        default=1_000_000,
        show_default=True,
        metavar="N",
        help="Refuse a longer text.",
    ),
)
