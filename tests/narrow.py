"""Models that have room for so many inputs in a call, and no memory for more."""

import zlib

import numpy as np

ROOM = 100
answered: list[int] = []
"""Inputs of each call that was answered, in this process."""
refused: list[int] = []
"""Inputs of each call that was not."""


def chances(texts):
    """Return two chances for each text, by what is written in it."""
    _take(texts)
    first = np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])
    return np.stack([first, 1 - first], axis=1)


def rows(frame):
    """Return a number for each row of a table that has columns of numbers."""
    _take(frame)
    numbers = np.asarray(frame.select_dtypes("number"), float)
    return np.tanh(numbers[:, 0] - numbers[:, 1] * numbers[:, -1])


def images(pixels):
    """Return two chances for each image, by its first and its last part."""
    _take(pixels)
    first = [np.tanh(float(one[:9].sum() - one[9:].sum()) / one.size) / 2 + 0.5 for one in pixels]
    return np.stack([first, 1 - np.array(first)], axis=1)


class Estimator:
    """A classifier as scikit-learn has them, to be kept in a pickle."""

    classes_ = ("no", "yes")

    def predict_proba(self, frame):
        """Return two chances for each row."""
        chance = (rows(frame) + 1) / 2
        return np.stack([1 - chance, chance], axis=1)


def _take(inputs):
    (refused if len(inputs) > ROOM else answered).append(len(inputs))
    if len(inputs) > ROOM:
        np.empty(2**60, np.uint8)  # numpy's own error: no machine has so much
