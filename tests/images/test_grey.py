"""Grey as cv2.imread with IMREAD_GRAYSCALE makes it; the truths were computed by cv2 5.0."""

import base64
import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from lime_cli.errors import InputError
from lime_cli.images.modality import ImageModality
from lime_cli.models.model_file import ModelInput

JPEG = base64.b85decode(
    b"|JeWF01!$>Nk#wx0RR9200961|JwjV02B@n5)Ta&5)cv>6%-gAG9exu93DL^E+jHZKuk+VKt@GST61DhRc%&9Mr4"
    b"R(ZFhTtf`Lw8jhBplmUDiAeE-`3Lje^R7akfOJ0T%Ed{ahKe0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e"
    b"0+R-e0+R-e0+R-e0+R-e0=}F01*fP5C9kh0U`hb5di}c0sq7R7XSbQ0RR910000000000000041qT1b02>eh0s;d"
    b"80000000000000001Os6K0udqq!~hoo00RL40000000000000000RsdD|HJ?r5dZ=L0|5X40000000000000630|"
    b"XHgA^+L{3<CiG0ucid06zfE#-$C$ofM%`hoMf1(YqB!UWrkqKxj2v8u`xT0?kU!nte7a%brjF*#"
)
"""24 x 16 pixels, in three of which Pillow's convert("L") makes another grey."""

Y, X = np.mgrid[:61, :83]
COLOURS = (np.stack([X * X * 3 + Y, Y * Y + 5 * X, X * Y * 7], -1) % 256).astype(np.uint8)
COLOURS[:8] = COLOURS[:8, :, :1]
OPACITY = ((X * 5 + Y) % 256).astype(np.uint8)

DIGESTS = {
    "a.jpg": "7aae6d89d9c58d97",
    "turned.jpg": "8d4836e9fa40324a",
    "a.png": "9379aa01192d6cd3",
    "srgb.png": "46efd3cf157bf2c6",
    "gamma.png": "8a0826581650e330",
    "alpha.png": "9379aa01192d6cd3",
    "a.bmp": "fb47076ffda2d932",
    "a.webp": "230ca18dbccd6f82",
    "a.tif": "fb47076ffda2d932",
    "lzw.tif": "fb47076ffda2d932",
    "array.npy": "230ca18dbccd6f82",
}
"""The first half of SHA-256 of cv2's own bytes; of the array, those of cv2.cvtColor."""

GREY = ModelInput(kind="image", channels=1)


def content(name):
    """Return a file of the colours, or of the JPEG."""
    stream, picture = io.BytesIO(), Image.fromarray(COLOURS)
    if name == "a.jpg":
        return JPEG
    if name == "turned.jpg":
        return JPEG[:2] + b"\xff\xe1\x00\x22Exif\0\0" + TURNED + JPEG[2:]
    if name == "array.npy":
        np.save(stream, COLOURS)
    elif name == "alpha.png":
        Image.fromarray(np.dstack([COLOURS, OPACITY])).save(stream, "PNG")
    elif name == "deep.png":
        Image.fromarray(COLOURS[..., 0].astype(np.uint16)).save(stream, "PNG")
    elif name == "cmyk.jpg":
        picture.convert("CMYK").save(stream, "JPEG")
    elif name == "profile.png":
        picture.save(stream, "PNG", icc_profile=b"x" * 200)
    else:
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.rpartition(".")[2])
        picture.save(stream, kind, **({"lossless": True} if kind == "webp" else {}))
    data = stream.getvalue()
    return data[:33] + CHUNKS.get(name, b"") + data[33:]


TURNED = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


CHUNKS = {
    "srgb.png": chunk(b"sRGB", b"\0"),
    "gamma.png": chunk(b"gAMA", struct.pack(">I", 50_000)),
}
"""By these libpng weighs light, not numbers."""


def read(folder, name, **options):
    path = folder / name
    path.write_bytes(content(name))
    modality = ImageModality((str(path),), preprocess="raw", **options).fitted(GREY)
    return modality.read(next(modality.sources()))


@pytest.mark.parametrize("name", DIGESTS)
def test_grey_is_that_of_opencv(tmp_path, name):
    found = read(tmp_path, name, channels="L-opencv")
    grey = found.original()[0, ..., 0].astype(np.uint8)
    assert hashlib.sha256(grey.tobytes()).hexdigest()[:16] == DIGESTS[name]
    assert found.subject.facts["grey"] == "OpenCV"
    assert {one.code for one in found.warnings} <= {"preprocessing_assumed"}
    usual = read(tmp_path, name, channels="L").original()[0, ..., 0]
    assert (usual != grey).any()


@pytest.mark.parametrize("name", ["cmyk.jpg", "deep.png", "profile.png"])
def test_grey_that_is_not_known_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: --channels L-opencv: .*numpy\.save\('grey"):
        read(tmp_path, name, channels="L-opencv")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.png", {}, True),
        ("a.jpg", {}, True),
        ("a.png", {"channels": "L"}, False),
        ("a.png", {"channels": "1"}, False),
        ("a.png", {"channels": "L", "grey_open": True}, True),
        ("array.npy", {}, False),
        ("cmyk.jpg", {}, False),
    ],
)
def test_whose_grey_it_is_is_said_of_colours(tmp_path, name, options, said):
    codes = [one.code for one in read(tmp_path, name, **options).warnings]
    assert ("grey_assumed" in codes) == said


def test_grey_files_are_grey_whoever_reads_them(tmp_path):
    Image.fromarray(COLOURS).convert("L").save(tmp_path / "a.png")
    for channels in (None, "L-opencv"):
        modality = ImageModality((str(tmp_path / "a.png"),), channels=channels, preprocess="raw")
        found = modality.fitted(GREY).fitted(GREY).read(next(modality.sources()))
        assert "grey_assumed" not in [one.code for one in found.warnings]
        expected = np.asarray(Image.open(tmp_path / "a.png"))
        np.testing.assert_array_equal(found.original()[0, ..., 0], expected)
