"""Columns that move together, are held, are dates, or hold words that vary."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from lime_cli.engine.instance import Spans
from lime_cli.engine.masks import given as masks_given
from lime_cli.errors import InputError, SettingsError
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.groups import exclusive_blocks, is_missing
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema, parse_groups
from tests.tabular.test_modality import read, written

PLACES = [("High St", "Oslo"), ("Low St", "Oslo"), ("High St", "Bergen"), ("Quay", "Bergen")]


@pytest.fixture
def people(tmp_path):
    """80 rows: an address of two columns, three exclusive columns, a date, a note."""
    rows = []
    for i in range(80):
        street, city = PLACES[i % 4]
        category = i % 3
        note = "" if i % 9 == 0 else f"good dog {'bad' if i % 2 else 'nice'} dog"
        day = f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"
        rows.append([i / 2, street, city, *(int(category == j) for j in range(3)), day, note])
    header = ["age", "street", "city", "job_nurse", "job_cook", "job_none", "since", "notes"]
    return written(tmp_path, header, rows)


def drawn(instance, n=256, seed=0):
    """Return samples of a row: which components stay, and the table as columns by name."""
    rng = np.random.default_rng(seed)
    masks = masks_given(rng.random((n, len(instance.components))) < 0.5, rng)
    table = instance.model_inputs(instance.codes(masks))
    columns = dict(zip(table.names, (one.tolist() for one in table.columns), strict=True))
    return ~masks.masked, columns


def test_a_group_is_one_component_of_values_seen_together(people):
    schema = Schema(groups=(("address", ("street", "city")),))
    instance = read(people, 1, schema=schema)
    names = [one.name for one in instance.components]
    place = names.index("address: street = Low St, city = Oslo")
    assert instance.components[place].value == "Low St, Oslo"
    assert instance.components[place].where.column == "address"
    kept, columns = drawn(instance)
    pairs = list(zip(columns["street"], columns["city"], strict=True))
    assert set(pairs) == set(PLACES)
    assert [pair == ("Low St", "Oslo") for pair in pairs] == kept[:, place].tolist()
    assert instance.subject.facts["background"]["groups"] == {"address": ["street", "city"]}


def test_a_group_stays_where_every_column_lies_in_its_own_bin(tmp_path):
    path = written(tmp_path, ["a", "b", "c"], [[i, i * 3 % 100, i] for i in range(100)])
    instance = read(path, 10, schema=Schema(groups=(("ab", ("a", "b")),)))
    kept, columns = drawn(instance)
    names = [one.name for one in instance.components]
    assert names == ["ab: a = 10 (up to 24.75], b = 30 (24.75 to 49.5]", "c = 10 (up to 24.75]"]
    in_bins = [a <= 24.75 and 24.75 < b <= 49.5 for a, b in zip(columns["a"], columns["b"])]  # noqa: B905
    assert kept[:, 0].tolist() == in_bins


def test_values_never_seen_together_are_kept_and_said(people, tmp_path):
    path = written(
        tmp_path,
        ["age", "street", "city", "job_nurse", "job_cook", "job_none", "since", "notes"],
        [[3, "Quay", "Oslo", 1, 0, 0, "2024-01-01", "x"]],
        "odd.csv",
    )
    schema = Schema(groups=(("address", ("street", "city")),))
    instance = read(path, 0, schema=schema, background=people)
    assert "unseen_combination" in [one.code for one in instance.warnings]
    assert dict(zip(instance.original().names, instance.original().columns, strict=True))[
        "street"
    ].tolist() == ["Quay"]


def test_exclusive_columns_move_together_and_are_named_by_their_level(people):
    instance = read(people, 1, schema=Schema(onehot=True))
    assert "job = cook" in [one.name for one in instance.components]
    kept, columns = drawn(instance)
    place = [one.name for one in instance.components].index("job = cook")
    blocks = list(zip(*(columns[f"job_{one}"] for one in ("nurse", "cook", "none")), strict=True))
    assert {sum(one) for one in blocks} == {1}
    assert [one == (0, 1, 0) for one in blocks] == kept[:, place].tolist()
    apart = drawn(read(people, 1))[1]
    assert 2 in np.add(apart["job_nurse"], apart["job_cook"])


@given(st.lists(st.integers(0, 3), min_size=4, max_size=30), st.booleans())
def test_exclusive_blocks_are_found_under_any_name(categories, alike):
    ones = {
        (f"colour_{j}" if alike else "wxyz"[j]): np.array(
            [int(one == j) for one in categories], np.uint8
        )
        for j in range(4)
    }
    found = exclusive_blocks(ones)
    if len(set(categories)) < 2:
        assert found == {}
        return
    (block,) = found.values()
    assert sum(ones[name] for name in block).tolist() == [1] * len(categories)


def test_held_columns_keep_the_row_s_values_and_are_skipped_with_the_reason(people):
    instance = read(people, 5, schema=Schema(fixed=("age", "city")))
    reasons = {one.name: one.reason for one in instance.skipped}
    assert reasons == {
        "age": "fixed by the user",
        "city": "fixed by the user",
        "since": "a date",
    }
    kept, columns = drawn(instance)
    assert set(columns["age"]) == {2.5}
    assert set(columns["city"]) == {"Oslo"}
    assert set(columns["since"]) == {"2024-06-06"}
    assert len(set(columns["street"])) == 3
    assert kept.shape[1] == len(instance.components) == 5
    assert instance.pool == read(people, 6, schema=Schema(fixed=("age", "city"))).pool
    assert instance.pool != read(people, 5, schema=Schema(fixed=("age",))).pool


def test_only_the_columns_named_vary(people):
    instance = read(people, 5, schema=Schema(only=("age",)))
    assert [one.where.condition for one in instance.components] == ["age <= 9.875"]
    assert {one.reason for one in instance.skipped} == {"not among --features-only"}
    address = (("address", ("street", "city")),)
    instance = read(people, 5, schema=Schema(groups=address, only=("address",)))
    assert [one.where.column for one in instance.components] == ["address"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"fixed": ("agee",)}, "--fixed: rows.csv has no column 'agee'"),
        ({"only": ("Age",)}, "--features-only: rows.csv has no column 'Age'"),
        ({"texts": ("note",)}, "--text-column: rows.csv has no column 'note'"),
        ({"numeric": ("agee",)}, "--numeric: rows.csv has no column 'agee'"),
        ({"groups": (("a", ("street", "citi")),)}, "--group: rows.csv has no column 'citi'"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(people, schema, words):
    with pytest.raises(SettingsError, match=words) as caught:
        read(people, 0, schema=Schema(**schema))
    assert "did you mean" in caught.value.hint


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"groups": (("age", ("street", "city")),)}, "is the name of another column"),
        (
            {"groups": (("a", ("street", "city")),), "fixed": ("city",)},
            "--fixed: 'city' moves with others",
        ),
        ({"only": ("age",), "fixed": ("age",)}, "leaves nothing to vary"),
        ({"texts": ("age",)}, "contains no texts"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(people, schema, words):
    with pytest.raises(SettingsError, match=words):
        read(people, 0, schema=Schema(**schema))


@pytest.mark.parametrize(
    "groups", [(("a", ("b",)),), (("a", ("b", "c")), ("d", ("c", "e"))), (("a", ("b", "b")),)]
)
def test_groups_that_make_no_sense_are_refused(groups):
    with pytest.raises(SettingsError, match="--group"):
        Schema(groups=groups)


def test_groups_are_parsed_from_the_line_and_from_a_list_cut_at_its_commas():
    wanted = (("address", ("street", "city")), ("sizes", ("a", "b")))
    assert parse_groups(("address=street,city", "sizes=a, b")) == wanted
    assert parse_groups(("address=street", "city", "sizes=a", "b")) == wanted
    assert parse_groups(("job=job=cook,job=nurse",)) == (("job", ("job=cook", "job=nurse")),)
    with pytest.raises(SettingsError, match="has no name"):
        parse_groups(("street,city",))


def test_dates_are_held_unless_they_are_to_be_compared_by_day(people):
    assert ("since", "a date") in [(one.name, one.reason) for one in read(people, 0).skipped]
    instance = read(people, 0, schema=Schema(numeric=("since",)))
    (since,) = [one for one in instance.components if "since" in one.name]
    kept, columns = drawn(instance)
    place = list(instance.components).index(since)
    end = since.where.condition.removeprefix("since <= ")
    assert end.startswith("2024-")
    assert since.name == f"since = 2024-01-01 (up to {end}]"
    assert [one <= end for one in columns["since"]] == kept[:, place].tolist()
    assert 0.4 < sum(one <= end for one in columns["since"]) / 256 < 0.6
    categories = read(people, 0, schema=Schema(categorical=("since",)))
    assert "since = 2024-01-01" in [one.name for one in categories.components]


def test_a_cell_that_is_no_date_is_named_by_its_line(people, tmp_path):
    lines = Path(people).read_text("utf-8").splitlines()
    path = tmp_path / "odd.csv"
    path.write_text("\n".join([lines[0], lines[1].replace("2024-01-01", "soon")]), "utf-8")
    with pytest.raises(InputError, match="line 2, 'since': 'soon' is not a date"):
        read(str(path), 0, schema=Schema(numeric=("since",)), background=people)


def test_the_words_of_a_cell_vary_beside_the_columns(people):
    instance = read(people, 1, schema=Schema(texts=("notes",)))
    words = {one.name: one.where for one in instance.components if isinstance(one.where, Spans)}
    assert words == {
        "good": Spans(((0, 4),), "notes"),
        "dog": Spans(((5, 8), (13, 16)), "notes"),
        "bad": Spans(((9, 12),), "notes"),
    }
    kept, columns = drawn(instance)
    first = len(instance.components) - 3
    for stays, cell in zip(kept[:, first:].tolist(), columns["notes"], strict=True):
        assert [one in cell for one in ("good", "dog", "bad")] == stays
    assert 0.4 < kept[:, first:].mean() < 0.6
    assert instance.original().columns[-1].tolist() == ["good dog bad dog"]
    assert not instance.shared


def test_a_cell_without_words_is_skipped_and_given_as_it_is(people):
    instance = read(people, 0, schema=Schema(texts=("notes",)))
    assert ("notes", "there are no words") in [(one.name, one.reason) for one in instance.skipped]
    assert set(drawn(instance)[1]["notes"]) == {""}


VALUES = st.tuples(
    st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False)),
    st.one_of(st.none(), st.integers(-5, 50)),
    st.sampled_from(["", "a", "b", "NA", "ü"]),
    st.sampled_from(["True", "False"]),
    st.dates().map(str),
    st.sampled_from(["x", "y"]),
)


@given_settings(max_examples=60)
@given(
    st.lists(VALUES, min_size=3, max_size=30),
    st.sampled_from(["quartile", "decile", "none", "3"]),
    st.booleans(),
    st.booleans(),
)
def test_every_value_given_to_the_model_was_observed_in_its_column(rows, bins, grouped, dated):
    """In the background or in the row; ints stay ints, bools bools, one value is no component."""
    spelled = tuple(tuple("" if value is None else str(value) for value in row) for row in rows)
    header = ("x", "n", "word", "truth", "day", "letter")
    lines = tuple(range(2, len(rows) + 2))
    schema = Schema(
        bins=bins,
        groups=(("both", ("word", "letter")),) if grouped else (),
        numeric=("day",) if dated else (),
        fixed=("truth",),
    )
    learned = Cells("t.csv", header, spelled[1:], lines[1:])
    try:
        background = build_background(learned, header, schema)
    except (InputError, SettingsError):  # one row only, or nothing else that varies
        return
    own = tuple(one.values.tolist()[0] for one in background.features)
    instance = RowInstance(None, background, own, ())
    kept, columns = drawn(instance, 64)
    for feature, value in zip(background.features, own, strict=True):
        observed = {str(one) for one in [value, *feature.values.tolist()]}
        given = columns[feature.name]
        assert {str(one) for one in given} <= observed
        if feature.values.dtype.kind in "ib":
            assert {type(one) for one in given} <= {type(feature.values.tolist()[0])}
        if feature.constant and feature.name not in ("word", "letter"):
            assert feature.name not in {one.where.column for one in instance.components}
    assert kept.shape == (64, len(instance.components))
    both = list(zip(columns["word"], columns["letter"], strict=True))
    if grouped:
        nothing = set(background.features[2].values.tolist()) & {"a", "b", "ü"} == set()
        seen = {(None if nothing else row[2] or None, row[5]) for row in spelled[1:]}
        itself = (None if is_missing(own[2]) else own[2], own[5])
        assert {(None if is_missing(a) else a, b) for a, b in both} <= seen | {itself}
