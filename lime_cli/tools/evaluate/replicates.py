"""Replicates: instances explained with several seeds, and what the model said to each seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lime_cli.engine import explain
from lime_cli.engine.answers import Answers
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.focus import focused
from lime_cli.engine.instance import FloatArray, Instance, IntArray, Samples
from lime_cli.engine.neighbourhood import Neighbourhood, ask, ask_originals, weigh
from lime_cli.errors import InputError, NotFinite, PredictionError
from lime_cli.running.job import Failed, Job
from lime_cli.settings import Settings
from lime_cli.tools.evaluate.measure import Curves, Width, curves, widths

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel
    from lime_cli.sources import Source


_CURVES = 1  # tells the curves' random numbers from those of the samples


@dataclass(frozen=True, eq=False)
class Replicate:
    """An explanation by one seed and the neighbourhood which that seed drew."""

    explanation: Explanation
    neighbourhood: Neighbourhood
    answers: Answers


@dataclass(frozen=True, eq=False)
class Replicated:
    """A source explained with every seed; curves and widths are those of the first, by target."""

    source: Source
    replicates: tuple[Replicate, ...]
    curves: tuple[Curves, ...]
    widths: tuple[tuple[Width, ...], ...]


def replicated(job: Job, n_seeds: int) -> Iterator[Replicated | Failed]:
    """Explain every source of a job, in order, with its seed and the ``n_seeds - 1`` after it.

    Raises ModelError and SettingsError, which concern all sources; what concerns one becomes
    ``Failed``. The model is asked once about the samples of a seed, however many rows share them.
    """
    model = job.model.load()
    modality = job.modality.fitted(model.input._replace(takes=model.takes, answers=model.predict))
    seeds = [
        _Seed(replace(job.settings, seed=job.settings.seed + i), _Remembering(model))
        for i in range(n_seeds)
    ]
    for source in job.sources:
        try:
            instance = focused(modality.read(source), model, job.settings)
            yield _replicated(source, instance, model, seeds)
        except (InputError, PredictionError) as error:
            yield Failed(source, error)


def _replicated(
    source: Source, instance: Instance, model: LoadedModel, seeds: list[_Seed]
) -> Replicated:
    found = tuple(_replicate(instance, model, seeds))
    first, settings = found[0], seeds[0].settings
    surrogates = first.explanation.surrogates
    entropy = [*settings.entropy_for(instance.pool), _CURVES]
    if settings.surrogate == "tree":  # has no weights, so no order and no width to speak of
        return Replicated(source, found, (), ())
    original = first.neighbourhood.predictions[0]
    return Replicated(
        source,
        found,
        tuple(curves(instance, model, one, entropy) for one in surrogates),
        tuple(
            widths(instance, first.answers, (original, one.target), settings) for one in surrogates
        ),
    )


@dataclass(frozen=True, eq=False)
class _Question:
    """Samples that the model is to be asked about."""

    instance: Instance
    codes: IntArray


@dataclass(frozen=True, eq=False)
class _Known:
    """Instances themselves, about which the model has been asked."""

    answers: FloatArray


@dataclass(frozen=True, eq=False)
class _Asking:
    """An instance whose model inputs still say which samples they are; itself otherwise."""

    instance: Instance
    said: FloatArray
    """(k,): the model's answer for the instance itself."""

    fits_samples = False
    """What it says of itself is known already."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.instance, name)

    def model_inputs(self, codes: IntArray) -> _Question:
        return _Question(self.instance, codes)

    def original(self) -> _Known:
        return _Known(self.said[None])

    def originals(self, instances: list[_Asking]) -> _Known:
        return _Known(np.stack([one.said for one in instances]))


@dataclass(frozen=True, eq=False)
class _Remembering:
    """A model that keeps what it said to the samples of each pool."""

    model: LoadedModel
    known: dict[str, Answers] = field(default_factory=dict)
    """By pool."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, inputs: Any) -> FloatArray:
        if isinstance(inputs, _Known):
            return inputs.answers
        if not isinstance(inputs, _Question):
            return self.model.predict(inputs)
        instance, codes = inputs.instance, inputs.codes
        try:
            answers = self.model.predict(instance.model_inputs(codes))
        except NotFinite as error:
            self._keep(instance, codes, error.answers)
            raise
        self._keep(instance, codes, answers)
        return answers

    def _keep(self, instance: Instance, codes: IntArray, said: FloatArray) -> None:
        if instance.pool in self.known:
            known = self.known[instance.pool]
            codes = np.vstack([known.samples.codes, codes])
            said = np.vstack([known.predictions, said])
        self.known[instance.pool] = Answers(Samples(codes, np.ones(len(codes)), 1), said)


@dataclass(frozen=True, eq=False)
class _Seed:
    """The settings of one seed and what is known under it, for rows that share samples."""

    settings: Settings
    model: _Remembering
    answered: dict[str, Answers] = field(default_factory=dict)
    drawn: dict[tuple[str, int], Answers] = field(default_factory=dict)
    """By pool and number of samples."""

    def answers(self, instance: Instance, n: int) -> Answers:
        """Draw the n samples again that an explanation was made from: their answers are known."""
        key = (instance.pool, n)
        if key not in self.drawn:
            known = self.model.known.get(instance.pool)
            asked = cast("LoadedModel", self.model)
            self.drawn[key] = ask(instance, asked, self.settings, n, known)
        return self.drawn[key]

    def forget(self) -> None:
        """Make room where no other instance shares the samples."""
        self.model.known.clear()
        self.drawn.clear()


def _replicate(instance: Instance, model: LoadedModel, seeds: list[_Seed]) -> Iterator[Replicate]:
    original = ask_originals([instance], model, seeds[0].settings)[0]
    asking = cast(Instance, _Asking(instance, original))
    for seed in seeds:
        asked = cast("LoadedModel", seed.model)
        explanation = next(explain([asking], asked, seed.settings, seed.answered))
        answers = seed.answers(asking, explanation.samples)
        drawn = weigh(instance, answers, original, seed.settings)
        yield Replicate(explanation, drawn, answers)
        if not instance.shared:
            seed.forget()
