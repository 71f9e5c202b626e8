"""``limex demo``: three explanations and where they are."""

import json

from PIL import Image


def test_the_demo_explains_three_things_and_says_where_they_are(limex, tmp_path):
    result = limex("demo", "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert "milk = 1" in result.out
    assert 'class "positive": the model predicts' in result.out
    for name in ("zoo.json", "review.json", "scene.json", "scene_overlay.png"):
        assert name in result.err
        assert (tmp_path / "out" / name).is_file()
    assert json.loads((tmp_path / "out" / "scene.json").read_text())["targets"][0]["name"] == "cat"
    with Image.open(tmp_path / "out" / "scene_overlay.png") as image:
        assert image.width >= 256


def test_the_demo_runs_twice_into_the_same_folder(limex, tmp_path):
    assert limex("demo", "-o", tmp_path, "-q").code == 0
    first = (tmp_path / "zoo.json").read_bytes()
    assert limex("demo", "-o", tmp_path, "-q").code == 0
    assert (tmp_path / "zoo.json").read_bytes() == first


def test_a_sample_that_does_not_load_is_rebuilt(limex, tmp_path, monkeypatch):
    from lime_cli.tools import demo

    monkeypatch.setattr(demo, "_loads", lambda path: False)
    result = limex("demo", "-o", tmp_path)
    assert result.code == 0, result.err
    assert "training it again" in result.err
    assert "milk = 1" in result.out


def test_a_folder_that_cannot_be_made_is_told(limex, tmp_path):
    (tmp_path / "file").write_text("")
    result = limex("demo", "-o", tmp_path / "file")
    assert result.code == 5
    assert result.err.count("\n") == 1
