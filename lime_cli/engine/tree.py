"""Trees as surrogates: the same neighbourhood told in rules, where weights would not add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lime_cli.engine.explanation import Rule, Surrogate
from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import Neighbourhood
from lime_cli.settings import Settings

SMALLEST_LEAF = 5
"""Samples in a leaf, at least, where they were drawn at random."""
LEAST_GAIN = 1e-6
"""Share of the weighted variance that a split must explain: rounding explains less."""


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
        rules=tuple(_rules(tree, level, spread)),
        fitted=level + spread * fitted,
        refits=level + spread * refits,
        fidelity=float(np.clip(fidelity, -1.0, 1.0)),
        fit_r2=_r_squared(scaled, fitted, weights),
    )


@dataclass(frozen=True, eq=False)
class Node:
    """Where samples go on by whether one component is kept, or a leaf."""

    value: float
    share: float
    """Of the weights."""
    component: int = 0
    masked: Node | None = None
    """None for a leaf, as ``kept``."""
    kept: Node | None = None

    def predict(self, kept: BoolArray | FloatArray) -> FloatArray:
        """Return what the tree says of samples (n, d) that keep some components, (n,)."""
        if self.masked is None or self.kept is None:
            return np.full(len(kept), self.value)
        said, there = np.empty(len(kept)), kept[:, self.component] > 0
        said[there] = self.kept.predict(kept[there])
        said[~there] = self.masked.predict(kept[~there])
        return said


class _Leaf:
    """A leaf of a tree that grows: its samples, and the split that would explain most in it."""

    def __init__(self, sums: FloatArray, x: FloatArray, rows: IntArray, smallest: int) -> None:
        """Look for the split of ``rows`` among samples ``x`` (n, d); ``sums`` (3, n) have the
        weight, the weighted number and 1 of each. A side has ``smallest`` samples at least.
        """
        self.rows = rows
        own = sums[:, rows]
        kept = own @ x[rows]
        whole = own.sum(axis=1)
        masked = whole[:, None] - kept
        self.weight, self.value = float(whole[0]), float(whole[1] / whole[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = kept[0] * masked[0] / whole[0] * (kept[1] / kept[0] - masked[1] / masked[0]) ** 2
        gain[(np.minimum(kept[2], masked[2]) < smallest) | np.isnan(gain)] = -1.0
        self.component = int(gain.argmax())
        self.gain = float(gain[self.component])
        self.parts: tuple[_Leaf, _Leaf] | None = None

    def split(self, sums: FloatArray, x: FloatArray, smallest: int) -> tuple[_Leaf, _Leaf]:
        """Take the leaf apart: what is masked, and what is kept."""
        there = x[self.rows, self.component] > 0
        masked, kept = self.rows[~there], self.rows[there]
        self.parts = _Leaf(sums, x, masked, smallest), _Leaf(sums, x, kept, smallest)
        return self.parts

    def node(self, total: float) -> Node:
        """Return the leaf as it ended up."""
        if self.parts is None:
            return Node(self.value, self.weight / total)
        masked, kept = (part.node(total) for part in self.parts)
        return Node(self.value, self.weight / total, self.component, masked, kept)


def _fit(
    neighbourhood: Neighbourhood, scaled: FloatArray, rows: BoolArray, settings: Settings
) -> Node:
    """Grow a tree, always where it explains most (CART, best first).

    As everything is kept or masked, a split is a component: sums over what is kept tell all.
    """
    smallest = SMALLEST_LEAF if neighbourhood.n_blocks > 1 else 1
    rows = rows & (neighbourhood.weights > 0)
    x = neighbourhood.interpretable[rows].astype(float)
    weights = neighbourhood.weights[rows]
    sums = np.stack([weights, weights * scaled[rows], np.ones(len(weights))])
    root = _Leaf(sums, x, np.arange(len(x)), smallest)
    leaves = [root]
    while len(leaves) < settings.features:
        best = max(leaves, key=lambda leaf: leaf.gain)
        if best.gain <= LEAST_GAIN * root.weight:
            break
        leaves.remove(best)
        leaves += best.split(sums, x, smallest)
    return root.node(root.weight)


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


def _rules(tree: Node, level: float, spread: float) -> Iterator[Rule]:
    """List the leaves of a tree, what keeps a component before what does not."""
    waiting: list[tuple[Node, tuple[tuple[int, bool], ...]]] = [(tree, ())]
    while waiting:
        node, conditions = waiting.pop()
        if node.masked is None or node.kept is None:
            yield Rule(conditions, level + spread * node.value, node.share)
            continue
        waiting.append((node.masked, (*conditions, (node.component, False))))
        waiting.append((node.kept, (*conditions, (node.component, True))))
