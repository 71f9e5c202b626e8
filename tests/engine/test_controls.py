"""Control variates make error bars narrower, and leave weights what they are."""

import numpy as np
import pytest

from lime_cli.engine import controls, explain, explaining
from lime_cli.settings import Settings
from tests.conftest import FunctionModel, MaskInstance
from tests.engine.test_local import BACKGROUND, asked, rows, wide_row
from tests.engine.test_weights import enumerated


def without_controls(monkeypatch):
    monkeypatch.setattr(explaining, "needy", lambda *_: [])


def surrogates(instance, model, seeds, **choices):
    settings = [Settings(seed=seed, selection="none", **choices) for seed in seeds]
    return [next(explain([instance], model, one)).surrogates[0] for one in settings]


def errors(found):
    return float(np.mean([one.std_error for surrogate in found for one in surrogate.weights]))


def held(found, truth):
    return float(
        np.mean(
            [
                one.interval[0] - 1e-9 <= truth[one.component] <= one.interval[1] + 1e-9
                for surrogate in found
                for one in surrogate.weights
            ]
        )
    )


def two_or_three(z):
    return z[:, 0] * z[:, 1] + 2 * z[:, 2] * z[:, 3] * (1 - z[:, 4]) + 0.5 * z[:, 5]


def three(z):
    return 2 * np.median(z[:, :3], axis=1) + z[:, 3] * z[:, 4] + z[:, 5]


@pytest.mark.parametrize(
    ("together", "radius", "most"), [(two_or_three, 0.25, 0.6), (three, 0.5, 0.3)]
)
def test_what_components_do_together_is_no_noise(monkeypatch, together, radius, most):
    truth = enumerated(together, 14, radius)[1:]
    asked = MaskInstance(14), FunctionModel(together), range(25)
    helped = surrogates(*asked, samples=512, radius=radius)
    assert held(helped, truth) > 0.92
    without_controls(monkeypatch)
    plain = surrogates(*asked, samples=512, radius=radius)
    assert errors(helped) < most * errors(plain)


def linear_truth(instance, own, beta):
    """The weights of a row under a model of these slopes."""
    truth = np.empty(len(beta))
    for j, feature in enumerate(instance.background.features):
        outside = feature.bins != feature.bin_of(own[j])
        others = np.average(feature.values[outside], weights=feature.frequencies[outside])
        truth[j] = beta[j] * (own[j] - others)
    return truth


@pytest.mark.parametrize("d", [320, 480])
def test_the_strongest_of_hundreds_of_columns_have_narrow_intervals(monkeypatch, d):
    instance, own = wide_row(d)
    beta = np.zeros(d)
    beta[::25] = np.random.default_rng(1).normal(size=len(beta[::25])) + 1
    truth = linear_truth(instance, own, beta)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    helped = surrogates(instance, model, range(2), samples=2048, radius=0.1)
    assert held(helped, truth) > 0.92
    without_controls(monkeypatch)
    plain = surrogates(instance, model, range(1), samples=2048, radius=0.1)
    assert errors(helped) < 0.5 * errors(plain)


def test_few_samples_of_many_columns_tell_what_goes_up_with_the_value_drawn():
    instance, own = wide_row(48)
    beta = np.zeros(48)
    beta[::8] = (2.0, -1.5, 1.0, -1.0, 1.5, -2.0)
    truth = linear_truth(instance, own, beta)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    found = surrogates(instance, model, range(8), samples=256, radius=0.25)
    assert held(found, truth) > 0.92
    away = np.array([surrogate.every_weight for surrogate in found]) - truth
    assert np.sqrt(np.mean(away**2)) < 0.042 * np.abs(truth).max()


def stairs(v):
    return np.floor(4 * v) % 3


def test_what_values_do_in_steps_is_no_noise(monkeypatch):
    model, [instance] = asked(lambda V: stairs(V[:, 0]) + 0.2 * V[:, 1]), rows([0])
    truth = np.zeros(12)
    for j, effect in enumerate((stairs, lambda v: 0.2 * v)):
        feature, own = BACKGROUND.features[j], np.array(instance.values[j])
        outside = feature.bins != feature.bin_of(instance.values[j])
        others, frequencies = effect(feature.values[outside]), feature.frequencies[outside]
        truth[j] = effect(own) - np.average(others, weights=frequencies)
    helped = surrogates(instance, model, range(12), samples=2048, radius=0.1)
    assert held(helped, truth) > 0.92
    without_controls(monkeypatch)
    plain = surrogates(instance, model, range(12), samples=2048, radius=0.1)
    assert errors(helped) < 0.7 * errors(plain)


def test_where_the_weights_say_nearly_all_nothing_more_is_tried(monkeypatch):
    def failing(*_):
        raise AssertionError

    monkeypatch.setattr(controls, "_Controls", failing)
    model = asked(lambda V: V @ np.linspace(-1, 1, 12))
    for explanation in explain(rows(range(3)), model, Settings()):
        assert explanation.surrogates[0].fidelity > 0.99
    assert len(BACKGROUND.varying) == 12


def test_hardly_any_control_is_chosen_where_nothing_is_to_be_found():
    rng = np.random.default_rng(0)
    nothing = rng.chisquare(1, (2000, 8))
    assert controls._clearest(nothing, 100).sum(axis=0).mean() <= 1.5
    some = nothing.copy()
    some[:30] += 25
    chosen = controls._clearest(some, 100)
    assert chosen[:30].all()
    assert chosen[30:].sum(axis=0).mean() < 30
    assert (controls._clearest(some, 10).sum(axis=0) == 10).all()
