"""Tables of every format: what is written is read back, in bounded pieces, in a stable order."""

import csv
import gzip
import io
import json
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from lime_cli.errors import InputError, MissingDependency, SettingsError
from lime_cli.models.model_file import ModelInput
from lime_cli.tables import readers
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import open_table, read_cells, read_evenly
from lime_cli.tables.rows import Rows, parse_ranges
from lime_cli.tabular.modality import TabularModality
from lime_cli.texts.modality import TextModality

WORDS = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=0, max_size=12
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


COLUMNS = {
    "number": FLOATS,
    "integer": st.integers(-(2**53), 2**53),
    "bool": st.booleans(),
    "text": WORDS.map(lambda word: f"w{word}"),
}


@st.composite
def frames(draw):
    """Draw a header, and rows of columns of one kind each, with gaps."""
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    name = WORDS.map(str.strip).filter(bool)  # a line that begins with # may be a comment
    name = name.filter(lambda word: not word.startswith(("__index", "#")))
    header = draw(st.lists(name, min_size=len(kinds), max_size=len(kinds), unique=True))
    n = draw(st.integers(1, 6))
    columns = [
        draw(st.lists(st.one_of(st.none(), COLUMNS[kind]), min_size=n, max_size=n))
        for kind in kinds
    ]
    return kinds, header, list(zip(*columns, strict=True))


def agree(cells, kinds, header, rows):
    """Tell whether cells hold the values that were written."""
    assert cells.header == tuple(header)
    assert len(cells.rows) == len(rows)
    for j, kind in enumerate(kinds):
        read, values = cells.column(header[j]), [row[j] for row in rows]
        if kind in ("number", "integer") and any(value is not None for value in values):
            found = cells.numbers(header[j])
            wanted = [np.nan if value is None else float(value) for value in values]
            np.testing.assert_array_equal(found, wanted)
        elif kind == "bool":
            assert read == ["" if value is None else str(value) for value in values]
        elif kind == "text":
            assert read == ["" if value is None else value for value in values]


def spelled(value, decimal="."):
    if value is None:
        return ""
    return repr(value).replace(".", decimal) if isinstance(value, float) else str(value)


examples = given_settings(max_examples=80)


@examples
@given(
    frames(),
    st.sampled_from([",", ";", "|", "\t"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from([".", ","]),
    st.booleans(),
)
def test_delimited_text_is_read_back(
    tmp_path, frame, separator, quoting, encoding, decimal, zipped
):
    kinds, header, rows = frame
    if len(header) == 1:
        quoting = csv.QUOTE_ALL
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=quoting)
    writer.writerow(header)
    writer.writerows([spelled(value, decimal) for value in row] for row in rows)
    data = stream.getvalue().encode(encoding)
    path = tmp_path / ("rows.csv.gz" if zipped else "rows.csv")
    path.write_bytes(gzip.compress(data) if zipped else data)
    told = encoding if encoding.startswith(("utf-16", "utf-32")) else None
    dialect = Dialect(separator, told, decimal)
    agree(read_cells(str(path), dialect), kinds, header, rows)


@examples
@given(frames())
def test_what_pandas_writes_is_read_back(tmp_path, frame):
    kinds, header, rows = frame
    path = tmp_path / "rows.csv"
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    frame.to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    agree(read_cells(str(path)), kinds, header, rows)


@examples
@given(frames())
def test_json_lines_are_read_back(tmp_path, frame):
    kinds, header, rows = frame
    path = tmp_path / "rows.jsonl"
    lines = (json.dumps(dict(zip(header, row, strict=True))) for row in rows)
    path.write_text("\n".join(lines), "utf-8")
    cells = read_cells(str(path))
    agree(cells, kinds, header, rows)
    for kind, name in zip(kinds, header, strict=True):
        if kind == "text" and any(cells.column(name)):
            assert cells.kind(name) == "text"


@examples
@given(frames(), st.sampled_from([".", ","]))
def test_parquet_is_read_back(tmp_path, frame, decimal):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    kinds, header, rows = frame
    types = {"number": pa.float64(), "integer": pa.int64(), "bool": pa.bool_(), "text": pa.string()}
    columns = [pa.array([row[j] for row in rows], types[kind]) for j, kind in enumerate(kinds)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns, names=header), path, row_group_size=2)
    cells = read_cells(str(path), Dialect(decimal=decimal))
    agree(cells, kinds, header, rows)
    for kind, name in zip(kinds, header, strict=True):
        if kind == "text" and any(cells.column(name)):
            assert cells.kind(name) == "text"


def put(tmp_path, content, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_blanks_around_numbers_do_not_matter_and_words_keep_theirs(tmp_path):
    cells = read_cells(put(tmp_path, "a , b\n 1 , x\n\t2, y \n ,z\n"))
    assert cells.numbers("a").tolist()[:2] == [1, 2]
    assert np.isnan(cells.numbers("a")[2])
    assert cells.column("b") == [" x", " y ", "z"]


@pytest.mark.parametrize(
    ("cell", "options", "value"),
    [
        ("1,250.5", {"thousands": ","}, 1250.5),
        ("1.250,5", {"thousands": ".", "decimal": ","}, 1250.5),
        ("1 250 000", {"thousands": " "}, 1_250_000),
        ("1\u202f250", {"thousands": " "}, 1250),
        ("1'250.25", {"thousands": "'"}, 1250.25),
        ("-0,5", {"decimal": ","}, -0.5),
        ("1e3", {"decimal": ","}, 1000),
    ],
)
def test_numbers_are_read_in_the_spelling_that_is_said(tmp_path, cell, options, value):
    path = put(tmp_path, f'a\n"{cell}"\n')
    assert read_cells(path, Dialect(**options)).numbers("a").tolist() == [value]


@pytest.mark.parametrize(
    ("cell", "options", "hint"),
    [
        ("1,250.5", {}, "try --thousands ','"),
        ("1.250,5", {}, "try --decimal , --thousands '.'"),
        ("1\u00a0250,5", {}, "try --decimal , --thousands ' '"),
        ("1'250.5", {}, 'try --thousands "\'"'),
        ("12,5", {}, "try --decimal ,"),
        ("12.5", {"decimal": ","}, "is not a number"),
        ("12,50", {"thousands": ","}, "is not a number"),
    ],
)
def test_numbers_in_another_spelling_are_named_with_the_option(tmp_path, cell, options, hint):
    path = put(tmp_path, f'a\n"{cell}"\n')
    with pytest.raises(InputError) as caught:
        read_cells(path, Dialect(**options)).numbers("a")
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"decimal": ";"},
        {"thousands": "."},
        {"thousands": ",,"},
        {"thousands": "1"},
        {"encoding": "utf-99"},
        {"encoding": "base64"},
        {"encoding": "a\0b"},
    ],
)
def test_impossible_spellings_are_a_wrong_command_line(options):
    with pytest.raises(SettingsError):
        Dialect(**options)


def test_a_table_without_a_header_takes_the_model_s_names_or_numbers(tmp_path):
    path = put(tmp_path, "\n".join(f"{i},{i / 3},{'xy'[i % 2]}" for i in range(60)))
    dialect = Dialect(header=False)
    assert read_cells(path, dialect).header == ("0", "1", "2")
    plain = TabularModality(path, rows="0", dialect=dialect).fitted(ModelInput())
    assert [one.name for one in plain.fitted_background.features] == ["0", "1", "2"]
    wanted = ModelInput(columns=("size", "who"))
    named = TabularModality(path, rows="7", dialect=dialect, drop=("0",)).fitted(wanted)
    (source,) = named.sources()
    assert named.read(source).original().names == ("size", "who")
    assert named.read(source).values == (7 / 3, "y")


def test_json_lines_of_other_shapes_are_faults_of_their_rows(tmp_path):
    lines = ['{"a": 1, "b": "x"}', "[1]", "{", '{"b": "y", "c": [1, 2]}', '{"a": "\\ud800"}']
    with open_table(put(tmp_path, "\n".join(lines), "rows.ndjson")) as stream:
        records = list(stream.records)
    assert stream.header == ("a", "b", "c")
    assert [one.fault for one in records] == [
        "",
        "rows.ndjson: line 2: is not a JSON object",
        "rows.ndjson: line 3: is not JSON (Expecting property name enclosed in double quotes)",
        "",
        "rows.ndjson: line 5, 'a': holds an incomplete character",
    ]
    assert records[3].cells == ("", "y", "[1, 2]")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("rows.parquet", b"", "is empty"),
        ("rows.parquet", b"a,b\n1,2\n", "is not a Parquet file"),
        ("rows.parquet", b"PAR1" + bytes(40) + b"PAR1", "cut short or damaged"),
        ("rows.csv", b"PAR1" + bytes(40), "is not a CSV file (Parquet)"),
        (
            "rows.csv.gz",
            gzip.compress(b"a,b\n" + b"1,2\n" * 9000, mtime=0)[:-20],
            "cut short or damaged",
        ),
        ("rows.csv.gz", b"\x1f\x8b\x08" + bytes(30), "cut short or damaged"),
        ("rows.jsonl", b"", "is empty"),
        ("rows.jsonl", b"[1]\n[2]\n", "is not a JSON object"),
        ("rows.jsonl", b'{"a": "\xff"}\n', "byte 0xFF on line 1 is not UTF-8"),
    ],
)
def test_a_broken_file_of_another_format_is_refused_in_words(tmp_path, name, content, words):
    with pytest.raises(InputError) as caught:
        read_cells(put(tmp_path, content, name))
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_parquet_without_its_library_names_the_pip_line(tmp_path, monkeypatch):
    path = put(tmp_path, b"PAR1" + bytes(40) + b"PAR1", "rows.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"pip install 'limex\[parquet\]'"):
        read_cells(path)


def test_rows_of_a_huge_table_are_kept_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "OWN_ROWS", 100)
    path = put(tmp_path, "a\n" + "\n".join(map(str, range(1000))))
    with open_table(path) as stream:
        cells, n_rows = read_evenly(stream, Dialect(), strict=True)
    assert n_rows == 1000
    assert cells.column("a") == [str(i) for i in range(0, 1000, 16)]
    fitted = TabularModality(path, rows="0").fitted(ModelInput())
    (source,) = fitted.sources()
    assert [one.code for one in fitted.read(source).warnings] == [
        "background_is_input",
        "background_sampled",
    ]


@pytest.fixture
def people(tmp_path):
    rows = [f"p{i},{i},{'Oslo' if i % 3 else 'Rome'},{'' if i == 5 else i / 2}" for i in range(60)]
    return put(tmp_path, "\n".join(["who,age,home town,x", *rows]))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("age > 57", [58, 59]),
        ("57 < age <= 58", [58]),
        ("age in (3, 7) and x < 2", [3]),
        ("not (age > 1)", [0, 1]),
        ("`home town` == 'Rome' and age < 5", [0, 3]),
        ("`home town` != 'Oslo' and age < 5", [0, 3]),
        ("who in ['p4', 'p2']", [2, 4]),
        ("x is None", [5]),
        ("x == None or age == 7.0", [5, 7]),
        ("x is not None and age < 2", [0, 1]),
        ("x < 3 and age >= 4", [4]),
        ("age == -1 or age == +2", [2]),
        ("who > 'p8'", [9]),
        ("x * 2 == age", None),
        ("age > x and age < 3", [1, 2]),
    ],
)
def test_rows_are_chosen_by_a_condition(people, where, found):
    sources = Rows(people, where=where).sources()
    if found is None:
        with pytest.raises(SettingsError, match="--where"):
            list(sources)
        return
    assert [one.row for one in sources] == found


@pytest.mark.parametrize(
    "where",
    [
        "__import__('os').system('true')",
        "age.__class__ == 1",
        "age[0] == 1",
        "@age > 1",
        "(lambda: 1)() == 1",
        "age > 1; age",
        "age >",
        "",
        "1",
        "'a'",
        "[x for x in age]",
        "age if age else age",
        "age := 3",
        "f'{age}' == '1'",
        "age == b'1'",
        "not " * 3000 + "age",
        "(" * 3000,
        "age < None",
        "age in who",
        "agee > 1",
        "age == " + "9" * 5000,
    ],
    ids=lambda where: where[:30],
)
def test_what_is_no_condition_is_refused(people, where):
    with pytest.raises(SettingsError, match=r"^--where"):
        list(Rows(people, where=where).sources())


def test_a_condition_that_no_row_fits_is_told(people):
    with pytest.raises(InputError, match="no row is 'age > 600'"):
        list(Rows(people, where="age > 600").sources())


def test_sources_are_read_as_they_are_taken_and_carry_their_rows(people):
    sources = Rows(people, id_column="who").sources()
    first = next(sources)
    assert (first.id, first.row, first.record.cells) == ("p0", 0, ("p0", "0", "Rome", "0.0"))
    again = pickle.loads(pickle.dumps(first))
    assert again == first
    fitted = TabularModality(people, drop=("who",)).fitted(ModelInput())
    assert fitted.read(again).values == fitted.read(type(first)("p0", people, 0)).values


@pytest.mark.parametrize("words", ["1,2-", "-", "", "1;2", "٣", "1-2-3"])
def test_lists_of_rows_are_digits_commas_and_dashes(words):
    with pytest.raises(SettingsError, match="is not a list of rows"):
        parse_ranges(words)


def test_cells_of_a_column_are_texts(tmp_path):
    path = put(tmp_path, 'id,review\na1,"A good, long film"\na2,\na3,bad\n')
    texts = TextModality((path,), table=Rows(path, id_column="id"), column="review")
    sources = list(texts.sources())
    assert [one.id for one in sources] == ["a1", "a2", "a3"]
    assert texts.read(sources[0]).text == "A good, long film"
    with pytest.raises(InputError, match=r"rows.csv: line 3: there is no text"):
        texts.read(sources[1])
    with pytest.raises(InputError, match=r"lacks column 'Review'; did you mean 'review'\?"):
        TextModality((path,), table=Rows(path), column="Review").read(sources[0])


def test_whole_numbers_are_compared_exactly(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text(
        "big\n9007199254740993\n9007199254740995\n9007199254740997\n3.0\n1e3\n", "utf-8"
    )

    def found(where):
        return [one.row for one in Rows(str(path), where=where).sources()]

    assert found("big == 9007199254740995") == [1]
    assert found("big in (9007199254740993, 9007199254740997)") == [0, 2]
    assert found("big > 9007199254740995") == [2]
    assert found("big == 3 or big == 1000") == [3, 4]
    with pytest.raises(InputError, match="no row is"):
        found("big == 9007199254740996")
