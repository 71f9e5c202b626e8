"""Which samples are the same, so that a model is asked about each distinct one once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.arrays import IntArray

FEW = 12
"""Codes of a row that are looked at first: rows of numbers already differ there."""


def distinct(codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first row of every distinct row of ``codes``, and for each row which one it is.

    Rows are told apart by a 64-bit hash, checked against the rows themselves.
    """
    n, m = codes.shape
    if n == 0 or m == 0:
        return np.zeros(min(n, 1), np.int64), np.zeros(n, np.int64)
    rows = _packed(codes) if codes.max() <= 1 and codes.min() >= 0 else codes
    if rows.shape[1] > FEW and _all_differ(_hashes(rows[:, :FEW])):
        return np.arange(n), np.arange(n)
    hashes = _hashes(rows)
    if _all_differ(hashes):
        return np.arange(n), np.arange(n)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first[inverse]], rows):
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse.reshape(-1)]


def _all_differ(hashes: NDArray[np.uint64]) -> bool:
    """Tell whether no number is there twice; sorting finds out faster than ``np.unique``."""
    ordered = np.sort(hashes)
    return bool((ordered[1:] != ordered[:-1]).all())


def _packed(masks: IntArray) -> NDArray[np.uint64]:
    """Return masks of zeros and ones, 64 in a number."""
    bits = np.packbits(masks.astype(np.bool_), axis=1)
    words = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    words[:, : bits.shape[1]] = bits
    return words.view(np.uint64)


def _hashes(rows: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return a 64-bit number for each row."""
    m = rows.shape[1]
    mixed = rows.astype(np.uint64)
    mixed += np.uint64(1)
    mixed *= _odd(m)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed.sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=8)
def _odd(m: int) -> NDArray[np.uint64]:
    """Return m odd numbers that look random."""
    drawn = np.random.default_rng(0).integers(0, 2**63, m, np.uint64)
    return drawn * np.uint64(2) + np.uint64(1)
