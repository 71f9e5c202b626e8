"""A run: instances in slices, through an executor, into a stream of results or into memory."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lime_cli import clock
from lime_cli.console import print_line
from lime_cli.errors import SOME_FAILED
from lime_cli.files import json_line
from lime_cli.formats import Look
from lime_cli.registry import FORMATS
from lime_cli.running.containment import Containment, Interruption, Leftover
from lime_cli.running.executor import Workers, opened
from lime_cli.running.job import (
    Explained,
    Failed,
    Job,
    Outcome,
    Prepared,
    Work,
    complete,
    error_of,
    in_order,
    manner,
)
from lime_cli.running.output import Output
from lime_cli.running.progress import Progress, shown
from lime_cli.sources import Source, local

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation


@dataclass(frozen=True)
class Slice:
    """Sources that lie together: a share of a batch is made of whole slices."""

    number: int
    first: int
    """Place of the first source in the batch."""
    sources: tuple[Source, ...]

    def part(self, start: int, n: int) -> Slice:
        """Return n of its sources, or as many as there are."""
        return replace(self, first=self.first + start, sources=self.sources[start : start + n])

    def inputs(self) -> str:
        """Tell by size and time how the files look now; empty for the rows of one table."""
        if self.sources[0].row is not None:
            return ""
        looks = hashlib.sha256()
        for source in self.sources:
            try:
                found = local(source.path).stat()
            except OSError:
                looks.update(b"none\n")
                continue
            looks.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
        return looks.hexdigest()[:16]


@dataclass(frozen=True)
class Inventory:
    """All sources, counted and identified."""

    n_sources: int
    digest: str
    """SHA-256 of ids and rows in order."""


def slices(sources: Iterable[Source], size: int) -> Iterator[Slice]:
    """Cut sources into slices of at most ``size``, which rows of a table fill by their number."""
    held: list[Source] = []
    number = first = 0
    for place, source in enumerate(sources):
        if held and (len(held) == size or _block(source, size) != _block(held[0], size)):
            yield Slice(number, first, tuple(held))
            held, number, first = [], number + 1, place
        held.append(source)
    if held:
        yield Slice(number, first, tuple(held))


def inventory_of(found: Iterable[Slice]) -> Inventory:
    """Go through all slices; keep none."""
    digest = hashlib.sha256()
    n_sources = 0
    for one in found:
        n_sources += len(one.sources)
        for source in one.sources:
            digest.update(f"{source.id}\0{source.row}\n".encode("utf-8", "surrogateescape"))
    return Inventory(n_sources, digest.hexdigest())


def _block(source: Source, size: int) -> int | None:
    return None if source.row is None else source.row // size


SOON = 4.0
"""Seconds, about, that sources take which are explained and kept together."""

GROWTH = 4
"""How many times as many go together than were ever done together before."""


class Pace:
    """How many sources go together: as many as are soon done, however long the model takes.

    No byte depends on it, for the engine asks and fits each source on its own.
    """

    def __init__(self) -> None:
        self.n = 1
        self._known = False

    def cut(self, found: Iterable[Slice]) -> Iterator[Slice]:
        """Cut slices into parts, each as large as seems right when its turn comes."""
        for one in found:
            start = 0
            while start < len(one.sources):
                part = one.part(start, self.n)
                start += len(part.sources)
                yield part

    def learn(self, outcomes: Collection[Outcome]) -> None:
        """Take note of how long sources took that went together."""
        explained = sum(one.error is None for one in outcomes)
        if self._known and not explained:
            return  # what fails at once says nothing of the others
        self._known = explained > 0
        each = sum(one.seconds for one in outcomes) / (explained or len(outcomes))
        known = max(self.n, GROWTH * len(outcomes))
        self.n = max(1, int(min(known, SOON / max(each, 1e-9))))


@dataclass(frozen=True)
class Run:
    """Instances of one modality, who explains them, and when to stop."""

    job: Job
    """Without sources: what is the same for all."""
    sources: Callable[[], Iterator[Source]]
    """Begins anew with each call, where it is called more than once."""
    workers: Workers
    look: Look
    drawings: tuple[str, ...] = ()
    """Formats that workers write, a file an instance, beside its record."""
    keeps: bool = False
    """Whether explanations are kept as they are, images and all: in this process alone."""
    watched: bool = False
    """Whether the samples are kept too, of one instance."""
    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    time_limit: float | None = None
    """In seconds."""
    shard: tuple[int, int] = (1, 1)
    """Which of how many, counted from 1."""
    progress: str = "auto"
    began: float = field(default_factory=time.monotonic)
    """On the monotonic clock, in seconds."""
    left: Leftover = field(default_factory=Leftover)
    """By earlier processes that did this run and came to no end."""
    prepared: Prepared | None = None
    """What was prepared for it in this process before; it then keeps explanations."""

    def slices(self) -> Iterator[Slice]:
        """Yield this shard's slices, in order."""
        which, n = self.shard
        found = slices(self.sources(), self.job.modality.slice_size)
        return (one for one in found if one.number % n == which - 1)

    def light_job(self) -> Job:
        """Return the job as it travels: workers are told of each source."""
        return replace(self.job, modality=self.job.modality.without_inputs())


def contained(run: Run, containment: Containment | None) -> Run:
    """Return the run as a child does it that is the first, or does again what others began."""
    if containment is None:
        return run
    return replace(run, began=containment.began, left=containment.left)


@dataclass
class Stops:
    """Why a run may stop before its end."""

    run: Run
    interruption: Interruption | None = None
    failed: int = 0
    """In this run."""

    @property
    def reason(self) -> str:
        """Say why to stop; empty to go on."""
        limit, most = self.run.time_limit, self.run.max_failures
        if self.interruption and self.interruption.number is not None:
            return "interrupted"
        if limit is not None and time.monotonic() - self.run.began > limit:
            return f"--time-limit {limit:g} is over"
        if most is not None and self.failed > most:
            return f"{self.failed} failed, --max-failures is {most}"
        return ""


def outcomes(
    run: Run, stop: Callable[[], bool], wanted: Iterable[Slice] | None = None
) -> Generator[tuple[Work, tuple[Outcome, ...]], None, None]:
    """Explain slices, all of the run's or those wanted; yield works with outcomes as they are done.

    Those that this process keeps come one by one, the others as many at a time as went together.
    Once ``stop`` says so nothing more is begun. Raises what concerns every source: ModelError and
    SettingsError.
    """
    job, pace = run.light_job(), Pace()
    works = (
        Work(
            one.first,
            replace(job, sources=one.sources),
            run.drawings,
            run.look,
            run.keeps,
            run.watched,
            run.left.lost,
            "" if wanted is None else one.inputs(),
        )
        for one in pace.cut(run.slices() if wanted is None else wanted)
    )
    if run.keeps:
        for work in works:
            if stop():
                return
            found = []
            for outcome in complete(work, run.prepared):
                found.append(outcome)
                yield work, (outcome,)
            pace.learn(found)
        return
    with opened(run.workers, job.model.path) as executor:
        for work, outcomes in executor.run_all(works, stop):
            pace.learn(outcomes)
            yield work, outcomes


def _ordered(run: Run, stop: Callable[[], bool]) -> Generator[Outcome, None, None]:
    """Yield outcomes in input order."""
    with closing(outcomes(run, stop)) as done:
        if run.keeps:
            for _, some in done:
                yield from some
        else:
            yield from in_order(done)


def in_memory(run: Run) -> Iterator[Explained | Failed]:
    """Yield what comes of each instance; explanations from workers come without images."""
    from lime_cli.records.record import explanation_of

    for outcome in _ordered(run, lambda: False):
        if outcome.error is not None:
            yield Failed(outcome.source, error_of(outcome))
        else:
            found = outcome.explanation or explanation_of(json.loads(outcome.line))
            yield Explained(outcome.source, found)


def _watched(run: Run, stops: Stops, alone: bool, quiet: bool) -> Iterator[Outcome]:
    """Yield outcomes in input order, showing how far it is while none is there yet."""
    done = _ordered(run, lambda: bool(stops.reason))
    with closing(done):
        if alone:  # no bar is left where the result is about to be
            with shown(progress := Progress(1), run.progress, quiet, late=_LATE):
                first = next(done)
                progress.advance(1, int(first.error is not None))
            yield first
            return
        way = "off" if run.progress == "auto" and sys.stdout.isatty() else run.progress
        with shown(progress := Progress(None), way, quiet, late=_LATE):
            for outcome in done:
                failed = progress.failed + int(outcome.error is not None)
                progress.advance(progress.done + 1, failed)
                yield outcome


_LATE = 1.0  # seconds after which somebody wonders how long it takes


def into_stream(run: Run, output: Output, alone: bool) -> int:
    """Write what comes of each instance as soon as its turn has come; return the exit code.

    The path named, or standard output, gets explanations only; failures are told in words. What is
    wrong with an instance that is ``alone`` ends the command.
    """
    stops = Stops(run)
    warnings: list[tuple[str, str]] = []

    def explained() -> Generator[Outcome, None, None]:
        for outcome in _watched(run, stops, alone, output.console.quiet):
            if outcome.error is None:
                warnings.extend(outcome.warnings)
                yield outcome
            elif alone:
                raise error_of(outcome)
            else:
                stops.failed += 1
                if stops.failed > run.left.told:
                    print_line(f"limex: {said_of(outcome)}")
                    clock.count_told()
            stream.flush()

    with output.opened(run.left.written) as stream, closing(explained()) as found:
        if alone and not run.keeps:
            stream.write(next(found).drawings[0][1])
        elif output.format == "jsonl" and not run.keeps:
            for outcome in found:
                plain = run.look.unicode
                stream.write(outcome.line if plain else json_line(json.loads(outcome.line)))
        else:
            FORMATS[output.format](_explanations(found, run, output), stream, run.look)
    if output.format != "table":
        output.console.warn(warnings, alone)
    if alone and run.keeps and output.console.verbose:
        seconds = time.monotonic() - run.began
        output.console.detail(f"1 explained in {seconds:.2f} s{manner(run.light_job())}")
    if stops.reason:
        output.console.say(f"stopped: {stops.reason}")
    return SOME_FAILED if stops.failed or stops.reason else 0


def _explanations(found: Iterator[Outcome], run: Run, output: Output) -> Iterator[Explanation]:
    """Yield explanations as they were kept, or from their lines; write what goes beside them."""
    if run.keeps:
        for outcome in found:
            assert outcome.explanation is not None
            output.keep(outcome.explanation)
            if outcome.drawn is not None:
                output.keep_samples(*outcome.drawn, outcome.explanation.model.targets)
            yield outcome.explanation
        return
    from lime_cli.records.reading import Images
    from lime_cli.records.record import explanation_of

    places = Images("-", inputs=getattr(run.job.modality, "inputs", ()))
    for outcome in found:
        explanation = explanation_of(json.loads(outcome.line))
        if output.format in ("html", "table"):  # workers send no images
            explanation = places.restored(explanation, needed=False)
        yield explanation


def said_of(outcome: Outcome) -> str:
    """Say in a line what went wrong with an instance."""
    said, name = str(error_of(outcome)), outcome.source.id
    return said if said.startswith(name) else f"{name}: {said}"
