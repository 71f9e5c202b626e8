"""Models from Python: objects in memory (estimators, boosters, networks, pipelines, functions), and
``py:module:function``, which is imported.

They are asked as a file of theirs is. Nobody looks through them first: who has an object in hand
has run its code already.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.errors import ModelError, PredictionError, SettingsError, last_line
from lime_cli.files import digest_of
from lime_cli.models.asking import Asking, awaiting
from lime_cli.models.boosters import as_estimator
from lime_cli.models.failures import is_of_model, is_shortage
from lime_cli.models.input_forms import Handing, as_array, handed
from lime_cli.models.model_file import (
    PYTHON_PREFIX,
    LiveModel,
    ModelFile,
    ModelInput,
    TextReading,
    find_beside,
)
from lime_cli.models.onnx.export import NO_LIMIT, Export
from lime_cli.models.outputs import Stated, written_out
from lime_cli.models.parts import can_predict, check_fitted, what
from lime_cli.models.predictor import Origin, Predictor, Way, at_home, quiet
from lime_cli.models.sklearn import METHODS, way_of

FORMAT = "live"
"""What records call the format of a model that is no file."""

BYTES = 4
"""Of a number inside a model."""

TEXTS_A_CALL = 32
"""Texts that a transformers model is given at a time."""


def live_model(thing: Any, tokenizer: Any, tables: Iterable[Any]) -> LiveModel:
    """Return a model that knows how the columns of held tables are typed; the first one decides."""
    typed = next((one for one in tables if one.dtypes or one.names), None)
    if typed is None:
        return LiveModel(thing, load_live, tokenizer)
    return LiveModel(thing, load_live, tokenizer, typed.dtypes, typed.names)


def load_live(file: ModelFile) -> Predictor:
    """Wrap a model; raise ModelError for an object that cannot predict."""
    live = file.live
    assert live is not None
    thing = live.thing
    origin = Origin(FORMAT, cache(lambda: digest_of_object(thing)), file.path)
    return predictor_of_object(thing, file, origin, live.tokenizer)


def predictor_of_object(
    thing: Any, file: ModelFile, origin: Origin, tokenizer: Any = None
) -> Predictor:
    """Wrap an object by what it is; raise ModelError for one that cannot predict."""
    name = origin.name
    bases = {f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(thing).__mro__}
    if "transformers.PreTrainedModel" in bases:
        return of_transformer(thing, tokenizer, file, origin)
    if tokenizer is not None:
        said = f"{name}: only transformers models take a tokenizer"
        raise ModelError(said, "leave --tokenizer out")
    for base, way in KINDS.items():
        if base in bases:
            return Predictor(file, way(thing, file, origin))
    if isinstance(thing, types.MethodType) and can_predict(thing.__self__):
        method = next((key for key, one in METHODS.items() if one == thing.__name__), None)
        if method is not None:
            thing, file = thing.__self__, file._replace(output=file.output or method)
    if can_predict(thing):
        check_fitted(thing, name)
        return Predictor(file, way_of(as_estimator(thing), file, origin))
    if not callable(thing) or isinstance(thing, type):
        kind = f"the class {thing.__name__}" if isinstance(thing, type) else what(thing)
        raise ModelError(
            f"{name}: is {kind}, which cannot predict",
            "give a fitted model, a function, or the path of a model",
        )
    return Predictor(file, way_of_function(thing, file, origin))


def way_of_function(function: Any, file: ModelFile, origin: Origin) -> Way:
    """Return how a function is asked; its attributes ``classes`` and ``features`` name things."""
    classes, features = (
        None if words is None else tuple(map(str, words))
        for words in (getattr(function, "classes", None), getattr(function, "features", None))
    )
    function = awaiting(function, origin.name)
    stated = Stated("classification" if classes else None, classes, column=True)
    given = ModelInput(origin.name, columns=features, layout=file.layout)
    if file.live is not None:
        given = given._replace(dtypes=file.live.dtypes, labels=file.live.labels)
    if file.input_form != "auto":
        handing = Handing(function, file.input_form, given)
        return Way(origin, handing.predict, stated, given, handing=handing)
    asking = Asking(function, origin.name)
    if asking.taken.kind == "image":
        if file.layout == "NCHW":
            said = f"--layout NCHW: {origin.name} takes Pillow's images, by its annotation"
            raise SettingsError(said, "leave it out")
        given = given._replace(kind="image", layout=None, preprocess="raw")
    elif asking.taken.kind == "text":
        given = given._replace(kind="text")
    elif asking.bytes:
        given = given._replace(preprocess="raw")

    def predict(inputs: Any) -> Any:
        if isinstance(inputs, np.ndarray):
            return asking.predict(np.ascontiguousarray(handed(inputs, None, given)))
        if isinstance(inputs, list):
            return asking.predict(inputs)
        return asking.predict_frame(handed(inputs, asking.form, given))

    return Way(origin, predict, stated, given, asking=asking)


def name_of_object(thing: Any) -> str:
    """Return what messages call a model in memory: a function's name, else its class."""
    if isinstance(thing, types.MethodType):
        return f"{type(thing.__self__).__name__}.{thing.__name__}"
    named = isinstance(thing, (types.FunctionType, types.BuiltinFunctionType, type))
    return str(thing.__name__) if named else type(thing).__name__


def digest_of_object(thing: Any) -> str:
    """Return a SHA-256 that equal objects share: of a network's weights, of a function's source
    and what it closes over, else of the object's pickle; where there is none, of its class.
    """
    seed = sha256(f"{type(thing).__module__}.{type(thing).__qualname__}\n".encode())
    for part in _parts(thing):
        seed.update(part.encode("utf-8", "surrogatepass") + b"\n")
    return seed.hexdigest()


def _parts(thing: Any) -> Iterable[str]:
    if isinstance(thing, types.MethodType):
        return [thing.__name__, digest_of_object(thing.__self__)]
    if isinstance(thing, types.FunctionType):
        cells = [one.cell_contents for one in thing.__closure__ or () if _is_full(one)]
        held = [*cells, *(thing.__defaults__ or ())]
        return [_source_of(thing), *map(digest_of_object, held)]
    if hasattr(thing, "state_dict"):
        return [f"{key} {_hash(written_out(one))}" for key, one in thing.state_dict().items()]
    if hasattr(thing, "get_weights"):
        return [_hash(one) for one in thing.get_weights()]
    if hasattr(thing, "model") and hasattr(thing.model, "state_dict"):
        return [digest_of_object(thing.model)]
    return [_hash(thing)]


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # not filled yet
        return False


def _source_of(function: types.FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = function.__code__
        return f"{function.__qualname__} {code.co_code.hex()} {code.co_names} {code.co_consts!r}"


def _hash(thing: Any) -> str:
    import joblib

    try:
        return str(joblib.hash(thing, hash_name="sha1"))
    except Exception:  # a stranger's object may refuse to be pickled in any way
        return ""


def _of_torch(network: Any, file: ModelFile, origin: Origin) -> Way:
    """Ask a PyTorch module as its ONNX export is asked: in evaluation mode, without gradients."""
    layout = file.layout or "NCHW"
    kinds = [(type(one).__name__, one) for one in network.modules()]
    channels = next((one.in_channels for kind, one in kinds if kind == "Conv2d"), None)
    width = next((one.in_features for kind, one in kinds if kind == "Linear"), None)
    given = ModelInput(
        origin.name,
        kind="image" if channels else None,
        n_columns=None if channels else width,
        channels=channels,
        layout=layout,
    )

    def predict(inputs: Any) -> Any:
        import torch

        if isinstance(inputs, list):
            return _of_texts(origin.name, lambda: in_evaluation(network, lambda: network(inputs)))
        like = next(network.parameters(), torch.zeros(0))
        batch = torch.as_tensor(_numbers(inputs, layout, origin.name), device=like.device)
        return in_evaluation(network, lambda: network(batch.to(like.dtype)))

    return Way(origin, predict, Stated(tuples=True), given, method="forward")


def in_evaluation(network: Any, predict: Callable[[], Any]) -> Any:
    """Return what ``predict`` does while a network is in evaluation mode, without gradients."""
    import torch

    training = [one for one in network.modules() if one.training]
    network.eval()
    try:
        with torch.no_grad():
            return predict()
    finally:
        for one in training:
            one.training = True


def _of_texts(name: str, predict: Callable[[], Any]) -> Any:
    """Return what a network answers to texts; raise PredictionError for one that takes numbers."""
    try:
        return predict()
    except Exception as error:  # a stranger's network may raise anything
        if is_shortage(error):
            raise
        raise PredictionError(
            f"{name}: the network fails on texts ({last_line(error)})",
            "if it takes token ids, write a function in a module, such as "
            "def f(texts): return network(encode(texts)), and explain py:module:f",
        ) from error


def _numbers(inputs: Any, layout: str, name: str) -> Any:
    """Return single-precision numbers of a table, (n, columns), or of images in a layout."""
    if isinstance(inputs, np.ndarray):
        turned = inputs.transpose(0, 3, 1, 2) if layout == "NCHW" else inputs
        return np.ascontiguousarray(turned, np.float32)
    table = as_array(inputs)
    if table.dtype == object:
        columns = zip(inputs.names, inputs.columns, strict=True)
        named = next(name for name, column in columns if column.dtype == object)
        raise PredictionError(
            f"{name}: takes numbers, and column {named!r} holds words", "leave it out with --drop"
        )
    return table.astype(np.float32)


def _of_keras(network: Any, file: ModelFile, origin: Origin) -> Way:
    shape: Any = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or not all(isinstance(one, int | None) for one in shape):
        shape = ()
    image = len(shape) == 4
    layout = file.layout or ("NCHW" if image and shape[1] in (1, 3) else "NHWC")
    size = shape[2:] if layout == "NCHW" else shape[1:3]
    given = ModelInput(
        origin.name,
        kind="image" if image else None,
        n_columns=shape[1] if len(shape) == 2 else None,
        size=(size[0], size[1]) if image and None not in size else None,
        channels=(shape[1] if layout == "NCHW" else shape[3]) if image else None,
        layout=layout if image else None,
    )

    def predict(inputs: Any) -> Any:
        if isinstance(inputs, list):
            import tensorflow

            texts = tensorflow.constant(inputs)
            return _of_texts(origin.name, lambda: network.predict(texts, verbose=0))
        return network.predict(_numbers(inputs, layout, origin.name), verbose=0)

    return Way(origin, predict, Stated(), given, method="predict")


def _names_of(network: Any) -> tuple[str, ...] | None:
    """Return the names of a transformers model's labels, in its order."""
    names = getattr(network.config, "id2label", None)
    return tuple(str(names[i]) for i in sorted(names)) if names else None


def _of_pipeline(pipeline: Any, file: ModelFile, origin: Origin) -> Way:
    """Ask a transformers pipeline for the scores of all labels, in the order of the model's."""
    names = _names_of(pipeline.model)
    task = str(getattr(pipeline, "task", ""))
    if task not in ("text-classification", "sentiment-analysis", "image-classification") or not (
        names
    ):
        raise ModelError(
            f"{origin.name}: a pipeline of the task {task!r} gives no scores of classes",
            "give a text-classification or image-classification pipeline, or a function",
        )
    kind = getattr(pipeline.model.config, "problem_type", "")
    function = getattr(pipeline, "_postprocess_params", {}).get("function_to_apply")
    plain = kind == "regression" if function is None else "none" in str(function).lower()
    stated = Stated(
        "regression" if plain and len(names) == 1 else "classification",
        names,
        independent=kind == "multi_label_classification",
    )

    def scores(rows: list[list[dict[str, Any]]]) -> Any:
        found = [{one["label"]: one["score"] for one in row} for row in rows]
        return np.array([[row[name] for name in names] for row in found])

    if task == "image-classification":
        given = ModelInput(origin.name, "image", channels=3, layout="NHWC", preprocess="raw")

        def look(inputs: Any) -> Any:
            from PIL import Image

            pixels = np.clip(np.rint(inputs), 0, 255).astype(np.uint8)
            return scores(pipeline([Image.fromarray(one) for one in pixels], top_k=len(names)))

        return Way(origin, look, stated, given, method=task)

    def read(inputs: Any) -> Any:
        return scores(pipeline(list(inputs), top_k=None, truncation=True))

    reading = _reading_of(pipeline.tokenizer, {"truncation": True})
    return Way(origin, read, stated, ModelInput(origin.name, "text", reading=reading), method=task)


def of_transformer(
    network: Any, tokenizer: Any, file: ModelFile, origin: Origin, export: Export | None = None
) -> Predictor:
    """Ask a transformers model with its tokenizer; logits become probabilities as in a pipeline."""
    if getattr(network, "main_input_name", "") == "pixel_values":
        raise ModelError(
            f"{origin.name}: a transformers model of images needs its image processor",
            "pass its pipeline: pipeline('image-classification', model=..., image_processor=...)",
        )
    if tokenizer is None:
        raise ModelError(
            f"{origin.name}: a transformers model needs its tokenizer",
            "pass its pipeline, or give --tokenizer",
        )
    export = export or Export(config=network.config.to_dict())
    said = export.activation or "softmax"
    open_ = file.activation == "auto" and file.task != "regression"
    if open_:
        file = file._replace(activation=said)
    stated = Stated(
        "regression" if said == "none" else "classification",
        _names_of(network),
        independent=file.activation == "sigmoid",
    )
    known = getattr(tokenizer, "model_max_length", None)
    own = known if isinstance(known, int) and known < NO_LIMIT else None
    limits = [one for one in (own, export.limit) if one]
    longest = file.max_tokens or min(limits, default=None)
    cut = {"truncation": longest is not None, "max_length": longest}

    hushed = getattr(tokenizer, "deprecation_warnings", {})
    hushed["Asking-to-pad-a-fast-tokenizer"] = True  # it must be known first what goes together

    def predict(inputs: Sequence[str]) -> Any:
        encoded = [tokenizer(one, **cut) for one in inputs]
        lengths = [len(one["input_ids"]) for one in encoded]
        found: list[Any] = [None] * len(encoded)
        for some in _calls(lengths, TEXTS_A_CALL if tokenizer.pad_token is not None else 1):
            batch = [encoded[i] for i in some]
            if len(some) > 1:
                tokens = tokenizer.pad(batch, return_tensors="pt")
            else:  # some have nothing to pad with
                tokens = batch[0].convert_to_tensors("pt", prepend_batch_axis=True)
            tokens = {key: one.to(network.device) for key, one in tokens.items()}
            answers = in_evaluation(network, partial(network, **tokens))
            for i, answer in zip(some, written_out(answers), strict=True):
                found[i] = answer
        return np.array(found)

    reading = _reading_of(tokenizer, cut, BYTES * (export.width or 1))
    given = ModelInput(origin.name, "text", max_tokens=longest, reading=reading)
    warnings = export.warnings if open_ else ()
    return Predictor(file, Way(origin, predict, stated, given, method="logits", warnings=warnings))


def _calls(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the places of texts that go into one call, short ones first."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    for start in range(0, len(order), most):
        yield order[start : start + most]


def _reading_of(
    tokenizer: Any, cut: dict[str, Any], token_bytes: int = 1
) -> Callable[[str], TextReading] | None:
    """Return what tells how much of a text a fast tokenizer lets through."""
    if not getattr(tokenizer, "is_fast", False):
        return None

    def read(text: str) -> TextReading:
        whole = tokenizer(text, truncation=False, verbose=False)["input_ids"]
        kept = tokenizer(
            text, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False, **cut
        )
        n, seen = len(whole), len(kept["input_ids"])
        pairs = zip(kept["offset_mapping"], kept["special_tokens_mask"], strict=True)
        places = [place for place, special in pairs if not special and place[1] > place[0]]
        part = (min((a for a, _ in places), default=0), max((b for _, b in places), default=0))
        return TextReading(n, seen, part if seen < n else None, token_bytes)

    return read


KINDS = {
    "transformers.Pipeline": _of_pipeline,
    "keras.Model": _of_keras,
    "torch.Module": _of_torch,  # which a Keras model may be as well
}
"""How objects are asked, by the library and the name of a class that they are of."""


FORM = "write py:package.module:function"


def load(file: ModelFile, _content: None = None) -> Predictor:
    """Import the callable, or a fitted model that stands in a module; raise ModelError for none.

    A callable takes a data frame (or what ``--input-form`` says), a list of texts or (n, height,
    width, channels) float32, and answers (n, k) or (n,) numbers. Its attributes ``classes`` and
    ``features``, where it has them, name the outputs and the columns it is given.
    """
    module, _, attribute = file.path.removeprefix(PYTHON_PREFIX).partition(":")
    if not module or not attribute:
        package, _, last = module.rpartition(".")
        form = f"write py:{package}:{last}" if package else FORM
        form = f"write py:{module}:NAME" if last == "py" else form
        raise ModelError(f"{file.path}: does not name a function", form)
    if module.endswith(".py"):
        module = _module_of(Path(module), file.path)
    found = _attribute(_imported(module, file.path), attribute, file.path)
    if not callable(found) and not can_predict(found):
        raise ModelError(
            f"{file.path}: {attribute} is a {type(found).__name__}, not a function", FORM
        )
    digest = _digest(module)
    origin = Origin("python", lambda: digest, file.path)
    return predictor_of_object(found, file, origin)


def _module_of(place: Path, name: str) -> str:
    """Return what a file is imported as, from the current folder or else from its own; ModelError
    where that is another module.
    """
    if not place.is_file():
        raise ModelError(f"{name}: there is no file {place}", FORM)
    parts = Path(os.path.relpath(place)).with_suffix("").parts
    if os.pardir in parts:
        find_beside(place.stem, place.parent)
        parts = (place.stem,)
    module = ".".join(parts)
    source = getattr(_imported(module, name), "__file__", None)
    if source is None or not place.samefile(source):
        words = f"{name}: Python has another module that is called {module}"
        raise ModelError(words, "rename the file")
    return module


def _imported(module: str, name: str) -> Any:
    find_beside(module.partition(".")[0])
    try:
        with quiet(), at_home():
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        hint = "put its folder on PYTHONPATH, or run limex there"
        raise ModelError(f"{name}: there is no module {error.name}", hint) from None
    except BaseException as error:  # a stranger's code may raise anything
        if not is_of_model(error):
            raise
        raise ModelError(f"{name}: its module cannot be imported ({last_line(error)})") from error


def _attribute(module: Any, path: str, name: str) -> Any:
    found = module
    for part in path.split("."):
        if isinstance(found, type) and inspect.isfunction(inspect.getattr_static(found, part, 0)):
            made = f"{found.__name__.lower()} = {found.__name__}()"
            raise ModelError(
                f"{name}: {part} is a method of the class {found.__name__}",
                f"make an object of it in the module, {made}, and explain "
                f"py:{module.__name__}:{found.__name__.lower()}.{part}",
            )
        try:
            found = getattr(found, part)
        except AttributeError:
            known = [
                one for one in vars(module) if callable(getattr(module, one)) and one[0] != "_"
            ]
            raise ModelError(
                f"{name}: {module.__name__} has no {path}", f"it has {', '.join(known[:8])}"
            ) from None
    return found


def _digest(module: str) -> str:
    """Identify the function by its module's source, so far as there is one."""
    source = getattr(sys.modules[module], "__file__", None)
    return digest_of(Path(source).read_bytes() if source else module.encode())
