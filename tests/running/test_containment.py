"""A model that takes its process down costs one line, never the shell's bare signal."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
import ctypes, os, signal, sys, time

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
    out, err = process.communicate(timeout=30)
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
