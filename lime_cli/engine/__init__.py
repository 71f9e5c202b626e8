"""The engine: LIME over arrays, one for all modalities (Ribeiro et al. 2016, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lime_cli.engine.explaining import Watch
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import Instance
    from lime_cli.engine.model import Model
    from lime_cli.settings import Settings

__all__ = ["explain"]


def explain(
    instances: list[Instance], model: Model, settings: Settings, watch: Watch | None = None
) -> Iterator[Explanation]:
    """Explain instances in order; each must have at least one component.

    ``watch`` is given every instance with the samples that explain it. Raises PredictionError when
    the model fails and SettingsError for a target it does not have.
    """
    # Models and modalities import types from this package; they need not pay for the mathematics.
    from lime_cli.engine.explaining import explain_all

    return explain_all(instances, model, settings, watch)
