"""What a model's process may not do, whatever code in it tries: the system says no."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lime_cli.running import fence

ROOT = Path(__file__).parents[2]

TRY = """
import ctypes, json, os, socket, subprocess, sys, threading
from lime_cli.running import fence
inside, outside = sys.argv[1:]
fence.enter([inside + "/result.json"])
libc = ctypes.CDLL(None, use_errno=True)

def native(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)

def tried(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return 0

def run_in_thread(act):
    found = []
    thread = threading.Thread(target=lambda: found.append(tried(act)))
    thread.start()
    thread.join()
    if found[0]:
        raise OSError(found[0], "in a thread")

print(json.dumps({"kept": fence.kept(), **{name: tried(act) for name, act in {
    "write inside": lambda: open(inside + "/x", "w").close(),
    "rename inside": lambda: os.rename(inside + "/x", inside + "/y"),
    "folder inside": lambda: os.makedirs(inside + "/a/b"),
    "move inside": lambda: os.rename(inside + "/y", inside + "/a/b/y"),
    "write nowhere": lambda: open("/dev/null", "w").close(),
    "thread": lambda: threading.Thread(target=int).start(),
    "read outside": lambda: open(outside + "/there").close(),
    "write outside": lambda: open(outside + "/x", "w").close(),
    "write outside in a thread": lambda: run_in_thread(lambda: open(outside + "/x", "w").close()),
    "append outside": lambda: open(outside + "/there", "a").close(),
    "cut short outside": lambda: os.truncate(outside + "/there", 0),
    "cut short by C": lambda: native("truncate", (outside + "/there").encode(), 0),
    "folder outside": lambda: os.mkdir(outside + "/x"),
    "remove outside": lambda: os.unlink(outside + "/there"),
    "rename outside": lambda: os.rename(outside + "/there", outside + "/x"),
    "move out": lambda: os.rename(inside + "/a/b/y", outside + "/y"),
    "link out": lambda: os.symlink("/etc/passwd", outside + "/link"),
    "program": lambda: subprocess.run(["true"]),
    "program by C": lambda: native("execv", b"/bin/true", None),
    "fork": lambda: os.fork() or os._exit(0),
    "socket": lambda: socket.socket(),
    "socket of another family": lambda: socket.socket(socket.AF_UNIX),
    "socket by C": lambda: native("socket", 2, 1, 0),
    "trace": lambda: native("ptrace", 16, os.getppid(), 0, 0),
    "mount": lambda: native("mount", b"x", b"/mnt", b"tmpfs", 0, None),
    "namespace": lambda: native("unshare", 0x10000000),
    "owner": lambda: os.chown(outside + "/there", 0, 0),
}.items()}}))
"""

FREE = ["write inside", "rename inside", "folder inside", "move inside", "write nowhere", "thread",
        "read outside"]  # fmt: skip


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": os.environ["FENCED_TEMPORARY"]}


@pytest.fixture
def fenced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    inside, outside, temporary = (tmp_path / name for name in ("in", "out", "tmp"))
    for folder in (inside, outside, temporary):
        folder.mkdir()
    (outside / "there").write_text("text")
    monkeypatch.setenv("FENCED_TEMPORARY", str(temporary))
    done = subprocess.run(
        [sys.executable, "-c", TRY, inside, outside],
        env=environment(), check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    if "Landlock" not in said["kept"] or "seccomp" not in said["kept"]:
        pytest.skip(f"this system has no whole fence: {said['kept']!r}")
    assert (outside / "there").read_text() == "text"
    assert sorted(one.name for one in outside.iterdir()) == ["there"]
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has the fence")
def test_the_system_refuses_what_no_model_needs(fenced: dict[str, Any]) -> None:
    assert [name for name in FREE if fenced[name]] == []
    refused = [name for name in fenced if name not in ("kept", *FREE)]
    assert len(refused) == 20
    assert [name for name in refused if not fenced[name]] == []


def test_only_files_that_nobody_trusted_are_fenced() -> None:
    assert fence.is_due("m.pkl", "auto", False, "cpu")
    for given in (
        ("m.pkl", "auto", True, "cpu"),
        ("py:functions:score", "auto", False, "cpu"),
        ("m", "python", False, "cpu"),
        ("m.onnx", "onnx", False, "cuda"),
    ):
        assert not fence.is_due(*given)


ACTING = """
import os, sys
from sklearn.linear_model import LogisticRegression
plain = LogisticRegression.predict_proba
def act(self, rows):
    import lime_cli.models.pickles.tripwire as tripwire
    tripwire._wire().mode = ""          # as if compiled code did it, unseen
    for step in (lambda: open({marker!r}, "w").close(), lambda: os.fork() or os._exit(0)):
        try:
            step()
        except OSError:
            pass
        else:
            os.write(2, b"it was done")
    return plain(self, rows)
LogisticRegression.predict_proba = act
from lime_cli.cli import main
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has the fence")
@pytest.mark.parametrize("way", [[], ["-o", "result/"], ["--trust"]])
def test_commands_ask_behind_the_fence(
    way: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("FENCED_TEMPORARY", str(tmp_path / "tmp"))
    rows = np.random.default_rng(0).random((60, 2))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))
    lines = ["a,b", *(f"{a},{b}" for a, b in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    if way[:1] == ["-o"]:
        (tmp_path / "result").mkdir()
    marker = tmp_path / "home" / "marker"
    (tmp_path / "acting.py").write_text(ACTING.format(marker=str(marker)))
    done = subprocess.run(
        [sys.executable, "acting.py", "explain", "tabular", "m.pkl", "rows.csv", "--row", "1,2",
         "--samples", "64", "-f", "jsonl", "-v", *way],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    is_fenced = "confined by Landlock" in done.stderr
    assert is_fenced == ("--trust" not in way)
    assert marker.exists() != is_fenced
    assert ("it was done" in done.stderr) != is_fenced
