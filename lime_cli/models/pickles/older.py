"""What older versions of scikit-learn wrote, brought to the form of the installed version.

Names that moved are found where they are now, parts that were not written yet are added, and what
is computed otherwise today is computed as it was when the model was fitted. So an old file answers
as it answered its owner, or says which version it needs.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple, cast

import numpy as np

from lime_cli.models.pickles.constructors import check_plain
from lime_cli.models.pickles.policy import Global, Refused
from lime_cli.models.pickles.sizes import TREE, Damaged, check_trees, keeps_names
from lime_cli.models.walking import identity

_LOSS = "sklearn._loss._loss"

_MADE_BY = re.compile(r"__pyx_unpickle_(Cy\w+)")

_REMAINDER: Global = ("sklearn.compose._column_transformer", "_RemainderColsList")

_BOOSTING_LOSSES = "sklearn.ensemble._gb_losses"

_DESCENT_LOSSES = "sklearn.linear_model._sgd_fast"

_LABELS: Global = ("xgboost.compat", "XGBoostLabelEncoder")
"""What XGBoost before 1.6 numbered classes with."""

_SCORER: Global = ("sklearn.metrics._scorer", "_passthrough_scorer")
"""How a search compares models when nothing else is said."""

_SCORERS = ("_PredictScorer", "_ProbaScorer", "_ThresholdScorer")
"""How it compares them before 1.4 when something is."""


class NeedsVersion(Exception):
    """A model that the installed scikit-learn would ask otherwise; the text completes `it ...`."""


class Assumed(UserWarning):
    """Parameters were filled in, and nothing else says so; the text completes `it holds ...`."""


class Remainder(list[object]):
    """The columns that no transformer of a ColumnTransformer takes."""

    def __setstate__(self, state: object) -> None:
        columns = state.get("data") if type(state) is dict else None
        if type(columns) is not list:
            raise Refused("holds damaged columns of a ColumnTransformer")
        check_plain(columns)
        self.extend(columns)


class Unneeded:
    """A part that is not needed to predict, or that is made anew from the rest."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def gone(key: Global) -> object:
    """Return what stands for a name that scikit-learn no longer has; None where nothing does."""
    module, name = key
    made = _MADE_BY.fullmatch(name)
    if module == _LOSS and made:
        kind = getattr(import_module(_LOSS), made[1], None)
        return None if kind is None else partial(_loss, kind)
    if key == _REMAINDER:
        return Remainder
    if key == _SCORER:
        return Unneeded()
    if module == _SCORER[0] and name in _SCORERS:
        return Unneeded
    if key == _LABELS:
        from sklearn.preprocessing import LabelEncoder

        return type(name, (LabelEncoder,), {"__module__": module})
    return Unneeded if module in (_BOOSTING_LOSSES, _DESCENT_LOSSES) else None


def _loss(kind: Callable[..., object], _type: object, _checksum: object, state: object) -> object:
    """Make a loss as older versions wrote it: by its class, a check sum and its numbers."""
    numbers = state if type(state) is tuple else ()
    return kind(*(one for one in numbers if type(one) is float))


def brought_up(instance: object, state: object) -> object:
    """Return the state of a decision tree with the field that says where gaps go.

    Before 1.3 it was not there, as trees took none.
    """
    if (type(instance).__module__, type(instance).__name__) != TREE or type(state) is not dict:
        return state
    nodes = state.get("nodes")
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None:
        return state
    expected: np.dtype = import_module(TREE[0]).NODE_DTYPE
    names = expected.names or ()
    if set(names) - set(nodes.dtype.names) != {"missing_go_to_left"}:
        return state
    complete = np.zeros(nodes.shape, expected)
    for name in set(names) & set(nodes.dtype.names):
        complete[name] = nodes[name]
    return {**state, "nodes": complete}


def bring_up(made: Iterable[object], version: str) -> None:
    """Complete the models of a file, in place, that a ``version`` of scikit-learn wrote.

    They may be older than it says, where a newer one loaded them and wrote them again.
    Raises NeedsVersion for what only that version answers as it did.
    """
    from sklearn import __version__
    from sklearn.base import BaseEstimator

    kinds: dict[type, list[Any]] = {}
    for one in made:
        kinds.setdefault(type(one), []).append(one)
    trees: list[Any] = []
    for kind, models in kinds.items():
        if not kind.__module__.startswith("sklearn.") or not keeps_names(cast("Hashable", kind)):
            continue
        if kind.__name__ in _PROJECTIONS and version and is_older(version, "1.5"):
            raise NeedsVersion(f"holds a {kind.__name__}, which predicts otherwise since 1.5")
        added = _added(cast("Hashable", kind)) if issubclass(kind, BaseEstimator) else {}
        assumed = _complete(kind, models, added)
        if kind.__name__ in _LOGISTIC and version and is_older(version, "1.6"):
            for one in models:
                _by_newton(one, vars(one))
        if assumed and version == __version__:  # else the gap of versions is told
            values = ", ".join(f"{name}={value!r}" for name, value in assumed.items())
            words = f"a {kind.__name__} without {' and '.join(assumed)}; taken by default: {values}"
            warnings.warn(Assumed(words), stacklevel=2)
        if kind.__name__ in _TREES:
            trees += [vars(one)["tree_"] for one in models if "tree_" in vars(one)]
    if trees and is_older("1.4", "1.5"):
        _share(trees)


def _complete(kind: type, models: list[Any], added: Mapping[str, Added]) -> dict[str, object]:
    """Give models, or parts of them, of one class what the installed version expects.

    Return the parameters that were filled in.
    """
    name = kind.__name__
    assumed: dict[str, object] = {}
    renamed = [pair for pair in _RENAMED.items() if (name, pair[0]) not in _STILL_CALLED_SO]
    names: tuple[str, ...] | None = None
    known: dict[tuple[str, ...], tuple[bool, bool, list[Any], list[Any]]] = {}
    for one in models:
        held = vars(one)
        if names != tuple(held):  # most objects of a class have the same attributes
            names = tuple(held)
            if names not in known:
                once = [(old, new) for old, new in renamed if old in held and new not in held]
                lacking = _unwritten(added, held)
                tells_width = "n_features_in_" not in held and not _TELL_WIDTH.isdisjoint(held)
                changes = tells_width or "loss" in held or name in _CHANGES
                known[names] = not (once or lacking or changes), tells_width, once, lacking
            is_complete, tells_width, once, lacking = known[names]
        if is_complete:
            continue
        for old, new in once:
            held.setdefault(new, held[old])
        if tells_width and "n_features_in_" not in held and not hasattr(one, "n_features_in_"):
            width = _width(held)
            if width is not None:
                held["n_features_in_"] = width
        if type(held.get("loss")) is str:
            held["loss"] = _LOSS_NAMES.get(held["loss"], held["loss"])
        for parameter, default in lacking:
            held.setdefault(parameter, default)
        assumed.update(lacking)
        if name in _CHANGES:
            _CHANGES[name](one, held)
    return assumed


def _share(trees: Iterable[Any]) -> None:
    """Divide the weights of classes in each node by their sum, as trees keep them since 1.3.3."""
    alike: dict[tuple[int, ...], list[Any]] = {}
    for values in [tree.value for tree in trees]:
        alike.setdefault(values.shape[1:], []).append(values)
    for (n_outputs, _), several in alike.items():
        ends = np.concatenate([values[place] for values in several for place in (0, -1)])
        sums = ends.reshape(len(several), 2, -1).sum(axis=2)  # of the root, and of a leaf
        whole = np.max(np.abs(sums - n_outputs), axis=1) < 1e-6
        for i in np.flatnonzero(~whole).tolist():
            _divide(several[i])


def _divide(values: Any) -> None:
    sums = values.sum(axis=2, keepdims=True)
    if np.all(np.isfinite(sums)) and not np.allclose(sums, 1):
        values /= np.where(sums == 0, 1, sums)


def _width(held: Mapping[str, Any]) -> int | None:
    """Return for how many columns an estimator was fitted, by its parts; None for unknown."""
    for name in _OF_COLUMNS:
        shape = getattr(held.get(name), "shape", ())
        if shape:
            return int(shape[-1])
    rows = held.get("shape_fit_")
    if isinstance(rows, tuple) and len(rows) == 2:
        return int(rows[1])
    categories = held.get("categories_")
    return len(categories) if isinstance(categories, list) else None


_OF_COLUMNS = ("coef_", "_fit_X", "mean_", "scale_", "statistics_", "var_", "scores_", "ranking_")
"""What is as wide as the rows that an estimator was fitted on."""

_TELL_WIDTH = frozenset({*_OF_COLUMNS, "shape_fit_", "categories_"})


class Added(NamedTuple):
    """Since which release a parameter is written, and its value where nothing is said."""

    since: tuple[int, ...]
    default: object


def _unwritten(added: Mapping[str, Added], held: Mapping[str, object]) -> list[tuple[str, object]]:
    """Return parameters that may be filled in: all versions that wrote what is there lack them.

    Another that is missing was taken out; a default would guess.
    """
    newest = max((one.since for name, one in added.items() if name in held), default=())
    return [
        (name, one.default)
        for name, one in added.items()
        if name not in held and (one.since > newest or name in _TAKEN_AWAY)
    ]


@cache
def _added(kind: Any) -> Mapping[str, Added]:
    """Return the parameters of a class that some version did not write."""
    names = {base.__name__ for base in kind.__mro__}
    since: dict[str, tuple[int, ...]] = dict.fromkeys(_TAKEN_AWAY, ())
    for release, parameters in _NEW.items():
        found = [one for one, classes in parameters.items() if names & {*classes.split()}]
        numbers = tuple(map(int, release.split(".")))
        since |= dict.fromkeys((*parameters.get("", "").split(), *found), numbers)
    signed = inspect.signature(kind.__init__).parameters.values()
    known = (one for one in signed if one.default is not one.empty)
    return {one.name: Added(since[one.name], one.default) for one in known if one.name in since}


_TAKEN_AWAY = (
    "behaviour", "force_int_remainder_cols", "multi_class", "normalize_components",
    "regularization", "store_cv_values",
)  # fmt: skip
"""Parameters that newer versions do not write."""

_NEW: Mapping[str, Mapping[str, str]] = {
    "0.20": {
        "": "min_features_to_select novelty positive_code positive_dict var_smoothing",
        "categories": "OneHotEncoder",
        "check_inverse": "FunctionTransformer",
        "early_stopping": "PassiveAggressiveClassifier PassiveAggressiveRegressor Perceptron "
        "SGDClassifier SGDRegressor",
        "max_features": "SelectFromModel",
        "n_iter_no_change": "GradientBoostingClassifier GradientBoostingRegressor MLPClassifier "
        "MLPRegressor PassiveAggressiveClassifier PassiveAggressiveRegressor Perceptron "
        "SGDClassifier SGDRegressor",
        "n_jobs": "RadiusNeighborsClassifier RadiusNeighborsRegressor",
        "tol": "GradientBoostingClassifier GradientBoostingRegressor",
        "validation_fraction": "GradientBoostingClassifier GradientBoostingRegressor "
        "PassiveAggressiveClassifier PassiveAggressiveRegressor Perceptron SGDClassifier "
        "SGDRegressor",
    },
    "0.21": {
        "": "distance_threshold drop l1_ratios",
        "add_indicator": "SimpleImputer",
        "l1_ratio": "LogisticRegression",
        "order": "PolynomialFeatures",
        "verbose": "ColumnTransformer FeatureUnion Pipeline",
        "warm_start": "IsolationForest",
    },
    "0.22": {
        "": "alpha_init break_ties ccp_alpha lambda_init max_fun skip_complete",
        "max_iter": "MeanShift",
        "max_samples": "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier "
        "RandomForestRegressor",
        "metric": "Isomap",
        "metric_params": "Isomap",
        "p": "Isomap",
        "transform_max_iter": "DictionaryLearning MiniBatchDictionaryLearning SparseCoder",
        "warm_start": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
    },
    "0.23": {
        "": "jitter",
        "early_stopping": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        "monotonic_cst": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        "random_state": "AffinityPropagation Lars LassoLars",
        "verbose": "VotingClassifier VotingRegressor",
    },
    "0.24": {
        "": "compute_distances ensemble importance_getter is_categorical known_categories "
        "min_categories rotation unit_variance unknown_value",
        "categorical_features": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        "clip": "MinMaxScaler",
        "covariance_estimator": "LinearDiscriminantAnalysis",
        "dtype": "KBinsDiscretizer",
        "handle_unknown": "OrdinalEncoder",
        "l1_ratio": "Perceptron",
        "n_jobs": "CalibratedClassifierCV Nystroem",
        "positive": "LinearRegression",
    },
    "1.0": {
        "": "n_threads noise_variance",
        "alpha_H": "NMF",
        "alpha_W": "NMF",
        "iterated_power": "KernelPCA",
        "positive": "Ridge RidgeClassifier",
        "verbose_feature_names_out": "ColumnTransformer",
    },
    "1.1": {
        "": "compute_inverse_components encoded_missing_value feature_names_out n_oversamples "
        "power_iteration_normalizer",
        "callback": "MiniBatchDictionaryLearning",
        "max_categories": "OneHotEncoder",
        "max_iter": "MiniBatchDictionaryLearning",
        "max_no_improvement": "MiniBatchDictionaryLearning",
        "min_frequency": "OneHotEncoder",
        "quantile": "HistGradientBoostingRegressor",
        "radius": "Isomap",
        "random_state": "KBinsDiscretizer",
        "subsample": "KBinsDiscretizer",
        "tol": "MiniBatchDictionaryLearning SequentialFeatureSelector",
        "verbose": "OneVsRestClassifier",
    },
    "1.2": {
        "": "force_alpha interaction_cst keep_empty_features whiten_solver",
        "class_weight": "HistGradientBoostingClassifier",
        "max_iter": "MiniBatchSparsePCA",
        "max_no_improvement": "MiniBatchSparsePCA",
        "metric": "FeatureAgglomeration",
        "solver": "GammaRegressor PoissonRegressor TweedieRegressor",
        "tol": "MiniBatchSparsePCA",
    },
    "1.3": {
        "": "feature_name_combiner n_targets",
        "callback": "DictionaryLearning",
        "fill_value": "IterativeImputer",
        "max_categories": "OrdinalEncoder",
        "max_iter": "ARDRegression BayesianRidge",
        "min_frequency": "OrdinalEncoder",
        "sparse_output": "SplineTransformer",
    },
    "1.4": {
        "max_features": "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        "monotonic_cst": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier "
        "ExtraTreeRegressor ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier "
        "RandomForestRegressor",
    },
    "1.5": {
        "": "chain_method",
        "store_cv_results": "RidgeClassifierCV",
        "verbose": "ClassifierChain",
        "verbose_feature_names_out": "FeatureUnion",
    },
    "1.6": {
        "": "transform_input",
        "priors": "NearestCentroid",
    },
    "1.7": {
        "": "quantile_method",
        "loss": "MLPRegressor",
        "tol": "LinearRegression",
    },
    "1.8": {
        "": "handle_missing use_legacy_attributes",
        "clip": "MaxAbsScaler",
        "covariance_estimator": "QuadraticDiscriminantAnalysis",
        "shrinkage": "QuadraticDiscriminantAnalysis",
        "solver": "QuadraticDiscriminantAnalysis",
    },
}
"""Parameters of each class that scikit-learn added since 0.19, by the release; "" is any class that
has them."""

_RENAMED = {
    "base_estimator": "estimator",
    "base_estimator_": "estimator_",
    "calibrators_": "calibrators",
    "n_features_": "n_features_in_",
    "n_input_features_": "n_features_in_",
    "n_support_": "_n_support",
    "probA_": "_probA",
    "probB_": "_probB",
}
"""Attributes, by the names that older versions gave them."""

_STILL_CALLED_SO = {("RFE", "n_features_"), ("RFECV", "n_features_")}
"""Names that mean something else in these classes: how many columns were chosen."""

_LOSS_NAMES: Mapping[str, str] = {
    "auto": "log_loss",
    "binary_crossentropy": "log_loss",
    "categorical_crossentropy": "log_loss",
    "deviance": "log_loss",
    "lad": "absolute_error",
    "least_absolute_deviation": "absolute_error",
    "least_squares": "squared_error",
    "log": "log_loss",
    "ls": "squared_error",
    "squared_loss": "squared_error",
}
"""Losses, likewise."""


def _columns(one: Any, held: dict[str, Any]) -> None:
    """Give columns that are passed through a transformer, and take lists of columns as lists."""
    from sklearn.preprocessing import FunctionTransformer

    through = FunctionTransformer(accept_sparse=True, check_inverse=False)
    held["transformers_"] = [
        (
            name,
            through if part == "passthrough" else part,
            list(columns) if isinstance(columns, Remainder) else columns,
        )
        for name, part, columns in held.get("transformers_", ())
    ]
    held.setdefault("_name_to_fitted_passthrough", {})
    name, part, columns = held.get("_remainder", (None, None, None))
    if isinstance(columns, Remainder):
        held["_remainder"] = (name, part, list(columns))


def _neighbours(one: Any, held: dict[str, Any]) -> None:
    if "_fit_X" in held:
        held.setdefault("n_samples_fit_", held["_fit_X"].shape[0])


def _process(one: Any, held: dict[str, Any]) -> None:
    held.setdefault("_y_train_std", np.ones(()))


def _machine(one: Any, held: dict[str, Any]) -> None:
    """Count the vectors of a machine without classes as the installed version does."""
    counts = held.get("_n_support")
    if "support_" in held and (counts is None or counts[0] != len(held["support_"])):
        held["_n_support"] = np.array([len(held["support_"]), 0], np.int32)


def _imputer(one: Any, held: dict[str, Any]) -> None:
    kind = getattr(held.get("statistics_"), "dtype", None)
    if kind is not None:
        held.setdefault("_fit_dtype", kind)
        held.setdefault("_fill_dtype", held["_fit_dtype"])


def _neighbours_imputer(one: Any, held: dict[str, Any]) -> None:
    gaps = held.get("_mask_fit_X")
    if isinstance(gaps, np.ndarray):
        held.setdefault("_valid_mask", ~np.all(gaps, axis=0))


def _bayes(one: Any, held: dict[str, Any]) -> None:
    if "sigma_" in held:
        held.setdefault("var_", held["sigma_"])


def _encoder(one: Any, held: dict[str, Any]) -> None:
    if "sparse" in held:  # which 1.2 and 1.3 wrote beside its new name, as "deprecated"
        held.setdefault("sparse_output", held["sparse"])
    held.setdefault("_infrequent_enabled", False)
    held.setdefault("_drop_idx_after_grouping", held.get("drop_idx_"))
    held.setdefault("_missing_indices", {})
    if hasattr(one, "_compute_n_features_outs") and "categories_" in held:
        held.setdefault("_n_features_outs", one._compute_n_features_outs())


def _powers(one: Any, held: dict[str, Any]) -> None:
    if "n_output_features_" in held and type(held["degree"]) is int:
        held.setdefault("_min_degree", 0)
        held.setdefault("_max_degree", held["degree"])
        held.setdefault("_n_out_full", held["n_output_features_"])


def _stacked(one: Any, held: dict[str, Any]) -> None:
    from sklearn.preprocessing import LabelEncoder

    if "classes_" in held and "_label_encoder" not in held:
        held["_label_encoder"] = LabelEncoder().fit(held["classes_"])


def _boosting(one: Any, held: dict[str, Any]) -> None:
    trees = held.get("estimators_")
    if not isinstance(trees, np.ndarray) or trees.ndim != 2:
        return
    held.setdefault("n_trees_per_iteration_", trees.shape[1])
    if hasattr(one, "_get_loss"):
        if isinstance(held.get("_loss", Unneeded()), Unneeded):
            held.setdefault("alpha", 0.9)
            held.setdefault("n_classes_", 1)
            held["_loss"] = one._get_loss(None)
        held.pop("loss_", None)
    elif "loss_" in held:
        held.setdefault("_loss", held["loss_"])


def _isolated(one: Any, held: dict[str, Any]) -> None:
    """Measure once how deep the nodes of each tree lie, as is kept since 1.3."""
    module = import_module(type(one).__module__)
    name = "_decision_path_lengths"
    if name in held or "estimators_" not in held:
        return
    trees = [vars(part)["tree_"] for part in held["estimators_"]]
    if not all(hasattr(tree, "compute_node_depths") for tree in trees):  # nor does it read them
        return
    each = {identity(tree): tree for tree in trees}
    check_trees([*each.values()])  # compiled code goes down them without a look
    depths = {number: tree.compute_node_depths() for number, tree in each.items()}
    averages = {
        number: module._average_path_length(tree.n_node_samples) for number, tree in each.items()
    }
    held[name] = tuple(depths[identity(tree)] for tree in trees)
    held["_average_path_length_per_tree"] = tuple(averages[identity(tree)] for tree in trees)


def _weighed_words(one: Any, held: dict[str, Any]) -> None:
    """Take how rare words are from the matrix that held it: without, all would count alike."""
    weights = held.get("_idf_diag")
    if weights is None or "idf_" in held or hasattr(type(one), "idf_"):
        return
    numbers = np.ravel(weights.data)
    if numbers.shape != weights.shape[:1]:
        raise Damaged("words of which not all are weighed")
    held["idf_"] = numbers


def _histograms(one: Any, held: dict[str, Any]) -> None:
    held.setdefault("_preprocessor", None)


def _adaptive(one: Any, held: dict[str, Any]) -> None:
    """Weigh probabilities, as AdaBoost did by default before scikit-learn 1.6."""
    if held.get("algorithm") == "SAMME.R" and not hasattr(one, "_boost_real"):
        one.__class__ = _real_boost(cast("Hashable", type(one)))


def _logistic(one: Any, held: dict[str, Any]) -> None:
    """Ask one class against the others, as older versions did where it was so fitted.

    Two classes of which each was fitted to have weights of its own are asked so, too.
    """
    kind = cast("Hashable", type(one))
    said, solver, n = held.get("multi_class"), held.get("solver"), len(held.get("classes_", ()))
    if "multi_class" in _added(kind):
        return
    apart = said in ("ovr", "warn") or (said in ("auto", "deprecated") and solver == "liblinear")
    if n > 2 and apart:
        one.__class__ = _one_by_one(kind)
    elif n == 2 and said == "multinomial":
        one.__class__ = _both(kind)


def _by_newton(one: Any, held: dict[str, Any]) -> None:
    """Ask one class against the others where a solver fitted them so, before 1.6."""
    by_default = held.get("multi_class") in ("auto", "deprecated")
    several = len(held.get("classes_", ())) > 2
    if several and by_default and held.get("solver") == "newton-cholesky":
        one.__class__ = _one_by_one(cast("Hashable", type(one)))


_LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")

_TREES = ("DecisionTreeClassifier", "ExtraTreeClassifier")

_PROJECTIONS = ("CCA", "PLSCanonical", "PLSRegression")


def is_older(version: str, change: str) -> bool:
    """Tell whether a change of scikit-learn lies between a version and the installed one."""
    from sklearn import __version__
    from sklearn.utils.fixes import parse_version

    return bool(parse_version(version) < parse_version(change) <= parse_version(__version__))


@cache
def _real_boost(base: Any) -> Any:
    class RealBoost(base):  # type: ignore[misc]
        def decision_function(self, X: Any) -> Any:
            n = self.n_classes_
            total = 0.0
            for one in self.estimators_:
                shares = one.predict_proba(X)
                logs = np.log(np.clip(shares, np.finfo(shares.dtype).eps, None))
                total = total + (n - 1) * (logs - logs.mean(axis=1, keepdims=True))
            total = total / self.estimator_weights_.sum()
            return total[:, 1] - total[:, 0] if n == 2 else total

    return _called_as(base, RealBoost)


@cache
def _one_by_one(base: Any) -> Any:
    class OneByOne(base):  # type: ignore[misc]
        def predict_proba(self, X: Any) -> Any:
            return self._predict_proba_lr(X)

    return _called_as(base, OneByOne)


@cache
def _both(base: Any) -> Any:
    class Both(base):  # type: ignore[misc]
        def predict_proba(self, X: Any) -> Any:
            from sklearn.utils.extmath import softmax

            margins = self.decision_function(X)
            return softmax(np.stack([-margins, margins], axis=1), copy=False)

    return _called_as(base, Both)


def _called_as(base: Any, kind: Any) -> Any:
    """Give a class the name of the one that it stands for, which is what people know."""
    kind.__module__, kind.__qualname__, kind.__name__ = (
        base.__module__, base.__qualname__, base.__name__,
    )  # fmt: skip
    return kind


_CHANGES: Mapping[str, Callable[[Any, dict[str, Any]], None]] = {
    "AdaBoostClassifier": _adaptive,
    "ColumnTransformer": _columns,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "GaussianNB": _bayes,
    "GaussianProcessRegressor": _process,
    "HistGradientBoostingClassifier": _histograms,
    "HistGradientBoostingRegressor": _histograms,
    "IsolationForest": _isolated,
    "KNNImputer": _neighbours_imputer,
    "KNeighborsClassifier": _neighbours,
    "KNeighborsRegressor": _neighbours,
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic,
    "NuSVR": _machine,
    "OneHotEncoder": _encoder,
    "OrdinalEncoder": _encoder,
    "PolynomialFeatures": _powers,
    "SVR": _machine,
    "SimpleImputer": _imputer,
    "StackingClassifier": _stacked,
    "TfidfTransformer": _weighed_words,
}


def moved(key: Global) -> Global:
    """Return where a name of scikit-learn is now."""
    module, name = key
    if key in _NAMES:
        return _NAMES[key]
    if module in _DISTANCES and not name.endswith(("32", "64")):
        return "sklearn.metrics._dist_metrics", name if name == "newObj" else f"{name}64"
    if name in _LOSSES_OF_TREES and module == "sklearn.ensemble.gradient_boosting":
        return _BOOSTING_LOSSES, name
    return _MODULES.get(module, module), name


_DISTANCES = ("sklearn.neighbors._dist_metrics", "sklearn.neighbors.dist_metrics",
              "sklearn.metrics._dist_metrics")  # fmt: skip

_LOSSES_OF_TREES = ("BinomialDeviance", "ExponentialLoss", "HuberLossFunction",
                    "LeastAbsoluteError", "LeastSquaresError", "MultinomialDeviance",
                    "QuantileLossFunction")  # fmt: skip

_NAMES: Mapping[Global, Global] = {
    ("sklearn.impute", "SimpleImputer"): ("sklearn.impute._base", "SimpleImputer"),
    ("sklearn.utils", "Bunch"): ("sklearn.utils._bunch", "Bunch"),
    ("sklearn.preprocessing._data", "PolynomialFeatures"): (
        "sklearn.preprocessing._polynomial",
        "PolynomialFeatures",
    ),
    ("sklearn.preprocessing.data", "PolynomialFeatures"): (
        "sklearn.preprocessing._polynomial",
        "PolynomialFeatures",
    ),
    ("sklearn.preprocessing.data", "OneHotEncoder"): (
        "sklearn.preprocessing._encoders",
        "OneHotEncoder",
    ),
}

_MODULES: Mapping[str, str] = {
    f"sklearn.{package}.{old}": f"sklearn.{package}.{new}"
    for package, names in {
        "cluster": "dbscan_:_dbscan k_means_:_kmeans",
        "decomposition": "factor_analysis:_factor_analysis fastica_:_fastica nmf:_nmf pca:_pca "
        "truncated_svd:_truncated_svd",
        "ensemble": "bagging:_bagging base:_base forest:_forest gradient_boosting:_gb "
        "iforest:_iforest voting:_voting voting_classifier:_voting "
        "weight_boosting:_weight_boosting",
        "feature_selection": "from_model:_from_model rfe:_rfe "
        "univariate_selection:_univariate_selection variance_threshold:_variance_threshold",
        "linear_model": "base:_base bayes:_bayes coordinate_descent:_coordinate_descent "
        "huber:_huber least_angle:_least_angle logistic:_logistic omp:_omp "
        "passive_aggressive:_passive_aggressive perceptron:_perceptron ransac:_ransac ridge:_ridge "
        "sgd_fast:_sgd_fast stochastic_gradient:_stochastic_gradient theil_sen:_theil_sen",
        "gaussian_process": "gpc:_gpc gpr:_gpr",
        "metrics": "scorer:_scorer",
        "neighbors": "ball_tree:_ball_tree classification:_classification kd_tree:_kd_tree "
        "nearest_centroid:_nearest_centroid regression:_regression unsupervised:_unsupervised",
        "neural_network": "_stochastic_optimizers:_stochastic_optimizers "
        "multilayer_perceptron:_multilayer_perceptron",
        "preprocessing": "data:_data label:_label",
        "svm": "classes:_classes",
        "tree": "tree:_classes",
    }.items()
    for old, new in (pair.split(":") for pair in names.split())
}
"""Where modules of scikit-learn before 0.22 are."""
