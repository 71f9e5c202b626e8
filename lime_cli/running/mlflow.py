"""``--log mlflow``: the weights, the page and the figures of a result in a run of MLflow."""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lime_cli.errors import LimexError, MissingDependency, OutputError, last_line
from lime_cli.formats import Look
from lime_cli.registry import FORMATS
from lime_cli.version import __version__

if TYPE_CHECKING:
    from lime_cli.engine.explanation import Explanation


Explanations = Callable[[], "Iterator[Explanation]"]

FOLDER = "limex"
"""Of the artifacts of a run."""

FIGURES = 20
"""Figures of a run, at most; a page shows all explanations."""


def ready() -> Callable[[Explanations, Path | None], str]:
    """Return what logs; raise MissingDependency, before anything is explained, without MLflow."""
    if find_spec("mlflow") is None:
        raise MissingDependency("--log mlflow: needs mlflow", "pip install 'limex[mlflow]'")
    return log


def log(explanations: Explanations, folder: Path | None) -> str:
    """Write a result to the run that the environment names, else to a new one; return its place.

    ``explanations`` begins anew with each call; a batch's ``folder`` is written as it is. Raises
    OutputError for what the tracking server refuses.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix=".limex-") as made, _quiet():
        files = Path(made)
        _write(explanations, files, folder)
        try:
            with mlflow.start_run() as run:
                mlflow.set_tags(_tags(explanations()))
                mlflow.log_metrics(_metrics(explanations()))
                mlflow.log_artifacts(made, FOLDER)
                for one in _files_of(folder):
                    mlflow.log_artifact(str(one), FOLDER)
        except Exception as error:  # of MLflow, of the network, of the store
            raise OutputError(
                f"--log mlflow: {last_line(error)}", "check MLFLOW_TRACKING_URI"
            ) from None
    return f"run {run.info.run_id} of experiment {run.info.experiment_id}"


KINDS = {"csv": "weights.csv", "jsonl": "explanations.jsonl", "html": "explanations.html"}
"""Formats, and the files that hold all explanations."""


def _write(explanations: Explanations, files: Path, batch: Path | None) -> None:
    """Write what a batch's folder does not hold already; all, where there is no folder."""
    look = Look()
    for name in ("csv",) if batch is not None else tuple(KINDS):
        with (files / KINDS[name]).open("wb") as stream:
            FORMATS[name](explanations(), stream, look)
    figures = files / "figures"
    figures.mkdir()
    for number, one in enumerate(islice(explanations(), FIGURES)):
        drawn = io.BytesIO()
        try:
            FORMATS["png"]([one], drawn, look)
        except LimexError:  # no matplotlib, or no image beside the record
            continue
        (figures / f"{number:05d}.png").write_bytes(drawn.getvalue())


def _files_of(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(one for one in folder.iterdir() if one.is_file() and one.name[0] != ".")


def _tags(explanations: Iterator[Explanation]) -> dict[str, Any]:
    first = next(explanations, None)
    tags = {"limex.version": __version__}
    if first is not None:
        tags |= {
            "limex.modality": first.subject.modality,
            "limex.model_format": first.model.format,
            "limex.model_digest": first.model.digest or "",
            "limex.seed": str(first.settings.seed),
        }
    return tags


def _metrics(explanations: Iterator[Explanation]) -> dict[str, float]:
    """Return how many instances there are, how faithful the weights, and of one its prediction."""
    fidelities: list[float] = []
    gaps: list[float] = []
    predictions: list[float] = []
    n = 0
    for one in explanations:
        n += 1
        fidelities += [each.fidelity for each in one.surrogates if each.fidelity is not None]
        gaps += [abs(each.gap) for each in one.surrogates]
        predictions = [each.model_prediction for each in one.surrogates]
    found = {"limex.instances": float(n)}
    if fidelities:
        found["limex.fidelity_mean"] = statistics.fmean(fidelities)
        found["limex.fidelity_min"] = min(fidelities)
    if gaps:
        found["limex.gap_max"] = max(gaps)
    if n == 1 and len(predictions) == 1:
        found["limex.prediction"] = predictions[0]
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what MLflow prints from standard output, which holds results alone."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
