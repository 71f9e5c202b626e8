"""onnxruntime: a session for a file, another locale where the system lacks the one that a graph
lower-cases texts by, and failures in words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

from lime_cli.cores import usable_cores
from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, SettingsError, said_by, shortened
from lime_cli.models.model_file import ModelFile
from lime_cli.models.onnx.graph import (
    ATTRIBUTE_NAME,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_OPERATOR,
    fields,
    nested,
)

EVERYWHERE = "C.UTF-8"
"""A locale that is there without being installed, and knows the letters of every script."""

OPERATOR, LOCALE = b"StringNormalizer", b"locale"

ATTRIBUTE_STRING, ATTRIBUTE_TYPE, STRING = 4, 20, 3


def with_locale(data: memoryview, name: str = EVERYWHERE) -> bytes:
    """Return an ONNX file in which every operator that normalises strings does so by ``name``."""
    return _changed(data, MODEL_GRAPH, lambda graph: _changed(graph, GRAPH_NODE, _Node(name)))


class _Node:
    """Sets the locale of a node that has one."""

    def __init__(self, name: str) -> None:
        text = _field(ATTRIBUTE_NAME, LOCALE) + _field(ATTRIBUTE_STRING, name.encode())
        kind = _varint(ATTRIBUTE_TYPE << 3) + _varint(STRING)
        self._attribute = _field(NODE_ATTRIBUTE, text + kind)

    def __call__(self, node: memoryview) -> bytes:
        parts = list(fields(node))
        operators = (bytes(nested(value)) for number, value in parts if number == NODE_OPERATOR)
        if next(operators, b"") != OPERATOR:
            return bytes(node)
        return b"".join(_written(*one) for one in parts if not _is_locale(*one)) + self._attribute


def _is_locale(number: int, value: memoryview | int) -> bool:
    if number != NODE_ATTRIBUTE:
        return False
    name = next((one for key, one in fields(nested(value)) if key == ATTRIBUTE_NAME), b"")
    return name == LOCALE


def _changed(data: memoryview, number: int, change: Callable[[memoryview], bytes]) -> bytes:
    """Return a message with ``change`` done to every field of a number."""
    return b"".join(
        _field(number, change(nested(value))) if found == number else _written(found, value)
        for found, value in fields(data)
    )


def _written(number: int, value: memoryview | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _field(number, bytes(value))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


LACKING = re.compile(r"construct locale with name:\s*([\w.@-]*)")
"""What the runtime says where a locale is not installed."""

INSTEAD = (
    "the model lower-cases texts by the locale {}, which this system lacks; {} is used instead, "
    "which differs only for letters such as the dotted I of Turkish"
)

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


WEIGHTS_BESIDE = "session.model_external_initializers_file_folder_path"


KEEPS_INSIDE = (1, 24)
"""The first version that reads no weights from outside of a model's folder."""


def check_version(path: Path) -> None:
    """Raise ModelError where the runtime is too old for a model with weights beside it."""
    version = tuple(map(int, re.findall(r"\d+", onnxruntime.__version__)[:2]))
    if version < KEEPS_INSIDE:
        raise ModelError(
            f"{path.name}: keeps weights in files beside it, and onnxruntime "
            f"{onnxruntime.__version__} also reads those outside of its folder",
            "pip install 'onnxruntime>=1.24', or save the model in one file",
        )


def opened(file: ModelFile, path: Path, data: bytes) -> tuple[Any, tuple[CodedWarning, ...]]:
    """Return a session of a file's bytes, and what is to be said of it.

    Raises ModelError for what the runtime refuses.
    """
    provider = PROVIDERS[file.provider]
    if provider not in onnxruntime.get_available_providers():
        raise SettingsError(
            f"--provider {file.provider}: this onnxruntime does not support it",
            "pip install onnxruntime-gpu, or leave it out",
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = file.threads or usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry(WEIGHTS_BESIDE, os.fspath(path.parent.resolve()))
    providers = [provider] if file.provider == "cpu" else [provider, PROVIDERS["cpu"]]
    warnings: tuple[CodedWarning, ...] = ()
    try:
        session = onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # the runtime raises a type of its own for every cause
        lacking = LACKING.search(str(error))
        try:
            if lacking is None:
                raise
            changed = with_locale(memoryview(data))
            session = onnxruntime.InferenceSession(changed, options, providers=providers)
            warnings = (CodedWarning("locale", INSTEAD.format(lacking[1], EVERYWHERE)),)
        except Exception:  # as above
            raise _refusal(path, error) from None
    if provider not in session.get_providers():
        raise SettingsError(
            f"--provider {file.provider}: onnxruntime could not start it",
            "check the driver and its libraries, or leave it out",
        )
    return session, warnings


def _refusal(path: Path, error: Exception) -> ModelError:
    words = said_by(error)
    if "locale" in words.lower():
        return ModelError(*failure(path.name, error))
    if "opset" in words.lower() or "IR version" in words:
        return ModelError(
            f"{path.name}: needs a newer runtime than onnxruntime {onnxruntime.__version__}",
            "pip install -U onnxruntime, or export it with a lower opset",
        )
    return ModelError(
        f"{path.name}: onnxruntime cannot load it ({_short(words)})", "export it again"
    )


def failure(name: str, error: Exception) -> tuple[str, str]:
    """Word why a session did not run: message and hint."""
    words = said_by(error)
    if "locale" in words.lower():
        return (
            f"{name}: it lower-cases texts, for which the system lacks the locale en_US.UTF-8",
            "install it (Debian, Ubuntu: apt-get install locales && "
            "localedef -i en_US -f UTF-8 en_US.UTF-8)",
        )
    return (
        f"{name}: the model failed on its input ({_short(words)})",
        "check size, type and number of inputs",
    )


def _short(words: str) -> str:
    """Return the sentence of a runtime's message, without its prefix of codes."""
    return shortened(words.split(" : ", 3)[-1])
