"""Cases of ``overhead.py --inside``: one explanation against the bare call of its model, warm.

The bare call gets as many inputs of the same kind, ready made, in one go. marcotcr/lime, where it
is installed, explains the same with as many samples.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.problems import ROOT, background_of
from lime_cli.engine import explain
from lime_cli.engine.masks import Stage, draw
from lime_cli.engine.neighbourhood import ladder
from lime_cli.images.modality import ImageModality
from lime_cli.models.model_file import ModelFile
from lime_cli.settings import Settings
from lime_cli.sources import Source
from lime_cli.tabular.row import RowInstance
from lime_cli.texts.modality import TextModality

SAMPLES = 5000
IMAGES = 1000
SQUEEZENET = ROOT.parent / "shared" / "data" / "squeezenet_fp16.onnx"
"""A network of the usual size, for images of 224 x 224, where it is at hand."""


class Case(NamedTuple):
    """The same work by the model alone, by limex, and by marcotcr/lime."""

    name: str
    bound: float
    """What limex may take, in bare calls."""
    bare: Callable[[], Any]
    limex: Callable[[], Any]
    lime: Callable[[], Any]


def measure(runs: int) -> None:
    """Print medians in milliseconds, and by how much each is above the bare call."""
    warnings.simplefilter("ignore")
    print(f"{'case':<26}{'bare ms':>9}{'limex ms':>9}{'ratio':>7}{'bound':>7}{'lime':>7}")
    with TemporaryDirectory() as folder:
        for case in cases(Path(folder)):
            rows = [[took(one) for one in case[2:]] for _ in range(runs + 1)][1:]
            bare, limex, _ = (statistics.median(column) for column in zip(*rows, strict=True))
            ratio, lime = (statistics.median(row[i] / row[0] for row in rows) for i in (1, 2))
            times = f"{1e3 * bare:>9.1f}{1e3 * limex:>9.1f}"
            print(f"{case.name:<26}{times}{ratio:>7.2f}{case.bound:>7}{lime:>7.1f}", flush=True)


def cases(folder: Path) -> Iterator[Case]:
    """Yield tables, a text, and images."""
    for columns in (30, 200):
        X, y = make_classification(2000, columns, n_informative=12, random_state=0)
        forest = RandomForestClassifier(100, random_state=0)
        for kind, model, bound in (
            ("forest", forest, 1.3),
            ("logistic", LogisticRegression(max_iter=500), 5.0 if columns == 30 else 6.0),
        ):
            if columns == 30 or kind == "logistic":
                yield _table(f"{kind}, {columns} columns", model.fit(X, y), X, bound, folder)
        names = [f"c{j}" for j in range(columns)]
        model = _pipeline().fit(pd.DataFrame(X, columns=names), y)
        yield _table(f"pipeline, {columns} columns", model, X, bound, folder, names)
    yield _text(folder)
    yield from _images(folder)


def _pipeline() -> Any:
    """Return a logistic regression as people save one: of named columns, imputed and scaled."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, make_column_selector(dtype_include=np.number)))
    return make_pipeline(columns, LogisticRegression(max_iter=500))


def _table(
    name: str, model: Any, X: np.ndarray, bound: float, folder: Path, names: list[str] | None = None
) -> Case:
    from lime.lime_tabular import LimeTabularExplainer

    background = background_of(X)
    loaded = _loaded(model, folder)
    values = tuple(X[17].tolist())
    row = RowInstance(Source("17", "t.csv", 17), background, values, ())
    d = len(row.components)
    drawn = row.codes(draw(0, d, (Stage(SAMPLES, ladder(d)),), True))
    rows = np.stack(row.model_inputs(drawn).columns, axis=1)
    given = rows if names is None else pd.DataFrame(rows, columns=names)
    theirs = LimeTabularExplainer(X, random_state=0)

    def ask(rows: np.ndarray) -> np.ndarray:
        return model.predict_proba(rows if names is None else pd.DataFrame(rows, columns=names))

    return Case(
        name,
        bound,
        lambda: model.predict_proba(given),
        lambda: _explained(
            RowInstance(Source("17", "t.csv", 17), background, values, ()), loaded, SAMPLES
        ),
        lambda: theirs.explain_instance(X[17], ask, num_samples=SAMPLES),
    )


def _text(folder: Path) -> Case:
    from lime.lime_text import LimeTextExplainer

    lines = (ROOT / "sample_data" / "reviews.csv").read_text("utf-8").splitlines()[1:]
    words = [line.rpartition(",")[0].strip('"') for line in lines]
    labels = [line.rpartition(",")[2] for line in lines]
    text = " ".join(" ".join(words).split()[:500])
    forest = RandomForestClassifier(100, random_state=0)
    model = make_pipeline(TfidfVectorizer(lowercase=False), forest).fit(words, labels)
    loaded = _loaded(model, folder)
    modality = TextModality(text=text).fitted(loaded.input)
    (source,) = modality.sources()
    instance = modality.read(source)
    masks = np.random.default_rng(0).random((SAMPLES, len(instance.components)))
    shorter = instance.model_inputs((masks < 0.5).astype(np.int64))
    theirs = LimeTextExplainer(random_state=0, class_names=list(model.classes_))
    return Case(
        "text of 500 words, forest",
        1.3,
        lambda: model.predict_proba(shorter),
        lambda: _explained(modality.read(source), loaded, SAMPLES),
        lambda: theirs.explain_instance(text, model.predict_proba, num_samples=SAMPLES),
    )


def _images(folder: Path) -> Iterator[Case]:
    scenes = ModelFile(str(ROOT / "sample_models" / "scenes.onnx"), threads=1).load()
    modality = ImageModality((str(ROOT / "sample_data" / "scene.png"),)).fitted(scenes.input)
    yield _image("small image and network", 10.0, modality, scenes)
    if SQUEEZENET.exists():
        squeezenet = ModelFile(str(SQUEEZENET), threads=1).load()
        coffee = str(ROOT / "sample_data" / "scene.png")
        large = ImageModality((coffee,), preprocess="imagenet", n_segments=50)
        yield _image("image, SqueezeNet", 1.05, large.fitted(squeezenet.input), squeezenet)
    digits = load_digits()
    path = folder / "digit.npy.png"
    from PIL import Image

    Image.fromarray((digits.images[3] * 15).astype(np.uint8)).save(path)
    model = LogisticRegression(max_iter=2000).fit(digits.data / 16, digits.target)
    loaded = _loaded(Flat(model), folder)
    tiny = ImageModality((str(path),), channels="L", segmenter="grid", n_segments=16)
    yield _image("tiny image, logistic", 10.0, tiny.fitted(loaded.input), loaded)


class Flat:
    """A model of rows that takes images."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.classes_ = model.classes_

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Answer (n, height, width, channels) by the first channel."""
        return self.model.predict_proba(images[..., 0].reshape(len(images), -1))


def _image(name: str, bound: float, modality: ImageModality, model: Any) -> Case:
    from lime.lime_image import LimeImageExplainer

    (source,) = modality.sources()
    instance = modality.read(source)
    original = instance.original()
    inputs = np.repeat(original, IMAGES, axis=0)
    step = max(1, 8 * 2**20 // instance.input_bytes)
    theirs = LimeImageExplainer(random_state=0)
    image = np.repeat(original[0], 3 // original.shape[-1], axis=2).astype(float)

    def bare() -> None:
        for start in range(0, IMAGES, step):
            model._way.ask(inputs[start : start + step])

    def lime() -> None:
        theirs.explain_instance(
            image,
            lambda batch: model.predict(batch[..., : original.shape[-1]].astype(np.float32)),
            num_samples=IMAGES,
            segmentation_fn=lambda _: (
                np.arange(image[..., 0].size).reshape(image.shape[:2]) % len(instance.components)
            ),
            batch_size=step,
        )

    return Case(name, bound, bare, lambda: _explained(modality.read(source), model, IMAGES), lime)


def _loaded(model: Any, folder: Path) -> Any:
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    return ModelFile(str(path), trust=True).load()


def _explained(instance: Any, model: Any, samples: int) -> Any:
    return next(explain([instance], model, Settings(samples=samples)))


def took(work: Callable[[], Any]) -> float:
    """Return the seconds some work takes."""
    began = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        work()
    return time.perf_counter() - began
