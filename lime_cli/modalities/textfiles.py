"""Text files: what is written in them."""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass
from pathlib import Path

from lime_cli.errors import InputError, SettingsError

MAX_CHARACTERS = 1_000_000
WIDEST = 4
"""Bytes of a character, at most, in any encoding in use."""


@dataclass(frozen=True)
class Files:
    """How files are read."""

    encoding: str = "utf-8"
    max_characters: int = MAX_CHARACTERS

    def __post_init__(self) -> None:
        """Raise SettingsError for no characters."""
        if self.max_characters < 1:
            raise SettingsError(
                f"--max-characters: {self.max_characters} is not possible", "give 1 or more"
            )

    def read(self, name: str) -> str:
        """Return the text of a file; raise InputError for one too long, or that holds no text."""
        shown = "stdin" if name == "-" else Path(name).name
        most = WIDEST * (self.max_characters + 1)  # one for the mark of the byte order
        data = _data(name, most + 1)
        text = "" if len(data) > most else self._decoded(data, shown)
        if len(data) > most or len(text) > self.max_characters:
            raise InputError(
                f"{shown}: has more than {self.max_characters:,} characters",
                "raise --max-characters, or cut it into parts",
            )
        if "\0" in text:
            raise InputError(
                f"{shown}: is no text (a zero at character {text.index(chr(0))})",
                "give plain text, or name its --encoding",
            )
        return text

    def _decoded(self, data: bytes, shown: str) -> str:
        name = codecs.lookup(self.encoding).name
        try:
            return data.decode("utf-8-sig" if name == "utf-8" else name)
        except UnicodeError as error:
            place = getattr(error, "start", 0)
        two = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        hint = "utf-16" if two and name != "utf-16" else "latin-1, say"
        raise InputError(
            f"{shown}: is not {name.upper()} at byte {place}",
            f"name its encoding, --encoding {hint}, or save it as UTF-8",
        )


FILES = Files()


def _data(name: str, most: int) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise InputError(
            f"{name}: no such file", "check its path, or give the words with --text"
        ) from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None
