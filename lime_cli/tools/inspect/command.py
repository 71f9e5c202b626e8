"""``limex inspect``: what a model file is, without running it, and how limex would use it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from lime_cli.console import Console, print_error
from lime_cli.errors import LimexError, ModelError, PredictionError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.options.config import sidecar_of
from lime_cli.options.images import layout_option
from lime_cli.options.model import model_options
from lime_cli.options.types import option_group
from lime_cli.running.containment import ContainedCommand
from lime_cli.running.output import Output

if TYPE_CHECKING:
    from lime_cli.tools.inspect.measure import ModelReport, ProbeRows


DIFFERENT = 1


@dataclass(frozen=True)
class Trial:
    """What the model is asked, if it may be loaded."""

    load: bool
    against: str | None
    data: str | None
    rows: int
    column: str | None
    tolerance: float

    def batch(self) -> ProbeRows | None:
        """Return which rows of which file; None to make some up."""
        from lime_cli.tools.inspect.measure import ProbeRows

        return None if self.data is None else ProbeRows(self.data, self.rows, self.column)


def _trial(
    no_load: bool,
    check_against: str | None,
    data_file: str | None,
    n_rows: int,
    text_column: str | None,
    difference: float,
) -> Trial:
    if check_against is not None and data_file is None:
        raise SettingsError("--check-against needs rows to ask about", "name them with --data FILE")
    if check_against is not None and no_load:
        raise SettingsError("--check-against loads both models", "leave out --no-load")
    return Trial(not no_load, check_against, data_file, n_rows, text_column, difference)


trial_options = option_group(
    "trial",
    _trial,
    click.option("--no-load", is_flag=True, help="Only look at the file; ask it nothing."),
    click.option(
        "--check-against", metavar="OTHER", help="Ask another model the same, as a pickle's export."
    ),
    click.option(
        "--data",
        "data_file",
        metavar="FILE",
        help="Rows, texts or pictures to ask about; two rows are made up without.",
    ),
    click.option(
        "--rows",
        "n_rows",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="How many of them, with --check-against.",
    ),
    click.option(
        "--column", "text_column", metavar="NAME", help="The column of --data with texts."
    ),
    click.option(
        "--tolerance",
        "difference",
        type=click.FloatRange(0),
        default=1e-4,
        show_default=True,
        help="Largest difference that --check-against lets pass.",
    ),
)


@dataclass(frozen=True)
class Telling:
    """Where the report goes."""

    json: bool
    write_config: bool
    output: Output


def _telling(
    report_format: str,
    write_config: bool,
    force: bool,
    quiet: bool,
    no_color: bool,
) -> Telling:
    output = Output(None, "table", force, Console(quiet), no_color)
    return Telling(report_format == "json", write_config, output)


telling_options = option_group(
    "telling",
    _telling,
    click.option(
        "-f",
        "--format",
        "report_format",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
    ),
    click.option(
        "--write-config", is_flag=True, help="Write the options limex would use to MODEL.toml."
    ),
    click.option("--force", is_flag=True, help="Replace a MODEL.toml that exists."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing beside the report."),
    click.option("--no-color", is_flag=True, help="Print without colours."),
)


@click.command(cls=ContainedCommand)
@model_options
@layout_option
@trial_options
@telling_options
def inspect(model: ModelFile, layout: str | None, trial: Trial, telling: Telling) -> int:
    """Tell what a model file is, without running it, and how limex would use it.

    A pickle is read by a machine that builds nothing; every name in it gets a verdict. A file that
    may be loaded is then loaded and asked about two rows, unless --no-load.

    \b
    Examples:
      limex inspect model.pkl
      limex inspect stranger.pkl --no-load -f json
      limex inspect model.onnx --write-config
      limex inspect model.pkl --check-against model.onnx --data people.csv
    """
    file = model._replace(layout=layout)
    if telling.write_config:
        _sidecar_output(file, telling).check(1)
    report, failure = _report(file, trial)
    _print(report, telling)
    if failure is not None:
        _say(failure)
        return failure.exit_code
    if telling.write_config:
        _write_sidecar(report, file, telling)
    return DIFFERENT if report.check is not None and not report.check.agree else 0


def _report(file: ModelFile, trial: Trial) -> tuple[ModelReport, LimexError | None]:
    """Look at the file and, where that is allowed, ask it; return also what failed."""
    from lime_cli.tools.inspect.measure import report_on

    report = replace(report_on(file), said=file)
    if report.refusal is not None or not trial.load:
        return report, report.refusal
    from lime_cli.tools.inspect.measure import check, probe

    rows = trial.batch()
    try:
        report = replace(report, probe=probe(file, report, rows))
        if trial.against is not None and rows is not None:
            other = file._replace(path=trial.against, format="auto", sha256=None, output=None)
            report = replace(report, check=check(file, other, report, rows, trial.tolerance))
    except LimexError as error:
        loaded = report.probe is not None or isinstance(error, PredictionError)
        if isinstance(error, ModelError) and not loaded:
            report = replace(report, refusal=error)
        return report, error
    return report, None


def _print(report: ModelReport, telling: Telling) -> None:
    from lime_cli.tools.inspect.report import write_json, write_page

    write = write_json if telling.json else write_page
    with telling.output.opened() as stream:
        write(report, stream, telling.output.look())


def _say(error: LimexError) -> None:
    context = click.get_current_context().find_root()
    print_error(error, bool(context.params.get("json_errors")))


def _sidecar_output(file: ModelFile, telling: Telling) -> Output:
    return replace(telling.output, path=str(sidecar_of(file.path)))


def _write_sidecar(report: ModelReport, file: ModelFile, telling: Telling) -> None:
    from lime_cli.tools.inspect.choices import sidecar

    with _sidecar_output(file, telling).opened() as stream:
        stream.write(sidecar(report).encode())
