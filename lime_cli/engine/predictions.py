"""Ask a model about an instance and its samples: each distinct input once, failures counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.engine.calls import Question, count_repeated, put
from lime_cli.engine.distinct import distinct
from lime_cli.engine.instance import Instance, Model, join
from lime_cli.errors import NotFinite, PredictionError
from lime_cli.settings import Settings


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of an instance and of its samples."""

    original: FloatArray
    """(k,)"""
    codes: IntArray
    """(n, m): what each sample is."""
    samples: FloatArray
    """(n, k); NaN or infinity where the model failed and samples may be left out."""

    @property
    def failed(self) -> BoolArray:
        """Which samples the model gave no finite prediction to, (n,)."""
        return np.asarray(~np.isfinite(self.samples).all(axis=1))


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
) -> Predictions:
    """Ask about samples with these codes (n, m), of which the first are ``known``.

    The instance itself is asked in one call with its first samples, and alone where the model
    fails, so that the error tells what is to blame. Raises PredictionError.
    """
    first, inverse = distinct(codes)
    n_known = 0 if known is None else len(known.codes)
    fresh = codes if len(first) == len(codes) and not n_known else codes[first[first >= n_known]]
    parts: list[FloatArray] = []
    if known is None:
        original, predictions = _with_itself(instance, model, fresh, settings)
        parts.append(predictions)
    else:
        original = known.original
        parts.append(known.samples[first[first < n_known]])
        if len(fresh):
            parts.append(predict_codes(instance, model, fresh, settings))
    count_repeated(model, len(codes) - n_known - len(fresh))
    found = Predictions(original, codes, np.concatenate(parts)[inverse])
    return _checked(found, settings, instance.subject.source)


def predict_codes(
    instance: Instance, model: Model, codes: IntArray, settings: Settings
) -> FloatArray:
    """Ask about every sample with these codes (n, m), in their order: (n, k)."""
    question = Question(
        instance, len(codes), lambda start, n: instance.model_inputs(codes[start : start + n])
    )
    return put(question, model, settings)


def _with_itself(
    instance: Instance, model: Model, codes: IntArray, settings: Settings
) -> tuple[FloatArray, FloatArray]:
    if not instance.shared:  # its inputs are of a kind of their own: pieces of a text, say
        original = predict_original(instance, model, settings)
        return original, predict_codes(instance, model, codes, settings)

    def inputs(start: int, n: int) -> Any:
        if start:
            return instance.model_inputs(codes[start - 1 : start - 1 + n])
        if n == 1:
            return instance.original()
        return join([instance.original(), instance.model_inputs(codes[: n - 1])])

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
    n, failed = len(predictions.samples), int(predictions.failed.sum())
    if failed > settings.drop_failed * n:
        said = NotFinite.words(source, failed, n)
        allowed = f"--drop-failed {100 * settings.drop_failed:.3g}%"
        raise PredictionError(said, f"more than {allowed} leaves out; give a larger share")
    return predictions
