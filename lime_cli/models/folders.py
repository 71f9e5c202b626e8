"""Models that are folders: which file in them is the model, and what is said of it beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lime_cli.errors import ModelError

PLACES = (".", "onnx")
"""Folders of an export in which its graph may lie."""

GRAPH = "model.onnx"

MLMODEL = "MLmodel"
"""What MLflow writes beside a model: its flavours, and the columns that it takes."""

MOST_SAID = 10 << 20
"""Bytes of it that are read."""

MODEL_FILE = re.compile(
    r"^ +(?:pickled_model|data|model_data|model_path): ['\"]?([^\s'\"]+)['\"]?\s*$", re.MULTILINE
)

CUSTOM = ("python_model.pkl",)
"""A model that is code of its own."""

SIGNATURE = re.compile(
    r"^ +inputs: (?:'(?P<single>(?:[^']|'')*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\")\s*$",
    re.MULTILINE | re.DOTALL,
)

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "tf_model.h5", "model.safetensors.index.json")
"""What a folder of the transformers library holds in place of a graph."""


def located(path: str) -> str:
    """Return the model's file of a folder, any other path as it is; ModelError for a folder of
    something else.
    """
    folder = Path(path)
    if not folder.is_dir():
        return path
    for place in PLACES:
        if (folder / place / GRAPH).is_file():
            return str(folder / place / GRAPH)
    if (folder / MLMODEL).is_file():
        return str(_of_mlflow(path, folder))
    graphs = sorted(one for place in PLACES for one in (folder / place).glob("*.onnx"))
    if len(graphs) == 1:
        return str(graphs[0])
    raise _no_model(path, folder, graphs)


def _of_mlflow(path: str, folder: Path) -> Path:
    """Return the file that a flavour names; raise ModelError for one that limex does not run."""
    words = _said(folder) or ""
    for found in MODEL_FILE.finditer(words):
        place = Path(found[1])
        inside = not place.is_absolute() and ".." not in place.parts
        if inside and (folder / place).is_file() and place.name not in CUSTOM:
            return folder / place
    flavours = re.findall(r"^  (\w+):\s*$", words.partition("flavors:")[2], re.MULTILINE)
    listed = ", ".join(one for one in flavours if one != "python_function") or "python_function"
    raise ModelError(
        f"{path}: is an MLflow model of a flavour that limex does not run ({listed})",
        "explain a function of yours that calls mlflow.pyfunc.load_model: py:module:function; or "
        "export the model to ONNX",
    )


def columns_beside(path: str) -> tuple[str, ...] | None:
    """Return the columns that the signature of an MLflow model names beside its file, in order."""
    if not path or path.startswith("py:"):
        return None
    found = SIGNATURE.search(_said(Path(path).parent) or "")
    if found is None:
        return None
    single, double = found["single"], found["double"]
    if double is not None:
        plain = re.sub(r"\\x(..)", r"\\u00\1", re.sub(r"\\\n\s*(?:\\(?= ))?", "", double))
        single = str(json.loads(f'"{plain}"'))
    try:
        inputs = json.loads(re.sub(r"\n\s*", " ", single).replace("''", "'"))
        return tuple(str(one["name"]) for one in inputs) or None
    except (ValueError, KeyError, TypeError):  # tensors have no names
        return None


def _said(folder: Path) -> str | None:
    """Read what MLflow says of a folder's model; None for no such file, or no plain one."""
    path = folder / MLMODEL
    try:
        if not path.is_file():  # but a pipe, or a device that never ends
            return None
        with path.open("rb") as file:
            return file.read(MOST_SAID).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return None


def export_line(folder: str) -> str:
    """Say how a model of the transformers library becomes one that limex explains."""
    return (
        f"optimum-cli export onnx --model {folder} {folder.rstrip('/')}-onnx; or explain a "
        "function of yours that calls its pipeline: py:module:function"
    )


def _no_model(path: str, folder: Path, graphs: list[Path]) -> ModelError:
    if graphs:
        listed = ", ".join(str(one.relative_to(folder)) for one in graphs[:8])
        return ModelError(f"{path}: holds {len(graphs)} models", f"name one of them: {listed}")
    if (folder / "saved_model.pb").exists():
        return ModelError(
            f"{path}: is a TensorFlow SavedModel",
            "convert it: python -m tf2onnx.convert --saved-model",
        )
    if any((folder / name).exists() for name in WEIGHTS):
        return ModelError(
            f"{path}: is a model of the transformers library without an ONNX graph",
            export_line(path),
        )
    return ModelError(f"{path}: is a folder", "a model is one file, or a folder with a model.onnx")
