"""Digests: the SHA-256 by which records name what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PIECE_BYTES = 1 << 18


def digest_of(data: bytes | memoryview) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    import hashlib  # brings libcrypto

    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, reading it in pieces."""
    import hashlib  # as above

    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
