"""Which sampled change makes the model predict another class: what it would take, already paid for.

The samples of an explanation are inputs near the instance, and the model has answered each. The
nearest of another class, by the number of components masked, answers another question than the
weights do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray
from lime_cli.engine.explanation import Counterfactual, Replaced
from lime_cli.engine.instance import Instance
from lime_cli.engine.model import Identity

MOST = 3
"""Classes for which a change is told, at most."""


@runtime_checkable
class Replacing(Protocol):
    """An instance whose masked components have other values, not none."""

    def replacements(self, code: IntArray) -> Mapping[int, Any]:
        """Return the value that stands for each component masked in a sample of this code (m,)."""
        ...


def nearest(
    instance: Instance,
    identity: Identity,
    original: FloatArray,
    found: tuple[IntArray, BoolArray, FloatArray],
) -> tuple[Counterfactual, ...] | None:
    """Find a sample for each class that one is predicted as; None where nothing has classes.

    ``found`` are codes (n, m), masks (n, d) and predictions (n, k) of the samples. Of several the
    one that masks fewest components is taken, then the one most surely of its class.
    """
    codes, masked, predictions = found
    if identity.task != "classification" or len(original) < 2:
        return None
    own = int(np.argmax(original))
    top = predictions.argmax(axis=1)
    n_masked = masked.sum(axis=1)
    others = np.isfinite(predictions).all(axis=1) & (top != own) & (n_masked > 0)
    chosen = []
    for target in np.unique(top[others]).tolist():
        rows = np.flatnonzero(others & (top == target))
        order = np.lexsort((rows, -predictions[rows, target], n_masked[rows]))
        chosen.append(int(rows[order[0]]))
    chosen.sort(key=lambda i: (n_masked[i], -predictions[i, top[i]], i))
    return tuple(
        Counterfactual(
            target=int(top[i]),
            name=identity.targets[int(top[i])],
            prediction=float(predictions[i, top[i]]),
            original=float(original[top[i]]),
            replaced=_replaced(instance, codes[i], masked[i]),
        )
        for i in chosen[:MOST]
    )


def _replaced(instance: Instance, code: IntArray, masked: BoolArray) -> tuple[Replaced, ...]:
    values = instance.replacements(code) if isinstance(instance, Replacing) else {}
    return tuple(Replaced(j, values.get(j)) for j in np.flatnonzero(masked).tolist())
