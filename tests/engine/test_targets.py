"""Which class is explained: the one that predict names, the one of a number's value."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lime_cli

if not hasattr(model_selection, "FixedThresholdClassifier"):
    pytest.skip("an older scikit-learn moves no thresholds", allow_module_level=True)

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(120, 3)), columns=list("abc"))
NOISE = RANDOM.normal(size=120)
WORDS = np.where(X.a + NOISE > 0.3, "malignant", "benign")


def explained(folder, model, rows="0-39", target="predicted", trust=False):
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    X.to_csv(folder / "d.csv", index=False)
    path, table = str(folder / "m.pkl"), str(folder / "d.csv")
    with pytest.warns(lime_cli.LimexWarning):
        return list(
            lime_cli.explain(path, table, rows=[rows], samples=64, target=target, trust=trust)
        )


MODELS = {
    "fixed": lambda: model_selection.FixedThresholdClassifier(
        LogisticRegression(), threshold=0.1, pos_label="malignant"
    ),
    "piped": lambda: make_pipeline(
        StandardScaler(),
        model_selection.FixedThresholdClassifier(
            LogisticRegression(), threshold=0.8, pos_label="malignant"
        ),
    ),
    "tuned": lambda: model_selection.TunedThresholdClassifierCV(LogisticRegression(), cv=3),
    "plain": lambda: LogisticRegression(),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_the_class_that_predict_names_is_explained(tmp_path, name):
    model = MODELS[name]().fit(X, WORDS)
    found = explained(tmp_path, model)
    largest = model.classes_[model.predict_proba(X[:40]).argmax(axis=1)]
    expected = model.predict(X[:40])
    assert [one.target for one in found] == list(expected)
    codes = [dict(one.coded_warnings).get("predicted_by_threshold") is not None for one in found]
    assert codes == (largest != expected).tolist()
    assert all(one.record["settings"]["targets"] == ["predicted"] for one in found)


class Tied(LogisticRegression):
    """Says half and half, and decides for the last."""

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.repeat(self.classes_[-1:], len(X))


def test_of_classes_that_tie_the_one_that_predict_names_is_explained(tmp_path):
    (found,) = explained(tmp_path, Tied().fit(X, WORDS), rows="3", trust=True)
    assert found.target == "malignant"


@pytest.mark.parametrize(
    ("target", "name", "codes"),
    [("1", "1.0", []), ("2", "2.0", []), ("10", "10.0", []), ("0", "1.0", ["target_by_index"])],
)
def test_a_number_is_the_class_of_that_value(tmp_path, target, name, codes):
    classes = np.array([1.0, 2.0, 10.0])[np.digitize(X.a, [-0.5, 0.5])]
    model = LogisticRegression().fit(X, classes)
    (found,) = explained(tmp_path, model, rows="3", target=target)
    assert found.target == name
    assert [code for code, _ in found.coded_warnings if code == "target_by_index"] == codes


def test_an_index_of_words_is_an_index(tmp_path):
    (found,) = explained(tmp_path, LogisticRegression().fit(X, WORDS), rows="3", target="1")
    assert found.target == "malignant"


@pytest.mark.parametrize("target", ["predicted", "10"])
def test_the_class_that_is_explained_is_the_one_that_is_evaluated(limex, tmp_path, target):
    values = np.array([2, 10, 5])[np.digitize(X.a, [-0.5, 0.5])]
    thresholds = MODELS["fixed"]().fit(X, WORDS)
    model = thresholds if target == "predicted" else LogisticRegression().fit(X, values)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    X.to_csv(tmp_path / "d.csv", index=False)
    row = str(np.flatnonzero(model.predict_proba(X)[:, 1] < 0.5)[0])
    call = ("tabular", tmp_path / "m.pkl", tmp_path / "d.csv", "--row", row, "--samples", "64")
    call = (*call, "--target", target, "-f", "json")
    explained, evaluated = limex("explain", *call), limex("evaluate", *call, "--seeds", "2")
    names = [json.loads(one.out)["targets"][0]["name"] for one in (explained, evaluated)]
    wanted = str(model.predict(X)[int(row)]) if target == "predicted" else "10"
    assert names == [wanted, wanted]
