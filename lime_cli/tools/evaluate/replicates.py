"""Replicates: instances explained with several seeds, and what the model said to each seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lime_cli import clock
from lime_cli.engine import explain
from lime_cli.engine.explaining import focused
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import Instance
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.errors import InputError, PredictionError
from lime_cli.running.job import Failed, Job
from lime_cli.settings import Settings
from lime_cli.tools.evaluate.measure import Curves, curves

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel
    from lime_cli.sources import Source


_CURVES = 1  # tells the curves' random numbers from those of the samples


@dataclass(frozen=True, eq=False)
class Replicate:
    """An explanation by one seed and the neighbourhood which that seed drew."""

    explanation: Explanation
    neighbourhood: Neighbourhood


@dataclass(frozen=True, eq=False)
class Replicated:
    """A source explained with every seed; curves are those of the first, by target."""

    source: Source
    replicates: tuple[Replicate, ...]
    curves: tuple[Curves, ...]


def replicated(job: Job, n_seeds: int) -> Iterator[Replicated | Failed]:
    """Explain every source of a job, in order, with its seed and the ``n_seeds - 1`` after it.

    Raises ModelError and SettingsError, which concern all sources; what concerns one becomes
    ``Failed``.
    """
    model = job.model.load()
    modality = job.modality.jointly() if job.settings.kernel == "shapley" else job.modality
    modality = modality.fitted(model.input._replace(takes=model.takes, predictions=model.predict))
    seeds = [replace(job.settings, seed=job.settings.seed + i) for i in range(n_seeds)]
    for source in job.sources:
        try:
            instance = modality.read(source)
            with clock.explaining({id(instance): (source.key, source.called)}, 0):
                one = _evaluated(source, instance, model, seeds)
        except (InputError, PredictionError) as error:
            yield Failed(source, error)
            continue
        yield one


def _evaluated(
    source: Source, instance: Instance, model: LoadedModel, seeds: list[Settings]
) -> Replicated:
    first = seeds[0]
    instance = focused(instance, model, first)
    found = tuple(_replicate(instance, model, settings) for settings in seeds)
    drawn: tuple[Curves, ...] = ()
    if first.surrogate != "tree":  # which has no weights, so no order to speak of
        entropy = [first.seed, _CURVES]
        surrogates = found[0].explanation.surrogates
        drawn = tuple(curves(instance, model, one, entropy) for one in surrogates)
    return Replicated(source, found, drawn)


def _replicate(instance: Instance, model: LoadedModel, settings: Settings) -> Replicate:
    seen: list[Neighbourhood] = []
    watch = lambda _instance, neighbourhood: seen.append(neighbourhood)  # noqa: E731
    explanation = next(explain([instance], model, settings, watch))
    return Replicate(explanation, seen[0])
