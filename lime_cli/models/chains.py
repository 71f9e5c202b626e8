"""Parts of a file that follow each other: encoders, scalers, a model and its list of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import and_more
from lime_cli.models.boosters import as_estimator
from lime_cli.models.encoders import (
    AsTheyAre,
    Calibrated,
    OfColumns,
    SideBySide,
    WithNames,
    dense,
    encoders_of,
    expanded,
    made_by,
    makes_sparse,
    refuses_sparse,
    scaled_back,
    scaled_by_name,
    width_of,
)
from lime_cli.models.fitted import fitted
from lime_cli.models.model_file import NAMES_CLASSES
from lime_cli.models.parts import (
    SHOWN,
    are_names,
    can_predict,
    can_transform,
    children_of,
    quoted,
    transformers_of,
)


class ModelInside(NamedTuple):
    """A model out of a file, and what the file says beside it."""

    model: Any
    warnings: tuple[CodedWarning, ...] = ()
    columns: tuple[str, ...] | None = None
    """Of a table, in the model's order, where a list of them lies beside it."""


def chain(held: Any, last: Any = None) -> tuple[Any, tuple[CodedWarning, ...]] | None:
    """Return the only model of a file, behind its transformers where each fits the next.

    None where there is no model or more than one, or where the parts do not fit. ``last`` is the
    key of the model where all that transforms is meant to stand before it.
    """
    models = [(key, one) for key, one in children_of(held).items() if can_predict(one)]
    if last is not None:
        models = [(last, held[last])]
    pair = _calibrated(held, models)
    if pair is not None:
        return pair
    if len(models) != 1 or not isinstance(held, (Mapping, list, tuple)):
        return None
    key, model = models[0][0], as_estimator(models[0][1])
    children, steps = children_of(held), transformers_of(held, last)
    back = _scales_back(held, model, steps)
    if back is not None:
        rest = {one: child for one, child in children.items() if one != back}
        chained = chain({**rest, key: scaled_back(model, children[back])}, last)
        if chained is None:
            return None
        words = f"{str(back)!r} is applied backwards to what {str(key)!r} predicts"
        return chained[0], (*chained[1], CodedWarning("chained", words))
    encoders = encoders_of(children, columns_of(held, [model, *(one for _, one in steps)]))
    if not steps and not encoders and not any(map(_may_come_first, children.values())):
        return model, _taken(held, key)
    parts = [*steps, (key, model)]
    if not in_line(parts):
        tails = (parts[i:] for i in range(1, len(parts)) if in_line(parts[i:]))
        found = (_by_name(held, steps[: len(parts) - len(tail)], tail) for tail in tails)
        named = next((one for one in found if one is not None), None)
        if named is None:
            return None
        encoders, parts = None, named
    if encoders is not None:
        parts = [(encoders.called, encoders), *parts]
    elif not steps:
        return None
    first = [one for called, _ in parts[:-1] for one in str(called).split(" and ")]
    words = f"{quoted(first)} {are(first)} applied before {str(key)!r}"
    words += f"; --key {key} gives the model alone" if last is None else ""
    return pipeline(parts), (CodedWarning("chained", words), *_left_out(children))


def _by_name(
    held: Any, steps: list[tuple[Any, Any]], tail: list[tuple[Any, Any]]
) -> list[tuple[Any, Any]] | None:
    """Put before a model, or before the steps that end in it, what names some of its columns."""
    columns = columns_of(held, [tail[0][1]])
    encoders = encoders_of(children_of(held), columns)
    by_name = scaled_by_name(encoders, dict(steps), columns)
    if by_name is not None:
        return [(by_name.called, by_name), *tail]
    more = expanded([one for _, one in steps], columns) if encoders is None else None
    return None if more is None else [(" and ".join(str(one) for one, _ in steps), more), *tail]


AFTER = re.compile(r"(?i)thr|cut|log|exp|transform|inverse|offset|shift")
"""How a value is called that its owner applies to what a model predicts."""


def _left_out(children: Mapping[Any, Any]) -> tuple[CodedWarning, ...]:
    """Say what else lies there that may have to be applied after the model."""
    plain = (bool, int, float, str, np.generic)
    kept = [one for one, child in children.items() if isinstance(child, plain) and child]
    found = [one for one in kept if AFTER.search(str(one))]
    if not found:
        return ()
    words = f"{quoted(found)} beside the model {are(found)} not applied to what it predicts"
    return (CodedWarning("not_applied", f"{words}; explain a function that does: py:module:name"),)


def _calibrated(
    held: Any, models: list[tuple[Any, Any]]
) -> tuple[Any, tuple[CodedWarning, ...]] | None:
    """Chain a classifier of two classes and what calibrates its probabilities; None without."""
    last = [one for one in models if re.search("(?i)calib|platt|isotonic", str(one[0]))]
    if len(models) != 2 or len(last) != 1:
        return None
    key, calibrator = last[0]
    ((before, model),) = [one for one in models if one[0] != key]
    one_column = getattr(calibrator, "n_features_in_", 1) == 1
    if not one_column or len(getattr(model, "classes_", ())) != 2:
        return None
    rest = {one: child for one, child in children_of(held).items() if one != key}
    chained = chain({**rest, before: Calibrated(as_estimator(model), calibrator)})
    if chained is None:
        return None
    takes = "probabilities" if hasattr(model, "predict_proba") else "decision values"
    words = f"{str(key)!r} is applied to the {takes} of {str(before)!r}"
    words += f"; --key {before} gives the model alone"
    said = [one for one in chained[1] if one.code != "taken_from"]
    return chained[0], (*said, CodedWarning("chained", words))


OF_TARGET = re.compile(r"(?i)(?:^|_)(?:y|targets?|labels?|outputs?|prices?)(?:_|\.|$)")
"""How a scaler is called that was fitted on what a model predicts."""


def _scales_back(held: Any, model: Any, steps: list[tuple[Any, Any]]) -> Any:
    """Return the key of the scaler of a regression's target; None where there is none.

    Its name says so, or it names a column that neither the model nor what comes before it takes,
    or the others fit the model without it.
    """
    if hasattr(model, "classes_"):
        return None
    for key, one in steps:
        others = [pair for pair in steps if pair[0] != key]
        spare = bool(others) and in_line([*others, (None, model)])
        spare = spare and not in_line([*steps, (None, model)])
        if getattr(one, "n_features_in_", 0) != 1 or not hasattr(one, "inverse_transform"):
            continue
        columns = columns_of(held, [model, *(part for _, part in others)])
        own = [str(name) for name in getattr(one, "feature_names_in_", ())]
        foreign = own[0] not in columns if own and columns else spare
        if OF_TARGET.search(str(key)) or foreign:
            return key
    return None


def columns_of(held: Any, models: list[Any]) -> tuple[str, ...] | None:
    """Return the names of a table's columns that one of some models names, or a list beside it."""
    named = (fitted(one).columns for one in models)
    found = next((one for one in named if one is not None), None)
    return found or with_columns(models[0], (), held).columns


COLUMNS = re.compile(r"feature|column|cols|predictor|input|variable", re.IGNORECASE)
"""How a list of columns is called beside a model."""


def with_columns(model: Any, warnings: tuple[CodedWarning, ...], held: Any) -> ModelInside:
    """Look for the columns of a model that names none in the only fitting list beside it."""
    told = fitted(model)
    if told.columns is not None or not isinstance(held, (Mapping, list, tuple)):
        return ModelInside(model, warnings)
    lists = {str(key): tuple(one) for key, one in children_of(held).items() if are_names(one)}
    fitting = {key: one for key, one in lists.items() if told.n_columns in (None, len(one))}
    called = {key: one for key, one in fitting.items() if COLUMNS.search(key)}
    found = called or ({} if told.n_columns is None else fitting)
    if len(set(found.values())) != 1:
        return ModelInside(model, warnings)
    key, columns = next(iter(found.items()))
    words = f"the model does not name its columns; {key!r} beside it does, in that order"
    return ModelInside(model, (*warnings, CodedWarning("columns_beside", words)), columns)


def _may_come_first(one: Any) -> bool:
    """Tell what may have to be applied before the model; encoders of labels come after it."""
    return can_transform(one) and not can_predict(one)


def scales_in(held: Any, model: Any) -> tuple[tuple[str, ...], ...]:
    """Return the words of all label encoders that a file holds beside its model, in their order."""
    found: dict[tuple[str, ...], None] = {}
    children = {} if held is model else children_of(held)
    for one in children.values():
        inner = children_of(one).values() if isinstance(one, (Mapping, list, tuple)) else [one]
        for part in inner:
            if type(part).__name__ == "LabelEncoder" and hasattr(part, "classes_"):
                found[tuple(map(str, part.classes_))] = None
    return tuple(found)


def classes_in(held: Any, model: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return the key of the only encoder of labels that numbered a model's classes, and its names.

    It is called as such are, and the model knows as many classes as 0, 1, ...
    """
    children = {} if held is model else children_of(held)
    found = [key for key, one in children.items() if _names_classes(key, one, model)]
    alike = [key for key in children if re.match(OF_A_COLUMN, str(key))]
    if len(alike) > 1 or len(found) > 1:
        found = [key for key in found if key not in alike]
    return (
        (str(found[0]), tuple(map(str, children[found[0]].classes_))) if len(found) == 1 else None
    )


OF_A_COLUMN = r"(?i)(le|lb|enc|encoder)[_.-](?!y$|target|label|class)."
"""How encoders of columns are called where there are several."""


def _names_classes(key: Any, one: Any, model: Any) -> bool:
    return numbers_classes(one, model) and re.search(NAMES_CLASSES, f"_{key}_") is not None


def numbers_classes(one: Any, model: Any) -> bool:
    """Tell a label encoder of as many words as a model has classes, which are 0, 1, ..."""
    classes = getattr(model, "classes_", None)
    if type(one).__name__ != "LabelEncoder" or not hasattr(one, "classes_") or classes is None:
        return False
    return [str(each) for each in classes] == [str(i) for i in range(len(one.classes_))]


def _taken(held: Any, key: Any) -> tuple[CodedWarning, ...]:
    children = children_of(held)
    others = ((one, child) for one, child in children.items() if one != key)
    beside = [
        one
        for one, child in others
        if not are_names(child) and not _names_classes(one, child, children[key])
    ]
    if not beside:
        return ()
    names = and_more([repr(str(one)) for one in beside], SHOWN, " and ")
    words = f"{names} beside it {are(beside)} not applied"
    return (CodedWarning("taken_from", f"{str(key)!r} of the file is explained; {words}"),)


def likely_order(steps: list[tuple[Any, Any]], model: Any) -> list[Any]:
    """Return keys of transformers so that as many as can be fit each other and the model."""
    left, found, after = dict(steps), list[Any](), model
    while (key := next((key for key, one in left.items() if _fits(one, after)), None)) is not None:
        found.insert(0, key)
        after = left.pop(key)
    return [*left, *found]


def in_line(parts: list[tuple[Any, Any]]) -> bool:
    """Tell whether the parts of a file, the model last, fit one after the other."""
    able = all(hasattr(one, "transform") for _, one in parts[:-1])
    return able and all(_fits(one, after) for (_, one), (_, after) in pairwise(parts))


def pipeline(parts: list[tuple[Any, Any]]) -> Any:
    """Return parts as one model: each is given what the one before makes."""
    from sklearn.pipeline import Pipeline

    key, model = parts[-1]
    columns = fitted(model).columns
    if columns and _insists_on_names(model):
        parts = [*parts[:-1], ("names", WithNames(columns)), (key, model)]
    elif any(makes_sparse(one) for _, one in parts[:-1]) and refuses_sparse(model):
        parts = [*parts[:-1], dense(), (key, model)]
    return Pipeline([(f"{i} {key}", one) for i, (key, one) in enumerate(parts)])


def _insists_on_names(model: Any) -> bool:
    """Tell a model that takes no array in the place of the data frame that it was fitted on."""
    own = getattr(model, "best_estimator_", model)
    return hasattr(own, "steps") or type(own).__module__.partition(".")[0] == "xgboost"


def with_names(held: Any, parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Give transformers that were fitted on arrays their columns, where only one list fits each."""
    lists = [(str(key), tuple(one)) for key, one in children_of(held).items() if are_names(one)]
    found = []
    for key, part in parts:
        if hasattr(part, "transform") and not hasattr(part, "feature_names_in_"):
            fitting = [one for one in lists if len(one[1]) == getattr(part, "n_features_in_", -1)]
            words = hasattr(part, "categories_")
            meant = [one for one in fitting if bool(OF_WORDS.search(one[0])) == words]
            if len({names for _, names in meant}) == 1:
                part = OfColumns(part, meant[0][1])
        found.append((key, part))
    return found


OF_WORDS = re.compile(r"cat|obj|nominal|str|word|discrete|dummy|one_?hot|ohe", re.IGNORECASE)
"""How a list of the columns is called that hold words."""


def with_lists(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Take, of lists among parts, the columns that no transformer among them takes."""
    taken = {str(one) for _, part in parts for one in getattr(part, "feature_names_in_", ())}
    return [
        (key, AsTheyAre([one for one in part if one not in taken]) if are_names(part) else part)
        for key, part in parts
    ]


def _fits(one: Any, after: Any) -> bool:
    """Tell whether a transformer gives what comes after it as many columns as that was fitted on,
    and none of them at the place of another.
    """
    told, made = fitted(after), made_by(one)
    kept = made == list(map(str, getattr(one, "feature_names_in_", ())))
    return width_of(one) == told.n_columns and not _elsewhere(made, told.columns or (), kept)


def _elsewhere(made: Sequence[str], wanted: Sequence[str], kept: bool) -> bool:
    """Tell whether columns of the same names stand at other places, or some are others where all
    names are ``kept``; names that have nothing in common tell nothing.
    """
    at = {name: place for place, name in enumerate(wanted)}
    if kept and 0 < len({*made} & {*wanted}) < len(wanted):
        return True
    return any(at.get(name, place) != place for place, name in enumerate(made))


def side_by_side(
    steps: list[tuple[Any, Any]], model: tuple[Any, Any], held: Any, option: str
) -> ModelInside | None:
    """Return a model behind transformers that stand side by side, in the order of an option; None
    where they do not fit it so.
    """
    found = with_lists(with_names(held, steps))
    if len(found) < 2 or not fit_beside(found, model[1]):
        return None
    keys = [key for key, _ in found]
    words = (
        f"{quoted(keys)} stand side by side before {str(model[0])!r} in the order of {option}; the "
        "model does not tell whether it was fitted so"
    )
    before = SideBySide([one for _, one in found])
    return ModelInside(pipeline([(joined(keys), before), model]), (CodedWarning("chained", words),))


def handed_on(model: Any) -> bool:
    """Tell a pipeline whose steps before the model keep columns at their places."""
    inner = [one for _, one in getattr(model, "steps", [])[:-1]]
    return bool(inner) and all(map(_keeps_places, inner))


def _keeps_places(one: Any) -> bool:
    given = [f"c{i}" for i in range(int(getattr(one, "n_features_in_", 0)))]
    try:
        return bool(given) and list(one.get_feature_names_out(given)) == given
    except Exception:  # not every transformer can tell
        return False


def fit_beside(steps: list[tuple[Any, Any]], model: Any) -> bool:
    """Tell whether what transformers make of columns that they name is, side by side, a model's."""
    named = all(hasattr(one, "feature_names_in_") for _, one in steps)
    return named and sum(width_of(one) for _, one in steps) == fitted(model).n_columns


def are(names: Sized) -> str:
    """Return the verb that one name has, or several."""
    return "is" if len(names) == 1 else "are"


def joined(keys: Iterable[Any], *more: Any) -> str:
    """Return keys as ``--key`` takes several."""
    return ",".join(map(str, (*keys, *more)))
