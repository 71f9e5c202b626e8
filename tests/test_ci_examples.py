"""The examples for CI in docs/check.md run as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lime_cli.tools.check.policy import read_policy
from tests.conftest import ROOT
from tests.samples import readable

PAGE = (ROOT / "docs" / "check.md").read_text("utf-8")


def block(language: str, holding: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (only,) = [one for one in found if holding in one]
    return only


@pytest.fixture
def folder(tmp_path):
    """A project with the samples, and a limex on the path."""
    for name in ("sample_models", "sample_data"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(readable("loans.pkl", tmp_path), tmp_path / "sample_models" / "loans.pkl")
    tools = tmp_path / "tools"
    tools.mkdir()
    limex = tools / "limex"
    limex.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lime_cli "$@"\n')
    limex.chmod(0o755)
    return tmp_path


def shell(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = f"{folder / 'tools'}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_step_of_github_actions_passes(folder):
    (step,) = yaml.safe_load(block("yaml", "run: |"))
    done = shell(folder, "bash", "-e", "-c", step["run"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_step_of_github_actions_fails_with_annotations_on_a_strict_policy(folder):
    (step,) = yaml.safe_load(block("yaml", "run: |"))
    done = shell(folder, "bash", "-e", "-c", step["run"].replace("_policy", "_strict"))
    assert done.returncode == 1
    assert "::error file=sample_data/loans_strict.toml,line=3,title=limex check::" in done.stdout


def test_the_hook_of_pre_commit_judges_what_is_committed(folder):
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    ((repo,)) = yaml.safe_load(block("yaml", "hooks:"))
    (used,) = repo["hooks"]
    assert used["id"] == hook["id"]
    words = ["explain", "tabular", "sample_models/loans.pkl", "sample_data/loans.csv", "--row", "1"]
    assert shell(folder, "limex", *words, "-o", "explanations.jsonl").returncode == 0
    assert re.search(used["files"], "explanations.jsonl")
    done = shell(folder, *shlex.split(hook["entry"]), *used["args"], "explanations.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_makefile_checks(folder):
    (folder / "Makefile").write_text(block("make", "check:"))
    done = shell(folder, "make", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "check.xml").read_text().count("<testcase") == 4


def test_the_policy_of_the_page_is_a_policy(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(block("toml", "[quality]"))
    assert len(read_policy(path).rules) == 7
