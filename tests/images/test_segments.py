from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_cli.images import segments
from lime_cli.images.segments import MAX_SEGMENTS, places, segment_view
from lime_cli.images.view import Preprocessing
from lime_cli.registry import SEGMENTERS


def segment(*choices: Any) -> np.ndarray:
    return segments.segment(*choices)[0]


def blobs(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(9 * x + 3 * y), np.cos(7 * y - 2 * x), np.sin(12 * x * y)]
    return np.rint(np.stack(waves, axis=-1) * 127 + 128).astype(np.uint8)


def grey(height: int, width: int) -> np.ndarray:
    return blobs(height, width)[..., :1].repeat(3, axis=2)


IMAGES = {
    "colour": blobs(60, 80),
    "grey": grey(60, 80),
    "one colour": np.full((40, 40, 3), 77, np.uint8),
    "32 x 32": blobs(32, 32),
    "1 x 1": blobs(1, 1),
    "1 x 5": blobs(1, 5),
    "2 x 200": blobs(2, 200),
}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_labels_run_from_0_without_gaps(segmenter: str, image: str) -> None:
    pixels = IMAGES[image]
    labels = segment(pixels, segmenter, None, 0)
    assert labels.shape == pixels.shape[:2]
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_the_wish_for_a_number_is_roughly_met(segmenter: str) -> None:
    noise = np.random.default_rng(0).integers(-9, 10, (120, 160, 3))
    pixels = np.clip(blobs(120, 160) + noise, 0, 255).astype(np.uint8)
    for wish in (20, 60):
        found = segment(pixels, segmenter, wish, 0).max() + 1
        assert wish / 2 <= found <= wish * 2


@pytest.mark.parametrize("segmenter", SEGMENTERS)
def test_there_are_never_more_than_500(segmenter: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (70, 70, 3)).astype(np.uint8)
    labels = segment(noise, segmenter, 4000, 0)
    assert labels.max() < MAX_SEGMENTS
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_too_many_segments_are_merged_with_their_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pixels = np.zeros((30, 30, 3), np.uint8)
    pixels[:, 15:] = 255
    every = np.arange(900).reshape(30, 30)
    monkeypatch.setattr(segments, "SEGMENTERS", {"every pixel": lambda *_: every})
    labels = segment(pixels, "every pixel", None, 0)
    assert MAX_SEGMENTS // 2 < labels.max() < MAX_SEGMENTS
    left, right = np.unique(labels[:, :15]), np.unique(labels[:, 15:])
    assert not set(left) & set(right)  # black never joined white


def test_the_seed_of_quickshift_is_honoured_and_repeats() -> None:
    stripes = np.zeros((60, 60, 3), np.uint8)  # full of ties, that the seed breaks
    stripes[:, np.arange(60) // 6 % 2 == 1] = 60
    first, again, other = (segment(stripes, "quickshift", None, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_grid_needs_no_scikit_image() -> None:
    code = (
        "import sys, numpy as np; from lime_cli.images.segments import segment\n"
        "segment(np.zeros((9, 9, 3), np.uint8), 'grid', 9, 0)\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('skimage', 'scipy')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_grid_has_nearly_square_cells() -> None:
    labels = segment(np.zeros((60, 120, 3), np.uint8), "grid", 50, 0)
    assert labels.max() + 1 == 50
    np.testing.assert_array_equal(labels[::12, ::12].ravel(), np.arange(50))


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    grid=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
    resize_to=st.none() | st.integers(1, 60),
)
def test_picture_and_grid_hold_the_same_labels_whatever_their_sizes(
    size: tuple[int, int], grid: tuple[int, int], resize: str, resize_to: int | None
) -> None:
    pixels = blobs(*size)
    view = Preprocessing(size=grid, resize=resize, resize_to=resize_to).view(size)
    labels, on_grid = segment_view(pixels, view, lambda seen: segment(seen, "grid", 50, 0))
    on_image = view.labels_on_image(labels)
    n = labels.max() + 1
    assert view.grid(pixels).shape == (*grid, 3)
    for carried, shape in ((on_grid, grid), (on_image, size)):
        assert carried.shape == shape
        assert set(carried.ravel()) - {-1} == set(range(n))
    if resize == "stretch":
        assert on_grid.min() == 0
    if resize != "crop" and not (resize == "stretch" and resize_to):
        assert on_image.min() == 0


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
)
def test_places_measure_the_label_map_of_the_picture(size: tuple[int, int], resize: str) -> None:
    view = Preprocessing(size=(24, 32), resize=resize).view(size)
    labels, _ = segment_view(blobs(*size), view, lambda seen: segment(seen, "grid", 12, 0))
    on_image = view.labels_on_image(labels)
    for place in places(labels, view):
        y, x = np.nonzero(on_image == place.segment)
        assert place.area == len(y)
        assert place.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)
        np.testing.assert_allclose(place.centroid, (x.mean() + 0.5, y.mean() + 0.5))
