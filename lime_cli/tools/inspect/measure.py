"""What limex knows of a model file before and after it is asked about a few rows, and which
options it would choose.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.engine.instance import join
from lime_cli.engine.model import FloatArray
from lime_cli.errors import InputError, ModelError, PredictionError, SettingsError, UntrustedModel
from lime_cli.files import nearest_file
from lime_cli.models.booster_files import NativeOutline, native_outline
from lime_cli.models.failures import explains
from lime_cli.models.model_file import PYTHON_PREFIX, ModelFile, ModelInput, form_of
from lime_cli.models.names import names_beside
from lime_cli.models.onnx.export import export_beside
from lime_cli.models.onnx.graph import (
    Signature,
    Size,
    check_graph,
    names_listed,
    read_graph,
    read_signature,
)
from lime_cli.models.pickles import refusals
from lime_cli.models.pickles.archive import packing_of
from lime_cli.models.pickles.dry_run import Outline, outline_of
from lime_cli.models.pickles.loading import PickleVerdict, inspect_pickle
from lime_cli.models.pickles.policy import AllowList, is_danger, listed
from lime_cli.registry import MODALITIES
from lime_cli.sources import suffix_of
from lime_cli.tables.readers import is_table, read_cells
from lime_cli.tabular.row import Table
from lime_cli.tabular.schema import Schema

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel

PICKLES = ("pickle", "joblib")

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class JudgedGlobal:
    """A name that a pickle uses."""

    name: str
    roles: tuple[str, ...]
    """``ref``: it stands as a value; ``new``: created without its constructor; ``call``."""
    verdict: str
    """``allowed``, ``trusted`` by an option, ``unknown``, ``misused`` or ``danger``."""

    @property
    def refused(self) -> bool:
        """Whether this name keeps the file from being loaded."""
        return self.verdict not in ("allowed", "trusted")

    @staticmethod
    def of(seen: PickleVerdict, policy: AllowList) -> JudgedGlobal:
        """Judge a name by the list, and by what the person at the keyboard trusts beyond it."""
        key = (seen.module, seen.name)
        if seen.allowed:
            verdict = "allowed"
        elif seen.roles <= policy.roles(*key):
            verdict = "trusted"
        elif is_danger(*key):
            verdict = "danger"
        else:
            verdict = "misused" if key in listed() else "unknown"
        return JudgedGlobal(".".join(key), tuple(sorted(seen.roles)), verdict)


@dataclass(frozen=True)
class ProbeResult:
    """What a loaded model told; its task and targets stay empty where it did not answer."""

    method: str
    """Method of an estimator, or output of a graph."""
    input: ModelInput
    task: str | None = None
    targets: tuple[str, ...] = ()
    probabilities: bool = False
    warnings: tuple[str, ...] = ()
    """Codes and sentences of what loading brought up."""
    options: tuple[tuple[str, str], ...] = ()
    """How it is asked, as far as somebody, or what lies beside it, says that."""
    failure: str = ""
    """Why it did not answer."""


@dataclass(frozen=True)
class Check:
    """Two models asked about the same rows."""

    other: str
    rows: int
    tolerance: float
    differences: tuple[tuple[str, float], ...]
    """The largest absolute difference of each target."""
    by_name: bool
    """Whether outputs were matched by name; by position otherwise."""

    @property
    def agree(self) -> bool:
        """Whether no difference is beyond the tolerance."""
        return all(value <= self.tolerance for _, value in self.differences)


@dataclass(frozen=True)
class ModelReport:
    """A model file, looked at from outside."""

    path: str
    format: str | None
    """None for a file that is no model."""
    packing: str
    """How a pickle is compressed; empty for not at all."""
    n_bytes: int
    digest: str
    """SHA-256 of the file."""
    names: tuple[JudgedGlobal, ...] = ()
    outline: Outline | None = None
    signature: Signature | None = None
    native: NativeOutline | None = None
    """What a booster's own file says."""
    refusal: ModelError | None = None
    """Why limex would not load it."""
    said: ModelFile | None = None
    """How the person at the keyboard said it is to be read."""
    probe: ProbeResult | None = None
    check: Check | None = None

    @property
    def kind(self) -> str | None:
        """``table``, ``text`` or ``image``, as far as the file tells."""
        if self.native is not None:
            return "table"
        if self.signature is None:
            return self.outline.kind if self.outline else None
        inputs = self.signature.inputs
        if len(inputs) == 1 and inputs[0].shape is not None and len(inputs[0].shape) == 4:
            return "image"
        if any(one.name.partition(":")[0] in TOKENS for one in inputs):
            return "text"
        narrow = len(inputs) == 1 and (inputs[0].shape or (1,))[-1] in (1, None)
        return "text" if narrow and inputs[0].kind == "string" else "table"


def report_on(file: ModelFile) -> ModelReport:
    """Look at a file without running it; ModelError only for one that cannot be read."""
    if file.path.startswith(PYTHON_PREFIX):
        said = f"{file.path}: is a function, of which only its answers tell something"
        raise ModelError(said, f"limex explain {file.path} DATA")
    path = Path(file.path)
    n_bytes, digest = _digest(path)
    with path.open("rb") as stream:
        packing = packing_of(stream.read(512))
    form = None
    try:
        if file.sha256 is not None and digest != file.sha256.lower():
            raise ModelError(f"{path.name}: its digest is not the one given with --sha256")
        form = file.format if file.format != "auto" else form_of(file, path)
    except ModelError as error:
        return ModelReport(file.path, form, packing, n_bytes, digest, refusal=error)
    if form in PICKLES:
        outline = outline_of(path)
        names, refusal = _names(path, file, outline.sklearn_version)
        return ModelReport(
            file.path, form, packing, n_bytes, digest, names, outline, refusal=refusal
        )
    if form == "transformers":
        return ModelReport(file.path, form, "", n_bytes, digest)
    if form != "onnx":
        native = native_outline(path, form)
        return ModelReport(file.path, form, "", n_bytes, digest, native=native)
    signature, refusal = _signature(path)
    return ModelReport(file.path, form, "", n_bytes, digest, signature=signature, refusal=refusal)


def _digest(path: Path) -> tuple[int, str]:
    """Return size and SHA-256; raise ModelError for what cannot be read."""
    found, n_bytes = sha256(), 0
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ModelError(f"{path}: is not a plain file", "a model is one file")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                found.update(chunk)
                n_bytes += len(chunk)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", nearest_file(path, "model")) from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder", "name the file in it that is a model") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    return n_bytes, found.hexdigest()


def _names(
    path: Path, file: ModelFile, sklearn_version: str
) -> tuple[tuple[JudgedGlobal, ...], ModelError | None]:
    """Judge the names of a pickle, and say what loading it would say."""
    try:
        verdicts = inspect_pickle(path)
    except ModelError as error:
        return (), None if file.trust and isinstance(error, UntrustedModel) else shorter(error)
    policy = AllowList(file.trust_modules)
    names = [JudgedGlobal.of(one, policy) for one in verdicts]
    refused = [(v.module, v.name) for v, one in zip(verdicts, names, strict=True) if one.refused]
    if not refused or file.trust:
        return tuple(names), None
    return tuple(names), shorter(refusals.untrusted(path, refused, sklearn_version))


def shorter(error: ModelError) -> ModelError:
    """Leave out the advice to inspect the file: that is being done."""
    if not error.hint.startswith("look inside"):
        return error
    return type(error)(error.message, error.hint.partition("; ")[2])


def _signature(path: Path) -> tuple[Signature | None, ModelError | None]:
    try:
        signature = read_signature(path)
    except ModelError as error:
        return None, error
    try:
        check_graph(path, read_graph(path))
    except ModelError as error:
        return signature, error
    return signature, None


TOKENS = ("input_ids", "ids", "input_word_ids", "token_ids")
"""What inputs of token ids are called."""

TEXTS = (".txt", ".md", ".text")

UNFIT = "made-up rows do not fit the model"


@dataclass(frozen=True)
class ProbeRows:
    """Real inputs to ask a model about: the first rows of a file."""

    path: str
    n: int
    column: str | None = None
    """Of a table, the column of texts."""


def probe(file: ModelFile, report: ModelReport, rows: ProbeRows | None) -> ProbeResult:
    """Load a model and ask it about two rows, real or made up.

    Raises ModelError where it cannot be loaded or does not answer to real rows, and what reading
    them raises.
    """
    model = file.load()
    method = str(getattr(model, "method", "predict"))
    warnings = tuple(f"{one.code}: {one.message}" for one in model.warnings)
    failure = UNFIT
    for batch in _batches(model, report, rows):
        try:
            model.predict(batch)
        except PredictionError as error:
            if rows is not None:
                raise
            if explains(error):
                failure = str(error)
            continue
        who = model.identity
        return ProbeResult(
            method,
            model.input,
            who.task,
            who.targets,
            model.probabilities,
            warnings,
            who.options,
        )
    options = model.identity.options
    return ProbeResult(method, model.input, warnings=warnings, options=options, failure=failure)


def check(
    file: ModelFile, other: ModelFile, report: ModelReport, rows: ProbeRows, tolerance: float
) -> Check:
    """Ask two models about the same rows; raise ModelError where their outputs do not match."""
    first, second = file.load(), other.load()
    kind = kind_of(first.input, report, rows)
    wanted = second.input
    if wanted.columns is None and first.input.columns is not None:
        wanted = wanted._replace(columns=first.input.columns)
    ours, theirs = (
        model.predict(real_batch(kind, one, rows))
        for model, one in ((first, first.input), (second, wanted))
    )
    names, others = first.identity.targets, second.identity.targets
    by_name = sorted(names) == sorted(others)
    if not by_name and len(names) != len(others):
        raise ModelError(
            f"{Path(file.path).name} has {len(names)} outputs, "
            f"{Path(other.path).name} has {len(others)}",
            "choose with --model-output, or give the export of the same model",
        )
    if by_name:
        theirs = theirs[:, [others.index(name) for name in names]]
    return Check(other.path, len(ours), tolerance, _differences(names, ours, theirs), by_name)


def _differences(
    names: tuple[str, ...], ours: FloatArray, theirs: FloatArray
) -> tuple[tuple[str, float], ...]:
    largest = np.abs(ours - theirs).max(axis=0)
    return tuple((name, float(value)) for name, value in zip(names, largest, strict=True))


def kind_of(known: ModelInput, report: ModelReport, rows: ProbeRows | None) -> str | None:
    """Tell what the model takes: as it says, as its parts say, else as the file of rows looks."""
    if known.kind or report.kind:
        return known.kind or report.kind
    if known.columns or known.n_columns:
        return "table"
    if rows is None:
        return None
    if rows.column or suffix_of(rows.path) in TEXTS:
        return "text"
    return "table" if is_table(rows.path) else "image"


def _batches(model: LoadedModel, report: ModelReport, rows: ProbeRows | None) -> Iterator[Any]:
    """Yield what the model may be asked, the likeliest first."""
    kind, known = kind_of(model.input, report, rows), model.input
    if rows is not None:
        yield real_batch(kind, known, replace(rows, n=2))
        return
    if kind in ("text", None):
        yield ["a good day", "a bad day"]
    elif kind == "image":
        height, width = known.size or (32, 32)
        yield np.zeros((2, height, width, known.channels or 3), np.float32)
    else:
        n = known.n_columns or (report.outline.n_columns if report.outline else None) or 1
        names = known.columns or tuple(f"column {i}" for i in range(n))
        words = report.outline.words if report.outline else ()
        for some in ((), words, names):
            yield Table(names, tuple(_made_up(name in some) for name in names))


def _made_up(word: bool) -> Any:
    return np.array(["a", "b"], dtype=object) if word else np.zeros(2)


def real_batch(kind: str | None, known: ModelInput, rows: ProbeRows) -> Any:
    """Read the first rows of a file as the model wants them."""
    if kind == "text":
        return _texts(rows)
    if kind == "image":
        modality = MODALITIES["image"](inputs=(rows.path,))
    else:
        n = min(rows.n, len(read_cells(rows.path, most=rows.n).rows))
        modality = MODALITIES["tabular"](
            rows.path, rows=f"0-{n - 1}", background=rows.path, schema=Schema(lone=True)
        )
    fitted = modality.fitted(known)
    sources = islice(fitted.sources(), rows.n)
    return join([fitted.read(source).original() for source in sources])


def _texts(rows: ProbeRows) -> list[str]:
    """Read texts: the cells of a column, or the lines of a text file that hold any."""
    path = Path(rows.path)
    if rows.column is None and not is_table(rows.path):
        modality = MODALITIES["text"](inputs=(rows.path,))
        lines = modality.read(next(iter(modality.sources()))).text.splitlines()
        return [line for line in lines if line.strip()][: rows.n]
    cells = read_cells(rows.path, most=rows.n)
    if rows.column is None and len(cells.header) > 1:
        said = f"{path.name}: it is not clear which column contains the texts"
        raise SettingsError(said, f"name it with --column: {', '.join(cells.header[:12])}")
    column = rows.column or cells.header[0]
    if column not in cells.header:
        listed = ", ".join(cells.header[:12])
        raise InputError(f"{path.name}: has no column {column!r}", f"it has {listed}")
    return cells.column(column)[: rows.n]


INPUT_MODALITIES = {"table": "tabular", "text": "text", "image": "image"}
"""Modality of each kind of input."""

LINE = 90
"""Characters of a line of a sidecar, about."""


@dataclass(frozen=True)
class Choice:
    """An option of ``limex explain`` for this model."""

    key: str
    """Its long name."""
    value: str | int | tuple[str, ...]
    why: str
    certain: bool = True
    """Whether limex would choose so; else it is for a person to say."""
    modality: str = ""
    """Empty for an option of every modality."""
    repeated: bool = False
    """Whether each of its values is typed with a name of its own."""


def modality_of(report: ModelReport) -> str | None:
    """Name the modality that explains the model, where that is known."""
    kind = report.probe.input.kind if report.probe else None
    return INPUT_MODALITIES.get(kind or report.kind or "")


def known_input(report: ModelReport) -> ModelInput:
    """Return what the model says of its input: loaded, else as far as the file tells."""
    if report.probe is not None:
        return _with_outline(report.probe.input, report)
    if report.native is not None:
        return ModelInput(
            kind="table", columns=report.native.columns, n_columns=report.native.n_columns
        )
    if report.signature is None or report.kind is None:
        return _with_outline(ModelInput(), report)
    metadata, inputs = dict(report.signature.metadata), report.signature.inputs
    if report.kind == "image":
        return _image(inputs[0].shape or (), metadata.get("limex.preprocess"))
    columns = names_listed(metadata.get("limex.features"))
    if len(inputs) > 1:
        columns = tuple(one.name for one in inputs)
    return ModelInput(kind=report.kind, columns=columns)


def known_classes(report: ModelReport) -> tuple[str, ...] | None:
    """Return the names of the classes: as the model answers, else as the file tells."""
    probe = report.probe
    if probe is not None and probe.task is not None:
        return probe.targets if probe.task == "classification" else None
    if report.native is not None:
        return report.native.classes
    if report.signature is not None:
        said = dict(report.signature.metadata).get("limex.classes")
        return names_listed(said) or report.signature.classes
    return report.outline.classes if report.outline else None


def choices(report: ModelReport) -> tuple[Choice, ...]:
    """List the options limex would choose, and those it leaves to a person."""
    return (*_common(report), *_of_modality(report))


def sidecar(report: ModelReport) -> str:
    """Write the choices as a file of options; what a person may say stands as a comment."""
    name = re.sub(r"[\x00-\x1f\x7f]", "?", Path(report.path).name)
    lines = [
        f"# Options of limex explain for {name}; the command line and LIMEX_... win.",
        "# Paths are relative to this file. limex explain --help-all lists all options.",
        "",
    ]
    table = ""
    for one in choices(report):
        if one.modality != table:
            table = one.modality
            lines += ["", f"[{table}]"]
        mark = "" if one.certain else "# "
        lines += [f"# {one.why}", f"{mark}{one.key} = {_toml(one.value)}"]
    return "\n".join(lines) + "\n"


def _common(report: ModelReport) -> Iterator[Choice]:
    probe, signature, names = report.probe, report.signature, known_classes(report)
    if probe is not None and probe.task is not None:
        yield Choice("task", probe.task, "as it answers")
    elif names is not None:
        yield Choice("task", "classification", "it has classes")
    said = report.said
    yield from _of_files(report)
    yield from _of_tokens(report)
    if said is not None and said.output is not None:
        yield Choice("model-output", said.output, "as said")
    elif probe is not None and signature is not None and len(signature.outputs) > 1:
        yield Choice("model-output", probe.method, f"of {len(signature.outputs)} outputs")
    form = known_input(report).form
    if form is not None:
        chosen = said is None or said.input_form == "auto"
        yield Choice("input-form", form, "what it wants" if chosen else "as said")
    if names is not None:
        named = names != tuple(map(str, range(len(names))))
        why = "its own names" if named else f"it names none of its {len(names)} classes"
        place = None if named else names_beside(report.path, names)
        free = "names.txt" if place is None else place.name
        yield Choice("classes", names if named else free, why, named)


def _of_files(report: ModelReport) -> Iterator[Choice]:
    """List the transformers that were named; a sidecar names none outside its folder."""
    folder, named = (
        Path(report.path).parent.resolve(),
        report.said.transformers if report.said else (),
    )
    places = tuple(os.path.relpath(Path(one).resolve(), folder) for one in named)
    if places:
        inside = not any(one.startswith("..") for one in places)
        yield Choice("transformer", places, "as said" if inside else OUTSIDE, inside, repeated=True)


OUTSIDE = "outside the model's folder, which MODEL.toml cannot name: type it"


def _of_tokens(report: ModelReport) -> Iterator[Choice]:
    """List what makes token ids of texts, and probabilities of what the graph answers."""
    said = report.said
    export = export_beside(Path(report.path), said.tokenizer if said else None)
    options = dict(report.probe.options) if report.probe else {}
    if "tokenizer" in options and export.tokenizer is not None:
        folder, own = Path(report.path).parent.resolve(), export.tokenizer.resolve()
        place = os.path.relpath(own, folder)
        beside = said is None or said.tokenizer is None
        inside = not place.startswith("..")
        if inside:
            yield Choice("tokenizer", place, "beside it" if beside else "as said")
        elif not beside:
            yield Choice("tokenizer", place, OUTSIDE, False)
    limit = known_input(report).max_tokens
    if limit is not None:
        yield Choice("max-tokens", limit, "longer texts are cut there")
    typed = said is not None and said.activation != "auto"
    activation = said.activation if said and typed else options.get("activation")
    if activation is not None:
        yield Choice("activation", activation, "as said" if typed else "by its config.json")


def _of_modality(report: ModelReport) -> Iterator[Choice]:
    known, modality = known_input(report), modality_of(report)
    if modality == "tabular":
        why = "table from which replacement values come; by default DATA"
        yield Choice("background", "train.csv", why, False, modality)
    if modality != "image":
        return
    pixels = known.pixels
    height, width = known.size or (pixels.size if pixels else None) or (224, 224)
    size = f"{height}" if height == width else f"{height}x{width}"
    free = "the model accepts any size; without this, images keep theirs"
    why = "its input's shape"
    if pixels is None or known.size:
        yield Choice("size", size, why if known.size else free, known.size is not None, modality)
    else:
        yield Choice("size", size, BESIDE, True, modality)
    if known.layout:
        yield Choice("layout", known.layout, why, True, modality)
    if known.channels and not (known.channels == 3 and known.preprocess):
        colours = known.channels == 3
        channels = "RGB" if colours else {1: "L"}.get(known.channels, str(known.channels))
        why = "3 in its input, in an order that it does not say" if colours else "as its input has"
        yield Choice("channels", channels, why, not colours, modality)
    if known.preprocess:
        yield Choice("preprocess", known.preprocess, "its metadata", True, modality)
    elif pixels is not None:
        why = f"{pixels.resize}, mean and std by {BESIDE}, unless this is said"
        yield Choice("preprocess", "imagenet", why, False, modality)
    else:
        why = "how pixels become numbers; by default unit (0 to 1)"
        yield Choice("preprocess", "imagenet", why, False, modality)
    if pixels is None or pixels.resample is None:
        why = "how an image is fitted; by default stretch, or the preset's"
        yield Choice("resize", "crop", why, False, modality)
        why = "filter that resizes; by default bilinear"
        yield Choice("resample", "bicubic", why, False, modality)


BESIDE = "preprocessor_config.json"


def _image(shape: tuple[Size, ...], preprocess: str | None) -> ModelInput:
    """Read a shape as the loaded model would, where its channels are plain to see."""
    first, last = (shape[place] in (1, 3, 4) for place in (1, 3))
    layout = None if first == last else "NCHW" if first else "NHWC"
    height, width, channels = (shape[i] for i in ((1, 2, 3) if layout == "NHWC" else (2, 3, 1)))
    fixed = isinstance(height, int) and isinstance(width, int) and layout is not None
    return ModelInput(
        kind="image",
        size=(int(height or 0), int(width or 0)) if fixed else None,
        channels=channels if isinstance(channels, int) and layout else None,
        layout=layout,
        preprocess=preprocess,
    )


def _with_outline(known: ModelInput, report: ModelReport) -> ModelInput:
    outline = report.outline
    if outline is None or known.columns or known.n_columns:
        return known
    return ModelInput(known.model, outline.kind, outline.columns, outline.n_columns)


def _toml(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        plain = value.encode("utf-8", "replace").decode()
        return json.dumps(plain, ensure_ascii=False).replace("\x7f", "\\u007f")
    inside = [_toml(one) for one in value]
    row = f"[{', '.join(inside)}]"
    return row if len(row) <= LINE else "[\n" + "".join(f"    {one},\n" for one in inside) + "]"
