"""Columns that determine each other are found, named, and kept together where that is asked."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_cli.tabular.schema import Schema
from tests.tabular.test_modality import read, written

CITIES = ("Oslo", "Bergen", "Bodo")


def people(folder, n=200, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        place = int(rng.integers(0, 6))
        height = round(rng.normal(170, 9), 1)
        rows.append(
            [
                1000 + 100 * place,
                CITIES[place // 2],
                height,
                round(height / 2.54 + rng.normal(0, 0.05), 2),
                round(rng.normal(40, 12), 1),
                ("cook", "nurse")[int(rng.integers(0, 2))],
            ]
        )
    header = ["postcode", "city", "cm", "inches", "age", "job"]
    return written(folder, header, rows)


def test_columns_that_determine_each_other_are_found(tmp_path):
    background = read(people(tmp_path), 0).background
    assert set(background.dependent) == {("postcode", "city"), ("cm", "inches")}


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_independent_columns_are_left_alone(seed):
    from lime_cli.tables.cells import Cells
    from lime_cli.tabular.background import build_background

    rng = np.random.default_rng(seed)
    rows = tuple(
        (repr(float(a)), str(int(b)), "xyz"[int(c)], str(int(d)))
        for a, b, c, d in zip(
            rng.normal(size=80),
            rng.integers(0, 40, 80),
            rng.integers(0, 3, 80),
            rng.integers(0, 2, 80),
            strict=True,
        )
    )
    names = ("a", "b", "c", "d")
    background = build_background(Cells("t.csv", names, rows, tuple(range(80))), names, Schema())
    assert background.dependent == ()


def test_an_identifier_determines_nothing(tmp_path):
    rows = [[f"p{i}", i % 3, (i * 7919) % 1000] for i in range(120)]
    assert read(written(tmp_path, ["who", "kind", "x"], rows), 0).background.dependent == ()


def ask(table):
    """Read the city, and misbehave where city and postcode do not belong together."""
    place = (table["postcode"].to_numpy(int) - 1000) // 200
    known = np.array([CITIES.index(one) for one in table["city"]])
    return np.where(place != known, -5.0, 1.0 * (known == 0) + table["age"].to_numpy(float) / 100)


MODEL = "py:tests.tabular.test_dependence:ask"


def explained(limex, path, *options):
    done = limex("explain", "tabular", MODEL, path, "--row", "3", "-f", "json", *options)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_a_warning_names_the_sets_and_what_helps(limex, tmp_path):
    path = people(tmp_path)
    (said,) = [
        one["message"]
        for one in explained(limex, path)["warnings"]
        if one["code"] == "dependent_columns"
    ]
    assert "postcode, city" in said
    assert "cm, inches" in said
    assert "--group auto" in said


def test_group_auto_keeps_them_together_and_the_model_on_rows_that_exist(limex, tmp_path):
    path = people(tmp_path)
    record = explained(limex, path, "--group", "auto")
    names = {one["where"]["column"] for one in record["targets"][0]["components"]}
    assert {"postcode + city", "cm + inches"} <= names
    assert not [one for one in record["warnings"] if one["code"] == "dependent_columns"]
    apart = explained(limex, path)["targets"][0]
    together = record["targets"][0]
    largest = lambda target: max(abs(one["weight"]) for one in target["components"])  # noqa: E731
    assert largest(apart) > 2  # of rows that cannot exist
    assert largest(together) < 1.5


def broken(table):
    """Count the pairs of columns that do not belong together, modulo 2, and add the last column."""
    V = table.to_numpy(float)
    return (np.abs(V[:, 0:12:2] - V[:, 1:12:2]) > 0.5).sum(axis=1) % 2 * 4.0 + V[:, 12]


def test_a_low_fidelity_of_columns_replaced_apart_names_what_helps(limex, tmp_path):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 14)).round(3)
    X[:, 1:12:2] = (X[:, 0:12:2] + 0.05 * rng.normal(size=(300, 6))).round(3)
    path = written(tmp_path, [f"c{j}" for j in range(14)], X.tolist())
    model = "py:tests.tabular.test_dependence:broken"
    options = ("--row", "0", "--samples", "1024", "-f", "json")
    apart, together = (
        json.loads(limex("explain", "tabular", model, path, *options, *more).out)
        for more in ((), ("--group", "auto"))
    )
    (said,) = [one["message"] for one in apart["warnings"] if one["code"] == "low_fidelity"]
    assert "try --group auto, which keeps together" in said
    assert apart["targets"][0]["fidelity"] < 0.5
    assert together["targets"][0]["fidelity"] > 0.95
    assert "low_fidelity" not in {one["code"] for one in together["warnings"]}


def test_a_profile_remembers_the_sets_and_holds_the_groups(limex, tmp_path):
    path = people(tmp_path)
    plain, grouped = tmp_path / "plain.profile.json", tmp_path / "grouped.profile.json"
    assert limex("profile", path, "-o", plain).code == 0
    record = explained(limex, path, "--background", plain)
    assert "dependent_columns" in {one["code"] for one in record["warnings"]}
    refused = limex(
        *("explain", "tabular", MODEL, path, "--row", "3", "--background", plain),
        *("--group", "auto"),
    )
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "give it to limex profile" in refused.err
    assert limex("profile", path, "--group", "auto", "-o", grouped).code == 0
    record = explained(limex, path, "--background", grouped, "--group", "auto")
    assert "dependent_columns" not in {one["code"] for one in record["warnings"]}


@pytest.mark.parametrize("bins", ["quartile", "none"])
def test_uncut_numbers_are_found_too(tmp_path, bins):
    rows = [[i / 3, 5 - i / 2, (i * 37) % 100] for i in range(100)]
    path = written(tmp_path, ["a", "b", "c"], rows)
    assert read(path, 0, schema=Schema(bins=bins)).background.dependent == (("a", "b"),)
