"""marcotcr/lime's own sampling, weighing and choosing, in its order of draws (lime 0.2.0.1).

It is for checking limex against numbers that its users have. Samples come from numpy's legacy
``RandomState(seed)``, a fresh one for every instance; the number of samples counts the instance,
as lime's ``num_samples`` does; kernel widths are in lime's units. Nothing else of the engine knows
of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Column, Component, Instance
from lime_cli.engine.model import BoolArray, FloatArray, IntArray, Model
from lime_cli.engine.predictions import (
    Question,
    count_repeated,
    distinct,
    predict_codes,
    predict_original,
    put,
)
from lime_cli.engine.targets import choose_targets
from lime_cli.engine.warnings import Facts, judge
from lime_cli.errors import InputError, SettingsError
from lime_cli.settings import Settings

BLOCKS = 8
"""Of samples, that the score on samples left out is taken over."""

LABEL_1 = "label 1"
"""lime's default target: the output of index 1; of a regression, the first."""


class DataPredictions(NamedTuple):
    """What a model says of the samples of a table."""

    codes: IntArray
    """(n - 1, columns): the bin or level of every value."""
    predictions: FloatArray
    """(n - 1, k)"""


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
    predicted: dict[str, DataPredictions] | None = None,
    choices: Choices | None = None,
) -> Iterator[Explanation]:
    """Explain instances in order, each as a new explainer of marcotcr/lime would.

    ``predicted`` keeps what the model said to the samples of a table from one call to the next.
    Raises PredictionError, SettingsError for a target or a table that lime could not take, and
    InputError for a row that it could not.
    """
    predicted = {} if predicted is None else predicted
    choices = choices or Choices()
    for instance in instances:
        original = predict_original(instance, model, settings)
        targets = _targets(settings, model, original)
        if instance.subject.modality == "tabular":
            row = cast("Row", instance)
            components: Sequence[Component] = components_of_row(row, choices)
            data, predictions = row_data(row, model, settings, choices, predicted)
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
    """Return masks (n, d), the full one first, and the predictions to all others (n - 1, k)."""
    rng = np.random.RandomState(settings.seed)
    draw = _text_masks if instance.subject.modality == "text" else _image_masks
    masks = draw(settings.samples, len(instance.components), rng)
    first, inverse = distinct(masks[1:])
    predictions = predict_codes(instance, model, masks[1:][first], settings)[inverse]
    count_repeated(model, len(inverse) - len(first))
    return masks.astype(np.float64), predictions


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
    choices: Choices,
) -> LimeNeighbourhood:
    """Weigh by sqrt(exp(-D² / w²)), D from row 0 in lime's interpretable space."""
    distribution = DISTRIBUTIONS[instance.subject.modality]
    width = settings.kernel_width
    if width is None:
        table = instance.subject.modality == "tabular"
        width = distribution.width * (np.sqrt(data.shape[1]) if table else 1.0)
    distance = _distances(data, choices.metric or distribution.metric) * distribution.unit
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


# What lime learns from one column of training data, and how it draws from that.

TINY_SPREAD = 1e-11
"""Added to the standard deviation of every bin."""


class FeatureLike(Protocol):
    """A column of a background, as ``tabular.background`` has it."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    @property
    def numeric(self) -> bool:
        """Whether its values are cut into bins."""
        ...

    @property
    def values(self) -> NDArray[Any]:
        """(levels,): its different values, ascending."""
        ...

    @property
    def frequencies(self) -> FloatArray:
        """(levels,): of the background's rows."""
        ...

    @property
    def cuts(self) -> FloatArray:
        """Ascending, below the largest value; a value equal to a cut lies below it."""
        ...

    @property
    def capped(self) -> bool:
        """Whether the largest value is a cut point too."""
        ...

    def bin_of(self, value: Any) -> int:
        """Return the place of a level; -1 for one that the background does not know."""
        ...

    def condition(self, value: Any) -> str:
        """Say what a value's bin means."""
        ...

    def label(self, value: Any) -> str:
        """Name column, value and bin."""
        ...


@dataclass(frozen=True, eq=False)
class LearnedColumn:
    """One column: its codes (bins or levels), how often each occurs, and what is in each bin."""

    feature: FeatureLike
    counts: IntArray
    """(levels,): rows of the background with each value."""
    cuts: FloatArray
    codes: IntArray
    """Those that occur, ascending."""
    frequencies: FloatArray

    @classmethod
    def of(cls, feature: FeatureLike, n_rows: int) -> LearnedColumn:
        """Learn a column; for numbers, without missing ones."""
        counts = np.rint(feature.frequencies * n_rows).astype(np.int64)
        if not feature.numeric:
            codes = np.arange(len(counts))
            return cls(feature, counts, np.empty(0), codes, counts / float(counts.sum()))
        cuts = feature.cuts
        if feature.capped:
            cuts = np.append(cuts, float(feature.values[-1]))
        codes, places = np.unique(np.searchsorted(cuts, feature.values), return_inverse=True)
        in_bin = np.bincount(places, counts)
        return cls(feature, counts, cuts, codes, in_bin / float(in_bin.sum()))

    @property
    def numeric(self) -> bool:
        """Whether codes are bins."""
        return self.feature.numeric

    def code_of(self, value: Any) -> int:
        """Return the code of a value; -1 for an unknown level."""
        if self.numeric:
            return int(np.searchsorted(self.cuts, value))
        return self.feature.bin_of(value)

    def draw(self, n: int, rng: np.random.RandomState) -> IntArray:
        """Draw n codes by their frequencies."""
        return rng.choice(self.codes, size=n, replace=True, p=self.frequencies)

    def undiscretized(self, codes: IntArray, rng: np.random.RandomState) -> NDArray[Any]:
        """Return a value for each code: the level, or a number from the bin's truncated normal.

        In a bin whose edges coincide the number is the edge's standard score, about 0, and not
        the edge: a fault of lime that its users' numbers hold.
        """
        if not self.numeric:
            return self.feature.values[codes]
        from scipy.stats import truncnorm

        low, high, mean, spread = (part[codes] for part in self._bins())
        low, high = (low - mean) / spread, (high - mean) / spread
        wide = low != high
        if wide.any():
            low[wide] = truncnorm.rvs(
                low[wide], high[wide], loc=mean[wide], scale=spread[wide], random_state=rng
            )
        return low

    def centre_and_scale(self) -> tuple[float, float]:
        """Return mean and standard deviation, 1 for none; those of a level are 0 and 1."""
        if not self.numeric:
            return 0.0, 1.0
        rows = self._rows()
        mean, variance, tiny = rows.mean(), rows.var(), np.finfo(np.float64).eps
        rounding = len(rows) * tiny * variance + (len(rows) * mean * tiny) ** 2
        return float(mean), 1.0 if variance <= rounding else float(np.sqrt(variance))

    def _rows(self) -> FloatArray:
        return np.repeat(self.feature.values.astype(np.float64), self.counts)

    def _bins(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return edges, mean and spread of every bin, (bins,) each."""
        rows = self._rows()
        place = np.searchsorted(self.cuts, rows)
        inside = [rows[place == code] for code in range(len(self.cuts) + 1)]
        return (
            np.append(rows[0], self.cuts),
            np.append(self.cuts, rows[-1]),
            np.array([values.mean() if len(values) else 0.0 for values in inside]),
            np.array([values.std() if len(values) else 0.0 for values in inside]) + TINY_SPREAD,
        )


# The neighbourhood of a row: bins and frequencies, truncated normals inside bins.

SEEDS = 0x7FFFFFFF
"""Every tree that cuts entropy bins draws a seed below this from the stream of the samples."""
MISSING = "marcotcr/lime does not support missing numbers"


@dataclass(frozen=True)
class Choices:
    """What callers of marcotcr/lime may choose and the command line has no option for."""

    discretize: bool = True
    """Of tables; without, numbers are drawn from a normal distribution."""
    around_instance: bool = False
    """Whether that distribution is centred on the instance, not on the background's mean."""
    metric: str | None = None
    """``euclidean`` or ``cosine``; None takes the modality's."""


class BackgroundLike(Protocol):
    """All columns of a table, as ``tabular.background`` has them."""

    @property
    def source(self) -> str:
        """Name of its file."""
        ...

    @property
    def n_rows(self) -> int:
        """How many rows the shares are of."""
        ...

    @property
    def bins(self) -> str:
        """How numbers were cut: ``quartile``, ``decile``, ``entropy`` or a number of bins."""
        ...

    @property
    def features(self) -> Sequence[FeatureLike]:
        """The columns in the model's order."""
        ...


class Row(Instance, Protocol):
    """A row of a table, as ``tabular.row`` has it."""

    @property
    def background(self) -> BackgroundLike:
        """Where replacements come from."""
        ...

    @property
    def values(self) -> Sequence[Any]:
        """The row's own value of each feature."""
        ...

    def table(self, columns: Sequence[NDArray[Any]]) -> Any:
        """Return rows given as a column for each feature, as the model's input."""
        ...


def components_of_row(row: Row, choices: Choices) -> tuple[Component, ...]:
    """Return a component for every column, those that never vary too."""
    return tuple(
        Component(
            feature.label(value) if choices.discretize or not feature.numeric else feature.name,
            value,
            Column(feature.name, feature.condition(value) if choices.discretize else ""),
        )
        for feature, value in zip(row.background.features, row.values, strict=True)
    )


def row_data(
    row: Row,
    model: Model,
    settings: Settings,
    choices: Choices,
    predicted: dict[str, DataPredictions],
) -> tuple[FloatArray, FloatArray]:
    """Return lime's interpretable rows (n, p), the instance first, and the predictions (n - 1, k).

    Samples in bins do not depend on the row, so ``predicted`` keeps them for all rows of a
    background. Raises SettingsError for a background, InputError for a row that lacks a number.
    """
    _check_complete(row)
    learned = [
        LearnedColumn.of(feature, row.background.n_rows) for feature in row.background.features
    ]
    if not choices.discretize:
        return _normal_data(row, learned, model, settings, choices)
    pool = f"like-lime:{row.pool}"
    if pool not in predicted:
        predicted[pool] = _binned_predictions(row, learned, model, settings)
    predictions = predicted[pool]
    own = [column.code_of(value) for column, value in zip(learned, row.values, strict=True)]
    data = np.vstack([np.ones(len(own)), predictions.codes == np.array(own)])
    return data.astype(np.float64), predictions.predictions


def _check_complete(row: Row) -> None:
    for feature, value in zip(row.background.features, row.values, strict=True):
        if not feature.numeric:
            continue
        if feature.values[-1] != feature.values[-1]:
            raise SettingsError(
                f"--like-lime: {row.background.source}: column {feature.name!r} has gaps, "
                f"and {MISSING}",
                "fill them, or leave the column out with --drop",
            )
        if value is None or value != value:
            raise InputError(f"{row.subject.source}: {feature.name!r} is empty, and {MISSING}")


def _binned_predictions(
    row: Row, learned: list[LearnedColumn], model: Model, settings: Settings
) -> DataPredictions:
    """Draw every column's bin or level, the first draw for the instance; then numbers in bins."""
    rng = np.random.RandomState(settings.seed)
    if row.background.bins == "entropy":
        for _ in (column for column in learned if column.numeric):
            rng.randint(0, SEEDS)
    n = settings.samples
    codes = np.stack([column.draw(n, rng) for column in learned], axis=1)[1:]
    columns = [column.undiscretized(codes[:, j], rng) for j, column in enumerate(learned)]
    return DataPredictions(codes, _predicted(row, model, columns, settings))


def _normal_data(
    row: Row, learned: list[LearnedColumn], model: Model, settings: Settings, choices: Choices
) -> tuple[FloatArray, FloatArray]:
    """Draw normal numbers for every column, then levels over those that are no numbers."""
    rng = np.random.RandomState(settings.seed)
    n, p = settings.samples, len(learned)
    mean, scale = np.array([column.centre_and_scale() for column in learned]).T
    own = np.array(
        [v if column.numeric else 0 for column, v in zip(learned, row.values, strict=True)]
    )
    raw = rng.normal(0, 1, n * p).reshape(n, p) * scale
    raw += own if choices.around_instance else mean
    raw[0] = own
    data, columns = (raw - mean) / scale, []
    for j, column in enumerate(learned):
        if column.numeric:
            columns.append(raw[1:, j])
            continue
        codes = column.draw(n, rng)
        data[:, j] = codes == column.code_of(row.values[j])
        data[0, j] = 1
        columns.append(column.undiscretized(codes[1:], rng))
    return data, _predicted(row, model, columns, settings)


def _predicted(
    row: Row, model: Model, columns: list[NDArray[Any]], settings: Settings
) -> FloatArray:
    """Return the model's predictions to rows given by their columns, (rows, k)."""
    question = Question(
        row,
        len(columns[0]),
        lambda start, n: row.table([column[start : start + n] for column in columns]),
    )
    return put(question, model, settings)
