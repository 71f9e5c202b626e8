"""A model that takes its process down costs one line, never the shell's bare signal."""

import contextlib
import json
import os
import pickle
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
import ctypes, os, signal, sys, time

libc = ctypes.CDLL(None)

class Model:
    def __init__(self, deed):
        self.deed = deed

    def predict(self, rows):
        DEEDS[self.deed]()
        return rows[:, 0]

class Crashing(Model):
    def __setstate__(self, state):
        DEEDS["aborts"]()

DEEDS = {
    "nothing": lambda: None,
    "reads address zero": lambda: ctypes.string_at(0),
    "aborts": os.abort,
    "leaves": lambda: os._exit(3),
    "leaves as if all were well": lambda: os._exit(0),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "calls sys.exit": lambda: sys.exit(3),
    "sleeps": lambda: time.sleep(60),
    "writes to descriptor 1": lambda: os.write(1, b"noise"),
    "writes by the C library": lambda: (libc.puts(b"noise"), libc.fflush(None)),
    "writes to the first stream": lambda: print("noise", file=sys.__stdout__, flush=True),
    "starts a program": lambda: os.system("echo noise"),
    "prints": lambda: print("noise"),
    "sets its umask": lambda: os.umask(0o777),
    "crashes at exit": lambda: __import__("atexit").register(lambda: ctypes.string_at(0)),
}
"""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="models stay in the process")


@pytest.fixture
def start(tmp_path):
    """Start ``limex explain`` on a model that does something."""
    (tmp_path / "limex_deeds.py").write_text(MODULE)
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))

    def call(deed, *options, kind="Model", group=False):
        content = b"\x80\x02climex_deeds\n%s\n)\x81" % kind.encode()
        content += pickle.dumps({"deed": deed}, 2)[2:-1] + b"b."
        (tmp_path / "model.pkl").write_bytes(content)
        words = ["explain", "tabular", "model.pkl", "rows.csv", "--row", "3", "--samples", "64"]
        program, trust = [sys.executable, "-m", "lime_cli"], ["--trust-module", "limex_deeds"]
        return subprocess.Popen(
            [*program, *options[:-2], *words, *options[-2:], *trust, "-q"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=group,
        )

    return call


def ended(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("reads address zero", "the model process died (signal 11, segmentation fault); save"),
        ("aborts", "the model process died (signal 6, aborted); save"),
        ("is killed", "the model process was killed (out of memory?); free"),
        ("leaves", "the model process ended (exit code 3); a model"),
        ("leaves as if all were well", "the model process ended (exit code 0); a model"),
        ("calls sys.exit", "the model called exit (3)"),
    ],
)
def test_a_model_that_ends_its_process_is_one_line_and_exit_code_4(start, tmp_path, deed, words):
    code, out, err = ended(start(deed, "-o", "out.json"))
    assert err.startswith(f"limex: model.pkl: {words}")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "limex_deeds.py",
        "rows.csv",
        "model.pkl",
    }


def test_a_model_that_crashes_while_it_is_loaded_is_told_the_same_way(start):
    code, _, err = ended(start("nothing", "-f", "json", kind="Crashing"))
    assert code == 4
    assert err.startswith("limex: model.pkl: the model process died (signal 6,")


def test_a_death_is_one_json_object_where_errors_are(start):
    code, _, err = ended(start("reads address zero", "--json-errors", "-f", "json"))
    said = json.loads(err)
    assert (code, said["error"], said["exit_code"]) == (4, "ModelError", 4)


@pytest.mark.parametrize("deed", ["nothing", "crashes at exit"])
def test_what_was_finished_before_a_crash_counts(start, deed):
    code, out, err = ended(start(deed, "-f", "json"))
    assert (code, err) == (0, "")
    assert json.loads(out)


@pytest.mark.parametrize(
    "deed",
    [
        "writes to descriptor 1",
        "writes by the C library",
        "writes to the first stream",
        "starts a program",
        "prints",
    ],
)
def test_what_a_model_writes_never_gets_between_results(start, deed):
    code, out, err = ended(start(deed, "-f", "json"))
    assert code == 0
    assert json.loads(out)["instance"]["id"] == "3"
    assert set(err.replace("noise", "noise ").split()) == {"noise"}


def test_a_model_does_not_decide_who_may_read_a_result(start, tmp_path):
    assert ended(start("sets its umask", "-o", "out.json"))[0] == 0
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o666 & ~mask


def on_a_terminal(words, cwd):
    """Run the program with its output on a person's terminal; return what arrived there."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(cwd)])}
    environment.pop("CI", None)
    environment["TERM"] = "xterm"
    process = subprocess.Popen(
        [sys.executable, "-m", "lime_cli", *map(str, words)],
        cwd=cwd,
        env={**environment, "NO_COLOR": "1"},
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    found = b""
    with contextlib.suppress(OSError):  # the terminal is gone with the program
        while piece := os.read(outer, 1 << 16):
            found += piece
    os.close(outer)
    process.wait()
    return found


@pytest.mark.parametrize("form", ["csv", "table", "json", "jsonl", "html"])
def test_nothing_that_a_terminal_obeys_reaches_it_in_any_format(tmp_path, form):
    strange = "b\x1b]0;title\x07\x9b31m\n::error::c"
    (tmp_path / "limex_plain.py").write_text("def f(rows):\n    return rows['a'] * 2.0\n")
    lines = "".join(f"{i % 9},{i * 7 % 11}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(f'a,"{strange}"\n{lines}', encoding="utf-8")
    words = ("explain", "tabular", "py:limex_plain:f", "rows.csv", "--row", 3, "--samples", 64)
    words += ("--progress", "off")  # whose bar obeys limex
    found = on_a_terminal((*words, "-f", form), tmp_path).decode()
    assert "title" in found
    assert {c for c in found if not c.isprintable()} <= {"\n", "\r", "\t"}
    assert "\n::error" not in found.replace("\r", "")


@pytest.mark.parametrize("when", ["imported", "asked"])
def test_a_model_that_goes_to_another_folder_takes_no_result_along(tmp_path, when):
    (tmp_path / "elsewhere").mkdir()
    goes = 'os.chdir("elsewhere")'
    is_there = 'os.getcwd().endswith("elsewhere")'
    lines = ["import os", *([goes] if when == "imported" else []), "def f(rows):"]
    if when == "asked":
        lines.append(f"    if not {is_there}: {goes}")
    lines.append(f'    return rows["a"] * (2.0 if {is_there} else 0.0)')
    (tmp_path / "limex_goes.py").write_text("\n".join(lines))
    rows = "".join(f"{i % 9},{i * 7 % 11}\n" for i in range(60))
    (tmp_path / "rows.csv").write_text(f"a,b\n{rows}")
    words = ["explain", "tabular", "py:limex_goes:f", "rows.csv", "--row", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "lime_cli", *words, "--samples", "64", "-o", "out.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        check=False,
    )
    assert done.returncode == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["targets"][0]["components"][0]["weight"] != 0


def sleeping(start, tmp_path, **how):
    """Start a model that sleeps; return when it does, its output file being open."""
    process = start("sleeps", "-o", "out.json", **how)
    patience = time.monotonic() + 30
    while not list(tmp_path.glob(".limex-*")) and time.monotonic() < patience:
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("whom", [os.kill, os.killpg])
def test_a_signal_to_limex_reaches_the_model(start, tmp_path, number, code, whom):
    process = sleeping(start, tmp_path, group=True)
    whom(process.pid, number)
    assert ended(process)[0] == code
    assert not list(tmp_path.glob(".limex-*"))
    assert not (tmp_path / "out.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes a second")
def test_killing_limex_kills_the_model(start, tmp_path):
    process = sleeping(start, tmp_path)
    process.kill()
    began = time.monotonic()
    ended(process)  # which waits until the last process that holds the pipes is gone
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("what", [["--help"], ["explain", "text", "--help"], ["--version"]])
def test_nothing_is_forked_where_no_model_is_used(what):
    code = (
        "import os, sys\nos.fork = lambda: sys.exit('forked')\n"
        "from lime_cli.cli import main\nsys.argv[1:] = " + repr(what) + "\nmain()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


FORKING = """
import multiprocessing, os, sys, time
import numpy as np

def plain(rows):
    return np.asarray(rows, float)[:, 0]

def returns_twice(rows):
    os.fork()
    return plain(rows)

def raises_in_a_copy(rows):
    if os.fork() == 0:
        raise ValueError("in a copy")
    return plain(rows)

def leaves_in_a_copy(rows):
    if os.fork() == 0:
        sys.exit(3)
    return plain(rows)

def sleeps_in_a_copy(rows):
    if os.fork() == 0:
        time.sleep(600)
    return plain(rows)

def asks_a_pool(rows):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return np.array(pool.map(float, list(plain(rows))))

if os.environ.get("FORKS"):
    os.fork()
"""


def explained_by(folder, model, *words, **environment):
    """Explain rows by a function of a module that forks; return the code, the output, errors."""
    command = [sys.executable, "-m", "lime_cli", "explain", "tabular", f"py:forking:{model}"]
    done = subprocess.run(
        [*command, "rows.csv", "--samples", "64", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout.replace(model, "plain"), done.stderr


def processes_in(folder):
    """Return the numbers of running processes that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cwd").readlink() == folder:
                found.append(int(place.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(
    ("model", "environment"),
    [
        ("returns_twice", {}),
        ("raises_in_a_copy", {}),
        ("leaves_in_a_copy", {}),
        ("sleeps_in_a_copy", {}),
        ("asks_a_pool", {}),
        ("plain", {"FORKS": "1"}),
    ],
)
@pytest.mark.parametrize("jobs", [(), ("-j", "1")], ids=["here", "a worker"])
def test_a_model_that_forks_doubles_no_output_and_leaves_nobody(model, environment, jobs, tmp_path):
    (tmp_path / "forking.py").write_text(FORKING)
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    words = ("--row", "1,2", "-f", "csv", *jobs)
    plain = explained_by(tmp_path, "plain", *words)
    assert plain[0] == 0, plain
    code, out, err = explained_by(tmp_path, model, *words, **environment)
    assert (code, out) == plain[:2], err
    assert "Traceback" not in err
    patience = time.monotonic() + 60
    while processes_in(tmp_path):
        assert time.monotonic() < patience
        time.sleep(0.02)


ENDING = """
import os, signal, time
from lime_cli.running import local

signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a worker does
local._let_copies_end()
for _ in range(50):
    copy = os.fork()
    if copy == 0:
        time.sleep(5)
        os._exit(0)
    os.kill(copy, signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(copy, 0)[1]) == signal.SIGTERM
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX alone")
def test_a_copy_of_a_worker_ends_by_a_signal_however_soon_it_comes():
    done = subprocess.run([sys.executable, "-c", ENDING], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


MODEL, TABLE = str(ROOT / "sample_models" / "zoo_mlp.onnx"), str(ROOT / "sample_data" / "zoo.csv")


@pytest.mark.parametrize(
    ("words", "is_taken_down"),
    [
        (
            ("explain", "tabular", MODEL, TABLE, "--row", "3", "--samples", "64", "-f", "json"),
            False,
        ),
        (("--version",), True),
    ],
    ids=["a command with a model", "another"],
)
def test_who_waited_for_a_model_ends_at_once(words, is_taken_down):
    script = "import atexit, sys; from lime_cli import cli; atexit.register(print, 'TAKEN DOWN')"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; cli.main()", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert ("TAKEN DOWN" in done.stdout) == is_taken_down
    assert "limex" in done.stdout
