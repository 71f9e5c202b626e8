"""The site of the docs: generated pages are complete, links lead somewhere, it builds in one go."""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location

import click
import pytest
import yaml

from lime_cli.cli import program
from lime_cli.tools.schema import SCHEMAS
from tests.conftest import ROOT

DOCS = ROOT / "docs"

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def generator():
    spec = spec_from_file_location("reference_pages", DOCS / "reference_pages.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = generator().pages()


def commands(command, path="limex"):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}")


def test_the_reference_has_every_command_and_option():
    page = PAGES["commands.md"]
    sections = dict(re.findall(r"^## (limex.*)\n((?:(?!^## ).*\n?)*)", page, re.MULTILINE))
    for path, command in commands(program):
        assert path in sections
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert max(option.opts, key=len) in sections[path], (path, option.name)


def test_the_reference_has_every_schema():
    assert re.findall(r"^## (\w+)$", PAGES["schemas.md"], re.MULTILINE) == list(SCHEMAS)


def test_the_reference_has_the_exit_codes_of_the_readme():
    codes = re.findall(r"^\| ([\d, ]+) \|", PAGES["exit-codes.md"], re.MULTILINE)
    assert len(codes) == 9


def navigated(entry):
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from navigated(value)
    else:
        for one in entry:
            yield from navigated(one)


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page():
    listed = set(navigated(CONFIG["nav"]))
    written = {one.name for one in DOCS.glob("*.md")}
    assert listed == written | {f"reference/{name}" for name in PAGES}


def anchors(text):
    """Return the anchors of headings as mkdocs and GitHub make them."""
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")


def test_links_to_headings_lead_to_one():
    for page in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for target, anchor in re.findall(
            r"\]\((?!http)([^)#\s]*)#([^)]+)\)", page.read_text("utf-8")
        ):
            aim = page.parent / target if target else page
            assert anchor in set(anchors(aim.read_text("utf-8"))), f"{page.name}: {target}#{anchor}"


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="pip install -e '.[docs]' brings mkdocs")
def test_the_site_builds_without_a_warning(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in ("index.html", "tutorial/index.html", "reference/commands/index.html"):
        assert (tmp_path / "site" / page).is_file()


def test_what_a_user_reads_is_spelled_right():
    done = subprocess.run(
        [ROOT / ".ci/words"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


STYLE = {
    r"(?<!there )\b(?:is|are) no (?!longer\b|more\b)": "say 'is not a ...'",
    r"\bmend\b": "say 'correct'",
    r"(?<!sampling )\b(?:goes|go) on\b": "say 'continues'",
    r"\bhanded over\b": "say 'passed to the model'",
    r"\banew\b": "say 'again'",
    r"\btruth values?\b": "say 'boolean'",
    r"\bcaveats?\b": "say 'warning'",
    r"(?<!-)\bpictures?\b": "say 'image'",
    r"\bwished for\b": "say 'requested'",
    r"\bnext to nothing\b": "say how much",
    r"\btells? of\b|\btold of\b": "say 'describes'",
    r"\b(?:is|are) asked (?!to\b)": "a model predicts",
}
"""What a native technical writer would not write, and what to write instead."""


def messages():
    """Yield (place, string) of every string of the package that is not a docstring."""
    for path in sorted((ROOT / "lime_cli").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        documents = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and " " in text and id(node) not in documents:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def prose():
    """Yield (place, line) of the README and the docs, without code."""
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        whole = path.read_text("utf-8")
        text = re.sub(r"(?s)```.*?```", lambda block: "\n" * block[0].count("\n"), whole)
        for number, line in enumerate(text.split("\n"), 1):
            yield f"{path.name}:{number}", re.sub(r"`[^`]*`", "", line)


def test_what_a_user_reads_is_plain_technical_english():
    found = [
        f"{place}: {text.strip()!r}: {remedy}"
        for place, text in (*messages(), *prose())
        for pattern, remedy in STYLE.items()
        if re.search(pattern, text)
    ]
    assert not found, "\n".join(found)
