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

SEEDS = range(10)
N = 2000
CHOICES = {"samples": N - 1, "selection": "none", "penalty": 1.0, "targets": ("1",)}

TEXT = "This movie was not good, it was a bad bad film but the cast was good."


def agree(ours, theirs):
    """Compare the means of two sets of runs, a row each, to three of their standard errors."""
    ours, theirs = np.array(ours), np.array(theirs)
    error = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / len(SEEDS))
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) <= 3 * error + 1e-12).all()


def two_columns(p):
    p = np.asarray(p, float)
    return np.stack([1 - p, p], axis=1)


def words_probability(texts):
    z = [1.2 * ("good" in t) - 1.5 * ("bad" in t) + 0.4 * ("cast" in t) - 0.2 for t in texts]
    return two_columns(1 / (1 + np.exp(-np.array(z))))


@pytest.mark.parametrize("merge", [True, False])
def test_texts_agree(merge):
    modality = TextModality(text=TEXT, merge_repeats=merge, mask=None if merge else "UNKWORDZ")
    instance = modality.fitted(ModelInput()).read(Source("--text", "--text"))
    model = FunctionModel(words_probability, "classification", ("no", "yes"), True)
    ours, theirs = [], []
    for seed in SEEDS:
        explanation = next(explain([instance], model, Settings(seed=seed, **CHOICES)))
        found = {w.component: w.weight for w in explanation.surrogates[0].weights}
        ours.append([found[j] for j in range(len(instance.components))])
        explainer = LimeTextExplainer(bow=merge, random_state=seed, feature_selection="none")
        result = explainer.explain_instance(TEXT, words_probability, num_samples=N, num_features=99)
        known = dict(result.as_map()[1])
        theirs.append([known[j] for j in range(len(instance.components))])
    agree(ours, theirs)


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


@pytest.mark.parametrize(
    ("name", "row"), [("iris", 100), ("iris", 20), ("cancer", 5), ("cancer", 300)]
)
def test_tables_agree_on_what_bins_decide(name, row):
    X = (load_iris() if name == "iris" else load_breast_cancer()).data[:, :6]
    X = np.array([[float(f"{v:.6g}") for v in line] for line in X])
    d = X.shape[1]
    beta = np.random.default_rng(row).normal(size=d) * 0.8
    cuts = [np.unique(np.quantile(X[:, j], [0.25, 0.5, 0.75])) for j in range(d)]
    instance = row_of(X, row)
    model = FunctionModel(
        lambda table: binned(np.stack(table.columns, axis=1), cuts, beta),
        "classification",
        ("no", "yes"),
        True,
    )
    ours, theirs = [], []
    for seed in SEEDS:
        explanation = next(explain([instance], model, Settings(seed=seed, **CHOICES)))
        found = {w.component: w.weight for w in explanation.surrogates[0].weights}
        ours.append([found[j] for j in range(d)])
        explainer = LimeTabularExplainer(X, random_state=seed, feature_selection="none")
        result = explainer.explain_instance(
            X[row], lambda Z: binned(Z, cuts, beta), num_samples=N, num_features=d
        )
        known = dict(result.as_map()[1])
        theirs.append([known[j] for j in range(d)])
    agree(ours, theirs)


@pytest.mark.parametrize("row", [5, 300])
def test_tables_rank_alike_on_a_real_forest(row):
    from scipy.stats import spearmanr
    from sklearn.ensemble import RandomForestClassifier

    loaded = load_breast_cancer()
    X = loaded.data[:, 20:30]
    forest = RandomForestClassifier(20, max_depth=4, random_state=0).fit(X, loaded.target)
    instance = row_of(X, row)
    model = FunctionModel(
        lambda table: forest.predict_proba(np.stack(table.columns, axis=1)),
        "classification",
        ("no", "yes"),
        True,
    )
    explanation = next(explain([instance], model, Settings(**CHOICES)))
    ours = {w.component: w.weight for w in explanation.surrogates[0].weights}
    explainer = LimeTabularExplainer(X, random_state=0, feature_selection="none")
    result = explainer.explain_instance(
        X[row], forest.predict_proba, num_samples=N, num_features=10
    )
    theirs = dict(result.as_map()[1])
    order = range(10)
    assert spearmanr([ours[j] for j in order], [theirs[j] for j in order])[0] > 0.8
