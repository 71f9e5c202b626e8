"""Files of older versions of scikit-learn answer as they did when they were written.

Each model here is written as an older version wrote it: without the parts that came later, and with
those that are gone. The truth is what it answers before.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import UserList
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.base
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import RFE, RFECV
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import _scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError
from lime_cli.models.model_file import ModelFile
from lime_cli.models.pickles import refusals
from lime_cli.models.pickles.loading import unpickle
from lime_cli.models.pickles.older import moved
from lime_cli.models.pickles.policy import canonical
from lime_cli.models.walking import objects
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(90, 3)).round(2)
CLASSES = np.array(["a", "b", "c"])[(X[:, 0] > 0.3).astype(int) + (X[:, 1] > 0)]
TWO = (X[:, 0] + X[:, 1] > 0).astype(int)
AMOUNTS = 3 * X[:, 0] + X[:, 2]
TABLE = pd.DataFrame(X, columns=["x", "y", "z"]).assign(
    colour=RANDOM.choice(["red", "green", "blue"], 90)
)
TABLE.loc[3, "x"] = np.nan
TEXTS = [f"{'good' if one else 'bad'} film, number {n % 7} of {n % 3}" for n, one in enumerate(TWO)]

LATER = {
    "ColumnTransformer": ("_name_to_fitted_passthrough", "force_int_remainder_cols"),
    "DecisionTreeClassifier": ("monotonic_cst",),
    "DecisionTreeRegressor": ("monotonic_cst",),
    "GradientBoostingClassifier": ("n_trees_per_iteration_",),
    "GradientBoostingRegressor": ("n_trees_per_iteration_",),
    "IsolationForest": ("_average_path_length_per_tree", "_decision_path_lengths"),
    "KNeighborsClassifier": ("n_samples_fit_",),
    "OneHotEncoder": (
        "_infrequent_enabled", "_drop_idx_after_grouping", "_n_features_outs", "min_frequency",
        "max_categories", "feature_name_combiner",
    ),
    "OrdinalEncoder": (
        "_infrequent_enabled", "_missing_indices", "min_frequency", "max_categories",
        "encoded_missing_value",
    ),
    "PolynomialFeatures": ("_min_degree", "_max_degree", "_n_out_full"),
    "SimpleImputer": ("_fill_dtype", "_fit_dtype", "keep_empty_features"),
    "StackingClassifier": ("_label_encoder",),
}  # fmt: skip
"""Parts that older versions did not write."""

ONCE = {
    "estimator": "base_estimator",
    "estimator_": "base_estimator_",
    "sparse_output": "sparse",
    "var_": "sigma_",
    "_n_support": "n_support_",
    "_probA": "probA_",
    "_probB": "probB_",
    "_loss": "loss_",
}
"""What they called others."""

WIDTHS = {
    "GaussianNB": "",
    "KNeighborsClassifier": "",
    "LinearRegression": "",
    "LogisticRegression": "",
    "OneHotEncoder": "",
    "OrdinalEncoder": "",
    "PolynomialFeatures": "n_input_features_",
    "SVC": "",
    "SimpleImputer": "",
    "StandardScaler": "",
}
"""How they said for how many columns a model was fitted; "" where they did not."""


class Older(pickle.Pickler):
    """Writes trees as they were: without where gaps go, with the weights of classes."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, Tree):
            made, args, state = thing.__reduce__()
            nodes, values = state["nodes"], state["values"]
            kept = [name for name in nodes.dtype.names if name != "missing_go_to_left"]
            if max(args[1]) > 1:
                values = values * nodes["weighted_n_node_samples"][:, None, None]
            plain = np.empty(len(nodes), [(name, nodes.dtype[name]) for name in kept])
            for name in kept:
                plain[name] = nodes[name]
            return made, args, {**state, "nodes": plain, "values": values}
        if isinstance(thing, sklearn.base.BaseEstimator):
            made, args, state = thing.__reduce_ex__(4)[:3]
            gone = LATER.get(type(thing).__name__, ())
            kept = {name: value for name, value in state.items() if name not in gone}
            if "idf_" in kept:
                weights = kept.pop("idf_")
                kept["_idf_diag"] = scipy.sparse.diags(weights, format="csr")
            if not hasattr(type(thing), "base_estimator"):
                once = {**ONCE, "n_features_in_": WIDTHS.get(type(thing).__name__, "n_features_")}
                kept = {once.get(name, name): value for name, value in kept.items()}
                kept.pop("", None)
                if isinstance(thing, DecisionTreeRegressor):
                    kept["classes_"] = [None]
            return made, args, kept
        if isinstance(thing, _CalibratedClassifier):
            made, args, state = thing.__reduce_ex__(4)[:3]
            return made, args, {ONCE.get(name, name): value for name, value in state.items()}
        return NotImplemented


def written(model: Any, path: Path, monkeypatch: Any, version: str = "0.24.2") -> Path:
    with monkeypatch.context() as patched, path.open("wb") as file:
        patched.setattr(sklearn.base, "__version__", version)
        Older(file, 4).dump(model)
    return path


def of_columns(last: Any, remainder: Any = "passthrough") -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["colour"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["x"]),
        remainder=remainder,
    )
    return make_pipeline(columns, last)


FITTED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "tree": lambda: (DecisionTreeClassifier(max_depth=3).fit(X, CLASSES), X),
    "weights that sum to 1": lambda: (
        DecisionTreeClassifier(max_depth=3).fit(X, CLASSES, np.full(90, 1 / 90)), X,
    ),
    "forest": lambda: (RandomForestClassifier(12, random_state=0).fit(X, CLASSES), X),
    "forest of numbers": lambda: (RandomForestRegressor(12, random_state=0).fit(X, AMOUNTS), X),
    "extra trees": lambda: (ExtraTreesClassifier(12, random_state=0).fit(X, TWO), X),
    "boosting": lambda: (GradientBoostingClassifier(n_estimators=9).fit(X, TWO), X),
    "boosting, three": lambda: (GradientBoostingClassifier(n_estimators=9).fit(X, CLASSES), X),
    "boosting, numbers": lambda: (GradientBoostingRegressor(n_estimators=9).fit(X, AMOUNTS), X),
    "neighbours": lambda: (KNeighborsClassifier().fit(X, CLASSES), X),
    "machine": lambda: (SVC().fit(X, TWO), X),
    "Bayes": lambda: (GaussianNB().fit(X, CLASSES), X),
    "powers": lambda: (make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(X, AMOUNTS), X),
    "stack": lambda: (
        StackingClassifier([("t", DecisionTreeClassifier(max_depth=2))], cv=2).fit(X, CLASSES), X,
    ),
    "calibrated": lambda: (
        CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), cv=3).fit(X, CLASSES), X,
    ),
    "isolated": lambda: (
        IsolationForest(n_estimators=9, max_samples=30, max_features=2, random_state=0).fit(X), X,
    ),
    "words": lambda: (make_pipeline(TfidfVectorizer(), SVC()).fit(TEXTS, TWO), TEXTS),
    "counted words": lambda: (
        make_pipeline(
            CountVectorizer(), TfidfTransformer(sublinear_tf=True), LogisticRegression()
        ).fit(TEXTS, TWO),
        TEXTS,
    ),
    "columns": lambda: (
        of_columns(RandomForestClassifier(9, random_state=0)).fit(TABLE, TWO),
        TABLE,
    ),
    "columns, linear": lambda: (of_columns(LogisticRegression()).fit(TABLE, TWO), TABLE),
    "columns, dropped": lambda: (of_columns(LinearRegression(), "drop").fit(TABLE, AMOUNTS), TABLE),
    "ordinal": lambda: (
        make_pipeline(
            ColumnTransformer([("o", OrdinalEncoder(), ["colour"])], remainder="passthrough"),
            SimpleImputer(strategy="median"),
            DecisionTreeClassifier(max_depth=3),
        ).fit(TABLE, TWO),
        TABLE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITTED)
def test_a_model_that_an_older_version_wrote_answers_as_it_did(name, tmp_path, monkeypatch) -> None:
    model, rows = FITTED[name]()
    asked = ("predict_proba", "decision_function", "predict")
    ask = next(one for one in asked if hasattr(model, one))
    truth = getattr(model, ask)(rows)
    path = written(model, tmp_path / "old.pkl", monkeypatch)
    with pytest.warns(UserWarning, match="0.24.2"):
        loaded = unpickle(path)
    np.testing.assert_allclose(getattr(loaded, ask)(rows), truth, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:an? .* without .* by default")
@pytest.mark.parametrize(
    "name", ["ordinal", "columns, linear", "powers", "tree", "forest", "extra trees"]
)
def test_a_model_that_was_loaded_and_saved_again_answers_as_it_did(
    name, tmp_path, monkeypatch
) -> None:
    model, rows = FITTED[name]()
    ask = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    truth = getattr(model, ask)(rows)
    path = written(model, tmp_path / "old.pkl", monkeypatch, sklearn.__version__)
    np.testing.assert_allclose(getattr(unpickle(path), ask)(rows), truth, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_weights_of_fewer_words_than_there_are_do_not_weigh_the_rest(tmp_path, monkeypatch) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, TWO)
    if "idf_" not in vars(model[0]._tfidf):
        pytest.skip("this version keeps them in a matrix")
    del model[0]._tfidf.idf_
    model[0]._tfidf._idf_diag = scipy.sparse.csr_matrix(np.diag([1.0, 2, 3, 0]))
    with pytest.raises(ModelError, match="words of which not all are weighed"):
        unpickle(written(model, tmp_path / "old.pkl", monkeypatch))


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.parametrize("child", ["left_child", "right_child"])
def test_how_deep_nodes_lie_is_measured_where_branches_lead_somewhere(
    child, tmp_path, monkeypatch
) -> None:
    model = IsolationForest(n_estimators=3, random_state=0).fit(X)
    tree = model.estimators_[1].tree_
    state = tree.__getstate__()
    state["nodes"][child][0] = 1 << 40
    tree.__setstate__(state)
    with pytest.raises(ModelError, match="branches that lead nowhere"):
        unpickle(written(model, tmp_path / "old.pkl", monkeypatch))


@pytest.mark.parametrize(
    ("parameter", "make", "rows"),
    [
        ("n_estimators", lambda: BaggingClassifier(n_estimators=3, random_state=0), X),
        ("voting", lambda: VotingClassifier([("b", GaussianNB())], voting="soft"), X),
        ("weights", lambda: KNeighborsClassifier(weights="distance"), X),
        ("with_mean", lambda: make_pipeline(StandardScaler(with_mean=False), GaussianNB()), X),
        ("preprocessor", lambda: make_pipeline(CountVectorizer(preprocessor=str), SVC()), TEXTS),
        ("sublinear_tf", lambda: make_pipeline(TfidfVectorizer(sublinear_tf=True), SVC()), TEXTS),
        ("alpha", lambda: make_pipeline(CountVectorizer(), BernoulliNB(alpha=2)), TEXTS),
        ("add_indicator", lambda: make_pipeline(SimpleImputer(add_indicator=True), SVC()), X),
    ],
)
def test_what_every_version_wrote_is_not_guessed(parameter, make, rows, tmp_path) -> None:
    model = make().fit(rows, TWO)
    path = tmp_path / "m.pkl"
    for one in objects(model):
        getattr(one, "__dict__", {}).pop(parameter, None)
    path.write_bytes(pickle.dumps(model))
    loaded, plain = unpickle(path), pickle.loads(path.read_bytes())
    assert not any(parameter in getattr(one, "__dict__", {}) for one in objects(loaded))
    for one in (loaded, plain):
        if parameter != "alpha":  # which only fitting reads
            with pytest.raises(AttributeError, match=parameter):
                one.predict(rows)


def test_a_parameter_that_is_filled_in_without_a_gap_of_versions_is_told(tmp_path) -> None:
    model = make_pipeline(MinMaxScaler(clip=True), GaussianNB()).fit(X, TWO)
    del model[0].clip  # which releases before 0.24 did not write
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model))
    (said,) = ModelFile(str(path)).load().warnings
    words = "m.pkl holds a MinMaxScaler without clip; taken by default: clip=False"
    assert said == CodedWarning("parameters_assumed", words)


def test_an_encoder_that_has_both_names_of_a_parameter_goes_by_the_new_one(tmp_path) -> None:
    dense = OneHotEncoder(sparse_output=False)
    model = make_pipeline(dense, GaussianNB()).fit(TABLE[["colour"]], TWO)
    dense.sparse = "deprecated"  # as 1.2 and 1.3 wrote
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    loaded, rows = unpickle(tmp_path / "m.pkl"), TABLE[["colour"]]
    np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_several_answers_of_a_stack_keep_their_encoders(tmp_path) -> None:
    answers = np.stack([TWO, CLASSES[0] == CLASSES], axis=1).astype(int)
    model = StackingClassifier([("t", DecisionTreeClassifier(max_depth=2))], KNeighborsClassifier())
    model.fit(X, answers)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    loaded = unpickle(tmp_path / "m.pkl")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("kind", [RFE, RFECV])
def test_columns_that_were_chosen_are_not_those_that_are_taken(kind, tmp_path) -> None:
    model = kind(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X, TWO)
    model.ranking_[-1], model.support_[-1] = 2, False
    truth = RFE.transform(model, X)
    model.n_features_ = int(model.support_.sum())
    del model.n_features_in_
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    loaded = unpickle(tmp_path / "m.pkl")
    assert (loaded.n_features_in_, loaded.n_features_) == (X.shape[1], model.n_features_)
    np.testing.assert_array_equal(loaded.transform(X), truth)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_trees_that_hold_shares_already_are_left_as_they_are(tmp_path, monkeypatch) -> None:
    model = RandomForestClassifier(12, random_state=0).fit(X, CLASSES, RANDOM.random(90))
    path = tmp_path / "old.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.3.3")
        path.write_bytes(pickle.dumps(model))
    np.testing.assert_array_equal(unpickle(path).predict_proba(X), model.predict_proba(X))


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.parametrize("columns", [["z", "y"], [1, 2]], ids=["names", "places"])
def test_columns_that_are_left_are_found_as_of_1_5(columns, tmp_path, monkeypatch) -> None:
    module = sklearn.compose._column_transformer
    kind = type("_RemainderColsList", (UserList,), {"__module__": module.__name__})
    frame = TABLE[["x", "y", "z"]].fillna(0)
    model = make_pipeline(
        ColumnTransformer([("s", StandardScaler(), ["x"])], remainder=StandardScaler()),
        LinearRegression(),
    ).fit(frame[["x", "y", "z"]], AMOUNTS)
    truth = model.predict(frame)
    first, (name, part, _) = model[0].transformers_
    ordered = [one for one in ("y", "z") if one in columns] or [1, 2]
    model[0].transformers_ = [first, (name, part, kind(ordered))]
    model[0]._remainder = (name, model[0].remainder, kind(ordered))
    path = tmp_path / "old.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.5.2")
        patched.setattr(module, "_RemainderColsList", kind, raising=False)
        path.write_bytes(pickle.dumps(model))
    np.testing.assert_allclose(unpickle(path).predict(frame), truth, rtol=1e-12)


def boosted(y: Any) -> Any:
    """A model of AdaBoost by SAMME.R, of trees that every version fits alike."""
    rows = np.array([[0.0, 5], [1, 3], [2, 8], [3, 1], [4, 4], [5, 9], [6, 2], [7, 7]])
    model = AdaBoostClassifier(n_estimators=2)
    model.__dict__.update(algorithm="SAMME.R", classes_=np.unique(y), n_features_in_=2)
    model.n_classes_, model.estimator_weights_ = len(model.classes_), np.ones(2)
    model.estimators_ = [
        DecisionTreeClassifier(min_samples_leaf=n, random_state=0).fit(rows, y) for n in (3, 2)
    ]
    return model, rows[:3]


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.parametrize(
    ("y", "truth"),
    [
        (
            [0, 0, 1, 0, 1, 1, 1, 1],
            [[0.999999991397, 8.603e-09]] * 2 + [[0.633974596216, 0.366025403784]],
        ),
        (
            [0, 0, 1, 2, 1, 2, 1, 2],
            [[0.999999989463, 1.0537e-08, 0.0]] * 2 + [[2.581e-08, 0.99999995594, 1.825e-08]],
        ),
    ],
    ids=["two", "three"],
)
def test_adaboost_weighs_probabilities_as_it_was_fitted(y, truth, tmp_path, monkeypatch) -> None:
    model, rows = boosted(y)  # the truth is what scikit-learn 0.24.2, 1.2.2 and 1.5.2 answer
    path = tmp_path / "old.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.5.2")
        path.write_bytes(pickle.dumps(model))
    loaded = unpickle(path)
    np.testing.assert_allclose(loaded.predict_proba(rows), truth, atol=1e-9)
    assert type(loaded).__name__ == "AdaBoostClassifier"


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
@pytest.mark.parametrize(
    "said",
    [("ovr", "lbfgs"), ("auto", "liblinear"), ("warn", "liblinear"), ("auto", "newton-cholesky")],
)
def test_classes_one_against_the_others_stay_so(said, tmp_path, monkeypatch) -> None:
    apart = [LogisticRegression().fit(X, one == CLASSES) for one in "abc"]
    chances = np.column_stack([one.predict_proba(X)[:, 1] for one in apart])
    model = LogisticRegression().fit(X, CLASSES)
    model.coef_ = np.vstack([one.coef_ for one in apart])
    model.intercept_ = np.concatenate([one.intercept_ for one in apart])
    model.multi_class, model.solver = said
    path = tmp_path / "old.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.2.2")
        path.write_bytes(pickle.dumps(model))
    truth = chances / chances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(unpickle(path).predict_proba(X), truth, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_two_classes_that_each_have_weights_stay_so(tmp_path, monkeypatch) -> None:
    model = LogisticRegression().fit(X, TWO)
    model.multi_class = "multinomial"  # the margin is half the distance of both classes
    path = tmp_path / "old.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.3.2")
        path.write_bytes(pickle.dumps(model))
    truth = 1 / (1 + np.exp(-2 * model.decision_function(X)))
    np.testing.assert_allclose(unpickle(path).predict_proba(X)[:, 1], truth, rtol=1e-9)


@pytest.mark.parametrize("name", ["_PredictScorer", "_ProbaScorer", "_ThresholdScorer"])
def test_what_a_search_compared_models_by_is_not_needed(name, tmp_path, monkeypatch) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, scoring="roc_auc").fit(X, TWO)
    kind = getattr(_scorer, name, None) or type(name, (), {"__module__": _scorer.__name__})
    monkeypatch.setattr(_scorer, name, kind, raising=False)
    search.scorer_ = object.__new__(kind)
    vars(search.scorer_).update(_score_func=roc_auc_score, _sign=1, _kwargs={})
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(search))
    monkeypatch.undo()
    np.testing.assert_allclose(unpickle(path).predict_proba(X), search.predict_proba(X))


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_losses_go_by_their_names_of_today(tmp_path, monkeypatch) -> None:
    model = SGDClassifier(loss="log_loss", random_state=0).fit(X, TWO)
    truth = model.predict_proba(X)
    model.loss = "log"
    path = written(model, tmp_path / "old.pkl", monkeypatch)
    np.testing.assert_allclose(unpickle(path).predict_proba(X), truth)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_what_predicts_otherwise_today_names_its_version(tmp_path, monkeypatch) -> None:
    if sklearn.__version__ < "1.5":
        pytest.skip("this scikit-learn asks it as older ones did")
    path = written(PLSRegression(1).fit(X, AMOUNTS), tmp_path / "m.pkl", monkeypatch, "1.4.2")
    with pytest.raises(ModelError) as caught:
        unpickle(path)
    assert "written by scikit-learn 1.4.2 and holds a PLSRegression" in caught.value.message
    assert "pip install limex scikit-learn==1.4.2" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("sklearn.tree.tree DecisionTreeClassifier", "sklearn.tree._classes"),
        ("sklearn.ensemble.forest RandomForestClassifier", "sklearn.ensemble._forest"),
        ("sklearn.linear_model.logistic LogisticRegression", "sklearn.linear_model._logistic"),
        ("sklearn.linear_model.base LinearRegression", "sklearn.linear_model._base"),
        ("sklearn.preprocessing.label LabelEncoder", "sklearn.preprocessing._label"),
        ("sklearn.preprocessing.data StandardScaler", "sklearn.preprocessing._data"),
        ("sklearn.preprocessing._data PolynomialFeatures", "sklearn.preprocessing._polynomial"),
        ("sklearn.svm.classes SVC", "sklearn.svm._classes"),
        (
            "sklearn.neighbors.classification KNeighborsClassifier",
            "sklearn.neighbors._classification",
        ),
        ("sklearn.ensemble.gradient_boosting GradientBoostingClassifier", "sklearn.ensemble._gb"),
        ("sklearn.utils Bunch", "sklearn.utils._bunch"),
    ],
)
def test_names_that_moved_are_found_where_they_are(before: str, now: str) -> None:
    module, name = before.split()
    assert moved(canonical(module, name, 3)) == (now, name)
    __import__(now)


def test_damaged_columns_of_a_transformer_are_refused(tmp_path: Path) -> None:
    module = b"csklearn.compose._column_transformer\n_RemainderColsList\n)\x81"
    state = io.BytesIO()
    pickle.dump({"data": "all"}, state, 2)
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x02" + module + state.getvalue()[2:-1] + b"b.")
    if hasattr(sklearn.compose._column_transformer, "_RemainderColsList"):
        pytest.skip("this scikit-learn has the class")
    with pytest.raises(ModelError, match="damaged columns"):
        unpickle(path)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_a_skops_file_of_an_older_version_answers_as_it_did(tmp_path, monkeypatch) -> None:
    skops = pytest.importorskip("skops.io")
    rows = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, TWO)
    truth = model.predict_proba(rows)
    vars(model[0]).pop("_fill_dtype", None)
    path = tmp_path / "m.skops"
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.3.2")
        skops.dump(model, path)
    table = Table(("x", "y", "z"), tuple(rows.T))
    np.testing.assert_allclose(ModelFile(str(path)).load().predict(table), truth, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Trying to unpickle")
def test_trees_of_an_older_skops_file_name_their_version(tmp_path, monkeypatch) -> None:
    skops = pytest.importorskip("skops.io")
    with monkeypatch.context() as patched:
        patched.setattr(sklearn.base, "__version__", "1.1.2")
        content = skops.dumps(DecisionTreeClassifier(max_depth=3).fit(X, TWO))
    path = tmp_path / "m.skops"
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            held = old.read(name)
            array = np.load(io.BytesIO(held)) if name.endswith(".npy") else None
            if array is not None and "missing_go_to_left" in (array.dtype.names or ()):
                kept = [one for one in array.dtype.names if one != "missing_go_to_left"]
                plain = np.empty(len(array), [(one, array.dtype[one]) for one in kept])
                for one in kept:
                    plain[one] = array[one]
                into = io.BytesIO()
                np.save(into, plain)
                held = into.getvalue()
            new.writestr(name, held)
    with pytest.raises(ModelError) as caught:
        ModelFile(str(path)).load()
    assert "was written by scikit-learn 1.1.2 and holds trees of another form" in str(caught.value)
    assert "damaged" not in str(caught.value)


def boosted_by_xgboost() -> Any:
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=4, max_depth=2).fit(X, TWO)


def test_json_of_xgboost_before_1_6_answers_as_it_did(tmp_path) -> None:
    model = boosted_by_xgboost()
    truth = model.predict_proba(X)
    path = tmp_path / "m.json"
    model.save_model(path)
    held = json.loads(path.read_text())
    del held["learner"]["gradient_booster"]["model"]["gbtree_model_param"]["num_parallel_tree"]
    held["version"] = [1, 4, 2]
    path.write_text(json.dumps(held))
    names = ("x", "y", "z")
    found = ModelFile(str(path)).load().predict(Table(names, tuple(X.T)))
    np.testing.assert_allclose(found, truth, rtol=1e-5)


def test_the_encoder_of_labels_of_an_older_xgboost_is_not_needed(tmp_path, monkeypatch) -> None:
    model = boosted_by_xgboost()
    truth = model.predict_proba(X)
    module = import_module("xgboost.compat")
    kind = type("XGBoostLabelEncoder", (LabelEncoder,), {"__module__": "xgboost.compat"})
    model._le = kind().fit(TWO)
    path = tmp_path / "m.pkl"
    with monkeypatch.context() as patched:
        patched.setattr(module, "XGBoostLabelEncoder", kind, raising=False)
        path.write_bytes(pickle.dumps(model))
    np.testing.assert_allclose(unpickle(path).predict_proba(X), truth)


def test_a_pickle_that_xgboost_no_longer_reads_says_how_to_save_it() -> None:
    xgboost = pytest.importorskip("xgboost")
    with pytest.raises(xgboost.core.XGBoostError) as words:
        xgboost.Booster().__setstate__({"handle": bytearray(b"CONFIG-offset:" + bytes(400))})
    error = refusals.unbuildable(Path("m.pkl"), words.value, "")
    assert "was pickled by an older XGBoost" in error.message
    assert "save_model('model.json')" in (error.hint or "")
