"""What a reader must know before trusting an explanation: when each warning is due, in words."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2
from typing import NamedTuple

import numpy as np

from lime_cli.engine.explanation import POOR, Surrogate
from lime_cli.engine.instance import Instance
from lime_cli.engine.masks import least_effective
from lime_cli.engine.model import BoolArray, CodedWarning, FloatArray, Model
from lime_cli.engine.neighbourhood import ENOUGH, MOST, ROUNDING, ladder
from lime_cli.settings import Settings

LOW_FIDELITY = 0.5
FLAT_SHARE = 1e-3
"""Standard deviation of a probability that is hardly worth an explanation."""
LARGE_GAP = 0.1
SATURATED = 0.999
SMALL = 0.1
"""Weight below which a part hardly moves a prediction that is almost certain."""
NOISY = 0.5
"""Spread from which a sentence on fidelity says what it is a share of."""
NOTHING_HELPS = "no other radius, no pairs and no tree explain much more"
WITHOUT_LIME = "leave out --like-lime to let limex choose a radius"
GROUPED = "try --group auto, which keeps together the columns that determine each other"
"""What helps most where there are such columns; trying it takes other samples."""
OTHER_PIXELS = "--preprocess raw"
"""What images of a model that says nothing of its pixels are told to try."""
LARGER = {
    "tabular": "try --group for columns that act together",
    "text": "try longer components, such as --unit sentence",
    "image": "try larger superpixels, such as --segments {}",
}
"""What may help where nothing does that can be tried on the samples drawn."""


class Facts(NamedTuple):
    """What explanations tell of the samples behind them, by target where (targets,)."""

    original: FloatArray
    """(k,): all outputs for the instance."""
    n: int
    d: int
    n_blocks: int
    effective_samples: float
    deviation: FloatArray
    """(targets,): weighted standard deviation of the predictions, the instance counted."""
    reach: FloatArray
    """(targets,): largest prediction minus smallest, the instance counted."""
    flat: BoolArray
    """(targets,): whether masking decides nothing at any radius."""
    converged: bool
    """Whether half the samples would have chosen the same radius."""
    n_failed: int
    """Samples that are left out, for the model failed on them."""
    stop: str
    remedies: tuple[str, ...] = ()
    """By target: what was tried on the samples where the fidelity is low, and helps."""

    @property
    def thin(self) -> bool:
        """Whether there are too few samples for so many components."""
        return self.n_blocks > 1 and self.effective_samples < ENOUGH * self.d


def judge(
    instance: Instance,
    model: Model,
    facts: Facts,
    surrogates: tuple[Surrogate, ...],
    settings: Settings,
) -> Iterator[CodedWarning]:
    """Judge an explanation: the instance, the model, the samples, and each surrogate."""
    yield from instance.warnings
    yield from of_model(model, facts.original)
    yield from _of_samples(instance, facts, settings)
    for place, surrogate in enumerate(surrogates):
        yield from _of_surrogate(instance, surrogate, place, facts, model, settings)
        if facts.stop in ("max_samples", "time") and (
            surrogate.weights or len(surrogate.rules) > 1
        ):
            yield from _not_converged(surrogate, model, facts.n, facts.stop)


def _named(surrogate: Surrogate, model: Model) -> str:
    """Begin a sentence with the target it is about; with nothing where there is only one."""
    identity = model.identity
    if identity.task == "classification":
        return f'class "{surrogate.name}": '
    return f'output "{surrogate.name}": ' if len(identity.targets) > 1 else ""


def _not_converged(surrogate: Surrogate, model: Model, n: int, stop: str) -> Iterator[CodedWarning]:
    named = _named(surrogate, model)
    remedy = f"raise {'--time-limit' if stop == 'time' else '--max-samples'} or --tolerance"
    if surrogate.rules:
        yield CodedWarning(
            "unresolved_top",
            f"{named}the rules are not converged after {n:,} samples; others may fit as "
            f"well; {remedy}",
        )
        return
    intervals = [weight.interval for weight in surrogate.weights if weight.interval]
    n_open = sum(interval.holds_zero for interval in intervals)
    what = f"the sign of {n_open} of {len(intervals)} weights is not certain"
    if not n_open:
        what = "all signs are certain, but sizes and order may still change"
    yield CodedWarning(
        "unresolved_top",
        f"{named}not converged after {n:,} samples; {what}; {remedy}",
    )


def of_model(model: Model, prediction: FloatArray) -> Iterator[CodedWarning]:
    """Judge the model and its prediction for the instance, (k,)."""
    of_one = getattr(model, "warnings_of", None)  # which not every model has
    known = of_one(prediction) if of_one else model.warnings
    yield from known
    if model.identity.task != "classification":
        return
    total = prediction.sum()
    outside = prediction.min() < -1e-6 or prediction.max() > 1 + 1e-6
    said = any(one.code == "decision_values" for one in known)
    if (outside and not said) or (model.probabilities and abs(total - 1) > 1e-3):
        yield CodedWarning(
            "not_probabilities",
            f"the model's outputs are not probabilities (from {prediction.min():.3g} "
            f"to {prediction.max():.3g}, their sum is {total:.3g}); weights have the same unit",
        )
    top = np.sort(prediction)[::-1]
    if len(top) > 1 and top[0] - top[1] <= 1e-6:
        yield CodedWarning(
            "ties_at_top", "several outputs share the highest value; the first is explained"
        )


def _of_samples(instance: Instance, facts: Facts, settings: Settings) -> Iterator[CodedWarning]:
    """Judge the samples and their weights."""
    if facts.n_failed:
        yield CodedWarning(
            "dropped_samples",
            f"{facts.n_failed:,} of {facts.n:,} samples are left out: the model returned NaN "
            "or infinity for them",
        )
    if facts.thin and not facts.flat.all():
        enough = _enough(instance, facts, settings)
        larger = LARGER.get(instance.subject.modality, "").format(max(1, facts.d // 2))
        noisy = ""
        if settings.full_surrogate:
            noisy = (
                ", so the weights are noisy, and fidelity is that of a fit that predicts better "
                "than they do"
            )
        remedies = [f"try --samples {enough}", larger.replace("try ", "or ", 1)]
        yield CodedWarning(
            "few_effective_samples",
            f"the effective sample size is {facts.effective_samples:.0f} for {facts.d:,} "
            f"components{noisy}; {', '.join(filter(None, remedies))}",
        )
    ended = facts.stop in ("samples", "max_samples", "time")
    if ended and not facts.converged and settings.chosen_radius(facts.d) is None:
        yield CodedWarning(
            "radius_not_converged",
            "the two halves of the samples select different radii; raise --samples, or set "
            "--radius",
        )
    if facts.d == 1:
        yield CodedWarning(
            "one_component", "the instance has only one component, which gets all the weight"
        )


def _enough(instance: Instance, facts: Facts, settings: Settings) -> int:
    """Count the samples that are enough for so many components, whichever radius they choose."""
    own = settings.chosen_radius(facts.d)
    radii = ladder(facts.d, instance.random) if own is None else (own,)
    each = least_effective(facts.d, radii) if settings.kernel == "product" else 1.0
    return int(2 ** ceil(log2(ENOUGH * facts.d / each)))


def _of_surrogate(
    instance: Instance,
    surrogate: Surrogate,
    place: int,
    facts: Facts,
    model: Model,
    settings: Settings,
) -> Iterator[CodedWarning]:
    """Judge the fit of one target; a flat response leaves nothing else to judge."""
    named = _named(surrogate, model)
    if flat := _flat(surrogate, facts, place, model.probabilities):
        yield CodedWarning("flat_response", named + flat + _other_pixels(instance))
        return
    if facts.flat[place]:
        said = (
            f"masking components has no effect that {facts.n:,} samples can tell from chance; the "
            "weights are unresolved; if they should not be, raise --samples"
        )
        if any(one.certain for one in surrogate.weights):
            said = (
                f"{facts.n:,} samples do not tell how much masking components decides, nor what "
                "share of it the weights explain; raise --samples"
            )
        yield CodedWarning("flat_response", named + said)
        return
    parts = "rules" if surrogate.rules else "weights"
    if surrogate.fidelity is not None and surrogate.fidelity < LOW_FIDELITY:
        share = f"{max(surrogate.fidelity, 0):.0%} of the effect of masking components"
        if surrogate.spread is not None and surrogate.spread >= NOISY:
            share += (
                f" ({surrogate.spread:.0%} of the variation comes from the values drawn as "
                "replacements)"
            )
        tried = facts.remedies[place] if facts.remedies else ""
        if facts.thin or facts.d > MOST:
            verdict = f"perhaps there are too few samples for {facts.d:,} components"
            tried = "try more --samples"
        elif surrogate.fidelity < POOR:
            verdict = f"the {parts} do not describe the model here"
        else:
            verdict = "interpret them with care"
        if settings.like_lime:
            tried = WITHOUT_LIME
        elif any(one.code == "dependent_columns" for one in instance.warnings):
            tried = "; ".join([GROUPED, *({tried} - {NOTHING_HELPS, ""})])
        elif not tried or tried == NOTHING_HELPS:
            larger = LARGER.get(instance.subject.modality, "").format(facts.d // 2)
            tried = "; ".join(filter(None, [tried or "try more --samples", larger]))
        explain = f"the {parts} explain"
        if facts.thin and settings.full_surrogate:
            explain = "the best linear fit to so few samples explains"
        sentence = f"{named}{explain} {share}; {verdict}; {tried}"
        yield CodedWarning("low_fidelity", sentence)
    reach = float(facts.reach[place])
    if abs(surrogate.gap) > LARGE_GAP * reach > 0:
        remedy = WITHOUT_LIME if settings.like_lime else "try a smaller --radius"
        if facts.thin and settings.full_surrogate:
            remedy = "try more --samples"
        yield CodedWarning(
            "large_gap",
            f"{named}the model predicts {surrogate.model_prediction:.3g} where the {parts} "
            f"{'give' if surrogate.rules else 'add up to'} {surrogate.local_prediction:.3g}; "
            f"{remedy}",
        )
    small = all(abs(one.weight) < SMALL for one in surrogate.weights)
    if model.probabilities and surrogate.model_prediction > SATURATED and small:
        yield CodedWarning(
            "saturated",
            f"{named}the prediction is almost certain ({surrogate.model_prediction:.6g}) and no "
            "part changes it much, so the weights are small and say little",
        )
    yield from _too_few(surrogate, model, facts.d, settings)


def _too_few(
    surrogate: Surrogate, model: Model, d: int, settings: Settings
) -> Iterator[CodedWarning]:
    wanted = min(settings.features, d)
    linear = settings.surrogate == "linear" and settings.selection != "none"
    if linear and len(surrogate.weights) < wanted:
        yield CodedWarning(
            "few_components",
            f"{_named(surrogate, model)}only {len(surrogate.weights)} of {wanted} components have "
            "a weight",
        )


def _other_pixels(instance: Instance) -> str:
    """Say what may be the matter where it was assumed what numbers pixels are, and no part acts."""
    assumed = any(OTHER_PIXELS in one.message for one in instance.warnings)
    return f"; if it takes pixels from 0 to 255, say {OTHER_PIXELS}" if assumed else ""


def _flat(surrogate: Surrogate, facts: Facts, place: int, probabilities: bool) -> str:
    """Say in what way predictions hardly differ: by rounding, or by a thousandth of a probability;
    nothing where they do.
    """
    deviation, reach = float(facts.deviation[place]), float(facts.reach[place])
    if deviation <= ROUNDING * (abs(surrogate.model_prediction) + reach):
        return "the model predicts the same for all samples; nothing to explain"
    if probabilities and deviation < FLAT_SHARE:
        return (
            "the model predicts nearly the same for all samples (standard deviation "
            f"{deviation:.1g}); hardly anything to explain"
        )
    return ""
