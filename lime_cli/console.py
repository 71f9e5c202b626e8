"""What a person reads on standard error: one line at a time, never a result."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lime_cli.errors import LimexError


@dataclass(frozen=True)
class Console:
    """Say things, or not."""

    quiet: bool = False
    verbose: bool = False

    def say(self, words: str) -> None:
        """Tell what was done; silent with ``-q``."""
        if not self.quiet:
            print_line(f"limex: {words}")

    def detail(self, words: str) -> None:
        """Tell what only ``-v`` asks for."""
        if self.verbose:
            print_line(f"limex: {words}")

    def warn(self, found: Iterable[tuple[str, str]]) -> None:
        """Print each kind of warning once, (code, message), with how often it came."""
        first: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for code, message in found:
            first.setdefault(code, message)
            counts[code] += 1
        self.warn_counted(first, counts)

    def warn_counted(self, first: dict[str, str], counts: Counter[str]) -> None:
        """Print the first message of each code, with how often the code came."""
        if self.quiet:
            return
        for code, message in first.items():
            more = f" ({counts[code]} times)" if counts[code] > 1 else ""
            print_line(f"limex: warning: {message} [{code}]{more}")


SILENT = Console(quiet=True)


def print_error(error: LimexError, as_json: bool) -> None:
    """Print an error as one line: in words, or as a JSON object."""
    if as_json:
        fields = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        print_line(json.dumps({**fields, "exit_code": error.exit_code}))
    else:
        print_line(f"limex: {error}")


def spelled_out(words: str, kept: str = "") -> str:
    """Write control characters as escapes, but for those that are ``kept``."""
    plain = (c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in words)
    return "".join(plain)


_beginning = ""


def begin_lines_with(control: str) -> None:
    """Send a terminal something before each line, as what takes a bar away."""
    global _beginning
    _beginning = control


def print_line(words: str) -> None:
    """Print to standard error, whatever its encoding; control characters as escapes."""
    plain = spelled_out(words)
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    line = plain.encode(encoding, "backslashreplace").decode(encoding)
    print(f"{_beginning}{line}", file=sys.stderr, flush=True)
