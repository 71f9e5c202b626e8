"""The models seam: how a model file becomes something that predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lime_cli.errors import ModelError, SettingsError
from lime_cli.registry import Registry
from lime_cli.settings import digest_of

if TYPE_CHECKING:
    from typing import Protocol

    from lime_cli.engine.instance import Model

    class LoadedModel(Model, Protocol):
        """A model that also says what it wants to be fed."""

        @property
        def input(self) -> ModelInput:
            """What the file says of its input."""
            ...


LOADERS = Registry(
    "model format",
    {
        "pickle": "lime_cli.models.pickled:load",
        "joblib": "lime_cli.models.pickled:load",
        "onnx": "lime_cli.models.onnx:load",
    },
)


@dataclass(frozen=True)
class ModelInput:
    """What a model says of its input; None where it does not say."""

    model: str = "the model"
    """Name of its file, for messages."""
    kind: str | None = None
    """``table``, ``text`` or ``picture``, where that is certain."""
    columns: tuple[str, ...] | None = None
    """Names of a table's columns in the model's order."""
    n_columns: int | None = None
    size: tuple[int, int] | None = None
    """(height, width) of a picture, in pixels."""
    channels: int | None = None
    """Of a picture: 1, 3, ..."""
    layout: str | None = None
    """``NCHW`` or ``NHWC``."""
    preprocess: str | None = None
    """Name of a preprocessing preset."""

    def require(self, kind: str) -> None:
        """Raise ModelError when the model certainly takes something else than ``kind``."""
        if self.kind is not None and self.kind != kind:
            hint = "limex explain " + {"table": "tabular", "picture": "image"}.get(
                self.kind, self.kind
            )
            raise ModelError(f"{self.model}: takes a {self.kind}, not a {kind}", f"try {hint}")


@dataclass(frozen=True)
class ModelFile:
    """A model's path and how to read it: small enough to be sent to a worker."""

    path: str
    format: str = "auto"
    task: str = "auto"
    output: str | None = None
    """Name or index of an ONNX output; ``decision`` or ``labels`` of a scikit-learn model."""
    activation: str = "none"
    classes: tuple[str, ...] | None = None
    layout: str | None = None
    trust: bool = False
    trust_modules: tuple[str, ...] = ()
    sha256: str | None = None
    """What the file's digest must be."""
    threads: int | None = None
    imports: tuple[str, ...] = ()
    """Modules to import before the file is loaded, for what they register."""

    def load(self) -> LoadedModel:
        """Load the model, once per process; raise ModelError when it cannot be used."""
        try:
            written = Path(self.path).stat().st_mtime_ns
        except OSError:
            written = 0
        return _load(self, written)


@lru_cache(maxsize=2)
def _load(file: ModelFile, written: int) -> LoadedModel:
    path = Path(file.path)
    name = file.format if file.format != "auto" else format_of(path)
    if file.sha256 is not None and digest_of(path.read_bytes()) != file.sha256.lower():
        raise ModelError(f"{path.name}: its digest is not the one given with --sha256")
    for module in file.imports:
        _import(module)
    model: LoadedModel = LOADERS[name](file)
    return model


def _import(module: str) -> None:
    try:
        import_module(module)
    except Exception as error:  # a stranger's code may raise anything
        words = f"--import {module}: fails ({type(error).__name__}: {error})"
        hint = "pip install its package, or put it on PYTHONPATH"
        raise SettingsError(" ".join(words.split()), hint) from error


def format_of(path: Path) -> str:
    """Tell a model file's format by its first bytes; raise ModelError for something else."""
    from lime_cli.models.archive import looks_pickled

    head = _first_bytes(path)
    if not head:
        raise ModelError(f"{path.name}: is empty", "give a model file: pickle, joblib or ONNX")
    kind = "pickle" if looks_pickled(head) else "onnx" if _looks_onnx(head) else None
    if kind is None:
        raise ModelError(
            f"{path.name}: is not a model file{_looks_like(head)}",
            "give a pickle, joblib or ONNX file",
        )
    wrong = {"onnx": (".pkl", ".pickle", ".joblib"), "pickle": (".onnx", ".skops")}
    if path.suffix.lower() in wrong.get("onnx" if kind == "onnx" else "pickle", ()):
        raise ModelError(
            f"{path.name}: is named {path.suffix} but its content is {_a(kind)}",
            f"rename it, or say --model-format {kind}",
        )
    return kind


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(64)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", "check the path of the model") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder", "a model is one file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


def _looks_onnx(head: bytes) -> bool:
    """An ONNX file is a protobuf whose first field is the IR version, a small number."""
    return (
        head[0] == 0x08 and len(head) > 2 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x3A, 0x42)
    )


def _looks_like(head: bytes) -> str:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return (
        f" (it begins with the text {text.splitlines()[0][:30]!r})"
        if text.isprintable() or "\n" in text
        else ""
    )


def _a(kind: str) -> str:
    return "an ONNX model" if kind == "onnx" else f"a {kind}"
