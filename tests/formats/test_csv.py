"""CSV holds one line a weight, numbers in full, and every name as JSON has it."""

import csv
import io
import json

import pytest

from lime_cli.engine.explanation import Surrogate
from tests.formats.test_json import explanation, written


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_a_line_holds_instance_target_component_and_weight():
    (row,) = rows(written("csv", [explanation()]))
    assert row["instance"] == "17"
    assert row["target"] == "yes"
    assert row["component"] == "age > 40"
    assert row["where"] == "age"
    assert float(row["weight"]) == 0.2
    assert float(row["model_prediction"]) == 0.8
    assert row["std_error"] == ""


def test_two_explanations_share_one_header():
    found = rows(written("csv", [explanation("a"), explanation("b")]))
    assert [row["component"] for row in found] == ["a", "b"]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx"])
def test_csv_and_json_name_a_component_alike(name):
    one = explanation(name)
    (row,) = rows(written("csv", [one]))
    (component,) = json.loads(written("json", [one]))["targets"][0]["components"]
    assert row["component"] == component["name"] == name


def test_a_negative_weight_stays_a_number():
    from dataclasses import replace

    one = explanation()
    (surrogate,) = one.surrogates
    weights = (surrogate.weights[0]._replace(weight=-0.25),)
    negative = replace(one, surrogates=(replace(surrogate, weights=weights),))
    (row,) = rows(written("csv", [negative]))
    assert row["weight"] == "-0.25"


@pytest.mark.parametrize("name", ['a,"b"', "line\nbreak", "=a\rb", "\ud800", "ü 中", "nul\0"])
def test_every_name_keeps_the_line_in_shape(name):
    (row,) = rows(written("csv", [explanation(name)]))
    assert float(row["weight"]) == 0.2


def test_a_target_without_weights_has_a_line_without_a_component():
    from dataclasses import replace

    flat = replace(explanation(), surrogates=(Surrogate(1, "yes", 0.8, 0.8, 0.8, None, None, ()),))
    (row,) = rows(written("csv", [flat]))
    assert row["component"] == ""
    assert row["fidelity"] == ""
    assert row["stop"] == "samples"
