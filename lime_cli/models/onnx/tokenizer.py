"""Texts as token ids, for ONNX models that take those: a tokenizer.json does the work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.errors import InputError, MissingDependency, ModelError
from lime_cli.models.input_forms import DTYPES

PADS = ("[PAD]", "<pad>", "<|endoftext|>")

PARTS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""What of an encoding goes to which input."""


class Tokens:
    """A tokenizer and the inputs that it fills."""

    def __init__(self, path: Path, wanted: Sequence[Any], model: str) -> None:
        """Raise MissingDependency, InputError or ModelError for what does not fit together."""
        self._tokenizer = _read(path)
        self._wanted = {one.name: np.dtype(DTYPES[one.type]) for one in wanted}
        strange = [name for name in self._wanted if name not in PARTS]
        if len(wanted) == 1:
            self._parts = {wanted[0].name: "ids"}
        elif strange:
            raise ModelError(
                f"{model}: a tokenizer does not fill its input {strange[0]!r}",
                f"export it with {', '.join(PARTS)} only",
            )
        else:
            self._parts = {name: PARTS[name] for name in self._wanted}
        self._set_length(wanted[0].shape)

    def feed(self, texts: list[str]) -> dict[str, NDArray[Any]]:
        """Return (n, length) ids and masks, every text as long as the longest."""
        encoded = self._tokenizer.encode_batch(texts)
        return {
            name: np.array([getattr(one, part) for one in encoded], self._wanted[name])
            for name, part in self._parts.items()
        }

    def _set_length(self, shape: list[Any]) -> None:
        """Pad to the longest of a batch, or cut and pad to the length that the graph fixes."""
        tokenizer = self._tokenizer
        length = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
        if length is not None:
            tokenizer.enable_truncation(max_length=length)
        known = tokenizer.padding or {}
        pad = next((one for one in PADS if tokenizer.token_to_id(one) is not None), None)
        tokenizer.enable_padding(
            direction=known.get("direction", "right"),
            pad_id=known.get("pad_id", 0 if pad is None else tokenizer.token_to_id(pad)),
            pad_type_id=known.get("pad_type_id", 0),
            pad_token=known.get("pad_token", pad or "[PAD]"),
            length=length,
        )


def _read(path: Path) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingDependency(
            "--tokenizer: tokenizers is not installed", "pip install 'limex[tokenizers]'"
        ) from None
    try:
        return Tokenizer.from_str(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path of the tokenizer.json") from None
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from None
    except Exception as error:  # the library raises plain Exception for every fault
        words = " ".join(str(error).split())[:120]
        raise InputError(
            f"{path.name}: is no tokenizer.json ({words})", "save one with tokenizer.save"
        ) from None
