"""Every command of the README and the docs runs, and prints what they show.

Commands run in this process; with ``LIMEX_PROCESSES=1`` each in one of its own, as readers do.
``python -m tests.test_readme`` writes what the commands print now into the pages.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, Result, limex_in
from tests.samples import readable

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEP = re.compile(r'^```(\w+)(?: title="(.+?)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)

WALKS = [
    page for page in PAGES if re.search(r'^```\w+ title="', page.read_text("utf-8"), re.MULTILINE)
]
"""Pages that a reader follows from top to bottom in one folder: blocks with a title are files."""


def blocks():
    """Yield (page, [(command, shown output)]) of every console block that stands by itself."""
    for page in PAGES:
        if page not in WALKS:
            for block in BLOCK.findall(page.read_text("utf-8")):
                yield page.name, commands_of(block)


def commands_of(block: str) -> list[tuple[str, str]]:
    """Return the commands of a block, each with the output that it shows."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in map(cut, parts)]


def cut(part: str) -> tuple[str, str, str]:
    return part.partition("\n")


def examples():
    """Yield (page, command, shown output) of every command."""
    for page, commands in blocks():
        for command, shown in commands:
            yield page, command, shown


def expected_code(command: str) -> int:
    """Return the exit code that a comment behind a command announces; 0 without."""
    said = re.search(r"# exit code (\d+)$", command)
    return int(said[1]) if said else 0


BLOCKS = [
    (page, [one for one in commands if one[0].startswith("limex ")]) for page, commands in blocks()
]
BLOCKS = [(page, commands) for page, commands in BLOCKS if commands]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """The samples, pickles as the installed scikit-learn writes them."""
    folder = tmp_path_factory.mktemp("samples")
    copy_samples(folder)
    for name in ("zoo_mlp.pkl", "loans.pkl", "diabetes.pkl", "cancer_forest.joblib"):
        shutil.copyfile(readable(name, folder), folder / "sample_models" / name)
    return folder


@pytest.fixture
def folder(samples, tmp_path):
    """A folder with the samples for one block of commands."""
    copy_samples(tmp_path, samples)
    return tmp_path


def copy_samples(folder: Path, source: Path = ROOT) -> None:
    for name in ("sample_models", "sample_data"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / name, folder / name, ignore=ignored)


def told(page: str) -> list[str]:
    """Give the lines of a page, but what this system's kernel fences a model with."""
    return [line for line in page.rstrip().splitlines() if not line.startswith("  fenced by ")]


PROGRAMS = {"limex": ("-m", "lime_cli"), "python": ()}


HERE = not os.environ.get("TESTS_PROCESSES")


def run(command: str, folder: Path, here: bool = HERE) -> Result:
    """Run a command of a page in a folder."""
    program, *rest = shlex.split(command, comments=True)
    if here and program == "limex":
        return limex_in(folder, *rest)
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program], *rest],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return Result(done.returncode, done.stdout, done.stderr)


def check(command: str, shown: str, folder: Path) -> None:
    """Run a command; fail where its exit code or its output is not what the page says."""
    done = run(command, folder)
    assert done.code == expected_code(command), f"{command}\n{done.err}"
    if shown.strip():
        assert told(done.out) == told(shown)


@pytest.mark.parametrize(
    ("page", "commands"), BLOCKS, ids=[f"{page}: {found[0][0]}" for page, found in BLOCKS]
)
def test_the_commands_of_a_block_run_and_print_what_it_shows(folder, page, commands):
    for command, shown in commands:
        check(command, shown, folder)


@pytest.mark.parametrize("page", WALKS, ids=[page.name for page in WALKS])
def test_a_page_can_be_followed_from_top_to_bottom(folder, page):
    for kind, title, body in STEP.findall(page.read_text("utf-8")):
        if title:
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            (folder / title).write_text(body, "utf-8")
        elif kind == "console":
            for command, shown in commands_of(body):
                check(command, shown, folder)


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
    codes = {kind.exit_code for kind in vars(errors).values() if hasattr(kind, "exit_code")}
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
    shared = str(ROOT.parent) == tempfile.gettempdir()  # which examples may name
    place = f"{ROOT if shared else ROOT.parent}/"
    for path in names:
        if path.is_file():
            assert place not in path.read_text("utf-8"), path


def update() -> None:
    """Replace every output that a page shows by what its command prints now.

    Names of pages on the command line leave the others as they are.
    """
    wanted = [Path(one).name for one in sys.argv[1:]] or [page.name for page in PAGES]
    pages = {page.name: page for page in PAGES}
    for name, commands in BLOCKS:
        if name in wanted:
            with tempfile.TemporaryDirectory() as where:
                copy_samples(Path(where))
                for command, shown in commands:
                    rewrite(pages[name], command, shown, Path(where))
    for page in WALKS:
        if page.name in wanted:
            with tempfile.TemporaryDirectory() as where:
                copy_samples(Path(where))
                for kind, title, body in STEP.findall(page.read_text("utf-8")):
                    if title:
                        (Path(where) / title).write_text(body, "utf-8")
                    elif kind == "console":
                        for command, shown in commands_of(body):
                            rewrite(page, command, shown, Path(where))


def rewrite(page: Path, command: str, shown: str, folder: Path) -> None:
    """Run a command, and put what it prints in place of what the page shows."""
    done = run(command, folder, here=False)
    assert done.code == expected_code(command), f"{command}\n{done.err}"
    if shown.strip():
        printed = done.out.rstrip() + "\n"
        printed += "\n" * (len(shown) - len(shown.rstrip("\n")) - 1)
        text = page.read_text("utf-8")
        old, new = f"$ {command}\n{shown}", f"$ {command}\n{printed}"
        page.write_text(text.replace(old, new), "utf-8")


if __name__ == "__main__":
    update()


def test_the_figures_in_sentences_are_those_of_the_blocks():
    text = (ROOT / "README.md").read_text("utf-8")
    weight = re.search(r"`hair = 1` with (\+\d\.\d+) adds about (\d+) percentage points", text)
    assert re.search(rf"{re.escape(weight[1])} \+-\d\.\d+  hair = 1\n", text)
    assert round(100 * float(weight[1])) == int(weight[2])
    for page in ("README.md", "docs/index.md"):
        intercept = re.search(
            r"From the intercept (\d\.\d+) over", (ROOT / page).read_text("utf-8")
        )[1]
        assert f"; intercept {intercept}\n" in text
