"""CSV, Excel and Parquet hold one row a weight, numbers in full, and every name as JSON has it."""

import csv
import io
import json
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lime_cli.engine.explanation import Surrogate
from lime_cli.errors import MissingDependency, OutputError
from lime_cli.formats import Look, long_form
from lime_cli.formats.long_form import HEADER
from lime_cli.formats.sheets import Grid, Sheet, SheetColumn, write_excel
from lime_cli.registry import FORMATS
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


READ = {"parquet": pd.read_parquet, "xlsx": lambda stream: pd.read_excel(stream, engine="openpyxl")}
NEEDS = {"parquet": "pyarrow", "xlsx": "openpyxl"}


@pytest.fixture(params=["parquet", "xlsx"])
def name(request):
    pytest.importorskip(NEEDS[request.param])
    return request.param


def frame(name, explanations):
    with io.BytesIO(written(name, explanations)) as stream:
        return READ[name](stream)


def same(found, wanted):
    """Tell whether two frames hold the same, whatever stands for missing."""
    assert list(found.columns) == list(wanted.columns) == list(HEADER)
    for column in HEADER:
        for one, other in zip(found[column], wanted[column], strict=True):
            if pd.isna(other) or other == "":
                assert pd.isna(one) or one == ""
            elif isinstance(other, float):
                assert one == other
            else:
                assert str(one) == str(other)


def test_what_csv_holds_is_held_with_its_types(name):
    many = [explanation(one) for one in ("a = 1", "ü 中", "=1+1", "-0.1 < b", 'a,"b"', "new\nline")]
    found = frame(name, many)
    wanted = pd.read_csv(io.BytesIO(written("csv", many)), keep_default_na=True)
    same(found, wanted)
    assert found["weight"].dtype == np.float64
    assert list(found["component"]) == [one.components[0].name for one in many]


def test_equal_results_are_equal_bytes_whenever_they_are_written(name, monkeypatch):
    first, now = written(name, [explanation()]), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(now + 1e6))
    assert written(name, [explanation()]) == first
    if name == "xlsx":
        properties = zipfile.ZipFile(io.BytesIO(first)).read("docProps/core.xml").decode()
        assert set(re.findall(r">(\d{4}-\d\d-\d\dT[^<]*)<", properties)) == {"1980-01-01T00:00:00Z"}


def test_targets_without_weights_and_no_explanations_at_all(name):
    one = explanation()
    bare = replace(one, surrogates=(replace(one.surrogates[0], weights=()),))
    found = frame(name, [bare])
    assert (len(found), found["component"].isna().all()) == (1, True)
    assert list(frame(name, []).columns) == list(HEADER)


@pytest.mark.parametrize("word", ["nul\0", "\ud800", "bell\a", "\uffff"])
def test_letters_that_a_file_cannot_hold_are_spelled_out(name, word):
    (cell,) = frame(name, [explanation(word)])["component"]
    assert cell[:2] == word[:2] or cell.startswith("\\") or cell == word


def test_without_the_package_the_line_that_installs_it_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, NEEDS[name], None)
    extra = {"parquet": "parquet", "xlsx": "excel"}[name]
    with pytest.raises(MissingDependency, match=rf"pip install 'limex\[{extra}\]'"):
        FORMATS[name](iter([explanation()]), io.BytesIO(), Look())


def test_a_sheet_has_its_end(monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(long_form, "EXCEL_ROWS", 2)
    with pytest.raises(OutputError, match="use -f parquet or csv"):
        written("xlsx", [explanation("a"), explanation("b")])


def test_tables_of_a_command_are_worksheets_with_names_that_excel_takes():
    openpyxl = pytest.importorskip("openpyxl")
    columns = (SheetColumn("what"), SheetColumn("share", ".0%"))
    names = ["overall: a/b", "x" * 40, "x" * 41, ""]
    grids = tuple(Grid(name, "", columns, (("=1", 0.25), (None, 1.0))) for name in names)
    stream = io.BytesIO()
    write_excel(Sheet("of 3 explanations", ("Said.",), grids, {}), stream, Look())
    book = openpyxl.load_workbook(stream)
    assert len(book.sheetnames) == 5
    assert all(0 < len(one) <= 31 for one in book.sheetnames)
    rows = list(book[book.sheetnames[1]].values)
    assert rows == [("what", "share"), ("=1", 0.25), (None, 1)]
    assert book[book.sheetnames[1]]["A2"].data_type == "s"
    assert zipfile.ZipFile(stream).testzip() is None


def test_batches_and_renderings_go_into_one_file(limex, tmp_path, name):
    given = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    common = ("--row", "3-5", "--drop", "animal,class", "--samples", "64", "-q")
    assert limex(*given, *common, "-o", tmp_path / f"a.{name}").code == 0
    assert limex(*given, *common, "-o", tmp_path / "a.jsonl").code == 0
    assert limex("render", tmp_path / "a.jsonl", "-o", tmp_path / f"b.{name}").code == 0
    one, two = ((tmp_path / f"{each}.{name}").read_bytes() for each in "ab")
    assert one == two
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    found = READ[name](tmp_path / f"a.{name}")
    weights = [one["weight"] for record in records for one in record["targets"][0]["components"]]
    assert list(found["weight"]) == weights


def test_summaries_and_comparisons_are_written_as_excel(limex, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    given = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    common = ("--row", "3-5", "--drop", "animal,class", "--samples", "64", "-q")
    limex(*given, *common, "-o", tmp_path / "a.jsonl")
    assert limex("summarize", tmp_path / "a.jsonl", "-o", tmp_path / "s.xlsx").code == 0
    assert len(openpyxl.load_workbook(tmp_path / "s.xlsx").sheetnames) > 1


def test_binary_results_go_through_a_pipe_but_not_onto_a_terminal(tmp_path, name):
    words = "explain tabular sample_models/zoo_mlp.onnx sample_data/zoo.csv --row 3 --samples 64 -q"
    words += f" --drop animal,class -f {name}"
    code = "import sys; from lime_cli.cli import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, check=True
    )
    assert len(READ[name](io.BytesIO(done.stdout))) > 3
