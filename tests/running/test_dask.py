"""A dask cluster of real processes: the same bytes, whatever becomes of its workers."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from lime_cli.errors import ModelError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.running.executor import Workers, opened
from tests.conftest import ROOT
from tests.running.test_executor import (
    BATCHES,
    MODULE,
    SAMPLES,
    errors_of,
    model,
    run,
    table,
    works_of,
)

pytest.importorskip("distributed")


class Cluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder):
        self.file, self.folder = folder / "scheduler.json", folder
        path = os.pathsep.join([str(ROOT), str(folder)])
        self.env = {**os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h"}
        self.processes = []
        self.start("scheduler", "--port", "0")
        patience = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < patience:
            time.sleep(0.1)

    def start(self, kind, *options):
        program = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options]
        with (self.folder / f"{kind}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*program, "--scheduler-file", str(self.file), "--no-dashboard"],
                env=self.env,
                cwd=self.folder,
                stderr=log,
                stdout=log,
            )
        self.processes.append(process)
        return process

    def worker(self, *options):
        return self.start("worker", "--host", "127.0.0.1", *options)

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # it may wait for a scheduler that has gone
                process.kill()
                process.wait()

    @property
    def workers(self):
        return Workers("dask", scheduler=str(self.file))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster of two workers, one of which has two threads."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "limex_crashing.py").write_text(MODULE)
    cluster = Cluster(folder)
    cluster.worker("--nthreads", "1")
    cluster.worker("--nthreads", "2")
    yield cluster
    cluster.end()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "limex_crashing.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", BATCHES)
def test_a_cluster_gives_the_same_bytes(cluster, kind):
    modality, file = BATCHES[kind]
    expected = [one.line for one in run(Workers(), works_of(modality, file, 60))]
    for size in (1, 7, 30) if kind == "texts" else (11,):
        outcomes = run(cluster.workers, works_of(modality, file, size))
        assert [one.line for one in outcomes] == expected


def test_a_row_that_kills_its_process_spares_the_dask_worker(cluster, folder):
    works = works_of(table(folder, 30, {11: 1}), model("dies"), 10)
    found = errors_of(run(cluster.workers, works))
    words = "the model process died (signal 11, segmentation fault) at row 11"
    assert found == {11: f"py:limex_crashing:dies: {words}"}


def test_a_row_that_never_returns_is_ended_on_a_cluster(cluster, folder):
    workers = Workers("dask", scheduler=str(cluster.file), item_timeout=1.0)
    found = errors_of(run(workers, works_of(table(folder, 10, {3: 2}), model("dies"), 5)))
    assert found == {3: "py:limex_crashing:dies: no prediction in 1 s at row 3"}


def test_a_model_that_cannot_be_used_stops_the_run_on_a_cluster(cluster, folder):
    works = works_of(table(folder, 9), ModelFile("py:limex_nowhere:f"), 3)
    with pytest.raises(ModelError, match="there is no module limex_nowhere"):
        run(cluster.workers, works)


def test_another_model_under_the_same_path_is_refused(cluster, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes((SAMPLES / "zoo_mlp.onnx").read_bytes())
    works = list(works_of(BATCHES["rows"][0], ModelFile(str(path)), 10))
    with opened(cluster.workers, str(path)) as executor:
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(
            ModelError, match=r"model.onnx: there is a different file under this path"
        ):
            list(executor.run_all(iter(works), lambda: False))
        path.unlink()
        with pytest.raises(ModelError, match=r"model.onnx: cannot be read on "):
            list(executor.run_all(iter(works), lambda: False))


def test_a_cluster_stops_within_two_seconds(cluster, folder):
    wished, found = [], []
    works = works_of(table(folder, 2_000), model("slow"), 50)
    with opened(cluster.workers, "model") as executor:
        for work, _ in executor.run_all(works, lambda: bool(wished)):
            found.append(work.first)
            if not wished:
                wished.append(time.monotonic())
    assert time.monotonic() - wished[0] < 2.5
    assert len(found) < 20


@pytest.mark.slow
def test_a_lost_dask_workers_works_are_done_again(folder):
    works = list(works_of(table(folder, 200), model("slow"), 10))
    expected = [one.line for one in run(Workers("local", 2), works)]
    cluster = Cluster(folder)
    try:
        doomed = cluster.worker("--nthreads", "1", "--no-nanny")
        cluster.worker("--nthreads", "1")
        found = {}
        with opened(cluster.workers, "model") as executor:
            for work, outcomes in executor.run_all(iter(works), lambda: False):
                found[work.first] = [one.line for one in outcomes]
                if len(found) == 5:
                    doomed.send_signal(signal.SIGKILL)
        assert [line for number in sorted(found) for line in found[number]] == expected
    finally:
        cluster.end()


@pytest.mark.slow
def test_a_batch_from_the_shell_survives_the_loss_of_a_dask_worker(tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for n in range(40):
        (texts / f"{n:02d}.txt").write_text(f"A {('warm', 'dull', 'slow')[n % 3]} film, say {n}")
    command = ["explain", "text", "py:tests.slow:chances", texts, "--samples", 256, "-q"]
    command = [sys.executable, "-m", "lime_cli", *map(str, command), "-o"]
    subprocess.run([*command, str(tmp_path / "whole")], cwd=ROOT, check=True)
    cluster = Cluster(tmp_path)
    try:
        doomed = cluster.worker("--nthreads", "1", "--no-nanny")
        cluster.worker("--nthreads", "1", "--no-nanny")
        where = ("--executor", "dask", "--scheduler", str(cluster.file))
        batch = subprocess.Popen([*command, str(tmp_path / "out"), *where], cwd=ROOT)
        while len(list(tmp_path.glob("out/.limex/part-*"))) < 3:
            assert batch.poll() is None
            time.sleep(0.01)
        doomed.send_signal(signal.SIGKILL)
        assert not (tmp_path / "out" / "explanations.jsonl").exists()
        assert batch.wait(120) == 0
    finally:
        cluster.end()
    found, whole = (tmp_path / one / "explanations.jsonl" for one in ("out", "whole"))
    assert found.read_bytes() == whole.read_bytes()


@pytest.mark.slow
def test_a_row_that_takes_dask_workers_down_is_one_error(folder):
    (folder / "limex_murder.py").write_text(
        "import os, signal\nimport numpy as np\n"
        "def model(rows):\n"
        "    if (rows['mark'] == 1).any(): os.kill(os.getppid(), signal.SIGKILL)\n"
        "    return np.asarray(rows['a'] * 1.0)\n"
    )
    cluster = Cluster(folder)
    try:
        cluster.worker("--nthreads", "1")
        works = works_of(table(folder, 6, {4: 1}), ModelFile("py:limex_murder:model"), 3)
        found = errors_of(run(cluster.workers, works))
    finally:
        cluster.end()
    words = "py:limex_murder:model: every dask worker that tried it died, at row 4"
    assert found == {4: words}


def test_an_address_where_nobody_answers_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("lime_cli.running.dask.PATIENCE", 0.5)
    for scheduler, words in (
        ("tcp://127.0.0.1:9", "no dask scheduler answers there"),
        ("nonsense", "no such file"),
        ("what://ever:1", "no dask scheduler answers there"),
    ):
        workers = Workers("dask", scheduler=scheduler)
        with pytest.raises(SettingsError, match=words), opened(workers, "model"):
            pass
    (tmp_path / "file.json").write_text("{}")
    workers = Workers("dask", scheduler=str(tmp_path / "file.json"))
    with pytest.raises(SettingsError, match="no dask scheduler"), opened(workers, "model"):
        pass


def test_a_scheduler_without_workers_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("lime_cli.running.dask.PATIENCE", 3.0)
    cluster = Cluster(tmp_path)
    try:
        with pytest.raises(SettingsError, match="no workers"), opened(cluster.workers, "model"):
            pass
    finally:
        cluster.end()


def test_without_dask_the_pip_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    workers = Workers("dask", scheduler="tcp://host:1")
    with pytest.raises(SettingsError, match=r"pip install 'limex\[dask\]'"), opened(workers, "m"):
        pass


PAGE = (ROOT / "docs" / "clusters.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TIDY = "trap 'kill -9 $(jobs -p) || true; wait' EXIT\n"


@pytest.mark.parametrize("number", [0, 1], ids=["cores", "dask"])
def test_the_commands_of_the_page_on_clusters_run(folder, number):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name in ("sample_models", "sample_data"):
        (folder / name).symlink_to(ROOT / name)
    for name, module in (("limex", "lime_cli"), ("dask", "dask")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
        (folder / name).chmod(0o755)
    commands = BLOCKS[number].replace("8786", port).replace("dask worker", "dask worker --no-nanny")
    done = subprocess.run(
        ["bash", "-ec", TIDY + commands],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join([str(folder), os.environ["PATH"]]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = (folder / "animals" / "explanations.jsonl").read_text().splitlines()
    assert len(lines) == 102
