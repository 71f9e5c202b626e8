"""The nearest sampled change of class is one: the model itself says so, and none is nearer."""

import csv
import json
from itertools import combinations, product

import joblib
import numpy as np
import pandas as pd
import pytest

ZOO = ("tabular", "sample_models/zoo_mlp.pkl", "sample_data/zoo.csv")
LOAN = ("tabular", "sample_models/loans.pkl", "sample_data/loans.csv")


def explained(limex, tmp_path, *words):
    path = tmp_path / "one.json"
    done = limex("explain", *words, "-q", "--force", "-o", path)
    assert done.code == 0, done.err
    return json.loads(path.read_text())


def changed(record, found):
    """The row with what a change replaces."""
    row = dict(record["instance"]["facts"]["values"])
    for one in found["replaced"]:
        column = one["where"]["column"]
        assert row[column] == one["value"] != one["replacement"]
        row[column] = one["replacement"]
    return row


@pytest.mark.parametrize("row", [3, 12, 84])
@pytest.mark.parametrize("case", [ZOO, LOAN], ids=["zoo", "loans"])
def test_the_model_itself_takes_the_changed_row_for_the_class(limex, tmp_path, case, row):
    record = explained(limex, tmp_path, *case, "--row", row, "--samples", "2048")
    model = joblib.load(case[1])
    names = record["model"]["targets"]
    for found in record["counterfactuals"]:
        values = changed(record, found)
        frame = pd.DataFrame([{key: np.nan if one is None else one for key, one in values.items()}])
        (answer,) = model.predict_proba(frame)
        own = names[int(np.argmax(record["outputs"]))]
        assert names[int(np.argmax(answer))] == found["name"] != own
        assert answer.max() == pytest.approx(found["prediction"], abs=1e-6)
        assert found["original"] == record["outputs"][found["index"]]
    sizes = [len(one["replaced"]) for one in record["counterfactuals"]]
    assert sizes == sorted(sizes)
    assert len({one["name"] for one in record["counterfactuals"]}) == len(sizes)


def test_of_all_changes_there_are_the_nearest_is_found(limex, tmp_path):
    """Every input of four columns is asked about: no smaller set of changes flips the class."""
    columns = ("milk", "hair", "feathers", "eggs")
    words = (*ZOO, "--row", "84", "--features-only", ",".join(columns))
    record = explained(limex, tmp_path, *words)
    assert record["stop"] == "exhaustive"
    row = record["instance"]["facts"]["values"]
    model, names = joblib.load(ZOO[1]), record["model"]["targets"]
    own = names[int(np.argmax(record["outputs"]))]
    smallest = {}
    for size in range(1, 5):
        for some in combinations(columns, size):
            other = [{**row, **{name: 1 - row[name] for name in some}}]
            answer = model.predict_proba(pd.DataFrame(other))[0]
            smallest.setdefault(names[int(np.argmax(answer))], size)
    smallest.pop(own, None)
    found = {one["name"]: len(one["replaced"]) for one in record["counterfactuals"]}
    assert found == dict(sorted(smallest.items(), key=lambda item: item[1])[:3])


def test_no_change_of_class_and_no_classes_are_told_apart(limex, tmp_path):
    (tmp_path / "limex_sure.py").write_text(
        "import numpy as np\n\n\ndef model(rows):\n"
        "    a = np.asarray(rows['a'], float) / 1000\n    return np.stack([0.1 + a, 0.9 - a], 1)\n"
    )
    table = tmp_path / "t.csv"
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "b"])
        writer.writerows(product(range(10), range(10)))
    import os
    import subprocess
    import sys

    from tests.conftest import ROOT

    path = tmp_path / "sure.json"
    words = ["explain", "tabular", "py:limex_sure:model", str(table), "--row", "3", "-o", str(path)]
    subprocess.run(
        [sys.executable, "-m", "lime_cli", *words],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(path.read_text())["counterfactuals"] == []
    sugar = ("tabular", "sample_models/diabetes.pkl", "sample_data/diabetes.csv", "--row", "3")
    assert explained(limex, tmp_path, *sugar, "--samples", "256")["counterfactuals"] is None


def test_a_word_that_is_removed_has_no_replacement(limex, tmp_path):
    words = ("text", "sample_models/reviews.pkl", "--text", "a wonderful film, too loud and dull")
    record = explained(limex, tmp_path, *words, "--samples", "512")
    for found in record["counterfactuals"]:
        assert all(one["replacement"] is None for one in found["replaced"])
    model = joblib.load("sample_models/reviews.pkl")
    text = record["instance"]["facts"]["text"]
    for found in record["counterfactuals"]:
        gone = {tuple(span) for one in found["replaced"] for span in one["where"]["spans"]}
        kept = "".join(
            letter
            for i, letter in enumerate(text)
            if not any(start <= i < end for start, end in gone)
        )
        answer = model.predict_proba([kept])[0]
        assert answer.max() == pytest.approx(found["prediction"], abs=1e-6)
        assert record["model"]["targets"][int(np.argmax(answer))] == found["name"]
