"""The form in which a model is handed a modality's batch: data frame, array or sparse rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lime_cli.engine.model import Caveat
from lime_cli.errors import LimexError, PredictionError, SettingsError
from lime_cli.models import ModelInput

KEPT_ROWS = ("_fit_X", "X_fit_", "X_", "support_vectors_")
"""Where scikit-learn's neighbours, kernels and support vectors keep rows they were fitted on."""
SPARSE_ONLY = Caveat("sparse_only", "the model answers to sparse rows only; it is given those")


class Handing:
    """Hands batches to a method, in the form that was said or that the model turns out to want."""

    def __init__(self, method: Callable[[Any], Any], form: str, given: ModelInput) -> None:
        """``form`` is ``frame``, ``array`` or ``sparse``; ``auto`` is as the model was fitted."""
        self._method, self._given = method, given
        self._undecided = form == "auto"
        self.form = None if form == "auto" else form
        """None while names of columns decide."""
        self.caveats: tuple[Caveat, ...] = ()

    def ask(self, inputs: Any) -> Any:
        """Return the method's answer; where it refuses all but sparse rows, to sparse rows."""
        try:
            answer = self._method(handed(inputs, self.form, self._given))
        except LimexError:
            raise
        except Exception:
            if not self._undecided or not self._wants_sparse(inputs):
                raise
            self.form, self.caveats = "sparse", (SPARSE_ONLY,)
            answer = self._method(handed(inputs, self.form, self._given))
        self._undecided = False
        return answer

    def _wants_sparse(self, inputs: Any) -> bool:
        """Tell by two rows of zeros, so that no row of anybody's decides."""
        if not hasattr(inputs, "columns") or any(one.dtype == object for one in inputs.columns):
            return False
        empty = replace(inputs, columns=tuple(np.zeros(2) for _ in inputs.columns))
        return self._answers("sparse", empty) and not self._answers(None, empty)

    def _answers(self, form: str | None, inputs: Any) -> bool:
        try:
            self._method(handed(inputs, form, self._given))
        except Exception:  # a stranger's code may raise anything
            return False
        return True


def fitted_form(model: Any) -> str:
    """Return ``sparse`` for a model that kept sparse rows it was fitted on, else ``auto``."""
    first = _first(model)
    known = type(first).__module__.startswith("sklearn.")
    # of distances, what is not stored is no neighbour, not a zero
    if not known or getattr(first, "metric", "") == "precomputed":
        return "auto"
    kept = (getattr(first, name, None) for name in KEPT_ROWS)
    return "sparse" if any(hasattr(one, "tocsr") for one in kept) else "auto"


def handed(inputs: Any, form: str | None, given: ModelInput) -> Any:
    """Return a modality's batch in a form; raise SettingsError where it has no such form."""
    if isinstance(inputs, list):
        return _texts(inputs, form, given)
    if isinstance(inputs, np.ndarray):
        return _pictures(inputs, form, given)
    match form:
        case "sparse":
            return as_sparse(inputs, given.model)
        case "frame":
            return as_frame(inputs)
        case "array":
            return as_array(inputs)
    return as_frame(inputs) if given.columns is not None else as_array(inputs)


def as_array(table: Any) -> Any:
    """Return a table as a float array, or as an object array when it holds words."""
    if any(column.dtype == object for column in table.columns):
        return np.stack([column.astype(object) for column in table.columns], axis=1)
    return np.ascontiguousarray(np.array(table.columns, float).T)


def as_frame(table: Any) -> Any:
    """Return a table as the data frame that pandas would have read from the file."""
    import pandas

    columns = {}
    for name, column in zip(table.names, table.columns, strict=True):
        if column.dtype == object:
            column = np.array(
                [np.nan if cell is None else cell for cell in column.tolist()], dtype=object
            )
            column = pandas.Series(column)
        columns[name] = column
    return pandas.DataFrame(columns)


def as_sparse(table: Any, model: str) -> Any:
    """Return a table as a CSR matrix; raise PredictionError naming a column that holds words."""
    from scipy.sparse import csr_matrix

    for name, column in zip(table.names, table.columns, strict=True):
        if column.dtype == object and any(isinstance(cell, str) for cell in column.tolist()):
            raise PredictionError(
                f"{model}: is given sparse rows, which cannot hold the words of column {name!r}",
                "say --input-form frame or array, or leave the column out with --drop",
            )
    return csr_matrix(np.stack([column.astype(float) for column in table.columns], axis=1))


def _texts(texts: list[str], form: str | None, given: ModelInput) -> Any:
    if form in ("array", "sparse"):
        raise SettingsError(f"--input-form {form}: texts have none", "leave it out")
    if given.columns is None or len(given.columns) != 1:
        return texts
    import pandas

    return pandas.DataFrame({given.columns[0]: texts})


def _pictures(pictures: Any, form: str | None, given: ModelInput) -> Any:
    if form == "frame":
        raise SettingsError("--input-form frame: pictures have no columns", "leave it out")
    flat = pictures.reshape(len(pictures), -1)
    if form == "sparse":
        from scipy.sparse import csr_matrix

        return csr_matrix(flat)
    return flat if given.n_columns else pictures


def _first(model: Any) -> Any:
    """Return what is fed: of a pipeline its first step, of a search its best."""
    while True:
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps and isinstance(steps[0], tuple):
            fed = (one for _, one in steps if one not in (None, "passthrough"))
            model = next(fed, None)
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model
