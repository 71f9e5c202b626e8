"""``limex summarize``: many explanations in one table, and the instances that stand for them."""

from __future__ import annotations

import click

from lime_cli.options.output import summary_options, top_option
from lime_cli.running.output import Output


@click.command()
@click.argument("result")
@top_option
@click.option(
    "--pick",
    "picks",
    type=click.IntRange(0),
    default=0,
    metavar="B",
    help="Choose B instances that stand for all (submodular pick).",
)
@summary_options
def summarize(result: str, top: int, picks: int, output: Output) -> None:
    """Sum up many explanations: RESULT is JSON lines or a batch's folder.

    \b
    Examples:
      limex summarize out/
      limex summarize out/ --pick 5 -f json
      limex summarize explanations.jsonl -o summary.csv
      limex summarize out/ -o summary.png
    """
    from lime_cli.formats.sheets import WRITERS
    from lime_cli.records.reading import read_entries
    from lime_cli.tools.summarize.measure import summarize as sum_up
    from lime_cli.tools.summarize.report import sheet_of

    output.check(1)
    summary, chosen = sum_up(read_entries(result), top, picks)
    with output.opened() as stream:
        if output.format == "png":
            from lime_cli.tools.summarize.report import save

            save(summary, stream)
        else:
            WRITERS[output.format](sheet_of(summary, chosen), stream, output.look())
