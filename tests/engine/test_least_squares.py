"""Least squares of every fold."""

import numpy as np
import pytest

from lime_cli.engine.least_squares import _largest


@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_largest_are_those_of_a_stable_order_where_some_are_equal(n):
    rng = np.random.default_rng(n)
    sizes = rng.integers(0, 5, (4, 6, 7)).astype(float)
    order = np.sort(np.argsort(-sizes, axis=-1, kind="stable")[..., :n], axis=-1)
    np.testing.assert_array_equal(_largest(sizes, n), order)
    distinct = rng.permuted(np.arange(4.0 * 7).reshape(4, 7), axis=1)
    order = np.sort(np.argsort(-distinct, axis=-1)[..., :n], axis=-1)
    np.testing.assert_array_equal(_largest(distinct, n), order)
