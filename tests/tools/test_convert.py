"""limex convert: an ONNX model that predicts what the original predicts, or none."""

import json
from pathlib import Path

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxmltools")

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(150, 4)).round(3), columns=["a b", "c", "d", "e"])
MIXED = NUMBERS.assign(
    city=RANDOM.choice(["Oslo", "Bergen", "NA"], 150), owner=RANDOM.random(150) < 0.5
)
MIXED.loc[::7, "c"] = np.nan
GAPS = NUMBERS + RANDOM.normal(size=NUMBERS.shape) / 7.0  # no two rows are equally near
GAPS = GAPS.where(RANDOM.random(GAPS.shape) > 0.05)
CLASSES = np.where(NUMBERS["c"] + NUMBERS["d"] > 0, "high", "low")
TEXTS = ["a wonderful film", "a boring film", "wonderful acting", "boring and long"] * 10


def mixed_pipeline():
    columns = make_column_transformer(
        (SimpleImputer(), ["a b", "c", "d", "e"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["city"]),
        ("passthrough", ["owner"]),
    )
    return make_pipeline(columns, LogisticRegression()).fit(read_as_pandas(MIXED), CLASSES)


def read_as_pandas(frame):
    return frame.assign(city=frame["city"].replace("NA", np.nan))


def of_xgboost():
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=10).fit(NUMBERS, (CLASSES == "high").astype(int))


def of_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(NUMBERS, CLASSES)


def of_catboost():
    catboost = pytest.importorskip("catboost")
    return catboost.CatBoostClassifier(10, verbose=0, allow_writing_files=False).fit(
        NUMBERS, CLASSES
    )


def boosted_pipeline():
    xgboost = pytest.importorskip("xgboost")
    model = make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=10))
    return model.fit(NUMBERS, NUMBERS["c"] * 3)


MODELS = {
    "forest": (lambda: RandomForestClassifier(20, random_state=0).fit(NUMBERS, CLASSES), NUMBERS),
    "histogram": (lambda: HistGradientBoostingClassifier().fit(NUMBERS, CLASSES), NUMBERS),
    "bayes": (lambda: GaussianNB().fit(NUMBERS, CLASSES), NUMBERS),
    "gradient": (lambda: GradientBoostingRegressor().fit(NUMBERS, NUMBERS["c"]), NUMBERS),
    "scaled": (
        lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, CLASSES),
        NUMBERS,
    ),
    "mixed": (mixed_pipeline, MIXED),
    "gaps filled by neighbours": (
        lambda: make_pipeline(KNNImputer(n_neighbors=3), LogisticRegression()).fit(GAPS, CLASSES),
        GAPS,
    ),
    "the nearer the heavier, and marked": (
        lambda: make_pipeline(
            KNNImputer(weights="distance", add_indicator=True), LinearRegression()
        ).fit(GAPS, NUMBERS["c"]),
        GAPS,
    ),
    "xgboost": (of_xgboost, NUMBERS),
    "lightgbm": (of_lightgbm, NUMBERS),
    "catboost": (of_catboost, NUMBERS),
    "boosted pipeline": (boosted_pipeline, NUMBERS),
}


def saved(folder, model, frame, name="m.joblib"):
    joblib.dump(model, folder / name)
    frame.to_csv(folder / "t.csv", index=False)
    return folder / name, folder / "t.csv", folder / "m.onnx"


def predictions(model, frame):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(frame)
    return np.reshape(model.predict(frame), (-1, 1))


@pytest.mark.parametrize("name", MODELS)
def test_convert_writes_a_graph_that_predicts_what_the_original_predicts(name, tmp_path, limex):
    make, frame = MODELS[name]
    model = make()
    path, table, output = saved(tmp_path, model, frame)
    done = limex("convert", path, table, "-o", output, "-f", "json", "-q")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["rows"] == 150
    assert 0 <= said["largest_share"] <= said["tolerance"] == 1e-4
    session = onnxruntime.InferenceSession(output.read_bytes())
    expected = predictions(model, read_as_pandas(frame) if "city" in frame else frame)
    explained = [
        json.loads(line)
        for line in limex(
            "explain", "tabular", output, table, "--row", "0,5,7", "-f", "jsonl", "--samples", "64"
        ).out.splitlines()
    ]
    for row, one in zip((0, 5, 7), explained, strict=True):
        assert one["model"]["format"] == "onnx"
        largest = max(1.0, float(np.abs(expected).max()))
        assert one["outputs"] == pytest.approx(expected[row].tolist(), abs=2e-5 * largest)
    if hasattr(model, "classes_"):
        assert one["model"]["targets"] == [str(each) for each in model.classes_]
    assert session.get_modelmeta().custom_metadata_map or len(session.get_inputs()) > 1


def ledger(n, seed):
    """Return a table of gaps, whole numbers, amounts and words."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": random.integers(18, 90, n).astype(float),
            "income": random.lognormal(10, 1, n).round(2),
            "rate": random.integers(0, 40, n) / 10,
            "city": random.choice(list("ABCDEF"), n, p=[0.3, 0.3, 0.2, 0.1, 0.06, 0.04]),
            "job": random.choice(["clerk", "cook", "pilot"], n),
        }
    )
    for name in ("income", "rate", "job"):
        table.loc[random.random(n) < 0.1, name] = np.nan
    return table


LEDGER = ledger(400, 0)
GRANTED = np.where(
    LEDGER["age"] / 90
    + LEDGER["income"].fillna(2e4) / 6e4
    + (LEDGER["city"] == "A")
    + LEDGER["rate"].fillna(2) / 4
    > 2,
    "yes",
    "no",
)


def of_ledger(model, *steps, hot=None, fill=True):
    """Return a fitted pipeline: gaps filled, numbers through the steps, words encoded."""
    encoder = OneHotEncoder(handle_unknown="ignore") if hot is None else hot
    gaps = [SimpleImputer(strategy="median")] * fill
    columns = make_column_transformer(
        (make_pipeline(*gaps, *steps), ["age", "income", "rate"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), ["city", "job"]),
    )
    aim = LEDGER["age"] * 2 if "Regressor" in type(model).__name__ else GRANTED
    return make_pipeline(columns, model).fit(LEDGER, aim)


def forest():
    return RandomForestClassifier(20, random_state=0)


def boosting():
    return GradientBoostingClassifier(n_estimators=20, random_state=0)


def histogram():
    return HistGradientBoostingClassifier(max_iter=20)


LEDGERS = {
    "scaled forest": lambda: of_ledger(forest(), StandardScaler()),
    "scaled boosting": lambda: of_ledger(boosting(), StandardScaler()),
    "scaled histogram": lambda: of_ledger(histogram(), StandardScaler()),
    "squeezed forest": lambda: of_ledger(forest(), MinMaxScaler()),
    "robust histogram": lambda: of_ledger(histogram(), RobustScaler()),
    "robust regression": lambda: of_ledger(HistGradientBoostingRegressor(), RobustScaler()),
    "ranked extra trees": lambda: of_ledger(
        ExtraTreesClassifier(20, random_state=0), QuantileTransformer(n_quantiles=40)
    ),
    "logarithms": lambda: of_ledger(forest(), FunctionTransformer(np.log1p)),
    "bins": lambda: of_ledger(boosting(), KBinsDiscretizer(4)),
    "gaps that are marked": lambda: of_ledger(
        boosting(), SimpleImputer(add_indicator=True), StandardScaler(), fill=False
    ),
    "gaps down the branches": lambda: of_ledger(forest(), StandardScaler(), fill=False),
    "gaps in a histogram": lambda: of_ledger(histogram(), StandardScaler(), fill=False),
    "infrequent categories": lambda: of_ledger(
        boosting(),
        StandardScaler(),
        hot=OneHotEncoder(min_frequency=50, handle_unknown="infrequent_if_exist"),
    ),
    "few categories": lambda: of_ledger(
        LogisticRegression(), StandardScaler(), hot=OneHotEncoder(max_categories=3)
    ),
    "ordinals": lambda: of_ledger(forest(), StandardScaler(), hot=OrdinalEncoder()),
    "calibrated": lambda: of_ledger(CalibratedClassifierCV(forest(), cv=2), StandardScaler()),
    "bags": lambda: of_ledger(
        BaggingClassifier(DecisionTreeClassifier(max_depth=4), 5, random_state=0), StandardScaler()
    ),
    "vote": lambda: of_ledger(
        VotingClassifier([("a", forest()), ("b", LogisticRegression())], voting="soft"),
        StandardScaler(),
    ),
    "stack": lambda: of_ledger(
        StackingClassifier([("a", forest()), ("b", LogisticRegression())], cv=2), StandardScaler()
    ),
    **{
        f"target of {name}": lambda inverse=inverse: of_ledger(
            TransformedTargetRegressor(Ridge(), **inverse), StandardScaler()
        )
        for name, inverse in {
            "nothing": {},
            "logarithms": {"func": np.log1p, "inverse_func": np.expm1},
            "squares": {"func": np.sqrt, "inverse_func": np.square},
            "scales": {"transformer": StandardScaler()},
            "ranges": {"transformer": MinMaxScaler((-1, 3))},
            "medians": {"transformer": RobustScaler()},
            "powers": {"transformer": PowerTransformer()},
            "positive powers": {"transformer": PowerTransformer("box-cox", standardize=False)},
            "ranks": {"transformer": QuantileTransformer(n_quantiles=50)},
            "normal ranks": {
                "transformer": QuantileTransformer(n_quantiles=50, output_distribution="normal")
            },
            "steps": {
                "transformer": make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler())
            },
        }.items()
    },
    "target of a pipeline of trees": lambda: TransformedTargetRegressor(
        of_ledger(HistGradientBoostingRegressor(), StandardScaler()),
        func=np.log,
        inverse_func=np.exp,
    ).fit(LEDGER, LEDGER["age"]),
    "search": lambda: GridSearchCV(
        of_ledger(DecisionTreeClassifier(random_state=0), StandardScaler()),
        {"decisiontreeclassifier__max_depth": [3, 6]},
        cv=2,
    ).fit(LEDGER, GRANTED),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_convert_keeps_the_branches_behind_steps_of_arithmetic(name, tmp_path, limex):
    model = LEDGERS[name]()
    path, table, output = saved(tmp_path, model, LEDGER)
    done = limex("convert", path, table, "-o", output, "-q", "--trust")
    assert done.code == 0, done.err
    session = onnxruntime.InferenceSession(output.read_bytes())
    other = ledger(3000, 1)  # of which the proof saw none
    expected = predictions(model, other)
    given = {one.name: column(other[one.name], one.type) for one in session.get_inputs()}
    found = np.reshape(session.run(None, given)[-1], expected.shape)
    assert np.abs(found - expected).max() <= 2e-6 * max(1.0, np.abs(expected).max())


def column(values, kind):
    if kind == "tensor(string)":
        return values.fillna("").to_numpy(object)[:, None]
    return values.to_numpy(np.float64 if kind == "tensor(double)" else np.float32)[:, None]


def test_convert_writes_a_sidecar_that_explain_reads(tmp_path, limex):
    path, table, output = saved(tmp_path, mixed_pipeline(), MIXED)
    assert limex("convert", path, table, "-o", output).code == 0
    sidecar = Path(f"{output}.toml").read_text()
    assert 'read-as = "pandas"' in sidecar
    assert 'background = "t.csv"' in sidecar
    assert 'classes = ["high", "low"]' in sidecar
    one = limex("explain", "tabular", output, table, "--row", "3", "-f", "json", "-q")
    other = limex("explain", "tabular", path, table, "--row", "3", "-f", "json", "-q")
    ours, theirs = json.loads(one.out)["targets"][0], json.loads(other.out)["targets"][0]
    assert [c["name"] for c in ours["components"]] == [c["name"] for c in theirs["components"]]
    for c, d in zip(ours["components"], theirs["components"], strict=True):
        assert c["weight"] == pytest.approx(d["weight"], abs=1e-4)


def test_convert_makes_texts_of_a_pipeline_of_words(tmp_path, limex):
    model = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression())
    model.fit(TEXTS, [1, 0, 1, 0] * 10)
    path, table, output = saved(tmp_path, model, pd.DataFrame({"text": TEXTS}))
    done = limex("convert", path, table, "--column", "text", "-o", output)
    assert done.code == 0, done.err
    assert "predicts the same for 40 rows" in done.out
    found = limex("explain", "text", output, "--text", TEXTS[0], "-f", "json", "-q")
    expected = model.predict_proba([TEXTS[0]])[0]
    assert json.loads(found.out)["outputs"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_convert_refuses_what_predicts_something_else_and_writes_nothing(tmp_path, limex):
    path, table, output = saved(tmp_path, GaussianNB().fit(NUMBERS, CLASSES), NUMBERS)
    done = limex("convert", path, table, "-o", output, "--tolerance", "0")
    assert done.code == 4
    assert "its ONNX model predicts something else" in done.err
    assert "the model gives" in done.err
    assert "raise --tolerance above" in done.err
    assert not output.exists()
    assert not Path(f"{output}.toml").exists()


@pytest.mark.parametrize("kind", [SVC, LinearSVC])
def test_convert_keeps_the_sign_of_margins(kind, tmp_path, limex):
    model = kind().fit(NUMBERS, CLASSES)
    path, table, output = saved(tmp_path, model, NUMBERS)
    assert limex("convert", path, table, "-o", output).code == 0
    found = limex("explain", "tabular", output, table, "--row", "3", "-f", "json", "-q")
    margin = float(model.decision_function(NUMBERS.iloc[[3]])[0])
    assert json.loads(found.out)["outputs"] == pytest.approx([-margin, margin], abs=1e-4)


@pytest.mark.parametrize(
    ("share", "advice"),
    [
        (0.003, "raise --tolerance above 0.003, or explain the original model"),
        (0.4, "explain the original model"),
    ],
)
def test_convert_advises_to_accept_no_more_than_rounding(share, advice):
    from lime_cli.tools.convert.measure import Conversion, WorstDifference

    worst = WorstDifference(share, share, "")
    made = Conversion("m.pkl", "m.onnx", b"", "float", 2, worst, 1e-4, (1.0, 1.0))
    assert made.advice == advice


def test_convert_takes_double_precision_where_single_is_too_coarse(tmp_path, limex):
    large = NUMBERS * 10 + 1e8
    model = LinearRegression().fit(large, NUMBERS["c"])
    path, table, output = saved(tmp_path, model, large)
    done = limex("convert", path, table, "-o", output, "-f", "json", "-q")
    assert done.code == 0, done.err
    assert json.loads(done.out)["numbers"] == "double"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["m.joblib", "-o", "m.onnx"], 2, "limex convert MODEL DATA"),
        (["m.joblib", "t.csv", "-o", "m.pkl"], 2, "name it MODEL.onnx"),
        (["m.joblib", "none.csv", "-o", "m.onnx"], 3, "no such file"),
        (["none.joblib", "t.csv", "-o", "m.onnx"], 4, "no such file"),
        (["m.joblib", "t.csv", "-o", "taken.onnx"], 5, "exists already"),
        (["odd.joblib", "t.csv", "-o", "m.onnx", "--trust"], 4, "cannot be converted ("),
        (["density.joblib", "t.csv", "-o", "m.onnx"], 4, "density.joblib"),
    ],
)
def test_convert_says_in_one_line_what_cannot_be(
    arguments, code, said, tmp_path, limex, monkeypatch
):
    saved(tmp_path, MODELS["bayes"][0](), NUMBERS)
    joblib.dump(KernelDensity().fit(NUMBERS), tmp_path / "density.joblib")
    odd = make_pipeline(FunctionTransformer(np.arctan), GaussianNB()).fit(NUMBERS, CLASSES)
    joblib.dump(odd, tmp_path / "odd.joblib")
    (tmp_path / "taken.onnx").write_bytes(b"")
    places = [tmp_path / one if "." in one and one[0] != "-" else one for one in arguments]
    done = limex("convert", *places)
    assert done.code == code, done.err
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "m.onnx").exists()
    assert (tmp_path / "taken.onnx").read_bytes() == b""


def test_convert_loads_a_strangers_pickle_by_the_same_safe_road(tmp_path, limex):
    (tmp_path / "m.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    NUMBERS.to_csv(tmp_path / "t.csv", index=False)
    done = limex("convert", tmp_path / "m.pkl", tmp_path / "t.csv", "-o", tmp_path / "m.onnx")
    assert done.code == 4
    assert "not safe to load" in done.err
    assert not Path("ran").exists()
