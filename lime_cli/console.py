"""What a person reads on standard error: one line at a time, never a result."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lime_cli.errors import LimexError

MOST = 5
"""Sentences of a code that are shown: those of other kinds, or of other parts of an instance."""

OTHERWISE = re.compile(r"\"[^\"]*\"|'[^']*'|\S*[\d.]\S*")
"""In what sentences of a kind differ: names in quotes, numbers and names of files."""


def gist_of(sentence: str) -> str:
    """Return what sentences have in common that say the same of many instances."""
    return OTHERWISE.sub("", sentence)


def with_another(known: list[str], sentence: str, alone: bool = False) -> list[str]:
    """Return the sentences of a code with one that says something else than those ``known``."""
    if len(known) == MOST or sentence in known:
        return known
    same = not alone and gist_of(sentence) in map(gist_of, known)
    return known if same else [*known, sentence]


def folded(found: Iterable[tuple[str, str]], alone: bool) -> Iterator[tuple[str, str]]:
    """Yield what is to be shown of warnings, (code, message), as ``counted`` does."""
    sentences: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for code, message in found:
        sentences[code] = with_another(sentences.get(code, []), message, alone)
        counts[code] += 1
    return counted(sentences, counts)


def counted(sentences: dict[str, list[str]], counts: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield each sentence with its code, and behind the last one how often the code came."""
    for code, known in sentences.items():
        n = counts[code]
        more = f" ({n} times{' in all' if len(known) > 1 else ''})" if n > len(known) else ""
        yield from ((one, f" [{code}]") for one in known[:-1])
        yield known[-1], f" [{code}]{more}"


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

    def warn(self, found: Iterable[tuple[str, str]], alone: bool = False) -> None:
        """Print warnings, (code, message), each once, of an instance that is ``alone`` or of many.

        Of many those stand for each other that differ in numbers and names only.
        """
        self._warn(folded(found, alone))

    def warn_counted(self, sentences: dict[str, list[str]], counts: Counter[str]) -> None:
        """Print the sentences of each code, with how often the code came."""
        self._warn(counted(sentences, counts))

    def _warn(self, sentences: Iterator[tuple[str, str]]) -> None:
        for sentence, end in () if self.quiet else sentences:
            print_line(f"limex: warning: {sentence}{end}")


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
