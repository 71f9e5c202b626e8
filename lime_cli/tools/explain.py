"""``limex explain``: from a model file and an input file to explanations."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice
from typing import Any

import click

from lime_cli import clock
from lime_cli.formats import Look
from lime_cli.modality import Modality
from lime_cli.models.model_file import ModelFile
from lime_cli.options.commands import ModelCommand, command_line
from lime_cli.options.engine import EngineOptions, likened
from lime_cli.options.groups import Options, options
from lime_cli.options.inputs import ImageOptions, TableOptions, TextOptions
from lime_cli.options.kinds import KindGroup
from lime_cli.options.model import ImageModelOptions, ModelOptions, TableModelOptions
from lime_cli.options.output import DrawingOptions, ExplanationOptions, ImageExplanationOptions
from lime_cli.options.running import RunOptions
from lime_cli.registry import MANY, MODALITY_PLUGINS, plugins
from lime_cli.running.containment import Containment
from lime_cli.running.output import Output

Request = tuple[ModelFile, Modality, EngineOptions]
"""What is explained, of what, and how."""


class Modalities(KindGroup):
    """The commands of the modalities, also of those that other packages add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(dict.fromkeys((*self.commands, *sorted(plugins(MODALITY_PLUGINS)))))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a modality, made of its options where a package adds it."""
        if cmd_name not in self.commands and cmd_name in plugins(MODALITY_PLUGINS):
            self.add_command(_command(cmd_name, plugins(MODALITY_PLUGINS)[cmd_name].load()))
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=Modalities,
    subcommand_metavar="[tabular|text|image] MODEL INPUT",
    context_settings={"ignore_unknown_options": True},
)
def explain() -> None:
    """Explain predictions: which parts of an input made the model predict what it did.

    Without tabular, text or image, the input tells which of them is meant. The options of each
    are shown by limex explain tabular --help, and so on.

    \b
    Examples:
      limex explain model.pkl people.csv --row 17
      limex explain tabular model.pkl people.csv --row 17
      limex explain text spam.onnx mail.txt -f json
      limex explain image model.onnx cat.jpg -o cat.png
    """


@explain.command(cls=ModelCommand, short_help="Explain rows of a table.")
@options(TableModelOptions, TableOptions, EngineOptions, ExplanationOptions, RunOptions)
def tabular(
    model: TableModelOptions,
    table: TableOptions,
    engine: EngineOptions,
    output: ExplanationOptions,
    run: RunOptions,
) -> int:
    """Explain rows of a table: DATA is a CSV, JSON, Parquet or Excel file, a database or a URL.

    \b
    Examples:
      limex explain tabular model.pkl people.csv --row 17
      limex explain tabular model.onnx people.csv --id A17 --id-column customer
      limex explain tabular model.joblib new.csv --all --background train.csv -f jsonl
      limex explain tabular model.joblib new.csv --all --background train.csv -o out/ -j 4
    """
    to = output.destination()
    return _explain((model.file(), table.modality(), engine), to, to.look(), run)


@explain.command(cls=ModelCommand)
@options(ModelOptions, TextOptions, EngineOptions, ExplanationOptions, RunOptions)
def text(
    model: ModelOptions,
    texts: TextOptions,
    engine: EngineOptions,
    output: ExplanationOptions,
    run: RunOptions,
) -> int:
    """Explain texts: files, folders of files, or standard input.

    \b
    Examples:
      limex explain text spam.onnx mail.txt
      limex explain text spam.pkl --text "You have won a prize" -f json
      cat mail.txt | limex explain text spam.onnx - --each-position
    """
    to = output.destination()
    return _explain((model.file(), texts.modality(), engine), to, to.look(), run)


@explain.command(cls=ModelCommand)
@options(
    ImageModelOptions,
    ImageOptions,
    EngineOptions,
    ImageExplanationOptions,
    DrawingOptions,
    RunOptions,
)
def image(
    model: ImageModelOptions,
    images: ImageOptions,
    engine: EngineOptions,
    output: ImageExplanationOptions,
    drawing: DrawingOptions,
    run: RunOptions,
) -> int:
    """Explain images: PNG, JPEG, WebP, BMP, GIF, TIFF or NPY files.

    \b
    Examples:
      limex explain image model.onnx cat.jpg -o cat.png
      limex explain image model.onnx cat.jpg --fill black --target top:3 -f json
      limex explain image net.onnx cat.jpg --preprocess imagenet --style heat -o heat.png
      limex explain image net.onnx images/ --recursive -o out/ -f png
      limex explain image net.onnx large.tif --max-memory 512MB
    """
    to = output.destination()
    look = drawing.applied(to.look())
    return _explain((model.file(), images.modality(), engine), to, look, run)


def _command(name: str, inputs_of: type[Options]) -> click.Command:
    """Make the command of a modality of another package from its group of options."""

    @options(ModelOptions, inputs_of, EngineOptions, ExplanationOptions, RunOptions)
    def explain_inputs(
        model: ModelOptions,
        inputs: Any,
        engine: EngineOptions,
        output: ExplanationOptions,
        run: RunOptions,
    ) -> int:
        to = output.destination()
        return _explain((model.file(), inputs.modality(), engine), to, to.look(), run)

    return click.command(name, cls=ModelCommand, help=inputs_of.__doc__)(explain_inputs)


def _explain(request: Request, to: Output, look: Look, options: RunOptions) -> int:
    """Explain what the modality finds and write it; return the exit code."""
    model, modality, engine = request
    if engine.like_lime:
        engine, modality = likened(engine, modality)
    settings = engine.settings(modality)
    listed = modality.sources()
    found = tuple(islice(listed, 2))
    several, here = len(found) > 1, options.who == "here"
    folder = to.is_folder(several)
    options.check(folder, found)
    alone = not (several or folder)
    to.check_label_map(alone and here)
    to.check_log(alone and here, folder)
    to.check_samples(alone and here, settings.like_lime)
    if several and not folder and to.format not in MANY:
        found += tuple(listed)
    if not folder:
        to.check(len(found), folders=True)
    from lime_cli.running.batch import contained, into_stream
    from lime_cli.running.job import Job

    if folder or not here:
        model = model._replace(threads=model.threads or 1)
    if alone and here:
        settings = replace(settings, time_limit=options.time_limit)
    context = click.get_current_context(silent=True)
    job = Job(model, modality, settings, (), command_line(context) if context else "")
    containment = context.find_object(Containment) if context and here else None
    if containment is not None and not alone:
        clock.restartable()
    if folder:
        from lime_cli.running.folder import into_folder

        run = contained(options.run(job, modality.sources, look), containment)
        return into_folder(replace(run, drawings=to.drawings), to)
    run = contained(options.run(job, lambda: chain(found, listed), look), containment)
    if alone:
        run = replace(run, time_limit=None, drawings=(to.format,))
    kept = here and (alone or to.format != "jsonl")
    return into_stream(replace(run, keeps=kept, watched=to.samples is not None), to, alone)
