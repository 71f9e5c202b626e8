"""Pickled and joblib models: loaded by the allow-list, asked the scikit-learn way."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lime_cli.engine.model import Caveat
from lime_cli.models import ModelFile
from lime_cli.models.aside import digest_aside
from lime_cli.models.boosters import as_estimator
from lime_cli.models.containers import check_fitted, opened
from lime_cli.models.estimators import way_of
from lime_cli.models.predictor import Origin, Predictor, quiet
from lime_cli.models.unpickling import Trust, unpickle


def load(file: ModelFile) -> Predictor:
    """Load the file; raise UntrustedModel for what is not on the list, ModelError for no model."""
    path = Path(file.path)
    with warnings.catch_warnings(record=True) as heard, quiet():
        warnings.simplefilter("always")
        held = unpickle(path, Trust(file.trust, file.trust_modules))
    return predictor_of(held, file, "pickle", heard)


def predictor_of(
    held: Any, file: ModelFile, kind: str, heard: list[warnings.WarningMessage]
) -> Predictor:
    """Wrap the model in what a file holds; ``heard`` are the warnings of loading it.

    Raises ModelError for what is no fitted model.
    """
    path = Path(file.path)
    model = opened(held, file.key, path.name)
    check_fitted(model, path.name)
    caveats = tuple(_version_gap(path.name, heard))
    origin = Origin(kind, digest_aside(path), path.name, caveats)
    return Predictor(file, way_of(as_estimator(model), file, origin))


def _version_gap(name: str, heard: list[warnings.WarningMessage]) -> Iterator[Caveat]:
    for one in heard:
        if type(one.message).__name__ == "InconsistentVersionWarning":
            saved = getattr(one.message, "original_sklearn_version", "another version")
            running = getattr(one.message, "current_sklearn_version", "this one")
            yield Caveat(
                "version_gap", f"{name} was saved by scikit-learn {saved}, running {running}"
            )
            return
