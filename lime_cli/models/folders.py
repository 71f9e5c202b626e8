"""Models that are folders: which file in them is the model."""

from __future__ import annotations

from pathlib import Path

from lime_cli.errors import ModelError

PLACES = (".", "onnx")
"""Folders of an export in which its graph may lie."""

GRAPH = "model.onnx"

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
    graphs = sorted(one for place in PLACES for one in (folder / place).glob("*.onnx"))
    if len(graphs) == 1:
        return str(graphs[0])
    raise _no_model(path, folder, graphs)


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
