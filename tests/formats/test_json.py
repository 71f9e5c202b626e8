"""JSON holds the record, strictly, whatever the words in it."""

from __future__ import annotations

import io
import json

import pytest

from lime_cli.engine.explanation import Explanation, Surrogate, Weight
from lime_cli.engine.instance import Column, Component, Subject
from lime_cli.engine.model import Identity
from lime_cli.errors import SettingsError
from lime_cli.formats import Look
from lime_cli.records.record import explanation_of, record_of
from lime_cli.registry import FORMATS
from lime_cli.settings import Settings


def explanation(name="age > 40", source="people.csv") -> Explanation:
    return Explanation(
        subject=Subject("17", "tabular", source, "a" * 64, {"row": {"age": 41}}),
        model=Identity("pickle", "b" * 64, "classification", ("no", "yes")),
        components=(Component(name, 41, Column("age")),),
        skipped=(),
        surrogates=(Surrogate(1, "yes", 0.8, 0.5, 0.7, 0.9, 0.95, (Weight(0, 0.2),)),),
        warnings=(),
        samples=100,
        effective_samples=40.0,
        kernel_width=0.75,
        stop="samples",
        settings=Settings(),
    )


def written(format_name, explanations, **look) -> bytes:
    out = io.BytesIO()
    FORMATS[format_name](explanations, out, Look(**look))
    return out.getvalue()


def test_one_explanation_is_indented_and_ends_with_a_newline():
    data = written("json", [explanation()])
    assert data.startswith(b'{\n  "schema": {\n    "name": "limex/explanation",\n')
    assert data.endswith(b"}\n")
    assert json.loads(data) == record_of(explanation())


@pytest.mark.parametrize("count", [0, 3])
def test_any_other_number_of_explanations_needs_lines(count):
    with pytest.raises(SettingsError, match=f"^{count} explanations need -f jsonl$"):
        written("json", [explanation()] * count)


def test_lines_hold_one_record_each():
    data = written("jsonl", [explanation("a"), explanation("b")])
    lines = data.decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        record_of(explanation("a")),
        record_of(explanation("b")),
    ]
    assert ": " not in lines[0].replace("people.csv", "")


def test_lines_are_written_as_soon_as_an_explanation_is_there():
    out, seen = io.BytesIO(), []

    def arriving():
        for _ in range(3):
            yield explanation()
            seen.append(out.getvalue().count(b"\n"))

    FORMATS["jsonl"](arriving(), out, Look())
    assert seen == [1, 2, 3]


def test_no_explanations_are_no_lines():
    assert written("jsonl", []) == b""


HOSTILE = [
    "</script>",
    "\x1b[31m",
    "[red]x[/red]",
    "\u2028",
    '"\\',
    "年齢",
    "\udce9.csv",
    "\x00",
    "\x9b31m",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("unicode", [True, False])
def test_every_name_survives(name, unicode):
    data = written("jsonl", [explanation(name, source=name)], unicode=unicode)
    assert data.count(b"\n") == 1
    back = explanation_of(json.loads(data.decode("utf-8")))
    assert back.components[0].name == name
    assert back.subject.source == name


def test_other_scripts_are_readable_in_utf_8_and_escaped_in_ascii():
    assert "年齢".encode() in written("json", [explanation("年齢")])
    assert written("json", [explanation("年齢")], unicode=False).isascii()


@pytest.mark.parametrize("name", ["\x1b[31m", "\x9b31m", "\x7f", "\u2028", "\u202e"])
def test_nothing_that_steers_a_terminal_gets_through(name):
    assert name not in written("jsonl", [explanation(name)]).decode()
