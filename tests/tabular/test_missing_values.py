"""Missing values are drawn at the background's rate, by models that take them."""

import json

import numpy as np
import pytest

from tests.tabular.test_modality import written


def takes_all(table):
    """Answer to missing values too."""
    return table["age"].fillna(-1.0) + 2.0 * table["income"].isna() + (table["job"] == "cook")


def refuses_income(table):
    """Refuse a missing income, as most models do."""
    if table["income"].isna().any():
        raise ValueError("Input X contains NaN.")
    assert ((table["income"] % 1) == 0).all()
    return table["age"].fillna(-1.0) + table["income"]


def says_nothing(table):
    """Answer NaN where an income is missing."""
    return table["age"].fillna(-1.0) + table["income"]


@pytest.fixture
def train(tmp_path):
    rows = [
        ["" if i % 4 == 0 else i + 0.5, "" if i % 5 == 1 else 10 * i, "" if i % 9 == 2 else "cook"]
        for i in range(90)
    ]
    return written(tmp_path, ["age", "income", "job"], rows)


def explained(limex, train, model, row, code=0):
    done = limex(
        *(
            "explain",
            "tabular",
            f"py:tests.tabular.test_missing_values:{model}",
            train,
            "--row",
            row,
        ),
        *("-f", "json", "--samples", "2048"),
    )
    assert done.code == code, done.err
    return json.loads(done.out) if code == 0 else done.err


def test_missing_is_a_component_where_the_model_takes_it(limex, train):
    record = explained(limex, train, "takes_all", 1)
    parts = {one["where"]["column"]: one for one in record["targets"][0]["components"]}
    assert parts["income"]["name"] == "income is missing"
    assert parts["income"]["value"] is None
    assert parts["income"]["weight"] == pytest.approx(2.0, abs=0.3)
    assert not [one for one in record["warnings"] if one["code"] == "missing_not_drawn"]


@pytest.mark.parametrize("model", ["refuses_income", "says_nothing"])
def test_a_model_that_refuses_missing_values_is_given_observed_ones(limex, train, model):
    record = explained(limex, train, model, 2)
    (said,) = [one for one in record["warnings"] if one["code"] == "missing_not_drawn"]
    assert said["message"] == (
        "the model does not accept missing values: those of 'income' are drawn from observed ones"
    )
    parts = {one["where"]["column"]: one for one in record["targets"][0]["components"]}
    assert parts["income"]["value"] == 20
    assert isinstance(parts["income"]["value"], int)


def test_a_row_that_lacks_what_the_model_needs_is_told_so(limex, train):
    words = explained(limex, train, "refuses_income", 1, code=4)
    assert "does not accept missing values (column 'income', line 3)" in words


def test_a_scikit_learn_pipeline_without_imputer_is_explained(limex, train, tmp_path):
    import joblib
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    table = pandas.read_csv(train)[["age", "income"]]
    some = table.dropna(subset="income")
    columns = make_column_transformer((SimpleImputer(), ["age"]), remainder="passthrough")
    fitted = make_pipeline(columns, LinearRegression()).fit(some, np.arange(len(some)))
    joblib.dump(fitted, tmp_path / "m.joblib")
    done = limex(
        *("explain", "tabular", tmp_path / "m.joblib", train, "--row", "0", "-f", "json"),
        *("--drop", "job"),
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    (said,) = [one for one in record["warnings"] if one["code"] == "missing_not_drawn"]
    assert "'income'" in said["message"]
    assert "'age'" not in said["message"]
    assert "age is missing" in {one["name"] for one in record["targets"][0]["components"]}
