"""Parts of a batch: lines and their tally in a file that knows whether it is whole."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
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
    content = unsealed(data)
    if content is None:
        return None
    end = content.rfind(b"\n", 0, -1) + 1
    said = json.loads(content[end:])
    return Part(content[:end], Tally.of(said["tally"]), said["inputs"])


@dataclass(frozen=True)
class Stretch:
    """Where a part's lines lie in the finished file."""

    start: int
    """In bytes."""
    size: int
    """In bytes."""
    failed: int
    inputs: str
    written: str
    """The tally as JSON: there may be many stretches, and few are ever read."""

    @property
    def tally(self) -> Tally:
        """What a summary counts of these lines."""
        return Tally.of(json.loads(self.written))


def stretch_of(start: int, part: Part) -> Stretch:
    """Say where a part's lines begin in the finished file."""
    tally = json.dumps(part.tally.data(), separators=(",", ":"))
    return Stretch(start, len(part.lines), part.tally.failed, part.inputs, tally)


def index_data(stretches: dict[int, Stretch]) -> bytes:
    """Return the content of an index, with its digest."""
    return sealed(b"".join(_json([number, *astuple(one)]) for number, one in stretches.items()))


def index_of(data: bytes) -> dict[int, Stretch] | None:
    """Read an index, by the number of the part; None where it is not whole."""
    content = unsealed(data)
    if content is None:
        return None
    rows = map(json.loads, content.splitlines())
    return {number: Stretch(*values) for number, *values in rows}


def sealed(content: bytes) -> bytes:
    """Put the SHA-256 behind a content."""
    return content + f"{digest_of(content)}\n".encode()


def unsealed(data: bytes) -> bytes | None:
    """Take the SHA-256 off; None where it is not the content's."""
    content, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    return content if seal == f"{digest_of(content)}\n".encode() else None


def _json(value: Any) -> bytes:
    return (json.dumps(value, separators=(",", ":"), ensure_ascii=True) + "\n").encode()
