"""Steps of scikit-learn's pipelines as ONNX operators, where skl2onnx has none or none so exact.

Every function has the arguments of skl2onnx's own converters: (scope, operator, container).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

Convert = Callable[[Any, Any, Any], None]


class OnnxStep(NamedTuple):
    """How one class of estimators is converted."""

    estimator: type
    shapes: Callable[[Any], None]
    """Gives the operator's outputs their types."""
    convert: Convert
    options: dict[str, list[Any]] = {}  # noqa: RUF012 (never written)


def register_steps() -> None:
    """Tell skl2onnx of the steps below, and of boosters that are installed."""
    from skl2onnx import update_registered_converter

    for one in (*_own_steps(), *_boosters()):
        more = {"options": one.options} if one.options else {}
        name = f"Limex{one.estimator.__name__}"
        update_registered_converter(one.estimator, name, one.shapes, one.convert, **more)


def _own_steps() -> list[OnnxStep]:
    from sklearn.impute import KNNImputer, SimpleImputer
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

    return [
        OnnxStep(SimpleImputer, _imputer_shapes, _impute),
        OnnxStep(KNNImputer, _neighbour_shapes, _impute_by_neighbours),
        OnnxStep(OneHotEncoder, _hot_shapes, _encode_hot),
        OnnxStep(FunctionTransformer, _function_shapes, _apply_function),
    ]


def _boosters() -> list[OnnxStep]:
    shapes = import_module("skl2onnx.common.shape_calculator")
    kinds = {
        "Classifier": shapes.calculate_linear_classifier_output_shapes,
        "Regressor": shapes.calculate_linear_regressor_output_shapes,
    }
    options: dict[str, list[Any]] = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    found = []
    for library, prefix, file in (("xgboost", "XGB", "XGBoost"), ("lightgbm", "LGBM", "LightGbm")):
        try:
            module = import_module(library)
        except ImportError:
            continue
        place = f"onnxmltools.convert.{library}.operator_converters.{file}"
        convert = getattr(import_module(place), f"convert_{library}")
        for kind, shape in kinds.items():
            chosen: dict[str, list[Any]] = options if kind == "Classifier" else {}
            found.append(OnnxStep(getattr(module, prefix + kind), shape, convert, chosen))
    return found


def _add(container: Any, scope: Any, operator: str, given: list[str], **more: Any) -> str:
    """Add a node, and return the name of its result."""
    name: str = scope.get_unique_variable_name(operator.lower())
    container.add_node(operator, given, name, name=scope.get_unique_operator_name(operator), **more)
    return name


def _hand_over(container: Any, scope: Any, result: str, operator: Any) -> None:
    name = scope.get_unique_operator_name("Identity")
    container.add_node("Identity", result, operator.outputs[0].full_name, name=name)


def _number_type(operator: Any) -> tuple[int, type]:
    """Return the ONNX and the NumPy type of an operator's numbers."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType

    double = isinstance(operator.inputs[0].type, DoubleTensorType)
    return (TensorProto.DOUBLE, np.float64) if double else (TensorProto.FLOAT, np.float32)


def _constant(container: Any, scope: Any, values: Any, kind: int) -> str:
    values = np.asarray(values)
    name: str = scope.get_unique_variable_name("constant")
    container.add_initializer(name, kind, list(values.shape), values.ravel().tolist())
    return name


def _fills_numbers(operator: Any) -> bool:
    """Whether an imputer fills gaps among numbers, and keeps every column."""
    from skl2onnx.common.data_types import StringTensorType

    step = operator.raw_operator
    worded = any(isinstance(one.type, StringTensorType) for one in operator.inputs)
    if worded or step.missing_values == step.missing_values:
        return False
    return not np.isnan(np.asarray(step.statistics_, np.float64)).any()


def _imputer_shapes(operator: Any) -> None:
    from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes

    calculate_sklearn_imputer_output_shapes(operator)
    indicator = operator.raw_operator.indicator_
    if indicator is not None:
        operator.outputs[0].type.shape[1] += len(indicator.features_)


def _impute(scope: Any, operator: Any, container: Any) -> None:
    """Fill gaps with numbers of the graph's own precision, and mark them where the step does:
    ONNX's imputer has single precision alone.
    """
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer

    step = operator.raw_operator
    if not _fills_numbers(operator):
        if step.indicator_ is not None:
            raise NotImplementedError("SimpleImputer(add_indicator=True) for words")
        convert_sklearn_imputer(scope, operator, container)
        return
    add, (kind, number) = partial(_add, container, scope), _number_type(operator)
    given = concatenate_variables(scope, operator.inputs, container)
    gaps = add("IsNaN", [given])
    filling = _constant(container, scope, np.asarray(step.statistics_, number)[None], kind)
    result = add("Where", [gaps, filling, given])
    _hand_over(container, scope, _marked(container, scope, operator, gaps, result), operator)


def _marked(container: Any, scope: Any, operator: Any, gaps: str, result: str) -> str:
    """Add columns that mark ``gaps`` to what is filled, where an imputer does."""
    from onnx import TensorProto

    indicator = operator.raw_operator.indicator_
    if indicator is None:
        return result
    add, (kind, _) = partial(_add, container, scope), _number_type(operator)
    chosen = _constant(container, scope, indicator.features_, TensorProto.INT64)
    marks = add("Gather", [add("Cast", [gaps], to=kind), chosen], axis=1)
    return add("Concat", [result, marks], axis=1)


def _neighbour_shapes(operator: Any) -> None:
    step, kind = operator.raw_operator, type(operator.inputs[0].type)
    marks = 0 if step.indicator_ is None else len(step.indicator_.features_)
    operator.outputs[0].type = kind([None, step._fit_X.shape[1] + marks])


FAR = 1e300
"""Squared distance of two rows that have no column in common."""


def _impute_by_neighbours(scope: Any, operator: Any, container: Any) -> None:
    """Fill each gap with the mean over the nearest rows that have a value there, in double
    precision; the library's form needs operators of its own, and does not weigh.
    """
    from onnx import TensorProto
    from skl2onnx.operator_converters.common import concatenate_variables

    step, double = operator.raw_operator, TensorProto.DOUBLE
    rows, lacks = np.asarray(step._fit_X, np.float64), np.asarray(step._mask_fit_X)
    own = step.weights in ("uniform", "distance") and step.metric == "nan_euclidean"
    if not own or step.missing_values == step.missing_values or lacks.all(axis=0).any():
        raise NotImplementedError(
            "KNNImputer with a metric, weights or gaps of its own, or an empty column"
        )
    add = partial(_add, container, scope)

    def constant(values: Any, kind: int = double) -> str:
        return _constant(container, scope, values, kind)

    def total(values: str) -> str:
        return add("ReduceSum", [values, constant([1], TensorProto.INT64)], keepdims=1)

    given = add("Cast", [concatenate_variables(scope, operator.inputs, container)], to=double)
    gaps = add("IsNaN", [given])
    x = add("Where", [gaps, constant([0.0]), given])
    there = add("Cast", [add("Not", [gaps])], to=double)
    filled, held = np.where(lacks, 0.0, rows), (~lacks).astype(float)
    common = add("MatMul", [there, constant(held.T)])
    squares = add(
        "Sum",
        [
            add("MatMul", [add("Mul", [x, x]), constant(held.T)]),
            add("MatMul", [x, constant(-2.0 * filled.T)]),
            add("MatMul", [there, constant(filled.T**2)]),
        ],
    )
    scale = add("Div", [constant([float(rows.shape[1])]), common])
    squares = add("Mul", [add("Max", [squares, constant([0.0])]), scale])
    apart = add("Equal", [common, constant([0.0])])
    squares = add("Where", [apart, constant([FAR]), squares])
    means = []
    for column in range(rows.shape[1]):
        donors = np.flatnonzero(~lacks[:, column])
        k = min(step.n_neighbors, len(donors))
        near, places = (scope.get_unique_variable_name(one) for one in ("near", "places"))
        of_donors = add("Gather", [squares, constant(donors, TensorProto.INT64)], axis=1)
        container.add_node(
            "TopK",
            [of_donors, constant([k], TensorProto.INT64)],
            [near, places],
            name=scope.get_unique_operator_name("TopK"),
            largest=0,
        )
        values = add("Gather", [constant(rows[donors, column]), places], axis=0)
        known = add("Cast", [add("Less", [near, constant([FAR])])], to=double)
        weights = known
        if step.weights == "distance":
            equal = add("Cast", [add("Equal", [near, constant([0.0])])], to=double)
            some = add("Greater", [total(equal), constant([0.0])])
            weights = add("Div", [known, add("Sqrt", [near])])
            weights = add("Where", [some, equal, weights])
        mass = total(weights)
        mean = add("Div", [total(add("Mul", [weights, values])), mass])
        none = add("Equal", [mass, constant([0.0])])
        means.append(add("Where", [none, constant([rows[donors, column].mean()]), mean]))
    result = add("Where", [gaps, add("Concat", means, axis=1), given])
    result = add("Cast", [result], to=_number_type(operator)[0])
    _hand_over(container, scope, _marked(container, scope, operator, gaps, result), operator)


def _groups(operator: Any) -> list[Any] | None:
    """Return the infrequent categories of columns of words, None where they are not grouped."""
    from skl2onnx.common.data_types import StringTensorType

    step = operator.raw_operator
    worded = all(isinstance(one.type, StringTensorType) for one in operator.inputs)
    if not worded or step.drop is not None or not getattr(step, "_infrequent_enabled", False):
        return None
    return list(step.infrequent_categories_)


def _hot_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.shape_calculators.one_hot_encoder import (
        calculate_sklearn_one_hot_encoder_output_shapes,
    )

    if _groups(operator) is None:
        calculate_sklearn_one_hot_encoder_output_shapes(operator)
        return
    width = len(operator.raw_operator.get_feature_names_out())
    operator.outputs[0].type = FloatTensorType([None, width])


def _encode_hot(scope: Any, operator: Any, container: Any) -> None:
    """Encode categories, of which infrequent ones are one."""
    from onnx import TensorProto
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.operator_converters.one_hot_encoder import convert_sklearn_one_hot_encoder

    step, groups = operator.raw_operator, _groups(operator)
    if groups is None:
        convert_sklearn_one_hot_encoder(scope, operator, container)
        return
    add = partial(_add, container, scope)
    given = concatenate_variables(scope, operator.inputs, container)
    parts = []
    for column, (categories, rare) in enumerate(zip(step.categories_, groups, strict=True)):
        seldom = set() if rare is None else set(rare)
        frequent = [one for one in categories if one not in seldom]
        places = {one: place for place, one in enumerate(frequent)}
        unknown = len(frequent) if seldom and step.handle_unknown != "ignore" else -1
        place = _constant(container, scope, [column], TensorProto.INT64)
        codes = add(
            "LabelEncoder",
            [add("ArrayFeatureExtractor", [given, place], op_domain="ai.onnx.ml")],
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=["" if one != one or one is None else str(one) for one in categories],
            values_int64s=[places.get(one, len(frequent)) for one in categories],
            default_int64=unknown,
        )
        width = len(frequent) + bool(seldom)
        hot = add(
            "OneHotEncoder",
            [codes],
            op_domain="ai.onnx.ml",
            cats_int64s=list(range(width)),
            zeros=int(step.handle_unknown != "error"),
        )
        parts.append(add("Reshape", [hot, _constant(container, scope, [-1, width], 7)]))
    _hand_over(container, scope, add("Concat", parts, axis=1), operator)


FUNCTIONS: dict[str, tuple[tuple[str, float | None], ...]] = {
    "log": (("Log", None),),
    "log1p": (("Add", 1.0), ("Log", None)),
    "log2": (("Log", None), ("Div", float(np.log(2)))),
    "log10": (("Log", None), ("Div", float(np.log(10)))),
    "exp": (("Exp", None),),
    "expm1": (("Exp", None), ("Sub", 1.0)),
    "sqrt": (("Sqrt", None),),
    "square": (("Pow", 2.0),),
    "absolute": (("Abs", None),),
    "negative": (("Neg", None),),
    "reciprocal": (("Reciprocal", None),),
}
"""NumPy's functions as operators, each with its second argument."""


def _operators_of(step: Any) -> tuple[tuple[str, float | None], ...] | None:
    known = isinstance(step.func, np.ufunc) and not step.kw_args
    return FUNCTIONS.get(step.func.__name__) if known else None


def _function_shapes(operator: Any) -> None:
    from skl2onnx.shape_calculators.function_transformer import (
        calculate_sklearn_function_transformer_output_shapes,
    )

    if _operators_of(operator.raw_operator) is None:
        calculate_sklearn_function_transformer_output_shapes(operator)
        return
    widths = [one.type.shape[1] for one in operator.inputs]
    operator.outputs[0].type.shape = [None, None if None in widths else sum(widths)]


def _apply_function(scope: Any, operator: Any, container: Any) -> None:
    """Apply a function of NumPy."""
    from skl2onnx.operator_converters.common import concatenate_variables
    from skl2onnx.operator_converters.function_transformer import (
        convert_sklearn_function_transformer,
    )

    known = _operators_of(operator.raw_operator)
    if known is None:
        convert_sklearn_function_transformer(scope, operator, container)
        return
    kind, number = _number_type(operator)
    result = concatenate_variables(scope, operator.inputs, container)
    for name, second in known:
        more = [] if second is None else [_constant(container, scope, number(second), kind)]
        result = _add(container, scope, name, [result, *more])
    _hand_over(container, scope, result, operator)
