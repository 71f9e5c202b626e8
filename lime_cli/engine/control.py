"""Control variates for tables: what cheap models explain of the answers, less its linear part.

Two models are fitted to the answers that all rows share, and mixed; each is out of fold, a fold
being a block of samples. A row's weighted law is independent in each column, and both models are
sums of products over columns, so that their best linear model of a row, in the same weighted sense
as the surrogate itself, is known exactly. What is left of a model without it has no weights: taken
from the answers, it leaves the row's weights alone in expectation and takes variance away.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np

from lime_cli.engine.additive import Additive, additive
from lime_cli.engine.answers import Answers
from lime_cli.engine.encoding import FEATURES, ColumnLaw
from lime_cli.engine.features import features_of
from lime_cli.engine.instance import FloatArray, Instance, IntArray
from lime_cli.engine.kernel import Kernel, kernel
from lime_cli.engine.neighbourhood import Neighbourhood

TRAINING = 4096
"""Samples that the models are fitted to, at most."""
FEWEST, FOLDS = 64, 4
"""Samples and blocks that it takes to fit anything."""

FAINTEST = 1e-9
"""Weight of a sample with one column gone, below which there is no neighbourhood to model."""


@runtime_checkable
class Tabular(Protocol):
    """A row of a table, as its control needs it; d columns vary."""

    @property
    def laws(self) -> tuple[ColumnLaw, ...]:
        """How the d columns are drawn; the same object for all rows of a pool."""
        ...

    @property
    def own_bins(self) -> IntArray:
        """The bins (d,) of the row's own values; -1 for one that no sample lies in."""
        ...

    def drawn(self, codes: IntArray) -> IntArray:
        """Return the level numbers (n, d) of the columns that vary."""
        ...


@dataclass(frozen=True, eq=False)
class Control:
    """The mixed models of one target; sample i is in block i modulo the number of folds."""

    models: tuple[Additive | Kernel, ...]
    mix: FloatArray
    """(folds, 3): a constant and the share of each model."""
    values: FloatArray
    """(n,): of every sample, by the model fitted without its block."""

    def project(self, bins: IntArray, fade: float) -> FloatArray:
        """Return the best linear models by row: (rows, folds, 1 + d), the constant first.

        ``bins`` (rows, d) are those of the rows' own values; -1 where unknown. ``fade`` is the
        factor of the proximity for each column that goes.
        """
        odds = self.models[0].features.odds(bins, fade)
        found = np.zeros((len(bins), len(self.mix), 1 + bins.shape[1]))
        found[:, :, 0] = self.mix[:, 0]
        for place, model in enumerate(self.models, 1):
            found += self.mix[:, place, None] * model.project(bins, odds)
        return found


KEPT: MutableMapping[Answers, dict[int, Control]] = WeakKeyDictionary()
"""The controls of every target, as long as the answers themselves are kept."""


def controllable(instance: Instance, answers: Answers) -> bool:
    """Tell whether there are columns, samples and blocks enough, and not too many columns."""
    samples = answers.samples
    enough = len(samples.codes) >= FEWEST and samples.n_blocks >= FOLDS
    return enough and isinstance(instance, Tabular) and 0 < 2 * len(instance.laws) <= FEATURES


def controlled(
    instance: Tabular, answers: Answers, neighbourhood: Neighbourhood, targets: IntArray
) -> FloatArray:
    """Return the answers (n + 1, targets) less what the models explain beyond the row's weights.

    The row itself gets what the models' linear part says of it, so that it pulls nowhere. What is
    fitted to the answers is kept with them, for every row.
    """
    drawn, n_blocks = neighbourhood.interpretable[1:], neighbourhood.n_blocks
    found = neighbourhood.predictions[:, targets].copy()
    bins, fade = instance.own_bins[None], math.exp(-0.5 / neighbourhood.kernel_width**2)
    if fade < FAINTEST:
        return found
    kept = KEPT.setdefault(answers, {})
    for place, target in enumerate(targets.tolist()):
        known = answers.finite[:, target]
        if np.ptp(known) == 0.0:
            continue
        if target not in kept:
            codes = instance.drawn(answers.samples.codes)
            kept[target] = control_of(instance.laws, codes, known, n_blocks)
        linear = kept[target].project(bins, fade)[0]
        for fold in range(n_blocks):
            own = slice(fold, None, n_blocks)
            straight = linear[fold, 0] + drawn[own] @ linear[fold, 1:]
            found[1:, place][own] += straight - kept[target].values[own]
        found[0, place] = linear.sum(axis=1).mean()
    return found


def control_of(
    laws: Sequence[ColumnLaw], codes: IntArray, answers: FloatArray, n_blocks: int
) -> Control:
    """Fit the models to one target's answers (n,) to ``codes`` (n, d) of columns that all vary."""
    features = features_of(laws)
    few, known = codes[:TRAINING], answers[:TRAINING]
    models: tuple[Additive | Kernel, ...] = (
        additive(features, few, known, n_blocks),
        kernel(features, few, known, n_blocks),
    )
    guesses = np.ones((len(codes), 3))
    for fold in range(n_blocks):
        own = slice(fold, None, n_blocks)
        for place, model in enumerate(models, 1):
            guesses[own, place] = model.of(codes[own], fold)
    mix = np.stack([_mix(guesses, answers, fold, n_blocks) for fold in range(n_blocks)])
    values = (guesses * mix[np.arange(len(codes)) % n_blocks]).sum(axis=1)
    return Control(models, mix, values)


def _mix(guesses: FloatArray, answers: FloatArray, fold: int, n_blocks: int) -> FloatArray:
    others = np.arange(len(guesses)) % n_blocks != fold
    guesses, answers = guesses[others], answers[others]
    return np.asarray(np.linalg.lstsq(guesses, answers, rcond=1e-9)[0])
