"""Files that a person names to be applied before a model, ``--transformer``: loaded as models are,
and put before the model as the parts of one file are.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, NamedTuple

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import LimexError, ModelError, and_more
from lime_cli.files import nearest_file
from lime_cli.models.chains import (
    ModelInside,
    chain,
    columns_of,
    handed_on,
    in_line,
    likely_order,
    numbers_classes,
    side_by_side,
    with_columns,
)
from lime_cli.models.content import Content
from lime_cli.models.encoders import encoders_of, width_of
from lime_cli.models.fitted import fitted
from lime_cli.models.model_file import NAMES, ModelFile, format_of
from lime_cli.models.parts import (
    OF_LABELS,
    SHOWN,
    are_names,
    can_predict,
    can_transform,
    check_fitted,
    children_of,
    heard_loading,
    quoted,
    transformers_of,
    what,
)
from lime_cli.models.predictor import quiet
from lime_cli.registry import TRANSFORMERS

PERMUTED = 4
"""Transformers of which other orders are tried, at most."""

Parts = dict[str, Any]
"""What files hold, by what messages call it, in the order in which it is applied."""


class Applied(NamedTuple):
    """A model behind its transformers, and the names of its classes if a file has them."""

    inside: ModelInside
    classes: tuple[str, ...] | None = None


def named_transformers(file: ModelFile) -> tuple[Parts, tuple[CodedWarning, ...]]:
    """Load what is to be applied before a model, and return what a reader must know of that.

    Raises ModelError for what transforms nothing, UntrustedModel as for models.
    """
    parts: Parts = {}
    gaps: list[CodedWarning] = []
    for path in file.transformers:
        name = Path(path).name
        called = path if name in parts or name == Path(file.path).name else name
        with warnings.catch_warnings(record=True) as heard, quiet():
            warnings.simplefilter("always")
            held = _loaded(path, file)
        gaps += heard_loading(name, heard)
        parts |= _unpacked(called, held)
    return parts, tuple(gaps)


def _loaded(path: str, file: ModelFile) -> Any:
    if not Path(path).exists():
        raise ModelError(f"{path}: no such file", nearest_file(path, "transformer"))
    if Path(path).is_dir():
        raise ModelError(f"{path}: is a folder", "name the file of the transformer in it")
    takes = "--transformer takes a pickle, joblib or skops file"
    try:
        kind = format_of(Path(path))
    except ModelError as error:
        raise ModelError(error.message, takes) from None
    if kind not in TRANSFORMERS:
        raise ModelError(
            f"{Path(path).name}: is {NAMES[kind]}, which transforms nothing",
            takes,
        )
    return TRANSFORMERS[kind](file._replace(path=path), Content(Path(path)))


def _unpacked(called: str, held: Any) -> Parts:
    """Return the transformers, encoders and lists of columns that a file is, or holds."""
    if _is_of_use(held):
        _check_fitted(held, called)
        return {called: held}
    children = children_of(held) if isinstance(held, (Mapping, list, tuple)) else {}
    codes = {key: one for key, one in children.items() if _is_of_labels(one)}
    found = {f"{called}: {key}": one for key, one in children.items() if _is_of_use(one)}
    found = {key: one for key, one in found.items() if not _is_of_labels(one)}
    if codes:
        found = {called: codes, **found}
    if not found:
        way = "name the file that the model was fitted behind"
        if can_predict(held):
            way = "give it as MODEL, and name with --transformer what is applied before it"
        raise ModelError(f"{called}: holds {what(held)}, which transforms nothing", way)
    for key, one in found.items():
        _check_fitted(one, key)
    return found


def _check_fitted(one: Any, called: str) -> None:
    if not hasattr(one, "n_features"):  # what hashes words is never fitted
        check_fitted(one, called, "transformer")


def _is_of_use(held: Any) -> bool:
    return can_transform(held) or type(held).__name__ in OF_LABELS or are_names(held)


def _is_of_labels(held: Any) -> bool:
    """Tell what encodes the values of one column: a label encoder, or a dictionary of numbers."""
    return type(held).__name__ in OF_LABELS or isinstance(held, Mapping)


def advised(model: Any, held: Mapping[str, Any], file: ModelFile) -> tuple[str, ...]:
    """Return files in an order in which they fit before a model beside them, by what they hold;
    nothing where they do not.
    """
    paths = {name: str(Path(file.path).with_name(name)) for name in held}
    try:
        parts: Parts = {}
        for name, one in held.items():
            parts |= _unpacked(name, one)
        order = likely_order(transformers_of({**parts, "": model}, ""), model)
        ordered = {key: parts[key] for key in [*order, *(one for one in parts if one not in order)]}
        typed = tuple(dict.fromkeys(paths[key.partition(": ")[0]] for key in ordered))
        behind(ModelInside(model), ordered, file._replace(transformers=typed), Path(file.path).name)
    except LimexError:
        return ()
    return typed


def behind(inside: ModelInside, parts: Parts, file: ModelFile, name: str) -> Applied:
    """Return a model behind parts; raise ModelError where they do not fit it, or are of no use."""
    model, columns = inside.model, inside.columns
    last = file.path if name in parts else name
    beside: Parts = {**parts, last: model}
    if columns is not None:
        beside = {"its columns": list(columns), **beside}
    naming = [key for key, one in parts.items() if _names_classes(key, one, beside, model)]
    for key in naming:
        del beside[key]
    _check_encoders(beside, last)
    chained = chain(beside, last)
    if chained is None:
        steps = transformers_of(beside, last)
        found = side_by_side(steps, (last, model), beside, "--transformer")
        if found is None:
            raise _refusal(steps, beside, last, file)
        chained = found.model, found.warnings
    made, said = chained
    said = tuple(one for one in said if one.code != "taken_from")
    for key in naming:
        words = f"classes are called as {key!r} has them; --classes changes this"
        said = (*said, CodedWarning("classes_assumed", words))
    classes = tuple(map(str, parts[naming[0]].classes_)) if naming else None
    return Applied(_with_columns(made, (*inside.warnings, *said), beside, inside), classes)


def _with_columns(
    made: Any, said: tuple[CodedWarning, ...], beside: Parts, inside: ModelInside
) -> ModelInside:
    """Name the columns of what is chained: as it does itself, as a list of them does, or as the
    model does whose columns the transformers hand on.
    """
    own = fitted(inside.model).columns
    if fitted(made).columns is None and own is not None and handed_on(made):
        return ModelInside(made, said, own)
    found = with_columns(made, said, beside)
    told = [one for one in found.warnings if "its columns" not in one.message]
    return found._replace(warnings=tuple(told), columns=found.columns or inside.columns)


def _names_classes(key: str, one: Any, beside: Parts, model: Any) -> bool:
    """Tell a label encoder of a model's classes: it is called so, or no column is called as it."""
    if not numbers_classes(one, model):
        return False
    return encoders_of({key: one}, columns_of(beside, [model])) is None


def _check_encoders(beside: Parts, last: str) -> None:
    """Raise ModelError for encoders of which nothing tells what they encode."""
    steps = [one for _, one in transformers_of(beside, last)]
    columns = columns_of(beside, [beside[last], *steps])
    for key, one in beside.items():
        if key == last or not _is_of_labels(one) or encoders_of({key: one}, columns) is not None:
            continue
        listed = (
            and_more([repr(str(each)) for each in one], SHOWN) if isinstance(one, Mapping) else ""
        )
        said = f"encodes {listed}" if listed else f"holds {what(one)}"
        if columns is None:
            raise ModelError(f"{key}: {said}, and {last} does not name its columns", LISTING)
        said += (
            ", which are not columns" if listed else ", which fits neither a column nor the classes"
        )
        raise ModelError(
            f"{key}: {said} of {last}",
            f"its columns are {and_more(list(columns), SHOWN)}; call the file of an encoder as its "
            "column is called, such as city_encoder.pkl",
        )


LISTING = (
    "joblib.dump(list(X.columns), 'columns.joblib') makes a file that lists the model's columns: "
    "add --transformer columns.joblib; or save all as one pipeline"
)


def _refusal(
    steps: Sequence[tuple[str, Any]], beside: Parts, last: str, file: ModelFile
) -> ModelError:
    """Say which part does not fit what comes after it, and what would fit."""
    ordered = [key for key, _ in steps]
    others = {key: one for key, one in beside.items() if key not in ordered}
    if len(steps) <= PERMUTED:
        for order in permutations(steps):
            if chain({**dict(order), **others}, last) is not None:
                typed = " ".join(f"--transformer {shlex.quote(one)}" for one in _files(order, file))
                words = f"{quoted(ordered)} do not fit each other in this order"
                return ModelError(words, f"they fit in this one: {typed}")
    found = next(_misfits([*steps, (last, beside[last])]), None)
    if found is None:
        words = f"{quoted(list(beside)[:-1])} do not fit {last}"
        return ModelError(words, "save them and the model as one pipeline")
    (key, one), (after, next_) = found
    some = getattr(one, "feature_names_in_", None) is not None and after == last
    some = some and width_of(one) < int(fitted(next_).n_columns or 0)
    unnamed = some and columns_of(beside, [next_]) is None
    rest = f"add a --transformer for what makes the other columns; if there is none, {LISTING}"
    pipeline = "save both as one pipeline: make_pipeline(transformer, model)"
    return ModelError(
        f"{key}: was fitted on {_columns(one)} and makes {width_of(one):,}; {after} was fitted on "
        f"{_columns(next_)}",
        rest if unnamed else f"name the file that {after} was fitted behind, or {pipeline}",
    )


def _misfits(parts: list[tuple[str, Any]]) -> Iterator[tuple[tuple[str, Any], tuple[str, Any]]]:
    for pair in pairwise(parts):
        if not in_line([*pair]):
            yield pair


def _files(order: Sequence[tuple[str, Any]], file: ModelFile) -> Iterator[str]:
    """Yield the files of parts, as they were typed, in their order."""
    found = [
        next(path for path in file.transformers if key.startswith((path, Path(path).name)))
        for key, _ in order
    ]
    yield from dict.fromkeys((*found, *file.transformers))


def _columns(one: Any) -> str:
    """Word what a part was fitted on: ``3 columns (age, fare, sibsp)``."""
    told = fitted(one)
    n = told.n_columns or 0
    listed = f" ({and_more(list(told.columns), SHOWN)})" if told.columns else ""
    return f"{n:,} column{'s' * (n != 1)}{listed}" if n else f"{what(one)}'s inputs"
