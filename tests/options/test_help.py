"""The help of commands: the usual options in a few parts, all of them on request."""

import json
import re

import pytest

from lime_cli.options.commands import MANY, ORDER, Command
from lime_cli.options.layers import Option
from lime_cli.tools.evaluate import evaluate
from lime_cli.tools.explain import explain
from lime_cli.tools.inspect import inspect

LONG = {
    **{("explain", name): command for name, command in explain.commands.items()},
    **{("evaluate", name): command for name, command in evaluate.commands.items()},
    ("inspect",): inspect,
}


def shown(text):
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE))


@pytest.mark.parametrize("names", LONG, ids=" ".join)
def test_help_shows_the_usual_options_and_help_all_every_one(limex, names):
    short, whole = limex(*names, "--help"), limex(*names, "--help-all")
    assert (short.code, whole.code) == (0, 0)
    few = shown(short.out) - {"--help", "--help-all"}
    options = [one for one in LONG[names].params if isinstance(one, Option) and not one.hidden]
    longs = {next(name for name in one.opts if name.startswith("--")) for one in options}
    assert few < shown(whole.out)
    assert shown(whole.out) - {"--help", "--help-all"} == longs
    assert len(few) >= 10
    assert len(shown(short.out)) <= MANY
    parts = re.findall(r"^(\w[\w ]*):$", short.out, re.MULTILINE)
    own = {"inspect": ["Inspection"]}.get(names[0], [])
    wanted = ["Input", "Explanation", "Output", "Running", "Help"]
    assert [one for one in parts if one not in own] == [one for one in wanted if one in parts]


@pytest.mark.parametrize("names", LONG, ids=" ".join)
def test_every_option_stands_under_a_heading(names):
    command = LONG[names]
    assert isinstance(command, Command)
    headings = {one.heading for one in command.params if isinstance(one, Option)}
    assert headings - set(ORDER) <= {"Inspection"}


def test_the_help_of_a_small_command_shows_everything(limex):
    result = limex("compare", "--help")
    assert "--max-flips" in result.out
    assert "--help-all" not in result.out
    assert limex("compare", "--help-all").out == result.out


@pytest.mark.parametrize("group", [(), ("explain",), ("evaluate",)])
def test_the_help_of_a_group_is_whole_already(limex, group):
    whole = limex(*group, "--help-all")
    assert (whole.code, whole.out) == (0, limex(*group, "--help").out)


@pytest.mark.parametrize("gone", [("--assist", "on"), ("--cache", "answers")])
def test_an_option_that_is_gone_is_taken_once_more_and_named(limex, gone):
    case = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    asked = (*case, "--row", "3", "--samples", "64", "-f", "json")
    result = limex(*asked, *gone)
    assert result.code == 0
    assert f"{gone[0]} no longer has any effect; leave it out" in result.err
    assert json.loads(result.out)["hash"] == json.loads(limex(*asked).out)["hash"]
    assert gone[0] not in limex("explain", "tabular", "--help-all").out
