"""scikit-image's SLIC without the half of SciPy that is imported beside it and never called.

The module is run once more, apart from scikit-image's own copy, with stand-ins for what it imports:
colours and smoothing by NumPy, to the last digit what they are there, and names that import the
real thing when somebody calls them. Where that fails, scikit-image's own copy is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import numpy as np

from lime_cli.engine.arrays import FloatArray

MODULE = "skimage.segmentation.slic_superpixels"

XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
"""From linear sRGB to CIE XYZ."""

WHITE = np.array([0.95047, 1.0, 1.08883])
"""D65, seen under two degrees, in CIE XYZ."""


@lru_cache(maxsize=1)
def slic() -> Callable[..., Any]:
    """Return ``skimage.segmentation.slic``, without SciPy where nothing imported it yet."""
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
