"""A model's file, opened once: what is hashed is what is looked at and what is loaded."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from lime_cli.files import InThread

KEPT_BYTES = 512 << 20
"""A file up to here is read once and kept while its model is loaded."""

_PIECE = 1 << 20


class Content:
    """The bytes of a file, from one descriptor: whatever takes its name later is another file.

    Larger files than ``KEPT_BYTES`` are read from that descriptor as they are needed.
    """

    def __init__(self, path: Path) -> None:
        """Raise OSError for what cannot be read."""
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self.descriptor)
        self.size = os.fstat(self.descriptor).st_size

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path.name

    @cached_property
    def kept(self) -> bytes | None:
        """All bytes; None where they are too many to keep."""
        if self.size > KEPT_BYTES:
            return None
        if not hasattr(os, "pread"):
            return self.path.read_bytes()
        pieces, at = [], 0
        while piece := os.pread(self.descriptor, self.size - at, at):
            pieces.append(piece)
            at += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read(self) -> bytes:
        """Return all bytes, however many."""
        if self.kept is not None:
            return self.kept
        with self._streamed() as stream:
            return stream.read()

    def head(self, n_bytes: int) -> bytes:
        """Return the first bytes."""
        if self.kept is not None:
            return self.kept[:n_bytes]
        with self._streamed() as stream:
            return stream.read(n_bytes)

    def open(self) -> BinaryIO:
        """Give the bytes from the start; the caller closes them."""
        return io.BytesIO(self.kept) if self.kept is not None else self._streamed()

    def digest(self) -> str:
        """Return the SHA-256 in hexadecimal."""
        import hashlib  # brings libcrypto

        if self.kept is not None:
            return hashlib.sha256(self.kept).hexdigest()
        digest = hashlib.sha256()
        with self._streamed() as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def digest_in_thread(self) -> Callable[[], str]:
        """Begin to compute the digest; return what waits for it and returns it."""

        def compute() -> str:
            found = self.digest()
            self.__dict__.pop("kept", None)  # the model is built by now, or holds the bytes itself
            return found

        return InThread(compute, finish=False).result

    def _streamed(self) -> BinaryIO:
        if not hasattr(os, "pread"):  # on Windows nobody may replace a file that is open
            return self.path.open("rb")
        return cast(BinaryIO, io.BufferedReader(_Placed(self), _PIECE))


class _Placed(io.RawIOBase):
    """Reads a descriptor from a place of its own, so that several may read it at a time."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            offset += self._content.size
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = os.pread(self._content.descriptor, len(buffer), self._at)
        self._at += len(piece)
        buffer[: len(piece)] = piece
        return len(piece)
