"""Batches: many instances, in slices, through an executor, into a stream of lines."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lime_cli import errors
from lime_cli.console import print_line
from lime_cli.errors import SettingsError
from lime_cli.formats import FORMATS, Look
from lime_cli.modality import Modality
from lime_cli.running.output import Output
from lime_cli.running.signals import Interruption
from lime_cli.sources import Source

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.running.executor import Executor, Workers
    from lime_cli.running.job import Job, Outcome, Work
    from lime_cli.running.resume import Beginning


@dataclass(frozen=True)
class Slice:
    """Sources that are explained together."""

    number: int
    first: int
    """Place of the first source in the batch."""
    sources: tuple[Source, ...]

    def inputs(self) -> str:
        """Tell by size and time how the files look now; empty for the rows of one table."""
        if self.sources[0].row is not None:
            return ""
        looks = hashlib.sha256()
        for source in self.sources:
            try:
                found = os.stat(source.path)  # noqa: PTH116
            except OSError:
                looks.update(b"none\n")
                continue
            looks.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
        return looks.hexdigest()[:16]


@dataclass(frozen=True)
class Inventory:
    """All sources, counted and identified."""

    n_sources: int
    n_slices: int
    digest: str
    """SHA-256 of ids and rows in order."""


def slices(sources: Iterable[Source], size: int) -> Iterator[Slice]:
    """Cut sources into slices of at most ``size``, which rows of a table fill by their number.

    A row is thus explained with the same neighbours whatever else is asked for.
    """
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
    n_sources = n_slices = 0
    for one in found:
        n_slices += 1
        n_sources += len(one.sources)
        for source in one.sources:
            digest.update(f"{source.id}\0{source.row}\n".encode("utf-8", "surrogateescape"))
    return Inventory(n_sources, n_slices, digest.hexdigest())


def _block(source: Source, size: int) -> int | None:
    return None if source.row is None else source.row // size


@dataclass(frozen=True)
class Running:
    """How many instances are gone through."""

    jobs: int | None = None
    executor: str | None = None
    scheduler: str | None = None
    item_timeout: float | None = None
    """In seconds."""
    restart: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    time_limit: float | None = None
    """In seconds."""
    shard: tuple[int, int] = (1, 1)
    """Which of how many, counted from 1."""
    progress: str = "auto"

    @property
    def here(self) -> bool:
        """Whether this process does the work."""
        return executor_of(self.jobs, self.executor, self.scheduler) == "here"

    def check(self, into_folder: bool, found: tuple[Source, ...]) -> None:
        """Refuse options that mean nothing here; ``found`` are the first sources."""
        if not into_folder:
            for option, given in (
                ("--restart", self.restart),
                ("--retry-failed", self.retry_failed),
                ("--shard", self.shard != (1, 1)),
            ):
                if given:
                    raise SettingsError(f"{option} is for a batch in a folder", "name it: -o DIR")
        once = any(one.row is not None and not Path(one.path).is_file() for one in found)
        if into_folder and once:
            raise SettingsError(
                f"{found[0].path}: a batch in a folder reads its table again to go on",
                "save it to a file first",
            )
        if not self.here and any(one.path == "-" and one.row is None for one in found):
            raise SettingsError("-j: workers cannot read standard input", "name files, or no -j")

    def workers(self, threads: int | None) -> Workers:
        """Say who works, each with so many threads."""
        from lime_cli.running.executor import Workers

        executor = executor_of(self.jobs, self.executor, self.scheduler)
        n = self.jobs or (_cores() if executor == "local" else 1)
        return Workers(executor, n, self.scheduler, threads, self.item_timeout)

    def beginning(self, force: bool) -> Beginning:
        """Say what becomes of what the folder holds."""
        from lime_cli.running.resume import Beginning

        return Beginning(self.restart, self.retry_failed, force)

    def owns(self, number: int) -> bool:
        """Tell whether a part of the batch belongs to this shard."""
        which, n = self.shard
        return number % n == which - 1

    def numbers(self, n: int) -> range:
        """Return the numbers of the n parts that belong to this shard."""
        which, n_shards = self.shard
        return range(which - 1, which - 1 + n * n_shards, n_shards)


def executor_of(jobs: int | None, executor: str | None, scheduler: str | None) -> str:
    """Name the executor that the options mean: without any, this process."""
    if executor == "dask" or (scheduler is not None and executor is None):
        return "dask"
    return "here" if jobs is None and executor is None else "local"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class Stops:
    """Why a batch may stop before its end."""

    running: Running
    interruption: Interruption | None = None
    began: float = field(default_factory=time.monotonic)
    failed: int = 0
    """In this run."""

    @property
    def reason(self) -> str:
        """Say why to stop; empty to go on."""
        limit, most = self.running.time_limit, self.running.max_failures
        if self.interruption and self.interruption.number is not None:
            return "interrupted"
        if limit is not None and time.monotonic() - self.began > limit:
            return f"--time-limit {limit:g} is over"
        if most is not None and self.failed > most:
            return f"{self.failed} failed, --max-failures is {most}"
        return ""


SOME_FAILED = 6
"""The exit code of a batch in which an instance failed, or was not come to."""


@dataclass(frozen=True)
class Batch:
    """Instances of one modality, and what becomes of them."""

    job: Job
    """Without sources: what is the same for all."""
    running: Running
    output: Output
    look: Look
    sources: Callable[[], Iterator[Source]]
    """Begins anew with each call, where it is called more than once."""

    def slices(self) -> Iterator[Slice]:
        """Yield this shard's slices, in order."""
        modality = self.job.modality
        found = slices(self.sources(), modality.slice_size)
        return (one for one in found if self.running.owns(one.number))

    def works(self, wanted: Iterator[Slice], drawings: tuple[str, ...]) -> Iterator[Work]:
        """Turn slices into what workers do."""
        from lime_cli.running.job import Work

        job = replace(self.job, modality=without_inputs(self.job.modality))
        for one in wanted:
            job = replace(job, sources=one.sources)
            yield Work(one.number, job, drawings, self.look)


def run_into_lines(batch: Batch) -> int:
    """Write what comes of each instance as soon as its turn has come; return the exit code.

    The path named, or standard output, gets explanations alone; failures are told in words.
    """
    output = batch.output
    stops = Stops(batch.running)
    caveats: list[tuple[str, str]] = []
    with output.opened() as stream:
        if batch.running.here and output.format != "jsonl":
            explanations = _explained_here(batch, stops, caveats)
            FORMATS[output.format](explanations, stream, batch.look)
        else:
            from lime_cli.running.job import in_order

            with _executor(batch) as executor:
                works = batch.works(batch.slices(), ())
                done = executor.run_all(works, lambda: bool(stops.reason))
                _write(_explained(in_order(done), stops, caveats), stream, batch)
    if output.format != "table":
        output.console.warn(caveats)
    if stops.reason:
        output.console.say(f"stopped: {stops.reason}")
    return SOME_FAILED if stops.failed or stops.reason else 0


def _explained_here(
    batch: Batch, stops: Stops, caveats: list[tuple[str, str]]
) -> Iterator[Explanation]:
    """Yield explanations as they are, pictures and all; tell of those that failed."""
    from lime_cli.running.job import Failed, run

    for one in batch.slices():
        if stops.reason:
            return
        for outcome in run(replace(batch.job, sources=one.sources)):
            if isinstance(outcome, Failed):
                stops.failed += 1
                print_line(f"limex: {outcome.source.id}: {outcome.error}")
            else:
                found = outcome.explanation
                caveats.extend((one.code, one.message) for one in found.caveats)
                yield found


def run_one(batch: Batch) -> int:
    """Let a worker explain the one instance there is; what is wrong with it ends the command."""
    output = batch.output
    with output.opened() as stream, _executor(batch) as executor:
        works = batch.works(batch.slices(), (output.format,))
        _, (outcome,) = next(executor.run_all(works, lambda: False))
        if outcome.error is not None:
            error = json.loads(outcome.line)["error"]
            raise getattr(errors, outcome.error)(error["message"], error["hint"])
        stream.write(outcome.drawings[0][1])
    if output.format != "table":
        output.console.warn(outcome.warnings)
    return 0


def _executor(batch: Batch) -> AbstractContextManager[Executor]:
    from lime_cli.running.executor import opened

    model = batch.job.model
    return opened(batch.running.workers(model.threads), model.path)


def _explained(
    outcomes: Iterator[Outcome], stops: Stops, caveats: list[tuple[str, str]]
) -> Iterator[bytes]:
    """Yield the lines of those that went well; tell of the others."""
    for outcome in outcomes:
        if outcome.error is None:
            caveats.extend(outcome.warnings)
            yield outcome.line
        else:
            stops.failed += 1
            print_line(f"limex: {said_of(outcome)}")


def _write(lines: Iterator[bytes], stream: IO[bytes], batch: Batch) -> None:
    if batch.output.format == "jsonl":
        for line in lines:
            plain = line if batch.look.unicode else _in_ascii(line)
            stream.write(plain)
        return
    from lime_cli.records.record import explanation_of

    explanations: Iterator[Explanation] = map(explanation_of, map(json.loads, lines))
    if batch.output.format in ("html", "table"):
        explanations = _with_pictures(explanations, batch)
    FORMATS[batch.output.format](explanations, stream, batch.look)


def _with_pictures(explanations: Iterator[Explanation], batch: Batch) -> Iterator[Explanation]:
    """Put back the pictures that workers do not send."""
    from lime_cli.records.pictures import Pictures

    places = Pictures("-", inputs=getattr(batch.job.modality, "inputs", ()))
    return (places.restored(one, needed=False) for one in explanations)


def _in_ascii(line: bytes) -> bytes:
    return (json.dumps(json.loads(line), separators=(",", ":"), ensure_ascii=True) + "\n").encode()


def without_inputs(modality: Modality) -> Modality:
    """Return a modality that travels light: workers are told of each source."""
    known = {one.name for one in fields(modality)}  # type: ignore[arg-type]
    return replace(modality, inputs=()) if "inputs" in known else modality  # type: ignore[type-var]


def said_of(outcome: Outcome) -> str:
    """Say in a line what went wrong with an instance."""
    error = json.loads(outcome.line)["error"]
    hint = f"; {error['hint']}" if error["hint"] else ""
    name = outcome.source.id
    prefix = "" if error["message"].startswith(name) else f"{name}: "
    return f"{prefix}{error['message']}{hint}"
