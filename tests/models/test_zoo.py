"""Every family of models, saved in every way, is explained as the live object would be."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeRegressor

from lime_cli.engine import explain
from lime_cli.models.model_file import ModelFile, ModelInput
from lime_cli.registry import LOADERS
from lime_cli.running.job import Explained, Job, run
from lime_cli.settings import Settings
from lime_cli.tabular.modality import TabularModality
from lime_cli.texts.modality import TextModality
from tests.conftest import FunctionModel

RANDOM = np.random.default_rng(0)
# Sixty-fourths are exact in float32 too: a tree decides alike in both.
TABLE = RANDOM.integers(0, 64, (80, 4)) / 64
NAMES = ["a", "b", "c", "d"]
FRAME = pd.DataFrame(TABLE, columns=NAMES)
TWO = np.array(["no", "yes"])[(TABLE[:, 0] + TABLE[:, 1] > 1).astype(int)]
THREE = np.digitize(TABLE[:, 0] + TABLE[:, 2], [0.7, 1.3])
VALUES = 2 * TABLE[:, 0] + TABLE[:, 1] ** 2
LABELS = np.column_stack([TABLE[:, 0] > 0.5, TABLE[:, 1] > 0.4]).astype(int)
TOWNS = np.array(["Oslo", "Rome", "Kyiv"], object)[THREE]
MIXED = FRAME.assign(town=np.where(TABLE[:, 3] > 0.9, np.nan, TOWNS))
MIXED.loc[::7, "a"] = np.nan
TEXTS = [f"{'good' if one == 'yes' else 'bad'} film of number{n % 5}" for n, one in enumerate(TWO)]

TWO_MODELS = [("a", GaussianNB()), ("b", LogisticRegression())]
TWO_REGRESSORS = [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3, random_state=0))]


def of_columns(final):
    """A pipeline over numbers with gaps and words with gaps."""
    words = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none"),
        OneHotEncoder(handle_unknown="ignore"),
    )
    return make_pipeline(
        ColumnTransformer([("n", SimpleImputer(), NAMES), ("w", words, ["town"])]), final
    )


def network(cls):
    return cls(hidden_layer_sizes=(6,), tol=0.05, random_state=0)


def xgboost(name, **choices):
    return getattr(pytest.importorskip("xgboost"), name)(n_estimators=5, n_jobs=1, **choices)


def lightgbm(name):
    library = pytest.importorskip("lightgbm")
    return getattr(library, name)(n_estimators=5, n_jobs=1, verbose=-1, min_child_samples=5)


def catboost(name):
    library = pytest.importorskip("catboost")
    return getattr(library, name)(
        iterations=5, thread_count=1, verbose=0, allow_writing_files=False
    )


MODELS = {
    "logistic": (LogisticRegression, TABLE, TWO),
    "logistic of three": (LogisticRegression, FRAME, THREE),
    "ridge classifier": (RidgeClassifier, TABLE, THREE),
    "linear SVC": (LinearSVC, TABLE, TWO),
    "SVC": (SVC, TABLE, THREE),
    "forest": (lambda: RandomForestClassifier(5, random_state=0), FRAME, THREE),
    "extra trees": (lambda: ExtraTreesClassifier(5, random_state=0), TABLE, TWO),
    "boosting": (lambda: GradientBoostingClassifier(n_estimators=5), TABLE, THREE),
    "boosting of two": (lambda: GradientBoostingClassifier(n_estimators=5), FRAME, TWO),
    "histogram boosting": (lambda: HistGradientBoostingClassifier(max_iter=4), FRAME, TWO),
    "ada boost": (lambda: AdaBoostClassifier(n_estimators=4), TABLE, TWO),
    "network": (lambda: network(MLPClassifier), TABLE, TWO),
    "neighbours": (KNeighborsClassifier, TABLE, THREE),
    "naive Bayes": (GaussianNB, TABLE, TWO),
    "Gaussian process": (GaussianProcessClassifier, TABLE, TWO),
    "calibrated": (lambda: CalibratedClassifierCV(LinearSVC(), cv=2), TABLE, TWO),
    "soft vote": (lambda: VotingClassifier(TWO_MODELS, voting="soft"), TABLE, TWO),
    "hard vote": (lambda: VotingClassifier(TWO_MODELS), TABLE, TWO),
    "stacking": (lambda: StackingClassifier(TWO_MODELS, cv=2), TABLE, TWO),
    "search": (lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), FRAME, TWO),
    "scaled": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), FRAME, THREE),
    "one against the rest": (lambda: OneVsRestClassifier(LogisticRegression()), TABLE, THREE),
    "labels": (lambda: OneVsRestClassifier(LogisticRegression()), TABLE, LABELS),
    "forest of labels": (lambda: RandomForestClassifier(5, random_state=0), TABLE, LABELS),
    "several answers": (lambda: MultiOutputClassifier(LogisticRegression()), TABLE, LABELS),
    "columns": (lambda: of_columns(LogisticRegression()), MIXED, TWO),
    "columns of a forest": (
        lambda: of_columns(RandomForestClassifier(5, random_state=0)), MIXED, THREE
    ),
    "columns to a number": (lambda: of_columns(Ridge()), MIXED, VALUES),
    "tf-idf": (lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()), TEXTS, TWO),
    "counts": (lambda: make_pipeline(CountVectorizer(), MultinomialNB()), TEXTS, THREE),
    "tf-idf margins": (lambda: make_pipeline(TfidfVectorizer(), LinearSVC()), TEXTS, TWO),
    "tf-idf to a number": (lambda: make_pipeline(TfidfVectorizer(), Ridge()), TEXTS, VALUES),
    "linear": (LinearRegression, FRAME, VALUES),
    "two values": (LinearRegression, TABLE, np.column_stack([VALUES, VALUES**2])),
    "elastic net": (lambda: ElasticNet(0.01), TABLE, VALUES),
    "Poisson": (PoissonRegressor, TABLE, VALUES),
    "forest of values": (lambda: RandomForestRegressor(5, random_state=0), TABLE, VALUES),
    "boosted values": (lambda: GradientBoostingRegressor(n_estimators=5), TABLE, VALUES),
    "histogram of values": (lambda: HistGradientBoostingRegressor(max_iter=4), FRAME, VALUES),
    "network of values": (lambda: network(MLPRegressor), TABLE, VALUES),
    "neighbouring values": (KNeighborsRegressor, TABLE, VALUES),
    "process of values": (GaussianProcessRegressor, TABLE, VALUES),
    "SVR": (SVR, TABLE, VALUES),
    "voted values": (lambda: VotingRegressor(TWO_REGRESSORS), TABLE, VALUES),
    "stacked values": (lambda: StackingRegressor(TWO_REGRESSORS, cv=2), TABLE, VALUES),
    "transformed target": (
        lambda: TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
        TABLE, VALUES,
    ),
    "several values": (lambda: MultiOutputRegressor(Ridge()), TABLE, np.c_[VALUES, -VALUES]),
    "outliers": (lambda: IsolationForest(n_estimators=5, random_state=0), TABLE, None),
    "xgboost": (lambda: xgboost("XGBClassifier"), FRAME, THREE),
    "xgboost of values": (lambda: xgboost("XGBRegressor"), TABLE, VALUES),
    "lightgbm": (lambda: lightgbm("LGBMClassifier"), FRAME, THREE),
    "lightgbm of values": (lambda: lightgbm("LGBMRegressor"), FRAME, VALUES),
    "catboost": (lambda: catboost("CatBoostClassifier"), FRAME, THREE),
    "catboost of values": (lambda: catboost("CatBoostRegressor"), FRAME, VALUES),
}  # fmt: skip
PROTOCOLS = {f"protocol {n}": n for n in range(6)}
WAYS = {
    **{name: lambda model, path, n=n: path.write_bytes(pickle.dumps(model, n))
       for name, n in PROTOCOLS.items() if n in (0, 2, 5)},
    "joblib": joblib.dump,
    "joblib, packed": lambda model, path: joblib.dump(model, path, compress=3),
}  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Give, by name: a fitted model, its modality, and the explanation of the live object."""
    folder = tmp_path_factory.mktemp("zoo")
    FRAME.to_csv(folder / "numbers.csv", index=False)
    MIXED.to_csv(folder / "mixed.csv", index=False)
    made = {}

    def one(name):
        if name not in made:
            make, rows, target = MODELS[name]
            modality = modality_of(folder, rows)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = make().fit(rows, target) if target is not None else make().fit(rows)
                made[name] = fitted, modality, explained_live(fitted, modality)
        return made[name]

    return one


def modality_of(folder, rows):
    if rows is TEXTS:
        return TextModality(text="a good film of number3, not a bad one")
    return TabularModality(
        str(folder / ("mixed.csv" if rows is MIXED else "numbers.csv")), rows="3,7"
    )


def settings_for(modality):
    return Settings(samples=256, targets=("all",), selection="none")


def explained_live(fitted, modality):
    """Explain the object itself, through no adapter and no file."""
    columns = getattr(fitted, "feature_names_in_", None)
    given = ModelInput(columns=None if columns is None else tuple(columns))
    modality = modality.fitted(given)
    instances = [modality.read(source) for source in modality.sources()]

    def predict(inputs):
        return predictions(fitted, rows_of(inputs, columns))

    model = FunctionModel(predict)
    width = predict(instances[0].original()).shape[1]
    model.identity = model.identity.__class__(
        "live", "", "regression", tuple(map(str, range(width)))
    )
    return list(explain(instances, model, settings_for(modality)))


def rows_of(inputs, columns):
    """Put a modality's batch into what the model was fitted on."""
    if not hasattr(inputs, "columns"):
        return list(inputs)
    if columns is None:
        return np.column_stack(inputs.columns)
    frame = pd.DataFrame(dict(zip(inputs.names, inputs.columns, strict=True)))
    return frame[list(columns)].replace({None: np.nan})


def predictions(fitted, rows):
    """Ask for probabilities, else margins, else values or votes; (n, k)."""
    if hasattr(fitted, "predict_proba"):
        found = fitted.predict_proba(rows)
        return np.column_stack([one[:, 1] for one in found]) if isinstance(found, list) else found
    if hasattr(fitted, "decision_function"):
        found = fitted.decision_function(rows)
        two_classes = found.ndim == 1 and hasattr(fitted, "classes_")
        return np.column_stack([-found, found]) if two_classes else found.reshape(len(found), -1)
    found = fitted.predict(rows)
    if len(getattr(fitted, "classes_", ())):  # CatBoost gives regressors an empty one
        return (found[:, None] == fitted.classes_).astype(float)
    return np.reshape(found, (len(found), -1))


def numbers(explanation):
    """Give all that was computed, as (targets, numbers)."""
    rows = []
    for surrogate in explanation.surrogates:
        weights = {one.component: one.weight for one in surrogate.weights}
        row = [surrogate.model_prediction, surrogate.intercept, surrogate.local_prediction]
        rows.append(row + [weights.get(j, 0.0) for j in range(len(explanation.components))])
    return np.array(rows)


def check(path, modality, live, tolerance, **choices):
    job = Job(
        ModelFile(str(path), **choices), modality, settings_for(modality), tuple(modality.sources())
    )
    outcomes = list(run(job))
    for outcome, wanted in zip(outcomes, live, strict=True):
        assert isinstance(outcome, Explained), outcome.error
        found, expected = numbers(outcome.explanation), numbers(wanted)
        assert found.shape == expected.shape
        assert np.allclose(found, expected, rtol=tolerance, atol=tolerance)
        assert outcome.explanation.components == wanted.components


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", list(MODELS))
def test_a_saved_model_is_explained_as_the_live_one(zoo, name, way, tmp_path):
    fitted, modality, live = zoo(name)
    WAYS[way](fitted, tmp_path / "model.pkl")
    check(tmp_path / "model.pkl", modality, live, 1e-9, trust="catboost" in name)


@pytest.mark.skipif("skops" not in LOADERS, reason="there is no loader of skops files")
@pytest.mark.parametrize(
    "name", ["forest", "histogram boosting", "columns", "tf-idf", "stacking", "boosted values"]
)
def test_a_skops_file_is_explained_as_the_live_model(zoo, name, tmp_path):
    fitted, modality, live = zoo(name)
    pytest.importorskip("skops.io").dump(fitted, tmp_path / "model.skops")
    check(tmp_path / "model.skops", modality, live, 1e-9)


EXPORTED = ("logistic", "logistic of three", "forest", "boosting", "histogram boosting",
            "network", "scaled", "linear", "forest of values", "boosted values",
            "network of values")  # fmt: skip
FLOAT_ONLY = ("forest", "boosting", "histogram boosting", "forest of values", "boosted values")
FORMS = {  # type of numbers, rows in a batch, ZipMap
    "float": ("Float", None, False),
    "dictionaries": ("Float", None, True),
    "a batch of one": ("Float", 1, False),
    "a batch of seven": ("Float", 7, False),
    "double": ("Double", None, False),
    "double, a batch of seven": ("Double", 7, False),
}


def exported(fitted, path, form):
    """Write the model as ONNX, where skl2onnx can."""
    from skl2onnx import to_onnx
    from skl2onnx.common import data_types

    kind, batch, zipmap = FORMS[form]
    options = {id(fitted): {"zipmap": zipmap}} if hasattr(fitted, "classes_") else None
    given = getattr(data_types, f"{kind}TensorType")([batch, len(NAMES)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = to_onnx(
                fitted,
                initial_types=[("x", given)],
                options=options,
                target_opset={"": 17, "ai.onnx.ml": 3},
            )
        except (TypeError, ValueError) as error:
            pytest.skip(f"skl2onnx cannot export it: {error!s:.60}")
    path.write_bytes(graph.SerializeToString())


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (name, form)
        for name in EXPORTED
        for form, (kind, _, _) in FORMS.items()
        if kind == "Float" or name not in FLOAT_ONLY  # whose operators the runtime has in float
    ],
)
def test_an_onnx_export_is_explained_as_the_live_model(zoo, name, form, tmp_path):
    fitted, modality, live = zoo(name)
    exported(fitted, tmp_path / "model.onnx", form)
    check(tmp_path / "model.onnx", modality, live, 1e-4)
