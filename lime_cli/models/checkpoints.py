"""Folders of the transformers library that hold weights and no graph, as its trainers leave them.

The library builds the network from ``config.json``; only classes of its own are built, never code
that lies in the folder. Texts and images are prepared as for the model's ONNX export.
"""

from __future__ import annotations

import re
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.errors import MissingDependency, ModelError, UntrustedModel, last_line
from lime_cli.models.content import Content
from lime_cli.models.failures import is_of_model
from lime_cli.models.model_file import ModelFile, ModelInput, export_line
from lime_cli.models.onnx.export import Export, export_beside
from lime_cli.models.outputs import Stated, written_out
from lime_cli.models.predictor import Origin, Predictor, Way, quiet
from lime_cli.models.python import in_evaluation, of_transformer

NEEDED = ("transformers", "torch")

SAFE_TORCH = (2, 6)
"""The first torch whose reader of weights runs nothing that a ``.bin`` file says."""

SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""Files that transformers prefers to every pickle; one of another name it does not read."""

HOLDS_TOKENIZER = re.compile(r"tokeni[sz]er.*|vocab.*|merges.*|.*\.(model|bpe|vocab)")
"""Names of files of tokenizers."""

TASKS = {
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForImageClassification": "AutoModelForImageClassification",
}
"""How the names of networks end that tell classes apart, and what builds them."""


def load(file: ModelFile, content: Content) -> Predictor:
    """Build the network of a folder; raise MissingDependency without the library, ModelError for
    one that has no classes.
    """
    folder = content.path.parent
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"{folder}: is a model of the transformers library without an ONNX graph, and "
            f"{missing[0]} is not installed",
            f"pip install 'limex[transformers]'; or {export_line(str(folder))}",
        )
    export = export_beside(content.path, file.tokenizer)
    kinds = [str(one) for one in export.config.get("architectures") or ()]
    task = next((end for end in TASKS if any(one.endswith(end) for one in kinds)), None)
    if task is None:
        said = kinds[0] if kinds else "a network that config.json does not name"
        raise ModelError(
            f"{folder}: is {said}, which does not tell classes apart",
            "explain a function of yours that returns a row of numbers per input: "
            "py:module:function",
        )
    if not file.trust:
        check_weights(folder)
    origin = Origin("transformers", content.digest_in_thread(), folder.name)
    network = _built(TASKS[task], folder, file)
    if task == "ForSequenceClassification":
        beside = Path(file.tokenizer or folder)
        names = [one.name for one in beside.iterdir()] if beside.is_dir() else [beside.name]
        if not any(map(HOLDS_TOKENIZER.fullmatch, names)):
            raise ModelError(
                f"{folder}: holds no tokenizer",
                "copy the files of its tokenizer there (tokenizer.save_pretrained), or name their "
                "folder: --tokenizer DIR",
            )
        tokenizer = _built("AutoTokenizer", beside, file)
        return of_transformer(network, tokenizer, file, origin, export)
    activated = _activated(file, export)
    warnings = export.warnings if activated is not file else ()
    way = _way_of_images(network, export, origin)._replace(warnings=warnings)
    return Predictor(activated, way)


def check_weights(folder: Path) -> None:
    """Raise UntrustedModel for weights in a pickle, where torch might run what it says."""
    here = metadata.version("torch")
    safe = tuple(int(one) for one in here.split(".")[:2]) >= SAFE_TORCH
    adapted = any(folder.glob("adapter_model.*"))  # of which a pickle may be read beside them
    if safe or (not adapted and any((folder / name).is_file() for name in SAFE_WEIGHTS)):
        return
    raise UntrustedModel(
        f"{folder}: holds its weights in a pickle, and torch {here} could run code from it",
        "pip install 'torch>=2.6'; load it anyway: --trust",
    )


def _built(kind: str, folder: Path, file: ModelFile) -> Any:
    """Build one part by the library; raise ModelError in its own words."""
    try:
        with quiet():
            import torch
            import transformers

            transformers.logging.set_verbosity_error()
            transformers.logging.disable_progress_bar()
            torch.set_num_threads(file.threads or 1)
            place = folder if folder.is_dir() else folder.parent
            make = getattr(transformers, kind).from_pretrained
            made = make(str(place), local_files_only=True, trust_remote_code=False)
    except BaseException as error:  # the library may raise anything
        if not is_of_model(error):
            raise
        raise ModelError(
            f"{folder}: cannot be loaded by transformers ({last_line(error)})",
            export_line(str(folder)),
        ) from error
    return made.eval() if hasattr(made, "eval") else made


def _activated(file: ModelFile, export: Export) -> ModelFile:
    said = export.activation
    known = file.activation != "auto" or file.task == "regression" or said is None
    return file if known else file._replace(activation=str(said))


def _way_of_images(network: Any, export: Export, origin: Origin) -> Way:
    said = getattr(network.config, "image_size", None)
    pixels = export.pixels
    size = (said, said) if isinstance(said, int) else None
    channels = getattr(network.config, "num_channels", 3)
    given = ModelInput(
        origin.name,
        "image",
        size=(pixels.size if pixels else None) or size,
        channels=channels,
        layout="NCHW",
        pixels=pixels,
    )
    task = "regression" if export.activation == "none" else "classification"
    stated = Stated(task, export.classes, label=export.label)

    def predict(inputs: Any) -> Any:
        import torch

        batch = torch.as_tensor(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2)))
        return written_out(in_evaluation(network, partial(network, pixel_values=batch)))

    return Way(origin, predict, stated, given, method="logits")
