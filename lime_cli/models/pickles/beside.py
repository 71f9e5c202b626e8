"""Pickles beside a model: the vectorizer of its texts, the names of its classes, and others.

Nobody named these files, so they are loaded only if all that is in them is on the list of what is
safe, however much the model's own file is trusted.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.models.bag_of_words import is_vectorizer
from lime_cli.models.before import advised
from lime_cli.models.encoders import dense, makes_sparse, refuses_sparse, width_of
from lime_cli.models.model_file import (
    APPLIED_FIRST,
    ENCODERS,
    LISTS_COLUMNS,
    NAMES_CLASSES,
    VECTORIZERS,
    ModelFile,
    pickles_beside,
)
from lime_cli.models.parts import can_predict, children_of
from lime_cli.models.predictor import Way

TRIED = 4
"""Files beside a model that are opened."""

Load = Callable[[Path], object]
"""Loads a file that nobody named; None for what may not be loaded."""

Said = tuple[CodedWarning, ...]


def takes_an_array(model: Any) -> bool:
    """Tell a model that was fitted on an array of columns, and of which nothing says where from."""
    named = getattr(model, "feature_names_in_", None) is not None
    return (
        bool(getattr(model, "n_features_in_", None)) and not named and not hasattr(model, "steps")
    )


def own_columns(model: Any) -> frozenset[str]:
    """Return the names of columns that a model takes, of which nothing in it makes others."""
    inner = getattr(model, "best_estimator_", model)
    names = () if hasattr(inner, "steps") else getattr(model, "feature_names_in_", ())
    return frozenset(map(str, names))


def belonging(file: ModelFile, columns: frozenset[str], load: Load) -> tuple[str, ...]:
    """Name the files beside a model that may belong before it.

    Before one that names its ``columns`` it is what takes some of them, each into one.
    """
    found = pickles_beside(file.path, APPLIED_FIRST)
    if not columns:
        lists = pickles_beside(file.path, LISTS_COLUMNS) if found else ()
        return tuple(dict.fromkeys((*found, *lists)))
    return tuple(one for one in found[:TRIED] if _takes(_opened(file, one, load), columns))


def _takes(held: Any, columns: frozenset[str]) -> bool:
    if isinstance(held, dict) and {*map(str, held)} & columns:
        return True
    names = [{*map(str, getattr(one, "feature_names_in_", ()))} for one in _inside(held)]
    return any(one and one <= columns for one in names)


def opened_beside(file: ModelFile, load: Load) -> list[tuple[str, Any]]:
    """Return what lies beside a model and may stand before it, by the files' names: transformers,
    a vectorizer of texts first; nothing where there is no vectorizer.
    """
    named = pickles_beside(file.path, VECTORIZERS)[:TRIED]
    found = [(name, one) for name in named for one in _inside(_opened(file, name, load))]
    if not any(_reads_texts(one) for _, one in found):
        return []
    more = [name for name in pickles_beside(file.path, APPLIED_FIRST) if name not in named]
    found += [(name, one) for name in more[:TRIED] for one in _inside(_opened(file, name, load))]
    return sorted(found, key=lambda one: not _reads_texts(one[1]))


def behind_vectorizer(
    model: Any, file: ModelFile, beside: list[tuple[str, Any]], others: Said
) -> tuple[Any, ModelFile, Said]:
    """Put a model of an array's columns behind the only vectorizer ``beside`` it that makes as
    many, with what lies there and fits between them.

    Else say what of ``others`` beside it may belong before it.
    """
    if not takes_an_array(model):
        return model, file, others
    n = int(model.n_features_in_)
    steps = _steps(beside, n) if file.key is None else []
    if not steps:
        return model, file, others
    from sklearn.pipeline import Pipeline

    sparse = any(makes_sparse(one) for _, one in steps)
    between = [dense()] if sparse and refuses_sparse(model) else []
    listed, several = " and ".join(repr(name) for name, _ in steps), len(steps) > 1
    words = (
        f"{listed} beside the model {'are' if several else 'is'} applied before it, as "
        f"{'they make' if several else 'it makes'} the {n:,} numbers that the model takes; texts "
        "go in as they are: what a program does to texts first is not known"
    )
    file = file._replace(vectorizers=tuple(_beside(file.path, name) for name, _ in steps))
    return Pipeline([*steps, *between, ("model", model)]), file, (CodedWarning("chained", words),)


def _steps(beside: list[tuple[str, Any]], n: int) -> list[tuple[str, Any]]:
    """Return what makes n columns of texts, by the files' names; nothing if that is not clear."""
    found = [(name, one) for name, one in beside if _reads_texts(one)]
    if len(found) != 1:
        return []
    width = int(found[0][1].transform(["a"]).shape[1])
    between = [
        (name, one)
        for name, one in beside
        if not _reads_texts(one) and getattr(one, "n_features_in_", None) in (width, n)
    ]
    widths = [width, *(width_of(one) for _, one in between)]
    taken = [*(one.n_features_in_ for _, one in between), n]
    return [*found, *between] if len(between) < 2 and widths == taken else []


def with_names(way: Way, file: ModelFile, load: Load) -> tuple[ModelFile, Said]:
    """Name the classes of a model of texts, where they are numbers, as the only fitting label
    encoder beside it does; else say which file may name them.
    """
    classes = way.stated.classes or ()
    numbers = tuple(map(str, range(len(classes))))
    found = pickles_beside(file.path, ENCODERS)
    if not found or file.classes or way.input.kind != "text" or classes != numbers or not classes:
        return file, ()
    naming = {
        name: names
        for name in found[:TRIED]
        if (names := _names_in(_opened(file, name, load))) and len(names) == len(classes)
    }
    if len(naming) == 1:
        ((name, names),) = naming.items()
        words = f"classes are called as {name!r} beside the model has them; --classes changes this"
        return file._replace(classes=names), (CodedWarning("classes_assumed", words),)
    found = pickles_beside(file.path, NAMES_CLASSES)
    if not found:
        return file, ()
    place = _beside(file.path, found[0])
    code = f"import joblib; print(*joblib.load({place!r}).classes_, sep=',')"
    told = f'python -c "{code}" prints them for --classes'
    if _opened(file, found[0], load) is None:  # what is typed would run what is in it
        told = f"give them with --classes; it was not loaded: limex inspect {shlex.quote(place)}"
    words = (
        f"classes are called {classes[0]} to {classes[-1]}; if {found[0]!r} beside the model holds "
        f"their names, {told}"
    )
    return file, (CodedWarning("classes_assumed", words),)


def _beside(path: str, name: str) -> str:
    return str(Path(path).with_name(name))


def _opened(file: ModelFile, name: str, load: Load) -> object:
    return load(Path(_beside(file.path, name)))


def _inside(held: Any) -> list[Any]:
    """Return the transformers that a file is, or holds in a tuple or under keys."""
    inside = children_of(held).values() if isinstance(held, (dict, list, tuple)) else ()
    return [one for one in (held, *inside) if hasattr(one, "transform") and not can_predict(one)]


def _reads_texts(one: Any) -> bool:
    """Tell a fitted vectorizer, several side by side, or a pipeline that begins with one."""
    if type(one).__module__ != "sklearn.pipeline":
        return is_vectorizer(one) and (
            hasattr(one, "vocabulary_") or not hasattr(one, "vocabulary")
        )
    parts = [part for _, part, *_ in getattr(one, "transformer_list", None) or one.steps[:1]]
    return bool(parts) and all(map(_reads_texts, parts))


def _names_in(held: Any) -> tuple[str, ...] | None:
    """Return the words that a label encoder stands for, in its order."""
    names = getattr(held, "classes_", None)
    encoder = type(held).__name__ == "LabelEncoder" and isinstance(names, np.ndarray)
    words = names.tolist() if encoder and names is not None else []
    return tuple(words) if words and all(isinstance(one, str) for one in words) else None


def held_beside(file: ModelFile, names: tuple[str, ...], load: Load) -> dict[str, object]:
    """Return what files beside a model hold, None for one that may not be loaded unasked."""
    return {name: _opened(file, name, load) for name in names[:TRIED]}


def not_applied(model: Any, file: ModelFile, held: Mapping[str, object]) -> Said:
    """Say which files beside a model may belong before it, and what applies them."""
    if not held:
        return ()
    some = list(held)
    listed, several = " and ".join(repr(one) for one in some), len(some) > 1
    words = f"nothing of {listed} beside the model is applied; if it was fitted behind "
    if fitting := advised(model, held, file):
        typed = " ".join(f"--transformer {shlex.quote(one)}" for one in fitting)
        words += f"{'these' if several else 'this'}, add {typed}"
    else:
        place = shlex.quote(_beside(file.path, some[0]))
        words += f"{'some of these' if several else 'this'}, name it, such as --transformer {place}"
    return (CodedWarning("not_applied", words),)
