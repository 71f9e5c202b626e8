"""``limex compare``: what changed between two explanations of the same instances."""

from __future__ import annotations

from typing import Any

import click

from lime_cli.options.output import sheet_options, top_option
from lime_cli.options.types import option_group
from lime_cli.running.output import Output

FOUND = 1


def _limits(
    min_correlation: float | None,
    min_overlap: float | None,
    max_flips: int | None,
    max_change: float | None,
    max_changed: float | None,
    max_prediction_change: float | None,
) -> dict[str, Any]:
    return dict(locals())


limit_options = option_group(
    "limits",
    _limits,
    click.option(
        "--min-correlation", type=float, metavar="R", help="Find a lower rank correlation."
    ),
    click.option(
        "--min-overlap",
        type=click.FloatRange(0, 1),
        metavar="X",
        help="Find a smaller share of top components in common.",
    ),
    click.option(
        "--max-flips", type=click.IntRange(0), metavar="N", help="Find more sign changes."
    ),
    click.option(
        "--max-change",
        type=click.FloatRange(0),
        metavar="X",
        help="Find a change of more joint standard errors.",
    ),
    click.option(
        "--max-changed",
        type=click.FloatRange(0, 1),
        metavar="X",
        help="Find a larger share of all weights changed beyond both error bars.",
    ),
    click.option(
        "--max-prediction-change",
        type=click.FloatRange(0),
        metavar="X",
        help="Find a prediction that changed more.",
    ),
)


@click.command()
@click.argument("old")
@click.argument("new")
@top_option
@limit_options
@sheet_options
def compare(old: str, new: str, top: int, limits: dict[str, Any], output: Output) -> int:
    """Tell what changed between two results of the same instances: OLD and NEW.

    Each is JSON, JSON lines or a batch's folder. With a limit the exit code is 1 where it is
    broken; without limits it is 0.

    \b
    Examples:
      limex compare old.jsonl new.jsonl
      limex compare pickle.json onnx.json --max-change 3
      limex compare old/ new/ --max-flips 0 --max-changed 0.1 -f md
    """
    from lime_cli.formats.sheets import WRITERS
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.compare.measure import Comparison, Limits, collect
    from lime_cli.tools.compare.measure import compare as differences
    from lime_cli.tools.compare.report import sheet_of

    output.check(1)
    found = Comparison(Limits(**limits), top)
    collect(differences(read_entries(old), read_entries(new), top, found.unmatched), found)
    with output.opened() as stream:
        WRITERS[output.format](sheet_of(found), stream, output.look())
    return FOUND if found.findings else 0
