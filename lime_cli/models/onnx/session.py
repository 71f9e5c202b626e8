"""A session of onnxruntime as a model: asked about tables, texts and images as its graph says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.errors import ModelError, OutOfMemory, PredictionError, SettingsError
from lime_cli.files import digest_in_thread
from lime_cli.models.input_forms import DTYPES, feed, filled
from lime_cli.models.model_file import ModelFile, ModelInput
from lime_cli.models.onnx.graph import Graph
from lime_cli.models.onnx.runtime import failure
from lime_cli.models.outputs import Stated
from lime_cli.models.predictor import Origin, Predictor, Way

if TYPE_CHECKING:
    from numpy.typing import NDArray


CHANNELS = ((3,), (1,), (4,))
"""Sizes of an axis that may be a picture's channels, the likeliest first."""

TOKENS = "input_ids"
"""What the input of token ids is called."""

WHOLE = ("tensor(uint8)", "tensor(int8)", "tensor(int32)", "tensor(int64)")

PICTURE_SIDE = 32
"""In pixels, of a trial picture where the graph leaves the size open."""


def read_input(name: str, inputs: list[Any], graph: Graph, file: ModelFile) -> ModelInput:
    """Read columns, or size, channels and layout; raise ModelError for what cannot be fed."""
    for one in inputs:
        if one.type not in DTYPES:
            raise ModelError(f"{name}: limex cannot feed input {one.name!r} of type {one.type}")
    if file.tokenizer is not None or any(one.name == TOKENS for one in inputs):
        if file.tokenizer is None:
            raise SettingsError(f"{name}: takes token ids", "name its tokenizer with --tokenizer")
        return ModelInput(name, "text")
    if len(inputs) > 1:
        return _of_columns(name, inputs)
    shape, kind = inputs[0].shape, inputs[0].type
    if len(shape) == 4:
        return _of_pictures(name, inputs[0], graph, file)
    columns = _listed(graph.metadata.get("limex.features"))
    n_columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
    words = kind == "tensor(string)" and (n_columns is None or n_columns == 1)
    texts = range(n_columns or 0) if kind == "tensor(string)" else ()
    return ModelInput(name, None if words else "table", columns, n_columns, tuple(texts))


def zeros(inputs: list[Any], given: ModelInput) -> dict[str, NDArray[Any]]:
    """Return an input of nothing but zeros, or empty texts, for a trial."""
    feeds = {}
    height, width = given.size or (PICTURE_SIDE, PICTURE_SIDE)
    channels = given.channels or 3
    for one in inputs:
        free = [1] * len(one.shape)
        if len(free) == 4:
            nchw = given.layout == "NCHW"
            free = [1, channels, height, width] if nchw else [1, height, width, channels]
        shape = [n if isinstance(n, int) else free[i] for i, n in enumerate(one.shape)]
        empty: Any = "" if one.type == "tensor(string)" else 0
        feeds[one.name] = np.full(shape, empty, DTYPES[one.type])
    return feeds


def _of_columns(name: str, inputs: list[Any]) -> ModelInput:
    for one in inputs:
        last = one.shape[-1] if len(one.shape) == 2 else 1
        if len(one.shape) > 2 or (isinstance(last, int) and last != 1):
            listed = ", ".join(f"{each.name} {_shape(each)}" for each in inputs[:8])
            raise ModelError(
                f"{name}: limex cannot feed its inputs together: {listed}",
                "export it with one input, or with one input for every column",
            )
    texts = tuple(i for i, one in enumerate(inputs) if one.type == "tensor(string)")
    return ModelInput(name, "table", tuple(str(one.name) for one in inputs), words=texts)


def _of_pictures(name: str, one: Any, graph: Graph, file: ModelFile) -> ModelInput:
    shape = one.shape
    layout = file.layout or _layout(name, shape)
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    channels = shape[1] if layout == "NCHW" else shape[3]
    known = isinstance(height, int) and isinstance(width, int)
    raw = "raw" if one.type in WHOLE else None
    return ModelInput(
        name,
        "picture",
        size=(height, width) if known else None,
        channels=channels if isinstance(channels, int) else None,
        layout=layout,
        precision="float16" if one.type == "tensor(float16)" else None,
        preprocess=graph.metadata.get("limex.preprocess", raw),
    )


def _layout(name: str, shape: list[Any]) -> str:
    for sizes in CHANNELS:
        first, last = shape[1] in sizes, shape[3] in sizes
        if first != last:
            return "NCHW" if first else "NHWC"
    if shape[1] != shape[3] and shape[2] in (shape[1], shape[3]):
        return "NCHW" if shape[2] == shape[3] else "NHWC"
    sides = [n for n in shape[1:] if isinstance(n, int)]
    if len(sides) == 3 and 2 * min(sides) <= sorted(sides)[1] and sides[1] > min(sides):
        return "NCHW" if sides[0] == min(sides) else "NHWC"  # far fewer than rows and columns
    raise SettingsError(
        f"{name}: its input {shape} does not tell where the channels are",
        "say --layout NCHW or --layout NHWC",
    )


def _shape(one: Any) -> str:
    return "[" + ", ".join(str(n) if isinstance(n, int) else "n" for n in one.shape) + "]"


def _listed(text: str | None) -> tuple[str, ...] | None:
    if not text:
        return None
    import json

    return tuple(map(str, json.loads(text)))


LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""

NAME_KEYS = ("limex.classes", "classes", "class_names", "labels", "names")
"""Metadata that holds the names of the classes, ours first."""

REGRESSORS = ("LinearRegressor", "TreeEnsembleRegressor", "SVMRegressor")
"""Operators whose numbers are values, one or several, and no classes."""

PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")


def predictor_of(file: ModelFile, session: Session) -> Predictor:
    """Return what asks the session."""
    path = Path(file.path)
    origin = Origin("onnx", digest_in_thread(path), path.name)
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
        from lime_cli.models.onnx.tokenizer import Tokens

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
        task = "classification" if named or labels or ending in PROBABLE else None
        if ending in REGRESSORS or (named and self._finds_outliers(others, classes)):
            task = "regression"
        return Stated(
            task,
            classes,
            independent=ending == "Sigmoid",
            labels=labels,
        )

    def _finds_outliers(self, others: list[Any], classes: tuple[str, ...] | None) -> bool:
        """Tell a score beside 1 or -1 for each row: no classifier lists its classes as that."""
        width = self._output.shape[-1] if len(self._output.shape) == 2 else None
        whole = any(one.type == LABELS[1] for one in others)
        return classes is None and width == 1 and whole and "map" not in self._output.type

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
            from lime_cli.models.predictor import is_shortage

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
