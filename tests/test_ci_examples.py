"""The examples for CI of the docs, the GitHub Action and the container file run as they stand."""

import json
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


ACTION = yaml.safe_load((ROOT / ".github/actions/check/action.yml").read_text("utf-8"))


def act(folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the steps of the action as GitHub does: inputs come as variables."""
    inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | given
    required = {name for name, one in ACTION["inputs"].items() if one.get("required")}
    assert required <= given.keys()
    done = subprocess.CompletedProcess[str]([], 0, "", "")
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], "an input in a script is code that somebody else wrote"
        variables = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: inputs[found[1]], value)
            for name, value in step["env"].items()
        }
        assigned = [f"{name}={value}" for name, value in variables.items()]
        script = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"])
        done = shell(folder, "env", *assigned, *script)
        if done.returncode:
            break
    return done


LOANS = {
    "model": "sample_models/loans.pkl",
    "data": "sample_data/loans.csv",
    "arguments": "--row 0-5 --target yes --samples 512",
}


@pytest.mark.parametrize(("policy", "code"), [("loans_policy", 0), ("loans_strict", 1)])
def test_the_action_explains_checks_and_leaves_its_reports(folder, policy, code):
    done = act(folder, **LOANS, policy=f"sample_data/{policy}.toml")
    assert done.returncode == code, done.stdout + done.stderr
    assert ("::error file=sample_data/loans_strict.toml" in done.stdout) == bool(code)
    left = {one.name for one in (folder / "explanations").iterdir()}
    assert {"explanations.jsonl", "check.xml", "explanations.html"} <= left


def test_the_action_compares_with_a_baseline(folder):
    first = act(folder, **LOANS, policy="sample_data/loans_policy.toml", output="old")
    assert first.returncode == 0, first.stderr
    (folder / "drift.toml").write_text("[drift]\nmax_flips = 0\nmax_changed = 0\n")
    again = act(folder, **LOANS, policy="drift.toml", baseline="old/explanations.jsonl")
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_action_of_the_docs_has_the_inputs_of_the_action():
    page = (ROOT / "docs" / "tutorial.md").read_text("utf-8") + PAGE
    for used in re.findall(
        r"^- uses: limex/limex/(\S+)@main\n  with:\n((?:    .*\n)+)", page, re.M
    ):
        path, given = used
        assert (ROOT / path / "action.yml").is_file()
        assert set(yaml.safe_load(given)) <= set(ACTION["inputs"])


CONTAINERFILE = (ROOT / ".github/Containerfile").read_text("utf-8")


def test_the_container_file_copies_what_the_wheel_is_made_of():
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert all((ROOT / name).exists() for name in names)
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    wanted = set(re.findall(r'^"(\w+)" = "lime_cli/samples', project, re.MULTILINE))
    assert {"lime_cli", "pyproject.toml", "README.md", "LICENSE"} | wanted <= names


def runtime() -> str | None:
    """Name a container runtime that answers."""
    for name in ("podman", "docker"):
        if shutil.which(name):
            asked = subprocess.run([name, "info"], capture_output=True, check=False, timeout=60)
            if asked.returncode == 0:
                return name
    return None


@pytest.mark.slow
def test_the_container_explains_behind_its_walls(folder):
    name = runtime()
    if name is None:
        pytest.skip("no container runtime answers here: the image was not built")
    build = [name, "build", "-q", "-t", "limex-test", "-f", ".github/Containerfile", "."]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    walls = ["--network", "none", "--read-only", "--tmpfs", "/tmp", "-v", f"{folder}:/work:ro"]
    model = ["sample_models/zoo_mlp.onnx", "sample_data/zoo.csv", "--row", "84", "-f", "json"]
    run = [name, "run", "--rm", *walls, "limex-test", "explain", *model]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"][0]["name"] == "mammal"
