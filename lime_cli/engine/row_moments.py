"""The moments of rows over the samples that they share, and what assists each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lime_cli.engine.control import Tabular, controllable, controlled
from lime_cli.engine.instance import FloatArray
from lime_cli.engine.moments import Moments
from lime_cli.engine.neighbourhood import weigh
from lime_cli.engine.pool import Pool, alike
from lime_cli.engine.proximity import proximity_of
from lime_cli.engine.shared import SharedInstance
from lime_cli.settings import Settings


@dataclass(frozen=True, eq=False)
class Row:
    """A row, what the model says of it, and which of its outputs are explained."""

    instance: SharedInstance
    original: FloatArray
    targets: tuple[int, ...]


def moments_of_rows(
    rows: list[Row], pool: Pool, settings: Settings, near: int | None
) -> tuple[Moments, FloatArray]:
    """Take the moments of every row and its effective sample size (rows,).

    Rows that lie in the same bins share their samples' moments. What assists, a column for each
    row and target, stands between the components and the answers. With ``near``, rows get a
    shortlist of so many components.
    """
    bins = pool.known(np.stack([row.instance.own_bins for row in rows]))
    stand_ins = [stand_in_of(row, pool, settings) for row in rows]
    proximity = proximity_of(rows[0].instance, settings)
    d, k = pool.d, len(rows[0].targets)
    keys = [
        (own.tobytes(), row.targets, i if aid is not None else None)
        for i, (own, row, aid) in enumerate(zip(bins, rows, stand_ins, strict=True))
    ]
    owns = np.stack([_own(row, aid) for row, aid in zip(rows, stand_ins, strict=True)])
    found = _nothing(len(rows), pool, (d, k, owns.shape[1]), near)
    effective = np.empty(len(rows))
    for i, same in alike(keys):
        kept = pool.kept(bins[i])
        weights = pool.weights(kept, proximity)
        mass, columns = float(weights.sum()), _columns(rows[i], stand_ins[i], pool)
        found.shift[same, d:] = columns @ weights / mass if mass > 0 else owns[same]
        columns = columns - found.shift[i, d:, None]
        if found.near is not None:
            found.near[same] = pool.foremost(kept, weights, columns[:k], near or d)
        closer = None if found.near is None else found.near[i]
        found.blocks[same, :-1] = pool.moments(kept, weights, columns, closer)
        effective[same] = (1.0 + mass) ** 2 / (1.0 + float(weights @ weights))
    own = owns - found.shift[:, d:]
    left, right = (np.hstack([np.ones((len(rows), 1 + n)), own]) for n in (near or d, d))
    found.blocks[:, -1] = left[:, :, None] * right[:, None, :]
    return found, effective


def _nothing(b: int, pool: Pool, sizes: tuple[int, int, int], near: int | None) -> Moments:
    """Return moments to be filled in, of d components, k targets and c columns regressed."""
    d, k, c = sizes
    blocks = np.empty((b, pool.samples.n_blocks + 1, 1 + (near or d) + c, 1 + d + c))
    shortlists = np.empty((b, near), np.int64) if near else None
    return Moments(blocks, np.zeros((b, d + c)), d, k, pool.n, shortlists)


def _columns(row: Row, stand_in: FloatArray | None, pool: Pool) -> FloatArray:
    """Return what is regressed of the samples, (c, R * width)."""
    answers = pool.answers[list(row.targets)]
    if stand_in is None:
        return answers
    return np.vstack([pool.spread_out(stand_in[1:]), answers])


def _own(row: Row, stand_in: FloatArray | None) -> FloatArray:
    """Return what is regressed of the row itself, (c,)."""
    own = row.original[list(row.targets)]
    return own if stand_in is None else np.concatenate([stand_in[0], own])


def stand_in_of(row: Row, pool: Pool, settings: Settings) -> FloatArray | None:
    """Return what is fitted instead of the answers, (1 + n, targets), the row itself first."""
    instance = row.instance
    if not (settings.assists(shared=True) and isinstance(instance, Tabular)):
        return None
    if not controllable(instance, pool):
        return None
    neighbourhood = weigh(instance, pool, row.original, settings)
    return controlled(instance, pool, neighbourhood, np.array(row.targets))
