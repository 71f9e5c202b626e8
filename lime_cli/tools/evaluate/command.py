"""``limex evaluate``: whether an explanation holds on other samples and under other seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from lime_cli.console import Console, print_line
from lime_cli.errors import SettingsError
from lime_cli.formats import format_of
from lime_cli.modality import Modality
from lime_cli.models.model_file import ModelFile
from lime_cli.options.engine import EngineOptions, engine_options
from lime_cli.options.images import image_options, layout_option
from lime_cli.options.inputs import table_options, text_options
from lime_cli.options.model import model_options
from lime_cli.options.types import option_group
from lime_cli.running.containment import ContainedCommand
from lime_cli.running.output import Output
from lime_cli.settings import Settings

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import Caveat
    from lime_cli.running.job import Failed
    from lime_cli.tools.evaluate.report import Judged


SOME_FAILED = 6

FORMATS = ("table", "json", "jsonl", "png")


@dataclass(frozen=True)
class ReportOptions:
    """How many seeds are compared, and where the verdict goes."""

    seeds: int
    output: Output


def _report(
    seeds: int,
    output: str | None,
    format_name: str | None,
    force: bool,
    quiet: bool,
    no_color: bool,
) -> ReportOptions:
    chosen = format_name or format_of(output, FORMATS)
    return ReportOptions(seeds, Output(output, chosen, force, Console(quiet), no_color))


report_options = option_group(
    "report",
    _report,
    click.option(
        "--seeds",
        type=click.IntRange(2),
        default=10,
        show_default=True,
        metavar="R",
        help="How many explanations to compare: by --seed and the R - 1 seeds after it.",
    ),
    click.option("-o", "--output", metavar="PATH", help="File to write; standard output without."),
    click.option(
        "-f",
        "--format",
        "format_name",
        type=click.Choice(FORMATS),
        help="Default: what the suffix of -o says, else table.",
    ),
    click.option("--force", is_flag=True, help="Replace a file that exists."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing beside the report."),
    click.option("--no-color", is_flag=True, help="Print without colours."),
)


@click.group()
def evaluate() -> None:
    """Tell how good explanations are: fidelity on fresh samples, and stability over seeds.

    \b
    Examples:
      limex evaluate tabular model.pkl people.csv --row 17
      limex evaluate text spam.onnx mail.txt --seeds 20 -f json
      limex evaluate image model.onnx cat.jpg --samples 256
    """


@evaluate.command(cls=ContainedCommand)
@model_options
@table_options
@engine_options
@report_options
def tabular(
    model: ModelFile, modality: Modality, neighbourhood: EngineOptions, report: ReportOptions
) -> int:
    """Evaluate the explanations of rows of a table: DATA is a CSV, JSON lines or Parquet file.

    \b
    Examples:
      limex evaluate tabular model.pkl people.csv --row 17
      limex evaluate tabular model.onnx people.csv --row 0-9 -f jsonl
    """
    return _run(model, modality, neighbourhood, report)


@evaluate.command(cls=ContainedCommand)
@model_options
@text_options
@engine_options
@report_options
def text(
    model: ModelFile, modality: Modality, neighbourhood: EngineOptions, report: ReportOptions
) -> int:
    """Evaluate the explanations of texts: files, folders of files, or standard input.

    \b
    Examples:
      limex evaluate text spam.onnx mail.txt
      limex evaluate text spam.pkl --text "You have won a prize" --seeds 20 -f json
    """
    return _run(model, modality, neighbourhood, report)


@evaluate.command(cls=ContainedCommand)
@model_options
@image_options
@layout_option
@engine_options
@report_options
def image(
    model: ModelFile,
    modality: Modality,
    layout: str | None,
    neighbourhood: EngineOptions,
    report: ReportOptions,
) -> int:
    """Evaluate the explanations of pictures: PNG, JPEG, WebP, BMP, GIF or TIFF files.

    \b
    Examples:
      limex evaluate image model.onnx cat.jpg --samples 256
      limex evaluate image model.onnx cat.jpg --segmenter grid --segments 30 -f json
    """
    return _run(model._replace(layout=layout), modality, neighbourhood, report)


def _run(
    model: ModelFile, modality: Modality, neighbourhood: EngineOptions, report: ReportOptions
) -> int:
    """Explain what the modality finds with every seed, judge and write; return the exit code."""
    settings = _settings(neighbourhood, modality)
    sources = tuple(modality.sources())
    report.output.check(len(sources))
    from lime_cli.running.job import Job
    from lime_cli.tools.evaluate.measure import evaluate as judge
    from lime_cli.tools.evaluate.replicates import Replicated, replicated
    from lime_cli.tools.evaluate.report import WRITERS, Judged

    failures: list[Failed] = []
    caveats: list[tuple[str, str]] = []

    def judged() -> Iterator[Judged]:
        for outcome in replicated(Job(model, modality, settings, sources), report.seeds):
            if isinstance(outcome, Replicated):
                explanations = [one.explanation for one in outcome.replicates]
                drawn = [one.neighbourhood for one in outcome.replicates]
                verdicts = judge(explanations, drawn)
                caveats.extend({one.code: one.message for one in _caveats(explanations)}.items())
                yield Judged(explanations, verdicts, outcome.curves)
            elif len(sources) == 1:
                raise outcome.error
            else:
                failures.append(outcome)
                print_line(f"limex: {outcome.source.id}: {outcome.error}")

    with report.output.opened() as stream:
        WRITERS[report.output.format](judged(), stream, report.output.look())
    if report.output.format != "table":
        report.output.console.warn(caveats)
    return SOME_FAILED if failures else 0


def _caveats(explanations: Sequence[Explanation]) -> Iterator[Caveat]:
    return (one for explanation in explanations for one in explanation.caveats)


def _settings(neighbourhood: EngineOptions, modality: Modality) -> Settings:
    if neighbourhood.settings["like_lime"]:
        raise SettingsError("--like-lime: only limex's own samples are evaluated", "leave it out")
    return neighbourhood.resolved(modality.default_samples, modality.max_samples)
