"""JSON: the whole record, for one explanation or one to a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from lime_cli.errors import SettingsError
from lime_cli.records.record import line_of, record_of

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.formats import Look


STEERING = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that JSON allows as they are, but that act on a terminal or end a line."""


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write one explanation for people to read; SettingsError unless there is exactly one."""
    found = list(explanations)
    if len(found) != 1:
        raise SettingsError(f"{len(found)} explanations need -f jsonl")
    out.write(_bytes(json.dumps(record_of(found[0]), indent=2, **_strict(look))))


def write_lines(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Write each explanation to a line of its own as soon as it is there."""
    encoder = json.JSONEncoder(separators=(",", ":"), **_strict(look))
    for explanation in explanations:
        line = line_of(explanation)
        if look.unicode and "\\u" in line:
            line = encoder.encode(json.loads(line))
        out.write(_bytes(line))


def _strict(look: Look) -> dict[str, Any]:
    return {"allow_nan": False, "ensure_ascii": not look.unicode}


def _bytes(text: str) -> bytes:
    """Encode a line; what steers a terminal or is no UTF-8 becomes ``\\uXXXX``, as JSON has it."""
    if text.isascii() and "\x7f" not in text:
        return (text + "\n").encode()
    shown = STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return (shown + "\n").encode("utf-8", "backslashreplace")
