"""Markdown shows a table for a pull request, every name literally."""

from dataclasses import replace

import pytest

from lime_cli.engine.explanation import Interval
from tests.formats.test_json import explanation, written


def test_a_weight_is_a_line_of_the_table():
    text = written("md", [explanation()]).decode()
    assert "### people.csv 17" in text
    assert "| component | value | weight |" in text
    assert "| age \\> 40 | 41 | +0.200 |" in text


def test_an_interval_has_a_column_and_an_uncertain_sign_a_remark():
    one = explanation()
    (surrogate,) = one.surrogates
    weights = (surrogate.weights[0]._replace(std_error=0.15, interval=Interval(-0.1, 0.5)),)
    text = written("md", [replace(one, surrogates=(replace(surrogate, weights=weights),))]).decode()
    assert "| age \\> 40 | 41 | +0.200 | 0.300 | sign not certain |" in text


@pytest.mark.parametrize("name", ["a | b", "<img src=x>", "a\nb | c", "`code`", "[x](http://y)"])
def test_no_name_breaks_the_table_or_becomes_markup(name):
    lines = written("md", [explanation(name)]).decode().splitlines()
    (row,) = [line for line in lines if line.endswith("| 41 | +0.200 |")]
    plain = row.replace("\\\\", "")
    for mark in "|<>`[]":
        assert plain.count("\\" + mark) == name.count(mark)
