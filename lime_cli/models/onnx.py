"""ONNX models through onnxruntime: one session, whatever the graph's input and output look like."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lime_cli.errors import ModelError, PredictionError, SettingsError
from lime_cli.models import ModelFile
from lime_cli.models.feeds import feed, filled
from lime_cli.models.graph import Graph, check_graph, read_graph
from lime_cli.models.inputs import read_input, zeros
from lime_cli.models.names import names_in
from lime_cli.models.outputs import Stated
from lime_cli.models.predictor import Origin, Predictor, Way
from lime_cli.settings import digest_of_file

LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""
NAME_KEYS = ("limex.classes", "classes", "class_names", "labels", "names")
"""Metadata that holds the names of the classes, ours first."""
PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def load(file: ModelFile) -> Predictor:
    """Load the file; raise ModelError, or UntrustedModel for what reaches outside its folder."""
    path = Path(file.path)
    graph = read_graph(path)
    check_graph(path, graph)
    digests: list[str] = []
    aside = Thread(target=lambda: digests.append(digest_of_file(path)))
    aside.start()  # it reads the file while the runtime builds its session
    session = _Session(file, _session(file, path), graph)
    aside.join()
    origin = Origin("onnx", digests[0], path.name)
    stated = session.stated()
    way = Way(origin, session.ask, stated, session.input, session.asked, trial=session.trial)
    return Predictor(file, way)


def _session(file: ModelFile, path: Path) -> Any:
    provider = PROVIDERS[file.provider]
    if provider not in onnxruntime.get_available_providers():
        raise SettingsError(
            f"--provider {file.provider}: this onnxruntime has none",
            "pip install onnxruntime-gpu, or leave it out",
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.inter_op_num_threads = 1
    if file.threads is not None:
        options.intra_op_num_threads = file.threads
    providers = [provider] if file.provider == "cpu" else [provider, PROVIDERS["cpu"]]
    try:
        session = onnxruntime.InferenceSession(os.fspath(path), options, providers=providers)
    except Exception as error:  # the runtime raises a type of its own for every cause
        raise _refusal(path, error) from None
    if provider not in session.get_providers():
        raise SettingsError(
            f"--provider {file.provider}: onnxruntime could not start it",
            "check the driver and its libraries, or leave it out",
        )
    return session


class _Session:
    """A session with what is known of its inputs and outputs."""

    def __init__(self, file: ModelFile, session: Any, graph: Graph) -> None:
        self._file, self._session, self._graph = file, session, graph
        self._name = Path(file.path).name
        self._inputs = session.get_inputs()
        self._outputs = session.get_outputs()
        self._output = self._choose_output()
        self.input = read_input(self._name, self._inputs, graph, file)
        self._tokens = self._tokenizer(file)

    def _tokenizer(self, file: ModelFile) -> Any:
        if not file.tokenizer:
            return None
        from lime_cli.models.tokens import Tokens

        return Tokens(Path(file.tokenizer), self._inputs, self._name)

    @property
    def asked(self) -> str:
        """Which output of the graph is read."""
        return str(self._output.name)

    def ask(self, inputs: Any) -> Any:
        """Return what the graph answers to a modality's batch."""
        if self._tokens is not None:
            return self._run(self._tokens.feed(inputs))
        try:
            feeds = feed(inputs, self._inputs, self.input.layout)
        except PredictionError as error:
            raise PredictionError(f"{self._name}: {error.message}", error.hint) from None
        return self._run(feeds)

    def trial(self) -> Any:
        """Ask with an input of zeros, for the shape of the answer."""
        if self._tokens is not None:
            return self._run(self._tokens.feed([""]))
        return self._get(self._output, zeros(self._inputs, self.input))

    def stated(self) -> Stated:
        """Read task and classes: a label beside the scores, or scores by class, mean classes."""
        others = [one for one in self._outputs if one.name != self._output.name]
        named = "map" in self._output.type or any(one.type in LABELS for one in others)
        ending = self._graph.ends_in(self._output.name)
        classes = self._classes(others)
        labels = self._output.type in LABELS and classes is not None
        return Stated(
            "classification" if named or labels or ending in PROBABLE else None,
            classes,
            independent=ending == "Sigmoid",
            labels=labels,
        )

    def _classes(self, others: list[Any]) -> tuple[str, ...] | None:
        """Return names from the metadata, a classifier's operator, or an output that lists them."""
        for key in NAME_KEYS:
            found = names_in(self._graph.metadata.get(key, ""))
            if found is not None:
                return found
        if self._graph.classes is not None:
            return self._graph.classes
        labels = next((one for one in others if one.type in LABELS), None)
        listing = [one for one in others if one.type == LABELS[0] and one is not labels]
        if not listing:
            return None
        try:
            names = self._get(listing[0], zeros(self._inputs, self.input))
        except PredictionError:  # not every model takes zeros
            return None
        return tuple(map(str, np.ravel(names)))

    def _run(self, feeds: dict[str, NDArray[Any]]) -> Any:
        """Run the session, in pieces of the graph's own batch size where that is fixed."""
        n = len(next(iter(feeds.values())))
        fixed = self._inputs[0].shape[0] if self._inputs[0].shape else None
        if not isinstance(fixed, int) or fixed == n:
            return self._get(self._output, feeds)
        parts: list[Any] = []
        for start in range(0, n, fixed):
            piece = {
                name: filled(values[start : start + fixed], fixed) for name, values in feeds.items()
            }
            parts.extend(self._get(self._output, piece)[: min(fixed, n - start)])
        return parts if isinstance(parts[0], dict) else np.stack(parts)

    def _get(self, output: Any, feeds: dict[str, NDArray[Any]]) -> Any:
        try:
            return self._session.run([output.name], feeds)[0]
        except Exception as error:  # as above
            raise PredictionError(*_failure(self._name, error)) from None

    def _choose_output(self) -> Any:
        """Choose the output to explain: the one named, else probabilities rather than labels."""
        outputs = self._outputs
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


def _refusal(path: Path, error: Exception) -> ModelError:
    words = " ".join(str(error).split())
    if "locale" in words.lower():
        return ModelError(*_failure(path.name, error))
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
