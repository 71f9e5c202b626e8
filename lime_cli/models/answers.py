"""The shapes in which models answer, and how each becomes (n, k) float64: one rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lime_cli.errors import PredictionError

if TYPE_CHECKING:
    from lime_cli.engine.instance import FloatArray


class Stated(NamedTuple):
    """What a model itself says of its answers; None where it does not."""

    task: str | None = None
    classes: tuple[str, ...] | None = None
    groups: tuple[tuple[str, ...], ...] | None = None
    """Classes of each of several answers, of a model that gives several at once."""
    margins: bool = False
    """The answers are signed distances, never probabilities."""
    pairs: bool = False
    """The margins are those between every two classes: k (k - 1) / 2 columns for k classes."""
    independent: bool = False
    """Every output is a probability of its own; they need not sum to one."""
    labels: bool = False
    """The answers name a class each."""


class Answer(NamedTuple):
    """An answer on its way to (n, k)."""

    raw: Any
    names: tuple[str, ...] | None = None
    rules: tuple[str, ...] = ()
    """Sentences of the rules that were used."""


UNSTATED = Stated()


def as_matrix(raw: Any, name: str, stated: Stated = UNSTATED) -> tuple[FloatArray, Answer]:
    """Return an answer as (n, k) float64, and what it carried; raise PredictionError for others."""
    answer = Answer(raw)
    for sentence, rule in SHAPES:
        changed = rule(answer, stated)
        if changed is not None:
            answer = changed._replace(rules=(*answer.rules, sentence))
    try:
        values = np.asarray(answer.raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise _no_numbers(name, answer.raw) from None
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] == 0:
        raise PredictionError(
            f"{name}: the model answered in shape {values.shape}, not (samples, outputs)",
            "give a model that answers with one row of numbers per input",
        )
    return values, answer


def _no_numbers(name: str, raw: Any) -> PredictionError:
    items = raw.tolist() if isinstance(raw, np.ndarray) else raw
    if isinstance(items, list) and items and all(isinstance(one, str) for one in items):
        return PredictionError(
            f"{name}: the model answered with words ({items[0]!r}), not numbers",
            "name all its classes with --classes",
        )
    return PredictionError(f"{name}: the model answered with {type(raw).__name__}, not numbers")


def _after_labels(answer: Answer, stated: Stated) -> Answer | None:
    """(labels (n,), probabilities (n, k)), perhaps with the names (k,) behind them."""
    raw = answer.raw
    if not isinstance(raw, tuple) or len(raw) not in (2, 3):
        return None
    labels, numbers, *more = list(raw)
    if np.ndim(labels) != 1 or len(labels) != len(numbers):
        return None
    names = tuple(map(str, np.ravel(more[0]))) if more else None
    return Answer(numbers, names, answer.rules)


def _sparse(answer: Answer, stated: Stated) -> Answer | None:
    dense = getattr(answer.raw, "toarray", None)
    return None if dense is None else answer._replace(raw=dense())


def _dictionaries(answer: Answer, stated: Stated) -> Answer | None:
    raw = answer.raw
    if not isinstance(raw, (list, tuple)) or not raw or not isinstance(raw[0], dict):
        return None
    keys = tuple(raw[0])
    rows = [[one.get(key, np.nan) for key in keys] for one in raw]
    return Answer(rows, tuple(map(str, keys)), answer.rules)


def _frame(answer: Answer, stated: Stated) -> Answer | None:
    columns = getattr(answer.raw, "columns", None)
    if columns is None or not hasattr(answer.raw, "to_numpy"):
        return None
    worded = all(isinstance(one, str) for one in columns)
    return Answer(answer.raw.to_numpy(), tuple(columns) if worded else None, answer.rules)


def _several(answer: Answer, stated: Stated) -> Answer | None:
    """[(n, a), (n, b), ...], the probabilities of several answers."""
    raw = answer.raw
    if not isinstance(raw, (list, tuple)) or not raw:
        return None
    if not all(isinstance(one, np.ndarray) and one.ndim == 2 for one in raw):
        return None
    if len({len(one) for one in raw}) > 1:
        return None
    groups = stated.groups or tuple(tuple(map(str, range(one.shape[1]))) for one in raw)
    if all(group in (("0", "1"), ("False", "True")) for group in groups):
        return Answer(np.stack([one[:, 1] for one in raw], axis=1), None, answer.rules)
    names = tuple(f"{i}: {name}" for i, group in enumerate(groups) for name in group)
    return Answer(np.hstack(raw), names, answer.rules)


def _labels(answer: Answer, stated: Stated) -> Answer | None:
    """(n,) names of classes, each a vote for one of those known."""
    if not stated.labels or stated.classes is None:
        return None
    found = np.asarray(answer.raw).ravel()
    votes = np.array([str(one) for one in found.tolist()])[:, None] == np.array(stated.classes)
    return answer._replace(raw=votes.astype(float), names=stated.classes)


def _bytes(answer: Answer, stated: Stated) -> Answer | None:
    if getattr(answer.raw, "dtype", None) != np.uint8 or stated.task == "regression":
        return None
    return answer._replace(raw=answer.raw / 255)


def _thin(answer: Answer, stated: Stated) -> Answer | None:
    shape: tuple[int, ...] = getattr(answer.raw, "shape", ())
    if len(shape) < 3 or sum(size > 1 for size in shape[1:]) > 1:
        return None
    return answer._replace(raw=np.reshape(answer.raw, (shape[0], -1)))


SHAPES: tuple[tuple[str, Callable[[Answer, Stated], Answer | None]], ...] = (
    ("labels come first, the numbers behind them are read", _after_labels),
    ("a sparse matrix is written out", _sparse),
    ("dictionaries by class are read in the order of their keys", _dictionaries),
    ("a data frame's columns are the outputs", _frame),
    ("the arrays of several answers stand side by side", _several),
    ("a class that is named gets 1, the others 0", _labels),
    ("bytes are divided by 255", _bytes),
    ("axes of length one are dropped", _thin),
)
"""What is done to an answer, in this order, each rule where it applies."""
