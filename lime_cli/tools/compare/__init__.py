"""``limex compare``: what changed between two explanations of the same instances."""

from __future__ import annotations

from typing import Any

import click

from lime_cli.errors import SettingsError
from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, option, options
from lime_cli.options.output import SheetOptions, format_option, top_option
from lime_cli.registry import SHEETS
from lime_cli.running.output import Output

FOUND = 1


def limit(name: str, instances: str, kind: Any, metavar: str) -> Any:
    """Declare the field of a limit beyond which instances are reported."""
    return option(name, f"Report instances {instances}.", type=kind, metavar=metavar)


class ComparisonOptions(Options, heading="Comparison"):
    """What is compared, and what is a finding, as typed."""

    old: str = argument()
    new: str | None = argument(required=False)
    rows: str | None = option(
        "--rows",
        "Compare two rows of OLD, named by their ids, and nothing else.",
        metavar="A,B",
    )
    top: int = top_option()
    min_correlation: float | None = limit(
        "--min-correlation", "with a lower rank correlation", float, "R"
    )
    min_overlap: float | None = limit(
        "--min-overlap", "with fewer top components in common", click.FloatRange(0, 1), "X"
    )
    max_flips: int | None = limit("--max-flips", "with more sign changes", click.IntRange(0), "N")
    max_change: float | None = limit(
        "--max-change", "with a larger change, in joint standard errors", click.FloatRange(0), "X"
    )
    max_changed: float | None = option(
        "--max-changed",
        "Report a larger share of weights changed beyond both error bars.",
        type=click.FloatRange(0, 1),
        metavar="X",
    )
    max_prediction_change: float | None = limit(
        "--max-prediction-change",
        "with a larger change of the prediction",
        click.FloatRange(0),
        "X",
    )


class ComparisonOutputOptions(SheetOptions):
    """Where the comparison goes, as typed."""

    formats: tuple[str, ...] = (*SHEETS, "png", "svg")

    format_name: str | None = format_option(formats)


@click.command(cls=Command)
@options(ComparisonOptions, ComparisonOutputOptions)
def compare(options: ComparisonOptions, output: ComparisonOutputOptions) -> int:
    """Show what changed between two results of the same instances: OLD and NEW.

    Each is JSON, JSON lines or the folder of a batch. The exit code is 1 if a limit is broken,
    and 0 otherwise. With --rows, two rows of OLD are compared.

    \b
    Examples:
      limex compare old.jsonl new.jsonl
      limex compare pickle.json onnx.json --max-change 3
      limex compare old/ new/ --max-flips 0 --max-changed 0.1 -f md
      limex compare old/ new/ -o changes.png
      limex compare out/ --rows 3,17
    """
    from lime_cli.formats.sheets import WRITERS
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.compare.measure import Comparison, Limits, collect
    from lime_cli.tools.compare.measure import compare as differences
    from lime_cli.tools.compare.report import save, sheet_of

    to = output.destination()
    to.check(1)
    if options.rows is not None:
        return _two_rows(options, to)
    if options.new is None:
        raise SettingsError("limex compare requires NEW", "name two results, or give --rows")
    limits = Limits(
        options.min_correlation,
        options.min_overlap,
        options.max_flips,
        options.max_change,
        options.max_changed,
        options.max_prediction_change,
    )
    found = Comparison(limits, options.top)
    old = read_entries(options.old, to.console)
    new = read_entries(options.new, to.console)
    collect(differences(old, new, options.top, found.unmatched), found)
    found.unmatched.warn()
    with to.opened() as stream:
        if to.format in ("png", "svg"):
            save(found, stream, to.format)
        else:
            WRITERS[to.format](sheet_of(found), stream, to.look())
    to.tell_findings(len(found.findings))
    return FOUND if found.findings else 0


def _two_rows(options: ComparisonOptions, to: Output) -> int:
    from lime_cli.formats.sheets import WRITERS
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.compare import rows

    given = vars(options)
    limits = [
        name for name in given if name.startswith(("min_", "max_")) and given[name] is not None
    ]
    if options.new is not None or limits:
        what = f"--{limits[0].replace('_', '-')}" if limits else "NEW"
        raise SettingsError(f"--rows compares rows of one result, without {what}", "leave one out")
    first, comma, second = (options.rows or "").partition(",")
    first, second = first.strip(), second.strip()
    if not comma or not first or not second or "," in second or first == second:
        raise SettingsError(f"--rows: {options.rows!r} is not two rows", "name two, such as 3,17")
    found = rows.two_rows(read_entries(options.old, to.console), (first, second), options.old)
    with to.opened() as stream:
        if to.format in ("png", "svg"):
            rows.save(found, stream, to.format)
        else:
            WRITERS[to.format](rows.sheet_of(found), stream, to.look())
    return 0
