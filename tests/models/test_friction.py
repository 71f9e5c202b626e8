"""Ordinary models load without a flag, whatever wrote them, and answer as before."""

from __future__ import annotations

import itertools
import pickle
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from lime_cli.errors import ModelError
from lime_cli.models.pickles.loading import unpickle
from tests.models import make_allowed, test_unpickling, test_zoo

COMPRESSIONS = ["zlib", "gzip", "bz2", "xz", "lzma", *(["lz4"] if find_spec("lz4") else [])]
Writer = Callable[[Any, Path], object]
Fitted = tuple[str, Any, Any]


def pickled(protocol: int) -> Writer:
    return lambda model, path: path.write_bytes(pickle.dumps(model, protocol))


def packed(compression: str) -> Writer:
    return lambda model, path: joblib.dump(model, path, compress=(compression, 3))


WRITERS: dict[str, Writer] = {
    **{f"protocol {n}": pickled(n) for n in range(6)},
    "cloudpickle": lambda model, path: path.write_bytes(cloudpickle.dumps(model)),
    "joblib": joblib.dump,
    **{f"joblib, {name}": packed(name) for name in COMPRESSIONS},
}


def estimators(step: int = 1) -> Iterator[Fitted]:
    """Give every step-th estimator that is installed, fitted, with rows it takes."""
    random = np.random.default_rng(0)
    every = itertools.chain(make_allowed.instances(), make_allowed.strangers())
    for estimator in itertools.islice(every, 0, None, step):
        rows = make_allowed.fit(estimator, random)
        if rows is not None:
            yield repr(estimator), estimator, rows


def pipelines(step: int = 1) -> Iterator[Fitted]:
    """Give every step-th of the models that people save."""
    unpickling = test_unpickling
    for models, rows, target in (
        (unpickling.TABULAR, unpickling.TABLE, unpickling.CLASSES),
        (unpickling.TEXTUAL, unpickling.TEXTS, unpickling.WORDS),
    ):
        for name, model in list(models.items())[::step]:
            yield name, clone(model).fit(rows, target), rows
    for name, (make, rows, target) in list(test_zoo.MODELS.items())[::step]:
        library = name.split()[0]
        if library == "catboost" or (library in ("xgboost", "lightgbm") and not find_spec(library)):
            continue  # catboost's pickles are its own, and not on the list
        yield name, make().fit(rows) if target is None else make().fit(rows, target), rows


def predictions(model: BaseEstimator, rows: Any) -> Any:
    """Ask a model in its own way; the words of its error where it cannot answer."""
    names = ("predict_proba", "decision_function", "predict", "transform")
    method = next((getattr(model, name) for name in names if hasattr(model, name)), None)
    try:
        found = method(rows) if method else None
    except Exception as error:
        return type(error).__name__
    return found.toarray() if hasattr(found, "toarray") else found


def same(one: Any, other: Any) -> bool:
    """Compare answers of any kind to the last bit."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(itertools.starmap(same, zip(one, other, strict=True)))
    if np.shape(one) != np.shape(other):
        return False
    if getattr(one, "dtype", None) is not None and one.dtype.kind == "f":
        return np.array_equal(one, other, equal_nan=True)
    return bool(np.all(np.asarray(one == other)))


def troubles(fitted: Iterator[Fitted], writers: dict[str, Writer], path: Path) -> Iterator[str]:
    """Save and load each model in each way; give a line for each, empty where all is well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, rows in fitted:
            try:
                plain = pickle.loads(pickle.dumps(model))  # which may turn arrays: other last bits
            except Exception:
                continue  # cannot be pickled by anybody
            expected = predictions(plain, rows)
            is_random = not same(expected, predictions(plain, rows))
            for way, write in writers.items():
                try:
                    write(model, path)
                except Exception:
                    continue  # not in this protocol
                try:
                    loaded: Any = unpickle(path)
                except ModelError as error:
                    yield f"{name:.60}, {way}: {error}"
                    continue
                good = is_random or same(expected, predictions(loaded, rows))
                yield "" if good else f"{name:.60}, {way}: answers otherwise"


def test_a_sample_of_models_loads_from_files_of_all_kinds(tmp_path: Path) -> None:
    few = {name: WRITERS[name] for name in ("protocol 0", "protocol 2", "cloudpickle", "joblib")}
    told = list(troubles(estimators(15), few, tmp_path / "model"))
    told += troubles(pipelines(9), WRITERS, tmp_path / "model")
    assert len(told) > 100
    assert [line for line in told if line] == []


@pytest.mark.slow
def test_all_models_load_from_files_of_all_kinds(tmp_path: Path) -> None:
    told = list(troubles(estimators(), WRITERS, tmp_path / "model"))
    told += troubles(pipelines(), WRITERS, tmp_path / "model")
    bad = [line for line in told if line]
    print(f"{len(told)} files, {len(bad)} troubles", *bad, sep="\n")
    assert len(told) > 2000
    assert len(bad) <= 0.005 * len(told)


@pytest.mark.parametrize("level", [1, 9])
def test_a_file_packed_with_lz4_loads(level: int, tmp_path: Path) -> None:
    pytest.importorskip("lz4")
    name, model, rows = next(pipelines())
    path = tmp_path / "model.joblib.lz4"
    joblib.dump(model, path, compress=("lz4", level))
    assert same(predictions(unpickle(path), rows), predictions(model, rows)), name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="is cut short"):
        unpickle(path)


@pytest.mark.skipif(find_spec("lz4") is not None, reason="lz4 is installed")
def test_without_lz4_its_files_name_the_package(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(60))
    with pytest.raises(ModelError, match=r"is packed with lz4; pip install lz4"):
        unpickle(path)
