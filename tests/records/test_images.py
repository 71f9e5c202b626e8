"""A saved explanation of an image is drawn again from its record and the image's file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCENE = ("explain", "image", "sample_models/scenes.onnx")
QUICK = ("--samples", "64", "--target", "top:2")


@pytest.fixture
def scene(tmp_path, data):
    """A copy of the sample image."""
    return Path(shutil.copy(data / "scene.png", tmp_path / "scene.png"))


@pytest.fixture
def saved(limex, scene, tmp_path):
    """The record of the sample image, beside it."""
    path = tmp_path / "scene.json"
    assert limex(*SCENE, scene, *QUICK, "-o", path).code == 0
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("style", ["outline", "heat", "hide", "panel"])
def test_a_drawing_from_the_record_has_the_pixels_of_a_fresh_one(
    limex, scene, saved, tmp_path, style
):
    fresh, again = tmp_path / "fresh.png", tmp_path / "again.png"
    assert limex(*SCENE, scene, *QUICK, "--style", style, "-o", fresh).code == 0
    done = limex("render", saved, "--style", style, "-o", again)
    assert done.code == 0, done.err
    np.testing.assert_array_equal(pixels(fresh), pixels(again))


def test_svg_and_page_show_the_picture_again(limex, scene, saved, tmp_path):
    for name in ("svg", "html"):
        fresh, again = tmp_path / f"fresh.{name}", tmp_path / f"again.{name}"
        assert limex(*SCENE, scene, *QUICK, "-o", fresh).code == 0
        assert limex("render", saved, "-o", again).code == 0
        if name == "svg":
            assert fresh.read_bytes() == again.read_bytes()
        for part in ("data:image/", "<path"):
            assert fresh.read_text().count(part) == again.read_text().count(part) > 0


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_large_picture_that_the_model_sees_in_part_is_drawn_as_it_was(limex, tmp_path, resize):
    y, x = np.mgrid[:700, :1100]
    big = np.stack([x % 256, y % 256, (x + y) // 8 % 256], axis=-1).astype(np.uint8)
    Image.fromarray(big).save(tmp_path / "big.jpg", quality=80)
    explained = (*SCENE, tmp_path / "big.jpg", *QUICK, "--resize", resize)
    assert limex(*explained, "-o", tmp_path / "a.png").code == 0
    assert limex(*explained, "-o", tmp_path / "a.json").code == 0
    assert limex("render", tmp_path / "a.json", "-o", tmp_path / "b.png").code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    assert (tmp_path / "a.json").stat().st_size < 60_000


@pytest.mark.parametrize("named", ["folder", "file"])
def test_pictures_are_found_where_they_are_said_to_be(limex, scene, saved, tmp_path, named):
    photos = tmp_path / "photos"
    photos.mkdir()
    scene.rename(photos / "scene.png")
    place = photos if named == "folder" else photos / "scene.png"
    done = limex("render", saved, "--pictures", place, "-o", tmp_path / "a.png")
    assert done.code == 0, done.err
    lost = limex("render", saved, "-o", tmp_path / "b.png")
    assert lost.code == 2
    assert "the record does not contain the image; name it with --pictures" in lost.err


def test_a_picture_under_another_name_is_known_by_its_content(limex, scene, saved, tmp_path):
    scene.rename(tmp_path / "cat.png")
    named = ("--pictures", tmp_path / "cat.png")
    assert limex("render", saved, *named, "-o", tmp_path / "a.png").code == 0


def test_a_picture_that_changed_is_an_error(limex, scene, saved, tmp_path):
    changed = pixels(scene).copy()
    changed[0, 0] ^= 1
    Image.fromarray(changed).save(scene)
    for more in ((), ("--pictures", tmp_path), ("--pictures", scene)):
        done = limex("render", saved, *more, "-o", tmp_path / "a.png")
        assert (done.code, done.out) == (3, "")
        assert "scene.png: is not the image that was explained" in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


def test_a_page_goes_without_a_picture_that_is_gone(limex, scene, saved, tmp_path):
    scene.unlink()
    done = limex("render", saved, "-o", tmp_path / "a.html")
    assert done.code == 0, done.err
    assert "data:image" not in (tmp_path / "a.html").read_text()


def test_a_folder_without_the_picture_is_an_error(limex, scene, saved, tmp_path):
    scene.unlink()
    done = limex("render", saved, "--pictures", tmp_path, "-f", "svg")
    assert (done.code, done.out) == (3, "")
    assert "holds no image scene.png" in done.err


def test_a_name_in_a_record_leads_nowhere_else(limex, scene, saved, tmp_path):
    record = json.loads(saved.read_text())
    deep = tmp_path / "deep" / "er"
    deep.mkdir(parents=True)
    for wrong in (str(scene), "../../scene.png"):
        record["instance"] |= {"id": wrong, "source": wrong}
        (deep / "a.json").write_text(json.dumps(record))
        done = limex("render", deep / "a.json", "-o", deep / "a.png")
        assert "does not contain the image" in done.err


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"label_map": None}, "the record's label map is damaged"),
        (
            {"label_map": {"box": [0, 0, 1e300, 9], "png": "AA"}},
            "the record's label map is damaged",
        ),
        ({"width": "x"}, "the record's data about the image are damaged"),
        ({"height": 99}, "scene.png: does not have the size in the record"),
        ({"input": 3}, "the record's data about the image are damaged"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(limex, saved, tmp_path, facts, said):
    record = json.loads(saved.read_text())
    record["instance"]["facts"] |= facts
    saved.write_text(json.dumps(record))
    done = limex("render", saved, "-o", tmp_path / "a.png")
    assert done.code == 3, done.err
    assert said in done.err
    assert done.err.count("\n") == 1


def test_an_old_record_without_a_label_map_says_so(limex, saved, tmp_path):
    record = json.loads(saved.read_text())
    del record["instance"]["facts"]["label_map"]
    saved.write_text(json.dumps(record))
    done = limex("render", saved, "-o", tmp_path / "a.png")
    assert done.code == 3
    assert "the record lacks 'label_map'; explain it again" in done.err
    assert limex("render", saved, "-f", "html").code == 0


def test_numbers_are_drawn_again_as_they_were(limex, tmp_path):
    cube = np.random.default_rng(0).integers(0, 9000, (40, 50, 6)).astype(np.int16)
    np.save(tmp_path / "a.npy", cube)
    explained = (
        "explain",
        "image",
        "py:tests.models.python_functions:brightness",
        tmp_path / "a.npy",
    )
    how = ("--channels", "6", "--pixel-range", "0,9000", "--show", "5,3,1", "--samples", "64")
    assert limex(*explained, *how, "-o", tmp_path / "a.png").code == 0
    assert limex(*explained, *how, "-o", tmp_path / "a.json").code == 0
    assert limex("render", tmp_path / "a.json", "-o", tmp_path / "b.png").code == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_a_page_from_workers_shows_the_pictures_too(limex, scene, tmp_path):
    other = tmp_path / "more"
    other.mkdir()
    shutil.copy(scene, other / "other.png")
    explained = (*SCENE, scene, other, *QUICK)
    for number, workers in (("a", ()), ("b", ("-j", "2"))):
        done = limex(*explained, *workers, "-o", tmp_path / f"{number}.html")
        assert done.code == 0, done.err
        page = (tmp_path / f"{number}.html").read_text()
        # of two images an overlay for each of two classes, and a small one in the list
        assert page.count("data:image/") == 8
