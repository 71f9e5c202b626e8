"""Label maps: which superpixel each pixel is in, as files and inside records."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lime_cli.engine.instance import IntArray
from lime_cli.errors import InputError
from lime_cli.modalities.numbers import read_npy
from lime_cli.modalities.photo import MAX_PIXELS, check_size
from lime_cli.modalities.pixels import NPY, bytes_of, quietly
from lime_cli.modalities.view import Axis, View

SUFFIXES = (".png", ".npy")
KEPT_SIDE = 512
"""Longer side in pixels, at most, of a map inside a record."""
HAIR = 1e-6
"""Pixels by which a box may go over the edge, from rounding."""
LARGEST = 32_767
"""Labels of a record are smaller."""
NONE = 65_535
"""What stands in a PNG file where no superpixel is."""


def read_map(path: Path) -> IntArray:
    """Read (height, width) labels from PNG or NPY; raise InputError for what is no label map.

    Every number, palette index or colour is a label of its own.
    """
    data = bytes_of(path)
    if data.startswith(NPY):
        numbers = read_npy(path.name, data, MAX_PIXELS)
        if numbers.shape[2] != 1 or numbers.dtype.kind not in "bui":
            said = f"{path.name}: is {numbers.dtype} of {numbers.shape[2]} channels, not labels"
            raise InputError(said, "save whole numbers, height x width")
        return numbers[..., 0].astype(np.int64)
    with quietly():
        try:
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            check_size(path.name, image.width * image.height, MAX_PIXELS)
            bands = np.asarray(image).astype(np.int64)
        except InputError:
            raise
        except Exception:  # a damaged file can raise anything
            said = f"{path.name}: is no label map, or is damaged"
            raise InputError(said, "give a PNG or NPY file") from None
    if bands.ndim == 2:
        return bands
    powers = 256 ** np.arange(bands.shape[2])[::-1]
    labels: IntArray = bands @ powers
    return labels


def map_bytes(labels: IntArray, suffix: str) -> bytes:
    """Return (height, width) labels as a file: ``.png`` of 16 bits, or ``.npy``."""
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, labels.astype(np.int32))
    else:
        numbers = np.where(labels < 0, NONE, labels).astype(np.uint16)
        Image.fromarray(numbers).save(stream, "PNG")
    return stream.getvalue()


def kept_map(labels: IntArray, view: View) -> dict[str, Any]:
    """Return a map of the view's equal parts as a record keeps it."""
    height, width = labels.shape
    step = max(1, -(-max(height, width) // KEPT_SIDE))
    few = labels[step // 2 :: step, step // 2 :: step] if step > 1 else labels
    depth = np.uint8 if few.max() < 256 else np.uint16
    stream = io.BytesIO()
    Image.fromarray(few.astype(depth)).save(stream, "PNG", optimize=True)
    box = [view.x.start, view.y.start, view.x.stop, view.y.stop]
    return {"box": box, "png": base64.b64encode(stream.getvalue()).decode()}


def labels_of(kept: Any, size: tuple[int, int]) -> IntArray:
    """Return (height, width) labels of a picture from what a record keeps; -1 outside the view.

    Raises InputError where the record is damaged.
    """
    try:
        left, top, right, bottom = map(float, kept["box"])
        data = base64.b64decode(kept["png"], validate=True)
        with quietly():
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            check_size("label map", image.width * image.height, KEPT_SIDE**2)
            labels = np.asarray(image).astype(np.int64)
        if (
            labels.ndim != 2
            or labels.max() >= LARGEST
            or not (0 <= left < right <= size[1] + HAIR and 0 <= top < bottom <= size[0] + HAIR)
        ):
            raise ValueError("no labels")
    except (KeyError, TypeError, ValueError, OSError, binascii.Error, SyntaxError) as error:
        raise InputError(
            f"the record's label map is damaged: {error}", "explain it again"
        ) from error
    y, x = (Axis(size[0], top, bottom, 1, (0, 1)), Axis(size[1], left, right, 1, (0, 1)))
    return View(y, x).labels_on_picture(labels)
