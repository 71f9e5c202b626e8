"""The thumbnail: an overlay in half blocks, two pixels to a character, for a colour terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.color import Color, ColorSystem
from rich.style import Style
from rich.text import Text

from lime_cli.engine.instance import Picture
from lime_cli.formats.overlay import Pixels, bleached, largest_weight, strengths_of, tinted
from lime_cli.formats.page import MARGIN, Page

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate

COLUMNS, LINES = 40, 20
"""Characters of a thumbnail, at most."""
UPPER_HALF = "▀"


def thumbnail(
    explanation: Explanation, surrogate: Surrogate, found: Picture, page: Page
) -> Iterator[Text]:
    """Yield the lines of a picture with its superpixels coloured by their weights."""
    picture = _reduced(found, min(COLUMNS, page.look.width - 2 * len(MARGIN)), 2 * LINES)
    scale = page.look.scale or largest_weight(explanation) or 1.0
    strengths = strengths_of(explanation, surrogate, picture, scale, page.look)
    yield from _lines(bleached(tinted(picture, strengths), picture), page.look.true_colour)
    yield Text()


def _reduced(picture: Picture, width: int, height: int) -> Picture:
    """Shrink a picture, or enlarge a tiny one, to fit into so many pixels."""
    rows, columns = picture.labels.shape
    ratio = min(width / columns, height / rows)
    size = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    pixels = Image.fromarray(picture.pixels).resize(size, Image.Resampling.BOX)
    places = np.ix_(
        *(
            (np.arange(n) * 2 + 1) * m // (2 * n)
            for n, m in zip(size[::-1], picture.labels.shape, strict=True)
        )
    )
    return Picture(np.asarray(pixels), picture.labels[places])


def _lines(pixels: Pixels, true_colour: bool) -> Iterator[Text]:
    # rich caches the codes of a style, so how deep its colours are is for us to say
    system = ColorSystem.TRUECOLOR if true_colour else ColorSystem.EIGHT_BIT

    def colour(pixel: Pixels) -> Color:
        return Color.from_rgb(*map(int, pixel)).downgrade(system)

    for top in range(0, len(pixels), 2):
        line = Text(MARGIN)
        for column, upper in enumerate(pixels[top]):
            lower = colour(pixels[top + 1, column]) if top + 1 < len(pixels) else None
            line.append(UPPER_HALF, Style(color=colour(upper), bgcolor=lower))
        yield line
