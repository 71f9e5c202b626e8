"""Models that are folders: which file in them is the model, and what lies beside it.

Exports of Hugging Face's libraries hold ``model.onnx`` (or ``onnx/model.onnx``), ``tokenizer.json``
and ``config.json``. What these say of a model is what its owner's own tools do with it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from lime_cli.errors import InputError, ModelError

PLACES = (".", "onnx")
"""Folders of an export in which its graph may lie."""

GRAPH = "model.onnx"

TOKENIZER = "tokenizer.json"

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "tf_model.h5", "model.safetensors.index.json")
"""What a folder of the transformers library holds in place of a graph."""

SLOW = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
"""Files of tokenizers that have not been saved in one."""

NO_LIMIT = 10**6
"""From here on ``model_max_length`` means that nobody knows one."""

POSITIONS = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len",
)  # fmt: skip

AFTER_PADDING = (
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "mpnet",
    "longformer", "data2vec-text", "ibert", "luke", "xmod", "mluke",
)  # fmt: skip
"""Kinds of models that count positions from behind the number of the padding."""

WIDTHS = ("hidden_size", "d_model", "dim", "n_embd", "embedding_size")

SIZE = 64 << 20
"""Bytes of a configuration, at most."""


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
            f"optimum-cli export onnx --model {path} {path.rstrip('/')}-onnx; or explain a "
            "function of yours that calls its pipeline: py:module:function",
        )
    return ModelError(f"{path}: is a folder", "a model is one file, or a folder with a model.onnx")


class Export(NamedTuple):
    """What lies beside a graph."""

    tokenizer: Path | None = None
    config: dict[str, Any] = {}  # noqa: RUF012 - never changed
    tokens: dict[str, Any] = {}  # noqa: RUF012
    """Of tokenizer_config.json and special_tokens_map.json."""
    slow: str = ""
    """A file of a tokenizer that has not been saved as one tokenizer.json."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the outputs by ``id2label``."""
        held = self.config.get("id2label")
        if not isinstance(held, dict) or not all(str(key).isdecimal() for key in held):
            return None
        names = {int(key): str(name) for key, name in held.items()}
        whole = names and sorted(names) == list(range(len(names)))
        return tuple(names[i] for i in range(len(names))) if whole else None

    @property
    def activation(self) -> str | None:
        """What turns logits into what is read; None where the files do not say.

        By ``problem_type``, else by the number of labels, as transformers' pipelines do.
        """
        kinds = self.config.get("architectures") or ()
        if not self.config.get("model_type") and not kinds:
            return None
        if kinds and not any("Classification" in str(one) for one in kinds):
            return None
        said = self.config.get("problem_type")
        n = len(self.classes or ()) or self.config.get("num_labels") or 2
        if said == "regression":
            return "none"
        if said == "multi_label_classification" or n == 1:
            return "sigmoid"
        if said is None and self.config.get("function_to_apply") in ("none", "sigmoid", "softmax"):
            return str(self.config["function_to_apply"])
        return "softmax"

    @property
    def limit(self) -> int | None:
        """Tokens of a text that the model takes, special ones included; None for any number."""
        said = self.tokens.get("model_max_length")
        known = [int(said)] if isinstance(said, (int, float)) and 0 < said < NO_LIMIT else []
        relative = self.config.get("position_biased_input") is False
        if not relative or not known:
            found = next((self.config[key] for key in POSITIONS if key in self.config), None)
            if isinstance(found, int) and found > 0:
                known.append(max(1, found - self.first_position))
        return min(known, default=None)

    @property
    def first_position(self) -> int:
        """The number of a text's first token, where positions are counted."""
        pad = self.config.get("pad_token_id", 1)
        behind = self.config.get("model_type") in AFTER_PADDING and isinstance(pad, int)
        return pad + 1 if behind else 0

    @property
    def width(self) -> int | None:
        """How many numbers stand for a token inside the model."""
        found = next((self.config[key] for key in WIDTHS if key in self.config), None)
        return found if isinstance(found, int) and found > 0 else None

    @property
    def pad(self) -> str | None:
        """The token that texts are filled up with."""
        return self.special("pad_token")

    def special(self, name: str) -> str | None:
        """Return a special token, given bare or as an object."""
        said = self.tokens.get(name)
        said = said.get("content") if isinstance(said, dict) else said
        return said if isinstance(said, str) else None


def export_beside(model: Path, tokenizer: str | None = None) -> Export:
    """Read what lies beside a graph, or beside the tokenizer that was named for it.

    Raises InputError for a file that is damaged.
    """
    named = Path(tokenizer) if tokenizer else None
    folders = [model.parent, *([model.parent.parent] if model.parent.name == "onnx" else [])]
    if named is not None:
        folders.insert(0, named if named.is_dir() else named.parent)
    own = named if named is not None and not named.is_dir() else None
    found = own or next((one / TOKENIZER for one in folders if (one / TOKENIZER).is_file()), None)
    slow = next((str(one / name) for one in folders for name in SLOW if (one / name).is_file()), "")
    config = _first(folders, "config.json")
    if not {"model_type", "architectures", "id2label"} & set(config):
        config = {}  # of another kind
    tokens = {
        **_first(folders, "special_tokens_map.json"),
        **_first(folders, "tokenizer_config.json"),
    }
    return Export(found, config, tokens, slow)


def _first(folders: list[Path], name: str) -> dict[str, Any]:
    path = next((one / name for one in folders if (one / name).is_file()), None)
    if path is None or path.stat().st_size > SIZE:
        return {}
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError):
        raise InputError(f"{path}: is damaged, or no JSON", "save the export again") from None
    return found if isinstance(found, dict) else {}
