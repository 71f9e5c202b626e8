"""Ask a model about an instance and its samples: each distinct input once, in calls that fit into
memory, failures counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from lime_cli import clock
from lime_cli.engine.instance import Instance
from lime_cli.engine.masks import Masks
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, Model
from lime_cli.errors import NotFinite, OutOfMemory, PredictionError
from lime_cli.settings import Settings

BATCH_BYTES = 8 * 2**20
"""Of the inputs in one call, where neither their number nor the memory is given."""
LARGEST = 1e100
"""Prediction, at most: what is squared and summed must stay a number."""


class CallCounts(NamedTuple):
    """What a model was asked."""

    calls: int = 0
    inputs: int = 0
    """In these calls."""
    repeated: int = 0
    """Samples that were not asked about, because an equal one was."""

    def plus(self, other: CallCounts) -> CallCounts:
        """Add what else was asked."""
        return CallCounts(*(count + more for count, more in zip(self, other, strict=True)))


NOTHING = CallCounts()


@dataclass(frozen=True, eq=False)
class Question:
    """Model inputs that are made when their turn comes."""

    instance: Instance
    """One of those they belong to: how large an input is."""
    n: int
    inputs: Callable[[int, int], Any]
    """From the place of the first and a number to so many inputs, fewer at the end."""


def put(question: Question, model: Model, settings: Settings) -> FloatArray:
    """Return the predictions (n, k), in calls as large as ``settings`` and the memory allow.

    No input is predicted twice. Raises PredictionError when the model fails, OutOfMemory
    where a single input is too much, or as many as the settings insist on.
    """
    calls, parts, start = _calls_of(model), [], 0
    while start < question.n:
        size = min(calls.size(question.instance, settings), question.n - start)
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
        parts.append(predictions)
        start += size
        clock.count_predicted(size)
    found = np.concatenate(parts)
    if (np.isfinite(found) & (np.abs(found) > LARGEST)).any():
        words = f"{question.instance.subject.name}: the model predicts numbers beyond {LARGEST:g}"
        raise PredictionError(words, "explain a model whose output is scaled, or its logarithm")
    return found


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
    shortage = error.message if isinstance(error, OutOfMemory) else f"{name}: out of memory"
    if size == 1:
        hint = "free memory, or use fewer processes: -j"
        return OutOfMemory(f"{shortage} with one input in a call", hint)
    hint = "give a smaller --batch-size, or auto"
    return OutOfMemory(f"{shortage} with {size:,} inputs in a call", hint)


def distinct(codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first row of every distinct row of ``codes``, and for each row which one it is.

    Rows are told apart by a 64-bit hash, checked against the rows themselves.
    """
    n, m = codes.shape
    if n == 0 or m == 0:
        return np.zeros(min(n, 1), np.int64), np.zeros(n, np.int64)
    bits = codes.dtype.itemsize == 1 and codes.max() <= 1 and codes.min() >= 0
    rows = _packed(codes) if bits else codes
    hashes = _hashes(rows)
    ordered = np.sort(hashes)
    if (ordered[1:] != ordered[:-1]).all():
        return np.arange(n), np.arange(n)
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first[inverse]], rows):
        _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse.reshape(-1)]


def _packed(masks: IntArray) -> NDArray[np.uint64]:
    """Return masks of zeros and ones, 64 in a number."""
    bits = np.packbits(masks.astype(np.bool_), axis=1)
    words = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    words[:, : bits.shape[1]] = bits
    return words.view(np.uint64)


def _hashes(rows: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return a 64-bit number for each row: a sum of its numbers times odd ones, modulo 2^64."""
    factors = _odd(rows.shape[1])
    mixed = np.multiply(rows, factors, dtype=np.uint64, casting="unsafe")
    return np.asarray(mixed.sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=8)
def _odd(m: int) -> NDArray[np.uint64]:
    """Return m odd numbers that look random."""
    drawn = np.random.default_rng(0).integers(0, 2**63, m, np.uint64)
    return drawn * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of an instance and of its samples."""

    original: FloatArray
    """(k,)"""
    samples: FloatArray
    """(n, k); NaN or infinity where the model failed and samples may be left out."""

    @cached_property
    def failed(self) -> BoolArray:
        """Which samples the model gave no finite prediction to, (n,)."""
        finite = np.isfinite(self.samples)
        return np.zeros(len(finite), bool) if finite.all() else np.asarray(~finite.all(axis=1))


def predict_original(instance: Instance, model: Model, settings: Settings) -> FloatArray:
    """Ask the model about the instance alone, (k,)."""
    settings = replace(settings, drop_failed=0.0)  # an instance is no sample to do without
    question = Question(instance, 1, lambda _start, _n: instance.original())
    return np.asarray(put(question, model, settings)[0])


def predict_samples(
    instance: Instance,
    model: Model,
    codes: IntArray,
    settings: Settings,
    known: Predictions | None = None,
    masks: Masks | None = None,
) -> Predictions:
    """Ask about samples with these codes (n, m), of which the first are ``known``.

    The instance itself is asked in one call with its first samples, and alone where the model
    fails, so that the error tells what is to blame. ``masks`` are those that the codes were drawn
    with, if they were. Raises PredictionError.
    """
    first, inverse = distinct(codes)
    n_known, all_differ = 0 if known is None else len(known.samples), len(first) == len(codes)
    fresh = codes[n_known:] if all_differ else codes[first[first >= n_known]]
    if known is None:
        own = masks if all_differ else None
        original, found = _with_itself(instance, model, fresh, settings, own)
    else:
        original, found = known.original, known.samples
        found = found if all_differ else found[first[first < n_known]]
        if len(fresh):
            found = np.concatenate([found, predict_codes(instance, model, fresh, settings)])
    count_repeated(model, len(codes) - n_known - len(fresh))
    found = found if all_differ else found[inverse]
    return _checked(Predictions(original, found), settings, instance.subject.source)


def predict_codes(
    instance: Instance, model: Model, codes: IntArray, settings: Settings
) -> FloatArray:
    """Ask about every sample with these codes (n, m), in their order: (n, k)."""
    question = Question(
        instance, len(codes), lambda start, n: instance.model_inputs(codes[start : start + n])
    )
    return put(question, model, settings)


def _with_itself(
    instance: Instance, model: Model, codes: IntArray, settings: Settings, masks: Masks | None
) -> tuple[FloatArray, FloatArray]:
    if not instance.shared:  # its inputs are of a kind of their own: pieces of a text, say
        original = predict_original(instance, model, settings)
        return original, predict_codes(instance, model, codes, settings)

    def inputs(start: int, n: int) -> Any:
        if start:
            return instance.model_inputs(codes[start - 1 : start - 1 + n])
        made = instance.inputs(masks) if masks is not None and n == 1 + len(codes) else None
        if made is None:
            made = instance.model_inputs(np.concatenate([instance.itself, codes[: n - 1]]))
        return made

    try:
        predictions = put(Question(instance, 1 + len(codes), inputs), model, settings)
    except PredictionError:
        original = predict_original(instance, model, settings)
        return original, predict_codes(instance, model, codes, settings)
    if not np.isfinite(predictions[0]).all():
        original = predict_original(instance, model, settings)
        return original, predictions[1:]
    return predictions[0], predictions[1:]


def _checked(predictions: Predictions, settings: Settings, source: str) -> Predictions:
    """Return the predictions; raise PredictionError where more failed than may be left out."""
    n, failed = len(predictions.samples), int(np.count_nonzero(predictions.failed))
    if failed > settings.drop_failed * n:
        words = NotFinite.words(source, failed, n)
        allowed = f"--drop-failed {100 * settings.drop_failed:.3g}%"
        raise PredictionError(words, f"{allowed} allows fewer; give a larger share")
    return predictions
