"""Counts of tokens and of their n-grams, as a vectorizer counts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lime_cli.engine.instance import IntArray
from lime_cli.models.islands import Found

TABLE = 4_000_000
"""Codes up to which different ones are found by marking them in a table."""


class Columns:
    """Where a vectorizer counts a token or an n-gram."""

    def __init__(self, vectorizer: Any) -> None:
        self._hasher: Any = None
        self._vocabulary: dict[str, int] | None = None
        self.dtype = vectorizer.dtype
        if hasattr(vectorizer, "_get_hasher"):
            self._hasher = vectorizer._get_hasher()
            self.n, self._signed = vectorizer.n_features, not vectorizer.binary
        else:
            self._vocabulary = vectorizer.vocabulary_
            self.n = len(self._vocabulary)

    def of(self, names: list[str]) -> tuple[IntArray, IntArray]:
        """Return the column of each name, -1 for none, and what it counts there, 1 or -1."""
        if self._vocabulary is not None:
            get = self._vocabulary.get
            columns = np.array([get(name, -1) for name in names], np.int64)
            return columns, np.ones(len(names), np.int64)
        if not names:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        hashed = self._hasher.transform([[name] for name in names])
        signs = hashed.data.astype(np.int64)
        return hashed.indices.astype(np.int64), signs if self._signed else np.abs(signs)


class Counter:
    """Counts the tokens and n-grams of texts into a sparse matrix."""

    def __init__(self, columns: Columns, sizes: tuple[int, int]) -> None:
        """``sizes`` are those of the smallest and the largest n-gram, in tokens."""
        self._columns, self._sizes = columns, sizes

    def count(self, found: Found, names: list[str]) -> Any:
        """Return (n, columns) counts as a scipy.sparse matrix of rows, its indices sorted."""
        smallest, largest = self._sizes
        n = len(found.stands)
        counts = None
        if smallest == 1:
            counts = self._of_slots(found, names)
            if found.more.size:
                counts = counts + self._of_pairs(found.more[0], found.more[2], names, n)
        for size, rows, grams, different in _grams(found, names, largest):
            if size >= smallest:
                own = self._of_pairs(rows, grams, different, n)
                counts = own if counts is None else counts + own
        return counts

    def _of_slots(self, found: Found, names: list[str]) -> Any:
        """Count what stands or falls with whole columns: rows come out sorted at once."""
        from scipy import sparse

        columns, signs = self._columns.of(names)
        known = found.tokens[columns[found.tokens] >= 0]
        sources = found.sources[columns[found.tokens] >= 0]
        n, width = found.stands.shape
        keys, which = np.unique(columns[known] * width + sources, return_inverse=True)
        amounts = np.bincount(which, signs[known], len(keys)).astype(self._columns.dtype)
        stands = found.stands[:, keys % width]
        slots = np.flatnonzero(stands) % max(1, len(keys))
        ends = np.concatenate([[0], np.cumsum(stands.sum(axis=1))]).astype(np.int32)
        indices = (keys // width).astype(np.int32)[slots]
        counts = sparse.csr_matrix((amounts[slots], indices, ends), shape=(n, self._columns.n))
        counts.sum_duplicates()
        return counts

    def _of_pairs(self, rows: IntArray, grams: IntArray, names: list[str], n: int) -> Any:
        """Count n-grams, each in its row."""
        from scipy import sparse

        columns, signs = self._columns.of(names)
        known = columns[grams] >= 0
        grams = grams[known]
        amounts = signs[grams].astype(self._columns.dtype)
        places = (rows[known].astype(np.int32), columns[grams].astype(np.int32))
        counts = sparse.coo_matrix((amounts, places), shape=(n, self._columns.n)).tocsr()
        counts.sum_duplicates()
        return counts


def _grams(
    found: Found, names: list[str], largest: int
) -> Iterator[tuple[int, IntArray, IntArray, list[str]]]:
    """Yield, for each size from 2 on, rows and numbers of all n-grams, and those they number."""
    if largest < 2:
        return
    rows, tokens = _in_order(found)
    starts, grams, different = np.arange(len(rows)), tokens, names
    for size in range(2, largest + 1):
        grams = grams[starts + size <= len(rows)]
        starts = starts[starts + size <= len(rows)]
        whole = rows[starts] == rows[starts + size - 1]
        starts, grams = starts[whole], grams[whole]
        codes, grams = _different(grams * len(names) + tokens[starts + size - 1])
        different = [
            f"{different[code // len(names)]} {names[code % len(names)]}" for code in codes.tolist()
        ]
        yield size, rows[starts], grams, different


def _in_order(found: Found) -> tuple[IntArray, IntArray]:
    """Return rows and tokens of all texts, text by text and each from its beginning to its end."""
    rows, slots = np.nonzero(found.stands[:, found.sources])
    if not found.more.size:
        return rows, found.tokens[slots]
    rows = np.concatenate([rows, found.more[0]])
    places = np.concatenate([found.places[slots], found.more[1]])
    order = np.lexsort((places, rows))
    return rows[order], np.concatenate([found.tokens[slots], found.more[2]])[order]


def _different(codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return the different codes, ascending, and for each code which one it is."""
    if codes.max(initial=0) >= TABLE:
        different, which = np.unique(codes, return_inverse=True)
        return different, which
    seen = np.zeros(int(codes.max(initial=0)) + 1, bool)
    seen[codes] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]
