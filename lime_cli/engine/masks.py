"""Masks: which components of an instance are replaced in each sample, drawn once for all rows.

Masks depend on the seed, the number of components and the number of samples, never on what is
explained: rows of a table share them, and with them most of the arithmetic. Sizes are drawn from
a mixture of the kernels that are compared and spread evenly (stratified); given its size, a mask
is uniform. Eight blocks are drawn independently of each other: what error bars are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine.model import BoolArray, FloatArray, IntArray
from lime_cli.engine.neighbourhood import Kernel, binomial

BLOCKS = 8
KEPT = 2**25
"""Bytes of masks, and as many of their stages, that are kept for what is explained next."""


T = TypeVar("T")


class Recent(Generic[T]):
    """What was wanted last, as much of it as fits; one thing at least, whatever its size."""

    def __init__(self, most: int) -> None:
        """``most`` is in bytes."""
        self._most, self._used, self._lock = most, 0, Lock()
        self._held: dict[Hashable, tuple[T, int]] = {}
        """With their bytes, what was wanted last at the end."""

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._used = 0

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what belongs to a key; ``size`` tells the bytes of what was made."""
        with self._lock:
            value = self._held.pop(key, None)
            if value is not None:
                self._held[key] = value
                return value[0]
        made = make()
        with self._lock:
            self._used += size(made) - self._held.pop(key, (made, 0))[1]
            self._held[key] = made, size(made)
            while self._used > self._most and len(self._held) > 1:
                self._used -= self._held.pop(next(iter(self._held)))[1]
        return made


@dataclass(frozen=True)
class Stage:
    """So many samples more, sized by the mixture of some radii."""

    n: int
    radii: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Masks:
    """Which components of d are masked in n samples; the instance itself is none of them."""

    masked: BoolArray
    """(n, d)"""
    block: IntArray
    """(n,): in 0..R-1, each drawn independently of the others."""
    proposal: FloatArray
    """(d + 1,): the distribution that the sizes were drawn from; 0 for a mask of nothing."""
    n_blocks: int
    """R; 1 where every mask is there and nothing is drawn."""
    twins: IntArray
    """(pairs, 2): samples of one mask whose replacements were drawn independently."""
    uniforms: NDArray[np.float32] | None = None
    """(n, d) in [0, 1): what chooses each replacement, where that is random."""
    parts: tuple[Masks, ...] = ()
    """Those of the stages they were drawn in, which other masks have, too; none for one stage."""
    memo: dict[Any, Any] = field(default_factory=dict)
    """What instances remember of these masks."""

    @property
    def n(self) -> int:
        """Count the samples."""
        return len(self.masked)

    @property
    def d(self) -> int:
        """Count the components."""
        return int(self.masked.shape[1])

    @cached_property
    def sizes(self) -> IntArray:
        """How many components each sample masks, (n,)."""
        return np.asarray(self.masked.sum(axis=1))

    def weights(self, kernel: Kernel) -> tuple[FloatArray, float]:
        """Return the weight of each sample (n,), and the mass of the instance itself."""
        wanted = kernel.sizes(self.d)
        ratio = np.divide(wanted, self.proposal, out=np.zeros(self.d + 1), where=self.proposal > 0)
        return ratio[self.sizes] / self.n, float(wanted[0])

    def chosen(self, some: BoolArray, n_blocks: int) -> Masks:
        """Return some of the samples (n,), of the first ``n_blocks`` blocks; blocks that none is
        left of are none.
        """
        place = np.where(some, np.cumsum(some) - 1, -1)
        twins, block = place[self.twins], self.block[some]
        there = np.bincount(block, minlength=n_blocks) > 0
        if not there.all():
            block, n_blocks = (np.cumsum(there) - 1)[block], int(there.sum())
        return Masks(
            masked=self.masked[some],
            block=block,
            proposal=self.proposal,
            n_blocks=n_blocks,
            twins=twins[(twins >= 0).all(axis=1)],
            uniforms=None if self.uniforms is None else self.uniforms[some],
        )


def mixture(d: int, radii: Sequence[float]) -> FloatArray:
    """Return the distribution of sizes (d + 1,) for several radii, given that one is masked."""
    distributions = [binomial(d, radius) for radius in radii]
    distribution: FloatArray = np.sum(
        [np.r_[0.0, sizes[1:] / sizes[1:].sum()] for sizes in distributions], axis=0
    )
    return np.asarray(distribution / distribution.sum())


def least_effective(d: int, radii: Sequence[float]) -> float:
    """Return the effective samples of one sample, sized by the mixture, at the radius that it tells
    least of.
    """
    wanted = np.stack([binomial(d, radius)[1:] for radius in radii])
    drawn = mixture(d, radii)[1:]
    squares = np.divide(wanted**2, drawn, out=np.zeros_like(wanted), where=drawn > 0)
    share = wanted.sum(axis=1) ** 2 / squares.sum(axis=1)
    return float(share.min())


@lru_cache(maxsize=8)
def every_mask(d: int) -> Masks:
    """Return all masks of d components but the empty one."""
    masked = (np.arange(1, 2**d)[:, None] >> np.arange(d) & 1).astype(bool)
    n = len(masked)
    proposal = np.r_[0.0, np.bincount(masked.sum(axis=1), minlength=d + 1)[1:] / n]
    return Masks(masked, np.zeros(n, np.int64), proposal, 1, np.zeros((0, 2), np.int64))


@dataclass(frozen=True, eq=False)
class Everything:
    """Every input that masking and replacing can make of an instance, but the instance itself."""

    codes: IntArray
    """(n, m)"""
    masked: BoolArray
    """(n, d)"""
    share: FloatArray
    """(n,): how likely each is among those of its mask; these sum to one for every mask."""

    @property
    def sizes(self) -> IntArray:
        """How many components each masks, (n,)."""
        return np.asarray(self.masked.sum(axis=1))


class KeptOrMasked:
    """What an instance is whose components are kept or masked, and nothing is drawn in their place.

    Codes are 1 for what is kept, (n, d).
    """

    components: Sequence[Any]
    shared = False
    random = False
    n_rows = 1

    def n_inputs(self) -> float:
        """Count the masks."""
        return 2.0 ** min(len(self.components), 1000)

    @property
    def itself(self) -> IntArray:
        """The code of an instance that keeps all, (1, d)."""
        return np.ones((1, len(self.components)), np.int8)

    def codes(self, masks: Masks) -> IntArray:
        """Return what each sample keeps."""
        return np.asarray((~masks.masked).astype(np.int8))

    def inputs(self, _masks: Masks) -> None:
        """Samples of an instance have nothing in common with another's."""

    def joint(self, masked: BoolArray, _row: FloatArray) -> IntArray:
        """Return what is kept where ``masked`` (n, d) is masked."""
        return np.asarray((~masked).astype(np.int8))

    def tails(self, _masks: Masks) -> None:
        """Nothing is drawn."""

    def everything(self) -> Everything:
        """List every mask."""
        masks = every_mask(len(self.components))
        return Everything(self.codes(masks), masks.masked, np.ones(masks.n))


def given(masked: BoolArray, rng: np.random.Generator) -> Masks:
    """Return masks that somebody chose (n, d), with replacements of their own, in one block."""
    n, d = masked.shape
    proposal = np.r_[0.0, np.full(d, 1 / d)]
    uniforms = rng.random((n, d), np.float32)
    none = np.zeros((0, 2), np.int64)
    return Masks(masked, np.zeros(n, np.int64), proposal, 1, none, uniforms)


MASKS, STAGES = Recent[Masks](KEPT), Recent[Masks](KEPT)


def draw(seed: int, d: int, stages: tuple[Stage, ...], random: bool) -> Masks:
    """Draw the masks of all stages; ``random`` where replacements are drawn too, then in pairs.

    A stage of fewer samples is the beginning of one of more.
    """
    key = (seed, d, stages, random)
    return MASKS.get(key, partial(_draw, *key), _bytes)


def _bytes(masks: Masks) -> int:
    return 5 * masks.masked.size


def _draw(seed: int, d: int, stages: tuple[Stage, ...], random: bool) -> Masks:
    drawn = tuple(_kept_stage(seed, d, i, stage, random) for i, stage in enumerate(stages))
    if len(drawn) == 1:
        return drawn[0]
    n = sum(one.n for one in drawn)
    starts = np.cumsum([0, *(one.n for one in drawn)])
    uniforms = [one.uniforms for one in drawn if one.uniforms is not None]
    return Masks(
        masked=np.concatenate([one.masked for one in drawn]),
        block=np.concatenate([one.block for one in drawn]),
        proposal=np.sum([one.n / n * one.proposal for one in drawn], axis=0),
        n_blocks=BLOCKS,
        twins=np.concatenate([s + one.twins for s, one in zip(starts, drawn, strict=False)]),
        uniforms=np.concatenate(uniforms) if uniforms else None,
        parts=drawn,
    )


def _kept_stage(seed: int, d: int, number: int, stage: Stage, random: bool) -> Masks:
    key = (seed, d, number, stage, random)
    return STAGES.get(key, partial(_stage, *key), _bytes)


def _stage(seed: int, d: int, number: int, stage: Stage, random: bool) -> Masks:
    """Draw one stage.

    Samples go around the blocks one by one, or pair by pair where replacements are random.
    """
    each = 2 if random else 1
    length = -(-stage.n // (each * BLOCKS))  # masks of a block
    proposal = mixture(d, stage.radii)
    cumulative = np.cumsum(proposal)[:-1]
    masked = np.empty((length, BLOCKS, each, d), bool)
    uniforms = np.zeros((length, BLOCKS, each, d if random else 0), np.float32)
    for block in range(BLOCKS):
        rng = np.random.default_rng([seed, d, block, number])
        sizes, subsets, *chosen = rng.spawn(2 + each)
        where = progressive(length, 1, sizes)[:, 0]
        m = np.maximum(1, np.searchsorted(cumulative, where, side="right"))
        order = subsets.random((length, d), np.float32).argsort(axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(d)[None], axis=1)
        own = ranks < m[:, None]
        masked[:, block] = own[:, None]
        times = np.cumsum(own, axis=0) - 1
        for twin, one in enumerate(chosen if random else ()):
            series = progressive(length, d, one)
            uniforms[:, block, twin] = np.take_along_axis(series, np.maximum(times, 0), axis=0)
    block_of = np.broadcast_to(np.arange(BLOCKS)[None, :, None], masked.shape[:3])
    n = stage.n
    return Masks(
        masked=masked.reshape(-1, d)[:n],
        block=block_of.reshape(-1)[:n],
        proposal=proposal,
        n_blocks=BLOCKS,
        twins=np.arange(n // 2 * 2 if random else 0).reshape(-1, 2),
        uniforms=np.asarray(uniforms.reshape(-1, d)[:n]) if random else None,
    )


def progressive(length: int, width: int, rng: np.random.Generator) -> FloatArray:
    """Return ``width`` series of numbers in [0, 1), each spread evenly however far it is followed.

    (length, width): of the first 2^k numbers of a series one lies in each of 2^k equal intervals,
    in random order.
    """
    found, columns = rng.random((1, width)), np.arange(width)
    while len(found) < length:
        k = len(found)
        empty = np.floor(found * (2 * k)).astype(np.int64) ^ 1
        order = rng.random((k, width)).argsort(axis=0)
        placed = empty[order, columns]
        found = np.concatenate([found, (placed + rng.random((k, width))) / (2 * k)])
    return np.minimum(found[:length], np.nextafter(1.0, 0.0, dtype=np.float32))
