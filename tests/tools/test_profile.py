"""Backgrounds without their rows: the same explanations, and one line for what does not fit."""

import csv
import json
import subprocess
import sys

import jsonschema
import numpy as np
import pytest

from lime_cli.errors import InputError
from lime_cli.tables.dialect import PLAIN
from lime_cli.tabular.columns import learn
from lime_cli.tabular.profile import _digest, read_profile
from lime_cli.tabular.schema import Schema
from tests.conftest import ROOT

SCHEMAS = ROOT / "lime_cli" / "records" / "schema"

HEADER = ["age", "income", "street", "city", "job_nurse", "job_cook", "job_none", "since", "grade"]


def rows(n=120, seed=3):
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        job = int(rng.integers(3))
        income = "" if i % 7 == 0 else f"{rng.normal(30, 8):.4f}"
        place = [("High St", "Oslo"), ("Quay", "Bergen"), ('Low, "St"', "Oslo")][i % 3]
        jobs = [int(job == j) for j in range(3)]
        day = f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"
        found.append([int(rng.integers(18, 90)), income, *place, *jobs, day, "ABC"[i % 3]])
    return found


def model(table):
    """Answer by a bit of everything."""
    age, income = table["age"].to_numpy(float), table["income"].to_numpy(float)
    score = age / 50 + np.nan_to_num(income, nan=20.0) / 30 - 2
    score = score + (table["city"] == "Oslo") + 0.5 * table["job_cook"] - (table["grade"] == "A")
    share = 1 / (1 + np.exp(-score.to_numpy(float)))
    return np.stack([1 - share, share], axis=1)


model.classes = ("no", "yes")


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([HEADER, *rows()])
    return path


MODEL = "py:tests.tools.test_profile:model"


def explained(limex, train, background, *more):
    done = limex(
        *("explain", "tabular", MODEL, train, "--row", "3-5", "-f", "jsonl", "--samples", "512"),
        *("--background", background, "--seed", "7", *more),
    )
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(
    ("making", "asking"),
    [
        ((), ()),
        (("--bins", "decile"), ("--bins", "decile")),
        (("--bins", "none"), ("--bins", "none")),
        (("--numeric", "since", "--categorical", "age"),) * 2,
        (("--group", "address=street,city", "--onehot"),) * 2,
        ((), ("--fixed", "age", "--text-column", "street")),
        (("--bins", "entropy", "--label", "grade"), ("--bins", "entropy", "--label", "grade")),
    ],
)
def test_a_profile_explains_as_its_table_does(limex, train, tmp_path, making, asking):
    profile = tmp_path / "train.profile.json"
    assert limex("profile", train, "-o", profile, *making).code == 0
    by_table = explained(limex, train, train, *asking)
    assert explained(limex, train, profile, *asking) == by_table


def test_a_profile_says_once_how_columns_are_cut_and_grouped(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    made = ("--bins", "3", "--group", "address=street,city", "--onehot", "--numeric", "since")
    limex("profile", train, "-o", profile, *made)
    assert explained(limex, train, profile) == explained(limex, train, train, *made)


def test_a_profile_holds_no_rows(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    limex("profile", train, "-o", profile)
    data = json.loads(profile.read_text("utf-8"))
    incomes = next(one for one in data["columns"] if one["name"] == "income")
    assert incomes["values"][:-1] == sorted(incomes["values"][:-1])
    assert data["rows"] == 120
    assert data["groups"] == []
    assert set(data) == {
        *("schema", "limex", "source", "rows", "private", "bins", "onehot", "dependent"),
        *("warnings", "columns", "groups", "digest"),
    }


def test_a_private_profile_keeps_what_many_rows_share(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    assert limex("profile", train, "-o", profile, "--private", "--min-count", "20").code == 0
    data = json.loads(profile.read_text("utf-8"))
    columns = {one["name"]: one for one in data["columns"]}
    real = {float(row[1]) for row in rows() if row[1]}
    assert all(min(one["counts"]) >= 20 for one in columns.values() if one["name"] != "since")
    assert not real & set(columns["income"]["values"])
    assert len(columns["age"]["values"]) == 4
    assert all(isinstance(one, int) for one in columns["age"]["values"])
    assert len(columns["since"]["values"]) == 1
    (record, *_) = explained(limex, train, profile)
    assert "background_private" in [one["code"] for one in record["warnings"]]
    assert {one["where"]["column"] for one in record["targets"][0]["components"]} >= {"age", "city"}


@pytest.mark.parametrize("least", [1, 5, 30, 60, 120])
def test_private_bins_hold_at_least_so_many_rows(limex, train, tmp_path, least):
    profile = tmp_path / "p.json"
    drop = "street,city,since,grade,job_nurse,job_cook,job_none"
    done = limex("profile", train, "-o", profile, "--private", "--min-count", least, "--drop", drop)
    if least == 120:
        assert done.code == 3
        assert "'income' holds nothing that 120 rows share" in done.err
        return
    data = json.loads(profile.read_text("utf-8"))
    for column in data["columns"]:
        assert min(column["counts"]) >= least
        present = [one for one in column["values"] if one is not None]
        assert np.searchsorted(column["cuts"], present).tolist() == list(range(len(present)))


def test_private_groups_are_refused(limex, train, tmp_path):
    done = limex(
        *("profile", train, "-o", tmp_path / "p.json", "--private"),
        *("--group", "address=street,city"),
    )
    assert done.code == 2
    assert "--private: the combinations of group 'address' would reveal rows" in done.err
    assert not (tmp_path / "p.json").exists()


def test_a_private_block_keeps_the_levels_that_many_share(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    done = limex("profile", train, "-o", profile, "--private", "--onehot", "--drop", "street")
    assert done.code == 0, done.err
    (block,) = json.loads(profile.read_text("utf-8"))["groups"]
    assert block["name"] == "job"
    assert sorted(map(sum, block["categories"])) == [1, 1, 1]


def damaged(data, how):
    data = json.loads(json.dumps(data))
    column = data["columns"][0]
    match how:
        case "value":
            column["values"][0] += 1
            return data
        case "number":
            data["schema"]["number"] = 1
            return data
        case "name":
            data["schema"]["name"] = "limex/explanation"
            return data
        case "counts":
            column["counts"][0] = -1
        case "short":
            column["bins"].pop()
        case "kind":
            column["kind"] = "complex"
        case "columns":
            data["columns"] = {}
        case "words":
            column["values"][0] = "x"
        case "missing":
            del data["groups"]
    data.pop("digest")
    return {**data, "digest": _digest(data)}


@pytest.mark.parametrize(
    "how",
    ["value", "number", "name", "counts", "short", "kind", "columns", "words", "missing"],
)
def test_a_profile_that_cannot_be_used_is_one_line(limex, train, tmp_path, how):
    profile = tmp_path / "p.json"
    limex("profile", train, "-o", profile)
    data = damaged(json.loads(profile.read_text("utf-8")), how)
    profile.write_text(json.dumps(data), "utf-8")
    done = limex("explain", "tabular", MODEL, train, "--row", "0", "--background", profile)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("limex: p.json: ")
    assert done.err.count("\n") == 1
    words = {"number": "has schema 1", "name": "is not a profile"}.get(how, "is damaged")
    assert words in done.err


def test_many_numbers_are_kept_as_bytes_and_come_back_as_they_were(limex, tmp_path):
    rng = np.random.default_rng(2)
    table = tmp_path / "many.csv"
    columns = [
        rng.normal(size=3000),
        rng.integers(-900, 9000, 3000),
        np.where(rng.random(3000) < 0.1, np.nan, rng.normal(size=3000).round(4)),
        rng.integers(0, 3, 3000),
    ]
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["real", "whole", "gaps", "few", "word"])
        for row in zip(*columns, strict=True):
            cells = ["" if one != one else repr(one.item()) for one in row]
            writer.writerow([*cells, f"w{rng.integers(2000)}"])
    profile = tmp_path / "p.json"
    assert limex("profile", table, "-o", profile, "--group", "pair=few,word").code == 0
    data = json.loads(profile.read_text("utf-8"))
    assert [isinstance(one["values"], dict) for one in data["columns"]] == [1, 1, 1, 0, 0]
    jsonschema.validate(data, json.loads((SCHEMAS / "profile-2.json").read_text("utf-8")))
    names = [one["name"] for one in data["columns"]]
    schema = Schema(groups=(("pair", ("few", "word")),))
    learned = learn(str(table), PLAIN, schema, lambda stream: (stream, names)).background
    kept, _ = read_profile(str(profile)).background(names, schema)
    assert kept.digest == learned.digest
    for one, other in zip(kept.features, learned.features, strict=True):
        assert one.values.dtype == other.values.dtype
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.frequencies, other.frequencies)
        np.testing.assert_array_equal(one.bins, other.bins)
    for column, change in (
        (0, {"dtype": "|O"}),
        (0, {"base64": "AAA"}),
        (0, {"base64": "*"}),
        (3, {"values": {"dtype": "<f8", "base64": "AAAAAAAA8D8="}}),
        (4, {"values": data["columns"][0]["values"]}),
    ):
        wrong = json.loads(json.dumps(data))
        target = wrong["columns"][column]
        (target if "values" in change else target["values"]).update(change)
        wrong.pop("digest")
        profile.write_text(json.dumps({**wrong, "digest": _digest(wrong)}), "utf-8")
        with pytest.raises(InputError, match="the profile is damaged"):
            read_profile(str(profile))


@pytest.mark.parametrize("text", ["", "{", "[1]", "age,city\n1,2\n", "\xff", "[" * 100_000])
def test_what_is_no_profile_is_one_line(limex, train, tmp_path, text):
    profile = tmp_path / "p.json"
    profile.write_bytes(text.encode("latin-1"))
    done = limex("explain", "tabular", MODEL, train, "--row", "0", "--background", profile)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("limex: p.json: is not a profile")
    assert done.err.count("\n") == 1


def test_a_profile_that_lacks_a_column_of_the_model_is_one_line(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    limex("profile", train, "-o", profile, "--drop", "city")
    done = limex("explain", "tabular", MODEL, train, "--row", "0", "--background", profile)
    assert done.code == 3
    assert "p.json: lacks column 'city'" in done.err


@pytest.mark.parametrize(
    ("asking", "words"),
    [
        (("--bins", "decile"), "--bins decile: p.json was cut by quartile"),
        (("--numeric", "city"), "--numeric city: p.json treats it differently"),
        (("--categorical", "town"), "--categorical: p.json has no column 'town'"),
        (("--group", "address=street,city"), "does not record which values occurred together"),
        (("--onehot",), "--onehot: p.json was made without"),
        (("--fixed", "town"), "--fixed: p.json has no column 'town'"),
    ],
)
def test_choices_that_the_profile_was_not_made_by_are_one_line(
    limex, train, tmp_path, asking, words
):
    profile = tmp_path / "p.json"
    limex("profile", train, "-o", profile)
    done = limex("explain", "tabular", MODEL, train, "--row", "0", "--background", profile, *asking)
    assert done.code == 2
    assert words in done.err


def test_the_command_line_is_checked_before_the_table_is_read(limex, train, tmp_path):
    assert limex("profile", train, "-o", tmp_path / "p.json", "--min-count", "3").code == 2
    assert limex("profile", train, "-o", tmp_path / "none" / "p.json").code == 5
    (tmp_path / "p.json").write_text("mine", "utf-8")
    assert limex("profile", train, "-o", tmp_path / "p.json").code == 5
    assert (tmp_path / "p.json").read_text("utf-8") == "mine"
    assert limex("profile", tmp_path / "no.csv", "-o", tmp_path / "q.json").code == 3


def test_a_table_from_a_pipe_is_explained_with_a_profile(limex, train, tmp_path):
    profile = tmp_path / "p.json"
    limex("profile", train, "-o", profile)
    words = ["explain", "tabular", MODEL, "-", "--row", "3-5", "-f", "jsonl", "--samples", "512"]
    done = subprocess.run(
        [sys.executable, "-m", "lime_cli", *words, "--background", profile, "--seed", "7"],
        input=train.read_bytes(),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    by_file = explained(limex, train, train)
    assert [one["targets"] for one in records] == [one["targets"] for one in by_file]
