"""From instances to explanations: draw, ask, weigh, fit, and go on until it is enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import cast

import numpy as np

from lime_cli.engine.answers import Answers
from lime_cli.engine.assist import FOLDS, assisted, pool_size
from lime_cli.engine.caveats import judge
from lime_cli.engine.control import Tabular, controllable, controlled
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import FloatArray, Instance, IntArray, Model
from lime_cli.engine.neighbourhood import (
    Neighbourhood,
    answers_of,
    ask,
    ask_originals,
    ask_with_itself,
    weigh,
)
from lime_cli.engine.row_moments import Row
from lime_cli.engine.rows import Settled, settle_rows
from lime_cli.engine.screening import MOST, allowed, screen_samples, unscreened
from lime_cli.engine.shared import SharedInstance
from lime_cli.engine.stopping import out_of_time, settled, stages
from lime_cli.engine.surrogate import Fit, fit
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.tree import tree_surrogates, trees_settled
from lime_cli.engine.weights import surrogates_of
from lime_cli.errors import SettingsError
from lime_cli.settings import Settings

Watch = Callable[[Instance, Neighbourhood], None]
"""What looks on while instances are explained."""
Found = tuple[Instance, FloatArray, Settled, dict[str, Answers]]
"""An instance, what the model says of it, what became of it, and where its samples' answers are."""


def explain_all(
    instances: list[Instance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers],
    watch: Watch | None = None,
) -> Iterator[Explanation]:
    """Explain instances in order; ``answered`` keeps the answers of shared pools, by pool.

    ``watch`` is given what each was explained by.
    """
    for instance, original, found, known in _all_settled(instances, model, settings, answered):
        if watch is not None:
            answers = _of_pool(known, instance.pool, found.summary.n)
            watch(instance, weigh(instance, answers, original, settings))
        yield _explanation(instance, model, settings, found)


def _of_pool(known: dict[str, Answers], pool: str, n: int) -> Answers:
    """Return the last n samples of a pool that were asked about."""
    pairs = reversed(known.items())
    return next(one for key, one in pairs if key.endswith(f":{pool}") and len(one.predictions) == n)


def _all_settled(
    instances: list[Instance], model: Model, settings: Settings, answered: dict[str, Answers]
) -> Iterator[Found]:
    for pool, together in groupby(instances, lambda one: one.pool if one.shared else None):
        if pool is None:
            for instance in together:
                original = ask_originals([instance], model, settings)[0]
                own: dict[str, Answers] = {}
                yield instance, original, _settle(instance, original, model, settings, own), own
            continue
        yield from _of_rows(cast("list[SharedInstance]", list(together)), model, settings, answered)


def _of_rows(
    instances: list[SharedInstance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers],
) -> Iterator[Found]:
    """Explain instances of one pool."""
    if len(instances) == 1:
        originals = ask_with_itself(instances[0], model, settings, answered)
    else:
        originals = ask_originals(instances, model, settings)
    by_size = instances[0].distance == "standardised"
    if by_size and settings.surrogate == "tree":
        raise SettingsError("--bins none: the rules of a tree need bins", "leave one out")
    wide = len(instances[0].components) > MOST
    if by_size or wide or settings.surrogate == "tree":
        for instance, original in zip(instances, originals, strict=True):
            found = _settle(instance, original, model, settings, answered)
            yield instance, original, found, answered
        return
    rows = [
        Row(instance, original, tuple(choose_targets(settings.targets, model, original)))
        for instance, original in zip(instances, originals, strict=True)
    ]
    for row, found in zip(rows, settle_rows(rows, model, settings, answered), strict=True):
        yield row.instance, row.original, found, answered


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
    """Draw, ask and fit more and more samples of one instance until its surrogates are settled.

    ``pool`` keeps the answers: those to all samples of its pool, or to the last of its own.
    """
    targets = choose_targets(settings.targets, model, original)
    began, numbers = time.monotonic(), stages(settings, instance.shared)
    n = next(numbers)
    while True:
        answers = _asked(instance, model, settings, n, pool)
        neighbourhood = weigh(instance, answers, original, settings)
        neighbourhood = _assisted(instance, answers, neighbourhood, targets, settings)
        fitted = None
        chosen: IntArray = np.arange(0)
        if settings.surrogate == "linear":
            narrow, chosen = screen_samples(neighbourhood, np.array(targets), settings)
            fitted = fit(narrow, np.array(targets), settings)
        stop = _stop(neighbourhood, fitted, targets, settings)
        following = next(numbers, None)
        if following and not allowed(following, neighbourhood.interpretable.shape[1]):
            following = None
        if not stop and (following is None or out_of_time(began, following / n, settings)):
            stop = "time" if following else "max_samples"
        if stop or following is None:
            names = model.identity.targets
            surrogates = (
                tree_surrogates(neighbourhood, targets, names, settings)
                if fitted is None
                else unscreened(surrogates_of(fitted, original[None], [targets], names)[0], chosen)
            )
            return Settled(surrogates, neighbourhood.summary(targets), stop)
        n = following


def _asked(
    instance: Instance, model: Model, settings: Settings, n: int, pool: dict[str, Answers]
) -> Answers:
    """Ask about n samples; of an instance's own ``pool`` keeps the last answers alone."""
    if instance.shared:
        return answers_of(instance, model, settings, n, pool)
    answers = ask(instance, model, settings, n, next(iter(pool.values()), None))
    pool.clear()
    pool[f"{n}:{instance.pool}"] = answers
    return answers


def _stop(
    neighbourhood: Neighbourhood, fitted: Fit | None, targets: list[int], settings: Settings
) -> str:
    """Say whether to stop here, and why; ``fitted`` is None where trees are grown."""
    if neighbourhood.n_blocks == 1:
        return "exhaustive"
    if settings.max_samples is None:
        return "samples"
    if fitted is None:
        enough = trees_settled(neighbourhood, targets, settings)
    else:
        enough = bool(settled(fitted, settings)[0])
    return "resolved" if enough else ""


def _assists(instance: Instance, settings: Settings) -> bool:
    """Tell whether to use assistance: never by size, of rows that share nothing only if asked."""
    if instance.distance == "standardised":
        return False
    alike = instance.shared or instance.distance == "cosine"
    return settings.assists(instance.shared) if alike else settings.assist == "on"


def _assisted(
    instance: Instance,
    answers: Answers,
    neighbourhood: Neighbourhood,
    targets: list[int],
    settings: Settings,
) -> Neighbourhood:
    """Put what a cheap model leaves in the place of the answers, where that is wanted."""
    if settings.surrogate != "linear" or not _assists(instance, settings):
        return neighbourhood
    n, d = len(neighbourhood.weights) - 1, neighbourhood.interpretable.shape[1]
    if isinstance(instance, Tabular) and controllable(instance, answers):
        aided = controlled(instance, answers, neighbourhood, np.array(targets))
        return replace(neighbourhood, assisted=aided)
    if instance.shared or neighbourhood.n_blocks < FOLDS or pool_size(d, n) == 0:
        return neighbourhood
    return assisted(instance, neighbourhood, np.array(targets), settings)
