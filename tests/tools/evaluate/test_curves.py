"""Curves say the truth on models that are known."""

import numpy as np
import pytest

from lime_cli.engine import explain
from lime_cli.engine.masks import given
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from lime_cli.tools.evaluate.measure import area, curves
from tests.conftest import FunctionModel, MaskInstance

BETA = np.array([4.0, 3.0, 2.0, 1.0, -1.0])


def curves_of(function, d=5):
    instance, model = MaskInstance(d), FunctionModel(function)
    (surrogate,) = next(explain([instance], model, Settings(samples=300))).surrogates
    return curves(instance, model, surrogate, [0, 1])


def test_the_curves_of_a_linear_model_are_its_partial_sums():
    found = curves_of(lambda z: z @ BETA)
    assert found.removed == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert found.deletion == pytest.approx((9, 5, 2, 0, -1, 0))
    assert found.insertion == pytest.approx((9, 10, 9, 7, 4, 0))
    assert found.deletion_area < found.random_area < found.insertion_area
    assert found.deletion_area == pytest.approx(2.1)


def test_random_orders_of_equal_parts_give_a_straight_line():
    found = curves_of(lambda z: z.sum(axis=1))
    assert found.random == pytest.approx((5, 4, 3, 2, 1, 0))
    assert found.random_sd == pytest.approx(0, abs=1e-12)
    assert found.random_area == found.deletion_area == pytest.approx(2.5)


def test_the_same_seed_gives_the_same_curves_and_many_parts_few_points():
    function = lambda z: np.tanh(z @ np.linspace(-1, 1, 60))  # noqa: E731
    found = curves_of(function, 60)
    assert found == curves_of(function, 60)
    assert len(found.removed) == 21
    assert (found.removed[0], found.removed[-1]) == (0.0, 1.0)


def test_an_area_is_the_mean_height():
    assert area((0.0, 0.5, 1.0), (1.0, 1.0, 1.0)) == 1.0
    assert area((0.0, 1.0), (1.0, 0.0)) == 0.5


def row():
    rng = np.random.default_rng(0)
    names = ("a", "b", "same", "word")
    rows = tuple(
        (f"{a:.3f}", f"{b}", "7", w)
        for a, b, w in zip(
            rng.normal(size=80), rng.integers(0, 4, 80), rng.choice(["x", "y"], 80), strict=True
        )
    )
    cells = Cells("t.csv", names, rows, tuple(range(2, 82)))
    background = build_background(cells, names, Schema())
    first = rows[0]
    values = (float(first[0]), int(first[1]), 7, first[3])
    return RowInstance(Source("0", "t.csv", 0), background, values, ())


def test_a_row_keeps_its_own_values_and_gets_observed_ones_of_other_bins():
    instance = row()
    kept = np.random.default_rng(1).random((500, 3)) < 0.5
    table = instance.model_inputs(instance.codes(given(~kept, np.random.default_rng(2))))
    features = [one for one in instance.background.features if not one.constant]
    varied = [
        column for name, column in zip(table.names, table.columns, strict=True) if name != "same"
    ]
    own = [
        value for name, value in zip(table.names, instance.values, strict=True) if name != "same"
    ]
    for j, (feature, column) in enumerate(zip(features, varied, strict=True)):
        assert all(column[kept[:, j]] == own[j])
        gone = column[~kept[:, j]].tolist()
        assert set(gone) <= set(feature.values.tolist())
        assert all(feature.bin_of(value) != feature.bin_of(own[j]) for value in gone)
    assert set(table.columns[2].tolist()) == {7}
