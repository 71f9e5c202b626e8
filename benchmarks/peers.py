"""limex beside marcotcr/lime, shap and captum, on the same models: one table, one command.

    pip install lime shap captum torch onnxruntime skl2onnx
    python benchmarks/peers.py [--runs 5] [--only PART] [--markdown FILE]
        [--figures FILE] [--readme]

Processor seconds and peak memory of whole commands, from the start of the process to the file
written; milliseconds of one explanation where all is loaded; rows at once; texts; images; and the
time to equal error. Every tool gets the same number of samples; *bare* is a script that loads the
same model and asks it as often. What is measured side by side is run in turn, and medians are
printed. A tool that is not installed is left out. ``--readme`` writes the short form into the
README; with ``--figures FILE`` a run in parts adds to the figures of the parts before.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]

SAMPLES, TEXT_SAMPLES, IMAGE_SAMPLES, ROWS = 5_000, 5_000, 1_000, 200
"""Of one explanation; and rows that are explained at once."""

SEEDS = 8
"""Explanations that an error is the mean of."""

COLUMNS = [f"c{j}" for j in range(30)]

TOOLS = {"lime": "lime", "shap": "shap", "captum": "captum"}
"""What has to be installed for the cases that begin so."""


class Case(NamedTuple):
    """One figure: what is explained, by which tool, and how."""

    part: str
    what: str
    tool: str
    run: Callable[[Path], Any]
    """Called in a fresh process, or with all loaded; returns what is timed where it is."""


def prepare(folder: Path) -> None:
    """Write the models and the table that all tools are given, and compile limex as pip does."""
    compileall.compile_dir(ROOT / "lime_cli", quiet=1)
    import joblib
    import pandas as pd
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4_000, 30)) * rng.uniform(0.5, 20, 30) + rng.uniform(-5, 50, 30)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    score = z @ rng.normal(size=30) / 3 + 0.5 * z[:, 0] * z[:, 1] + rng.normal(size=4_000) * 0.5
    frame = pd.DataFrame(x, columns=COLUMNS)
    frame.to_csv(folder / "train.csv", index=False)
    frame[:ROWS].to_csv(folder / "rows.csv", index=False)
    models = {
        "forest": RandomForestClassifier(100, random_state=0),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        "mlp": make_pipeline(
            StandardScaler(), MLPClassifier((64, 32), max_iter=60, random_state=0)
        ),
    }
    for name, model in models.items():
        with warnings.catch_warnings(action="ignore"):
            model.fit(x, score > 0)
        joblib.dump(model, folder / f"{name}.joblib")
    options = {"zipmap": False}
    graph = to_onnx(models["mlp"], x[:1].astype(np.float32), options=options)
    (folder / "mlp.onnx").write_bytes(graph.SerializeToString())


def predictor(folder: Path, model: str) -> Callable[[np.ndarray], np.ndarray]:
    """Load a model of a table as a function of rows."""
    if model.endswith(".onnx"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            str(folder / model), options, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: np.asarray(x, np.float32)})[1]
    import joblib

    return joblib.load(folder / model).predict_proba


def training(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "train.csv", delimiter=",", skiprows=1)


def limex(*words: object) -> list[str]:
    return [sys.executable, "-m", "lime_cli", *map(str, words)]


def of_row(model: str, *more: object) -> Callable[[Path], list[str]]:
    """Return the command that explains one row."""
    common = ("--background", "train.csv", "--row", 3, "-f", "json", "-o", "out.json", "--force")
    return lambda folder: limex("explain", "tabular", model, "rows.csv", *common, "-q", *more)


def mixed(folder: Path) -> np.ndarray:
    """Return as many rows as samples, each column drawn from the training rows by itself."""
    train, rng = training(folder), np.random.default_rng(0)
    return np.stack([rng.choice(column, SAMPLES) for column in train.T], axis=1)


def bare_row(folder: Path, model: str) -> None:
    found = predictor(folder, model)(mixed(folder))
    (folder / "out.json").write_text(json.dumps(found[0].tolist()))


def lime_table(folder: Path, seed: int = 0) -> Any:
    from lime.lime_tabular import LimeTabularExplainer

    return LimeTabularExplainer(training(folder), feature_names=COLUMNS, random_state=seed)


def lime_row(folder: Path, model: str) -> None:
    predict, train = predictor(folder, model), training(folder)
    found = lime_table(folder).explain_instance(train[3], predict, num_samples=SAMPLES)
    (folder / "out.json").write_text(json.dumps(found.as_list()))


def shap_row(folder: Path, model: str, kind: str) -> None:
    explain = shap_explainer(folder, model, kind)
    (folder / "out.json").write_text(json.dumps(np.asarray(explain()).tolist()))


def shap_explainer(folder: Path, model: str, kind: str) -> Callable[[], Any]:
    import shap

    train = training(folder)
    row, few = train[3:4], shap.kmeans(train, 1) if kind == "kernel" else train[:100]
    if kind == "tree":
        import joblib

        made = shap.TreeExplainer(joblib.load(folder / model))
        return lambda: made.shap_values(row)
    predict = predictor(folder, model)
    if kind == "kernel":
        kernel = shap.KernelExplainer(lambda x: predict(x)[:, 1], few)
        return lambda: kernel.shap_values(row, nsamples=SAMPLES, silent=True)
    permutation = shap.PermutationExplainer(lambda x: predict(x)[:, 1], few)
    return lambda: permutation(row, max_evals=610).values


def captum_explainer(folder: Path, model: str, kind: str) -> Callable[[], Any]:
    import captum.attr
    import torch

    predict, train = predictor(folder, model), training(folder)

    def forward(x: Any) -> Any:
        return torch.from_numpy(np.asarray(predict(x.numpy())[:, 1], np.float64))

    made = getattr(captum.attr, kind)(forward)
    row, mean = torch.from_numpy(train[3:4]), torch.from_numpy(train.mean(axis=0)[None])
    return lambda: made.attribute(
        row, baselines=mean, n_samples=SAMPLES, perturbations_per_eval=SAMPLES
    )


def limex_explainer(folder: Path, model: str, **choices: Any) -> Callable[[], Any]:
    import joblib
    import pandas as pd

    import lime_cli

    path = folder / model
    held = str(path) if model.endswith(".onnx") else joblib.load(path)
    train = pd.read_csv(folder / "train.csv")
    one = lime_cli.Explainer(held, background=train.to_numpy(), **choices)
    return lambda: one.explain(train.to_numpy()[3])


def lime_loaded(folder: Path, model: str) -> Callable[[], Any]:
    predict, made, row = predictor(folder, model), lime_table(folder), training(folder)[3]
    return lambda: made.explain_instance(row, predict, num_samples=SAMPLES)


def bare_loaded(folder: Path, model: str) -> Callable[[], Any]:
    predict, rows = predictor(folder, model), mixed(folder)
    return lambda: predict(rows)


TEXT = ROOT / "sample_data" / "review.txt"

TEXT_MODEL = ROOT / "sample_models" / "reviews.pkl"


def text_model() -> Any:
    import pickle

    return pickle.loads(TEXT_MODEL.read_bytes())


def bare_text(folder: Path) -> None:
    text = TEXT.read_text("utf-8")
    words, rng = text.split(), np.random.default_rng(0)
    kept = rng.random((TEXT_SAMPLES, len(words))) < 0.5
    texts = [" ".join(w for w, k in zip(words, row, strict=True) if k) for row in kept]
    (folder / "out.json").write_text(json.dumps(text_model().predict_proba(texts)[0].tolist()))


def lime_text(folder: Path) -> None:
    from lime.lime_text import LimeTextExplainer

    found = LimeTextExplainer(random_state=0).explain_instance(
        TEXT.read_text("utf-8"), text_model().predict_proba, num_samples=TEXT_SAMPLES
    )
    (folder / "out.json").write_text(json.dumps(found.as_list()))


def shap_text(folder: Path) -> None:
    import shap

    model = text_model()
    made = shap.Explainer(lambda x: model.predict_proba(list(x)), shap.maskers.Text(r"\W+"))
    found = made([TEXT.read_text("utf-8")], max_evals=TEXT_SAMPLES, silent=True)
    (folder / "out.json").write_text(json.dumps(found.values[0].tolist()))


IMAGE = ROOT / "sample_data" / "scene.png"

IMAGE_MODEL = ROOT / "sample_models" / "scenes.onnx"


def image_model() -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
    """Return a function of images (n, 96, 96, 3) in [0, 1], and one of them."""
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(IMAGE_MODEL), options)
    name = session.get_inputs()[0].name

    def predict(images: np.ndarray) -> np.ndarray:
        given = np.asarray(images, np.float32).transpose(0, 3, 1, 2)
        parts = [session.run(None, {name: given[i : i + 16]})[0] for i in range(0, len(given), 16)]
        return np.concatenate(parts)

    return predict, np.asarray(Image.open(IMAGE).convert("RGB").resize((96, 96))) / 255


def save_image(pixels: np.ndarray, folder: Path) -> None:
    from PIL import Image

    Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8)).save(folder / "out.png")


def bare_image(folder: Path) -> None:
    predict, image = image_model()
    for start in range(0, IMAGE_SAMPLES, 16):
        predict(np.repeat(image[None], min(16, IMAGE_SAMPLES - start), axis=0))
    save_image(image, folder)


def lime_image(folder: Path) -> None:
    from lime.lime_image import LimeImageExplainer
    from skimage.segmentation import mark_boundaries, slic

    predict, image = image_model()
    found = LimeImageExplainer(random_state=0).explain_instance(
        image,
        predict,
        num_samples=IMAGE_SAMPLES,
        segmentation_fn=lambda x: slic(x, n_segments=50, compactness=10, sigma=1, start_label=0),
    )
    drawn, mask = found.get_image_and_mask(found.top_labels[0], hide_rest=False)
    save_image(mark_boundaries(drawn, mask), folder)


def captum_image(folder: Path) -> None:
    import torch
    from captum.attr import Lime
    from skimage.segmentation import slic

    predict, image = image_model()
    top = int(predict(image[None])[0].argmax())
    labels = slic(image, n_segments=50, compactness=10, sigma=1, start_label=0)

    def forward(x: Any) -> Any:
        return torch.from_numpy(np.asarray(predict(x.numpy())[:, top], np.float64))

    found = Lime(forward).attribute(
        torch.from_numpy(image[None]),
        baselines=float(image.mean()),
        feature_mask=torch.from_numpy(labels[None, :, :, None].repeat(3, axis=3)),
        n_samples=IMAGE_SAMPLES,
        perturbations_per_eval=16,
    )
    weights = found[0].numpy()
    save_image(image * 0.5 + (weights > 0) * 0.5, folder)


def lime_rows(folder: Path, model: str) -> None:
    predict, train, made = predictor(folder, model), training(folder), lime_table(folder)
    with (folder / "out.jsonl").open("w") as out:
        for row in train[:ROWS]:
            found = made.explain_instance(row, predict, num_samples=SAMPLES)
            out.write(json.dumps(found.as_list()) + "\n")


def shap_rows(folder: Path, model: str) -> None:
    import joblib
    import shap

    found = shap.TreeExplainer(joblib.load(folder / model)).shap_values(training(folder)[:ROWS])
    (folder / "out.json").write_text(json.dumps(np.asarray(found).tolist()))


def all_rows(model: str, *more: object) -> Callable[[Path], list[str]]:
    common = ("--background", "train.csv", "--all", "-f", "jsonl", "-o", "out.jsonl", "--force")
    return lambda folder: limex("explain", "tabular", model, "rows.csv", *common, "-q", *more)


def _cases() -> Iterator[Case]:
    fixed = ("--samples", SAMPLES)
    for model in ("forest.joblib", "logistic.joblib", "mlp.onnx"):
        part = ("one row, whole command", model)
        yield Case(*part, "bare", lambda f, m=model: bare_row(f, m))
        yield Case(*part, "limex", of_row(model, *fixed))
        yield Case(*part, "limex auto", of_row(model))
        yield Case(*part, "lime", lambda f, m=model: lime_row(f, m))
        yield Case(*part, "shap Kernel", lambda f, m=model: shap_row(f, m, "kernel"))
        yield Case(*part, "shap Permutation", lambda f, m=model: shap_row(f, m, "permutation"))
        if model.startswith("forest"):
            yield Case(*part, "shap Tree", lambda f, m=model: shap_row(f, m, "tree"))
    for model in ("forest.joblib", "logistic.joblib"):
        part = (f"{ROWS} rows, whole command", model)
        yield Case(*part, "limex", all_rows(model, *fixed))
        yield Case(*part, "limex auto", all_rows(model))
        yield Case(*part, "lime", lambda f, m=model: lime_rows(f, m))
        if model.startswith("forest"):
            yield Case(*part, "shap Tree", lambda f, m=model: shap_rows(f, m))
    part = ("a text, whole command", TEXT_MODEL.name)
    words = ("explain", "text", TEXT_MODEL, TEXT, "-f", "json", "-o", "out.json", "--force", "-q")
    yield Case(*part, "bare", bare_text)
    yield Case(*part, "limex", lambda _: limex(*words, "--samples", TEXT_SAMPLES))
    yield Case(*part, "limex auto", lambda _: limex(*words))
    yield Case(*part, "lime", lime_text)
    yield Case(*part, "shap Partition", shap_text)
    part = ("an image, whole command", IMAGE_MODEL.name)
    shown = ("explain", "image", IMAGE_MODEL, IMAGE, "-o", "out.png", "--force", "-q")
    shown = (*shown, "--threads", 1)
    yield Case(*part, "bare", bare_image)
    yield Case(*part, "limex", lambda _: limex(*shown, "--samples", IMAGE_SAMPLES))
    yield Case(*part, "limex auto", lambda _: limex(*shown))
    yield Case(*part, "lime", lime_image)
    yield Case(*part, "captum Lime", captum_image)
    for model in ("forest.joblib", "logistic.joblib", "mlp.onnx"):
        part = ("one row, all loaded", model)
        yield Case(*part, "bare", lambda f, m=model: bare_loaded(f, m))
        yield Case(*part, "limex", lambda f, m=model: limex_explainer(f, m, samples=SAMPLES))
        yield Case(*part, "limex auto", lambda f, m=model: limex_explainer(f, m))
        yield Case(*part, "lime", lambda f, m=model: lime_loaded(f, m))
        for kind in ("kernel", "permutation", *["tree"] * model.startswith("forest")):
            tool = f"shap {kind.capitalize()}"
            yield Case(*part, tool, lambda f, m=model, k=kind: shap_explainer(f, m, k))
        for kind in ("Lime", "KernelShap"):
            tool = f"captum {kind}"
            yield Case(*part, tool, lambda f, m=model, k=kind: captum_explainer(f, m, k))


CASES = list(_cases())


class Cost(NamedTuple):
    """What a run took."""

    seconds: float
    """Of the processor, user and system."""
    megabytes: float
    """Most memory at a time, of the largest process; 0 where it was not measured."""


def whole(number: int, folder: Path) -> Cost:
    """Run a case in a fresh process; raise RuntimeError where it fails."""
    case = CASES[number]
    command = case.run(folder) if case.tool.startswith("limex") else None
    command = command or [sys.executable, __file__, "--run", str(number), str(folder)]
    process = subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode("utf-8", "replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{case.tool}, {case.what}: {said.strip()[-400:]}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _environment() -> dict[str, str]:
    """One thread for libraries, for every tool; modules compiled as an installation has them."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": str(ROOT), **dict.fromkeys(names, "1")}


def loaded(number: int, folder: Path, runs: int) -> list[float]:
    """Return milliseconds of the processor for each of some explanations, the first aside."""
    explain, found = CASES[number].run(folder), []
    for _ in range(runs + 1):
        begin = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            explain()
        found.append(1e3 * (time.process_time() - begin))
    return found[1:]


def weights_of(folder: Path, model: str, tool: str, samples: int, seed: int) -> np.ndarray:
    """Return the weights of all columns."""
    if tool == "lime":
        made, row = lime_table(folder, seed), training(folder)[3]
        found = made.explain_instance(
            row, predictor(folder, model), num_features=30, num_samples=samples
        )
        pairs = dict(found.as_map()[1])
        return np.array([pairs.get(j, 0.0) for j in range(30)])
    explain = limex_explainer(
        folder, model, samples=samples, seed=seed, features=30, selection="none", target=1
    )
    components = json.loads(explain().to_json())["targets"][0]["components"]
    held = {one["where"]["column"]: one["weight"] for one in components}
    return np.array([held.get(name, held.get(str(j), 0.0)) for j, name in enumerate(COLUMNS)])


def equal_error(folder: Path, model: str) -> Iterator[list[str]]:
    """Yield what lime's error at its samples is, and what limex needs for no more of it."""

    def error(tool: str, samples: int) -> float:
        found = [weights_of(folder, model, tool, samples, seed) for seed in range(1, SEEDS + 1)]
        return float(np.mean([np.abs(one - limits[tool]).max() for one in found])) / float(
            np.abs(limits[tool]).max()
        )

    with warnings.catch_warnings(action="ignore"):
        limits = {
            tool: np.mean([weights_of(folder, model, tool, 50_000, s) for s in range(3)], axis=0)
            for tool in ("lime", "limex")
        }
        wanted = error("lime", SAMPLES)
        needed, reached = SAMPLES, np.inf
        for samples in (128, 256, 512, 1_024, 2_048, 4_096, 8_192):
            needed, reached = samples, error("limex", samples)
            if reached <= wanted:
                break
    times = {}
    for tool, make in (
        ("lime", lambda: lime_loaded(folder, model)),
        ("limex", lambda: limex_explainer(folder, model, samples=needed)),
    ):
        explain, spent = make(), []
        for _ in range(6):
            begin = time.process_time()
            with warnings.catch_warnings(action="ignore"):
                explain()
            spent.append(1e3 * (time.process_time() - begin))
        times[tool] = statistics.median(spent[1:])
    yield [model, "lime", f"{SAMPLES:,}", f"{wanted:.3f}", f"{times['lime']:.1f} ms"]
    yield [model, "limex", f"{needed:,}", f"{reached:.3f}", f"{times['limex']:.1f} ms"]


def table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(one)} |" for one in lines) + "\n"


def machine() -> str:
    """Say when and where the figures were made, and with which versions."""
    names = ("numpy", "scikit-learn", "onnxruntime", "lime", "shap", "captum", "torch")
    found = []
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    chip = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        chip = next(one.partition(": ")[2] for one in lines if one.startswith("model name"))
    return f"{date.today()}, {chip}, one thread, Python {platform.python_version()}, " + ", ".join(
        found
    )


Figures = dict[tuple[str, str, str], str]
"""By part, model and tool."""

SHORT = {
    "row, forest, everything loaded": ("one row, all loaded", "forest.joblib"),
    "row, network in ONNX, everything loaded": ("one row, all loaded", "mlp.onnx"),
    "row, network in ONNX, whole command": ("one row, whole command", "mlp.onnx"),
    f"{ROWS} rows, forest, whole command": (f"{ROWS} rows, whole command", "forest.joblib"),
    "text, whole command": ("a text, whole command", TEXT_MODEL.name),
    "image, whole command": ("an image, whole command", IMAGE_MODEL.name),
}

SHORT_TOOLS = ("limex", "lime", "shap Kernel", "shap Tree", "captum Lime")

BEGIN, END = "<!-- made by benchmarks/peers.py --readme -->", "<!-- end -->"


def short(figures: Figures) -> str:
    """Return the short form that the README shows."""
    rows = []
    for name, of in SHORT.items():
        found = [figures.get((*of, tool), "") for tool in SHORT_TOOLS]
        if any(found):
            rows.append([name, *found])
    aligned = table(["", *SHORT_TOOLS], rows).replace("| --- " * 6, "|---" + "|--:" * 5, 1)
    return f"Processor time of {SAMPLES:,} samples a row or text, {IMAGE_SAMPLES:,} an image; " + (
        f"{machine()}.\n\n{aligned}"
    )


def read_figures(path: Path) -> Figures:
    held = json.loads(path.read_text("utf-8")) if path.exists() else []
    return {(part, what, tool): figure for part, what, tool, figure in held}


def write_short(figures: Figures) -> None:
    path = ROOT / "README.md"
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{short(figures)}{END}{rest.partition(END)[2]}", "utf-8")


def measured(folder: Path, runs: int, only: str, figures: Figures) -> Iterator[str]:
    """Yield the tables of the parts whose names hold ``only``; keep their figures."""
    there = {name for name, module in TOOLS.items() if importlib.util.find_spec(module)}
    chosen = [
        number
        for number, case in enumerate(CASES)
        if only in case.part and case.tool.split()[0] in {"bare", "limex", *there}
    ]
    for part in dict.fromkeys(CASES[number].part for number in chosen):
        numbers = [number for number in chosen if CASES[number].part == part]
        costs: dict[int, list[Cost]] = {number: [] for number in numbers}
        if part.endswith("all loaded"):
            for number in numbers:
                command = [sys.executable, __file__, "--run", str(number), str(folder)]
                done = subprocess.run(
                    [*command, "--runs", str(runs)],
                    env=_environment(), cwd=folder, capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise RuntimeError(done.stderr[-600:])
                costs[number] = [Cost(one, 0) for one in json.loads(done.stdout.splitlines()[-1])]
        else:
            for turn in range(0 if runs > 1 else 1, runs + 1):  # the first warms up
                for number in numbers:
                    cost = whole(number, folder)
                    costs[number] += [cost] * (turn > 0)
        rows, floor = [], {}
        for number in numbers:
            case, unit = CASES[number], "ms" if part.endswith("all loaded") else "s"
            seconds = statistics.median(one.seconds for one in costs[number])
            memory = statistics.median(one.megabytes for one in costs[number])
            floor.setdefault(case.what, seconds)
            ratio = f"{seconds / floor[case.what]:.2f}"
            held = [f"{memory:.0f} MB"] * (unit == "s")
            figures[case[:3]] = f"{seconds:.3g} {unit}"
            rows.append([case.what, case.tool, figures[case[:3]], ratio, *held])
        first = "limex" if part.endswith("rows, whole command") else "bare"
        headings = ["model", "tool", "processor", f"to {first}", *["memory"] * (len(rows[0]) > 4)]
        yield f"**{part}**\n\n{table(headings, rows)}"
    if only in "time to equal error" and "lime" in there:
        models = ("logistic.joblib", "forest.joblib")
        rows = []
        for model in models:  # in a process of one thread, as all that is measured
            command = [sys.executable, __file__, "--equal-error", model, str(folder)]
            done = subprocess.run(command, env=_environment(), cwd=folder, capture_output=True)
            if done.returncode:
                raise RuntimeError(done.stderr.decode("utf-8", "replace")[-600:])
            rows += json.loads(done.stdout.splitlines()[-1])
        headings = ["model", "tool", "samples", "error of the weights", "processor"]
        yield f"**time to equal error**\n\n{table(headings, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", metavar="PART")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--figures", type=Path, metavar="FILE")
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--run", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--equal-error", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        prepare(asked.prepare)
        return
    if asked.equal_error:
        model, place = asked.equal_error
        print(json.dumps(list(equal_error(Path(place), model))))
        return
    if asked.run:
        number, folder = int(asked.run[0]), Path(asked.run[1])
        if CASES[number].part.endswith("all loaded"):
            print(json.dumps(loaded(number, folder, asked.runs)))
        else:
            CASES[number].run(folder)
        return
    parts, figures = [machine() + "\n"], Figures()
    print(parts[0], flush=True)
    with TemporaryDirectory() as folder:
        # not in this process: a child begins with the memory of its parent
        subprocess.run([sys.executable, __file__, "--prepare", folder], check=True)
        for one in measured(Path(folder), asked.runs, asked.only, figures):
            parts.append(one)
            print(one, flush=True)
    if asked.markdown is not None:
        asked.markdown.write_text("\n".join(parts), "utf-8")
    if asked.figures is not None:
        figures = {**read_figures(asked.figures), **figures}
        listed = [[*case, figure] for case, figure in figures.items()]
        asked.figures.write_text(json.dumps(listed, indent=0), "utf-8")
    if asked.readme:
        write_short(figures)


if __name__ == "__main__":
    main()
