"""ONNX models: a session that predicts, and which of several outputs is a prediction."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, OutOfMemory, PredictionError, SettingsError
from lime_cli.models.failures import is_shortage
from lime_cli.models.input_forms import DTYPES, feed, filled, width_of
from lime_cli.models.model_file import ModelFile, ModelInput, PixelsInput, columns_beside
from lime_cli.models.onnx.export import Export, export_beside
from lime_cli.models.onnx.graph import Graph, names_listed
from lime_cli.models.onnx.runtime import failure
from lime_cli.models.onnx.tokenizer import IDS, Tokens, each_token, takes_tokens
from lime_cli.models.onnx.vocabularies import is_made
from lime_cli.models.outputs import ACTIVATIONS, Stated
from lime_cli.models.predictor import Origin, Predictor, Way
from lime_cli.registry import RESAMPLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lime_cli.models.content import Content


CHANNELS = ((3,), (1,), (4,))
"""Sizes of an axis that may be an image's channels, the likeliest first."""

WHOLE = ("tensor(uint8)", "tensor(int8)", "tensor(int32)", "tensor(int64)")

OF_CLASSES = re.compile(r"logit|score|prob|softmax|class|label")
"""What the name of an output mentions that tells classes apart."""

EMBEDDING = re.compile(r"embed|hidden_state|pool|feature")
"""What the name of an output mentions that is a vector."""

IMAGE_SIDE = 32
"""In pixels, of a trial image where the graph leaves the size open."""


def read_input(
    name: str, inputs: list[Any], graph: Graph, file: ModelFile, export: Export
) -> ModelInput:
    """Read columns, or size, channels and layout; raise ModelError for what cannot be fed."""
    for one in inputs:
        if one.type not in DTYPES:
            hint = "explain a function that makes it: py:module:function"
            if len(inputs) > 1:
                hint = f"export it without that input, or {hint}"
            said = f"{name}: limex cannot feed input {one.name!r} of type {one.type}"
            raise ModelError(said, hint)
    if len(inputs) > 1:
        return _of_columns(name, inputs)
    shape, kind = inputs[0].shape, inputs[0].type
    if len(shape) == 4:
        return _of_images(name, inputs[0], graph, file, export.pixels)
    if _is_grey(shape):
        return _of_images(name, inputs[0], graph, file, export.pixels)
    if len(shape) > 2:
        raise _of_axes(name, inputs[0])
    columns = names_listed(graph.metadata.get("limex.features")) or columns_beside(file.path)
    n_columns = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
    words = kind == "tensor(string)" and (n_columns is None or n_columns == 1)
    texts = range(n_columns or 0) if kind == "tensor(string)" else ()
    whole = len(shape) == 2 and columns is None and kind in IDS
    return ModelInput(
        name,
        None if words else "table",
        columns,
        n_columns,
        tuple(texts),
        layout=file.layout,
        ids=whole,
    )


def zeros(inputs: list[Any], given: ModelInput) -> dict[str, NDArray[Any]]:
    """Return an input of nothing but zeros, or empty texts, for a trial."""
    feeds = {}
    height, width = given.size or (IMAGE_SIDE, IMAGE_SIDE)
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


AXES = {
    3: "a sequence of vectors: a series, a signal, the frames of a sound",
    5: "a video or a volume",
}
"""What inputs of so many axes are."""


def _of_axes(name: str, one: Any) -> ModelError:
    """Word that an input is of a kind that limex does not take apart."""
    kind = AXES.get(len(one.shape), f"an array of {len(one.shape)} axes")
    if _is_one_image(one.shape):
        return ModelError(
            f"{name}: its input {one.name!r} {_shape(one)} is one image, without an axis for more",
            "export it with such an axis in front (dynamic_axes), or explain a function that calls "
            "it for each image: py:module:function",
        )
    part = "image (a frame or a slice, say)" if len(one.shape) > 3 else "table or text"
    return ModelError(
        f"{name}: its input {one.name!r} {_shape(one)} is {kind}, which limex does not explain",
        f"explain a function of yours that makes it from a {part}: py:module:function",
    )


def _of_columns(name: str, inputs: list[Any]) -> ModelInput:
    """Read columns from inputs that are one of them each, or blocks of several side by side."""
    widths = [width_of(one) for one in inputs]
    if None in widths:
        listed = ", ".join(f"{each.name} {_shape(each)}" for each in inputs[:8])
        raise ModelError(
            f"{name}: limex cannot feed its inputs together: {listed}",
            "explain a function of one of them, which fills in the others: py:module:function"
            if any(len(one.shape) > 2 for one in inputs)
            else "export it with one input, or with inputs of a fixed number of columns",
        )
    places = [(one, i) for one in inputs for i in range(width_of(one) or 0)]
    texts = tuple(i for i, (one, _) in enumerate(places) if one.type == "tensor(string)")
    single = {i: str(one.name) for i, (one, _) in enumerate(places) if width_of(one) == 1}
    if len(single) == len(places):
        return ModelInput(name, "table", tuple(single.values()), words=texts)
    return ModelInput(name, "table", n_columns=len(places), words=texts, named=single)


def _of_images(
    name: str, one: Any, graph: Graph, file: ModelFile, pixels: PixelsInput | None
) -> ModelInput:
    shape = [*one.shape, 1] if len(one.shape) == 3 else one.shape
    layout = "NHWC" if len(one.shape) == 3 else file.layout or _layout(name, shape)
    if layout == file.layout and _is_turned(shape, layout):
        words = f"--layout {layout}: the model takes {_shape(one)}, with its channels elsewhere"
        raise SettingsError(words, "leave it out")
    height, width = shape[2:] if layout == "NCHW" else shape[1:3]
    channels = shape[1] if layout == "NCHW" else shape[3]
    known = isinstance(height, int) and isinstance(width, int)
    told = pixels or _told(graph.metadata)
    scaled = told is None and graph.scales_bytes(one.name)
    raw = "raw" if one.type in WHOLE or scaled else None
    return ModelInput(
        name,
        "image",
        size=(height, width) if known else None,
        channels=channels if isinstance(channels, int) else None,
        layout=layout,
        precision="float16" if one.type == "tensor(float16)" else None,
        preprocess=graph.metadata.get("limex.preprocess", raw),
        pixels=told if raw is None and "limex.preprocess" not in graph.metadata else None,
    )


RANGES = {
    "NominalRange_0_255": (1.0, 0.0, 1.0),
    "Normalized_0_1": (1 / 255, 0.0, 1.0),
    "Normalized_1_1": (1 / 255, 0.5, 0.5),
    "NominalRange_16_235": (219 / 255, -16.0, 1.0),
}
"""What ONNX calls how pixels become numbers: their scale, mean and deviation."""


def _told(metadata: Mapping[str, str]) -> PixelsInput | None:
    """Return what a graph's own metadata say of pixels, as ONNX or Ultralytics spell it."""
    form = metadata.get("Image.BitmapPixelFormat", "")
    flipped = "BGR" if form.startswith("Bgr") else None
    known = RANGES.get(metadata.get("Image.NominalPixelRange", "NominalRange_0_255" * bool(form)))
    if known is not None:
        scale, mean, std = known
        return PixelsInput(scale=scale, mean=(mean,), std=(std,), channels=flipped)
    if metadata.get("author") == "Ultralytics" and metadata.get("task") == "classify":
        return PixelsInput(resize="crop", resample=RESAMPLES.index("bilinear"))
    return None


def _is_grey(shape: list[Any]) -> bool:
    """Tell (n, side, side), which images of one channel are where their last axis was dropped."""
    return len(shape) == 3 and shape[1] == shape[2] and isinstance(shape[1], int) and shape[1] > 4


MANY_PIXELS = 14 * 14
"""Of the smallest image that is more likely than as many columns of a table."""


def _are_pixels(n: int) -> bool:
    """Tell how many numbers a square image has, grey or in colour."""
    return n >= MANY_PIXELS and any(isqrt(m) ** 2 == m for m in (n, n // 3 if n % 3 == 0 else n))


def _is_one_image(shape: list[Any]) -> bool:
    """Tell (height, width, channels) or (channels, height, width)."""
    if len(shape) != 3:
        return False
    first, middle, last = shape
    if not isinstance(middle, int):
        named = isinstance(first, str) and re.search(SIDE, first) is not None
        return (first == 3 and not isinstance(last, int)) or (named and last == 3)
    if not isinstance(first, int) or not isinstance(last, int):
        return False
    few = (1, 3, 4)
    return middle > max(few) and (
        (last in few and first > max(few)) or (first in few[1:] and last > max(few))
    )


SIDE = re.compile(r"^h$|height|rows", re.IGNORECASE)
"""How a free axis is called that is an image's height."""

CHANNEL_AXIS = re.compile(r"chan|^c$|^c_?in$|colou?r|band", re.IGNORECASE)
"""How a free axis is called that is an image's channels."""


def _layout(name: str, shape: list[Any]) -> str:
    named = [isinstance(one, str) and bool(CHANNEL_AXIS.search(one)) for one in shape]
    if named[1] != named[3]:
        return "NCHW" if named[1] else "NHWC"
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
        "use --layout NCHW or --layout NHWC",
    )


def _is_turned(shape: list[Any], layout: str) -> bool:
    """Tell axes of which another one than the layout says is that of channels."""
    own, other = (shape[place] for place in ((1, 3) if layout == "NCHW" else (3, 1)))
    return own not in (1, 3, 4) and (other == 3 or (other == 1 and own == shape[2]))


def _shape(one: Any) -> str:
    return "[" + ", ".join(str(n) if isinstance(n, int) else "n" for n in one.shape) + "]"


NAME_KEYS = ("limex.classes", "classes", "class_names", "labels", "names")
"""Metadata that holds the names of the classes, ours first."""

REGRESSORS = ("LinearRegressor", "TreeEnsembleRegressor", "SVMRegressor")
"""Operators whose numbers are values, one or several, and no classes."""


def predictor_of(
    content: Content, session: Session, warnings: tuple[CodedWarning, ...]
) -> Predictor:
    """Return what asks the session; ``warnings`` are what opening it brought up."""
    origin = Origin("onnx", content.digest_in_thread(), content.name, warnings)
    way = Way(origin, session.predict, session.stated(), session.input, session.method)
    way = way._replace(warnings=session.warnings, trial=session.trial, decide=session.decide)
    return Predictor(session.file, way)


def one_for_each_class(outputs: Sequence[Any], classes: Sequence[str] | None) -> list[Any]:
    """Return the outputs that hold a number for each class, as skl2onnx splits its ZipMap."""
    numbers = [one for one in outputs if one.type not in LABELS and len(one.shape or ()) == 1]
    if classes is None or not 1 < len(numbers) == len(classes) == len(outputs) - 1:
        return []
    names = [one.name for one in numbers]
    spelled = ([f"{mark}{one}" for one in classes] for mark in ("i", "s", ""))
    return numbers if names in spelled else []


class Session:
    """A session with what is known of its inputs and outputs."""

    def __init__(self, file: ModelFile, session: Any, graph: Graph) -> None:
        path = Path(file.path)
        self._session, self._graph, self._name = session, graph, path.name
        self._inputs: list[Any] = session.get_inputs()
        for word, ports in (("input", self._inputs), ("output", session.get_outputs())):
            if not ports:
                raise ModelError(f"{path.name}: has no {word}", "export it again, with both")
        group = one_for_each_class(session.get_outputs(), graph.classes)
        self._output: Any = None
        self._turned = False
        self._columns = [one.name for one in group if file.output is None]
        """Outputs that are read together."""
        self._outputs = [one for one in session.get_outputs() if one.name not in self._columns[1:]]
        self._export = export_beside(path, file.tokenizer)
        self.file = file
        self._idle = self._set_aside()
        self._tokens = self._tokenizer()
        if self._tokens is None:
            self.input = read_input(self._name, self._inputs, graph, file, self._export)
        else:
            limit, reading = self._tokens.limit, self._tokens.read
            self.input = ModelInput(self._name, "text", max_tokens=limit, reading=reading)
        classes = file.classes or self._export.classes or graph.classes
        n = len(classes) if classes else None
        self._output, self.warnings = choose(
            self._name, self._outputs, file.output, graph, n, self._nothing
        )
        self.warnings += tuple(
            IDLE._replace(message=IDLE.message.format(one.name)) for one in self._idle
        )
        self._margins, self._turned = self._of_vectors()
        self.file = self._completed()
        if self._tokens is not None and self._is_of_each_token():
            raise ModelError(*each_token(self._name))

    def _set_aside(self) -> tuple[Any, ...]:
        """Part inputs that no prediction depends on from those that are fed; return them."""
        if self._takes_tokens or self.file.output is not None:
            return ()
        names = [one.name for one in self._inputs]
        idle, others = self._graph.idle(names, [one.name for one in self._outputs])
        left = tuple(one for one in self._inputs if one.name in idle)
        if not all(one.type in IDLE_TYPES for one in left):
            return ()
        self._inputs = [one for one in self._inputs if one not in left]
        self._outputs = [one for one in self._outputs if one.name not in others]
        return left

    def _of_vectors(self) -> tuple[bool, bool]:
        """Tell whether a support vector classifier gives margins, and whether these are turned.

        Those of two classes have the sign of the other class, whatever class it names.
        """
        names = [one for one in self._outputs if one.type in LABELS]
        classes = self._graph.classes or ()
        if len(names) != 1 or all(one != VECTORS for one, _ in self._graph.makers.values()):
            return False, False
        try:
            label, raw = np.ravel(self._nothing(names[0])), self._get(self._output, self._zeros)
        except PredictionError:  # not every model takes zeros
            return False, False
        first = np.array([*raw[0].values()] if isinstance(raw[0], dict) else raw[0])
        turned = first.shape == (2,) and first[0] == -first[1] and len(classes) == 2
        return (
            not (abs(first.sum() - 1) < 1e-3 and (first >= 0).all()),
            bool(turned and classes[first.argmax()] != str(label[0])),
        )

    @property
    def _zeros(self) -> dict[str, NDArray[Any]]:
        return zeros(self._inputs, self.input)

    def _is_of_each_token(self) -> bool:
        """Tell an output that has an axis of the same name as that of the tokens."""
        free = {n for one in self._inputs for n in one.shape[1:] if isinstance(n, str)}
        return bool(free & set(self._output.shape[1:] or ()))

    @property
    def _takes_tokens(self) -> bool:
        """Tell whether texts become token ids: by the inputs, what lies beside, and the options."""
        file = self.file
        said = (self._export.tokenizer, file.tokenizer, file.max_tokens)
        return takes_tokens(self._inputs, any(one is not None for one in said))

    def _tokenizer(self) -> Tokens | None:
        """Return what makes token ids of texts, where the graph takes those."""
        file, export = self.file, self._export
        if not self._takes_tokens:
            if file.tokenizer is not None or file.max_tokens is not None:
                option = "--tokenizer" if file.tokenizer is not None else "--max-tokens"
                if any(one.type in IDS for one in self._inputs):
                    listed = ", ".join(f"{one.name} {_shape(one)}" for one in self._inputs[:8])
                    raise SettingsError(
                        f"{option}: a tokenizer does not fill the inputs of {self._name}: {listed}",
                        "explain a function that does: py:module:function",
                    )
                raise SettingsError(f"{option}: {self._name} takes no token ids", "leave it out")
            return None
        if export.tokenizer is None and not is_made(export):
            hint = "name its tokenizer with --tokenizer, a tokenizer.json or its folder"
            if not export.slow and file.tokenizer is not None:
                hint = (
                    f"{file.tokenizer} holds no tokenizer: save one there "
                    "(tokenizer.save_pretrained), or explain a function: py:module:function"
                )
            elif export.slow and not export.config and not export.tokens:
                hint = (
                    f"{Path(export.slow).name} does not say how texts are split; explain a "
                    "function that makes the ids: py:module:function"
                )
            elif export.slow:
                place, name = Path(export.slow).parent, Path(export.slow).name
                hint = (
                    f"{name} is not enough: save a tokenizer.json, python -c 'from transformers "
                    f'import AutoTokenizer as T; T.from_pretrained("{place}")'
                    f""".save_pretrained("{place}")'"""
                )
            raise SettingsError(f"{self._name}: takes token ids", hint)
        return Tokens(export, self._inputs, self._name, self._graph, file.max_tokens)

    def _completed(self) -> ModelFile:
        """Return the file with what lies beside it: a tokenizer, what makes probabilities."""
        file, said = self.file, self._export.activation
        if self._tokens is not None:
            file = file._replace(tokenizer=str(self._export.tokenizer or self._export.slow))
        plain = self._graph.ends_in(self._output.name) not in PROBABLE and not self._is_embedding
        open_ = file.activation == "auto" and file.task != "regression"
        if open_ and plain and said in ACTIVATIONS:
            file = file._replace(activation=str(said))
            self.warnings += self._export.warnings
        return file

    @property
    def method(self) -> str:
        """Which output of the graph is read."""
        return str(self._output.name)

    def predict(self, inputs: Any) -> Any:
        """Return what the graph answers to a modality's batch."""
        return self._ask(inputs, self._output)

    @property
    def decide(self) -> Callable[[Any], Any] | None:
        """Return what asks a classifier's graph for the class that it names; None for no such."""
        names = [one for one in self._outputs if one.type in LABELS and one is not self._output]
        listed = self._graph.classes is not None and self.file.output is None
        return partial(self._ask, output=names[0]) if listed and len(names) == 1 else None

    def _ask(self, inputs: Any, output: Any) -> Any:
        if self._tokens is not None:
            return self._tokens.predict(inputs, lambda feeds: self._run(feeds, output))
        try:
            feeds = feed(inputs, self._inputs, self.input.layout)
        except PredictionError as error:
            raise PredictionError(f"{self._name}: {error.message}", error.hint) from None
        return self._run(feeds, output)

    def trial(self) -> Any:
        """Ask with an input of zeros, for the shape of the answer."""
        return self._nothing(self._output)

    def _nothing(self, output: Any) -> Any:
        """Return what the graph answers at an output to zeros, or to next to no text."""
        if self._tokens is not None:
            return self._tokens.predict(["a"], lambda feeds: self._run(feeds, output))
        return self._get(output, self._zeros)

    def stated(self) -> Stated:
        """Read task and classes: a label beside the scores, or scores by class, mean classes."""
        others = [one for one in self._outputs if one.name != self._output.name]
        named = "map" in self._output.type or any(one.type in LABELS for one in others)
        ending = self._graph.ends_in(self._output.name)
        classes = self._classes(others)
        if classes is None and ending == NEAREST:
            classes = self._groups(others)
        numbered = self.input.kind == "image" or self._tokens is not None
        labels = self._output.type in LABELS and (classes is not None or numbered)
        activation, said = self.file.activation, self._export.activation
        known = named or labels or ending in PROBABLE or activation in ACTIVATIONS
        task = "classification" if known else "regression" if said == "none" else None
        numbers = ending in REGRESSORS or (named and self._finds_outliers(others, classes))
        if numbers and activation not in ACTIVATIONS:
            task = "regression"
        return Stated(
            task,
            classes,
            margins=self._margins,
            pairs=self._margins and ending == VECTORS,
            independent="Sigmoid" in (ending, activation.capitalize()),
            labels=labels,
            output=self._output.name,
            others=tuple(one.name for one in others),
            table=self.input.kind == "table"
            and not OF_CLASSES.search(self._output.name.lower())
            and not _are_pixels(self.input.n_columns or 0),
            logit="logit" in self._output.name.lower() or self.input.kind in ("image", "text"),
            label=self._export.label,
            embedding=self._is_embedding,
        )

    @property
    def _is_embedding(self) -> bool:
        """Tell an output whose name says that it is a vector, where nothing speaks of classes."""
        plain = self._output.name.rpartition("/")[2].lower()
        words = bool(EMBEDDING.search(plain)) and not OF_CLASSES.search(plain)
        return words and self._graph.ends_in(self._output.name) not in PROBABLE

    def _finds_outliers(self, others: list[Any], classes: tuple[str, ...] | None) -> bool:
        """Tell a score beside 1 or -1 for each row: no classifier lists its classes as that."""
        width = self._output.shape[-1] if len(self._output.shape) == 2 else None
        whole = any(one.type == LABELS[1] for one in others)
        return classes is None and width == 1 and whole and "map" not in self._output.type

    def _groups(self, others: list[Any]) -> tuple[str, ...] | None:
        """Number the groups of a clustering, of which an output holds a distance each."""
        widths = [n for one in others for n in one.shape[1:2] if isinstance(n, int)]
        return tuple(map(str, range(max(widths)))) if widths else None

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
        if self._export.classes is not None:
            return self._export.classes
        spelled = (self._graph.spelled(one.name) for one in others if one.type == LABELS[0])
        width = [*(self._output.shape or ()), None, None][1]
        fitting = next((one for one in spelled if one and width in (None, len(one))), None)
        if fitting is not None:
            return fitting
        labels = next((one for one in others if one.type in LABELS), None)
        listing = [one for one in others if one.type == LABELS[0] and one is not labels]
        if not listing:
            return None
        try:
            names = self._get(listing[0], self._zeros)
        except PredictionError:  # not every model takes zeros
            return None
        return tuple(map(str, np.ravel(names)))

    def _run(self, feeds: dict[str, NDArray[Any]], output: Any) -> Any:
        """Run the session, in pieces of the graph's own batch size where that is fixed."""
        n = len(next(iter(feeds.values())))
        fixed = self._inputs[0].shape[0] if self._inputs[0].shape else None
        if not isinstance(fixed, int) or fixed == n:
            return self._get(output, feeds)
        parts: list[Any] = []
        for start in range(0, n, fixed):
            piece = {
                name: filled(values[start : start + fixed], fixed) for name, values in feeds.items()
            }
            parts.extend(self._get(output, piece)[: min(fixed, n - start)])
        return parts if isinstance(parts[0], dict) else np.stack(parts)

    def _get(self, output: Any, feeds: dict[str, NDArray[Any]]) -> Any:
        together = output.name in self._columns
        n = len(next(iter(feeds.values())))
        feeds = {**feeds, **{one.name: _empty(one, n) for one in self._idle}}
        try:
            found = self._session.run(self._columns if together else [output.name], feeds)
            answer = np.stack(found, axis=1) if together else found[0]
            if isinstance(answer, np.ndarray) and answer.dtype.kind in "iu":
                step, zero = self._graph.quantum(output.name) or (1, 0)
                answer = answer if step == 1 else (answer.astype(np.float64) - zero) * step
            return _negated(answer) if output is self._output and self._turned else answer
        except Exception as error:  # as above
            if is_shortage(error):
                raise OutOfMemory(f"{self._name}: the model ran out of memory") from None
            message, hint = failure(self._name, error)
            raise PredictionError(message, self._remedy(feeds) or hint) from None

    def _remedy(self, feeds: dict[str, NDArray[Any]]) -> str:
        """Say what to type where the graph leaves open how large an input may be."""
        shape = next(iter(feeds.values())).shape
        if self._tokens is not None and len(shape) == 2 and self._tokens.limit is None:
            return f"texts of {shape[1]:,} tokens may be too long for it: --max-tokens 512, say"
        given = getattr(self, "input", None)
        if given is not None and given.kind == "image" and given.size is None:
            height, width = shape[2:] if given.layout == "NCHW" else shape[1:3]
            return f"images of {height} x {width} may not fit it: --size 224, say"
        return ""


IDLE = CodedWarning(
    "input_left_empty", "input {!r} is fed nothing, as no prediction of the graph depends on it"
)


IDLE_TYPES = {
    **DTYPES,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int16)": np.int16,
}
"""Types of inputs that can be left empty: those of keys of ML.NET too."""


def _empty(one: Any, n: int) -> NDArray[Any]:
    """Return an input of nothing, for so many rows."""
    shape = [size if isinstance(size, int) else 1 for size in one.shape]
    shape[:1] = [n if not isinstance(one.shape[0], int) else shape[0]] if shape else []
    kind: Any = IDLE_TYPES[one.type]
    return np.full(shape, "" if one.type == "tensor(string)" else 0, kind)


def _negated(found: Any) -> Any:
    if isinstance(found, list):
        return [{key: -value for key, value in one.items()} for one in found]
    return -found


LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""

VECTORS = "SVMClassifier"
"""The operator of support vectors that tell classes apart."""

NEAREST = "ArgMin"
"""The operator that names the group of which an input is nearest to the centre."""

PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that end in probabilities."""

WORDS = (
    (re.compile(r"embed|hidden|feature|pool|attention|state|mask|past|present|loss|aux|box"), 0),
    (re.compile(r"prob|softmax|sigmoid"), 3),
    (re.compile(r"logit|score|pred|class|label"), 2),
)
"""What the name of an output says of it: the first that fits counts, other names for 1."""


def choose(
    name: str,
    outputs: Sequence[Any],
    wanted: str | None,
    graph: Graph,
    n_classes: int | None,
    trial: Callable[[Any], Any],
) -> tuple[Any, tuple[CodedWarning, ...]]:
    """Return the output to explain, the one wanted or the likeliest, and what was assumed.

    ``trial`` returns what the graph gives at an output for an input of nothing.
    """
    if wanted is not None:
        return _wanted(name, outputs, wanted), ()
    nearest = [one for one in outputs if graph.ends_in(one.name) == NEAREST]
    if nearest and nearest[0].type in LABELS:
        return nearest[0], ()  # of a clustering, whose numbers are distances
    numbers = [one for one in outputs if one.type not in LABELS] or list(outputs[:1])
    named = any(graph.ends_in(one.name) == "ArgMax" for one in outputs)
    largest = ("TopK", "ReduceMax") if named else ("TopK",)
    scores = [one for one in numbers if graph.ends_in(one.name) not in largest]
    if not scores:
        raise ModelError(
            f"{name}: its output {numbers[0].name!r} gives only the largest scores, without "
            "their classes",
            f"export the scores before {graph.ends_in(numbers[0].name)}",
        )
    numbers = scores
    if len(numbers) == 1:
        return numbers[0], ()
    best = max(_rank(one, graph, n_classes) for one in numbers)
    likely = [one for one in numbers if _rank(one, graph, n_classes) == best]
    if len(likely) > 1:
        likely = [one for one in likely if _sums_to_one(one, trial)] or likely
    chosen = likely[0]
    listed = ", ".join(one.name for one in numbers[:8])
    said = f"output {chosen.name!r} is explained, of {listed}; --model-output changes it"
    return chosen, (CodedWarning("output_assumed", said),)


def _wanted(name: str, outputs: Sequence[Any], wanted: str) -> Any:
    names = [one.name for one in outputs]
    if wanted in names:
        return outputs[names.index(wanted)]
    if wanted.isdecimal() and int(wanted) < len(outputs):
        return outputs[int(wanted)]
    raise SettingsError(f"{name}: has no output {wanted!r}", f"it has {', '.join(names)}")


def _rank(one: Any, graph: Graph, n_classes: int | None) -> tuple[int, ...]:
    """Tell how likely an output is a prediction: its shape first, then its name."""
    shape = list(one.shape or ())
    is_map = "map" in one.type
    flat = is_map or (len(shape) > 0 and sum(size != 1 for size in shape[1:]) <= 1)
    plain = one.name.rpartition("/")[2].lower()
    said = next((points for words, points in WORDS if words.search(plain)), 1)
    if is_map or (graph.ends_in(one.name) in PROBABLE and said):
        said = 3
    wide = shape[1:2] == [n_classes] and n_classes is not None
    return int(flat), said, int(wide)


def _sums_to_one(one: Any, trial: Callable[[Any], Any]) -> bool:
    try:
        values = np.asarray(trial(one), float)
    except (ModelError, TypeError, ValueError):  # it does not answer to nothing, or with words
        return False
    rows = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) < 1e-3).all())
