"""Real problems that the benchmarks share: an instance and a model; 8 per modality."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lime_cli.engine.instance import Column, Component, Instance, Subject
from lime_cli.engine.masks import Everything, Masks, every_mask
from lime_cli.engine.model import Identity
from lime_cli.images.modality import ImageModality
from lime_cli.models.model_file import ModelFile, ModelInput
from lime_cli.sources import Source
from lime_cli.tables.cells import Cells
from lime_cli.tabular.background import build_background
from lime_cli.tabular.row import RowInstance
from lime_cli.tabular.schema import Schema
from lime_cli.texts.modality import TextModality

ROOT = Path(__file__).parents[1]
MODALITIES = ("tables", "texts", "images")


@dataclass(frozen=True, eq=False)
class Problem:
    """What to explain; ``model`` answers in one column, for the class explained."""

    name: str
    instance: Instance
    model: Any


class OneColumn:
    """A model that gives one probability of another."""

    warnings = ()
    probabilities = False

    def __init__(self, ask: Callable[[Any], np.ndarray], column: int) -> None:
        self.ask, self.column = ask, column
        self.identity = Identity("function", "", "regression", ("p",))

    def predict(self, inputs: Any) -> np.ndarray:
        """Return (n, 1)."""
        return np.asarray(self.ask(inputs), float)[:, [self.column]]


def problems(modality: str) -> Iterator[Problem]:
    """Yield the problems of a modality."""
    warnings.simplefilter("ignore")
    yield from {"tables": tables, "texts": texts, "images": images}[modality]()


def tables() -> Iterator[Problem]:
    """Breast cancer (30 columns) and loans-like data of mixed size under four kinds of model."""
    data = load_breast_cancer()
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(600, 12)) @ rng.normal(size=(12, 12))
    target = (np.sin(shapes[:, 0]) + shapes[:, 1] * shapes[:, 2] > 0).astype(int)
    for name, X, y in (("cancer", data.data, data.target), ("curved", shapes, target)):
        background = background_of(X)
        for kind, model in _classifiers():
            fitted = clone(model).fit(X, y)
            row = 17 if name == "cancer" else 23
            column = int(fitted.predict_proba(X[row : row + 1])[0].argmax())
            instance = RowInstance(
                Source(str(row), "t.csv", row), background, tuple(X[row].tolist()), ()
            )
            ask = _as_rows(fitted)
            yield Problem(f"{name} {kind}", instance, OneColumn(ask, column))


def texts() -> Iterator[Problem]:
    """The sample reviews, TF-IDF, four kinds of model, two texts."""
    lines = (ROOT / "sample_data" / "reviews.csv").read_text("utf-8").splitlines()[1:]
    words = [line.rpartition(",")[0].strip('"') for line in lines]
    labels = [line.rpartition(",")[2] for line in lines]
    long = max(words, key=len)
    review = (ROOT / "sample_data" / "review.txt").read_text("utf-8")
    for kind, model in _classifiers():
        fitted = make_pipeline(TfidfVectorizer(lowercase=False), clone(model)).fit(words, labels)
        for name, text in (("review", review), ("long", long + " " + words[3])):
            modality = TextModality(text=text).fitted(ModelInput())
            instance = modality.read(next(modality.sources()))
            column = int(fitted.predict_proba([text])[0].argmax())
            yield Problem(f"{name} {kind}", instance, OneColumn(fitted.predict_proba, column))


def images() -> Iterator[Problem]:
    """Scenes under the sample network, digits under four kinds of model."""
    network = ModelFile(str(ROOT / "sample_models" / "scenes.onnx"), threads=1).load()
    scene = str(ROOT / "sample_data" / "scene.png")
    for n_segments, fill in ((25, "mean"), (25, "black"), (50, "mean"), (50, "blur")):
        modality = ImageModality((scene,), n_segments=n_segments, fill=fill).fitted(network.input)
        instance = modality.read(next(modality.sources()))
        column = int(network.predict(instance.original())[0].argmax())
        yield Problem(f"scene {n_segments} {fill}", instance, OneColumn(network.predict, column))
    yield from _digits()


def _digits() -> Iterator[Problem]:
    digits = load_digits()
    for (kind, model), digit in zip(_classifiers(), (3, 8, 10, 21), strict=True):
        fitted = clone(model).fit(digits.data, digits.target)
        column = int(fitted.predict_proba(digits.data[digit : digit + 1])[0].argmax())
        instance = _DigitInstance(digits.data[digit].astype(np.float32), f"digit {digit}")
        yield Problem(f"digit {digit} {kind}", instance, OneColumn(fitted.predict_proba, column))


@dataclass(frozen=True, eq=False)
class _DigitInstance:
    """A digit of 8 x 8 pixels in 16 squares that stay or turn into the image's mean."""

    pixels: np.ndarray
    pool: str

    shared = False
    random = False
    n_rows = 1
    input_bytes = 512
    skipped = ()
    warnings = ()
    subject = Subject("0", "image", "digits", "", {})
    components = tuple(Component(f"square {j}", None, Column(str(j))) for j in range(16))

    def n_inputs(self) -> float:
        """Count the masks."""
        return 2.0**16

    def codes(self, masks: Masks) -> np.ndarray:
        """Return the masks, 1 for what is kept."""
        return (~masks.masked).astype(np.int8)

    def joint(self, masked: np.ndarray, _row: np.ndarray) -> np.ndarray:
        """Return the masks, 1 for what is kept."""
        return (~masked).astype(np.int8)

    def everything(self) -> Everything:
        """List every mask."""
        masks = every_mask(16)
        return Everything(self.codes(masks), masks.masked, np.ones(masks.n))

    def model_inputs(self, codes: np.ndarray) -> np.ndarray:
        """Return (n, 64) pixels."""
        stays = np.repeat(np.repeat(codes.reshape(-1, 4, 4), 2, axis=1), 2, axis=2)
        return np.where(stays.reshape(len(codes), 64) == 1, self.pixels, self.pixels.mean())

    def original(self) -> np.ndarray:
        """Return the digit."""
        return self.pixels[None]


@lru_cache(maxsize=1)
def _classifiers() -> tuple[tuple[str, Any], ...]:
    scaler = StandardScaler(with_mean=False)
    return (
        ("forest", RandomForestClassifier(100, random_state=0)),
        ("boosting", GradientBoostingClassifier(n_estimators=60, random_state=0)),
        ("MLP", make_pipeline(scaler, MLPClassifier((50,), random_state=0, max_iter=500))),
        ("SVM", make_pipeline(scaler, CalibratedClassifierCV(SVC(), ensemble=False))),
    )


def _as_rows(fitted: Any) -> Callable[[Any], np.ndarray]:
    return lambda table: fitted.predict_proba(np.stack(table.columns, axis=1))


def background_of(X: np.ndarray) -> Any:
    """Return the background of a table of numbers, its columns named c0, c1, ..."""
    names = tuple(f"c{j}" for j in range(X.shape[1]))
    rows = tuple(tuple(map(repr, line)) for line in X.tolist())
    cells = Cells("t.csv", names, rows, tuple(range(2, len(X) + 2)))
    return build_background(cells, names, Schema(numeric=names))
