"""Three hundred rows, sixty texts, two dozen images: the same bytes whoever works, and how often.

Two processes of a dask cluster, two of this machine, one that is killed on the way: all finish with
the file that an undisturbed process writes.
"""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from lime_cli.models.model_file import ModelFile
from lime_cli.registry import MODALITIES
from lime_cli.running.executor import Workers
from lime_cli.settings import Settings
from tests.conftest import ROOT
from tests.running.test_executor import run, works_of
from tests.samples import readable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are another matter there"),
]
KINDS = {"tabular": 300, "text": 60, "image": 24}
SIZES = {"tabular": (7, 64, 300), "text": (1, 7, 60), "image": (1, 5, 24)}
N_SAMPLES = {"tabular": 256, "text": 64, "image": 32}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Inputs of every kind, and the models that are asked about them."""
    folder = tmp_path_factory.mktemp("inputs")
    data, samples = ROOT / "sample_data", ROOT / "sample_models"
    with (data / "reviews.csv").open() as stream:
        texts = [row["text"] for row in csv.DictReader(stream)][: KINDS["text"]]
    for name in ("text", "image"):
        (folder / name).mkdir()
    for n, text in enumerate(texts):
        (folder / "text" / f"{n:02d}.txt").write_text(text)
    scene = Image.open(data / "scene.png").convert("RGB")
    for n in range(KINDS["image"]):
        left = (7 * n) % (scene.width // 3)
        scene.crop((left, n, scene.width - n, scene.height)).save(folder / "image" / f"{n:02d}.png")
    rows = (data / "breast_cancer.csv").read_text().splitlines()
    (folder / "rows.csv").write_text("\n".join(rows[: KINDS["tabular"] + 1]) + "\n")
    backwards = [rows[0], *reversed(rows[1 : KINDS["tabular"] + 1])]
    (folder / "backwards.csv").write_text("\n".join(backwards) + "\n")
    models = {
        "tabular": readable("cancer_forest.joblib", folder),
        "text": samples / "reviews.onnx",
        "image": samples / "scenes.onnx",
    }
    background = ("--all", "--background", data / "breast_cancer.csv")
    return {
        kind: (model, folder / ("rows.csv" if kind == "tabular" else kind))
        + (background if kind == "tabular" else ())
        for kind, model in models.items()
    }


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def whole(kind, inputs, tmp_path_factory):
    """What one process makes of all instances when nothing happens to it."""
    out = tmp_path_factory.mktemp(kind) / "whole"
    explain(kind, inputs, out)
    lines = (out / "explanations.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == KINDS[kind] + 1
    assert all(json.loads(one)["schema"]["name"] == "limex/explanation" for one in lines[1:])
    return lines


def started(kind, inputs, out, *options):
    words = ["explain", kind, *inputs[kind], "--samples", N_SAMPLES[kind], "-q", "-o", out]
    command = [sys.executable, "-m", "lime_cli", *map(str, words), *map(str, options)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)


def explain(kind, inputs, out, *options):
    process = started(kind, inputs, out, *options)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return (out / "explanations.jsonl").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_process_or_two_write_the_same_bytes(kind, inputs, whole, tmp_path, jobs):
    assert explain(kind, inputs, tmp_path / "out", "-j", jobs) == b"".join(whole)


def test_two_dask_workers_write_the_same_bytes(kind, inputs, whole, dask, tmp_path):
    assert explain(kind, inputs, tmp_path / "out", *dask) == b"".join(whole)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """The options that name a cluster of two workers, each a process."""
    pytest.importorskip("distributed")
    from tests.running.test_dask import Cluster

    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    for _ in range(2):
        cluster.worker("--nthreads", "1")
    yield "--executor", "dask", "--scheduler", cluster.file
    cluster.end()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_interrupted_runs_end_with_the_same_bytes(kind, inputs, whole, tmp_path, number):
    out, times = tmp_path / "out", 0
    for n_parts in (1, 3, 5):
        process = started(kind, inputs, out, *(("-j", 2) if n_parts == 3 else ()))
        while process.poll() is None and len(list(out.glob(".limex/part-*"))) < n_parts:
            time.sleep(0.005)
        if process.poll() is None:
            process.send_signal(number)
            times += 1
        process.communicate()
    assert times
    assert explain(kind, inputs, out) == b"".join(whole)


def test_the_size_of_works_changes_no_byte(kind, inputs, whole):
    model, path, *rest = inputs[kind]
    options = {"path": str(path), "background": str(rest[-1])} if rest else {"inputs": (str(path),)}
    file = ModelFile(str(model), threads=1, layout="NCHW" if kind == "image" else None)
    settings = Settings(samples=N_SAMPLES[kind])
    for size in SIZES[kind]:
        works = works_of(MODALITIES[kind](**options), file, size, settings)
        assert [one.line for one in run(Workers("local", 2), works)] == whole[1:]


def without_place(line):
    """Return a record without what says where in which file its row stood."""
    record = json.loads(line)
    instance = record.pop("instance")
    return {**record, "hash": None, "values": instance["facts"]["values"]}


def test_rows_in_reverse_order_and_rows_alone_give_the_same_records(inputs, tmp_path):
    model, path, *rest = inputs["tabular"]
    forwards = explain("tabular", inputs, tmp_path / "forwards").splitlines()[1:]
    turned = {"tabular": (model, path.with_name("backwards.csv"), *rest)}
    backwards = explain("tabular", turned, tmp_path / "backwards").splitlines()[1:]
    expected = [without_place(line) for line in forwards]
    assert [without_place(line) for line in reversed(backwards)] == expected
    for row in (0, 117, 299):
        words = [model, path, "--row", row, *rest[1:], "--samples", N_SAMPLES["tabular"]]
        command = [sys.executable, "-m", "lime_cli", "explain", "tabular", *map(str, words)]
        alone = subprocess.run([*command, "-f", "jsonl"], cwd=ROOT, capture_output=True, check=True)
        assert alone.stdout.splitlines() == [forwards[row]]
