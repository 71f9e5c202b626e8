"""The file of a table, or what comes through a pipe: unpacked, as bytes or as lines of text."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from lime_cli import clock
from lime_cli.errors import InputError, SettingsError, and_more
from lime_cli.files import nearest_file
from lime_cli.sources import Held, fetched, local
from lime_cli.tables.dialect import MAX_INPUT, Dialect

if TYPE_CHECKING:
    import zipfile


def damaged() -> tuple[type[Exception], ...]:
    """Return what unpacking raises for a file that is cut short; plain ones need none of it."""
    import lzma
    import zipfile
    import zlib

    packed = (zlib.error, lzma.LZMAError, zipfile.BadZipFile)
    return EOFError, OSError, *packed, NotImplementedError


class Packing(NamedTuple):
    """A way to compress a file."""

    kind: str
    magic: bytes
    """The first bytes."""
    unpacked: Callable[[str, IO[bytes]], IO[bytes]]
    """Called with the file's name, for messages, and its stream."""


def _gzip(name: str, stream: IO[bytes]) -> IO[bytes]:
    import gzip

    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))


def _bz2(name: str, stream: IO[bytes]) -> IO[bytes]:
    import bz2

    return cast("IO[bytes]", bz2.BZ2File(stream))


def _xz(name: str, stream: IO[bytes]) -> IO[bytes]:
    import lzma

    return cast("IO[bytes]", lzma.LZMAFile(stream))


def _zip(name: str, stream: IO[bytes]) -> IO[bytes]:
    import zipfile

    archive = zipfile.ZipFile(stream)
    members = [one for one in archive.infolist() if _is_data(one)]
    if len(members) != 1:
        names = and_more([one.filename for one in members], 5) or "none"
        raise InputError(f"{name}: holds {names}", "a table's archive holds one file")
    if members[0].flag_bits & 1:
        raise InputError(f"{name}: needs a password", "unpack it first")
    return archive.open(members[0])


def _is_data(member: zipfile.ZipInfo) -> bool:
    """Tell a file from a folder and from what macOS and editors leave beside it."""
    path = PurePath(member.filename)
    return not (member.is_dir() or path.parts[0] == "__MACOSX" or path.name.startswith("."))


PACKINGS = {
    ".gz": Packing("gzip", b"\x1f\x8b", _gzip),
    ".bz2": Packing("bzip2", b"BZh", _bz2),
    ".xz": Packing("xz", b"\xfd7zXZ\x00", _xz),
    ".zip": Packing("zip", b"PK\x03\x04", _zip),
}
"""By what the file's name ends with; ``sources.PACKED`` lists the same."""


def member_name(stream: IO[bytes]) -> str:
    """Return the name of the one file in a ZIP archive; empty for any other number of them."""
    import zipfile

    try:
        names = [one.filename for one in zipfile.ZipFile(stream).infolist() if _is_data(one)]
    except damaged():
        names = []
    stream.seek(0)
    return names[0] if len(names) == 1 else ""


STDIN = "-"

LINE_CHARACTERS = 2**24
"""Of one line, at most: far more than a table of 20,000 columns needs."""

FIELD_CHARACTERS = 2**20
"""Of one cell, at most."""

PIECE = 2**16
"""Characters asked for at a time, so that a file without line ends is not read whole."""

SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands for half a character, or for a byte that is none."""


def name_of(path: str) -> str:
    """Name a table in messages: by its file, without the folder."""
    if isinstance(path, Held):
        return str(path)
    return "stdin" if path == STDIN else Path(path).name


def is_once(path: str) -> bool:
    """Tell whether an input can be read only once: standard input, a named pipe."""
    if isinstance(path, Held):
        return False
    try:
        mode = 0 if path == STDIN else local(path).stat().st_mode
    except (OSError, ValueError):
        return False
    return path == STDIN or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def open_bytes(path: str, most: int = MAX_INPUT) -> IO[bytes]:
    """Open for reading, at its beginning, a file that can be read more than once.

    What can be read only once is kept in an unnamed file of this process, if it has at most so
    many bytes. Raises InputError.
    """
    if is_once(path):
        if path not in _held:
            _held[path] = _kept(path, most)
        kept = os.dup(_held[path].fileno())
        os.lseek(kept, 0, os.SEEK_SET)
        return os.fdopen(kept, "rb")
    try:
        return local(fetched(path)).open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", nearest_file(path, "table")) from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder", "a table is one file") from None
    except ValueError:
        raise InputError(f"{path!r}: is not a path", "check the path of the table") from None
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: str, error: OSError) -> InputError:
    """Word what the system says of a file that cannot be read."""
    reason = (error.strerror or str(error)).lower()
    return InputError(f"{path}: cannot be read ({reason})", "check the file and its permissions")


_held: dict[str, IO[bytes]] = {}
"""By path, what could be read only once."""


def _kept(path: str, most: int) -> IO[bytes]:
    import multiprocessing

    if multiprocessing.parent_process() is not None:
        raise SettingsError(
            f"{name_of(path)}: can be read only once, by one process",
            "name training data with --background",
        )
    clock.read_once()
    import tempfile

    kept = tempfile.TemporaryFile(prefix=".limex-")  # noqa: SIM115  # lives as long as the process
    try:
        if path == STDIN:
            whole = _copied(sys.stdin.buffer, kept, most)
        else:
            with Path(path).open("rb") as stream:
                whole = _copied(stream, kept, most)
    except OSError as error:
        raise unreadable(path, error) from None
    if not whole:
        kept.close()
        raise InputError(
            f"{name_of(path)}: has more than {most:,} bytes, or no end",
            "save it to a file, or allow more: --max-input 4GiB",
        )
    kept.flush()
    atexit.register(kept.close)
    return kept


def _copied(stream: IO[bytes], to: IO[bytes], most: int) -> bool:
    """Copy what a pipe holds; tell whether that was all."""
    left = most
    while piece := stream.read(min(left + 1, _PIPE_BYTES)):
        left -= len(piece)
        if left < 0:
            return False
        to.write(piece)
    return True


_PIPE_BYTES = 1 << 20


class Watch:
    """A look at a file, to tell later whether it is still the same."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.state = () if isinstance(path, Held) or is_once(path) else self._look()
        """Node, bytes and time of the last change, in ns; empty where there is no file."""

    def check(self) -> None:
        """Raise InputError where the file was changed since."""
        if self.state and self._look() != self.state:
            raise InputError(
                f"{name_of(self._path)}: changed while it was being read",
                "run the command again when no other program writes to it",
            )

    def _look(self) -> tuple[int, ...]:
        try:
            found = local(self._path).stat()
        except (OSError, ValueError):
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns


def text_lines(name: str, stream: IO[bytes], dialect: Dialect) -> Iterator[str]:
    """Yield a text file's lines with their ends, decoded; raise InputError naming the line.

    A line, and so the memory it takes, is bounded.
    """
    encoding = (dialect.encoding or "utf-8").lower()
    encoding = "utf-8-sig" if encoding.replace("_", "-") in ("utf-8", "utf8") else encoding
    escaped = "strict" if encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32")) else None
    text = io.TextIOWrapper(
        cast("io.BufferedReader", stream), encoding, escaped or "surrogateescape", newline=""
    )
    number = 1
    try:
        while line := _line(name, text, number):
            if "\0" in line:
                raise InputError(f"{name}: NUL character on line {number}", "give a text file")
            if not line.isascii():
                _check_decoded(name, line, number, dialect)
            yield line
            number += 1
    except UnicodeError:
        raise InputError(
            f"{name}: what follows line {number - 1} is not {encoding}", "try another --encoding"
        ) from None
    except Exception as error:
        if not isinstance(error, damaged()):
            raise
        raise InputError(f"{name}: is cut short or damaged", "compress it again") from None
    finally:
        with contextlib.suppress(ValueError):  # closed already
            text.detach()


def _line(name: str, text: io.TextIOWrapper, number: int) -> str:
    line = text.readline(PIECE)
    if len(line) < PIECE or line.endswith(("\n", "\r")):
        return line
    pieces, length = [line], PIECE
    while len(line) == PIECE and not line.endswith(("\n", "\r")):
        line = text.readline(PIECE)
        pieces.append(line)
        length += len(line)
        if length > LINE_CHARACTERS:
            raise InputError(
                f"{name}: line {number}: a field is longer than {FIELD_CHARACTERS:,} characters, "
                f"or the line than {LINE_CHARACTERS:,}",
                "check the separator and the line ends",
            )
    return "".join(pieces)


def _check_decoded(name: str, line: str, number: int, dialect: Dialect) -> None:
    found = SURROGATE.search(line)
    if found is None:
        return
    said = (dialect.encoding or "UTF-8").upper()
    byte = ord(found[0]) & 0xFF
    likely = "cp1252" if 0x80 <= byte <= 0x9F else "latin-1"
    hint = "try another --encoding" if dialect.encoding else f"try --encoding {likely}"
    raise InputError(f"{name}: byte 0x{byte:02X} on line {number} is not {said}", hint)
