"""Pickled and joblib models: loaded by the allow-list, asked the scikit-learn way."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.engine.instance import Caveat, FloatArray, Identity
from lime_cli.errors import LimexError, ModelError, PredictionError
from lime_cli.models import ModelFile, ModelInput
from lime_cli.models.outputs import Stated, settle
from lime_cli.models.unpickling import Trust, unpickle
from lime_cli.settings import digest_of_file


def load(file: ModelFile) -> Estimator:
    """Load the file; raise UntrustedModel for what is not on the list, ModelError for no model."""
    path = Path(file.path)
    with warnings.catch_warnings(record=True) as heard, _quiet():
        warnings.simplefilter("always")
        loaded = unpickle(path, Trust(file.trust, file.trust_modules))
    return Estimator(loaded, file, tuple(_version_gap(path.name, heard)))


class Estimator:
    """A fitted object with predict_proba, decision_function or predict."""

    def __init__(self, model: Any, file: ModelFile, caveats: tuple[Caveat, ...]) -> None:
        path = Path(file.path)
        self._model, self._file, self._name = model, file, path.name
        self._method, said = _method(model, file.output, path.name)
        self.caveats = (*caveats, *said)
        self._settled: Any = None
        _limit_threads(model, file.threads or 1)
        columns = getattr(model, "feature_names_in_", None)
        n_columns = getattr(model, "n_features_in_", None)
        self.input = ModelInput(
            self._name,
            columns=None if columns is None else tuple(map(str, columns)),
            n_columns=None if n_columns is None else int(n_columns),
        )
        self._digest = digest_of_file(path)

    @property
    def identity(self) -> Identity:
        """Which model it is; known once it has answered."""
        return Identity("pickle", self._digest, self._settled.task, self._settled.targets)

    @property
    def probabilities(self) -> bool:
        """Whether the outputs are probabilities that sum to one."""
        return bool(self._settled.probabilities)

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k) outputs for a table, a list of texts or (n, height, width, channels)."""
        raw = self._ask(self._as_fitted(inputs))
        if self._settled is None:
            self._settled = settle(raw, self._file, self._name, self._stated())
        values: FloatArray = self._settled.read(raw, len(inputs))
        return values

    def _stated(self) -> Stated:
        classes = getattr(self._model, "classes_", None)
        return Stated(
            task="regression" if classes is None else "classification",
            classes=None if classes is None else tuple(map(str, classes)),
            margins=self._method == getattr(self._model, "decision_function", None),
        )

    def _as_fitted(self, inputs: Any) -> Any:
        if isinstance(inputs, list):
            return inputs
        if isinstance(inputs, np.ndarray):
            return inputs.reshape(len(inputs), -1) if self.input.n_columns else inputs
        return as_frame(inputs) if self.input.columns is not None else as_array(inputs)

    def _ask(self, inputs: Any) -> Any:
        try:
            with warnings.catch_warnings(), _quiet():
                warnings.simplefilter("ignore")
                return self._method(inputs)
        except LimexError:
            raise
        except (Exception, SystemExit) as error:  # a stranger's code may raise anything
            raise _failure(self._name, error) from error


def as_array(table: Any) -> Any:
    """Return a table as a float array, or as an object array when it holds words."""
    if any(column.dtype == object for column in table.columns):
        return np.stack([column.astype(object) for column in table.columns], axis=1)
    return np.stack([column.astype(float) for column in table.columns], axis=1)


def as_frame(table: Any) -> Any:
    """Return a table as the data frame that pandas would have read from the file."""
    import pandas

    columns = {}
    for name, column in zip(table.names, table.columns, strict=True):
        if column.dtype == object:
            column = np.array(
                [np.nan if cell is None else cell for cell in column.tolist()], dtype=object
            )
        columns[name] = pandas.Series(column)
    return pandas.DataFrame(columns)


def _method(model: Any, output: str | None, name: str) -> tuple[Callable[[Any], Any], list[Caveat]]:
    """Choose what to ask: probabilities, else decision values, else predictions."""
    if output in (None, "probabilities") and hasattr(model, "predict_proba"):
        return model.predict_proba, []
    if output in (None, "decision") and hasattr(model, "decision_function"):
        said = (
            []
            if output
            else [
                Caveat(
                    "decision_values",
                    "the model gives no probabilities; its decision values are explained",
                )
            ]
        )
        return model.decision_function, said
    if output in (None, "labels") and hasattr(model, "predict"):
        if not hasattr(model, "classes_"):
            return model.predict, []
        return _one_hot(model), [
            Caveat(
                "coarse_output", "the model only names a class: weights tell where the name changes"
            )
        ]
    if output is not None:
        raise ModelError(
            f"{name}: the model has no output {output!r}", "give probabilities, decision or labels"
        )
    raise ModelError(f"{name}: holds {_what(model)}, which cannot predict", "give the model itself")


def _one_hot(model: Any) -> Callable[[Any], FloatArray]:
    def ask(inputs: Any) -> FloatArray:
        return np.asarray(
            np.asarray(model.predict(inputs))[:, None] == model.classes_[None, :], float
        )

    return ask


def _what(model: Any) -> str:
    kind = type(model)
    word = kind.__name__
    return (
        f"a {kind.__module__.split('.')[0]} {word}"
        if kind.__module__ != "builtins"
        else f"a {word}"
    )


def _limit_threads(model: Any, threads: int) -> None:
    """Set ``n_jobs`` everywhere in the model: more threads change the last digits of sums."""
    if not hasattr(model, "get_params"):
        return
    with contextlib.suppress(Exception):
        wanted = {key: threads for key in model.get_params() if key.split("__")[-1] == "n_jobs"}
        if wanted:
            model.set_params(**wanted)
    for part in np.ravel(getattr(model, "estimators_", ())):
        if hasattr(part, "n_jobs"):
            part.n_jobs = threads


def _failure(name: str, error: BaseException) -> PredictionError:
    words = " ".join(str(error).split())
    if type(error).__name__ == "NotFittedError":
        return PredictionError(f"{name}: the model is not fitted", "save it after calling fit")
    if "contains NaN" in words:
        return PredictionError(
            f"{name}: the model does not accept missing values",
            "fill them in, or put an imputer into the pipeline",
        )
    if len(words) > 200:
        words = words[:197] + "..."
    return PredictionError(
        f"{name}: the model failed on its input ({type(error).__name__}: {words})"
    )


def _version_gap(name: str, heard: list[warnings.WarningMessage]) -> Iterator[Caveat]:
    for one in heard:
        if type(one.message).__name__ == "InconsistentVersionWarning":
            saved = getattr(one.message, "original_sklearn_version", "another version")
            running = getattr(one.message, "current_sklearn_version", "this one")
            yield Caveat(
                "version_gap", f"{name} was saved by scikit-learn {saved}, running {running}"
            )
            return


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what a stranger's code prints to standard error: standard output is for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
