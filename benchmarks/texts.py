"""How much faster texts are explained than by marcotcr/lime, for the same number of samples.

    python -m benchmarks.texts
    python -m benchmarks.texts --samples 1000 --rounds 9

Texts of 500 words from Python's own manual (``pydoc_data.topics``), a TF-IDF with logistic
regression that tells two halves of it apart. Once as limex loads it from a file, which it
recognises; once behind a function, which it does not. Both sides run in this process in turn, on
one thread of every library; medians of wall-clock and of CPU seconds a text.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from types import ModuleType

import joblib
from lime.lime_text import LimeTextExplainer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from lime_cli.engine import explain
from lime_cli.modalities.text import TextModality
from lime_cli.models import ModelFile
from lime_cli.settings import Settings

WORDS = 500
FEATURES = 10


def manual() -> list[str]:
    """Return the manual in texts of 500 words."""
    words = " ".join(topics[name] for name in sorted(topics)).split(" ")
    words = [word for word in words if word.strip()]
    return [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS, WORDS)]


def trained(texts: list[str]) -> Pipeline:
    """Tell texts of the first half of the alphabet from those of the second."""
    half = [int(i >= len(texts) / 2) for i in range(len(texts))]
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, half)


def limex(file: ModelFile, samples: int) -> Callable[[str], None]:
    """Return what explains one text as the command does."""
    model = file.load()

    def run(text: str) -> None:
        modality = TextModality(text=text).fitted(model.input)
        instance = modality.read(next(modality.sources()))
        list(explain([instance], model, Settings(samples=samples), {}))

    return run


def lime(pipeline: Pipeline, samples: int) -> Callable[[str], None]:
    """Return what explains one text as marcotcr/lime does."""

    def run(text: str) -> None:
        LimeTextExplainer(random_state=0).explain_instance(
            text, pipeline.predict_proba, num_samples=samples, num_features=FEATURES
        )

    return run


def measured(ways: dict[str, Callable[[str], None]], texts: list[str]) -> dict[str, list[float]]:
    """Return wall-clock and CPU seconds a text of each way, run in turn; medians."""
    found: dict[str, list[list[float]]] = {name: [[], []] for name in ways}
    for text in texts:
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way(text)
            found[name][0].append(time.perf_counter() - wall)
            found[name][1].append(time.process_time() - cpu)
    return {name: [median(wall), median(cpu)] for name, (wall, cpu) in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    choices = parser.parse_args()
    texts = manual()
    pipeline = trained(texts)
    stranger = ModuleType("benchmark_stranger")
    stranger.predict = pipeline.predict_proba  # type: ignore[attr-defined]
    sys.modules["benchmark_stranger"] = stranger
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manual.joblib"
        joblib.dump(pipeline, path)
        ways = {
            "marcotcr/lime": lime(pipeline, choices.samples),
            "limex, recognised": limex(ModelFile(str(path)), choices.samples),
            "limex, a function": limex(ModelFile("py:benchmark_stranger:predict"), choices.samples),
        }
        for way in ways.values():
            way(texts[0])
        step = max(1, len(texts) // choices.rounds)
        found = measured(ways, texts[1::step][: choices.rounds])
    base = found["marcotcr/lime"]
    print(f"{choices.samples} samples, {choices.rounds} texts of {WORDS} words, medians\n")
    print(f"{'':20} {'wall s':>8} {'times':>6} {'CPU s':>8} {'times':>6}")
    for name, (wall, cpu) in found.items():
        times = (base[0] / wall, base[1] / cpu)
        print(f"{name:20} {wall:8.3f} {times[0]:6.1f} {cpu:8.3f} {times[1]:6.1f}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
