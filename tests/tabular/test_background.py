"""The digest of a background names all that samples are drawn from, and seeds their draws."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.engine.model import different
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background, quantiles
from lime_cli.tabular.groups import Feature
from lime_cli.tabular.schema import Schema

HEADER = ("size", "age", "kind", "member", "street", "city")
rng = np.random.default_rng(0)
ROWS = tuple(
    (
        f"{size:.5g}",
        str(age),
        ["dog", "cat", "\u732b", ""][age % 4],
        str(age % 2 == 0),
        f"s{age % 7}",
        f"c{age % 3}",
    )
    for size, age in zip(rng.normal(0, 1e7, 200), rng.integers(0, 90, 200), strict=True)
)


def digest_of(rows, groups=(), **choices):
    cells = Cells("rows.csv", HEADER, tuple(rows), tuple(range(2, 2 + len(rows))))
    return build_background(cells, HEADER, Schema(groups=groups, **choices)).digest


GROUPS = (("address", ("street", "city")),)


@pytest.mark.parametrize("groups", [(), GROUPS])
def test_a_digest_tells_backgrounds_apart_by_what_is_drawn_from_them(groups):
    plain = digest_of(ROWS, groups)
    assert plain == digest_of(ROWS, groups)
    assert plain == digest_of(ROWS[::-1], groups), "the order of rows draws nothing else"
    assert plain == digest_of([*ROWS, *ROWS], groups), "nor does a table that comes twice"
    for j in range(len(HEADER)):
        other = [tuple(ROWS[1][j] if k == j else one for k, one in enumerate(ROWS[0])), *ROWS[1:]]
        if other != list(ROWS):
            assert digest_of(other, groups) != plain, HEADER[j]
    assert digest_of(ROWS, groups, bins="decile") != plain
    assert digest_of(ROWS, GROUPS if not groups else ()) != plain


@given(st.floats(-1e12, 1e12), st.sampled_from([0.0, 1e-17, 1e-9, 1e-3]), st.booleans())
def test_a_number_lies_in_its_bin_as_both_are_written(value, apart, above):
    cut = value - (abs(value) + 1e-300) * apart if above else value
    feature = Feature(
        "x", True, np.array([cut]), np.ones(1), np.zeros(1, int), np.array([cut], float)
    )
    said = feature.label(value)
    found = re.fullmatch(r"x = (\S+) \((up to|above) ([^\s\])]+)[\])]", said)
    number, end = float(found[1]), float(found[3])
    assert (number > end) == (found[2] == "above") == (value > cut)


@given(st.lists(st.floats(-1e9, 1e9) | st.integers(0, 4), min_size=1), st.integers(2, 12))
def test_quantiles_are_those_of_numpy_to_the_last_bit(values, n):
    values, shares = np.array(values, float) + 0.0, np.arange(1, n) / n  # no zero has a sign
    expected = np.quantile(values, shares)
    assert quantiles(np.sort(values), shares).tobytes() == expected.tobytes()
    assert np.array_equal(different(values), np.unique(values))


@pytest.mark.parametrize("value", [0, 7, -3, 2050, 1234567])
def test_a_whole_number_is_written_like_the_same_number_in_floating_point(value):
    cuts = np.array([value, value + 0.01])
    feature = Feature("7", True, cuts, np.ones(2) / 2, np.arange(2), cuts)
    said = f"column 7 = {value} (up to {value}]"
    assert feature.label(value) == feature.label(float(value)) == said


def test_no_more_digits_are_written_than_order_takes():
    value = -0.937474366646771
    cuts = np.array([value])
    feature = Feature("sex", True, cuts, np.ones(1), np.zeros(1, int), cuts)
    assert feature.label(value) == "sex = -0.937474 (up to -0.937474]"
