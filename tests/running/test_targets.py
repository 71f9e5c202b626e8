"""Which class is explained: the one that predict names, the one of a number's value."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lime_cli
from lime_cli.models.model_file import ModelFile
from lime_cli.settings import Settings

if not hasattr(model_selection, "FixedThresholdClassifier"):
    pytest.skip("an older scikit-learn moves no thresholds", allow_module_level=True)

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(120, 3)), columns=list("abc"))
NOISE = RANDOM.normal(size=120)
WORDS = np.where(X.a + NOISE > 0.3, "malignant", "benign")


def explained(folder, model, rows="0-39", target="predicted"):
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    X.to_csv(folder / "d.csv", index=False)
    path, table = str(folder / "m.pkl"), str(folder / "d.csv")
    settings = Settings(samples=64, targets=(target,))
    found = lime_cli.explain_tabular(path, table, rows=rows, settings=settings)
    return [one.explanation for one in found]


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
    assert [one.surrogates[0].name for one in found] == list(expected)
    codes = [[c.code for c in one.warnings].count("predicted_by_threshold") for one in found]
    assert codes == (largest != expected).astype(int).tolist()
    assert {one.settings.targets for one in found} == {("predicted",)}


class Tied(LogisticRegression):
    """Says half and half, and decides for the last."""

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return np.repeat(self.classes_[-1:], len(X))


def test_of_classes_that_tie_the_one_that_predict_names_is_explained(tmp_path):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Tied().fit(X, WORDS)))
    X.to_csv(tmp_path / "d.csv", index=False)
    file = ModelFile(str(tmp_path / "m.pkl"), trust=True)
    (found,) = lime_cli.explain_tabular(file, str(tmp_path / "d.csv"), rows="3")
    assert found.explanation.surrogates[0].name == "malignant"


@pytest.mark.parametrize(
    ("target", "name", "codes"),
    [("1", "1.0", []), ("2", "2.0", []), ("10", "10.0", []), ("0", "1.0", ["target_by_index"])],
)
def test_a_number_is_the_class_of_that_value(tmp_path, target, name, codes):
    classes = np.array([1.0, 2.0, 10.0])[np.digitize(X.a, [-0.5, 0.5])]
    model = LogisticRegression().fit(X, classes)
    (found,) = explained(tmp_path, model, rows="3", target=target)
    assert found.surrogates[0].name == name
    assert [c.code for c in found.warnings if c.code == "target_by_index"] == codes


def test_an_index_of_words_is_an_index(tmp_path):
    (found,) = explained(tmp_path, LogisticRegression().fit(X, WORDS), rows="3", target="1")
    assert found.surrogates[0].name == "malignant"
