"""What every kind of bad table gets: an exit code, one line on stderr, an empty stdout."""

import csv
import gzip
import json
import os
import pickle
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.conftest import ROOT

N = 80
CITIES = ("Oslo", "Bergen", "NA")


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    fares = rng.gamma(2, 20, N).round(2) + 0.01
    columns = {"age": rng.integers(18, 80, N), "fare": fares, "city": rng.choice(CITIES, N)}
    return pd.DataFrame({**columns, "sex": rng.choice(["m", "f"], N)})


@pytest.fixture(scope="module")
def models(frame, tmp_path_factory):
    """``pipe.pkl`` takes all, ``strict.pkl`` no gaps or new words, ``lr.pkl`` numbers."""
    folder = tmp_path_factory.mktemp("models")
    y = ((frame["age"] > 40) & (frame["fare"] > 30) | (frame["city"] == "NA")).astype(int)
    numbers, words = ["age", "fare"], ["city", "sex"]
    lenient = make_column_transformer(
        (SimpleImputer(), numbers), (OneHotEncoder(handle_unknown="ignore"), words)
    )
    strict = make_column_transformer(("passthrough", numbers), (OneHotEncoder(), words))
    for name, first in (("pipe.pkl", lenient), ("strict.pkl", strict)):
        model = make_pipeline(first, LogisticRegression(max_iter=1000)).fit(frame, y)
        (folder / name).write_bytes(pickle.dumps(model))
    plain = LogisticRegression(max_iter=1000).fit(frame[numbers], y)
    (folder / "lr.pkl").write_bytes(pickle.dumps(plain))
    return folder


@pytest.fixture
def explain(limex, models, tmp_path, monkeypatch):
    """Run ``limex explain tabular`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, model="pipe.pkl"):
        options = ("-f", "jsonl", "--samples", "100")
        return limex("explain", "tabular", *options, models / model, *arguments)

    return call


@pytest.fixture
def good(frame):
    return frame.to_csv(index=False)


def put(name, content):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def with_row(good, *rows):
    """Return the table with its first rows replaced."""
    lines = good.splitlines()
    return "\n".join([lines[0], *rows, *lines[1 + len(rows) :]]) + "\n"


def longer(good):
    head, *rows = good.splitlines()
    return "\n".join([head, *(f"{row},9" for row in rows)])


def without(good, column):
    return pd.read_csv(StringIO(good)).drop(columns=column).to_csv(index=False)


REFUSED = {
    "1 zero bytes": (lambda good: "", (), "is empty"),
    "2 a header only": (lambda good: good.splitlines()[0] + "\n", (), "no data rows"),
    "3 blank lines": (lambda good: "\n \n\n", (), "has no header"),
    "4 a column is missing": (
        lambda good: without(good, "city"),
        (),
        "lacks column 'city'; it has age, fare, sex",
    ),
    "5 two columns are renamed": (
        lambda good: good.replace("age", "ages", 1).replace("city", "cities", 1),
        (),
        "lacks columns 'age', 'city'; did you mean 'ages'?",
    ),
    "8 a column comes twice": (
        lambda good: good.replace("fare", "age", 1),
        (),
        "lacks column 'fare'; it has age, age.1, city, sex",
    ),
    "9 a row is too long": (
        lambda good: with_row(good, "1,2,Oslo,m,5"),
        (),
        "line 2: 5 fields, expected 4",
    ),
    "10 all rows are too long": (longer, (), "line 2: 5 fields, expected 4; check the separator"),
    "10 a title above words": (
        lambda good: "Passengers of 2024\n\nsex,city\nm,Oslo\nf,Rome\n",
        (),
        "has 2 columns from line 3 on, one above it; --skip 2 leaves out the lines above",
    ),
    "10 a title that is taken for names": (
        lambda good: "Passengers of 2024\n\n" + good,
        ("--skip", "0"),
        "has 4 columns from line 3 on, one above it; --skip 2 leaves out the lines above",
    ),
    "10 two lines of names": (
        lambda good: "a,a,b,b\n" + good,
        (),
        "they stand on line 2: --skip 1 leaves out what is above",
    ),
    "10 semicolons in some rows only": (
        lambda good: good.replace(",", ";", 7),
        (),
        "has one column, named 'age;fare;city;sex'; try --sep ';'",
    ),
    "11 a row is too short": (
        lambda good: with_row(good, "1,2"),
        (),
        "line 2: 2 fields, expected 4",
    ),
    "12 text among numbers": (
        lambda good: with_row(good, "thirty,2,Oslo,m"),
        (),
        "line 2, 'age': 'thirty' is not a number; correct it",
    ),
    "15 infinite": (
        lambda good: with_row(good, "40,1e400,Oslo,m"),
        (),
        "line 2, 'fare': '1e400' is infinite",
    ),
    "15 inf": (lambda good: with_row(good, "40,-inf,Oslo,m"), (), "'-inf' is infinite"),
    "20 Latin-1": (
        lambda good: with_row(good, "40,2,Orléans,m").encode("latin-1"),
        (),
        "byte 0xE9 on line 2 is not UTF-8; try --encoding latin-1",
    ),
    "21 UTF-16 that ends within a letter": (
        lambda good: good.encode("utf-16") + b"a",
        (),
        "is not utf-16",
    ),
    "25 an open quote": (
        lambda good: with_row(good, '40,2,"Oslo,m'),
        (),
        "a quote opened on line 2 is never closed",
    ),
    "26 NUL": (lambda good: with_row(good, "40,2,Os\0lo,m"), (), "NUL character on line 2"),
    "27 a million columns": (
        lambda good: ",".join(f"c{i}" for i in range(10**6)) + "\n1\n",
        (),
        "has 1,000,000 columns, the limit is 20,000",
    ),
    "28 a huge field": (
        lambda good: good.splitlines()[0] + "\n40,2," + "x" * 20_000_000 + ",m\n",
        (),
        "line 2: a field is longer than 1,048,576 characters",
    ),
    "29 an image": (
        lambda good: b"\x89PNG\r\n\x1a\n",
        (),
        "is an image, not a table; use limex explain image",
    ),
    "29 gzip": (
        lambda good: gzip.compress(good.encode()),
        (),
        "is not a CSV file (gzip); let its name end with .gz",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_table_is_refused_in_one_line(explain, good, name):
    make, options, words = REFUSED[name]
    result = explain(put("rows.csv", make(good)), "--row", "0", *options)
    assert result.code == 3
    assert result.out == ""
    assert result.err.startswith("limex: rows.csv: ")
    assert words in result.err
    assert result.err.count("\n") == 1


SPELLED = {
    "13 thousands": (lambda good: with_row(good, '40,"1,250.00",Oslo,m'), (), "',' between"),
    "14 semicolons": (lambda good: good.replace(",", ";").replace(".", ","), (), "',' before"),
    "14 decimal commas": (
        lambda good: good.replace(",", ";").replace(".", ","),
        ("--sep", ";"),
        "',' before decimals",
    ),
}


@pytest.mark.parametrize("name", SPELLED)
def test_numbers_that_can_be_read_in_one_way_only_are_read_and_that_is_said(explain, good, name):
    make, options, words = SPELLED[name]
    result = explain(put("rows.csv", make(good)), "--row", "0", *options)
    assert result.code == 0
    assert words in result.err
    assert "--decimal and --thousands change this" in result.err


ONE_BAD_ROW = {
    "9": ("1,2,Oslo,m,5", "pipe.pkl", "line 3: 5 fields, expected 4"),
    "11": ("1,2", "pipe.pkl", "line 3: 2 fields, expected 4"),
    "12": ("thirty,2,Oslo,m", "pipe.pkl", "line 3, 'age': 'thirty' is not a number"),
    "15": ("40,inf,Oslo,m", "pipe.pkl", "line 3, 'fare': 'inf' is infinite"),
    "17": (",2,Oslo,m", "strict.pkl", "does not accept missing values (column 'age', line 3)"),
    "19": ("40,2,Atlantis,m", "strict.pkl", "does not know 'Atlantis' in column 'city'"),
    "a stray quote": ('40,2,"Oslo"x,m', "pipe.pkl", "line 3: text after a closing quote"),
}


@pytest.mark.parametrize("name", ONE_BAD_ROW)
def test_a_bad_row_is_one_failure_among_rows_that_are_explained(explain, good, name):
    row, model, words = ONE_BAD_ROW[name]
    put("train.csv", good)
    rows = put("rows.csv", with_row(good, good.splitlines()[1], row))
    result = explain(rows, "--row", "0-3", "--background", "train.csv", model=model)
    assert result.code == 6
    assert [json.loads(line)["instance"]["id"] for line in result.out.splitlines()] == [
        "0",
        "2",
        "3",
    ]
    told = [line for line in result.err.splitlines() if "warning" not in line]
    assert len(told) == 1
    assert told[0].startswith("limex: 1: ")
    assert words in told[0]
    alone = explain(rows, "--row", "1", "--background", "train.csv", model=model)
    assert alone.code == (4 if model == "strict.pkl" else 3)
    assert (alone.out, alone.err.count("\n")) == ("", 1)
    assert words in alone.err


@pytest.mark.parametrize("row", ["1,2,Oslo,m,5", "thirty,2,Oslo,m", "40,inf,Oslo,m"])
def test_a_bad_row_is_left_out_where_the_table_is_its_own_background(explain, good, row):
    rows = put("rows.csv", with_row(good, row))
    assert explain(rows, "--row", "0-3").code == 6
    assert explain(rows, "--row", "1").code == 0
    result = explain(put("few.csv", good), "--row", "1", "--background", rows)
    assert result.code == 3
    assert result.err.startswith("limex: rows.csv: line 2")


def test_a_bad_background_is_refused(explain, good):
    put("rows.csv", good)
    line = good.splitlines()[1]
    for i, (content, words) in enumerate(
        (
            ("", "is empty"),
            ("x,y\n1,2\n3,4\n", "lacks columns 'age', 'fare', 'city', 'sex'; it has x, y"),
            (f"age,fare,city,sex\n{line}\n", "at least 2 different rows"),
            (f"age,fare,city,sex\n{line}\n{line}\n", "at least 2 different rows"),
        )
    ):
        seen = put(f"seen{i}.csv", content)
        result = explain("rows.csv", "--row", "0", "--background", seen)
        assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
        assert result.err.startswith(f"limex: {seen}: ")
        assert words in result.err


ACCEPTED = {
    "6 another column": (lambda good: good.replace("\n", ",1\n").replace("sex,1", "sex,x"), ()),
    "7 other order": (
        lambda good: (
            pd.read_csv(StringIO(good), dtype=str, keep_default_na=False)
            .iloc[:, ::-1]
            .to_csv(index=False)
        ),
        (),
    ),
    "14 semicolons": (
        lambda good: good.replace(",", ";").replace(".", ","),
        ("--sep", ";", "--decimal", ","),
    ),
    "21 UTF-16": (lambda good: good.encode("utf-16"), ("--encoding", "utf-16")),
    "22 a byte order mark": (lambda good: good.encode("utf-8-sig"), ()),
    "23 CRLF, no end": (lambda good: good.replace("\n", "\r\n").rstrip(), ()),
    "23 CR": (lambda good: good.replace("\n", "\r"), ()),
    "24 quoted": (
        lambda good: "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in good.splitlines()
        ),
        (),
    ),
    "pipes": (lambda good: good.replace(",", "|"), ("--sep", "|")),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_another_spelling_of_a_table_gives_the_same_bytes(explain, good, name):
    make, options = ACCEPTED[name]
    Path("a").mkdir()
    Path("b").mkdir()
    first = explain(put("a/rows.csv", good), "--row", "3,0")
    again = explain(put("b/rows.csv", make(good)), "--row", "3,0", *options)
    assert again.code == 0, again.err
    assert again.out == first.out


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_gaps_and_new_words_are_explained_where_the_model_takes_them(explain, good):
    put("train.csv", good)
    rows = put("rows.csv", with_row(good, ",2,Atlantis,m"))
    found = record(explain(rows, "--row", "0", "--background", "train.csv"))
    assert found["instance"]["facts"]["values"]["age"] is None
    assert found["instance"]["facts"]["values"]["city"] == "Atlantis"
    assert "unseen_category" in {one["code"] for one in found["warnings"]}


def test_a_quoted_newline_is_one_row_and_lines_are_counted_on(explain, good):
    put("train.csv", good)
    rows = put("rows.csv", with_row(good, '40,2,"Os\nlo",m', "thirty,2,Oslo,m"))
    found = record(explain(rows, "--row", "0", "--background", "train.csv"))
    assert found["instance"]["facts"]["values"]["city"] == "Os\nlo"
    assert "line 4, 'age'" in explain(rows, "--row", "1", "--background", "train.csv").err


def test_the_country_code_na_stays_a_word(explain, good):
    row = next(i for i, line in enumerate(good.splitlines()[1:]) if ",NA," in line)
    found = record(explain(put("rows.csv", good), "--row", row))
    assert found["instance"]["facts"]["values"]["city"] == "NA"
    said = record(explain(put("again.csv", good), "--row", row, "--na-values", "NA,-"))
    assert said["instance"]["facts"]["values"]["city"] is None


def test_a_constant_column_is_skipped_with_a_note(explain, good):
    lines = good.splitlines()
    constant = "\n".join([lines[0], *("7," + line.partition(",")[2] for line in lines[1:])])
    found = record(explain(put("rows.csv", constant), "--row", "0"))
    assert [one["name"] for one in found["skipped"]] == ["age"]


def test_dates_where_the_model_wants_numbers_are_named(explain, good):
    lines = good.splitlines()
    days = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
    rows = [day + "," + line.partition(",")[2] for day, line in zip(days, lines[1:], strict=True)]
    table = put("rows.csv", "\n".join([lines[0], *rows]))
    result = explain(table, "--row", "0", model="lr.pkl")
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert "column 'age' holds dates such as '2024-01-01'; the model wants numbers" in result.err


def test_words_where_the_model_wants_numbers_are_named(explain, good):
    words = good.replace("age,", "years,").replace("city", "age")
    result = explain(put("rows.csv", words), "--row", "0", model="lr.pkl")
    assert result.code == 3
    assert "the model takes numbers in column 'age'" in result.err
    assert "--map 'age=" in result.err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("900", "--row 900: rows.csv has rows 0-79"),
        ("3,70-90", "--row 70-90: rows.csv has rows 0-79"),
        ("9" * 5000, "is too large"),
        ("9-3", "--row 9-3: runs backwards"),
        ("three", "--row three: is not a list of rows"),
    ],
)
def test_rows_that_are_not_there_are_a_wrong_command_line(explain, good, rows, words):
    result = explain(put("rows.csv", good), "--row", rows)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert words in result.err


def test_ids_that_come_twice_are_told_apart_by_row_number_with_a_warning(explain, good):
    lines = good.splitlines()
    named = [f"{line},p{max(i, 1)}" for i, line in enumerate(lines[1:])]
    rows = put("rows.csv", "\n".join([lines[0] + ",who", *named]))
    result = explain(rows, "--id-column", "who", "--id", "p1")
    found = [json.loads(line)["instance"] for line in result.out.splitlines()]
    assert [(one["id"], one["facts"]["row"]) for one in found] == [("p1", 0), ("p1", 1)]
    assert "an id occurs more than once in column 'who'" in result.err


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is a folder; a table is one file"),
        (lambda path: path.symlink_to(path.name), "too many levels of symbolic links"),
        (lambda path: None, "no such file"),
    ],
    ids=["30 a folder", "31 a loop of links", "nothing"],
)
def test_what_is_no_file_is_refused(explain, tmp_path, make, words):
    make(tmp_path / "rows.csv")
    result = explain("rows.csv", "--row", "0")
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert words in result.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(explain, good):
    Path("pipe").mkdir()
    os.mkfifo("pipe/rows.csv")
    writer = threading.Thread(target=lambda: Path("pipe/rows.csv").write_text(good))
    writer.start()
    piped = explain("pipe/rows.csv", "--row", "3,0")
    writer.join()
    assert piped.code == 0, piped.err
    assert piped.out == explain(put("rows.csv", good), "--row", "3,0").out


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
def test_standard_input_is_read_once(models, good, path):
    command = [sys.executable, "-m", "lime_cli", "explain", "tabular", str(models / "pipe.pkl")]
    done = subprocess.run(
        [*command, path, "--row", "0", "-f", "json", "--samples", "100"],
        input=good.encode(),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["instance"]["facts"]["row"] == 0


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path, good):
    from lime_cli.errors import InputError
    from lime_cli.tables.rows import Rows

    path = tmp_path / "rows.csv"
    path.write_text(good)
    sources = Rows(str(path)).sources()
    next(sources)
    with path.open("a") as stream:
        stream.write("1,2,Oslo,m\n")
    with pytest.raises(InputError, match=r"rows.csv: changed while it was being read"):
        list(sources)


HOSTILE = "<b>[red]\x1b[31m</b>"


@pytest.mark.parametrize("formatted", ["table", "json"])
def test_markup_and_escapes_are_shown_literally(explain, good, formatted):
    city = HOSTILE.replace(",", "")
    rows = put("rows.csv", with_row(good, *[f"{40 + i},2.5,{city},m" for i in range(30)]))
    result = explain(rows, "--row", "0", "-f", formatted)
    assert result.code == 0, result.err
    assert "\x1b" not in result.out + result.err
    assert "<b>[red]" in result.out


def test_names_that_are_not_ascii_work_in_the_c_locale(models, good, tmp_path):
    table = tmp_path / "mes données.csv"
    table.write_text(good, "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lime_cli", "explain", "tabular"),
            *(str(models / "pipe.pkl"), str(table), "--row", "0", "--samples", "100"),
        ],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_begins_with_a_dash_is_given_after_two_or_with_its_folder(
    limex, explain, models, good
):
    put("-rows.csv", good)
    before = ("explain", "tabular", "--row", "0", "--samples", "100", "--")
    assert limex(*before, models / "pipe.pkl", "-rows.csv").code == 0
    assert explain("./-rows.csv", "--row", "0").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
@pytest.mark.parametrize("formatted", ["table", "json"])
def test_a_name_that_is_not_utf_8_never_crashes(explain, good, formatted):
    name = os.fsdecode(b"caf\xe9.csv")
    put(name, good)
    assert explain(name, "--row", "0", "-f", formatted).code == 0
    refused = explain(name, "--row", "900")
    assert refused.code == 2
    assert "caf\\udce9.csv" in refused.err


CODED = [{"code": f"{i % 7:03d}", "x": i / 3} for i in range(60)]
UNTYPED = "code,x\n" + "".join(f"{one['code']},{one['x']}\n" for one in CODED)


def encoding(*steps):
    """Return a model that knows the codes as words."""
    words = make_pipeline(*steps, OneHotEncoder()) if steps else OneHotEncoder()
    first = make_column_transformer((words, ["code"]), ("passthrough", ["x"]))
    frame = pd.DataFrame(CODED)
    return make_pipeline(first, LogisticRegression()).fit(frame, frame["code"] > "003")


@pytest.mark.parametrize(
    "make",
    [
        encoding,
        lambda: encoding(SimpleImputer(strategy="most_frequent")),
        lambda: VotingClassifier([("one", encoding())], voting="soft").fit(
            pd.DataFrame(CODED), [one["code"] > "003" for one in CODED]
        ),
        lambda: make_pipeline(OneHotEncoder(), LogisticRegression()).fit(
            pd.DataFrame(CODED).astype(str), [one["code"] > "003" for one in CODED]
        ),
    ],
    ids=["45 an encoder", "45 behind an imputer", "45 among others", "45 of every column"],
)
def test_codes_that_begin_with_zero_stay_text_where_the_model_knows_them_so(limex, tmp_path, make):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(make()))
    (tmp_path / "rows.csv").write_text(UNTYPED)
    rows = (tmp_path / "model.pkl", tmp_path / "rows.csv", "--row", "4", "--samples", "64")
    found = record(limex("explain", "tabular", *rows, "-f", "json"))
    assert found["instance"]["facts"]["values"]["code"] == "004"


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "profile"])
def test_codes_that_begin_with_zero_stay_text_where_the_background_has_them_so(
    limex, models, tmp_path, kind
):
    frame = pd.DataFrame(CODED)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(encoding()))
    (tmp_path / "rows.csv").write_text(UNTYPED)
    seen = tmp_path / ("seen.parquet" if kind == "parquet" else "seen.jsonl")
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(seen)
    else:
        seen.write_text("\n".join(map(json.dumps, CODED)))
    if kind == "profile":
        assert limex("profile", seen, "-o", tmp_path / "seen.json").code == 0
        seen = tmp_path / "seen.json"
    rows = (tmp_path / "model.pkl", tmp_path / "rows.csv", "--row", "4", "--samples", "64")
    found = record(limex("explain", "tabular", *rows, "--background", seen, "-f", "json"))
    assert found["instance"]["facts"]["values"]["code"] == "004"


def test_a_profile_that_made_numbers_of_codes_is_one_line(limex, tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(encoding()))
    (tmp_path / "rows.csv").write_text(UNTYPED)
    assert limex("profile", tmp_path / "rows.csv", "-o", tmp_path / "seen.json").code == 0
    rows = (tmp_path / "model.pkl", tmp_path / "rows.csv", "--row", "4", "--samples", "64")
    result = limex("explain", "tabular", *rows, "--background", tmp_path / "seen.json")
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert "seen.json: holds numbers in column 'code', which the model takes as text" in result.err


def test_codes_that_begin_with_zero_stay_text_where_the_file_says_so(explain, frame, models):
    from lime_cli.models.model_file import ModelInput
    from lime_cli.tabular.modality import TabularModality

    rows = [{"code": f"{i % 7:03d}", "x": i / 3} for i in range(60)]
    put("rows.jsonl", "\n".join(map(json.dumps, rows)))
    fitted = TabularModality("rows.jsonl", rows="4").fitted(ModelInput())
    (source,) = fitted.sources()
    assert fitted.read(source).values[0] == "004"


@pytest.mark.parametrize("spelled", ["True", "true", "TRUE"])
def test_truth_values_are_spelled_in_three_ways_and_one_is_a_number(tmp_path, spelled):
    from lime_cli.tables.cells import kind_of

    assert kind_of([spelled, "False", ""]) == "bool"
    assert kind_of(["1", "0"]) == "number"


def test_a_column_that_the_model_has_by_name_cannot_be_dropped(limex):
    given = ("explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "1")
    result = limex(*given, "--drop", "income")
    assert (
        result.code,
        "--drop income: the model needs it; --fixed income keeps its value" in result.err,
    ) == (
        2,
        True,
    )
    assert limex(*given, "--fixed", "income", "--samples", "64", "-q").code == 0


def test_a_table_without_a_header_is_read_or_names_the_option(limex, tmp_path, data):
    lines = (data / "loans.csv").read_text().splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(lines[1:]) + "\n")
    given = ("explain", "tabular", "sample_models/loans.pkl")
    common = ("--samples", "64", "-f", "json", "-q")
    named = json.loads(limex(*given, data / "loans.csv", "--row", "1", *common).out)
    found = json.loads(limex(*given, tmp_path / "rows.csv", "--row", "1", *common).out)
    assert found["outputs"] == named["outputs"]
    assert found["targets"] == named["targets"]
    assert {"header_missing", "by_position"} <= {one["code"] for one in found["warnings"]}
    few = "\n".join(f"{i},{'x' * i}" for i in range(1, 60))
    (tmp_path / "rows.csv").write_text(few + "\n")
    result = limex(*given, tmp_path / "rows.csv", "--row", "1")
    assert result.code == 3
    assert "if that is a row, use --no-header" in result.err


def test_cells_in_single_quotes_are_noticed_and_read(limex, tmp_path, data):
    with (data / "loans.csv").open(newline="") as file, (tmp_path / "rows.csv").open("w") as out:
        csv.writer(out, quotechar="'", quoting=csv.QUOTE_ALL).writerows(csv.reader(file))
    common = ("--row", "1", "--samples", "64", "-f", "json", "-q")
    given = ("explain", "tabular", "sample_models/loans.pkl", tmp_path / "rows.csv", *common)
    result = limex(*given)
    assert (result.code, "most cells are in single quotes; use --quote" in result.err) == (
        3,
        True,
    )
    found = json.loads(limex(*given, "--quote", "'").out)
    wanted = limex("explain", "tabular", "sample_models/loans.pkl", data / "loans.csv", *common)
    assert found["targets"] == json.loads(wanted.out)["targets"]


@pytest.mark.parametrize("rows", ["good fun, great\nbad, dull\n", "good fun, great\nbad\n"])
def test_a_column_of_texts_with_commas_is_read_by_the_separator_that_is_proposed(
    limex, tmp_path, rows
):
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    model.fit(["good fun great", "bad dull"], ["up", "down"])
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    (tmp_path / "a.csv").write_text("review\n" + rows)
    words = ("explain", "text", tmp_path / "m.pkl", tmp_path / "a.csv", "--column", "review")
    words += ("--row", 0, "--samples", 16, "-f", "json")
    refused = limex(*words)
    assert refused.code == 3
    assert "--sep" in refused.err
    record = json.loads(limex(*words, "--sep", "\\t").out)
    (expected,) = model.predict_proba(["good fun, great"])[:, 1]
    assert record["targets"][0]["model_prediction"] == pytest.approx(expected, abs=1e-9)
