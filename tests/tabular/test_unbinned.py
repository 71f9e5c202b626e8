"""Numbers that are not cut: replaced by any other value, with slopes where they can be told."""

import json

import numpy as np
import pytest

from lime_cli.engine.masks import given
from lime_cli.errors import SettingsError
from lime_cli.tabular.row import LEAST_REACH
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


def test_a_weight_per_unit_is_the_slope_of_a_linear_model(limex, train):
    record = explained(limex, train, "--samples", "4096")
    (target,) = record["targets"]
    parts = {one["where"]["column"]: one for one in target["components"]}
    own = record["instance"]["facts"]["values"]
    assert parts["age"]["weight_per_unit"] == pytest.approx(0.5, rel=0.05)
    assert parts["income"]["weight_per_unit"] == pytest.approx(-0.02, rel=0.05)
    assert parts["age"]["weight"] == pytest.approx(
        parts["age"]["weight_per_unit"] * parts["age"]["step"]
    )
    assert parts["age"]["name"].startswith(f"age = {own['age']:.6g}")
    assert abs(parts["job"]["weight"]) == pytest.approx(2.0, rel=0.05)
    assert "step" not in parts["job"]
    assert target["local_prediction"] == pytest.approx(target["model_prediction"], rel=1e-3)


def test_rows_do_not_depend_on_each_other(limex, train):
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


def test_what_is_masked_becomes_another_value_and_what_is_kept_stays(train):
    instance = read(train, 7, schema=Schema(bins="none"))
    rng = np.random.default_rng(1)
    masks = given(rng.random((400, 3)) < 0.5, rng)
    table = instance.model_inputs(instance.codes(masks))
    for column, own, masked in zip(table.columns, instance.values, masks.masked.T, strict=True):
        assert ((column != own) == masked).all()


def test_the_step_is_the_distance_from_the_mean_of_what_replaces(train):
    instance = read(train, 7, schema=Schema(bins="none"))
    feature = instance.background.features[0]
    others = feature.values != instance.values[0]
    mean = np.average(feature.values[others], weights=feature.frequencies[others])
    assert instance.components[0].step == pytest.approx(instance.values[0] - mean)


def test_a_number_near_the_mean_of_the_others_has_no_slope(train):
    steps = []
    for row in range(40):
        instance = read(train, row, schema=Schema(bins="none"))
        feature = instance.background.features[0]
        away = abs(instance.values[0] - np.average(feature.values, weights=feature.frequencies))
        spread = np.sqrt(np.cov(feature.values, aweights=feature.frequencies, ddof=0))
        steps.append((away / spread, instance.components[0].step))
    assert all(step is None for away, step in steps if away < 0.9 * LEAST_REACH)
    assert all(step is not None for away, step in steps if away > 1.1 * LEAST_REACH)


def test_a_missing_number_is_a_component_of_its_own(tmp_path):
    path = written(
        tmp_path,
        ["a", "b"],
        [["" if i % 4 == 0 else i * 1.5, i * 2.5] for i in range(60)],
    )
    own = read(path, 0, schema=Schema(bins="none"))
    assert own.components[0].name == "a is missing"
    assert own.components[0].step is None


def test_groups_of_numbers_need_bins(train):
    with pytest.raises(SettingsError, match="--bins none: the numbers of group 'both'"):
        read(train, 0, schema=Schema(bins="none", groups=(("both", ("age", "income")),)))


def test_evaluate_takes_uncut_numbers(limex, train):
    done = limex("evaluate", "tabular", MODEL, train, "--row", "7", "--bins", "none")
    assert done.code == 0, done.err
