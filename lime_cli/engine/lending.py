"""A fit on a few components that knows what the others do: the fit on all of them is lent."""

from __future__ import annotations

import numpy as np

from lime_cli.engine.instance import FloatArray
from lime_cli.engine.moments import Problem
from lime_cli.engine.neighbourhood import Law, Neighbourhood
from lime_cli.engine.refit import refit
from lime_cli.settings import Settings

FULL_FIT = 4
"""Effective samples per component from which all components may be fitted together."""


def lent(neighbourhood: Neighbourhood, settings: Settings) -> Law | None:
    """Return the law where samples are enough to fit all components together, and few are kept."""
    wanted = FULL_FIT * (1 + neighbourhood.interpretable.shape[1])
    chooses = settings.selection != "none" and settings.penalty == 0
    return neighbourhood.law if chooses and neighbourhood.effective_samples >= wanted else None


def by_law(problem: Problem, law: Law, shift: FloatArray) -> Problem:
    """Return the problem that endless samples would pose if the fit on all components were true.

    A choice has the same weights there in expectation: the residual of the full fit is orthogonal
    to every component. What the others do, which is noise to a fit on a few, is then no noise.
    """
    b, folds, k, d = problem.correlations.shape
    which, everything = np.repeat(np.arange(b * folds), k), np.ones((b * folds * k, d), bool)
    grams, wanted = problem.grams.reshape(-1, d, d), problem.correlations.reshape(-1, d)
    full = refit(grams, which, wanted, everything, np.zeros(len(which)))
    full = full.reshape(b, folds, k, d)
    means = np.broadcast_to((law.means - shift[:, :d])[:, None], (b, folds, d))
    level = problem.means[..., d:] + (full @ (means - problem.means[..., :d])[..., None])[..., 0]
    return Problem(
        grams=np.broadcast_to(law.covariance, (b, folds, d, d)),
        correlations=full @ law.covariance,
        means=np.concatenate([means, level], axis=-1),
        mass=problem.mass,
    )
