"""Reading image files of any format, depth and number of channels.

Black is 0 and white 255 in what is returned, whatever the type: equal pictures give equal values.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lime_cli.engine.arrays import BoolArray
from lime_cli.engine.instance import Caveat
from lime_cli.errors import InputError
from lime_cli.files import digest_of
from lime_cli.images.view import MODES, Pixels, Values

MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class ImageReading:
    """What a person, or the model, says of how picture files are read."""

    max_pixels: int = MAX_PIXELS
    channels: str = "RGB"
    """``RGB``, ``BGR``, ``L``, or the number of channels that a file must have."""
    pixel_range: tuple[float, float] | None = None
    """Numbers that are black and white in files of numbers; None goes by their type."""
    shown: tuple[int, ...] = ()
    """Channels, from 0, drawn as red, green and blue, or as grey; empty for the first ones."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture file as read: turned as its EXIF says, on white where it was transparent."""

    pixels: Pixels
    """(height, width, 3), RGB: what is drawn and cut; a grey picture has three equal channels."""
    values: Values
    """(height, width, c), black 0 and white 255: what the model is fed; ``pixels`` where those
    hold it all."""
    digest: str
    """SHA-256 of the file."""
    caveats: tuple[Caveat, ...] = ()


def check_size(name: str, n_pixels: int, limit: int) -> None:
    """Raise InputError where there are too many pixels; ask before anything is decoded."""
    if n_pixels > limit:
        raise InputError(
            f"{name}: {n_pixels / 1e6:.4g} megapixels, the limit is {limit / 1e6:.4g}",
            "make it smaller, or raise --max-pixels",
        )


def check_channels(name: str, found: int, reading: ImageReading) -> None:
    """Raise InputError where a file has not the channels that are wanted, or those to be shown."""
    if reading.channels not in MODES and found != int(reading.channels):
        raise InputError(
            f"{name}: has {found} channels, the model takes {reading.channels}",
            "give a file of height x width x channels",
        )
    if reading.channels in MODES and found > 4:
        raise InputError(
            f"{name}: has {found} channels, the model is given {reading.channels}",
            f"say --channels {found} where it takes them all",
        )
    if max(reading.shown, default=0) >= found:
        raise InputError(
            f"{name}: has no channel {max(reading.shown)} to show",
            f"they count from 0 to {found - 1}",
        )


RANGES = {"b1": (0, 1), "u1": (0, 255), "u2": (0, 65_535), "f": (0, 1)}
"""Numbers that are black and white, by type; of other types a person must say it."""

NEARLY = 1e-3
"""Of 255: what rounding to float32 may take from a whole number, and more."""

STRETCH = (1, 99)
"""Percentiles of a channel drawn as black and white, where channels are no colours."""


def read_npy(name: str, data: bytes, max_pixels: int) -> NDArray[Any]:
    """Return (h, w, c) numbers; raise InputError for what is cut short, too large or no picture."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        shape, _, dtype = (read or np.lib.format.read_array_header_2_0)(stream)
    except Exception:  # a damaged header can raise anything
        raise _damaged(name) from None
    if dtype.hasobject or dtype.kind not in "buif":
        raise InputError(f"{name}: holds {dtype}, not numbers", "save an array of numbers")
    n_pixels = _n_pixels(name, shape)
    check_size(name, n_pixels, max_pixels)
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - stream.tell() < n_bytes:
        raise _damaged(name)
    stream.seek(0)
    return _with_channels(np.lib.format.read_array(stream, allow_pickle=False))


def read_tiff(name: str, data: bytes, max_pixels: int) -> tuple[NDArray[Any], int]:
    """Return (h, w, c) numbers of the first page of a TIFF file, and how many pages there are."""
    import tifffile

    level = logging.getLogger("tifffile").level
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page: Any = file.pages[0]
            check_size(name, page.imagewidth * page.imagelength, max_pixels)
            array = page.asarray()
            if page.planarconfig == 2 and array.ndim == 3:  # a plane for each channel
                array = array.transpose(1, 2, 0)
            n_pages = len(file.pages)
    except InputError:
        raise
    except Exception:  # decoders raise whatever they stumble over
        raise _damaged(name) from None
    finally:
        logging.getLogger("tifffile").setLevel(level)
    _n_pixels(name, array.shape)
    return _with_channels(array), n_pages


def from_numbers(name: str, array: NDArray[Any], reading: ImageReading) -> tuple[Pixels, Values]:
    """Return what is drawn, (h, w, 3), and what the model is fed, (h, w, c)."""
    check_channels(name, array.shape[2], reading)
    values: Values = _scaled(name, array, reading)
    if reading.channels not in MODES:
        return _drawn(values, reading.shown), values
    if values.shape[2] in (2, 4):
        share = np.clip(values[..., -1:] / 255, 0, 1)
        values = values[..., :-1] * share + np.float32(255) * (1 - share)
    pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    whole = bool((np.abs(values - pixels) < NEARLY).all())
    pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return pixels, pixels if whole else values


def _scaled(name: str, array: NDArray[Any], reading: ImageReading) -> NDArray[np.float32]:
    """Return float32 numbers, 0 for black and 255 for white."""
    kind = array.dtype.str[1:]
    known = RANGES.get(kind) or RANGES.get(kind[0])
    if reading.pixel_range is None and known is None:
        raise InputError(
            f"{name}: which {array.dtype} numbers are black and white is not known",
            "say --pixel-range LOW,HIGH",
        )
    low, high = reading.pixel_range or known or (0, 1)
    if array.dtype.kind == "f":
        _check_floats(name, array, reading.pixel_range is None)
    return (array.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))


def _check_floats(name: str, array: NDArray[Any], in_unit: bool) -> None:
    if np.isnan(array).any():
        raise InputError(f"{name}: holds NaN pixels", "fill them first")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds infinite pixels", "replace them first")
    if in_unit and (array.min() < 0 or array.max() > 1):
        raise InputError(
            f"{name}: float pixels outside 0..1",
            "say --pixel-range LOW,HIGH: the numbers that are black and white",
        )


def _drawn(values: NDArray[np.float32], shown: tuple[int, ...]) -> Pixels:
    """Draw some channels as RGB, each between its darkest and its brightest numbers."""
    chosen = values[..., list(shown or range(3 if values.shape[2] >= 3 else 1))]
    low, high = np.percentile(chosen, STRETCH, axis=(0, 1))
    flat: BoolArray = high <= low
    light = np.where(flat, chosen, (chosen - low) * 255 / np.where(flat, 1, high - low))
    pixels = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _n_pixels(name: str, shape: tuple[int, ...]) -> int:
    """Count pixels; raise InputError for what is not (h, w) or (h, w, c)."""
    if len(shape) not in (2, 3) or not all(shape):
        said = " x ".join(map(str, shape)) or "a single number"
        raise InputError(
            f"{name}: {said} is no picture", "save height x width or height x width x channels"
        )
    return shape[0] * shape[1]


def _with_channels(array: NDArray[Any]) -> NDArray[Any]:
    return array[..., None] if array.ndim == 2 else array


def _damaged(name: str) -> InputError:
    return InputError(f"{name}: the picture is cut short or damaged", "copy or save it again")


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

WANTED = "give a PNG, JPEG, WebP, BMP, GIF, TIFF or NPY file"

FOREIGN = (
    (b"%!PS", "EPS"), (b"%PDF", "PDF"), (b"<svg", "SVG"), (b"<?xml", "SVG"), (b"ftypavif", "AVIF"),
    (b"ftyphei", "HEIC"), (b"ftypmif1", "HEIC"), (b"8BPS", "PSD"),
)  # fmt: skip
"""What stands in the first bytes of files people take for pictures."""

NPY = b"\x93NUMPY"

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_picture(path: Path, reading: ImageReading | None = None) -> Photo:
    """Read a picture; raise InputError when it is damaged, foreign or too large."""
    reading = reading or ImageReading()
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


def _decoded(name: str, data: bytes, reading: ImageReading) -> tuple[Pixels, Values, int]:
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
    name: str, image: Image.Image, file_format: str | None, reading: ImageReading
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
