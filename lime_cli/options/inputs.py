"""The options of tables, texts and images: what is explained, how it is read, and which rows are
meant.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import click

from lime_cli import clock
from lime_cli.errors import InputError, SettingsError
from lime_cli.files import SMALL, from_json
from lime_cli.modality import Modality
from lime_cli.options.completion import columns, conditions
from lime_cli.options.groups import Bytes, Options, Segmenter, argument, flag, group, listed, option
from lime_cli.options.kinds import require
from lime_cli.options.layers import LISTENER, origin_of, tell
from lime_cli.registry import AUTO_FILL, FILLS, MODALITIES, RESAMPLES, RESIZES
from lime_cli.sources import Held, fetched

if TYPE_CHECKING:
    from lime_cli.tables.dialect import Dialect
    from lime_cli.tabular.schema import Schema


class DialectOptions(Options, heading="Table format"):
    """How a table's file is written, as typed."""

    sep: str | None = option(
        "--sep",
        "Separator of cells; 'blank' means any number of blanks. By default a comma (a tab in .tsv "
        "files), or another one on which all rows agree.",
        metavar="CHAR",
    )
    quote: str = option("--quote", "Quote character.", default='"', choices=('"', "'"))
    encoding: str | None = option(
        "--encoding", "Encoding of text files; UTF-8 by default.", metavar="NAME"
    )
    decimal: str = option("--decimal", "Decimal mark.", default=".", metavar=".|,")
    thousands: str | None = option(
        "--thousands", "Thousands separator; none by default.", metavar="CHAR"
    )
    na_values: tuple[str, ...] = listed("--na-values", "Cells that stand for a missing value.")
    no_header: bool = flag(
        "--no-header", "The first row is data; columns get the model's names, or numbers from 0."
    )
    skip: int | None = option(
        "--skip",
        "Lines above the names of columns; by default, those of comments and a title.",
        type=click.IntRange(min=0),
        metavar="N",
    )
    read_as: str = option(
        "--read-as",
        "Whether NA, null and the like are missing values (pandas) or words (plain); auto: "
        "missing values for Python models, except words that an encoder knows.",
        choices=("auto", "pandas", "plain"),
        default="auto",
    )
    strip: bool = flag("--strip", "Remove blanks around cells.")
    sheet: str | None = option(
        "--sheet", "Sheet of a spreadsheet, or table of a database.", metavar="NAME"
    )
    sql: str | None = option(
        "--sql", "Query that selects the rows of an SQLite or DuckDB file.", metavar="SELECT"
    )

    max_input: int | None = option(
        "--max-input",
        "Largest size of standard input, a pipe or a device; 1GiB by default.",
        type=Bytes(),
        metavar="SIZE",
    )

    def dialect(self) -> Dialect:
        from lime_cli.tables.dialect import MAX_INPUT, Dialect

        return Dialect(
            _separator(self.sep),
            self.encoding,
            self.decimal,
            self.thousands,
            self.na_values,
            not self.no_header,
            self.read_as,
            self.quote,
            self.strip,
            self.sheet,
            self.sql,
            skip=self.skip,
            max_input=self.max_input or MAX_INPUT,
        )


def _separator(sep: str | None) -> str | None:
    if sep is None:
        return None
    sep = {"\\t": "\t", "tab": "\t", "\\s+": " ", "blank": " "}.get(sep, sep)
    if len(sep) != 1 or sep in '"\r\n\0':
        raise SettingsError(f"--sep: {sep!r} is not valid", "give a comma, ';', '|', tab or blank")
    return sep


def _renamed(words: str) -> tuple[str, str]:
    old, mark, new = words.partition("=")
    if not mark or not old or not new:
        raise SettingsError(f"--rename {words}: renames nothing", "write --rename 'old=new'")
    return old, new


class RowOptions(Options, heading="Input"):
    """Which rows of a table are meant, as typed."""

    rows: str | None = option(
        "--row", "Rows by number, counted from 0.", metavar="N|N-M,...", common=True
    )
    ids: tuple[str, ...] = option(
        "--id",
        "A row by its id, with --id-column; repeatable.",
        metavar="ID",
        multiple=True,
        common=True,
    )
    id_column: str | None = option(
        "--id-column",
        "Column that holds the ids.",
        metavar="NAME",
        shell_complete=columns,
        common=True,
    )
    where: str | None = option(
        "--where",
        "Rows by their values: 'age > 60 and city != \"Oslo\"'.",
        metavar="CONDITION",
        shell_complete=conditions,
        common=True,
    )
    every: bool = flag("--all", "Every row.", common=True)

    @property
    def said(self) -> bool:
        """Whether a person chose rows at all; SettingsError for more than one choice."""
        ways = (self.rows is not None) + bool(self.ids) + (self.where is not None) + self.every
        if ways > 1:
            raise SettingsError(
                "rows are chosen twice", "give one of --row, --id, --where and --all"
            )
        if self.ids and self.id_column is None:
            raise SettingsError("--id requires --id-column", "name the column that holds the ids")
        return bool(ways)


class SchemaOptions(Options, heading="Columns"):
    """What is said of the columns of a table."""

    categorical: tuple[str, ...] = listed(
        "--categorical", "Columns that are categorical.", shell_complete=columns
    )
    numeric: tuple[str, ...] = listed(
        "--numeric", "Columns that are numeric, or dates to compare by day.", shell_complete=columns
    )
    strings: tuple[str, ...] = listed(
        "--strings",
        "Columns whose cells go to the model as text, such as codes.",
        shell_complete=columns,
    )
    dates: tuple[str, ...] = listed(
        "--dates",
        "Columns that go to the model as dates, with their format unless it is ISO.",
        metavar="A,B=%d.%m.%Y,...",
        shell_complete=columns,
    )
    maps: tuple[str, ...] = option(
        "--map",
        "Numbers that the model takes instead of the words of a column; repeatable.",
        metavar="COLUMN=WORD:N,...",
        multiple=True,
    )
    bins: str = option(
        "--bins",
        "Bins of numeric columns.",
        default="quartile",
        metavar="quartile|decile|entropy|N|none",
    )
    label: str | None = option(
        "--label",
        "Column of true classes, for --bins entropy.",
        metavar="NAME",
        shell_complete=columns,
    )
    groups: tuple[str, ...] = option(
        "--group",
        "Columns to keep or mask together; auto: columns that determine each other; repeatable.",
        metavar="NAME=A,B|auto",
        multiple=True,
    )
    onehot: bool = flag("--onehot", "Find exclusive 0/1 columns and keep or mask them together.")
    drop: tuple[str, ...] = listed(
        "--drop",
        "Columns to leave out.",
        shell_complete=columns,
        common=True,
    )

    def schema(self) -> Schema:
        from lime_cli.tabular.schema import Schema, parse_dates, parse_groups, parse_maps

        return Schema(
            categorical=self.categorical,
            numeric=self.numeric,
            strings=self.strings,
            dates=parse_dates(self.dates),
            maps=parse_maps(self.maps),
            bins=self.bins,
            label=self.label,
            groups=parse_groups(tuple(one for one in self.groups if one != "auto")),
            auto_groups="auto" in self.groups,
            onehot=self.onehot,
        )


class VaryingOptions(SchemaOptions):
    """What is said of the columns of a table that is explained."""

    fixed: tuple[str, ...] = listed(
        "--fixed", "Columns or groups that keep the row's own value.", shell_complete=columns
    )
    only: tuple[str, ...] = listed(
        "--features-only",
        "Columns or groups that vary; all others are fixed.",
        shell_complete=columns,
    )
    texts: tuple[str, ...] = listed(
        "--text-column", "Columns whose words are masked one by one.", shell_complete=columns
    )
    order: tuple[str, ...] = listed(
        "--columns",
        "Columns in the model's order, if the model does not name them.",
        shell_complete=columns,
    )

    def schema(self) -> Schema:
        schema = super().schema()
        return replace(schema, fixed=self.fixed, only=self.only, texts=self.texts, order=self.order)


class TableOptions(Options, heading="Input"):
    """A table and which of its rows are explained, as typed."""

    data: str = argument()
    choice: RowOptions = group(RowOptions)
    background: str | None = option(
        "--background",
        "Table or profile from which replacement values are drawn; by default DATA.",
        metavar="FILE",
        common=True,
    )
    renamed: tuple[str, ...] = option(
        "--rename",
        "A column of the file and the model's name for it; repeatable.",
        metavar="OLD=NEW",
        multiple=True,
    )
    columns: VaryingOptions = group(VaryingOptions)
    file: DialectOptions = group(DialectOptions)

    def modality(self) -> Modality:
        require("tabular", [self.data])
        if not self.choice.said:
            self._require_single_row()
        table: Modality = MODALITIES["tabular"](
            path=fetched(self.data),
            rows=self.choice.rows,
            ids=self.choice.ids,
            id_column=self.choice.id_column,
            where=self.choice.where,
            background=self.background and fetched(self.background),
            schema=self.columns.schema(),
            drop=self.columns.drop,
            renamed=tuple(map(_renamed, self.renamed)),
            dialect=self.file.dialect(),
        )
        return table

    def _require_single_row(self) -> None:
        """Raise SettingsError for a table of which a person has to choose rows."""
        from lime_cli.tables.readers import open_table

        with open_table(self.data, self.file.dialect()) as stream:
            if len(list(islice(stream.records, 2))) > 1:
                raise SettingsError(
                    f"{stream.name} has more than one row",
                    "choose rows with --row 17, --id A17, --where 'age > 60' or --all",
                )


class FolderOptions(Options, heading="Input"):
    """Which files of folders are meant, as typed."""

    recursive: bool = flag("--recursive", "Include files in subfolders.")
    glob: str | None = option(
        "--glob", "Files to take from folders, such as '2024-*'.", metavar="PATTERN"
    )


class TextOptions(Options, heading="Input"):
    """Texts that are explained, as typed."""

    inputs: tuple[str, ...] = argument("INPUT...", nargs=-1)
    text: str | None = option("--text", "Text to explain.", metavar="WORDS", common=True)
    column: str | None = option(
        "--column",
        "Column that contains the texts, if INPUT is a table.",
        metavar="NAME",
        shell_complete=columns,
        common=True,
    )
    choice: RowOptions = group(RowOptions)
    file: DialectOptions = group(DialectOptions)
    unit: str = option(
        "--unit",
        "What counts as a component; auto: words, for long texts those of the main sentences.",
        default="word",
        metavar="word|char|sentence|line|icu|auto|regex:EXPR",
        common=True,
    )
    each_position: bool = option(
        "--each-position/--merge-repeats",
        "Whether each copy of a word is a component of its own; merged by default.",
        default=False,
    )
    mask: str = option(
        "--mask", "What replaces a masked word.", default="remove", metavar="remove|TOKEN"
    )
    folders: FolderOptions = group(FolderOptions)
    max_characters: int = option(
        "--max-characters", "Largest number of characters of a text.", default=1000000, metavar="N"
    )

    def modality(self) -> Modality:
        chosen, dialect = self.choice.said, self.file.dialect()
        if not self.inputs and self.text is None:
            raise SettingsError(
                "there is no input", "name text files, give --text, or use - for standard input"
            )
        if self.column is None and chosen:
            raise SettingsError(
                "--row, --id, --where and --all require --column", "name the column of texts"
            )
        if self.column is not None and (self.text is not None or len(self.inputs) != 1):
            raise SettingsError("--column takes one table", "name one file")
        if self.column is not None and not chosen:
            self._tell_every_row()
        require("text", self.inputs)
        from lime_cli.tables.rows import Rows
        from lime_cli.texts.modality import Files

        rows, inputs = self.choice, tuple(map(fetched, self.inputs))
        texts: Modality = MODALITIES["text"](
            inputs=inputs,
            text=self.text,
            table=None
            if self.column is None
            else Rows(inputs[0], dialect, rows.rows, rows.ids, rows.id_column, rows.where),
            column=self.column,
            unit=self.unit,
            merge_repeats=not self.each_position,
            mask=None if self.mask == "remove" else self.mask,
            recursive=self.folders.recursive,
            glob=self.folders.glob,
            files=Files(dialect.encoding or "utf-8", self.max_characters),
        )
        return texts

    def _tell_every_row(self) -> None:
        """Say on a command line that all rows are meant, where none were chosen."""
        ctx = click.get_current_context(silent=True)
        if ctx is not None and LISTENER not in ctx.meta:
            from lime_cli.tables.streams import name_of

            name = name_of(self.inputs[0])
            tell(ctx, f"assumed: every row of {name}; --row, --id or --where choose some of them")


class ImageOptions(Options, heading="Input"):
    """Images that are explained, as typed."""

    inputs: tuple[str, ...] = argument("INPUT...", nargs=-1)
    segmenter: str = option(
        "--segmenter",
        "Method that cuts the image into superpixels, or a label map of its size.",
        type=Segmenter(),
        default="slic",
        metavar=Segmenter.name,
        common=True,
    )
    segments: int | None = option(
        "--segments",
        "Approximate number of superpixels; 50 by default.",
        type=click.IntRange(1),
        metavar="N",
        common=True,
    )
    fill: str = option(
        "--fill",
        "What replaces a masked superpixel; auto: its mean, unless that has hardly any effect.",
        default=AUTO_FILL,
        metavar="|".join((AUTO_FILL, *FILLS, "#RRGGBB")),
        common=True,
    )
    preprocess: str | None = option(
        "--preprocess",
        "How pixels become numbers: imagenet or caffe (which also crop), unit, signed or raw.",
        metavar="PRESET",
        common=True,
    )
    size: str | None = option(
        "--size",
        "Size of the model's input; by default the model's own.",
        metavar="N|HxW",
        common=True,
    )
    resize: str | None = option(
        "--resize",
        "How an image is fitted to the model's input: " + ", ".join(RESIZES) + ".",
        metavar="WAY",
    )
    resample: str | None = option(
        "--resample",
        "Filter that resizes an image: one of Pillow's; bilinear-aliased (TensorFlow), "
        "bilinear-opencv, bilinear-float, or bilinear-torch and bicubic-torch (torchvision's of "
        "floats and of bytes, with -v1 by its first transforms); bilinear by default.",
        type=click.Choice(RESAMPLES),
        metavar="FILTER",
    )
    scale: float | None = option(
        "--scale", "Factor for pixel values of 0-255.", type=float, metavar="X"
    )
    mean: tuple[str, ...] = listed("--mean", "Mean of each channel, subtracted after scaling.")
    std: tuple[str, ...] = listed("--std", "Standard deviation that each channel is divided by.")
    channels: str | None = option(
        "--channels", "Order or number of the model's channels.", metavar="RGB|BGR|L|L-opencv|N"
    )
    max_pixels: int = option(
        "--max-pixels", "Largest number of pixels of an image.", default=50000000, metavar="N"
    )
    pixel_range: tuple[str, ...] = listed(
        "--pixel-range",
        "Values of black and white in NPY, 16-bit and float files.",
        metavar="LOW,HIGH",
    )
    invert: bool = flag(
        "--invert", "Swap black and white: black ink for a model of white ink, or the reverse."
    )
    show: tuple[str, ...] = listed(
        "--show", "Channels, from 0, to draw as red, green and blue.", metavar="R,G,B"
    )
    segment_seed: int = option("--segment-seed", "Seed of the noise fill.", default=0, hidden=True)
    folders: FolderOptions = group(FolderOptions)

    def modality(self) -> Modality:
        if not self.inputs:
            raise SettingsError("there is no input", "name image files")
        require("image", self.inputs)
        origin = origin_of(click.get_current_context(silent=True), "channels")
        images: Modality = MODALITIES["image"](
            inputs=self.inputs if self.inputs != ("-",) else _listed(),
            segmenter=self.segmenter,
            n_segments=self.segments,
            fill=self.fill,
            preprocess=self.preprocess,
            size=_size(self.size),
            resize=self.resize,
            resample=self.resample,
            scale=self.scale,
            mean=_numbers("--mean", self.mean),
            std=_numbers("--std", self.std),
            channels=self.channels,
            grey_open=origin is not None and bool(origin.key),  # of a file, not of a variable
            seed=self.segment_seed,
            max_pixels=self.max_pixels,
            pixel_range=_range(self.pixel_range),
            invert=self.invert,
            show=_places(self.show),
            recursive=self.folders.recursive,
            glob=self.folders.glob,
        )
        return images


def _listed() -> tuple[str, ...]:
    """Read standard input: an image, or paths, one a line or in lines of JSON as ``path``."""
    from lime_cli.images.pixels import is_image  # brings Pillow

    clock.read_once()
    content = sys.stdin.buffer.read(SMALL + 1)
    if is_image(content):
        return (Held("stdin", content + sys.stdin.buffer.read(MOST_STREAMED)),)
    if len(content) > SMALL:
        raise InputError(f"standard input: has more than {SMALL:,} bytes", "name a folder")
    data = content.decode("utf-8", "surrogateescape")
    found = tuple(_path_of(line, n) for n, line in enumerate(data.splitlines(), 1) if line.strip())
    if not found:
        raise InputError("standard input: names no images", "write one path per line")
    return found


MOST_STREAMED = 1 << 30
"""Bytes of an image that are read from standard input, at most."""


def _path_of(line: str, number: int) -> str:
    if not line.lstrip().startswith("{"):
        return line
    try:
        return str(from_json(line)["path"])
    except (ValueError, KeyError):
        raise InputError(
            f"standard input: line {number} has no path", 'write {"path": "cat.jpg"}'
        ) from None


def _numbers(option: str, words: tuple[str, ...]) -> tuple[float, ...] | None:
    try:
        return tuple(map(float, words)) or None
    except ValueError:
        raise SettingsError(f"{option}: {','.join(words)} is not a list of numbers") from None


def _range(words: tuple[str, ...]) -> tuple[float, float] | None:
    """Read ``LOW,HIGH``."""
    found = _numbers("--pixel-range", words)
    if found is not None and len(found) != 2:
        raise SettingsError(f"--pixel-range: {','.join(words)} is not valid", "give LOW,HIGH")
    return None if found is None else (found[0], found[1])


def _places(words: tuple[str, ...]) -> tuple[int, ...]:
    if not all(word.isdecimal() for word in words):
        said = f"--show: {','.join(words)} is not valid"
        raise SettingsError(said, "give 1 or 3 channels, counted from 0")
    return tuple(map(int, words))


def _size(words: str | None) -> tuple[int, int] | None:
    """Read ``224`` or ``HEIGHTxWIDTH``."""
    if words is None:
        return None
    parts = words.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise SettingsError(f"--size: {words!r} is not valid", "give 224 or HEIGHTxWIDTH")
    return int(parts[0]), int(parts[-1])
