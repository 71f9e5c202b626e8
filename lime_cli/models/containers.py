"""Files that hold something else than one model: opened with ``--key``, or told apart in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, and_more
from lime_cli.models.boosters import as_estimator
from lime_cli.models.chains import (
    ModelInside,
    are,
    chain,
    fit_beside,
    in_line,
    joined,
    pipeline,
    side_by_side,
    with_columns,
    with_lists,
    with_names,
)
from lime_cli.models.encoders import Averaged
from lime_cli.models.model_file import FUNCTION, HEAD_BYTES, NAMES, SUFFIXES, kind_of
from lime_cli.models.parts import (
    SHOWN,
    are_names,
    can_predict,
    children_of,
    quoted,
    transformers_of,
    what,
)

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
        chained = chain(held)
        if chained is None:
            raise _no_model(held, name)
        return with_columns(*chained, held)
    if "," in key:
        return _behind(held, key.split(","), name)
    above, _, last = key.rpartition(".")
    if last == MEAN and _at(held, key, None) is None:
        several = _under(held, above, name) if above else held
        if _are_alike(several):
            return ModelInside(
                Averaged([as_estimator(one) for one in children_of(several).values()])
            )
    found = _under(held, key, name)
    if not can_predict(found):
        raise ModelError(
            f"{name}: under {key!r} is {what(found)}, which cannot predict", _keys(held)
        )
    beside = [(one, child) for one, child in transformers_of(held) if child is not found]
    if not beside:
        return with_columns(found, (), held)
    keys = [one for one, _ in beside]
    words = f"{quoted(keys)} beside the model {are(keys)} not applied, as --key {key} names it"
    if in_line([*beside, (key, found)]):
        words += f"; --key {joined(keys, key)} applies it first"
    return ModelInside(found, (CodedWarning("not_applied", words),))


def _behind(held: Any, keys: list[str], name: str) -> ModelInside:
    """Return a model behind what stands under other keys: one after the other where each fits the
    next, else side by side in their order.
    """
    *parts, model = [(one, _under(held, one, name)) for one in keys]
    if can_predict(model[1]) and in_line([*parts, model]):
        return ModelInside(pipeline([*parts, model]))
    found = side_by_side(parts, model, held, "--key") if can_predict(model[1]) else None
    if found is None:
        raise ModelError(
            f"{name}: --key {','.join(keys)}: neither one after the other nor side by side are the "
            "columns of the parts those of a model that comes last",
            _keys(held),
        )
    return found


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
    children = children_of(held)
    return next((value for one, value in children.items() if str(one) == key), default)


def _keys(held: Any) -> str:
    names = [str(one) for one in children_of(held)]
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
    models = [str(one) for one, child in children_of(held).items() if can_predict(child)]
    beside = [one for one, _ in transformers_of(held)]
    if models and beside:
        way = (
            "or explain a function that applies them: py:module:function; "
            f"--key {models[0]} gives the model the columns of a table that was prepared already"
        )
        model, children = _child(held, models[0], None), children_of(held)
        lists = [[], *([one] for one in children.items() if are_names(one[1]))]
        named = with_names(held, transformers_of(held))
        fitting = [
            [str(key) for key, _ in (*named, *more, (models[0], model))]
            for more in lists
            if fit_beside(with_lists([*named, *more]), model)
        ]
        if fitting:
            *parts, last = fitting[0]
            ways = [[*parts, last], [*reversed(parts), last]]
            way = (
                "or, in the order in which the model was fitted on their columns side by side: "
                + " or ".join(f"--key {joined(one)}" for one in ways)
            )
        return ModelError(
            f"{name}: holds {what(held)} whose parts do not fit each other: "
            f"{quoted(beside)}, {quoted(models)}",
            f"save them as one pipeline; {way}",
        )
    if models:
        listed = ", ".join(str(one) for one in list(children_of(held))[:SHOWN])
        way = "use " + " or ".join(f"--key {one}" for one in models[:SHOWN])
        if _are_alike(held):
            way += f"; --key {MEAN} explains the mean of what they predict"
        return ModelError(f"{name}: holds {what(held)}: {listed}", way)
    if library == "pandas":
        return ModelError(f"{name}: holds {what(held)}, not a model", "give it as DATA")
    if hasattr(held, "transform"):
        return ModelError(
            f"{name}: holds {what(held)}, which transforms inputs and cannot predict",
            f"give the model that was fitted behind it as MODEL, and --transformer {name}",
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
    models = list(children_of(held).values())
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
        before = [key for key, one in transformers_of(held)]
        ways = [
            joined(before, key) if before and in_line([*transformers_of(held), (key, one)]) else key
            for key, one in deeper
        ]
        for above in dict.fromkeys(key.rpartition(".")[0] for key, _ in deeper):
            ways += [f"{above}.{MEAN}, their mean"] * _are_alike(_under(held, above, name))
        return ModelError(
            f"{name}: holds {what(held)} with models deeper inside",
            "use " + " or ".join(f"--key {one}" for one in ways),
        )
    for key, one in children_of(held).items():
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
    for key, child in children_of(held).items():
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
