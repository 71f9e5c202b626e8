"""Pairs of components that act together, where weights alone explain too little.

Under the product kernel the centred product of two masks is uncorrelated with every mask, so that
a pair leaves the weights what they are: it adds what keeping both is worth beyond keeping each.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lime_cli.engine.arrays import FloatArray
from lime_cli.engine.explanation import Pair
from lime_cli.engine.kernel import moments
from lime_cli.engine.surrogate import Ground, twin_products
from lime_cli.engine.uncertainty import jackknife, multiplier

LOW = 0.7
"""Fidelity below which pairs are tried."""
STRONGEST = 6
"""Components whose pairs are tried."""
MOST = 3
"""Pairs that are reported, at most."""
GAIN = 0.1
"""Fidelity that pairs must add."""


def pairs_of(
    ground: Ground,
    r: int,
    strongest: Sequence[int],
    left: FloatArray,
    total: float,
) -> tuple[tuple[Pair, ...], float]:
    """Return pairs, the strongest first, and the fidelity that they add; none where it is little.

    ``left`` (B, L) are the predictions without what the weights say, by block, each from the fit
    without its block; ``total`` is the variance that masking decides.
    """
    B = ground.B
    if B < 2 or len(strongest) < 2 or total <= 0:
        return (), 0.0
    mean, _, _ = moments(ground.kernels[r].sizes(ground.d))
    x = ground.X[..., 1 : 1 + ground.d]
    names = list(combinations(sorted(strongest), 2))
    products = np.stack([(x[..., i] - mean) * (x[..., j] - mean) for i, j in names], axis=-1)
    w = ground.w[r]
    grams = np.einsum("blp,bl,blq->bpq", products, w, products)
    wanted = np.einsum("blp,bl->bp", products, w * left)
    folds = np.concatenate([[np.zeros(len(names))], wanted])
    folds = wanted.sum(axis=0) - folds
    inverse = grams.sum(axis=0) - np.concatenate([np.zeros((1, *grams.shape[1:])), grams])
    chosen: list[int] = []
    for _ in range(MOST):
        scores = [
            _explained(inverse[0], folds[0], [*chosen, p]) if p not in chosen else -np.inf
            for p in range(len(names))
        ]
        chosen.append(int(np.argmax(scores)))
        if len(chosen) == len(names):
            break
    found = np.stack(
        [_solved(gram, one, chosen) for gram, one in zip(inverse, folds, strict=True)]
    )  # (1 + B, chosen)
    said = np.einsum("blp,bp->bl", products[..., chosen], found[1:])
    before, after = twin_products(ground, r, np.stack([left, left - said]))
    gain = float(before - after) / total
    if gain < GAIN:
        return (), gain
    errors = jackknife(found[1:], 0)
    half = errors * multiplier(B, len(chosen), len(names))
    order = np.argsort(-np.abs(found[0]), kind="stable")
    pairs = tuple(
        Pair(
            names[chosen[p]],
            float(found[0, p]),
            float(errors[p]),
            (float(found[0, p] - half[p]), float(found[0, p] + half[p])),
        )
        for p in order
    )
    return tuple(one for one in pairs if not one.interval[0] <= 0 <= one.interval[1]), gain


def _solved(gram: FloatArray, wanted: FloatArray, chosen: list[int]) -> FloatArray:
    some = np.ix_(chosen, chosen)
    ridge = 1e-9 * (np.trace(gram) + 1e-300) * np.eye(len(chosen))
    return np.asarray(np.linalg.solve(gram[some] + ridge, wanted[chosen]))


def _explained(gram: FloatArray, wanted: FloatArray, chosen: list[int]) -> float:
    return float(wanted[chosen] @ _solved(gram, wanted, chosen))
