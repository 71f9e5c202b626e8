"""``limex explain text``: files as people have them, and what is said of the others."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

REVIEWS = "sample_models/reviews.onnx"


@pytest.fixture
def explained(limex):
    """Explain texts with the sample model of reviews."""

    def call(*arguments):
        return limex("explain", "text", REVIEWS, "--samples", "64", *arguments)

    return call


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "there is no text"), (" \n\t", "there is no text"), ("?! ...", "no words to vary")],
)
def test_a_text_without_words_is_an_input_error(explained, text, message):
    result = explained("--text", text)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"limex: --text: {message}" if not text.strip() else "limex: ")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("text", ["awful", "awful " * 300, "awful!"])
def test_one_word_gets_one_weight_and_a_warning(explained, text):
    found = record(explained("--text", text, "-f", "json"))
    assert len(found["targets"][0]["components"]) == 1
    assert "one_component" in [one["code"] for one in found["warnings"]]


def test_words_that_the_model_does_not_know_get_a_note(explained):
    found = record(explained("--text", "zzyzx qwrtp vbnm", "-f", "json"))
    assert not any(one["weight"] for one in found["targets"][0]["components"])
    assert "flat_response" in [one["code"] for one in found["warnings"]]


@pytest.mark.parametrize("text", ["{{ 7*7 }} <script>x</script>", "%s {0} \x1b[31m $(id)"])
def test_markup_and_templates_are_taken_at_their_word(explained, text):
    found = record(explained("--text", text, "-f", "json"))
    assert found["instance"]["facts"]["text"] == text
    assert "\x1b" not in explained("--text", text).out


@pytest.mark.parametrize("text", ["我很喜欢这部电影", "هذا فيلم رائع", "👨‍👩‍👧 e\u0301té 👍🏽"])
def test_places_are_counted_in_characters(explained, text):
    for one in record(explained("--text", text, "-f", "json"))["targets"][0]["components"]:
        for start, end in one["where"]["spans"]:
            assert text[start:end] == one["name"]


def test_a_line_with_a_word_written_from_the_right_keeps_its_order():
    from lime_cli.formats.wording import in_order

    assert in_order("رائع") == "\u200eرائع\u200e"
    assert in_order("awful") == "awful"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n", "mail.txt: is an image, not a text; use limex explain image"),
        (b"\xff\xe9", "mail.txt: is not UTF-8 at byte 0; name its encoding"),
        (b"a\0b", "mail.txt: is not text"),
        (b"a" * 1_000_001, "mail.txt: has more than 1,000,000 characters; raise --max-characters"),
    ],
)
def test_a_file_that_is_no_text_is_refused(explained, tmp_path, data, message):
    (tmp_path / "mail.txt").write_bytes(data)
    result = explained(tmp_path / "mail.txt")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"limex: {message}")


def test_a_folder_with_one_broken_text_explains_the_others(explained, tmp_path):
    (tmp_path / "a.txt").write_text("an awful film")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("a wonderful film")
    result = explained(tmp_path, "--recursive", "-f", "jsonl")
    assert result.code == 6
    ids = [json.loads(line)["instance"]["id"] for line in result.out.splitlines()]
    assert ids == ["a.txt", "sub/c.txt"]
    assert "limex: b.txt: " in result.err


def test_other_encodings_are_read(explained, tmp_path):
    (tmp_path / "a.txt").write_bytes("ein großartiger Film".encode("utf-16"))
    found = record(explained(tmp_path / "a.txt", "--encoding", "utf-16", "-f", "json"))
    assert found["instance"]["facts"]["text"] == "ein großartiger Film"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--unit", "letters"), ("--unit", "regex:("), ("--encoding", "xyz"), ("--max-characters", 0)],
)
def test_an_impossible_option_is_refused(explained, option, value):
    result = explained("--text", "an awful film", option, value)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"limex: {option}")


def test_auto_says_which_units_it_chose(explained):
    dull = " ".join("The film begins at nine in the hall." for _ in range(40))
    text = f"{dull} It is an awful and boring mess. {dull}"
    found = record(explained("--text", text, "--unit", "auto", "-f", "json"))
    facts = found["instance"]["facts"]
    assert facts["unit"] == "word"
    stretches = [text[start:end] for start, end in facts["within"]]
    assert any("awful" in one for one in stretches)
    assert found["skipped"]
    names = [one["name"] for one in found["targets"][0]["components"]]
    assert "awful" in names
    assert explained("--text", text, "--unit", "auto", "-f", "json").out
    plain = limex_code("explain", "text", REVIEWS, "--text", text, "--unit", "auto", "--like-lime")
    assert plain == 2


def limex_code(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lime_cli", *arguments], cwd=ROOT, capture_output=True, check=False
    ).returncode


@pytest.mark.slow
def test_a_text_of_twenty_thousand_words_is_explained(explained, tmp_path):
    words = " ".join("awful" if 9000 <= i < 9003 else f"word{i}" for i in range(20_000))
    (tmp_path / "long.txt").write_text(words)
    found = record(explained(tmp_path / "long.txt", "--samples", "1024", "-f", "json"))
    assert "long_text" in [one["code"] for one in found["warnings"]]
    assert found["targets"][0]["components"][0]["name"] == "awful"


def test_evaluating_a_long_text_works_too(limex):
    text = " ".join(f"Some awful words stand here {i}." for i in range(60))
    result = limex(
        "evaluate",
        "text",
        REVIEWS,
        "--text",
        text,
        "--unit",
        "auto",
        "--seeds",
        "2",
        "--samples",
        "64",
        "-f",
        "json",
    )
    assert result.code == 0, result.err
