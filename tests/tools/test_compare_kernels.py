"""``limex compare`` says where the two sides were explained otherwise."""

import json

CASE = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "3")


def test_sides_of_different_kernels_are_told_of(limex, tmp_path):
    wide, near = tmp_path / "wide.json", tmp_path / "near.json"
    assert limex(*CASE, "--samples", "64", "--radius", "0.5", "-o", wide).code == 0
    assert limex(*CASE, "--samples", "64", "--radius", "0.1", "-o", near).code == 0
    said = limex("compare", wide, near).err
    assert "different kernels (product, radius 0.5 and product, radius 0.1)" in said
    assert "different" not in limex("compare", wide, wide).err


def test_sides_of_different_engines_are_told_of(limex, tmp_path):
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    assert limex(*CASE, "--samples", "64", "-o", new).code == 0
    record = json.loads(new.read_text())
    record["schema"]["number"], record["limex"] = 1, "0.1.0"
    old.write_text(json.dumps(record))
    assert "different engines (versions 0.1.0 and" in limex("compare", old, new).err
