"""``limex explain``: from a model file and an input file to explanations."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from lime_cli.formats import FORMATS, MANY, Look
from lime_cli.modality import Modality
from lime_cli.models.model_file import ModelFile
from lime_cli.options.engine import EngineOptions, engine_options
from lime_cli.options.images import (
    drawing_options,
    image_options,
    layout_option,
    save_segments_option,
)
from lime_cli.options.inputs import table_options, text_options
from lime_cli.options.model import model_options
from lime_cli.options.output import output_options, save_samples_option
from lime_cli.options.running import running_options
from lime_cli.running.batch import Running
from lime_cli.running.containment import ContainedCommand
from lime_cli.running.output import Output
from lime_cli.sources import Source
from lime_cli.tools.explain.like_lime import likened

if TYPE_CHECKING:
    from lime_cli.engine.instance import Instance
    from lime_cli.engine.neighbourhood import Neighbourhood as Samples
    from lime_cli.settings import Settings


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
@output_options
@save_samples_option
@running_options
def tabular(
    model: ModelFile,
    modality: Modality,
    neighbourhood: EngineOptions,
    output: Output,
    save_samples: str | None,
    running: Running,
) -> int:
    """Explain rows of a table: DATA is a CSV, JSON lines or Parquet file.

    \b
    Examples:
      limex explain tabular model.pkl people.csv --row 17
      limex explain tabular model.onnx people.csv --id A17 --id-column customer
      limex explain tabular model.joblib new.csv --all --background train.csv -f jsonl
      limex explain tabular model.joblib new.csv --all --background train.csv -o out/ -j 4
    """
    output = replace(output, samples=save_samples)
    return _run(model, modality, neighbourhood, Destination(output, running, output.look()))


@explain.command(cls=ContainedCommand)
@model_options
@text_options
@engine_options
@output_options
@save_samples_option
@running_options
def text(
    model: ModelFile,
    modality: Modality,
    neighbourhood: EngineOptions,
    output: Output,
    save_samples: str | None,
    running: Running,
) -> int:
    """Explain texts: files, folders of files, or standard input.

    \b
    Examples:
      limex explain text spam.onnx mail.txt
      limex explain text spam.pkl --text "You have won a prize" -f json
      cat mail.txt | limex explain text spam.onnx - --each-position
    """
    output = replace(output, samples=save_samples)
    return _run(model, modality, neighbourhood, Destination(output, running, output.look()))


@explain.command(cls=ContainedCommand)
@model_options
@image_options
@layout_option
@save_segments_option
@drawing_options
@engine_options
@output_options
@save_samples_option
@running_options
def image(
    model: ModelFile,
    modality: Modality,
    layout: str | None,
    save_segments: str | None,
    drawing: dict[str, Any],
    neighbourhood: EngineOptions,
    output: Output,
    save_samples: str | None,
    running: Running,
) -> int:
    """Explain pictures: PNG, JPEG, WebP, BMP, GIF, TIFF or NPY files.

    \b
    Examples:
      limex explain image model.onnx cat.jpg -o cat.png
      limex explain image model.onnx cat.jpg --fill black --target top:3 -f json
      limex explain image net.onnx cat.jpg --preprocess imagenet --style heat -o heat.png
      limex explain image net.onnx pictures/ --recursive -o out/ -f png
      limex explain image net.onnx large.tif --max-memory 512MB
    """
    output = replace(output, label_map=save_segments, samples=save_samples)
    way = Destination(output, running, output.look(drawing))
    return _run(model._replace(layout=layout), modality, neighbourhood, way)


@dataclass(frozen=True)
class Destination:
    """Where results go, how they look, and how many instances are gone through."""

    output: Output
    running: Running
    look: Look


def _run(
    model: ModelFile, modality: Modality, neighbourhood: EngineOptions, way: Destination
) -> int:
    """Explain what the modality finds and write it; return the exit code."""
    if neighbourhood.settings["like_lime"]:
        neighbourhood, modality = likened(neighbourhood, modality)
    settings = neighbourhood.resolved(modality.default_samples, modality.max_samples)
    output, running = way.output, way.running
    listed = modality.sources()
    found = tuple(islice(listed, 2))
    into_folder = output.is_folder(len(found) > 1)
    running.check(into_folder, found)
    alone = len(found) == 1 and not into_folder and running.here
    output.check_label_map(alone)
    output.check_samples(alone, settings.like_lime)
    if alone:
        output.check(1)
        settings = replace(settings, time_limit=running.time_limit)
        return _explain_one(model, modality, settings, found[0], way)
    from lime_cli.running.batch import Batch, run_into_lines, run_one
    from lime_cli.running.job import Job

    if into_folder or not running.here:
        model = model._replace(threads=model.threads or 1)
    job = Job(model, modality, settings, ())
    if into_folder:
        from lime_cli.running.folder import run_into_folder

        return run_into_folder(Batch(job, running, output, way.look, modality.sources))
    if output.format not in MANY and len(found) > 1:
        found += tuple(listed)
    output.check(len(found))
    batch = Batch(job, running, output, way.look, lambda: chain(found, listed))
    return run_into_lines(batch) if len(found) > 1 else run_one(batch)


def _explain_one(
    model: ModelFile, modality: Modality, settings: Settings, source: Source, way: Destination
) -> int:
    """Explain a single instance in this process; what is wrong with it ends the command."""
    from lime_cli.running.job import Failed, Job, manner, run

    began = time.monotonic()
    output, job = way.output, Job(model, modality, settings, (source,))
    with output.opened() as stream:
        seen: list[tuple[Instance, Samples]] = []
        outcome = next(run(job, (lambda *one: seen.append(one)) if output.samples else None))
        if isinstance(outcome, Failed):
            raise outcome.error
        explanation = outcome.explanation
        output.keep(explanation)
        if seen:
            output.keep_samples(*seen[-1], explanation.model.targets)
        FORMATS[output.format]([explanation], stream, way.look)
    if output.format != "table":
        output.console.warn((one.code, one.message) for one in explanation.caveats)
    output.console.detail(f"1 explained in {time.monotonic() - began:.2f} s{manner(job)}")
    return 0
