"""What a model sees of an image: which part, at which size, and what becomes of its pixels.

Sizes are (height, width). A view is cut into n equal parts per side; their labels are carried
to the grid and to the original image by looking up the part under the middle of each pixel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lime_cli.engine.model import FloatArray, IntArray
from lime_cli.errors import SettingsError
from lime_cli.registry import AS_TORCH, AS_TORCH_V1, RESAMPLES, RESIZES

Pixels = NDArray[np.uint8]

Values = NDArray[Any]
"""uint8 or float32 (h, w, c), any number of channels, 0 for black and 255 for white."""

TINY = 1e-9
"""Pixels: what rounding may shift a border by."""


@dataclass(frozen=True)
class Axis:
    """One side of an image against one side of the model's grid."""

    length: int
    """Of the original image, in pixels."""
    start: float
    """Where the model's view begins in the original image."""
    stop: float
    grid: int
    """Length of the model's input, in pixels."""
    inner: tuple[int, int]
    """Where the view lies in the grid; the rest is padding."""

    @property
    def n_inner(self) -> int:
        """Count the places of the grid that show the view."""
        return self.inner[1] - self.inner[0]

    def resized(self, n: int) -> tuple[int, int] | None:
        """Return how long the whole side is where its view has n pixels, and where the view begins
        in it; None where these are no whole numbers.
        """
        found = self._scaled(n)
        length, first = map(round, found)
        exact = max(abs(found[0] - length), abs(found[1] - first)) < TINY * length
        return (length, first) if exact else None

    def scaled(self, n: int) -> tuple[float, float]:
        """Return the same, or fractions where these are no whole numbers."""
        return self.resized(n) or self._scaled(n)

    def _scaled(self, n: int) -> tuple[float, float]:
        pixel = (self.stop - self.start) / n
        return self.length / pixel, self.start / pixel

    def on_grid(self, n: int) -> IntArray:
        """Return (grid,): which of n equal parts of the view a place shows; -1 in the padding."""
        first, last = self.inner
        index = np.full(self.grid, -1, np.int64)
        index[first:last] = ((np.arange(last - first) + 0.5) / (last - first) * n).astype(np.int64)
        return index

    def sampled(self, n: int) -> IntArray:
        """Return (n,): the pixel of the original image in the middle of each of n parts."""
        middles = self.start + (np.arange(n) + 0.5) / n * (self.stop - self.start)
        return np.clip(np.floor(middles + TINY), 0, self.length - 1).astype(np.int64)

    def on_image(self, n: int) -> IntArray:
        """Return (length,): which of n equal parts of the view each pixel shows; -1 outside it."""
        first = min(ceil(self.start - 0.5 - TINY), self.length - 1)
        last = max(first + 1, min(ceil(self.stop - 0.5 - TINY), self.length))
        place = (np.arange(first, last) + 0.5 - self.start) / (self.stop - self.start) * n
        index = np.full(self.length, -1, np.int64)
        index[first:last] = np.clip(np.floor(place + TINY), 0, n - 1)
        return index


@dataclass(frozen=True)
class View:
    """Which part of an image the model sees, and where on its grid."""

    y: Axis
    x: Axis
    resample: int = 2
    """The place in ``RESAMPLES`` of the filter that resizes."""
    padding: tuple[int, ...] = (0, 0, 0)
    """The colour around the view: red, green and blue, black being 0."""
    squared: bool = False
    """Whether the image is padded to a square before it is resized, and its border blends."""
    cut_first: bool = False
    """Whether what the model sees is cut out before it is resized, not after it."""

    def seen(self, pixels: Values, size: tuple[int, int]) -> Values:
        """Return the part the model sees, resized to ``size`` without the padding."""
        if self.resample == OPENCV and pixels.dtype == np.uint8:
            return _aliased_bytes(pixels, self.y, self.x, size)
        if self.resample in (ALIASED, OPENCV):
            return _aliased(pixels, self.y, self.x, size)
        if self.resample in AS_TORCH.values() and pixels.dtype == np.uint8:
            return _by_torch(pixels, self.y, self.x, size, BENEATH[self.resample] == CUBIC)
        if self.resample in AS_TORCH_V1.values():
            return _by_torch_v1(pixels, self.y, self.x, size, BENEATH[self.resample] == CUBIC)
        if self.resample == UNROUNDED:
            pixels = pixels.astype(np.float32)
        if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
            return self._resized(pixels, size)
        planes = (np.ascontiguousarray(plane) for plane in np.moveaxis(pixels, -1, 0))
        return np.stack([self._resized(plane, size) for plane in planes], axis=-1)

    def grid(self, pixels: Values) -> Values:
        """Return (grid height, grid width, c): what the model sees, and the padding."""
        (top, bottom), (left, right) = self.y.inner, self.x.inner
        shape = (self.y.grid, self.x.grid, pixels.shape[2])
        if self.squared:
            square = (max(pixels.shape[:2]),) * 2
            framed = replace(padded(pixels.shape[:2], square), padding=self.padding)
            whole = replace(stretched(square, shape[:2]), resample=self.resample)
            return whole.grid(framed.grid(pixels))
        seen = self.seen(pixels, (bottom - top, right - left))
        grid = np.empty(shape, seen.dtype)
        grid[:] = self.padding if shape[2] == len(self.padding) else round(_luma(self.padding))
        grid[top:bottom, left:right] = seen
        return grid

    def _resized(self, plane: Values, size: tuple[int, int]) -> Values:
        image = Image.fromarray(plane)
        own = Image.Resampling(BENEATH.get(self.resample, self.resample))
        y, x = self.y.resized(size[0]), self.x.resized(size[1])
        if self.cut_first or y is None or x is None:
            box = (self.x.start, self.y.start, self.x.stop, self.y.stop)
            return np.asarray(image.resize(size[::-1], own, box=box), plane.dtype)
        (height, top), (width, left) = y, x  # of a box Pillow keeps fewer digits
        whole = np.asarray(image.resize((width, height), own), plane.dtype)
        return whole[top : top + size[0], left : left + size[1]]

    @property
    def is_resized(self) -> bool:
        """Whether what the model sees has another size in the image."""
        return any(one.stop - one.start != one.n_inner for one in (self.y, self.x))

    @property
    def changes_proportions(self) -> bool:
        """Whether one side is stretched more than the other, by more than whole pixels ask for."""
        y, x = (one.n_inner / (one.stop - one.start) for one in (self.y, self.x))
        longest = max(self.y.n_inner, self.x.n_inner)
        return abs(y - x) / max(y, x) * longest >= 1

    def working_size(self, longest: int) -> tuple[int, int]:
        """Return the view's own size, shrunk to ``longest`` on its longer side where larger."""
        sides = (self.y.stop - self.y.start, self.x.stop - self.x.start)
        shrink = min(1.0, longest / max(sides))
        return max(1, int(sides[0] * shrink + TINY)), max(1, int(sides[1] * shrink + TINY))

    def labels_on_grid(self, labels: IntArray) -> IntArray:
        """Carry a label map of the view to the model's grid; -1 in the padding."""
        return _carried(labels, self.y.on_grid(len(labels)), self.x.on_grid(labels.shape[1]))

    def labels_on_image(self, labels: IntArray) -> IntArray:
        """Carry a label map of the view to the original image; -1 outside the view."""
        return _carried(labels, self.y.on_image(len(labels)), self.x.on_image(labels.shape[1]))


def stretched(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the whole image, its proportions changed."""
    y, x = (Axis(n, 0, n, m, (0, m)) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def padded(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the whole image in the middle of the grid."""
    ratio = min(grid[0] / size[0], grid[1] / size[1])
    y, x = (_padded(n, m, ratio) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def squared(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the whole image in the middle of a square, which is resized to the grid."""
    side = max(size)
    framed = padded(size, (side, side))
    y, x = (_scaled(one, side, m) for one, m in zip((framed.y, framed.x), grid, strict=True))
    return View(y, x, squared=True)


def cropped(
    size: tuple[int, int],
    grid: tuple[int, int],
    resize_to: int | None,
    floored: bool = False,
    rounded: bool = False,
) -> View:
    """Show the centre of an image resized so that its shorter side is ``resize_to`` and covers.

    Half a pixel of what is left out is rounded to even, or ``floored``, above and on the left; what
    the longer side has of a pixel is left out, or ``rounded``.
    """
    ratio = max(grid[0] / size[0], grid[1] / size[1], (resize_to or 0) / min(size))
    y, x = (_cropped(n, m, ratio, floored, rounded) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def fitted(size: tuple[int, int], grid: tuple[int, int]) -> View:
    """Show the largest part of the grid's proportions in the middle, as Pillow's ``ImageOps.fit``
    takes it before it resizes.
    """
    ratio = min(size[0] / grid[0], size[1] / grid[1])
    sides = ((n, m, (n - m * ratio) / 2) for n, m in zip(size, grid, strict=True))
    y, x = (Axis(n, start, n - start, m, (0, m)) for n, m, start in sides)
    return View(y, x, cut_first=True)


def squeezed(size: tuple[int, int], grid: tuple[int, int], resize_to: int) -> View:
    """Show the centre of an image whose sides are both resized to ``resize_to``."""
    y, x = (_centred(n, m, max(m, resize_to)) for n, m in zip(size, grid, strict=True))
    return View(y, x)


def _centred(length: int, grid: int, resized: int) -> Axis:
    first, pixel = (resized - grid) // 2, length / resized
    return Axis(length, first * pixel, (first + grid) * pixel, grid, (0, grid))


def _padded(length: int, grid: int, ratio: float) -> Axis:
    inner = min(grid, max(1, round(length * ratio)))
    first = (grid - inner) // 2
    return Axis(length, 0, length, grid, (first, first + inner))


def _scaled(axis: Axis, side: int, grid: int) -> Axis:
    first, last = (round(one * grid / side) for one in axis.inner)
    first = min(first, grid - 1)
    return replace(axis, grid=grid, inner=(first, max(first + 1, last)))


def _cropped(length: int, grid: int, ratio: float, floored: bool, rounded: bool) -> Axis:
    """Resize to whole pixels, then take the centre."""
    resized = max(grid, round(length * ratio) if rounded else int(length * ratio + TINY))
    first = (resized - grid) // 2 if floored else round((resized - grid) / 2)
    pixel = length / resized
    return Axis(length, first * pixel, (first + grid) * pixel, grid, (0, grid))


ALIASED, OPENCV, UNROUNDED = (
    RESAMPLES.index(f"bilinear-{one}") for one in ("aliased", "opencv", "float")
)

CUBIC = RESAMPLES.index("bicubic")

BENEATH = {
    UNROUNDED: 2,
    **{own: one for of in (AS_TORCH, AS_TORCH_V1) for one, own in of.items()},
}
"""Pillow's filters that others are but for how they round."""


def _aliased(pixels: Values, y: Axis, x: Axis, size: tuple[int, int]) -> Values:
    """Resize between the nearest four pixels, bytes without rounding, as ``tf.image.resize``."""
    above, below, down = _between(y, size[0])
    left, right, across = _between(x, size[1])
    rows = pixels[above] * (1 - down)[:, None, None] + pixels[below] * down[:, None, None]
    resized = rows[:, left] * (1 - across)[:, None] + rows[:, right] * across[:, None]
    return np.asarray(resized, np.float32)


def _aliased_bytes(pixels: Pixels, y: Axis, x: Axis, size: tuple[int, int]) -> Pixels:
    """Resize bytes between the nearest four pixels as OpenCV: shares are 2048ths, and what is left
    over is cut off after each product.
    """
    above, below, down = _between(y, size[0], np.float32)
    left, right, across = _between(x, size[1], np.float32)
    whole = pixels.astype(np.int32)
    shares = np.rint(across * UNIT).astype(np.int32)[:, None]
    rows = (whole[:, left] * (UNIT - shares) + whole[:, right] * shares) >> 4
    shares = np.rint(down * UNIT).astype(np.int32)[:, None, None]
    total = (rows[above] * (UNIT - shares) >> 16) + (rows[below] * shares >> 16)
    return np.asarray((total + 2) >> 2, np.uint8)


UNIT = 2048
"""What OpenCV counts the shares of neighbouring bytes in."""


def _between(
    axis: Axis, n: int, precision: type[np.floating[Any]] = np.float64
) -> tuple[IntArray, IntArray, NDArray[Any]]:
    """Return (n,): the pixels before and behind each place, and the share of the latter.

    Places are counted in the whole side resized, and rounded to a ``precision``.
    """
    length, first = axis.scaled(n)
    middles = (np.arange(n) + first + 0.5) * (1 / (length / axis.length))
    places = (middles - 0.5).astype(precision)
    below = np.floor(places)
    before, behind = (
        np.clip(one.astype(np.int64), 0, axis.length - 1) for one in (below, below + 1)
    )
    return before, behind, places - below


def _by_torch(pixels: Pixels, y: Axis, x: Axis, size: tuple[int, int], cubic: bool) -> Pixels:
    """Resize bytes as torch does with antialias: across, then down, to bytes each time."""
    turned = _summed(pixels.swapaxes(0, 1), x, size[1], cubic)
    return _summed(turned.swapaxes(0, 1), y, size[0], cubic)


def _summed(pixels: Pixels, axis: Axis, n: int, cubic: bool) -> Pixels:
    """Resize the first side of bytes, with shares of as many digits as the largest of the whole
    side leaves in 16 bits.
    """
    from scipy.sparse import csr_array

    length, first = axis.scaled(n)
    ratio = axis.length / length
    wide = max(ratio, 1.0)
    reach = (2 if cubic else 1) * wide
    spans, shares = [], []
    for middle in (np.arange(first % 1, length - 0.5) + 0.5) * ratio:
        begin, end = max(int(middle - reach + 0.5), 0), int(middle + reach + 0.5)
        span = np.arange(begin, min(end, axis.length))
        share = _share((span - middle + 0.5) * (1 / wide), cubic)
        spans.append(span)
        shares.append(share / share.cumsum()[-1])  # added one by one
    largest = max(one.max() for one in shares)
    digits = next((i for i in range(22) if int(largest * 2 ** (i + 1) + 0.5) >= 1 << 15), 22)
    kept = slice(int(first), int(first) + n)
    parts = np.concatenate(shares[kept]) * 2**digits
    rounded = np.copysign(np.floor(np.abs(parts) + 0.5), parts) / 2**digits
    starts = np.cumsum([0, *map(len, shares[kept])])
    matrix = csr_array((rounded, np.concatenate(spans[kept]), starts), (n, axis.length))
    resized = np.empty((n, *pixels.shape[1:]), np.uint8)
    for i in range(0, pixels.shape[1], LINES):
        lines = pixels[:, i : i + LINES]
        total = matrix @ lines.reshape(axis.length, -1).astype(np.float64)  # without an error
        bounded = np.clip(np.floor(total + 0.5), 0, 255)
        resized[:, i : i + LINES] = bounded.reshape(n, *lines.shape[1:])
    return resized


LINES = 64
"""Resized at a time, for the sake of memory."""


def _by_torch_v1(pixels: Values, y: Axis, x: Axis, size: tuple[int, int], cubic: bool) -> Values:
    """Resize as torch does floats with antialias, across, then down; bytes are rounded at last."""
    across = _summed_singly(pixels.swapaxes(0, 1), x, size[1], cubic)
    found = _summed_singly(across.swapaxes(0, 1), y, size[0], cubic)
    if pixels.dtype != np.uint8:
        return found
    return np.asarray(np.clip(np.rint(found), 0, 255), np.uint8)


def _summed_singly(values: Values, axis: Axis, n: int, cubic: bool) -> NDArray[np.float32]:
    """Resize the first side in single precision, in the order in which torch adds up on processors
    with AVX2: all but the last one to four products are rounded before they are added.
    """
    length, first = axis.scaled(n)
    ratio = np.float32(axis.length / length)
    wide = max(float(ratio), 1.0)
    reach = np.float32((2 if cubic else 1) * wide)
    middles = ((np.arange(n) + first + 0.5) * float(ratio)).astype(np.float32)
    begins, ends = (
        (np.asarray(one, np.float64) + 0.5).astype(np.int64)
        for one in (middles - reach, middles + reach)
    )
    begins = np.maximum(begins, 0)
    counts = np.minimum(ends, axis.length) - begins
    taps = np.arange(counts.max())
    away = (begins[:, None] + taps).astype(np.float32) - middles[:, None]
    away = ((away.astype(np.float64) + 0.5) * float(np.float32(1 / wide))).astype(np.float32)
    shares = _single_share(np.abs(away), cubic) * (taps < counts[:, None])
    shares /= shares.cumsum(axis=1, dtype=np.float32)[:, -1:]
    apart = (counts - 1) // 4 * 4
    found = values[begins] * shares[:, :1, None]
    for tap in taps[1:]:
        one = values[np.minimum(begins + tap, axis.length - 1)].astype(np.float32)
        share = shares[:, tap, None, None]
        at_once = (tap > apart)[:, None, None]
        found = np.where(at_once, _added(one, share, found), found + one * share)
    return np.asarray(found, np.float32)


def _single_share(away: NDArray[np.float32], cubic: bool) -> NDArray[np.float32]:
    """Return what ``_share`` does, in single precision and torch's order."""
    if not cubic:
        return np.maximum(1 - away, 0)
    near = _added(_added(1.5, away, -2.5) * away, away, 1)
    far = _added(_added(_added(-0.5, away, 2.5), away, -4), away, 2)
    return np.where(away < 1, near, np.where(away < 2, far, np.float32(0)))


def _added(one: Any, other: NDArray[np.float32], third: Any) -> NDArray[np.float32]:
    """Return one * other + third in single precision, rounded once."""
    return np.asarray(np.multiply(one, other, dtype=np.float64) + third, np.float32)


def _share(away: FloatArray, cubic: bool) -> FloatArray:
    """Return the shares of pixels by how far away they are, the cubic ones as Keys' with -1/2."""
    away = np.abs(away)
    if not cubic:
        return np.maximum(1 - away, 0)
    near = (1.5 * away - 2.5) * away * away + 1
    return np.where(
        away < 1, near, np.where(away < 2, (((away - 5) * away + 8) * away - 4) / -2, 0)
    )


def _carried(labels: IntArray, rows: IntArray, columns: IntArray) -> IntArray:
    framed: IntArray = np.pad(labels, (0, 1), constant_values=-1)  # index -1 finds the frame
    return np.asarray(framed[np.ix_(rows, columns)])


MODES = ("RGB", "BGR", "L")

GREY_BY_OPENCV = "L-opencv"
"""Of ``--channels``: grey, that OpenCV makes of a file."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601), as Pillow takes them."""


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of an image's pixels: fitted to a grid, then (x * scale - mean) / std."""

    size: tuple[int, int] | None = None
    """Of the model's input; None takes every image at its own size."""
    resize: str = "stretch"
    """``stretch``, ``crop`` (the centre), ``fit``, which crops before it resizes, ``pad``, or
    ``square``, which pads before it resizes: with black, or as in ``pad-white`` or
    ``pad:#RRGGBB``; ``crop:256`` says ``resize_to``."""
    resize_to: int | None = None
    """Shorter side in pixels before the centre is cropped, with ``stretch`` both sides; None crops
    as little as possible, with ``stretch`` nothing."""
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    """One for all channels, or one per channel in the model's order."""
    std: tuple[float, ...] = (1.0,)
    channels: str = "RGB"
    """``RGB``, ``BGR``, ``L`` (grey), or how many channels of any kind."""
    resample: int = 2
    """The place in ``RESAMPLES`` of the filter that resizes: 2, bilinear, or 3, bicubic, say."""
    floored: bool = False
    """Whether half a pixel of what ``crop`` leaves out is left out of the upper and left side."""

    def __post_init__(self) -> None:
        way, to, _ = self._fitting
        if to and self.size and to < max(self.size):
            words = f"--resize {self.resize}: the model's input is larger, {max(self.size)}"
            raise SettingsError(words, f"give {way}, or a larger number")
        if not (self.channels.isdecimal() and int(self.channels) > 0):
            _one_of("--channels", self.channels, (*MODES, GREY_BY_OPENCV, "a number"))
        for option, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, self.n_channels):
                said = f"{len(values)} numbers for the channels {self.channels}"
                hint = f"give 1 or {self.n_channels}; or --channels {len(values)}"
                raise SettingsError(f"{option}: {said}", f"{hint}, where the model takes so many")
        if not all(self.std) or not np.isfinite([self.scale, *self.mean, *self.std]).all():
            raise SettingsError("--scale, --mean and --std must be finite numbers, and --std not 0")

    @property
    def n_channels(self) -> int:
        return len(self.channels) if self.channels in MODES else int(self.channels)

    def view(self, size: tuple[int, int]) -> View:
        """Return what the model sees of an image of ``size``."""
        way, named, colour = self._fitting
        to = named or self.resize_to
        wanted = self.size or ((max(size),) * 2 if way == "square" else size)
        match way:
            case "crop":  # as torchvision and mmpretrain do
                view = cropped(size, wanted, to, self.floored)
            case "crop-floor" | "crop-round":
                view = cropped(size, wanted, to, floored=True, rounded=way == "crop-round")
            case "fit":
                view = fitted(size, wanted)
            case "stretch":
                view = squeezed(size, wanted, to) if to else stretched(size, wanted)
            case "pad":
                view = padded(size, wanted)
            case _:
                view = squared(size, wanted)
        return replace(view, padding=colour, resample=self.resample)

    @property
    def _fitting(self) -> tuple[str, int, tuple[int, ...]]:
        """Return the way, the sides before a centre is taken, else 0, and the padding's colour."""
        found = re.fullmatch(WAYS, self.resize.replace("-white", ":#ffffff"))
        if found is None:
            raise _unknown("--resize", self.resize, RESIZES)
        way = found[1] or found[3] or found[4]
        return way, int(found[2] or 0), tuple(bytes.fromhex(found[5] or "000000"))

    def seen(self, values: Values, view: View) -> Values:
        """Return (grid height, grid width, c): what the model sees of the values of a photo.

        Where it sees grey, this is made of whole pixels, as programs open an image in grey.
        """
        if self.channels == "L":
            return view.grid(self.in_channels(values))
        return self.in_channels(view.grid(values))

    def in_channels(self, values: Values) -> Values:
        """Return (h, w, c): the values of a photo, grey or RGB or as many as the model takes."""
        if self.channels not in MODES:
            return values
        if self.channels == "L":
            return _grey(values)
        if values.shape[2] == 1:
            return np.repeat(values, 3, axis=2)
        return values[..., ::-1] if self.channels == "BGR" else values

    def numbers(self, raw: Values | FloatArray) -> NDArray[np.float32]:
        """Return what the model is fed for values 0..255 in its channels, (..., c) float32."""
        numbers = (raw * self.scale - np.array(self.mean)) / np.array(self.std)
        return np.asarray(numbers, np.float32)


WAYS = (
    r"(?:(stretch|crop(?:-floor|-round)?)(?::([1-9]\d{0,4}))?|(fit)|"
    r"(pad|square)(?::#([0-9a-fA-F]{6}))?)"
)
"""Notations of ``--resize``, white being #ffffff."""


def _luma(colour: tuple[int, ...]) -> float:
    return float(np.dot(colour, LUMA))


def _grey(values: Values) -> Values:
    if values.shape[2] == 1:
        return values
    if values.dtype == np.uint8:
        return np.asarray(Image.fromarray(values).convert("L"))[..., None]
    return (values @ np.array(LUMA, np.float32))[..., None]


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise _unknown(option, value, choices)


def _unknown(option: str, value: str, choices: tuple[str, ...]) -> SettingsError:
    return SettingsError(f"{option}: {value!r} is unknown", f"one of: {', '.join(choices)}")


PRESETS = {
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="crop"),
    "unit": Preprocessing(),
    "signed": Preprocessing(scale=1 / 127.5, mean=(1.0,)),
    "raw": Preprocessing(scale=1.0),
    "caffe": Preprocessing(scale=1.0, mean=(104.0, 117.0, 123.0), channels="BGR", resize="crop"),
}


def preset(name: str, size: tuple[int, int] | None) -> Preprocessing:
    """Return the preset ``name`` for a model of ``size``; SettingsError for an unknown name."""
    _one_of("--preprocess", name, tuple(PRESETS))
    found = replace(PRESETS[name], size=size)
    if size and found.resize == "crop":  # 256 for the usual 224
        return replace(found, resize_to=round(min(size) * 256 / 224))
    return found
