"""Jobs: a slice of sources on its way through model, modality and engine, to bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lime_cli import clock, errors
from lime_cli.engine import explain
from lime_cli.engine.explaining import focused
from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import Instance
from lime_cli.engine.predictions import NOTHING, CallCounts, taken
from lime_cli.engine.targets import Engine, targeted
from lime_cli.errors import InputError, LimexError, PredictionError
from lime_cli.files import json_line
from lime_cli.formats import Look, letters_told, written
from lime_cli.modality import Modality
from lime_cli.models.model_file import ModelFile
from lime_cli.settings import Settings
from lime_cli.sources import Source

if TYPE_CHECKING:
    from lime_cli.engine.explaining import Watch
    from lime_cli.engine.neighbourhood import Neighbourhood
    from lime_cli.models.model_file import LoadedModel


@dataclass(frozen=True)
class Job:
    """What a worker needs: paths and choices, never a model or an array."""

    model: ModelFile
    modality: Modality
    settings: Settings
    sources: tuple[Source, ...]
    command: str = ""
    """The command line, as far as it changes a number; empty where there was none."""


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


def run(
    job: Job,
    watch: Watch | None = None,
    prepared: Prepared | None = None,
    lost: Mapping[int, LimexError] = MappingProxyType({}),
) -> Iterator[Explained | Failed]:
    """Explain every source of a job, in order; ``prepared`` is what ``prepare`` made of it before.

    Raises ModelError and SettingsError, which concern all sources; an InputError or a
    PredictionError concerns one and becomes ``Failed``. Settings say whether samples and sums are
    limex's own or marcotcr/lime's; ``watch`` is given the samples of the former. Sources whose key
    is among the ``lost`` are not tried again.
    """
    model, modality, known = prepared or _prepared_for(job)
    engine = _like_lime(known) if job.settings.like_lime else partial(explain, watch=watch)
    ready: list[tuple[Source, Instance]] = []
    for source in job.sources:
        try:
            if lost and (key := source.key) in lost:
                raise lost[key]
            instance = modality.read(source)
        except (InputError, PredictionError) as error:
            yield from _explain(ready, engine, model, job)
            ready = []
            yield Failed(source, error)
            continue
        ready.append((source, instance))
        if not instance.shared:
            yield from _explain(ready, engine, model, job)
            ready = []
    yield from _explain(ready, engine, model, job)


def load(job: Job) -> None:
    """Load what all jobs of a run share, once per process; raise ModelError and SettingsError."""
    _prepared_for(job)


def manner(job: Job) -> str:
    """Say how the model of a job was asked, to end a sentence; empty for the usual way."""
    model, modality, _ = _prepared_for(job)
    ignored = ", ".join(map(repr, modality.ignored()))
    words = (model.manner, f"ignored: {ignored}" if ignored else "")
    return "".join(f"; {one}" for one in words if one)


def call_counter(job: Job, prepared: Prepared | None = None) -> Callable[[], CallCounts]:
    """Return what tells what this process asked the model of a job since it was last called."""
    model = (prepared or _prepared_for(job))[0]
    return lambda: taken(model)


def _explain(
    ready: list[tuple[Source, Instance]],
    engine: Engine,
    model: LoadedModel,
    job: Job,
) -> Iterator[Explained | Failed]:
    """Explain instances together, or one by one when the model fails on some."""
    sources, instances = [one for one, _ in ready], [one for _, one in ready]
    settings, file = job.settings, Path(job.model.path).name
    try:
        with clock.explaining(_named(ready), settings.most_samples):
            instances = [focused(one, model, settings) for one in instances]
            explanations = list(targeted(instances, model, settings, engine))
    except (InputError, PredictionError) as error:
        if len(ready) == 1:
            yield Failed(sources[0], error)
            return
        for pair in ready:
            yield from _explain([pair], engine, model, job)
        return
    for source, explanation in zip(sources, explanations, strict=True):
        clock.count_explained()
        yield Explained(source, replace(explanation, made_of=file, made_by=job.command))


def _named(ready: list[tuple[Source, Instance]]) -> dict[int, tuple[int, str]]:
    """Tell by the identity of each instance which source it is, for who keeps the time."""
    return {id(instance): (source.key, source.called) for source, instance in ready}


def _like_lime(known: dict[str, Any]) -> Callable[..., Iterator[Explanation]]:
    from lime_cli.engine.like_lime import explain_like_lime
    from lime_cli.tabular.like_lime import samples_of_row

    return partial(explain_like_lime, of_row=partial(samples_of_row, predicted=known))


Prepared = tuple["LoadedModel", Modality, dict[str, Any]]
"""A model that is loaded, a modality that knows it, and what that knows of lime's samples."""


def _prepared_for(job: Job) -> Prepared:
    """Load once per process what all jobs of a run share: model, background.

    And what the model predicts for the samples of a table by marcotcr/lime, which rows share.
    """
    modality = job.modality.without_inputs()
    return _prepared(job.model, modality, job.settings, (*job.model.stamp(), *modality.stamp()))


@lru_cache(maxsize=1)
def _prepared(
    file: ModelFile,
    modality: Modality,
    settings: Settings,
    stamp: tuple[int, ...],  # only tells a model or a background that was written anew
) -> Prepared:
    return prepare(Job(file, modality, settings, ()))


def prepare(job: Job) -> Prepared:
    """Load the model of a job and learn its background; raise ModelError and SettingsError."""
    model, modality = job.model.load(), job.modality
    modality = modality.jointly() if job.settings.kernel == "shapley" else modality
    return model, modality.fitted(model.asked), {}


FAILURE_SCHEMA = {"name": "limex/failure", "number": 1}


_LOOK = Look(unicode=True)


@dataclass(frozen=True)
class Work:
    """A job of a batch, and what is drawn beside its records."""

    first: int
    """Place of its first source in the batch, from 0, in input order."""
    job: Job
    drawings: tuple[str, ...] = ()
    """Formats, one file an instance each."""
    look: Look = _LOOK
    keeps: bool = False
    """Whether explanations are handed over as they are, without lines and drawings."""
    watched: bool = False
    """Whether the samples are handed over too, of a job with one source."""
    lost: Mapping[int, LimexError] = field(default_factory=dict)
    """By key of a source, what it did to the earlier process that tried it."""
    inputs: str = ""
    """What the files of its sources look like as it is handed out; empty: not looked at."""


class Outcome(NamedTuple):
    """One source's line of the ledger, its drawings, and what a summary counts."""

    source: Source
    line: bytes
    """The record, or the record of the error, as one line of JSON with its newline."""
    drawings: tuple[tuple[str, bytes], ...] = ()
    """Format and content of the file."""
    error: str | None = None
    """Class of the error; None where all went well."""
    samples: int = 0
    fidelities: tuple[float | None, ...] = ()
    """One a target."""
    warnings: tuple[tuple[str, str], ...] = ()
    """Code and sentence."""
    call_counts: CallCounts = NOTHING
    """What the model was asked since the process's last outcome."""
    seconds: float = 0.0
    """Since the work's last outcome: sources that are explained together take it at the first."""
    explanation: Explanation | None = None
    """As it is, in place of its line; never sent."""
    drawn: tuple[Instance, Neighbourhood] | None = None
    """The instance and its samples; never sent."""


def complete(work: Work, prepared: Prepared | None = None) -> Iterator[Outcome]:
    """Do a job; return one outcome a source, in order.

    Raises what concerns every source: ModelError and SettingsError.
    """
    call_counts, look = call_counter(work.job, prepared), replace(work.look, unicode=True)
    drawn: list[tuple[Instance, Neighbourhood]] = []
    watch = (lambda *one: drawn.append(one)) if work.watched else None
    began = time.monotonic()
    for found in run(work.job, watch, prepared, work.lost):
        match found:
            case Explained(source, explanation):
                outcome = _explained(source, explanation, work, look)
            case Failed(source, error):
                outcome = failed(source, error)
        yield outcome._replace(
            call_counts=call_counts(),
            seconds=time.monotonic() - began,
            drawn=drawn[-1] if drawn else None,
        )
        began = time.monotonic()


def in_order(done: Iterator[tuple[Work, tuple[Outcome, ...]]]) -> Iterator[Outcome]:
    """Yield outcomes by the place of their work, whatever is finished first."""
    waiting: dict[int, tuple[Outcome, ...]] = {}
    turn = 0
    for work, outcomes in done:
        waiting[work.first] = outcomes
        while turn in waiting:
            some = waiting.pop(turn)
            yield from some
            turn += len(some)
    for first in sorted(waiting):
        yield from waiting[first]


def failed(source: Source, error: LimexError) -> Outcome:
    """Return the outcome of a source that could not be explained."""
    kind = type(error).__name__
    record = {
        "schema": FAILURE_SCHEMA,
        "instance": {"id": source.id, "source": source.path, "row": source.row},
        "error": {"kind": kind, "message": error.message, "hint": error.hint},
    }
    return Outcome(source, json_line(record), error=kind)


def error_of(outcome: Outcome) -> LimexError:
    """Return the error of a source that could not be explained."""
    assert outcome.error is not None
    said = json.loads(outcome.line)["error"]
    error: LimexError = getattr(errors, outcome.error)(said["message"], said["hint"])
    return error


def _explained(source: Source, explanation: Explanation, work: Work, look: Look) -> Outcome:
    """Write an explanation down, unless it is kept; ``look`` is that of its line."""
    wanted = () if work.keeps else work.drawings
    with letters_told() as told:
        drawings = tuple((one, written(one, [explanation], work.look)) for one in wanted)
    return Outcome(
        source,
        b"" if work.keeps else written("jsonl", [explanation], look),
        drawings,
        samples=explanation.samples,
        fidelities=tuple(one.fidelity for one in explanation.surrogates),
        warnings=(*((one.code, one.message) for one in explanation.warnings), *told),
        explanation=explanation if work.keeps else None,
    )
