"""One model, one answer: from every format it is saved in, whatever it learnt, however it is fed.

Truth is the library's own ``predict``. Tables have their columns in another order and the label
left in; names have blanks where a library takes them.
"""

from __future__ import annotations

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, linear_model, multioutput, neighbors, neural_network, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lime_cli
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.modality import TabularModality

try:
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
except ImportError:  # before scikit-learn 1.5 nothing moved thresholds
    FixedThresholdClassifier = TunedThresholdClassifierCV = None

RANDOM = np.random.default_rng(0)
N, SHOWN = 240, 12
FRAME = pd.DataFrame(
    {
        "age in years": RANDOM.integers(18, 80, N),
        "p class": RANDOM.choice([1, 2, 3], N),
        "port (town)": RANDOM.choice(["C", "Q", "S"], N),
        "fare/£": RANDOM.gamma(2, 20, N).round(2),
    }
)
AGE, CLASS, PORT, FARE = FRAME.columns
SIZE = 1.5 * (FRAME[CLASS] == 3) - 1.2 * (FRAME[PORT] == "C") + FRAME[AGE] / 40 - 1.5
SIZE = (SIZE + RANDOM.normal(0, 0.7, N)).to_numpy()
BANDS = np.digitize(SIZE, [-0.7, 0.7])

LABELS = {
    "two": (SIZE > 0).astype(int),
    "signed": np.where(SIZE > 0, 1, -1),
    "words": np.where(SIZE > 0, "yes", "no"),
    "three": BANDS,
    "three words": np.array(["low", "middle", "high"])[BANDS],
    "odd numbers": np.array([3, 5, 8])[BANDS],
    "number": 10 * SIZE,
    "count": RANDOM.poisson(np.exp(SIZE / 2)),
    "positive": np.exp(SIZE) + 0.1,
    "two numbers": np.c_[10 * SIZE, FRAME[FARE] / 10 - SIZE],
    "two labels": np.c_[SIZE > 0, FRAME[PORT] == "C"].astype(int),
}

CATEGORIES = {"none": [], "words": [PORT], "whole": [CLASS], "both": [CLASS, PORT]}


def columns_for(categories):
    return [name for name in FRAME if name != PORT or name in CATEGORIES[categories]]


def truth(model, rows):
    """Return what the library answers, (n, k), and the class that its ``predict`` names."""
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(rows)
        several = isinstance(found, list)
        values = np.stack([one[:, 1] for one in found], axis=1) if several else np.asarray(found)
    elif hasattr(model, "decision_function"):
        found = np.asarray(model.decision_function(rows))
        two = hasattr(model, "classes_") and found.ndim == 1
        values = np.c_[-found, found] if two else found.reshape(len(found), -1)
    else:
        values = np.asarray(model.predict(rows), float).reshape(len(rows), -1)
    named = np.asarray(model.predict(rows))
    classes = getattr(model, "classes_", ())  # of CatBoost's regressors none
    single = len(classes) > 0 and named.ravel().shape == (len(rows),)
    return values, [str(one) for one in named.ravel()] if single else None


def answered(path, table):
    """Return what limex makes of the first rows: outputs, and the class it would explain."""
    loaded = ModelFile(str(path)).load()
    modality = TabularModality(str(table), rows=f"0-{SHOWN - 1}", background=str(table))
    modality = modality.fitted(loaded.input._replace(takes=loaded.takes))
    instances = [modality.read(source) for source in modality.sources()]
    rows = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in instances]
    values = np.vstack([loaded.predict(one) for one in rows])
    decided, targets = loaded.named(instances), loaded.identity.targets
    return values, [decided.get(i, targets[one.argmax()]) for i, one in enumerate(values)]


def saved(folder, model, form):
    """Save a model in a format; skip where that cannot be."""
    path = folder / f"model.{form}"
    if form == "pkl":
        path.write_bytes(pickle.dumps(model))
    elif form == "joblib":
        joblib.dump(model, path, compress=1)
    elif form == "skops":
        pytest.importorskip("skops.io").dump(model, path)
    elif form == "txt":
        model.booster_.save_model(path)
    else:  # what a library calls its own
        model.save_model(str(path))
    return path


def check(folder, model, form, fitted_on, label, categories="none"):
    """Compare a model of a format with itself."""
    rows = FRAME[columns_for(categories)]
    left_in = label if label.ndim == 1 else label[:, 0]
    shuffled = rows[rows.columns[::-1]]
    shuffled.insert(1, "target", left_in)
    shuffled.to_csv(folder / "rows.csv", index=False)
    expected, named = truth(model, fitted_on)
    if form == "live":
        with pytest.warns(lime_cli.LimexWarning):
            found = lime_cli.explain(model, rows, rows=list(range(3)), samples=64)
        values = np.array([one.record["outputs"] for one in found])
        if named is not None:
            assert [one.target for one in found] == named[:3]
        return values, expected[:3]
    values, chosen = answered(saved(folder, model, form), folder / "rows.csv")
    if named is not None and form in ("pkl", "joblib", "skops"):
        assert chosen == named[:SHOWN]
    return values, expected[:SHOWN]


def fit(model, rows, label, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, label, **options)


LOOSE = {"abs": 1e-6, "rel": 1e-5}
"""What single precision loses."""

LIGHTGBM = {
    "two": ("LGBMClassifier", {}),
    "signed": ("LGBMClassifier", {}),
    "words": ("LGBMClassifier", {}),
    "three words": ("LGBMClassifier", {}),
    "three": ("LGBMClassifier", {"objective": "multiclassova"}),
    "number": ("LGBMRegressor", {}),
    "count": ("LGBMRegressor", {"objective": "poisson"}),
    "positive": ("LGBMRegressor", {"objective": "tweedie"}),
    "number ": ("LGBMRegressor", {"objective": "quantile", "alpha": 0.8}),
    "positive ": ("LGBMRegressor", {"objective": "gamma"}),
    "two ": ("LGBMRegressor", {"objective": "cross_entropy"}),
    "positive  ": ("LGBMRegressor", {"reg_sqrt": True}),
    "two  ": ("LGBMClassifier", {"boosting_type": "dart", "sigmoid": 2.0}),
}
"""By what is learnt: a blank tells two cases of one label apart."""

XGBOOST = {
    "two": ("XGBClassifier", {}),
    "three": ("XGBClassifier", {}),
    "three ": ("XGBClassifier", {"objective": "multi:softmax"}),
    "two labels": ("XGBClassifier", {}),
    "two ": ("XGBRFClassifier", {}),
    "two   ": ("XGBClassifier", {"objective": "binary:hinge"}),
    "number": ("XGBRegressor", {}),
    "count": ("XGBRegressor", {"objective": "count:poisson"}),
    "positive": ("XGBRegressor", {"objective": "reg:tweedie"}),
    "positive ": ("XGBRegressor", {"objective": "reg:gamma"}),
    "number ": ("XGBRegressor", {"objective": "reg:quantileerror", "quantile_alpha": 0.8}),
    "number  ": ("XGBRegressor", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}),
    "two numbers": ("XGBRegressor", {}),
    "two  ": ("XGBRegressor", {"objective": "reg:logistic"}),
    "three  ": ("XGBClassifier", {"booster": "dart", "rate_drop": 0.2}),
}

CATBOOST = {
    "two": ("CatBoostClassifier", {}),
    "signed": ("CatBoostClassifier", {}),
    "words": ("CatBoostClassifier", {}),
    "three words": ("CatBoostClassifier", {}),
    "odd numbers": ("CatBoostClassifier", {"loss_function": "MultiClassOneVsAll"}),
    "two labels": ("CatBoostClassifier", {"loss_function": "MultiLogloss"}),
    "number": ("CatBoostRegressor", {}),
    "count": ("CatBoostRegressor", {"loss_function": "Poisson"}),
    "positive": ("CatBoostRegressor", {"loss_function": "Tweedie:variance_power=1.5"}),
    "number ": ("CatBoostRegressor", {"loss_function": "Quantile:alpha=0.8"}),
    "number  ": ("CatBoostRegressor", {"loss_function": "MultiQuantile:alpha=0.1,0.9"}),
    "two numbers": ("CatBoostRegressor", {"loss_function": "MultiRMSE"}),
    "number   ": ("CatBoostRegressor", {"loss_function": "RMSEWithUncertainty"}),
    "positive ": ("CatBoostRegressor", {"loss_function": "LogLinQuantile:alpha=0.5"}),
}

BOOSTED = [
    *(("lightgbm", key, one, form) for key, one in LIGHTGBM.items() for form in ("pkl", "txt")),
    *(("xgboost", key, one, form) for key, one in XGBOOST.items() for form in ("pkl", "ubj")),
    *(("catboost", key, one, form) for key, one in CATBOOST.items() for form in ("pkl", "cbm")),
    *(("lightgbm", "three words", LIGHTGBM["three words"], one) for one in ("skops", "live")),
    *(("xgboost", "three", XGBOOST["three"], one) for one in ("joblib", "skops", "json", "live")),
    *(("catboost", "words", CATBOOST["words"], one) for one in ("joblib", "skops", "live")),
]


def boosted(library, name, options, label, categories):
    """Fit a booster, its categories as its library takes them; return it and its own rows."""
    package = pytest.importorskip(library, minversion="3.1" if library == "xgboost" else None)
    rows = FRAME[columns_for(categories)]
    chosen = CATEGORIES[categories]
    if library == "catboost":
        quiet = {"iterations": 12, "verbose": 0, "allow_writing_files": False}
        model = getattr(package, name)(**quiet, **options)
        return fit(model, rows, label, cat_features=chosen), rows
    rows = rows.astype(dict.fromkeys(chosen, "category"))
    quiet = {"verbose": -1, "min_child_samples": 5} if library == "lightgbm" else {"max_depth": 3}
    if library == "xgboost":
        quiet["enable_categorical"] = bool(chosen)
    return fit(getattr(package, name)(n_estimators=12, **quiet, **options), rows, label), rows


@pytest.mark.parametrize("categories", ["none", "both"])
@pytest.mark.parametrize(
    ("library", "key", "case", "form"), BOOSTED, ids=[f"{a}-{b}-{d}" for a, b, _, d in BOOSTED]
)
def test_boosters_answer_alike_in_every_format(tmp_path, library, key, case, form, categories):
    label = LABELS[key.strip()]
    model, rows = boosted(library, *case, label, categories)
    found, expected = check(tmp_path, model, form, rows, label, categories)
    assert found == pytest.approx(expected, **LOOSE)


@pytest.mark.parametrize("form", ["pkl", "native", "live"])
@pytest.mark.parametrize("categories", ["words", "whole"])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_boosters_are_given_their_categories(tmp_path, library, categories, form):
    own = {"lightgbm": "txt", "xgboost": "json", "catboost": "cbm"}[library]
    cases = {"lightgbm": LIGHTGBM, "xgboost": XGBOOST, "catboost": CATBOOST}[library]
    model, rows = boosted(library, *cases["two"], LABELS["two"], categories)
    form = own if form == "native" else form
    found, expected = check(tmp_path, model, form, rows, LABELS["two"], categories)
    assert found == pytest.approx(expected, **LOOSE)


STOPPED = [
    *((form, "none") for form in ("pkl", "native", "live")),
    *((form, "both") for form in ("pkl", "skops", "native", "live")),
]


@pytest.mark.parametrize(("form", "categories"), STOPPED)
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
def test_boosters_answer_as_they_stopped(tmp_path, library, form, categories):
    package = pytest.importorskip(library, minversion="3.1" if library == "xgboost" else None)
    rows, label = FRAME[columns_for(categories)], LABELS["two"]
    chosen = CATEGORIES[categories]
    if library != "catboost":
        rows = rows.astype(dict.fromkeys(chosen, "category"))
    noise = RANDOM.integers(0, 2, 80)
    parts = (rows[80:], label[80:]), (rows[:80], noise)
    if library == "lightgbm":
        stop = [package.early_stopping(3, verbose=False)]
        model = package.LGBMClassifier(n_estimators=60, verbose=-1)
        fit(model, *parts[0], eval_set=[parts[1]], callbacks=stop)
    elif library == "xgboost":
        options = {"enable_categorical": bool(chosen), "early_stopping_rounds": 3}
        model = package.XGBClassifier(n_estimators=60, **options)
        fit(model, *parts[0], eval_set=[parts[1]], verbose=0)
    else:
        quiet = {"verbose": 0, "allow_writing_files": False, "cat_features": chosen}
        model = package.CatBoostClassifier(iterations=60, **quiet)
        fit(model, *parts[0], eval_set=parts[1], early_stopping_rounds=3)
    form = {"lightgbm": "txt", "xgboost": "json", "catboost": "cbm"}.get(
        library if form == "native" else "", form
    )
    found, expected = check(tmp_path, model, form, rows, label, categories)
    assert found == pytest.approx(expected, **LOOSE)


ESTIMATORS = {
    "logistic": (linear_model.LogisticRegression, {"max_iter": 2000}, "two"),
    "logistic of signs": (linear_model.LogisticRegression, {"max_iter": 2000}, "signed"),
    "logistic of numbers": (linear_model.LogisticRegression, {"max_iter": 2000}, "odd numbers"),
    "forest": (ensemble.RandomForestClassifier, {"n_estimators": 6}, "three words"),
    "forest of two": (ensemble.RandomForestRegressor, {"n_estimators": 6}, "two numbers"),
    "forest of labels": (ensemble.RandomForestClassifier, {"n_estimators": 6}, "two labels"),
    "linear of two": (linear_model.LinearRegression, {}, "two numbers"),
    "poisson": (linear_model.PoissonRegressor, {"max_iter": 500}, "count"),
    "tweedie": (linear_model.TweedieRegressor, {"power": 1.5, "max_iter": 500}, "positive"),
    "gamma": (linear_model.GammaRegressor, {"max_iter": 500}, "positive"),
    "quantile": (
        linear_model.QuantileRegressor,
        {"quantile": 0.8, "alpha": 0.01, "solver": "highs"},
        "number",
    ),
    "boosted quantile": (
        ensemble.GradientBoostingRegressor,
        {"loss": "quantile", "alpha": 0.9, "n_estimators": 6},
        "number",
    ),
    "histogram poisson": (
        ensemble.HistGradientBoostingRegressor,
        {"loss": "poisson", "max_iter": 6},
        "count",
    ),
    "histogram that stops": (
        ensemble.HistGradientBoostingClassifier,
        {"max_iter": 40, "early_stopping": True, "random_state": 0},
        "three words",
    ),
    "vectors": (svm.SVC, {}, "words"),
    "vectors of three": (svm.SVC, {}, "three"),
    "other vectors": (svm.NuSVC, {"nu": 0.2}, "signed"),
    "linear vectors": (svm.LinearSVC, {}, "signed"),
    "neighbours": (neighbors.KNeighborsClassifier, {}, "odd numbers"),
    "network": (neural_network.MLPClassifier, {"hidden_layer_sizes": (4,)}, "three"),
    "network of two": (neural_network.MLPRegressor, {"hidden_layer_sizes": (4,)}, "two numbers"),
    "network of labels": (neural_network.MLPClassifier, {"hidden_layer_sizes": (4,)}, "two labels"),
    "anomalies": (ensemble.IsolationForest, {"n_estimators": 6, "random_state": 0}, "two"),
}

WRAPPED = {
    "calibrated": (lambda: CalibratedClassifierCV(svm.LinearSVC(), cv=2), "words"),
    "many classifiers": (
        lambda: multioutput.MultiOutputClassifier(linear_model.LogisticRegression()),
        "two labels",
    ),
    "many regressors": (
        lambda: multioutput.MultiOutputRegressor(linear_model.Ridge()),
        "two numbers",
    ),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
        "three words",
    ),
    "threshold": (
        lambda: FixedThresholdClassifier(
            linear_model.LogisticRegression(), threshold=0.8, pos_label="yes"
        ),
        "words",
    ),
    "tuned": (
        lambda: TunedThresholdClassifierCV(linear_model.LogisticRegression(), cv=2),
        "signed",
    ),
}


@pytest.mark.parametrize("form", ["pkl", "joblib", "skops", "live"])
@pytest.mark.parametrize("name", [*ESTIMATORS, *WRAPPED])
def test_estimators_answer_alike_in_every_format(tmp_path, name, form):
    if name in WRAPPED:
        if name in ("threshold", "tuned") and FixedThresholdClassifier is None:
            pytest.skip("an older scikit-learn moves no thresholds")
        make, label = WRAPPED[name]
        model = make()
    else:
        kind, options, label = ESTIMATORS[name]
        model = kind(**options)
    rows, label = FRAME[columns_for("none")], LABELS[label]
    fit(model, rows, label)
    found, expected = check(tmp_path, model, form, rows, label)
    assert found == pytest.approx(expected, abs=1e-9)


ZIPMAPS = {"dictionaries": {}, "one array": {"zipmap": False}, "columns": {"zipmap": "columns"}}

GRAPHS = {
    "logistic": (linear_model.LogisticRegression, {}, "signed"),
    "forest": (ensemble.RandomForestClassifier, {"n_estimators": 5}, "three words"),
    "boosted": (ensemble.GradientBoostingClassifier, {"n_estimators": 4}, "odd numbers"),
    "linear of two": (linear_model.LinearRegression, {}, "two numbers"),
    "forest of two": (ensemble.RandomForestRegressor, {"n_estimators": 5}, "two numbers"),
    "network of two": (
        neural_network.MLPRegressor,
        {"hidden_layer_sizes": (4,), "max_iter": 40},
        "two numbers",
    ),
    "poisson": (linear_model.PoissonRegressor, {}, "count"),
    "anomalies": (ensemble.IsolationForest, {"n_estimators": 5, "random_state": 0}, "two"),
    "vectors": (svm.SVC, {}, "words"),
    "vectors of three": (svm.SVC, {}, "three words"),
    "other vectors": (svm.NuSVC, {"nu": 0.2}, "signed"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipmap", list(ZIPMAPS))
@pytest.mark.parametrize("name", list(GRAPHS))
def test_onnx_graphs_answer_as_the_estimators_they_were_made_of(tmp_path, name, zipmap):
    skl2onnx = pytest.importorskip("skl2onnx")
    kind, options, label = GRAPHS[name]
    classifies = hasattr(kind, "predict_proba")
    if zipmap != "dictionaries" and not classifies:
        pytest.skip("no classes, no map of them")
    rows = FRAME[[AGE, CLASS, FARE]].to_numpy(np.float32)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    model = fit(kind(**options), rows, LABELS[label])
    chosen = ZIPMAPS[zipmap] if classifies else None
    opset = {"": 15, "ai.onnx.ml": 3}
    try:
        graph = skl2onnx.to_onnx(model, rows[:1], options=chosen, target_opset=opset)
    except Exception as error:  # a converter and a scikit-learn that do not fit each other
        pytest.skip(f"skl2onnx does not convert it here ({type(error).__name__})")
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    pd.DataFrame(rows, columns=list("abc")).to_csv(tmp_path / "rows.csv", index=False)
    found, chosen = answered(tmp_path / "model.onnx", tmp_path / "rows.csv")
    expected, named = truth(model, rows[:SHOWN])
    assert found == pytest.approx(expected, abs=2e-3 if "vectors" in name else 1e-4, rel=1e-4)
    assert named is None or chosen == named


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("label", ["two", "three", "number"])
def test_onnx_graphs_of_boosters_answer_as_they_do(tmp_path, library, label):
    package = pytest.importorskip(library)
    rows = FRAME[[AGE, CLASS, FARE]].to_numpy(np.float32)
    suffix = "Regressor" if label == "number" else "Classifier"
    path = tmp_path / "model.onnx"
    if library == "catboost":
        quiet = {"iterations": 6, "verbose": 0, "allow_writing_files": False}
        model = getattr(package, f"CatBoost{suffix}")(**quiet).fit(rows, LABELS[label])
        model.save_model(str(path), format="onnx")
    else:
        tools = pytest.importorskip("onnxmltools")
        types = pytest.importorskip("onnxmltools.convert.common.data_types")
        kind = {"lightgbm": "LGBM", "xgboost": "XGB"}[library]
        quiet = {"verbose": -1} if library == "lightgbm" else {}
        model = getattr(package, f"{kind}{suffix}")(n_estimators=6, **quiet)
        fit(model, rows, LABELS[label])
        shape = [("input", types.FloatTensorType([None, 3]))]
        convert = getattr(tools, f"convert_{library}")
        graph = convert(model, initial_types=shape, target_opset=15)
        path.write_bytes(graph.SerializeToString())
    pd.DataFrame(rows, columns=list("abc")).to_csv(tmp_path / "rows.csv", index=False)
    found, _ = answered(path, tmp_path / "rows.csv")
    expected, _ = truth(model, rows[:SHOWN])
    assert found == pytest.approx(expected, abs=1e-4, rel=1e-4)
