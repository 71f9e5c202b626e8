"""``limex summarize``: many explanations in one table, and the instances that stand for them."""

from __future__ import annotations

import click

from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, option, options
from lime_cli.options.output import SheetOptions, format_option, top_option
from lime_cli.registry import SHEETS


class SummaryOptions(Options, heading="Summary"):
    """What is summed up, as typed."""

    result: str = argument()
    top: int = top_option()
    picks: int = option(
        "--pick",
        "Choose B representative instances (submodular pick).",
        type=click.IntRange(0),
        default=0,
        metavar="B",
    )


class SummaryOutputOptions(SheetOptions):
    """Where the summary goes, as typed."""

    formats: tuple[str, ...] = (*SHEETS, "png", "svg")

    format_name: str | None = format_option(formats)


@click.command(cls=Command)
@options(SummaryOptions, SummaryOutputOptions)
def summarize(options: SummaryOptions, output: SummaryOutputOptions) -> None:
    """Summarize many explanations: RESULT is JSON lines or the folder of a batch.

    \b
    Examples:
      limex summarize out/
      limex summarize out/ --pick 5 -f json
      limex summarize explanations.jsonl -o summary.csv
      limex summarize out/ -o summary.png
    """
    from lime_cli.formats.sheets import WRITERS
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.summarize.measure import sheet_of
    from lime_cli.tools.summarize.measure import summarize as sum_up

    to = output.destination()
    to.check(1)
    summary, chosen = sum_up(read_entries(options.result, to.console), options.top, options.picks)
    with to.opened() as stream:
        if to.format in ("png", "svg"):
            from lime_cli.tools.summarize.measure import save

            save(summary, stream, to.format)
        else:
            WRITERS[to.format](sheet_of(summary, chosen), stream, to.look())
