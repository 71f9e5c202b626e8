"""Batches: many instances, in slices, through an executor, into a stream of lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import IO, TYPE_CHECKING

from lime_cli import errors
from lime_cli.commands.output import Output
from lime_cli.commands.running import Running
from lime_cli.commands.slices import Slice, slices
from lime_cli.commands.stops import Stops
from lime_cli.console import print_line
from lime_cli.formats import FORMATS, Look
from lime_cli.modalities import Modality, Source

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.executors import Executor
    from lime_cli.jobs import Job
    from lime_cli.outcomes import Outcome, Work

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
        from lime_cli.outcomes import Work

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
            from lime_cli.outcomes import in_order

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
    from lime_cli.jobs import Failed, run

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
    from lime_cli.executors import opened

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
    from lime_cli.results.rebuilding import explanation_of

    explanations: Iterator[Explanation] = map(explanation_of, map(json.loads, lines))
    if batch.output.format in ("html", "table"):
        explanations = _with_pictures(explanations, batch)
    FORMATS[batch.output.format](explanations, stream, batch.look)


def _with_pictures(explanations: Iterator[Explanation], batch: Batch) -> Iterator[Explanation]:
    """Put back the pictures that workers do not send."""
    from lime_cli.results.pictures import Pictures

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
