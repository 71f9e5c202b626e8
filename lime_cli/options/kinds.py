"""Which kind of input a file is, and which is meant by ``limex explain MODEL DATA`` without it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click

from lime_cli.console import print_line
from lime_cli.errors import InputError, SettingsError
from lime_cli.files import nearest_file
from lime_cli.options.command_groups import CommandGroup, unknown
from lime_cli.registry import TABLES
from lime_cli.sources import file_of, suffix_of

IMAGE_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".npy",
)

TEXT_SUFFIXES = (".txt", ".md", ".text", ".eml", ".log", ".rst")

ARRAY_MAGIC = b"\x93NUMPY"

ARRAY_SHAPE = re.compile(rb"'shape': \((\d+,( \d+)?)\)")
"""Of an array of one or two axes, which is of rows rather than of pixels."""

IMAGE_MAGIC = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",
    b"MM\x00*",
)

TABLE_MAGIC = (b"PAR1", b"SQLite format 3", b"ARROW1", b"FEA1")

READ_BYTES, READ_LINES, LISTED = 65_536, 20, 200


class Guess(NamedTuple):
    """A kind of input, and a word of it where neither options, name nor first bytes tell."""

    modality: str
    reason: str = ""


class KindGroup(CommandGroup):
    """A command for each kind of input; where none is typed, options and input tell which."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the kind of input; where it is not typed, tell it by the options and the input."""
        if args[0] in self.commands:  # to know those of other packages, all of them are asked
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        known = self.list_commands(ctx)
        mistyped = args[0].isalpha() and get_close_matches(args[0], known, n=1, cutoff=0.6)
        if ctx.resilient_parsing or args[0] in known or mistyped:
            return super().resolve_command(ctx, args)
        path = ctx.command_path
        modality, reason = guess(args, self.commands, path)
        if reason and not {"-q", "--quiet"}.intersection(args):
            others = " or ".join(f"{path} {one}" for one in self.commands if one != modality)
            print_line(f"limex: assumed: {reason}; otherwise type {others}")
        return modality, self.get_command(ctx, modality), args


THINGS = {"tabular": "a table", "text": "a text", "image": "an image"}
"""What the input of a command is."""


def require(modality: str, paths: Iterable[str]) -> None:
    """Raise InputError, naming the command to type, for a file that is of another kind for sure."""
    for path in paths:
        found = kind_of(path)
        if found is None or found.modality == modality or not Path(file_of(path)).is_file():
            continue
        if suffix_of(path) == ".npy":  # an array is either
            continue
        if "image" not in (found.modality, modality):  # a table of one column looks like a text
            continue
        if found.modality == "text" and suffix_of(path) not in TEXT_SUFFIXES:  # SVG and EPS do too
            continue
        ctx = click.get_current_context(silent=True)
        group = ctx.parent.command_path if ctx is not None and ctx.parent is not None else ""
        command = group if group.startswith("limex ") else "limex explain"
        name = Path(file_of(path)).name
        raise InputError(
            f"{name}: is {THINGS[found.modality]}, not {THINGS[modality]}",
            f"use {command} {found.modality}",
        )


def guess(
    args: Sequence[str], commands: Mapping[str, click.Command], path: str = "limex explain"
) -> Guess:
    """Name the kind of input that the arguments of a command, such as ``limex explain``, are about.

    Options that one kind of input alone has decide; then the suffix and first bytes of the input.
    Raises SettingsError, naming what to type, where neither tells.
    """
    typed, places = _parsed(args, commands, path)
    left = {
        name: {one.name for one in command.params if isinstance(one, click.Option)}
        for name, command in commands.items()
    }
    possible = [name for name, known in left.items() if typed.keys() <= known]
    shown = ", ".join(typed.values())
    if not possible:
        raise _untold(f"no kind of input has all of {shown}", commands, path)
    if len(possible) == 1:
        return Guess(possible[0])
    if len(places) < 2:
        missing = "an input" if places else "a model and an input"
        raise SettingsError(f"{path} requires {missing}", f"type {path} MODEL DATA")
    if not places[1]:
        raise SettingsError("INPUT: the path is empty", f"see {path} --help")
    found = kind_of(places[1])
    if found is None or found.modality not in possible:
        if places[1] != "-" and "://" not in places[1] and not Path(file_of(places[1])).exists():
            raise InputError(f"{places[1]}: no such file", nearest_file(places[1], "input"))
        raise _untold(f"{places[1]}: limex cannot tell which kind of input it is", possible, path)
    there = "://" in places[1] or Path(file_of(places[1])).exists()
    return found if there else Guess(found.modality)  # that it is not there is soon said


def _untold(what: str, kinds: Iterable[str], path: str) -> SettingsError:
    *most, last = (f"{path} {name}" for name in kinds)
    listed = f"{', '.join(most)} or {last}" if most else last
    return SettingsError(what, f"type {listed}")


def _parsed(
    args: Sequence[str], commands: Mapping[str, click.Command], path: str
) -> tuple[dict[str, str], list[str]]:
    """Return the options typed, by their parameters' names, and what is given by its place."""
    params: dict[tuple[str, ...], click.Parameter] = {}
    for command in commands.values():
        for one in command.params:
            if isinstance(one, click.Option):
                params.setdefault((*one.opts, *one.secondary_opts), one)
    kept: dict[str, click.Parameter] = {}
    known: set[str] = set()
    for names, one in params.items():
        if not known & set(names):
            kept["/".join(names)] = one
            known |= set(names)
    whole = click.Command("explain", params=list(kept.values()))
    context = click.Context(whole, resilient_parsing=True, allow_interspersed_args=True)
    context.allow_extra_args = context.ignore_unknown_options = True
    _, places, order = whole.make_parser(context).parse_args(list(args))
    mistyped = next((one for one in places if one.startswith("-") and one != "-"), None)
    if mistyped is not None and "--" not in args:
        raise unknown("option", mistyped.partition("=")[0], known, path)
    return {
        str(one.name): max(one.opts, key=len) for one in order if isinstance(one, click.Option)
    }, places


def kind_of(path: str) -> Guess | None:
    """Tell the kind of a file by its first bytes and suffix, of a folder by its files."""
    place = Path(file_of(path))
    try:
        if place.is_dir():
            return _kind_of_folder(place)
        head = b""
        if place.is_file():
            with place.open("rb") as file:
                head = file.read(READ_BYTES)
    except (OSError, ValueError):
        return None
    suffix, name = suffix_of(path), place.name
    if head.startswith(ARRAY_MAGIC):
        rows = ARRAY_SHAPE.search(head)
        return (
            Guess("tabular", f"{name} is a table")
            if rows
            else Guess("image", f"{name} is an image")
        )
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    bitmap = head[:2] == b"BM" and head[6:10] == bytes(4)
    if webp or bitmap or head.startswith(IMAGE_MAGIC) or (not head and suffix in IMAGE_SUFFIXES):
        return Guess("image")
    if suffix[1:] in TABLES.own or head.startswith(TABLE_MAGIC):
        return Guess("tabular")
    return _kind_of_characters(name, suffix, head) if head else None


def _kind_of_folder(folder: Path) -> Guess | None:
    """Tell by the files in a folder, if they all are of one kind."""
    names = [one.name.lower() for one in islice(folder.iterdir(), LISTED)]
    images = sum(one.endswith(IMAGE_SUFFIXES) for one in names)
    texts = sum(one.endswith(TEXT_SUFFIXES) for one in names)
    if images and not texts:
        return Guess("image", f"{folder} holds images")
    if texts and not images:
        return Guess("text", f"{folder} holds texts")
    return None


def _kind_of_characters(name: str, suffix: str, head: bytes) -> Guess | None:
    """Tell a text from a table: the lines of a table have as many separators as one another."""
    if b"\0" in head:
        return None
    lines = head.decode("utf-8", "replace").splitlines()[:READ_LINES]
    if any(_is_table(lines, mark) for mark in ",;\t|"):
        return None if suffix in TEXT_SUFFIXES else Guess("tabular", f"{name} is a table")
    return Guess("text", "" if suffix in TEXT_SUFFIXES else f"{name} is a text")


def _is_table(lines: list[str], separator: str) -> bool:
    whole = lines[:-1] if len(lines) > 2 else lines
    widths = {len(row) for row in csv.reader(whole, delimiter=separator) if row}
    return len(whole) > 1 and len(widths) == 1 and widths.pop() > 1
