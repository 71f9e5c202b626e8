"""Draw samples, ask the model about each distinct one, weigh them by proximity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np

from lime_cli.engine import designs
from lime_cli.engine.answers import Answers, checked
from lime_cli.engine.asking import Question, count_repeated, put
from lime_cli.engine.distinct import distinct
from lime_cli.engine.instance import (
    BoolArray,
    Design,
    FloatArray,
    Instance,
    IntArray,
    Model,
    Samples,
)
from lime_cli.engine.proximity import proximity_at, proximity_of, width_of
from lime_cli.engine.shared import SharedInstance
from lime_cli.errors import PredictionError
from lime_cli.settings import Settings

ORIGINALS_PER_CALL = 256


@dataclass(frozen=True, eq=False)
class Summary:
    """What explanations tell of the samples behind them, by target where (targets,)."""

    original: FloatArray
    """(k,): all outputs for the instance."""
    n: int
    d: int
    n_blocks: int
    effective_samples: float
    kernel_width: float
    deviation: FloatArray
    """(targets,): weighted standard deviation of the answers, the instance counted."""
    low: FloatArray
    high: FloatArray
    n_failed: int = 0
    """Samples that are left out, for the model failed on them."""


class Law(NamedTuple):
    """Moments of the components under the law of the samples and the kernel."""

    means: FloatArray
    """(d,)"""
    covariance: FloatArray
    """(d, d)"""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The instance (row 0) and its samples, weighed."""

    interpretable: BoolArray | FloatArray
    """(n + 1, d)"""
    predictions: FloatArray
    """(n + 1, k)"""
    weights: FloatArray
    """(n + 1,): proximity times mass."""
    n_blocks: int
    independent: bool
    """Whether the samples are independent draws, not only their blocks."""
    kernel_width: float
    assisted: FloatArray | None = None
    """(n + 1, targets): what is fitted instead of the answers; see ``engine.assist``."""
    n_failed: int = 0
    """Samples that are left out."""
    law: Law | None = None
    """What the samples' weighted moments would be without end, where that is known."""

    @property
    def effective_samples(self) -> float:
        """Kish's effective sample size of the weights."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def summary(self, targets: Sequence[int]) -> Summary:
        """Return what is told of these samples, by target."""
        values, d = self.predictions[:, list(targets)], self.interpretable.shape[1]
        middle = np.average(values, axis=0, weights=self.weights)
        spread = np.average((values - middle) ** 2, axis=0, weights=self.weights)
        return Summary(
            original=self.predictions[0],
            n=len(self.weights) - 1,
            d=d,
            n_blocks=self.n_blocks,
            effective_samples=self.effective_samples,
            kernel_width=self.kernel_width,
            deviation=np.sqrt(spread),
            low=values.min(axis=0),
            high=values.max(axis=0),
            n_failed=self.n_failed,
        )


def ask(
    instance: Instance, model: Model, settings: Settings, n: int, known: Answers | None = None
) -> Answers:
    """Draw n samples of the instance's pool and ask the model.

    Enumerates instead, where that takes no more samples. What ``known`` answers is not asked again.
    """
    samples = _drawn(instance, settings, n)
    answers = Answers(samples, ask_about(instance, model, samples.codes, settings, known))
    return checked(answers, settings, instance.subject.source)


def ask_with_itself(
    instance: SharedInstance, model: Model, settings: Settings, known: dict[str, Answers]
) -> FloatArray:
    """Ask about an instance (1, k) in one call with the first samples of its pool.

    Their answers are kept in ``known``. Where they are there already, or the instance has values
    that no column of samples can hold, it is asked alone; and where the model fails, so that the
    error tells whether the instance is to blame.
    """
    key = f"{settings.samples}:{instance.pool}"
    lasting = type(known) is not dict  # equal bytes, whether it is empty or full
    if lasting or key in known or not instance.fits_samples:
        return ask_originals([instance], model, settings)
    samples = _drawn(instance, settings, settings.samples)
    first, inverse = distinct(samples.codes)
    codes = samples.codes if len(first) == len(inverse) else samples.codes[first]

    def inputs(start: int, n: int) -> Any:
        some = codes[max(0, start - 1) : start - 1 + n]
        return instance.model_inputs(some, itself=start == 0)

    try:
        answers = put(Question(instance, 1 + len(first), inputs), model, settings)
    except PredictionError:
        return ask_originals([instance], model, settings)
    if not np.isfinite(answers[0]).all():
        return ask_originals([instance], model, settings)
    count_repeated(model, len(inverse) - len(first))
    known[key] = Answers(samples, answers[1:][inverse])
    return answers[:1]


def _drawn(instance: Instance, settings: Settings, n: int) -> Samples:
    """Draw n samples of the instance's pool, or enumerate all there are."""
    rng = np.random.default_rng(np.random.SeedSequence(settings.entropy_for(instance.pool)))
    return instance.sample(n, _design(instance, settings, n), rng)


def answers_of(
    instance: Instance, model: Model, settings: Settings, n: int, known: dict[str, Answers]
) -> Answers:
    """Return n samples of the instance's pool with their answers, kept in ``known``."""
    key = f"{n}:{instance.pool}"
    answers = known.get(key)
    if answers is None:
        earlier = known.get(f"{n // 2}:{instance.pool}")
        answers = known[key] = ask(instance, model, settings, n, earlier)
    return checked(answers, settings, instance.subject.source)


def ask_about(
    instance: Instance,
    model: Model,
    codes: IntArray,
    settings: Settings,
    known: Answers | None = None,
) -> FloatArray:
    """Ask about samples (n, m), each distinct one once and none that is known: (n, k)."""
    old = known.samples.codes if known else codes[:0]
    more = len(codes) - len(old)
    codes = np.vstack([old, codes]) if known else codes
    first, inverse = distinct(codes)
    fresh = codes if len(first) == len(codes) and not known else codes[first[first >= len(old)]]
    parts = [known.predictions[first[first < len(old)]]] if known else []
    if len(fresh):
        question = Question(
            instance, len(fresh), lambda start, n: instance.model_inputs(fresh[start : start + n])
        )
        parts.append(put(question, model, settings))
    count_repeated(model, max(0, more - len(fresh)))
    return np.asarray(np.concatenate(parts)[inverse[len(old) :]])


def ask_originals(instances: Sequence[Instance], model: Model, settings: Settings) -> FloatArray:
    """Ask the model about the instances themselves: (instances, k).

    Instances that share a pool are asked in calls of one fixed size, the last one filled up,
    because many models answer in other last digits when a call has another size.
    """
    settings = replace(settings, drop_failed=0.0)  # an instance is no sample to do without
    if not instances[0].shared:
        alone = [Question(one, 1, _original_of(one)) for one in instances]
        return np.concatenate([put(one, model, settings) for one in alone])
    rows = cast("list[SharedInstance]", list(instances))

    def originals(start: int, n: int) -> Any:
        block = rows[start : start + n]
        return rows[0].originals(block + [block[-1]] * (n - len(block)))

    return put(Question(rows[0], len(rows), originals, ORIGINALS_PER_CALL), model, settings)


def _original_of(instance: Instance) -> Callable[[int, int], Any]:
    return lambda _start, _n: instance.original()


def weigh(
    instance: Instance, answers: Answers, original: FloatArray, settings: Settings
) -> Neighbourhood:
    """Put the instance, with its own outputs ``original`` (k,), before its samples; weigh all."""
    kept = instance.interpretable(answers.samples.codes)
    d = kept.shape[1]
    proximity = proximity_at(instance, settings, kept)
    return Neighbourhood(
        interpretable=np.vstack([np.ones((1, d), bool), kept]),
        predictions=np.vstack([original[None], answers.finite]),
        weights=np.concatenate([[1.0], proximity * answers.mass]),
        n_blocks=answers.samples.n_blocks,
        independent=draws_independently(instance, settings),
        kernel_width=width_of(instance, settings),
        n_failed=answers.n_failed,
    )


def draws_independently(instance: Instance, settings: Settings) -> bool:
    """Tell whether the samples are independent draws."""
    return _design_name(instance, settings) in ("random", "tilted")


def _design(instance: Instance, settings: Settings, n: int) -> Design | None:
    """Choose the design; None enumerates, where that takes no more than n samples."""
    name = settings.design
    if name == "exhaustive" or (name == "auto" and instance.n_exhaustive() <= n):
        return None
    name = _design_name(instance, settings)
    tilt = proximity_of(instance, settings) if name == "tilted" else None
    return Design(designs.DESIGNS[name], tilt)


def _design_name(instance: Instance, settings: Settings) -> str:
    return instance.design if settings.design == "auto" else settings.design
