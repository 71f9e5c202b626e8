"""A picture as an instance: which superpixels stay, what fills the others."""

from __future__ import annotations

from dataclasses import dataclass

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
    picture: NDArray[np.float32]
    """(c, h, w) for the layout NCHW, else (h, w, c): what the model is fed for the instance."""
    gone: NDArray[np.float32]
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

    def model_inputs(self, codes: IntArray) -> NDArray[np.float32]:
        """Return (n, h, w, c), in the memory order of the model's layout."""
        padding = np.ones((len(codes), 1), np.bool_)  # label -1 finds it, and it always stays
        kept = np.concatenate([self.interpretable(codes), padding], axis=1)
        stays = np.take(kept, self.labels, axis=1)
        if self.layout == "NCHW":
            return np.where(stays[:, None], self.picture, self.gone).transpose(0, 2, 3, 1)
        return np.where(stays[..., None], self.picture, self.gone)

    def keeping(self, kept: BoolArray, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return pictures in which only these superpixels stay, (n, d)."""
        return self.model_inputs(kept.astype(np.int64))

    def original(self) -> NDArray[np.float32]:
        """Return the picture as a batch of one, (1, h, w, c)."""
        batch = self.picture[None]
        return batch.transpose(0, 2, 3, 1) if self.layout == "NCHW" else batch
