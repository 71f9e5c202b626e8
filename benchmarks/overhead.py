"""What limex adds: processor time of a process over a bare script that makes the same predictions.

    python -m benchmarks.overhead [--runs 7] [--inside]

With --inside, one explanation in a warm process against the bare call of its model (inside.py).
Otherwise each case alternates a bare script and ``limex explain`` in fresh processes, after one
warm-up of each, and prints the medians and the median of the ratios, run by run. All run from byte
code, as installed packages do. Goal for the table in ONNX: 1.8.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ENV = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

TABLE = """
import joblib, pandas
model = joblib.load("sample_models/cancer_forest.joblib")
rows = pandas.read_csv("sample_data/breast_cancer.csv")[model.feature_names_in_]
print(model.predict_proba(rows.sample(4097, replace=True, random_state=0))[0])
"""

TABLE_ONNX = """
import csv, numpy, onnxruntime
session = onnxruntime.InferenceSession("sample_models/zoo_mlp.onnx")
lines = list(csv.reader(open("sample_data/zoo.csv")))[1:]
rows = numpy.array([line[1:17] for line in lines], dtype=float).astype(numpy.float32)
rows = rows[numpy.random.default_rng(0).integers(0, len(rows), 4097)]
print(session.run(["probabilities"], {"features": rows})[0][0])
"""

TEXT = """
import numpy, onnxruntime
session = onnxruntime.InferenceSession("sample_models/reviews.onnx")
texts = numpy.array([[open("sample_data/review.txt").read()]] * 2049, dtype=object)
print(session.run(["probabilities"], {"text": texts})[0][0])
"""

TEXT_PICKLE = """
import pickle
model = pickle.load(open("sample_models/reviews.pkl", "rb"))
print(model.predict_proba([open("sample_data/review.txt").read()] * 2049)[0])
"""

IMAGE = """
import numpy, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession("sample_models/scenes.onnx")
image = Image.open("sample_data/scene.png").convert("RGB").resize((96, 96))
one = (numpy.asarray(image, dtype=numpy.float32) / 255).transpose(2, 0, 1)[None]
for start in range(0, 1025, 205):
    answers = session.run(None, {"image": numpy.repeat(one, 205, axis=0)})[0]
print(answers[0])
"""


class Case(NamedTuple):
    """A bare script, and the command that makes as many predictions."""

    name: str
    script: str
    command: str


FOREST = "sample_models/cancer_forest.joblib sample_data/breast_cancer.csv"
CASES = (
    Case("table, forest", TABLE, f"tabular {FOREST} --row 3 --samples 4096"),
    Case(
        "table, ONNX",
        TABLE_ONNX,
        "tabular sample_models/zoo_mlp.onnx sample_data/zoo.csv --row 84 --samples 4096",
    ),
    Case(
        "text, pickle",
        TEXT_PICKLE,
        "text sample_models/reviews.pkl sample_data/review.txt --samples 2048",
    ),
    Case(
        "text, ONNX", TEXT, "text sample_models/reviews.onnx sample_data/review.txt --samples 2048"
    ),
    Case(
        "image, ONNX", IMAGE, "image sample_models/scenes.onnx sample_data/scene.png --samples 1024"
    ),
)


def main() -> None:
    """Run all cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    runs = options.runs
    if options.inside:
        from benchmarks.inside import measure

        measure(runs)
        return
    compileall.compile_dir(ROOT / "lime_cli", quiet=1)
    print(f"{'case':<16}{'bare s':>9}{'limex s':>9}{'ratio':>8}")
    for case in CASES:
        bare = [sys.executable, "-c", case.script]
        limex = [sys.executable, "-m", "lime_cli", "explain", *case.command.split(), "-f", "json"]
        took(bare), took(limex)
        pairs = [(took(bare), took(limex)) for _ in range(runs)]
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        ratio = statistics.median(ours / theirs for theirs, ours in pairs)
        print(f"{case.name:<16}{medians[0]:>9.3f}{medians[1]:>9.3f}{ratio:>8.2f}", flush=True)


def took(command: list[str]) -> float:
    """Return the seconds of the processor that a process takes, with those of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
