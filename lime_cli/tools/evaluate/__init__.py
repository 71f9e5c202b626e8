"""``limex evaluate``: whether an explanation holds on other samples and under other seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lime_cli.console import gist_of, print_line
from lime_cli.errors import SOME_FAILED, SettingsError
from lime_cli.modality import Modality
from lime_cli.models.model_file import ModelFile
from lime_cli.options.commands import ModelCommand
from lime_cli.options.engine import EngineOptions
from lime_cli.options.groups import option, options
from lime_cli.options.inputs import ImageOptions, TableOptions, TextOptions
from lime_cli.options.kinds import KindGroup
from lime_cli.options.model import ImageModelOptions, ModelOptions, TableModelOptions
from lime_cli.options.output import ReportOptions, format_option
from lime_cli.options.running import ClockOptions

if TYPE_CHECKING:
    from lime_cli.running.job import Failed
    from lime_cli.tools.evaluate.report import Judged


FORMATS = ("table", "json", "jsonl", "png")


class VerdictOptions(ReportOptions):
    """Where the verdict goes, as typed."""

    formats: tuple[str, ...] = FORMATS

    format_name: str | None = format_option(formats)


class RepeatedOptions(EngineOptions):
    """How an instance is explained, and how often, as typed."""

    seeds: int = option(
        "--seeds",
        "Number of explanations to compare: with --seed and the R - 1 seeds after it.",
        type=click.IntRange(2),
        default=10,
        metavar="R",
        common=True,
    )


@click.group(
    cls=KindGroup,
    subcommand_metavar="[tabular|text|image] MODEL INPUT",
    context_settings={"ignore_unknown_options": True},
)
def evaluate() -> None:
    """Evaluate explanations: fidelity on fresh samples, and stability over seeds.

    Without tabular, text or image, the input tells which of them is meant. The options of each
    are shown by limex evaluate tabular --help, and so on.

    \b
    Examples:
      limex evaluate model.pkl people.csv --row 17
      limex evaluate text spam.onnx mail.txt --seeds 20 -f json
      limex evaluate image model.onnx cat.jpg --samples 256
    """


@evaluate.command(cls=ModelCommand, short_help="Evaluate explanations of rows of a table.")
@options(TableModelOptions, TableOptions, RepeatedOptions, VerdictOptions, ClockOptions)
def tabular(
    model: TableModelOptions,
    table: TableOptions,
    engine: RepeatedOptions,
    report: VerdictOptions,
    _limits: ClockOptions,
) -> int:
    """Evaluate the explanations of rows of a table: DATA is a CSV, JSON, Parquet or Excel file.

    \b
    Examples:
      limex evaluate tabular model.pkl people.csv --row 17
      limex evaluate tabular model.onnx people.csv --row 0-9 -f jsonl
    """
    return _run(model.file(), table.modality(), engine, report)


@evaluate.command(cls=ModelCommand, short_help="Evaluate explanations of texts.")
@options(ModelOptions, TextOptions, RepeatedOptions, VerdictOptions, ClockOptions)
def text(
    model: ModelOptions,
    texts: TextOptions,
    engine: RepeatedOptions,
    report: VerdictOptions,
    _limits: ClockOptions,
) -> int:
    """Evaluate the explanations of texts: files, folders of files, or standard input.

    \b
    Examples:
      limex evaluate text spam.onnx mail.txt
      limex evaluate text spam.pkl --text "You have won a prize" --seeds 20 -f json
    """
    return _run(model.file(), texts.modality(), engine, report)


@evaluate.command(cls=ModelCommand, short_help="Evaluate explanations of images.")
@options(ImageModelOptions, ImageOptions, RepeatedOptions, VerdictOptions, ClockOptions)
def image(
    model: ImageModelOptions,
    images: ImageOptions,
    engine: RepeatedOptions,
    report: VerdictOptions,
    _limits: ClockOptions,
) -> int:
    """Evaluate the explanations of images: PNG, JPEG, WebP, BMP, GIF or TIFF files.

    \b
    Examples:
      limex evaluate image model.onnx cat.jpg --samples 256
      limex evaluate image model.onnx cat.jpg --segmenter grid --segments 30 -f json
    """
    return _run(model.file(), images.modality(), engine, report)


def _run(
    model: ModelFile, modality: Modality, engine: RepeatedOptions, report: VerdictOptions
) -> int:
    """Explain what the modality finds with every seed, judge and write; return the exit code."""
    if engine.like_lime:
        raise SettingsError("--like-lime: only limex's own samples are evaluated", "leave it out")
    settings, output = engine.settings(modality), report.destination()
    sources = tuple(modality.sources())
    output.check(len(sources))
    from lime_cli.running.job import Job
    from lime_cli.tools.evaluate.measure import Replicated, replicated
    from lime_cli.tools.evaluate.measure import evaluate as judge
    from lime_cli.tools.evaluate.report import WRITERS, Judged

    failures: list[Failed] = []
    warnings: list[tuple[str, str]] = []

    def judged() -> Iterator[Judged]:
        for outcome in replicated(Job(model, modality, settings, sources), engine.seeds):
            if isinstance(outcome, Replicated):
                explanations = [one.explanation for one in outcome.replicates]
                drawn = [one.neighbourhood for one in outcome.replicates]
                verdicts = judge(explanations, drawn)
                said = (one for explanation in explanations for one in explanation.warnings)
                found = {(one.code, gist_of(one.message)): one for one in said}
                warnings.extend((one.code, one.message) for one in found.values())
                yield Judged(explanations, verdicts, outcome.curves)
            elif len(sources) == 1:
                raise outcome.error
            else:
                failures.append(outcome)
                print_line(f"limex: {outcome.source.id}: {outcome.error}")

    with output.opened() as stream:
        WRITERS[output.format](judged(), stream, output.look())
    if output.format != "table":
        output.console.warn(warnings)
    return SOME_FAILED if failures else 0
