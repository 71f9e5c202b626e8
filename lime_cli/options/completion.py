"""What the shell offers for values: columns of the table named, classes of the model named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click


def columns(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the columns of the table typed so far, behind what stands before the last comma."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{one}" for one in _offered(_header(ctx), last)]


def conditions(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer columns where a condition has room for one: at its beginning, behind a blank."""
    before, blank, last = incomplete.rpartition(" ")
    return [f"{before}{blank}{one}" for one in _offered(_header(ctx), last)]


def targets(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the classes that the command line, the sidecar or the model's file name."""
    known = ("predicted", "all", "top:", *_classes(ctx))
    return _offered(known, incomplete)


def _offered(names: Iterable[object], begun: str) -> list[str]:
    """Return what may be shown: a shell takes lines apart, and a terminal obeys what is no word."""
    words = (one for one in names if isinstance(one, str) and one.isprintable())
    return [one for one in words if one.startswith(begun)]


def _place(ctx: click.Context, number: int) -> str | None:
    """Return a file that is given by its place.

    Where the option to complete still lacks its value, click leaves these arguments unparsed.
    """
    inputs = ctx.params.get("inputs") or ()
    parsed = (ctx.params.get("model"), ctx.params.get("data") or (inputs[0] if inputs else None))
    found = parsed[number] or (ctx.args[number] if len(ctx.args) > number else None)
    return found if isinstance(found, str) and Path(found).is_file() else None


def _header(ctx: click.Context) -> tuple[str, ...]:
    path = _place(ctx, 1)
    if path is None:
        return ()
    from lime_cli.tables.dialect import Dialect
    from lime_cli.tables.readers import open_table

    try:
        with open_table(path, Dialect(separator=ctx.params.get("sep"))) as stream:
            return tuple(stream.header)
    except Exception:  # whatever is wrong with a file, it has no names to offer
        return ()


def _classes(ctx: click.Context) -> Iterable[str]:
    model, said = _place(ctx, 0), ctx.params.get("classes")
    if isinstance(said, str) and not Path(said).is_file():
        return said.split(",")
    if model is None:
        return ()
    try:
        return tuple(_beside(model)) or tuple(_in_file(Path(model)))
    except Exception:  # as above
        return ()


def _beside(model: str) -> Iterator[str]:
    from lime_cli.options.layers import read_toml, sidecar_of

    sidecar = sidecar_of(model)
    said: Any = read_toml(sidecar)[1].get("classes") if sidecar.is_file() else None
    if isinstance(said, list):
        yield from map(str, said)


def _in_file(model: Path) -> Iterable[str]:
    """Read the names that a model's file spells out; nothing in it runs."""
    from lime_cli.models.model_file import format_of

    form = format_of(model)
    if form == "onnx":
        from lime_cli.models.names import names_in
        from lime_cli.models.onnx.graph import read_signature

        signature = read_signature(model)
        named = names_in(dict(signature.metadata).get("limex.classes", ""))
        return named or signature.classes or ()
    if form in ("pickle", "joblib"):
        from lime_cli.models.pickles.dry_run import outline_of

        return outline_of(model).classes or ()
    return ()
