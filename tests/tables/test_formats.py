"""Tables beside CSV: what pandas reads of each format is what limex reads."""

import bz2
import datetime
import decimal
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from zoneinfo import ZoneInfo

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from lime_cli import sources
from lime_cli.errors import InputError, MissingDependency, SettingsError
from lime_cli.registry import TABLES, plugins
from lime_cli.tables.dialect import Dialect
from lime_cli.tables.readers import open_table, read_cells
from lime_cli.tables.streams import PACKINGS

FRAME = pd.DataFrame(
    {
        "age": [31, 45, 62],
        "income": [1200.5, None, 3100.0],
        "member": [True, False, True],
        "city": ["Oslo", "Bergen, west", "Łódź"],
        "since": pd.to_datetime(["2020-01-31", "2021-02-28", "2022-03-01"]),
    }
)

WORDS = pd.DataFrame({"a": ["NA", "x"], "code": ["001", "014"]})


def database(path, frame=FRAME, table="people"):
    with sqlite3.connect(path) as connection:
        frame.to_sql(table, connection, index=False)
    connection.close()


def duck(path, frame=FRAME, table="people"):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.register("given", frame)
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM given")


def sheets(path, **frames):
    pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for name, frame in frames.items():
            frame.to_excel(writer, sheet_name=name, index=False)


def sheet(path, frame=FRAME):
    sheets(path, Sheet1=frame)


def as_json(path, frame=FRAME, **options):
    frame.to_json(path, date_format="iso", **options)


WRITERS = {
    "rows.pkl": lambda path: FRAME.to_pickle(path),
    "rows.pickle": lambda path: path.write_bytes(pickle.dumps(FRAME, 2)),
    "rows.joblib": lambda path: joblib.dump(FRAME, path, compress=3),
    "rows.pkl.gz": lambda path: FRAME.to_pickle(path),
    "rows.xlsx": sheet,
    "rows.feather": lambda path: FRAME.to_feather(path),
    "rows.arrow": lambda path: FRAME.to_feather(path, compression="uncompressed"),
    "rows.parquet": lambda path: FRAME.to_parquet(path),
    "records.json": partial(as_json, orient="records"),
    "columns.json": as_json,
    "split.json": partial(as_json, orient="split"),
    "table.json": partial(as_json, orient="table"),
    "lines.json": partial(as_json, orient="records", lines=True),
    "indented.json": partial(as_json, orient="records", indent=2),
    "rows.db": database,
    "rows.sqlite3": database,
    "rows.duckdb": duck,
    "rows.csv.zip": lambda path: FRAME.to_csv(path, index=False),
    "rows.zip": lambda path: FRAME.to_csv(path, index=False),
    "rows.csv.bz2": lambda path: FRAME.to_csv(path, index=False),
    "rows.csv.xz": lambda path: FRAME.to_csv(path, index=False),
    "rows.json.gz": partial(as_json, orient="records"),
    "rows.jsonl.bz2": partial(as_json, orient="records", lines=True),
}

READERS = {
    "xlsx": partial(pd.read_excel, engine="calamine"),
    "feather": pd.read_feather,
    "arrow": pd.read_feather,
    "parquet": pd.read_parquet,
    "zip": pd.read_csv,
    "bz2": pd.read_csv,
    "xz": pd.read_csv,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_table_of_any_format_holds_what_pandas_wrote(tmp_path, name):
    if name.endswith((".feather", ".arrow", ".parquet")):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    WRITERS[name](path)
    read = READERS.get(name.rpartition(".")[2], lambda path: FRAME)
    wanted = read(path) if "json" not in name else FRAME
    cells = read_cells(str(path))
    assert cells.header == tuple(FRAME.columns)
    for column in ("age", "income"):
        np.testing.assert_array_equal(cells.numbers(column), wanted[column].to_numpy(float))
    assert cells.column("city") == list(wanted["city"])
    said = {"True": True, "False": False, "1": True, "0": False}
    assert [said[cell] for cell in cells.column("member")] == list(FRAME["member"])
    days = [pd.Timestamp(cell).tz_localize(None) for cell in cells.column("since")]
    assert days == list(FRAME["since"])


def test_texts_of_typed_files_stay_text_and_those_of_sheets_are_as_pandas_has_them(tmp_path):
    database(tmp_path / "rows.db", WORDS)
    as_json(tmp_path / "rows.json", WORDS, orient="records")
    for name in ("rows.db", "rows.json"):
        cells = read_cells(str(tmp_path / name))
        assert (cells.column("code"), cells.kind("code")) == (["001", "014"], "text")
    sheet(tmp_path / "rows.xlsx", WORDS)
    cells = read_cells(str(tmp_path / "rows.xlsx"))
    wanted = pd.read_excel(tmp_path / "rows.xlsx", engine="calamine")["code"]
    np.testing.assert_array_equal(cells.numbers("code"), wanted.to_numpy(float))


def test_a_list_of_objects_is_read_as_a_stream(tmp_path):
    path, n = tmp_path / "long.json", 20_000
    with path.open("w") as file:
        file.write("[")
        file.write(",".join(json.dumps({"i": i, "text": "x" * 200}) for i in range(n)))
        file.write("]")
    short = tmp_path / "short.json"
    short.write_text('[{"i": 1, "text": "x"}]', encoding="utf-8")
    with open_table(str(short)) as stream:  # what is imported meanwhile is not of the list
        assert len(list(stream.records)) == 1
    tracemalloc.start()
    with open_table(str(path)) as stream:
        total = sum(int(record.cells[0]) for record in stream.records)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == n * (n - 1) // 2
    assert peak < path.stat().st_size / 3


JSON_TEXTS = {
    '[{"a": 1}, {"b": 2}]': (("a", "b"), (("1", ""), ("", "2"))),
    ' [ {"a": 1e3 } ,\n{"a":null}] \n': (("a",), (("1000.0",), ("",))),
    "[[1, 2], [3, 4]]": (("0", "1"), (("1", "2"), ("3", "4"))),
    '{"a": 1, "b": "x"}': (("a", "b"), (("1", "x"),)),
    '{"a": [1, 2], "b": ["x", "y"]}': (("a", "b"), (("1", "x"), ("2", "y"))),
    '{"total": 2, "items": [{"a": 1}, {"a": 2}]}': (("a",), (("1",), ("2",))),
    '\ufeff[{"a": {"b": 1}}]': (("a",), (('{"b": 1}',),)),
}


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_of_every_shape_is_a_table(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text, "utf-8")
    cells = read_cells(str(path))
    assert (cells.header, cells.rows) == JSON_TEXTS[text]


def test_json_is_cut_between_any_two_characters(tmp_path, monkeypatch):
    path = tmp_path / "rows.json"
    path.write_text('[{"n": 123.5, "w": "Łódź \\u00e9"}, {"n": -1e-3, "w": "]}"}]', "utf-8")
    whole = read_cells(str(path)).rows
    monkeypatch.setattr("lime_cli.tables.jsonlines.PIECE", 1)
    assert read_cells(str(path)).rows == whole == (("123.5", "Łódź é"), ("-0.001", "]}"))


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


REFUSED = {
    "cut.json": (b'[{"a": 1}, {"a"', "is not JSON"),
    "half.json": (b'[{"a": 1},', "ends in the middle of the list"),
    "more.json": (b'[{"a": 1}] 3', "continues after the list"),
    "numbers.json": (b"[1, 2]", "row 0: is not a JSON object"),
    "words.json": (b'"a"', "is not JSON; give a list of objects"),
    "empty.json": (b"", "is empty"),
    "none.json": (b"[]", "is empty"),
    "two.zip": (zipped({"a.csv": "x\n1\n", "b.csv": "x\n2\n"}), "holds a.csv, b.csv"),
    "no.zip": (zipped({"a/": ""}), "holds none"),
    "cut.csv.zip": (zipped({"a.csv": "x\n" + "1\n" * 99})[:60], "is cut short or damaged"),
    "cut.csv.bz2": (bz2.compress(b"x\n" + b"123\n" * 9999)[:-20], "is cut short or damaged"),
    "cut.csv.xz": (lzma.compress(b"x\n" + b"123\n" * 9999)[:-40], "is cut short or damaged"),
    "rows.csv": (zipped({"a.csv": "x\n1\n"}), "is not a CSV file (zip)"),
    "bz.csv": (bz2.compress(b"x\n1\n"), "is not a CSV file (bzip2); let its name end with .bz2"),
    "lite.csv": (b"SQLite format 3\0" + bytes(99), "is not a CSV file (SQLite); name it .db"),
    "feather.csv": (b"ARROW1" + bytes(99), "is not a CSV file (Feather); name it .feather"),
    "none.db": (b"", "is empty"),
    "text.db": (b"a,b\n1,2\n", "is neither an SQLite nor a DuckDB database"),
    "cut.db": (b"SQLite format 3\0" + bytes(99), "cannot be read"),
    "rows.dta": (b"\x76\x02", "is a Stata table; python -c \"import pandas; pandas.read_stata("),
    "rows.sav": (b"$FL2", "is an SPSS table"),
    "cut.pkl": (pickle.dumps(FRAME)[:90], "is cut short"),
    "series.pkl": (pickle.dumps(FRAME["age"]), "holds a Series, not a table; pickle a data frame"),
    "swapped.pkl": (
        pickle.dumps(Ridge().fit([[0.0], [1.0]], [0, 1])),
        "holds a Ridge, not a table; name a model before its table",
    ),
    "acting.pkl": (b"cos\nsystem\n(S'true'\ntR.", "is not safe to load: it uses os.system"),
    "pickle.csv": (pickle.dumps(FRAME), "is not a CSV file (a pickle); name it .pkl"),
    "rows.h5": (b"\x89HDF\r\n", "is an HDF5 table"),
    "text.feather": (b"a,b\n", "is not a Feather file; if it is CSV, let its name end with .csv"),
    "text.xlsx": (b"a,b\n", "is not an Excel file; if it is CSV, let its name end with .csv"),
    "cut.xlsx": (zipped({"xl/workbook.xml": "<"}), "is cut short or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_named_in_one_line(tmp_path, name):
    if name == "cut.xlsx":
        pytest.importorskip("python_calamine")
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_cells(str(tmp_path / name))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_archive_of_a_mac_holds_one_table(tmp_path):
    path = tmp_path / "people.zip"
    path.write_bytes(zipped({"people.tsv": "a\tb\n1\t2\n", "__MACOSX/._people.tsv": "x"}))
    assert read_cells(str(path)).rows == (("1", "2"),)


def test_sheet_names_a_sheet_and_so_does_what_stands_behind_a_hash(tmp_path):
    path = str(tmp_path / "book.xlsx")
    sheets(path, train=FRAME, test=FRAME[:1], notes=pd.DataFrame())
    with pytest.raises(InputError) as caught:
        read_cells(path)
    assert "has sheets 'train', 'test'; name one: --sheet 'train'" in str(caught.value)
    assert len(read_cells(path, Dialect(sheet="test")).rows) == 1
    assert len(read_cells(f"{path}#train").rows) == 3
    with pytest.raises(SettingsError) as refused:
        read_cells(path, Dialect(sheet="tset"))
    assert "has no such sheet; it has 'train', 'test', 'notes'" in str(refused.value)


def test_a_table_that_begins_lower_on_its_sheet_is_found(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    for row, cells in enumerate([("a", "b"), (1, None), (None, None), (2, "x")], 3):
        for column, value in enumerate(cells, 2):
            book.active.cell(row, column, value)
    book.active.cell(30, 2).font = openpyxl.styles.Font(bold=True)
    book.save(tmp_path / "low.xlsx")
    cells = read_cells(str(tmp_path / "low.xlsx"))
    assert (cells.header, cells.rows) == (("a", "b"), (("1", ""), ("", ""), ("2", "x")))


def test_formulas_without_values_are_no_missing_cells(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "=A2*2"]):
        book.active.append(row)
    book.save(tmp_path / "sums.xlsx")
    with pytest.raises(InputError) as caught:
        read_cells(str(tmp_path / "sums.xlsx"))
    assert "holds formulas that were never computed; open it in a spreadsheet" in str(caught.value)


@pytest.mark.parametrize(("name", "make"), [("rows.db", database), ("rows.duckdb", duck)])
def test_sql_asks_a_database_and_cannot_change_it(tmp_path, name, make):
    path = tmp_path / name
    make(path)
    before = path.read_bytes()
    query = "SELECT city, age * 2 AS twice FROM people WHERE age > 40 ORDER BY age DESC"
    cells = read_cells(str(path), Dialect(sql=query))
    assert (cells.header, cells.rows) == (
        ("city", "twice"),
        (("Łódź", "124"), ("Bergen, west", "90")),
    )
    for query in (
        "DELETE FROM people",
        "CREATE TABLE other (a int)",
        f"ATTACH '{tmp_path / 'other.db'}' AS other",
        "SELEC age",
        "SELECT nothing FROM people",
    ):
        with pytest.raises(SettingsError) as caught:
            read_cells(str(path), Dialect(sql=query))
        assert str(caught.value).startswith(f"--sql: {name}: ")
    assert path.read_bytes() == before
    assert not (tmp_path / "other.db").exists()


def test_of_several_tables_none_is_chosen_without_a_word(tmp_path):
    path = str(tmp_path / "shop.db")
    database(path, FRAME, "people")
    database(path, WORDS, "orders")
    with pytest.raises(InputError) as caught:
        read_cells(path)
    assert "has tables 'people', 'orders'; name one with --sheet people" in str(caught.value)
    assert read_cells(f"{path}#orders").header == ("a", "code")
    assert read_cells(path, Dialect(sheet="people")).header == tuple(FRAME.columns)
    with pytest.raises(SettingsError) as refused:
        read_cells(path, Dialect(sheet="order"))
    assert "did you mean 'orders'?" in str(refused.value)


@pytest.mark.parametrize("dialect", [Dialect(sheet="a"), Dialect(sql="SELECT 1")])
@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.parquet"])
def test_sheet_and_sql_are_refused_where_there_is_one_table_alone(tmp_path, name, dialect):
    (tmp_path / name).write_bytes(b"PAR1" if "parquet" in name else b'[{"a":1}]')
    with pytest.raises(SettingsError, match="holds one table only; leave --s"):
        read_cells(str(tmp_path / name), dialect)


@pytest.mark.parametrize(
    ("name", "extra", "module"),
    [
        ("rows.xlsx", "excel", "python_calamine"),
        ("rows.feather", "parquet", "pyarrow"),
        ("rows.duckdb", "duckdb", "duckdb"),
        ("https://limex.example/rows.csv", "remote", "fsspec"),
    ],
)
def test_a_format_whose_package_is_missing_names_the_line_that_installs_it(
    tmp_path, monkeypatch, name, extra, module
):
    content = {
        "rows.xlsx": zipped({"a": ""}),
        "rows.feather": b"ARROW1",
        "rows.duckdb": b"12345678DUCK",
    }
    if name in content:
        (tmp_path / name).write_bytes(content[name])
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "rows.csv"
    with pytest.raises(MissingDependency) as caught:
        sources._download(name, name, path) if "://" in name else read_cells(str(tmp_path / name))
    assert f"pip install 'limex[{extra}]'" in str(caught.value)
    assert name.rpartition("/")[2] in str(caught.value)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder that is served over HTTP, and its address."""
    pytest.importorskip("aiohttp")
    monkeypatch.delenv("_LIMEX_FETCHED", raising=False)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_url_is_read_as_the_file_behind_it_and_hides_its_secrets(served):
    folder, address = served
    FRAME.to_csv(folder / "rows.csv.gz", index=False)
    name = sources.fetched(f"{address}/rows.csv.gz?token=s3cr3t".replace("//", "//me:pw@"))
    assert name.startswith(f"{address}/rows.csv.gz?")
    assert "s3cr3t" not in name
    assert "pw" not in name
    assert read_cells(name).column("city") == list(FRAME["city"])
    assert read_cells(name).name == name.rpartition("/")[2]
    database(folder / "rows.db")
    assert len(read_cells(sources.fetched(f"{address}/rows.db") + "#people").rows) == 3
    with pytest.raises(InputError, match="no such file; check the URL"):
        sources.fetched(f"{address}/none.csv")


def test_what_fsspec_knows_by_another_protocol_is_read(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.delenv("_LIMEX_FETCHED", raising=False)
    (tmp_path / "two.zip").write_bytes(zipped({"a.csv": "x\n1\n", "b.csv": "x\n2\n"}))
    inside = sources.fetched(f"zip://b.csv::file://{tmp_path}/two.zip")
    assert read_cells(inside).rows == (("2",),)
    with pytest.raises(InputError, match=r"Protocol not known: nowhere.*; check the URL"):
        sources.fetched("nowhere://bucket/rows.csv")


READER = """
from lime_cli.sources import Record
from lime_cli.tables.readers import TableContent

def read(file, dialect):
    rows = [line.split("/") for line in file.stream.read().decode().splitlines()]
    header = tuple(rows[0])
    return TableContent(header, (Record(header, tuple(row), i) for i, row in enumerate(rows[1:])))
"""


def test_a_package_adds_a_kind_of_table(tmp_path, monkeypatch):
    (tmp_path / "limex_slashed.py").write_text(READER)
    information = tmp_path / "limex_slashed-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: limex-slashed\nVersion: 1\n"
    )
    points = "[limex.tables]\nslashed = limex_slashed:read\n"
    (information / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    plugins.cache_clear()
    (tmp_path / "rows.slashed").write_text("a/b\n1/2\n")
    try:
        assert read_cells(str(tmp_path / "rows.slashed")).rows == (("1", "2"),)
    finally:
        plugins.cache_clear()


def test_no_reader_of_a_format_is_imported_before_it_is_needed():
    heavy = "pyarrow", "duckdb", "python_calamine", "openpyxl", "fsspec", "sqlite3", "mlflow"
    code = (
        "import sys; import lime_cli.tables.readers; "
        f"print([one for one in {heavy} if one in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert set(TABLES.own) >= {"csv", "json", "xlsx", "feather", "db", "duckdb"}


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"a,b\n1,2\n"),
        bz2.compress(b"a,b\n1,2\n"),
        lzma.compress(b"a,b\n1,2\n"),
        zipped({"rows.csv": "a,b\n1,2\n"}),
        b'[{"a": 1, "b": 2}]',
        b'{"a": 1, "b": 2}\n',
    ],
    ids=["gzip", "bzip2", "xz", "zip", "json", "jsonl"],
)
def test_what_comes_through_a_pipe_is_told_by_its_first_bytes(data):
    code = "from lime_cli.tables.readers import read_cells; print(read_cells('-').rows)"
    call = [sys.executable, "-c", code]
    said = subprocess.run(call, input=data, capture_output=True, check=False)
    assert said.stdout.decode().strip() == "(('1', '2'),)", said.stderr


def test_dates_of_a_sheet_are_dates(tmp_path):
    days = [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2, 10, 30)]
    sheet(tmp_path / "days.xlsx", pd.DataFrame({"day": days}))
    assert read_cells(str(tmp_path / "days.xlsx")).column("day") == [
        "2020-01-01",
        "2020-01-02 10:30:00",
    ]


def test_names_of_packed_files_are_known_to_all():
    assert set(PACKINGS) == set(sources.PACKED)


@pytest.fixture
def people(tmp_path):
    """A book with a sheet to learn from and one to explain, and its twins in other formats."""
    zoo = pd.read_csv("sample_data/zoo.csv")
    sheets(tmp_path / "zoo.xlsx", train=zoo, new=zoo[3:4])
    database(tmp_path / "zoo.db", zoo, "train")
    database(tmp_path / "zoo.db", zoo[3:4], "new")
    zoo.to_json(tmp_path / "zoo.json", orient="records")
    zoo.to_csv(tmp_path / "zoo.csv.zip", index=False)
    return tmp_path


def test_a_row_has_the_same_explanation_wherever_it_lies(limex, people):
    model = "sample_models/zoo_mlp.onnx"
    common = ("--samples", "128", "-f", "json", "-q", "--drop", "animal,class")
    given = ("explain", "tabular", model)
    wanted = limex(*given, "sample_data/zoo.csv", "--row", "3", *common)
    assert wanted.code == 0, wanted.err
    weights = json.loads(wanted.out)["targets"]
    book, store = people / "zoo.xlsx", people / "zoo.db"
    for call in (
        (book, "--sheet", "new", "--row", "0", "--background", f"{book}#train"),
        (f"{book}#new", "--row", "0", "--background", "sample_data/zoo.csv"),
        (store, "--sheet", "new", "--row", "0", "--background", f"{store}#train"),
        (
            store,
            "--sql",
            "SELECT * FROM train LIMIT 5",
            "--row",
            "3",
            "--background",
            f"{book}#train",
        ),
        (people / "zoo.json", "--row", "3"),
        (people / "zoo.csv.zip", "--row", "3"),
    ):
        found = limex(*given, *call, *common)
        assert found.code == 0, (call, found.err)
        assert json.loads(found.out)["targets"] == weights, call


def test_a_batch_of_a_url_has_the_bytes_of_the_file_on_any_number_of_cores(limex, people):
    pytest.importorskip("fsspec")
    url = f"file://{people}/zoo.csv.zip"
    common = ("--samples", "64", "-q", "--drop", "animal,class", "--where", "legs > 4")
    given = ("explain", "tabular", "sample_models/zoo_mlp.onnx")
    for name, where, jobs in (("a", url, "2"), ("b", people / "zoo.csv.zip", "1")):
        result = limex(*given, where, *common, "-o", people / name, "-j", jobs)
        assert result.code == 0, result.err
    one, two = ((people / name / "explanations.jsonl").read_text().split("\n") for name in "ab")
    assert one[1:] == two[1:]
    assert len(one) > 5


def test_a_url_is_fetched_before_the_model_is_fenced_off_the_network(served):
    folder, address = served
    pd.read_csv("sample_data/zoo.csv").to_csv(folder / "zoo.csv", index=False)
    words = f"explain tabular sample_models/zoo_mlp.onnx {address}/zoo.csv?token=s3cr3t --row 3 "
    words += "--samples 64 -f json -q --drop animal,class"
    call = [sys.executable, "-m", "lime_cli", *words.split()]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "s3cr3t" not in done.stdout
    name = json.loads(done.stdout)["instance"]["source"]
    assert name.startswith("zoo.csv")


def endless():
    """Give a list that is short to keep and endless to write."""
    held = [1]
    for _ in range(60):
        held = [held, held]
    return held


@pytest.mark.parametrize(
    ("cell", "gist"),
    [
        (endless(), "column 'c' has a cell of more than 1,000,000 parts"),
        ({"a": (endless(), 1)}, "column 'c' has a cell of more than 1,000,000 parts"),
        (Ridge(), "column 'c' has a Ridge for a cell"),
        ([1, {"a": Ridge()}], "column 'c' has a Ridge for a cell"),
    ],
    ids=["a list", "in a dictionary", "a model", "a model in a list"],
)
def test_a_cell_of_a_pickle_that_is_no_value_is_refused(tmp_path, cell, gist):
    cells = np.empty(2, object)
    cells[0], cells[1] = "x", cell
    pd.DataFrame({"a": [1, 2], "c": cells}).to_pickle(tmp_path / "t.pkl")
    with pytest.raises(InputError, match=gist):
        open_table(str(tmp_path / "t.pkl"))


def test_cells_of_a_pickle_that_are_one_and_the_same_are_counted_each(tmp_path):
    cells = np.empty(200, object)
    cells[:] = [[["x"] * 900] * 900] * len(cells)
    pd.DataFrame({"c": cells}).to_pickle(tmp_path / "t.pkl")
    assert (tmp_path / "t.pkl").stat().st_size < 20_000
    with pytest.raises(InputError, match="column 'c' has more than 100,000,000 parts in its cells"):
        open_table(str(tmp_path / "t.pkl"))
    held = []
    held.append(held)
    cells[:] = [held] * len(cells)
    pd.DataFrame({"c": cells}).to_pickle(tmp_path / "u.pkl")
    with pytest.raises(InputError, match="column 'c' has a cell of more than 1,000,000 parts"):
        open_table(str(tmp_path / "u.pkl"))


def test_cells_of_a_pickle_may_be_lists_and_days(tmp_path):
    cells = np.empty(3, object)
    cells[:] = [[1, "a"], datetime.date(2020, 1, 31), None]
    pd.DataFrame({"c": cells}).to_pickle(tmp_path / "t.pkl")
    assert read_cells(str(tmp_path / "t.pkl")).column("c") == ['[1, "a"]', "2020-01-31", ""]


PICKLED = {
    "moments": (
        pd.date_range("2020-01-31", periods=2),
        "2020-01-31 00:00:00",
        "2020-02-01 00:00:00",
    ),
    "summer time": (
        pd.date_range("2020-03-29 01:00", periods=2, freq="h", tz=ZoneInfo("Europe/Berlin")),
        "2020-03-29 01:00:00+01:00",
        "2020-03-29 03:00:00+02:00",
    ),
    "months": (pd.period_range("2020-12", periods=2, freq="M"), "2020-12", "2021-01"),
    "bins": (pd.cut(np.array([0.5, 3]), [0, 1, 4]), "(0, 1]", "(1, 4]"),
    "ranges": (pd.arrays.IntervalArray.from_breaks([0, 1, 4], "left"), "[0, 1)", "[1, 4)"),
    "numbers with gaps": (pd.array([7, None], dtype="Int16"), "7", ""),
    "truth with gaps": (pd.array([True, None], dtype="boolean"), "True", ""),
    "words": (pd.array(["007", None], dtype="string[python]"), "007", ""),
    "words of pyarrow": (pd.array(["007", None], dtype="string[pyarrow]"), "007", ""),
    "numbers of pyarrow": (pd.array([7, None], dtype="int32[pyarrow]"), "7", ""),
    "amounts": ([decimal.Decimal("1.50"), None], "1.50", ""),
}

NUMBERS = ("numbers with gaps", "truth with gaps", "numbers of pyarrow", "amounts")

PICKLED_ROWS = {
    "days": pd.date_range("2020-01-01", periods=2, freq="B", name="when"),
    "a zone": pd.date_range("2020-01-01", periods=2, tz=ZoneInfo("Asia/Tokyo")),
    "levels": pd.MultiIndex.from_tuples([("u", 1), ("v", 2)], names=["p", "q"]),
    "quarters": pd.period_range("2020Q1", periods=2, freq="Q"),
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("kind", list(PICKLED))
def test_columns_of_a_pickle_are_read_whatever_names_the_rows(tmp_path, kind, protocol):
    held, *cells = PICKLED[kind]
    for rows in PICKLED_ROWS.values():
        frame = pd.DataFrame({"a": [1, 2], "c": pd.Series(held)}).set_axis(rows)
        frame.to_pickle(tmp_path / "t.pkl", protocol=protocol)
        read = read_cells(str(tmp_path / "t.pkl"))
        assert (read.header, read.column("a"), read.column("c")) == (("a", "c"), ["1", "2"], cells)
        with open_table(str(tmp_path / "t.pkl")) as stream:
            assert ("c" in stream.texts) == (kind not in NUMBERS)
