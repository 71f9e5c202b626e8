"""Targets: which outputs of a model are meant by the words that a person gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import groupby
from typing import NamedTuple

import numpy as np

from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import Instance
from lime_cli.engine.model import CodedWarning, FloatArray, Model
from lime_cli.errors import SettingsError, and_more
from lime_cli.settings import Settings

Engine = Callable[[Sequence[Instance], Model, Settings], Iterator[Explanation]]
"""limex's own, or one that makes marcotcr/lime's samples and sums."""


class Wanted(NamedTuple):
    """Targets as an engine takes them, and what a reader must know of that."""

    targets: tuple[str, ...]
    warnings: tuple[CodedWarning, ...]


def targeted(
    instances: Sequence[Instance], model: Model, settings: Settings, engine: Engine
) -> Iterator[Explanation]:
    """Explain instances, each for the targets that are meant for it; settings keep the words.

    The largest output is not always what a model predicts: thresholds may be tuned, and a support
    vector machine decides without its probabilities. The class is meant that ``predict`` names.
    """
    wanted = _by_value(settings.targets, model)
    against = settings.against
    if against is not None:
        (against,), more = _by_value((against,), model)
        wanted = Wanted(wanted.targets, (*wanted.warnings, *more))
    decide = getattr(model, "named", None)  # which not every model has
    names = decide(instances) if decide and "predicted" in wanted.targets else {}
    each = [_by_name(wanted, names.get(i)) for i in range(len(instances))]
    pairs = zip(each, instances, strict=True)
    for (targets, warnings), group in groupby(pairs, lambda pair: pair[0]):
        own = [instance for _, instance in group]
        meant = settings  # which takes time to check anew
        if (targets, against) != (settings.targets, settings.against):
            meant = replace(settings, targets=targets, against=against)
        for one in engine(own, model, meant):
            yield replace(one, settings=settings, warnings=(*one.warnings, *warnings))


def _by_name(wanted: Wanted, name: str | None) -> Wanted:
    """Put the class that ``predict`` names, where it is another, in the place of ``predicted``."""
    if name is None:
        return wanted
    words = (
        f"predict names {name!r}, though another class has an output as large or larger; {name!r} "
        "is explained; --target top:1 takes the largest"
    )
    changed = tuple(name if one == "predicted" else one for one in wanted.targets)
    return Wanted(changed, (*wanted.warnings, CodedWarning("predicted_by_threshold", words)))


def _by_value(targets: tuple[str, ...], model: Model) -> Wanted:
    """Take a number for the class of that value, for an index only where no class has it."""
    names = model.identity.targets
    values = [_number(one) for one in names]
    found, warnings = [], []
    for word in targets:
        value = _number(word)
        same = [name for name, one in zip(names, values, strict=True) if one == value]
        if value is None or word in names or not same:
            found.append(word)
        else:
            found.append(same[0])
        index = value is not None and not same and word.isdecimal() and int(word) < len(names)
        if index and None not in values:
            name = names[int(word)]
            words = f"no class is called {word}; the one at that index, {name}, is explained"
            warnings.append(CodedWarning("target_by_index", words))
    return Wanted(tuple(found), tuple(warnings))


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def choose_targets(wanted: tuple[str, ...], model: Model, prediction: FloatArray) -> list[int]:
    """Return the indices of the outputs asked for, each once, in the order of asking.

    ``prediction`` (k,) is the model's for the instance: ``predicted`` is its largest entry and
    ``top:K`` its K largest, the earlier one first among equals. A regression explains every
    output unless told otherwise. Raises SettingsError for a name or an index that the model does
    not have.
    """
    chosen: list[int] = []
    for word in wanted:
        chosen.extend(index for index in _indices(word, model, prediction) if index not in chosen)
    return chosen


def choose_other(
    wanted: str | None, targets: list[int], model: Model, prediction: FloatArray
) -> int | None:
    """Return the output that targets are compared with; None for none.

    Raises SettingsError for several outputs, for one that is not there or is a target itself.
    """
    if wanted is None:
        return None
    indices = _indices(wanted, model, prediction, "--against")
    if len(indices) != 1:
        raise SettingsError(f"--against: {wanted} is not one output", "name one class")
    if indices[0] in targets:
        name = model.identity.targets[indices[0]]
        raise SettingsError(
            f"--against: {name!r} is the target itself", "name the other class, or give --target"
        )
    return indices[0]


def _indices(
    word: str, model: Model, prediction: FloatArray, option: str = "--target"
) -> list[int]:
    names, k = model.identity.targets, len(prediction)
    if word in names:
        return [names.index(word)]
    if word == "all" or (word == "predicted" and model.identity.task == "regression"):
        return list(range(k))
    order = [int(i) for i in np.argsort(-prediction, kind="stable")]
    if word == "predicted":
        return order[:1]
    if word.startswith("top:") and word[4:].isdecimal() and int(word[4:]) > 0:
        return order[: int(word[4:])]
    if word.lstrip("-").isdecimal():
        if 0 <= int(word) < k:
            return [int(word)]
        raise SettingsError(
            f"{option}: {word} is out of range", f"the model has outputs 0 to {k - 1}"
        )
    raise SettingsError(
        f"{option}: the model has no output {word!r}", _suggestion(word, names, option)
    )


def _suggestion(word: str, names: tuple[str, ...], option: str) -> str:
    near = get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    others = "an index, predicted, all, top:K" if option == "--target" else "an index"
    return f"it has {and_more(names, 8)}; or give {others}"
