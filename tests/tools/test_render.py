"""``limex render`` draws what was saved, without the model."""

import json

import pytest
from click.testing import CliRunner

from lime_cli.cli import program
from tests.formats.test_json import explanation, written


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "saved.jsonl"
    path.write_bytes(written("jsonl", [explanation("a"), explanation("b")]))
    return path


def render(*arguments):
    return CliRunner().invoke(program, ["render", *map(str, arguments)])


@pytest.mark.parametrize("name", ["table", "jsonl", "csv", "md"])
def test_a_saved_explanation_is_drawn_as_a_fresh_one(saved, name):
    fresh = written(name, [explanation("a"), explanation("b")], unicode=name in ("csv", "md"))
    done = render(saved, "-f", name)
    assert done.exit_code == 0
    drawn = done.stdout_bytes
    if name == "jsonl":
        hashes = [json.loads(line)["hash"] for line in drawn.splitlines()]
        assert hashes == [json.loads(line)["hash"] for line in fresh.splitlines()]
    else:
        assert drawn == fresh


def test_one_instance_is_chosen_by_its_id(tmp_path):
    path = tmp_path / "saved.jsonl"
    line = json.loads(written("jsonl", [explanation()]))
    other = {**line, "instance": {**line["instance"], "id": "18"}}
    path.write_text(json.dumps(line) + "\n" + json.dumps(other) + "\n")
    done = render(path, "--id", "18", "-f", "json")
    assert json.loads(done.stdout)["instance"]["id"] == "18"


def test_a_format_for_one_explanation_refuses_two(saved):
    done = render(saved, "-f", "json")
    assert done.exit_code != 0
    assert "2 explanations need -f jsonl" in str(done.exception)
    drawn = render(saved, "-o", saved.with_suffix(".svg"))
    assert "choose one, such as --id 17; -f html holds all" in str(drawn.exception)


def test_a_mistyped_result_is_named_as_it_may_be_meant(saved):
    done = render(saved.with_name("saved.jsno"))
    assert str(done.exception).endswith(f"no such file; did you mean {saved}?")


def test_the_suffix_of_the_output_names_the_format(saved, tmp_path):
    out = tmp_path / "weights.csv"
    assert render(saved, "-o", out, "-q").exit_code == 0
    assert out.read_text().startswith("instance,source,target,")
