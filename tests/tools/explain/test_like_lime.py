"""``--like-lime`` against marcotcr/lime itself, on inputs and models drawn at random."""

import json
import warnings

import joblib
import jsonschema
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lime_cli.images.modality import ImageModality
from lime_cli.models.model_file import ModelInput
from lime_cli.records.record import explanation_of
from lime_cli.tabular.schema import Schema
from tests.conftest import ROOT
from tests.engine.test_like_lime import (
    explained,
    matrix,
    picture_of,
    row_of,
    sigmoid,
    table_of,
    text_of,
)
from tests.samples import readable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lime import lime_image
    from lime.lime_image import LimeImageExplainer
    from lime.lime_tabular import LimeTabularExplainer
    from lime.lime_text import LimeTextExplainer

SCHEMA = json.loads((ROOT / "lime_cli/records/schema/explanation-2.json").read_text("utf-8"))
TINY = 1e-12
"""Weights this small are rounding, and which of them is kept is chance."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Keep lime's progress bars out of the tests."""
    monkeypatch.setattr(lime_image, "tqdm", lambda rows: rows)


def theirs(explain, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return explain(*arguments, **options)


def same(ours, lime):
    """Compare the only surrogate with lime's of its label 1: everything, to 1e-9."""
    (surrogate,) = ours.surrogates
    found = {one.component: one.weight for one in surrogate.weights}
    expected = {int(j): float(weight) for j, weight in lime.local_exp[1]}
    for j in found.keys() | expected.keys():
        close = pytest.approx(expected.get(j, 0.0), rel=1e-9, abs=TINY)
        assert found.get(j, 0.0) == close, (j, found, expected)
    assert len(found) == len(expected)
    assert surrogate.intercept == pytest.approx(float(lime.intercept[1]), rel=1e-9)
    assert surrogate.fit_r2 == pytest.approx(float(lime.score), rel=1e-9)
    assert surrogate.local_prediction == pytest.approx(lime.local_pred.item(), rel=1e-9)


def auto(features):
    return "forward" if features <= 6 else "highest"


def random_table(rng):
    """Draw columns of every kind that bins stumble over; return them and which are levels."""
    n = int(rng.integers(40, 120))
    kinds = {
        "normal": lambda: rng.normal(rng.normal() * 5, rng.exponential() + 0.1, n),
        "rounded": lambda: rng.normal(0, 2, n).round(1),
        "tied minimum": lambda: np.maximum(rng.normal(0, 1, n), 0.0) + 5.0,
        "tied maximum": lambda: np.minimum(rng.normal(0, 1, n), 0.3),
        "whole": lambda: rng.integers(0, 50, n).astype(float),
        "constant": lambda: np.full(n, 2.5),
        "levels": lambda: rng.integers(0, 4, n).astype(float),
        "two levels": lambda: (rng.random(n) < 0.3).astype(float),
    }
    drawn = rng.choice(list(kinds), int(rng.integers(2, 8)))
    X = np.column_stack([kinds[kind]() for kind in drawn])
    return X, [j for j, kind in enumerate(drawn) if "levels" in kind]


def random_response(rng, p):
    """Draw a function of p numbers that bends and jumps, but is flat nowhere."""
    slope, bend, jump = rng.normal(size=(3, p))
    return lambda X: 3 * np.tanh(((X / 5) @ slope + np.sin(X) @ bend + (X > 1) @ jump) / 20)


def table_case(seed):
    """Return background data, levels, a row that may lie outside of it, and a response."""
    rng = np.random.default_rng(seed)
    X, levels = random_table(rng)
    row = X[rng.integers(len(X))].copy()
    outside = [j for j in range(X.shape[1]) if j not in levels and rng.random() < 0.2]
    row[outside] += rng.choice([-100.0, 100.0], len(outside))
    return X, levels, row, random_response(rng, X.shape[1])


def schema_of(p, levels, **more):
    names = tuple(f"c{j}" for j in range(p))
    numeric = tuple(name for j, name in enumerate(names) if j not in levels)
    return names, Schema(numeric=numeric, categorical=tuple(names[j] for j in levels), **more)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("bins", ["quartile", "decile"])
def test_tables_in_bins(seed, bins):
    X, levels, row, response = table_case(seed)
    names, schema = schema_of(X.shape[1], levels, bins=bins)
    features = 1 + seed % X.shape[1]
    lime = LimeTabularExplainer(X, categorical_features=levels, discretizer=bins, random_state=seed)
    expected = theirs(
        lime.explain_instance,
        row,
        lambda Z: sigmoid(response(Z)),
        num_features=features,
        num_samples=300,
    )
    ours = explained(
        row_of(table_of(X, names, schema), row.tolist()),
        lambda table: sigmoid(response(matrix(table))),
        samples=300,
        features=features,
        seed=seed,
        selection=auto(features),
    )
    same(ours, expected)


@pytest.mark.parametrize("seed", range(6))
def test_tables_in_entropy_bins(seed):
    X, levels, row, response = table_case(seed)
    labels = (response(X) > np.median(response(X))).astype(int)
    names, schema = schema_of(X.shape[1], levels, bins="entropy", label="label")
    lime = LimeTabularExplainer(
        X,
        training_labels=labels,
        categorical_features=levels,
        discretizer="entropy",
        random_state=seed,
    )
    expected = theirs(lime.explain_instance, row, lambda Z: sigmoid(response(Z)), num_samples=300)
    ours = explained(
        row_of(table_of(X, names, schema, labels), row.tolist()),
        lambda table: sigmoid(response(matrix(table))),
        samples=300,
        seed=seed,
        selection="highest",
    )
    same(ours, expected)


@pytest.mark.parametrize("seed", range(4))
def test_tables_of_a_regression(seed):
    X, levels, row, response = table_case(seed)
    names, schema = schema_of(X.shape[1], levels)
    lime = LimeTabularExplainer(
        X, mode="regression", categorical_features=levels, kernel_width=0.9, random_state=seed
    )
    expected = theirs(
        lime.explain_instance,
        row,
        response,
        num_samples=300,
        num_features=3,
    )
    ours = explained(
        row_of(table_of(X, names, schema), row.tolist()),
        lambda table: response(matrix(table)),
        task="regression",
        samples=300,
        features=3,
        seed=seed,
        selection="forward",
        kernel_width=0.9,
    )
    same(ours, expected)


WORDS = ["good", "bad", "cast", "Film", "don't", "it's", "naïve", "फिल्म", "映画", "x_1", "7"]


def random_text(rng):
    """Draw words with repeats, and all kinds of what stands between them."""
    between = [" ", ", ", "... ", "\n", "-", " (", ") "]
    pieces = [
        piece
        for word in rng.choice(WORDS, int(rng.integers(1, 14)))
        for piece in (str(word), str(rng.choice(between)))
    ]
    return "".join(pieces[: len(pieces) - int(rng.integers(0, 2))])


def mood(texts):
    z = [1.2 * t.count("good") - t.count("bad") + 0.1 * len(t) - 2 * ("Film" in t) for t in texts]
    return sigmoid(np.array(z) / 3)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("unit", ["lime-word", "lime-char"])
def test_texts(seed, merge, unit):
    text = random_text(np.random.default_rng(seed))
    features = (4, 10)[seed % 2]
    lime = LimeTextExplainer(bow=merge, char_level=unit == "lime-char", random_state=seed)
    expected = lime.explain_instance(text, mood, num_features=features, num_samples=200)
    mask = None if merge else {"lime-word": "UNKWORDZ", "lime-char": "\0"}[unit]
    ours = explained(
        text_of(text, merge, unit, mask),
        mood,
        samples=200,
        features=features,
        seed=seed,
        selection=auto(features),
    )
    same(ours, expected)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["float", "uint8"])
@pytest.mark.parametrize("hide", [None, 0])
def test_pictures_cut_by_a_given_map(seed, kind, hide):
    rng = np.random.default_rng(seed)
    pixels = (rng.random((12, 15, 3)) * 255).astype(kind)
    pieces = int(rng.integers(2, 12))
    labels = np.unique(rng.integers(0, pieces, (12, 15)), return_inverse=True)[1].reshape(12, 15)
    probe = rng.normal(size=pixels.shape)

    def model(images):
        return sigmoid((np.asarray(images, float) * probe).mean(axis=(1, 2, 3)) / 5)

    expected = LimeImageExplainer(random_state=seed).explain_instance(
        pixels,
        model,
        hide_color=hide,
        top_labels=None,
        num_samples=150,
        segmentation_fn=lambda _: labels,
    )
    gone = np.zeros_like(pixels)
    if hide is None:
        for label in range(labels.max() + 1):
            gone[labels == label] = pixels[labels == label].mean(axis=0)
    ours = explained(
        picture_of(pixels, gone, labels),
        model,
        samples=150,
        seed=seed,
        features=100_000,
        selection="highest",
    )
    same(ours, expected)


def test_a_picture_from_its_file_with_quickshift_and_means(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.png"
    big = Image.open(ROOT / "sample_data" / "scene.png").convert("RGB")
    big.resize((60, 44)).save(path)
    pixels = np.asarray(Image.open(path))
    probe = rng.normal(size=pixels.shape)

    def model(images):
        return sigmoid((np.asarray(images, float) * probe).mean(axis=(1, 2, 3)))

    expected = LimeImageExplainer(random_state=3).explain_instance(
        pixels, model, top_labels=None, num_samples=100
    )
    modality = ImageModality((str(path),), segmenter="lime", fill="lime", preprocess="raw")
    instance = modality.fitted(ModelInput()).read(next(modality.sources()))
    assert np.array_equal(instance.labels, expected.segments)
    assert len(instance.components) > 1
    settings = {"samples": 100, "features": 100_000, "selection": "highest"}
    same(explained(instance, model, seed=3, **settings), expected)


def components(result, target=0):
    assert result.code == 0, result.err
    found = json.loads(result.out)
    return found, [(one["name"], one["weight"]) for one in found["targets"][target]["components"]]


def test_a_forest_from_the_command_line(limex, tmp_path):
    path = readable("cancer_forest.joblib", tmp_path)
    table = pd.read_csv(ROOT / "sample_data" / "breast_cancer.csv").drop(columns="diagnosis")
    forest, X = joblib.load(path), table.to_numpy()
    lime = LimeTabularExplainer(X, random_state=5, feature_names=list(table.columns))

    def predict(Z):
        return forest.predict_proba(pd.DataFrame(Z, columns=table.columns))

    expected = theirs(lime.explain_instance, X[5], predict, num_features=4, num_samples=500)
    options = ("--like-lime", "--samples", 500, "--seed", 5, "--features", 4, "-f", "json")
    csv = "sample_data/breast_cancer.csv"
    found, ours = components(limex("explain", "tabular", path, csv, "--row", 5, *options))
    target = found["targets"][0]
    assert [w for _, w in ours] == pytest.approx([w for _, w in expected.as_list()], rel=1e-9)
    assert target["index"] == 1
    assert target["fit_r2"] == pytest.approx(expected.score, rel=1e-9)
    settings = found["settings"]
    assert (settings["samples"], found["samples"]) == (500, 499)
    assert (settings["selection"], settings["penalty"]) == ("forward", 1.0)
    assert (settings["like_lime"], settings["targets"]) == (True, ["label 1"])
    jsonschema.validate(found, SCHEMA)
    assert explanation_of(found).settings.like_lime


@pytest.mark.parametrize("options", [(), ("--each-position",), ("--unit", "char")])
def test_a_review_from_the_command_line(limex, tmp_path, options):
    path = readable("reviews.pkl", tmp_path)
    model = joblib.load(path)
    text = "A wonderful, wonderful film - don't miss it"
    lime = LimeTextExplainer(
        bow="--each-position" not in options, char_level="--unit" in options, random_state=0
    )
    expected = lime.explain_instance(text, model.predict_proba, num_samples=5000)
    found, ours = components(
        limex("explain", "text", path, "--text", text, "--like-lime", "-f", "json", *options)
    )
    assert ours == [(word, pytest.approx(weight, rel=1e-9)) for word, weight in expected.as_list()]
    assert found["settings"]["kernel_width"] == 25
    assert found["samples"] == 4999


def test_rows_together_are_explained_as_each_alone(limex):
    zoo = ("explain", "tabular", "sample_models/zoo_mlp.onnx", "sample_data/zoo.csv")
    options = ("--like-lime", "--samples", 300, "-f", "jsonl")
    together = limex(*zoo, "--row", "3,84", *options).out.splitlines()
    for row, line in zip(("3", "84"), together, strict=True):
        assert limex(*zoo, "--row", row, *options).out.splitlines() == [line]


def test_a_picture_has_limes_defaults_and_the_best_five_classes(limex):
    scene = ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png")
    found, ours = components(limex(*scene, "--like-lime", "-f", "json"))
    facts = found["instance"]["facts"]
    assert (facts["segmenter"], facts["fill"], found["samples"]) == ("lime", "lime", 999)
    assert len(found["targets"]) == 5
    assert len(ours) == facts["segments"]


def test_what_the_user_says_goes_before_limes_defaults(limex):
    scene = ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png")
    said = ("--segmenter", "grid", "--segments", 9, "--fill", "black", "--target", "predicted")
    more = ("--samples", 64, "--features", 3, "--selection", "lasso", "--penalty", 0)
    found, ours = components(limex(*scene, "--like-lime", *said, *more, "-f", "json"))
    facts, settings = found["instance"]["facts"], found["settings"]
    assert (facts["segmenter"], facts["segments"], facts["fill"]) == ("grid", 9, "black")
    assert (found["samples"], settings["selection"], settings["penalty"]) == (63, "lasso", 0.0)
    assert (len(ours), settings["targets"]) == (3, ["predicted"])


def test_a_number_of_segments_needs_a_segmenter_that_takes_one(limex):
    scene = ("explain", "image", "sample_models/scenes.onnx", "sample_data/scene.png")
    result = limex(*scene, "--like-lime", "--segments", 9)
    assert result.code == 2
    assert "--segments" in result.err
    assert "--segmenter" in result.err


def test_a_text_without_a_word_is_refused_in_words(limex):
    review = ("explain", "text", "sample_models/reviews.onnx", "--text", "...")
    result = limex(*review, "--like-lime")
    assert (result.code, result.out) == (3, "")
    assert "there are no words to vary" in result.err


@pytest.mark.parametrize("target", ["0", "all"])
def test_a_regression_has_one_target_and_limes_default_is_it(limex, target):
    table = ("explain", "tabular", "sample_models/diabetes.onnx", "sample_data/diabetes.csv")
    options = ("--row", 3, "--like-lime", "--samples", 200, "-f", "json")
    _, ours = components(limex(*table, *options))
    assert components(limex(*table, *options, "--target", target))[1] == ours


def test_missing_numbers_are_refused_as_lime_has_none(limex, tmp_path):
    table = pd.read_csv(ROOT / "sample_data" / "breast_cancer.csv")
    table.loc[7, "mean area"] = np.nan
    table.to_csv(tmp_path / "gaps.csv", index=False)
    model = "sample_models/cancer_forest.onnx"
    result = limex("explain", "tabular", model, tmp_path / "gaps.csv", "--row", 0, "--like-lime")
    assert result.code == 2
    assert "mean area" in result.err
    full = "sample_data/breast_cancer.csv"
    gap = ("explain", "tabular", model, tmp_path / "gaps.csv", "--background", full)
    result = limex(*gap, "--row", 7, "--like-lime")
    assert result.code == 3
    assert "mean area" in result.err
    result = limex(*gap, "--row", "6-8", "--like-lime", "-f", "jsonl", "--samples", 50)
    assert result.code == 6
    assert len(result.out.splitlines()) == 2
