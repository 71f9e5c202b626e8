"""marcotcr/lime's neighbourhood of a row: bins and frequencies, truncated normals inside bins.

What it learns from training data is rebuilt from the values and shares of a background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.answers import Answers
from lime_cli.engine.asking import Question, put
from lime_cli.engine.compatibility_columns import Feature, Learned
from lime_cli.engine.designs import N_BLOCKS
from lime_cli.engine.instance import Column, Component, FloatArray, Instance, Model, Samples
from lime_cli.errors import InputError, SettingsError
from lime_cli.settings import Settings

SEEDS = 0x7FFFFFFF
"""Every tree that cuts entropy bins draws a seed below this from the stream of the samples."""
MISSING = "marcotcr/lime knows no missing numbers"


@dataclass(frozen=True)
class Choices:
    """What callers of marcotcr/lime may choose and the command line has no option for."""

    discretize: bool = True
    """Of tables; without, numbers are drawn from a normal distribution."""
    around_instance: bool = False
    """Whether that distribution is centred on the instance, not on the background's mean."""
    metric: str | None = None
    """``euclidean`` or ``cosine``; None takes the modality's."""


class Background(Protocol):
    """All columns of a table, as ``modalities.background`` has them."""

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
    def features(self) -> Sequence[Feature]:
        """The columns in the model's order."""
        ...


class Row(Instance, Protocol):
    """A row of a table, as ``modalities.row`` has it."""

    @property
    def background(self) -> Background:
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
            feature.condition(value) if choices.discretize or not feature.numeric else feature.name,
            value,
            Column(feature.name),
        )
        for feature, value in zip(row.background.features, row.values, strict=True)
    )


def row_data(
    row: Row, model: Model, settings: Settings, choices: Choices, answered: dict[str, Answers]
) -> tuple[FloatArray, FloatArray]:
    """Return lime's interpretable rows (n, p), the instance first, and the answers (n - 1, k).

    Samples in bins do not depend on the row, so ``answered`` keeps them for all rows of a
    background. Raises SettingsError for a background, InputError for a row that lacks a number.
    """
    _check_complete(row)
    learned = [Learned.of(one, row.background.n_rows) for one in row.background.features]
    if not choices.discretize:
        return _normal_data(row, learned, model, settings, choices)
    pool = f"like-lime:{row.pool}"
    if pool not in answered:
        answered[pool] = _binned_answers(row, learned, model, settings)
    answers = answered[pool]
    own = [one.code_of(value) for one, value in zip(learned, row.values, strict=True)]
    data = np.vstack([np.ones(len(own)), answers.samples.codes == np.array(own)])
    return data.astype(np.float64), answers.predictions


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


def _binned_answers(row: Row, learned: list[Learned], model: Model, settings: Settings) -> Answers:
    """Draw every column's bin or level, the first draw for the instance; then numbers in bins."""
    rng = np.random.RandomState(settings.seed)
    if row.background.bins == "entropy":
        for _ in (one for one in learned if one.numeric):
            rng.randint(0, SEEDS)
    n = settings.samples
    codes = np.stack([one.draw(n, rng) for one in learned], axis=1)[1:]
    columns = [one.undiscretized(codes[:, j], rng) for j, one in enumerate(learned)]
    samples = Samples(codes, np.ones(n - 1), N_BLOCKS)
    return Answers(samples, _asked(row, model, columns, settings))


def _normal_data(
    row: Row, learned: list[Learned], model: Model, settings: Settings, choices: Choices
) -> tuple[FloatArray, FloatArray]:
    """Draw normal numbers for every column, then levels over those that are no numbers."""
    rng = np.random.RandomState(settings.seed)
    n, p = settings.samples, len(learned)
    mean, scale = np.array([one.centre_and_scale() for one in learned]).T
    own = np.array([v if one.numeric else 0 for one, v in zip(learned, row.values, strict=True)])
    raw = rng.normal(0, 1, n * p).reshape(n, p) * scale
    raw += own if choices.around_instance else mean
    raw[0] = own
    data, columns = (raw - mean) / scale, []
    for j, one in enumerate(learned):
        if one.numeric:
            columns.append(raw[1:, j])
            continue
        codes = one.draw(n, rng)
        data[:, j] = codes == one.code_of(row.values[j])
        data[0, j] = 1
        columns.append(one.undiscretized(codes[1:], rng))
    return data, _asked(row, model, columns, settings)


def _asked(row: Row, model: Model, columns: list[NDArray[Any]], settings: Settings) -> FloatArray:
    """Return the model's answers to rows given by their columns, (rows, k)."""
    question = Question(
        row,
        len(columns[0]),
        lambda start, n: row.table([column[start : start + n] for column in columns]),
    )
    return put(question, model, settings)
