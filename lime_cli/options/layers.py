"""Where options come from: defaults, then the sidecar, then the environment, then the line typed.

A command that takes a model gets the layers by ``model_options`` alone: they are put under the
command line as click's default map, for every option that the command shares with ``explain``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from lime_cli.console import Console
from lime_cli.errors import LimexError, SettingsError
from lime_cli.options.config import Config, ConfigEntry, Scalar, read_config, sidecar_of

PREFIX = "LIMEX_"

TRUSTING = frozenset(("trust", "trust-module", "import"))
"""Options that let a file run code: only who types them can mean them."""

WRITING = frozenset(("output", "save-segments", "save-samples", "force", "config", "no-config"))
"""Options that a file which came with a model must not decide."""

# fmt: off
DESCRIBING = frozenset((
    "activation", "assist", "background", "bins", "both", "categorical", "channels", "classes",
    "column", "decimal", "drop", "drop-failed", "each-position", "encoding", "features",
    "features-only", "fill", "fixed", "format", "group", "id-column", "input-form", "invert",
    "kernel-width", "key", "label", "layout", "like-lime", "mask", "max-samples", "max-tokens",
    "mean",
    "merge-repeats", "model-format", "model-output", "na-values", "negative", "no-header",
    "numeric", "onehot", "penalty", "pixel-range", "positive", "preprocess", "resize", "samples",
    "scale", "seed", "segment-seed", "segmenter", "segments", "selection", "sep", "show", "size",
    "std", "style", "surrogate", "target", "task", "text-column", "thousands", "tokenizer",
    "tolerance", "top", "unit", "weight-scale",
))
# fmt: on
"""Options that a sidecar may give: what a model and its inputs are, how they are explained.

A sidecar comes with a model, so that whoever made the model wrote it. It describes and never acts:
it starts no process, opens no connection, deletes nothing, and names no file outside its folder.
"""

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")

_ORIGINS = "lime_cli.layers.origins"

_CONFIG = "lime_cli.layers.config"


@dataclass(frozen=True)
class Switch:
    """One long name of an option, and the value it stands for where it is a flag."""

    option: click.Option
    flag: Any = None

    @property
    def name(self) -> str:
        """The name by which the command receives the option."""
        return str(self.option.name)

    @property
    def many(self) -> bool:
        """Whether the option takes a list."""
        return self.option.multiple or getattr(self.option.type, "takes_many", False)


@dataclass(frozen=True)
class OptionOrigin:
    """Where the value of an option was found, for messages."""

    place: str
    """File and line, or the variable."""
    key: str
    """The long name in a file; empty for a variable, whose name says it."""

    def say(self, words: str) -> str:
        """Put the place before a sentence on the value."""
        return f"{self.place}: {self.key}: {words}" if self.key else f"{self.place}: {words}"


def read_layers(ctx: click.Context, model: str) -> None:
    """Put sidecar and environment under the command line of ``ctx``.

    Raises SettingsError for a file that does not fit, naming file and line.
    """
    if ctx.resilient_parsing:
        return
    known = _explain_switches(ctx)
    command = ctx.info_name or ""
    config = _config_of(ctx, model, tuple(known))
    found: dict[str, tuple[Any, OptionOrigin]] = {}
    for entry in _in_force(config, known, command):
        switch = known[_modality(entry, known, command)][entry.key]
        origin = OptionOrigin(entry.place, entry.key)
        found[switch.name] = _from_file(switch, entry, origin, cast(Config, config)), origin
    every = {long: one for table in known.values() for long, one in table.items()}
    for long, switch in known.get(command, every).items():
        variable = _variable(long)
        if variable in os.environ and long not in TRUSTING:
            origin = OptionOrigin(variable, "")
            found[switch.name] = _from_words(switch, os.environ[variable], origin), origin
    ctx.default_map = {name: value for name, (value, _) in found.items() if value is not None}
    ctx.meta[_ORIGINS] = {name: origin for name, (_, origin) in found.items()}
    ctx.meta[_CONFIG] = config


def tell_layers(ctx: click.Context) -> None:
    """Say once, on standard error, that a sidecar was read."""
    config = ctx.meta.pop(_CONFIG, None)
    if config is not None:
        Console(bool(ctx.params.get("quiet"))).say(f"options from {config.path}")


def origin_of(ctx: click.Context | None, name: str | None) -> OptionOrigin | None:
    """Tell where a layer gave an option its value; None where it was typed, or is the default."""
    if ctx is None or name is None:
        return None
    layered = ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
    origin: OptionOrigin | None = ctx.meta.get(_ORIGINS, {}).get(name)
    return origin if layered else None


def placed(error: LimexError, ctx: click.Context) -> LimexError:
    """Return an error about an option, ``--samples: ...``, with where its value was found."""
    said = re.match(r"--(?P<long>[a-z0-9-]+):? (?P<words>.*)", error.message)
    if said is None:
        return error
    own = (one for one in ctx.command.params if f"--{said['long']}" in one.opts)
    origin = next((origin_of(ctx, one.name) for one in own), None)
    return error if origin is None else type(error)(origin.say(said["words"]), error.hint)


def _explain_switches(ctx: click.Context) -> dict[str, dict[str, Switch]]:
    """List the options of every kind of explanation by their long names, modality by modality."""
    root = ctx.find_root()
    group = cast(click.Group, root.command)
    explain = cast(click.Group, group.get_command(root, "explain") or group)
    return {name: switches(command) for name, command in explain.commands.items()}


def switches(command: click.Command) -> dict[str, Switch]:
    """List a command's options by their long names, without the dashes."""
    found = {}
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        on = option.flag_value if isinstance(option.flag_value, str) else True
        for value, names in ((on, option.opts), (False, option.secondary_opts)):
            for long in names:
                if long.startswith("--"):
                    found[long[2:]] = Switch(option, value if option.is_flag else None)
    return found


def _config_of(ctx: click.Context, model: str, tables: tuple[str, ...]) -> Config | None:
    """Find and read the file of options: the one named, else the model's sidecar."""
    typed, refused = ctx.params.get("config"), ctx.params.get("no_config")
    if typed and refused:
        raise SettingsError("--config and --no-config contradict each other", "leave one out")
    if refused or (not typed and os.environ.get(_variable("no-config"), "").lower() in TRUE):
        return None
    named = typed or os.environ.get(_variable("config"))
    if named:
        return read_config(Path(named), tables)
    path = sidecar_of(model)
    try:
        return replace(read_config(path, tables), beside=True) if path.is_file() else None
    except (OSError, ValueError):  # no name that a file could have
        return None


def _variable(long: str) -> str:
    return PREFIX + long.upper().replace("-", "_")


def _modality(entry: ConfigEntry, known: dict[str, dict[str, Switch]], command: str) -> str:
    """Name the modality whose option an entry is; raise SettingsError for none."""
    tables = [entry.table] if entry.table else [command, *known]
    if entry.key in TRUSTING or entry.key in WRITING:
        what = "trust cannot be set" if entry.key in TRUSTING else f"{entry.key} cannot be set"
        hint = f"say --{entry.key} on the command line"
        raise SettingsError(f"{entry.place}: {what} in a file of options", hint)
    for table in tables:
        if entry.key in known.get(table, {}):
            return table
    keys = sorted({key for table in tables for key in known.get(table, {})} - TRUSTING - WRITING)
    near = get_close_matches(entry.key, keys, n=1, cutoff=0.5)
    where = f" in [{entry.table}]" if entry.table else ""
    hint = f"did you mean {near[0]!r}?" if near else "options stand there by their long names"
    raise SettingsError(f"{entry.place}: unknown option {entry.key!r}{where}", hint)


def _require_describing(entry: ConfigEntry) -> None:
    """Raise SettingsError for an entry of a sidecar that does more than describe."""
    python = entry.key == "model-format" and entry.value == "python"
    if entry.key in DESCRIBING and not python:
        return
    what = "model-format: python" if python else entry.key
    said = f"{entry.place}: {what} cannot be set in a file beside a model"
    raise SettingsError(said, f"say --{entry.key} on the command line, or name the file: --config")


def _in_force(
    config: Config | None, known: dict[str, dict[str, Switch]], command: str
) -> list[ConfigEntry]:
    """Check all entries; return those for a command, those of its own table last."""
    entries = config.entries if config else ()
    for entry in entries:
        _modality(entry, known, command)
        if config and config.beside:
            _require_describing(entry)
    own = [one for one in entries if one.key in known.get(command, (one.key,))]
    return [one for table in ("", command) for one in own if one.table == table]


def _from_file(switch: Switch, entry: ConfigEntry, origin: OptionOrigin, config: Config) -> Any:
    """Return a value of a file as the command line would have spelled it."""
    value = entry.value
    if switch.flag is not None:
        if not isinstance(value, bool):
            raise SettingsError(origin.say(f"{value!r} is not possible"), "give true or false")
        return _flagged(switch, value)
    if isinstance(value, tuple):
        if not switch.many:
            raise SettingsError(origin.say("is a list"), "give one value")
        return tuple(map(_spelled, value))
    words = _located(switch, origin, _spelled(value), config)
    return (words,) if switch.option.multiple else words


def _from_words(switch: Switch, words: str, origin: OptionOrigin) -> Any:
    """Return the value of a variable; a list is separated by commas."""
    if switch.flag is not None:
        if words.lower() not in TRUE + FALSE:
            raise SettingsError(origin.say(f"{words!r} is not possible"), "give 1 or 0")
        return _flagged(switch, words.lower() in TRUE)
    if switch.option.multiple:
        return tuple(part.strip() for part in words.split(",") if part.strip())
    return words


def _flagged(switch: Switch, on: bool) -> Any:
    if isinstance(switch.flag, bool):
        return switch.flag is on
    return switch.flag if on else None


def _spelled(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _located(switch: Switch, origin: OptionOrigin, words: str, config: Config) -> Any:
    """Put the folder of the file before a path that is written in it; words stay as they are.

    Names that are no file beside it are a list, so that none of them is looked for elsewhere.
    Raises SettingsError for a path out of the folder that holds a sidecar.
    """
    kinds = (switch.option.metavar or "").split("|")
    if "FILE" not in kinds:
        return words
    folder = config.path.parent
    path = folder / words
    try:
        real = path.resolve()
        looks = path.is_file() or (
            bool(path.suffix or "/" in words) and not (switch.many and {",", ":"} & set(words))
        )
        inside = real.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # too long, a circle of links, or a NUL in it
        raise SettingsError(origin.say(f"{words!r} is no file's name"), "name a file") from None
    if len(kinds) > 1 and not looks:
        return tuple(part.strip() for part in words.split(",")) if switch.many else words
    if config.beside and not inside:
        hint = f"say --{origin.key} on the command line, or name the file: --config"
        raise SettingsError(origin.say(f"{words} lies outside the folder of the model"), hint)
    return str(path)
