"""The overlay: an explanation drawn on its picture, a legend under it, as PNG.

Blue speaks for the target and orange against it: told apart by every kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray, Picture, Segment
from lime_cli.errors import SettingsError
from lime_cli.formats.legend import AGAINST, FOR, legend

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate
    from lime_cli.formats import Look

Pixels = NDArray[np.uint8]
SMALLEST_WIDTH, LARGEST_SIDE = 384, 1536
"""Pixels: narrower pictures are enlarged by a whole factor, unless they get larger than this."""
PANELS_PER_ROW, MOST_PANELS = 4, 32
FAINTEST = 0.02
"""Share of the full strength below which a superpixel is not outlined: a line would say more."""
SIGNS: dict[str, tuple[float, ...]] = {"both": (-1.0, 1.0), "positive": (1.0,), "negative": (-1.0,)}


def write(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation of a picture, a panel for each target; SettingsError for others."""
    explanation = only(explanations)
    if explanation.subject.picture is None:
        what = f"{explanation.subject.source} is none ({explanation.subject.modality})"
        raise SettingsError(f"an overlay draws pictures, and {what}", "use -f table or -f json")
    overlay(explanation, explanation.subject.picture, look).save(out, "PNG")


def overlay(explanation: Explanation, found: Picture, look: Look) -> Image.Image:
    """Return the panels of all targets on one sheet; SettingsError for what cannot be drawn."""
    if any(one.rules for one in explanation.surrogates):
        raise SettingsError("png draws weights, and a tree has rules", "use -f table or -f json")
    for option, value, choices in (("--style", look.style, STYLES), ("--sign", look.sign, SIGNS)):
        if value not in choices:
            raise SettingsError(f"{option}: {value!r} is unknown", f"one of: {', '.join(choices)}")
    if len(explanation.surrogates) > MOST_PANELS:
        said = f"png draws up to {MOST_PANELS} targets, not {len(explanation.surrogates)}"
        raise SettingsError(said, "choose with --target top:4, or use -f json")
    picture = enlarged(found)
    scale = look.scale or largest_weight(explanation) or 1.0
    return _sheet(
        [_panel(explanation, one, picture, scale, look) for one in explanation.surrogates]
    )


def only(explanations: Iterable[Explanation]) -> Explanation:
    """Return the one explanation there is; raise SettingsError for none or several."""
    found = list(islice(explanations, 2))
    if len(found) != 1:
        said = "several explanations" if found else "no explanation"
        raise SettingsError(f"png holds one explanation, and here is {said}", "give -o a folder")
    return found[0]


def largest_weight(explanation: Explanation) -> float:
    """Return the largest absolute weight of all targets, so that panels compare."""
    weights = [one.weight for surrogate in explanation.surrogates for one in surrogate.weights]
    return max(map(abs, weights), default=0.0)


def enlarged(picture: Picture) -> Picture:
    """Enlarge a small picture by a whole factor."""
    height, width = picture.labels.shape
    factor = min(-(-SMALLEST_WIDTH // width), max(1, LARGEST_SIDE // max(height, width)))
    if factor == 1:
        return picture
    place = np.ix_(np.arange(height * factor) // factor, np.arange(width * factor) // factor)
    return Picture(picture.pixels[place], picture.labels[place])


def _panel(
    explanation: Explanation, surrogate: Surrogate, picture: Picture, scale: float, look: Look
) -> Image.Image:
    """Draw one target: the picture, in the middle where the legend is wider, and the legend."""
    strengths = strengths_of(explanation, surrogate, picture, scale, look)
    drawn = bleached(STYLES[look.style](picture, strengths), picture)
    height, width = picture.labels.shape
    strip = legend(surrogate, explanation.model.task, scale, max(width, SMALLEST_WIDTH))
    panel = Image.new("RGB", (strip.width, height + strip.height), "white")
    panel.paste(Image.fromarray(drawn), ((strip.width - width) // 2, 0))
    panel.paste(strip, (0, height))
    return panel


def bleached(drawn: Pixels, picture: Picture) -> Pixels:
    """Bleach what the model does not look at."""
    faded = (drawn // 3 + 170).astype(np.uint8)
    result: Pixels = np.where(picture.labels[..., None] < 0, faded, drawn)
    return result


def strengths_of(
    explanation: Explanation, surrogate: Surrogate, picture: Picture, scale: float, look: Look
) -> FloatArray:
    """Return (s + 1,) weights by segment, in -1..1 of the full colour.

    0 is for segments not shown, and for label -1.
    """
    strengths = np.zeros(int(picture.labels.max()) + 2)
    chosen = [one for one in surrogate.weights if np.sign(one.weight) in SIGNS[look.sign]]
    for one in chosen[: look.top]:
        where = explanation.components[one.component].where
        if isinstance(where, Segment) and where.segment < len(strengths) - 1:
            strengths[where.segment] = np.clip(one.weight / scale, -1, 1)
    return strengths


def _outline(picture: Picture, strengths: FloatArray) -> Pixels:
    """Tint the superpixels by their weight and draw a line round them."""
    drawn = _blend(picture.pixels, _colours(strengths), 0.45 * np.abs(strengths), picture.labels)
    return _lined(drawn, picture.labels, strengths, 220)


def _heat(picture: Picture, strengths: FloatArray) -> Pixels:
    """Colour a pale grey picture by the weights."""
    grey = np.asarray(Image.fromarray(picture.pixels).convert("L"))
    pale = (grey // 2 + 120).astype(np.uint8)[..., None].repeat(3, axis=2)
    return _blend(pale, _colours(strengths), 0.75 * np.abs(strengths), picture.labels)


def _hide(picture: Picture, strengths: FloatArray) -> Pixels:
    """Show the superpixels that have weight, nearly nothing of the rest."""
    grey = np.asarray(Image.fromarray(picture.pixels).convert("L"))
    dark = (grey // 5 + 24).astype(np.uint8)[..., None]
    shown = np.where(_visible(strengths)[picture.labels][..., None], picture.pixels, dark)
    return _lined(shown, picture.labels, strengths, 320)


def tinted(picture: Picture, strengths: FloatArray) -> Pixels:
    """Colour a third grey picture by the weights, without lines: for very small drawings."""
    grey = np.asarray(Image.fromarray(picture.pixels).convert("L"))[..., None]
    dull = ((picture.pixels.astype(np.uint16) * 2 + grey) // 3).astype(np.uint8)
    return _blend(dull, _colours(strengths), 0.8 * np.abs(strengths), picture.labels)


STYLES: dict[str, Callable[[Picture, FloatArray], Pixels]] = {
    "outline": _outline,
    "heat": _heat,
    "hide": _hide,
}


def _visible(strengths: FloatArray) -> BoolArray:
    return np.abs(strengths) >= FAINTEST


def _colours(strengths: FloatArray) -> FloatArray:
    """Return (s + 1, 3): the colour of every segment's sign."""
    return np.where(strengths[:, None] < 0, np.array(AGAINST), np.array(FOR)).astype(np.float64)


def _blend(pixels: Pixels, colours: FloatArray, share: FloatArray, labels: IntArray) -> Pixels:
    """Mix into each pixel the given share of its component's colour."""
    kept = np.rint((1 - share) * 256).astype(np.uint16)  # 256ths, to go easy on memory
    added = np.rint(colours * (256 - kept)[:, None] + 128).astype(np.uint16)
    return ((pixels * kept[labels][..., None] + added[labels]) >> 8).astype(np.uint8)


def _lined(pixels: Pixels, labels: IntArray, strengths: FloatArray, fineness: int) -> Pixels:
    """Draw the inner border of every shown component, a ``fineness``-th of the picture wide."""
    width = max(2, round(max(labels.shape) / fineness))
    shown = np.where(_visible(strengths)[labels], labels, -1).astype(np.int16)  # 500 labels at most
    drawn = pixels.copy()
    halo = _border(shown, width + max(1, width // 2))
    drawn[halo] = 255
    line = _border(shown, width)
    drawn[line] = _colours(strengths)[shown[line]]
    return drawn


def _border(labels: NDArray[np.int16], width: int) -> BoolArray:
    """Return (h, w): pixels of a component at most ``width`` from what is not it."""
    framed = np.pad(labels, width, constant_values=-1)
    border = np.zeros(labels.shape, np.bool_)
    for down, right in _disc(width):
        rows = slice(width + down, width + down + labels.shape[0])
        columns = slice(width + right, width + right + labels.shape[1])
        border |= framed[rows, columns] != framed[width:-width, width:-width]
    border &= labels >= 0
    return border


def _disc(radius: int) -> list[tuple[int, int]]:
    """List offsets over a disc, few enough to be quick and enough to meet any neighbour."""
    angles = np.arange(16) * np.pi / 8
    circle = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    offsets = np.rint(np.concatenate([circle * radius, circle[::2] * radius / 2])).astype(int)
    return sorted({(int(down), int(right)) for down, right in offsets})


def _sheet(panels: list[Image.Image]) -> Image.Image:
    """Put panels of one size side by side, in rows."""
    width, height = panels[0].size
    gap = width // 24
    columns = min(len(panels), PANELS_PER_ROW)
    rows = -(-len(panels) // columns)
    size = columns * (width + gap) - gap, rows * (height + gap) - gap
    sheet = Image.new("RGB", size, "white")
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        sheet.paste(panel, (column * (width + gap), row * (height + gap)))
    return sheet
