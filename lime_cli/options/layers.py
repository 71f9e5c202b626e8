"""Where options come from: defaults, pyproject.toml, the sidecar, the environment, the line typed.

A command that takes a model has the layers: its sidecar is click's default map, for every option
that the command shares with ``explain``, and its options have variables that are read then.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from lime_cli.console import Console
from lime_cli.errors import LimexError, SettingsError
from lime_cli.files import read_small
from lime_cli.registry import SUFFIXES, renamed
from lime_cli.running.containment import Containment

PREFIX = "LIMEX_"

TRUSTING = frozenset(("trust", "trust-module", "import"))
"""Options that let a file run code: only who types them can mean them."""

WRITING = frozenset(("output", "save-segments", "save-samples", "force", "config", "no-config"))
"""Options that a file which came with a model must not decide."""

# fmt: off
DESCRIBING = frozenset((
    "activation", "against", "background", "bins", "both", "categorical", "channels",
    "classes",
    "column", "columns", "dates", "decimal", "drop", "drop-failed", "each-position", "encoding",
    "features",
    "features-only", "fill", "fixed", "format", "group", "id-column", "input-form", "invert",
    "kernel", "kernel-width", "key", "label", "layout", "like-lime", "map", "mask", "max-samples",
    "max-tokens", "mean",
    "merge-repeats", "model-format", "model-output", "na-values", "negative", "no-header",
    "numeric", "onehot", "penalty", "pixel-range", "positive", "preprocess", "quote", "radius",
    "read-as",
    "refit", "rename", "resample", "resize", "samples", "scale", "seed", "segment-seed",
    "segmenter", "segments", "selection", "sep", "sheet", "show", "size", "skip", "std",
    "strings", "strip", "style", "surrogate", "target", "task", "text-column", "thousands",
    "tokenizer", "tolerance", "top", "transformer", "unit", "weight-scale",
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
        return str(self.option.name)

    @property
    def many(self) -> bool:
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


class Option(click.Option):
    """An option under a heading of the help, with variables ``LIMEX_<OPTION>``."""

    def __init__(
        self, *args: Any, heading: str, common: bool = False, typed: bool = False, **attributes: Any
    ) -> None:
        """A ``common`` option is in the short help; a ``typed`` one has no variable."""
        shown = (
            attributes.get("default") not in (None, (), False) and "flag_value" not in attributes
        )
        super().__init__(*args, **{"show_default": shown, **attributes})
        self.heading, self.common = heading, common
        longs = [one[2:] for one in (*self.opts, *self.secondary_opts) if one.startswith("--")]
        if not typed and not TRUSTING.intersection(longs):
            self.envvar = [_variable(one) for one in longs]
        takes_one = not (self.is_flag or self.multiple)
        listed = ",..." in (self.metavar or "") or Switch(self).many
        self.loses = takes_one and (listed or self.name == "output")
        """Whether a file to write or part of a list would be lost if it were typed again. Of other
        options the last value counts, as people know it, so that they can overrule an alias."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Have all values kept that are typed of an option that would lose them."""
        if not self.loses:
            super().add_to_parser(parser, ctx)
            return
        parser.add_option(self, self.opts, self.name, action="append", nargs=self.nargs)

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """Take the value typed; raise SettingsError, naming what to type, where some are lost."""
        typed = opts.get(str(self.name))
        if self.loses and isinstance(typed, list):
            given = list(dict.fromkeys(typed))
            if len(given) > 1 and not ctx.resilient_parsing:
                times = "twice" if len(given) == 2 else f"{len(given)} times"
                said = f"{', '.join(given[:-1])} and {given[-1]}"
                hint = _instead(ctx, self, given)
                raise SettingsError(f"{self.opts[0]} is given {times}, {said}", hint)
            opts = {**opts, str(self.name): given[-1]}
        return super().consume_value(ctx, opts)

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Read the variables of a command with layers; those of all flags that fill one field."""
        origins = ctx.meta.get(_ORIGINS)
        if origins is None:
            return None
        for one in (one for one in ctx.command.params if one.name == self.name and one.envvar):
            for long, switch in _switches(cast(click.Option, one)).items():
                variable = _variable(long)
                if variable in os.environ:
                    origin = OptionOrigin(variable, "")
                    value = _from_words(switch, os.environ[variable], origin)
                    if value is not None:
                        origins[self.name] = origin
                        return value
        return None


def _instead(ctx: click.Context, option: Option, given: list[str]) -> str:
    """Say what to type instead of several values."""
    import shlex

    if option.name != "output":
        return f"type {option.opts[0]} {shlex.quote(','.join(given))}"
    if not ctx.command_path.startswith("limex explain "):
        return "type the command once for each"
    record = _record(given)
    other = shlex.quote(next(one for one in given if one != record))
    record = shlex.quote(record)
    return f"type -o {record}, and then limex render {record} -o {other}"


def _record(paths: list[str]) -> str:
    """Return the path that ``limex render`` can read, or one beside the first file."""
    for one in paths:
        if SUFFIXES.get(Path(one).suffix) in ("json", "jsonl") or one.endswith("/"):
            return one
    return str(Path(next(one for one in paths if one != "-")).with_suffix(".jsonl"))


LISTENER = "limex.listener"
"""In the context's ``meta``: what is called with each sentence about the layers."""


def read_layers(ctx: click.Context, model: str) -> None:
    """Put the sidecar under the command line of ``ctx``, and let its options read their variables.

    Raises SettingsError for a file that does not fit, naming file and line.
    """
    if ctx.resilient_parsing:
        return
    known = _explain_switches(ctx)
    command = ctx.info_name or ""
    configs = _configs_of(ctx, model, tuple(known))
    own = switches(ctx.command)  # of which some have their value where explain has another option's
    found: dict[str, tuple[Any, OptionOrigin]] = {}
    for config in configs:
        for entry in _in_force(config, known, command):
            switch = known[_modality(entry, known, command)][entry.key]
            origin = OptionOrigin(entry.place, entry.key)
            value = _from_file(switch, entry, origin, config)
            if entry.key in own:
                found[switch.name] = value, origin
    ctx.default_map = {name: value for name, (value, _) in found.items() if value is not None}
    ctx.meta[_ORIGINS] = {name: origin for name, (_, origin) in found.items()}
    named = ctx.params.get("config") or ctx.params.get("no_config")
    unread = () if named else _unread(model, known)
    ctx.meta[_CONFIG] = configs, (*_misspelt(ctx, known), *unread)


def tell_layers(ctx: click.Context) -> None:
    """Say once which files were read and which variables mean nothing.

    On standard error, or to whoever stands in the context as ``LISTENER``.
    """
    configs, misspelt = ctx.meta.pop(_CONFIG, ((), ()))
    files = [f"options from {config.path}" for config in configs]
    if LISTENER in ctx.meta:
        for words in (*files, *misspelt):
            ctx.meta[LISTENER](words)
        return
    for words in (*files, *(f"warning: {one}" for one in misspelt)):
        tell(ctx, words)


def tell(ctx: click.Context, words: str) -> None:
    """Say something on standard error, once, however often a model ends its process."""
    containment = ctx.find_object(Containment)
    if containment is None or not containment.left.children:  # else the first child said it
        Console(bool(ctx.params.get("quiet"))).say(words)


def _misspelt(ctx: click.Context, known: dict[str, dict[str, Switch]]) -> Iterator[str]:
    """Say of each variable that begins with LIMEX_ and sets nothing what was likely meant."""
    own = {long for command in (*known.values(), switches(ctx.command)) for long in command}
    variables = {_variable(long): long for long in own}
    for name in sorted(one for one in os.environ if one.startswith(PREFIX)):
        long = variables.get(name)
        if long in TRUSTING:
            yield f"{name} has no effect; use --{long} on the command line"
        elif long is None:
            near = get_close_matches(name, variables, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]}?" if near else "limex explain --help-all lists options"
            yield f"{name} is not a variable of limex; {hint}"


def _unread(model: str, known: dict[str, dict[str, Switch]]) -> Iterator[str]:
    """Say of a sidecar that is no file, such as a pipe, that it is not read; and of ``zoo.toml``
    beside ``zoo.onnx``, if it holds options.
    """
    path, right = Path(model).with_suffix(SUFFIX) if model else Path(), sidecar_of(model)
    try:
        if os.path.lexists(right) and not right.is_file():
            yield f"{right} is not read: it is not a plain file"
            return
        if not Path(model).suffix or right.is_file() or not path.is_file():
            return
        _, parsed = read_toml(path)
    except (OSError, ValueError, SettingsError):  # whatever it is, it holds no options
        return
    own = {long for command in known.values() for long in command} & DESCRIBING
    if own & {str(key).replace("_", "-") for key in parsed}:
        yield (
            f"{path} is not read: options for {Path(model).name} are read from {right.name}; "
            f"rename it, or say --config {path}"
        )


def origin_of(ctx: click.Context | None, name: str | None) -> OptionOrigin | None:
    """Tell where a layer gave an option its value; None where it was typed, or is the default."""
    if ctx is None or name is None:
        return None
    layered = (ParameterSource.DEFAULT_MAP, ParameterSource.ENVIRONMENT)
    origin: OptionOrigin | None = ctx.meta.get(_ORIGINS, {}).get(name)
    return origin if ctx.get_parameter_source(name) in layered else None


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
    found = (_switches(one) for one in command.params if isinstance(one, click.Option))
    return {long: switch for one in found for long, switch in one.items()}


def _switches(option: click.Option) -> dict[str, Switch]:
    on = option.flag_value if isinstance(option.flag_value, str) else True
    return {
        long[2:]: Switch(option, value if option.is_flag else None)
        for value, names in ((on, option.opts), (False, option.secondary_opts))
        for long in names
        if long.startswith("--")
    }


def _configs_of(ctx: click.Context, model: str, tables: tuple[str, ...]) -> tuple[Config, ...]:
    """Find and read the files of options: the one named, else the project's and the model's."""
    typed, refused = ctx.params.get("config"), ctx.params.get("no_config")
    if typed and refused:
        raise SettingsError("--config and --no-config contradict each other", "leave one out")
    if refused or (not typed and os.environ.get(_variable("no-config"), "").lower() in TRUE):
        return ()
    named = typed or os.environ.get(_variable("config"))
    if named:
        return (read_config(Path(named), tables),)
    sidecar = sidecar_of(model)
    try:
        beside = (sidecar,) if sidecar.is_file() else ()
    except (OSError, ValueError):  # no name that a file could have
        beside = ()
    project = _project_file()
    paths = (*beside, *((project,) if project else ()))[::-1]
    return tuple(replace(read_config(one, tables), beside=True) for one in paths)


def _project_file() -> Path | None:
    """Find the nearest pyproject.toml with a table [tool.limex], in this folder or above it."""
    try:
        here = Path.cwd()
    except OSError:
        return None
    for folder in (here, *here.parents):
        path = folder / PROJECT
        try:
            if path.is_file() and _PROJECT_TABLE.search(read_small(path, MAX_BYTES)):
                return path
        except OSError:
            continue
    return None


def _variable(long: str) -> str:
    return PREFIX + long.upper().replace("-", "_")


def _modality(entry: ConfigEntry, known: dict[str, dict[str, Switch]], command: str) -> str:
    """Name the modality whose option an entry is; raise SettingsError for none."""
    tables = [entry.table] if entry.table else [command, *known]
    if entry.key in TRUSTING or entry.key in WRITING:
        what = "trust cannot be set" if entry.key in TRUSTING else f"{entry.key} cannot be set"
        hint = f"use --{entry.key} on the command line"
        raise SettingsError(f"{entry.place}: {what} in an options file", hint)
    for table in tables:
        if entry.key in known.get(table, {}):
            return table
    keys = sorted({key for table in tables for key in known.get(table, {})} - TRUSTING - WRITING)
    near = get_close_matches(entry.key, keys, n=1, cutoff=0.5)
    where = f" in [{entry.table}]" if entry.table else ""
    hint = f"did you mean {near[0]!r}?" if near else "use the long names of options"
    raise SettingsError(f"{entry.place}: unknown option {entry.key!r}{where}", hint)


def _require_describing(entry: ConfigEntry, config: Config) -> None:
    """Raise SettingsError for an entry of a file found unasked that does more than describe."""
    python = entry.key == "model-format" and entry.value == "python"
    if entry.key in DESCRIBING | renamed("option").keys() and not python:
        return
    what = "model-format: python" if python else entry.key
    where = f"in {PROJECT}" if config.path.name == PROJECT else "in a file beside a model"
    said = f"{entry.place}: {what} cannot be set {where}"
    raise SettingsError(said, f"use --{entry.key} on the command line, or name the file: --config")


def _in_force(
    config: Config, known: dict[str, dict[str, Switch]], command: str
) -> list[ConfigEntry]:
    """Check all entries; return those for a command, those of its own table last."""
    entries = config.entries
    for entry in entries:
        _modality(entry, known, command)
        if config.beside:
            _require_describing(entry, config)
    own = [one for one in entries if one.key in known.get(command, (one.key,))]
    return [one for table in ("", command) for one in own if one.table == table]


def _from_file(switch: Switch, entry: ConfigEntry, origin: OptionOrigin, config: Config) -> Any:
    """Return a value of a file as the command line would have spelled it."""
    value = entry.value
    if switch.flag is not None:
        if not isinstance(value, bool):
            raise SettingsError(origin.say(f"{value!r} is not valid"), "give true or false")
        return _flagged(switch, value)
    if isinstance(value, tuple):
        if not switch.many:
            raise SettingsError(origin.say("is a list"), "give one value")
        each = tuple(map(_spelled, value))
        files = switch.option.metavar == "FILE"
        return tuple(_located(switch, origin, one, config) for one in each) if files else each
    words = _located(switch, origin, _spelled(value), config)
    return (words,) if switch.option.multiple else words


def _from_words(switch: Switch, words: str, origin: OptionOrigin) -> Any:
    """Return the value of a variable; a list is separated by commas."""
    if switch.flag is not None:
        if words.lower() not in TRUE + FALSE:
            raise SettingsError(origin.say(f"{words!r} is not valid"), "give 1 or 0")
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
        raise SettingsError(origin.say(f"{words!r} is not a file name"), "name a file") from None
    if len(kinds) > 1 and not looks:
        return tuple(part.strip() for part in words.split(",")) if switch.many else words
    if config.beside and not inside:
        hint = f"use --{origin.key} on the command line, or name the file: --config"
        whose = PROJECT if config.path.name == PROJECT else "the model"
        raise SettingsError(origin.say(f"{words} lies outside the folder of {whose}"), hint)
    return str(path)


PROJECT = "pyproject.toml"
"""A project's file, in which a table ``[tool.limex]`` has options for all its models."""

_PROJECT_TABLE = re.compile(rb"^\s*\[\s*tool\s*\.\s*limex\b", re.MULTILINE)

SUFFIX = ".toml"
"""What a model's sidecar is called, behind the whole name of the model."""

MAX_BYTES = 2**20

_PLACE = re.compile(r"\(at (?:line (?P<line>\d+), column \d+|end of document)\)")


Scalar = str | int | float | bool


@dataclass(frozen=True)
class ConfigEntry:
    """One line of a sidecar: an option's long name and the value it is given."""

    key: str
    value: Scalar | tuple[Scalar, ...]
    table: str
    """Modality of the table it stands in; empty for what concerns every modality."""
    place: str
    """File, and line where it is known, for messages."""


@dataclass(frozen=True)
class Config:
    """What a file of options says, in its order; whether the options exist is not its concern."""

    path: Path
    entries: tuple[ConfigEntry, ...]
    beside: bool = False
    """Whether limex found it, beside the model or above the folder of work: a person did not name
    it, and somebody else may have written it."""


def sidecar_of(model: str) -> Path:
    """Name the file that holds a model's options: ``zoo.pkl.toml`` beside ``zoo.pkl``."""
    return Path(model + SUFFIX)


def read_config(path: Path, tables: tuple[str, ...]) -> Config:
    """Read a file of options, in which only ``tables`` may stand; of a pyproject.toml, its table.

    Raises SettingsError naming file and line for what is not readable, not TOML, or no option.
    """
    text, parsed = read_toml(path)
    root = ""
    if path.name == PROJECT:
        parsed, root = parsed.get("tool", {}).get("limex", {}), "tool.limex"
    entries = []
    for key, value in parsed.items():
        if not isinstance(value, dict):
            entries.append(_entry(path, text, ("", key), value, root))
        elif key in tables:
            entries += [_entry(path, text, (key, one), inner, root) for one, inner in value.items()]
        else:
            place = _place(path, _line_of(text, key, root))
            listed = ", ".join(f"[{one}]" for one in tables)
            raise SettingsError(f"{place}: unknown table [{key}]", f"there are {listed}")
    return Config(path, tuple(entries))


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return a file's text and what it says.

    Raises SettingsError naming file and line for what cannot be read or is not TOML.
    """
    text = _text(path)
    return text, _parsed(path, text)


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path.name}: is too large for an options file")
        return read_small(path, MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file", "check its path") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path.name}: is not UTF-8", "save it as UTF-8") from None


_KEYS = re.compile(r"[^=,{\[]*[=\]]")

_DEEPEST = 64  # names with dots between them, for which the time grows with the square


def _parsed(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    for place, words in enumerate(text.split("\n"), 1):
        if any(key.count(".") > _DEEPEST for key in _KEYS.findall(words)):
            raise SettingsError(f"{_place(path, place)}: is nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise SettingsError(f"{path.name}: is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        said = _PLACE.search(str(error))
        line = int(said["line"]) if said and said["line"] else text.count("\n") + 1
        words = _PLACE.sub("", str(error)).strip()
        raise SettingsError(
            f"{_place(path, line if said else None)}: is not TOML: {words}"
        ) from None


def _entry(path: Path, text: str, name: tuple[str, str], value: Any, root: str) -> ConfigEntry:
    table, key = name
    inside = ".".join(one for one in (root, table) if one)
    place = _place(path, _line_of(text, key, inside))
    plain = tuple(value) if isinstance(value, list) else value
    for one in plain if isinstance(plain, tuple) else (plain,):
        if not isinstance(one, str | int | float | bool):
            raise SettingsError(
                f"{place}: {key}: is neither a text, a number, true, false, nor a list of them"
            )
    return ConfigEntry(key, plain, table, place)


def _place(path: Path, line: int | None) -> str:
    return f"{path.name}:{line}" if line else path.name


def _line_of(text: str, key: str, table: str) -> int | None:
    """Find the line on which a key of a table is given, or a table begins; None if unsure."""
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*[\"']?([^\]\"']+?)[\"']?\s*\]", line)
        if header:
            inside = header[1].strip()
            if inside == (f"{table}.{key}" if table else key):
                return number
        elif inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return None
