"""Rows of a table together: one sample set, one answer, lots of rows fitted in step.

A row alone goes the same way as a million, and no row's numbers depend on which others there are:
moments are taken row by row, everything after them number by number or matrix by matrix.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lime_cli.engine.answers import Answers
from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import FloatArray, IntArray, Model
from lime_cli.engine.moments import Moments
from lime_cli.engine.neighbourhood import (
    Summary,
    answers_of,
    draws_independently,
    weigh,
)
from lime_cli.engine.pool import Pool, alike, pool_of
from lime_cli.engine.proximity import width_of
from lime_cli.engine.row_moments import Row, moments_of_rows, stand_in_of
from lime_cli.engine.shared import SharedInstance
from lime_cli.engine.shortlist import length_of
from lime_cli.engine.stopping import out_of_time, settled
from lime_cli.engine.surrogate import fit_all
from lime_cli.engine.uncertainty import sandwiched
from lime_cli.engine.weights import surrogates_of
from lime_cli.settings import Settings

LOT_NUMBERS, LOT_ROWS = 2**20, 64
"""Numbers in the moments of the rows fitted in step, and rows, at most."""
Given = tuple[Pool, Model, Settings]


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
        fitted = _fitted_all(rows, waiting, (pool, model, settings))
        found.update((i, one) for i, one in fitted if one.stop or not more)
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


def _lots(
    rows: Sequence[Row], waiting: list[int], pool: Pool, settings: Settings | None
) -> Iterator[tuple[list[int], int | None]]:
    """Cut rows into lots of as many targets each, small enough to stay in the cache.

    Yields with each how many components to shortlist; None for all, as without ``settings``.
    """
    d, R = pool.d, pool.samples.n_blocks
    for _, places in alike([(len(rows[i].targets),) for i in waiting]):
        k = len(rows[waiting[places[0]]].targets)
        near, width = length_of(d, k, settings) if settings else None, 1 + d + 2 * k
        size = max(1, min(LOT_ROWS, LOT_NUMBERS // ((R + 1) * (near or width) * width)))
        for start in range(0, len(places), size):
            yield [waiting[i] for i in places[start : start + size]], near


def _fitted_all(
    rows: Sequence[Row], waiting: list[int], given: Given, closely: bool = True
) -> Iterator[tuple[int, Settled]]:
    """Fit rows lot by lot; by shortlists of components, where that is enough."""
    pool, _, settings = given
    lost: list[int] = []
    for some, near in _lots(rows, waiting, pool, settings if closely else None):
        fitted = _fitted([rows[i] for i in some], *given, near)
        lost += [i for i, one in zip(some, fitted, strict=True) if one is None]
        yield from ((i, one) for i, one in zip(some, fitted, strict=True) if one is not None)
    if lost:
        yield from _fitted_all(rows, lost, given, closely=False)


def _fitted(
    rows: list[Row], pool: Pool, model: Model, settings: Settings, near: int | None
) -> list[Settled | None]:
    """Fit rows in step; ``stop`` says why a row needs no more samples, or nothing.

    None stands for a row for which a shortlist of ``near`` components is not enough.
    """
    first = rows[0].instance
    moments, effective = moments_of_rows(rows, pool, settings, near)

    def sandwich(i: int, coefficients: FloatArray) -> tuple[FloatArray, FloatArray]:
        one = rows[i]
        neighbourhood = weigh(one.instance, pool, one.original, settings)
        column = stand_in_of(one, pool, settings)
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
    settled_ones = zip(surrogates, summaries, stops, strict=True)
    return [
        None if lost else Settled(*one) for one, lost in zip(settled_ones, fits.lost, strict=True)
    ]


def _summaries(
    rows: list[Row], pool: Pool, moments: Moments, effective: FloatArray, width: float
) -> Iterator[Summary]:
    low, high = pool.finite.min(axis=0), pool.finite.max(axis=0)
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
            n_failed=pool.n_failed,
        )
