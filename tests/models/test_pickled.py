"""Pickled models: what is asked of them, and what is said when they cannot answer."""

import pickle
import warnings
from importlib import metadata
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from lime_cli.engine.warnings import of_model
from lime_cli.errors import ModelError, PredictionError, SettingsError, UntrustedModel
from lime_cli.models.model_file import ModelFile, format_of
from lime_cli.models.pickles.building import Missing
from lime_cli.models.pickles.refusals import missing
from lime_cli.models.sklearn import limit_threads
from lime_cli.tabular.row import Table

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]
TABLE = Table(("u", "v", "w"), tuple(X.T))


def saved(tmp_path, model, name="m.pkl"):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(model))
    return str(path)


def loaded(tmp_path, model, **choices):
    return ModelFile(saved(tmp_path, model), **choices).load()


def test_probabilities_are_asked_for_where_there_are_any(tmp_path):
    fitted = LogisticRegression().fit(X, Y)
    model = loaded(tmp_path, fitted)
    assert np.array_equal(model.predict(TABLE), fitted.predict_proba(X))
    assert model.identity.targets == ("a", "b", "c")
    assert model.probabilities
    assert model.warnings == ()


MARGINS = [LinearSVC(dual=True), SVC(), RidgeClassifier(), Perceptron()]


@pytest.mark.parametrize("estimator", MARGINS)
def test_decision_values_come_second_and_are_named_so(tmp_path, estimator):
    fitted = estimator.fit(X, Y)
    model = loaded(tmp_path, fitted)
    assert np.array_equal(model.predict(TABLE), fitted.decision_function(X))
    assert [warning.code for warning in model.warnings] == ["decision_values"]
    assert not model.probabilities


def test_two_classes_margins_have_two_signs_even_between_0_and_1(tmp_path):
    fitted = LinearSVC(dual=True).fit(X, Y == "a")
    model = loaded(tmp_path, fitted)
    inside = np.flatnonzero((fitted.decision_function(X) > 0) & (fitted.decision_function(X) < 1))
    one = Table(TABLE.names, tuple(column[inside[:1]] for column in TABLE.columns))
    margin = fitted.decision_function(X[inside[:1]])[0]
    assert model.predict(one)[0] == pytest.approx([-margin, margin])


def test_labels_alone_are_read_as_votes_and_called_coarse(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = NearestCentroid().fit(X, Y)
    model = loaded(tmp_path, fitted, output="labels")
    assert np.array_equal(
        model.predict(TABLE).argmax(axis=1), np.searchsorted(["a", "b", "c"], fitted.predict(X))
    )
    assert [warning.code for warning in model.warnings] == ["coarse_output"]


def test_a_regressor_is_a_regression(tmp_path):
    model = loaded(tmp_path, LinearRegression().fit(X, X @ [1.0, 2.0, 3.0]))
    assert model.predict(TABLE)[:, 0] == pytest.approx(X @ [1.0, 2.0, 3.0])
    assert (model.identity.task, model.identity.targets) == ("regression", ("prediction",))


def test_an_outlier_detector_is_explained_by_the_score_that_is_chosen(tmp_path):
    fitted = IsolationForest(n_estimators=5, random_state=0).fit(X)
    model = loaded(tmp_path, fitted)
    assert model.predict(TABLE)[:, 0] == pytest.approx(fitted.decision_function(X))
    assert model.identity.task == "regression"
    assert "--model-output scores" in model.warnings[0].message
    for output, method in (("decision", "decision_function"), ("scores", "score_samples")):
        chosen = loaded(tmp_path, fitted, output=output)
        assert chosen.predict(TABLE)[:, 0] == pytest.approx(getattr(fitted, method)(X))
        assert (chosen.identity.task, chosen.warnings) == ("regression", ())


def test_a_model_fitted_on_a_data_frame_gets_one_without_complaint(tmp_path):
    fitted = RandomForestClassifier(3, random_state=0).fit(pd.DataFrame(X, columns=TABLE.names), Y)
    model = loaded(tmp_path, fitted)
    assert model.input.columns == TABLE.names
    assert model.predict(TABLE).shape == (90, 3)


def test_a_forest_of_many_threads_is_asked_with_one(tmp_path):
    many = RandomForestClassifier(3, n_jobs=-1, random_state=0)
    searched = GridSearchCV(make_pipeline(StandardScaler(), many), {}, cv=2).fit(X, Y)
    limit_threads(searched, 1)
    assert searched.best_estimator_[-1].n_jobs == 1
    assert loaded(tmp_path, searched).predict(TABLE).shape == (90, 3)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib_files_load_in_every_compression(tmp_path, compress):
    fitted = LogisticRegression().fit(X, Y)
    joblib.dump(fitted, tmp_path / "m.joblib", compress=compress)
    model = ModelFile(str(tmp_path / "m.joblib")).load()
    assert np.array_equal(model.predict(TABLE), fitted.predict_proba(X))


class Noisy(LogisticRegression):
    def predict_proba(self, inputs):
        print("predicting")
        return super().predict_proba(inputs)


def test_what_a_model_prints_goes_to_standard_error(tmp_path, capsys):
    loaded(tmp_path, Noisy().fit(X, Y), trust=True).predict(TABLE)
    out, err = capsys.readouterr()
    assert out == ""
    assert "predicting" in err


def test_a_class_that_is_not_on_the_list_is_named_with_the_ways_on(tmp_path):
    with pytest.raises(UntrustedModel) as caught:
        loaded(tmp_path, Noisy().fit(X, Y))
    assert "Noisy" in str(caught.value)
    assert "--trust" in str(caught.value)
    assert loaded(tmp_path, Noisy().fit(X, Y), trust_modules=(Noisy.__module__,)).predict(
        TABLE
    ).shape == (90, 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (StandardScaler().fit(X), "cannot predict"),
        (LogisticRegression(), "not fitted"),
        (np.ones(3), "holds a numpy array, not a model"),
        ([1, 2], "holds a list"),
        (LinearRegression().fit(np.where(X > 2, 0, X), X[:, 0]), "missing values"),
    ],
    ids=["transformer", "unfitted", "array", "list", "missing values"],
)
def test_what_is_no_usable_model_is_refused_by_name(tmp_path, model, message):
    broken = Table(TABLE.names, (np.full(90, np.nan), *TABLE.columns[1:]))
    with pytest.raises(ModelError, match=message) as caught:
        loaded(tmp_path, model).predict(broken)
    assert str(caught.value).startswith("m.pkl: ")


def test_a_failure_of_the_model_is_told_in_its_words(tmp_path):
    with pytest.raises(
        PredictionError, match=r"m\.pkl: the model failed on its input \(ValueError: .*3 features"
    ):
        loaded(tmp_path, LogisticRegression().fit(X, Y)).predict(Table(("u",), (X[:, 0],)))


def test_an_unknown_output_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no output 'decision'"):
        loaded(tmp_path, RandomForestClassifier(2).fit(X, Y), output="decision")


def test_another_version_of_scikit_learn_is_a_warning(tmp_path):
    fitted = LogisticRegression().fit(X, Y)
    state = pickle.dumps(fitted)
    import sklearn

    assert sklearn.__version__.encode() in state
    other = "0" * len(sklearn.__version__)
    path = tmp_path / "m.pkl"
    path.write_bytes(state.replace(sklearn.__version__.encode(), other.encode()))
    warnings = ModelFile(str(path)).load().warnings
    assert [warning.code for warning in warnings] == ["version_gap"]
    assert other in warnings[0].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is a text\n", "is not a model file .*hello"),
        (bytes(range(7, 60)), "is not a model file"),
    ],
)
def test_no_model_file_is_told_by_its_first_bytes(tmp_path, content, message):
    (tmp_path / "m.pkl").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        format_of(tmp_path / "m.pkl")


def test_a_name_that_belies_the_content_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(pickle.dumps(LogisticRegression()))
    with pytest.raises(ModelError, match=r"named \.onnx but its content is a pickle"):
        ModelFile(str(path)).load()


def test_a_missing_model_and_a_folder_are_told(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        ModelFile(str(tmp_path / "m.pkl")).load()
    with pytest.raises(ModelError, match="is a folder"):
        ModelFile(str(tmp_path)).load()


def test_a_digest_that_differs_is_refused(tmp_path):
    path = saved(tmp_path, LinearRegression().fit(X, X[:, 0]))
    with pytest.raises(ModelError, match="digest"):
        ModelFile(path, sha256="00").load()


def test_settings_errors_are_no_model_errors():
    assert not issubclass(SettingsError, ModelError)


LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 1], axis=1).astype(int)
MULTILABEL = [
    OneVsRestClassifier(LogisticRegression()),
    MultiOutputClassifier(LogisticRegression()),
    ClassifierChain(LogisticRegression()),
    RandomForestClassifier(5, random_state=0),
    KNeighborsClassifier(),
    MLPClassifier((4,), max_iter=5, random_state=0),
]


@pytest.mark.parametrize("estimator", MULTILABEL, ids=lambda one: type(one).__name__)
def test_labels_that_may_hold_together_have_a_probability_each(tmp_path, estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = estimator.fit(X, LABELS)
    model = loaded(tmp_path, fitted)
    values = model.predict(TABLE)
    raw = fitted.predict_proba(X)
    expected = np.stack([one[:, 1] for one in raw], axis=1) if isinstance(raw, list) else raw
    assert values == pytest.approx(expected)
    assert (model.identity.task, model.identity.targets) == ("classification", ("0", "1", "2"))
    assert not model.probabilities
    assert list(of_model(model, values[0])) == []
    assert model.reading.endswith("a probability of its own for every label")


@pytest.mark.parametrize(
    "estimator",
    [
        CalibratedClassifierCV(LinearSVC(dual=True), cv=2),
        VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"),
        StackingClassifier([("a", GaussianNB())], cv=2),
        GaussianProcessClassifier(),
        KNeighborsClassifier(),
        HistGradientBoostingClassifier(max_iter=3),
        GridSearchCV(LogisticRegression(), {}, cv=2),
        DummyClassifier(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_classifiers_of_every_family_give_their_probabilities(tmp_path, estimator):
    fitted = estimator.fit(X, Y)
    model = loaded(tmp_path, fitted)
    assert model.predict(TABLE) == pytest.approx(fitted.predict_proba(X))
    assert (model.identity.targets, model.probabilities) == (("a", "b", "c"), True)
    assert model.warnings == ()


def test_a_hard_vote_names_a_class_only(tmp_path):
    fitted = VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())]).fit(X, Y)
    model = loaded(tmp_path, fitted)
    assert model.predict(TABLE).sum(axis=1).tolist() == [1.0] * 90
    assert [one.code for one in model.warnings] == ["coarse_output"]


def test_margins_between_every_two_classes_become_one_for_each_class(tmp_path):
    fitted = SVC(decision_function_shape="ovo").fit(X, Y)
    model = loaded(tmp_path, fitted)
    expected = SVC(decision_function_shape="ovr").fit(X, Y).decision_function(X)
    assert model.predict(TABLE) == pytest.approx(expected)
    assert model.identity.targets == ("a", "b", "c")


def test_a_regression_of_several_outputs_names_their_places(tmp_path):
    model = loaded(tmp_path, LinearRegression().fit(X, X[:, :2]))
    assert model.predict(TABLE) == pytest.approx(X[:, :2])
    assert model.identity.targets == ("output 0", "output 1")
    assert model.identity.task == "regression"


def test_how_answers_are_read_is_known_once_it_has_answered(tmp_path):
    model = loaded(tmp_path, LogisticRegression().fit(X, Y))
    assert model.reading == ""
    assert (model.identity.task, model.identity.targets) == ("classification", ("a", "b", "c"))
    model.predict(TABLE)
    assert model.reading == "probabilities"


@pytest.mark.parametrize("packed_by", [pickle, joblib])
def test_class_names_of_impossible_characters_are_damage(tmp_path, packed_by):
    model = LogisticRegression().fit([[0.0], [1.0]], np.array(["xx", "yy"]))
    path = tmp_path / "m.pkl"
    if packed_by is pickle:
        path.write_bytes(pickle.dumps(model, 4))
    else:
        joblib.dump(model, path)
    words = b"x\0\0\0x\0\0\0"
    assert words in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(words, b"x\0\xff\xffx\0\0\0"))
    with pytest.raises(ModelError, match="is damaged: words with unknown characters"):
        ModelFile(str(path)).load()


@pytest.mark.parametrize(
    "dtype", ["U2", "f8,U2", "i1,(2,)U2", [("a", [("b", "U2"), ("c", "i4")])]], ids=str
)
def test_impossible_characters_are_found_in_any_field(tmp_path, dtype):
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    model.notes_ = np.zeros(2, dtype)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model, 4))
    assert ModelFile(str(path)).load().identity.targets == ("0", "1")
    model.notes_.view("u1")[:] = 255
    path.write_bytes(pickle.dumps(model, 4))
    with pytest.raises(ModelError, match="is damaged: words with unknown characters"):
        ModelFile(str(path)).load()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("numpy._inner", f"(here: {np.__version__}): pip install numpy==VERSION"),
        ("lightgbm.basic", "pip install lightgbm"),
    ],
)
def test_a_library_that_lacks_a_name_is_wanted_as_the_file_was_saved_with_it(
    monkeypatch, module, said
):
    error = Missing((module, "thing"), f"No module named {module!r}")
    if module.startswith("lightgbm"):
        monkeypatch.setattr(metadata, "version", lambda name: absent(name))
    assert missing(Path("m.pkl"), error, "").hint.endswith(said)


def absent(name):
    raise metadata.PackageNotFoundError(name)
