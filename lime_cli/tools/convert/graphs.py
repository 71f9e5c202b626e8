"""The ONNX form of a model, made by skl2onnx, onnxmltools or the model's own library."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.models.predictor import Predictor, quiet
from lime_cli.models.sklearn import final
from lime_cli.tabular.row import Table
from lime_cli.tools.convert.operators import register_steps
from lime_cli.tools.convert.targets import apart, put_back

OPSET = {"": 17, "ai.onnx.ml": 3}
"""Versions of the operators that are written, which onnxruntime 1.17 knows."""


def precisions(thing: Any) -> tuple[str, ...]:
    """Return what to try first: double precision where trees split what earlier steps computed,
    since a last digit then decides between branches, which the rows of a proof need not show.
    """
    thing, _ = apart(thing)
    ending = final(thing)
    computed = ending is not thing and _has_trees(ending)
    return ("double", "float") if computed else ("float", "double")


def converted(model: Predictor, batch: Any, numbers: str) -> Any:
    """Return the ONNX form of a model, whose inputs are called as its columns are; raise what the
    libraries raise.

    ``numbers`` is the precision of the graph's inputs, ``float`` or ``double``.
    """
    wrapped = type(model.thing).__module__.startswith("lime_cli.")
    held = model.thing.booster if wrapped else model.thing
    library = type(held).__module__.partition(".")[0]
    with warnings.catch_warnings(), quiet(), _whole_attributes():
        warnings.simplefilter("ignore")
        proto = CONVERTERS.get(library, _of_sklearn)(held, batch, numbers)
    if isinstance(batch, Table) and len(proto.graph.input) > 1:
        _rename_inputs(proto.graph, batch.names)
    return proto


@contextmanager
def _whole_attributes() -> Iterator[None]:
    """Write truth values in lists of whole numbers as such: skl2onnx's histogram trees hold some,
    which protobuf takes no more.
    """
    from onnx import helper

    made = helper.make_attribute

    def make(key: str, value: Any, *others: Any, **more: Any) -> Any:
        listed = isinstance(value, (list, tuple, np.ndarray))
        if listed and any(isinstance(one, (bool, np.bool_)) for one in value):
            value = [int(one) for one in value]
        return made(key, value, *others, **more)

    helper.make_attribute = make
    try:
        yield
    finally:
        helper.make_attribute = made


def _of_sklearn(thing: Any, batch: Any, numbers: str) -> Any:
    register_steps()
    thing, back = apart(_adapted(thing))
    if back is not None:
        inner = _of_sklearn(thing, batch, numbers)
        put_back(inner.graph, back)
        return inner
    if numbers == "double":
        thing = _with_rounded_trees(thing)
    options: dict[int, dict[str, Any]] = {}
    ending = final(thing)
    for step in _steps(thing):
        if hasattr(step, "token_pattern") and getattr(step, "analyzer", "") == "word":
            pattern = step.token_pattern.replace("(?u)", "")
            options[id(step)] = {"tokenexp": WORD_PATTERNS.get(pattern, pattern)}
    inputs = _inputs(thing, batch, numbers)
    margins = {} if hasattr(ending, "predict_proba") else {"raw_scores": True}
    for output in ({"zipmap": False, **margins}, margins):
        if not hasattr(ending, "classes_"):
            break
        try:  # not every classifier has both options
            chosen = {**options, id(ending): output}
            return _made(thing, inputs, chosen)
        except NameError:
            continue
    return _made(thing, inputs, options)


def _made(thing: Any, inputs: list[tuple[str, Any]], options: dict[int, dict[str, Any]]) -> Any:
    from skl2onnx import to_onnx

    proto = to_onnx(thing, initial_types=inputs, options=options, target_opset=OPSET)
    _send_gaps(final(thing), proto.graph)
    return proto


def _adapted(thing: Any) -> Any:
    """Return a copy that predicts the same, in forms that can be converted: imputers of words fill
    empty ones, which is what a graph is given for a gap, and bins are dense.
    """
    thing = deepcopy(thing)
    for step in _steps(thing):
        dtype = getattr(getattr(step, "statistics_", None), "dtype", None)
        if dtype is not None and dtype.kind == "O" and step.missing_values != step.missing_values:
            step.missing_values = ""
        if getattr(step, "encode", None) == "onehot":
            step.encode = "onehot-dense"
        if hasattr(step, "flatten_transform"):  # of a vote, which then is no transformer
            step.flatten_transform = False
    return thing


def _send_gaps(ending: Any, graph: Any) -> None:
    """Send missing values down the branches of scikit-learn's trees: skl2onnx sends all right."""
    trees: list[Any] = [getattr(one, "tree_", None) for one in _parts(ending) or [ending]]
    nodes = [node for node in graph.node if node.op_type.startswith("TreeEnsemble")]
    if len(nodes) != 1 or not all(hasattr(one, "missing_go_to_left") for one in trees):
        return
    left = np.concatenate([one.missing_go_to_left for one in trees]).astype(int).tolist()
    for attribute in nodes[0].attribute:
        if attribute.name == "nodes_missing_value_tracks_true":
            attribute.ints[:] = left


WORD_PATTERNS = {r"\b\w\w+\b": r"[a-zA-Z0-9_][a-zA-Z0-9_]+", r"\b\w+\b": r"[a-zA-Z0-9_]+"}
"""Patterns of words in the syntax of regular expressions that onnxruntime has."""


def _steps(thing: Any) -> Iterator[Any]:
    """Yield a model and the parts of searches, pipelines, unions and column transformers in it."""
    yield thing
    if hasattr(thing, "best_estimator_"):
        yield from _steps(thing.best_estimator_)
    for name in ("steps", "transformer_list", "transformers_"):
        for part in getattr(thing, name, None) or ():
            yield from _steps(part[1])


def _inputs(thing: Any, batch: Any, numbers: str) -> list[tuple[str, Any]]:
    """Name and type the graph's inputs: one for all numbers, or one a column."""
    from skl2onnx.common import data_types

    number = data_types.FloatTensorType if numbers == "float" else data_types.DoubleTensorType
    if isinstance(batch, list):
        return [("text", data_types.StringTensorType([None, 1]))]
    by_name = any(hasattr(one, "transformers_") for one in _steps(thing))
    words = [column.dtype == object and _worded(column) for column in batch.columns]
    if not by_name and not any(words):
        return [("features", number([None, len(batch.names)]))]
    return [
        (name, data_types.StringTensorType([None, 1]) if worded else number([None, 1]))
        for name, worded in zip(batch.names, words, strict=True)
    ]


def _worded(column: Any) -> bool:
    return any(isinstance(one, str) for one in column.tolist())


def _has_trees(estimator: Any) -> bool:
    """Whether an estimator is a tree or asks trees, which round what they are given to single
    precision.
    """
    if type(estimator).__module__.partition(".")[0] in ("xgboost", "lightgbm"):
        return True
    if hasattr(estimator, "tree_") or hasattr(estimator, "_predictors"):
        return True
    return any(_has_trees(one) for one in _parts(estimator))


def _parts(estimator: Any) -> list[Any]:
    """Return the estimators that one estimator asks."""
    parts = getattr(estimator, "estimators_", None)
    if parts is None:
        return [one.estimator for one in getattr(estimator, "calibrated_classifiers_", ())]
    return parts.ravel().tolist() if isinstance(parts, np.ndarray) else list(parts)


def _with_rounded_trees(thing: Any) -> Any:
    """Return a model whose trees, where it ends in them, are given numbers of single precision."""
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    ending = final(thing)
    if not _has_trees(ending):
        return thing
    for step in _steps(thing):
        if isinstance(step, Pipeline) and step.steps[-1][1] is ending:
            step.steps.insert(-1, ("rounded", CastTransformer()))
            return thing
    return Pipeline([("rounded", CastTransformer()), ("trees", thing)])


def _of_booster(library: str, thing: Any, batch: Any, numbers: str) -> Any:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    if numbers != "float":
        raise ValueError("the library's trees are of single precision")
    width = FloatTensorType([None, len(batch.names)])
    if library == "xgboost":
        thing = deepcopy(thing)
        booster = thing.get_booster() if hasattr(thing, "get_booster") else thing
        if "c" in (booster.feature_types or ()):
            raise ValueError("ONNX has no trees that split by categories")
        booster.feature_names = None
        return onnxmltools.convert_xgboost(
            thing, initial_types=[("features", width)], target_opset=15
        )
    return onnxmltools.convert_lightgbm(
        thing, initial_types=[("features", width)], zipmap=False, target_opset=15
    )


def _of_catboost(thing: Any, batch: Any, numbers: str) -> Any:
    """Let CatBoost write its own ONNX form."""
    import onnx

    if numbers != "float":
        raise ValueError("the library's trees are of single precision")
    handle, path = tempfile.mkstemp(suffix=".onnx")
    os.close(handle)
    try:
        thing.save_model(path, format="onnx")
        return onnx.load(path)
    finally:
        Path(path).unlink()


CONVERTERS: dict[str, Callable[[Any, Any, str], Any]] = {
    "xgboost": partial(_of_booster, "xgboost"),
    "lightgbm": partial(_of_booster, "lightgbm"),
    "catboost": _of_catboost,
}
"""By library; scikit-learn's for all others."""


def _rename_inputs(graph: Any, columns: tuple[str, ...]) -> None:
    """Call the inputs of a graph as the columns are called, whose blanks and marks were replaced.

    A name that a result of the graph has already stays as it is.
    """
    taken = {name for node in graph.node for name in node.output}
    called = {re.sub(r"\W", "_", one): one for one in columns}
    own = {one.name: called.get(one.name, one.name) for one in graph.input}
    own = {before: after for before, after in own.items() if after not in taken}
    for one in graph.input:
        one.name = own.get(one.name, one.name)
    for node in graph.node:
        node.input[:] = [own.get(name, name) for name in node.input]
