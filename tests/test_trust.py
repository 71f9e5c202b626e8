"""What error bars promise, on real networks: other seeds agree, and what is noise is called so."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPClassifier

from tests.conftest import ROOT, SHARED

DATA = ROOT / "sample_data" / "zoo.csv"
SQUIRREL = 84


def record(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def components(record):
    return record["targets"][0]["components"]


def signs(record):
    """The sign of every weight whose interval leaves out 0, by name."""
    return {
        one["name"]: np.sign(one["weight"])
        for one in components(record)
        if not one["interval"][0] <= 0 <= one["interval"][1]
    }


@pytest.mark.parametrize("trained", [0, 1, 7])
def test_two_seeds_agree_in_the_largest_five_but_for_ties_and_in_every_sign(
    limex, tmp_path, trained
):
    table = pd.read_csv(DATA)
    X, y = table.drop(columns=["animal", "class"]), table["class"]
    known = table["animal"] != "squirrel"
    model = MLPClassifier((25,), alpha=0.25, max_iter=4000, random_state=trained)
    path = tmp_path / "zoo.pkl"
    path.write_bytes(pickle.dumps(model.fit(X[known], y[known])))
    case = ("explain", "tabular", path, DATA, "--row", SQUIRREL, "-f", "json", "--seed")
    first, other = (record(limex(*case, seed)) for seed in (0, 1))
    for one, beside in ((first, other), (other, first)):
        top = {found["name"] for found in components(one)[:5]}
        assert {each["name"] for each in components(beside) if each["rank_range"][1] <= 5} <= top
        assert top <= {each["name"] for each in components(beside) if each["rank_range"][0] <= 5}
    both = signs(first).keys() & signs(other).keys()
    assert len(both) >= 5
    assert all(signs(first)[name] == signs(other)[name] for name in both)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pretrained SqueezeNet")
@pytest.mark.parametrize("seed", [0, 1])
def test_the_largest_three_of_fifty_superpixels_are_found_by_490_calls(limex, tmp_path, seed):
    import skimage.data
    from PIL import Image

    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    words = SHARED / "imagenet_synset.txt"
    case = ("explain", "image", SHARED / "squeezenet_fp16.onnx", tmp_path / "coffee.png")
    reading = ("--preprocess", "caffe", "--classes", words, "--segments", "50")
    asked = ("--features", "3", "--tolerance", "0.15", "--seed", seed, "-f", "json")
    few = record(limex(*case, *reading, *asked, "--max-samples", "490"))
    assert {one["selected"] for one in components(few)} == {1.0}
    found = record(limex(*case, *reading, *asked))  # and settled by at most 2,048
    assert found["stop"] == "resolved"
    assert len(signs(found)) == 3
    names = [{one["name"] for one in components(each)} for each in (few, found)]
    assert names[0] == names[1]


def test_a_network_of_random_weights_on_noise_is_called_poor(limex, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(5).integers(0, 255, (48, 48, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    case = ("explain", "image", "py:tests.untrained:network", tmp_path / "noise.png")
    options = ("--preprocess", "unit", "--segmenter", "grid", "--segments", "36")
    found = record(limex(*case, *options, "-f", "json"))
    assert found["targets"][0]["fidelity"] < 0.5
    assert "low_fidelity" in {one["code"] for one in found["warnings"]}
