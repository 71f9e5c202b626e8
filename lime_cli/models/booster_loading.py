"""Boosted trees of XGBoost, LightGBM and CatBoost in files of their own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from lime_cli.errors import MissingDependency, ModelError, in_words
from lime_cli.models.before import behind, named_transformers
from lime_cli.models.booster_files import Unfit, check_catboost, check_lightgbm
from lime_cli.models.boosters import as_estimator
from lime_cli.models.chains import ModelInside
from lime_cli.models.content import Content
from lime_cli.models.model_file import ModelFile, columns_beside
from lime_cli.models.predictor import Origin, Predictor, looked_at, quiet
from lime_cli.models.sklearn import way_of
from lime_cli.models.xgboost_trees import check_xgboost


def load_xgboost(file: ModelFile, content: Content) -> Predictor:
    """Load a .json, .ubj or binary file; raise MissingDependency without XGBoost."""
    xgboost = _library("xgboost", file)

    def read() -> Any:
        check_xgboost(content.read())
        booster = xgboost.Booster()
        booster.load_model(bytearray(content.read()))
        return booster

    return _loaded("xgboost", file, content, read)


def load_lightgbm(file: ModelFile, content: Content) -> Predictor:
    """Load a text file; raise MissingDependency without LightGBM."""
    lightgbm = _library("lightgbm", file)

    def read() -> Any:
        text = content.read().decode("utf-8", "surrogateescape")
        check_lightgbm(text)
        return lightgbm.Booster(model_str=text)

    return _loaded("lightgbm", file, content, read)


def load_catboost(file: ModelFile, content: Content) -> Predictor:
    """Load a .cbm file; raise MissingDependency without CatBoost."""
    catboost = _library("catboost", file)

    def read() -> Any:
        blob = content.read()
        check_catboost(blob)
        booster = catboost.CatBoost().load_model(blob=blob, format="cbm")
        kind = catboost.CatBoostClassifier if len(booster.classes_) else catboost.CatBoostRegressor
        return kind().load_model(blob=blob, format="cbm")

    return _loaded("catboost", file, content, read)


def _library(package: str, file: ModelFile) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise MissingDependency(
            f"{Path(file.path).name}: {package} is not installed", f"pip install 'limex[{package}]'"
        ) from None


AGAIN = "save it again, by the model's own save_model"


def _loaded(kind: str, file: ModelFile, content: Content, read: Callable[[], Any]) -> Predictor:
    path = Path(file.path)
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            booster = as_estimator(read())
    except ModelError:
        raise
    except Unfit as error:
        raise ModelError(f"{path.name}: is damaged: {error}", AGAIN) from None
    except Exception as error:  # each library raises a type of its own
        words = in_words(error)
        raise ModelError(f"{path.name}: {kind} cannot load it ({words})", AGAIN) from None
    parts, said = named_transformers(file)
    columns = columns_beside(file.path)
    with looked_at(path.name), quiet():
        if parts:
            applied = behind(ModelInside(booster, said, columns), parts, file, path.name)
            (booster, said, columns), classes = applied
            file = file._replace(classes=file.classes or classes)
        origin = Origin(kind, content.digest_in_thread(), path.name, said)
        return Predictor(file, way_of(booster, file, origin, columns))
