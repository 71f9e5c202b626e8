"""What a batch is: whatever changes its bytes, so that it never goes on in another one's folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lime_cli import __version__
from lime_cli.digests import digest_of
from lime_cli.errors import OutputError
from lime_cli.results.parts import sealed, unsealed

HEADER_SCHEMA = {"name": "limex/run", "number": 1}


@dataclass(frozen=True)
class Identity:
    """The choices, inputs and versions of a batch as JSON data."""

    parts: dict[str, Any]
    """By group: model, input, settings, drawn, slices, versions."""
    paths: dict[str, Any]
    """Where model and inputs are: said to a person, never compared."""

    @property
    def digest(self) -> str:
        """Identify the batch: the SHA-256 of its parts."""
        return digest_of(json.dumps(self.parts, sort_keys=True).encode())

    def data(self) -> bytes:
        """Return the content of the file that keeps the identity."""
        said = {"run": self.digest, "parts": self.parts, "paths": self.paths}
        return sealed(json.dumps(said, indent=1).encode() + b"\n")

    def header(self) -> bytes:
        """Return the first line of the finished file: equal for equal batches."""
        said = {"schema": HEADER_SCHEMA, "limex": __version__, "run": self.digest, **self.parts}
        return (json.dumps(said, separators=(",", ":"), ensure_ascii=True) + "\n").encode()

    def require_same(self, folder: str, data: bytes) -> None:
        """Raise OutputError unless the folder's run, as ``data`` wrote it, is this one."""
        content = unsealed(data)
        if content is None:
            raise OutputError(f"{folder}: .limex/run.json is damaged", "start anew with --restart")
        held = json.loads(json.dumps(json.loads(content)["parts"]))
        mine = json.loads(json.dumps(self.parts))
        found = list(_differences(held, mine))
        if not found:
            return
        said = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise OutputError(
            f"{folder}: holds a different run ({said})", "name another folder, or --restart"
        )


def _differences(held: Any, mine: Any, name: str = "") -> Iterator[str]:
    """Say what differs, each as ``seed 1, now 2``."""
    if isinstance(held, dict) and isinstance(mine, dict):
        for key in {**held, **mine}:
            yield from _differences(held.get(key), mine.get(key), key)
    elif held != mine:
        yield f"{name.replace('_', '-')} {_short(held)}, now {_short(mine)}"


def _short(value: Any) -> str:
    match value:
        case None:
            return "none"
        case str():
            return f"{value[:8]}..." if len(value) == 64 else value
        case _:
            return json.dumps(value)
