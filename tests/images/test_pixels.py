from __future__ import annotations

import io
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lime_cli.errors import InputError, SettingsError
from lime_cli.images.numbers import ImageReading
from lime_cli.images.pixels import read_image
from lime_cli.images.view import PRESETS, Preprocessing, preset

COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 9, 9], [99, 9, 9], [9, 99, 9]]])
RGB = COLOURS.astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)


def saved(folder: Path, name: str, image: Image.Image, **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(300)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_lossless_formats_give_the_pixels_that_were_saved(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name == "a.webp" else {}
    photo = read_image(saved(tmp_path, name, Image.fromarray(RGB), **options))
    assert photo.pixels.dtype == np.uint8
    np.testing.assert_array_equal(photo.pixels, RGB)
    assert photo.warnings == ()


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(RGB))
    np.testing.assert_array_equal(read_image(path.rename(tmp_path / "a.jpg")).pixels, RGB)


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    path = saved(tmp_path, "a.png", Image.fromarray(RGB), exif=exif)
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, np.rot90(RGB, -1))
    assert [one.code for one in found.warnings] == ["turned"]
    assert read_image(path, ImageReading(opaque=True)).warnings == ()
    Image.open(path).convert("RGB").save(tmp_path / "b.png", exif=b"")  # as the warning says
    found = read_image(tmp_path / "b.png")
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found.warnings == ()


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 4), np.uint8)
    image[:2] = (10, 20, 30, 255)
    pixels = read_image(saved(tmp_path, "a.png", Image.fromarray(image))).pixels
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[3, 3].tolist() == [255, 255, 255]


def test_what_is_transparent_is_said_and_keeps_its_colour_for_a_processor(tmp_path: Path) -> None:
    image = np.full((4, 4, 4), 255, np.uint8)
    whole = read_image(saved(tmp_path, "whole.png", Image.fromarray(image)))
    assert whole.warnings == ()
    image[2:] = (10, 20, 30, 0)
    path = saved(tmp_path, "a.png", Image.fromarray(image))
    assert [one.code for one in read_image(path).warnings] == ["transparent"]
    kept = read_image(path, ImageReading(opaque=True))
    assert kept.pixels.tolist() == np.asarray(Image.open(path).convert("RGB")).tolist()
    assert kept.warnings == ()


def _clear(kind: str) -> tuple[str, Image.Image, dict[str, object]]:
    """Return the name, the image and the options of saving one with transparent pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 9, 4)).astype(np.uint8)
    image, grey = Image.fromarray(noise), Image.fromarray(noise[..., 0])
    colours = image.convert("RGB")
    mixed = {"transparency": bytes([0, 90, 255, 3])}
    return {
        "RGBA": ("a.png", image, {}),
        "WebP": ("a.webp", image, {"lossless": True}),
        "TIFF": ("a.tif", image, {}),
        "LA": ("a.png", image.convert("LA"), {}),
        "RGB": ("a.png", colours, {"transparency": colours.getpixel((1, 1))}),
        "L": ("a.png", grey, {"transparency": grey.getpixel((1, 1))}),
        "1": ("a.png", grey.point(lambda one: 255 * (one > 99), "1"), {"transparency": 0}),
        "P": ("a.png", colours.quantize(8), {"transparency": 3}),
        "P of shares": ("a.png", colours.quantize(8), mixed),
        "GIF": ("a.gif", colours.quantize(8), {"transparency": 3}),
    }[kind]


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize(
    "kind", ["RGBA", "WebP", "TIFF", "LA", "RGB", "L", "1", "P", "P of shares", "GIF"]
)
def test_what_the_line_on_transparency_writes_is_what_the_owner_s_program_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    name, image, options = _clear(kind)
    path = saved(tmp_path, name, image, **options)
    (said,) = read_image(path).warnings
    assert said.code == "transparent"
    line = re.search(r"PIL\.(Image\.open\(\.\.\.\).*) writes$", said.message)
    assert line is not None
    data = path.read_bytes()
    exec(line[1].replace("...", "io.BytesIO(data)"))
    found = read_image(tmp_path / "opaque.png")
    assert found.warnings == ()
    assert found.pixels.tolist() == np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).tolist()


def test_grey_with_transparency_becomes_white_too(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.new("L", (2, 1), 40), Image.new("L", (2, 1), 0)])
    assert read_image(saved(tmp_path, "a.png", image)).pixels.tolist() == [[[255] * 3] * 2]


def test_a_palette_with_a_transparent_colour_is_read(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(8)
    clear = image.getpixel((0, 0))
    pixels = read_image(saved(tmp_path, "a.png", image, transparency=clear)).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 20].tolist() == [0, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_every_mode_becomes_rgb_of_the_same_size(tmp_path: Path, mode: str) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    pixels = read_image(saved(tmp_path, name, Image.fromarray(RGB).convert(mode))).pixels
    assert pixels.shape == RGB.shape
    if mode == "CMYK":
        np.testing.assert_array_equal(pixels, RGB)
    if mode in ("1", "L"):
        assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, name: str) -> None:
    grey = np.array([[0, 257, 32896, 65535]], np.uint16)
    pixels = read_image(saved(tmp_path, name, Image.fromarray(grey))).pixels
    assert pixels[0, :, 1].tolist() == [0, 1, 128, 255]


def test_float_pixels_are_read_in_0_to_1_and_refused_with_nan(tmp_path: Path) -> None:
    grey = np.array([[0.0, 0.5, 1.0]], np.float32)
    pixels = read_image(saved(tmp_path, "a.tif", Image.fromarray(grey))).pixels
    assert pixels[0, :, 0].tolist() == [0, 128, 255]
    for wrong, said in ((np.nan, "a.tif: holds NaN pixels"), (2.0, "outside 0..1")):
        grey[0, 1] = wrong
        with pytest.raises(InputError, match=said):
            read_image(saved(tmp_path, "a.tif", Image.fromarray(grey)))


def test_the_first_of_several_frames_is_taken_and_said(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "lime")]
    path = saved(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:])
    photo = read_image(path)
    assert photo.pixels[0, 0].tolist() == [255, 0, 0]
    assert [warning.code for warning in photo.warnings] == ["first_frame"]
    assert "a.gif has 3 frames" in photo.warnings[0].message


def test_an_enormous_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_header(50_000, 50_000))
    with pytest.raises(InputError, match=r"a.png: 2500 megapixels, the limit is 50") as raised:
        read_image(path)
    assert "--max-pixels" in raised.value.hint


def test_the_limit_on_pixels_is_exact(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(RGB))
    n_pixels = RGB.shape[0] * RGB.shape[1]
    assert read_image(path, ImageReading(n_pixels)).pixels.shape == RGB.shape
    with pytest.raises(InputError, match="the limit is"):
        read_image(path, ImageReading(n_pixels - 1))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "gif", "tiff"])
def test_a_picture_cut_short_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(noise).save(stream, kind)
    data = stream.getvalue()
    for part in (0.05, 0.5, 0.97):
        path = tmp_path / f"a.{kind}"
        path.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(InputError, match=rf"^a\.{kind}: .*damaged"):
            read_image(path)


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=40), st.integers(0, 200))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int
) -> None:
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "JPEG")
    data = stream.getvalue()
    path = tmp_path_factory.getbasetemp() / "a.jpg"
    path.write_bytes(data[:place] + junk + data[place + len(junk) :])
    with suppress(InputError):
        assert read_image(path, ImageReading(1_000_000)).pixels.ndim == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a.png: is empty"),
        (b"hello", "a.png: is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", r"format not supported \(EPS\)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", r"format not supported \(SVG\)"),
        (b"\0\0\0\x18ftypheic", r"format not supported \(HEIC\)"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=said) as raised:
        read_image(path)
    assert raised.value.hint


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="is not a file"):
        read_image(tmp_path)


def test_presets_put_black_and_white_where_they_belong() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    expected = {
        "unit": ([0] * 3, [1] * 3),
        "signed": ([-1] * 3, [1] * 3),
        "raw": ([0] * 3, [255] * 3),
        "caffe": ([-104, -117, -123], [151, 138, 132]),
        "imagenet": ([-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
    }
    assert set(expected) == set(PRESETS)
    for name, (black, white) in expected.items():
        numbers = preset(name, (4, 4)).numbers(ends)
        assert numbers.dtype == np.float32
        np.testing.assert_allclose(numbers[0], [black, white], atol=1e-4)


def test_channels_are_put_in_the_models_order() -> None:
    np.testing.assert_array_equal(Preprocessing(channels="BGR").in_channels(RGB), RGB[..., ::-1])
    grey = Preprocessing(channels="L").in_channels(RGB)
    np.testing.assert_array_equal(grey[..., 0], np.asarray(Image.fromarray(RGB).convert("L")))


def test_the_imagenet_preset_equals_resizing_to_256_and_cropping_the_centre() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (300, 401, 3)).astype(np.uint8)
    resized = Image.fromarray(pixels).resize((int(401 * 256 / 300), 256), Image.Resampling.BILINEAR)
    left = round((resized.width - 224) / 2)
    cropped = np.asarray(resized.crop((left, 16, left + 224, 240)))
    seen = preset("imagenet", (224, 224)).view((300, 401)).grid(pixels)
    assert np.abs(seen.astype(int) - cropped).max() <= 1  # the last bit of Pillow's fixed point


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"mean": (1.0, 2.0)},
            "--mean: 2 numbers for the channels RGB; give 1 or 3; or --channels 2",
        ),
        ({"channels": "L", "std": (1.0, 1.0, 1.0)}, "--std: 3 numbers"),
        ({"std": (0.0,)}, "--std not 0"),
        ({"resize": "zoom"}, "--resize"),
        ({"channels": "XYZ"}, "--channels"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_refused(wrong: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Preprocessing(**wrong)
    with pytest.raises(SettingsError, match="--preprocess: 'vgg' is unknown"):
        preset("vgg", None)
