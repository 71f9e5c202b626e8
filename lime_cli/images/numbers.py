"""Images as numbers: NPY and deep TIFF files, their ranges and their channels.

Black is 0 and white 255 in what is returned, whatever the type: equal images give equal values.
"""

from __future__ import annotations

import io
import logging
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lime_cli.engine.model import BoolArray, CodedWarning
from lime_cli.errors import InputError
from lime_cli.images.view import MODES, Pixels, Values

MAX_PIXELS = 50_000_000


@dataclass(frozen=True)
class ImageReading:
    """What a person, or the model, says of how image files are read."""

    max_pixels: int = MAX_PIXELS
    channels: str = "RGB"
    """``RGB``, ``BGR``, ``L``, or the number of channels that a file must have."""
    pixel_range: tuple[float, float] | None = None
    """Numbers that are black and white in files of numbers; None goes by their type."""
    shown: tuple[int, ...] = ()
    """Channels, from 0, drawn as red, green and blue, or as grey; empty for the first ones."""
    as_held: bool = False
    """Whether the model may be given an array's own numbers, so that none is out of range."""
    whole_too: bool = False
    """Whether that holds of whole numbers too."""
    own_channels: bool = False
    """Whether it is given as many channels as an array has that has an axis of them."""
    fixed: bool = False
    """Whether the model itself says how many channels it takes."""
    grey: str = ""
    """Who makes grey of colours, where somebody said it: ``Pillow`` or ``OpenCV``."""
    opaque: bool = False
    """Whether transparent pixels keep their own colours, as where Pillow converts to RGB."""


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
        some = "[0]" if reading.channels == "L" else "[0, 1, 2]"
        raise InputError(
            f"{name}: has {found} channels, the model gets {reading.channels}",
            f"save those that it takes, such as numpy.save('some.npy', pixels[..., {some}])"
            if reading.fixed
            else f"use --channels {found} if it takes all of them",
        )
    if max(reading.shown, default=0) >= found:
        raise InputError(
            f"{name}: has no channel {max(reading.shown)} to show",
            f"channels are numbered from 0 to {found - 1}",
        )


DEPTHS = (8, 10, 12, 14)
"""Bits of numbers that are kept in 16."""


def said_of(name: str, array: NDArray[Any], reading: ImageReading) -> tuple[CodedWarning, ...]:
    """Say what (h, w, c) numbers are taken for that may be something else."""
    return (*_said_of_range(name, array, reading), *_said_of_opacity(name, array, reading))


def _said_of_opacity(
    name: str, array: NDArray[Any], reading: ImageReading
) -> tuple[CodedWarning, ...]:
    """Say that the last of 2 or 4 channels makes pixels white, where it does."""
    if array.shape[2] not in OPACITY_LAST or reading.channels not in MODES or reading.opaque:
        return ()
    values = _scaled(name, array, reading)
    if not ((values[..., -1:] < 255 - NEARLY) & (values[..., :-1] != 255)).any():
        return ()
    words = (
        f"the last of the {array.shape[2]} channels of {name} is taken for opacity, so what is "
        "transparent becomes white; if your program drops it, explain what numpy.save writes of "
        "array[..., :-1]"
    )
    return (CodedWarning("transparent", words),)


def _said_of_range(
    name: str, array: NDArray[Any], reading: ImageReading
) -> tuple[CodedWarning, ...]:
    """Say that numbers of 16 bits use so few of them that black and white may be others, and that
    floats are those of bytes; or that numbers go beyond those that a person said are black and
    white.
    """
    if reading.pixel_range is None and (white := _white(array)) is not None:
        said = f"{name} holds floats up to {array.max():g}, read as 0 to {white}"
        return (CodedWarning("range_assumed", f"{said}; --pixel-range changes it"),)
    if reading.pixel_range is not None:
        return _beyond(name, array, *reading.pixel_range)
    if array.dtype.str[1:] != "u2":
        return ()
    most = int(array.max())
    bits = next((n for n in DEPTHS if 0 < most < 2**n), None)
    if bits is None:
        return ()
    return (
        CodedWarning(
            "range_assumed",
            f"{name} holds 16-bit numbers up to {most:,}, read as 0 to 65,535; if they have "
            f"{bits} bits, --pixel-range 0,{2**bits - 1} reads them so{_of_bands(array)}",
        ),
    )


def _beyond(name: str, array: NDArray[Any], low: float, high: float) -> tuple[CodedWarning, ...]:
    share = float(((array < low) | (array > high)).mean())
    if share == 0 or (low, high) == RANGES["u1"]:  # bytes are said where numbers are to stay
        return ()
    words = (
        f"{share:.2%} of the numbers of {name} lie beyond {low:g} to {high:g}, and the model is "
        "given them beyond black and white; if it was trained on a window that cuts them off, "
        f"explain what numpy.save writes of numpy.clip(array, {low:g}, {high:g})"
    )
    return (CodedWarning("beyond_range", words),)


def _of_bands(array: NDArray[Any]) -> str:
    """Name what else the numbers of many bands may be."""
    bands = array.ndim == 3 and array.shape[2] > 4
    return "; if they are reflectances x 10,000, --pixel-range 0,10000" if bands else ""


WHITES = (16, 255)
"""What white may be in floats beyond 1: in scikit-learn's own digits, and in bytes."""


def _white(array: NDArray[Any]) -> int | None:
    """Return what white is in floats that go far beyond 1 and not beyond 255; None in others."""
    if array.dtype.kind != "f" or not (array.min() >= 0 and array.max() > 2):
        return None
    return next((one for one in WHITES if array.max() <= one), None)


@dataclass(frozen=True)
class ArrayNumbers:
    """What the numbers of an array were before they were read as black, 0, to white, 255."""

    low: float
    high: float
    whole: bool
    """Whether they are whole numbers, as pictures have them."""
    bytes: bool
    """Whether they are those of a picture in type too."""
    channels: str
    """How many there are, as in ``ImageReading``."""

    @classmethod
    def of(cls, array: NDArray[Any], reading: ImageReading) -> ArrayNumbers | None:
        """Describe the numbers of an array; None where a person says what black and white are."""
        known = None if reading.pixel_range is not None else _range(array, reading)
        return (
            None
            if known is None
            else cls(*known, array.dtype.kind != "f", array.dtype == np.uint8, reading.channels)
        )


def with_own_channels(shape: tuple[int, ...], reading: ImageReading) -> ImageReading:
    """Return how an array of a shape is read where its own channels are kept: grey, or 2 or 4."""
    if not reading.own_channels or len(shape) != 3 or 3 in (shape[0], shape[2]):
        return reading
    n = shape[2] if shape[2] in (1, 2, 4) else shape[0] if shape[0] in (1, 4) else None
    return reading if n is None else replace(reading, channels="L" if n == 1 else str(n))


def channels_last(
    name: str, array: NDArray[Any], reading: ImageReading
) -> tuple[NDArray[Any], tuple[CodedWarning, ...]]:
    """Return (h, w, c) of an array whose channels come first; say so where their number, known to
    be none of colours, does not tell it.
    """
    counts = (1, 3, 4) if reading.channels in MODES else (int(reading.channels),)
    first, last = array.shape[0], array.shape[2]
    if first not in counts or last in counts or min(array.shape[1:]) <= first:
        return array, ()
    size = " x ".join(map(str, array.shape))
    said = CodedWarning(
        "channels_assumed", f"{name} is {size}: its channels are assumed to come first"
    )
    return array.transpose(1, 2, 0), (said,) if reading.channels in MODES else ()


RANGES = {"b1": (0, 1), "u1": (0, 255), "u2": (0, 65_535), "f": (0, 1)}
"""Numbers that are black and white, by type; of other types a person must say it."""

OPACITY_LAST = (2, 4)
"""How many channels images have of which the last one says how opaque a pixel is."""

NEARLY = 1e-3
"""Of 255: what rounding to float32 may take from a whole number, and more."""

STRETCH = (1, 99)
"""Percentiles of a channel drawn as black and white, where channels are no colours."""


def read_npy(name: str, data: bytes, max_pixels: int) -> NDArray[Any]:
    """Return (h, w) or (h, w, c) numbers; raise InputError for what is cut short, too large or no
    image.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        shape, _, dtype = (read or np.lib.format.read_array_header_2_0)(stream)
    except Exception:  # a damaged header can raise anything
        raise _damaged(name) from None
    if dtype.hasobject or dtype.kind not in "buif":
        raise InputError(f"{name}: holds {dtype}, not numbers", "save an array of numbers")
    alone = len(shape) == 4 and shape[0] == 1  # a batch of one
    if len(shape) == 4 and shape[0] > 1:
        words = f"{name}: is a batch of {shape[0]:,} images"
        raise InputError(words, "save one of them: numpy.save('one.npy', batch[0])")
    n_pixels = _n_pixels(name, shape[1:] if alone else shape)
    check_size(name, n_pixels, max_pixels)
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) - stream.tell() < n_bytes:
        raise _damaged(name)
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    one: NDArray[Any] = array[0] if alone else array
    return one


def read_tiff(name: str, data: bytes, max_pixels: int) -> tuple[NDArray[Any], int]:
    """Return (h, w, c) numbers of the first page of a TIFF file, and how many pages there are."""
    import tifffile

    level = logging.getLogger("tifffile").level
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(io.BytesIO(data), mode="r+") as file:
            page: Any = file.pages[0]
            check_size(name, page.imagewidth * page.imagelength, max_pixels)
            if page.compression == LZW:
                _undo_lzw(file, page)
                page = tifffile.TiffFile(file.filehandle).pages[0]
            array = page.asarray()
            if page.planarconfig == 2 and array.ndim == 3:  # a plane for each channel
                array = array.transpose(1, 2, 0)
            n_pages = len(file.pages)
            kind = int(page.photometric)
            turned = getattr(page.tags.get(ORIENTATION), "value", 1)
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever they stumble over
        if "imagecodecs" in str(error):
            raise InputError(
                f"{name}: has a compression that limex reads only with 8 bits per colour",
                "pip install imagecodecs, or save it without compression",
            ) from None
        raise _damaged(name) from None
    finally:
        logging.getLogger("tifffile").setLevel(level)
    _n_pixels(name, array.shape)
    return _turned(_as_light(name, with_channels(array), kind), int(turned)), n_pages


LZW = 5
"""Of TIFF's Compression; the one that tifffile needs another package for and Pillow undoes."""

COMPRESSION, PREDICTOR, PARTS = 259, 317, ((273, 279), (324, 325))
"""Tags; the last are those of strips and tiles: where they begin, and how many bytes each has."""

DIFFERENCES = 2
"""A predictor: each number is what is to be added to the one left of it."""


def _undo_lzw(file: Any, page: Any) -> None:
    """Put the strips or tiles of a page uncompressed behind a file in memory, and point to them."""
    handle, offsets, counts = file.filehandle, [], []
    rows = page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    width = page.tilewidth if page.is_tiled else page.imagewidth
    samples = 1 if page.planarconfig == 2 else page.samplesperpixel
    row = -(-width * samples * page.bitspersample // 8)
    strips = -(-page.imagelength // rows)
    for i, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        last = not page.is_tiled and i % strips == strips - 1
        n_rows = page.imagelength - rows * (strips - 1) if last else rows
        handle.seek(offset)
        plain = _lzw_bytes(handle.read(count), row * n_rows)
        if page.predictor == DIFFERENCES:
            kind = np.dtype(f"{file.byteorder}u{page.bitspersample // 8}")
            numbers = np.frombuffer(plain, kind).reshape(n_rows, width, samples)
            plain = numbers.cumsum(axis=1, dtype=kind.newbyteorder("=")).astype(kind).tobytes()
        handle.seek(0, 2)
        offsets.append(handle.tell())
        counts.append(len(plain))
        handle.write(plain)
    begins, sizes = PARTS[bool(page.is_tiled)]
    page.tags[begins].overwrite(offsets)
    page.tags[sizes].overwrite(counts)
    page.tags[COMPRESSION].overwrite(1)
    if page.predictor == DIFFERENCES:
        page.tags[PREDICTOR].overwrite(1)


def _lzw_bytes(data: bytes, n_bytes: int) -> bytes:
    """Uncompress a strip, as the only one of an image of bytes in one row."""
    tags = (
        (256, 4, n_bytes), (257, 4, 1), (258, 3, 8), (COMPRESSION, 3, LZW), (262, 3, 1),
        (273, 4, 8), (277, 3, 1), (278, 4, 1), (279, 4, len(data)),
    )  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + table + bytes(4)
    whole = b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory
    return Image.open(io.BytesIO(whole), formats=["TIFF"]).tobytes()


ORIENTATION = 274
"""Tag of how an image is to be turned."""

INVERTED, INDEXED, INKS, YCBCR, LABS = 0, 3, 5, 6, (8, 9, 10)
"""Of TIFF's PhotometricInterpretation."""


def _as_light(name: str, array: NDArray[Any], kind: int) -> NDArray[Any]:
    """Return numbers that are larger where it is lighter: grey, or red, green and blue."""
    if kind in (INDEXED, YCBCR, *LABS):
        raise InputError(f"{name}: limex does not support its colours", "save it as RGB")
    if array.dtype.kind != "u" or kind not in (INVERTED, INKS):
        return array
    most = np.iinfo(array.dtype).max
    if kind == INVERTED:
        return most - array
    if array.shape[2] != 4:
        raise InputError(f"{name}: has {array.shape[2]} inks, not 4", "save it as RGB")
    left = (most - array).astype(np.float64)
    return np.asarray(np.rint(left[..., :3] * left[..., 3:] / most), array.dtype)


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn numbers as the tag says: 1 to 8."""
    if orientation in (5, 6, 7, 8):
        array = array.transpose(1, 0, 2)
    down = orientation in (3, 4, 7, 8)
    across = orientation in (2, 3, 6, 7)
    return array[:: -1 if down else 1, :: -1 if across else 1]


def from_numbers(name: str, array: NDArray[Any], reading: ImageReading) -> tuple[Pixels, Values]:
    """Return what is drawn, (h, w, 3), and what the model is fed, (h, w, c)."""
    check_channels(name, array.shape[2], reading)
    values: Values = _scaled(name, array, reading)
    if reading.channels not in MODES:
        return _drawn(values, reading.shown), values
    if values.shape[2] in OPACITY_LAST and reading.opaque:
        values = values[..., :-1]
    elif values.shape[2] in OPACITY_LAST:
        share = np.clip(values[..., -1:] / 255, 0, 1)
        values = values[..., :-1] * share + np.float32(255) * (1 - share)
    pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    whole = bool((np.abs(values - pixels) < NEARLY).all())
    pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return pixels, pixels if whole else values


def _scaled(name: str, array: NDArray[Any], reading: ImageReading) -> NDArray[np.float32]:
    """Return float32 numbers, 0 for black and 255 for white."""
    known = reading.pixel_range or _range(array, reading)
    if known is None:
        raise InputError(
            f"{name}: limex does not know which {array.dtype} numbers mean black and white",
            "use --pixel-range LOW,HIGH",
        )
    low, high = known
    if array.dtype.kind == "f":
        _check_floats(name, array, reading.pixel_range is None and known == RANGES["f"])
    return (array.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))


def _range(array: NDArray[Any], reading: ImageReading) -> tuple[float, float] | None:
    """Return the numbers that are black and white in an array, None where a person must say it."""
    if (white := _white(array)) is not None:
        return 0, white
    kind = array.dtype.str[1:]
    known = RANGES.get(kind) or RANGES.get(kind[0])
    if not reading.as_held or (known and kind[0] != "f"):
        return known
    low, high = float(array.min()), float(array.max())
    if not np.isfinite((low, high)).all():
        return known  # what is wrong with them is said below
    usual = (0, 255) if known is None else known
    if low >= usual[0] and high <= usual[1]:
        return usual
    if known is None and not reading.whole_too:
        return None
    return low, high if high > low else low + max(1.0, abs(low))


LARGEST = float(np.finfo(np.float32).max) / 4
"""Half of what the numbers of an array may span, so that none is infinite on its way to a model."""


def _check_floats(name: str, array: NDArray[Any], in_unit: bool) -> None:
    if np.isnan(array).any():
        raise InputError(f"{name}: holds NaN pixels", "fill them first")
    if not np.isfinite(array).all():
        raise InputError(f"{name}: holds infinite pixels", "replace them first")
    if float(array.max()) / 2 - float(array.min()) / 2 > LARGEST:
        raise InputError(f"{name}: holds pixels beyond those of float32", "scale them first")
    if in_unit and (array.min() < 0 or array.max() > 1):
        raise InputError(
            f"{name}: float pixels outside 0..1",
            "give the numbers that mean black and white: --pixel-range LOW,HIGH; if the model "
            "takes them as they are, --preprocess raw --pixel-range 0,255",
        )


def _drawn(values: NDArray[np.float32], shown: tuple[int, ...]) -> Pixels:
    """Draw some channels as RGB, each between its darkest and its brightest numbers."""
    chosen = values[..., list(shown or range(3 if values.shape[2] >= 3 else 1))]
    low, high = np.percentile(chosen, STRETCH, axis=(0, 1))
    flat: BoolArray = high <= low
    light = np.where(flat, chosen, (chosen - low) * 255 / np.where(flat, 1, high - low))
    pixels = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def read_npz(name: str, data: bytes, max_pixels: int) -> bytes | None:
    """Return the NPY file that an archive of one array holds, None for an archive of other things.

    Raises InputError for several arrays, and for one that is too large.
    """
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()
            if not found or not all(one.filename.endswith(".npy") for one in found):
                return None
            if len(found) > 1:
                listed = ", ".join(one.filename.removesuffix(".npy") for one in found[:8])
                raise InputError(f"{name}: holds {len(found)} arrays ({listed})", SAVE_ONE)
            n_bytes = found[0].file_size
            check_size(name, n_bytes // WIDEST, max_pixels)
            with archive.open(found[0]) as file:
                return file.read(n_bytes)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error, NotImplementedError):
        raise _damaged(name) from None


SAVE_ONE = "save one array of numbers: numpy.save"

WIDEST = 8 * 16
"""Bytes of a pixel in an archive, at most: 16 channels of 8 bytes."""


def _n_pixels(name: str, shape: tuple[int, ...]) -> int:
    """Count pixels; raise InputError for what is not (h, w) or (h, w, c)."""
    if len(shape) not in (2, 3) or not all(shape):
        said = " x ".join(map(str, shape)) or "a single number"
        raise InputError(
            f"{name}: {said} is not an image", "save height x width or height x width x channels"
        )
    return shape[0] * shape[1]


def with_channels(array: NDArray[Any]) -> NDArray[Any]:
    """Return (h, w, c) of an array that may have no axis of channels."""
    return array[..., None] if array.ndim == 2 else array


def _damaged(name: str) -> InputError:
    return InputError(f"{name}: the image is cut short or damaged", "copy or save it again")
