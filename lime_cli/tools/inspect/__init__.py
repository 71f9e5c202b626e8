"""``limex inspect``: what a model file holds before it is loaded, and how limex would use it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from lime_cli import clock
from lime_cli.console import Console, print_error
from lime_cli.errors import LimexError, ModelError, PredictionError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.options.commands import ModelCommand
from lime_cli.options.groups import Options, flag, option, options
from lime_cli.options.layers import sidecar_of
from lime_cli.options.model import ImageModelOptions
from lime_cli.options.output import difference_option, report_option
from lime_cli.options.running import ClockOptions
from lime_cli.running.output import Output

if TYPE_CHECKING:
    from lime_cli.tools.inspect.measure import ModelReport, ProbeRows


DIFFERENT = 1

typed = partial(option, typed=True, common=True)
"""Declares an option that means something else here than where its variable is for."""


class InspectionOptions(Options, heading="Inspection"):
    """What the model is asked, if it may be loaded, and where the report goes, as typed."""

    no_load: bool = typed("--no-load", "Only read the file; never load it.", is_flag=True)
    against: str | None = typed(
        "--check-against",
        "Compare the predictions with another model's, such as an ONNX export.",
        metavar="OTHER",
    )
    data_file: str | None = typed(
        "--data",
        "Rows, texts or images to predict; by default, two made-up rows.",
        metavar="FILE",
    )
    n_rows: int = typed(
        "--rows",
        "Number of inputs to compare with --check-against.",
        type=click.IntRange(1),
        default=100,
        metavar="N",
    )
    text_column: str | None = typed(
        "--column", "Column of --data that contains the texts.", metavar="NAME"
    )
    difference: float = difference_option("Largest difference to accept with --check-against.")
    report_format: str = report_option()
    write_config: bool = typed(
        "--write-config", "Write the options limex would use to MODEL.toml.", is_flag=True
    )
    force: bool = flag("--force", "Replace a MODEL.toml that exists.", common=True)
    quiet: bool = flag("-q", "--quiet", "Print no warnings.", common=True)
    no_color: bool = flag("--no-color", "Print without colours.", common=True)

    def check_values(self) -> None:
        if self.against is not None and self.data_file is None:
            raise SettingsError(
                "--check-against needs inputs to compare", "name them with --data FILE"
            )
        if self.against is not None and self.no_load:
            raise SettingsError("--check-against loads both models", "leave out --no-load")

    def batch(self) -> ProbeRows | None:
        """Return which rows of which file; None to make some up."""
        from lime_cli.tools.inspect.measure import ProbeRows

        if self.data_file is None:
            return None
        return ProbeRows(self.data_file, self.n_rows, self.text_column)

    def output(self, path: str | None = None) -> Output:
        return Output(path, "table", self.force, Console(self.quiet), self.no_color)


@click.command(cls=ModelCommand)
@options(ImageModelOptions, InspectionOptions, ClockOptions)
def inspect(model: ImageModelOptions, options: InspectionOptions, _limits: ClockOptions) -> int:
    """Show what a model file contains, and how limex would use it.

    limex reads a pickle without building any object, and gives a verdict on every name in it. If
    the file may be loaded, limex then loads it and predicts two rows, unless --no-load is given.

    \b
    Examples:
      limex inspect model.pkl
      limex inspect stranger.pkl --no-load -f json
      limex inspect model.onnx --write-config
      limex inspect model.pkl --check-against model.onnx --data people.csv
    """
    file = model.file()
    sidecar = options.output(str(sidecar_of(file.path)))
    if options.write_config:
        sidecar.check(1)
    report, failure = _report(file, options)
    _print(report, options)
    if failure is not None:
        _say(failure)
        return failure.exit_code
    if options.write_config:
        _write_sidecar(report, sidecar)
    return DIFFERENT if report.check is not None and not report.check.agree else 0


def _report(file: ModelFile, options: InspectionOptions) -> tuple[ModelReport, LimexError | None]:
    """Look at the file and, where that is allowed, ask it; return also what failed."""
    from lime_cli.tools.inspect.measure import report_on

    with clock.loading():
        report = replace(report_on(file), said=file)
    if report.refusal is not None or options.no_load:
        return report, report.refusal
    from lime_cli.tools.inspect.measure import check, probe, shorter

    rows = options.batch()
    try:
        report = replace(report, probe=probe(file, report, rows))
        if options.against is not None and rows is not None:
            other = file._replace(
                path=options.against, format="auto", sha256=None, output=None, transformers=()
            )
            with clock.explaining({0: (1, "--check-against")}, 0):
                report = replace(report, check=check(file, other, report, rows, options.difference))
    except LimexError as error:
        loaded = report.probe is not None or isinstance(error, PredictionError)
        if isinstance(error, ModelError) and not loaded:
            error = shorter(error)
            report = replace(report, refusal=error)
        if isinstance(error, SettingsError) and "--tokenizer" in error.hint:
            error = ModelError(error.message, error.hint)  # the file lacks it, not the command
        return report, error
    return report, None


def _print(report: ModelReport, options: InspectionOptions) -> None:
    from lime_cli.tools.inspect.report import write_json, write_page

    output = options.output()
    with output.opened() as stream:
        write = write_json if options.report_format == "json" else write_page
        write(report, stream, output.look())


def _say(error: LimexError) -> None:
    context = click.get_current_context().find_root()
    print_error(error, bool(context.params.get("json_errors")))


def _write_sidecar(report: ModelReport, output: Output) -> None:
    from lime_cli.tools.inspect.measure import sidecar

    with output.opened() as stream:
        stream.write(sidecar(report).encode())
