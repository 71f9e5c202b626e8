"""At the edges of what can be explained the weights are right, or one line says what is wrong."""

import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_cli import api
from lime_cli.errors import LimexError, PredictionError, SettingsError

SURROGATES = (
    {},
    {"penalty": "lasso:0.01", "selection": "none"},
    {"refit": True},
    {"selection": "highest", "features": 1},
    {"surrogate": "tree"},
    {"kernel": "shapley"},
    {"radius": 0.3},
)
few = settings(max_examples=12)
sides = st.sampled_from([1, 2, 3, 12, 30])


def background(d, n=50):
    return np.random.default_rng(d).normal(size=(n, d)).round(3)


def linear(V):
    V = np.asarray(V, float)
    return V @ np.arange(1, V.shape[1] + 1)


def explained(model, X, row=None, **choices):
    """Explain one row; every warning but limex's own is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", api.LimexWarning)
        return api.explain(model, X[0] if row is None else row, background=X, **choices)


def weights_of(explanation, d):
    """Return the weight of every column, and its standard error."""
    (surrogate,) = explanation._found.surrogates
    weights, errors = np.zeros((2, d))
    for one in surrogate.weights:
        column = int(explanation._found.components[one.component].where.column)
        weights[column], errors[column] = one.weight, one.std_error
    return weights, errors


def adds_up(explanation):
    parts = [one.weight for one in explanation.weights]
    total = explanation.intercept + sum(parts) + explanation.others
    size = abs(explanation.prediction) + sum(map(abs, parts))
    return abs(total - explanation.local_prediction) <= 1e-9 * (size + 1e-300)


@few
@given(sides, st.sampled_from([16, 17, 31, 64]), st.sampled_from(SURROGATES))
def test_few_samples_give_weights_that_add_up_whatever_the_surrogate(d, samples, choices):
    explanation = explained(linear, background(d), samples=samples, **choices)
    assert np.isfinite([one.weight for one in explanation.weights]).all()
    assert choices.get("surrogate") == "tree" or adds_up(explanation)


@pytest.mark.parametrize("samples", [0, 1, 2, 8, 15])
@pytest.mark.parametrize("option", ["samples", "max_samples"])
def test_fewer_samples_than_error_bars_need_are_refused_by_the_option_given(samples, option):
    with pytest.raises(SettingsError, match=rf"^{option}.*at least 16"):
        explained(linear, background(3), **{option: samples})


@few
@given(
    st.sampled_from([1, 2, 5, 12]),
    st.sampled_from([1e-12, 2.0**-30, 1e12]),
    st.sampled_from([0.0, 1e3, -1e3]),
    st.booleans(),
)
def test_a_scaled_and_moved_output_has_scaled_weights(d, scale, moved, steps):
    X = background(d)
    model = (lambda V: np.floor(linear(V))) if steps else linear
    plain, _ = weights_of(explained(model, X, samples=256, features=d), d)
    other, _ = weights_of(
        explained(lambda V: scale * (model(V) + moved), X, samples=256, features=d), d
    )
    assert other / scale == pytest.approx(plain, rel=1e-6, abs=1e-8)


@few
@given(st.permutations(range(4)), st.integers(0, 5))
def test_where_every_input_is_asked_about_permuted_columns_have_permuted_weights(order, row):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (40, 4)).astype(float)
    model = lambda V: np.exp(np.asarray(V, float) @ [1.0, -2.0, 0.5, 1.5])  # noqa: E731
    turned = lambda V: model(np.asarray(V)[:, np.argsort(order)])  # noqa: E731
    own, _ = weights_of(explained(model, X, X[row], samples=256), 4)
    other, _ = weights_of(explained(turned, X[:, order], X[row][list(order)], samples=256), 4)
    assert other == pytest.approx(own[list(order)], rel=1e-9, abs=1e-12)


@few
@given(st.integers(0, 40), st.sampled_from([256, 1024]), st.booleans())
def test_an_additive_model_gives_each_columns_own_effect_within_its_error(row, samples, bent):
    d = 8
    X = background(d, 60)
    shape = (lambda x: x**2 + np.sin(3 * x)) if bent else (lambda x: x)
    beta = np.linspace(-2, 2, d)
    model = lambda V: shape(np.asarray(V, float)) @ beta  # noqa: E731
    found, errors = weights_of(explained(model, X, X[row], samples=samples, features=d), d)
    quarters = np.quantile(X, [0.25, 0.5, 0.75], axis=0, method="linear")
    expected = np.empty(d)
    for j, own in enumerate(X[row]):
        bins = np.searchsorted(quarters[:, j], X[:, j])
        outside = bins != np.searchsorted(quarters[:, j], own)
        expected[j] = beta[j] * (shape(own) - shape(X[outside, j]).mean())
    assert np.sqrt((((found - expected) / (errors + 1e-6)) ** 2).mean()) < 4
    assert errors.max() < 1


@few
@given(
    sides,
    st.sampled_from([{}, {"samples": 64}, {"samples": 64, "kernel": "shapley"}]),
    st.sampled_from([0.0, 3.3, -1e12, 1e-200]),
)
def test_a_constant_model_gives_every_column_nothing(d, choices, value):
    explanation = explained(lambda V: np.full(len(V), value), background(d), **choices)
    assert all(one.weight == 0 for one in explanation.weights)
    assert explanation.prediction == value
    assert explanation.local_prediction == pytest.approx(value)


@few
@given(
    st.sampled_from([2, 12]),
    st.sampled_from([np.float32, np.int64, bool]),
    st.sampled_from([{}, {"samples": 200}]),
)
def test_outputs_of_any_type_are_explained_as_the_same_numbers(d, kind, choices):
    X = background(d)
    typed = lambda V: np.rint(linear(V)).clip(0, 1000).astype(kind)  # noqa: E731
    plain = lambda V: typed(V).astype(float)  # noqa: E731
    typed.__name__ = plain.__name__ = "model"
    own = explained(typed, X, **choices)
    same = explained(plain, X, **choices)
    assert [w.weight for w in own.weights] == [w.weight for w in same.weights]


@few
@given(st.sampled_from([1, 2, 12]), st.sampled_from([{}, {"samples": 128}]))
def test_probabilities_of_exactly_zero_and_one_have_opposite_weights(d, choices):
    sure = lambda V: np.stack([linear(V) > 0, linear(V) <= 0], axis=1).astype(float)  # noqa: E731
    explanation = explained(sure, background(d), target="all", features=d, **choices)
    first, second = (
        {one.component: one.weight for one in surrogate.weights}
        for surrogate in explanation._found.surrogates
    )
    assert {j: -weight for j, weight in second.items()} == pytest.approx(first, abs=1e-9)


@few
@given(st.sampled_from([2, 12]), st.floats(0.5, 2.0), st.sampled_from([16, 32, 64, 512]))
def test_failures_are_left_out_or_refused_however_few_samples_there_are(d, limit, samples):
    def failing(V):
        predictions = linear(V)
        predictions[np.asarray(V, float)[:, 0] > limit] = np.nan
        return predictions

    X = background(d)
    row = X[np.argmin(X[:, 0])]
    for share in ("0%", "90%"):
        explanation = None
        with suppress(PredictionError):
            explanation = explained(failing, X, row, samples=samples, drop_failed=share)
        if explanation is not None:
            assert np.isfinite([one.weight for one in explanation.weights]).all()
            assert adds_up(explanation)


def test_a_model_that_fails_for_nearly_all_samples_is_refused():
    X = background(30)

    def failing(V):  # all but the row and the samples of one block
        predictions = np.full(len(V), np.nan)
        predictions[:3] = linear(V)[:3]
        return predictions

    with pytest.raises(PredictionError, match="failed for nearly all samples"):
        explained(failing, X, samples=16, drop_failed="95%")


def test_predictions_too_large_to_be_squared_are_refused():
    with pytest.raises(PredictionError, match=r"predicts numbers beyond 1e\+100"):
        explained(lambda V: 1e200 * linear(V), background(3))


@few
@given(st.sampled_from([2, 12]), st.sampled_from([1e-300, 1e-12, 1e12, 1e300]))
def test_columns_of_any_size_have_the_weights_of_the_same_columns_in_another_unit(d, unit):
    X = background(d)
    own, _ = weights_of(explained(linear, X, samples=256, features=d), d)
    model = lambda V: linear(np.asarray(V, float) / unit)  # noqa: E731
    other, _ = weights_of(explained(model, X * unit, samples=256, features=d), d)
    assert np.isfinite(other).all()
    assert abs(unit) not in (1e-12, 1e12) or other == pytest.approx(own, rel=1e-6)


@pytest.mark.parametrize("d", [2, 12])
@pytest.mark.parametrize("choices", [{}, {"samples": 256}])
def test_missing_cells_are_values_of_their_own_and_infinite_ones_are_refused(d, choices):
    X = background(d)
    X[::5, 0] = np.nan
    model = lambda V: np.nansum(np.asarray(V, float), axis=1)  # noqa: E731
    for row in (0, 1):
        assert adds_up(explained(model, X, X[row], **choices))
    X[::5, 0] = np.inf
    with pytest.raises(LimexError, match="infinite"):
        explained(model, X, X[0], **choices)


@pytest.mark.parametrize("choices", [{}, {"samples": 256}, {"kernel": "shapley", "samples": 64}])
def test_a_constant_column_is_no_component_and_equal_rows_are_no_background(choices):
    X = background(12)
    X[:, 3] = 1.0
    explanation = explained(linear, X, **choices)
    assert "3" not in {one.where.column for one in explanation._found.components}
    assert adds_up(explanation)
    for rows in (X[:1], np.repeat(X[:1], 20, axis=0)):
        with pytest.raises(LimexError, match="at least 2 different rows"):
            explained(linear, rows, **choices)


@pytest.mark.parametrize("choices", [{}, {"samples": 512}])
def test_a_column_of_five_hundred_categories_counts_by_its_category(choices):
    table = pd.DataFrame({"a": [f"v{i}" for i in range(500)], "b": np.arange(500) % 7, "c": "x"})
    model = lambda T: 5.0 * (T["a"] == "v3").to_numpy() + T["b"].to_numpy(float)  # noqa: E731
    (explanation,) = explained(model, table, table.iloc[3:4], **choices)
    strongest = explanation._found.surrogates[0].weights[0]
    assert explanation._found.components[strongest.component].where.column == "a"
    assert strongest.weight == pytest.approx(5.0, abs=0.2)
    assert {one.name for one in explanation._found.skipped} == {"c"}
