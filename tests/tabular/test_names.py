"""Columns of a table are found under the names that a model has for them."""

import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import lime_cli
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.options.inputs import _renamed
from lime_cli.tables.dialect import Dialect
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.names import called, numbers_only
from lime_cli.tabular.schema import Schema

RANDOM = np.random.default_rng(0)
N = 80
VALUES = RANDOM.normal(size=(N, 2)).round(3)
LABELS = (VALUES[:, 0] > 0).astype(int)


def answers(path, model, **options):
    where = path.with_name("m.pkl")
    where.write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(where)).load()
    table = TabularModality(str(path), **options)
    table = table.fitted(loaded.input._replace(takes=loaded.takes))
    rows = [table.read(source) for source in table.sources()]
    codes = [np.zeros((1, len(one.components)), np.int32) for one in rows]
    pairs = zip(rows, codes, strict=True)
    return np.vstack([loaded.predict(one.model_inputs(code)) for one, code in pairs]), table


@pytest.mark.parametrize(
    ("header", "names", "found"),
    [
        (("a b", "c"), ("a_b", "c"), ("a_b", "c")),
        (("sepal length (cm)",), ("sepal_length_(cm)",), ("sepal_length_(cm)",)),
        (("sepal length (cm)",), ("sepal_length__cm_",), ("sepal_length__cm_",)),
        (("education", "x"), (" education", "x"), (" education", "x")),
        (("a b", "a-b"), ("a_b",), ("a b", "a-b")),
        (("a b", "a_b"), ("a_b",), ("a b", "a_b")),
        (("a b",), ("a_b", "a-b"), ("a b",)),
        (("a", "b"), None, ("a", "b")),
        (("AGE", "Fare_Paid"), ("age", "farePaid"), ("age", "farePaid")),
        (("Age", "age"), ("age", "sex"), ("Age", "age")),
        (("AGE", "Age"), ("age",), ("AGE", "Age")),
    ],
)
def test_names_are_matched_where_that_is_one_to_one(header, names, found):
    assert called(header, names) == found


@pytest.mark.parametrize("kind", ["lightgbm", "sklearn"])
def test_folded_names_and_names_with_blanks_lead_to_the_same_answer(tmp_path, kind):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["Cabin No", "size (cm)"]).to_csv(path, index=False)
    if kind == "lightgbm":
        lightgbm = pytest.importorskip("lightgbm")
        frame = pd.DataFrame(VALUES, columns=["Cabin No", "size (cm)"])
        model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(frame, LABELS)
    else:
        frame = pd.DataFrame(VALUES, columns=[" Cabin No", "size_(cm)"])
        model = LogisticRegression().fit(frame, LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(frame))


def test_a_table_with_its_index_fits_models_with_and_without_it(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.to_csv(path)
    model = LogisticRegression().fit(VALUES, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(VALUES))
    assert table.ignored() == ("Unnamed: 0",)
    frame.assign(y=LABELS).to_csv(path)
    found, _ = answers(path, model, drop=("Unnamed: 0", "y"))
    assert found == pytest.approx(model.predict_proba(VALUES))
    read = pd.read_csv(path)[["Unnamed: 0", "a", "b"]]
    model = LogisticRegression(max_iter=9999).fit(read, LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(read))


def test_a_column_is_renamed_by_hand(tmp_path):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["alter", "sizes"]).to_csv(path, index=False)
    frame = pd.DataFrame(VALUES, columns=["age", "size"])
    model = LogisticRegression().fit(frame, LABELS)
    with pytest.raises(InputError) as error:
        answers(path, model, renamed=(("alter", "age"),))
    typed = re.search("--rename '(.*)'", error.value.hint)[1]
    found, _ = answers(path, model, renamed=(("alter", "age"), _renamed(typed)))
    assert found == pytest.approx(model.predict_proba(frame))
    with pytest.raises(SettingsError, match="--rename age: renames nothing"):
        _renamed("age")


def test_an_empty_column_that_the_model_has_is_held_missing(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"]).assign(empty=np.nan)
    frame.to_csv(path, index=False)
    imputer = SimpleImputer(keep_empty_features=True)
    model = make_pipeline(imputer, LogisticRegression()).fit(frame, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(frame))
    assert [one.name for one in table.fitted_background.skipped] == ["empty"]


def test_columns_that_are_taken_by_position_are_listed(tmp_path):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["b", "a"]).to_csv(path, index=False)
    _, table = answers(path, LogisticRegression().fit(VALUES, LABELS))
    said = {one.code: one.message for one in table.fitted_warnings}
    assert said["by_position"].endswith("in this order: b, a; --columns sets another order")
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    _, table = answers(path, LogisticRegression().fit(frame, LABELS))
    assert "by_position" not in [one.code for one in table.fitted_warnings]


NUMBERED = LogisticRegression().fit(pd.DataFrame(VALUES, columns=["f0", "f1"]), LABELS)


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        (["b", "a"], {}, True),
        (["b", "a", "target"], {}, True),
        (["b", "id", "a"], {"drop": ("id",)}, True),
        (["f1", "f0"], {}, False),
        (["u", "v"], {"renamed": (("u", "f1"), ("v", "f0"))}, False),
    ],
)
def test_a_model_that_only_numbers_its_columns_gets_those_of_a_table_in_order(
    tmp_path, header, options, said
):
    path, x = tmp_path / "d.csv", VALUES
    places = [one for one in header if one not in ("target", "id")]
    swapped = header in (["f1", "f0"], ["u", "v"])
    columns = dict(zip(places, x.T[::-1] if swapped else x.T, strict=True))
    table = pd.DataFrame({one: columns.get(one, LABELS) for one in header})
    table.to_csv(path, index=False)
    found, fitted = answers(path, NUMBERED, **options)
    assert found == pytest.approx(NUMBERED.predict_proba(pd.DataFrame(x, columns=["f0", "f1"])))
    messages = {one.code: one.message for one in fitted.fitted_warnings}
    assert ("by_position" in messages) == said
    assert not said or "in this order: b, a; --rename 'NAME=f0'" in messages["by_position"]


def test_a_table_of_more_columns_than_a_model_numbers_says_how_many_to_leave_out(tmp_path):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["b", "a"]).assign(u=1, v=2).to_csv(path, index=False)
    with pytest.raises(ModelError, match=r"leave 2 of b, a, u, v out with --drop$"):
        answers(path, NUMBERED)
    found, _ = answers(path, NUMBERED, drop=("u", "v"))
    assert found == pytest.approx(
        NUMBERED.predict_proba(pd.DataFrame(VALUES, columns=["f0", "f1"]))
    )


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (("f0", "f1"), True),
        (("x1", "x2", "x3"), True),
        (("feature_0", "feature_1"), True),
        (("Col 1", "Col 2"), True),
        (("f1", "f0"), False),
        (("f2", "f3"), False),
        (("f0", "g1"), False),
        (("q1", "q2"), False),
        (("f0",), False),
    ],
)
def test_names_that_do_no_more_than_number_are_told(names, number):
    assert numbers_only(names) == number


PREDICTED = LogisticRegression().fit(VALUES, LABELS).predict_proba(VALUES)


@pytest.mark.parametrize(
    ("others", "ignored"),
    [
        ({}, ()),
        ({"target": LABELS}, ("target",)),
        ({"Label": LABELS}, ("Label",)),
        ({"y": LABELS, "class": LABELS}, ("y", "class")),
    ],
)
@pytest.mark.parametrize("index", [False, True])
def test_true_answers_and_an_index_stay_behind_where_the_number_fits(
    tmp_path, others, ignored, index
):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"]).assign(**others)
    frame.to_csv(path, index=index)
    found, table = answers(path, LogisticRegression().fit(VALUES, LABELS))
    assert found == pytest.approx(PREDICTED)
    assert table.ignored() == (*["Unnamed: 0"] * index, *ignored)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_order_of_columns_can_be_said(tmp_path, order):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"]).assign(other=1.5 * LABELS, n=0)
    frame[["n", "b", "other", "a"]].to_csv(path, index=False)
    model = LogisticRegression().fit(frame[[*order]].to_numpy(), LABELS)
    with pytest.raises(ModelError, match=r"expects 2 columns, the file has 4.*--columns"):
        answers(path, model)
    found, table = answers(path, model, schema=Schema(order=order))
    assert found == pytest.approx(model.predict_proba(frame[[*order]].to_numpy()))
    assert "by_position" not in [one.code for one in table.fitted_warnings]


def test_an_order_that_cannot_be_is_refused(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.to_csv(path, index=False)
    model = LogisticRegression().fit(VALUES, LABELS)
    with pytest.raises(SettingsError, match="names 1 columns, the model takes 2"):
        answers(path, model, schema=Schema(order=("a",)))
    with pytest.raises(SettingsError, match="has no column 'c'"):
        answers(path, model, schema=Schema(order=("a", "c")))
    with pytest.raises(SettingsError, match="names its columns itself"):
        answers(path, LogisticRegression().fit(frame, LABELS), schema=Schema(order=("b", "a")))


@pytest.mark.parametrize(("name", "typed"), [("target", "target"), ("", "'Unnamed: 1'")])
def test_columns_called_like_true_answers_or_an_index_are_told(tmp_path, name, typed):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", name])
    frame.to_csv(path, index=False)
    _, table = answers(path, LogisticRegression().fit(VALUES, LABELS))
    said = {one.code: one.message for one in table.fitted_warnings}
    assert said["label_like"].endswith(f"--drop {typed} leaves it out")
    frame.columns = ["a", name or "Unnamed: 1"]
    _, table = answers(path, LogisticRegression().fit(frame, LABELS))
    assert "label_like" not in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize("name", ["Survived", "SalePrice", "is_fraud", "Y_true"])
def test_the_true_answers_are_left_out_where_the_number_fits_without(tmp_path, name):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.insert(0, name, LABELS)
    frame.to_csv(path, index=False)
    model = LogisticRegression().fit(VALUES, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(VALUES))
    assert "it gets, in this order: a, b;" in " ".join(one.message for one in table.fitted_warnings)


@pytest.mark.parametrize(
    ("others", "fitting"),
    [
        (["Id"], True),
        (["customerID"], True),
        (["passenger_id", "target"], True),
        (["Unnamed: 0", "y"], True),
        (["Unnamed: 4", "id", "y"], True),
        (["churned"], True),
        (["valid"], False),
        (["other", "more"], False),
    ],
)
def test_ids_are_left_out_where_the_number_fits_without(tmp_path, others, fitting):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.assign(**dict.fromkeys(others, 1))[[*others, "a", "b"]].to_csv(path, index=False)
    model = LogisticRegression().fit(VALUES, LABELS)
    if not fitting:
        with pytest.raises(ModelError, match="the model expects 2 columns"):
            answers(path, model)
        return
    assert answers(path, model)[0] == pytest.approx(model.predict_proba(VALUES))


def test_of_an_id_and_the_true_answers_none_is_guessed_to_be_too_much(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "quality"])
    frame.assign(Id=1).to_csv(path, index=False)
    with pytest.raises(ModelError) as error:
        answers(path, LogisticRegression().fit(VALUES, LABELS))
    assert "'Id' and 'quality' most likely" in error.value.hint


def test_the_last_column_is_not_advised_against_where_another_is_called_as_answers_are(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["b", "a"]).assign(y=1, kind="u")
    frame[["y", "kind", "b", "a"]].to_csv(path, index=False)
    with pytest.raises(ModelError) as error:
        answers(path, LogisticRegression().fit(VALUES, LABELS))
    assert "leave 2 of y, kind, b, a out with --drop, 'y' most likely" in error.value.hint


@pytest.mark.parametrize("words", [["no", "yes"], [0, 1]])
def test_a_column_that_says_what_the_model_predicts_is_told(tmp_path, words):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"]).assign(res=np.array([0, 1])[LABELS])
    frame.to_csv(path, index=False)
    model = LogisticRegression(C=1e6).fit(frame.to_numpy(), np.array(words)[LABELS])
    where = tmp_path / "m.pkl"
    where.write_bytes(pickle.dumps(model))
    loaded = ModelFile(str(where)).load()
    given = loaded.input._replace(takes=loaded.takes, predictions=loaded.predict)
    said = {
        one.code: one.message for one in TabularModality(str(path)).fitted(given).fitted_warnings
    }
    assert said["label_like"].startswith("'res' agrees with the model in every row compared")


@pytest.mark.parametrize("named", [False, True])
def test_a_column_to_leave_out_that_there_is_none_of_is_named(tmp_path, named):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.assign(target=LABELS).to_csv(path, index=False)
    model = LogisticRegression().fit(frame if named else VALUES, LABELS)
    with pytest.raises(SettingsError, match=r"--drop: d.csv has no column 'targt'") as error:
        answers(path, model, drop=("targt",))
    assert error.value.hint == "did you mean 'target'?"
    assert answers(path, model, drop=("target",))[0] == pytest.approx(
        model.predict_proba(frame if named else VALUES)
    )


def test_an_array_without_names_is_taken_in_the_model_s_order(tmp_path):
    np.save(tmp_path / "d.npy", VALUES)
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    model = LogisticRegression().fit(frame, LABELS)
    found, table = answers(tmp_path / "d.npy", model)
    assert found == pytest.approx(model.predict_proba(frame))
    assert "by_position" in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize("used", [["a", "b"], ["b", "a.1"], ["a.1", "a"]])
def test_a_column_that_comes_again_is_called_as_pandas_calls_it(tmp_path, used):
    path = tmp_path / "d.csv"
    rows = np.column_stack([VALUES, RANDOM.normal(size=N).round(3)])
    pd.DataFrame(rows, columns=["a", "b", "a"]).to_csv(path, index=False)
    read = pd.read_csv(path)
    model = LogisticRegression().fit(read[used], LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(read[used]))


def test_columns_without_names_are_the_model_s_and_that_is_said(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES, columns=["a", "b"])
    frame.assign(y=LABELS).to_csv(path, index=False, header=False)
    model, plain = LogisticRegression().fit(frame, LABELS), Dialect(header=False)
    with pytest.raises(InputError, match=r"3 columns, the model 2.*--drop 2 those at the end"):
        answers(path, model, dialect=plain)
    found, table = answers(path, model, dialect=plain, drop=("2",))
    assert found == pytest.approx(model.predict_proba(frame))
    assert "by_position" in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize(
    ("own", "hint"),
    [
        (("a", "normAmount"), "are computed from its columns"),
        (("a", "amount_per_day"), "are computed from its columns"),
        (("a", "log_Amount"), "are computed from its columns"),
        (("a", "a_share"), "are computed from its columns"),
        (("a", "Amounts"), "use --rename 'Amount=Amounts'"),
        (("a", "Ammount"), "use --rename 'Amount=Ammount'"),
    ],
)
def test_a_column_that_was_made_of_another_is_not_taken_for_its_name(tmp_path, own, hint):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["a", "Amount"]).to_csv(path, index=False)
    model = LogisticRegression().fit(pd.DataFrame(VALUES, columns=list(own)), LABELS)
    with pytest.raises(InputError, match=re.escape(hint)):
        answers(path, model)


def test_a_column_whose_name_has_a_unit_in_the_table_may_be_renamed(tmp_path):
    path = tmp_path / "d.csv"
    pd.DataFrame(VALUES, columns=["a", "fare (EUR)"]).to_csv(path, index=False)
    frame = pd.DataFrame(VALUES, columns=["a", "fare"])
    model = LogisticRegression().fit(frame, LABELS)
    with pytest.raises(InputError, match=re.escape("--rename 'fare (EUR)=fare'")):
        answers(path, model)
    found, _ = answers(path, model, renamed=(("fare (EUR)", "fare"),))
    assert found == pytest.approx(model.predict_proba(frame))


@pytest.mark.parametrize(
    ("table", "columns", "advised"),
    [
        ("bodyfat.csv", ["a", "BodyFat", "b"], "BodyFat"),
        ("house-price.csv", ["House Price", "a", "b"], '"House Price"'),
        ("d.csv", ["a", "b", "c"], "c"),
    ],
)
def test_the_column_called_as_the_table_is_advised_against_first(tmp_path, table, columns, advised):
    path = tmp_path / table
    frame = pd.DataFrame(np.column_stack([VALUES, VALUES[:, :1] * 2]), columns=columns)
    frame.to_csv(path, index=False)
    with pytest.raises(ModelError) as error:
        answers(path, LogisticRegression().fit(VALUES, LABELS))
    assert f"--drop {advised}".replace('"', "'") in error.value.hint.replace('"', "'")
    assert "if" in error.value.hint


def test_too_few_columns_name_what_lies_beside_the_model(tmp_path):
    path, model = tmp_path / "d.csv", tmp_path / "model.pkl"
    pd.DataFrame(VALUES, columns=["a", "b"]).to_csv(path, index=False)
    encoder = OneHotEncoder().fit(VALUES.round())
    joblib.dump(encoder, tmp_path / "onehot_encoder.pkl")
    joblib.dump(LogisticRegression().fit(encoder.transform(VALUES.round()), LABELS), model)
    with pytest.raises(ModelError, match="the model expects") as error:
        lime_cli.explain(str(model), str(path), row=0)
    assert "'onehot_encoder.pkl' beside the model" in error.value.hint


def test_true_answers_are_not_among_the_numbers_that_a_model_may_take(tmp_path):
    path = tmp_path / "d.csv"
    frame = pd.DataFrame(VALUES[:, :1], columns=["a"]).assign(survived=1, kind="u", note="v")
    frame.to_csv(path, index=False)
    with pytest.raises(ModelError) as error:
        answers(path, LogisticRegression().fit(VALUES, LABELS))
    assert "--columns survived" not in error.value.hint
    assert "a,survived" not in error.value.hint
    assert "'survived' most likely" in error.value.hint
