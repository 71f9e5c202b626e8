"""The options of tables and texts: what is explained, and how it is read and cut."""

from __future__ import annotations

from typing import Any

import click

from lime_cli.commands.options import CommaList, option_group
from lime_cli.errors import SettingsError
from lime_cli.modalities import MODALITIES, Modality


def _table(
    data: str,
    rows: str | None,
    ids: tuple[str, ...],
    id_column: str | None,
    every: bool,
    background: str | None,
    categorical: tuple[str, ...],
    numeric: tuple[str, ...],
    drop: tuple[str, ...],
    bins: str,
    label: str | None,
    sep: str | None,
) -> Modality:
    if (rows is not None) + bool(ids) + every != 1:
        raise SettingsError("say which rows to explain", "give one of --row 17, --id A17 or --all")
    schema = _schema(categorical=categorical, numeric=numeric, bins=bins, label=label)
    table: Modality = MODALITIES["tabular"](
        path=data,
        rows=rows,
        ids=ids,
        id_column=id_column,
        background=background,
        schema=schema,
        drop=drop,
        separator=_separator(sep),
    )
    return table


def _schema(**choices: Any) -> Any:
    from lime_cli.modalities.background import Schema

    return Schema(**choices)


def _separator(sep: str | None) -> str | None:
    if sep is None:
        return None
    sep = {"\\t": "\t", "tab": "\t"}.get(sep, sep)
    if len(sep) != 1:
        raise SettingsError(f"--sep: {sep!r} is not one character", "give a comma, ';', '|' or tab")
    return sep


table_options = option_group(
    "modality",
    _table,
    click.argument("data"),
    click.option("--row", "rows", metavar="N|N-M,...", help="Rows by number, counted from 0."),
    click.option("--id", "ids", multiple=True, metavar="ID", help="A row by its id; repeatable."),
    click.option("--id-column", metavar="NAME", help="The column that ids stand in."),
    click.option("--all", "every", is_flag=True, help="Every row."),
    click.option(
        "--background",
        metavar="FILE",
        help="Table that replacement values come from; DATA itself without.",
    ),
    click.option(
        "--categorical", type=CommaList(), default=(), help="Columns to compare by identity."
    ),
    click.option("--numeric", type=CommaList(), default=(), help="Columns to compare by size."),
    click.option("--drop", type=CommaList(), default=(), help="Columns the model is not given."),
    click.option(
        "--bins",
        default="quartile",
        show_default=True,
        metavar="quartile|decile|entropy|N",
        help="How numeric columns are cut.",
    ),
    click.option("--label", metavar="NAME", help="Column of true classes, for --bins entropy."),
    click.option(
        "--sep", metavar="CHAR", help="What separates cells; a comma without (.tsv: a tab)."
    ),
)


folder_options = (
    click.option("--recursive", is_flag=True, help="Go through the folders in a folder too."),
    click.option("--glob", metavar="PATTERN", help="Files to take from folders, such as '*.txt'."),
)


def _text(
    inputs: tuple[str, ...],
    text: str | None,
    unit: str,
    each_position: bool,
    mask: str,
    recursive: bool,
    glob: str | None,
) -> Modality:
    if not inputs and text is None:
        raise SettingsError(
            "there is no input", "name text files, - for standard input, or give --text"
        )
    texts: Modality = MODALITIES["text"](
        inputs=inputs,
        text=text,
        unit=unit,
        merge_repeats=not each_position,
        mask=None if mask == "remove" else mask,
        recursive=recursive,
        glob=glob,
    )
    return texts


text_options = option_group(
    "modality",
    _text,
    click.argument("inputs", nargs=-1, metavar="INPUT..."),
    click.option("--text", metavar="WORDS", help="A text given right here."),
    click.option(
        "--unit",
        default="word",
        show_default=True,
        metavar="word|char|line|regex:EXPR",
        help="What a component is.",
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
)
