"""Truths that any right LIME satisfies, and marcotcr/lime itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from lime_cli.engine import explain
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance

BETA = np.array([3.0, -2.0, 1.0, 0.0, 0.5, 0.0, -0.25, 0.0, 0.0, 4.0, 0.0, 0.0])


def one(instance, model, **choices):
    return next(iter(explain([instance], model, Settings(**{"samples": 500, **choices}))))


def weights_of(surrogate):
    return {weight.component: weight.weight for weight in surrogate.weights}


@pytest.mark.parametrize("selection", ["lasso", "forward", "highest", "none"])
def test_a_linear_model_is_recovered_exactly(selection):
    model = FunctionModel(lambda z: z @ BETA + 7)
    surrogate = one(MaskInstance(12), model, selection=selection, features=12).surrogates[0]
    found = np.zeros(12)
    for j, weight in weights_of(surrogate).items():
        found[j] = weight
    assert found == pytest.approx(BETA, abs=1e-9)
    assert surrogate.intercept == pytest.approx(7, abs=1e-9)
    assert surrogate.fidelity == pytest.approx(1)
    assert surrogate.local_prediction == pytest.approx(surrogate.model_prediction)


@pytest.mark.parametrize("level", [0.0, 3.3, -1e9, 1e-30])
def test_a_constant_model_gives_no_weight_and_says_so(level):
    explanation = one(MaskInstance(12), FunctionModel(lambda z: np.full(len(z), level)))
    surrogate = explanation.surrogates[0]
    assert not any(weights_of(surrogate).values())
    assert surrogate.intercept == pytest.approx(level)
    assert surrogate.fidelity is None
    assert [warning.code for warning in explanation.warnings] == ["flat_response"]


@pytest.mark.parametrize("scale", [1e-18, 1e-6, 1.0, 1e9])
def test_small_numbers_are_explained_as_large_ones_are(scale):
    model = FunctionModel(lambda z: scale * (z @ BETA + 7))
    explanation = one(MaskInstance(12), model, selection="none")
    surrogate = explanation.surrogates[0]
    assert not explanation.warnings
    assert surrogate.fidelity == pytest.approx(1)
    for j, weight in weights_of(surrogate).items():
        assert weight == pytest.approx(scale * BETA[j], rel=1e-9)


@pytest.mark.parametrize(("d", "kernel"), [(5, "product"), (12, "product"), (9, "shapley")])
def test_what_rounding_makes_is_zero(d, kernel):
    slopes = np.r_[0.1, 0.7, -0.3, np.zeros(d - 3)]
    model = FunctionModel(lambda z: z @ slopes + 1e6 / 3)
    (surrogate,) = one(MaskInstance(d), model, kernel=kernel, selection="none").surrogates
    found = dict(weights_of(surrogate))
    assert [found[j] for j in range(3, d)] == [0.0] * (d - 3)
    assert surrogate.gap == 0
    assert all(weight.std_error == 0 for weight in surrogate.weights)


def test_an_xor_has_low_fidelity_and_says_so():
    model = FunctionModel(lambda z: (z[:, 0] != z[:, 1]).astype(float))
    explanation = one(MaskInstance(12), model, radius=0.5)
    assert explanation.surrogates[0].fidelity < 0.05
    assert "low_fidelity" in {warning.code for warning in explanation.warnings}


def curved(z):
    return np.tanh(z @ BETA) + z[:, 0] * z[:, 1]


def test_adding_a_constant_moves_only_the_intercept():
    before = one(MaskInstance(12), FunctionModel(curved)).surrogates[0]
    after = one(MaskInstance(12), FunctionModel(lambda z: curved(z) + 100)).surrogates[0]
    assert weights_of(after) == pytest.approx(weights_of(before), abs=1e-10)
    assert after.intercept == pytest.approx(before.intercept + 100)


def test_scaling_the_model_scales_weights_and_intercept():
    before = one(MaskInstance(12), FunctionModel(curved)).surrogates[0]
    after = one(MaskInstance(12), FunctionModel(lambda z: -5 * curved(z))).surrogates[0]
    assert weights_of(after) == pytest.approx({j: -5 * w for j, w in weights_of(before).items()})
    assert after.intercept == pytest.approx(-5 * before.intercept)
    assert after.fidelity == pytest.approx(before.fidelity)


def test_permuting_components_permutes_weights_when_all_masks_are_seen():
    order = np.array([3, 1, 0, 2, 5, 4])
    settings = {"samples": 100, "features": 6}
    before = one(MaskInstance(6), FunctionModel(lambda z: np.tanh(z @ BETA[:6])), **settings)
    after = one(
        MaskInstance(6), FunctionModel(lambda z: np.tanh(z[:, order] @ BETA[:6])), **settings
    )
    assert before.stop == after.stop == "exhaustive"
    expected = {int(order[j]): w for j, w in weights_of(before.surrogates[0]).items()}
    assert weights_of(after.surrogates[0]) == pytest.approx(expected)


@given_settings(max_examples=30)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_weights_add_up_to_the_local_prediction(d, seed):
    beta = np.random.default_rng(seed).normal(size=d)
    model = FunctionModel(lambda z: np.sin(z @ beta))
    surrogate = one(MaskInstance(d), model, samples=200, seed=seed).surrogates[0]
    total = surrogate.intercept + sum(weights_of(surrogate).values())
    total += surrogate.others.weight if surrogate.others else 0.0
    assert surrogate.local_prediction == pytest.approx(total)
    assert len(surrogate.weights) <= 10
    sizes = [abs(weight.weight) for weight in surrogate.weights]
    assert sizes == sorted(sizes, reverse=True)


def test_fewer_features_are_the_head_of_more():
    few = one(MaskInstance(12), FunctionModel(curved), features=4).surrogates[0]
    many = one(MaskInstance(12), FunctionModel(curved), features=9).surrogates[0]
    assert set(weights_of(few)) <= set(weights_of(many))


def test_the_same_seed_gives_the_same_and_another_seed_another_answer():
    first = one(MaskInstance(12), FunctionModel(curved)).surrogates
    assert one(MaskInstance(12), FunctionModel(curved)).surrogates == first
    assert one(MaskInstance(12), FunctionModel(curved), seed=1).surrogates != first


@pytest.mark.parametrize("batch_size", [1, 7, 100, 10_000])
def test_the_batch_size_changes_no_number(batch_size):
    first = one(MaskInstance(12), FunctionModel(curved)).surrogates[0]
    again = one(MaskInstance(12), FunctionModel(curved), batch_size=batch_size).surrogates[0]
    assert weights_of(again) == pytest.approx(weights_of(first), rel=1e-9)


def test_no_input_is_asked_twice_however_far_sampling_goes():
    seen = []

    def remembered(z):
        seen.extend(map(tuple, z.tolist()))
        return np.tanh(z @ BETA[:9])

    choices = {"samples": 64, "max_samples": 4096, "tolerance": 0.001}
    explanation = one(MaskInstance(9), FunctionModel(remembered), **choices)
    assert (explanation.samples, explanation.stop) == (511, "exhaustive")
    samples = seen[1:]  # the first one is the instance itself
    assert len(samples) == len(set(samples)) <= 2**9


def test_all_targets_at_once_are_the_targets_one_by_one():
    def three(z):
        return np.stack([curved(z), z @ BETA, np.exp(-z.sum(axis=1))], axis=1)

    names = ("a", "b", "c")
    together = one(MaskInstance(12), FunctionModel(three, targets=names), targets=("all",))
    for place, name in enumerate(names):
        alone = one(MaskInstance(12), FunctionModel(three, targets=names), targets=(name,))
        assert weights_of(alone.surrogates[0]) == pytest.approx(
            weights_of(together.surrogates[place]), abs=1e-12
        )


def test_a_penalty_of_lasso_gives_the_plain_weighted_lasso():
    from sklearn.linear_model import Lasso

    instance, model = MaskInstance(5), FunctionModel(lambda z: np.tanh(z @ BETA[:5]))
    choices = {"selection": "none", "penalty": 0.05, "penalty_kind": "lasso", "radius": 0.25}
    ours = one(instance, model, **choices).surrogates[0]
    masks = np.array([[(i >> j) & 1 for j in range(5)] for i in range(32)], float)
    weights = np.prod(np.where(masks == 1, 0.75, 0.25), axis=1)
    theirs = Lasso(alpha=0.05, tol=1e-14, max_iter=100_000).fit(
        masks, np.tanh(masks @ BETA[:5]), sample_weight=weights
    )
    found = [weights_of(ours).get(j, 0.0) for j in range(5)]
    assert found == pytest.approx(theirs.coef_, abs=1e-8)


def test_a_ridge_penalty_is_the_one_of_scikit_learn():
    from sklearn.linear_model import Ridge

    masks = np.array([[(i >> j) & 1 for j in range(5)] for i in range(32)], float)
    ours = one(
        MaskInstance(5),
        FunctionModel(lambda z: np.tanh(z @ BETA[:5])),
        selection="none",
        penalty=1.0,
        radius=0.25,
    )
    weights = np.prod(np.where(masks == 1, 0.75, 0.25), axis=1)
    assert masks[-1].all()  # the instance itself
    effective = weights[:-1].sum() ** 2 / (weights[:-1] ** 2).sum()
    assert ours.effective_samples == pytest.approx(effective)
    theirs = Ridge(alpha=1.0).fit(
        masks, np.tanh(masks @ BETA[:5]), sample_weight=weights * effective
    )
    found = [weights_of(ours.surrogates[0]).get(j, 0.0) for j in range(5)]
    assert found == pytest.approx(theirs.coef_, abs=1e-7)


def test_settings_say_no_to_nonsense():
    from lime_cli.errors import SettingsError

    for wrong in (
        {"samples": 1},
        {"seed": -1},
        {"features": 0},
        {"kernel_width": 0.0},
        {"selection": "best"},
    ):
        with pytest.raises(SettingsError, match="--"):
            replace(Settings(), **wrong)
