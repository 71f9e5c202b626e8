"""PNG, SVG, JPEG and WebP: an explanation on its image with its legend, or a chart of any other.

Blue speaks for the target and orange against it: told apart by every kind of colour vision.
"""

from __future__ import annotations

import io
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from html import escape
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.color import Color, ColorSystem
from rich.style import Style
from rich.text import Text

from lime_cli.engine.instance import Segment, SegmentedImage
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.errors import SettingsError
from lime_cli.formats.canvas import FONTS, UNIT, Canvas
from lime_cli.formats.chart import FAINTEST, save
from lime_cli.formats.story import caution_said, prediction_said, trust_said
from lime_cli.formats.terminal import MARGIN, Page
from lime_cli.formats.wording import MINUS, PLAIN_MARKS, literal, numbers_for, verdict_said

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation, Surrogate
    from lime_cli.engine.instance import SegmentedImage
    from lime_cli.formats import Look

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
    return "".join(map(_plain, unicodedata.normalize("NFC", text.translate(PLAIN_MARKS))))


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


FOR, AGAINST = (10, 95, 215), (230, 110, 0)
"""RGB of the full strength."""

INK, FAINT, CAUTION = (20, 20, 20), (90, 90, 90), (176, 72, 0)

CHARACTERS = 27
"""A legend is about so many letters of its title wide."""


def legend(
    explanation: Explanation, surrogate: Surrogate, scale: float, width: int, dashes: str = ""
) -> Image.Image:
    """Draw the target, what the model predicts, the fidelity, and what the colours mean.

    What the ``dashes`` mean and what there are warnings about stand below in lines of their own.
    """
    unit, caution = width // CHARACTERS, caution_said(explanation)
    notes = [one for one in ((dashes, FAINT), (caution, CAUTION)) if one[0]]
    strip = Image.new("RGB", (width, round((6.1 + 1.3 * len(notes)) * unit)), "white")
    draw = ImageDraw.Draw(strip)
    name, large = drawable(surrogate.name, 1.15 * unit)
    small = ImageFont.load_default(0.85 * unit)
    number = numbers_for([surrogate.model_prediction]).plain(surrogate.model_prediction)
    said = (
        f"{'probability' if explanation.model.task == 'classification' else 'prediction'} {number}"
    )
    left, right = unit // 2, width - unit // 2
    draw.text((right, 1.6 * unit), said, FAINT, small, anchor="rs")
    room = right - left - unit - draw.textlength(said, small)
    draw.text((left, 1.6 * unit), _cut(draw, name, large, room), INK, large, anchor="ls")
    draw.text((left, 3.0 * unit), _fidelity(explanation, surrogate), FAINT, small, anchor="ls")
    strip.paste(_bar(right - left, round(0.6 * unit)), (left, round(3.6 * unit)))
    end = numbers_for([scale]).plain(scale)
    for x, text, anchor in (
        (left, f"against  {MINUS}{end}", "ls"),
        (width / 2, "0", "ms"),
        (right, f"+{end}  for", "rs"),
    ):
        shown, font = drawable(text, 0.85 * unit)
        draw.text((x, 5.3 * unit), shown, FAINT, font, anchor=anchor)
    for place, (note, colour) in enumerate(notes):
        shown = _cut(draw, note, small, right - left)
        draw.text((left, (6.7 + 1.3 * place) * unit), shown, colour, small, anchor="ls")
    return strip


def _fidelity(explanation: Explanation, surrogate: Surrogate) -> str:
    if surrogate.fidelity is None:
        return "fidelity undefined: flat response"
    return f"fidelity {surrogate.fidelity:.2f}, {verdict_said(explanation, surrogate)}"


def _bar(width: int, height: int) -> Image.Image:
    """Draw the colours of the weights from full against to full for."""
    strength = np.linspace(-1, 1, width)[:, None]
    colour = np.where(strength < 0, np.array(AGAINST), np.array(FOR))
    line = 255 + (colour - 255) * np.abs(strength)
    return Image.fromarray(np.rint(line).astype(np.uint8)[None].repeat(height, axis=0))


def _cut(draw: ImageDraw.ImageDraw, text: str, font: Font, room: float) -> str:
    """Return as much of a text as there is room for."""
    if draw.textlength(text, font) <= room:
        return text
    length = len(text)
    while length > 1 and draw.textlength(text[:length].rstrip() + "…", font) > room:
        length -= 1
    return text[:length].rstrip() + "…"


Pixels = NDArray[np.uint8]

SMALLEST_WIDTH, LARGEST_SIDE = 384, 1536
"""Pixels: narrower images are enlarged by a whole factor, unless they get larger than this."""

PANELS_PER_ROW, MOST_PANELS = 4, 32

SIGNS: dict[str, tuple[float, ...]] = {"both": (-1.0, 1.0), "positive": (1.0,), "negative": (-1.0,)}


LARGE = 4_000_000
"""Pixels from which a PNG is packed four times faster for a file that is a tenth larger."""


def save_png(image: Image.Image, out: IO[bytes]) -> None:
    """Write an image as PNG."""
    image.save(out, "PNG", compress_level=2 if image.width * image.height >= LARGE else 6)


def overlay(explanation: Explanation, found: SegmentedImage, look: Look) -> Image.Image:
    """Return the panels of all targets on one sheet; SettingsError for what cannot be drawn."""
    if any(one.rules for one in explanation.surrogates):
        raise SettingsError("png shows weights, but a tree has rules", "use -f table or -f json")
    for option, value, choices in (("--style", look.style, STYLES), ("--sign", look.sign, SIGNS)):
        if value not in choices:
            raise SettingsError(f"{option}: {value!r} is unknown", f"one of: {', '.join(choices)}")
    if len(explanation.surrogates) > MOST_PANELS:
        said = f"png shows up to {MOST_PANELS} targets, not {len(explanation.surrogates)}"
        raise SettingsError(said, "choose with --target top:4, or use -f json")
    image = enlarged(found)
    scale = look.scale or largest_weight(explanation) or 1.0
    return _sheet([_titled(explanation, one, image, scale, look) for one in explanation.surrogates])


def only(explanations: Iterable[Explanation], form: str) -> Explanation:
    """Return the one explanation there is; raise SettingsError for none or several."""
    found = list(islice(explanations, 2))
    if not found:
        raise SettingsError(f"a {form} file holds one explanation, not none", "explain an instance")
    if len(found) > 1:
        hint = f"choose one, such as --id {shlex.quote(found[0].subject.id)}; -f html holds all"
        raise SettingsError(f"a {form} file holds one explanation, not several", hint)
    return found[0]


def largest_weight(explanation: Explanation) -> float:
    """Return the largest absolute weight of all targets, so that panels compare."""
    weights = [one.weight for surrogate in explanation.surrogates for one in surrogate.weights]
    return max(map(abs, weights), default=0.0)


def enlarged(image: SegmentedImage) -> SegmentedImage:
    """Enlarge a small image by a whole factor."""
    height, width = image.labels.shape
    factor = min(-(-SMALLEST_WIDTH // width), max(1, LARGEST_SIDE // max(height, width)))
    if factor == 1:
        return image
    place = np.ix_(np.arange(height * factor) // factor, np.arange(width * factor) // factor)
    return SegmentedImage(image.pixels[place], image.labels[place])


def _titled(
    explanation: Explanation, surrogate: Surrogate, image: SegmentedImage, scale: float, look: Look
) -> Image.Image:
    """Draw one target: the image, in the middle where the legend is wider, and the legend."""
    shades = shades_of(explanation, surrogate, image, scale, look)
    drawn = bleached(STYLES[look.style](image, shades), image)
    height, width = image.labels.shape
    wide = max(width, SMALLEST_WIDTH)
    dashes = ""
    if look.style != "heat" and any(  # of all targets: their drawings have one size
        np.any(one.visible & ~one.certain)
        for one in (shades_of(explanation, s, image, scale, look) for s in explanation.surrogates)
    ):
        dashes = "dashed: the sign is not certain"
    strip = legend(explanation, surrogate, scale, wide, dashes)
    panel = Image.new("RGB", (strip.width, height + strip.height), "white")
    panel.paste(Image.fromarray(drawn), ((strip.width - width) // 2, 0))
    panel.paste(strip, (0, height))
    return panel


def bleached(drawn: Pixels, image: SegmentedImage) -> Pixels:
    """Bleach what the model does not look at."""
    faded = (drawn // 3 + 170).astype(np.uint8)
    result: Pixels = np.where(image.labels[..., None] < 0, faded, drawn)
    return result


class Shades(NamedTuple):
    """What is drawn of each segment, and of what the model does not see, whose label is -1."""

    strengths: FloatArray
    """(s + 1,): weights in -1..1 of the full colour; 0 for segments not shown."""
    certain: BoolArray
    """(s + 1,): whether the sign is certain; what is not is outlined by dashes, without colour."""

    @property
    def tints(self) -> FloatArray:
        """(s + 1,): how strong a segment is coloured, in 0..1."""
        return np.where(self.certain, np.abs(self.strengths), 0.0)

    @property
    def visible(self) -> BoolArray:
        """(s + 1,): which segments are outlined."""
        return np.abs(self.strengths) >= FAINTEST

    @property
    def colours(self) -> FloatArray:
        """(s + 1, 3): the colour of every segment's sign."""
        against = self.strengths[:, None] < 0
        return np.where(against, np.array(AGAINST), np.array(FOR)).astype(np.float64)


def shades_of(
    explanation: Explanation, surrogate: Surrogate, image: SegmentedImage, scale: float, look: Look
) -> Shades:
    """Choose the segments that are shown, and how strong their colours are."""
    strengths = np.zeros(int(image.labels.max()) + 2)
    certain = np.ones(len(strengths), np.bool_)
    chosen = [one for one in surrogate.weights if np.sign(one.weight) in SIGNS[look.sign]]
    for one in chosen[: look.top]:
        where = explanation.components[one.component].where
        if isinstance(where, Segment) and where.segment < len(strengths) - 1:
            strengths[where.segment] = np.clip(one.weight / scale, -1, 1)
            certain[where.segment] = one.certain
    return Shades(strengths, certain)


def _outline(image: SegmentedImage, shades: Shades) -> Pixels:
    """Tint the superpixels by their weight and draw a line round them."""
    drawn = _blend(image.pixels, shades.colours, 0.45 * shades.tints, image.labels)
    return _lined(drawn, image.labels, shades, 220)


SMOOTH = 0.2
"""How far colours of a heat map run into each other, in the side of a mean superpixel."""


def _heat(image: SegmentedImage, shades: Shades) -> Pixels:
    """Colour a pale grey image by the weights, without borders between superpixels."""
    from scipy.ndimage import gaussian_filter

    grey = np.asarray(Image.fromarray(image.pixels).convert("L"))
    pale = (grey * 0.6 + 90)[..., None]
    signed = np.sign(shades.strengths) * shades.tints
    side = np.sqrt(image.labels.size / max(1, len(np.unique(image.labels))))
    smooth = gaussian_filter(signed[image.labels], SMOOTH * side, mode="nearest", truncate=2)
    share = 0.8 * np.abs(smooth)[..., None]
    colour = np.where(smooth[..., None] < 0, np.array(AGAINST), np.array(FOR))
    drawn: Pixels = np.rint((1 - share) * pale + share * colour).astype(np.uint8)
    return drawn


def _hide(image: SegmentedImage, shades: Shades) -> Pixels:
    """Show the superpixels that have weight, nearly nothing of the rest."""
    grey = np.asarray(Image.fromarray(image.pixels).convert("L"))
    dark = (grey // 5 + 24).astype(np.uint8)[..., None]
    shown = shades.visible & shades.certain
    return _lined(
        np.where(shown[image.labels][..., None], image.pixels, dark), image.labels, shades, 320
    )


def tinted(image: SegmentedImage, shades: Shades) -> Pixels:
    """Colour a third grey image by the weights, without lines: for very small drawings."""
    grey = np.asarray(Image.fromarray(image.pixels).convert("L"))[..., None]
    dull = ((image.pixels.astype(np.uint16) * 2 + grey) // 3).astype(np.uint8)
    return _blend(dull, shades.colours, 0.8 * shades.tints, image.labels)


STYLES: dict[str, Callable[[SegmentedImage, Shades], Pixels]] = {
    "outline": _outline,
    "heat": _heat,
    "hide": _hide,
}


def _blend(pixels: Pixels, colours: FloatArray, share: FloatArray, labels: IntArray) -> Pixels:
    """Mix into each pixel the given share of its component's colour."""
    kept = np.rint((1 - share) * 256).astype(np.uint16)  # 256ths, to go easy on memory
    added = np.rint(colours * (256 - kept)[:, None] + 128).astype(np.uint16)
    return ((pixels * kept[labels][..., None] + added[labels]) >> 8).astype(np.uint8)


def _lined(pixels: Pixels, labels: IntArray, shades: Shades, fineness: int) -> Pixels:
    """Draw the inner border of every shown component, a ``fineness``-th of the image wide.

    In dashes where the sign is not certain.
    """
    width = max(2, round(max(labels.shape) / fineness))
    drawn = pixels.copy()
    for certain in (False, True):
        chosen = shades.visible & (shades.certain == certain)
        if not chosen.any():
            continue
        shown = np.where(chosen[labels], labels, -1).astype(np.int16)  # 500 labels at most
        halo, line = _border(shown, width + max(1, width // 2)), _border(shown, width)
        if not certain:
            halo, line = (one & _dashes(labels.shape, width) for one in (halo, line))
        drawn[halo] = 255
        drawn[line] = shades.colours[shown[line]]
    return drawn


def _dashes(shape: tuple[int, ...], width: int) -> BoolArray:
    """Return (h, w): the dark fields of a board whose fields are some widths of a line wide."""
    rows, columns = (np.arange(n) // (4 * width) for n in shape)
    board: BoolArray = (rows[:, None] + columns) % 2 == 0
    return board


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


COLUMNS, LINES = 40, 20
"""Characters of a thumbnail, at most."""

UPPER_HALF = "▀"


def thumbnail(
    explanation: Explanation, surrogate: Surrogate, found: SegmentedImage, page: Page
) -> Iterator[Text]:
    """Yield the lines of an image with its superpixels coloured by their weights."""
    image = _reduced(found, min(COLUMNS, page.look.width - 2 * len(MARGIN)), 2 * LINES)
    scale = page.look.scale or largest_weight(explanation) or 1.0
    shades = shades_of(explanation, surrogate, image, scale, page.look)
    yield from _lines(bleached(tinted(image, shades), image), page.look.true_colour)
    yield Text()


def _reduced(image: SegmentedImage, width: int, height: int) -> SegmentedImage:
    """Shrink an image, or enlarge a tiny one, to fit into so many pixels."""
    rows, columns = image.labels.shape
    ratio = min(width / columns, height / rows)
    size = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    pixels = Image.fromarray(image.pixels).resize(size, Image.Resampling.BOX)
    places = np.ix_(
        *(
            (np.arange(n) * 2 + 1) * m // (2 * n)
            for n, m in zip(size[::-1], image.labels.shape, strict=True)
        )
    )
    return SegmentedImage(np.asarray(pixels), image.labels[places])


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


PANEL_INCHES = 6.0
"""Width of the bars in a panel."""


def write_png(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as PNG; raise SettingsError for any other number of them."""
    explanation = only(explanations, "png")
    if _image(explanation) is None:
        save(explanation, out, "png")
    else:
        save_png(_drawn(explanation, look), out)


def write_jpg(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as JPEG; raise SettingsError for any other number of them."""
    _converted(explanations, look, "jpg").save(out, "JPEG", quality=92, subsampling=0)


def write_webp(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as WebP; raise SettingsError for any other number of them."""
    _converted(explanations, look, "webp").save(out, "WEBP", lossless=True)


def _converted(explanations: Iterable[Explanation], look: Look, form: str) -> Image.Image:
    explanation = only(explanations, form)
    if _image(explanation) is not None:
        return _drawn(explanation, look).convert("RGB")
    stream = io.BytesIO()
    save(explanation, stream, "png")
    return Image.open(stream).convert("RGB")


def write_svg(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as SVG; raise SettingsError for any other number of them."""
    explanation = only(explanations, "svg")
    image = _image(explanation)
    if image is None:
        save(explanation, out, "svg")
    else:
        out.write(_outlined(explanation, image).encode("utf-8", "xmlcharrefreplace"))


def _drawn(explanation: Explanation, look: Look) -> Image.Image:
    """Draw an image, as a panel where that is asked for."""
    image = _image(explanation)
    assert image is not None
    return (_panel if look.style == "panel" else overlay)(explanation, image, look)


def _image(explanation: Explanation) -> SegmentedImage | None:
    subject = explanation.subject
    if subject.modality == "image" and subject.image is None:
        raise SettingsError(
            f"{subject.source}: the record does not contain the image", "name it with --pictures"
        )
    return subject.image


def _panel(explanation: Explanation, image: SegmentedImage, look: Look) -> Image.Image:
    """Put the image, its overlay and the bars side by side, a row for each target."""
    rows = []
    for surrogate in explanation.surrogates:
        one = replace(explanation, surrogates=(surrogate,))
        middle = overlay(one, image, replace(look, style="outline"))
        original = Image.fromarray(enlarged(image).pixels)
        stream = io.BytesIO()
        save(one, stream, "png", PANEL_INCHES)
        bars = Image.open(stream)
        width = round(bars.width * middle.height / bars.height)
        shown = bars.convert("RGB").resize((width, middle.height), Image.Resampling.LANCZOS)
        rows.append(_row([original, middle, shown]))
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(r.height for r in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def _row(parts: list[Image.Image]) -> Image.Image:
    gap = parts[0].width // 24
    size = sum(one.width + gap for one in parts) - gap, max(one.height for one in parts)
    row = Image.new("RGB", size, "white")
    left = 0
    for one in parts:
        row.paste(one, (left, 0))
        left += one.width + gap
    return row


def _outlined(explanation: Explanation, image: SegmentedImage) -> str:
    """Return the image of the first target, every segment with its weight as a title."""
    from lime_cli.formats.html import image_uri, item_of

    item = item_of(explanation, "")
    height, width = image.labels.shape
    target = item["targets"][0]
    colours = {"for": "#2f7df0", "against": "#ff8a1f"}
    dashed = {True: "", False: ' stroke-dasharray="5 4"'}
    paths = "\n".join(
        f'<path d="{one["path"]}" fill="{colours[one["sign"]]}" '
        f'fill-opacity="{one["strength"] if one["certain"] else 0}" '
        f'stroke="{colours[one["sign"]]}" '
        f'stroke-width="2" vector-effect="non-scaling-stroke"'
        f"{dashed[one['certain']]}>"
        f"<title>{escape(one['said'])}</title></path>"
        for one in target["image"]
    )
    surrogate = explanation.surrogates[0]
    lines = [prediction_said(explanation, surrogate), trust_said(explanation, surrogate)]
    lines.append(f"Blue raises {target['prediction']}, orange lowers it; dashed: sign not certain.")
    caution = caution_said(explanation)
    lines += filter(None, [caution])
    wide = max(width, SMALLEST_WIDTH)
    size = wide / 36
    canvas = Canvas(wide / UNIT, measured=False)
    wrapped = [
        (part, "#b04800" if line == caution else "#33373d")
        for line in lines
        for part in canvas.wrapped(line, size * 72 / UNIT, (wide - size) / UNIT)
    ]
    texts = "\n".join(
        f'<text x="{size / 2:.1f}" y="{height + (number + 1) * 1.5 * size:.1f}" '
        f'font-size="{size:.1f}" fill="{colour}">{escape(line)}</text>'
        for number, (line, colour) in enumerate(wrapped)
    )
    tall = height + (len(wrapped) + 0.7) * 1.5 * size
    said = f"{item['name']}: {target['lead']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall:.0f}" '
        f'width="{wide}" height="{tall:.0f}" font-family="\'DejaVu Sans\',system-ui,sans-serif">\n'
        f"<title>{escape(said)}</title>\n"
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f'<image width="{width}" height="{height}" href="{image_uri(image)}"/>\n'
        f"{paths}\n{texts}\n</svg>\n"
    )
