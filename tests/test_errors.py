"""The words of an exception, for every room: one line, without secrets, of one length."""

import re
from pathlib import Path

import pytest

import lime_cli
from lime_cli.errors import last_line, said_by


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("see https://x.org/a?b=c&key=1 now", "see https://x.org/a?*** now"),
        ("postgres://me:pw@host/db failed", "postgres://***@host/db failed"),
        ("OPENAI_API_KEY=abc123 is wrong", "OPENAI_API_KEY=*** is wrong"),
        ('{"api_key": "abc", "x": 1}', '{"api_key": "***", "x": 1}'),
        ("Incorrect API key provided: sk-abcdefghij", "Incorrect API key provided: sk-***"),
        ("Authorization: Bearer abcdefghijk", "Authorization: ***"),
        ("Proxy-Authorization: Basic abc", "Proxy-Authorization: ***"),
        ("the key 'logits' is missing", "the key 'logits' is missing"),
        ("token id 7 is out of range", "token id 7 is out of range"),
    ],
)
def test_what_may_be_secret_is_blanked_and_nothing_else(words, kept):
    assert said_by(ValueError(words)) == kept


def test_long_words_keep_their_beginning_and_their_end():
    said = last_line(ValueError("begins\n" + "x" * 500 + "\nends here"))
    assert said.startswith("ValueError: begins xxx")
    assert said.endswith("xxx ends here")
    assert len(said) < 230


@pytest.mark.parametrize("part", ["a", "a-", "key", "aé"])
def test_a_word_without_end_is_read_once(part):
    said = last_line(ValueError(part * 1_000_000 + " key=abc"))  # took hours
    assert said.endswith(" key=***")


def test_words_can_be_written_in_the_place_of_others():
    error = OSError("cannot open s3://me:pw@bucket/table.csv?sig=1")
    url, name = "s3://me:pw@bucket/table.csv?sig=1", "s3://bucket/table.csv"
    assert last_line(error, {url: name}) == "OSError: cannot open s3://bucket/table.csv"


def test_an_exception_without_words_is_its_type():
    class Mute(Exception):
        def __str__(self):
            raise ValueError

    assert last_line(Mute()) == "Mute"


def test_no_room_shortens_exceptions_by_itself():
    house = Path(lime_cli.__file__).parent
    own = re.compile(r"join\(str\(\w+\)\.split\(\)\)|str\(error\)(\.split\(\))?\[")
    found = [
        str(one.relative_to(house))
        for one in house.rglob("*.py")
        if own.search(one.read_text("utf-8"))
    ]
    assert found == ["errors.py"]
