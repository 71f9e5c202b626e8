"""What a model may do when it predicts: compute. Whatever else it tries is an alarm."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import marshal
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lime_cli.errors import UntrustedModel
from lime_cli.models.model_file import ModelFile
from lime_cli.models.pickles import tripwire
from lime_cli.tabular.row import Table

RANDOM = np.random.default_rng(0)
X = RANDOM.random((60, 3))
Y = (X[:, 0] > 0.5).astype(int)
TABLE = Table(("u", "v", "w"), tuple(X.T))

LOCAL = pickle.dumps(np.ones(3))

ACTS: dict[str, Callable[[Path], Any]] = {
    "writes a file": lambda path: (path / "x").write_text("x"),
    "appends to a file": lambda path: (path / "there").open("a"),
    "reads and writes a file": lambda path: (path / "there").open("r+b"),
    "opens a descriptor to write": lambda path: os.open(path / "x", os.O_CREAT | os.O_RDWR),
    "opens standard output again": lambda _: open(1, "w", closefd=False),  # noqa: SIM115
    "reads a file of somebody's": lambda path: (path / "there").read_text(),
    "makes a folder": lambda path: (path / "x").mkdir(),
    "removes a file": lambda path: (path / "there").unlink(),
    "renames a file": lambda path: (path / "there").rename(path / "x"),
    "makes a link": lambda path: (path / "x").symlink_to(path / "there"),
    "changes a mode": lambda path: (path / "there").chmod(0o777),
    "cuts a file short": lambda path: os.truncate(path / "there", 0),
    "copies a file": lambda path: shutil.copy(path / "there", path / "x"),
    "changes the folder": lambda path: os.chdir(path),
    "looks into a folder": lambda path: list(path.iterdir()),
    "writes an array": lambda path: np.array([b"x"]).tofile(str(path / "x")),
    "saves an array": lambda path: np.save(path / "x.npy", X),
    "maps a file": lambda path: np.memmap(path / "x", shape=(3,), mode="w+"),
    "makes a temporary file": lambda _: tempfile.mkstemp(),
    "starts a program": lambda path: subprocess.run(["touch", path / "x"], check=False),
    "calls the shell": lambda path: os.system(f"touch {path / 'x'}"),
    "becomes another program": lambda _: os.execv("/bin/true", ["true"]),
    "forks": lambda _: os._exit(0) if os.fork() == 0 else None,
    "opens a socket": lambda _: socket.socket(),
    "asks for an address": lambda _: socket.getaddrinfo("localhost", 80),
    "compiles": lambda _: compile("1", "x", "eval"),
    "evaluates": lambda _: eval("1 + 1"),
    "runs code": lambda _: exec("x = 1"),
    "unpickles": lambda _: pickle.loads(LOCAL),
    "loads code": lambda _: marshal.loads(marshal.dumps(1)),
    "opens a library": lambda _: ctypes.CDLL(None),
    "reads memory": lambda _: ctypes.string_at(id(X), 8),
    "imports a module of the folder": lambda _: importlib.import_module("limex_stray_module"),
    "traces": lambda _: sys.settrace(None),
    "kills": lambda _: os.kill(os.getpid(), 0),
    "sets the environment": lambda _: os.environ.__setitem__("LIMEX_X", "1"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a file and a module in it."""
    tripwire._wire()
    stray = tmp_path / "stray"
    stray.mkdir()
    (stray / "limex_stray_module.py").write_text("print('imported')")
    (tmp_path / "there").write_text("text")
    monkeypatch.syspath_prepend(stray)
    return tmp_path


def tree_of(path: Path) -> list[tuple[str, int]]:
    return sorted((str(one), one.stat().st_mode) for one in path.rglob("*"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX alone")
@pytest.mark.parametrize("name", ACTS)
def test_what_no_prediction_needs_is_an_alarm(
    name: str, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree_of(place)
    with pytest.raises(tripwire.Alarm), tripwire.predicting():
        ACTS[name](place)
    with pytest.raises(tripwire.Alarm), tripwire.predicting(), contextlib.suppress(Exception):
        ACTS[name](place)
    assert tree_of(place) == before
    assert "imported" not in capfd.readouterr().out


def test_installed_modules_are_imported_and_their_files_read() -> None:
    for name in ("colorsys", "wave"):
        sys.modules.pop(name, None)
    with tripwire.predicting():
        importlib.import_module("colorsys")
        importlib.import_module("wave")
        assert Path(np.__file__).read_text()
        assert len(os.urandom(4)) == 4


def test_modules_may_be_compiled_to_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    tripwire._readable.cache_clear()
    try:
        for name, compiled in (("colorsys", True), ("wave", False)):
            sys.modules.pop(name, None)
            if compiled:  # before, as another command does
                importlib.import_module(name)
                sys.modules.pop(name)
            with tripwire.predicting():
                importlib.import_module(name)
        assert [one.name.split(".")[0] for one in tmp_path.rglob("*.pyc")] == ["colorsys"]
        assert not sys.dont_write_bytecode
    finally:
        tripwire._readable.cache_clear()


def test_threads_that_a_model_starts_are_watched(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tripwire, "_THREADS", tripwire._Threads())
    tripwire.watch_threads()
    seen: list[BaseException] = []
    method = threading.Event()

    def write(wait: bool = False) -> None:
        if wait:
            method.wait()
        try:
            (place / "x").write_text("x")
        except Exception as error:
            seen.append(error)

    with tripwire.predicting():
        threads = [threading.Thread(target=write, args=(wait,)) for wait in (False, True)]
        for thread in threads:
            thread.start()
        threads[0].join()
    method.set()
    threads[1].join()
    assert [type(one) for one in seen] == [tripwire.Alarm] * 2
    assert not (place / "x").exists()
    ours = threading.Thread(target=write)
    ours.start()
    ours.join()
    assert (place / "x").exists()


def test_what_a_trusted_module_does_is_its_own_business(place: Path) -> None:
    with tripwire.predicting(trusted=(__name__,)):
        (place / "x").write_text("x")
    assert (place / "x").exists()


def test_nothing_is_watched_afterwards(place: Path) -> None:
    with tripwire.predicting():
        pass
    (place / "x").write_text("x")
    with contextlib.suppress(ZeroDivisionError), tripwire.predicting():
        raise ZeroDivisionError
    subprocess.run(["true"], check=True)


def saved(path: Path, model: Any) -> str:
    path.write_bytes(pickle.dumps(model))
    return str(path)


@pytest.mark.parametrize("method", ["predict_proba", "predict", "__sklearn_tags__"])
def test_a_model_that_acts_when_asked_is_refused(
    method: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(LogisticRegression, method):
        pytest.skip("an older scikit-learn has no such method")
    path = saved(place / "m.pkl", LogisticRegression().fit(X, Y))

    def act(self: Any, *_: Any) -> Any:
        with contextlib.suppress(Exception):
            (place / "x").write_text("x")
        return X[:, :2]

    file = ModelFile(path, output="labels" if method == "predict" else None)
    with monkeypatch.context() as patch:
        patch.setattr(LogisticRegression, method, act)
        with contextlib.suppress(UntrustedModel):
            model = file.load()
            if method != "__sklearn_tags__":
                with pytest.raises(UntrustedModel, match="is not safe to run: it tries open"):
                    model.predict(TABLE)
                with pytest.raises(UntrustedModel):
                    model.takes(TABLE)
    assert not (place / "x").exists()


def test_a_trusted_model_does_what_it_likes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(place / "m.pkl", LogisticRegression().fit(X, Y))

    def act(self: Any, rows: Any) -> Any:
        (place / "x").write_text("x")
        return np.tile([0.5, 0.5], (len(rows), 1))

    monkeypatch.setattr(LogisticRegression, "predict_proba", act)
    ModelFile(path, trust=True).load().predict(TABLE)
    assert (place / "x").exists()


def test_packages_are_looked_for_where_python_is_asked_by_hand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The path of a notebook begins with nothing, which stands for the folder it is in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("a")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with tripwire.predicting():
        importlib.metadata.entry_points(group="none")
    with pytest.raises(tripwire.Alarm), tripwire.predicting():
        (tmp_path / "data.csv").read_text()
