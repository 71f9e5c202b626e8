"""Where the names of columns are looked for: below titles and comments, above a row of units."""

import openpyxl
import pytest

from lime_cli.errors import SettingsError
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tables.readers import open_table, read_cells
from lime_cli.tables.rows import Rows

TABLE = "day,level,note\n1,2.5,low\n2,3.5,high\n3,0.5,low\n4,1.5,\n5,2.5,low\n"
WORDS = "kind,note\nsmall,low\nlarge,high\nsmall,low\nlarge,high\nlarge,low\n"
HEADER, FIRST = ("day", "level", "note"), ("1", "2.5", "low")


def written(folder, text):
    path = folder / "t.csv"
    path.write_text(text, "utf-8")
    return str(path)


def codes(path, dialect=PLAIN):
    with open_table(path, dialect) as stream:
        return [code for code, _ in stream.assumed]


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("# from the north\n", 3),
        ("# a\n#\n# day,level\n", 5),
        ("# a\n\n# b\n\n", 6),
        ("#\n" * 40, 42),
        ("Levels of May\n", 3),
        ("Levels of May,,\n\n", 4),
        ("Levels of May\nby hand,,\n,,\n", 5),
        ("station,,\n", 3),
        ("station,,,,\n", 3),
        ("# a\nLevels of May\n", 4),
    ],
)
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_comments_and_titles_above_the_names_are_left_out(tmp_path, above, line, mark):
    path = written(tmp_path, (above + TABLE).replace(",", mark))
    cells = read_cells(path)
    assert (cells.header, cells.rows[0]) == (HEADER, FIRST)
    assert cells.lines[0] == line
    assert codes(path)[0] == "lines_skipped"
    with open_table(path) as stream:
        assert f"begin on line {line - 1}," in stream.assumed[0][1]


@pytest.mark.parametrize("mark", [",", " "])
def test_the_header_may_be_the_last_of_several_comments(tmp_path, mark):
    rows = "day,level,note\n" + TABLE.split("\n", 1)[1].replace(",\n", ",low\n")
    path = written(tmp_path, "# by numpy\n# " + rows.replace(",", mark))
    cells = read_cells(path)
    assert (cells.header, cells.rows[0], cells.lines[0]) == (HEADER, FIRST, 3)


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        "#" + TABLE,
        WORDS,
        "Levels,of May\n" + WORDS,
        ",level,note\n1,2.5,low\n2,3.5,high\n3,0.5,low\n4,1.5,low\n",
        "a,,\nx,2.5,low\ny,3.5,high\nz,0.5,low\nu,1.5,low\n",
    ],
    ids=["plain", "hash", "words", "words below words", "index", "nameless"],
)
def test_other_first_lines_are_names(tmp_path, text):
    cells = read_cells(written(tmp_path, text))
    assert cells.lines[0] == 2
    assert codes(written(tmp_path, text)) == []


UNITS = {
    "two": (",m,", True),
    "all": ("d,m,", True),
    "degrees": ("days since 2000,degree_C,", True),
    "marks": ("%,\u00b0C,text", True),
    "a gap": (",?,", False),
    "NA": (",NA,", False),
    "a number": ("1,m,", False),
    "one word in a row": ("1,unknown,low", False),
    "a wrong cell": (",m,low", False),
    "words for gaps": ("unknown,unknown,", False),
    "a new word": ("nobody knows,nobody knows,high", False),
    "values with units": ("12%,3.5k,", False),
    "prices": ("$1,-$2.5 M,", False),
    "a rate": ("1/s,10^6 m,", True),
}


@pytest.mark.parametrize("name", UNITS)
def test_a_row_of_units_is_no_row(tmp_path, name):
    units, left_out = UNITS[name]
    header, rest = TABLE.split("\n", 1)
    path = written(tmp_path, f"{header}\n{units}\n{rest}")
    cells = read_cells(path)
    assert (cells.rows[0] == FIRST, len(cells.rows)) == (left_out, 6 - left_out)
    assert cells.lines[0] == 2 + left_out
    assert codes(path) == ["units_skipped"] * left_out
    assert len(read_cells(path, Dialect(skip=0)).rows) == 6
    (first,) = Rows(path, numbers="0").sources()
    assert (first.record.cells == FIRST) == left_out


def test_a_row_below_names_that_say_nothing_is_not_taken_for_units(tmp_path):
    path = written(tmp_path, "X1,X2,Y\n" + TABLE)
    assert read_cells(path).rows[0] == HEADER
    assert read_cells(path, Dialect(skip=1)).header == HEADER


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_skip_says_how_many_lines_stand_above_the_names(tmp_path, skip):
    path = written(tmp_path, "a,b,c\n# d,e,f\ng,h,i\n" + TABLE)
    cells = read_cells(path, Dialect(skip=skip))
    assert cells.header[0].strip("# ") == "adg"[skip : skip + 1] or cells.header == HEADER
    assert cells.lines[0] == skip + 2
    assert codes(path, Dialect(skip=skip)) == []


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_the_separator_is_found_where_cells_hold_line_ends(tmp_path, mark):
    rows = [f'{i}{mark}"a{mark}b\n, {i}"{mark}{i / 2}' for i in range(30)]
    path = written(tmp_path, "\n".join([mark.join(("n", "text", "half")), *rows]) + "\n")
    cells = read_cells(path)
    assert cells.header == ("n", "text", "half")
    assert cells.rows[29] == ("29", f"a{mark}b\n, 29", "14.5")


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_the_separator_is_found_where_a_name_holds_a_comma(tmp_path, mark):
    rows = [mark.join((f"{i}", f"{i},5", f"1,{i}00")) for i in range(9)]
    path = written(tmp_path, "\n".join([mark.join(("n", "half, or so", "p")), *rows]) + "\n")
    assert read_cells(path).header == ("n", "half, or so", "p")
    assert codes(path) == ["separator_found"]


def test_a_comma_stays_the_separator_where_cells_hold_others(tmp_path):
    rows = [f"{i},a;b;c|d;e" for i in range(9)]
    path = written(tmp_path, "\n".join(["n,tags", *rows]) + "\n")
    assert read_cells(path).header == ("n", "tags")
    assert codes(path) == []


@pytest.mark.parametrize("above", [[], [["Levels of May"]], [["Levels"], [], ["by hand", "Ada"]]])
@pytest.mark.parametrize("column", [1, 2])
def test_a_title_of_a_sheet_is_left_out(tmp_path, above, column):
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    table = [*(line.split(",") for line in TABLE.splitlines())]
    typed = [[float(one) if one[:1].isdigit() else one or None for one in row] for row in table]
    wide = [[*row, "extra"] for row in typed]
    for i, row in enumerate([*above, *wide], 1):
        for j, cell in enumerate(row, column):
            book.active.cell(i, j, cell)
    path = str(tmp_path / "t.xlsx")
    book.save(path)
    cells = read_cells(path)
    assert (cells.header, cells.rows[0]) == ((*HEADER, "extra"), (*FIRST, "extra"))
    assert codes(path) == ["lines_skipped"] * bool(above)
    header = read_cells(path, Dialect(skip=len(above))).header
    assert header == (*HEADER, "extra")


def test_a_file_of_typed_columns_has_no_lines_to_skip(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n', "utf-8")
    with pytest.raises(SettingsError, match="leave --skip out"):
        read_cells(str(tmp_path / "t.jsonl"), Dialect(skip=1))


@pytest.mark.parametrize("rows", ["1,x,y\n2,x,\n", ",x,y\n,,\n", "a,b,c\nd,e,f\n"])
def test_a_column_may_be_called_by_the_mark_of_comments(tmp_path, rows):
    path = written(tmp_path, "#,kind,note\n" + rows)
    assert (read_cells(path).header, len(read_cells(path).rows)) == (("#", "kind", "note"), 2)


FIRST_ROWS = {
    "numbers": (True, "6,148,72,35,0,33.6,0.627,50,1\n1,85,66,29,0,26.6,0.351,31,0\n"),
    "fractions in order": (True, "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n"),
    "words that come again": (True, "M,0.455,0.365,15\nF,0.53,0.42,9\nM,0.44,0.365,10\n"),
    "after blanks": (True, "39, Private, 13, <=50K\n50, Private, 9, >50K\n"),
    "exponents": (True, "6.1e-01,6.8e-01,1.1e-01\n-4.1e-01,1.2e+00,0.0e+00\n"),
    "the same number twice": (True, "0,1,1,0,1\n1,1,0,0,1\n0,0,1,0,1\n"),
    "years": (False, "country,2019,2020,2021\nPeru,1,2,3\nPeru,2,3,4\n"),
    "years alone": (False, "2019,2020,2022\n1,2,3\n2,3,4\n"),
    "counted twice": (False, "0,1,2,0,1\n5,3,1,0,2\n4,4,1,3,5\n"),
    "wavelengths": (False, "400.5,401.0,401.5,402.0\n1,2,3,4\n2,3,4,5\n"),
    "uneven wavelengths": (False, "1.1,1.2,1.4,1.5,1.9,2.0,2.4\n1,2,3,4,5,6,7\n"),
    "a number as a name": (False, "kind,7\nsmall,1\nlarge,2\n"),
    "numbers above words": (False, "1,3,2\na,b,c\nb,c,d\n"),
}


@pytest.mark.parametrize("name", FIRST_ROWS)
def test_a_first_row_that_cannot_hold_names_is_data(tmp_path, name):
    row, text = FIRST_ROWS[name]
    head, *rest = text.splitlines(keepends=True)
    path = written(tmp_path, head + "".join(rest) * 3)
    first = tuple(cell.strip() for cell in head.split(","))
    cells = read_cells(path)
    assert (cells.header == tuple(map(str, range(len(first))))) == row
    assert ("header_missing" in codes(path)) == row
    assert len(cells.rows) == 3 * len(rest) + row
    assert read_cells(path, Dialect(skip=0)).header[:1] == first[:1]
    assert "header_missing" not in codes(path, Dialect(header=False))
