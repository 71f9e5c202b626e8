"""A canvas that is filled from the top and written as PNG, by matplotlib, or as SVG, by nothing.

Colours have names: SVG takes those of the page around it, or those of light and dark by itself.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from lime_cli.errors import MissingDependency
from lime_cli.formats import LettersMissing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLOURS = {
    "for": "#0a5fd7",
    "against": "#e66e00",
    "ink": "#14141c",
    "faint": "#5a5f68",
    "line": "#c9ced6",
    "ground": "#ffffff",
    "low": "#2f1fa2",
    "middle": "#cb3a80",
    "high": "#f5a81c",
}

DARK = {
    "for": "#62a0ff",
    "against": "#ff9a3d",
    "ink": "#e8eaee",
    "faint": "#9aa3af",
    "line": "#353b45",
    "ground": "#14161a",
    "low": "#7f8cff",
    "middle": "#f0609f",
    "high": "#ffd166",
}

MARGIN = 0.25
"""Inches around everything."""

TITLE, BODY, SMALL = 11.0, 10.0, 8.5
"""Points."""

LEADING = 1.45
"""Distance of lines of text, in their size."""

DPI = 150
"""Pixels to an inch of a PNG file."""

UNIT = 96
"""Units to an inch of an SVG file."""

FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Arial Unicode MS",
)
"""Asked in this order for a letter, as far as they are installed."""


WIDTHS = {
    letter: width
    for letters, width in (
        ("ijlI'|", 0.28),
        (" .,:;/!’‘", 0.32),
        ("()[]ft-r{}", 0.39),
        ('sczJ"“”_', 0.53),
        ("mMW@%", 0.95),
        ("w=+−±<>~NDHOQUG", 0.8),
        ("vxyk", 0.59),
        ("ABCEFKLPRSTVXYZ", 0.66),
    )
    for letter in letters
}
"""Of letters of DejaVu Sans, in their size, about; others have ``OTHER``, those of CJK 1."""

OTHER = 0.63


def installed_fonts() -> list[str]:
    """List the fonts of `FONTS` that are here."""
    from matplotlib import font_manager

    known = set(font_manager.get_font_names())
    return [one for one in FONTS if one in known]


class _Text(NamedTuple):
    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool
    anchor: str
    width: float
    """What it fills; 0: what it needs."""
    whole: str
    """What a pointer on it shows: a name before it was shortened."""


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    colour: str
    strength: float
    """Opacity, in 0..1."""
    hatched: bool


class _Line(NamedTuple):
    points: tuple[float, float, float, float]
    """From x, y to x, y."""
    colour: str
    width: float
    """Points."""
    dotted: bool


class _Dot(NamedTuple):
    x: float
    y: float
    radius: float
    colour: str
    mixed: str
    """Another colour, of which it has a share."""
    share: float
    filled: bool


class Canvas:
    """Lengths are inches from the upper left corner; sizes of letters are points."""

    def __init__(self, width: float, measured: bool) -> None:
        """``measured``: whether letters are measured by matplotlib, or their width is estimated.

        Raises MissingDependency without matplotlib, where it is to measure.
        """
        self.width, self.top = width, MARGIN
        self._drawn: list[_Text | _Box | _Line | _Dot] = []
        self._renderer: Any = None
        if measured:
            try:
                from matplotlib.backends.backend_agg import RendererAgg
            except ImportError:
                hint = "pip install 'limex[charts]'"
                raise MissingDependency("charts need matplotlib", hint) from None
            renderer: Any = RendererAgg
            self._renderer = renderer(1, 1, DPI)

    @property
    def room(self) -> float:
        """The width between the margins."""
        return self.width - 2 * MARGIN

    def measure(self, text: str, size: float, bold: bool = False) -> float:
        """Return the width of a text."""
        if self._renderer is None:
            return (1.0 + 0.1 * bold) * size / 72 * sum(map(_width, text))
        import matplotlib as mpl
        from matplotlib.font_manager import FontProperties

        with mpl.rc_context({"font.family": installed_fonts()}), _quiet():
            font = FontProperties(size=size, weight="bold" if bold else "normal")
            width, _, _ = self._renderer.get_text_width_height_descent(text, font, ismath=False)
        return float(width) / DPI

    def cut(self, text: str, size: float, room: float, bold: bool = False) -> str:
        """Shorten a text at its end until it fits."""
        return self._shortened(text, size, room, bold, lambda n: text[:n].rstrip() + "…")

    def cut_names(self, names: Sequence[str], size: float, rooms: Sequence[float]) -> list[str]:
        """Shorten names until they fit, so that those that differ still do.

        A name loses its middle; where others would look the same then, it loses what they all
        begin with, and keeps the place where they differ. What is alike even then is numbered.
        """
        room = dict(zip(names, rooms, strict=True))
        found = {name: self._halved(name, size, room[name]) for name in names}
        for part in (_from_difference, _to_difference):
            for alike in _alike(found):
                for name in alike:
                    found[name] = self.cut(part(name, alike), size, room[name])
        for number, name in enumerate([one for alike in _alike(found) for one in alike], 1):
            mark = f" ({number})"
            short = self._halved(name, size, room[name] - self.measure(mark, size))
            found[name] = short + mark
        return [found[name] for name in names]

    def _halved(self, name: str, size: float, room: float) -> str:
        """Shorten a name in its middle: long names often differ at their ends."""

        def halves(n: int) -> str:
            return f"{name[: n - n // 2].rstrip()}…{name[len(name) - n // 2 :].lstrip()}"

        return self._shortened(name, size, room, False, halves)

    def _shortened(
        self, text: str, size: float, room: float, bold: bool, keeping: Callable[[int], str]
    ) -> str:
        """Keep as many letters as fit with an ellipsis."""
        if self.measure(text, size, bold) <= room:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self.measure(keeping(middle), size, bold) <= room:
                low = middle
            else:
                high = middle - 1
        return keeping(low)

    def wrapped(self, text: str, size: float, room: float) -> Iterator[str]:
        """Cut a text into lines that fit, between words where possible."""
        line = ""
        for word in text.split(" "):
            longer = f"{line} {word}".strip()
            if line and self.measure(longer, size) > room:
                yield line
                line = word
            else:
                line = longer
        yield self.cut(line, size, room)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str = "ink",
        bold: bool = False,
        anchor: str = "start",
        width: float = 0.0,
        whole: str = "",
    ) -> None:
        """Put a text at ``x``, its middle at height ``y``; ``anchor`` is start, middle or end.

        A text that has a ``width`` is set to it where letters are not measured. ``whole`` is the
        text before it was shortened.
        """
        self._drawn.append(_Text(x, y, text, size, colour, bold, anchor, width, whole))

    def paragraph(self, text: str, size: float, colour: str = "ink") -> None:
        """Set a text in lines below what is there."""
        for line in self.wrapped(text, size, self.room):
            self.top += LEADING * size / 72
            self.text(MARGIN, self.top, line, size, colour)

    def heading(self, text: str) -> None:
        """Set a heading below what is there."""
        self.top += 0.5 * TITLE / 72
        said = self.cut(text, TITLE, self.room, bold=True)
        self.text(MARGIN, self.top, said, TITLE, bold=True)
        self.top += 0.5 * TITLE / 72

    def box(
        self,
        place: tuple[float, float],
        size: tuple[float, float],
        colour: str,
        strength: float = 1.0,
        hatched: bool = False,
    ) -> None:
        """Draw a rectangle; ``place`` is its left end and the middle of its height."""
        self._drawn.append(_Box(place[0], place[1] - size[1] / 2, *size, colour, strength, hatched))

    def line(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        colour: str = "ink",
        width: float = 1.0,
        dotted: bool = False,
    ) -> None:
        """Draw a line."""
        self._drawn.append(_Line((*start, *end), colour, width, dotted))

    def dot(
        self,
        place: tuple[float, float],
        radius: float,
        colour: str,
        mixed: tuple[str, float] = ("", 0.0),
        filled: bool = True,
    ) -> None:
        """Draw a dot, or a ring; ``mixed`` is another colour and its share."""
        self._drawn.append(_Dot(*place, radius, colour, *mixed, filled))

    # -- writing ----------------------------------------------------------------------------------

    def write(self, out: IO[bytes], kind: str, title: str) -> None:
        """Write everything as ``png`` or ``svg``."""
        if kind == "png":
            self.write_png(out)
        else:
            self.write_svg(out, title)

    def write_png(self, out: IO[bytes]) -> None:
        """Write everything as PNG, the same bytes every time."""
        import matplotlib as mpl

        stream = io.BytesIO()
        look: dict[Any, Any] = {"font.family": installed_fonts(), "hatch.linewidth": 0.9}
        with mpl.rc_context(look), _quiet() as told:
            self._figure().savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
        missing = dict.fromkeys(
            found[1] for one in told if (found := GLYPH.search(str(one.message)))
        )
        if missing:
            shown = " ".join(chr(int(one)) for one in list(missing)[:5])
            warnings.warn(BOXES.format(shown), LettersMissing, stacklevel=2)
        out.write(stream.getvalue())

    def _figure(self) -> Figure:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Circle, Rectangle

        height = self.top + MARGIN
        figure = Figure(figsize=(self.width, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(height, 0)
        sides = {"start": "left", "middle": "center", "end": "right"}
        for order, one in enumerate(self._drawn):
            colour = COLOURS[one.colour]
            match one:
                case _Text():
                    weight = "bold" if one.bold else "normal"
                    look: dict[str, Any] = {"va": "center", "ha": sides[one.anchor]}
                    look |= {"size": one.size, "weight": weight, "parse_math": False}
                    axes.text(one.x, one.y, one.text, color=colour, zorder=order, **look)
                case _Box(hatched=True):
                    look = {"facecolor": "white", "edgecolor": colour, "hatch": "/////"}
                    place = (one.x, one.y)
                    axes.add_patch(
                        Rectangle(place, one.width, one.height, linewidth=0.8, zorder=order, **look)
                    )
                case _Box():
                    look = {"facecolor": colour, "alpha": one.strength, "linewidth": 0}
                    place = (one.x, one.y)
                    axes.add_patch(Rectangle(place, one.width, one.height, zorder=order, **look))
                case _Line():
                    x, y, end_x, end_y = one.points
                    look = {"linestyle": ":" if one.dotted else "-", "linewidth": one.width}
                    axes.add_line(
                        Line2D((x, end_x), (y, end_y), color=colour, zorder=order, **look)
                    )
                case _Dot():
                    colour = _mixed(colour, COLOURS.get(one.mixed, colour), one.share)
                    look = {"facecolor": colour if one.filled else "none", "linewidth": 0.5}
                    place = (one.x, one.y)
                    axes.add_patch(
                        Circle(place, one.radius, edgecolor=colour, zorder=order, **look)
                    )
        return figure

    def write_svg(self, out: IO[bytes], title: str) -> None:
        """Write everything as a file of its own, readable on light and dark grounds."""
        light = "".join(f"--{name}:{colour};" for name, colour in COLOURS.items())
        dark = "".join(f"--{name}:{colour};" for name, colour in DARK.items())
        style = (
            f"<style>svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
            '<rect width="100%" height="100%" style="fill:var(--ground)"/>'
        )
        patterns = "".join(
            f'<pattern id="open-{one}" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><line x1="0" x2="0" y1="0" y2="5" '
            f'style="stroke:var(--{one});stroke-width:2.4"/></pattern>'
            for one in ("for", "against", "faint")
        )
        inside = f"<title>{_safe(title)}</title>{style}<defs>{patterns}</defs>"
        out.write(self._svg(inside).encode("utf-8", "xmlcharrefreplace") + b"\n")

    def svg(self, label: str) -> str:
        """Return everything as a part of a page, with the page's colours; ``label`` says what."""
        return self._svg(f"<title>{_safe(label)}</title>")

    def _svg(self, inside: str) -> str:
        width, height = _units(self.width), _units(self.top + MARGIN)
        drawn = "\n".join(map(_element, self._drawn))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" font-family="\'DejaVu Sans\',system-ui,'
            f"'Noto Sans',sans-serif\">{inside}\n{drawn}\n</svg>"
        )


def _element(one: _Text | _Box | _Line | _Dot) -> str:
    paint = f"var(--{one.colour})"
    match one:
        case _Text():
            weight = ' font-weight="bold"' if one.bold else ""
            size = _units(one.size / 72)
            shortened = one.whole and one.whole != one.text
            title = f"<title>{_safe(one.whole)}</title>" if shortened else ""
            if one.width:
                weight += f' textLength="{_units(one.width)}" lengthAdjust="spacingAndGlyphs"'
            return (
                f'<text x="{_units(one.x)}" y="{_units(one.y)}" font-size="{size}" '
                f'text-anchor="{one.anchor}" dominant-baseline="central"{weight} '
                f'xml:space="preserve" style="fill:{paint}">{_safe(one.text)}{title}</text>'
            )
        case _Box():
            look = f"fill:{paint};fill-opacity:{one.strength:.3g}"
            if one.hatched:
                look = f"fill:url(#open-{one.colour});stroke:{paint};stroke-width:1"
            return (
                f'<rect x="{_units(one.x)}" y="{_units(one.y)}" width="{_units(one.width)}" '
                f'height="{_units(one.height)}" style="{look}"/>'
            )
        case _Line():
            x, y, end_x, end_y = map(_units, one.points)
            dash = ";stroke-dasharray:1.5 2.5" if one.dotted else ""
            return (
                f'<line x1="{x}" y1="{y}" x2="{end_x}" y2="{end_y}" '
                f'style="stroke:{paint};stroke-width:{one.width * UNIT / 72:.3g}{dash}"/>'
            )
        case _Dot():
            if one.mixed:
                share = f"{100 * (1 - one.share):.3g}%"
                paint = f"color-mix(in srgb,{paint} {share},var(--{one.mixed}))"
            return (
                f'<circle cx="{_units(one.x)}" cy="{_units(one.y)}" r="{_units(one.radius)}" '
                f'style="fill:{paint if one.filled else "none"};stroke:{paint};stroke-width:.7"/>'
            )


def _alike(found: Mapping[str, str]) -> list[list[str]]:
    """List groups of names that are shown alike."""
    groups: dict[str, list[str]] = {}
    for name, short in found.items():
        groups.setdefault(short, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _shared(names: Sequence[str]) -> int:
    """Count the letters that all names begin with."""
    letters = enumerate(zip(*names, strict=False))
    return next((i for i, some in letters if len(set(some)) > 1), min(map(len, names)))


BEFORE = 3
"""Letters that are kept before the first one in which names differ."""


def _from_difference(name: str, alike: Sequence[str]) -> str:
    """Leave out what all names begin with."""
    start = _shared(alike) - BEFORE
    return f"…{name[start:]}" if start > 1 else name


def _to_difference(name: str, alike: Sequence[str]) -> str:
    """Leave out what other names begin with, as far as any of them does."""
    start = max(_shared((name, other)) for other in alike if other != name) - BEFORE
    return f"…{name[start:]}" if start > 1 else name


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round((1 - share) * a + share * b):02x}" for a, b in pairs)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.0 if unicodedata.combining(letter) else WIDTHS.get(letter, OTHER)


def _units(inches: float) -> str:
    return f"{inches * UNIT:.2f}".rstrip("0").rstrip(".")


def _safe(text: str) -> str:
    """Escape a text, and leave out what XML has no place for."""
    plain = "".join(one for one in text if one >= " " or one in "\t\n")
    return escape(plain.encode("utf-8", "backslashreplace").decode())


GLYPH = re.compile(r"Glyph (\d+) .*missing")
"""How matplotlib tells of a letter that no font has."""

BOXES = (
    "no installed font has {}, so boxes are drawn instead; -o FILE.svg or "
    "FILE.html shows them in the reader's fonts, or install Noto Sans"
)


@contextmanager
def _quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Collect what matplotlib tells of letters, which is not for its users' ears."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told
