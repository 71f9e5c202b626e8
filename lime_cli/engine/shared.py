"""What the engine knows of instances that share their samples, beyond what it knows of any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from lime_cli.engine.instance import Instance, IntArray


class SharedInstance(Instance, Protocol):
    """An instance that shares its samples: its components are the bins that its columns lie in."""

    @property
    def own_bins(self) -> IntArray:
        """The bin of each component's column (d,); -1 for one that no sample lies in."""
        ...

    @property
    def fits_samples(self) -> bool:
        """Whether its own values and those of samples can be in one batch as they are."""
        ...

    def model_inputs(self, codes: IntArray, itself: bool = False) -> Any:
        """Return what the model is asked for samples, after the instance itself if wanted."""
        ...

    def bins(self, codes: IntArray) -> IntArray:
        """Return the bins (n, d) of samples; the same for every instance of the pool."""
        ...

    def originals(self, instances: Sequence[Any]) -> Any:
        """Return instances of the pool, this one or others, as one batch."""
        ...
