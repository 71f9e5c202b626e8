"""Explanations are of the model near the instance: planted switches, gaps, unread columns."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from lime_cli.engine import explain, weights
from lime_cli.engine.masks import Stage, draw, given
from lime_cli.engine.neighbourhood import Product
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from tests.conftest import FunctionModel, MaskInstance

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 12)).round(4)
NAMES = tuple(f"c{j}" for j in range(12))
CELLS = Cells("t.csv", NAMES, tuple(tuple(map(repr, row)) for row in X.tolist()), tuple(range(400)))
BACKGROUND = build_background(CELLS, NAMES, Schema())


def rows(places):
    return [
        RowInstance(Source(str(i), "t.csv", i), BACKGROUND, tuple(X[i].tolist()), ())
        for i in places
    ]


def asked(function):
    return FunctionModel(lambda table: function(np.stack(table.columns, axis=1)))


def explained(function, places, **choices):
    settings = Settings(**{"samples": 1024, "features": 12, **choices})
    return list(explain(rows(places), asked(function), settings))


def weights_of(explanation):
    found = np.zeros(12)
    for one in explanation.surrogates[0].weights:
        found[one.component] = one.weight
    return found


def switched(V):
    return np.where(V[:, 0] > 0, 2 * V[:, 1] + V[:, 2], 2 * V[:, 3] + V[:, 4])


def test_a_switch_is_explained_by_the_branch_that_the_row_takes():
    frequencies = []
    for place, explanation in zip(range(24), explained(switched, range(24)), strict=True):
        size = np.abs(weights_of(explanation))
        used = [1, 2] if X[place, 0] > 0 else [3, 4]
        frequencies.append(size[used].sum() / size[1:5].sum())
    assert np.mean(frequencies) > 0.88


def test_the_surrogate_agrees_with_the_model_at_the_row():
    found = [one.surrogates[0] for one in explained(switched, range(24))]
    reach = np.ptp(switched(X))
    assert all(abs(one.gap) < 0.03 * reach for one in found)
    assert np.median([one.fidelity for one in found if one.fidelity is not None]) > 0.85


def test_rows_of_other_predictions_in_the_same_bins_have_other_explanations():
    steep = lambda V: 1 / (1 + np.exp(-8 * (V[:, 0] - 1.2)))  # noqa: E731
    values = X[0].copy()
    low, high = values.copy(), values.copy()
    low[0], high[0] = 0.95, 1.9  # both in the highest quarter
    pair = [
        RowInstance(Source(name, "t.csv", 0), BACKGROUND, tuple(one.tolist()), ())
        for name, one in (("low", low), ("high", high))
    ]
    settings = Settings(samples=1024, features=12)
    first, second = explain(pair, asked(steep), settings)
    assert weights_of(second)[0] - weights_of(first)[0] > 0.5
    for one in (first, second):
        assert abs(one.surrogates[0].gap) < 0.02


@pytest.mark.parametrize("radius", [0.5, 0.2, 0.05])
def test_the_weights_of_an_additive_model_are_its_own_at_every_radius(radius):
    beta = np.linspace(-2, 2, 12)
    for place in (3, 7):
        (explanation,) = explained(lambda V: V @ beta, [place], radius=radius, samples=4096)
        expected = np.empty(12)
        for j, own in enumerate(X[place]):
            feature = BACKGROUND.features[j]
            outside = feature.bins != feature.bin_of(own)
            others = np.average(feature.values[outside], weights=feature.frequencies[outside])
            expected[j] = beta[j] * (own - others)
        found = weights_of(explanation)
        errors = [one.std_error for one in explanation.surrogates[0].weights]
        assert found == pytest.approx(expected, abs=6 * max(errors) + 1e-6)
        assert max(errors) < 0.1


def test_weights_that_masking_decides_are_exact_whatever_is_drawn():
    own = X[5]

    def inside(V):
        kept = [
            np.searchsorted(BACKGROUND.features[j].cuts, V[:, j])
            == BACKGROUND.features[j].bin_of(own[j])
            for j in range(12)
        ]
        return 3 * kept[0] - 2 * kept[4] + 1.0 * kept[9]

    (explanation,) = explained(inside, [5])
    expected = np.zeros(12)
    expected[[0, 4, 9]] = 3, -2, 1
    assert weights_of(explanation) == pytest.approx(expected, abs=1e-6)
    assert explanation.surrogates[0].fidelity == pytest.approx(1)
    assert explanation.surrogates[0].spread == pytest.approx(0, abs=1e-6)


def test_spread_is_the_share_that_the_value_drawn_decides():
    place = int(np.argmin(np.abs(X[:, 0] - 1)))
    (explanation,) = explained(lambda V: V[:, 0], [place], samples=4096)
    surrogate = explanation.surrogates[0]
    assert 0.1 < surrogate.spread < 0.5
    assert surrogate.fidelity == pytest.approx(1, abs=0.03)
    assert surrogate.fit_r2 < 0.9


@pytest.mark.parametrize("together", [1, 7, 64])
def test_no_bit_of_a_row_depends_on_the_rows_beside_it(together):
    bent = lambda V: np.tanh(V[:, 0] * V[:, 1] + V[:, 2])  # noqa: E731
    alone = [explained(bent, [i])[0].surrogates for i in range(64)]
    settings = Settings(samples=1024, features=12)
    instances = rows(range(64))
    found = []
    for start in range(0, 64, together):
        lot = instances[start : start + together]
        found += [one.surrogates for one in explain(lot, asked(bent), settings)]
    assert found == alone


@pytest.mark.parametrize("samples", [2048, 8192])
def test_hundreds_of_columns_still_show_what_is_read(samples):
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(60, 700)).round(3)
    names = tuple(f"c{j}" for j in range(700))
    cells = Cells("w.csv", names, tuple(tuple(map(repr, r)) for r in wide.tolist()), range(60))
    background = build_background(cells, names, Schema())
    instance = RowInstance(Source("0", "w.csv", 0), background, tuple(wide[0].tolist()), ())
    own = wide[0]

    def inside(table):
        V = np.stack([table.columns[j] for j in (3, 300, 650)], axis=1)
        return 3.0 * (V[:, 0] == own[3]) + 2.0 * (V[:, 1] == own[300]) - 2.0 * (V[:, 2] == own[650])

    settings = Settings(samples=samples, features=5)
    (explanation,) = explain([instance], FunctionModel(inside), settings)
    found = {one.component: one for one in explanation.surrogates[0].weights}
    assert {3, 300, 650} <= set(found)
    for j, truth in ((3, 3.0), (300, 2.0), (650, -2.0)):
        low, high = found[j].interval
        assert low <= truth <= high


def wide_row(d, seed=4):
    rng = np.random.default_rng(seed)
    wide = rng.normal(size=(60, d)).round(3)
    names = tuple(f"c{j}" for j in range(d))
    cells = Cells("w.csv", names, tuple(tuple(map(repr, r)) for r in wide.tolist()), range(60))
    background = build_background(cells, names, Schema())
    return RowInstance(Source("0", "w.csv", 0), background, tuple(wide[0].tolist()), ()), wide[0]


@pytest.mark.parametrize(("d", "samples", "certain"), [(120, 768, 5), (300, 2048, 5)])
def test_the_few_that_are_read_of_hundreds_of_columns_are_named_by_few_samples(d, samples, certain):
    instance, own = wide_row(d)
    beta = np.zeros(d)
    places = np.argsort(-np.abs(own), kind="stable")[:6]
    beta[places] = np.sign(own[places]) * (2.0, 2.0, 1.5, 1.5, 1.5, 1.0)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    settings = Settings(samples=samples, features=6)
    (explanation,) = explain([instance], model, settings)
    surrogate = explanation.surrogates[0]
    assert {one.component for one in surrogate.weights} == set(places.tolist())
    assert sum(one.interval[0] > 0 for one in surrogate.weights) >= certain
    assert surrogate.fidelity > 0.9
    for one in surrogate.weights:
        feature = instance.background.features[one.component]
        outside = feature.bins != feature.bin_of(own[one.component])
        others = np.average(feature.values[outside], weights=feature.frequencies[outside])
        truth = beta[one.component] * (own[one.component] - others)
        assert one.interval[0] <= truth <= one.interval[1]


def fidelity_outside(instance, model, surrogate):
    """The share of what masking does that all weights explain of samples of their own."""
    masks = draw(99, surrogate.n_components, (Stage(8192, (surrogate.radius,)),), True)
    w, own = masks.weights(Product(surrogate.radius))
    y = model.predict(instance.model_inputs(instance.codes(masks)))[:, 0]
    local = surrogate.local_prediction - masks.masked @ np.array(surrogate.every_weight)
    mean = (w @ y + own * surrogate.model_prediction) / (w.sum() + own)
    first, second = masks.twins.T
    lost = w[first] @ ((y - local)[first] * (y - local)[second])
    return 1 - lost / (w[first] @ ((y - mean)[first] * (y - mean)[second]))


@pytest.mark.parametrize("d", [80, 120])
def test_fidelity_is_of_the_weights_or_a_warning_says_of_what_and_how_many_samples_do(d):
    instance, _ = wide_row(d)
    beta = np.random.default_rng(0).normal(size=d)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    (noisy,) = explain([instance], model, Settings(samples=512))
    said = {one.code: one.message for one in noisy.warnings}
    surrogate = noisy.surrogates[0]
    assert fidelity_outside(instance, model, surrogate) < surrogate.fidelity - 0.2
    assert (
        "so the weights are noisy, and fidelity is that of a fit" in said["few_effective_samples"]
    )
    assert "the best linear fit to so few samples explains" in said["low_fidelity"]
    (enough,) = re.findall(r"try --samples (\d+)", said["few_effective_samples"])
    (explanation,) = explain([instance], model, Settings(samples=int(enough)))
    assert "few_effective_samples" not in {one.code for one in explanation.warnings}
    surrogate = explanation.surrogates[0]
    assert surrogate.fidelity > 0.7
    outside = fidelity_outside(instance, model, surrogate)
    assert outside == pytest.approx(surrogate.fidelity, abs=0.1)


def test_too_few_samples_for_the_columns_are_not_taken_for_a_model_that_is_not_linear():
    instance, _ = wide_row(700)
    beta = np.random.default_rng(0).normal(size=700)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    (explanation,) = explain([instance], model, Settings(samples=512))
    (said,) = [one.message for one in explanation.warnings if one.code == "low_fidelity"]
    assert said.endswith("perhaps there are too few samples for 700 components; try more --samples")
    assert "do not describe the model" not in said


def test_a_refit_on_few_of_too_many_columns_is_what_their_weights_were():
    instance, own = wide_row(700)

    def inside(table):
        return 3.0 * (table.columns[3] == own[3]) - 2.0 * (table.columns[600] == own[600])

    settings = Settings(samples=1024, features=4)
    whole, again, lasso = (
        next(explain([instance], FunctionModel(inside), replace(settings, **choice))).surrogates[0]
        for choice in (
            {},
            {"refit": True},
            {"penalty": 0.01, "penalty_kind": "lasso", "selection": "none"},
        )
    )
    of_whole = {one.component: one.weight for one in whole.weights}
    assert {one.component: one.weight for one in again.weights} == of_whole
    assert again.others.weight == 0
    assert lasso.weights[0].component == 3
    lost = 0.01 / (lasso.radius * (1 - lasso.radius))
    assert lasso.weights[0].weight == pytest.approx(of_whole[3] - lost)


def test_shapley_values_of_a_thousand_components_add_up():
    settings = Settings(samples=2048, kernel="shapley", features=3)
    model = FunctionModel(lambda z: z[:, 3] + 2.0 * z[:, 600] + z[:, 5] * z[:, 6])
    (explanation,) = explain([MaskInstance(1100)], model, settings)
    surrogate = explanation.surrogates[0]
    total = sum(one.weight for one in surrogate.weights) + surrogate.others.weight
    assert surrogate.intercept + total == pytest.approx(surrogate.model_prediction)
    assert surrogate.weights[0].component == 600


def test_of_hundreds_of_columns_that_all_count_a_little_the_strongest_are_certain():
    rng = np.random.default_rng(2)
    wide = rng.normal(size=(80, 700)).round(3)
    names = tuple(f"c{j}" for j in range(700))
    cells = Cells("w.csv", names, tuple(tuple(map(repr, r)) for r in wide.tolist()), range(80))
    background = build_background(cells, names, Schema())
    place = int(np.argmax(wide[:, 5] - wide[:, 450]))
    instance = RowInstance(Source("0", "w.csv", 0), background, tuple(wide[place].tolist()), ())
    beta = rng.normal(0, 0.02, 700)
    beta[[5, 450]] = 0.6, -0.6

    def steep(table):
        V = np.stack([table.columns[j] for j in range(700)], axis=1)
        return 1 / (1 + np.exp(-V @ beta))

    settings = Settings(samples=1024, max_samples=8192, features=2)
    (explanation,) = explain([instance], FunctionModel(steep), settings)
    surrogate = explanation.surrogates[0]
    assert {one.component for one in surrogate.weights} == {5, 450}
    assert all(one.interval[0] > 0 for one in surrogate.weights)
    assert surrogate.radius >= 0.05


@pytest.mark.slow
def test_hundreds_of_words_that_all_count_are_fitted_together():
    rng = np.random.default_rng(3)
    beta = rng.normal(size=700)
    settings = Settings(samples=8192, features=700)
    (linear,) = explain([MaskInstance(700)], FunctionModel(lambda z: z @ beta), settings)
    found = {one.component: one.weight for one in linear.surrogates[0].weights}
    assert [found[j] for j in range(700)] == pytest.approx(beta, abs=1e-5)
    steep = FunctionModel(lambda z: np.tanh(z @ beta / 40))
    (curved,) = explain([MaskInstance(700)], steep, settings)
    surrogate = curved.surrogates[0]
    assert surrogate.fidelity > 0.98
    near = 1 / np.cosh(beta.sum() / 40) ** 2 * beta / 40
    error = [one.weight - near[one.component] for one in surrogate.weights]
    assert np.std(error) < 0.05 * np.std(near)


def test_thousands_of_columns_that_all_count_explain_most_of_the_model():
    instance, _ = wide_row(1000)
    beta = np.random.default_rng(0).normal(size=1000)
    model = FunctionModel(lambda table: np.stack(table.columns, axis=1) @ beta)
    (explanation,) = explain([instance], model, Settings(samples=8192))
    surrogate = explanation.surrogates[0]
    assert surrogate.fidelity > 0.7


@pytest.mark.parametrize("unread", [(), (11,), (3, 4, 9)])
@pytest.mark.parametrize("samples", [1024, 300])
def test_where_all_may_be_shown_the_path_is_walked_only_if_one_may_have_no_weight(
    monkeypatch, unread, samples
):
    slopes = np.where(np.isin(np.arange(12), unread), 0.0, RNG.normal(size=12) + 2.0)
    settings = {"samples": samples, "radius": 0.5}
    quick = explained(lambda V: (V > 0) @ slopes, range(8), **settings)
    monkeypatch.setattr(weights, "_all_join", lambda *_: False)
    walked = explained(lambda V: (V > 0) @ slopes, range(8), **settings)
    assert [one.surrogates for one in quick] == [one.surrogates for one in walked]


def test_refit_is_least_squares_on_what_is_shown():
    whole = explained(switched, [2], features=4, radius=0.35)[0].surrogates[0]
    again = explained(switched, [2], features=4, radius=0.35, refit=True)[0].surrogates[0]
    assert {w.component for w in whole.weights} == {w.component for w in again.weights}
    assert again.others.weight == 0
    assert whole.others.weight != 0


def test_a_flat_model_stops_as_flat_and_a_hopeless_one_as_no_linear_fit():
    noise = lambda V: np.sin(1e6 * V.sum(axis=1))  # noqa: E731
    settings = {"samples": 256, "max_samples": 8192}
    place = int(np.argmin(np.abs(noise(X))))  # elsewhere masking decides that it is not itself
    (explanation,) = explained(noise, [place], **settings)
    assert explanation.stop in ("flat", "no_linear_fit")
    assert explanation.samples < 8192
    certain = [
        w for w in explanation.surrogates[0].weights if not w.interval[0] < 0 < w.interval[1]
    ]
    assert len(certain) <= 1


def test_where_masking_decides_too_little_to_tell_how_much_weights_still_name_what_is_read():
    product = lambda V: V[:, 0] * V[:, 1] + V[:, 2] * V[:, 3]  # noqa: E731
    shares = []
    for explanation in explained(product, range(100)):
        surrogate = explanation.surrogates[0]
        if surrogate.fidelity is None:
            size = np.abs(weights_of(explanation))
            shares.append(size[:4].sum() / size.sum())
            (said,) = [w.message for w in explanation.warnings if w.code == "flat_response"]
            certain = any(one.certain for one in surrogate.weights)
            assert ("the weights are unresolved" in said) != certain
    assert len(shares) > 5
    assert np.mean(shares) > 0.55


def test_the_record_and_the_table_name_the_radius(limex):
    zoo = ("sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    case = ("explain", "tabular", *zoo, "--row", "2")
    record = json.loads(limex(*case, "-f", "json").out)
    kernel = record["targets"][0]["kernel"]
    assert kernel["radius"] in [one["radius"] for one in kernel["compared"]]
    assert f"{kernel['radius']:.3g}, local: about" in limex(*case).out
    fixed = json.loads(limex(*case, "-f", "json", "--radius", "0.35").out)
    assert fixed["targets"][0]["kernel"]["radius"] == 0.35
    width = json.loads(limex(*case, "-f", "json", "--kernel-width", "0.9").out)
    assert width["targets"][0]["kernel"]["width"] == pytest.approx(0.9)


def test_a_pair_that_acts_together_is_found_with_its_weight():
    own = X[4]
    bins = [BACKGROUND.features[j] for j in range(12)]

    def together(V):
        kept = [np.searchsorted(bins[j].cuts, V[:, j]) == bins[j].bin_of(own[j]) for j in range(12)]
        return 2.0 * (kept[1] & kept[6]) + 0.3 * kept[2]

    surrogate = explained(together, [4], radius=0.5)[0].surrogates[0]
    assert surrogate.fidelity < 0.7
    (pair,) = surrogate.pairs
    assert set(pair.components) == {1, 6}
    assert pair.interval[0] <= 2.0 <= pair.interval[1]
    assert surrogate.pairs_fidelity == pytest.approx(1, abs=0.02)


def test_pairs_are_hardly_ever_made_up_where_none_acts():
    three = lambda V: np.sign(V[:, 0]) * np.sign(V[:, 1]) * np.sign(V[:, 2])  # noqa: E731
    found = [explained(three, [seed], radius=0.5, seed=seed)[0] for seed in range(40)]
    pairs = [pair for explanation in found for pair in explanation.surrogates[0].pairs]
    made_up = [pair for pair in pairs if not set(pair.components) <= {0, 1, 2}]
    assert len(made_up) <= 0.05 * len(found)
    assert len(pairs) > len(found)


def test_a_low_fidelity_names_what_has_a_higher_one():
    four = lambda V: np.prod(np.sign(V[:, :4]), axis=1)  # noqa: E731
    (explanation,) = explained(four, [3], radius=0.5, samples=4096)
    (said,) = [one.message for one in explanation.warnings if one.code == "low_fidelity"]
    assert "--surrogate tree has " in said


def test_what_does_not_help_is_not_advised():
    own, bins = X[4], [BACKGROUND.features[j] for j in range(12)]

    def parity(V):
        kept = [np.searchsorted(bins[j].cuts, V[:, j]) == bins[j].bin_of(own[j]) for j in range(12)]
        return np.sum(kept, axis=0) % 2.0

    (explanation,) = explained(parity, [4], radius=0.5, samples=2048)
    (said,) = [one.message for one in explanation.warnings if one.code == "low_fidelity"]
    assert said.endswith(
        "no other radius, no pairs and no tree explain much more; "
        "try --group for columns that act together"
    )


HEAVY = RNG.standard_t(1.5, size=(600, 12)).round(4)


def heavy_rows(places):
    cells = Cells(
        "t.csv", NAMES, tuple(tuple(map(repr, row)) for row in HEAVY.tolist()), tuple(range(600))
    )
    background = build_background(cells, NAMES, Schema())
    return [
        RowInstance(Source(str(i), "t.csv", i), background, tuple(HEAVY[i].tolist()), ())
        for i in places
    ]


def test_extreme_values_neither_drown_nor_bend_the_weights():
    beta = np.r_[2.0, 1.5, -1.5, 1.0, np.zeros(8)]
    instances = heavy_rows(range(16))
    found = explain(instances, asked(lambda V: V @ beta), Settings(samples=2048, features=12))
    frequencies, covered = [], []
    for row, one in zip(instances, found, strict=True):
        weights = weights_of(one)
        frequencies.append(np.abs(weights[:4]).sum() / np.abs(weights).sum())
        for weight in one.surrogates[0].weights:
            feature, own = row.background.features[weight.component], row.values[weight.component]
            outside = feature.bins != feature.bin_of(own)
            others = np.average(feature.values[outside], weights=feature.frequencies[outside])
            low, high = weight.interval
            covered.append(low <= beta[weight.component] * (own - others) <= high)
    assert np.mean(frequencies) > 0.88
    assert np.mean(covered) > 0.93


def test_tails_are_zero_on_average_given_the_mask():
    (row,) = heavy_rows([3])
    n = 200_000
    rng = np.random.default_rng(5)
    masks = given(np.ones((n, 12), bool), rng)
    tails = row.tails(masks)
    assert tails is not None
    assert tails.shape[1] == 12
    error = tails.std(axis=0) / np.sqrt(n)
    assert (np.abs(tails.mean(axis=0)) < 4 * error).all()
    t = 2.0 * masks.uniforms.astype(float) - 1.0
    for polynomial in (t, 3 * t**2 - 1):
        product = (tails * polynomial).mean(axis=0)
        assert (np.abs(product) < 6 * error).all()


def test_columns_without_tails_have_none():
    (row,) = rows([3])
    assert row.tails(given(np.ones((50, 12), bool), np.random.default_rng(0))) is None
