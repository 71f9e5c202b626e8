"""Batches: many instances, in slices, through an executor, into a stream of lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from lime_cli.commands.output import Output
from lime_cli.commands.running import Running
from lime_cli.commands.slices import Slice, slices
from lime_cli.commands.stops import Stops
from lime_cli.console import print_line
from lime_cli.formats import Look
from lime_cli.modalities import Modality

if TYPE_CHECKING:
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

    def slices(self) -> Iterator[Slice]:
        """Yield this shard's slices, in order."""
        modality = self.job.modality
        found = slices(modality.sources(), modality.slice_size)
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
    from lime_cli.executors import opened

    output, lines = batch.output, batch.output.format == "jsonl" and batch.look.unicode
    drawings = () if lines else (output.format,)
    workers = batch.running.workers(batch.job.model.threads)
    caveats: list[tuple[str, str]] = []
    stops = Stops(batch.running)
    written = 0
    with output.opened() as stream, opened(workers, batch.job.model.path) as executor:
        works = batch.works(batch.slices(), drawings)
        for outcome in _in_order(executor.run_all(works, lambda: bool(stops.reason))):
            if outcome.error is not None:
                print_line(f"limex: {said_of(outcome)}")
                stops.failed += 1
                continue
            separated = output.format == "table" and written
            content = outcome.line if lines else outcome.drawings[0][1]
            stream.write(b"\n" + content if separated else content)
            caveats.extend(outcome.warnings)
            written += 1
    if output.format != "table":
        output.console.warn(caveats)
    if stops.reason:
        output.console.say(f"stopped after {written + stops.failed:,}: {stops.reason}")
    return SOME_FAILED if stops.failed or stops.reason else 0


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


def _in_order(done: Iterator[tuple[Work, tuple[Outcome, ...]]]) -> Iterator[Outcome]:
    """Yield outcomes by the number of their work, whatever is finished first."""
    waiting: dict[int, tuple[Outcome, ...]] = {}
    turn = 0
    for work, outcomes in done:
        waiting[work.number] = outcomes
        while turn in waiting:
            yield from waiting.pop(turn)
            turn += 1
    for number in sorted(waiting):
        yield from waiting[number]
