"""What a model said to samples, and which of them it could not answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lime_cli.engine.instance import BoolArray, FloatArray, Samples
from lime_cli.errors import NotFinite, PredictionError
from lime_cli.settings import Settings


@dataclass(frozen=True, eq=False)
class Answers:
    """A sample set and what the model said to it; shared by every instance of one pool."""

    samples: Samples
    predictions: FloatArray
    """(n, k); NaN or infinity where the model failed and samples may be left out."""

    @cached_property
    def failed(self) -> BoolArray:
        """Which samples the model gave no finite answer to, (n,)."""
        return np.asarray(~np.isfinite(self.predictions).all(axis=1))

    @property
    def n_failed(self) -> int:
        """Count the samples that are left out."""
        return int(self.failed.sum())

    @cached_property
    def mass(self) -> FloatArray:
        """What each sample stands for, (n,): nothing where the model failed."""
        return np.where(self.failed, 0.0, self.samples.mass) if self.n_failed else self.samples.mass

    @cached_property
    def finite(self) -> FloatArray:
        """The answers (n, k), those of failed samples, which have no mass, as the others' mean."""
        if not self.n_failed:
            return self.predictions
        return np.where(
            self.failed[:, None], self.predictions[~self.failed].mean(axis=0), self.predictions
        )


def checked(answers: Answers, settings: Settings, source: str) -> Answers:
    """Return the answers; raise PredictionError where more failed than may be left out."""
    n, failed = len(answers.predictions), answers.n_failed
    if failed > settings.drop_failed * n:
        said = NotFinite.words(source, failed, n)
        allowed = f"--drop-failed {100 * settings.drop_failed:.3g}%"
        raise PredictionError(said, f"more than {allowed} leaves out; give a larger share")
    return answers
