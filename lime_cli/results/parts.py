"""Parts of a batch: lines and their tally in a file that knows whether it is whole."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lime_cli.digests import digest_of
from lime_cli.results.tally import Tally

_SEAL_BYTES = 65  # of a SHA-256 in hexadecimal and its newline


@dataclass(frozen=True)
class Part:
    """Lines of consecutive instances, and what a summary counts of them."""

    lines: bytes
    tally: Tally
    inputs: str = ""
    """What the files of its instances looked like when they were read; empty: not looked at."""

    def data(self) -> bytes:
        """Return the content of the file: the lines, the tally, the digest of both."""
        tally = {"inputs": self.inputs, "tally": self.tally.data()}
        return sealed(self.lines + _json(tally))


def part_of(data: bytes) -> Part | None:
    """Read a part; None where it is torn, zeroed or anything else."""
    if not _is_whole(data):
        return None
    sealed_at = len(data) - _SEAL_BYTES
    end = data.rfind(b"\n", 0, sealed_at - 1) + 1
    said = json.loads(data[end:sealed_at])
    return Part(data[:end], Tally.of(said["tally"]), said["inputs"])


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where a part's lines lie in the finished file."""

    start: int
    """In bytes."""
    size: int
    """In bytes."""
    failed: int
    inputs: str
    packed: bytes
    """The tally as JSON, compressed: there may be many stretches, and few are ever read."""

    @property
    def tally(self) -> Tally:
        """What a summary counts of these lines."""
        return Tally.of(json.loads(zlib.decompress(self.packed)))


def stretch_of(start: int, part: Part) -> Stretch:
    """Say where a part's lines begin in the finished file."""
    packed = zlib.compress(_json(part.tally.data()))
    return Stretch(start, len(part.lines), part.tally.failed, part.inputs, packed)


def index_pieces(stretches: dict[int, Stretch]) -> Iterator[bytes]:
    """Yield the content of an index, line by line, and its digest."""
    digest = hashlib.sha256()
    for number, one in stretches.items():
        tally = zlib.decompress(one.packed).decode()
        line = _json([number, one.start, one.size, one.failed, one.inputs, tally])
        digest.update(line)
        yield line
    yield _seal(digest.hexdigest())


def index_of(data: bytes) -> dict[int, Stretch] | None:
    """Read an index, by the number of the part; None where it is not whole."""
    content = unsealed(data)
    if content is None:
        return None
    stretches = {}
    for number, start, size, failed, inputs, tally in map(json.loads, content.splitlines()):
        packed = zlib.compress(tally.encode())
        stretches[number] = Stretch(start, size, failed, inputs, packed)
    return stretches


def sealed(content: bytes) -> bytes:
    """Put the SHA-256 behind a content."""
    return content + _seal(digest_of(content))


def unsealed(data: bytes) -> bytes | None:
    """Take the SHA-256 off; None where it is not the content's."""
    return data[:-_SEAL_BYTES] if _is_whole(data) else None


def _is_whole(data: bytes) -> bool:
    """Tell whether the digest at the end is the content's, which may be large: copy nothing."""
    content = memoryview(data)[:-_SEAL_BYTES]
    return data[-_SEAL_BYTES:] == _seal(digest_of(content))


def _seal(digest: str) -> bytes:
    return f"{digest}\n".encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=True) + "\n").encode()
