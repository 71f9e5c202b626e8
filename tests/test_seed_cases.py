"""The two cases limex was made for: why a squirrel is a mammal, where the cat and the cup are."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier

from tests.conftest import ROOT, SHARED

SQUIRREL = 84
SEEDS = range(10)


@pytest.fixture(scope="module")
def squirrels(tmp_path_factory):
    """Train ten networks without the squirrel and explain it: a record for each."""
    from lime_cli.cli import run

    folder = tmp_path_factory.mktemp("zoo")
    table = pd.read_csv(ROOT / "sample_data" / "zoo.csv")
    X, y = table.drop(columns=["animal", "class"]), table["class"]
    known = table["animal"] != "squirrel"
    records = []
    for seed in SEEDS:
        model = MLPClassifier((25,), alpha=0.25, max_iter=4000, random_state=seed)
        path = folder / f"zoo_{seed}.pkl"
        path.write_bytes(pickle.dumps(model.fit(X[known], y[known])))
        out = folder / f"zoo_{seed}.json"
        data = str(ROOT / "sample_data" / "zoo.csv")
        options = ["--row", str(SQUIRREL), "--features", "16", "-o", str(out), "-q"]
        assert run(["explain", "tabular", str(path), data, *options]) == 0
        records.append(json.loads(out.read_text()))
    return records


def test_every_network_takes_the_squirrel_for_a_mammal(squirrels):
    assert {record["targets"][0]["name"] for record in squirrels} == {"mammal"}


def test_milk_no_eggs_and_hair_speak_for_it_and_its_size_against(squirrels):
    names = {c["name"] for record in squirrels for c in record["targets"][0]["components"]}
    mean = dict.fromkeys(names, 0.0)
    for record in squirrels:
        for component in record["targets"][0]["components"]:
            mean[component["name"]] += component["weight"] / len(squirrels)
    ranked = sorted(mean, key=lambda name: -abs(mean[name]))
    assert set(ranked[:3]) == {"milk = 1", "eggs = 0", "hair = 1"}
    assert all(mean[name] > 0 for name in ranked[:3])
    assert mean["catsize = 0"] < 0


def test_the_weights_tell_most_of_what_the_networks_do(squirrels):
    for record in squirrels:
        target = record["targets"][0]
        assert target["fidelity"] >= 0.6
        assert abs(target["gap"]) <= 0.05  # at no radius is the fit both as close and better
        widest = target["kernel"]["compared"][0]
        assert widest["radius"] == 0.5
        assert widest["fidelity"] >= 0.8


IMAGES = {
    "chelsea": ("cat", (90, 10, 365, 290)),
    "coffee": ("espresso", (120, 10, 480, 385)),
}
"""Class word, and the box (left, top, right, bottom) of the head and of the cup with its saucer."""


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pretrained SqueezeNet")
@pytest.mark.parametrize("name", IMAGES)
def test_squeezenet_sees_the_cat_s_head_and_the_cup(limex, tmp_path, name):
    import skimage.data
    from PIL import Image

    word, (left, top, right, bottom) = IMAGES[name]
    Image.fromarray(getattr(skimage.data, name)()).save(tmp_path / "image.png")
    case = [
        "explain", "image", SHARED / "squeezenet_fp16.onnx", tmp_path / "image.png",
        "--preprocess", "caffe", "--classes", SHARED / "imagenet_synset.txt",
        "--samples", "500", "--fill", "black", "--segments", "20", "--features", "20",
    ]  # fmt: skip
    record = json.loads(limex(*case, "-f", "json").out)
    target = record["targets"][0]
    assert word in target["name"]
    top_six = [one for one in target["components"] if one["weight"] > 0][:6]
    area = np.array([one["where"]["area"] for one in top_six], float)
    inside = [
        left <= x <= right and top <= y <= bottom
        for x, y in (one["where"]["centroid"] for one in top_six)
    ]
    assert area[inside].sum() / area.sum() > 0.9
    drawn = limex(*case, "--top", "6", "--positive", "-o", tmp_path / "overlay.png")
    assert drawn.code == 0
