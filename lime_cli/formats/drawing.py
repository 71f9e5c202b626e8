"""PNG and SVG: an image with its superpixels, or the chart of a row or a text."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from typing import IO, TYPE_CHECKING

from PIL import Image

from lime_cli.errors import SettingsError
from lime_cli.formats.chart import save
from lime_cli.formats.overlay import enlarged, only, overlay, save_png

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import SegmentedImage
    from lime_cli.formats import Look


PANEL_INCHES = 6.0
"""Width of the bars in a panel."""


def write_png(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as PNG; raise SettingsError for any other number of them."""
    explanation = only(explanations)
    if _image(explanation) is None:
        save(explanation, out, "png")
    else:
        save_png(_drawn(explanation, look), out)


def write_jpg(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as JPEG; raise SettingsError for any other number of them."""
    _converted(explanations, look).save(out, "JPEG", quality=92, subsampling=0)


def write_webp(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as WebP; raise SettingsError for any other number of them."""
    _converted(explanations, look).save(out, "WEBP", lossless=True)


def _converted(explanations: Iterable[Explanation], look: Look) -> Image.Image:
    explanation = only(explanations)
    if _image(explanation) is not None:
        return _drawn(explanation, look).convert("RGB")
    stream = io.BytesIO()
    save(explanation, stream, "png")
    return Image.open(stream).convert("RGB")


def write_svg(explanations: Iterable[Explanation], out: IO[bytes], look: Look) -> None:
    """Draw one explanation as SVG; raise SettingsError for any other number of them."""
    explanation = only(explanations)
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
            f"{subject.source}: the record does not hold the image", "name it with --pictures"
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
    said = f"{item['name']}: {target['lead']}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">\n<title>{escape(said)}</title>\n'
        f'<image width="{width}" height="{height}" href="{image_uri(image)}"/>\n'
        f"{paths}\n</svg>\n"
    )
