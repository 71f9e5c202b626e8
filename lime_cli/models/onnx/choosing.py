"""Which of several outputs of a graph is a prediction: by its shape, its name and its range."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lime_cli.engine.model import CodedWarning
from lime_cli.errors import ModelError, SettingsError
from lime_cli.models.onnx.graph import Graph

LABELS = ("tensor(string)", "tensor(int64)")
"""Types of an output that names classes."""

PROBABLE = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that end in probabilities."""

WORDS = (
    (re.compile(r"embed|hidden|feature|pool|attention|state|mask|past|present|loss|aux|box"), 0),
    (re.compile(r"prob|softmax|sigmoid"), 3),
    (re.compile(r"logit|score|pred|class|label"), 2),
)
"""What the name of an output says of it: the first that fits counts, other names for 1."""


def choose(
    name: str,
    outputs: Sequence[Any],
    wanted: str | None,
    graph: Graph,
    n_classes: int | None,
    trial: Callable[[Any], Any],
) -> tuple[Any, tuple[CodedWarning, ...]]:
    """Return the output to explain, the one wanted or the likeliest, and what was assumed.

    ``trial`` returns what the graph gives at an output for an input of nothing.
    """
    if wanted is not None:
        return _wanted(name, outputs, wanted), ()
    numbers = [one for one in outputs if one.type not in LABELS] or list(outputs[:1])
    if len(numbers) == 1:
        return numbers[0], ()
    best = max(_rank(one, graph, n_classes) for one in numbers)
    likely = [one for one in numbers if _rank(one, graph, n_classes) == best]
    if len(likely) > 1:
        likely = [one for one in likely if _sums_to_one(one, trial)] or likely
    chosen = likely[0]
    listed = ", ".join(one.name for one in numbers[:8])
    said = f"output {chosen.name!r} is explained, of {listed}; --model-output changes it"
    return chosen, (CodedWarning("output_assumed", said),)


def _wanted(name: str, outputs: Sequence[Any], wanted: str) -> Any:
    names = [one.name for one in outputs]
    if wanted in names:
        return outputs[names.index(wanted)]
    if wanted.isdecimal() and int(wanted) < len(outputs):
        return outputs[int(wanted)]
    raise SettingsError(f"{name}: has no output {wanted!r}", f"it has {', '.join(names)}")


def _rank(one: Any, graph: Graph, n_classes: int | None) -> tuple[int, ...]:
    """Tell how likely an output is a prediction: its shape first, then its name."""
    shape = list(one.shape or ())
    is_map = "map" in one.type
    flat = is_map or (len(shape) > 0 and sum(size != 1 for size in shape[1:]) <= 1)
    plain = one.name.rpartition("/")[2].lower()
    said = next((points for words, points in WORDS if words.search(plain)), 1)
    if is_map or (graph.ends_in(one.name) in PROBABLE and said):
        said = 3
    wide = shape[1:2] == [n_classes] and n_classes is not None
    return int(flat), said, int(wide)


def _sums_to_one(one: Any, trial: Callable[[Any], Any]) -> bool:
    try:
        values = np.asarray(trial(one), float)
    except (ModelError, TypeError, ValueError):  # it does not answer to nothing, or with words
        return False
    rows = values.reshape(len(values), -1) if values.ndim else values.reshape(1, 1)
    return bool((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) < 1e-3).all())
