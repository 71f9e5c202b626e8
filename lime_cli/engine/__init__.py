"""The engine: LIME over arrays, one for all modalities (Ribeiro et al. 2016, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lime_cli.engine import caveats
from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import FloatArray, Instance, Model
from lime_cli.engine.neighbourhood import Answers, Neighbourhood, ask, ask_originals, weigh
from lime_cli.engine.surrogate import fit
from lime_cli.engine.targets import choose_targets
from lime_cli.settings import Settings

__all__ = ["explain"]


def explain(
    instances: list[Instance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers] | None = None,
) -> Iterator[Explanation]:
    """Explain instances in order; each must have at least one component.

    ``answered`` keeps the answers of shared pools from one call to the next, by pool. Raises
    PredictionError when the model fails and SettingsError for a target it does not have.
    """
    answered = {} if answered is None else answered
    shared = [one for one in instances if one.shared]
    together = iter(ask_originals(shared, model) if shared else ())
    for instance in instances:
        original = next(together) if instance.shared else ask_originals([instance], model)[0]
        targets = choose_targets(settings.targets, model, original)
        answers = answered.get(instance.pool) or ask(instance, model, settings)
        if instance.shared:
            answered[instance.pool] = answers
        yield _explain_one(
            instance,
            model,
            settings,
            weigh(instance, answers, original, settings.kernel_width),
            targets,
        )


def _explain_one(
    instance: Instance,
    model: Model,
    settings: Settings,
    neighbourhood: Neighbourhood,
    targets: list[int],
) -> Explanation:
    surrogates = _surrogates(neighbourhood, model, targets, settings)
    warnings = [
        *instance.caveats,
        *caveats.caveats_of_model(model, neighbourhood.predictions[0]),
        *caveats.caveats_of_neighbourhood(neighbourhood, settings),
    ]
    for surrogate in surrogates:
        warnings += caveats.caveats_of_surrogate(surrogate, neighbourhood, model, settings)
    return Explanation(
        subject=instance.subject,
        model=model.identity,
        components=instance.components,
        skipped=instance.skipped,
        surrogates=surrogates,
        caveats=tuple(warnings),
        samples=len(neighbourhood.weights) - 1,
        effective_samples=neighbourhood.effective_samples,
        kernel_width=neighbourhood.kernel_width,
        stop="samples" if neighbourhood.n_blocks > 1 else "exhaustive",
        settings=settings,
    )


def _surrogates(
    neighbourhood: Neighbourhood, model: Model, targets: list[int], settings: Settings
) -> tuple[Surrogate, ...]:
    fitted = fit(neighbourhood, np.array(targets), settings)
    return tuple(
        Surrogate(
            target=target,
            name=model.identity.targets[target],
            model_prediction=float(neighbourhood.predictions[0, target]),
            intercept=float(fitted.intercepts[i]),
            local_prediction=float(fitted.intercepts[i] + fitted.coefficients[i].sum()),
            fidelity=_number(fitted.fidelity[i]),
            fit_r2=_number(fitted.fit_r2[i]),
            weights=_weights(fitted.coefficients[i], np.flatnonzero(fitted.chosen[i])),
        )
        for i, target in enumerate(targets)
    )


def _weights(coefficients: FloatArray, chosen: np.ndarray) -> tuple[Weight, ...]:
    """List the chosen weights by falling size, the earlier component first among equals."""
    order = chosen[np.argsort(-np.abs(coefficients[chosen]), kind="stable")]
    return tuple(Weight(int(j), float(coefficients[j])) for j in order)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
