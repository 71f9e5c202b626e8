"""The options that say where results go, in which format, and how they are drawn."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lime_cli.console import Console
from lime_cli.formats import Look, format_of
from lime_cli.options.commands import record_path
from lime_cli.options.groups import OneName, OneOf, Options, flag, one_of_flags, option
from lime_cli.options.layers import tell
from lime_cli.registry import FORMATS, LOGS, SHEETS, STYLES, SUFFIXES, Registry
from lime_cli.running.output import FILES, Output, path_of


def format_option(formats: tuple[str, ...] | Registry) -> Any:
    """Declare the field of a format."""
    return option(
        "-f",
        "--format",
        "Format of the result; by default, from the suffix of -o, or a table.",
        type=OneOf(formats) if isinstance(formats, Registry) else OneName(formats),
        common=True,
    )


class ReportOptions(Options, heading="Output"):
    """Where the result of a tool goes, as typed."""

    formats: tuple[str, ...] = ("table", "json")

    output: str | None = option(
        "-o",
        "--output",
        "File to write; by default, or with -, standard output.",
        metavar="PATH",
        common=True,
    )
    format_name: str | None = format_option(formats)
    force: bool = flag("--force", "Replace a file that exists.", common=True)
    quiet: bool = flag("-q", "--quiet", "Print no warnings.", common=True)
    no_color: bool = flag("--no-color", "Print without colours.")

    @property
    def path(self) -> str | None:
        """The file or folder to write; None for standard output."""
        return path_of(self.output)

    def destination(self) -> Output:
        """Return where the result goes; raise SettingsError for a suffix that is no format."""
        chosen = self.format_name or format_of(self.path, self.formats)
        self.tell_of_suffix()
        return Output(self.path, chosen, self.force, Console(self.quiet), self.no_color)

    def tell_of_suffix(self) -> None:
        """Warn of a file that is named as one of another format; any text may be ``.txt``."""
        name, path = self.format_name, Path(self.output or "")
        suffix = path.suffix.lower()
        meant = SUFFIXES.get(suffix, name)
        if meant == name or name is None or (suffix == ".txt" and name not in FILES):
            return
        if str(self.output).endswith(("/", os.sep)) or path.is_dir():
            return
        own = [one for one, format_name in SUFFIXES.items() if format_name == name]
        remedy = f"leave out -f, or end the name in {own[0]}" if own else "leave out -f"
        said = f"{self.output}: -f {name} overrides the suffix, so this is not a {meant} file"
        tell(click.get_current_context(), f"warning: {said}; {remedy}")


class SheetOptions(ReportOptions):
    """Where a sheet of tables goes."""

    formats: tuple[str, ...] = SHEETS

    format_name: str | None = format_option(formats)


class OutputOptions(ReportOptions):
    """Where explanations go, as typed."""

    format_name: str | None = format_option(FORMATS)
    verbose: bool = flag("-v", "--verbose", "Print what was done, in detail.")

    def destination(self) -> Output:
        """Return where explanations go; a folder's name may have any suffix."""
        self.tell_of_suffix()
        name = self.format_name
        suffix = Path(self.path or "").suffix.lower()
        return Output(
            self.path,
            name or SUFFIXES.get(suffix, "table"),
            self.force,
            Console(self.quiet, self.verbose),
            self.no_color,
            drawings=(name,) if name not in (None, "jsonl") else (),
            named=name is not None,
        )


class ExplanationOptions(OutputOptions):
    """Where new explanations go, as typed."""

    output: str | None = option(
        "-o",
        "--output",
        "File to write, or folder for many instances; by default, or with -, standard output.",
        metavar="PATH",
        common=True,
    )
    save_samples: str | None = option(
        "--save-samples",
        "Write the samples as NPZ: masks, predictions and weights.",
        metavar="FILE",
    )

    log: str | None = option(
        "--log",
        "Also write weights, page and figures to a run of an experiment tracker.",
        type=OneOf(LOGS),
    )

    def destination(self) -> Output:
        return replace(
            super().destination(),
            samples=self.save_samples,
            log=record_path(click.get_current_context()),
        )


class ImageExplanationOptions(ExplanationOptions):
    """Where new explanations of images go, as typed."""

    save_segments: str | None = option(
        "--save-segments",
        "Write the label map in the size of the image, as a 16-bit PNG or as NPY.",
        metavar="FILE",
    )

    def destination(self) -> Output:
        return replace(super().destination(), label_map=self.save_segments)


class DrawingOptions(Options, heading="Drawing"):
    """How an image is drawn, as typed."""

    style: str = option(
        "--style",
        "Drawing style: superpixels outlined; a heat map; the rest hidden; or a panel of image, "
        "overlay and weights.",
        choices=STYLES,
        default="outline",
        common=True,
    )
    top: int | None = option(
        "--top",
        "Largest number of superpixels to draw.",
        type=click.IntRange(1),
        metavar="K",
        common=True,
    )
    sign: str = one_of_flags(
        "both",
        {
            "positive": "Draw what raises the prediction.",
            "negative": "Draw what lowers it.",
            "both": "Draw both (default).",
        },
    )
    weight_scale: float | None = option(
        "--weight-scale",
        "Weight that is drawn at full strength, to make images comparable.",
        type=float,
        metavar="X",
    )

    def applied(self, look: Look) -> Look:
        return replace(
            look, style=self.style, top=self.top, sign=self.sign, scale=self.weight_scale
        )


def top_option() -> Any:
    """Declare the field of how many weights of an instance count as its top."""
    return option(
        "--top",
        "Number of largest weights that count as the top of an instance.",
        type=click.IntRange(1),
        default=5,
        metavar="K",
    )


def report_option() -> Any:
    """Declare the field of the format of a report about a model."""
    return option(
        "-f",
        "--format",
        "Format of the report.",
        choices=["table", "json"],
        default="table",
        typed=True,
        common=True,
    )


def difference_option(text: str) -> Any:
    """Declare the field of how far the predictions of two models may differ."""
    return option(
        "--tolerance",
        text,
        type=click.FloatRange(0),
        default=0.0001,
        metavar="X",
        typed=True,
        common=True,
    )
