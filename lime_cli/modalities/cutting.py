"""Cutting: the superpixels of what a model sees of a picture, and where they lie in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lime_cli.engine.instance import Caveat, FloatArray, IntArray, Segment
from lime_cli.errors import InputError
from lime_cli.modalities.maps import read_map
from lime_cli.modalities.segments import (
    MAX_SEGMENTS,
    MIN_SEGMENTS,
    SEGMENTERS,
    limited,
    numbered,
    segment_counted,
)
from lime_cli.modalities.view import Pixels, View

WORKING_SIDE = 512
"""Longer side in pixels, at most, of what a segmenter cuts."""
MAP_SIDE = 2048
"""Longer side in pixels, at most, at which a label map from a file is read."""


@dataclass(frozen=True)
class Cutter:
    """How pictures are cut."""

    segmenter: str
    """Name of a segmenter, or the path of a label map."""
    n_segments: int | None
    seed: int


@dataclass(frozen=True, eq=False)
class Cut:
    """The superpixels of a picture."""

    labels: IntArray
    """Of equal parts of the view, 0..s-1."""
    on_grid: IntArray
    """The same labels on the model's grid; -1 in the padding."""
    names: tuple[str, ...]
    """(s,): what each is called."""
    caveats: tuple[Caveat, ...] = ()


def cut_up(pixels: Pixels, view: View, cutter: Cutter) -> Cut:
    """Cut what the model sees; raise InputError for a label map that does not fit."""
    if cutter.segmenter not in SEGMENTERS:
        return _cut_by_map(pixels, view, Path(cutter.segmenter))
    counts: list[int] = []

    def cut(seen: Pixels) -> IntArray:
        labels, found = segment_counted(seen, cutter.segmenter, cutter.n_segments, cutter.seed)
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


def few_caveat(n: int) -> Iterator[Caveat]:
    """Say that a picture has too few superpixels to be compared."""
    if n < MIN_SEGMENTS:
        parts = "1 superpixel" if n == 1 else f"{n} superpixels"
        said = f"the picture has {parts}: there is little to tell apart"
        yield Caveat("few_segments", said)


def _cut_by_map(pixels: Pixels, view: View, path: Path) -> Cut:
    given = read_map(path)
    if given.shape != pixels.shape[:2]:
        height, width = given.shape
        wanted = f"the picture is {pixels.shape[1]} x {pixels.shape[0]}"
        raise InputError(
            f"{path.name}: the label map is {width} x {height}, {wanted}",
            "give a map of the picture's own size, width x height",
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
    caveats = [*_merged_caveat(len(values), n), *few_caveat(n)]
    lost = len(np.unique(given)) - len(values)
    if lost > 0:
        said = f"{lost} segments of {path.name} are too small, or outside, for the model to see"
        caveats.append(Caveat("segments_unseen", said))
    return Cut(labels, on_grid, names, tuple(caveats))


def _numbers(n: int) -> tuple[str, ...]:
    return tuple(f"superpixel {i}" for i in range(n))


def _said(cutter: Cutter, found: int, n: int) -> Iterator[Caveat]:
    """Say what became of a number of segments that was wished for or found."""
    wish = cutter.n_segments
    if wish is not None and not MIN_SEGMENTS <= wish <= MAX_SEGMENTS:
        bound = min(max(wish, MIN_SEGMENTS), MAX_SEGMENTS)
        said = f"{wish} superpixels were wished for; limex cuts into {bound} or so"
        yield Caveat("segments_adjusted", said)
    if found < MIN_SEGMENTS <= n:
        parts = "1 part" if found == 1 else f"{found} parts"
        said = f"{cutter.segmenter} tells {parts} apart; the picture is cut into a grid of {n}"
        yield Caveat("segments_adjusted", said)
    yield from _merged_caveat(found, n)
    yield from few_caveat(n)


def _merged_caveat(found: int, n: int) -> Iterator[Caveat]:
    if found > MAX_SEGMENTS:
        said = f"{found} superpixels are too many; the smallest are merged, {n} are left"
        yield Caveat("segments_adjusted", said)


def places(labels: IntArray, view: View) -> tuple[Segment, ...]:
    """Measure every segment of a map of the view in pixels of the original picture."""
    height, width = labels.shape
    y, x = (
        _Shares.of(view.y.on_picture(height), height),
        _Shares.of(view.x.on_picture(width), width),
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
class _Shares:
    """What n equal parts of a side hold of the picture's pixels."""

    pixels: IntArray
    """(n,): how many."""
    middles: FloatArray
    """(n,): sum of their middles."""
    index: IntArray
    """(length,): which part each pixel is in; -1 for none."""

    @classmethod
    def of(cls, index: IntArray, n: int) -> _Shares:
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
