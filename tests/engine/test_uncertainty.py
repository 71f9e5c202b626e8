"""Error bars: the formulas by hand, and how often they hold."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lime_cli.engine import explain
from lime_cli.engine.instance import Design
from lime_cli.engine.uncertainty import among, rank_ranges, student
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance

BETA = np.array([3.0, -2.0, 1.0, 0.0, 0.5, 0.0, -0.25, 0.0, 0.0, 4.0, 0.0, 0.0])


def curved(z):
    return np.tanh(z @ BETA / 4) + 0.3 * z[:, 0] * z[:, 1] - 0.2 * z[:, 9] * z[:, 2]


def one(**choices):
    settings = Settings(**{"samples": 256, "selection": "none", **choices})
    return next(explain([MaskInstance(12)], FunctionModel(curved), settings))


@pytest.mark.parametrize("freedom", [1, 2, 5, 7, 10, 11, 15, 30, 200, 4000])
def test_student_s_points_are_those_of_scipy(freedom):
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=2e-4)


def test_hc3_is_the_textbook_formula():
    settings = Settings(samples=200, selection="none", design="random", assist="off")
    model = FunctionModel(curved)
    found = next(explain([MaskInstance(12)], model, settings)).surrogates[0]
    rng = np.random.default_rng(np.random.SeedSequence(settings.entropy_for("masks")))
    from lime_cli.engine import designs

    codes = designs.coins(200, 12, Design(designs.random), rng).codes
    Z = np.vstack([np.ones(12), codes]).astype(float)
    gone = 12 - Z.sum(axis=1)
    weights = np.exp(-((1 - np.sqrt((12 - gone) / 12)) ** 2) / (2 * 0.25**2))
    X = np.hstack([np.ones((len(Z), 1)), Z])
    bread = np.linalg.inv(X.T @ (X * weights[:, None]))
    b = bread @ X.T @ (weights * curved(Z))
    leverage = weights * np.einsum("ij,jk,ik->i", X, bread, X)
    residual = (curved(Z) - X @ b) / (1 - leverage)
    meat = X.T @ (X * (weights * residual)[:, None] ** 2)
    errors = np.sqrt(np.diag(bread @ meat @ bread))[1:]
    for weight in found.weights:
        assert weight.weight == pytest.approx(b[1 + weight.component], rel=1e-6)
        assert weight.std_error == pytest.approx(errors[weight.component], rel=1e-5)
        half = stats.t.ppf(0.975, 201 - 13) * weight.std_error
        assert weight.interval == pytest.approx(
            (weight.weight - half, weight.weight + half), rel=1e-3
        )


@pytest.mark.parametrize("design", ["random", "paired", "sobol", "balanced"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(design):
    truth = {w.component: w.weight for w in one(design="exhaustive").surrogates[0].weights}
    hits = [
        weight.interval[0] <= truth[weight.component] <= weight.interval[1]
        for seed in range(60)
        for weight in one(design=design, seed=seed).surrogates[0].weights
    ]
    assert 0.92 <= np.mean(hits) <= 0.985


def test_the_error_shrinks_with_the_samples():
    few, many = (one(design="random", samples=n).surrogates[0] for n in (200, 3200))
    ratio = np.mean([w.std_error for w in few.weights]) / np.mean(
        [w.std_error for w in many.weights]
    )
    assert 3 < ratio < 5.5


def test_enumeration_leaves_no_error():
    for weight in one(design="exhaustive").surrogates[0].weights:
        assert weight.std_error == 0
        assert weight.interval == (weight.weight, weight.weight)


def test_a_linear_model_leaves_no_error_under_any_design():
    for design in ("random", "paired", "sobol", "balanced"):
        settings = Settings(samples=128, design=design)
        found = next(explain([MaskInstance(12)], FunctionModel(lambda z: z @ BETA), settings))
        assert max(weight.std_error for weight in found.surrogates[0].weights) < 1e-8


def test_auto_stops_when_settled_and_says_so():
    found = one(samples=128, max_samples=65536, tolerance=0.05)
    assert found.stop == "resolved"
    largest = max(abs(weight.weight) for weight in found.surrogates[0].weights)
    for weight in found.surrogates[0].weights:
        assert weight.interval[1] - weight.weight <= 0.05 * largest


def test_auto_goes_on_where_noise_is_all_there_is_and_says_so():
    noise = np.random.default_rng(0).normal(size=2**12)

    def hopeless(z):
        return noise[(z.astype(int) << np.arange(12)).sum(axis=1)]

    settings = Settings(samples=128, max_samples=1024, design="random")
    found = next(explain([MaskInstance(12)], FunctionModel(hopeless), settings))
    assert found.stop == "max_samples"
    assert {caveat.code for caveat in found.caveats} >= {"unresolved_top", "low_fidelity"}


def test_rank_ranges_are_those_that_intervals_leave_possible():
    best, worst = rank_ranges(np.array([5.0, -3.0, 2.9, 0.1]), np.array([0.5, 0.3, 0.3, 0.2]))
    assert (best.tolist(), worst.tolist()) == ([1, 2, 2, 4], [1, 3, 3, 4])


def test_a_component_that_every_fold_chooses_is_selected_for_sure():
    found = one(selection="lasso", features=3).surrogates[0]
    assert found.weights[0].selected == 1.0
    assert all(0 < weight.selected <= 1 for weight in found.weights)


@pytest.mark.parametrize("design", ["paired", "random"])
@pytest.mark.parametrize("samples", [2, 3, 5])
def test_few_draws_are_not_taken_for_all_there_are(samples, design):
    found = one(samples=samples, design=design)
    assert found.stop == "samples"
    assert "few_effective_samples" in {caveat.code for caveat in found.caveats}
    assert all(weight.std_error is None or weight.std_error > 0 for weight in weights(found))


@pytest.mark.parametrize("design", ["paired", "random"])
def test_a_fit_through_all_points_has_no_error_bars(design):
    (found, *_) = weights(one(samples=2, design=design))
    assert (found.std_error, found.interval) == (None, None)
    assert found.rank_range[0] == 1
    assert all(weight.std_error > 0 for weight in weights(one(samples=64, design=design)))


def weights(found):
    return found.surrogates[0].weights


@pytest.mark.parametrize("freedom", [1, 7, 50, 2000])
@pytest.mark.parametrize("d", [1, 36, 400])
def test_the_point_for_many_at_once_is_that_of_scipy(freedom, d):
    assert among(freedom, d) == pytest.approx(stats.t.ppf(1 - 0.025 / d, freedom), rel=0.05)


def test_noise_that_was_chosen_for_its_size_is_not_taken_for_a_weight():
    noise = np.random.default_rng(0).normal(size=2**12)

    def hopeless(z):
        return noise[(z.astype(int) << np.arange(12)).sum(axis=1)]

    chosen = Settings(samples=256, features=3, design="paired")
    clear = 0
    for seed in range(30):
        (found,) = explain([MaskInstance(12)], FunctionModel(hopeless), replace(chosen, seed=seed))
        if found.surrogates[0].fidelity <= 0:
            clear += any(low > 0 or high < 0 for low, high in intervals(found))
    assert clear <= 3


def intervals(found):
    return [weight.interval for weight in found.surrogates[0].weights]
