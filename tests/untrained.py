"""A network of random weights that knows nothing: its answer is all but a hash of the image."""

from itertools import pairwise

import numpy as np

RNG = np.random.default_rng(3)
WIDTHS = (3 * 16, 128, 128, 128, 2)
LAYERS = [RNG.normal(size=(a, b)) * 6 / np.sqrt(a) for a, b in pairwise(WIDTHS)]


def network(images):
    """Means of 4 x 4 fields through layers of sines."""
    n, height, width, _ = images.shape
    fields = images.reshape(n, 4, height // 4, 4, width // 4, 3).mean(axis=(2, 4))
    signal = (fields.reshape(n, -1) - 0.5) * 40
    for layer in LAYERS[:-1]:
        signal = np.sin(signal @ layer)
    odds = np.exp(signal @ LAYERS[-1])
    return odds / odds.sum(axis=1, keepdims=True)
