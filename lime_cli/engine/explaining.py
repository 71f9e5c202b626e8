"""From instances to explanations: draw, ask, weigh, fit, and go on until it is enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lime_cli.engine.assist import FOLDS, assisted, pool_size
from lime_cli.engine.caveats import judge
from lime_cli.engine.control import Tabular, controllable, controlled
from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import FloatArray, Instance, IntArray, Model
from lime_cli.engine.neighbourhood import Answers, Neighbourhood, ask, ask_originals, weigh
from lime_cli.engine.stopping import settled
from lime_cli.engine.surrogate import Fit, fit
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.tree import tree_surrogates, trees_settled
from lime_cli.engine.uncertainty import rank_ranges
from lime_cli.settings import Settings


def explain_all(
    instances: list[Instance], model: Model, settings: Settings, answered: dict[str, Answers]
) -> Iterator[Explanation]:
    """Explain instances in order; ``answered`` keeps the answers of shared pools, by pool."""
    shared = [one for one in instances if one.shared]
    together = iter(ask_originals(shared, model) if shared else ())
    for instance in instances:
        original = next(together) if instance.shared else ask_originals([instance], model)[0]
        targets = choose_targets(settings.targets, model, original)
        pool = answered if instance.shared else {}
        neighbourhood, fitted, stop = _settle(instance, model, settings, (original, targets, pool))
        if settings.surrogate == "tree":
            names = model.identity.targets
            surrogates = tree_surrogates(neighbourhood, targets, names, settings)
        else:
            surrogates = _surrogates(neighbourhood, fitted, model, targets)
        yield Explanation(
            subject=instance.subject,
            model=model.identity,
            components=instance.components,
            skipped=instance.skipped,
            surrogates=surrogates,
            caveats=tuple(judge(instance, model, neighbourhood, surrogates, settings, stop)),
            samples=len(neighbourhood.weights) - 1,
            effective_samples=neighbourhood.effective_samples,
            kernel_width=neighbourhood.kernel_width,
            stop=stop,
            settings=settings,
        )


def _settle(
    instance: Instance,
    model: Model,
    settings: Settings,
    asked: tuple[FloatArray, list[int], dict[str, Answers]],
) -> tuple[Neighbourhood, Fit, str]:
    """Draw, ask and fit, doubling the samples until the weights are settled; say why it stopped.

    What a row of a table gets depends on its own needs only: the first samples of a pool are the
    same however many another row has asked for.
    """
    original, targets, pool = asked
    n = settings.samples
    while True:
        answers = answers_of(instance, model, settings, n, pool)
        neighbourhood = weigh(instance, answers, original, settings)
        aided = _aided(instance, answers, neighbourhood, np.array(targets), settings)
        neighbourhood = replace(neighbourhood, assisted=aided)
        fitted = fit(neighbourhood, np.array(targets), settings)
        if neighbourhood.n_blocks == 1:
            return neighbourhood, fitted, "exhaustive"
        if settings.max_samples is None:
            return neighbourhood, fitted, "samples"
        trees = settings.surrogate == "tree"
        if trees_settled(neighbourhood, targets, settings) if trees else settled(fitted, settings):
            return neighbourhood, fitted, "resolved"
        if 2 * n > settings.max_samples:
            return neighbourhood, fitted, "max_samples"
        n *= 2


def answers_of(
    instance: Instance, model: Model, settings: Settings, n: int, pool: dict[str, Answers]
) -> Answers:
    """Return the first n samples with their answers, kept in ``pool`` under the instance's."""
    key, half = f"{n}:{instance.pool}", f"{n // 2}:{instance.pool}"
    if key not in pool:
        pool[key] = ask(instance, model, settings, n, pool.get(half))
    return pool[key]


def _aided(
    instance: Instance,
    answers: Answers,
    neighbourhood: Neighbourhood,
    targets: IntArray,
    settings: Settings,
) -> FloatArray | None:
    """Return what is fitted in place of the answers, (n + 1, targets); None for themselves."""
    n, d = len(neighbourhood.weights) - 1, neighbourhood.interpretable.shape[1]
    if settings.surrogate != "linear" or not settings.assists(instance.shared):
        return None
    if isinstance(instance, Tabular) and controllable(instance, answers):
        return controlled(instance, answers, neighbourhood, targets)
    enough = not instance.shared and neighbourhood.n_blocks >= FOLDS and pool_size(d, n) > 0
    return assisted(instance, neighbourhood, targets, settings) if enough else None


def _surrogates(
    neighbourhood: Neighbourhood, fitted: Fit, model: Model, targets: list[int]
) -> tuple[Surrogate, ...]:
    return tuple(
        Surrogate(
            target=target,
            name=model.identity.targets[target],
            model_prediction=float(neighbourhood.predictions[0, target]),
            intercept=float(fitted.intercepts[i]),
            local_prediction=float(fitted.intercepts[i] + fitted.coefficients[i].sum()),
            fidelity=_number(fitted.fidelity[i]),
            fit_r2=_number(fitted.fit_r2[i]),
            weights=_weights(fitted, i),
        )
        for i, target in enumerate(targets)
    )


def _weights(fitted: Fit, target: int) -> tuple[Weight, ...]:
    """List the chosen weights by falling size, the earlier component first among equals."""
    chosen = np.flatnonzero(fitted.chosen[target])
    order = chosen[np.argsort(-np.abs(fitted.coefficients[target, chosen]), kind="stable")]
    values = fitted.coefficients[target, order]
    errors = fitted.uncertainty
    wide = errors.half_widths[target, order]
    ranks = rank_ranges(values, wide)
    return tuple(
        Weight(
            component=int(j),
            weight=float(values[i]),
            std_error=float(errors.std_errors[target, j]),
            interval=(float(values[i] - wide[i]), float(values[i] + wide[i])),
            rank_range=ranks[i],
            selected=float(errors.selected[target, j]),
        )
        for i, j in enumerate(order)
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
