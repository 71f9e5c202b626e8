"""Every command of the README and the docs runs, and prints what they show.

``python -m tests.test_readme`` writes what the commands print now into the pages.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.samples import readable

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples():
    """Yield (page, command, shown output) of every console block."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text("utf-8")):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                yield page.name, command, shown


COMMANDS = [example for example in examples() if example[1].startswith("limex ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the samples, pickles as the installed scikit-learn writes them."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("sample_models", "sample_data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("zoo_mlp.pkl", "loans.pkl", "cancer_forest.joblib"):
        shutil.copyfile(readable(name, folder), folder / "sample_models" / name)
    return folder


@pytest.mark.parametrize(("page", "command", "shown"), COMMANDS, ids=[one[1] for one in COMMANDS])
def test_a_command_of_the_docs_runs_and_prints_what_they_show(folder, page, command, shown):
    words = [sys.executable, "-m", "lime_cli", *shlex.split(command)[1:]]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=folder, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    if shown:
        assert done.stdout.rstrip() == shown.rstrip()


def test_the_readme_shows_each_modality_and_both_one_line_commands():
    commands = [command for page, command, _ in examples() if page == "README.md"]
    for words in ("explain tabular", "explain text", "explain image"):
        assert any(words in command for command in commands)
    assert "pip install . && limex demo" in commands
    assert any(".[test]" in command and "pytest" in command for command in commands)


def test_links_to_files_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_exit_code_is_documented():
    from lime_cli import errors

    text = (ROOT / "README.md").read_text("utf-8")
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    for code in codes:
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code


def test_the_changelog_has_an_unreleased_section():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_nothing_speaks_of_the_machine_it_was_written_on():
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    names = [
        Path(ROOT / name)
        for name in listed.stdout.split("\n")
        if name.endswith((".py", ".md", ".toml"))
    ]
    for path in names:
        if path.is_file():
            assert str(ROOT.parent) + "/" not in path.read_text("utf-8"), path


def update() -> None:
    """Replace every output that a page shows by what its command prints now."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for name, command, shown in COMMANDS:
            if name == page.name and shown:
                words = [sys.executable, "-m", "lime_cli", *shlex.split(command)[1:]]
                done = subprocess.run(words, capture_output=True, check=True, cwd=ROOT)
                text = text.replace(f"$ {command}\n{shown}", f"$ {command}\n{done.stdout.decode()}")
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    update()
