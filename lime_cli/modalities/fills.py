"""Fills: what stands where a superpixel is gone.

Pictures are (h, w, c) in the model's channels, 0..255; the label -1 marks what is never gone.
"""

from __future__ import annotations

from collections.abc import Callable
from re import fullmatch

import numpy as np
from PIL import Image, ImageFilter

from lime_cli.engine.instance import FloatArray, IntArray
from lime_cli.modalities.pixels import Preprocessing
from lime_cli.modalities.view import Pixels


def is_fill(fill: str) -> bool:
    """Tell whether ``fill`` names a fill or a colour."""
    return fill in FILLS or fullmatch("#[0-9a-fA-F]{6}", fill) is not None


def filled(
    raw: Pixels, labels: IntArray, fill: str, preprocessing: Preprocessing, seed: int
) -> FloatArray:
    """Return ``raw`` with every segment gone; ``seed`` is that of noise."""
    if fill in FILLS:
        return FILLS[fill](raw, labels, np.random.default_rng(seed))
    colour = np.array(list(bytes.fromhex(fill[1:])), np.uint8)
    one = preprocessing.in_channels(colour[None, None])
    return np.broadcast_to(one, raw.shape).astype(np.float64)


def means(raw: Pixels, parts: IntArray) -> FloatArray:
    """Return (parts, c): the mean of every part in each channel; ``parts`` (h, w) counts from 0."""
    area = np.maximum(1, np.bincount(parts.ravel()))
    sums = [np.bincount(parts.ravel(), channel.ravel()) for channel in np.moveaxis(raw, -1, 0)]
    result: FloatArray = np.stack(sums, axis=-1) / area[:, None]
    return result


def _mean(raw: Pixels, labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    return means(raw, labels + 1)[labels + 1]  # the padding, -1, is a part of its own


def _lime(raw: Pixels, labels: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return marcotcr/lime's means: what is behind the point is lost to the picture's type."""
    return np.floor(_mean(raw, labels, rng))


def _black(raw: Pixels, _labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    return np.zeros(raw.shape)


def _blur(raw: Pixels, labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    """Blur by a Gaussian whose sigma is a twelfth of the longer side, the padding left out."""
    seen = np.ix_((labels >= 0).any(axis=1), (labels >= 0).any(axis=0))
    inner = raw[seen]
    picture = Image.fromarray(inner[..., 0] if raw.shape[2] == 1 else inner)
    blur = ImageFilter.GaussianBlur(max(picture.size) / 12)
    result = np.zeros(raw.shape)
    result[seen] = np.asarray(picture.filter(blur)).reshape(inner.shape)
    return result


def _noise(raw: Pixels, _labels: IntArray, rng: np.random.Generator) -> FloatArray:
    return np.floor(rng.random(raw.shape) * 256)


FILLS: dict[str, Callable[[Pixels, IntArray, np.random.Generator], FloatArray]] = {
    "mean": _mean,
    "lime": _lime,
    "black": _black,
    "blur": _blur,
    "noise": _noise,
}
