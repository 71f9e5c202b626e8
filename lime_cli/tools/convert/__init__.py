"""``limex convert``: a Python model as an ONNX file, that is proved to predict the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lime_cli.console import Console
from lime_cli.errors import ModelError, SettingsError
from lime_cli.options.commands import ModelCommand
from lime_cli.options.groups import Options, argument, flag, option, options
from lime_cli.options.layers import sidecar_of
from lime_cli.options.model import ModelOptions
from lime_cli.options.output import difference_option, report_option
from lime_cli.options.running import ClockOptions
from lime_cli.running.output import Output

if TYPE_CHECKING:
    from lime_cli.tools.convert.measure import Conversion


class ConversionOptions(Options, heading="Conversion"):
    """What both models are asked, how far they may differ, and where the new one goes, as typed."""

    data: str | None = argument("[DATA]", required=False)
    output: str = option(
        "-o", "--output", "File to write.", metavar="MODEL.onnx", required=True, common=True
    )
    background: str | None = option(
        "--background",
        "Table for the comparison, if DATA is not given.",
        metavar="FILE",
        common=True,
    )
    text_column: str | None = option(
        "--column", "Column of DATA that contains the texts.", metavar="NAME", common=True
    )
    n_rows: int = option(
        "--rows",
        "Largest number of rows to compare.",
        type=click.IntRange(2),
        default=1000,
        metavar="N",
        typed=True,
        common=True,
    )
    difference: float = difference_option(
        "Largest difference to accept, as a share of the largest prediction."
    )
    report_format: str = report_option()
    force: bool = flag("--force", "Replace files that exist.", common=True)
    quiet: bool = flag("-q", "--quiet", "Print nothing but the report.", common=True)

    def check_values(self) -> None:
        if not self.output.lower().endswith(".onnx"):
            raise SettingsError(
                f"--output: {self.output} is not an ONNX file", "name it MODEL.onnx"
            )

    @property
    def rows_path(self) -> str:
        """Path of the rows to ask about; raise SettingsError where none are named."""
        path = self.data or self.background
        if path is None:
            raise SettingsError(
                "limex convert needs rows on which to compare both models",
                "name a table: limex convert MODEL DATA -o MODEL.onnx",
            )
        return path

    def destination(self, path: str) -> Output:
        console = Console(self.quiet)
        return Output(path, "table", self.force, console, no_color=True)


@click.command(cls=ModelCommand)
@options(ModelOptions, ConversionOptions, ClockOptions)
def convert(model: ModelOptions, asked: ConversionOptions, _clock: ClockOptions) -> None:
    """Convert a model of scikit-learn, XGBoost, LightGBM or CatBoost to ONNX.

    limex writes the ONNX model only if it predicts the same as MODEL, for rows of DATA and for
    mixtures of them. Loading an ONNX model runs no code and needs no Python library.
    MODEL.onnx.toml beside it holds the options for limex explain.

    \b
    Examples:
      limex convert model.pkl train.csv -o model.onnx
      limex convert spam.joblib mails.csv --column text -o spam.onnx
      limex convert model.ubj train.csv --tolerance 1e-6 -o model.onnx
    """
    from lime_cli.tools.convert.measure import ProofRows, convert_model
    from lime_cli.tools.inspect.measure import ProbeRows

    sidecar = str(sidecar_of(asked.output))
    for path in (asked.output, sidecar):
        asked.destination(path).check(1)
    rows = ProofRows(ProbeRows(asked.rows_path, asked.n_rows, asked.text_column), asked.difference)
    made = convert_model(model.file(), rows, asked.output)
    if not made.agrees:
        raise ModelError(
            f"{Path(model.model).name}: its ONNX model predicts something else: {made.worst.said}",
            made.advice,
        )
    for path, content in ((asked.output, made.content), (sidecar, made.sidecar.encode())):
        with asked.destination(path).opened() as stream:
            stream.write(content)
    _report(made, asked)


def _report(made: Conversion, asked: ConversionOptions) -> None:
    output = replace(asked.destination(asked.output), path=None)
    with output.opened() as stream:
        if asked.report_format == "json":
            words = json.dumps(made.record(), indent=2)
        else:
            words = "\n".join(made.lines())
        stream.write((words + "\n").encode())
