"""Which components marcotcr/lime keeps: its rules, over weighted samples of any numbers."""

from __future__ import annotations

import warnings

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, IntArray

HIGHEST_PENALTY = 0.01
"""L2, against unscaled weighted sums."""


def choose(
    selection: str,
    data: FloatArray | BoolArray,
    answers: FloatArray,
    weights: FloatArray,
    n: int,
) -> IntArray:
    """Return the columns of ``data`` (samples, d) that the fit keeps, in the order of the rule.

    ``lasso`` is lime's ``lasso_path``, ``forward`` and ``highest`` are the two that its ``auto``
    chooses from: the first for up to 6 components.
    """
    if selection == "none":
        return np.arange(data.shape[1])
    total = weights.sum()
    centred = data - weights @ data / total
    wanted = answers - weights @ answers / total
    if selection == "lasso":
        root = np.sqrt(weights)
        return _lasso_path(centred * root[:, None], wanted * root, n)
    gram = (centred * weights[:, None]).T @ centred
    correlation = (centred * weights[:, None]).T @ wanted
    if selection == "forward":
        return _forward(gram, correlation, n)
    fitted = np.linalg.solve(gram + HIGHEST_PENALTY * np.eye(len(gram)), correlation)
    return np.argsort(-np.abs(fitted * data[0]), kind="stable")[:n]


def _forward(gram: FloatArray, correlation: FloatArray, n: int) -> IntArray:
    """Add the column that raises R² most, n times; the first among equals, even if for nothing."""
    own, left, wanted = np.diag(gram).copy(), gram.copy(), correlation.copy()
    chosen: list[int] = []
    for _ in range(min(n, len(gram))):
        variance = np.diag(left)
        usable = variance > 1e-12 * np.maximum(own, 1e-300)
        gain = np.divide(wanted**2, variance, out=np.zeros(len(own)), where=usable)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        if usable[best]:
            row, scale = left[best].copy(), variance[best]
            wanted = wanted - row * (wanted[best] / scale)
            left = left - np.outer(row, row) / scale
    return np.array(chosen, np.int64)


def _lasso_path(data: FloatArray, answers: FloatArray, n: int) -> IntArray:
    """Walk the LASSO path back from its end to the first knot with at most n columns."""
    from sklearn.linear_model import lars_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, _, path = lars_path(data, answers, method="lasso")
    found = np.arange(data.shape[1])
    for knot in path.T[:0:-1]:
        found = np.flatnonzero(knot)
        if len(found) <= n:
            break
    return found
