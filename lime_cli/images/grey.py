"""Grey as ``cv2.imread`` with ``IMREAD_GRAYSCALE`` makes it, which goes by the kind of file."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lime_cli.errors import InputError
from lime_cli.images.view import Pixels

PILLOW, OPENCV = "Pillow", "OpenCV"

JPEGS = ("JPEG", "MPO")

WEIGHTS = {
    "PNG": ((9797, 19234, 3737), 15, False),
    **dict.fromkeys(("WEBP", "GIF", "array"), ((9798, 19235, 3735), 15, True)),
    **dict.fromkeys(("BMP", "TIFF"), ((4899, 9617, 1868), 14, True)),
}
"""By kind of file the shares of red, green and blue, the bits that are cut off their sum, and
whether it is rounded first: libpng's, those of ``cv2.cvtColor``, and those of OpenCV's readers."""

SRGB, SIGNIFICANT = 0.45455, 0.05
"""The gamma that a PNG of sRGB has, and from which difference to 1 on libpng goes by a gamma."""


def is_known(image: Image.Image, kind: str | None) -> bool:
    """Tell whether it is known how OpenCV makes an 8-bit image of a ``kind`` of file grey."""
    profiled = kind == "PNG" and "icc_profile" in image.info  # libpng goes by some of them
    return kind in (*JPEGS, *WEIGHTS) and image.mode != "CMYK" and not profiled


def grey_of_file(name: str, data: bytes, image: Image.Image, kind: str | None) -> Pixels:
    """Return (h, w, 1) of an 8-bit ``image`` already decoded in colours, and turned upright."""
    if kind is None or not is_known(image, kind):
        raise unknown(name)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    if kind in JPEGS:
        inner = Image.open(io.BytesIO(data), formats=("JPEG", "MPO"))
        inner.draft("L", inner.size)  # the brightness that the file holds
        return np.asarray(ImageOps.exif_transpose(inner))[..., None]
    rgb = np.asarray(image.convert("RGB"))
    gamma = SRGB if "srgb" in image.info else image.info.get("gamma", 1.0)
    linear = kind == "PNG" and abs(gamma - 1) > SIGNIFICANT
    return weighted(rgb, kind, gamma if linear else 1.0)


def weighted(rgb: Pixels, kind: str, gamma: float = 1.0) -> Pixels:
    """Return (h, w, 1) of red, green and blue by the weights of a ``kind``."""
    weights, bits, rounded = WEIGHTS[kind]
    there, back = _curve(1 / gamma), _curve(gamma)
    half = 1 << bits - 1 if rounded or gamma != 1 else 0
    grey = back[(there[rgb] @ np.array(weights) + half) >> bits]
    same = (rgb == rgb[..., :1]).all(axis=2)
    return np.where(same, rgb[..., 0], grey).astype(np.uint8)[..., None]


def _curve(power: float) -> NDArray[Any]:
    return np.floor(255 * (np.arange(256) / 255) ** power + 0.5).astype(np.int64)


def unknown(name: str) -> InputError:
    """Word that limex does not know how OpenCV makes a file grey."""
    return InputError(
        f"{name}: --channels L-opencv: limex does not know how OpenCV makes such a file grey",
        "numpy.save('grey.npy', cv2.imread(..., cv2.IMREAD_GRAYSCALE)), and explain grey.npy with "
        "--channels L",
    )
