"""The sample models and data fit together, and can be made again."""

from __future__ import annotations

import csv
import importlib.util
import json
import pickle
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.exceptions import InconsistentVersionWarning

ROOT = Path(__file__).parents[1]
MODELS, DATA = ROOT / "sample_models", ROOT / "sample_data"
ZOO_REFERENCE = ROOT.parent / "shared/data/zoo.csv"
ZOO_CLASSES = ["mammal", "bird", "reptile", "fish", "amphibian", "bug", "invertebrate"]
ARTEFACTS = (".pkl", ".joblib", ".onnx")
NAMES = ["zoo_mlp", "cancer_forest", "diabetes", "loans", "reviews"]
TWINS = ["zoo_mlp", "cancer_forest", "diabetes", "reviews"]
# An old scikit-learn beside a new SciPy warns while it trains.
pytestmark = pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")
UNREADABLE = (InconsistentVersionWarning, AttributeError, ImportError, TypeError, ValueError)


def imported(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sample_{name}", MODELS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = imported("build")
scenes = imported("scenes")


def load(path: Path) -> Any:
    if path.suffix == ".joblib":
        return joblib.load(path)
    return pickle.loads(path.read_bytes())


def stored(name: str) -> Any:
    """Return the committed model, or None where another scikit-learn version is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return load(MODELS / build.SAMPLES[name].file)
        except UNREADABLE:
            return None


def predictions(model: Any, features: Any) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(features))
    return np.asarray(model.predict(features))


def session(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODELS / f"{name}.onnx", providers=["CPUExecutionProvider"])


def twin_predictions(name: str, features: Any) -> np.ndarray:
    twin = session(name)
    if isinstance(features, pd.DataFrame):
        given = features.to_numpy(dtype=np.float32)
    else:
        given = np.array(features, dtype=object)[:, None]
    answer = twin.run(None, {twin.get_inputs()[0].name: given})[-1]
    return np.asarray(answer).reshape(len(given), -1).squeeze()


def notes(name: str) -> dict[str, str]:
    return dict(session(name).get_modelmeta().custom_metadata_map)


def scene_answer(image: Image.Image) -> dict[str, float]:
    small = image.convert("RGB").resize((scenes.SIDE, scenes.SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=np.float32).transpose(2, 0, 1)[None] / 255
    (shares,) = session("scenes").run(["probabilities"], {"image": pixels})
    classes = json.loads(notes("scenes")["limex.classes"])
    return dict(zip(classes, map(float, shares[0]), strict=True))


@pytest.mark.skipif(not ZOO_REFERENCE.exists(), reason="the reference table is not here")
def test_the_zoo_table_holds_the_same_animals_as_the_reference() -> None:
    with ZOO_REFERENCE.open(encoding="utf-8", newline="") as file:
        reference = list(csv.reader(file))
    with (DATA / "zoo.csv").open(encoding="utf-8", newline="") as file:
        ours = list(csv.reader(file))
    assert ours[0] == ["animal", *reference[0][1:-1], "class"]
    assert ours[1:] == [[*row[:-1], ZOO_CLASSES[int(row[-1]) - 1]] for row in reference[1:]]


def test_the_squirrel_is_data_row_84_and_a_mammal_to_the_model_that_never_saw_it(
    tmp_path: Path,
) -> None:
    row = build.frame("zoo").iloc[[84]]
    model = stored("zoo_mlp") or load(build.rebuild("zoo_mlp", tmp_path))
    shares = model.predict_proba(row.drop(columns=["animal", "class"]))[0]
    assert row["animal"].item() == "squirrel"
    assert dict(zip(model.classes_, shares, strict=True))["mammal"] > 0.9


def test_the_text_files_are_utf_8_with_unix_line_ends() -> None:
    for path in [*DATA.glob("*.csv"), *DATA.glob("*.txt")]:
        content = path.read_bytes()
        assert content.decode("utf-8").endswith("\n")
        assert b"\r" not in content


def test_the_reviews_are_balanced_distinct_and_do_not_hold_the_sample_review() -> None:
    texts, labels = build.reviews_data()
    assert len(set(texts)) == len(texts) >= 300
    assert (labels == "positive").sum() == (labels == "negative").sum()
    assert (DATA / "review.txt").read_text(encoding="utf-8").strip() not in texts


def test_the_artefacts_together_stay_below_three_megabytes() -> None:
    sizes = [path.stat().st_size for path in MODELS.iterdir() if path.suffix in ARTEFACTS]
    assert len(sizes) == 10
    assert sum(sizes) < 3_000_000


@pytest.mark.parametrize("name", TWINS)
def test_an_onnx_twin_predicts_what_its_pickle_predicts(name: str, tmp_path: Path) -> None:
    features, _ = build.SAMPLES[name].data()
    model = stored(name) or load(build.rebuild(name, tmp_path))
    ours = predictions(model, features)
    assert twin_predictions(name, features) == pytest.approx(ours, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["zoo_mlp", "cancer_forest", "reviews"])
def test_an_onnx_twin_names_its_classes_and_columns(name: str) -> None:
    features, labels = build.SAMPLES[name].data()
    held = notes(name)
    assert json.loads(held["limex.classes"]) == sorted(set(labels.tolist()))
    if isinstance(features, pd.DataFrame):
        assert json.loads(held["limex.features"]) == list(features.columns)


@pytest.mark.parametrize("name", NAMES)
def test_a_rebuilt_model_predicts_what_the_stored_one_predicts(name: str, tmp_path: Path) -> None:
    path = build.rebuild(name, tmp_path)
    features, _ = build.SAMPLES[name].data()
    ours, model = predictions(load(path), features), stored(name)
    assert path == tmp_path / build.SAMPLES[name].file
    if model is None:
        pytest.skip("the stored model is from another scikit-learn version")
    assert ours == pytest.approx(predictions(model, features), rel=1e-6, abs=1e-6)


def test_the_loans_model_takes_raw_strings_and_missing_values(tmp_path: Path) -> None:
    features, _ = build.loans_data()
    model = stored("loans") or load(build.rebuild("loans", tmp_path))
    holes = features[features.isna().any(axis=1)]
    strange = features.iloc[[0]].assign(city="Nowhere")
    assert len(holes) > 20
    assert np.isfinite(model.predict_proba(holes)).all()
    assert np.isfinite(model.predict_proba(strange)).all()


def test_the_sample_review_is_judged_as_positive() -> None:
    text = (DATA / "review.txt").read_text(encoding="utf-8")
    (label, _) = session("reviews").run(None, {"text": np.array([[text]], dtype=object)})
    assert label.tolist() == ["positive"]


def test_the_object_in_the_sample_scene_is_named() -> None:
    answer = scene_answer(Image.open(DATA / "scene.png"))
    assert answer[scenes.SCENE_OBJECT.label] > 0.9


def test_the_sample_scene_holds_nothing_once_its_object_is_painted_over() -> None:
    image = Image.open(DATA / "scene.png").convert("RGB")
    image.paste((85, 125, 52), scenes.SCENE_OBJECT[1:])
    assert scene_answer(image)["nothing"] > 0.9


def test_the_scenes_network_takes_several_pictures_at_once() -> None:
    pixels, numbers = scenes.draw_many(seed=3, count=40, blotted=0.0)
    network = session("scenes")
    (shares,) = network.run(None, {"image": pixels.astype(np.float32) / 255})
    assert shares.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)
    assert (shares.argmax(axis=1) == numbers).mean() > 0.9
    assert json.loads(notes("scenes")["limex.classes"]) == scenes.CLASSES
    assert notes("scenes")["limex.preprocess"] == "unit"
