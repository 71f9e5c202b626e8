"""What limex knows of a model file before and after it is asked about a few rows."""

from __future__ import annotations

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
from lime_cli.models.model_file import ModelFile, ModelInput, format_of
from lime_cli.models.onnx.graph import Signature, check_graph, read_graph, read_signature
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
    path = Path(file.path)
    n_bytes, digest = _digest(path)
    with path.open("rb") as stream:
        packing = packing_of(stream.read(512))
    form = None
    try:
        if file.sha256 is not None and digest != file.sha256.lower():
            raise ModelError(f"{path.name}: its digest is not the one given with --sha256")
        form = file.format if file.format != "auto" else format_of(path)
    except ModelError as error:
        return ModelReport(file.path, form, packing, n_bytes, digest, refusal=error)
    if form in PICKLES:
        outline = outline_of(path)
        names, refusal = _names(path, file, outline.sklearn_version)
        return ModelReport(
            file.path, form, packing, n_bytes, digest, names, outline, refusal=refusal
        )
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
        return (), None if file.trust and isinstance(error, UntrustedModel) else _shorter(error)
    policy = AllowList(file.trust_modules)
    names = [JudgedGlobal.of(one, policy) for one in verdicts]
    refused = [(v.module, v.name) for v, one in zip(verdicts, names, strict=True) if one.refused]
    if not refused or file.trust:
        return tuple(names), None
    return tuple(names), _shorter(refusals.untrusted(path, refused, sklearn_version))


def _shorter(error: ModelError) -> ModelError:
    """Leave out the advice to inspect the file: that is being done."""
    hint = error.hint.partition("; ")[2] if error.hint.startswith("look inside") else error.hint
    return type(error)(error.message, hint)


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
        said = f"{path.name}: which column holds the texts is not said"
        raise SettingsError(said, f"name it with --column: {', '.join(cells.header[:12])}")
    column = rows.column or cells.header[0]
    if column not in cells.header:
        listed = ", ".join(cells.header[:12])
        raise InputError(f"{path.name}: has no column {column!r}", f"it has {listed}")
    return cells.column(column)[: rows.n]
