"""What a model is made of: its parts, wherever they hide, and what is set or checked on each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

_HOLDERS = (list, tuple, set, frozenset)
_PLAIN = (str, bytes, int, float, bool, complex, type(None), type)
MANY_ITEMS = 100_000
"""A longer list holds data, such as a vocabulary, not parts."""


def parts(model: Any) -> Iterator[Any]:
    """Yield the model and every object below it, each once; what only holds data is left out."""
    seen: set[int] = set()
    todo = [model]
    while todo:
        one = todo.pop()
        if isinstance(one, _PLAIN) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            todo.extend(one.values() if len(one) <= MANY_ITEMS else ())
        elif isinstance(one, _HOLDERS):
            todo.extend(one if len(one) <= MANY_ITEMS else ())
        elif isinstance(one, np.ndarray):
            todo.extend(one.ravel() if one.dtype == object and one.size <= MANY_ITEMS else ())
        else:
            yield one
            todo.extend(getattr(one, "__dict__", {}).values())


def final(model: Any) -> Any:
    """Return the estimator that answers in the end: of a pipeline its last step, of a search its
    best."""
    while True:
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
            model = steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def limit_threads(model: Any, threads: int) -> None:
    """Set ``n_jobs`` everywhere in the model: more threads change the last digits of sums."""
    for part in parts(model):
        if "n_jobs" in getattr(part, "__dict__", {}):
            with contextlib.suppress(Exception):  # a stranger's attribute may refuse
                part.n_jobs = threads
        if type(part).__module__.startswith("xgboost.") and hasattr(part, "set_param"):
            with contextlib.suppress(Exception):
                part.set_param({"nthread": threads})
