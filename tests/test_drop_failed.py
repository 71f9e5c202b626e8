"""Models that have no answer for some samples: refused, or left out up to a share and said so."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

SLOPES = {"red": 3.0, "green": -2.0, "blue": 1.0}


def rows(table):
    """Answer by two columns, but not where both are large."""
    first, second = (np.asarray(table[name], float) for name in ("a", "b"))
    broken = (first > 1.2) & (second > 0.5)
    return np.where(broken, np.nan, first + 2 * second)


def words(texts):
    """Add up what each word is worth, but not where both of two are gone."""
    worth = np.array([sum(SLOPES.get(word, 0.0) for word in text.split()) for text in texts])
    broken = ["dark" not in text and "light" not in text for text in texts]
    return np.where(broken, np.inf, worth)


def nothing(texts):
    """Never answer to a sample; only to whole texts."""
    return np.array([0.5 if len(text.split()) == 5 else np.nan for text in texts])


@pytest.fixture
def module(monkeypatch):
    name = "models_with_gaps"
    found = ModuleType(name)
    found.rows, found.words, found.nothing = rows, words, nothing
    monkeypatch.setitem(sys.modules, name, found)
    return name


@pytest.fixture
def table(tmp_path):
    values = np.random.default_rng(0).normal(size=(300, 2)).round(3)
    values[0] = 0.0, 0.1
    lines = ["a,b", *(f"{a},{b}" for a, b in values.tolist())]
    (tmp_path / "t.csv").write_text("\n".join(lines), "utf-8")
    return tmp_path / "t.csv"


def test_samples_without_an_answer_are_refused_and_the_way_on_is_named(limex, module, table):
    run = limex("explain", "tabular", f"py:{module}:rows", table, "--row", "0")
    assert run.code == 4
    assert run.out == ""
    assert "NaN or infinity for" in run.err
    assert "--drop-failed 5%" in run.err


def test_samples_without_an_answer_are_left_out_and_counted(limex, module, table):
    case = ("explain", "tabular", f"py:{module}:rows", table, "--row", "0", "-f", "json")
    run = limex(*case, "--drop-failed", "10%", "--samples", "2048")
    record = json.loads(run.out)
    (said,) = (one["message"] for one in record["warnings"] if one["code"] == "dropped_samples")
    left_out = int(said.split(" of ")[0].replace(",", ""))
    assert 0 < left_out < 205
    assert record["settings"]["drop_failed"] == 0.1
    weights = {one["where"]["column"]: one["weight"] for one in record["targets"][0]["components"]}
    assert 0 < abs(weights["a"]) < abs(weights["b"])


def test_more_of_them_than_allowed_are_refused_with_both_numbers(limex, module, table):
    case = ("explain", "tabular", f"py:{module}:rows", table, "--row", "0", "--drop-failed", "1%")
    run = limex(*case)
    assert run.code == 4
    assert run.out == ""
    assert "--drop-failed 1% allows fewer" in run.err


@pytest.mark.parametrize("samples", ["31", "24"])
def test_what_is_left_is_fitted_exactly(limex, module, tmp_path, samples):
    (tmp_path / "t.txt").write_text("red green blue dark light", "utf-8")
    case = ("explain", "text", f"py:{module}:words", tmp_path / "t.txt", "-f", "json")
    run = limex(*case, "--drop-failed", "60%", "--samples", samples)
    target = json.loads(run.out)["targets"][0]
    weights = {one["name"]: one["weight"] for one in target["components"]}
    assert {name: weights[name] for name in SLOPES} == pytest.approx(SLOPES, abs=1e-9)
    others = [weights.get(name, 0.0) for name in ("dark", "light")]
    assert others == pytest.approx([0.0, 0.0], abs=1e-9)
    assert target["fidelity"] == pytest.approx(1.0)


def test_the_instance_itself_must_have_an_answer(limex, module, table):
    (table.parent / "bad.csv").write_text("a,b\n2.0,2.0\n0.1,0.1\n", "utf-8")
    case = (f"py:{module}:rows", table.parent / "bad.csv", "--background", table)
    run = limex("explain", "tabular", *case, "--row", "0", "--drop-failed", "50%")
    assert run.code == 4
    assert "NaN or infinity" in run.err


def test_a_model_without_any_answer_has_no_explanation(limex, module, tmp_path):
    (tmp_path / "t.txt").write_text("red green blue dark light", "utf-8")
    case = ("explain", "text", f"py:{module}:nothing", tmp_path / "t.txt", "--drop-failed", "99%")
    run = limex(*case)
    assert run.code == 4
    assert "NaN or infinity" in run.err


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("many", "give one such as 5%"),
        ("100%", "a share below 100%"),
        ("-1%", "a share below 100%"),
    ],
)
def test_shares_that_are_none_are_refused(limex, module, table, value, said):
    case = ("explain", "tabular", f"py:{module}:rows", table, "--row", "0")
    run = limex(*case, f"--drop-failed={value}")
    assert run.code == 2
    assert said in run.err


def test_the_sums_of_lime_have_no_way_to_leave_samples_out(limex, module, table):
    case = ("explain", "tabular", f"py:{module}:rows", table, "--row", "0", "--like-lime")
    run = limex(*case, "--drop-failed", "5%")
    assert run.code == 2
    assert "--drop-failed" in run.err
