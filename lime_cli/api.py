"""The Python interface: the same explanations as the command line's, one after the other.

Nothing is printed; what cannot be explained comes back as ``Failed`` in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lime_cli.formats import Look
from lime_cli.modality import Modality
from lime_cli.models.folders import located
from lime_cli.models.model_file import ModelFile
from lime_cli.registry import MODALITIES
from lime_cli.running.batch import Run, in_memory
from lime_cli.running.executor import Workers
from lime_cli.running.job import Explained, Failed, Job
from lime_cli.settings import Settings

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel


Model = str | ModelFile


def load_model(model: Model) -> LoadedModel:
    """Load a model; raise ModelError for a file that is none or may not be loaded."""
    return _file(model).load()


def explain_tabular(
    model: Model,
    path: str,
    rows: str | None = None,
    background: str | None = None,
    settings: Settings | None = None,
    *,
    workers: Workers | None = None,
) -> Iterator[Explained | Failed]:
    """Explain rows of a table, all of them or ``"3,10-20"``, counted from 0.

    For more choices make a ``modalities.tabular.TabularModality`` and call ``explain``.
    """
    modality = MODALITIES["tabular"](path=path, rows=rows, background=background)
    return explain(model, modality, settings, workers=workers)


def explain_text(
    model: Model,
    *paths: str,
    text: str | None = None,
    settings: Settings | None = None,
    workers: Workers | None = None,
) -> Iterator[Explained | Failed]:
    """Explain text files, folders of them, or a text given as ``text``."""
    modality = MODALITIES["text"](inputs=paths, text=text)
    return explain(model, modality, settings, workers=workers)


def explain_image(
    model: Model,
    *paths: str,
    settings: Settings | None = None,
    workers: Workers | None = None,
) -> Iterator[Explained | Failed]:
    """Explain image files, and folders of them."""
    return explain(model, MODALITIES["image"](inputs=paths), settings, workers=workers)


def explain(
    model: Model,
    modality: Modality,
    settings: Settings | None = None,
    *,
    workers: Workers | None = None,
) -> Iterator[Explained | Failed]:
    """Explain what a modality finds, in order, reading as it goes.

    Without settings sampling goes on until the weights are converged, as on the command line. With
    ``workers`` models stay out of this process; explanations then come without images. Raises
    ModelError and SettingsError, which concern every instance.
    """
    settings = settings or Settings(
        samples=modality.default_samples, max_samples=modality.max_samples
    )
    file = _file(model)
    file = file._replace(threads=file.threads or 1) if workers else file
    job = Job(file, modality, settings, ())
    return in_memory(Run(job, modality.sources, workers or Workers(), Look(), keeps=not workers))


def _file(model: Model) -> ModelFile:
    file = ModelFile(model) if isinstance(model, str) else model
    return file._replace(path=located(file.path))
