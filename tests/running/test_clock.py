"""Nothing hangs for ever: whatever a model does, its process is ended from outside, in one line."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from lime_cli import clock
from lime_cli.clock import At, Board, TimeLimits, Watcher
from lime_cli.running import progress
from tests.conftest import ROOT
from tests.running.test_containment import pytestmark  # noqa: F401  # where there is no fork

MODULE = """
import ctypes, os, signal, sys, time
import numpy as np

libc = ctypes.PyDLL(None)  # calls with the interpreter's lock held
answered = [0]

def _hang_with_the_lock():
    libc.pause()

def _answer(rows):
    answered[0] += len(rows)
    return np.asarray(rows["a"] * 2.0 + rows["b"])

def _where(rows, marks):
    held = np.asarray(rows["mark"])
    for mark, deed in marks.items():
        if (held == mark).any():
            deed()
    return _answer(rows)

def sleeps(rows):
    time.sleep(600)

def holds_the_lock(rows):
    _hang_with_the_lock()

def ignores_signals(rows):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass

def at_its_tenth_row_of_samples(rows):
    if answered[0] > 10:
        time.sleep(600)
    return _answer(rows)

def marked(rows):
    return _where(rows, {1: lambda: time.sleep(600), 2: lambda: os.kill(os.getpid(), 11)})

def marked_with_the_lock(rows):
    return _where(rows, {1: _hang_with_the_lock, 2: os.abort})

def counted(texts):
    if any("hang" in text for text in texts):
        time.sleep(600)
    return np.array([float(text.count("e")) for text in texts])

def slow_texts(texts):
    time.sleep(0.005 * len(texts))
    return np.array([text.count("a") + text.count("e") * 1.0 for text in texts])

def waits_for_a_bar(texts):
    patience = time.monotonic() + 30
    while "rich.progress" not in sys.modules and time.monotonic() < patience:
        time.sleep(0.05)
    return slow_texts(texts)

def slowly(rows):
    time.sleep(0.3)
    return _answer(rows)
"""

LOADS = {
    "sleeps": "import time\ntime.sleep(600)\n",
    "holds the lock": "import ctypes\nctypes.PyDLL(None).pause()\n",
    "never ends": "while True:\n    pass\n",
    "reads a pipe": "import os\nr, w = os.pipe()\nos.read(r, 1)\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    (folder / "limex_hanging.py").write_text(MODULE)
    for number, code in enumerate(LOADS.values()):
        (folder / f"limex_loading_{number}.py").write_text(code)
    marks = {5: 1, 7: 2}
    lines = [f"{i % 9},{i * 7 % 11},{marks.get(i, 0)}\n" for i in range(12)]
    (folder / "rows.csv").write_text("a,b,mark\n" + "".join(lines))
    plain = [f"{i % 9},{i * 7 % 11},0\n" for i in range(60)]
    (folder / "train.csv").write_text("a,b,mark\n" + "".join(plain))
    return folder


def started(folder, *words, stdin=None):
    """Start the program."""
    return subprocess.Popen(
        [sys.executable, "-m", "lime_cli", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, stdin=None):
    """Wait for the end of the program; return exit code, output and errors."""
    try:
        out, err = process.communicate(stdin, timeout=600)
    finally:
        process.kill()
    return process.returncode, out, err


def limex(folder, *words, stdin=None):
    """Run the program; return exit code, output, errors and seconds."""
    began = time.monotonic()
    process = started(folder, *words, stdin=None if stdin is None else subprocess.PIPE)
    return *ended(process, stdin), time.monotonic() - began


ROWS = ("rows.csv", "--background", "train.csv", "--samples", 128)


def explain(folder, model, *words, **how):
    return limex(folder, "explain", "tabular", f"py:limex_hanging:{model}", *ROWS, *words, **how)


@pytest.mark.parametrize(
    "model",
    ["sleeps", "holds_the_lock", "ignores_signals"],
)
def test_a_model_without_a_first_answer_is_one_line_that_names_load_timeout(folder, model):
    code, out, err, _ = explain(folder, model, "--row", 3, "--load-timeout", 1)
    said = f"limex: py:limex_hanging:{model}: returned no first prediction in 1 s at row 3; "
    assert (code, out, err) == (4, "", said + "if it needs more time: --load-timeout 60\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "row"),
    [("at_its_tenth_row_of_samples", 3), ("marked", 5), ("marked_with_the_lock", 5)],
)
def test_a_model_that_stops_answering_is_one_line_that_names_item_timeout(folder, model, row):
    code, out, err, _ = explain(folder, model, "--row", row, "--item-timeout", 1)
    said = f"limex: py:limex_hanging:{model}: no prediction in 1 s at row {row}; if it needs "
    assert (code, out, err) == (4, "", said + "longer: --item-timeout 60\n")


@pytest.mark.parametrize("jobs", [(), ("-j", 2)], ids=["here", "workers"])
def test_a_model_that_never_loads_is_one_line(folder, jobs):
    names = [f"limex_loading_{number}:model" for number in range(len(LOADS))]
    how = (*ROWS, "--row", 3, "--load-timeout", 1.5, "-f", "json", *jobs)
    waiting = {name: started(folder, "explain", "tabular", f"py:{name}", *how) for name in names}
    for name, process in waiting.items():
        said = f"limex: py:{name}: was not loaded within 1.5 s; if it needs more time: "
        assert ended(process) == (4, "", said + "--load-timeout 60\n")


def test_a_pickle_that_loops_while_it_is_loaded_is_one_line(folder):
    class Loop:
        def __reduce__(self):
            return exec, ("while True: pass",)

    (folder / "loop.pkl").write_bytes(pickle.dumps(Loop()))
    how = ("loop.pkl", "--trust", "--load-timeout", 1.5)
    explaining = started(folder, "explain", "tabular", *how, *ROWS, "--row", 3)
    inspecting = started(folder, "inspect", *how)
    code, _, err = ended(explaining)
    assert (code, err.count("\n")) == (4, 1)
    assert "loop.pkl: was not loaded within 1.5 s" in err
    code, _, err = ended(inspecting)
    assert code == 4
    assert "was not loaded within 1.5 s" in err


def endless_graph(path):
    """Save a graph whose loop goes on while a sum of zeros is below one."""
    import onnx
    from onnx import TensorProto as T
    from onnx import helper as h

    body = h.make_graph(
        [
            h.make_node("Mul", ["x", "zero"], ["zeros"]),
            h.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            h.make_node("Less", ["sum", "one"], ["go_on"]),
            h.make_node("Identity", ["x"], ["y"]),
        ],
        "body",
        [
            h.make_tensor_value_info("turn", T.INT64, []),
            h.make_tensor_value_info("go", T.BOOL, []),
            h.make_tensor_value_info("x", T.FLOAT, ["n", 3]),
        ],
        [
            h.make_tensor_value_info("go_on", T.BOOL, []),
            h.make_tensor_value_info("y", T.FLOAT, ["n", 3]),
        ],
    )
    zero, one = h.make_tensor("zero", T.FLOAT, [], [0.0]), h.make_tensor("one", T.FLOAT, [], [1.0])
    go = h.make_tensor("go", T.BOOL, [], [True])
    graph = h.make_graph(
        [h.make_node("Loop", ["", "go", "rows"], ["out"], body=body)],
        "endless",
        [h.make_tensor_value_info("rows", T.FLOAT, ["n", 3])],
        [h.make_tensor_value_info("out", T.FLOAT, ["n", 3])],
        [zero, one, go],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(path))


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "tabular", "loop.onnx", *ROWS, "--row", 3),
        ("explain", "tabular", "loop.onnx", *ROWS, "--row", 3, "-j", 1, "-f", "json"),
        ("evaluate", "tabular", "loop.onnx", *ROWS, "--row", 3),
        ("inspect", "loop.onnx"),
    ],
    ids=["explain", "a worker", "evaluate", "inspect"],
)
def test_a_graph_with_an_endless_loop_is_one_line(folder, words):
    pytest.importorskip("onnx")
    endless_graph(folder / "loop.onnx")
    code, out, err, _ = limex(folder, *words, "--load-timeout", 2)
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "loop.onnx: returned no first prediction in 2 s" in err


@pytest.mark.slow
@pytest.mark.parametrize("model", ["marked", "marked_with_the_lock"])
def test_in_a_batch_a_row_that_hangs_or_crashes_costs_itself_with_and_without_workers(
    folder, tmp_path, model
):
    lines = {}
    for jobs in ((), ("-j", 1), ("-j", 2)):
        out = tmp_path / f"{model}{len(lines)}"
        code, _, err, _ = explain(folder, model, "--all", "-o", out, "--item-timeout", 1, *jobs)
        assert (code, "10 explained, 2 failed" in err) == (6, True), err
        lines[jobs] = (out / "explanations.jsonl").read_bytes()
    assert len(set(lines.values())) == 1
    records = list(map(json.loads, lines[()].splitlines()[1:]))
    said = {one["instance"]["row"]: one["error"]["message"] for one in records if "error" in one}
    assert said[5] == f"py:limex_hanging:{model}: no prediction in 1 s at row 5"
    assert "the model process died (signal" in said[7]
    assert said.keys() == {5, 7}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv", "html"])
def test_a_stream_goes_on_where_its_process_was_ended(folder, tmp_path, form):
    code, out, err, _ = explain(folder, "marked", "--all", "-f", form, "--item-timeout", 1)
    assert code == 6
    assert [line.split(":")[1].strip() for line in err.splitlines()[:2]] == ["5", "7"]
    if form == "jsonl":
        records = list(map(json.loads, out.splitlines()))
        rows = [one["instance"]["facts"]["row"] for one in records]
        assert rows == [0, 1, 2, 3, 4, 6, 8, 9, 10, 11]
    else:
        assert out.count(out[:60]) == 1  # one beginning
    file = tmp_path / f"out.{form}"
    assert explain(folder, "marked", "--all", "-o", file, "--item-timeout", 1)[0] == 6
    assert file.read_text() == out


def test_texts_that_hang_cost_themselves(folder):
    texts = folder / "texts"
    texts.mkdir()
    for i, words in enumerate(("one here", "let it hang there", "three where")):
        (texts / f"{i}.txt").write_text(words)
    words = ("explain", "text", "py:limex_hanging:counted", texts, "--item-timeout", 1)
    code, out, err, _ = limex(folder, *words, "-f", "jsonl")
    assert code == 6
    assert [json.loads(line)["instance"]["id"] for line in out.splitlines()] == ["0.txt", "2.txt"]
    assert "no prediction in 1 s at 1.txt" in err


def test_what_can_be_read_only_once_is_not_begun_again(folder):
    """A second process would wait for input that the first one has taken."""
    content = (folder / "rows.csv").read_text()
    words = ("explain", "tabular", "py:limex_hanging:marked", "-", "--background", "train.csv")
    code, _, err, seconds = limex(
        folder, *words, "--all", "-f", "jsonl", "--item-timeout", 1, stdin=content
    )
    assert code == 4
    assert "no prediction in 1 s at row 5" in err
    assert seconds < 30


@pytest.mark.slow
def test_a_model_that_answers_nothing_ends_a_batch_after_five(folder, tmp_path):
    code, _, err, _ = explain(folder, "sleeps", "--all", "-o", tmp_path / "o", "--load-timeout", 1)
    assert code == 4
    assert "returned no first prediction in 1 s at each of the first 5" in err.splitlines()[-1]


def test_a_slow_model_within_its_bounds_is_left_alone(folder):
    code, out, _, _ = explain(folder, "slowly", "--row", 3, "-f", "json", "--item-timeout", "inf")
    assert code == 0
    assert json.loads(out)["samples"] > 50


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--load-timeout", 0), "--load-timeout"),
        (("--item-timeout", -1), "--item-timeout"),
        (("--item-timeout", "nan"), "--item-timeout"),
        (("--load-timeout", "soon"), "--load-timeout"),
    ],
)
def test_a_bound_that_is_no_time_is_refused(folder, words, said):
    code, _, err, _ = explain(folder, "slowly", "--row", 3, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_bounds_change_no_record(folder):
    one = explain(folder, "marked", "--row", 3, "-f", "json")[1]
    other = explain(folder, "marked", "--row", 3, "-f", "json", "--item-timeout", 77)[1]
    assert one == other  # the command in it, too


@pytest.mark.slow
def test_ctrl_z_is_no_time_that_a_model_took(folder):
    """A process that stood still with its parent is not late when both go on."""
    words = ("explain", "tabular", "py:limex_hanging:slowly", *ROWS, "--row", 3, "-f", "json")
    process = subprocess.Popen(
        [sys.executable, "-m", "lime_cli", *map(str, words), "--item-timeout", "6"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(9)
    os.killpg(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)


def test_a_board_is_read_as_it_was_written():
    board = Board()
    at = At(3, 7, 12.5, 0.25, 2**64 - 1, 9, 8, 7, 6, 5, 4, 3, 1, "row 3 \u00e9\udcff")
    board.write(at)
    assert board.read()[:-1] == at[:-1]
    board.write(at._replace(label="x" * 10_000))
    assert set(board.read().label) == {"x"}


def test_a_writer_that_dies_in_the_midst_leaves_a_board_that_is_read():
    board = Board()
    board.write(At(3, label="row 3"))
    board._memory[0:1] = b"\x05"
    assert board.read().label == "row 3"


def test_time_of_an_instance_adds_up_over_its_turns(monkeypatch):
    """Instances that are explained together take turns; each has its own time."""
    now = [100.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now[0])
    board, one, other = Board(), object(), object()
    monkeypatch.setattr(clock, "_board", board)
    watcher = Watcher(board, TimeLimits(60, 10))
    late = []
    with clock.explaining({id(one): (1, "row 1"), id(other): (3, "row 3")}, 64):
        for who in (one, other, one, other, one):
            with clock.busy_with(who):
                for _ in range(8):
                    now[0] += 0.5
                    late.append(watcher.is_late())
            now[0] += 0.25
    assert late.index(True) == 4 * 8 + 4  # half a second after the ten of row 1
    assert board.read().stage == clock.NOTHING


def test_samples_are_counted_here_and_in_processes_that_were_started(monkeypatch):
    monkeypatch.setattr(clock, "_at", At())
    before, board = clock.everywhere()[0], Board()
    clock.count_predicted(5)
    board.write(At(predicted=7, here=3, most=6, together=2))
    clock.watch(board)
    samples, share, most = clock.everywhere()
    assert (samples - before, most) == (12, 6)
    assert share - clock.now().share == 1.0  # half of each of two
    clock.unwatch(board)
    assert clock.everywhere()[0] - before == 12


def told(err):
    return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("jobs", [(), ("-j", 1)], ids=["here", "a worker"])
def test_progress_of_one_long_explanation_counts_its_samples(folder, jobs):
    words = ("explain", "text", "py:limex_hanging:slow_texts", "--text", "a b c d e f g h i j k l")
    exactly = ("--samples", 600, "--batch-size", 50, "-f", "json", "--progress", "json")
    code, out, err, _ = limex(folder, *words, *exactly, *jobs)
    assert code == 0
    lines = told(err)
    counts = [one["samples"] for one in lines]
    assert len(set(counts)) >= 2
    assert counts == sorted(counts)
    assert counts[-1] >= json.loads(out)["samples"] == 600
    halfway = next(one for one in lines if one["share"] > 0)
    assert (halfway["done"], halfway["total"]) == (0, 1)
    assert 0 < halfway["share"] < 1
    assert 0 < halfway["seconds_left"] < float("inf")
    assert (lines[-1]["done"], lines[-1]["share"], lines[-1]["seconds_left"]) == (1, 1.0, 0.0)


def test_progress_of_a_batch_moves_between_its_slices(folder, tmp_path):
    texts = tmp_path / "texts"
    texts.mkdir()
    for i in range(3):
        (texts / f"{i}.txt").write_text(f"a b c d e f g h i j k {i}")
    words = ("explain", "text", "py:limex_hanging:slow_texts", texts, "-o", tmp_path / "out")
    exactly = ("--samples", 1000, "--batch-size", 50, "--progress", "json", "-j", 2)
    code, _, err, _ = limex(folder, *words, *exactly)
    assert code == 0
    lines = told(err)
    assert len({one["samples"] for one in lines if one["done"] == 0}) > 1
    assert (lines[-1]["done"], lines[-1]["total"], lines[-1]["share"]) == (3, 3, 1.0)


def test_a_bar_for_one_long_explanation_leaves_nothing_behind(folder):
    from tests.running.test_containment import on_a_terminal

    model, words = "py:limex_hanging:slow_texts", ("--text", "a b c d e f g h i j k l")
    exactly = ("--samples", 600, "--batch-size", 50)
    words = ("explain", "text", model, *words)
    patient = (part if part != model else "py:limex_hanging:waits_for_a_bar" for part in words)
    found = on_a_terminal((*patient, *exactly), folder).decode()
    assert "of at most 600 samples" in found
    result = found.rpartition("\x1b[2K")[2]
    assert "samples" not in result.partition("the model")[0]
    assert "at most" not in on_a_terminal((*words, *exactly, "--progress", "off"), folder).decode()


@pytest.mark.parametrize(("late", "seen", "patience"), [(3600.0, False, 0.3), (0.0, True, 600.0)])
def test_a_bar_appears_after_a_while(monkeypatch, late, seen, patience):
    looked = threading.Event()
    monkeypatch.setattr(progress, "_is_for_a_person", lambda: True)
    monkeypatch.setattr(progress._Bar, "show", lambda _bar: looked.set())
    with progress.shown(progress.Progress(1), "auto", False, late):
        assert looked.wait(patience) is seen
    assert looked.is_set() is seen


def test_a_process_without_a_bound_is_never_late():
    assert np.isinf(TimeLimits().of(At())[1])
