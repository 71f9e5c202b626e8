"""The weighed samples of one instance, for whoever looks at them: trees, archives, evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from lime_cli.engine.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The instance (row 0) and its samples, weighed by the kernel of one radius."""

    interpretable: BoolArray | FloatArray
    """(n + 1, d): which components a sample keeps."""
    predictions: FloatArray
    """(n + 1, k)"""
    weights: FloatArray
    """(n + 1,): they sum to about one."""
    block: IntArray
    """(n + 1,): in 0..R-1; -1 for the instance, which belongs to none."""
    n_blocks: int
    """R; 1 where nothing was drawn."""
    twins: IntArray
    """(pairs, 2): rows of the same mask whose replacements were drawn independently."""
    kernel_width: float

    @property
    def effective_samples(self) -> float:
        """Kish's effective sample size of the samples' weights."""
        weights = self.weights[1:]
        total = float((weights**2).sum())
        return float(weights.sum() ** 2 / total) if total > 0 else 0.0
