"""A terminal with colour shows the overlay in half blocks; any other shows none."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lime_cli.engine.instance import SegmentedImage
from tests.formats.test_json import written
from tests.formats.test_overlay import explanation

CELL = re.compile("\x1b\\[38;2;(\\d+);(\\d+);(\\d+)(?:;48;2;(\\d+);(\\d+);(\\d+))?m(▀+)\x1b\\[0m")


def table(one, **look) -> str:
    return written("table", [one], **{"colour": True, "unicode": True, **look}).decode()


def cells(one, **look) -> list[list[tuple]]:
    """The colours of each line's half blocks: upper, and lower or None."""
    drawn = []
    for line in table(one, true_colour=True, **look).splitlines():
        row = []
        for *numbers, blocks in CELL.findall(line):
            upper = tuple(map(int, numbers[:3]))
            lower = tuple(map(int, numbers[3:])) if numbers[3] else None
            row += [(upper, lower)] * len(blocks)
        drawn += [row] * bool(row)
    return drawn


def test_a_thumbnail_is_40_columns_wide_and_colours_what_has_weight():
    drawn = cells(explanation())
    assert (len(drawn), {len(row) for row in drawn}) == (20, {40})
    strong, nothing, against = (drawn[y][x][0] for y, x in ((5, 10), (15, 10), (15, 30)))
    assert strong[2] > strong[0] + 60
    assert nothing == (128, 128, 128)
    assert against[0] > against[2] + 20


def test_both_halves_of_a_block_are_pixels():
    one = explanation(40, 40)
    pixels = one.subject.image.pixels.copy()
    pixels[25] = 200  # of the quarter without weight
    found = SegmentedImage(pixels, one.subject.image.labels)
    drawn = cells(replace(one, subject=replace(one.subject, image=found)))
    assert drawn[12][5] == ((128, 128, 128), (200, 200, 200))


@pytest.mark.parametrize(
    ("size", "lines", "columns"),
    [((30, 90), 7, 40), ((900, 30), 20, 1), ((3, 2000), 1, 40), ((1, 1), 20, 40)],
)
def test_a_picture_of_any_form_fits(size, lines, columns):
    drawn = cells(explanation(*size))
    assert len(drawn) == lines
    assert {len(row) for row in drawn} == {columns}


def test_the_lower_half_of_an_odd_last_line_is_empty():
    last = cells(explanation(30, 90))[-1]
    assert {lower for _, lower in last} == {None}


def test_a_narrow_terminal_gets_a_narrower_one():
    assert {len(row) for row in cells(explanation(), width=40)} == {36}


@pytest.mark.parametrize("look", [{"colour": False}, {"unicode": False}])
def test_without_colour_or_unicode_there_is_none(look):
    assert "▀" not in table(explanation(), **look)


def test_256_colours_do():
    drawn = table(explanation())
    assert "▀" in drawn
    assert "\x1b[38;5;" in drawn
    assert "38;2;" not in drawn


def test_what_the_model_does_not_look_at_is_bleached():
    one = explanation()
    labels = one.subject.image.labels.copy()
    labels[:, 300:] = -1
    found = SegmentedImage(one.subject.image.pixels, labels)
    drawn = cells(replace(one, subject=replace(one.subject, image=found)))
    assert drawn[0][39][0] == (128 // 3 + 170,) * 3


def test_a_record_without_its_picture_shows_bars_alone():
    one = explanation()
    assert "▀" not in table(replace(one, subject=replace(one.subject, image=None)))


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_is_respected_on_the_command_line(limex, monkeypatch, plain, data):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    for key, value in plain.items():
        monkeypatch.setenv(key, value)
    scene = ("explain", "image", "sample_models/scenes.onnx", data / "scene.png")
    result = limex(*scene, "--samples", "64")
    assert result.code == 0
    assert "▀" not in result.out
    assert "\x1b" not in result.out


def test_equal_explanations_give_equal_bytes():
    assert table(explanation()) == table(explanation())
    assert np.array_equal(cells(explanation()), cells(explanation()))
