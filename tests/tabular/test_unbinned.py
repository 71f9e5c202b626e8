"""Numbers that are not cut: slopes by standard deviations, exact for a linear model."""

import json

import numpy as np
import pytest

from lime_cli.errors import SettingsError
from lime_cli.tabular.row import ScaledRow, moments_of
from lime_cli.tabular.schema import Schema
from tests.tabular.test_modality import read, written


def linear(table):
    """Answer by slopes that are known."""
    missing = table["income"].isna()
    size = table["income"].fillna(0.0)
    return 3 + 0.5 * table["age"] - 0.02 * size + 2.0 * (table["job"] == "cook") + 0.0 * missing


@pytest.fixture
def train(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        [round(rng.normal(50, 12), 3), round(rng.gamma(2, 500), 2), "cook" if i % 3 else "nurse"]
        for i in range(200)
    ]
    return written(tmp_path, ["age", "income", "job"], rows)


MODEL = "py:tests.tabular.test_unbinned:linear"


def explained(limex, train, *more):
    done = limex(
        *("explain", "tabular", MODEL, train, "--row", "7", "-f", "json", "--bins", "none", *more)
    )
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_weights_of_a_linear_model_are_its_slopes(limex, train):
    record = explained(limex, train)
    (target,) = record["targets"]
    parts = {one["where"]["column"]: one for one in target["components"]}
    assert parts["age"]["weight_per_unit"] == pytest.approx(0.5, rel=1e-6)
    assert parts["income"]["weight_per_unit"] == pytest.approx(-0.02, rel=1e-6)
    assert parts["age"]["weight"] == pytest.approx(0.5 * parts["age"]["step"])
    assert parts["age"]["name"] == f"age + {parts['age']['step']:.4g}"
    assert abs(parts["job"]["weight"]) == pytest.approx(2.0, rel=1e-6)
    assert "step" not in parts["job"]
    assert target["local_prediction"] == pytest.approx(target["model_prediction"], rel=1e-9)
    assert target["fidelity"] == pytest.approx(1.0)


def test_rows_share_samples_and_do_not_depend_on_each_other(limex, train):
    words = ("explain", "tabular", MODEL, train, "-f", "jsonl", "--bins", "none")
    both = limex(*words, "--row", "7,9").out.splitlines()
    assert json.loads(both[0])["hash"] == explained(limex, train)["hash"]
    assert json.loads(limex(*words, "--row", "9").out)["hash"] == json.loads(both[1])["hash"]


def test_the_record_comes_back_from_its_file(limex, train, tmp_path):
    path = tmp_path / "one.json"
    limex("explain", "tabular", MODEL, train, "--row", "7", "--bins", "none", "-o", path)
    again = limex("render", path, "-f", "json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["hash"] == json.loads(path.read_text("utf-8"))["hash"]


def test_distance_and_steps_are_standardised(train):
    instance = read(train, 7, schema=Schema(bins="none"))
    assert isinstance(instance, ScaledRow)
    codes = np.array([[0, 0, 0], [3, 9, 1]])
    table = instance.model_inputs(codes)
    kept = instance.interpretable(codes)
    for j, feature in enumerate(instance.background.features[:2]):
        values, shares = feature.values, feature.shares
        step = np.sqrt(
            np.average((values - np.average(values, weights=shares)) ** 2, weights=shares)
        )
        assert kept[:, j] == pytest.approx(1 + (table.columns[j] - instance.values[j]) / step)
        assert instance.components[j].step == pytest.approx(step)
    assert set(kept[:, 2]) <= {0.0, 1.0}


def test_a_missing_number_counts_as_the_mean_and_is_a_component_of_its_own(tmp_path):
    path = written(
        tmp_path,
        ["a", "b"],
        [["" if i % 4 == 0 else i * 1.5, i * 2.5] for i in range(60)],
    )
    own = read(path, 0, schema=Schema(bins="none"))
    assert own.components[0].name == "a is missing"
    assert own.components[0].step is None
    other = read(path, 1, schema=Schema(bins="none"))
    feature = other.background.features[0]
    mean, step = moments_of(feature)
    codes = np.array([[len(feature.values) - 1, 0]])
    assert other.interpretable(codes)[0, 0] == pytest.approx(1 + (mean - 1.5) / step)


def test_trees_and_groups_of_numbers_need_bins(limex, train):
    done = limex(
        *("explain", "tabular", MODEL, train, "--row", "7", "--bins", "none"),
        *("--surrogate", "tree"),
    )
    assert done.code == 2
    assert "--bins none: the rules of a tree need bins" in done.err
    with pytest.raises(SettingsError, match="--bins none: the numbers of group 'both'"):
        read(train, 0, schema=Schema(bins="none", groups=(("both", ("age", "income")),)))


def test_evaluate_takes_numbers_by_size(limex, train):
    done = limex("evaluate", "tabular", MODEL, train, "--row", "7", "--bins", "none")
    assert done.code == 0, done.err
