"""Jobs: a slice of sources on its way through model, modality and engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from lime_cli.engine import ask_shared, explain
from lime_cli.engine.answers import Answers
from lime_cli.engine.asking import Asked, taken
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.focus import focused
from lime_cli.engine.instance import Instance
from lime_cli.errors import InputError, LimexError, PredictionError
from lime_cli.modalities import Modality, Source
from lime_cli.models import ModelFile
from lime_cli.settings import Settings

if TYPE_CHECKING:
    from lime_cli.engine.explaining import Watch
    from lime_cli.models import LoadedModel


@dataclass(frozen=True)
class Job:
    """What a worker needs: paths and choices, never a model or an array."""

    model: ModelFile
    modality: Modality
    settings: Settings
    sources: tuple[Source, ...]
    cache: str | None = None
    """Folder that keeps what the model says to the samples that all rows of a table share."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A source that went well."""

    source: Source
    explanation: Explanation


@dataclass(frozen=True, eq=False)
class Failed:
    """A source that did not; the others go on."""

    source: Source
    error: LimexError


def run(job: Job, watch: Watch | None = None) -> Iterator[Explained | Failed]:
    """Explain every source of a job, in order.

    Raises ModelError and SettingsError, which concern all sources; an InputError or a
    PredictionError concerns one and becomes ``Failed``. Settings say whether samples and sums are
    limex's own or marcotcr/lime's; ``watch`` is given the samples of the former.
    """
    model, modality, answered = _prepared_for(job)
    way = _like_lime() if job.settings.like_lime else partial(explain, watch=watch)
    ready: list[tuple[Source, Instance]] = []
    for source in job.sources:
        try:
            instance = modality.read(source)
        except InputError as error:
            yield from _explain(ready, way, model, job.settings, answered)
            ready = []
            yield Failed(source, error)
            continue
        ready.append((source, instance))
        if not instance.shared:
            yield from _explain(ready, way, model, job.settings, answered)
            ready = []
    yield from _explain(ready, way, model, job.settings, answered)


def load(job: Job) -> None:
    """Load what all jobs of a run share, once per process; raise ModelError and SettingsError."""
    _prepared_for(job)


def manner(job: Job) -> str:
    """Say how the model of a job was asked, to end a sentence; empty for the usual way."""
    model, modality, _ = _prepared_for(job)
    ignored = ", ".join(map(repr, modality.ignored()))
    words = (model.manner, f"ignored: {ignored}" if ignored else "")
    return "".join(f"; {one}" for one in words if one)


def asker(job: Job) -> Callable[[], Asked]:
    """Return what tells what this process asked the model of a job since it was last called."""
    model = _prepared_for(job)[0]
    return lambda: taken(model)


def ask_ahead(job: Job) -> float:
    """Ask about the samples that the rows of a table share; return the seconds that allows for.

    That is the time it took, as often over as there may be samples before the weights are settled.
    """
    model, modality, answered = _prepared_for(job)
    settings, began = job.settings, time.monotonic()
    rows = () if settings.like_lime else (one for one in job.sources if one.row is not None)
    for source in rows:
        with contextlib.suppress(InputError):
            instance = modality.read(source)
            with contextlib.suppress(PredictionError):  # which every row will be told of
                ask_shared(instance, model, settings, answered)
            break
    rounds = (settings.max_samples or settings.samples) / settings.samples
    return (time.monotonic() - began) * rounds


def _explain(
    ready: list[tuple[Source, Instance]],
    way: Callable[..., Iterator[Explanation]],
    model: LoadedModel,
    settings: Settings,
    answered: dict[str, Answers],
) -> Iterator[Explained | Failed]:
    """Explain instances together, or one by one when the model fails on some."""
    sources, instances = [one for one, _ in ready], [one for _, one in ready]
    try:
        instances = [focused(one, model, settings) for one in instances]
        explanations = list(way(instances, model, settings, answered))
    except (InputError, PredictionError) as error:
        if len(ready) == 1:
            yield Failed(sources[0], error)
            return
        for pair in ready:
            yield from _explain([pair], way, model, settings, answered)
        return
    for source, explanation in zip(sources, explanations, strict=True):
        yield Explained(source, explanation)


def _like_lime() -> Callable[..., Iterator[Explanation]]:
    from lime_cli.engine.compatibility import explain_like_lime

    return explain_like_lime


Prepared = tuple["LoadedModel", Modality, dict[str, Answers]]


def _prepared_for(job: Job) -> Prepared:
    """Load once per process what all jobs of a run share: model, background, its answers."""
    return _prepared(job.model, job.modality, job.settings, (job.cache, job.modality.stamp()))


@lru_cache(maxsize=1)
def _prepared(
    file: ModelFile,
    modality: Modality,
    settings: Settings,
    kept: tuple[str | None, tuple[int, ...]],
) -> Prepared:
    cache, _ = kept  # the stamp only tells a background that was written anew
    model = file.load()
    fitted = modality.fitted(model.input._replace(takes=model.takes))
    answered: dict[str, Answers] = {}
    if cache is not None and not settings.like_lime:
        from lime_cli.cache import Cache

        answered = Cache(cache, file, model, settings)
    return model, fitted, answered
