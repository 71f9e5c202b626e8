"""Rows as instances: components in words when they are looked at, a tuple to everybody else."""

import pickle

import numpy as np
import pytest

from lime_cli.engine.instance import Column, Component, Segment, Subject
from lime_cli.images.modality import ImageInstance
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


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_a_superpixel_stays_as_it_is_or_is_filled(layout, kind):
    rng = np.random.default_rng(0)
    shape = (3, 6, 5) if layout == "NCHW" else (6, 5, 3)
    image, gone = (rng.normal(size=shape).astype(kind) for _ in range(2))
    image.flat[:4] = np.nan, np.inf, -0.0, 0.0
    labels = rng.integers(-1, 4, (6, 5))
    places = [Segment(i, 1, (0, 0, 1, 1), (0.0, 0.0)) for i in range(4)]
    parts = tuple(Component(str(one.segment), None, one) for one in places)
    subject = Subject("0", "image", "p.png", "", {})
    instance = ImageInstance(subject, parts, (), "p", image, gone, labels, layout)
    codes = rng.integers(0, 2, (9, 4))
    found = instance.model_inputs(codes)
    assert found.shape == (9, 6, 5, 3)
    assert found.dtype == kind
    for code, one in zip(codes, found, strict=True):
        stays = np.where(labels < 0, True, code[labels] == 1)
        if layout == "NCHW":
            wanted = np.where(stays, image, gone).transpose(1, 2, 0)
        else:
            wanted = np.where(stays[..., None], image, gone)
        assert one.tobytes() == np.ascontiguousarray(wanted).tobytes()
