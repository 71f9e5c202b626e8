"""Functions that tests explain as ``py:tests.models.python_functions:NAME``."""

import sys
import time
import zlib

import numpy as np
from sklearn.linear_model import LogisticRegression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))

fitted = LogisticRegression().fit(X, X[:, 0] > 0)
unfitted = LogisticRegression()
number = 7


def chance(frame):
    """One probability from a data frame's column."""
    return 1 / (1 + np.exp(-frame["age"] / 10))


chance.classes = ("young", "old")
chance.features = ("age",)


def total(frame):
    return frame.to_numpy(float).sum(axis=1)


def lengths(texts):
    n = np.array([len(text) for text in texts], float)
    return np.stack([n / (n + 10), 10 / (n + 10)], axis=1)


def brightness(pictures):
    return pictures.mean(axis=(1, 2, 3))


def noisy(frame):
    return RNG.normal(size=len(frame))


def centred(frame):
    """An answer that depends on what else is in the batch."""
    values = frame.to_numpy(float)[:, 0]
    return values - values.mean()


def never_alone(frame):
    if len(frame) < 2:
        raise ValueError("needs two rows")
    return frame.to_numpy(float)[:, 0]


def leaves(frame):
    sys.exit(3)


def squeezed(frame):
    print("predicting")
    return [[0.2, 0.8]] * len(frame)


def rough(texts):
    """A number from 0 to 1 that has nothing to do with the words' meaning."""
    return np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])


def slow(texts):
    """Two milliseconds a text."""
    time.sleep(0.002 * len(texts))
    return rough(texts)
