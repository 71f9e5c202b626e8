"""Scrambled Sobol' points: spread evenly over the unit cube, random all the same.

The sequence is that of Sobol' (1967) with the direction numbers of Joe & Kuo (2008, "Constructing
Sobol sequences with better two-dimensional projections"). It is scrambled by random triangular
binary matrices and a digital shift (Matoušek 1998, section 4), so that every point is uniform and
the mean of any function over the points is unbiased.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.instance import FloatArray

BITS = 30
DIMENSIONS = 1024
"""In the table of direction numbers."""
Words = NDArray[np.uint32]


def sobol(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return n scrambled points in [0, 1)^m; the first points are the same whatever n.

    Dimensions beyond the table of direction numbers are independent uniform draws.
    """
    return interleaved(n, m, [rng])


def interleaved(n: int, m: int, rngs: Sequence[np.random.Generator]) -> FloatArray:
    """Return n points in [0, 1)^m (n, m), as R generators scramble the sequence: point i by i % R.

    Dimensions are laid out one after the other.
    """
    R, known = len(rngs), min(m, DIMENSIONS)
    each = -(-n // R)
    words = directions(known)[:, : max(1, each - 1).bit_length()]
    scrambled = np.empty((*words.shape, R), np.uint32)
    shift = np.empty((known, 1, R), np.uint32)
    for i, rng in enumerate(rngs):
        scrambled[..., i] = _scrambled(words, rng)
        shift[:, 0, i] = rng.integers(0, 2**BITS, known, np.uint32)
    points = _sequence(each, scrambled)
    points ^= shift
    found = np.empty((m, n))
    np.multiply(points.reshape(known, -1)[:, :n], 2.0**-BITS, out=found[:known])
    for i, rng in enumerate(rngs if m > known else ()):
        found[known:, i::R] = rng.spawn(1)[0].random((len(range(i, n, R)), m - known)).T
    return found.T


@lru_cache(maxsize=4)
def directions(dimensions: int) -> Words:
    """Return the direction numbers as (dimensions, BITS) words, the first bit the highest."""
    table = Path(__file__).with_name("joe_kuo.txt").read_text("ascii").splitlines()
    lines = [line for line in table if not line.startswith("#")][:dimensions]
    rows = [list(map(int, line.split())) for line in lines]
    found = np.empty((len(rows), BITS), np.uint32)
    found[0] = 1 << np.arange(BITS - 1, -1, -1)
    for place, (polynomial, *first) in enumerate(rows[1:], 1):
        found[place] = _recurrence(polynomial, first)
    return found


def _recurrence(polynomial: int, first: list[int]) -> list[int]:
    """Extend a dimension's first numbers by its primitive polynomial (Joe & Kuo, section 2)."""
    degree = len(first)
    numbers = list(first)
    for k in range(degree, BITS):
        value = numbers[k - degree] ^ (numbers[k - degree] << degree)
        for step in range(1, degree):
            if (polynomial >> (degree - step)) & 1:
                value ^= numbers[k - step] << step
        numbers.append(value)
    return [number << (BITS - 1 - k) for k, number in enumerate(numbers)]


def _scrambled(words: Words, rng: np.random.Generator) -> Words:
    """Multiply every dimension's words by a random lower-triangular matrix over {0, 1}."""
    dimensions = len(words)
    rows = rng.integers(0, 2**BITS, (dimensions, BITS), np.uint32)
    diagonal = np.uint32(1) << np.arange(BITS - 1, -1, -1, dtype=np.uint32)
    above = ~(diagonal - np.uint32(1))
    rows = (rows & above) | diagonal
    bits = _parity(rows[:, :, None] & words[:, None]) * diagonal[:, None]
    return np.asarray(np.bitwise_or.reduce(bits, axis=1))


def _parity(words: Words) -> Words:
    """Return whether the number of set bits is odd, as 0 or 1."""
    odd, rest = words.copy(), np.empty_like(words)
    for half in (16, 8, 4, 2, 1):
        odd ^= np.right_shift(odd, np.uint32(half), out=rest)
    odd &= np.uint32(1)
    return odd


def _sequence(n: int, words: Words) -> Words:
    """Return the first n points (dimensions, n, R) of R sequences, in natural order.

    ``words`` are (dimensions, bits, R), bits enough for n.
    """
    points = np.zeros((len(words), n, words.shape[2]), np.uint32)
    for bit in range(max(0, n - 1).bit_length()):
        half, end = 1 << bit, min(n, 2 << bit)
        np.bitwise_xor(points[:, : end - half], words[:, bit, None], out=points[:, half:end])
    return points
