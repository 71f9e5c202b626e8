"""The house: imports point down, never in a circle; the light set stays light."""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lime_cli"

FLOORS = (
    ("errors", "console", "version", "registry", "clock", "cores", "files", "settings", "sources"),
    ("engine", "tables"),
    ("models", "modality"),
    ("texts", "images"),
    ("tabular",),
    ("records",),
    ("formats",),
    ("running",),
    ("options",),
    ("tools",),
    ("cli", "api", "explanations"),
    ("__main__", ""),
)
"""From the ground up: folders and files; a file may import from its own folder and from below."""

STRANGERS = (("engine", "tables"), ("tables", "engine"), ("images", "texts"), ("texts", "images"))
"""Who knows nothing of whom, though both stand on one floor."""

LIGHT = (
    "*.py",
    "options/*.py",
    "tools/*.py",
    "tools/*/__init__.py",
    "models/model_file.py",
    "formats/__init__.py",
    "running/containment.py",
    "running/output.py",
    "running/progress.py",
)
"""Files that import the standard library and click only, at their top."""
SMALL = 100


def module_of(path: Path) -> str:
    parts = ["lime_cli", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """Parse the package, when a test asks for it."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {module_of(path): ast.parse(path.read_text("utf-8")) for path in paths}


def imports(tree: ast.AST, everywhere: bool = True) -> set[str]:
    """Return the modules that a file imports, those of this package to the very file."""
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in trees() else node.module)
    return found


@cache
def graph() -> dict[str, set[str]]:
    """Tell which files of the package each one imports."""
    return {name: (imports(tree) & trees().keys()) - {name} for name, tree in trees().items()}


def folder_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def floor_of(name: str) -> int:
    return next(i for i, names in enumerate(FLOORS) if folder_of(name) in names)


def circles() -> list[set[str]]:
    """Return the groups of files each of which reaches all others of its group."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            for name in graph()[left.pop()] - seen:
                seen.add(name)
                left.append(name)
        return seen

    reach = {name: reached(name) for name in graph()}
    found: list[set[str]] = []
    for name in graph():
        if name in reach[name] and not any(name in one for one in found):
            found.append({one for one in reach[name] if name in reach[one]})
    return found


def test_no_imports_run_in_a_circle():
    found = [sorted(one) for one in circles()]
    assert found == []


def test_imports_point_down():
    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if floor_of(other) > floor_of(name) or (folder_of(name), folder_of(other)) in STRANGERS
    ]
    assert wrong == []


MEASURED = (
    ("check", "lime_cli.tools.compare.measure"),
    ("convert", "lime_cli.tools.inspect.measure"),
)
"""What tools use of what others measure."""


def test_tools_do_not_import_each_other_but_what_others_measure():
    wrong = []
    for name, others in graph().items():
        for other in others:
            if folder_of(name) == folder_of(other) == "tools":
                own, its = name.split(".")[2], other.split(".")[2]
                if own != its and (own, other) not in MEASURED:
                    wrong.append(f"{name} imports {other}")
    assert wrong == []


def test_the_engine_imports_nothing_of_the_house_but_settings_errors_and_the_clock():
    allowed = ("lime_cli.engine", "lime_cli.settings", "lime_cli.errors", "lime_cli.clock", "numpy")
    wrong = [
        f"{name} imports {other}"
        for name, tree in trees().items()
        if folder_of(name) == "engine"
        for other in imports(tree, everywhere=False)
        if not other.startswith(allowed) and other.split(".")[0] not in sys.stdlib_module_names
    ]
    assert wrong == []


def test_the_light_set_imports_only_click_and_itself():
    wrong = []
    for path in (path for pattern in LIGHT for path in PACKAGE.glob(pattern)):
        for name in imports(trees()[module_of(path)], everywhere=False):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names and top not in ("click", "lime_cli"):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert wrong == []


def test_every_module_says_what_it_is():
    assert [name for name, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_no_small_file_is_there_for_one_other_alone():
    users = Counter(other for others in graph().values() for other in others)
    wrong = [
        name
        for name in trees()
        if folder_of(name)
        and users[name] == 1
        and len(path_of(name).read_text("utf-8").splitlines()) < SMALL
    ]
    assert wrong == []


def path_of(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for name, tree in trees().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    doubled = {name for name, found in places.items() if len(found) > 1}
    assert doubled == {
        "Explanation"
    }  # of Python's users: the engine's, and what it can do for them


def loaded_by(*arguments: str) -> set[str]:
    """Return the modules that a fresh process has loaded after a command."""
    code = (
        "import sys\nfrom lime_cli.cli import run\n"
        f"code = run({list(arguments)!r})\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["--help", "--version"])
def test_the_list_of_commands_loads_little_more_than_click(words):
    own = {name for name in loaded_by(words) if name.startswith("lime_cli.")}
    assert own == {
        f"lime_cli.{name}"
        for name in (
            "cli",
            "errors",
            "options",
            "options.command_groups",
            "running",
            "running.containment",
            "version",
        )
    }


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
        "assert not any(name.startswith('lime_cli.tools.ex') for name in sys.modules)"
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


def test_an_onnx_table_loads_nothing_that_it_does_not_use():
    table = (
        "sample_models/zoo_mlp.onnx",
        "sample_data/zoo.csv",
        "--row",
        "84",
        "--samples",
        "4096",
    )
    loaded = loaded_by("explain", "tabular", *table, "-f", "json")
    unused = {"sklearn", "pandas", "joblib", "skimage", "scipy", "PIL", "threadpoolctl", "zipfile"}
    assert "onnxruntime" in loaded
    assert loaded & {*unused, "numpy.ma", "lime_cli.engine.like_lime"} == set()


def test_an_onnx_text_needs_neither_scikit_learn_nor_pandas():
    loaded = loaded_by(
        "explain", "text", "sample_models/reviews.onnx", "sample_data/review.txt", "--samples", "64"
    )
    assert not loaded & {"sklearn", "pandas", "joblib", "skimage", "scipy", "PIL"}
