"""Shapley values against their definition, by enumeration, and against the shap package."""

import json
from itertools import combinations
from math import factorial

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.errors import SettingsError
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance


def by_definition(game, d):
    """Return the Shapley values (d,) of a function of the set of those that are kept."""
    found = np.zeros(d)
    for j in range(d):
        others = [i for i in range(d) if i != j]
        for size in range(d):
            weight = factorial(size) * factorial(d - size - 1) / factorial(d)
            for some in combinations(others, size):
                found[j] += weight * (game({*some, j}) - game({*some}))
    return found


def one(function, d, **choices):
    settings = Settings(**{"samples": 1024, "kernel": "shapley", "features": 50, **choices})
    return next(explain([MaskInstance(d)], FunctionModel(function), settings))


def curved(z):
    return np.tanh(z @ np.linspace(-2, 2, z.shape[1])) + z[:, 0] * z[:, -1]


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 10])
def test_values_of_masks_are_those_of_the_definition(d):
    def game(kept):
        z = np.zeros((1, d))
        z[0, list(kept)] = 1
        return float(curved(z)[0])

    explanation = one(curved, d)
    (surrogate,) = explanation.surrogates
    assert explanation.stop == "exhaustive"
    found = {weight.component: weight.weight for weight in surrogate.weights}
    expected = by_definition(game, d)
    assert [found[j] for j in range(d)] == pytest.approx(expected, abs=1e-9)
    assert surrogate.intercept == pytest.approx(game(set()))
    assert surrogate.gap == 0
    assert surrogate.intercept + sum(found.values()) == pytest.approx(surrogate.model_prediction)


def table(rows):
    a, b, c, d = (rows[name].to_numpy(float) for name in ("a", "b", "c", "d"))
    return a * b + np.where(c > 0.5, d, -a) + 0.3 * d


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 4)).round(3)
    X[:, 2] = rng.integers(0, 2, 40)
    names = "a,b,c,d"
    np.savetxt(tmp_path / "train.csv", X, delimiter=",", header=names, comments="", fmt="%.6g")
    own = np.array([1.5, -2.25, 1.0, 0.75])
    np.savetxt(tmp_path / "new.csv", own[None], delimiter=",", header=names, comments="", fmt="%g")
    return tmp_path, X, own


def explained(limex, folder, *options):
    result = limex(
        *("explain", "tabular", "py:tests.engine.test_shapley:table", folder / "new.csv"),
        *("--row", "0", "--background", folder / "train.csv", "--kernel", "shapley", "-f", "json"),
        *options,
    )
    assert result.code == 0, result.err
    return json.loads(result.out)


def joint_values(X, own):
    """Return the values of a row when what is masked comes from one row of X at a time."""
    import pandas as pd

    def game(kept):
        mixed = X.copy()
        mixed[:, list(kept)] = own[list(kept)]
        return float(table(pd.DataFrame(mixed, columns=list("abcd"))).mean())

    return by_definition(game, 4), game(set())


def test_values_of_a_row_are_those_of_the_definition(limex, files):
    folder, X, own = files
    expected, baseline = joint_values(X, own)
    record = explained(limex, folder)
    (target,) = record["targets"]
    found = {one["where"]["column"]: one["weight"] for one in target["components"]}
    assert record["stop"] == "exhaustive"
    assert [found[name] for name in "abcd"] == pytest.approx(expected, abs=1e-9)
    assert target["intercept"] == pytest.approx(baseline, abs=1e-12)
    assert target["gap"] == 0
    assert target["kernel"]["name"] == "shapley"


def test_columns_are_named_by_their_values_not_by_bins(limex, files):
    folder, _, own = files
    (target,) = explained(limex, folder)["targets"]
    for one in target["components"]:
        column = one["where"]["column"]
        assert one["name"] == f"{column} = {own['abcd'.index(column)]:.6g}"


def test_the_table_names_what_the_weights_are(limex, files):
    folder, _, _ = files
    case = ("explain", "tabular", "py:tests.engine.test_shapley:table", folder / "new.csv")
    said = limex(
        *(*case, "--row", "0", "--background", folder / "train.csv", "--kernel", "shapley"),
        *("--features", "2"),
    ).out
    assert "the largest Shapley values of 4" in said
    assert "LASSO" not in said


def test_estimated_values_hold_the_exact_ones_within_their_error_bars(limex, files):
    folder, X, own = files
    expected, _ = joint_values(X, own)
    held, halves = [], []
    for seed in range(12):
        record = explained(limex, folder, "--samples", "256", "--seed", seed)
        assert record["stop"] == "samples"
        for part in record["targets"][0]["components"]:
            low, high = part["interval"]
            truth = expected["abcd".index(part["where"]["column"])]
            held.append(low - 1e-9 <= truth <= high + 1e-9)
            halves.append((high - low) / 2)
    assert np.mean(held) >= 0.88
    assert np.median(halves) < 0.25 * np.abs(expected).max()


def test_more_components_than_can_be_enumerated_are_estimated():
    beta = np.linspace(-3, 3, 24)
    (surrogate,) = one(lambda z: z @ beta + z[:, 0] * z[:, 1], 24, samples=2048).surrogates
    found = {weight.component: weight.weight for weight in surrogate.weights}
    expected = beta + np.r_[0.5, 0.5, np.zeros(22)]
    assert [found[j] for j in range(24)] == pytest.approx(expected, abs=0.03)
    assert sum(found.values()) == pytest.approx(surrogate.model_prediction - surrogate.intercept)


def test_values_agree_with_the_shap_package(limex, files):
    shap = pytest.importorskip("shap")
    import pandas as pd

    folder, X, own = files
    predict_samples = lambda rows: table(pd.DataFrame(rows, columns=list("abcd")))  # noqa: E731
    theirs = shap.KernelExplainer(predict_samples, X).shap_values(own[None], silent=True)[0]
    (target,) = explained(limex, folder)["targets"]
    found = {one["where"]["column"]: one["weight"] for one in target["components"]}
    assert [found[name] for name in "abcd"] == pytest.approx(theirs, abs=1e-6)


def test_a_profile_has_no_rows_for_them(limex, files):
    folder, _, _ = files
    profile = folder / "train.profile.json"
    assert limex("profile", folder / "train.csv", "-o", profile).code == 0
    result = limex(
        *("explain", "tabular", "py:tests.engine.test_shapley:table", folder / "new.csv"),
        *("--row", "0", "--background", profile, "--kernel", "shapley"),
    )
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "--kernel shapley" in result.err
    assert "holds no rows; name the table itself with --background" in result.err


@pytest.mark.parametrize(
    "choices",
    [
        {"radius": 0.2},
        {"kernel_width": 1.0},
        {"refit": True},
        {"surrogate": "tree"},
        {"penalty": 1},
    ],
)
def test_what_shapley_values_have_none_of_is_refused(choices):
    with pytest.raises(SettingsError, match="--kernel shapley has no --"):
        Settings(kernel="shapley", **choices)
