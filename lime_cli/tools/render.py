"""``limex render``: draw saved explanations again, without the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, argument, option, options
from lime_cli.options.output import DrawingOptions, OutputOptions
from lime_cli.registry import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lime_cli.engine.explanation import Explanation


DRAWN = ("png", "jpg", "webp", "svg", "html")
"""Formats that show an image."""

NEEDED = ("png", "jpg", "webp", "svg")
"""Formats that show nothing else."""


class RenderOptions(Options, heading="Input"):
    """What is drawn again, as typed."""

    result: str = argument()
    ids: tuple[str, ...] = option(
        "--id", "Only this instance; repeatable.", metavar="ID", multiple=True
    )
    images: str | None = option(
        "--pictures",
        "Image that was explained, or a folder of such images; by default limex looks beside "
        "RESULT and in the current folder.",
        metavar="PATH",
    )


@click.command(cls=Command)
@options(RenderOptions, OutputOptions, DrawingOptions)
def render(options: RenderOptions, output: OutputOptions, drawing: DrawingOptions) -> None:
    """Draw saved explanations again: RESULT is JSON, JSON lines or a batch's folder.

    \b
    Examples:
      limex render explanation.json
      limex render out/ -f csv -o weights.csv
      limex render out/ --id 17 -f md
      limex render cat.json --pictures photos/ -o cat.png
    """
    from lime_cli.records.reading import read_explanations

    to, result = output.destination(), options.result
    found = read_explanations(result, to.console)
    chosen = _chosen(found, frozenset(options.ids), result) if options.ids else found
    to.check(1)
    look = drawing.applied(to.look())
    if to.format in DRAWN or options.images or (to.format == "table" and look.colour):
        chosen = _with_images(chosen, result, options.images, to.format in NEEDED)
    with to.opened() as stream:
        FORMATS[to.format](chosen, stream, look)


def _chosen(
    found: Iterator[Explanation], ids: frozenset[str], result: str
) -> Iterator[Explanation]:
    """Pass on the instances named; raise InputError for a name that none has."""
    from lime_cli.records.reading import unknown_instance

    missing, known = set(ids), []
    for explanation in found:
        known.append(explanation.subject.id)
        if explanation.subject.id in ids:
            missing.discard(explanation.subject.id)
            yield explanation
    if missing:
        raise unknown_instance(result, min(missing), known)


def _with_images(
    explanations: Iterator[Explanation], result: str, named: str | None, needed: bool
) -> Iterator[Explanation]:
    from lime_cli.records.reading import Images

    places = Images(result, named)
    return (places.restored(one, needed) for one in explanations)
