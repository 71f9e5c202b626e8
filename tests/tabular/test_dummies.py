"""A model of dummies is given those of the columns that a table has, as pandas makes them."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from lime_cli.errors import InputError
from tests.tabular.test_names import answers

RANDOM = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(
    {
        "Sex": RANDOM.choice(["female", "male"], N),
        "Age": RANDOM.integers(1, 80, N),
        "class": RANDOM.choice([1, 2, 3], N),
        "job": RANDOM.choice(["blue-collar", "self employed", "admin."], N),
        "port": RANDOM.choice(["C", "Q", None], N),
        "grade": RANDOM.choice([1.0, 2.5, np.nan], N),
        "paid": RANDOM.choice([True, False], N),
    }
)
LABELS = ((FRAME["Sex"] == "male") ^ (FRAME["class"] == 3)).astype(int)


def read(tmp_path, frame=FRAME):
    path = tmp_path / "d.csv"
    frame.assign(y=LABELS).to_csv(path, index=False)
    return path, pd.read_csv(path)[list(frame)]


@pytest.mark.parametrize(
    ("used", "options"),
    [
        (["Sex", "Age"], {}),
        (["Sex", "Age"], {"drop_first": True}),
        (["Age", "Sex", "class", "job"], {"columns": ["Sex", "class", "job"]}),
        (["job", "port", "Age"], {"dummy_na": True}),
        (["port", "job"], {"drop_first": True, "dtype": float}),
        (["grade", "Age"], {"columns": ["grade"]}),
        (["paid", "Age"], {"columns": ["paid"]}),
        (["Sex", "job"], {"prefix_sep": "="}),
    ],
    ids=str,
)
def test_dummies_are_made_of_columns(tmp_path, used, options):
    path, frame = read(tmp_path)
    dummies = pd.get_dummies(frame[used], **options)
    model = RandomForestClassifier(8, random_state=0).fit(dummies, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))
    assert "dummies_made" in [one.code for one in table.fitted_warnings]
    assert {one.name for one in table.fitted_background.features} == {*used}


def test_dummies_whose_names_lost_their_blanks_are_made(tmp_path):
    path, frame = read(tmp_path, FRAME.rename(columns={"job": "job of (last) year"}))
    used = frame[["job of (last) year", "Age"]]
    dummies = pd.get_dummies(used).rename(columns=lambda name: re.sub(r"\W", "_", name))
    model = RandomForestClassifier(8, random_state=0).fit(dummies, LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))


@pytest.mark.parametrize(
    "clean",
    [
        lambda name: re.sub(r"[^A-Za-z0-9_]", "", name),
        lambda name: re.sub(r"\W+", "_", name).lower(),
        lambda name: re.sub(r"[\[\]<>]", "", name),
        lambda name: name.replace(" ", "_").replace("-", "_").upper(),
    ],
    ids=["removed", "small", "for XGBoost", "capitals"],
)
def test_dummies_whose_names_were_cleaned_by_hand_are_made(tmp_path, clean):
    homes = RANDOM.choice(["own/rent", "R&D", "<none>", "+5", "-5"], N)
    path, frame = read(tmp_path, FRAME[["Age", "job"]].assign(**{"Home Type": homes}))
    dummies = pd.get_dummies(frame).rename(columns=clean)
    dummies = dummies.loc[:, ~dummies.columns.duplicated()]
    model = RandomForestClassifier(8, random_state=0).fit(dummies, LABELS)
    found, table = answers(path, model)
    if clean("+5") == clean("-5"):  # one dummy for two values: nobody knows of which
        signs = frame["Home Type"].astype(str).isin(["+5", "-5"])
        assert found[~signs] == pytest.approx(model.predict_proba(dummies)[~signs])
    else:
        assert found == pytest.approx(model.predict_proba(dummies))
    assert "dummies_made" in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("mark", ["?", "-"])
def test_dummies_of_a_mark_are_not_taken_for_their_column(tmp_path, mark, blank):
    words = RANDOM.choice(["Private", mark, "State-gov"], N)
    path, _ = read(tmp_path, FRAME[["Age"]].assign(work=[f"{blank}{one}" for one in words]))
    dummies = pd.get_dummies(FRAME[["Age"]].assign(work=words))
    model = RandomForestClassifier(8, random_state=0).fit(dummies, LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))


@pytest.mark.parametrize("drop_first", [False, True])
def test_dummies_that_are_named_after_values_alone_are_made(tmp_path, drop_first):
    path, frame = read(tmp_path)
    parts = [pd.get_dummies(frame[one], drop_first=drop_first) for one in ("Sex", "port")]
    dummies = pd.concat([frame["Age"], *parts], axis=1)
    model = RandomForestClassifier(8, random_state=0).fit(dummies, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))
    assert "dummies_made" in [one.code for one in table.fitted_warnings]


@pytest.mark.parametrize("twice", ["port", "cabin"])
def test_values_that_two_columns_have_are_nobodys_dummies(tmp_path, twice):
    path, frame = read(tmp_path, FRAME.assign(cabin=FRAME["port"]))
    dummies = pd.get_dummies(frame[twice])
    with pytest.raises(InputError, match="lacks columns 'C', 'Q'"):
        answers(path, LogisticRegression().fit(dummies, LABELS))


def test_dummies_of_other_values_than_the_table_has_are_told(tmp_path):
    path, _ = read(tmp_path, FRAME.assign(Sex=FRAME["Sex"].str.upper()))
    dummies = pd.get_dummies(FRAME[["Sex", "Age"]])
    with pytest.raises(InputError) as error:
        answers(path, LogisticRegression().fit(dummies, LABELS))
    assert error.value.hint == "they are dummies of 'Sex', with values that the table does not have"


def test_the_dummies_of_a_model_whose_names_were_folded_are_found(tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    path, frame = read(tmp_path)
    dummies = pd.get_dummies(frame[["job", "Age"]], dtype=int)
    model = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(dummies, LABELS)
    found, _ = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))


def test_what_has_no_dummy_is_told(tmp_path):
    path, frame = read(tmp_path)
    dummies = pd.get_dummies(frame[["Sex", "job"]], drop_first=True)
    _, table = answers(path, LogisticRegression().fit(dummies, LABELS))
    said = {one.code: one.message for one in table.fitted_warnings}["dummies_made"]
    assert said.endswith(
        "dummies of 'Sex', 'job'; limex makes them; Sex 'female', job 'admin.' have none"
    )


@pytest.mark.parametrize("name", ["Age_group", "Sex_other", "deck_C"])
def test_names_of_which_no_value_is_a_column_s_are_no_dummies(tmp_path, name):
    path, frame = read(tmp_path)
    odd = frame[["Age"]].assign(**{name: 1})
    with pytest.raises(InputError, match=f"lacks column '{name}'"):
        answers(path, LogisticRegression().fit(odd, LABELS))


def test_numbers_beyond_0_and_1_are_no_dummies(tmp_path):
    path = tmp_path / "d.csv"
    lags = pd.DataFrame({f"lag_{i}": RANDOM.normal(50, 9, N).round() for i in (1, 2)})
    pd.DataFrame({"lag": RANDOM.choice([1, 2], N), "y": LABELS}).to_csv(path, index=False)
    with pytest.raises(InputError, match="lacks columns 'lag_1', 'lag_2'"):
        answers(path, RandomForestClassifier(5).fit(lags, LABELS))


def test_a_table_of_dummies_is_taken_as_it_is(tmp_path):
    _, frame = read(tmp_path)
    dummies = pd.get_dummies(frame[["Sex", "Age"]])
    path = tmp_path / "dummies.csv"
    dummies.to_csv(path, index=False)
    model = LogisticRegression(max_iter=500).fit(dummies, LABELS)
    found, table = answers(path, model)
    assert found == pytest.approx(model.predict_proba(dummies))
    assert "dummies_made" not in [one.code for one in table.fitted_warnings]
