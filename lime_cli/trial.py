"""Trials: a model loaded and asked about a few rows, alone or beside another one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lime_cli.engine.instance import FloatArray, join
from lime_cli.errors import InputError, ModelError, PredictionError, SettingsError
from lime_cli.modalities import MODALITIES
from lime_cli.modalities.readers import SUFFIXES, read_cells, suffix_of
from lime_cli.modalities.tables import Table
from lime_cli.models import ModelFile, ModelInput
from lime_cli.models.report import Check, Probe, Report

if TYPE_CHECKING:
    from lime_cli.models import LoadedModel

TEXTS = (".txt", ".md", ".text")
UNFIT = "made-up rows do not fit the model"


@dataclass(frozen=True)
class Rows:
    """Real inputs to ask a model about: the first rows of a file."""

    path: str
    n: int
    column: str | None = None
    """Of a table, the column of texts."""


def probe(file: ModelFile, report: Report, rows: Rows | None) -> Probe:
    """Load a model and ask it about two rows, real or made up.

    Raises ModelError where it cannot be loaded or does not answer to real rows, and what reading
    them raises.
    """
    model = file.load()
    asked = str(getattr(model, "asked", "predict"))
    caveats = tuple(f"{one.code}: {one.message}" for one in model.caveats)
    for batch in _batches(model, report, rows):
        try:
            model.predict(batch)
        except PredictionError:
            if rows is not None:
                raise
            continue
        who = model.identity
        return Probe(asked, model.input, who.task, who.targets, model.probabilities, caveats)
    return Probe(asked, model.input, caveats=caveats, failure=UNFIT)


def check(file: ModelFile, other: ModelFile, report: Report, rows: Rows, tolerance: float) -> Check:
    """Ask two models about the same rows; raise ModelError where their outputs do not match."""
    first, second = file.load(), other.load()
    kind = _kind(first.input, report, rows)
    wanted = second.input
    if wanted.columns is None and first.input.columns is not None:
        wanted = wanted._replace(columns=first.input.columns)
    ours, theirs = (
        model.predict(_real(kind, one, rows))
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


def _kind(known: ModelInput, report: Report, rows: Rows | None) -> str | None:
    """Tell what the model takes: as it says, as its parts say, else as the file of rows looks."""
    if known.kind or report.kind:
        return known.kind or report.kind
    if known.columns or known.n_columns:
        return "table"
    if rows is None:
        return None
    suffix = suffix_of(rows.path)
    if rows.column or suffix in TEXTS:
        return "text"
    return "table" if suffix in SUFFIXES else "picture"


def _batches(model: LoadedModel, report: Report, rows: Rows | None) -> Iterator[Any]:
    """Yield what the model may be asked, the likeliest first."""
    kind, known = _kind(model.input, report, rows), model.input
    if rows is not None:
        yield _real(kind, known, replace(rows, n=2))
        return
    if kind in ("text", None):
        yield ["a good day", "a bad day"]
    elif kind == "picture":
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


def _real(kind: str | None, known: ModelInput, rows: Rows) -> Any:
    """Read the first rows of a file as the model wants them."""
    if kind == "text":
        return _texts(rows)
    if kind == "picture":
        modality = MODALITIES["image"](inputs=(rows.path,))
    else:
        n = min(rows.n, len(read_cells(rows.path, most=rows.n).rows))
        modality = MODALITIES["tabular"](rows.path, rows=f"0-{n - 1}", background=rows.path)
    fitted = modality.fitted(known)
    sources = islice(fitted.sources(), rows.n)
    return join([fitted.read(source).original() for source in sources])


def _texts(rows: Rows) -> list[str]:
    """Read texts: the cells of a column, or the lines of a text file that hold any."""
    path = Path(rows.path)
    if rows.column is None and suffix_of(rows.path) not in SUFFIXES:
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
