"""Reading tables: what is accepted, and how every fault is named."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.errors import InputError, SettingsError
from lime_cli.tables.cells import Cells, kind_of, numbers
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import open_table, read_cells
from lime_cli.tabular.row import Table


def written(tmp_path, content, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y",
        "\ufeffa,b\n1,x\n2,y\n",
        'a,b\n"1",x\n\n2,"y"\n',
        " a ,b\n1,x\n2,y\n",
    ],
    ids=[
        "plain",
        "crlf without final newline",
        "byte order mark",
        "quotes and a blank line",
        "blanks",
    ],
)
def test_spellings_of_one_table_read_the_same(tmp_path, content):
    cells = read_cells(written(tmp_path, content))
    assert cells.header == ("a", "b")
    assert cells.rows == (("1", "x"), ("2", "y"))


def test_a_tsv_file_is_cut_at_tabs(tmp_path):
    assert read_cells(written(tmp_path, "a\tb\n1\tx,y\n", "rows.tsv")).rows == (("1", "x,y"),)


def test_a_quoted_newline_stays_in_its_cell_and_lines_are_counted_on(tmp_path):
    cells = read_cells(written(tmp_path, 'a,b\n"x\ny",1\nz,2\n'))
    assert cells.rows[0] == ("x\ny", "1")
    assert cells.lines == (3, 4)


@pytest.mark.parametrize(
    "header",
    [
        *("a,b,a", "a,a,a", "a,a.1,a", "a,a,a.1", ",a,", "a,,a,", ",Unnamed: 0", "a,a.1,a.1,a.1.1"),
        *("a ,a", " a,a,b", "a,a ,a", " a, a,a"),
    ],
)
def test_columns_are_called_as_pandas_calls_them(tmp_path, header):
    path = written(tmp_path, f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    assert read_cells(path).header == tuple(pd.read_csv(path).columns)


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\na;b\n1;x\n2;y\n",
        '"sep=;"\r\na;b\r\n1;x\r\n2;y\r\n',
        "SEP=\t\na\tb\n1\tx\n2\ty\n",
        "\n\nsep=|\na|b\n1|x\n2|y\n",
    ],
)
def test_a_first_line_may_say_what_separates_cells(tmp_path, content):
    cells = read_cells(written(tmp_path, content))
    assert (cells.header, cells.rows) == (("a", "b"), (("1", "x"), ("2", "y")))
    assert cells.lines[0] == content.count("\n") - 1


def test_a_line_that_says_the_separator_gives_way_to_an_option(tmp_path):
    path = written(tmp_path, "sep=;\na,b\n1,x\n")
    assert read_cells(path, Dialect(separator=",")).rows == (("1", "x"),)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("a,b,\n1,2\n3,4\n", (("1", "2", ""), ("3", "4", ""))),
        ("a,b,\n1,2,\n3,4\n", (("1", "2", ""), ("3", "4", ""))),
        ("a,b,,\n1,2\n3,4,5,6\n", (("1", "2", "", ""), ("3", "4", "5", "6"))),
    ],
)
def test_a_header_that_ends_with_commas_fits_rows_without_them(tmp_path, content, rows):
    cells = read_cells(written(tmp_path, content))
    assert cells.rows == rows
    assert cells.header == tuple(pd.read_csv(tmp_path / "rows.csv").columns)


@pytest.mark.parametrize(("byte", "name"), [(0x80, "cp1252"), (0x9F, "cp1252"), (0xE9, "latin-1")])
def test_the_encoding_that_is_proposed_reads_the_file(tmp_path, byte, name):
    path = written(tmp_path, b"a,b\n1," + bytes([byte]) + b"\n")
    with pytest.raises(InputError, match=f"try --encoding {name}"):
        read_cells(path)
    assert read_cells(path, Dialect(encoding=name)).rows[0][1] == bytes([byte]).decode("cp1252")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "has no header"),
        (b"a,b\n", "no data rows"),
        (b"a,b\n1,2\n1,2,3\n", "line 3: 3 fields, expected 2"),
        (b"a,b\n1,2,3\n1,2,3\n", "line 2: 3 fields, expected 2"),
        (b"a,b\n1,2\n1\n", "line 3: 1 field, expected 2"),
        (b"a,b\n1,2\n\xe9,2\n", "byte 0xE9 on line 3 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16") + b"a", "is not utf-16"),
        (b'a,b\n"1,2\n3,4\n', "a quote opened on line 2 is never closed"),
        (b"a,b\n1,\x002\n", "NUL character on line 2"),
        (b"a;b;c\n1;2;3\n1;2\n", "has one column, named 'a;b;c'; try --sep ';'"),
        (b"\x89PNG\r\n\x1a\n", "is not a CSV file (PNG)"),
        (b"a,b\n1," + b"x" * 1_100_000 + b"\n", "a field is longer than"),
        (b",".join(b"c%d" % i for i in range(30_000)) + b"\n", "30,000 columns"),
    ],
)
def test_a_broken_table_is_refused_in_words(tmp_path, content, message):
    with pytest.raises(InputError) as caught:
        read_cells(written(tmp_path, content))
    assert message in str(caught.value)
    assert str(caught.value).startswith("rows.csv: ")


@pytest.mark.parametrize(
    ("content", "header", "first", "said"),
    [
        ("a;b\n1;2\n3;4\n", "a b", "1 2", "';'"),
        ('"a";"b"\n1;"2;2"\n3;4\n', "a b", "1 2;2", "';'"),
        ("a\tb\n1\t2\n3\t4\n", "a b", "1 2", "tabs"),
        ("a|b\n1|x,y\n3|4\n", "a b", "1 x,y", "'|'"),
        ("a b c\n1  2 x\n3 4   y\n", "a b c", "1 2 x", "blanks"),
        ('a b c\n1 2 "x  y"\n3 \t4 z\n', "a b c", "1 2 x  y", "blanks"),
        ('a  b\t"c"\n1   2\t"x y"\n3   4\t"z"\n', "a b c", "1 2 x y", "blanks"),
        ("a b\tc\n1 2\t3\n4 5\t6\n", "a b c", "1 2 3", "tabs"),
        ("a,b\n1;2,3\n4;5,6\n", "a b", "1;2 3", ""),
        ("full name\nAda Byron\nAlan Turing\n", "full name", "Ada Byron", ""),
        ("a few words\nor three more\nof some prose\n", "a few words", "or three more", ""),
        ("a;b\n1\n2\n", "", "", ""),
        ('"a","b"\n"r1",1,2\n"r2",3,4\n', "Unnamed: 0 a b", "r1 1 2", "names"),
        ("a,b\n1,2,\n3,4,\n", "a b Unnamed: 2", "1 2 ", ""),
    ],
)
def test_what_separates_cells_is_found_where_all_rows_agree(tmp_path, content, header, first, said):
    path = written(tmp_path, content.encode())
    if not header:
        with pytest.raises(InputError, match="try --sep ';'"):
            read_cells(path)
        return
    with open_table(path) as stream:
        row = next(stream.records)
        assert " ".join(stream.header) == header
        assert " ".join(row.cells) == first
        sentences = " ".join(sentence for _, sentence in stream.assumed)
        assert said in sentences
        assert bool(said) == bool(sentences)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_where_the_first_bytes_say_so(tmp_path, encoding):
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    path = written(tmp_path, marks.get(encoding, b"") + "a\tb\nö\t2\n".encode(encoding))
    with open_table(path) as stream:
        assert (stream.header, next(stream.records).cells) == (("a", "b"), ("ö", "2"))
        assert [code for code, _ in stream.assumed] == ["encoding_found", "separator_found"]


def test_an_array_is_a_table_of_numbered_columns(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[1.5, 2], [np.nan, 4]], np.float32))
    cells = read_cells(str(tmp_path / "d.npy"))
    assert cells.header == ("0", "1")
    assert np.array_equal(cells.numbers("0"), [1.5, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), "holds an array of 3 dimensions, not rows and columns"),
        (np.array([["a", {}]], object), "holds Python objects"),
    ],
)
def test_an_array_that_is_no_table_is_refused(tmp_path, array, message):
    np.save(tmp_path / "d.npy", array)
    with pytest.raises(InputError, match=message):
        read_cells(str(tmp_path / "d.npy"))


@pytest.mark.parametrize(("decimal", "other"), [(".", ","), (",", ".")])
def test_one_mark_for_thousands_and_decimals_is_refused_with_the_other(decimal, other):
    with pytest.raises(SettingsError, match=f"both {decimal!r}") as refused:
        Dialect(thousands=decimal, decimal=decimal)
    assert refused.value.hint == f"add --decimal {other}"
    assert Dialect(thousands=decimal, decimal=other).plain(f"1{decimal}234{other}5") == "1234.5"


def test_a_separator_that_is_said_is_not_looked_for(tmp_path):
    path = written(tmp_path, b"a;b\n1;2\n3;4\n")
    with pytest.raises(InputError, match="has one column, named 'a;b'"):
        read_cells(path, Dialect(separator="|"))


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_cells(str(tmp_path))
    with pytest.raises(InputError, match="no such file"):
        read_cells(str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", ""], "number"),
        (["1", "2.5", "NA"], "number"),
        (["1e3", "-.5"], "number"),
        (["True", "false", ""], "bool"),
        (["1", "x"], "text"),
        (["1_000"], "text"),
        (["", "NA"], "empty"),
    ],
)
def test_a_column_s_kind_is_told_from_its_cells(cells, kind):
    assert kind_of(cells) == kind


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("thirty", "line 7, 'age': 'thirty' is not a number"),
        ("1,250.00", "thousands"),
        ("1e400", "infinite"),
    ],
)
def test_a_cell_that_is_no_number_is_named_by_line_and_column(cell, message):
    with pytest.raises(InputError) as caught:
        numbers(Cells("rows.csv", ("age",), (("1",), (cell,)), (6, 7)), "age", range(2))
    assert message in str(caught.value)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_numbers_come_back_as_they_were_written(values):
    cells = tuple(("" if value is None else repr(value),) for value in values)
    read = Cells("rows.csv", ("x",), cells, tuple(range(len(cells)))).numbers("x")
    assert all(np.isnan(r) if v is None else r == v for r, v in zip(read, values, strict=True))


DIGITS = st.text("0123456789.-", max_size=20)


@given(st.lists(st.one_of(DIGITS, st.sampled_from(["", "NA", "nan"])), min_size=1, max_size=4))
def test_a_column_parsed_at_once_is_what_its_cells_are_one_by_one(column):
    cells = Cells("rows.csv", ("x",), tuple((cell,) for cell in column), tuple(range(len(column))))
    assert cells.kind("x") == kind_of(column)
    try:
        wanted = numbers(cells, "x", range(len(column)))
    except InputError as error:
        assert not cells.simple("x")
        with pytest.raises(InputError, match=re.escape(str(error))):
            cells.numbers("x")
    else:
        np.testing.assert_array_equal(cells.numbers("x"), wanted)


@pytest.mark.parametrize("cell", ["1_0", " 1", "1 ", "+1", "inf", "\u0661", "1e5", "9" * 400])
def test_what_float_takes_beyond_plain_digits_is_looked_at(cell):
    cells = Cells("rows.csv", ("x",), (("1",), (cell,)), (2, 3))
    assert not cells.simple("x")
    assert cells.kind("x") == kind_of(["1", cell])


def test_tables_of_the_same_columns_join():
    one = Table(("a",), (np.array([1, 2]),))
    assert len(Table.joined([one, one])) == 4
