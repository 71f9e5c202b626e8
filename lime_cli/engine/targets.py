"""Which outputs of a model are explained."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from lime_cli.engine.arrays import FloatArray
from lime_cli.engine.instance import Model
from lime_cli.errors import SettingsError


def choose_targets(wanted: tuple[str, ...], model: Model, prediction: FloatArray) -> list[int]:
    """Return the indices of the outputs asked for, each once, in the order of asking.

    ``prediction`` (k,) is the model's for the instance: ``predicted`` is its largest entry and
    ``top:K`` its K largest, the earlier one first among equals. A regression explains every
    output unless told otherwise. Raises SettingsError for a name or an index that the model does
    not have.
    """
    chosen: list[int] = []
    for word in wanted:
        chosen.extend(one for one in _indices(word, model, prediction) if one not in chosen)
    return chosen


def choose_other(
    wanted: str | None, targets: list[int], model: Model, prediction: FloatArray
) -> int | None:
    """Return the output that targets are compared with; None for none.

    Raises SettingsError for several outputs, for one that is not there or is a target itself.
    """
    if wanted is None:
        return None
    found = _indices(wanted, model, prediction)
    if len(found) != 1:
        raise SettingsError(f"--against: {wanted} is not one output", "name one class")
    if found[0] in targets:
        name = model.identity.targets[found[0]]
        raise SettingsError(
            f"--against: {name!r} is the target itself", "name the other class, or give --target"
        )
    return found[0]


def _indices(word: str, model: Model, prediction: FloatArray) -> list[int]:
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
            f"--target: {word} is out of range", f"the model has outputs 0 to {k - 1}"
        )
    raise SettingsError(f"--target: the model has no output {word!r}", _suggestion(word, names))


def _suggestion(word: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(word, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"it has {listed}; or give an index, predicted, all, top:K"
