"""Ask a model in calls that fit into memory: as many inputs as allowed, halved until they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np

from lime_cli import clock
from lime_cli.engine.arrays import FloatArray
from lime_cli.engine.instance import Instance, Model
from lime_cli.errors import NotFinite, OutOfMemory
from lime_cli.settings import Settings

BATCH_BYTES = 8 * 2**20
"""Of the inputs in one call, where neither their number nor the memory is given."""


class CallCounts(NamedTuple):
    """What a model was asked."""

    calls: int = 0
    inputs: int = 0
    """In these calls."""
    repeated: int = 0
    """Samples that were not asked about, because an equal one was."""

    def plus(self, other: CallCounts) -> CallCounts:
        """Add what else was asked."""
        return CallCounts(*(one + more for one, more in zip(self, other, strict=True)))


NOTHING = CallCounts()


@dataclass(frozen=True, eq=False)
class Question:
    """Model inputs that are made when their turn comes."""

    instance: Instance
    """One of those they belong to: how large an input is."""
    n: int
    inputs: Callable[[int, int], Any]
    """From the place of the first and a number to so many inputs, fewer at the end."""
    most: int | None = None
    """Inputs in a call, at most; a call always has its full size, filled up at the end."""


def put(question: Question, model: Model, settings: Settings) -> FloatArray:
    """Return the predictions (n, k), in calls as large as ``settings`` and the memory allow.

    No input is predicted twice. Raises PredictionError when the model fails, OutOfMemory
    where a single input is too much, or as many as the settings insist on.
    """
    calls, parts, start = _calls_of(model), [], 0
    while start < question.n:
        left = question.n - start
        size = calls.size(question.instance, settings)
        size = min(size, question.most or left)
        try:
            with clock.busy_with(question.instance):
                predictions = model.predict(question.inputs(start, size))
        except NotFinite as error:
            if not settings.drop_failed:
                raise
            predictions = error.predictions
        except (MemoryError, OutOfMemory) as error:
            if size == 1 or settings.batch_size is not None:
                raise _shortage(error, question.instance, size) from None
            calls.fits = size // 2
            continue
        calls.counts = calls.counts.plus(CallCounts(1, size))
        parts.append(predictions[:left])
        start += size
        clock.count_predicted(min(size, left))
    return np.concatenate(parts)


def count_repeated(model: Model, n: int) -> None:
    """Take note of samples that need not be asked about, for equal ones were."""
    calls = _calls_of(model)
    calls.counts = calls.counts.plus(CallCounts(repeated=n))
    clock.count_predicted(n)


def taken(model: Model) -> CallCounts:
    """Return what was asked in this process since this was last wanted to be known."""
    calls = _calls_of(model)
    counts, calls.counts = calls.counts, NOTHING
    return counts


class _Calls:
    """What this process knows of asking a model."""

    def __init__(self) -> None:
        self.fits: int | None = None
        """Inputs that a call may have since one was too large for the memory; None: none was."""
        self.counts = NOTHING

    def size(self, instance: Instance, settings: Settings) -> int:
        """Return how many inputs a call may have."""
        room = settings.max_memory
        fitting = max(1, (room or BATCH_BYTES) // max(1, instance.input_bytes))
        if settings.batch_size is None:
            return min(fitting, self.fits or fitting)
        return min(settings.batch_size, fitting) if room else settings.batch_size


_known: dict[int, _Calls] = {}
"""By identity of the loaded model, as long as this process keeps that."""


def _calls_of(model: Model) -> _Calls:
    if id(model) not in _known:
        _known[id(model)] = _Calls()
        finalize(model, _known.pop, id(model), None)
    return _known[id(model)]


def _shortage(error: MemoryError | OutOfMemory, instance: Instance, size: int) -> OutOfMemory:
    """Word that a call cannot be made smaller."""
    name = instance.subject.source
    said = error.message if isinstance(error, OutOfMemory) else f"{name}: out of memory"
    if size == 1:
        hint = "free memory, or use fewer processes: -j"
        return OutOfMemory(f"{said} with one input in a call", hint)
    hint = "give a smaller --batch-size, or auto"
    return OutOfMemory(f"{said} with {size:,} inputs in a call", hint)
