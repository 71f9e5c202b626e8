"""Fonts: installed ones for names that Pillow's own cannot draw, which knows little but ASCII."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from PIL import ImageFont

from lime_cli.formats.chart import FONTS
from lime_cli.formats.words import literal

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
OTHERS = ("noto sans", "droid sans", "wenquanyi", "source han", "takao", "ipa", "nanum", "unifont")
"""How families begin that know the letters of many scripts, asked after the named ones."""


def drawable(text: str, size: float) -> tuple[str, Font]:
    """Return a name as it can be drawn, and the font for it.

    matplotlib knows the installed fonts; without it, or where none has the letters, what is
    beyond ASCII loses its accents or is spelled out.
    """
    shown = literal(text)
    found = None if shown.isascii() else _best(frozenset(shown))
    if found is None:
        return _in_ascii(text), ImageFont.load_default(size)
    path, missing = found
    spelled = "".join(literal(one, unicode=False) if one in missing else one for one in shown)
    return spelled, ImageFont.truetype(path, round(size))


def _in_ascii(text: str) -> str:
    return "".join(map(_plain, unicodedata.normalize("NFC", text)))


def _plain(letter: str) -> str:
    """Return a letter without its accents, or spelled out where it is none of ASCII's."""
    parts = unicodedata.normalize("NFKD", letter)
    bare = "".join(one for one in parts if not unicodedata.combining(one))
    return literal(bare if bare.isascii() else letter, unicode=False)


@lru_cache(maxsize=64)
def _best(letters: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """Return the path of the first font that has most of the letters, and those it has not."""
    try:
        from matplotlib import font_manager
    except ImportError:
        return None
    foreign = frozenset(one for one in letters if not one.isascii())
    best: tuple[str, frozenset[str]] | None = None
    for path in _paths(font_manager):
        missing = letters - _known(path)
        if (best is None or len(missing) < len(best[1])) and not foreign <= missing:
            best = path, missing
        if not missing:
            break
    return best


def _paths(font_manager: Any) -> list[str]:
    """List regular fonts, the named families first, then others in the order of their names."""
    regular = {
        one.name: one.fname
        for one in sorted(font_manager.fontManager.ttflist, key=lambda one: str(one.fname))
        if one.style == "normal" and one.weight in (400, "normal", "regular")
    }
    named = [one for one in FONTS if one in regular]
    others = sorted(one for one in regular if one.lower().startswith(OTHERS) and one not in named)
    return [str(regular[one]) for one in (*named, *others)]


@lru_cache(maxsize=512)
def _known(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that cannot be read has no letters
        return frozenset()
