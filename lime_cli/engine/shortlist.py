"""Wide tables: paths to few of many components, for which few rows of the Gram matrix are enough.

A Gram matrix of d components takes d² products a sample; the path to K of them reads the rows of
those that join. So the rows of a shortlist are taken, the components that go along most with the
answers in any fold, and the path is walked over all components. One that would let another join is
lost, and walked again with the whole matrix: the answer is that of the whole matrix always.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lime_cli.engine.grams import Grams, deviation_of
from lime_cli.engine.instance import BoolArray, FloatArray, IntArray
from lime_cli.engine.lasso import lasso_path
from lime_cli.engine.moments import Moments, Problem
from lime_cli.engine.uncertainty import Sandwich
from lime_cli.settings import Settings

SPARE = 8
"""Components of a target's shortlist beyond two for each that is wanted."""
WORTH = 3
"""Components for each of a shortlist from which on it saves time."""


def length_of(d: int, k: int, settings: Settings) -> int | None:
    """Return how many of d components to look at closely for k targets; None for all."""
    m = k * (2 * settings.features + SPARE)
    return m if settings.selection == "lasso" and d >= WORTH * m else None


def choose(problem: Problem, near: IntArray, n: int) -> tuple[BoolArray, BoolArray]:
    """Choose n components of each shortlist (b, m): (b, folds, k, m), and which b are lost."""
    b, folds, k, d = problem.correlations.shape
    m = near.shape[1]
    means = problem.means[..., :d]
    variance = (means * (1.0 - means)).reshape(-1, d)
    deviation = deviation_of(variance)
    place = np.full((b, d), -1)
    np.put_along_axis(place, near, np.broadcast_to(np.arange(m), near.shape), axis=1)
    which = np.repeat(np.arange(b * folds), k)
    given = Grams(
        problem.grams.reshape(-1, m, d), np.repeat(place, folds, axis=0), variance, deviation
    )
    path = lasso_path(given, which, problem.correlations.reshape(-1, d) / deviation[which], n)
    joined = (path.entry >= 0).reshape(b, folds, k, d)
    chosen = np.take_along_axis(joined, near[:, None, None], axis=3)
    return chosen, np.asarray(path.lost.reshape(b, -1).any(axis=1))


def of_shortlist(moments: Moments, problem: Problem) -> tuple[Moments, Problem]:
    """Return moments and problem in the components of the shortlist alone."""
    near = moments.near
    assert near is not None
    (b, m), d, c = near.shape, moments.d, moments.blocks.shape[3] - 1 - moments.d
    ends = np.broadcast_to(np.arange(1 + d, 1 + d + c), (b, c))
    columns = np.hstack([np.zeros((b, 1), np.int64), 1 + near, ends])
    blocks = np.take_along_axis(moments.blocks, columns[:, None, None], axis=3)
    shift = np.take_along_axis(moments.shift, columns[:, 1:] - 1, axis=1)
    fitted = np.broadcast_to(np.arange(d, d + moments.k), (b, moments.k))
    means = np.take_along_axis(problem.means, np.hstack([near, fitted])[:, None], axis=2)
    closer = near[:, None, None]
    return Moments(blocks, shift, m, moments.k, moments.n), replace(
        problem,
        grams=np.take_along_axis(problem.grams, closer, axis=3),
        correlations=np.take_along_axis(problem.correlations, closer, axis=3),
        means=means,
    )


def spread(values: FloatArray | BoolArray, near: IntArray, d: int, fill: float) -> FloatArray:
    """Return values (b, ..., m) of a shortlist as those of all d components, others ``fill``."""
    found = np.full((*values.shape[:-1], d), fill, values.dtype)
    places = near.reshape(len(near), *[1] * (values.ndim - 2), -1)
    np.put_along_axis(found, np.broadcast_to(places, values.shape), values, axis=-1)
    return found


def widely(sandwich: Sandwich | None, near: IntArray, d: int) -> Sandwich | None:
    """Return a ``sandwich`` of coefficients of all d components as one of shortlists (b, m)."""
    if sandwich is None:
        return None

    def closer(i: int, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        own = near[i : i + 1]
        errors, half_widths = sandwich(i, spread(coefficients[None], own, d, np.nan)[0])
        return errors[:, own[0]], half_widths[:, own[0]]

    return closer
