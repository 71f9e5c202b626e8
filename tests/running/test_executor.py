"""Executors: the same bytes whoever works, and a crash costs the instance that caused it."""

import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lime_cli.engine.predictions import NOTHING
from lime_cli.errors import ModelError, OutputError, SettingsError
from lime_cli.models.model_file import ModelFile
from lime_cli.registry import MODALITIES
from lime_cli.running.executor import Workers, opened
from lime_cli.running.job import Job, Work, complete
from lime_cli.settings import Settings
from tests.conftest import ROOT

SAMPLES, DATA = ROOT / "sample_models", ROOT / "sample_data"

MODULE = """
import os, signal, sys, time
import numpy as np

def dies(rows):
    return _careful(rows, lambda: os.kill(os.getpid(), signal.SIGSEGV), lambda: time.sleep(600))

def leaves(rows):
    return _careful(rows, lambda: os._exit(3), lambda: time.sleep(600))

def is_killed(rows):
    return _careful(rows, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: time.sleep(600))

def good(rows):
    return _answer(rows)

def slow(rows):
    time.sleep(0.02)
    return _answer(rows)

def always_dies(rows):
    os.kill(os.getpid(), signal.SIGSEGV)

def refuses(rows):
    raise ValueError("not today")

def chatty(rows):
    os.write(1, b"noise")
    print("noise")
    return _answer(rows)

def interrupted(rows):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return _answer(rows)

def threads(rows):
    return np.full(len(rows), float(os.environ["OMP_NUM_THREADS"]))

def _careful(rows, crash, hang):
    marks = np.asarray(rows["mark"])
    (marks == 1).any() and crash()
    (marks == 2).any() and hang()
    return _answer(rows)

def _answer(rows):
    return np.asarray(rows["a"] * 2.0 + rows["b"] * rows["a"] / 7.0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module of models, on the path that workers get."""
    (tmp_path / "limex_crashing.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def table(folder, n, marks=None):
    """Write ``n`` rows, of which some bear a mark, and a background where none does."""
    marks = marks or {}
    folder = folder / f"{n}-{len(marks)}"  # a process reads a path once
    folder.mkdir(exist_ok=True)
    lines = [f"{i % 9},{i * 7 % 11},{marks.get(i, 0)}\n" for i in range(n)]
    (folder / "rows.csv").write_text("a,b,mark\n" + "".join(lines))
    plain = [f"{i % 9},{i * 7 % 11},0\n" for i in range(60)]
    (folder / "train.csv").write_text("a,b,mark\n" + "".join(plain))
    return MODALITIES["tabular"](
        path=str(folder / "rows.csv"), background=str(folder / "train.csv")
    )


def works_of(modality, model, size, settings=None):
    sources = iter(modality.sources())
    settings = settings or Settings(samples=128)
    for number in itertools.count():
        block = tuple(itertools.islice(sources, size))
        if not block:
            return
        yield Work(number, Job(model, modality, settings, block))


def run(workers, works, stop=lambda: False):
    """Run works and return their outcomes in input order, without what each process did for it."""
    works = list(works)
    found = {}
    with opened(workers, works[0].job.model.path) as executor:
        for work, outcomes in executor.run_all(iter(works), stop):
            assert [one.source for one in outcomes] == list(work.job.sources)
            found[work.first] = outcomes
    return [told(one) for number in sorted(found) for one in found[number]]


def told(outcome):
    return outcome._replace(call_counts=NOTHING, seconds=0.0)


def errors_of(outcomes):
    records = [json.loads(one.line) for one in outcomes if one.error]
    return {one["instance"]["row"]: one["error"]["message"] for one in records}


def children(pid=None):
    """Return the workers that a process has started and that still run."""
    listed = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True)
    lines = (line.split(maxsplit=2) for line in listed.stdout.splitlines()[1:])
    mine = str(pid or os.getpid())
    return [
        int(own) for own, parent, args in lines if parent == mine and args.endswith("limex-worker")
    ]


def model(name):
    return ModelFile(f"py:limex_crashing:{name}")


BATCHES = {
    "rows": (
        MODALITIES["tabular"](path=str(DATA / "zoo.csv"), rows="0-59"),
        ModelFile(str(SAMPLES / "zoo_mlp.onnx")),
    ),
    "texts": (
        MODALITIES["text"](inputs=(str(DATA / "review.txt"), str(ROOT / "LICENSE"))),
        ModelFile(str(SAMPLES / "reviews.onnx")),
    ),
    "images": (
        MODALITIES["image"](inputs=(str(DATA / "scene.png"), str(DATA / "scene.png"))),
        ModelFile(str(SAMPLES / "scenes.onnx"), layout="NCHW"),
    ),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_bytes_depend_neither_on_workers_nor_on_the_size_of_works(kind):
    modality, file = BATCHES[kind]
    expected = [one.line for one in run(Workers(), works_of(modality, file, 1))]
    assert len(expected) == len(list(modality.sources()))
    for workers, size in (
        (Workers(), 16),
        (Workers("local"), 60),
        (Workers("local", 2), 7),
    ):
        assert [one.line for one in run(workers, works_of(modality, file, size))] == expected


@pytest.mark.parametrize("kind", BATCHES)
def test_a_work_survives_being_pickled(kind):
    modality, file = BATCHES[kind]
    work = next(works_of(modality, file, 2))
    assert pickle.loads(pickle.dumps(work)) == work
    assert len(pickle.dumps(work)) < 4_000  # describes rows and holds none of them


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dies", "the model process died (signal 11, segmentation fault) at row {}"),
        ("leaves", "the model process ended (exit code 3) at row {}"),
        ("is_killed", "the model process was killed (out of memory?) at row {}"),
    ],
)
def test_a_row_that_kills_its_process_is_one_error(folder, name, words):
    bad = (0, 37) if name == "dies" else (19,)
    modality = table(folder, 50, dict.fromkeys(bad, 1))
    outcomes = run(Workers("local", 2), works_of(modality, model(name), 20))
    found = errors_of(outcomes)
    assert found == {i: f"{model(name).path}: {words.format(i)}" for i in bad}
    unmarked = works_of(table(folder, 50), model(name), 20)
    for outcome, plain in zip(outcomes, run(Workers("local"), unmarked), strict=True):
        assert outcome.line == plain.line or outcome.source.row in found


def test_a_row_that_never_returns_is_one_error(folder):
    modality = table(folder, 40, {21: 2})
    workers = Workers("local", 2, item_timeout=1.0)
    outcomes = run(workers, works_of(modality, model("dies"), 20))
    assert errors_of(outcomes) == {21: "py:limex_crashing:dies: no prediction in 1 s at row 21"}
    assert len(outcomes) == 40


def test_a_process_killed_from_outside_changes_nothing(folder):
    modality = table(folder, 60)
    expected = [one.line for one in run(Workers(), works_of(modality, model("slow"), 5))]
    works = works_of(modality, model("slow"), 5)
    found = {}
    with opened(Workers("local", 2), "model") as executor:
        for work, outcomes in executor.run_all(works, lambda: False):
            found[work.first] = [one.line for one in outcomes]
            if len(found) in (2, 5):
                os.kill(children()[0], signal.SIGKILL)
    assert [line for number in sorted(found) for line in found[number]] == expected
    assert children() == []


def test_a_model_that_cannot_be_loaded_stops_the_run(folder):
    (folder / "limex_bomb.py").write_text("import os\nos.abort()\n")
    works = works_of(table(folder, 40), ModelFile("py:limex_bomb:model"), 10)
    with pytest.raises(ModelError, match=r"limex_bomb:model: the model process died \(signal 6"):
        run(Workers("local", 2), works)
    with pytest.raises(ModelError, match="there is no module limex_nowhere"):
        run(Workers("local", 2), works_of(table(folder, 9), ModelFile("py:limex_nowhere:f"), 3))
    assert children() == []


def test_a_model_that_dies_of_everything_stops_the_run(folder):
    with pytest.raises(ModelError, match="died"):
        run(Workers("local", 2), works_of(table(folder, 40), model("always_dies"), 10))
    began = time.monotonic()
    with pytest.raises(ModelError, match="at each of the first 5"):
        run(
            Workers("local", 2),
            works_of(table(folder, 200, dict.fromkeys(range(200), 1)), model("dies"), 100),
        )
    assert time.monotonic() - began < 60


def test_a_model_that_refuses_is_an_error_for_every_row(folder):
    outcomes = run(Workers("local"), works_of(table(folder, 5), model("refuses"), 5))
    assert [one.error for one in outcomes] == ["PredictionError"] * 5


def test_what_a_model_prints_does_not_get_between(folder, capfd):
    assert len(run(Workers("local"), works_of(table(folder, 5), model("chatty"), 5))) == 5
    out, err = capfd.readouterr()
    assert (out, "noise" in err) == ("", True)


def test_signals_to_all_are_the_parents_business(folder):
    outcomes = run(Workers("local"), works_of(table(folder, 5), model("interrupted"), 5))
    assert errors_of(outcomes) == {}


@pytest.mark.parametrize(("threads", "expected"), [(None, 1.0), (2, 2.0)])
def test_a_worker_has_one_thread_unless_asked_otherwise(folder, threads, expected):
    workers = Workers("local", threads=threads)
    outcome = run(workers, works_of(table(folder, 1), model("threads"), 1))[0]
    assert json.loads(outcome.line)["targets"][0]["model_prediction"] == expected


def test_a_forest_that_wants_every_core_gives_the_same_bytes(folder):
    """Its sums are in another order with every number of threads."""
    (folder / "limex_forest.py").write_text(
        "import numpy as np\nfrom sklearn.ensemble import RandomForestRegressor\n"
        "rng = np.random.default_rng(0)\nrows = rng.normal(size=(200, 3))\n"
        "model = RandomForestRegressor(30, n_jobs=-1, random_state=0)\n"
        "model.fit(rows, rows @ [1.0, 0.1, 0.01])\n"
    )
    works = list(works_of(table(folder, 20), ModelFile("py:limex_forest:model"), 5))
    assert run(Workers("local", 2), works) == run(Workers(), works)


@pytest.mark.parametrize("executor", ["here", "local"])
def test_works_are_taken_as_they_are_needed(folder, executor):
    taken = []

    def works():
        for work in works_of(table(folder, 100), model("good"), 2):
            taken.append(work.first)
            yield work

    with opened(Workers(executor), "model") as running:
        for done, _ in enumerate(running.run_all(works(), lambda: False), 1):
            assert len(taken) <= done + 4


@pytest.mark.parametrize("workers", [Workers(), Workers("local", 2)], ids=["here", "local"])
def test_a_wish_to_stop_is_granted_within_two_seconds(folder, workers):
    modality = table(folder, 4_000)
    found, wished = [], []
    with opened(workers, "model") as executor:
        works = works_of(modality, model("slow"), 10)
        for work, outcomes in executor.run_all(works, lambda: bool(wished)):
            found.append((work, outcomes))
            if len(found) == 3 and not wished:
                wished.append(time.monotonic())
    assert time.monotonic() - wished[0] < 2
    assert 3 <= len(found) < 20
    assert all(len(outcomes) == len(work.job.sources) for work, outcomes in found)
    assert children() == []


def test_a_stuck_model_does_not_hold_up_the_end(folder):
    modality, began = table(folder, 40, {0: 2}), time.monotonic()
    run_for = 1.5
    works = works_of(modality, model("dies"), 20)
    list_of = run(Workers("local"), works, lambda: time.monotonic() - began > run_for)
    assert list_of == []
    assert time.monotonic() - began < run_for + 2
    assert children() == []


def test_a_reader_who_leaves_early_leaves_no_process(folder):
    with opened(Workers("local", 2), "model") as executor:
        works = executor.run_all(works_of(table(folder, 400), model("slow"), 5), lambda: False)
        next(works)
        works.close()
    assert children() == []


PARENT = """
import sys
sys.path.insert(0, {root!r})
from tests.running.test_executor import Workers, opened, table, works_of, model
from pathlib import Path
works = works_of(table(Path("."), 20, {{0: 2, 19: 2}}), model("dies"), 10)
with opened(Workers("local", 2), "model") as executor:
    for _ in executor.run_all(works, lambda: False):
        pass
"""


def test_killing_the_parent_leaves_no_orphan(folder):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(root=str(ROOT))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    patience = time.monotonic() + 30
    while len(children(parent.pid)) < 2 and time.monotonic() < patience:
        time.sleep(0.1)
    workers = children(parent.pid)
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    patience = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_too_few_processes_are_fewer_workers_or_one_line(folder, monkeypatch):
    from lime_cli.running import local

    start, started = subprocess.Popen, []

    def scarce(*words, **options):
        if len(started) >= allowed:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        started.append(start(*words, **options))
        return started[-1]

    monkeypatch.setattr(local.subprocess, "Popen", scarce)
    allowed = 1
    assert len(run(Workers("local", 3), works_of(table(folder, 20), model("good"), 5))) == 20
    allowed = 0
    with pytest.raises(OutputError, match="no process can be started"):
        run(Workers("local", 3), works_of(table(folder, 20), model("good"), 5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"executor": "spark"}, "--executor: 'spark'"),
        ({"executor": "local", "n": 0}, "--jobs: 0"),
        ({"executor": "dask"}, "--scheduler"),
        ({"executor": "local", "scheduler": "tcp://host:1"}, "--scheduler"),
        ({"item_timeout": 3.0}, "--item-timeout"),
    ],
)
def test_workers_that_make_no_sense_are_refused(options, words):
    with pytest.raises(SettingsError, match=words):
        Workers(**options)


@pytest.mark.slow
def test_twelve_bad_rows_of_ten_thousand_are_twelve_errors(folder):
    bad = {**dict.fromkeys(range(400, 10_000, 960), 1), 5_000: 2, 7_777: 2}
    assert len(bad) == 12
    workers = Workers("local", 2, item_timeout=3.0)
    outcomes = run(workers, works_of(table(folder, 10_000, bad), model("dies"), 256))
    assert len(outcomes) == 10_000
    assert set(errors_of(outcomes)) == set(bad)
    plain = run(Workers("local", 2), works_of(table(folder, 10_000), model("dies"), 256))
    same = [one.line == other.line for one, other in zip(outcomes, plain, strict=True)]
    assert same.count(False) == 12


def test_the_parent_loads_no_model():
    code = (
        "import sys\nfrom tests.running.test_executor import *\n"
        "modality, file = BATCHES['rows']\n"
        "run(Workers('local'), works_of(modality, file, 30))\n"
        "assert 'onnxruntime' not in sys.modules, 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_outcomes_are_those_of_a_plain_call(folder):
    works = list(works_of(table(folder, 12), model("good"), 6))
    expected = [told(one) for work in works for one in complete(work)]
    assert run(Workers("local", 2), works) == expected


SCRIPT = """
import os, sys
import lime_cli, numpy as np, pandas as pd

deep = os.environ["DEEP"] = str(int(os.environ.get("DEEP", 0)) + 1)
if int(deep) > 3:
    sys.exit("starts workers for ever")

def double(rows):
    return np.asarray(rows["a"] * 2.0)

table = pd.DataFrame({"a": range(60)})
lime_cli.explain("py:unguarded:double", table, rows="0-3", samples=64, jobs=2)
"""


def test_a_script_that_workers_import_starts_no_workers_for_ever(tmp_path):
    (tmp_path / "unguarded.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "unguarded.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert (
        'put the code that runs limex under if __name__ == "__main__":'
        in done.stderr.splitlines()[-1]
    )
