"""Models of texts, one for each warning: a text is words like ``w3``, each a number."""

import zlib

import numpy as np

CLASSES = ("no", "yes")


def two(function):
    """Make a classifier of a chance by a list of numbers."""

    def ask(texts):
        words = [[one for one in text.split() if one.startswith("w")] for text in texts]
        chance = np.array([function([int(one[1:]) for one in some]) for some in words])
        return np.stack([1 - chance, chance], axis=1)

    ask.classes = CLASSES
    return ask


@two
def gentle(numbers):
    """Every number adds its own."""
    return 0.1 + sum(0.02 + 0.005 * number for number in numbers if number < 12)


@two
def flat(numbers):
    return 0.7


@two
def rough(numbers):
    return zlib.crc32(bytes(numbers)) / 2**32


@two
def brittle(numbers):
    return 0.9 if len(numbers) >= 12 else 0.1 + 0.01 * sum(number < 6 for number in numbers)


@two
def of_one_word(numbers):
    return 0.4 + 0.3 * (0 in numbers)


@two
def certain(numbers):
    return 0.99995 - 0.05 * (12 - len(numbers))


@two
def undecided(numbers):
    return (
        0.5
        + 0.01 * sum(number < 6 for number in numbers)
        - 0.01 * sum(number >= 6 for number in numbers)
    )


def margins(texts):
    return 3 * gentle(texts) - 1


def logarithms(texts):
    return np.log(gentle(texts))


def labels(texts):
    return [CLASSES[int(row[1] > 0.5)] for row in gentle(texts)]


def noisy(texts):
    chance = np.random.default_rng().random(len(texts))
    return np.stack([1 - chance, chance], axis=1)


def of_the_batch(texts):
    chance = gentle(texts)[:, 1]
    return np.stack([1 - chance, chance], axis=1) / (1 + np.ptp(chance))


margins.classes = logarithms.classes = noisy.classes = of_the_batch.classes = CLASSES


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def age(frame):
    return frame["age"].to_numpy(float) + (frame["town"] == "Oslo").to_numpy(float)


@two
def of_gaps(numbers):
    """Have no answer without the first two."""
    return 0.1 + 0.05 * len(numbers) if {0, 1} & set(numbers) else float("nan")
