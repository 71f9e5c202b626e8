"""The engine: LIME over arrays, one for all modalities (Ribeiro et al. 2016, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lime_cli.engine.answers import Answers
    from lime_cli.engine.explaining import Watch
    from lime_cli.engine.explanation import Explanation
    from lime_cli.engine.instance import Instance, Model
    from lime_cli.settings import Settings

__all__ = ["ask_shared", "explain"]


def explain(
    instances: list[Instance],
    model: Model,
    settings: Settings,
    answered: dict[str, Answers] | None = None,
    watch: Watch | None = None,
) -> Iterator[Explanation]:
    """Explain instances in order; each must have at least one component.

    ``answered`` keeps the answers of shared pools from one call to the next; ``watch`` is given
    every instance with the samples that explain it. Raises PredictionError when the model fails and
    SettingsError for a target it does not have.
    """
    # Models and modalities import types from this package; they need not pay for the mathematics.
    from lime_cli.engine.explaining import explain_all

    return explain_all(instances, model, settings, {} if answered is None else answered, watch)


def ask_shared(
    instance: Instance, model: Model, settings: Settings, answered: dict[str, Answers]
) -> None:
    """Ask ahead about the samples that an instance of a shared pool begins with."""
    from lime_cli.engine.neighbourhood import answers_of

    if instance.shared:
        answers_of(instance, model, settings, settings.samples, answered)
