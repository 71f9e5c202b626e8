"""The page: what all lines of a terminal's table share, and how text gets on it safely."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from lime_cli.formats.wording import (
    ASCII,
    LEFT_TO_RIGHT,
    PLAIN_MARKS,
    UNICODE,
    Glyphs,
    literal,
)

if TYPE_CHECKING:
    from lime_cli.formats import Look


MARGIN, GAP = "  ", "  "

KEY = 12
"""Columns of a key that stands before what it says."""

PROSE = 100
"""Columns that running text fills at most."""


FOLDED = 3
"""Lines that a name or a cell of a table fills at most."""


@dataclass(frozen=True)
class Page:
    """What all lines share."""

    look: Look
    glyphs: Glyphs
    console: Console

    @property
    def prose(self) -> int:
        return min(self.look.width, PROSE)

    def literal(self, text: str) -> str:
        """Spell out what must not reach the terminal as it is."""
        if not self.look.unicode:
            text = text.translate(PLAIN_MARKS)
        if self.look.encoding == "ascii":
            return literal(text.replace(LEFT_TO_RIGHT, ""), unicode=False)
        return literal(text)

    def cut(self, text: Text, width: int) -> Text:
        """Shorten to so many cells, with an ellipsis where something is gone."""
        if text.cell_len > width:
            text.truncate(max(0, width - len(self.glyphs.ellipsis)))
            text.append(self.glyphs.ellipsis[:width])
        return text

    def folded(self, text: str, width: int) -> list[Text]:
        """Break into lines between words, shortened where there would be many."""
        lines = list(Text(text).wrap(self.console, max(1, width))) or [Text()]
        for line in lines:
            line.rstrip()
        if len(lines) > FOLDED:
            rest = " ".join(line.plain for line in lines[FOLDED - 1 :])
            lines = [*lines[: FOLDED - 1], self.cut(Text(rest), max(1, width))]
        return lines

    def wrapped(self, text: Text) -> list[Text]:
        """Break into lines of running text behind a margin."""
        lines = text.wrap(self.console, max(1, self.prose - len(MARGIN)))
        return [Text(MARGIN).append_text(line) for line in lines]

    def row(self, key: str, text: str) -> Iterator[Text]:
        """Set a key, and what it says wrapped beside it."""
        said = Text(self.literal(text)).wrap(self.console, max(1, self.prose - len(MARGIN) - KEY))
        for number, line in enumerate(said):
            shown = key if number == 0 else ""
            style = "bold" if key == "warning" else "dim"
            yield Text.assemble(MARGIN, (shown.ljust(KEY), style), line)

    def printed(self, lines: Iterable[Text], cut: bool = True) -> bytes:
        """Return lines as the terminal gets them, without blanks at their ends."""
        with self.console.capture() as captured:
            for line in lines:
                line.rstrip()
                self.console.print(self.cut(line, self.look.width) if cut else line, soft_wrap=True)
        return captured.get().encode(self.look.encoding)


def page_of(look: Look) -> Page:
    """Make a page that takes nothing from the terminal or the environment."""
    return Page(look, UNICODE if look.unicode else ASCII, _console(look))


def _console(look: Look) -> Console:
    return Console(
        file=io.StringIO(),
        width=look.width,
        height=25,
        color_system=("truecolor" if look.true_colour else "256") if look.colour else None,
        force_terminal=look.colour,
        no_color=False,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
