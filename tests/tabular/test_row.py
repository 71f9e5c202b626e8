"""Components in words when they are looked at: a tuple to everybody else."""

import pickle

import pytest

from lime_cli.engine.instance import Column, Component
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema


@pytest.fixture
def components():
    cells = [(str(i), "a b"[i % 3 : i % 3 + 1].strip() or "c", "1") for i in range(60)]
    names = ("number", "letter", "always")
    background = build_background(Cells("t.csv", names, tuple(cells), range(60)), names, Schema())
    return RowInstance(Source("0", "t.csv", 0), background, (70, "a", 1), ()).components


def test_components_are_put_into_words_like_a_tuple(components):
    wanted = (
        Component("number = 70 (above 44.25)", 70, Column("number", "number > 44.25")),
        Component("letter = a", "a", Column("letter", "letter = a")),
    )
    assert len(components) == 2
    assert tuple(components) == wanted
    assert components == wanted
    assert wanted == components
    assert components[-1] == wanted[-1]
    assert components[:1] == wanted[:1]
    assert hash(components) == hash(wanted)
    assert components != wanted[:1]
    assert components != "number > 44.25"
    with pytest.raises(IndexError):
        components[2]


def test_components_go_to_other_processes_as_a_tuple(components):
    found = pickle.loads(pickle.dumps(components))
    assert type(found) is tuple
    assert found == components
