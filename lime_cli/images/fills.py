"""Fills: what stands where a superpixel is masked.

Images are (h, w, c) in the model's channels, 0..255; the label -1 marks what is never masked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from re import fullmatch
from typing import cast

import numpy as np
from PIL import Image, ImageFilter

from lime_cli.engine.model import FloatArray, IntArray
from lime_cli.errors import LimexError, UntrustedModel
from lime_cli.images.view import Preprocessing, Values
from lime_cli.registry import FILLS

LIKE_LIME = "lime"
"""A fill and a segmenter that no option names: marcotcr/lime's."""

INPAINT_SIDE = 256
"""Longer side in pixels, at most, at which inpainting is solved."""

TRACE = 1e-6
"""Weight of a pixel's own value, against 1 of a neighbour's."""


def is_fill(fill: str) -> bool:
    """Tell whether ``fill`` names a fill or a colour."""
    return fill in (*FILLS, LIKE_LIME) or fullmatch("#[0-9a-fA-F]{6}", fill) is not None


def filled(
    raw: Values, labels: IntArray, fill: str, preprocessing: Preprocessing, seed: int
) -> FloatArray:
    """Return ``raw`` with every segment masked; ``seed`` is that of noise."""
    if fill in FILLS or fill == LIKE_LIME:
        function = mean_like_lime if fill == LIKE_LIME else FILLS[fill]
        return cast(FloatArray, function(raw, labels, np.random.default_rng(seed)))
    colour = np.array(list(bytes.fromhex(fill[1:])), np.uint8)
    one = preprocessing.in_channels(colour[None, None])
    return np.broadcast_to(one, raw.shape).astype(np.float64)


def means(raw: Values, parts: IntArray) -> FloatArray:
    """Return (parts, c): the mean of every part in each channel; ``parts`` (h, w) counts from 0."""
    area = np.maximum(1, np.bincount(parts.ravel()))
    sums = [np.bincount(parts.ravel(), channel.ravel()) for channel in np.moveaxis(raw, -1, 0)]
    result: FloatArray = np.stack(sums, axis=-1) / area[:, None]
    return result


def mean(raw: Values, labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    """Return the mean of every superpixel."""
    return means(raw, labels + 1)[labels + 1]  # the padding, -1, is a part of its own


def mean_like_lime(raw: Values, labels: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return marcotcr/lime's means: what is behind the point is lost to the image's type."""
    return np.floor(mean(raw, labels, rng))


def black(raw: Values, _labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    """Return zeros."""
    return np.zeros(raw.shape)


def blur(raw: Values, labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    """Blur by a Gaussian whose sigma is a twelfth of the longer side, the padding left out."""
    seen = np.ix_((labels >= 0).any(axis=1), (labels >= 0).any(axis=0))
    inner = raw[seen]
    result = np.zeros(raw.shape)
    if raw.dtype == np.uint8 and raw.shape[2] in (1, 3):
        image = Image.fromarray(inner[..., 0] if raw.shape[2] == 1 else inner)
        blur = ImageFilter.GaussianBlur(max(image.size) / 12)
        result[seen] = np.asarray(image.filter(blur)).reshape(inner.shape)
        return result
    from scipy.ndimage import gaussian_filter

    sigma = max(inner.shape[:2]) / 12
    result[seen] = gaussian_filter(inner.astype(np.float64), (sigma, sigma, 0), mode="nearest")
    return result


def inpaint(raw: Values, labels: IntArray, _rng: np.random.Generator) -> FloatArray:
    """Continue into every segment what is around it, as smoothly as can be (Laplace's equation)."""
    step = max(1, -(-max(labels.shape) // INPAINT_SIDE))
    few = membrane(raw[::step, ::step].astype(np.float64), labels[::step, ::step])
    height, width = labels.shape
    rows, columns = np.arange(height) // step, np.arange(width) // step
    return np.where((labels < 0)[..., None], raw, few[np.ix_(rows, columns)])


def membrane(raw: FloatArray, labels: IntArray) -> FloatArray:
    """Solve Laplace's equation in each segment, its neighbours' pixels (h, w, c) being the border.

    One sparse system for all segments: no unknown meets one of another segment.
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import spsolve

    pairs = touching(labels.shape)
    n, flat = labels.size, raw.reshape(-1, raw.shape[2])
    one, other = pairs[:, 0], pairs[:, 1]
    segment = labels.ravel()
    inside = segment[one] == segment[other]
    border = ~inside & (segment[other] >= 0)
    known = np.zeros(flat.shape)
    np.add.at(known, one[border], flat[other[border]])
    kept = inside | border
    degree = np.bincount(one[kept], minlength=n).astype(np.float64)
    # a trace of the pixel's own value decides where no border does
    system = diags(degree + TRACE) - coo_matrix(
        (np.ones(int(inside.sum())), (one[inside], other[inside])), (n, n)
    )
    solved = spsolve(system.tocsc(), known + TRACE * flat)
    return np.asarray(solved).reshape(raw.shape)


def touching(size: tuple[int, ...]) -> IntArray:
    """Return (m, 2): indices of pixels side by side in (height, width), both ways round."""
    index = np.arange(math.prod(size)).reshape(size)
    across = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1)
    down = np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1)
    pairs = np.concatenate([across, down])
    return np.concatenate([pairs, pairs[:, ::-1]])


def noise(raw: Values, _labels: IntArray, rng: np.random.Generator) -> FloatArray:
    """Return any values of 0-255."""
    return np.floor(rng.random(raw.shape) * 256)


OTHERS = ("black", "blur", "#ffffff")
"""Fills that are tried where another changes next to nothing."""

LITTLE, MUCH = 0.2, 0.1
"""Shares of what a model says of an image: a change below the one is small, a fill that changes
more than the other, and this many times as much, is better."""

TIMES = 3


def weak(
    own: str,
    others: list[str],
    raw: Values,
    masked_by: Callable[[str], FloatArray],
    answers: Callable[[list[FloatArray]], FloatArray],
) -> tuple[str | None, str]:
    """Return a fill that changes more where an image's own changes next to nothing, and why.

    ``masked_by`` gives the image without all its superpixels, ``answers`` what the model predicts
    for images. None where the own fill does, no other does more, or the model fails; raises
    UntrustedModel for a model that is not safe to ask.
    """
    try:
        whole, masked = answers([np.asarray(raw, np.float64), masked_by(own)])
        top = int(whole.argmax())
        size, change = abs(float(whole[top])), abs(float(whole[top] - masked[top]))
        if change >= LITTLE * size:
            return None, ""
        found = answers([masked_by(one) for one in others])[:, top]
    except UntrustedModel:
        raise
    except LimexError:  # which the explanation will tell in its own words
        return None, ""
    changes = np.abs(found - whole[top])
    best = int(changes.argmax())
    if changes[best] < max(MUCH * size, TIMES * change):
        return None, ""
    return others[best], (
        f"filling every superpixel with {own} changes the prediction only from {whole[top]:.3g} to "
        f"{masked[top]:.3g}; with {others[best]}, to {found[best]:.3g}"
    )
