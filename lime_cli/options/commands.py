"""Commands whose options stand in groups, and those that outlive what a model does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lime_cli.clock import TimeLimits
from lime_cli.cores import limit_libraries, usable_cores
from lime_cli.errors import SOME_FAILED
from lime_cli.files import secret
from lime_cli.options.layers import Option
from lime_cli.registry import LOGS
from lime_cli.running.containment import Containment, die_of_interrupts, leave_at_signals
from lime_cli.sources import fetched, local

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation

MANY = 20
"""Options, at most, that the short help shows all of."""

ORDER = ("Model", "Input", "Table format", "Columns", "Explanation", "Output", "Drawing", "Running")
"""Headings in the order of a person's questions; those of a tool alone come first."""

PARENTS = {
    "Model": "Input",
    "Table format": "Input",
    "Columns": "Input",
    "Drawing": "Output",
}
"""Headings of the short help; the long one has ``Input: columns`` and the like below them."""


class Command(click.Command):
    """A command with options in groups: ``--help`` shows the usual ones, ``--help-all`` all."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        options = [one for one in self.params if isinstance(one, Option) and not one.hidden]
        self.short = len(options) > MANY
        """Whether there are options that the short help does not show."""
        show_all = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            hidden=not self.short,
            callback=_show_all,
            help=f"Show all {len(options)} options and exit.",
        )
        self.params.append(show_all)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by their groups; those of a short help alone, unless told otherwise."""
        short = self.short and not ctx.meta.get(_ALL)
        parts: dict[str, list[tuple[str, str]]] = {}
        below: dict[str, list[tuple[str, str]]] = {}
        rest = []
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is None or isinstance(one, click.Argument):
                continue
            if not isinstance(one, Option):
                rest.append(record)
            elif one.common or not short:
                parent = PARENTS.get(one.heading) if short else None
                if parent:
                    below.setdefault(parent, []).append(record)
                else:
                    parts.setdefault(one.heading, []).append(record)
        for heading, records in below.items():  # behind those of the heading itself
            parts.setdefault(heading, []).extend(records)
        order = sorted(parts, key=lambda one: ORDER.index(one) if one in ORDER else -1)
        for heading in order:
            parent = None if short else PARENTS.get(heading)
            with formatter.section(f"{parent}: {heading.lower()}" if parent else heading):
                formatter.write_dl(parts[heading])
        with formatter.section("Help"):
            formatter.write_dl(rest)


_ALL = "lime_cli.commands.all"


def _show_all(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


_TYPED = "lime_cli.commands.typed"

LEFT_OUT = ("Output", "Drawing", "Running", "threads", "batch_size", "max_memory")
"""Headings, and single options, that change no number."""


def command_line(ctx: click.Context) -> str:
    """Spell what was typed, as far as it changes a number; of paths and addresses the last name.

    So that a record holds no folder of a machine, and no password of an address.
    """
    typed: list[str] = list(ctx.meta.get(_TYPED, ()))
    values, _, order = ctx.command.make_parser(ctx).parse_args(list(typed))
    words = ["limex", *ctx.command_path.split()[1:]]
    arguments: list[str] = []
    options: list[str] = []
    for one in dict.fromkeys(order):  # an argument that is not given has a mark of click's
        value = values.get(str(one.name))
        if isinstance(one, click.Argument):
            given = value if isinstance(value, tuple | list) else [value]
            arguments += [_last_name(one) for one in given if isinstance(one, str)]
        elif isinstance(one, Option) and not {one.heading, one.name} & {*LEFT_OUT}:
            long = max(one.opts, key=len)
            if one.is_flag:
                options.append(long if value or not one.secondary_opts else one.secondary_opts[0])
                continue
            for each in value if isinstance(value, list) else [value]:
                options += [long, _last_name(each)]
    import shlex

    return shlex.join([*words, *arguments, *options])


def _last_name(word: Any) -> str:
    text = str(word)
    if "://" in text:
        text = text.partition("?")[0].partition("#")[0]
    else:
        try:
            if not Path(text).exists():
                return text
        except (OSError, ValueError):  # too long for a name, or with a NUL: no path but a text
            return text
    return text.rstrip("/").rpartition("/")[2] or text


class ModelCommand(Command):
    """A command with a parameter MODEL that outlives what its model does to its process."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run in a child of ``limex``; in this process where the program is called as a library.

        With workers the model is theirs, and this process never loads it.

        Options are parsed by now and nothing heavy is imported yet: forking is cheap and safe. What
        needs the network is done here: inputs are fetched before, a result is logged afterwards.
        """
        for name in _INPUTS:
            if ctx.params.get(name):
                ctx.params[name] = _fetched(ctx.params[name])
        if ctx.params.get("log") is None:
            return self._contained(ctx)
        with Logging(ctx) as logging:
            code = self._contained(ctx)
            logging.finish(code)
        if (containment := ctx.find_object(Containment)) is not None:
            containment.hurries = False  # the tracker's library may end its own way
        return code

    def _contained(self, ctx: click.Context) -> Any:
        containment = ctx.find_object(Containment)
        output = ctx.params.get("output")
        if containment is not None:
            limit_libraries(_threads(ctx.params))
        if output is not None:
            secret()  # while files can still be made anywhere
        workers = [ctx.params.get(key) for key in ("jobs", "executor", "scheduler")]
        if containment is not None and any(one is not None for one in workers):
            leave_at_signals()
        elif containment is not None:
            code = containment.enter(
                ctx.params["model"],
                None if output is None else str(Path(output).parent),
                TimeLimits(ctx.params["load_timeout"], ctx.params["item_timeout"]),
            )
            if code is not None:
                return code
            if hasattr(os, "fork"):
                die_of_interrupts()
                _fence(ctx.params)
        return super().invoke(ctx)


_INPUTS = ("inputs", "data", "background", "data_file")
"""Parameters that name files, which may be on other machines."""


def _fetched(names: Any) -> Any:
    return fetched(names) if isinstance(names, str) else tuple(map(fetched, names))


_RECORD = "lime_cli.commands.record"


def record_path(ctx: click.Context) -> Path | None:
    """Return the file that keeps the record of an instance alone for a log; None without one."""
    found: Path | None = ctx.meta.get(_RECORD)
    return found


class Logging:
    """A result on its way to an experiment tracker, from this process alone."""

    def __init__(self, ctx: click.Context) -> None:
        """Raise MissingDependency before anything is explained."""
        self._ctx, self._process = ctx, os.getpid()
        self._log = LOGS[ctx.params["log"]]()

    def __enter__(self) -> Logging:
        import tempfile

        self._folder = tempfile.mkdtemp(prefix=".limex-")
        self._ctx.meta[_RECORD] = Path(self._folder, "record.jsonl")
        return self

    def __exit__(self, *_: object) -> None:
        if os.getpid() == self._process:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def finish(self, code: Any) -> None:
        """Log what was explained, though some of it failed; nothing in a child of this process."""
        if os.getpid() != self._process or code not in (None, 0, SOME_FAILED):
            return
        from lime_cli.console import Console
        from lime_cli.records.reading import Images, read_explanations

        output, inputs = self._ctx.params.get("output"), self._ctx.params.get("inputs", ())
        folder = Path(output) if output is not None and Path(output).is_dir() else None
        result = str(folder or self._ctx.meta[_RECORD])
        places = Images(result, inputs=tuple(str(local(one)) for one in inputs))

        def explanations() -> Iterator[Explanation]:
            return (places.restored(one, needed=False) for one in read_explanations(result))

        place = self._log(explanations, folder)
        Console(self._ctx.params.get("quiet", False)).say(f"logged {place}")


def _threads(given: dict[str, Any]) -> int:
    """Return the threads of libraries: one, but for a function, which may be any program's."""
    if given["threads"] is not None:
        return int(given["threads"])
    is_function = given["model"].startswith("py:") or given["model_format"] == "python"
    return usable_cores() if is_function else 1


_WRITTEN = ("output", "save_samples", "save_segments")


def _fence(given: dict[str, Any]) -> None:
    """Fence the child, unless the person trusts the model; ``-v`` says so."""
    from lime_cli.console import Console
    from lime_cli.running import fence

    trusts = bool(given["trust"] or given["trust_modules"] or given["imports"])
    if not fence.is_due(given["model"], given["model_format"], trusts, given["provider"]):
        return
    places = [given[one] for one in _WRITTEN if given.get(one) is not None]
    if given.get("write_config"):
        places.append(given["model"])
    draws = given.get("output") is not None or "segmenter" in given
    fence.enter(places, draws)
    if fence.kept():
        Console(verbose=bool(given.get("verbose"))).detail(
            f"the model is confined by {fence.kept()}: it cannot start programs or reach the "
            f"network, and can write only where results and temporary files go"
        )
