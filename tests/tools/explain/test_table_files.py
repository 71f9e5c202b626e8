"""Raw tables as they lie about, explained by two file names and a row."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.conftest import ROOT

N = 120


@pytest.fixture(scope="module")
def passengers():
    """Passengers of a ship: names with commas and quotes, ages and cabins that are missing."""
    rng = np.random.default_rng(7)
    sex = rng.choice(["male", "female"], N)
    names = [f'Doe, {"Mr." if one == "male" else "Mrs."} No. {i} "Jo"' for i, one in enumerate(sex)]
    age = np.where(rng.random(N) < 0.2, np.nan, rng.integers(1, 160, N) / 2)
    cabin = [f"C{i % 9}" if i % 4 == 0 else None for i in range(N)]
    fare = rng.gamma(2, 16, N).round(4)
    ids, ranks = range(1, N + 1), rng.integers(1, 4, N)
    columns = {"PassengerId": ids, "Pclass": ranks, "Name": names, "Sex": sex, "Age": age}
    return pd.DataFrame({**columns, "Fare": fare, "Cabin": cabin})


@pytest.fixture(scope="module")
def ship(passengers, tmp_path_factory):
    """A folder with a pipeline fitted on the DataFrame, and the DataFrame as a raw CSV file."""
    folder = tmp_path_factory.mktemp("ship")
    columns = make_column_transformer(
        (SimpleImputer(), ["Age", "Fare", "Pclass"]),
        (OneHotEncoder(handle_unknown="ignore"), ["Sex", "Cabin"]),
    )
    survived = (passengers["Sex"] == "female") ^ (passengers["Fare"] > 60)
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(passengers, survived)
    (folder / "ship.pkl").write_bytes(pickle.dumps(model))
    passengers.to_csv(folder / "people.csv", index=False)
    return folder


@pytest.fixture
def explain(limex, ship):
    """Explain row 3 of a table; return the record, without what names its file."""

    def call(table, *options):
        result = limex("explain", "tabular", ship / "ship.pkl", table, "-f", "json", *options)
        assert result.code == 0, result.err
        found = json.loads(result.out)
        del found["instance"]["source"], found["background"]["source"], found["hash"]
        found["warnings"] = [one for one in found["warnings"] if one["code"] != "by_position"]
        return found

    return call


def test_a_raw_csv_file_needs_two_names_and_a_row(explain, ship, passengers):
    found = explain(ship / "people.csv", "--row", "3")
    values = found["instance"]["facts"]["values"]
    assert values["Name"] == passengers["Name"][3]
    assert values["Cabin"] is None
    weights = {one["name"]: one["weight"] for one in found["targets"][0]["components"]}
    strongest = max(weights, key=lambda name: abs(weights[name]))
    assert strongest.startswith("Sex = ")


def semicolons(frame, path):
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    return "--sep", ";", "--decimal", ","


def json_lines(frame, path):
    frame.to_json(path, orient="records", lines=True)
    return ()


def latin(frame, path):
    frame.to_csv(path, index=False, encoding="latin-1", na_rep="?", sep="|")
    return "--encoding", "latin-1", "--na-values", "?,-", "--sep", "|"


def zipped(frame, path):
    frame.to_csv(path, index=False, sep="\t")
    return ()


def headless(frame, path):
    frame.to_csv(path, index=False, header=False)
    return ("--no-header",)


def parquet(frame, path):
    pytest.importorskip("pyarrow")
    frame.to_parquet(path)
    return ()


FILES = {
    "semicolons.csv": semicolons,
    "people.jsonl": json_lines,
    "latin.csv": latin,
    "people.tsv.gz": zipped,
    "headless.csv": headless,
    "people.parquet": parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_table_in_another_format_gives_the_same_explanation(
    explain, ship, passengers, tmp_path, name
):
    options = FILES[name](passengers, tmp_path / name)
    assert explain(tmp_path / name, "--row", "3", *options) == explain(
        ship / "people.csv", "--row", "3"
    )


def test_how_cells_are_spelled_may_stand_in_a_sidecar_or_a_variable(
    explain, ship, passengers, tmp_path, monkeypatch
):
    table = tmp_path / "people.csv"
    semicolons(passengers, table)
    plain = explain(ship / "people.csv", "--row", "3")
    config = tmp_path / "options.toml"
    config.write_text('[tabular]\nsep = ";"\ndecimal = ","\nna-values = ["?"]\n')
    assert explain(table, "--row", "3", "--config", config) == plain
    monkeypatch.setenv("LIMEX_SEP", ";")
    monkeypatch.setenv("LIMEX_DECIMAL", ",")
    assert explain(table, "--row", "3") == plain


def test_rows_are_chosen_by_what_they_hold(limex, ship, passengers):
    where = "Age > 70 and Sex == 'female'"
    options = ("--where", where, "-f", "jsonl", "--samples", "200")
    result = limex("explain", "tabular", ship / "ship.pkl", ship / "people.csv", *options)
    assert result.code == 0, result.err
    rows = [json.loads(line)["instance"]["facts"]["row"] for line in result.out.splitlines()]
    assert rows == passengers.query(where).index.tolist()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ((), 2, "choose rows with --row"),
        (("--row", "1", "--all"), 2, "rows are chosen twice"),
        (("--id", "7"), 2, "name the column that holds the ids"),
        (("--where", "Age >"), 2, "is not a condition"),
        (("--where", "Agee > 3"), 2, "has no column 'Agee'; did you mean 'Age'?"),
        (("--id", "x", "--id-column", "PassengerId"), 3, "no row with PassengerId 'x'"),
        (("--row", "1", "--sep", "ab"), 2, "--sep: 'ab' is not valid"),
        (("--row", "1", "--decimal", ";"), 2, "--decimal: ';' is not valid"),
    ],
)
def test_a_wrong_choice_gets_one_line(limex, ship, options, code, words):
    command = ("explain", "tabular", ship / "ship.pkl", ship / "people.csv", *options)
    result = limex(*command)
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert words in result.err


def test_texts_in_a_column_are_explained_as_texts(limex, tmp_path):
    table = tmp_path / "reviews.csv"
    table.write_text('who,review\nann,"a wonderful, warm film"\nbob,"slow and loud"\ncy,\n')
    command = ("explain", "text", "sample_models/reviews.onnx", table, "--column", "review")
    result = limex(*command, "--id-column", "who", "-f", "jsonl")
    found = [json.loads(line)["instance"] for line in result.out.splitlines()]
    assert [(one["id"], one["facts"]["text"]) for one in found] == [
        ("ann", "a wonderful, warm film"),
        ("bob", "slow and loud"),
    ]
    assert result.code == 6
    assert "limex: cy: reviews.csv: line 4: there is no text" in result.err
    one = limex(*command, "--row", "1", "-f", "json")
    assert json.loads(one.out)["instance"]["facts"]["text"] == "slow and loud"
    for wrong in (("--text", "x"), (table,)):
        assert limex(*command, *wrong).code == 2
    assert limex(*command[:-2], "--row", "1").code == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_rows_of_a_table(tmp_path):
    table = tmp_path / "rows.csv"
    with table.open("w") as stream:
        stream.write("id,a,b\n")
        stream.writelines(f"p{i},{i / 7:.3f},{i % 5}\n" for i in range(1_000_000))
    code = (
        "import sys\nfrom lime_cli.tables.rows import Rows\n"
        "held = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "sources = Rows(sys.argv[1], id_column='id').sources()\n"
        "at = {one.row: held() for one in sources if one.row in (100_000, 999_999)}\n"
        "print(at[999_999] - at[100_000])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, table],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert int(done.stdout) < 10_000_000
