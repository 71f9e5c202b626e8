"""Deletion and insertion curves: what the model says as the parts that matter go or come.

Samek et al. 2017, "Evaluating the visualization of what a deep neural network has learned";
Petsiuk, Das and Saenko 2018, "RISE", section 4.1. The baseline are random orders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.explanation import Surrogate
from lime_cli.engine.instance import BoolArray, FloatArray, Instance, IntArray, Model

POINTS = 21
"""Of a curve, at most."""
ORDERS = 10
"""Random orders of the baseline."""
DRAWS = 16
"""Rows that stand for a mask, where what goes is replaced at random."""
_ROWS_PER_CALL = 512


@dataclass(frozen=True)
class Curves:
    """What the model says of one target; the first point has all parts, the last has none."""

    removed: tuple[float, ...]
    """Share of the components that are gone, ascending."""
    deletion: tuple[float, ...]
    """Largest weight gone first."""
    insertion: tuple[float, ...]
    """Largest weight gone last: read from the right, it comes first."""
    random: tuple[float, ...]
    """Mean over random orders."""
    random_sd: float
    """Of the area, over random orders."""

    @property
    def deletion_area(self) -> float:
        """Mean height; low where the explanation names what matters."""
        return area(self.removed, self.deletion)

    @property
    def insertion_area(self) -> float:
        """Mean height; high where the explanation names what matters."""
        return area(self.removed, self.insertion)

    @property
    def random_area(self) -> float:
        """Mean height over random orders: what knowing nothing gives."""
        return area(self.removed, self.random)


def area(removed: tuple[float, ...], heights: tuple[float, ...]) -> float:
    """Return the area under a curve over 0..1, by trapezoids: its mean height."""
    x, y = np.array(removed), np.array(heights)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def curves(instance: Instance, model: Model, surrogate: Surrogate, seed: list[int]) -> Curves:
    """Ask the model about ever fewer parts: by falling weight, by rising weight, and at random.

    Parts without a weight count as 0. ``seed`` determines the random orders and, for rows of a
    table, the values that come in place of those gone.
    """
    d = len(instance.components)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    weights = np.zeros(d)
    for one in surrogate.weights:
        weights[one.component] = one.weight
    steps = np.unique(np.linspace(0, d, min(d + 1, POINTS)).round().astype(int))
    falling = np.argsort(-weights, kind="stable")
    orders = [falling, falling[::-1], *(rng.permutation(d) for _ in range(ORDERS))]
    kept = np.concatenate([_masks(order, steps) for order in orders])
    answers = _ask(instance, model, kept, rng)[:, surrogate.target].reshape(len(orders), -1)
    removed = tuple((steps / d).tolist())
    areas = [area(removed, tuple(one)) for one in answers[2:].tolist()]
    return Curves(
        removed,
        tuple(answers[0].tolist()),
        tuple(answers[1].tolist()),
        tuple(answers[2:].mean(axis=0).tolist()),
        float(np.std(areas, ddof=1)),
    )


def _masks(order: IntArray, steps: IntArray) -> BoolArray:
    """Return (steps, d): the first so many components of an order gone."""
    places = np.empty(len(order), int)
    places[order] = np.arange(len(order))
    return np.asarray(places[None] >= steps[:, None])


def _ask(instance: Instance, model: Model, kept: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Return the mean answer to each mask, (masks, k)."""
    draws = DRAWS if instance.shared else 1
    rows = np.repeat(kept, draws, axis=0)
    size = max(1, min(_ROWS_PER_CALL, 8 * 2**20 // max(1, instance.input_bytes)))
    parts = [
        model.predict(instance.keeping(rows[start : start + size], rng))
        for start in range(0, len(rows), size)
    ]
    answers = np.concatenate(parts)
    return np.asarray(answers.reshape(len(kept), draws, -1).mean(axis=1))
