"""Saved explanations are read back from every shape in which limex writes them."""

import json

import pytest

from lime_cli.errors import InputError
from lime_cli.records.reading import read_entries, read_explanations
from lime_cli.records.record import record_of
from lime_cli.running.job import failed
from lime_cli.sources import Source
from tests.formats.test_json import explanation, written

RUN = b'{"schema":{"name":"limex/run","number":1}}\n'


def names(path) -> list[str]:
    return [one.components[0].name for one in read_explanations(str(path))]


def test_a_single_indented_record_is_read(tmp_path):
    path = tmp_path / "one.json"
    path.write_bytes(written("json", [explanation("a")]))
    assert names(path) == ["a"]


def test_lines_are_read_in_order_and_empty_ones_passed_over(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(
        written("jsonl", [explanation("a")]) + b"\n" + written("jsonl", [explanation("b")])
    )
    assert names(path) == ["a", "b"]


def test_the_folder_of_a_batch_is_read_without_its_header_and_failures(tmp_path):
    failure = failed(Source("3", "people.csv", 3), InputError("people.csv: line 5", "mend it"))
    ledger = RUN + written("jsonl", [explanation("a")]) + failure.line
    (tmp_path / "explanations.jsonl").write_bytes(ledger)
    assert names(tmp_path) == ["a"]
    assert [one.schema for one in read_entries(str(tmp_path))] == [
        "limex/explanation",
        "limex/failure",
    ]


def test_records_come_one_at_a_time(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(written("jsonl", [explanation("a")]) + b"{broken\n")
    entries = read_entries(str(path))
    assert next(entries).explanation().components[0].name == "a"
    with pytest.raises(InputError, match=r"many\.jsonl:2: is not a JSON record"):
        next(entries)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "contains no explanation"),
        (RUN, "contains no explanation"),
        (b"word\n", "is not a JSON record"),
        (b"[1, 2]\n", "not an object"),
        (b'{"a": 1}\n', "this is not an explanation"),
        (b"\xff\xfe", "is not a JSON record"),
    ],
)
def test_what_is_no_record_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        list(read_entries(str(path)))
    assert "x.json" in caught.value.message


def test_a_damaged_record_names_its_line(tmp_path):
    record = record_of(explanation("a"))
    del record["targets"]
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match=r"x\.jsonl:1: the record lacks 'targets'"):
        list(read_explanations(str(path)))


def test_a_missing_file_and_an_unfinished_folder_say_so(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_entries(str(tmp_path / "none.json")))
    with pytest.raises(InputError, match=r"holds no explanations\.jsonl"):
        list(read_entries(str(tmp_path)))


def test_a_record_without_targets_is_damaged(tmp_path):
    record = record_of(explanation("a"))
    record["targets"] = []
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match="it explains no target"):
        list(read_explanations(str(path)))
