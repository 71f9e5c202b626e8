"""Cutting an image into superpixels, by an algorithm or by a label map.

A label map is (height, width) int64 with the labels 0..s-1, each of them present.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lime_cli.engine.instance import Segment
from lime_cli.engine.model import CodedWarning, FloatArray, IntArray
from lime_cli.errors import InputError
from lime_cli.images.fills import means, touching
from lime_cli.images.numbers import MAX_PIXELS, check_size, read_npy, with_channels
from lime_cli.images.pixels import NPY, bytes_of, quietly
from lime_cli.images.segmenters import MAX_SEGMENTS, grid, numbered
from lime_cli.images.view import Axis, Pixels, View
from lime_cli.registry import SEGMENTERS

MIN_SEGMENTS = 3


def segment(
    pixels: Pixels, segmenter: str, n_segments: int | None, seed: int
) -> tuple[IntArray, int]:
    """Return the label map of RGB ``pixels``, and how many segments were found at first.

    ``n_segments`` is a wish, 3 to 500 are given: too many are merged; where nearly nothing was told
    apart, the image is cut into a grid.
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


def _merged(labels: IntArray, pixels: Pixels) -> IntArray:
    """Give the smallest of too many segments to the neighbour most alike in colour, once each."""
    n = int(labels.max()) + 1
    area = np.bincount(labels.ravel(), minlength=n)
    smallest = np.argsort(area, kind="stable")[: n - MAX_SEGMENTS]
    colours = means(pixels, labels)
    pairs = labels.ravel()[touching(labels.shape)]
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    apart = np.abs(colours[pairs[:, 0]] - colours[pairs[:, 1]]).sum(axis=1)
    order = np.lexsort((pairs[:, 1], apart, pairs[:, 0]))
    owners, first = np.unique(pairs[order, 0], return_index=True)
    likest = np.zeros(n, np.int64)
    likest[owners] = pairs[order[first], 1]
    root = np.arange(n)
    for small in smallest:
        root[root == root[small]] = root[likest[small]]
    return numbered(root[labels])


SUFFIXES = (".png", ".npy")

KEPT_SIDE = 512
"""Longer side in pixels, at most, of a map inside a record."""

HAIR = 1e-6
"""Pixels by which a box may go over the edge, from rounding."""

LARGEST = 32_767
"""Labels of a record are smaller."""

NONE = 65_535
"""What stands in a PNG file where no superpixel is."""


def read_map(path: Path) -> IntArray:
    """Read (height, width) labels from PNG or NPY; raise InputError for what is no label map.

    Every number, palette index or colour is a label of its own.
    """
    data = bytes_of(path)
    if data.startswith(NPY):
        numbers = with_channels(read_npy(path.name, data, MAX_PIXELS))
        if numbers.shape[2] != 1 or numbers.dtype.kind not in "bui":
            said = f"{path.name}: is {numbers.dtype} of {numbers.shape[2]} channels, not labels"
            raise InputError(said, "save whole numbers, height x width")
        return numbers[..., 0].astype(np.int64)
    with quietly():
        try:
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            check_size(path.name, image.width * image.height, MAX_PIXELS)
            bands = np.asarray(image).astype(np.int64)
        except InputError:
            raise
        except Exception:  # a damaged file can raise anything
            said = f"{path.name}: is not a label map, or is damaged"
            raise InputError(said, "give a PNG or NPY file") from None
    if bands.ndim == 2:
        return bands
    powers = 256 ** np.arange(bands.shape[2])[::-1]
    labels: IntArray = bands @ powers
    return labels


def map_bytes(labels: IntArray, suffix: str) -> bytes:
    """Return (height, width) labels as a file: ``.png`` of 16 bits, or ``.npy``."""
    stream = io.BytesIO()
    if suffix == ".npy":
        np.save(stream, labels.astype(np.int32))
    else:
        numbers = np.where(labels < 0, NONE, labels).astype(np.uint16)
        Image.fromarray(numbers).save(stream, "PNG")
    return stream.getvalue()


def kept_map(labels: IntArray, view: View) -> dict[str, Any]:
    """Return a map of the view's equal parts as a record keeps it."""
    height, width = labels.shape
    step = max(1, -(-max(height, width) // KEPT_SIDE))
    few = labels[step // 2 :: step, step // 2 :: step] if step > 1 else labels
    depth = np.uint8 if few.max() < 256 else np.uint16
    stream = io.BytesIO()
    Image.fromarray(few.astype(depth)).save(stream, "PNG", optimize=True)
    box = [view.x.start, view.y.start, view.x.stop, view.y.stop]
    return {"box": box, "png": base64.b64encode(stream.getvalue()).decode()}


def labels_of(kept: Any, size: tuple[int, int]) -> IntArray:
    """Return (height, width) labels of an image from what a record keeps; -1 outside the view.

    Raises InputError where the record is damaged.
    """
    try:
        left, top, right, bottom = map(float, kept["box"])
        data = base64.b64decode(kept["png"], validate=True)
        with quietly():
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            check_size("label map", image.width * image.height, KEPT_SIDE**2)
            labels = np.asarray(image).astype(np.int64)
        if (
            labels.ndim != 2
            or labels.max() >= LARGEST
            or not (0 <= left < right <= size[1] + HAIR and 0 <= top < bottom <= size[0] + HAIR)
        ):
            raise ValueError("no labels")
    except (KeyError, TypeError, ValueError, OSError, binascii.Error, SyntaxError) as error:
        raise InputError(
            f"the record's label map is damaged: {error}", "explain it again"
        ) from error
    y, x = (Axis(size[0], top, bottom, 1, (0, 1)), Axis(size[1], left, right, 1, (0, 1)))
    return View(y, x).labels_on_image(labels)


WORKING_SIDE = 512
"""Longer side in pixels, at most, of what a segmenter cuts."""

MAP_SIDE = 2048
"""Longer side in pixels, at most, at which a label map from a file is read."""


@dataclass(frozen=True)
class Cutter:
    """How images are cut."""

    segmenter: str
    """Name of a segmenter, or the path of a label map."""
    n_segments: int | None
    seed: int


@dataclass(frozen=True, eq=False)
class Cut:
    """The superpixels of an image."""

    labels: IntArray
    """Of equal parts of the view, 0..s-1."""
    on_grid: IntArray
    """The same labels on the model's grid; -1 in the padding."""
    names: tuple[str, ...]
    """(s,): what each is called."""
    warnings: tuple[CodedWarning, ...] = ()


def cut_up(pixels: Pixels, view: View, cutter: Cutter) -> Cut:
    """Cut what the model sees; raise InputError for a label map that does not fit."""
    if cutter.segmenter not in SEGMENTERS:
        return _cut_by_map(pixels, view, Path(cutter.segmenter))
    counts: list[int] = []

    def cut(seen: Pixels) -> IntArray:
        labels, found = segment(seen, cutter.segmenter, cutter.n_segments, cutter.seed)
        counts.append(found)
        return labels

    labels, on_grid = segment_view(pixels, view, cut)
    n = int(labels.max()) + 1
    return Cut(labels, on_grid, _numbers(n), tuple(_said(cutter, counts[-1], n)))


def segment_view(
    pixels: Pixels, view: View, cut: Callable[[Pixels], IntArray], longest: int = WORKING_SIDE
) -> tuple[IntArray, IntArray]:
    """Cut what the model sees; return the labels of equal parts of the view, and of the grid.

    A grid too coarse to show every segment is cut at its own size: both hold the same labels.
    """
    size = view.working_size(longest)
    labels = cut(view.seen(pixels, size))
    on_grid = view.labels_on_grid(labels)
    if len(np.unique(on_grid[on_grid >= 0])) <= labels.max():
        labels = cut(
            view.seen(pixels, (min(size[0], view.y.n_inner), min(size[1], view.x.n_inner)))
        )
        on_grid = view.labels_on_grid(labels)
    return labels, on_grid


def few_warning(n: int) -> Iterator[CodedWarning]:
    """Say that an image has too few superpixels to be compared."""
    if n < MIN_SEGMENTS:
        parts = "1 superpixel" if n == 1 else f"{n} superpixels"
        said = f"the image has {parts}, which leaves little to compare"
        yield CodedWarning("few_segments", said)


def _cut_by_map(pixels: Pixels, view: View, path: Path) -> Cut:
    given = read_map(path)
    if given.shape != pixels.shape[:2]:
        height, width = given.shape
        wanted = f"the image is {pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(
            f"{path.name}: the label map is {width} x {height}, {wanted}",
            "give a map of the image's own size, width x height",
        )
    sampled: list[IntArray] = []

    def cut(seen: Pixels) -> IntArray:
        height, width = seen.shape[:2]
        found = given[np.ix_(view.y.sampled(height), view.x.sampled(width))]
        sampled.append(np.unique(found))
        return limited(numbered(found), seen)

    labels, on_grid = segment_view(pixels, view, cut, MAP_SIDE)
    n, values = int(labels.max()) + 1, sampled[-1]
    names = tuple(f"segment {i}" for i in values) if n == len(values) else _numbers(n)
    warnings = [*_merged_warning(len(values), n), *few_warning(n)]
    lost = len(np.unique(given)) - len(values)
    if lost > 0:
        said = (
            f"the model does not see {lost} segments of {path.name}: too small, or outside its view"
        )
        warnings.append(CodedWarning("segments_unseen", said))
    return Cut(labels, on_grid, names, tuple(warnings))


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(f"superpixel {i}" for i in range(n))


def _said(cutter: Cutter, found: int, n: int) -> Iterator[CodedWarning]:
    """Say what became of a number of segments that was wished for or found."""
    wish = cutter.n_segments
    if wish is not None and not MIN_SEGMENTS <= wish <= MAX_SEGMENTS:
        bound = min(max(wish, MIN_SEGMENTS), MAX_SEGMENTS)
        said = f"{wish} superpixels were requested; limex uses about {bound}"
        yield CodedWarning("segments_adjusted", said)
    if found < MIN_SEGMENTS <= n:
        parts = "1 part" if found == 1 else f"{found} parts"
        said = f"{cutter.segmenter} tells {parts} apart; the image is cut into a grid of {n}"
        yield CodedWarning("segments_adjusted", said)
    yield from _merged_warning(found, n)
    yield from few_warning(n)


def _merged_warning(found: int, n: int) -> Iterator[CodedWarning]:
    if found > MAX_SEGMENTS:
        said = f"{found} superpixels are too many; the smallest are merged, {n} are left"
        yield CodedWarning("segments_adjusted", said)


def places(labels: IntArray, view: View) -> tuple[Segment, ...]:
    """Measure every segment of a map of the view in pixels of the original image."""
    height, width = labels.shape
    y, x = (
        _Sharing.of(view.y.on_image(height), height),
        _Sharing.of(view.x.on_image(width), width),
    )
    parts = labels.ravel()
    area = np.bincount(parts, np.outer(y.pixels, x.pixels).ravel())
    centre_y = np.bincount(parts, np.outer(y.middles, x.pixels).ravel()) / area
    centre_x = np.bincount(parts, np.outer(y.pixels, x.middles).ravel()) / area
    (top, bottom), (left, right) = y.ends(labels), x.ends(labels.T)
    box = np.stack([left, top, right, bottom], axis=1).tolist()
    return tuple(
        Segment(i, int(area[i]), tuple(box[i]), (float(centre_x[i]), float(centre_y[i])))
        for i in range(len(area))
    )


@dataclass(frozen=True, eq=False)
class _Sharing:
    """What n equal parts of a side hold of the image's pixels."""

    pixels: IntArray
    """(n,): how many."""
    middles: FloatArray
    """(n,): sum of their middles."""
    index: IntArray
    """(length,): which part each pixel is in; -1 for none."""

    @classmethod
    def of(cls, index: IntArray, n: int) -> _Sharing:
        seen = np.flatnonzero(index >= 0)
        parts = index[seen]
        return cls(
            np.bincount(parts, minlength=n),
            np.bincount(parts, seen + 0.5, n).astype(np.float64),
            index,
        )

    def ends(self, labels: IntArray) -> tuple[IntArray, IntArray]:
        """Return (s,) first pixel and (s,) pixel after the last of each label along axis 0."""
        along = np.zeros((int(labels.max()) + 1, len(labels) + 1), np.bool_)
        along[labels, np.arange(len(labels))[:, None]] = True
        pixels = along[:, self.index]
        return pixels.argmax(axis=1), len(self.index) - pixels[:, ::-1].argmax(axis=1)
