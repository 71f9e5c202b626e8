"""Images as they come: what cannot be used is one line and an exit code, nothing half-written."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lime_cli.images.modality import ImageModality
from tests.conftest import ROOT
from tests.images.test_pixels import png_header

MODEL = ("explain", "image", "sample_models/scenes.onnx")
QUICK = ("--samples", "64")
RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def encoded(kind: str, pixels: np.ndarray = RGB) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def array(numbers: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, numbers)
    return stream.getvalue()


HEADER = (50_000).to_bytes(4, "big")
LYING = encoded("PNG")[:16] + HEADER * 2 + encoded("PNG")[24:]
BAD = {
    "empty": ("a.png", b"", "a.png: is empty"),
    "cut short": ("a.png", encoded("PNG")[:900], "a.png: the image is cut short or damaged"),
    "cut JPEG": ("a.jpg", encoded("JPEG")[:700], "a.jpg: the image is cut short or damaged"),
    "cut NPY": ("a.npy", array(RGB)[:900], "a.npy: the image is cut short or damaged"),
    "text": ("a.png", b"an image of a cat", "a.png: is not an image, or is damaged"),
    "SVG": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format not supported (SVG)"),
    "EPS": ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "a.eps: format not supported (EPS)"),
    "HEIC": ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "a.heic: format not supported (HEIC)"),
    "huge": ("a.png", png_header(50_000, 50_000), "a.png: 2500 megapixels, the limit is 50"),
    "huge BMP": (
        "a.bmp",
        encoded("BMP")[:18] + (40_000).to_bytes(4, "little") * 2 + encoded("BMP")[26:],
        "a.bmp: 1600 megapixels, the limit is 50",
    ),
    "lying": ("a.png", LYING, "a.png: "),
    "NaN": ("a.npy", array(np.full((9, 9), np.nan)), "a.npy: holds NaN pixels"),
    "objects": ("a.npy", array(np.array([[None]])), "a.npy: holds object, not numbers"),
    "bands": ("a.npy", array(np.zeros((9, 9, 13))), "a.npy: has 13 channels"),
    "integers": ("a.npy", array(np.zeros((9, 9), int)), "use --pixel-range LOW,HIGH"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_picture_is_one_line_and_writes_nothing(limex, tmp_path, case):
    name, data, said = BAD[case]
    (tmp_path / name).write_bytes(data)
    for out in (tmp_path / "out.png", tmp_path / "out.json"):
        result = limex(*MODEL, tmp_path / name, "-o", out)
        assert (result.code, result.out) == (3, "")
        assert result.err.startswith(f"limex: {name}: ")
        assert said in result.err
        assert result.err.count("\n") == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [name]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_a_huge_picture_takes_no_memory(tmp_path):
    (tmp_path / "a.png").write_bytes(png_header(50_000, 50_000))
    code = (
        "import re\nfrom pathlib import Path\nfrom lime_cli.cli import run\n"
        f"code = run([*{MODEL}, {str(tmp_path / 'a.png')!r}])\n"
        "peak = re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]\n"
        "print(code, int(peak) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    code, megabytes = map(int, done.stdout.split())
    assert code == 3
    assert megabytes < 300


def test_a_missing_picture_and_an_empty_folder_are_one_line(limex, tmp_path):
    for path, said in (
        (tmp_path / "none.png", "none.png: no such file"),
        (tmp_path, "no images in this folder"),
    ):
        result = limex(*MODEL, path)
        assert (result.code, result.out) == (3, "")
        assert said in result.err
        assert result.err.count("\n") == 1


def written(folder: Path) -> dict[str, Path]:
    """Write a small image in all modes that people have."""
    image = Image.fromarray(RGB)
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = (RGB[..., 0].astype(np.uint16) << 8) + 3
    made = {
        "cmyk.jpg": (image.convert("CMYK"), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "bits.png": (image.convert("1"), {}),
        "palette.gif": (image.quantize(9), {}),
        "clear.png": (image.convert("RGBA"), {}),
        "grey.bmp": (image.convert("L"), {}),
        "turned.jpg": (image, {"exif": turned}),
        "wrong.jpg": (image, {"format": "PNG"}),
        "pages.tif": (image, {"save_all": True, "append_images": [image]}),
        "moving.gif": (image.quantize(9), {"save_all": True, "append_images": [image.quantize(8)]}),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in made}


def test_every_kind_of_picture_is_explained_at_its_own_size(limex, tmp_path):
    for name, path in written(tmp_path).items():
        found = json.loads(limex(*MODEL, path, *QUICK, "-f", "json").out)
        facts = found["instance"]["facts"]
        size = (40, 60) if name == "turned.jpg" else (60, 40)
        assert (facts["width"], facts["height"]) == size, name
        told = {one["code"] for one in found["warnings"]}
        assert ("first_frame" in told) == (name in ("pages.tif", "moving.gif")), name


@pytest.mark.parametrize("size", [(1, 1), (2, 2000), (2000, 2)])
def test_pixels_and_lines_are_explained_or_said_to_have_no_parts(limex, tmp_path, size):
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    for more in ((), ("--resize", "pad"), ("--resize", "crop")):
        result = limex(*MODEL, tmp_path / "a.png", *QUICK, *more, "-f", "json")
        assert result.code == 0, result.err
        found = json.loads(result.out)
        told = {one["code"] for one in found["warnings"]}
        assert found["instance"]["facts"]["segments"] >= 3 or "few_segments" in told
    drawn = limex(*MODEL, tmp_path / "a.png", *QUICK, "-o", tmp_path / "o.png")
    assert drawn.code == 0, drawn.err


def test_one_colour_is_explained_as_nothing(limex, tmp_path):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a.png")
    found = json.loads(limex(*MODEL, tmp_path / "a.png", *QUICK, "-f", "json").out)
    assert "flat_response" in {one["code"] for one in found["warnings"]}


def test_a_broken_picture_among_good_ones_is_told_and_the_rest_goes_on(limex, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "c.png"):
        (photos / name).write_bytes(encoded("PNG"))
    (photos / "b.png").write_bytes(encoded("PNG")[:900])
    (photos / "notes.txt").write_text("no image")
    result = limex(*MODEL, photos, *QUICK, "-f", "jsonl")
    assert result.code == 6
    found = [json.loads(line)["instance"]["id"] for line in result.out.splitlines()]
    assert found == ["a.png", "c.png"]
    assert "b.png: the image is cut short or damaged" in result.err


@pytest.mark.slow
def test_a_hundred_thousand_pictures_are_listed_by_the_bytes_of_their_names(tmp_path):
    names = [f"{i * 7919 % 100_000:05d}.png" for i in range(100_000)]
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in names:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    finally:
        os.close(here)
    tracemalloc.start()
    found = [source.id for source in ImageModality((str(tmp_path),)).sources()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == sorted(names, key=os.fsencode)
    assert peak < 100_000_000


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--segmenter", "map.npy"), 3, "map.npy: the label map is 9 x 9, the image is 60 x 40"),
        (("--segmenter", "none.png"), 3, "none.png: no such file"),
        (("--segmenter", "snic"), 2, "or a PNG or NPY file; did you mean slic?"),
        (("--save-segments", "map.tif"), 2, "--save-segments: map.tif is neither PNG nor NPY"),
        (("--save-segments", "map.npy"), 5, "map.npy: exists already"),
        (("--save-segments", "no/map.npy"), 5, "there is no folder"),
        (("--pixel-range", "5"), 2, "--pixel-range: 5 is not valid; give LOW,HIGH"),
        (("--pixel-range", "9,1"), 2, "--pixel-range: 9,1 is not valid"),
        (("--show", "1,x"), 2, "--show: 1,x is not valid"),
        (("--show", "0,1,2"), 2, "--show: the model takes RGB, which is shown as it is"),
        (("--channels", "5"), 2, "--channels 5: the model takes 3 channels"),
        (("--channels", "0"), 2, "--channels: '0' is unknown"),
        (("--fill", "red"), 2, "--fill: red is not valid"),
    ],
)
def test_options_that_cannot_be_are_one_line(limex, tmp_path, monkeypatch, options, code, said):
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    np.save(tmp_path / "map.npy", np.zeros((9, 9), int))
    model = ROOT / MODEL[2]
    monkeypatch.chdir(tmp_path)
    result = limex("explain", "image", model, "a.png", *QUICK, *options, "-f", "json")
    assert result.code == code, result.err
    assert result.out == ""
    assert said in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("suffix", ["png", "npy"])
def test_segments_are_saved_and_cut_the_same_picture_again(limex, tmp_path, data, suffix):
    kept = tmp_path / f"map.{suffix}"
    every = ("--selection", "none", "--features", "500", "-f", "json")
    scene = (*MODEL, data / "scene.png", *QUICK, *every)
    first = limex(*scene, "--save-segments", kept)
    again = limex(*scene, "--segmenter", kept)
    assert (first.code, again.code) == (0, 0)
    assert f"wrote {kept}" in first.err
    boxes = [
        {tuple(one["where"]["box"]) for one in json.loads(done.out)["targets"][0]["components"]}
        for done in (first, again)
    ]
    assert boxes[0] == boxes[1]
    two = limex(*MODEL, data / "scene.png", data / "scene.png", "--save-segments", kept, "--force")
    assert (two.code, two.out) == (2, "")


def test_a_batch_does_not_go_on_with_another_label_map(limex, tmp_path):
    photos, out, label_map = tmp_path / "photos", tmp_path / "out", tmp_path / "map.npy"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        (photos / name).write_bytes(encoded("PNG"))
    batch = (*MODEL, photos, *QUICK, "--segmenter", label_map, "-o", out)
    np.save(label_map, np.arange(60)[None].repeat(40, axis=0) // 10)
    assert limex(*batch).code == 0
    np.save(label_map, np.arange(60)[None].repeat(40, axis=0) // 20)
    refused = limex(*batch)
    assert refused.code == 5
    assert "holds a different run (segmenter " in refused.err
    kept = limex(*batch, "--restart", "--save-segments", tmp_path / "kept.npy")
    assert (kept.code, "--save-segments: holds the label map of one image" in kept.err) == (
        2,
        True,
    )


def test_a_label_map_may_lie_beside_the_options_that_name_it(limex, tmp_path, data):
    options = tmp_path / "scenes.toml"
    options.write_text('[image]\nsegmenter = "map.npy"\n')
    np.save(tmp_path / "map.npy", np.arange(256)[None].repeat(256, axis=0) // 32)
    scene = (*MODEL, data / "scene.png", *QUICK, "--config", options, "-f", "json")
    found = json.loads(limex(*scene).out)
    assert found["instance"]["facts"]["segmenter"] == "map.npy"
    assert found["instance"]["facts"]["segments"] == 8


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_an_image_may_come_through_standard_input(limex, monkeypatch, tmp_path, kind):
    (tmp_path / "a").write_bytes(encoded(kind))
    words = ("--segmenter", "grid", "--samples", "16", "-f", "json")
    expected = json.loads(limex(*MODEL, tmp_path / "a", *words).out)
    with (tmp_path / "a").open("rb") as stream:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        found = json.loads(limex(*MODEL, "-", *words).out)
    assert found["outputs"] == expected["outputs"]
    assert found["instance"]["digest"] == expected["instance"]["digest"]
    assert found["instance"]["id"] == "stdin"
