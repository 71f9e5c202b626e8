"""Messages between a process and its worker: pickles with their length before them."""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

ROOM = 2**16
"""Bytes of messages that travel together, at most."""
_LENGTH = struct.Struct("<Q")


def send(stream: IO[bytes], message: Any, now: bool = True) -> None:
    """Write one message, or leave it to go with the next; OSError when nobody is there to read."""
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(content)) + content)
    if now:
        stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message, still pickled; None when no whole one comes any more."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None
