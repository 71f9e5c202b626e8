"""What a reader must know before trusting an explanation: when each warning is due, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import Caveat, FloatArray, Instance, Model
from lime_cli.engine.neighbourhood import Summary
from lime_cli.engine.screening import MOST
from lime_cli.settings import Settings

LOW_FIDELITY, WORTHLESS = 0.3, 0.1
FLAT_ABSOLUTE, FLAT_SHARE = 1e-9, 1e-3
LARGE_GAP = 0.2
SATURATED = 0.999


def judge(
    instance: Instance,
    model: Model,
    summary: Summary,
    surrogates: tuple[Surrogate, ...],
    settings: Settings,
    stop: str,
) -> Iterator[Caveat]:
    """Judge an explanation: the instance, the model, the samples, and each surrogate."""
    yield from instance.caveats
    yield from of_model(model, summary.original)
    yield from _of_samples(summary, settings)
    for place, surrogate in enumerate(surrogates):
        yield from _of_surrogate(surrogate, place, summary, model, settings)
        if stop in ("max_samples", "time") and (surrogate.weights or len(surrogate.rules) > 1):
            yield from _unsettled(surrogate, summary.n, stop)


def _unsettled(surrogate: Surrogate, n: int, stop: str) -> Iterator[Caveat]:
    remedy = f"raise {'--time-limit' if stop == 'time' else '--max-samples'} or --tolerance"
    if surrogate.rules:
        yield Caveat(
            "unresolved_top",
            f"{surrogate.name}: the rules are not settled after {n} samples; others may fit as "
            f"well; {remedy}",
        )
        return
    intervals = [one.interval for one in surrogate.weights if one.interval]
    n_open = sum(low <= 0 <= high for low, high in intervals)
    yield Caveat(
        "unresolved_top",
        f"{surrogate.name}: not settled after {n} samples; the sign of {n_open} of "
        f"{len(intervals)} weights is open; {remedy}",
    )


def of_model(model: Model, prediction: FloatArray) -> Iterator[Caveat]:
    """Judge the model and its answer for the instance, (k,)."""
    yield from model.caveats
    if model.identity.task != "classification":
        return
    total = prediction.sum()
    outside = prediction.min() < -1e-6 or prediction.max() > 1 + 1e-6
    if outside or (model.probabilities and abs(total - 1) > 1e-3):
        yield Caveat(
            "not_probabilities",
            f"the model's outputs are no probabilities (from {prediction.min():.3g} "
            f"to {prediction.max():.3g}, their sum is {total:.3g}); weights are in their unit",
        )
    top = np.sort(prediction)[::-1]
    if len(top) > 1 and top[0] - top[1] <= 1e-6:
        yield Caveat(
            "ties_at_top", "several outputs share the highest value; the first is explained"
        )


def _of_samples(summary: Summary, settings: Settings) -> Iterator[Caveat]:
    """Judge the samples and their weights."""
    if summary.n_failed:
        yield Caveat(
            "dropped_samples",
            f"{summary.n_failed:,} of {summary.n:,} samples are left out: the model returned NaN "
            "or infinity for them",
        )
    d = summary.d
    kept = min(settings.features, d) if settings.selection != "none" else d
    if summary.n_blocks > 1 and summary.effective_samples < 5 * (kept + 1):
        yield Caveat(
            "few_effective_samples",
            f"the samples count for only {summary.effective_samples:.0f} near the instance; "
            "raise --samples or --kernel-width",
        )
    if d > MOST and settings.surrogate == "linear":
        yield Caveat(
            "screened",
            f"of {d:,} components only {MOST} are fitted: those that go along most with the "
            "answers to the first samples",
        )
    if d == 1:
        yield Caveat(
            "one_component", "the instance has one component: it gets all the weight there is"
        )


def _of_surrogate(
    surrogate: Surrogate, place: int, summary: Summary, model: Model, settings: Settings
) -> Iterator[Caveat]:
    """Judge the fit of one target; a flat response leaves nothing else to judge."""
    name = surrogate.name
    if _flat(summary, place, model.probabilities):
        yield Caveat(
            "flat_response", f"{name}: the model answers all samples alike; nothing to explain"
        )
        return
    parts = "rules" if surrogate.rules else "weights"
    if surrogate.fidelity is not None and surrogate.fidelity < LOW_FIDELITY:
        verdict = "close to worthless" if surrogate.fidelity < WORTHLESS else "to be read with care"
        yield Caveat(
            "low_fidelity",
            f"{name}: the {parts} explain {max(surrogate.fidelity, 0):.0%} of what the model does "
            f"near the instance; they are {verdict}",
        )
    reach = float(summary.high[place] - summary.low[place])
    possible = 1.0 if model.probabilities else reach
    if abs(surrogate.gap) > LARGE_GAP * possible:
        yield Caveat(
            "large_gap",
            f"{name}: the model says {surrogate.model_prediction:.3g} where the {parts} "
            f"{'give' if surrogate.rules else 'add up to'} {surrogate.local_prediction:.3g}",
        )
    if model.probabilities and surrogate.model_prediction > SATURATED:
        yield Caveat(
            "saturated",
            f"{name}: the model is all but certain ({surrogate.model_prediction:.6g}); "
            "small differences say little",
        )
    yield from _too_few(surrogate, summary.d, settings)


def _too_few(surrogate: Surrogate, d: int, settings: Settings) -> Iterator[Caveat]:
    wanted = min(settings.features, d)
    linear = settings.surrogate == "linear" and settings.selection != "none"
    if linear and len(surrogate.weights) < wanted:
        yield Caveat(
            "few_components",
            f"{surrogate.name}: only {len(surrogate.weights)} of {wanted} components have any "
            "weight of their own",
        )


def _flat(summary: Summary, place: int, probabilities: bool) -> bool:
    """Tell whether the weighted spread is nothing, or a thousandth of a probability."""
    size = max(abs(float(summary.low[place])), abs(float(summary.high[place])))
    nothing = FLAT_ABSOLUTE * max(1.0, size)
    return bool(summary.deviation[place] < (FLAT_SHARE if probabilities else nothing))
