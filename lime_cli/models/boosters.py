"""Boosted trees of XGBoost, LightGBM and CatBoost, results of statsmodels: what answers the
scikit-learn way once it is wrapped.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError
from lime_cli.models.encoders import FittedBefore
from lime_cli.models.fitted import UNNAMED
from lime_cli.models.outputs import softmax
from lime_cli.models.pickles.tripwire import alarm_if_watched
from lime_cli.models.sklearn import LOG_ODDS

XGBOOST_KEEPS_CATEGORIES = (3, 1)


LINKS = {
    "Poisson": "Exponent",
    "Tweedie": "Exponent",
    "RMSEWithUncertainty": "RMSEWithUncertainty",
}
"""How CatBoost's regressors answer, by their loss; as they are summed up otherwise."""


BEHIND = CodedWarning(
    "probabilities_behind",
    "the booster itself predicts a class; the probabilities behind the class are explained",
)


BEHIND_RAW = CodedWarning(
    "probabilities_behind",
    "the model itself predicts raw scores; the probabilities that they stand for are explained",
)


class Boosted(FittedBefore):
    """A booster that answers the scikit-learn way."""

    def __init__(self, booster: Any, method: str, predict: Callable[[Any], Any]) -> None:
        """``predict`` takes a data frame, or an array where columns have no names."""
        self.booster = booster
        self.multilabel_ = False
        self.said: tuple[CodedWarning, ...] = ()
        """What a reader must know of how it is asked."""
        self.decide: Callable[[Any], Any] | None = None
        """Names the class that it predicts, where the most probable one need not be that."""
        setattr(self, method, predict)

    def describe(self, names: list[str] | None, n_columns: int, classes: Any = None) -> Boosted:
        """Say of columns and classes what the library knows; return itself."""
        if names and not all(UNNAMED.fullmatch(one) for one in names):
            self.feature_names_in_ = names
        self.n_features_in_ = n_columns
        if classes is not None:
            self.classes_ = np.array(classes)
        return self


def as_estimator(model: Any) -> Any:
    """Return a booster, or a result of statsmodels, in what answers the scikit-learn way.

    Returns anything else as it is.
    """
    if _is_of_statsmodels(model):
        return Statistics(model)
    kind = f"{type(model).__module__}.{type(model).__name__}"
    if kind.startswith("catboost.core.") and hasattr(model, "get_cat_feature_indices"):
        return _catboost(model)
    if kind == "xgboost.core.Booster":
        return _xgboost(model)
    return _lightgbm(model) if kind == "lightgbm.basic.Booster" else model


def read_no_files() -> None:
    """Have XGBoost take no text for the name of a file while a model is asked that is watched.

    A step before it may hand it any text, and its library opens files unseen by Python.
    """
    core: Any = sys.modules.get("xgboost.core")
    if core is None or hasattr(core.DMatrix.__init__, "reads_no_files"):
        return
    make = core.DMatrix.__init__

    @wraps(make)
    def made(matrix: Any, data: Any, *args: Any, **named: Any) -> None:
        if isinstance(data, (str, bytes, os.PathLike)):
            alarm_if_watched("open")
        make(matrix, data, *args, **named)

    made.reads_no_files = True  # type: ignore[attr-defined]
    core.DMatrix.__init__ = made


def _xgboost(booster: Any) -> Boosted:
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    n_classes = int(learner["learner_model_param"].get("num_class", 0))
    n_targets = int(learner["learner_model_param"].get("num_target", 1))
    raw = objective in ("multi:softmax", "binary:logitraw")
    categories = "c" in (booster.feature_types or [])
    if categories and _xgboost_version() < XGBOOST_KEEPS_CATEGORIES:
        raise ModelError(
            "the model learnt categories, which needs xgboost 3.1", "pip install -U xgboost"
        )

    rounds = _best_rounds(booster, learner)

    def predict(inputs: Any) -> Any:
        rows = _matrix(booster, inputs, categories)
        answers = booster.predict(rows, output_margin=raw, iteration_range=rounds)
        return softmax(answers) if objective == "multi:softmax" else answers

    probable = objective.startswith("multi:") or objective in ("binary:logistic", "binary:hinge")
    classified = probable or raw
    method = "predict_proba" if probable else "decision_function" if raw else "predict"
    boosted = Boosted(booster, method, predict)
    boosted.multilabel_ = probable and n_targets > 1
    if raw:
        boosted.said = (BEHIND,) if objective == "multi:softmax" else (LOG_ODDS,)
    boosted.said += _of_all_rounds(booster) if rounds == (0, 0) else ()
    classes = range(max(n_classes, 2)) if classified and n_targets == 1 else None
    return boosted.describe(booster.feature_names, booster.num_features(), classes)


def _best_rounds(booster: Any, learner: Any) -> tuple[int, int]:
    """Return the rounds that the estimator of a file answers with, early stopping heeded.

    A booster by itself answers with all of them, which is (0, 0).
    """
    said = booster.attributes()
    best = said.get("best_iteration") if "scikit_learn" in said else None
    if best is None or learner["gradient_booster"]["name"] == "gblinear":
        return (0, 0)
    return (0, int(best) + 1)


def _of_all_rounds(booster: Any) -> tuple[CodedWarning, ...]:
    """Say that a booster which stopped early answers with the rounds after its best one too."""
    said, n_rounds = booster.attributes(), booster.num_boosted_rounds()
    best = said.get("best_iteration")
    if best is None or "scikit_learn" in said or int(best) + 1 >= n_rounds:
        return ()
    words = f"all {n_rounds} rounds of the booster answer, as in Booster.predict, though the best"
    hint = f"model = model[:{int(best) + 1}] before it is saved keeps those up to the best"
    return (CodedWarning("all_rounds", f"{words} is round {int(best) + 1}; {hint}"),)


def _matrix(booster: Any, inputs: Any, categories: bool) -> Any:
    import xgboost

    names, kinds = booster.feature_names, booster.feature_types
    if not categories:
        sparse = hasattr(inputs, "tocsr")  # whose zeros are missing values to XGBoost
        values = inputs.astype(np.float32) if sparse else np.asarray(inputs, np.float32)
        return xgboost.DMatrix(values, feature_names=names, feature_types=kinds)
    return xgboost.DMatrix(inputs, enable_categorical=True)


def _lightgbm(booster: Any) -> Boosted:
    head = booster.model_to_string(num_iteration=1)
    found = re.search(r"^objective=(\S+)", head, re.MULTILINE)
    objective = found[1] if found else ""
    n_classes = booster.num_model_per_iteration()

    def predict(inputs: Any) -> Any:
        return booster.predict(inputs, num_threads=1)

    classified = objective == "binary" or objective.startswith("multiclass")
    boosted = Boosted(booster, "predict_proba" if classified else "predict", predict)
    classes = range(max(n_classes, 2)) if classified else None
    return boosted.describe(booster.feature_name(), booster.num_feature(), classes)


def _catboost(booster: Any) -> Boosted:
    import catboost

    names = list(booster.feature_names_)
    categorical = list(booster.get_cat_feature_indices())
    texts = list(booster.get_text_feature_indices())
    vectors = list(booster.get_embedding_feature_indices())
    classes = booster.classes_ if len(booster.classes_) else None
    loss = str(booster.get_all_params().get("loss_function", ""))
    options = {"prediction_type": "Probability"} if classes is not None else {}
    if classes is None and type(booster).__name__ == "CatBoostRegressor":
        # what a regressor answers with; one that was loaded from bytes has forgotten its loss
        options = {"prediction_type": LINKS.get(loss.partition(":")[0], "RawFormulaVal")}

    def predict(inputs: Any) -> Any:
        named = hasattr(inputs, "columns")
        rows = inputs if named or hasattr(inputs, "tocsr") else np.asarray(inputs, object)
        if categorical or texts:
            rows = _with_cells(rows, [*categorical, *texts], _word)
        if vectors:
            rows = _with_cells(rows, vectors, _vector)
        given = None if named else names
        pool = catboost.Pool(rows, None, categorical, texts, vectors, feature_names=given)
        return booster.predict(pool, thread_count=1, **options)

    def decide(inputs: Any) -> Any:
        answers = predict(inputs)
        return np.asarray(classes)[(answers[:, 1] > threshold).astype(int)]

    boosted = Boosted(booster, "predict" if classes is None else "predict_proba", predict)
    threshold = _threshold(booster, classes)
    if threshold != USUAL_THRESHOLD:
        boosted.decide = decide
    boosted.multilabel_ = loss.startswith(("MultiLogloss", "MultiCrossEntropy"))
    if classes is not None and type(booster).__name__ == "CatBoost":
        boosted.said = (BEHIND_RAW,)
    return boosted.describe(names, len(names), classes)


USUAL_THRESHOLD = 0.5


def _threshold(booster: Any, classes: Any) -> float:
    """Return the probability from which CatBoost names the second of two classes."""
    asked = getattr(booster, "get_probability_threshold", None)
    if asked is None or classes is None or len(classes) != 2:
        return USUAL_THRESHOLD
    return float(asked())


def _with_cells(rows: Any, places: list[int], made: Callable[[Any], Any]) -> Any:
    """Change the cells of some columns."""
    if hasattr(rows, "columns"):
        changed = {rows.columns[i]: [made(cell) for cell in rows.iloc[:, i]] for i in places}
        return rows.assign(**changed)
    rows = rows.copy()
    for i in places:
        rows[:, i] = [made(cell) for cell in rows[:, i]]
    return rows


def _vector(cell: Any) -> Any:
    """Read the numbers of a cell as Python or NumPy prints them: ``[0.1, -2.0]``, ``[0.1 -2.]``."""
    if not isinstance(cell, str):
        return cell
    inside = cell.strip().strip("[]()").replace(",", " ").split()
    return np.array(list(map(float, inside)))


def _word(cell: Any) -> str:
    """Write a cell as CatBoost does: whole numbers without a point, true as 1."""
    cell = np.nan if cell is None else cell
    whole = isinstance(cell, (bool, np.bool_)) or (isinstance(cell, float) and cell.is_integer())
    return str(int(cell) if whole else cell)


def _xgboost_version() -> tuple[int, ...]:
    """Ask the module: the package may be installed as its build for one device."""
    return tuple(map(int, re.findall(r"\d+", import_module("xgboost").__version__)[:2]))


CONSTANT = "const"
"""What ``add_constant`` calls its column of ones."""


class Statistics(FittedBefore):
    """A result of statsmodels that answers the scikit-learn way."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self._formula = getattr(results.model, "formula", None) is not None
        names = _of_formula(results) if self._formula else _exog_names(results)
        self._names = [str(name) for name in names]
        own = [name for name in self._names if name != CONSTANT]
        if own and (self._formula or not all(re.fullmatch(r"x\d+", name) for name in own)):
            self.feature_names_in_ = own
        if own:
            self.n_features_in_ = len(own)

    def predict(self, inputs: Any) -> Any:
        """Return what the results predict for a data frame, or an array without the constant."""
        if self._formula:
            return np.asarray(self.results.predict(inputs))
        rows = np.asarray(inputs, float)
        if CONSTANT in self._names:
            rows = np.insert(rows, self._names.index(CONSTANT), 1.0, axis=1)
        return np.asarray(self.results.predict(rows))


def _exog_names(results: Any) -> list[str]:
    """Return the names of a model's columns; numbers, but for the constant, where it lost them.

    Results that are saved with ``remove_data`` have none.
    """
    names = results.model.exog_names
    if names is not None:
        return list(names)
    constant = getattr(getattr(results.model, "data", None), "const_idx", None)
    return [CONSTANT if i == constant else f"x{i + 1}" for i in range(len(results.params))]


def _is_of_statsmodels(model: Any) -> bool:
    """Tell a fitted result of statsmodels that predicts from columns."""
    known = type(model).__module__.partition(".")[0] == "statsmodels"
    return known and hasattr(getattr(model, "model", None), "exog_names")


def _of_formula(results: Any) -> list[Any]:
    """Return the columns of the table that a formula reads; none where the table was not kept."""
    frame = getattr(results.model.data, "frame", None)
    right = str(results.model.formula).partition("~")[2]
    return [one for one in getattr(frame, "columns", ()) if str(one) in right]
