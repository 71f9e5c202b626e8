"""Names of the classes: from a list on the command line or from a file, however it writes them."""

from __future__ import annotations

import ast
import contextlib
import csv
import json
import re
from pathlib import Path
from typing import Any

from lime_cli.errors import InputError
from lime_cli.files import from_json, read_small
from lime_cli.models.model_file import PYTHON_PREFIX

INDEXED = r"(\d+)(?:\s*[:,\t]\s*|\s+)(\S.*)"
"""``0 tench``, ``0: tench``, ``0,tench``, ``0<TAB>tench``."""

BEHIND = r"(\S.*?)\s*[,\t]\s*(\d+)"
"""``tench,0``, ``tench<TAB>0``: the index behind the name."""

WORDNET = r"n\d{8}(?:\s*[:,\t]\s*|\s+)(\S.*)"
"""``n01440764 tench, Tinca tinca``, as lists of ImageNet's classes have it."""

NO_CLASS = r"(?i)_*(background|dummy)( class)?_*"
"""What the first of 1001 ImageNet names is: no class that 1000 outputs know."""

LISTS = r"(?i)(?:label|class|synset|categor|tags|index_to|idx_to).*\.(?:txt|json|csv|tsv)$|\.names$"
"""How files are called that list the names of classes beside a model."""

LONGEST, TRIED = 1 << 20, 4
"""Bytes of such a file, and how many of them are opened."""


def read_names(words: str) -> tuple[str, ...]:
    """Return the names that ``--classes`` gives: a comma list, or a file of names.

    A file holds one name a line, bare or behind its index or its WordNet id, or is a table with a
    column of names, or is JSON, or the same as Python writes it: a list, ``{index: name}``,
    ``{index: [id, name]}``, ``{name: index}``, or a configuration that holds one of these as
    ``id2label``. Raises InputError for a file that cannot be read so.
    """
    path = Path(words)
    if not path.is_file() and ("," in words or not path.suffix):
        return tuple(word.strip() for word in words.split(","))
    text = _text(path, words)
    if text.lstrip()[:1] in ("[", "{"):
        names = _from_json(path.name, text)
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        names = _from_table(lines) or _from_lines(lines)
    if not names:
        raise InputError(f"{words}: holds no names", "write one name per line")
    return names


def fitted_names(names: tuple[str, ...], width: int) -> tuple[str, ...] | None:
    """Return the names of ``width`` outputs, a leading background left out; None where that fails.

    Lists of ImageNet's classes have 1000 names, or 1001 with the background first.
    """
    if len(names) == width + 1 and re.fullmatch(NO_CLASS, names[0]):
        names = names[1:]
    return names if len(names) == width else None


def names_beside(model: str, called: tuple[str, ...]) -> Path | None:
    """Return the first file beside a model that has a name for each class that is called by its
    number so far.
    """
    if not all(re.fullmatch(rf"(?:LABEL_)?{i}", one) for i, one in enumerate(called)):
        return None
    folder = Path(model.removeprefix(PYTHON_PREFIX)).parent
    try:
        listed = sorted(one.name for one in folder.iterdir() if re.search(LISTS, one.name))
    except OSError:
        return None
    for place in [folder / name for name in listed[:TRIED]]:
        with contextlib.suppress(InputError, OSError):
            if place.is_file() and place.stat().st_size <= LONGEST:
                names = fitted_names(read_names(str(place)), len(called))
                if names not in (None, called):
                    return place
    return None


def _text(path: Path, words: str) -> str:
    try:
        return read_small(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{words}: no such file", "give names separated by commas, or a file of them"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{words}: is not UTF-8 at byte {error.start}", "save it as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{words}: cannot be read ({error.strerror})") from None


HEADING = r"(?i)(class|label|sign|tag|species|display)?[ _]?names?|labels?|tags?"
"""How the column of names is called."""

NUMBERED = r"(?i)(class|label)?[ _]?(id|idx|index|number)|class"


def _from_table(lines: list[str]) -> tuple[str, ...]:
    """Return one column of a table with a header, in the order of its numbers; empty for others."""
    if not lines:
        return ()
    separator = "\t" if "\t" in lines[0] else ","
    header, *rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    found = [i for i, one in enumerate(header) if re.fullmatch(HEADING, one.strip())]
    if len(header) < 2 or len(found) != 1 or any(len(row) != len(header) for row in rows):
        return ()
    numbers = [i for i, one in enumerate(header) if re.fullmatch(NUMBERED, one.strip())]
    for i in numbers:
        order = [row[i].strip() for row in rows]
        if sorted(order) == sorted(map(str, range(len(rows)))):
            rows.sort(key=lambda row, i=i: int(row[i]))  # type: ignore[misc]
    return tuple(row[found[0]].strip() for row in rows)


def _from_lines(lines: list[str]) -> tuple[str, ...]:
    for pattern, number, name in ((INDEXED, 1, 2), (BEHIND, 2, 1)):
        found = [one for line in lines if (one := re.fullmatch(pattern, line))]
        pairs = {int(one[number]): one[name] for one in found}
        first = min(pairs, default=-1)
        whole = len(found) == len(pairs) == len(lines)
        if whole and first in (0, 1) and max(pairs) == first + len(lines) - 1:
            return _without_ids([pairs[i] for i in sorted(pairs)])
    return _without_ids(lines)


def _without_ids(lines: list[str]) -> tuple[str, ...]:
    """Drop the WordNet ids where every line but a background begins with one."""
    found = [re.fullmatch(WORDNET, line) for line in lines]
    pairs = list(zip(found, lines, strict=True))
    if any(found) and all(one or re.fullmatch(NO_CLASS, line) for one, line in pairs):
        return tuple(one[1] if one else line for one, line in pairs)
    return tuple(lines)


def _from_json(name: str, text: str) -> tuple[str, ...]:
    try:
        held = from_json(text)
    except ValueError as error:
        names = names_in(text)  # as Python writes a dictionary or a list
        if names is None:
            raise InputError(f"{name}: is not JSON ({error})", "write one name per line") from None
        return names
    if isinstance(held, dict) and isinstance(held.get("id2label"), dict):
        held = held["id2label"]
    if isinstance(held, list) and all(isinstance(one, (str, int, float)) for one in held):
        return tuple(map(str, held))
    pairs = by_number(held)
    if pairs is None:
        raise InputError(
            f"{name}: is JSON, but not a list of names",
            'write ["a", "b"], {"0": "a", "1": "b"} or {"a": 0, "b": 1}',
        )
    missing = next((i for i in range(len(pairs)) if i not in pairs), None)
    if missing is not None:
        raise InputError(f"{name}: has {len(pairs)} names, but none for index {missing}")
    return tuple(pairs[i] for i in range(len(pairs)))


def by_number(held: Any) -> dict[int, str] | None:
    """Return names by index from either direction of an object; None where it is neither."""
    if not isinstance(held, dict) or not held:
        return None
    if all(key.isdecimal() for key in held):
        names = {int(key): _name(value) for key, value in held.items()}
        return None if None in names.values() else {i: str(name) for i, name in names.items()}
    if all(type(value) is int for value in held.values()):
        return {index: name for name, index in held.items()}
    return None


def _name(value: Any) -> str | None:
    """Return a name given bare, or as the last of an id and a name."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return str(value[-1])
    return None


def names_in(text: str) -> tuple[str, ...] | None:
    """Return the names that a model's metadata holds, as JSON or as Python writes it; else None."""
    for read in (json.loads, ast.literal_eval):
        try:
            held = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(held, dict):
            pairs = by_number({str(key): value for key, value in held.items()})
            whole = pairs and sorted(pairs) == list(range(len(pairs)))
            return tuple(pairs[i] for i in range(len(pairs))) if pairs and whole else None
        if isinstance(held, (list, tuple)) and all(isinstance(one, (str, int)) for one in held):
            return tuple(map(str, held)) or None
        return None
    if text.lstrip()[:1] in ("[", "{"):
        return None
    return tuple(word.strip() for word in text.split(",")) if "," in text else None
