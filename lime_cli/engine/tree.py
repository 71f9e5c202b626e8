"""Trees as surrogates: the same neighbourhood told in rules, where weights would not add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lime_cli.engine.explanation import Rule, Surrogate
from lime_cli.engine.model import BoolArray, FloatArray
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.settings import Settings

SMALLEST_LEAF = 5
"""Samples in a leaf, at least, where they were drawn at random."""
LEAST_GAIN = 1e-6
"""Share of the weighted variance that a split must explain: rounding explains less."""
NO_GAIN = 1e9
"""More than any split explains: a tree of one leaf."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The tree of one target, and the same tree grown without each of the R blocks."""

    rules: tuple[Rule, ...]
    fitted: FloatArray
    """(n + 1,): what the tree says of the instance and its samples."""
    refits: FloatArray
    """(R, n + 1): what the trees that leave a block out say."""
    fidelity: float | None
    fit_r2: float | None


def tree_surrogate(
    neighbourhood: Neighbourhood, target: int, settings: Settings, radius: float
) -> Surrogate:
    """Fit a weighted regression tree of at most ``features`` leaves to one output.

    The intercept is the tree's value with every component masked. The name is left empty.
    """
    tree = _grow(neighbourhood, target, settings)
    return Surrogate(
        target=target,
        name="",
        model_prediction=float(neighbourhood.predictions[0, target]),
        intercept=tree.rules[-1].value,
        local_prediction=tree.rules[0].value,
        fidelity=tree.fidelity,
        fit_r2=tree.fit_r2,
        weights=(),
        rules=tree.rules,
        radius=radius,
    )


def tree_fidelity(neighbourhood: Neighbourhood, target: int, settings: Settings) -> float:
    """Return the fidelity of trees to the halves of the blocks that they did not see."""
    predictions, weights = neighbourhood.predictions[:, target], neighbourhood.weights
    level = float(np.average(predictions, weights=weights))
    spread = float(np.sqrt(np.average((predictions - level) ** 2, weights=weights)))
    if spread <= 1e-12 * max(abs(level), 1e-15):
        return 0.0
    scaled = (predictions - level) / spread
    if neighbourhood.n_blocks < 2:
        everything = np.ones(len(predictions), bool)
        tree = _fit(neighbourhood, scaled, everything, settings)
        return _fidelity(neighbourhood, scaled, tree.predict(neighbourhood.interpretable))
    fitted = np.zeros(len(predictions))
    half = neighbourhood.block % 2
    for side in (0, 1):
        kept = (half == side) | (neighbourhood.block < 0)
        tree = _fit(neighbourhood, scaled, kept, settings)
        fitted[~kept] = tree.predict(neighbourhood.interpretable[~kept])
        fitted[0] += tree.predict(neighbourhood.interpretable[:1])[0] / 2
    return _fidelity(neighbourhood, scaled, fitted)


def tree_converged(neighbourhood: Neighbourhood, target: int, settings: Settings) -> bool:
    """Tell whether what a tree says is known well enough.

    Its jackknife error, root mean square over the neighbourhood, must be at most ``tolerance``
    times what lies between the tree's lowest and highest value.
    """
    tree = _grow(neighbourhood, target, settings)
    R = len(tree.refits)
    variance = (R - 1) / R * ((tree.refits - tree.fitted) ** 2).sum(axis=0)
    error = np.sqrt(np.average(variance, weights=neighbourhood.weights))
    return bool(error <= settings.tolerance * np.ptp(tree.fitted))


def _grow(neighbourhood: Neighbourhood, target: int, settings: Settings) -> Trees:
    """Grow the tree of a target on everything, and once without each block."""
    predictions, weights = neighbourhood.predictions[:, target], neighbourhood.weights
    n_blocks = neighbourhood.n_blocks if neighbourhood.n_blocks > 1 else 0
    level = float(np.average(predictions, weights=weights))
    spread = float(np.sqrt(np.average((predictions - level) ** 2, weights=weights)))
    if spread <= 1e-12 * max(abs(level), 1e-15):
        flat = np.full(len(predictions), level)
        return Trees((Rule((), level, 1.0),), flat, np.tile(flat, (n_blocks, 1)), None, None)
    scaled = (predictions - level) / spread
    block = neighbourhood.block
    everything = np.ones(len(predictions), bool)
    tree = _fit(neighbourhood, scaled, everything, settings)
    kept = neighbourhood.interpretable
    folds = [_fit(neighbourhood, scaled, block != b, settings) for b in range(n_blocks)]
    refits = np.array([fold.predict(kept) for fold in folds]).reshape(n_blocks, len(predictions))
    fitted = tree.predict(kept)
    out = (
        np.where(block >= 0, refits[block, np.arange(len(predictions))], scaled)
        if folds
        else fitted
    )
    fidelity = _fidelity(neighbourhood, scaled, out)
    return Trees(
        rules=tuple(_rules(tree.tree_, level, spread)),
        fitted=level + spread * fitted,
        refits=level + spread * refits,
        fidelity=float(np.clip(fidelity, -1.0, 1.0)),
        fit_r2=_r_squared(scaled, fitted, weights),
    )


def _fit(
    neighbourhood: Neighbourhood, scaled: FloatArray, rows: BoolArray, settings: Settings
) -> Any:
    # scikit-learn takes a second to import, and only trees need it.
    from sklearn.tree import DecisionTreeRegressor

    drawn = neighbourhood.n_blocks > 1
    tree = DecisionTreeRegressor(
        max_leaf_nodes=max(2, settings.features),
        min_samples_leaf=SMALLEST_LEAF if drawn else 1,
        min_impurity_decrease=LEAST_GAIN if settings.features > 1 else NO_GAIN,
        random_state=0,
    )
    kept = neighbourhood.interpretable[rows]
    return tree.fit(kept, scaled[rows], sample_weight=neighbourhood.weights[rows])


def _fidelity(neighbourhood: Neighbourhood, scaled: FloatArray, fitted: FloatArray) -> float:
    """Return the share of the effect of masking that a tree explains, (n + 1,) numbers each.

    Products of samples of one mask leave out what only the replacement drawn decides.
    """
    weights, twins = neighbourhood.weights, neighbourhood.twins
    if not len(twins):
        drawn = neighbourhood.block >= 0 if neighbourhood.n_blocks > 1 else weights >= 0
        return _r_squared(scaled, fitted, weights * drawn)
    missed = scaled - fitted
    pairs = weights[twins[:, 0]]
    own = weights[0] * pairs.sum() / weights[1:].sum()
    lost = pairs @ np.prod(missed[twins], axis=1) + own * missed[0] ** 2
    total = pairs @ np.prod(scaled[twins], axis=1) + own * scaled[0] ** 2
    return float(1.0 - lost / total) if total > 0 else 0.0


def _r_squared(scaled: FloatArray, fitted: FloatArray, weights: FloatArray) -> float:
    """Return the weighted R² against the mean of all samples, which is 0."""
    return float(1.0 - weights @ (scaled - fitted) ** 2 / (weights @ scaled**2))


def _rules(tree: Any, level: float, spread: float) -> Iterator[Rule]:
    """List the leaves of scikit-learn's tree, what keeps a component before what does not."""
    total = tree.weighted_n_node_samples[0]
    waiting: list[tuple[int, tuple[tuple[int, bool], ...]]] = [(0, ())]
    while waiting:
        node, conditions = waiting.pop()
        masked, kept = int(tree.children_left[node]), int(tree.children_right[node])
        if masked < 0:
            value = level + spread * float(tree.value[node].ravel()[0])
            yield Rule(conditions, value, float(tree.weighted_n_node_samples[node] / total))
            continue
        component = int(tree.feature[node])
        waiting.append((masked, (*conditions, (component, False))))
        waiting.append((kept, (*conditions, (component, True))))
