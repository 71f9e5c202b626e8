"""Rows of a table together: one sample set, one answer, lots of rows fitted in step.

A row alone goes the same way as a million, and no row's numbers depend on which others there are:
moments are taken row by row, everything after them number by number or matrix by matrix.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lime_cli.engine.control import Tabular, controllable, controlled
from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import FloatArray, IntArray, Model
from lime_cli.engine.moments import Moments
from lime_cli.engine.neighbourhood import (
    Answers,
    Summary,
    answers_of,
    draws_independently,
    weigh,
)
from lime_cli.engine.pool import Pool, alike, pool_of
from lime_cli.engine.proximity import proximity_of, width_of
from lime_cli.engine.shared import SharedInstance
from lime_cli.engine.stopping import out_of_time, settled
from lime_cli.engine.surrogate import fit_all
from lime_cli.engine.uncertainty import sandwiched
from lime_cli.engine.weights import surrogates_of
from lime_cli.settings import Settings

LOT_NUMBERS, LOT_ROWS = 2**21, 64
"""Numbers in the moments of the rows fitted in step, and rows, at most."""


@dataclass(frozen=True, eq=False)
class Row:
    """A row, what the model says of it, and which of its outputs are explained."""

    instance: SharedInstance
    original: FloatArray
    targets: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Settled:
    """What became of a row."""

    surrogates: tuple[Surrogate, ...]
    summary: Summary
    stop: str


def settle_rows(
    rows: Sequence[Row], model: Model, settings: Settings, answered: dict[str, Answers]
) -> list[Settled]:
    """Fit rows of one pool, going on with twice the samples for those that are not settled.

    What a row gets depends on its own needs only: the first samples of a pool are the same however
    many another row has asked for.
    """
    found: dict[int, Settled] = {}
    n, waiting, began = settings.samples, list(range(len(rows))), time.monotonic()
    unsettled = "samples" if settings.max_samples is None else "max_samples"
    while waiting:
        pool = _answered(rows[0].instance, model, settings, n, answered)
        more = settings.max_samples is not None and 2 * n <= settings.max_samples
        if more and out_of_time(began, 2.0, settings):
            more, unsettled = False, "time"
        for some in _lots(rows, waiting, pool):
            fitted = _fitted([rows[i] for i in some], pool, model, settings)
            found.update(
                (i, one) for i, one in zip(some, fitted, strict=True) if one.stop or not more
            )
        waiting = [i for i in waiting if i not in found]
        n *= 2
    return [replace(found[i], stop=found[i].stop or unsettled) for i in range(len(rows))]


def _answered(
    instance: SharedInstance, model: Model, settings: Settings, n: int, known: dict[str, Answers]
) -> Pool:
    """Return the pool of n samples, asking what is not known yet."""
    answers = answers_of(instance, model, settings, n, known)
    if not isinstance(answers, Pool):
        answers = known[f"{n}:{instance.pool}"] = pool_of(instance, answers)
    return answers


def _lots(rows: Sequence[Row], waiting: list[int], pool: Pool) -> Iterator[list[int]]:
    """Cut rows into lots of as many targets each, small enough to stay in the cache."""
    d, R = len(pool.n_bins), pool.samples.n_blocks
    for _, places in alike([(len(rows[i].targets),) for i in waiting]):
        p = 1 + d + 2 * len(rows[waiting[places[0]]].targets)
        size = max(1, min(LOT_ROWS, LOT_NUMBERS // ((R + 1) * p**2)))
        for start in range(0, len(places), size):
            yield [waiting[i] for i in places[start : start + size]]


def _fitted(rows: list[Row], pool: Pool, model: Model, settings: Settings) -> list[Settled]:
    """Fit rows in step; ``stop`` says why a row needs no more samples, or nothing."""
    first = rows[0].instance
    moments, effective = _moments(rows, pool, settings)

    def sandwich(i: int, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        one = rows[i]
        neighbourhood = weigh(one.instance, pool, one.original, settings)
        column = _stand_in(one, pool, settings)
        return sandwiched(
            replace(neighbourhood, assisted=column), np.array(one.targets), coefficients
        )

    independent = draws_independently(first, settings)
    fits = fit_all(moments, settings, sandwich if independent else None)
    if pool.samples.n_blocks == 1:
        stops = ["exhaustive"] * len(rows)
    elif settings.max_samples is None:
        stops = [""] * len(rows)
    else:
        stops = ["resolved" if one else "" for one in settled(fits, settings)]
    originals = np.stack([row.original for row in rows])
    names = model.identity.targets
    surrogates = surrogates_of(fits, originals, [row.targets for row in rows], names)
    summaries = _summaries(rows, pool, moments, effective, width_of(first, settings))
    return [Settled(*one) for one in zip(surrogates, summaries, stops, strict=True)]


def _moments(rows: list[Row], pool: Pool, settings: Settings) -> tuple[Moments, FloatArray]:
    """Take the moments of every row and its effective sample size (rows,).

    Rows that lie in the same bins share their samples' moments. What assists, a column for each
    row and target, stands between the components and the answers.
    """
    places = [pool.places(row.instance.own_bins) for row in rows]
    stand_ins = [_stand_in(row, pool, settings) for row in rows]
    proximity = proximity_of(rows[0].instance, settings)
    d, k, R = len(places[0]), len(rows[0].targets), pool.samples.n_blocks
    p = 1 + d + k * (1 if stand_ins[0] is None else 2)
    blocks, shift = np.empty((len(rows), R + 1, p, p)), np.zeros((len(rows), p - 1))
    effective = np.empty(len(rows))
    keys = [
        (place.tobytes(), row.targets, i if aid is not None else None)
        for i, (place, row, aid) in enumerate(zip(places, rows, stand_ins, strict=True))
    ]
    owns = np.stack([_own(row, aid) for row, aid in zip(rows, stand_ins, strict=True)])
    for i, same in alike(keys):
        weights = pool.weights(places[i], proximity)
        mass, columns = float(weights.sum()), _columns(rows[i], stand_ins[i], pool)
        shift[same, d:] = columns @ weights / mass if mass > 0 else owns[same]
        blocks[same, :R] = pool.moments(places[i], weights, columns - shift[i, d:, None])
        effective[same] = (1.0 + mass) ** 2 / (1.0 + float(weights @ weights))
    itself = np.hstack([np.ones((len(rows), 1 + d)), owns - shift[:, d:]])
    blocks[:, R] = itself[:, :, None] * itself[:, None, :]
    return Moments(blocks, shift, d, k), effective


def _columns(row: Row, stand_in: FloatArray | None, pool: Pool) -> FloatArray:
    """Return what is regressed of the samples, (c, R * width)."""
    answers = pool.answers[list(row.targets)]
    if stand_in is None:
        return answers
    return np.vstack([pool.spread_out(stand_in[1:]), answers])


def _own(row: Row, stand_in: FloatArray | None) -> FloatArray:
    """Return what is regressed of the row itself, (c,)."""
    own = row.original[list(row.targets)]
    return own if stand_in is None else np.concatenate([stand_in[0], own])


def _stand_in(row: Row, pool: Pool, settings: Settings) -> FloatArray | None:
    """Return what is fitted instead of the answers, (1 + n, targets), the row itself first."""
    instance = row.instance
    if not (isinstance(instance, Tabular) and settings.assists(shared=True)):
        return None
    if not controllable(instance, pool):
        return None
    neighbourhood = weigh(instance, pool, row.original, settings)
    return controlled(instance, pool, neighbourhood, np.array(row.targets))


def _summaries(
    rows: list[Row], pool: Pool, moments: Moments, effective: FloatArray, width: float
) -> Iterator[Summary]:
    low, high = pool.predictions.min(axis=0), pool.predictions.max(axis=0)
    targets: IntArray = np.array([row.targets for row in rows])
    own = np.stack([row.original[list(row.targets)] for row in rows])
    deviation = np.sqrt(moments.variance)
    lowest, highest = np.minimum(low[targets], own), np.maximum(high[targets], own)
    for i, row in enumerate(rows):
        yield Summary(
            original=row.original,
            n=pool.n,
            d=moments.d,
            n_blocks=pool.samples.n_blocks,
            effective_samples=float(effective[i]),
            kernel_width=width,
            deviation=deviation[i],
            low=lowest[i],
            high=highest[i],
        )
