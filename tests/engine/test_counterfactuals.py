"""The nearest sampled change of class is one: the model itself says so, and none is nearer."""

import csv
import json
import math
from itertools import combinations, product

import joblib
import numpy as np
import pandas as pd
import pytest

from lime_cli.engine import explain
from lime_cli.settings import Settings
from tests.conftest import MaskInstance, turning_at

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


@pytest.mark.parametrize(("needed", "n"), [(3, 1), (10, 1), (11, 0), (40, 0)])
def test_a_change_of_very_many_components_is_not_told(needed, n):
    """The class changes where so many of 120 components, whichever they are, are masked."""
    model = turning_at(needed)
    (explanation,) = explain([MaskInstance(120)], model, Settings(samples=1024))
    found = explanation.counterfactuals
    assert [len(one.replaced) for one in found] == [needed] * n


# -- one class against another ------------------------------------------------------------------

EVERY = ("--radius", "0.15", "--selection", "none", "--samples", "1024")


def weights_of(record):
    (target,) = record["targets"]
    return {one["where"].get("column", one["name"]): one["weight"] for one in target["components"]}


def errors_of(record):
    (target,) = record["targets"]
    components = target["components"]
    return {one["where"].get("column", one["name"]): one["std_error"] for one in components}


@pytest.mark.parametrize(
    ("case", "one", "other"),
    [
        ((*ZOO, "--row", "84"), "mammal", "bird"),
        ((*ZOO, "--row", "84", "--features-only", "milk,hair,eggs"), "mammal", "reptile"),
        ((*LOAN, "--row", "3"), "no", "yes"),
        (("text", "sample_models/reviews.pkl", "sample_data/review.txt"), "positive", "negative"),
        (("image", "sample_models/scenes.onnx", "sample_data/scene.png"), "cat", "cup"),
    ],
)
def test_weights_against_a_class_are_differences(limex, tmp_path, case, one, other):
    """Least squares is linear in what it fits; which control variates help is not."""
    both = explained(limex, tmp_path, *case, *EVERY, "--target", one, "--against", other)
    first = explained(limex, tmp_path, *case, *EVERY, "--target", one)
    second = explained(limex, tmp_path, *case, *EVERY, "--target", other)
    found, plus, minus = map(weights_of, (both, first, second))
    errors = [errors_of(record) for record in (both, first, second)]
    for name, weight in found.items():
        off = 2 * math.hypot(*(one[name] for one in errors)) + 1e-9
        assert weight == pytest.approx(plus[name] - minus[name], abs=off)
    target, a, b = (record["targets"][0] for record in (both, first, second))
    for key, by in (("model_prediction", 1e-9), ("local_prediction", 0.01), ("gap", 0.01)):
        assert target[key] == pytest.approx(a[key] - b[key], abs=by)
    assert target["name"] == f"{one} against {other}"
    assert target["index"] == a["index"]
    assert target["against"] == {"name": other, "index": b["index"]}
    assert both["outputs"] == first["outputs"]
    assert both["settings"]["against"] == other


def test_a_tree_explains_the_difference_too(limex, tmp_path):
    words = (*ZOO, "--row", "84", "--surrogate", "tree", "--samples", "512", "--against", "bird")
    record = explained(limex, tmp_path, *words)
    (target,) = record["targets"]
    difference = record["outputs"][5] - record["outputs"][1]
    assert target["model_prediction"] == pytest.approx(difference)
    assert min(one["value"] for one in target["rules"]) >= -1
    assert max(one["value"] for one in target["rules"]) <= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-samples", "600", "--samples", "601"), "is less than --samples 601; raise it"),
        (("--max-samples", "600", "--like-lime"), "--max-samples: marcotcr/lime has no such"),
    ],
)
def test_bounds_that_would_not_hold_are_refused(limex, words, said):
    done = limex("explain", *ZOO, "--row", "84", *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "mammal", "--against", "mammal"), "'mammal' is the target itself"),
        (("--against", "brid"), "--against: the model has no output 'brid'; did you mean bird?"),
        (("--against", "nothing"), "--against: the model has no output 'nothing'; it has"),
        (("--against", "7"), "--against: 7 is out of range"),
        (("--against", "all"), "all is not one output"),
        (("--against", "bird", "--like-lime"), "--against: marcotcr/lime has no such option"),
        (("--against", "bird", "--kernel", "shapley"), "--against"),
    ],
)
def test_what_cannot_be_compared_is_refused(limex, words, said):
    done = limex("explain", *ZOO, "--row", "84", "--samples", "64", *words)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert said in done.err


def test_every_view_says_what_is_compared(limex, tmp_path):
    words = (*ZOO, "--row", "84", "--samples", "256", "--against", "bird")
    for form in ("table", "md", "csv", "html", "svg"):
        out = limex("explain", *words, "-f", form).out
        assert "mammal against bird" in out if form != "svg" else "“bird”" in out
    page = limex("explain", *words, "-f", "html").out
    record = explained(limex, tmp_path, *words)
    numbers = [record["outputs"][i] for i in (5, 1)]
    given = " and the class ".join(
        f"“{name}” {number:.1%}" for name, number in zip(("mammal", "bird"), numbers, strict=True)
    )
    said = f"The model gives the class {given}, a difference of"
    assert f"{said} {100 * (numbers[0] - numbers[1]):.1f} points" in page
