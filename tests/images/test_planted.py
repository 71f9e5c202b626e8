"""A planted patch is found in images of every kind, and what was assumed of them is said."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import tifffile
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageOps

from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.images.modality import ImageModality
from lime_cli.images.numbers import ImageReading
from lime_cli.images.pixels import read_image
from lime_cli.images.view import Preprocessing
from lime_cli.models.model_file import ModelFile, ModelInput, PixelsInput
from lime_cli.registry import RESAMPLES
from tests.images.test_image_types import lzw_tiff

SIDE = 64


def image() -> np.ndarray:
    """Noise of dull colours with a red quarter at the top on the left."""
    found = np.random.default_rng(3).integers(60, 110, (SIDE, SIDE, 3)).astype(np.uint8)
    found[: SIDE // 2, : SIDE // 2] = (220, 30, 30)
    return found


def redness(
    path: Path, shape: tuple = ("n", 3, SIDE, SIDE), colours: tuple = (1.0, -0.5, -0.5)
) -> str:
    """A classifier of red: the sigmoid of how much of the image is."""
    nhwc = shape[-1] in (1, 3, "channels")
    weights = np.array(colours, np.float32).reshape((1, 1, 1, -1) if nhwc else (1, -1, 1, 1))
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["weighed"]),
        helper.make_node("ReduceMean", ["weighed"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "steep"], ["steeper"]),
        helper.make_node("Sub", ["steeper", "half"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "axis"], ["y"]),
    ]
    kept = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.float32(60), "steep"),
        numpy_helper.from_array(np.float32(2), "half"),
        numpy_helper.from_array(np.array([1]), "axis"),
    ]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1]),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(onnx.ModelProto.SerializeToString(model))
    return str(path)


def saved(folder: Path, kind: str) -> Path:
    """Save the image as a file of some kind that is the same to a model."""
    rgb = image()
    deep = rgb.astype(np.uint16) * 257
    path = folder / "a.tif"
    if kind == "rgba":
        path = folder / "a.png"
        Image.fromarray(np.dstack([rgb, np.full((SIDE, SIDE), 255, np.uint8)])).save(path)
    elif kind == "exif":
        path = folder / "a.jpg"
        turned = Image.fromarray(np.rot90(rgb))
        exif = turned.getexif()
        exif[274] = 6
        turned.save(path, exif=exif, quality=100, subsampling=0)
    elif kind == "tiff turned":
        tifffile.imwrite(path, deep[:, ::-1], photometric="rgb", extratags=[(274, 3, 1, 2, True)])
    elif kind == "cmyk":
        Image.fromarray(rgb).convert("CMYK").save(path)
    elif kind == "deep cmyk":
        inks = np.dstack([65_535 - deep, np.zeros((SIDE, SIDE), np.uint16)])
        tifffile.imwrite(path, inks, photometric="separated")
    elif kind == "planar":
        tifffile.imwrite(path, deep.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    elif kind == "planar bytes":
        tifffile.imwrite(path, rgb.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    elif kind == "bands":
        tifffile.imwrite(
            path, deep.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"
        )
    elif kind == "deep":
        tifffile.imwrite(path, deep, photometric="rgb")
    elif kind in ("deep lzw", "planar lzw"):
        lzw_tiff(path, deep, kind == "planar lzw", differences=True)
    elif kind == "deep deflated":
        tifffile.imwrite(path, deep, photometric="rgb", compression="zlib")
    elif kind == "channels first":
        path = folder / "a.npy"
        np.save(path, rgb.transpose(2, 0, 1))
    elif kind == "deep array":
        path = folder / "a.npy"
        np.save(path, deep)
    else:
        path = folder / "a.png"
        Image.fromarray(rgb).save(path)
    return path


KINDS = (
    "png", "rgba", "exif", "tiff turned", "cmyk", "deep cmyk", "planar", "planar bytes", "bands",
    "deep", "deep deflated", "deep lzw", "planar lzw", "channels first", "deep array",
)  # fmt: skip


def quarters(limex, model: str, path: Path, *more: str) -> tuple[dict, dict]:
    """Explain by a grid of four; return the record and the weights by quarter."""
    words = ("--segmenter", "grid", "--segments", 4, "--samples", 16, "-f", "json")
    done = limex("explain", "image", model, path, *words, *more)
    assert done.code == 0, done.err
    record = json.loads(done.out)
    return record, {
        tuple(np.array(one["where"]["centroid"]) > SIDE / 2): one["weight"]
        for one in record["targets"][0]["components"]
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_red_quarter_is_found_in_files_of_every_kind(limex, tmp_path, kind):
    model = redness(tmp_path / "m.onnx")
    record, weights = quarters(limex, model, saved(tmp_path, kind))
    share = image().astype(float) / 255
    logit = 60 * (share * (1, -0.5, -0.5)).mean() - 2
    expected = 1 / (1 + np.exp(-logit))
    near = 0.02 if kind in ("exif", "cmyk") else 1e-4
    assert record["targets"][0]["model_prediction"] == pytest.approx(expected, abs=near)
    assert max(weights, key=lambda one: weights[one]) == (False, False)


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (("n", 3, SIDE, SIDE), ("--resize", "pad")),
        (("n", 3, SIDE, SIDE), ("--resize", "crop")),
        (("n", SIDE, SIDE, 3), ()),
        (("n", 3, SIDE, SIDE), ("--channels", "BGR")),
        (("batch_size", "num_channels", "height", "width"), ("--size", "64")),
        (("batch", "height", "width", "channels"), ("--size", "64")),
    ],
)
def test_it_is_found_through_every_way_into_a_model(limex, tmp_path, shape, more):
    colours = (-0.5, -0.5, 1.0) if "BGR" in more else (1.0, -0.5, -0.5)
    model = redness(tmp_path / "m.onnx", shape, colours)
    _, weights = quarters(limex, model, saved(tmp_path, "png"), *more)
    assert max(weights, key=lambda one: weights[one]) == (False, False)


def test_12_bits_in_files_of_16_are_noticed_and_read_when_it_is_said(limex, tmp_path):
    model = redness(tmp_path / "m.onnx")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, (image().astype(np.uint16) << 4), photometric="rgb")
    record, _ = quarters(limex, model, path)
    said = [one["message"] for one in record["warnings"] if one["code"] == "range_assumed"]
    assert len(said) == 1
    assert "up to 3,520" in said[0]
    assert "--pixel-range 0,4095" in said[0]
    record, weights = quarters(limex, model, path, "--pixel-range", "0,4080")
    assert [one for one in record["warnings"] if one["code"] == "range_assumed"] == []
    assert max(weights, key=lambda one: weights[one]) == (False, False)


@pytest.mark.parametrize(
    ("most", "said"),
    [(200, "0,255"), (1_000, "0,1023"), (4_095, "0,4095"), (16_000, "0,16383")],
)
@pytest.mark.parametrize("kind", ["npy", "png", "tif"])
def test_the_range_that_is_meant_is_proposed(tmp_path, most, said, kind):
    array = np.linspace(0, most, 100).reshape(10, 10).astype(np.uint16)
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "png":
        Image.fromarray(array).save(path)
    else:
        tifffile.imwrite(path, array)
    (warning,) = read_image(path).warnings
    assert f"--pixel-range {said}" in warning.message
    assert read_image(path, ImageReading(pixel_range=(0, most))).warnings == ()


@pytest.mark.parametrize("most", [0, 20_000, 65_535])
def test_numbers_of_16_bits_that_use_them_say_nothing(tmp_path, most):
    np.save(tmp_path / "a.npy", np.full((9, 9), most, np.uint16))
    assert read_image(tmp_path / "a.npy").warnings == ()


def test_a_negative_is_read_as_what_it_shows(tmp_path):
    rgb = image()
    grey = np.asarray(Image.fromarray(rgb).convert("L")).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", 65_535 - grey, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "b.tif", grey, photometric="minisblack")
    found, expected = (read_image(tmp_path / name) for name in ("a.tif", "b.tif"))
    assert found.pixels.tolist() == expected.pixels.tolist()


def test_channels_that_come_first_are_said(tmp_path):
    path = saved(tmp_path, "channels first")
    found = read_image(path)
    assert found.pixels.tolist() == image().tolist()
    assert ["its channels are assumed to come first" in one.message for one in found.warnings] == [
        True
    ]
    np.save(tmp_path / "five.npy", np.random.default_rng(0).random((5, 20, 30)))
    five = read_image(tmp_path / "five.npy", ImageReading(channels="5"))
    assert (five.values.shape, five.warnings) == ((20, 30, 5), ())


SIGNS = {
    "slice.dcm": (b"\0" * 128 + b"DICM" + b"\0" * 50, "DICOM.*apply_rescale.*--pixel-range"),
    "a.png": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "Git LFS.*git lfs pull",
    ),
    "icon.ico": (b"\0\0\x01\0\x01\0\x10\x10", "ICO"),
    "a.mp4": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "is a video.*frame"),
    "a.mov": (b"\0\0\0\x14ftypqt  ", "is a video"),
    "a.mkv": (b"\x1a\x45\xdf\xa3" + b"\0" * 30, "is a video"),
    "a.avi": (b"RIFF\0\0\0\0AVI LIST", "is a video"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    "a.jpg": (b"<!DOCTYPE html><html><title>404", "is a web page"),
    "a.npz": (b"PK\x03\x04" + b"\0" * 30, "is an archive.*NPZ"),
    "a.wav": (b"RIFF\x24\0\0\0WAVEfmt ", "is a sound"),
    "a.flac": (b"fLaC\0\0\0\x22", "is a sound"),
    "a.fits": (b"SIMPLE  =                    T", "FITS"),
    "a.nii": (b"\x5c\x01\0\0" + b"\0" * 344, r"NIfTI.*nibabel\.load"),
    "a.nii.gz": (b"\x1f\x8b\x08" + b"\0" * 30, r"NIfTI.*nibabel\.load"),
    "a.png.gz": (b"\x1f\x8b\x08" + b"\0" * 30, "packed with gzip"),
    "a.heic": (b"\0\0\0\x18ftypheic", "HEIC"),
    "b.jpg": (b"noise" * 9, "is not an image, or is damaged"),
}


@pytest.mark.parametrize("name", SIGNS)
def test_what_is_no_picture_is_called_what_it_is(tmp_path, name):
    data, words = SIGNS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / name)


def test_inks_and_colours_that_are_not_read_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9, 5), np.uint16), photometric="separated")
    with pytest.raises(InputError, match="5 inks, not 4; save it as RGB"):
        read_image(tmp_path / "a.tif")


def test_black_ink_is_given_to_a_model_of_white_ink(limex, tmp_path):
    model = redness(tmp_path / "m.onnx", ("n", 1, SIDE, SIDE), (0.5,))
    paper = np.full((SIDE, SIDE), 255, np.uint8)
    paper[: SIDE // 2, : SIDE // 2] = 0
    Image.fromarray(paper).save(tmp_path / "ink.png")
    Image.fromarray(255 - paper).save(tmp_path / "white.png")
    record, weights = quarters(limex, model, tmp_path / "ink.png", "--invert")
    other, expected = quarters(limex, model, tmp_path / "white.png")
    assert record["targets"][0]["model_prediction"] == other["targets"][0]["model_prediction"]
    assert weights == expected
    assert max(weights, key=lambda one: weights[one]) == (False, False)
    assert record["instance"]["facts"]["invert"] is True


def test_a_fill_that_changes_nothing_gives_way_to_one_that_does(limex, tmp_path):
    model = redness(tmp_path / "m.onnx")
    record, weights = quarters(limex, model, saved(tmp_path, "png"))
    (said,) = (one for one in record["warnings"] if one["code"] == "fill_changes_little")
    assert "--fill " in said["message"]
    assert record["instance"]["facts"]["fill"] in ("black", "blur", "#ffffff")
    assert weights[False, False] > 0.1
    assert not any(one["code"] == "flat_response" for one in record["warnings"])
    record, _ = quarters(limex, model, saved(tmp_path, "png"), "--fill", "mean")
    (said,) = (one for one in record["warnings"] if one["code"] == "fill_changes_little")
    assert "may show more" in said["message"]
    assert record["instance"]["facts"]["fill"] == "mean"


def test_a_fill_that_changes_an_answer_stays(tmp_path):
    path = saved(tmp_path, "png")

    def predictions(images: np.ndarray) -> np.ndarray:
        """How rough an image is: its mean is not."""
        rough = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2, 3))
        return np.stack([rough + 0.6, 0.4 - rough], axis=1)

    given = ModelInput(size=(SIDE, SIDE), channels=3, predictions=predictions)
    modality = ImageModality((str(path),), segmenter="grid", n_segments=4).fitted(given)
    found = modality.read(next(modality.sources()))
    assert found.subject.facts["fill"] == "mean"
    assert [one.code for one in found.warnings] == ["preprocessing_assumed"]


def test_lime_s_own_cut_goes_without_the_rest_of_lime(limex, tmp_path, samples, data):
    cut = {}
    for name in ("quickshift:lime", "quickshift"):
        words = ("--segmenter", name, "--samples", 20, "-f", "json")
        done = limex("explain", "image", samples / "scenes.onnx", data / "scene.png", *words)
        assert done.code == 0, done.err
        record = json.loads(done.out)
        cut[name] = record["instance"]["facts"]["segments"]
        assert record["instance"]["facts"]["segmenter"] == name
    done = limex(
        "explain", "image", samples / "scenes.onnx", data / "scene.png", "--like-lime",
        "--samples", 20, "-f", "json",
    )  # fmt: skip
    assert cut["quickshift:lime"] == json.loads(done.out)["instance"]["facts"]["segments"]


def test_grey_models_are_not_said_to_be_given_colours(tmp_path):
    path = saved(tmp_path, "png")
    modality = ImageModality((str(path),)).fitted(ModelInput(size=(9, 9), channels=1))
    found = modality.read(next(modality.sources()))
    assert "RGB" not in found.warnings[-1].message
    assert "0 to 1 is assumed" in found.warnings[-1].message


def test_axis_names_say_the_layout_and_a_size_that_fails_is_said(tmp_path):
    path = redness(tmp_path / "m.onnx", ("batch_size", "num_channels", "height", "width"))
    assert ModelFile(path).load().input.layout == "NCHW"
    path = redness(tmp_path / "n.onnx", ("batch", "height", "width", "channels"))
    assert ModelFile(path).load().input.layout == "NHWC"


def test_a_size_that_does_not_fit_names_the_option(limex, tmp_path):
    """The graph leaves its size open, but adds a table of one size."""
    nodes = [
        helper.make_node("Add", ["x", "table"], ["sum"]),
        helper.make_node("ReduceMean", ["sum"], ["y"], axes=[2, 3], keepdims=0),
    ]
    kept = [numpy_helper.from_array(np.zeros((1, 3, 32, 32), np.float32), "table")]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3]),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    done = limex("explain", "image", tmp_path / "m.onnx", saved(tmp_path, "png"))
    assert done.code == 4
    assert "images of 64 x 64 may not fit it: --size 224, say" in done.err


PROCESSORS = {
    "vit": (
        {"size": {"height": 48, "width": 40}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
        lambda image: np.asarray(image.resize((40, 48), Image.Resampling.BILINEAR)) / 127.5 - 1,
    ),
    "bicubic": (
        {"size": 40, "resample": 3, "image_mean": [0.1, 0.2, 0.3], "image_std": [1, 2, 3],
         "do_center_crop": True, "crop_size": {"height": 32, "width": 32}},
        lambda image: (
            np.asarray(image.resize((50, 40), Image.Resampling.BICUBIC))[4:36, 9:41] / 255
            - [0.1, 0.2, 0.3]
        ) / [1, 2, 3],
    ),
    "a filter by its name": (
        {"size": {"height": 32, "width": 32}, "resample": "bicubic", "do_normalize": False},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)) / 255,
    ),
    "older": (
        {"size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 127.5 - 1,
    ),
    "older and cropped": (
        {"size": 40, "crop_size": 32, "do_center_crop": True, "do_normalize": False},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BILINEAR))[4:36, 9:41]
        / 255,
    ),
    "of nobody's class, with half a pixel to cut": (
        {"size": 44, "crop_size": 32, "do_center_crop": True, "do_normalize": False},
        lambda image: np.asarray(image.resize((55, 44), Image.Resampling.BILINEAR))[6:38, 12:44]
        / 255,
    ),
    "deit": (
        {"size": {"height": 40, "width": 40}, "do_center_crop": True, "do_normalize": False,
         "crop_size": {"height": 32, "width": 32}},
        lambda image: np.asarray(image.resize((40, 40), Image.Resampling.BILINEAR))[4:36, 4:36]
        / 255,
    ),
    "older deit": (
        {"feature_extractor_type": "DeiTFeatureExtractor", "size": 40, "crop_size": 32,
         "do_center_crop": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 3},
        lambda image: np.asarray(image.resize((40, 40), Image.Resampling.BICUBIC))[4:36, 4:36]
        / 127.5 - 1,
    ),
    "not cropped": (
        {"size": {"height": 32, "width": 32}, "crop_size": {"height": 16, "width": 16},
         "do_center_crop": False, "do_normalize": False},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 255,
    ),
    "plain": (
        {"size": {"height": 32, "width": 32}, "do_normalize": False, "image_mean": [9, 9, 9]},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 255,
    ),
    "raw": (
        {"size": {"height": 32, "width": 32}, "do_normalize": False, "do_rescale": False},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 1.0,
    ),
    "convnext": (
        {"size": {"shortest_edge": 28}, "crop_pct": 0.875, "do_normalize": False},
        lambda image: np.asarray(image.resize((40, 32), Image.Resampling.BILINEAR))[2:30, 6:34]
        / 255,
    ),
    "convnext, half a pixel": (
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 27},
         "crop_pct": 0.9, "do_normalize": False},
        lambda image: np.asarray(image.resize((37, 30), Image.Resampling.BILINEAR))[1:28, 5:32]
        / 255,
    ),
    "convnext by torchvision": (
        {"image_processor_type": "ConvNextImageProcessorFast", "size": {"shortest_edge": 27},
         "crop_pct": 0.9, "do_normalize": False},
        lambda image: np.asarray(image.resize((37, 30), Image.Resampling.BILINEAR))[1:28, 5:32]
        / 255,
    ),
    "large convnext": (
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384},
         "do_normalize": False},
        lambda image: np.asarray(image.resize((384, 384), Image.Resampling.BILINEAR)) / 255,
    ),
    "poolformer": (
        {"image_processor_type": "PoolFormerImageProcessor", "size": {"shortest_edge": 32},
         "crop_pct": 0.8, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True,
         "do_normalize": False},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BICUBIC))[4:36, 9:41]
        / 255,
    ),
    "levit": (
        {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 28},
         "crop_size": {"height": 28, "width": 28}, "do_center_crop": True, "do_normalize": False},
        lambda image: np.asarray(image.resize((40, 32), Image.Resampling.BICUBIC))[2:30, 6:34]
        / 255,
    ),
    "mobilevit": (
        {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 40},
         "crop_size": {"height": 32, "width": 32}, "do_center_crop": True,
         "do_flip_channel_order": True},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BILINEAR))[
            4:36, 9:41, ::-1
        ] / 255,
    ),
    "efficientnet": (
        {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 32, "width": 32},
         "resample": 0, "rescale_offset": True, "rescale_factor": 1 / 127.5, "include_top": True,
         "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]},
        lambda image: (
            (np.asarray(image.resize((32, 32), Image.Resampling.NEAREST)) / 127.5 - 1
             - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7] / [0.5, 0.6, 0.7]
        ),
    ),
    "efficientnet, not normalized": (
        {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 32, "width": 32},
         "resample": 0, "include_top": True, "do_normalize": False, "image_std": [0.5, 0.6, 0.7]},
        lambda image: (
            np.asarray(image.resize((32, 32), Image.Resampling.NEAREST)) / 255 / [0.5, 0.6, 0.7]
        ),
    ),
    "of no kind that is known": (
        {"image_processor_type": "AcmeImageProcessor", "size": {"shortest_edge": 40},
         "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_normalize": False,
         "resample": 3, "do_pad": False, "pad_size": None, "size_divisor": 1},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BICUBIC))[4:36, 9:41]
        / 255,
    ),
    "convnext, not resized": (
        {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 28},
         "crop_pct": 0.875, "do_resize": False, "do_normalize": False},
        lambda image: np.asarray(image) / 255,
    ),
    "older levit": (
        {"feature_extractor_type": "LevitFeatureExtractor", "size": 28, "do_center_crop": True,
         "do_normalize": False, "resample": 3},
        lambda image: np.asarray(image.resize((40, 32), Image.Resampling.BICUBIC))[2:30, 6:34]
        / 255,
    ),
    "older poolformer": (
        {"feature_extractor_type": "PoolFormerFeatureExtractor", "size": 32, "crop_pct": 0.8,
         "do_resize_and_center_crop": True, "do_normalize": False, "resample": 3},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BICUBIC))[4:36, 9:41]
        / 255,
    ),
    "older segformer": (
        {"feature_extractor_type": "SegformerFeatureExtractor", "size": 32, "do_resize": True,
         "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 127.5 - 1,
    ),
    "a whole factor": (
        {"size": {"height": 32, "width": 32}, "do_normalize": False, "rescale_factor": 1},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 1.0,
    ),
    "keys of other kinds": (
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32},
         "do_normalize": False, "crop_pct": 0.9, "rescale_offset": True, "include_top": True,
         "do_flip_channel_order": True},
        lambda image: np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR)) / 255,
    ),
    "mobilevit, which has no mean": (
        {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 40},
         "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, "do_normalize": True,
         "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
        lambda image: np.asarray(image.resize((50, 40), Image.Resampling.BILINEAR))[
            4:36, 9:41, ::-1
        ] / 255,
    ),
    "not resized": (
        {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32},
         "do_resize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
        lambda image: np.asarray(image) / 127.5 - 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"image_processor_type": "DonutImageProcessor", "do_thumbnail": True},
         "do_thumbnail, 'donut'"),
        ({"image_processor_type": "PerceiverImageProcessor"}, "'perceiver'"),
        ({"image_processor_type": "DonutImageProcessor", "do_pad": False}, "'donut'"),
        ({"image_processor_type": "ViTImageProcessor", "do_pad": True}, "do_pad"),
        ({"do_gamma": True, "gamma": 2.2}, "do_gamma, gamma"),
        ({"auto_map": {"AutoImageProcessor": "own.Processor"}}, "auto_map"),
        ({"size": {"shortest_edge": 32, "longest_edge": 40}}, "size.longest_edge"),
        ({"size": {"shortest_edge": 32}, "do_center_crop": False},
         "size.shortest_edge without do_center_crop"),
        ({"size": {"height": 40, "width": 48}, "crop_size": 32, "do_center_crop": True},
         "do_center_crop of sides that differ"),
        ({"image_processor_type": "AcmeImageProcessor", "size": 40, "crop_size": 32,
          "do_center_crop": True}, "size 40 without saying of which side"),
        ({"do_resize": False, "do_center_crop": True}, "do_center_crop"),
        ({"do_center_crop": True, "crop_size": 64}, "a crop_size larger than size"),
        ({"image_processor_type": "ViTImageProcessor", "size": None}, "do_resize without size"),
        ({"image_processor_type": "ViTImageProcessor", "do_normalize": True},
         "do_normalize without image_mean, do_normalize without image_std"),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": 32},
         "'clip' without saying do_center_crop"),
        ({"image_processor_type": "BitImageProcessor", "do_center_crop": True},
         "do_center_crop without crop_size"),
        ({"image_processor_type": "BeitImageProcessor", "size": {"shortest_edge": 32}},
         "size.shortest_edge without do_center_crop"),
        ({"image_processor_type": "PoolFormerImageProcessor", "crop_pct": 0.9,
          "do_center_crop": False}, "crop_pct without do_center_crop"),
    ],
)  # fmt: skip
def test_what_a_folder_asks_for_that_is_not_done_is_refused_by_name(limex, tmp_path, said, named):
    whole = {"size": {"height": 32, "width": 32}, "do_normalize": False, **said}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(whole))
    redness(tmp_path / "model.onnx", ("batch_size", "num_channels", "height", "width"))
    model, path = ModelFile(str(tmp_path)).load(), str(saved(tmp_path, "png"))
    with pytest.raises(ModelError, match=re.escape(f"asks for {named}, which limex does not do")):
        ImageModality((path,), segmenter="grid").fitted(model.input)
    typed = ImageModality((path,), segmenter="grid", preprocess="unit", size=(32, 32))
    assert typed.fitted(model.input).read(next(typed.sources())).original().shape[1:3] == (32, 32)


def as_tensorflow(rgb, height, width):
    """Resize as ``tf.image.resize`` does by default: bilinear, half-pixel centres, no antialias.

    Written after TensorFlow's documentation, pixel by pixel.
    """
    found = np.zeros((height, width, rgb.shape[2]))
    for i, j in np.ndindex(height, width):
        y, x = (i + 0.5) * len(rgb) / height - 0.5, (j + 0.5) * rgb.shape[1] / width - 0.5
        for row, of_row in ((math.floor(y), 1 - y % 1), (math.floor(y) + 1, y % 1)):
            for column, of_column in ((math.floor(x), 1 - x % 1), (math.floor(x) + 1, x % 1)):
                held = rgb[min(max(row, 0), len(rgb) - 1), min(max(column, 0), rgb.shape[1] - 1)]
                found[i, j] += of_row * of_column * held
    return found


def as_owner_resizes(noise, name, size):
    if name == "bilinear-aliased":
        return as_tensorflow(noise, *size)
    if name == "bilinear-opencv":  # to less than one; its own numbers are below
        return np.rint(as_tensorflow(noise, *size))
    kind = Image.Resampling[name.partition("-")[0].upper()]  # torch's to one, with digests below
    planes = noise.astype(np.float32 if name.endswith(("-float", "-v1")) else np.uint8)
    resized = [
        Image.fromarray(planes[..., i]).resize(size[::-1], kind) for i in range(planes.shape[2])
    ]
    found = np.stack(resized, axis=-1)
    return np.clip(np.rint(found), 0, 255) if name.endswith("-v1") else found


OPENCV = {
    (4, 6, "stretch"): [[77, 117, 191, 203, 113, 150], [153, 79, 219, 121, 78, 71]],
    (11, 8, "stretch"): [
        [171, 22, 163, 178, 196, 60, 216, 82],
        [121, 99, 87, 203, 56, 148, 142, 72],
    ],
    (6, 6, "crop"): [[57, 143, 183, 199, 75, 195], [99, 102, 205, 84, 129, 129]],
    (6, 6, "crop-round:6"): [[55, 166, 160, 151, 161, 49], [91, 90, 183, 60, 116, 110]],
}
"""The red of the first and the last row of cv2.resize of 9 x 13 pixels; the last two are cut from
6 x 8, as by mmpretrain, and from 6 x 9, as by PaddleClas."""


@pytest.mark.parametrize(("height", "width", "way"), list(OPENCV))
def test_bytes_are_resized_as_opencv_does_to_the_last_bit(tmp_path, height, width, way):
    noise = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    modality = ImageModality(
        (str(tmp_path / "a.png"),), preprocess="raw", size=(height, width), resize=way,
        resample="bilinear-opencv",
    )  # fmt: skip
    found = modality.read(next(modality.sources())).original()[0]
    assert found[[0, -1], :, 0].tolist() == OPENCV[height, width, way]


@pytest.mark.parametrize(
    ("name", "own", "size", "way", "digest"),
    [
        ("bilinear-opencv", (386, 258), (300, 200), "stretch", "07cac72accaea935"),
        ("bilinear-opencv", (45, 83), (28, 28), "crop-floor:32", "aed2c03295f3fae3"),
        ("bilinear-opencv", (83, 47), (28, 28), "crop-floor:32", "19f96f99331dfe92"),
        ("bilinear-opencv", (83, 47), (28, 28), "crop-round:32", "fa2710721718f1b7"),
        ("bilinear-opencv", (59, 97), (28, 28), "crop-round:32", "69eba0694c104833"),
        ("bilinear-opencv", (45, 83), (28, 28), "crop:32", "203fc8f8b09b210a"),
        ("bilinear-opencv", (59, 97), (28, 28), "crop:32", "74820890a4a61171"),
        ("bilinear-torch", (386, 258), (30, 200), "stretch", "8f57e5ca038806f1"),
        ("bilinear-torch", (2700, 9), (11, 9), "stretch", "8413ca7435bbd8b6"),
        ("bicubic-torch", (386, 258), (300, 20), "stretch", "409378b73fdbf24b"),
        ("bicubic-torch", (40, 30), (64, 48), "stretch", "9ba785d93ed7d595"),
        ("bicubic-torch", (45, 83), (28, 28), "crop-floor:32", "c9a410ed74852bf3"),
        ("bilinear-torch-v1", (386, 258), (30, 200), "stretch", "ad68c5f858b8beb9"),
        ("bilinear-torch-v1", (2700, 9), (11, 9), "stretch", "8413ca7435bbd8b6"),
        ("bicubic-torch-v1", (386, 258), (300, 20), "stretch", "0b8852f6a71cc2b8"),
        ("bicubic-torch-v1", (40, 30), (64, 48), "stretch", "b4caf8623c0cf7b5"),
        ("bicubic-torch-v1", (45, 83), (28, 28), "crop:32", "27e307b52718ac20"),
        ("bilinear-torch-v1", (59, 97), (28, 28), "crop:32", "df5f2ef881282a47"),
    ],
)
def test_bytes_become_what_another_library_makes_of_them(name, own, size, way, digest):
    """Digests of what cv2.resize, which counts places in single precision, makes of the pixels, and
    MLPerf's script of 87.5 %, PaddleClas and mmpretrain by it; and torchvision of a tensor, by both
    versions of its transforms.
    """
    y, x = np.mgrid[: own[0], : own[1]]
    pixels = (np.stack([x * x * 3 + y, y * y + 5 * x, x * y * 7], -1) % 256).astype(np.uint8)
    used = Preprocessing(size=size, resize=way, resample=RESAMPLES.index(name))
    found = used.seen(pixels, used.view(own))
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("name", RESAMPLES)
@pytest.mark.parametrize("size", [(24, 40), (70, 90)])
def test_every_filter_resizes_as_its_owner_does(tmp_path, name, size):
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    photo = Image.fromarray(noise)
    photo.save(tmp_path / "a.png")
    owner = as_owner_resizes(noise, name, size)
    modality = ImageModality((str(tmp_path / "a.png"),), size=size, resample=name)
    found = modality.read(next(modality.sources()))
    atol = 1.01 / 255 if name.endswith(("-opencv", "-torch", "-v1")) else 1e-6
    np.testing.assert_allclose(found.original()[0], owner / 255, atol=atol)
    assert "resample_assumed" not in [one.code for one in found.warnings]


@pytest.mark.parametrize("name", RESAMPLES)
@pytest.mark.parametrize("grey", [False, True])
def test_every_filter_resizes_before_the_centre_is_cropped(tmp_path, name, grey):
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    photo = Image.fromarray(noise[..., 0] if grey else noise)
    photo.save(tmp_path / "a.png")
    owner = as_owner_resizes(noise[..., :1] if grey else noise, name, (32, 40))[:, 4:36] / 255
    modality = ImageModality(
        (str(tmp_path / "a.png"),), size=(32, 32), resample=name, resize="crop", preprocess="unit",
        channels="L" if grey else None,
    )  # fmt: skip
    found = modality.read(next(modality.sources())).original()[0]
    atol = 1.01 / 255 if name.endswith(("-opencv", "-torch", "-v1")) else 1e-6
    np.testing.assert_allclose(found, owner, atol=atol)


def test_proportions_that_change_are_said_unless_somebody_asked_for_it(tmp_path):
    path = str(saved(tmp_path, "png"))
    square = ModelInput(kind="image", size=(SIDE // 2, SIDE // 2), channels=3)
    flat = square._replace(size=(SIDE // 2, SIDE))
    told = PixelsInput(resample=RESAMPLES.index("lanczos"))
    for given, options, expected in (
        (flat, {}, True),
        (flat, {"preprocess": "signed", "resample": "bicubic"}, True),
        (flat._replace(pixels=PixelsInput()), {}, True),
        (flat._replace(pixels=told), {}, False),
        (flat, {"resize": "stretch"}, False),
        (flat, {"resize": "crop"}, False),
        (flat, {"preprocess": "imagenet"}, False),
        (square, {}, False),
        (flat._replace(size=(SIDE - 1, SIDE)), {}, True),
        (flat._replace(size=None), {}, False),
    ):
        modality = ImageModality((path,), **options).fitted(given)
        said = modality.read(next(modality.sources())).warnings
        found = [one.message for one in said if one.code == "resize_assumed"]
        assert len(found) == expected, (given, options)
        wanted = f"of {SIDE} x {SIDE} pixels is stretched to {SIDE} x "
        assert all(wanted in one for one in found)


def test_a_filter_that_nobody_named_is_said_where_an_image_is_resized(tmp_path):
    path, size = str(saved(tmp_path, "png")), (SIDE // 2, SIDE)
    whole = ModelInput(kind="image", size=(SIDE, SIDE), channels=3)
    told = PixelsInput(resample=RESAMPLES.index("lanczos"))
    for given, options, expected in (
        (whole._replace(size=size), {}, True),
        (whole._replace(size=size), {"preprocess": "unit"}, True),
        (whole._replace(size=size), {"resample": "nearest"}, False),
        (whole._replace(size=size, pixels=told), {}, False),
        (whole._replace(size=size, pixels=told), {"preprocess": "unit"}, True),
        (whole._replace(size=size, pixels=PixelsInput()), {}, True),
        (whole, {}, False),
        (whole._replace(size=None), {}, False),
        (ModelInput(), {}, False),
        (ModelInput(), {"preprocess": "unit"}, False),
        (ModelInput(), {"size": (SIDE, SIDE)}, False),
    ):
        modality = ImageModality((path,), **options).fitted(given)
        said = modality.read(next(modality.sources())).warnings
        free = given.size is None and "size" not in options
        assert any("; --size changes" in one.message for one in said) == free
        found = [one.message for one in said if one.code == "resample_assumed"]
        assert len(found) == expected, (given, options)
        assert all("bilinear" in one and "--resample" in one for one in found)


def test_a_model_s_sidecar_may_name_the_filter(limex, tmp_path):
    model, path = redness(tmp_path / "m.onnx", (1, 3, 20, 20)), saved(tmp_path, "png")
    (tmp_path / "m.onnx.toml").write_text('resample = "bicubic"\npreprocess = "unit"\n')
    done = limex("explain", "image", model, path, "--segmenter", "grid", "-f", "json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["instance"]["facts"]["input"]["resample"] == RESAMPLES.index("bicubic")
    assert "resample_assumed" not in [one["code"] for one in record["warnings"]]
    again = limex("explain", "image", model, path, "--resample", "sinc")
    assert again.code == 2
    assert "bilinear-aliased" in again.err


@pytest.mark.parametrize("preset", ["imagenet", "caffe"])
def test_a_crop_that_is_typed_keeps_nothing_of_the_preset_s(tmp_path, preset):
    """As torchvision's Resize(24) and CenterCrop(24) take it, not Resize(27)."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 80, 3)).astype(np.uint8)
    photo = Image.fromarray(noise)
    photo.save(tmp_path / "a.png")
    owner = np.asarray(photo.resize((40, 24), Image.Resampling.BILINEAR))[:, 8:32] / 255
    modality = ImageModality(
        (str(tmp_path / "a.png"),), preprocess=preset, resize="crop", size=(24, 24),
        scale=1 / 255, mean=(0.0,), std=(1.0,), channels="RGB", resample="bilinear",
    )  # fmt: skip
    found = modality.read(next(modality.sources())).original()[0]
    np.testing.assert_allclose(found, owner, atol=1e-6)


def test_padding_may_be_white(tmp_path):
    path = str(saved(tmp_path, "png"))
    found = {}
    for way in ("pad", "pad-white", "pad:#727273"):
        modality = ImageModality((path,), size=(40, 20), resize=way, preprocess="unit")
        found[way] = modality.read(next(modality.sources())).original()[0]
    assert (found["pad"][0].max(), found["pad-white"][0].min()) == (0, 1)
    assert found["pad:#727273"][0, 0] * 255 == pytest.approx([114, 114, 115])
    for way in found:
        np.testing.assert_array_equal(found["pad"][12:28], found[way][12:28])
    with pytest.raises(SettingsError, match=r"--resize: 'pad-red' is unknown.*pad:#RRGGBB"):
        ImageModality((path,), size=(40, 20), resize="pad-red")


def as_owner(photo, way, size):
    """Fit an image as its owner does with Pillow, in bicubic."""
    bicubic, (height, width) = Image.Resampling.BICUBIC, size
    if way.startswith("square"):
        side = max(photo.size)
        square = Image.new(photo.mode, (side, side), {"square": "#000000"}.get(way, "#ffffff"))
        square.paste(photo, tuple((side - one) // 2 for one in photo.size))
        return np.asarray(square.resize((width, height), bicubic))
    if way == "fit":
        return np.asarray(ImageOps.fit(photo, (width, height), bicubic))
    shorter = 30 / min(photo.size)
    sides = [30, 30] if way == "stretch:30" else [int(one * shorter) for one in photo.size]
    box = [(sides[0] - width) // 2, (sides[1] - height) // 2]
    whole = photo.resize(tuple(sides), bicubic)
    return np.asarray(whole.crop((*box, box[0] + width, box[1] + height)))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    "way", ["square", "square-white", "square:#ffffff", "stretch:30", "crop:30", "fit"]
)
def test_an_image_is_fitted_as_its_owner_fits_it(tmp_path, way, grey):
    noise = np.random.default_rng(0).integers(0, 256, (61, 100, 3)).astype(np.uint8)
    photo = Image.fromarray(noise)
    photo.save(tmp_path / "a.png")
    modality = ImageModality(
        (str(tmp_path / "a.png"),), preprocess="raw", resize=way, size=(24, 24),
        resample="bicubic", channels="L" if grey else "RGB",
    )  # fmt: skip
    found = modality.read(next(modality.sources()))
    own = as_owner(photo.convert("L") if grey else photo, way, (24, 24)).reshape(24, 24, -1)
    cut = way in ("stretch:30", "crop:30", "fit")
    np.testing.assert_array_equal(found.original()[0], own)
    seen = (found.labels >= 0).any(axis=1)
    assert seen.sum() == (24 if cut else 14)  # middles of places in the 61 of 100
    assert found.subject.facts["input"]["resize"] == way


def test_ways_to_fit_that_make_no_sense_are_refused(tmp_path):
    for way in ("crop:20", "stretch:20"):
        with pytest.raises(SettingsError, match="the model's input is larger, 24; give"):
            ImageModality(("a.png",), size=(24, 24), resize=way)
    for way in ("crop:N", "square-red", "pad-white:#000000", "stretch-white", "crop:0"):
        with pytest.raises(SettingsError, match=rf"--resize: '{way}' is unknown; one of: stretch"):
            ImageModality(("a.png",), size=(24, 24), resize=way)
    Image.new("L", (1 << 15, 1)).save(tmp_path / "line.png")
    modality = ImageModality((str(tmp_path / "line.png"),), resize="square")
    with pytest.raises(InputError, match=r"line.png: .* too many; --resize pad"):
        modality.read(next(modality.sources()))


@pytest.mark.parametrize(
    "way", ["pad", "pad-white", "pad:#727272", "crop", "square", "square-white"]
)
def test_a_red_quarter_is_found_beside_what_is_padded_or_cropped(limex, tmp_path, way):
    """All of the weight is on the cells that show red; nothing of the padding is a component."""
    wide = np.full((SIDE, 2 * SIDE, 3), 80, np.uint8)
    wide[:, SIDE // 2 : -SIDE // 2] = image()
    Image.fromarray(wide).save(tmp_path / "wide.png")
    model = redness(tmp_path / "m.onnx")
    words = ("--segmenter", "grid", "--segments", 32, "--fill", "black", "-f", "json")
    shown = ("--resize", way, "--preprocess", "unit", "--features", 32, "--target", 1)
    done = limex("explain", "image", model, tmp_path / "wide.png", *words, *shown)
    assert done.code == 0, done.err
    parts = json.loads(done.out)["targets"][0]["components"]
    red = [one for one in parts if _shows(one, (SIDE // 2, 0, SIDE, SIDE // 2))]
    others = [one for one in parts if one not in red]
    assert len(red) == {"crop": 9}.get(way, 4)
    assert min(one["weight"] for one in red) > 5 * max(abs(one["weight"]) for one in others)
    boxes = np.array([one["where"]["box"] for one in parts])
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= [2 * SIDE, SIDE]).all()


def _shows(component: dict, box: tuple[int, ...]) -> bool:
    """Tell whether half of a component or more lies in a box: left, top, right, bottom."""
    left, top, right, bottom = component["where"]["box"]
    inside = (min(right, box[2]) - max(left, box[0]), min(bottom, box[3]) - max(top, box[1]))
    return min(inside) > 0 and 2 * inside[0] * inside[1] >= (right - left) * (bottom - top)


def read_with_folder(tmp_path):
    """Put a network into a folder of configurations, and read noise for it."""
    redness(tmp_path / "model.onnx", ("batch_size", "num_channels", "height", "width"))
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    model = ModelFile(str(tmp_path)).load()
    modality = ImageModality((str(tmp_path / "a.png"),), segmenter="grid").fitted(model.input)
    return noise, model, modality.read(next(modality.sources()))


@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_folder_says_what_becomes_of_its_pixels(tmp_path, kind):
    said, expected = PROCESSORS[kind]
    names = {"id2label": {"0": "cat", "1": "dog"}, "architectures": ["ForImageClassification"]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    (tmp_path / "config.json").write_text(json.dumps(names))
    _noise, model, found = read_with_folder(tmp_path)
    fed = expected(Image.open(tmp_path / "a.png"))
    near = 0.02 * 255 if kind == "raw" else 0.02  # Pillow crops and rounds in another order
    assert found.original()[0].shape == fed.shape
    assert found.original()[0] == pytest.approx(fed, abs=near)
    resized = said.get("do_resize", True) and said.get("resample") != 0
    told = str(said.get("image_processor_type")).endswith("Fast")
    codes = [one.code for one in found.warnings]
    assert codes == ["resample_assumed"] * bool(resized and not told)
    model.predict(found.original())
    assert model.identity.targets == ("cat", "dog")
    own = ImageModality((str(tmp_path / "a.png"),), preprocess="unit", size=(20, 20))
    read = own.fitted(model.input)
    unit = read.read(next(read.sources())).original()[0]
    assert unit.shape == (20, 20, 3)
    assert 0 <= unit.min() < unit.max() <= 1


@pytest.mark.parametrize(
    ("said", "typed", "used", "words"),
    [
        ({}, None, "bilinear", "--resample bilinear-torch resizes as with torchvision, --resample "
                               "bilinear confirms Pillow"),
        ({"resample": 3}, None, "bicubic", "--resample bicubic-torch"),
        ({"resample": 3}, "bicubic", "bicubic", ""),
        ({"resample": 3}, "bicubic-torch", "bicubic-torch", ""),
        ({"image_processor_type": "ViTImageProcessorFast"}, None, "bilinear-torch", ""),
        ({"image_processor_type": "ViTImageProcessorFast"}, "bilinear", "bilinear", ""),
        ({"image_processor_type": "ViTImageProcessorFast", "resample": 1}, None, "lanczos", ""),
        ({"image_processor_type": "ViTImageProcessorPil", "resample": 3}, None, "bicubic",
         "--resample bicubic-torch"),
        ({"resample": 0}, None, "nearest", ""),
        ({"size": {"height": 64, "width": 80}}, None, "bilinear", ""),
    ],
)  # fmt: skip
def test_who_resizes_by_an_image_processor_is_said_where_it_is_open(
    tmp_path, said, typed, used, words
):
    """transformers takes torchvision for a fast one, else what is installed, by any name."""
    own = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    whole = {**own, "do_normalize": False, "resample": 2, **said}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(whole))
    _, model, found = read_with_folder(tmp_path)
    if typed:
        modality = ImageModality((str(tmp_path / "a.png"),), segmenter="grid", resample=typed)
        modality = modality.fitted(model.input)
        found = modality.read(next(modality.sources()))
    kept = found.subject.facts["input"].get("resample", RESAMPLES.index("bilinear"))
    assert RESAMPLES[kept] == used
    messages = [one.message for one in found.warnings]
    assert len(messages) == bool(words)
    assert all(words in one for one in messages)


@pytest.mark.parametrize(
    ("said", "sides"),
    [
        ({}, (50, 40)),
        ({"crop_mode": "squash"}, (40, 40)),
        ({"interpolation": "bilinear"}, (50, 40)),
    ],
)
def test_a_configuration_of_timm_says_what_becomes_of_pixels(tmp_path, said, sides):
    own = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.8}
    config = {"architecture": "resnet10t", "label_names": ["cat", "dog"]}
    held = {**config, "pretrained_cfg": {**own, **said}}
    (tmp_path / "config.json").write_text(json.dumps(held))
    noise, model, found = read_with_folder(tmp_path)
    smooth = Image.Resampling.BILINEAR if said.get("interpolation") else Image.Resampling.BICUBIC
    resized = np.asarray(Image.fromarray(noise).resize(sides, smooth))
    left = (sides[0] - 32) // 2
    assert found.original()[0] == pytest.approx(
        (resized[4:36, left : left + 32] / 255 - 0.5) / 0.25, abs=0.06
    )
    assert found.warnings == ()
    model.predict(found.original())
    assert model.identity.targets == ("cat", "dog")


def test_timm_s_crop_of_half_a_pixel_is_torchvision_s(tmp_path):
    """Which rounds it to even: of 30 x 37 pixels 27 x 27 begin at 2 and at 5."""
    own = {"input_size": [3, 27, 27], "mean": [0.0] * 3, "std": [1.0] * 3, "crop_pct": 0.9}
    config = {"architecture": "resnet10t", "label_names": ["cat", "dog"]}
    held = {**config, "pretrained_cfg": {**own, "interpolation": "nearest"}}
    (tmp_path / "config.json").write_text(json.dumps(held))
    noise, _, found = read_with_folder(tmp_path)
    resized = np.asarray(Image.fromarray(noise).resize((37, 30), Image.Resampling.NEAREST))
    np.testing.assert_allclose(found.original()[0], resized[2:29, 5:32] / 255, atol=1e-6)


@pytest.mark.parametrize("missing", [None, "mean", "classes"])
def test_a_configuration_of_holocron_says_what_becomes_of_pixels(tmp_path, missing):
    said = {"mean": [0.5] * 3, "std": [0.25] * 3, "input_shape": [3, 32, 32], "arch": "rexnet1_0x"}
    held = {**said, "interpolation": "bilinear", "classes": ["cat", "dog"]}
    held.pop(missing, None)
    (tmp_path / "config.json").write_text(json.dumps(held))
    noise, model, found = read_with_folder(tmp_path)
    if missing:  # of another kind: what is assumed is said
        assert "preprocessing_assumed" in [one.code for one in found.warnings]
        return
    resized = np.asarray(Image.fromarray(noise).resize((32, 32), Image.Resampling.BILINEAR))
    assert found.original()[0] == pytest.approx((resized / 255 - 0.5) / 0.25, abs=0.02)
    assert found.warnings == ()
    model.predict(found.original())
    assert model.identity.targets == ("cat", "dog")


def test_inspect_leaves_to_the_folder_what_it_says_of_pixels(limex, tmp_path):
    said, _ = PROCESSORS["vit"]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    redness(tmp_path / "model.onnx", ("batch_size", "num_channels", "height", "width"))
    done = limex("inspect", tmp_path, "--write-config", "-f", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["input"]["pixels"]["mean"] == [0.5] * 3
    text = (tmp_path / "model.onnx.toml").read_text()
    assert 'size = "48x40"' in text
    assert '# preprocess = "imagenet"' in text
    words = ("--segmenter", "grid", "--samples", 20, "-f", "json")
    record = json.loads(limex("explain", "image", tmp_path, saved(tmp_path, "png"), *words).out)
    assert record["instance"]["facts"]["input"]["std"] == [0.5] * 3


TOLD = {
    "bytes, blue first": (
        {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"},
        lambda pixels: pixels[..., ::-1],
    ),
    "bytes, blue first, the range left out": (
        {"Image.BitmapPixelFormat": "Bgr8"},
        lambda pixels: pixels[..., ::-1],
    ),
    "0 to 1": (
        {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"},
        lambda pixels: pixels / 255,
    ),
    "-1 to 1": (
        {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_1_1"},
        lambda pixels: pixels / 127.5 - 1,
    ),
    "16 to 235": (
        {"Image.NominalPixelRange": "NominalRange_16_235"},
        lambda pixels: 16 + pixels * (219 / 255),
    ),
    "Ultralytics": ({"author": "Ultralytics", "task": "classify"}, lambda pixels: pixels / 255),
}


@pytest.mark.parametrize("name", list(TOLD))
def test_what_the_metadata_of_a_graph_say_of_pixels_is_done(tmp_path, name):
    said, expected = TOLD[name]
    redness(tmp_path / "model.onnx", (1, 3, 32, 32))
    model = onnx.load(tmp_path / "model.onnx")
    onnx.helper.set_model_props(model, said)
    onnx.save(model, tmp_path / "model.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    given = ModelFile(str(tmp_path / "model.onnx")).load().input
    modality = ImageModality((str(tmp_path / "a.png"),), segmenter="grid").fitted(given)
    found = modality.read(next(modality.sources()))
    assert found.original()[0] == pytest.approx(expected(noise), abs=1e-4)
    assert "preprocessing_assumed" not in [one.code for one in found.warnings]


def test_a_mean_of_whole_pixels_is_taken_from_whole_pixels(tmp_path):
    redness(tmp_path / "model.onnx", (1, 3, 32, 32))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    given = ModelFile(str(tmp_path / "model.onnx")).load().input
    for options, expected in (
        ({"mean": (127.0,), "std": (128.0,)}, (noise - 127.0) / 128),
        ({"std": (255.0,)}, noise / 255),
        ({"mean": (0.5,), "std": (0.25,)}, (noise / 255 - 0.5) / 0.25),
        ({"mean": (127.0,), "scale": 1 / 255}, noise / 255 - 127.0),
    ):
        modality = ImageModality((str(tmp_path / "a.png"),), segmenter="grid", **options)
        fitted = modality.fitted(given)
        found = fitted.read(next(fitted.sources()))
        assert found.original()[0] == pytest.approx(expected, abs=1e-4)
        whole = "scale" not in options and max(*options.get("mean", (0,)), *options["std"]) > 2
        assert ("preprocessing_assumed" in [one.code for one in fitted.said]) == whole


MEANS = [123.7, 116.8, 103.9]
BEGINNINGS = {
    "divided by 255": ([("Div", "x", [255.0])], True),
    "times 1 / 127.5, less 1": ([("Mul", "x", [1 / 127.5]), ("Sub", "1", [1.0])], True),
    "1 / 255 times": ([("Mul", [1 / 255], "x")], True),
    "less the mean": ([("Sub", "x", MEANS)], True),
    "the mean subtracted by adding": ([("Add", "x", [-one for one in MEANS])], True),
    "turned first": ([("Transpose", "x"), ("Div", "1", [127.5])], True),
    "times 255": ([("Mul", "x", [255.0]), ("Sub", "1", MEANS)], False),
    "less a mean of parts": ([("Sub", "x", [0.485, 0.456, 0.406]), ("Div", "1", [0.229])], False),
    "divided by a deviation": ([("Div", "x", [0.229])], False),
    "255 divided by it": ([("Div", [255.0], "x")], False),
    "by another input's": ([("Relu", "x"), ("Div", "1", [255.0])], False),
}


@pytest.mark.parametrize("name", list(BEGINNINGS))
def test_a_graph_that_scales_bytes_itself_gets_bytes(tmp_path, name):
    steps, expected = BEGINNINGS[name]
    nodes, weights, last = [], [], "x"
    for i, (operator, *given) in enumerate(steps, 1):
        named = []
        for one in given:
            if isinstance(one, list):
                one, numbers = f"c{i}", np.array(one, np.float32).reshape(1, -1, 1, 1)
                weights.append(numpy_helper.from_array(numbers, one))
            named.append(one)
        more = {"perm": [0, 1, 3, 2]} if operator == "Transpose" else {}
        nodes.append(helper.make_node(operator, named, [last := str(i)], **more))
    nodes += [helper.make_node("GlobalAveragePool", [last], ["p"]), helper.make_node(
        "Flatten", ["p"], ["y"])]  # fmt: skip
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 32, 32])]
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])]
    graph = helper.make_graph(nodes, "g", ports, ends, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    given = ModelFile(str(tmp_path / "model.onnx")).load().input
    fitted = ImageModality((str(tmp_path / "a.png"),), segmenter="grid").fitted(given)
    found = fitted.read(next(fitted.sources()))
    assert found.original()[0] == pytest.approx(noise / (1 if expected else 255), abs=1e-4)
    said = [one.code for one in found.warnings]
    assert ("preprocessing_assumed" in said) != expected


def test_a_function_gets_the_fill_that_changes_something_too(limex, tmp_path, monkeypatch):
    (tmp_path / "reds.py").write_text(
        "import numpy as np\n\n"
        "def rate(images):\n"
        "    logit = 60 * (images * (1, -0.5, -0.5)).mean((1, 2, 3)) - 2\n"
        "    share = 1 / (1 + np.exp(-logit))\n"
        "    return np.stack([share, 1 - share], 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    model, path = "py:reds.py:rate", saved(tmp_path, "png")
    record, weights = quarters(limex, model, path, "--target", 0)
    assert "fill_changes_little" in {one["code"] for one in record["warnings"]}
    _, expected = quarters(limex, redness(tmp_path / "m.onnx"), path)
    assert weights == pytest.approx(expected, abs=1e-4)
