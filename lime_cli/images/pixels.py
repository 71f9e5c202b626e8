"""Reading image files of any format, depth and number of channels."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import InputError
from lime_cli.files import digest_of, nearest_file
from lime_cli.images.grey import OPENCV, grey_of_file, is_known, unknown, weighted
from lime_cli.images.numbers import (
    SAVE_ONE,
    ArrayNumbers,
    ImageReading,
    channels_last,
    check_channels,
    check_size,
    from_numbers,
    read_npy,
    read_npz,
    read_tiff,
    said_of,
    with_channels,
    with_own_channels,
)
from lime_cli.images.view import MODES, Pixels, Values
from lime_cli.sources import Held


@dataclass(frozen=True, eq=False)
class Photo:
    """An image file as read: turned as its EXIF says, mostly on white where it was transparent."""

    pixels: Pixels
    """(height, width, 3), RGB: what is drawn and cut; a grey image has three equal channels."""
    values: Values
    """(height, width, c), black 0 and white 255: what the model is fed; ``pixels`` where those
    hold it all."""
    digest: str
    """SHA-256 of the file."""
    warnings: tuple[CodedWarning, ...] = ()
    numbers: ArrayNumbers | None = None
    """Of an array: what its own numbers were; None for a picture."""


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")

SIGNED = (
    (b"\0\0\0\x0cjP  ", 0, "JPEG2000"),
    (b"\xff\x4f\xff\x51", 0, "JPEG2000"),
    (b"ftypavif", 4, "AVIF"),
    *((b"P%d" % kind, 0, "PPM") for kind in range(1, 7)),
)
"""Further formats that Pillow mostly reads, by what stands where at the beginning of their files:
their plugins are imported for them alone.
"""

WANTED = "give a PNG, JPEG, WebP, BMP, GIF, TIFF or NPY file"

AS_IMAGE, AS_FRAME, AS_SPECTRUM = (
    "convert it to PNG, TIFF or NPY",
    "save a frame of it as PNG",
    "save the spectrum that the model is given: numpy.save",
)

NPY, ARCHIVE, GZIP, NIFTI = b"\x93NUMPY", b"PK\x03\x04", b"\x1f\x8b", b"\x5c\x01\0\0"

FOREIGN = (
    (b"%!PS", "EPS", AS_IMAGE),
    (b"%PDF", "PDF", AS_IMAGE),
    (b"<svg", "SVG", AS_IMAGE),
    (b"<!doctype html", "a web page, not an image", "load the image again"),
    (b"<html", "a web page, not an image", "load the image again"),
    (b"<?xml", "SVG", AS_IMAGE),
    (b"ftypavif", "AVIF", AS_IMAGE),
    (b"ftyphei", "HEIC", AS_IMAGE),
    (b"ftypmif1", "HEIC", AS_IMAGE),
    (b"ftypcrx", "a raw file of a camera", AS_IMAGE),
    (b"ftyp", "a video", AS_FRAME),
    (b"avi list", "a video", AS_FRAME),
    (b"wavefmt", "a sound", AS_SPECTRUM),
    (b"\x1a\x45\xdf\xa3", "a video", AS_FRAME),
    (b"8BPS", "PSD", AS_IMAGE),
    (b"fLaC", "a sound", AS_SPECTRUM),
    (b"OggS", "a sound", AS_SPECTRUM),
    (b"ID3", "a sound", AS_SPECTRUM),
    (b"\0\0\x01\0", "ICO", AS_IMAGE),
    (b"\0\0\0\x0cjP  ", "JPEG 2000", AS_IMAGE),
    (b"\0\0\0\x0cJXL ", "JPEG XL", AS_IMAGE),
    (b"\xff\x0a", "JPEG XL", AS_IMAGE),
    (b"version https://git-lfs", "a pointer of Git LFS, not the image", "git lfs pull"),
    (b"SIMPLE  =", "FITS", SAVE_ONE),
    (
        NIFTI,
        "NIfTI",
        "save a slice: numpy.save('slice.npy', nibabel.load(...).get_fdata()[:, :, i])",
    ),
    (b"\x89HDF", "HDF5", SAVE_ONE),
    (ARCHIVE, "an archive", f"unpack it; of an NPZ file {SAVE_ONE}"),
    (GZIP, "packed with gzip", "unpack it"),
)
"""What stands in the first bytes of files people take for images, what they are, what to do."""

ANYWHERE = (b"ftyp", b"<", b"avi ", b"wave", b"version ")
"""How signs begin that need not stand at the very beginning."""

DICOM, DICOM_AT = b"DICM", 128

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Decoded(NamedTuple):
    """A file's image: what is drawn, what the model is fed, and what is to be said."""

    pixels: Pixels
    values: Values
    n_frames: int
    warnings: tuple[CodedWarning, ...] = ()
    numbers: ArrayNumbers | None = None


def read_image(file: Path | Held, reading: ImageReading | None = None) -> Photo:
    """Read an image; raise InputError when it is damaged, foreign or too large."""
    reading = reading or ImageReading()
    path, whole = Path(file), bytes_of(file)
    packed = whole.startswith(ARCHIVE)
    data = (read_npz(path.name, whole, reading.max_pixels) if packed else None) or whole
    if data.startswith(NPY):
        array = read_npy(path.name, data, reading.max_pixels)
        reading = with_own_channels(array.shape, reading)
        numbers, said = channels_last(path.name, with_channels(array), reading)
        pixels, values = from_numbers(path.name, numbers, reading)
        if reading.grey == OPENCV and values.shape[2] == 3:
            if values.dtype != np.uint8:
                raise unknown(path.name)
            values = weighted(values, "array")
        found = Decoded(
            pixels,
            values,
            1,
            (*said, *said_of(path.name, numbers, reading)),
            ArrayNumbers.of(numbers, reading),
        )
    else:
        with quietly():
            found = _decoded(path.name, data, replace(reading, as_held=False))
    parts = "pages" if data.startswith(TIFF) else "frames"
    first = CodedWarning(
        "first_frame", f"{path.name} has {found.n_frames} {parts}; the first one is explained"
    )
    warnings = (*found.warnings, first) if found.n_frames > 1 else found.warnings
    return Photo(found.pixels, found.values, digest_of(whole), warnings, found.numbers)


def bytes_of(path: Path | Held) -> bytes:
    """Read a file; raise InputError when it is none, or empty."""
    if isinstance(path, Held):
        data: bytes = path.content
        return data
    if path.exists() and not path.is_file():
        raise InputError(f"{path.name}: is not a file", WANTED)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", nearest_file(path, "image")) from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    if not data:
        raise InputError(f"{path.name}: is empty", WANTED)
    return data


def is_image(data: bytes) -> bool:
    """Tell by its first bytes whether a stream is an image, of a kind that is read."""
    if data.startswith((NPY, *TIFF)) or any(data.startswith(sign, at) for sign, at, _ in SIGNED):
        return True
    return data.startswith(BEGINNINGS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


BEGINNINGS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM")
"""How files begin in the formats that have one beginning."""


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


def _decoded(name: str, data: bytes, reading: ImageReading) -> Decoded:
    image = _opened(name, data)
    if image is None or _is_deep(image):
        return _tiff(name, data, reading)
    check_size(name, image.width * image.height, reading.max_pixels)
    try:
        n_frames = int(getattr(image, "n_frames", 1))
        image.load()
        turn = image.getexif().get(ORIENTATION)
        turned = ImageOps.exif_transpose(image)
    except Exception:  # decoders raise whatever they stumble over
        if data.startswith(TIFF):
            return _tiff(name, data, reading)
        raise InputError(
            f"{name}: the image is cut short or damaged", "copy or export it again"
        ) from None
    if data.startswith(TIFF):
        _check_pages(name, n_frames, len(image.getbands()), reading)
    found = _photographed(name, turned, image.format, reading, n_frames)
    if reading.grey == OPENCV:
        if found.values.dtype != np.uint8:
            raise unknown(name)
        return found._replace(
            values=grey_of_file(name, data, turned, image.format), warnings=()
        )  # which drops transparency and turns images
    if reading.channels == "L" and not reading.grey and is_known(turned, image.format):
        colours = (found.values != found.values[..., :1]).any()
        said = GREYED._replace(message=GREYED.message.format(name))
        found = found._replace(warnings=(*found.warnings, *[said] * bool(colours)))
    if turn not in TURNS or reading.opaque:  # processors turn images too
        return found
    said = TURNED._replace(message=TURNED.message.format(name))
    return found._replace(warnings=(*found.warnings, said))


ORIENTATION, TURNS = 0x0112, range(2, 9)
"""Where EXIF says how a camera was held, and what it says of one that was not held upright."""

GREYED = CodedWarning(
    "grey_assumed",
    "the colours of {} become grey as by Pillow's convert('L'); --channels L confirms it, "
    "--channels L-opencv makes it as cv2.imread with IMREAD_GRAYSCALE, which may differ",
)

TURNED = CodedWarning(
    "turned",
    "{} is turned as its EXIF says; a program that opens it with Pillow alone, as torchvision's "
    "folders do, gives the model the unturned image: if yours does, explain what "
    "PIL.Image.open(...).convert('RGB').save('unturned.png', exif=b'') writes",
)


def _tiff(name: str, data: bytes, reading: ImageReading) -> Decoded:
    numbers, n_pages = read_tiff(name, data, reading.max_pixels)
    if reading.grey == OPENCV:
        raise unknown(name)
    _check_pages(name, n_pages, numbers.shape[2], reading)
    warnings = said_of(name, numbers, reading)
    return Decoded(*from_numbers(name, numbers, reading), n_pages, warnings)


def _check_pages(name: str, n_pages: int, found: int, reading: ImageReading) -> None:
    """Raise InputError where the first page of several has not the channels of a model."""
    if n_pages > 1 and reading.channels not in (*MODES, str(found)):
        raise InputError(
            f"{name}: the first of its {n_pages} pages has {found} channel{'s' * (found != 1)}, "
            f"the model takes {reading.channels}",
            "if they are spread over its pages, explain what numpy.save('all.npy', "
            "tifffile.imread(...)) writes",
        )


BITS, COMPRESSION, LIGHT, SAMPLES, PLANAR = 258, 259, 262, 277, 284
"""Tags of a TIFF file."""

UNPACKED = (1, 5, 8, 32_773, 32_946)
"""Compressions that are undone in full depth: none, LZW, deflate, PackBits."""


def _is_deep(image: Image.Image) -> bool:
    """Tell whether Pillow would read less than a TIFF file holds: channels beyond 8 bits.

    It reads 16 bits of several channels as 8, and where each has a plane of its own, or 0 is white,
    wrongly.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return False
    several = tags.get(SAMPLES, 1) > 1 or tags.get(LIGHT) == 0
    deep = max(tags.get(BITS, (1,)), default=1) > 8 and several
    return deep and (tags.get(COMPRESSION, 1) in UNPACKED or tags.get(PLANAR, 1) == 2)


def _opened(name: str, data: bytes) -> Image.Image | None:
    """Read the header only; the size is known before anything is decoded.

    None stands for a TIFF file of a kind that Pillow does not know.
    """
    try:
        return Image.open(io.BytesIO(data), formats=_formats(data))
    except Exception:  # as above: a damaged header can raise anything
        if data.startswith(TIFF):
            return None
        raise _foreign(name, data) from None


def _formats(data: bytes) -> tuple[str, ...]:
    """Return the formats that a file may have."""
    found = next((kind for sign, at, kind in SIGNED if data.startswith(sign, at)), None)
    if found is None:
        return FORMATS
    Image.init()
    return (found,) if found in Image.OPEN else FORMATS


def _foreign(name: str, data: bytes) -> InputError:
    """Say what a file is that is not read as an image."""
    head = data[:256]
    if head.startswith(GZIP) and name.lower().endswith(".nii.gz"):
        head = NIFTI
    if data[DICOM_AT : DICOM_AT + 4] == DICOM:
        return InputError(
            f"{name}: format not supported (DICOM)",
            "save its numbers, of CT those in HU: d = pydicom.dcmread(...); numpy.save('a.npy', "
            "pydicom.pixels.apply_rescale(d.pixel_array, d)); and say --pixel-range, and --invert "
            "where d.PhotometricInterpretation is MONOCHROME1",
        )
    for sign, kind, hint in FOREIGN:
        loose = sign.startswith(ANYWHERE)
        if (sign in head.lower() or sign in head) if loose else head.startswith(sign):
            what = f"is {kind}" if kind.startswith(("a ", "an ", "packed")) else None
            return InputError(f"{name}: {what or f'format not supported ({kind})'}", hint)
    return InputError(f"{name}: is not an image, or is damaged", WANTED)


def _photographed(
    name: str, image: Image.Image, file_format: str | None, reading: ImageReading, n_frames: int
) -> Decoded:
    """Read any mode that Pillow opens."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        deep = np.asarray(image)
        if image.mode != "F" and (image.mode != "I" or file_format == "PNG"):
            deep = deep.astype(np.uint16)
        deep = deep[..., None]
        warnings = said_of(name, deep, reading)
        return Decoded(*from_numbers(name, deep, reading), n_frames, warnings)
    if image.mode == "LAB":
        raise InputError(f"{name}: pixels of mode LAB", "convert it to RGB")
    if image.has_transparency_data and image.mode not in ("RGBA", "LA"):
        image = image.convert("RGBA")
    pixels = np.asarray(image.convert("RGB")) if reading.opaque else _on_white(image)
    if reading.channels in MODES:
        said = SEEN_THROUGH._replace(message=SEEN_THROUGH.message.format(name))
        seen = image.has_transparency_data and (np.asarray(image.convert("RGB")) != pixels).any()
        return Decoded(pixels, pixels, n_frames, (said,) if seen else ())
    check_channels(name, len(image.getbands()), reading)
    return Decoded(pixels, np.asarray(image), n_frames)


SEEN_THROUGH = CodedWarning(
    "transparent",
    "{} has transparent pixels, which become white; a program that only drops the transparency "
    "gives the model other colours: if yours does, explain what PIL.Image.open(...).convert('RGB')"
    ".save('opaque.png', transparency=None) writes",
)


def _on_white(image: Image.Image) -> Pixels:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
