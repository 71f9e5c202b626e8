"""What a model was fitted on, and that it is fed so: categories, names, links, rounds."""

import pickle
import types

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import lime_cli
from lime_cli.models.fitted import fitted
from lime_cli.models.model_file import ModelFile
from lime_cli.models.sklearn import limit_threads
from lime_cli.models.walking import objects
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
N = 400
FRAME = pd.DataFrame(
    {
        "age": RANDOM.integers(18, 80, N),
        "pclass": RANDOM.choice([1, 2, 3], N),
        "port": RANDOM.choice(["C", "Q", "S"], N),
    }
)
LABELS = ((FRAME.pclass == 3) ^ (FRAME.port == "C") ^ (RANDOM.random(N) < 0.1)).astype(int)
QUIET = {"verbose": 0, "allow_writing_files": False}

CATEGORIES = {
    "whole": {"pclass": "category"},
    "words": {"port": "category"},
    "both": {"pclass": "category", "port": "category"},
}


def table(frame, n=30):
    columns = [frame[name].to_numpy()[:n] for name in frame]
    return Table(
        tuple(frame),
        tuple(one if one.dtype.kind in "if" else one.astype(object) for one in columns),
    )


def predicted(path, frame, **options):
    return ModelFile(str(path), **options).load().predict(table(frame))


def pickled(folder, model):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return path


def explained(path, table):
    with pytest.warns(lime_cli.LimexWarning):
        return lime_cli.explain(str(path), str(table), row=3, samples=64)


def boosters():
    yield "lightgbm", {"n_estimators": 8, "verbose": -1}, "LGBMClassifier"
    yield "xgboost", {"n_estimators": 8, "enable_categorical": True}, "XGBClassifier"


@pytest.mark.parametrize("kinds", list(CATEGORIES.values()), ids=list(CATEGORIES))
@pytest.mark.parametrize(
    ("library", "options", "name"), list(boosters()), ids=["lightgbm", "xgboost"]
)
@pytest.mark.parametrize("form", ["pickle", "native"])
def test_categories_reach_a_booster_as_its_own(tmp_path, kinds, library, options, name, form):
    package = pytest.importorskip(library, minversion="3.1" if library == "xgboost" else None)
    used = FRAME[["age", *kinds]]
    model = getattr(package, name)(**options).fit(used.astype(kinds), LABELS)
    path = pickled(tmp_path, model)
    if form == "native" and library == "lightgbm":
        path = tmp_path / "model.txt"
        model.booster_.save_model(path)
    elif form == "native":
        path = tmp_path / "model.json"
        model.save_model(path)
    expected = model.predict_proba(used.astype(kinds))[:30]
    assert predicted(path, used) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("holder", ["pipeline", "search", "calibrated"])
def test_categories_reach_a_booster_that_another_model_holds(tmp_path, holder):
    lightgbm = pytest.importorskip("lightgbm")
    inner = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1)
    model = {
        "pipeline": lambda: make_pipeline(inner),
        "search": lambda: GridSearchCV(inner, {"num_leaves": [4, 8]}, cv=2),
        "calibrated": lambda: CalibratedClassifierCV(inner, cv=2),
    }[holder]()
    typed = FRAME.astype(CATEGORIES["both"])
    model.fit(typed, LABELS)
    found = predicted(pickled(tmp_path, model), FRAME)
    assert found == pytest.approx(model.predict_proba(typed)[:30])


@pytest.mark.parametrize("gaps", [False, True])
def test_gaps_of_a_category_stay_gaps(tmp_path, gaps):
    lightgbm = pytest.importorskip("lightgbm")
    frame = FRAME.assign(pclass=FRAME.pclass.astype(float).where(~(gaps & (FRAME.age < 30))))
    typed = frame.astype(CATEGORIES["both"])
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(typed, LABELS)
    found = predicted(pickled(tmp_path, model), frame)
    assert found == pytest.approx(model.predict_proba(typed)[:30])


@pytest.mark.parametrize("kinds", list(CATEGORIES.values()), ids=list(CATEGORIES))
def test_histogram_trees_get_their_categories(tmp_path, kinds):
    typed = FRAME[["age", *kinds]].astype(kinds)
    try:
        model = HistGradientBoostingClassifier(max_iter=8).fit(typed, LABELS)
    except ValueError:
        pytest.skip("an older scikit-learn's takes no words")
    found = predicted(pickled(tmp_path, model), FRAME[["age", *kinds]])
    assert found == pytest.approx(model.predict_proba(typed)[:30])


def test_a_booster_of_numbers_that_are_categories_of_an_array_gets_numbers(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    rows = FRAME[["age", "pclass"]].to_numpy()
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1)
    model.fit(rows, LABELS, categorical_feature=[1])
    path = pickled(tmp_path, model)
    assert predicted(path, FRAME[["age", "pclass"]]) == pytest.approx(
        model.predict_proba(rows)[:30]
    )
    assert ModelFile(str(path)).load().input.columns is None


@pytest.mark.parametrize("native", [False, True], ids=["pickle", "cbm"])
@pytest.mark.parametrize(
    "loss", ["RMSE", "Poisson", "Tweedie:variance_power=1.5", "Quantile:alpha=0.8", "MAE"]
)
def test_catboost_answers_as_its_own_predict(tmp_path, native, loss):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostRegressor(iterations=8, loss_function=loss, **QUIET)
    model.fit(FRAME, LABELS + 1, cat_features=["port"])
    path = pickled(tmp_path, model)
    if native:
        path = tmp_path / "model.cbm"
        model.save_model(str(path))
    assert predicted(path, FRAME)[:, 0] == pytest.approx(model.predict(FRAME)[:30])
    assert ModelFile(str(path)).load().input.columns == tuple(FRAME)


@pytest.mark.parametrize("labels", ["two", "words", "three", "several"])
def test_a_pickled_catboost_classifier_tells_its_columns_and_classes(tmp_path, labels):
    catboost = pytest.importorskip("catboost")
    y = {
        "two": LABELS,
        "words": np.array(["no", "yes"])[LABELS],
        "three": FRAME.pclass,
        "several": np.stack([LABELS, FRAME.pclass == 1], axis=1).astype(int),
    }[labels]
    loss = {"loss_function": "MultiLogloss"} if labels == "several" else {}
    model = catboost.CatBoostClassifier(iterations=4, cat_features=["port"], **loss, **QUIET)
    model.fit(FRAME, y)
    loaded = ModelFile(str(pickled(tmp_path, model))).load()
    assert loaded.input.columns == tuple(FRAME)
    assert loaded.predict(table(FRAME)) == pytest.approx(model.predict_proba(FRAME)[:30])


@pytest.mark.parametrize("suffix", ["pkl", "json", "ubj"])
@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor"])
def test_early_stopping_is_heeded_as_the_estimator_does(tmp_path, suffix, kind):
    xgboost = pytest.importorskip("xgboost")
    used = FRAME[["age", "pclass"]]
    model = getattr(xgboost, kind)(n_estimators=40, early_stopping_rounds=5)
    other = RANDOM.integers(0, 2, N)
    model.fit(used, LABELS, eval_set=[(used, other)], verbose=0)
    path = pickled(tmp_path, model)
    if suffix != "pkl":
        path = tmp_path / f"model.{suffix}"
        model.save_model(path)
    classified = kind == "XGBClassifier"
    expected = model.predict_proba(used) if classified else model.predict(used)[:, None]
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert predicted(path, used) == pytest.approx(expected[:30], abs=1e-6)


@pytest.mark.parametrize("suffix", ["pkl", "json", "ubj"])
@pytest.mark.parametrize("kept", ["all", "best"])
def test_a_booster_that_stopped_early_answers_as_its_own_predict(tmp_path, suffix, kept):
    xgboost = pytest.importorskip("xgboost")
    used = FRAME[["age", "pclass"]]
    matrix = xgboost.DMatrix(used, LABELS)
    other = xgboost.DMatrix(used, RANDOM.integers(0, 2, N))
    said = {"evals": [(other, "v")], "early_stopping_rounds": 5, "verbose_eval": False}
    model = xgboost.train({"objective": "reg:squarederror"}, matrix, 40, **said)
    assert model.best_iteration + 1 < model.num_boosted_rounds()
    model = model if kept == "all" else model[: model.best_iteration + 1]
    path = pickled(tmp_path, model)
    if suffix != "pkl":
        path = tmp_path / f"model.{suffix}"
        model.save_model(path)
    assert predicted(path, used)[:, 0] == pytest.approx(model.predict(matrix)[:30], abs=1e-6)
    codes = [one.code for one in ModelFile(str(path)).load().warnings]
    assert codes.count("all_rounds") == (kept == "all")


@pytest.mark.parametrize("kind", ["CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"])
def test_a_pickled_catboost_needs_no_trust(tmp_path, kind):
    catboost = pytest.importorskip("catboost")
    model = getattr(catboost, kind)(iterations=4, cat_features=["port"], **QUIET)
    groups = {"group_id": np.arange(N) // 20} if kind == "CatBoostRanker" else {}
    model.fit(FRAME, LABELS, **groups)
    path = pickled(tmp_path, {"model": model, "columns": list(FRAME)})
    loaded = ModelFile(str(path), key="model").load()
    predict = model.predict_proba if kind == "CatBoostClassifier" else model.predict
    found = loaded.predict(table(FRAME))
    assert np.squeeze(found) == pytest.approx(predict(FRAME)[:30])


def test_a_model_that_is_written_anew_is_loaded_anew(tmp_path):
    used = FRAME[["age", "pclass"]]
    used.to_csv(tmp_path / "d.csv", index=False)
    for shift in (0, 7):
        model = LinearRegression().fit(used, used.age + shift)
        path = pickled(tmp_path, model)
        found = explained(path, tmp_path / "d.csv")
        assert found.record["outputs"] == pytest.approx(model.predict(used[3:4]))


@pytest.mark.parametrize("step", ["plain", "filled", "known"])
def test_gaps_that_an_encoder_does_not_know_are_told(tmp_path, step):
    frame = FRAME[["age", "port"]].assign(port=FRAME.port.where(FRAME.age > 30))
    frame.to_csv(tmp_path / "d.csv", index=False)
    fitted_on = frame if step != "plain" else frame.fillna("no port")
    encoder = OneHotEncoder(handle_unknown="ignore")
    if step == "filled":
        encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    parts = make_column_transformer((encoder, ["port"]), remainder="passthrough")
    model = make_pipeline(parts, LogisticRegression()).fit(fitted_on, LABELS)
    path = pickled(tmp_path, model)
    said = dict(explained(path, tmp_path / "d.csv").coded_warnings)
    assert ("unknown_category" in said) == (step == "plain")
    assert step != "plain" or "port a missing value (" in said["unknown_category"]


STATISTICS = {
    "logit": lambda sm, X, y: sm.Logit(y, sm.add_constant(X)).fit(disp=0),
    "without a constant": lambda sm, X, y: sm.OLS(y, X).fit(),
    "a constant at the end": lambda sm, X, y: sm.OLS(y, sm.add_constant(X, prepend=False)).fit(),
    "counts": lambda sm, X, y: sm.GLM(y, sm.add_constant(X), family=sm.families.Poisson()).fit(),
    "a formula": lambda sm, X, y: sm.OLS.from_formula(
        "y ~ age * np.log(pclass) + C(port)", FRAME.assign(y=y)
    ).fit(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(STATISTICS))
def test_results_of_statsmodels_get_the_columns_they_were_fitted_on(tmp_path, name):
    sm = pytest.importorskip("statsmodels.api")
    used = FRAME[["age", "pclass"]].astype(float)
    results = STATISTICS[name](sm, used, LABELS)
    results.save(tmp_path / "m.pkl")
    FRAME[["port", "pclass", "age"]].assign(id=1).to_csv(tmp_path / "d.csv", index=False)
    found = lime_cli.explain(
        str(tmp_path / "m.pkl"), str(tmp_path / "d.csv"), row=3, samples=64, trust=True
    )
    assert found.record["outputs"] == pytest.approx([np.asarray(results.predict())[3]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["logit", "without a constant", "a constant at the end"])
def test_results_of_statsmodels_that_lost_their_data_take_columns_by_place(tmp_path, name):
    sm = pytest.importorskip("statsmodels.api")
    used = FRAME[["age", "pclass"]].astype(float)
    results = STATISTICS[name](sm, used, LABELS)
    expected = np.asarray(results.predict())[3]
    results.save(tmp_path / "m.pkl", remove_data=True)
    found = lime_cli.explain(str(tmp_path / "m.pkl"), used, row=3, samples=64, trust=True)
    assert found.record["outputs"] == pytest.approx([expected])


ORDERED = pd.Series(
    pd.Categorical(RANDOM.choice(["S", "M", "L"], N), ["S", "M", "L"], ordered=True)
)


@pytest.mark.parametrize("others", [["age"], ["age", "port"], ["port", "pclass"]])
def test_ordered_categories_reach_lightgbm_as_its_own(tmp_path, others):
    lightgbm = pytest.importorskip("lightgbm")
    typed = FRAME[others].assign(size=ORDERED)
    typed = typed.astype({one: "category" for one in others if one != "age"})
    label = ((ORDERED == "M") ^ (RANDOM.random(N) < 0.2)).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1).fit(typed, label)
    found = predicted(pickled(tmp_path, model), FRAME[others].assign(size=ORDERED.astype(object)))
    assert found == pytest.approx(model.predict_proba(typed)[:30])


@pytest.mark.parametrize("column", ["pclass", "port"])
def test_gaps_among_the_categories_of_histogram_trees_stay_gaps(tmp_path, column):
    frame = FRAME.assign(**{column: FRAME[column].astype(object).where(FRAME.age > 30)})
    frame = frame.assign(pclass=frame.pclass.astype(float))
    typed = frame.astype({column: "category"}).drop(columns="port" if column == "pclass" else [])
    if column == "port":
        typed = typed.drop(columns="pclass")
    try:
        model = HistGradientBoostingClassifier(max_iter=8).fit(typed, LABELS)
    except ValueError:
        pytest.skip("an older scikit-learn's takes no words")
    found = predicted(pickled(tmp_path, model), frame[list(typed)])
    assert found == pytest.approx(model.predict_proba(typed)[:30])


def far(path, frame):
    """Return the warning of a table that is on another scale than the model's."""
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(str(path), frame, row=0, samples=64)
    return dict(found.coded_warnings).get("other_scale", "")


RAW = pd.DataFrame(
    {
        "glucose": RANDOM.normal(120, 30, N).round(),
        "age": RANDOM.integers(21, 80, N),
        "visits": RANDOM.integers(0, 2, N),
    }
)
SICK = ((RAW.glucose > 125) ^ (RANDOM.random(N) < 0.1)).astype(int)
KEEPING = {
    "tree": DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": RandomForestClassifier(5, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=5),
    "isolated": IsolationForest(n_estimators=10, random_state=0),
    "vectors": SVC(),
    "neighbours": KNeighborsClassifier(),
    "clusters": KMeans(2, n_init=1, random_state=0),
    "lightgbm": ("lightgbm", "LGBMClassifier", {"n_estimators": 5, "verbose": -1}),
    "xgboost": ("xgboost", "XGBClassifier", {"n_estimators": 5}),
    "many rounds": ("xgboost", "XGBClassifier", {"n_estimators": 30}),
}


@pytest.mark.parametrize("name", list(KEEPING))
def test_a_table_on_another_scale_than_the_model_s_is_told(tmp_path, name):
    model = KEEPING[name]
    if isinstance(model, tuple):
        library, kind, options = model
        model = getattr(pytest.importorskip(library), kind)(**options)
    scaler = StandardScaler().fit(RAW)
    model.fit(scaler.transform(RAW), SICK)
    words = far(pickled(tmp_path, model), RAW)
    assert "glucose" in words
    assert "pipeline" in words
    assert not far(pickled(tmp_path, model), pd.DataFrame(scaler.transform(RAW)))
    assert not far(pickled(tmp_path, model.fit(RAW, SICK)), RAW)
    if name != "clusters":
        behind = make_pipeline(StandardScaler(), model).fit(RAW, SICK)
        assert not far(pickled(tmp_path, behind), RAW)


SPLITTING = ["tree", "forest", "boosted", "isolated", "lightgbm", "xgboost"]


@pytest.mark.parametrize("name", SPLITTING)
def test_splits_that_a_column_from_zero_up_cannot_have_are_told(tmp_path, name):
    frame = pd.DataFrame({"fare": RANDOM.gamma(1.0, 30.0, N), "age": RANDOM.uniform(0.4, 80, N)})
    old = ((frame.age > 40) ^ (frame.fare > 20)).astype(int)
    model = KEEPING[name]
    if isinstance(model, tuple):
        library, kind, options = model
        model = getattr(pytest.importorskip(library), kind)(**options)
    scaled = pd.DataFrame(StandardScaler().fit_transform(frame), columns=frame.columns)
    assert "age" in far(pickled(tmp_path, model.fit(scaled, old)), frame)
    path = pickled(tmp_path, model.fit(frame, old))
    assert not far(path, frame)
    for part in (frame.age > 40, frame.age < 30, frame.fare > 60):
        assert not far(path, frame[part].reset_index(drop=True))


def test_a_column_of_mostly_zeros_is_not_far_from_its_splits(tmp_path):
    gain = np.where(RANDOM.random(N) < 0.1, RANDOM.integers(5_000, 9_000, N), 0)
    frame = pd.DataFrame({"gain": gain, "age": RAW.age})
    model = DecisionTreeClassifier(max_depth=2).fit(frame, gain > 6_000)
    assert not far(pickled(tmp_path, model), frame)


def test_categories_of_short_numbers_reach_xgboost_as_its_own(tmp_path):
    xgboost = pytest.importorskip("xgboost", minversion="3.1")
    for kind in (np.int8, np.int32, np.int64):
        frame = FRAME[["age"]].assign(pclass=FRAME.pclass.astype(kind).astype("category"))
        model = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True).fit(frame, LABELS)
        found = predicted(pickled(tmp_path, model), FRAME[["age", "pclass"]])
        assert found == pytest.approx(model.predict_proba(frame)[:30], abs=1e-6)


@pytest.mark.parametrize("native", [False, True])
def test_the_threshold_of_catboost_decides_which_class_is_predicted(tmp_path, native):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=5, **QUIET)
    model.fit(RAW, np.where(SICK, "yes", "no"))
    model.set_probability_threshold(0.2)
    path = tmp_path / "m.cbm"
    model.save_model(path) if native else path.write_bytes(pickle.dumps(model))
    if not native:
        path = path.rename(tmp_path / "m.pkl")
    with pytest.warns(lime_cli.LimexWarning):
        found = lime_cli.explain(str(path), RAW, rows=["0-30"], samples=64)
    assert [one.target for one in found] == model.predict(RAW[:31]).ravel().tolist()


GAPLESS = {
    "tree": ("sklearn.tree", "DecisionTreeClassifier", {"random_state": 0}),
    "forest": ("sklearn.ensemble", "RandomForestClassifier", {"n_estimators": 8}),
    "regression": ("sklearn.ensemble", "RandomForestRegressor", {"n_estimators": 8}),
    "histogram": ("sklearn.ensemble", "HistGradientBoostingClassifier", {"max_iter": 9}),
    "lightgbm": ("lightgbm", "LGBMClassifier", {"n_estimators": 9, "verbose": -1}),
    "xgboost": ("xgboost", "XGBClassifier", {"n_estimators": 9}),
    "catboost": ("catboost", "CatBoostClassifier", {"iterations": 9, **QUIET}),
}


@pytest.mark.parametrize("filled", [False, True], ids=["met", "filled"])
@pytest.mark.parametrize("kind", list(GAPLESS))
def test_missing_values_that_a_model_never_met_are_told(tmp_path, kind, filled):
    module, name, options = GAPLESS[kind]
    if name.startswith("RandomForest"):
        pytest.importorskip("sklearn", minversion="1.4")
    elif kind == "tree":
        pytest.importorskip("sklearn", minversion="1.3")
    model = getattr(pytest.importorskip(module), name)(**options)
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(draw.normal(size=(N, 2)), columns=["a", "b"])
    frame["a"] = frame["a"].mask(draw.random(N) < 0.2)
    label = (frame["a"].fillna(1) * 2 + frame["b"] > 0.3) ^ (draw.random(N) < 0.2)
    owned = frame.fillna({"a": frame["a"].median()}) if filled else frame
    path = pickled(tmp_path, model.fit(owned, label.astype(int)))
    frame.assign(y=1).to_csv(tmp_path / "d.csv", index=False)
    found = explained(path, tmp_path / "d.csv")
    codes = [one["code"] for one in found.record["warnings"]]
    assert ("gaps_unseen" in codes) == filled


def test_what_a_model_of_a_changed_target_was_fitted_on_is_that_of_the_model_inside():
    zips = np.array(["01067", "04109", "80331"], object)[FRAME.pclass - 1]
    frame = FRAME[["age"]].assign(zip=zips)
    inside = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["zip"]), remainder="passthrough"),
        LinearRegression(),
    )
    model = TransformedTargetRegressor(inside, func=np.log1p, inverse_func=np.expm1)
    told = fitted(model.fit(frame, FRAME.age + 3 * FRAME.pclass))
    assert told.columns == ("age", "zip")
    assert told.words == (1,)
    assert told.known[1].values == ("01067", "04109", "80331")


def test_a_module_that_a_model_holds_is_no_part_of_it():
    module = types.ModuleType("settings")
    module.n_jobs, module.inside = 3, LinearRegression()
    model = LinearRegression()
    model.namespace = {"np": np, "settings": module}
    assert module.inside not in list(objects(model))
    limit_threads(model, 1)
    assert module.n_jobs == 3
