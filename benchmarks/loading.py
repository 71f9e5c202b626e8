"""What limex adds until a model of some size first answers, over a bare script that loads it.

    python benchmarks/loading.py [--runs 5] [--folder FOLDER]
    python benchmarks/loading.py --kinds [--large] [--runs 30] [--folder FOLDER]

The models are made once, in the folder: a forest of about 50 MB as a pickle and as joblib writes
it, 300 small boosted trees, a TF-IDF model of 60,000 words, and an ONNX file of about 20 MB. Each
line times whole processes, from their start to the first answer: a bare script against the adapter
of limex, taking turns;
the last column is the unpickling alone, in processor time, against joblib.load: the first of a
process, as a second one finds its memory ready. All run from byte code, which pip makes of what it
installs. Goals: at most 1.3 for pickles, 1.15 for ONNX, 2 for the unpickling.

With --kinds: what unpickling costs for every kind of model, in one process that has done it before:
the least processor time of many runs, beside pickle.load, joblib.load or skops.io.load. Bound:
twice that or 3 ms more, whichever is larger. A line beyond its bound ends with a mark. With
--large, pickles of which plain loading takes 20 ms or so, which shows what grows with a file.
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import numpy as np

ROOT = Path(__file__).parents[1]
ENV = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
ROWS, COLUMNS, LAYERS, WIDTH = 20000, 20, 5, 1024
MORE = 3.0
"""Milliseconds that small models may take more, however soon they load without checks."""

BARE = """
import joblib, numpy
print(joblib.load({path!r}).predict_proba(numpy.full((1, {columns}), 0.5)))
"""
BARE_PICKLE = """
import pickle, numpy
print(pickle.load(open({path!r}, "rb")).predict_proba(numpy.full((1, {columns}), 0.5)))
"""
BARE_ONNX = """
import numpy, onnxruntime
session = onnxruntime.InferenceSession({path!r}, providers=["CPUExecutionProvider"])
print(session.run(None, {{"x": numpy.full((1, {columns}), 0.5, numpy.float32)}}))
"""
LIMEX = """
import numpy
from lime_cli.tabular.row import Table
from lime_cli.models.model_file import ModelFile
columns = tuple(numpy.full(1, 0.5) for _ in range({columns}))
model = ModelFile({path!r}).load()
print(model.predict(Table(tuple(f"x{{n}}" for n in range({columns})), columns)))
"""
LIMEX_TEXTS = """
from lime_cli.models.model_file import ModelFile
print(ModelFile({path!r}).load().predict(["w0 w1eef"]))
"""
UNPICKLING = """
import time, joblib, sklearn.ensemble
from pathlib import Path
from lime_cli.models.pickles.loading import unpickle
began = time.process_time()
loaded = {load}
print(time.process_time() - began)
"""
LOADS = "joblib.load({path!r})", "unpickle(Path({path!r}))"


def main() -> None:
    """Make the models where they are missing, time all, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "limex-loading"))
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--large", action="store_true")
    chosen = parser.parse_args()
    chosen.folder.mkdir(exist_ok=True)
    if chosen.kinds:
        compare_kinds(chosen.folder, chosen.runs, large=chosen.large)
        return
    print(f"{'file':<22}{'MB':>7}{'bare s':>9}{'limex s':>9}{'ratio':>8}{'unpickling':>12}")
    for name, make in MODELS.items():
        path = chosen.folder / name
        if not path.exists():
            make(path)
        line(path, chosen.runs)


def line(path: Path, runs: int) -> None:
    """Time one file and print what came out."""
    bare = {".onnx": BARE_ONNX, ".pkl": BARE_PICKLE}.get(path.suffix, BARE)
    words = {"path": str(path), "columns": WIDTH if path.suffix == ".onnx" else COLUMNS}
    ours = LIMEX_TEXTS if path.stem == "words" else LIMEX
    if path.stem == "words":
        bare = bare.replace("numpy.full((1, {columns}), 0.5)", "['w0 w1eef']")
    scripts = bare.format(**words), ours.format(**words)
    for script in scripts:
        took(script)
    pairs = [tuple(took(script) for script in scripts) for _ in range(runs)]
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    alone = "" if path.suffix == ".onnx" else f"{unpickling(path, runs):.2f}"
    megabytes = path.stat().st_size / 1e6
    print(
        f"{path.name:<22}{megabytes:>7.1f}{medians[0]:>9.3f}{medians[1]:>9.3f}{ratio:>8.2f}"
        f"{alone:>12}",
        flush=True,
    )


def unpickling(path: Path, runs: int) -> float:
    """Return what our unpickling takes over that of joblib, in processor time."""
    scripts = [UNPICKLING.format(load=load.format(path=str(path))) for load in LOADS]
    pairs = [tuple(float(said(script)) for script in scripts) for _ in range(runs)]
    return statistics.median(ours / theirs for theirs, ours in pairs)


def compare_kinds(folder: Path, runs: int, *, large: bool) -> None:
    """Print a line for each kind of model and each form of its file."""
    from lime_cli.models import skops
    from lime_cli.models.content import Content
    from lime_cli.models.model_file import ModelFile
    from lime_cli.models.pickles.loading import unpickle

    def load_skops(path: Path) -> object:
        return skops.load(ModelFile(str(path)), Content(path))

    print(f"{'file':<32}{'kB':>8}{'plain ms':>10}{'limex ms':>10}{'ratio':>8}")
    forms = {form: FORMS[form] for form in LARGE} if large else FORMS
    for name, model in (large_kinds() if large else kinds()).items():
        for form, (write, read) in forms.items():
            size = "large-" if large else ""
            path = folder / f"{size}{name.replace(' ', '-')}{form}"
            write(model, path)
            ours: Callable[[], object] = partial(unpickle, path)
            if form == ".skops":
                ours = partial(load_skops, path)
            least = [math.inf, math.inf]
            for _ in range(runs):
                for place, load in enumerate((partial(read, path), ours)):
                    began = time.process_time()
                    load()
                    least[place] = min(least[place], 1000 * (time.process_time() - began))
            kilobytes = path.stat().st_size / 1000
            ratio = least[1] / least[0]
            mark = " beyond" if least[1] > max(2 * least[0], least[0] + MORE) else ""
            print(
                f"{path.name:<32}{kilobytes:>8.0f}{least[0]:>10.2f}{least[1]:>10.2f}{ratio:>8.2f}"
                f"{mark}",
                flush=True,
            )


def kinds() -> dict[str, object]:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    table, classes = rows_and_classes()
    columns = make_column_transformer(
        (StandardScaler(), list(range(9))), (OneHotEncoder(handle_unknown="ignore"), [9])
    )
    coded = np.column_stack([table[:, :9], np.round(table[:, 9] * 5)])
    return {
        "forest": RandomForestClassifier(500, random_state=0, max_depth=5).fit(table, classes),
        "deep forest": RandomForestClassifier(200, random_state=0).fit(table, classes),
        "boosting": GradientBoostingClassifier(n_estimators=300).fit(table, classes),
        "histogram boosting": HistGradientBoostingClassifier().fit(table, classes),
        "words": words(),
        "machine": SVC().fit(table, classes),
        "network": MLPClassifier((100,), max_iter=20, tol=1).fit(table, classes),
        "pipeline": make_pipeline(columns, LogisticRegression()).fit(coded, classes),
    }


def rows_and_classes() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    table = random.random((1500, 10))
    return table, (table[:, 0] + table[:, 1] + random.normal(0, 0.3, 1500) > 1).astype(int)


def large_kinds() -> dict[str, object]:
    from sklearn.ensemble import (
        AdaBoostClassifier,
        BaggingClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        IsolationForest,
        RandomForestClassifier,
        VotingClassifier,
    )
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import LabelEncoder, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    table, classes = rows_and_classes()
    few, some = (table[:400], classes[:400]), (table, np.random.default_rng(1).integers(0, 3, 1500))
    rounds = HistGradientBoostingClassifier(max_iter=1000, max_leaf_nodes=8, early_stopping=False)
    many = HistGradientBoostingClassifier(max_iter=3000, max_leaf_nodes=8, early_stopping=False)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    kinds = pipeline, GaussianNB(), DecisionTreeClassifier()
    return {
        "forest": RandomForestClassifier(2000, random_state=0, max_depth=5).fit(table, classes),
        "deep forest": RandomForestClassifier(1000, random_state=0).fit(table, classes),
        "boosting": GradientBoostingClassifier(n_estimators=3000, subsample=0.3).fit(*few),
        "histogram boosting": many.fit(table, classes),
        "histogram boosting of three classes": rounds.fit(*some),
        "AdaBoost": AdaBoostClassifier(n_estimators=2000, learning_rate=0.1).fit(table, classes),
        "bagging": BaggingClassifier(n_estimators=1000).fit(*few),
        "bagging of losses": BaggingClassifier(SGDClassifier(), n_estimators=1000).fit(*few),
        "bagging of boosting": BaggingClassifier(
            GradientBoostingClassifier(n_estimators=5), n_estimators=50
        ).fit(*few),
        "bagging of neighbours": BaggingClassifier(
            KNeighborsClassifier(), n_estimators=200, max_samples=0.2
        ).fit(*few),
        "bagging of histogram boosting": BaggingClassifier(
            HistGradientBoostingClassifier(max_iter=5), n_estimators=60
        ).fit(*few),
        "several kinds": VotingClassifier([(f"m{n}", kinds[n % 3]) for n in range(300)]).fit(*few),
        "named pipelines": VotingClassifier([(f"m{n}", pipeline) for n in range(300)]).fit(*few),
        "isolation forest": IsolationForest(n_estimators=1000).fit(table),
        "words": words(200_000),
        "labels": LabelEncoder().fit([f"label{n * 7919:x}" for n in range(500_000)]),
        "network": MLPClassifier((2000, 1000), max_iter=1, tol=1).fit(*few),
    }


def read_skops(path: Path) -> object:
    from skops.io import get_untrusted_types, load

    return load(path, trusted=get_untrusted_types(file=path))


def write_skops(model: object, path: Path) -> None:
    from skops.io import dump

    dump(model, path)


Write, Read = Callable[[object, Path], object], Callable[[Path], object]
FORMS: dict[str, tuple[Write, Read]] = {
    ".pkl": (
        lambda model, path: path.write_bytes(pickle.dumps(model)),
        lambda path: pickle.loads(path.read_bytes()),
    ),
    "-5.pkl": (
        lambda model, path: path.write_bytes(pickle.dumps(model, 5)),
        lambda path: pickle.loads(path.read_bytes()),
    ),
    ".joblib": (joblib.dump, joblib.load),
    "-packed.joblib": (lambda model, path: joblib.dump(model, path, compress=3), joblib.load),
    ".skops": (write_skops, read_skops),
}


LARGE = (".pkl", "-5.pkl")


def took(script: str) -> float:
    """Return the seconds a process takes."""
    began = time.perf_counter()
    said(script)
    return time.perf_counter() - began


def said(script: str) -> str:
    """Run a script in a fresh process; return what it prints."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=ENV, capture_output=True, check=True, text=True)
    return done.stdout


def forest() -> object:
    from sklearn.ensemble import RandomForestClassifier

    table = np.random.default_rng(0).random((ROWS, COLUMNS))
    classes = np.random.default_rng(1).random(ROWS) < table[:, 0]
    model = RandomForestClassifier(125, random_state=0, n_jobs=-1).fit(table, classes)
    return model.set_params(n_jobs=None)


def boosted() -> object:
    from sklearn.ensemble import GradientBoostingClassifier

    table = np.random.default_rng(0).random((ROWS // 10, COLUMNS))
    classes = np.random.default_rng(1).random(ROWS // 10) < table[:, 0]
    return GradientBoostingClassifier(n_estimators=300, random_state=0).fit(table, classes)


def words(n_words: int = 60_000) -> object:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    names = [f"w{n * 7919:x}" for n in range(n_words)]
    texts = [" ".join(names[n : n + 200]) for n in range(0, len(names), 200)]
    return make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=5)).fit(
        texts, np.arange(len(texts)) % 2
    )


def layers(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = [random.normal(0, 0.03, (WIDTH, WIDTH)).astype(np.float32) for _ in range(LAYERS)]
    names = ["x", *(f"h{n}" for n in range(LAYERS))]
    nodes = [helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(LAYERS)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH])
        for name in (names[0], names[-1])
    ]
    kept = [numpy_helper.from_array(weight, f"w{n}") for n, weight in enumerate(weights)]
    graph = helper.make_graph(nodes, "layers", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def pickled(make: Callable[[], object]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(pickle.dumps(make()))  # type: ignore[func-returns-value]


def dumped(make: Callable[[], object], compress: int) -> Callable[[Path], None]:
    return lambda path: joblib.dump(make(), path, compress=compress)


MODELS: dict[str, Callable[[Path], None]] = {
    "forest.pkl": pickled(forest),
    "forest.joblib": dumped(forest, 0),
    "forest-packed.joblib": dumped(forest, 3),
    "boosted.pkl": pickled(boosted),
    "words.pkl": pickled(words),
    "words.joblib": dumped(words, 0),
    "layers.onnx": layers,
}


if __name__ == "__main__":
    main()
