"""Texts as instances: where words stand, what masking leaves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lime_cli.errors import InputError, ModelError, SettingsError
from lime_cli.models.model_file import ModelInput
from lime_cli.texts.modality import FINE, FINEST, MANY, LongText, TextModality
from lime_cli.texts.units import cut


def read(text, **options):
    modality = TextModality(text=text, **options).fitted(ModelInput())
    return modality.read(next(modality.sources()))


@given(st.text(min_size=1, max_size=60), st.booleans(), st.sampled_from([None, "[MASK]"]))
def test_keeping_everything_gives_the_text_back(text, merge, mask):
    if not text.strip() or not cut(text, "word"):
        return
    instance = read(text, merge_repeats=merge, mask=mask)
    full = np.ones((1, len(instance.components)), np.int64)
    assert list(instance.model_inputs(full)) == instance.original() == [text]


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
    assert list(read("bad, bad film").model_inputs(codes)) == [",  film", "bad, bad "]
    assert list(read("bad, bad film", mask="UNK").model_inputs(codes)) == [
        "UNK, UNK film",
        "bad, bad UNK",
    ]


@pytest.mark.parametrize(
    ("text", "message"), [("", "no text"), (" \n", "no text"), ("?! ...", "no words")]
)
def test_a_text_without_words_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read(text)


@pytest.mark.parametrize("unit", ["letter", "regex:(", "regex:[a"])
def test_an_impossible_unit_is_refused(unit):
    with pytest.raises(SettingsError, match="--unit"):
        TextModality(text="words", unit=unit)


def test_where_nothing_is_left_a_full_stop_is_asked_about():
    nothing = np.zeros((1, 2), np.int64)
    assert list(read("good film").model_inputs(nothing)) == ["."]
    assert list(read("good film!").model_inputs(nothing)) == [" !"]
    assert list(read("good film", mask="UNK").model_inputs(nothing)) == ["UNK UNK"]
    assert list(read("good film", unit="lime-word").model_inputs(nothing)) == [" "]


@given(st.text(min_size=1, max_size=40), st.integers(0, 2**32 - 1), st.booleans())
def test_no_sample_is_empty_and_what_stays_stands_in_order(text, seed, merge):
    if not text.strip() or not cut(text, "word"):
        return
    instance = read(text, merge_repeats=merge)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, (8, len(instance.components)))
    for sample, mask in zip(instance.model_inputs(codes), codes, strict=True):
        assert sample.strip()
        gone = {
            place
            for kept, one in zip(mask, instance.components, strict=True)
            if not kept
            for start, end in one.where.spans
            for place in range(start, end)
        }
        left = "".join(c for place, c in enumerate(instance.text) if place not in gone)
        assert sample == (left if left.strip() else ".")


def test_a_text_with_halves_of_characters_is_read():
    instance = read("good \udcff film \ud800 end")
    assert "good" in [one.name for one in instance.components]
    instance.text.encode()
    assert len(instance.subject.digest) == 64


def test_a_model_of_a_table_is_not_asked_about_a_text():
    wanted = ModelInput("m.pkl", columns=("age", "income"))
    with pytest.raises(ModelError, match=r"m\.pkl: takes a table of 2 columns, not a text"):
        TextModality(text="words").fitted(wanted)


def test_the_same_text_draws_the_same_samples_under_any_name(tmp_path):
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("one two")
    modality = TextModality(inputs=(str(tmp_path),))
    assert len({modality.read(source).pool for source in modality.sources()}) == 1


def story(n, sentences=20):
    size = n // sentences
    return " ".join(
        " ".join(f"Word{i * size + j}" for j in range(size)) + "." for i in range(sentences)
    )


def test_auto_takes_a_short_text_by_words_and_a_long_one_by_sentences_first():
    assert type(read(story(200), unit="auto")).__name__ == "TextInstance"
    long = read(story(400), unit="auto")
    assert isinstance(long, LongText)
    assert len(long.components) == 20
    finer = long.finer(np.arange(20.0))
    assert len(finer.components) == FINEST
    assert finer.components[0].name == "Word300"
    assert finer.subject.facts["unit"] == "word"
    assert finer.subject.facts["within"][0] == [
        finer.text.index("Word300"),
        finer.text.index(". Word320"),
    ]
    assert len(finer.skipped) == 15
    assert not finer.warnings
    full = np.ones((1, FINEST), np.int64)
    assert list(finer.model_inputs(full)) == [finer.text]


@pytest.mark.parametrize("sentences", [1, 40, 700])
def test_a_text_of_too_many_units_is_looked_at_in_stretches(sentences):
    long = read(story(MANY + 400, sentences))
    assert isinstance(long, LongText)
    assert len(long.components) <= 200
    assert sum(len(part) for part in long.parts) == (MANY + 400) // sentences * sentences
    finer = long.finer(np.zeros(len(long.components)))
    assert len(finer.components) <= FINE
    assert [one.code for one in finer.warnings] == ["long_text"]


def test_one_long_stretch_is_taken_whole():
    assert len(read(story(20_000), unit="auto").finer(np.ones(200)).components) == 100


def test_like_lime_weighs_a_long_text_unit_by_unit():
    assert not isinstance(read(story(MANY + 400), unit="lime-word"), LongText)
    assert not isinstance(read(story(MANY + 400), unit=r"regex:\w+", like_lime=True), LongText)
