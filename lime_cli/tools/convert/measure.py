"""The ONNX form of a model, and the proof that it predicts the same."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import FloatArray
from lime_cli.errors import (
    LimexError,
    MissingDependency,
    ModelError,
    SettingsError,
    said_by,
    shortened,
)
from lime_cli.models.model_file import ModelFile
from lime_cli.models.predictor import Predictor
from lime_cli.tabular.row import Table
from lime_cli.tools.convert.graphs import converted, precisions
from lime_cli.tools.inspect.measure import (
    ProbeResult,
    ProbeRows,
    kind_of,
    real_batch,
    report_on,
    sidecar,
)
from lime_cli.version import __version__

NAME, NUMBER = "limex/conversion", 1

CLOSE = 0.01
"""Share of the largest prediction up to which a difference may be taken as one of rounding."""


class ProofRows(NamedTuple):
    """What both models are asked, and how far they may differ."""

    probe: ProbeRows
    tolerance: float
    """As a share of the largest prediction; of probabilities, of one."""


class WorstDifference(NamedTuple):
    """Where the two models differ most."""

    largest: float
    """In the unit of the target."""
    share: float
    """Of the largest prediction; of probabilities, of one."""
    said: str
    """Which target of which row, and what both predict."""


@dataclass(frozen=True)
class Conversion:
    """An ONNX model with its proof."""

    name: str
    """Of the model's file."""
    output: str
    content: bytes
    numbers: str
    """``float`` or ``double``: what the graph takes as numbers."""
    n_rows: int
    """Asked as they are, and as often as mixtures of them."""
    worst: WorstDifference
    tolerance: float
    seconds: tuple[float, float]
    """To load the model, the libraries it needs included, and its ONNX form."""
    sidecar: str = ""

    @property
    def agrees(self) -> bool:
        """Whether both predict the same."""
        return self.worst.share <= self.tolerance

    @property
    def advice(self) -> str:
        """What to do where they differ."""
        close = self.worst.share <= CLOSE
        raised = f"raise --tolerance above {self.worst.share:.2g}, or " if close else ""
        return f"{raised}explain the original model"

    def lines(self) -> Iterator[str]:
        """Yield the report for a person."""
        before, after = self.seconds
        yield f"{self.name} -> {Path(self.output).name}, {len(self.content):,} bytes"
        yield (
            f"  predicts the same for {self.n_rows:,} rows and as many mixtures of them: the "
            f"largest difference is {self.worst.largest:.1e}"
        )
        factor = before / after
        faster = f", {factor:.0f} times faster" if factor >= 2 else ""
        yield f"  loads in {after:.2f} s, the original in {before:.2f} s{faster}"

    def record(self) -> dict[str, Any]:
        """Return the report as JSON data."""
        return {
            "schema": {"name": NAME, "number": NUMBER},
            "limex": __version__,
            "model": self.name,
            "output": Path(self.output).name,
            "bytes": len(self.content),
            "numbers": self.numbers,
            "rows": self.n_rows,
            "tolerance": self.tolerance,
            "largest_difference": self.worst.largest,
            "largest_share": self.worst.share,
            "where": self.worst.said,
            "seconds_to_load": {"model": self.seconds[0], "onnx": self.seconds[1]},
        }


def convert_model(file: ModelFile, rows: ProofRows, output: str) -> Conversion:
    """Convert a model and ask both about the same rows.

    Raises MissingDependency without the extra, ModelError for a model that cannot be converted.
    """
    _require("skl2onnx", "onnxmltools")
    began = time.perf_counter()
    model = file.load()
    before = time.perf_counter() - began
    name = Path(file.path).name
    if not isinstance(model, Predictor) or model.thing is None:
        raise ModelError(f"{name}: is not a Python model", "it needs no conversion")
    report = report_on(file)
    kind = kind_of(model.input, report, rows.probe)
    batches = _batches(real_batch(kind, model.input, rows.probe))
    ours = [model.predict(one) for one in batches]
    made = _first_that_agrees(model, name, (batches, ours), rows, output)
    return replace(made, seconds=(before, made.seconds[1]))


def _first_that_agrees(
    model: Predictor,
    name: str,
    asked: tuple[list[Any], list[FloatArray]],
    rows: ProofRows,
    output: str,
) -> Conversion:
    """Convert with numbers of one precision, and of the other where that differs too much.

    Return what differs least, where none agrees.
    """
    batches, ours = asked
    found: list[Conversion] = []
    reasons: list[str] = []
    for numbers in precisions(model.thing):
        try:
            proto = converted(model, batches[0], numbers)
        except Exception as error:  # the libraries raise whatever they stumble over
            reasons.append(_reason(error))
            continue
        content = _noted(proto, model)
        one = _proved(content, name, output, numbers, (batches, ours), model, rows)
        if isinstance(one, str):
            reasons.append(one)
            continue
        found.append(one)
        if one.agrees:
            break
    if not found:
        raise ModelError(
            f"{name}: cannot be converted ({reasons[0]})",
            "explain the original, or replace this step by one that ONNX supports",
        )
    return min(found, key=lambda one: one.worst.share)


def _require(*packages: str) -> None:
    """Raise MissingDependency for a package that is not there; none is imported yet."""
    for one in packages:
        if find_spec(one) is None:
            raise MissingDependency(f"limex convert needs {one}", "pip install 'limex[convert]'")


def _reason(error: Exception) -> str:
    """Return a library's own words on one line."""
    words = re.sub(r"<class '([^']+)'>", r"\1", said_by(error))
    words = words.partition(" This usually means")[0].partition(" Check that")[0]
    shown = shortened(words)
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__


def _batches(real: Any) -> list[Any]:
    """Return inputs as they are, and mixtures of them such as explanations are made of."""
    random = np.random.default_rng(0)
    if isinstance(real, list):
        return [real, [_thinned(one, random) for one in real]]
    if not isinstance(real, Table):
        raise SettingsError("limex convert is for tables and texts", "explain images as they are")
    columns = tuple(random.permutation(column) for column in real.columns)
    return [Table(real.names, real.columns), Table(real.names, columns)]


def _thinned(text: str, random: np.random.Generator) -> str:
    """Leave every other word out, about."""
    words = text.split(" ")
    kept = random.random(len(words)) < 0.5
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays) or text


READ_AS = """\
[tabular]
# the original was fitted on what pandas reads
read-as = "pandas"
"""


def _noted(proto: Any, model: Predictor) -> bytes:
    """Return a graph as bytes, with the names of its classes and columns."""
    import onnx

    notes = {one.key: one.value for one in proto.metadata_props}
    who, columns = model.identity, model.input.columns
    if who.task == "classification":
        notes["limex.classes"] = json.dumps(list(who.targets))
    if columns is not None and len(proto.graph.input) == 1:
        notes["limex.features"] = json.dumps(list(columns))
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, notes)
    once = {entry.domain: entry.version for entry in proto.opset_import}
    del proto.opset_import[:]
    proto.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in once.items())
    content: bytes = proto.SerializeToString()
    return content


def _proved(
    content: bytes,
    name: str,
    output: str,
    numbers: str,
    asked: tuple[list[Any], list[FloatArray]],
    model: Predictor,
    rows: ProofRows,
) -> Conversion | str:
    """Ask the ONNX model what the other was asked; return why, where it does not answer."""
    batches, ours = asked
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(output).name
        path.write_bytes(content)
        file = ModelFile(str(path))
        began = time.perf_counter()
        try:
            twin = file.load()
            after = time.perf_counter() - began
            theirs = [twin.predict(_named(one, twin.input.columns)) for one in batches]
        except LimexError as error:
            return f"onnxruntime: {error}"
        who, made = twin.identity, twin.probabilities
        answered = ProbeResult(twin.method, twin.input, who.task, who.targets, made)
        written = sidecar(replace(report_on(file), said=file, probe=answered))
    names, others = model.identity.targets, twin.identity.targets
    if names != others and sorted(names) == sorted(others):
        theirs = [one[:, [others.index(each) for each in names]] for one in theirs]
    elif len(names) != len(others):
        return f"the graph has {len(others)} outputs, the model has {len(names)}"
    scale = 1.0 if model.probabilities else max(float(np.abs(one).max()) for one in ours)
    worst = _worst(names, ours, theirs, scale or 1.0)
    return Conversion(
        name=name,
        output=output,
        content=content,
        numbers=numbers,
        n_rows=len(ours[0]),
        worst=worst,
        tolerance=rows.tolerance,
        seconds=(0.0, after),
        sidecar=_completed(written, model, rows.probe, output),
    )


def _named(batch: Any, columns: tuple[str, ...] | None) -> Any:
    """Return a table whose columns are called as the graph calls them."""
    return Table(columns, batch.columns) if columns and isinstance(batch, Table) else batch


def _worst(
    names: tuple[str, ...], ours: list[FloatArray], theirs: list[FloatArray], scale: float
) -> WorstDifference:
    found = WorstDifference(0.0, 0.0, "")
    for part, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        gaps = np.abs(one - other)
        row, target = np.unravel_index(int(np.nanargmax(gaps)), gaps.shape)
        largest = float(gaps[row, target])
        if largest >= found.largest:
            what = f"row {row}" if part == 0 else f"a mixture of row {row}"
            said = (
                f'the model gives "{names[int(target)]}" {one[row, target]:.6g} and ONNX '
                f"{other[row, target]:.6g} for {what}"
            )
            found = WorstDifference(largest, largest / scale, said)
    return found


def _completed(text: str, model: Predictor, rows: ProbeRows, output: str) -> str:
    """Add to a sidecar how cells are read for the original model, and the table of rows as the
    background where it lies beside the new model.
    """
    if model.input.pandas:
        text = text.replace("[tabular]\n", READ_AS)
    folder, path = Path(output).resolve().parent, Path(rows.path).resolve()
    if rows.column is not None or not path.is_relative_to(folder):
        return text
    place = json.dumps(path.relative_to(folder).as_posix(), ensure_ascii=False)
    return text.replace('# background = "train.csv"', f"background = {place}")
