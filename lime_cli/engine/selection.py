"""Which components a surrogate keeps: the rules, on Gram matrices, many problems in step.

A rule takes ``grams`` (g, d, d), ``which`` of them (P,) each problem uses, ``correlations`` (P, d)
and a number of components; it returns the choice (P, d).
"""

from __future__ import annotations

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.engine.grams import deviation_of, whole
from lime_cli.engine.lasso import lasso_path
from lime_cli.engine.refit import refit


def _by_lasso(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Walk the path over standardised components to the first knot with n (K-LASSO)."""
    deviation = deviation_of(np.einsum("gii->gi", grams))
    return lasso_path(whole(grams, deviation), which, correlations / deviation[which], n).entry >= 0


def _by_forward(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Add the component that raises R² most, n times, by rank-one updates of the Gram matrices."""
    left, wanted = grams[which].copy(), np.array(correlations, float)
    own = np.einsum("pii->pi", left).copy()
    problems, chosen = np.arange(len(which)), np.zeros(correlations.shape, bool)
    for _ in range(min(n, correlations.shape[1])):
        variance = np.einsum("pii->pi", left)
        usable = ~chosen & (variance > 1e-9 * own) & (own > 0)
        gain = np.divide(wanted**2, variance, out=np.full(own.shape, -1.0), where=usable)
        best = gain.argmax(axis=1)
        good = gain[problems, best] > 0
        chosen[problems[good], best[good]] = True
        scale = np.where(good, variance[problems, best], np.inf)
        row = left[problems, best]
        wanted = wanted - row * (wanted[problems, best] / scale)[:, None]
        left = left - row[:, :, None] * row[:, None, :] / scale[:, None, None]
    return chosen


def _by_weight(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take the n largest standardised weights of the fit on all components."""
    everything = np.ones(correlations.shape, bool)
    weights = refit(grams, which, correlations, everything, np.zeros(len(which)))
    deviation = deviation_of(np.einsum("gii->gi", grams))
    size = np.abs(weights) * np.where(deviation < np.inf, deviation, 0.0)[which]
    order = np.argsort(-size, axis=1, kind="stable")[:, :n]
    chosen = np.zeros(correlations.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen & (size > 0)


def _all(grams: FloatArray, which: IntArray, correlations: FloatArray, n: int) -> BoolArray:
    """Take every component, however many."""
    return np.ones(correlations.shape, bool)


SELECT = {"lasso": _by_lasso, "forward": _by_forward, "highest": _by_weight, "none": _all}
