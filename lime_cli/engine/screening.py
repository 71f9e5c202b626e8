"""Many components: which of them are worth a fit, so that time and memory stay bounded.

A Gram matrix of d components takes d² numbers a fold. Beyond ``MOST``, only the components are
fitted whose staying goes along most with the answers (sure independence screening: Fan & Lv 2008),
judged by the first samples, so that going on with more of them does not change the choice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import FloatArray, IntArray
from lime_cli.engine.neighbourhood import Law, Neighbourhood
from lime_cli.settings import Settings

MOST = 500
"""Components that are fitted together."""
MOST_CELLS = 2**24
"""Samples times components, from which on no more samples are drawn."""
CHUNK = 256
"""Components looked at in one matrix product."""


def allowed(n: int, d: int) -> bool:
    """Tell whether n samples of d components are not too many to go on to."""
    return d <= MOST or n * d <= MOST_CELLS


def screen(components: NDArray[np.generic], weights: FloatArray, answers: FloatArray) -> IntArray:
    """Choose components (d, n) by weighted correlation with any of the answers (k, n).

    Returns their places in ascending order, all of them where there are no more than ``MOST``.
    """
    d = len(components)
    if d <= MOST:
        return np.arange(d)
    mass = weights.sum()
    if mass == 0:
        return np.arange(MOST)
    centred = answers - (answers @ weights / mass)[:, None]
    size = np.sqrt((centred**2) @ weights)
    scaled = centred / np.where(size > 0, size, np.inf)[:, None] * weights
    score = np.empty(d)
    for start in range(0, d, CHUNK):
        some = components[start : start + CHUNK].astype(np.float64)
        mean = some @ weights / mass
        spread = (some**2) @ weights / mass - mean**2
        along = np.abs(some @ scaled.T - np.outer(mean, scaled.sum(axis=1))).max(axis=1)
        varying = spread > 1e-12
        score[start : start + CHUNK] = np.where(
            varying, along / np.sqrt(np.where(varying, spread, 1.0)), -1.0
        )
    return np.sort(np.argsort(-score, kind="stable")[:MOST])


def screen_samples(
    neighbourhood: Neighbourhood, targets: IntArray, settings: Settings
) -> tuple[Neighbourhood, IntArray]:
    """Return the neighbourhood in the components worth a fit, and which those are."""
    first = slice(1, 1 + settings.samples)
    chosen = screen(
        neighbourhood.interpretable[first].T,
        neighbourhood.weights[first],
        neighbourhood.predictions[first, targets].T,
    )
    if len(chosen) == neighbourhood.interpretable.shape[1]:
        return neighbourhood, chosen
    law = neighbourhood.law
    if law is not None:
        law = Law(law.means[chosen], law.covariance[np.ix_(chosen, chosen)])
    kept = neighbourhood.interpretable[:, chosen]
    return replace(neighbourhood, interpretable=kept, law=law), chosen


def unscreened(surrogates: tuple[Surrogate, ...], chosen: IntArray) -> tuple[Surrogate, ...]:
    """Number the components of surrogates as the instance does."""
    return tuple(
        replace(
            one,
            weights=tuple(w._replace(component=int(chosen[w.component])) for w in one.weights),
        )
        for one in surrogates
    )
