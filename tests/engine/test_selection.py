"""The LASSO path against scikit-learn's and against published figures."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso, lars_path_gram

from lime_cli.engine.selection import dot, lasso_path


def problem(seed: int):
    """Draw a weighted problem with binary columns, now and then a constant or a repeated one."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(30, 80)), int(rng.integers(1, 14))
    Z = (rng.random((n, d)) < rng.uniform(0.2, 0.8, d)).astype(float)
    if seed % 3 == 0 and d > 2:
        Z[:, 1] = 1 - Z[:, 0]
    if seed % 5 == 0:
        Z[:, -1] = 1
    y = Z @ rng.normal(size=d) * rng.integers(0, 2) + rng.normal(size=n)
    weights = rng.uniform(0.1, 1, n)
    return Z, y, weights


def gram_of(Z, y, weights):
    Z = Z - np.average(Z, axis=0, weights=weights)
    y = y - np.average(y, weights=weights)
    total = weights.sum()
    return (Z * weights[:, None]).T @ Z / total, (Z * weights[:, None]).T @ y / total


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.01, 0.95))
def test_a_penalty_gives_what_scikit_learns_weighted_lasso_gives(seed, share):
    Z, y, weights = problem(seed)
    gram, correlation = gram_of(Z, y, weights)
    if np.abs(correlation).max() < 1e-8:
        return
    penalty = float(np.abs(correlation).max() * share)
    ours = lasso_path(gram[None], np.zeros(1, int), correlation[None], len(gram), penalty)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Lasso(alpha=penalty, tol=1e-15, max_iter=100_000).fit(Z, y, sample_weight=weights)
    centred = Z - np.average(Z, axis=0, weights=weights)
    assert centred @ ours.coefficients[0] == pytest.approx(centred @ theirs.coef_, abs=1e-7)


@pytest.mark.parametrize("seed", [1, 2, 4, 7, 8, 11, 13, 14])
@pytest.mark.parametrize("n_active", [1, 3, 5])
def test_the_knots_are_those_of_scikit_learns_path(seed, n_active):
    Z, y, weights = problem(seed)
    gram, correlation = gram_of(Z, y, weights)
    ours = lasso_path(gram[None], np.zeros(1, int), correlation[None], n_active)
    _, _, path = lars_path_gram(correlation, gram, n_samples=1, method="lasso")
    counts = (path != 0).sum(axis=0)
    knot = int(np.argmax(counts >= min(n_active, counts.max())))
    assert ours.coefficients[0] == pytest.approx(path[:, knot], abs=1e-8)


def test_many_problems_in_step_are_the_problems_one_by_one():
    grams, correlations = zip(*(gram_of(*problem(seed)) for seed in (0, 3, 3, 6, 9)), strict=True)
    d = min(len(one) for one in grams)
    grams = np.stack([one[:d, :d] for one in grams])
    correlations = np.stack([one[:d] for one in correlations])
    together = lasso_path(grams, np.arange(5), correlations, 4)
    for p in range(5):
        alone = lasso_path(grams[p : p + 1], np.zeros(1, int), correlations[p : p + 1], 4)
        assert together.coefficients[p] == pytest.approx(alone.coefficients[0], abs=1e-12)
        assert np.array_equal(together.entry[p] >= 0, alone.entry[0] >= 0)


@pytest.mark.parametrize("problems", [1, 2, 9, 200])
@pytest.mark.parametrize("rows", [1, 8, 9, 31])
@pytest.mark.parametrize("d", [1, 15])
def test_products_are_summed_in_the_order_of_the_rows_whatever_their_number(problems, rows, d):
    rng = np.random.default_rng(0)
    left = rng.normal(size=(rows, 2, d, problems))
    left *= 10.0 ** rng.integers(-9, 9, (rows, 1, 1, problems))
    right = rng.normal(size=(rows, problems))
    expected = np.zeros((2, d, problems))
    for one, other in zip(left, right, strict=True):
        expected = expected + one * other
    assert dot(left, right).tobytes() == expected.tobytes()
    some = np.asfortranarray(left)
    assert dot(some, right).tobytes() == expected.tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_active_is_correlated_alike_to_the_last_digits_after_many_drops(seed):
    rng = np.random.default_rng(seed)
    d = 30
    Z = rng.normal(size=(60, d)) @ (np.eye(d) + rng.normal(size=(d, d)))
    gram = Z.T @ Z / len(Z)
    gram /= np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
    correlation = gram @ rng.normal(size=d)
    path = lasso_path(gram[None], np.zeros(1, int), correlation[None], d - 2)
    active = path.entry[0] >= 0
    assert path.entry.max() >= active.sum()  # some were dropped
    left = np.abs(correlation - gram @ path.coefficients[0])
    start = np.abs(correlation).max()
    assert np.ptp(left[active]) <= 1e-11 * start
    assert left[~active].max() <= left[active].max() + 1e-11 * start


def test_a_repeated_column_joins_once():
    Z, y, weights = problem(2)
    Z = np.hstack([Z, Z[:, :1]])
    gram, correlation = gram_of(Z, y, weights)
    path = lasso_path(gram[None], np.zeros(1, int), correlation[None], len(gram))
    assert path.coefficients[0, 0] == 0 or path.coefficients[0, -1] == 0


def test_no_correlation_gives_no_coefficient():
    path = lasso_path(np.eye(3)[None], np.zeros(1, int), np.zeros((1, 3)), 3)
    assert not path.coefficients.any()
    assert (path.entry == -1).all()


@pytest.mark.parametrize(
    ("groups", "baseline", "expected"),
    [
        ([[0], [1], [2]], 0.0, [73.5, 193.5, 113.5]),
        ([[0, 1], [2]], 0.0, [271.0, 111.0]),
        ([[0, 1], [2]], 4.0, [244.0, 100.0]),
    ],
)
def test_captums_published_figures_come_out(groups, baseline, expected):
    x = np.array([20.0, 50.0, 30.0])
    d = len(groups)
    masks = np.array([[(i >> j) & 1 for j in range(d)] for i in range(2**d)], float)
    inputs = np.full((2**d, 3), baseline)
    for j, group in enumerate(groups):
        inputs[:, group] = np.where(masks[:, j : j + 1] == 1, x[group], baseline)
    hidden = np.maximum(inputs.sum(axis=1, keepdims=True) + np.array([-10, 1, 1, 1]), 0)
    predictions = hidden.sum(axis=1) - 1
    norms = np.linalg.norm(inputs, axis=1) * np.linalg.norm(x)
    cosine = np.divide(inputs @ x, norms, out=np.zeros(2**d), where=norms > 0)
    weights = np.exp(-((1 - cosine) ** 2) / (2 * 10.0**2))
    gram, correlation = gram_of(masks, predictions, weights)
    path = lasso_path(gram[None], np.zeros(1, int), correlation[None], d, penalty=1.0)
    assert path.coefficients[0] == pytest.approx(expected, abs=0.01)
