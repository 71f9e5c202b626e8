"""Numbers: picture files that hold numbers of any type and channel count, NPY and deep TIFF.

Black is 0 and white 255 in what is returned, whatever the type: equal pictures give equal values.
"""

from __future__ import annotations

import io
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import BoolArray
from lime_cli.errors import InputError
from lime_cli.modalities.photo import Reading, check_channels, check_size
from lime_cli.modalities.preprocessing import MODES
from lime_cli.modalities.view import Pixels, Values

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
    import tifffile  # comes with scikit-image

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


def from_numbers(name: str, array: NDArray[Any], reading: Reading) -> tuple[Pixels, Values]:
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


def _scaled(name: str, array: NDArray[Any], reading: Reading) -> NDArray[np.float32]:
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
