"""Regressions of a transformed target: what takes predictions back, as operators of ONNX.

scikit-learn fits ``TransformedTargetRegressor`` to the logarithm of a price, say, and answers in
prices. The graph is that of the regressor inside, and after it computes in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np

from lime_cli.models.sklearn import final
from lime_cli.tools.convert.operators import FUNCTIONS

Inverse = Callable[["_Graph", str, Any], str]
"""From the name of a result, and the fitted transformer, to the name of what it was before."""


def apart(thing: Any) -> tuple[Any, Any]:
    """Return a model without the transformer of its target, and that; None where there is none."""
    ending = final(thing)
    if type(ending).__name__ != "TransformedTargetRegressor":
        return thing, None
    return _with_last(thing, ending.regressor_), ending.transformer_


def _with_last(thing: Any, last: Any) -> Any:
    """Return a model that ends in another estimator; the best of a search for the search."""
    from sklearn.pipeline import Pipeline

    if hasattr(thing, "best_estimator_"):
        return _with_last(thing.best_estimator_, last)
    if not hasattr(thing, "steps"):
        return last
    name, ending = thing.steps[-1]
    return Pipeline([*thing.steps[:-1], (name, _with_last(ending, last))])


def put_back(graph: Any, transformer: Any) -> None:
    """Let the only output of a graph, or its first, be what the target was before."""
    from onnx import TensorProto

    output = graph.output[0]
    kind = output.type.tensor_type.elem_type
    inner = f"{output.name}_transformed"
    for node in graph.node:
        node.output[:] = [inner if name == output.name else name for name in node.output]
    steps = _Graph(graph, inner)
    result = _inverse_of(transformer)(
        steps, steps.add("Cast", inner, to=TensorProto.DOUBLE), transformer
    )
    steps.add("Cast", result, to=kind, called=output.name)


class _Graph:
    """Adds operators on numbers of double precision at the end of a graph."""

    def __init__(self, graph: Any, prefix: str) -> None:
        self._graph = graph
        self._names: Iterator[str] = (f"{prefix}_{i}" for i in count())

    def add(self, operator: str, *given: Any, called: str = "", **more: Any) -> str:
        """Add an operator on results, by name, and constants; return the name of its result."""
        from onnx import helper

        names = [one if isinstance(one, str) else self._constant(one) for one in given]
        name = called or next(self._names)
        self._graph.node.append(helper.make_node(operator, names, [name], name=name, **more))
        return name

    def _constant(self, values: Any) -> str:
        from onnx import numpy_helper

        values = np.asarray(values)
        values = values if values.dtype == np.int64 else values.astype(np.float64)
        name = next(self._names)
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def _of_function(graph: _Graph, y: str, step: Any) -> str:
    inverse = step.inverse_func
    if inverse is None:
        return y
    known = FUNCTIONS.get(inverse.__name__) if isinstance(inverse, np.ufunc) else None
    if known is None or step.inv_kw_args:
        raise NotImplementedError(f"the inverse function {inverse!r} of a target")
    for operator, second in known:
        y = graph.add(operator, y, *([] if second is None else [second]))
    return y


def _of_scaler(graph: _Graph, y: str, step: Any) -> str:
    """Undo (y - middle) / scale."""
    scale = getattr(step, "scale_", None)
    middle = getattr(step, "mean_", None)
    middle = getattr(step, "center_", None) if middle is None else middle
    y = y if scale is None else graph.add("Mul", y, scale)
    return y if middle is None else graph.add("Add", y, middle)


def _of_range(graph: _Graph, y: str, step: Any) -> str:
    """Undo y * scale + least."""
    return graph.add("Div", graph.add("Sub", y, step.min_), step.scale_)


def _of_power(graph: _Graph, y: str, step: Any) -> str:
    if step.standardize:
        y = _of_scaler(graph, y, step._scaler)
    exponents = np.asarray(step.lambdas_, np.float64)
    if len(exponents) != 1:
        raise NotImplementedError("PowerTransformer of several targets")
    exponent = float(exponents[0])
    if step.method == "box-cox":
        return _power(graph, y, exponent)
    above = graph.add("Sub", _power(graph, y, exponent), 1.0)
    below = graph.add("Sub", 1.0, _power(graph, graph.add("Neg", y), 2.0 - exponent))
    return graph.add("Where", graph.add("Less", y, 0.0), below, above)


def _power(graph: _Graph, y: str, exponent: float) -> str:
    """Undo (x^exponent - 1) / exponent, or the logarithm of x."""
    if abs(exponent) < np.spacing(1.0):
        return graph.add("Exp", y)
    return graph.add("Pow", graph.add("Add", graph.add("Mul", y, exponent), 1.0), 1.0 / exponent)


def _of_quantiles(graph: _Graph, y: str, step: Any) -> str:
    """Find the quantile between two that are known."""
    from onnx import TensorProto

    if step.quantiles_.shape[1] != 1:
        raise NotImplementedError("QuantileTransformer of several targets")
    quantiles = step.quantiles_[:, 0]
    last = len(quantiles) - 1
    if step.output_distribution == "normal":  # which has single precision alone
        root = graph.add("Cast", graph.add("Div", y, np.sqrt(2.0)), to=TensorProto.FLOAT)
        error = graph.add("Cast", graph.add("Erf", root), to=TensorProto.DOUBLE)
        y = graph.add("Mul", graph.add("Add", error, 1.0), 0.5)
    place = graph.add("Min", graph.add("Max", graph.add("Mul", y, float(last)), 0.0), float(last))
    before = graph.add("Floor", place)
    low = graph.add("Cast", before, to=TensorProto.INT64)
    high = graph.add("Min", graph.add("Add", low, np.int64(1)), np.int64(last))
    start, end = (graph.add("Gather", quantiles, one) for one in (low, high))
    share = graph.add("Sub", place, before)
    return graph.add("Add", start, graph.add("Mul", share, graph.add("Sub", end, start)))


def _of_steps(graph: _Graph, y: str, pipeline: Any) -> str:
    for _, step in reversed(pipeline.steps):
        y = _inverse_of(step)(graph, y, step)
    return y


def _inverse_of(step: Any) -> Inverse:
    kind = type(step).__name__
    known = type(step).__module__.startswith("sklearn.")
    if not known or kind not in INVERSES:
        raise NotImplementedError(f"{kind} of a target")
    return INVERSES[kind]


INVERSES: dict[str, Inverse] = {
    "FunctionTransformer": _of_function,
    "MaxAbsScaler": _of_scaler,
    "MinMaxScaler": _of_range,
    "Pipeline": _of_steps,
    "PowerTransformer": _of_power,
    "QuantileTransformer": _of_quantiles,
    "RobustScaler": _of_scaler,
    "StandardScaler": _of_scaler,
}
"""By the class of the transformer."""
