"""The formats seam: how explanations become bytes."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from lime_cli.errors import SettingsError
from lime_cli.registry import FORMATS, SUFFIXES

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation


def format_of(path: str | None, formats: Collection[str]) -> str:
    """Return the format that a file's suffix asks for; a table without a file or a suffix.

    Raises SettingsError for a suffix that asks for none of ``formats``.
    """
    suffix = Path(path or "").suffix.lower()
    wanted = SUFFIXES.get(suffix, "") if suffix else "table"
    if wanted not in formats:
        possible = ", ".join(one for one, name in SUFFIXES.items() if name in formats)
        said = f"{path}: there is no format {suffix} for this result"
        raise SettingsError(said, f"end the name in {possible}, or use -f")
    return wanted


@dataclass(frozen=True)
class Look:
    """How to draw; each format reads what concerns it."""

    width: int = 80
    """Columns of the terminal."""
    colour: bool = False
    """Whether the terminal shows colours; without, plain text."""
    true_colour: bool = False
    """Whether these are 24 bits deep; without, 256 of them."""
    unicode: bool = True
    """Whether bars and marks may be drawn with more than ASCII."""
    letters: bool = False
    """Whether letters of every script may be printed all the same."""
    style: str = "outline"
    """Of an overlay: ``outline``, ``heat``, ``hide`` or ``panel``."""
    top: int | None = None
    """Of an overlay: superpixels shown, at most; None for all that have a weight."""
    sign: str = "both"
    """Of an overlay: ``positive``, ``negative`` or ``both``."""
    scale: float | None = None
    """Of an overlay: the weight drawn at full strength; None for the largest."""

    @property
    def encoding(self) -> str:
        """What pages are written in."""
        return "utf-8" if self.unicode or self.letters else "ascii"


def written(name: str, explanations: Iterable[Explanation], look: Look) -> bytes:
    """Return explanations in a format; raise SettingsError when it cannot show them."""
    stream = BytesIO()
    FORMATS[name](explanations, stream, look)
    return stream.getvalue()


class LettersMissing(UserWarning):
    """Letters that no installed font has, so that boxes are drawn in their place."""


@contextmanager
def letters_told() -> Iterator[list[tuple[str, str]]]:
    """Collect ``LettersMissing`` as (code, message) in the place of Python's warnings."""
    found: list[tuple[str, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", LettersMissing)
        show = warnings.showwarning

        def kept(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, LettersMissing):
                found.append(("letters_missing", str(message)))
            else:
                show(message, category, *where, **more)

        warnings.showwarning = kept
        yield found


class Format(Protocol):
    """Write explanations, in order, as one file."""

    def __call__(self, explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
        """Write to an open binary file; raise SettingsError when the format cannot show them."""
        ...
