"""A model file: which one is meant in a folder, which format it has, how it is to be loaded, and
what it wants to be fed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lime_cli import clock
from lime_cli.errors import ModelError, SettingsError, last_line
from lime_cli.files import digest_of_file, from_json, nearest_file
from lime_cli.registry import LOADERS

if TYPE_CHECKING:
    from typing import Protocol

    from lime_cli.engine.instance import Instance
    from lime_cli.engine.model import Model
    from lime_cli.models.content import Content

    class LoadedModel(Model, Protocol):
        """A model that also says what it wants to be fed."""

        @property
        def input(self) -> ModelInput:
            """What the file says of its input."""
            ...

        @property
        def asked(self) -> ModelInput:
            """The same, with the ways to ask it what that leaves open."""
            ...

        @property
        def method(self) -> str:
            """Which of its methods is called, or which of its outputs is read."""
            ...

        @property
        def reading(self) -> str:
            """How its answers are read, in words; empty before it has answered."""
            ...

        @property
        def manner(self) -> str:
            """How samples were put to it, in words; empty for the usual way."""
            ...

        def named(self, instances: Sequence[Instance]) -> dict[int, str]:
            """Return by place the classes that it predicts though others have larger outputs."""
            ...

        def takes(self, inputs: Any) -> bool:
            """Tell whether it answers to a batch."""
            ...


PLACES = (".", "onnx")
"""Folders of an export in which its graph may lie."""

GRAPH = "model.onnx"

MLMODEL = "MLmodel"
"""What MLflow writes beside a model: its flavours, and the columns that it takes."""

MOST_SAID = 10 << 20
"""Bytes of it that are read."""

MODEL_FILE = r"(?m)^ +(?:pickled_model|data|model_data|model_path): ['\"]?([^\s'\"]+)['\"]?\s*$"

CUSTOM = ("python_model.pkl",)
"""A model that is code of its own."""

SIGNATURE = r"(?ms)^ +inputs: (?:'(?P<single>(?:[^']|'')*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\")\s*$"

CHECKPOINTS = (
    "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
)  # fmt: skip
"""What a folder of the transformers library holds in place of a graph."""

WEIGHTS = (*CHECKPOINTS, "tf_model.h5")
"""The same, and what the library cannot load without TensorFlow."""


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
    if (folder / MLMODEL).is_file():
        return str(_of_mlflow(path, folder))
    graphs = sorted(one for place in PLACES for one in (folder / place).glob("*.onnx"))
    if len(graphs) == 1:
        return str(graphs[0])
    weights = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if weights and not graphs and (folder / "config.json").is_file():
        return str(weights[0])
    deeper = (one for depth in ("*", "*/*") for one in folder.glob(f"{depth}/{MLMODEL}"))
    below = sorted({one.parent for one in deeper})
    if len(below) == 1 and not graphs:  # of a run, whose artifacts lie deeper
        return str(_of_mlflow(str(below[0]), below[0]))
    raise _no_model(path, folder, [*graphs, *below])


def _of_mlflow(path: str, folder: Path) -> Path:
    """Return the file that a flavour names; raise ModelError for one that limex does not run."""
    words = _said(folder) or ""
    for found in re.finditer(MODEL_FILE, words):
        place = Path(found[1])
        inside = not place.is_absolute() and ".." not in place.parts
        if inside and (folder / place).is_file() and place.name not in CUSTOM:
            return folder / place
    flavours = re.findall(r"^  (\w+):\s*$", words.partition("flavors:")[2], re.MULTILINE)
    listed = ", ".join(one for one in flavours if one != "python_function") or "python_function"
    raise ModelError(
        f"{path}: is an MLflow model of a flavour that limex does not run ({listed})",
        "explain a function of yours that calls mlflow.pyfunc.load_model: py:module:function; or "
        "export the model to ONNX",
    )


APPLIED_FIRST = (
    r"(?i)scal|standardi|minmax|normali|preproc|transformer|pca|vectori|tfidf|select|svd|lsa|kbest"
    r"|encoders|one_?hot|ohe|ordinal"
)
"""How files are called that hold what is applied to rows before a model."""

ENCODES = r"(?i)encod|one_?hot|ohe|ordinal|preproc|transformer"
"""How those of them are called that may make numbers of words."""

LISTS_COLUMNS = r"(?i)columns|features|feature_names"
"""How files are called that hold the names of the columns that a model was fitted on."""

VECTORIZERS = r"(?i)vect|tf-?idf|count|bow|trans?form|(?:^|[_.-])(?:cv|vec)[_.-]"
"""How files are called that hold the vectorizer of texts before a model."""

NAMES_CLASSES = r"(?i)label|target|class_?names|classes|binari[sz]er|(?:^|[_.-])(?:le|lb|mlb)[_.-]"
"""How files are called that hold the names of a model's classes."""

ENCODERS = f"{NAMES_CLASSES}|encod"
"""The same, and how label encoders of any name are called."""

PICKLED = (".pkl", ".pickle", ".joblib", ".sav")
"""What the names of pickles end with."""


MOST_BESIDE = 1 << 30
"""Bytes of a file that is read though nobody named it."""


def may_be_read(path: Path) -> bool:
    """Tell a file that nobody named and that may be read all the same: it exists, is no pipe, which
    opening would wait for, no device and no folder, and reading it does not take forever.
    """
    return path.is_file() and path.stat().st_size <= MOST_BESIDE


def pickles_beside(path: str, called: str) -> tuple[str, ...]:
    """Name the pickles beside a model that are ``called`` so (``APPLIED_FIRST``, say)."""
    own = Path(path)
    try:
        named = [one for one in own.parent.iterdir() if one.suffix in PICKLED]
        called_so = [one for one in named if one.name != own.name and re.search(called, one.name)]
        return tuple(sorted(one.name for one in called_so if may_be_read(one)))
    except OSError:
        return ()


def columns_beside(path: str) -> tuple[str, ...] | None:
    """Return the columns that the signature of an MLflow model names beside its file, in order."""
    if not path or path.startswith("py:"):
        return None
    found = re.search(SIGNATURE, _said(Path(path).parent) or "")
    if found is None:
        return None
    single, double = found["single"], found["double"]
    try:
        if double is not None:
            plain = re.sub(r"\\x(..)", r"\\u00\1", re.sub(r"\\\n\s*(?:\\(?= ))?", "", double))
            single = str(from_json(f'"{plain}"'))
        inputs = from_json(re.sub(r"\n\s*", " ", single).replace("''", "'"))
        return tuple(str(one["name"]) for one in inputs) or None
    except (ValueError, KeyError, TypeError):  # tensors have no names
        return None


def _said(folder: Path) -> str | None:
    """Read what MLflow says of a folder's model; None for no such file, or no plain one."""
    path = folder / MLMODEL
    try:
        if not path.is_file():  # but a pipe, or a device that never ends
            return None
        with path.open("rb") as file:
            return file.read(MOST_SAID).decode("utf-8", "replace").replace("\r\n", "\n")
    except OSError:
        return None


def export_line(folder: str) -> str:
    """Say how a model of the transformers library becomes one that limex explains."""
    return (
        f"optimum-cli export onnx --model {folder} {folder.rstrip('/')}-onnx; or explain a "
        "function of yours that calls its pipeline: py:module:function"
    )


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
            f"{path}: holds weights of the transformers library without their config.json",
            "copy it beside them",
        )
    copies = sorted(one.parent for one in folder.glob("snapshots/*/config.json"))
    if copies:
        ref = folder / "refs" / "main"
        main = ref.read_text("utf-8", "replace").strip() if ref.is_file() else ""
        last = next((one for one in copies if one.name == main), copies[-1])
        return ModelError(
            f"{path}: is a repository in the cache of the Hugging Face Hub",
            f"name the snapshot in it: {Path(path) / 'snapshots' / last.name}",
        )
    kept = [one.parent for one in folder.glob("checkpoint-*/config.json")]
    if kept:
        last = max(kept, key=lambda one: (len(one.name), one.name))
        return ModelError(
            f"{path}: holds checkpoints of a training run",
            f"name one of them: {Path(path) / last.name}",
        )
    if (folder / "config.cfg").exists() and (folder / "meta.json").exists():
        return ModelError(
            f"{path}: is a spaCy pipeline",
            "explain a function: def f(texts): return [doc.cats for doc in nlp.pipe(texts)], "
            "py:module:f",
        )
    if (folder / "adapter_config.json").exists():
        return ModelError(
            f"{path}: holds an adapter without its model",
            "merge them first: model.merge_and_unload().save_pretrained(DIR)",
        )
    if (folder / "metadata").is_dir() and any((folder / "metadata").glob("part-*")):
        return ModelError(
            f"{path}: is a Spark ML model",
            f"convert it to ONNX: onnxmltools.convert_sparkml; or {FUNCTION}",
        )
    return ModelError(
        f"{path}: is a folder",
        f"a model is one file, or a folder with a model.onnx or an MLmodel; or {FUNCTION}",
    )


ASKING = {"activation": "auto", "key": None, "provider": "cpu", "max_tokens": None}
"""Options that may change an answer and leave no other trace, with their defaults."""


PYTHON_PREFIX = "py:"
"""What stands before the name of a function instead of a model's path."""

AS_FILE = "explain def one(image: Image.Image): image.save('one.png'); return f('one.png')"
"""What to write for a function f that opens images itself."""


class TextReading(NamedTuple):
    """What a model sees of a text."""

    n_tokens: int
    """Of the whole text, special ones included."""
    n_seen: int
    """Of what the model is given."""
    seen: tuple[int, int] | None = None
    """Where the characters stand that it sees, the end left out; None for all of them."""
    token_bytes: int = 1
    """About how much memory a token takes in a call."""


class PixelsInput(NamedTuple):
    """What becomes of an image's pixels, by a configuration beside the model."""

    size: tuple[int, int] | None = None
    resize: str = "stretch"
    resize_to: int | None = None
    """Shorter side before the centre is cropped."""
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resample: int | None = None
    """The place in ``RESAMPLES`` of the filter that resizes; None where nothing says it."""
    channels: str | None = None
    """``BGR`` where red and blue change places."""
    floored: bool = False
    """Whether half a pixel of what is cropped is left out of the upper and left side."""
    either: bool = False
    """Whether it leaves open who resizes, Pillow or torch."""
    unread: tuple[str, ...] = ()
    """What else the configuration asks for that is not done."""


class Known(NamedTuple):
    """What a model knows of a column's values."""

    values: tuple[Any, ...]
    category: bool = False
    """Whether the column is handed over as a pandas category of these values, in their order."""
    filling: bool = False
    """Whether these only tell of what kind the values are: others may stand there as well."""
    gaps: bool = True
    """Whether a missing value may stand there too."""
    dtype: str = ""
    """Of the numbers that are categories, as NumPy calls it, where it is not the usual one."""
    some: bool = False
    """Whether the model may know others too, which it does not list."""
    fill: str = ""
    """What stands for a missing value, where its answers tell."""
    strategy: str = ""
    """What an imputer fills in, as scikit-learn calls it: ``mean``, ``median`` ..."""


class Reach(NamedTuple):
    """The smallest and the largest number that a model compares those of a column with."""

    low: float
    high: float
    rows: bool
    """Whether rows that it was fitted on held these, rather than splits between rows."""
    exact: bool = True
    """Whether these are such numbers, rather than between which most numbers lie."""
    robust: bool = False
    """Whether they lie around the median, and a few numbers far away change nothing in them."""


NOTHING: Mapping[Any, Any] = {}


class ModelInput(NamedTuple):
    """What a model says of its input; None where it does not say."""

    model: str = "the model"
    """Name of its file, for messages."""
    kind: str | None = None
    """``table``, ``text`` or ``image``, where that is certain."""
    columns: tuple[str, ...] | None = None
    """Names of a table's columns in the model's order."""
    n_columns: int | None = None
    words: tuple[int, ...] = ()
    """Places, in that order, of the columns that it takes as text, whatever they look like."""
    named: Mapping[int, str] = NOTHING
    """Names of some columns, by their places, where others have none."""
    known: Mapping[int, Known] = NOTHING
    """The values that a column may hold, by its place, where the model knows them."""
    unlisted: tuple[int, ...] = ()
    """Places of the columns of which it knows words that it does not list."""
    hashed: frozenset[int] = frozenset()
    """Places of the columns of which it hashes each value as it is spelled."""
    ranges: Mapping[int, Reach] = NOTHING
    """Of columns of numbers, by place, what the model compares them with, where that is known."""
    scales: tuple[tuple[str, ...], ...] = ()
    """The words that encoders beside it number from 0, whose columns nobody knows."""
    gapless: frozenset[int] = frozenset()
    """Places of the columns in which the model most likely met no missing value."""
    gapful: frozenset[int] = frozenset()
    """Places of the columns in which it met missing values."""
    pandas: bool = False
    """Whether it was most likely fitted on what pandas had read."""
    size: tuple[int, int] | None = None
    """(height, width) of an image, in pixels."""
    channels: int | None = None
    """Of an image: 1, 3, ..."""
    layout: str | None = None
    """``NCHW`` or ``NHWC``."""
    precision: str | None = None
    """``float16`` where an image's numbers are of half precision."""
    preprocess: str | None = None
    """Name of a preprocessing preset."""
    pixels: PixelsInput | None = None
    """What stands in the place of a preset."""
    numbers: bool = False
    """Whether it takes nothing from a data frame but its numbers."""
    form: str | None = None
    """``frame``, ``array`` or ``sparse``: in what form it is given a table."""
    dtypes: Mapping[str, Any] = NOTHING
    """Types of a data frame's columns, by name, of an array under the empty name: those of the
    tables in memory that it is explained with."""
    labels: Mapping[str, Any] = NOTHING
    """Names of a data frame's columns that are no texts, by what they are spelled as."""
    ids: bool = False
    """Whether its table of whole numbers may well be token ids."""
    takes: Callable[[Any], bool] | None = None
    """Tells whether the model answers to a batch, where it can be asked."""
    predictions: Callable[[Any], Any] | None = None
    """Asks the model about a batch; None for functions."""
    predict_few: Callable[[Any], Any] | None = None
    """Asks a model of any kind about a few inputs."""
    max_tokens: int | None = None
    """Of a text: what is behind them the model does not see."""
    reading: Callable[[str], TextReading] | None = None
    """Tells what the model sees of a text."""
    beside: str = ""
    """What lies beside its file and may belong before it, in words; empty for nothing."""

    @property
    def spelled(self) -> tuple[int, ...]:
        """Places of the columns of which the model may know words that spell numbers."""
        worded = (
            place
            for place, one in self.known.items()
            if any(isinstance(value, str) for value in one.values)
        )
        return (*self.words, *self.hashed, *worded)

    def require(self, kind: str) -> None:
        """Raise ModelError when the model certainly takes something else than ``kind``."""
        if self.ids and kind == "text":
            raise ModelError(
                f"{self.model}: takes whole numbers, as token ids are, not a text",
                "name its tokenizer with --tokenizer, or explain a function: py:module:function",
            )
        if self.kind is not None and self.kind != kind:
            modality = "tabular" if self.kind == "table" else self.kind
            own, other = (
                f"an {one}" if one == "image" else f"a {one}" for one in (self.kind, kind)
            )
            column = ", with --column for a column of a table" if modality == "text" else ""
            hint = f"use limex explain {modality}{column}"
            if (self.kind, kind) == ("table", "text"):
                own = f"a table of {self.n_columns:,} numbers" if self.n_columns else own
                hint += "; for the numbers of a text's words, explain a function that makes them: "
                hint += "py:module:function"
            if (self.kind, kind) == ("text", "image") and self.model.startswith(PYTHON_PREFIX):
                hint += f"; for the path of an image, {AS_FILE}"
            raise ModelError(f"{self.model}: takes {own}, not {other}", hint)


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A model in memory, and what is known of the tables that it is explained with."""

    thing: Any
    """An estimator, a booster, a network, a pipeline, or a function."""
    loader: Callable[[ModelFile], LoadedModel]
    """Wraps it."""
    tokenizer: Any = None
    """Of a transformers model, its own tokenizer."""
    dtypes: Mapping[str, Any] = field(default_factory=dict)
    """As ``ModelInput.dtypes``."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """As ``ModelInput.labels``."""


class ModelFile(NamedTuple):
    """A model's path and how to read it: small enough to be sent to a worker."""

    path: str
    format: str = "auto"
    task: str = "auto"
    output: str | None = None
    """Name or index of an ONNX output; ``decision``, ``labels`` or the index of one of several
    answers of a scikit-learn model."""
    activation: str = "auto"
    """``none``, ``softmax`` or ``sigmoid``; ``auto`` goes by what lies beside the model."""
    classes: tuple[str, ...] | None = None
    layout: str | None = None
    trust: bool = False
    trust_modules: tuple[str, ...] = ()
    sha256: str | None = None
    """What the file's digest must be."""
    threads: int | None = None
    key: str | None = None
    """Where in the file the model stands, if the file holds more."""
    tokenizer: str | None = None
    """Path of the tokenizer.json of an ONNX model that takes token ids, or of its folder; None
    looks beside the model."""
    max_tokens: int | None = None
    """Tokens of a text that such a model is given, at most."""
    transformers: tuple[str, ...] = ()
    """Paths of what is applied before the model, in that order."""
    vectorizers: tuple[str, ...] = ()
    """Paths of what was found beside the model and makes numbers of texts, once it is loaded."""
    imports: tuple[str, ...] = ()
    """Modules to import before the file is loaded, for what they register."""
    provider: str = "cpu"
    """``cpu`` or ``cuda``: what runs an ONNX model."""
    input_form: str = "auto"
    """``frame``, ``array`` or ``sparse``: in what form a model of Python is given a table."""
    live: LiveModel | None = None
    """The model itself, where it is no file; it never goes to another process."""

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Options that may change an answer and leave no other trace, where they are given."""
        said = ((name, getattr(self, name)) for name in ASKING)
        found = tuple((name, str(value)) for name, value in said if value != ASKING[name])
        for name, paths in (("transformer", self.transformers), ("vectorizer", self.vectorizers)):
            if paths:
                found = (*found, (name, " ".join(digest_of_file(Path(one)) for one in paths)))
        if self.tokenizer is None:
            return found
        return (*found, ("tokenizer", digest_of_file(Path(self.tokenizer))))

    def load(self) -> LoadedModel:
        """Load the model, once per process; raise ModelError when it cannot be used."""
        if self.live is not None:
            return self.live.loader(self)
        with clock.loading():
            return _load(self._replace(path=located(self.path)), self.stamp())

    def stamp(self) -> tuple[int, ...]:
        """Tell which state of the file is loaded; nothing of a function or a missing file."""
        try:
            path = Path(located(self.path))
            beside = map(path.with_name, _read_beside(str(path)))
            found = [one.stat() for one in (path, *beside, *map(Path, self.transformers))]
        except (OSError, ValueError):
            return ()
        return tuple(n for one in found for n in (one.st_ino, one.st_size, one.st_mtime_ns))


def _read_beside(model: str) -> list[str]:
    """Name the pickles that may be read beside a model: a label encoder of its classes, and where
    there is a vectorizer that and what may belong to it.
    """
    if Path(model).suffix not in (*PICKLED, ".skops"):
        return []
    first = pickles_beside(model, VECTORIZERS)
    called = (ENCODERS, APPLIED_FIRST) if first else (ENCODERS,)
    return sorted({*first, *(name for one in called for name in pickles_beside(model, one))})


def digests_of_pickles_beside(model: str) -> dict[str, str]:
    """Return the digests of what may be read beside a model, by the files' names."""
    found = {}
    for name in _read_beside(model):
        with contextlib.suppress(OSError):  # what cannot be read is not read with the model either
            found[name] = digest_of_file(Path(model).with_name(name))
    return found


@lru_cache(maxsize=2)
def _load(file: ModelFile, stamp: tuple[int, ...]) -> LoadedModel:
    path = Path(file.path)
    name = file.format if file.format != "auto" else form_of(file, path)
    _check_options(file, name)
    if name != "python":
        first_bytes(path)
    content = None if name == "python" else _opened(path)
    if file.sha256 is not None and content and content.digest() != file.sha256.lower():
        raise ModelError(f"{path.name}: its digest is not the one given with --sha256")
    for module in (*file.trust_modules, *file.imports):
        find_beside(module.partition(".")[0])
    for module in file.imports:
        _import(module)
    model: LoadedModel = LOADERS[name](file, content)
    return model


def _opened(path: Path) -> Content:
    from lime_cli.models.content import Content

    try:
        return Content(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


TOKENIZED = ("onnx", "transformers")
"""Formats of models that may take token ids."""


BEHIND = ("pickle", "joblib", "skops", "xgboost", "lightgbm", "catboost")
"""Formats of models before which transformers are put."""

A_MODEL = {"python": "a function", "transformers": "a model of the transformers library"}


def _check_options(file: ModelFile, name: str) -> None:
    """Raise SettingsError for an option that a model of this format knows nothing of."""
    wrong, hint = None, "leave it out"
    if file.provider != "cpu" and name != "onnx":
        wrong = f"--provider {file.provider}: only ONNX models run there"
    elif file.tokenizer is not None and name not in TOKENIZED:
        wrong = "--tokenizer: only ONNX models take token ids"
    elif file.transformers and name not in BEHIND:
        wrong = f"--transformer: nothing is put before {A_MODEL.get(name, NAMES.get(name))}"
        hint = f"save both as one pipeline of scikit-learn, or {FUNCTION}"
    elif file.max_tokens is not None and name not in TOKENIZED:
        wrong = f"--max-tokens {file.max_tokens}: only ONNX models take token ids"
    elif file.input_form != "auto" and name == "onnx":
        wrong = f"--input-form {file.input_form}: an ONNX graph determines its own input"
    elif file.sha256 is not None and name == "python":
        wrong = "--sha256: a function has no file"
    if wrong is not None:
        raise SettingsError(wrong, hint)


def find_beside(package: str, folder: Path | None = None) -> None:
    """Put a folder, the current one by default, at the end of the path where only there the
    package is found.
    """
    here = (folder or Path()).resolve()
    beside = (here / f"{package}.py").is_file() or (here / package).is_dir()
    if beside and importlib.util.find_spec(package) is None and str(here) not in sys.path:
        sys.path.append(str(here))
        importlib.invalidate_caches()


def _import(module: str) -> None:
    try:
        import_module(module)
    except Exception as error:  # a stranger's code may raise anything
        raise SettingsError(
            f"--import {module}: fails ({last_line(error)})",
            "pip install its package, or put it on PYTHONPATH",
        ) from error


def form_of(file: ModelFile, path: Path) -> str:
    """Tell the format of a model's file by its name, its folder or its first bytes; ModelError for
    something else.
    """
    if file.path.startswith(PYTHON_PREFIX):
        return "python"
    code = re.fullmatch(r"([^:]+)\.py(?::(\w+))?", path.name)
    if code is not None:
        raise ModelError(
            f"{path.name}: is Python code; name a function in it",
            f"write {PYTHON_PREFIX}{path}" + ("" if code[2] else ":NAME"),
        )
    if path.name in CHECKPOINTS and (path.parent / "config.json").is_file():
        return "transformers"
    return format_of(path)


FUNCTION = "explain a function that calls it: py:module:function"

WANTED = f"give a pickle, joblib, skops, ONNX, XGBoost, LightGBM or CatBoost file; or {FUNCTION}"

NAMES = {
    "pickle": "a pickle",
    "onnx": "an ONNX model",
    "skops": "a skops file",
    "xgboost": "an XGBoost model",
    "lightgbm": "a LightGBM model",
    "catboost": "a CatBoost model",
}

SUFFIXES = {
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".joblib": "pickle",
    ".onnx": "onnx",
    ".ort": "onnx",
    ".skops": "skops",
    ".ubj": "xgboost",
    ".json": "xgboost",
    ".cbm": "catboost",
}
"""Suffixes that promise one format; others promise none."""

TORCH = ("a PyTorch file, which runs code when it is loaded", "export it: torch.onnx.export")

KERAS = ("a Keras file", "export it: model.export('model.onnx', format='onnx'), or tf2onnx")

CODE = f"save the model that it was made from; or {FUNCTION}"

BY_SUFFIX = {
    ".mlmodel": ("a Core ML model", "export the model that it was made from to ONNX"),
    ".pb": ("a TensorFlow graph", "convert it: python -m tf2onnx.convert --graphdef"),
    ".engine": ("a TensorRT engine", "explain the ONNX model that it was built from"),
    ".plan": ("a TensorRT engine", "explain the ONNX model that it was built from"),
    ".pdmodel": ("a PaddlePaddle model", "convert it: paddle2onnx"),
    ".gguf": ("a language model", FUNCTION),
    ".bentomodel": ("an archive of BentoML", "unpack it with tar xf, and explain the model in it"),
    ".ipynb": ("a notebook", "save the model in it: joblib.dump(model, 'model.joblib')"),
    **dict.fromkeys((".rds", ".rda", ".rdata"), ("an R object", FUNCTION)),
    **dict.fromkeys((".c", ".cpp", ".h", ".java", ".js", ".go"), ("source code", CODE)),
}
"""What files are that nothing but the suffix tells, and what to do."""

EXPORTED = (
    "tokenizer.json", "config.json", "tokenizer_config.json", "special_tokens_map.json",
    "preprocessor_config.json", "vocab.txt", "vocab.json", "merges.txt",
)  # fmt: skip
"""What is read beside a graph of a Hugging Face export."""

DUMP = "a dump of {}, which no library loads again"

BY_TEXT = (
    (
        rb"booster\[0\]:|\s*\[\s*\{\s*\"nodeid\"",
        DUMP.format("an XGBoost model"),
        "save the model itself: model.save_model('model.json')",
    ),
    (
        rb"\s*\{\s*\"name\"\s*:\s*\"tree\"",
        DUMP.format("a LightGBM model"),
        "save the model itself: model.booster_.save_model('model.txt')",
    ),
)
"""How texts begin that were written of models to be read, what they are, and what to do."""

HEAD_BYTES = 512

ZIP = b"PK\x03\x04"

CATBOOST_JSON = re.compile(
    rb"\s*\{\s*\"(ctr_data|features_info|model_info|oblivious_trees|scale_and_bias|trees)\""
)

XGBOOST = re.compile(
    rb"\s*\{\s*\"(learner\"\s*:|version\"\s*:\s*\[)|\{L.{7}[\x07]learner|binf", re.DOTALL
)


def format_of(path: Path) -> str:
    """Tell a model file's format by its first bytes; raise ModelError for something else."""
    head = first_bytes(path)
    if not head:
        raise ModelError(f"{path.name}: is empty", WANTED)
    kind = _kind(path, head)
    if kind is None:
        raise _foreign(path, head)
    promised = SUFFIXES.get(path.suffix.lower(), kind)
    if promised != kind:
        raise ModelError(
            f"{path.name}: is named {path.suffix} but its content is {NAMES[kind]}",
            f"rename it, or use --model-format {kind}",
        )
    return kind


def _kind(path: Path, head: bytes) -> str | None:
    if head.startswith(ZIP):
        return "skops" if "schema.json" in _entries(path) else None
    kind, suffix = kind_of(head), path.suffix.lower()
    other = suffix in BY_SUFFIX and (kind == "pickle" or suffix == ".mlmodel")
    return None if other else kind


def kind_of(head: bytes) -> str | None:
    """Tell a model file's format by its first bytes, but for archives; None for no such file."""
    if _looks_onnx(head):
        return "onnx"
    if head.startswith(b"CBM1"):
        return "catboost"
    if head.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return "lightgbm"
    if XGBOOST.match(head):
        return "xgboost"
    if _is_safetensors(head):
        return None
    from lime_cli.models.pickles.archive import looks_pickled  # brings every decompressor

    return "pickle" if looks_pickled(head) else None


def _entries(path: Path) -> set[str]:
    """Return the names in a zip file, without the folder that PyTorch puts them in."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise ModelError(
            f"{path.name}: is cut short ({path.stat().st_size:,} bytes)", "copy it again"
        ) from None
    return {*names, *(name.partition("/")[2] for name in names)}


def _foreign(path: Path, head: bytes) -> ModelError:
    """Say what a file is that limex does not load, and what to do with it."""
    what, hint = _known(path, head)
    if what and path.name in WEIGHTS and (path.parent / "config.json").is_file():
        return ModelError(f"{path.name}: is {what}", export_line(str(path.parent)))
    if what:
        return ModelError(f"{path.name}: is {what}", hint)
    from lime_cli.models.pickles.archive import looks_like

    first = looks_like(head)
    if first == "it looks like text":
        words = head.decode("utf-8", "replace").strip().splitlines()
        first = f"it begins with the text {words[0][:30]!r}" if words else "it holds blank lines"
    return ModelError(f"{path.name}: is not a model file ({first})", WANTED)


def _known(path: Path, head: bytes) -> tuple[str, str]:
    if head.startswith(ZIP):
        entries = _entries(path)
        if "data.pkl" in entries:
            return TORCH
        if "config.json" in entries or "model.weights.h5" in entries:
            return KERAS
        if "model.ini" in entries:
            return "an H2O model", f"{FUNCTION}, with h2o.import_mojo"
        return "a zip archive without a model", WANTED
    if head.startswith(b"\x89HDF"):
        return KERAS
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", "convert it: python -m tf2onnx.convert --tflite"
    if _is_safetensors(head):
        return "a safetensors file: weights without a model", "export the model to ONNX"
    if head.startswith(b"\xba\x16\x4f\x2f"):
        return (
            "a fastText model",
            "explain a function that calls its predict, k=-1: py:module:function",
        )
    if CATBOOST_JSON.match(head):
        return "a CatBoost model in JSON", _as_cbm(path)
    if b"<PMML" in head:
        return "a PMML document", "export the model to ONNX"
    if path.name in EXPORTED:
        return "a file beside a model of Hugging Face's, not the model", f"name {path.parent}"
    found = next(((what, hint) for form, what, hint in BY_TEXT if re.match(form, head)), None)
    return found or BY_SUFFIX.get(path.suffix.lower(), ("", ""))


def _as_cbm(path: Path) -> str:
    """Write the command that turns a CatBoost model in JSON into a file that is loaded."""
    made = str(path.with_suffix(".cbm"))
    names = json.dumps(str(path)), json.dumps(made)
    code = f'm = CatBoost(); m.load_model({names[0]}, "json"); m.save_model({names[1]})'
    command = shlex.join(["python", "-c", f"from catboost import CatBoost; {code}"])
    return f"make {made} of it, and explain that: {command}"


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 << 20


def first_bytes(path: Path) -> bytes:
    """Read the beginning of a file; raise ModelError where there is none."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", nearest_file(path, "model")) from None
    except IsADirectoryError:
        found = located(str(path))  # raises ModelError for a folder of something else
        raise ModelError(f"{path}: is a folder", f"name the file: {found}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None


def _looks_onnx(head: bytes) -> bool:
    """An ONNX file is a protobuf whose first field is the IR version, a small number."""
    return (
        head[0] == 0x08 and len(head) > 2 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x3A, 0x42)
    )
