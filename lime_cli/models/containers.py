"""Files that hold something else than one model: opened with ``--key``, or told apart in words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, and_more
from lime_cli.models.boosters import as_estimator
from lime_cli.models.encoders import (
    AsTheyAre,
    Averaged,
    Calibrated,
    OfColumns,
    SideBySide,
    encoders_of,
    expanded,
    scaled_back,
    scaled_by_name,
    width_of,
)
from lime_cli.models.fitted import fitted
from lime_cli.models.model_file import FUNCTION, HEAD_BYTES, NAMES, NAMES_CLASSES, SUFFIXES, kind_of
from lime_cli.models.sklearn import final

ANSWERS = ("predict_proba", "decision_function", "predict")

_FOLDER = (
    "optimum-cli export onnx --model {1} {1}-onnx, and explain {1}-onnx; or py:module:function"
)

EXPORTS = {
    "transformers.pipelines": 'if you made it: python -c "import joblib; '
    f"joblib.load({{0!r}}).save_pretrained('{{1}}')\"; then {_FOLDER}",
    "transformers": "save its model and its tokenizer with save_pretrained('{1}'); then " + _FOLDER,
    "setfit": FUNCTION,
    "sentence_transformers": FUNCTION,
    "simpletransformers": "give its output folder instead of the pickle; or py:module:function",
    "spacy": FUNCTION,
    "flair": FUNCTION,
    "fasttext": FUNCTION,
    "fastai": "export learn.model to ONNX with torch.onnx.export; or py:module:function",
    "keras": "export it to ONNX: model.export('model.onnx', format='onnx')",
    "tensorflow": "export it to ONNX with tf2onnx",
    "torch": "export it to ONNX with torch.onnx.export",
}
"""Libraries whose models limex does not run, and the way to explain them, the outermost first."""


def export_of(modules: Iterable[str], name: str) -> tuple[str, str] | None:
    """Return the library that a file's model is of, and how it is explained; None for no such.

    ``modules`` are those of the classes in the file.
    """
    there = {".".join(one.split(".")[:n]) for one in modules for n in (1, 2)}
    found = next((one for one in EXPORTS if one in there), None)
    if found is None:
        return None
    return found.partition(".")[0], EXPORTS[found].format(name, name.partition(".")[0])


SHOWN = 8


class ModelInside(NamedTuple):
    """A model out of a file, and what the file says beside it."""

    model: Any
    warnings: tuple[CodedWarning, ...] = ()
    columns: tuple[str, ...] | None = None
    """Of a table, in the model's order, where a list of them lies beside it."""


def opened(held: Any, key: str | None, name: str) -> ModelInside:
    """Return the model in what a file holds, and what a reader must know of the choice.

    ``key`` is a dictionary's key, a place in a list, an attribute, or several of these with dots
    between; with commas between, those of transformers and of lists of columns to put side by side,
    and the model's.
    Without it the model is the thing itself, or the only model there is behind the transformers
    beside it, where each fits the next. Raises ModelError that names the keys there are, or says
    what the thing is instead.
    """
    # a pipeline of transformers has a predict, too, which takes texts one by one
    if key is None and can_predict(held) and not _is_of_transformers(held):
        return ModelInside(held)
    if key is None:
        chained = _chained(held)
        if chained is None:
            raise _no_model(held, name)
        return _with_columns(*chained, held)
    if "," in key:
        return _behind(held, key.split(","), name)
    above, _, last = key.rpartition(".")
    if last == MEAN and _at(held, key, None) is None:
        several = _under(held, above, name) if above else held
        if _are_alike(several):
            return ModelInside(Averaged([as_estimator(one) for one in _children(several).values()]))
    found = _under(held, key, name)
    if not can_predict(found):
        raise ModelError(
            f"{name}: under {key!r} is {what(found)}, which cannot predict", _keys(held)
        )
    beside = [(one, child) for one, child in _transformers(held) if child is not found]
    if not beside:
        return _with_columns(found, (), held)
    keys = [one for one, _ in beside]
    words = f"{_quoted(keys)} beside the model {_are(keys)} not applied, as --key {key} names it"
    if _line([*beside, (key, found)]):
        words += f"; --key {_listed(keys, key)} applies it first"
    return ModelInside(found, (CodedWarning("not_applied", words),))


def _are(names: Sized) -> str:
    """Return the verb that one name has, or several."""
    return "is" if len(names) == 1 else "are"


def _listed(keys: Iterable[Any], *more: Any) -> str:
    return ",".join(map(str, (*keys, *more)))


def _behind(held: Any, keys: list[str], name: str) -> ModelInside:
    """Return a model behind what stands under other keys: one after the other where each fits the
    next, else side by side in their order.
    """
    *parts, model = [(one, _under(held, one, name)) for one in keys]
    if can_predict(model[1]) and _line([*parts, model]):
        return ModelInside(_pipeline([*parts, model]))
    steps = _with_lists(_with_names(held, parts))
    if not steps or not can_predict(model[1]) or not _beside(steps, model[1]):
        raise ModelError(
            f"{name}: --key {','.join(keys)}: neither one after the other nor side by side are the "
            "columns of the parts those of a model that comes last",
            _keys(held),
        )
    words = (
        f"{_quoted(keys[:-1])} stand side by side before {keys[-1]!r} in the order of --key; the "
        "model does not tell whether it was fitted so"
    )
    before = SideBySide([one for _, one in steps])
    return ModelInside(
        _pipeline([(_listed(keys[:-1]), before), model]), (CodedWarning("chained", words),)
    )


def _line(parts: list[tuple[Any, Any]]) -> bool:
    """Tell whether the parts of a file, the model last, fit one after the other."""
    able = all(hasattr(one, "transform") for _, one in parts[:-1])
    return able and all(_fits(one, after) for (_, one), (_, after) in pairwise(parts))


def _pipeline(parts: list[tuple[Any, Any]]) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([(f"{i} {key}", one) for i, (key, one) in enumerate(parts)])


def _with_names(held: Any, parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Give transformers that were fitted on arrays their columns, where only one list fits each."""
    lists = [(str(key), tuple(one)) for key, one in _children(held).items() if _are_names(one)]
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


def _with_lists(parts: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Take, of lists among parts, the columns that no transformer among them takes."""
    taken = {str(one) for _, part in parts for one in getattr(part, "feature_names_in_", ())}
    return [
        (key, AsTheyAre([one for one in part if one not in taken]) if _are_names(part) else part)
        for key, part in parts
    ]


COLUMNS = re.compile(r"feature|column|cols|predictor|input|variable", re.IGNORECASE)
"""How a list of columns is called beside a model."""


def _with_columns(model: Any, warnings: tuple[CodedWarning, ...], held: Any) -> ModelInside:
    """Look for the columns of a model that names none in the only fitting list beside it."""
    told = fitted(model)
    if told.columns is not None or not isinstance(held, (Mapping, list, tuple)):
        return ModelInside(model, warnings)
    lists = {str(key): tuple(one) for key, one in _children(held).items() if _are_names(one)}
    fitting = {key: one for key, one in lists.items() if told.n_columns in (None, len(one))}
    called = {key: one for key, one in fitting.items() if COLUMNS.search(key)}
    found = called or ({} if told.n_columns is None else fitting)
    if len(set(found.values())) != 1:
        return ModelInside(model, warnings)
    key, columns = next(iter(found.items()))
    words = f"the model does not name its columns; {key!r} beside it does, in that order"
    return ModelInside(model, (*warnings, CodedWarning("columns_beside", words)), columns)


def _are_names(thing: Any) -> bool:
    """Tell a list, an array or an index of different words."""
    if isinstance(thing, (str, bytes, Mapping)) or not hasattr(thing, "__len__"):
        return False
    listed = thing.tolist() if hasattr(thing, "tolist") else thing
    if not isinstance(listed, (list, tuple)) or not listed:
        return False
    words = all(isinstance(one, str) for one in listed)
    return words and len(set(listed)) == len(listed)


def _chained(held: Any) -> tuple[Any, tuple[CodedWarning, ...]] | None:
    """Return the only model of a file, behind its transformers where each fits the next.

    None where there is no model or more than one, or where the parts do not fit.
    """
    models = [(key, one) for key, one in _children(held).items() if can_predict(one)]
    pair = _calibrated(held, models)
    if pair is not None:
        return pair
    if len(models) != 1 or not isinstance(held, (Mapping, list, tuple)):
        return None
    key, model = models[0][0], as_estimator(models[0][1])
    children, steps = _children(held), _transformers(held)
    back = _scales_back(held, model, steps)
    if back is not None:
        rest = {one: child for one, child in children.items() if one != back}
        chained = _chained({**rest, key: scaled_back(model, children[back])})
        if chained is None:
            return None
        words = f"{str(back)!r} is applied backwards to what {str(key)!r} predicts"
        return chained[0], (*chained[1], CodedWarning("chained", words))
    encoders = encoders_of(children, _columns_of(held, [model, *(one for _, one in steps)]))
    if not steps and not encoders and not any(map(_transforms_inputs, children.values())):
        return model, _taken(held, key)
    parts = [*steps, (key, model)]
    if not all(_fits(one, after) for (_, one), (_, after) in pairwise(parts)):
        columns = _columns_of(held, [model])
        by_name = scaled_by_name(encoders, dict(steps), columns)
        more = expanded([one for _, one in steps], columns) if encoders is None else None
        if by_name is not None:
            encoders, parts = by_name, [(key, model)]
        elif more is not None:
            called = " and ".join(str(one) for one, _ in steps)
            parts = [(called, more), (key, model)]
        else:
            return None
    if encoders is not None:
        parts = [(encoders.called, encoders), *parts]
    elif not steps:
        return None
    first = [one for one, _ in parts[:-1]]
    words = f"{_quoted(first)} {_are(first)} applied before {str(key)!r}; "
    words += f"--key {key} gives the model alone"
    return _pipeline(parts), (CodedWarning("chained", words), *_left_out(children))


AFTER = re.compile(r"(?i)thr|cut|log|exp|transform|inverse|offset|shift")
"""How a value is called that its owner applies to what a model predicts."""


def _left_out(children: Mapping[Any, Any]) -> tuple[CodedWarning, ...]:
    """Say what else lies there that may have to be applied after the model."""
    plain = (bool, int, float, str, np.generic)
    kept = [one for one, child in children.items() if isinstance(child, plain) and child]
    found = [one for one in kept if AFTER.search(str(one))]
    if not found:
        return ()
    words = f"{_quoted(found)} beside the model {_are(found)} not applied to what it predicts"
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
    rest = {one: child for one, child in _children(held).items() if one != key}
    chained = _chained({**rest, before: Calibrated(as_estimator(model), calibrator)})
    if chained is None:
        return None
    takes = "probabilities" if hasattr(model, "predict_proba") else "decision values"
    words = f"{str(key)!r} is applied to the {takes} of {str(before)!r}"
    words += f"; --key {before} gives the model alone"
    said = [one for one in chained[1] if one.code != "taken_from"]
    return chained[0], (*said, CodedWarning("chained", words))


OF_TARGET = re.compile(r"(?i)(?:^|_)(?:y|targets?|labels?|outputs?|prices?)(?:_|$)")
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
        spare = bool(others) and _line([*others, (None, model)])
        spare = spare and not _line([*steps, (None, model)])
        if getattr(one, "n_features_in_", 0) != 1 or not hasattr(one, "inverse_transform"):
            continue
        columns = _columns_of(held, [model, *(part for _, part in others)])
        own = [str(name) for name in getattr(one, "feature_names_in_", ())]
        foreign = own[0] not in columns if own and columns else spare
        if OF_TARGET.search(str(key)) or foreign:
            return key
    return None


def _columns_of(held: Any, models: list[Any]) -> tuple[str, ...] | None:
    """Return the names of a table's columns that one of some models names, or a list beside it."""
    named = (fitted(one).columns for one in models)
    found = next((one for one in named if one is not None), None)
    return found or _with_columns(models[0], (), held).columns


def _transforms_inputs(one: Any) -> bool:
    """Tell what may have to be applied before the model; encoders of labels come after it."""
    labels = type(one).__name__ in ("LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer")
    table = type(one).__module__.partition(".")[0] in ("pandas", "polars")
    return hasattr(one, "transform") and not can_predict(one) and not labels and not table


def classes_in(held: Any, model: Any) -> tuple[str, tuple[str, ...]] | None:
    """Return the key of the only encoder of labels that numbered a model's classes, and its names.

    It is called as such are, and the model knows as many classes as 0, 1, ...
    """
    children = {} if held is model else _children(held)
    found = [key for key, one in children.items() if _names_classes(key, one, model)]
    return (
        (str(found[0]), tuple(map(str, children[found[0]].classes_))) if len(found) == 1 else None
    )


def _names_classes(key: Any, one: Any, model: Any) -> bool:
    classes = getattr(model, "classes_", None)
    if type(one).__name__ != "LabelEncoder" or not hasattr(one, "classes_") or classes is None:
        return False
    numbers = [str(each) for each in classes] == [str(i) for i in range(len(one.classes_))]
    return numbers and re.search(NAMES_CLASSES, f"_{key}_") is not None


def _taken(held: Any, key: Any) -> tuple[CodedWarning, ...]:
    children = _children(held)
    others = ((one, child) for one, child in children.items() if one != key)
    beside = [
        one
        for one, child in others
        if not _are_names(child) and not _names_classes(one, child, children[key])
    ]
    if not beside:
        return ()
    names = and_more([repr(str(one)) for one in beside], SHOWN, " and ")
    words = f"{names} beside it {_are(beside)} not applied"
    return (CodedWarning("taken_from", f"{str(key)!r} of the file is explained; {words}"),)


def _transformers(held: Any) -> list[tuple[Any, Any]]:
    """List the fitted transformers of inputs that a file holds, in its order."""
    return [
        (key, one)
        for key, one in _children(held).items()
        if hasattr(one, "transform")
        and not isinstance(one, type)
        and not can_predict(one)
        and (hasattr(one, "n_features_in_") or hasattr(one, "vocabulary_"))
    ]


def _fits(one: Any, after: Any) -> bool:
    """Tell whether a transformer gives as many columns as what comes after it was fitted on."""
    return width_of(one) == fitted(after).n_columns


def _beside(steps: list[tuple[Any, Any]], model: Any) -> bool:
    """Tell whether what transformers make of columns that they name is, side by side, a model's."""
    named = all(hasattr(one, "feature_names_in_") for _, one in steps)
    return named and sum(width_of(one) for _, one in steps) == fitted(model).n_columns


def _quoted(names: list[Any]) -> str:
    return " and ".join(repr(str(one)) for one in names)


def can_predict(thing: Any) -> bool:
    """Tell whether a thing answers the scikit-learn way."""
    return not isinstance(thing, type) and any(hasattr(thing, method) for method in ANSWERS)


def check_fitted(model: Any, name: str) -> None:
    """Raise ModelError for a scikit-learn model that was saved before ``fit``."""
    if not type(final(model)).__module__.startswith("sklearn."):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ModelError(
            f"{name}: the model is not fitted ({type(model).__name__})",
            "call fit before it is saved or explained",
        ) from None
    except Exception:  # a wrapper that cannot tell will say so when it predicts
        return


def what(thing: Any) -> str:
    """Name a thing: ``a sklearn StandardScaler``, ``a dict``."""
    kind = type(thing)
    if thing is None:
        return "nothing"
    if kind.__module__ == "builtins":
        return f"an {kind.__name__}" if kind is int else f"a {kind.__name__}"
    return f"a {kind.__module__.split('.')[0]} {kind.__name__}"


def _under(held: Any, key: str, name: str) -> Any:
    missing = object()
    found = _at(held, key, missing)
    if found is missing:
        raise ModelError(f"{name}: holds {what(held)} without {key!r}", _keys(held))
    return found


def _at(held: Any, key: str, default: Any) -> Any:
    """Return what stands under a key, or under keys in keys joined by points."""
    found = _child(held, key, default)
    if found is default:
        found = held
        for part in key.split("."):
            found = _child(found, part, default)
            if found is default:
                break
    return found


def _child(held: Any, key: str, default: Any) -> Any:
    children = _children(held)
    return next((value for one, value in children.items() if str(one) == key), default)


def _children(held: Any) -> dict[Any, Any]:
    if isinstance(held, Mapping):
        return dict(held)
    if isinstance(held, (list, tuple)):
        return dict(enumerate(held))
    return dict(getattr(held, "__dict__", {}))


def _keys(held: Any) -> str:
    names = [str(one) for one in _children(held)]
    return f"it has {and_more(names, SHOWN)}" if names else "it is empty"


def _is_of_transformers(held: Any) -> bool:
    return any(base.__module__.startswith("transformers.") for base in type(held).__mro__)


def of_another(name: str, library: str, way: str) -> ModelError:
    """Word that a file holds a model of a library that limex does not run."""
    return ModelError(f"{name}: holds a {library} model, which limex does not run", way)


def _no_model(held: Any, name: str) -> ModelError:
    library = type(held).__module__.split(".")[0]
    foreign = export_of((base.__module__ for base in type(held).__mro__), name)
    if foreign is not None:
        return of_another(name, *foreign)
    models = [str(one) for one, child in _children(held).items() if can_predict(child)]
    beside = [one for one, _ in _transformers(held)]
    if models and beside:
        way = (
            "or explain a function that applies them: py:module:function; "
            f"--key {models[0]} gives the model the columns of a table that was prepared already"
        )
        model, children = _child(held, models[0], None), _children(held)
        lists = [[], *([one] for one in children.items() if _are_names(one[1]))]
        named = _with_names(held, _transformers(held))
        fitting = [
            [str(key) for key, _ in (*named, *more, (models[0], model))]
            for more in lists
            if _beside(_with_lists([*named, *more]), model)
        ]
        if fitting:
            *parts, last = fitting[0]
            ways = [[*parts, last], [*reversed(parts), last]]
            way = (
                "or, in the order in which the model was fitted on their columns side by side: "
                + " or ".join(f"--key {_listed(one)}" for one in ways)
            )
        return ModelError(
            f"{name}: holds {what(held)} whose parts do not fit each other: "
            f"{_quoted(beside)}, {_quoted(models)}",
            f"save them as one pipeline; {way}",
        )
    if models:
        listed = ", ".join(str(one) for one in list(_children(held))[:SHOWN])
        way = "use " + " or ".join(f"--key {one}" for one in models[:SHOWN])
        if _are_alike(held):
            way += f"; --key {MEAN} explains the mean of what they predict"
        return ModelError(f"{name}: holds {what(held)}: {listed}", way)
    if library == "pandas":
        return ModelError(f"{name}: holds {what(held)}, not a model", "give it as DATA")
    if hasattr(held, "transform"):
        return ModelError(
            f"{name}: holds {what(held)}, which transforms inputs and cannot predict",
            "save the whole pipeline, the model at its end",
        )
    if isinstance(held, type):
        return ModelError(f"{name}: holds the class {held.__name__}", "save a fitted model of it")
    if library == "builtins":
        return _nothing_there(held, name)
    if hasattr(held, "fit_predict"):
        return ModelError(
            f"{name}: holds {what(held)}, which labels only the rows that it was fitted on",
            "fit it with novelty=True"
            if hasattr(held, "novelty")
            else "save a classifier that was fitted on its labels",
        )
    return ModelError(
        f"{name}: holds {what(held)}, which has no predict", f"save the model itself, or {FUNCTION}"
    )


MEAN = "mean"
"""The key that means all models of a list, such as those of folds."""


def _are_alike(held: Any) -> bool:
    """Tell several models of one kind and of the same classes, and nothing else."""
    models = list(_children(held).values())
    if len(models) < 2 or not isinstance(held, (Mapping, list, tuple)):
        return False
    if not all(map(can_predict, models)) or len({type(one) for one in models}) > 1:
        return False
    return len({str(getattr(one, "classes_", "")) for one in models}) == 1


DEEPEST = 3
"""Levels of a dictionary in a dictionary that are looked through."""


def _nothing_there(held: Any, name: str) -> ModelError:
    """Word that a file holds no model where one is looked for, and where there is one."""
    deeper = list(_deeper(held))[:SHOWN]
    if deeper:
        before = [key for key, one in _transformers(held)]
        ways = [
            _listed(before, key) if before and _line([*_transformers(held), (key, one)]) else key
            for key, one in deeper
        ]
        for above in dict.fromkeys(key.rpartition(".")[0] for key, _ in deeper):
            ways += [f"{above}.{MEAN}, their mean"] * _are_alike(_under(held, above, name))
        return ModelError(
            f"{name}: holds {what(held)} with models deeper inside",
            "use " + " or ".join(f"--key {one}" for one in ways),
        )
    for key, one in _children(held).items():
        blob = one.encode("utf-8", "replace") if isinstance(one, str) else one
        kind = _kind_of(bytes(blob)) if isinstance(blob, (bytes, bytearray)) else None
        if kind is not None:
            word, suffix = kind
            code = f"d = joblib.load({name!r})[{key!r}]; open({'model' + suffix!r}, 'wb').write("
            code += "d.encode())" if isinstance(one, str) else "d)"
            command = shlex.join(["python", "-c", f"import joblib; {code}"])
            return ModelError(
                f"{name}: holds the file of {word} under {str(key)!r}",
                f"write that to a file of its own, and explain that: {command}",
            )
    return ModelError(f"{name}: holds {what(held)}, not a model", "save the fitted model itself")


def _deeper(held: Any, levels: int = DEEPEST) -> Iterator[tuple[str, Any]]:
    """Yield models in containers in containers, with their keys."""
    for key, child in _children(held).items():
        if can_predict(child):
            yield str(key), child
        elif levels and isinstance(child, (Mapping, list, tuple)):
            yield from ((f"{key}.{below}", one) for below, one in _deeper(child, levels - 1))


def _kind_of(blob: bytes) -> tuple[str, str] | None:
    """Return what kind of model file some bytes are, and what its name ends with."""
    kind = kind_of(blob[:HEAD_BYTES]) if len(blob) >= HEAD_BYTES else None
    if kind is None:
        return None
    endings = {own: suffix for suffix, own in reversed(SUFFIXES.items())}
    return NAMES[kind], endings.get(kind, ".txt")
