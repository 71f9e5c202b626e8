"""View: which part of a picture a model sees, and where that part lies on the model's grid.

Sizes are (height, width). A view is cut into n equal parts per side; their labels are carried
to the grid and to the original picture by looking up the part under the middle of each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lime_cli.engine.instance import IntArray

Pixels = NDArray[np.uint8]
Values = NDArray[Any]
"""uint8 or float32 (h, w, c), any number of channels, 0 for black and 255 for white."""
TINY = 1e-9
"""Pixels: what rounding may shift a border by."""


@dataclass(frozen=True)
class Axis:
    """One side of a picture against one side of the model's grid."""

    length: int
    """Of the original picture, in pixels."""
    start: float
    """Where the model's view begins in the original picture."""
    stop: float
    grid: int
    """Length of the model's input, in pixels."""
    inner: tuple[int, int]
    """Where the view lies in the grid; the rest is padding."""

    @property
    def n_inner(self) -> int:
        """Count the places of the grid that show the view."""
        return self.inner[1] - self.inner[0]

    def on_grid(self, n: int) -> IntArray:
        """Return (grid,): which of n equal parts of the view a place shows; -1 in the padding."""
        first, last = self.inner
        index = np.full(self.grid, -1, np.int64)
        index[first:last] = ((np.arange(last - first) + 0.5) / (last - first) * n).astype(np.int64)
        return index

    def sampled(self, n: int) -> IntArray:
        """Return (n,): the pixel of the original picture in the middle of each of n parts."""
        middles = self.start + (np.arange(n) + 0.5) / n * (self.stop - self.start)
        return np.clip(np.floor(middles + TINY), 0, self.length - 1).astype(np.int64)

    def on_picture(self, n: int) -> IntArray:
        """Return (length,): which of n equal parts of the view each pixel shows; -1 outside it."""
        first = min(ceil(self.start - 0.5 - TINY), self.length - 1)
        last = max(first + 1, min(ceil(self.stop - 0.5 - TINY), self.length))
        place = (np.arange(first, last) + 0.5 - self.start) / (self.stop - self.start) * n
        index = np.full(self.length, -1, np.int64)
        index[first:last] = np.clip(np.floor(place + TINY), 0, n - 1)
        return index


@dataclass(frozen=True)
class View:
    """Which part of a picture the model sees, and where on its grid."""

    y: Axis
    x: Axis

    def seen(self, pixels: Values, size: tuple[int, int]) -> Values:
        """Return the part the model sees, resized to ``size`` without the padding."""
        if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
            return self._resized(pixels, size)
        planes = (np.ascontiguousarray(plane) for plane in np.moveaxis(pixels, -1, 0))
        return np.stack([self._resized(plane, size) for plane in planes], axis=-1)

    def grid(self, pixels: Values) -> Values:
        """Return (grid height, grid width, c): what the model sees, black where padded."""
        (top, bottom), (left, right) = self.y.inner, self.x.inner
        grid = np.zeros((self.y.grid, self.x.grid, pixels.shape[2]), pixels.dtype)
        grid[top:bottom, left:right] = self.seen(pixels, (bottom - top, right - left))
        return grid

    def _resized(self, plane: Values, size: tuple[int, int]) -> Values:
        box = (self.x.start, self.y.start, self.x.stop, self.y.stop)
        picture = Image.fromarray(plane)
        resized = picture.resize(size[::-1], Image.Resampling.BILINEAR, box=box)
        return np.asarray(resized, plane.dtype)

    def working_size(self, longest: int) -> tuple[int, int]:
        """Return the view's own size, shrunk to ``longest`` on its longer side where larger."""
        sides = (self.y.stop - self.y.start, self.x.stop - self.x.start)
        shrink = min(1.0, longest / max(sides))
        return max(1, int(sides[0] * shrink + TINY)), max(1, int(sides[1] * shrink + TINY))

    def labels_on_grid(self, labels: IntArray) -> IntArray:
        """Carry a label map of the view to the model's grid; -1 in the padding."""
        return _carried(labels, self.y.on_grid(len(labels)), self.x.on_grid(labels.shape[1]))

    def labels_on_picture(self, labels: IntArray) -> IntArray:
        """Carry a label map of the view to the original picture; -1 outside the view."""
        return _carried(labels, self.y.on_picture(len(labels)), self.x.on_picture(labels.shape[1]))


def stretched(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the whole picture, its proportions changed."""
    y, x = (Axis(n, 0, n, m, (0, m)) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def padded(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the whole picture in the middle of a black grid."""
    ratio = min(grid[0] / size[0], grid[1] / size[1])
    y, x = (_padded(n, m, ratio) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def cropped(size: tuple[int, int], grid: tuple[int, int], resize_to: int | None) -> View:
    """Show the centre of a picture resized so that its shorter side is ``resize_to`` and covers."""
    ratio = max(grid[0] / size[0], grid[1] / size[1], (resize_to or 0) / min(size))
    y, x = (_cropped(n, m, ratio) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def _padded(length: int, grid: int, ratio: float) -> Axis:
    inner = min(grid, max(1, round(length * ratio)))
    first = (grid - inner) // 2
    return Axis(length, 0, length, grid, (first, first + inner))


def _cropped(length: int, grid: int, ratio: float) -> Axis:
    """Resize to whole pixels, then take the centre, as torchvision does."""
    resized = max(grid, int(length * ratio + TINY))
    first = round((resized - grid) / 2)
    pixel = length / resized
    return Axis(length, first * pixel, (first + grid) * pixel, grid, (0, grid))


def _carried(labels: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    framed: IntArray = np.pad(labels, (0, 1), constant_values=-1)  # index -1 finds the frame
    return np.asarray(framed[np.ix_(rows, columns)])
