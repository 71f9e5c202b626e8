"""limex against marcotcr/lime itself: mean weights over seeds, where both draw by the same law."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris

from lime_cli.engine import explain
from lime_cli.models.model_file import ModelInput
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from lime_cli.texts.modality import TextModality
from tests.conftest import FunctionModel

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lime.lime_tabular import LimeTabularExplainer
    from lime.lime_text import LimeTextExplainer

TEXT = "This movie was not good, it was a bad bad film but the cast was good."
N = 2000
EVERY = {"selection": "none", "samples": 512, "targets": ("1",)}


def two_columns(p):
    p = np.asarray(p, float)
    return np.stack([1 - p, p], axis=1)


def linear_in_words(texts):
    found = [0.4 + 0.2 * ("good" in t) - 0.3 * ("bad" in t) + 0.1 * ("cast" in t) for t in texts]
    return two_columns(found)


def test_texts_agree_where_the_model_is_linear_in_words():
    instance = TextModality(text=TEXT).fitted(ModelInput()).read(Source("--text", "--text"))
    model = FunctionModel(linear_in_words, "classification", ("no", "yes"), True)
    explanation = next(explain([instance], model, Settings(**EVERY)))
    ours = {w.component: w.weight for w in explanation.surrogates[0].weights}
    explainer = LimeTextExplainer(random_state=0, feature_selection="none")
    result = explainer.explain_instance(TEXT, linear_in_words, num_samples=N, num_features=99)
    theirs = dict(result.as_map()[1])
    for j in range(len(instance.components)):
        assert ours[j] == pytest.approx(theirs[j], abs=2e-3)  # lime's ridge shrinks a little


def row_of(X, row):
    """Return a row of numbers as an instance, the whole table being its background."""
    names = tuple(f"c{j}" for j in range(X.shape[1]))
    rows = tuple(tuple(map(repr, line)) for line in X.tolist())
    cells = Cells("t.csv", names, rows, tuple(range(2, len(X) + 2)))
    background = build_background(cells, names, Schema(numeric=names))
    return RowInstance(Source(str(row), "t.csv", row), background, tuple(X[row].tolist()), ())


def binned(X, cuts, beta):
    """Answer by the bin of each value alone, so that draws inside bins do not matter."""
    codes = np.stack([np.searchsorted(c, X[:, j]) for j, c in enumerate(cuts)], axis=1)
    return two_columns(1 / (1 + np.exp(-((codes - 1.5) @ beta))))


@pytest.mark.parametrize(("name", "row"), [("iris", 100), ("iris", 20), ("cancer", 5)])
def test_tables_agree_where_the_model_counts_bins(name, row):
    X = (load_iris() if name == "iris" else load_breast_cancer()).data[:, :6]
    X = np.array([[float(f"{v:.6g}") for v in line] for line in X])
    d = X.shape[1]
    beta = np.random.default_rng(row).normal(size=d) * 0.1
    cuts = [np.unique(np.quantile(X[:, j], [0.25, 0.5, 0.75])) for j in range(d)]

    def counted(Z):
        own = [np.searchsorted(c, X[row, j]) for j, c in enumerate(cuts)]
        same = [np.searchsorted(c, Z[:, j]) == own[j] for j, c in enumerate(cuts)]
        return two_columns(0.5 + np.stack(same, axis=1) @ beta)

    model = FunctionModel(
        lambda table: counted(np.stack(table.columns, axis=1)),
        "classification",
        ("no", "yes"),
        True,
    )
    explanation = next(explain([row_of(X, row)], model, Settings(**EVERY)))
    ours = {w.component: w.weight for w in explanation.surrogates[0].weights}
    explainer = LimeTabularExplainer(X, random_state=0, feature_selection="none")
    result = explainer.explain_instance(X[row], counted, num_samples=N, num_features=d)
    theirs = dict(result.as_map()[1])
    for j in range(d):
        assert ours[j] == pytest.approx(beta[j], abs=1e-6)
        assert ours[j] == pytest.approx(theirs[j], abs=3e-3)
