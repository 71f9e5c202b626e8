"""Least squares of every fold."""

import numpy as np
import pytest

from lime_cli.engine.gram import Ground
from lime_cli.engine.least_squares import _largest, solve
from lime_cli.engine.masks import Stage, draw
from lime_cli.engine.neighbourhood import Product


@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_largest_are_those_of_a_stable_order_where_some_are_equal(n):
    rng = np.random.default_rng(n)
    sizes = rng.integers(0, 5, (4, 6, 7)).astype(float)
    order = np.sort(np.argsort(-sizes, axis=-1, kind="stable")[..., :n], axis=-1)
    np.testing.assert_array_equal(_largest(sizes, n), order)
    distinct = rng.permuted(np.arange(4.0 * 7).reshape(4, 7), axis=1)
    order = np.sort(np.argsort(-distinct, axis=-1)[..., :n], axis=-1)
    np.testing.assert_array_equal(_largest(distinct, n), order)


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize(("d", "n"), [(70, 512), (130, 1024), (190, 1000), (150, 512)])
def test_folds_fitted_from_everything_are_those_fitted_by_themselves(d, n, halved):
    radii = (0.5, 0.25, 0.125, 0.0625)
    masks = draw(3, d, (Stage(n, radii),), True)
    grounds = [Ground(masks, tuple(map(Product, radii))) for _ in range(2)]
    one, other = [ground.half if halved else ground for ground in grounds]
    one.updated, other.updated = True, False
    y = np.random.default_rng(d).normal(size=(2, one.masks.n))
    sorted_y = one.sorted_predictions(y)
    blocks = one.correlations(sorted_y)
    everything = blocks.sum(axis=2, keepdims=True)
    c = np.concatenate([everything, everything - blocks], axis=2)
    direct, misses = solve(other, slice(None), c, sorted_y)
    scale = np.abs(direct).max(axis=-1, keepdims=True)
    found, missed = solve(one, slice(None), c, sorted_y)
    np.testing.assert_allclose(found / scale, direct / scale, atol=1e-6)
    np.testing.assert_allclose(missed, misses, atol=1e-6 * np.abs(misses).max())
    assert solve(one, slice(1, 2), c[:1, 1:2], sorted_y[:1])[0][0, 0] == pytest.approx(
        direct[0, 1], rel=1e-6, abs=1e-6 * scale[0, 1].max()
    )
