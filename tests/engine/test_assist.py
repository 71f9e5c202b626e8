"""Assisted estimation: the same weights in the mean, with less noise, and honest error bars."""

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.assist import _polynomial, _value, pool_size
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance

BETA = np.random.default_rng(4).normal(size=12)
SEEDS = range(40)


def steep(z):
    return 1 / (1 + np.exp(-(3 * z @ BETA - 1)))


def runs(assist, law="coins", **choices):
    """Return weights and interval hits of many seeds: (seeds, d) each, and the truth (d,)."""
    instance, model = MaskInstance(12, law), FunctionModel(steep)
    base = {"selection": "none", "samples": 256, "design": "paired", **choices}
    exact = next(explain([instance], model, Settings(selection="none", design="exhaustive")))
    truth = {w.component: w.weight for w in exact.surrogates[0].weights}
    weights, hits = np.zeros((len(SEEDS), 12)), np.zeros((len(SEEDS), 12))
    for seed in SEEDS:
        found = next(explain([instance], model, Settings(seed=seed, assist=assist, **base)))
        for weight in found.surrogates[0].weights:
            low, high = weight.interval
            weights[seed, weight.component] = weight.weight
            hits[seed, weight.component] = low <= truth[weight.component] <= high
    return weights, hits, np.array([truth[j] for j in range(12)])


@pytest.mark.parametrize("law", ["coins", "subsets"])
def test_help_takes_noise_away_and_leaves_the_weights(law):
    plain, _, truth = runs("off", law)
    helped, hits, _ = runs("on", law)
    noise = helped.std(axis=0, ddof=1)
    assert np.mean(noise**2) < 0.7 * np.mean(plain.var(axis=0, ddof=1))
    assert (np.abs(helped.mean(axis=0) - truth) < 4 * noise / np.sqrt(len(SEEDS)) + 2e-3).all()
    assert 0.9 <= hits.mean() <= 0.995


def test_help_does_no_harm_where_the_cheap_model_is_wrong():
    noise = np.random.default_rng(0).normal(size=2**12)

    def rough(z):
        return noise[(z.astype(int) << np.arange(12)).sum(axis=1)]

    errors = {}
    for assist in ("on", "off"):
        settings = {"selection": "none", "samples": 256, "design": "random", "assist": assist}
        found = [
            [w.weight for w in sorted(one.surrogates[0].weights, key=lambda w: w.component)]
            for seed in SEEDS
            for one in explain(
                [MaskInstance(12)], FunctionModel(rough), Settings(seed=seed, **settings)
            )
        ]
        errors[assist] = np.var(found, axis=0).mean()
    assert errors["on"] < 1.1 * errors["off"]


def test_no_call_of_the_model_is_spent_on_help():
    counts = []
    for assist in ("on", "off"):
        model = FunctionModel(steep)
        settings = Settings(samples=256, design="random", assist=assist)
        next(explain([MaskInstance(12)], model, settings))
        counts.append(sum(model.calls))
    assert counts[0] == counts[1]


def test_rows_that_share_many_samples_go_without_unless_asked():
    assert not Settings().assists(shared=True)
    assert Settings(samples=2048).assists(shared=True)
    assert Settings().assists(shared=False)
    assert Settings(assist="on").assists(shared=True)


@pytest.mark.parametrize(
    ("d", "n", "size"), [(12, 256, 16384), (40, 8192, 65536), (500, 256, 4277), (500, 4096, 0)]
)
def test_the_pool_is_large_beside_the_samples_or_not_there(d, n, size):
    assert pool_size(d, n) == size


def test_the_fit_on_all_components_lends_its_precision_to_a_choice_of_three():
    choices = {"selection": "lasso", "features": 3, "samples": 512}
    instance, model = MaskInstance(12), FunctionModel(steep)
    exact = next(explain([instance], model, Settings(design="exhaustive", features=3)))
    truth = {w.component: w.weight for w in exact.surrogates[0].weights}
    misses, hits = {"paired": [], "random": []}, []
    for design in misses:
        for seed in SEEDS:
            settings = Settings(seed=seed, design=design, assist="on", **choices)
            found = next(explain([instance], model, settings)).surrogates[0].weights
            if {weight.component for weight in found} != set(truth):
                continue
            misses[design] += [weight.weight - truth[weight.component] for weight in found]
            hits += [one.interval[0] <= truth[one.component] <= one.interval[1] for one in found]
    assert np.mean(np.square(misses["paired"])) < 0.6 * np.mean(np.square(misses["random"]))
    assert abs(np.mean(misses["paired"])) < 0.15 * np.std(misses["paired"])
    assert 0.9 <= np.mean(hits) <= 0.995


def test_the_polynomial_is_valued_as_it_is_laid_out():
    rng = np.random.default_rng(0)
    slopes, s, m = rng.normal(size=10), rng.normal(size=50), rng.random(50)
    np.testing.assert_allclose(_value(slopes, s, m), _polynomial(s, m) @ slopes, atol=1e-12)
