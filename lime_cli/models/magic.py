"""Which format a model file has, by its first bytes; what those of other files mean in words."""

from __future__ import annotations

import re
from pathlib import Path

from lime_cli.errors import ModelError

WANTED = "give a pickle, joblib, skops, ONNX, XGBoost, LightGBM or CatBoost file"
NAMES = {
    "pickle": "a pickle",
    "onnx": "an ONNX model",
    "skops": "a skops file",
    "xgboost": "an XGBoost model",
    "lightgbm": "a LightGBM model",
    "catboost": "a CatBoost model",
}
SUFFIXES = {
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "pickle",
    ".onnx": "onnx",
    ".ort": "onnx",
    ".skops": "skops",
    ".ubj": "xgboost",
    ".json": "xgboost",
    ".cbm": "catboost",
}
"""Suffixes that promise one format; others promise none."""
TORCH = ("a PyTorch file, which runs code when it is loaded", "export it: torch.onnx.export")
KERAS = ("a Keras file", "export it: model.export('model.onnx', format='onnx'), or tf2onnx")
HEAD_BYTES = 512
XGBOOST = re.compile(rb"\s*\{\s*\"(learner|version)\"\s*:|\{L.{7}[\x07]learner|binf", re.DOTALL)


def format_of(path: Path) -> str:
    """Tell a model file's format by its first bytes; raise ModelError for something else."""
    head = first_bytes(path)
    if not head:
        raise ModelError(f"{path.name}: is empty", WANTED)
    kind = _kind(path, head)
    if kind is None:
        raise _foreign(path, head)
    promised = SUFFIXES.get(path.suffix.lower(), kind)
    if promised != kind:
        raise ModelError(
            f"{path.name}: is named {path.suffix} but its content is {NAMES[kind]}",
            f"rename it, or say --model-format {kind}",
        )
    return kind


def _kind(path: Path, head: bytes) -> str | None:
    if _looks_onnx(head):
        return "onnx"
    if head.startswith(b"CBM1"):
        return "catboost"
    if head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return "lightgbm"
    if XGBOOST.match(head):
        return "xgboost"
    if head.startswith(b"PK\x03\x04"):
        return "skops" if "schema.json" in _entries(path) else None
    from lime_cli.models.archive import looks_pickled  # brings every decompressor

    return "pickle" if looks_pickled(head) else None


def _entries(path: Path) -> set[str]:
    """Return the names in a zip file, without the folder that PyTorch puts them in."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise ModelError(
            f"{path.name}: is cut short ({path.stat().st_size:,} bytes)", "copy it again"
        ) from None
    return {*names, *(name.partition("/")[2] for name in names)}


def _foreign(path: Path, head: bytes) -> ModelError:
    """Say what a file is that limex does not load, and what to do with it."""
    what, hint = _known(path, head)
    if what:
        return ModelError(f"{path.name}: is {what}", hint)
    from lime_cli.models.archive import looks_like

    first = looks_like(head)
    if first == "it looks like text":
        words = head.decode("utf-8", "replace").strip().splitlines()
        first = f"it begins with the text {words[0][:30]!r}" if words else "it holds blank lines"
    return ModelError(f"{path.name}: is not a model file ({first})", WANTED)


def _known(path: Path, head: bytes) -> tuple[str, str]:
    if head.startswith(b"PK\x03\x04"):
        entries = _entries(path)
        if "data.pkl" in entries:
            return TORCH
        if "config.json" in entries or "model.weights.h5" in entries:
            return KERAS
        return "a zip archive without a model", WANTED
    if head.startswith(b"\x89HDF"):
        return KERAS
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", "convert it: python -m tf2onnx.convert --tflite"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20:
        return "a safetensors file: weights without a model", "export the model to ONNX"
    if b"<PMML" in head:
        return "a PMML document", "export the model to ONNX"
    return "", ""


def first_bytes(path: Path) -> bytes:
    """Read the beginning of a file; raise ModelError where there is none."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", "check the path of the model") from None
    except IsADirectoryError:
        saved = (path / "saved_model.pb").exists()
        hint = "convert it: python -m tf2onnx.convert --saved-model" if saved else ""
        what = "a TensorFlow SavedModel" if saved else "a folder"
        raise ModelError(f"{path}: is {what}", hint or "a model is one file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


def _looks_onnx(head: bytes) -> bool:
    """An ONNX file is a protobuf whose first field is the IR version, a small number."""
    return (
        head[0] == 0x08 and len(head) > 2 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x3A, 0x42)
    )
