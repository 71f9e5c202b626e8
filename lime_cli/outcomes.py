"""Outcomes: what a worker hands back of a job, as bytes ready to be written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lime_cli.engine.asking import NOTHING, Asked
from lime_cli.formats import FORMATS, Look
from lime_cli.jobs import Explained, Failed, Job, asker, run

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation
    from lime_cli.errors import LimexError
    from lime_cli.modalities import Source

FAILURE_SCHEMA = {"name": "limex/failure", "number": 1}

_LOOK = Look(unicode=True)


@dataclass(frozen=True)
class Work:
    """A job of a batch, and what is drawn beside its records."""

    number: int
    """Place in the batch, from 0, in input order."""
    job: Job
    drawings: tuple[str, ...] = ()
    """Formats, one file an instance each."""
    look: Look = _LOOK


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
    asked: Asked = NOTHING
    """What the model was asked since the process's last outcome."""


def complete(work: Work) -> Iterator[Outcome]:
    """Do a job; return one outcome a source, in order.

    Raises what concerns every source: ModelError and SettingsError.
    """
    asked, look = asker(work.job), replace(work.look, unicode=True)
    for found in run(work.job):
        match found:
            case Explained(source, explanation):
                outcome = _explained(source, explanation, work, look)
            case Failed(source, error):
                outcome = failed(source, error)
        yield outcome._replace(asked=asked())


def in_order(done: Iterator[tuple[Work, tuple[Outcome, ...]]]) -> Iterator[Outcome]:
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


def failed(source: Source, error: LimexError) -> Outcome:
    """Return the outcome of a source that could not be explained."""
    kind = type(error).__name__
    record = {
        "schema": FAILURE_SCHEMA,
        "instance": {"id": source.id, "source": source.path, "row": source.row},
        "error": {"kind": kind, "message": error.message, "hint": error.hint},
    }
    return Outcome(source, _line(record), error=kind)


def _explained(source: Source, explanation: Explanation, work: Work, look: Look) -> Outcome:
    """Write an explanation down; ``look`` is that of its line."""
    return Outcome(
        source,
        _written("jsonl", explanation, look),
        tuple((one, _written(one, explanation, work.look)) for one in work.drawings),
        samples=explanation.samples,
        fidelities=tuple(one.fidelity for one in explanation.surrogates),
        warnings=tuple((one.code, one.message) for one in explanation.caveats),
    )


def _written(name: str, explanation: Explanation, look: Look) -> bytes:
    stream = io.BytesIO()
    FORMATS[name]([explanation], stream, look)
    return stream.getvalue()


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, separators=(",", ":"), ensure_ascii=True) + "\n").encode()
