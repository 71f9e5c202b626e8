"""What limex knows of a model file before it asks it anything, as plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lime_cli.errors import ModelError, UntrustedModel
from lime_cli.models import ModelFile, ModelInput, complaints, format_of
from lime_cli.models.allowed import Policy, is_danger, listed
from lime_cli.models.archive import packing_of
from lime_cli.models.graph import check_graph, read_graph
from lime_cli.models.outline import Outline, outline_of
from lime_cli.models.signature import Signature, read_signature
from lime_cli.models.unpickling import Verdict, inspect_pickle

PICKLES = ("pickle", "joblib")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Judged:
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
    def of(seen: Verdict, policy: Policy) -> Judged:
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
        return Judged(".".join(key), tuple(sorted(seen.roles)), verdict)


@dataclass(frozen=True)
class Probe:
    """What a loaded model told; its task and targets stay empty where it did not answer."""

    asked: str
    """Method of an estimator, or output of a graph."""
    input: ModelInput
    task: str | None = None
    targets: tuple[str, ...] = ()
    probabilities: bool = False
    caveats: tuple[str, ...] = ()
    """Codes and sentences of what loading brought up."""
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
class Report:
    """A model file, looked at from outside."""

    path: str
    format: str | None
    """None for a file that is no model."""
    packing: str
    """How a pickle is compressed; empty for not at all."""
    n_bytes: int
    digest: str
    """SHA-256 of the file."""
    names: tuple[Judged, ...] = ()
    outline: Outline | None = None
    signature: Signature | None = None
    refusal: ModelError | None = None
    """Why limex would not load it."""
    said: ModelFile | None = None
    """How the person at the keyboard said it is to be read."""
    probe: Probe | None = None
    check: Check | None = None

    @property
    def kind(self) -> str | None:
        """``table``, ``text`` or ``picture``, as far as the file tells."""
        if self.signature is None:
            return self.outline.kind if self.outline else None
        inputs = self.signature.inputs
        if len(inputs) == 1 and inputs[0].shape is not None and len(inputs[0].shape) == 4:
            return "picture"
        narrow = len(inputs) == 1 and (inputs[0].shape or (1,))[-1] in (1, None)
        return "text" if narrow and inputs[0].kind == "string" else "table"


def report_on(file: ModelFile) -> Report:
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
        return Report(file.path, form, packing, n_bytes, digest, refusal=error)
    if form in PICKLES:
        outline = outline_of(path)
        names, refusal = _names(path, file, outline.sklearn_version)
        return Report(file.path, form, packing, n_bytes, digest, names, outline, refusal=refusal)
    if form != "onnx":
        return Report(file.path, form, "", n_bytes, digest)
    signature, refusal = _signature(path)
    return Report(file.path, form, "", n_bytes, digest, signature=signature, refusal=refusal)


def _digest(path: Path) -> tuple[int, str]:
    """Return size and SHA-256; raise ModelError for what cannot be read."""
    found, n_bytes = sha256(), 0
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ModelError(f"{path}: is no plain file", "a model is one file")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                found.update(chunk)
                n_bytes += len(chunk)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file", "check the path of the model") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a folder", "a model is one file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from None
    return n_bytes, found.hexdigest()


def _names(
    path: Path, file: ModelFile, sklearn_version: str
) -> tuple[tuple[Judged, ...], ModelError | None]:
    """Judge the names of a pickle, and say what loading it would say."""
    try:
        verdicts = inspect_pickle(path)
    except ModelError as error:
        return (), None if file.trust and isinstance(error, UntrustedModel) else _shorter(error)
    policy = Policy(file.trust_modules)
    names = [Judged.of(one, policy) for one in verdicts]
    refused = [(v.module, v.name) for v, one in zip(verdicts, names, strict=True) if one.refused]
    if not refused or file.trust:
        return tuple(names), None
    return tuple(names), _shorter(complaints.untrusted(path, refused, sklearn_version))


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
