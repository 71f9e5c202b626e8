"""Tables read by column hold what their rows hold one by one, or are left to be read so."""

import bz2
import csv
import gzip
import io
import lzma
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lime_cli.errors import InputError
from lime_cli.tables import columnar
from lime_cli.tables.dialect import MISSING, PLAIN, Dialect
from lime_cli.tables.readers import open_table, read_evenly
from lime_cli.tabular.background import build_background
from lime_cli.tabular.schema import Schema


def written(folder, content, name="rows.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def in_both_ways(path, dialect=PLAIN, spelled=()):
    """Return the cells read by column, None where they are not, and those read by row."""
    with open_table(path, dialect) as stream:
        by_column, n = read_evenly(stream, dialect, True, spelled)
        if not isinstance(by_column.rows, columnar.Columnar):
            by_column = None
    with open_table(path, dialect) as stream:
        by_row, n_rows = read_evenly(replace(stream, sampled=None), dialect, True)
    assert n == n_rows
    return by_column, by_row


def assert_same(by_column, by_row):
    assert by_column.header == by_row.header
    assert list(by_column.lines) == list(by_row.lines)
    assert by_column.unit == by_row.unit
    assert by_row.varied or not by_column.varied  # which 1 and 1.0 do not make
    for place, name in enumerate(by_row.header):
        assert by_column.kind(name) == by_row.kind(name), name
        cells = by_row.column(name)
        if by_column.rows.numbers(place) is None:
            assert by_column.column(name) == cells, name
        else:
            np.testing.assert_array_equal(by_column.numbers(name), by_row.numbers(name))
            assert by_column.rows.gaps[place] == set(cells) & MISSING


PLAIN_TABLES = {
    "numbers": "a,b\n1,2.5\n-3,.5\n4.,0007\n",
    "exponents": "a,b\n1,2e5\n-3,1E-3\n+4,5\n",
    "words": "a,b\nx,1\ny,2\nx,3\n",
    "digits that are no number": "a,b\n1-2,3\n4,5\n",
    "marks alone": "a,b\n-,.\n1,2\n",
    "too large for a number": f"a,b\n{'9' * 400},1\n2,3\n",
    "numbers, then exponents": "a,b\n" + "1,2\n" * 3000 + "2e5,3\n",
    "numbers, then gaps": "a,b\n" + "1,2\n" * 3000 + ",3\n",
    "truth": "a,b\nTrue,1\nFalse,0\n",
    "gaps": "a,b,c\n1,,x\n,2,\n3,4,y\n",
    "words for gaps": "a,b\n1,NA\nnan,2\nnull,3\nN/A,4\n",
    "nothing but gaps": "a,b\n,1\n,2\n",
    "nothing but one word for gaps": "a,b\nNA,1\nNA,2\n",
    "windows": "a,b\r\n1,2\r\n3,4\r\n",
    "no last end": "a,b\n1,2\n3,4",
    "mark of bytes": "\ufeffa,b\n1,2\n3,4\n",
    "accents": "größe,ort\n1,Łódź\n2,京都\n",
    "quotes": 'a,b\n1,"x, y"\n2,"say ""no"""\n3,plain\n',
    "quotes late": "a,b\n" + "1,x\n" * 5000 + '2,"y\nz"\n3,w\n',
    "blanks around numbers": "a,b\n1, 2\n3 ,4\n",
    "blanks around words": "a,b\n1, x\n3,x \n",
    "endless": "a,b\ninf,1\n2,3\n",
    "large whole numbers": "a,b\n9007199254740993,1\n123456789012345678901234,2\n",
    "quoted header cells aside": "a b,c\n1,2\n3,4\n",
    "a quoted header": '"a","b"\n1,2\n3,4\n',
    "names of rows": '"a","b"\n"r1",2,3\n"r2",4,5\n',
    "separators at the end": "a,b\n1,2,\n3,4,\n",
    "names twice": "a,a,\n1,2,3\n3,4,5\n",
    "windows and quotes": '"a","b"\r\n1,"x, y"\r\n2,"z"\r\n',
    "windows without a last end": 'a,b\r\n1,"x"\r\n2,z',
}
"""Tables that are read by column."""

OTHERS = {
    "a short row": "a,b\n1,2\n3\n",
    "a long row": "a,b\n1,2\n3,4,5\n",
    "a short and a long row": "a,b,c\n1,2\n3,4,5,6\n7,8,9\n",
    "an empty line": "a,b\n1,2\n\n3,4\n",
    "one column": "a\n1\n2\n",
    "an empty first line": "\na,b\n1,2\n3,4\n",
    "several words for gaps alone": "a,b\nNA,1\n,2\n",
    "old line ends": "a,b\r1,2\r3,4\r",
    "line ends in quotes": 'a,b\r\n1,"x\r\ny"\r\n3,4\r\n',
    "numbers, then words": "a,b\n" + "1,2\n" * 3000 + "x,3\n",
    "a stray quote": 'a,b\n1,x"y\n2,"x"y\n3,4\n',
}
"""Tables that are read by row."""


@pytest.mark.parametrize("name", PLAIN_TABLES)
def test_columns_hold_what_rows_hold(tmp_path, name):
    by_column, by_row = in_both_ways(written(tmp_path, PLAIN_TABLES[name]))
    assert by_column is not None
    assert_same(by_column, by_row)


@pytest.mark.parametrize("name", OTHERS)
def test_a_table_that_is_not_plain_is_read_by_row(tmp_path, name):
    path = written(tmp_path, OTHERS[name])
    try:
        by_column, by_row = in_both_ways(path)
    except InputError:  # which reading by column would have passed over
        return
    assert by_column is None
    assert len(by_row.rows) > 1


WIDE = [f"{i}.25;w{i}" for i in range(5000)]

DIALECTS = {
    "semicolons": (Dialect(separator=";"), "a;b\n1.5;x, y\n-2;z\n"),
    "decimal commas": (Dialect(separator=";", decimal=","), "a;b\n1,5;2\n-,5;3e2\n"),
    "decimal commas and gaps": (Dialect(separator=";", decimal=","), "a;b\n1,5;\n;3\nNA;4,\n"),
    "decimal points after all": (Dialect(separator=";", decimal=","), "a;b\n1.5;1\n2.5;2,5\n"),
    "decimal commas in many rows": (
        Dialect(separator=";", decimal=","),
        "a;b\n" + "\n".join(WIDE).replace(".", ",") + "\n",
    ),
    "decimal commas in quotes": (Dialect(decimal=","), 'a,b\n"1,5","x"\n"2,5","y"\n'),
    "whole numbers between decimal commas": (Dialect(decimal=","), "a,b\n" + "1,5\n2,7\n" * 2000),
    "decimal commas between stops": (
        Dialect(separator=".", decimal=","),
        "a.b\n" + "1,5.2\n" * 3000,
    ),
    "single quotes": (Dialect(quote="'"), "'a','b'\n1,'x, \"y\"'\n2,'it''s'\n"),
    "missing words": (Dialect(na_values=("?", "-")), "a,b\n?,1\n2, - \n3,4\n"),
    "missing words among words": (Dialect(na_values=("?",)), "a,b\nx,1\n?,2\n y,3\n"),
    "missing numbers": (Dialect(na_values=("-9",)), "a,b\n-9,1\n2,-9\n3,-9.0\n" * 2000),
    "latin": (Dialect(encoding="latin-1"), "größe,ort\n1,Köln\n2,Nîmes\n".encode("latin-1")),
    "windows latin": (Dialect(encoding="cp1252"), b"a,b\r\n1,\x80\r\n2,x\x85\r\n"),
    "no header": (Dialect(header=False), "1,x\n2,y\n3,z\n"),
    "utf-16": (Dialect(encoding="utf-16"), "größe,ort\n1,京都\n3.5,b\n".encode("utf-16")),
    "utf-16 of one order": (
        Dialect(encoding="utf-16-be"),
        ("a,b\r\n" + "1.5,京\r\n2.5,x\r\n" * 3000).encode("utf-16-be"),
    ),
    "shift jis": (Dialect(encoding="shift_jis"), "a,b\n1,表\n3,4\n".encode("shift_jis")),
    "thousands": (Dialect(thousands="'"), "a,b\n1'000,2\n3,4'5\n-1'234'567.5,1'00\n"),
    "thousands in quotes": (Dialect(thousands=","), 'a,b\n"1,000",x\n3,"y,000"\n"12,34",z\n'),
    "thousands between semicolons": (
        Dialect(separator=";", thousands=",", decimal="."),
        "a;b;c\n" + "1,000;x;1,5\n-22,333.25;1,000;2\n7;y;3\n" * 2000,
    ),
    "thousands before decimal commas": (
        Dialect(separator=";", thousands=".", decimal=","),
        "a;b\n" + "1.000,5;2.5\n3;1.234.567\n" * 2000,
    ),
    "narrow blanks for thousands": (
        Dialect(separator=";", thousands=" "),
        "a;b\n" + "1 000;2\n12\u202f345;6\n1\u00a0234.5;7\n" * 2000,
    ),
    "a letter for thousands": (Dialect(thousands="e"), "a,b\n" + "5,6\n1e234,2\n" * 2000),
    "thousands and blanks around": (Dialect(thousands="'"), "a,b\n 1'000,2\n1'000 ,4\n"),
    "thousands and gaps": (Dialect(thousands="'"), "a,b\n1'000,\nNA,4'000\n,7\n"),
    "thousands and line ends": (Dialect(thousands=","), 'a,b\n"1\n2",3\n"4,000",5\n'),
    "blanks": (Dialect(separator=" "), "  a b   c\n" + " 1.5   x\t-2\n2 y  3e2 \n" * 3000),
    "blanks and thousands": (Dialect(separator=" ", thousands=","), "a b\n1,000  2\n3 4,5\n"),
    "blanks and windows": (Dialect(separator=" "), "a b\r\n1  2\r\n3  4\r\n"),
}
"""Dialects that are read by column, with a table."""


@pytest.mark.parametrize("name", DIALECTS)
def test_columns_of_a_dialect_hold_what_rows_hold(tmp_path, name):
    dialect, content = DIALECTS[name]
    by_column, by_row = in_both_ways(written(tmp_path, content), dialect)
    assert by_column is not None
    assert_same(by_column, by_row)


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_columns_of_a_compressed_table_hold_what_rows_hold(tmp_path, packed):
    ending = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[packed]
    content = packed(("a,b\n" + "1.5,x\n2.5,y\n" * 3000).encode())
    by_column, by_row = in_both_ways(written(tmp_path, content, f"rows.csv.{ending}"))
    assert by_column is not None
    assert_same(by_column, by_row)


def test_a_compressed_table_that_is_cut_short_is_told_as_damaged(tmp_path):
    content = gzip.compress(b"a,b\n" + b"1.5,x\n2.25,y\n" * 90_000)
    path = written(tmp_path, content[: len(content) - 40], "rows.csv.gz")
    with open_table(path) as stream, pytest.raises(InputError, match="cut short or damaged"):
        read_evenly(stream, PLAIN, True)


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        (Dialect(separator=" "), 'a b\n"x y" 2\n3 4\n'),
        (Dialect(separator=" "), "a b\n1 2\n \n3 4\n"),
        (Dialect(encoding="utf-16"), "a,b\n1,2\r3,4\n".encode("utf-16")),
    ],
)
def test_other_dialects_are_read_by_row(tmp_path, dialect, content):
    assert in_both_ways(written(tmp_path, content), dialect)[0] is None


def test_numbers_of_a_column_are_spelled_as_the_table_spells_them(tmp_path):
    by_column, by_row = in_both_ways(
        written(tmp_path, "a;b\n1,5;2\n-,5;3\n"), Dialect(separator=";", decimal=",")
    )
    assert by_column.rows.numbers(0) is not None
    assert by_column.column("a") == ["1,5", "-0,5"]
    assert by_column.rows[0] == by_row.rows[0] == ("1,5", "2")


def test_the_spelling_of_columns_is_kept_where_it_is_asked_for(tmp_path):
    path = written(tmp_path, "zip,b\n01234,1.50\n00042,2\n")
    by_column, by_row = in_both_ways(path, spelled=("zip",))
    assert by_column.column("zip") == by_row.column("zip") == ["01234", "00042"]
    assert by_column.column("b") == ["1.5", "2"]
    assert by_column.rows[0] == ("01234", "1.5")
    assert by_column.chosen([1]).rows[0] == ("00042", "2")


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
@pytest.mark.parametrize("n", [199, 200, 201, 1000, 3001])
def test_evenly_spaced_rows_are_the_same_in_every_way(tmp_path, monkeypatch, n, ending):
    monkeypatch.setattr("lime_cli.tables.readers.OWN_ROWS", 200)
    monkeypatch.setattr(columnar, "SLAB", 64)
    monkeypatch.setattr(columnar, "BLOCK", 1000)
    frame = pd.DataFrame({"a": np.arange(n) * 0.1, "b": [f"w{i % 7}" for i in range(n)]})
    path = str(tmp_path / f"rows.{ending}")
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "parquet":
        frame.to_parquet(path, index=False, row_group_size=300)
    else:
        frame.to_feather(path, chunksize=300)
    by_column, by_row = in_both_ways(path)
    assert by_column is not None
    assert_same(by_column, by_row)
    assert len(by_row.rows) <= 200 < 2 * len(by_row.rows) + 2 or n <= 200


TYPED = {
    "whole": pd.array([1, 2, None, 2**53 + 1], "Int64"),
    "small": np.array([1, 2, 3, 4], np.uint8),
    "half": np.array([0.1, 2, np.nan, 4], np.float16),
    "single": np.array([0.1, 2, np.nan, 4], np.float32),
    "double": np.array([0.1, 1e300, np.nan, -0.0]),
    "truth": [True, False, True, None],
    "words": ["x", "1", None, "NA"],
    "category": pd.Categorical(["b", "a", "b", None]),
    "nothing": [None] * 4,
}


@pytest.mark.parametrize("column", TYPED)
@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_typed_columns_hold_what_rows_hold(tmp_path, column, ending):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({column: TYPED[column], "other": [1, 2, 3, 4]})
    path = str(tmp_path / f"rows.{ending}")
    getattr(frame, f"to_{ending}")(path)
    by_column, by_row = in_both_ways(path)
    assert by_column is not None
    assert_same(by_column, by_row)


def test_an_infinite_number_of_a_typed_column_is_told_of_by_its_row(tmp_path):
    pytest.importorskip("pyarrow")
    path = str(tmp_path / "rows.parquet")
    pd.DataFrame({"a": [1.0, np.inf, 2.0], "b": [1, 2, 3]}).to_parquet(path)
    by_column, by_row = in_both_ways(path)
    assert by_column is None
    with pytest.raises(InputError, match="row 1, 'a': 'inf' is infinite"):
        by_row.numbers("a")


def digest_of(path, spelled=()):
    with open_table(path) as stream:
        cells, _ = read_evenly(stream, PLAIN, True, spelled)
    return build_background(cells, cells.header, Schema(groups=(("pair", ("n", "w")),))).digest


def test_equal_values_have_one_digest_whatever_the_file(tmp_path):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=300).round(6),
            "n": rng.integers(0, 50, 300),
            "g": np.where(rng.random(300) < 0.2, np.nan, rng.integers(0, 40, 300)),
            "z": np.where(rng.random(300) < 0.5, 0.0, -0.0) + np.arange(300) // 200,
            "w": rng.choice(["a", "b"], 300),
            "t": rng.random(300) < 0.5,
        }
    )
    found = set()
    for ending, kept in (
        ("csv", frame),
        ("parquet", frame),
        ("feather", frame),
        ("jsonl", frame),
        ("parquet", frame.assign(n=frame.n.astype(float))),
        ("csv", frame.iloc[::-1]),
    ):
        path = str(tmp_path / f"rows.{ending}")
        if ending == "csv":
            kept.to_csv(path, index=False)
        elif ending == "jsonl":
            kept.to_json(path, orient="records", lines=True, double_precision=15)
        else:
            getattr(kept.reset_index(drop=True), f"to_{ending}")(path)
        found.add(digest_of(path))
    assert len(found) == 1


CELLS = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-50, 50).map(str),
    st.sampled_from(
        ["", "NA", "nan", "inf", "True", "x", " 1", "1e3", 'a"b', "a,b", "é", "-", "."]
    ),
    st.text("0123456789.-+eE ", max_size=6),
)


@settings(max_examples=300)
@given(st.data(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_no_table_is_read_by_column_as_something_else(tmp_path_factory, data, quoting):
    kinds = data.draw(
        st.lists(st.sampled_from([CELLS, st.floats(-9, 9).map(repr)]), min_size=2, max_size=4)
    )
    rows = data.draw(st.lists(st.tuples(*kinds), min_size=2, max_size=12))
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting)
    writer.writerow([f"c{j}" for j in range(len(kinds))])
    writer.writerows(rows)
    path = written(tmp_path_factory.mktemp("t"), text.getvalue())
    with open_table(path) as stream:
        by_row, _ = read_evenly(replace(stream, sampled=None), PLAIN, True)
    with open_table(path) as stream:
        found = stream.sampled(100, ()) if stream.sampled else None
    if found is not None:
        with open_table(path) as stream:
            assert_same(stream.cells_of(found, PLAIN), by_row)


def test_a_column_that_begins_with_an_exponent_holds_numbers():
    found = columnar.parsed(["7.5e-05", "-1E3", "0.25"])
    assert found is not None
    assert (found[0].tolist(), found[1]) == ([7.5e-05, -1000.0, 0.25], set())
    assert columnar.parsed(["7.5e-05", "AB12"]) is None
    assert columnar.parsed(["1e400", "2"]) is None
