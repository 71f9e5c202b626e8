"""marcotcr/lime's own sampling, weighing and choosing, in its order of draws (lime 0.2.0.1).

It is for checking limex against numbers that its users have. Samples come from numpy's legacy
``RandomState(seed)``, a fresh one for every instance; the number of samples counts the instance,
as lime's ``num_samples`` does; kernel widths are in lime's units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from lime_cli.engine.answers import Answers
from lime_cli.engine.caveats import judge
from lime_cli.engine.compatibility_selection import choose
from lime_cli.engine.compatibility_tables import Choices, Row, components_of_row, row_data
from lime_cli.engine.designs import N_BLOCKS
from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Component, FloatArray, Instance, IntArray, Model
from lime_cli.engine.neighbourhood import Neighbourhood, ask_about, ask_originals
from lime_cli.engine.surrogate import fit
from lime_cli.engine.targets import choose_targets
from lime_cli.settings import Settings

__all__ = ["LABEL_1", "Choices", "explain_like_lime"]

LABEL_1 = "label 1"
"""lime's default target: the output of index 1; of a regression, the first."""


class Law(NamedTuple):
    """How lime weighs one modality."""

    metric: str
    unit: float
    """Distances are multiplied by it before the kernel."""
    width: float
    """Of the kernel; of tables, times the square root of the number of columns."""


LAWS = {
    "tabular": Law("euclidean", 1.0, 0.75),
    "text": Law("cosine", 100.0, 25.0),
    "image": Law("cosine", 1.0, 0.25),
}


def explain_like_lime(
    instances: list[Instance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers] | None = None,
    choices: Choices | None = None,
) -> Iterator[Explanation]:
    """Explain instances in order, each as a new explainer of marcotcr/lime would.

    ``answered`` keeps what the model said to the samples of a table from one call to the next.
    Raises PredictionError, SettingsError for a target or a table that lime could not take, and
    InputError for a row that it could not.
    """
    answered = {} if answered is None else answered
    choices = choices or Choices()
    originals = ask_originals(instances, model, settings) if instances else ()
    for instance, original in zip(instances, originals, strict=True):
        targets = _targets(settings, model, original)
        if instance.subject.modality == "tabular":
            row = cast(Row, instance)
            components: Sequence[Component] = components_of_row(row, choices)
            data, predictions = row_data(row, model, settings, choices, answered)
        else:
            components = instance.components
            data, predictions = _mask_data(instance, model, settings)
        predictions = np.vstack([original[None], predictions])
        neighbourhood = _weighed(instance, data, predictions, settings, choices)
        yield _explanation(instance, model, settings, (components, neighbourhood, targets))


def _targets(settings: Settings, model: Model, original: FloatArray) -> list[int]:
    if settings.targets != (LABEL_1,):
        return choose_targets(settings.targets, model, original)
    return [0 if model.identity.task == "regression" or len(original) == 1 else 1]


def _mask_data(
    instance: Instance, model: Model, settings: Settings
) -> tuple[FloatArray, FloatArray]:
    """Return masks (n, d), the full one first, and the answers to all others (n - 1, k)."""
    rng = np.random.RandomState(settings.seed)
    draw = _text_masks if instance.subject.modality == "text" else _picture_masks
    masks = draw(settings.samples, len(instance.components), rng)
    predictions = ask_about(instance, model, masks[1:], settings)
    return masks.astype(np.float64), predictions


def _text_masks(n: int, d: int, rng: np.random.RandomState) -> IntArray:
    """Draw how many words go, for all samples at once; then which, sample by sample."""
    n_gone = rng.randint(1, d + 1, n - 1)
    masks = np.ones((n, d), np.int64)
    for i, gone in enumerate(n_gone, start=1):
        masks[i, rng.choice(d, gone, replace=False)] = 0
    return masks


def _picture_masks(n: int, d: int, rng: np.random.RandomState) -> IntArray:
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
    choices: Choices,
) -> Neighbourhood:
    """Weigh by sqrt(exp(-D² / w²)), D from row 0 in lime's interpretable space."""
    law = LAWS[instance.subject.modality]
    width = settings.kernel_width
    if width is None:
        table = instance.subject.modality == "tabular"
        width = law.width * (np.sqrt(data.shape[1]) if table else 1.0)
    distance = _distances(data, choices.metric or law.metric) * law.unit
    return Neighbourhood(
        interpretable=data,
        predictions=predictions,
        weights=np.sqrt(np.exp(-(distance**2) / width**2)),
        n_blocks=max(1, min(N_BLOCKS, (len(data) - 1) // 2)),
        independent=True,
        kernel_width=float(width),
    )


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
    found: tuple[Sequence[Component], Neighbourhood, list[int]],
) -> Explanation:
    components, neighbourhood, targets = found
    surrogates = tuple(_surrogate(neighbourhood, model, one, settings) for one in targets)
    summary = neighbourhood.summary(targets)
    warnings = judge(instance, model, summary, surrogates, settings, "samples")
    return Explanation(
        subject=instance.subject,
        model=model.identity,
        components=components,
        skipped=(),
        surrogates=surrogates,
        caveats=tuple(warnings),
        samples=len(neighbourhood.weights) - 1,
        effective_samples=neighbourhood.effective_samples,
        kernel_width=neighbourhood.kernel_width,
        stop="samples",
        settings=settings,
    )


def _surrogate(
    neighbourhood: Neighbourhood, model: Model, target: int, settings: Settings
) -> Surrogate:
    """Choose by lime's rules, fit with an unscaled L2 penalty; ``fit_r2`` is lime's score."""
    data, answers = neighbourhood.interpretable, neighbourhood.predictions[:, target]
    chosen = choose(settings.selection, data, answers, neighbourhood.weights, settings.features)
    kept = replace(neighbourhood, interpretable=data[:, chosen])
    fitted = fit(kept, np.array([target]), replace(settings, selection="none"))
    coefficients, intercept = fitted.coefficients[0, 0], float(fitted.intercepts[0, 0])
    flat = bool(np.isnan(fitted.fit_r2[0, 0]))
    order = np.argsort(-np.abs(coefficients), kind="stable")
    return Surrogate(
        target=target,
        name=model.identity.targets[target],
        model_prediction=float(answers[0]),
        intercept=intercept,
        local_prediction=float(intercept + coefficients @ data[0, chosen]),
        fidelity=None if flat else float(fitted.fidelity[0, 0]),
        fit_r2=_flat_score(neighbourhood, answers) if flat else float(fitted.fit_r2[0, 0]),
        weights=tuple(Weight(int(chosen[i]), float(coefficients[i])) for i in order),
    )


def _flat_score(neighbourhood: Neighbourhood, answers: FloatArray) -> float:
    """Return 1 where answers do not vary at all, or only where weights vanish, and 0 otherwise."""
    weights = neighbourhood.weights
    varied = weights @ (answers - weights @ answers / weights.sum()) ** 2
    return float(varied == 0 or np.ptp(answers) == 0)
