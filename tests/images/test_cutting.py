"""Superpixels: adjusted in number, taken from a file, written to one, kept in a record."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from lime_cli.engine.instance import SegmentedImage
from lime_cli.errors import InputError, SettingsError
from lime_cli.images.fills import membrane
from lime_cli.images.modality import ImageInstance, ImageModality
from lime_cli.images.segments import KEPT_SIDE, kept_map, labels_of, map_bytes, read_map
from lime_cli.images.view import Preprocessing
from lime_cli.models.model_file import ModelInput
from tests.images.test_segments import blobs


def read(
    folder: Path, pixels: np.ndarray, size: int | None = 24, **options: object
) -> ImageInstance:
    Image.fromarray(pixels).save(folder / "a.png")
    model_input = ModelInput(size=(size, size) if size else None, preprocess="unit")
    options = {"resize": "stretch", "resample": "bilinear", **options}
    modality = ImageModality((str(folder / "a.png"),), **options).fitted(model_input)
    return modality.read(next(modality.sources()))


def image(instance: ImageInstance) -> SegmentedImage:
    found = instance.subject.image
    assert found is not None
    return found


def codes(instance: ImageInstance) -> list[str]:
    return [one.code for one in instance.warnings]


def test_a_picture_with_nothing_to_tell_apart_is_cut_into_a_grid_and_that_is_said(
    tmp_path: Path,
) -> None:
    flat = np.full((40, 60, 3), 90, np.uint8)
    instance = read(tmp_path, flat, segmenter="felzenszwalb", n_segments=20)
    assert len(instance.components) == pytest.approx(20, abs=6)
    assert codes(instance) == ["segments_adjusted"]
    assert "felzenszwalb tells 1 part apart" in instance.warnings[0].message


@pytest.mark.parametrize("wish", [1, 2, 4000])
def test_a_wish_for_too_few_or_too_many_is_adjusted_and_said(tmp_path: Path, wish: int) -> None:
    instance = read(tmp_path, blobs(200, 200), size=200, n_segments=wish, segmenter="grid")
    assert 3 <= len(instance.components) <= 500
    assert codes(instance) == ["segments_adjusted"]
    assert f"{wish} superpixels were requested" in instance.warnings[0].message


def test_one_pixel_is_one_superpixel_and_that_is_said(tmp_path: Path) -> None:
    instance = read(tmp_path, blobs(1, 1))
    assert len(instance.components) == 1
    assert codes(instance) == ["few_segments"]


def test_a_usual_picture_needs_no_words(tmp_path: Path) -> None:
    assert codes(read(tmp_path, blobs(80, 90))) == []


@pytest.mark.parametrize("name", ["map.png", "map.npy"])
def test_segments_come_from_a_file_under_their_own_numbers(tmp_path: Path, name: str) -> None:
    given_map = np.zeros((50, 70), np.uint16)
    given_map[:, 20:] = 7
    given_map[30:, 40:] = 900
    if name == "map.npy":
        np.save(tmp_path / name, given_map)
    else:
        Image.fromarray(given_map).save(tmp_path / name)
    instance = read(tmp_path, blobs(50, 70), segmenter=str(tmp_path / name))
    assert [one.name for one in instance.components] == ["segment 0", "segment 7", "segment 900"]
    for i, value in enumerate((0, 7, 900)):
        np.testing.assert_array_equal(image(instance).labels == i, given_map == value)
    assert instance.subject.facts["segmenter"] == name


def test_colours_and_palettes_are_labels_too(tmp_path: Path) -> None:
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[:, 4:] = (255, 0, 0)
    colours[3:] += np.uint8(9)
    Image.fromarray(colours).save(tmp_path / "rgb.png")
    assert len(np.unique(read_map(tmp_path / "rgb.png"))) == 4
    Image.fromarray(colours).quantize(4).save(tmp_path / "palette.png")
    assert len(np.unique(read_map(tmp_path / "palette.png"))) == 4


def test_a_map_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", np.zeros((50, 71), int))
    with pytest.raises(InputError, match=r"map\.npy: the label map is 71 x 50, the image is 70 x"):
        read(tmp_path, blobs(50, 70), segmenter=str(tmp_path / "map.npy"))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("map.png", b"nothing", "map.png: is not a label map"),
        ("map.png", b"", "map.png: is empty"),
        ("map.npy", np.zeros((5, 7)), "map.npy: is float64 of 1 channels, not labels"),
        ("map.npy", np.zeros((5, 7, 2), int), "map.npy: is int64 of 2 channels, not labels"),
    ],
)
def test_what_is_no_map_is_refused_by_name(
    tmp_path: Path, name: str, data: bytes | np.ndarray, said: str
) -> None:
    if isinstance(data, bytes):
        (tmp_path / name).write_bytes(data)
    else:
        np.save(tmp_path / name, data)
    with pytest.raises(InputError, match=said):
        read_map(tmp_path / name)


def test_a_map_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path, blobs(9, 9), segmenter=str(tmp_path / "map.png"))
    with pytest.raises(SettingsError, match=r"--segmenter: map\.tif"):
        ImageModality(("a.png",), segmenter="map.tif")


def test_a_map_of_more_than_500_segments_is_merged_and_said(tmp_path: Path) -> None:
    np.save(tmp_path / "map.npy", np.arange(900).reshape(30, 30))
    instance = read(tmp_path, blobs(30, 30), size=None, segmenter=str(tmp_path / "map.npy"))
    assert len(instance.components) <= 500
    assert "900 superpixels are too many" in instance.warnings[0].message


def test_segments_too_small_for_the_model_are_said(tmp_path: Path) -> None:
    dotted = np.zeros((200, 200), int)
    dotted[:100] = 1
    dotted[50, 50] = 2
    np.save(tmp_path / "map.npy", dotted)
    instance = read(tmp_path, blobs(200, 200), segmenter=str(tmp_path / "map.npy"))
    assert [one.name for one in instance.components] == ["segment 0", "segment 1"]
    assert codes(instance) == ["few_segments", "segments_unseen"]


def test_the_pool_follows_the_labels_of_a_map(tmp_path: Path) -> None:
    pools = []
    for first in (0, 1):
        labels = np.arange(30).reshape(30, 1).repeat(30, axis=1) // 10 * 5 + first
        np.save(tmp_path / "map.npy", labels if first else labels.T)
        pools.append(read(tmp_path, blobs(30, 30), segmenter=str(tmp_path / "map.npy")).pool)
    assert len(set(pools)) == 2


@pytest.mark.parametrize("suffix", [".png", ".npy"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_saved_segments_cut_the_picture_again_as_it_was(
    tmp_path: Path, suffix: str, resize: str
) -> None:
    first = read(tmp_path, blobs(90, 130), resize=resize)
    path = tmp_path / f"map{suffix}"
    path.write_bytes(map_bytes(image(first).labels, suffix))
    again = read(tmp_path, blobs(90, 130), resize=resize, segmenter=str(path))
    np.testing.assert_array_equal(image(first).labels, image(again).labels)


@settings(max_examples=50)
@example(size=(22, 29), resize="crop", side=11)
@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 60)),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
    side=st.integers(5, 40),
)
def test_a_record_keeps_the_labels_of_every_pixel(
    size: tuple[int, int], resize: str, side: int
) -> None:
    from lime_cli.images.segments import segment, segment_view

    view = Preprocessing(size=(side, side + 3), resize=resize).view(size)
    labels, _ = segment_view(blobs(*size), view, lambda seen: segment(seen, "grid", 30, 0)[0])
    kept = kept_map(labels, view)
    np.testing.assert_array_equal(labels_of(kept, size), view.labels_on_image(labels))


def test_a_large_map_is_kept_small(tmp_path: Path) -> None:
    labels = (np.arange(1100)[:, None] // 220 * 5 + np.arange(1100) // 220).astype(np.int64)
    np.save(tmp_path / "map.npy", labels)
    instance = read(tmp_path, blobs(1100, 1100), size=None, segmenter=str(tmp_path / "map.npy"))
    kept = instance.subject.facts["label_map"]
    assert len(kept["png"]) < 8_000
    again = labels_of(kept, (1100, 1100))
    assert (again == image(instance).labels).mean() > 0.98
    assert KEPT_SIDE == 512


@pytest.mark.parametrize(
    "kept", [None, {}, {"box": [0, 0, 4], "png": ""}, {"box": [0, 0, 4, 4], "png": "AAAA"}]
)
def test_a_damaged_map_of_a_record_is_refused(kept: object) -> None:
    with pytest.raises(InputError, match="the record's label map is damaged"):
        labels_of(kept, (4, 4))


def test_the_inpaint_fill_continues_what_is_around(tmp_path: Path) -> None:
    ramp = np.arange(40)[:, None] * 4.0 + np.arange(50) * 2.0
    raw = ramp[..., None].repeat(3, axis=2)
    labels = np.zeros((40, 50), np.int64)
    labels[10:25, 15:30] = 1
    solved = membrane(raw, labels)
    np.testing.assert_allclose(solved[labels == 1], raw[labels == 1], atol=0.1)  # a plane is smooth
    blot = raw.copy()
    blot[12:20, 18:26] = 255
    np.testing.assert_allclose(membrane(blot, labels)[labels == 1], raw[labels == 1], atol=0.1)
    one = read(tmp_path, blobs(60, 60), fill="inpaint")
    assert one.pool != read(tmp_path, blobs(60, 60)).pool


def test_inpainting_is_cheap_at_the_size_of_a_network(tmp_path: Path) -> None:
    began = time.process_time()
    instance = read(tmp_path, blobs(480, 640), size=224, fill="inpaint")
    assert time.process_time() - began < 10
    gone = instance.model_inputs(np.zeros((1, len(instance.components)), np.int64))
    assert np.abs(gone - instance.original()).mean() < 0.1
