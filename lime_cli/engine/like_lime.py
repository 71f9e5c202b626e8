"""marcotcr/lime's own sampling, weighing and choosing, in its order of draws (lime 0.2.0.1).

It is for checking limex against numbers that its users have. Samples come from numpy's legacy
``RandomState(seed)``, a fresh one for every instance; the number of samples counts the instance,
as lime's ``num_samples`` does; kernel widths are in lime's units. Nothing else of the engine knows
of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Component, Instance
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, Model
from lime_cli.engine.predictions import (
    count_repeated,
    distinct,
    predict_codes,
    predict_original,
)
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.warnings import Facts, judge
from lime_cli.settings import Settings

BLOCKS = 8
"""Of samples, that the score on samples left out is taken over."""

LABEL_1 = "label 1"
"""lime's default target: the output of index 1; of a regression, the first."""


class LimeSamples(NamedTuple):
    """What lime draws around an instance."""

    components: Sequence[Component]
    data: FloatArray
    """(n, p): lime's interpretable rows, the instance first."""
    predictions: FloatArray
    """(n - 1, k): of the samples."""


@dataclass(frozen=True, eq=False)
class LimeNeighbourhood:
    """The instance (row 0) and its samples, weighed."""

    data: FloatArray
    """(n, p): lime's interpretable rows."""
    predictions: FloatArray
    """(n, k)"""
    weights: FloatArray
    """(n,)"""
    kernel_width: float


class Distribution(NamedTuple):
    """How lime weighs one modality."""

    metric: str
    unit: float
    """Distances are multiplied by it before the kernel."""
    width: float
    """Of the kernel; of tables, times the square root of the number of columns."""


DISTRIBUTIONS = {
    "tabular": Distribution("euclidean", 1.0, 0.75),
    "text": Distribution("cosine", 100.0, 25.0),
    "image": Distribution("cosine", 1.0, 0.25),
}


def explain_like_lime(
    instances: list[Instance],
    model: Model,
    settings: Settings,
    of_row: Callable[[Any, Model, Settings], LimeSamples],
) -> Iterator[Explanation]:
    """Explain instances in order, each as a new explainer of marcotcr/lime would.

    ``of_row`` draws around a row of a table. Raises PredictionError, SettingsError for a target or
    a table that lime could not take, and InputError for a row that it could not.
    """
    for instance in instances:
        original = predict_original(instance, model, settings)
        targets = _targets(settings, model, original)
        draw = of_row if instance.subject.modality == "tabular" else _of_masks
        components, data, predictions = draw(instance, model, settings)
        predictions = np.vstack([original[None], predictions])
        neighbourhood = _weighed(instance, data, predictions, settings)
        yield _explanation(instance, model, settings, (components, neighbourhood, targets))


def _targets(settings: Settings, model: Model, original: FloatArray) -> list[int]:
    if settings.targets != (LABEL_1,):
        return choose_targets(settings.targets, model, original)
    return [0 if model.identity.task == "regression" or len(original) == 1 else 1]


def _of_masks(instance: Instance, model: Model, settings: Settings) -> LimeSamples:
    rng = np.random.RandomState(settings.seed)
    draw = _text_masks if instance.subject.modality == "text" else _image_masks
    masks = draw(settings.samples, len(instance.components), rng)
    first, inverse = distinct(masks[1:])
    predictions = predict_codes(instance, model, masks[1:][first], settings)[inverse]
    count_repeated(model, len(inverse) - len(first))
    return LimeSamples(instance.components, masks.astype(np.float64), predictions)


def _text_masks(n: int, d: int, rng: np.random.RandomState) -> IntArray:
    """Draw how many words go, for all samples at once; then which, sample by sample."""
    n_masked = rng.randint(1, d + 1, n - 1)
    masks = np.ones((n, d), np.int64)
    for i, masked in enumerate(n_masked, start=1):
        masks[i, rng.choice(d, masked, replace=False)] = 0
    return masks


def _image_masks(n: int, d: int, rng: np.random.RandomState) -> IntArray:
    """Draw a seed for the segmenter, which has no use for it, then a coin for each superpixel."""
    rng.randint(0, high=1000)
    masks = rng.randint(0, 2, n * d).reshape(n, d).astype(np.int64)
    masks[0] = 1
    return masks


def _weighed(
    instance: Instance,
    data: FloatArray,
    predictions: FloatArray,
    settings: Settings,
) -> LimeNeighbourhood:
    """Weigh by sqrt(exp(-D² / w²)), D from row 0 in lime's interpretable space."""
    distribution = DISTRIBUTIONS[instance.subject.modality]
    width = settings.kernel_width
    if width is None:
        table = instance.subject.modality == "tabular"
        width = distribution.width * (np.sqrt(data.shape[1]) if table else 1.0)
    distance = _distances(data, distribution.metric) * distribution.unit
    weights = np.sqrt(np.exp(-(distance**2) / width**2))
    return LimeNeighbourhood(data, predictions, weights, float(width))


def _distances(data: FloatArray, metric: str) -> FloatArray:
    """Return every row's distance from row 0, (n,); a row of zeros is at cosine distance 1."""
    if metric == "euclidean":
        return np.asarray(np.sqrt(((data - data[0]) ** 2).sum(axis=1)))
    norms = np.sqrt((data**2).sum(axis=1))
    norms[norms == 0] = 1.0
    cosine: FloatArray = (data @ data[0]) / (norms * norms[0])
    return np.clip(1 - cosine, 0.0, 2.0)


def _explanation(
    instance: Instance,
    model: Model,
    settings: Settings,
    found: tuple[Sequence[Component], LimeNeighbourhood, list[int]],
) -> Explanation:
    components, neighbourhood, targets = found
    surrogates = tuple(_surrogate(neighbourhood, model, one, settings) for one in targets)
    weights, n = neighbourhood.weights, len(neighbourhood.weights) - 1
    values = neighbourhood.predictions[:, targets]
    apart = values - weights @ values / weights.sum()
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    facts = Facts(
        original=neighbourhood.predictions[0],
        n=n,
        d=neighbourhood.data.shape[1],
        n_blocks=1,
        effective_samples=effective,
        deviation=np.sqrt(weights @ apart**2 / weights.sum()),
        reach=np.ptp(values, axis=0),
        flat=np.zeros(len(targets), bool),
        converged=True,
        n_failed=0,
        stop="samples",
    )
    return Explanation(
        subject=instance.subject,
        model=model.identity,
        components=components,
        skipped=(),
        surrogates=surrogates,
        warnings=tuple(judge(instance, model, facts, surrogates, settings)),
        samples=n,
        effective_samples=effective,
        kernel_width=neighbourhood.kernel_width,
        stop="samples",
        settings=settings,
        outputs=tuple(neighbourhood.predictions[0].tolist()),
    )


def _surrogate(
    neighbourhood: LimeNeighbourhood, model: Model, target: int, settings: Settings
) -> Surrogate:
    """Choose by lime's rules, fit with an unscaled L2 penalty; ``fit_r2`` is lime's score."""
    data, predictions = neighbourhood.data, neighbourhood.predictions[:, target]
    weights = neighbourhood.weights
    chosen = choose(settings.selection, data, predictions, weights, settings.features)
    kept = data[:, chosen]
    coefficients, intercept = _ridge(kept, predictions, weights, settings.penalty)
    total = weights.sum()
    apart = predictions - weights @ predictions / total
    varied = float(weights @ apart**2)
    flat = varied <= 1e-24 * total * max(float(np.abs(predictions).max()) ** 2, 1e-30)
    residual = predictions - intercept - kept @ coefficients
    score = (
        _flat_score(weights, predictions) if flat else 1.0 - float(weights @ residual**2) / varied
    )
    if flat:
        coefficients, intercept = np.zeros(len(chosen)), float(weights @ predictions / total)
    order = np.argsort(-np.abs(coefficients), kind="stable")
    return Surrogate(
        target=target,
        name=model.identity.targets[target],
        model_prediction=float(predictions[0]),
        intercept=intercept,
        local_prediction=float(intercept + coefficients @ kept[0]),
        fidelity=None if flat else _left_out(kept, predictions, weights, settings.penalty),
        fit_r2=score,
        weights=tuple(Weight(int(chosen[i]), float(coefficients[i])) for i in order),
    )


def _ridge(
    data: FloatArray, predictions: FloatArray, weights: FloatArray, penalty: float
) -> tuple[FloatArray, float]:
    """Fit coefficients (p,) with an unscaled L2 penalty, and the intercept, which has none."""
    total = weights.sum()
    means, level = weights @ data / total, weights @ predictions / total
    centred = (data - means) * np.sqrt(weights)[:, None]
    wanted = (predictions - level) * np.sqrt(weights)
    gram = centred.T @ centred + penalty * np.eye(data.shape[1])
    if penalty > 0:
        coefficients = np.linalg.solve(gram, centred.T @ wanted)
    else:
        coefficients = np.linalg.lstsq(centred, wanted, rcond=None)[0]
    return coefficients, float(level - means @ coefficients)


def _left_out(
    data: FloatArray, predictions: FloatArray, weights: FloatArray, penalty: float
) -> float | None:
    """Return the weighted R² on blocks of samples that the fit leaves out, in [-1, 1]."""
    n = max(1, min(BLOCKS, (len(data) - 1) // 2))
    if n < 2:
        return None
    block = np.r_[-1, np.arange(len(data) - 1) % n]
    predicted = np.zeros(len(data))
    for i in range(n):
        rest = block != i
        found, intercept = _ridge(data[rest], predictions[rest], weights[rest], penalty)
        predicted[~rest] = intercept + data[~rest] @ found
    level = weights @ predictions / weights.sum()
    drawn = block >= 0
    lost = weights[drawn] @ (predictions - predicted)[drawn] ** 2
    total = weights[drawn] @ (predictions - level)[drawn] ** 2
    return float(np.clip(1.0 - lost / total, -1.0, 1.0)) if total > 0 else None


def _flat_score(weights: FloatArray, predictions: FloatArray) -> float:
    """Return 1 where predictions do not vary, or only where weights vanish, and 0 otherwise."""
    varied = weights @ (predictions - weights @ predictions / weights.sum()) ** 2
    return float(varied == 0 or np.ptp(predictions) == 0)


# Which components lime keeps: its rules, over weighted samples of any numbers.

HIGHEST_PENALTY = 0.01
"""L2, against unscaled weighted sums."""


def choose(
    selection: str,
    data: FloatArray | BoolArray,
    predictions: FloatArray,
    weights: FloatArray,
    n: int,
) -> IntArray:
    """Return the columns of ``data`` (samples, d) that the fit keeps, in the order of the rule.

    ``lasso`` is lime's ``lasso_path``, ``forward`` and ``highest`` are the two that its ``auto``
    chooses from: the first for up to 6 components.
    """
    if selection == "none":
        return np.arange(data.shape[1])
    total = weights.sum()
    centred = data - weights @ data / total
    wanted = predictions - weights @ predictions / total
    if selection == "lasso":
        root = np.sqrt(weights)
        return _lasso_path(centred * root[:, None], wanted * root, n)
    gram = (centred * weights[:, None]).T @ centred
    correlation = (centred * weights[:, None]).T @ wanted
    if selection == "forward":
        return _forward(gram, correlation, n)
    fitted = np.linalg.solve(gram + HIGHEST_PENALTY * np.eye(len(gram)), correlation)
    return np.argsort(-np.abs(fitted * data[0]), kind="stable")[:n]


def _forward(gram: FloatArray, correlation: FloatArray, n: int) -> IntArray:
    """Add the column that raises R² most, n times; the first among equals, even if for nothing."""
    own, left, wanted = np.diag(gram).copy(), gram.copy(), correlation.copy()
    chosen: list[int] = []
    for _ in range(min(n, len(gram))):
        variance = np.diag(left)
        usable = variance > 1e-12 * np.maximum(own, 1e-300)
        gain = np.divide(wanted**2, variance, out=np.zeros(len(own)), where=usable)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        if usable[best]:
            row, scale = left[best].copy(), variance[best]
            wanted = wanted - row * (wanted[best] / scale)
            left = left - np.outer(row, row) / scale
    return np.array(chosen, np.int64)


def _lasso_path(data: FloatArray, predictions: FloatArray, n: int) -> IntArray:
    """Walk the LASSO path back from its end to the first knot with at most n columns."""
    from sklearn.linear_model import lars_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, _, path = lars_path(data, predictions, method="lasso")
    chosen = np.arange(data.shape[1])
    for knot in path.T[:0:-1]:
        chosen = np.flatnonzero(knot)
        if len(chosen) <= n:
            break
    return chosen
