"""``limex compare``: what changed between two explanations of the same instances."""

from __future__ import annotations

import click

from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, option, options
from lime_cli.options.output import SheetOptions, top_option

FOUND = 1


class ComparisonOptions(Options, heading="Comparison"):
    """What is compared, and what is a finding, as typed."""

    old: str = argument()
    new: str = argument()
    top: int = top_option()
    min_correlation: float | None = option(
        "--min-correlation", "Find a lower rank correlation.", type=float, metavar="R"
    )
    min_overlap: float | None = option(
        "--min-overlap",
        "Find a smaller share of top components in common.",
        type=click.FloatRange(0, 1),
        metavar="X",
    )
    max_flips: int | None = option(
        "--max-flips", "Find more sign changes.", type=click.IntRange(0), metavar="N"
    )
    max_change: float | None = option(
        "--max-change",
        "Find a change of more joint standard errors.",
        type=click.FloatRange(0),
        metavar="X",
    )
    max_changed: float | None = option(
        "--max-changed",
        "Find a larger share of all weights changed beyond both error bars.",
        type=click.FloatRange(0, 1),
        metavar="X",
    )
    max_prediction_change: float | None = option(
        "--max-prediction-change",
        "Find a prediction that changed more.",
        type=click.FloatRange(0),
        metavar="X",
    )


@click.command(cls=Command)
@options(ComparisonOptions, SheetOptions)
def compare(options: ComparisonOptions, output: SheetOptions) -> int:
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

    to = output.destination()
    to.check(1)
    limits = Limits(
        options.min_correlation,
        options.min_overlap,
        options.max_flips,
        options.max_change,
        options.max_changed,
        options.max_prediction_change,
    )
    found = Comparison(limits, options.top)
    old, new = read_entries(options.old), read_entries(options.new)
    collect(differences(old, new, options.top, found.unmatched), found)
    found.unmatched.warn()
    with to.opened() as stream:
        WRITERS[to.format](sheet_of(found), stream, to.look())
    return FOUND if found.findings else 0
