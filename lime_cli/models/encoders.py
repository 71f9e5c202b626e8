"""What lies beside a model and is applied to single columns: label encoders, scalers of some.

Owners of such files encode and scale by hand, column by column, before they ask the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lime_cli.models.model_file import Known
from lime_cli.tables.dialect import NUMBER

GAPS = ("nan", "None", "NaN", "")
"""What missing cells were called when a column was turned into words, in this order."""

AROUND = re.compile(r"\.(?:pkl|pickle|joblib|sav|skops)$|label|encoders?|enc|le|ohe|_|\W", re.I)
"""What the name of an encoder, or of its file, holds beside the name of its column."""


Itself = TypeVar("Itself")


class FittedBefore:
    """A part of a pipeline of scikit-learn that needs no ``fit``."""

    def fit(self: Itself, rows: Any, labels: Any = None) -> Itself:
        """Return itself: all that it knows was fitted before."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()


class Encoders(FittedBefore):
    """A transformer of data frames that encodes and scales columns by name."""

    def __init__(self, columns: Sequence[str], called: str = "") -> None:
        """``columns`` are the model's, in its order; ``called`` names what is applied."""
        self.feature_names_in_ = np.array(columns, object)
        self.n_features_in_ = len(columns)
        self.called = called
        self.codes: dict[str, dict[Any, Any]] = {}
        """By column: the code of each value."""
        self.scalers: list[tuple[list[str], Any]] = []
        """Columns, with what is applied to them together."""

    @property
    def known_by_name(self) -> list[tuple[str, Known]]:
        """What is known of the columns that are encoded."""
        found = {name: (tuple(codes), _code_of_gap(codes)) for name, codes in self.codes.items()}
        for columns, one in self.scalers:
            pairs = zip(columns, getattr(one, "categories_", ()), strict=False)
            found |= {name: (tuple(np.ravel(values).tolist()), 0) for name, values in pairs}
        return [
            (name, Known(*known[:1], gaps=known[1] is not None)) for name, known in found.items()
        ]

    def transform(self, rows: Any) -> Any:
        """Return a data frame of numbers; raise ValueError for a value that has no code."""
        found = rows[list(self.feature_names_in_)].copy()
        for place, name in enumerate(self.feature_names_in_):
            if name in self.codes:
                found[name] = _encoded(self.codes[name], rows[name].tolist(), place)
        for columns, scaler in self.scalers:
            scaled = np.asarray(scaler.transform(found[columns]))
            for place, name in enumerate(columns):
                found[name] = scaled[:, place]
        return found


class SideBySide(FittedBefore):
    """A transformer of data frames that puts what others make of them side by side."""

    def __init__(self, parts: Sequence[Any]) -> None:
        """``parts`` name the columns that they were fitted on."""
        self.parts = parts
        names = (str(one) for part in parts for one in part.feature_names_in_)
        self.feature_names_in_ = np.array([*dict.fromkeys(names)], object)
        self.n_features_in_ = len(self.feature_names_in_)

    @property
    def known_by_name(self) -> list[tuple[str, Known]]:
        """The categories that encoders among the parts know."""
        return [
            (str(name), Known(tuple(np.ravel(values).tolist()), gaps=False))
            for part in self.parts
            for name, values in zip(
                part.feature_names_in_, getattr(part, "categories_", ()), strict=False
            )
        ]

    def transform(self, rows: Any) -> Any:
        """Return (n, width) numbers."""
        made = (part.transform(rows[list(part.feature_names_in_)]) for part in self.parts)
        return np.hstack([_dense(one) for one in made])


class AsTheyAre(FittedBefore):
    """A transformer of data frames that takes some columns as they are."""

    def __init__(self, columns: Sequence[str]) -> None:
        """``columns`` are named in the model's order."""
        self.feature_names_in_ = np.array(columns, object)
        self.n_features_in_ = len(columns)

    def transform(self, rows: Any) -> Any:
        """Return (n, columns) values."""
        return rows.to_numpy(float)


class WithNames(FittedBefore):
    """A transformer of arrays that gives their columns names."""

    def __init__(self, columns: Sequence[str]) -> None:
        """``columns`` are named in the order of the array."""
        self._columns = list(columns)

    def transform(self, rows: Any) -> Any:
        """Return a data frame; one that has these columns as it is."""
        import pandas as pd

        if hasattr(rows, "columns"):
            return rows
        return pd.DataFrame(_dense(rows), columns=self._columns)


class Averaged(FittedBefore):
    """Models of one kind that answer with the mean of what each of them predicts."""

    def __init__(self, models: Sequence[Any]) -> None:
        """``models`` know the same classes, or none."""
        self.estimators_ = list(models)
        classes = getattr(models[0], "classes_", None)
        if classes is not None:
            self.classes_ = classes
        methods = ("predict_proba", "decision_function", "predict")
        method = next(one for one in methods if hasattr(models[0], one))
        setattr(self, method, self._mean_of(method))

    def _mean_of(self, method: str) -> Callable[[Any], Any]:
        return lambda rows: np.mean([getattr(one, method)(rows) for one in self.estimators_], 0)


class Calibrated(FittedBefore):
    """A classifier of two classes whose answers something else was fitted to correct."""

    def __init__(self, model: Any, calibrator: Any) -> None:
        """``calibrator`` takes the probability of the second class, as a column or a vector; of a
        model without probabilities the decision value.
        """
        self.estimators_, self.classes_ = [model], model.classes_
        self._calibrator = calibrator

    def predict_proba(self, rows: Any) -> Any:
        """Return (n, 2) probabilities."""
        model, asked = self.estimators_[0], self._calibrator
        if hasattr(model, "predict_proba"):
            given = np.asarray(model.predict_proba(rows))[:, 1:]
        else:
            given = np.reshape(model.decision_function(rows), (-1, 1))
        if hasattr(asked, "predict_proba"):
            return asked.predict_proba(given)
        found = np.ravel(asked.predict(given))
        return np.stack([1 - found, found], axis=1)


class OfColumns(FittedBefore):
    """A transformer that was fitted on an array, of the columns of a data frame."""

    def __init__(self, part: Any, columns: Sequence[str]) -> None:
        """``columns`` are named in the order of the array."""
        self._part = part
        self.feature_names_in_ = np.array(columns, object)
        self.n_features_in_ = len(columns)
        self.categories_ = getattr(part, "categories_", ())

    def get_feature_names_out(self) -> Any:
        """Return names of the columns that it makes."""
        return self._part.get_feature_names_out()

    def transform(self, rows: Any) -> Any:
        """Return (n, width) numbers."""
        return self._part.transform(rows[list(self.feature_names_in_)].to_numpy())


class Expanded(FittedBefore):
    """A transformer of data frames that puts the columns of others in the place of theirs."""

    def __init__(self, columns: Sequence[str], parts: Sequence[Any]) -> None:
        """``columns`` are the model's, in its order; those of ``parts`` are among them."""
        self._columns, self._parts = list(columns), parts
        self._made = [made_by(one) for one in parts]
        own = {name: one for one, names in zip(parts, self._made, strict=True) for name in names}
        found: dict[str, None] = {}
        for name in self._columns:
            part = own.get(name)
            found |= dict.fromkeys([name] if part is None else map(str, part.feature_names_in_))
        self.feature_names_in_ = np.array([*found], object)
        self.n_features_in_ = len(found)

    @property
    def known_by_name(self) -> list[tuple[str, Known]]:
        """The categories that encoders among the parts know."""
        return SideBySide(self._parts).known_by_name

    def transform(self, rows: Any) -> Any:
        """Return a data frame of the model's columns."""
        found = rows.copy()
        for one, names in zip(self._parts, self._made, strict=True):
            made = np.asarray(_dense(one.transform(rows[list(one.feature_names_in_)])))
            for place, name in enumerate(names):
                found[name] = made[:, place]
        return found[self._columns]


def expanded(parts: Sequence[Any], columns: tuple[str, ...] | None) -> Expanded | None:
    """Return what makes a model's columns of parts that all make some of them, by their names."""
    if columns is None or not parts:
        return None
    for one in parts:
        made = made_by(one)
        named = hasattr(one, "feature_names_in_")
        if not made or not named or not {*made} <= {*columns}:
            return None
    return Expanded(columns, parts)


def made_by(one: Any) -> list[str]:
    """Return the names of the columns that a transformer makes; none where it cannot tell."""
    try:
        return list(map(str, one.get_feature_names_out()))
    except Exception:  # not every transformer can tell
        return []


def scaled_back(model: Any, scaler: Any) -> Any:
    """Return a regression whose predictions a scaler of its target scales back."""
    from sklearn.compose import TransformedTargetRegressor

    found = TransformedTargetRegressor(model, transformer=scaler)
    found.regressor_, found.transformer_, found._training_dim = model, scaler, 1
    if hasattr(model, "feature_names_in_"):
        found.feature_names_in_ = model.feature_names_in_
    return found


def width_of(one: Any) -> int:
    """Return how many columns a transformer makes; -1 where it cannot tell."""
    stated = getattr(one, "n_features_in_", getattr(one, "n_features", -1))  # of what hashes words
    return len(made_by(one)) or int(stated)


def dense() -> tuple[str, Any]:
    """Return a step of a pipeline that makes arrays of sparse matrices."""
    from sklearn.preprocessing import FunctionTransformer

    return "dense", FunctionTransformer(_dense, accept_sparse=True)


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def makes_sparse(one: Any) -> bool:
    """Tell a transformer that most likely makes sparse matrices."""
    parts = getattr(one, "transformer_list", None) or getattr(one, "steps", None)
    if isinstance(parts, list):
        return any(makes_sparse(part) for _, part, *_ in parts)
    said = ("sparse_output_", "sparse_output", "sparse", "vocabulary_", "n_features")
    own = next((getattr(one, name) for name in said if hasattr(one, name)), False)
    return bool(own) or str(getattr(one, "encode", "")) == "onehot"


def refuses_sparse(model: Any) -> bool:
    """Tell a model that takes no sparse matrix."""
    from scipy.sparse import csr_matrix

    try:
        model.predict(csr_matrix((1, int(model.n_features_in_))))
    except Exception as error:  # of any library, for any reason
        return re.search("dense|sparse", str(error), re.IGNORECASE) is not None
    return False


class Records(FittedBefore):
    """A transformer of data frames for a DictVectorizer, which takes rows as dictionaries."""

    def __init__(self, vectorizer: Any) -> None:
        """``vectorizer`` is fitted."""
        self.vectorizer = vectorizer
        mark = vectorizer.separator
        pairs = [str(one).partition(mark) for one in vectorizer.feature_names_]
        self.feature_names_in_ = np.array([*dict.fromkeys(name for name, _, _ in pairs)], object)
        self.n_features_in_ = len(self.feature_names_in_)
        self._words: dict[str, list[Any]] = {}
        for name, between, word in pairs:
            if between:
                self._words.setdefault(name, []).append(word)

    @property
    def known_by_name(self) -> list[tuple[str, Known]]:
        """The words that columns of words may hold."""
        return [(name, Known(tuple(words), gaps=False)) for name, words in self._words.items()]

    def transform(self, rows: Any) -> Any:
        """Return what the vectorizer makes of the rows of a data frame."""
        return self.vectorizer.transform(rows[list(self.feature_names_in_)].to_dict("records"))


def with_records(model: Any) -> Any:
    """Return a pipeline whose first step takes dictionaries as one of data frames, others as is."""
    steps = getattr(model, "steps", None)
    if not isinstance(steps, list) or type(steps[0][1]).__name__ != "DictVectorizer":
        return model
    if not hasattr(steps[0][1], "feature_names_"):
        return model
    from sklearn.pipeline import Pipeline

    return Pipeline([(steps[0][0], Records(steps[0][1])), *steps[1:]])


def encoders_of(children: Mapping[Any, Any], columns: tuple[str, ...] | None) -> Encoders | None:
    """Return what encodes columns among the parts of a file; None where nothing does.

    Encoders stand in a dictionary by column, or each by itself under a name that holds the name of
    its column.
    """
    if columns is None:
        return None
    found: dict[str, dict[Any, Any]] = {}
    called = []
    plain = {_plain(one): one for one in columns}
    for key, child in children.items():
        if isinstance(child, Mapping):
            held = {str(one): _codes(inner) for one, inner in child.items()}
        else:
            held = {plain.get(_plain(AROUND.sub("", str(key))), ""): _codes(child)}
        own = {name: codes for name, codes in held.items() if codes and name in columns}
        if own:
            found |= own
            called.append(str(key))
    if not found:
        return None
    encoders = Encoders(columns, " and ".join(called))
    encoders.codes = found
    return encoders


def scaled_by_name(
    encoders: Encoders | None, steps: Mapping[Any, Any], columns: tuple[str, ...] | None
) -> Encoders | None:
    """Add transformers that name some of the columns they take; None where one does not."""
    if columns is None or not steps:
        return None
    found = encoders or Encoders(columns)
    for one in steps.values():
        names = list(map(str, getattr(one, "feature_names_in_", ())))
        if not names or not {*names} <= {*columns} or len(made_by(one)) != len(names):
            return None
        found.scalers.append((names, one))
    found.called = " and ".join([*[found.called][: bool(found.called)], *map(str, steps)])
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _codes(one: Any) -> dict[Any, Any]:
    """Return the code of each value that an encoder, or a dictionary, has; nothing for another.

    A table that was encoded already is left as it is, where values are words and codes are not.
    """
    if isinstance(one, Mapping):
        numbers = bool(one) and all(_is_number(value) for value in one.values())
        codes = dict(one) if numbers else {}
    elif type(one).__name__ == "LabelEncoder" and hasattr(one, "classes_"):
        codes = {value: i for i, value in enumerate(np.ravel(one.classes_).tolist())}
    else:
        return {}
    present = [value for value in codes if value is not None and value == value]
    words = [value for value in present if isinstance(value, str)]
    if len(words) == len(present) and not any(map(NUMBER.fullmatch, words)):
        codes |= {code: code for code in codes.values()}
    return codes


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _code_of_gap(codes: Mapping[Any, Any]) -> Any:
    found = next((codes[one] for one in GAPS if one in codes), None)
    return next((code for value, code in codes.items() if value != value), found)


def _encoded(codes: Mapping[Any, Any], cells: Sequence[Any], place: int) -> list[Any]:
    gap, found = _code_of_gap(codes), []
    for cell in cells:
        missing = cell is None or cell != cell
        if missing and gap is None:
            raise ValueError("Input contains NaN")
        if not missing and cell not in codes:
            raise ValueError(f"Found unknown categories [{cell!r}] in column {place}")
        found.append(gap if missing else codes[cell])
    return found
