"""Pixels: reading picture files, whatever their format, depth and number of channels."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lime_cli.digests import digest_of
from lime_cli.engine.instance import Caveat
from lime_cli.errors import InputError
from lime_cli.modalities.numbers import from_numbers, read_npy, read_tiff
from lime_cli.modalities.photo import Photo, Reading, check_channels, check_size
from lime_cli.modalities.preprocessing import MODES
from lime_cli.modalities.view import Pixels, Values

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
WANTED = "give a PNG, JPEG, WebP, BMP, GIF, TIFF or NPY file"
FOREIGN = (
    (b"%!PS", "EPS"), (b"%PDF", "PDF"), (b"<svg", "SVG"), (b"<?xml", "SVG"), (b"ftypavif", "AVIF"),
    (b"ftyphei", "HEIC"), (b"ftypmif1", "HEIC"), (b"8BPS", "PSD"),
)  # fmt: skip
"""What stands in the first bytes of files people take for pictures."""
NPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_picture(path: Path, reading: Reading | None = None) -> Photo:
    """Read a picture; raise InputError when it is damaged, foreign or too large."""
    reading = reading or Reading()
    data = bytes_of(path)
    if data.startswith(NPY):
        numbers, n = read_npy(path.name, data, reading.max_pixels), 1
        pixels, values = from_numbers(path.name, numbers, reading)
    else:
        with quietly():
            pixels, values, n = _decoded(path.name, data, reading)
    parts = "pages" if data.startswith(TIFF) else "frames"
    caveat = Caveat("first_frame", f"{path.name} has {n} {parts}; the first one is explained")
    return Photo(pixels, values, digest_of(data), (caveat,) if n > 1 else ())


def bytes_of(path: Path) -> bytes:
    """Read a file; raise InputError when it is none, or empty."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path.name}: is not a file", WANTED)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path of the picture") from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    if not data:
        raise InputError(f"{path.name}: is empty", WANTED)
    return data


@contextmanager
def quietly() -> Iterator[None]:
    """Silence Pillow and lift its own cap on pixels, which ours stands in for."""
    cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = cap
        log.setLevel(level)


def _decoded(name: str, data: bytes, reading: Reading) -> tuple[Pixels, Values, int]:
    """Return what is drawn, what the model is fed, and how many frames there are."""
    image = _opened(name, data)
    if image is None:
        numbers, n_pages = read_tiff(name, data, reading.max_pixels)
        return (*from_numbers(name, numbers, reading), n_pages)
    check_size(name, image.width * image.height, reading.max_pixels)
    try:
        n_frames = int(getattr(image, "n_frames", 1))
        image.load()
        turned = ImageOps.exif_transpose(image)
    except Exception:  # decoders raise whatever they stumble over
        raise InputError(
            f"{name}: the picture is cut short or damaged", "copy or export it again"
        ) from None
    return (*_photographed(name, turned, image.format, reading), n_frames)


def _opened(name: str, data: bytes) -> Image.Image | None:
    """Read the header only; the size is known before anything is decoded.

    None stands for a TIFF file of a kind that Pillow does not know.
    """
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:  # as above: a damaged header can raise anything
        if data.startswith(TIFF):
            return None
        foreign = next((f" ({kind})" for sign, kind in FOREIGN if sign in data[:256]), "")
        what = f"format not supported{foreign}" if foreign else "is not a picture, or is damaged"
        raise InputError(f"{name}: {what}", WANTED) from None


def _photographed(
    name: str, image: Image.Image, file_format: str | None, reading: Reading
) -> tuple[Pixels, Values]:
    """Return what is drawn and what the model is fed, from any mode Pillow opens."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        deep = np.asarray(image)
        if image.mode != "F" and (image.mode != "I" or file_format == "PNG"):
            deep = deep.astype(np.uint16)
        return from_numbers(name, deep[..., None], reading)
    if image.mode == "LAB":
        raise InputError(f"{name}: pixels of mode LAB", "convert it to RGB")
    if image.has_transparency_data and image.mode not in ("RGBA", "LA"):
        image = image.convert("RGBA")
    pixels = _on_white(image)
    if reading.channels in MODES:
        return pixels, pixels
    check_channels(name, len(image.getbands()), reading)
    return pixels, np.asarray(image)


def _on_white(image: Image.Image) -> Pixels:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
