"""The legend: what stands under an overlay, so that the picture can be read alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lime_cli.formats.fonts import Font, drawable
from lime_cli.formats.words import fidelity_in_words, number_format

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Surrogate

FOR, AGAINST = (10, 95, 215), (230, 110, 0)
"""RGB of the full strength."""
INK, FAINT = (20, 20, 20), (90, 90, 90)
CHARACTERS = 27
"""A legend is about so many letters of its title wide."""


def legend(surrogate: Surrogate, task: str, scale: float, width: int) -> Image.Image:
    """Draw the target, what the model says, the fidelity, and what the colours mean."""
    unit = width // CHARACTERS
    strip = Image.new("RGB", (width, round(6.1 * unit)), "white")
    draw = ImageDraw.Draw(strip)
    name, large = drawable(surrogate.name, 1.15 * unit)
    small = ImageFont.load_default(0.85 * unit)
    said = "probability" if task == "classification" else "prediction"
    number = format(surrogate.model_prediction, number_format([surrogate.model_prediction]))
    left, right = unit // 2, width - unit // 2
    draw.text((right, 1.6 * unit), f"{said} {number}", FAINT, small, anchor="rs")
    room = right - left - unit - draw.textlength(f"{said} {number}", small)
    draw.text((left, 1.6 * unit), _cut(draw, name, large, room), INK, large, anchor="ls")
    draw.text((left, 3.0 * unit), _fidelity(surrogate), FAINT, small, anchor="ls")
    strip.paste(_bar(right - left, round(0.6 * unit)), (left, round(3.6 * unit)))
    form = number_format([scale])
    for x, text, anchor in (
        (left, f"against  -{scale:{form}}", "ls"),
        (width / 2, "0", "ms"),
        (right, f"+{scale:{form}}  for", "rs"),
    ):
        draw.text((x, 5.3 * unit), text, FAINT, small, anchor=anchor)
    return strip


def _fidelity(surrogate: Surrogate) -> str:
    if surrogate.fidelity is None:
        return "fidelity undefined: flat response"
    return f"fidelity {surrogate.fidelity:.2f}, {fidelity_in_words(surrogate.fidelity)}"


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
