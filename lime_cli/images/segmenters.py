"""Segmenters: what cuts an image into superpixels, and SLIC without SciPy.

Every function of this file that takes ``(pixels, n_segments, seed)`` is one that ``--segmenter``
names: RGB pixels, a wish for a number of segments or None, and a seed, to a label map.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from math import ceil, sqrt
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from lime_cli.engine.model import FloatArray, IntArray
from lime_cli.images.view import Pixels

MAX_SEGMENTS = 500

DEFAULT_SEGMENTS = 50

SEARCH_STEPS = 6


def slic(pixels: Pixels, n_segments: int | None, seed: int) -> IntArray:
    """Cut by SLIC (Achanta et al. 2012): compact superpixels of about equal size."""
    cut = skimage_slic()
    wish = n_segments or DEFAULT_SEGMENTS
    blur = max(pixels.shape[:2]) / 160  # smooth outlines, the same at every resolution
    found = cut(pixels / 255, n_segments=wish, compactness=10, sigma=blur, start_label=0)
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


def felzenszwalb(pixels: Pixels, n_segments: int | None, seed: int) -> IntArray:
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


def grid(pixels: Pixels, n_segments: int | None, seed: int) -> IntArray:
    """Cut into nearly square cells, at least as many as wished for where there is room."""
    height, width = pixels.shape[:2]
    wish = n_segments or DEFAULT_SEGMENTS
    n_rows = min(height, max(1, round(sqrt(wish * height / width))))
    n_columns = min(width, MAX_SEGMENTS // n_rows, ceil(wish / n_rows))
    rows, columns = np.arange(height) * n_rows // height, np.arange(width) * n_columns // width
    return _ints(rows[:, None] * n_columns + columns)


def quickshift_like_lime(pixels: Pixels) -> IntArray:
    """Cut RGB pixels at their own size as marcotcr/lime does, into however many segments."""
    from skimage import segmentation

    shift: Any = segmentation.quickshift
    return numbered(_ints(shift(pixels, kernel_size=4, max_dist=200, ratio=0.2)))


def numbered(labels: IntArray) -> IntArray:
    """Number the labels 0..s-1 in their order, without gaps."""
    _, numbers = np.unique(labels.ravel(), return_inverse=True)
    return numbers.reshape(labels.shape).astype(np.int64)


def _at_most(pixels: Pixels, longest: int) -> Pixels:
    """Shrink an image whose longer side is above ``longest``."""
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


MODULE = "skimage.segmentation.slic_superpixels"

XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
"""From linear sRGB to CIE XYZ."""

WHITE = np.array([0.95047, 1.0, 1.08883])
"""D65, seen under two degrees, in CIE XYZ."""


@lru_cache(maxsize=1)
def skimage_slic() -> Callable[..., Any]:
    """Return ``skimage.segmentation.slic``, without SciPy where nothing imported it yet.

    The module is run once more, apart from scikit-image's own copy, with stand-ins for what it
    imports: colours and smoothing by NumPy, to the last digit what they are there, and names that
    import the real thing when somebody calls them. Where that fails, its own copy is taken.
    """
    if MODULE not in sys.modules and "scipy.ndimage" not in sys.modules:
        try:
            found: Callable[..., Any] = _apart().slic
            return found
        except (ImportError, AttributeError):  # another scikit-image
            pass
    from skimage.segmentation import slic

    return slic  # type: ignore[no-any-return]


def _apart() -> ModuleType:
    """Run the module with stand-ins for what it imports."""
    spec = find_spec(MODULE)
    if spec is None or spec.loader is None:
        raise ImportError(MODULE)
    module = module_from_spec(spec)
    stand_ins: dict[str, dict[str, Callable[..., Any] | None]] = {
        "scipy.cluster.vq": {"kmeans2": None},
        "scipy.spatial.distance": {"pdist": None, "squareform": None},
        "skimage._shared.filters": {"gaussian": smoothed},
        "skimage.color": {"rgb2lab": lab},
    }
    with _standing_in(stand_ins):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _standing_in(modules: dict[str, dict[str, Callable[..., Any] | None]]) -> Iterator[None]:
    """Let modules be others while something is imported; a name without a function is looked up
    when it is called."""
    kept = {name: sys.modules.get(name) for name in modules}
    for name, functions in modules.items():
        stand_in = ModuleType(name)
        for one, function in functions.items():
            setattr(stand_in, one, function or _later(name, one))
        sys.modules[name] = stand_in
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _later(module: str, name: str) -> Callable[..., Any]:
    def call(*args: Any, **attributes: Any) -> Any:
        return getattr(import_module(module), name)(*args, **attributes)

    return call


def lab(rgb: FloatArray) -> FloatArray:
    """Return the CIE Lab colours of sRGB in [0, 1], (..., 3), as ``skimage.color.rgb2lab``."""
    linear = rgb.copy()
    bright = linear > 0.04045
    linear[bright] = np.power((linear[bright] + 0.055) / 1.055, 2.4)
    linear[~bright] /= 12.92
    xyz = (linear @ XYZ.T) / WHITE
    large = xyz > 0.008856
    xyz[large] = np.cbrt(xyz[large])
    xyz[~large] = 7.787 * xyz[~large] + 16.0 / 116.0
    x, y, z = xyz[..., 0], xyz[..., 1], xyz[..., 2]
    return np.stack([(116.0 * y) - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def smoothed(image: FloatArray, sigma: Sequence[float], mode: str = "reflect") -> FloatArray:
    """Smooth by a Gaussian of ``sigma`` pixels along each axis, as ``scipy.ndimage`` does."""
    assert mode == "reflect"
    for axis, one in enumerate(sigma):
        if one > 1e-15:
            image = _smoothed_along(image, float(one), axis)
    return image


def _smoothed_along(image: FloatArray, sigma: float, axis: int) -> FloatArray:
    reach = int(4.0 * sigma + 0.5)
    steps = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * steps**2)
    weights = (weights / weights.sum())[::-1]
    n = image.shape[axis]
    widths = [(reach, reach) if i == axis else (0, 0) for i in range(image.ndim)]
    padded = np.moveaxis(np.pad(image, widths, mode="symmetric"), axis, 0)
    found = padded[reach : reach + n] * weights[reach]
    for away in range(reach, 0, -1):  # in the order in which SciPy adds them up
        both = padded[reach - away : reach - away + n] + padded[reach + away : reach + away + n]
        found += both * weights[reach - away]
    return np.ascontiguousarray(np.moveaxis(found, 0, axis))
