"""Modules are compiled once, though the process that imports them may write nothing."""

import os
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import numpy as np
import pytest

from lime_cli.engine import explaining
from lime_cli.running import containment

ROOT = Path(__file__).parents[2]


def start(cache, *words):
    there = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, *words, "-m", "lime_cli", "explain", "sample_models/zoo_mlp.onnx",
         "sample_data/zoo.csv", "--row", "84", "--samples", "64", "-q"],
        cwd=ROOT, env={**there, "PYTHONPYCACHEPREFIX": str(cache)}, check=True, capture_output=True,
    )  # fmt: skip


def test_the_next_start_finds_compiled_what_this_one_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    kept = [Path(cache_from_source(one.__file__)) for one in (explaining, np)]
    start(tmp_path, "-B")
    assert not any(one.exists() for one in kept)
    first = start(tmp_path)
    assert all(one.exists() for one in kept)
    made = kept[0].stat().st_mtime_ns
    assert start(tmp_path).stdout == first.stdout
    assert kept[0].stat().st_mtime_ns == made


@pytest.mark.parametrize("line", ["{0}/m.py", "{1}/../../../..{0}/m.py", "{1}/none.py", "{1}", ""])
def test_no_file_but_an_installed_package_s_is_compiled(line, tmp_path, monkeypatch):
    (tmp_path / "m.py").write_text("x = 1")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "cache"))
    containment.keep((line.format(tmp_path, Path(os.__file__).parent) + "\n").encode())
    assert not [*tmp_path.rglob("m.*.pyc")]


def test_a_package_that_cannot_be_written_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "file"))
    (tmp_path / "file").write_text("no folder")
    containment.keep(f"{explaining.__file__}\n".encode())
    assert (tmp_path / "file").read_text() == "no folder"
