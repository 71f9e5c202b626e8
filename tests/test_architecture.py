"""The house: imports point down, the light set stays light, files and functions stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lime_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

FLOORS = (
    ["settings", "digests", "registry", "errors", "containment", "files", "interruption"],
    ["engine"],
    ["modalities", "models"],
    ["formats", "results"],
    ["jobs", "trial", "replicates", "cache"],
    ["outcomes"],
    ["executors"],
    ["api"],
    ["console"],
    ["progress"],
    ["commands"],
    ["cli", "__main__"],
)
"""From the ground up; a file may import from its own floor and those below."""

LIGHT = [
    "__init__.py",
    "cli.py",
    "config.py",
    "errors.py",
    "registry.py",
    "settings.py",
    "digests.py",
    "console.py",
    "containment.py",
    "files.py",
    "interruption.py",
    "progress.py",
    "commands/*.py",
    "modalities/__init__.py",
    "models/__init__.py",
    "formats/__init__.py",
]
"""Files that import the standard library and click only, at their top."""


def floor_of(name: str) -> int:
    part = name.split(".")[1] if "." in name else "errors"
    return next((i for i, names in enumerate(FLOORS) if part in names), 0)


def imports(path: Path, everywhere: bool = True) -> set[str]:
    """Return the modules a file imports, those under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def module_of(path: Path) -> str:
    return ".".join(["lime_cli", *path.relative_to(PACKAGE).with_suffix("").parts])


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path):
    own = floor_of(module_of(path))
    for name in imports(path):
        if name.startswith("lime_cli."):
            assert floor_of(name) <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "engine").glob("*.py")), ids=module_of)
def test_the_engine_imports_no_seam_and_nothing_heavy(path):
    allowed = ("lime_cli.engine", "lime_cli.settings", "lime_cli.errors", "numpy")
    for name in imports(path, everywhere=False):
        assert name.startswith(allowed) or name.split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("pattern", LIGHT)
def test_the_light_set_imports_only_click_and_itself(pattern):
    for path in PACKAGE.glob(pattern):
        for name in imports(path, everywhere=False):
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top in ("click", "lime_cli"), f"{path}: {name}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_short(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= 250
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 30, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level modules that a fresh process has loaded after a command."""
    code = (
        "import sys\nfrom lime_cli.cli import run\n"
        f"code = run({list(arguments)!r})\n"
        "sys.stderr.write('\\n' + ' '.join(sorted({m.split('.')[0] for m in sys.modules})))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["explain", "image", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments):
    heavy = {
        "numpy",
        "sklearn",
        "pandas",
        "PIL",
        "skimage",
        "rich",
        "onnxruntime",
        "joblib",
        "scipy",
    }
    assert not loaded_by(*arguments) & heavy


def test_listing_the_commands_imports_none_of_them():
    code = (
        "import sys\nfrom lime_cli.cli import run\nrun(['--help'])\n"
        "assert not any(name.startswith('lime_cli.commands.ex') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    for command in ("explain", "evaluate", "inspect", "demo"):
        assert f"\n  {command} " in done.stdout


def test_an_onnx_picture_needs_neither_scikit_learn_nor_pandas(tmp_path):
    loaded = loaded_by(
        "explain",
        "image",
        "sample_models/scenes.onnx",
        "sample_data/scene.png",
        "-o",
        str(tmp_path / "overlay.png"),
        "--samples",
        "64",
    )
    assert "onnxruntime" in loaded
    assert not loaded & {"sklearn", "pandas", "joblib"}


def test_an_onnx_text_needs_neither_scikit_learn_nor_pandas():
    loaded = loaded_by(
        "explain", "text", "sample_models/reviews.onnx", "sample_data/review.txt", "--samples", "64"
    )
    assert not loaded & {"sklearn", "pandas", "joblib", "skimage", "scipy", "PIL"}
