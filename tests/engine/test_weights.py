"""Error bars: the formulas by hand, and how often they hold."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lime_cli.engine import explain
from lime_cli.engine.surrogate import jackknife
from lime_cli.engine.weights import multiplier, rank_ranges, student
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance

BETA = np.array([3.0, -2.0, 1.0, 0.0, 0.5, 0.0, -0.25, 0.0, 0.0, 4.0, 0.0, 0.0])


def curved(z):
    return np.tanh(z @ BETA / 4) + 0.3 * z[:, 0] * z[:, 1] - 0.2 * z[:, 9] * z[:, 2]


def one(function=curved, d=12, **choices):
    chosen = Settings(**{"samples": 256, "selection": "none", "radius": 0.25, **choices})
    return next(explain([MaskInstance(d)], FunctionModel(function), chosen)).surrogates[0]


def enumerated(function, d, radius):
    """Return the weights of the weighted least squares fit to every mask there is."""
    z = np.indices((2,) * d).reshape(d, -1).T.astype(float)
    w = np.prod(np.where(z == 1, 1 - radius, radius), axis=1)
    x = np.c_[np.ones(len(z)), z]
    return np.linalg.solve((x * w[:, None]).T @ x, (x * w[:, None]).T @ function(z))


@pytest.mark.parametrize("freedom", [1, 2, 5, 7, 10, 15, 30, 200])
@pytest.mark.parametrize("tail", [0.1, 0.025, 0.025 / 3, 0.025 / 200])
def test_student_s_points_are_those_of_scipy(freedom, tail):
    assert student(freedom, tail) == pytest.approx(stats.t.isf(tail, freedom), rel=1e-8)


def test_the_jackknife_is_the_textbook_formula():
    folds = np.random.default_rng(0).normal(size=(3, 8, 5))
    expected = np.sqrt(7 / 8 * ((folds - folds.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
    assert jackknife(folds, 1) == pytest.approx(expected)


@given(st.integers(1, 50), st.integers(1, 50))
def test_fewer_shown_among_more_have_wider_intervals(shown, d):
    factor = multiplier(8, shown, d)
    assert factor >= multiplier(8, d, d) - 1e-12
    assert factor == pytest.approx(stats.t.isf(0.025 * min(shown, d) / d, 7), rel=2e-3)


def test_where_nothing_is_drawn_there_is_no_error():
    found = one(lambda z: np.tanh(z.sum(axis=1)), d=6)
    assert {weight.std_error for weight in found.weights} == {0.0}
    assert all(weight.interval == (weight.weight, weight.weight) for weight in found.weights)


@pytest.mark.parametrize("samples", [256, 1024])
def test_intervals_of_all_components_hold_the_truth_as_often_as_they_say(samples):
    truth = enumerated(curved, 12, 0.25)[1:]
    held = []
    for seed in range(60):
        for weight in one(samples=samples, seed=seed).weights:
            low, high = weight.interval
            held.append(low <= truth[weight.component] <= high)
    assert 0.92 < np.mean(held) < 0.985


@pytest.mark.parametrize("features", [3, 5])
def test_intervals_of_what_is_shown_hold_the_truth_after_the_choice(features):
    truth = enumerated(curved, 12, 0.25)[1:]
    held = []
    for seed in range(100):
        found = one(samples=256, seed=seed, features=features, selection="lasso")
        for weight in found.weights:
            low, high = weight.interval
            held.append(low <= truth[weight.component] <= high)
    assert np.mean(held) >= 0.94


def test_a_component_that_the_model_never_reads_is_seldom_certain():
    certain = []
    for seed in range(60):
        found = one(samples=512, seed=seed, features=10, selection="lasso", radius=None)
        certain += [
            weight.interval[0] > 0 or weight.interval[1] < 0
            for weight in found.weights
            if BETA[weight.component] == 0
        ]
    assert np.mean(certain) <= 0.05


def test_more_samples_have_smaller_errors_at_every_number():
    errors = []
    for samples in (128, 256, 512, 513, 1024, 2048, 2049):
        found = [
            one(
                d=16,
                function=lambda z: np.tanh(z @ np.linspace(-1, 1, 16)) ** 3 + z[:, 0] * z[:, 5],
                samples=samples,
                seed=seed,
            )
            for seed in range(4)
        ]
        errors.append(np.median([w.std_error for one_ in found for w in one_.weights]))
    assert all(later < 1.15 * earlier for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0] / 2.5


def test_others_are_the_sum_of_what_is_not_shown():
    everything = one(samples=512, radius=0.25)
    few = one(samples=512, radius=0.25, features=3, selection="lasso")
    shown = {weight.component: weight.weight for weight in few.weights}
    assert len(shown) == 3
    whole = {weight.component: weight.weight for weight in everything.weights}
    assert shown == pytest.approx({j: whole[j] for j in shown})
    rest = sum(weight for j, weight in whole.items() if j not in shown)
    assert few.others.weight == pytest.approx(rest)
    assert few.others.components == 9
    assert few.others.interval[0] < rest < few.others.interval[1]
    total = few.intercept + sum(shown.values()) + few.others.weight
    assert total == pytest.approx(few.local_prediction)


@settings(max_examples=60)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 99))
def test_rank_ranges_hold_every_order_that_intervals_allow(weights, seed):
    rng = np.random.default_rng(seed)
    weights = np.array(weights)
    wide = rng.random(len(weights))
    shown = rng.random(len(weights)) < 0.7
    best, worst = rank_ranges(weights, wide, shown)
    drawn = np.abs(weights) + rng.uniform(-1, 1, (200, len(weights))) * wide
    ranks = 1 + (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2)
    for j in np.flatnonzero(shown):
        assert best[j] <= ranks[:, j].min()
        assert ranks[:, j].max() <= worst[j]
