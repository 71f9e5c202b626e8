"""Sidecars: TOML files of options that lie beside a model, read strictly and with line numbers."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lime_cli.errors import SettingsError

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
    """Whether it was found beside the model: then it came with the model, from whoever made it."""


def sidecar_of(model: str) -> Path:
    """Name the file that holds a model's options: ``zoo.pkl.toml`` beside ``zoo.pkl``."""
    return Path(model + SUFFIX)


def read_config(path: Path, tables: tuple[str, ...]) -> Config:
    """Read a file of options, in which only ``tables`` may stand.

    Raises SettingsError naming file and line for what is not readable, not TOML, or no option.
    """
    text, parsed = read_toml(path)
    entries = []
    for key, value in parsed.items():
        if not isinstance(value, dict):
            entries.append(_entry(path, text, ("", key), value))
        elif key in tables:
            entries += [_entry(path, text, (key, one), inner) for one, inner in value.items()]
        else:
            place = _place(path, _line_of(text, key, ""))
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
            raise SettingsError(f"{path.name}: is too large for a file of options")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file", "check its path") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path.name}: is not UTF-8", "save it as UTF-8") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = _PLACE.search(str(error))
        line = int(said["line"]) if said and said["line"] else text.count("\n") + 1
        words = _PLACE.sub("", str(error)).strip()
        raise SettingsError(
            f"{_place(path, line if said else None)}: is not TOML: {words}"
        ) from None


def _entry(path: Path, text: str, name: tuple[str, str], value: Any) -> ConfigEntry:
    table, key = name
    place = _place(path, _line_of(text, key, table))
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
            if not table and inside == key:
                return number
        elif inside == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return None
