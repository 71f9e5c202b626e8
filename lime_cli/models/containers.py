"""Files that hold something else than one model: opened with ``--key``, or told apart in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, and_more
from lime_cli.models.encoders import (
    AsTheyAre,
    SideBySide,
    encoders_of,
    expanded,
    scaled_by_name,
    width_of,
)
from lime_cli.models.fitted import fitted
from lime_cli.models.sklearn import final

ANSWERS = ("predict_proba", "decision_function", "predict")

_FOLDER = (
    "optimum-cli export onnx --model {1} {1}-onnx, and explain {1}-onnx; or py:module:function"
)

EXPORTS = {
    "transformers.pipelines": 'if you made it: python -c "import joblib; '
    f"joblib.load({{0!r}}).save_pretrained('{{1}}')\"; then {_FOLDER}",
    "transformers": "save its model and its tokenizer with save_pretrained('{1}'); then " + _FOLDER,
    "setfit": "explain a function that calls it: py:module:function",
    "sentence_transformers": "explain a function that calls it: py:module:function",
    "simpletransformers": "give its output folder instead of the pickle; or py:module:function",
    "spacy": "explain a function that calls it: py:module:function",
    "flair": "explain a function that calls it: py:module:function",
    "fasttext": "explain a function that calls it: py:module:function",
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
        return _side_by_side(held, key.split(","), name)
    found = _under(held, key, name)
    if not can_predict(found):
        raise ModelError(
            f"{name}: under {key!r} is {what(found)}, which cannot predict", _keys(held)
        )
    beside = [one for one, child in _transformers(held) if child is not found]
    if not beside:
        return _with_columns(found, (), held)
    words = f"{_quoted(beside)} beside the model is not applied, as --key {key} asks for the model"
    return ModelInside(found, (CodedWarning("not_applied", words),))


def _side_by_side(held: Any, keys: list[str], name: str) -> ModelInside:
    """Return a model behind what stands under other keys, side by side in their order."""
    *parts, model = [(one, _under(held, one, name)) for one in keys]
    steps = _with_lists(parts)
    if not steps or not can_predict(model[1]) or not _beside(steps, model[1]):
        raise ModelError(
            f"{name}: --key {','.join(keys)}: side by side, the columns of the parts are not those "
            "of a model that comes last",
            _keys(held),
        )
    from sklearn.pipeline import Pipeline

    return ModelInside(
        Pipeline([("parts", SideBySide([one for _, one in steps])), ("model", model[1])])
    )


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
    if len(models) != 1 or not isinstance(held, (Mapping, list, tuple)):
        return None
    key, model = models[0]
    children, steps = _children(held), _transformers(held)
    encoders = encoders_of(children, _columns_of(held, [model, *(one for _, one in steps)]))
    if not steps and not encoders and not any(map(_transforms_inputs, children.values())):
        return model, _taken(held, key)
    parts = [*steps, models[0]]
    if not all(_fits(one, after) for (_, one), (_, after) in pairwise(parts)):
        columns = _columns_of(held, [model])
        by_name = scaled_by_name(encoders, dict(steps), columns)
        more = expanded([one for _, one in steps], columns) if encoders is None else None
        if by_name is not None:
            encoders, parts = by_name, [models[0]]
        elif more is not None:
            called = " and ".join(str(one) for one, _ in steps)
            parts = [(called, more), models[0]]
        else:
            return None
    if encoders is not None:
        parts = [(encoders.called, encoders), *parts]
    elif not steps:
        return None
    from sklearn.pipeline import Pipeline

    names = [str(name) for name, _ in parts[:-1]]
    chained = Pipeline([(f"{i} {one}", part) for i, (one, part) in enumerate(parts)])
    words = f"{_quoted(names)} is applied before {key!r}; --key {key} gives the model alone"
    return chained, (CodedWarning("chained", words),)


def _columns_of(held: Any, models: list[Any]) -> tuple[str, ...] | None:
    """Return the names of a table's columns that one of some models names, or a list beside it."""
    named = (fitted(one).columns for one in models)
    found = next((one for one in named if one is not None), None)
    return found or _with_columns(models[0], (), held).columns


def _transforms_inputs(one: Any) -> bool:
    """Tell what may have to be applied before the model; encoders of labels come after it."""
    labels = type(one).__name__ in ("LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer")
    return hasattr(one, "transform") and not can_predict(one) and not labels


def _taken(held: Any, key: Any) -> tuple[CodedWarning, ...]:
    others = ((one, child) for one, child in _children(held).items() if one != key)
    beside = [one for one, child in others if not _are_names(child)]
    if not beside:
        return ()
    names = and_more([repr(str(one)) for one in beside], SHOWN, " and ")
    words = f"{names} beside it is not applied"
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
    found = _child(held, key, missing)
    if found is missing:
        found = held
        for part in key.split("."):
            found = _child(found, part, missing)
            if found is missing:
                raise ModelError(f"{name}: holds {what(held)} without {key!r}", _keys(held))
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
        way = f"--key {models[0]} gives the model columns as they are"
        model, children = _child(held, models[0], None), _children(held)
        lists = [[], *([one] for one in children.items() if _are_names(one[1]))]
        fitting = [
            [str(key) for key, _ in (*_transformers(held), *more, (models[0], model))]
            for more in lists
            if _beside(_with_lists([*_transformers(held), *more]), model)
        ]
        if fitting:
            way = (
                "or, in the order in which the model was fitted on their columns side by side: "
                f"--key {','.join(fitting[0])}"
            )
        return ModelError(
            f"{name}: holds {what(held)} whose parts do not fit each other: "
            f"{_quoted(beside)}, {_quoted(models)}",
            f"save them as one pipeline; {way}",
        )
    if models:
        listed = ", ".join(str(one) for one in list(_children(held))[:SHOWN])
        return ModelError(
            f"{name}: holds {what(held)}: {listed}",
            "use " + " or ".join(f"--key {one}" for one in models[:SHOWN]),
        )
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
        return ModelError(
            f"{name}: holds {what(held)}, not a model", "save the fitted model itself"
        )
    return ModelError(f"{name}: holds {what(held)}, which cannot predict", "give the model itself")
