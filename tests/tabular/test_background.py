"""The digest of a background names all that samples are drawn from, and seeds their draws."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.groups import spelled, told_apart
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


@pytest.mark.parametrize("groups", [(), (("address", ("street", "city")),)])
def test_it_is_that_of_the_facts_as_json(groups):
    cells = Cells("rows.csv", HEADER, ROWS, tuple(range(2, 202)))
    found = build_background(cells, HEADER, Schema(groups=groups))
    features = [
        [one.name, one.numeric, one.spelled, one.frequencies.tolist(), one.bins.tolist()]
        for one in found.features
    ]
    drawn = [
        [g.name, g.places, g.categories.tolist(), g.frequencies.tolist()] for g in found.groups
    ]
    assert len(drawn) == len(groups)
    text = json.dumps(features + drawn)
    assert found.digest == hashlib.sha256(text.encode()).hexdigest()


@given(st.one_of(st.floats(), st.decimals(-(10**7), 10**7, places=4).map(float)))
def test_a_number_is_written_in_six_digits_where_they_are_all_it_has(value):
    said = spelled(value)
    wanted = said if value != value or float(said) == value else repr(value)
    assert told_apart(value) == wanted
