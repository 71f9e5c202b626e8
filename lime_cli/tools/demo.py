"""``limex demo``: the three modalities on the bundled samples."""

from __future__ import annotations

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import cast

import click

from lime_cli.console import Console
from lime_cli.errors import InputError, ModelError, OutputError
from lime_cli.options.commands import Command
from lime_cli.options.groups import Options, flag, option, options

PACKAGE = Path(__file__).parents[1]

HOMES = (PACKAGE / "samples", PACKAGE.parent)
"""Where the samples lie: in an installed package, or in a checkout."""


USED = (
    "sample_models/zoo_mlp.pkl",
    "sample_models/reviews.onnx",
    "sample_models/scenes.onnx",
    "sample_data/zoo.csv",
    "sample_data/review.txt",
    "sample_data/scene.png",
)


TABLE = ["tabular", "zoo_mlp.pkl", "zoo.csv", "--row", "84"]

TEXT = ["text", "reviews.onnx", "review.txt"]

IMAGE = ["image", "scenes.onnx", "scene.png"]


class DemoOptions(Options, heading="Output"):
    """Where the demo goes, as typed."""

    output: str = option(
        "-o",
        "--output",
        "Folder for models, inputs and explanations.",
        default="limex-demo",
        metavar="FOLDER",
    )
    quiet: bool = flag("-q", "--quiet", "Print only the explanations.")


@click.command(cls=Command)
@options(DemoOptions)
def demo(options: DemoOptions) -> int:
    """Explain an animal, a film review and an image, on bundled models.

    \b
    Examples:
      limex demo
      limex demo -o /tmp/limex-demo
    """
    console, folder = Console(options.quiet), Path(options.output)
    _lay_out(folder, console)
    for arguments in (TABLE, TEXT):
        _show(arguments, folder, options.quiet)
    for arguments, name in ((TABLE, "zoo.json"), (TEXT, "review.json"), (IMAGE, "scene.json")):
        _write(arguments, folder, name)
    _write(IMAGE, folder, "scene_overlay.png")
    console.say(
        f"explanations are in {folder}: zoo.json, review.json, scene.json, scene_overlay.png"
    )
    console.say("models and inputs are beside them; try limex explain image --help")
    return 0


def _lay_out(folder: Path, console: Console) -> None:
    """Copy the samples; a pickle that this scikit-learn does not read as written is made anew."""
    home = next((one for one in HOMES if (one / "sample_models").is_dir()), None)
    if home is None:
        raise InputError(
            "the samples are not installed", "install limex from its wheel or checkout"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in USED:
            shutil.copyfile(home / name, folder / Path(name).name)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror})", "choose another with -o"
        ) from None
    if not _loads(folder / "zoo_mlp.pkl"):
        console.say(
            "the sample model was saved by another version of scikit-learn; training it again"
        )
        _build_script(home).rebuild("zoo_mlp", folder)


def _loads(path: Path) -> bool:
    from lime_cli.models.model_file import ModelFile

    try:
        warnings = ModelFile(str(path)).load().warnings
    except ModelError:
        return False
    return not any(warning.code == "version_gap" for warning in warnings)


def _build_script(home: Path) -> ModuleType:
    spec = spec_from_file_location("limex_samples", home / "sample_models" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _show(arguments: list[str], folder: Path, quiet: bool) -> None:
    """Print a command and what it prints."""
    if not quiet:
        sys.stdout.write(f"$ limex explain {' '.join(_placed(arguments, folder))}\n")
        sys.stdout.flush()
    _explain(_placed(arguments, folder))
    sys.stdout.write("\n")
    sys.stdout.flush()


def _write(arguments: list[str], folder: Path, name: str) -> None:
    _explain([*_placed(arguments, folder), "-o", str(folder / name), "--force", "--quiet"])


def _explain(arguments: list[str]) -> None:
    program = click.get_current_context().find_root()
    explain = cast(click.Group, program.command).get_command(program, "explain")
    assert explain is not None
    explain.main(arguments, prog_name="limex explain", standalone_mode=False)


def _placed(arguments: list[str], folder: Path) -> list[str]:
    """Put the folder before every argument that is a file in it."""
    return [str(folder / one) if (folder / one).is_file() else one for one in arguments]
