"""How much faster texts are explained than by marcotcr/lime, for the same number of samples.

    python -m benchmarks.texts
    python -m benchmarks.texts --samples 1000 --rounds 9
    python -m benchmarks.texts --jobs 2

Texts of 500 words from Python's own manual (``pydoc_data.topics``), a TF-IDF with logistic
regression that tells two halves of it apart. Once as limex loads it from a file, which it
recognises; once behind a function, which it does not. Both sides run in this process in turn, on
one thread of every library; medians of wall-clock and of CPU seconds a text.

With ``--jobs 2`` limex is the whole command over a folder of 40 texts, or 400 where the model is
recognised: start, both workers, their models and the finished file are in its time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median

import joblib
from lime.lime_text import LimeTextExplainer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

from lime_cli.engine import explain
from lime_cli.models.model_file import ModelFile
from lime_cli.settings import Settings
from lime_cli.texts.modality import TextModality

WORDS = 500
FEATURES = 10
MANY = {"recognised": 400, "function": 40}
"""Texts of the whole command."""
STRANGER = """
import joblib
predict = joblib.load({path!r}).predict_proba
"""
"""A module whose function says nothing of the pipeline behind it."""


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


def command(model: str, texts: list[str], folder: Path, choices: argparse.Namespace) -> float:
    """Return the seconds a text of the whole command with several workers."""
    inputs = folder / f"{len(texts)}-texts"
    inputs.mkdir(exist_ok=True)
    for i, text in enumerate(texts):
        (inputs / f"{i:04d}.txt").write_text(text, "utf-8")
    asked = ["explain", "text", model, str(inputs), "-o", str(folder / "out"), "--restart", "-q"]
    asked += ["--samples", str(choices.samples), "-j", str(choices.jobs)]
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "lime_cli", *asked],
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    return (time.perf_counter() - began) / len(texts)


def compared(
    models: dict[str, str], texts: list[str], folder: Path, choices: argparse.Namespace
) -> None:
    """Print how long the whole command takes for a text, beside a loop over marcotcr/lime."""
    run = lime(joblib.load(folder / "manual.joblib"), choices.samples)
    for name, model in models.items():
        some = [texts[i * len(texts) // MANY[name]] for i in range(MANY[name])]
        ours, theirs = [], []
        for text in some[:: len(some) // choices.rounds][: choices.rounds]:
            began = time.perf_counter()
            run(text)
            theirs.append(time.perf_counter() - began)
        for _ in range(min(5, choices.rounds)):
            ours.append(command(model, some, folder, choices))
        a, b = median(ours), median(theirs)
        print(f"{name:12} limex {a:.3f} s a text   lime {b:.3f}   {b / a:.1f} times", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=0, metavar="N")
    choices = parser.parse_args()
    texts = manual()
    pipeline = trained(texts)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = folder / "manual.joblib"
        joblib.dump(pipeline, path)
        (folder / "benchmark_stranger.py").write_text(STRANGER.format(path=str(path)), "utf-8")
        models = {"recognised": str(path), "function": "py:benchmark_stranger:predict"}
        if choices.jobs:
            compared(models, texts, folder, choices)
            return
        sys.path.insert(0, place)
        ways = {
            "marcotcr/lime": lime(pipeline, choices.samples),
            "limex, recognised": limex(ModelFile(models["recognised"]), choices.samples),
            "limex, a function": limex(ModelFile(models["function"]), choices.samples),
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
        print(f"{name:20} {wall:8.3f} {times[0]:6.2f} {cpu:8.3f} {times[1]:6.2f}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
