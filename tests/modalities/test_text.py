"""Texts as instances: where words stand, what masking leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.modalities import Source
from lime_cli.modalities.text import TextModality
from lime_cli.modalities.words import cut
from lime_cli.models import ModelInput


def read(text, **options):
    modality = TextModality(text=text, **options).fitted(ModelInput())
    return modality.read(next(modality.sources()))


def words(text, unit="word"):
    return [text[start:end] for start, end in cut(text, unit)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't like 3.14, naïve café!", ["I", "don't", "like", "3.14", "naïve", "café"]),
        ("यह फिल्म बहुत अच्छी है।", ["यह", "फिल्म", "बहुत", "अच्छी", "है"]),
        ("هذا الفيلم رائع", ["هذا", "الفيلم", "رائع"]),
        ("我喜欢", ["我", "喜", "欢"]),
        ("good 👨‍👩‍👧 film", ["good", "👨‍👩‍👧", "film"]),
        ("well-known snake_case", ["well", "known", "snake_case"]),
    ],
    ids=["english", "hindi", "arabic", "chinese", "emoji", "joined"],
)
def test_words_follow_unicode(text, expected):
    assert words(text) == expected


def test_other_units_are_cut():
    assert words("añ b", "char") == ["a", "ñ", "b"]
    assert words("one\n\n two \nthree", "line") == ["one", " two ", "three"]
    assert words("a1b22", r"regex:\d+") == ["1", "22"]


@pytest.mark.parametrize(
    ("unit", "message"), [("letter", "--unit"), ("regex:(", "not a regular expression")]
)
def test_an_impossible_unit_is_refused(unit, message):
    with pytest.raises(SettingsError, match=message):
        cut("text", unit)


@given(st.text(max_size=80), st.sampled_from(["word", "char", "line"]))
def test_spans_are_ascending_disjoint_and_inside(text, unit):
    place = 0
    for start, end in cut(text, unit):
        assert place <= start < end <= len(text)
        place = end


@given(st.text(min_size=1, max_size=60), st.booleans(), st.sampled_from([None, "[MASK]"]))
def test_keeping_everything_gives_the_text_back(text, merge, mask):
    if not text.strip() or not cut(text, "word"):
        return
    instance = read(text, merge_repeats=merge, mask=mask)
    full = np.ones((1, len(instance.components)), np.int64)
    assert instance.model_inputs(full) == instance.original() == [text]


def test_repeats_are_one_component_or_several():
    assert [one.name for one in read("bad, bad film").components] == ["bad", "film"]
    assert read("bad, bad film").components[0].where.spans == ((0, 3), (5, 8))
    assert [one.name for one in read("bad, bad film", merge_repeats=False).components] == [
        "bad",
        "bad",
        "film",
    ]


def test_what_goes_is_removed_or_masked():
    codes = np.array([[0, 1], [1, 0]])
    assert read("bad, bad film").model_inputs(codes) == [",  film", "bad, bad "]
    assert read("bad, bad film", mask="UNK").model_inputs(codes) == [
        "UNK, UNK film",
        "bad, bad UNK",
    ]


@pytest.mark.parametrize(
    ("text", "message"), [("", "no text"), (" \n", "no text"), ("?! ...", "no words")]
)
def test_a_text_without_words_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read(text)


def test_files_are_read_as_utf_8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffgrüße".encode())
    assert TextModality(inputs=(str(path),)).read(Source("a.txt", str(path))).text == "grüße"
    path.write_bytes(b"ok \xff")
    with pytest.raises(InputError, match=r"a\.txt: is not UTF-8 at byte 3"):
        TextModality(inputs=(str(path),)).read(Source("a.txt", str(path)))


def test_a_folder_gives_its_files_by_name(tmp_path):
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text("words")
    assert [source.id for source in TextModality(inputs=(str(tmp_path),)).sources()] == [
        "a.txt",
        "b.txt",
    ]


def test_a_model_of_a_table_is_not_asked_about_a_text():
    wanted = ModelInput("m.pkl", columns=("age", "income"))
    with pytest.raises(ModelError, match=r"m\.pkl: takes a table of 2 columns, not a text"):
        TextModality(text="words").fitted(wanted)


def test_the_same_text_draws_the_same_samples_under_any_name(tmp_path):
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("one two")
    modality = TextModality(inputs=(str(tmp_path),))
    assert len({modality.read(source).pool for source in modality.sources()}) == 1
