"""Segments: cutting a picture into superpixels, and what stands where one is gone.

A label map is (height, width) int64 with the labels 0..s-1, each of them present.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, sqrt
from typing import Any

import numpy as np
from PIL import Image

from lime_cli.engine.instance import IntArray
from lime_cli.modalities.fills import means
from lime_cli.modalities.view import Pixels

MIN_SEGMENTS, MAX_SEGMENTS = 3, 500
DEFAULT_SEGMENTS = 50
SEARCH_STEPS = 6


def segment(pixels: Pixels, segmenter: str, n_segments: int | None, seed: int) -> IntArray:
    """Return the label map of RGB ``pixels``; ``n_segments`` is a wish, 3 to 500 are given."""
    return segment_counted(pixels, segmenter, n_segments, seed)[0]


def segment_counted(
    pixels: Pixels, segmenter: str, n_segments: int | None, seed: int
) -> tuple[IntArray, int]:
    """Return the label map, and how many segments were found before their number was adjusted.

    Too many are merged; where nearly nothing was told apart, the picture is cut into a grid.
    """
    wish = None if n_segments is None else max(MIN_SEGMENTS, min(n_segments, MAX_SEGMENTS))
    labels = numbered(SEGMENTERS[segmenter](pixels, wish, seed))
    found = int(labels.max()) + 1
    if found < MIN_SEGMENTS:
        labels = grid(pixels, wish, seed)
    return limited(labels, pixels), found


def limited(labels: IntArray, pixels: Pixels) -> IntArray:
    """Merge the smallest segments into their neighbours until there are 500 at most."""
    while labels.max() >= MAX_SEGMENTS:
        labels = _merged(labels, pixels)
    return labels


def slic(pixels: Pixels, n_segments: int | None, _seed: int) -> IntArray:
    """Cut by SLIC (Achanta et al. 2012): compact superpixels of about equal size."""
    from skimage.segmentation import slic

    wish = n_segments or DEFAULT_SEGMENTS
    blur = max(pixels.shape[:2]) / 160  # smooth outlines, the same at every resolution
    found = slic(pixels / 255, n_segments=wish, compactness=10, sigma=blur, start_label=0)
    return _ints(found)


def quickshift(pixels: Pixels, n_segments: int | None, seed: int) -> IntArray:
    """Cut by quick shift (Vedaldi & Soatto 2008), as LIME does unless a number is wished for."""
    from skimage import segmentation

    shift: Any = segmentation.quickshift
    small = _at_most(pixels, 256)
    window = 4.0
    for _ in range(3):
        labels = _ints(shift(small / 255, kernel_size=window, max_dist=200, ratio=0.2, rng=seed))
        found = len(np.unique(labels))
        if n_segments is None or abs(found - n_segments) <= 0.15 * n_segments:
            break
        window = float(np.clip(window * sqrt(found / n_segments), 1, 12))
    return _nearest(labels, pixels.shape[:2])


def felzenszwalb(pixels: Pixels, n_segments: int | None, _seed: int) -> IntArray:
    """Cut by Felzenszwalb & Huttenlocher's graph (2004), its scale found by bisection."""
    from skimage.segmentation import felzenszwalb

    wish = n_segments or DEFAULT_SEGMENTS
    smallest = max(4, pixels[..., 0].size // (wish * 10))
    low, high = 0.0, 4.0
    best: IntArray = np.zeros(pixels.shape[:2], np.int64)
    for step in range(SEARCH_STEPS):
        scale = 10 ** ((low + high) / 2)
        labels = _ints(felzenszwalb(pixels / 255, scale=scale, sigma=0.8, min_size=smallest))
        found = int(labels.max()) + 1
        if step == 0 or abs(found - wish) < abs(int(best.max()) + 1 - wish):
            best = labels
        low, high = ((low + high) / 2, high) if found > wish else (low, (low + high) / 2)
    return best


def grid(pixels: Pixels, n_segments: int | None, _seed: int) -> IntArray:
    """Cut into nearly square cells, at least as many as wished for where there is room."""
    height, width = pixels.shape[:2]
    wish = n_segments or DEFAULT_SEGMENTS
    n_rows = min(height, max(1, round(sqrt(wish * height / width))))
    n_columns = min(width, MAX_SEGMENTS // n_rows, ceil(wish / n_rows))
    rows, columns = np.arange(height) * n_rows // height, np.arange(width) * n_columns // width
    return _ints(rows[:, None] * n_columns + columns)


SEGMENTERS: dict[str, Callable[[Pixels, int | None, int], IntArray]] = {
    "slic": slic,
    "quickshift": quickshift,
    "felzenszwalb": felzenszwalb,
    "grid": grid,
}


def quickshift_like_lime(pixels: Pixels) -> IntArray:
    """Cut RGB pixels at their own size as marcotcr/lime does, into however many segments."""
    from skimage import segmentation

    shift: Any = segmentation.quickshift
    return numbered(_ints(shift(pixels, kernel_size=4, max_dist=200, ratio=0.2)))


def numbered(labels: IntArray) -> IntArray:
    """Number the labels 0..s-1 in their order, without gaps."""
    _, numbers = np.unique(labels.ravel(), return_inverse=True)
    return numbers.reshape(labels.shape).astype(np.int64)


def _merged(labels: IntArray, pixels: Pixels) -> IntArray:
    """Give the smallest of too many segments to the neighbour most alike in colour, once each."""
    n = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=n)
    smallest = np.argsort(area, kind="stable")[: n - MAX_SEGMENTS]
    colours = means(pixels, labels)
    pairs = np.unique(_touching(labels), axis=0)
    apart = np.abs(colours[pairs[:, 0]] - colours[pairs[:, 1]]).sum(axis=1)
    order = np.lexsort((pairs[:, 1], apart, pairs[:, 0]))
    owners, first = np.unique(pairs[order, 0], return_index=True)
    likest = np.zeros(n, np.int64)
    likest[owners] = pairs[order[first], 1]
    root = np.arange(n)
    for small in smallest:
        root[root == root[small]] = root[likest[small]]
    return numbered(root[labels])


def _touching(labels: IntArray) -> IntArray:
    """Return (m, 2): pairs of different labels side by side, both ways round."""
    across = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1)
    down = np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1)
    pairs = np.concatenate([across, down])
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.concatenate([pairs, pairs[:, ::-1]])


def _at_most(pixels: Pixels, longest: int) -> Pixels:
    """Shrink a picture whose longer side is above ``longest``."""
    height, width = pixels.shape[:2]
    shrink = longest / max(height, width)
    if shrink >= 1:
        return pixels
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _nearest(labels: IntArray, size: tuple[int, int]) -> IntArray:
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, labels.shape, strict=True))
    return _ints(labels[rows[:, None], columns])


def _ints(labels: Any) -> IntArray:
    """Take a label map from scikit-image, whose types vary."""
    return np.asarray(labels, np.int64)
