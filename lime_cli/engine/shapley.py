"""Shapley values: ``--kernel shapley``.

The weights are the Shapley values of the game whose value for a set of kept components is the mean
prediction when all others take the values of a row of the background, all of one row. They are the
solution of a least squares problem under the Shapley kernel, constrained to add up to the
prediction (Lundberg & Lee 2017, theorem 2), here from masks and their complements (Covert & Lee
2021, section 4). Where all masks with all rows are asked about, they are exact.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import Instance
from lime_cli.engine.masks import BLOCKS, progressive
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, Model
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.engine.predictions import (
    count_repeated,
    distinct,
    predict_codes,
    predict_original,
)
from lime_cli.engine.surrogate import jackknife
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.warnings import Facts
from lime_cli.engine.weights import by_size, multiplier, others_of, without_rounding
from lime_cli.settings import Settings

CONDITIONING, DISTINCT = 1e-10, 16
"""Ridge of a fit, relative to the mean diagonal of its Gram matrix; samples a component from which
it needs none, as enough of them are neither twins nor complements.
"""


@dataclass(frozen=True)
class Shapley:
    """The Shapley kernel: (d - 1) / (C(d, m) m (d - m)) for a mask of m of d components."""

    def sizes(self, d: int) -> FloatArray:
        """Return the distribution of the number masked, (d + 1,); all zeros for d = 1."""
        m = np.arange(1, d)
        distribution = np.zeros(d + 1)
        distribution[1:-1] = 1.0 / (m * (d - m))
        return distribution / distribution.sum() if d > 1 else distribution


@dataclass(frozen=True, eq=False)
class Coalitions:
    """Masks, each with the place of the background's row that replaces what is masked."""

    masked: BoolArray
    """(n, d): between 1 and d - 1 in a sample."""
    row: NDArray[np.float64]
    """(n,) in [0, 1): which row."""
    block: IntArray
    """(n,)"""
    twins: IntArray
    """(pairs, 2): the same mask with two rows."""


@lru_cache(maxsize=8)
def coalitions(seed: int, d: int, n: int, random: bool) -> Coalitions:
    """Draw masks and their complements, each with two rows where rows differ."""
    each = 2 if random else 1
    length = -(-n // (2 * each * BLOCKS))
    masked = np.empty((length, BLOCKS, 2, each, d), bool)
    row = np.zeros((length, BLOCKS, 2, each))
    cumulative = np.cumsum(Shapley().sizes(d))[:-1]
    for block in range(BLOCKS):
        rng = np.random.default_rng([seed, d, block, 1 << 20])
        sizes, subsets, rows = rng.spawn(3)
        where = progressive(length, 1, sizes)[:, 0]
        m = np.clip(np.searchsorted(cumulative, where, side="right"), 1, d - 1)
        order = subsets.random((length, d)).argsort(axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(d)[None], axis=1)
        own = ranks < m[:, None]
        masked[:, block, 0], masked[:, block, 1] = own[:, None], ~own[:, None]
        row[:, block] = progressive(length, each, rows)[:, None]
    flat = masked.reshape(-1, d)
    block_of = np.broadcast_to(np.arange(BLOCKS)[:, None, None], row.shape[1:])
    blocks = np.broadcast_to(block_of, row.shape).reshape(-1)
    twins = np.arange(len(flat)).reshape(-1, 2) if random else np.zeros((0, 2), np.int64)
    return Coalitions(flat, row.reshape(-1), blocks, twins)


def every_coalition(d: int) -> tuple[BoolArray, FloatArray]:
    """Return all masks but the empty and the full one, and what each weighs."""
    masked = (np.arange(1, 2**d - 1)[:, None] >> np.arange(d) & 1).astype(bool)
    m = masked.sum(axis=1)
    ways = np.array([float(comb(d, int(size))) for size in range(d + 1)])
    return masked, (Shapley().sizes(d) / ways)[m]


def values(
    masked: BoolArray,
    weights: FloatArray,
    predictions: FloatArray,
    ends: tuple[float, float],
    ridge: float = 0.0,
) -> FloatArray:
    """Return Shapley values (d,) from the predictions (n,) to masks and those to ``ends``.

    ``ends`` are the prediction with everything masked, and that of the instance; ``ridge`` is
    relative to the mean diagonal of the Gram matrix.
    """
    kept = (~masked).astype(np.float64)
    d = kept.shape[1]
    total = ends[1] - ends[0]
    if d == 1:
        return np.array([total])
    gram = (kept * weights[:, None]).T @ kept
    gram[np.arange(d), np.arange(d)] += ridge * np.trace(gram) / d
    wanted = (kept * weights[:, None]).T @ (predictions - ends[0])
    both = np.linalg.solve(gram, np.stack([wanted, np.ones(d)], axis=1))
    return np.asarray(both[:, 0] - both[:, 1] * (both[:, 0].sum() - total) / both[:, 1].sum())


@dataclass(frozen=True, eq=False)
class Values:
    """Shapley values of one output."""

    weights: FloatArray
    """(d,)"""
    folds: FloatArray
    """(B, d): without each block; (0, d) where everything was asked about."""
    baseline: float
    """The mean prediction with everything masked."""
    fidelity: float
    """Of what masking decides, the share that a sum of the values explains; nan where nothing."""
    spread: float
    """Share of the variance that is due to which row was drawn."""


def estimated(drawn: Coalitions, predictions: FloatArray, ends: tuple[float, float]) -> Values:
    """Estimate Shapley values from drawn coalitions, (n,) answers."""
    n, d = drawn.masked.shape
    ones, ridge = np.ones(n), CONDITIONING * (n < DISTINCT * d)
    weights = values(drawn.masked, ones, predictions, ends, ridge)
    folds, left = [], np.empty(n)
    for block in range(BLOCKS):
        rest = drawn.block != block
        fold = values(drawn.masked[rest], ones[rest], predictions[rest], ends, ridge)
        folds.append(fold)
        left[~rest] = ends[0] + (~drawn.masked[~rest]) @ fold
    missed, about = predictions - left, predictions - predictions.mean()
    if len(drawn.twins):
        lost = float(np.prod(missed[drawn.twins], axis=1).mean())
        total = float(np.prod(about[drawn.twins], axis=1).mean())
    else:
        lost, total = float((missed**2).mean()), float((about**2).mean())
    raw = float((about**2).mean())
    fidelity = 1.0 - lost / total if total > 1e-24 * max(1e-300, ends[1] ** 2) else np.nan
    spread = min(1.0, max(0.0, 1.0 - total / raw)) if raw > 0 else 0.0
    return Values(weights, np.array(folds), ends[0], fidelity, spread)


def exact(
    masked: BoolArray, weights: FloatArray, means: FloatArray, ends: tuple[float, float]
) -> Values:
    """Return the Shapley values of the mean predictions (n,) to every mask."""
    d = masked.shape[1]
    shapley = values(masked, weights, means, ends)
    if d == 1:
        return Values(shapley, np.zeros((0, d)), ends[0], 1.0, 0.0)
    missed = means - ends[0] - (~masked) @ shapley
    about = means - weights @ means / weights.sum()
    total = float(weights @ about**2)
    fidelity = 1.0 - float(weights @ missed**2) / total if total > 0 else np.nan
    return Values(shapley, np.zeros((0, d)), ends[0], fidelity, 0.0)


class ShapleyResult(NamedTuple):
    """What is found of one instance."""

    surrogates: tuple[Surrogate, ...]
    facts: Facts
    neighbourhood: Neighbourhood


def explain_one(instance: Instance, model: Model, settings: Settings) -> ShapleyResult:
    """Compute the Shapley values of one instance, from more and more samples."""
    d, rows = len(instance.components), instance.n_rows
    original = predict_original(instance, model, settings)
    targets = choose_targets(settings.targets, model, original)
    nothing = instance.joint(np.ones((rows, d), bool), (np.arange(rows) + 0.5) / rows)
    baseline = _predicted(instance, model, nothing, settings)
    level = baseline.mean(axis=0)
    most = settings.most_samples
    n, began = settings.samples, time.monotonic()
    while True:
        if d == 1 or (2**d - 2) * rows <= n:
            return _exhausted(instance, model, settings, original, (targets, baseline))
        drawn = coalitions(settings.seed, d, n, instance.random and rows > 1)
        predictions = _predicted(instance, model, instance.joint(drawn.masked, drawn.row), settings)
        estimates = [estimated(drawn, predictions[:, t], (level[t], original[t])) for t in targets]
        surrogates = tuple(
            _surrogate(estimate, t, model, float(original[t]), settings)
            for estimate, t in zip(estimates, targets, strict=True)
        )
        if settings.max_samples is None:
            stop = "samples"
        elif all(_converged(surrogate, settings) for surrogate in surrogates):
            stop = "resolved"
        elif 2 * n > most:
            stop = "max_samples"
        elif settings.time_limit and 3 * (time.monotonic() - began) > settings.time_limit:
            stop = "time"
        else:
            n *= 2
            continue
        spread = predictions[:, targets]
        facts = _facts(original, (len(predictions), d, BLOCKS), spread, targets, stop)
        return ShapleyResult(
            surrogates, facts, _neighbourhood(drawn.masked, predictions, original, drawn.block)
        )


def _predicted(instance: Instance, model: Model, codes: IntArray, settings: Settings) -> FloatArray:
    """Ask about samples, each distinct one once; (n, k)."""
    settings = replace(settings, drop_failed=0.0)  # a game has no holes
    first, inverse = distinct(codes)
    count_repeated(model, len(inverse) - len(first))
    return predict_codes(instance, model, codes[first], settings)[inverse]


def _exhausted(
    instance: Instance,
    model: Model,
    settings: Settings,
    original: FloatArray,
    known: tuple[list[int], FloatArray],
) -> ShapleyResult:
    """Ask about every mask with every row."""
    (targets, baseline), d, rows = known, len(instance.components), instance.n_rows
    masked, weights = every_coalition(d)
    means = np.empty((len(masked), baseline.shape[1]))
    if len(masked):
        every = np.repeat(masked, rows, axis=0)
        row = np.tile((np.arange(rows) + 0.5) / rows, len(masked))
        predictions = _predicted(instance, model, instance.joint(every, row), settings)
        means = predictions.reshape(len(masked), rows, -1).mean(axis=1)
    level = baseline.mean(axis=0)
    surrogates = tuple(
        _surrogate(
            exact(masked, weights, means[:, t], (level[t], original[t])),
            t,
            model,
            float(original[t]),
            settings,
        )
        for t in targets
    )
    seen = np.vstack([baseline, means])[:, targets]
    n = (len(masked) + 1) * rows
    facts = _facts(original, (n, d, 1), seen, targets, "exhaustive")
    block = np.zeros(len(masked), np.int64)
    return ShapleyResult(surrogates, facts, _neighbourhood(masked, means, original, block))


def _surrogate(
    values: Values, target: int, model: Model, original: float, settings: Settings
) -> Surrogate:
    """Return values as plain data, the largest first; ``features`` says how many are shown."""
    d, B = len(values.weights), len(values.folds)
    scale = max(abs(original), abs(values.baseline))
    errors = without_rounding(jackknife(values.folds, 0) if B else np.zeros(d), scale)
    weights = without_rounding(values.weights, scale)
    order = np.argsort(-np.abs(weights), kind="stable")
    flat = bool(np.isnan(values.fidelity))
    n = 0 if flat else d if settings.selection == "none" else min(d, settings.features)
    there = np.zeros(d, bool)
    there[order[:n]] = True
    wide = errors * multiplier(max(1, B), n, d)
    largest = np.argsort(-np.abs(values.folds), axis=1, kind="stable")[:, :n]
    selected = np.bincount(largest.ravel(), minlength=d) / B if B else np.ones(d)
    hidden = values.folds[:, ~there].sum(axis=1)
    error = float(without_rounding(jackknife(hidden, 0), scale)) if B else 0.0
    return Surrogate(
        target=target,
        name=model.identity.targets[target],
        model_prediction=original,
        intercept=float(values.baseline),
        local_prediction=original,
        fidelity=None if flat else float(np.clip(values.fidelity, -1.0, 1.0)),
        fit_r2=None,
        weights=by_size(weights, (errors, wide), there, selected),
        spread=values.spread,
        others=others_of(
            float(weights[~there].sum()), d - n, error, error * multiplier(max(1, B), 1, 1)
        ),
        every_weight=tuple(weights.tolist()),
    )


def _converged(surrogate: Surrogate, settings: Settings) -> bool:
    """Tell whether every interval shown is narrow enough."""
    sizes = [abs(weight.weight) for weight in surrogate.weights]
    halves = [weight.half_width for weight in surrogate.weights]
    return max(halves, default=0.0) <= settings.tolerance * max(sizes, default=0.0)


def _facts(
    original: FloatArray,
    sizes: tuple[int, int, int],
    predictions: FloatArray,
    targets: list[int],
    stop: str,
) -> Facts:
    n, d, n_blocks = sizes
    everything = np.vstack([predictions, original[targets][None]])
    return Facts(
        original=original,
        n=n,
        d=d,
        n_blocks=n_blocks,
        effective_samples=float(n),
        deviation=everything.std(axis=0),
        reach=np.ptp(everything, axis=0),
        flat=np.zeros(len(targets), bool),
        converged=True,
        n_failed=0,
        stop=stop,
    )


def _neighbourhood(
    masked: BoolArray, predictions: FloatArray, original: FloatArray, block: IntArray
) -> Neighbourhood:
    d = masked.shape[1]
    n = len(masked)
    return Neighbourhood(
        interpretable=np.vstack([np.ones((1, d), bool), ~masked]),
        predictions=np.vstack([original[None], predictions]),
        weights=np.concatenate([[0.0], np.full(n, 1.0 / max(1, n))]),
        block=np.concatenate([[-1], block]),
        n_blocks=int(block.max(initial=0)) + 1,
        twins=np.zeros((0, 2), np.int64),
        kernel_width=float("inf"),
    )
