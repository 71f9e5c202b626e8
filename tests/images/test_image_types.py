"""Images of any depth and channel count enter as the same numbers, or are refused by name."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lime_cli.errors import InputError, SettingsError
from lime_cli.images.modality import ImageModality
from lime_cli.images.numbers import ImageReading
from lime_cli.images.pixels import read_image
from lime_cli.models.model_file import ModelInput

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (21, 34)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (21, 34, 3)).astype(np.uint8)


def npy(folder: Path, array: np.ndarray, name: str = "a.npy") -> Path:
    np.save(folder / name, array)
    return folder / name


def png(folder: Path, array: np.ndarray, name: str = "a.png") -> Path:
    Image.fromarray(array).save(folder / name)
    return folder / name


def tiff(folder: Path, array: np.ndarray, **options: object) -> Path:
    tifffile.imwrite(folder / "a.tif", array, **options)
    return folder / "a.tif"


def lzw(data: bytes) -> bytes:
    """Compress by codes of 9 bits that stand for single bytes, a clear code before they grow."""
    codes = [code for i, byte in enumerate(data) for code in ([256] * (i % 200 == 0) + [byte])]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def lzw_tiff(
    path: Path,
    array: np.ndarray,
    planes: bool = False,
    differences: bool = False,
    order: str = "<",
    rows: int = 8,
) -> Path:
    """Write (h, w, 3) numbers of 16 bits in strips that are compressed by LZW."""
    height, width, n = array.shape
    parts = [array[..., i : i + 1] for i in range(n)] if planes else [array]
    strips = [part[top : top + rows] for part in parts for top in range(0, height, rows)]
    if differences:
        strips = [np.diff(one, axis=1, prepend=np.zeros_like(one[:, :1])) for one in strips]
    packed = [lzw(one.astype(f"{order}u2").tobytes()) for one in strips]
    place, begins = 8, []
    for one in packed:
        begins.append(place)
        place += len(one)
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [16] * n), 259: (3, [5]), 262: (3, [2]),
        273: (4, begins), 277: (3, [n]), 278: (4, [rows]), 279: (4, list(map(len, packed))),
        284: (3, [2 if planes else 1]), 317: (3, [2 if differences else 1]),
    }  # fmt: skip
    table, beyond = b"", b""
    after = place + 2 + 12 * len(tags) + 4
    for tag, (kind, values) in tags.items():
        held = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(held) > 4:
            held, beyond = struct.pack(order + "I", after + len(beyond)), beyond + held
        table += struct.pack(order + "HHI", tag, kind, len(values)) + held.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", place)
    count = struct.pack(order + "H", len(tags))
    path.write_bytes(head + b"".join(packed) + count + table + bytes(4) + beyond)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("planes", [False, True])
def test_a_tiff_that_is_compressed_by_lzw_keeps_its_16_bits(tmp_path, planes, differences, order):
    deep = np.random.default_rng(7).integers(0, 65536, (21, 34, 3)).astype(np.uint16)
    path = lzw_tiff(tmp_path / "a.tif", deep, planes, differences, order)
    np.testing.assert_allclose(read_image(path).values, deep / 257, atol=1e-3)


def instance(path: Path, model_input: ModelInput, **options: object):
    modality = ImageModality((str(path),), **options).fitted(model_input)
    return modality.read(next(modality.sources()))


def test_the_same_grey_picture_is_the_same_model_input_whatever_its_type(tmp_path: Path) -> None:
    deep, unit = GREY.astype(np.uint16) * 257, GREY / 255
    paths = [
        png(tmp_path, GREY),
        png(tmp_path, deep, "deep.png"),
        npy(tmp_path, GREY),
        npy(tmp_path, deep, "deep.npy"),
        npy(tmp_path, unit, "double.npy"),
        npy(tmp_path, unit.astype(np.float32)[..., None], "single.npy"),
    ]
    Image.fromarray(unit.astype(np.float32)).save(tmp_path / "a.tif")
    paths.append(tmp_path / "a.tif")
    for channels in (1, 3):
        network = ModelInput(kind="image", size=(9, 11), channels=channels)
        first, *others = (instance(path, network) for path in paths)
        for other in others:
            np.testing.assert_array_equal(first.original(), other.original())
            np.testing.assert_array_equal(first.labels, other.labels)
            assert first.pool == other.pool


def test_the_same_colours_are_the_same_model_input_whatever_their_type(tmp_path: Path) -> None:
    deep, unit = COLOUR.astype(np.uint16) * 257, (COLOUR / 255).astype(np.float32)
    paths = [
        png(tmp_path, COLOUR),
        npy(tmp_path, COLOUR),
        npy(tmp_path, deep, "deep.npy"),
        npy(tmp_path, unit, "unit.npy"),
        npy(tmp_path, np.asfortranarray(unit), "fortran.npy"),
        tiff(tmp_path, unit, photometric="rgb"),
    ]
    network = ModelInput(kind="image", size=(12, 12), channels=3)
    first, *others = (instance(path, network) for path in paths)
    for other in others:
        np.testing.assert_array_equal(first.original(), other.original())
        assert first.pool == other.pool


@pytest.mark.parametrize(
    ("kind", "scale", "dtype", "factor"),
    [
        (None, 1, np.int64, 1),
        (None, 1, np.uint8, 1),
        (None, 1, np.float32, 1),
        (None, 1 / 255, float, 1),
        (None, 15 / 255, float, 1),
        ("image", 1, np.uint8, 1 / 255),
        ("image", 1, np.float32, 1),
        ("image", 1 / 255, np.float32, 1),
    ],
    ids=["integers", "bytes", "floats", "unit", "digits", "of a network", "its floats", "its unit"],
)
def test_a_model_that_says_nothing_is_given_the_own_numbers_of_an_array(
    tmp_path: Path, kind: str | None, scale: float, dtype: type, factor: float
) -> None:
    array = (COLOUR * scale).astype(dtype)
    array.flat[0] = array.dtype.type(255 * scale)
    found = instance(npy(tmp_path, array), ModelInput(kind=kind, channels=3))
    np.testing.assert_allclose(found.original()[0], array * factor, rtol=1e-6)
    assert "as in the array" in str(found.warnings) or factor != 1
    as_held = np.uint8 if dtype is np.uint8 and kind is None else np.float32
    codes = np.zeros((2, len(found.components)))
    assert {found.original().dtype, found.model_inputs(codes).dtype} == {np.dtype(as_held)}
    if dtype is not np.int64:  # of these a person must say what white is
        told = instance(npy(tmp_path, array), ModelInput(kind=kind, channels=3), preprocess="unit")
        assert told.original().max() <= 1


@pytest.mark.parametrize("kind", [None, "image"])
def test_a_model_that_says_nothing_is_given_normalised_floats_as_they_are(
    tmp_path: Path, kind: str | None
) -> None:
    array = (COLOUR / 255 - 0.45) / 0.22
    found = instance(npy(tmp_path, array), ModelInput(kind=kind, channels=3))
    np.testing.assert_allclose(found.original()[0], array, atol=1e-5)
    assert f"{array.min():.4g} to {array.max():.4g} in RGB, as in the array" in str(found.warnings)
    model = ModelInput(kind=kind, channels=3)
    with pytest.raises(InputError, match=r"outside 0\.\.1") as raised:
        instance(npy(tmp_path, array), model, preprocess="imagenet")
    assert "as they are, --preprocess raw --pixel-range 0,255" in raised.value.hint
    told = instance(npy(tmp_path, array), model, preprocess="raw", pixel_range=(0, 255))
    np.testing.assert_allclose(told.original()[0], array, atol=1e-5)


def test_what_8_bits_cannot_hold_reaches_the_model(tmp_path: Path) -> None:
    deep = np.arange(20 * 20, dtype=np.uint16).reshape(20, 20)  # all of it is black in 8 bits
    found = instance(npy(tmp_path, deep), ModelInput(kind="image", channels=1))
    np.testing.assert_allclose(found.original()[0, ..., 0], deep / 65535, atol=1e-8)
    assert len(np.unique(found.original())) == 400


def test_a_float_picture_differs_from_its_8_bits_by_rounding_alone(tmp_path: Path) -> None:
    unit = RNG.random((30, 40, 3))
    rounded = png(tmp_path, np.rint(unit * 255).astype(np.uint8))
    one, two = (
        instance(path, ModelInput(size=(17, 23), channels=3))
        for path in (npy(tmp_path, unit), rounded)
    )
    assert np.abs(one.original() - two.original()).max() < 1.01 / 255
    np.testing.assert_array_equal(one.labels, two.labels)


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_a_model_of_any_number_of_channels_gets_them_all(tmp_path: Path, channels: int) -> None:
    cube = RNG.random((18, 25, channels)).astype(np.float32)
    found = instance(npy(tmp_path, cube), ModelInput(channels=channels, layout="NCHW"))
    np.testing.assert_allclose(found.original()[0], cube, atol=1e-6)
    image = found.subject.image
    assert image is not None
    assert image.pixels.shape == (18, 25, 3)
    assert found.subject.facts["input"]["channels"] == str(channels)
    smaller = instance(npy(tmp_path, cube), ModelInput(size=(9, 9), channels=channels))
    assert smaller.original().shape == (1, 9, 9, channels)


@pytest.mark.parametrize("fill", ["mean", "black", "blur", "noise", "inpaint"])
def test_every_fill_knows_any_number_of_channels(tmp_path: Path, fill: str) -> None:
    cube = RNG.random((24, 24, 5)).astype(np.float32)
    found = instance(npy(tmp_path, cube), ModelInput(channels=5), fill=fill)
    gone = found.model_inputs(np.zeros((1, len(found.components)), np.int64))
    assert np.isfinite(gone).all()
    assert gone.shape == (1, 24, 24, 5)
    assert gone.min() >= -1e-6
    assert gone.max() <= 1 + 1e-6


def test_a_colour_fills_no_picture_whose_channels_are_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--fill: #336699"):
        instance(npy(tmp_path, np.zeros((9, 9, 5))), ModelInput(channels=5), fill="#336699")


def test_the_channels_shown_are_those_asked_for(tmp_path: Path) -> None:
    cube = np.zeros((12, 12, 6), np.float32)
    cube[:6, :, 4] = 1
    reading = ImageReading(channels="6", shown=(4, 1, 1))
    pixels = read_image(npy(tmp_path, cube), reading).pixels
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[11, 0].tolist() == [0, 0, 0]
    grey = read_image(npy(tmp_path, cube), ImageReading(channels="6", shown=(4,))).pixels
    assert grey[0, 0].tolist() == [255, 255, 255]
    with pytest.raises(InputError, match="has no channel 6 to show"):
        read_image(npy(tmp_path, cube), ImageReading(channels="6", shown=(6,)))


def test_a_range_says_which_numbers_are_black_and_white(tmp_path: Path) -> None:
    scan = np.array([[-1024, 0, 1023]], np.int16)
    with pytest.raises(InputError, match="which int16 numbers mean black and white") as raised:
        read_image(npy(tmp_path, scan))
    assert "--pixel-range" in raised.value.hint
    photo = read_image(npy(tmp_path, scan), ImageReading(pixel_range=(-1024, 1023)))
    assert photo.pixels[0, :, 0].tolist() == [0, 128, 255]
    np.testing.assert_allclose(photo.values[0, :, 0], (scan[0] + 1024) / 2047 * 255, atol=1e-4)
    beyond = read_image(npy(tmp_path, scan), ImageReading(pixel_range=(0, 512)))
    assert beyond.pixels[0, :, 0].tolist() == [0, 0, 255]
    assert beyond.values[0, 2, 0] > 500  # the model gets what the file holds


def test_transparency_in_numbers_is_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = (10, 20, 30, 255)
    pixels = read_image(npy(tmp_path, rgba)).pixels
    np.testing.assert_array_equal(pixels, read_image(png(tmp_path, rgba)).pixels)
    assert pixels[3, 3].tolist() == [255, 255, 255]


def test_a_model_of_4_channels_gets_transparency_as_it_is(tmp_path: Path) -> None:
    rgba = RNG.integers(0, 256, (9, 9, 4)).astype(np.uint8)
    found = instance(png(tmp_path, rgba), ModelInput(channels=4))
    np.testing.assert_allclose(found.original()[0] * 255, rgba, atol=1e-4)
    with pytest.raises(InputError, match=r"a\.png: has 3 channels, the model takes 4"):
        instance(png(tmp_path, COLOUR), ModelInput(channels=4))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((4, 4), np.nan), "holds NaN pixels"),
        (np.full((4, 4), np.inf), "holds infinite pixels"),
        (np.full((4, 4), 300.0), r"float pixels outside 0\.\.1"),
        (np.zeros((4, 4, 13)), "has 13 channels, the model gets RGB"),
        (np.zeros((2, 4, 4, 3)), "is a batch of 2 images"),
        (np.zeros(7), "7 is not an image"),
        (np.zeros((0, 3)), "0 x 3 is not an image"),
        (np.zeros((4, 4), np.complex64), "holds complex64, not numbers"),
        (np.array([["a", "b"]]), "holds <U1, not numbers"),
        (np.zeros((4, 4), np.int64), "which int64 numbers mean black and white"),
    ],
)
def test_numbers_that_are_no_picture_are_refused_by_name(
    tmp_path: Path, array: np.ndarray, said: str
) -> None:
    with pytest.raises(InputError, match=rf"^a\.npy: .*{said}") as raised:
        read_image(npy(tmp_path, array))
    assert raised.value.hint


@pytest.mark.parametrize(
    ("channels", "hint"),
    [(3, "numpy.save('some.npy', pixels[..., [0, 1, 2]])"), (1, "pixels[..., [0]])")],
)
def test_channels_that_a_model_has_not_are_left_to_be_saved(tmp_path, channels, hint):
    path, taken = npy(tmp_path, np.zeros((4, 4, 5))), ModelInput(channels=channels)
    with pytest.raises(InputError) as raised:
        instance(path, taken)
    assert hint in raised.value.hint
    with pytest.raises(InputError, match="use --channels 5"):
        instance(path, ModelInput(), channels="RGB")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(InputError, match="holds object, not numbers"):
        read_image(tmp_path / "a.npy")


def test_a_header_that_lies_about_the_size_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    stream = io.BytesIO()
    head = {"descr": "<f8", "fortran_order": False, "shape": (9_000_000, 9_000_000)}
    np.lib.format.write_array_header_1_0(stream, head)
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(99))
    with pytest.raises(InputError, match="megapixels, the limit is 50"):
        read_image(tmp_path / "a.npy")
    head["shape"] = (3000, 3000)
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, head)
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(99))
    with pytest.raises(InputError, match="cut short"):
        read_image(tmp_path / "a.npy")


@pytest.mark.parametrize("kept", [7, 30, 100, -1])
def test_numbers_cut_short_are_refused(tmp_path: Path, kept: int) -> None:
    path = npy(tmp_path, COLOUR)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"^a\.npy: the image is cut short"):
        read_image(path)


@pytest.mark.parametrize("planes", [False, True])
def test_a_tiff_of_many_channels_is_read(tmp_path: Path, planes: bool) -> None:
    cube = RNG.integers(0, 65536, (15, 20, 13)).astype(np.uint16)
    data = cube.transpose(2, 0, 1) if planes else cube
    layout = "separate" if planes else "contig"
    path = tiff(tmp_path, data, photometric="minisblack", planarconfig=layout)
    values = read_image(path, ImageReading(channels="13")).values
    np.testing.assert_allclose(values, cube / 257, atol=1e-3)


def test_the_first_page_of_a_tiff_is_taken_and_said(tmp_path: Path) -> None:
    pages = np.stack([np.full((8, 8), value) for value in (0.25, 0.75)])
    for dtype in (np.float32, np.float64):  # one for Pillow, one that it does not know
        photo = read_image(tiff(tmp_path, pages.astype(dtype), photometric="minisblack"))
        assert photo.pixels[0, 0, 0] == 64
        assert "a.tif has 2 pages; the first one" in photo.warnings[0].message


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64])
def test_channels_that_are_spread_over_pages_are_read_as_is_said(tmp_path: Path, dtype) -> None:
    cube = np.random.default_rng(0).integers(0, 200, (13, 20, 18)).astype(dtype)
    reading = ImageReading(channels="13", pixel_range=(0, 255))
    for array in (cube, cube.transpose(1, 2, 0)):  # as tifffile writes either, rows as pages too
        path = tiff(tmp_path, np.ascontiguousarray(array), photometric="minisblack")
        with pytest.raises(InputError, match=r"first of its \d+ pages .*\('all\.npy', tifffile"):
            read_image(path, reading)
        np.save(tmp_path / "all.npy", tifffile.imread(path))
        values = read_image(tmp_path / "all.npy", reading).values
        np.testing.assert_allclose(values, cube.transpose(1, 2, 0), atol=1e-3)


def test_a_tiff_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path, np.zeros((8, 8), np.float64))
    data = bytearray(path.read_bytes())
    for tag in (256, 257):
        place = data.index(struct.pack("<HH", tag, 3)) if struct.pack("<HH", tag, 3) in data else -1
        kind = "<I" if place < 0 else "<H"
        place = place if place >= 0 else data.index(struct.pack("<HH", tag, 4))
        struct.pack_into(kind, data, place + 8, 60_000)
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="megapixels, the limit is 50"):
        read_image(path)


def test_reading_says_nothing_on_its_own(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    cube = np.zeros((15, 20, 13), np.uint16)
    path = tiff(tmp_path, cube, photometric="minisblack", planarconfig="contig")
    read_image(path, ImageReading(channels="13"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="cut short"):
        read_image(path, ImageReading(channels="13"))
    assert capfd.readouterr() == ("", "")


FORMATS = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "NPY": ("L", "RGB", "RGBA", "I;16", "F"),
}


def expected(image: Image.Image) -> np.ndarray:
    """Return the colours of an image on white, by another road than the reader's."""
    if image.mode == "I;16":
        return np.rint(np.asarray(image) / 257)[..., None].repeat(3, axis=2)
    if image.mode == "F":
        return np.rint(np.asarray(image, np.float64) * 255)[..., None].repeat(3, axis=2)
    rgba = np.asarray(image.convert("RGBA")).astype(np.float64)
    share = rgba[..., 3:] / 255
    return rgba[..., :3] * share + 255 * (1 - share)


@settings(max_examples=120)
@given(data=st.data(), height=st.integers(1, 20), width=st.integers(1, 20))
def test_any_picture_that_is_written_is_read_back(
    data: st.DataObject, height: int, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kind = data.draw(st.sampled_from(sorted(FORMATS)))
    mode = data.draw(st.sampled_from(FORMATS[kind]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    image = made(mode, height, width, rng)
    path = tmp_path_factory.getbasetemp() / f"any.{kind.lower()}"
    if kind == "NPY":
        np.save(path, np.asarray(image))
    else:
        image.save(path, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    pixels = read_image(path).pixels
    assert pixels.shape == (height, width, 3)
    np.testing.assert_allclose(pixels, expected(image), atol=1.01 if "A" in mode else 0)


def made(mode: str, height: int, width: int, rng: np.random.Generator) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 65536, (height, width)).astype(np.uint16))
    if mode == "F":
        return Image.fromarray(rng.random((height, width)).astype(np.float32))
    if mode == "P":
        return made("RGB", height, width, rng).quantize(17)
    n = {"1": 1, "L": 1, "LA": 2, "RGB": 3}.get(mode, 4)
    bands = [Image.fromarray(plane) for plane in rng.integers(0, 256, (n, height, width), np.uint8)]
    if mode == "1":
        return bands[0].convert("1")
    return bands[0] if mode == "L" else Image.merge(mode, bands)


def test_an_interlaced_png_is_read(tmp_path: Path) -> None:
    from tests.images.interlaced import interlaced

    (tmp_path / "a.png").write_bytes(interlaced(COLOUR))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, COLOUR)


WRAPPED = {
    "batch of one": lambda path: np.save(path, COLOUR[None]),
    "batch of one, channels first": lambda path: np.save(path, COLOUR.transpose(2, 0, 1)[None]),
    "archive of one array": lambda path: np.savez(path, image=COLOUR),
    "packed archive": lambda path: np.savez_compressed(path, COLOUR),
    "JPEG 2000": lambda path: Image.fromarray(COLOUR).save(path, "JPEG2000", irreversible=False),
    "PPM": lambda path: Image.fromarray(COLOUR).save(path, "PPM"),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_an_image_in_another_wrapping_is_the_same_image(tmp_path: Path, kind: str) -> None:
    Image.init()
    if kind == "JPEG 2000" and kind.replace(" ", "") not in Image.SAVE:
        pytest.skip("Pillow was built without it")
    with (tmp_path / "a").open("wb") as file:
        WRAPPED[kind](file)
    np.testing.assert_array_equal(read_image(tmp_path / "a").pixels, COLOUR)


def test_a_grey_netpbm_and_an_avif_file_are_read(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.pgm")
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm").pixels[..., 1], GREY)
    Image.init()
    if "AVIF" not in Image.SAVE:
        pytest.skip("Pillow was built without AVIF")
    Image.fromarray(COLOUR).save(tmp_path / "a.avif", quality=90)
    expected = np.asarray(Image.open(tmp_path / "a.avif").convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.avif").pixels, expected)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"x": COLOUR, "y": GREY}, r"holds 2 arrays \(x, y\); save one array"),
        ({"x": np.array(["a"])}, "holds <U1, not numbers"),
        ({"x": np.zeros((2, 3, 9, 9))}, "is a batch of 2 images"),
    ],
)
def test_an_archive_of_something_else_is_named(tmp_path: Path, held: dict, words: str) -> None:
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / "a.npz")


def test_an_archive_that_unpacks_to_far_more_is_refused_unread(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", np.zeros((3_000, 3_000, 16)))
    with pytest.raises(InputError, match="raise --max-pixels"):
        read_image(tmp_path / "a.npz", ImageReading(max_pixels=1_000_000))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (COLOUR.astype(np.float32), True),
        (COLOUR.astype(np.float64) * 0.5, True),
        (np.linspace(0, 1, 64).reshape(8, 8), False),
    ],
)
def test_floats_that_are_bytes_are_read_so_and_said(tmp_path: Path, array, said) -> None:
    photo = read_image(npy(tmp_path, array))
    expected = array if said else array * 255
    np.testing.assert_allclose(photo.values.astype(float).mean(), expected.mean(), atol=0.5)
    codes = [one.code for one in photo.warnings]
    assert codes == (["range_assumed"] if said else [])
    whole = ImageReading(pixel_range=(0, 255 if said else 1))
    assert read_image(npy(tmp_path, array), whole).warnings == ()


@pytest.mark.parametrize(
    "array", [np.full((4, 4), 1.5), np.full((4, 4), -0.2), np.full((4, 4), 256.0)]
)
def test_floats_of_no_known_range_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(InputError, match="--pixel-range LOW,HIGH"):
        read_image(npy(tmp_path, array))


def test_numbers_beyond_the_range_that_was_said_are_told(tmp_path):
    array = np.linspace(-1500, 900, 64).reshape(8, 8)
    np.save(tmp_path / "ct.npy", array)
    reading = ImageReading(10**6, "L", (-1400, 100))
    (said,) = read_image(tmp_path / "ct.npy", reading).warnings
    beyond = np.mean((array < -1400) | (array > 100))
    assert said.code == "beyond_range"
    assert f"{beyond:.2%} of the numbers" in said.message
    assert "numpy.clip(array, -1400, 100)" in said.message
    np.save(tmp_path / "ct.npy", np.clip(array, -1400, 100))
    assert read_image(tmp_path / "ct.npy", reading).warnings == ()


@pytest.mark.parametrize(
    ("mode", "told"), [("RGBA", True), ("LA", True), ("P", True), ("RGB", False)]
)
def test_pixels_that_are_white_for_their_transparency_alone_are_told(tmp_path, mode, told):
    image = Image.new("RGBA", (8, 8), (20, 60, 90, 0))
    if mode == "P":
        image = Image.new("P", (8, 8), 0)
        image.putpalette([20, 60, 90])
    image.convert(mode).save(tmp_path / "a.png", **({"transparency": 0} if mode == "P" else {}))
    photo = read_image(tmp_path / "a.png")
    assert [one.code for one in photo.warnings] == ["transparent"] * told
    opaque = Image.new("RGBA", (8, 8), (20, 60, 90, 255))
    opaque.save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").warnings == ()


@pytest.mark.parametrize("suffix", ["npy", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("opacity", "colour", "told"),
    [(0, 0.25, True), (0.5, 0.25, True), (1, 0.25, False), (0, 1, False)],
)
def test_channels_that_make_numbers_white_are_told(tmp_path, suffix, dtype, opacity, colour, told):
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    array = np.full((8, 8, 4), most * colour).astype(dtype)
    array[..., 3] = most
    array[2:4, :, 3] = most * opacity
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, array)
    else:
        tifffile.imwrite(path, array, photometric="rgb", extrasamples=["unassalpha"])
    assert ("transparent" in [one.code for one in read_image(path).warnings]) == told
    kept = read_image(path, ImageReading(opaque=True))
    assert "transparent" not in [one.code for one in kept.warnings]
    assert kept.values == pytest.approx(array[..., :3].astype(float) * 255 / most, abs=0.01)
    bands = read_image(path, ImageReading(channels="4"))
    assert "transparent" not in [one.code for one in bands.warnings]
