"""Tables in memory are read as their files are: equal values, equal backgrounds."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from lime_cli.errors import InputError
from lime_cli.sources import Held
from lime_cli.tables.dialect import PLAIN, Dialect
from lime_cli.tables.held import held_table, held_texts
from lime_cli.tables.readers import open_table, read_cells
from lime_cli.tabular.columns import learn
from lime_cli.tabular.schema import Schema

RANDOM = np.random.default_rng(0)
N = 3_000
GAPS = RANDOM.random(N) < 0.1

FRAMES = {
    "numbers": pd.DataFrame(RANDOM.normal(size=(N, 3)), columns=list("abc")),
    "whole numbers": pd.DataFrame({"a": RANDOM.integers(0, 5, N), "b": np.arange(N)}),
    "single precision": pd.DataFrame({"a": RANDOM.normal(size=N).astype(np.float32).round(3)}),
    "gaps": pd.DataFrame({"a": np.where(GAPS, np.nan, np.arange(N)), "b": np.arange(N)}),
    "nullable": pd.DataFrame({"a": pd.array(np.where(GAPS, None, np.arange(N)), "Int64")}),
    "words": pd.DataFrame({"a": RANDOM.choice(["x", "y z", "ü"], N), "b": np.arange(N)}),
    "words with gaps": pd.DataFrame({"a": np.where(GAPS, None, RANDOM.choice(["x", "y"], N))}),
    "truths": pd.DataFrame({"a": RANDOM.random(N) < 0.5, "b": np.arange(N)}),
    "truths with gaps": pd.DataFrame({"a": np.where(GAPS, None, RANDOM.random(N) < 0.5)}),
    "categories": pd.DataFrame({"a": pd.Categorical(RANDOM.choice(["x", "y"], N))}),
    "days": pd.DataFrame({"a": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(N), "D")}),
}


def learned(path):
    return learn(path, PLAIN, Schema(), lambda stream: (stream, stream.header))


@pytest.mark.parametrize("name", FRAMES)
def test_a_data_frame_is_the_background_that_its_file_is(name, tmp_path):
    frame = FRAMES[name]
    frame.to_csv(tmp_path / "t.csv", index=False)
    ours = learned(held_table(frame)).background
    theirs = learned(str(tmp_path / "t.csv")).background
    assert ours.digest == theirs.digest
    for one, other in zip(ours.features, theirs.features, strict=True):
        assert one.values.dtype == other.values.dtype
        assert one.date == other.date


@pytest.mark.parametrize("name", FRAMES)
def test_rows_one_by_one_hold_what_columns_hold(name):
    held = held_table(FRAMES[name])
    some = Dialect(na_values=("nothing",))  # which has rows read one by one
    by_row = learn(held, some, Schema(), lambda stream: (stream, stream.header)).background
    assert by_row.digest == learned(held).background.digest


@pytest.mark.parametrize("kind", ["held", "parquet", "feather"])
def test_words_are_words_whatever_they_look_like(kind, tmp_path):
    frame = pd.DataFrame({"zip": ["01234", "56789"] * 30, "name": ["NA", "Ida"] * 30})
    held = held_table(frame)
    if kind != "held":
        pytest.importorskip("pyarrow")
        held = str(tmp_path / f"t.{kind}")
        getattr(frame, f"to_{kind}")(held)
    background = learned(held).background
    assert background.features[0].values.tolist() == ["01234", "56789"]
    assert background.features[1].values.tolist() == ["Ida", "NA"]


@pytest.mark.parametrize(
    ("data", "header", "row"),
    [
        (np.arange(6).reshape(3, 2), ("0", "1"), ("2", "3")),
        (np.arange(6, dtype=np.float32).reshape(3, 2) / 10, ("0", "1"), ("0.2", "0.3")),
        ([[1, "a"], [2, "b"]], ("0", "1"), ("2", "b")),
        ([{"x": 1, "y": None}, {"x": 2, "y": "b"}], ("x", "y"), ("2", "b")),
        (csr_matrix(np.eye(3)), ("0", "1", "2"), ("0.0", "1.0", "0.0")),
        (pd.DataFrame({1: [5, 6], "b": [0.5, None]}), ("1", "b"), ("6", "")),
        (held_texts(["a", "b"]), ("text",), ("b",)),
    ],
)
def test_what_is_held_has_the_cells_of_a_table(data, header, row):
    cells = read_cells(held_table(data))
    assert cells.header == header
    assert cells.rows[1] == row


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "column 'a' appears twice"),
        (np.zeros((2, 3, 4)), "ndarray: is not a table"),
        (7, "int: is not a table"),
        ([[1, 2], [3]], "list: is not a table"),
    ],
)
def test_what_is_no_table_is_told_so(data, said):
    with pytest.raises(InputError, match=said), open_table(held_table(data)):
        pass


def test_infinite_numbers_are_told_with_their_row():
    frame = pd.DataFrame({"a": [1.0, 2.0, np.inf] * 30})
    with pytest.raises(InputError, match="row 2, 'a': 'inf' is infinite"):
        learned(held_table(frame))


def test_a_held_table_is_itself_alone_also_after_a_journey():
    one, other = held_table(FRAMES["words"]), held_table(FRAMES["words"])
    assert str(one) == str(other)
    assert one != other
    again = pickle.loads(pickle.dumps(one))
    assert isinstance(again, Held)
    assert (again, hash(again)) == (one, hash(one))
    assert read_cells(again).rows == read_cells(one).rows
