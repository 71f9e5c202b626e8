"""The outside of a pickled model file: how it is packed, and what it looks like if it is none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from lime_cli.models.content import Content

MAX_BYTES = 8 << 30  # after decompression

MOST_TIMES = 100
"""As large as the packed file, for what unpacks to more than ``FREE_BYTES``."""

FREE_BYTES = 32 << 20  # whatever the packed size: as many instructions take seconds

KEPT_BYTES = 512 << 20  # unpacked once up to here, twice beyond

HEAD_BYTES = 512

_CHUNK_BYTES = 1 << 20

LIKE_TEXT = "it looks like text"


# zlib before gzip has no magic of its own: its header is checked by its remainder (RFC 1950, 2.2).
_PACKED = (
    ("gzip", b"\x1f\x8b"),
    ("bz2", b"BZh"),
    ("xz", b"\xfd7zXZ\x00"),
    ("lzma", b"\x5d\x00\x00"),
    ("lz4", b"\x04\x22\x4d\x18"),
)

_OTHERS = (
    ("a zip archive: skops, PyTorch or Keras", b"PK\x03\x04"),
    ("HDF5, as Keras writes it", b"\x89HDF"),
    ("a PNG image", b"\x89PNG"),
    ("a JPEG image", b"\xff\xd8\xff"),
    ("a PDF", b"%PDF"),
    ("a numpy array", b"\x93NUMPY"),
    ("a web page", b"<!DOCTYPE"),
    ("a web page", b"<html"),
    ("a Git LFS pointer: run git lfs pull", b"version https://git-lfs"),
)

# What pickle writes first under protocols 0 and 1, where no magic number helps.
_OLD_PICKLE = re.compile(
    rb"c[A-Za-z_][\w.]*\r?\n[A-Za-z_]\w*\r?\n|\((?:[ldit]p|c[A-Za-z_]|[ldt]\.|i[A-Za-z_]|S'|V|I-?\d|X|K|\()"
    rb"|[\])}](?:q.|r....|\.|\()|[NI]\S{0,20}\.?|K.\.|X....",
    re.DOTALL,
)

_UNPACKING_ERRORS = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Archive:
    """One file, and the plain bytes inside it if they were few enough to keep."""

    content: Content
    packing: str
    kept: bytes | None = None

    def size(self) -> int | None:
        """Count the plain bytes; None if only unpacking them all again would tell."""
        if self.kept is not None:
            return len(self.kept)
        return None if self.packing else self.content.size

    def open(self) -> BinaryIO:
        """Give the plain bytes from the start; the caller closes them."""
        if self.kept is not None:
            return io.BytesIO(self.kept)
        return unpacking(self.content, self.packing)


class TooLarge(Exception):
    """The file unpacks to more than `most_bytes`."""


def most_bytes(n_packed: int) -> int:
    """Return to how much a file of a size may unpack: what is all zeros is no model."""
    return min(MAX_BYTES, max(FREE_BYTES, MOST_TIMES * n_packed))


def archive(content: Content) -> Archive:
    """Look at the first bytes and unpack what is packed. Raises EOFError, OSError, TooLarge."""
    packing = packing_of(content.head(HEAD_BYTES))
    if not packing:
        return Archive(content, "", content.kept)
    with unpacking(content, packing) as stream:
        kept = _read_up_to(stream, KEPT_BYTES)
    return Archive(content, packing, kept)


def packing_of(head: bytes) -> str:
    """Name the compression of a file from its first bytes; empty if there is none."""
    for name, magic in _PACKED:
        if head.startswith(magic):
            return name
    zlib_header = len(head) > 1 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0
    return "zlib" if zlib_header and unpacked_head(head, "zlib") is not None else ""


def unpacking(content: Content, packing: str) -> BinaryIO:
    """Open a file as the plain bytes inside it."""
    if not packing:
        return content.open()
    openers: dict[str, Callable[..., object]] = {
        "gzip": gzip.open,
        "bz2": bz2.open,
        "xz": lzma.open,
        "lzma": lzma.open,
        "zlib": _open_zlib,
        "lz4": _open_lz4,
    }
    inner = cast("BinaryIO", openers[packing](content.open()))
    return cast(
        BinaryIO, io.BufferedReader(_Counted(inner, most_bytes(content.size)), _CHUNK_BYTES)
    )


def looks_pickled(head: bytes) -> bool:
    """Tell whether a file that starts like this is a pickle or joblib file, packed or not."""
    packing = packing_of(head)
    if packing:
        plain = unpacked_head(head, packing)
        return plain is None or not plain or looks_pickled(plain)
    if head[:1] == b"\x80":
        return head[1:2] <= b"\x05"
    return _OLD_PICKLE.match(head) is not None


def unpacked_head(head: bytes, packing: str) -> bytes | None:
    """Unpack as much of the first bytes as they allow; None if they cannot be unpacked."""
    makers: dict[str, Callable[[], object]] = {
        "gzip": lambda: zlib.decompressobj(31),
        "zlib": zlib.decompressobj,
        "bz2": bz2.BZ2Decompressor,
        "xz": lzma.LZMADecompressor,
        "lzma": lzma.LZMADecompressor,
    }
    if packing not in makers:
        return b""
    try:
        plain: bytes = makers[packing]().decompress(head, HEAD_BYTES)  # type: ignore[attr-defined]
    except _UNPACKING_ERRORS:
        return None
    return plain


def looks_like(head: bytes) -> str:
    """Say in a few words what the first bytes of a file that is no model look like."""
    for words, magic in _OTHERS:
        if head.startswith(magic):
            return f"it looks like {words}"
    if not head:
        return "it is empty"
    if not head.strip(b"\x00"):
        return "it holds zero bytes"
    try:
        text = head.decode("utf-8", "strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "its first bytes are of no known format"
    printable = all(letter.isprintable() or letter.isspace() for letter in text)
    return LIKE_TEXT if printable else "its first bytes are of no known format"


def _read_up_to(stream: BinaryIO, limit: int) -> bytes | None:
    """Read all of a stream, or give up with None after `limit` bytes."""
    chunks = []
    n_bytes = 0
    while chunk := stream.read(_CHUNK_BYTES):
        chunks.append(chunk)
        n_bytes += len(chunk)
        if n_bytes > limit:
            return None
    return b"".join(chunks)


class _Counted(io.RawIOBase):
    """Passes bytes on and stops a compression bomb."""

    def __init__(self, inner: BinaryIO, most: int) -> None:
        super().__init__()
        self._inner, self._most = inner, most
        self._n_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._inner.read(len(buffer))
        self._n_bytes += len(chunk)
        if self._n_bytes > self._most:
            raise TooLarge
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _ZlibFile(io.RawIOBase):
    """A zlib stream, for which the standard library has no file of its own."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._engine = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._engine.eof:
            packed = self._engine.unconsumed_tail or self._file.read(_CHUNK_BYTES)
            chunk = self._engine.decompress(packed, len(buffer))
            if chunk:
                buffer[: len(chunk)] = chunk
                return len(chunk)
            if not packed:
                raise EOFError("the compressed file ends early")
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_zlib(file: BinaryIO) -> IO[bytes]:
    return cast(BinaryIO, io.BufferedReader(_ZlibFile(file)))


def _open_lz4(file: BinaryIO) -> IO[bytes]:
    from lz4.frame import LZ4FrameFile  # type: ignore[import-not-found]

    return cast(BinaryIO, LZ4FrameFile(file))
