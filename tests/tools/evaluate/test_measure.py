"""Verdicts: truths on models whose explanations are known, indices against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.explanation import Interval, Surrogate, Weight
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.records.record import hash_of
from lime_cli.settings import Settings
from lime_cli.tools.evaluate.measure import (
    Spread,
    coefficients_stability,
    evaluate,
    held_out_fidelity,
    spread_of,
    stabilities,
    top_jaccard,
    variables_stability,
)
from lime_cli.tools.evaluate.report import record_of
from tests.conftest import FunctionModel, MaskInstance

BETA = np.array([3.0, -2.0, 1.0, 0.5, 0.25, -0.75, 4.0, 1.5, -1.25, 2.5, 0.8, -0.6])
IRRATIONAL = np.sqrt(np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61]))


def noise(z):
    """Answer every mask with a number that has nothing to do with any part of it."""
    return np.modf(np.abs(np.sin(z @ IRRATIONAL[: z.shape[1]] * 1e5)) * 1e3)[0]


def runs(function, d=12, n_seeds=6, **choices):
    """Return explanations and neighbourhoods of an instance by several seeds."""
    instance, model = MaskInstance(d), FunctionModel(function)
    explanations, drawn = [], []
    for seed in range(n_seeds):
        settings = Settings(**{"samples": 300, "features": 5, **choices, "seed": seed})
        watch = lambda _, neighbourhood: drawn.append(neighbourhood)  # noqa: E731
        explanations.append(next(explain([instance], model, settings, watch)))
    return explanations, drawn


def judged(function, **choices):
    (verdict,) = evaluate(*runs(function, **choices))
    return verdict


def made_up(weights, intercept=0.0):
    """Return a surrogate of the weights {component: (weight, standard error)}."""
    listed = tuple(
        Weight(j, weight, error, Interval(weight - 2 * error, weight + 2 * error))
        for j, (weight, error) in weights.items()
    )
    return Surrogate(0, "y", 0.0, intercept, 0.0, 0.5, 0.5, listed)


def test_a_linear_model_gets_the_best_marks_there_are():
    verdict = judged(lambda z: z @ BETA + 7, features=12)
    assert verdict.held_out.mean == pytest.approx(1)
    assert verdict.held_out.sd == pytest.approx(0, abs=1e-12)
    assert verdict.fidelity.mean == pytest.approx(1)
    assert (verdict.vsi, verdict.csi) == (100, 100)
    assert verdict.jaccard == ((3, 1.0), (5, 1.0), (12, 1.0))
    assert verdict.error_ratio is None
    for one in verdict.components:
        assert one.weight.mean == pytest.approx(BETA[one.component])
        assert one.weight.sd == pytest.approx(0, abs=1e-9)
        assert (one.selected, one.sign_agreement) == (1, 1)


def test_components_come_by_falling_size():
    sizes = [abs(one.weight.mean) for one in judged(lambda z: z @ BETA, features=12).components]
    assert sizes == sorted(sizes, reverse=True)


def test_noise_has_no_fidelity_on_samples_of_other_seeds_and_no_stable_choice():
    verdict = judged(noise, d=18)
    assert verdict.held_out.mean < 0.02
    assert verdict.vsi < 60
    assert verdict.jaccard[0][1] < 0.5
    assert min(one.sign_agreement for one in verdict.components) < 1
    for one in verdict.components:
        assert abs(one.weight.mean) < 4 * one.std_error


def test_fitting_noise_looks_better_on_the_samples_fitted_than_on_others():
    explanations, drawn = runs(noise, d=18, samples=60)
    (verdict,) = evaluate(explanations, drawn)
    assert verdict.held_out.mean < np.mean([one.surrogates[0].fit_r2 for one in explanations]) - 0.1


def test_error_bars_that_are_honest_are_as_wide_as_the_spread_over_seeds():
    verdict = judged(
        lambda z: np.tanh(z @ BETA / 4) + z[:, 0] * z[:, 1], features=12, n_seeds=20, samples=600
    )
    assert 0.7 < verdict.error_ratio < 1.4


def test_a_constant_model_has_nothing_to_be_judged():
    verdict = judged(lambda z: np.full(len(z), 3.3))
    assert verdict.held_out == verdict.fidelity == Spread(None, None)
    assert verdict.csi is None
    assert verdict.components == ()


def test_samples_that_are_all_there_are_leave_nothing_to_chance():
    explanations, drawn = runs(lambda z: np.tanh(z @ BETA[:6]), d=6)
    (verdict,) = evaluate(explanations, drawn)
    assert {one.stop for one in explanations} == {"exhaustive"}
    assert verdict.held_out.sd == pytest.approx(0, abs=1e-12)
    assert (verdict.vsi, verdict.csi) == (100, 100)


def test_held_out_fidelity_is_the_weighted_r_squared_of_the_others_samples():
    surrogates = [made_up({0: (1.0, 0.1)}), made_up({0: (2.0, 0.1)}, 1.0), made_up({})]
    rng = np.random.default_rng(0)
    drawn = [
        Neighbourhood(
            interpretable=rng.random((9, 2)) < 0.5,
            predictions=np.append(6.0, rng.normal(5, 1, 8))[:, None],
            weights=rng.random(9),
            block=np.arange(-1, 8) % 2,
            n_blocks=2,
            twins=np.zeros((0, 2), int),
            kernel_width=1.0,
        )
        for _ in range(3)
    ]
    for s, found in enumerate(held_out_fidelity(surrogates, drawn)):
        others = [drawn[t] for t in range(3) if t != s]
        w = np.concatenate([one.weights for one in others])
        y = np.concatenate([one.predictions[:, 0] for one in others])
        z = np.concatenate([one.interpretable[:, 0] for one in others])
        guess = surrogates[s].intercept + z * (0.0 if s == 2 else s + 1.0)
        total = w @ (y - np.average(y, weights=w)) ** 2
        assert found == pytest.approx(1 - w @ (y - guess) ** 2 / total)


@pytest.mark.parametrize("radius", [0.1, 0.25])
def test_held_out_and_reported_fidelity_agree_where_the_instance_is_much_of_what_is_near(radius):
    explanations, drawn = runs(lambda z: np.tanh(3 * z @ BETA[:5]), d=5, radius=radius)
    (verdict,) = evaluate(explanations, drawn)
    assert verdict.held_out.mean == pytest.approx(verdict.fidelity.mean, abs=0.01)


def test_held_out_fidelity_leaves_out_which_replacement_was_drawn():
    """The surrogate is the mean by mask; replacements add as much again, and nothing else."""
    rng = np.random.default_rng(1)
    kept = np.repeat(rng.random((20_001, 1)) < 0.5, 2, axis=0)[1:]
    predictions = 1.0 * kept + rng.normal(0, 0.5, kept.shape)
    places = np.arange(1, len(kept)).reshape(-1, 2)
    drawn = Neighbourhood(
        interpretable=kept,
        predictions=predictions,
        weights=np.append(0.0, np.ones(len(kept) - 1)),
        block=np.zeros(len(kept), int),
        n_blocks=1,
        twins=places,
        kernel_width=1.0,
    )
    right, wrong = made_up({0: (1.0, 0.1)}), made_up({})
    found = held_out_fidelity([right, right, wrong], [drawn] * 3)
    assert found[0] == pytest.approx(1.0, abs=0.05)
    assert found[2] == pytest.approx(-1.0, abs=0.1)  # a constant that is half the effect off


def test_the_indices_of_visani_are_those_computed_by_hand():
    chosen = [(1, 2, 3), (1, 2, 4), (1, 5, 6)]
    assert variables_stability(chosen) == pytest.approx(100 * (2 / 3 + 1 / 3 + 1 / 3) / 3)
    intervals = [
        {1: (0.0, 1.0), 2: (0.0, 1.0), 3: (0.0, 1.0)},
        {1: (0.5, 2.0), 2: (2.0, 3.0)},
        {1: (1.5, 3.0)},
    ]
    assert coefficients_stability(intervals) == pytest.approx(100 * (2 / 3 + 0) / 2)


def test_intervals_that_touch_or_are_apart_by_rounding_overlap():
    assert coefficients_stability([{1: (0.0, 1.0)}, {1: (1.0, 2.0)}]) == 100
    apart = [{1: (0.0, 1.0)}, {1: (1.0 + 1e-12, 2.0)}]
    assert coefficients_stability(apart) == 0
    assert coefficients_stability(apart, 1e-9) == 100


def test_an_index_of_what_no_two_runs_choose_says_so():
    assert coefficients_stability([{1: (0.0, 1.0)}, {2: (0.0, 1.0)}]) is None
    assert variables_stability([(1,), (2,)]) == 0
    assert variables_stability([(), ()]) == 100
    assert variables_stability([(1, 2), (1,)]) == 50


def test_the_overlap_of_the_leading_components_is_their_jaccard_index():
    orders = [[1, 2, 3, 4], [2, 1, 4, 3], [5, 1, 2, 3]]
    assert top_jaccard(orders, 2) == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert top_jaccard(orders, 4) == pytest.approx((1 + 3 / 5 + 3 / 5) / 3)


def test_a_component_is_described_over_the_seeds_that_choose_it():
    found = stabilities(
        [
            made_up({0: (1.0, 0.1), 1: (0.2, 0.3)}),
            made_up({0: (3.0, 0.3)}),
            made_up({0: (2.0, 0.2), 1: (-0.1, 0.1)}),
        ]
    )
    first, second = found
    assert (first.component, first.selected, first.sign_agreement) == (0, 1, 1)
    assert (first.weight.mean, first.weight.sd) == (2, 1)
    assert first.std_error == pytest.approx(0.2)
    assert second.selected == pytest.approx(2 / 3)
    assert second.sign_agreement == 0.5
    assert second.weight.mean == pytest.approx(0.05)


def test_a_spread_says_what_is_not_known():
    assert spread_of([]) == Spread(None, None)
    assert spread_of([2.0, None]) == Spread(2.0, None)
    assert spread_of([1.0, 3.0]) == Spread(2.0, pytest.approx(np.sqrt(2)))


def test_the_record_is_hashed_and_names_every_component():
    explanations, drawn = runs(noise, d=18)
    verdicts = evaluate(explanations, drawn)
    record = record_of(explanations, verdicts)
    assert record == record_of(explanations, verdicts)
    assert record["hash"] == hash_of(record)
    assert record["seeds"] == list(range(6))
    (target,) = record["targets"]
    for written, one in zip(target["components"], verdicts[0].components, strict=True):
        assert written["name"] == f"part {one.component}"
        assert written["where"] == {"column": f"part {one.component}"}
    assert {"low_fidelity"} <= {one["code"] for one in record["warnings"]}
