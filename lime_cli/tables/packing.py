"""Tables that are compressed: what a file's first bytes say it is packed with, and its stream."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePath
from typing import IO, NamedTuple, cast

from lime_cli.errors import InputError

DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
"""What unpacking raises for a file that is cut short."""


class Packing(NamedTuple):
    """A way to compress a file."""

    kind: str
    magic: bytes
    """The first bytes."""
    unpacked: Callable[[str, IO[bytes]], IO[bytes]]
    """Called with the file's name, for messages, and its stream."""


def _gzip(name: str, stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb"))


def _bz2(name: str, stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", bz2.BZ2File(stream))


def _xz(name: str, stream: IO[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", lzma.LZMAFile(stream))


def _zip(name: str, stream: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(stream)
    members = [one for one in archive.infolist() if _is_data(one)]
    if len(members) != 1:
        names = ", ".join(one.filename for one in members[:5]) or "none"
        more = f" and {len(members) - 5} more" if len(members) > 5 else ""
        raise InputError(f"{name}: holds {names}{more}", "a table's archive holds one file")
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
    try:
        names = [one.filename for one in zipfile.ZipFile(stream).infolist() if _is_data(one)]
    except DAMAGED:
        names = []
    stream.seek(0)
    return names[0] if len(names) == 1 else ""
