"""What speaks against a table: numbers for gaps, other scales, predictions that miss answers."""

import pickle
from functools import partial
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from lime_cli.models.model_file import ModelFile
from lime_cli.tables.cells import Cells
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tabular.background import build_background
from lime_cli.tabular.doubts import gaps_unseen
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.schema import Schema

N, FIRST = 400, 12
RANDOM = np.random.default_rng(5)
HEAT = RANDOM.uniform(2, 30, N).round(1)
WET = RANDOM.integers(20, 90, N).astype(float)
LABELS = (HEAT / 28 + WET / 70 + RANDOM.normal(0, 0.2, N) > 1.3).astype(int)
LOST = RANDOM.random(N) < 0.09


def table(heat=HEAT, wet=WET):
    return pd.DataFrame({"heat": heat, "wet": wet})


def met(folder, model, frame, dialect=PLAIN, **columns):
    """Return what is warned of, by its code, and the predictions of the first rows."""
    frame.assign(**columns).to_csv(folder / "t.csv", index=False)
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(folder / "m.pkl")).load()
    given = loaded.input._replace(takes=loaded.takes, predictions=loaded.predict)
    modality = TabularModality(str(folder / "t.csv"), dialect=dialect).fitted(given)
    rows = [modality.read(one) for one in islice(modality.sources(), FIRST)]
    codes = np.zeros((1, 2), np.int32)
    predicted = np.vstack([loaded.predict(one.model_inputs(codes)) for one in rows])
    return {one.code: one.message for one in modality.fitted_warnings}, predicted


IMPUTED = {
    "mean": lambda: make_pipeline(SimpleImputer(), LogisticRegression(max_iter=900)),
    "median": lambda: make_pipeline(SimpleImputer(strategy="median"), GaussianNB()),
    "scaled": lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()),
    "by column": lambda: make_pipeline(
        make_column_transformer((SimpleImputer(strategy="median"), ["wet", "heat"])), GaussianNB()
    ),
}


OF_FEW_ROWS_BY_CHANCE = ("median", "by column")
"""Imputers of medians, which half of the rows may have with the number among them, too."""


@pytest.mark.parametrize(
    ("name", "number", "step"),
    [
        *((name, number, 1) for name in IMPUTED for number in (-200, 0, 9999)),
        *((name, number, 2) for name in ("mean", "scaled") for number in (-200, 9999)),
    ],
)
def test_a_number_that_an_imputer_left_out_is_a_missing_value(tmp_path, name, number, step):
    frame = table(np.where(LOST, np.nan, HEAT), np.where(LOST[::-1], np.nan, WET))
    model = IMPUTED[name]().fit(frame[::step], LABELS[::step])
    codes, predicted = met(tmp_path, model, frame.fillna(number))
    assert predicted == pytest.approx(model.predict_proba(frame[:FIRST]))
    assert f"{number} in columns" in codes["read_as_missing"]
    assert "--read-as plain" in codes["read_as_missing"]


@pytest.mark.parametrize("name", OF_FEW_ROWS_BY_CHANCE)
@pytest.mark.parametrize("number", [-200, 9999])
def test_a_number_that_an_imputer_may_have_left_out_is_told(tmp_path, name, number):
    frame = table(np.where(LOST, np.nan, HEAT), np.where(LOST[::-1], np.nan, WET))
    model = IMPUTED[name]().fit(frame[::2], LABELS[::2])
    codes, _ = met(tmp_path, model, frame.fillna(number))
    assert f"wet {number}" in codes["far_numbers"] + codes.get("read_as_missing", "")


@pytest.mark.parametrize("number", [-200, 0])
def test_a_number_that_an_imputer_itself_fills_in_is_left_to_it(tmp_path, number):
    imputer = SimpleImputer(missing_values=number)
    frame = table(np.where(LOST, number, HEAT))
    model = make_pipeline(imputer, LogisticRegression(max_iter=900)).fit(frame, LABELS)
    codes, predicted = met(tmp_path, model, frame)
    assert LOST[:FIRST].any()
    assert "read_as_missing" not in codes
    assert predicted == pytest.approx(model.predict_proba(frame[:FIRST]))


def test_read_as_plain_keeps_such_numbers(tmp_path):
    frame = table(np.where(LOST, np.nan, HEAT))
    model, kept = IMPUTED["mean"]().fit(frame, LABELS), frame.fillna(-200)
    codes, predicted = met(tmp_path, model, kept, Dialect(reading="plain"))
    assert "read_as_missing" not in codes
    assert predicted == pytest.approx(model.predict_proba(kept[:FIRST]))


@pytest.mark.parametrize("name", IMPUTED)
@pytest.mark.parametrize("number", [-200, 0, 9999])
def test_a_number_that_was_there_in_training_stays_one(tmp_path, name, number):
    frame = table(np.where(LOST, number, HEAT), np.where(LOST[::-1], number, WET))
    holes = frame.mask(RANDOM.random((N, 2)) < 0.05)
    model = IMPUTED[name]().fit(holes[: N // 2], LABELS[: N // 2])
    codes, predicted = met(tmp_path, model, frame)
    assert predicted == pytest.approx(model.predict_proba(frame[:FIRST]))
    asked = {"far_numbers"} if name in ("median", "by column") and number else set()
    assert codes.keys() - asked == {"background_is_input"}


TREES = {
    "forest": lambda: RandomForestClassifier(9, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=20),
}


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("number", [-200, 9999])
def test_numbers_that_trees_do_not_tell_from_others_are_named(tmp_path, name, number):
    days = np.where(RANDOM.random(N) < 0.3, number, WET)
    filled = table(wet=np.where(days == number, WET.mean(), days))
    model = TREES[name]().fit(filled, LABELS)
    codes, _ = met(tmp_path, model, table(wet=days))
    assert f"wet {number}" in codes["far_numbers"]
    assert f"--na-values {number}" in codes["far_numbers"]


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("number", [-200, 0, 999])
def test_numbers_that_trees_tell_from_others_are_not(tmp_path, name, number):
    days = np.where(RANDOM.random(N) < 0.3, number, WET)
    model = TREES[name]().fit(table(wet=days), (days == number) ^ (RANDOM.random(N) < 0.1))
    codes, _ = met(tmp_path, model, table(wet=days))
    assert codes.keys() == {"background_is_input"}


def test_numbers_beyond_what_lightgbm_met_are_missing_where_it_met_missing_values(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    frame = table(np.where(LOST, np.nan, HEAT))
    model = lightgbm.LGBMClassifier(n_estimators=9, verbose=-1).fit(frame, LABELS)
    codes, predicted = met(tmp_path, model, frame.fillna(-200))
    assert predicted == pytest.approx(model.predict_proba(frame[:FIRST]))
    assert "-200 in column 'heat'" in codes["read_as_missing"]


@pytest.mark.parametrize("number", [-999, 9999])
@pytest.mark.parametrize("scaler", [StandardScaler, MinMaxScaler, RobustScaler])
def test_a_number_that_the_model_met_in_many_rows_is_not_far_from_what_it_knows(
    tmp_path, scaler, number
):
    frame = table(wet=np.where(LOST, number, WET + RANDOM.uniform(0, 1, N)))
    model = make_pipeline(scaler(), LogisticRegression()).fit(frame, LABELS)
    assert "far_numbers" not in met(tmp_path, model, frame)[0]
    lost = frame.assign(wet=np.where(LOST, np.median(WET), frame.wet))
    model = make_pipeline(scaler(), LogisticRegression()).fit(lost, LABELS)
    assert f"wet {number}" in met(tmp_path, model, frame)[0]["far_numbers"]


SCALERS = [StandardScaler, MinMaxScaler, RobustScaler, lambda: QuantileTransformer(n_quantiles=9)]


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("inside", [False, True])
def test_a_scaler_tells_that_a_logarithm_was_lost(tmp_path, scaler, inside):
    frame = table(wet=np.exp(WET / 10))
    first = make_column_transformer((scaler(), ["wet"]), remainder="drop") if inside else scaler()
    model = make_pipeline(first, GaussianNB()).fit(np.log1p(frame), LABELS)
    assert "wet" in met(tmp_path, model, frame)[0]["other_scale"]
    model = make_pipeline(first, GaussianNB()).fit(frame, LABELS)
    assert met(tmp_path, model, frame)[0].keys() == {"background_is_input"}


MISFED = {
    "logarithm": (np.log1p, lambda: LogisticRegression(max_iter=900)),
    "scale": (lambda frame: frame / 1000, lambda: LogisticRegression(C=1e6, max_iter=900)),
    "network": (
        lambda frame: (frame - frame.mean()) / frame.std(),
        lambda: MLPClassifier((8,), max_iter=200, random_state=0, learning_rate_init=0.01),
    ),
}


@pytest.mark.parametrize("name", MISFED)
@pytest.mark.parametrize("label", ["y", "Survived"])
def test_predictions_worse_than_a_guess_are_told_where_the_table_has_the_answers(
    tmp_path, name, label
):
    lost, made = MISFED[name]
    frame = table(wet=np.exp(WET / 10))
    with pytest.warns() if name == "network" else pytest.MonkeyPatch.context():
        model = made().fit(lost(frame), LABELS)
    codes, _ = met(tmp_path, model, frame, **{label: LABELS})
    assert repr(label) in codes["answers_missed"]
    codes, _ = met(tmp_path, model, lost(frame), **{label: LABELS})
    assert codes.keys() == {"background_is_input"}


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_model_of_noise_is_not_suspected(tmp_path, seed):
    noise = np.random.default_rng(seed).integers(0, 2, N)
    model = LogisticRegression().fit(table(), noise)
    other = np.random.default_rng(seed + 9).integers(0, 2, N)
    assert "answers_missed" not in met(tmp_path, model, table(), y=other)[0]


@pytest.mark.parametrize("made", [lambda y: np.log1p(y), lambda y: y, lambda y: y / 1000])
def test_a_regression_may_predict_another_scale(tmp_path, made):
    price = 100 + 30 * HEAT
    model = LinearRegression().fit(table(), made(price))
    assert "answers_missed" not in met(tmp_path, model, table(), y=price)[0]


def test_whole_numbers_beyond_floats_are_known_as_categories(tmp_path):
    codes = RANDOM.choice([2**53 + 1, 2**53 + 3, 2**60 + 9], N)
    frame = pd.DataFrame({"heat": HEAT, "account": codes})
    encoder = make_column_transformer((OneHotEncoder(), ["account"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression(max_iter=900)).fit(frame, LABELS)
    assert "unknown_category" not in met(tmp_path, model, frame)[0]


@pytest.mark.parametrize(("gap", "typed"), [("age", "--map age=:46"), ("home", "")])
def test_a_gap_that_the_model_never_met_says_how_it_is_filled(gap, typed):
    whole = {"age": [31.0, 40.0, 52.0], "home": ["own", "rent", "own"]}
    cells = [[str(one) for one in whole["age"]], whole["home"]]
    cells[[*whole].index(gap)][0] = ""
    rows = Cells("t.csv", tuple(whole), tuple(zip(*cells, strict=True)), range(2, 5))
    (said,) = gaps_unseen(build_background(rows, tuple(whole), Schema()), [0, 1])
    assert said.message.startswith(f"values of {gap!r} (33% of rows) are missing")
    assert ("--map" in said.message) == bool(typed)
    assert said.message.endswith(typed)


@pytest.mark.parametrize("name", [*MISFED, "scaler"])
def test_a_model_that_is_certain_of_one_class_for_all_rows_is_suspected(tmp_path, name):
    scaled = (lambda frame: (frame - frame.mean()) / frame.std(), LogisticRegression)
    lost, made = MISFED.get(name, scaled)
    frame = table(wet=np.exp(WET / 10)).abs() + 2_000
    with pytest.warns() if name == "network" else pytest.MonkeyPatch.context():
        model = made().fit(lost(frame), LABELS)
    outputs = model.predict_proba(frame)
    assert outputs.max(axis=1).min() > 1 - 1e-6
    assert len({*outputs.argmax(axis=1)}) == 1
    assert "answers_missed" in met(tmp_path, model, frame)[0]
    assert "answers_missed" not in met(tmp_path, model, lost(frame))[0]


WEIGHTED = partial(LogisticRegression, class_weight="balanced")
"""As people fit it where a class is rare: probabilities are far above its share."""


@pytest.mark.parametrize("answers", [(), ("y",)])
@pytest.mark.parametrize(
    "made",
    [LogisticRegression, GaussianNB, WEIGHTED, lambda: RandomForestClassifier(9, random_state=0)],
)
def test_a_rare_class_is_no_reason_for_doubt(tmp_path, made, answers):
    rare = np.arange(N) % 100 == 1
    codes, _ = met(tmp_path, made().fit(table(), rare), table(), **dict.fromkeys(answers, rare))
    assert "answers_missed" not in codes
