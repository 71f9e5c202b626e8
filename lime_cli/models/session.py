"""A session of onnxruntime as a model: asked about tables, texts and pictures as its graph says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import OutOfMemory, PredictionError, SettingsError
from lime_cli.models import ModelFile
from lime_cli.models.aside import digest_aside
from lime_cli.models.feeds import feed, filled
from lime_cli.models.graph import Graph
from lime_cli.models.inputs import read_input, zeros
from lime_cli.models.outputs import Stated
from lime_cli.models.predictor import Origin, Predictor, Way
from lime_cli.models.runtime import failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""
NAME_KEYS = ("limex.classes", "classes", "class_names", "labels", "names")
"""Metadata that holds the names of the classes, ours first."""
PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")


def predictor_of(file: ModelFile, session: Session) -> Predictor:
    """Return what asks the session."""
    path = Path(file.path)
    origin = Origin("onnx", digest_aside(path), path.name)
    stated = session.stated()
    way = Way(origin, session.ask, stated, session.input, session.asked, trial=session.trial)
    return Predictor(file, way)


class Session:
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
        metadata = self._graph.metadata
        named = [metadata[key] for key in NAME_KEYS if key in metadata]
        if named:
            from lime_cli.models.names import names_in  # brings readers of several notations

            found = next((names for names in map(names_in, named) if names is not None), None)
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
            from lime_cli.models.memory import is_shortage

            if is_shortage(error):
                raise OutOfMemory(f"{self._name}: the model ran out of memory") from None
            raise PredictionError(*failure(self._name, error)) from None

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
