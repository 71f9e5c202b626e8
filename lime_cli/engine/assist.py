"""Assisted estimation: a cheap model takes away variance and leaves the weights alone.

Any function g of the mask may serve as a control: h = g minus its own weighted linear projection
has the projection zero, so that answers less c h have the same weights as the answers, with less
noise where g is right (control variates; the projection is taken over a large pool of masks that
the model is never asked about). Here g is a polynomial of degree 3 in two things: the index of a
linear model on the logit scale, and the share of components kept. It is fitted out of fold, so
that no answer assists itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lime_cli.engine import designs
from lime_cli.engine.instance import Design, FloatArray, Instance, IntArray
from lime_cli.engine.neighbourhood import Law, Neighbourhood
from lime_cli.engine.proximity import proximity_at
from lime_cli.settings import Settings

FOLDS = 4
POOL, POOL_SHARE, POOL_WORK = 16_384, 8, 2**30
"""Masks in the pool, at least; per sample, at least; times components squared, at most.

The pool's own error is not seen by the error bars, so that it must be small beside the samples'.
"""
FAINTEST = 1e-200
"""What the pool's masks weigh together, at least: in a kernel too narrow for any, nothing helps."""
EDGE = 0.02
"""Shares are kept this far from 0 and 1 before the logit."""

Cheap = Callable[[FloatArray, FloatArray], FloatArray]
"""From masks with a leading one, and how much of the instance each keeps, to values."""


def assisted(
    instance: Instance, neighbourhood: Neighbourhood, targets: IntArray, settings: Settings
) -> Neighbourhood:
    """Take from the answers what the cheap model explains beyond the weights; add the law."""
    Z = _with_one(neighbourhood.interpretable.astype(float))
    weights = neighbourhood.weights
    level = neighbourhood.predictions[0, targets]
    answers = neighbourhood.predictions[:, targets] - level
    fold = np.concatenate([[0], np.arange(len(Z) - 1) % neighbourhood.n_blocks % FOLDS])
    size = pool_size(Z.shape[1] - 1, len(Z) - 1)
    pool, pool_weights = _pool(instance, settings, size)
    if pool_weights.sum() < FAINTEST:
        return neighbourhood
    project, gram = _projection(pool, pool_weights)
    shares, pool_shares = _share_kept(Z), _share_kept(pool)
    controls = np.zeros_like(answers)
    for target in range(len(targets)):
        for one in range(FOLDS):
            own = fold == one
            known = (Z[~own], shares[~own], answers[~own, target], weights[~own])
            cheap = _cheap_model(*known)
            expected = project(cheap(pool, pool_shares))
            controls[own, target] = cheap(Z[own], shares[own]) - Z[own] @ expected
    left = level + answers - controls * _slopes(Z, weights, controls, answers)
    return replace(neighbourhood, assisted=left, law=_law(gram))


def pool_size(d: int, n: int) -> int:
    """Return how many masks the pool needs for d components and n samples; 0 if too many."""
    wanted = max(POOL_SHARE * n, min(POOL, POOL_WORK // (d + 1) ** 2))
    return wanted if wanted * (d + 1) ** 2 <= POOL_WORK else 0


def _pool(instance: Instance, settings: Settings, n: int) -> tuple[FloatArray, FloatArray]:
    """Draw n masks by the instance's law: (n, 1 + d) with a leading one, and their weights."""
    rng = np.random.default_rng(
        np.random.SeedSequence([*settings.entropy_for(instance.pool), FOLDS])
    )
    samples = instance.sample(n, Design(designs.DESIGNS["sobol"]), rng)
    masks = instance.interpretable(samples.codes)
    proximity = proximity_at(instance, settings, masks)
    return _with_one(masks.astype(float)), proximity * samples.mass


def _law(gram: FloatArray) -> Law:
    """Return the moments of the components from the Gram matrix of the pool, its one first."""
    shares = gram / gram[0, 0]
    means = shares[0, 1:]
    return Law(means, shares[1:, 1:] - np.outer(means, means))


def _projection(
    Z: FloatArray, weights: FloatArray
) -> tuple[Callable[[FloatArray], FloatArray], FloatArray]:
    """Return what projects a function, given by its values on Z, onto the columns of Z.

    And the weighted Gram matrix of these.
    """
    weighted = Z * weights[:, None]
    gram = weighted.T @ Z
    inverse = np.linalg.inv(gram + np.eye(len(gram)) * 1e-10 * np.trace(gram) / len(gram))
    return lambda values: inverse @ (weighted.T @ values), gram


def _cheap_model(
    Z: FloatArray, shares: FloatArray, answers: FloatArray, weights: FloatArray
) -> Cheap:
    index = _least_squares(Z, _logit(answers), weights, 1e-4)
    features = _polynomial(Z @ index, shares)
    centre, scale = features.mean(axis=0), features.std(axis=0) + 1e-12
    centre[0], scale[0] = 0.0, 1.0
    slopes = _least_squares((features - centre) / scale, answers, weights, 1e-6) / scale
    level = float(centre @ slopes)
    return lambda masks, kept: _value(slopes, masks @ index, kept) - level


def _value(slopes: FloatArray, s: FloatArray, m: FloatArray) -> FloatArray:
    """Return ``_polynomial(s, m) @ slopes`` without laying the products out."""
    one, *of = slopes
    in_s = s * (of[0] + s * (of[1] + s * of[2]))
    in_m = m * (of[3] + m * (of[4] + m * of[5]))
    return np.asarray(in_s + in_m + s * m * (of[6] + of[7] * s + of[8] * m) + one)


def _polynomial(s: FloatArray, m: FloatArray) -> FloatArray:
    """Return all products of up to three of: the index, the share kept."""
    s2, m2 = s * s, m * m
    powers = [np.ones_like(s), s, s2, s2 * s, m, m2, m2 * m, s * m, s2 * m, s * m2]
    return np.stack(powers).T


def _share_kept(Z: FloatArray) -> FloatArray:
    """Return how much of the instance each mask keeps, (n,)."""
    return np.asarray((Z.sum(axis=1) - 1) / (Z.shape[1] - 1))


def _logit(answers: FloatArray) -> FloatArray:
    """Map the range of the answers to the logit scale; the same for a x + b as for x."""
    low, high = answers.min(), answers.max()
    share = np.clip((answers - low) / max(high - low, 1e-300), EDGE, 1 - EDGE)
    return np.asarray(np.log(share / (1 - share)))


def _slopes(
    Z: FloatArray, weights: FloatArray, controls: FloatArray, answers: FloatArray
) -> FloatArray:
    """Return each control's coefficient (targets,) in the regression on the components and it."""
    project, _ = _projection(Z, weights)
    left = controls - Z @ project(controls)
    spread = (weights[:, None] * left**2).sum(axis=0)
    together = (weights[:, None] * left * answers).sum(axis=0)
    slopes: FloatArray = np.zeros_like(spread)
    np.divide(together, spread, out=slopes, where=spread > 1e-300)
    return slopes


def _least_squares(
    A: FloatArray, values: FloatArray, weights: FloatArray, ridge: float
) -> FloatArray:
    weighted = A * weights[:, None]
    gram = weighted.T @ A
    gram += np.eye(len(gram)) * ridge * np.trace(gram) / len(gram)
    return np.asarray(np.linalg.solve(gram, weighted.T @ values))


def _with_one(masks: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(masks), 1)), masks])
