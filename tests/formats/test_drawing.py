"""PNG and SVG: overlays for images, charts for rows and texts."""

import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lime_cli.engine.explanation import Interval, Rule, Weight
from lime_cli.engine.instance import Column, Component
from lime_cli.errors import SettingsError
from lime_cli.formats import LettersMissing, letters_told
from lime_cli.formats.canvas import Canvas
from tests.formats import test_overlay
from tests.formats.test_html import HOSTILE, of_picture
from tests.formats.test_json import explanation, written

pytest.importorskip("matplotlib")
BLUE, ORANGE = (10, 95, 215), (230, 110, 0)


def row(*weights: float, name: str = "age", error: float = 0.02):
    one = explanation()
    parts = tuple(Component(f"{name} {i}", 1.0, Column(f"{i}")) for i in range(len(weights)))
    given = tuple(
        Weight(i, w, error / 2, Interval(w - error, w + error)) for i, w in enumerate(weights)
    )
    surrogate = replace(one.surrogates[0], weights=given)
    return replace(one, components=parts, surrogates=(surrogate,))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def extent(image: np.ndarray, colour) -> int:
    """Width in pixels of the widest run of columns that hold a colour."""
    found = (np.abs(image - colour).sum(axis=2) < 8).any(axis=0)
    return int(found.sum())


def test_a_bar_is_as_long_as_its_weight_and_of_its_sign():
    image = pixels(written("png", [row(0.4, -0.2)]))
    assert extent(image, BLUE) == pytest.approx(2 * extent(image, ORANGE), rel=0.05)


def test_the_same_explanation_gives_the_same_bytes():
    for name in ("png", "svg"):
        assert written(name, [row(0.4, -0.2)]) == written(name, [row(0.4, -0.2)])


def test_an_svg_is_well_formed_and_says_what_the_model_says():
    root = ElementTree.fromstring(written("svg", [row(0.4, -0.2)]))
    assert root.tag.endswith("svg")


def test_every_target_has_its_bars():
    one = row(0.4, -0.2)
    two = replace(one, surrogates=(one.surrogates[0], replace(one.surrogates[0], name="no")))
    assert pixels(written("png", [two])).shape[0] > 1.6 * pixels(written("png", [one])).shape[0]


@pytest.mark.parametrize("name", ["$x^2$ 100%", "नमस्ते 中文 😀", "a" * 300, HOSTILE, "line\nbreak"])
@pytest.mark.parametrize("format_name", ["png", "svg"])
def test_any_name_can_be_drawn(format_name, name):
    with letters_told() as told:
        assert len(written(format_name, [row(0.4, name=name)])) > 1000
    assert not told or (format_name, name[0]) == ("png", "न")


def test_boxes_in_the_place_of_letters_are_told_once():
    with letters_told() as told:
        written("png", [row(0.4, name="\U0010fffd cat \U0010fffd")])
    ((code, words),) = told
    assert code == "letters_missing"
    assert "no installed font has \U0010fffd, so boxes" in words
    assert "FILE.svg or FILE.html" in words
    with pytest.warns(LettersMissing):
        written("png", [row(0.4, name="\U0010fffd")])


def test_no_weight_and_a_flat_response_are_said():
    one = explanation()
    flat = replace(one.surrogates[0], weights=(), fidelity=None)
    assert len(written("png", [replace(one, surrogates=(flat,))])) > 1000


def test_rules_are_not_bars():
    one = explanation()
    tree = replace(one.surrogates[0], weights=(), rules=(Rule((), 0.5, 1.0),))
    with pytest.raises(SettingsError, match="a tree has rules"):
        written("png", [replace(one, surrogates=(tree,))])


def test_a_panel_shows_picture_overlay_and_bars():
    one = test_overlay.explanation()
    overlay = pixels(written("png", [one]))
    panel = pixels(written("png", [one], style="panel"))
    assert panel.shape[1] > 2 * overlay.shape[1]
    assert (panel[100, 200] == 128).all()


def test_an_svg_of_a_picture_has_a_path_for_each_segment():
    root = ElementTree.fromstring(written("svg", [of_picture()]))
    (path,) = [one for one in root if one.tag.endswith("path")]
    title = next(iter(path))
    assert title.text == "superpixel 1: +0.200"


def test_a_record_without_its_picture_says_how_to_name_it():
    one = of_picture()
    with pytest.raises(SettingsError, match="the record does not contain the image"):
        written("png", [replace(one, subject=replace(one.subject, image=None))])


LONG = "the_number_of_days_since_the_last_payment_of_the_customer"


@pytest.mark.parametrize(
    "names",
    [
        [f"{LONG}_{end}" for end in ("mean", "max", "min")],
        [f"{start}_{LONG}_{LONG}" for start in ("a", "b")],
        [f"{LONG}_{middle}_{LONG}" for middle in ("spring", "summer")],
        [f"{LONG}_{a}_{LONG}_{b}_{LONG}" for a in "xy" for b in "xy"],
        [LONG, f"{LONG}{LONG}", "short"],
    ],
)
@pytest.mark.parametrize("measured", [True, False])
def test_cut_names_keeps_names_that_differ_apart(names, measured):
    canvas = Canvas(8.0, measured=measured)
    cut = canvas.cut_names(names, 10, [1.6] * len(names))
    assert len(set(cut)) == len(names)
    assert all(canvas.measure(one, 10) <= 1.6 for one in cut)


def test_svg_has_the_whole_name_of_what_is_cut():
    one = row(0.3, -0.2, name=LONG * 2)
    drawing = ElementTree.fromstring(written("svg", [one]))
    titles = [one.text for one in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert [f"{LONG * 2} {i}" for i in range(2)] == [one for one in titles if LONG in one]
