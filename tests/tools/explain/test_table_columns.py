"""The command line's choices about columns: typed, in a sidecar, in the environment."""

import csv
import json

import joblib
import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

HEADER = ["age", "street", "city", "red", "green", "blue", "since", "notes"]


@pytest.fixture
def case(tmp_path):
    """A pipeline with a text step beside numbers, and its training data."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        colour = int(rng.integers(3))
        words = ["fine", "house", "garden", *(["mould"] if i % 3 == 0 else [])]
        rng.shuffle(words)
        street, city = [("High St", "Oslo"), ("Quay", "Bergen")][i % 2]
        day = f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"
        blocks = [int(colour == j) for j in range(3)]
        rows.append([int(rng.integers(18, 90)), street, city, *blocks, day, " ".join(words)])
    with (tmp_path / "train.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows])
    table = pandas.read_csv(tmp_path / "train.csv")
    columns = ColumnTransformer(
        [
            ("notes", TfidfVectorizer(), "notes"),
            ("numbers", "passthrough", ["age", "red", "green", "blue"]),
        ],
        remainder="drop",
    )
    truth = table["notes"].str.contains("mould") | (table["red"] == 1)
    fitted = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(table, truth)
    joblib.dump(fitted, tmp_path / "model.joblib")
    return tmp_path


def explained(limex, case, *more):
    done = limex(
        *("explain", "tabular", case / "model.joblib", case / "train.csv", "--row", "0"),
        *("-f", "json", "--samples", "1024", *more),
    )
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_pipeline_with_a_text_step_is_explained_by_words_and_columns(limex, case):
    record = explained(limex, case, "--text-column", "notes", "--onehot", "--target", "True")
    parts = {one["name"]: one for one in record["targets"][0]["components"]}
    assert parts["mould"]["where"]["column"] == "notes"
    (start, end), *_ = parts["mould"]["where"]["spans"]
    assert record["instance"]["facts"]["values"]["notes"][start:end] == "mould"
    assert parts["mould"]["weight"] == max(one["weight"] for one in parts.values())
    assert ("since", "a date") in [(one["name"], one["reason"]) for one in record["skipped"]]
    groups = record["background"]["groups"]
    assert groups == {"red..blue": ["red", "green", "blue"]}


@pytest.mark.parametrize("form", ["table", "csv", "html", "md", "svg", "jsonl"])
def test_words_of_cells_are_drawn_in_every_format(limex, case, form):
    words = ("explain", "tabular", case / "model.joblib", case / "train.csv", "--row", "0")
    path = case / f"out.{form if form != 'table' else 'txt'}"
    more = ("--samples", "512", "--text-column", "notes", "-f", form, "-o", path)
    done = limex(*words, *more)
    assert done.code == 0, done.err
    assert "mould" in path.read_text("utf-8")


def test_choices_stand_in_the_sidecar_and_in_the_environment(limex, case, monkeypatch):
    typed = explained(
        *(limex, case, "--group", "address=street,city", "--fixed", "age", "--text-column"),
        *("notes", "--onehot", "--features-only", "address,notes,red..blue"),
    )
    (case / "model.joblib.toml").write_text(
        'group = ["address=street,city"]\nfixed = ["age"]\ntext-column = "notes"\nonehot = true\n'
        'features-only = ["address", "notes", "red..blue"]\n',
        "utf-8",
    )
    assert explained(limex, case)["hash"] == typed["hash"]
    (case / "model.joblib.toml").unlink()
    for name, value in {
        "GROUP": "address=street,city",
        "FIXED": "age",
        "TEXT_COLUMN": "notes",
        "ONEHOT": "1",
        "FEATURES_ONLY": "address,notes,red..blue",
    }.items():
        monkeypatch.setenv(f"LIMEX_{name}", value)
    assert explained(limex, case)["hash"] == typed["hash"]


def test_a_wrong_name_in_the_sidecar_is_told_with_its_line(limex, case):
    (case / "model.joblib.toml").write_text('fixed = ["agee"]\n', "utf-8")
    done = limex("explain", "tabular", case / "model.joblib", case / "train.csv", "--row", "0")
    assert done.code == 2
    assert "model.joblib.toml:1: fixed: train.csv has no column 'agee'" in done.err
    assert "did you mean 'age'?" in done.err


def test_rows_with_held_columns_are_the_same_alone_and_together(limex, case):
    words = ("explain", "tabular", case / "model.joblib", case / "train.csv", "-f", "jsonl")
    more = ("--samples", "256", "--text-column", "notes")
    together = [json.loads(one) for one in limex(*words, "--row", "0-3", *more).out.splitlines()]
    alone = json.loads(limex(*words, "--row", "2", *more).out)
    assert together[2]["hash"] == alone["hash"]
    assert len({one["hash"] for one in together}) == 4


def test_evaluate_knows_the_same_choices(limex, case):
    words = ("evaluate", "tabular", case / "model.joblib", case / "train.csv", "--row", "0")
    done = limex(*words, "--samples", "256", "--text-column", "notes", "--fixed", "age")
    assert done.code == 0, done.err
    assert "mould" in done.out


@pytest.mark.parametrize(
    "option", [("--group", "a=street,city"), ("--onehot",), ("--fixed", "age"), ("--bins", "none")]
)
def test_like_lime_refuses_what_lime_does_not_know(limex, case, option):
    words = ("explain", "tabular", case / "model.joblib", case / "train.csv", "--row", "0")
    done = limex(*words, "--like-lime", *option)
    assert done.code == 2
    assert "--like-lime: marcotcr/lime has no" in done.err
