"""Rows as instances: bins, conditions, shared samples."""

import csv
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from lime_cli.engine.masks import given as masks_given
from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.models.model_file import ModelInput
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.groups import is_missing
from lime_cli.tabular.modality import TabularModality
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema


def written(tmp_path, header, rows, name="rows.csv"):
    path = tmp_path / name
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)


def read(path, row=0, model_input=None, **options):
    modality = TabularModality(path, rows=str(row), **options).fitted(model_input or ModelInput())
    return modality.read(next(modality.sources()))


@pytest.fixture
def mixed(tmp_path):
    """60 rows: a quantity, a few-valued count, a truth value, words, a constant."""
    rows = [[i / 2, i % 4, i % 3 == 0, "red" if i % 2 else "blue", 7] for i in range(60)]
    return written(tmp_path, ["size", "doors", "new", "colour", "wheels"], rows)


def test_names_say_column_value_and_bin(mixed):
    assert [component.name for component in read(mixed, 0).components] == [
        "size = 0 (up to 7.375]",
        "doors = 0",
        "new = True",
        "colour = blue",
    ]
    assert read(mixed, 20).components[0].name == "size = 10 (7.375 to 14.75]"
    assert read(mixed, 59).components[0].name == "size = 29.5 (above 22.12)"


def test_conditions_are_the_same_for_all_values_of_a_bin(mixed):
    def said(row):
        return [one.where.condition for one in read(mixed, row).components]

    assert said(0) == ["size <= 7.375", "doors = 0", "new = True", "colour = blue"]
    assert said(20)[0] == said(22)[0] == "7.375 < size <= 14.75"
    assert said(59)[0] == "size > 22.12"


@pytest.mark.parametrize("offset", [-1e3, -0.5, 0.0, 7.0])
def test_names_begin_with_the_column_and_hold_the_value_in_its_bin(tmp_path, offset):
    """Values on cuts and beside them, which four digits cannot tell from the cut."""
    cells = [[offset + i * 0.123456, i] for i in range(101)]
    cells += [[offset + 25 * 0.123456 + 1e-7, 3], [offset + 25 * 0.123456 - 1e-7, 4]]
    path = written(tmp_path, ["a", "b"], cells)
    for row in range(0, 103, 3 if offset else 1):
        name = read(path, row).components[0].name
        found = re.fullmatch(r"a = (\S+) \((?:up to |above )?(\S+?)(?: to (\S+))?[])]", name)
        assert found, name
        value, *ends = (float(one) for one in found.groups() if one)
        low, high = (-np.inf, ends[0]) if "up to" in name else [*ends, np.inf][:2]
        assert low < value <= high, name


def test_a_value_equal_to_a_cut_lies_in_the_lower_bin(tmp_path):
    path = written(tmp_path, ["a", "b"], [[i, i * 0.1] for i in range(101)])
    assert read(path, 25).components[0].name == "a = 25 (up to 25]"
    assert read(path, 26).components[0].name == "a = 26 (25 to 50]"


def test_a_constant_column_is_skipped_with_its_reason(mixed):
    assert [(one.name, one.reason) for one in read(mixed).skipped] == [
        ("wheels", "constant in the background")
    ]


def test_missing_is_a_condition_of_its_own(tmp_path):
    path = written(
        tmp_path,
        ["income", "job"],
        [["" if i % 5 == 0 else i * 1.5, "" if i % 7 == 0 else "x"] for i in range(70)],
    )
    names = [component.name for component in read(path, 0).components]
    assert names == ["income is missing", "job is missing"]
    assert [component.value for component in read(path, 0).components] == [None, None]


def test_tied_quantiles_merge_and_no_bin_is_empty(tmp_path):
    path = written(tmp_path, ["a"], [[5.5]] * 40 + [[float(i) + 0.25] for i in range(6, 26)])
    feature = TabularModality(path, rows="0").fitted(ModelInput()).fitted_background.features[0]
    assert feature.cuts.tolist() == [5.5, 10.25 + 0] or len(set(feature.cuts.tolist())) == len(
        feature.cuts
    )
    assert set(feature.bins.tolist()) == set(range(len(feature.cuts) + 1))


@pytest.mark.parametrize(
    ("bins", "most"), [("quartile", 4), ("decile", 10), ("3", 3), ("entropy", 8)]
)
def test_numeric_columns_are_cut_as_asked(tmp_path, bins, most):
    path = written(
        tmp_path, ["a", "y"], [[i * 0.37, "yes" if 20 < i < 50 else "no"] for i in range(100)]
    )
    schema = Schema(bins=bins, label="y" if bins == "entropy" else None)
    feature = (
        TabularModality(path, rows="0", schema=schema, drop=("y",))
        .fitted(ModelInput())
        .fitted_background.features[0]
    )
    assert 2 <= feature.bins.max() + 1 <= most
    if bins == "entropy":
        assert feature.cuts == pytest.approx([20.5 * 0.37, 49.5 * 0.37])


def test_overrides_make_numbers_levels_and_counts_quantities(mixed):
    schema = Schema(categorical=("size",), numeric=("doors",))
    assert [one.name for one in read(mixed, 6, schema=schema).components][:2] == [
        "size = 3",
        "doors = 2 (1.5 to 2.25]",
    ]


@given_settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False)),
            st.one_of(st.none(), st.integers(-5, 5)),
            st.sampled_from(["", "a", "b", "NA", "ü"]),
        ),
        min_size=2,
        max_size=30,
    ),
    st.integers(0, 99),
)
def test_every_value_drawn_was_observed_in_its_column(rows, seed):
    spelled = tuple(tuple("" if value is None else str(value) for value in row) for row in rows)
    cells = Cells("t.csv", ("x", "y", "z"), spelled, tuple(range(2, len(rows) + 2)))
    try:
        background = build_background(cells, cells.header, Schema())
    except InputError:
        return
    modality = TabularModality("t.csv", background="t.csv", fitted_background=background)
    values = tuple(feature.values[0] for feature in background.features)
    instance = RowInstance(None, background, values, ())
    if not instance.components:
        return
    rng = np.random.default_rng(seed)
    masks = masks_given(rng.random((64, len(instance.components))) < 0.5, rng)
    table = instance.model_inputs(instance.codes(masks))
    for column, feature in zip(table.columns, background.features, strict=True):
        observed = {str(value) for value in feature.values.tolist()}
        assert {str(value) for value in column.tolist()} <= observed
    parts = [background.drawn[i] for i in background.varying]
    for part, masked in zip(parts, masks.masked.T, strict=True):
        (place,) = part.places
        own, feature = values[place], background.features[place]
        for value, gone in zip(table.columns[place].tolist(), masked, strict=True):
            assert gone == (feature.bin_of(value) != feature.bin_of(own))
            assert gone or value == own or is_missing(own)
    assert modality.background == "t.csv"


def test_rows_of_one_background_share_their_samples(mixed):
    assert read(mixed, 0).pool == read(mixed, 41).pool
    assert read(mixed, 0).pool != read(mixed, 0, drop=("new",)).pool


def test_columns_come_in_the_model_s_order(mixed):
    instance = read(mixed, 3, ModelInput(columns=("colour", "size")))
    assert instance.original().names == ("colour", "size")


def test_values_keep_the_types_of_their_column(mixed):
    types = [column.dtype for column in read(mixed, 3).original().columns]
    assert types == [np.float64, np.int64, np.bool_, object, np.int64]


def test_ids_find_their_rows(tmp_path):
    path = written(tmp_path, ["who", "a"], [[f"p{i}", i] for i in range(60)])
    modality = TabularModality(path, ids=("p7", "p3"), id_column="who", drop=("who",))
    assert [(source.id, source.row) for source in modality.sources()] == [("p7", 7), ("p3", 3)]


@pytest.mark.parametrize(
    ("rows", "found"), [("3", [3]), ("3,1", [3, 1]), ("2-4, 3,7", [2, 3, 4, 7])]
)
def test_rows_are_taken_in_the_order_asked_for(mixed, rows, found):
    assert [source.row for source in TabularModality(mixed, rows=rows).sources()] == found


@pytest.mark.parametrize(
    ("rows", "message"),
    [("60", "rows 0-59"), ("5-60", "rows 0-59"), ("x", "list of rows"), ("-1", "list of rows")],
)
def test_rows_that_do_not_exist_are_named(mixed, rows, message):
    with pytest.raises(SettingsError, match=message):
        list(TabularModality(mixed, rows=rows).sources())


def test_a_column_the_model_needs_and_the_file_lacks_is_named(mixed):
    with pytest.raises(InputError, match=r"lacks column 'sizes'; did you mean 'size'\?"):
        read(mixed, 0, ModelInput(columns=("sizes",)))
    with pytest.raises(InputError, match=r"lacks column 'weight_kg'; it has size, doors"):
        read(mixed, 0, ModelInput(columns=("weight_kg",)))


def test_a_wrong_number_of_columns_is_told_with_both_numbers(mixed):
    with pytest.raises(ModelError, match=r"expects 9 columns, the file has 5"):
        read(mixed, 0, ModelInput(n_columns=9))


def test_few_rows_need_a_background(tmp_path):
    path = written(tmp_path, ["a"], [[i] for i in range(10)])
    with pytest.raises(SettingsError, match="--background"):
        read(path)
    background = written(tmp_path, ["a"], [[i] for i in range(30)], "train.csv")
    assert read(path, background=background).warnings == ()


def test_what_the_background_never_saw_is_warned_about(tmp_path):
    background = written(
        tmp_path, ["a", "c"], [[i / 3, "xy"[i % 2]] for i in range(30)], "train.csv"
    )
    path = written(tmp_path, ["a", "c"], [[99.5, "z"]])
    assert [warning.code for warning in read(path, background=background).warnings] == [
        "outside_background",
        "unseen_category",
    ]


def test_text_in_a_numeric_column_is_named_by_line(tmp_path):
    background = written(tmp_path, ["a", "b"], [[i / 3, i] for i in range(30)], "train.csv")
    path = written(tmp_path, ["a", "b"], [[1, 2], ["thirty", 2]])
    with pytest.raises(InputError, match=r"rows.csv: line 3, 'a': 'thirty' is not a number"):
        read(path, 1, background=background)
