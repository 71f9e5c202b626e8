"""``limex explain``: from a model file and an input file to explanations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lime_cli.commands.contained import ContainedCommand
from lime_cli.commands.inputs import table_options, text_options
from lime_cli.commands.likeness import likened
from lime_cli.commands.model import model_options
from lime_cli.commands.neighbourhood import Neighbourhood, engine_options
from lime_cli.commands.output import Output, output_options
from lime_cli.commands.pictures import drawing_options, image_options, layout_option
from lime_cli.console import print_line
from lime_cli.formats import FORMATS, Look
from lime_cli.modalities import Modality
from lime_cli.models import ModelFile

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.jobs import Failed

SOME_FAILED = 6


@click.group()
def explain() -> None:
    """Explain predictions: which parts of an input made the model answer as it did.

    \b
    Examples:
      limex explain tabular model.pkl people.csv --row 17
      limex explain text spam.onnx mail.txt -f json
      limex explain image model.onnx cat.jpg -o cat.png
    """


@explain.command(cls=ContainedCommand)
@model_options
@table_options
@engine_options
@click.option("--cache", metavar="DIR", help="Folder that keeps the model's answers to samples.")
@output_options
def tabular(
    model: ModelFile,
    modality: Modality,
    neighbourhood: Neighbourhood,
    cache: str | None,
    output: Output,
) -> int:
    """Explain rows of a table: DATA is a CSV or TSV file with a header.

    \b
    Examples:
      limex explain tabular model.pkl people.csv --row 17
      limex explain tabular model.onnx people.csv --id A17 --id-column customer
      limex explain tabular model.joblib new.csv --all --background train.csv -f jsonl
    """
    return _run(model, modality, neighbourhood, output, output.look(), cache)


@explain.command(cls=ContainedCommand)
@model_options
@text_options
@engine_options
@output_options
def text(model: ModelFile, modality: Modality, neighbourhood: Neighbourhood, output: Output) -> int:
    """Explain texts: files, folders of files, or standard input.

    \b
    Examples:
      limex explain text spam.onnx mail.txt
      limex explain text spam.pkl --text "You have won a prize" -f json
      cat mail.txt | limex explain text spam.onnx - --each-position
    """
    return _run(model, modality, neighbourhood, output, output.look())


@explain.command(cls=ContainedCommand)
@model_options
@image_options
@layout_option
@drawing_options
@engine_options
@output_options
def image(
    model: ModelFile,
    modality: Modality,
    layout: str | None,
    drawing: dict[str, Any],
    neighbourhood: Neighbourhood,
    output: Output,
) -> int:
    """Explain pictures: PNG, JPEG, WebP, BMP, GIF or TIFF files.

    \b
    Examples:
      limex explain image model.onnx cat.jpg -o cat.png
      limex explain image model.onnx cat.jpg --fill black --target top:3 -f json
      limex explain image net.onnx cat.jpg --preprocess imagenet --style heat -o heat.png
    """
    return _run(
        replace(model, layout=layout), modality, neighbourhood, output, output.look(drawing)
    )


def _run(
    model: ModelFile,
    modality: Modality,
    neighbourhood: Neighbourhood,
    output: Output,
    look: Look,
    cache: str | None = None,
) -> int:
    """Explain what the modality finds and write it; return the exit code."""
    if neighbourhood.settings["like_lime"]:
        neighbourhood, modality = likened(neighbourhood, modality)
    settings = neighbourhood.resolved(modality.default_samples, modality.max_samples)
    sources = tuple(modality.sources())
    output.check(len(sources))
    from lime_cli.jobs import Explained, Job, run

    began = time.monotonic()
    failures: list[Failed] = []
    caveats: list[tuple[str, str]] = []

    def explained() -> Iterator[Explanation]:
        for outcome in run(Job(model, modality, settings, sources, cache)):
            if isinstance(outcome, Explained):
                caveats.extend((one.code, one.message) for one in outcome.explanation.caveats)
                yield outcome.explanation
            elif len(sources) == 1:
                raise outcome.error
            else:
                failures.append(outcome)
                _tell(outcome)

    write = FORMATS[output.format]
    with output.opened() as stream:
        write(explained(), stream, look)
    if output.format != "table":
        output.console.warn(caveats)
    output.console.detail(f"{len(sources)} explained in {time.monotonic() - began:.2f} s")
    return SOME_FAILED if failures else 0


def _tell(failed: Failed) -> None:
    print_line(f"limex: {failed.source.id}: {failed.error}")
