"""Rows as instances: components in words when they are looked at, a tuple to everybody else."""

import pickle

import numpy as np
import pytest

from lime_cli.engine.instance import Column, Component, Segment, Subject
from lime_cli.engine.masks import Stage, draw
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


TABLES = {
    "numbers": lambda i: (f"{i / 3:.3f}", f"{i * 7 % 11 + 0.5}", f"{i % 2}.25"),
    "whole": lambda i: (str(i), str(i * 31 % 17), str(i % 3)),
    "mixed": lambda i: (f"{i / 3:.3f}", "abc"[i % 3], str(i * 31 % 17)),
    "gaps": lambda i: ("" if i % 5 == 0 else f"{i / 3:.3f}", f"{i * 7 % 11}.5"),
    "held": lambda i: (f"{i / 3:.3f}", "2.5", f"{i * 7 % 11}.5"),
}


@pytest.mark.parametrize("own", ["known", "new"])
@pytest.mark.parametrize("kind", TABLES)
def test_samples_hold_the_values_of_their_codes_however_they_are_made(kind, own):
    cells = [TABLES[kind](i) for i in range(60)]
    names = tuple("abc"[: len(cells[0])])
    background = build_background(Cells("t.csv", names, tuple(cells), range(60)), names, Schema())
    features = background.features
    values = [one.values.tolist()[-1] if own == "known" else 700.25 for one in features]
    row = RowInstance(Source("0", "t.csv", 0), background, tuple(values), ())
    masks = draw(0, len(row.components), (Stage(64, (0.5, 0.25)),), True)
    codes = np.concatenate([row.itself, row.codes(masks)])
    wanted = [[value] * len(codes) for value in values]
    for j, i in enumerate(background.varying):
        (place,) = background.drawn[i].places
        for n in np.flatnonzero(codes[:, j]):
            assert masks.masked[n - 1, j]
            wanted[place][n] = features[place].values[codes[n, j] - 1]
    made = [row.model_inputs(codes)]
    if kind in ("numbers", "gaps") or (kind, own) == ("whole", "known"):
        made.append(row.inputs(masks))
    else:
        assert row.inputs(masks) is None
    for table in made:
        for column, right in zip(table.columns, wanted, strict=True):
            np.testing.assert_array_equal(column, np.array(right, column.dtype))
    assert [len(table) for table in made] == [65] * len(made)
