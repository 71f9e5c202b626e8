"""What a model was fitted on: the names of its columns, and the values that each is known to hold.

Everything here is read from the model's own attributes; a column that they say nothing of is
left out, and handed over as its file spells it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.models.model_file import Known, ModelInput, Reach

HOLDERS = (
    "best_estimator_", "estimator_", "regressor_", "calibrated_classifiers_", "estimators_",
    "estimator",
)  # fmt: skip
"""Attributes of a model that holds others and hands its rows on."""

BY_NUMBERS = frozenset({
    "AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor",
    "BayesianRidge", "BernoulliNB", "Binarizer", "DecisionTreeClassifier",
    "DecisionTreeRegressor", "ElasticNet", "ElasticNetCV", "ExtraTreesClassifier",
    "ExtraTreesRegressor", "GammaRegressor", "GaussianNB", "GaussianProcessClassifier",
    "GaussianProcessRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor",
    "HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "HuberRegressor",
    "IsolationForest", "IterativeImputer", "KBinsDiscretizer", "KNNImputer",
    "KNeighborsClassifier", "KNeighborsRegressor", "Lasso", "LassoCV",
    "LinearDiscriminantAnalysis", "LinearRegression", "LinearSVC", "LinearSVR",
    "LogisticRegression", "LogisticRegressionCV", "MLPClassifier", "MLPRegressor",
    "MaxAbsScaler", "MinMaxScaler", "MultinomialNB", "Normalizer", "NuSVC", "NuSVR",
    "OneClassSVM", "PCA", "PoissonRegressor", "PolynomialFeatures", "PowerTransformer",
    "QuadraticDiscriminantAnalysis", "QuantileTransformer", "RandomForestClassifier",
    "RandomForestRegressor", "Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV",
    "RobustScaler", "SGDClassifier", "SGDRegressor", "SVC", "SVR", "SelectFromModel",
    "SelectKBest", "SelectPercentile", "SimpleImputer", "SplineTransformer", "StandardScaler",
    "TruncatedSVD", "TweedieRegressor", "VarianceThreshold",
})  # fmt: skip
"""What of scikit-learn takes nothing but its numbers from a data frame whose columns are named as
those that it was fitted on."""

PASSING = frozenset({
    "CalibratedClassifierCV", "GridSearchCV", "OneVsRestClassifier", "RandomizedSearchCV",
    "VotingClassifier", "VotingRegressor", "_CalibratedClassifier",
})  # fmt: skip
"""What of it hands its rows on as they come."""

UNNAMED = re.compile(r"Column_\d+|\d+")
"""What LightGBM and CatBoost call the columns of an array."""


def fitted(model: Any) -> ModelInput:
    """Read what a model says of its columns."""
    names, n_columns = _names(model), _n_columns(model)
    if n_columns is None:
        return ModelInput(columns=names)
    words: set[int] = set()
    known: dict[int, Known] = {}
    filled: dict[int, Known] = {}
    for place, one in _places(model, list(range(n_columns)), names or ()):
        if _words(one.values):
            words.add(place)
        if one.filling:
            filled[place] = one
        else:
            known.setdefault(place, one._replace(gaps=one.gaps or place in filled))
    for place, one in filled.items():
        if not any(isinstance(value, str) for value in one.values):
            known.setdefault(place, one)
    told = ModelInput(columns=names, n_columns=n_columns, words=tuple(sorted(words)), known=known)
    ranges, (gapless, gapful) = _ranges(model, n_columns, names or ()), _gaps(model)
    hashed = _hashed(model, names or ())
    return told._replace(
        ranges=ranges,
        unlisted=_unlisted(model),
        gapless=gapless,
        gapful=gapful,
        hashed=hashed - words,
        numbers=names is not None and _reads_numbers(model, names),
    )


def _hashed(step: Any, names: Sequence[str]) -> frozenset[int]:
    """Return the columns whose values an encoder hashes as they are spelled, whatever they are."""
    if type(step).__name__ == "HashingEncoder":
        return frozenset(names.index(one) for one in map(str, step.cols or ()) if one in names)
    parts = (one for _, one, *_ in (*_listed(step, "steps"), *_listed(step, "transformers_")))
    held = [*parts, *[one for one in [_held(step)] if one is not None]]
    return frozenset(chain.from_iterable(_hashed(one, names) for one in held))


def _listed(step: Any, name: str) -> list[Any]:
    found = getattr(step, name, None)
    return found if isinstance(found, list) else []


def _unlisted(model: Any) -> tuple[int, ...]:
    """Return the columns of words of a CatBoost model, which keeps their hashes."""
    for one in _layers(model):
        asked = getattr(getattr(one, "booster", one), "get_cat_feature_indices", None)
        if asked is not None and _library(one) in ("catboost", "lime_cli"):
            return tuple(map(int, asked()))
    return ()


def _names(model: Any) -> tuple[str, ...] | None:
    for one in _layers(model):
        found = getattr(one, "feature_names_in_", None)
        found = getattr(one, "feature_names_", None) if found is None else found  # of CatBoost
        if found is not None and len(found):
            names = tuple(map(str, found))
            invented = _library(one) != "sklearn" and all(map(UNNAMED.fullmatch, names))
            return None if invented else names
    return None


def _n_columns(model: Any) -> int | None:
    for one in _layers(model):
        found = getattr(one, "n_features_in_", None) or len(getattr(one, "feature_names_", ()))
        if found:
            return int(found)
    return None


def _layers(model: Any) -> Iterator[Any]:
    """Yield a model, and below it those that are handed the very same rows."""
    while model is not None:
        yield model
        steps = getattr(model, "steps", None)
        model = next(_working(steps), None) if isinstance(steps, list) else _held(model)


def _working(steps: list[Any]) -> Iterator[Any]:
    """Yield the steps of a pipeline that do something."""
    return (one for _, one in steps if one not in (None, "passthrough"))


def _held(step: Any) -> Any:
    """Return the model that one holds, of several the first; None for one that holds none."""
    if _library(step) in ("xgboost", "lightgbm", "catboost"):
        return None
    held = next(iter(_all_held(step)), None)
    return None if isinstance(held, (str, np.ndarray, list)) else held


def _all_held(step: Any) -> list[Any]:
    held = next((getattr(step, one) for one in HOLDERS if hasattr(step, one)), None)
    return held if isinstance(held, list) else [held]


def _reads_numbers(model: Any, names: tuple[str, ...]) -> bool:
    """Tell whether a model takes nothing from a data frame of columns with these names but its
    numbers, which an array holds as well: to the same bits, without the time that looking at a data
    frame takes.
    """
    kind, own = type(model).__name__, getattr(model, "feature_names_in_", None)
    wants_others = own is not None and not np.array_equal(own, np.array(names, object))
    if _library(model) != "sklearn" or wants_others:
        return False
    if kind == "Pipeline":
        steps = list(_working(model.steps))
        fed = [] if any(map(_names_output, steps)) else steps[:1]
    elif kind in PASSING:
        fed = _all_held(model)
    else:
        categories = getattr(model, "is_categorical_", None)
        return kind in BY_NUMBERS and categories is None and not _names_output(model)
    return bool(fed) and all(_reads_numbers(one, names) for one in fed)


def _names_output(step: Any) -> bool:
    """Tell whether a step hands data frames on."""
    from sklearn import get_config

    chosen = getattr(step, "_sklearn_output_config", {})
    return bool(chosen) or get_config().get("transform_output", "default") != "default"


def _library(thing: Any) -> str:
    return type(thing).__module__.partition(".")[0]


KnownColumns = Iterator[tuple[int, Known]]


def _leaves(step: Any, places: list[int], names: Sequence[str]) -> Iterator[tuple[Any, list[int]]]:
    """Yield the steps that are given columns as they are, and the places of these columns."""
    steps, parts = getattr(step, "steps", None), getattr(step, "transformers_", None)
    union = getattr(step, "transformer_list", None)
    if isinstance(steps, list):
        yield from _along(steps, places, names)
    elif isinstance(parts, list):
        for _, part, columns in parts:
            yield from _leaves(part, _chosen(columns, places, names), names)
    elif isinstance(union, list):
        for _, part in union:
            yield from _leaves(part, places, names)
    elif _booster(step) is None and (held := _held(step)) is not None:
        yield from _leaves(held, places, names)
    else:
        yield step, places


def _places(step: Any, places: list[int], names: Sequence[str]) -> KnownColumns:
    """Yield what is known of the columns that a step is given, which stand at ``places``."""
    for leaf, own in _leaves(step, places, names):
        yield from _of_leaf(leaf, own, names)


def _of_leaf(step: Any, places: list[int], names: Sequence[str]) -> KnownColumns:
    if (booster := _booster(step)) is not None:
        found = _of_booster(booster)
        yield from ((places[i], one) for i, one in found.items() if i < len(places))
    elif getattr(step, "vocabulary_", None) is not None:
        yield from ((place, Known(("",), filling=True)) for place in places[:1])
    elif (preprocessor := getattr(step, "_preprocessor", None)) is not None:  # histogram trees
        for place, one in _places(preprocessor, places, names):
            present = tuple(value for value in one.values if not _is_gap(value))
            named = getattr(step, "feature_names_in_", None) is not None
            yield place, one._replace(values=present, category=named, gaps=True)
    elif (by_name := _by_name(step)) is not None:
        at = {name: place for place, name in enumerate(names)}
        yield from ((at[str(name)], one) for name, one in by_name if str(name) in at)
    else:
        yield from _of_transformer(step, places)


def _of_transformer(step: Any, places: list[int]) -> KnownColumns:
    """Yield what scikit-learn's encoders and imputers know of their columns."""
    filling = not hasattr(step, "categories_")
    known = getattr(step, "statistics_" if filling else "categories_", ())
    if isinstance(known, (list, np.ndarray)) and len(known) == len(places):
        for place, one in zip(places, known, strict=True):
            values = tuple(np.ravel(one).tolist())
            gaps = not filling and any(map(_is_gap, values))
            strategy = str(getattr(step, "strategy", "")) if filling and _fills_nan(step) else ""
            yield place, Known(values, filling=filling, gaps=gaps, strategy=strategy)


def _fills_nan(step: Any) -> bool:
    """Tell whether an imputer takes NaN for a missing value, not a number or a word of its own."""
    own = getattr(step, "missing_values", None)
    return not isinstance(own, (int, float, str)) or own != own


def _is_gap(value: Any) -> bool:
    return value is None or bool(value != value)


def _along(
    steps: list[Any], places: list[int], names: Sequence[str]
) -> Iterator[tuple[Any, list[int]]]:
    """Go through a pipeline as long as its steps keep the columns as they are."""
    for _, step in steps:
        if step in (None, "passthrough"):
            continue
        yield from _leaves(step, places, names)
        if not hasattr(step, "statistics_") or getattr(step, "indicator_", None) is not None:
            return


def _chosen(columns: Any, places: list[int], names: Sequence[str]) -> list[int]:
    """Return the places of the columns that a column transformer hands to one of its parts."""
    listed = [columns] if isinstance(columns, (str, int, np.integer)) else columns
    if isinstance(listed, slice):
        return [] if isinstance(listed.start or listed.stop, str) else places[listed]
    cells = list(listed)
    if cells and all(isinstance(one, (bool, np.bool_)) for one in cells):
        return [place for place, one in zip(places, cells, strict=False) if one]
    at = {name: place for place, name in enumerate(names)}
    found = (at.get(one) if isinstance(one, str) else int(one) for one in cells)
    return [places[one] for one in found if one is not None and -len(places) <= one < len(places)]


def _words(known: Sequence[Any]) -> bool:
    """Tell whether the values of a column that a model knows, gaps aside, are all words."""
    present = [one for one in known if not _is_gap(one)]
    return bool(present) and all(isinstance(one, str) for one in present)


def _by_name(step: Any) -> list[tuple[Any, Known]] | None:
    """Return what encoders of category_encoders and feature_engine know, by column."""
    library = _library(step)
    if library == "lime_cli":
        own: list[tuple[Any, Known]] | None = getattr(step, "known_by_name", None)
        return own
    if library == "feature_engine":
        held = getattr(step, "encoder_dict_", None)
        return None if held is None else [(name, Known(tuple(one))) for name, one in held.items()]
    if library != "category_encoders":
        return None
    if type(step).__name__ == "HashingEncoder":
        # whose columns it chose itself, by their being words
        chosen = step.cols if getattr(step, "use_default_cols", False) else ()
        return [(name, Known(("",), filling=True)) for name in chosen]
    inner = getattr(step, "base_n_encoder", step)
    mapping = getattr(getattr(inner, "ordinal_encoder", inner), "mapping", None)
    if isinstance(mapping, dict):
        return [(name, Known(_index(one))) for name, one in mapping.items()]
    pairs = [one for one in mapping or () if isinstance(one, dict) and "mapping" in one]
    return [(one["col"], Known(_index(one["mapping"]))) for one in pairs]


def _index(mapping: Any) -> tuple[Any, ...]:
    """Return the values that an encoder of category_encoders maps."""
    listed = mapping if isinstance(mapping, dict) else getattr(mapping, "index", ())
    return tuple(listed)


def _booster(step: Any) -> Any:
    """Return the LightGBM or XGBoost booster that a step is, or holds; None for another."""
    held = getattr(step, "booster", None)
    if _library(step) == "lime_cli" and held is not None:
        return held
    if _library(step) == "lightgbm":
        return getattr(step, "_Booster", step)
    if _library(step) == "xgboost":
        return step.get_booster() if hasattr(step, "get_booster") else step
    return None


def _of_booster(booster: Any) -> dict[int, Known]:
    if _library(booster) == "lightgbm":
        return _of_lightgbm(booster)
    return _of_xgboost(booster) if _library(booster) == "xgboost" else {}


def _of_lightgbm(booster: Any) -> dict[int, Known]:
    """Read the categories of pandas that columns had; the parameters say which columns."""
    held = booster.pandas_categorical or []
    text = booster.model_to_string(num_iteration=1) if held else ""
    said = re.search(r"^\[categorical_feature: ([\d,]+)\]", text, re.MULTILINE)
    places = [int(one) for one in said[1].split(",")] if said else []
    if len(places) != len(held):
        places = _ordered_too(places, held, _feature_ranges(text))
    if len(places) != len(held):
        return {}
    return {i: Known(tuple(one), category=True) for i, one in zip(places, held, strict=True)}


def _feature_ranges(text: str) -> list[str]:
    """Return what a LightGBM model says of each column's values: ``[0:3]`` of numbers."""
    found = re.search(r"^feature_infos=(.*)$", text, re.MULTILINE)
    return found[1].split(" ") if found else []


def _ordered_too(places: list[int], held: Sequence[Any], ranges: Sequence[str]) -> list[int]:
    """Find where the categories of columns stand, some of which LightGBM takes as numbers.

    Those are ordered ones: they are handed over as the places among their categories, which the
    range of such a column keeps to. Returns nothing where more than one choice of columns fits.
    """
    unordered = set(places) or {i for i, one in enumerate(ranges) if one[:1] not in ("[", "n", "")}
    if len(ranges) > MOST_RANGES or len(unordered) == len(held):
        return sorted(unordered) if len(unordered) == len(held) else []
    numbers = [i for i, one in enumerate(ranges) if i not in unordered and one[:1] == "["]
    found = []
    for chosen in combinations(numbers, len(held) - len(unordered)):
        tried = sorted((*unordered, *chosen))
        pairs = zip(tried, held, strict=True)
        if all(i in unordered or _within(ranges[i], len(one)) for i, one in pairs):
            found.append(tried)
    return found[0] if len(found) == 1 else []


MOST_RANGES = 60
"""Columns among which ordered categories are looked for, at most."""


def _within(range_: str, n: int) -> bool:
    """Tell whether a column ranges over places among n categories, the last one included."""
    low, _, high = range_.strip("[]").partition(":")
    return float(low) == 0 and float(high) == n - 1


ARROW = {name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64")}
"""Types of categories that XGBoost compares with those of the table, by Arrow's names."""


def _of_xgboost(booster: Any) -> dict[int, Known]:
    """Read the categories of pandas that columns had; none before XGBoost 3.1, which kept none."""
    kinds = booster.feature_types or []
    if "c" not in kinds or not hasattr(booster, "get_categories"):
        return {}
    held = booster.get_categories(export_to_arrow=True).to_arrow()
    return {
        i: Known(tuple(one.to_pylist()), category=True, dtype=ARROW.get(str(one.type), ""))
        for i, (_, one) in enumerate(held)
        if one is not None
    }


MOST_TREES = 100
"""Trees whose splits are looked at, of each model."""

KEPT_ROWS = ("support_vectors_", "_fit_X")
"""Where models of scikit-learn keep rows that they were fitted on."""

KEPT_MEANS = ("cluster_centers_", "theta_", "means_")
"""Where they keep means of rows."""


def _ranges(model: Any, n_columns: int, names: Sequence[str]) -> dict[int, Reach]:
    """Return between which numbers a model tells rows apart, by column."""
    found: dict[int, Reach] = {}
    for step, places in _leaves(model, list(range(n_columns)), names):
        scaled = _scaled(step)
        if len(scaled) == len(places):
            spans = zip(places, scaled, strict=True)
            found |= {place: one for place, one in spans if one.low <= one.high}
    if found:
        return found
    for one in _layers(model):
        for rows, places, numbers in _numbers(one, n_columns):
            for place, number in zip(places.tolist(), numbers.tolist(), strict=True):
                low, high, *_ = found.get(place, (number, number, rows))
                found[place] = Reach(min(low, number), max(high, number), rows)
        if found:
            return found
    return found


SPREAD = 3.0
"""Standard deviations around a mean between which most numbers lie."""


def _scaled(step: Any) -> list[Reach]:
    """Return the smallest and the largest number of each column that a scaler was fitted on."""
    if _library(step) != "sklearn":
        return []
    low, high = getattr(step, "data_min_", None), getattr(step, "data_max_", None)
    quantiles, scale = getattr(step, "quantiles_", None), getattr(step, "scale_", None)
    centre = getattr(step, "mean_", getattr(step, "center_", None))
    exact = True
    if isinstance(quantiles, np.ndarray) and quantiles.ndim == 2:
        low, high = quantiles[0], quantiles[-1]
    elif isinstance(centre, np.ndarray) and isinstance(scale, np.ndarray) and centre.ndim == 1:
        low, high, exact = centre - SPREAD * scale, centre + SPREAD * scale, False
    if not (isinstance(low, np.ndarray) and isinstance(high, np.ndarray)):
        return []
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    return [Reach(one, other, True, exact, hasattr(step, "center_")) for one, other in pairs]


Numbers = Iterator[tuple[bool, Any, Any]]


def _numbers(one: Any, n_columns: int) -> Numbers:
    """Yield places of columns, and numbers that a model compares theirs with, side by side.

    Before them stands whether rows held these numbers, or only splits.
    """
    booster = _booster(one)
    if _library(one) == "sklearn":
        yield from _of_trees(one, n_columns)
        for name in (*KEPT_ROWS, *KEPT_MEANS):
            rows = getattr(one, name, None)
            if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.shape[1] == n_columns:
                places = np.arange(n_columns)
                yield name in KEPT_ROWS, places, rows.min(axis=0)
                yield name in KEPT_ROWS, places, rows.max(axis=0)
    elif _library(booster) == "lightgbm":
        for place, said in enumerate(_feature_ranges(booster.model_to_string(num_iteration=1))):
            if said[:1] == "[":
                yield True, np.array([place, place]), np.array(said.strip("[]").split(":"), float)
    elif _library(booster) == "xgboost":
        yield from _of_rounds(booster)
    elif (borders := _borders(one)) is not None:
        for place, held in borders.items():
            there = [number for number in held if abs(number) < HUGE]
            yield False, np.full(len(there), place), np.array(there)


def _borders(one: Any) -> dict[int, list[float]] | None:
    """Return the numbers at which CatBoost's trees split columns; None for another model."""
    borders = getattr(getattr(one, "booster", one), "get_borders", None)
    if borders is None or _library(one) not in ("catboost", "lime_cli"):
        return None
    return {int(place): list(held) for place, held in borders().items()}


def _of_trees(one: Any, n_columns: int) -> Numbers:
    mapper = getattr(one, "_bin_mapper", None)
    if mapper is not None and getattr(one, "_preprocessor", None) is None:  # of histogram trees
        for place, held in enumerate(mapper.bin_thresholds_):
            yield False, np.full(len(held), place), held
    trees = np.ravel(np.array(getattr(one, "estimators_", [one]), object))[:MOST_TREES]
    chosen = getattr(one, "estimators_features_", None)
    for i, tree in enumerate(trees):
        held = getattr(tree, "tree_", None)
        if held is None or (chosen is not None and len(chosen[i]) != n_columns):
            return
        inner = held.feature >= 0
        yield False, held.feature[inner], held.threshold[inner]


def _of_rounds(booster: Any) -> Numbers:
    for tree in _rounds(booster):
        yield False, tree["split_indices"], tree["split_conditions"]


def _rounds(booster: Any) -> Iterator[dict[str, NDArray[Any]]]:
    """Read the splits of XGBoost's first rounds, but for those of categories."""
    rounds = booster.num_boosted_rounds()
    kind = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]
    if rounds == 0 or kind != "gbtree":
        return
    first = booster[:MOST_ROUNDS] if rounds > MOST_ROUNDS else booster
    held = json.loads(first.save_raw("json"))["learner"]["gradient_booster"]
    for tree in held.get("model", {}).get("trees", []):
        inner = (np.array(tree["left_children"]) >= 0) & (np.array(tree["split_type"]) == 0)
        names = ("split_indices", "split_conditions", "default_left")
        yield {name: np.array(tree[name])[inner] for name in names}


MOST_ROUNDS = 20
"""Rounds of boosters that are looked at."""

HUGE = 1e38
"""Of CatBoost's borders: beyond it stand missing values alone."""

FEWEST_SPLITS = 12
"""Splits of a column, at least, that tell whether there were missing values in it."""


def _gaps(model: Any) -> tuple[frozenset[int], frozenset[int]]:
    """Return the columns in which a model met no missing value, and some in which it did.

    Trees of scikit-learn send what is missing to the larger part where there was none, those of
    XGBoost to the right; LightGBM and CatBoost say it.
    """
    for one in _layers(model):
        borders = _borders(one)
        if borders is not None:  # missing values are split off by the largest numbers
            met = {place for place, held in borders.items() if held and max(map(abs, held)) > HUGE}
            return frozenset(place for place, held in borders.items() if held) - met, frozenset(met)
        n, odd = Counter[int](), set[int]()
        for places, plain in _gap_splits(one):
            n.update(places.tolist())
            odd.update(places[~plain].tolist())
        if n:
            gapless = frozenset(one for one in n if n[one] >= FEWEST_SPLITS and one not in odd)
            return gapless, frozenset(odd if _library(_booster(one)) == "lightgbm" else ())
    return frozenset(), frozenset()


def _gap_splits(one: Any) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Yield the columns that are split, and whether as if none of their values were missing."""
    booster = _booster(one)
    if _library(one) == "sklearn" and getattr(one, "_preprocessor", None) is None:
        for tree in np.ravel(np.array(getattr(one, "estimators_", [one]), object))[:MOST_TREES]:
            held = getattr(tree, "tree_", None)
            left = getattr(held, "missing_go_to_left", None)
            if held is None or left is None or hasattr(one, "estimators_features_"):
                break
            inner, n = held.feature >= 0, held.n_node_samples
            larger = n[held.children_left[inner]] > n[held.children_right[inner]]
            yield held.feature[inner], left[inner].astype(bool) == larger
        for tree in chain.from_iterable(getattr(one, "_predictors", ())[:MOST_ROUNDS]):
            nodes = tree.nodes[tree.nodes["is_leaf"] == 0]
            n = tree.nodes["count"]
            larger = n[nodes["left"]] > n[nodes["right"]]
            yield nodes["feature_idx"], (nodes["missing_go_to_left"] == 1) == larger
    elif _library(booster) == "lightgbm":
        text = booster.model_to_string(num_iteration=MOST_ROUNDS)
        features = re.findall(r"^split_feature=(.*)$", text, re.M)
        kinds = re.findall(r"^decision_type=(.*)$", text, re.M)
        for places, kind in zip(features, kinds, strict=True):
            types = np.array(kind.split(), int)
            numeric = types & 1 == 0
            yield np.array(places.split(), int)[numeric], (types[numeric] >> 2) & 3 == 0
    elif _library(booster) == "xgboost":
        for tree in _rounds(booster):
            yield tree["split_indices"], tree["default_left"] == 0
