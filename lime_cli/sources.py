"""Sources: inputs found but not yet read, and the files of folders that are inputs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from lime_cli.errors import InputError

STDIN = "-"
"""How standard input is named in place of a file."""


def is_once(path: str) -> bool:
    """Tell whether an input can be read only once: standard input, a named pipe."""
    try:
        mode = 0 if path == STDIN else Path(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return path == STDIN or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


class Record(NamedTuple):
    """A row of a table as its file spells it, taken along so that a worker opens no file."""

    header: tuple[str, ...]
    """Names of the columns; the rows of a table share it."""
    cells: tuple[str, ...]
    line: int
    """Of the file, on which the row ends, counted from 1; the row's number where unit is row."""
    unit: str = "line"
    fault: str = ""
    """Why the row cannot be used; empty where it can."""
    repeated: str | None = None
    """The column of ids, where the row's id was seen before."""


class Source(NamedTuple):
    """An input found but not yet read: cheap to list and to send to a worker."""

    id: str
    """What a person calls it: a row's number or id, a file's name."""
    path: str
    """The file it is in; ``-`` for standard input."""
    row: int | None = None
    """Of a table, counted from 0, the header not counted."""
    record: Record | None = None
    """Of a table, the row itself."""

    @property
    def key(self) -> int:
        """A number that tells it from others, in every process; never 0."""
        from hashlib import blake2b  # brings libcrypto

        name = f"{self.path}\0{self.row}".encode("utf-8", "surrogateescape")
        return int.from_bytes(blake2b(name, digest_size=8).digest(), "little") | 1

    @property
    def called(self) -> str:
        """Say which it is: a table's row, or by what a person calls it."""
        return self.id if self.row is None else f"row {self.row}"

    @property
    def place(self) -> str:
        """Say where a row stands in its file: ``line 3``."""
        if self.record is None:
            return f"row {self.row}"
        return f"{self.record.unit} {self.record.line}"


@dataclass(frozen=True)
class Listing:
    """Which files of a folder are taken; hidden ones and those of results never are."""

    recursive: bool = False
    """Whether the folders in a folder are gone through too."""
    pattern: str | None = None
    """Of a file's name, or with a slash of its path in the folder; in place of ``suffixes``."""
    suffixes: tuple[str, ...] = ()
    """In lower case; none of them takes every file."""
    kind: str = "files"
    """What is looked for, for messages."""

    def sources(self, inputs: tuple[str, ...]) -> Iterator[Source]:
        """List files as they are named and folders by the bytes of their files' names.

        Raises InputError for a folder without a file that is taken.
        """
        for name in inputs:
            if name == "-":
                yield Source("stdin", name)
            elif Path(name).is_dir():
                yield from self._sources_in(Path(name))
            else:
                yield Source(Path(name).name, name)

    def n_strays(self, inputs: tuple[str, ...]) -> int:
        """Count the files of the folders that are left out because of what they are."""
        if self.pattern is not None:
            return 0
        folders = (Path(name) for name in inputs if name != "-")
        found = (one for folder in folders if folder.is_dir() for one in self._files(folder))
        return sum(not self._takes(one) for one in found)

    def _sources_in(self, folder: Path) -> Iterator[Source]:
        found = [one for one in self._files(folder) if self._takes(one)]
        if not found:
            wanted = self.pattern or " ".join(self.suffixes)
            hint = f"wanted: {wanted}" if wanted else "give files, or a folder of them"
            raise InputError(f"{folder}: no {self.kind} in this folder", hint)
        for one in found:
            yield Source(one, str(folder / one))

    def _takes(self, name: str) -> bool:
        """Tell whether a file is taken, by its path in the folder."""
        if self.pattern is None:
            return not self.suffixes or name.lower().endswith(self.suffixes)
        return fnmatchcase(name if "/" in self.pattern else name.rpartition("/")[2], self.pattern)

    def _files(self, folder: Path) -> list[str]:
        """Return the paths in the folder of all files that are not hidden, by their bytes."""

        def refuse(error: OSError) -> None:
            raise InputError(f"{folder}: cannot be read ({error.strerror})") from None

        found: list[str] = []
        for place, folders, names in os.walk(folder, onerror=refuse):
            if Path(place) != folder and ".limex" in folders:
                folders.clear()
                continue
            shown = [name for name in folders if name[0] != "."]
            folders[:] = shown if self.recursive else []
            inside = Path(place).relative_to(folder)
            found += [(inside / name).as_posix() for name in names if name[0] != "."]
        return sorted(found, key=os.fsencode)
