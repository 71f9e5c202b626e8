"""Pixels: reading picture files, and turning them into what a model sees.

Sizes are (height, width); boxes are left, top, right, bottom, the last two outside.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lime_cli.digests import digest_of
from lime_cli.engine.instance import Caveat, FloatArray
from lime_cli.errors import InputError, SettingsError
from lime_cli.modalities.view import Pixels, View, cropped, padded, stretched

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PIXELS = 50_000_000
WANTED = "give a PNG, JPEG, WebP, BMP, GIF or TIFF file"
MODES = ("RGB", "BGR", "L")
RESIZES = ("stretch", "crop", "pad")
FOREIGN = (
    (b"%!PS", "EPS"), (b"%PDF", "PDF"), (b"<svg", "SVG"), (b"<?xml", "SVG"), (b"ftypavif", "AVIF"),
    (b"ftyphei", "HEIC"), (b"ftypmif1", "HEIC"), (b"8BPS", "PSD"), (b"\x93NUMPY", "NPY"),
)  # fmt: skip
"""What stands in the first bytes of files people take for pictures."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture file as read: turned as its EXIF says, on white where it was transparent."""

    pixels: Pixels
    """(height, width, 3), RGB; a grey picture has three equal channels."""
    digest: str
    """SHA-256 of the file."""
    caveats: tuple[Caveat, ...] = ()


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture; raise InputError when it is damaged, foreign or too large."""
    data = _bytes_of(path)
    with _alone_with_pillow():
        image = _opened(path.name, data, max_pixels)
        try:
            n_frames = int(getattr(image, "n_frames", 1))
            image.load()
            turned = ImageOps.exif_transpose(image)
        except Exception:  # decoders raise whatever they stumble over
            raise InputError(
                f"{path.name}: the picture is cut short or damaged", "copy or export it again"
            ) from None
        pixels = _rgb(path.name, turned, image.format)
    caveat = Caveat("first_frame", f"{path.name} has {n_frames} frames; the first one is explained")
    return Photo(pixels, digest_of(data), (caveat,) if n_frames > 1 else ())


def _bytes_of(path: Path) -> bytes:
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
def _alone_with_pillow() -> Iterator[None]:
    """Silence Pillow's warnings and lift its own cap on pixels, which ours stands in for."""
    cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = cap


def _opened(name: str, data: bytes, max_pixels: int) -> Image.Image:
    """Read the header only; the size is known before anything is decoded."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:  # as above: a damaged header can raise anything
        foreign = next((f" ({kind})" for sign, kind in FOREIGN if sign in data[:256]), "")
        what = f"format not supported{foreign}" if foreign else "is not a picture, or is damaged"
        raise InputError(f"{name}: {what}", WANTED) from None
    if image.width * image.height > max_pixels:
        size, limit = image.width * image.height / 1e6, max_pixels / 1e6
        raise InputError(
            f"{name}: {size:.4g} megapixels, the limit is {limit:.4g}",
            "make it smaller, or raise --max-pixels",
        )
    return image


def _rgb(name: str, image: Image.Image, file_format: str | None) -> Pixels:
    """Return (h, w, 3) RGB from any mode Pillow opens; raise InputError where white is unknown."""
    if image.mode.startswith("I;16") or (image.mode == "I" and file_format == "PNG"):
        grey = (np.asarray(image).astype(np.int64) + 128) // 257
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        return _from_floats(name, np.asarray(image))
    if image.mode in ("I", "LAB"):
        raise InputError(f"{name}: pixels of mode {image.mode}", "convert it to 8 or 16 bits RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(white, image).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _from_floats(name: str, grey: NDArray[np.float32]) -> Pixels:
    if np.isnan(grey).any():
        raise InputError(f"{name}: holds NaN pixels", "fill them first")
    if grey.min() < 0 or grey.max() > 1:
        raise InputError(f"{name}: float pixels outside 0..1", "scale them to 0..1 first")
    return np.repeat(np.rint(grey * 255).astype(np.uint8)[..., None], 3, axis=2)


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of a picture's pixels: fitted to a grid, then (x * scale - mean) / std."""

    size: tuple[int, int] | None = None
    """Of the model's input; None takes every picture at its own size."""
    resize: str = "stretch"
    """``stretch``, ``crop`` (the centre) or ``pad`` (with black)."""
    resize_to: int | None = None
    """Shorter side in pixels before the centre is cropped; None crops as little as possible."""
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    """One for all channels, or one per channel in the model's order."""
    std: tuple[float, ...] = (1.0,)
    channels: str = "RGB"

    def __post_init__(self) -> None:
        _one_of("--resize", self.resize, RESIZES)
        _one_of("--channels", self.channels, MODES)
        for option, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, len(self.channels)):
                said = f"{len(values)} numbers for the channels {self.channels}"
                raise SettingsError(f"{option}: {said}", f"give 1 or {len(self.channels)}")
        if not all(self.std) or not np.isfinite([self.scale, *self.mean, *self.std]).all():
            raise SettingsError("--scale, --mean, --std: finite numbers are wanted, no std of 0")

    def view(self, size: tuple[int, int]) -> View:
        """Return what the model sees of a picture of ``size``."""
        wanted = self.size or size
        if self.resize == "stretch":
            return stretched(size, wanted)
        if self.resize == "pad":
            return padded(size, wanted)
        return cropped(size, wanted, self.resize_to)

    def in_channels(self, pixels: Pixels) -> Pixels:
        """Return (h, w, c): RGB pixels in the model's channels."""
        if self.channels == "L":
            return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
        return pixels[..., ::-1] if self.channels == "BGR" else pixels

    def numbers(self, raw: Pixels | FloatArray) -> NDArray[np.float32]:
        """Return what the model is fed for values 0..255 in its channels, (..., c) float32."""
        numbers = (raw * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.asarray(numbers, np.float32)


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{option}: {value!r} is unknown", f"one of: {', '.join(choices)}")


PRESETS = {
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="crop"),
    "unit": Preprocessing(),
    "signed": Preprocessing(scale=1 / 127.5, mean=(1.0,)),
    "raw": Preprocessing(scale=1.0),
    "caffe": Preprocessing(scale=1.0, mean=(104.0, 117.0, 123.0), channels="BGR", resize="crop"),
}


def preset(name: str, size: tuple[int, int] | None) -> Preprocessing:
    """Return the preset ``name`` for a model of ``size``; SettingsError for an unknown name."""
    _one_of("--preprocess", name, tuple(PRESETS))
    found = replace(PRESETS[name], size=size)
    if size and found.resize == "crop":  # 256 for the usual 224
        return replace(found, resize_to=round(min(size) * 256 / 224))
    return found
