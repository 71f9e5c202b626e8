"""A picture as an instance: which superpixels stay, what fills the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lime_cli.engine import designs
from lime_cli.engine.instance import (
    BoolArray,
    Caveat,
    Component,
    Design,
    IntArray,
    Samples,
    Skipped,
    Subject,
)


@dataclass(frozen=True, eq=False)
class ImageInstance:
    """A picture on the model's grid, whose superpixels stay or are filled."""

    subject: Subject
    components: tuple[Component, ...]
    caveats: tuple[Caveat, ...]
    pool: str
    picture: NDArray[np.floating[Any]]
    """(c, h, w) for the layout NCHW, else (h, w, c): what the model is fed for the instance."""
    gone: NDArray[np.floating[Any]]
    """As ``picture``, with every superpixel gone."""
    labels: IntArray
    """(h, w): which component a place of the grid belongs to; -1 in the padding."""
    layout: str
    skipped: tuple[Skipped, ...] = ()
    shared: bool = False
    distance: str = "cosine"
    design: str = "paired"

    @property
    def input_bytes(self) -> int:
        """About how much memory one model input takes."""
        return self.picture.nbytes

    def sample(self, n: int, design: Design | None, rng: np.random.Generator) -> Samples:
        """Keep each superpixel by a fair coin, n times; None enumerates every mask."""
        return designs.coins(n, len(self.components), design, rng)

    def n_exhaustive(self) -> float:
        """Count the masks there are."""
        return designs.n_masks(len(self.components))

    def interpretable(self, codes: IntArray) -> BoolArray:
        """Return (n, d): the masks themselves."""
        return codes.astype(np.bool_)

    def model_inputs(self, codes: IntArray) -> NDArray[np.floating[Any]]:
        """Return (n, h, w, c), in the memory order of the model's layout."""
        gone, change = self._bits
        padding = np.ones((len(codes), 1), np.bool_)  # label -1 finds it, and it always stays
        kept = np.concatenate([self.interpretable(codes), padding], axis=1)
        stays = np.take(-kept.astype(gone.dtype), self.labels, axis=1)
        turned = self.layout == "NCHW"
        bits = (stays[:, None] if turned else stays[..., None]) & change
        bits ^= gone
        batch: NDArray[np.floating[Any]] = bits.view(self.picture.dtype)
        return batch.transpose(0, 2, 3, 1) if turned else batch

    @cached_property
    def _bits(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The bits of ``gone``, and those to flip where superpixels stay: faster than choosing."""
        whole = np.dtype(f"i{self.picture.itemsize}")
        gone, picture = self.gone.view(whole), self.picture.view(whole)
        return gone, gone ^ picture

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> NDArray[np.floating[Any]]:
        """Return pictures in which only these superpixels stay, (n, d)."""
        return self.model_inputs(kept.astype(np.int64))

    def original(self) -> NDArray[np.floating[Any]]:
        """Return the picture as a batch of one, (1, h, w, c)."""
        batch = self.picture[None]
        return batch.transpose(0, 2, 3, 1) if self.layout == "NCHW" else batch
