"""The two-row probe: is a model the same twice, and the same for one input as for many?

A model whose answer to an input depends on what else is in the batch (a batch normalised by its
own statistics, dynamic quantisation, padding that is not masked) is asked row by row: that is the
answer a person gets who asks about one input, and no batch size changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.engine.model import Caveat
from lime_cli.errors import NotFinite, PredictionError
from lime_cli.models.outputs import not_finite

if TYPE_CHECKING:
    from lime_cli.engine.instance import FloatArray

TOLERANCE, FLOOR = 1e-3, 1e-5
"""As a share of each answer (half precision rounds by nearly as much), and of the largest one."""

NOT_DETERMINISTIC = Caveat(
    "not_deterministic",
    "the model answered the same input differently the second time; weights hold its noise",
)
BATCH_DEPENDENT = Caveat(
    "batch_dependent",
    "the model answers an input differently beside others than alone; it is asked row by row",
)


class Probe:
    """Asks a model, and looks at the first answers before they are believed."""

    def __init__(self, name: str, answer: Callable[[Any], FloatArray]) -> None:
        """``answer`` takes a modality's batch of n and returns (n, k)."""
        self._name, self._answer = name, answer
        self._done = self._row_by_row = False
        self.caveats: tuple[Caveat, ...] = ()

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k), probed until two different rows were seen together."""
        if self._row_by_row:
            return self._one_by_one(inputs)
        answers = self._answer(inputs)
        if not self._done:
            self._look(inputs, answers)
        return self._one_by_one(inputs) if self._row_by_row else answers

    def _look(self, inputs: Any, answers: FloatArray) -> None:
        pair = [0, len(inputs) - 1] if len(inputs) > 1 else [0]
        few = len(inputs) <= len(pair)
        first = self._answer(inputs if few else rows(inputs, pair))
        second = answers if few else self._answer(rows(inputs, pair))
        if _differ(first, second):
            self.caveats, self._done = (NOT_DETERMINISTIC,), True
            return
        if len(inputs) < 2:
            return
        try:
            alone = self._one_by_one(rows(inputs, pair))
        except PredictionError:  # a model that takes no single row has no other answer
            self._done = True
            return
        if _differ(alone, first) or _differ(alone, answers[pair]):
            self.caveats, self._row_by_row = (BATCH_DEPENDENT,), True
        self._done = self._row_by_row or not _alike(inputs)

    def _one_by_one(self, inputs: Any) -> FloatArray:
        answers = np.concatenate([self._alone(rows(inputs, [i])) for i in range(len(inputs))])
        if not np.isfinite(answers).all():
            raise not_finite(self._name, answers)
        return answers

    def _alone(self, one: Any) -> FloatArray:
        """Ask about one input, whatever the answer is."""
        try:
            return self._answer(one)
        except NotFinite as error:
            answers: FloatArray = error.answers
            return answers


def rows(inputs: Any, wanted: list[int]) -> Any:
    """Return some rows of a list, an array, or anything with ``chosen``."""
    if isinstance(inputs, list):
        return [inputs[i] for i in wanted]
    if isinstance(inputs, np.ndarray):
        return inputs[wanted]
    return inputs.chosen(wanted)


def _alike(inputs: Any) -> bool:
    """Tell whether the first and the last row are the same, which proves nothing of batches."""
    if hasattr(inputs, "columns"):
        return all(column[0] == column[-1] for column in inputs.columns)
    return bool(np.all(inputs[0] == inputs[-1]))


def _differ(one: FloatArray, other: FloatArray) -> bool:
    size = np.maximum(np.abs(one), np.abs(other))
    return bool((np.abs(one - other) > TOLERANCE * size + FLOOR * size.max()).any())
