"""Trees as surrogates: truths that any of them satisfies, its record, its table, its options."""

import json
from importlib import resources

import jsonschema
import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.errors import SettingsError
from lime_cli.records.record import explanation_of, record_of
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance

FOREST = ("sample_models/cancer_forest.joblib", "sample_data/breast_cancer.csv", "--row", "3")


def one(function, d=12, **choices):
    settings = Settings(**{"samples": 512, "surrogate": "tree", **choices})
    return next(explain([MaskInstance(d)], FunctionModel(function), settings))


def step(z):
    return 5 + np.where(z[:, 3] == 1, np.where(z[:, 7] == 1, 3.0, 1.0), 0.0)


def bent(z):
    return np.tanh(z @ np.linspace(-2, 2, z.shape[1])) + z[:, 0] * z[:, 1]


@pytest.mark.parametrize("samples", [512, 4096])
@pytest.mark.parametrize("scale", [1.0, 1e-20, -1e12])
def test_a_step_of_two_components_is_recovered_exactly(samples, scale):
    explanation = one(lambda z: scale * step(z), samples=samples)
    surrogate = explanation.surrogates[0]
    assert explanation.stop == ("samples" if samples < 4095 else "exhaustive")
    assert [rule.conditions for rule in surrogate.rules] == [
        ((3, True), (7, True)),
        ((3, True), (7, False)),
        ((3, False),),
    ]
    assert [rule.value for rule in surrogate.rules] == pytest.approx(
        [8 * scale, 6 * scale, 5 * scale], rel=1e-9, abs=0
    )
    assert sum(rule.share for rule in surrogate.rules) == pytest.approx(1)
    assert surrogate.fidelity == pytest.approx(1)
    assert surrogate.fit_r2 == pytest.approx(1)
    assert surrogate.local_prediction == pytest.approx(surrogate.model_prediction)
    assert surrogate.intercept == pytest.approx(5 * scale)
    assert surrogate.weights == ()


@pytest.mark.parametrize("level", [0.0, 3.3, -1e9, 1e-30])
@pytest.mark.parametrize("d", [4, 12])
def test_a_constant_model_gives_one_leaf_and_says_so(level, d):
    explanation = one(lambda z: np.full(len(z), level), d)
    surrogate = explanation.surrogates[0]
    assert [(rule.conditions, rule.share) for rule in surrogate.rules] == [((), 1.0)]
    assert surrogate.rules[0].value == pytest.approx(level)
    assert surrogate.fidelity is None
    assert [warning.code for warning in explanation.warnings] == ["flat_response"]


@pytest.mark.parametrize("features", [1, 2, 3, 8])
def test_a_tree_has_at_most_as_many_leaves_as_features(features):
    rules = one(bent, features=features).surrogates[0].rules
    assert len(rules) == features


def test_a_leaf_is_the_weighted_mean_of_what_the_model_says_there():
    explanation = one(bent, 6, samples=64, features=4)
    assert explanation.stop == "exhaustive"
    z = np.indices((2,) * 6).reshape(6, -1).T.astype(float)
    radius = explanation.surrogates[0].radius
    weights = np.prod(np.where(z == 1, 1 - radius, radius), axis=1)
    for rule in explanation.surrogates[0].rules:
        there = np.all([z[:, j] == kept for j, kept in rule.conditions], axis=0)
        mean = np.average(bent(z[there]), weights=weights[there])
        assert rule.value == pytest.approx(mean, rel=1e-6)
        assert rule.share == pytest.approx(weights[there].sum() / weights.sum(), rel=1e-6)


def test_fidelity_is_judged_on_samples_left_out():
    rng = np.random.default_rng(0)
    noise = lambda z: rng.normal(size=len(z))  # noqa: E731
    surrogate = one(noise, samples=256, radius=0.5).surrogates[0]
    assert surrogate.fit_r2 > 0.15
    assert surrogate.fidelity < 0


def test_equal_runs_give_equal_trees_and_every_target_its_own():
    def two(z):
        return np.stack([step(z), bent(z)], axis=1)

    def run():
        model = FunctionModel(two, targets=("a", "b"))
        settings = Settings(samples=512, surrogate="tree", targets=("all",))
        return next(explain([MaskInstance(12)], model, settings)).surrogates

    assert run() == run()
    assert run()[0].rules == one(step).surrogates[0].rules
    assert run()[1].rules == one(bent).surrogates[0].rules


def test_sampling_goes_on_until_the_tree_is_settled():
    easy = one(step, samples=256, max_samples=8192)
    assert (easy.stop, easy.samples) == ("resolved", 256)
    hard = one(bent, samples=64, max_samples=128, tolerance=0.001)
    assert hard.stop == "max_samples"
    said = {warning.code: warning.message for warning in hard.warnings}
    assert "rules are not converged after 128 samples" in said["unresolved_top"]


@pytest.mark.parametrize(
    "choices",
    [{"surrogate": "bush"}]
    + [
        {"surrogate": "tree", **more}
        for more in ({"like_lime": True}, {"selection": "none"}, {"penalty": 1.0})
    ],
)
def test_what_a_tree_cannot_do_is_refused(choices):
    with pytest.raises(SettingsError, match="--surrogate"):
        Settings(**choices)


def test_the_record_keeps_to_its_schema_and_survives_the_way_back(limex):
    done = limex("explain", "tabular", *FOREST, "--surrogate", "tree", "-f", "json")
    record = json.loads(done.out)
    schema = resources.files("lime_cli.records") / "schema" / "explanation-2.json"
    jsonschema.validate(record, json.loads(schema.read_text("utf-8")))
    target = record["targets"][0]
    assert target["components"] == []
    assert 2 <= len(target["rules"]) <= 10
    assert target["rules"][0]["value"] == target["local_prediction"]
    assert all(one["kept"] for one in target["rules"][0]["conditions"])
    assert record["settings"]["surrogate"] == "tree"
    again = record_of(explanation_of(record))
    assert again == record


def test_linear_records_have_no_rules_and_old_ones_are_still_read():
    record = record_of(one(step, surrogate="linear"))
    assert "rules" not in record["targets"][0]
    del record["settings"]["surrogate"]
    assert explanation_of(record).settings.surrogate == "linear"


def test_the_table_draws_an_indented_tree(limex):
    done = limex(
        "explain",
        "text",
        "sample_models/reviews.onnx",
        "sample_data/review.txt",
        *("--surrogate", "tree", "--features", "3", "--samples", "256"),
    )
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    start = lines.index("  value  share  rule")
    rules = [line[16:] for line in lines[start + 1 : start + 5]]
    assert sorted(map(str.strip, rules)) == [
        "kept beautiful",
        "kept excellent",
        "masked beautiful",
        "masked excellent",
    ]
    outer = [line.split()[1] for line in rules if not line.startswith(" ")]
    assert len(outer) == 2
    assert len(set(outer)) == 1
    leaves = [bool(line[:16].strip()) for line in lines[start + 1 : start + 5]]
    assert sorted(leaves) == [False, True, True, True]
    assert not leaves[[line.startswith("  ") for line in rules].index(True) - 1]
    assert not lines[start + 5]


def test_a_flat_tree_is_drawn_as_one_line(limex):
    done = limex("explain", "text", "sample_models/reviews.onnx", "--text", "zq zx", "--surrogate")
    assert done.code == 2
    done = limex(
        *("explain", "text", "sample_models/reviews.onnx", "--text", "zq zx"),
        *("--surrogate", "tree"),
    )
    assert done.code == 0
    assert "100.0%  always" in done.out


def test_an_overlay_of_rules_is_refused_in_one_line(limex, tmp_path):
    done = limex(
        *("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png"),
        *("--surrogate", "tree", "--samples", "64", "-o", tmp_path / "tree.png"),
    )
    said = "limex: png shows weights, but a tree has rules; use -f table or -f json\n"
    assert (done.code, done.out, done.err) == (2, "", said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(8))
def test_a_tree_is_the_one_that_scikit_learn_grows(seed):
    from sklearn.tree import DecisionTreeRegressor

    from lime_cli.engine.neighbourhood import Neighbourhood
    from lime_cli.engine.tree import LEAST_GAIN, SMALLEST_LEAF, _fit

    rng = np.random.default_rng(seed)
    n, d, features = rng.integers(40, 900), rng.integers(2, 40), int(rng.integers(2, 20))
    kept, weights = rng.random((n, d)) < 0.7, rng.random(n) * (rng.random(n) < 0.9)
    y = kept @ rng.normal(size=d) + 2 * kept[:, 0] * kept[:, 1] + rng.normal(size=n)
    y -= np.average(y, weights=weights)
    y /= np.sqrt(np.average(y**2, weights=weights))
    twins = np.zeros((0, 2), np.int64)
    neighbourhood = Neighbourhood(kept, y[:, None], weights, np.arange(n) % 8, 8, twins, 1.0)
    settings = Settings(surrogate="tree", features=features)
    tree = _fit(neighbourhood, y, np.ones(n, bool), settings)
    reference = DecisionTreeRegressor(
        max_leaf_nodes=features,
        min_samples_leaf=SMALLEST_LEAF,
        min_impurity_decrease=LEAST_GAIN,
        random_state=0,
    ).fit(kept, y, sample_weight=weights)
    assert tree.predict(kept) == pytest.approx(reference.predict(kept), rel=1e-9, abs=1e-12)
