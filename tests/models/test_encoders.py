"""Encoders and scalers beside a model are applied to the columns that they were fitted on."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from lime_cli.errors import ModelError
from lime_cli.models.model_file import ModelFile
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(
    {
        "gender": RANDOM.choice(["Male", "Female"], N),
        "tenure": RANDOM.integers(0, 72, N),
        "contract type": RANDOM.choice(["month", "year", None], N),
        "charges": RANDOM.uniform(10, 100, N).round(2),
        "code": RANDOM.choice([10, 20, 30], N),
    }
)
LABELS = ((FRAME["gender"] == "Male") ^ (FRAME["charges"] > 60)).astype(int)
WORDS, NUMBERS = ["gender", "contract type"], ["tenure", "charges"]


def encoded(columns):
    """Encode columns as owners do, one by one; return the table and the encoders."""
    frame, encoders = FRAME.copy(), {}
    for name in columns:
        cells = frame[name].astype(str) if frame[name].isna().any() else frame[name]
        encoders[name] = LabelEncoder().fit(cells)
        frame[name] = encoders[name].transform(cells)
    return frame, encoders


ENCODED, ENCODERS = encoded(WORDS)
TREE = DecisionTreeClassifier(max_depth=4, random_state=0).fit(ENCODED, LABELS)
SCALER = StandardScaler().fit(ENCODED[NUMBERS])
SCALED = ENCODED.assign(**dict(zip(NUMBERS, SCALER.transform(ENCODED[NUMBERS]).T, strict=True)))
LINEAR = LogisticRegression().fit(SCALED, LABELS)
WHOLE = MinMaxScaler().fit(ENCODED)
UNNAMED = LogisticRegression().fit(WHOLE.transform(ENCODED), LABELS)
CODED, CODES = encoded([*WORDS, "code"])
OF_CODES = DecisionTreeClassifier(max_depth=4, random_state=0).fit(CODED, LABELS)
ORDINAL = OrdinalEncoder().fit(FRAME[WORDS].fillna("none"))
MAPS = {name: {word: i for i, word in enumerate(one.classes_)} for name, one in ENCODERS.items()}

BUNDLES = {
    "by column": ({"model": TREE, "encoders": ENCODERS}, TREE, ENCODED),
    "beside others": (
        {"clf": TREE, "label_encoders": ENCODERS, "features": list(FRAME), "acc": 0.9},
        TREE,
        ENCODED,
    ),
    "a tuple": ((TREE, ENCODERS), TREE, ENCODED),
    "each by itself": (
        {
            "model": TREE,
            "le_gender": ENCODERS["gender"],
            "contract_type_encoder": ENCODERS["contract type"],
        },
        TREE,
        ENCODED,
    ),
    "dictionaries": ({"model": TREE, "maps": MAPS}, TREE, ENCODED),
    "of numbers too": ({"model": OF_CODES, "encoders": CODES}, OF_CODES, CODED),
    "and a scaler of some": (
        {"model": LINEAR, "encoders": ENCODERS, "scaler": SCALER},
        LINEAR,
        SCALED,
    ),
    "and a scaler of all": (
        {"model": UNNAMED, "scaler": WHOLE, "encoders": ENCODERS},
        UNNAMED,
        WHOLE.transform(ENCODED),
    ),
}


def answers(tmp_path, held, frame):
    joblib.dump(held, tmp_path / "m.joblib")
    frame.assign(y=LABELS).to_csv(tmp_path / "d.csv", index=False)
    loaded = ModelFile(str(tmp_path / "m.joblib")).load()
    table = TabularModality(str(tmp_path / "d.csv"))
    table = table.fitted(loaded.input._replace(takes=loaded.takes))
    rows = [table.read(source) for source in table.sources()]
    inputs = [one.model_inputs(np.zeros((1, len(one.components)), np.int32)) for one in rows]
    return np.vstack([loaded.predict(one) for one in inputs]), loaded, table


@pytest.mark.parametrize("name", list(BUNDLES))
def test_a_table_of_words_is_encoded_as_at_training(tmp_path, name):
    held, model, rows = BUNDLES[name]
    found, loaded, table = answers(tmp_path, held, FRAME)
    assert found == pytest.approx(model.predict_proba(rows))
    assert "chained" in [one.code for one in loaded.warnings]
    assert "unknown_category" not in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize("name", ["by column", "dictionaries", "and a scaler of some"])
def test_a_table_that_is_encoded_already_stays_as_it_is(tmp_path, name):
    held, model, rows = BUNDLES[name]
    found, _, _ = answers(tmp_path, held, ENCODED)
    assert found == pytest.approx(model.predict_proba(rows))


def test_an_ordinal_encoder_of_some_columns_is_applied_to_them(tmp_path):
    rows = FRAME[[*NUMBERS, *WORDS]].fillna("none")
    inner = rows.assign(**dict(zip(WORDS, ORDINAL.transform(rows[WORDS]).T, strict=True)))
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(inner, LABELS)
    found, _, _ = answers(tmp_path, {"m": model, "encoder": ORDINAL}, rows)
    assert found == pytest.approx(model.predict_proba(inner))


def test_a_scaler_that_names_no_columns_of_the_model_is_not_guessed(tmp_path):
    scaler = StandardScaler().fit(ENCODED[NUMBERS].to_numpy())
    with pytest.raises(ModelError, match="parts do not fit"):
        answers(tmp_path, {"model": LINEAR, "scaler": scaler}, FRAME)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", ["pipeline", "tuple"])
def test_a_vectorizer_of_dictionaries_gets_the_rows_of_a_table(tmp_path, kind, sparse):
    rows = FRAME.fillna("none").assign(paid=FRAME["code"] > 10)
    vectorizer = DictVectorizer(sparse=sparse)
    model = LogisticRegression(max_iter=2000)
    model.fit(vectorizer.fit_transform(rows.to_dict("records")), LABELS)
    expected = model.predict_proba(vectorizer.transform(rows.to_dict("records")))
    held = (vectorizer, model) if kind == "tuple" else make_pipeline(vectorizer, model)
    found, _, table = answers(tmp_path, held, rows)
    assert found == pytest.approx(expected)
    assert {one.name for one in table.fitted_background.features} == {*rows}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("EqualFrequencyDiscretiser", {}),
        ("EqualWidthDiscretiser", {}),
        ("DecisionTreeDiscretiser", {"regression": False}),
    ],
)
def test_bins_of_feature_engine_are_loaded_unflagged(tmp_path, name, options):
    discretisation = pytest.importorskip("feature_engine.discretisation")
    numbers = FRAME[NUMBERS].astype(float)
    bins = getattr(discretisation, name)(**options)
    model = make_pipeline(bins, LogisticRegression()).fit(numbers, LABELS)
    joblib.dump(model, tmp_path / "m.joblib")
    found = ModelFile(str(tmp_path / "m.joblib")).load()
    table = Table(tuple(NUMBERS), tuple(np.array(numbers[one]) for one in NUMBERS))
    assert found.predict(table) == pytest.approx(model.predict_proba(numbers))
