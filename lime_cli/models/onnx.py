"""ONNX models through onnxruntime: one session, whatever the graph's input and output look like."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lime_cli.engine.instance import Caveat, FloatArray, Identity
from lime_cli.errors import ModelError, PredictionError, SettingsError
from lime_cli.models import ModelFile, ModelInput
from lime_cli.models.feeds import DTYPES, feed, filled
from lime_cli.models.graph import Graph, check_graph, read_graph
from lime_cli.models.outputs import Stated, settle
from lime_cli.settings import digest_of_file

CHANNELS = ((3,), (1,), (4,))
"""Sizes of an axis that may be a picture's channels, the likeliest first."""
LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""


def load(file: ModelFile) -> OnnxModel:
    """Load the file; raise ModelError, or UntrustedModel for what reaches outside its folder."""
    path = Path(file.path)
    graph = read_graph(path)
    check_graph(path, graph)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads = 1
    if file.threads is not None:
        options.intra_op_num_threads = file.threads
    try:
        session = onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # the runtime raises a type of its own for every cause
        raise _refusal(path, error) from None
    return OnnxModel(file, session, graph)


class OnnxModel:
    """A session with what is known of its inputs and outputs."""

    caveats: tuple[Caveat, ...] = ()

    def __init__(
        self, file: ModelFile, session: onnxruntime.InferenceSession, graph: Graph
    ) -> None:
        self._file, self._session, self._graph = file, session, graph
        self._name = Path(file.path).name
        self._inputs = session.get_inputs()
        for one in self._inputs:
            if one.type not in DTYPES:
                raise ModelError(
                    f"{self._name}: limex cannot feed input {one.name!r} of type {one.type}"
                )
        self._output = self._choose_output()
        self.input = self._read_input()
        self._outputs = settle(
            self._probe(), file, self._name, Stated(self._task(), self._classes())
        )
        self.identity = Identity(
            "onnx",
            digest_of_file(Path(file.path)),
            self._outputs.task,
            self._outputs.targets,
        )
        self.probabilities = self._outputs.probabilities

    def predict(self, inputs: Any) -> FloatArray:
        """Return (n, k) outputs for a table, a list of texts or (n, height, width, channels)."""
        feeds = feed(inputs, self._inputs, self.input.layout)
        return self._outputs.read(self._run(feeds), len(inputs))

    def _run(self, feeds: dict[str, NDArray[Any]]) -> Any:
        """Run the session, in pieces of the graph's own batch size where that is fixed."""
        n = len(next(iter(feeds.values())))
        fixed = self._inputs[0].shape[0] if self._inputs[0].shape else None
        if not isinstance(fixed, int) or fixed == n:
            return self._ask(feeds)
        parts: list[Any] = []
        for start in range(0, n, fixed):
            piece = {
                name: filled(values[start : start + fixed], fixed) for name, values in feeds.items()
            }
            parts.extend(self._ask(piece)[: min(fixed, n - start)])
        return parts if isinstance(parts[0], dict) else np.stack(parts)

    def _ask(self, feeds: dict[str, NDArray[Any]]) -> Any:
        try:
            return self._session.run([self._output.name], feeds)[0]
        except Exception as error:  # as above
            raise PredictionError(*_failure(self._name, error)) from None

    def _read_input(self) -> ModelInput:
        """Read columns, or size, channels and layout, from the graph's inputs and its metadata."""
        if len(self._inputs) > 1:
            names = tuple(str(one.name) for one in self._inputs)
            return ModelInput(self._name, "table", names)
        shape = self._inputs[0].shape
        if len(shape) == 4:
            layout = self._layout(shape)
            height, width = shape[2:] if layout == "NCHW" else shape[1:3]
            channels = shape[1] if layout == "NCHW" else shape[3]
            return ModelInput(
                self._name,
                "picture",
                size=(height, width)
                if isinstance(height, int) and isinstance(width, int)
                else None,
                channels=channels if isinstance(channels, int) else None,
                layout=layout,
                preprocess=self._graph.metadata.get("limex.preprocess"),
            )
        columns = _listed(self._graph.metadata.get("limex.features"))
        n_columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
        kind = None if self._inputs[0].type == "tensor(string)" else "table"
        return ModelInput(self._name, kind, columns, n_columns)

    def _layout(self, shape: list[Any]) -> str:
        if self._file.layout:
            return self._file.layout
        for sizes in CHANNELS:
            first, last = shape[1] in sizes, shape[3] in sizes
            if first != last:
                return "NCHW" if first else "NHWC"
        if shape[1] != shape[3] and shape[2] in (shape[1], shape[3]):
            return "NCHW" if shape[2] == shape[3] else "NHWC"
        raise SettingsError(
            f"{self._name}: its input {shape} does not tell where the channels are",
            "say --layout NCHW or --layout NHWC",
        )

    def _choose_output(self) -> Any:
        """Choose the output to explain: the one named, else probabilities rather than labels."""
        outputs = self._session.get_outputs()
        names = [one.name for one in outputs]
        wanted = self._file.output
        if wanted is not None:
            place = int(wanted) if wanted.isdecimal() and wanted not in names else None
            if place is not None and place < len(outputs):
                return outputs[place]
            if wanted in names:
                return outputs[names.index(wanted)]
            raise SettingsError(
                f"{self._name}: has no output {wanted!r}", f"it has {', '.join(names)}"
            )
        return next((one for one in outputs if one.type not in LABELS), outputs[0])

    def _task(self) -> str | None:
        """A label beside the scores, or scores by class, mean classification."""
        outputs = self._session.get_outputs()
        others = [one for one in outputs if one.name != self._output.name]
        named = "map" in self._output.type or any(one.type in LABELS for one in others)
        return "classification" if named else None

    def _classes(self) -> tuple[str, ...] | None:
        return _listed(self._graph.metadata.get("limex.classes")) or self._graph.classes

    def _probe(self) -> Any:
        """Ask once with an input of zeros, for the shape of the answer."""
        feeds = {}
        for one in self._inputs:
            sizes = (self.input.size or (32, 32)) + (self.input.channels or 3,)
            shape = [n if isinstance(n, int) else 1 for n in one.shape]
            if len(shape) == 4:
                free = {"NCHW": (1, sizes[2], *sizes[:2]), "NHWC": (1, *sizes)}[
                    str(self.input.layout)
                ]
                shape = [n if isinstance(n, int) else free[i] for i, n in enumerate(one.shape)]
            empty = "" if one.type == "tensor(string)" else 0
            feeds[one.name] = np.full(shape, empty, DTYPES[one.type])
        return self._ask(feeds)


def _listed(text: str | None) -> tuple[str, ...] | None:
    return tuple(map(str, json.loads(text))) if text else None


def _refusal(path: Path, error: Exception) -> ModelError:
    words = " ".join(str(error).split())
    if "opset" in words.lower() or "IR version" in words:
        return ModelError(
            f"{path.name}: needs a newer runtime than onnxruntime {onnxruntime.__version__}",
            "pip install -U onnxruntime, or export it with a lower opset",
        )
    return ModelError(
        f"{path.name}: onnxruntime cannot load it ({_short(words)})", "export it again"
    )


def _failure(name: str, error: Exception) -> tuple[str, str]:
    words = " ".join(str(error).split())
    if "locale" in words.lower():
        return (
            f"{name}: it lower-cases texts, for which the system lacks the locale en_US.UTF-8",
            "install it (Debian: apt-get install locales && locale-gen en_US.UTF-8)",
        )
    return (
        f"{name}: the model failed on its input ({_short(words)})",
        "check size, type and number of inputs",
    )


def _short(words: str) -> str:
    """Return the sentence of a runtime's message, without its prefix of codes."""
    words = words.split(" : ", 3)[-1]
    return words if len(words) <= 160 else words[:157] + "..."
