"""Balanced points: randomised orthogonal arrays, in halves or in quarters of every coordinate.

An array is a linear code over a field of q = 2 or 4 elements: row r and column j, written in digits
of base q, give the level sum(r_i c_ij) (Hedayat, Sloane & Stufken 1999, "Orthogonal Arrays",
chapter 3). The first digit of every column is one, so that any q successive rows show every level
of every column once: with two levels that is Hadamard's matrix with its fold-over. The other digits
number the columns, so that any two columns show all pairs of levels equally often as soon as a
block has q times as many rows as there are columns; two levels then do so for any three. Before
that the pairs that fall together differ from block to block.
"""

from __future__ import annotations

import numpy as np

from lime_cli.engine.instance import FloatArray, IntArray

DIGITS = {2: 26, 4: 13}
"""Of a row's number, by the number of levels: enough for 2^26 rows in a block."""
PRODUCTS = {
    2: np.array([[0, 0], [0, 1]]),
    4: np.array([[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]]),
}
"""Multiplication of the field; addition is exclusive or."""


def halves(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return n points in [0, 1)^m, every second one the mirror image of the one before it.

    Each coordinate is as often below one half as above, for even n.
    """
    centred = _levels(n, m, 2, rng)
    within = np.repeat(rng.spawn(1)[0].random((-(-n // 2), m)), 2, axis=0)[:n]
    below = within / 2
    return np.where(centred == 0, below, np.nextafter(1.0, 0.0) - below)


def quarters(n: int, m: int, rng: np.random.Generator) -> FloatArray:
    """Return n points in [0, 1)^m, each coordinate as often in every quarter, for n = 4, 8, ..."""
    found = _levels(n, m, 4, rng)
    shuffled = rng.permuted(np.tile(np.arange(4), (m, 1)), axis=1)
    levels = np.take_along_axis(shuffled.T, found, axis=0)
    return np.asarray((levels + rng.spawn(1)[0].random((n, m))) / 4)


def _levels(n: int, m: int, q: int, rng: np.random.Generator) -> IntArray:
    """Return the first n rows of a randomised array of m columns (n, m), levels from 0.

    A random shift of each column's levels makes every row by itself uniform.
    """
    columns = rng.permutation(m)
    shift = rng.integers(0, q, m)
    code = rng.integers(0, q, (DIGITS[q], m))
    code[0] = 1
    for digit in range(1, 1 + _n_digits(m, q)):
        code[digit] = columns // q ** (digit - 1) % q
    rows = shift[None]
    for digit in range(_n_digits(n, q)):
        rows = np.vstack([rows ^ PRODUCTS[q][level][code[digit]] for level in range(q)])
    return rows[:n]


def _n_digits(count: int, q: int) -> int:
    """Return how many digits of base q the numbers below ``count`` have."""
    digits = 0
    while q**digits < count:
        digits += 1
    return digits
