"""``limex render``: draw saved explanations again, without the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lime_cli.errors import InputError
from lime_cli.formats import FORMATS
from lime_cli.options.images import drawing_options
from lime_cli.options.output import output_options
from lime_cli.running.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_cli.engine.explanation import Explanation


DRAWN = ("png", "jpg", "webp", "svg", "html")
"""Formats that show a picture."""

NEEDED = ("png", "jpg", "webp", "svg")
"""Formats that show nothing else."""


@click.command()
@click.argument("result")
@click.option(
    "--id", "ids", multiple=True, metavar="ID", help="Only this instance; may be given again."
)
@click.option(
    "--pictures",
    metavar="PATH",
    help="The picture that was explained, or the folder of several; without, they are looked for"
    " beside RESULT and in the current folder.",
)
@drawing_options
@output_options
def render(
    result: str,
    ids: tuple[str, ...],
    pictures: str | None,
    drawing: dict[str, Any],
    output: Output,
) -> None:
    """Draw saved explanations again: RESULT is JSON, JSON lines or a batch's folder.

    \b
    Examples:
      limex render explanation.json
      limex render out/ -f csv -o weights.csv
      limex render out/ --id 17 -f md
      limex render cat.json --pictures photos/ -o cat.png
    """
    from lime_cli.records.reading import read_explanations

    found = read_explanations(result)
    chosen = _chosen(found, frozenset(ids), result) if ids else found
    output.check(1)
    look = output.look(drawing)
    if output.format in DRAWN or pictures or (output.format == "table" and look.colour):
        chosen = _with_pictures(chosen, result, pictures, output.format in NEEDED)
    with output.opened() as stream:
        FORMATS[output.format](chosen, stream, look)


def _chosen(
    found: Iterator[Explanation], ids: frozenset[str], result: str
) -> Iterator[Explanation]:
    """Pass on the instances named; raise InputError for a name that none has."""
    missing = set(ids)
    for explanation in found:
        if explanation.subject.id in ids:
            missing.discard(explanation.subject.id)
            yield explanation
    if missing:
        raise InputError(f"{result}: has no instance {min(missing)!r}", "see limex render RESULT")


def _with_pictures(
    explanations: Iterator[Explanation], result: str, named: str | None, needed: bool
) -> Iterator[Explanation]:
    from lime_cli.records.pictures import Pictures

    places = Pictures(result, named)
    return (places.restored(one, needed) for one in explanations)
