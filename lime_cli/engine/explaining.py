"""From instances to explanations: draw, ask, weigh, fit, and go on until it is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import cast

import numpy as np

from lime_cli.engine.assist import FOLDS, assisted, pool_size
from lime_cli.engine.caveats import judge
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import FloatArray, Instance, Model
from lime_cli.engine.neighbourhood import Answers, Neighbourhood, answers_of, ask_originals, weigh
from lime_cli.engine.rows import Row, Settled, settle_rows
from lime_cli.engine.screening import MOST, may_double, screen_samples, unscreened
from lime_cli.engine.shared import SharedInstance
from lime_cli.engine.stopping import settled
from lime_cli.engine.surrogate import Fit, fit
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.tree import tree_surrogates, trees_settled
from lime_cli.engine.weights import surrogates_of
from lime_cli.errors import SettingsError
from lime_cli.settings import Settings


def explain_all(
    instances: list[Instance], model: Model, settings: Settings, answered: dict[str, Answers]
) -> Iterator[Explanation]:
    """Explain instances in order; ``answered`` keeps the answers of shared pools, by pool."""
    for pool, together in groupby(instances, lambda one: one.pool if one.shared else None):
        if pool is None:
            for instance in together:
                original = ask_originals([instance], model)[0]
                found = _settle(instance, original, model, settings, {})
                yield _explanation(instance, model, settings, found)
            continue
        yield from _of_rows(cast("list[SharedInstance]", list(together)), model, settings, answered)


def _of_rows(
    instances: list[SharedInstance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers],
) -> Iterator[Explanation]:
    """Explain instances of one pool."""
    originals = ask_originals(instances, model)
    by_size = instances[0].distance == "standardised"
    if by_size and settings.surrogate == "tree":
        raise SettingsError("--bins none: the rules of a tree need bins", "leave one out")
    wide = len(instances[0].components) > MOST
    if by_size or wide or settings.surrogate == "tree":
        for instance, original in zip(instances, originals, strict=True):
            found = _settle(instance, original, model, settings, answered)
            yield _explanation(instance, model, settings, found)
        return
    rows = [
        Row(instance, original, tuple(choose_targets(settings.targets, model, original)))
        for instance, original in zip(instances, originals, strict=True)
    ]
    for row, found in zip(rows, settle_rows(rows, model, settings, answered), strict=True):
        yield _explanation(row.instance, model, settings, found)


def _explanation(
    instance: Instance, model: Model, settings: Settings, found: Settled
) -> Explanation:
    summary = found.summary
    caveats = judge(instance, model, summary, found.surrogates, settings, found.stop)
    return Explanation(
        subject=instance.subject,
        model=model.identity,
        components=instance.components,
        skipped=instance.skipped,
        surrogates=found.surrogates,
        caveats=tuple(caveats),
        samples=summary.n,
        effective_samples=summary.effective_samples,
        kernel_width=summary.kernel_width,
        stop=found.stop,
        settings=settings,
    )


def _settle(
    instance: Instance,
    original: FloatArray,
    model: Model,
    settings: Settings,
    pool: dict[str, Answers],
) -> Settled:
    """Draw, ask and fit one instance, doubling the samples until its surrogates are settled."""
    targets = choose_targets(settings.targets, model, original)
    n = settings.samples
    while True:
        answers = answers_of(instance, model, settings, n, pool)
        neighbourhood = weigh(instance, answers, original, settings)
        neighbourhood = _assisted(instance, neighbourhood, targets, settings)
        fitted, chosen = None, np.arange(0)
        if settings.surrogate == "linear":
            narrow, chosen = screen_samples(neighbourhood, np.array(targets), settings)
            fitted = fit(narrow, np.array(targets), settings)
        stop = _stop(neighbourhood, fitted, targets, settings)
        if stop:
            names = model.identity.targets
            surrogates = (
                tree_surrogates(neighbourhood, targets, names, settings)
                if fitted is None
                else unscreened(surrogates_of(fitted, original[None], [targets], names)[0], chosen)
            )
            return Settled(surrogates, neighbourhood.summary(targets), stop)
        n *= 2


def _stop(
    neighbourhood: Neighbourhood, fitted: Fit | None, targets: list[int], settings: Settings
) -> str:
    """Say why to stop here, or nothing; ``fitted`` is None where trees are grown."""
    if neighbourhood.n_blocks == 1:
        return "exhaustive"
    if settings.max_samples is None:
        return "samples"
    if fitted is None:
        enough = trees_settled(neighbourhood, targets, settings)
    else:
        enough = bool(settled(fitted, settings)[0])
    if enough:
        return "resolved"
    n, d = len(neighbourhood.weights) - 1, neighbourhood.interpretable.shape[1]
    return "" if may_double(n, d, settings) else "max_samples"


def _assisted(
    instance: Instance, neighbourhood: Neighbourhood, targets: list[int], settings: Settings
) -> Neighbourhood:
    """Put what a cheap model leaves in the place of the answers, where that is wanted."""
    n, d = len(neighbourhood.weights) - 1, neighbourhood.interpretable.shape[1]
    enough = neighbourhood.n_blocks >= FOLDS and pool_size(d, n) > 0
    # rows with columns of their own follow the rule of those that share all: no table is assisted
    shares = instance.shared or instance.distance != "cosine"
    if not (enough and settings.surrogate == "linear" and settings.assists(shares)):
        return neighbourhood
    aided = assisted(instance, neighbourhood, np.array(targets), settings)
    return replace(neighbourhood, assisted=aided)
