"""Sources: inputs found but not yet read, the files of folders, and those of other machines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from lime_cli.errors import InputError, LimexError, MissingDependency, in_words, last_line

_numbers = count()


class Held(str):
    """An input that is held in memory, in the place of a path: the name that messages call it by.

    It is equal to itself and its copies alone, so that nothing learned from another of the same
    name is taken for what was learned from it. ``content`` is the bytes of a file, or a table
    (``tables.held``).
    """

    content: Any

    def __new__(cls, name: str, content: Any, token: tuple[int, int] | None = None) -> Held:
        made = super().__new__(cls, name)
        made.content = content
        made._token = token or (os.getpid(), next(_numbers))
        return made

    _token: tuple[int, int]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and other._token == self._token

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._token)

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (str(self), self.content, self._token)


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


FRAME, ARRAY, ROW, TEXTS = "data frame", "array", "row", "texts"
"""What messages and records call a table that has no file."""


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
            if isinstance(name, Held):
                yield Source(str(name), name)
            elif name == "-":
                yield Source("stdin", name)
            elif is_url(name):
                plain = fetched(name)
                yield Source(Path(plain).name, plain)
            elif Path(name).is_dir():
                yield from self._sources_in(Path(name))
            else:
                yield Source(Path(name).name, name)

    def n_strays(self, inputs: tuple[str, ...]) -> int:
        """Count the files of the folders that are left out because of what they are."""
        if self.pattern is not None:
            return 0
        folders = (Path(name) for name in inputs if name != "-" and not isinstance(name, Held))
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


PACKED = (".gz", ".bz2", ".xz", ".zip")
"""What the names of compressed files end with."""


def file_of(name: str) -> str:
    """Return the name of a file without the ``#NAME`` of one of its sheets or tables."""
    whole, mark, _ = name.rpartition("#")
    return whole if mark and (is_url(name) or not Path(name).exists()) else name


def suffix_of(name: str) -> str:
    """Return what the name of a file ends with in lower case, a .gz or .zip aside."""
    plain = PurePath(file_of(name).partition("?")[0])
    packed = plain.suffix.lower() in PACKED
    return (PurePath(plain.stem).suffix if packed else plain.suffix).lower()


_FETCHED = "_LIMEX_FETCHED"
"""Names, to this process and its workers, the folder of what came from other machines."""

_URL = r"(?i)[a-z][a-z0-9+.-]+(?:://|::)"


def is_url(name: str) -> bool:
    """Tell whether a name means something that fsspec opens, not a file of this machine."""
    return re.match(_URL, name) is not None


def fetched(name: str) -> str:
    """Bring what a URL names to this machine, once a run; return it without its secrets.

    That is what ``local`` takes. A user, a password and a query are left out: of a query stays a
    digest, which tells two apart. Other names are returned as they are. Raises InputError and
    MissingDependency.
    """
    if not is_url(name) or local(name).exists():
        return name
    plain = _without_secrets(name)
    if not local(plain).exists():
        _copy(name, plain)
    return plain


def local(name: str) -> Path:
    """Return the path of a file on this machine, where a URL's was fetched to.

    What stands behind a ``#`` for a sheet is no part of it.
    """
    plain = file_of(name)
    if not is_url(name):
        return Path(plain)
    import hashlib

    own = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return Path(_folder(), own, Path(plain.partition("?")[0]).name or "file")


def _folder() -> str:
    if _FETCHED not in os.environ:
        import atexit
        import shutil
        import tempfile

        os.environ[_FETCHED] = tempfile.mkdtemp(prefix=".limex-")
        atexit.register(shutil.rmtree, os.environ[_FETCHED], ignore_errors=True)
    return os.environ[_FETCHED]


def _without_secrets(url: str) -> str:
    import hashlib

    plain, mark, part = url.partition("#")
    plain, question, query = re.sub(r"(://)[^/@]*@", r"\1", plain).partition("?")
    told_apart = hashlib.sha256(query.encode()).hexdigest()[:8] if question else ""
    return plain + question + told_apart + mark + part


def _copy(url: str, name: str) -> None:
    """Fetch a file by another program: its threads and connections are none of this process's."""
    import json
    import subprocess
    import sys

    target = local(name)
    target.parent.mkdir(exist_ok=True)
    call = [sys.executable, "-c", "from lime_cli.sources import _fetch; _fetch()"]
    said = json.dumps([url, name, str(target)])
    paths = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run(
        call,
        input=said.encode(),
        stdout=subprocess.PIPE,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    found = json.loads(done.stdout or b'["InputError", "", ""]')
    if found is None:
        return
    kind, message, hint = found
    raised = MissingDependency if kind == "MissingDependency" else InputError
    raise raised(message or f"{name}: cannot be fetched", hint or "check the URL")


def _fetch() -> None:
    """Fetch what standard input names, and write what went wrong, or null, to standard output."""
    import json
    import sys

    url, name, target = json.load(sys.stdin)
    try:
        _download(url, name, Path(target))
    except LimexError as error:
        print(json.dumps([type(error).__name__, error.message, error.hint]))
    else:
        print("null")


def _download(url: str, name: str, target: Path) -> None:
    import shutil

    try:
        import fsspec
    except ImportError:
        raise MissingDependency(
            f"{name}: reading a URL needs fsspec", "pip install 'limex[remote]'"
        ) from None
    unfinished = target.with_name(f".{os.getpid()}")
    try:
        with fsspec.open(url.partition("#")[0], "rb") as stream, unfinished.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        unfinished.replace(target)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file", "check the URL and its permissions") from None
    except ImportError as error:  # fsspec names the package of the protocol
        raise MissingDependency(f"{name}: {in_words(error, {url: name})}", _package(url)) from None
    except ValueError as error:
        raise InputError(f"{name}: {in_words(error, {url: name})}", "check the URL") from None
    except Exception as error:  # each protocol's library has errors of its own
        said = last_line(error, {url: name})
        raise InputError(f"{name}: cannot be fetched ({said})", "check the URL") from None


def _package(url: str) -> str:
    """Return the line that installs what reads a protocol."""
    packages = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
    protocol = url.partition(":")[0].lower()
    return f"pip install {packages.get(protocol, 'aiohttp requests')}"
