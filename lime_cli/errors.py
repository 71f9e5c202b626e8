"""Every way limex says no, and the exit code of each.

    LimexError                 message and hint; never raised itself
      SettingsError        2   options contradict each other or the input
        MissingDependency  2   an optional package is not installed
      InputError           3   an input or a background cannot be read
      ModelError           4   a model file cannot be loaded or used
        UntrustedModel     4   loading it would run code that is not on the list
        PredictionError    4   the model failed on inputs or answered in the wrong shape
          OutOfMemory    4   there was no memory for the inputs of one call
          NotFinite      4   some answers are NaN or infinity
      OutputError          5   a result cannot be written

A message is one line in the user's words, `where: what is wrong`; the hint says what to do. Both
stand in ``args`` so that an error keeps them on the way back from a worker process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SOME_FAILED = 6
"""The exit code where an instance failed, or was not come to; that of each error stands below."""


class LimexError(Exception):
    """Carry one clear line for a person: what is wrong and what to do about it."""

    exit_code = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)

    @property
    def message(self) -> str:
        """What is wrong, starting with the file it is about."""
        return str(self.args[0])

    @property
    def hint(self) -> str:
        """What to do; empty where the message says it all."""
        return str(self.args[1])

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class SettingsError(LimexError):
    """The options contradict each other or the input."""

    exit_code = 2


class MissingDependency(SettingsError):
    """An optional package is not installed; the hint is the line that installs it."""


class InputError(LimexError):
    """An input, a background or a list of names cannot be read."""

    exit_code = 3


class ModelError(LimexError):
    """A model file cannot be loaded or used."""

    exit_code = 4


class UntrustedModel(ModelError):
    """Loading the file would run code that is not on the list of what may be loaded."""


class PredictionError(ModelError):
    """The model failed on inputs, or answered in a shape that means nothing."""


class OutOfMemory(PredictionError):
    """There was no memory for the inputs of one call: fewer may fit."""


class NotFinite(PredictionError):
    """Some of a model's answers are NaN or infinity; ``predictions`` (n, k) are all of one call."""

    def __init__(self, message: str, hint: str = "", predictions: Any = None) -> None:
        super().__init__(message, hint)
        self.predictions = predictions

    @staticmethod
    def words(name: str, failed: int, n: int) -> str:
        """Say of how many samples that is so."""
        return f"{name}: the model returned NaN or infinity for {failed:,} of {n:,} samples"


class OutputError(LimexError):
    """A result cannot be written."""

    exit_code = 5


def and_more(names: Sequence[str], most: int, mark: str = ", ") -> str:
    """Name the first of several things, and say how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return mark.join(names[:most]) + more


def and_so_on(names: Sequence[str], most: int) -> str:
    """Name the first of several things, dots for the others."""
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")


SECRETS = (
    (r"\b(\w+://)[^\s/@]+@", r"\1***@"),
    (r"\b(\w+://[^\s?#'\"]{0,2000})\?[^\s'\")]+", r"\1?***"),
    (
        (
            r"(?i)(?<![\w-])([\w-]*(?:key|token|secret|passw(?:or)?d|authorization)['\"]?\s*[=:]\s*"
            r"['\"]?)(?:bearer\s+|basic\s+)?[^\s'\",;)]+"
        ),
        r"\1***",
    ),
    (r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}", r"\1***"),
    (r"\b(sk-|hf_|ghp_|AKIA)[\w-]{8,}", r"\1***"),
)
"""Patterns of credentials in the words of exceptions, and what is written instead, as results are
shared. None may begin inside of a word: the time would grow with the square of its length.
"""

BEGINNING, END, LEFT_OUT = 130, 60, " ... "
"""Characters of a library's words that are kept where there are more."""


def said_by(error: BaseException, instead: Mapping[str, str] | None = None) -> str:
    """Return the words of an exception on one line, without what may be secret.

    ``instead`` has what is written in the place of some of them.
    """
    try:
        words = " ".join(str(error).split())
    except Exception:  # a stranger's __str__ may fail as well
        words = ""
    for own, other in (instead or {}).items():
        words = words.replace(own, other)
    for pattern, other in SECRETS:
        words = re.sub(pattern, other, words)
    return words


def shortened(words: str) -> str:
    """Leave out the middle of long words."""
    if len(words) <= BEGINNING + END + len(LEFT_OUT) + 5:
        return words
    return f"{words[:BEGINNING]}{LEFT_OUT}{words[-END:]}"


def in_words(error: BaseException, instead: Mapping[str, str] | None = None) -> str:
    """Return what ``said_by`` does, shortened in its middle."""
    return shortened(said_by(error, instead))


def last_line(error: BaseException, instead: Mapping[str, str] | None = None) -> str:
    """Return what the last line of a traceback would say, shortened in its middle."""
    words = in_words(error, instead)
    kind = type(error).__name__
    return f"{kind}: {words}" if words else kind
