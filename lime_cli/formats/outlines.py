"""Pictures inside a page: the picture as a data URI, and the outlines of its segments as paths."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from lime_cli.engine.instance import BoolArray, Picture

LONGEST = 768
"""Pixels of the longer side of a picture on a page."""
TRACED = 384
"""Pixels of the longer side at which outlines are traced."""


def picture_uri(picture: Picture) -> str:
    """Return the picture as a data URI: PNG where that is small, else JPEG."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((LONGEST, LONGEST))
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    if png.tell() <= 100_000:
        return _uri("png", png)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    return _uri("jpeg", jpeg)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def outlines(mask: BoolArray) -> str:
    """Return the borders of a mask (height, width) as an SVG path in its pixels."""
    from skimage.measure import approximate_polygon, find_contours

    step = max(1, -(-max(mask.shape) // TRACED))
    padded = np.pad(mask[::step, ::step].astype(float), 1)
    parts = []
    for line in find_contours(padded, 0.5):  # type: ignore[no-untyped-call]
        corners = approximate_polygon(line, 0.6)  # type: ignore[no-untyped-call]
        points = (corners[:, ::-1] - 0.5) * step
        parts.append("M" + " ".join(f"{x:.0f},{y:.0f}" for x, y in points[:-1]) + "Z")
    return "".join(parts)
