"""Which class is meant: the one that the model's own ``predict`` names, the one of a number.

The largest output is not always what a model predicts: thresholds may be tuned, and a support
vector machine decides without its probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from lime_cli.engine.explanation import Explanation
from lime_cli.engine.instance import Instance
from lime_cli.engine.model import CodedWarning
from lime_cli.settings import Settings

if TYPE_CHECKING:
    from lime_cli.models.model_file import LoadedModel

Meant = tuple[tuple[str, ...], tuple[CodedWarning, ...]]
"""Targets as the engine is asked for them, and what a reader must know of that."""

Way = Callable[..., Iterator[Explanation]]


def targeted(
    instances: Sequence[Instance], model: LoadedModel, settings: Settings, way: Way
) -> Iterator[Explanation]:
    """Explain instances, each for the targets that are meant for it; what was asked is kept."""
    targets, said = _by_value(settings.targets, model)
    against = settings.against
    if against is not None:
        (against,), more = _by_value((against,), model)
        said = (*said, *more)
    decides = "predicted" in targets and hasattr(model, "named")  # not every package's model does
    named = model.named(instances) if decides else {}
    meant = [_meant(targets, said, named.get(i)) for i in range(len(instances))]
    pairs = zip(meant, instances, strict=True)
    for (words, warnings), group in groupby(pairs, lambda pair: pair[0]):
        own = [instance for _, instance in group]
        for one in way(own, model, replace(settings, targets=words, against=against)):
            yield replace(one, settings=settings, warnings=(*one.warnings, *warnings))


def _meant(targets: tuple[str, ...], said: tuple[CodedWarning, ...], name: str | None) -> Meant:
    """Put the class that ``predict`` names, where it is another, in the place of ``predicted``."""
    if name is None:
        return targets, said
    words = (
        f"predict names {name!r}, though another class has an output as large or larger; {name!r} "
        "is explained; --target top:1 takes the largest"
    )
    changed = tuple(name if one == "predicted" else one for one in targets)
    return changed, (*said, CodedWarning("predicted_by_threshold", words))


def _by_value(targets: tuple[str, ...], model: LoadedModel) -> Meant:
    """Take a number for the class of that value, for an index only where no class has it."""
    names = model.identity.targets
    values = [_number(one) for one in names]
    found, said = [], []
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
            words = f"no class is {word}; the one at that index, {name}, is explained"
            said.append(CodedWarning("target_by_index", words))
    return tuple(found), tuple(said)


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
