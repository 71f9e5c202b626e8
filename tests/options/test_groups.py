"""Groups of options: a command is called once, with a frozen object for each group."""

import traceback
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from lime_cli.options.engine import EngineOptions
from lime_cli.options.groups import Options, argument, flag, group, listed, option, options
from lime_cli.options.inputs import DialectOptions


class Colours(Options, heading="Input"):
    """Colours."""

    names: tuple[str, ...] = listed("--colours", "Names of colours.")
    bright: bool = flag("--bright", "Bright ones.")


class Shapes(Options, heading="Input"):
    """Shapes."""

    shape: str = argument()
    colours: Colours = group(Colours)
    corners: int = option("--corners", "Number of corners.", default=3)


class Bodies(Shapes):
    """Shapes with a depth."""

    corners: int = option("--corners", "Number of corners.", default=8)
    depth: float | None = option("--depth", "Depth.", type=float)


def called_with(kinds, *arguments):
    found = []

    @click.command()
    @options(*kinds)
    def command(*groups):
        found.extend((*groups, len(traceback.extract_stack())))

    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return found


def test_a_command_is_called_with_one_object_a_group():
    shapes, engine, _ = called_with((Shapes, EngineOptions), "star", "--colours", "red, blue")
    assert (shapes.shape, shapes.colours.names, shapes.colours.bright) == (
        "star",
        ("red", "blue"),
        False,
    )
    assert (shapes.corners, engine.samples, engine.seed) == (3, None, 0)


def test_a_group_has_the_options_of_its_base_and_its_own():
    assert list(Bodies.fields()) == ["shape", "colours", "corners", "depth"]
    bodies, _ = called_with((Bodies,), "cube", "--depth", "2", "--bright")
    assert (bodies.corners, bodies.depth, bodies.colours.bright) == (8, 2.0, True)


def test_more_groups_are_no_more_calls():
    one = called_with((Colours,))
    many = called_with((Colours, EngineOptions, DialectOptions))
    assert one[-1] == many[-1]


def test_a_group_is_frozen_and_gives_changed_copies():
    colours, _ = called_with((Colours,), "--bright")
    with pytest.raises(AttributeError, match="Colours is frozen"):
        colours.bright = False
    assert (colours.changed(bright=False).bright, colours.bright) == (False, True)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("red,blue", ("red", "blue")),
        ('"red, deep",blue', ("red, deep", "blue")),
        ('blue, "red, deep"', ("blue", "red, deep")),
        ('"size ""XL"""', ('size "XL"',)),
        ("red,,blue,", ("red", "blue")),
    ],
)
def test_names_are_parted_at_commas_that_stand_in_no_quotes(typed, names):
    found, _ = called_with((Colours,), "--colours", typed)
    assert found.names == names


def test_an_object_is_made_of_the_options_of_its_fields_and_of_what_is_given():
    class Wanted(NamedTuple):
        size: int
        name: str = "none"
        other: int = 3

    group = Options(size=2, name="two", unknown=5)
    assert group.made(Wanted) == Wanted(2, "two", 3)
    assert group.made(Wanted, name="given", other=4) == Wanted(2, "given", 4)
